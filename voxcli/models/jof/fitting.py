"""Codes without an encoder: fitted to point-value pairs of a shape (Figure 6), or to a picture (model fitting), decoders still."""

from __future__ import annotations

import torch
from torch import Tensor

from voxcli.models.jof.losses import albedo_loss, occupancy_loss, photometric_loss, silhouette_loss
from voxcli.models.jof.network import JOF, Codes, ImageGuess, projection_of
from voxcli.models.jof.rendering import draw, on_lattice, usable

EMPTY_AFTER = 25
"""Steps after which a fit of empty shapes is given up."""

SLOWEST = 1e-3
"""The least rate that a fit is tried at."""


def free_codes(network: JOF, count: int, device: torch.device | str = "cpu") -> Codes:
    """Codes to begin a fit with: a small step from zero in every direction, the same for all shapes."""
    c = network.config
    return Codes(*(torch.full((count, n), 0.01, device=device) for n in (c.category, c.shape, c.albedo)))


def fit_to_points(
    network: JOF, points: Tensor, occupied: Tensor, colours: Tensor | None = None, *, steps: int = 200, rate: float = 0.02,
    start: Codes | None = None,
) -> Codes:  # fmt: skip
    """Codes [B, *] that make the decoders fit points [B, N, 3] with occupied [B, N] and, where given, colours [B, N, 3] in -1..1.

    "No encoder is involved": equation (8) by Adam over the codes alone. Without colours, f_A stays as it began. A shape of which nothing is
    left is fitted anew at half the rate, down to SLOWEST (ours): where the decoder says empty everywhere, no gradient leads back.
    Deterministic.
    """
    codes = first = start or free_codes(network, len(points), points.device)
    left = torch.arange(len(points), device=points.device)
    while len(left):
        pairs = points[left], occupied[left], None if colours is None else colours[left]
        part, empty = _fitted(network, *pairs, Codes(*(code[left] for code in first)), steps, rate)
        codes = Codes(*(code.index_copy(0, left, own) for code, own in zip(codes, part, strict=True)))
        rate = rate / 2
        left = left[empty] if rate >= SLOWEST else left[:0]
    return codes


def _fitted(
    network: JOF, points: Tensor, occupied: Tensor, colours: Tensor | None, start: Codes, steps: int, rate: float
) -> tuple[Codes, Tensor]:
    """Codes that are fitted at one rate, and which shapes are empty by then, bool [B]. Stops at once where all are."""
    empty = torch.zeros(len(points), dtype=torch.bool, device=points.device)
    with torch.enable_grad():
        codes = Codes(*(code.detach().clone().requires_grad_() for code in start))
        optimiser = torch.optim.Adam([code for code in codes if code.numel()], rate)
        for step in range(steps):
            optimiser.zero_grad()
            found = network.occupancy(codes, points)
            empty = occupied.any(1) & ~(found >= 0.5).any(1)
            if step >= EMPTY_AFTER and bool(empty.all()):
                break
            loss = occupancy_loss(found, occupied)
            if colours is not None:
                loss = loss + albedo_loss(network.colours(codes, points), colours, occupied)
            _gradients(loss, codes)
            optimiser.step()
    return codes.mapped(torch.Tensor.detach), empty


def fit_albedo(network: JOF, codes: Codes, points: Tensor, colours: Tensor, *, steps: int = 200, rate: float = 0.02) -> Codes:
    """Codes whose f_A makes occupied points [B, N, 3] have colours [B, N, 3] in -1..1: L_A of equation (8), f_C and f_S still.

    Fitted together, colours outweigh the shape, which may vanish (ours). Deterministic.
    """
    there = torch.ones(points.shape[:2], dtype=torch.bool, device=points.device)
    with torch.no_grad():
        winners = network.winners(codes, points)
    with torch.enable_grad():
        albedo = codes.albedo.detach().clone().requires_grad_()
        optimiser = torch.optim.Adam([albedo], rate)
        for _ in range(steps if albedo.numel() else 0):
            optimiser.zero_grad()
            found = network.colours(codes._replace(albedo=albedo), points, winners)
            (albedo.grad,) = torch.autograd.grad(albedo_loss(found, colours, there), [albedo])
            optimiser.step()
    return codes._replace(albedo=albedo.detach())


def fit_to_image(
    network: JOF, images: Tensor, masks: Tensor, guess: ImageGuess, *, steps: int = 50, rate: float = 0.01, side: int = 32,
    silhouette: float = 1.0,
) -> ImageGuess:  # fmt: skip
    """A guess improved on its own picture: equations (5) and (6) by Adam over codes, camera and light. Deterministic.

    images [B, 3, 128, 128] in 0..1, masks [B, 128, 128] in 0..1. A guess whose camera nothing can be drawn through is returned as it is.
    """
    if not bool(usable(projection_of(guess.camera, network.config)).all()):
        return guess
    target, mask = on_lattice(images, side), on_lattice(masks[:, None], side)[..., 0] > 0.5
    best, least = guess, float("inf")
    with torch.enable_grad():
        codes = Codes(*(code.detach().clone().requires_grad_() for code in guess.codes))
        camera, light = (x.detach().clone().requires_grad_() for x in (guess.camera, guess.light))
        free = [*(code for code in codes if code.numel()), camera, light]
        optimiser = torch.optim.Adam(free, rate)
        for step in range(steps + 1):
            projection = projection_of(camera, network.config)
            if not bool(usable(projection).all()):
                break
            picture = draw(network, codes, projection, light, side, evaluations=32, refinements=6)
            loss = photometric_loss(picture.colour, target, mask) + silhouette * silhouette_loss(picture.occupancy, mask)
            # Which guess is best is also a question of the pixels of the object that no ray hits (ours): they count as wholly wrong.
            score = float(loss.detach()) + float((mask & ~picture.hit).float().mean())
            if score < least:
                best, least = ImageGuess(codes.mapped(lambda c: c.detach().clone()), camera.detach().clone(), light.detach().clone()), score
            if step < steps:
                optimiser.zero_grad()
                _gradients(loss, free)
                optimiser.step()
    return best


def _gradients(loss: Tensor, wanted: list[Tensor] | Codes) -> None:
    """Gradients of the codes alone: the decoders keep none."""
    free = [code for code in wanted if code.numel()]
    for code, gradient in zip(free, torch.autograd.grad(loss, free, allow_unused=True), strict=True):
        code.grad = gradient
