"""`predict` and `segment` of photographs: which field of view they take, what they say of it, and what they leave out."""

import math

import numpy as np
import pytest
from example_files import FILES
from PIL import Image

from voxcli import files
from voxcli.scene import Camera, Picture

MODEL = ("--weights", "best.safetensors")  # a frustum of 60 degrees, 16 x 16 columns
HALF = math.tan(math.radians(30))


def fov(half):
    """The field of view in degrees whose half has this tangent."""
    return 2 * math.degrees(math.atan(half))


def photograph(path, film=None, size=(180, 120), orientation=1, seed=0):
    exif = Image.Exif()
    exif[0x0112] = orientation
    if film:
        exif.get_ifd(0x8769)[0xA405] = film
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)).save(path, exif=exif)


@pytest.fixture
def folder(tmp_path):
    FILES["best.safetensors"](tmp_path / "best.safetensors")
    photograph(tmp_path / "wide.jpg", film=9)  # 36 mm before 9 mm: a half of 2
    photograph(tmp_path / "long.jpg", film=36)  # a half of 1/2
    photograph(tmp_path / "plain.jpg")
    return tmp_path


def said(errors):
    return [line for line in errors.splitlines() if line.startswith("field of view: ")]


def test_a_camera_goes_before_fov_before_exif_before_what_is_assumed(voxcli, folder):
    camera = Camera(np.array([[90.0, 0, 90], [0, 90, 60], [0, 0, 1]]), 180, 120)  # a half of 1
    files.write(folder / "camera.yaml", camera)
    calls = [
        ("wide.jpg", (), 2.0, "EXIF", ["field of view: 126.9 degrees, by EXIF, "]),
        ("wide.jpg", ("--fov", f"{fov(1.5)}"), 1.5, "given", []),
        ("wide.jpg", ("--camera", "camera.yaml"), 1.0, "camera", []),
        ("plain.jpg", (), 1.5 * HALF, "assumed", ["field of view: 81.79 degrees, assumed, 33% "]),
    ]
    for source, flags, half, place, lines in calls:
        code, _, errors = voxcli("predict", source, *MODEL, "-o", "out.npz", "--overwrite", *flags)
        meta = files.read(folder / "out.npz").meta["prediction"]
        assert code == 0 and meta["fov_source"] == place and meta["fov_x_deg"] == pytest.approx(fov(half), abs=1e-3), errors
        assert len(said(errors)) == len(lines) and all(line in errors for line in lines), errors
    assert "--fov or --camera" in errors and voxcli("predict", "plain.jpg", *MODEL, "-o", "q.npz", "-q")[2] == ""


@pytest.mark.parametrize("quiet", [(), ("-q",)])
def test_a_picture_that_hardly_fills_the_view_is_warned_of(voxcli, folder, quiet):
    code, _, errors = voxcli("predict", "plain.jpg", *MODEL, "-o", "out.npz", "--fov", f"{fov(HALF / 8):.6f}", *quiet)
    degrees = f"{fov(HALF / 8):.4g} degrees (--fov)"  # 2 of 16 columns and 2 of 16 rows are seen
    assert code == 0 and [line for line in errors.splitlines() if not line.startswith("out.npz: ")] == [
        f"warning: a field of view of {degrees}, 98% of the model's view is outside of the picture and left out."
    ]


def test_one_line_tells_of_all_pictures_and_verbose_of_each(voxcli, folder):
    (folder / "same").mkdir()
    for k in range(3):
        photograph(folder / f"same/{k}.jpg", film=36, seed=k)
    code, _, errors = voxcli("predict", "same/", *MODEL, "-o", "out/")
    assert code == 0 and said(errors) == [
        "field of view: 53.13 degrees, by EXIF, up to 45% of the model's view is outside of the picture and left out."
    ]  # 14 of 16 columns and 10 of 16 rows lie within
    code, _, errors = voxcli("predict", "wide.jpg", "long.jpg", "plain.jpg", *MODEL, "-o", "mixed/")
    assert code == 0 and len(said(errors)) == 1 and "53.13 to 126.9 degrees, by EXIF for 2 of 3 pictures" in errors
    assert "assumed for 1 of 3 pictures" in errors
    code, _, errors = voxcli("predict", "wide.jpg", "plain.jpg", *MODEL, "-o", "mixed/", "--overwrite", "-v")
    assert code == 0 and not said(errors)
    assert "wide.jpg: field of view 126.9 degrees, from EXIF" in errors and "plain.jpg: field of view 81.79 degrees, assumed" in errors


def test_what_a_narrow_picture_does_not_show_is_ignored(voxcli, folder):
    code, _, errors = voxcli("predict", "long.jpg", *MODEL, "-o", "out.npz", "--probabilities")
    grid = files.read(folder / "out.npz")
    middles = (np.arange(16) + 0.5) / 8 - 1
    across, down = np.abs(middles) * HALF < 1 / 2, np.abs(middles) * HALF < 1 / 3
    seen = down[:, None] & across
    assert code == 0 and ((grid.labels == 255).all(0) == ~seen).all() and ((grid.labels == 255).any(0) == ~seen).all()
    assert (grid.probabilities[:, :, ~seen] == 0).all()
    assert f"{1 - seen.mean():.0%} of the model's view is outside of the picture and left out" in errors


def test_a_portrait_from_a_phone_is_taken_upright_with_its_own_field_of_view(voxcli, folder):
    photograph(folder / "phone.jpg", film=26, size=(1600, 1200), orientation=6)
    code, _, errors = voxcli("predict", "phone.jpg", *MODEL, "-o", "out.npz")
    meta = files.read(folder / "out.npz").meta["prediction"]
    half = 0.3 * math.hypot(36, 24) / 26
    assert code == 0 and meta["fov_x_deg"] == pytest.approx(fov(half), abs=1e-3)
    side = 1200 / half * HALF  # of the square that 60 degrees span, in pixels of the upright picture
    assert meta["crop"] == pytest.approx([600 - side / 2, 800 - side / 2, 600 + side / 2, 800 + side / 2], abs=1e-3)


def test_segment_takes_it_too_and_labels_the_picture_that_is_in_the_file(voxcli, folder):
    photograph(folder / "large.jpg", film=9, size=(1800, 1200))
    code, _, errors = voxcli("segment", "large.jpg", *MODEL, "-o", "out.png", "--indices")
    labels = files.read_as(folder / "out.png", Picture).rgb[..., 0]
    assert code == 0 and said(errors) and labels.shape == (1200, 1800)
    reach = HALF / 2 * 900  # pixels from the middle that the model sees
    inside = np.abs(np.arange(1800) + 0.5 - 900) < reach
    rows = np.abs(np.arange(1200) + 0.5 - 600) < reach
    assert ((labels == 255) == ~(rows[:, None] & inside)).all()


def test_nothing_is_said_of_models_that_take_no_field_of_view(voxcli, folder):
    FILES["object.safetensors"](folder / "object.safetensors")
    code, _, errors = voxcli("predict", "wide.jpg", "--weights", "object.safetensors", "-o", "chair.npz")
    assert code == 0 and not said(errors), errors
