"""Sheets of `view`: what each view shows, in which proportions, and that grids need no torch for it."""

import subprocess
import sys

import numpy as np
import pytest
from processes import environment
from refusals import refused

from voxcli.errors import UsageError
from voxcli.geometry.visibility import first_labels
from voxcli.geometry.visible import face_colours
from voxcli.ops.grid_pictures import PAPER, CellFaces
from voxcli.ops.picture import mesh_of, views_of
from voxcli.scene import Camera, Frustum, FruxelGrid, Labels, Mesh, PointCloud, SceneDescription, SceneObject, VoxelGrid, class_colour

CLASSES = Labels(("air", "car", "tree", "bus"))


def shown(view):
    """(height, width) of what is no paper, and the picture cropped to it."""
    drawn = (np.abs(view.astype(int) - np.array(PAPER)) > 8).any(-1)
    rows, columns = np.flatnonzero(drawn.any(1)), np.flatnonzero(drawn.any(0))
    inside = view[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return inside.shape[:2], inside


def is_of(pixel, name):
    colour = np.array(class_colour(name), float)
    light = pixel @ colour / (colour @ colour)
    return np.abs(pixel - light * colour).max() < 3


def box():
    """2 x 3 x 4 m (x, y, z) of cells of half a metre: trees on the left, cars on the right, buses on top of all."""
    labels = np.zeros((4, 6, 8), np.uint8)
    labels[:2], labels[2:], labels[:, 5] = 2, 1, 3
    return VoxelGrid(labels=labels, classes=CLASSES, origin=np.array([7.0, -3, 5]), voxel_size=np.full(3, 0.5))


def mesh_of_box():
    corners = np.array([[x, y, z] for x in (0.0, 2) for y in (0.0, 3) for z in (0.0, 4)])
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    return Mesh(corners, np.array([face for a, b, c, d in quads for face in ((a, b, c), (a, c, d))]))


@pytest.mark.parametrize("thing", [box(), mesh_of_box()], ids=["voxels", "mesh"])
@pytest.mark.parametrize(("name", "height", "width"), [("front", 3, 2), ("left", 3, 4), ("top", 4, 2)])
def test_proportions_are_right(thing, name, height, width):
    ((caption, view),) = views_of(thing, 200, names=[name])
    (rows, columns), _ = shown(view)
    assert caption == name and max(view.shape[:2]) == 200
    assert rows / columns == pytest.approx(height / width, rel=0.03) and max(rows, columns) > 180


def test_each_view_shows_its_side():
    views = {name: shown(view)[1] for name, view in views_of(box(), 120, names=["front", "left", "top"])}
    front, left, top = views["front"], views["left"], views["top"]
    assert is_of(front[-5, 5], "tree") and is_of(front[-5, -5], "car") and is_of(front[5, 5], "bus")
    assert is_of(left[-5, 5], "tree") and is_of(left[-5, -5], "tree") and is_of(left[3, 30], "bus")
    assert is_of(top[3, 3], "bus") and is_of(top[-3, -3], "bus")


def test_left_has_the_front_on_its_right_and_top_the_far_side_above():
    labels = np.zeros((2, 2, 2), np.uint8)
    labels[:, 0, 1], labels[:, 0, 0], labels[0, 1, 1] = 1, 2, 3  # cars in front (+z), trees behind, a bus on the front at the left
    grid = VoxelGrid(labels=labels, classes=CLASSES)
    views = {name: shown(view)[1] for name, view in views_of(grid, 120, names=["left", "top", "oblique"])}
    left, top = views["left"], views["top"]
    assert is_of(left[-5, 5], "tree") and is_of(left[-5, -5], "car") and is_of(left[5, -5], "bus")
    assert is_of(top[5, 5], "tree") and is_of(top[-5, 5], "bus") and is_of(top[-5, -5], "car")


def test_the_camera_sees_the_first_cell_of_each_column():
    frustum = Frustum(width=8, height=6, depth=5, z_near=2.0, z_far=12.0, fov_x_deg=60.0)
    labels = np.random.default_rng(0).choice([0, 1, 2, 255], frustum.shape, p=[0.8, 0.1, 0.05, 0.05]).astype(np.uint8)
    grid = FruxelGrid(labels, frustum, classes=CLASSES)
    ((_, view),) = views_of(grid, 8, names=["camera"])
    seen = first_labels(np.where(labels == 255, 0, labels), CLASSES)
    for pixel, label in zip(view.reshape(-1, 3), seen.ravel(), strict=True):
        assert tuple(pixel) == PAPER if label == 0 else is_of(pixel, CLASSES.names[label])


def test_a_grid_of_nothing_is_paper():
    for name, view in views_of(VoxelGrid(occupancy=np.zeros((3, 3, 3), bool)), 40):
        assert (view == PAPER).all(), name


def test_the_default_views_are_three_and_a_camera_must_be_there():
    assert [name for name, _ in views_of(box(), 32)] == ["oblique", "left", "top"]
    scene = SceneDescription((SceneObject(mesh_of_box(), "car", np.array([0.0, 0, 9])),), CLASSES, Camera(np.diag([32.0, 32, 1]), 32, 32))
    assert [name for name, _ in views_of(scene, 32)] == ["camera", "left", "top"]
    with refused(UsageError, "camera"):
        views_of(box(), 32, names=["camera"])


def test_a_sheet_of_a_grid_needs_no_torch(tmp_path):
    from voxcli import files

    files.write(tmp_path / "box.npz", box())
    run = "import sys; from voxcli.cli import app; code = app.run(['view', 'box.npz', '-o', 'b.png'])"
    code = f"{run}; sys.exit(code or 'torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, env=environment())


def test_points_have_the_colours_of_their_labels_or_their_own():
    places = np.array([[0.0, 0, 0], [1, 0, 0], [1, 0, 0], [3, 2, 1]])
    labelled = PointCloud(places, labels=np.array([0, 1, 1, 2], np.uint8), classes=Labels(("class_0", "class_1", "class_2"), empty=None))
    coloured = PointCloud(places, colors=np.array([[90, 0, 0], [0, 100, 0], [0, 50, 0], [0, 0, 80]], np.uint8))
    for cloud, colours in ((labelled, [class_colour(f"class_{k}") for k in range(3)]), (coloured, [(90, 0, 0), (0, 75, 0), (0, 0, 80)])):
        mesh = mesh_of(cloud)
        assert len(mesh.faces) == 3 * 12, "three cubes: two of the points are at one place"
        middle = mesh.vertices[mesh.faces].mean(1)
        nearest = np.linalg.norm(middle[:, None] - places[[0, 1, 3]], axis=2).argmin(1)
        assert np.allclose(face_colours(mesh) * 255, np.array(colours)[nearest])


@pytest.mark.parametrize("size", [90, 200, 511])
@pytest.mark.parametrize("turns", [(0, 0), (45, 0), (45, 35.26), (17, 62), (80, 5)])
def test_no_pixel_within_a_solid_is_left_out(turns, size):
    a, b = np.radians(turns)
    axes = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]]) @ \
        np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])  # fmt: skip
    grid = VoxelGrid(occupancy=np.ones((9, 7, 8), bool), voxel_size=np.array([1.0, 1.3, 0.7]))
    drawn = (CellFaces(grid).seen_along(axes, np.array([0.0, 1, 0]), size) != PAPER).any(-1)
    rows, columns = np.nonzero(drawn)
    # A box is convex: between two drawn pixels of a row or a column there is no gap.
    for lines, places in ((rows, columns), (columns, rows)):
        for line in np.unique(lines):
            assert np.ptp(places[lines == line]) + 1 == (lines == line).sum()
