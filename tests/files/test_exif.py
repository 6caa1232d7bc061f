"""Fields of view from EXIF, against values that follow from the geometry of lens and sensor."""

import math

import numpy as np
import pytest
from PIL import Image

from voxcli.files import read_as, write
from voxcli.files.exif import field_of_view
from voxcli.files.images import reduction
from voxcli.scene import FRUSTUM_PRESETS, Frustum, Picture

EXIF, ORIENTATION = 0x8769, 0x0112
FOCAL, FILM, WIDTH, HEIGHT, PLANE_X, PLANE_UNIT = 0x920A, 0xA405, 0xA002, 0xA003, 0xA20E, 0xA210


def exif(tags, orientation=1):
    made = Image.Exif()
    made[ORIENTATION] = orientation
    made.get_ifd(EXIF).update(tags)
    return made


def photograph(tmp_path, tags, size=(400, 300), orientation=1, name="a.jpg", **options):
    Image.new("RGB", size, (90, 120, 60)).save(tmp_path / name, exif=exif(tags, orientation), **options)
    return read_as(tmp_path / name, Picture)


def fov(side, focal):
    return math.degrees(2 * math.atan(side / 2 / focal))


def test_a_frame_of_three_by_two_has_the_field_of_view_of_its_36_millimetres(tmp_path):
    assert photograph(tmp_path, {FILM: 50}, (300, 200)).fov_x_deg == pytest.approx(fov(36, 50))  # 39.6 degrees
    assert photograph(tmp_path, {FILM: 18}, (300, 200)).fov_x_deg == pytest.approx(90)


def test_a_phone_of_four_by_three_is_compared_by_its_diagonal(tmp_path):
    diagonal = math.hypot(36, 24)
    wide, high = 0.8 * diagonal, 0.6 * diagonal  # 3-4-5
    assert photograph(tmp_path, {FILM: 26}).fov_x_deg == pytest.approx(fov(wide, 26))  # 67.3 degrees
    assert photograph(tmp_path, {FILM: 26}, (300, 400)).fov_x_deg == pytest.approx(fov(high, 26))


@pytest.mark.parametrize("orientation, across", [(1, 0.8), (3, 0.8), (6, 0.6), (8, 0.6), (5, 0.6)])
def test_a_portrait_has_the_field_of_view_of_its_upright_width(tmp_path, orientation, across):
    found = photograph(tmp_path, {FILM: 26, WIDTH: 400, HEIGHT: 300}, orientation=orientation)
    assert found.fov_x_deg == pytest.approx(fov(across * math.hypot(36, 24), 26))
    assert found.rgb.shape[:2] == ((300, 400) if across == 0.8 else (400, 300))


@pytest.mark.parametrize("unit, density", [(2, 400 / 6.4 * 25.4), (3, 400 / 6.4 * 10), (4, 400 / 6.4), (None, 400 / 6.4 * 25.4)])
def test_a_lens_of_4_mm_before_a_sensor_of_6_4_mm(tmp_path, unit, density):
    tags = {FOCAL: 4.0, PLANE_X: density, WIDTH: 400, HEIGHT: 300} | ({} if unit is None else {PLANE_UNIT: unit})
    assert photograph(tmp_path, tags).fov_x_deg == pytest.approx(fov(6.4, 4), rel=1e-4)
    # Scaled down since, or turned by a program that left the stated size as it was: the sensor is the same.
    assert photograph(tmp_path, tags, (200, 150)).fov_x_deg == pytest.approx(fov(6.4, 4), rel=1e-4)
    assert photograph(tmp_path, tags, (300, 400)).fov_x_deg == pytest.approx(fov(4.8, 4), rel=1e-4)
    assert photograph(tmp_path, tags, orientation=6).fov_x_deg == pytest.approx(fov(4.8, 4), rel=1e-4)


def test_the_35_mm_equivalent_is_taken_before_the_sensor(tmp_path):
    tags = {FILM: 18, FOCAL: 4.0, PLANE_X: 1000.0, PLANE_UNIT: 4}
    assert photograph(tmp_path, tags, (300, 200)).fov_x_deg == pytest.approx(90)


@pytest.mark.parametrize(
    "tags",
    [
        {}, {FILM: 0}, {FILM: 60000}, {FILM: 1}, {FOCAL: 4.0}, {FOCAL: 0.0, PLANE_X: 1000.0}, {FOCAL: 4.0, PLANE_X: 0.0},
        {FOCAL: 4.0, PLANE_X: 1000.0, PLANE_UNIT: 77}, {FOCAL: 4.0, PLANE_X: 1e9}, {PLANE_X: 1000.0},
        {FILM: 26, WIDTH: 1000, HEIGHT: 300},
    ],
    ids=["none", "unknown", "too long", "too short", "no sensor", "no length", "no density", "no unit", "a point", "no lens", "a part"],
)  # fmt: skip
def test_missing_and_absurd_tags_are_ignored(tmp_path, tags):
    assert photograph(tmp_path, tags).fov_x_deg is None


class Damaged:
    def __init__(self, tags):
        self.tags = tags

    def get_ifd(self, _):
        return self.tags


@pytest.mark.parametrize("value", ["26 mm", (26, 1, 3), float("nan"), float("inf"), -26, b"\0", None])
def test_tags_that_are_no_numbers_are_ignored(value):
    assert field_of_view(Damaged({FILM: value}), 400, 300) is None


def test_damaged_exif_damages_no_picture(tmp_path):
    found = exif({FILM: 26}).tobytes()
    for keep in (8, 14, 20, len(found) - 3):
        Image.new("RGB", (40, 30)).save(tmp_path / "a.jpg", exif=found[:keep])
        assert read_as(tmp_path / "a.jpg", Picture).rgb.shape == (30, 40, 3)


@pytest.mark.parametrize("name", ["a.png", "a.webp"])
def test_other_formats_tell_it_too(tmp_path, name):
    assert photograph(tmp_path, {FILM: 18}, (300, 200), name=name).fov_x_deg == pytest.approx(90)


def test_a_picture_that_is_written_again_states_no_field_of_view(tmp_path):
    write(tmp_path / "b.png", photograph(tmp_path, {FILM: 18}))
    assert read_as(tmp_path / "b.png", Picture).fov_x_deg is None


# ------------------------------------------------------------------------------------------------ decoded smaller

NEAR = FRUSTUM_PRESETS["semantic-voxels"]


def test_two_pixels_are_left_for_one_of_the_camera():
    # 128 pixels over 40 degrees: a focal length of 175.8, twice that is 351.7.
    assert NEAR.focal == pytest.approx(175.84, abs=0.01)
    assert reduction(4032, 3024, NEAR, 40.0) == 8 and reduction(4032, 3024, NEAR, 67.4) == 8  # focal lengths 5539 and 3023
    assert reduction(4032, 3024, NEAR, 90.0) == 4 and reduction(4032, 3024, NEAR, 120.0) == 2  # 2016 and 1164
    assert reduction(4032, 3024, NEAR, 150.0) == 1  # 540
    assert reduction(513, 513, NEAR, 40.0) == 2 and reduction(511, 511, NEAR, 40.0) == 1
    assert reduction(4032, 3024, NEAR, None) == 8 and reduction(1000, 600, NEAR, None) == 2


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_large_jpeg_is_decoded_smaller_upright_and_right_in_its_proportions(tmp_path, mode, orientation):
    pixels = np.zeros((1203, 1601, 3), np.uint8)
    pixels[:600, :800], pixels[:600, 800:], pixels[600:, :800] = (200, 40, 40), (40, 200, 40), (40, 40, 200)
    Image.fromarray(pixels).convert(mode).save(tmp_path / "a.jpg", exif=exif({FILM: 18}, orientation), quality=95)
    whole = read_as(tmp_path / "a.jpg", Picture)
    small = read_as(tmp_path / "a.jpg", Picture, target_frustum=Frustum(128, 96, 1, 1.0, 2.0, 70.0))
    size = (1203, 1601) if orientation in (6, 8) else (1601, 1203)
    assert whole.stored is None and whole.rgb.shape[1::-1] == size
    assert small.stored == size and small.fov_x_deg == whole.fov_x_deg
    by = 4  # focal length of the upright picture at least 1000: a quarter is more than twice 91.4
    assert small.rgb.shape[1::-1] == tuple(-(-side // by) for side in size)
    rows, columns = small.rgb.shape[:2]
    blocks = whole.rgb[: rows // 2 * 8, : columns // 2 * 8].reshape(rows // 2, 8, columns // 2, 8, 3).mean((1, 3))
    pairs = small.rgb[: rows // 2 * 2, : columns // 2 * 2].reshape(rows // 2, 2, columns // 2, 2, 3).mean((1, 3))
    assert np.abs(blocks - pairs).mean() < 2


@pytest.mark.parametrize("how", [{"progressive": True}, {"format": "MPO", "save_all": True, "append_images": [Image.new("RGB", (40, 30))]}])
def test_photographs_of_phones_come_in_other_kinds_of_jpeg(tmp_path, how):
    Image.new("RGB", (1600, 1200), (90, 120, 60)).save(tmp_path / "a.jpg", exif=exif({FILM: 26}, 6), **how)
    found = read_as(tmp_path / "a.jpg", Picture, target_frustum=NEAR)
    assert found.rgb.shape == (800, 600, 3) and found.stored == (1200, 1600)
    assert found.fov_x_deg == pytest.approx(fov(0.6 * math.hypot(36, 24), 26))


def test_nothing_is_decoded_smaller_for_a_camera_of_as_many_pixels(tmp_path):
    Image.new("RGB", (200, 150)).save(tmp_path / "a.jpg")
    found = read_as(tmp_path / "a.jpg", Picture, target_frustum=Frustum(128, 96, 1, 1.0, 2.0, 70.0))
    assert found.stored is None and found.rgb.shape == (150, 200, 3)


def test_the_field_of_view_that_is_given_decides_how_small(tmp_path):
    Image.new("RGB", (1600, 1200)).save(tmp_path / "a.jpg")
    wide = read_as(tmp_path / "a.jpg", Picture, target_frustum=NEAR, fov_x_deg=100.0)  # a focal length of 671 pixels
    assert wide.stored is None and read_as(tmp_path / "a.jpg", Picture, target_frustum=NEAR).stored == (1600, 1200)
    Image.new("RGB", (1600, 1200)).save(tmp_path / "a.png")
    assert read_as(tmp_path / "a.png", Picture, target_frustum=NEAR).stored is None
