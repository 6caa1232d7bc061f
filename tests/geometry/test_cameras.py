"""Every change of camera convention: exact both ways, and pinned by one point whose picture is known."""

import math

import numpy as np
import pytest
from refusals import refused

from voxcli.errors import DataError
from voxcli.geometry import cameras


def some_camera(seed):
    rng = np.random.default_rng(seed)
    return cameras.look_at(rng.normal(size=3) * 3, rng.normal(size=3))


def project(K, world_to_cam, point):
    x = K @ (world_to_cam @ [*point, 1.0])[:3]
    return x[:2] / x[2]


@pytest.mark.parametrize("seed", range(5))
def test_look_at_is_rigid_puts_the_target_on_the_axis_and_up_above(seed):
    rng = np.random.default_rng(seed)
    eye, target = rng.normal(size=3) * 3, rng.normal(size=3)
    matrix = cameras.look_at(eye, target)
    assert np.allclose(matrix @ [*eye, 1], [0, 0, 0, 1])
    assert np.allclose(matrix @ [*target, 1], [0, 0, np.linalg.norm(target - eye), 1])
    assert np.linalg.det(matrix[:3, :3]) == pytest.approx(1)
    assert (matrix[:3, :3] @ [0, 1, 0])[1] < 0  # y is down in the picture


def test_a_camera_before_the_origin_sees_plus_x_to_the_right():
    K, matrix = cameras.intrinsics(90, 8, 6), cameras.look_at([0, 0, 2], [0, 0, 0])
    assert np.allclose(project(K, matrix, [1, 0, 0]), [4 + 4 * 0.5, 3])
    assert np.allclose(project(K, matrix, [0, 1, 0]), [4, 3 - 4 * 0.5])


@pytest.mark.parametrize("target", [[0, 5, 0], [0, 0, 0], [float("nan"), 0, 0]])
def test_looking_along_up_is_refused(target):
    with refused(DataError, "up vector"):
        cameras.look_at([0, 0, 0], target)


@pytest.mark.parametrize("fov", [0, 180, 200, -5, float("nan")])
def test_absurd_fields_of_view_are_refused(fov):
    with refused(DataError, "0 and 180"):
        cameras.intrinsics(fov, 4, 4)


@pytest.mark.parametrize("seed", range(5))
def test_every_convention_goes_there_and_back(seed):
    matrix = some_camera(seed)
    assert np.allclose(cameras.inverse_rigid(cameras.inverse_rigid(matrix)), matrix)
    assert np.allclose(cameras.from_opengl(cameras.to_opengl(matrix)), matrix)
    assert np.allclose(cameras.from_pytorch3d(*cameras.to_pytorch3d(matrix)), matrix)
    assert np.allclose(cameras.from_colmap(*cameras.to_colmap(matrix)), matrix)
    K = np.array([[70.0, 0, 31], [0, 65, 22], [0, 0, 1]])
    assert np.allclose(cameras.from_pytorch3d_ndc(*cameras.to_pytorch3d_ndc(K, 64, 48), 64, 48), K)
    assert np.allclose(cameras.to_integer_centres(cameras.from_integer_centres(K)), K)
    points = np.random.default_rng(seed).normal(size=(4, 3))
    assert np.allclose(cameras.z_up_to_y_up(cameras.y_up_to_z_up(points)), points)


def test_an_opengl_camera_at_the_identity_looks_along_minus_z_with_y_up():
    matrix = cameras.from_opengl(np.eye(4))
    assert np.allclose(matrix @ [0, 0, -3, 1], [0, 0, 3, 1])
    assert np.allclose(matrix @ [0, 1, -3, 1], [0, -1, 3, 1])


def test_a_pytorch3d_camera_at_the_identity_has_x_to_the_left():
    matrix = cameras.from_pytorch3d(np.eye(3), np.zeros(3))
    assert np.allclose(matrix @ [1, 1, 2, 1], [-1, -1, 2, 1])
    # NDC (1, 1) is the top-left corner of a square picture
    K = cameras.from_pytorch3d_ndc([1, 1], [0, 0], 10, 10)
    assert np.allclose(project(K, matrix, [2, 2, 2]), [0, 0])


def test_z_up_becomes_y_up_without_mirroring():
    assert np.allclose(cameras.z_up_to_y_up(np.array([[0, 0, 1.0]])), [[0, 1, 0]])
    axes = cameras.z_up_to_y_up(np.eye(3))
    assert np.linalg.det(axes) == pytest.approx(1)


def test_integer_pixel_centres_lie_half_a_pixel_off_ours():
    K = np.array([[10.0, 0, 3.5], [0, 10, 1.5], [0, 0, 1]])  # the middle of an 8 x 4 picture, where pixel (0, 0) is centred at (0, 0)
    assert np.allclose(cameras.from_integer_centres(K)[:2, 2], [4, 2])


def test_a_quaternion_about_z_turns_x_into_y():
    half = math.sqrt(0.5)
    assert np.allclose(cameras.quaternion_to_rotation([half, 0, 0, half]) @ [1, 0, 0], [0, 1, 0])


@pytest.mark.parametrize("wxyz", [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [1, 1, 1, 1], [1e-9, 1, 2, 3]])
def test_quaternions_survive_half_turns(wxyz):
    wxyz = np.array(wxyz) / np.linalg.norm(wxyz)
    again = cameras.rotation_to_quaternion(cameras.quaternion_to_rotation(wxyz))
    assert min(np.abs(again - wxyz).max(), np.abs(again + wxyz).max()) < 1e-9


def test_a_zero_quaternion_is_refused():
    with refused(DataError, "quaternion", actual=[0.0, 0.0, 0.0, 0.0]):
        cameras.quaternion_to_rotation([0, 0, 0, 0])


@pytest.mark.parametrize("azimuth, elevation, ratio", [(0, 25, 1.0), (90, 30, 0.7), (215.3, 27.1, 0.65), (359, -10, 0.9)])
def test_shapenet_metadata_round_trip(azimuth, elevation, ratio):
    assert np.allclose(cameras.to_shapenet(cameras.from_shapenet(azimuth, elevation, ratio)), (azimuth, elevation, ratio))


def test_shapenet_cameras_agree_with_the_renderers_own_chain_of_rotations():
    """The renderer (z up): a camera on +x of a rig that is turned by -elevation about y, then by -azimuth about z; it looks along -x."""
    azimuth, elevation, ratio = np.radians(40.0), np.radians(25.0), 0.8
    Rz = np.array([[np.cos(-azimuth), -np.sin(-azimuth), 0], [np.sin(-azimuth), np.cos(-azimuth), 0], [0, 0, 1]])
    Ry = np.array([[np.cos(-elevation), 0, np.sin(-elevation)], [0, 1, 0], [-np.sin(-elevation), 0, np.cos(-elevation)]])
    right, up, back = Rz @ Ry @ [0, 1, 0], Rz @ Ry @ [0, 0, 1], Rz @ Ry @ [1, 0, 0]
    cam_to_world = np.eye(4)
    cam_to_world[:3, :3] = np.stack([cameras.z_up_to_y_up(v) for v in (right, up, back)], axis=1)
    cam_to_world[:3, 3] = cameras.z_up_to_y_up(back * 1.75 * ratio)
    assert np.allclose(cameras.from_opengl(cam_to_world), cameras.from_shapenet(40.0, 25.0, ratio))


def test_shapenet_lens_has_the_published_numbers():
    K = cameras.shapenet_intrinsics()
    assert (K[0, 0], K[1, 1], K[0, 2], K[1, 2]) == (149.84375, 149.84375, 68.5, 68.5)
