"""Samples tried one by one, beside those of spans."""

import pytest
import torch

from voxcli.geometry import tiny
from voxcli.geometry.raster import covered, triangles_on
from voxcli.geometry.tiny import tiny_hits


def soup(size, seed, count=600):
    """Triangles of about so many samples a side, many of whose corners and edges meet samples."""
    generator = torch.Generator().manual_seed(seed)
    corners = torch.randint(-1, 33, (count, 1, 3), generator=generator) + torch.rand(count, 3, 3, generator=generator) * size
    corners[::2] = (corners[::2] * 2).round() / 2
    return corners.double().view(-1, 3), torch.arange(3 * count).view(-1, 3)


def in_spans(triangles, lattice):
    """{(face, sample): height} of what triangles cover."""
    found = {}
    for c in covered(triangles, lattice):
        found |= dict(zip(zip(c.face[c.span].tolist(), c.sample.tolist(), strict=True), c.height.tolist(), strict=True))
    return found


def tried(triangles, lattice):
    """The same of the first two columns and rows of their boxes; no sample is told twice."""
    hits = [h for hits in tiny_hits(triangles, lattice) for h in zip(*(v.tolist() for v in hits), strict=True)]
    found = {(face, sample): height for sample, height, face in hits}
    assert len(found) == len(hits)
    return found


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("at_once", [7, 1 << 16])
@pytest.mark.parametrize("size", [1.0, 1.5, 6.0])
def test_samples_and_heights_are_those_of_spans(size, at_once, seed, monkeypatch):
    monkeypatch.setattr(tiny, "_AT_ONCE", at_once)
    triangles, lattice = triangles_on(*soup(size, seed), 32, 30)
    box = {int(f): (i, j) for f, i, j in zip(triangles.face, triangles.i0.tolist(), triangles.j0.tolist(), strict=True)}
    expected = {
        (face, sample): height
        for (face, sample), height in in_spans(triangles, lattice).items()
        if sample % 32 < box[face][0] + 2 and sample // 32 < box[face][1] + 2
    }
    assert tried(triangles, lattice) == expected and len(expected) > 20


def test_vertices_that_are_no_numbers_hold_nothing():
    points, faces = soup(1.5, 0)
    points[::9] = torch.nan
    triangles, lattice = triangles_on(points, faces, 32, 30)
    whole = points.view(-1, 9).isfinite().all(1)
    found = tried(triangles, lattice)
    assert found and all(whole[face] for face, _ in found)
