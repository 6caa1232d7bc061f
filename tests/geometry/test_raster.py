"""The rasteriser against a slow twin in fractions, and the rule that of faces around a sample exactly one covers it."""

from fractions import Fraction

import pytest
import torch

from voxcli.geometry import raster
from voxcli.geometry.lattice import FruxelLattice
from voxcli.geometry.raster import clip, coverage
from voxcli.scene import Frustum


def covered(points, faces, width, height, **samples):
    """{(face, sample): height} of all covered samples, and {face: ccw}."""
    found, ccw = {}, {}
    for c in coverage(points, faces, width, height, **samples):
        face = c.face[c.span].tolist()
        found |= dict(zip(zip(face, c.sample.tolist(), strict=True), c.height.tolist(), strict=True))
        ccw |= dict(zip(c.face.tolist(), c.ccw.tolist(), strict=True))
    return found, ccw


def covered_slowly(points, faces, xs, ys):
    """The same of samples that lie on no edge: each is tried against each face, in exact arithmetic."""
    found, ccw = {}, {}
    corners = [[Fraction(v) for v in row] for row in points.tolist()]
    for f, face in enumerate(faces.tolist()):
        a, b, c = (corners[i] for i in face)
        area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
        for j, y in enumerate(map(Fraction, ys)):
            for i, x in enumerate(map(Fraction, xs)):
                parts = [(q[0] - p[0]) * (y - p[1]) - (q[1] - p[1]) * (x - p[0]) for p, q in ((b, c), (c, a), (a, b))]
                assert all(parts), "a sample on an edge"
                if all((part > 0) == (area > 0) for part in parts):
                    found[f, j * len(xs) + i] = float(sum(part * p[2] for part, p in zip(parts, (a, b, c), strict=True)) / area)
                    ccw[f] = area > 0
    return found, ccw


def soup(count, low, high, seed):
    """Triangles whose corners lie on a grid of 1/1024, off the samples: [3N, 3] and [N, 3]."""
    generator = torch.Generator().manual_seed(seed)
    points = torch.randint(int(low * 512), int(high * 512), (3 * count, 3), generator=generator).double() / 512 + 1 / 1024
    return points, torch.arange(3 * count).view(-1, 3)


@pytest.mark.parametrize("reach", [(0, 8), (-4, 12), (-100, 108)], ids=["within", "across the border", "beyond the guard band"])
def test_the_same_samples_as_in_fractions(reach):
    points, faces = soup(60, *reach, seed=1)
    found, ccw = covered(points, faces, 8, 8)
    centres = [i + 0.5 for i in range(8)]
    wanted, wanted_ccw = covered_slowly(points, faces, centres, centres)
    assert found.keys() == wanted.keys() and len(wanted) > 100
    assert {face: ccw[face] for face in wanted_ccw} == wanted_ccw
    # The corners of pieces cut at the guard band are snapped to the fixed-point grid, as all are.
    worst = max(abs(found[key] - wanted[key]) for key in wanted)
    assert worst < (1e-3 if reach[0] < -8 else 1e-9), worst


def test_samples_at_uneven_positions():
    points, faces = soup(40, 0, 8, seed=2)
    xs, ys = [0.25, 0.5, 3.0, 7.75], [1.0, 1.25, 6.5]
    found, _ = covered(points, faces, 4, 3, x_samples=torch.tensor(xs).double(), y_samples=torch.tensor(ys).double())
    assert found.keys() == covered_slowly(points, faces, xs, ys)[0].keys() and found


@pytest.mark.parametrize("turn", [1, -1], ids=["counter-clockwise", "clockwise"])
def test_of_the_faces_around_a_sample_exactly_one_covers_it(turn):
    # A fan around the centre of a pixel, its rim through the centres of others: all of these lie on edges and corners.
    rim = [(0.5, 0.5), (2.5, 0.5), (4.5, 0.5), (4.5, 2.5), (4.5, 4.5), (2.5, 4.5), (0.5, 4.5), (0.5, 2.5)]
    points = torch.tensor([(2.5, 2.5, 1.0), *((x, y, 1.0) for x, y in rim)], dtype=torch.float64)
    faces = torch.tensor([(0, k + 1, (k + 1) % 8 + 1)[::turn] for k in range(8)])
    samples = [sample for _, sample in covered(points, faces, 5, 5)[0]]
    assert len(samples) == len(set(samples)) == 4 * 4  # a half-open square of 4 x 4


def test_what_is_covered_depends_on_neither_order(monkeypatch):
    points, faces = soup(50, -4, 12, seed=3)
    whole, _ = covered(points, faces, 8, 8)
    order = torch.randperm(50, generator=torch.Generator().manual_seed(4))
    turned, _ = covered(points, faces[order].roll(1, 1), 8, 8)
    assert {(int(order[face]), sample) for face, sample in turned} == whole.keys()
    monkeypatch.setattr(raster, "_SAMPLES_AT_ONCE", 7)
    assert covered(points, faces, 8, 8)[0] == whole


@pytest.mark.parametrize("size", [1.5, 6], ids=["tiny", "small"])
def test_trying_each_sample_of_a_box_finds_what_the_ends_of_rows_say(size, monkeypatch):
    generator = torch.Generator().manual_seed(6)
    corners = torch.randint(0, 32, (300, 1, 3), generator=generator) + torch.rand(300, 3, 3, generator=generator) * size
    corners = (corners.double() * 2).round() / 2  # many samples lie on edges and corners
    found = []
    for narrow in (0, 1 << 20):
        monkeypatch.setattr("voxcli.geometry.spans._NARROW", narrow)
        found.append(covered(corners.view(-1, 3), torch.arange(900).view(-1, 3), 32, 32))
    assert found[0] == found[1] and len(found[0][0]) > 20


def test_samples_come_in_the_order_of_faces_though_some_are_cut(monkeypatch):
    monkeypatch.setattr(raster, "_SAMPLES_AT_ONCE", 50)
    corners = torch.rand(60, 3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 16
    corners[::3] = (corners[::3] - 8) * 40 + 8  # far beyond the lattice on both sides
    found = torch.cat([c.face[c.span] for c in coverage(corners.view(-1, 3), torch.arange(180).view(-1, 3), 16, 16)])
    assert bool((found[1:] >= found[:-1]).all()) and len(set(found[found % 3 == 0].tolist())) > 5
    behind = corners - torch.tensor([8.0, 8, 6])
    _, faces, source = FruxelLattice(Frustum(16, 16, 16, 1.0, 9.0, 60.0)).warp(behind.view(-1, 3), torch.arange(180).view(-1, 3))
    assert len(faces) == len(source) and bool((source[1:] >= source[:-1]).all()) and len(source) > len(source.unique())


def test_a_vertex_that_is_no_number_hides_no_far_one():
    points = torch.tensor([[-1e9, -3e9, 0], [1e9, 2, 0], [4, 3e9, 1]], dtype=torch.float64)
    (plain,), (beside,) = (coverage(p, torch.tensor([[0, 1, 2]]), 8, 8) for p in (points, torch.cat([points, points[:1] * torch.nan])))
    assert len(plain.sample) and all(torch.equal(a, b) for a, b in zip(plain, beside, strict=True))


def test_nothing_is_covered_by_nothing():
    points, faces = soup(1, 0, 8, seed=5)
    assert list(coverage(points, faces[:0], 8, 8)) == [] and list(coverage(points[:0], faces[:0], 8, 8)) == []
    assert list(coverage(points + 20, faces, 8, 8)) == []


def normal(points, faces):
    a, b, c = points[faces].unbind(1)
    return torch.linalg.cross(b - a, c - a)


def area(points, faces):
    return normal(points, faces).norm(dim=1) / 2


def test_clipping_parts_a_triangle_in_two():
    points, faces = soup(30, 0, 8, seed=6)
    above, below = (clip(points, faces, 0, 4.0, keep) for keep in (True, False))
    for (cut, pieces, source), beyond in ((above, 1), (below, -1)):
        assert ((cut[pieces][..., 0] - 4) * beyond >= -1e-12).all()
        share = (area(cut, pieces) / area(points, faces)[source])[:, None]
        assert torch.allclose(normal(cut, pieces), normal(points, faces)[source] * share)  # the winding stays
    total = torch.zeros(30, dtype=torch.float64)
    for cut, pieces, source in (above, below):
        total.index_add_(0, source, area(cut, pieces))
    assert torch.allclose(total, area(points, faces))


def test_neighbours_get_the_same_new_corner():
    points = torch.tensor([[0.1, 0.2, 0.3], [2.3, 0.7, 1.1], [0.4, 3.1, 0.9], [2.9, 2.7, 0.2]], dtype=torch.float64)
    cut, pieces, _ = clip(points, torch.tensor([[0, 1, 2], [2, 1, 3]]), 0, 1.0, True)
    new = cut[pieces.unique()]
    on_plane = new[new[:, 0] == 1.0]
    assert len(on_plane) >= 2 and len(on_plane.unique(dim=0)) == 3  # 0-1, 1-2 (twice the same) and 0-2 or 2-3
