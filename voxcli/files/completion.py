"""Voxel labels of semantic scene completion: SSCNet's NYU `.bin`, and SemanticKITTI's `.label` `.bin` `.invalid` `.occluded`.

A `.bin` of 262,144 bytes is SemanticKITTI's, one of 76 bytes and pairs of 8 NYU's, one of 16 bytes a point a scan (voxcli.files.lidar); a
scan of 16,384 points alone would have the size of another. A `.label` is of voxels, or of the points of a scan, told by size. Worlds stay
as in the files, z up: SemanticKITTI's grid is x forward, y left, z up in metres of the lidar's frame, origin (0, -25.6, -2.2), cells of
0.2 m.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from voxcli import log
from voxcli.errors import DataError, FileFormatError
from voxcli.files.binvox import occupied_cells
from voxcli.files.colmap import BINARY_NAMES, read_colmap
from voxcli.files.guard import parsing
from voxcli.files.lidar import beside, read_scan, with_labels
from voxcli.files.registry import Format, Options, register
from voxcli.files.source import Source
from voxcli.scene import Camera, Labels, PointCloud, VoxelGrid

NYU_SHAPE = (240, 144, 240)
"""As the file counts: across, up, forward. The grid that is read is [across, forward, up], as its origin and its camera are."""

NYU_VOXEL = 0.02
_NYU_HEADER = 19 * 4  # origin and camera pose, float32

NYU_CLASSES = Labels(
    ("empty", "ceiling", "floor", "wall", "window", "chair", "bed", "sofa", "table", "tvs", "furniture", "objects"), empty=0, ignore=255
)
"""The eleven classes that papers on NYU and ScanNet-like completion report, behind empty space."""

# Raw id 0..36 -> class above, as in SSCNet's released class map (36 ids and empty).
_NYU_MAP = np.array(
    [0, 1, 2, 3, 4, 11, 5, 6, 7, 8, 8, 10, 10, 10, 11, 11, 9, 8, 11, 11, 11, 11, 11, 11, 11, 11, 11, 10, 10, 11, 8, 10, 11, 9, 11, 11, 11],
    np.uint8,
)

KITTI_SHAPE = (256, 256, 32)
KITTI_VOXEL = 0.2
KITTI_ORIGIN = (0.0, -25.6, -2.2)

KITTI_CLASSES = Labels(
    (
        "empty", "car", "bicycle", "motorcycle", "truck", "other-vehicle", "person", "bicyclist", "motorcyclist", "road", "parking",
        "sidewalk", "other-ground", "building", "fence", "vegetation", "trunk", "terrain", "pole", "traffic-sign",
    ),
    empty=0, ignore=255,
)  # fmt: skip
"""The 19 classes of the completion benchmark, behind empty space."""

# Raw id -> class; moving things count as what they are. What is not named (outlier, other structure, other object) is ignored.
_KITTI_MAP = {
    0: 0, 10: 1, 11: 2, 13: 5, 15: 3, 16: 5, 18: 4, 20: 5, 30: 6, 31: 7, 32: 8, 40: 9, 44: 10, 48: 11, 49: 12, 50: 13, 51: 14, 60: 9,
    70: 15, 71: 16, 72: 17, 80: 18, 81: 19, 252: 1, 253: 7, 254: 6, 255: 8, 256: 5, 257: 5, 258: 4, 259: 5,
}  # fmt: skip
_KITTI_RAW = {0: 0, 1: 10, 2: 11, 3: 15, 4: 18, 5: 20, 6: 30, 7: 31, 8: 32, 9: 40, 10: 44, 11: 48, 12: 49, 13: 50, 14: 51, 15: 70, 16: 71,
              17: 72, 18: 80, 19: 81, 255: 1}  # fmt: skip

_KITTI_CELLS = 256 * 256 * 32
_KITTI_UNNAMED = (1, 52, 99)
"""Raw ids of the data set that belong to no class: outlier, other structure, other object."""


# --- NYU -------------------------------------------------------------------------------------------------------------------------


def read_nyu(source: Source, kind: str | None, options: Options, shape: tuple[int, int, int] = NYU_SHAPE) -> VoxelGrid:
    """Labels with NYU_CLASSES of one `.bin`: float32 origin [3] and camera [4, 4], then uint32 (label, count) pairs.

    Runs fill an array `shape` [x, up, forward] in C order, while the origin and the camera are of a world [x, forward, up]: the grid is
    returned in that world, z up; cells of 0.02 m; ignored cells are 255. The camera is meta["cam_to_world"].
    Raises FileFormatError where runs do not fill the grid or a label is neither 0..36 nor 255.
    """
    data = source.data
    if len(data) < _NYU_HEADER or (len(data) - _NYU_HEADER) % 8:
        raise FileFormatError(f"{source.name} is no voxel file of NYU.", expected="76 bytes and pairs of 8", actual=f"{len(data)} bytes")
    header, runs = np.frombuffer(data, "<f4", 19), np.frombuffer(data, "<u4", offset=_NYU_HEADER).reshape(-1, 2)
    if not np.isfinite(header).all():
        raise FileFormatError(f"{source.name}: origin and camera must be finite.")
    total, wanted = int(runs[:, 1].sum(dtype=np.uint64)), int(np.prod(shape))
    if total != wanted:
        raise FileFormatError(f"{source.name}: run lengths do not fill the grid.", expected=f"{wanted} cells", actual=total)
    ids = runs[:, 0]
    if len(bad := ids[(ids >= len(_NYU_MAP)) & (ids != 255)]):
        raise FileFormatError(f"{source.name} holds an unknown label.", expected="0..36 or 255", actual=int(bad[0]))
    classes = np.where(ids == 255, np.uint8(255), _NYU_MAP[np.minimum(ids, len(_NYU_MAP) - 1)])
    labels = np.ascontiguousarray(np.repeat(classes, runs[:, 1].astype(np.int64)).reshape(shape).swapaxes(1, 2))
    meta = {"cam_to_world": header[3:].reshape(4, 4).astype(np.float64).tolist()}
    return VoxelGrid(None, labels, header[:3].astype(np.float64), np.full(3, NYU_VOXEL), NYU_CLASSES, meta)


def nyu_pose(path: str | Path) -> np.ndarray:
    """The camera of an NYU `.bin`, cam_to_world [4, 4], without its volume. Raises FileFormatError where there is none."""
    with parsing(f"'{path}'", "a voxel file of NYU"), open(path, "rb") as file:
        pose = np.frombuffer(file.read(_NYU_HEADER), "<f4", 16, 12).reshape(4, 4).astype(np.float64)
    if not np.isfinite(pose).all():
        raise FileFormatError(f"'{path}': the camera must be finite.")
    return pose


# --- SemanticKITTI ---------------------------------------------------------------------------------------------------------------


def read_kitti(source: Source, kind: str | None, options: Options) -> VoxelGrid | PointCloud:
    """Labels with KITTI_CLASSES (255 = ignored) of a `.label` (raw ids, or training ids by `options.ids`), occupancy of its bit files, told
    apart by size: [256, 256, 32].

    Occupancy is, of a `.bin`, what the scan hit; of an `.invalid`, cells that no ray ever passed (left out of scores); of an
    `.occluded`, cells unseen from this scan. A `.label` of 4 bytes a point of its scan (velodyne/NAME.bin beside labels/) gives these
    points with labels. Raises FileFormatError for another size.
    """
    data = source.data
    scan = beside(source.path, "velodyne", ".bin") if source.name.endswith(".label") and len(data) != 2 * _KITTI_CELLS else None
    if scan is not None and len(data) * 4 == scan.stat().st_size:
        return _labelled(read_scan(Source.from_path(scan)), data, options, source.name)
    if len(data) not in (2 * _KITTI_CELLS, _KITTI_CELLS // 8):
        expected = f"{2 * _KITTI_CELLS} bytes of labels, {_KITTI_CELLS // 8} of bits, or 4 a point of velodyne/NAME.bin"
        raise FileFormatError(f"{source.name} is no file of SemanticKITTI.", expected=expected, actual=f"{len(data)} bytes")
    origin, size = np.array(KITTI_ORIGIN), np.full(3, KITTI_VOXEL)
    if len(data) == _KITTI_CELLS // 8:  # eight cells a byte, the first in the highest bit
        return VoxelGrid(np.unpackbits(np.frombuffer(data, np.uint8)).reshape(KITTI_SHAPE).astype(bool), None, origin, size)
    labels = kitti_labels(np.frombuffer(data, "<u2"), options.ids, source.name)
    return VoxelGrid(None, labels.reshape(KITTI_SHAPE), origin, size, KITTI_CLASSES)


def kitti_labels(ids: np.ndarray, kind: str | None, name: str) -> np.ndarray:
    """Ids of SemanticKITTI [N] as labels of KITTI_CLASSES, uint8 [N], 255 where they belong to no class. kind: "raw", "training" or None.

    Raises FileFormatError for training ids that are not stated to be: some of them are no raw ids, and no other ids are there.

    >>> kitti_labels(np.array([0, 10, 252, 99]), None, "a.label").tolist()
    [0, 1, 1, 255]
    """
    used = np.flatnonzero(np.bincount(ids)).tolist()
    beyond = [each for each in used if each >= len(KITTI_CLASSES.names) and each != 255]
    if kind == "training":
        if beyond:
            raise FileFormatError(f"{name} holds no training ids.", expected="0..19, or 255", actual=_listed(beyond),
                                  hint="--ids raw reads the ids of the data set.")  # fmt: skip
        return ids.astype(np.uint8)
    strange = [each for each in used if each not in _KITTI_MAP and each not in _KITTI_UNNAMED]
    if kind is None and strange and not beyond:
        raise FileFormatError(f"{name} holds training ids, not raw ids.", expected="raw ids: 10 is car, 40 is road, 50 is building",
                              actual=_listed(used), hint="--ids training reads them (convert, info, metrics iou).")  # fmt: skip
    if strange:
        log.warn(f"{name}: ids that SemanticKITTI does not have are ignored: {_listed(strange)}.")
    table = np.full(1 << 16, 255, np.uint8)
    table[list(_KITTI_MAP)] = list(_KITTI_MAP.values())
    labels: np.ndarray = table[ids]
    return labels


def _listed(ids: list[int]) -> str:
    return ", ".join(map(str, ids[:8])) + (", ..." if len(ids) > 8 else "")


def _labelled(cloud: PointCloud, data: bytes, options: Options, name: str) -> PointCloud:
    """The points of a scan with the classes of a `.label`, whose high halves are instances."""
    ids = (np.frombuffer(data, "<u4") & 0xFFFF).astype(np.int64)
    return with_labels(cloud, kitti_labels(ids, options.ids, name), ("unlabelled", *KITTI_CLASSES.names[1:]))


def read_bin(source: Source, kind: str | None, options: Options) -> VoxelGrid | PointCloud | list[tuple[str, Camera]]:
    """A `.bin` of either data set or of a scan, told by its size; the cameras of COLMAP by their name.

    The points of a scan have the labels of labels/NAME.label beside velodyne/, where it is there.
    """
    if source.path is not None and source.path.name in BINARY_NAMES:
        return read_colmap(source, kind, options)
    size = len(source.data)
    if source.name.lower().endswith(".pcd.bin") or (size % 16 == 0 and size != _KITTI_CELLS // 8):
        cloud, labels = read_scan(source), beside(source.path, "labels", ".label")
        if labels is None or labels.stat().st_size != 4 * len(cloud.points):
            return cloud
        return _labelled(cloud, Source.from_path(labels).data, options, str(labels))
    return (read_kitti if len(source.data) == _KITTI_CELLS // 8 else read_nyu)(source, kind, options)


def write_kitti(grid: VoxelGrid, options: Options) -> bytes:
    """The bytes of a `.label` (the benchmark's raw ids, classes matched by name, ignored cells as 1 = outlier, which reads back as
    ignored), or for other extensions the bits of occupied cells.

    Raises DataError for a grid of another shape or place, and for classes that the benchmark does not know.
    """
    here = np.allclose(grid.origin, KITTI_ORIGIN, atol=1e-3) and np.allclose(grid.voxel_size, KITTI_VOXEL, atol=1e-4)
    if grid.values.shape != KITTI_SHAPE or not here:
        raise DataError(
            "SemanticKITTI has one grid.", expected=f"{KITTI_SHAPE} cells of {KITTI_VOXEL} m from {KITTI_ORIGIN}",
            actual=f"{grid.values.shape} of {grid.voxel_size.tolist()} from {grid.origin.tolist()}",
        )  # fmt: skip
    if options.extension != ".label":
        return np.packbits(occupied_cells(grid, "SemanticKITTI's bits")).tobytes()
    if grid.labels is None or grid.classes is None:
        raise DataError("A .label holds classes, and these voxels have none.", hint="Occupancy is written as .bin.")
    raw: np.ndarray = _raw_ids(grid.labels, grid.classes)[grid.labels]
    return raw.tobytes()


def _raw_ids(labels: np.ndarray, classes: Labels) -> np.ndarray:
    """Raw id of every label that occurs."""
    raw = {name: _KITTI_RAW[i] for i, name in enumerate(KITTI_CLASSES.names)}
    table = np.zeros(1 << (8 * labels.dtype.itemsize), "<u2")
    for label in np.unique(labels).tolist():
        if label == classes.ignore:
            table[label] = _KITTI_RAW[255]
        elif label == classes.empty:
            table[label] = 0
        elif label < len(classes.names) and classes.names[label] in raw:
            table[label] = raw[classes.names[label]]
        else:
            name = classes.names[label] if label < len(classes.names) else f"label {label}"
            raise DataError(f"SemanticKITTI has no class '{name}'.", expected=", ".join(KITTI_CLASSES.names[1:]))
    return table


register(
    Format(
        "SemanticKITTI", (".label", ".invalid", ".occluded"), "voxels of a scan, 256 x 256 x 32; labels of its points (read)",
        reads=("voxels", "points"), kind_from_content=True, reader=read_kitti, writers={VoxelGrid: write_kitti}, names={"kitti": ".label"},
        searched=(".label",),
    )
)  # fmt: skip
register(
    Format(
        "BIN", (".bin",), "voxels of SemanticKITTI (bits); read: of NYU (runs), scans of a lidar, cameras of COLMAP",
        reads=("voxels", "points", "cameras"), kind_from_content=True, reader=read_bin, writers={VoxelGrid: write_kitti},
        searched=("images.bin beside cameras.bin",), searched_as=("cameras",),  # many other things are called .bin
    )
)  # fmt: skip
register(
    Format("NYU", (), "voxel labels of SSCNet's NYU", reads=("voxels",), kind_from_content=True, reader=read_nyu, names={"nyu": ".bin"})
)
