"""The training loop: stages, one optimiser step after another, validation, checkpoints, resume."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from voxcli import config
from voxcli.atomic import atomic_write_bytes
from voxcli.errors import DataError, UsageError
from voxcli.models.weights import Weights, save_weights
from voxcli.training import checkpoints, loader, validation
from voxcli.training.arithmetic import Arithmetic
from voxcli.training.averaging import averaged, copy_of_weights, update_average
from voxcli.training.freezing import check_frozen
from voxcli.training.interrupts import StopRequests
from voxcli.training.journal import Journal, Listener, Meter, Record
from voxcli.training.parallel import Processes
from voxcli.training.preparation import open_data, resolve
from voxcli.training.recipe import Recipe, changes, shaping, without_files
from voxcli.training.run_lock import locked
from voxcli.training.stage import Stage
from voxcli.training.stage_run import StageRun, begin, restore_optimiser
from voxcli.training.task import AnyTask, Batch, ClassWeighingTask, Context, Samples, Terms


class Trainer:
    """One run of one recipe. `train` in voxcli.training is the way in; see there for the arguments."""

    def __init__(
        self, task: AnyTask, recipe: Recipe, data: Samples, unseen: Samples | None, run: Path, device: torch.device,
        listener: Listener | None,
    ):  # fmt: skip
        self.task, self.recipe, self.data, self.run = task, recipe, data, run
        self.processes = Processes(device)
        self.device = self.processes.device
        self.network_config = resolve(task, recipe, data, self.processes.count)
        self.train_indices, self.held_out, self.validation_data = loader.split(recipe, data, unseen)
        torch.manual_seed(recipe.seed)
        self.network: nn.Module = task.build(self.network_config).to(self.device)
        check_frozen(self.network, recipe.stages)
        self.arithmetic = Arithmetic(recipe.computation, self.network, self.processes)
        if not self.processes.first:
            torch.manual_seed(recipe.seed + self.processes.rank)  # the same weights, but not the same dropout
        self.average = copy_of_weights(self.network) if recipe.average else None
        self.journal = Journal(run, self.processes.first, listener)
        self.constants: dict[str, Tensor] | None = None
        self.step = 0  # over all stages
        self.position = 0  # samples taken from the data order
        self.best: checkpoints.Best = {"stage": -1, "score": 0.0, "step": -1}
        self.changed: list[checkpoints.Change] = []
        self.optimiser_state: dict[str, Any] | None = None
        self.saved: int | None = None  # the step of the newest checkpoint
        self.stop = StopRequests()
        folder = recipe.validation.photographs
        self.photograph_scores = None if folder is None else task.photograph_scores(folder)

    # -- state -------------------------------------------------------------------------------------------------------------

    def state(self, optimiser: torch.optim.Optimizer) -> checkpoints.State:
        """All that `restore` needs, in tensors and plain types. Every process must ask for it."""
        randoms = self.processes.collect(checkpoints.random_states())
        return {
            "recipe": config.to_mapping(self.recipe),
            "network_config": config.to_mapping(self.network_config),
            "network": self.network.state_dict(),
            "average": self.average,
            "optimiser": optimiser.state_dict(),
            "scaler": self.arithmetic.state(),
            "constants": self.constants,
            "step": self.step,
            "position": self.position,
            "changed": self.changed,
            "best": self.best,
            "random": randoms[0],
            "random_of_others": randoms[1:],
        }

    def restore(self, state: checkpoints.State) -> None:
        """Go on from a checkpoint of the same network; a stage may have changed its later steps."""
        checkpoints.check_layout(state, f"The checkpoint in '{self.run}'")
        # Compared as configurations: a checkpoint from before a field existed has that field's default.
        if config.from_mapping(type(self.network_config), state["network_config"], "the checkpoint's network") != self.network_config:
            raise UsageError(
                f"'{self.run}' holds the run of another network.",
                expected=state["network_config"],
                actual=config.to_mapping(self.network_config),
                hint="Choose another run folder, or the recipe that it was started with.",
            )
        try:
            self.network.load_state_dict(state["network"])
        except RuntimeError as error:  # the same configuration, but layers that another version has named or sized otherwise
            raise checkpoints.other_version(f"The checkpoint in '{self.run}'", str(error).splitlines()[-1].strip()) from error
        if self.average is not None:
            self.average = {k: t.to(self.device) for k, t in (state["average"] or state["network"]).items()}
        self.constants = state["constants"]
        self.step, self.position, self.best = state["step"], state["position"], state["best"]
        self.changed = [*state.get("changed", [])]
        self._compare(config.from_mapping(Recipe, state["recipe"], "the checkpoint's recipe"))
        self.optimiser_state = state["optimiser"]
        self.arithmetic.restore(state.get("scaler", {}))
        randoms = [state["random"], *state.get("random_of_others", [])]
        if self.processes.rank < len(randoms):
            checkpoints.restore_random_states(randoms[self.processes.rank])
        self.saved = self.step
        self.journal.resume(self.step)
        if self.changed and self.changed[-1]["step"] == self.step:
            last = self.changed[-1]
            self.journal.write({"event": "changed", "step": last["step"], "settings": last["settings"]})

    def _compare(self, before: Recipe) -> None:
        """Note what a recipe has changed since. Raises UsageError where the run has ended, and no step would follow the change."""
        changed = changes(before, self.recipe)
        if not changed:
            return
        if self.step >= self.steps:
            differences = ", ".join(f"{key} {old} -> {new}" for key, (old, new) in changed.items())
            raise UsageError(f"The run in '{self.run}' has ended, with other settings.", actual=differences,
                             hint="Choose another run folder, or more steps.")  # fmt: skip
        self.changed.append({"step": self.step, "settings": changed})

    @property
    def steps(self) -> int:
        """Steps of all stages."""
        return sum(stage.steps for stage in self.recipe.stages)

    # -- the run -----------------------------------------------------------------------------------------------------------

    def fit(self) -> None:
        """Train from where the state stands to the end of the last stage."""
        try:
            if self.constants is None:
                self._find_constants()
            self.constants = {name: tensor.to(self.device) for name, tensor in (self.constants or {}).items()}
            first = 0
            with self.stop:
                for number, stage in enumerate(self.recipe.stages):
                    if self.step < first + stage.steps:
                        self._run_stage(number, stage, first)
                    first += stage.steps
            self._export("weights.safetensors")
            self.journal.write({"event": "end", "step": self.step})
        finally:
            self.journal.close()
        self.processes.leave()

    def _find_constants(self) -> None:
        constants = self.task.constants(self.data, self.train_indices)
        facts = dict(self.task.log_facts(self.data, constants))
        if isinstance(self.task, ClassWeighingTask):
            weights = self.task.class_weights(self.recipe.class_weights, self.data, self.train_indices)
            constants, facts["class_weights"] = {**constants, "class_weights": torch.tensor([*weights.values()])}, weights
        self.constants = constants
        self.journal.write(
            {
                "event": "start",
                "samples": len(self.train_indices),
                "validation": len(self.held_out),
                "processes": self.processes.count,
                "stages": [{"name": stage.name, "steps": stage.steps, "batch": stage.batch} for stage in self.recipe.stages],
                **facts,
                "parameters": sum(p.numel() for p in self.network.parameters()),
            }
        )

    def _run_stage(self, number: int, stage: Stage, first: int) -> None:
        run = self._begin(number, stage, first)
        meter = Meter(stage.name, run.end, self.recipe.log_every)
        with closing(self._batches(stage)) as batches:
            while self.step < run.end:
                rate = run.set_rates(self.step)
                meter.add(self._train_step(run, batches), stage.batch)
                if self.average is not None and self.recipe.average is not None:
                    update_average(self.average, self.network, self.recipe.average, self.step - first)
                self.step += 1
                self.position += stage.batch
                ends = self.step == run.end
                if ends or meter.due():
                    self.journal.write(meter.record(self.step, rate))
                if ends or self.step % self.recipe.validation.every == 0:
                    self._validate(run)
                    meter.pause()
                if ends or self.stop.requested or self.step % self.recipe.checkpoint_every == 0:
                    self._save(checkpoints.LAST, run.optimiser)
                if self.stop.requested:
                    self.journal.write({"event": "interrupted", "step": self.step})
                    self.processes.leave()
                    raise KeyboardInterrupt

    def _begin(self, number: int, stage: Stage, first: int) -> StageRun:
        frozen = stage.frozen + self.task.frozen_parts(self.network_config)
        run = begin(number, replace(stage, frozen=frozen), first, self.network)
        if self.optimiser_state is not None and self.step > first:
            restore_optimiser(run, self.optimiser_state, self.run)
        self.optimiser_state = None
        if self.average is not None and self.step == first:
            # A stage may train parts that were never trained: the average starts afresh with it.
            self.average = copy_of_weights(self.network)
        run.constants = {**(self.constants or {}), **self._stage_constants(stage)}
        return run

    def _stage_constants(self, stage: Stage) -> dict[str, Tensor]:
        if self.task.prepares_stages:
            # Written before, for it may take minutes in which no step is reported.
            self.journal.write({"event": "preparing", "step": self.step, "stage": stage.name})
        self.network.eval()
        with torch.no_grad():
            return self.task.stage_constants(self.network, self.data, self.train_indices, stage)

    def _context(self, run: StageRun, data: Samples) -> Context[Samples]:
        return Context(run.stage, data, run.constants, self.arithmetic.add, self.step - run.first)

    def _batches(self, stage: Stage) -> Generator[Batch, None, None]:
        reader = loader.Reader(self.task.reader(self.data, stage, self.recipe.augmentation), self.recipe.seed)
        order = loader.Order(self.train_indices, self.recipe.seed)
        size = stage.batch // stage.parts
        part = self.processes.part(size)
        return loader.training_batches(reader, self.task.collate, order, self.position, size, part, self.recipe.loading)

    def _train_step(self, run: StageRun, batches: Iterator[Batch]) -> dict[str, float]:
        """One step: in each phase of the model's step, the gradients of all parts of the batch, then the optimiser."""
        run.train_mode(self.network)
        whole = [next(batches).to(self.device) for _ in range(run.stage.parts)]
        names = [name for batch in whole for name in batch.names]
        parts = [self._phases(run, batch) for batch in whole]
        values: dict[str, float] = {}
        while True:
            run.optimiser.zero_grad(set_to_none=True)
            sums: dict[str, Tensor] = {}
            for part in parts:
                with self.arithmetic.forward():
                    terms = next(part, None)
                    if terms is None:
                        return values
                    total = torch.stack(list(terms.values())).sum() / len(parts)
                self.arithmetic.backward(total)
                for key, value in {**terms, "loss": total * len(parts)}.items():
                    sums[key] = sums.get(key, 0.0) + value.detach() / len(parts)
            found = self._apply(run, sums, names)
            values |= {**found, "loss": values.get("loss", 0.0) + found["loss"]}

    def _phases(self, run: StageRun, batch: Batch) -> Iterator[Terms]:
        """The loss terms of each phase of a step on one part of the batch; most steps have one phase."""
        context = self._context(run, self.data)
        terms = self.task.steps[run.stage.step](self.arithmetic.network, batch, context)
        if isinstance(terms, dict):
            yield terms
        else:
            yield from terms

    def _apply(self, run: StageRun, sums: dict[str, Tensor], names: list[str]) -> dict[str, float]:
        """Average gradients over the processes and move the weights that have any. Returns the phase's values."""
        # The request to stop travels with the gradients, so that all processes stop after the same step.
        report = torch.stack([*sums.values(), torch.tensor(float(self.stop.requested), device=self.device)])
        self.processes.average([*[p.grad for p in run.parameters if p.grad is not None], report])
        *means, stop = report.tolist()
        self.stop.requested = stop > 0
        values = dict(zip(sums, means, strict=True))
        self._check_finite("loss", values["loss"], names)
        values["gradient"] = self.arithmetic.finish(run.optimiser, run.parameters, run.stage.optimiser.clip)
        if not self.arithmetic.scaler.is_enabled():
            self._check_finite("gradient", values["gradient"], names)
        return values

    def _check_finite(self, what: str, value: float, names: list[str]) -> None:
        """All processes come here with the same value."""
        if np.isfinite(value):
            return
        everyone = [name for each in self.processes.collect(names) for name in each]
        good = f"The last good checkpoint is '{self.run / checkpoints.LAST}' of step {self.saved}."
        good = good if self.saved is not None else "No checkpoint had been written yet."
        raise DataError(
            f"The {what} became {value} at step {self.step}.",
            actual=f"the batch {', '.join(everyone)}",
            hint=f"{good} Look at these samples, or lower rate or clip.",
        )

    # -- validation and files --------------------------------------------------------------------------------------------------

    def _validate(self, run: StageRun) -> None:
        """Score the averaged weights, leave a preview, keep the best."""
        self._agree_on_buffers()
        with averaged(self.network, self.average):
            self.network.eval()
            score, scores = self._scores(run)
            record = {"event": "validation", "step": self.step, "stage": run.stage.name, **scores}
            if self.best["stage"] != run.number or score > self.best["score"]:
                self.best = {"stage": run.number, "score": score, "step": self.step}
                self._export("best.safetensors", record)
        if self.best["step"] == self.step:
            self._save(checkpoints.BEST, run.optimiser)
        self.journal.write(record)

    def _scores(self, run: StageRun) -> validation.Scores:
        """The score and the record of one validation; a preview is left on the way."""
        context, how = self._context(run, self.validation_data), self.recipe.validation
        score, record = validation.score(self.task, self.network, self.arithmetic, self.held_out, context)
        if self.photograph_scores is not None:
            with torch.no_grad(), self.arithmetic.forward(training=False):
                found = self.photograph_scores(self.network, context)
            share = how.photographs_weight
            score = (1 - share) * score + share * found["mean"]
            record |= {"photographs": found, "score": score}
        if self.processes.first and how.pictures:
            picture = validation.preview(self.task, self.network, self.arithmetic, self.held_out[: how.pictures], context)
            if picture is not None:
                atomic_write_bytes(self.run / "previews" / f"{self.step:07d}.png", validation.png(picture), overwrite=True)
                self.journal.picture("preview", picture, self.step)
        return validation.Scores(score, record)

    def _agree_on_buffers(self) -> None:
        """One running mean and variance for all: with statistics of its own, each process has seen its own part."""
        if not self.arithmetic.shared:
            tensors = [*self.network.buffers(), *(self.average or {}).values()]
            self.processes.average([t for t in tensors if t.is_floating_point()])

    def _save(self, name: str, optimiser: torch.optim.Optimizer) -> None:
        self._agree_on_buffers()
        state = self.state(optimiser)
        if self.processes.first:
            checkpoints.save_checkpoint(self.run / name, state)
        if name == checkpoints.LAST:
            self.saved = self.step

    def _export(self, name: str, record: Record | None = None) -> None:
        if not self.processes.first:
            return
        facts = {
            **self.task.weight_facts(self.data),
            "training": {
                "samples": len(self.train_indices),
                "step": self.step,
                "recipe": shaping(self.recipe),
                # without the time it took: the same training, the same bytes
                "validation": record and {key: value for key, value in record.items() if key != "seconds"},
                **({"changed": self.changed} if self.changed else {}),
            },
        }
        tensors = self.average if self.average is not None else self.network.state_dict()
        network_config = without_files(config.to_mapping(self.network_config))
        save_weights(self.run / name, Weights(dict(tensors), self.recipe.model, network_config, facts))


def train_run(
    task: AnyTask, recipe: Recipe, data: Sequence[str | Path], run: Path, resume: str, listener: Listener | None,
    unseen: Sequence[str | Path], device: torch.device,
) -> None:  # fmt: skip
    """Open the data, resume where asked to, train. See voxcli.training.train."""
    if resume == "never" and (run / checkpoints.LAST).exists():
        raise UsageError(f"'{run}' holds a run already.", hint="Resume it, or choose another folder.")
    state = None if resume in ("auto", "never") else checkpoints.load_checkpoint(Path(resume))
    there = run.exists()
    checkpoints.prepare_folder(run)
    try:
        with locked(run):
            checkpoints.clear_folder(run)
            if resume == "auto":
                state = checkpoints.newest_checkpoint(run)
            trainer = Trainer(task, recipe, *open_data(task, recipe, data, unseen), run, device, listener)
            if state is not None:
                trainer.restore(state)
            trainer.fit()
    except BaseException:
        if not there:
            with suppress(OSError):  # it is not empty, if a training began in it, or another process is in it
                run.rmdir()
        raise
