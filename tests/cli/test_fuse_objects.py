"""`fuse-views` of coarse volumes: what files must hold, in which order they are taken, and what an empty result is called."""

import numpy as np
import pytest
from example_files import FILES

from voxcli import files
from voxcli.scene import VoxelGrid

WEIGHTS = ("--weights", "object.safetensors")


def coarse(seed, shape=(32, 32, 32), channels=8, **meta):
    """A volume with its context, as `predict --coarse` writes them."""
    rng = np.random.default_rng(seed)
    share = rng.random(shape, np.float32)
    context = rng.standard_normal((channels, *shape)).astype(np.float32)
    return VoxelGrid(share >= 0.4, None, np.full(3, -0.5), 1 / np.array(shape), None, meta, share, context)


@pytest.fixture
def folder(tmp_path):
    for k, name in enumerate(("a.npz", "b.npz", "c.npz", "d.npz")):
        files.write(tmp_path / name, coarse(k))
    return tmp_path


def with_values(grid, probability=None, context=None):
    """The grid with one number of its probabilities, or of its context, replaced."""
    if probability is not None:
        grid.probabilities[3, 4, 5] = probability
    if context is not None:
        grid.context[2, 3, 4, 5] = context
    return grid


BROKEN = {
    "context of another network": (lambda: coarse(0, channels=4), ("[8, 32, 32, 32]", "[4, 32, 32, 32]")),
    "another size": (lambda: coarse(0, (16, 16, 16)), ("[32, 32, 32]", "[16, 16, 16]")),
    "NaN": (lambda: with_values(coarse(0), np.nan), ("0 to 1", "NaN")),
    "infinite": (lambda: with_values(coarse(0), np.inf), ("0 to 1", "inf")),
    "above 1": (lambda: with_values(coarse(0), 1.5), ("0 to 1", "1.5")),
    "below 0": (lambda: with_values(coarse(0), -0.5), ("0 to 1", "-0.5")),
    "context NaN": (lambda: with_values(coarse(0), context=np.nan), ("context must be finite",)),
    "no context": (lambda: VoxelGrid(np.zeros((32, 32, 32), bool)), ("no context",)),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_file_that_holds_no_coarse_volume_is_named(refused, folder, kind):
    FILES["object.safetensors"](folder / "object.safetensors")
    make, said = BROKEN[kind]
    files.write(folder / "bad.npz", make())
    refused("fuse-views", "a.npz", "bad.npz", *WEIGHTS, "-o", "out.npz", named=("bad.npz", *said))


def test_what_is_wrong_with_a_volume_is_told_without_torch(voxcli_process, folder):
    files.write(folder / "bad.npz", coarse(0, (16, 16, 16)))
    (folder / "torch.py").write_text("raise SystemExit('torch is imported')\n")
    for words, said in ((("bad.npz",), "32 cells"), (("a.npz", "--threshold", "1.5"), "--threshold is a probability")):
        code, _, errors = voxcli_process("fuse-views", *words, "-m", "pix2vox-f", "-o", "out.npz", env={"PYTHONPATH": str(folder)})
        assert code == 2 and said in errors, errors


def test_views_in_any_order_give_the_same_bytes(voxcli, folder):
    FILES["object.safetensors"](folder / "object.safetensors")
    names = ["a.npz", "b.npz", "c.npz", "d.npz"]
    for way, flags in (("context", WEIGHTS), ("mean", ("--method", "mean"))):
        for k, order in enumerate((names, names[::-1], names[2:] + names[:2])):
            assert voxcli("fuse-views", *order, *flags, "-o", f"{way}{k}.npz")[0] == 0
        first, *others = ((folder / f"{way}{k}.npz").read_bytes() for k in range(3))
        assert all(each == first for each in others)


def test_a_view_counts_once(refused, folder):
    for words in (["a.npz", "b.npz", "a.npz"], ["a.npz", "./a.npz"]):
        refused("fuse-views", *words, "--method", "mean", "-o", "out.npz", named="a.npz is given twice")


def test_an_empty_volume_is_warned_of_and_an_empty_mesh_refused(refused, voxcli, folder):
    files.write(folder / "faint.npz", VoxelGrid(np.full((32, 32, 32), 0.125, np.float32)))
    line = ("fuse-views", "faint.npz", "--method", "mean", "--threshold", "0.5", "-o")
    for name in ("out.npz", "out.binvox", "out.vox"):
        code, text, errors = voxcli(*line, name)
        assert (code, text) == (0, "") and (folder / name).exists()
        assert "nothing reaches the threshold 0.5; the highest probability is 0.125. Lower --threshold." in errors
    for name in ("out.glb", "out.ply"):
        refused(*line, name, named=("nothing reaches the threshold 0.5", "0.125", "Lower --thr"))


def test_an_unknown_extension_is_answered_with_what_is_written_here(voxcli, folder):
    code, _, errors = voxcli("fuse-views", "a.npz", "--method", "mean", "-o", "out.foo")
    assert code == 2 and "npz" in errors and "glb" in errors and not any(name in errors for name in ("png", "gif", "yaml", "tif"))


def test_weights_are_called_as_the_user_called_them(refused, folder):
    files.write(folder / "theirs.npz", coarse(0, weights="0" * 64, options={"model": "pix2vox-f"}))
    refused(
        "fuse-views",
        "theirs.npz",
        "-m",
        "pix2vox-f",
        "-o",
        "out.npz",
        named="theirs.npz was made by other weights than 'pix2vox-f'",
        unnamed="site-packages",
    )
