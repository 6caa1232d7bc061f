"""Dithering: whole levels stay, the mean of a few pixels is the colour that is meant, and no band is left of a ramp."""

import numpy as np

from voxcli.geometry.dithering import dithered, pattern


def test_whole_levels_stay_as_they_are_whatever_rounding_did_to_them():
    levels = np.arange(256.0).repeat(64).reshape(256, 64)
    for noise in (0, 1e-9, -1e-9, 3e-6):
        assert (dithered(levels + noise) == levels).all()
    assert dithered(np.array([[-5.0, 300.0]])).tolist() == [[0, 255]]


def test_the_mean_of_a_few_pixels_is_the_level_that_is_meant():
    for level in (7.1, 100.25, 200.5, 254.9):
        found = dithered(np.full((64, 64), level)).astype(float)
        assert set(np.unique(found)) == {np.floor(level), np.ceil(level)}
        blocks = found.reshape(8, 8, 8, 8).mean((1, 3))
        assert abs(blocks - level).max() < 0.1 and abs(found.mean() - level) < 0.02


def test_a_slow_ramp_has_no_bands():
    ramp = np.broadcast_to(np.linspace(100, 108, 512), (64, 512))  # 64 pixels a level
    rounded, smooth = np.rint(ramp), dithered(ramp).astype(float)
    means = [each.reshape(8, 8, 64, 8).mean((1, 3)) for each in (ramp, rounded, smooth)]
    assert abs(means[1] - means[0]).max() > 0.4 and abs(means[2] - means[0]).max() < 0.1


def test_the_pattern_is_even_and_neighbours_differ():
    found = pattern(256, 256)
    counts = np.histogram(found, 16, (0, 1))[0]
    assert (pattern(256, 256) == found).all() and counts.min() > 0.95 * 4096 and counts.max() < 1.05 * 4096
    assert abs(np.diff(found, axis=1)).mean() > 0.3
