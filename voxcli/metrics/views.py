"""The metrics of what belongs to a picture, and their options: depth maps, camera poses, and answers to the 3D-IQ test task."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from voxcli.atomic import check_there
from voxcli.errors import DataError, UsageError
from voxcli.metrics.base import FilePair, Metric, MetricOptions
from voxcli.metrics.records import Names, Record
from voxcli.options import option
from voxcli.provenance import Recordable

if TYPE_CHECKING:
    import numpy as np
    from typing_extensions import Unpack

    from voxcli.metrics.iqtt import Answers
    from voxcli.metrics.object_poses import ObjectPoses
    from voxcli.metrics.trajectories import CameraPoses
    from voxcli.scene import DepthMap, Surfels

    PoseInput: TypeAlias = np.ndarray | CameraPoses | ObjectPoses

DEPTH_VALUES = ("rmse", "mse", "abs_rel", "sq_rel", "rmse_log", "log10", "silog", "irmse")
DEPTH_ALIGN = ("none", "median", "scale-shift")
DEPTH_SPACES = ("depth", "log", "inverse")
DEPTH_CROPS = ("none", "garg", "eigen", "nyu")
POSE_VALUES = ("rotation_deg", "azimuth_deg", "translation", "translation_relative")
SEVERAL_VALUES = ("ate", "rpe_translation", "rpe_rotation_deg")
POSE_ALIGN = ("sim3", "se3", "none")


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

    def params(self) -> dict[str, Recordable]:
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
    """Options of the pose errors. align belongs to several cameras, within to objects."""

    value: str | None = option(
        None, "Which error is the value: rotation_deg (default), azimuth_deg, translation (default of objects), translation_relative; of "
        "several cameras ate (default), rpe_translation, rpe_rotation_deg.", choices=(*POSE_VALUES, *SEVERAL_VALUES),
    )  # fmt: skip
    align: str | None = option(
        None, "Of several cameras: bring their world to the truth's by sim3 (default), se3 or none.", choices=POSE_ALIGN
    )  # fmt: skip
    within: float | None = option(
        None, "Of objects: those of a class match within this distance; default 2.", within="(0, inf)", unit="metres"
    )  # fmt: skip


class Pose(Metric[PoseOptions, "PoseInput"]):
    """The errors of camera poses, and of poses of objects."""

    name = "pose"
    summary = "Errors of poses of cameras, one or several, and of objects."
    options = PoseOptions
    compares = "cameras"
    kinds = ("scene", "cameras", "fruxels")
    better = "lower"
    perfect = 0.0
    help = """Camera pose errors: rotation angle in degrees (the value), azimuth error about +y, distance between the centres.

    Cameras come from scene YAML, or from any file that carries one. Several (transforms.json, COLMAP) are matched by name, and the value is
    the ATE after a Sim(3) alignment, with RPE beside. Two files of objects' poses (predict --poses, synth street) are matched by class and
    distance: metres and degrees, by class. --preset jof: the azimuth error. Gates may name a part: --fail-over azimuth_deg=15.

    Examples:
        voxcli metrics pose camera.yaml scene.yaml
        voxcli metrics pose transforms.json transforms.json --align none
    """

    def read(self, path: str, options: PoseOptions, format: str | None = None) -> PoseInput:
        """The cameras of a file, or the objects whose poses it lists. Raises DataError where it has no camera but one that was assumed."""
        import numpy as np

        from voxcli import files
        from voxcli.files.source import Source
        from voxcli.metrics.object_poses import read_objects
        from voxcli.metrics.pose import refuse_assumed
        from voxcli.metrics.trajectories import CameraPoses

        if format is None and path.lower().endswith(".json"):
            objects = read_objects(Source.from_path(path).text, path)
            if objects is not None:
                return objects
        cameras = files.read_cameras(path, format=format)
        if not cameras:
            raise DataError(f"{path} holds no cameras.", expected="one or more")
        refuse_assumed(path, format)
        return CameraPoses(tuple(name for name, _ in cameras), np.stack([camera.world_to_cam for _, camera in cameras]))

    def score(self, pred: PoseInput, gt: PoseInput, options: PoseOptions, /, **names: Unpack[Names]) -> Record:
        """The record of two poses, of two sets of cameras, or of the objects of two scenes."""
        from voxcli.metrics.object_poses import ObjectPoses, objects_record
        from voxcli.metrics.pose import pose_record
        from voxcli.metrics.trajectories import CameraPoses, trajectory_record

        if isinstance(pred, ObjectPoses) and isinstance(gt, ObjectPoses):
            _refuse("--align", options.align, "several cameras, and these are objects")
            return objects_record(pred, gt, options, **names)
        if isinstance(pred, ObjectPoses) or isinstance(gt, ObjectPoses):
            raise DataError("Poses of objects are compared with poses of objects, cameras with cameras.")
        a, b = (each if isinstance(each, CameraPoses) else CameraPoses(("camera",), each[None]) for each in (pred, gt))
        _refuse("--within", options.within, "objects, and these are cameras")
        if len(a) > 1 or len(b) > 1:
            return trajectory_record(a, b, options, **names)
        _refuse("--align", options.align, "several cameras, and this is one")
        if options.value in SEVERAL_VALUES:
            raise DataError(f"One camera has no '{options.value}'.", expected=", ".join(POSE_VALUES))
        record = pose_record(a.world_to_cam[0], b.world_to_cam[0], value=options.value or "rotation_deg", **names)
        record["params"] |= options.stated_preset
        return record


def _refuse(flag: str, value: str | float | None, of: str) -> None:
    """Raise UsageError for an option that is given and means nothing to these poses."""
    if value is not None:
        raise UsageError(f"{flag} is of {of}.", actual=f"{flag} {value}", hint="Leave it out.")


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
