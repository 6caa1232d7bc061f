"""Merged rectangles cover the exposed faces, each once; their number where geometry tells it."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh
from references.slow_rectangles import exposed_faces, faces_of

from voxcli.geometry.rectangles import in_blocks, merged_faces
from voxcli.geometry.surfaces import cell_faces, merged_cells, signed_volume
from voxcli.scene import Frustum, FruxelGrid, Labels, VoxelGrid


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


def test_a_block_has_its_most_frequent_label():
    labels = np.random.default_rng(0).integers(0, 4, (5, 4, 3))
    found = in_blocks(labels, 2)
    for corner in np.ndindex(3, 2, 2):
        block = tuple(slice(2 * k, 2 * k + 2) for k in corner)
        counts = np.bincount(labels[block].reshape(-1), minlength=4)[1:]
        assert set(found[block].reshape(-1)) == {int(counts.argmax()) + 1 if counts.any() else 0}
    assert not in_blocks(np.zeros((2, 2, 2), np.uint8), 2).any()


def test_two_classes_that_touch_are_closed_only_where_that_is_asked_for():
    labels = np.array([1, 2], np.uint8).reshape(2, 1, 1)
    assert len(merged_faces(labels, [1, 2])) == 10 and len(merged_faces(labels, [1, 2], between=True)) == 12


def test_as_many_faces_as_the_mesh_of_cells():
    labels = (np.random.default_rng(0).random((12, 10, 8)) < 0.4).astype(np.uint8)
    found = merged_faces(labels, [1])
    mesh = cell_faces(VoxelGrid(labels=labels, classes=Labels(("air", "object"))))
    assert found.size.prod(1).sum() * 2 == len(mesh.faces) and len(found) < found.size.prod(1).sum()


def test_merged_cells_enclose_what_the_cells_do_class_by_class():
    frustum = Frustum(width=8, height=6, depth=5, z_near=2.0, z_far=12.0, fov_x_deg=60.0)
    labels = np.random.default_rng(0).integers(0, 3, frustum.shape).astype(np.uint8)
    classes = Labels(("air", "car", "tree"))
    for grid in (FruxelGrid(labels, frustum, classes=classes), VoxelGrid(labels=labels, classes=classes, voxel_size=np.array([1.0, 2, 3]))):
        mesh = merged_cells(grid)
        for label in (1, 2):
            alone = replace(grid, labels=np.where(labels == label, labels, 0).astype(np.uint8))
            part = replace(mesh, faces=mesh.faces[mesh.face_labels == label], face_labels=None)
            assert signed_volume(part) == pytest.approx(signed_volume(cell_faces(alone)), rel=1e-9)


@pytest.mark.parametrize("path", sorted((Path(__file__).resolve().parents[2] / "examples").glob("*/*.npz")), ids=lambda path: path.stem)
def test_a_scene_of_cells_is_a_small_glb(path):
    from voxcli import files
    from voxcli.files.glb import write_glb
    from voxcli.files.registry import Options

    mesh = merged_cells(files.read(path))
    data = write_glb(mesh, Options())
    again = trimesh.load(io.BytesIO(data), file_type="glb", force="mesh", process=False)
    assert len(data) < 1_000_000 and b"extensionsRequired" not in data and len(again.faces) == len(mesh.faces)


def test_a_grid_without_cells_has_no_faces():
    assert len(merged_faces(np.zeros((0, 8, 8), np.uint8), [1])) == 0
