"""Part IoU of JOF and BAE-NET on unseen `synth objects`, per category: Table 4 of JOF at our scale.

    voxcli synth objects -o data/ --count 1190 --seed 1
    voxcli train -m jof --data data/ -o jof/ --recipe objects-jof-small
    voxcli train -m bae --data data/ -o bae-chair/ --recipe objects-bae-small --set 'training.dataset.categories=[chair]' \\
        --set training.stages.coarse.steps=150 --set training.stages.fine.steps=300
    python tests/benchmarks/objects_parts.py --data data/ --train 60 jof/weights.safetensors bae-chair/weights.safetensors

Branches are named by the part that they win most often over the training objects of the category (at most --train of them), then scored on
the surface points of its test objects: mean over parts, a part absent from prediction and truth counting 1, then over objects (BAE-NET's
rule). What JOF is before `places` and `balance` is the recipe without the stages from `places` on. Weights of BAE-NET are scored on the
categories that they were trained on.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from voxcli.datasets.objects import ObjectsFolder
from voxcli.metrics.sampled import match_parts, part_record
from voxcli.models.registry import class_of
from voxcli.models.weights import load_weights


def told(network: Any, folder: ObjectsFolder, index: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """(winning branches, true parts from 0, names of parts) at the surface points of one object whose part is known."""
    voxels, cloud = folder.voxels(index), folder.points(index)
    codes = network.codes(voxels.labels > 0, voxels.colours)
    known = (cloud.labels > 0) & (cloud.labels < len(cloud.classes.names))
    return network.parts(codes, cloud.points[known]), cloud.labels[known].astype(np.int64) - 1, list(cloud.classes.names[1:])


def scored(network: Any, data: Path, category: str, most: int) -> tuple[float, int]:
    """(mean part IoU, number of test objects) of one category."""
    train, test = (ObjectsFolder(data, split, [category]) for split in ("train", "test"))
    seen = [told(network, train, i) for i in range(min(most, len(train)))]
    unseen = [told(network, test, i) for i in range(len(test))]
    if not seen or not unseen:
        return float("nan"), len(unseen)
    names = seen[0][2]
    meaning = match_parts([s[0] for s in seen], [s[1] for s in seen], len(network.names), len(names))
    return float(np.mean([part_record(meaning[guess], truth, names)["value"] for guess, truth, _ in unseen])), len(unseen)


def main() -> None:
    """Score all weights and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", nargs="+")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--train", type=int, default=30, help="training objects of a category that name the branches")
    options = parser.parse_args()
    known = ObjectsFolder(options.data, "test").categories
    print("| weights | " + " | ".join(known) + " |\n" + "|---" * (len(known) + 1) + "|")
    for path in options.weights:
        weights = load_weights(path)
        network = class_of(weights.model).from_weights(weights, "cpu")
        row = []
        for category in known:
            mine = weights.facts.get("categories", known)
            value, count = scored(network, options.data, category, options.train) if category in mine else (float("nan"), 0)
            row.append(f"{100 * value:.1f} ({count})" if count else "")
        print(f"| {weights.model} {Path(path).parent.name} | " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
