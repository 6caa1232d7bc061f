"""Does loading or computing bound a training? Samples per second of each alone, and of both together, on data of your own.

    voxcli synth street -o train/ --count 200
    python tests/benchmarks/loading.py --data train/ --recipe street [--workers 2] [--kind processes] [--device cuda] [--packed]

The slower one alone is the bound; the last column says how much of the faster one's time is hidden behind it. `--packed` times the
same samples out of one HDF5 file as well.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
from collections.abc import Generator, Iterator
from pathlib import Path

import torch

from voxcli import backend
from voxcli.datasets.packed import pack_street
from voxcli.datasets.street import StreetFolder
from voxcli.models.registry import model_module
from voxcli.models.tasks import Batch, Stage
from voxcli.training import loader
from voxcli.training.engine import Trainer
from voxcli.training.recipe import Loading, Recipe, load_recipe


def batches(data: StreetFolder, recipe: Recipe, stage: Stage, loading: Loading) -> Generator[Batch, None, None]:
    """The batches of a stage, as the engine reads them."""
    task = model_module(recipe.model, "stages")
    reader = loader.Reader(task.reader(data, stage, recipe.augmentation), recipe.seed)
    return loader.training_batches(reader, task.collate, loader.Order(range(len(data)), 0), 0, stage.batch, slice(None), loading)


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
            for number, stage in enumerate(recipe.stages):
                alone = batches(data, recipe, stage, loading)
                loads = rate(alone, stage.batch, options.steps)
                alone.close()
                trainer = make_trainer(recipe, data, Path(folder) / f"run-{name}-{number}", options.device)
                stretch = trainer._begin(number, stage, 0)
                source = batches(data, recipe, stage, loading)
                held = itertools.repeat(next(source))
                step = lambda feed, trainer=trainer, stretch=stretch: iter(lambda: trainer._train_step(stretch, feed), None)  # noqa: E731
                computes = rate(step(held), stage.batch * stage.parts, options.steps)
                together = rate(step(source), stage.batch * stage.parts, options.steps)
                source.close()
                bound = "loading" if loads < computes else "computing"
                print(f"{stage.name:<10} {name:<8} {loads:>10.2f} {computes:>10.2f} {together:>10.2f}   {bound}, "
                      f"at {together / min(loads, computes):.0%} of it alone")  # fmt: skip


def make_trainer(recipe: Recipe, data: StreetFolder, run: Path, device: str) -> Trainer:
    """A trainer that has counted nothing and writes nothing but an empty folder."""
    run.mkdir()
    trainer = Trainer(model_module(recipe.model, "stages"), recipe, data, None, run, backend.pick_device(device), None)
    trainer.constants = {"class_weights": torch.ones(len(data.classes.names), device=trainer.device)}
    return trainer


if __name__ == "__main__":
    main()
