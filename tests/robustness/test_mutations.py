"""Whatever is done to a file, reading it ends in a scene or in one error that names it."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from mutations import campaign, mutated, outcome, whole_files
from refusals import refused

from voxcli import config
from voxcli.datasets.iqtt import read_answers
from voxcli.datasets.pictures import read_json
from voxcli.errors import FileFormatError, UsageError
from voxcli.files import guard, read
from voxcli.files.guard import claim, memory_budget, parse_json, parsing


def told(counts):
    return {words: count for words, count in counts.items() if words not in ("read", "refused")}


def test_two_thousand_damaged_files_are_read_or_refused(tmp_path):
    files, rng = whole_files(tmp_path), np.random.default_rng(3)
    names = {Path(whole.name).suffix for whole in files}
    assert {".npz", ".h5", ".binvox", ".ply", ".glb", ".gltf", ".stl", ".obj", ".off", ".npy", ".xyz", ".png", ".jpg", ".webp", ".bmp",
            ".tif", ".json", ".yaml", ".mat", ".txt", ".bin", ".exr"} <= names  # fmt: skip
    for whole in files:
        path = tmp_path / whole.name
        path.write_bytes(whole.data)
        assert outcome(path, whole) == "read", "a whole file is read"
    found = []
    for case in range(2000):
        whole = files[case % len(files)]
        path = tmp_path / whole.name
        path.write_bytes(mutated(whole.data, rng))
        found.append(outcome(path, whole))
        path.write_bytes(whole.data)                                              # others name it
    assert set(found) <= {"read", "refused"} and found.count("refused") > 500


@pytest.mark.slow
def test_a_hundred_thousand_damaged_files(tmp_path):
    assert told(campaign(100_000, seed=100, workers=2, kept=str(tmp_path))) == {}


EVERY = [
    *(kind("x") for kind in (
        ValueError, TypeError, KeyError, IndexError, AttributeError, AssertionError, OverflowError, ZeroDivisionError, RecursionError,
        OSError, EOFError, StopIteration, RuntimeError, NotImplementedError, struct.error, zlib.error,
        SyntaxError, LookupError, MemoryError,
    )), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "x"),
]  # fmt: skip
PARSERS = {
    "fruxels.npz": "zipfile.ZipFile", "fruxels.h5": "h5py.File", "image.png": "PIL.Image.open", "depth.tif": "PIL.Image.open",
    "cameras.json": "json.loads", "scene.yaml": "yaml.load", "camera.yaml": "yaml.load", "points.npy": "numpy.lib.format.read_magic",
    "volume.mat": "struct.unpack_from",
}  # fmt: skip
"""What each of the readers has parse the bytes."""


@pytest.mark.parametrize("error", EVERY, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("name", PARSERS)
def test_whatever_a_parser_raises_is_one_error_with_it_as_the_cause(tmp_path, monkeypatch, name, error):
    whole = next(each for each in whole_files(tmp_path) if each.name == name)
    (tmp_path / name).write_bytes(whole.data)
    read(tmp_path / name, kind=whole.kind)

    def raising(*args, **kwargs):
        raise error

    monkeypatch.setattr(PARSERS[name], raising)
    with refused(FileFormatError, name) as caught:
        read(tmp_path / name, kind=whole.kind)
    causes = [caught.value]
    while causes[-1].__cause__ is not None:
        causes.append(causes[-1].__cause__)
    assert error in causes


def test_a_bug_beside_the_parser_stays_one(tmp_path, monkeypatch):
    from voxcli.files import keyed

    whole = next(each for each in whole_files(tmp_path) if each.name == "fruxels.npz")
    (tmp_path / whole.name).write_bytes(whole.data)

    def wrong(*args):
        raise ZeroDivisionError

    monkeypatch.setattr(keyed, "from_arrays", wrong)
    with pytest.raises(ZeroDivisionError):
        read(tmp_path / whole.name)


@pytest.mark.parametrize("text,size", [("", 2 << 30), ("512M", 512 << 20), ("3 GiB", 3 << 30), ("1.5g", 3 << 29), ("1000", 1000)])
def test_the_budget_is_what_the_variable_says(monkeypatch, text, size):
    monkeypatch.setenv(guard.VARIABLE, text)
    assert memory_budget() == size
    claim("a.npz", size)
    with refused(FileFormatError, "a.npz", hint=guard.VARIABLE):
        claim("a.npz", size + 1)


NO_SIZES = ["lots", "0", "0.0G", "-1", "-5G", "1e9", "nan", "inf", "9" * 400, "5 5", "\u0665", "2P", "0x10", ".5G", "1..2"]


@pytest.mark.parametrize("text", NO_SIZES)
def test_a_budget_that_is_no_size_is_one_error(monkeypatch, tmp_path, text):
    monkeypatch.setenv(guard.VARIABLE, text)
    with refused(UsageError, guard.VARIABLE, actual=text[:50]):
        memory_budget()
    (tmp_path / "a.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    with refused(UsageError, guard.VARIABLE, expected="4G"):
        read(tmp_path / "a.obj")


def test_files_that_are_read_as_a_whole_are_within_the_budget(monkeypatch, tmp_path):
    monkeypatch.setenv(guard.VARIABLE, "1K")
    lines = "# a comment\n" * 100
    (tmp_path / "a.obj").write_text(lines + "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    for name in ("a.yaml", "answers.txt", "a.json"):
        (tmp_path / name).write_text(lines)
    readers = {"a.obj": read, "a.yaml": config.load, "answers.txt": read_answers, "a.json": lambda path: read_json(path, "json")}
    for name, reader in readers.items():
        with refused(FileFormatError, name, "holds", hint=guard.VARIABLE):
            reader(tmp_path / name)


@pytest.mark.parametrize("text", ["{", "[1e400]", "[NaN]", "[-Infinity]", "[" * 100_000, "9" * 5000, "\ud800", ""])
def test_what_is_no_json_is_refused(text):
    with refused(FileFormatError, "a.json"):
        parse_json(text, "a.json")


@pytest.mark.parametrize("text", ["a: 2001-99-99", "a: !!int x", "a: " + "9" * 5000, "[" * 20_000, "a: [*b]", "a: !!python/name:os.system"])
def test_what_is_no_yaml_is_refused(text):
    with refused(FileFormatError, "a.yaml"):
        config.parse(text, "a.yaml")


def test_an_hdf5_file_whose_texts_share_a_place_is_refused_before_they_are_copied(tmp_path):
    import h5py

    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["labels"] = np.zeros((2, 2, 2), np.uint8)
        names = file.create_dataset("label_names", (10**9,), h5py.string_dtype(), chunks=(1000,), compression="gzip", fillvalue="x" * 1000)
        assert names.shape == (10**9,)
    with refused(FileFormatError, "a.h5", "label_names", expected=None, actual="1000000000"):
        read(tmp_path / "a.h5")


def test_keys_that_mean_nothing_are_not_read(tmp_path):
    import h5py

    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["occupancy"] = np.ones((2, 2, 2), bool)
        file.create_dataset("huge", (10**12,), "u1", chunks=(1000,))
    assert read(tmp_path / "a.h5").occupancy.all()


def test_errors_of_ours_pass_through_a_parser():
    mine = FileFormatError("b is wrong.")
    with pytest.raises(FileFormatError) as caught, parsing("a", "whole"):
        raise mine
    assert caught.value is mine
