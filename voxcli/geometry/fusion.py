"""Several fruxel scenes of one place fused into one labelled voxel grid of the world.

Each voxel is looked up in every view whose frustum holds its centre. What a view says there counts by how well it can know it: fully
up to the first fruxel along the ray whose most probable class is solid, and only `behind` of that past it, since what a network writes
there is a guess. Free space in front of a surface says "air" as strongly as the surface says what it is.

With w_v the weight of view v at a voxel, and p_v(c) its probability of class c there:

| method | the fused probability of c is proportional to | |
|---|---|---|
| bayes | prod_v p_v(c)^w_v | log-odds add up: views are independent evidence, all classes alike beforehand |
| vote | sum_v w_v [c = argmax p_v] | sure views count no more than unsure ones |
| mean | sum_v w_v p_v(c) | |

A view without probabilities gives `trust` to its label and shares the rest among the other classes. Ties go to the lower class id.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from voxcli.errors import DataError, unknown_name
from voxcli.geometry.frusta import fruxel_index
from voxcli.geometry.regrid import camera_points, fruxel_box, voxel_centres
from voxcli.geometry.visibility import transmittance
from voxcli.scene import FruxelGrid, Labels, VoxelGrid

METHODS = ("bayes", "vote", "mean")
_CELLS_AT_ONCE = 1 << 18
_SMALLEST = 1e-4
"""Probabilities are kept this far from 0: float16 rounds small ones to 0, and a single certain "no" would outvote any number of views."""


@dataclass(frozen=True)
class Agreement:
    """How one view fits what was fused, over voxels.

    seen: voxels that its frustum holds; visible: those that its rays reach; agreeing: the share of `visible` where its own class is
    the fused one; agreeing_occupied: the same over voxels where it or the fused grid is occupied; shared: the share of `visible` that
    the rays of another view reach, too. None where there is no such voxel.
    """

    seen: int
    visible: int
    agreeing: float | None
    agreeing_occupied: float | None
    shared: float | None


@dataclass(frozen=True)
class Fused:
    """The fused grid, what each view says of it (in the order of the views), and the share of voxels that no view holds."""

    grid: VoxelGrid
    agreement: tuple[Agreement, ...]
    unobserved: float


def views_box(views: Sequence[FruxelGrid]) -> tuple[np.ndarray, np.ndarray]:
    """World-frame bounding box (low [3], high [3]) of all frusta.

    >>> from voxcli.scene import Frustum
    >>> frustum = Frustum(width=2, height=2, depth=2, z_near=1, z_far=3, fov_x_deg=90)
    >>> low, high = views_box([FruxelGrid(np.zeros((2, 2, 2), np.uint8), frustum)])
    >>> low.round(9).tolist(), high.round(9).tolist()
    ([-3.0, -3.0, 1.0], [3.0, 3.0, 3.0])
    """
    boxes = [fruxel_box(view.frustum, view.world_to_cam) for view in views]
    return np.min([low for low, _ in boxes], 0), np.max([high for _, high in boxes], 0)


def fuse_views(
    views: Sequence[FruxelGrid], shape: tuple[int, int, int], origin: np.ndarray, voxel_size: np.ndarray, method: str = "bayes",
    trust: float = 0.9, behind: float = 0.25, device: torch.device | str = "cpu",
) -> Fused:  # fmt: skip
    """Fuse views into shape [X, Y, Z] voxels of the world frame. The order of the views changes no bit of the result.

    Args:
        method: bayes, vote or mean; see the head of this file.
        trust: probability of the stated class where a view has labels alone; above 1 / number of classes, below 1.
        behind: weight of what a view says behind its own first surface, 0..1. At 0 such voxels count as not observed by it.

    Voxels that no view observes take the ignore label, or the empty one where the classes have none. Raises DataError where views have
    different classes or there is no view.

    >>> from voxcli.scene import Frustum
    >>> frustum = Frustum(width=2, height=2, depth=2, z_near=1, z_far=3, fov_x_deg=90)
    >>> view = FruxelGrid(np.ones((2, 2, 2), np.uint8), frustum, classes=Labels(("air", "car")))
    >>> fused = fuse_views([view, view], (1, 1, 1), np.array([-0.5, -0.5, 1.0]), np.ones(3))
    >>> fused.grid.labels.tolist(), fused.unobserved
    ([[[1]]], 0.0)
    """
    classes = _common_classes(views)
    if method not in METHODS:
        raise unknown_name("method", method, METHODS)
    n = len(classes.names)
    if not (1 / n < trust < 1 or n == 1) or not 0 <= behind <= 1:
        raise DataError("trust must lie above chance and below 1, behind between 0 and 1.", actual=f"trust {trust:g}, behind {behind:g}")
    evidence = [_Evidence.from_view(view, behind, device) for view in views]
    # Sums of floats depend on their order: always the same one, whatever the caller's.
    order = sorted(range(len(views)), key=lambda v: _fingerprint(views[v]))
    unknown = classes.ignore if classes.ignore is not None else (classes.empty or 0)
    labels = np.full(shape, unknown, np.uint8 if max(n, unknown + 1) <= 256 else np.uint16)
    counts = np.zeros((len(views), 6), np.int64)
    observed = 0
    planes = max(1, _CELLS_AT_ONCE // (shape[1] * shape[2]))
    for x in range(0, shape[0], planes):
        size = (min(planes, shape[0] - x), shape[1], shape[2])
        centres = voxel_centres(size, origin + np.array([x, 0, 0]) * voxel_size, voxel_size).reshape(-1, 3)
        samples = [each.sample(centres) for each in evidence]
        score = torch.zeros(n, len(centres), dtype=torch.float64, device=device)
        weight = torch.zeros(len(centres), dtype=torch.float64, device=device)
        for v in order:
            if len(samples[v].voxel):
                score[:, samples[v].voxel] += evidence[v].score(samples[v], method, trust)
                weight[samples[v].voxel] += samples[v].weight
        best = score.argmax(0)
        known = weight > 0
        observed += int(known.sum())
        labels[x : x + size[0]] = torch.where(known, best, unknown).reshape(size).cpu().numpy()
        reached = torch.zeros(len(centres), dtype=torch.int64, device=device)
        for found in samples:
            reached[found.voxel[found.visible]] += 1
        for v, found in enumerate(samples):
            counts[v, :5] += _compared(found, best, classes.empty)
            counts[v, 5] += int((reached[found.voxel[found.visible]] > 1).sum())
    agreement = tuple(
        Agreement(int(seen), int(visible), _share(same, visible), _share(same_occupied, occupied), _share(shared, visible))
        for seen, visible, same, occupied, same_occupied, shared in counts
    )
    grid = VoxelGrid(labels=labels, origin=np.asarray(origin, np.float64), voxel_size=np.asarray(voxel_size, np.float64), classes=classes)
    return Fused(grid, agreement, 1 - observed / labels.size)


@dataclass(frozen=True)
class _SampledVoxels:
    """The voxels that a view holds: their index [M], the fruxel that holds each [M] (flat), weight and class that the view states."""

    voxel: Tensor
    fruxel: Tensor
    weight: Tensor
    label: Tensor
    visible: Tensor


@dataclass(frozen=True)
class _Evidence:
    """One view as flat tensors over its fruxels: labels, weights (0 where ignored), the share of the ray that reaches, probabilities."""

    view: FruxelGrid
    labels: Tensor
    weight: Tensor
    reach: Tensor
    probabilities: Tensor | None

    @classmethod
    def from_view(cls, view: FruxelGrid, behind: float, device: torch.device | str) -> _Evidence:
        """A view [D, H, W] as evidence. behind: weight of what lies behind its first surface. Raises DataError for NaN probabilities."""
        known = view.labels < len(view.classes.names)  # neither ignored nor without a name
        shares = None
        if view.probabilities is not None:
            if not np.isfinite(view.probabilities).all():
                raise DataError("Probabilities must be finite.", actual="NaN or infinite values")
            shares = torch.from_numpy(view.probabilities).to(device).flatten(1)
            labels = view.probabilities.argmax(0)
        else:
            labels = view.labels.astype(np.int64)
        # By the most probable class, not by the product of all chances of air: the haze of small doubts that a network spreads over
        # free space would hide everything far away.
        reach = torch.from_numpy(transmittance(np.isin(labels, view.classes.solid_ids)))
        weight = torch.from_numpy(known) * (behind + (1 - behind) * reach.double())
        flat = [each.flatten().to(device) for each in (torch.from_numpy(labels), weight, reach)]
        return cls(view, flat[0], flat[1], flat[2], shares)

    def sample(self, centres: np.ndarray) -> _SampledVoxels:
        """Find world points [N, 3] in the view."""
        points = torch.from_numpy(camera_points(centres, self.view.world_to_cam))
        index, inside = fruxel_index(points, self.view.frustum)
        _, height, width = self.view.frustum.shape
        voxel = inside.nonzero()[:, 0]
        k, j, i = index[voxel].unbind(1)
        fruxel = ((k * height + j) * width + i).to(self.labels.device)
        weight = self.weight[fruxel]
        return _SampledVoxels(voxel.to(fruxel.device), fruxel, weight, self.labels[fruxel], (self.reach[fruxel] >= 0.5) & (weight > 0))

    def score(self, found: _SampledVoxels, method: str, trust: float) -> Tensor:
        """What the view adds to the score of each class at the voxels that it holds: [n, M]."""
        n = len(self.view.classes.names)
        if self.probabilities is None or method == "vote":
            # Up to what all classes get alike, only the stated class gains: log-odds, a vote, or the share above the others'.
            gain = {"bayes": np.log(trust * max(n - 1, 1) / (1 - trust)), "vote": 1.0, "mean": trust - (1 - trust) / max(n - 1, 1)}[method]
            score = torch.zeros(n, len(found.voxel), dtype=torch.float64, device=found.weight.device)
            label = found.label.clamp_max(n - 1)  # ids without a name weigh nothing
            return score.scatter_(0, label[None], (gain * found.weight)[None])
        share = self.probabilities[:, found.fruxel].double()
        share = (share / share.sum(0).clamp_min(1e-12)).clamp_min(_SMALLEST)
        return found.weight * (share.log() if method == "bayes" else share)


def _compared(found: _SampledVoxels, best: Tensor, empty: int | None) -> np.ndarray:
    """Counts [5]: seen, visible, agreeing, occupied, agreeing where occupied."""
    fused, label = best[found.voxel][found.visible], found.label[found.visible]
    same = fused == label
    occupied = (fused != (-1 if empty is None else empty)) | (label != (-1 if empty is None else empty))
    return np.array([len(found.voxel), len(fused), int(same.sum()), int(occupied.sum()), int((same & occupied).sum())])


def _share(part: int, whole: int) -> float | None:
    return float(part / whole) if whole else None


def _common_classes(views: Sequence[FruxelGrid]) -> Labels:
    if not views:
        raise DataError("There is no view to fuse.")
    first = views[0].classes
    for view in views[1:]:
        if view.classes != first:
            raise DataError("The views have different classes.", expected=", ".join(first.names), actual=", ".join(view.classes.names),
                            hint="Predict all views with the same weights.")  # fmt: skip
    return first


def _fingerprint(view: FruxelGrid) -> bytes:
    digest = hashlib.sha256(repr((view.frustum, np.asarray(view.world_to_cam, np.float64).tolist())).encode())
    for array in (view.labels, view.probabilities):
        if array is not None:
            digest.update(np.ascontiguousarray(array).data)
    return digest.digest()
