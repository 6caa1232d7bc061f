"""Training: recipes, stages, checkpoints. `train` is the one way in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from voxcli.training.recipe import Recipe


def train(
    model_name: str, data_dirs: Sequence[str | Path], run_dir: str | Path, recipe: Recipe | str | Path, resume: str = "auto",
    progress: Callable[[dict[str, Any]], None] | None = None, *, validation_dirs: Sequence[str | Path] = (), device: str = "cpu",
) -> None:  # fmt: skip
    """Train a model and leave checkpoints, log.jsonl, previews, best.safetensors and weights.safetensors in run_dir.

    data_dirs: folders made by `synth street`, or packed files of them (none: those that the recipe names); validation_dirs: the same,
    unseen (without them a share of the data is set aside).
    recipe: a Recipe, the name of a shipped one, or a YAML file. resume: `auto` goes on from run_dir's last checkpoint where there is
    one, `never` wants a fresh folder, anything else is the path of a checkpoint. progress: called with each record of the log.
    On the CPU, an interrupted and resumed run ends with the weights of an uninterrupted one, bit for bit.

    Under torchrun every process calls this and takes its part of each batch; the losses are those of one process with the whole batch,
    to rounding. On a CPU, one process a core with one thread each is fastest. SIGINT and SIGTERM save and raise KeyboardInterrupt.
    A loss that is not finite raises DataError, a full disk UsageError; both leave the last good checkpoint.
    """
    from voxcli import backend
    from voxcli.backend import keep_freed_memory
    from voxcli.errors import UsageError
    from voxcli.models.registry import model_module
    from voxcli.training.engine import train_run
    from voxcli.training.recipe import Recipe, load_recipe

    keep_freed_memory()
    steps = model_module(model_name, "stages")
    chosen = recipe if isinstance(recipe, Recipe) else load_recipe(recipe)
    if chosen.model != model_name:
        raise UsageError("The recipe is for another model.", expected=model_name, actual=chosen.model)
    train_run(steps, chosen, data_dirs, Path(run_dir), resume, progress, validation_dirs, backend.pick_device(device))
