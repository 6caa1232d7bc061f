"""The training loop: stages, one optimiser step after another, validation, checkpoints, resume."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from voxcli import config
from voxcli.atomic import atomic_write_bytes
from voxcli.errors import DataError, UsageError, unknown_name
from voxcli.models.tasks import Batch, Context, Samples, Stage, Task
from voxcli.models.weights import Weights, save_weights
from voxcli.training import checkpoints, loader, validation
from voxcli.training.arithmetic import Arithmetic
from voxcli.training.freezing import check_frozen
from voxcli.training.interrupts import StopRequests
from voxcli.training.journal import Journal, Listener, Meter
from voxcli.training.parallel import Processes
from voxcli.training.recipe import Recipe, changes, shaping, without_files


@dataclass
class _Stretch:
    """A stage under way: its number and first step in the whole run, what it trains, the rate of each group of the optimiser, the tensors
    that its steps need, and the modules whose batch statistics stay as they are."""

    number: int
    stage: Stage
    first: int
    parameters: list[nn.Parameter]
    optimiser: torch.optim.Optimizer
    rates: list[float]
    constants: dict[str, Tensor]
    still: list[nn.Module]


class Trainer:
    """One run of one recipe. `train` in voxcli.training is the way in; see there for the arguments."""

    def __init__(
        self, task: Task, recipe: Recipe, data: Samples, unseen: Samples | None, run: Path, device: torch.device, listener: Listener | None
    ):
        self.task, self.recipe, self.data, self.run = task, recipe, data, run
        self.processes = Processes(device)
        self.device = self.processes.device
        self.settings = resolve(task, recipe, data, self.processes.count)
        self.train_indices, self.held_out, self.validation_data = loader.split(recipe, data, unseen)
        torch.manual_seed(recipe.seed)
        self.network: nn.Module = task.build(self.settings).to(self.device)
        check_frozen(self.network, recipe.stages)
        self.arithmetic = Arithmetic(recipe.computation, self.network, self.processes)
        if not self.processes.first:
            torch.manual_seed(recipe.seed + self.processes.rank)  # the same weights, but not the same dropout
        self.average = self._copy_of_weights() if recipe.average else None
        self.journal = Journal(run, self.processes.first, listener)
        self.constants: dict[str, Tensor] | None = None
        self.step = 0  # over all stages
        self.position = 0  # samples taken from the data order
        self.best: dict[str, Any] = {"stage": -1, "score": 0.0, "step": -1}
        self.changed: list[dict[str, Any]] = []  # what a resumed run's recipe had otherwise: [{"step", "settings": {key: [before, now]}}]
        self.optimiser_state: dict[str, Any] | None = None
        self.saved: int | None = None  # the step of the newest checkpoint
        self.stop = StopRequests()
        self.photographs = validation.open_photographs(task, recipe.validation.photographs)

    def _copy_of_weights(self) -> dict[str, Tensor]:
        return {k: t.clone() for k, t in self.network.state_dict().items()}

    # -- state -------------------------------------------------------------------------------------------------------------

    def state(self, optimiser: torch.optim.Optimizer) -> dict[str, Any]:
        """All that `restore` needs, in tensors and plain types. Every process must ask for it."""
        randoms = self.processes.collect(checkpoints.random_states())
        return {
            "recipe": config.to_mapping(self.recipe),
            "network_config": config.to_mapping(self.settings),
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

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint of the same network; a stage may have changed its later steps."""
        checkpoints.check_layout(state, f"The checkpoint in '{self.run}'")
        # Compared as configurations: a checkpoint from before a field existed has that field's default.
        if config.from_mapping(type(self.settings), state["network_config"], "the checkpoint's network") != self.settings:
            raise UsageError(
                f"'{self.run}' holds the run of another network.",
                expected=state["network_config"],
                actual=config.to_mapping(self.settings),
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
            self.journal.write({"event": "changed", **self.changed[-1]})

    def _compare(self, before: Recipe) -> None:
        """Note what a recipe has changed since. Raises UsageError where the run has ended, and no step would follow the change."""
        changed = changes(before, self.recipe)
        if not changed:
            return
        if self.step >= self.steps:
            told = ", ".join(f"{key} {old} -> {new}" for key, (old, new) in changed.items())
            raise UsageError(f"The run in '{self.run}' has ended, with other settings.", actual=told,
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
        self.constants, found = self.task.constants(self.data, self.train_indices, self.recipe.class_weights)
        self.journal.write(
            {
                "event": "start",
                "samples": len(self.train_indices),
                "validation": len(self.held_out),
                "processes": self.processes.count,
                **found,
                "parameters": sum(p.numel() for p in self.network.parameters()),
            }
        )

    def _run_stage(self, number: int, stage: Stage, first: int) -> None:
        stretch = self._begin(number, stage, first)
        last = first + stage.steps
        meter = Meter(stage.name, last, self.recipe.log_every)
        with closing(self._batches(stage)) as batches:
            while self.step < last:
                local = self.step - first
                factor = stage.optimiser.factor(local, stage.steps)
                for group, rate in zip(stretch.optimiser.param_groups, stretch.rates, strict=True):
                    group["lr"] = rate * factor
                meter.add(self._train_step(stretch, batches), stage.batch)
                self._update_average(local)
                self.step += 1
                self.position += stage.batch
                ends = self.step == last
                if ends or meter.due():
                    self.journal.write(meter.record(self.step, stage.optimiser.rate * factor))
                if ends or self.step % self.recipe.validation.every == 0:
                    self._validate(stretch)
                    meter.pause()
                if ends or self.stop.asked or self.step % self.recipe.checkpoint_every == 0:
                    self._save(checkpoints.LAST, stretch.optimiser)
                if self.stop.asked:
                    self.journal.write({"event": "interrupted", "step": self.step})
                    self.processes.leave()
                    raise KeyboardInterrupt

    def _begin(self, number: int, stage: Stage, first: int) -> _Stretch:
        for name, parameter in self.network.named_parameters():
            parameter.requires_grad_(not name.startswith(stage.frozen))
        named = [(name, p) for name, p in self.network.named_parameters() if p.requires_grad]
        how = stage.optimiser
        rates = list(dict.fromkeys(how.rate_of(name) for name, _ in named))
        groups = [{"params": [p for name, p in named if how.rate_of(name) == rate], "lr": rate} for rate in rates]
        optimiser = torch.optim.Adam(groups, betas=how.betas, weight_decay=how.decay, fused=self.device.type == "cpu")
        if self.optimiser_state is not None:
            if self.step > first:
                try:
                    optimiser.load_state_dict(self.optimiser_state)
                except ValueError as error:
                    raise UsageError(f"Stage '{stage.name}' trains other parameters than in '{self.run}'.", actual=str(error),
                                     hint="Change `frozen` and `rates` between stages, not within one.") from error  # fmt: skip
            self.optimiser_state = None
        if self.average is not None and self.step == first:
            # A stage may wake parts that were never trained: the average starts afresh with it.
            self.average = self._copy_of_weights()
        still: list[nn.Module] = [
            module for name, module in self.network.named_modules()
            if name.startswith(stage.frozen_statistics) and isinstance(module, nn.modules.batchnorm._BatchNorm)
        ]  # fmt: skip
        constants = {**(self.constants or {}), **self._of_stage(stage)}
        return _Stretch(number, stage, first, [p for _, p in named], optimiser, rates, constants, still)

    def _of_stage(self, stage: Stage) -> dict[str, Tensor]:
        find = getattr(self.task, "stage_constants", None)
        if find is None:
            return {}
        # Said before, for it may take minutes in which no step is reported.
        self.journal.write({"event": "preparing", "step": self.step, "stage": stage.name})
        self.network.eval()
        with torch.no_grad():
            return find(self.network, self.data, self.train_indices, stage)

    def _context(self, stretch: _Stretch, data: Samples) -> Context:
        return Context(stretch.stage, data, stretch.constants, self.arithmetic.add, self.step - stretch.first)

    def _batches(self, stage: Stage) -> Generator[Batch, None, None]:
        reader = loader.Reader(self.task.reader(self.data, stage, self.recipe.augmentation), self.recipe.seed)
        order = loader.Order(self.train_indices, self.recipe.seed)
        size = stage.batch // stage.parts
        part = self.processes.part(size)
        return loader.training_batches(reader, self.task.collate, order, self.position, size, part, self.recipe.loading)

    def _train_step(self, stretch: _Stretch, batches: Iterator[Batch]) -> dict[str, float]:
        """One step: in each phase of the model's step, the gradients of all parts of the batch, then the optimiser."""
        self.network.train()
        for module in stretch.still:
            module.eval()
        taken = [next(batches).to(self.device) for _ in range(stretch.stage.parts)]
        names = [name for batch in taken for name in batch.names]
        parts = [self._phases(stretch, batch) for batch in taken]
        values: dict[str, float] = {}
        while True:
            stretch.optimiser.zero_grad(set_to_none=True)
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
            found = self._apply(stretch, sums, names)
            values |= {**found, "loss": values.get("loss", 0.0) + found["loss"]}

    def _phases(self, stretch: _Stretch, batch: Batch) -> Iterator[dict[str, Tensor]]:
        """The loss terms of each phase of a step on one part of the batch; most steps have one phase."""
        context = self._context(stretch, self.data)
        terms = self.task.STEPS[stretch.stage.step](self.arithmetic.network, batch, context)
        if isinstance(terms, dict):
            yield terms
        else:
            yield from terms

    def _apply(self, stretch: _Stretch, sums: dict[str, Tensor], names: list[str]) -> dict[str, float]:
        """Average gradients over the processes and move the weights that have any. Returns the phase's values."""
        # The request to stop travels with the gradients, so that all processes stop after the same step.
        notes = torch.stack([*sums.values(), torch.tensor(float(self.stop.asked), device=self.device)])
        self.processes.average([*[p.grad for p in stretch.parameters if p.grad is not None], notes])
        *means, stop = notes.tolist()
        self.stop.asked = stop > 0
        values = dict(zip(sums, means, strict=True))
        self._check_finite("loss", values["loss"], names)
        values["gradient"] = self.arithmetic.finish(stretch.optimiser, stretch.parameters, stretch.stage.optimiser.clip)
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

    def _validate(self, stretch: _Stretch) -> None:
        """Score the averaged weights, leave a preview, keep the best."""
        self._agree_on_buffers()
        kept = self._copy_of_weights() if self.average is not None else None
        if self.average is not None:
            self.network.load_state_dict(self.average)
        self.network.eval()
        context = self._context(stretch, self.validation_data)
        scores = validation.score(self.task, self.network, self.arithmetic, self.held_out, context)
        record = {"event": "validation", "step": self.step, "stage": stretch.stage.name, **scores}
        if self.photographs is not None:
            found = validation.score_photographs(self.task, self.network, self.arithmetic, self.photographs, context)
            share = self.recipe.validation.photographs_weight
            record |= {"photographs": found, "score": (1 - share) * scores["score"] + share * found["mean"]}
        if self.processes.first and self.recipe.validation.pictures:
            shown = self.held_out[: self.recipe.validation.pictures]
            picture = validation.preview(self.task, self.network, self.arithmetic, shown, context)
            if picture is not None:
                atomic_write_bytes(self.run / "previews" / f"{self.step:07d}.png", validation.png(picture), overwrite=True)
                self.journal.picture("preview", picture, self.step)
        if self.best["stage"] != stretch.number or record["score"] > self.best["score"]:
            self.best = {"stage": stretch.number, "score": record["score"], "step": self.step}
            self._export("best.safetensors", record)
        if kept is not None:
            self.network.load_state_dict(kept)
        if self.best["step"] == self.step:
            self._save(checkpoints.BEST, stretch.optimiser)
        self.journal.write(record)

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

    def _export(self, name: str, record: dict[str, Any] | None = None) -> None:
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
        save_weights(self.run / name, Weights(dict(tensors), self.recipe.model, without_files(config.to_mapping(self.settings)), facts))


def resolve(task: Task, recipe: Recipe, data: Samples, processes: int) -> Any:
    """The network's configuration, once every stage is found to be one that it can train."""
    settings = task.configure(recipe.network, data)
    _check_class_weights(task, recipe, data)
    for stage in recipe.stages:
        if stage.step not in task.STEPS:
            raise unknown_name("training step", stage.step, task.STEPS)
        task.check_stage(stage, settings, data)
        if stage.batch % (processes * stage.parts):
            raise UsageError(
                f"Stage '{stage.name}': the batch must divide among the processes and parts.",
                expected=f"a multiple of {processes} x {stage.parts}", actual=stage.batch,
            )  # fmt: skip
    return settings


def _check_class_weights(task: Task, recipe: Recipe, data: Samples) -> None:
    check = getattr(task, "check_class_weights", None)
    if check is not None:
        check(recipe.class_weights, data)
    elif recipe.class_weights.by_hand:
        raise UsageError(f"The model '{recipe.model}' weighs no classes.", expected="no class_weights.by_hand",
                         actual=recipe.class_weights.by_hand)  # fmt: skip


def open_data(
    task: Task, recipe: Recipe, data: Sequence[str | Path], unseen: Sequence[str | Path]
) -> tuple[Samples, Samples | None]:
    """Training and validation data: the sources given, otherwise those that the recipe names."""
    unseen = unseen or recipe.validation.data
    opened = task.open_data(data or recipe.data, recipe.dataset)
    return opened, task.open_data(unseen, recipe.dataset) if unseen else None


def train_run(
    task: Task, recipe: Recipe, data: Sequence[str | Path], run: Path, resume: str, listener: Listener | None,
    unseen: Sequence[str | Path], device: torch.device,
) -> None:  # fmt: skip
    """Open the data, resume where asked to, train. See voxcli.training.train."""
    state = None
    if resume == "auto":
        state = checkpoints.newest_checkpoint(run)
    elif resume == "never":
        if (run / checkpoints.LAST).exists():
            raise UsageError(f"'{run}' holds a run already.", hint="Resume it, or choose another folder.")
    else:
        state = checkpoints.load_checkpoint(Path(resume))
    there = run.exists()
    checkpoints.prepare_folder(run)
    try:
        trainer = Trainer(task, recipe, *open_data(task, recipe, data, unseen), run, device, listener)
    except BaseException:
        if not there:
            with suppress(OSError):  # it is not empty, if another process is in it
                run.rmdir()
        raise
    if state is not None:
        trainer.restore(state)
    trainer.fit()
