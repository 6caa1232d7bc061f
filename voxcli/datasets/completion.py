"""Voxel labels of semantic scene completion: SSCNet's NYU `.bin`, and the four files a frame of SemanticKITTI.

Functions rather than registered formats: `.bin` alone tells neither of them, and SemanticKITTI needs files side by side.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from voxcli.errors import DataError, FileFormatError, UsageError
from voxcli.files import atomic_write_bytes
from voxcli.scene import Labels, VoxelGrid

NYU_SHAPE = (240, 144, 240)
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


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read.", actual=error.strerror) from error


# --- NYU -------------------------------------------------------------------------------------------------------------------------


def read_nyu(path: str | Path, shape: tuple[int, int, int] = NYU_SHAPE) -> tuple[VoxelGrid, np.ndarray]:
    """(labels with NYU_CLASSES, cam_to_world [4, 4]) of one `.bin`: float32 origin [3] and camera [4, 4], then uint32 (label, count) pairs.

    Runs fill the array in C order. Axes stay as in the file, cells of 0.02 m from its origin. Ignored cells are 255.
    Raises FileFormatError where runs do not fill the grid or a label is neither 0..36 nor 255.
    """
    path = Path(path)
    data = _bytes(path)
    if len(data) < _NYU_HEADER or (len(data) - _NYU_HEADER) % 8:
        raise FileFormatError(f"{path} is no voxel file of NYU.", expected="76 bytes and pairs of 8", actual=f"{len(data)} bytes")
    header, runs = np.frombuffer(data, "<f4", 19), np.frombuffer(data, "<u4", offset=_NYU_HEADER).reshape(-1, 2)
    if not np.isfinite(header).all():
        raise FileFormatError(f"{path}: origin and camera must be finite.")
    total, wanted = int(runs[:, 1].sum(dtype=np.uint64)), int(np.prod(shape))
    if total != wanted:
        raise FileFormatError(f"{path}: run lengths do not fill the grid.", expected=f"{wanted} cells", actual=total)
    ids = runs[:, 0]
    if len(bad := ids[(ids >= len(_NYU_MAP)) & (ids != 255)]):
        raise FileFormatError(f"{path} holds an unknown label.", expected="0..36 or 255", actual=int(bad[0]))
    classes = np.where(ids == 255, np.uint8(255), _NYU_MAP[np.minimum(ids, len(_NYU_MAP) - 1)])
    labels = np.repeat(classes, runs[:, 1].astype(np.int64)).reshape(shape)
    grid = VoxelGrid(labels=labels, origin=header[:3].astype(np.float64), voxel_size=np.full(3, NYU_VOXEL), classes=NYU_CLASSES)
    return grid, header[3:].reshape(4, 4).astype(np.float64)


# --- SemanticKITTI ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class KittiFrame:
    """One frame, arrays [256, 256, 32] (x forward, y left, z up, metres of the lidar's frame).

    scan: input occupancy of `.bin`. grid: labels of `.label` with KITTI_CLASSES, 255 = ignore, or None (test sequences have none).
    invalid: cells that no ray has ever passed, left out of scores. occluded: cells unseen from this scan. None where a file is absent.
    """

    scan: np.ndarray | None
    grid: VoxelGrid | None
    invalid: np.ndarray | None
    occluded: np.ndarray | None

    @property
    def scored(self) -> np.ndarray:
        """Which cells the benchmark scores, bool: neither ignored nor invalid. Raises DataError without labels."""
        if self.grid is None or self.grid.labels is None:
            raise DataError("A frame without labels has no cells to score.")
        kept = self.grid.labels != 255
        return kept if self.invalid is None else kept & ~self.invalid


def read_kitti(path: str | Path) -> KittiFrame:
    """The frame of any of its files (000123.bin, .label, .invalid, .occluded): all that are there. Raises FileFormatError by size."""
    base = Path(path).with_suffix("")
    if not any(base.with_suffix(s).exists() for s in (".bin", ".label")):
        raise UsageError(f"{base} has neither .bin nor .label.", expected="a frame of sequences/NN/voxels")
    label = base.with_suffix(".label")
    grid = _read_labels(label) if label.exists() else None
    return KittiFrame(_read_bits(base.with_suffix(".bin")), grid, *(_read_bits(base.with_suffix(s)) for s in (".invalid", ".occluded")))


def _read_bits(path: Path) -> np.ndarray | None:
    """Eight cells a byte, the first in the highest bit."""
    if not path.exists():
        return None
    data = _bytes(path)
    if len(data) * 8 != np.prod(KITTI_SHAPE):
        raise FileFormatError(f"{path} has the wrong size.", expected=f"{int(np.prod(KITTI_SHAPE)) // 8} bytes", actual=len(data))
    return np.unpackbits(np.frombuffer(data, np.uint8)).reshape(KITTI_SHAPE).astype(bool)


def _read_labels(path: Path) -> VoxelGrid:
    data = _bytes(path)
    if len(data) != 2 * np.prod(KITTI_SHAPE):
        raise FileFormatError(f"{path} has the wrong size.", expected=f"{2 * int(np.prod(KITTI_SHAPE))} bytes", actual=len(data))
    table = np.full(1 << 16, 255, np.uint8)
    table[list(_KITTI_MAP)] = list(_KITTI_MAP.values())
    labels = table[np.frombuffer(data, "<u2")].reshape(KITTI_SHAPE)
    return VoxelGrid(labels=labels, origin=np.array(KITTI_ORIGIN), voxel_size=np.full(3, KITTI_VOXEL), classes=KITTI_CLASSES)


def write_kitti(path: str | Path, frame: KittiFrame, overwrite: bool = False) -> None:
    """Write the files of a frame. Labels go out as the benchmark's raw ids; ignored cells as 1 (outlier), which reads back as ignored.

    Raises DataError for another grid or other classes, UsageError where a file exists.
    """
    base, files = Path(path).with_suffix(""), {}
    for suffix, bits in ((".bin", frame.scan), (".invalid", frame.invalid), (".occluded", frame.occluded)):
        if bits is not None:
            if bits.shape != KITTI_SHAPE:
                raise DataError(f"{suffix} has the wrong shape.", expected=KITTI_SHAPE, actual=bits.shape)
            files[suffix] = np.packbits(bits.astype(bool)).tobytes()
    if frame.grid is not None:
        labels = frame.grid.labels
        if labels is None or labels.shape != KITTI_SHAPE or frame.grid.classes != KITTI_CLASSES:
            raise DataError("Labels of SemanticKITTI have 256 x 256 x 32 cells and its 19 classes.", actual=frame.grid.values.shape)
        if not np.isin(labels, list(_KITTI_RAW)).all():
            raise DataError("A label is neither a class nor 255.", actual=int(labels.max()))
        table = np.zeros(256, "<u2")
        table[list(_KITTI_RAW)] = list(_KITTI_RAW.values())
        files[".label"] = table[labels].tobytes()
    for suffix, data in files.items():
        atomic_write_bytes(base.with_suffix(suffix), data, overwrite)
