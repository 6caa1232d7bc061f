"""The metrics of what belongs to a picture, and their options: depth maps, camera poses, and answers to the 3D-IQ test task."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from voxcli.atomic import check_there
from voxcli.errors import DataError, UsageError
from voxcli.metrics.base import FilePair, Metric, MetricOptions
from voxcli.metrics.records import Names, Record
from voxcli.options import option

if TYPE_CHECKING:
    import numpy as np
    from typing_extensions import Unpack

    from voxcli.metrics.iqtt import Answers
    from voxcli.scene import DepthMap, Surfels

DEPTH_VALUES = ("rmse", "mse", "abs_rel", "sq_rel", "rmse_log", "log10", "silog", "irmse")
DEPTH_ALIGN = ("none", "median", "scale-shift")
DEPTH_SPACES = ("depth", "log", "inverse")
DEPTH_CROPS = ("none", "garg", "eigen", "nyu")
POSE_VALUES = ("rotation_deg", "azimuth_deg", "translation", "translation_relative")


@dataclass(frozen=True)
class DepthOptions(MetricOptions):
    """Options of the depth errors. mask: pixels that count, bool [H, W].

    Limits and crops choose pixels of the truth; predictions are clipped to the limits after the alignment. Crops: of Garg et al. and of
    Eigen et al. for KITTI, as shares of the picture; of Eigen et al. for NYU, in its pixels.
    """

    value: str = option("rmse", f"Which error is the value: rmse (default), {', '.join(DEPTH_VALUES[1:])}.", choices=DEPTH_VALUES)
    kind: str | None = option(None, "Compare depth along z or the ray; default: as the truth's file has it.", choices=("z", "ray"))
    depth_scale: float | None = option(None, "Metres per unit of an integer depth image; default 0.001.", within="(0, inf)")
    align: str = option(
        "none", "Bring the prediction to the truth: none (default), median (ratio of medians), scale-shift (least squares).",
        choices=DEPTH_ALIGN,
    )  # fmt: skip
    align_in: str = option("depth", "Align depth (default), log (its logarithm) or inverse (1 / depth).", choices=DEPTH_SPACES)
    inverse: bool = option(False, "The prediction holds inverse depth (disparity), as MiDaS makes it.")
    crop: str = option("none", "Count only the crop garg or eigen (KITTI), or nyu; default: none.", choices=DEPTH_CROPS)
    min_depth: float | None = option(None, "Count only truths above it, and clip predictions to it.", within="[0, inf)")
    max_depth: float | None = option(None, "Count only truths below it (a cap), and clip predictions to it.", within="(0, inf)")
    mask_file: str | None = option(
        None, "Count only pixels where this image is not black; a folder for folders.", flag="--mask", metavar="IMAGE"
    )
    mask: np.ndarray | None = option(None, "Pixels that count.", on_command_line=False)

    def params(self) -> dict[str, object]:
        """The options as a record states them: the mask apart, of which it says whether there was one."""
        return {name: value for name, value in super().params().items() if name not in ("mask", "mask_file")}


class Depth(Metric[DepthOptions, "DepthMap | Surfels"]):
    """The errors of depth maps."""

    name = "depth"
    summary = "Errors of depth maps."
    options = DepthOptions
    compares = "depth maps"
    better = "lower"
    perfect = 0.0
    help = """Depth errors where the truth is known: RMSE (the value), AbsRel, SILog and others, and the share within 1.25, 1.25^2, 1.25^3.

    A map along z and one along the ray are brought to one kind where a file carries its camera. Presets: eigen (KITTI by Eigen's split:
    Garg's crop, cap of 80 m), kitti (the depth benchmark), midas (scale and shift of inverse depth), pix2scene (MSE along the ray).
    Gates may name a part: --fail-over abs_rel=0.1, --fail-under "within.<1.25=0.9".

    Examples:
        voxcli metrics depth depth.npy depth.png
        voxcli metrics depth depth.npy depth.png --preset eigen --align median
        voxcli metrics depth depth.npy depth.png --mask street.png --fail-over 0.5
    """

    def check(self, options: DepthOptions) -> None:
        """Raise UsageError for a mask that is not there, and for limits without a depth between them."""
        check_there(options.mask_file)
        if options.min_depth is not None and options.max_depth is not None and options.min_depth >= options.max_depth:
            raise UsageError("No depth lies between the limits.", expected="--min-depth below --max-depth",
                             actual=f"{options.min_depth:g} and {options.max_depth:g}")  # fmt: skip

    def read(self, path: str, options: DepthOptions, format: str | None = None) -> DepthMap | Surfels:
        """A depth map, or surfels, of a file."""
        from voxcli import files
        from voxcli.scene import DepthMap, Surfels

        found: DepthMap | Surfels = files.read_as(path, (DepthMap, Surfels), format=format, depth_scale=options.depth_scale)
        return found

    def suffixes(self) -> list[str]:
        """Of all files that may hold depth, usual images included."""
        from voxcli.files.registry import formats_reading
        from voxcli.scene import DepthMap

        return formats_reading(DepthMap)

    def for_pairs(self, options: DepthOptions, pairs: Sequence[FilePair], input_format: str | None = None) -> list[DepthOptions]:
        """Masks of a folder by the names of the pairs."""
        from voxcli.metrics.masks import by_name

        return [dataclasses.replace(options, mask_file=by_name(options.mask_file, pair.name)) for pair in pairs]

    def score(self, pred: DepthMap | Surfels, gt: DepthMap | Surfels, options: DepthOptions, /, **names: Unpack[Names]) -> Record:
        """The record of two maps, both brought to one kind."""
        from voxcli.metrics.depth import depth_record, kind_of, lengths_of, scale_used
        from voxcli.metrics.masks import pixel_mask

        kind = options.kind or kind_of(gt)
        if options.inverse and kind != kind_of(pred):
            raise UsageError("Inverse depth is compared along what it was predicted along.", expected=kind_of(pred), actual=kind)
        mask = pixel_mask(options.mask_file) if options.mask_file else options.mask
        stated = dataclasses.replace(options, kind=kind, depth_scale=scale_used(pred, gt, options.depth_scale))
        return depth_record(lengths_of(pred, kind), lengths_of(gt, kind), stated, mask=mask, **names)


@dataclass(frozen=True)
class PoseOptions(MetricOptions):
    """Options of the pose errors."""

    value: str = option(
        "rotation_deg", "Which error is the value: rotation_deg (default), azimuth_deg, translation, translation_relative.",
        choices=POSE_VALUES,
    )  # fmt: skip


class Pose(Metric[PoseOptions, "np.ndarray"]):
    """The errors of camera poses."""

    name = "pose"
    summary = "Errors of camera poses."
    options = PoseOptions
    compares = "cameras"
    kinds = ("scene", "cameras", "fruxels")
    better = "lower"
    perfect = 0.0
    help = """Camera pose errors: rotation angle in degrees (the value), azimuth error about +y, distance between the centres.

    Cameras come from scene YAML, or from any file that carries one. --preset jof: the azimuth error. Gates may name a part:
    --fail-over azimuth_deg=15.

    Examples:
        voxcli metrics pose camera.yaml scene.yaml
        voxcli metrics pose camera.yaml scene.yaml --fail-over 200
    """

    def read(self, path: str, options: PoseOptions, format: str | None = None) -> np.ndarray:
        """world_to_cam [4 4] of the one camera of a file. Raises DataError where there are more, or none but one that was assumed."""
        from voxcli import files
        from voxcli.metrics.pose import refuse_assumed

        cameras = files.read_cameras(path, format=format)
        if len(cameras) != 1:
            raise DataError(f"{path} holds {len(cameras)} cameras.", expected="one")
        refuse_assumed(path, format)
        pose: np.ndarray = cameras[0][1].world_to_cam
        return pose

    def score(self, pred: np.ndarray, gt: np.ndarray, options: PoseOptions, /, **names: Unpack[Names]) -> Record:
        """The record of two poses."""
        from voxcli.metrics.pose import pose_record

        record = pose_record(pred, gt, value=options.value, **names)
        record["params"] |= options.stated_preset
        return record


@dataclass(frozen=True)
class IQTTOptions(MetricOptions):
    """The accuracy has no options."""


class IQTT(Metric[IQTTOptions, "Answers"]):
    """The accuracy on the 3D-IQ test task."""

    name = "iqtt"
    summary = "Accuracy on the 3D-IQ test task."
    options = IQTTOptions
    compares = "answers"
    better = "higher"
    perfect = 1.0
    takes_format = False
    arguments = (
        ("ANSWERS", "0, 1 or 2 a line, or .npy; a folder of them, a glob, @list."),
        ("QUESTIONS.h5", "The questions with their answers, or a folder."),
    )
    help = """Accuracy on the 3D-IQ test task with its standard error, beside the 1/3 of guessing.

    Answers in the order of the questions; of a training file, the labelled ones first. Where the file states what each choice is (ours
    do), also how often a mirror image, a bent copy or another object was taken for the reference.

    Examples:
        voxcli metrics iqtt answers.txt iqtt.h5
        voxcli metrics iqtt answers.txt iqtt.h5 --format json --fail-over standard_error=0.3
    """

    def suffixes(self) -> list[str]:
        """Of answers and of questions."""
        return [".txt", ".npy", ".h5", ".hdf5"]

    def read(self, path: str, options: IQTTOptions, format: str | None = None) -> Answers:
        """The answers of a file: one a line, an array, or a file of questions."""
        from voxcli.datasets.iqtt import read_answers
        from voxcli.metrics.iqtt import Answers

        return Answers(read_answers(path))

    def read_truth(self, path: str, options: IQTTOptions, format: str | None = None) -> Answers:
        """The right answers to the questions of a file, and what each choice is where the file says it."""
        from voxcli.datasets.iqtt import IQTTFile
        from voxcli.metrics.iqtt import Answers

        file = IQTTFile(path)
        return Answers(file.answers, file.kinds)

    def score(self, pred: Answers, gt: Answers, options: IQTTOptions, /, **names: Unpack[Names]) -> Record:
        """The record of the answers to a list of questions."""
        from voxcli.datasets.synthetic.iqtt import KINDS
        from voxcli.metrics.iqtt import accuracy_record

        return accuracy_record(pred.answers, gt.answers, kinds=gt.kinds, kind_names=KINDS, **names)
