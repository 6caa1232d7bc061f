"""What a training of JOF does (section 3.4): its data, network, steps and scores."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from voxcli import config as configuration
from voxcli.config import Value
from voxcli.errors import DataError, FileFormatError, UsageError, unknown_name
from voxcli.models.blocks.efficientnet import load_imagenet
from voxcli.models.branched.batches import ShapeBatch, ShapeReader, ShapeSamples
from voxcli.models.branched.branches import SHOWN, BranchTask, branch_tally, cube_points, winners_picture, winners_view
from voxcli.models.branched.preparation import CELLS, coloured, standard_image
from voxcli.models.jof.fitting import fit_to_points
from voxcli.models.jof.network import JOF, PRESETS, RESNET, Codes, JOFConfig, build, projection_of
from voxcli.models.jof.resnet import PublishedFeatures
from voxcli.models.jof.steps import REHEARSED, TERMS, StageOptions, image_step, self_step, shape_codes, shape_step
from voxcli.models.weights import load_parts, load_weights
from voxcli.training.recipe import split_preset
from voxcli.training.stage import Augmentation, Stage
from voxcli.training.task import Context

SEEN, DRAWN, ROUNDS = 64, 200, 30
"""Shapes, occupied points of each and rounds of Lloyd's that give the places where branches begin."""

ENCODED = 16
"""Volumes that are encoded at a time when their codes are found in advance."""

SCANNED = 200
"""Objects whose cameras give mean and deviation of projections."""


def parts_of(options: Mapping[str, Value]) -> Sequence[Value]:
    """The parts that a configuration names, or has by default."""
    parts = options.get("parts", JOFConfig.parts)
    return parts if isinstance(parts, Sequence) else ()


def codes_stay(stage: Stage, data: ShapeSamples) -> bool:
    """Whether the codes of shapes that a stage reads stay the same while it lasts, and it sees most shapes more than once."""
    used = stage.step != "self" or stage.options(StageOptions).rehearsed
    return bool(used) and "encoder" in stage.frozen and stage.steps * stage.batch >= len(data)


def branch_seeds(data: ShapeSamples, indices: Sequence[int], count: int) -> Tensor:
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


def _encoded(network: JOF, data: ShapeSamples, indices: Sequence[int], device: torch.device) -> Tensor:
    rows: Tensor | None = None
    for chosen in (list(indices[i : i + ENCODED]) for i in range(0, len(indices), ENCODED)):
        volumes = np.stack([data.shape(index, CELLS, 1, np.random.default_rng(0))[0] for index in chosen])
        codes = torch.cat(network.encoder(coloured(torch.from_numpy(volumes).to(device), network.config.darkest))[0], 1)
        rows = codes.new_zeros(len(data), codes.shape[1]) if rows is None else rows
        rows[chosen] = codes
    assert rows is not None
    return rows


def _pixels_off(found: Tensor, truth: Tensor) -> Tensor:
    """Mean distance in pixels of where two projections [B, 3, 4] see the corners of [-1/2, 1/2]^3, at most 128. [B] float64"""
    corners = torch.cartesian_prod(*[torch.tensor([-0.5, 0.5], device=found.device)] * 3).double()
    ends = [corners @ P[..., :3].double().transpose(1, 2) + P[:, None, :, 3].double() for P in (found, truth)]
    a, b = (e[..., :2] / torch.where(e[..., 2:].abs() < 1e-3, 1e-3, e[..., 2:]) for e in ends)
    return (a - b).norm(dim=-1).clamp_max(128).mean(1)


class JOFTask(BranchTask[JOF, JOFConfig]):
    """The parts that the configuration names, in three steps."""

    steps = {"shape": shape_step, "image": image_step, "self": self_step}
    prepares_stages = True

    def configure(self, options: Mapping[str, Value], data: ShapeSamples) -> JOFConfig:
        """The configuration of a recipe: fields of JOFConfig, on top of those of its `preset` and of the weights that `start` names.

        The data give the categories, the number of free codes, and mean and deviation of the projections, where nothing else states them.
        """
        preset, options = split_preset(options, PRESETS, "paper")
        given: Mapping[str, Value] = {}
        if options.get("start"):
            weights = load_weights(str(options["start"]))
            if weights.model != "jof":
                raise FileFormatError(f"'{options['start']}': weights of another model.", expected="jof", actual=weights.model)
            given = dict(weights.config | ({"pretrained": False} if weights.config.get("backbone", RESNET) != RESNET else {}))
            if "image" not in parts_of(given):  # such weights know no cameras
                given = {name: value for name, value in given.items() if name not in ("camera_mean", "camera_std")}
        merged = configuration.merge(given, PRESETS[preset], options)
        merged.setdefault("classes", list(data.categories))
        parts = parts_of(merged)
        if "latents" in parts:
            merged.setdefault("shapes", len(data))
        if "image" in parts and "camera_mean" not in merged:
            seen = np.concatenate([data.projections(i) for i in range(0, len(data), max(1, len(data) // SCANNED))]).reshape(-1, 12)
            merged["camera_mean"] = [round(float(v), 6) for v in seen.mean(0)]
            merged["camera_std"] = [round(float(v), 6) for v in seen.std(0).clip(min=1e-3)]
        return configuration.from_mapping(JOFConfig, merged, "network")

    def build(self, config: JOFConfig) -> JOF:
        """A freshly initialised network, a published encoder with its ImageNet weights; parts that `start` has are taken from there."""
        network = build(config)
        if "image" in config.parts and isinstance(features := network.image.features, PublishedFeatures):
            load_imagenet(features.published, config.pretrained)
        if config.start:
            load_parts(network, config.start)
        return network

    def check_stage(self, stage: Stage, config: JOFConfig, data: ShapeSamples) -> None:
        """Raise UsageError for losses, parts or sizes that mean nothing."""
        if stage.step not in TERMS:
            raise unknown_name("step", stage.step, TERMS)
        options = stage.options(StageOptions)
        terms = TERMS[stage.step] + (REHEARSED if stage.step == "self" else ())
        stage.check_losses(terms, f"loss of the step '{stage.step}'")
        if not 0 <= options.rehearsed < 1 or (options.rehearsed and stage.step != "self"):
            raise UsageError(f"Stage '{stage.name}': 'rehearsed' is a part of the batches of step 'self'.",
                             expected="0 or more, less than 1", actual=options.rehearsed)  # fmt: skip
        if options.resolution not in (16, 32, 64) or options.points < 1 or options.side < 2:
            raise UsageError(f"Stage '{stage.name}': pairs have a resolution of 16, 32 or 64.", actual=options.resolution)
        if options.rehearsed and not data.pictures:
            raise UsageError(f"Stage '{stage.name}' rehearses renderings between pictures without 3D, of which there are none.",
                             hint="Name some: --set 'training.dataset.images=[DIR]'.")  # fmt: skip
        if stage.step != "shape":
            data.check_renderings()
        source = {"encoder", "latents"} & set(config.parts)
        needed = {"shape": ("shape",), "image": ("shape", "image"), "self": ("shape", "albedo", "image")}[stage.step]
        missing = [part for part in needed if part not in config.parts]
        if (stage.step != "self" or options.rehearsed) and not source:
            missing = missing or ["encoder or latents"]
        if "albedo" in stage.losses and "albedo" not in config.parts:
            missing = missing or ["albedo"]
        if missing:
            raise UsageError(f"Stage '{stage.name}' needs parts that the network lacks.", expected=", ".join(missing))
        if stage.losses.get("category") and not config.category:
            raise UsageError(f"Stage '{stage.name}': without a category code there is no loss 'category'.")
        if stage.step != "shape" and "shape" not in stage.frozen:
            raise UsageError(f"Stage '{stage.name}': the shape decoder stays as it is after step 1.", expected="frozen: [shape, ...]")

    def log_facts(self, data: ShapeSamples, constants: Mapping[str, Tensor]) -> dict[str, Value]:
        """The categories, and how many pictures without 3D there are."""
        return {"categories": data.categories, "pictures": len(data.pictures)}

    def reader(self, data: ShapeSamples, stage: Stage, augmentation: Augmentation) -> ShapeReader:
        """Shapes for step 1, with a view each for steps 2 and 3, where pictures without 3D may stand in their place."""
        options = stage.options(StageOptions)
        viewed, pictured = stage.step != "shape", stage.step == "self"
        known = viewed and codes_stay(stage, data) and not (stage.step == "image" and stage.losses.get("shape"))
        return ShapeReader(data, options.resolution, options.points, viewed, pictured, known, augmentation, options.rehearsed)

    def stage_constants(self, network: JOF, data: ShapeSamples, indices: Sequence[int], stage: Stage) -> dict[str, Tensor]:
        """`codes`, those that E' finds for the training shapes, where it stays as it is: a row each, in the order of Codes, so that volumes
        are encoded once a stage. `seeds` [k, 3], the places where branches begin, for the loss `places`."""
        device = next(network.parameters()).device
        found = {}
        if codes_stay(stage, data) and "encoder" in network.config.parts:
            found["codes"] = _encoded(network, data, indices, device)
        if stage.losses.get("places"):
            found["seeds"] = branch_seeds(data, indices, network.config.branches).to(device)
        return found

    def _shown_codes(self, network: JOF, batch: ShapeBatch, context: Context[ShapeSamples]) -> Codes:
        """Codes as the stage at hand finds them: from volumes, or from pictures. Free codes of unseen shapes are fitted."""
        if context.stage.step != "shape":
            return network.image(standard_image(batch.images))[0].codes
        if "latents" in network.config.parts:
            return fit_to_points(network, batch.points, batch.occupied, steps=60)
        return shape_codes(network, batch)[0]

    def tally(self, network: JOF, batch: ShapeBatch, context: Context[ShapeSamples]) -> Tensor:
        """See `branch_tally`; a last column sums up the camera's error: mean distance in pixels of the cube's corners, 0 in step 1."""
        if not batch.shaped:
            raise DataError("Pictures without 3D cannot be validated on.")
        branches = network.branches(self._shown_codes(network, batch, context), batch.points)
        count = len(context.data.categories)
        total = branch_tally(branches, batch, count, self.threshold)
        error = total.new_zeros(count)
        if context.stage.step != "shape":
            guess, _ = network.image(standard_image(batch.images))
            pixels = _pixels_off(projection_of(guess.camera, network.config), batch.projections)
            error.index_add_(0, batch.categories.to(total.device), pixels)
        return torch.cat([total, error[:, None]], 1)

    def summary(self, total: Tensor, context: Context[ShapeSamples]) -> tuple[float, dict[str, Value]]:
        """The mean intersection over union on the pairs; the record holds each category's, and how well branches tell parts."""
        value, record = super().summary(total[:, :-1], context)
        if context.stage.step != "shape":
            record["camera_pixels"] = round(float(total[:, -1].sum() / total[:, 1].sum().clamp_min(1)), 3)
        return value, record

    def preview(self, network: JOF, batches: Iterable[ShapeBatch], context: Context[ShapeSamples]) -> np.ndarray | None:
        """One row an object: the winning branches seen along z and x, then the true occupancy; with its view, where there is one."""
        rows = []
        for batch in batches:
            codes = Codes(*(code[:1] for code in self._shown_codes(network, batch, context)))
            k = network.config.branches
            at = ((np.arange(SHOWN) + 0.5) * CELLS / SHOWN).astype(int)
            truth = batch.volumes[0, 3].cpu().numpy()[np.ix_(at, at, at)] > 0
            found = network.branches(codes, cube_points(batch.points.device))[0]
            tiles = [winners_view(found, self.threshold), winners_picture(np.where(truth, k // 2, -1), k)]
            if batch.images.shape[-1]:
                view = (F.interpolate(batch.images[:1], (3 * SHOWN, 3 * SHOWN))[0].permute(1, 2, 0) * 255).byte().cpu().numpy()
                tiles.insert(0, view)
            rows.append(np.concatenate(tiles, 1))
        return np.concatenate(rows) if rows else None


TASK = JOFTask()
