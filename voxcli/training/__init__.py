"""Training: recipes, stages, checkpoints. `train` is the one way in.

A model plugs in by one class, derived from `Task` (voxcli/training/task.py). `TASK` of its `stages` module is an instance of it, which
models/registry.py finds. The engine knows nothing else of a model. In the order in which it is called:

    unseen_split(sources)               the split that validation takes where nothing says which; optional
    dataset_defaults(network)           what of `dataset` follows from the recipe's `network`; optional
    open_data(sources, options)         folders or files -> Samples; `options` is the recipe's `dataset`
    configure(options, data)            the recipe's `network` -> frozen dataclass that travels in weights and checkpoints
    check_class_weights(weights, data)  of a ClassWeighingTask alone: refuse weights that do not fit the data
    check_stage(stage, config, data)    refuse what this network cannot train, before anything is computed (also in --dry-run)
    build(config)                       -> nn.Module
    frozen_parts(config)                -> prefixes of parameters that no stage trains; optional
    photograph_scores(folder)           -> a function that scores a network on labelled photographs; optional
    constants(data, indices), log_facts(data, constants)   -> {name: Tensor} for the steps, {key: value} for the log; optional
    class_weights(weights, data, indices)                  -> {class: weight}; of a ClassWeighingTask alone
    stage_constants(network, data, indices, stage)         -> {name: Tensor}, found as each stage begins; optional
    reader(data, stage, augmentation)   -> read(index, draws): one sample; draws.own is random for it, draws.shared for its whole batch
    collate(samples)                    -> batch with `.names` and `.to(device)`
    steps[stage.step](network, batch, context)   -> {term: weighted scalar}, or an iterator of such, a phase each (adversarial training)
    tally(network, batch, context), summary(total, context)   -> validation: sums over samples, then (score, record); higher is better
    preview(network, batches, context)  -> a picture uint8 [H, W, 3]; optional
    weight_facts(data)                  -> what `predict` must know; optional

`context` holds stage (with losses, scales, settings: check yours in check_stage), data, constants, step, and `add` for sums over
processes. A reader pickles (processes read ahead) and draws from its generators alone; then resume and torchrun are exact. What trainings
share lies here: `freezing.parameters_frozen`, `counting`, `previews.volume_views`; models/frustum/task.py has what networks of
fruxels share. voxcli/models/rays/stages.py is the example; recipes lie in voxcli/training/recipes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from voxcli.training.journal import Listener
    from voxcli.training.recipe import Recipe
    from voxcli.training.task import AnyTask


def train(
    model_name: str, data_dirs: Sequence[str | Path], run_dir: str | Path, recipe: Recipe | str | Path, resume: str = "auto",
    progress: Listener | None = None, *, validation_dirs: Sequence[str | Path] = (), device: str = "cpu",
) -> None:  # fmt: skip
    """Train a model and leave checkpoints, log.jsonl, previews, best.safetensors and weights.safetensors in run_dir.

    data_dirs: folders or files that the model's reader opens (none: those that the recipe names); validation_dirs: the same,
    unseen (without them a share of the data is set aside).
    recipe: a Recipe, the name of a shipped one, or a YAML file. resume: `auto` goes on from run_dir's last checkpoint where there is
    one, `never` wants a fresh folder, anything else is the path of a checkpoint. progress: called with each record of the log.
    On the CPU, an interrupted and resumed run ends with the weights of an uninterrupted one, bit for bit.

    Under torchrun every process calls this and takes its part of each batch; the losses are those of one process with the whole batch,
    to rounding. On a CPU, one process a core with one thread each is fastest. SIGINT and SIGTERM save and raise KeyboardInterrupt.
    A loss that is not finite raises DataError, a full disk UsageError; both leave the last good checkpoint.
    """
    from voxcli import backend, log
    from voxcli.backend import keep_freed_memory
    from voxcli.training.engine import train_run
    from voxcli.training.recipe import Recipe, load_recipe

    keep_freed_memory()
    chosen = recipe if isinstance(recipe, Recipe) else load_recipe(recipe)
    task = _task(model_name, chosen)
    where = backend.pick_device(device)
    with log.muted():  # of every sample; the log says what goes on
        train_run(task, chosen, data_dirs, Path(run_dir), resume, progress, validation_dirs, where)


def check(model_name: str, data_dirs: Sequence[str | Path], recipe: Recipe, *, validation_dirs: Sequence[str | Path] = ()) -> int:
    """Open the data and check every stage against network and data, without training. Returns the number of samples.

    Raises what `train` would raise before its first step.
    """
    from voxcli.training.freezing import check_frozen
    from voxcli.training.preparation import open_data, resolve

    task = _task(model_name, recipe)
    data, _ = open_data(task, recipe, data_dirs, validation_dirs)
    check_frozen(task.build(resolve(task, recipe, data, 1)), recipe.stages)
    if recipe.validation.photographs is not None:
        task.photograph_scores(recipe.validation.photographs)
    return len(data)


def _task(model_name: str, recipe: Recipe) -> AnyTask:
    from voxcli.errors import UsageError
    from voxcli.models.registry import model_module

    if recipe.model != model_name:
        raise UsageError("The recipe is for another model.", expected=model_name, actual=recipe.model)
    task: AnyTask = model_module(model_name, "stages").TASK
    return task
