import math

import pytest
import torch
from references.ssz_twins import dice_and_likelihood, equation_two

from voxcli.errors import DataError
from voxcli.models.frustum.losses import frequency_weights, negative_log_likelihood, soft_dice, voxel_loss


def test_equation_two_by_hand():
    # Two fruxels, two classes, k = (1, 3): (1 * -log 0.8 + 3 * -log 0.5) / (4 * 2).
    probabilities = torch.tensor([[0.8, 0.5], [0.2, 0.5]]).reshape(1, 2, 1, 1, 2)
    labels = torch.tensor([[[[0, 1]]]], dtype=torch.uint8)
    loss = negative_log_likelihood(probabilities.log(), labels, torch.tensor([1.0, 3.0]))
    assert float(loss) == pytest.approx((-math.log(0.8) - 3 * math.log(0.5)) / 8, rel=1e-6)


def test_equation_two_agrees_with_its_sum_written_out():
    scores = torch.randn(1, 4, 2, 3, 5, dtype=torch.float64)
    labels = torch.randint(0, 4, (1, 2, 3, 5), dtype=torch.uint8)
    k = [1.0, 2.0, 0.5, 3.0]
    wanted = equation_two(torch.softmax(scores, 1)[0].tolist(), labels[0].tolist(), k)
    assert float(negative_log_likelihood(scores, labels, torch.tensor(k))) == pytest.approx(wanted, rel=1e-10)


def test_dice_of_a_certain_and_right_answer_is_zero_and_of_a_wrong_one_is_one():
    labels = torch.tensor([0, 1, 1, 0], dtype=torch.uint8).reshape(1, 1, 2, 2)
    right = torch.stack([labels == 0, labels == 1], 1).float() * 100
    assert float(soft_dice(right, labels)) == pytest.approx(0, abs=1e-6)
    assert float(soft_dice(-right, labels)) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("ignored", [False, True])
def test_loss_and_gradient_agree_with_autograd_on_one_hot_tensors(in_place, ignored):
    scores = torch.randn(2, 5, 3, 4, 5, dtype=torch.float64, requires_grad=True)
    labels = torch.randint(0, 4, (2, 3, 4, 5), dtype=torch.uint8)  # class 4 never occurs
    if ignored:
        labels[0, 1] = 255
    k = torch.tensor([1.0, 2, 3, 4, 5], dtype=torch.float64)
    wanted = dice_and_likelihood(scores, labels, k, 2.0, 0.7, 255)
    got = voxel_loss(scores * 1, labels, k, likelihood=2.0, dice=0.7, in_place=in_place)
    assert wanted.item() == pytest.approx(got.item(), rel=1e-12)
    assert torch.allclose(*(torch.autograd.grad(v, scores)[0] for v in (wanted, got)), atol=1e-14)


def test_scores_survive_a_loss_that_is_not_in_place():
    scores = torch.randn(1, 3, 2, 2, 2)
    before = scores.clone()
    voxel_loss(scores, torch.zeros(1, 2, 2, 2, dtype=torch.uint8), torch.ones(3), likelihood=1, dice=1)
    assert torch.equal(scores, before)


def test_weights_grow_with_rarity_up_to_the_cap():
    weights = frequency_weights(torch.tensor([1000, 10, 1, 0]), power=0.5, largest=20)
    assert weights.tolist() == pytest.approx([1, 10, 20, 20])
    with pytest.raises(DataError):
        frequency_weights(torch.tensor([0, 0]))
