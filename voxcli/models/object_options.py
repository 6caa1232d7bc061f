"""Options that models of objects share."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from voxcli.errors import UsageError
from voxcli.models.base import ModelOptions
from voxcli.options import option, text_option

Colour = tuple[int, int, int]

SHAPES = "synth objects, or convert --to jof"
"""What networks of coloured shapes train on."""

WAYS = ("auto", "none")
"""How an object may be cut out of its picture, besides the path of a mask."""


@dataclass(frozen=True)
class ObjectOptions(ModelOptions):
    """cut: auto, which None stands for, none, or the path of a mask or of a folder of masks; see `voxcli.ops.cutting`. Models are handed
    pictures that have the mask of a path as their alpha."""

    cut: str | None = option(
        None, "auto cuts objects out of pictures without alpha, by a plain background or by the mask head; FILE: a mask, or a folder.",
        metavar="auto|none|FILE",
    )  # fmt: skip

    def __post_init__(self) -> None:
        if self.cut is not None and not isinstance(self.cut, str):
            raise UsageError("This says nothing of how to cut an object out.", expected="auto, none, or the path of a mask",
                             actual=type(self.cut).__name__)  # fmt: skip
        if (mask := self.mask_file) is not None and not Path(mask).suffix and not os.path.exists(mask):
            raise UsageError(f"'{mask}' is neither a way to cut an object out nor a mask.", actual="no file or folder of that name",
                             expected="auto, none, or the path of a mask or of a folder of masks")  # fmt: skip
        super().__post_init__()

    @property
    def mask_file(self) -> str | None:
        """The path of a mask or of a folder of masks, where one is given."""
        return None if self.cut in (None, *WAYS) else self.cut


@dataclass(frozen=True)
class FitOptions:
    """How codes are fitted, and what is made of them. steps: of Adam; resolution: cells of the surface a side; threshold: occupancy at the
    surface; parts: faces labelled by part in place of albedo."""

    steps: int = 200
    resolution: int = 64
    threshold: float = 0.5
    parts: bool = False


def colour_of(text: str) -> Colour:
    """R, G, B of a grey level or three numbers. Raises UsageError for anything else.

    >>> colour_of("240"), colour_of("0,128,255")
    ((240, 240, 240), (0, 128, 255))
    """
    words = text.split(",")
    if len(words) not in (1, 3) or not all(word.strip().isdecimal() and int(word) <= 255 for word in words):
        raise UsageError("--background is a grey level or three of them.", expected="0 to 255, or R,G,B", actual=text)
    red, green, blue = (int(word) for word in (words if len(words) == 3 else words * 3))
    return red, green, blue


def background_option(default: Colour | None) -> Colour | None:
    """What is painted where a picture is transparent."""
    words = "Painted where alpha is 0, each 0 to 255; default 240."
    return text_option(default, words, colour_of, metavar="GREY|R,G,B", within="[0, 255]")


def threshold_option(within: str) -> float | None:
    """Where a cell is occupied."""
    return option(None, "Occupied at or above this probability.", within=within)


def coarse_option() -> bool:
    """The volume of one view, as `fuse_volumes` takes it."""
    return option(False, "Write each view's coarse volume, for fuse-views.")
