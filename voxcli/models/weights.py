"""Weights as safetensors: tensors, in half precision where nothing else is asked for, and metadata (model, resolved configuration, label
names, training data, version)."""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from voxcli.atomic import atomic_write_bytes
from voxcli.errors import DataError, FileFormatError, UsageError, unknown_name
from voxcli.version import __version__

SHIPPED = Path(__file__).resolve().parent.parent / "weights"


@dataclass(frozen=True)
class Weights:
    """tensors by name (floats are float32, unless a foreign checkpoint has others), the model's name, its configuration, other facts."""

    tensors: dict[str, Tensor]
    model: str
    config: dict[str, Any]
    facts: dict[str, Any] = field(default_factory=dict)


def save_weights(path: str | Path, weights: Weights, half: bool = True) -> None:
    """Write weights atomically: floats as float16, or with half=False as they are. The same weights give the same bytes.

    Raises DataError that names the first tensor with values that are not finite, UsageError where one is too large for float16.
    """
    from safetensors.torch import save

    check_finite(weights)
    tensors = {k: t.half() if half and t.is_floating_point() else t for k, t in sorted(weights.tensors.items())}
    tensors = {k: t.detach().cpu().contiguous() for k, t in tensors.items()}
    worst = [k for k, t in tensors.items() if t.is_floating_point() and not bool(torch.isfinite(t).all())]
    if worst:
        largest = float(weights.tensors[worst[0]].abs().max())
        raise UsageError(f"'{worst[0]}' does not fit into half precision.", expected="numbers up to 65504", actual=f"{largest:.3g}")
    metadata = {"model": weights.model, "config": json.dumps(weights.config, sort_keys=True), "version": __version__}
    metadata |= {k: json.dumps(v, sort_keys=True) for k, v in weights.facts.items()}
    atomic_write_bytes(path, _with_sorted_header(save(tensors, metadata)), overwrite=True)


def check_finite(weights: Weights) -> None:
    """Raise DataError that names the first tensor with NaN or infinite values."""
    for name, tensor in sorted(weights.tensors.items()):
        if not tensor.is_floating_point() or math.isfinite(float(tensor.sum())):  # the sum takes a fifth of the time
            continue
        bad = int((~torch.isfinite(tensor)).sum())
        if bad:
            raise DataError(f"'{name}' holds NaN or infinite values.", actual=f"{bad} of {tensor.numel()}")


def _with_sorted_header(data: bytes) -> bytes:
    """The same file with its JSON header in sorted order: the library writes the metadata in a random one."""
    size = int.from_bytes(data[:8], "little")
    header = json.dumps(json.loads(data[8 : 8 + size]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + data[8 + size :]


def load_weights(source: str | Path) -> Weights:
    """Read weights from a file, or by the name of shipped ones. Floats come back as float32.

    Raises UsageError for an unknown name and FileFormatError for a file that is no such weights.
    """
    path = find_weights(source)
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118
        model, config = metadata["model"], json.loads(metadata["config"])
        facts = {k: json.loads(v) for k, v in sorted(metadata.items()) if k not in ("model", "config", "version")}
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise _no_weights(path, error) from error
    tensors = {k: t.float() if t.is_floating_point() else t for k, t in tensors.items()}
    return Weights(tensors, model, config, {**facts, "version": metadata.get("version", "")})


def load_parts(network: nn.Module, source: str | Path) -> None:
    """Give a network those tensors of a weights file that it has, too; the others stay as they are.

    Raises FileFormatError where there are none, and where one has another shape.
    """
    own = network.state_dict()
    fits = {k: t for k, t in load_weights(source).tensors.items() if k in own}
    if not fits:
        raise FileFormatError(f"'{source}' has no part of this network.", expected=f"some of {', '.join(list(own)[:3])}, ...")
    for name, tensor in fits.items():
        if tensor.shape != own[name].shape:
            raise FileFormatError(f"'{source}': '{name}' has other widths than the network asked for.", expected=list(own[name].shape),
                                  actual=list(tensor.shape), hint="Leave out the widths: the weights state their own.")  # fmt: skip
    network.load_state_dict(fits, strict=False)


def model_of(source: str | Path) -> str:
    """The model that a weights file is of, from its header alone. Raises as `load_weights` does."""
    return _header(find_weights(source))[0]


def config_of(source: str | Path) -> dict[str, Any]:
    """The configuration of the network in a weights file, from its header alone. Raises as `load_weights` does."""
    return _header(find_weights(source))[1]


def _header(path: Path) -> tuple[str, dict[str, Any]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            return metadata["model"], json.loads(metadata["config"])
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise _no_weights(path, error) from error


def _no_weights(path: Path, error: Exception) -> FileFormatError:
    """The error for a file that cannot be read as weights; the library's own words are about its header's bytes."""
    if isinstance(error, KeyError):
        actual, hint = f"tensors without '{error.args[0]}'", "Weights of other programs are taken over by: voxcli weights import"
    elif isinstance(error, OSError) and error.strerror:
        actual, hint = error.strerror, None
    else:
        actual, hint = "a damaged file, or another kind of file", None
    return FileFormatError(f"'{path}' is no voxcli weights file.", expected="what `voxcli train` writes as .safetensors", actual=actual,
                           hint=hint)  # fmt: skip


def find_weights(source: str | Path) -> Path:
    """The path of a weights file: a path that exists, or the name of shipped weights."""
    path = Path(source)
    if path.is_file():
        return path
    shipped = {p.stem: p for p in SHIPPED.glob("*.safetensors")}
    if str(source) in shipped:
        return shipped[str(source)]
    if path.suffix or os.sep in str(source):
        raise FileFormatError(f"'{source}' is not there.", expected="a .safetensors file, or the name of shipped weights")
    raise unknown_name("weights", str(source), shipped or ["(none are shipped)"])
