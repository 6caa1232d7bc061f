"""`synth views --layout street --objects N`: several objects in a picture, apart from each other, each with its class and its pose."""

import json

import numpy as np
import pytest
from example_files import box_mesh
from PIL import Image
from scipy.ndimage import binary_erosion

from voxcli import files
from voxcli.datasets.synthetic.objects.company import RADIUS, joined, stands, with_company
from voxcli.datasets.synthetic.objects.meshes import MeshPlace, shape_of
from voxcli.geometry.frusta import fruxel_centres
from voxcli.geometry.regrid import world_points
from voxcli.scene import FruxelGrid

SIDES = {"car": (1.0, 2.0, 4.0), "mug": (1.0, 1.0, 1.0), "tower": (1.0, 4.0, 1.0)}


def place(category, name="a", split="train"):
    return MeshPlace(category, category, name, split, f"{category}/{name}.obj", f"{category}/{name}.obj")


def things(*categories):
    return [shape_of(box_mesh(SIDES[category]), place(category)) for category in categories]


@pytest.mark.parametrize("categories", [("car", "mug"), ("car", "mug", "tower"), ("car",) * 6])
def test_objects_stand_on_one_ground_apart_from_each_other(categories):
    some = things(*categories)
    for seed in range(5):
        where = stands(some, np.random.default_rng(seed))
        corners = [stand.moved(thing.vertices) for thing, stand in zip(some, where, strict=True)]
        assert np.ptp([each[:, 1].min() for each in corners]) < 1e-12
        middles = np.array([each[:, ::2].mean(0) for each in corners])
        reach = [np.linalg.norm(each[:, ::2] - middle, axis=1).max() for each, middle in zip(corners, middles, strict=True)]
        assert max(np.linalg.norm(each[:, ::2], axis=1).max() for each in corners) <= RADIUS + 1e-9
        for a in range(len(some)):
            for b in range(a):
                assert np.linalg.norm(middles[a] - middles[b]) >= reach[a] + reach[b] - 1e-9


def test_one_alone_stays_as_it_is_and_several_are_joined_in_their_order():
    car, mug = things("car", "mug")
    assert np.array_equal(stands([car], np.random.default_rng(0))[0].moved(car.vertices), car.vertices)
    where = stands([car, mug], np.random.default_rng(0))
    both = joined([car, mug], where)
    assert len(both.faces) == len(car.faces) + len(mug.faces)
    assert np.allclose(both.vertices[both.faces[len(car.faces) :]], where[1].moved(mug.vertices)[mug.faces])


def test_company_is_of_the_same_split_and_depends_on_seed_and_name():
    many = [place("car", f"{k}", "train" if k < 6 else "test") for k in range(9)]
    found = with_company(many, 4, 0)
    assert [len(each.beside) for each in found] == [3] * 6 + [2] * 3
    assert all(other.split == each.split and other.name != each.name for each in found for other in each.beside)
    assert with_company(many, 4, 0) == found != with_company(many, 4, 1)


def test_a_sample_has_the_labels_and_poses_of_all_its_objects(voxcli, tmp_path):
    for category, sides in SIDES.items():
        (tmp_path / f"meshes/{category}").mkdir(parents=True)
        files.write(tmp_path / f"meshes/{category}/a.obj", box_mesh(sides))
    line = ("synth", "views", "meshes", "-o", "out", "--layout", "street", "--views", "1", "--size", "64", "--objects", "3")
    assert voxcli(*line) == (0, "", "3 objects made, 0 were there: out\n")
    grid = files.read_as(tmp_path / "out/train/fruxels/car-a-00.npz", FruxelGrid)
    poses = json.loads((tmp_path / "out/train/poses/car-a-00.json").read_text())["objects"]
    assert [each["instance"] for each in poses] == [2, 3, 4] and poses[0]["class"] == "car"
    assert {each["class"] for each in poses} == set(SIDES)
    centres = fruxel_centres(grid.frustum).numpy()
    instances = np.asarray(Image.open(tmp_path / "out/train/instances/car-a-00.png"))
    assert set(np.unique(instances)) == {0, 2, 3, 4}
    area = (centres[..., 2] / grid.frustum.focal) ** 2 * grid.frustum.slice_thickness
    for each in poses:
        mine = grid.labels == grid.classes.names.index(each["class"])
        # What is filled is the box that the pose states, and up to a slice, 11 cm of some 75, that its rays meet besides.
        assert 0.9 < area[mine].sum() / np.prod(each["size"]) < 1.4
        points = world_points(centres[mine], grid.world_to_cam)
        foot = world_points(np.array([each["translation"]]), grid.world_to_cam)[0]
        assert np.abs(points.mean(0) - foot - [0, each["size"][1] / 2, 0]).max() < 0.15
        # Pixels of the instance, but for those at its edge, are columns of its class.
        shown = binary_erosion(instances == each["instance"])
        assert shown.sum() > 20 and mine.any(0)[shown].all()
    before = grid.labels.copy()
    assert voxcli(*line) == (0, "", "0 objects made, 3 were there: out\n")
    files.write(tmp_path / "meshes/mug/a.obj", box_mesh((1, 2, 1)), overwrite=True)
    assert voxcli(*line) == (0, "", "3 objects made, 0 were there: out\n")  # all pictures show the mug
    assert (files.read_as(tmp_path / "out/train/fruxels/car-a-00.npz", FruxelGrid).labels != before).any()


def test_several_objects_are_of_streets_alone(refused, tmp_path):
    (tmp_path / "meshes/car").mkdir(parents=True)
    files.write(tmp_path / "meshes/car/a.obj", box_mesh())
    refused("synth", "views", "meshes", "-o", "out", "--objects", "2", named=("street", "r2n2"))
