"""Data sets in the schema of nuScenes: street folders exported to it (as SemanticVoxels is laid out), and real folders read.

ROOT/VERSION/TABLE.json          the thirteen tables
ROOT/VERSION/splits.json         names of the scenes of street_train, street_val and street_test, where the street folder has such splits
ROOT/samples/CHANNEL/NAME.png    CAM_FRONT (colour), DEPTH_FRONT and INSTANCES_FRONT (as in the street folder), FRUXELS_FRONT (.npz)
ROOT/maps/none.png               one pixel: the schema asks for a map, a street scene has none

Global frame z up, metres; quaternions wxyz; boxes are centred, size w, l, h. Every street scene is a scene of one sample. The ego frame
lies on the ground below the camera and looks where it looks. Ours: the channels beside CAM_FRONT, boxes of the categories static.*, the
street class as a category's description (vans are vehicle.car, too), an empty visibility token (not measured) and intrinsics of pixels
whose top-left centre is (0.5, 0.5).
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from voxcli.atomic import atomic_write_bytes
from voxcli.datasets.pictures import read_rgb
from voxcli.datasets.street import scene_folders, split_folders
from voxcli.errors import DataError, FileFormatError, UsageError, unknown_name
from voxcli.files.guard import bytes_within, parse_json, parsing
from voxcli.geometry import cameras
from voxcli.scene import Camera

VERSION = "v1.0-semanticvoxels"
"""Folder of the tables that we write."""

TABLES = (
    "attribute", "calibrated_sensor", "category", "ego_pose", "instance", "log", "map", "sample", "sample_annotation", "sample_data",
    "scene", "sensor", "visibility",
)  # fmt: skip

CHANNELS = {  # channel -> (folder of the street data set, extension, modality)
    "CAM_FRONT": ("images", "png", "camera"),
    "DEPTH_FRONT": ("depth", "png", "depth"),
    "INSTANCES_FRONT": ("instances", "png", "instances"),
    "FRUXELS_FRONT": ("fruxels", "npz", "fruxels"),
}
"""What we write: channel -> where its files lie in a street folder, and its modality."""
CATEGORY_OF = {
    "person": "human.pedestrian.adult",
    "car": "vehicle.car",
    "truck": "vehicle.truck",
    "van": "vehicle.car",
    "bus": "vehicle.bus.rigid",
    "bicycle": "vehicle.bicycle",
    "building": "static.manmade",
    "tree": "static.vegetation",
}
"""Street class -> category that we write, a name of nuScenes: the public devkit has colours for these alone."""

_EARLIER = {"vehicle.van": "van", "static.building": "building", "static.tree": "tree"}
"""Categories that we wrote before -> street class."""

_SPLIT = "street_"
"""Before the names of our splits: the devkit has lists of its own for train, val and test."""

_VISIBILITY = {"1": "v0-40", "2": "v40-60", "3": "v60-80", "4": "v80-100"}
_PIXEL = bytes.fromhex(  # a grey PNG of one black pixel
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b550000000a49444154789c636000000002000148afa4710000000049454e44ae426082"
)
Row = dict[str, Any]


def street_class(category: str, description: str = "") -> str | None:
    """The street class of a nuScenes category: those of CATEGORY_OF, all pedestrians and all buses; None for what streets lack.

    description: of the category. It tells classes of one category apart where it is the name of one of them.
    """
    if CATEGORY_OF.get(description) == category:
        return description
    if category in _EARLIER:
        return _EARLIER[category]
    if category.startswith("human.pedestrian."):
        return "person"
    if category.startswith("vehicle.bus."):
        return "bus"
    return next((name for name, known in CATEGORY_OF.items() if known == category), None)


# --- writing ---------------------------------------------------------------------------------------------------------------------


def export_nuscenes(
    street_dir: str | Path, out_dir: str | Path, version: str = VERSION, overwrite: bool = False,
    progress: Callable[[int], None] | None = None,
) -> int:  # fmt: skip
    """Turn a `synth street` folder into a nuScenes one; the tables are written last. -> samples written

    A sample is a scene of its own. Of a folder with a folder for each scene, its frames follow one another, half a second apart. Of the
    root of such folders, all splits are taken, and splits.json says which scene is of which.

    progress: called with 1 after each sample. Raises UsageError where the version is there already, DataError for a folder without
    samples and for scenes of one name, FileFormatError for broken poses.
    """
    street, out = Path(street_dir), Path(out_dir)
    splits = {name: scene_folders(folder) or [folder] for name, folder in split_folders(street).items()}
    scenes = [each for found in splits.values() for each in found] or scene_folders(street)
    frames = [(each, each.name, sorted(p.stem for p in (each / "fruxels").glob("*.npz"))) for each in scenes]
    if len({scene for _, scene, _ in frames}) < len(frames):
        raise DataError(f"Two scenes of '{street}' have one name.", expected="each scene in one of train, val and test")
    if not scenes:
        frames = [(street, name, [name]) for name in sorted(p.stem for p in (street / "fruxels").glob("*.npz"))]
    count = sum(len(names) for _, _, names in frames)
    if not count:
        raise DataError(f"'{street}' holds no samples.", expected="a folder made by 'voxcli synth street'")
    if (out / version / "sample.json").exists() and not overwrite:
        raise UsageError(f"{out / version} exists.", hint="Use --overwrite to replace it.")
    tables: dict[str, list[Row]] = {name: [] for name in TABLES}
    boxes: dict[str, tuple[Row, Row]] = {}
    _add_constants(tables)
    for folder, scene, names in frames:
        for name in names:
            sample = f"{scene}-{name}" if scenes else name
            _add_sample(tables, boxes, scene, sample, *_read_poses(folder / "poses" / f"{name}.json"))
            for channel, (kind, extension, _) in CHANNELS.items():
                source = folder / kind / f"{name}.{extension}"
                try:
                    data = source.read_bytes()
                except OSError as error:
                    raise DataError(f"'{source}' cannot be read.", actual=error.strerror) from error
                atomic_write_bytes(out / "samples" / channel / f"{sample}.{extension}", data, overwrite=True)
            if progress is not None:
                progress(1)
    atomic_write_bytes(out / "maps" / "none.png", _PIXEL, overwrite=True)
    listed = {f"{_SPLIT}{split}": [f"scene-{each.name}" for each in found] for split, found in splits.items()}
    if listed:
        atomic_write_bytes(out / version / "splits.json", json.dumps(listed, indent=0).encode() + b"\n", overwrite=True)
    else:
        (out / version / "splits.json").unlink(missing_ok=True)
    for table in (*(t for t in TABLES if t != "sample"), "sample"):
        atomic_write_bytes(out / version / f"{table}.json", json.dumps(tables[table], indent=0).encode() + b"\n", overwrite=True)
    return count


def _token(*parts: str | int) -> str:
    """32 hexadecimal digits that depend on the parts alone."""
    return hashlib.sha256("/".join(map(str, parts)).encode()).hexdigest()[:32]


def _read_poses(path: Path) -> tuple[Camera, list[Row]]:
    with parsing(f"'{path}'", "a file of poses"):
        content: Any = parse_json(bytes_within(path), f"'{path}'")
        numbers = content["camera"]
        camera = Camera(np.array(numbers["K"], float), numbers["width"], numbers["height"], np.array(numbers["world_to_cam"], float))
        return camera, list(content["objects"])


def _add_constants(tables: dict[str, list[Row]]) -> None:
    """What all samples share: sensors, categories, visibility levels, the log and its map."""
    tables["sensor"] = [{"token": _token("sensor", c), "channel": c, "modality": m} for c, (_, _, m) in CHANNELS.items()]
    tables["category"] = [
        {"token": _token("category", name), "name": category, "description": name, "index": index + 1}
        for index, (name, category) in enumerate(CATEGORY_OF.items())
    ]
    tables["visibility"] = [{"token": t, "level": level, "description": "share of the object seen"} for t, level in _VISIBILITY.items()]
    log = {"token": _token("log"), "logfile": "synth-street", "vehicle": "none", "date_captured": "1970-01-01", "location": "synthetic"}
    tables["log"] = [log]
    tables["map"] = [{"token": _token("map"), "log_tokens": [log["token"]], "category": "semantic_prior", "filename": "maps/none.png"}]


def _rigid(matrix: np.ndarray) -> Row:
    return {"translation": matrix[:3, 3].tolist(), "rotation": cameras.rotation_to_quaternion(matrix[:3, :3]).tolist()}


def ego_below(cam_to_global: np.ndarray) -> np.ndarray:
    """ego_to_global [4, 4]: on the ground below the camera, x where the camera looks, y left, z up."""
    forward = cam_to_global[:3, 2]
    c, s = np.array([forward[0], forward[1]]) / max(math.hypot(forward[0], forward[1]), 1e-12)
    if math.hypot(forward[0], forward[1]) < 1e-9:
        c, s = 1.0, 0.0
    ego = np.eye(4)
    ego[:2, :2] = [[c, -s], [s, c]]
    ego[:2, 3] = cam_to_global[:2, 3]
    return ego


def _add_sample(
    tables: dict[str, list[Row]], boxes: dict[str, tuple[Row, Row]], scene_name: str, name: str, camera: Camera, objects: list[Row]
) -> None:
    """A sample at the end of a scene, which is begun where the last one was of another. boxes: see _add_box."""
    time = len(tables["sample"]) * 500_000  # microseconds; key frames of nuScenes are half a second apart
    scene, sample = _token("scene", scene_name), _token("sample", name)
    if not tables["scene"] or tables["scene"][-1]["token"] != scene:
        tables["scene"].append({
            "token": scene, "name": f"scene-{scene_name}", "description": "synthetic street", "log_token": _token("log"), "nbr_samples": 0,
            "first_sample_token": sample, "last_sample_token": "",
        })  # fmt: skip
    before = tables["scene"][-1]["last_sample_token"]
    tables["scene"][-1].update(nbr_samples=tables["scene"][-1]["nbr_samples"] + 1, last_sample_token=sample)
    tables["sample"].append({"token": sample, "timestamp": time, "scene_token": scene, "prev": before, "next": ""})
    if before:
        tables["sample"][-2]["next"] = sample
    cam_to_global = cameras.to_nuscenes(camera.world_to_cam)
    ego = ego_below(cam_to_global)
    tables["ego_pose"].append({"token": _token("ego", name), "timestamp": time, **_rigid(ego)})
    placed = _rigid(cameras.inverse_rigid(ego) @ cam_to_global)
    for channel, (_, extension, modality) in CHANNELS.items():
        sensor, calibrated, data = _token("sensor", channel), _token("calibrated", channel, name), _token("data", channel, name)
        tables["calibrated_sensor"].append({"token": calibrated, "sensor_token": sensor, **placed, "camera_intrinsic": camera.K.tolist()})
        last = tables["sample_data"][-len(CHANNELS)] if before else None
        tables["sample_data"].append({
            "token": data, "sample_token": sample, "ego_pose_token": _token("ego", name), "calibrated_sensor_token": calibrated,
            "filename": f"samples/{channel}/{name}.{extension}", "fileformat": extension, "width": camera.width, "height": camera.height,
            "timestamp": time, "is_key_frame": True, "prev": last["token"] if last else "", "next": "", "modality": modality,
        })  # fmt: skip
        if last:
            last["next"] = data
    for k, thing in enumerate(objects):
        _add_box(tables, boxes, sample, (f"{scene_name}/{k}", f"{name}/{k}"), thing, cam_to_global)


def _add_box(
    tables: dict[str, list[Row]], boxes: dict[str, tuple[Row, Row]], sample: str, names: tuple[str, str], thing: Row,
    cam_to_global: np.ndarray,
) -> None:  # fmt: skip
    """names: of the object in its scene, and of this box of it. boxes: the row and the last box of each object by its token."""
    if thing["class"] not in CATEGORY_OF:
        raise unknown_name("class", thing["class"], CATEGORY_OF, DataError)
    object_to_cam = np.eye(4)
    object_to_cam[:3, :3] = cameras.quaternion_to_rotation(thing["rotation_wxyz"])
    object_to_cam[:3, 3] = thing["translation"]
    box_to_cam, wlh = cameras.to_nuscenes_box(object_to_cam, thing["size"])
    token, box = _token("instance", names[0]), _token("box", names[1])
    instance, last = boxes.get(token, (None, None))
    if instance is None:
        instance = {
            "token": token, "category_token": _token("category", thing["class"]), "nbr_annotations": 0, "first_annotation_token": box,
            "last_annotation_token": box, "mask_id": thing["instance"],
        }  # fmt: skip
        tables["instance"].append(instance)
    instance.update(nbr_annotations=instance["nbr_annotations"] + 1, last_annotation_token=box)
    annotation = {
        "token": box, "sample_token": sample, "instance_token": token, "attribute_tokens": [], "visibility_token": "",
        **_rigid(cam_to_global @ box_to_cam), "size": wlh.tolist(), "num_lidar_pts": 0, "num_radar_pts": 0,
        "prev": last["token"] if last else "", "next": "",
    }  # fmt: skip
    if last:
        last["next"] = box
    tables["sample_annotation"].append(annotation)
    boxes[token] = instance, annotation


# --- reading ---------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class NuScenesSample:
    """One key frame of one camera. files: channel -> path of every channel of the sample; image [H, W, 3] uint8.

    poses: boxes in the camera's frame as street poses (class, translation, rotation_wxyz, size, and instance, category of nuScenes).
    """

    name: str
    image: np.ndarray
    camera: Camera
    poses: list[Row]
    files: dict[str, Path]


class NuScenesFolder:
    """The key frames of one camera of a nuScenes folder, in the order of the table `sample`, images read on demand.

    root: the folder, or that of a version's tables in it; version: its name, None where there is only one. data: rows of sample_data by
    sample and channel; boxes: rows of sample_annotation by sample. Raises DataError and FileFormatError that name the file.
    """

    def __init__(self, root: str | Path, version: str | None = None, channel: str = "CAM_FRONT"):
        self.root, self.channel = Path(root), channel
        if version is None and (self.root / "sample.json").is_file():
            self.root, version = self.root.absolute().parent, self.root.absolute().name
        versions = sorted(p.parent.name for p in self.root.glob("*/sample.json"))
        if version is None and len(versions) != 1:
            found = ", ".join(versions) or "none"
            hint = "Name the folder of one version's tables."
            raise DataError(f"'{self.root}' must hold one version of tables.", actual=found, hint=hint)
        if version is not None and version not in versions:
            raise unknown_name("version", version, versions, DataError)
        self.version = version or versions[0]
        self._folder = self.root / self.version
        self._by_token = {t: {row["token"]: row for row in self._table(t)} for t in
                          ("sample", "sensor", "calibrated_sensor", "ego_pose", "instance", "category")}  # fmt: skip
        self.data: dict[str, dict[str, Row]] = {}
        self.boxes: dict[str, list[Row]] = {}
        with parsing(f"'{self._folder}': sample_data", "a table whose rows name what is there", hint=None):
            for row in self._table("sample_data"):
                if row["is_key_frame"]:
                    calibrated = self._by_token["calibrated_sensor"][row["calibrated_sensor_token"]]
                    sensor = self._by_token["sensor"][calibrated["sensor_token"]]
                    self.data.setdefault(row["sample_token"], {})[str(sensor["channel"])] = row
        with parsing(f"'{self._folder}': sample_annotation", "a table whose rows name what is there", hint=None):
            for row in self._table("sample_annotation"):
                self.boxes.setdefault(row["sample_token"], []).append(row)
        self.tokens = [token for token in self._by_token["sample"] if channel in self.data.get(token, {})]
        if not self.tokens:
            raise unknown_name("camera", channel, {c for row in self.data.values() for c in row}, DataError)

    def _table(self, name: str) -> list[Row]:
        path = self._folder / f"{name}.json"
        with parsing(f"'{path}'", "a table of nuScenes"):
            rows: Any = parse_json(bytes_within(path), f"'{path}'")
        if not isinstance(rows, list) or not all(isinstance(row, dict) and isinstance(row.get("token"), str) for row in rows):
            raise FileFormatError(f"'{path}' is not a table.", expected="a list of rows with tokens")
        return rows

    def __len__(self) -> int:
        return len(self.tokens)

    def split_of_samples(self) -> dict[str, str]:
        """train, val or test of the samples by their tokens, as splits.json says; empty where there is none of ours."""
        path = self._folder / "splits.json"
        if not path.is_file():
            return {}
        with parsing(f"'{path}'", "a list of the scenes of splits"):
            listed: Any = parse_json(bytes_within(path), f"'{path}'")
            split_of = {
                str(scene): name.removeprefix(_SPLIT) for name, scenes in listed.items() if name.startswith(_SPLIT) for scene in scenes
            }
            names = {row["token"]: str(row["name"]) for row in self._table("scene")}
            scene_of = {token: names[row["scene_token"]] for token, row in self._by_token["sample"].items()} if split_of else {}
        return {token: split_of[scene] for token, scene in scene_of.items() if scene in split_of}

    def category_of(self, box: Row) -> str:
        """The category of a row of sample_annotation. Raises FileFormatError where the tables do not say."""
        return str(self._category(box)["name"])

    def _category(self, box: Row) -> Row:
        with parsing(f"'{self._folder}': a box", "one that names an instance and a category that are there", hint=None):
            row = self._by_token["category"][self._by_token["instance"][box["instance_token"]]["category_token"]]
            return {"name": row["name"], "description": str(row.get("description", ""))}

    def camera_of(self, index: int) -> tuple[tuple[int | None, int | None], np.ndarray]:
        """(width, height) as the tables say, None where they do not, and K [3, 3] of a frame, without its picture."""
        row = self.data[self.tokens[index]][self.channel]
        with parsing(f"'{self._folder}': {self.channel}", "a camera with intrinsics", hint=None):
            K = np.array(self._by_token["calibrated_sensor"][row["calibrated_sensor_token"]]["camera_intrinsic"], np.float64)
        size = row.get("width"), row.get("height")
        if not all(side is None or isinstance(side, int) for side in size):
            raise FileFormatError(f"'{self._folder}': {self.channel} has a size that is no whole number.", actual=list(size))
        return size, K

    def __getitem__(self, index: int) -> NuScenesSample:
        token = self.tokens[index]
        row = self.data[token][self.channel]
        with parsing(f"'{self._folder}': sample {token}", "whole", hint=None):
            calibrated = self._by_token["calibrated_sensor"][row["calibrated_sensor_token"]]
            world_to_cam = cameras.from_nuscenes(_matrix(self._by_token["ego_pose"][row["ego_pose_token"]]) @ _matrix(calibrated))
            poses = [self._pose(box, world_to_cam) for box in self.boxes.get(token, [])]
            files = {channel: self.root / data["filename"] for channel, data in self.data[token].items()}
            K = np.array(calibrated["camera_intrinsic"], np.float64)
        image = read_rgb(files[self.channel])
        return NuScenesSample(token, image, Camera(K, image.shape[1], image.shape[0], world_to_cam), poses, files)

    def _pose(self, box: Row, world_to_cam: np.ndarray) -> Row:
        instance = self._by_token["instance"][box["instance_token"]]
        category, description = self.category_of(box), self._category(box)["description"]
        box_to_cam = cameras.inverse_rigid(cameras.to_nuscenes(world_to_cam)) @ _matrix(box)
        object_to_cam, size = cameras.from_nuscenes_box(box_to_cam, box["size"])
        return {
            "instance": instance.get("mask_id", box["instance_token"]),
            "class": street_class(category, description),
            "category": category,
            "translation": object_to_cam[:3, 3].tolist(),
            "rotation_wxyz": cameras.rotation_to_quaternion(object_to_cam[:3, :3]).tolist(),
            "size": size.tolist(),
        }


def _matrix(row: Row) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3] = cameras.quaternion_to_rotation(row["rotation"])
    matrix[:3, 3] = row["translation"]
    return matrix
