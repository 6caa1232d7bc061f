"""Light, cover, textures and the camera pipeline of photographic renderings, by what geometry and other programs say."""

import io
import math

import numpy as np
import pytest
from PIL import Image
from processes import least_share
from skimage import data as pictures

from voxcli.datasets.synthetic.camera_pipeline import develop, jpeg, photographic, resized
from voxcli.datasets.synthetic.shapes import box
from voxcli.datasets.synthetic.street.far.plan import draw_street
from voxcli.datasets.synthetic.street.photo.cover import crown_cover, crown_depth, railing_cover
from voxcli.datasets.synthetic.street.photo.ground import fade, ground
from voxcli.datasets.synthetic.street.photo.light import Canyon, draw_photo_light, environment, sky
from voxcli.datasets.synthetic.street.pieces import Assembly, Surface
from voxcli.datasets.synthetic.street.plan import Placed, View
from voxcli.datasets.synthetic.street.render import gather
from voxcli.datasets.synthetic.street.sample import ground_slab
from voxcli.datasets.synthetic.street.shadows import FAR, ShadowMap
from voxcli.scene import FRUSTUM_PRESETS


def canyon(left=10.0, right=10.0, low=0.0, high=0.0):
    return Canyon((left, right), (low, high), np.full((2, 3), 0.2, np.float32))


def test_an_open_street_sees_the_whole_sky_and_a_wall_half_of_it():
    up, side = np.array([[0.0, 1, 0]]), np.array([[1.0, 0, 0]])
    zero = np.zeros(1)
    assert canyon().sky_share(zero, zero, up) == pytest.approx(1)
    assert canyon().sky_share(zero, zero, side) == pytest.approx(0.5)


@pytest.mark.parametrize("height", [2.0, 8.0, 25.0])
def test_between_two_walls_the_sky_narrows_as_the_angle_of_their_tops_says(height):
    # The view factor of a long slit from its floor's middle: the cosine of the elevation of the edges.
    x, y = np.zeros(3), np.array([0.0, height / 2, height])
    up = np.tile([0.0, 1, 0], (3, 1))
    expected = [math.cos(math.atan2(height - level, 10)) for level in y]
    np.testing.assert_allclose(canyon(low=height, high=height).sky_share(x, y, up), expected, rtol=1e-6)
    one = canyon(low=height).sky_share(x, y, up)  # a wall on one side takes half as much away
    np.testing.assert_allclose(one, (1 + np.array(expected)) / 2, rtol=1e-6)


def test_mirrors_see_the_wall_up_to_its_top_and_the_sky_above():
    light = draw_photo_light(np.random.default_rng(1))
    walls = canyon(low=10.0, high=10.0)
    eye = np.zeros((2, 3), np.float32) + np.array([0, 1.5, 0], np.float32)
    rays = np.array([[math.cos(a), math.sin(a), 0] for a in (math.atan2(2, 10), math.atan2(30, 10))], np.float32)
    seen = environment(eye, rays, light, walls)
    np.testing.assert_allclose(seen[1], sky(rays[1:], light)[0], rtol=1e-5)
    assert np.abs(seen[0] - sky(rays[:1], light)[0]).max() > 0.01


def test_the_shadow_of_a_post_lies_away_from_the_sun():
    a = Assembly("post")
    a.add(box((1.0, 4.0, 1.0), (0.0, 2.0, 0.0)), (0.5, 0.5, 0.5))
    view = View(np.array([0.0, 1.6, 0.0]), 0.0, 0.0, 0.0, FRUSTUM_PRESETS["far"])
    placed = [Placed(a.finish(), 0.0, 20.0, 0.0)]
    soup = gather(placed, ground_slab(view.position))
    sun = np.array([-1.0, 1.0, 0.0], np.float32) / math.sqrt(2)  # 45 degrees high over -x: shadows reach 4 m to +x
    shadow = ShadowMap.make(soup, view, sun, FAR)
    x = np.array([-2.0, -0.9, 0.9, 2.0, 4.1, 5.0, 2.0], np.float32)
    z = np.array([20.0, 20, 20, 20, 20, 20, 21.0], np.float32)
    points = np.stack([x, np.zeros(7, np.float32), z], 1)
    np.testing.assert_array_equal(shadow.sunlight(points, np.tile(np.float32([0, 1, 0]), (7, 1))), [1, 1, 0, 0, 0, 1, 1])


def test_a_ray_through_the_middle_of_a_crown_is_deepest():
    box_ = np.tile(np.float32([-1, 1, 2, 6, -1, 1]), (4, 1))
    ray = np.tile(np.float32([0, 0, 1]), (4, 1))
    local = np.float32([[0, 4, -1], [0.6, 4, -1], [1, 4, 0], [0, 5.2, -1]])  # x/1 = 0, 0.6, 1; y off by 0.6 of its half
    np.testing.assert_allclose(crown_depth(local, ray, box_), [1, 1 - 0.36, 0, 1 - 0.36], atol=1e-6)
    slanted = np.float32([[3, 0, 4]]) / 5
    at = np.float32([[0.25, 4, 0]])  # its distance from the ray's line: 0.25 * 4/5
    np.testing.assert_allclose(crown_depth(at, slanted, box_[:1]), 1 - 0.2**2, atol=1e-6)


@pytest.mark.parametrize("twigs", [False, True])
def test_denser_crowns_cover_more_and_outlines_are_ragged(twigs):
    rng = np.random.default_rng(0)
    local = rng.uniform(-2, 2, (4000, 3)).astype(np.float32)
    step, kind = np.full(4000, 0.03, np.float32), np.full(4000, twigs)
    shares = []
    for want in (0.4, 0.6, 0.8, 0.95):
        style = np.zeros((4000, 16), np.float32)
        style[:, 2:5] = want, 7, 0.5
        cover = crown_cover(local, np.ones(4000, np.float32), step, style, kind)
        assert cover.min() >= 0 and cover.max() <= 1 and cover.std() > 0.02
        shares.append(cover.mean())
        assert crown_cover(local, np.full(4000, 0.05, np.float32), step, style, kind).mean() < 0.7 * cover.mean()
    assert (np.diff(shares) > 0).all()


def test_a_railing_covers_the_share_that_its_bars_have():
    z = np.linspace(0, 20, 20001).astype(np.float32)
    local = np.stack([z * 0, z * 0 + 0.5, z], 1)
    style = np.zeros((len(z), 16), np.float32)
    style[:, 2] = 0.35
    for step in (0.001, 5.0):  # bars close by, an even grey far away
        assert railing_cover(local, np.full(len(z), step, np.float32), style).mean() == pytest.approx(0.35, abs=0.01)


def test_textures_fade_where_samples_are_coarse():
    np.testing.assert_allclose(fade(np.float32([0, 1e3]), 0.1), [1, 0], atol=1e-6)
    street = draw_street(np.random.default_rng(3))
    x, z = np.random.default_rng(1).uniform(-1, 1, (2, 3000)).astype(np.float32)
    fine, coarse = (ground(x, z + 20, np.full(3000, s, np.float32), street)[0] for s in (0.005, 2.0))
    assert coarse.std() < fine.std() and abs(coarse.mean() / fine.mean() - 1) < 0.15
    assert fine.min() >= 0 and fine.max() < 1


# The camera


def photograph(size=(256, 192)):
    return np.asarray(Image.fromarray(pictures.astronaut()).resize(size))


def test_augmentation_keeps_the_scene_in_place_and_is_repeatable():
    image = photograph()
    same = []
    for seed in range(40):
        out = photographic(image, np.random.default_rng(seed))
        assert out.shape == image.shape and out.dtype == np.uint8
        np.testing.assert_array_equal(out, photographic(image, np.random.default_rng(seed)))
        same.append(np.corrcoef(out.mean(2).ravel(), image.mean(2).ravel())[0, 1])
    assert min(same) > 0.75 and np.median(same) > 0.93
    levels = [photographic(image, np.random.default_rng(seed)).mean() for seed in range(40)]
    assert np.ptp(levels) > 60  # dark and bright ones


def test_augmentation_takes_no_longer_than_four_gamma_curves():
    image, rng = photograph(), np.random.default_rng(0)
    assert least_share(lambda: [photographic(image, rng) for _ in range(10)], lambda: [(image / 255.0) ** 2.2 for _ in range(10)]) < 4


@pytest.mark.parametrize("size", [(64, 48), (256, 192), (700, 520)])
def test_development_takes_any_size_linear_or_finished(size):
    image = photograph(size)
    for picture in (image, (image / 255) ** 2.2):
        out = develop(picture, np.random.default_rng(2))
        assert out.shape == image.shape and out.dtype == np.uint8
        assert np.corrcoef(out.mean(2).ravel(), image.mean(2).ravel())[0, 1] > 0.75
        np.testing.assert_array_equal(out, develop(picture, np.random.default_rng(2)))


def test_exposure_is_metered_so_the_unit_of_light_does_not_matter():
    light = (photograph() / 255.0) ** 2.2
    for seed in range(8):
        one, ten = (develop(light * k, np.random.default_rng(seed)).astype(int) for k in (1, 10))
        assert np.abs(one - ten).mean() < 0.6


@pytest.mark.parametrize("quality", [40, 75, 95])
def test_rounding_is_what_jpeg_does(quality):
    grey = np.repeat(photograph().mean(2).astype(np.uint8)[..., None], 3, 2)
    for image, most in ((grey, 0.7), (photograph(), 2.2)):  # colour: theirs is spread out by another filter
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, "JPEG", quality=quality, subsampling=2)
        theirs = np.asarray(Image.open(buffer).convert("RGB")).astype(float)
        ours = np.clip(jpeg(image / 255.0, quality), 0, 1) * 255
        assert np.abs(ours - theirs).mean() < most


def test_interpolation_reproduces_a_plane():
    y, x = np.mgrid[:6, :8].astype(np.float32)
    plane = np.stack([2 * x + 3 * y, x, y], -1)
    large = resized(plane, 18, 24)
    at_y, at_x = ((np.arange(18) + 0.5) / 3 - 0.5).clip(0, 5), ((np.arange(24) + 0.5) / 3 - 0.5).clip(0, 7)
    np.testing.assert_allclose(large[..., 0], 2 * at_x[None] + 3 * at_y[:, None], atol=1e-4)


def test_surfaces_have_numbers_of_their_own():
    assert len({int(s) for s in Surface}) == len(Surface)
