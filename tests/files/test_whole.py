"""Files that were finished are told from those that are cut off, damaged, empty or something else."""

import numpy as np
import pytest

from voxcli.files import write
from voxcli.files.whole import is_whole
from voxcli.models.weights import Weights, save_weights
from voxcli.scene import Animation, Frustum, FruxelGrid, Labels, Mesh, Picture, PointCloud, VoxelGrid

RNG = np.random.default_rng(5)
MESH = Mesh(np.eye(4, 3), np.array([[0, 1, 2], [0, 2, 3]]))
PICTURE = RNG.integers(0, 255, (9, 7, 3)).astype(np.uint8)
CHECKED = {
    "a.npz": FruxelGrid(RNG.integers(0, 2, (3, 4, 5)).astype(np.uint8), Frustum(5, 4, 3, 1, 2, 60), classes=Labels(("air", "car"))),
    "a.png": Picture(PICTURE),
    "a.apng": Animation(np.stack([PICTURE, 255 - PICTURE])),
}
"""Formats with checksums."""
OTHERS = {
    "a.h5": VoxelGrid(occupancy=RNG.random((4, 4, 4)) > 0.5),
    "a.binvox": VoxelGrid(occupancy=RNG.random((4, 4, 4)) > 0.5),
    "a.vox": VoxelGrid(occupancy=RNG.random((4, 4, 4)) > 0.5),
    "a.ply": PointCloud(RNG.random((9, 3))),
    "b.ply": MESH,
    "a.glb": MESH,
    "a.stl": MESH,
    "a.off": MESH,
    "a.npy": PointCloud(RNG.random((9, 3))),
    "a.gif": Animation(np.stack([PICTURE, 255 - PICTURE])),
    "a.safetensors": None,
}


@pytest.mark.parametrize("name", CHECKED | OTHERS)
def test_a_file_that_is_cut_off_empty_or_junk_is_not_whole(tmp_path, name):
    path = tmp_path / name
    if name.endswith(".safetensors"):
        import torch

        save_weights(path, Weights({"a": torch.ones(5)}, "toy", {}))
    else:
        write(path, (CHECKED | OTHERS)[name])
    data = path.read_bytes()
    assert is_whole(path)
    for bad in (b"", b"junk", bytes(len(data)), data[: len(data) // 2], data[: len(data) * 9 // 10], b"x" * len(data)):
        path.write_bytes(bad)
        assert not is_whole(path), bad[:20]
    if name in CHECKED:
        for place in range(0, len(data) // 2, 7):
            path.write_bytes(data[:place] + bytes([data[place] ^ 16]) + data[place + 1 :])
            assert not is_whole(path) or name.endswith(".npz"), place  # an archive's names and dates have no checksum


def test_others_have_to_hold_something(tmp_path):
    path = tmp_path / "a.unknown"
    path.write_bytes(b"")
    assert not is_whole(path) and not is_whole(tmp_path / "absent") and not is_whole(tmp_path)
    path.write_bytes(bytes(100))
    assert not is_whole(path)
    path.write_bytes(b"something")
    assert is_whole(path)
