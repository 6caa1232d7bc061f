"""Crowns, hedges and railings, which one sees through: the share of each sample that they cover, and their colour.

All functions take N picture samples: `local` [N, 3] in the object's own frame, float32; `step` [N], the size of a sample in metres;
`style` [N, STYLE_SIZE] of the object.
"""

from __future__ import annotations

import numpy as np

from voxcli.datasets.synthetic.street.photo.ground import fade
from voxcli.datasets.synthetic.street.pieces import Surface
from voxcli.datasets.synthetic.street.textures import clouds, grain

SEE_THROUGH = (Surface.FOLIAGE, Surface.LEAVES, Surface.TWIGS, Surface.RAILING)


def crown_depth(local: np.ndarray, rays: np.ndarray, box: np.ndarray) -> np.ndarray:
    """How deep rays go into ellipsoids: 1 through the middle, 0 at the outline. [N]

    local: a point of each ray. rays [N, 3]: directions. box [N, 6]: the ellipsoids' bounds (x0, x1, y0, y1, z0, z1).
    """
    middle, half = (box[:, ::2] + box[:, 1::2]) / 2, np.maximum((box[:, 1::2] - box[:, ::2]) / 2, 0.05)
    q, r = (local - middle) / half, rays / half
    along = np.einsum("ij,ij->i", q, r) ** 2 / np.einsum("ij,ij->i", r, r)
    return np.clip(1 - (np.einsum("ij,ij->i", q, q) - along), 0, 1)


def crown_cover(local: np.ndarray, deep: np.ndarray, step: np.ndarray, style: np.ndarray, twigs: np.ndarray) -> np.ndarray:
    """The share of each sample on a crown's hull that leaves or twigs cover. [N] 0..1

    deep [N]: what crown_depth returns. twigs [N] bool: where the crown is bare.
    """
    x, y, z = local.T
    want = np.where(style[:, 2] > 0, style[:, 2], np.where(twigs, 0.55, 0.93))
    gap = np.where(style[:, 4] > 0, style[:, 4], 0.4)
    seed = style[:, 3] * 3
    a, b = (x + 0.7 * z) / gap, y / gap
    large = clouds(a * 2.2 + seed, b * 2.2 + 0.9 * z / gap)
    fine = grain(x * 21 + 5 * z, y * 21 + seed) * fade(step, 0.06)
    edge = np.clip(deep * 1.9, 0, 1)
    out = np.zeros(len(x), np.float32)
    bare = np.flatnonzero(twigs)
    if len(bare):
        out[bare] = _twig_cover(x[bare], y[bare], z[bare], large[bare], step[bare], want[bare], edge[bare], seed[bare])
    leafy = np.flatnonzero(~twigs)
    if len(leafy):
        middle = clouds(a[leafy] * 9 + 17 * z[leafy], b[leafy] * 9 + seed[leafy]) * fade(step[leafy], 0.25)
        level = 0.5 * large[leafy] + 0.6 * middle + 0.6 * fine[leafy]
        threshold = 1.15 - 2.3 * want[leafy] + (1 - edge[leafy]) * 2.4
        out[leafy] = np.clip(0.5 + 1.7 * (level - threshold), 0, 1)
    return out


def _twig_cover(
    x: np.ndarray, y: np.ndarray, z: np.ndarray, large: np.ndarray, step: np.ndarray, want: np.ndarray, edge: np.ndarray, seed: np.ndarray
) -> np.ndarray:
    """Twigs as lines of three widths that run outward and up. Coarse samples show a veil with denser and thinner parts. [N] 0..1"""
    turn = np.arctan2(x, z + 0.01) * 3
    bend = y * 0.35 + 0.4 * large
    lines = np.zeros(len(x), np.float32)
    for scale, wide in ((5.0, 0.1), (11.0, 0.16), (23.0, 0.24)):
        left = fade(step, 1.2 / scale)
        near = np.abs(clouds(turn * scale * 0.45 + bend * scale + seed, y * 0.8 + turn * 0.7))
        other = np.abs(clouds(turn * scale * 0.4 - bend * scale - seed, y * 0.9 + 31))
        width = wide * (0.5 + 1.7 * want)
        lines = np.maximum(lines, left * np.clip(1.5 - np.minimum(near, other) / width, 0, 1))
    veil = want * (1 + 0.35 * large).clip(0.3, 1.6) * (0.8 + 0.2 * grain(x * 13 + 7 * z, y * 13))
    return np.clip(np.maximum(0.85 * lines, 0.85 * veil) * np.clip(edge * (1.3 + 0.6 * large), 0, 1), 0, 0.95)


def crown_colour(local: np.ndarray, normal: np.ndarray, step: np.ndarray, style: np.ndarray, twigs: np.ndarray) -> np.ndarray:
    """A factor on the crown's colour: leaves and clumps, darker below. [N]"""
    x, y, z = local.T
    lumps = np.where(style[:, 0] > 0, style[:, 0], 9.0)
    leaf = grain(x * lumps * 1.6 + 7 * z, y * lumps * 1.6 + 3 * z) * fade(step, 0.08)
    leaf += 0.7 * grain(z * 23 - 5 * x, y * 23 + 11) * fade(step, 0.05)
    clump = clouds(x * 12 + 30 * z, y * 12 + 21 * z) * fade(step, 0.2) + clouds(x * 2.5 + 7 * z, y * 2.5)
    depth = np.where(style[:, 1] > 0, style[:, 1], 0.4)
    factor = np.clip(1 + depth * (0.7 * leaf + 0.5 * clump), 0.2, 2.2) * (0.75 + 0.25 * normal[:, 1])
    return np.where(twigs, np.clip(1 + 0.25 * leaf + 0.15 * clump, 0.4, 1.8), factor)


def railing_cover(local: np.ndarray, step: np.ndarray, style: np.ndarray) -> np.ndarray:
    """The share of each sample on a railing's plate that its bars cover. [N]"""
    period = 0.11 + 0.05 * (style[:, 10] % 3)
    at = (local[:, 2] / period) % 1
    share = np.where(style[:, 2] > 0, style[:, 2], 0.3)
    bars = (at < share).astype(np.float32)
    left = fade(step, 0.2)
    return bars * left + share * (1 - left)


def bark(local: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Streaks and patches of bark. [N]"""
    x, y, z = local.T
    return 1 + 0.22 * clouds((x + z) * 110, y * 8) * fade(step, 0.06) + 0.18 * clouds((x + z) * 14, y * 3)
