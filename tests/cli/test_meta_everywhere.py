"""Every format that has room for it says how the file was made; other readers survive it; the same command gives the same bytes."""

import hashlib
import json
import struct

import numpy as np
import pytest
import trimesh
from PIL import Image

from voxcli import files
from voxcli.scene import Mesh
from voxcli.version import __version__

TETRAHEDRON = Mesh(np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]), np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]]))


def ply_or_obj(path, begin):
    return json.loads(next(line for line in path.read_bytes().split(b"\n") if line.startswith(begin)).removeprefix(begin))


def of_vox(path):
    data = path.read_bytes()
    place, found = 20, {}
    while place < len(data):  # as the format's own description has it: name, size of the content, size of the children
        name, size, children = struct.unpack_from("<4s2i", data, place)
        found[name] = data[place + 12 : place + 12 + size]
        place += 12 + size + children
    assert place == len(data) and list(found)[:3] == [b"SIZE", b"XYZI", b"RGBA"]
    return json.loads(found[b"VXCL"])


def of_png(path):
    with Image.open(path) as image:
        image.load()
        return json.loads(image.text["voxcli"])["meta"]


def of_gif(path):
    with Image.open(path) as image:
        assert image.n_frames == 3
        return json.loads(image.info["comment"])


MADE = {
    "a.obj": (["convert", "m.stl"], lambda path: ply_or_obj(path, b"# voxcli meta ")),
    "a.ply": (["convert", "m.stl"], lambda path: ply_or_obj(path, b"comment voxcli meta ")),
    "a.glb": (["convert", "m.stl"], lambda path: files.read(path).meta),
    "a.vox": (["fruxelize", "m.stl", "--grid", "voxel", "--resolution", "8"], of_vox),
    "a.npz": (["fruxelize", "m.stl", "--grid", "voxel", "--resolution", "8"], lambda path: files.read(path).meta),
    "a.png": (["view", "m.stl", "--size", "32"], of_png),
    "b.png": (["render-surfels", "m.stl", "--size", "16"], of_png),
    "a.gif": (["render-surfels", "m.stl", "--size", "16", "--views", "3"], of_gif),
    "a.apng": (["render-surfels", "m.stl", "--size", "16", "--views", "3"], of_png),
}


@pytest.mark.parametrize("source", ["m.stl", "-"])
@pytest.mark.parametrize("name", MADE)
def test_a_file_says_how_it_was_made(voxcli, tmp_path, name, source):
    files.write(tmp_path / "m.stl", TETRAHEDRON)
    data = (tmp_path / "m.stl").read_bytes()
    (command, given, *rest), meta_of = MADE[name]
    more = ["--input-format", "stl"] if source == "-" else []
    for output in (name, f"again/{name}"):
        code, _, errors = voxcli(command, source, *rest, *more, "-o", output, input=data)
        assert code == 0, errors
    assert (tmp_path / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
    meta = meta_of(tmp_path / name)
    assert meta["command"] == command and meta["voxcli_version"] == __version__
    assert meta["inputs"] == {source: hashlib.sha256(data).hexdigest()}


def test_other_readers_survive_it(voxcli, tmp_path):
    files.write(tmp_path / "m.stl", TETRAHEDRON)
    for name in ("a.obj", "a.ply", "a.glb"):
        assert voxcli("convert", "m.stl", "-o", name)[0] == 0
        assert trimesh.load(tmp_path / name, force="mesh").area == pytest.approx(1.5 + np.sqrt(3) / 2)
        assert files.read(tmp_path / name).faces.shape == (4, 3)


def test_metric_records_say_which_files_and_which_version(voxcli, tmp_path):
    for name in ("p/a.stl", "g/a.stl", "p/b.stl", "g/b.stl"):
        files.write(tmp_path / name, TETRAHEDRON)
    data = (tmp_path / "p/a.stl").read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    code, text, _ = voxcli("metrics", "chamfer", "-", "g/a.stl", "--points", "50", "--input-format", "stl", input=data)
    assert code == 0 and json.loads(text)["meta"] == {"voxcli_version": __version__, "inputs": {"-": digest, "g/a.stl": digest}}
    code, text, _ = voxcli("metrics", "chamfer", "p", "g", "--points", "50")
    rows = [json.loads(line) for line in text.splitlines()]
    assert [row["meta"]["inputs"] for row in rows] == [{f"{side}/{k}.stl": digest for side in "pg"} for k in "ab"] + [{}]
