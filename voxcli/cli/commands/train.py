"""`voxcli train`: a data folder and a recipe in, a run folder out."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from voxcli.atomic import check_there
from voxcli.cli.framework import options, written
from voxcli.cli.framework.help_texts import completed_help
from voxcli.cli.framework.output import Progress, counted, out
from voxcli.cli.framework.plans import facts, print_plan
from voxcli.errors import UsageError
from voxcli.models.registry import default_model, spec_of, specs

if TYPE_CHECKING:
    from voxcli.training.journal import Record


def _recipes() -> str:
    """The recipes of each model, in sentences."""
    some = " ".join(f"{spec.name}: {spec.recipes}." for spec in specs() if spec.recipes)
    others = [spec.name for spec in specs() if spec.package and not spec.recipes]
    return f"{some} {', '.join(others[:-1])} and {others[-1]}: one each, of their own names."


def _data() -> str:
    """What each model trains on, in sentences."""
    alike: dict[str, list[str]] = {}
    for spec in specs():
        alike.setdefault(spec.data, []).append(spec.name)
    return " ".join(f"{', '.join(names)}: {data}." for data, names in alike.items() if data)


def _usual_recipes() -> str:
    return ", ".join(f"{spec.recipe} for {spec.name}" for spec in specs() if spec.recipe)


@completed_help(recipes=_recipes, data=_data)
@options.sections("training")
def train(
    model: options.Model = default_model(),
    data: Annotated[
        list[str] | None,
        typer.Option(
            "--data", metavar="DIR", help="Data of a `voxcli synth` command or a reader's, as the model wants (below); repeat for more."
        ),
    ] = None,
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="RUN", help="Run folder: checkpoints, weights, log.jsonl.")
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option("--recipe", help=f"One of the above, or a YAML file; default: {_usual_recipes()}, else that of the model's name."),
    ] = None,
    validation: Annotated[
        list[str] | None, typer.Option("--validation", metavar="DIR", help="Unseen data to validate on; default: a share set aside.")
    ] = None,
    resume: Annotated[str, typer.Option("--resume", help="auto: go on where the run folder stopped; never; or a checkpoint.")] = "auto",
    device: options.Device = "auto",
    dry_run: options.DryRun = False,
) -> None:
    """Train a model on a data folder by a recipe. Ctrl-C saves; the same command goes on.

    The run folder receives last.pt and best.pt (checkpoints), best.safetensors and weights.safetensors (for predict --weights),
    log.jsonl and previews. Two processes with a thread each are fastest on two cores: torchrun --nproc-per-node 2 -m voxcli train ...

    Recipes, by model. {recipes} --print-config shows a recipe whole.

    Data, by model. {data}

    Single settings of a recipe, here of its stage `full`: --set training.stages.full.batch=8

    Examples:
        voxcli train -m ssz --data street/ -o run/ --recipe street-small --dry-run
        voxcli train --recipe street --print-config
        voxcli train -m z-gan --print-config
    """
    from voxcli.training.recipe import load_recipe

    spec = spec_of(model or default_model())
    model = spec.name
    chosen = load_recipe(recipe or spec.recipe or model, options.section("training"))
    if options.printing_config():
        return options.show_config(training=chosen)
    data = data or list(chosen.data)
    if not data or output is None:
        raise UsageError("Training needs data and a run folder.", expected="--data DIR -o RUN",
                         hint="Make data with: voxcli synth street -o DIR --count N")  # fmt: skip
    for path in (*data, *(validation or ()), *([] if resume in ("auto", "never") else [resume])):
        check_there(path)
    if dry_run:
        from voxcli.training import check

        samples = check(model, data, chosen, validation_dirs=validation or ())
        steps = sum(stage.steps for stage in chosen.stages)
        read = [facts(path, "data") for path in (*data, *(validation or ()))]
        return print_plan(read, [output], model=model, samples=samples, stages=len(chosen.stages), steps=steps)
    from voxcli.training import train as run

    with out.progress(sum(stage.steps for stage in chosen.stages), "training", lines=False) as bar:
        watcher = _Watcher(bar)
        try:
            run(model, data, output, chosen, resume, watcher, validation_dirs=validation or (), device=device)
        except KeyboardInterrupt:
            if watcher.saved:
                out.note(f"{output} holds step {watcher.step}: the same command goes on.")
            raise
    if watcher.ended:  # of several processes, the first alone
        _say_what_next(model, output, watcher.step)
    return None


def _say_what_next(model: str, run: str, steps: int) -> None:
    """Say which weights there are, and what to do with them."""
    from voxcli.models.registry import predicting

    best, last = (os.path.join(run, f"{name}.safetensors") for name in ("best", "weights"))
    path, when = (best, "the best of") if os.path.exists(best) else (last, "after")
    written.add(path, f"weights of {model}, {when} {counted(steps, 'step')}")
    use = "voxcli predict INPUT --weights {} -o OUTPUT" if model in predicting() else "voxcli weights info {}"
    written.suggest(use.format(written.quoted(path)))


_SHOWN = {"loss": "loss", "mean_iou": "IoU", "samples_per_second": "samples/s"}


class _Watcher:
    """Prints the records of a training. saved: whether the last record says that it was interrupted and saved; ended: that it is done."""

    def __init__(self, bar: Progress):
        self.bar, self.step = bar, 0
        self.saved = self.ended = False
        self.latest: dict[str, float] = {}

    def __call__(self, record: Record) -> None:
        self.saved, self.ended = record["event"] == "interrupted", record["event"] == "end"
        done = record.get("step", 0)
        step = max(self.step, done) if isinstance(done, int) else self.step
        self.latest.update({key: value for key in _SHOWN if isinstance(value := record.get(key), float)})
        numbers = ", ".join(f"{label} {self.latest[key]:.3g}" for key, label in _SHOWN.items() if key in self.latest)
        self.bar.advance(step - self.step, f"preparing stage '{record['stage']}'" if record["event"] == "preparing" else numbers)
        self.step = step
        if not out.shows_progress:
            out.note(_line(record))


def _line(record: Record) -> str:
    """A record of the log in words: what it is of, then its numbers."""
    plain = {key: value for key, value in record.items() if not isinstance(value, (dict, list))}
    event, of = plain.pop("event"), plain.pop("of", None)
    if of is not None and "step" in plain:
        plain["step"] = f"{plain['step']} of {of}"
    words = ", ".join(f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}" for key, value in plain.items())
    return words if event == "step" else f"{event}: {words}"
