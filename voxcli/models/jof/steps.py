"""The training steps of JOF (section 3.4): equation (8), L_2 and equation (4)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from voxcli.geometry.field_rendering import FieldPicture
from voxcli.models.branched.batches import ShapeBatch, ShapeSamples
from voxcli.models.branched.preparation import coloured, standard_image
from voxcli.models.jof import losses
from voxcli.models.jof.network import JOF, Codes, ImageGuess, projection_of, standardised
from voxcli.models.jof.rendering import boundary_points, draw, local_variations, on_lattice, usable
from voxcli.training.task import Context, Terms

TERMS = {
    "shape": ("shape", "albedo", "category", "places", "balance"),
    "image": ("image", "category_code", "shape_code", "albedo_code", "camera", "shape"),
    "self": ("image", "silhouette", "features", "albedo_constancy", "white_shading"),
}
"""The weighted terms of equation (8) with two of ours that keep all branches at work, of L_2 with one of ours (`shape`: L_S through the
codes that the image encoder finds), and of equation (4)."""

REHEARSED = ("category_code", "shape_code", "albedo_code", "camera")
"""Terms of L_2 that step 3 takes where batches of renderings come in between (`rehearsed`), and leaves out where none do."""


@dataclass(frozen=True)
class StageOptions:
    """A stage's `settings`. resolution, points: of the point-value pairs (16, 32 or 64; how many a shape). side: pixels of a drawn picture
    along a side; evaluations, refinements: of the field along each ray. boundary: points of equation (7). own_camera: step `image` draws
    through the camera that E guesses (else the true one: a camera not learnt yet shows nothing). rehearsed: which part of the batches of
    step `self` are renderings, with what is known of them (ours): pictures alone do not say front from back, and what step 2 taught
    of it would be lost.
    """

    resolution: int = 64
    points: int = 4096
    side: int = 24
    evaluations: int = 32
    refinements: int = 6
    boundary: int = 64
    own_camera: bool = False
    rehearsed: float = 0.0


def codes_and_logits(network: JOF, batch: ShapeBatch, context: Context[ShapeSamples]) -> tuple[Codes, Tensor]:
    """`shape_codes`, or codes that `stage_constants` found."""
    if "codes" not in context.constants:
        return shape_codes(network, batch)
    lengths = (network.config.category, network.config.shape, network.config.albedo)
    codes = Codes(*context.constants["codes"][batch.places].split(lengths, 1))
    return codes, network.encoder.linear(codes.category)


def shape_codes(network: JOF, batch: ShapeBatch) -> tuple[Codes, Tensor]:
    """Codes and category logits of a batch: of E', or the free ones of its shapes."""
    if "latents" in network.config.parts:
        return network.latents(batch.places.to(batch.points.device))
    return network.encoder(coloured(batch.volumes, network.config.darkest))


def shape_step(network: JOF, batch: ShapeBatch, context: Context[ShapeSamples]) -> Terms:
    """L_S + L_A + L_C."""
    weights = context.stage.losses
    codes, logits = codes_and_logits(network, batch, context)
    branches = network.branches(codes, batch.points)
    terms = {"shape": weights.get("shape", 0.0) * losses.occupancy_loss(branches.amax(-1), batch.occupied)}
    if weights.get("places"):
        terms["places"] = weights["places"] * losses.places_loss(branches, batch.points, batch.occupied, context.constants["seeds"])
    if weights.get("balance"):
        terms["balance"] = weights["balance"] * losses.balance_loss(branches, batch.occupied)
    if weights.get("albedo"):
        found = network.colours(codes, batch.points, branches.argmax(-1))
        terms["albedo"] = weights["albedo"] * losses.albedo_loss(found, batch.colours, batch.occupied)
    if weights.get("category"):
        terms["category"] = weights["category"] * F.cross_entropy(logits, _classes(network, batch, context))
    return terms


def _classes(network: JOF, batch: ShapeBatch, context: Context[ShapeSamples]) -> Tensor:
    """Places of the categories among the logits; 0 is unknown."""
    known = list(network.config.classes)
    table = [1 + known.index(name) if name in known else 0 for name in context.data.categories]
    return torch.tensor([*table, 0])[batch.categories.cpu()].to(batch.categories.device)


def image_step(network: JOF, batch: ShapeBatch, context: Context[ShapeSamples]) -> Terms:
    """Codes and camera against the true ones; the occupancy and the picture that they make against the given ones."""
    weights = context.stage.losses
    guess, _ = network.image(standard_image(batch.images))
    terms = {name: weights.get(name, 0.0) * value for name, value in _against_truth(network, guess, batch, context).items()}
    if weights.get("shape"):
        found = network.occupancy(guess.codes, batch.points)
        terms["shape"] = weights["shape"] * losses.occupancy_loss(found, batch.occupied)
    if weights.get("image"):
        projection = projection_of(guess.camera, network.config) if context.stage.options(StageOptions).own_camera else batch.projections
        picture, target, mask, kept = _drawn(network, guess.codes, projection, guess.light, batch, context)
        terms["image"] = weights["image"] * losses.photometric_loss(picture.colour, target, mask & kept[:, None])
    return terms


def _against_truth(network: JOF, guess: ImageGuess, batch: ShapeBatch, context: Context[ShapeSamples]) -> Terms:
    """The terms of L_2 that need no picture drawn, not yet weighted."""
    with torch.no_grad():
        truth, _ = codes_and_logits(network, batch, context)
    return losses.code_losses(guess.codes, truth) | {"camera": F.mse_loss(guess.camera, standardised(batch.projections, network.config))}


def _drawn(
    network: JOF, codes: Codes, projection: Tensor, light: Tensor, batch: ShapeBatch, context: Context[ShapeSamples]
) -> tuple[FieldPicture, Tensor, Tensor, Tensor]:
    """(drawn picture, given colours [B, N, 3], mask [B, N], which of the batch could be drawn [B])."""
    options = context.stage.options(StageOptions)
    kept = usable(projection)
    placeholder = projection.new_tensor([[100.0, 0, 64, 128], [0, -100, 64, 128], [0, 0, 1, 2]])
    through = torch.where(kept[:, None, None], projection, placeholder)
    picture = draw(network, codes, through, light, options.side, evaluations=options.evaluations, refinements=options.refinements)
    return picture, on_lattice(batch.images, options.side), on_lattice(batch.masks[:, None], options.side)[..., 0] > 0.5, kept


def self_step(network: JOF, batch: ShapeBatch, context: Context[ShapeSamples]) -> Terms:
    """L_img + L_sil + L_fea-const + L_reg: pictures and silhouettes alone. Of renderings that come in between, what L_2 knows of them."""
    weights, options = context.stage.losses, context.stage.options(StageOptions)
    guess, maps = network.image(standard_image(batch.images))
    zero = guess.camera.sum() * 0
    if options.rehearsed and batch.projections.shape[1]:
        known = _against_truth(network, guess, batch, context)
        return {name: weight * known[name] if name in REHEARSED and name in known else zero for name, weight in weights.items()}
    projection = projection_of(guess.camera, network.config)
    picture, target, mask, kept = _drawn(network, guess.codes, projection, guess.light, batch, context)
    seen = mask & picture.hit & kept[:, None]
    found = {"image": losses.photometric_loss(picture.colour, target, mask & kept[:, None])}
    if bool(kept.any()):
        found["silhouette"] = losses.silhouette_loss(picture.occupancy[kept], mask[kept])
    side = options.side

    def as_map(x: Tensor) -> Tensor:
        return x.transpose(1, 2).unflatten(2, (side, side))

    if weights.get("albedo_constancy"):
        found["albedo_constancy"] = losses.albedo_constancy(as_map(picture.albedo), as_map(target), seen.unflatten(1, (side, side)))
    if weights.get("white_shading"):
        found["white_shading"] = losses.white_shading(picture.shading, seen)
    if weights.get("features"):
        points, there = boundary_points(network, guess.codes.mapped(Tensor.detach), options.boundary)
        use = there & kept
        if int(use.sum()) > 1:
            variations = local_variations([m[use] for m in maps], projection[use], points[use])
            found["features"] = losses.local_consistency(variations, batch.categories[use])
    return {name: weight * found.get(name, zero) for name, weight in weights.items() if options.rehearsed or name not in REHEARSED}
