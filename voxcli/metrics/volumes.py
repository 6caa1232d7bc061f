"""The metric of volumes and its options: intersection over union of grids, meshes, clouds and parts."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from voxcli.atomic import check_there
from voxcli.errors import FileFormatError, UsageError, VoxcliError
from voxcli.metrics.base import FilePair, MetricOptions, ShapeMetric
from voxcli.metrics.presets import BEST_THRESHOLD, PRESETS, prices_empties, summary_rule
from voxcli.metrics.records import Names, Record
from voxcli.metrics.surfaces import NORMALISATIONS
from voxcli.options import option
from voxcli.provenance import Recordable
from voxcli.shapes import FILLS

if TYPE_CHECKING:
    import numpy as np
    from typing_extensions import Unpack

    from voxcli.metrics.base import Shape
    from voxcli.metrics.parts import Category, LabelledPair

MEAN_OVER = {
    "present": "classes in the prediction or the ground truth",
    "truth": "classes in the ground truth",
    "all": "all listed classes, 1 for a class absent from both",
    "all-zero": "all listed classes, 0 for a class absent from both",
}
IDS = ("raw", "training")
ALIGN = ("world", "index")
SHELL_POINTS, SHELL_RESOLUTION = 7000, 50
"""UCLID-Net's numbers; shell IoU means nothing beyond them, because it grows with the points and falls with the resolution."""


@dataclass(frozen=True)
class IoUOptions(MetricOptions):
    """Options of the IoU. None: not stated. An option that has no meaning for what is compared is refused, so defaults stand where used.

    of: which IoU is meant: occupancy, labels, shell, points or parts; None: by what is compared. mask: cells that count, bool on the grid
    of the truth. category: the parts of all shapes of a category. resample: both grids are cropped to the box of cells of at least
    box_threshold and resampled to that many cells a side (Pix3D). low, high: the box of the shell grid. padding: of the common box of two
    meshes, as a share. absent: the IoU of a part that neither has. empty_points: random points in place of an empty prediction.
    """

    thresholds: tuple[float, ...] | None = option(
        None, "Occupied at or above it; repeat for several, the first one gives the value. Default 0.5.", flag="--threshold",
        within="[0, 1]",
    )  # fmt: skip
    strict: bool | None = option(None, "Occupied above the threshold only.")
    best_threshold: bool = option(False, "Score at the threshold with the best mean over the set, given or 0.01 .. 0.50.")
    classes: tuple[str, ...] | None = option(
        None, "Classes of the mean; repeat. Default: all but empty space.", flag="--class", metavar="NAME"
    )
    over: str | None = option(
        None, "Mean over classes: present (in either; default), truth (in the ground truth), all (absent = 1).", choices=MEAN_OVER
    )
    ignore: int | None = option(None, "Leave out cells whose truth has it; default: the file's own.", flag="--ignore-label")
    mask_file: str | None = option(
        None, "Count only cells that this grid fills (visible space); a folder for folders.", flag="--mask", metavar="FILE"
    )
    mask_out_file: str | None = option(
        None, "Leave out the cells that this grid fills (.invalid); a folder for folders.", flag="--mask-out", metavar="FILE"
    )
    own_mask: str | None = option(
        None, "Count only cells that the truth's file says the camera or the lidar sees (Occ3D).", choices=("camera", "lidar")
    )
    detail: bool = option(False, "Of labelled fruxels also: weighted by volume, by ranges of depth, visible and hidden.")
    ranges: tuple[float, ...] | None = option(
        None, "With --detail: depths that divide the ranges; repeat. Default: quarters.", flag="--range", metavar="DEPTH", within="(0, inf)"
    )
    align: str | None = option(None, "world: voxel grids must lie in one place (default); index: compare cell by cell.", choices=ALIGN)
    shell: bool = option(False, "Shell IoU of UCLID-Net: 7,000 points of each surface on a 50^3 grid.")
    parts: bool = option(False, "Part IoU of labelled points, voxels or meshes of parts, by BAE-NET's rule.")
    match: bool = option(False, "With --parts: name unsupervised parts by the truth over the whole set first.", flag="--match-parts")
    points: int | None = option(None, "Points drawn from each; default: clouds as they are, 100,000 from a mesh.", within="[1, 100000000]")
    ids: str | None = option(
        None, "Ids of a predicted .label of SemanticKITTI: raw (default) or training; the truth's are told from the file.", choices=IDS
    )
    resolution: int | None = option(None, "Cells along the longest side.", within="[1, inf)")
    fill: str | None = option(
        None, "How a mesh is filled on a grid, as by fruxelize: auto (default), outside, winding, parity or surface.",
        choices=FILLS,
    )  # fmt: skip
    of: str | None = option(
        None, "Which IoU is meant.", flag="--shell or --parts", on_command_line=False,
        choices=("occupancy", "labels", "shell", "points", "parts"),
    )  # fmt: skip
    mask: np.ndarray | None = option(None, "Cells that count.", on_command_line=False)
    category: Category | None = option(None, "The parts of a category.", on_command_line=False)
    seed: int = option(0, "Seed of the points that are drawn.", within="[0, inf)", on_command_line=False)
    normalise: str = option("none", "Frame of the shell grid.", choices=NORMALISATIONS, on_command_line=False)
    low: float = option(-1.0, "Lower end of the shell grid.", on_command_line=False)
    high: float = option(1.0, "Upper end of the shell grid.", on_command_line=False)
    percent: bool = option(False, "Shell IoU in percent.", on_command_line=False)
    empty_points: int = option(0, "Random points in place of an empty prediction.", within="[0, inf)", on_command_line=False)
    padding: float = option(0.1, "Padding of the common box.", within="[0, inf)", on_command_line=False)
    resample: int | None = option(None, "Cells a side after cropping.", within="[1, inf)", on_command_line=False)
    box_threshold: float = option(0.1, "Cells of the box.", on_command_line=False)
    threshold_truth: bool = option(False, "The threshold goes to both grids.", on_command_line=False)
    absent: float = option(1.0, "IoU of a part that neither has.", within="[0, 1]", on_command_line=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.thresholds == ():
            raise UsageError("IoU needs at least one threshold.")

    @property
    def stated(self) -> set[str]:
        """Names of the options that were given beside the preset's."""
        fixed = PRESETS[self.preset].metrics["iou"] if self.preset else {}
        return {name for name in self.given if name not in fixed} - {"preset", "seed", "best_threshold", "ids"}


class IoU(ShapeMetric[IoUOptions]):
    """The intersection over union."""

    name = "iou"
    summary = "Intersection over union of labels, occupancies, shells or parts."
    options = IoUOptions
    better = "higher"
    perfect = 1.0
    symmetric = True
    help = """Intersection over union: labels per class and mean, occupancy at thresholds, solids of meshes, shells, parts.

    Two files, or two folders paired by relative path. Classes are compared by name. A mesh against a grid is filled on that grid
    (--fill); two meshes are compared by points in their padded common box, or on --resolution cells. The summary also pools counts over
    the set.

    Examples:
        voxcli metrics iou pred.npz scene.npz
        voxcli metrics iou pred/ gt/ --format json --fail-under 0.3
        voxcli metrics iou car.obj car.glb --resolution 32
    """

    def completed(self, given: Mapping[str, Recordable], preset: str | None) -> dict[str, Recordable]:
        """--shell and --parts say which IoU is meant; --best-threshold alone tries 0.01 .. 0.50."""
        stated = {name: value for name, value in given.items() if name not in ("shell", "parts")}
        if given.get("shell") and given.get("parts"):
            raise UsageError("--shell and --parts contradict each other.")
        if given.get("shell") or given.get("parts"):
            stated["of"] = "shell" if given.get("shell") else "parts"
        if given.get("best_threshold") and not given.get("thresholds") and preset is None:
            stated["thresholds"] = PRESETS["pix3d"].metrics["iou"]["thresholds"]
        return stated

    def check(self, options: IoUOptions) -> None:
        """Raise UsageError for options that contradict the preset's summary, or belong to another IoU, and for masks that are not there."""
        if options.best_threshold and options.preset and summary_rule(options.preset, "iou") != BEST_THRESHOLD:
            expected = f"the value {summary_rule(options.preset, 'iou')}"
            raise UsageError(f"--best-threshold contradicts the preset '{options.preset}'.", expected=expected)
        if options.match and options.of != "parts":
            raise UsageError("--match-parts belongs to --parts.")
        if options.of == "parts" and options.stated - {"of", "ignore", "match", "category"}:
            raise UsageError("Part IoU compares labels of the same points, faces or cells: no other choice has a meaning for it.",
                             expected="--match-parts, --ignore-label or --category-from")  # fmt: skip
        check_there(options.mask_file, options.mask_out_file)

    def for_pairs(self, options: IoUOptions, pairs: Sequence[FilePair], input_format: str | None = None) -> list[IoUOptions]:
        """Masks of a folder by the names of the pairs; parts by their categories, which need all pairs."""
        if options.of != "parts" and options.mask_file is None and options.mask_out_file is None:
            return [options] * len(pairs)
        if options.of != "parts":
            from voxcli.metrics.masks import by_name

            masks = [(by_name(options.mask_file, pair.name), by_name(options.mask_out_file, pair.name)) for pair in pairs]
            return [dataclasses.replace(options, mask_file=keep, mask_out_file=leave) for keep, leave in masks]
        if input_format or any("-" in (pair.pred, pair.gt) for pair in pairs):
            hint = "Give files with the extensions of their formats."
            raise UsageError("Part IoU reads labelled shapes by their names, twice.", hint=hint)
        by_category: dict[str | None, list[FilePair]] = {}
        for pair in pairs:
            by_category.setdefault(pair.category, []).append(pair)
        categories = {category: self._category(members, options) for category, members in by_category.items()}
        return [dataclasses.replace(options, category=categories[pair.category]) for pair in pairs]

    def _category(self, pairs: Sequence[FilePair], options: IoUOptions) -> Category | None:
        """The parts of a category. A file that cannot be read is left to the loop over the pairs, which reports it."""
        from voxcli.metrics.parts import category_of

        found = []
        for pair in pairs:
            with suppress(VoxcliError, OSError):
                found.append(_labelled(self.read(pair.pred, options), self.read(pair.gt, options), pair.pred, pair.gt))
        return category_of(found, match=options.match, ignore=options.ignore) if found else None

    def read(self, path: str, options: IoUOptions, format: str | None = None) -> Shape:
        """A shape of a file; for parts one whose points, faces or cells are labelled."""
        if options.of != "parts":
            from voxcli.metrics.shapes import read_shape

            return read_shape(path, prices_empties(options), format, options.ids)
        from voxcli import files
        from voxcli.scene import Mesh, PointCloud, VoxelGrid

        found: Shape = files.read_as(path, (PointCloud, Mesh, VoxelGrid), format=format, ids=options.ids)
        return found

    def read_truth(self, path: str, options: IoUOptions, format: str | None = None) -> Shape:
        """The same of a truth, whose ids may be other ones than the prediction's: where those are stated, the truth's are told from it."""
        if options.ids is None:
            return self.read(path, options, format)
        as_told, as_trained = (dataclasses.replace(options, ids=ids) for ids in (None, "training"))
        first, second = (as_trained, as_told) if options.ids == "training" else (as_told, as_trained)
        try:
            return self.read(path, first, format)
        except FileFormatError:
            return self.read(path, second, format)

    def score(self, pred: Shape, gt: Shape, options: IoUOptions, /, **names: Unpack[Names]) -> Record:
        """The record of two shapes, which states the ids that were read."""
        record = self._scored(pred, gt, options, names)
        record["params"] |= {"ids": options.ids} if options.ids else {}
        return record

    def _scored(self, pred: Shape, gt: Shape, options: IoUOptions, names: Names) -> Record:
        """The record of two shapes: two grids without a preset cell by cell, which needs no torch; others as `solids.solid_record` says."""
        from voxcli.scene import FruxelGrid, VoxelGrid

        if options.of == "parts":
            return _score_parts(pred, gt, options, **names)
        if options.mask_file or options.mask_out_file:
            from voxcli.metrics.masks import cell_mask

            options = dataclasses.replace(options, mask=cell_mask(options.mask_file, options.mask_out_file, gt))
        if isinstance(pred, (FruxelGrid, VoxelGrid)) and isinstance(gt, (FruxelGrid, VoxelGrid)) and not (options.preset or options.of):
            from voxcli.metrics.grids import grid_iou

            unused = sorted({"fill", "points", "resolution"} & options.stated)
            if unused:
                raise UsageError(f"--{unused[0]} has no meaning for two grids: they are compared cell by cell.")
            if pred.labels is not None and gt.labels is not None and {"thresholds", "strict"} & options.stated:
                about = f"{names['pred']}: thresholds" if names.get("pred") else "Thresholds"
                hint = "Leave out --threshold, --strict and --best-threshold."
                raise UsageError(f"{about} have no meaning for two labelled grids, whose labels are equal or not.", hint=hint)
            return grid_iou(pred, gt, options, **names)
        from voxcli.metrics.solids import solid_record

        return solid_record(pred, gt, options, **names)

    def summary_rule(self, options: IoUOptions) -> str:
        """The preset's, or the best threshold of the set where it was asked for."""
        return BEST_THRESHOLD if options.best_threshold else super().summary_rule(options)


def _labelled(pred: Shape, gt: Shape, pred_name: str = "", gt_name: str = "") -> LabelledPair:
    from voxcli.metrics.parts import labelled_pair

    names = [f"{which} '{name}'" if name else which for which, name in (("prediction", pred_name), ("ground truth", gt_name))]
    return labelled_pair(pred, gt, (names[0], names[1]))


def _score_parts(pred: Shape, gt: Shape, options: IoUOptions, /, **names: Unpack[Names]) -> Record:
    from voxcli.metrics.parts import category_of, parts_record, with_counts

    pair = _labelled(pred, gt, names.get("pred", ""), names.get("gt", ""))
    category = options.category or category_of([pair], match=options.match, ignore=options.ignore)
    record = parts_record(pair, category, ignore=options.ignore, absent=options.absent, **names)
    if options.match and options.category is None:
        record = with_counts(record, pair, category, options.ignore)
    record["params"] |= options.stated_preset
    return record
