"""Pictures that a network can hardly know what to make of: a warning for each kind, and the work goes on."""

from __future__ import annotations

SMALL, LONG = 32, 4
"""Pixels a side of the smallest picture, and the largest ratio of its sides, that are taken without a word."""


def unusual_size(width: int, height: int) -> str | None:
    """What is unusual about the size of a picture, if anything."""
    if min(width, height) < SMALL:
        return f"{width}x{height} pixels are very few: little can be told from them."
    if max(width, height) > LONG * min(width, height):
        return f"{width}x{height} pixels are far from square: models see it squeezed, or a part of it. Cut out what is to be seen."
    return None
