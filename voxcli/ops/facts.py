"""The facts of scene types that `voxcli info` lists, as JSON values. A box is [[x, y, z] minimum, [x, y, z] maximum] in the world frame."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from voxcli import scene
    from voxcli.provenance import Json
    from voxcli.scene.labels import Labels

    Facts = dict[str, Json]

_COUNTED = 1 << 18
"""Labels that are counted at a time."""

_MANY_FACES = 1 << 19
"""Beyond, a mesh is looked at in pieces, and winding is mended only where sums over its edges cannot tell whether it is closed."""


def facts(thing: scene.SceneType) -> Facts:
    """The kind of a scene type, its shape or size, its classes, box and cameras, and its meta. World frame and units."""
    found = _facts_of(thing)
    meta = getattr(thing, "meta", None)
    return found | {"meta": meta} if meta else found


def _facts_of(thing: scene.SceneType) -> Facts:
    from voxcli import scene

    if isinstance(thing, scene.FruxelGrid):
        return _fruxels(thing)
    if isinstance(thing, scene.VoxelGrid):
        return _voxels(thing)
    if isinstance(thing, scene.Mesh):
        return _mesh(thing)
    if isinstance(thing, scene.PointCloud):
        return _points(thing)
    if isinstance(thing, scene.DepthMap):
        camera = {"camera": _camera(thing.camera)} if thing.camera is not None else {}
        return {"kind": "depth", "depth_kind": thing.kind, **_depth(thing.depth), **camera}
    if isinstance(thing, scene.Surfels):
        return {"kind": "surfels", **_depth(thing.depth), "camera": _camera(thing.camera)}
    if isinstance(thing, scene.Picture):
        height, width = thing.rgb.shape[:2]
        return {"kind": "image", "width": width, "height": height, "dtype": str(thing.rgb.dtype), "alpha": thing.alpha is not None}
    if isinstance(thing, scene.SceneDescription):
        return _scene(thing)
    if isinstance(thing, scene.Camera):
        return {"kind": "camera", **_camera(thing)}
    assert isinstance(thing, list)
    return {"kind": "cameras", "cameras": {name: _camera(camera) for name, camera in thing}}


def _fruxels(grid: scene.FruxelGrid) -> Facts:
    return {
        "kind": "fruxels", "shape": list(grid.labels.shape), "frustum": asdict(grid.frustum), "camera": _camera(grid.camera),
        "labels": _counts(grid.labels, grid.classes), "empty_label": grid.classes.empty, "ignore_label": grid.classes.ignore,
        "probabilities": grid.probabilities is not None,
    }  # fmt: skip


def _voxels(grid: scene.VoxelGrid) -> Facts:
    import numpy as np

    shape = np.array(grid.values.shape)
    found: Facts = {
        "kind": "voxels", "shape": shape.tolist(), "dtype": str(grid.values.dtype), "origin": grid.origin.tolist(),
        "voxel_size": grid.voxel_size.tolist(), "box": [grid.origin.tolist(), (grid.origin + shape * grid.voxel_size).tolist()],
    }  # fmt: skip
    empty: tuple[int | None, ...] = ()
    if grid.labels is not None:
        assert grid.classes is not None
        found["labels"] = _counts(grid.labels, grid.classes)
        empty = grid.classes.empty, grid.classes.ignore
    elif grid.values.dtype != bool:
        found["threshold"] = 0.5
    count, box = _occupied(grid.values, empty)
    found["occupied"] = count
    if box is not None:
        found["occupied_box"] = [(grid.origin + corner * grid.voxel_size).tolist() for corner in box]
    return found


def _occupied(values: np.ndarray, empty: tuple[int | None, ...]) -> tuple[int, np.ndarray | None]:
    """How many cells are occupied, and the box of their indices, [2, 3], the ends behind the last ones; None where there are none.

    Slice by slice: the whole is looked at in little memory. values: bool, probabilities, or labels, of which `empty` are not occupied.
    """
    import numpy as np

    count, seen = 0, [np.zeros(size, bool) for size in values.shape]
    for x, part in enumerate(values):
        if values.dtype.kind in "iu":
            occupied = np.logical_and.reduce([part != each for each in empty if each is not None] or [np.ones(part.shape, bool)])
        else:
            occupied = part if values.dtype == bool else part >= 0.5
        here = int(np.count_nonzero(occupied))
        if here:
            count, seen[0][x] = count + here, True
            seen[1] |= occupied.any(axis=1)
            seen[2] |= occupied.any(axis=0)
    if not count:
        return 0, None
    return count, np.array([[np.flatnonzero(each)[0] for each in seen], [np.flatnonzero(each)[-1] + 1 for each in seen]])


def _mesh(mesh: scene.Mesh) -> Facts:
    import numpy as np

    faces, watertight = _wound(mesh)
    area, volume = _area_and_volume(mesh.vertices, faces)
    found: Facts = {
        "kind": "mesh", "vertices": len(mesh.vertices), "faces": len(mesh.faces), "box": _box(mesh.vertices), "area": area,
        "watertight": watertight,
        "colors": [name for name in ("face_colors", "vertex_colors") if getattr(mesh, name) is not None],
    }  # fmt: skip
    if watertight:
        found["volume"] = volume
    if mesh.face_parts is not None:
        counts = np.bincount(mesh.face_parts, minlength=len(mesh.part_names))
        found["parts"] = {name: int(count) for name, count in zip(mesh.part_names, counts, strict=False)}
    if mesh.face_labels is not None and mesh.classes is not None:
        found["labels"] = _counts(mesh.face_labels, mesh.classes)
    return found


def _wound(mesh: scene.Mesh) -> tuple[np.ndarray, bool]:
    """Faces wound alike, and whether they are a closed surface. Those of a large mesh stay as they are, if it is closed so, or open."""
    from voxcli.geometry.closedness import closed_faces, merge_vertices
    from voxcli.geometry.edge_sums import closed_by_sums
    from voxcli.geometry.winding import wound_faces

    if len(mesh.faces) > _MANY_FACES and (closed := closed_by_sums(mesh.vertices, mesh.faces)) is not None:
        return mesh.faces, closed
    faces = wound_faces(mesh.vertices, mesh.faces).faces
    return faces, len(faces) > 0 and bool(closed_faces(merge_vertices(mesh.vertices, faces)).all())


def _area_and_volume(vertices: np.ndarray, faces: np.ndarray) -> tuple[float | None, float | None]:
    """The area of the faces and the volume that they enclose, from some of the faces at a time; None where that is no number any more."""
    import numpy as np

    area = volume = 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        for start in range(0, len(faces), _MANY_FACES):
            a, b, c = (vertices[faces[start : start + _MANY_FACES, k]] for k in range(3))
            area += float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)
            volume += float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6)
    return area if math.isfinite(area) else None, abs(volume) if math.isfinite(volume) else None


def _points(cloud: scene.PointCloud) -> Facts:
    present = [name for name in ("normals", "colors", "labels", "radius") if getattr(cloud, name) is not None]
    found: Facts = {"kind": "points", "points": len(cloud.points), "box": _box(cloud.points), "with": present}
    if cloud.labels is not None and cloud.classes is not None:
        found["labels"] = _counts(cloud.labels, cloud.classes)
    return found


def _scene(description: scene.SceneDescription) -> Facts:
    objects: list[Facts] = [
        {"name": o.name, "class": o.class_name, "position": o.position.tolist(), "faces": len(o.mesh.faces)} for o in description.objects
    ]
    found: Facts = {"kind": "scene", "classes": list(description.classes.names), "objects": objects}
    if description.frustum is not None:
        found["frustum"] = asdict(description.frustum)
    if description.camera is not None:
        found["camera"] = _camera(description.camera)
    return found


def _camera(camera: scene.Camera) -> Facts:
    return {"width": camera.width, "height": camera.height, "K": camera.K.tolist(), "world_to_cam": camera.world_to_cam.tolist()}


def _counts(labels: np.ndarray, classes: Labels) -> Facts:
    """How often each class occurs. Classes that do not occur are left out. Ids without a name are called `label N`."""
    import numpy as np

    flat = np.asarray(labels).reshape(-1)
    counts = np.zeros(int(flat.max(initial=0)) + 1, np.int64)
    for start in range(0, flat.size, _COUNTED):  # counting makes eight bytes of each label
        piece = flat[start : start + _COUNTED]
        if piece.min() == piece.max():  # most of a scene is air
            counts[piece[0]] += len(piece)
        elif piece.dtype == np.uint8 and len(piece) % 2 == 0:  # two labels at once
            pairs = np.bincount(piece.view(np.uint16), minlength=1 << 16).reshape(256, 256)
            counts += (pairs.sum(0) + pairs.sum(1))[: len(counts)]
        else:
            counts += np.bincount(piece, minlength=len(counts))
    names = {**dict(enumerate(classes.names)), **({classes.ignore: "ignore"} if classes.ignore is not None else {})}
    return {names.get(i, f"label {i}"): int(n) for i, n in enumerate(counts) if n}


def _box(points: np.ndarray) -> list[list[float]] | None:
    return [points.min(0).tolist(), points.max(0).tolist()] if len(points) else None


def _depth(depth: np.ndarray) -> Facts:
    import numpy as np

    seen = depth[np.isfinite(depth)]
    bounds = [float(seen.min()), float(seen.max())] if len(seen) else None
    return {"width": depth.shape[1], "height": depth.shape[0], "range": bounds, "without_surface": int(depth.size - seen.size)}
