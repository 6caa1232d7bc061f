"""A frame of SemanticKITTI: the files of one scan that lie side by side (000123.bin, .label, .invalid, .occluded), and its camera."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from voxcli.errors import DataError, FileFormatError, UsageError
from voxcli.files import read_as, write
from voxcli.files.completion import KITTI_ORIGIN, KITTI_VOXEL
from voxcli.scene import Camera, VoxelGrid


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
    """The frame of any of its files: all that are there. Raises FileFormatError for a wrong size, UsageError where none is there."""
    base = Path(path).with_suffix("")
    if not any(base.with_suffix(s).exists() for s in (".bin", ".label")):
        raise UsageError(f"{base} has neither .bin nor .label.", expected="a frame of sequences/NN/voxels")
    there = {s: base.with_suffix(s) for s in (".bin", ".label", ".invalid", ".occluded") if base.with_suffix(s).exists()}
    grids = {s: read_as(path, VoxelGrid, format="kitti") for s, path in there.items()}
    scan, invalid, occluded = (grids[s].occupancy if s in grids else None for s in (".bin", ".invalid", ".occluded"))
    return KittiFrame(scan, grids.get(".label"), invalid, occluded)


def write_kitti(path: str | Path, frame: KittiFrame, overwrite: bool = False) -> None:
    """Write the files of a frame. Raises DataError for another grid or other classes, UsageError where a file exists."""
    base = Path(path).with_suffix("")
    if frame.grid is not None:
        write(base.with_suffix(".label"), frame.grid, overwrite=overwrite)
    for suffix, bits in ((".bin", frame.scan), (".invalid", frame.invalid), (".occluded", frame.occluded)):
        if bits is not None:
            grid = VoxelGrid(bits.astype(bool), origin=np.array(KITTI_ORIGIN), voxel_size=np.full(3, KITTI_VOXEL))
            write(base.with_suffix(suffix), grid, overwrite=overwrite)


def kitti_camera(path: Path, number: int, width: int, height: int) -> Camera:
    """The camera of KITTI's calib.txt for a picture of this size, from the lidar's frame."""
    K, world_to_cam = kitti_matrices(path, number)
    return Camera(K, width, height, world_to_cam)


def kitti_matrices(path: Path, number: int) -> tuple[np.ndarray, np.ndarray]:
    """K [3, 3] and world_to_cam [4, 4] of a camera in KITTI's calib.txt, from the lidar's frame.

    P2 [3, 4] = K [I | t] maps points of the first camera's frame, to which Tr [3, 4] moves those of the lidar.
    """
    try:
        lines = dict(line.split(":", 1) for line in path.read_text(encoding="ascii").splitlines() if ":" in line)
        P, Tr = (np.array(lines[name].split(), np.float64).reshape(3, 4) for name in (f"P{number}", "Tr"))
        motion = np.eye(4)
        motion[:3] = Tr
        motion[:3, 3] += np.linalg.solve(P[:, :3], P[:, 3])
        return P[:, :3], motion
    except (OSError, KeyError, ValueError, np.linalg.LinAlgError) as error:
        raise FileFormatError(f"'{path}' is no calib.txt of KITTI.", expected=f"lines P{number}: and Tr: of 12 numbers",
                              actual=f"{type(error).__name__}: {error}") from error  # fmt: skip
