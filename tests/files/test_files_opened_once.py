"""A command opens each input once, and imports the formats of its own files alone."""

import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from voxcli import contents, files
from voxcli.cli.framework.batch import Batch, Item
from voxcli.provenance import sha256_bytes, sha256_file

EXAMPLES = Path(__file__).parents[2] / "examples"

COUNT = """
import collections, json, os, sys
opened = collections.Counter()
folder = os.path.join(os.getcwd(), "examples")

def listen(event, args):
    if event == "open" and isinstance(args[0], (str, bytes)) and (path := os.path.abspath(os.fsdecode(args[0]))).startswith(folder):
        opened[os.path.relpath(path, folder)] += 1

sys.addaudithook(listen)
from voxcli.cli.app import run
code = run(sys.argv[1:])
formats = [name.rpartition(".")[2] for name in sys.modules if name.startswith("voxcli.files.")]
print(json.dumps({"code": code, "opened": opened, "formats": formats}), file=sys.stderr)
"""


def opens_of(folder, *args):
    """What a command opened of the examples, how often, and which files of voxcli/files/ it imported."""
    (folder / "examples").symlink_to(EXAMPLES)
    done = subprocess.run([sys.executable, "-c", COUNT, *args], capture_output=True, text=True, cwd=folder, check=True)
    found = json.loads(done.stderr.splitlines()[-1])
    assert found["code"] == 0, done.stderr
    return found["opened"], set(found["formats"])


def test_predict_opens_its_picture_once(tmp_path):
    opened, formats = opens_of(tmp_path, "predict", "examples/street/000002.png", "-m", "ssz", "-o", "out.npz")
    assert opened == {"street/000002.png": 1}
    assert {"images", "npz"} <= formats and not {"meshes", "ply", "hdf5", "matlab", "colmap", "scenes", "xyz"} & formats


def test_fruxelize_opens_a_scene_and_its_meshes_once(tmp_path):
    opened, formats = opens_of(tmp_path, "fruxelize", "examples/scene.yaml", "-o", "out.npz")
    meshes = [f"meshes/{name}.glb" for name in ("bicycle", "car", "ground", "house", "person", "tree")]
    assert opened == dict.fromkeys(["scene.yaml", *meshes], 1)
    assert not {"images", "ply", "hdf5", "matlab", "colmap", "xyz"} & formats
    digests = {name: sha256_file(EXAMPLES / name) for name in meshes} | {"examples/scene.yaml": sha256_file(EXAMPLES / "scene.yaml")}
    assert files.read(tmp_path / "out.npz").meta["inputs"] == digests


def test_a_metric_opens_both_meshes_once(tmp_path):
    opened, formats = opens_of(tmp_path, "metrics", "chamfer", "examples/meshes/car.glb", "examples/meshes/tree.glb", "--points", "100")
    assert opened == {"meshes/car.glb": 1, "meshes/tree.glb": 1}
    assert not {"images", "npz", "hdf5", "matlab", "colmap", "scenes", "xyz"} & formats


def test_a_metric_of_grids_opens_both_once(tmp_path):
    opened, _ = opens_of(tmp_path, "metrics", "iou", "examples/street/000002.npz", "examples/street/000005.npz")
    assert opened == {"street/000002.npz": 1, "street/000005.npz": 1}


def test_convert_opens_its_input_once(tmp_path):
    opened, formats = opens_of(tmp_path, "convert", "examples/meshes/car.glb", "-o", "out.npz", "--resolution", "8")
    assert opened == {"meshes/car.glb": 1}
    assert not {"images", "hdf5", "matlab", "colmap", "scenes", "xyz"} & formats


@pytest.mark.parametrize("line", ["info examples/meshes/car.glb", "view examples/meshes/car.glb -o out.png --size 32"])
def test_other_commands_import_the_formats_of_their_files_alone(tmp_path, line):
    opened, formats = opens_of(tmp_path, *line.split())
    assert opened == {"meshes/car.glb": 1} and not {"npz", "hdf5", "matlab", "colmap", "scenes", "xyz"} & formats


def test_nothing_is_kept_outside(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"one")
    assert contents.file_bytes(path) == b"one" and contents.kept_bytes(path) is None


def test_a_file_that_was_replaced_is_read_again(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"one")
    with contents.opened_once():
        assert contents.file_bytes(path) == b"one" == contents.kept_bytes(path)
        (tmp_path / "b.txt").write_bytes(b"three")
        os.replace(tmp_path / "b.txt", path)
        assert contents.kept_bytes(path) is None
        assert contents.file_bytes(path) == b"three" and sha256_file(path) == sha256_bytes(b"three")
        contents.release()
        assert contents.kept_bytes(path) is None


def test_what_is_kept_has_a_bound(tmp_path, monkeypatch):
    monkeypatch.setattr(contents, "KEPT_BYTES", 10)
    paths = [tmp_path / name for name in "abc"]
    for path in paths:
        path.write_bytes(path.name.encode() * 4)
    with contents.opened_once():
        for path in paths:
            assert contents.file_bytes(path) == path.name.encode() * 4
        assert [contents.kept_bytes(path) is not None for path in paths] == [False, True, True]
        paths[0].write_bytes(b"x" * 11)
        assert contents.file_bytes(paths[0]) is None
        assert sha256_file(paths[0]) == sha256_bytes(b"x" * 11)


def test_a_large_file_is_streamed_and_read_alike(tmp_path, monkeypatch):
    shutil.copy(EXAMPLES / "meshes" / "car.glb", tmp_path)
    whole = files.read(tmp_path / "car.glb")
    monkeypatch.setattr(contents, "KEPT_BYTES", 10)
    assert (files.read(tmp_path / "car.glb").vertices == whole.vertices).all()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system knows no named pipes")
def test_a_named_pipe_is_read_and_digested(tmp_path):
    data = b"1 2 3\n4 5 6\n"
    os.mkfifo(tmp_path / "points.xyz")
    writer = threading.Thread(target=(tmp_path / "points.xyz").write_bytes, args=(data,))
    writer.start()
    with contents.opened_once():
        assert files.read(tmp_path / "points.xyz").points.tolist() == [[1, 2, 3], [4, 5, 6]]
        assert sha256_file(tmp_path / "points.xyz") == sha256_bytes(data)
    writer.join()


@pytest.mark.parametrize("loop", ["run", "chunks"])
def test_an_items_bytes_are_let_go_before_the_next(tmp_path, loop):
    paths = [tmp_path / name for name in "abc"]
    for path in paths:
        path.write_bytes(path.name.encode())
    batch = Batch([Item(str(path), str(path) + ".out", path.name) for path in paths])
    kept = []

    def work(item):
        kept.append([contents.kept_bytes(path) is not None for path in paths])
        return contents.file_bytes(item.source)

    with contents.opened_once():
        if loop == "run":
            assert [data for _, data in batch.run(work)] == [b"a", b"b", b"c"]
        else:
            assert [work(item) for chunk in batch.chunks(1) for item in chunk] == [b"a", b"b", b"c"]
    assert kept == [[False] * 3] * 3


PYTHON_CALLS = {
    "fruxelize": ("voxcli.fruxelize('examples/meshes/car.glb', frustum='shapenet')", {"meshes/car.glb": 1}),
    "voxelize": ("voxcli.voxelize('examples/meshes/car.glb', resolution=8)", {"meshes/car.glb": 1}),
    "write": ("voxcli.write('out.npz', 'examples/meshes/car.glb', resolution=8)", {"meshes/car.glb": 1}),
    "render": ("voxcli.render('examples/meshes/car.glb', size=32)", {"meshes/car.glb": 1}),
    "fuse": ("voxcli.fuse(['examples/street/000002.npz'], resolution=8)", {"street/000002.npz": 1}),
    "score": (
        "voxcli.score('examples/meshes/car.glb', 'examples/meshes/tree.glb', points=100)", {"meshes/car.glb": 1, "meshes/tree.glb": 1},
    ),
    "predict": ("voxcli.load('pix2vox-f', device='cpu').predict('examples/chair/00.png')", {"chair/00.png": 1}),
}  # fmt: skip


@pytest.mark.parametrize("name", PYTHON_CALLS)
def test_a_call_from_python_opens_its_files_once(name, tmp_path):
    call, wanted = PYTHON_CALLS[name]
    (tmp_path / "examples").symlink_to(EXAMPLES)
    source = COUNT.partition("from voxcli.cli.app")[0] + f"import voxcli\n{call}\nprint(json.dumps(opened))"
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == wanted
