"""The Chamfer distance of clouds of different lengths."""

import torch
from refusals import refused
from torch.testing import assert_close

from voxcli.errors import ShapeError
from voxcli.geometry.chamfer import ragged_chamfer


def clouds(counts, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    points = torch.rand(sum(counts), 3, generator=generator, dtype=dtype)
    owner = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    return points, owner, torch.rand(len(counts), 9, 3, generator=generator, dtype=dtype)


def test_distances_are_those_of_all_pairs():
    points, owner, truth = clouds([5, 1, 30, 7])
    found, there = ragged_chamfer(points, owner, truth)
    for k, wanted in enumerate(truth):
        pairs = torch.cdist(points[owner == k], wanted) ** 2
        assert_close(found[k], pairs.amin(1).mean() + pairs.amin(0).mean())
    assert there.all()


def test_empty_clouds_count_nothing_and_disturb_no_other():
    points, owner, truth = clouds([4, 0, 6, 0])
    found, there = ragged_chamfer(points, owner, truth)
    assert there.tolist() == [True, False, True, False] and (found[~there] == 0).all()
    assert_close(found[2], ragged_chamfer(points[4:], owner[4:] - 2, truth[2:3])[0][0])
    assert ragged_chamfer(points[:0], owner[:0], truth)[0].tolist() == [0, 0, 0, 0]


def test_gradients_are_exact():
    points, owner, truth = clouds([3, 4, 2])
    assert torch.autograd.gradcheck(lambda p, t: ragged_chamfer(p, owner, t)[0], (points.requires_grad_(), truth.requires_grad_()))


def test_a_cloud_moved_by_less_than_half_its_spacing_is_as_far_as_it_moved():
    line = torch.arange(10.0)[:, None] * torch.tensor([1.0, 0, 0])
    found, _ = ragged_chamfer(line + torch.tensor([0.3, 0, 0]), torch.zeros(10, dtype=torch.long), line[None])
    assert_close(found, torch.tensor([2 * 0.09]))


def test_owners_must_fit():
    points, owner, truth = clouds([3, 2])
    with refused(ShapeError, "owner", expected=[5], actual=[4]):
        ragged_chamfer(points, owner[:-1], truth)
