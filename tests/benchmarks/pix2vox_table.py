"""Table 2 of Pix2Vox for given weights: intersection over union by number of views, of context against average fusion.

    voxcli synth objects -o data/ --count 160 --seed 1000
    python tests/benchmarks/pix2vox_table.py pix2vox-f.safetensors data/ --split all [--views 1 2 3 4 5 8 12 16 20] [--objects 20]

DATA: a folder in 3D-R2N2's layout, `synth objects` of another seed than the training's or ShapeNet's. Categories that the weights have not
been trained on, as they say themselves, make a table of their own; for the paper's test on such, train with
`--set 'training.dataset.categories=[...]'`. The n views of an object are its first n pictures. Each picture is encoded once, its volume
and its score serve all numbers of views. The mean is over objects; a line with +- is the mean difference of pairs and its standard error.

`voxcli evaluate pix2vox-views --data DATA --retrieve TRAINING-DATA` has the row of retrieval.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch

from voxcli.datasets.r2n2 import R2N2Folder
from voxcli.models.pix2vox.inference import Pix2VoxPredictor
from voxcli.models.pix2vox.losses import overlaps
from voxcli.models.pix2vox.network import fuse, score_maps
from voxcli.models.pix2vox.preprocessing import Preparation, prepare
from voxcli.models.weights import load_weights
from voxcli.scene import Picture

VIEWS = (1, 2, 3, 4, 5, 8, 12, 16, 20)

Scores = dict[str, np.ndarray]
"""Way of fusing -> IoU [objects, numbers of views]."""


def one_object(predictor: Pix2VoxPredictor, data: R2N2Folder, index: int, counts: list[int], threshold: float) -> Scores:
    """IoU of one object, [1, numbers of views] for each way of fusing; NaN where it has fewer views."""
    there = min(max(counts), data.view_count(index))
    rgba = data.images(index, range(there))
    prepared = np.stack([prepare(Picture(each[..., :3], each[..., 3]), Preparation())[0] for each in rgba])
    truth = torch.from_numpy(data.volume(index)).to(predictor.device)[None]
    network = predictor.folded
    found: dict[str, list[float]] = defaultdict(list)
    with torch.inference_mode():
        context, volumes = network.coarse(torch.from_numpy(prepared)[None])
        scores = network.scores(context)
        for count in counts:
            some, shares = volumes[:, :count], score_maps(scores[:, :count])
            fused = {"context": fuse(some, shares), "average": fuse(some, None, "mean")}
            if network.config.refiner:
                fused = {f"{name}, not refined": volume for name, volume in fused.items()} | {
                    name: network.refined(volume) for name, volume in fused.items()
                }
            for name, volume in fused.items():
                found[name].append(float(overlaps(volume, truth, (threshold,))) if count <= there else float("nan"))
    return {name: np.array([values]) for name, values in found.items()}


def pooled(parts: list[Scores]) -> Scores:
    """All objects of several results."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def line(name: str, values: np.ndarray) -> str:
    """A row of the table: means over objects, in per cent."""
    return f"| {name} | " + " | ".join("" if np.isnan(v).all() else f"{100 * np.nanmean(v):.1f}" for v in values.T) + " |"


def difference(a: np.ndarray, b: np.ndarray) -> str:
    """A row of the table: the mean of a - b and its standard error, in per cent."""
    cells = []
    for gap in (a - b).T:
        gap = gap[~np.isnan(gap)]
        error = gap.std(ddof=1) / len(gap) ** 0.5 if len(gap) > 1 else float("nan")
        cells.append(f"{100 * gap.mean():+.2f} +- {100 * error:.2f}" if len(gap) else "")
    return "| context - average | " + " | ".join(cells) + " |"


def table(title: str, by_category: dict[str, Scores], counts: list[int]) -> str:
    """All ways of fusing over all objects, then context fusion in each category."""
    whole = pooled(list(by_category.values()))
    count = len(whole["context"])
    head = f"| {title}: {count} objects; views | " + " | ".join(map(str, counts)) + " |\n" + "|---" * (len(counts) + 1) + "|"
    rows = [line(name, values) for name, values in whole.items()] + [difference(whole["context"], whole["average"])]
    rows += [line(f"{category} ({len(found['context'])})", found["context"]) for category, found in by_category.items()]
    return "\n".join([head, *rows])


def main() -> None:
    """Score all objects, then print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights")
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--data", type=Path, dest="also", help="the same")
    parser.add_argument("--split", choices=("train", "val", "test", "all"), default="test")
    parser.add_argument("--categories", nargs="+", help="these alone")
    parser.add_argument("--unseen", nargs="+", help="categories kept out of training; default: those that the weights do not name")
    parser.add_argument("--objects", type=int, help="the first of each category, so many at most")
    parser.add_argument("--views", type=int, nargs="+", default=list(VIEWS))
    parser.add_argument("--threshold", type=float, help="occupied at or above; default: that of the weights")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--records", type=Path, help="also write the numbers of each object here, as evaluate keeps them (JSON lines)")
    parser.add_argument("--way", default="context", help="of fusing, whose numbers --records has: context or average")
    options = parser.parse_args()
    options.data = options.data or options.also
    weights = load_weights(options.weights)
    predictor = Pix2VoxPredictor.from_weights(weights, options.device)
    threshold = predictor.threshold if options.threshold is None else options.threshold
    data = R2N2Folder(options.data, None if options.split == "all" else options.split, categories=options.categories)
    groups: dict[str, list[int]] = defaultdict(list)
    for index, item in enumerate(data.items):
        if options.objects is None or len(groups[item.category]) < options.objects:
            groups[item.category].append(index)
    found: dict[str, Scores] = {}
    kept: list[str] = []
    for category, indices in groups.items():
        every = [one_object(predictor, data, i, options.views, threshold) for i in indices]
        found[category] = pooled(every)
        kept += [
            json.dumps({"variant": f"{views} views", "name": data.name(i), "records": {"iou": {"metric": "iou", "value": float(value)}}})
            for i, scores in zip(indices, every, strict=True)
            for views, value in zip(options.views, scores[options.way][0], strict=True)
            if not np.isnan(value)
        ]
        sys.stderr.write(f"{category}: {len(indices)} objects, context {line('', found[category]['context'])}\n")
    if options.records is not None:
        options.records.write_text("".join(line + "\n" for line in kept))
    seen = weights.facts.get("categories", list(found))
    unseen = options.unseen or [name for name in found if name not in seen]
    print(f"{weights.model}, IoU in per cent at threshold {threshold:g}, {options.data.name}, split {options.split}\n")
    for title, wanted in (("categories of the training", False), ("categories that it has not seen", True)):
        chosen = {name: scores for name, scores in found.items() if (name in unseen) == wanted}
        if chosen:
            print(table(title, chosen, options.views) + "\n")


if __name__ == "__main__":
    main()
