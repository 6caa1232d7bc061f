"""Inputs and outputs by URL: read and written as files are, within the same budget of memory, and only those that the user named."""

import sys

import pytest
from conftest import contents
from example_files import FILES, box_mesh

from voxcli import files, remote
from voxcli.errors import FileFormatError, UsageError

fsspec = pytest.importorskip("fsspec")
STORE = "memory://bucket"


@pytest.fixture
def store():
    system = fsspec.filesystem("memory")
    system.store.clear()
    yield system
    system.store.clear()


@pytest.fixture
def meshes(store, tmp_path):
    for name in ("a", "more/b"):
        files.write(tmp_path / f"meshes/{name}.off", box_mesh())
        files.write(f"{STORE}/meshes/{name}.off", box_mesh())
    store.pipe_file("/bucket/meshes/.hidden.off", b"rubbish")
    store.pipe_file("/bucket/meshes/notes.txt", b"text")
    return tmp_path


def stored(store, below):
    return {name.removeprefix(below): store.cat_file(name) for name in store.find(below)}


@pytest.mark.parametrize("source", [f"{STORE}/meshes", f"{STORE}/meshes/", f"{STORE}/**/*.off", "@list.txt"])
def test_a_folder_of_a_store_becomes_another_as_files_do(voxcli, meshes, store, source):
    (meshes / "list.txt").write_text(f"{STORE}/meshes/a.off\n{STORE}/meshes/more/b.off\n")
    assert voxcli("convert", "meshes", "-o", "out/", "--to", "stl")[0] == 0
    code, _, errors = voxcli("convert", source, "-o", f"{STORE}/out/", "--to", "stl")
    assert code == 0 and f"{STORE}/out" in errors and "2 files" in errors
    written = stored(store, "/bucket/out/")
    assert sorted(written.values()) == sorted(data for data in contents(meshes / "out").values() if data)
    assert "@" in source or {name.rpartition("/")[2] for name in written} == {"a.stl", "b.stl"}


def test_outputs_that_exist_are_kept_left_out_or_replaced(voxcli, refused, meshes, store):
    run = ("convert", f"{STORE}/meshes", "-o", f"{STORE}/out/", "--to", "stl")
    assert voxcli(*run)[0] == 0
    store.rm_file("/bucket/out/a.stl")
    refused(*run, named=f"{STORE}/out/more/b.stl")
    code, _, errors = voxcli(*run, "--skip-existing")
    assert code == 0 and "skipped 1 of 2" in errors, errors
    assert set(stored(store, "/bucket/out/")) == {"a.stl", "more/b.stl"}
    assert voxcli(*run, "--overwrite")[0] == 0
    refused("convert", f"{STORE}/meshes/a.off", "-o", f"{STORE}/out/a.stl", named="a.stl")


def test_scores_and_digests_are_those_of_files(voxcli, meshes):
    run = ("metrics", "chamfer", "--points", 50, "--format", "csv")
    here, there = (voxcli(*run, f"{place}/a.off", f"{place}/more/b.off")[1].splitlines()[-1] for place in ("meshes", f"{STORE}/meshes"))
    assert there.replace(f"{STORE}/", "") == here and len(here.split(",")[-1]) == 64


@pytest.mark.parametrize(("url", "named"), [
    (f"{STORE}/nowhere.off", "nowhere.off"), (f"{STORE}/nowhere/", "No inputs"), ("nothing://a/b.off", "nothing"),
    ("simplecache::memory://bucket/meshes/a.off", "simplecache"), ("sftp://me:secret@host/a.off", "passwords"),
])  # fmt: skip
def test_urls_of_nothing_are_told_in_one_line(refused, meshes, url, named):
    refused("convert", url, "-o", "b.stl", named=named)


def test_a_missing_package_is_told_with_the_way_to_install_it(refused, monkeypatch):
    monkeypatch.setitem(sys.modules, "s3fs", None)
    refused("convert", "s3://bucket/a.off", "-o", "b.stl", named="pip install 'voxcli[remote]'")


def test_the_budget_of_memory_holds_whatever_a_store_declares(store, monkeypatch):
    monkeypatch.setenv("VOXCLI_MAX_MEMORY", "1K")
    store.pipe_file("/bucket/large.off", b"OFF" + bytes(3000))
    with pytest.raises(FileFormatError, match="large"):
        files.read(f"{STORE}/large.off")
    monkeypatch.setattr(type(store), "info", lambda self, path, **_: {"size": 10})
    with pytest.raises(FileFormatError, match="large"):
        remote.read(f"{STORE}/large.off")


def test_what_a_file_names_is_never_fetched(meshes, store):
    scene = f"frustum: shapenet\nobjects: [{{mesh: '{STORE}/meshes/a.off', class: car}}]\n"
    (meshes / "scene.yaml").write_text(scene)
    with pytest.raises(UsageError, match="does not exist"):
        files.read(meshes / "scene.yaml")
    store.pipe_file("/bucket/scene.yaml", scene.encode())
    with pytest.raises(UsageError, match="names its meshes"):
        files.read(f"{STORE}/scene.yaml")


def test_a_store_without_whole_objects_gets_a_part_file_that_is_moved(tmp_path, monkeypatch):
    system = fsspec.filesystem("file")
    moved = []
    monkeypatch.setattr(type(system), "mv", lambda self, a, b, **_: moved.append((a, b)))
    monkeypatch.setattr(remote, "is_url", lambda path: True)
    remote.write(f"file://{tmp_path}/x/a.bin", b"abc")
    ((part, final),) = moved
    assert part.endswith(".part") and final == f"{tmp_path}/x/a.bin"


def test_file_urls_are_paths(voxcli, tmp_path):
    FILES["car.obj"](tmp_path / "a b.obj")
    assert voxcli("convert", f"file://{tmp_path}/a%20b.obj", "-o", f"file://{tmp_path}/out.stl")[0] == 0
    assert (tmp_path / "out.stl").is_file()
