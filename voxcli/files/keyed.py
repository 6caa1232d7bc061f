"""Scene types as named arrays: the keys that NPZ and HDF5 files share.

| kind | keys |
|---|---|
| fruxels | labels [D, H, W], z_near, z_far, fov_x_deg, world_to_cam [4, 4], optional probabilities [n, D, H, W] |
| voxels | occupancy or labels [X, Y, Z], origin [3], voxel_size [3], optional probabilities [X, Y, Z], context [C, X, Y, Z] |
| points | points [N, 3], optional normals, colors, labels, radius |
| surfels | depth [H, W], normals [H, W, 3], albedo [H, W, 3], K [3, 3], world_to_cam |
| depth | depth [H, W], depth_kind, optional K and world_to_cam |
| Occ3D | semantics [200, 200, 16] or [X, Y, Z], optional mask_camera, mask_lidar (read) |

Kinds with labels add label_names, empty_label and ignore_label (-1 = none). `meta` is a JSON string. Foreign layouts are read too:
a grid of labels without names gets class_0, class_1, ... and no empty class; occupancy without a place gets the unit grid at 0;
`occupancies` next to `points` are the bit-packed ones of occupancy networks.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterable, Mapping

import numpy as np

from voxcli.errors import FileFormatError
from voxcli.files.guard import parse_json, parsing
from voxcli.provenance import Json, Meta
from voxcli.scene import Camera, DepthMap, Frustum, FruxelGrid, Labels, PointCloud, Surfels, VoxelGrid

Arrays = dict[str, np.ndarray]
Keyed = FruxelGrid | VoxelGrid | PointCloud | Surfels | DepthMap
GRID_KEYS = ("occupancy", "labels")
OCC3D_CLASSES = Labels(
    (
        "others", "barrier", "bicycle", "bus", "car", "construction_vehicle", "motorcycle", "pedestrian", "traffic_cone", "trailer",
        "truck", "driveable_surface", "other_flat", "sidewalk", "terrain", "manmade", "vegetation", "free",
    ),
    empty=17, ignore=255,
)  # fmt: skip
OCC3D_SHAPE, OCC3D_ORIGIN, OCC3D_VOXEL = (200, 200, 16), np.array([-40.0, -40.0, -1.0]), np.full(3, 0.4)
"""Of Occ3D-nuScenes: metres in the frame of the vehicle."""

KNOWN_KEYS = frozenset({
    "labels", "z_near", "z_far", "fov_x_deg", "world_to_cam", "probabilities", "occupancy", "origin", "voxel_size", "context", "points",
    "normals", "colors", "radius", "occupancies", "loc", "scale", "depth", "depth_kind", "albedo", "K", "label_names", "empty_label",
    "ignore_label", "meta", "semantics", "mask_camera", "mask_lidar",
})  # fmt: skip
"""All keys that mean something here: none of them is a misspelling of another."""


# --- scene types to arrays -------------------------------------------------------------------------------------------------------


def fruxel_arrays(grid: FruxelGrid) -> Arrays:
    """Keys of a fruxel grid."""
    frustum = grid.frustum
    arrays = {
        "labels": grid.labels,
        "z_near": np.float64(frustum.z_near),
        "z_far": np.float64(frustum.z_far),
        "fov_x_deg": np.float64(frustum.fov_x_deg),
        "world_to_cam": np.asarray(grid.world_to_cam, np.float64),
        **_label_arrays(grid.classes),
    }
    if grid.probabilities is not None:
        arrays["probabilities"] = np.asarray(grid.probabilities, np.float16)
    return arrays | _meta_array(grid.meta)


def voxel_arrays(grid: VoxelGrid) -> Arrays:
    """Keys of a voxel grid."""
    values = {"occupancy" if grid.occupancy is not None else "labels": grid.values}
    place = {"origin": np.asarray(grid.origin, np.float64), "voxel_size": np.asarray(grid.voxel_size, np.float64)}
    names = _label_arrays(grid.classes) if grid.classes is not None else {}
    optional = {key: getattr(grid, key) for key in ("probabilities", "context")}
    return values | place | names | {k: v for k, v in optional.items() if v is not None} | _meta_array(grid.meta)


def point_arrays(cloud: PointCloud) -> Arrays:
    """Keys of a point cloud."""
    optional = {key: getattr(cloud, key) for key in ("normals", "colors", "labels", "radius")}
    names = _label_arrays(cloud.classes) if cloud.classes is not None else {}
    return {"points": cloud.points} | {k: v for k, v in optional.items() if v is not None} | names | _meta_array(cloud.meta)


def surfel_arrays(surfels: Surfels) -> Arrays:
    """Keys of a surfel map."""
    return {
        "depth": surfels.depth,
        "normals": surfels.normals,
        "albedo": surfels.albedo,
        **_camera_arrays(surfels.camera),
        **_meta_array(surfels.meta),
    }


def depth_arrays(depth: DepthMap) -> Arrays:
    """Keys of a depth map."""
    camera = _camera_arrays(depth.camera) if depth.camera is not None else {}
    return {"depth": depth.depth, "depth_kind": np.array(depth.kind)} | camera | _meta_array(depth.meta)


def meta_text(meta: Mapping[str, Json]) -> str:
    """The JSON string that files carry: sorted and compact, so that equal dictionaries give equal bytes."""
    return json.dumps(meta, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def _meta_array(meta: Mapping[str, Json]) -> Arrays:
    return {"meta": np.array(meta_text(meta))}


def _camera_arrays(camera: Camera) -> Arrays:
    return {"K": np.asarray(camera.K, np.float64), "world_to_cam": np.asarray(camera.world_to_cam, np.float64)}


def _label_arrays(classes: Labels) -> Arrays:
    return {
        "label_names": np.array(classes.names, dtype=np.str_),
        "empty_label": np.int64(-1 if classes.empty is None else classes.empty),
        "ignore_label": np.int64(-1 if classes.ignore is None else classes.ignore),
    }


# --- arrays to scene types -------------------------------------------------------------------------------------------------------


def from_arrays(arrays: Mapping[str, np.ndarray], ndim: Mapping[str, int], name: str) -> Keyed:
    """The scene type that the keys tell. ndim: number of dimensions by key, so that nothing is unpacked in vain.

    Raises FileFormatError that names the keys found, and the nearest known one.
    """
    kind = kind_of(ndim, name)
    if kind == "voxels":
        return (_occ3d if main_key(kind, arrays) == "semantics" and ndim["semantics"] == 3 else _voxels)(arrays, name)
    makers: dict[str, Callable[[Mapping[str, np.ndarray], str], Keyed]] = {
        "fruxels": _fruxels, "points": _points, "surfels": _surfels, "depth": _depth
    }  # fmt: skip
    return makers[kind](arrays, name)


def kind_of(ndim: Mapping[str, int], name: str) -> str:
    """fruxels, points, surfels, voxels or depth, as the keys tell. ndim: number of dimensions by key.

    Raises FileFormatError that names the keys found, and the nearest known one.

    >>> kind_of({"labels": 3, "z_near": 0}, "a.npz"), kind_of({"labels": 3}, "a.npz")
    ('fruxels', 'voxels')
    """
    keys = set(ndim)
    if "z_near" in keys or "fov_x_deg" in keys:
        return "fruxels"
    if "points" in keys:
        return "points"
    if {"depth", "normals"} <= keys:
        return "surfels"
    if any(key in keys and ndim[key] == 3 for key in ("semantics", *GRID_KEYS)):
        return "voxels"
    if "depth" in keys:
        return "depth"
    raise missing_key(name, keys, ["labels", "occupancy", "points", "depth", "z_near"])


def main_key(kind: str, keys: Iterable[str]) -> str:
    """The key of the array that a kind of thing is made of."""
    there = set(keys)
    wanted = {"fruxels": ("labels",), "points": ("points",), "voxels": ("semantics", "occupancy", "labels")}.get(kind, ("depth",))
    return next((key for key in wanted if key in there), wanted[-1])


def missing_key(name: str, found: Iterable[str], wanted: list[str]) -> FileFormatError:
    """The error for keys that are not there: what was found, and what may have been meant."""
    keys = sorted(map(str, found))
    strange = [key for key in keys if key not in KNOWN_KEYS]
    near = [(w, m[0]) for w in wanted if (m := difflib.get_close_matches(w, strange, n=1, cutoff=0.6))]
    hint = f"Is '{near[0][1]}' meant to be '{near[0][0]}'?" if near else None
    lack = f"lacks '{wanted[0]}'" if len(wanted) == 1 else "holds none of the keys that tell what it is"
    return FileFormatError(
        f"{name} {lack}.", expected=" or ".join(f"'{w}'" for w in wanted), actual=f"keys {', '.join(keys) or '(none)'}", hint=hint
    )


def _get(arrays: Mapping[str, np.ndarray], key: str, name: str) -> np.ndarray:
    if key not in arrays:
        raise missing_key(name, arrays, [key])
    return arrays[key]


def _numbers(arrays: Mapping[str, np.ndarray], key: str, name: str) -> np.ndarray:
    """An array of numbers or truth values as it is; dates, texts, complex numbers and records are none."""
    value = _get(arrays, key, name)
    if value.dtype.kind not in "fiub":
        raise FileFormatError(f"{name}: '{key}' must hold numbers.", actual=value.dtype)
    return value


def _number(arrays: Mapping[str, np.ndarray], key: str, name: str) -> float:
    value = _get(arrays, key, name)
    if value.size != 1 or value.dtype.kind not in "fiub":
        raise FileFormatError(f"{name}: '{key}' must be one number.", actual=f"{list(value.shape)} {value.dtype}")
    return float(value.reshape(()))


def _whole(arrays: Mapping[str, np.ndarray], key: str, name: str) -> int:
    value = _number(arrays, key, name)
    if not value.is_integer():
        raise FileFormatError(f"{name}: '{key}' must be a whole number.", actual=value)
    return int(value)


def _floats(arrays: Mapping[str, np.ndarray], key: str, name: str, default: np.ndarray | None = None) -> np.ndarray:
    if key not in arrays and default is not None:
        return default
    value = _get(arrays, key, name)
    if value.dtype.kind not in "fiub":
        raise FileFormatError(f"{name}: '{key}' must hold numbers.", actual=value.dtype)
    return value.astype(np.float64)


def _some_floats(arrays: Mapping[str, np.ndarray], key: str, name: str) -> np.ndarray:
    """Floats in the precision that they were written in."""
    value = _get(arrays, key, name)
    if value.dtype.kind != "f":
        raise FileFormatError(f"{name}: '{key}' must hold floats.", actual=value.dtype)
    return value


def _fruxels(arrays: Mapping[str, np.ndarray], name: str) -> FruxelGrid:
    labels = _small_unsigned(_get(arrays, "labels", name), name)
    if labels.ndim != 3:
        raise FileFormatError(f"{name}: 'labels' has the wrong shape.", expected="[D, H, W]", actual=list(labels.shape))
    depth, height, width = labels.shape
    frustum = Frustum(width, height, depth, *(_number(arrays, key, name) for key in ("z_near", "z_far", "fov_x_deg")))
    probabilities = arrays.get("probabilities")
    return FruxelGrid(
        labels, frustum, _floats(arrays, "world_to_cam", name, np.eye(4)), _labels(arrays, labels, name), probabilities, _meta(arrays, name)
    )


def _voxels(arrays: Mapping[str, np.ndarray], name: str) -> VoxelGrid:
    origin = _floats(arrays, "origin", name, np.zeros(3))
    # One number stands for cubes; foreign files write it so.
    size = _floats(arrays, "voxel_size", name, np.ones(3)).reshape(-1)
    size = np.repeat(size, 3) if len(size) == 1 else size
    meta = _meta(arrays, name)
    if "occupancy" in arrays:
        occupancy = _numbers(arrays, "occupancy", name)
        if occupancy.dtype.kind in "iu":
            occupancy = occupancy != 0
        probabilities, context = (_some_floats(arrays, key, name) if key in arrays else None for key in ("probabilities", "context"))
        return VoxelGrid(occupancy, None, origin, size, None, meta, probabilities, context)
    labels = _small_unsigned(arrays["labels"], name)
    return VoxelGrid(None, labels, origin, size, _labels(arrays, labels, name), meta)


def _occ3d(arrays: Mapping[str, np.ndarray], name: str) -> VoxelGrid:
    """Occ3D-nuScenes: labels of OCC3D_CLASSES in the frame of the vehicle, x forward, y left, z up, with the masks of what is seen."""
    labels = _small_unsigned(arrays["semantics"], name)
    _check_range(labels, len(OCC3D_CLASSES.names), OCC3D_CLASSES.ignore or 0, name)
    masks = {each: _numbers(arrays, f"mask_{each}", name).astype(bool) for each in ("camera", "lidar") if f"mask_{each}" in arrays}
    for each, mask in masks.items():
        if mask.shape != labels.shape:
            raise FileFormatError(f"{name}: 'mask_{each}' has the wrong shape.", expected=list(labels.shape), actual=list(mask.shape))
    place, size = (OCC3D_ORIGIN, OCC3D_VOXEL) if labels.shape == OCC3D_SHAPE else (np.zeros(3), np.ones(3))
    return VoxelGrid(None, labels, place, size, OCC3D_CLASSES, _meta(arrays, name), masks=masks)


def _points(arrays: Mapping[str, np.ndarray], name: str) -> PointCloud:
    points = _as_float32_or_64(arrays["points"], "points", name)
    if points.ndim != 2 or points.shape[1] != 3:
        raise FileFormatError(f"{name}: 'points' has the wrong shape.", expected="[N, 3]", actual=list(points.shape))
    meta = _meta(arrays, name) | {
        key: arrays[key].tolist() for key in ("loc", "scale") if key in arrays and arrays[key].dtype.kind in "fiu"
    }
    if "occupancies" in arrays:
        inside = _unpack_occupancies(_numbers(arrays, "occupancies", name).reshape(-1), len(points), name)
        return PointCloud(points, labels=inside, classes=Labels(("empty", "occupied"), empty=0, ignore=None), meta=meta)
    labels = _small_unsigned(arrays["labels"], name) if "labels" in arrays else None
    return PointCloud(
        points,
        normals=_as_float32_or_64(arrays["normals"], "normals", name) if "normals" in arrays else None,
        colors=_numbers(arrays, "colors", name) if "colors" in arrays else None,
        labels=labels,
        classes=_labels(arrays, labels, name) if labels is not None else None,
        radius=_as_float32_or_64(arrays["radius"], "radius", name) if "radius" in arrays else None,
        meta=meta,
    )


def _unpack_occupancies(packed: np.ndarray, count: int, name: str) -> np.ndarray:
    """Occupancy of count points, uint8 0 or 1; eight a byte, first point in the highest bit, as np.packbits leaves them."""
    if len(packed) == count:
        return (packed > 0.5).astype(np.uint8)
    if packed.dtype != np.uint8 or packed.ndim != 1 or len(packed) != (count + 7) // 8:
        raise FileFormatError(f"{name}: 'occupancies' fits no {count} points.", expected=f"{(count + 7) // 8} packed bytes",
                              actual=f"{list(packed.shape)} {packed.dtype}")  # fmt: skip
    return np.unpackbits(packed)[:count]


def _surfels(arrays: Mapping[str, np.ndarray], name: str) -> Surfels:
    depth = _numbers(arrays, "depth", name)
    albedo = _numbers(arrays, "albedo", name) if "albedo" in arrays else np.full((*depth.shape, 3), 0.7, np.float32)
    if depth.ndim != 2:
        raise FileFormatError(f"{name}: 'depth' has the wrong shape.", expected="[H, W]", actual=list(depth.shape))
    camera = Camera(_floats(arrays, "K", name), depth.shape[1], depth.shape[0], _floats(arrays, "world_to_cam", name, np.eye(4)))
    return Surfels(depth, _numbers(arrays, "normals", name), albedo, camera, _meta(arrays, name))


def _depth(arrays: Mapping[str, np.ndarray], name: str) -> DepthMap:
    depth = _as_float32_or_64(arrays["depth"], "depth", name).astype(np.float32)
    if depth.ndim != 2:
        raise FileFormatError(f"{name}: 'depth' has the wrong shape.", expected="[H, W]", actual=list(depth.shape))
    camera = None
    if "K" in arrays:
        camera = Camera(_floats(arrays, "K", name), depth.shape[1], depth.shape[0], _floats(arrays, "world_to_cam", name, np.eye(4)))
    kind = str(arrays["depth_kind"]) if "depth_kind" in arrays else "z"
    return DepthMap(depth, kind, camera, _meta(arrays, name))


def _as_float32_or_64(array: np.ndarray, key: str, name: str) -> np.ndarray:
    if array.dtype.kind not in "fiu":
        raise FileFormatError(f"{name}: '{key}' must hold numbers.", actual=array.dtype)
    return array if array.dtype in (np.float32, np.float64) else array.astype(np.float32)


def _small_unsigned(labels: np.ndarray, name: str) -> np.ndarray:
    """Labels as uint8 or uint16, whatever integer type they came in."""
    if labels.dtype in (np.uint8, np.uint16):
        return labels
    if labels.dtype.kind not in "iub" or (labels.size and (labels.min() < 0 or labels.max() > 65535)):
        raise FileFormatError(f"{name}: 'labels' must be integers in 0..65535.", actual=labels.dtype)
    return labels.astype(np.uint8 if not labels.size or labels.max() <= 255 else np.uint16)


def _labels(arrays: Mapping[str, np.ndarray], labels: np.ndarray, name: str) -> Labels:
    if "label_names" not in arrays:
        # Slice by slice: a copy of all that is not ignored may be as large as the budget of memory.
        ignored = 255 if labels.dtype == np.uint8 else -1
        count = max((int(part[part != ignored].max(initial=0)) + 1 for part in labels), default=1)
        return Labels(tuple(f"class_{i}" for i in range(count)), empty=None, ignore=255)
    with parsing(f"{name}: 'label_names'", "a list of names", hint=None):
        names = tuple(n.decode() if isinstance(n, bytes) else str(n) for n in arrays["label_names"].reshape(-1).tolist())
    empty = _whole(arrays, "empty_label", name) if "empty_label" in arrays else -1
    ignore = _whole(arrays, "ignore_label", name) if "ignore_label" in arrays else 255
    _check_range(labels, len(names), ignore, name)
    return Labels(names, None if empty < 0 else empty, None if ignore < 0 else ignore)


def _check_range(labels: np.ndarray, count: int, ignore: int, name: str) -> None:
    """Raise FileFormatError for a label without a name that is not the ignored one either: nobody behind this door could use it."""
    if not labels.size or int(labels.max()) < count:
        return
    nameless = labels[(labels >= count) & (labels != ignore)]
    if nameless.size:
        ignored = "" if ignore < 0 else f", or {ignore}, which is ignored"
        raise FileFormatError(
            f"{name}: a label is out of range.", expected=f"0..{count - 1}, as 'label_names' has {count} names{ignored}",
            actual=int(nameless.max()), hint="Name it in 'label_names', or state it as 'ignore_label'.",
        )  # fmt: skip


def _meta(arrays: Mapping[str, np.ndarray], name: str) -> Meta:
    if "meta" not in arrays:
        return {}
    held = arrays["meta"]
    value = held.reshape(-1)[0] if held.size else "{}"
    with parsing(f"{name}: 'meta'", "text", hint=None):
        text = value.decode() if isinstance(value, bytes) else str(value)
    return parse_meta(text, name)


def parse_meta(text: str, name: str) -> Meta:
    """The dictionary of a meta string. Raises FileFormatError for anything but a JSON object."""
    meta = parse_json(text, f"{name}: 'meta'")
    if not isinstance(meta, dict):
        raise FileFormatError(f"{name}: 'meta' must be a JSON object.", actual=type(meta).__name__)
    return meta
