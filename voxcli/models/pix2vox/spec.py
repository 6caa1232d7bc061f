"""Pix2Vox: what it takes and gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from voxcli.errors import DataError, UsageError
from voxcli.models.base import FusesVolumes, Importer, ModelSpec
from voxcli.models.object_options import ObjectOptions, background_option, coarse_option, threshold_option
from voxcli.options import option

Crop = Literal["auto", "box", "center", "none"]
CROPS = get_args(Crop)

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Pix2VoxOptions(ObjectOptions):
    """background, crop, bbox: see `preprocessing.Preparation`. threshold: None is that of the weights. coarse: the volume of the decoder
    alone with its context, for `fuse_volumes`; then one picture a sample. method: where a sample has several pictures."""

    only_for: ClassVar[Mapping[str, Literal["picture", "shape", "grid"]]] = {"coarse": "grid"}

    background: tuple[int, int, int] | None = background_option(None)
    crop: Crop | None = option(
        None, "box: the square around the object; center: the central 128x128; none: all; auto decides.", choices=CROPS
    )
    bbox: Box | None = option(None, "Where the object is, in pixels, or as fractions up to 1.", metavar="LEFT TOP RIGHT BOTTOM")
    threshold: float | None = threshold_option("(0, 1]")
    coarse: bool = coarse_option()
    method: Literal["context", "mean", "max"] = option(
        "context", "How views are fused.", choices=("context", "mean", "max"), on_command_line=False
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_part(self.crop or "auto", self.bbox)

    @property
    def depends_on_size(self) -> bool:
        """A bounding box must touch the picture."""
        return self.bbox is not None

    def check_size(self, width: int, height: int) -> None:
        """Raise DataError for a bounding box outside of the picture."""
        if self.bbox is not None:
            box_in_pixels(self.bbox, width, height)


def check_part(crop: str, box: Box | None) -> None:
    """Raise UsageError for a crop and a box that contradict each other, or an empty box."""
    if box is None:
        return
    if crop in ("center", "none"):
        raise UsageError(f"A bounding box and the crop '{crop}' contradict each other.", hint="Give one of them.")
    left, top, right, bottom = box
    if not (left < right and top < bottom):
        raise UsageError("The bounding box is empty.", expected="left < right and top < bottom", actual=list(box))


def box_in_pixels(box: Box, width: int, height: int) -> Box:
    """A bounding box in pixels, which it may be already. Raises DataError where it lies outside of a picture of this size."""
    left, top, right, bottom = box if max(box) > 1 else (box[0] * width, box[1] * height, box[2] * width, box[3] * height)
    if left >= width or top >= height or right <= 0 or bottom <= 0:
        raise DataError("The bounding box lies outside of the picture.", expected=f"{width}x{height} pixels", actual=list(box))
    return left, top, right, bottom


HELP = """\
-m pix2vox-f and pix2vox-a turn one image of an object, or with --views several, into 32x32x32 voxels in the object's own frame:
occupancy at --threshold (0.4) and probabilities (.npz, .h5), .binvox, .vox, or the surface at the threshold (.glb, .ply, .obj)."""

IMPORTER = Importer(
    "voxcli.models.pix2vox.importer:import_weights",
    "pix2vox-a and pix2vox-f read Pix2Vox-A-ShapeNet.pth and Pix2Vox-F-ShapeNet.pth, and refuse each other's; without a name, the file\n"
    "itself tells which of these two it is of.",
    recognises="voxcli.models.pix2vox.importer:recognised",
)

SPECS = tuple(
    ModelSpec(
        name, "voxcli.models.pix2vox.inference:Pix2VoxPredictor", help, Pix2VoxOptions, "VoxelGrid", several_views=True,
        frame="object, +y up", units="the unit cube's side", abilities=(FusesVolumes,), presets=("pix2vox-f", "pix2vox-a", "lite"),
        package="voxcli.models.pix2vox", importer=IMPORTER,
        recipes=recipes, data="synth objects, or 3D-R2N2's",
    )
    for name, help, recipes in (("pix2vox-f", HELP, "pix2vox-f, objects-lite, objects-small, objects-refiner-small"), ("pix2vox-a", "", ""))
)  # fmt: skip
