"""Pix2Vox at work: pictures of objects in, occupancy in the object's canonical frame out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from voxcli import config
from voxcli.errors import UsageError
from voxcli.models.base import FusesVolumes, Inputs, Predictor
from voxcli.models.pix2vox.coarse import check_context, check_volume
from voxcli.models.pix2vox.folded import Folded
from voxcli.models.pix2vox.network import Pix2Vox, Pix2VoxConfig, build, fuse, score_maps
from voxcli.models.pix2vox.preprocessing import Preparation, prepare
from voxcli.models.pix2vox.sizes import CELLS
from voxcli.models.pix2vox.spec import Pix2VoxOptions
from voxcli.models.weights import Weights
from voxcli.ops.cutting import Cut, cut_out
from voxcli.scene.types import VoxelGrid

if TYPE_CHECKING:
    from voxcli.provenance import Json, Meta

THRESHOLD = 0.4
"""Section 4.1; at or above it a cell is occupied. Weights may name one of their own."""


class Pix2VoxPredictor(Predictor[Pix2Vox | Folded, Pix2VoxOptions, VoxelGrid], FusesVolumes[Pix2VoxOptions]):
    """A trained network, folded for inference. Fusion and refiner compute in float32."""

    threshold: float = THRESHOLD

    @classmethod
    def build(cls, mapping: Mapping[str, Json], what: str) -> Pix2Vox:
        """The network of a configuration."""
        return build(config.from_mapping(Pix2VoxConfig, mapping, what))

    @classmethod
    def ready(cls, network: Pix2Vox | Folded, device: torch.device, dtype: torch.dtype) -> Folded:
        """The network with its normalisations folded in."""
        assert isinstance(network, Pix2Vox)
        return Folded(network, device, dtype).eval()

    @property
    def folded(self) -> Folded:
        """The network as it is used."""
        assert isinstance(self.network, Folded)
        return self.network

    def prepare(self, weights: Weights) -> None:
        """The threshold that the weights name."""
        self.threshold = _level(Pix2VoxOptions(threshold=weights.facts.get("threshold")), THRESHOLD)

    def predict(self, inputs: Sequence[Inputs], options: Pix2VoxOptions, batch_size: int = 1) -> Iterator[VoxelGrid]:
        """The volume of each object, in order, from one or more pictures of it each: occupancy [32, 32, 32] and its probabilities, float32.

        What was done to each picture stands in meta["pictures"].
        """
        how = Preparation(options.background or (240, 240, 240), options.crop or "auto", options.bbox)
        level = _level(options, self.threshold)
        if options.coarse and any(len(sample.pictures) != 1 for sample in inputs):
            raise UsageError("Coarse volumes are those of single pictures.", hint="Fuse them afterwards.")
        for group in _of_equal_counts(inputs, batch_size):
            prepared = [[_prepared(cut_out(each, options.cut, str(self.device)), how) for each in sample.pictures] for sample in group]
            images = torch.from_numpy(np.stack([np.stack([image for image, _ in each]) for each in prepared]))
            context, volumes = self.folded.coarse(images)
            if options.coarse:
                results, contexts = volumes[:, 0], context[:, 0, :-1].cpu().numpy()
            else:
                results, contexts = self.folded.refined(self.folded.fused(context, volumes, options.method)), None
            for place, facts in enumerate(prepared):
                meta = {"pictures": [each for _, each in facts], "threshold": level}
                yield volume_of(results[place], level, meta, None if contexts is None else contexts[place])

    def fuse_volumes(self, grids: Sequence[VoxelGrid], method: str, options: Pix2VoxOptions) -> tuple[VoxelGrid, np.ndarray | None]:
        """Fused volumes are refined where the network has a refiner. The score maps are those of equation (1)."""
        volumes, shares = _volumes(grids).to(self.device), None
        if method == "context":
            for grid in grids:
                check_context(grid, self.folded.config.decoder[-1])
            inner = torch.from_numpy(np.stack([grid.context for grid in grids if grid.context is not None])).float()[None].to(self.device)
            shares = score_maps(self.folded.scores(torch.cat([inner, volumes[:, :, None]], 2)))
        with torch.inference_mode():
            result = self.folded.refined(fuse(volumes, shares, method))
        level = _level(options, self.threshold)
        return volume_of(result[0], level, {"threshold": level}), None if shares is None else shares[0].cpu().numpy()

    @classmethod
    def fuse_without_network(cls, grids: Sequence[VoxelGrid], method: str, options: Pix2VoxOptions) -> VoxelGrid:
        """Of any occupancies of 32 cells a side."""
        if method == "context":
            raise UsageError("Fusing by context needs the network's scores.", hint="Name the model (-m), or choose --method mean.")
        level = _level(options, THRESHOLD)
        return volume_of(fuse(_volumes(grids), None, method)[0], level, {"threshold": level})

    def steps(self, files: Sequence[str], meta: Meta) -> Iterator[str]:
        """The crop of each picture."""
        for path, done in zip(files, meta["pictures"], strict=False):
            words = [f"crop {done['crop']}: pixels {done['part']}", "B, G, R", "bilinear to 224x224"]
            yield f"{path}: {', '.join(words)}, background on {done['painted']:.1%}, scaled to -1..1"


def _volumes(grids: Sequence[VoxelGrid]) -> Tensor:
    """The probabilities [1, V, 32, 32, 32] of coarse volumes."""
    for grid in grids:
        check_volume(grid)
    return torch.from_numpy(np.stack([_coarse_values(grid) for grid in grids]))[None]


def _prepared(cut: Cut, how: Preparation) -> tuple[np.ndarray, Meta]:
    """The network's input of a picture, and what was done to it. What was cut out here is framed by its mask, unless told otherwise."""
    if cut.facts and cut.picture.alpha is not None and how.crop == "auto" and how.bbox is None:
        how = replace(how, crop="box")
    image, facts = prepare(cut.picture, how)
    return image, facts | cut.meta


def _level(options: Pix2VoxOptions, usual: float) -> float:
    return usual if options.threshold is None else options.threshold


def volume_of(probabilities: Tensor, threshold: float, meta: Meta, context: np.ndarray | None = None) -> VoxelGrid:
    """The volume in the cube from -1/2 to 1/2, where ShapeNet's canonical models lie."""
    share = probabilities.float().cpu().numpy()
    size = np.full(3, 1 / CELLS)
    return VoxelGrid(share >= threshold, None, np.full(3, -0.5), size, None, meta, share, context)


def _coarse_values(grid: VoxelGrid) -> np.ndarray:
    return np.asarray(grid.values if grid.probabilities is None else grid.probabilities, np.float32)


def _of_equal_counts(samples: Sequence[Inputs], batch_size: int) -> Iterator[Sequence[Inputs]]:
    """Neighbours with the same number of pictures, at most `batch_size` of them at a time."""
    for _, same in groupby(samples, key=lambda each: len(each.pictures)):
        found = list(same)
        yield from (found[start : start + batch_size] for start in range(0, len(found), batch_size))
