"""Official UCLID-Net files (`UCLID_Net_all_classes.pth`, `image2depth_all_classes.pth`, `image2cam_all_classes.pth`) as voxcli weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from voxcli import config
from voxcli.backend import on_meta_device
from voxcli.errors import FileFormatError, UsageError
from voxcli.models.checkpoints import named_tensors, read_checkpoint
from voxcli.models.uclid.network import PRESETS, UCLID
from voxcli.models.weights import Weights

FILE_NAMES = ("UCLID_Net_all_classes.pth", "image2depth_all_classes.pth", "image2cam_all_classes.pth")

EntryReport = Callable[[str, str], None]
"""What happened to an entry of a file: ("used" | "left" | "filled", its name and shape)."""


def import_weights(
    paths: str | Path | Sequence[str | Path], model: str = "uclid", report: EntryReport = lambda fate, name: None
) -> Weights:
    """Read the main network's state_dict, and with it those of the depth and camera regressors, in any order.

    Which is which the tensors say. Without a regressor's file, the weights want --depth or --camera. Counters that a file lacks are filled
    with 0. Regressors may name their layers as they like: where the names are not ours, tensors are taken in their order, by shape.
    Raises FileFormatError for a file that is none of them, and names the first tensor that is missing or has another shape.
    """
    if isinstance(paths, (str, Path)):
        paths = [paths]
    settings = PRESETS["official"]
    with on_meta_device():
        wanted = {part: module.state_dict() for part, module in UCLID(settings).named_children()}
    taken: dict[str, Tensor] = {}
    read: dict[str, str | Path] = {}
    for path in paths:
        given = named_tensors(read_checkpoint(path))
        part, found = _recognised(path, given, wanted)
        if part in read:
            raise UsageError(f"'{path}' and '{read[part]}' are of the same network.", expected=" ".join(FILE_NAMES))
        read[part] = path
        for key, tensor in wanted[part].items():
            if key not in found:
                found[key] = torch.zeros(tensor.shape, dtype=torch.int64)
                report("filled", f"{part}.{key} {list(tensor.shape)}")
            else:
                report("used", f"{part}.{key} {list(tensor.shape)}")
            taken[f"{part}.{key}"] = found[key].detach().clone()
        for key in given.keys() - _sources(part, given, wanted[part]):
            report("left", f"{key} {list(given[key].shape)}")
    if "reconstruction" not in read:
        raise UsageError("The main network is missing: regressors alone reconstruct nothing.", expected=FILE_NAMES[0],
                         actual=", ".join(str(path) for path in paths))  # fmt: skip
    if "depth" not in read:
        settings = replace(settings, depth=None)
    if "camera" not in read:
        settings = replace(settings, camera=None)
    return Weights(taken, model, config.to_mapping(settings), {"source": [Path(path).name for path in read.values()]})


def official_name(key: str) -> str:
    """The published name of one of the main network's tensors."""
    head, _, rest = key.partition(".")
    if head == "reduce":
        scale, _, last = rest.partition(".")
        return f"conv1x1_l{int(scale) + 1}.{last}"
    return {"encoder": "encoder_2D", "decoder": "decoder_3D", "occ": "decoder_occupancy", "fold": "patch_sampler"}[head] + f".{rest}"


def _recognised(path: str | Path, given: Mapping[str, Tensor], wanted: Mapping[str, Mapping[str, Tensor]]) -> tuple[str, dict[str, Tensor]]:
    """(which network a file is of, its tensors by our names)."""
    if "decoder_3D.output_layer.weight" in given or any(key.startswith("encoder_2D.") for key in given):
        return "reconstruction", _main(path, given, wanted["reconstruction"])
    weights = [t for t in given.values() if t.is_floating_point()]
    for part in ("depth", "camera"):
        mine = wanted[part]
        if all(key in given and given[key].shape == t.shape for key, t in mine.items()):
            return part, {key: given[key] for key in mine}
        if [t.shape for t in weights] == [t.shape for t in mine.values()]:
            return part, dict(zip(mine, weights, strict=True))
    first = ", ".join(list(given)[:3]) or "no tensors"
    raise FileFormatError(f"'{path}' is no UCLID-Net file.", expected=" or ".join(FILE_NAMES), actual=f"{len(given)} tensors: {first}")


def _main(path: str | Path, given: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    found = {}
    for key, tensor in wanted.items():
        name = official_name(key)
        if name not in given:
            if key.endswith("num_batches_tracked"):
                continue
            raise FileFormatError(f"'{path}': there is no '{name}'.", expected=list(tensor.shape))
        shape = list(given[name].shape)
        # Pointwise layers may be stored as convolutions of any dimension: their kernels have one number.
        trimmed = shape[: tensor.ndim] if all(n == 1 for n in shape[tensor.ndim :]) else shape
        if trimmed != list(tensor.shape):
            raise FileFormatError(f"'{path}': '{name}' does not fit uclid.", expected=list(tensor.shape), actual=shape)
        found[key] = given[name].reshape(tensor.shape)
    return found


def _sources(part: str, given: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> set[str]:
    """Names in the file that were used."""
    if part == "reconstruction":
        return {official_name(key) for key in wanted}
    return set(wanted) if all(key in given for key in wanted) else {key for key, t in given.items() if t.is_floating_point()}
