"""Weights as safetensors: tensors, in half precision where nothing else is asked for, and metadata (model, resolved configuration, label
names, training data, version).

A file may leave out tensors that shipped weights hold, too, such as a frozen encoder. Its metadata then names these (`shared`), and reading
it gives all tensors.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from voxcli import log
from voxcli.atomic import atomic_write_bytes
from voxcli.errors import DataError, FileFormatError, UsageError, unknown_name
from voxcli.provenance import Json, Meta
from voxcli.version import __version__

SHIPPED = Path(__file__).resolve().parent.parent / "weights"


@dataclass(frozen=True)
class Shared:
    """Tensors that a file leaves to other weights: all of these whose names begin so, and that it does not hold itself. weights: the name
    of shipped ones. names: the beginning. sha256: of the tensors, see `digest_of`. own: the beginning in the place of `names` under which
    the file's network has them; "": the same.
    """

    weights: str
    names: str
    sha256: str
    own: str = ""

    def here(self, name: str) -> str:
        """The name of one of these tensors in the file's network."""
        return (self.own or self.names) + name.removeprefix(self.names)


@dataclass(frozen=True)
class Weights:
    """tensors by name (floats are float32, unless a foreign checkpoint has others), the model's name, its configuration, other facts.
    shared: to whom a file of them leaves tensors, `left` their names; those that are read from a file are whole.
    """

    tensors: dict[str, Tensor]
    model: str
    config: Meta
    facts: Meta = field(default_factory=dict)
    shared: Shared | None = None
    left: frozenset[str] = frozenset()


def save_weights(path: str | Path, weights: Weights, half: bool = True) -> None:
    """Write weights atomically: floats as float16 where they fit (a running variance may not), or with half=False as they are. The same
    weights give the same bytes.

    Raises DataError that names the first tensor with values that are not finite.
    """
    from safetensors.torch import save

    check_finite(weights)
    kept = {k: t for k, t in sorted(weights.tensors.items()) if k not in weights.left}
    tensors = {k: (_halved(t) if half else t).detach().cpu().contiguous() for k, t in kept.items()}
    metadata = {"model": weights.model, "config": json.dumps(weights.config, sort_keys=True), "version": __version__}
    metadata |= {k: json.dumps(v, sort_keys=True) for k, v in weights.facts.items()}
    if weights.shared is not None:
        metadata[_SHARED] = json.dumps({k: v for k, v in vars(weights.shared).items() if v}, sort_keys=True)
    atomic_write_bytes(path, _with_sorted_header(save(tensors, metadata)), overwrite=True)


def _halved(tensor: Tensor) -> Tensor:
    """Floats in half precision; a tensor with numbers above 65504, or of whole numbers, as it is."""
    if not tensor.is_floating_point():
        return tensor
    half = tensor.half()
    return half if bool(torch.isfinite(half).all()) else tensor


def check_fits_half(weights: Weights) -> None:
    """Raise UsageError that names the first tensor with numbers too large for half precision."""
    for name, tensor in sorted(weights.tensors.items()):
        if tensor.dtype in (torch.float32, torch.float64) and _halved(tensor) is tensor:
            raise UsageError(f"'{name}' does not fit into half precision.", expected="numbers up to 65504",
                             actual=f"{float(tensor.abs().max()):.3g}")  # fmt: skip


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
    """Read weights from a file, or by the name of shipped ones. Floats come back as float32. Tensors that the file leaves to others come
    from there.

    Raises UsageError for an unknown name and FileFormatError for a file that is no such weights, or leaves tensors to weights that do not
    hold them.
    """
    path = find_weights(source)
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118
        model, config = metadata["model"], json.loads(metadata["config"])
        facts = {k: json.loads(v) for k, v in sorted(metadata.items()) if k not in ("model", "config", "version", _SHARED)}
        shared = Shared(**json.loads(metadata[_SHARED])) if _SHARED in metadata else None
    except (SafetensorError, OSError, KeyError, ValueError, TypeError) as error:
        raise _no_weights(path, error) from error
    if shared is not None:
        tensors |= _shared_tensors(shared, tensors, path)
    tensors = {k: t.float() if t.is_floating_point() else t for k, t in tensors.items()}
    log.info(lambda: f"{source}: read, weights of {model}, {sum(t.numel() for t in tensors.values()):,} numbers")
    return Weights(tensors, model, config, {**facts, "version": metadata.get("version", "")})


_SHARED = "shared"


def digest_of(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of names and numbers, floats in half precision where they fit, whatever precision they come in."""
    import hashlib

    found = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        numbers = _halved(tensor).detach().cpu().contiguous()
        found.update(f"{name} {tuple(numbers.shape)} {numbers.dtype}\n".encode())
        found.update(numbers.numpy().tobytes())
    return found.hexdigest()


def shared_with(weights: Weights, name: str, names: str = "encoder.") -> Weights:
    """The same weights, whose file will leave those tensors to the shipped weights `name` that both have and whose names begin so there:
    those that no training has changed. Here they may begin otherwise, such as "encoder.published.".

    Raises UsageError where no numbers are the same, to half precision.
    """
    other = {k: t for k, t in load_weights(name).tensors.items() if k.startswith(names)}
    first = min(other, default=names).removeprefix(names)
    beginnings = [k.removesuffix(first) for k in sorted(weights.tensors, key=len) if k.endswith(f".{first}")]
    shared = Shared(name, names, "", next((own for own in beginnings if own != names and names not in beginnings), ""))
    same = {k: t for k, t in other.items() if shared.here(k) in weights.tensors and _equal(t, weights.tensors[shared.here(k)])}
    lacking = sorted(k for k in other if shared.here(k) not in weights.tensors)
    if not same or lacking:
        raise UsageError(f"These weights share no {names}* with '{name}'.", expected="the same numbers, to half precision",
                         actual=f"no tensor {lacking[0]}" if lacking else "others in every tensor" if other else "none of that name",
                         hint="A part can be shared where no training has changed it.")  # fmt: skip
    return replace(weights, shared=replace(shared, sha256=digest_of(same)), left=frozenset(map(shared.here, same)))


def _equal(one: Tensor, other: Tensor) -> bool:
    """The same numbers to half precision; 0 and -0 are the same."""
    a, b = _halved(one).detach().cpu(), _halved(other).detach().cpu()
    return a.dtype == b.dtype and torch.equal(a, b)


def shared_of(source: str | Path) -> Shared | None:
    """What a weights file leaves to other weights, from its header alone; None where it is whole. Raises as `load_weights` does."""
    text = _metadata(find_weights(source)).get(_SHARED)
    return None if text is None else Shared(**json.loads(text))


def _shared_tensors(shared: Shared, own: Collection[str], path: Path) -> dict[str, Tensor]:
    """The tensors that the file at `path`, which holds some of its own, leaves to others."""
    from safetensors import safe_open

    other, found = SHIPPED / f"{shared.weights}.safetensors", {}
    if other.is_file():
        with safe_open(other, framework="pt") as file:
            names = [k for k in file.keys() if k.startswith(shared.names) and shared.here(k) not in own]  # noqa: SIM118
            found = {k: file.get_tensor(k) for k in names}
    if not found or digest_of(found) != shared.sha256:
        raise FileFormatError(f"'{path}' leaves some {shared.names}* to the shipped weights '{shared.weights}', which hold others.",
                              expected="the weights of the same version of voxcli",
                              actual="other numbers" if found else "no such tensors")  # fmt: skip
    return {shared.here(k): t for k, t in found.items()}


def load_parts(network: nn.Module, source: str | Path, parts: Collection[str] = ()) -> None:
    """Give a network those tensors of a weights file that it has, too; the others stay as they are. parts: of these modules alone.

    Raises FileFormatError where there are none, and where one has another shape.
    """
    own = network.state_dict()
    fits = {k: t for k, t in load_weights(source).tensors.items() if k in own and (not parts or k.split(".")[0] in parts)}
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


def config_of(source: str | Path) -> Meta:
    """The configuration of the network in a weights file, from its header alone. Raises as `load_weights` does."""
    return _header(find_weights(source))[1]


def fact_of(source: str | Path, name: str) -> Json:
    """One fact of a weights file, from its header alone; None where it states none. Raises as `load_weights` does."""
    path = find_weights(source)
    try:
        found: Json = json.loads(_metadata(path).get(name, "null"))
    except ValueError as error:
        raise _no_weights(path, error) from error
    return found


def _header(path: Path) -> tuple[str, Meta]:
    metadata = _metadata(path)
    try:
        return metadata["model"], json.loads(metadata["config"])
    except (KeyError, ValueError) as error:
        raise _no_weights(path, error) from error


def _metadata(path: Path) -> dict[str, str]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return file.metadata() or {}
    except (SafetensorError, OSError, ValueError) as error:
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


def is_shipped(source: str) -> bool:
    """Whether a source is no file, and the name of shipped weights."""
    return not os.path.lexists(source) and os.sep not in source and os.path.isfile(SHIPPED / f"{source}.safetensors")


def find_weights(source: str | Path) -> Path:
    """The path of a weights file: a path that exists, or the name of shipped weights."""
    path = Path(source)
    if os.path.isfile(path):
        return path
    shipped = {p.stem: p for p in SHIPPED.glob("*.safetensors")}
    if str(source) in shipped:
        return shipped[str(source)]
    if path.suffix or os.sep in str(source):
        raise FileFormatError(f"'{source}' is not there.", expected="a .safetensors file, or the name of shipped weights")
    raise unknown_name("weights", str(source), shipped or ["(none are shipped)"])
