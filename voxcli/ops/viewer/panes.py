"""What a page draws of each scene type: classes, geometry, slices, outlines of cameras."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from voxcli import log
from voxcli.errors import DataError
from voxcli.geometry.rectangles import in_blocks, lattice_to_world, merged_faces
from voxcli.ops.grid_pictures import grid_labels
from voxcli.ops.viewer.packing import Places, packed
from voxcli.provenance import Json
from voxcli.scene import (
    Camera,
    DepthMap,
    Frustum,
    FruxelGrid,
    Mesh,
    PointCloud,
    SceneDescription,
    SceneType,
    Surfels,
    VoxelGrid,
    class_colour,
)
from voxcli.shapes import check_extent

MOST_TRIANGLES = 300_000
"""Above it, pixels of a map of depths are left out evenly, and cells drawn in blocks."""
_JUMP = 0.1
"""Neighbouring pixels whose depths differ by more than this share belong to two surfaces."""
_MOST_PARTS = 60
"""Rows of a legend, where parts stand for classes."""
_ASSUMED_FOV = 60.0
_STEPS = 100
_PLAIN = (170, 172, 178)
_RAMP = np.array([(0, 34, 78), (18, 53, 112), (87, 92, 109), (138, 134, 120), (190, 176, 104), (254, 232, 56)], np.float64)
"""Cividis at six places: dark blue to yellow, in equal steps also for those who see no red or no green."""


@dataclass(frozen=True)
class Group:
    """A row of the legend: a class or a part. colour: RGB 0..255. count: its cells, faces or points."""

    name: str
    colour: tuple[int, int, int]
    count: int


@dataclass(frozen=True)
class Axis:
    """A direction along which slices are taken. component: of the frame's coordinates. value = start + step * slice, in `unit` if known."""

    name: str
    component: int
    count: int
    start: float
    step: float
    unit: str = ""


@dataclass(frozen=True)
class Frame:
    """Coordinates in which slices are counted: cells of a lattice, or hundredths of a box.

    to_world [4, 4]: of the camera's frame where `frustum` is given, whose cells are (slice, row, column), else of the frame itself.
    """

    to_world: np.ndarray
    axes: tuple[Axis, ...]
    frustum: Frustum | None = None


@dataclass(frozen=True)
class Pane:
    """One of the views of a page, in the world frame.

    unit: what is counted. box [2, 3]: of what is drawn. geometry: what drawing.js builds it from. lines [N, 2, 3]: outlines of cameras.
    focus [N, 3]: what a view should have in sight, where that is not all.
    """

    title: str
    facts: tuple[str, ...]
    groups: tuple[Group, ...]
    unit: str
    geometry: Mapping[str, Json]
    box: np.ndarray
    frame: Frame
    camera: Camera | None = None
    lines: np.ndarray = field(default_factory=lambda: np.zeros((0, 2, 3)))
    focus: np.ndarray | None = None


def pane_of(thing: SceneType, title: str, threshold: float = 0.5) -> Pane:
    """What is drawn of a thing. threshold: of occupancy. Raises DataError for one that has no place in space, or is empty."""
    if isinstance(thing, (FruxelGrid, VoxelGrid)):
        return _cells(thing, title, threshold)
    if isinstance(thing, SceneDescription):
        return _scene(thing, title)
    if isinstance(thing, Mesh):
        return _mesh(thing, title)
    if isinstance(thing, PointCloud):
        return _points(thing, title)
    if isinstance(thing, (DepthMap, Surfels)):
        return _map(thing, title)
    if isinstance(thing, Camera):
        return _cameras([("camera", thing)], title)
    if isinstance(thing, list):
        return _cameras(thing, title)
    raise DataError("There is nothing to turn in a picture.", expected="fruxels, voxels, points, a mesh, a scene, depth or surfels",
                    hint="Write it as PNG: -o FILE.png.")  # fmt: skip


def cells_pane(grid: FruxelGrid | VoxelGrid, title: str, codes: np.ndarray, groups: Sequence[Group], facts: Sequence[str]) -> Pane:
    """Cells of a grid by code: 0 is empty, k is groups[k - 1], or one of its categories (see differences.py).

    Cells of too many triangles are drawn in blocks, with a fact and a warning that say so.
    """
    frame, exact, side = grid_frame(grid), codes, 1
    used = np.flatnonzero(np.bincount(codes.reshape(-1)))
    found = merged_faces(codes, used[used > 0].tolist(), between=True)
    while 2 * len(found) > MOST_TRIANGLES:
        side = max(side + 1, int(np.ceil(side * (2 * len(found) / MOST_TRIANGLES) ** (1 / 3))))  # noise goes with the number of cells
        codes = in_blocks(exact, side)
        found = merged_faces(codes, used[used > 0].tolist(), between=True)
    if side > 1:
        facts = [*facts, f"drawn in blocks of {side} x {side} x {side} cells: the cells are more than {MOST_TRIANGLES:,} triangles"]
        log.warn(f"{title}: {facts[-1]}.")
    columns = np.stack([found.axis * 2 + found.side, found.plane, *found.first.T, *found.size.T, found.label])
    wide = "<u2" if int(codes.max(initial=0)) > 255 else "<u1"
    geometry: dict[str, Json] = {
        "kind": "cells", "rectangles": packed(columns, "<u2"), "shape": list(codes.shape), "codes": packed(codes, wide),
        "wide": wide == "<u2", "mirrored": isinstance(grid, FruxelGrid),
    }  # fmt: skip
    if codes.any():
        spans = [np.flatnonzero(codes.any(tuple(a for a in range(3) if a != axis)))[[0, -1]] + [0, 1] for axis in range(3)]
    else:
        spans = [np.array([0, n]) for n in codes.shape]
    corners = np.stack(np.meshgrid(*spans, indexing="ij"), -1).reshape(-1, 3).astype(np.float64)
    camera, lines = None, np.zeros((0, 2, 3))
    if isinstance(grid, FruxelGrid):
        camera, lines = grid.camera, _outline(grid.camera, grid.frustum.z_near, grid.frustum.z_far)
    return Pane(title, tuple(facts), tuple(groups), "cells", geometry, _box(lattice_to_world(corners, grid)), frame, camera, lines)


def grid_frame(grid: FruxelGrid | VoxelGrid) -> Frame:
    """The lattice of a grid."""
    if isinstance(grid, FruxelGrid):
        f = grid.frustum
        return Frame(np.linalg.inv(grid.world_to_cam), (Axis("depth", 0, f.depth, f.z_near, f.slice_thickness, _unit(grid.meta)),), f)
    to_world = np.eye(4)
    to_world[:3, :3], to_world[:3, 3] = np.diag(grid.voxel_size), grid.origin
    spans = zip("xyz", grid.values.shape, grid.origin.tolist(), np.asarray(grid.voxel_size).tolist(), strict=True)
    return Frame(to_world, tuple(Axis(name, k, n, low, size, _unit(grid.meta)) for k, (name, n, low, size) in enumerate(spans)))


def _cells(grid: FruxelGrid | VoxelGrid, title: str, threshold: float) -> Pane:
    labels, classes = grid_labels(grid, threshold)
    counts = np.bincount(labels.reshape(-1), minlength=len(classes.names))
    shown = [i for i in classes.solid_ids if counts[i] and i != classes.ignore]
    table = np.zeros(len(counts), np.uint16)
    table[shown] = np.arange(len(shown)) + 1
    groups = [Group(classes.names[i], class_colour(classes.names[i]), int(counts[i])) for i in shown]
    return cells_pane(grid, title, table[labels], groups, grid_facts(grid))


def grid_facts(grid: FruxelGrid | VoxelGrid) -> list[str]:
    """A few words on a grid."""
    if isinstance(grid, FruxelGrid):
        f = grid.frustum
        return [f"fruxels: {f.width} x {f.height}, {f.depth} slices", f"{f.z_near:g} to {f.z_far:g}{_unit(grid.meta)}",
                f"field of view {f.fov_x_deg:.4g} degrees"]  # fmt: skip
    shape = " x ".join(map(str, grid.values.shape))
    return [f"voxels: {shape}", "of " + " x ".join(f"{size:.3g}" for size in grid.voxel_size) + _unit(grid.meta)]


def _scene(scene: SceneDescription, title: str) -> Pane:
    from voxcli.ops.picture import in_frame, placed_scene

    pane = replace(_mesh(placed_scene(scene), title), focus=_corners(in_frame(scene)))
    facts = (f"scene: {len(scene.objects)} objects", *pane.facts[1:])
    if scene.camera is None or scene.frustum is None:
        return replace(pane, facts=facts)
    f = scene.frustum
    frame = Frame(np.linalg.inv(scene.camera.world_to_cam), (Axis("depth", 0, f.depth, f.z_near, f.slice_thickness, " m"),), f)
    return replace(pane, facts=facts, frame=frame, camera=scene.camera, lines=_outline(scene.camera, f.z_near, f.z_far))


def _mesh(mesh: Mesh, title: str) -> Pane:
    check_extent(mesh.vertices, "Vertices")
    if not len(mesh.faces):
        raise DataError("The mesh has no faces: there is nothing to show.")
    many = len(mesh.faces)
    of_faces, groups = np.zeros(many, np.int64), [Group("surface", _PLAIN, many)]
    colours: dict[str, Json] = {}
    if mesh.face_labels is not None and mesh.classes is not None:
        of_faces, groups = _grouped(mesh.face_labels, mesh.classes.names)
    else:
        if mesh.face_parts is not None and 1 < len(set(mesh.face_parts.tolist())) <= _MOST_PARTS:
            of_faces, groups = _grouped(mesh.face_parts, [_short(name) for name in mesh.part_names])
        if mesh.face_colors is not None:
            colours = {"colours": packed(mesh.face_colors[:, :3], "<u1"), "colours_of": "faces"}
            groups = _mean_colours(groups, of_faces, mesh.face_colors[:, :3])
        elif mesh.vertex_colors is not None:
            colours = {"colours": packed(mesh.vertex_colors[:, :3], "<u1"), "colours_of": "vertices"}
            groups = _mean_colours(groups, of_faces, mesh.vertex_colors[mesh.faces][..., :3].mean(1))
    geometry: dict[str, Json] = {
        "kind": "triangles", "places": Places.of(mesh.vertices).json(), "faces": packed(mesh.faces, "<u4"), "of": packed(of_faces, "<u2"),
    }  # fmt: skip
    box = _box(mesh.vertices[np.unique(mesh.faces)])
    return Pane(title, (f"mesh: {many:,} faces", _extent(box)), tuple(groups), "faces", geometry | colours, box, _box_frame(box))


def _points(cloud: PointCloud, title: str) -> Pane:
    check_extent(cloud.points, "Points")
    points = np.asarray(cloud.points, np.float64)
    if not len(points):
        raise DataError("The point cloud is empty: there is nothing to show.")
    box = _box(points)
    of_points, groups, colours = np.zeros(len(points), np.int64), [Group("points", _PLAIN, len(points))], None
    if cloud.labels is not None and cloud.classes is not None:
        of_points, groups = _grouped(cloud.labels, cloud.classes.names)
    elif cloud.colors is not None:
        own = np.asarray(cloud.colors)[:, :3]
        colours = own if own.dtype == np.uint8 else np.rint(np.clip(own.astype(np.float64), 0, 1) * 255)
    else:
        colours = _ramp(points[:, 1])
    across = float(np.linalg.norm(box[1] - box[0]))
    size = 2 * float(np.median(cloud.radius)) if cloud.radius is not None else across / max(40.0, np.sqrt(len(points)))
    geometry: dict[str, Json] = {"kind": "points", "places": Places.of(points).json(), "of": packed(of_points, "<u2"), "size": size}
    geometry |= {} if colours is None else {"colours": packed(colours, "<u1")}
    return Pane(title, (f"points: {len(points):,}", _extent(box)), tuple(groups), "points", geometry, box, _box_frame(box))


def _map(thing: DepthMap | Surfels, title: str) -> Pane:
    """A map of depths as a surface that is torn where depth jumps."""
    depth, camera = np.asarray(thing.depth, np.float64), thing.camera
    height, width = depth.shape
    facts = [f"{'surfels' if isinstance(thing, Surfels) else 'depth'}: {width} x {height}"]
    if camera is None:
        focal = width / 2 / np.tan(np.radians(_ASSUMED_FOV / 2))
        camera = Camera(np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]]), width, height, np.diag([1.0, -1, -1, 1]))
        facts.append(f"no camera stated: {_ASSUMED_FOV:g} degrees assumed")
    step = int(np.ceil(np.sqrt(max(1.0, 2 * height * width / MOST_TRIANGLES))))
    rows, columns = np.arange(0, height, step), np.arange(0, width, step)
    z = depth[np.ix_(rows, columns)]
    u, v = np.meshgrid(columns + 0.5, rows + 0.5)
    rays = np.stack([(u - camera.K[0, 2]) / camera.K[0, 0], (v - camera.K[1, 2]) / camera.K[1, 1], np.ones_like(u)], -1)
    if isinstance(thing, DepthMap) and thing.kind == "ray":
        z = z / np.linalg.norm(rays, axis=-1)
    seen = np.isfinite(z) & (z > 0)
    if not seen.any():
        raise DataError("No pixel has a depth: there is nothing to show.")
    z = np.where(seen, z, 1)
    points = (rays * z[..., None]).reshape(-1, 3)
    faces = _torn_faces(z, seen)
    if isinstance(thing, Surfels):
        colours = np.rint(np.clip(np.nan_to_num(np.asarray(thing.albedo)[np.ix_(rows, columns)]), 0, 1) * 255).reshape(-1, 3)
    else:
        colours = _ramp(-z.reshape(-1), seen.reshape(-1))
    world = np.linalg.inv(camera.world_to_cam)
    near, far = float(z[seen].min()), float(z[seen].max())
    frame = np.eye(4)  # slices are of the camera's z alone
    frame[0, 0], frame[0, 3] = (far - near) / _STEPS or 1.0, near
    turned = world @ np.eye(4)[[2, 1, 0, 3]] @ frame
    placed = points @ world[:3, :3].T + world[:3, 3]
    shown = placed[seen.reshape(-1)]
    geometry: dict[str, Json] = {
        "kind": "triangles", "places": Places.of(np.where(seen.reshape(-1, 1), placed, shown[0])).json(), "faces": packed(faces, "<u4"),
        "of": packed(np.zeros(len(faces)), "<u2"), "colours": packed(colours, "<u1"), "colours_of": "vertices",
    }  # fmt: skip
    axis = Axis("depth", 0, _STEPS, near, (far - near) / _STEPS, _unit(thing.meta))
    facts.append(f"{near:.3g} to {far:.3g}{_unit(thing.meta)}")
    return Pane(title, tuple(facts), (Group("surface", _PLAIN, int(seen.sum())),), "pixels", geometry, _box(shown), Frame(turned, (axis,)),
                camera, _outline(camera, near, far))  # fmt: skip


def _torn_faces(z: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Triangles [F, 3] between neighbouring pixels [H, W] that are seen and whose depths differ little; they face the camera."""
    index = np.arange(z.size).reshape(z.shape)
    corners = [(slice(None, -1), slice(None, -1)), (slice(1, None), slice(None, -1)), (slice(1, None), slice(1, None)),
               (slice(None, -1), slice(1, None))]  # fmt: skip
    a, b, c, d = ((index[place].ravel(), z[place].ravel(), seen[place].ravel()) for place in corners)
    found = []
    for three in ((a, b, c), (a, c, d)):
        depths = np.stack([each[1] for each in three])
        whole = np.logical_and.reduce([each[2] for each in three]) & (np.ptp(depths, axis=0) <= _JUMP * depths.min(0))
        found.append(np.stack([each[0] for each in three], 1)[whole])
    return np.concatenate(found)


def _cameras(cameras: Sequence[tuple[str, Camera]], title: str) -> Pane:
    if not cameras:
        raise DataError("There is no camera: there is nothing to show.")
    centres = np.array([np.linalg.inv(camera.world_to_cam)[:3, 3] for _, camera in cameras])
    size = 0.1 * float(np.linalg.norm(np.ptp(centres, axis=0))) or 1.0
    lines = np.concatenate([_outline(camera, size / 2, size) for _, camera in cameras])
    box = _box(lines.reshape(-1, 3))
    return Pane(title, (f"cameras: {len(cameras)}",), (), "cameras", {"kind": "none"}, box, _box_frame(box), None, lines)


def _grouped(labels: np.ndarray, names: Sequence[str]) -> tuple[np.ndarray, list[Group]]:
    """(index of the group of each element [N], groups): the labels that occur. Those without a name are one group."""
    found = np.unique(labels)
    known = [int(i) for i in found if i < len(names)]
    counts = np.bincount(labels.astype(np.int64), minlength=int(found.max(initial=0)) + 1)
    groups = [Group(names[i], class_colour(names[i]), int(counts[i])) for i in known]
    table = np.full(len(counts), len(known))
    table[known] = np.arange(len(known))
    if unnamed := len(labels) - sum(group.count for group in groups):
        groups.append(Group("unlabelled", _PLAIN, unnamed))
    return table[labels], groups


def _mean_colours(groups: Sequence[Group], of: np.ndarray, colours: np.ndarray) -> list[Group]:
    """The groups in the mean colours of their faces. of [N], colours [N, 3]."""
    means = [np.rint(colours[of == k].mean(0)).astype(int).tolist() for k in range(len(groups))]
    return [replace(group, colour=(red, green, blue)) for group, (red, green, blue) in zip(groups, means, strict=True)]


def _short(name: str) -> str:
    """The name of a part without the node around it."""
    return name.split("/")[-1]


def _outline(camera: Camera, near: float, far: float) -> np.ndarray:
    """The edges [16, 2, 3] of a camera's view up to a depth, and of its near end."""
    u, v = np.array([0.0, camera.width, camera.width, 0]), np.array([0.0, 0, camera.height, camera.height])
    rays = np.stack([(u - camera.K[0, 2]) / camera.K[0, 0], (v - camera.K[1, 2]) / camera.K[1, 1], np.ones(4)], 1)
    world = np.linalg.inv(camera.world_to_cam)
    ends = [(rays * z) @ world[:3, :3].T + world[:3, 3] for z in (0.0, near, far)]
    edges = [np.stack([ends[0], ends[1]], 1), np.stack([ends[1], ends[2]], 1)]
    edges += [np.stack([end, np.roll(end, -1, 0)], 1) for end in ends[1:]]
    return np.concatenate(edges)


def _box_frame(box: np.ndarray) -> Frame:
    size = np.where(box[1] > box[0], box[1] - box[0], 1.0) / _STEPS
    to_world = np.eye(4)
    to_world[:3, :3], to_world[:3, 3] = np.diag(size), box[0]
    axes = tuple(Axis(name, k, _STEPS, float(box[0, k]), float(size[k])) for k, name in enumerate("xyz"))
    return Frame(to_world, axes)


def _box(points: np.ndarray) -> np.ndarray:
    return np.stack([points.min(0), points.max(0)])


def _corners(points: np.ndarray) -> np.ndarray:
    """The corners [8, 3] of the box of points [N, 3]."""
    return np.stack(np.meshgrid(*_box(points).T, indexing="ij"), -1).reshape(-1, 3)


def _ramp(values: np.ndarray, of: np.ndarray | None = None) -> np.ndarray:
    """Colours [N, 3] from dark to bright of numbers [N]; of: which of them span the range."""
    low, high = np.percentile(values if of is None else values[of], [2, 98])
    place = np.clip((values - low) / max(float(high - low), 1e-9), 0, 1) * (len(_RAMP) - 1)
    return np.rint(np.stack([np.interp(place, np.arange(len(_RAMP)), _RAMP[:, k]) for k in range(3)], 1))


def _extent(box: np.ndarray) -> str:
    return " x ".join(f"{side:.3g}" for side in box[1] - box[0]) + " across"


def _unit(meta: Mapping[str, Json]) -> str:
    unit = meta.get("units")
    return f" {unit}" if isinstance(unit, str) and len(unit) < 20 else ""
