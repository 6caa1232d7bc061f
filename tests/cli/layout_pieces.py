"""What the tiny data sets of evaluation_layouts.py and evaluation_scenes.py are made of."""

import math

import numpy as np
from PIL import Image

from voxcli import files
from voxcli.scene import Mesh, VoxelGrid

CHAIR, TABLE = "03001627", "04379243"


def plane(height=0.0, side=1.0):
    """A square in the plane z = height."""
    corners = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], np.float64) * side + [0, 0, height]
    return Mesh(corners, np.array([[0, 1, 2], [0, 2, 3]]))


def above(height, count):
    """The mean distance from a point at a height over a unit square to the nearest of `count` random points of it, and its mean square.

    The square of the way along the plane is exponential, with the mean m = 1 / (pi count).
    """
    m = 1 / (np.pi * count)
    tail = math.erfc(height / m**0.5) * math.exp(height**2 / m) if height**2 / m < 500 else m**0.5 / (np.pi**0.5 * height)
    return height + (np.pi * m) ** 0.5 / 2 * tail, height**2 + m


def box(low, high):
    """A closed box."""
    corners = np.array([[x, y, z] for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2])], np.float64)
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    return Mesh(corners, np.array([face for a, b, c, d in quads for face in ((a, b, c), (a, c, d))]))


def solid(cells, size=32):
    """A grid with the first `cells` cells of a row."""
    grid = np.zeros((size,) * 3, bool)
    grid[2, 3, 4 : 4 + cells] = True
    return VoxelGrid(occupancy=grid)


def save(path, thing):
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write(path, thing)


def picture(path, size=137, mode="RGBA"):
    """A disc on nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    y, x = np.mgrid[:size, :size]
    inside = (x - size / 2) ** 2 + (y - size / 2) ** 2 < (size / 3) ** 2
    rgba = np.zeros((size, size, 4), np.uint8)
    rgba[inside] = (200, 120, 60, 255)
    Image.fromarray(rgba if mode == "RGBA" else rgba[..., :3]).save(path)
    return inside


OBJECTS = (("chair", CHAIR, "aa"), ("chair", CHAIR, "bb"), ("table", TABLE, "cc"), ("table", TABLE, "dd"))
"""The last one has no prediction."""
