"""Scene YAML: placed meshes with classes, and the camera and frustum to look at them with.

    camera:                           # optional
      width: 128                      # width and height: needed unless `frustum` states them
      height: 128
      fov_x_deg: 40                   # or K: 3x3 in pixels; left out, the frustum's
      position: [0, 1.6, 8]           # with look_at (and up, default [0, 1, 0]) ...
      look_at: [0, 1, 0]
      # world_to_cam: 4x4             # ... or this; left out, the identity
    frustum: semantic-voxels          # a preset's name, or {width, height, depth, z_near, z_far, fov_x_deg}, or {preset: NAME, depth: 64}
    classes: [air, car, ground]       # or {names: [...], empty: air, ignore: 255}; left out, the street classes
    objects:                          # later objects overwrite earlier ones
      - mesh: car.glb                 # relative to this file
        class: car
        position: [1, 0, 2]           # x_world = R(rotation_wxyz) (scale * x) + position
        rotation_wxyz: [1, 0, 0, 0]
        scale: 1.5                    # or [x, y, z]
        name: parked
    meta: {}                          # optional

A file may hold `camera` alone: that is how a camera is written. An unknown key is an error that names the nearest known one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np

from voxcli import config
from voxcli.errors import DataError, FileFormatError, UsageError, unknown_name
from voxcli.files.keyed import meta_text, missing_key, parse_meta
from voxcli.files.registry import Format, Options, find_format, formats_reading, register
from voxcli.files.source import Source
from voxcli.geometry.cameras import intrinsics, look_at
from voxcli.provenance import Json, Meta
from voxcli.remote import is_url
from voxcli.scene import FRUSTUM_PRESETS, Camera, Frustum, Labels, Mesh, SceneDescription, SceneObject

_SCENE_KEYS = ("camera", "frustum", "classes", "objects", "meta")
_CAMERA_KEYS = ("width", "height", "K", "fov_x_deg", "position", "look_at", "up", "world_to_cam")
_FRUSTUM_KEYS = ("width", "height", "depth", "z_near", "z_far", "fov_x_deg")
_OBJECT_KEYS = ("mesh", "class", "position", "rotation_wxyz", "scale", "name")
_CLASS_KEYS = ("names", "empty", "ignore")


def read_scene(source: Source, kind: str | None, options: Options) -> SceneDescription | Camera:
    """A SceneDescription; its Camera alone where kind is camera. Errors name the key by its path, as in objects[2].scale."""
    tree = config.parse(source.text, source.name)
    keys = _mapping(tree, source.name, _SCENE_KEYS)
    frustum = _frustum(keys["frustum"], f"{source.name}: frustum") if "frustum" in keys else None
    camera = _camera(keys["camera"], frustum, f"{source.name}: camera") if "camera" in keys else None
    if kind == "camera":
        if camera is None:
            raise missing_key(source.name, keys, ["camera"])
        return camera
    if "objects" not in keys and camera is None:
        raise missing_key(source.name, keys, ["objects"])
    meshes, classes = _mesh_reader(source), _classes(keys.get("classes"), f"{source.name}: classes")
    objects = [
        _object(item, meshes, classes, f"{source.name}: objects[{i}]")
        for i, item in enumerate(_list(keys.get("objects") or [], f"{source.name}: objects"))
    ]
    return SceneDescription(tuple(objects), classes, camera, frustum, _meta(keys, source.name))


def _mapping(tree: Json, where: str, known: tuple[str, ...]) -> Meta:
    if not isinstance(tree, dict):
        raise FileFormatError(f"{where} must be a mapping.", expected=f"keys {', '.join(known)}", actual=type(tree).__name__)
    for key in tree:
        if key not in known:
            error = unknown_name("key", key, known, FileFormatError)
            raise FileFormatError(f"{where}: {error.message}", hint=error.hint)
    return tree


def _list(value: Json, where: str) -> list[Json]:
    if not isinstance(value, list):
        raise FileFormatError(f"{where} must be a list.", actual=type(value).__name__)
    return value


def _numbers(value: Json, where: str, shape: tuple[int, ...]) -> np.ndarray:
    """A float64 array of the shape; () is one number."""
    try:
        if isinstance(value, bool):
            raise ValueError
        array = np.array(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise FileFormatError(f"{where} must be numbers.", actual=repr(value)[:60]) from error
    if array.shape != shape or not np.isfinite(array).all():
        raise FileFormatError(
            f"{where} must be {'one finite number' if not shape else f'finite numbers {list(shape)}'}.", actual=repr(value)[:60]
        )
    return array


def _whole(value: Json, where: str) -> int:
    number = float(_numbers(value, where, ()))
    if number != int(number):
        raise FileFormatError(f"{where} must be a whole number.", actual=value)
    return int(number)


def _frustum(tree: Json, where: str) -> Frustum:
    if isinstance(tree, str):
        tree = {"preset": tree}
    keys = _mapping(tree, where, ("preset", *_FRUSTUM_KEYS))
    stated: Meta = {}
    if "preset" in keys:
        if keys["preset"] not in FRUSTUM_PRESETS:
            raise unknown_name("frustum preset", keys["preset"], FRUSTUM_PRESETS, FileFormatError)
        stated = asdict(FRUSTUM_PRESETS[keys["preset"]])
    for key in _FRUSTUM_KEYS:
        if key in keys:
            stated[key] = (
                _whole(keys[key], f"{where}.{key}")
                if key in ("width", "height", "depth")
                else float(_numbers(keys[key], f"{where}.{key}", ()))
            )
        elif key not in stated:
            raise missing_key(where, keys, [key])
    return Frustum(**stated)


def _camera(tree: Json, frustum: Frustum | None, where: str) -> Camera:
    keys = _mapping(tree, where, _CAMERA_KEYS)
    if frustum is None and not {"width", "height"} <= set(keys):
        raise missing_key(where, keys, ["width" if "width" not in keys else "height"])
    width, height = (_whole(keys[key], f"{where}.{key}") if key in keys else getattr(frustum, key) for key in ("width", "height"))
    if "K" in keys and "fov_x_deg" in keys:
        raise FileFormatError(f"{where} states both K and fov_x_deg.", expected="one of the two")
    if "K" in keys:
        K = _numbers(keys["K"], f"{where}.K", (3, 3))
    elif "fov_x_deg" in keys:
        K = intrinsics(float(_numbers(keys["fov_x_deg"], f"{where}.fov_x_deg", ())), width, height)
    elif frustum is not None:
        K = intrinsics(frustum.fov_x_deg, width, height)
    else:
        raise missing_key(where, keys, ["fov_x_deg"])
    return Camera(K, width, height, _world_to_cam(keys, where))


def _world_to_cam(keys: Meta, where: str) -> np.ndarray:
    placed = [key for key in ("position", "look_at", "up") if key in keys]
    if "world_to_cam" in keys:
        if placed:
            raise FileFormatError(f"{where} states both world_to_cam and {placed[0]}.", expected="one of the two")
        return _numbers(keys["world_to_cam"], f"{where}.world_to_cam", (4, 4))
    if not placed:
        return np.eye(4)
    for key in ("position", "look_at"):
        if key not in keys:
            raise missing_key(where, keys, [key])
    eye, target, up = (_numbers(keys.get(key, [0, 1, 0]), f"{where}.{key}", (3,)) for key in ("position", "look_at", "up"))
    if (eye == target).all():
        raise FileFormatError(f"{where} looks at its own position.", expected="look_at another point than position", actual=eye.tolist())
    return look_at(eye, target, up)


def _classes(tree: Json, where: str) -> Labels:
    if tree is None:
        return Labels()
    keys = {"names": tree} if isinstance(tree, list) else _mapping(tree, where, _CLASS_KEYS)
    names = tuple(str(name) for name in _list(keys.get("names"), f"{where}.names"))
    if not names or len(set(names)) != len(names):
        raise FileFormatError(f"{where} must be different names, at least one.", actual=", ".join(names) or "none")
    empty = keys.get("empty", "air" if "air" in names else None)
    if isinstance(empty, str):
        if empty not in names:
            raise unknown_name("empty class", empty, names, FileFormatError)
        empty = names.index(empty)
    ignore = keys.get("ignore", 255)
    return Labels(
        names, None if empty is None else _whole(empty, f"{where}.empty"), None if ignore is None else _whole(ignore, f"{where}.ignore")
    )


def _mesh_reader(source: Source) -> Callable[[str], Mesh]:
    """Reads a mesh by its path relative to the scene file; each file once, however many objects share it."""
    if is_url(source.name):
        raise UsageError(f"{source.name}: a scene names its meshes by paths.", hint="Fetch its folder: what files name is not fetched.")
    folder = source.path.parent if source.path is not None else Path()
    known: dict[str, Mesh] = {}

    def mesh(path: str) -> Mesh:
        if path not in known:
            file = folder / path
            found, extension = find_format(file, choices=partial(formats_reading, Mesh))
            if "mesh" not in found.reads or found.reader is None:
                raise FileFormatError(f"{file} cannot hold a mesh.", actual=found.name)
            read = found.reader(Source.from_path(file), "mesh", Options(extension=extension))
            assert isinstance(read, Mesh)
            known[path] = read
        return known[path]

    return mesh


def _object(tree: Json, mesh: Callable[[str], Mesh], classes: Labels, where: str) -> SceneObject:
    keys = _mapping(tree, where, _OBJECT_KEYS)
    for key in ("mesh", "class"):
        if key not in keys:
            raise missing_key(where, keys, [key])
    scale = keys.get("scale", 1.0)
    scale = _numbers(scale, f"{where}.scale", (3,)) if isinstance(scale, list) else np.full(3, _numbers(scale, f"{where}.scale", ()))
    rotation = _numbers(keys.get("rotation_wxyz", [1, 0, 0, 0]), f"{where}.rotation_wxyz", (4,))
    if not np.linalg.norm(rotation) or not scale.all():
        raise DataError(f"{where}: rotation_wxyz and scale must not be zero.", actual=f"{rotation.tolist()}, {scale.tolist()}")
    return SceneObject(
        mesh(str(keys["mesh"])),
        _class_of(keys["class"], classes, where),
        _numbers(keys.get("position", [0, 0, 0]), f"{where}.position", (3,)),
        rotation / np.linalg.norm(rotation),
        scale,
        str(keys.get("name", "")),
        str(keys["mesh"]),
    )


def _class_of(name: Json, classes: Labels, where: str) -> str:
    if not isinstance(name, str):
        raise FileFormatError(f"{where}.class must be a name.", expected=f"one of {', '.join(classes.names)}", actual=repr(name)[:60])
    if name not in classes.names:
        error = unknown_name("class", name, classes.names, FileFormatError)
        raise FileFormatError(f"{where}: {error.message}", hint=error.hint)
    return name


def _meta(keys: Meta, name: str) -> Meta:
    return parse_meta(meta_text(_mapping_of_any(keys["meta"], name)), name) if "meta" in keys else {}


def _mapping_of_any(tree: Json, name: str) -> Meta:
    if not isinstance(tree, dict):
        raise FileFormatError(f"{name}: meta must be a mapping.", actual=type(tree).__name__)
    return tree


def write_camera(camera: Camera, options: Options) -> bytes:
    """A YAML file that holds one camera, by K and world_to_cam; every number reads back as it was."""
    import yaml

    stated = {
        "width": int(camera.width),
        "height": int(camera.height),
        "K": np.asarray(camera.K, np.float64).tolist(),
        "world_to_cam": np.asarray(camera.world_to_cam, np.float64).tolist(),
    }
    return yaml.safe_dump({"camera": stated}, sort_keys=False, default_flow_style=None, width=120).encode()


register(
    Format(
        "scene YAML",
        (".yaml", ".yml"),
        "placed meshes with classes, camera and frustum; or a camera alone",
        reads=("scene", "camera"),
        reader=read_scene,
        writers={Camera: write_camera},
    )
)
