"""Trainings of equal cost, scored alike: what a part of a method is worth, with standard errors over samples and over seeds.

    python tests/benchmarks/equal_cost.py OUT full=street-6d no-6d=street-no-6d --data TRAIN [--data MORE] --test TEST \\
        --protocol ssz-synthetic --seconds 240 --seeds 0 1 [--set training.network.width=64 ...] [--measure iou]

Each NAME=RECIPE (a name or a file; NAME=RECIPE,KEY=VALUE,... sets entries of it) is trained for the same processor time. A short run
measures what a step of each of its stages costs; then all stages' steps are multiplied by one factor, so that their sum takes `--seconds`.
The weights are scored by `voxcli evaluate PROTOCOL --data TEST`. OUT/table.md has a row a name: the mean over samples with its standard
error, for each seed, and how far the seeds lie apart. What is there is not done again.

The engine's settings stay the recipe's. Validation is left out: the weights at the end are taken.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import statistics
import subprocess
import sys
from pathlib import Path

import yaml

PROBE = 4
"""Steps of a stage in the run that measures their cost; the first of them is left out, since it builds what the others use."""


def voxcli(*words: str | Path) -> float:
    """Run a command; processor seconds that it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "voxcli", *map(str, words)], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def recipe_of(given: str) -> dict:
    """RECIPE,KEY=VALUE,... resolved: the whole recipe as a mapping."""
    name, *changes = given.split(",")
    path = Path(name)
    if not path.is_file():
        import voxcli.training

        path = Path(voxcli.training.__path__[0]) / "recipes" / f"{name}.yaml"
    recipe = yaml.safe_load(path.read_text())
    for change in changes:
        keys, _, value = change.partition("=")
        *groups, last = keys.split(".")
        place = recipe
        for group in groups:
            place = place.setdefault(group, {})
        place[last] = yaml.safe_load(value)
    return recipe


def trained(run: Path, recipe: dict, steps: list[int], data: list[Path], extra: list[str]) -> float:
    """Train with so many steps a stage; processor seconds."""
    stages = [stage | {"steps": count} for stage, count in zip(recipe["stages"], steps, strict=True)]
    for stage in stages:
        if "warmup" in (how := stage.get("optimiser", {})):
            stage["optimiser"] = how | {"warmup": min(how["warmup"], max(1, stage["steps"] // 10))}
    whole = recipe | {"stages": stages, "validation": {"every": 10**6, "samples": 2}, "checkpoint_every": 10**6}
    run.parent.mkdir(parents=True, exist_ok=True)
    file = run.with_suffix(".yaml")
    file.write_text(yaml.safe_dump(whole, sort_keys=False))
    more = [word for value in extra for word in ("--set", value)]
    return voxcli("train", "-m", recipe["model"], "--recipe", file, *(word for d in data for word in ("--data", d)), "-o", run, "-q", *more)


def costs(folder: Path, recipe: dict, data: list[Path], extra: list[str]) -> list[float]:
    """Processor seconds of a step of each stage: the difference of two short runs that differ in that stage alone."""
    ones = [1] * len(recipe["stages"])
    base = trained(folder / "probe", recipe, ones, data, extra)
    found = []
    for k in range(len(ones)):
        longer = [1 + PROBE * (j == k) for j in range(len(ones))]
        found.append(max(1e-3, (trained(folder / f"probe-{k}", recipe, longer, data, extra) - base) / PROBE))
    return found


def score(results: Path, measure: str) -> tuple[float, float, int]:
    """Mean over samples of a measure, its standard error, their number."""
    lines = [json.loads(line) for path in results.glob("*/samples.jsonl") for line in path.read_text().splitlines()]
    records = [record for line in lines for record in line["records"].values() if record["metric"] == measure]
    values = [record["value"] for record in records if record["value"] is not None]
    return statistics.mean(values), statistics.stdev(values) / math.sqrt(len(values)), len(values)


def main() -> None:
    """Measure, train, score, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("names", nargs="+", metavar="NAME=RECIPE")
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument("--test", type=Path, required=True)
    parser.add_argument("--protocol", required=True)
    parser.add_argument("--measure", default="iou", help="metric of the protocol's records")
    parser.add_argument("--seconds", type=float, default=240.0)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--set", action="append", default=[])
    asked = parser.parse_args()
    rows = ["| | steps | processor time | " + " | ".join(f"seed {s}" for s in asked.seeds) + " | seeds apart |",
            "|---" * (4 + len(asked.seeds)) + "|"]  # fmt: skip
    for each in asked.names:
        name, _, given = each.partition("=")
        recipe, folder = recipe_of(given), asked.out / name
        plan = folder / "steps.json"
        if not plan.is_file():
            each_step = costs(folder, recipe, asked.data, asked.set)
            planned = sum(c * stage["steps"] for c, stage in zip(each_step, recipe["stages"], strict=True))
            steps = [max(1, round(stage["steps"] * asked.seconds / planned)) for stage in recipe["stages"]]
            plan.write_text(json.dumps({"seconds_a_step": each_step, "steps": steps}))
        steps = json.loads(plan.read_text())["steps"]
        cells, means, taken = [], [], []
        for seed in asked.seeds:
            run, record = folder / f"seed-{seed}", folder / f"seed-{seed}.json"
            if not record.is_file():
                seconds = trained(run, recipe, steps, asked.data, [*asked.set, f"training.seed={seed}"])
                weights, results = run / "weights.safetensors", folder / f"results-{seed}"
                voxcli("evaluate", asked.protocol, "--data", asked.test, "--weights", weights, "-o", results, "--pictures", "0", "-q")
                record.write_text(json.dumps([seconds, *score(results, asked.measure)]))
            seconds, mean, error, count = json.loads(record.read_text())
            means.append(mean)
            taken.append(seconds)
            cells.append(f"{mean:.3f} ± {error:.3f}")
        apart = f"{max(means) - min(means):.3f}"
        cells = [name, " + ".join(map(str, steps)), f"{statistics.mean(taken):.0f} s", *cells, apart]
        rows.append(f"| {' | '.join(cells)} |")
        (asked.out / "table.md").write_text("\n".join(rows) + "\n")
        print(rows[-1], flush=True)


if __name__ == "__main__":
    main()
