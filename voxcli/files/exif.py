"""The field of view that a photograph's EXIF tells.

| known | focal length in pixels |
|---|---|
| FocalLengthIn35mmFilm | f35 / 43.27 of the picture's diagonal |
| FocalLength, FocalPlaneXResolution and its unit | FocalLength times pixels per unit of the sensor |

The 35 mm equivalent compares diagonals: that of a frame of 36 x 24 mm is 43.27 mm, and phones, whose sensors are 4:3, are stated so. It
holds for what a digital zoom leaves of the sensor, and whichever way the camera is held. Where both are stated, the first is taken.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, SupportsFloat

if TYPE_CHECKING:
    from PIL import Image

DIAGONAL = math.hypot(36, 24)
"""Of a frame of 35 mm film, in millimetres."""
NARROWEST, WIDEST = 1.0, 150.0
"""Fields of view in degrees beyond which a tag is taken for a mistake: a lens of 2,000 mm, and what no flat picture shows well."""
ANOTHER_ASPECT = 0.03
"""By so much may the ratio of a picture's sides differ from what EXIF states, before it is taken for a part of the photograph."""

_EXIF, _FOCAL, _FILM = 0x8769, 0x920A, 0xA405
_WIDTH, _HEIGHT, _PLANE_X, _PLANE_UNIT = 0xA002, 0xA003, 0xA20E, 0xA210
_MILLIMETRES = {2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}


def field_of_view(exif: Image.Exif, width: int, height: int) -> float | None:
    """Horizontal field of view in degrees of an upright picture of width x height pixels, from Pillow's Exif.

    None where the tags are missing or absurd, and where they state another aspect than the picture has: then it is a part of what was
    photographed, and nobody knows which.
    """
    tags = exif.get_ifd(_EXIF) or {}
    taken = _number(tags, _WIDTH), _number(tags, _HEIGHT)
    whole = (taken[0], taken[1]) if taken[0] and taken[1] else (width, height)
    # Programs that turn the pixels do not always turn the stated size with them.
    ratio = (max(whole) / min(whole)) / (max(width, height) / min(width, height))
    if abs(math.log(ratio)) > ANOTHER_ASPECT:
        return None
    diagonal = math.hypot(width, height)
    focal = None
    if film := _number(tags, _FILM):
        focal = film / DIAGONAL * diagonal
    elif (length := _number(tags, _FOCAL)) and (density := _number(tags, _PLANE_X)):
        unit = _MILLIMETRES.get(int(_number(tags, _PLANE_UNIT) or 2))
        # Pixels of the picture as it was taken, which may have been scaled since.
        focal = None if unit is None else length * density / unit * diagonal / math.hypot(*whole)
    if focal is None:
        return None
    fov = math.degrees(2 * math.atan(width / 2 / focal))
    return fov if NARROWEST <= fov <= WIDEST else None


def _number(tags: Mapping[int, SupportsFloat], tag: int) -> float | None:
    """A tag as a positive finite number; None for anything else: damaged files hold text, lists, and fractions over zero."""
    try:
        value = float(tags[tag])
    except (KeyError, TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    return value if math.isfinite(value) and value > 0 else None
