"""`convert KITTI/ --to street`: fruxels by hand for single voxels, what is left out, and a folder that training reads."""

import json

import numpy as np
import pytest
from evaluation_scenes import semantic_kitti

from voxcli import files
from voxcli.datasets.completion import kitti_camera
from voxcli.datasets.street import StreetFolder
from voxcli.files.completion import KITTI_CLASSES
from voxcli.scene import FruxelGrid, VoxelGrid

PLACE = {"origin": np.array([0, -25.6, -2.2]), "voxel_size": np.full(3, 0.2)}


@pytest.fixture
def kitti(tmp_path):
    (tmp_path / "kitti").mkdir()
    semantic_kitti(tmp_path / "kitti", tmp_path / "mine", ("000000", "000005"))
    return tmp_path / "kitti"


def test_a_voxel_is_found_at_its_pixel_and_depth(voxcli, kitti, tmp_path):
    # The layout's camera looks along the lidar's x: camera x = -y, camera y = -z, depth = x.
    labels = np.zeros((256, 256, 32), np.uint8)
    labels[98:102, 120:124, 10:14] = KITTI_CLASSES.names.index("other-vehicle")  # x 19.6 to 20.4, y -1.6 to -0.8, z -0.2 to 0.6
    path = kitti / "sequences/08/voxels/000000.label"
    files.write(path, VoxelGrid(labels=labels, classes=KITTI_CLASSES, **PLACE), overwrite=True)
    code, _, errors = voxcli("convert", "kitti", "-o", "street", "--to", "street")
    assert code == 0, errors
    grid = files.read_as(tmp_path / "street/fruxels/08_000000.npz", FruxelGrid)
    depth, row, column = np.argwhere(grid.labels == grid.classes.names.index("bus")).T
    frustum = grid.frustum
    z = frustum.z_near + (depth + 0.5) * (frustum.z_far - frustum.z_near) / frustum.depth
    x, y = (column + 0.5 - frustum.width / 2) * z / frustum.focal, (row + 0.5 - frustum.height / 2) * z / frustum.focal
    assert z.min() >= 19.6 and z.max() <= 20.4 and len(z)
    assert x.min() >= 0.8 and x.max() <= 1.6 and y.min() >= -0.6 and y.max() <= 0.2


def test_what_is_not_known_is_left_out(voxcli, kitti, tmp_path):
    text = "P2: 30 0 32 0 0 30 32 0 0 0 1 0\nTr: 0 -1 0 0 0 0 -1 0 1 0 0 0\n"  # 94 degrees: all of the frustum is in the picture
    (kitti / "sequences/08/calib.txt").write_text(text)
    assert voxcli("convert", "kitti", "-o", "street", "--to", "street")[0] == 0
    grid = files.read_as(tmp_path / "street/fruxels/08_000005.npz", FruxelGrid)
    z = grid.frustum.z_near + (np.arange(grid.frustum.depth) + 0.5) * (grid.frustum.z_far - grid.frustum.z_near) / grid.frustum.depth
    x = (0.5 - grid.frustum.width / 2) * z / grid.frustum.focal
    # The leftmost column leaves the box of the labels, 25.6 m to each side.
    middle = grid.labels[:, grid.frustum.height // 2, 0]
    assert ((middle == 255) == (np.abs(x) > 25.6)).all()


def test_training_reads_the_folder(voxcli, kitti, tmp_path):
    assert voxcli("convert", "kitti", "-o", "street", "--to", "street")[0] == 0
    data = StreetFolder([tmp_path / "street"])
    assert len(data) == 2 and data[0].image.shape == (192, 256, 3) and set(np.unique(data[0].labels)) <= {*range(10), 255}
    code, text, errors = voxcli("train", "-m", "rays", "--recipe", "rays-far", "--data", "street", "-o", "run", "--dry-run", "--set",
                                "training.network.pretrained=false")  # fmt: skip
    assert code == 0 and json.loads(text)["samples"] == 2, errors


def test_a_camera_is_that_of_the_matrices(tmp_path):
    # P = K [I | t]: the second camera stands 0.5 m to the right of the first, whose frame Tr leads to.
    (tmp_path / "calib.txt").write_text("P2: 700 0 600 -350 0 700 180 0 0 0 1 0\nTr: 0 -1 0 0 0 0 -1 -0.1 1 0 0 -0.3\n")
    camera = kitti_camera(tmp_path / "calib.txt", 2, 1241, 376)
    point = np.array([10.0, 2.0, 1.0])
    first = np.array([-2.0, -1.1, 9.7])
    assert np.allclose(camera.world_to_cam[:3, :3] @ point + camera.world_to_cam[:3, 3], first - [0.5, 0, 0])
    assert camera.K.tolist() == [[700, 0, 600], [0, 700, 180], [0, 0, 1]]


def test_what_cannot_be_converted_is_refused(refused, tmp_path):
    (tmp_path / "kitti/sequences/08/voxels").mkdir(parents=True)
    refused("convert", "kitti", "-o", "street", "--to", "street", named=("kitti", "image_2"))
    refused("convert", "kitti", "-o", "street", "--to", "street", "--channel", "CAM_FRONT", named="--channel")
    refused("convert", "kitti", "-o", "tables", "--to", "nuscenes", named="synth street")
