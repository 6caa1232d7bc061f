"""Pictures under sun and sky."""

import numpy as np
from references.shapes import torus

from voxcli.geometry import shading
from voxcli.geometry.cameras import look_at
from voxcli.scene import Camera, Mesh


def test_a_picture_drawn_in_bands_is_the_picture_drawn_at_once(monkeypatch):
    """Pixels whose fine samples lie on an edge may fall to either face: no more than a few do."""
    vertices, faces = (x.numpy() for x in torus(n=24, m=16))
    middle = (vertices.min(0) + vertices.max(0)) / 2
    eye = middle + np.array([1.0, 2.0, 3.0]) * np.ptp(vertices, axis=0).max() / 2
    camera = Camera(np.array([[60.0, 0, 30.5], [0, 60, 23.5], [0, 0, 1]]), 61, 47, look_at(eye, middle))
    mesh = Mesh(vertices, faces)
    whole = shading.shaded_picture(mesh, camera)
    monkeypatch.setattr(shading, "_BAND", 61 * 4 * 10 + 3)
    banded = shading.shaded_picture(mesh, camera)
    assert whole.shape == banded.shape == (47, 61, 3) and (whole != 247).any()
    assert (whole != banded).any(2).mean() < 2e-3
