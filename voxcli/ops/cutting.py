"""An object cut out of its picture: by alpha, by a background of one colour, by a mask that is given, or by the mask head."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from voxcli import log
from voxcli.errors import DataError
from voxcli.models.cutout.spec import NAME
from voxcli.ops.plain_background import NEAR, plain_alpha
from voxcli.scene.types import Picture

if TYPE_CHECKING:
    from voxcli.models.base import CutsOut
    from voxcli.provenance import Json

MARGIN = 1.2
"""Side of the square around an object that was cut out, as a multiple of its longer side: about that of renderings."""

CRUMB = 0.004
"""Pieces of a mask of a smaller share of all of it are taken away."""

PIECES, BORDERS, EMPTY, TOUCH = 3, 3, 0.002, 0.02
"""A mask looks wrong with more pieces; where it touches so many borders of the picture, each with a share of TOUCH of its pixels or more;
and where it holds less than a share of EMPTY of the picture."""


@dataclass(frozen=True)
class Cut:
    """picture: with alpha, where something was cut out. facts: by what, which share of the picture it is, what looks wrong; empty where the
    picture is as it was."""

    picture: Picture
    facts: Mapping[str, Json] = field(default_factory=dict)

    @property
    def meta(self) -> dict[str, Json]:
        """The facts as they stand in the meta of results."""
        return {"cut": dict(self.facts)} if self.facts else {}

    def framed(self) -> Cut:
        """The square around the object, where something was cut out here; any other picture as it is. What lies beyond the picture is
        transparent."""
        alpha = self.picture.alpha
        if not self.facts or alpha is None:
            return self
        rows, columns = alpha.any(1).nonzero()[0], alpha.any(0).nonzero()[0]
        middle = (columns[0] + columns[-1] + 1) / 2, (rows[0] + rows[-1] + 1) / 2
        side = max(1, round(MARGIN * max(columns[-1] + 1 - columns[0], rows[-1] + 1 - rows[0])))
        left, top = (round(each - side / 2) for each in middle)
        height, width = alpha.shape
        inner = slice(max(top, 0), min(top + side, height)), slice(max(left, 0), min(left + side, width))
        outer = slice(inner[0].start - top, inner[0].stop - top), slice(inner[1].start - left, inner[1].stop - left)
        rgb, mask = np.zeros((side, side, 3), self.picture.rgb.dtype), np.zeros((side, side), alpha.dtype)
        rgb[outer], mask[outer] = self.picture.rgb[inner], alpha[inner]
        return Cut(Picture(rgb, mask, self.picture.meta), {**self.facts, "part": [left, top, left + side, top + side]})


@dataclass(frozen=True)
class MaskHead:
    """The network that finds objects, and the SHA-256 of its weights."""

    network: CutsOut
    digest: str


@functools.lru_cache(maxsize=2)
def mask_head(device: str, weights: str | None = None) -> MaskHead:
    """The mask head of weights, or the shipped one. Raises UsageError where there is none."""
    from voxcli.models.base import CutsOut
    from voxcli.models.registry import load_network, weights_of
    from voxcli.provenance import sha256_file

    path = weights_of(NAME, weights)
    network = load_network(NAME, path, device)
    assert isinstance(network, CutsOut)
    return MaskHead(network, sha256_file(path))


def has_mask_head() -> bool:
    """Whether weights of it come with voxcli."""
    from voxcli.models.weights import SHIPPED

    return (SHIPPED / f"{NAME}.safetensors").is_file()


def cut_out(picture: Picture, how: str | None = None, device: str = "cpu", weights: str | None = None) -> Cut:
    """A picture with alpha where the object is, found by itself where `how` is auto or None.

    A picture whose alpha hides something stays as it is, and so does any with `none`. Else a background of nearly one colour is taken away,
    and where there is no such one, the mask head finds the object; a picture of one colour is taken whole. weights: of the mask head.
    Without any, the picture stays as it is, and a warning says so. A path (a mask that is given) is read with the picture, see `with_mask`.
    """
    if how == "none" or hides(picture):
        return Cut(picture)
    rgb = picture.rgb if picture.rgb.dtype == np.uint8 else (picture.rgb >> 8).astype(np.uint8)
    alpha, facts = plain_alpha(rgb), {"by": "background"}
    if alpha is None and rgb.size and np.ptp(rgb, axis=(0, 1)).max() <= NEAR:  # all of it is background
        alpha = np.zeros(rgb.shape[:2], np.uint8)
    if alpha is None:
        if weights is None and not has_mask_head():
            log.warn(_NO_WEIGHTS)
            return Cut(picture)
        head = mask_head(device, weights)
        share = head.network.mask(rgb)
        alpha, facts = (255 * np.clip(2.5 * (share - 0.5) + 0.5, 0, 1) + 0.5).astype(np.uint8), {"by": NAME, "weights": head.digest}
        alpha = without_small_pieces(alpha)
    doubts = mask_problems(alpha)
    if not (alpha > 127).any():
        return Cut(picture, {**facts, "share": 0.0, "doubts": doubts})
    found: dict[str, Json] = {**facts, "share": round(float((alpha > 127).mean()), 4), "doubts": doubts}
    return Cut(replace(picture, rgb=rgb, alpha=alpha), found)


_NO_WEIGHTS = "No weights that cut objects out come with voxcli: a picture without alpha before a busy background is taken whole."


def hides(picture: Picture) -> bool:
    """Whether a picture's alpha hides any of it."""
    return picture.alpha is not None and bool((picture.alpha < np.iinfo(picture.alpha.dtype).max).any())


def with_mask(picture: Picture, mask: Picture, name: str) -> Picture:
    """A picture with the alpha that another one states: its own alpha where that hides anything, else its brightness. name: of the mask,
    for errors. Raises DataError for another size, and for a mask that shows nothing."""
    alpha = mask.alpha if hides(mask) else mask.rgb.max(2)
    assert alpha is not None
    if alpha.shape != picture.rgb.shape[:2]:
        raise DataError(f"The mask '{name}' is not as large as its picture.", expected="{1}x{0}".format(*picture.rgb.shape[:2]),
                        actual="{1}x{0}".format(*alpha.shape))  # fmt: skip
    if not alpha.any():
        raise DataError(f"The mask '{name}' is black: it shows no object.", expected="white where the object is")
    full, wanted = np.iinfo(alpha.dtype).max, np.iinfo(picture.rgb.dtype).max
    return replace(picture, alpha=(alpha.astype(np.uint32) * wanted // full).astype(picture.rgb.dtype))


def without_small_pieces(alpha: np.ndarray) -> np.ndarray:
    """A mask [H, W] uint8 without its small pieces: those of less than a share of CRUMB of all of it."""
    from scipy import ndimage

    parts, count = ndimage.label(alpha > 127, np.ones((3, 3)))
    if count < 2:
        return alpha
    sizes = np.bincount(parts.ravel(), minlength=count + 1)
    sizes[0] = 0
    small = (sizes < CRUMB * sizes.sum()) & (sizes > 0)
    if not small.any():
        return alpha
    near = ndimage.grey_dilation(np.where(small[parts], 1, 0), size=(5, 5)) > 0
    large = ~small[parts] & (parts > 0)
    return np.where(near & ~large, 0, alpha)


def mask_problems(alpha: np.ndarray) -> list[str]:
    """What makes a mask [H, W] uint8 look wrong, in words that follow "its mask"; none for one that looks right.

    >>> ring = np.pad(np.full((20, 20), 255, np.uint8), 10)
    >>> mask_problems(ring), mask_problems(ring[:, 10:30])
    ([], ['touches 4 borders of the picture'])
    """
    from scipy import ndimage

    shown = alpha > 127
    if shown.mean() < EMPTY:
        return ["is empty"]
    out = []
    rims = (shown[0], shown[-1], shown[:, 0], shown[:, -1])
    touched = sum(bool(rim.mean() >= TOUCH) for rim in rims)
    if touched >= BORDERS:
        out.append(f"touches {touched} borders of the picture")
    parts, _ = ndimage.label(shown, np.ones((3, 3)))
    sizes = np.bincount(parts.ravel())[1:]
    pieces = int((sizes >= 2.5 * CRUMB * sizes.sum()).sum())
    if pieces > PIECES:
        out.append(f"is in {pieces} pieces")
    return out


def cut_facts(meta: Mapping[str, Json], place: int = 0) -> dict[str, Json]:
    """How a picture was cut out, from the meta of a prediction; empty where it was not. place: of the picture in its sample."""
    pictures = meta.get("pictures")
    own = pictures[place] if isinstance(pictures, list) and place < len(pictures) else meta
    found = own.get("cut") if isinstance(own, Mapping) else None
    return dict(found) if isinstance(found, Mapping) else {}


def mask_warnings(facts: Mapping[str, Json]) -> list[str]:
    """What looks wrong with the mask that a picture was cut out by, in sentences.

    >>> mask_warnings({"by": "objects", "share": 0.9, "doubts": ["touches 4 borders of the picture", "is in 5 pieces"]})
    ['the mask that it was cut out by looks wrong: it touches 4 borders of the picture, and is in 5 pieces.']
    >>> mask_warnings({"by": "objects", "share": 0.0, "doubts": ["is empty"]})
    ['no object was found to cut out: the whole picture is taken.']
    """
    found = facts.get("doubts")
    words = [str(each) for each in found] if isinstance(found, list) else []
    if not words:
        return []
    if not facts.get("share"):
        return ["no object was found to cut out: the whole picture is taken."]
    return [f"the mask that it was cut out by looks wrong: it {', and '.join(words)}."]
