"""`voxcli evaluate`: what a run leaves that fails, is stopped or goes on: nothing, or the same table and sheet as one in a single go."""

import json

import numpy as np
import pytest
from evaluation_layouts import made
from layout_pieces import CHAIR, TABLE, save, solid
from PIL import Image

from voxcli.evaluation.pictures import SIDE
from voxcli.evaluation.results import strip_path


@pytest.fixture
def data(tmp_path):
    """Volumes of four objects and predictions of three."""
    return made("pix2vox-shapenet", tmp_path)[:2]


CALL = ("evaluate", "pix2vox-shapenet", "--data", "data", "--predictions", "mine")


def files_of(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_run_that_fails_at_its_first_sample_leaves_nothing_and_the_folder_takes_another_protocol(refused, voxcli, data, tmp_path):
    whole = tmp_path / f"mine/{CHAIR}/aa.binvox"
    content = whole.read_bytes()
    whole.write_bytes(b"broken")
    call = (*CALL, "-o", "new/results")
    refused(*call, named="aa.binvox")
    whole.write_bytes(content)
    (tmp_path / "new/results/mine").mkdir(parents=True)  # as a kill before the first sample leaves it
    (tmp_path / "new/results/mine/run.json").write_text('{"protocol": "pix2vox-unseen"}')
    (tmp_path / "new/results/mine/samples.jsonl").write_text("")
    assert voxcli(*call)[0] == 0


def test_overwrite_keeps_what_is_there_until_the_first_sample_is_done(refused, voxcli, data, tmp_path):
    assert voxcli(*CALL, "-o", "results", "--pictures", "1")[0] == 0
    (tmp_path / f"mine/{CHAIR}/aa.binvox").write_bytes(b"broken")
    refused(*CALL, "-o", "results", "--overwrite", named="aa.binvox")


def test_a_run_that_goes_on_ends_with_the_same_sheet(voxcli, data, tmp_path):
    call = (*CALL, "--pictures", "3", "-o")
    assert voxcli(*call, "whole")[0] == 0
    sheet = np.asarray(Image.open(tmp_path / "whole/mine/sheet.png"))
    gap, captions = 8, 2 * 22
    assert sheet.shape == (3 * (SIDE + captions + 2 * gap), 3 * (SIDE + gap) + gap, 3)
    assert len(list((tmp_path / "whole/mine/strips").iterdir())) == 3
    broken = tmp_path / f"mine/{TABLE}/cc.binvox"
    content = broken.read_bytes()
    broken.write_bytes(b"broken")
    assert voxcli(*call, "stopped")[0] == 2 and len((tmp_path / "stopped/mine/samples.jsonl").read_text().splitlines()) == 2
    broken.write_bytes(content)
    code, _, errors = voxcli(*call, "stopped")
    assert code == 0 and "sheet" not in errors
    assert files_of(tmp_path / "stopped") == files_of(tmp_path / "whole")


@pytest.mark.parametrize("kept", [0, 3])
def test_a_killed_run_goes_on_to_the_same_files(voxcli, data, tmp_path, kept):
    """The kill comes while a line is written: the strip of its sample is there already."""
    call = (*CALL, "--pictures", "4", "-o", "results")
    assert voxcli(*call)[0] == 0
    whole = files_of(tmp_path / "results")
    lines = (tmp_path / "results/mine/samples.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "results/mine/samples.jsonl").write_bytes(b"".join(lines[:kept]) + lines[kept][:30])
    strips = [strip_path(tmp_path / "results/mine", *map(json.loads(line).get, ("variant", "name"))) for line in lines[kept + 1 :]]
    for path in (*strips, *(tmp_path / "results").glob("table*"), *(tmp_path / "results/mine").glob("s[uh]*")):
        path.unlink()
    assert voxcli(*call)[0] == 0
    assert files_of(tmp_path / "results") == whole


def test_samples_without_a_strip_are_done_again_and_strips_are_of_what_was_scored_last(voxcli, data, tmp_path):
    call = (*CALL, "-o")
    assert voxcli(*call, "whole", "--pictures", "4")[0] == 0
    for pictures in (0, 1, 4):
        assert voxcli(*call, "results", "--pictures", pictures)[0] == 0
    assert files_of(tmp_path / "results") == files_of(tmp_path / "whole")
    (data[1] / CHAIR / "bb.binvox").unlink()
    save(data[1] / CHAIR / "bb.binvox", solid(1))
    assert voxcli(*call, "results", "--pictures", 1)[0] == 0  # of aa: those of bb, which has changed, and of dd are gone
    assert len(list((tmp_path / "results/mine/strips").iterdir())) == 2
    for folder, more in (("whole", ("--overwrite",)), ("results", ())):
        assert voxcli(*call, folder, "--pictures", "4", *more)[0] == 0
    assert files_of(tmp_path / "results") == files_of(tmp_path / "whole")
