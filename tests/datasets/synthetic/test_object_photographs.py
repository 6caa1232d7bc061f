"""Photographs of objects: masks by geometry, shadows as rays meet the objects, places that hold what stands in them."""

import json

import numpy as np
import pytest
from references.silhouettes import agree, seen_by
from refusals import refused

from voxcli import files
from voxcli.datasets.disn import DISNFolder
from voxcli.datasets.r2n2 import R2N2Folder
from voxcli.datasets.synthetic.folders import write_dataset
from voxcli.datasets.synthetic.objects.dataset import ObjectsConfig, ObjectsGenerator
from voxcli.datasets.synthetic.objects.families import FAMILIES
from voxcli.datasets.synthetic.objects.layouts import as_mesh
from voxcli.datasets.synthetic.objects.photo.backdrop import FLOOR, SKY, draw_place
from voxcli.datasets.synthetic.objects.photo.clutter import draw_clutter
from voxcli.datasets.synthetic.objects.photo.finishes import _PATTERNS, Finish
from voxcli.datasets.synthetic.objects.photo.patterns import grains, leaves, surface
from voxcli.datasets.synthetic.objects.photo.render import Photographer, View, cast, draw_light
from voxcli.datasets.synthetic.objects.views import photo_views
from voxcli.errors import DataError, UsageError
from voxcli.geometry.cameras import inverse_rigid
from voxcli.scene import Camera, Mesh

PHOTO = ObjectsConfig(("chair", "car"), 3, backgrounds="photo")


def made(category, seed=0):
    return FAMILIES[category].make(np.random.default_rng(seed))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("photographs") / "r2n2"
    write_dataset(out, 2, ObjectsGenerator(5, PHOTO))
    return out


def test_alpha_is_the_objects_silhouette_and_colours_are_those_of_the_whole_picture(folder):
    data = R2N2Folder(folder, None)
    for index in range(2):
        sample = data[index]
        mesh = files.read_as(folder / "objects" / data.name(index) / "model.glb", Mesh)
        assert sample.images.shape == (3, 224, 224, 4)
        for image, camera in zip(sample.images, sample.cameras, strict=True):
            assert agree(seen_by(camera, mesh), image[..., 3] > 127) > 0.9
            hidden = image[..., :3][image[..., 3] == 0]
            assert len(hidden) > 9000 and np.ptp(hidden, axis=0).max() > 5
    half = data.cameras(0, [1], 112)[0]
    np.testing.assert_allclose(half.K[:2] * 2, data.cameras(0, [1], 224)[0].K[:2])
    with refused(DataError, "no view 7"):
        data.cameras(0, [7])


def test_disns_layout_states_lens_and_place_of_every_photograph(tmp_path):
    write_dataset(tmp_path, 1, ObjectsGenerator(2, ObjectsConfig(("chair",), 2, "disn", "photo")))
    data = DISNFolder(tmp_path)
    mesh = files.read_as(tmp_path / "objects" / data.name(0) / "model.glb", Mesh)
    for kind in ("easy", "hard"):
        sample = data.sample(0, kind=kind)
        for image, camera, depth in zip(sample.images, sample.cameras, sample.depths, strict=True):
            assert agree(seen_by(camera, mesh), image[..., 3] > 127) > 0.9
            assert np.array_equal(np.isfinite(depth), image[..., 3] > 0)
            rows, columns = np.nonzero(image[..., 3] == 255)
            rays = np.linalg.solve(camera.K, np.stack([columns + 0.5, rows + 0.5, np.ones(len(rows))]))
            world = ((rays * depth[rows, columns]).T - camera.world_to_cam[:3, 3]) @ camera.world_to_cam[:3, :3]
            assert (np.abs(world) <= np.abs(mesh.vertices).max(0) + 0.02).all()


def test_what_is_made_depends_on_the_options_and_default_ones_are_not_named():
    assert ObjectsConfig().facts().keys() == {"categories", "views", "layout"}
    assert PHOTO.facts()["backgrounds"] == "photo" and ObjectsConfig(asset_share=1).facts()["asset_share"] == 1
    with refused(UsageError, "'pohto'", hint="'photo'"):
        ObjectsConfig(backgrounds="pohto")
    with refused(UsageError, "share of assets", actual=2):
        ObjectsConfig(asset_share=2)


@pytest.mark.parametrize("category", ["airplane", "lamp", "couch"])
def test_views_show_all_of_the_object_from_above_its_floor_by_many_lenses(category):
    thing = made(category, 3)
    lines = photo_views(np.random.default_rng(1), 30, thing.vertices)
    for line in lines:
        matrix = line.world_to_cam
        cam = thing.vertices @ matrix[:3, :3].T + matrix[:3, 3]
        pixels = cam @ line.K(100).T
        assert cam[:, 2].min() > 0 and (np.abs(pixels[:, :2] / pixels[:, 2:] - 50) < 50).all()
        assert inverse_rigid(matrix)[1, 3] > thing.vertices[:, 1].min()
    focal = np.array([line.focal for line in lines])
    assert focal.min() < 28 and focal.max() > 55 and len({line.elevation > 30 for line in lines}) == 2


def reaches(origins, way, corners):
    """Whether rays from origins [N, 3] along `way` [3] meet any triangle [F, 3, 3], one by one (Moeller and Trumbore, 1997)."""
    out = np.zeros(len(origins), bool)
    for a, b, c in corners:
        p = np.cross(way, c - a)
        area = (b - a) @ p
        if abs(area) < 1e-12:
            continue
        t = origins - a
        u, q = t @ p / area, np.cross(t, b - a)
        v, far = q @ way / area, q @ (c - a) / area
        out |= (u >= 0) & (v >= 0) & (u + v <= 1) & (far > 1e-6)
    return out


def test_the_floor_is_dark_where_a_ray_towards_the_light_meets_the_object():
    thing = made("table", 4)
    photographer = Photographer(thing, np.random.default_rng(0))
    line = photo_views(np.random.default_rng(2), 1, thing.vertices)[0]
    light, K, pose = draw_light(np.random.default_rng(3), 40.0), line.K(64), line.world_to_cam
    dark, _ = photographer._shadows(View(K, pose, 64, np.zeros(0, np.int64), True), light, 0.0)
    axis = (np.arange(64) + 0.5 - 32) / K[0, 0]
    rays = np.stack([*np.meshgrid(axis, axis), np.ones((64, 64))], -1).reshape(-1, 3) @ pose[:3, :3]
    eye, floor = inverse_rigid(pose)[:3, 3], thing.vertices[:, 1].min()
    below = rays[:, 1] < -1e-3
    points = eye + rays[below] * ((floor - eye[1]) / rays[below, 1])[:, None]
    expected = reaches(points, light.key, thing.vertices[thing.faces])
    sure = np.abs(dark.ravel()[below] - 0.5) > 0.4  # away from the blurred rim
    assert sure.mean() > 0.7 and expected.mean() > 0.02
    assert (dark.ravel()[below] > 0.5)[sure] == pytest.approx(expected[sure])
    assert cast(thing.vertices, float(floor), light.key)[:, 1] == pytest.approx(floor)


def test_rays_in_a_place_end_where_they_leave_its_box():
    rng = np.random.default_rng(6)
    for kind in ("room", "outdoors", "studio"):
        thing = made("chair", 1)
        bounds = np.stack([thing.vertices.min(0), thing.vertices.max(0)])
        eye = np.array([0.9, 0.7, -1.2])
        place = draw_place(rng, kind, eye, bounds)
        rays = rng.standard_normal((400, 3))
        side, far = place.meet(eye, rays)
        c, s = np.cos(place.turn), np.sin(place.turn)
        own = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
        start, ways = own @ eye, rays @ own.T
        low, high = np.array(place.bounds)[[0, 4, 2]], np.array(place.bounds)[[1, 5, 3]]
        assert (low < start).all() and (start < high).all() and (bounds[0, 1] == low[1])
        steps = np.where(ways > 0, (high - start) / ways, (low - start) / ways)  # where each axis leaves the box
        np.testing.assert_allclose(far, steps.min(1), rtol=2e-3)
        hit = start + steps.min(1)[:, None] * ways
        walls = (side < FLOOR) & (steps.argmin(1) != 1)
        assert (steps.argmin(1)[side == FLOOR] == 1).all() and (ways[side == FLOOR, 1] < 0).all()
        tops = np.array(place.tops)
        assert (hit[walls, 1] - low[1] <= tops[side[walls]] + 1e-3).all()
        assert kind != "room" or not (side == SKY).any()


def test_things_in_front_of_an_object_are_left_out_where_they_would_cover_it():
    thing = made("chair", 2)
    clutter = draw_clutter(np.random.default_rng(1), thing)
    own = clutter.renderer.thing
    assert own.closed and own.vertices[:, 1].min() == pytest.approx(thing.vertices[:, 1].min())
    seen = 0
    for line in photo_views(np.random.default_rng(7), 12, thing.vertices):
        pose, focal = line.world_to_cam, line.K(1)[0, 0]
        camera = Camera(line.K(128), 128, 128, pose)
        cam = thing.vertices @ pose[:3, :3].T + pose[:3, 3]
        flat = focal * cam[:, :2] / cam[:, 2:]
        faces = clutter.beside(pose, focal, np.stack([flat.min(0), flat.max(0)]), float(cam[:, 2].mean()))
        seen += len(faces) > 0
        for first, last, start, end in clutter.spans:
            shown, depth = first in faces, own.vertices[start:end] @ pose[2, :3] + pose[2, 3]
            if shown and depth.mean() < cam[:, 2].mean():
                part = seen_by(camera, Mesh(own.vertices[start:end], own.faces[first:last] - start))
                assert not (part & seen_by(camera, as_mesh(thing))).any()
    assert seen > 6


@pytest.mark.parametrize("kind", list(_PATTERNS))
def test_finishes_are_colours_and_coarse_samples_show_no_fine_pattern(kind):
    u, v = np.random.default_rng(0).uniform(-2, 2, (2, 4000)).astype(np.float32)
    finish = Finish(kind, np.array([0.2, 0.3, 0.4]), np.array([0.6, 0.5, 0.1]), 6.0, 17.0, 0.8)
    fine, coarse = (finish.at(u, v, np.full(4000, step, np.float32)) for step in (1e-3, 2.0))
    assert fine.shape == (4000, 3) and fine.dtype == np.float32 and (fine >= 0).all() and np.isfinite(fine).all()
    assert coarse.std(0).sum() < 1.01 * fine.std(0).sum()


@pytest.mark.parametrize("draw", [leaves, surface, grains])
def test_patterns_are_light_and_differ(draw):
    first, other = (draw(np.random.default_rng(seed), 96) for seed in (1, 2))
    assert first.shape == (96, 96, 3) and first.dtype == np.float32 and (first > 0).all() and first.max() < 5
    assert np.abs(first - other).mean() > 0.02
    assert np.array_equal(first, draw(np.random.default_rng(1), 96))


def test_another_place_shows_things_and_no_object():
    thing = made("chair", 2)
    photographer = Photographer(thing, np.random.default_rng(1))
    light = draw_light(np.random.default_rng(3), 0.0)
    pictures = [photographer._elsewhere(48, light, np.random.default_rng(seed)) for seed in range(4)]
    assert all(picture.shape == (48, 48, 3) and np.isfinite(picture).all() and picture.std() > 0.005 for picture in pictures)
    photographer.thing = made("car", 0)  # nothing of it is drawn
    assert np.array_equal(pictures[2], photographer._elsewhere(48, light, np.random.default_rng(2)))


def test_assets_alone_where_that_is_asked_for(tmp_path):
    (tmp_path / "assets" / "chair").mkdir(parents=True)
    files.write(tmp_path / "assets" / "chair" / "a.glb", as_mesh(made("lamp", 5)))
    config = ObjectsConfig(views=1, asset_share=1)
    write_dataset(tmp_path / "out", 3, ObjectsGenerator(0, config, tmp_path / "assets"))
    assert R2N2Folder(tmp_path / "out", None).categories == ["chair"]
    meta = json.loads((tmp_path / "out" / "meta.json").read_text())
    assert meta["options"]["asset_share"] == 1 and meta["options"]["categories"] == ["chair"]
    lamp = as_mesh(made("lamp", 5))
    for name in ("s0-000000", "s0-000002"):
        assert len(files.read_as(tmp_path / "out/objects/03001627" / name / "model.glb", Mesh).faces) == len(lamp.faces)
    with refused(UsageError, "none of these categories", actual="chair"):
        ObjectsGenerator(0, ObjectsConfig(("car",), asset_share=1), tmp_path / "assets")
