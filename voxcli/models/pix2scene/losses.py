"""Losses of pix2scene, each to be minimised by whoever is named: equations (2), (4), (5), (6) and (7), the first in Wasserstein form.

"Real" is the joint sample of the encoder, (x, G_z(x)); "made" that of the decoder, (rend(G_x(z)), z).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

_TINY = 1e-12


def critic_loss(real: Tensor, made: Tensor) -> Tensor:
    """For the critic: E[D(made)] - E[D(real)], minus the distance of the two joint distributions. Scores [B] each."""
    return made.mean() - real.mean()


def adversarial_loss(real: Tensor, made: Tensor) -> Tensor:
    """For encoder and decoder: E[D(real)] - E[D(made)]. The encoder lowers the first, the decoder raises the second."""
    return real.mean() - made.mean()


def gradient_penalty(
    critic: Callable[[Tensor, Tensor], Tensor], real: tuple[Tensor, Tensor], made: tuple[Tensor, Tensor], mix: Tensor
) -> Tensor:
    """E[(|grad D| - 1)^2] between the two samples, the gradient being that by image and latent code together.

    critic(image, z) -> scores [B]; real, made: (image [B, 3, S, S], z [B, latent]); mix [B] in 0..1: 1 is the real sample. One line
    through the joint space: image and code are mixed by the same number. Gulrajani et al. 2017 have the image alone.
    """
    points = [_between(a.detach(), b.detach(), mix).requires_grad_() for a, b in zip(real, made, strict=True)]
    with torch.enable_grad():
        by_image, by_code = torch.autograd.grad(critic(points[0], points[1]).sum(), points, create_graph=True)
    norm = (by_image.flatten(1).square().sum(1) + by_code.square().sum(1) + _TINY).sqrt()
    return (norm - 1).square().mean()


def reconstruction_loss(x: Tensor, again: Tensor) -> Tensor:
    """A term of equation (4): E[|x - again|_2], the length over all numbers of a sample [B, *], not its square."""
    return ((x - again).flatten(1).square().sum(1) + _TINY).sqrt().mean()


def distance_loss(reference: Tensor, answer: Tensor, distractors: Tensor, farthest: float = math.inf) -> Tensor:
    """Equation (5): 1/2 |z_ref - z_ans|^2 - 1/2 sum_i |z_ref - z_d_i|^2, the mean over questions.

    Scene parts of the codes: reference, answer [B, n]; distractors [B, 2, n]. As printed it has no lower bound, and codes may run away
    from each other for ever; distractors beyond `farthest` (ours) push no further.
    """
    near = (reference - answer).square().sum(1)
    far = (reference[:, None] - distractors).square().sum(2).clamp_max(farthest * farthest).sum(1)
    return 0.5 * (near - far).mean()


def mutual_information(statistics: Callable[[Tensor], Tensor], z: Tensor, scene: int) -> Tensor:
    """Equation (6) for one T: E[T(z_s, z_v)] - log E[e^T(z_s, z_v')], a lower bound of the information that the parts share, in nats.

    z [B, latent], B > 1; z_v' is the view part of the next sample: a draw from the product of the marginals. The statistics network raises
    it, the encoder lowers it.
    """
    shuffled = torch.cat([z[:, :scene], z[:, scene:].roll(1, 0)], 1)
    joint, apart = statistics(z), statistics(shuffled)
    return joint.mean() - (torch.logsumexp(apart, 0) - math.log(len(apart)))


def contrastive_loss(a: Tensor, b: Tensor, different: Tensor, margin: float = 2.0) -> Tensor:
    """Equation (7): 1/2 d^2 for pairs that are the same, 1/2 max(0, margin - d)^2 for different ones; d = |a - b|_2.

    a, b [B, n]; different [B] of 0 or 1.
    """
    square = (a - b).square().sum(1)
    distance = (square + _TINY).sqrt()
    return 0.5 * torch.where(different > 0, (margin - distance).clamp_min(0).square(), square).mean()


def _between(a: Tensor, b: Tensor, mix: Tensor) -> Tensor:
    share = mix.view(-1, *[1] * (a.ndim - 1)).to(a)
    return share * a + (1 - share) * b
