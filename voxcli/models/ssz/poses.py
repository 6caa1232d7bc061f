"""The terms of equation (3) in the cells of the discriminator's certificate: poses, and "real" or "fake" (SSZ, section 3.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from voxcli.errors import DataError
from voxcli.geometry.frusta import fruxel_centres, fruxel_index
from voxcli.scene.poses import Poses
from voxcli.scene.types import Frustum
from voxcli.shapes import check_shape


@dataclass(frozen=True)
class Certificate:
    """C of section 3.3, by cell (u along the depth, v down, w to the right).

    t [B, u, v, w, 3] in the camera frame, metres; q [B, u, v, w, 4] unit quaternions wxyz; r [B, u, v, w], logits of "real".
    """

    t: Tensor
    q: Tensor
    r: Tensor


@dataclass(frozen=True)
class PoseTargets:
    """Ground truth of a batch: for each of M instances its cell [M, 4] (sample, u, v, w), translation t [M, 3] and quaternion q [M, 4]."""

    cells: Tensor
    t: Tensor
    q: Tensor


def rotation_matrix(q: Tensor) -> Tensor:
    """R(q) of quaternions wxyz, normalised on the way: [*, 4] -> [*, 3, 3]. q and -q give the same matrix, bit for bit.

    Every entry is a sum of products of two components: signs cancel.
    """
    check_shape(q, "* 4", "quaternion")
    w, x, y, z = (q / q.norm(dim=-1, keepdim=True).clamp_min(1e-12)).unbind(-1)
    rows = [
        1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
        2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
        2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
    ]  # fmt: skip
    return torch.stack(rows, -1).unflatten(-1, (3, 3))


def pose_loss(t_predicted: Tensor, q_predicted: Tensor, t: Tensor, q: Tensor, translation: float = 0.0, rotation: float = 0.0) -> Tensor:
    """The pose term of equation (3), sum over instances of ||R(q^) t^ - R(q) t||^2, a scalar; t [M, 3], q [M, 4]. No instance: 0.

    translation and rotation weigh two terms of ours, sums of ||t^ - t||^2 and ||R(q^) - R(q)||_F^2.
    """
    sizes = check_shape(t, "M 3", "t")
    for name, x, pattern in (("q", q, "M 4"), ("predicted t", t_predicted, "M 3"), ("predicted q", q_predicted, "M 4")):
        check_shape(x, pattern, name, sizes)
    turn_predicted, turn = rotation_matrix(q_predicted), rotation_matrix(q)
    moved_predicted, moved = ((R @ v[:, :, None])[..., 0] for R, v in ((turn_predicted, t_predicted), (turn, t)))
    loss = (moved_predicted - moved).square().sum()
    if translation:
        loss = loss + translation * (t_predicted - t).square().sum()
    if rotation:
        loss = loss + rotation * (turn_predicted - turn).square().sum()
    return loss


def certificate_loss(certificate: Certificate, truth: PoseTargets, translation: float = 0.0, rotation: float = 0.0) -> Tensor:
    """`pose_loss` over the cells that hold an object, for one sample of the batch: the sum divided by the number of samples."""
    at = tuple(truth.cells.to(certificate.t.device).unbind(1))
    t, q = truth.t.to(certificate.t), truth.q.to(certificate.q)
    return pose_loss(certificate.t[at], certificate.q[at], t, q, translation, rotation) / len(certificate.t)


def realism_loss(r: Tensor, target: float, truth: PoseTargets | None) -> Tensor:
    """-log of the probability that the certificate's r [B, u, v, w] (logits) gives to `target`, a scalar: 1 for real, 0 for fake.

    With target 1 it is the first expectation of equation (3), with 0 the second, both with their sign changed: a mean over samples.
    Of a sample, the mean over its instances in `truth` counts, each asked at its own cell; a sample without any counts 0. Generated
    volumes are asked at the same cells as real ones: an object that the generator left out is a fake one. truth None: all cells count.
    """
    sizes = check_shape(r, "B u v w", "r")
    if truth is None:
        return F.binary_cross_entropy_with_logits(r, torch.full_like(r, target))
    cells = truth.cells.to(r.device)
    instances = torch.bincount(cells[:, 0], minlength=sizes["B"])
    asked = r[tuple(cells.unbind(1))]
    each = F.binary_cross_entropy_with_logits(asked, torch.full_like(asked, target), reduction="none")
    return (each / instances[cells[:, 0]]).sum() / sizes["B"]


def object_centres(poses: Poses) -> Tensor:
    """The middle of each object's box in the camera frame: R(q) (0, height / 2, 0) + t. Objects stand on y = 0. [m, 3] float64."""
    middle = torch.from_numpy(poses.sizes.astype(np.float64)) * torch.tensor([0.0, 0.5, 0.0], dtype=torch.float64)
    turn = rotation_matrix(torch.from_numpy(poses.rotations_wxyz.astype(np.float64)))
    return (turn @ middle[:, :, None])[..., 0] + torch.from_numpy(poses.translations.astype(np.float64))


def cell_grid(frustum: Frustum, cells: tuple[int, int, int]) -> Frustum:
    """The frustum with cells (u, v, w) in the place of fruxels: the same planes and field of view."""
    u, v, w = cells
    if v * frustum.width != w * frustum.height:
        raise DataError("Cells need the aspect of the frustum's image.", expected=f"{frustum.width}:{frustum.height}", actual=f"{w}:{v}")
    return replace(frustum, depth=u, height=v, width=w)


def cell_centres(frustum: Frustum, cells: tuple[int, int, int]) -> Tensor:
    """Centres of the cells in the camera frame, metres: [u, v, w, 3] float64."""
    return fruxel_centres(cell_grid(frustum, cells))


def assign(poses: Sequence[Poses | None], frustum: Frustum, cells: tuple[int, int, int]) -> PoseTargets:
    """Each object goes to the cell that holds its centre, as in single-shot detection; those outside the frustum to none.

    Where several centres share a cell, the object nearest to the camera keeps it: it hides the others (ours).
    Raises DataError where a sample's poses are unknown.
    """
    rows: list[Tensor] = []
    found_t: list[Tensor] = []
    found_q: list[Tensor] = []
    grid = cell_grid(frustum, cells)
    for sample, each in enumerate(poses):
        if each is None:
            raise DataError("This step needs the poses of the objects.", hint="Train on a folder with poses/, as 'synth street' writes.")
        centres = object_centres(each)
        index, inside = fruxel_index(centres, grid)
        taken: set[tuple[int, ...]] = set()
        for k in torch.argsort(centres.norm(dim=1), stable=True).tolist():
            cell = tuple(index[k].tolist())
            if bool(inside[k]) and cell not in taken:
                taken.add(cell)
                rows.append(torch.tensor([sample, *cell]))
                found_t.append(torch.from_numpy(each.translations[k]))
                found_q.append(torch.from_numpy(each.rotations_wxyz[k]))
    if not rows:
        return PoseTargets(torch.zeros(0, 4, dtype=torch.int64), torch.zeros(0, 3), torch.zeros(0, 4))
    return PoseTargets(torch.stack(rows), torch.stack(found_t), torch.stack(found_q))
