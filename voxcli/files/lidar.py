"""Scans of a lidar, point by point: velodyne/NAME.bin of KITTI, labels/NAME.label of SemanticKITTI, .pcd.bin of nuScenes.

A scan is x, y, z and intensity, float32 (nuScenes adds the ring), in metres of the lidar's frame, x forward, y left, z up. A `.label` is a
uint32 a point: the class in its low half, the instance in its high half.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from voxcli import log
from voxcli.errors import FileFormatError
from voxcli.files.source import Source
from voxcli.scene import Labels, PointCloud

_FARTHEST = 1e4
"""Metres. No lidar measures so far: such numbers are no coordinates."""


def read_scan(source: Source) -> PointCloud:
    """The points of a scan, with the ids of a `.label` of its name, where there is one (see `with_labels`). Intensities are left out.

    Raises FileFormatError for what is no scan.
    """
    columns = 5 if source.name.lower().endswith(".pcd.bin") else 4
    data = source.data
    if len(data) % (4 * columns):
        raise FileFormatError(f"{source.name} is no scan of a lidar.", expected=f"{columns} float32 a point", actual=f"{len(data)} bytes")
    points = np.frombuffer(data, "<f4").reshape(-1, columns)
    if not (np.abs(points[:, :3]) < _FARTHEST).all():
        raise FileFormatError(f"{source.name} is no scan of a lidar.", expected="x, y, z in metres", actual="numbers that are no places")
    log.warn(f"{source.name}: x, y and z are read; {'intensity' if columns == 4 else 'intensity and ring'} left out.")
    return PointCloud(np.ascontiguousarray(points[:, :3]))


def beside(path: Path | None, folder: str, suffix: str) -> Path | None:
    """The file that belongs to one of a scan's files: in the folder beside its own, or in its own; None where there is none."""
    if path is None:
        return None
    places = path.parent.parent / folder / f"{path.stem}{suffix}", path.with_suffix(suffix)
    return next((each for each in places if each != path and each.is_file()), None)


def with_labels(cloud: PointCloud, labels: np.ndarray, names: tuple[str, ...]) -> PointCloud:
    """The points with labels [N], 255 where a point has no class. names: of the labels; the first stands for no label, too, and is ignored.

    >>> with_labels(PointCloud(np.eye(3)), np.array([1, 255, 0], np.uint8), ("unlabelled", "car")).labels.tolist()
    [1, 0, 0]
    """
    known = np.where(labels == 255, np.uint8(0), labels)
    return PointCloud(cloud.points, labels=known, classes=Labels(names, empty=None, ignore=0))
