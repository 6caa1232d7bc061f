"""What a training of UCLID-Net does, in the paper's order.

Steps: `depth` and `camera` train the regressors; `occupancy` warms the main network up, `shape` trains it; with several views their grids
are added up, and with encoder and reductions frozen that is the fine-tuning of the decoder of section 4.3.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from voxcli import config as configuration
from voxcli.config import Value
from voxcli.errors import FileFormatError, UsageError, unknown_name
from voxcli.geometry.chamfer import ragged_chamfer
from voxcli.models.blocks.efficientnet import load_imagenet
from voxcli.models.uclid.batches import ObjectBatch, ObjectReader, ObjectSamples, Sample, collate
from voxcli.models.uclid.folding import even_uv
from voxcli.models.uclid.inference import THRESHOLD
from voxcli.models.uclid.losses import camera_loss
from voxcli.models.uclid.network import PRESETS, RESNET, UCLID, UCLIDConfig, build, occupied
from voxcli.models.uclid.steps import TERMS, StageOptions, camera_step, decoded, depth_step, depths, motions, shape_step
from voxcli.models.weights import load_parts, load_weights
from voxcli.training.counting import sample_ious
from voxcli.training.previews import volume_views
from voxcli.training.recipe import split_preset
from voxcli.training.stage import Augmentation, Stage
from voxcli.training.task import Context, Task

EMPTY = 4.0
"""What an empty prediction counts as a Chamfer distance in validation."""

REGRESSORS = ("depth", "camera")
"""The auxiliary networks."""

SIDE = 224
"""Of the pictures that are read. Each step resizes them to the network's own size, which a reader does not know."""


class UCLIDTask(Task[UCLID, UCLIDConfig, ObjectSamples, Sample, ObjectBatch]):
    """The main network and its regressors of depth and camera."""

    steps = {"depth": depth_step, "camera": camera_step, "occupancy": shape_step, "shape": shape_step}
    collate = staticmethod(collate)

    def open_data(self, sources: Sequence[str | Path], options: Mapping[str, Value]) -> ObjectSamples:
        """Folders in DISN's layout, as `synth objects --layout disn` writes it. options: `split`, `categories` and `kind`."""
        return ObjectSamples(sources, options)

    def configure(self, options: Mapping[str, Value], data: ObjectSamples) -> UCLIDConfig:
        """The configuration of a recipe: `preset` names where to start, other keys are fields of UCLIDConfig. The weights that `regressors`
        names give the widths of depth and camera."""
        preset, options = split_preset(options, PRESETS, "paper")
        merged = configuration.merge(configuration.to_mapping(PRESETS[preset]), options)
        if options.get("regressors"):
            weights = load_weights(str(options["regressors"]))
            if weights.model != "uclid":
                raise FileFormatError(f"'{options['regressors']}': weights of another model.", expected="uclid", actual=weights.model)
            if (theirs := weights.config.get("backbone", RESNET)) != merged["backbone"]:
                raise FileFormatError(f"'{options['regressors']}': regressors over another image encoder.", actual=str(theirs),
                                      expected=str(merged["backbone"]))  # fmt: skip
            merged |= {part: weights.config[part] for part in REGRESSORS}
        return configuration.from_mapping(UCLIDConfig, merged, "network")

    def build(self, config: UCLIDConfig) -> UCLID:
        """A freshly initialised network; a published encoder with the ImageNet weights that the configuration names, and the auxiliary
        networks, or all, of the weights that it names."""
        network = build(config)
        if network.published is not None:
            load_imagenet(network.published, config.pretrained)
        if config.regressors:
            load_parts(network, config.regressors, REGRESSORS)
        if config.start:
            load_parts(network, config.start)
        return network

    def check_stage(self, stage: Stage, config: UCLIDConfig, data: ObjectSamples) -> None:
        """Raise UsageError for steps, losses and settings that mean nothing to this network."""
        if stage.step not in TERMS:
            raise unknown_name("step", stage.step, TERMS)
        stage.check_losses(TERMS[stage.step], f"loss of the step '{stage.step}'")
        options = stage.options(StageOptions)
        if not 1 <= options.views[0] <= options.views[1]:
            raise UsageError(f"Stage '{stage.name}': views are counted from the fewest to the most.", actual=list(options.views))
        if min(options.samples, options.truth) < 1:
            raise UsageError(f"Stage '{stage.name}': samples and truth count points.", expected="at least 1")
        if config.regressed != "cube":
            raise UsageError("Regressors are trained in units of the cube.", expected="network: {regressed: cube}", actual=config.regressed)
        given, parts = {"depth": options.depth, "camera": options.camera}, {"depth": config.depth, "camera": config.camera}
        for part in parts:
            used = stage.step == part or (stage.step in ("occupancy", "shape") and given[part] == "regressed")
            if used and parts[part] is None:
                raise UsageError(f"Stage '{stage.name}': the network regresses no {part}.", hint=f"Configure network.{part}.")

    def log_facts(self, data: ObjectSamples, constants: Mapping[str, Tensor]) -> dict[str, Value]:
        """The categories that there are."""
        return {"categories": data.categories}

    def reader(self, data: ObjectSamples, stage: Stage, augmentation: Augmentation) -> ObjectReader:
        """Objects with as many views and points as the stage says; pictures in their own size of 224."""
        options = stage.options(StageOptions)
        return ObjectReader(data, *options.views, SIDE, options.truth, augmentation)

    def tally(self, network: UCLID, batch: ObjectBatch, context: Context[ObjectSamples]) -> Tensor:
        """[3]: sums of two scores, and the number of samples. depth: relative error where there is an object, and whether its outline fits;
        camera: the loss, and the angle in degrees; otherwise: Chamfer-L2, and intersection over union of the occupancies."""
        step = context.stage.step
        with torch.no_grad():
            if step == "depth":
                depth, truth = depths(network, batch)
                assert network.config.depth is not None
                there, guessed = (d < network.config.depth.background for d in (truth, depth))
                error = torch.where(there, (depth / truth - 1).abs(), torch.zeros_like(depth)).sum((1, 2)) / there.sum((1, 2)).clamp(min=1)
                first, second = error, sample_ious(guessed, there).float()
            elif step == "camera":
                motion, truth = motions(network, batch)
                first = torch.stack([camera_loss(*(t[k : k + 1] for t in (motion, truth, batch.points))) for k in range(len(motion))])
                cosine = (torch.einsum("bij,bij->b", motion[:, :3, :3], truth[:, :3, :3]) - 1) / 2
                second = torch.rad2deg(torch.arccos(cosine.clamp(-1, 1)))
            else:
                logits, codes = decoded(network, batch, context)
                cells = occupied(logits, THRESHOLD)
                points = network.reconstruction.points(codes, cells, even_uv(10).to(logits.device))
                distance, there = ragged_chamfer(points.flatten(0, 1).float(), cells[:, 0].repeat_interleave(10), batch.points)
                first = distance.where(there, torch.full_like(distance, EMPTY))
                second = sample_ious(torch.sigmoid(logits) >= THRESHOLD, batch.occupancy).float()
        return torch.stack([first.double().sum(), second.double().sum(), first.new_tensor(len(first), dtype=torch.float64)])

    def summary(self, total: Tensor, context: Context[ObjectSamples]) -> tuple[float, dict[str, Value]]:
        """Means over samples; the score is the error that the step trains on, negative, or the overlap for the warm-up."""
        first, second = (total[:2] / total[2].clamp(min=1)).tolist()
        if context.stage.step == "depth":
            return -first, {"relative_depth_error": first, "outline_iou": second}
        if context.stage.step == "camera":
            return -first, {"camera_distance": first, "degrees": second}
        record: dict[str, Value] = {"chamfer": first, "mean_iou": second}
        return (second if context.stage.step == "occupancy" else -first), record

    def preview(self, network: UCLID, batches: Iterable[ObjectBatch], context: Context[ObjectSamples]) -> np.ndarray | None:
        """One row an object: its first view, then predicted and true occupancy, each seen along z, x and y. None for the regressors."""
        if context.stage.step not in ("occupancy", "shape"):
            return None
        rows = []
        for batch in batches:
            with torch.no_grad():
                guess = torch.sigmoid(decoded(network, batch, context)[0])[0] >= THRESHOLD
            picture = (batch.images[0, 0, :, ::2, ::2].permute(1, 2, 0) * 255).byte().cpu().numpy()
            volumes = [v.cpu().numpy() for v in (guess, batch.occupancy[0])]
            rows.append(np.concatenate([picture, *(view for volume in volumes for view in volume_views(volume))], 1))
        return np.concatenate(rows) if rows else None

    def weight_facts(self, data: ObjectSamples) -> dict[str, Value]:
        """The categories that the network has seen."""
        return {"categories": data.categories, "threshold": THRESHOLD}


TASK = UCLIDTask()
