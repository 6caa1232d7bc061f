"""Pix2Vox at work: pictures of objects in, occupancy in the object's canonical frame out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from voxcli import backend, config
from voxcli.errors import FileFormatError, UsageError
from voxcli.models.offers import Offers
from voxcli.models.pix2vox.coarse import check_context, check_volume
from voxcli.models.pix2vox.folded import Folded
from voxcli.models.pix2vox.network import PRESETS, Pix2VoxConfig, build, fuse, score_maps
from voxcli.models.pix2vox.preprocessing import Preparation, prepare
from voxcli.models.pix2vox.sizes import CELLS
from voxcli.models.weights import Weights, load_weights
from voxcli.scene.types import Picture, VoxelGrid

OFFERS = Offers(
    "VoxelGrid", frozenset({"background", "crop", "bbox", "threshold", "coarse"}), several_views=True, frame="object, +y up",
    units="the unit cube's side",
)  # fmt: skip

THRESHOLD = 0.4
"""Section 4.1; at or above it a cell is occupied. Weights may name one of their own."""


@dataclass(frozen=True)
class Predictor:
    """A trained network, folded for inference, and which variant it is."""

    network: Folded
    model: str
    device: torch.device
    dtype: torch.dtype
    threshold: float = THRESHOLD


def load_predictor(weights: str | Path | Weights = "pix2vox-f", device: str = "auto", dtype: str = "auto") -> Predictor:
    """A predictor from a weights file, the name of shipped weights, or weights in memory.

    dtype `auto` is bfloat16 on CUDA and on processors that multiply it in hardware, float32 elsewhere; fusion and refiner are float32.
    """
    name = "The weights" if isinstance(weights, Weights) else f"'{weights}'"
    if not isinstance(weights, Weights):
        weights = load_weights(weights)
    if weights.model not in PRESETS:
        raise FileFormatError(f"{name}: weights of another model.", expected=" or ".join(PRESETS), actual=weights.model)
    where = backend.pick_device(device)
    network = build_empty(config.from_mapping(Pix2VoxConfig, weights.config, f"{name}: configuration"))
    try:
        network.load_state_dict(weights.tensors, assign=True)
    except (RuntimeError, KeyError, TypeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise FileFormatError(f"{name}: weights that do not fit their own configuration.", actual=reason) from error
    number = backend.pick_dtype(dtype, where)
    if where.type == "cpu":
        backend.keep_freed_memory()
    folded = Folded(network.eval().requires_grad_(False), where, number)
    return Predictor(folded, weights.model, where, number, _checked_threshold(weights.facts.get("threshold", THRESHOLD)))


def build_empty(settings: Pix2VoxConfig) -> Any:
    """A network without memory of its own, to be given tensors: drawing 114 million numbers only to replace them takes seconds."""
    with torch.device("meta"):
        return build(settings)


def predict(
    predictor: Predictor, samples: Sequence[Sequence[Picture]], *, background: tuple[int, int, int] | None = None,
    crop: str | None = None, bbox: tuple[float, float, float, float] | None = None, threshold: float | None = None,
    coarse: bool = False, method: str = "context", batch_size: int = 1,
) -> Iterator[VoxelGrid]:  # fmt: skip
    """The volume of each object, in order, from one or more pictures of it each: occupancy [32, 32, 32] and its probabilities (float32).

    background, crop, bbox: see Preparation; what was done to each picture stands in meta["pictures"]. threshold: occupied at or above
    (None: that of the weights).
    coarse: the volume of the decoder alone with its context, for `fuse_volumes` later; then one picture a sample. method: context, mean
    or max, where a sample has several pictures.
    """
    how = Preparation(background or (240, 240, 240), crop or "auto", bbox)  # type: ignore[arg-type]
    level = predictor.threshold if threshold is None else _checked_threshold(threshold)
    if coarse and any(len(pictures) != 1 for pictures in samples):
        raise UsageError("Coarse volumes are those of single pictures.", hint="Fuse them afterwards.")
    for group in _of_equal_counts(samples, batch_size):
        prepared = [[prepare(picture, how) for picture in pictures] for pictures in group]
        images = torch.from_numpy(np.stack([np.stack([image for image, _ in each]) for each in prepared]))
        context, volumes = predictor.network.coarse(images)
        if coarse:
            results, contexts = volumes[:, 0], context[:, 0, :-1].cpu().numpy()
        else:
            results, contexts = predictor.network.refined(predictor.network.fused(context, volumes, method)), None
        for place, facts in enumerate(prepared):
            meta = {"pictures": [each for _, each in facts], "threshold": level}
            yield volume_of(results[place], level, meta, None if contexts is None else contexts[place])


def fuse_volumes(
    predictor: Predictor | None, grids: Sequence[VoxelGrid], method: str = "context", threshold: float | None = None
) -> tuple[VoxelGrid, np.ndarray | None]:
    """Fuse the coarse volumes of several views of one object; with a predictor that has a refiner, refine the result.

    method: as for `fuse`; `context` needs the predictor whose network made the volumes. Returns the fused volume and each view's score
    map [V, 32, 32, 32] (equation (1), None for other methods). The order of the volumes changes nothing but rounding.
    """
    usual = THRESHOLD if predictor is None else predictor.threshold
    level = usual if threshold is None else _checked_threshold(threshold)
    for grid in grids:
        check_volume(grid)
    device = predictor.device if predictor is not None else torch.device("cpu")
    volumes = torch.from_numpy(np.stack([_coarse_values(grid) for grid in grids]))[None].to(device)
    shares = None
    if method == "context":
        if predictor is None:
            raise UsageError("Fusing by context needs the network's scores.", hint="Name the model (-m), or choose --method mean.")
        for grid in grids:
            check_context(grid, predictor.network.config.decoder[-1])
        inner = torch.from_numpy(np.stack([grid.context for grid in grids if grid.context is not None])).float()[None].to(device)
        shares = score_maps(predictor.network.scores(torch.cat([inner, volumes[:, :, None]], 2)))
    with torch.inference_mode():
        result = fuse(volumes, shares, method)
        result = predictor.network.refined(result) if predictor is not None else result
    return volume_of(result[0], level, {"threshold": level}), None if shares is None else shares[0].cpu().numpy()


def volume_of(probabilities: Tensor, threshold: float, meta: dict[str, Any], context: np.ndarray | None = None) -> VoxelGrid:
    """The volume in the cube from -1/2 to 1/2, where ShapeNet's canonical models lie."""
    share = probabilities.float().cpu().numpy()
    size = np.full(3, 1 / CELLS)
    return VoxelGrid(share >= threshold, None, np.full(3, -0.5), size, None, meta, share, context)


def _checked_threshold(threshold: float) -> float:
    if not 0 < threshold <= 1:
        raise UsageError("A threshold of occupancy lies above 0 and at most at 1.", actual=f"{threshold:g}")
    return threshold


def _coarse_values(grid: VoxelGrid) -> np.ndarray:
    return np.asarray(grid.values if grid.probabilities is None else grid.probabilities, np.float32)


def _of_equal_counts(samples: Sequence[Sequence[Picture]], batch_size: int) -> Iterator[Sequence[Sequence[Picture]]]:
    """Neighbours with the same number of pictures, at most `batch_size` of them at a time."""
    start = 0
    while start < len(samples):
        end = start + 1
        while end < min(len(samples), start + batch_size) and len(samples[end]) == len(samples[start]):
            end += 1
        yield samples[start:end]
        start = end

