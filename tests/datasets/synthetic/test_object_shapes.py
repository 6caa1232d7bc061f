"""Generators of objects: sound solids in the ShapeNet frame, real variation; the renderer against closed forms."""

import math

import numpy as np
import pytest
import torch

from voxcli.datasets.synthetic.objects import volumes
from voxcli.datasets.synthetic.objects.families import FAMILIES
from voxcli.datasets.synthetic.objects.parts import Builder, Material, Texture, plan, rounded_box, slab, tube, turned
from voxcli.datasets.synthetic.objects.render import Light, Renderer, albedo, corner_normals, draw_light
from voxcli.datasets.synthetic.shapes import Shape, box, icosphere, signed_volume
from voxcli.geometry.cameras import from_shapenet, shapenet_intrinsics
from voxcli.geometry.closedness import closed_faces, merge_vertices

SEEDS = range(12)


@pytest.fixture(scope="module")
def things():
    """Some of every category."""
    return {name: [family.make(np.random.default_rng(seed)) for seed in SEEDS] for name, family in FAMILIES.items()}


@pytest.mark.parametrize("category", FAMILIES)
def test_every_piece_is_closed_and_wound_outward(things, category):
    for thing in things[category]:
        assert closed_faces(merge_vertices(thing.vertices, thing.faces)).all()
        for piece in range(int(thing.pieces.max()) + 1):
            assert signed_volume(Shape(thing.vertices, thing.faces[thing.pieces == piece])) > 0


@pytest.mark.parametrize("category", FAMILIES)
def test_objects_lie_in_the_shapenet_frame(things, category):
    for thing in things[category]:
        low, high = thing.vertices.min(0), thing.vertices.max(0)
        assert np.allclose(low + high, 0, atol=1e-12) and np.isclose(np.linalg.norm(high - low), 1)
        assert thing.parts.max() < len(thing.part_names) and thing.colours.min() >= 0 and thing.colours.max() <= 1


def test_fronts_are_along_x(things):
    def middle(thing, part):
        return thing.vertices[thing.faces[thing.parts == thing.part_names.index(part)]].mean((0, 1))

    for category in ("chair", "couch"):
        for thing in things[category]:
            assert middle(thing, "back")[0] < middle(thing, "seat")[0] and middle(thing, "back")[1] > middle(thing, "seat")[1]
    for thing in things["airplane"]:
        assert middle(thing, "tail")[0] < middle(thing, "wings")[0]
    for thing in things["cabinet"]:
        assert "handles" not in thing.part_names or not (thing.parts == 4).any() or middle(thing, "handles")[0] > 0


@pytest.mark.parametrize("category", FAMILIES)
def test_no_two_objects_of_a_category_are_alike(things, category):
    extents = np.array([np.ptp(thing.vertices, axis=0) for thing in things[category]])
    assert np.all(extents.std(0) > 0.01)
    assert len({len(thing.faces) for thing in things[category]}) >= 5
    assert len({thing.colours[0].tobytes() for thing in things[category]}) >= 10
    used = {tuple(np.unique(thing.parts)) for thing in things[category]}
    assert len(used) >= 2 or category in ("car", "couch")


def test_building_blocks_have_the_volumes_of_their_closed_forms():
    assert signed_volume(rounded_box((1.0, 0.6, 0.8), (3, 1, 2), 1e-6)) == pytest.approx(0.48, rel=1e-4)
    a = np.linspace(0, 2 * math.pi, 4000, endpoint=False)
    fine = slab(np.stack([np.cos(a), np.sin(a)], 1), 0.0, 1.0)
    assert signed_volume(fine) == pytest.approx(math.pi, rel=0.02)
    assert signed_volume(tube(np.array([[0, 0, 0], [0, 1, 0], [0, 2, 0.0]]), 0.1, 64)) == pytest.approx(2 * math.pi * 0.01, rel=0.01)
    for kind in ("rectangle", "rounded", "ellipse", "hexagon"):
        assert np.allclose(np.ptp(plan(kind, 2.0, 1.0), axis=0)[0], 2.0, rtol=0.01)
    assert np.allclose(turned(box((0, 0, 0), (0, 1, 0)), 0, 90).vertices[0], (0, 0, 1))  # about x, y turns to z


def ball(material):
    """A sphere of radius 1/sqrt(12): its box has a diagonal of 1."""
    b = Builder("lamp", ("base", "pole", "shade", "bulb"))
    b.add(icosphere(4), "shade", material)
    return b.finish()


EVEN = Light(np.array([0, 1.0, 0]), np.array([0, 1.0, 0]), 0.0, 0.0, np.ones(3), np.full(3, 0.5), np.full(3, 0.5))


def test_a_ball_has_the_silhouette_depth_and_colour_of_the_formula():
    thing, size = ball(Material(np.array([0.8, 0.4, 0.2]))), 137
    radius, distance = 1 / math.sqrt(12), 1.4
    rgba, depth = Renderer(thing).view(shapenet_intrinsics(size), from_shapenet(70, 20, distance / 1.75), size, EVEN)
    f = 35 / 32 * size
    seen = f * radius / math.sqrt(distance**2 - radius**2)  # the radius of a ball's outline
    assert (rgba[..., 3] / 255).sum() == pytest.approx(math.pi * seen**2, rel=0.01)
    rows, columns = np.nonzero(rgba[..., 3])
    assert (rows.mean(), columns.mean()) == pytest.approx((68, 68), abs=0.05)
    assert np.nanmin(depth) == pytest.approx(distance - radius, abs=2e-3)
    assert np.array_equal(np.isfinite(depth), rgba[..., 3] > 0)
    expected = 255 * (0.5 * np.array([0.8, 0.4, 0.2]) ** 2.2) ** (1 / 2.2)
    assert np.abs(rgba[68, 68, :3] - expected).max() <= 1
    assert not rgba[rgba[..., 3] == 0].any()


def test_round_faces_are_smoothed_and_sharp_edges_are_kept():
    sphere = icosphere(3)
    normals = corner_normals(sphere.vertices, sphere.faces)
    assert np.einsum("fkc,fkc->fk", normals, sphere.vertices[sphere.faces]).min() > 0.9995
    cube = box((1, 1, 1))
    corners = cube.vertices[cube.faces]
    flat = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    flat /= np.linalg.norm(flat, axis=1, keepdims=True)
    assert np.allclose(corner_normals(cube.vertices, cube.faces), flat[:, None], atol=1e-6)


def test_the_key_light_is_in_front_of_the_camera():
    for k in range(20):
        light = draw_light(np.random.default_rng(k), 130.0)
        towards = np.array([math.cos(math.radians(130)), 0, math.sin(math.radians(130))])
        assert light.key @ towards > 0 and light.key[1] > 0 and np.linalg.norm(light.key) == pytest.approx(1)


def test_plain_albedo_is_the_colour_of_the_face_and_textures_keep_its_mean():
    plain = ball(Material(np.array([0.3, 0.5, 0.7])))
    drawn = volumes.sample(plain, 5000, np.random.default_rng(0))
    assert np.allclose(albedo(plain, drawn.face, drawn.points), (0.3, 0.5, 0.7), atol=1e-6)
    for texture in (Texture.WOOD, Texture.FABRIC, Texture.STRIPES, Texture.CHECKS, Texture.STONE):
        thing = ball(Material(np.array([0.4, 0.5, 0.6]), texture=texture))
        values = albedo(thing, drawn.face, drawn.points)
        assert values.std(0).min() > 0.005 and np.abs(values.mean(0) / (0.4, 0.5, 0.6) - 1).max() < 0.15


def test_samples_spread_by_area_and_stay_on_the_outside():
    b = Builder("lamp", ("base", "pole", "shade", "bulb"))
    b.add(box((2, 2, 2)), "base", Material(np.full(3, 0.5)))
    b.add(box((1, 1, 1)), "pole", Material(np.full(3, 0.5)))  # hidden within
    thing = b.finish()
    drawn = volumes.visible_samples(thing, 4000, np.random.default_rng(0))
    assert len(drawn.points) == 4000 and (thing.parts[drawn.face] == 0).all()
    side = 1 / math.sqrt(12)
    assert np.allclose(np.abs(drawn.points).max(1), side)
    assert np.bincount(np.abs(drawn.points).argmax(1)) / 4000 == pytest.approx([1 / 3] * 3, abs=0.02)


def test_voxels_of_a_ball_have_its_volume_in_either_grid():
    torch.manual_seed(0)
    thing = ball(Material(np.array([0.2, 0.4, 0.6])))
    grid = volumes.solid_voxels(thing, np.random.default_rng(0), 32)
    radius = 1 / math.sqrt(12)
    assert np.allclose(grid.origin, -radius) and np.allclose(grid.voxel_size, 2 * radius / 32)
    volume = grid.occupancy.sum() * grid.voxel_size.prod()
    assert 1.0 < volume / (4 / 3 * math.pi * radius**3) < 1.12  # a quarter of a cell's reach fattens it a little
    fine = volumes.coloured_voxels(thing, volumes.visible_samples(thing, 40_000, np.random.default_rng(0)))
    labels = fine.grid.labels
    assert labels.shape == (64, 64, 64) and set(np.unique(labels)) == {0, 3} and fine.grid.classes.names[3] == "shade"
    assert (fine.colours[labels > 0] == np.round(np.array([0.2, 0.4, 0.6]) * 255)).all() and not fine.colours[labels == 0].any()
    at = np.argwhere(labels > 0)
    assert np.allclose(at.mean(0), 31.5, atol=0.05) and at.min() == 13 and at.max() == 50


@pytest.mark.parametrize("category", FAMILIES)
def test_volumes_are_of_one_piece_down_to_the_thinnest_legs(things, category):
    from scipy.ndimage import label

    for thing in things[category][:6]:
        occupied = volumes.solid_voxels(thing, np.random.default_rng(0)).occupancy
        parts, count = label(occupied, np.ones((3, 3, 3)))
        assert np.bincount(parts.reshape(-1))[1:].max() / occupied.sum() > 0.985, f"{count} pieces"
