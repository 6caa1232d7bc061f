import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from references.ssz_twins import dice_and_likelihood, equation_two
from refusals import refused

from voxcli import config
from voxcli.errors import DataError, UsageError
from voxcli.models.frustum.losses import frequency_weights, negative_log_likelihood, voxel_loss
from voxcli.models.frustum.weighting import check_class_weights, find_class_weights
from voxcli.scene.labels import Labels
from voxcli.training.stage import ClassWeights


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
    dice = [float(voxel_loss(scores, labels, torch.ones(2), likelihood=0.0, dice=1.0)) for scores in (right, -right)]
    assert dice == pytest.approx([0, 1], abs=1e-6)


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


class Scenes:
    """Two scenes of four fruxels: seven of air, one of ground, no car."""

    classes = Labels(("air", "car", "ground"))

    def __init__(self, readable=True):
        self.readable = readable

    def __getitem__(self, index):
        assert self.readable, "nothing needs to be counted"
        return SimpleNamespace(labels=np.uint8([0, 0, 0, 2 if index else 0]).reshape(1, 2, 2))


def test_weights_by_hand_stand_and_the_other_classes_are_counted():
    how = config.from_mapping(ClassWeights, {"power": 0.5, "largest": 4, "by_hand": {"air": 0.25}}, "class_weights")
    # ground: sqrt(7 / 1); a car never occurs, so it gets the largest weight.
    assert find_class_weights(Scenes(), [0, 1], how).tolist() == pytest.approx([0.25, 4, math.sqrt(7)])


def test_nothing_is_counted_where_no_weight_depends_on_it():
    assert find_class_weights(Scenes(readable=False), [0, 1], ClassWeights(power=0, by_hand={"car": 3})).tolist() == [1, 3, 1]
    assert frequency_weights(torch.tensor([7, 0, 1]), power=0).tolist() == [1, 1, 1]  # what counting would have given
    how = ClassWeights(by_hand={"ground": 1, "car": 2.5, "air": 0})
    assert find_class_weights(Scenes(readable=False), [0, 1], how).tolist() == [0, 2.5, 1]


def test_a_fruxel_of_a_class_with_twice_the_weight_pulls_twice_as_hard():
    k = find_class_weights(Scenes(readable=False), [], ClassWeights(by_hand={"air": 1.5, "car": 3, "ground": 0}))
    scores = torch.zeros(1, 3, 1, 1, 3, requires_grad=True)
    labels = torch.tensor([[[[0, 1, 2]]]], dtype=torch.uint8)
    (gradient,) = torch.autograd.grad(negative_log_likelihood(scores, labels, k), scores)
    air, car, ground = gradient[0, :, 0, 0].T
    assert float(car[1] / air[0]) == pytest.approx(2) and not ground.any()


def test_weights_that_mean_nothing_are_refused():
    with refused(UsageError, "by_hand.car", expected="zero or more", actual=-1) as caught:
        ClassWeights(by_hand={"car": -1})
    assert caught.value.actual == -1
    names = Scenes.classes.names
    with refused(UsageError, "'cra'") as caught:
        check_class_weights(ClassWeights(by_hand={"cra": 2}), names)
    assert "car" in caught.value.hint
    with refused(UsageError, "class", expected="one above 0"):
        check_class_weights(ClassWeights(by_hand=dict.fromkeys(names, 0.0)), names)
    with refused(UsageError, "by_hand", expected="a mapping", actual="a list"):
        config.from_mapping(ClassWeights, {"by_hand": [1, 2, 3]}, "class_weights")
