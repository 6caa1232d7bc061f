"""From a nuScenes folder back to a street folder, and what `voxcli info` says about one.

DIR/images/NAME.png     the camera's pictures, pixels unchanged
DIR/poses/NAME.json     camera (K, world_to_cam) and the boxes of street classes in its frame
DIR/depth, instances, fruxels   where the folder has our channels of those names: fruxels are written last, a sample with them is whole
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from voxcli.atomic import atomic_write_bytes
from voxcli.datasets.nuscenes import CHANNELS, NuScenesFolder, NuScenesSample
from voxcli.datasets.pictures import png_bytes
from voxcli.errors import DataError, FileFormatError, UsageError
from voxcli.provenance import Json, Recordable, make_meta

CAMERA_CHANNEL = "CAM_FRONT"
_POSE_KEYS = ("instance", "class", "translation", "rotation_wxyz", "size")


def is_nuscenes_folder(path: str | Path) -> bool:
    """True for a nuScenes root, and for the folder of tables of one version in it."""
    path = Path(path)
    return (path / "sample.json").is_file() or (path.is_dir() and any(path.glob("*/sample.json")))


def street_from_nuscenes(
    folder: NuScenesFolder, out_dir: str | Path, overwrite: bool = False, progress: Callable[[int], None] | None = None
) -> Counter[str]:
    """Write every key frame of the folder's camera as a sample of a street folder. -> boxes left out, by category

    Boxes of categories that streets lack have no place in the poses of training data, and are counted instead. progress: called with 1
    after each sample. Raises UsageError where the folder holds samples already, DataError where two pictures have one name.
    """
    out_dir, left_out = Path(out_dir), Counter[str]()
    if (out_dir / "meta.json").exists() and not overwrite:
        raise UsageError(f"{out_dir} exists.", hint="Use --overwrite to replace its samples.")
    seen: set[str] = set()
    for index in range(len(folder)):
        sample = folder[index]
        name = sample.files[folder.channel].stem
        if name in seen:
            raise DataError(f"Two pictures of {folder.channel} are called '{name}'.")
        seen.add(name)
        left_out.update(pose["category"] for pose in sample.poses if pose["class"] is None)
        _write_sample(out_dir, name, sample, folder.channel)
        if progress is not None:
            progress(1)
    options: dict[str, Recordable] = {"version": folder.version, "channel": folder.channel, "samples": len(folder)}
    meta = make_meta("street-dataset", "convert", options, {}, None, "camera: x right, y down, z forward; world: +y up", "m")
    atomic_write_bytes(out_dir / "meta.json", json.dumps(meta, indent=1, sort_keys=True).encode() + b"\n", overwrite=True)
    return left_out


def _write_sample(out_dir: Path, name: str, sample: NuScenesSample, channel: str) -> None:
    picture = sample.files[channel]
    image = picture.read_bytes() if picture.suffix.lower() == ".png" else png_bytes(sample.image)
    atomic_write_bytes(out_dir / "images" / f"{name}.png", image, overwrite=True)
    camera = sample.camera
    numbers = {"K": camera.K.tolist(), "width": camera.width, "height": camera.height, "world_to_cam": camera.world_to_cam.tolist()}
    objects = [{key: pose[key] for key in _POSE_KEYS} for pose in sample.poses if pose["class"] is not None]
    text = json.dumps({"camera": numbers, "objects": objects}, indent=1)
    atomic_write_bytes(out_dir / "poses" / f"{name}.json", text.encode() + b"\n", overwrite=True)
    for own, (kind, extension, _) in CHANNELS.items():  # fruxels come last
        source = sample.files.get(own)
        if own == CAMERA_CHANNEL or source is None or channel != CAMERA_CHANNEL:
            continue
        try:
            data = source.read_bytes()
        except OSError as error:
            raise FileFormatError(f"'{source}' cannot be read.", actual=error.strerror) from error
        atomic_write_bytes(out_dir / kind / f"{name}.{extension}", data, overwrite=True)


def nuscenes_facts(folder: NuScenesFolder) -> dict[str, Json]:
    """Version, channels, how many key frames and boxes of which category, and the first frame of the camera. No picture is opened."""
    boxes = Counter(folder.category_of(box) for rows in folder.boxes.values() for box in rows)
    frames = Counter(channel for rows in folder.data.values() for channel in rows)
    size, camera = folder.camera_of(0)
    return {
        "kind": "nuscenes",
        "version": folder.version,
        "samples": len(folder),
        "channels": dict(sorted(frames.items())),
        "boxes": dict(sorted(boxes.items())),
        "camera": {"channel": folder.channel, "width": size[0], "height": size[1], "K": camera.tolist()},
    }
