"""Losses on class scores: equation (2) of SSZ, and named terms of ours. Written for volumes of 10 x 128^3 in little memory."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from voxcli.errors import DataError
from voxcli.shapes import check_shape

CHUNK = 1 << 15
"""Fruxels per pass on the CPU: scores of ten classes, and what is computed of them, stay within a core's cache."""

LEAST_LIKELIHOOD = math.log(1e-12)
"""What the logarithm of a probability counts at least in the likelihood."""

FAINTEST = 40.0
"""By how much the logarithm of a chance may lie below the largest of its ray. Smaller ones count as this: they add nothing to a sum, and
numbers near the least of float32 are slow."""


def frequency_weights(counts: Tensor, power: float = 0.3, largest: float = 5.0) -> Tensor:
    """Weights for equation (2) from fruxel counts [n]: (most frequent / own count) ** power, at most `largest`.

    That weights follow from frequency is ours. The paper calls k_i "a scalar weight of an object class i" and says neither its value
    nor where it comes from. power 0 gives all classes the weight 1. Full inverse frequency (power 1) fills the air with objects. A class
    that never occurs gets `largest`, or 1 where the power is 0.
    """
    if counts.ndim != 1 or not bool((counts >= 0).all()) or counts.sum() <= 0:
        raise DataError("Class weights need non-negative fruxel counts, one a class.", actual=counts.tolist())
    ratio = counts.max().double() / counts.double().clamp(min=1e-9)
    return ratio.pow(power).clamp(max=largest).float()


def negative_log_likelihood(scores: Tensor, labels: Tensor, weights: Tensor, ignore: int | None = 255) -> Tensor:
    """Equation (2) of one batch, a scalar: mean over samples of 1/(q w h d) * sum over fruxels of -k_f log B(f, x, y, z).

    scores [B, n, D, H, W] before the softmax; labels [B, D, H, W] uint8 with f = F(x, y, z); weights k [n], q = sum of k.
    As printed, the sum over i inside (2) does not touch the logarithm and would cancel q: the weight that is meant is the one of
    the correct class, k_f. Fruxels labelled `ignore` add nothing; the divisor stays w h d.
    """
    return voxel_loss(scores, labels, weights, likelihood=1.0, dice=0.0, ignore=ignore)


def visible_class_loss(scores: Tensor, labels: Tensor, weights: Tensor, empty: int | None = 0, ignore: int | None = 255) -> Tensor:
    """How unlikely the class is that each ray meets first, a scalar: a term of ours, as photographs show visible surfaces alone.

    scores [B, n, D, H, W] before the softmax; labels [B, D, H, W] uint8, slices near to far; weights k [n]. A ray's first class is c with
    the probability sum over slices d of B(c, d) prod over e < d of B(empty, e); it meets nothing with prod over all d of B(empty, d).
    The loss is the mean of -log of the true one's, weighted by k. Rays with an ignored fruxel before their first surface do not count.
    """
    return ray_losses(scores, labels, weights, likelihood=0.0, dice=0.0, visible=weights, empty=empty, ignore=ignore)[1]


def voxel_loss(
    scores: Tensor, labels: Tensor, weights: Tensor, *, likelihood: float, dice: float, ignore: int | None = 255, in_place: bool = False,
    add: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:  # fmt: skip
    """likelihood * equation (2) + dice * soft Dice, in two passes over the scores (see the two functions above).

    `in_place` lets the backward pass overwrite `scores` with gradients: for scores that nothing else reads, it saves a copy of the
    largest tensor of a training step.

    `add` gives the sum of a tensor over the processes that share a batch: the Dice sums are then the whole batch's, and the mean over
    the processes of the losses, and of their gradients, is what one process with the whole batch finds.
    """
    ignored = _checked(scores, labels, weights, ignore)
    return _VoxelLoss.apply(scores, labels, _exact(weights, scores), float(likelihood), float(dice), ignored, in_place, add, None, 0)[0]


def ray_losses(
    scores: Tensor, labels: Tensor, weights: Tensor, *, likelihood: float, dice: float, visible: Tensor, empty: int | None = 0,
    ignore: int | None = 255, in_place: bool = False, add: Callable[[Tensor], Tensor] | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """(voxel_loss, visible_class_loss) of the same scores, with the softmax computed once; `visible` [n]: class weights of the second."""
    ignored = _checked(scores, labels, weights, ignore)
    air = 0 if empty is None else empty
    solid = labels != air
    first = solid.to(torch.uint8).argmax(1, keepdim=True)  # where none is solid: slice 0, which is air
    truth = labels.gather(1, first)[:, 0].long()
    known = torch.ones_like(truth, dtype=torch.bool) if ignore is None else truth != ignore
    truth = truth.masked_fill(~known, air)
    loss, passing, meeting = _VoxelLoss.apply(
        scores, labels, _exact(weights, scores), float(likelihood), float(dice), ignored, in_place, add, truth, air
    )
    share = _exact(visible, scores)[truth] * known
    total = share.sum()
    if add is not None:  # the weights of the whole batch; times the processes, as in the Dice term
        total, processes = add(torch.stack([total, torch.ones_like(total)]))
        total = total / processes
    return loss, -(share * _FirstMet.apply(passing, meeting, truth == air)).sum() / total.clamp(min=1e-9)


def _exact(weights: Tensor, scores: Tensor) -> Tensor:
    """Weights where the scores are, in their type or float32, whichever is more exact."""
    return weights.to(scores.device, torch.promote_types(scores.dtype, torch.float32))


def _checked(scores: Tensor, labels: Tensor, weights: Tensor, ignore: int | None) -> int:
    """The ignored label, -1 for none. Raises ShapeError where the shapes do not fit one another."""
    sizes = check_shape(scores, "B n D H W", "scores")
    check_shape(labels, "B D H W", "labels", sizes)
    check_shape(weights, "n", "weights", sizes)
    return -1 if ignore is None else ignore


def _chunks(flat: Tensor, labels: Tensor):
    """(scores [n, m], labels [m], their place in the batch and the sample) views, a sample and CHUNK fruxels at a time."""
    step = CHUNK if flat.device.type == "cpu" else flat.shape[2]
    for number, (sample, truth) in enumerate(zip(flat, labels.reshape(len(flat), -1), strict=True)):
        for start in range(0, flat.shape[2], step):
            place = slice(start, start + step)
            yield sample[:, place], truth[place], (number, place)


class _FirstMet(torch.autograd.Function):
    """log of the probability that a ray meets first what it meets in truth. Its gradient is the chance of each slice to be the place."""

    @staticmethod
    def forward(ctx, passing, meeting, nothing):
        """Logarithms of the probabilities of air and of the true class [B, D, H, W], rays that meet nothing [B, H, W] -> [B, H, W]."""
        passed = passing.cumsum(1)  # log of what passes slices 0..d
        through = passed[:, -1].clone()
        reached = meeting.clone()
        reached[:, 1:] += passed[:, :-1]  # log of reaching slice d and meeting the class there
        most = reached.amax(1, keepdim=True)
        share = reached.sub_(most).clamp_(min=-FAINTEST).exp_()
        total = share.sum(1, keepdim=True)
        met = (most + total.log())[:, 0]
        share *= ~nothing[:, None] / total
        ctx.save_for_backward(share, nothing)
        return torch.where(nothing, through, met)

    @staticmethod
    @once_differentiable
    def backward(ctx, upstream):
        """The gradients with respect to passing and meeting: a slice is passed where the place lies behind it."""
        share, nothing = ctx.saved_tensors
        behind = (1 - share.cumsum(1)).clamp_(min=0)
        behind[:, -1].masked_fill_(~nothing, 0)
        return behind.mul_(upstream[:, None]), share * upstream[:, None], None


class _VoxelLoss(torch.autograd.Function):
    """Softmax, likelihood and Dice sums in one pass forward; one pass backward. Saves the scores alone; computes in float32 at least."""

    @staticmethod
    def forward(ctx, scores, labels, weights, likelihood, dice, ignore, in_place, add, seen, air):
        """scores [B, n, D, H, W], labels [B, D, H, W], weights [n] -> the loss, a number. likelihood and dice: factors of the two terms.

        With the class `seen` [B, H, W] of each ray, and the number of air, also the logarithms of the probabilities of air and of that
        class [B, D, H, W], else empty tensors.
        """
        b, n = scores.shape[:2]
        flat = scores.detach().reshape(b, n, -1)
        fruxels, exact = flat.shape[2], weights.dtype
        total = torch.zeros((), dtype=torch.float64, device=scores.device)
        overlap, predicted, present = (torch.zeros(n, dtype=torch.float64, device=scores.device) for _ in range(3))
        own = None if seen is None else seen[:, None].expand(labels.shape).reshape(b, fruxels)
        passing, meeting = (weights.new_empty((0,) if own is None else own.shape) for _ in range(2))
        normalisers = weights.new_empty(b, fruxels)  # logarithms of the sums that the softmax divides by
        for z, truth, place in _chunks(flat, labels):
            logarithms = torch.log_softmax(_side_by_side(z, exact), 0)
            normalisers[place] = z[0] - logarithms[0]
            if own is not None:
                passing[place], meeting[place] = logarithms[air], logarithms.gather(0, own[place][None])[0]
            index, keep = _indices(truth, ignore, exact)
            hit = logarithms.gather(0, index[None])[0]
            if likelihood:
                k = weights.index_select(0, index) if keep is None else weights.index_select(0, index) * keep
                total -= (k * hit.clamp(min=LEAST_LIKELIHOOD)).sum(dtype=torch.float64)
            if dice:
                p = logarithms.exp_()
                hit.exp_()
                overlap += _per_class(index, hit if keep is None else hit * keep, n)
                present += _per_class(index, torch.ones_like(hit) if keep is None else keep, n)
                predicted += (p.sum(1) if keep is None else p @ keep).double()
        q = weights.sum(dtype=torch.float64)
        loss = likelihood * total / (q * b * fruxels)
        gain = hit_gain = torch.zeros(n, dtype=torch.float64, device=scores.device)
        if dice:
            processes = 1.0
            if add is not None:
                sums = add(torch.cat([overlap, predicted, present, overlap.new_ones(1)]))
                overlap, predicted, present = sums[:-1].reshape(3, n)
                processes = float(sums[-1])
            shown = (present > 0).double()
            classes = shown.sum().clamp(min=1)
            union = (predicted + present).clamp(min=1e-9)
            loss = loss + dice * (1 - (shown * 2 * overlap / union).sum() / classes)
            # d(dice term)/dp of a fruxel of class t in class c: gain[c] + [c == t] hit_gain[c].
            # Times the processes, since each holds the same term and the mean over them counts its own part of it once.
            gain = processes * dice * shown * 2 * overlap / union**2 / classes
            hit_gain = -processes * dice * shown * 2 / union / classes
        ctx.save_for_backward(flat, normalisers, labels, weights, gain.to(exact), hit_gain.to(exact), own)
        ctx.details = (scores.shape, likelihood / float(q) / (b * fruxels), ignore, in_place, air)
        rays = (0,) if own is None else labels.shape
        return loss.to(exact), passing.reshape(rays), meeting.reshape(rays)

    @staticmethod
    @once_differentiable
    def backward(ctx, upstream, passing, meeting):
        """The gradient with respect to the scores, None for the other arguments. In place, it overwrites the scores."""
        flat, normalisers, labels, weights, gain, hit_gain, own = ctx.saved_tensors
        shape, factor, ignore, in_place, air = ctx.details
        grads = flat if in_place else torch.empty_like(flat)
        weights, gain, hit_gain = weights * (factor * upstream), gain * upstream, hit_gain * upstream
        if own is not None:
            passing, meeting = passing.reshape(own.shape), meeting.reshape(own.shape)
        for (z, truth, place), (out, _, _) in zip(_chunks(flat, labels), _chunks(grads, labels), strict=True):
            p = (_side_by_side(z, weights.dtype) - normalisers[place]).exp_()
            index, keep = _indices(truth, ignore, p.dtype)
            hit = p.gather(0, index[None])[0]
            # Softmax Jacobian applied to h = gain + onehot * hit_gain: p (h - <p, h>); and k (p - onehot) from the likelihood.
            own_part = hit.mul_(hit_gain.index_select(0, index)).sub_(weights.index_select(0, index))
            grad = gain[:, None] - own_part.add(gain @ p)
            if keep is not None:
                grad *= keep
                own_part *= keep
            if own is not None:  # what arrives at a logarithm, less the class's probability times the sum of both
                grad -= passing[place] + meeting[place]
            grad *= p
            grad.scatter_add_(0, index[None], own_part[None])
            if own is not None:
                grad[air] += passing[place]
                grad.scatter_add_(0, own[place][None], meeting[place][None])
            out.copy_(grad)
        return grads.reshape(shape), *[None] * 9


def _side_by_side(z: Tensor, exact: torch.dtype) -> Tensor:
    """Scores [n, m] in a type, the fruxels of each class side by side."""
    if z.dtype == exact and z.stride(1) == 1:
        return z
    return torch.empty(z.shape, dtype=exact, device=z.device).copy_(z)


def _indices(truth: Tensor, ignore: int, dtype: torch.dtype) -> tuple[Tensor, Tensor | None]:
    """Class indices int64 [m], and a float mask of the fruxels that count, or None where all do."""
    index = truth.long()
    if ignore < 0:
        return index, None
    ignored = truth == ignore
    if not bool(ignored.any()):
        return index, None
    return index.masked_fill(ignored, 0), (~ignored).to(dtype)


def _per_class(index: Tensor, values: Tensor, n: int) -> Tensor:
    return torch.zeros(n, dtype=torch.float64, device=values.device).index_add_(0, index, values.double())
