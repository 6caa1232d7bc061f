"""`fuse-views` for scenes: fruxels of one place from several cameras, into one labelled voxel grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from voxcli.cli.output import out
from voxcli.errors import DataError, UsageError
from voxcli.ops.conversions import Settings, convert_thing, way_to, with_origin
from voxcli.ops.limits import check_cells, check_probabilities

if TYPE_CHECKING:
    import numpy as np

    from voxcli.geometry.fusion import Fused
    from voxcli.scene import FruxelGrid

METHODS = ("bayes", "vote", "mean")

ALONE = 0.01
"""A view of whose visible voxels fewer than this share are seen by another view stands, most likely, in another place."""


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


def fuse_scene_files(
    sources: Sequence[str], target: str, wanted: SceneFusion, *, becomes: str | None = None, format: str | None = None,
    input_format: str | None = None, overwrite: bool = False,
) -> None:  # fmt: skip
    """Read fruxel scenes, fuse them, and write the voxels, or what the target's extension can hold of them.

    meta["agreement"] of the output lists for each view how much it sees and how far it agrees with what was fused; -v says it too.
    Raises a VoxcliError that names the file where one is no fruxel scene, has other classes, or has no camera in wanted.cameras.
    """
    from voxcli import files
    from voxcli.backend import pick_device
    from voxcli.files.registry import find_format
    from voxcli.geometry.fusion import fuse_views
    from voxcli.scene import FruxelGrid, VoxelGrid
    from voxcli.scene.frames import assumed_camera

    wanted.check()
    found, _ = find_format(target, format)
    way_to(VoxelGrid, found, becomes)
    views = [files.read_as(source, FruxelGrid, format=input_format) for source in sources]
    for source, view in zip(sources, views, strict=True):
        if view.probabilities is not None:
            check_probabilities(source, view.probabilities)
    _check_classes(sources, views)
    if wanted.cameras is not None:
        views = _placed(sources, views, wanted.cameras, wanted.scale)
    _warn_of_assumed_cameras(sources, views)
    shape, origin, voxel_size = _voxels(views, wanted)
    fused = fuse_views(views, shape, origin, voxel_size, wanted.method, wanted.trust, wanted.behind, pick_device(wanted.device))
    if fused.unobserved == 1:
        hint = "Set another --box, or --cameras of the same world."
        raise DataError("No view sees anything of the box.", expected=_span(*_box_of(views)), hint=hint)
    _warn_of_lonely_views(sources, fused)
    _tell(sources, fused)
    thing = convert_thing(fused.grid, found, becomes, Settings(wanted.resolution))
    of = next((view.meta for view in views if assumed_camera(view.meta)), None)
    thing = with_origin(thing, "fuse-views", _recorded(wanted), _digests(sources, wanted.cameras), of=of)
    if hasattr(thing, "meta"):
        thing.meta["agreement"] = [{"view": PurePath(s).name} | asdict(a) for s, a in zip(sources, fused.agreement, strict=True)]
        thing.meta["unobserved"] = fused.unobserved
    files.write(target, thing, format=format, overwrite=overwrite)


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


def _warn_of_assumed_cameras(sources: Sequence[str], views: Sequence[FruxelGrid]) -> None:
    from voxcli.scene.frames import assumed_camera

    if len(views) < 2:
        return
    assumed = [source for source, view in zip(sources, views, strict=True) if assumed_camera(view.meta)]
    first = views[0].world_to_cam
    if assumed:
        which = "all views" if len(assumed) == len(views) else ", ".join(assumed[:3]) + (", ..." if len(assumed) > 3 else "")
        out.warn(f"predicted without a camera, so that the place is assumed: {which}. Give the cameras with --cameras FILE.")
    elif all(abs(view.world_to_cam - first).max() < 1e-9 for view in views):
        out.warn("all views stand in the same place: were they predicted without a camera? Give them with --cameras FILE.")


def _warn_of_lonely_views(sources: Sequence[str], fused: Fused) -> None:
    alone = [(source, view.shared or 0) for source, view in zip(sources, fused.agreement, strict=True) if (view.shared or 0) < ALONE]
    if len(sources) > 1 and alone:
        named = ", ".join(f"{source} ({share:.1%})" for source, share in alone[:3]) + (", ..." if len(alone) > 3 else "")
        out.warn(f"hardly any voxel is also seen by another view: {named}. Do the cameras stand in one world? --cameras FILE says where.")


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


def _tell(sources: Sequence[str], fused: Fused) -> None:
    for source, view in zip(sources, fused.agreement, strict=True):
        shares = (("agrees in", view.agreeing), ("where occupied in", view.agreeing_occupied))
        words = [f"{what} {share:.1%}" for what, share in shares if share is not None]
        out.detail(", ".join([f"{source}: sees {view.visible} of {fused.grid.values.size} voxels", *words]))
    out.detail(f"unobserved: {fused.unobserved:.1%}")


def _span(low: np.ndarray, high: np.ndarray) -> str:
    return "a part of " + " x ".join(f"[{a:.3g}, {b:.3g}]" for a, b in zip(low, high, strict=True))


def _recorded(wanted: SceneFusion) -> dict[str, Any]:
    return {key: value for key, value in asdict(wanted).items() if value is not None and key != "device"}


def _digests(sources: Sequence[str], cameras: str | None) -> dict[str, str]:
    """SHA-256 of all that was read; of a COLMAP folder, of its two files."""
    from pathlib import Path

    from voxcli.provenance import sha256_file

    paths = [source for source in sources if source != "-"]
    if cameras is not None:
        folder = Path(cameras) if Path(cameras).is_dir() else Path(cameras).parent
        texts = [str(folder / name) for name in ("cameras.txt", "images.txt")]
        paths += texts if Path(cameras).is_dir() or Path(cameras).suffix == ".txt" else [cameras]
    return {path: sha256_file(path) for path in paths}
