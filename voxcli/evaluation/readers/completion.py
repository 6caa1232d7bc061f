"""Readers of scene completion: SemanticKITTI, NYU, and nuScenes as Occ3D has it. What a network sees in its frustum is scored in their
grids of metres."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Generic, Literal

import numpy as np

from voxcli.config import Value
from voxcli.datasets.scene_completion import CompletionFolder, Frame, KittiFolder, NYUFolder, Occ3DFolder, coarser
from voxcli.errors import VoxcliError
from voxcli.evaluation.readers.base import OptionsT, Reader, ReaderOptions, Sample
from voxcli.files.completion import NYU_SHAPE
from voxcli.files.keyed import OCC3D_ORIGIN, OCC3D_SHAPE, OCC3D_VOXEL
from voxcli.geometry.fusion import fuse_views
from voxcli.models.base import Inputs
from voxcli.scene import FruxelGrid, VoxelGrid

if TYPE_CHECKING:
    from voxcli.metrics.base import Shape
    from voxcli.metrics.iqtt import Answers


class CompletionReader(Reader[OptionsT], Generic[OptionsT]):
    """Frames of a data set. Their truth is the file of the grid."""

    metric_grid = True
    folder: CompletionFolder

    def opened(self, folder: CompletionFolder) -> None:
        """Take the frames of a folder as samples."""
        self.folder = folder
        self.samples = [Sample(frame.name, frame.sequence, frame.id) for frame in folder.frames]

    def sources(self, index: int) -> Sequence[Path]:
        """The pictures that are there: predictions in files need none, nor what says where cameras stand."""
        try:
            shots = self.folder.shots(self.folder.frames[index])
        except VoxcliError:
            return []
        return [shot.path for shot in shots if shot.path.is_file()]

    def inputs(self, index: int) -> Inputs:
        """The pictures of the frame, with their cameras in the grid's world."""
        pictures, cameras = zip(*(shot.read() for shot in self.folder.shots(self.folder.frames[index])), strict=True)
        return Inputs(pictures, cameras)

    def truth(self, index: int, which: str) -> Shape | Answers | Path:
        """The file of the labels."""
        return self.folder.frames[index].labels


@dataclass(frozen=True)
class KittiOptions(ReaderOptions):
    """sequences: which to score; those that are not there are left out. step: every so many frames of those with labels. camera: the
    pictures' folder and their matrix in calib.txt are image_N and PN."""

    sequences: tuple[str, ...] = ("08",)
    step: int = 1
    camera: int = 2


class KittiReader(CompletionReader[KittiOptions]):
    """Frames of SemanticKITTI's completion benchmark, in the lidar's frame; cells marked .invalid are left out."""

    tree = KittiFolder.tree
    Options = KittiOptions

    def __init__(self, root: Path, options: KittiOptions):
        super().__init__(root, options)
        self.opened(KittiFolder(root, sequences=options.sequences, step=options.step, camera=options.camera))

    def scored(self, index: int) -> Mapping[str, Value]:
        """The file of the cells that no ray has passed."""
        path = self.folder.frames[index].labels.with_suffix(".invalid")
        return {"mask_out_file": str(path)} if path.is_file() else {}


@dataclass(frozen=True)
class NYUOptions(ReaderOptions):
    """split: the folder NYUtest or NYUtrain, where the root has these. coarse: so many cells of 2 cm along a side are scored as one."""

    split: Literal["train", "test", "all"] = "test"
    coarse: int = 4


class NYUReader(CompletionReader[NYUOptions]):
    """Rooms of NYU, each in a world of its own. A prediction of the file's own cells is made as coarse as the truth."""

    tree = NYUFolder.tree
    Options = NYUOptions

    def __init__(self, root: Path, options: NYUOptions):
        super().__init__(root, options)
        self.opened(NYUFolder(root, options.split))

    def sources(self, index: int) -> Sequence[Path]:
        """The file of the volume, and the picture."""
        return [self.folder.frames[index].labels, *super().sources(index)]

    def truth(self, index: int, which: str) -> Shape | Answers | Path:
        """The volume in larger cells."""
        return _coarse_volume(self.folder, self.folder.frames[index], self.options.coarse)

    def truth_file(self, index: int, which: str) -> Path | None:
        """None: it is made of the sources."""
        return None

    def part(self, made: Shape | Answers, index: int) -> Shape | Answers:
        """Itself, in larger cells where it has those of the file."""
        across, up, forward = NYU_SHAPE
        fine = isinstance(made, VoxelGrid) and made.labels is not None and made.labels.shape == (across, forward, up)
        return coarser(made, self.options.coarse) if isinstance(made, VoxelGrid) and fine else made


@lru_cache(maxsize=1)
def _coarse_volume(folder: CompletionFolder, frame: Frame, factor: int) -> VoxelGrid:
    """The volume of a frame, which is asked for several times."""
    return coarser(folder.grid(frame), factor)


@dataclass(frozen=True)
class Occ3DOptions(ReaderOptions):
    """split: of annotations.json; where there is none, all scenes. method: how what several cameras see becomes one grid, see
    `voxcli.geometry.fusion`."""

    split: Literal["train", "val", "all"] = "val"
    method: Literal["bayes", "vote", "mean"] = "bayes"


class Occ3DReader(CompletionReader[Occ3DOptions]):
    """Frames of nuScenes, six pictures each. Each picture is predicted alone; in each cell of the grid the cameras that have it in their
    frustum are fused: what a camera says counts fully up to its own first surface, and a quarter behind it. The rest is free."""

    tree = Occ3DFolder.tree
    apart = True
    Options = Occ3DOptions

    def __init__(self, root: Path, options: Occ3DOptions):
        super().__init__(root, options)
        self.opened(Occ3DFolder(root, options.split))

    def joined(self, made: Sequence[Shape], index: int) -> Shape:
        """The fused grid of the vehicle's surroundings."""
        views = [each for each in made if isinstance(each, FruxelGrid)]
        if len(views) < len(made):
            return super().joined(made, index)
        grid = fuse_views(views, OCC3D_SHAPE, OCC3D_ORIGIN, OCC3D_VOXEL, self.options.method).grid
        assert grid.labels is not None and grid.classes is not None
        empty = np.uint8(grid.classes.empty or 0)
        return VoxelGrid(None, np.where(grid.labels == grid.classes.ignore, empty, grid.labels), grid.origin, grid.voxel_size, grid.classes)
