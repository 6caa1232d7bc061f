"""Official Pix2Vox checkpoints (`Pix2Vox-A-ShapeNet.pth`, `Pix2Vox-F-ShapeNet.pth`) as voxcli weights; VGG-16's as a trunk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from voxcli import config
from voxcli.backend import on_meta_device
from voxcli.errors import FileFormatError
from voxcli.models.checkpoints import named_tensors, read_checkpoint
from voxcli.models.pix2vox.network import PRESETS, Pix2Vox, Pix2VoxConfig
from voxcli.models.weights import Weights

VARIANTS = ("pix2vox-f", "pix2vox-a")
"""Of the original, by their presets."""

PARTS = ("encoder", "decoder", "refiner", "merger")

EntryReport = Callable[[str, str], None]
"""What happened to an entry of a checkpoint: ("used" | "left" | "filled", its name and shape)."""


def import_weights(path: str | Path, model: str, report: EntryReport = lambda fate, name: None) -> Weights:
    """Read the four state_dicts of a checkpoint of `model` (pix2vox-f or pix2vox-a).

    Names may start with `module.`; `num_batches_tracked` may be absent (filled with 0); optimiser states, epochs and scores are left.
    Raises FileFormatError for a file of the other variant, and names the first tensor that is missing or has another shape.
    """
    found = read_checkpoint(path)
    tensors = {f"{part}.{key}": t for part in PARTS for key, t in named_tensors(found.get(f"{part}_state_dict")).items()}
    if not tensors:
        keys = ", ".join(sorted(found)[:4])
        raise FileFormatError(f"'{path}' is no Pix2Vox checkpoint.", expected="encoder_state_dict and its like", actual=f"keys {keys}")
    settings = PRESETS[model]
    wanted = expected_shapes(settings)
    _check_variant(path, model, tensors)
    taken: dict[str, Tensor] = {}
    for key, shape in wanted.items():
        if key not in tensors and key.endswith("num_batches_tracked"):
            taken[key] = torch.zeros(shape, dtype=torch.int64)
            report("filled", f"{key} {list(shape)}")
            continue
        given = list(tensors[key].shape) if key in tensors else "no such tensor"
        if given != list(shape):
            raise FileFormatError(f"'{path}': '{key}' does not fit {model}.", expected=list(shape), actual=given)
        taken[key] = tensors[key].detach().clone()
        report("used", f"{key} {list(shape)}")
    for key in tensors.keys() - wanted.keys():
        report("left", f"{key} {list(tensors[key].shape)}")
    for key in sorted(set(found) - {f"{part}_state_dict" for part in PARTS}):
        report("left", key)
    facts = {"source": Path(path).name} | {k: found[k] for k in ("best_iou", "epoch_idx") if isinstance(found.get(k), (int, float))}
    return Weights(taken, model, config.to_mapping(settings), facts)


def recognised(path: str | Path) -> str | None:
    """Which variant a checkpoint is of, by its decoder's first weights; None for anything else. Raises as read_checkpoint does."""
    found = named_tensors(read_checkpoint(path).get("decoder_state_dict"))
    return _variant(found["layer1.0.weight"]) if "layer1.0.weight" in found else None


def _variant(first: Tensor | None) -> str | None:
    """The variant whose decoder begins with weights of this shape."""
    return next((name for name, shape in _first_shapes().items() if first is not None and tuple(first.shape) == shape), None)


def _first_shapes() -> dict[str, tuple[int, ...]]:
    return {name: (*PRESETS[name].decoder[:2], 4, 4, 4) for name in VARIANTS}


def _check_variant(path: str | Path, model: str, tensors: dict[str, Tensor]) -> None:
    """Raise FileFormatError where the decoder's first weights are those of the other variant, or of none."""
    key = "decoder.layer1.0.weight"
    given = tensors.get(key)
    other = _variant(given)
    if other == model:
        return
    raise FileFormatError(
        f"'{path}' is a checkpoint of {other or 'neither pix2vox-a nor pix2vox-f'}: '{key}' differs.",
        expected=f"{list(_first_shapes()[model])} of {model}", actual="no such tensor" if given is None else list(given.shape),
        hint=f"Import it as {other}." if other else None,
    )  # fmt: skip


def expected_shapes(settings: Pix2VoxConfig) -> dict[str, torch.Size]:
    """Shape of every tensor of a network, by name."""
    with on_meta_device():
        return {key: tensor.shape for key, tensor in Pix2Vox(settings).state_dict().items()}


def load_trunk(trunk: nn.Module, path: str | Path) -> None:
    """Load the first eight convolutions of an ImageNet VGG-16 with batch normalisation into `encoder.vgg`.

    path: a state_dict with torchvision's names, `features.0.weight` and so on; what lies deeper and its classifier are not looked at.
    Raises FileFormatError that names the first tensor which is missing or has another shape.
    """
    given = named_tensors(read_checkpoint(path))
    wanted = trunk.state_dict()
    for key, tensor in wanted.items():
        name = f"features.{key}"
        if name not in given and key.endswith("num_batches_tracked"):
            continue
        shape = list(given[name].shape) if name in given else "no such tensor"
        if shape != list(tensor.shape):
            raise FileFormatError(f"'{path}': '{name}' is not that of a VGG-16 with batch normalisation.", expected=list(tensor.shape),
                                  actual=shape, hint="torchvision's vgg16_bn has these names.")  # fmt: skip
        wanted[key] = given[name]
    trunk.load_state_dict(wanted)
