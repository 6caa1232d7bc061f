"""Street scenes: exact, repeatable, without interpenetration, and the same from any number of workers."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from voxcli import files
from voxcli.datasets.synthetic.folders import write_dataset
from voxcli.datasets.synthetic.street.assets import is_rest_pose, load_shelf, to_object
from voxcli.datasets.synthetic.street.config import StreetConfig
from voxcli.datasets.synthetic.street.dataset import StreetGenerator
from voxcli.datasets.synthetic.street.layout import lay_out
from voxcli.datasets.synthetic.street.people import person
from voxcli.datasets.synthetic.street.plan import Footprints, overlaps
from voxcli.datasets.synthetic.street.render import gather
from voxcli.datasets.synthetic.street.sample import ObjectMaker, ground_slab, make_sample
from voxcli.errors import DataError, UsageError
from voxcli.geometry.solid import fruxelize_parts
from voxcli.scene import STREET_CLASSES, DepthMap, FruxelGrid, Mesh, Picture

SMALL = StreetConfig(replace(StreetConfig().frustum, width=48, height=40, depth=32))


@pytest.fixture(scope="module")
def samples():
    return [make_sample(4, k) for k in range(6)]


def test_nothing_stands_inside_anything_else():
    for seed in range(30):
        _, view, placed = lay_out(np.random.default_rng(seed), SMALL.frustum, ObjectMaker())
        boxes = [Footprints.of(p.thing, np.array([p.x]), np.array([p.z]), np.array([p.heading]))[0] for p in placed]
        for k, p in enumerate(placed):
            for j in range(k):
                if (p.x, p.z) == (placed[j].x, placed[j].z):  # a rider on a bicycle
                    assert {p.thing.class_name, placed[j].thing.class_name} == {"person", "bicycle"}
                    continue
                assert not overlaps(boxes[k][:, None], boxes[j][None]).any(), (seed, p.thing.class_name, placed[j].thing.class_name)
        lens = np.array([[view.position[0], view.position[2], 0.01, 0.01, 0.0, view.position[1] - 0.01, view.position[1]]])
        assert not overlaps(np.concatenate(boxes), lens).any()


def test_the_first_filled_fruxel_agrees_with_the_depth_map(samples):
    # Both look along the pixels' centres at the same closed solids, so no share of silhouettes needs forgiving.
    for sample in samples:
        frustum, solid = sample.fruxels.frustum, sample.fruxels.labels != 0
        inside = (sample.depth > frustum.z_near) & (sample.depth < frustum.z_far)
        assert np.array_equal(solid.any(0), inside | (sample.depth < frustum.z_near))
        seen = np.floor((sample.depth[inside] - frustum.z_near) / frustum.slice_thickness)
        assert np.abs(solid.argmax(0)[inside] - seen).max() <= 1


def test_the_first_filled_fruxel_has_the_class_of_the_instance_mask(samples):
    for sample in samples:
        ids = np.array([0, STREET_CLASSES.index("ground"), *(STREET_CLASSES.index(p["class"]) for p in sample.poses)])
        labels, frustum = sample.fruxels.labels, sample.fruxels.frustum
        inside = (sample.depth > frustum.z_near) & (sample.depth < frustum.z_far)
        first = np.take_along_axis(labels, (labels != 0).argmax(0)[None], 0)[0]
        # Where two objects share a slice the later one owns it: a foot on the road, a wheel at the kerb.
        assert (first != ids[sample.instances])[inside].mean() < 0.03
        assert ((sample.instances == 0) == np.isnan(sample.depth)).all()


def test_the_ground_is_a_slab_a_quarter_metre_thick_with_its_top_at_zero():
    vertices, faces = ground_slab(np.array([3.0, 1.7, -2.0]))
    assert vertices[:, 1].max() == 0 and vertices[:, 1].min() == -0.25
    # Seen straight from above at 5 m, the road fills the slices between 5 and 5.25 m and no other.
    down = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
    cam = (vertices - np.array([3.0, 5.0, -2.0])) @ down.T
    frustum = replace(SMALL.frustum, z_near=4.0, z_far=6.0, depth=40)
    owner = fruxelize_parts([(torch.from_numpy(cam), torch.from_numpy(faces))], frustum).owner.numpy()
    assert owner[20:25].all() and not owner[:20].any() and not owner[25:].any()


def test_poses_bring_objects_into_the_camera_frame():
    frustum = SMALL.frustum
    rng = np.random.default_rng(11)
    _, view, placed = lay_out(rng, frustum, ObjectMaker())
    soup = gather(placed, ground_slab(view.position))
    from voxcli.datasets.synthetic.street.sample import _pose

    to_cam = view.world_to_cam
    for k, p in enumerate(placed):
        pose = _pose(k + 2, p, to_cam)
        w, x, y, z = pose["rotation_wxyz"]
        rotation = np.array(
            [
                [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
                [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
                [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
            ]
        )
        world = soup.vertices[soup.parts[k + 1][0]]
        expected = world @ to_cam[:3, :3].T + to_cam[:3, 3]
        np.testing.assert_allclose(p.thing.vertices @ rotation.T + pose["translation"], expected, atol=2e-5)


def test_a_sample_is_a_function_of_seed_and_index(samples):
    again, other = make_sample(4, 2), make_sample(5, 2)
    np.testing.assert_array_equal(again.picture.rgb, samples[2].picture.rgb)
    np.testing.assert_array_equal(again.fruxels.labels, samples[2].fruxels.labels)
    np.testing.assert_array_equal(again.depth, samples[2].depth)
    assert again.poses == samples[2].poses
    assert (other.picture.rgb != samples[2].picture.rgb).mean() > 0.5


def test_every_class_is_in_a_fair_share_of_scenes():
    count, present = 50, np.zeros(len(STREET_CLASSES))
    for index in range(count):
        labels = make_sample(12, index, SMALL).fruxels.labels
        present += np.bincount(labels.ravel(), minlength=len(STREET_CLASSES)) > 0
    assert (present / count > 0.15).all(), dict(zip(STREET_CLASSES, present / count, strict=True))


def all_bytes(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_workers_and_interruptions_change_no_byte(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    assert write_dataset(one, 6, StreetGenerator(3, SMALL)) == 6
    assert write_dataset(two, 6, StreetGenerator(3, SMALL), workers=2) == 6
    assert all_bytes(one) == all_bytes(two)
    whole = all_bytes(one)
    (one / "fruxels" / "000004.npz").unlink()  # what a kill leaves: the fruxels come last
    (one / "images" / "000004.png").write_bytes(b"torn")
    seen = []
    assert write_dataset(one, 6, StreetGenerator(3, SMALL), progress=lambda done, count: seen.append((done, count))) == 1
    assert all_bytes(one) == whole
    assert seen == [(5, 6), (6, 6)]
    for path in sorted(one.rglob("*000002.*")):  # junk of the right size, what is cut off, and a flipped bit
        data = path.read_bytes()
        for bad in (b"x" * len(data), data[: len(data) // 2], data[:-30] + bytes([data[-30] ^ 1]) + data[-29:]):
            if path.suffix == ".json" and len(bad) == len(data) and bad[:1] != b"x":
                continue  # text has no checksum
            path.write_bytes(bad)
            assert write_dataset(one, 6, StreetGenerator(3, SMALL)) == 1 and all_bytes(one) == whole


def test_files_hold_what_the_sample_holds(tmp_path):
    write_dataset(tmp_path / "d", 1, StreetGenerator(8, SMALL))
    sample = make_sample(8, 0, SMALL)
    read = {name: tmp_path / "d" / name / "000000" for name in ("images", "depth", "instances", "fruxels", "poses")}
    np.testing.assert_array_equal(files.read_as(f"{read['images']}.png", Picture).rgb, sample.picture.rgb)
    depth = files.read_as(f"{read['depth']}.png", DepthMap).depth
    near = sample.depth <= 65.535
    np.testing.assert_allclose(depth[near], sample.depth[near], atol=5.1e-4)
    assert np.isnan(depth[~near]).all()
    instances = files.read_as(f"{read['instances']}.png", Picture).rgb[..., 0]
    np.testing.assert_array_equal(instances, sample.instances)
    grid = files.read_as(f"{read['fruxels']}.npz", FruxelGrid)
    np.testing.assert_array_equal(grid.labels, sample.fruxels.labels)
    assert grid.frustum == SMALL.frustum and grid.classes.names == STREET_CLASSES
    np.testing.assert_allclose(grid.world_to_cam, sample.camera.world_to_cam)
    said = json.loads(read["poses"].with_suffix(".json").read_text())
    assert said["objects"] == sample.poses
    np.testing.assert_allclose(said["camera"]["K"], SMALL.frustum.K)


def test_a_folder_of_another_seed_is_not_mixed(tmp_path):
    write_dataset(tmp_path / "d", 1, StreetGenerator(1, SMALL))
    with pytest.raises(UsageError, match="other options"):
        write_dataset(tmp_path / "d", 2, StreetGenerator(2, SMALL))
    with pytest.raises(UsageError, match="at least one"):
        write_dataset(tmp_path / "e", 0, StreetGenerator(2, SMALL))


def test_an_asset_is_set_on_the_ground_about_the_origin():
    vertices = np.array([[5.0, 3, 1], [7, 3, 1], [5, 4, 1], [5, 3, 4]])
    thing = to_object("car", Mesh(vertices, np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])))
    assert thing.closed
    np.testing.assert_allclose(thing.vertices.min(0), [-1, 0, -1.5])
    np.testing.assert_allclose(thing.blocks, [[-1, 1, 0, 1, -1.5, 1.5]])


def test_people_with_outstretched_arms_are_not_taken():
    walker = person(np.random.default_rng(0), "standing")
    assert not is_rest_pose(walker)
    assert is_rest_pose(replace(walker, vertices=walker.vertices * np.array([4.0, 1, 1])))


def test_a_folder_without_assets_is_refused(tmp_path):
    with pytest.raises(DataError, match="no folder"):
        load_shelf(tmp_path / "none")
    (tmp_path / "chair").mkdir()
    with pytest.raises(DataError, match="no usable asset"):
        load_shelf(tmp_path)


def test_assets_stand_in_the_scenes(shared_data):
    shelf = load_shelf(shared_data / "assets")
    assert set(shelf.things) <= set(STREET_CLASSES)
    config = replace(SMALL, asset_share=1.0)
    for index in range(3):
        sample = make_sample(2, index, config, shelf)
        frustum, solid = sample.fruxels.frustum, sample.fruxels.labels != 0
        inside = (sample.depth > frustum.z_near) & (sample.depth < frustum.z_far)
        # Open shells are filled by a vote, which may cut a thin overhang short or bridge it.
        seen = np.floor((sample.depth[inside] - frustum.z_near) / frustum.slice_thickness)
        assert (np.abs(solid.argmax(0)[inside] - seen) > 1).mean() < 0.08


def test_a_command_that_hands_samples_to_workers_does_not_load_torch():
    code = "import sys, voxcli.datasets.synthetic.street.dataset; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_emptied_file_of_a_sample_is_made_again(tmp_path):
    write_dataset(tmp_path, 2, StreetGenerator(3, SMALL))
    victim = tmp_path / "images/000001.png"
    before = victim.read_bytes()
    victim.write_bytes(b"")
    assert write_dataset(tmp_path, 2, StreetGenerator(3, SMALL)) == 1
    assert victim.read_bytes() == before


def test_a_folder_of_useless_assets_leaves_nothing_behind(tmp_path):
    (tmp_path / "void").mkdir()
    with pytest.raises(DataError, match="no usable asset"):
        write_dataset(tmp_path / "data", 1, StreetGenerator(assets_dir=tmp_path / "void"))
    assert not (tmp_path / "data").exists()


def test_a_folder_with_other_things_in_it_is_not_mixed_with(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="not empty"):
        write_dataset(tmp_path, 1, StreetGenerator())
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
