"""Data that are divided into train, val and test: which samples are scored and learnt from, and what is said of samples without a truth."""

import shutil

import numpy as np
import pytest
from evaluation_layouts import made
from layout_pieces import CHAIR, picture, save

from voxcli.datasets.street import StreetFolder
from voxcli.errors import UsageError
from voxcli.evaluation.pairing import likely_pattern
from voxcli.scene import Frustum, FruxelGrid, Labels

CLASSES, FRUSTUM = Labels(("air", "car"), 0, 255), Frustum(4, 4, 4, 3.0, 10.0, 60.0)


def scene(folder, name, filled):
    """A sample with so many cells of a car, and its picture."""
    labels = np.zeros((4, 4, 4), np.uint8)
    labels.reshape(-1)[:filled] = 1
    save(folder / f"fruxels/{name}.npz", FruxelGrid(labels, FRUSTUM, classes=CLASSES))
    picture(folder / f"images/{name}.png", 4, "RGB")


@pytest.fixture
def divided(tmp_path):
    """Three samples to learn from, two to score; predictions of all, right but for one test sample of which half is found."""
    for split, names in (("train", "abc"), ("test", "de")):
        for name in names:
            scene(tmp_path / "data" / split, name, 8)
            scene(tmp_path / "mine" / split, name, 4 if name == "e" else 8)
    for unused in tmp_path.glob("mine/*/images"):
        shutil.rmtree(unused)
    for path in [*tmp_path.glob("mine/*/fruxels/*.npz")]:
        path.rename(path.parents[1] / path.name)
    return tmp_path / "data"


def row_of(tmp_path, title, method="mine"):
    """The cells of a method's row below a table's title."""
    text = (tmp_path / "results/table.md").read_text().split(f"## {title}\n")[1]
    return next(line for line in text.splitlines() if line.startswith(f"| {method} |")).split(" | ")


@pytest.mark.parametrize("protocol", ["ssz-shapenet", "ssz-synthetic"])
@pytest.mark.parametrize(("split", "expected", "count"), [(None, 12 / 16, "2"), ("train", 1.0, "3")])
def test_the_split_that_is_asked_for_is_scored(voxcli, divided, tmp_path, protocol, split, expected, count):
    settings = [] if split is None else ["--set", f"protocol.read.split={split}"]
    code, _, errors = voxcli("evaluate", protocol, "--data", "data", "--predictions", "mine", "-o", "results", "--pictures", "0", *settings)
    assert code == 0, errors
    row = row_of(tmp_path, "IoU of all classes as one")
    assert (float(row[1]), row[2]) == (pytest.approx(expected, abs=1e-3), count)


def test_a_split_that_is_not_there_is_refused(refused, divided):
    refused("evaluate", "ssz-shapenet", "--data", "data", "--predictions", "mine", "-o", "results", "--set", "protocol.read.split=val",
            named="train, test")  # fmt: skip


def test_the_folder_of_a_split_is_no_other_split(refused, voxcli, divided, tmp_path):
    call = ("evaluate", "ssz-shapenet", "--predictions", "mine/train", "--pair", "{name}", "-o", "results", "--pictures", "0", "--data")
    refused(*call, "data/train", named="split=train")
    refused(*call, "data/test", "--set", "protocol.read.split=train", named="split=test")
    assert voxcli(*call, "data/train", "--set", "protocol.read.split=train")[0] == 0


def test_a_training_takes_no_root_that_holds_the_test_samples(divided):
    with pytest.raises(UsageError) as found:
        StreetFolder([divided])
    assert "train, test" in found.value.actual and str(divided / "train") in found.value.hint
    assert len(StreetFolder([divided / "train"])) == 3


def test_a_table_says_how_many_samples_have_no_truth_of_its_measure(voxcli, tmp_path):
    root, predictions, _ = made("jof-parts", tmp_path)
    shutil.rmtree(root / "meshes")
    call = ("evaluate", "jof-parts", "--data", str(root), "--predictions", str(predictions), "-o", "results", "--pictures", "0")
    code, _, errors = voxcli(*call)
    assert code == 0, errors
    parts, shapes = (tmp_path / "results/table.md").read_text().split("## Table 4: Chamfer-L1")
    assert f"{predictions.name}: 3 of 3 have no measure 'shape': no truth for it" in shapes and "have no" not in parts


def test_a_folder_of_predictions_that_fits_no_pattern_is_told_one_that_does(refused, voxcli, tmp_path):
    root, predictions, _ = made("meshrcnn", tmp_path)
    for path in [each for each in predictions.rglob("*") if each.is_file()]:
        moved = tmp_path / f"other/{path.parent.name}/{path.stem}/model{path.suffix}"
        moved.parent.mkdir(parents=True)
        path.rename(moved)
    call = ("evaluate", "meshrcnn", "--data", str(root), "--predictions", "other", "-o", "results", "--pictures", "0")
    refused(*call, named="--pair '{category}/{id}/*'")
    assert voxcli(*call, "--pair", "{category}/{id}/*")[0] == 0


def test_the_likely_pattern_has_fields_for_the_category_and_the_id(tmp_path):
    fields = {"name": f"{CHAIR}/aa", "category": CHAIR, "id": "aa"}
    assert likely_pattern(tmp_path, fields) is None
    (tmp_path / f"run [1]/{CHAIR}").mkdir(parents=True)
    (tmp_path / f"run [1]/{CHAIR}/aa.obj").touch()
    assert likely_pattern(tmp_path, fields) == "run [1]/{category}/{id}"
    (tmp_path / "000003.npz").touch()
    assert likely_pattern(tmp_path, {"name": "test/000003", "category": "", "id": "test", "view": "000003"}) == "{view}"
