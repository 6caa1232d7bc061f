"""Scenes and meshes to labelled grids: placing objects, filling them, naming what fills each cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from voxcli.errors import DataError
from voxcli.geometry.boxes import GridPlace, place_around
from voxcli.geometry.cameras import quaternion_to_rotation
from voxcli.geometry.crossings import Part
from voxcli.geometry.lattice import FruxelLattice, VoxelLattice
from voxcli.geometry.regrid import camera_points
from voxcli.geometry.solid import Filled, fill_parts, share_behind_openings
from voxcli.scene import Frustum, FruxelGrid, Labels, Mesh, SceneDescription, SceneObject, VoxelGrid


@dataclass(frozen=True)
class LabelledFill:
    """A filled grid with the object that fills each cell.

    instances: int16, 0 = none, else 1 + index. leaky: share of rays that enter without leaving. behind: share of the filled cells that
    `auto` filled behind openings.
    """

    grid: FruxelGrid | VoxelGrid
    instances: np.ndarray
    leaky: float
    behind: float = 0.0


def placed_vertices(item: SceneObject) -> np.ndarray:
    """World vertices of a placed object: R (scale * x) + position. [V, 3] float64

    >>> mesh = Mesh(np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]]), np.array([[0, 1, 2]]))
    >>> placed_vertices(SceneObject(mesh, "car", position=np.array([0, 0, 5.0]), scale=np.full(3, 2.0)))[0].tolist()
    [2.0, 0.0, 5.0]
    """
    vertices: np.ndarray = (item.mesh.vertices * item.scale) @ quaternion_to_rotation(item.rotation_wxyz).T + item.position
    return vertices


def split_by_class(mesh: Mesh) -> list[SceneObject]:
    """A mesh with face labels as one object a class, in the order of the class ids; empty space and ignored faces are left out.

    >>> mesh = Mesh(np.eye(3), np.array([[0, 1, 2], [2, 1, 0]]), face_labels=np.array([2, 1]), classes=Labels(("air", "car", "tree")))
    >>> [each.class_name for each in split_by_class(mesh)]
    ['car', 'tree']
    """
    if mesh.face_labels is None or mesh.classes is None:
        raise DataError("The mesh has no class labels.", hint="Name its class with --class, or map its parts with --classes FILE.")
    objects = []
    for i in mesh.classes.solid_ids:
        faces = mesh.faces[mesh.face_labels == i]
        if len(faces):
            objects.append(SceneObject(Mesh(mesh.vertices, faces), mesh.classes.names[i], name=mesh.classes.names[i]))
    return objects


def fruxelize_scene(scene: SceneDescription, frustum: Frustum, world_to_cam: np.ndarray, rule: str = "slab", fill: str = "auto",
                    device: torch.device | str = "cpu") -> LabelledFill:  # fmt: skip
    """All objects of a scene to labelled fruxels [D, H, W]; later objects overwrite earlier ones, ground comes first.

    rule and fill as in voxcli.geometry.solid.fruxelize_parts. Raises DataError where no object has a face.

    >>> from voxcli.scene import VoxelGrid
    >>> from voxcli.geometry.surfaces import cell_faces
    >>> cube = cell_faces(VoxelGrid(occupancy=np.ones((1, 1, 1), bool)))
    >>> scene = SceneDescription((SceneObject(cube, "car", position=np.array([-0.5, -0.5, 1.5])),))
    >>> filled = fruxelize_scene(scene, Frustum(1, 1, 4, 1.0, 3.0, 30.0), np.eye(4))
    >>> filled.grid.labels.ravel().astype(bool).tolist()                              # slices from 1.5 to 2.5
    [False, True, True, False]
    """
    order, parts = _parts(scene, world_to_cam, device)
    lattice = FruxelLattice(frustum)
    filled = fill_parts(parts, lattice, rule, fill)
    labels, instances = _named(filled, order, scene)
    behind = share_behind_openings(parts, lattice, rule, filled)
    return LabelledFill(FruxelGrid(labels, frustum, world_to_cam, scene.classes), instances, filled.leaky, behind)


def voxelize_scene(scene: SceneDescription, shape: tuple[int, int, int], origin: np.ndarray, voxel_size: np.ndarray, rule: str = "centre",
                   fill: str = "auto", device: torch.device | str = "cpu") -> LabelledFill:  # fmt: skip
    """All objects of a scene to labelled voxels [X, Y, Z] in the world frame.

    >>> from voxcli.scene import VoxelGrid
    >>> from voxcli.geometry.surfaces import cell_faces
    >>> cube = cell_faces(VoxelGrid(occupancy=np.ones((1, 1, 1), bool)))
    >>> filled = voxelize_scene(SceneDescription((SceneObject(cube, "car"),)), (2, 1, 1), np.zeros(3), np.ones(3))
    >>> filled.instances.ravel().tolist(), filled.leaky
    ([1, 0], 0.0)
    """
    order, parts = _parts(scene, np.eye(4), device)
    x, y, z = map(float, origin)
    sx, sy, sz = map(float, voxel_size)
    lattice = VoxelLattice(shape, (x, y, z), (sx, sy, sz))
    filled = fill_parts(parts, lattice, rule, fill)
    labels, instances = _named(filled, order, scene)
    behind = share_behind_openings(parts, lattice, rule, filled)
    grid = VoxelGrid(labels=labels, origin=origin, voxel_size=voxel_size, classes=scene.classes)
    return LabelledFill(grid, instances, filled.leaky, behind)


def bounding_cube(scene: SceneDescription, resolution: int) -> GridPlace:
    """The cube of resolution^3 voxels that a scene fills, centred, longest side to the full.

    >>> from voxcli.scene import VoxelGrid
    >>> from voxcli.geometry.surfaces import cell_faces
    >>> cube = cell_faces(VoxelGrid(occupancy=np.ones((1, 1, 1), bool)))
    >>> shape, origin, size = bounding_cube(SceneDescription((SceneObject(cube, "car", scale=np.array([1.0, 1, 4])),)), 8)
    >>> shape, origin.tolist(), size.tolist()
    ((8, 8, 8), [-1.5, -1.5, 0.0], [0.5, 0.5, 0.5])
    """
    return place_around(scene_points(scene), (resolution,) * 3)


def scene_points(scene: SceneDescription) -> np.ndarray:
    """All placed vertices of faces of a scene, [N, 3] in the world. Raises DataError where no face has an area.

    >>> mesh = Mesh(np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [9, 9, 9]]), np.array([[0, 1, 2]]))
    >>> scene_points(SceneDescription((SceneObject(mesh, "car"),))).shape
    (3, 3)
    """
    check_area([o.mesh for o in scene.objects if len(o.mesh.faces)])
    return np.concatenate([placed_vertices(o)[np.unique(o.mesh.faces)] for o in scene.objects if len(o.mesh.faces)])


def _parts(scene: SceneDescription, to_grid: np.ndarray, device: torch.device | str) -> tuple[list[int], list[Part]]:
    """(object index of each part, parts in the grid's frame): ground first, then in the order of the scene."""
    order = sorted((i for i, o in enumerate(scene.objects) if len(o.mesh.faces)), key=lambda i: scene.objects[i].class_name != "ground")
    if not order:
        raise DataError("There is nothing to fill: no object of the scene has a face.")
    check_area([scene.objects[i].mesh for i in order])
    parts = []
    for i in order:
        vertices = camera_points(placed_vertices(scene.objects[i]), to_grid)
        parts.append((_tensor(vertices, device), _tensor(scene.objects[i].mesh.faces, device)))
    return order, parts


def check_area(meshes: Sequence[Mesh]) -> None:
    """Raise DataError where all faces of all the meshes are points or lines: nothing of such would be filled, nor seen.

    >>> check_area([Mesh(np.zeros((3, 3)), np.array([[0, 1, 2]]))])
    Traceback (most recent call last):
    voxcli.errors.DataError: ...
    """
    for mesh in meshes:
        first, second, third = (mesh.vertices[mesh.faces[:, corner]] for corner in range(3))
        with np.errstate(all="ignore"):
            edges = np.stack([second - first, third - first])
            edges /= np.abs(edges).max(initial=0.0) or 1.0  # the squares of tiny edges would vanish, those of huge ones overflow
            if np.cross(edges[0], edges[1]).any():
                return
    count = sum(len(mesh.faces) for mesh in meshes)
    what = "mesh has" if len(meshes) == 1 else "scene's meshes have"
    raise DataError(f"The {what} no area: all faces are points or lines.", actual=f"{count} face(s)")


def _tensor(array: np.ndarray, device: torch.device | str) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array)).to(device)


def _named(filled: Filled, order: list[int], scene: SceneDescription) -> tuple[np.ndarray, np.ndarray]:
    """owner -> (labels, instances): class ids, and 1 + index of the object in the scene's own order."""
    classes: Labels = scene.classes
    empty = 0 if classes.empty is None else classes.empty
    dtype = np.uint8 if len(classes.names) <= 255 else np.uint16
    label_of = np.array([empty, *(classes.names.index(scene.objects[i].class_name) for i in order)], dtype=dtype)
    number_of = np.array([0, *(i + 1 for i in order)], dtype=np.int16)
    owner = filled.owner.cpu().numpy()
    return label_of[owner], number_of[owner]
