"""JOF's losses have their closed forms; eigenvectors and their gradients agree with a decomposition."""

import math

import pytest
import torch
from torch.testing import assert_close

from voxcli.models.jof.losses import (
    albedo_constancy,
    albedo_loss,
    balance_loss,
    code_loss,
    local_consistency,
    main_variation,
    occupancy_loss,
    photometric_loss,
    places_loss,
    silhouette_loss,
    white_shading,
)


def test_means_of_equation_8():
    occupied = torch.tensor([[True, False, True, False]])
    assert float(occupancy_loss(torch.tensor([[0.5, 0.5, 1.0, 0.0]]), occupied)) == pytest.approx(0.125)
    found, colours = torch.zeros(1, 4, 3), torch.full((1, 4, 3), 2.0)
    colours[0, 0] = 1
    assert float(albedo_loss(found, colours, occupied)) == pytest.approx((1 + 4) / 2)
    assert float(albedo_loss(found, colours, occupied & False)) == 0
    assert float(code_loss(torch.tensor([[3.0, 4.0], [0, 0]]), torch.zeros(2, 2))) == pytest.approx(12.5)


def test_branches_begin_at_the_places_nearest_to_them():
    seeds = torch.tensor([[-1.0, 0, 0], [1.0, 0, 0]])
    points = torch.tensor([[[-0.9, 0, 0], [0.8, 0, 0], [-0.7, 0, 0]]])
    occupied = torch.tensor([[True, True, False]])
    wanted = torch.tensor([[[1.0, 0], [0, 1], [0, 0]]])
    assert float(places_loss(wanted, points, occupied, seeds)) == 0
    assert float(places_loss(1 - wanted, points, occupied, seeds)) == pytest.approx(2)
    assert float(places_loss(torch.zeros(1, 3, 2), points, occupied, seeds)) == pytest.approx(2 / 3)


def test_balance_is_zero_for_equal_shares_and_the_logarithm_of_their_number_for_one_winner():
    occupied = torch.tensor([[True, True, False]])
    equal = torch.tensor([[[0.9, 0.0], [0.0, 0.9], [0.0, 0.0]]])
    alone = torch.tensor([[[0.9, 0.0], [0.3, 0.0], [0.0, 1.0]]])
    assert float(balance_loss(equal, occupied)) == pytest.approx(0, abs=1e-6)
    assert float(balance_loss(alone, occupied)) == pytest.approx(math.log(2), abs=1e-6)
    assert float(balance_loss(alone, occupied & False)) == 0
    branches = torch.rand(2, 4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda b: balance_loss(b, torch.rand(2, 4) > -1), branches)


def test_the_silhouette_wants_one_half_inside_and_nothing_outside():
    mask = torch.tensor([[True, True, False, False]])
    assert float(silhouette_loss(torch.tensor([[0.5, 0.5, 0.0, 0.0]]), mask)) == 0
    assert float(silhouette_loss(torch.tensor([[0.9, 0.1, 0.4, 0.0]]), mask)) == pytest.approx(0.2)


def test_the_photometric_loss_is_the_mean_over_the_foreground():
    mask = torch.tensor([[True, False]])
    assert float(photometric_loss(torch.zeros(1, 2, 3), torch.tensor([[[0.3, 0.6, 0.9], [1, 1, 1]]]), mask)) == pytest.approx(0.6)


def test_albedo_may_change_where_the_chromaticity_does():
    mask = torch.ones(1, 2, 2, dtype=torch.bool)
    albedo = torch.zeros(1, 3, 2, 2)
    albedo[:, :, :, 1] = 1.0  # a step of length sqrt(3) between columns
    same = torch.ones(1, 3, 2, 2)
    step = math.sqrt(3) ** 0.8
    assert float(albedo_constancy(albedo, same, mask)) == pytest.approx((2 * step + 2 * 1e-8**0.4) / 4, rel=1e-3)
    assert float(albedo_constancy(albedo, same * torch.tensor([1.0, 0.2]), mask)) == pytest.approx(step / 2, rel=1e-2)  # shading alone
    red_green = torch.zeros(1, 3, 2, 2)
    red_green[:, 0, :, 0] = red_green[:, 1, :, 1] = 1
    assert float(albedo_constancy(albedo, red_green, mask)) < 1e-3
    assert float(albedo_constancy(albedo, same, mask & torch.tensor([True, False]))) < 1e-3


def test_white_shading_is_of_the_whole_batch():
    shading, mask = torch.ones(2, 3, 3), torch.ones(2, 3, dtype=torch.bool)
    shading[0], shading[1] = 0.5, 1.5
    assert float(white_shading(shading, mask)) == pytest.approx(0)
    mask[1] = False
    assert float(white_shading(shading, mask)) == pytest.approx(0.5)


def test_the_main_variation_is_the_top_eigenvector():
    torch.manual_seed(0)
    features = torch.randn(20, 6, dtype=torch.float64) @ torch.diag(torch.tensor([5.0, 2, 1, 1, 0.5, 0.1], dtype=torch.float64))
    centred = features - features.mean(0)
    expected = torch.linalg.eigh(centred.T @ centred)[1][:, -1]
    found = main_variation(features)
    assert_close(found * torch.sign(found @ expected), expected, rtol=0, atol=1e-8)
    direction = torch.randn(20, 6, dtype=torch.float64)
    weight = torch.randn(6, dtype=torch.float64)
    moved = features.clone().requires_grad_()
    (main_variation(moved) @ weight).backward()
    step = 1e-6
    ends = [main_variation(features + s * step * direction) for s in (1, -1)]
    ends = [v * torch.sign(v @ found) for v in ends]
    assert float((moved.grad * direction).sum()) == pytest.approx(float((ends[0] - ends[1]) @ weight / (2 * step)), rel=1e-3)


def test_gradients_stay_finite_where_fewer_points_than_channels_vary():
    features = torch.randn(5, 40, requires_grad=True)
    main_variation(features).sum().backward()
    assert bool(features.grad.isfinite().all())
    flat = torch.ones(5, 4, requires_grad=True)
    main_variation(flat).sum().backward()
    assert bool(flat.grad.isfinite().all())


def test_consistency_compares_pairs_of_one_category_whatever_the_sign():
    v = torch.nn.functional.normalize(torch.randn(4, 5), dim=1)
    v[1] = -v[0]
    assert float(local_consistency(v, torch.tensor([0, 0, 1, -1]))) == pytest.approx(0, abs=1e-6)
    expected = min(float((v[2] - s * v[3]).abs().sum()) for s in (1, -1) if float(v[2] @ v[3]) * s >= 0)
    assert float(local_consistency(v, torch.tensor([0, 1, 2, 2]))) == pytest.approx(expected, rel=1e-5)
    assert float(local_consistency(v, torch.tensor([0, 1, 2, -1]))) == 0
