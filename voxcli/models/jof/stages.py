"""What a training of JOF does (section 3.4): its data, network, losses of a step and scores (the members of models.tasks.Task)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from voxcli import config
from voxcli.errors import DataError, FileFormatError, UsageError, unknown_name
from voxcli.geometry.field_rendering import FieldPicture
from voxcli.geometry.field_surface import cell_centres
from voxcli.models.jof import losses
from voxcli.models.jof.batches import ShapeBatch, ShapeReader, ShapeSamples, collate  # noqa: F401 - part of what stages offer
from voxcli.models.jof.fitting import fit_to_points
from voxcli.models.jof.network import CELLS, JOF, Codes, ImageGuess, JOFConfig, projection_of, standardised
from voxcli.models.jof.network import build as build_network
from voxcli.models.jof.preparation import standard_image
from voxcli.models.jof.rendering import boundary_points, draw, local_variations, on_lattice, usable
from voxcli.models.jof.scores import branch_summary, branch_tally, winners_picture
from voxcli.models.tasks import Augmentation, ClassWeights, Context, Stage
from voxcli.models.weights import load_parts, load_weights

TERMS = {
    "shape": ("shape", "albedo", "category", "places", "balance"),
    "image": ("image", "category_code", "shape_code", "albedo_code", "camera"),
    "self": ("image", "silhouette", "features", "albedo_constancy", "white_shading"),
}
"""The weighted terms of equation (8) with two of ours that keep all branches at work, of L_2, and of equation (4)."""

REHEARSED = ("category_code", "shape_code", "albedo_code", "camera")
"""Terms of L_2 that step 3 takes where batches of renderings come in between (`rehearsed`), and leaves out where none do."""

SEEN, DRAWN, ROUNDS = 64, 200, 30
"""Shapes, occupied points of each and rounds of Lloyd's that give the places where branches begin."""

ENCODED = 16
"""Volumes that are encoded at a time when their codes are found in advance."""

SCANNED = 200
"""Objects whose cameras give mean and deviation of projections."""


@dataclass(frozen=True)
class StageSettings:
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


def open_data(sources: Sequence[str | Path], settings: Mapping[str, Any]) -> ShapeSamples:
    """Folders that `synth objects` wrote, or of published .mat shapes. settings: `split`, `categories` and `images`."""
    return ShapeSamples(sources, settings)


def configure(settings: Mapping[str, Any], data: ShapeSamples) -> JOFConfig:
    """The configuration of a recipe: fields of JOFConfig, on top of those of the weights that `start` names.

    The data give the categories, the number of free codes, and mean and deviation of the projections, where nothing else states them.
    """
    settings = dict(settings)
    given: dict[str, Any] = {}
    if settings.get("start"):
        weights = load_weights(str(settings["start"]))
        if weights.model != "jof":
            raise FileFormatError(f"'{settings['start']}': weights of another model.", expected="jof", actual=weights.model)
        given = weights.config
    merged = config.merge(given, settings)
    merged.setdefault("classes", list(data.categories))
    parts = merged.get("parts", JOFConfig.parts)
    if "latents" in parts:
        merged.setdefault("shapes", len(data))
    if "image" in parts and "camera_mean" not in merged:
        seen = np.concatenate([data.projections(i) for i in range(0, len(data), max(1, len(data) // SCANNED))]).reshape(-1, 12)
        merged["camera_mean"] = [round(float(v), 6) for v in seen.mean(0)]
        merged["camera_std"] = [round(float(v), 6) for v in seen.std(0).clip(min=1e-3)]
    return config.from_mapping(JOFConfig, merged, "network")


def build(settings: JOFConfig) -> JOF:
    """A freshly initialised network; parts that `start` has are taken from there."""
    network = build_network(settings)
    if settings.start:
        load_parts(network, settings.start)
    return network


def check_stage(stage: Stage, settings: JOFConfig, data: ShapeSamples) -> None:
    """Raise UsageError for losses, parts or sizes that mean nothing."""
    if stage.step not in TERMS:
        raise unknown_name("step", stage.step, TERMS)
    wanted = _settings(stage)
    terms = TERMS[stage.step] + (REHEARSED if stage.step == "self" else ())
    for name in stage.losses:
        if name not in terms:
            raise unknown_name(f"loss of the step '{stage.step}'", name, terms)
    if not 0 <= wanted.rehearsed < 1 or (wanted.rehearsed and stage.step != "self"):
        raise UsageError(f"Stage '{stage.name}': 'rehearsed' is a part of the batches of step 'self'.", expected="0 or more, less than 1",
                         actual=wanted.rehearsed)  # fmt: skip
    if wanted.resolution not in (16, 32, 64) or wanted.points < 1 or wanted.side < 2:
        raise UsageError(f"Stage '{stage.name}': pairs have a resolution of 16, 32 or 64.", actual=wanted.resolution)
    if wanted.rehearsed and not data.pictures:
        raise UsageError(f"Stage '{stage.name}' rehearses renderings between pictures without 3D, of which there are none.",
                         hint="Name some: --set 'training.dataset.images=[DIR]'.")  # fmt: skip
    source = {"encoder", "latents"} & set(settings.parts)
    needed = {"shape": ("shape",), "image": ("shape", "image"), "self": ("shape", "albedo", "image")}[stage.step]
    missing = [part for part in needed if part not in settings.parts]
    if (stage.step != "self" or wanted.rehearsed) and not source:
        missing = missing or ["encoder or latents"]
    if "albedo" in stage.losses and "albedo" not in settings.parts:
        missing = missing or ["albedo"]
    if missing:
        raise UsageError(f"Stage '{stage.name}' needs parts that the network lacks.", expected=", ".join(missing))
    if stage.losses.get("category") and not settings.category:
        raise UsageError(f"Stage '{stage.name}': without a category code there is no loss 'category'.")
    if stage.step != "shape" and "shape" not in stage.frozen:
        raise UsageError(f"Stage '{stage.name}': the shape decoder stays as it is after step 1.", expected="frozen: [shape, ...]")


def constants(data: ShapeSamples, indices: Sequence[int], weights: ClassWeights) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Steps need none; the log learns which categories there are."""
    return {}, {"categories": data.categories, "pictures": len(data.pictures)}


def reader(data: ShapeSamples, stage: Stage, augmentation: Augmentation) -> ShapeReader:
    """Shapes for step 1, with a view each for steps 2 and 3, where pictures without 3D may stand in their place."""
    wanted = _settings(stage)
    viewed, pictured = stage.step != "shape", stage.step == "self"
    known = viewed and _known(stage, data)
    return ShapeReader(data, wanted.resolution, wanted.points, viewed, pictured, known, augmentation, wanted.rehearsed)


def _known(stage: Stage, data: ShapeSamples) -> bool:
    """Whether the codes that a stage is told do not change while it lasts, and it sees most shapes more than once."""
    told = stage.step != "self" or _settings(stage).rehearsed
    return bool(told) and "encoder" in stage.frozen and stage.steps * stage.batch >= len(data)


def stage_constants(network: nn.Module, data: ShapeSamples, indices: Sequence[int], stage: Stage) -> dict[str, Tensor]:
    """`codes`, those that E' finds for the training shapes, where it stays as it is: a row each, in the order of Codes, so that volumes
    are encoded once a stage. `seeds` [k, 3], the places where branches begin, for the loss `places`."""
    model: Any = network
    device = next(model.parameters()).device
    found = {}
    if _known(stage, data) and hasattr(model, "encoder"):
        found["codes"] = _encoded(model, data, indices, device)
    if stage.losses.get("places"):
        found["seeds"] = _seeds(data, indices, model.config.branches).to(device)
    return found


def _seeds(data: ShapeSamples, indices: Sequence[int], count: int) -> Tensor:
    """Centres of `count` clusters of the occupied points of some shapes, by Lloyd's rounds from the farthest points on. [count, 3]"""
    chosen = list(indices)[:: max(1, len(indices) // SEEN)]
    clouds = []
    for index in chosen:
        pairs = data.shape(index, CELLS, None, np.random.default_rng(0))[1]
        solid = pairs.points[pairs.occupied]
        clouds.append(solid[:: max(1, len(solid) // DRAWN)] * 2)
    points = torch.from_numpy(np.concatenate(clouds)).float()
    if len(points) < count:
        raise DataError("The shapes have fewer occupied points than the network has branches.", expected=count, actual=len(points))
    seeds = points[:1]
    while len(seeds) < count:
        seeds = torch.cat([seeds, points[torch.cdist(points, seeds).amin(1).argmax()][None]])
    for _ in range(ROUNDS):
        owner = F.one_hot(torch.cdist(points, seeds).argmin(1), count).to(points.dtype)
        seeds = torch.where(owner.sum(0)[:, None] > 0, owner.T @ points / owner.sum(0)[:, None].clamp_min(1), seeds)
    return seeds


def _encoded(model: Any, data: ShapeSamples, indices: Sequence[int], device: torch.device) -> Tensor:
    rows: Tensor | None = None
    for chosen in (list(indices[i : i + ENCODED]) for i in range(0, len(indices), ENCODED)):
        volumes = np.stack([data.shape(index, CELLS, 1, np.random.default_rng(0))[0] for index in chosen])
        codes = torch.cat(model.encoder(coloured(torch.from_numpy(volumes).to(device), model.config.darkest))[0], 1)
        rows = codes.new_zeros(len(data), codes.shape[1]) if rows is None else rows
        rows[chosen] = codes
    assert rows is not None
    return rows


# -- step 1: equation (8) --------------------------------------------------------------------------------------------------------------


def coloured(volumes: Tensor, darkest: float) -> Tensor:
    """uint8 [B, 4, 64, 64, 64] as the 3D encoder takes it: colours from `darkest` to 1 where occupied, 0 in air."""
    colours = volumes[:, :3].float() * ((1 - darkest) / 255) + darkest
    return colours * (volumes[:, 3:] > 0)


def _codes_and_logits(model: Any, batch: ShapeBatch, context: Context) -> tuple[Codes, Tensor]:
    """`shape_codes`, or codes that are known in advance."""
    if "codes" not in context.constants:
        return shape_codes(model, batch)
    lengths = (model.config.category, model.config.shape, model.config.albedo)
    codes = Codes(*context.constants["codes"][batch.places].split(lengths, 1))
    return codes, model.encoder.linear(codes.category)


def shape_codes(model: Any, batch: ShapeBatch) -> tuple[Codes, Tensor]:
    """Codes and category logits of a batch: of E', or the free ones of its shapes."""
    if hasattr(model, "latents"):
        return model.latents(batch.places.to(batch.points.device))
    return model.encoder(coloured(batch.volumes, model.config.darkest))


def shape_step(network: nn.Module, batch: ShapeBatch, context: Context) -> dict[str, Tensor]:
    """L_S + L_A + L_C."""
    model: Any = network
    weights = context.stage.losses
    codes, logits = _codes_and_logits(model, batch, context)
    branches = model.branches(codes, batch.points)
    terms = {"shape": weights.get("shape", 0.0) * losses.occupancy_loss(branches.amax(-1), batch.occupied)}
    if weights.get("places"):
        terms["places"] = weights["places"] * losses.places_loss(branches, batch.points, batch.occupied, context.constants["seeds"])
    if weights.get("balance"):
        terms["balance"] = weights["balance"] * losses.balance_loss(branches, batch.occupied)
    if weights.get("albedo"):
        found = model.colours(codes, batch.points, branches.argmax(-1))
        terms["albedo"] = weights["albedo"] * losses.albedo_loss(found, batch.colours, batch.occupied)
    if weights.get("category"):
        terms["category"] = weights["category"] * F.cross_entropy(logits, _classes(model, batch, context))
    return terms


def _classes(model: Any, batch: ShapeBatch, context: Context) -> Tensor:
    """Places of the categories among the logits; 0 is unknown."""
    known = list(model.config.classes)
    table = [1 + known.index(name) if name in known else 0 for name in context.data.categories]
    return torch.tensor([*table, 0])[batch.categories.cpu()].to(batch.categories.device)


# -- step 2: L_2 ------------------------------------------------------------------------------------------------------------------------


def image_step(network: nn.Module, batch: ShapeBatch, context: Context) -> dict[str, Tensor]:
    """Codes and camera against the true ones, and the picture that they make against the given one."""
    model: Any = network
    weights = context.stage.losses
    guess, _ = model.image(standard_image(batch.images))
    terms = {name: weights.get(name, 0.0) * value for name, value in _against_truth(model, guess, batch, context).items()}
    if weights.get("image"):
        projection = projection_of(guess.camera, model.config) if _settings(context.stage).own_camera else batch.projections
        picture, target, mask, kept = _drawn(model, guess.codes, projection, guess.light, batch, context)
        terms["image"] = weights["image"] * losses.photometric_loss(picture.colour, target, mask & picture.hit & kept[:, None])
    return terms


def _against_truth(model: Any, guess: ImageGuess, batch: ShapeBatch, context: Context) -> dict[str, Tensor]:
    """The terms of L_2 that need no picture drawn, not yet weighted."""
    with torch.no_grad():
        truth, _ = _codes_and_logits(model, batch, context)
    return losses.code_losses(guess.codes, truth) | {"camera": F.mse_loss(guess.camera, standardised(batch.projections, model.config))}


def _drawn(
    model: Any, codes: Codes, projection: Tensor, light: Tensor, batch: ShapeBatch, context: Context
) -> tuple[FieldPicture, Tensor, Tensor, Tensor]:
    """(drawn picture, given colours [B, N, 3], mask [B, N], which of the batch could be drawn [B])."""
    wanted = _settings(context.stage)
    kept = usable(projection)
    stand_in = projection.new_tensor([[100.0, 0, 64, 128], [0, -100, 64, 128], [0, 0, 1, 2]])
    through = torch.where(kept[:, None, None], projection, stand_in)
    picture = draw(model, codes, through, light, wanted.side, evaluations=wanted.evaluations, refinements=wanted.refinements)
    return picture, on_lattice(batch.images, wanted.side), on_lattice(batch.masks[:, None], wanted.side)[..., 0] > 0.5, kept


# -- step 3: equation (4) ---------------------------------------------------------------------------------------------------------------


def self_step(network: nn.Module, batch: ShapeBatch, context: Context) -> dict[str, Tensor]:
    """L_img + L_sil + L_fea-const + L_reg: pictures and silhouettes alone. Of renderings that come in between, what L_2 knows of them."""
    model: Any = network
    weights, wanted = context.stage.losses, _settings(context.stage)
    guess, maps = model.image(standard_image(batch.images))
    zero = guess.camera.sum() * 0
    if wanted.rehearsed and batch.projections.shape[1]:
        told = _against_truth(model, guess, batch, context)
        return {name: weight * told[name] if name in REHEARSED and name in told else zero for name, weight in weights.items()}
    projection = projection_of(guess.camera, model.config)
    picture, target, mask, kept = _drawn(model, guess.codes, projection, guess.light, batch, context)
    seen = mask & picture.hit & kept[:, None]
    found = {"image": losses.photometric_loss(picture.colour, target, seen)}
    if bool(kept.any()):
        found["silhouette"] = losses.silhouette_loss(picture.occupancy[kept], mask[kept])
    side = wanted.side

    def as_map(x: Tensor) -> Tensor:
        return x.transpose(1, 2).unflatten(2, (side, side))

    if weights.get("albedo_constancy"):
        found["albedo_constancy"] = losses.albedo_constancy(as_map(picture.albedo), as_map(target), seen.unflatten(1, (side, side)))
    if weights.get("white_shading"):
        found["white_shading"] = losses.white_shading(picture.shading, seen)
    if weights.get("features"):
        points, there = boundary_points(model, guess.codes.mapped(Tensor.detach), wanted.boundary)
        use = there & kept
        if int(use.sum()) > 1:
            variations = local_variations([m[use] for m in maps], projection[use], points[use])
            found["features"] = losses.local_consistency(variations, batch.categories[use])
    return {name: weight * found.get(name, zero) for name, weight in weights.items() if wanted.rehearsed or name not in REHEARSED}


STEPS = {"shape": shape_step, "image": image_step, "self": self_step}


# -- validation -------------------------------------------------------------------------------------------------------------------------


def _shown_codes(model: Any, batch: ShapeBatch, context: Context) -> Codes:
    """Codes as the stage at hand finds them: from volumes, or from pictures. Free codes of unseen shapes are fitted."""
    if context.stage.step != "shape":
        return model.image(standard_image(batch.images))[0].codes
    if hasattr(model, "latents"):
        return fit_to_points(model, batch.points, batch.occupied, steps=60)
    return shape_codes(model, batch)[0]


def tally(network: nn.Module, batch: ShapeBatch, context: Context) -> Tensor:
    """See `branch_tally`; a last column sums up the camera's error: mean distance in pixels of the cube's corners, 0 in step 1."""
    model: Any = network
    if not batch.shaped:
        raise DataError("Pictures without 3D cannot be validated on.")
    branches = model.branches(_shown_codes(model, batch, context), batch.points)
    count = len(context.data.categories)
    total = branch_tally(branches, batch.occupied, batch.parts, batch.categories, count)
    error = total.new_zeros(count)
    if context.stage.step != "shape":
        guess, _ = model.image(standard_image(batch.images))
        error.index_add_(0, batch.categories.to(total.device), _pixels_off(projection_of(guess.camera, model.config), batch.projections))
    return torch.cat([total, error[:, None]], 1)


def _pixels_off(found: Tensor, truth: Tensor) -> Tensor:
    """Mean distance in pixels of where two projections [B, 3, 4] see the corners of [-1/2, 1/2]^3, at most 128. [B] float64"""
    corners = torch.cartesian_prod(*[torch.tensor([-0.5, 0.5], device=found.device)] * 3).double()
    ends = [corners @ P[..., :3].double().transpose(1, 2) + P[:, None, :, 3].double() for P in (found, truth)]
    a, b = (e[..., :2] / torch.where(e[..., 2:].abs() < 1e-3, 1e-3, e[..., 2:]) for e in ends)
    return (a - b).norm(dim=-1).clamp_max(128).mean(1)


def summary(total: Tensor, context: Context) -> tuple[float, dict[str, Any]]:
    """The mean intersection over union on the pairs; the record holds each category's, and how well branches tell parts."""
    value, record = branch_summary(total[:, :-1], context.data.categories)
    if context.stage.step != "shape":
        record["camera_pixels"] = round(float(total[:, -1].sum() / total[:, 1].sum().clamp_min(1)), 3)
    return value, record


def preview(network: nn.Module, batches: Iterator[ShapeBatch], context: Context) -> np.ndarray | None:
    """One row an object: the winning branches seen along z and x, then the true occupancy; with its view, where there is one."""
    model: Any = network
    rows = []
    for batch in batches:
        codes = Codes(*(code[:1] for code in _shown_codes(model, batch, context)))
        side = 40
        points = cell_centres(torch.arange(side**3, device=batch.points.device), side)[None].to(batch.points.device)
        best, winner = (x.view(side, side, side).cpu().numpy() for x in model.branches(codes, points)[0].max(-1))
        k = model.config.branches
        at = ((np.arange(side) + 0.5) * CELLS / side).astype(int)
        truth = batch.volumes[0, 3].cpu().numpy()[np.ix_(at, at, at)] > 0
        tiles = [winners_picture(np.where(best >= 0.5, winner, -1), k), winners_picture(np.where(truth, k // 2, -1), k)]
        if batch.images.shape[-1]:
            view = (F.interpolate(batch.images[:1], (3 * side, 3 * side))[0].permute(1, 2, 0) * 255).byte().cpu().numpy()
            tiles.insert(0, view)
        rows.append(np.concatenate(tiles, 1))
    return np.concatenate(rows) if rows else None


def weight_facts(data: ShapeSamples) -> dict[str, Any]:
    """The categories that the network has seen."""
    return {"categories": data.categories, "threshold": 0.5}


def _settings(stage: Stage) -> StageSettings:
    return config.from_mapping(StageSettings, stage.settings, f"settings of stage '{stage.name}'")
