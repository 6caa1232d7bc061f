"""Cameras of nerfstudio and NeRF: transforms.json.

`frames[].transform_matrix` is cam_to_world of an OpenGL camera. Intrinsics stand in the frame or at the top: w, h, cx, cy, and of each axis
fl_x, camera_angle_x (radians) or x_fov (degrees), with the image's own size where w and h are missing. The world is kept as the file has
it; it is often z up. Distorted cameras are refused: undistort the images first.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np

from voxcli.errors import DataError, FileFormatError
from voxcli.files.guard import parse_json
from voxcli.files.keyed import missing_key
from voxcli.files.registry import Format, Options, register
from voxcli.files.source import Source
from voxcli.geometry.cameras import from_opengl, intrinsics, to_opengl
from voxcli.provenance import Meta
from voxcli.scene import Camera

_DISTORTION = ("k1", "k2", "k3", "k4", "p1", "p2")
_SUPPORTED_MODELS = ("PINHOLE", "SIMPLE_PINHOLE", "OPENCV", "SIMPLE_RADIAL", "RADIAL", "PERSPECTIVE")


def read_transforms(source: Source, kind: str | None, options: Options) -> list[tuple[str, Camera]]:
    """(file_path, Camera) of every frame, in the file's order."""
    tree = parse_json(source.text, source.name)
    if not isinstance(tree, dict) or not isinstance(tree.get("frames"), list):
        raise missing_key(source.name, tree if isinstance(tree, dict) else [], ["frames"])
    frames = [_frame(_merged(tree, frame), index, source) for index, frame in enumerate(tree["frames"]) if isinstance(frame, dict)]
    counts = Counter(name for name, _ in frames)
    if doubled := next((name for name in counts if counts[name] > 1), None):
        raise FileFormatError(f"{source.name} has frame '{doubled}' more than once.", hint="Give each frame a file_path of its own.")
    return frames


def _merged(tree: Meta, frame: Meta) -> Meta:
    """What holds for a frame: its own values, then those at the top. An axis whose focal length it states in any way is its own."""
    own = {key for axis in "xy" for key in _focal_keys(axis) if any(each in frame for each in _focal_keys(axis))}
    return {key: value for key, value in tree.items() if key not in own} | frame


def _focal_keys(axis: str) -> tuple[str, str, str]:
    return f"fl_{axis}", f"camera_angle_{axis}", f"{axis}_fov"


def _frame(values: Meta, index: int, source: Source) -> tuple[str, Camera]:
    name = str(values.get("file_path", f"frame_{index}"))
    where = f"{source.name}, frame '{name}'"
    model = str(values.get("camera_model", "PINHOLE"))
    bent = [f"{key} {values[key]}" for key in _DISTORTION if values.get(key)]
    fisheye = ["a fisheye lens (is_fisheye)"] if values.get("is_fisheye") else []
    if model not in _SUPPORTED_MODELS or bent or fisheye:
        said = [*([] if model in _SUPPORTED_MODELS else [model]), *fisheye, *bent]
        raise DataError(f"{where} is not a pinhole camera.", actual=", ".join(said), hint="Undistort the images first.")
    try:
        matrix = np.array(values["transform_matrix"], np.float64)
        if matrix.shape == (3, 4):
            matrix = np.vstack([matrix, [0, 0, 0, 1]])
        if matrix.shape != (4, 4):
            raise ValueError(f"transform_matrix of shape {list(matrix.shape)}")
        width, height = _size(values, name, source)
        return name, Camera(_intrinsics(values, width, height), width, height, from_opengl(matrix))
    except KeyError as error:
        raise missing_key(where, values, [str(error.args[0])]) from error
    except (TypeError, ValueError, OverflowError, OSError) as error:
        raise FileFormatError(f"{where} has a value that cannot be used.", actual=str(error)) from error


def _size(values: Meta, name: str, source: Source) -> tuple[int, int]:
    if "w" in values and "h" in values:
        return int(values["w"]), int(values["h"])
    image = None
    if source.path is not None:
        # NeRF's synthetic scenes leave out both the size and the extension.
        image = next((p for e in ("", ".png", ".jpg") if (p := source.path.parent / Path(name + e)).is_file()), None)
    if image is None:
        raise KeyError("w")
    from voxcli.files.images import open_image

    width, height = open_image(Source.from_path(image)).size
    return width, height


def _intrinsics(values: Meta, width: int, height: int) -> np.ndarray:
    focal = [_focal(values, axis, side) for axis, side in (("x", width), ("y", height))]
    fx, fy = (length if length is not None else other for length, other in zip(focal, focal[::-1], strict=True))
    if fx is None or fy is None:
        raise KeyError("fl_x")
    cx, cy = float(values.get("cx", width / 2)), float(values.get("cy", height / 2))
    return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]])


def _focal(values: Meta, axis: str, side: int) -> float | None:
    """The focal length along an axis of `side` pixels, as its keys state it; None where none does."""
    length, angle, degrees = _focal_keys(axis)
    if length in values:
        return float(values[length])
    if angle not in values and degrees not in values:
        return None
    wide = np.degrees(float(values[angle])) if angle in values else float(values[degrees])
    return float(intrinsics(wide, side, side)[0, 0])


def write_transforms(cameras: list[tuple[str, Camera]], options: Options) -> bytes:
    """transforms.json with the intrinsics in every frame."""
    frames = []
    for name, camera in cameras:
        K = camera.K
        numbers = {"fl_x": K[0, 0], "fl_y": K[1, 1], "cx": K[0, 2], "cy": K[1, 2]}
        frames.append({
            "file_path": name, "w": camera.width, "h": camera.height, **{k: float(v) for k, v in numbers.items()},
            "transform_matrix": to_opengl(camera.world_to_cam).tolist(),
        })  # fmt: skip
    return (json.dumps({"camera_model": "PINHOLE", "frames": frames}, indent=1) + "\n").encode()


register(
    Format(
        "nerfstudio", (".json",), "cameras: transforms.json", reads=("cameras",), reader=read_transforms, writers={list: write_transforms}
    )
)
