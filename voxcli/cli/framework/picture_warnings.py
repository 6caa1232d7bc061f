"""Pictures that a network can hardly know what to make of: a warning for each kind, and the work goes on."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING

from voxcli.cli.framework.output import RepeatedWarnings

if TYPE_CHECKING:
    from voxcli.provenance import Meta
    from voxcli.scene import Picture

SMALL, LONG = 32, 4
"""Pixels a side of the smallest picture, and the largest ratio of its sides, that are taken without a word."""
EVEN = 6 / 255
"""How far the middle 98 % of a picture's pixels may be apart in each channel, as a share of the scale, for it to be of one colour."""


GREYS, SIZES, NOTHING = "16-bit grey", "pictures of unusual size", "pictures with nothing to be seen in them"
MASKS, STRANGE = "masks that look wrong", "pictures unlike those that the model learnt from"


class PictureWarnings:
    """Warnings about the pictures of a call: of each kind the first three pictures as they come, the others counted when left.
    mask_hint: what the command can do about a mask that looks wrong, a sentence."""

    def __init__(self, mask_hint: str = "") -> None:
        self._mask_hint = mask_hint
        self._kinds = {kind: RepeatedWarnings(kind) for kind in (GREYS, SIZES, NOTHING, MASKS, STRANGE)}
        self._empty: dict[str, str] = {}

    def warn(self, kind: str, text: str) -> None:
        """Show a warning, or count it."""
        self._kinds[kind].warn(text)

    def look(self, path: str, picture: Picture, scenes: bool = True) -> None:
        """Warn of what can be told from a picture itself. scenes: the model looks at all of a picture, whatever its alpha is; models of
        objects refuse transparent pictures themselves."""
        if picture.rgb.dtype.itemsize > 1:
            self.warn(GREYS, f"{path}: 16-bit grey, as depth maps are; it is taken for a picture.")
        if unusual := unusual_size(*picture.size):
            self.warn(SIZES, f"{path}: {unusual}")
        if is_transparent(picture):
            self._empty[path] = "it is all transparent" if scenes else ""
        elif is_uniform(picture):
            self._empty[path] = "it is nearly of one colour"

    def result(self, path: str, facts: Meta, place: int = 0) -> None:
        """Warn of a picture of nothing, one that the model itself finds strange, by the meta of its result (see
        models/frustum/familiarity.py), and one whose mask looks wrong. One that is refused has its error, and needs no warning.
        place: of the picture in its sample."""
        from voxcli.ops.cutting import cut_facts, mask_warnings

        for warning in mask_warnings(cut_facts(facts, place)):
            self.warn(MASKS, f"{path}: {warning} {self._mask_hint}".rstrip())
        found = facts.get("strangeness")
        if empty := self._empty.pop(path, ""):
            self.warn(NOTHING, f"{path}: {empty}: there is nothing to be seen in it.")
        elif isinstance(found, Mapping) and found["score"] > found["threshold"]:
            much = f"strangeness {found['score']:.3g}, usual up to {found['threshold']:.3g}"
            self.warn(STRANGE, f"{path}: it is unlike the pictures that the model learnt from ({much}): do not trust what is made of it.")

    def __enter__(self) -> PictureWarnings:
        return self

    def __exit__(self, failed: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for kind in self._kinds.values():
            kind.__exit__(failed, error, trace)


def unusual_size(width: int, height: int) -> str | None:
    """What is unusual about the size of a picture, if anything."""
    if min(width, height) < SMALL:
        return f"{width}x{height} pixels are very few: little can be told from them."
    if max(width, height) > LONG * min(width, height):
        return f"{width}x{height} pixels are far from square: models see it squeezed, or a part of it. Cut out what is to be seen."
    return None


def is_transparent(picture: Picture) -> bool:
    """Whether nothing of a picture is to be seen at all."""
    return picture.alpha is not None and not picture.alpha.any()


def is_uniform(picture: Picture) -> bool:
    """Whether what is to be seen of a picture is nearly of one colour."""
    import numpy as np

    step = max(1, int((picture.rgb.size / 3 / 1e5) ** 0.5))  # some 100,000 pixels tell it as well as all
    rgb = picture.rgb[::step, ::step].reshape(-1, 3)
    most = np.iinfo(rgb.dtype).max
    if picture.alpha is not None and picture.alpha.any():
        rgb = rgb[picture.alpha[::step, ::step].reshape(-1) > most // 2]
    return bool(len(rgb)) and bool((np.ptp(np.percentile(rgb, [1, 99], axis=0), axis=0) <= EVEN * most).all())
