"""UCLID-Net at work: pictures of an object in, points on its surface out, in the object's own cube."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from voxcli import config
from voxcli.errors import DataError, UsageError
from voxcli.models.base import FusesVolumes, Inputs, Predictor
from voxcli.models.uclid.folding import even_uv, random_uv
from voxcli.models.uclid.network import CELLS, SIZES, UCLID, UCLIDConfig, added, for_inference, occupied
from voxcli.models.uclid.preparation import prepare, projection_of, square_depth
from voxcli.models.uclid.spec import UCLIDOptions
from voxcli.models.uclid.views import view_grids
from voxcli.ops.cutting import cut_out
from voxcli.scene.types import Camera, PointCloud, VoxelGrid

if TYPE_CHECKING:
    from voxcli.provenance import Json, Meta

THRESHOLD = 0.35
"""tau of equation (4), which the paper leaves open: the published program's. A cell is occupied at or above it."""


class UCLIDPredictor(Predictor[UCLID, UCLIDOptions, PointCloud | VoxelGrid], FusesVolumes[UCLIDOptions]):
    """A trained network. Instance normalisation of few cells does not bear less than float32."""

    dtypes = ("float32",)
    threshold = THRESHOLD

    @classmethod
    def build(cls, mapping: Mapping[str, Json], what: str) -> UCLID:
        """The network of a configuration."""
        return UCLID(config.from_mapping(UCLIDConfig, mapping, what))

    @classmethod
    def ready(cls, network: UCLID, device: torch.device, dtype: torch.dtype) -> UCLID:
        """With a faster decoder."""
        network = super().ready(network, device, dtype)
        network.reconstruction.decoder = for_inference(network.reconstruction.decoder)
        return network

    def predict(self, inputs: Sequence[Inputs], options: UCLIDOptions, batch_size: int = 1) -> Iterator[PointCloud | VoxelGrid]:
        """The surface of each object, in order, from one or more pictures of it each, as points within [-1, 1]^3.

        Cameras and depths that are not given are regressed. A camera's world is the object's cube, and depth is in its units. What was
        given and what regressed stands in meta. An object of no occupied cell is an empty cloud, whose meta["highest"] is the highest
        occupancy. Raises DataError for cameras and depths that do not fit.
        """
        level = _level(options)
        if options.coarse and any(len(sample.pictures) != 1 for sample in inputs):
            raise UsageError("Coarse volumes are those of single pictures.", hint="Fuse them afterwards.")
        for sample in inputs:  # one at a time: the kernels' sums depend on the batch, in the last digit
            images, facts, projection, maps = self._inputs(sample, options.cut)
            with torch.inference_mode():
                grids = view_grids(self.network, images, projection, maps)
                owner = torch.zeros(len(sample.pictures), dtype=torch.int64, device=self.device)
                logits, codes = self.network.reconstruction.decode([added(grid, owner, 1) for grid in grids])
            source = {"camera": "regressed" if projection is None else "given", "depth": "regressed" if maps is None else "given"}
            if not self.network.config.depth_channels:
                source["depth"] = "not used"
            meta = {"pictures": facts, **source, "threshold": level}
            if options.coarse:
                yield _packed(logits[0], [grid[0] for grid in grids], meta, level)
            else:
                yield self._cloud(logits, codes, meta, options)

    def fuse_volumes(self, grids: Sequence[VoxelGrid], method: str, options: UCLIDOptions) -> tuple[PointCloud, None]:
        """The points of one object from the grids of several views (`predict --coarse`), which are added up and decoded together: there
        are no scores, and no other method."""
        if method != "context":
            raise UsageError("uclid fuses views by adding their grids, and in no other way.", actual=f"--method {method}")
        views = [_unpacked(grid, self.network.config) for grid in grids]
        with torch.inference_mode():
            total = [torch.stack(scale).sum(0, keepdim=True).to(self.device) for scale in zip(*views, strict=True)]
            logits, codes = self.network.reconstruction.decode(total)
        return self._cloud(logits, codes, {"threshold": _level(options), "views": len(grids)}, options), None

    def steps(self, files: Sequence[str], meta: Meta) -> Iterator[str]:
        """Camera, depth and cells; how each picture was made square."""
        if "cells" in meta:
            yield f"{files[0]}: camera {meta['camera']}, depth {meta['depth']}, {meta['cells']} cells of {meta['points']} points"
        for path, done in zip(files, meta["pictures"], strict=False):
            margins = "" if done["padded"] == [0, 0] else f"made square by {done['padded']} pixels on each side, "
            yield f"{path}: {margins}{done['side']}x{done['side']}, white on {done['painted']:.1%}"

    def _inputs(self, sample: Inputs, how: str | None) -> tuple[Tensor, list[Meta], Tensor | None, Tensor | None]:
        """(images [V, 3, S, S], what was done to each, projections [V, 3, 4] or None, depths [V, h, w] or None). how: to cut objects out;
        the squares around these are taken, unless cameras or depths are of whole pictures."""
        pictures, cameras, depths = sample.pictures, sample.cameras or (), sample.depths or ()
        cuts = [cut_out(picture, how, str(self.device)) for picture in pictures]
        cuts = cuts if cameras or depths else [cut.framed() for cut in cuts]
        prepared = [prepare(cut.picture, self.network.config.side) for cut in cuts]
        images = torch.stack([image for image, _ in prepared]).to(self.device)
        projection = maps = None
        if cameras:
            projection = torch.stack([projection_of(c, p) for c, p in zip(cameras, pictures, strict=True)]).to(self.device)
        if depths:
            known: Sequence[Camera | None] = cameras or [None] * len(pictures)
            squares = [square_depth(*each) for each in zip(depths, pictures, known, strict=True)]
            if len({s.shape for s in squares}) > 1:
                raise DataError("The depth maps of an object differ in size.", actual=sorted({tuple(s.shape) for s in squares}))
            maps = torch.stack(squares).to(self.device)
        return images, [facts | cut.meta for (_, facts), cut in zip(prepared, cuts, strict=True)], projection, maps

    def _cloud(self, logits: Tensor, codes: Tensor, meta: Meta, options: UCLIDOptions) -> PointCloud:
        count, seed = options.points, options.seed
        with torch.inference_mode():
            cells = occupied(logits, _level(options))
            uv = even_uv(count) if seed is None else random_uv(len(cells), count, torch.Generator().manual_seed(seed))
            points = self.network.reconstruction.points(codes, cells, uv.to(codes.device))
        facts: Meta = {**meta, "cells": len(cells), "points": count}
        if not len(cells):
            facts["highest"] = float(f"{float(torch.sigmoid(logits.max())):.4g}")
        return PointCloud(points.flatten(0, 1).cpu().numpy().astype(np.float32), meta=facts)


def _level(options: UCLIDOptions) -> float:
    return THRESHOLD if options.threshold is None else options.threshold


# ------------------------------------------------------------------------------------------------ grids of one view in a file


def _packed(logits: Tensor, grids: Sequence[Tensor], meta: Meta, level: float) -> VoxelGrid:
    """A view's occupancy, with the numbers of its grids G_1 .. G_4 one after another as `context` [C, 28, 28, 28], zeros at the end."""
    share = torch.sigmoid(logits).cpu().numpy()
    numbers = torch.cat([grid.flatten() for grid in grids]).cpu().numpy()
    whole = np.zeros(-(-len(numbers) // CELLS**3) * CELLS**3, np.float32)
    whole[: len(numbers)] = numbers
    context = whole.reshape(-1, CELLS, CELLS, CELLS)
    return VoxelGrid(share >= level, None, np.full(3, -1.0), np.full(3, 2 / CELLS), None, meta, share, context)


def _unpacked(grid: VoxelGrid, settings: UCLIDConfig) -> list[Tensor]:
    """The grids of one view, each [C_s, N_s, N_s, N_s]."""
    shapes = [(r + settings.depth_channels, n, n, n) for r, n in zip(settings.reduced, SIZES, strict=True)]
    lengths = [int(np.prod(shape)) for shape in shapes]
    given = 0 if grid.context is None else grid.context.size
    if grid.context is None or grid.context.shape[0] != -(-sum(lengths) // CELLS**3) or grid.values.shape != (CELLS,) * 3:
        raise DataError("The volume does not hold the grids of a view of this network.", expected=f"{sum(lengths)} numbers", actual=given,
                        hint="Write it with predict -m uclid --coarse, by the same weights.")  # fmt: skip
    parts = torch.from_numpy(grid.context.astype(np.float32)).flatten()[: sum(lengths)].split(lengths)
    return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
