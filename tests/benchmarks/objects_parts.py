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
import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from voxcli.datasets.objects import ObjectsFolder
from voxcli.metrics.parts import LabelledPair, category_of, labelled_pair, parts_record
from voxcli.models.base import DividesShapes
from voxcli.models.registry import class_of
from voxcli.models.weights import load_weights
from voxcli.scene import Labels


def labelled(network: DividesShapes, folder: ObjectsFolder, index: int) -> LabelledPair:
    """The surface points of one object, by the branch that wins and by their true part."""
    voxels, cloud = folder.voxels(index), folder.points(index)
    branches = network.parts(network.codes(voxels.labels > 0, voxels.colours), cloud.points)
    classes = Labels(("air", *network.part_names), 0, None)
    return labelled_pair(replace(cloud, labels=(branches + 1).astype(np.uint8), classes=classes), cloud)


def scored(network: DividesShapes, data: Path, test_data: Path | None, category: str, most: int) -> dict[str, float]:
    """Part IoU of each test object of one category by its name."""
    train = ObjectsFolder(data, "train", [category])
    test = ObjectsFolder(data, "test", [category]) if test_data is None else ObjectsFolder(test_data, None, [category])
    seen = [labelled(network, train, i) for i in range(min(most, len(train)))]
    unseen = [labelled(network, test, i) for i in range(len(test))]
    if not seen or not unseen:
        return {}
    rule = category_of(seen, match=True)
    return {test.name(i): parts_record(pair, rule)["value"] for i, pair in enumerate(unseen)}


def main() -> None:
    """Score all weights and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", nargs="+")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--train", type=int, default=30, help="training objects of a category that name the branches")
    parser.add_argument("--names", type=Path, help="a folder whose training objects name the branches; then all of --data are scored")
    parser.add_argument("--categories", nargs="+", help="these alone")
    parser.add_argument("--records", type=Path, help="also write the numbers of each object here, as evaluate keeps them (JSON lines)")
    options = parser.parse_args()
    known = options.categories or ObjectsFolder(options.data, "test").categories
    places = (options.names, options.data) if options.names else (options.data, None)
    print("| weights | " + " | ".join(known) + " |\n" + "|---" * (len(known) + 1) + "|")
    for path in options.weights:
        weights = load_weights(path)
        network = class_of(weights.model).from_weights(weights, "cpu")
        row, each = [], {}
        for category in known:
            mine = weights.facts.get("categories", known)
            found = scored(network, *places, category, options.train) if category in mine else {}
            row.append(f"{100 * np.mean(list(found.values())):.1f} ({len(found)})" if found else "")
            each |= found
        print(f"| {weights.model} {Path(path).parent.name} | " + " | ".join(row) + " |", flush=True)
        if options.records is not None:
            records = [(name, {"parts": {"metric": "iou", "value": value}}) for name, value in each.items()]
            lines = [json.dumps({"variant": "", "name": name, "records": record}) + "\n" for name, record in records]
            options.records.write_text("".join(lines))


if __name__ == "__main__":
    main()
