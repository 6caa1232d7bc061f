"""UCLID-Net at work: pictures of an object in, points on its surface out, in the object's own cube."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from voxcli import backend, config
from voxcli.errors import DataError, FileFormatError, UsageError
from voxcli.models.offers import Offers
from voxcli.models.uclid.folding import even_uv, random_uv
from voxcli.models.uclid.network import CELLS, SIZES, UCLID, UCLIDConfig, added, for_inference, occupied
from voxcli.models.uclid.preparation import prepare, projection_of, square_depth
from voxcli.models.uclid.views import view_grids
from voxcli.models.weights import Weights, load_weights
from voxcli.scene.types import Camera, DepthMap, Picture, PointCloud, VoxelGrid

OFFERS = Offers(
    "PointCloud", frozenset({"camera", "depth", "threshold", "points", "coarse"}), several_views=True, frame="object, +y up",
    units="half of the object's longest side",
)  # fmt: skip

THRESHOLD = 0.35
"""tau of equation (4), which the paper leaves open: the published program's. A cell is occupied above it."""

POINTS = 50
"""Points in each occupied cell; the evaluation of the paper draws as many."""


@dataclass(frozen=True)
class Predictor:
    """A trained network and where it computes; always in float32."""

    network: UCLID
    model: str
    device: torch.device
    dtype: torch.dtype


def load_predictor(weights: str | Path | Weights = "uclid", device: str = "auto", dtype: str = "auto") -> Predictor:
    """A predictor from a weights file, the name of shipped weights, or weights in memory.

    It computes in float32 whatever `auto` means elsewhere: instance normalisation of few cells does not bear less.
    """
    name = "The weights" if isinstance(weights, Weights) else f"'{weights}'"
    if not isinstance(weights, Weights):
        weights = load_weights(weights)
    if weights.model != "uclid":
        raise FileFormatError(f"{name}: weights of another model.", expected="uclid", actual=weights.model)
    where = backend.pick_device(device)
    if dtype != "auto" and backend.pick_dtype(dtype, where) != torch.float32:
        raise UsageError("uclid computes in float32.", actual=f"--dtype {dtype}")
    with torch.device("meta"):
        network = UCLID(config.from_mapping(UCLIDConfig, weights.config, f"{name}: configuration"))
    try:
        network.load_state_dict(weights.tensors, assign=True)
    except (RuntimeError, KeyError, TypeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise FileFormatError(f"{name}: weights that do not fit their own configuration.", actual=reason) from error
    if where.type == "cpu":
        backend.keep_freed_memory()
    network = network.eval().requires_grad_(False).to(where)
    network.reconstruction.decoder = for_inference(network.reconstruction.decoder)
    return Predictor(network, weights.model, where, torch.float32)


def predict(
    predictor: Predictor, samples: Sequence[Sequence[Picture]], *, camera: Sequence[Camera] | None = None,
    depth: Sequence[DepthMap] | None = None, threshold: float | None = None, points: int = POINTS, coarse: bool = False,
    batch_size: int = 1, seed: int | None = None,
) -> Iterator[PointCloud | VoxelGrid]:  # fmt: skip
    """The surface of each object, in order, from one or more pictures of it each, as points within [-1, 1]^3.

    camera, depth: of each picture, in the order of the samples; None: regressed. A camera's world is the object's cube, and depth is in
    its units. threshold: cells are occupied above it (0.35). points: in each occupied cell, evenly over its patch, or with a seed drawn
    from U[0, 1]^2. coarse: each picture's grids in place of points, for `fuse_volumes`. What was given and what regressed stands in meta.
    An object of no occupied cell is an empty cloud, whose meta["highest"] is the highest occupancy. Raises DataError for
    cameras and depths that do not fit.
    """
    level = checked_threshold(threshold)
    if points < 1:
        raise UsageError("A cell holds at least one point.", actual=points)
    if coarse and any(len(pictures) != 1 for pictures in samples):
        raise UsageError("Coarse volumes are those of single pictures.", hint="Fuse them afterwards.")
    start = 0
    for first in range(0, len(samples), batch_size):
        group = samples[first : first + batch_size]
        count = sum(map(len, group))
        cameras = None if camera is None else camera[start : start + count]
        depths = None if depth is None else depth[start : start + count]
        start += count
        images, facts, projection, maps = _inputs(predictor, [p for each in group for p in each], cameras, depths)
        with torch.inference_mode():
            grids = view_grids(predictor.network, images, projection, maps)
            owner = torch.repeat_interleave(torch.arange(len(group)), torch.tensor([len(each) for each in group])).to(predictor.device)
            logits, codes = predictor.network.reconstruction.decode([added(grid, owner, len(group)) for grid in grids])
        source = {"camera": "regressed" if camera is None else "given", "depth": "regressed" if depth is None else "given"}
        if not predictor.network.config.depth_channels:
            source["depth"] = "not used"
        place = 0
        for k, pictures in enumerate(group):
            meta = {"pictures": facts[place : place + len(pictures)], **source, "threshold": level}
            place += len(pictures)
            if coarse:
                yield _packed(logits[k], [grid[k] for grid in grids], meta, level)
            else:
                yield _cloud(predictor, logits[k : k + 1], codes[k : k + 1], meta, level, points, seed)


def fuse_volumes(
    predictor: Predictor | None, grids: Sequence[VoxelGrid], method: str = "context", threshold: float | None = None,
    points: int = POINTS,
) -> tuple[PointCloud, None]:
    """The points of one object from the grids of several views (`predict --coarse`), which are added up and decoded together.

    points: in each occupied cell. The way to fuse is the network's own, `context`; there are no scores, so the second result is None.
    """
    level = checked_threshold(threshold)
    if method != "context":
        raise UsageError("uclid fuses views by adding their grids, and in no other way.", actual=f"--method {method}")
    if predictor is None:
        raise UsageError("Grids of uclid are decoded by its network.", expected="-m uclid")
    views = [_unpacked(grid, predictor.network.config) for grid in grids]
    with torch.inference_mode():
        total = [torch.stack(scale).sum(0, keepdim=True).to(predictor.device) for scale in zip(*views, strict=True)]
        logits, codes = predictor.network.reconstruction.decode(total)
    return _cloud(predictor, logits, codes, {"threshold": level, "views": len(grids)}, level, points, None), None


def checked_threshold(threshold: float | None) -> float:
    """The threshold of occupancy, THRESHOLD where none is given. Raises UsageError outside 0..1."""
    level = THRESHOLD if threshold is None else threshold
    if not 0 <= level < 1:
        raise UsageError("A threshold of occupancy lies from 0 to below 1.", actual=f"{level:g}")
    return level


def _inputs(
    predictor: Predictor, pictures: Sequence[Picture], cameras: Sequence[Camera] | None, depths: Sequence[DepthMap] | None
) -> tuple[Tensor, list[dict[str, Any]], Tensor | None, Tensor | None]:
    """(images [V, 3, S, S], what was done to each, projections [V, 3, 4] or None, depths [V, h, w] or None)."""
    for name, given in (("cameras", cameras), ("depth maps", depths)):
        if given is not None and len(given) != len(pictures):
            raise UsageError(f"There are not as many {name} as pictures.", expected=len(pictures), actual=len(given))
    prepared = [prepare(picture, predictor.network.config.side) for picture in pictures]
    images = torch.stack([image for image, _ in prepared]).to(predictor.device)
    projection = maps = None
    if cameras is not None:
        projection = torch.stack([projection_of(c, p) for c, p in zip(cameras, pictures, strict=True)]).to(predictor.device)
    if depths is not None:
        known: Sequence[Camera | None] = [None] * len(pictures) if cameras is None else cameras
        squares = [square_depth(*each) for each in zip(depths, pictures, known, strict=True)]
        if len({s.shape for s in squares}) > 1:
            raise DataError("The depth maps of a batch differ in size.", actual=sorted({tuple(s.shape) for s in squares}))
        maps = torch.stack(squares).to(predictor.device)
    return images, [facts for _, facts in prepared], projection, maps


def _cloud(
    predictor: Predictor, logits: Tensor, codes: Tensor, meta: dict[str, Any], level: float, count: int, seed: int | None
) -> PointCloud:
    with torch.inference_mode():
        cells = occupied(logits, level)
        uv = even_uv(count) if seed is None else random_uv(len(cells), count, torch.Generator().manual_seed(seed))
        points = predictor.network.reconstruction.points(codes, cells, uv.to(codes.device))
    facts: dict[str, Any] = {**meta, "cells": len(cells), "points": count}
    if not len(cells):
        facts["highest"] = float(f"{float(torch.sigmoid(logits.max())):.4g}")
    return PointCloud(points.flatten(0, 1).cpu().numpy().astype(np.float32), meta=facts)


# ------------------------------------------------------------------------------------------------ grids of one view in a file


def _packed(logits: Tensor, grids: Sequence[Tensor], meta: dict[str, Any], level: float) -> VoxelGrid:
    """A view's occupancy, with the numbers of its grids G_1 .. G_4 one after another as `context` [C, 28, 28, 28], zeros at the end."""
    share = torch.sigmoid(logits).cpu().numpy()
    numbers = torch.cat([grid.flatten() for grid in grids]).cpu().numpy()
    whole = np.zeros(-(-len(numbers) // CELLS**3) * CELLS**3, np.float32)
    whole[: len(numbers)] = numbers
    context = whole.reshape(-1, CELLS, CELLS, CELLS)
    return VoxelGrid(share > level, None, np.full(3, -1.0), np.full(3, 2 / CELLS), None, meta, share, context)


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
