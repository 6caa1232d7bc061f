import math

import pytest
import torch

from voxcli.models.pix2scene.losses import (
    adversarial_loss,
    contrastive_loss,
    critic_loss,
    distance_loss,
    gradient_penalty,
    mutual_information,
    reconstruction_loss,
)


def test_the_critic_raises_real_scores_and_the_others_the_opposite():
    real, made = torch.zeros(4, requires_grad=True), torch.zeros(4, requires_grad=True)
    for loss, sign in ((critic_loss, 1), (adversarial_loss, -1)):
        by_real, by_made = torch.autograd.grad(loss(real, made), (real, made))
        assert torch.equal(by_real, torch.full((4,), -0.25 * sign)) and torch.equal(by_made, -by_real)


def test_the_penalty_of_a_linear_critic_is_known():
    torch.manual_seed(0)
    a, b = torch.randn(3, 4, 4, dtype=torch.float64), torch.randn(5, dtype=torch.float64)
    real, made = ((torch.randn(6, 3, 4, 4).double(), torch.randn(6, 5).double()) for _ in range(2))
    found = gradient_penalty(lambda x, z: (x * a).sum((1, 2, 3)) + z @ b, real, made, torch.rand(6))
    # The gradient is (a, b) everywhere: image and code count together.
    assert found.item() == pytest.approx((math.sqrt(a.square().sum() + b.square().sum()) - 1) ** 2, abs=1e-10)


def test_the_penalty_is_taken_on_the_line_between_the_samples():
    seen = []

    def critic(x, z):
        seen.append((x.detach(), z.detach()))
        return x.sum((1, 2, 3)) ** 2 + z.sum(1) ** 2

    real, made = (torch.ones(3, 1, 2, 2), torch.ones(3, 2)), (torch.zeros(3, 1, 2, 2), torch.zeros(3, 2))
    mix = torch.tensor([0.0, 0.25, 1.0])
    found = gradient_penalty(critic, real, made, mix)
    ((x, z),) = seen
    assert torch.equal(x[:, 0, 0, 0], mix) and torch.equal(z[:, 0], mix)
    # d (4 m)^2 = 8 m at each of 4 pixels, d (2 m)^2 = 4 m at each of 2 numbers
    norms = [m * math.sqrt(4 * 8**2 + 2 * 4**2) for m in mix.tolist()]
    assert found.item() == pytest.approx(sum((n - 1) ** 2 for n in norms) / 3, rel=1e-5)


def test_the_penalty_reaches_the_critic_by_a_right_gradient():
    torch.manual_seed(0)
    real, made = ((torch.randn(2, 1, 2, 2).double(), torch.randn(2, 2).double()) for _ in range(2))
    weight = torch.randn(6, 3, dtype=torch.float64, requires_grad=True)

    def penalty(weight):
        critic = lambda x, z: torch.tanh(torch.cat([x.flatten(1), z], 1) @ weight).sum(1)  # noqa: E731
        return gradient_penalty(critic, real, made, torch.tensor([0.3, 0.8]))

    assert torch.autograd.gradcheck(penalty, (weight,))


def test_reconstruction_is_the_length_of_the_difference():
    x = torch.zeros(2, 3, 2, 2)
    again = x.clone()
    again[0, 0, 0] = torch.tensor([3.0, 4.0])
    assert reconstruction_loss(x, again).item() == pytest.approx((5 + 1e-6) / 2)
    same = x.clone().requires_grad_()
    reconstruction_loss(x, same).backward()
    assert torch.equal(same.grad, torch.zeros_like(x))  # no NaN where nothing is left to do


def test_distances_pull_the_answer_and_push_the_distractors():
    z = torch.zeros(1, 2)
    answer, far = torch.tensor([[3.0, 4.0]], requires_grad=True), torch.tensor([[[1.0, 0.0], [0.0, 2.0]]], requires_grad=True)
    loss = distance_loss(z, answer, far)
    assert loss.item() == pytest.approx(0.5 * 25 - 0.5 * (1 + 4))
    loss.backward()
    assert torch.equal(answer.grad, answer.detach()) and torch.equal(far.grad, -far.detach())


def test_distractors_that_are_far_enough_push_no_further():
    z, far = torch.zeros(1, 2), torch.tensor([[[1.0, 0.0], [0.0, 30.0]]], requires_grad=True)
    loss = distance_loss(z, z, far, farthest=20.0)
    assert loss.item() == pytest.approx(-0.5 * (1 + 400))
    loss.backward()
    assert torch.equal(far.grad, torch.tensor([[[-1.0, 0.0], [0.0, 0.0]]]))


def test_independent_parts_share_no_information_and_equal_ones_do():
    torch.manual_seed(0)
    constant = mutual_information(lambda z: torch.full((len(z),), 0.7), torch.randn(50, 2), 1)
    assert constant.item() == pytest.approx(0, abs=1e-6)
    # Two values, each with its own view: T that knows the pairs finds log 2 = all there is.
    side = torch.tensor([0.0, 1.0]).repeat(500)
    z = torch.stack([side, side], 1)[torch.randperm(1000)]
    knows = lambda z: torch.where(z[:, 0] == z[:, 1], 1.0, -50.0)  # noqa: E731
    assert mutual_information(knows, z, 1).item() == pytest.approx(math.log(2), abs=0.05)
    apart = torch.stack([side, side[torch.randperm(1000)]], 1)
    assert mutual_information(knows, apart, 1).item() < 0.1


def test_contrast_of_pairs_by_hand():
    a = torch.zeros(3, 2)
    b = torch.tensor([[0.6, 0.8], [0.6, 0.8], [3.0, 4.0]])  # distances 1, 1, 5
    found = contrastive_loss(a, b, torch.tensor([0, 1, 1]))
    assert found.item() == pytest.approx((0.5 + 0.5 + 0) / 3)
    assert contrastive_loss(a[:1], b[:1], torch.tensor([1]), margin=3.0).item() == pytest.approx(2.0)
