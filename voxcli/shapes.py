"""Small checks of arrays, made once at the entry of a function: of their shape, and of how far coordinates reach; the ways to fill."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from voxcli.errors import DataError, ShapeError

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

FILLS = ("auto", "outside", "winding", "parity", "surface")
"""How the inside of a mesh is found, see `voxcli.geometry.solid.fruxelize_parts`."""
LARGEST = 1e30
"""Coordinates beyond it are refused where they are measured or drawn: products of several must stay numbers, and where a matching keeps
its costs in float32, distances too."""


class Shaped(Protocol):
    """An array or a tensor."""

    @property
    def shape(self) -> tuple[int, ...]: ...


def check_extent(points: np.ndarray | Tensor, name: str) -> None:
    """Raise DataError for coordinates [N, 3] so large that distances between them would not be numbers any more."""
    largest = max(float(points.max()), -float(points.min())) if len(points) else 0.0
    if largest > LARGEST:
        raise DataError(f"{name} are too far out for distances between them to be numbers.", expected=f"coordinates up to {LARGEST:g}",
                        actual=f"{largest:g}", hint="The file may be damaged, or in other units.")  # fmt: skip


def check_shape(x: Shaped, pattern: str, name: str = "input", sizes: dict[str, int] | None = None) -> dict[str, int]:
    """Check x.shape against a pattern such as "* 3 H W" and return the sizes that its letters took.

    `*` stands for any number of leading dimensions, a number for itself, a letter for any size (the same letter, the same size).
    `sizes` hands in letters that other tensors have fixed already. Raises ShapeError with both shapes.
    """
    tokens = pattern.split()
    shape = tuple(x.shape)
    found = dict(sizes or {})
    leading = tokens[:1] == ["*"]
    if leading:
        tokens = tokens[1:]
    tail = shape[len(shape) - len(tokens) :] if leading else shape
    ok = len(tail) == len(tokens) and len(shape) >= len(tokens)
    for token, size in zip(tokens, tail, strict=False):
        wanted = int(token) if token.isdigit() else found.setdefault(token, size)
        ok = ok and wanted == size
    if not ok:
        known = {k: v for k, v in (sizes or {}).items() if k in tokens}
        fixed = f" with {', '.join(f'{k}={v}' for k, v in known.items())}" if known else ""
        raise ShapeError(f"{name} has the wrong shape.", expected=f"[{pattern}]{fixed}", actual=list(shape))
    return found
