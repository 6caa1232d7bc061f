"""Streets to 50 m, larger pictures, and the photographic look: where things stand, and that every picture belongs to its labels."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from refusals import refused

from voxcli import files
from voxcli.datasets.street import StreetFolder
from voxcli.datasets.synthetic.assets import is_closed
from voxcli.datasets.synthetic.folders import write_dataset
from voxcli.datasets.synthetic.street.config import StreetConfig
from voxcli.datasets.synthetic.street.dataset import StreetGenerator
from voxcli.datasets.synthetic.street.far.buildings import FORMS, far_building
from voxcli.datasets.synthetic.street.far.layout import VEHICLES, lay_out_far
from voxcli.datasets.synthetic.street.far.plan import draw_street, draw_view
from voxcli.datasets.synthetic.street.far.trees import street_tree
from voxcli.datasets.synthetic.street.furniture import KINDS, barrier, shelter
from voxcli.datasets.synthetic.street.plan import Footprints, overlaps
from voxcli.datasets.synthetic.street.sample import ObjectMaker, make_sample
from voxcli.errors import UsageError, VoxcliError
from voxcli.scene import FRUSTUM_PRESETS, STREET_CLASSES, FruxelGrid

FAR = FRUSTUM_PRESETS["far"]
SMALL = StreetConfig(replace(FAR, width=64, height=48, depth=48), preset="far")
NEAR = StreetConfig(replace(StreetConfig().frustum, width=48, height=40, depth=32))


@pytest.fixture(scope="module")
def layouts():
    return [lay_out_far(np.random.default_rng(seed), FAR, ObjectMaker(far=True)) for seed in range(24)]


@pytest.fixture(scope="module")
def samples():
    return [make_sample(6, k, replace(SMALL, picture_scale=2)) for k in range(6)]


def ahead_of(layout):
    """(distance ahead, class) of all objects."""
    ahead = [layout.view.from_plan(np.array(p.x), np.array(p.z))[0] for p in layout.placed]
    return [(float(a), p.thing.class_name) for a, p in zip(ahead, layout.placed, strict=True)]


def test_nothing_stands_inside_anything_else(layouts):
    for layout in layouts:
        boxes = [Footprints.of(p.thing, np.array([p.x]), np.array([p.z]), np.array([p.heading]))[0] for p in layout.placed]
        for k, p in enumerate(layout.placed):
            others = [j for j in range(k) if (p.x, p.z) != (layout.placed[j].x, layout.placed[j].z)]  # a rider is on a bicycle
            if others:
                assert not overlaps(boxes[k][:, None], np.concatenate([boxes[j] for j in others])[None]).any(), p.thing.class_name


def test_objects_lie_within_their_blocks(layouts):
    for layout in layouts[:6]:
        for p in layout.placed:
            v, b = p.thing.vertices, p.thing.blocks
            low, high = b[:, ::2].min(0) - 0.02, b[:, 1::2].max(0) + 0.02
            rider = p.thing.class_name == "person"  # arms and bags of a rider reach over the bicycle's
            assert rider or ((v >= low) & (v <= high)).all(), p.thing.class_name


def test_streets_reach_to_fifty_metres_and_beyond(layouts):
    for layout in layouts:
        houses = [(p, layout.view.from_plan(np.array(p.x), np.array(p.z))) for p in layout.placed if p.thing.class_name == "building"]
        assert max(float(a) for _, (a, _) in houses) > 30  # at the least what closes the street
    far = [max(a for a, name in ahead_of(layout) if name in ("building", "tree")) for layout in layouts]
    assert np.mean(np.array(far) > 50) > 0.75
    ground = [a for layout in layouts for a, name in ahead_of(layout) if name in ("car", "person")]
    assert min(ground) < 6 and np.mean(np.array(ground) > 30) > 0.1


def test_cars_are_by_far_the_most_frequent_vehicle(layouts):
    count = {name: sum(kind == name for layout in layouts for _, kind in ahead_of(layout)) for name in VEHICLES}
    assert count["car"] > 3 * max(count["van"], count["truck"], count["bus"]) and min(count.values()) > 0


def test_people_and_bicycles_are_seen_often():
    count, present = 24, np.zeros(len(STREET_CLASSES))
    for index in range(count):
        labels = make_sample(12, index, SMALL).fruxels.labels
        present += np.bincount(labels.ravel(), minlength=len(STREET_CLASSES)) > 0
    share = dict(zip(STREET_CLASSES, present / count, strict=True))
    assert min(share[n] for n in ("air", "ground", "building")) > 0.9 and share["person"] > 0.8 and share["bicycle"] > 0.5, share
    assert share["car"] > 0.8 and share["tree"] > 0.6 and min(share[n] for n in ("van", "bus", "truck")) > 0.05, share


def test_the_camera_is_a_dash_cam_or_somebody_on_foot():
    rng = np.random.default_rng(5)
    views = [draw_view(rng, draw_street(rng), FAR) for _ in range(300)]
    heights, pitches = np.array([v.position[1] for v in views]), np.degrees([v.pitch for v in views])
    assert heights.min() >= 1.2 and heights.max() <= 2.0
    assert pitches.min() >= -3 and pitches.max() <= 8
    aside = np.degrees([abs(math.asin(math.sin(v.heading))) for v in views])  # from the street's axis
    assert np.mean(aside <= 25.3) > 0.8 and np.mean(aside > 25.3) > 0.05


def test_distances_are_even_by_their_logarithm(layouts):
    from voxcli.datasets.synthetic.street.far.builder import FarBuilder

    one = layouts[0]
    builder = FarBuilder(np.random.default_rng(0), one.street, one.view, ObjectMaker(far=True), 1)
    drawn = np.log([builder.distance() for _ in range(4000)])
    low, high = math.log(4), math.log(48)
    np.testing.assert_allclose(np.quantile(drawn, [0.25, 0.5, 0.75]), low + (high - low) * np.array([0.25, 0.5, 0.75]), atol=0.06)


@pytest.mark.parametrize(
    "make",
    [
        *(lambda rng, form=form: far_building(rng, 9.0, form) for form in FORMS),
        *(lambda rng, bare=bare: street_tree(rng, bare, 1.5, 4.0, True) for bare in (False, True)),
        *(lambda rng, kind=kind: barrier(rng, 6.0, kind) for kind in ("wall", "railing", "fence", "hoarding")),
        shelter, *KINDS.values(),
    ],
)  # fmt: skip
def test_every_solid_is_closed_and_stands_on_the_ground(make):
    for seed in range(8):
        thing = make(np.random.default_rng(seed))
        a, b, c = (thing.vertices[thing.faces[:, k]] for k in range(3))
        assert is_closed(thing.faces) and np.einsum("ij,ij->", a, np.cross(b, c)) > 0
        assert abs(thing.vertices[:, 1].min()) < 1e-9 and len(thing.style) == 16


def test_a_tree_keeps_away_from_the_wall_behind_it():
    for seed in range(20):
        tree = street_tree(np.random.default_rng(seed), False, 1.2, 4.0, True)
        crown = tree.vertices[tree.vertices[:, 1] > tree.blocks[1, 2] + 0.5]
        assert tree.blocks[1, 1] > 1.2 and np.quantile(crown[:, 0], 0.02) > -1.5  # branches may reach over it a little


# Pictures


@pytest.mark.parametrize("config", [NEAR, SMALL, replace(NEAR, look="photo")])
def test_larger_pictures_change_no_label(config):
    small, large = make_sample(3, 1, config), make_sample(3, 1, replace(config, picture_scale=2))
    np.testing.assert_array_equal(small.fruxels.labels, large.fruxels.labels)
    np.testing.assert_array_equal(small.fruxels.world_to_cam, large.fruxels.world_to_cam)
    assert small.poses == large.poses and small.fruxels.frustum == large.fruxels.frustum == config.frustum
    height, width = config.frustum.height, config.frustum.width
    assert large.picture.rgb.shape == (2 * height, 2 * width, 3) and large.depth.shape == large.instances.shape == (2 * height, 2 * width)
    np.testing.assert_allclose(large.camera.K[:2], 2 * small.camera.K[:2])
    assert (large.camera.width, large.camera.height) == (2 * width, 2 * height)


def test_ground_pixels_lie_on_the_ground_by_the_pictures_own_camera(samples):
    # The point at depth z behind pixel (u, v) is z K^-1 (u, v, 1); the top of the ground is at y = 0.
    for sample in samples:
        v, u = np.nonzero(sample.instances == 1)
        camera = sample.camera
        rays = np.linalg.inv(camera.K) @ np.stack([u + 0.5, v + 0.5, np.ones(len(u))])
        points = rays * sample.depth[v, u]
        rotation, shift = camera.world_to_cam[:3, :3], camera.world_to_cam[:3, 3]
        world = rotation.T @ (points - shift[:, None])
        top = np.abs(world[1]) < 1e-4 * (1 + sample.depth[v, u])
        assert top.mean() > 0.999


def test_depth_and_labels_agree_at_twice_the_size(samples):
    # The four pixels of a column surround its ray: the first filled slice lies between their nearest and farthest depth, about.
    for sample in samples:
        frustum, solid = sample.fruxels.frustum, sample.fruxels.labels != 0
        depth = np.nan_to_num(sample.depth, nan=1e3).reshape(frustum.height, 2, frustum.width, 2).transpose(0, 2, 1, 3).reshape(
            frustum.height, frustum.width, 4)  # fmt: skip
        flat = (depth.max(-1) < frustum.z_far) & (depth.min(-1) > frustum.z_near) & (np.ptp(depth, axis=-1) < frustum.slice_thickness / 2)
        seen = (depth.mean(-1)[flat] - frustum.z_near) / frustum.slice_thickness
        assert flat.mean() > 0.2 and solid.any(0)[flat].all()
        assert (np.abs(solid.argmax(0)[flat] + 0.5 - seen) < 1.2).mean() > 0.99


def test_instances_know_the_objects_of_the_poses_alone(samples):
    for sample in samples:
        ids = {0, 1, *(pose["instance"] for pose in sample.poses)}
        assert set(np.unique(sample.instances).tolist()) <= ids
        assert ((sample.instances == 0) == np.isnan(sample.depth)).all()
        labels = np.array([0, STREET_CLASSES.index("ground"), *(STREET_CLASSES.index(p["class"]) for p in sample.poses)])
        frustum, solid = sample.fruxels.frustum, sample.fruxels.labels != 0
        first = np.take_along_axis(sample.fruxels.labels, solid.argmax(0)[None], 0)[0]
        corners = sample.instances.reshape(frustum.height, 2, frustum.width, 2).transpose(0, 2, 1, 3).reshape(*first.shape, 4)
        depth = sample.depth.reshape(frustum.height, 2, frustum.width, 2).transpose(0, 2, 1, 3).reshape(*first.shape, 4)
        same = (corners == corners[..., :1]).all(-1) & (depth.max(-1) < frustum.z_far) & (depth.min(-1) > frustum.z_near)
        assert (first != labels[corners[..., 0]])[same].mean() < 0.03  # where two share a slice, the later one owns it


def test_a_look_changes_nothing_but_colours():
    for index in range(2):
        clean, photo = make_sample(9, index, NEAR), make_sample(9, index, replace(NEAR, look="photo"))
        np.testing.assert_array_equal(clean.fruxels.labels, photo.fruxels.labels)
        np.testing.assert_allclose(clean.depth, photo.depth, rtol=1e-5)
        assert (clean.instances == photo.instances).mean() > 0.999 and clean.poses == photo.poses
        assert (clean.picture.rgb != photo.picture.rgb).mean() > 0.5
        far, plain = make_sample(9, index, SMALL), make_sample(9, index, replace(SMALL, look="clean"))
        np.testing.assert_array_equal(far.fruxels.labels, plain.fruxels.labels)
        assert (far.instances == plain.instances).mean() > 0.999


def all_bytes(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_workers_change_no_byte_and_files_say_what_they_are(tmp_path):
    config = replace(SMALL, picture_scale=2)
    write_dataset(tmp_path / "one", 4, StreetGenerator(3, config))
    write_dataset(tmp_path / "two", 4, StreetGenerator(3, config), workers=2)
    assert all_bytes(tmp_path / "one") == all_bytes(tmp_path / "two")
    options = json.loads((tmp_path / "one/meta.json").read_text())["options"]
    assert (options["preset"], options["picture_scale"], options["look"]) == ("far", 2, "photo")
    data = StreetFolder([tmp_path / "one"])
    assert data.frustum == config.frustum and data[0].image.shape == (96, 128, 3)
    said = json.loads((tmp_path / "one/poses/000000.json").read_text())["camera"]
    assert (said["width"], said["height"]) == (128, 96) and said["K"][0][2] == 64
    grid = files.read_as(tmp_path / "one/fruxels/000000.npz", FruxelGrid)
    assert grid.frustum == config.frustum and grid.classes.names == STREET_CLASSES
    with refused(UsageError, "other options"):
        write_dataset(tmp_path / "one", 4, StreetGenerator(3, SMALL))


def test_the_default_preset_says_nothing_new_in_its_meta(tmp_path):
    write_dataset(tmp_path / "d", 1, StreetGenerator(3, NEAR))
    assert set(json.loads((tmp_path / "d/meta.json").read_text())["options"]) == {"asset_share", "classes", "fov_jitter_deg", "frustum"}


@pytest.mark.parametrize(
    ("wrong", "told"),
    [({"preset": "fat"}, {"hint": "'far'"}), ({"look": "foto"}, {"hint": "photo"}), ({"picture_scale": 0}, {"actual": 0})],
)
def test_options_that_are_none_are_named(wrong, told):
    with refused(VoxcliError, **told):
        StreetConfig(**wrong)
