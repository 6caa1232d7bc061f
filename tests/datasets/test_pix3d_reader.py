"""Pix3D's layout, made by hand; its camera against the formula in which x points left, y up and z into the picture."""

import json

import numpy as np
import pytest
from PIL import Image
from references.silhouettes import assert_camera_fits, lopsided_mesh, silhouette, surface_points
from refusals import refused

from voxcli import files
from voxcli.datasets.pix3d import Pix3DFolder
from voxcli.errors import FileFormatError, UsageError
from voxcli.scene import VoxelGrid

WIDTH, HEIGHT, FOCAL_MM = 160, 120, 40.0


def rotation(a, b):
    ca, sa, cb, sb = np.cos(a), np.sin(a), np.cos(b), np.sin(b)
    return np.array([[1, 0, 0], [0, cb, -sb], [0, sb, cb]]) @ np.array([[ca, 0, sa], [0, 1, 0], [-sa, 0, ca]])


def pixels(points, R, t):
    x, y, z = (points @ R.T + t).T
    f = FOCAL_MM * WIDTH / 32
    return np.stack([WIDTH / 2 - f * x / z, HEIGHT / 2 - f * y / z], 1)


@pytest.fixture
def folder(tmp_path):
    from scipy.io import savemat

    points = surface_points(lopsided_mesh())
    R, t = rotation(0.7, -0.35), np.array([0.1, -0.05, 1.6])
    mask = silhouette(pixels(points, R, t), WIDTH, HEIGHT)
    for sub in ("img/chair", "mask/chair", "model/chair/A"):
        (tmp_path / sub).mkdir(parents=True)
    entries = []
    for k, extra in enumerate(({}, {"occluded": True}, {"category": "table"})):
        name = f"{k + 1:04d}"
        Image.fromarray(np.full((HEIGHT, WIDTH, 3), 90, np.uint8)).save(tmp_path / f"img/chair/{name}.png")
        Image.fromarray((mask * 255).astype(np.uint8)).save(tmp_path / f"mask/chair/{name}.png")
        entries.append({"img": f"img/chair/{name}.png", "category": "chair", "img_size": [WIDTH, HEIGHT], "mask": f"mask/chair/{name}.png",
                        "model": "model/chair/A/model.obj", "voxel": "model/chair/A/voxel.mat", "rot_mat": R.tolist(),
                        "trans_mat": t.tolist(), "focal_length": FOCAL_MM, "bbox": [10, 12, 90, 80], "truncated": False, "occluded": False,
                        "slightly_occluded": False} | extra)  # fmt: skip
    (tmp_path / "pix3d.json").write_text(json.dumps(entries))
    files.write(tmp_path / "model/chair/A/model.obj", lopsided_mesh())
    volume = np.zeros((4, 5, 6), np.uint8)
    volume[1, 0, 5] = 1  # x left: 1; y out: farthest in; z up: the top
    savemat(tmp_path / "model/chair/A/voxel.mat", {"voxel": volume})
    return tmp_path


def test_the_camera_sees_the_model_where_the_mask_is(folder):
    sample = Pix3DFolder(folder)[0]
    assert sample.image.shape == (HEIGHT, WIDTH, 3) and sample.mask.dtype == bool
    mesh = files.read(sample.model)
    assert_camera_fits(sample.camera, mesh, sample.mask)


def test_evaluation_leaves_out_what_is_hidden(folder):
    assert len(Pix3DFolder(folder)) == 1
    assert len(Pix3DFolder(folder, evaluation=False)) == 2
    assert Pix3DFolder(folder, None, evaluation=False).name(2) == "table/0003"


def test_voxels_turn_into_the_frames_of_model_and_shapenet(folder):
    data = Pix3DFolder(folder)
    assert np.argwhere(data.volume(0)).tolist() == [[1, 0, 5]]
    assert data.volume(0, "model").shape == (4, 6, 5)
    assert np.argwhere(data.volume(0, "model")).tolist() == [[1, 5, 4]]  # left, the top, farthest in
    assert np.argwhere(data.volume(0, "shapenet")).tolist() == [[0, 5, 1]]  # the back is at low x


def test_a_binvox_beside_the_model_comes_first_and_has_its_axes(folder):
    model = Pix3DFolder(folder).volume(0, "model")
    cube = np.pad(model, [(0, 2), (0, 0), (0, 1)])
    files.write(folder / "model/chair/A/model.binvox", VoxelGrid(occupancy=cube))
    assert np.array_equal(Pix3DFolder(folder).volume(0, "model"), cube)
    assert np.argwhere(Pix3DFolder(folder).volume(0, "voxel")).tolist() == [[1, 1, 5]]


def test_lists_that_lie_are_refused(folder):
    entries = json.loads((folder / "pix3d.json").read_text())
    with refused(UsageError, "'sofa'"):
        Pix3DFolder(folder, ["sofa"])
    entries[0]["img"] = "../../secret.png"
    (folder / "pix3d.json").write_text(json.dumps(entries))
    with refused(FileFormatError, "outside", actual="../../secret.png"):
        Pix3DFolder(folder)[0]
    entries[0]["rot_mat"] = np.diag([1.0, 1, -1]).tolist()
    (folder / "pix3d.json").write_text(json.dumps(entries))
    with refused(FileFormatError, "camera"):
        Pix3DFolder(folder).camera(0)
    (folder / "pix3d.json").write_text('[{"img": "x"}]')
    with refused(FileFormatError, "pix3d.json"):
        Pix3DFolder(folder)
