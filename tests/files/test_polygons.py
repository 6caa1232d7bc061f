"""Polygons of all formats: what they cover, and that a fan stays a fan where it is right."""

import numpy as np
import pytest
from refusals import refused
from small_solids import CUBE, CUBE_QUADS, U_OUTLINE, measures, obj_text, off_text, ply_text, prism, regular

from voxcli.errors import DataError
from voxcli.files import read_as
from voxcli.files.polygons import triangles_of
from voxcli.scene import Mesh

WRITERS = {".obj": obj_text, ".off": off_text, ".ply": ply_text}
COMB = [(0, 0), (7, 0), (7, 3), (6, 3), (6, 1), (5, 1), (5, 3), (4, 3), (4, 1), (3, 1), (3, 3), (2, 3), (2, 1), (1, 1), (1, 3), (0, 3)]


def area_of(outline):
    x, y = np.asarray(outline, float).T
    return abs((x * np.roll(y, -1) - y * np.roll(x, -1)).sum()) / 2


@pytest.mark.parametrize("extension", WRITERS)
@pytest.mark.parametrize(
    "outline, area, volume",
    [(U_OUTLINE, 30, 7), (regular(6), 11.196152, 2.598076), (regular(5), 10.633135, 2.377641), (COMB, 2 * 15 + 32, 15)],
)
def test_polygons_cover_their_own_area_in_every_format(tmp_path, extension, outline, area, volume):
    path = tmp_path / f"a{extension}"
    path.write_text(WRITERS[extension](*prism(outline)))
    mesh = read_as(path, Mesh)
    found_area, found_volume, *_ = measures(mesh)
    assert (found_area, found_volume) == pytest.approx((area, volume), rel=1e-5)
    assert len(mesh.faces) == 2 * (len(outline) - 2) + 2 * len(outline)


@pytest.mark.parametrize("shift", range(8))
@pytest.mark.parametrize("turned", [False, True])
def test_a_notched_square_is_covered_whichever_corner_comes_first(shift, turned):
    outline = np.roll(np.array(U_OUTLINE, float), shift, axis=0)[:: -1 if turned else 1]
    points = np.c_[np.zeros(8), outline]
    places, rows = triangles_of(points, np.arange(8), np.array([8]))
    a, b, c = np.moveaxis(points[places], 1, 0)
    areas = np.cross(b - a, c - a)[:, 0] / 2
    assert len(places) == 6 and (rows == 0).all()
    assert (areas * (-1 if turned else 1) >= 0).all()  # all wound as the polygon is
    assert abs(areas.sum()) == pytest.approx(7) and np.abs(areas).sum() == pytest.approx(7)


def test_a_square_with_a_hole_that_a_seam_joins_to_the_outline_keeps_its_hole():
    outer, hole = [(0, 0), (4, 0), (4, 4), (0, 4)], [(1, 1), (1, 3), (3, 3), (3, 1)]
    points = np.array([(x, y, 0) for x, y in [*outer, outer[0], *hole, hole[0]]], float)
    places, _ = triangles_of(points, np.arange(10), np.array([10]))
    a, b, c = np.moveaxis(points[places], 1, 0)
    assert np.abs(np.cross(b - a, c - a)[:, 2]).sum() / 2 == pytest.approx(12)
    centres = points[places].mean(axis=1)
    solid = np.abs(np.cross(b - a, c - a)[:, 2]) > 0
    assert not ((np.abs(centres[solid, :2] - 2) < 1).all(axis=1)).any()


def test_random_star_shaped_outlines_are_covered():
    rng = np.random.default_rng(0)
    for count in (4, 5, 8, 30, 100):
        turn = np.sort(rng.random(count)) * 2 * np.pi
        outline = np.c_[np.cos(turn), np.sin(turn)] * rng.uniform(0.2, 1, (count, 1))
        gap = np.diff(np.append(turn, turn[0] + 2 * np.pi)).max()
        if gap > np.pi:
            continue  # the centre is outside, and the outline may cross itself
        points = np.c_[outline, np.zeros(count)] @ np.linalg.qr(rng.normal(size=(3, 3)))[0]
        places, _ = triangles_of(points, np.arange(count), np.array([count]))
        a, b, c = np.moveaxis(points[places], 1, 0)
        assert np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2 == pytest.approx(area_of(outline))


def test_convex_polygons_are_fans_around_their_first_corner_and_a_dented_one_around_its_dent():
    polygons = [*CUBE_QUADS, [0, 1, 3]]
    places, rows = triangles_of(CUBE, np.concatenate(polygons), np.array([len(p) for p in polygons]))
    assert np.concatenate(polygons)[places][:4].tolist() == [[0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5]]
    assert rows.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6]
    arrow = np.array([[0, 0, 0], [2, 1, 0], [0, 2, 0], [1, 1, 0]], float)
    assert triangles_of(arrow, np.arange(4), np.array([4]))[0].tolist() == [[3, 0, 1], [3, 1, 2]]


def test_points_lines_and_nothing_give_no_triangles():
    places, rows = triangles_of(CUBE, np.array([0, 1, 2, 0, 1]), np.array([1, 0, 2, 2]))
    assert places.shape == (0, 3) and rows.shape == (0,)
    assert triangles_of(CUBE, np.zeros(0, int), np.zeros(0, int))[0].shape == (0, 3)


def test_polygons_that_cross_themselves_or_have_no_area_end():
    bow = np.array([[0, 0, 0], [1, 1, 0], [1, 0, 0], [0, 1, 0], [0.5, 2, 0], [0.2, -1, 0]], float)
    for points in (bow, bow * 0, np.full((6, 3), np.nan), np.c_[np.arange(6), np.zeros((6, 2))]):
        assert len(triangles_of(points, np.arange(6), np.array([6]))[0]) == 4


def test_a_corner_beyond_the_points_is_an_error():
    with refused(DataError, "vertex", expected="0..7", actual="0..8"):
        triangles_of(CUBE, np.array([0, 1, 8]), np.array([3]))
