"""What is done before the first step: data are opened, stages are checked against network and data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from voxcli.errors import UsageError, unknown_name
from voxcli.training.recipe import Recipe
from voxcli.training.task import AnyTask, BatchType, ClassWeighingTask, Config, Data, Network, Sample, Samples, Task


def resolve(task: Task[Network, Config, Data, Sample, BatchType], recipe: Recipe, data: Data, processes: int) -> Config:
    """The network's configuration, once every stage is found to be one that it can train."""
    network_config = task.configure(recipe.network, data)
    _check_class_weights(task, recipe, data)
    for stage in recipe.stages:
        if stage.step not in task.steps:
            raise unknown_name("training step", stage.step, task.steps)
        task.check_stage(stage, network_config, data)
        if stage.batch % (processes * stage.parts):
            raise UsageError(
                f"Stage '{stage.name}': the batch must divide among the processes and parts.",
                expected=f"a multiple of {processes} x {stage.parts}", actual=stage.batch,
            )  # fmt: skip
    return network_config


def _check_class_weights(task: AnyTask, recipe: Recipe, data: Samples) -> None:
    if isinstance(task, ClassWeighingTask):
        task.check_class_weights(recipe.class_weights, data)
    elif recipe.class_weights.by_hand:
        raise UsageError(f"The model '{recipe.model}' weighs no classes.", expected="no class_weights.by_hand",
                         actual=recipe.class_weights.by_hand)  # fmt: skip


def open_data(task: AnyTask, recipe: Recipe, data: Sequence[str | Path], unseen: Sequence[str | Path]) -> tuple[Samples, Samples | None]:
    """Training and validation data: the sources given, otherwise those that the recipe names, or another split of the training's."""
    data, unseen = data or recipe.data, unseen or recipe.validation.data
    split = recipe.validation.split or task.unseen_split(unseen or data)
    unseen = unseen or (data if split else ())
    options = {**task.dataset_defaults(recipe.network), **recipe.dataset}
    opened = task.open_data(data, options)
    return opened, task.open_data(unseen, options if split is None else {**options, "split": split}) if unseen else None
