"""The training loop: stages, one optimiser step after another, validation, checkpoints, resume."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from voxcli import config
from voxcli.datasets.street import StreetFolder
from voxcli.errors import DataError, UsageError, unknown_name
from voxcli.models.weights import Weights, save_weights
from voxcli.training import checkpoints, loader
from voxcli.training.parallel import Processes
from voxcli.training.recipe import SCALES, Recipe, Stage

Progress = Callable[[dict[str, Any]], None]
REPORT_SECONDS = 10.0


class Trainer:
    """One run of one recipe. `train` in voxcli.training is the way in; see there for the arguments."""

    def __init__(
        self,
        steps: ModuleType,
        recipe: Recipe,
        data: StreetFolder,
        validation: StreetFolder | None,
        run: Path,
        device: torch.device,
        progress: Progress | None,
    ):
        self.steps, self.recipe, self.data, self.run, self.device = steps, recipe, data, run, device
        self.progress = progress
        self.processes = Processes(device)
        for stage in recipe.stages:
            if stage.step not in steps.STEPS:
                raise unknown_name("training step", stage.step, steps.STEPS)
            if stage.batch % self.processes.count:
                raise UsageError(
                    f"Stage '{stage.name}': the batch must divide among the processes.",
                    expected=f"a multiple of {self.processes.count}",
                    actual=stage.batch,
                )
        self.train_indices, self.held_out, self.validation_data = _split(recipe, data, validation)
        torch.manual_seed(recipe.seed)
        assert data.frustum is not None
        self.settings = steps.resolve_config(recipe.network, len(data.classes.names), data.frustum.shape)
        self.network: nn.Module = steps.build(self.settings).to(device)
        self.average = {k: t.clone() for k, t in self.network.state_dict().items()} if recipe.average else None
        self.class_weights = torch.zeros(0)
        self.step = 0  # over all stages
        self.position = 0  # samples taken from the data order
        self.best = {"stage": -1, "score": -1.0, "step": -1}
        self.optimiser_state: dict[str, Any] | None = None
        self.stopping = False

    # -- state -------------------------------------------------------------------------------------------------------------

    def state(self, optimiser: torch.optim.Optimizer) -> dict[str, Any]:
        """All that `restore` needs, in tensors and plain types."""
        return {
            "recipe": config.to_mapping(self.recipe),
            "network_config": config.to_mapping(self.settings),
            "network": self.network.state_dict(),
            "average": self.average,
            "optimiser": optimiser.state_dict(),
            "class_weights": self.class_weights,
            "step": self.step,
            "position": self.position,
            "best": self.best,
            "random": checkpoints.random_states(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint of the same network; a stage may have changed its later steps."""
        if state["network_config"] != config.to_mapping(self.settings):
            raise UsageError(
                f"'{self.run}' holds the run of another network.",
                expected=state["network_config"],
                actual=config.to_mapping(self.settings),
                hint="Choose another run folder, or the recipe that it was started with.",
            )
        self.network.load_state_dict(state["network"])
        if self.average is not None:
            self.average = {k: t.to(self.device) for k, t in (state["average"] or state["network"]).items()}
        self.class_weights = state["class_weights"]
        self.step, self.position, self.best = state["step"], state["position"], state["best"]
        self.optimiser_state = state["optimiser"]
        checkpoints.restore_random_states(state["random"])

    # -- the run -----------------------------------------------------------------------------------------------------------

    def fit(self) -> None:
        """Train from where the state stands to the end of the last stage."""
        if not len(self.class_weights):
            from voxcli.models.ssz.losses import frequency_weights

            how = self.recipe.class_weights
            counts = loader.count_classes(self.data, self.train_indices, len(self.data.classes.names), how.samples)
            self.class_weights = frequency_weights(counts, how.power, how.largest)
            self._log(
                {
                    "event": "start",
                    "samples": len(self.train_indices),
                    "validation": len(self.held_out),
                    "processes": self.processes.count,
                    "class_weights": dict(zip(self.data.classes.names, self.class_weights.tolist(), strict=True)),
                    "parameters": sum(p.numel() for p in self.network.parameters()),
                }
            )
        self.class_weights = self.class_weights.to(self.device)
        first = 0
        with _stop_on_signals(self):
            for number, stage in enumerate(self.recipe.stages):
                if self.step < first + stage.steps:
                    self._run_stage(number, stage, first)
                first += stage.steps
        self._export("weights.safetensors")
        self._log({"event": "end", "step": self.step})
        self.processes.leave()

    def _run_stage(self, number: int, stage: Stage, first: int) -> None:
        parameters = [p for name, p in self.network.named_parameters() if self._trained(name, p, stage)]
        how = stage.optimiser
        optimiser = torch.optim.Adam(parameters, lr=how.rate, betas=how.betas, fused=self.device.type == "cpu")
        if self.optimiser_state is not None:
            if self.step > first:
                optimiser.load_state_dict(self.optimiser_state)
            self.optimiser_state = None
        scales = {SCALES[name]: weight for name, weight in stage.scales.items()}
        order = loader.Order(self.train_indices, self.recipe.seed)
        batches = loader.training_batches(
            self.data,
            order,
            self.position,
            stage.batch,
            self.processes.part(stage.batch),
            list(scales),
            self.recipe.augmentation,
            self.recipe.seed,
            self.recipe.loader_threads,
        )
        last = first + stage.steps
        meter = _Meter(stage, number, first)
        with closing(batches):
            if self.average is not None and self.step == first:
                # A stage may wake parts that were never trained: the average starts afresh with it.
                self.average = {k: t.clone() for k, t in self.network.state_dict().items()}
            while self.step < last:
                local = self.step - first
                for group in optimiser.param_groups:
                    group["lr"] = how.rate * how.factor(local, stage.steps)
                meter.add(self._train_step(stage, scales, next(batches), optimiser, parameters), stage.batch)
                self._update_average(local)
                self.step += 1
                self.position += stage.batch
                ends = self.step == last
                if ends or meter.due():
                    self._log(meter.record(self.step, optimiser.param_groups[0]["lr"]))
                if ends or self.step % self.recipe.validation.every == 0:
                    self._validate(number, stage, optimiser)
                    meter.pause()
                if ends or self.stopping or self.step % self.recipe.checkpoint_every == 0:
                    self._save(checkpoints.LAST, optimiser)
                if self.stopping:
                    self._log({"event": "interrupted", "step": self.step})
                    self.processes.leave()
                    raise KeyboardInterrupt

    def _trained(self, name: str, parameter: nn.Parameter, stage: Stage) -> bool:
        frozen = any(name.startswith(prefix) for prefix in stage.frozen)
        parameter.requires_grad_(not frozen)
        return not frozen

    def _train_step(
        self, stage: Stage, scales: dict[int, float], batch: loader.Batch, optimiser, parameters: list[nn.Parameter]
    ) -> dict[str, float]:
        self.network.train()
        images = batch.images.to(self.device)
        labels = {s: t.to(self.device) for s, t in batch.labels.items()}
        terms = self.steps.STEPS[stage.step](
            self.network,
            images,
            labels,
            scales=scales,
            losses=stage.losses,
            class_weights=self.class_weights,
            ignore=self.data.classes.ignore,
        )
        total = torch.stack(list(terms.values())).sum()
        optimiser.zero_grad(set_to_none=True)
        total.backward()
        # The request to stop travels with the gradients, so that all processes stop after the same step.
        notes = torch.tensor(
            [float(total.detach()), *[float(t.detach()) for t in terms.values()], float(self.stopping)], device=self.device
        )
        gradients = [p.grad for p in parameters if p.grad is not None]
        self.processes.average([*gradients, notes])
        values = dict(zip(["loss", *terms, "stop"], notes.tolist(), strict=True))
        self.stopping = values.pop("stop") > 0
        if not np.isfinite(values["loss"]):
            raise DataError(
                f"The loss became {values['loss']} at step {self.step}.",
                actual=f"batch {', '.join(batch.names)}",
                hint=f"The last good checkpoint is '{self.run / checkpoints.LAST}'; try a smaller rate or clip.",
            )
        if stage.optimiser.clip:
            values["gradient"] = float(nn.utils.clip_grad_norm_(parameters, stage.optimiser.clip))
        optimiser.step()
        return values

    def _update_average(self, local: int) -> None:
        if self.average is None or self.recipe.average is None:
            return
        decay = min(self.recipe.average, (1 + local) / (10 + local))  # early weights are forgotten soon
        pairs = [(self.average[k], t.detach()) for k, t in self.network.state_dict().items()]
        floats = [(a, t) for a, t in pairs if a.is_floating_point()]
        torch._foreach_lerp_([a for a, _ in floats], [t for _, t in floats], 1 - decay)
        for a, t in pairs:
            if not a.is_floating_point():
                a.copy_(t)

    # -- validation and files --------------------------------------------------------------------------------------------------

    def _validate(self, number: int, stage: Stage, optimiser: torch.optim.Optimizer) -> None:
        """Per-class IoU over the accumulated confusion of the validation set, at the stage's finest scale."""
        scale = min(SCALES[name] for name in stage.scales)
        n = len(self.data.classes.names)
        counts = torch.zeros(n, n, dtype=torch.int64)
        mine = self.held_out[self.processes.rank :: self.processes.count]
        self.processes.average([b for b in self.network.buffers() if b.is_floating_point()])
        kept = {k: t.clone() for k, t in self.network.state_dict().items()} if self.average is not None else None
        if self.average is not None:
            self.processes.average([t for t in self.average.values() if t.is_floating_point()])
            self.network.load_state_dict(self.average)
        self.network.eval()
        began = time.perf_counter()
        for batch in loader.validation_batches(self.validation_data, mine, 1, [scale]):
            found = self.steps.confusion(
                self.network, batch.images.to(self.device), batch.labels[scale].to(self.device), scale, self.data.classes.ignore
            )
            counts += found.cpu()
        counts = self.processes.add(counts)
        iou = per_class_iou(counts)
        solid = [iou[i] for i in self.data.classes.solid_ids if iou[i] is not None]
        mean = sum(solid) / len(solid) if solid else 0.0
        record = {
            "event": "validation",
            "step": self.step,
            "stage": stage.name,
            "scale": scale,
            "mean_iou": mean,
            "iou": dict(zip(self.data.classes.names, iou, strict=True)),
            "seconds": round(time.perf_counter() - began, 2),
        }
        if self.best["stage"] != number or mean > self.best["score"]:
            self.best = {"stage": number, "score": mean, "step": self.step}
            self._export("best.safetensors", record)
        if kept is not None:
            self.network.load_state_dict(kept)
        if self.best["step"] == self.step:
            self._save(checkpoints.BEST, optimiser)
        self._log(record)

    def _save(self, name: str, optimiser: torch.optim.Optimizer) -> None:
        self.processes.average([b for b in self.network.buffers() if b.is_floating_point()])
        if self.processes.first:
            checkpoints.save_checkpoint(self.run / name, self.state(optimiser))

    def _export(self, name: str, record: dict[str, Any] | None = None) -> None:
        if not self.processes.first:
            return
        frustum = self.data.frustum
        assert frustum is not None
        facts = {
            "label_names": list(self.data.classes.names),
            "empty_label": self.data.classes.empty,
            "ignore_label": self.data.classes.ignore,
            "frustum": {"z_near": frustum.z_near, "z_far": frustum.z_far, "fov_x_deg": frustum.fov_x_deg},
            "training": {
                "samples": len(self.train_indices),
                "step": self.step,
                "recipe": config.to_mapping(self.recipe),
                "validation": record,
            },
        }
        tensors = self.average if self.average is not None else self.network.state_dict()
        save_weights(self.run / name, Weights(dict(tensors), self.recipe.model, config.to_mapping(self.settings), facts))

    def _log(self, record: dict[str, Any]) -> None:
        if not self.processes.first:
            return
        with open(self.run / "log.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
        if self.progress is not None:
            self.progress(record)


class _Meter:
    """Means of the step values and the speed since the last record."""

    def __init__(self, stage: Stage, number: int, first: int):
        self.stage, self.number, self.first = stage, number, first
        self.sums: dict[str, float] = {}
        self.steps = self.samples = 0
        self.began = time.perf_counter()

    def add(self, values: dict[str, float], samples: int) -> None:
        for key, value in values.items():
            self.sums[key] = self.sums.get(key, 0.0) + value
        self.steps += 1
        self.samples += samples

    def due(self) -> bool:
        return time.perf_counter() - self.began > REPORT_SECONDS

    def record(self, step: int, rate: float) -> dict[str, Any]:
        seconds = time.perf_counter() - self.began
        means = {key: round(value / self.steps, 5) for key, value in self.sums.items()}
        record = {
            "event": "step",
            "step": step,
            "stage": self.stage.name,
            "of": self.first + self.stage.steps,
            **means,
            "rate": round(rate, 7),
            "samples_per_second": round(self.samples / seconds, 2),
        }
        self.sums, self.steps, self.samples = {}, 0, 0
        self.began = time.perf_counter()
        return record

    def pause(self) -> None:
        """Forget the time that something else took."""
        self.sums, self.steps, self.samples = {}, 0, 0
        self.began = time.perf_counter()


class _stop_on_signals:
    """Within: SIGINT and SIGTERM ask the trainer to stop after the step at hand. A second one stops at once."""

    def __init__(self, trainer: Trainer):
        self.trainer, self.previous = trainer, {}

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread():
            self.previous = {s: signal.signal(s, self._ask) for s in (signal.SIGINT, signal.SIGTERM)}

    def _ask(self, *_: Any) -> None:
        if self.trainer.stopping:
            raise KeyboardInterrupt
        self.trainer.stopping = True

    def __exit__(self, *_: Any) -> None:
        for number, handler in self.previous.items():
            signal.signal(number, handler)


def per_class_iou(confusion: Tensor) -> list[float | None]:
    """Intersection over union of each class from counts [n, n] (row = truth); None for a class in neither truth nor prediction."""
    hits = confusion.diagonal()
    union = confusion.sum(0) + confusion.sum(1) - hits
    return [round(float(h) / float(u), 5) if u else None for h, u in zip(hits, union, strict=True)]


def _split(recipe: Recipe, data: StreetFolder, validation: StreetFolder | None) -> tuple[list[int], list[int], StreetFolder]:
    """Training indices, validation indices, and the data that the latter point into."""
    most = recipe.validation.samples
    if validation is not None:
        step = max(1, len(validation) // most)
        return list(range(len(data))), list(range(0, len(validation), step))[:most], validation
    count = max(1, min(most, round(recipe.validation.share * len(data))))
    if len(data) < 2:
        raise DataError("One sample is too few to train and validate on.", actual=f"{len(data)} sample(s)")
    held = sorted({round(i) for i in np.linspace(0, len(data) - 1, count)})
    return [i for i in range(len(data)) if i not in set(held)], held, data


def train_run(
    steps: ModuleType,
    recipe: Recipe,
    data_dirs: Sequence[str | Path],
    run: Path,
    resume: str,
    progress: Progress | None,
    validation_dirs: Sequence[str | Path],
    device: torch.device,
) -> None:
    """Open the data, resume where asked to, train. See voxcli.training.train."""
    state = None
    if resume == "auto":
        state = checkpoints.newest_checkpoint(run)
    elif resume == "never":
        if (run / checkpoints.LAST).exists():
            raise UsageError(f"'{run}' holds a run already.", hint="Resume it, or choose another folder.")
    else:
        state = checkpoints.load_checkpoint(Path(resume))
    run.mkdir(parents=True, exist_ok=True)
    data = StreetFolder(data_dirs)
    trainer = Trainer(steps, recipe, data, StreetFolder(validation_dirs) if validation_dirs else None, run, device, progress)
    if state is not None:
        trainer.restore(state)
    trainer.fit()
