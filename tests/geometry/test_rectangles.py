"""Merged rectangles cover the exposed faces, each once; their number where geometry tells it."""

import numpy as np
import pytest
from references.slow_rectangles import exposed_faces, faces_of

from voxcli.geometry.rectangles import merged_faces
from voxcli.geometry.surfaces import cell_faces
from voxcli.scene import Labels, VoxelGrid


@pytest.mark.parametrize("between", [False, True])
@pytest.mark.parametrize(("shape", "filled"), [((7, 5, 6), 0.3), ((6, 8, 3), 0.8), ((1, 9, 1), 0.5), ((4, 4, 4), 1.0), ((3, 4, 5), 0.0)])
def test_rectangles_cover_exactly_the_exposed_faces_each_once(shape, filled, between):
    rng = np.random.default_rng(3)
    labels = np.where(rng.random(shape) < filled, rng.integers(1, 4, shape), 0).astype(np.uint8)
    labels[rng.random(shape) < 0.1] = 255
    found = merged_faces(labels, [1, 2, 3], between=between)
    assert faces_of(found) == exposed_faces(labels, {1, 2, 3}, between)


def test_a_box_has_six_rectangles_and_one_in_an_l_has_eight():
    labels = np.zeros((9, 9, 9), np.uint16)
    labels[1:4, 2:8, 3:5] = 300
    assert len(merged_faces(labels, [300])) == 6 and set(merged_faces(labels, [300]).label.tolist()) == {300}
    labels[4:6, 2:4, 3:5] = 300  # an L: its two ends are of two rectangles each, its outline has six sides
    assert len(merged_faces(labels, [300])) == 2 * 2 + 6


def test_two_classes_that_touch_are_closed_only_where_that_is_asked_for():
    labels = np.array([1, 2], np.uint8).reshape(2, 1, 1)
    assert len(merged_faces(labels, [1, 2])) == 10 and len(merged_faces(labels, [1, 2], between=True)) == 12


def test_as_many_faces_as_the_mesh_of_cells():
    labels = (np.random.default_rng(0).random((12, 10, 8)) < 0.4).astype(np.uint8)
    found = merged_faces(labels, [1])
    mesh = cell_faces(VoxelGrid(labels=labels, classes=Labels(("air", "object"))))
    assert found.size.prod(1).sum() * 2 == len(mesh.faces) and len(found) < found.size.prod(1).sum()
