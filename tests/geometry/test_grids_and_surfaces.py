import numpy as np
import pytest
from references.shapes import sphere, torus, volume
from refusals import refused

from voxcli.errors import DataError
from voxcli.geometry.cameras import quaternion_to_rotation
from voxcli.geometry.frusta import fruxel_volumes
from voxcli.geometry.regrid import (
    camera_points,
    depth_to_fruxels,
    filled_cells,
    fruxels_to_box,
    fruxels_to_voxels,
    voxel_centres,
    voxels_to_fruxels,
    world_points,
)
from voxcli.geometry.scenes import bounding_cube, fruxelize_scene, placed_vertices, split_by_class, voxelize_scene
from voxcli.geometry.surfaces import cell_faces, signed_volume, surface_mesh
from voxcli.scene import Camera, DepthMap, Frustum, FruxelGrid, Labels, Mesh, SceneDescription, SceneObject, VoxelGrid

FRUSTUM = Frustum(width=64, height=64, depth=64, z_near=2.0, z_far=6.0, fov_x_deg=50.0)


def camera(z=4.0):
    """A camera on the world's +z axis, looking at the origin: OpenCV axes in a +y-up world."""
    m = np.diag([1.0, -1.0, -1.0, 1.0])
    m[2, 3] = z
    return m


def mesh_of(shape) -> Mesh:
    v, f = shape
    return Mesh(v.numpy(), f.numpy())


def scene_of(*items) -> SceneDescription:
    return SceneDescription(tuple(SceneObject(mesh_of(m), c, position=np.array(p, dtype=float)) for m, c, p in items))


def test_camera_and_world_points_invert_each_other():
    x = np.random.default_rng(0).normal(size=(5, 7, 3))
    m = camera(3.0)
    m[:3, :3] = quaternion_to_rotation(np.array([0.3, 0.1, -0.7, 0.2])) @ m[:3, :3]
    np.testing.assert_allclose(world_points(camera_points(x, m), m), x, atol=1e-12)


def test_a_placed_object_is_scaled_then_turned_then_moved():
    point = Mesh(np.array([[0, 0, 1.0]]), np.zeros((0, 3), int))
    item = SceneObject(point, "car", np.array([5.0, 0, 0]), np.array([1.0, 0, 1.0, 0]), np.full(3, 2.0))
    np.testing.assert_allclose(placed_vertices(item), [[7.0, 0, 0]], atol=1e-12)


@pytest.mark.parametrize("shape", [sphere(), torus()], ids=["sphere", "torus"])
def test_surfaces_of_grids_are_closed_and_enclose_the_volume_of_the_cells(shape):
    scene = scene_of((shape, "car", (0, 0, 0)))
    cube, origin, size = bounding_cube(scene, 64)
    voxels = voxelize_scene(scene, cube, origin, size).grid
    fruxels = fruxelize_scene(scene, FRUSTUM, camera(), rule="centre").grid
    cells = (voxels.labels > 0).sum() * size.prod()
    assert cells == pytest.approx(volume(*shape), rel=0.01)
    fruxel_cells = float(((fruxels.labels > 0).sum((1, 2)) * fruxel_volumes(FRUSTUM).numpy()).sum())
    assert fruxel_cells == pytest.approx(volume(*shape), rel=0.02)
    for grid, truth in ((voxels, cells), (fruxels, fruxel_cells)):
        assert signed_volume(cell_faces(grid)) == pytest.approx(truth, rel=1e-9)
        assert signed_volume(surface_mesh(grid)) == pytest.approx(truth, rel=0.01)


def test_every_class_gets_a_surface_of_its_own_label():
    scene = scene_of((sphere(0.5), "car", (-0.6, 0, 0)), (sphere(0.4), "tree", (0.6, 0, 0)))
    mesh = surface_mesh(fruxelize_scene(scene, FRUSTUM, camera()).grid)
    by_class = {o.class_name: o.mesh for o in split_by_class(mesh)}
    assert sorted(by_class) == ["car", "tree"]
    x = {name: part.vertices[part.faces][..., 0] for name, part in by_class.items()}
    assert x["car"].max() < 0 < x["tree"].min()


def test_the_ground_is_laid_first_whatever_the_order():
    scene = scene_of((sphere(0.5), "car", (0, 0, 0)), (sphere(0.8), "ground", (0, 0, 0)))
    filled = fruxelize_scene(scene, FRUSTUM, camera())
    names = filled.grid.classes.names
    assert filled.grid.labels[32, 32, 32] == names.index("car")
    assert filled.instances[32, 32, 32] == 1
    assert set(np.unique(filled.grid.labels)) == {0, names.index("car"), names.index("ground")}


def test_voxels_of_fruxels_of_a_scene_are_nearly_the_voxels_of_the_scene():
    scene = scene_of((sphere(0.9), "car", (0.1, 0.2, 0)))
    fruxels = fruxelize_scene(scene, Frustum(128, 128, 128, 2.5, 5.5, 45.0), camera(), rule="centre").grid
    shape, origin, size = (40, 40, 40), np.full(3, -1.2), np.full(3, 0.06)
    direct, back = voxelize_scene(scene, shape, origin, size).grid.labels > 0, fruxels_to_voxels(fruxels, shape, origin, size).labels > 0
    assert (direct & back).sum() / (direct | back).sum() > 0.93


def test_voxels_to_fruxels_looks_each_fruxel_centre_up():
    scene = scene_of((sphere(0.9), "car", (0.1, 0.2, 0)))
    shape, origin, size = (96, 96, 96), np.full(3, -1.2), np.full(3, 0.025)
    voxels = voxelize_scene(scene, shape, origin, size).grid
    fruxels = voxels_to_fruxels(voxels, FRUSTUM, camera(), "car")
    direct = fruxelize_scene(scene, FRUSTUM, camera(), rule="centre").grid
    a, b = fruxels.labels > 0, direct.labels > 0
    assert (a & b).sum() / (a | b).sum() > 0.95
    soft = VoxelGrid(occupancy=(voxels.labels > 0).astype(np.float32), origin=origin, voxel_size=size)
    assert np.array_equal(voxels_to_fruxels(soft, FRUSTUM, camera(), "car").labels, fruxels.labels)


def test_the_box_of_a_frustum_holds_all_its_filled_fruxels():
    scene = scene_of((sphere(0.9), "car", (0.1, 0.2, 0)))
    grid = fruxelize_scene(scene, FRUSTUM, camera(), rule="centre").grid
    box = fruxels_to_box(grid, 96)
    assert (box.labels > 0).sum() * box.voxel_size.prod() == pytest.approx(4 / 3 * np.pi * 0.9**3, rel=0.03)


def test_depth_of_a_plane_fills_one_slice_in_both_depth_kinds():
    K = FRUSTUM.K
    v, u = np.mgrid[:64, :64] + 0.5
    z = np.full((64, 64), 3.0312, np.float32)
    ray = z * np.sqrt(((u - K[0, 2]) / K[0, 0]) ** 2 + ((v - K[1, 2]) / K[1, 1]) ** 2 + 1)
    view = Camera(K, 64, 64)
    for kind, values in (("z", z), ("ray", ray.astype(np.float32))):
        grid = depth_to_fruxels(DepthMap(values, kind, view), FRUSTUM, "building")
        assert np.unique(np.argwhere(grid.labels)[:, 0]).tolist() == [16]  # (3.0312 - 2) / 0.0625 = 16.5
        assert (grid.labels > 0).sum() == 64 * 64
    with refused(DataError, "camera"):
        depth_to_fruxels(DepthMap(z), FRUSTUM, "building")


def test_holes_in_a_depth_map_stay_empty():
    z = np.full((64, 64), 3.0, np.float32)
    z[10:20] = np.nan
    z[30] = -1
    z[31] = 0
    grid = depth_to_fruxels(DepthMap(z, "z", Camera(FRUSTUM.K, 64, 64)), FRUSTUM, "car")
    assert (grid.labels > 0).any(0).sum() == (64 - 12) * 64


def test_filled_cells_are_centres_with_labels():
    labels = np.zeros((2, 3, 4), np.uint8)
    labels[1, 2, 3] = 5
    cloud = filled_cells(VoxelGrid(labels=labels, origin=np.array([1.0, 2, 3]), voxel_size=np.full(3, 0.5), classes=Labels()))
    np.testing.assert_allclose(cloud.points, [[1.75, 3.25, 4.75]])
    assert cloud.labels.tolist() == [5]
    np.testing.assert_allclose(voxel_centres((2, 3, 4), np.array([1.0, 2, 3]), np.full(3, 0.5))[1, 2, 3], [1.75, 3.25, 4.75])


def test_foreign_empty_labels_are_not_filled():
    classes = Labels(("car", "void"), empty=1)
    grid = FruxelGrid(np.full(FRUSTUM.shape, 1, np.uint8), FRUSTUM, camera(), classes)
    assert len(filled_cells(grid).points) == 0
    assert len(surface_mesh(grid).faces) == 0


def test_a_scene_without_faces_is_an_error():
    empty = Mesh(np.zeros((3, 3)), np.zeros((0, 3), int))
    with refused(DataError, "fill"):
        fruxelize_scene(SceneDescription((SceneObject(empty, "car"),)), FRUSTUM, camera())
