import numpy as np
import pytest
from refusals import refused

from voxcli.errors import DataError
from voxcli.models.frustum.fitting import fit, leave_out
from voxcli.scene import FRUSTUM_PRESETS, Camera, Frustum, Labels, Picture

WIDE = Frustum(32, 16, 8, 2.0, 12.0, 40.0)
SQUARE = Frustum(32, 32, 8, 2.0, 12.0, 90.0)  # tan(fov / 2) = 1


def picture(width, height, seed=0, **more):
    return Picture(np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8), **more)


def fov_of(half):
    """The field of view, in degrees, whose half has this tangent."""
    return 2 * np.degrees(np.arctan(half))


def averaged(rgb, by):
    height, width = rgb.shape[:2]
    return rgb.astype(float).reshape(height // by, by, width // by, by, 3).mean((1, 3))


def test_a_picture_of_the_models_camera_is_taken_as_it_is():
    source = picture(32, 16)
    found = fit(source, WIDE, fov_x_deg=40.0)
    assert np.array_equal(found.image, source.rgb)
    assert found.part == [0, 0, 32, 16]
    assert not found.unseen.any() and found.lost == 0 and found.source == "given"


def test_a_picture_of_two_pixels_a_column_is_taken_as_it_is_at_scale_two():
    source = picture(64, 32)
    found = fit(source, WIDE, scale=2, fov_x_deg=40.0)
    assert np.array_equal(found.image, source.rgb)
    assert found.part == [0, 0, 64, 32] and found.unseen.shape == (16, 32)


def test_a_larger_picture_is_averaged_and_of_a_wider_one_of_unknown_field_of_view_the_middle_is_taken():
    source = picture(128, 32)  # twice the size, twice too wide
    found = fit(source, WIDE)
    assert found.part == [32, 0, 96, 32] and found.lost == 0.5 and found.source == "assumed"
    assert np.abs(found.image - averaged(source.rgb[:, 32:96], 2)).max() <= 1  # two passes round to whole numbers
    assert found.fov_x_deg == pytest.approx(fov_of(2 * np.tan(np.radians(20))))


def test_a_whole_picture_of_another_aspect_leaves_columns_unseen_and_nothing_lost():
    flat = fit(picture(128, 32), WIDE, whole=True)
    assert flat.part == [0, -16, 128, 48] and flat.lost == 0 and flat.fov_x_deg == pytest.approx(40)
    assert flat.unseen[:4].all() and flat.unseen[12:].all() and not flat.unseen[4:12].any()
    tall = fit(picture(32, 64), SQUARE, whole=True)
    assert tall.part == [-16, 0, 48, 64]
    assert tall.unseen[:, :8].all() and tall.unseen[:, 24:].all() and not tall.unseen[:, 8:24].any()
    assert tall.fov_x_deg == pytest.approx(fov_of(0.5))


@pytest.mark.parametrize("scale", [1, 2])
def test_a_narrower_field_of_view_leaves_columns_unseen_at_the_exact_place(scale):
    source = picture(64, 64)
    found = fit(source, SQUARE, scale=scale, fov_x_deg=fov_of(0.5))
    assert found.part == pytest.approx([-32, -32, 96, 96])
    shown = found.image[8 * scale : 24 * scale, 8 * scale : 24 * scale]
    assert np.abs(shown - averaged(source.rgb, 4 // scale)).max() <= 1
    assert (found.image[: 8 * scale, 8 * scale : 24 * scale] == found.image[8 * scale, 8 * scale : 24 * scale]).all()
    assert found.unseen.sum() == 32 * 32 - 16 * 16 and not found.unseen[8:24, 8:24].any()


def test_a_wider_field_of_view_loses_its_border():
    source = picture(128, 128)
    found = fit(source, SQUARE, fov_x_deg=fov_of(2.0))
    assert found.part == pytest.approx([32, 32, 96, 96]) and found.lost == pytest.approx(0.75)
    assert np.abs(found.image - averaged(source.rgb[32:96, 32:96], 2)).max() <= 1
    assert not found.unseen.any()


def test_a_picture_that_knows_its_field_of_view_is_fitted_to_it_unless_another_is_given():
    source = picture(64, 64, fov_x_deg=fov_of(0.5))
    assert fit(source, SQUARE).part == pytest.approx([-32, -32, 96, 96]) and fit(source, SQUARE).source == "EXIF"
    assert fit(source, SQUARE, whole=True).part == pytest.approx([-32, -32, 96, 96])
    assert fit(source, SQUARE, fov_x_deg=90.0).part == pytest.approx([0, 0, 64, 64])


def test_a_camera_off_centre_moves_the_part():
    K = WIDE.K.copy()
    K[0, 2] += 5
    found = fit(picture(32, 16), WIDE, camera=Camera(K, 32, 16))
    assert found.part == pytest.approx([5, 0, 37, 16]) and found.source == "camera"
    assert found.unseen[:, 27:].all() and not found.unseen[:, :27].any()
    K[0, 2] += 100
    with refused(DataError, "nothing", actual="part [105, 0, 137, 16] of"):
        fit(picture(32, 16), WIDE, camera=Camera(K, 32, 16))
    with refused(DataError, expected="64x32", actual="32x16"):
        fit(picture(64, 32), WIDE, camera=Camera(WIDE.K, 32, 16))


def test_a_picture_read_at_a_reduced_size_shows_the_same_part():
    """Parts and cameras are in pixels of the file, whatever was decoded."""
    smooth = np.broadcast_to(np.arange(0, 256, 1, np.uint8)[None, :, None], (128, 256, 3))
    K = np.array([[200.0, 0, 140], [0, 200, 50], [0, 0, 1]])
    camera = Camera(K, 256, 128)
    full = fit(Picture(np.ascontiguousarray(smooth)), WIDE, camera=camera)
    small = averaged(smooth, 4).round().astype(np.uint8)
    reduced = fit(Picture(small, stored=(256, 128)), WIDE, camera=camera)
    assert reduced.part == full.part and np.array_equal(reduced.unseen, full.unseen)
    assert np.abs(reduced.image.astype(int) - full.image).max() <= 3


def test_the_far_frustum_takes_a_four_by_three_picture_whole():
    found = fit(picture(640, 480), FRUSTUM_PRESETS["far"], scale=2, whole=True)
    assert found.image.shape == (192, 256, 3) and found.part == [0, 0, 640, 480] and found.lost == 0 and not found.unseen.any()


def test_sixteen_bits_are_read_as_their_upper_eight():
    source = picture(32, 16)
    deep = Picture(source.rgb.astype(np.uint16) * 257)
    assert np.array_equal(fit(deep, WIDE, fov_x_deg=40.0).image, source.rgb)


def test_left_out_columns_take_the_ignore_label_or_the_empty_one():
    unseen = np.array([[True, False]])
    for classes, mark in ((Labels(("air", "car")), 255), (Labels(("car", "air"), empty=1, ignore=None), 1)):
        labels, shares = np.zeros((3, 1, 2), np.uint8), np.full((2, 3, 1, 2), 0.5, np.float16)
        leave_out(labels, unseen, classes, shares)
        assert labels[:, 0].tolist() == [[mark, 0]] * 3
        assert (shares[..., 0] == 0).all() and (shares[..., 1] == 0.5).all()


def test_a_strip_of_a_picture_is_called_one_and_not_a_wrong_field_of_view():
    with refused(DataError, "narrow", expected="32:16", actual="3000x20"):
        fit(picture(3000, 20), WIDE, whole=True)
