"""`voxcli.fuse`: several views of one scene or object into one volume."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Annotated, TypedDict

from voxcli import files
from voxcli.api.arguments import Count, Probability, python_call
from voxcli.api.prediction import Model, load
from voxcli.api.things import Device, Path, digests_of, is_path, path_of
from voxcli.contents import opened_once
from voxcli.errors import DataError, UsageError
from voxcli.options import Interval
from voxcli.scene import FruxelGrid, PointCloud, VoxelGrid

if TYPE_CHECKING:
    from typing_extensions import Unpack


class FuseOptions(TypedDict, total=False):
    """Of scenes: cameras (a file or folder of cameras, one a view by the stem of its name), camera_scale (metres per unit of these),
    resolution (voxels along the longest side, 128), box (low and high corner in the world), trust (probability of the stated class in views
    of labels alone, 0.9), behind (weight of what a view says behind its first surface, 0.25), unseen (the label of
    voxels that no view sees: ignore, or empty). Of objects: threshold, points (in each
    occupied cell, for uclid)."""

    cameras: Path
    camera_scale: Annotated[float, Interval("(0, inf)")]
    resolution: Count
    box: tuple[float, float, float, float, float, float] | None
    trust: Annotated[float, Interval("(0, 1)")]
    behind: Probability
    unseen: Annotated[str, ("ignore", "empty")]
    threshold: Probability
    points: Count


_OF_OBJECTS = ("threshold", "points")


@python_call(FuseOptions)
def fuse(
    views: Sequence[FruxelGrid | VoxelGrid | Path], *, method: str | None = None, model: Model | str | None = None, device: Device = "auto",
    **options: Unpack[FuseOptions],
) -> VoxelGrid | PointCloud:  # fmt: skip
    """Fuse views of one place, or coarse volumes of one object, as `voxcli fuse-views` does. What the first view is decides which.

    Args:
        views: FruxelGrids of one world frame (their world_to_cam says where each stands), or VoxelGrids of `predict(coarse=True)`, or
            paths of either. Files are taken in the order of their names.
        method: scenes: bayes (log-odds add up), vote, mean. Objects: context (the network's scores), mean, max. None: bayes, context.
        model: of objects, the network that made the volumes (a Model or its name); None: the one that they name, where context needs it.
        device: of scenes: cpu, cuda or auto; of objects, where a model is named.
        options: see FuseOptions.

    Returns:
        Scenes: a VoxelGrid of labels [X, Y, Z]; meta["agreement"] says how far each view agrees with it. Objects: a VoxelGrid of
        occupancy, or a PointCloud (uclid), in the object's frame.

    Raises:
        VoxcliError: views of other kinds or classes, of other weights, or an option that means nothing to them.

    >>> import voxcli
    >>> grid = voxcli.read("examples/street/000002.npz")
    >>> voxcli.fuse([grid], resolution=32, device="cpu").labels.shape
    (27, 26, 32)
    """
    if not views:
        raise UsageError("There is no view.", expected="one or more fruxel grids, coarse volumes, or their paths", actual="an empty list")
    if all(is_path(view) for view in views):
        views = sorted(views, key=lambda view: (PurePath(path_of(view)).name, path_of(view)))
    names = [path_of(view) or f"view {number}" for number, view in enumerate(views, 1)]
    with opened_once():
        held = [files.read_as(path_of(view), (FruxelGrid, VoxelGrid)) if is_path(view) else view for view in views]
        grids = [each for each in held if isinstance(each, (FruxelGrid, VoxelGrid))]
        kind = type(held[0])
        if len(grids) < len(held) or any(type(each) is not kind for each in held):
            raise UsageError("Views of one thing are of one kind.", expected="fruxel grids alone, or coarse volumes alone",
                             actual=", ".join(sorted({type(each).__name__ for each in held})))  # fmt: skip
        scenes = kind is FruxelGrid
        strange = [name for name in options if (name in _OF_OBJECTS) == scenes] + (["model"] if scenes and model is not None else [])
        if strange:
            raise UsageError(f"{strange[0]} means nothing for {'scenes' if scenes else 'coarse volumes of objects'}.", hint="Leave it out.")
        digests = digests_of(*views, options.get("cameras") if _is_file(options.get("cameras")) else None)
    if scenes:
        return _fused_scenes(names, [each for each in grids if isinstance(each, FruxelGrid)], method, str(device), options, digests)
    volumes = [each for each in grids if isinstance(each, VoxelGrid)]
    return _fused_objects(names, volumes, method or "context", model, str(device), options, digests)


def _fused_scenes(
    names: list[str], views: list[FruxelGrid], method: str | None, device: str, options: FuseOptions, digests: dict[str, str]
) -> VoxelGrid:
    from voxcli.ops.scene_fusion import SceneFusion, fuse_scenes, prepared_views, with_agreement

    fusion = SceneFusion(
        method or "bayes", path_of(options.get("cameras")) or None, options.get("camera_scale", 1.0), options.get("resolution", 128),
        options.get("box"), options.get("trust", 0.9), options.get("behind", 0.25), device, options.get("unseen", "ignore"),
    )  # fmt: skip
    fusion.check()
    placed = prepared_views(names, views, fusion)
    fused = fuse_scenes(placed, fusion)
    return with_agreement(fused.grid, fused, names, placed, fusion, digests)


def _fused_objects(
    names: list[str], grids: list[VoxelGrid], method: str, model: Model | str | None, device: str, options: FuseOptions,
    digests: dict[str, str],
) -> VoxelGrid | PointCloud:  # fmt: skip
    from voxcli.ops.volume_fusion import fuse_volumes, fusing_spec, fusion_options, with_fusion_provenance

    known = {str(grid.meta.get("options", {}).get("model")) for grid in grids}
    maker = known.pop() if len(known) == 1 else "None"
    if model is None and method == "context":
        if maker == "None":
            raise UsageError("Scores need the network that made the volumes.", expected='model="pix2vox-f", or another',
                             actual="volumes that name none", hint='Or choose method="mean".')  # fmt: skip
        model = maker
    network = load(model, device=device) if isinstance(model, str) else model
    spec = fusing_spec(None if network is None else network.name)
    for name, grid in zip(names, grids, strict=True):
        if method == "context" and network is not None and grid.meta.get("weights", network.digest) != network.digest:
            raise DataError(f"{name} was made by other weights than {network.name}'s: its context would mean nothing to them.",
                            hint="Use the model that predicted the volumes.")  # fmt: skip
    given = {"threshold": options.get("threshold"), "points": options.get("points")}
    predictor = None if network is None else network.predictor
    result, _ = fuse_volumes(spec, predictor, grids, method, fusion_options(spec, given))
    return with_fusion_provenance(result, result, spec, method, digests, network.digest if network else None)


def _is_file(path: Path | None) -> bool:
    import os

    return path is not None and os.path.isfile(path)
