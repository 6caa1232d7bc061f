"""Options that models of objects share."""

from __future__ import annotations

from voxcli.errors import UsageError
from voxcli.options import option, text_option

Colour = tuple[int, int, int]


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
