"""Class names, their ids and their colours."""

from __future__ import annotations

from dataclasses import dataclass

STREET_CLASSES = ("air", "person", "car", "truck", "van", "bus", "building", "tree", "bicycle", "ground")
"""The nine classes of SemanticVoxels (SSZ, section 3.4) in its Table 2 wording, behind the air class of section 3."""

_PALETTE = {
    "air": (255, 255, 255),
    "person": (220, 50, 60),
    "car": (40, 100, 220),
    "truck": (120, 60, 170),
    "van": (40, 180, 200),
    "bus": (245, 160, 30),
    "building": (150, 125, 105),
    "tree": (60, 150, 60),
    "bicycle": (235, 90, 180),
    "ground": (110, 110, 115),
}


@dataclass(frozen=True)
class Labels:
    """What the numbers of a label grid mean. Never assume that 0 is empty: foreign files differ.

    names: class names by id; empty: the id of empty space, or None; ignore: the id that scores leave out, or None.

    >>> Labels(("air", "car", "tree")).solid_ids
    [1, 2]
    """

    names: tuple[str, ...] = STREET_CLASSES
    empty: int | None = 0
    ignore: int | None = 255

    @property
    def solid_ids(self) -> list[int]:
        """Ids of all classes but empty space."""
        return [i for i in range(len(self.names)) if i != self.empty]


def class_colour(name: str) -> tuple[int, int, int]:
    """The colour of a class, RGB 0..255: fixed for the street classes, spread around the colour wheel by name for others.

    >>> class_colour("car")
    (40, 100, 220)
    """
    if name in _PALETTE:
        return _PALETTE[name]
    import colorsys
    import zlib

    hue = (zlib.crc32(name.encode()) % 360) / 360
    r, g, b = colorsys.hsv_to_rgb(hue, 0.65, 0.85)
    return int(255 * r), int(255 * g), int(255 * b)
