"""Pascal3D+'s layout, made by hand; its camera against the data set's own projection, step by step."""

import json
import math
import shlex

import numpy as np
import pytest
from PIL import Image
from references.silhouettes import assert_camera_fits, lopsided_mesh, silhouette, surface_points
from refusals import refused

from voxcli import files
from voxcli.cli.app import run
from voxcli.datasets.pascal3d import Pascal3DFolder
from voxcli.errors import DataError, FileFormatError
from voxcli.scene import Mesh, VoxelGrid

WIDTH, HEIGHT = 150, 110
VIEW = {"azimuth": 40.0, "elevation": 20.0, "distance": 3.2, "theta": 15.0, "focal": 1.0, "viewport": 250.0, "px": 70.5, "py": 62.5}


def pixels(points, view):
    """The projection as the data set states it: z-up model, viewing plane x right and y up, turned by theta, y flipped, pixels from 1."""
    a, e, d, theta = (math.radians(view[k]) if k != "distance" else view[k] for k in ("azimuth", "elevation", "distance", "theta"))
    centre = np.array([d * math.cos(e) * math.sin(a), -d * math.cos(e) * math.cos(a), d * math.sin(e)])
    a, e = -a, -(math.pi / 2 - e)
    about_z = np.array([[math.cos(a), -math.sin(a), 0], [math.sin(a), math.cos(a), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, math.cos(e), -math.sin(e)], [0, math.sin(e), math.cos(e)]])
    x, y, z = about_x @ about_z @ (points - centre).T
    flat = view["focal"] * view["viewport"] * np.stack([x / -z, y / -z])
    flat = np.array([[math.cos(theta), -math.sin(theta)], [math.sin(theta), math.cos(theta)]]) @ flat
    return np.stack([flat[0] + view["px"], -flat[1] + view["py"]], 1) - 0.5  # MATLAB's pixel 1 is centred at our 0.5


def z_up(mesh):
    """The mesh with z up and its front along -y."""
    x, y, z = mesh.vertices.T
    return Mesh(np.stack([-z, -x, y], 1), mesh.faces)


@pytest.fixture
def folder(tmp_path):
    from scipy.io import savemat

    for sub in ("Annotations/chair_imagenet", "Images/chair_imagenet", "CAD/chair"):
        (tmp_path / sub).mkdir(parents=True)
    mask = silhouette(pixels(surface_points(z_up(lopsided_mesh())), VIEW), WIDTH, HEIGHT)
    Image.fromarray(np.where(mask[..., None], 250, 5).repeat(3, 2).astype(np.uint8)).save(
        tmp_path / "Images/chair_imagenet/n1_1.JPEG", quality=95
    )
    small = {"class": "chair", "bbox": np.array([1.0, 1, 5, 5]), "cad_index": 7, "viewpoint": VIEW | {"distance": 0.0}}
    other = {"class": "sofa", "bbox": np.array([1.0, 1, 150, 110]), "cad_index": 3, "viewpoint": VIEW}
    large = {"class": "chair", "bbox": np.array([11.0, 21, 90, 100]), "cad_index": 2, "viewpoint": VIEW}
    objects = np.zeros(3, dtype=object)
    objects[:] = [small, other, large]
    record = {"imgsize": np.array([WIDTH, HEIGHT, 3]), "objects": objects, "filename": "n1_1.JPEG"}
    savemat(tmp_path / "Annotations/chair_imagenet/n1_1.mat", {"record": record})
    savemat(tmp_path / "Annotations/chair_imagenet/n1_2.mat", {"record": record | {"objects": small}})
    volume = np.zeros((8, 8, 8), bool)
    volume[1, 2, 6] = True
    files.write(tmp_path / "CAD/chair/02.binvox", VoxelGrid(occupancy=volume))
    taxonomy = [{"taxonomy_id": "chair", "taxonomy_name": "chair", "train": [], "val": ["n1_1"], "test": ["n1_1"]}]
    (tmp_path / "Pascal3D.json").write_text(json.dumps(taxonomy))
    return tmp_path


def test_the_camera_sees_the_model_where_the_picture_shows_it(folder):
    sample = Pascal3DFolder(folder)[0]
    assert sample.image.shape == (HEIGHT, WIDTH, 3)
    assert_camera_fits(sample.camera, z_up(lopsided_mesh()), sample.image[..., 0] > 127)


def test_the_largest_box_of_the_class_is_taken_in_our_pixels(folder):
    sample = Pascal3DFolder(folder)[0]
    assert sample.cad_index == 2 and sample.box.tolist() == [10, 20, 90, 100] and sample.name == "chair/n1_1"


def test_one_object_without_a_viewpoint_has_no_camera(folder):
    (folder / "Images/chair_imagenet/n1_1.JPEG").rename(folder / "Images/chair_imagenet/n1_2.JPEG")
    assert Pascal3DFolder(folder)[1].camera is None


def test_samples_come_from_a_taxonomy_or_from_the_folder(folder):
    assert len(Pascal3DFolder(folder)) == 2
    assert len(Pascal3DFolder(folder, folder / "Pascal3D.json", "test")) == 1
    assert len(Pascal3DFolder(folder, folder / "Pascal3D.json", "train")) == 0


def test_volumes_turn_up_and_front_into_shapenet(folder):
    data = Pascal3DFolder(folder)
    assert np.argwhere(data.volume(0)).tolist() == [[1, 2, 6]]
    assert np.argwhere(data.volume(0, "shapenet")).tolist() == [[7 - 2, 6, 7 - 1]]
    vertex = z_up(Mesh(np.array([[0.5, 0.6, 0.7]] * 3), np.array([[0, 1, 2]]))).vertices[0]
    assert np.allclose((-vertex[1], vertex[2], -vertex[0]), (0.5, 0.6, 0.7))


def test_what_is_wrong_is_named(folder):
    data = Pascal3DFolder(folder)
    (folder / "CAD/chair/02.binvox").unlink()
    with refused(DataError, "no volume") as caught:
        data.volume(0)
    files.write(folder / "CAD/chair/02.off", lopsided_mesh())
    command = shlex.split(caught.value.hint.removeprefix("Make it: voxcli "))  # it works as it is printed
    assert run(command) == 0 and data.volume(0).shape == (32, 32, 32)
    path = folder / "Annotations/chair_imagenet/n1_1.mat"
    path.write_bytes(path.read_bytes()[:200])
    with refused(FileFormatError, "no annotation"):
        data[0]
    path.unlink()
    with refused(DataError, "annotation"):
        data[0]
