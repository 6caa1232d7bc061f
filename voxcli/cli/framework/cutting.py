"""What `voxcli segment -m objects` does with one picture: the object that it is of gets alpha, all else becomes transparent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from voxcli.cli.framework import written
from voxcli.cli.framework.output import out
from voxcli.cli.framework.picture_warnings import PictureWarnings
from voxcli.errors import UsageError

if TYPE_CHECKING:
    from voxcli.cli.framework.batch import Item
    from voxcli.cli.framework.options import Formats

BY = {"background": "its plain background", "objects": "the mask head"}
"""What an object is cut out by, in words."""


def cutting_model(model: str | None, weights: str | None) -> str | None:
    """The model of -m, or of the weights, if it cuts objects out of pictures; else None."""
    from voxcli.models.base import CutsOut
    from voxcli.models.registry import able, name_of

    name = name_of(model, weights)
    return name if name in able(CutsOut) else None


@dataclass(frozen=True)
class PictureCutter:
    """Cuts objects out of the pictures of one call. Raises UsageError where there are no weights of the mask head."""

    model: str
    weights: str | None
    device: str
    warnings: PictureWarnings

    def __post_init__(self) -> None:
        from voxcli.models.registry import weights_of

        weights_of(self.model, self.weights)

    def process(self, item: Item, formats: Formats, overwrite: bool) -> None:
        """Read one picture, and write it with alpha: its own, where that hides anything."""
        from voxcli import files
        from voxcli.ops.conversions import with_provenance
        from voxcli.ops.cutting import cut_out
        from voxcli.provenance import sha256_file
        from voxcli.scene import Picture

        picture = files.read_as(item.source, Picture, format=formats.input_format)
        self.warnings.look(item.source, picture, scenes=False)
        cut = cut_out(picture, None, self.device, self.weights)
        by = BY[str(cut.facts["by"])] if cut.facts else "the alpha that it has"
        out.detail(f"{item.source}: cut out by {by}" + (f", {cut.facts['share']:.1%} of it" if cut.facts else ""))
        digests = {item.source: sha256_file(item.source)}
        weights = cut.facts.get("weights")
        made = with_provenance(cut.picture, "segment", {"model": self.model}, digests, weights=None if weights is None else str(weights))
        made.meta.update(cut.meta)
        written.write(item.target, made, format=formats.format, overwrite=overwrite or item.broken)
        self.warnings.result(item.source, cut.meta)


def check_png(items: list[Item], format: str | None) -> None:
    """Raise UsageError for an output that holds no picture with alpha."""
    from voxcli.files.registry import find_format

    for item in items:
        if item.target != "-" or format:
            find_format(item.target, format, choices=[".png"])
        else:
            raise UsageError("A picture on stdout needs a format.", expected="--format png")
