"""A background of nearly one colour, taken away by that colour: what a product's picture, a drawing or a rendering has."""

from __future__ import annotations

import numpy as np

EVEN = 10
"""How far the middle 96 % of the border's pixels may be apart in each channel (of 255) for the background to be of one colour."""

NEAR, FAR = 8.0, 26.0
"""A pixel whose colour is no farther from the background's is transparent; from FAR on it is opaque, in between partly."""

HOLE = 0.0008
"""Enclosed places of the background's colour are holes of the object where they are a larger share of the picture; smaller ones are lights
or dots on it."""

MOST, LEAST = 0.9, 0.002
"""Shares of the picture that an object may be; beyond, the border tells nothing of the background."""


def plain_alpha(rgb: np.ndarray) -> np.ndarray | None:
    """Alpha uint8 [H, W] of what stands before a background of nearly one colour; None where there is no such background, or nothing before
    it. rgb uint8 [H, W, 3].

    >>> picture = np.full((20, 30, 3), 250, np.uint8)
    >>> picture[5:15, 10:20] = 40
    >>> alpha = plain_alpha(picture)
    >>> int((alpha == 255).sum()), int((alpha == 0).sum())
    (100, 500)
    """
    from scipy import ndimage

    colour = background_colour(rgb)
    if colour is None:
        return None
    away = np.abs(rgb.astype(np.float32) - colour).max(2)
    same = away <= (NEAR + FAR) / 2
    parts, count = ndimage.label(same)
    sizes = np.bincount(parts.ravel(), minlength=count + 1)
    outside = np.zeros(count + 1, bool)
    for rim in (parts[0], parts[-1], parts[:, 0], parts[:, -1]):
        outside[rim] = True
    outside |= sizes > HOLE * same.size
    outside[0] = False
    behind = outside[parts]
    # The ramp from transparent to opaque lies at the background's rims alone: a pale object does not become a ghost.
    rim = ndimage.binary_dilation(behind, np.ones((3, 3)), iterations=2)
    soft = np.clip((away - NEAR) / (FAR - NEAR), 0, 1)
    alpha = (255 * np.where(rim, soft, 1) + 0.5).astype(np.uint8)
    share = float((alpha > 127).mean())
    return alpha if LEAST <= share <= MOST else None


def background_colour(rgb: np.ndarray) -> np.ndarray | None:
    """The colour [3] float32 that nearly all of a picture's border has; None where it has several."""
    border = np.concatenate([rgb[0], rgb[-1], rgb[:, 0], rgb[:, -1]])
    low, high = np.percentile(border, [2, 98], axis=0)
    return np.median(border, axis=0).astype(np.float32) if bool((high - low <= EVEN).all()) else None
