"""Slow, obvious twins of what the Pose6DoF discriminator and its loss compute."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F


def discriminator_by_concatenation(network, image, fruxels, frustum, norms=None):
    """The discriminator with the inflated image built and concatenated, and dense formulations of its blocks. -> t, q, r

    norms: batch normalisation of the blocks in their order, in use (running statistics), as earlier discriminators had it.
    """
    norms = iter(norms or ())
    depth, height = fruxels.shape[2:4]
    step = image.shape[2] // height
    image = image.unflatten(2, (-1, step)).unflatten(4, (-1, step)).mean((3, 5))
    x = torch.cat([fruxels, torch.stack([(image - 0.5) * 4] * depth, 2)], 1)
    weight = torch.cat([network.stem.volume.conv.weight, network.stem.image.weight], 1)[..., None]
    x = F.conv3d(x, weight, network.stem.image.bias)
    for level in network.levels:
        down, *blocks = level
        y = pointwise(down.pointwise, F.leaky_relu(x, 0.2))
        x = F.conv3d(F.leaky_relu(y, 0.2), down.weight, stride=2, padding=1, groups=y.shape[1])
        for block in blocks:
            y = F.leaky_relu(pointwise(block.expand, x), 0.2)
            y = F.leaky_relu(F.conv3d(y, block.weight, padding=1, groups=y.shape[1]), 0.2)
            x = x + normalised(next(norms, None), pointwise(block.project, y))
    x = pointwise(network.head, F.leaky_relu(x, 0.2))
    u, v, w = x.shape[2:]
    t = torch.zeros_like(x[:, :3])
    for i in range(u):
        z = frustum.z_near + (i + 0.5) * (frustum.z_far - frustum.z_near) / u
        half = z * math.tan(math.radians(frustum.fov_x_deg) / 2)
        for k in range(w):
            t[:, 0, i, :, k] = half * (2 * (k + 0.5) / w - 1)
        for j in range(v):
            t[:, 1, i, j] = half * (2 * (j + 0.5) / v - 1) * v / w
        t[:, 2, i] = z
    t = t + x[:, :3] * (frustum.z_far - frustum.z_near) / u
    q = x[:, 3:7] / x[:, 3:7].norm(dim=1, keepdim=True)
    return t.permute(0, 2, 3, 4, 1), q.permute(0, 2, 3, 4, 1), x[:, 7]


def pointwise(block, x):
    return F.conv3d(x, block.conv.weight[..., None], block.conv.bias)


def normalised(norm, x):
    if norm is None:
        return x
    weight, bias, mean, variance = (norm[key].reshape(1, -1, 1, 1, 1) for key in ("weight", "bias", "running_mean", "running_var"))
    return (x - mean) / (variance + 1e-5).sqrt() * weight + bias


def turned(q, v):
    """q v q* by the vector formula v + 2 w (u x v) + 2 u x (u x v)."""
    n = math.sqrt(sum(c * c for c in q))
    w, *u = (c / n for c in q)
    cross = lambda a, b: [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]  # noqa: E731
    once = cross(u, v)
    twice = cross(u, once)
    return [a + 2 * w * b + 2 * c for a, b, c in zip(v, once, twice, strict=True)]


def pose_term_written_out(t_predicted, q_predicted, t, q):
    """The last sum of equation (3)."""
    total = 0.0
    for a, p, b, r in zip(t_predicted, q_predicted, t, q, strict=True):
        total += sum((x - y) ** 2 for x, y in zip(turned(p, a), turned(r, b), strict=True))
    return total


def realism_written_out(r, target, cells):
    """The mean over samples of: the mean over the sample's cells of -target log p - (1 - target) log(1 - p), p = 1 / (1 + exp(-r)).

    r: nested lists [B][u][v][w]; cells: (sample, u, v, w) of each instance. A sample without instances adds 0.
    """
    total = 0.0
    for sample, volume in enumerate(r):
        own = [volume[i][j][k] for s, i, j, k in cells if s == sample]
        for x in own:
            p = 1 / (1 + math.exp(-x))
            total -= (target * math.log(p) + (1 - target) * math.log(1 - p)) / len(own)
    return total / len(r)


def expectations_of_equation_three(real, fake, cells):
    """log D(F) + log(1 - D(G(A))) of one sample, from the certificate's r [u][v][w] of its real and its generated volume. D answers for
    each instance: the logarithms are means over the cells (u, v, w) of the instances."""
    total = 0.0
    for i, j, k in cells:
        p_real, p_fake = 1 / (1 + math.exp(-real[i][j][k])), 1 / (1 + math.exp(-fake[i][j][k]))
        total += (math.log(p_real) + math.log(1 - p_fake)) / len(cells)
    return total


def assigned_by_hand(places, cells, z_near=2.0, z_far=10.0):
    """{cell: z of the nearest place inside it} in a frustum with x = +- z / 2, y = +- z / 4: each place against each cell's planes."""
    u, v, w = cells
    best = {}
    for x, y, z in places.tolist():
        for i in range(u):
            for j in range(v):
                for k in range(w):
                    low, high = z_near + i * (z_far - z_near) / u, z_near + (i + 1) * (z_far - z_near) / u
                    left, right = (k / w - 0.5) * z, ((k + 1) / w - 0.5) * z
                    top, bottom = (j / v - 0.5) * z / 2, ((j + 1) / v - 0.5) * z / 2
                    if low <= z < high and left <= x < right and top <= y < bottom:
                        distance = math.hypot(x, y, z)
                        if (i, j, k) not in best or distance < best[i, j, k][0]:
                            best[i, j, k] = (distance, z)
    return {cell: z for cell, (_, z) in best.items()}
