"""What `voxcli info` says about each scene type: plain values that JSON can hold. Boxes are [[x, y, z] minimum, maximum], world frame."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from voxcli import scene
    from voxcli.scene.labels import Labels


def facts(thing: Any) -> dict[str, Any]:
    """The facts of any scene type, or of a list of (name, Camera)."""
    from voxcli import scene

    tellers: dict[type, Callable[[Any], dict[str, Any]]] = {
        scene.FruxelGrid: _fruxels, scene.VoxelGrid: _voxels, scene.Mesh: _mesh, scene.PointCloud: _points, scene.DepthMap: _depth,
        scene.Surfels: _surfels, scene.Picture: _picture, scene.SceneDescription: _scene, scene.Camera: _one_camera, list: _cameras,
    }  # fmt: skip
    told = tellers[type(thing)](thing)
    meta = getattr(thing, "meta", None)
    return {**told, "meta": meta} if meta else told


def _fruxels(grid: scene.FruxelGrid) -> dict[str, Any]:
    return {
        "kind": "fruxels",
        "shape": list(grid.labels.shape),
        "frustum": _frustum(grid.frustum),
        "camera": _camera(grid.camera),
        "labels": _counts(grid.labels, grid.classes),
        "empty_label": grid.classes.empty,
        "ignore_label": grid.classes.ignore,
        "probabilities": grid.probabilities is not None,
    }


def _voxels(grid: scene.VoxelGrid) -> dict[str, Any]:
    import numpy as np

    shape = np.array(grid.values.shape)
    told: dict[str, Any] = {
        "kind": "voxels",
        "shape": shape.tolist(),
        "dtype": str(grid.values.dtype),
        "origin": grid.origin.tolist(),
        "voxel_size": grid.voxel_size.tolist(),
        "box": [grid.origin.tolist(), (grid.origin + shape * grid.voxel_size).tolist()],
    }
    if grid.labels is not None:
        assert grid.classes is not None
        occupied = ~np.isin(grid.labels, [each for each in (grid.classes.empty, grid.classes.ignore) if each is not None])
        told["labels"] = _counts(grid.labels, grid.classes)
    else:
        assert grid.occupancy is not None
        occupied = grid.occupancy if grid.occupancy.dtype == bool else grid.occupancy >= 0.5
        if grid.occupancy.dtype != bool:
            told["threshold"] = 0.5
    filled = np.argwhere(occupied)
    told["occupied"] = len(filled)
    if len(filled):
        low, high = filled.min(0), filled.max(0) + 1
        told["occupied_box"] = [(grid.origin + low * grid.voxel_size).tolist(), (grid.origin + high * grid.voxel_size).tolist()]
    return told


def _mesh(mesh: scene.Mesh) -> dict[str, Any]:
    import numpy as np

    from voxcli.geometry.closedness import closed_faces, merge_vertices

    a, b, c = (mesh.vertices[mesh.faces[:, i]] for i in range(3))
    told: dict[str, Any] = {
        "kind": "mesh",
        "vertices": len(mesh.vertices),
        "faces": len(mesh.faces),
        "box": _box(mesh.vertices),
        "area": float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2),
        "watertight": len(mesh.faces) > 0 and bool(closed_faces(merge_vertices(mesh.vertices, mesh.faces)).all()),
        "colors": [name for name in ("face_colors", "vertex_colors") if getattr(mesh, name) is not None],
    }
    if told["watertight"]:
        told["volume"] = float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6)
    if mesh.face_parts is not None:
        counts = np.bincount(mesh.face_parts, minlength=len(mesh.part_names))
        told["parts"] = {name: int(count) for name, count in zip(mesh.part_names, counts, strict=False)}
    if mesh.face_labels is not None and mesh.classes is not None:
        told["labels"] = _counts(mesh.face_labels, mesh.classes)
    return told


def _points(cloud: scene.PointCloud) -> dict[str, Any]:
    told: dict[str, Any] = {
        "kind": "points",
        "points": len(cloud.points),
        "box": _box(cloud.points),
        "with": [name for name in ("normals", "colors", "labels", "radius") if getattr(cloud, name) is not None],
    }
    if cloud.labels is not None and cloud.classes is not None:
        told["labels"] = _counts(cloud.labels, cloud.classes)
    return told


def _depth(image: scene.DepthMap) -> dict[str, Any]:
    camera = {"camera": _camera(image.camera)} if image.camera is not None else {}
    return {"kind": "depth", "depth_kind": image.kind, **_depth_facts(image.depth), **camera}


def _surfels(surfels: scene.Surfels) -> dict[str, Any]:
    return {"kind": "surfels", **_depth_facts(surfels.depth), "camera": _camera(surfels.camera)}


def _picture(picture: scene.Picture) -> dict[str, Any]:
    height, width = picture.rgb.shape[:2]
    return {"kind": "image", "width": width, "height": height, "dtype": str(picture.rgb.dtype), "alpha": picture.alpha is not None}


def _scene(description: scene.SceneDescription) -> dict[str, Any]:
    told: dict[str, Any] = {
        "kind": "scene",
        "classes": list(description.classes.names),
        "objects": [
            {"name": o.name, "class": o.class_name, "position": o.position.tolist(), "faces": len(o.mesh.faces)}
            for o in description.objects
        ],
    }
    if description.frustum is not None:
        told["frustum"] = _frustum(description.frustum)
    if description.camera is not None:
        told["camera"] = _camera(description.camera)
    return told


def _one_camera(camera: scene.Camera) -> dict[str, Any]:
    return {"kind": "camera", **_camera(camera)}


def _cameras(named: list[tuple[str, scene.Camera]]) -> dict[str, Any]:
    return {"kind": "cameras", "cameras": {name: _camera(camera) for name, camera in named}}


def _camera(camera: scene.Camera) -> dict[str, Any]:
    return {"width": camera.width, "height": camera.height, "K": camera.K.tolist(), "world_to_cam": camera.world_to_cam.tolist()}


def _frustum(frustum: scene.Frustum) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(frustum)


def _counts(labels: np.ndarray, classes: Labels) -> dict[str, int]:
    """How often each class occurs, classes that do not occur left out; ids without a name as `label N`."""
    import numpy as np

    counts = np.bincount(np.asarray(labels).reshape(-1))
    names = {**dict(enumerate(classes.names)), **({classes.ignore: "ignore"} if classes.ignore is not None else {})}
    return {names.get(i, f"label {i}"): int(n) for i, n in enumerate(counts) if n}


def _box(points: np.ndarray) -> list[list[float]] | None:
    return [points.min(0).tolist(), points.max(0).tolist()] if len(points) else None


def _depth_facts(depth: np.ndarray) -> dict[str, Any]:
    import numpy as np

    seen = depth[np.isfinite(depth)]
    return {
        "width": depth.shape[1],
        "height": depth.shape[0],
        "range": [float(seen.min()), float(seen.max())] if len(seen) else None,
        "without_surface": int(depth.size - seen.size),
    }
