"""Official JOF checkpoints as voxcli weights: one file a part, each a dictionary of one state_dict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from voxcli import config
from voxcli.backend import on_meta_device
from voxcli.errors import FileFormatError
from voxcli.models.checkpoints import named_tensors, read_checkpoint
from voxcli.models.jof.network import JOF, JOFConfig
from voxcli.models.weights import Weights

KEYS = {
    "Encoder_state_dict": "encoder",
    "ShapeDecoder_state_dict": "shape",
    "AlbedoDecoder_state_dict": "albedo",
    "ImgEncoder_state_dict": "image",
}
"""Key of a state_dict -> the part that it is of; an encoder with free codes is the part `latents`."""

CAMERAS = "normal_cam.mat"

EntryReport = Callable[[str, str], None]
"""What happened to an entry of a checkpoint: ("used" | "left", its name and shape)."""


def import_weights(path: str | Path, model: str = "jof", report: EntryReport = lambda fate, name: None) -> Weights:
    """Weights with the parts that a checkpoint holds, or all checkpoints (.pth, .pt, .pkl, .tar) of a folder together.

    A folder's normal_cam.mat (mean_cam, std_cam) gives mean and deviation of the projections; without it, the image encoder's cameras mean
    nothing, which stands in the facts. Raises FileFormatError that names the first tensor that is missing or has another shape.
    """
    path = Path(path)
    files = sorted(p for p in path.iterdir() if p.suffix in (".pth", ".pt", ".pkl", ".tar")) if path.is_dir() else [path]
    if not files:
        raise FileFormatError(f"'{path}' holds no checkpoints.", expected=", ".join(KEYS))
    tensors: dict[str, Tensor] = {}
    for file in files:
        found = read_checkpoint(file)
        for key in sorted(found):
            part = KEYS.get(key)
            if part is None:
                report("left", key)
                continue
            state = named_tensors(found[key])
            part = "latents" if part == "encoder" and "s_latent" in state else part
            if any(name.startswith(f"{part}.") for name in tensors):
                raise FileFormatError(f"'{file}' holds the {part} once more.", hint="Keep one checkpoint of each part in the folder.")
            tensors |= {f"{part}.{name}": tensor for name, tensor in state.items()}
    parts = tuple(part for part in ("encoder", "latents", "shape", "albedo", "image") if any(n.startswith(f"{part}.") for n in tensors))
    if not parts:
        raise FileFormatError(f"'{path}' is no JOF checkpoint.", expected=f"a dictionary with {' or '.join(KEYS)}")
    if "encoder" in parts and "latents" in parts:
        raise FileFormatError(f"'{path}' holds an encoder and free codes.", hint="Import the auto-decoder and the encoder apart.")
    settings = JOFConfig(parts=parts, normalised="latents" not in parts, shapes=len(tensors.get("latents.s_latent", ())))
    settings, known = _with_cameras(settings, path)
    taken = _checked(path, settings, tensors, report)
    return Weights(taken, "jof", config.to_mapping(settings), {"source": path.name, "cameras_known": known, "threshold": 0.5})


def _checked(path: Path, settings: JOFConfig, tensors: dict[str, Tensor], report: EntryReport) -> dict[str, Tensor]:
    """The tensors that the network wants, each of its shape."""
    with on_meta_device():
        wanted = {key: tensor.shape for key, tensor in JOF(settings).state_dict().items()}
    taken = {}
    for key, shape in wanted.items():
        given = list(tensors[key].shape) if key in tensors else "no such tensor"
        if given != list(shape):
            raise FileFormatError(f"'{path}': '{key}' does not fit jof.", expected=list(shape), actual=given)
        taken[key] = tensors[key].detach().clone()
        report("used", f"{key} {list(shape)}")
    for key in sorted(tensors.keys() - wanted.keys()):
        report("left", f"{key} {list(tensors[key].shape)}")
    return taken


def _with_cameras(settings: JOFConfig, path: Path) -> tuple[JOFConfig, bool]:
    """The configuration with mean and deviation of a normal_cam.mat beside the checkpoints, and whether it was there."""
    from voxcli.files.matlab import read_mat_arrays

    file = (path if path.is_dir() else path.parent) / CAMERAS
    if not file.is_file():
        return settings, False
    found = read_mat_arrays(file, ["mean_cam", "std_cam"])
    if sorted(found) != ["mean_cam", "std_cam"] or any(array.size != 12 for array in found.values()):
        raise FileFormatError(f"'{file}' holds no normalisation of cameras.", expected="mean_cam and std_cam, 12 numbers each")
    mean, deviation = (tuple(float(v) for v in found[key].reshape(-1)) for key in ("mean_cam", "std_cam"))
    return replace(settings, camera_mean=mean, camera_std=deviation), True
