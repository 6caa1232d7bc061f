"""Every parametric solid is closed, wound outward, and has the volume that geometry says."""

import math

import numpy as np
import pytest

from voxcli.datasets.synthetic import shapes
from voxcli.datasets.synthetic.assets import is_closed
from voxcli.datasets.synthetic.street.people import bicycle, person
from voxcli.datasets.synthetic.street.plan import Footprints, overlaps
from voxcli.datasets.synthetic.street.scenery import building, tree
from voxcli.datasets.synthetic.street.vehicles import bus, car, truck, van

SQUARE = [(0.0, 0.0), (0.0, 1.0), (1.0, 1.0), (1.0, 0.0)]
QUAD = np.array([[0.0, 0, 0], [2, 0, 0], [2, 3, 0], [0, 3, 0]])


def polygon_area(points: int) -> float:
    """Area of the regular polygon in the unit circle."""
    return points / 2 * math.sin(2 * math.pi / points)


@pytest.mark.parametrize(
    ("shape", "volume"),
    [
        (shapes.box((1, 2, 3), (4, 5, 6)), 6.0),
        (shapes.tapered_box((2, 2), (1, 1), 3, lean=0.4), 3 / 3 * (4 + 1 + 2)),
        (shapes.cylinder(2, 3, 12, 0), 3 * 4 * polygon_area(12)),
        (shapes.cylinder(2, 3, 12, 1), 3 * 4 * polygon_area(12)),
        (shapes.cylinder(2, 3, 12, 2, (1, 1, 1)), 3 * 4 * polygon_area(12)),
        (shapes.cone(2, 3, 9), 4 * polygon_area(9)),
        (shapes.lathe([(0, 1), (2, 1)], 10, (2.0, 0.5)), 2 * polygon_area(10)),
        (shapes.limb(np.zeros(3), np.array([0, 0, -2.0]), 0.5, 0.5, 6), 2 * 0.25 * polygon_area(6)),
        (shapes.limb(np.ones(3), np.array([3.0, 2, 1]), 1.0, 0.5, 8), math.sqrt(5) / 3 * (1 + 0.25 + 0.5) * polygon_area(8)),
        (shapes.extrude(SQUARE, 1.5), 3.0),
        (shapes.plate(QUAD, (0.25, 0.75), (0.0, 0.5), 0.1), 1.0 * 1.5 * 0.1),
        (shapes.torus(2.0, 0.5, 200, 100), 2 * math.pi**2 * 2 * 0.25),
        (shapes.ellipsoid((1, 2, 3), points=120, rings=80), 4 / 3 * math.pi * 6),
        (shapes.icosphere(4), 4 / 3 * math.pi),
    ],
)
def test_solids_are_closed_and_have_their_volume(shape, volume):
    assert is_closed(shape.faces)
    assert shapes.signed_volume(shape) == pytest.approx(volume, rel=5e-3)


@pytest.mark.parametrize("points", [8, 16, 32, 64])
def test_a_round_solid_nears_its_limit_with_the_square_of_its_corners(points):
    error = math.pi - shapes.signed_volume(shapes.cylinder(1, 1, points))
    assert 0 < error < 2 * math.pi**3 / (3 * points**2) * 1.001


def test_an_extruded_outline_must_run_the_right_way_round():
    with pytest.raises(ValueError, match="counter-clockwise"):
        shapes.extrude(SQUARE[::-1], 1.0)


MAKERS = [car, van, truck, bus, person, bicycle, tree, building]


@pytest.mark.parametrize("make", MAKERS)
def test_objects_are_closed_stand_on_the_ground_and_stay_in_their_blocks(make):
    for seed in range(25):
        thing = make(np.random.default_rng(seed))
        assert is_closed(thing.faces)
        assert shapes.signed_volume(shapes.Shape(thing.vertices, thing.faces)) > 0
        assert thing.vertices[:, 1].min() == pytest.approx(0, abs=1e-12)
        low, high = thing.blocks[:, ::2], thing.blocks[:, 1::2]
        x = thing.vertices[:, None]
        assert ((x >= low - 1e-9) & (x <= high + 1e-9)).all(-1).any(1).all()
        assert thing.colours.shape == (len(thing.faces), 3) and thing.colours.min() >= 0
        assert len(thing.surfaces) == len(thing.faces)


@pytest.mark.parametrize(
    ("make", "low", "high"),
    [
        (car, (1.6, 1.2, 3.4), (2.4, 2.1, 5.1)),
        (van, (1.7, 1.7, 4.2), (2.5, 2.8, 6.4)),
        (truck, (2.1, 2.2, 5.5), (3.0, 4.6, 9.2)),
        (bus, (2.3, 2.7, 7.4), (3.1, 3.7, 12.3)),
        (person, (0.3, 1.0, 0.2), (1.3, 2.3, 1.4)),
        (bicycle, (0.3, 0.85, 1.5), (0.9, 1.2, 2.1)),
    ],
)
def test_sizes_are_metric_and_vary(make, low, high):
    sizes = np.array([make(np.random.default_rng(seed)).size for seed in range(40)])
    assert (sizes >= low).all() and (sizes <= high).all()
    assert (sizes.std(0) > 0.015 * sizes.mean(0)).all()


def test_boxes_overlap_as_their_sampled_points_do():
    rng = np.random.default_rng(3)
    a, b = (
        np.column_stack([rng.uniform(-2, 2, (300, 2)), rng.uniform(0.2, 2, (300, 2)), rng.uniform(-4, 4, 300), np.zeros(300), np.ones(300)])
        for _ in range(2)
    )
    steps = np.stack(np.meshgrid(*[np.linspace(-1, 1, 81)] * 2), -1).reshape(-1, 2)

    def inside(points, box):
        c, s = np.cos(box[4]), np.sin(box[4])
        d = points - box[:2]
        local = np.stack([c * d[:, 0] - s * d[:, 1], s * d[:, 0] + c * d[:, 1]], 1)
        return (np.abs(local) < box[2:4]).all(1).any()

    def corners(box):
        c, s = np.cos(box[4]), np.sin(box[4])
        p = steps * box[2:4]
        return box[:2] + np.stack([c * p[:, 0] + s * p[:, 1], -s * p[:, 0] + c * p[:, 1]], 1)

    found = overlaps(a, b)
    shared = np.array([inside(corners(p), q) or inside(corners(q), p) for p, q in zip(a, b, strict=True)])
    assert (found >= shared).all() and (found != shared).mean() < 0.02
    apart = a.copy()
    apart[:, 5:] += 1.0
    assert not overlaps(apart, a).any()


def test_footprints_turn_with_their_objects():
    thing = car(np.random.default_rng(0))
    heading = np.array([0.0, math.pi / 2])
    boxes = Footprints.of(thing, np.zeros(2), np.zeros(2), heading)
    c, s = np.cos(heading[1]), np.sin(heading[1])
    turned = thing.vertices @ np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]).T
    middle = (turned.max(0) + turned.min(0)) / 2
    np.testing.assert_allclose(boxes[1, 0, :2], middle[[0, 2]], atol=1e-9)
