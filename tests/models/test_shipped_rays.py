"""The shipped weights of Rays go on loading, and go on seeing: what they predict of the examples is compared with the truth beside them."""

from pathlib import Path

import pytest
from predicting import load_predictor, predict

from voxcli import files
from voxcli.geometry.visibility import first_labels
from voxcli.metrics import grid_iou
from voxcli.scene import FruxelGrid, Picture

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize(
    ("weights", "folder", "name", "least", "seen"), [("rays", "far", "000013", 0.2, 0.8),
                                                     ("rays-near", "street", "000007", 0.2, 0.7)],
)  # fmt: skip
def test_shipped_weights_find_what_stands_in_the_examples(weights, folder, name, least, seen):
    predictor = load_predictor(weights, device="cpu", dtype="float32")
    truth = files.read_as(EXAMPLES / folder / f"{name}.npz", FruxelGrid)
    (grid,) = predict(predictor, [files.read_as(EXAMPLES / folder / f"{name}.png", Picture)])
    assert grid_iou(grid, truth)["value"] > least
    assert (first_labels(grid.labels, grid.classes) == first_labels(truth.labels, truth.classes)).mean() > seen
    assert grid.meta["strangeness"]["score"] < grid.meta["strangeness"]["threshold"]
