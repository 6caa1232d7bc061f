"""Checkpoints that other programs saved with torch: read without running anything that they hold."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from voxcli.errors import FileFormatError
from voxcli.provenance import Json

State: TypeAlias = "Tensor | Json | Sequence[State] | Mapping[str, State]"
"""What a checkpoint holds."""

_NUMBERS = {f"{kind}{size}" for kind in "fiu" for size in (1, 2, 4, 8)} - {"f1"} | {"b1"}


class _NumberType:
    """Stands for numpy.dtype while a checkpoint is read: knows plain numbers, and no more."""

    def __init__(self, name: str, align: bool = False, copy: bool = False):
        if name not in _NUMBERS:
            raise ValueError(f"a NumPy value of type {name!r}")
        self.type = np.dtype(name)

    def __setstate__(self, state: tuple[Json, ...]) -> None:
        if state[1] == ">":
            self.type = self.type.newbyteorder(">")


def _number(kind: _NumberType, data: bytes) -> float:
    """Stands for NumPy's rebuilding of a scalar."""
    return np.frombuffer(data, kind.type)[0].item()


def read_checkpoint(path: str | Path) -> dict[str, State]:
    """The dictionary in a .pth file, old or new, with its tensors on the CPU. Only tensors, plain containers and numbers are rebuilt.

    Official trainings also save NumPy scalars (an accuracy, an epoch): these become Python numbers. Raises FileFormatError for what is
    no such file, and for one that would need code of its own to be read.
    """
    modules = ("numpy.core.multiarray", "numpy._core.multiarray")
    allowed: list[Callable[..., float] | tuple[Callable[..., float] | type, str]] = [
        (_NumberType, "numpy.dtype"),
        *((_number, f"{module}.scalar") for module in modules),
    ]
    try:
        with torch.serialization.safe_globals(allowed), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of other programs' pickles, and advises to run them
            found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises a dozen kinds here, from zip errors to IndexError
        raise FileFormatError(
            f"'{path}' is no checkpoint of tensors.", expected="what torch.save writes of tensors, lists, dictionaries and numbers",
            actual=why_refused(error),
        ) from error  # fmt: skip
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        raise FileFormatError(f"'{path}' holds no dictionary of tensors.", expected="tensors by name", actual=type(found).__name__)
    return found


def why_refused(error: Exception) -> str:
    """Why torch.load refused a file, without its own words: an advice to read it unsafely, or positions in its archives."""
    text = " ".join(str(error).split())
    asked = re.search(r"GLOBAL ([\w.]+)", text)
    if asked:
        return f"an object of {asked[1]}, which would run code of its own"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return text[:120] if isinstance(error, ValueError) and text.startswith("a NumPy value") else "a damaged file, or another kind of file"


def named_tensors(state: State) -> dict[str, Tensor]:
    """The tensors of a state_dict by name, without the `module.` that DataParallel puts in front; anything else gives none."""
    if not isinstance(state, dict):
        return {}
    return {str(key).removeprefix("module."): value for key, value in state.items() if isinstance(value, Tensor)}
