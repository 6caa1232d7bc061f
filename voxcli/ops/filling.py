"""Meshes, scenes, voxels and depth maps into fruxels or voxels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from voxcli import log
from voxcli.errors import UsageError
from voxcli.ops.framing import Framing, choose_frustum, cut_off, default_view

if TYPE_CHECKING:
    import numpy as np

    from voxcli.geometry.boxes import GridPlace
    from voxcli.scene import Camera, DepthMap, FruxelGrid, Labels, Mesh, PointCloud, SceneDescription, VoxelGrid


@dataclass(frozen=True)
class FillOptions:
    """Options of a filling.

    grid: fruxel or voxel. cells: along the longest side of a voxel grid. rule: slab (the pixel's ray meets the solid within the slice) or
    centre (the cell's centre is inside). fill: auto, outside, winding, parity or surface. class_name: of the filled cells. device: of
    torch. box: (x, y, z) of the minimum corner of a voxel grid, then of the maximum one; None: around the input. shape: cells along x, y
    and z; None: by `cells`.
    """

    framing: Framing = field(default_factory=Framing)
    grid: str = "fruxel"
    cells: int = 64
    rule: str = "slab"
    fill: str = "auto"
    class_name: str | None = None
    device: str = "cpu"
    box: tuple[float, float, float, float, float, float] | None = None
    shape: tuple[int, int, int] | None = None


@dataclass(frozen=True)
class FillReport:
    """Warnings about one input.

    leaky: share of rays that enter without leaving. outside: what lies outside the frustum, in words. behind: share of the filled cells
    that `auto` filled behind openings.
    """

    leaky: float = 0.0
    outside: str | None = None
    behind: float = 0.0

    def doubts(self, fill: str) -> str | None:
        """What is to be said of the inside, in words; None where nothing is."""
        said = []
        if self.leaky > 0.02:
            said.append(f"{self.leaky:.0%} of rays enter without leaving ({'holes' if fill == 'auto' else 'holes or mixed winding'})")
        if fill != "auto":
            return f"{said[0]}; --fill auto mends most of them" if said else None
        if self.behind >= 0.01:
            said.append(f"{self.behind:.0%} of the filled cells lie behind openings; --fill outside leaves them empty")
        elif said:
            said.append("the inside of open parts is a vote of three axes")
        return "; ".join(said) or None


REFRAMING_HINTS = {
    True: "set --distance, --z-near, --z-far or --fov",
    False: "look at it with another --camera, or set --z-near, --z-far or --fov",
}
"""Hints for things outside the frustum. The key says whether --azimuth, --elevation and --distance placed the camera."""


def fill_scene(scene: SceneDescription, camera: Camera | None, options: FillOptions) -> tuple[FruxelGrid | VoxelGrid, FillReport]:
    """A scene as a labelled grid, FruxelGrid [D, H, W] or VoxelGrid [X, Y, Z] in the world, and the warnings about it.

    camera: where fruxels are seen from; None is the scene's own camera, else one that options.framing places. Raises DataError for a scene
    without faces, UsageError for too many cells.
    """
    from voxcli.backend import keep_freed_memory, pick_device
    from voxcli.errors import DataError
    from voxcli.geometry.scenes import fruxelize_scene, scene_points, voxelize_scene

    if not any(len(o.mesh.faces) for o in scene.objects):
        raise DataError("There is nothing to fill: no object has a face.")
    device = pick_device(options.device)
    keep_freed_memory()
    if options.grid == "voxel":
        points = scene_points(scene)
        done = voxelize_scene(scene, *_place(points, options), options.rule, options.fill, device)
        return done.grid, FillReport(done.leaky, _beyond_box(points, options.box), done.behind)
    view = camera or scene.camera
    frustum = choose_frustum(options.framing, scene.frustum, view)
    world_to_cam = view.world_to_cam if view else default_view(scene, frustum, options.framing)
    done = fruxelize_scene(scene, frustum, world_to_cam, options.rule, options.fill, device)
    # A camera that was placed here should see all of the scene. One that was given need not.
    cut = cut_off(scene, frustum, world_to_cam) if view is None else None
    return done.grid, FillReport(done.leaky, cut and f"{cut}: {REFRAMING_HINTS[True]}", done.behind)


def _beyond_box(points: np.ndarray, box: tuple[float, ...] | None) -> str | None:
    """What to say of vertices outside of a given box; None where there are none."""
    if box is None:
        return None
    outside = ((points < box[:3]) | (points > box[3:])).any(axis=1).mean()
    return f"{outside:.0%} of the vertices lie outside of the box" if outside > 0 else None


def fill_points(cloud: PointCloud, source: str, options: FillOptions) -> VoxelGrid:
    """The voxels in which points lie. source: the name in errors and warnings. Raises UsageError for fruxels, DataError for no extent."""
    from voxcli.geometry.boxes import voxelize_points

    if options.grid != "voxel":
        raise UsageError(f"{source}: points are put into voxels only.", hint="Use --grid voxel.")
    grid, outside = voxelize_points(cloud, _place(cloud.points, options), options.class_name)
    if outside:
        log.warn(f"{source}: {outside:.1%} of the points lie outside of the box and are left out.")
    return grid


def _place(points: np.ndarray, options: FillOptions) -> GridPlace:
    """Where the voxels stand. Raises UsageError for too many cells."""
    import numpy as np

    from voxcli.geometry.boxes import place_around, place_in
    from voxcli.ops.limits import check_cells

    if options.box is None:
        place = place_around(points, options.shape or (options.cells,) * 3)
    else:
        place = place_in(np.array(options.box[:3]), np.array(options.box[3:]), options.shape, options.cells)
    check_cells(*place.shape)
    return place


def check_box(box: tuple[float, ...] | None, name: str = "--box") -> None:
    """Raise UsageError for a box (x, y, z of the minimum corner, then of the maximum one) without a volume."""
    if box is not None and not all(low < high for low, high in zip(box[:3], box[3:], strict=True)):
        raise UsageError(f"{name} has no volume.", expected="x, y, z of the minimum corner, then of the maximum one",
                         actual=" ".join(f"{each:g}" for each in box))  # fmt: skip


def look_up(thing: VoxelGrid | DepthMap, source: str, camera: Camera | None, options: FillOptions) -> FruxelGrid:
    """Voxels or a depth map as a FruxelGrid. Its cells are looked up, not rasterised.

    source: the name in errors. camera: where they are seen from; a depth map may have its own. Raises UsageError without a camera, and for
    options.grid voxel.
    """
    from voxcli.geometry.regrid import depth_to_fruxels, voxels_to_fruxels
    from voxcli.scene import VoxelGrid

    if options.grid == "voxel":
        raise UsageError(f"{source}: only meshes and scenes are filled into voxels.", hint="Use voxcli convert for grids.")
    name = options.class_name or "object"
    if isinstance(thing, VoxelGrid):
        if camera is None:
            raise UsageError(f"{source}: voxels need a camera to be looked at from.", hint="Give one with --camera FILE.")
        return voxels_to_fruxels(thing, choose_frustum(options.framing, None, camera), camera.world_to_cam, name)
    if camera is not None:
        thing = replace(thing, camera=camera)
    if thing.camera is None:
        raise UsageError(f"{source}: the depth map has no camera.", hint="Give one with --camera FILE.")
    return depth_to_fruxels(thing, choose_frustum(options.framing, None, thing.camera), name)


def scene_of_mesh(mesh: Mesh, class_name: str | None, classes: str | Mapping[str, str] | None = None) -> SceneDescription:
    """A scene of one object of the class, or of one object for each class of the mesh.

    classes: part, node or material name -> class name, or a YAML file of such a table. Without it and class_name, the labels of the mesh
    name the classes. Raises DataError for a mesh without faces.
    """
    from voxcli import files
    from voxcli.errors import DataError
    from voxcli.geometry.scenes import split_by_class
    from voxcli.scene import SceneDescription, SceneObject

    if not len(mesh.faces):
        raise DataError("The mesh has no faces.", hint="A point cloud has no inside: give a surface.")
    if classes:
        table = class_table(classes) if isinstance(classes, str) else dict(classes)
        mesh = files.label_parts(mesh, table, _labels_with(set(table.values())), default=None)
    if class_name is None and mesh.face_labels is not None and mesh.classes is not None:
        return SceneDescription(tuple(split_by_class(mesh)), mesh.classes)
    name = class_name or "object"
    return SceneDescription((SceneObject(mesh, name),), _labels_with({name}))


def class_table(path: str) -> dict[str, str]:
    """Part, node or material name -> class name, from a YAML file. Raises FileFormatError for an empty or wrong table."""
    from voxcli.config import load
    from voxcli.errors import FileFormatError

    table: dict[str, str] = {}
    for key, value in load(path).items():
        if not isinstance(value, str) or not value:
            raise FileFormatError(f"{path}: the class of '{key}' must be a name.", actual=repr(value)[:60])
        table[key] = value
    if not table:
        raise FileFormatError(f"{path} names no class.", expected="lines such as wheels: car")
    return table


def _labels_with(names: set[str]) -> Labels:
    """The street classes if they hold all the names, else air and the names."""
    from voxcli.scene import Labels

    return Labels() if names <= set(Labels().names) else Labels(("air", *sorted(names - {"air"})))
