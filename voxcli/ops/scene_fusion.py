"""Fruxels of one place from several cameras, into one labelled voxel grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

from voxcli.errors import DataError, UsageError
from voxcli.ops.limits import check_cells, check_probabilities

if TYPE_CHECKING:
    import numpy as np

    from voxcli.geometry.fusion import Fused
    from voxcli.scene import FruxelGrid

METHODS = ("bayes", "vote", "mean")


@dataclass(frozen=True)
class SceneFusion:
    """The choices of one call.

    cameras: a file or folder of cameras, one for each view by the stem of its name; scale: metres per unit of these cameras; box: low
    and high corner in the world, None = all frusta; resolution: voxels along its longest side; trust, behind: see geometry.fusion.
    """

    method: str = "bayes"
    cameras: str | None = None
    scale: float = 1.0
    resolution: int = 128
    box: tuple[float, float, float, float, float, float] | None = None
    trust: float = 0.9
    behind: float = 0.25
    device: str = "cpu"

    def check(self) -> None:
        """Raise UsageError for choices that mean nothing, before any file is read."""
        from voxcli.errors import unknown_name

        if self.method not in METHODS:
            raise unknown_name("method of fusing scenes", self.method, METHODS)
        if self.scale <= 0:
            raise UsageError("--camera-scale must be positive.", actual=f"{self.scale:g}")
        if self.scale != 1 and self.cameras is None:
            raise UsageError("--camera-scale is for the cameras of a file.", hint="Use it with --cameras FILE.")
        if not 0 < self.trust < 1 or not 0 <= self.behind <= 1:
            raise UsageError("--trust lies between 0 and 1, --behind from 0 to 1.", actual=f"{self.trust:g} and {self.behind:g}")
        if self.box is not None and not all(a < b for a, b in zip(self.box[:3], self.box[3:], strict=True)):
            raise UsageError("--box is empty.", expected="X0 Y0 Z0 X1 Y1 Z1, each first number below its second", actual=self.box)
        check_cells(self.resolution, self.resolution, self.resolution)


def fuse_scenes(views: Sequence[FruxelGrid], wanted: SceneFusion) -> Fused:
    """Labelled voxels of what several cameras see of one place, each a view that `prepared_views` gave.

    Raises DataError where no view sees anything of the box.
    """
    from voxcli.backend import pick_device
    from voxcli.geometry.fusion import fuse_views

    shape, origin, voxel_size = _voxels(views, wanted)
    fused = fuse_views(views, shape, origin, voxel_size, wanted.method, wanted.trust, wanted.behind, pick_device(wanted.device))
    if fused.unobserved == 1:
        hint = "Set another --box, or --cameras of the same world."
        raise DataError("No view sees anything of the box.", expected=_span(*_box_of(views)), hint=hint)
    return fused


def prepared_views(sources: Sequence[str], views: Sequence[FruxelGrid], wanted: SceneFusion) -> list[FruxelGrid]:
    """The views at the places that wanted.cameras gives them, checked: their probabilities are such, their classes the same."""
    for source, view in zip(sources, views, strict=True):
        if view.probabilities is not None:
            check_probabilities(source, view.probabilities)
    _check_classes(sources, views)
    return list(views) if wanted.cameras is None else _placed(sources, views, wanted.cameras, wanted.scale)


def _check_classes(sources: Sequence[str], views: Sequence[FruxelGrid]) -> None:
    for source, view in zip(sources, views, strict=True):
        if view.classes != views[0].classes:
            raise DataError(
                f"{source} has other classes than {sources[0]}.", expected=", ".join(views[0].classes.names),
                actual=", ".join(view.classes.names), hint="Predict all views with the same weights.",
            )  # fmt: skip


def _placed(sources: Sequence[str], views: Sequence[FruxelGrid], cameras: str, scale: float) -> list[FruxelGrid]:
    """The views at the places that a camera file gives them. Only the place is taken: what a frustum spans stands in its own file."""
    from dataclasses import replace

    from voxcli import files

    known = files.read_cameras(cameras)
    placed = []
    for source, view in zip(sources, views, strict=True):
        fitting = [camera for name, camera in known if PurePath(name).stem == PurePath(source).stem]
        if len(fitting) != 1:
            names = ", ".join(name for name, _ in known[:6]) + (", ..." if len(known) > 6 else "")
            raise UsageError(
                f"{cameras} holds {len(fitting)} cameras that fit the name of {source}.", expected="one whose image has the same stem",
                actual=names, hint="Name the scenes like the images that they were predicted from.",
            )  # fmt: skip
        moved = fitting[0].world_to_cam.copy()
        moved[:3, 3] *= scale
        placed.append(replace(view, world_to_cam=moved, meta={}))
    return placed


def _box_of(views: Sequence[FruxelGrid]) -> tuple[np.ndarray, np.ndarray]:
    from voxcli.geometry.fusion import views_box

    return views_box(views)


def _voxels(views: Sequence[FruxelGrid], wanted: SceneFusion) -> tuple[tuple[int, int, int], np.ndarray, np.ndarray]:
    """(shape, origin, voxel_size): cubes, as many along the longest side as asked for."""
    import numpy as np

    low, high = (np.array(wanted.box[:3]), np.array(wanted.box[3:])) if wanted.box is not None else _box_of(views)
    size = float((high - low).max()) / wanted.resolution
    x, y, z = (max(1, int(np.ceil(s / size - 1e-9))) for s in high - low)
    return (x, y, z), low, np.full(3, size)


def _span(low: np.ndarray, high: np.ndarray) -> str:
    return "a part of " + " x ".join(f"[{a:.3g}, {b:.3g}]" for a, b in zip(low, high, strict=True))
