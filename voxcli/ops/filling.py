"""Meshes, scenes, voxels and depth maps into fruxels or voxels, as `voxcli fruxelize` and `voxcli.fruxelize` make them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from voxcli.errors import UsageError
from voxcli.ops.framing import Framing, choose_frustum, cut_off, default_view

if TYPE_CHECKING:
    from voxcli.scene import Camera, DepthMap, FruxelGrid, Labels, Mesh, SceneDescription, VoxelGrid


@dataclass(frozen=True)
class Filling:
    """How cells are filled. grid: fruxel or voxel. cells: along the longest side of a voxel grid. rule: slab (the pixel's ray meets the
    solid within the slice) or centre (the cell's centre is inside). fill: auto, winding, parity or surface. class_name: of what fills.
    """

    framing: Framing = field(default_factory=Framing)
    grid: str = "fruxel"
    cells: int = 64
    rule: str = "slab"
    fill: str = "auto"
    class_name: str | None = None
    device: str = "cpu"


@dataclass(frozen=True)
class FillReport:
    """What is worth a warning about one input: the share of leaky rays, and what lies outside the frustum."""

    leaky: float = 0.0
    outside: str | None = None


REFRAMING_HINTS = {
    True: "set --distance, --z-near, --z-far or --fov",
    False: "look at it with another --camera, or set --z-near, --z-far or --fov",
}
"""What to do where things lie outside the frustum, by whether the camera was placed by --azimuth, --elevation and --distance."""


def fill_scene(scene: SceneDescription, given: Camera | None, wanted: Filling) -> tuple[FruxelGrid | VoxelGrid, FillReport]:
    """A scene as a grid of labels, seen from the given camera, else from the scene's own, else from one placed as the framing says.

    Raises DataError for a scene without faces.
    """
    from voxcli.backend import keep_freed_memory, pick_device
    from voxcli.errors import DataError
    from voxcli.geometry.scenes import bounding_cube, fruxelize_scene, voxelize_scene

    if not any(len(o.mesh.faces) for o in scene.objects):
        raise DataError("There is nothing to fill: no object has a face.")
    device = pick_device(wanted.device)
    keep_freed_memory()
    if wanted.grid == "voxel":
        shape, origin, voxel_size = bounding_cube(scene, wanted.cells)
        done = voxelize_scene(scene, shape, origin, voxel_size, wanted.rule, wanted.fill, device)
        return done.grid, FillReport(done.leaky)
    view = given or scene.camera
    frustum = choose_frustum(wanted.framing, scene.frustum, view)
    world_to_cam = view.world_to_cam if view else default_view(scene, frustum, wanted.framing)
    done = fruxelize_scene(scene, frustum, world_to_cam, wanted.rule, wanted.fill, device)
    # Cameras that were chosen may well cut things off; one that was placed to see the whole should see the whole.
    cut = cut_off(scene, frustum, world_to_cam) if view is None else None
    return done.grid, FillReport(done.leaky, cut and f"{cut}: {REFRAMING_HINTS[True]}")


def look_up(thing: VoxelGrid | DepthMap, source: str, given: Camera | None, wanted: Filling) -> FruxelGrid:
    """Voxels or depth to fruxels: nothing to rasterise, cells are looked up. source: what errors call the thing."""
    from voxcli.geometry.regrid import depth_to_fruxels, voxels_to_fruxels
    from voxcli.scene import VoxelGrid

    if wanted.grid == "voxel":
        raise UsageError(f"{source}: only meshes and scenes are filled into voxels.", hint="Use voxcli convert for grids.")
    name = wanted.class_name or "object"
    if isinstance(thing, VoxelGrid):
        if given is None:
            raise UsageError(f"{source}: voxels need a camera to be looked at from.", hint="Give one with --camera FILE.")
        return voxels_to_fruxels(thing, choose_frustum(wanted.framing, None, given), given.world_to_cam, name)
    if given is not None:
        thing = replace(thing, camera=given)
    if thing.camera is None:
        raise UsageError(f"{source}: the depth map has no camera.", hint="Give one with --camera FILE.")
    return depth_to_fruxels(thing, choose_frustum(wanted.framing, None, thing.camera), name)


def scene_of_mesh(mesh: Mesh, class_name: str | None, classes: str | Mapping[str, str] | None = None) -> SceneDescription:
    """One object of the named class; or one a class, by a table (or its YAML file) of part names, or by the labels that the mesh brings."""
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
    """Part, node or material name -> class name, from a --classes file."""
    from voxcli.config import load
    from voxcli.errors import FileFormatError

    table = load(path)
    for key, value in table.items():
        if not isinstance(value, str) or not value:
            raise FileFormatError(f"{path}: the class of '{key}' must be a name.", actual=repr(value)[:60])
    if not table:
        raise FileFormatError(f"{path} names no class.", expected="lines such as wheels: car")
    return table


def _labels_with(names: set[str]) -> Labels:
    """The street classes where they hold all the names, else air and those names."""
    from voxcli.scene import Labels

    return Labels() if names <= set(Labels().names) else Labels(("air", *sorted(names - {"air"})))
