"""IoU without a common grid, depth and pose: by hand and in closed form."""

import numpy as np
import pytest
import torch
from references.shapes import box, sphere
from refusals import refused

from voxcli.errors import DataError, ShapeError, UsageError
from voxcli.metrics.depth import along, depth_record
from voxcli.metrics.pose import azimuth_error, pose_record, rotation_angle
from voxcli.metrics.sampled import mesh_iou, points_record, shell_record
from voxcli.metrics.views import DepthOptions


def test_shell_iou_by_hand():
    a = torch.tensor([[-1.0, -1, -1], [0.1, 0.1, 0.1], [0.11, 0.11, 0.11], [5, 0, 0]])
    b = torch.tensor([[-0.99, -0.99, -0.99], [1.0, 1, 1]])
    assert shell_record(a, b)["value"] == 1 / 3  # cells: {first, middle} against {first, last}
    assert shell_record(a[:0], b[:0])["value"] == 1 and shell_record(a, b[:0])["value"] == 0
    assert shell_record(a, b, percent=True)["value"] == pytest.approx(100 / 3)
    with pytest.raises(DataError):
        shell_record(a * torch.nan, b)


def test_iou_of_overlapping_cubes_is_a_third():
    cube = box()
    moved = cube[0] + torch.tensor([0.5, 0, 0]), cube[1]
    record = mesh_iou(cube, moved, points=40_000)
    # Of the padded box 1.5 x 1 x 1, two thirds of the union's points are in one only.
    assert record["value"] == pytest.approx(1 / 3, abs=0.012)
    assert record == mesh_iou(cube, moved, points=40_000)
    assert mesh_iou(cube, moved, points=4000, seed=1)["value"] != record["value"]


def test_iou_of_concentric_spheres_is_the_ratio_of_their_volumes():
    small, large = sphere(0.8), sphere(1.0)
    assert mesh_iou(small, large, points=40_000)["value"] == pytest.approx(0.512, abs=0.015)


def test_meshes_without_faces_are_empty():
    cube, nothing = box(), (torch.zeros(0, 3, dtype=torch.float64), torch.zeros(0, 3, dtype=torch.int64))
    assert mesh_iou(nothing, nothing)["value"] == 1 and mesh_iou(cube, nothing)["value"] == 0


def test_depth_errors_by_hand():
    gt = np.array([[1.0, 2.0, 4.0, np.nan], [0.0, 2.0, 1.0, 1.0]])
    pred = np.array([[1.1, 1.0, 4.0, 9.0], [9.0, np.nan, 1.0, 2.0]])
    record = depth_record(pred, gt)
    parts = record["parts"]
    assert parts["mse"] == pytest.approx((0.01 + 1 + 0 + 0 + 1) / 5) and record["value"] == pytest.approx(parts["mse"] ** 0.5)
    assert parts["abs_rel"] == pytest.approx((0.1 + 0.5 + 1) / 5)
    assert parts["within"] == {"<1.25": 0.6, "<1.5625": 0.6, "<1.95312": 0.6} and parts["covered"] == pytest.approx(5 / 6)
    only = np.zeros_like(gt, bool)
    only[0, :2] = True
    assert depth_record(pred, gt, mask=only)["parts"]["abs_rel"] == pytest.approx(0.3)
    assert depth_record(pred * np.nan, gt)["value"] is None
    with pytest.raises(ShapeError):
        depth_record(pred[:1], gt)
    with pytest.raises(DataError):
        depth_record(pred + np.inf, gt)


def test_a_wall_is_as_far_along_z_everywhere_and_farther_along_the_rays():
    K = np.array([[2.0, 0, 2], [0, 2, 1], [0, 0, 1]])
    wall = np.full((2, 4), 3.0)
    rays = along(wall, "z", "ray", K)
    x, y = np.meshgrid([-0.75, -0.25, 0.25, 0.75], [-0.25, 0.25])
    assert np.allclose(rays, 3 * np.sqrt(1 + x**2 + y**2)) and np.allclose(along(rays, "ray", "z", K), wall)
    assert np.array_equal(along(wall, "z", "z", None), wall)
    with refused(DataError, "camera"):
        along(wall, "z", "ray", None)
    with refused(UsageError, "'rays'", hint="'ray'"):
        along(wall, "z", "rays", K)


def test_the_value_of_depth_and_pose_is_the_error_asked_for():
    gt = np.array([[1.0, 2.0]])
    for value, wanted in (("rmse", 0.5), ("mse", 0.25), ("abs_rel", 0.375)):
        record = depth_record(gt + 0.5, gt, DepthOptions(value=value))
        assert record["value"] == pytest.approx(wanted) and record["params"]["value"] == value
    turn = turned([0, 1, 0], 10, (0, 0, 2)), turned([0, 1, 0], 40, (2, 0, 0))
    for value, wanted in (("rotation_deg", 30), ("azimuth_deg", 90), ("translation", 8**0.5), ("translation_relative", 2**0.5)):
        assert pose_record(*turn, value=value)["value"] == pytest.approx(wanted)
    with refused(UsageError, "'rsme'", hint="'rmse'"):
        depth_record(gt, gt, DepthOptions(value="rsme"))
    with refused(UsageError, "'azimuth'", hint="'azimuth_deg'"):
        pose_record(*turn, value="azimuth")


def test_points_known_to_be_inside_by_hand():
    a, b = torch.tensor([True, True, False, False]), torch.tensor([True, False, True, False])
    record = points_record(a, b)
    assert record["value"] == pytest.approx(1 / 3) and record["parts"]["counts"] == {"inside": [1, 3]}
    assert points_record(a & ~a, b & ~b)["value"] == 1 and points_record(a, b & ~b)["value"] == 0


def turned(axis, degrees, centre=(0.0, 0.0, 0.0)):
    """world_to_cam of a camera at `centre`, turned about an axis."""
    axis = np.asarray(axis, float) / np.linalg.norm(axis)
    k = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    t = np.radians(degrees)
    out = np.eye(4)
    out[:3, :3] = np.eye(3) + np.sin(t) * k + (1 - np.cos(t)) * k @ k
    out[:3, 3] = -out[:3, :3] @ np.asarray(centre)
    return out


@pytest.mark.parametrize("degrees", [0, 1e-6, 1e-3, 1, 45, 120, 128.3, 179, 179.999, 180])
def test_rotation_angle_is_exact_from_nought_to_half_a_turn(degrees):
    base = turned([1, 2, 3], 77)[:3, :3]
    assert rotation_angle(turned([3, -1, 2], degrees)[:3, :3] @ base, base) == pytest.approx(degrees, abs=1e-6, rel=1e-6)


def test_pose_by_hand():
    record = pose_record(turned([0, 1, 0], 10, (0, 0, 2)), turned([0, 1, 0], 40, (2, 0, 0)))
    assert record["value"] == pytest.approx(30)
    assert record["parts"]["azimuth_deg"] == pytest.approx(90)
    assert record["parts"]["translation"] == pytest.approx(8**0.5) and record["parts"]["translation_relative"] == pytest.approx(2**0.5)
    assert azimuth_error(np.array([0, 5.0, 0]), np.array([1.0, 0, 0])) is None
    with pytest.raises(DataError):
        pose_record(np.diag([1.0, 1, -2, 1]), np.eye(4))
    with pytest.raises(ShapeError):
        pose_record(np.eye(3), np.eye(4))


@pytest.mark.parametrize("which", ["some", "all"])
@pytest.mark.parametrize("options", [{}, {"resolution": 24}])
def test_a_sphere_is_the_same_solid_however_its_faces_are_wound(which, options):
    import voxcli
    from voxcli.scene import Mesh

    vertices, faces = sphere(subdivisions=2)
    mixed = faces.numpy().copy()
    some = torch.rand(len(mixed), generator=torch.Generator().manual_seed(3)) < 0.5 if which == "some" else slice(None)
    mixed[some] = mixed[some][:, ::-1]
    pair = Mesh(vertices.numpy(), mixed), Mesh(vertices.numpy(), faces.numpy())
    assert voxcli.score(*pair, "iou", **options)["value"] == 1.0
