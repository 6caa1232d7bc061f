"""Does loading or computing bound a training? Samples per second of each alone, and of both together, on data of your own.

    voxcli synth street -o train/ --count 200
    python tests/benchmarks/loading.py --data train/ --recipe street [--workers 2] [--kind processes] [--device cuda] [--packed]

The slower one alone is the bound; `together` says how much of the faster one's time is hidden behind it. `--packed` times the same
samples out of one HDF5 file as well. The last line is the verdict over the recipe: seconds that its steps spend on each.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
from collections.abc import Generator, Iterator
from dataclasses import replace
from pathlib import Path

import torch

from voxcli import backend
from voxcli.datasets.packing import pack_street
from voxcli.datasets.street import StreetFolder
from voxcli.models.registry import model_module
from voxcli.training import loader
from voxcli.training.engine import Trainer
from voxcli.training.recipe import Loading, Recipe, load_recipe
from voxcli.training.stage import Stage
from voxcli.training.task import Batch


def batches(data: StreetFolder, recipe: Recipe, stage: Stage, loading: Loading) -> Generator[Batch, None, None]:
    """The parts of batches of a stage, as the engine reads them."""
    task = model_module(recipe.model, "stages").TASK
    reader = loader.Reader(task.reader(data, stage, recipe.augmentation), recipe.seed)
    return loader.training_batches(reader, task.collate, loader.Order(range(len(data)), 0), 0, stage.batch // stage.parts,
                                   slice(None), loading)  # fmt: skip


def rate(work: Iterator, samples: int, steps: int) -> float:
    """Samples per second over `steps` steps, after one to warm up."""
    next(work)
    began = time.perf_counter()
    for _ in itertools.islice(work, steps):
        pass
    return steps * samples / (time.perf_counter() - began)


def main() -> None:
    """Measure every stage of the recipe and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--recipe", default="street")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--kind", choices=("threads", "processes"), default="threads")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--packed", action="store_true")
    options = parser.parse_args()
    recipe = load_recipe(options.recipe)
    loading = Loading(options.workers, recipe.loading.prefetch, options.kind)
    with tempfile.TemporaryDirectory() as folder:
        sources = {"folder": StreetFolder([options.data])}
        if options.packed:
            sources["packed"] = StreetFolder([pack_street(sources["folder"], Path(folder) / "data.h5")])
        print(f"{'stage':<10} {'data':<8} {'loading':>10} {'computing':>10} {'together':>10}   samples/s; bound by")
        for name, data in sources.items():
            spent = {"loading": 0.0, "computing": 0.0, "together": 0.0}
            for number, stage in enumerate(recipe.stages):
                run = Path(folder) / f"run-{name}-{number}"
                found = measure(recipe, number, data, loading, run, options)
                for key, speed in found.items():
                    spent[key] += stage.steps * stage.batch / speed
                print(f"{stage.name:<10} {name:<8} {found['loading']:>10.2f} {found['computing']:>10.2f} {found['together']:>10.2f}   "
                      f"{verdict(1 / found['loading'], 1 / found['computing'])}")  # fmt: skip
            hours = spent["together"] / 3600
            print(f"Verdict, {options.recipe} ({name}): {verdict(spent['loading'], spent['computing'])}; "
                  f"{sum(stage.steps for stage in recipe.stages)} steps take about {hours:.2f} h here.")  # fmt: skip


def measure(recipe: Recipe, number: int, data: StreetFolder, loading: Loading, run: Path, options: argparse.Namespace) -> dict[str, float]:
    """Samples per second of loading alone, of steps on a batch at hand, and of both together, in one stage."""
    stage = recipe.stages[number]
    size = stage.batch // stage.parts
    alone = batches(data, recipe, stage, replace(loading, prefetch=1))  # read ahead, the first ones would seem to cost nothing
    found = {"loading": rate(alone, size, options.steps)}
    alone.close()
    trainer = make_trainer(recipe, data, run, options.device)
    stage_run = trainer._begin(number, stage, 0)
    source = batches(data, recipe, stage, loading)

    def steps(feed: Iterator) -> Iterator:
        while True:
            yield trainer._train_step(stage_run, feed)

    found["computing"] = rate(steps(itertools.repeat(next(source))), stage.batch, options.steps)
    found["together"] = rate(steps(source), stage.batch, options.steps)
    source.close()
    return found


def verdict(loading: float, computing: float) -> str:
    """Which of the two takes longer, and how many times as long."""
    if loading > computing:
        return f"LOADING bounds the run: {loading / computing:.1f} times as long as computing (more workers, --packed, --kind processes)"
    return f"COMPUTING bounds the run: {computing / loading:.1f} times as long as loading"


def make_trainer(recipe: Recipe, data: StreetFolder, run: Path, device: str) -> Trainer:
    """A trainer that has counted nothing and writes nothing but an empty folder."""
    run.mkdir()
    trainer = Trainer(model_module(recipe.model, "stages").TASK, recipe, data, None, run, backend.pick_device(device), None)
    trainer.constants = {"class_weights": torch.ones(len(data.classes.names), device=trainer.device)}
    return trainer


if __name__ == "__main__":
    main()
