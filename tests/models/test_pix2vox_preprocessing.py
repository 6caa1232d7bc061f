"""The official test transform, step by step; and pictures of every kind."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from refusals import refused
from torch.testing import assert_close

from voxcli.errors import DataError, UsageError
from voxcli.models.pix2vox.preprocessing import Preparation, prepare
from voxcli.scene.types import Picture


def noise(height, width, seed=0, dtype=np.uint8):
    high = np.iinfo(dtype).max
    return np.random.default_rng(seed).integers(0, high, (height, width, 3), dtype=dtype, endpoint=True)


def by_hand(rgb, part, alpha=None, background=240):
    """The steps in their order with torch's bilinear resize, whose pixel centres are those of cv2's."""
    left, top, right, bottom = part
    rows, columns = np.arange(top, bottom).clip(0, len(rgb) - 1), np.arange(left, right).clip(0, rgb.shape[1] - 1)
    full = rgb[..., ::-1][rows][:, columns].astype(np.float64) / np.iinfo(rgb.dtype).max
    x = torch.from_numpy(full.copy()).permute(2, 0, 1)[None]
    x = F.interpolate(x, (224, 224), mode="bilinear", align_corners=False)[0]
    if alpha is not None:
        a = torch.from_numpy(alpha[rows][:, columns].astype(np.float64))[None, None]
        hidden = F.interpolate(a, (224, 224), mode="bilinear", align_corners=False)[0, 0] == 0
        x[:, hidden] = background / 255
    return ((x - 0.5) / 0.5).float().numpy()


def test_renders_of_137_pixels_lose_their_border():
    image, facts = prepare(Picture(noise(137, 137)), Preparation())
    assert (facts["crop"], facts["part"]) == ("center", [4, 4, 132, 132])
    assert_close(image, by_hand(noise(137, 137), (4, 4, 132, 132)), rtol=0, atol=2e-6)
    assert image.dtype == np.float32 and image.shape == (3, 224, 224)


@pytest.mark.parametrize(
    ("height", "width", "crop", "part"),
    [
        (128, 137, "auto", (0, 0, 137, 128)),  # not larger than 128 both ways
        (60, 90, "auto", (0, 0, 90, 60)),
        (224, 224, "auto", (0, 0, 224, 224)),
        (480, 640, "auto", (0, 0, 640, 480)),
        (480, 640, "center", (256, 176, 384, 304)),
        (137, 137, "none", (0, 0, 137, 137)),
        (1, 1, "auto", (0, 0, 1, 1)),
        (3, 400, "none", (0, 0, 400, 3)),
    ],
)
def test_pictures_of_any_size_are_resized_bilinearly(height, width, crop, part):
    rgb = noise(height, width)
    image, facts = prepare(Picture(rgb), Preparation(crop=crop))
    assert tuple(facts["part"]) == part
    assert_close(image, by_hand(rgb, part), rtol=0, atol=2e-6)


def test_channels_come_blue_first():
    rgb = np.zeros((224, 224, 3), np.uint8)
    rgb[..., 0], rgb[..., 1] = 255, 51
    image, _ = prepare(Picture(rgb), Preparation())
    assert_close(image[:, 0, 0], np.array([-1, -0.6, 1], np.float32))


def test_only_what_alpha_hides_wholly_is_painted_and_nothing_is_blended():
    rgb = noise(137, 137)
    alpha = np.full((137, 137), 255, np.uint8)
    alpha[:60] = 0
    alpha[60:80] = 1  # a trace of the object keeps its colour
    image, facts = prepare(Picture(rgb, alpha), Preparation(background=(10, 20, 30)))
    wanted = by_hand(rgb, (4, 4, 132, 132), alpha)
    hidden = (wanted == np.float32((240 / 255 - 0.5) / 0.5)).all(0)
    assert 0.3 < hidden.mean() < 0.5 and facts["painted"] == pytest.approx(hidden.mean(), abs=1e-4)
    assert_close(image[:, hidden][:, 0], np.array([30, 20, 10], np.float32) / 127.5 - 1)
    assert_close(image[:, ~hidden], wanted[:, ~hidden], rtol=0, atol=2e-6)
    assert (prepare(Picture(rgb), Preparation())[1]["painted"]) == 0


def test_painting_comes_after_resizing():
    """A hidden pixel beside a shown one mixes with it, as in the original: painting first would show the background there."""
    rgb = np.zeros((112, 112, 3), np.uint8)
    alpha = np.full((112, 112), 255, np.uint8)
    alpha[:, :56] = 0
    rgb[:, :56] = 200
    image, _ = prepare(Picture(rgb, alpha), Preparation())
    assert_close(image[0, 0, 111:113], np.array([0.75, 0.25]) * 200 / 127.5 - 1, check_dtype=False)
    assert_close(image[0, 0, 109], np.float32(240 / 127.5 - 1), check_dtype=False)


@pytest.mark.parametrize(
    ("bbox", "part"),
    [
        ((100.0, 50.0, 200.0, 110.0), (100, 30, 201, 131)),  # square about the middle, the last pixel included
        ((0.25, 0.25, 0.5, 0.75), (70, 75, 231, 226)),  # fractions of 400 x 300
        ((-20.0, -10.0, 30.0, 50.0), (-25, -10, 36, 51)),  # beyond the picture: its border is repeated
        ((380.0, 280.0, 500.0, 400.0), (380, 280, 501, 401)),
    ],
)
def test_a_box_is_cut_out_as_a_square(bbox, part):
    rgb = noise(300, 400)
    if max(bbox) <= 1:
        part = (int(150 - 75), int(150 - 75), int(150 + 75) + 1, int(150 + 75) + 1)
    image, facts = prepare(Picture(rgb), Preparation(bbox=bbox))
    assert facts["crop"] == "box" and tuple(facts["part"]) == part
    assert_close(image, by_hand(rgb, part), rtol=0, atol=2e-6)


def test_the_object_that_alpha_shows_is_found():
    alpha = np.zeros((600, 800), np.uint8)
    alpha[100:200, 300:400] = 255
    picture = Picture(noise(600, 800), alpha)
    for crop in ("auto", "box"):
        assert prepare(picture, Preparation(crop=crop))[1]["part"] == [290, 90, 411, 211]
    assert prepare(picture, Preparation(crop="none"))[1]["part"] == [0, 0, 800, 600]
    assert prepare(Picture(picture.rgb, np.full_like(alpha, 255)), Preparation())[1]["crop"] == "none"


def test_sixteen_bits_are_scaled_by_their_own_maximum():
    deep = noise(137, 137, dtype=np.uint16)
    image, _ = prepare(Picture(deep), Preparation())
    assert_close(image, by_hand(deep, (4, 4, 132, 132)), rtol=0, atol=2e-6)


def test_a_panorama_of_20_000_pixels_takes_no_memory_of_its_size():
    import tracemalloc

    panorama = Picture(np.broadcast_to(noise(1, 20_000), (2_000, 20_000, 3)))
    tracemalloc.start()
    image, _ = prepare(panorama, Preparation())
    peak = tracemalloc.get_traced_memory()[1]
    assert peak < 100e6 and np.isfinite(image).all()


def test_what_cannot_be_is_refused():
    picture = Picture(noise(50, 50))
    with refused(DataError, "transparent"):
        prepare(Picture(picture.rgb, np.zeros((50, 50), np.uint8)), Preparation())
    with refused(DataError, "no alpha"):
        prepare(picture, Preparation(crop="box"))
    with refused(DataError, "outside", expected="50x50 pixels", actual=[60.0, 0.0, 80.0, 20.0]):
        prepare(picture, Preparation(bbox=(60.0, 0.0, 80.0, 20.0)))
    with refused(UsageError, "empty", actual=[10.0, 0.0, 5.0, 20.0]):
        Preparation(bbox=(10.0, 0.0, 5.0, 20.0))
    with refused(UsageError, "contradict"):
        Preparation(crop="none", bbox=(0.0, 0.0, 5.0, 20.0))
    with refused(UsageError, "0..255", actual=[0, 0, 256]):
        Preparation(background=(0, 0, 256))
    with refused(UsageError, "'centre'", hint="'center'"):
        Preparation(crop="centre")
