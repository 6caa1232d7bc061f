"""`--shard`: tar files of the same bytes however they were made, whose members are read as files are."""

import hashlib
import io
import tarfile

import numpy as np
import pytest
from conftest import contents
from example_files import box_mesh

from voxcli import files, shards
from voxcli.datasets.street import StreetFolder
from voxcli.errors import FileFormatError, UsageError

FILL = ("fruxelize", "d", "--grid", "voxel", "--resolution", 4)


@pytest.fixture
def meshes(tmp_path):
    for k in range(5):
        files.write(tmp_path / f"d/{'ab'[k % 2]}/{k}.off", box_mesh((1 + k, 1, 1)))
    return tmp_path


def tars(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_shards_hold_the_files_of_a_folder_in_their_order(voxcli, meshes):
    assert voxcli(*FILL, "-o", "loose/")[0] == 0
    code, _, errors = voxcli(*FILL, "-o", "packed/", "--shard", 2)
    assert code == 0 and "packed: 3 files" in errors
    assert list(tars(meshes / "packed")) == ["000000.tar", "000001.tar", "000002.tar"], "no part is left"
    held = {}
    for path in sorted((meshes / "packed").iterdir()):
        with tarfile.open(path) as shard:
            assert all((each.mtime, each.uid, each.mode, each.uname) == (0, 0, 0o644, "") for each in shard)
            held |= {each.name: shard.extractfile(each).read() for each in shard}
    assert list(held) == ["a/0.npz", "a/2.npz", "a/4.npz", "b/1.npz", "b/3.npz"]
    assert held == {name: (meshes / "loose" / name).read_bytes() for name in held}


def test_a_call_that_ended_early_is_completed_to_the_same_bytes(voxcli, refused, meshes):
    assert voxcli(*FILL, "-o", "whole/", "--shard", 2)[0] == 0
    good = (meshes / "d/b/1.off").read_bytes()
    (meshes / "d/b/1.off").write_text("rubbish")
    assert voxcli(*FILL, "-o", "o/", "--shard", 2, "--keep-going")[0] == 1
    assert {path.name for path in (meshes / "o").iterdir()} == {"000000.tar", ".parts", "000002.tar"}
    (meshes / "d/b/1.off").write_bytes(good)
    refused(*FILL, "-o", "o/", "--shard", 2, named="000000.tar")
    code, _, errors = voxcli(*FILL, "-o", "o/", "--shard", 2, "--skip-existing")
    assert code == 0 and "skipped 2 shards of 3" in errors
    assert tars(meshes / "o") == tars(meshes / "whole")
    refused(*FILL, "-o", "o/", "--shard", 3, "--skip-existing", named="holds other items")


def test_commands_read_the_members_of_shards(voxcli, meshes):
    assert voxcli(*FILL, "-o", "loose/")[0] == voxcli(*FILL, "-o", "packed/", "--shard", 2)[0] == 0
    code, text, _ = voxcli("metrics", "iou", "packed", "loose", "--category-from", "parent", "--format", "jsonl")
    assert code == 0 and '"samples": 5' in text and '"value": 1.0' in text.splitlines()[-1]
    for source in ("loose/a", "packed/000000.tar"):
        assert voxcli("convert", source, "-o", f"{source.partition('/')[0]}-out/", "--to", "binvox")[0] == 0
    assert (meshes / "packed-out/a/0.binvox").read_bytes() == (meshes / "loose-out/0.binvox").read_bytes()
    meta = files.read(f"tar://{meshes}/packed/000000.tar/a/0.npz").meta
    assert meta == files.read(meshes / "loose/a/0.npz").meta


def test_street_scenes_in_shards_are_trained_on_as_those_in_files(voxcli, tmp_path):
    make = ("synth", "street", "--count", 3, "--size", 32, 32, "--depth", 16)
    assert voxcli(*make, "-o", "loose/")[0] == voxcli(*make, "-o", "packed/", "--shard", 2)[0] == 0
    assert {path.name for path in (tmp_path / "packed").iterdir()} == {"meta.json", "000000.tar", "000001.tar"}
    before = contents(tmp_path / "packed")
    (tmp_path / "packed/000001.tar").unlink()
    assert "1 scene made, 2 were there" in voxcli(*make, "-o", "packed/", "--shard", 2)[2]
    assert contents(tmp_path / "packed") == before
    loose, packed = StreetFolder([tmp_path / "loose"]), StreetFolder([tmp_path / "packed"])
    assert len(packed) == 3 and packed.frustum == loose.frustum and packed.classes == loose.classes
    for k in range(3):
        assert np.array_equal(packed[k].image, loose[k].image) and np.array_equal(packed[k].labels, loose[k].labels)
        assert packed.poses_text(k) == loose.poses_text(k) != ""


def test_strange_tar_files_unpack_nothing_and_name_nothing_outside(tmp_path):
    with tarfile.open(tmp_path / "s.tar", "w") as shard:
        for name, kind in (("../up.npz", None), ("/abs.npz", None), ("a/.hidden", None), ("link", tarfile.SYMTYPE), ("good/a.npz", None)):
            member = tarfile.TarInfo(name)
            member.size, member.type, member.linkname = (0, kind, "/etc/passwd") if kind else (3, tarfile.REGTYPE, "")
            shard.addfile(member, None if kind else io.BytesIO(b"abc"))
    assert list(shards.members(tmp_path / "s.tar")) == ["good/a.npz"]
    assert hashlib.sha256(shards.member_bytes(tmp_path / "s.tar", "good/a.npz")).hexdigest().startswith("ba7816bf")
    (tmp_path / "t.tar").write_bytes(b"no tar at all" * 100)
    with pytest.raises(FileFormatError):
        shards.members(tmp_path / "t.tar")
    with pytest.raises(UsageError):
        shards.member_bytes(tmp_path / "s.tar", "up.npz")
