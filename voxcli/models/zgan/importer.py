"""Official Z-GAN checkpoints (`latest_net_G.pth`) as voxcli weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from voxcli import config
from voxcli.backend import on_meta_device
from voxcli.errors import FileFormatError
from voxcli.models.checkpoints import named_tensors, read_checkpoint
from voxcli.models.weights import Weights
from voxcli.models.zgan.network import Generator, ZGANConfig

FRUSTUM = {"z_near": 2.0, "z_far": 12.0, "fov_x_deg": 40.0}
"""Checkpoints do not say which frustum they were trained for; this is the one of its successor's data."""


def import_weights(path: str | Path, model: str = "z-gan", report: Callable[[str, str], None] = lambda fate, name: None) -> Weights:
    """Read a generator's state_dict, tensors only; the width is that of its first convolution. `report` hears of each tensor used.

    Names may start with `module.`, and `num_batches_tracked` may be absent. Raises FileFormatError for anything else.
    """
    found = read_checkpoint(path)
    tensors = named_tensors(found)
    if len(tensors) < len(found):
        raise FileFormatError(f"'{path}' holds no state_dict.", expected="tensors by name")
    first = tensors.get("model.model.0.weight")
    if first is None or first.ndim != 4:
        names = ", ".join(sorted(tensors)[:3])
        raise FileFormatError(f"'{path}' is no Z-GAN generator.", expected="the key model.model.0.weight", actual=names)
    settings = ZGANConfig(width=first.shape[0])
    with on_meta_device():
        wanted = {k: t.shape for k, t in Generator(settings).state_dict().items()}
    for key in wanted:
        if key.endswith("num_batches_tracked"):
            tensors.setdefault(key, torch.tensor(0))
    wrong = sorted({k for k in wanted.keys() | tensors.keys() if wanted.get(k) != (tensors[k].shape if k in tensors else None)})
    if wrong:
        key = wrong[0]
        raise FileFormatError(
            f"'{path}' is no Z-GAN generator of width {settings.width}: '{key}' and {len(wrong) - 1} more differ.",
            expected=list(wanted[key]) if key in wanted else "no such tensor",
            actual=list(tensors[key].shape) if key in tensors else "absent",
        )
    for key in wanted:
        report("used", f"{key} {list(wanted[key])}")
    facts = {"label_names": ["air", "object"], "empty_label": 0, "ignore_label": 255, "frustum": FRUSTUM, "source": Path(path).name}
    return Weights(tensors, model, config.to_mapping(settings), facts)
