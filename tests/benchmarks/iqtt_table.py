"""Table 3 of pix2scene for given weights: python tests/benchmarks/iqtt_table.py QUESTIONS.h5 WEIGHTS.safetensors [WEIGHTS ...]

QUESTIONS.h5: of `voxcli synth iqtt` with another seed than the training's, or a published file that states answers. Each line is a JSON
record: accuracy with its standard error, how often each kind of choice was taken, and from how many labels the weights have learnt.
--untrained scores the same networks before any training beside them: what the baselines know from 0 labels, the paper's first row. They
begin by seed 0, or by the seeds that follow.
--learnt scores the questions that the weights have learnt from instead, of the training's own file: how much is learnt by heart.
--answers FILE also writes the answers of the last weights, for `voxcli metrics iqtt`.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch

from voxcli import config
from voxcli.datasets.iqtt import IQTTFile
from voxcli.datasets.synthetic.iqtt import KINDS
from voxcli.metrics.iqtt import accuracy_record
from voxcli.models.iqtt.network import IQTTConfig, build
from voxcli.models.registry import class_of
from voxcli.models.weights import Weights, load_weights


def untrained(weights: Weights, seed: int) -> Weights:
    """The network of these weights as it begins."""
    torch.manual_seed(seed)
    network = build(config.from_mapping(IQTTConfig, weights.config, "network"))
    return Weights(network.state_dict(), weights.model, weights.config, {**weights.facts, "labels": 0, "training": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("questions")
    parser.add_argument("weights", nargs="+")
    parser.add_argument("--untrained", type=int, nargs="*", metavar="SEED")
    parser.add_argument("--learnt", action="store_true")
    parser.add_argument("--answers", type=Path)
    args = parser.parse_args()
    file = IQTTFile(args.questions)
    loaded = [(path, load_weights(path)) for path in args.weights]
    seeds = [] if args.untrained is None else args.untrained or [0]
    before = [(f"{path}, untrained, seed {seed}", untrained(weights, seed)) for path, weights in loaded for seed in seeds]
    for path, weights in [*before, *loaded]:
        of = [file.labeled] if args.learnt else [file.labeled, file.unlabeled]
        given = np.array(list(class_of(weights.model).from_weights(weights, "auto").answers(of)))
        first = slice(int(weights.facts["labels"]) if args.learnt else None)
        found = accuracy_record(
            given[first],
            file.answers[first],
            kinds=None if file.kinds is None else file.kinds[first],
            kind_names=KINDS,
            pred=str(path),
            gt=args.questions,
        )
        sys.stdout.write(json.dumps({"model": weights.model, "labels": weights.facts.get("labels"), **found}, default=str) + "\n")
        if args.answers:
            args.answers.write_text("".join(f"{choice}\n" for choice in given), encoding="utf-8")


if __name__ == "__main__":
    main()
