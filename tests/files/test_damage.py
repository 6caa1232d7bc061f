"""Any damage to any file gives a reading or a VoxcliError, never another exception."""

import numpy as np
import pytest
import scipy.io

from voxcli.errors import VoxcliError
from voxcli.files import read, write
from voxcli.scene import DepthMap, Frustum, FruxelGrid, Labels, Mesh, Picture, PointCloud, VoxelGrid

RNG = np.random.default_rng(5)
CLASSES = Labels(("air", "car"))
MESH = Mesh(np.eye(4, 3), np.array([[0, 1, 2], [0, 2, 3]]), face_labels=np.array([0, 1], np.uint8), classes=CLASSES)
THINGS = {
    "a.npz": FruxelGrid(RNG.integers(0, 2, (3, 4, 5)).astype(np.uint8), Frustum(5, 4, 3, 1, 2, 60), classes=CLASSES),
    "b.npz": PointCloud(RNG.random((9, 3)), RNG.random((9, 3))),
    "a.h5": VoxelGrid(labels=RNG.integers(0, 2, (3, 4, 5)).astype(np.uint8), classes=CLASSES),
    "a.binvox": VoxelGrid(occupancy=RNG.random((4, 4, 4)) > 0.5),
    "a.ply": PointCloud(RNG.random((9, 3)), colors=RNG.integers(0, 255, (9, 3)).astype(np.uint8)),
    "b.ply": MESH,
    "a.glb": MESH,
    "a.stl": MESH,
    "a.obj": MESH,
    "a.off": MESH,
    "a.npy": PointCloud(RNG.random((9, 3))),
    "a.xyz": PointCloud(RNG.random((9, 3))),
    "a.png": Picture(RNG.integers(0, 255, (9, 7, 3)).astype(np.uint8)),
    "b.png": DepthMap(RNG.random((9, 7)).astype(np.float32)),
    "a.tif": DepthMap(RNG.random((9, 7)).astype(np.float32)),
    "a.mat": None,
}


@pytest.mark.parametrize("name", THINGS)
def test_flipped_bytes_never_escape_as_foreign_exceptions(tmp_path, name):
    path = tmp_path / name
    if THINGS[name] is None:
        scipy.io.savemat(path, {"voxel": RNG.integers(0, 2, (3, 4, 5)).astype(np.uint8)})
    else:
        write(path, THINGS[name])
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(60):
        damaged = bytearray(whole)
        for place in rng.integers(0, len(whole), rng.integers(1, 6)):
            damaged[place] = rng.integers(0, 256)
        path.write_bytes(damaged[: rng.integers(1, len(whole) + 1)] if rng.random() < 0.3 else damaged)
        try:
            read(path)
        except VoxcliError as error:
            assert name in str(error)
            refused += 1
    assert refused > 0
