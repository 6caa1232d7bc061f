"""Fusion of fruxel grids of one place, seen by several cameras, into one labelled voxel grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, TypeVar

from voxcli.errors import DataError, UsageError
from voxcli.ops.limits import check_cells, check_probabilities

if TYPE_CHECKING:
    import numpy as np

    from voxcli.geometry.fusion import Fused
    from voxcli.scene import Described, FruxelGrid

SceneT = TypeVar("SceneT", bound="Described")
METHODS = ("bayes", "vote", "mean")
UNSEEN = ("ignore", "empty")


@dataclass(frozen=True)
class SceneFusion:
    """Options of a fusion.

    method: bayes (log-odds add up), vote or mean. cameras: a file or folder of cameras, one for each view by the stem of its name. scale:
    metres per unit of these cameras. resolution: voxels along the longest side of the box. box: low and high corner in the world; None is
    the box of all frusta. trust: probability of the stated class in views of labels alone. behind: weight of a view behind its first
    surface. unseen: what voxels that no view sees are labelled: ignore, or empty.
    """

    method: str = "bayes"
    cameras: str | None = None
    scale: float = 1.0
    resolution: int = 128
    box: tuple[float, float, float, float, float, float] | None = None
    trust: float = 0.9
    behind: float = 0.25
    device: str = "cpu"
    unseen: str = "ignore"

    def check(self) -> None:
        """Raise UsageError for options out of range or without meaning."""
        from voxcli.errors import unknown_name

        if self.method not in METHODS:
            raise unknown_name("method of fusing scenes", self.method, METHODS)
        if self.unseen not in UNSEEN:
            raise unknown_name("label of unseen voxels", self.unseen, UNSEEN)
        if self.scale <= 0:
            raise UsageError("--camera-scale must be positive.", actual=f"{self.scale:g}")
        if self.scale != 1 and self.cameras is None:
            raise UsageError("--camera-scale is for the cameras of a file.", hint="Use it with --cameras FILE.")
        if not 0 < self.trust < 1 or not 0 <= self.behind <= 1:
            raise UsageError("--trust lies between 0 and 1, --behind from 0 to 1.", actual=f"{self.trust:g} and {self.behind:g}")
        if self.box is not None and not all(a < b for a, b in zip(self.box[:3], self.box[3:], strict=True)):
            raise UsageError("--box is empty.", expected="X0 Y0 Z0 X1 Y1 Z1, each first number below its second", actual=self.box)
        check_cells(self.resolution, self.resolution, self.resolution)


def fuse_scenes(views: Sequence[FruxelGrid], options: SceneFusion) -> Fused:
    """Labelled voxels [X, Y, Z] in the world of views that `prepared_views` gave, and how far each view agrees with them.

    Raises DataError where no view sees anything of the box.
    """
    from voxcli.backend import pick_device
    from voxcli.geometry.fusion import fuse_views

    shape, origin, voxel_size = _voxels(views, options)
    fused = fuse_views(views, shape, origin, voxel_size, options.method, options.trust, options.behind, pick_device(options.device))
    if fused.unobserved == 1:
        hint = "Set another --box, or --cameras of the same world."
        raise DataError("No view sees anything of the box.", expected=_span(*_box_of(views)), hint=hint)
    return fused if options.unseen == "ignore" else _unseen_as_empty(fused)


def _unseen_as_empty(fused: Fused) -> Fused:
    """The fused grid, its ignored voxels empty: benchmarks of completion know no prediction that says nothing."""
    from dataclasses import replace

    grid, classes = fused.grid, fused.grid.classes
    assert grid.labels is not None and classes is not None
    if classes.empty is None:
        raise DataError("The classes of the views name no empty space, which unseen voxels could be.", hint="Leave out --unseen empty.")
    labels = grid.labels.copy()
    labels[labels == classes.ignore] = classes.empty
    return replace(fused, grid=replace(grid, labels=labels))


def with_agreement(
    made: SceneT, fused: Fused, names: Sequence[str], views: Sequence[FruxelGrid], options: SceneFusion, digests: Mapping[str, str]
) -> SceneT:
    """The fused grid, or what was converted of it, with its provenance, and how far each of the views `names` agrees with it."""
    from voxcli.ops.conversions import with_provenance
    from voxcli.scene.frames import assumed_camera

    recorded = {name: value for name, value in asdict(options).items() if value is not None and name != "device"}
    source_meta = next((view.meta for view in views if assumed_camera(view.meta)), None)
    made = with_provenance(made, "fuse-views", recorded, digests, source_meta=source_meta)
    made.meta["agreement"] = [{"view": PurePath(n).name} | asdict(a) for n, a in zip(names, fused.agreement, strict=True)]
    made.meta["unobserved"] = fused.unobserved
    return made


def prepared_views(sources: Sequence[str], views: Sequence[FruxelGrid], options: SceneFusion) -> list[FruxelGrid]:
    """The views, checked, each at the place that options.cameras gives it.

    sources: the names of the views, for errors and for the cameras' names. Raises DataError for other classes or for probabilities out of
    range, UsageError where a view has no camera.
    """
    for source, view in zip(sources, views, strict=True):
        if view.probabilities is not None:
            check_probabilities(source, view.probabilities)
    _check_classes(sources, views)
    return list(views) if options.cameras is None else _placed(sources, views, options.cameras, options.scale)


def _check_classes(sources: Sequence[str], views: Sequence[FruxelGrid]) -> None:
    for source, view in zip(sources, views, strict=True):
        if view.classes != views[0].classes:
            raise DataError(
                f"{source} has other classes than {sources[0]}.", expected=", ".join(views[0].classes.names),
                actual=", ".join(view.classes.names), hint="Predict all views with the same weights.",
            )  # fmt: skip


def _placed(sources: Sequence[str], views: Sequence[FruxelGrid], cameras: str, scale: float) -> list[FruxelGrid]:
    """The views with world_to_cam from a camera file. The frusta stay those of the views."""
    from dataclasses import replace

    from voxcli import files
    from voxcli.ops.cameras import camera_names, cameras_of

    known = files.read_cameras(cameras)
    placed = []
    for source, view in zip(sources, views, strict=True):
        fitting = cameras_of(source, known)
        if len(fitting) != 1:
            raise UsageError(
                f"{cameras} holds {len(fitting)} cameras that fit the name of {source}.", expected="one whose image has the same stem",
                actual=camera_names(known), hint="Name the scenes like the images that they were predicted from.",
            )  # fmt: skip
        moved = fitting[0].world_to_cam.copy()
        moved[:3, 3] *= scale
        placed.append(replace(view, world_to_cam=moved, meta={}))
    return placed


def _box_of(views: Sequence[FruxelGrid]) -> tuple[np.ndarray, np.ndarray]:
    from voxcli.geometry.fusion import views_box

    return views_box(views)


def _voxels(views: Sequence[FruxelGrid], options: SceneFusion) -> tuple[tuple[int, int, int], np.ndarray, np.ndarray]:
    """(shape, origin, voxel_size) of cubic voxels, options.resolution along the longest side."""
    import numpy as np

    low, high = (np.array(options.box[:3]), np.array(options.box[3:])) if options.box is not None else _box_of(views)
    size = float((high - low).max()) / options.resolution
    x, y, z = (max(1, int(np.ceil(s / size - 1e-9))) for s in high - low)
    return (x, y, z), low, np.full(3, size)


def _span(low: np.ndarray, high: np.ndarray) -> str:
    return "a part of " + " x ".join(f"[{a:.3g}, {b:.3g}]" for a, b in zip(low, high, strict=True))
