"""Whatever is done to a file, reading it ends in a scene or in one error that names it."""

import json
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from mutations import campaign, mutated, outcome, whole_files
from refusals import refused

from voxcli import config
from voxcli.datasets.iqtt import checked_answers, read_answers
from voxcli.datasets.pictures import read_json
from voxcli.errors import DataError, FileFormatError, UsageError
from voxcli.files import archive, guard, read
from voxcli.files.guard import claim, memory_budget, parse_json, parsing
from voxcli.files.source import Source


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
        path.write_bytes(whole.data)  # others name it
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
    archive._parsed.cache_clear()  # headers that were parsed once are not parsed again
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


_ALIASES = "\n".join(["x0: &x0 [a]", *(f"x{k}: &x{k} [*x{k - 1}, *x{k - 1}, *x{k - 1}]" for k in range(1, 14))])


@pytest.mark.parametrize("text", ["a: 2001-99-99", "a: !!int x", "a: " + "9" * 5000, "[" * 20_000, "a: [*b]", "a: !!python/name:os.system",
                                  "a: &a [*a]", "a: &a {b: [*a, *a]}", _ALIASES])  # fmt: skip
def test_what_is_no_yaml_is_refused(text):
    with refused(FileFormatError, "a.yaml"):
        config.parse(text, "a.yaml")


def test_an_alias_in_a_yaml_text_stands_for_its_value():
    assert config.parse("a: &a {b: [1, 2]}\nc: [*a, *a]\nd: {<<: *a, e: 3}", "a.yaml")["d"] == {"b": [1, 2], "e": 3}


def test_names_in_a_gltf_file_that_no_file_can_have_are_said(tmp_path):
    for name in ("x" * 5000, "a\0b"):
        tree = {
            "asset": {"version": "2.0"}, "buffers": [{"byteLength": 36, "uri": name}], "bufferViews": [{"buffer": 0, "byteLength": 36}],
            "accessors": [{"bufferView": 0, "componentType": 5126, "type": "VEC3", "count": 3}], "nodes": [{"mesh": 0}],
            "meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}],
        }  # fmt: skip
        (tmp_path / "a.gltf").write_text(json.dumps(tree))
        with refused(FileFormatError, "a.gltf"):
            read(tmp_path / "a.gltf")
        assert Source.from_path(tmp_path / "a.gltf").beside(name) is None


@pytest.mark.parametrize("order", "<>")
def test_text_of_no_letters_in_an_npz_is_refused(tmp_path, order):
    kind = np.frombuffer(np.array([0x7A, 0x110000], f"{order}u4").tobytes(), f"{order}U2")
    np.savez(tmp_path / "a.npz", depth=np.ones((2, 2), np.float32), depth_kind=kind.reshape(()))
    with refused(FileFormatError, "a.npz", "depth_kind"):
        read(tmp_path / "a.npz")


@pytest.mark.parametrize("place", [
    {"voxel_size": [1e308] * 3}, {"voxel_size": [1, np.inf, 1]}, {"origin": [9e307] * 3, "voxel_size": [9e307] * 3},
])  # fmt: skip
def test_a_grid_whose_box_is_no_number_is_refused(tmp_path, place):
    np.savez(tmp_path / "a.npz", occupancy=np.ones((2, 2, 2), bool), **{key: np.array(value, float) for key, value in place.items()})
    with refused(DataError, "a.npz", "far corner"):
        read(tmp_path / "a.npz")


def test_answers_that_are_no_list_are_refused():
    with refused(FileFormatError, "a.npy"):
        checked_answers(np.array(1), "a.npy", None)


def test_values_of_no_bytes_are_refused(tmp_path):
    header = b"{'descr': '<U0', 'fortran_order': False, 'shape': (2, 3), }\n"
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header)
    with refused(FileFormatError, "a.npy"):
        read(tmp_path / "a.npy")


@pytest.mark.parametrize("kind", ["('<f4', (3,))", "[('a', '<f4'), ('b', '<f8')]"])
@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_arrays_in_an_array_are_refused(tmp_path, name, kind):
    header = f"{{'descr': {kind}, 'fortran_order': False, 'shape': (2, 3), }}\n".encode()
    data = b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header + bytes(72)
    if name == "a.npz":
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("points.npy", data)
    else:
        (tmp_path / name).write_bytes(data)
    with refused(FileFormatError, name, "arrays in an array"):
        read(tmp_path / name)


@pytest.mark.parametrize("kind, count", [("int", -5), ("uint", 4_000_000_000), ("double", 1e300), ("float", float("nan"))])
def test_a_list_of_a_ply_file_that_cannot_be_so_long_is_refused(tmp_path, kind, count):
    head = f"ply\nformat binary_little_endian 1.0\nelement vertex 2\nproperty list {kind} int x\nproperty list {kind} int y\nend_header\n"
    form = {"int": "<i", "uint": "<I", "double": "<d", "float": "<f"}[kind]
    (tmp_path / "a.ply").write_bytes(head.encode() + struct.pack(form, count) + bytes(100))
    with refused(FileFormatError, "a.ply"):
        read(tmp_path / "a.ply", kind="points")


def test_a_line_of_points_without_end_is_refused(tmp_path):
    (tmp_path / "a.xyz").write_text("1 2 3 " * 334)
    with refused(FileFormatError, "a.xyz", "line 1", expected="1000"):
        read(tmp_path / "a.xyz")


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
