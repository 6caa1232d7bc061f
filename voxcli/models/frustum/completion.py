"""Data sets of scene completion as samples of streets: a picture as the frustum's camera would have taken it, and its fruxels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from voxcli.datasets.scene_completion import IGNORE, CompletionFolder, Frame, KittiFolder, Shot, Split, folder_kind
from voxcli.errors import DataError
from voxcli.geometry.regrid import cells_of_fruxels
from voxcli.models.frustum.fitting import fit, leave_out
from voxcli.scene import Camera, Frustum, FruxelGrid, Picture, VoxelGrid


@dataclass(frozen=True)
class CompletionOptions:
    """A recipe's `dataset` for such data. split: the official one. step: every so many frames. z_near, z_far in metres, fov_x_deg: of the
    frustum; None: those of the data set. size: columns, rows and slices of fruxels, picture_scale: pixels a column; they follow from
    the network."""

    split: Split = "train"
    step: int = 1
    z_near: float | None = None
    z_far: float | None = None
    fov_x_deg: float | None = None
    size: tuple[int, int, int] = (128, 96, 96)
    picture_scale: int = 2


class CompletionSamples:
    """Every picture of every frame of a split, with the fruxels that its camera has before it: a source of a StreetFolder.

    A fruxel has the class of the cell that holds its centre. It is left out beyond the grid, where the data know nothing, and in columns
    that the picture does not show. Raises DataError with the expected tree where there is no frame, or none with a picture.
    """

    jitter = 0.0
    meta = ""

    def __init__(self, root: str | Path, options: CompletionOptions):
        self.path = Path(root)
        kind = folder_kind(root)
        if kind is None:
            raise DataError(f"'{root}' holds no data of scene completion.", expected=KittiFolder.tree)
        self.folder: CompletionFolder = kind(self.path, options.split)
        near, far, fov = kind.view
        self.frustum = Frustum(*options.size, options.z_near or near, options.z_far or far, options.fov_x_deg or fov)
        self.classes, self.scale = kind.classes, options.picture_scale
        self.items: list[tuple[Frame, Shot]] = []
        for frame in self.folder.frames[:: options.step]:
            self.items += [(frame, shot) for shot in self.folder.shots(frame) if shot.path.is_file()]
        if not self.items:
            raise DataError(f"'{root}' holds labels of {kind.name} but no picture of them.", expected=kind.tree)
        several = len({shot.name for _, shot in self.items}) > 1
        self.names = [f"{frame.name}/{shot.name}" if several else frame.name for frame, shot in self.items]

    def columns(self) -> int:
        """Columns of pixels of the pictures."""
        return self.scale * self.frustum.width

    def frustum_of(self, index: int) -> Frustum:
        """The one of all samples."""
        return self.frustum

    def poses_text(self, index: int) -> str:
        """There are no poses."""
        return ""

    def read(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """image [H, W, 3] and labels [D, H, W], uint8."""
        frame, shot = self.items[index]
        picture, camera = shot.read()
        image, grid = fruxels_before(picture, camera, self.folder.grid(frame), self.frustum, self.scale)
        return image, grid.labels


def fruxels_before(
    picture: Picture, camera: Camera, grid: VoxelGrid, frustum: Frustum, scale: int
) -> tuple[np.ndarray, FruxelGrid]:  # fmt: skip
    """The picture [scale H, scale W, 3] uint8 as the frustum's camera would have taken it, and the fruxels of a grid that has 255 where
    nothing is known."""
    assert grid.labels is not None and grid.classes is not None
    cells = _cells(frustum, camera.world_to_cam.tobytes(), grid.labels.shape, grid.origin.tobytes(), grid.voxel_size.tobytes())
    labels = np.append(grid.labels.reshape(-1), np.uint8(IGNORE))[cells]  # the last one is -1: beyond the grid
    fitted = fit(picture, frustum, scale=scale, camera=camera)
    leave_out(labels, fitted.unseen, grid.classes)
    return fitted.image, FruxelGrid(labels, frustum, camera.world_to_cam, grid.classes)


@lru_cache(maxsize=12)
def _cells(frustum: Frustum, world_to_cam: bytes, shape: tuple[int, ...], origin: bytes, voxel_size: bytes) -> np.ndarray:
    """`cells_of_fruxels`, once for all frames of one camera, int32."""
    motion, place, size = (np.frombuffer(each, np.float64) for each in (world_to_cam, origin, voxel_size))
    return cells_of_fruxels(frustum, motion.reshape(4, 4), shape, place, size).astype(np.int32)


def has_split(root: str | Path, split: Split) -> bool:
    """Whether a root is of such data and has frames of a split of its own."""
    kind = folder_kind(root)
    try:
        return kind is not None and len(kind(Path(root), split).frames) > 0
    except DataError:
        return False
