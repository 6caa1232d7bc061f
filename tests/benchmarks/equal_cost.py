"""Trainings of equal cost, scored alike: what a part of a method is worth, with standard errors over samples and over seeds.

    python tests/benchmarks/equal_cost.py OUT full=street-6d no-6d=street-no-6d --data TRAIN [--data MORE] --test TEST \\
        --protocol ssz-synthetic --seconds 240 --seeds 0 1 [--set training.network.width=64 ...] [--measure iou] [--measure depth]

Each NAME=RECIPE (a name or a file; NAME=RECIPE,KEY=VALUE,... sets entries of it) is trained for the same processor time. Short runs
measure what a step of each of its stages costs; then all stages' steps are multiplied by one factor, so that the training takes
`--seconds`. `stages=[A,B]` keeps these stages alone. The weights are scored by `voxcli evaluate PROTOCOL --data TEST`, or by a script of
this folder that writes --records, where PROTOCOL ends in .py. Settings that begin with `protocol.` are of the evaluation; for a script,
`protocol.most=60` is --most 60. NAME=@OTHER scores the weights of another name, with settings of its own. {seed} in a setting is the seed.

OUT/table.md has a row a name, measure and variant: the mean over samples with its standard error, for each seed, and how far the seeds lie
apart; then the difference from the first name, sample by sample, with its standard error. A measure may name a part of its record
(`hausdorff:forward`), which is that of `parts`, and the median in place of the mean (`azimuth~`). What is there is not done again.
`--same-steps` measures the first name alone and gives its steps to all: for names that differ in what a step learns, not in what it costs.
`--phases` takes some of plan, train, score: plans may be made in advance, and scores elsewhere.

The engine's settings stay the recipe's. Validation is left out: the weights at the end are taken.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import resource
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import yaml

Values = dict[str, float]
"""A measure of each sample, by its name."""

PROBE, LEAST = 4, 4.0
"""Steps of a stage in the first run that measures their cost, and processor seconds that they must take: else four times as many."""

PHASES = ("plan", "train", "score")


def run(*words: str | Path) -> float:
    """Run a Python program; processor seconds that it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *map(str, words)], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


class Row(NamedTuple):
    """A name of the table. weights: the name whose weights are scored. scored: settings of its evaluation."""

    name: str
    weights: str
    recipe: dict
    scored: list[str]


def row_of(given: str) -> Row:
    """NAME=RECIPE,KEY=VALUE,... or NAME=@OTHER,KEY=VALUE,... with the whole recipe. A comma within brackets divides nothing."""
    name, _, rest = given.partition("=")
    source, *changes = re.split(r",(?![^\[{]*[\]}])", rest)
    scored = [change for change in changes if change.startswith("protocol.")]
    if source.startswith("@"):
        return Row(name, source[1:], {}, scored)
    path = Path(source)
    if not path.is_file():
        import voxcli.training

        path = Path(voxcli.training.__path__[0]) / "recipes" / f"{source}.yaml"
    recipe = yaml.safe_load(path.read_text())
    for change in (change for change in changes if change not in scored):
        keys, _, value = change.partition("=")
        if keys == "stages":
            recipe["stages"] = [stage for stage in recipe["stages"] if stage["name"] in yaml.safe_load(value)]
            continue
        *groups, last = keys.split(".")
        place = recipe
        for group in groups:
            stages = {stage["name"]: stage for stage in place[group]} if group == "stages" else {}
            place = stages or place.setdefault(group, {})
        place[last] = yaml.safe_load(value)
    return Row(name, name, recipe, scored)


class Trainings(NamedTuple):
    """What all trainings share. more: settings of the command line."""

    data: list[Path]
    more: list[str]

    def train(self, target: Path, recipe: dict, steps: list[int], seed: int = 0) -> float:
        """Train with so many steps a stage; processor seconds."""
        stages = [stage | {"steps": count} for stage, count in zip(recipe["stages"], steps, strict=True)]
        for stage in stages:
            if "warmup" in (how := stage.get("optimiser", {})):
                stage["optimiser"] = how | {"warmup": min(how["warmup"], max(1, stage["steps"] // 10))}
        whole = recipe | {"stages": stages, "validation": {"every": 10**6, "samples": 2}, "checkpoint_every": 10**6}
        shutil.rmtree(target, ignore_errors=True)  # of a probe, or cut off
        target.parent.mkdir(parents=True, exist_ok=True)
        file = target.with_suffix(".yaml")
        file.write_text(yaml.safe_dump(whole, sort_keys=False).replace("{seed}", str(seed)))
        more = [word for value in [*self.more, f"training.seed={seed}"] for word in ("--set", value)]
        data = [word for d in self.data for word in ("--data", d)]
        return run("-m", "voxcli", "train", "-m", recipe["model"], "--recipe", file, *data, "-o", target, "-q", *more)

    def plan(self, folder: Path, recipe: dict, seconds: float) -> dict:
        """Processor seconds of a start and of a step of each stage, and steps that take `seconds`; by short runs."""
        ones = [1] * len(recipe["stages"])
        self.train(folder / "probe", recipe, ones)  # fills the caches of files
        start, each = self.train(folder / "probe", recipe, ones), []
        for k in range(len(ones)):
            count, took = PROBE, 0.0
            while took < LEAST and count <= 4**5:
                longer = [1 + count * (j == k) for j in range(len(ones))]
                took = self.train(folder / "probe", recipe, longer) - start
                each[k:] = [max(took, 0.01) / count]
                count *= 4
        planned = sum(c * stage["steps"] for c, stage in zip(each, recipe["stages"], strict=True))
        factor = (seconds - start) / planned
        steps = [max(1, round(stage["steps"] * factor)) for stage in recipe["stages"]]
        return {"start": start, "seconds_a_step": each, "steps": steps}


def score(protocol: str, test: Path, weights: Path, results: Path, settings: list[str]) -> None:
    """Evaluate weights; the folder of results is there when all is done."""
    unfinished = results.with_suffix(".unfinished")
    if protocol.endswith(".py"):
        (unfinished / "script").mkdir(parents=True, exist_ok=True)
        given = [value.removeprefix("protocol.").partition("=") for value in settings]
        words = [word for key, _, value in given for word in ([f"--{key}"] if value == "true" else [f"--{key}", *value.split()])]
        run(protocol, weights, "--data", test, "--records", unfinished / "script" / "samples.jsonl", *words)
    else:
        more = [word for value in settings for word in ("--set", value)]
        words = ["--data", test, "--weights", weights, "-o", unfinished, "--pictures", "0", "-q", *more]
        run("-m", "voxcli", "evaluate", protocol, *words)
    unfinished.rename(results)


def measured(results: Path, measure: str) -> dict[str, Values]:
    """A measure by variant and sample."""
    measure, _, part = measure.rstrip("~").partition(":")
    found: dict[str, Values] = {}
    for path in results.glob("*/samples.jsonl"):
        for line in map(json.loads, path.read_text().splitlines()):
            for name, record in line["records"].items():
                if measure in (name, record["metric"]):
                    value = record["parts"][part] if part else record["value"]
                    found.setdefault(line["variant"], {}).update({} if value is None else {line["name"]: value})
    return found


def mean(values: list[float], median: bool = False) -> tuple[float, float]:
    """Mean with its standard error; median with that of a normal distribution's."""
    error = statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return (statistics.median(values), 1.253 * error) if median else (statistics.mean(values), error)


def pretty(number: float, error: float, signed: bool = False) -> str:
    """Three digits of what is known."""
    digits = 3 if abs(number) < 10 else 1
    return f"{number:{'+' if signed else ''}.{digits}f} ± {error:.{digits}f}"


def lines(out: Path, rows: list[Row], measures: list[str], seeds: list[int]) -> Iterator[str]:
    """The table."""
    found = {(row.name, seed): out / row.name / f"results-{seed}" for row in rows for seed in seeds}
    yield "| | steps | processor time | samples | measure | " + " | ".join(f"seed {s}" for s in seeds) + " | seeds apart | " + " | ".join(
        f"less {rows[0].name}, seed {s}" for s in seeds) + " |"  # fmt: skip
    yield "|---" * (6 + 2 * len(seeds)) + "|"
    for row in rows:
        folder = out / row.weights
        steps = json.loads((folder / "steps.json").read_text())["steps"]
        taken = [float((folder / f"seed-{s}.seconds").read_text()) for s in seeds if (folder / f"seed-{s}.seconds").is_file()]
        for measure in measures:
            here = [measured(found[row.name, seed], measure) for seed in seeds]
            first = [measured(found[rows[0].name, seed], measure) for seed in seeds]
            for variant in here[0] or {}:
                values = [list(h.get(variant, {}).values()) for h in here]
                means = [mean(v, measure.endswith("~")) for v in values if v]
                gaps = []
                for mine, other in zip(here, first, strict=True):
                    # Where a variant is of one name alone, the first's only variant stands beside it.
                    beside = other.get(variant, next(iter(other.values())) if len(other) == 1 else {})
                    both = [mine[variant][n] - beside[n] for n in mine.get(variant, {}) if n in beside]
                    gaps.append(pretty(*mean(both), True) if both and row is not rows[0] else "")
                apart = f"{max(m for m, _ in means) - min(m for m, _ in means):.3f}"
                cells = [row.name, " + ".join(map(str, steps)), f"{statistics.mean(taken):.0f} s", str(len(values[0]))]
                cells += [f"{measure} {variant}".strip(), *(pretty(*m) for m in means), apart, *gaps]
                yield f"| {' | '.join(cells)} |"


def main() -> None:
    """Measure, train, score, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("names", nargs="+", metavar="NAME=RECIPE")
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument("--test", type=Path, required=True)
    parser.add_argument("--protocol", required=True)
    parser.add_argument("--measure", action="append", help="measure of the protocol, or metric of its records; default: iou")
    parser.add_argument("--seconds", type=float, default=240.0)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--same-steps", action="store_true")
    parser.add_argument("--phases", nargs="+", choices=PHASES, default=PHASES)
    asked = parser.parse_args()
    rows = [row_of(each) for each in asked.names]
    trainings = Trainings(asked.data, [value for value in asked.set if not value.startswith("protocol.")])
    everywhere = [value for value in asked.set if value.startswith("protocol.")]
    trained = [row for row in rows if row.recipe]
    for row in trained if "plan" in asked.phases else ():
        folder = asked.out / row.name
        if not (plan := folder / "steps.json").is_file():
            plan.parent.mkdir(parents=True, exist_ok=True)
            first = asked.out / trained[0].name / "steps.json"
            same = asked.same_steps and row is not trained[0]
            plan.write_text(first.read_text() if same else json.dumps(trainings.plan(folder, row.recipe, asked.seconds)))
    for row, seed in ((row, seed) for seed in asked.seeds for row in trained) if "train" in asked.phases else ():
        target, taken = (asked.out / row.name / f"seed-{seed}{ending}" for ending in ("", ".seconds"))
        steps = json.loads((asked.out / row.name / "steps.json").read_text())["steps"]
        if not taken.is_file():
            taken.write_text(str(trainings.train(target, row.recipe, steps, seed)))
    if "score" not in asked.phases:
        return
    for row, seed in ((row, seed) for seed in asked.seeds for row in rows):
        results, folder = asked.out / row.name / f"results-{seed}", asked.out / row.weights
        if not results.is_dir():
            weights = folder / f"seed-{seed}" / "weights.safetensors"
            settings = [value.replace("{seed}", str(seed)) for value in [*everywhere, *row.scored]]
            score(asked.protocol, asked.test, weights, results, settings)
    table = "\n".join(lines(asked.out, rows, asked.measure or ["iou"], asked.seeds)) + "\n"
    (asked.out / "table.md").write_text(table)
    print(table, end="", flush=True)


if __name__ == "__main__":
    main()
