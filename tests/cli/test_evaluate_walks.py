"""`voxcli evaluate` of streets that a camera goes along: the scenes of a split, by the root or by the folder of the split."""

import csv
import io
import json

import pytest
from evaluation_scenes import street


@pytest.fixture
def walks(tmp_path):
    """A scene of three frames in test and one in train, with predictions of two frames each; the numbers of one scene."""
    for place in ("train/000000", "test/000001"):
        root, mine = tmp_path / "walks" / place, tmp_path / "mine" / place
        root.mkdir(parents=True)
        mine.mkdir(parents=True)
        expected = street(root, mine)
    (tmp_path / "walks/meta.json").write_text("{}")
    return expected


@pytest.mark.parametrize(
    ("root", "predictions", "more", "names"),
    [
        ("walks", "mine", (), "test/000001"),
        ("walks/test", "mine/test", (), "000001"),
        ("walks/test/000001", "mine/test/000001", (), ""),
        ("walks", "mine/test", ("--pair", "{id}/{view}"), "test/000001"),
        ("walks", "mine", ("--set", "protocol.read.split=train"), "train/000000"),
    ],
)
def test_the_scenes_of_a_split_are_scored(voxcli, walks, tmp_path, root, predictions, more, names):
    code, _, errors = voxcli("evaluate", "ssz-synthetic", "--data", root, "--predictions", predictions, "-o", "results", "--pictures", "0",
                             *more)  # fmt: skip
    assert code == 0, errors
    rows = csv.DictReader(io.StringIO((tmp_path / "results/table.csv").read_text()))
    found = {(row["table"], row["column"]): row for row in rows if row["published"] == "no"}
    for table, cells in walks.items():
        for column, value in cells.items():
            assert float(found[table, column]["value"]) == pytest.approx(value) and found[table, column]["missing"] == "1"
    (folder,) = (path.parent for path in (tmp_path / "results").glob("*/run.json"))
    lines = [json.loads(line)["name"] for line in (folder / "samples.jsonl").read_text().splitlines()]
    assert lines == [f"{names}/{k:06d}".lstrip("/") for k in range(3)]


def test_a_split_that_is_not_there_is_refused_with_those_that_are(refused, walks, tmp_path):
    refused("evaluate", "ssz-synthetic", "--data", "walks", "--predictions", "mine", "-o", "results", "--set", "protocol.read.split=val",
            named=("split val", "train, test", "protocol.read.split=test"))  # fmt: skip
