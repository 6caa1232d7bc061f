"""Pictures in other light, by hand."""

import numpy as np

from voxcli.training.augmenting import colour_jitter
from voxcli.training.stage import Augmentation

HOW = Augmentation(brightness=0.5, contrast=0.5, colour=0.5)
GREY = np.array([[[40, 40, 40], [120, 120, 120]]], np.uint8)  # of mean 80


def jittered(light=0.0, contrast=0.0, tint=(0.0, 0.0, 0.0)):
    return colour_jitter(GREY, HOW, light, contrast, np.array(tint), np.random.default_rng(0))[0, :, 0].tolist()


def test_brightness_moves_the_mean_and_contrast_the_distance_from_it():
    assert jittered() == [40, 120]
    assert jittered(light=1) == [80, 160]
    assert jittered(contrast=-1) == [60, 100]
    assert jittered(contrast=1) == [20, 140]


def test_a_tint_scales_each_colour():
    out = colour_jitter(GREY, HOW, 0, 0, np.array([1.0, 0, -1]), np.random.default_rng(0))
    assert out[0].tolist() == [[60, 40, 20], [180, 120, 60]]


def test_noise_has_the_deviation_asked_for():
    how, even = Augmentation(noise=0.02), np.full((200, 200, 3), 128, np.uint8)
    out = colour_jitter(even, how, 0, 0, np.zeros(3), np.random.default_rng(0)).astype(float)
    assert abs(out.std() - 255 * 0.02) < 0.1
