"""Pictures of nothing in particular, as backgrounds: shapes that cover one another, surfaces seen from above, grain of every size.

Shapes that cover one another are the dead leaves model of natural images (Lee, Mumford and Huang, IJCV 2001).
"""

from __future__ import annotations

import math

import numpy as np

from voxcli.datasets.synthetic.camera_pipeline import resized
from voxcli.datasets.synthetic.objects import materials
from voxcli.datasets.synthetic.objects.photo.finishes import GROUNDS, INSIDE, draw_finish
from voxcli.datasets.synthetic.street.pieces import between
from voxcli.datasets.synthetic.street.textures import clouds, grain


def leaves(rng: np.random.Generator, size: int) -> np.ndarray:
    """A picture of shapes that cover one another, from large to small, with shading and textures of their own. Linear [size, size, 3]"""
    from PIL import Image, ImageDraw

    count = int(4 * 60 ** rng.random())
    image = Image.new("RGB", (size, size), _rgb(rng))
    draw = ImageDraw.Draw(image)
    radii = np.sort(size * between(rng, 0.3, 0.9) / (1 + np.arange(count) * between(rng, 0.02, 0.3)) * (0.5 + rng.random(count)))[::-1]
    for radius in radii.tolist():
        x, y = (size * rng.random(2)).tolist()
        corners = int(rng.integers(2, 8))
        if corners == 2:
            w, h = radius, radius * between(rng, 0.3, 1)
            draw.ellipse((x - w, y - h, x + w, y + h), fill=_rgb(rng))
        else:
            angles = np.sort(2 * math.pi * (np.arange(corners) + rng.random(corners)) / corners)
            stretch = between(rng, 0.15, 1)
            away = np.stack([np.cos(angles), stretch * np.sin(angles)], 1) @ _turn(2 * math.pi * rng.random())
            draw.polygon([(x + radius * a, y + radius * b) for a, b in away.tolist()], fill=_rgb(rng))
    linear = (np.asarray(image, np.float32) / 255) ** np.float32(2.2)
    rough = rng.standard_normal((3, 9, 9, 1)).astype(np.float32)
    shade = sum(0.18 * resized(np.ascontiguousarray(rough[k, : 3 + 3 * k, : 3 + 3 * k]), size, size) for k in range(3))
    axis = (np.arange(size, dtype=np.float32) + 0.5) / size
    fine = 2.0 ** between(rng, 3, 7)
    pattern = clouds(axis[None] * fine + 50 * rng.random() + axis[:, None] * between(rng, -9, 9), axis[:, None] * fine)
    return np.clip(linear * (1 + shade + between(rng, 0, 0.25) * pattern[..., None]), 0.002, 4).astype(np.float32)


def surface(rng: np.random.Generator, size: int) -> np.ndarray:
    """A wall or a ground that fills the picture, a little aslant. Linear [size, size, 3]"""
    axis = (np.arange(size, dtype=np.float32) + 0.5) / size - 0.5
    turn, span = _turn(2 * math.pi * rng.random()).astype(np.float32), between(rng, 0.5, 4.0)
    x, y = np.broadcast_to(axis, (size, size)).ravel(), np.repeat(axis, size)
    far = 1 + np.float32(between(rng, 0, 0.8)) * y
    u, v = turn @ (np.stack([x, y]) * np.float32(span) / far)
    colour = draw_finish(rng, (*INSIDE, *GROUNDS)).at(u + 20, v + 20, np.full(size * size, span / size, np.float32))
    shade = 1 + np.float32(0.4 * rng.standard_normal()) * x + np.float32(0.4 * rng.standard_normal()) * y
    return (colour * np.clip(shade, 0.3, 2)[:, None]).reshape(size, size, 3).astype(np.float32)


def grains(rng: np.random.Generator, size: int) -> np.ndarray:
    """Grain of every size in several colours, stretched along one direction: fur, gravel, leaves, water. Linear [size, size, 3]"""
    axis = (np.arange(size, dtype=np.float32) + 0.5) / size
    turn = _turn(2 * math.pi * rng.random()).astype(np.float32)
    x, y = np.broadcast_to(axis, (size, size)).ravel(), np.repeat(axis, size)
    u, v = x * turn[0, 0] + y * turn[0, 1] + 3, x * turn[1, 0] + y * turn[1, 1] + 3
    stretch, falls = np.float32(2 ** between(rng, 0, 3.5)), between(rng, 0.3, 1.1)
    colours = np.stack([np.clip(materials.hue(rng, 0.7), 0.02, 0.97) ** 2.2 for _ in range(3)]).astype(np.float32)
    shares = []
    for k in range(3):
        value, total = np.zeros(size * size, np.float32), 0.0
        for octave in range(6):
            scale, weight = np.float32(3 * 2.1**octave), 2.0 ** (-falls * octave)
            noise = clouds if octave < 4 or rng.random() < 0.5 else grain
            value += np.float32(weight) * noise(u * scale * stretch + 40 * rng.random(), v * scale + 50 * rng.random() + 9 * k)
            total += weight**2
        shares.append(value / np.float32(math.sqrt(total)))
    pick = np.exp(np.float32(between(rng, 0.5, 3)) * np.stack(shares, 1))
    picture = (pick / pick.sum(1, keepdims=True)) @ colours * np.clip(1 + np.float32(0.35) * shares[0], 0.2, 2)[:, None]
    return picture.reshape(size, size, 3).astype(np.float32)


def _turn(angle: float) -> np.ndarray:
    return np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])


def _rgb(rng: np.random.Generator) -> tuple[int, int, int]:
    red, green, blue = (255 * materials.hue(rng, 0.8)).astype(int).tolist()
    return red, green, blue
