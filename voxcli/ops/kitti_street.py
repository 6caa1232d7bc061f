"""From SemanticKITTI's completion data to a street folder that `voxcli train` reads, in the far frustum, with the street classes. A sample
is called SEQUENCE_FRAME. What the lidar knows nothing of is left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from voxcli import files
from voxcli.datasets.completion import kitti_camera, read_kitti
from voxcli.errors import DataError
from voxcli.models.frustum.completion import fruxels_before
from voxcli.ops.street_folders import SCALE, Sample, write_street
from voxcli.scene import FRUSTUM_PRESETS, Camera, FruxelGrid, Labels, Picture

FRUSTUM = FRUSTUM_PRESETS["far"]
CLASSES = {
    "empty": "air", "car": "car", "truck": "truck", "other-vehicle": "bus", "person": "person", "bicyclist": "person",
    "motorcyclist": "person", "bicycle": "bicycle", "motorcycle": "bicycle", "road": "ground", "parking": "ground", "sidewalk": "ground",
    "other-ground": "ground", "terrain": "ground", "building": "building", "fence": "building", "pole": "building",
    "traffic-sign": "building", "vegetation": "tree", "trunk": "tree",
}  # fmt: skip
"""Class of the benchmark -> street class."""


def is_kitti_folder(path: str | Path) -> bool:
    """True for a root that holds `sequences`."""
    return (Path(path) / "sequences").is_dir()


def kitti_frames(root: str | Path) -> list[Path]:
    """The .label files of all frames that have a picture. Raises DataError where there are none."""
    found = sorted(Path(root).glob("sequences/*/voxels/*.label"))
    found = [path for path in found if _picture_of(path).is_file()]
    if not found:
        raise DataError(f"{root} holds no frame with labels and a picture.",
                        expected="sequences/NN/voxels/*.label, sequences/NN/image_2/*.png and calib.txt")  # fmt: skip
    return found


def _picture_of(path: Path) -> Path:
    return path.parents[1] / "image_2" / f"{path.stem}.png"


def street_from_kitti(
    frames: list[Path], out_dir: str | Path, overwrite: bool = False, progress: Callable[[int], None] | None = None
) -> None:
    """Write frames as the samples of a street folder. progress: called with 1 after each."""

    def sample(path: Path) -> Sample:
        picture = files.read_as(_picture_of(path), Picture)
        height, width = picture.rgb.shape[:2]
        camera = kitti_camera(path.parents[1] / "calib.txt", 2, width, height)
        return (f"{path.parents[1].name}_{path.stem}", *street_sample(path, picture, camera))

    write_street(map(sample, frames), out_dir, overwrite, progress)


def street_sample(path: Path, picture: Picture, camera: Camera) -> tuple[np.ndarray, FruxelGrid]:
    """The picture [2 H, 2 W, 3] uint8 and the fruxels of one frame, whose camera stands in the lidar's frame.

    A fruxel takes the class of the voxel that holds its centre. It is left out beyond the box of the labels, where they are 255 or
    .invalid, and in columns that the picture does not show.
    """
    frame = read_kitti(path)
    assert frame.grid is not None and frame.grid.labels is not None and frame.grid.classes is not None
    street = Labels()
    table = np.full(256, 255, np.uint8)
    table[: len(frame.grid.classes.names)] = [street.names.index(CLASSES[name]) for name in frame.grid.classes.names]
    labels = table[frame.grid.labels]
    labels[~frame.scored] = 255
    return fruxels_before(picture, camera, replace(frame.grid, labels=labels, classes=street), FRUSTUM, SCALE)
