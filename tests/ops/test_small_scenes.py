"""A labelled scene is a GLB file of at most 1 MB, however rough it is; what is not rough is drawn exactly."""

import io
import warnings

import numpy as np
import pytest
import trimesh

from voxcli.files.glb import write_glb
from voxcli.files.registry import Options, find_format
from voxcli.geometry.rectangles import merged_faces
from voxcli.geometry.surfaces import merged_cells, signed_volume
from voxcli.ops.conversions import ConversionOptions, convert_to_format
from voxcli.scene import Frustum, FruxelGrid, Labels, VoxelGrid

CLASSES = Labels(("air", "car", "tree", "ground"))


def scene(share: float) -> FruxelGrid:
    """A ground of four slices of rows and a car on it in 40 x 48 x 48 cells; a share of all cells has a label by chance."""
    rng = np.random.default_rng(0)
    labels = np.zeros((40, 48, 48), np.uint8)
    labels[:, 40:44], labels[20:30, 30:40, 10:30] = 3, 1
    labels = np.where(rng.random(labels.shape) < share, rng.integers(0, 4, labels.shape), labels).astype(np.uint8)
    return FruxelGrid(labels, Frustum(width=48, height=48, depth=40, z_near=2.0, z_far=12.0, fov_x_deg=60.0), classes=CLASSES)


@pytest.mark.parametrize(("share", "said"), [(0.2, "around them"), (1.0, "blocks")])
def test_a_rough_scene_is_simplified_until_it_fits_and_says_so(share, said):
    grid = scene(share)
    assert 16 * len(merged_faces(grid.labels, [1, 2, 3], between=True)) > 1_000_000  # four bytes a corner, six a triangle at least
    with pytest.warns(UserWarning, match=said):
        mesh = convert_to_format(grid, find_format("x.glb")[0])
    data = write_glb(mesh, Options())
    assert len(data) < 1_000_000 and b"extensionsRequired" not in data
    parts = trimesh.load(io.BytesIO(data), file_type="glb", process=False).geometry
    assert set(parts) == {"car", "tree", "ground"} or share < 1 and {"car", "ground"} <= set(parts)
    if share < 1:  # the car and the ground stay what they are
        assert signed_volume(mesh) == pytest.approx(signed_volume(merged_cells(scene(0.0))), rel=0.1)


def test_a_scene_without_noise_is_exact_and_nothing_is_said():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mesh = convert_to_format(scene(0.0), find_format("x.glb")[0])
    exact = merged_cells(scene(0.0))
    assert np.array_equal(mesh.vertices, exact.vertices) and np.array_equal(mesh.faces, exact.faces)
    assert np.array_equal(mesh.face_labels, exact.face_labels)


def test_other_formats_and_volumes_without_labels_have_smooth_surfaces_as_before():
    for thing, name in ((scene(0.0), "x.ply"), (VoxelGrid(occupancy=scene(0.0).labels > 0), "x.glb")):
        format, ways = find_format(name)[0], [ConversionOptions(surface=each) for each in ("auto", "smooth")]
        made, smooth = (convert_to_format(thing, format, "mesh", each) for each in ways)
        assert np.array_equal(made.vertices, smooth.vertices) and len(made.faces) > len(merged_faces(scene(0.0).labels, [1, 2, 3]))
