"""Reader of ScanNet: a frame's picture, and the fruxels of its camera's frustum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from voxcli.datasets.scannet import BENCHMARK, LABELS, NYU40, ScanNetScene, nyu40_of_ids, scenes_of
from voxcli.errors import DataError
from voxcli.evaluation.readers.base import Reader, ReaderOptions, Sample
from voxcli.models.base import Inputs
from voxcli.ops.scannet_fruxels import FRUSTUM, camera_of, fruxels_of
from voxcli.scene import Frustum, Picture

if TYPE_CHECKING:
    from voxcli.metrics.base import Shape


@dataclass(frozen=True)
class ScanNetOptions(ReaderOptions):
    """split: of scannetv2_SPLIT.txt; all: every scene. step: every so many frames. classes: the twenty of the benchmark, or all of NYU40.
    size: fruxels in width, height and depth; z_near, z_far in metres, fov_x_deg: of the frustum."""

    split: Literal["train", "val", "all"] = "val"
    step: int = 100
    classes: Literal["benchmark", "nyu40"] = "benchmark"
    size: tuple[int, int, int] = (FRUSTUM.width, FRUSTUM.height, FRUSTUM.depth)
    z_near: float = FRUSTUM.z_near
    z_far: float = FRUSTUM.z_far
    fov_x_deg: float = FRUSTUM.fov_x_deg


class ScanNetReader(Reader[ScanNetOptions]):
    """Frames of scans. Their truth is fruxels; a prediction in another frustum is sampled at theirs."""

    tree = (
        "ROOT/scans/SCENE/SCENE.sens (or color/K.jpg, depth/K.png, pose/K.txt, intrinsic/intrinsic_color.txt, intrinsic_depth.txt); "
        f"ROOT/scans/SCENE/SCENE_vh_clean_2.labels.ply (or label-filt/K.png and ROOT/{LABELS}); ROOT/scannetv2_val.txt"
    )
    metric_grid = True
    Options = ScanNetOptions

    def __init__(self, root: Path, options: ScanNetOptions):
        super().__init__(root, options)
        self.frustum = Frustum(*options.size, options.z_near, options.z_far, options.fov_x_deg)
        self.ids = BENCHMARK if options.classes == "benchmark" else tuple(range(1, len(NYU40) + 1))
        self.places: list[tuple[Path, str]] = []
        folders = scenes_of(root, None if options.split == "all" else options.split)
        if not folders:
            raise DataError("There are no scenes of ScanNet.")
        for folder in folders:
            for name in _scene(folder).frames[:: options.step]:
                self.places.append((folder, name))
                self.samples.append(Sample(f"{folder.name}/{name}", id=name))

    def sources(self, index: int) -> Sequence[Path]:
        """The stream or the picture, and what says the labels."""
        folder, name = self.places[index]
        return _scene(folder).files(name)

    def inputs(self, index: int) -> Inputs:
        """The picture and its camera."""
        folder, name = self.places[index]
        frame = _scene(folder).frame(name)
        return Inputs.of(Picture(frame.image), camera=camera_of(frame))

    def truth(self, index: int, which: str) -> Shape | Path:
        """The fruxels."""
        folder, name = self.places[index]
        scene = _scene(folder)
        return fruxels_of(scene, name, camera_of(scene.frame(name)), self.frustum, self._of_raw(), self.ids)

    def truth_file(self, index: int, which: str) -> Path | None:
        """None: it is made of the sources."""
        return None

    def _of_raw(self) -> np.ndarray | None:
        return nyu40_of_ids(self.root) if (self.root / LABELS).is_file() else None


@lru_cache(maxsize=2)
def _scene(folder: Path) -> ScanNetScene:
    return ScanNetScene(folder)
