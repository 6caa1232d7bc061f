"""Class names, their ids and their colours."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass

STREET_CLASSES = ("air", "person", "car", "truck", "van", "bus", "building", "tree", "bicycle", "ground")
"""The nine classes of SemanticVoxels (SSZ, section 3.4) in its Table 2 wording, behind the air class of section 3."""

_PALETTE = {
    "air": (255, 255, 255),
    "person": (194, 18, 29),
    "car": (40, 100, 220),
    "truck": (106, 51, 153),
    "van": (50, 207, 238),
    "bus": (243, 164, 22),
    "building": (145, 112, 92),
    "tree": (88, 171, 81),
    "bicycle": (245, 112, 190),
    "ground": (113, 114, 126),
}
_OTHERS = (
    (20, 125, 195), (250, 195, 20), (90, 55, 20), (20, 20, 250), (230, 195, 160), (55, 125, 125), (160, 125, 20), (125, 195, 230),
    (55, 90, 230), (160, 125, 90), (125, 20, 125), (195, 195, 90),
)  # fmt: skip
"""Colours of parts and of other classes. Within each list any two differ by 20 or more in CIELAB, also for eyes without red or green."""
_TONES = (0.0, 0.35, -0.35, 0.6, -0.6)
"""Shares of white, or where negative of black, by which one hue gets several tones."""


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
    """The colour of a class, a part or an instance, RGB 0..255.

    Fixed for the street classes. An instance, "car-2", has a tone of its class. Other numbered names, "part-3", take the colours of a list
    in turn, and names without a number one of them each.

    >>> class_colour("car"), class_colour("car-1")
    ((40, 100, 220), (40, 100, 220))
    """
    if name in _PALETTE:
        return _PALETTE[name]
    numbered = re.fullmatch(r"(.*?)[-_ ]?(\d{1,6})", name)
    if numbered is None:
        place = zlib.crc32(name.encode(errors="surrogateescape"))
    else:
        place = int(numbered[2]) - 1  # of 0, the last of the list: it differs from that of 1
        if numbered[1] in _PALETTE:
            return _toned(_PALETTE[numbered[1]], max(0, place))
    return _toned(_OTHERS[place % len(_OTHERS)], max(0, place) // len(_OTHERS))


def _toned(colour: tuple[int, int, int], place: int) -> tuple[int, int, int]:
    tone = _TONES[place % len(_TONES)]
    r, g, b = (round(c + (255 - c) * tone if tone > 0 else c * (1 + tone)) for c in colour)
    return r, g, b
