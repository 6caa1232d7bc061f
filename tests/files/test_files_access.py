"""The doors: what is picked, what is refused, and that the final name only ever holds a whole file."""

import io
import os
import signal
import stat
import subprocess
import sys

import numpy as np
import pytest
from processes import modules_after
from refusals import refused

from voxcli.atomic import atomic_write_bytes
from voxcli.errors import DataError, FileFormatError, UsageError, VoxcliError
from voxcli.files import formats_writing, read, read_as, write
from voxcli.files.registry import known_formats
from voxcli.scene import DepthMap, FruxelGrid, Mesh, Picture, PointCloud, VoxelGrid

GRID = VoxelGrid(occupancy=np.eye(3, dtype=bool)[None].repeat(3, 0))


def test_importing_the_room_loads_nothing_heavy_and_the_table_only_numpy():
    assert not {"numpy", "torch", "scipy"} & modules_after("import voxcli.files")
    loaded = modules_after("import voxcli.files as f; f.known_formats(); f.read; f.write")
    assert "voxcli.files.access" in loaded and not {"torch", "scipy", "trimesh", "h5py", "PIL", "skimage"} & loaded


def test_no_format_imports_torch(tmp_path):
    code = (
        "import numpy as np\n"
        "from voxcli.files import write, read\n"
        "from voxcli.scene import VoxelGrid\n"
        "for e in ('npz', 'h5', 'binvox'):\n"
        f"    write(f'{tmp_path}/a.{{e}}', VoxelGrid(occupancy=np.ones((2, 2, 2), bool))); read(f'{tmp_path}/a.{{e}}')"
    )
    loaded = modules_after(code)
    assert "h5py" in loaded and "torch" not in loaded
    assert all(read(tmp_path / f"a.{extension}").values.all() for extension in ("npz", "h5", "binvox"))


def test_an_unknown_extension_names_the_nearest_and_the_list(tmp_path):
    with refused(UsageError, "'binvx'", hint="npz"):
        read(tmp_path / "a.binvx")
    with refused(UsageError, "no extension"):
        write(tmp_path / "a", GRID)


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    (tmp_path / "scene.npz").write_bytes(b"x")
    (tmp_path / "folder.npz").mkdir()
    with refused(UsageError, "is a folder", expected="a file"):
        read(tmp_path)
    with refused(UsageError, "scen.npz", hint="scene.npz"):
        read(tmp_path / "scen.npz")
    with refused(UsageError, "folder.npz", expected="a file"):
        read(tmp_path / "folder.npz")
    with refused(UsageError, "folder.npz"):
        write(tmp_path / "folder.npz", GRID, overwrite=True)


@pytest.mark.parametrize("extension", sorted({e for f in known_formats() if f.reader for e in f.extensions}))
@pytest.mark.parametrize(
    "content", [b"", b"\n", b"Dear reader, this is a letter.\n", b"\x00\xff" * 300], ids=["empty", "blank", "text", "noise"]
)
def test_foreign_bytes_give_one_clear_error_that_names_the_file(tmp_path, extension, content):
    path = tmp_path / f"a{extension}"
    path.write_bytes(content)
    with pytest.raises(VoxcliError) as caught:
        read(path)
    assert str(tmp_path) in str(caught.value) and len(str(caught.value).splitlines()) <= 3


def test_what_was_expected_and_what_came_are_both_named(tmp_path):
    write(tmp_path / "a.npz", GRID)
    with refused(FileFormatError, "a.npz", expected="fruxels", actual="voxels"):
        read_as(tmp_path / "a.npz", FruxelGrid)
    with refused(FileFormatError, "a.npz", expected="points or depth", actual="voxels"):
        read_as(tmp_path / "a.npz", (PointCloud, DepthMap))
    with refused(FileFormatError, "a.npz", expected=".obj"):
        read_as(tmp_path / "a.npz", Mesh)
    with refused(FileFormatError, "a.npz", expected="surfels", actual="voxels"):
        read(tmp_path / "a.npz", kind="surfels")
    with refused(UsageError, "'fruxel'", hint="'fruxels'"):
        read(tmp_path / "a.npz", kind="fruxel")
    assert isinstance(read_as(tmp_path / "a.npz", (FruxelGrid, VoxelGrid)), VoxelGrid)


def test_the_wanted_type_decides_what_a_png_is(tmp_path):
    write(tmp_path / "a.png", Picture(np.full((2, 2, 3), 1500, np.uint16)))
    assert isinstance(read(tmp_path / "a.png"), Picture)
    assert np.allclose(read_as(tmp_path / "a.png", DepthMap).depth, 1.5)


def test_a_thing_without_a_writer_lists_the_formats_that_have_one(tmp_path):
    with refused(UsageError, "voxels", ".png", expected=".npz"):
        write(tmp_path / "a.png", GRID)
    assert ".glb" in formats_writing(Mesh)
    with refused(UsageError, "MagicaVoxel"):
        read(tmp_path / "a.vox")


def test_points_with_nan_are_refused(tmp_path):
    write(tmp_path / "a.ply", PointCloud(np.array([[0, 0, np.nan], [0, 0, 1]], np.float32)))
    with refused(DataError, "a.ply", actual="1 of 2"):
        read(tmp_path / "a.ply")


def test_nothing_is_overwritten_unless_told_so(tmp_path):
    path = tmp_path / "deep" / "er" / "a.npz"
    write(path, GRID)
    before = path.read_bytes()
    with refused(UsageError, "a.npz", "exists", hint="--overwrite"):
        write(path, VoxelGrid(occupancy=np.ones((2, 2, 2), bool)))
    assert path.read_bytes() == before
    write(path, VoxelGrid(occupancy=np.ones((2, 2, 2), bool)), overwrite=True)
    assert path.read_bytes() != before
    assert [p.name for p in path.parent.iterdir()] == ["a.npz"]


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "a.bin"
    atomic_write_bytes(path, b"old")

    def full_disk(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with refused(UsageError, "a.bin", actual="No space"):
        atomic_write_bytes(path, b"new", overwrite=True)
    assert path.read_bytes() == b"old" and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("links", [True, False])
def test_the_later_of_two_writers_of_a_new_file_fails(tmp_path, monkeypatch, links):
    path = tmp_path / "a.bin"

    def no_links(a, b):
        raise OSError(1, "Operation not permitted")

    if not links:
        monkeypatch.setattr(os, "link", no_links)
    atomic_write_bytes(path, b"first")
    assert path.read_bytes() == b"first" and path.stat().st_nlink == 1
    path.unlink()

    def overtaken(descriptor):
        path.write_bytes(b"theirs")

    monkeypatch.setattr(os, "fsync", overtaken)
    with refused(UsageError, "a.bin", hint="--overwrite"):
        atomic_write_bytes(path, b"ours")
    assert path.read_bytes() == b"theirs" and len(list(tmp_path.iterdir())) == 1
    atomic_write_bytes(path, b"ours", overwrite=True)
    assert path.read_bytes() == b"ours" and len(list(tmp_path.iterdir())) == 1


def test_many_writers_of_one_new_file_leave_one_winner(tmp_path):
    code = (
        "import sys\nfrom voxcli.atomic import atomic_write_bytes\nfrom voxcli.errors import UsageError\n"
        "print('ready', flush=True)\nsys.stdin.readline()\n"
        f"try: atomic_write_bytes({str(tmp_path / 'new')!r}, sys.argv[1].encode() * 100000)\nexcept UsageError: sys.exit(2)"
    )
    command = [sys.executable, "-c", code]
    writers = [subprocess.Popen([*command, str(k)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) for k in range(4)]
    assert [each.stdout.readline() for each in writers] == [b"ready\n"] * 4
    for each in writers:
        each.stdin.write(b"\n")
        each.stdin.flush()
    for each in writers:
        each.communicate()
    codes = [each.returncode for each in writers]
    assert sorted(codes) == [0, 2, 2, 2]
    assert (tmp_path / "new").read_bytes() == str(codes.index(0)).encode() * 100000 and os.listdir(tmp_path) == ["new"]


def test_a_killed_writer_leaves_no_half_file_under_the_final_name(tmp_path):
    path = tmp_path / "a.bin"
    code = (
        "import os, sys, time\n"
        "from voxcli.atomic import atomic_write_bytes\n"
        "os.replace = os.link = lambda a, b: (print('written', flush=True), time.sleep(60))\n"
        f"atomic_write_bytes({str(path)!r}, b'x' * 100000)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert child.stdout.readline() == b"written\n"
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert not path.exists()
    atomic_write_bytes(path, b"whole")
    assert path.read_bytes() == b"whole"


def test_new_files_get_the_mode_of_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        atomic_write_bytes(tmp_path / "a", b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


def test_links_are_followed_and_devices_written_directly(tmp_path):
    (tmp_path / "target").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with refused(UsageError, "exists"):
        atomic_write_bytes(tmp_path / "link", b"new")
    atomic_write_bytes(tmp_path / "link", b"new", overwrite=True)
    assert (tmp_path / "link").is_symlink() and (tmp_path / "target").read_bytes() == b"new"
    atomic_write_bytes(os.devnull, b"gone")


def test_a_file_where_a_folder_should_be_is_named(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with refused(UsageError, "a.npz", actual="folder"):
        write(tmp_path / "file" / "a.npz", GRID)


class FakeStream:
    def __init__(self, data=b"", tty=False):
        self.buffer, self._tty = io.BytesIO(data), tty

    def isatty(self):
        return self._tty


def test_a_dash_is_stdin_and_stdout(monkeypatch):
    out = FakeStream()
    monkeypatch.setattr(sys, "stdout", out)
    write("-", GRID, format="npz")
    monkeypatch.setattr(sys, "stdin", FakeStream(out.buffer.getvalue()))
    assert np.array_equal(read("-", format=".npz").occupancy, GRID.occupancy)


def test_a_dash_needs_a_format_and_never_a_terminal(monkeypatch):
    with refused(UsageError, hint="--input-format"):
        read("-")
    monkeypatch.setattr(sys, "stdout", FakeStream(tty=True))
    monkeypatch.setattr(sys, "stdin", FakeStream(tty=True))
    with refused(UsageError, "terminal"):
        write("-", GRID, format="npz")
    with refused(UsageError, "terminal"):
        read("-", format="npz")


@pytest.mark.parametrize("extension", ["h5", "binvox", "ply", "glb", "png", "stl", "obj"])
def test_formats_that_seek_can_be_piped(monkeypatch, extension):
    things = {"h5": GRID, "binvox": GRID, "ply": PointCloud(np.ones((2, 3), np.float32)), "png": Picture(np.zeros((2, 2, 3), np.uint8))}
    thing = things.get(extension) or Mesh(np.eye(3), np.array([[0, 1, 2]]))
    out = FakeStream()
    monkeypatch.setattr(sys, "stdout", out)
    write("-", thing, format=extension)
    monkeypatch.setattr(sys, "stdin", FakeStream(out.buffer.getvalue()))
    assert type(read("-", format=extension)) is type(thing)


def test_errors_of_the_scene_types_get_the_name_of_the_file(tmp_path):
    np.savez(tmp_path / "a.npz", labels=np.zeros((2, 2, 2), np.uint8), z_near=5.0, z_far=2.0, fov_x_deg=60.0)
    with refused(DataError, "a.npz", "z_far", actual="z_near = 5, z_far = 2"):
        read(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", labels=np.zeros((2, 2, 2), np.uint8), z_near=1.0, z_far=2.0, fov_x_deg=200.0)
    with refused(DataError, "b.npz", "fov_x_deg", actual="200"):
        read(tmp_path / "b.npz")


def test_a_file_that_is_not_there_is_guessed_among_those_of_its_kind(tmp_path):
    for name in ("scene.yml", "scenes.npz", "other.glb"):
        (tmp_path / name).write_bytes(b"x")
    with refused(UsageError, "scene.glb", "exist") as caught:
        read(tmp_path / "scene.glb")
    assert "Did you mean" not in str(caught.value)
    with refused(UsageError, "scene.npz", hint="scenes.npz"):
        read(tmp_path / "scene.npz")
