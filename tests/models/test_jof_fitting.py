"""Codes fitted to shapes by a decoder that may become empty on the way."""

from types import SimpleNamespace

import pytest
import torch

from voxcli.models.jof.fitting import fit_to_points


class Hat:
    """A decoder that is occupied where its one code is near 0.012, and empty, without a gradient, from 0.009 away on."""

    config = SimpleNamespace(category=0, shape=1, albedo=0)

    def occupancy(self, codes, points):
        near = 0.6 * (1 - (codes.shape - 0.012).abs() / 0.009).clamp_min(0)
        return near.expand(points.shape[:2])


def test_a_fit_that_leaves_nothing_begins_anew_with_smaller_steps():
    """The first step of 0.02, from 0.01 to 0.03, leaves the hat; one of 0.01 does not. Where nothing is occupied, empty is right."""
    occupied = torch.tensor([[True] * 4, [False] * 4])
    codes = fit_to_points(Hat(), torch.zeros(2, 4, 3), occupied, steps=60)
    found = Hat().occupancy(codes, torch.zeros(2, 4, 3))
    assert bool((found[0] >= 0.5).all()) and bool((found[1] < 0.5).all())
    alone = fit_to_points(Hat(), torch.zeros(1, 4, 3), occupied[:1], steps=60)
    assert torch.equal(alone.shape, codes.shape[:1])
    assert float(fit_to_points(Hat(), torch.zeros(1, 4, 3), occupied[:1], steps=60, rate=1e-3).shape) == pytest.approx(0.012, abs=2e-3)
