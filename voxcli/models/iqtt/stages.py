"""What a training for the 3D-IQ test task does (the members of models.tasks.Task): Algorithm 1, and the baselines of section 4.4.1.

`dataset: {labels: 200}` says how many answers may be learnt from; pix2scene also learns from the pictures of all other questions.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from voxcli import config as configuration
from voxcli.errors import UsageError, unknown_name
from voxcli.models.iqtt.batches import UNKNOWN, QuestionBatch, QuestionReader, QuestionSamples, collate  # noqa: F401 - `collate` too
from voxcli.models.iqtt.network import PRESETS, IQTTConfig, Solver, build, distractors  # noqa: F401 - `build` too
from voxcli.models.pix2scene.losses import contrastive_loss, distance_loss, mutual_information
from voxcli.models.pix2scene.previews import TILE, depth_picture, enlarged, light_picture
from voxcli.models.pix2scene.stages import Known, critic_phases, generator_terms, held_still
from voxcli.models.tasks import Augmentation, ClassWeights, Context, Stage

TERMS = {
    "semisupervised": ("adversarial", "image", "latent", "information", "distance"),
    "answers": ("answers",),
    "contrast": ("contrast",),
}
"""Loss terms by step: equations (2), (4), (6) and (5); cross-entropy; equation (7)."""

KINDS = {"semisupervised": "pix2scene", "answers": "cnn", "contrast": "siamese"}


@dataclass(frozen=True)
class StageSettings:
    """A stage's `settings`. critic_steps, penalty: as for pix2scene; every: steps from one supervised step to the next (Algorithm 1,
    line 5); farthest: see distance_loss, for equation (5); margin: of equation (7)."""

    critic_steps: int = 5
    penalty: float = 10.0
    every: int = 1
    farthest: float = math.inf
    margin: float = 2.0


def open_data(sources: Sequence[str | Path], settings: Mapping[str, Any]) -> QuestionSamples:
    """Files of `synth iqtt`, or published ones; settings: `labels`."""
    for key in settings:
        if key != "labels":
            raise unknown_name("dataset setting", key, ["labels"])
    return QuestionSamples(sources, settings.get("labels"))


def configure(settings: Mapping[str, Any], data: QuestionSamples) -> IQTTConfig:
    """`preset` names a model, other keys are fields of IQTTConfig; the pictures' size is the data's."""
    settings = dict(settings)
    preset = settings.pop("preset", "iqtt-pix2scene")
    if preset not in PRESETS:
        raise unknown_name("preset", preset, PRESETS)
    start = configuration.to_mapping(PRESETS[preset])
    if start["scenes"] is not None:
        start["scenes"]["size"] = data.size
    config = configuration.from_mapping(IQTTConfig, configuration.merge(start, settings), "network")
    if config.scenes is not None and config.scenes.size != data.size:
        raise UsageError("The network is for pictures of another size.", expected=config.scenes.size, actual=f"{data.size} pixels")
    return config


def check_stage(stage: Stage, config: IQTTConfig, data: QuestionSamples) -> None:
    """Refuse steps of another kind of solver, unknown terms and settings, more labels than there are, supervised steps without any."""
    if data.asked is not None and data.asked > data.known:
        raise UsageError("dataset.labels asks for more answers than there are.", expected=f"0 to {data.known}", actual=data.asked)
    if KINDS[stage.step] != config.kind:
        fitting = next(step for step, kind in KINDS.items() if kind == config.kind)
        raise UsageError(f"Stage '{stage.name}': the step '{stage.step}' is for another network.", expected=fitting, actual=stage.step)
    for name in stage.losses:
        if name not in TERMS[stage.step]:
            raise unknown_name("loss", name, TERMS[stage.step])
    if stage.scales != {"full": 1.0}:
        raise UsageError(f"Stage '{stage.name}': there is one scale.", expected="full", actual=", ".join(stage.scales))
    settings = _settings(stage)
    if min(settings.critic_steps, settings.every) < 1:
        raise UsageError(f"Stage '{stage.name}': critic_steps and every are counted from 1.")
    if not settings.farthest > 0:
        raise UsageError(f"Stage '{stage.name}': farthest is a distance.", expected="a positive number", actual=settings.farthest)
    supervised = config.kind != "pix2scene" or stage.losses.get("distance", 0.0)
    if supervised and not data.labelled:
        raise UsageError(f"Stage '{stage.name}' learns from answers, and there are none.", hint="Give labels, or leave out 'distance'.")


def constants(data: QuestionSamples, indices: Sequence[int], weights: ClassWeights) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The questions that may be learnt from, without those that are set aside; the log learns how many."""
    training = set(indices)
    usable = [i for i in data.labelled if i in training]
    return {"labelled": torch.tensor(usable, dtype=torch.long)}, {"labels": len(usable)}


def reader(data: QuestionSamples, stage: Stage, augmentation: Augmentation) -> QuestionReader:
    """Questions as they are."""
    if augmentation != Augmentation():
        raise UsageError("Questions cannot be augmented: a mirror image is another object.", hint="Leave out `augmentation`.")
    return QuestionReader(data, tuple(data.labelled))


def semisupervised_step(network: nn.Module, batch: QuestionBatch, context: Context) -> Iterator[dict[str, Tensor]]:
    """Algorithm 1: phases of the critic, of the statistics network, then of encoder and decoder, with answers at intervals."""
    solver: Any = network
    settings, losses, divided = _settings(context.stage), context.stage.losses, solver.config.scenes.scene
    scene = known(solver, batch)
    yield from critic_phases(scene, settings.critic_steps, settings.penalty)
    if losses.get("information", 0.0):
        with torch.no_grad():
            codes = scene.codes()
        yield {"statistics": -mutual_information(solver.scenes.statistics, codes, divided)}
    codes = scene.codes()
    terms = generator_terms(scene, losses, codes)
    if losses.get("information", 0.0):
        with held_still(solver.scenes.statistics):
            terms["information"] = losses["information"] * mutual_information(solver.scenes.statistics, codes, divided)
    if losses.get("distance", 0.0) and context.step % settings.every == 0:
        questions, labels = labelled(batch, context)
        if len(questions):
            found = solver.embed_all(questions)
            terms["distance"] = losses["distance"] * distance_loss(found[:, 0], *distractors(found[:, 1:], labels), settings.farthest)
    yield terms


def labelled(batch: QuestionBatch, context: Context) -> tuple[Tensor, Tensor]:
    """The labelled questions [n, 4, 3, S, S] and answers [n] of a batch, without those that are set aside for validation."""
    if batch.labelled is None or batch.labels is None or batch.drawn is None:
        return batch.questions[:0], batch.answers[:0]
    usable = torch.isin(batch.drawn, context.constants["labelled"])
    return batch.labelled[usable], batch.labels[usable]


def known(solver: Any, batch: QuestionBatch) -> Known:
    """The references of a batch, with no camera told, and lights that are drawn."""
    nothing = batch.questions.new_zeros(len(batch.names), 0)
    return Known(solver.scenes, batch.questions[:, 0], nothing, solver.scenes.told(nothing), batch.K, batch.lights, batch.albedo)


def answers_step(network: nn.Module, batch: QuestionBatch, context: Context) -> dict[str, Tensor]:
    """Cross-entropy of the CNN's scores, on labelled questions alone."""
    questions, labels = labelled(batch, context)
    if not len(questions):
        return {"answers": _nothing(network)}
    return {"answers": context.stage.losses.get("answers", 1.0) * F.cross_entropy(network(questions), labels)}


def contrast_step(network: nn.Module, batch: QuestionBatch, context: Context) -> dict[str, Tensor]:
    """Equation (7) over the three pairs of reference and choice of each labelled question."""
    solver: Any = network
    questions, labels = labelled(batch, context)
    if not len(questions):
        return {"contrast": _nothing(network)}
    found = solver.embed_all(questions)
    different = (torch.arange(3, device=found.device) != labels[:, None]).flatten()
    reference = found[:, :1].expand(-1, 3, -1).flatten(0, 1)
    loss = contrastive_loss(reference, found[:, 1:].flatten(0, 1), different, _settings(context.stage).margin)
    return {"contrast": context.stage.losses.get("contrast", 1.0) * loss}


STEPS = {"semisupervised": semisupervised_step, "answers": answers_step, "contrast": contrast_step}


@torch.no_grad()
def tally(network: nn.Module, batch: QuestionBatch, context: Context) -> Tensor:
    """[2]: questions whose answers are known, and how many are answered rightly."""
    told = batch.answers != UNKNOWN
    right = (network(batch.questions).argmax(1) == batch.answers) & told
    return torch.stack([told.sum(), right.sum()]).double()


def summary(total: Tensor, context: Context) -> tuple[float, dict[str, Any]]:
    """Accuracy with its standard error; guessing gives 1/3."""
    count = max(1.0, float(total[0]))
    p = float(total[1]) / count
    return p, {"accuracy": round(p, 5), "standard_error": round((p * (1 - p) / count) ** 0.5, 5), "questions": int(total[0])}


@torch.no_grad()
def preview(network: nn.Module, batches: Iterator[QuestionBatch], context: Context) -> np.ndarray | None:
    """One row a question: its four pictures, then the reference made again and its depth. None for the baselines. uint8 [H, W, 3]."""
    solver: Any = network
    if solver.config.scenes is None:
        return None
    rows = []
    for batch in batches:
        scene = known(solver, batch)
        picture, depth = scene.picture(scene.codes())
        tiles = [light_picture(each) for each in (*batch.questions[0], picture[0])]
        tiles.append(depth_picture(depth[0], solver.config.scenes.near, solver.config.scenes.far or float(depth.max())))
        rows.append(np.concatenate([enlarged(tile, TILE) for tile in tiles], 1))
    return np.concatenate(rows) if rows else None


def weight_facts(data: QuestionSamples) -> dict[str, Any]:
    """How many answers were there to learn from, and the pictures' size."""
    return {"labels": len(data.labelled), "size": data.size}


def _nothing(network: nn.Module) -> Tensor:
    """The loss of a batch that there is nothing to learn from."""
    return 0.0 * next(network.parameters()).sum()


def _settings(stage: Stage) -> StageSettings:
    return configuration.from_mapping(StageSettings, stage.settings, f"settings of stage '{stage.name}'")
