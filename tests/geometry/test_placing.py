"""Scenes of unknown cameras stand level on their ground: against cameras that are known, and there and back again."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from voxcli.geometry.cameras import inverse_rigid, look_at
from voxcli.geometry.frusta import fruxel_index
from voxcli.geometry.placing import ground_height, level_scene
from voxcli.geometry.regrid import camera_points, filled_cells, fruxels_to_box, voxels_to_fruxels
from voxcli.geometry.scenes import fruxelize_scene, split_by_class
from voxcli.geometry.surfaces import surface_mesh
from voxcli.scene import FRUSTUM_PRESETS, Frustum, FruxelGrid, Labels, Mesh, SceneDescription, SceneObject
from voxcli.scene.frames import VIEWER, assumed_camera, frame_of, inherited_meta

CLASSES = Labels(("air", "car", "ground"))
SMALL = Frustum(width=48, height=36, depth=40, z_near=2.0, z_far=22.0, fov_x_deg=70.0)


def box(low, high):
    corners = np.array([[(low, high)[i][0], (low, high)[j][1], (low, high)[k][2]] for i in (0, 1) for j in (0, 1) for k in (0, 1)], float)
    quads = ((0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3))
    return Mesh(corners, np.array([[a, b, c] for p, q, r, s in quads for a, b, c in ((p, q, r), (p, r, s))]))


def street(frustum, height, pitch_deg=0.0, ground=True):
    """What a camera at a height sees of a road whose surface is y = 0 and of a car on its right, as a prediction of unknown camera."""
    ahead = np.array([0, -np.tan(np.radians(pitch_deg)), -1])
    camera = look_at([0, height, 0], np.array([0, height, 0]) + ahead)
    objects = [SceneObject(box((-60, -0.3, -60), (60, 0, 1)), "ground")] if ground else []
    objects.append(SceneObject(box((1, 0, -10), (3, 1.4, -6)), "car"))
    seen = fruxelize_scene(SceneDescription(tuple(objects), CLASSES), frustum, camera, "slab").grid
    return replace(seen, world_to_cam=np.eye(4), meta={}), camera


@pytest.mark.parametrize("frustum", [SMALL, FRUSTUM_PRESETS["far"], FRUSTUM_PRESETS["semantic-voxels"]], ids=["small", "far", "near"])
@pytest.mark.parametrize("height", [1.2, 1.6, 2.5])
def test_a_level_camera_is_put_where_it_was(frustum, height):
    seen, camera = street(frustum, height)
    placed = level_scene(seen)
    assert np.abs(placed.world_to_cam - camera).max() < 0.05
    assert assumed_camera(placed.meta) == {"height": placed.world_to_cam[1, 3], "by": "ground"}
    assert np.array_equal(placed.labels, seen.labels)


def test_of_a_camera_that_looks_down_the_ground_is_at_0_in_the_middle_of_what_is_seen():
    seen, _ = street(FRUSTUM_PRESETS["far"], 1.6, pitch_deg=4)
    cells = filled_cells(level_scene(seen))
    ground = cells.points[cells.labels == 2]
    near, far = (ground[np.abs(-ground[:, 2] - z) < 0.5][:, 1].max() for z in (4, 12))
    assert -0.5 < near < 0.2 < far < 1.0  # it rises by tan(4 degrees), 7 cm a metre


def test_without_ground_the_camera_stands_at_the_origin():
    alone, _ = street(SMALL, 1.6, ground=False)
    nameless = replace(alone, classes=Labels(("air", "car", "road")))
    for grid in (alone, nameless):
        placed = level_scene(grid)
        assert ground_height(grid) is None and assumed_camera(placed.meta) == {"height": 0.0, "by": None}
        assert np.array_equal(placed.world_to_cam, np.diag([1.0, -1, -1, 1]))


def test_a_few_fruxels_of_ground_and_ground_in_the_sky_tell_no_height():
    seen, _ = street(SMALL, 1.6)
    few = np.where(np.cumsum(seen.labels == 2).reshape(seen.labels.shape) < 10, seen.labels, 0).astype(np.uint8)
    assert ground_height(replace(seen, labels=few)) is None
    sky = np.zeros_like(seen.labels)
    sky[20, :18] = 2
    assert ground_height(replace(seen, labels=sky)) is None
    both = seen.labels.copy()
    both[20, :18] = 2
    assert ground_height(replace(seen, labels=both)) == ground_height(seen)


def test_what_leaves_the_frustum_has_the_road_below_and_the_view_ahead():
    placed = level_scene(street(SMALL, 1.6)[0])
    for points, labels in (_of_mesh(placed), _of_cells(placed)):
        car, ground = points[labels == 1], points[labels == 2]
        assert (points[:, 2] < 0).all() and (car[:, 0] > 0.8).all()
        assert ground[:, 1].max() < 0.4 and car[:, 1].min() > -0.4 and 1.2 < car[:, 1].max() < 1.8
    eye = inverse_rigid(placed.world_to_cam)
    assert np.allclose(eye[:3, :3], np.diag([1, -1, -1])) and eye[1, 3] == pytest.approx(1.6, abs=0.05)


def _of_mesh(grid):
    mesh = surface_mesh(grid)
    return mesh.vertices[mesh.faces].mean(1), mesh.face_labels


def _of_cells(grid):
    cells = filled_cells(grid)
    return cells.points, cells.labels


def test_points_go_back_to_the_fruxels_that_they_came_from():
    placed = level_scene(street(SMALL, 1.6)[0])
    cells = filled_cells(placed)
    index, inside = fruxel_index(torch.from_numpy(camera_points(cells.points, placed.world_to_cam)), SMALL)
    labels = np.zeros(SMALL.shape, np.uint8)
    labels[tuple(index.numpy().T)] = cells.labels
    assert inside.all() and np.array_equal(labels, placed.labels)


def test_meshes_and_voxels_go_back_to_the_fruxels_that_they_came_from():
    placed = level_scene(street(SMALL, 1.6)[0])
    scene = SceneDescription(tuple(split_by_class(surface_mesh(placed))), CLASSES)
    again = fruxelize_scene(scene, SMALL, placed.world_to_cam, "centre").grid
    filled = placed.labels > 0
    assert (again.labels == placed.labels).mean() > 0.999 and (again.labels == placed.labels)[filled].mean() > 0.98
    voxels = fruxels_to_box(placed, 256)
    again = voxels_to_fruxels(voxels, SMALL, placed.world_to_cam, "car")
    assert (again.labels == placed.labels).mean() > 0.99 and (again.labels == placed.labels)[filled].mean() > 0.85


def test_what_is_made_of_a_scene_says_in_which_frame_it_is():
    placed = level_scene(FruxelGrid(np.zeros(SMALL.shape, np.uint8), SMALL, classes=CLASSES, meta={"crop": [0, 0, 1, 1]}))
    assert placed.meta["crop"] == [0, 0, 1, 1] and frame_of(placed.meta) == VIEWER and frame_of({}) == "world, +y up"
    assert (
        frame_of({}, "world") == "world"
        and inherited_meta({"crop": 1}) == {}
        and inherited_meta(placed.meta) == {"camera_assumed": {"height": 0.0, "by": None}}
    )
