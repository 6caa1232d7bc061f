"""Mean IoU of networks on unseen street scenes, beside the prior that predicts every fruxel's most frequent class of the training data.

    voxcli synth street -o train/ --count 2000 --seed 1 --workers 2
    voxcli synth street -o test/ --count 200 --seed 1000 --picture-scale 2 --workers 2
    python tests/benchmarks/street_iou.py --test test/ [--train train/] [--weights ssz --weights rays-near ...] [--scale 4]

--scale 4 scores the networks' coarse volumes (32^3 of 128^3) against labels pooled to that size: trainings begin there. Pictures of two
pixels a column serve all networks alike: those that take one are given averages of four. Two means of the nine classes are printed, since
papers differ: over all cells of the set at once (pooled), and per scene over the classes that the scene or its prediction shows, then over
scenes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from voxcli import files
from voxcli.datasets.street import StreetFolder, pool_labels
from voxcli.metrics.counting import confusion
from voxcli.metrics.overlap import label_table_record
from voxcli.models.base import Inputs
from voxcli.models.frustum.fitting import fit
from voxcli.models.frustum.options import FruxelOptions
from voxcli.models.frustum.predictor import FruxelPredictor
from voxcli.models.frustum.scores import most_probable
from voxcli.models.registry import check_predicts, load_predictor
from voxcli.models.weights import model_of
from voxcli.scene import FruxelGrid, Picture


def prior(folder: Path, most: int) -> np.ndarray:
    """The most frequent class of every fruxel, [D, H, W] uint8."""
    data = StreetFolder([folder])
    counts = np.zeros((len(data.classes.names), *data[0].labels.shape), np.uint16)
    for index in range(min(len(data), most)):
        labels = data[index].labels
        for i in np.unique(labels):
            counts[i] += labels == i
    return counts.argmax(0).astype(np.uint8)


def labels_at(predictor: FruxelPredictor, options: FruxelOptions, picture: Picture, scale: int) -> np.ndarray:
    """What a network makes of a picture at its full resolution (1) or at a coarser scale, [D/s, H/s, W/s] uint8."""
    if scale == 1:
        return next(predictor.predict([Inputs.of(picture)], options)).labels
    image = fit(picture, predictor.frustum, scale=predictor.picture_scale, whole=predictor.takes_whole).image
    with torch.inference_mode():
        images = torch.from_numpy(image).permute(2, 0, 1)[None].to(predictor.dtype) / 255
        return most_probable(predictor.network(images, (scale,))[scale])[0].numpy()


def main() -> None:
    """Score both on the test folder and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=Path, help="data for the prior; without it there is none")
    parser.add_argument("--test", type=Path, required=True)
    parser.add_argument("--weights", action="append", help="names of shipped weights, or files (ssz)")
    parser.add_argument("--scale", type=int, default=1, choices=(1, 2, 4), help="resolution that is scored, as a divisor (1)")
    parser.add_argument("--most", type=int, default=2000, help="training scenes that the prior looks at")
    options = parser.parse_args()
    networks = {}
    for weights in options.weights or ["ssz"]:
        model = model_of(weights)
        networks[weights] = load_predictor(model, weights), check_predicts(model)()
    guesses = {"class prior": prior(options.train, options.most)} if options.train else {}
    names = sorted(p.stem for p in (options.test / "fruxels").glob("*.npz"))
    tables = {name: np.zeros((10, 10), np.int64) for name in (*guesses, *networks)}
    per_scene: dict[str, list[float]] = {name: [] for name in tables}
    labels = None
    for stem in names:
        truth = files.read_as(options.test / "fruxels" / f"{stem}.npz", FruxelGrid)
        picture = files.read_as(options.test / "images" / f"{stem}.png", Picture)
        labels = truth.classes
        assert labels.empty is not None
        found = {name: labels_at(*network, picture, options.scale) for name, network in networks.items()}
        found |= {name: pool_labels(guess, options.scale, labels.empty) for name, guess in guesses.items()}
        right = pool_labels(truth.labels, options.scale, labels.empty)
        for name, guess in found.items():
            table = confusion(guess, right, len(labels.names), labels.ignore)
            tables[name] += table
            per_scene[name].append(label_table_record(table, labels)["value"])
    assert labels is not None
    print(
        f"{len(names)} scenes of {options.test}, 1/{options.scale} of the resolution\n\n| | "
        + " | ".join(labels.names[i] for i in labels.solid_ids)
        + " | mean, pooled | mean over scenes |"
    )
    print("|---" * (len(labels.solid_ids) + 3) + "|")
    for name, table in tables.items():
        record = label_table_record(table, labels, over="all")
        row = [f"{record['parts']['classes'][labels.names[i]] or 0:.3f}" for i in labels.solid_ids]
        print(f"| {name} | " + " | ".join(row) + f" | {record['value']:.3f} | {np.mean(per_scene[name]):.3f} |")
        print(f"  ({name}: completion {record['parts']['completion']:.3f}, air {record['parts']['empty']:.3f})")


if __name__ == "__main__":
    main()
