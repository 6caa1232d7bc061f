"""Coarse-to-fine evaluation of fields against evaluating every cell: thin legs, soft and sharp fields, counts of queries."""

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from voxcli.errors import UsageError
from voxcli.geometry.field_surface import cell_centres, cells_to_refine, sample_field


def rod(x, a, b, radius):
    """Distance to a rod's surface, negative inside."""
    a, b = torch.tensor(a), torch.tensor(b)
    along = ((x - a) @ (b - a) / ((b - a) @ (b - a))).clamp(0, 1)
    return (x - a - along[:, None] * (b - a)).norm(dim=-1) - radius


def stool(leg, sharp=400.0):
    """A seat on four splayed legs, with a ring of stretchers as thin."""

    def field(x):
        seat = ((x - torch.tensor([0.0, 0.35, 0.0])).abs() - torch.tensor([0.4, 0.04, 0.4])).amax(-1)
        feet = [(0.55 * i, -0.8, 0.6 * j) for i in (-1, 1) for j in (-1, 1)]
        tops = [(0.3 * i, 0.35, 0.3 * j) for i in (-1, 1) for j in (-1, 1)]
        distance = torch.stack([seat, *(rod(x, top, foot, leg) for top, foot in zip(tops, feet, strict=True))]).amin(0)
        return torch.sigmoid(-sharp * distance)

    return field


def pieces(values):
    from scipy.ndimage import label

    return label(values.numpy() >= 0.5, np.ones((3, 3, 3)))[1]


@pytest.mark.parametrize("resolution,coarsest,leg", [(128, 16, 0.02), (128, 32, 0.015), (64, 16, 0.03)])
def test_legs_thinner_than_the_coarsest_cells_are_followed_to_their_ends(resolution, coarsest, leg):
    field = stool(leg)
    assert 2 * leg < 2 / coarsest
    dense, fine = sample_field(field, resolution, coarsest=0), sample_field(field, resolution, coarsest=coarsest)
    assert dense.queries == resolution**3
    assert torch.equal(dense.values >= 0.5, fine.values >= 0.5)
    assert pieces(dense.values) == pieces(fine.values) == 1
    assert fine.queries < 0.2 * dense.queries
    assert sum(count for _, count in fine.levels) == fine.queries


def test_values_around_the_surface_are_those_of_every_cell():
    field = stool(0.03, sharp=60.0)
    dense, fine = (sample_field(field, 64, coarsest=c).values for c in (0, 16))
    beside = cells_to_refine(dense, 0.5, 2.0)
    assert_close(fine[beside], dense[beside], rtol=0, atol=0)


def test_a_quarter_of_a_thousand_cells_a_side_costs_few_queries():
    calls = []

    def counted(x):
        calls.append(len(x))
        return stool(0.012)(x)

    found = sample_field(counted, 256)
    assert found.queries == sum(calls) < 0.06 * 256**3
    assert [size for size, _ in found.levels] == [64, 128, 256]
    assert pieces(found.values) == 1
    low = torch.nonzero(found.values >= 0.5)[:, 1].min()
    assert float(cell_centres(low[None] * 256, 256)[0, 1]) < -0.8  # down to the feet


def test_a_soft_rod_that_touches_nothing_is_found_by_its_faint_surroundings():
    def field(x):
        return torch.sigmoid(-50 * rod(x, (-0.7, 0.013, 0.011), (0.7, 0.013, 0.011), 0.012))

    dense, fine = sample_field(field, 128, coarsest=0), sample_field(field, 128, coarsest=32)
    assert bool((dense.values >= 0.5).any())
    assert torch.equal(dense.values >= 0.5, fine.values >= 0.5) and fine.queries < 0.1 * dense.queries


@pytest.mark.parametrize("resolution,coarsest", [(127, 16), (129, 16), (95, 8)])
def test_odd_numbers_of_cells_are_halved_too_and_miss_nothing(resolution, coarsest):
    field = stool(0.03, sharp=60.0)
    fine = sample_field(field, resolution, coarsest=coarsest)
    every = field(cell_centres(torch.arange(resolution**3), resolution)).view((resolution,) * 3)
    assert torch.equal(fine.values >= 0.5, every >= 0.5) and fine.queries < 0.25 * resolution**3
    assert fine.levels[0][0] <= 2 * coarsest and [size for size, _ in fine.levels][-1] == resolution
    assert fine.values.shape == every.shape
    known = fine.values == every
    assert bool(known[cells_to_refine(every, 0.5, 2.0)].all())


def test_nothing_and_everything_cost_the_coarsest_level():
    for value in (0.0, 1.0):
        found = sample_field(lambda x, value=value: torch.full((len(x),), value), 64, coarsest=16)
        assert found.queries == 16**3 and bool((found.values == value).all())
    odd = sample_field(stool(0.05), 50, coarsest=16)
    assert [size for size, _ in odd.levels] == [25, 50]
    with pytest.raises(UsageError):
        sample_field(stool(0.05), 0)
