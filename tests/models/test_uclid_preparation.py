"""Pictures, cameras and depth maps in UCLID-Net's square, pixel by pixel."""

import math

import numpy as np
import pytest
import torch
from refusals import refused

from voxcli.errors import DataError
from voxcli.models.uclid.preparation import prepare, projection_of, resized, square_depth
from voxcli.scene import Camera, DepthMap, Picture


def picture(width, height, **more):
    return Picture(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8), **more)


def camera(width, height, focal, distance, **more):
    """It looks along +z at the origin, at a distance."""
    K = np.array([[focal, 0, more.get("cx", width / 2)], [0, focal, more.get("cy", height / 2)], [0, 0, 1.0]])
    world_to_cam = np.eye(4)
    world_to_cam[2, 3] = distance
    return Camera(K, width, height, world_to_cam)


# ------------------------------------------------------------------------------------------------ pictures


@pytest.mark.parametrize(("width", "height", "left", "top"), [(4, 2, 0, 1), (3, 6, 1, 0), (5, 2, 0, 1), (3, 3, 0, 0)])
def test_white_is_put_around_the_shorter_sides(width, height, left, top):
    source, side = picture(width, height), max(width, height)
    square, facts = prepare(source, side)
    assert square.shape == (3, side, side) and facts == {"padded": [left, top], "painted": 0.0, "side": side}
    for row in range(side):
        for column in range(side):
            y, x = row - top, column - left
            inside = 0 <= y < height and 0 <= x < width
            wanted = source.rgb[y, x] / 255 if inside else [1, 1, 1]
            np.testing.assert_allclose(square[:, row, column].numpy(), wanted, atol=1e-6)


def test_white_is_where_alpha_is_below_one_half():
    alpha = np.array([[0, 127, 128, 255]] * 4, np.uint8)
    source = picture(4, 4, alpha=alpha)
    square, facts = prepare(source, 4)
    assert facts["painted"] == 0.5 and (square[:, :, :2] == 1).all()
    np.testing.assert_allclose(square[:, :, 2:].permute(1, 2, 0).numpy(), source.rgb[:, 2:] / 255, atol=1e-6)
    with refused(DataError, "transparent", expected="alpha"):
        prepare(picture(4, 4, alpha=np.full((4, 4), 127, np.uint8)), 4)


def test_sixteen_bits_are_as_good_as_eight():
    eight = picture(4, 3)
    sixteen = Picture(eight.rgb.astype(np.uint16) * 257)
    assert torch.allclose(prepare(eight, 6)[0], prepare(sixteen, 6)[0], atol=1e-6)


def test_a_picture_that_shrinks_keeps_its_mean_and_its_ramps():
    ramp = torch.linspace(0, 1, 32).expand(3, 32, 32)
    small = resized(ramp, 8)
    # A pixel of the small picture lies over four of the large one: its value is that at their middle.
    assert torch.allclose(small[0, 0, 1:-1], (4 * torch.arange(1, 7) + 1.5) / 31, atol=1e-6)
    assert math.isclose(float(small.mean()), 0.5, abs_tol=1e-6)
    assert resized(ramp, 32) is ramp
    assert torch.equal(resized(torch.full((3, 5, 5), 0.25), 9), torch.full((3, 9, 9), 0.25))


# ------------------------------------------------------------------------------------------------ cameras


@pytest.mark.parametrize("scale", [1, 2])
def test_a_camera_follows_its_picture_into_the_square(scale):
    """The same camera may be told for another resolution of the picture."""
    source = picture(40, 20)
    seen = camera(40 * scale, 20 * scale, 30 * scale, 4.0, cx=18 * scale, cy=11 * scale)
    P = projection_of(seen, source).double().numpy()
    for point in ([0, 0, 0], [0.5, -0.3, 0.2], [-1, 1, 1]):
        x, y, z = np.add(point, [0, 0, 4])
        column, row = 30 * x / z + 18, 30 * y / z + 11 + 10  # ten rows of white above
        u, v, w = P @ [*point, 1]
        np.testing.assert_allclose([u / w, v / w, w], [column / 20 - 1, row / 20 - 1, z], atol=1e-6)


def test_a_camera_for_other_proportions_is_refused():
    projection_of(camera(41, 20, 30, 4.0), picture(40, 20))  # off by the rounding of one pixel
    with refused(DataError, expected="40x20", actual="40x40"):
        projection_of(camera(40, 40, 30, 4.0), picture(40, 20))


def test_a_cube_that_covers_less_than_a_28th_of_the_picture_is_refused():
    # Its near side, 2 units wide, covers 280 * 2 / (distance - 1) pixels: 10 of 280 at a distance of 57.
    projection_of(camera(280, 280, 280, 56.9), picture(280, 280))
    with refused(DataError, expected="10 of 280 pixels, as at a distance of 57", actual="10 pixels at a distance of 57.1"):
        projection_of(camera(280, 280, 280, 57.1), picture(280, 280))


@pytest.mark.parametrize(("factor", "unit"), [(1000, "millimetres"), (100, "centimetres")])
def test_the_unit_that_a_far_camera_may_be_in_is_told(factor, unit):
    with refused(DataError, actual=f"{3 * factor}", hint=f"{unit}: scale its translation by {1 / factor:g}"):
        projection_of(camera(280, 280, 280, 3.0 * factor), picture(280, 280))


# ------------------------------------------------------------------------------------------------ depth


def test_depth_follows_its_picture_into_the_square_and_is_repeated_where_it_is_small():
    depth = np.array([[1.0, 2, 0, 4], [-1, np.nan, np.inf, 8]], np.float32)
    square = square_depth(DepthMap(depth), picture(8, 4), None)
    assert square.shape == (112, 112)
    nan = np.nan
    wanted = [[nan] * 4, [1, 2, nan, 4], [nan, nan, np.inf, 8], [nan] * 4]
    np.testing.assert_array_equal(square.numpy(), np.repeat(np.repeat(np.array(wanted), 28, 0), 28, 1))


def test_of_large_maps_pixels_are_left_out():
    depth = np.arange(1, 673 * 673 + 1, dtype=np.float32).reshape(673, 673)
    square = square_depth(DepthMap(depth), picture(673, 673), None)
    assert np.array_equal(square.numpy(), depth[1::3, 1::3])


def test_distances_along_rays_become_depth_along_the_axis():
    known = camera(8, 4, 6.0, 0.0)
    distances = np.random.default_rng(0).uniform(1, 3, (2, 4)).astype(np.float32)
    for own, given in ((known, None), (None, known)):
        square = square_depth(DepthMap(distances, "ray", own), picture(8, 4), given)[::28, ::28]
        for row in range(2):
            for column in range(4):
                # The map has half of the camera's resolution: a focal length of 3 and the middle at (2, 1).
                x, y = (column + 0.5 - 2) / 3, (row + 0.5 - 1) / 3
                assert float(square[row + 1, column]) == pytest.approx(distances[row, column] / math.sqrt(x * x + y * y + 1), rel=1e-6)
    with refused(DataError, "camera", hint="--camera"):
        square_depth(DepthMap(distances, "ray"), picture(8, 4), None)


def test_maps_of_other_proportions_or_without_a_surface_are_refused():
    with refused(DataError, expected="8x4", actual="4x4"):
        square_depth(DepthMap(np.ones((4, 4), np.float32)), picture(8, 4), None)
    with refused(DataError, "empty"):
        square_depth(DepthMap(np.zeros((2, 4), np.float32)), picture(8, 4), None)
