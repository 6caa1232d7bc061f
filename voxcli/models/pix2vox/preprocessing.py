"""From a picture to Pix2Vox's input: the steps of the official test transform, in its order.

Channels stay in the order B, G, R in which the original reads files; values become 0..1; the picture is cropped and resized to 224 x 224
bilinearly, without averaging; only then pixels whose alpha is exactly 0 are painted with the background, while all others keep their
colour unmixed; last come (x - 0.5) / 0.5.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from voxcli.errors import DataError, UsageError, unknown_name
from voxcli.models.pix2vox.sizes import IMAGE
from voxcli.models.pix2vox.spec import CROPS, Box, box_in_pixels, check_part
from voxcli.provenance import Meta
from voxcli.scene.types import Picture

CENTRE = 128
"""Side of the central part that is taken from renders: those of 3D-R2N2 have 137 pixels."""

MARGIN = 1.2
"""Side of the part taken around an object that its alpha shows, as a multiple of the object's longer side: about that of the renders."""


@dataclass(frozen=True)
class Preparation:
    """What is done to a picture before the network sees it.

    background: R, G, B in 0..255, painted where alpha is 0; the original tests with 240 and trains with 225 to 255.
    crop: `box` takes the square around `bbox`, or around what alpha shows where there is no bbox; `center` the central 128 x 128 of
    anything larger, as the original does at every size; `none` the whole picture; `auto` decides: `box` where a bbox is given, `center`
    for the size of renders (129 to 223 pixels both ways), for others what alpha shows, or else the whole picture.
    bbox: left, top, right, bottom in pixels, or as fractions where none exceeds 1.
    """

    background: tuple[int, int, int] = (240, 240, 240)
    crop: str = "auto"
    bbox: Box | None = None

    def __post_init__(self) -> None:
        if self.crop not in CROPS:
            raise unknown_name("crop", self.crop, CROPS)
        if min(self.background) < 0 or max(self.background) > 255:
            raise UsageError("A background is R, G, B in 0..255.", actual=list(self.background))
        check_part(self.crop, self.bbox)


def prepare(picture: Picture, how: Preparation) -> tuple[np.ndarray, Meta]:
    """The network's input [3, 224, 224] float32, BGR in -1..1, and what was done: the part taken and how, how much was painted.

    Raises DataError for a picture that shows nothing.
    """
    if picture.alpha is not None and not picture.alpha.any():
        raise DataError("The picture is transparent everywhere: there is nothing to see.", expected="alpha above 0 on the object",
                        hint="Save it without transparency, or with alpha above 0 where the object is.")  # fmt: skip
    rule, (left, top, right, bottom) = _part(picture, how)
    bgr = picture.rgb[..., ::-1]
    columns, rows = _taps(left, right - left, picture.rgb.shape[1]), _taps(top, bottom - top, picture.rgb.shape[0])
    full = float(np.iinfo(picture.rgb.dtype).max)
    image = _resized(bgr, rows, columns) / np.float32(full)  # [224, 224, 3]
    painted = 0
    if picture.alpha is not None:
        hidden = _resized(picture.alpha[..., None], rows, columns)[..., 0] == 0
        image[hidden] = np.array(how.background[::-1], np.float32) / 255
        painted = int(hidden.sum())
    facts = {"crop": rule, "part": [left, top, right, bottom], "painted": round(painted / IMAGE**2, 4)}
    return np.ascontiguousarray(((image - 0.5) / 0.5).transpose(2, 0, 1), np.float32), facts


def _part(picture: Picture, how: Preparation) -> tuple[str, tuple[int, int, int, int]]:
    """(rule, whole pixels left, top, right, bottom; may reach beyond the picture, whose border is then repeated)."""
    height, width = picture.rgb.shape[:2]
    whole = (0, 0, width, height)
    if how.bbox is not None:
        return "box", _square(box_in_pixels(how.bbox, width, height))
    between = min(width, height) > CENTRE and max(width, height) < IMAGE
    if how.crop == "center" or (how.crop == "auto" and between):
        if min(width, height) <= CENTRE:
            return "none", whole
        left, top = (width - CENTRE) // 2, (height - CENTRE) // 2
        return "center", (left, top, left + CENTRE, top + CENTRE)
    if how.crop == "box" and picture.alpha is None:
        raise DataError("The picture has no alpha to find its object by.", hint="Give --bbox LEFT TOP RIGHT BOTTOM, or --crop none.")
    masked = picture.alpha is not None and not picture.alpha.all()
    if how.crop == "box" or (how.crop == "auto" and masked and min(width, height) >= IMAGE):
        assert picture.alpha is not None
        rows, columns = (np.flatnonzero(picture.alpha.any(axis)) for axis in (1, 0))
        low, high = np.array([columns[0], rows[0]]), np.array([columns[-1], rows[-1]]) + 1.0
        middle, half = (low + high) / 2, (high - low).max() * MARGIN / 2
        return "box", _square((*(middle - half), *(middle + half)))
    return "none", whole


def _square(box: Box) -> tuple[int, int, int, int]:
    """The square about a box that the original cuts out: ends rounded towards zero, the last pixel included."""
    left, top, right, bottom = box
    x, y, half = (left + right) * 0.5, (top + bottom) * 0.5, max(right - left, bottom - top) * 0.5
    return int(x - half), int(y - half), int(x + half) + 1, int(y + half) + 1


def _taps(start: int, length: int, limit: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bilinear resampling of `length` pixels from `start` to 224 along one axis: two indices and the second one's weight.

    Pixel centres lie at halves; a part that reaches beyond the picture's `limit` pixels repeats its border.
    """
    place = (np.arange(IMAGE) + 0.5) * (length / IMAGE) - 0.5
    first = np.floor(place)
    weight = np.where(first < 0, 0, place - first).astype(np.float32)
    low, high = (np.clip(first + step, 0, length - 1).astype(np.int64) + start for step in (0, 1))
    return low.clip(0, limit - 1), high.clip(0, limit - 1), weight


def _resized(pixels: np.ndarray, rows: tuple[np.ndarray, ...], columns: tuple[np.ndarray, ...]) -> np.ndarray:
    """[H, W, C] -> [224, 224, C] float32. Only the pixels that count are touched, however large the picture."""
    top, bottom, down = rows
    left, right, across = columns
    lines = [pixels[index] for index in (top, bottom)]  # [224, W, C] each
    a, b = ((line[:, left] * (1 - across)[:, None] + line[:, right] * across[:, None]).astype(np.float32) for line in lines)
    return a * (1 - down)[:, None, None] + b * down[:, None, None]
