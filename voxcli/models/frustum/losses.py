"""Losses on class scores: equation (2) of SSZ, and named terms of ours. Written for volumes of 10 x 128^3 in little memory."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from voxcli.errors import DataError
from voxcli.shapes import check_shape

CHUNK = 1 << 17
"""Fruxels per pass on the CPU: scores of ten classes stay within a core's cache."""


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
    sizes = check_shape(scores, "B n D H W", "scores")
    check_shape(labels, "B D H W", "labels", sizes)
    air = 0 if empty is None else empty
    solid = labels != air
    first = solid.to(torch.uint8).argmax(1, keepdim=True)  # where none is solid: slice 0, which is air
    truth = labels.gather(1, first)[:, 0].long()
    known = torch.ones_like(truth, dtype=torch.bool) if ignore is None else truth != ignore
    truth = truth.masked_fill(~known, air)
    index = truth[:, None].expand(-1, labels.shape[1], -1, -1)
    exact = scores.to(torch.promote_types(scores.dtype, torch.float32))
    passing, meeting = _AirAndOwn.apply(exact, index, air)  # each [B, D, H, W]
    passed = passing.cumsum(1)  # log of what passes slices 0..d
    own = torch.cat([meeting[:, :1], meeting[:, 1:] + passed[:, :-1]], 1)  # log of reaching slice d and meeting the class there
    met = torch.where(truth == air, passed[:, -1], torch.logsumexp(own, 1))  # [B, H, W]; in the place of air: nothing is met
    share = weights.to(scores)[truth] * known
    return -(share * met).sum() / share.sum().clamp(min=1e-9)


def voxel_loss(
    scores: Tensor, labels: Tensor, weights: Tensor, *, likelihood: float, dice: float, ignore: int | None = 255, in_place: bool = False,
    add: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:  # fmt: skip
    """likelihood * equation (2) + dice * soft Dice, in two passes over the scores (see the two functions above).

    `in_place` lets the forward pass overwrite `scores` with probabilities and the backward pass with gradients: for scores that
    nothing else reads, it saves a copy of the largest tensor of a training step.

    `add` gives the sum of a tensor over the processes that share a batch: the Dice sums are then the whole batch's, and the mean over
    the processes of the losses, and of their gradients, is what one process with the whole batch finds.
    """
    sizes = check_shape(scores, "B n D H W", "scores")
    check_shape(labels, "B D H W", "labels", sizes)
    check_shape(weights, "n", "weights", sizes)
    ignored = -1 if ignore is None else ignore
    return _VoxelLoss.apply(scores, labels, weights.to(scores), float(likelihood), float(dice), ignored, in_place, add)


def _chunks(flat: Tensor, labels: Tensor):
    """(scores [n, m], labels [m]) views, a sample and CHUNK fruxels at a time."""
    step = CHUNK if flat.device.type == "cpu" else flat.shape[2]
    for sample, truth in zip(flat, labels.reshape(len(flat), -1), strict=True):
        for start in range(0, flat.shape[2], step):
            yield sample[:, start : start + step], truth[start : start + step]


class _AirAndOwn(torch.autograd.Function):
    """Logarithms of the probabilities of air and of one given class of each fruxel. The backward pass fills the gradient in one pass."""

    @staticmethod
    def forward(ctx, scores, index, air):
        """scores [B, n, D, H, W], index [B, D, H, W] int64, the number of air -> two tensors [B, D, H, W]."""
        total = torch.logsumexp(scores, 1)
        ctx.save_for_backward(scores, total, index)
        ctx.air = air
        return scores[:, air] - total, scores.gather(1, index[:, None])[:, 0] - total

    @staticmethod
    @once_differentiable
    def backward(ctx, passing, meeting):
        """The gradient with respect to the scores: what arrives at a class less its probability times the sum of both."""
        scores, total, index = ctx.saved_tensors
        grads = torch.empty_like(scores)
        for sample, lowest, own, p, m, grad in zip(scores, total, index, passing, meeting, grads, strict=True):
            torch.sub(sample, lowest, out=grad)
            grad.exp_().mul_(-(p + m))
            grad[ctx.air] += p
            grad.scatter_add_(0, own[None], m[None])
        return grads, None, None


class _VoxelLoss(torch.autograd.Function):
    """Softmax, likelihood and Dice sums in one pass forward; one pass backward. Saves the probabilities alone."""

    @staticmethod
    def forward(ctx, scores, labels, weights, likelihood, dice, ignore, in_place, add):
        """scores [B, n, D, H, W], labels [B, D, H, W], weights [n] -> the loss, a number. likelihood and dice: factors of the two terms."""
        b, n = scores.shape[:2]
        flat = scores.detach().reshape(b, n, -1)
        probabilities = flat if in_place else torch.zeros_like(flat)
        fruxels = flat.shape[2]
        total = torch.zeros((), dtype=torch.float64, device=scores.device)
        overlap, predicted, present = (torch.zeros(n, dtype=torch.float64, device=scores.device) for _ in range(3))
        for (z, truth), (p, _) in zip(_chunks(flat, labels), _chunks(probabilities, labels), strict=True):
            index, keep = _indices(truth, ignore, p.dtype)
            p.copy_(torch.softmax(z, 0))
            hit = p.gather(0, index[None])[0]
            k = weights[index] if keep is None else weights[index] * keep
            total -= (k * hit.clamp(min=1e-12).log()).sum(dtype=torch.float64)
            if dice:
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
        ctx.save_for_backward(probabilities, labels, weights, gain.to(flat), hit_gain.to(flat))
        ctx.details = (scores.shape, likelihood / float(q) / (b * fruxels), ignore, in_place)
        return loss.to(scores.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx, upstream):
        """The gradient with respect to the scores, None for the other arguments. In place, it overwrites the probabilities."""
        probabilities, labels, weights, gain, hit_gain = ctx.saved_tensors
        shape, factor, ignore, in_place = ctx.details
        grads = probabilities if in_place else torch.zeros_like(probabilities)
        for (p, truth), (out, _) in zip(_chunks(probabilities, labels), _chunks(grads, labels), strict=True):
            index, keep = _indices(truth, ignore, p.dtype)
            hit = p.gather(0, index[None])[0]
            k = weights[index] * factor
            # Softmax Jacobian applied to h = gain + onehot * hit_gain: p (h - <p, h>); and k (p - onehot) from the likelihood.
            bonus = hit_gain[index]
            mean = gain @ p + hit * bonus
            grad = p * (gain[:, None] + (k - mean))
            grad.scatter_add_(0, index[None], (hit * bonus - k)[None])
            if keep is not None:
                grad *= keep
            torch.mul(grad, upstream, out=out)
        return grads.reshape(shape), None, None, None, None, None, None, None


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
