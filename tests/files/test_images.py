"""Images of every mode and orientation, and the ones that must be refused."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from refusals import refused

from voxcli.errors import DataError, FileFormatError
from voxcli.files import read, read_as, write
from voxcli.scene import DepthMap, Picture

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (6, 8, 3)).astype(np.uint8)


def saved(tmp_path, image, name="a.png", **options):
    image.save(tmp_path / name, **options)
    return tmp_path / name


@pytest.mark.parametrize("mode, has_alpha", [("1", False), ("L", False), ("P", False), ("RGB", False), ("LA", True), ("RGBA", True)])
def test_every_png_mode_becomes_rgb_and_keeps_its_alpha(tmp_path, mode, has_alpha):
    source = Image.fromarray(RGB).convert("RGBA")
    source.putalpha(Image.fromarray(RGB[..., 0]))
    image = (source if has_alpha else source.convert("RGB")).convert(mode)
    picture = read_as(saved(tmp_path, image), Picture)
    assert picture.rgb.dtype == np.uint8 and np.array_equal(picture.rgb, np.asarray(image.convert("RGB")))
    assert (picture.alpha is not None) == has_alpha
    if has_alpha:
        assert np.array_equal(picture.alpha, RGB[..., 0])


def test_a_transparent_palette_colour_is_alpha(tmp_path):
    image = Image.fromarray((RGB[..., 0] % 2).astype(np.uint8), "P")
    image.putpalette([255, 0, 0, 0, 255, 0])
    picture = read_as(saved(tmp_path, image, transparency=0), Picture)
    assert np.array_equal(picture.alpha, np.where(RGB[..., 0] % 2, 255, 0))


def test_16_bit_grey_stays_16_bit(tmp_path):
    values = RNG.integers(0, 65536, (4, 5)).astype(np.uint16)
    picture = read_as(saved(tmp_path, Image.fromarray(values)), Picture)
    assert picture.rgb.dtype == np.uint16 and np.array_equal(picture.rgb[..., 1], values)
    assert np.allclose(read_as(tmp_path / "a.png", DepthMap).depth[values > 0], values[values > 0] / 1000)
    assert np.array_equal(np.isnan(read_as(tmp_path / "a.png", DepthMap).depth), values == 0)


def test_16_bit_colour_is_read_and_not_written(tmp_path):
    wide = RNG.integers(0, 65536, (2, 3, 3)).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in wide)
    chunks = [(b"IHDR", struct.pack(">2I5B", 3, 2, 16, 2, 0, 0, 0)), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    data = b"\x89PNG\r\n\x1a\n" + b"".join(struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks)
    (tmp_path / "a.png").write_bytes(data)
    assert np.abs(read_as(tmp_path / "a.png", Picture).rgb.astype(int) - (wide >> 8)).max() <= 1
    with refused(DataError, "b.png", "16-bit"):
        write(tmp_path / "b.png", Picture(wide.astype(np.uint16)))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path, orientation):
    upright = np.zeros((16, 32, 3), np.uint8)
    upright[:8, :16] = 255  # white at the top left
    turned = {1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1], 5: upright.swapaxes(0, 1),
              6: np.rot90(upright), 7: upright[::-1, ::-1].swapaxes(0, 1), 8: np.rot90(upright, -1)}[orientation]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path, Image.fromarray(np.ascontiguousarray(turned)), "a.jpg", exif=exif, quality=95)
    picture = read_as(path, Picture)
    assert picture.rgb.shape == (16, 32, 3)
    assert picture.rgb[:7, :15].min() > 200 and picture.rgb[9:].max() < 60 and picture.rgb[:, 17:].max() < 60


def test_cmyk_jpegs_are_read(tmp_path):
    image = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    assert np.abs(read_as(saved(tmp_path, image, "a.jpg"), Picture).rgb[4, 4].astype(int) - [254, 0, 0]).max() < 6


def test_grey_jpegs_become_three_channels(tmp_path):
    picture = read_as(saved(tmp_path, Image.new("L", (8, 4), 77), "a.jpeg"), Picture)
    assert picture.rgb.shape == (4, 8, 3) and (picture.rgb == 77).all()


def test_the_first_frame_of_an_animation_is_read(tmp_path):
    frames = [Image.new("RGB", (4, 4), c) for c in ("red", "blue")]
    frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:])
    assert read_as(tmp_path / "a.png", Picture).rgb[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("width, height", [(200_000, 1_000), (2**31 - 1, 2**31 - 1), (14_000, 12_000)])
def test_absurd_sizes_are_refused_before_they_are_decoded(tmp_path, width, height):
    chunks = [(b"IHDR", struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)), (b"IDAT", zlib.compress(b"\0" * 100)), (b"IEND", b"")]
    data = b"\x89PNG\r\n\x1a\n" + b"".join(struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks)
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises((DataError, FileFormatError), match=r"a\.png"):
        read(tmp_path / "a.png")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("keep", [4, 20, 0.3, 0.8])
@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_truncated_images_are_refused(tmp_path, name, keep):
    buffer = io.BytesIO()
    Image.fromarray(RNG.integers(0, 256, (64, 64, 3)).astype(np.uint8)).save(buffer, "PNG" if name == "a.png" else "JPEG")
    data = buffer.getvalue()
    (tmp_path / name).write_bytes(data[: keep if keep > 1 else int(keep * len(data))])
    with refused(FileFormatError, name):
        read(tmp_path / name)


def test_text_named_png_says_that_it_is_text(tmp_path):
    (tmp_path / "a.png").write_text("hello, I am a text file")
    with refused(FileFormatError, "a.png", actual="text: 'hello"):
        read(tmp_path / "a.png")


def test_a_colour_picture_is_no_depth(tmp_path):
    with refused(FileFormatError, "a.png", expected="one channel", actual="mode RGB"):
        read_as(saved(tmp_path, Image.fromarray(RGB)), DepthMap)


def test_float_tiffs_hold_metres_and_nothing_where_there_is_no_surface(tmp_path):
    values = np.array([[1.5, 0.0], [np.nan, 2.25]], np.float32)
    Image.fromarray(values).save(tmp_path / "a.tif")
    depth = read_as(tmp_path / "a.tif", DepthMap).depth
    assert np.array_equal(depth, [[1.5, np.nan], [np.nan, 2.25]], equal_nan=True)
    Image.fromarray(np.array([[1500, 0]], np.uint16)).save(tmp_path / "b.tiff")
    assert np.array_equal(read_as(tmp_path / "b.tiff", DepthMap).depth, np.array([[1.5, np.nan]], np.float32), equal_nan=True)


def test_eight_bits_are_no_depth(tmp_path):
    for name in ("a.png", "a.tif"):
        Image.fromarray(np.arange(48, dtype=np.uint8).reshape(6, 8)).save(tmp_path / name)
        with refused(FileFormatError, name, actual="8 bits"):
            read_as(tmp_path / name, DepthMap)
        assert isinstance(read(tmp_path / name), Picture)
