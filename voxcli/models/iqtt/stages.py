"""What a training for the 3D-IQ test task does: Algorithm 1, and the baselines of section 4.4.1.

`dataset: {labels: 200}` says how many answers may be learnt from; pix2scene also learns from the pictures of all other questions.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from voxcli import config as configuration
from voxcli import log
from voxcli.config import Value
from voxcli.errors import UsageError, unknown_name
from voxcli.models.iqtt.batches import UNKNOWN, Question, QuestionBatch, QuestionReader, QuestionSamples, collate
from voxcli.models.iqtt.network import PRESETS, IQTTConfig, Solver, build, distractors
from voxcli.models.pix2scene.losses import contrastive_loss, distance_loss, mutual_information
from voxcli.models.pix2scene.previews import TILE, depth_picture, enlarged, light_picture
from voxcli.models.pix2scene.stages import KnownScene, critic_phases, generator_terms
from voxcli.training.freezing import parameters_frozen
from voxcli.training.recipe import split_preset
from voxcli.training.stage import Augmentation, Stage
from voxcli.training.task import Context, Task, Terms

TERMS = {
    "semisupervised": ("adversarial", "image", "latent", "information", "distance"),
    "answers": ("answers",),
    "contrast": ("contrast",),
}
"""Loss terms by step: equations (2), (4), (6) and (5); cross-entropy; equation (7)."""

KINDS = {"semisupervised": "pix2scene", "answers": "cnn", "contrast": "siamese"}


@dataclass(frozen=True)
class StageOptions:
    """A stage's `settings`. critic_steps, penalty: as for pix2scene; every: steps from one supervised step to the next (Algorithm 1,
    line 5); farthest: see distance_loss, for equation (5); margin: of equation (7)."""

    critic_steps: int = 5
    penalty: float = 10.0
    every: int = 1
    farthest: float = math.inf
    margin: float = 2.0


def semisupervised_step(network: Solver, batch: QuestionBatch, context: Context[QuestionSamples]) -> Iterator[Terms]:
    """Algorithm 1: phases of the critic, of the statistics network, then of encoder and decoder, with answers at intervals."""
    options, losses, statistics = context.stage.options(StageOptions), context.stage.losses, network.scenes.statistics
    divided = network.scenes.config.scene
    assert divided is not None
    scene = known_scene(network, batch)
    yield from critic_phases(scene, options.critic_steps, options.penalty)
    if losses.get("information", 0.0):
        with torch.no_grad():
            codes = scene.codes()
        yield {"statistics": -mutual_information(statistics, codes, divided)}
    codes = scene.codes()
    terms = generator_terms(scene, losses, codes)
    if losses.get("information", 0.0):
        with parameters_frozen(statistics):
            terms["information"] = losses["information"] * mutual_information(statistics, codes, divided)
    if losses.get("distance", 0.0) and context.step % options.every == 0:
        questions, labels = labelled(batch, context)
        if len(questions):
            found = network.embed_all(questions)
            terms["distance"] = losses["distance"] * distance_loss(found[:, 0], *distractors(found[:, 1:], labels), options.farthest)
    yield terms


def labelled(batch: QuestionBatch, context: Context[QuestionSamples]) -> tuple[Tensor, Tensor]:
    """The labelled questions [n, 4, 3, S, S] and answers [n] of a batch, without those that are set aside for validation."""
    if batch.labelled is None or batch.labels is None or batch.drawn is None:
        return batch.questions[:0], batch.answers[:0]
    usable = torch.isin(batch.drawn, context.constants["labelled"])
    return batch.labelled[usable], batch.labels[usable]


def known_scene(network: Solver, batch: QuestionBatch) -> KnownScene:
    """The references of a batch, of unknown camera, with their lights (appendix B: the same light both)."""
    nothing = batch.questions.new_zeros(len(batch.names), 0)
    condition = network.scenes.condition(nothing)
    return KnownScene(network.scenes, batch.questions[:, 0], nothing, condition, batch.K, batch.lights_of(0), batch.albedo)


def answers_step(network: Solver, batch: QuestionBatch, context: Context[QuestionSamples]) -> Terms:
    """Cross-entropy of the CNN's scores, on labelled questions alone."""
    questions, labels = labelled(batch, context)
    if not len(questions):
        return {"answers": _zero(network)}
    return {"answers": context.stage.losses.get("answers", 1.0) * F.cross_entropy(network(questions), labels)}


def contrast_step(network: Solver, batch: QuestionBatch, context: Context[QuestionSamples]) -> Terms:
    """Equation (7) over the three pairs of reference and choice of each labelled question."""
    questions, labels = labelled(batch, context)
    if not len(questions):
        return {"contrast": _zero(network)}
    found = network.embed_all(questions)
    different = (torch.arange(3, device=found.device) != labels[:, None]).flatten()
    reference = found[:, :1].expand(-1, 3, -1).flatten(0, 1)
    loss = contrastive_loss(reference, found[:, 1:].flatten(0, 1), different, context.stage.options(StageOptions).margin)
    return {"contrast": context.stage.losses.get("contrast", 1.0) * loss}


def _zero(network: Solver) -> Tensor:
    """The loss of a batch that there is nothing to learn from."""
    return 0.0 * next(network.parameters()).sum()


class IQTTTask(Task[Solver, IQTTConfig, QuestionSamples, Question, QuestionBatch]):
    """One of the three solvers, by its preset."""

    steps = {"semisupervised": semisupervised_step, "answers": answers_step, "contrast": contrast_step}
    build = staticmethod(build)
    collate = staticmethod(collate)

    def open_data(self, sources: Sequence[str | Path], options: Mapping[str, Value]) -> QuestionSamples:
        """Files of `synth iqtt`, or published ones; options: `labels`."""
        for key in options:
            if key != "labels":
                raise unknown_name("dataset setting", key, ["labels"])
        labels = options.get("labels")
        if labels is not None and (not isinstance(labels, int) or isinstance(labels, bool)):
            raise UsageError("dataset.labels is a number of answers.", expected="0 or more", actual=labels)
        return QuestionSamples(sources, labels)

    def configure(self, options: Mapping[str, Value], data: QuestionSamples) -> IQTTConfig:
        """`preset` names a model, other keys are fields of IQTTConfig; the pictures' size is the data's."""
        preset, options = split_preset(options, PRESETS, "iqtt-pix2scene")
        start = configuration.to_mapping(PRESETS[preset])
        if start["scenes"] is not None:
            start = configuration.merge(start, {"scenes": {"size": data.size}})
        config = configuration.from_mapping(IQTTConfig, configuration.merge(start, options), "network")
        if config.scenes is not None and config.scenes.size != data.size:
            raise UsageError("The network is for pictures of another size.", expected=config.scenes.size, actual=f"{data.size} pixels")
        return config

    def check_stage(self, stage: Stage, config: IQTTConfig, data: QuestionSamples) -> None:
        """Refuse steps of another kind of solver, unknown terms and settings, more labels than there are, supervised steps without any.

        Warns where a stage makes scenes and the files do not tell the lights of their pictures.
        """
        if data.asked is not None and data.asked > data.known:
            raise UsageError("dataset.labels asks for more answers than there are.", expected=f"0 to {data.known}", actual=data.asked)
        if KINDS[stage.step] != config.kind:
            fitting = next(step for step, kind in KINDS.items() if kind == config.kind)
            raise UsageError(f"Stage '{stage.name}': the step '{stage.step}' is for another network.", expected=fitting, actual=stage.step)
        stage.check_losses(TERMS[stage.step])
        if stage.scales != {"full": 1.0}:
            raise UsageError(f"Stage '{stage.name}': there is one scale.", expected="full", actual=", ".join(stage.scales))
        options = stage.options(StageOptions)
        if min(options.critic_steps, options.every) < 1:
            raise UsageError(f"Stage '{stage.name}': critic_steps and every are counted from 1.")
        if not options.farthest > 0:
            raise UsageError(f"Stage '{stage.name}': farthest is a distance.", expected="a positive number", actual=options.farthest)
        supervised = config.kind != "pix2scene" or stage.losses.get("distance", 0.0)
        if supervised and not data.labelled:
            raise UsageError(f"Stage '{stage.name}' learns from answers, and there are none.", hint="Give labels, or leave out 'distance'.")
        if config.scenes is not None and data.unlit:
            log.warn(f"{', '.join(path.name for path in data.unlit)}: no lights; made scenes are lit by others than the pictures.")

    def constants(self, data: QuestionSamples, indices: Sequence[int]) -> dict[str, Tensor]:
        """The questions that may be learnt from, without those that are set aside."""
        training = set(indices)
        return {"labelled": torch.tensor([i for i in data.labelled if i in training], dtype=torch.long)}

    def log_facts(self, data: QuestionSamples, constants: Mapping[str, Tensor]) -> dict[str, Value]:
        """How many questions may be learnt from, and whether made scenes have the lights of the pictures."""
        return {"labels": len(constants["labelled"]), "lights": "drawn anew" if data.unlit else "those of the pictures"}

    def reader(self, data: QuestionSamples, stage: Stage, augmentation: Augmentation) -> QuestionReader:
        """Questions as they are."""
        if augmentation != Augmentation():
            raise UsageError("Questions cannot be augmented: a mirror image is another object.", hint="Leave out `augmentation`.")
        return QuestionReader(data, tuple(data.labelled))

    @torch.no_grad()
    def tally(self, network: Solver, batch: QuestionBatch, context: Context[QuestionSamples]) -> Tensor:
        """[2]: questions whose answers are known, and how many are answered rightly."""
        known = batch.answers != UNKNOWN
        right = (network(batch.questions).argmax(1) == batch.answers) & known
        return torch.stack([known.sum(), right.sum()]).double()

    def summary(self, total: Tensor, context: Context[QuestionSamples]) -> tuple[float, dict[str, Value]]:
        """Accuracy with its standard error; guessing gives 1/3."""
        count = max(1.0, float(total[0]))
        p = float(total[1]) / count
        return p, {"accuracy": round(p, 5), "standard_error": round((p * (1 - p) / count) ** 0.5, 5), "questions": int(total[0])}

    @torch.no_grad()
    def preview(self, network: Solver, batches: Iterable[QuestionBatch], context: Context[QuestionSamples]) -> np.ndarray | None:
        """One row a question: its four pictures, then the reference made again and its depth. None for the baselines. uint8 [H, W, 3]."""
        config = network.config.scenes
        if config is None:
            return None
        rows = []
        for batch in batches:
            scene = known_scene(network, batch)
            picture, depth = scene.picture(scene.codes())
            tiles = [light_picture(each) for each in (*batch.questions[0], picture[0])]
            tiles.append(depth_picture(depth[0], config.near, config.far or float(depth.max())))
            rows.append(np.concatenate([enlarged(tile, TILE) for tile in tiles], 1))
        return np.concatenate(rows) if rows else None

    def weight_facts(self, data: QuestionSamples) -> dict[str, Value]:
        """How many answers were there to learn from, and the pictures' size."""
        return {"labels": len(data.labelled), "size": data.size}


TASK = IQTTTask()
