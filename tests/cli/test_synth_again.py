"""Data sets that are there already: `--skip-existing`, `--overwrite`, other options, and what is no whole sample."""

import json

import h5py
import pytest

from voxcli.datasets.synthetic import folders as folders_of_data
from voxcli.datasets.synthetic.rooms.dataset import RoomsGenerator
from voxcli.datasets.synthetic.street.dataset import StreetGenerator
from voxcli.errors import DataError

FOLDERS = {
    "street": ("street", "--count", 2, "--size", 16, 12, "--depth", 8),
    "objects": ("objects", "--count", 2, "--views", 2, "--categories", "table"),
    "disn": ("objects", "--count", 1, "--views", 1, "--categories", "lamp", "--layout", "disn"),
    "rooms": ("rooms", "--count", 2, "--size", 16, "--turned"),
}
OTHERS = {
    "street": ("--look", "photo", "--count", 1),
    "objects": ("--backgrounds", "photo", "--layout", "disn", "--count", 1),
    "disn": ("--layout", "r2n2"),
    "rooms": ("--shapes", "cone", "--count", 1),
}


def tree(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def folders(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_dir()}


@pytest.mark.parametrize("name", FOLDERS)
def test_whole_samples_stay_and_what_is_missing_cut_off_or_junk_is_made_again(voxcli, tmp_path, name):
    line = ("synth", *FOLDERS[name], "-o", "out")
    assert voxcli(*line)[0] == 0
    whole = tree(tmp_path / "out")
    own = [path for path in whole if "000000" in path]
    kinds = {(path.rpartition("/")[0].replace("000000", ""), path.rpartition(".")[2]): path for path in sorted(own)}
    for place, path in enumerate(kinds.values()):
        bads = (None, b"", b"junk", b"\0" * len(whole[path]), whole[path][: len(whole[path]) // 2])
        for bad in (bads[place % 5], bads[(place + 2) % 5]):
            if path.endswith(".txt") and bad:
                continue  # lists and numbers, which anyone may have written
            (tmp_path / "out" / path).unlink()
            if bad is not None:
                (tmp_path / "out" / path).write_bytes(bad)
            code, _, errors = voxcli(*line, "--skip-existing")
            assert code == 0 and errors.startswith("1 "), (path, bad, errors)
            assert tree(tmp_path / "out") == whole, path


@pytest.mark.parametrize("name", FOLDERS)
def test_another_data_set_is_refused_or_replaced_by_what_a_new_folder_would_hold(refused, voxcli, tmp_path, name):
    line, other = ("synth", *FOLDERS[name], "-o", "out"), ("synth", *FOLDERS[name], *OTHERS[name], "--seed", 3)
    assert voxcli(*line)[0] == 0
    for more in ((), ("--skip-existing",)):
        refused(*other, "-o", "out", *more, named=("other options", "seed 0, not 3", "--overwrite"))
    refused(*line, "--overwrite", "--skip-existing", named=("--overwrite", "--skip-existing"))
    (tmp_path / "out" / "notes.txt").write_text("mine")
    assert voxcli(*other, "-o", "out", "--overwrite")[0] == 0
    (tmp_path / "out" / "notes.txt").unlink()
    assert voxcli(*other, "-o", "fresh")[0] == 0
    assert tree(tmp_path / "out") == tree(tmp_path / "fresh") and folders(tmp_path / "out") == folders(tmp_path / "fresh")


def test_all_samples_are_made_anew_where_that_is_asked_for(voxcli, tmp_path):
    line = ("synth", *FOLDERS["rooms"], "-o", "out")
    assert voxcli(*line)[0] == 0
    whole = tree(tmp_path / "out")
    (tmp_path / "out/images/000000.png").write_bytes(whole["images/000001.png"])  # a whole file, and the wrong one
    assert voxcli(*line, "--skip-existing")[2].startswith("0 scenes made, 2 were there")
    assert voxcli(*line, "--overwrite")[2].startswith("2 scenes made, 0 were there") and tree(tmp_path / "out") == whole


def test_folders_of_other_kinds_are_never_replaced(refused, voxcli, tmp_path):
    assert voxcli("synth", *FOLDERS["rooms"], "-o", "rooms")[0] == 0
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("mine")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/meta.json").write_text("[" * 100_000)
    for folder in ("rooms", "mine", "deep"):
        refused("synth", *FOLDERS["street"], "-o", folder, "--overwrite", named=folder)


def test_questions_are_left_made_again_or_refused(refused, voxcli, tmp_path):
    line = ("synth", "iqtt", "--size", 16, "--count", 2, "-o", "q.h5")
    assert voxcli(*line, "--skip-existing") == (0, "", "q.h5: 2 questions\n")
    whole = (tmp_path / "q.h5").read_bytes()
    assert voxcli(*line, "--skip-existing") == (0, "", "skipped: q.h5 exists.\n")
    for bad in (b"", b"junk", whole[: len(whole) // 2]):
        (tmp_path / "q.h5").write_bytes(bad)
        code, _, errors = voxcli(*line, "--skip-existing")
        assert code == 0 and "q.h5" in errors and (tmp_path / "q.h5").read_bytes() == whole
    refused(*line, named="--overwrite")
    refused(*line, "--overwrite", "--skip-existing", named=("--overwrite", "--skip-existing"))
    refused(*line, "--seed", 3, "--skip-existing", named=("seed 0, not 3", "--overwrite"))
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["meta"] = json.dumps([1])
    refused(*line[:-1], "other.h5", "--skip-existing", named=("other.h5", "--overwrite"))


@pytest.mark.parametrize("name", ["street", "rooms"])
def test_a_first_call_whose_first_item_fails_leaves_what_was_there_alone(voxcli, tmp_path, monkeypatch, name):
    (tmp_path / "out").mkdir()

    def failing(generator, folder, index):
        (generator.files(folder, index)[0]).parent.mkdir(parents=True, exist_ok=True)
        generator.files(folder, index)[0].write_bytes(b"half")
        raise DataError("It cannot be made.")

    for kind in (StreetGenerator, RoomsGenerator):
        monkeypatch.setattr(kind, "write_item", failing)
    for more in ((), ("--shard", 2)) if name == "street" else ((),):
        assert voxcli("synth", *FOLDERS[name], "-o", "out", *more)[0] == 2
        assert [*(tmp_path / "out").iterdir()] == []
    (tmp_path / "out" / "notes.txt").write_text("mine")
    assert voxcli("synth", *FOLDERS[name], "-o", "out")[0] == 2
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["notes.txt"]


def test_two_calls_may_begin_one_data_set_at_once(voxcli, tmp_path, monkeypatch):
    line = ("synth", *FOLDERS["street"], "-o")
    assert voxcli(*line, "other")[0] == 0
    begun = (tmp_path / "other/meta.json").read_bytes()
    (tmp_path / "out").mkdir()
    (tmp_path / "out/.meta.json.0123456789ab.part").write_bytes(begun[:9])  # the other call is writing it
    write = folders_of_data.atomic_write_bytes

    def late(path, data, overwrite=False):
        if path.name == "meta.json":
            path.write_bytes(begun)
        return write(path, data, overwrite)

    monkeypatch.setattr(folders_of_data, "atomic_write_bytes", late)
    code, _, errors = voxcli(*line, "out")
    assert code == 0, errors
    (tmp_path / "out/.meta.json.0123456789ab.part").unlink()
    assert tree(tmp_path / "out") == tree(tmp_path / "other")
