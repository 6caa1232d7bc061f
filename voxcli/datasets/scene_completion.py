"""Data sets of scene completion with pictures: SemanticKITTI, NYU as SSCNet has it, and nuScenes as Occ3D has it.

Each has frames with a labelled grid in metres, and one picture or several with their cameras in the grid's world. Splits are the official
ones. Nothing but lists of files is read until a frame is asked for.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple, TypedDict

import numpy as np

from voxcli import files
from voxcli.datasets.completion import kitti_matrices, read_kitti
from voxcli.datasets.pictures import inside, read_json
from voxcli.errors import DataError, FileFormatError
from voxcli.files.completion import KITTI_CLASSES, NYU_CLASSES, nyu_pose
from voxcli.files.guard import parsing
from voxcli.files.keyed import OCC3D_CLASSES
from voxcli.geometry.cameras import inverse_rigid, nearest_rigid, quaternion_to_rotation
from voxcli.scene import Camera, Labels, Picture, VoxelGrid

Split = Literal["train", "val", "test", "all"]

IGNORE = 255
"""The label of cells of which nothing is known."""

KITTI_SEQUENCES: Mapping[str, tuple[str, ...]] = {
    "train": ("00", "01", "02", "03", "04", "05", "06", "07", "09", "10"), "val": ("08",), "test": tuple(map(str, range(11, 22))),
}  # fmt: skip

NYU_K = ((518.8579, 0.0, 320.0), (0.0, 518.8579, 240.0), (0.0, 0.0, 1.0))
NYU_SIZE = (640, 480)
"""Intrinsics of all pictures of NYU and their size, as SSCNet and MonoScene state them."""


class Pose(TypedDict):
    """A motion in Occ3D's annotations.json: translation [3] in metres, rotation wxyz [4]."""

    translation: list[float]
    rotation: list[float]


class Sensor(TypedDict, total=False):
    """A camera there: of itself in the vehicle's frame, and the vehicle's pose as it shot. The data write `intrinsics`, their page
    `intrinsic`."""

    img_path: str
    intrinsics: list[list[float]]
    intrinsic: list[list[float]]
    extrinsic: Pose
    ego_pose: Pose


class FrameInfo(TypedDict):
    """A frame there: its cameras by name, and the vehicle's pose as the lidar turned."""

    camera_sensor: dict[str, Sensor]
    ego_pose: Pose


class Annotations(TypedDict):
    """The whole file: names of scenes by split, frames by scene and token."""

    train_split: list[str]
    val_split: list[str]
    scene_infos: dict[str, dict[str, FrameInfo]]


class Frame(NamedTuple):
    """name: unique in its data set. sequence: what it is a part of. id: its own name there. labels: the file of its grid."""

    name: str
    sequence: str
    id: str
    labels: Path


@dataclass(frozen=True)
class Shot:
    """A picture of a frame: its file, intrinsics K [3, 3] in pixels, and world_to_cam [4, 4] from the grid's world. name: of the camera.
    size: columns and rows that K is for, where that is known."""

    name: str
    path: Path
    K: np.ndarray
    world_to_cam: np.ndarray
    size: tuple[int, int] | None = None

    def read(self) -> tuple[Picture, Camera]:
        """The picture, and its camera. Raises DataError for a picture of another size."""
        picture = files.read_as(self.path, Picture)
        height, width = picture.rgb.shape[:2]
        if self.size not in (None, (width, height)):
            raise DataError(f"'{self.path}' has another size than its camera.", expected="{}x{}".format(*self.size or ()),
                            actual=f"{width}x{height}")  # fmt: skip
        return picture, Camera(self.K, width, height, self.world_to_cam)


class CompletionFolder(ABC):
    """The frames of one split of a data set.

    name: as users know the data set. tree: what its root looks like. classes: of its grids. view: (z_near, z_far, fov_x_deg) of the
    frustum in which a network sees it, ours. Raises DataError with the tree where there is no frame.
    """

    name: ClassVar[str]
    tree: ClassVar[str]
    classes: ClassVar[Labels]
    view: ClassVar[tuple[float, float, float]]

    def __init__(self, root: Path):
        self.root = root
        self.frames: list[Frame] = []

    def checked(self, given: Path | None = None) -> None:
        """Raise DataError where there is no frame. given: the folder that the user named, where it is not the root."""
        if not self.frames:
            raise DataError(f"{given or self.root} holds no frame of {self.name}.", expected=self.tree)

    @abstractmethod
    def grid(self, frame: Frame) -> VoxelGrid:
        """The labels of a frame; 255 where nothing is known."""

    @abstractmethod
    def shots(self, frame: Frame) -> list[Shot]:
        """The pictures of a frame, whether their files are there or not. Raises DataError where nothing says which those are."""


class KittiFolder(CompletionFolder):
    """SemanticKITTI. Its world is the lidar's frame. sequences: in place of the split's. step: every so many frames of those with labels.
    camera: pictures and matrix are image_N and PN."""

    name = "SemanticKITTI"
    tree = "ROOT/sequences/08/voxels/000000.label, 000000.invalid; ROOT/sequences/08/image_2/000000.png, ROOT/sequences/08/calib.txt"
    classes = KITTI_CLASSES
    view = (2.0, 50.0, 70.0)

    def __init__(self, root: Path, split: Split = "all", sequences: Sequence[str] | None = None, step: int = 1, camera: int = 2):
        super().__init__(root)
        self.camera = camera
        named = sequences or KITTI_SEQUENCES.get(split) or sorted(path.name for path in (root / "sequences").glob("*"))
        for sequence in named:
            for path in sorted((root / "sequences" / sequence / "voxels").glob("*.label"))[::step]:
                self.frames.append(Frame(f"{sequence}/{path.stem}", sequence, path.stem, path))
        self.checked()

    def grid(self, frame: Frame) -> VoxelGrid:
        """Cells that are .invalid or of no class are not known."""
        found = read_kitti(frame.labels)
        assert found.grid is not None and found.grid.labels is not None
        return replace(found.grid, labels=np.where(found.scored, found.grid.labels, np.uint8(IGNORE)))

    def shots(self, frame: Frame) -> list[Shot]:
        """The left colour picture."""
        folder = self.root / "sequences" / frame.sequence
        K, world_to_cam = kitti_matrices(folder / "calib.txt", self.camera)
        return [Shot(f"image_{self.camera}", folder / f"image_{self.camera}" / f"{frame.id}.png", K, world_to_cam)]


class NYUFolder(CompletionFolder):
    """NYU as SSCNet voxelised it, with the pictures that MonoScene adds. The world is that of each volume: z up, metres."""

    name = "NYU"
    tree = "ROOT/NYUtest/NYU0001_0000.bin, NYU0001_0000_color.jpg and ROOT/NYUtrain alike; or ROOT/NYU0001_0000.bin"
    classes = NYU_CLASSES
    view = (0.5, 5.5, 60.0)

    def __init__(self, root: Path, split: Split = "all"):
        super().__init__(root)
        folders = {name: root / f"NYU{name}" for name in ("train", "test")}
        if any(folder.is_dir() for folder in folders.values()):
            chosen = list(folders.values()) if split == "all" else [folders["test" if split == "val" else split]]
        else:
            chosen = [root]  # one folder says nothing of splits
        for folder in chosen:
            self.frames += [Frame(path.stem, "", path.stem, path) for path in sorted(folder.glob("*.bin"))]
        self.checked()

    def grid(self, frame: Frame) -> VoxelGrid:
        """As the file has it."""
        return files.read_as(frame.labels, VoxelGrid, format="nyu")

    def shots(self, frame: Frame) -> list[Shot]:
        """The colour picture; the camera's pose is in the file of the volume."""
        to_world = nearest_rigid(nyu_pose(frame.labels))
        return [Shot("color", frame.labels.with_name(f"{frame.id}_color.jpg"), np.array(NYU_K), inverse_rigid(to_world), NYU_SIZE)]


class Occ3DFolder(CompletionFolder):
    """nuScenes as Occ3D has it. The world is the vehicle's frame when the lidar turned: x forward, y left, z up. root: that of
    annotations.json, or its folder gts."""

    name = "Occ3D-nuScenes"
    tree = "ROOT/gts/SCENE/TOKEN/labels.npz; ROOT/annotations.json and ROOT/imgs/CAM_FRONT/NAME.jpg (for predictions of pictures)"
    classes = OCC3D_CLASSES
    view = (1.0, 45.0, 70.0)

    def __init__(self, root: Path, split: Split = "all"):
        super().__init__(root if (root / "gts").is_dir() else root.absolute().parent)
        truths = root / "gts" if (root / "gts").is_dir() else root
        scenes = None
        if split != "all" and self.annotations_path.is_file():
            scenes = {*(self.annotations["train_split"] if split == "train" else self.annotations["val_split"])}
        for path in sorted(truths.glob("*/*/labels.npz")):
            scene, token = path.parts[-3:-1]
            if scenes is None or scene in scenes:
                self.frames.append(Frame(f"{scene}/{token}", scene, token, path))
        self.checked(root)

    def __getstate__(self) -> dict[str, Path | list[Frame]]:
        """Without the annotations, which are large: they are read again where another process wants them."""
        return {"root": self.root, "frames": self.frames}

    @property
    def annotations_path(self) -> Path:
        """The file of splits, cameras and poses."""
        return self.root / "annotations.json"

    @cached_property
    def annotations(self) -> Annotations:
        """Its content."""
        found: Annotations = read_json(self.annotations_path, "list of Occ3D's frames")
        if not isinstance(found, dict) or not {"train_split", "val_split", "scene_infos"} <= {*found}:
            raise FileFormatError(f"'{self.annotations_path}' is no list of frames.", expected="train_split, val_split and scene_infos")
        return found

    def grid(self, frame: Frame) -> VoxelGrid:
        """Cells that neither a camera nor the lidar sees are not known."""
        found = files.read_as(frame.labels, VoxelGrid)
        assert found.labels is not None
        seen = [mask for name, mask in found.masks.items() if name in ("camera", "lidar")]
        return replace(found, labels=np.where(np.any(seen, 0), found.labels, np.uint8(IGNORE))) if seen else found

    def shots(self, frame: Frame) -> list[Shot]:
        """The pictures of all cameras, CAM_FRONT first."""
        with parsing(f"'{self.annotations_path}': {frame.name}", "a frame with cameras and poses", hint=None):
            info = self.annotations["scene_infos"][frame.sequence][frame.id]
            sensors = info["camera_sensor"]
            return [self._shot(name, sensors[name], info) for name in sorted(sensors, key=lambda name: (name != "CAM_FRONT", name))]

    def _shot(self, name: str, sensor: Sensor, info: FrameInfo) -> Shot:
        where = str(self.annotations_path)
        places = [inside(self.root / "imgs", sensor["img_path"], where), inside(self.root, sensor["img_path"], where)]
        path = next((place for place in places if place.is_file()), places[0])
        # The camera shot at another time than the lidar turned: through the earth's frame to the vehicle of then.
        to_vehicle = inverse_rigid(_placed(info["ego_pose"])) @ _placed(sensor.get("ego_pose", info["ego_pose"]))
        K = np.array(sensor["intrinsics"] if "intrinsics" in sensor else sensor["intrinsic"], np.float64).reshape(3, 3)
        return Shot(name, path, K, inverse_rigid(to_vehicle @ _placed(sensor["extrinsic"])))


def _placed(pose: Pose) -> np.ndarray:
    """The motion [4, 4] of a translation and a rotation wxyz."""
    motion = np.eye(4)
    motion[:3, :3] = quaternion_to_rotation(pose["rotation"])
    motion[:3, 3] = np.asarray(pose["translation"], np.float64).reshape(3)
    return motion


def folder_kind(root: str | Path) -> type[KittiFolder] | type[NYUFolder] | type[Occ3DFolder] | None:
    """Which of these data sets a root holds, None where it is another thing.

    >>> folder_kind("examples") is None
    True
    """
    root = Path(root)
    if (root / "sequences").is_dir():
        return KittiFolder
    if (root / "gts").is_dir():
        return Occ3DFolder
    return NYUFolder if (root / "NYUtrain").is_dir() or (root / "NYUtest").is_dir() else None


def coarser(grid: VoxelGrid, factor: int) -> VoxelGrid:
    """Labels of cells `factor` times as large, as papers on NYU take them: where more than 95 % of the cells within are empty or not known,
    what most of these are, not known on a tie; else the most frequent class of the others, the lowest on a tie.

    >>> labels = np.zeros((2, 2, 2), np.uint8)
    >>> labels[0, 0] = 3, 255
    >>> coarser(VoxelGrid(labels=labels, classes=NYU_CLASSES), 2).labels.tolist()
    [[[3]]]
    """
    if factor == 1:
        return grid
    labels, classes = grid.labels, grid.classes
    assert labels is not None and classes is not None
    if any(size % factor for size in labels.shape):
        raise DataError("The grid has no whole number of larger cells.", expected=f"multiples of {factor}", actual=list(labels.shape))
    x, y, z = (size // factor for size in labels.shape)
    empty, unknown = classes.empty or 0, IGNORE if classes.ignore is None else classes.ignore
    found = np.flatnonzero(np.bincount(labels.reshape(-1)))
    solid = [int(label) for label in found if label not in (empty, unknown)]
    column = np.zeros(max(int(found[-1]), empty, unknown) + 1, np.int32)
    column[unknown], column[solid] = 1, np.arange(2, 2 + len(solid))
    kinds, cells = 2 + len(solid), np.arange(x * y * z, dtype=np.int32).reshape(x, 1, y, 1, z, 1)
    within = column[labels].reshape(x, factor, y, factor, z, factor) + kinds * cells
    counts = np.bincount(within.reshape(-1), minlength=kinds * x * y * z).reshape(x, y, z, kinds)
    hollow = counts[..., :2].sum(-1) > 0.95 * factor**3
    rest = np.where(counts[..., 0] > counts[..., 1], empty, unknown)
    chosen = np.array(solid, np.int64)[counts[..., 2:].argmax(-1)] if solid else rest
    return replace(grid, labels=np.where(hollow, rest, chosen).astype(labels.dtype), voxel_size=grid.voxel_size * factor)
