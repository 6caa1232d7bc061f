"""Samples tried one by one, beside those of spans."""

import pytest
import torch
from references.shapes import sphere

from voxcli.geometry import tiny
from voxcli.geometry.crossings import crossings_along, join
from voxcli.geometry.lattice import VoxelLattice
from voxcli.geometry.raster import covered, triangles_on
from voxcli.geometry.tiny import tiny_hits


def soup(size, seed, count=600):
    """Triangles of about so many samples a side, many of whose corners and edges meet samples."""
    generator = torch.Generator().manual_seed(seed)
    corners = torch.randint(-1, 33, (count, 1, 3), generator=generator) + torch.rand(count, 3, 3, generator=generator) * size
    corners[::2] = (corners[::2] * 2).round() / 2
    return corners.double().view(-1, 3), torch.arange(3 * count).view(-1, 3)


def in_spans(triangles, lattice):
    """{(face, sample): (height, ccw)} of what triangles cover."""
    found = {}
    for c in covered(triangles, lattice):
        values = zip(c.height.tolist(), c.ccw[c.span].tolist(), strict=True)
        found |= dict(zip(zip(c.face[c.span].tolist(), c.sample.tolist(), strict=True), values, strict=True))
    return found


def tried(triangles, lattice):
    """The same of the tiny ones; no sample is told twice."""
    hits = [h for hits in tiny_hits(triangles, lattice) for h in zip(*(v.tolist() for v in hits), strict=True)]
    found = {(face, sample): (height, ccw) for sample, height, face, ccw in hits}
    assert len(found) == len(hits)
    return found


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("at_once", [7, 1 << 16])
@pytest.mark.parametrize("size", [1.0, 1.5, 3.0])
def test_samples_and_heights_are_those_of_spans(size, at_once, seed, monkeypatch):
    monkeypatch.setattr(tiny, "_AT_ONCE", at_once)
    triangles, lattice = triangles_on(*soup(size, seed), 32, 30)
    small = set(triangles.face[(triangles.columns <= 2) & (triangles.rows <= 2)].tolist())
    expected = {(face, sample): values for (face, sample), values in in_spans(triangles, lattice).items() if face in small}
    assert tried(triangles, lattice) == expected and len(expected) > 20


def test_vertices_that_are_no_numbers_hold_nothing():
    points, faces = soup(1.5, 0)
    points[::9] = torch.nan
    triangles, lattice = triangles_on(points, faces, 32, 30)
    whole = points.view(-1, 9).isfinite().all(1)
    found = tried(triangles, lattice)
    assert found and all(whole[face] for face, _ in found)


@pytest.mark.parametrize("axis", range(3))
def test_crossings_are_the_same_with_and_without_tiny_faces_by_themselves(axis, monkeypatch):
    points, faces = soup(1.5, 3)
    ball = sphere(9.0, (16.2, 15.9, 16.1), subdivisions=4)
    points, faces = torch.cat([points, ball[0]]), torch.cat([faces, ball[1] + len(points)])
    lattice = VoxelLattice((32, 30, 31), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    found = {}
    for fine in (0, 1 << 62):
        monkeypatch.setattr(tiny, "_FINE", fine)
        crossings = crossings_along(join([(points, faces)], lattice), lattice, axis)
        found[fine] = sorted(zip(*(v.tolist() for v in crossings), strict=True))
    assert found[0] == found[1 << 62] and len(found[0]) > 500


def test_a_face_that_passes_by_far_outside_is_crossed_by_no_ray():
    triangle = torch.tensor([[1.0, 60, -100], [1, -100, 60], [1, -100, -100]], dtype=torch.float64), torch.tensor([[0, 1, 2]])
    lattice = VoxelLattice((16, 16, 16), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    assert [len(v) for v in crossings_along(join([triangle], lattice), lattice, 2)] == [0, 0, 0, 0]
