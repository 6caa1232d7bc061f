"""DISN's layout, made by hand: easy and hard views, depth of either kind, splits; cameras against the renderer's own statement."""

import json
import shutil
import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from references.silhouettes import assert_camera_fits, blender_pixels, lopsided_mesh, silhouette, surface_points
from refusals import refused

from voxcli import files
from voxcli.datasets.disn import DISNFolder
from voxcli.errors import DataError, FileFormatError
from voxcli.scene import DepthMap, PointCloud

EASY = [(5.0, 22.0, 0.9, None), (123.0, 29.0, 0.7, None)]
HARD = [(31.0, 3.0, 0.95, (0.15, -0.1, 0.12)), (200.0, 40.0, 0.8, (-0.1, 0.17, -0.05))]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("disn")
    points = surface_points(lopsided_mesh())
    for kind, views in (("easy", EASY), ("hard", HARD)):
        for tree in ("renderings_rgb", "renderings_depth"):
            place = root / tree / "ShapeNet" / "03001627" / "aa" / kind
            place.mkdir(parents=True)
            lines = []
            for k, (a, e, r, shift) in enumerate(views):
                x, y, z = shift or (0, 0, 0)  # Blender moved the object in its z-up world, where the model is (x, -z, y)
                mask = silhouette(blender_pixels(points + (x, z, -y), a, e, r, 224), 224, 224)
                if tree == "renderings_rgb":
                    rgba = np.where(mask[..., None], (10, 20, 30, 255), (0, 0, 0, 0)).astype(np.uint8)
                    Image.fromarray(rgba).save(place / f"{k:02d}.png")
                elif kind == "easy":
                    depth = np.where(mask, np.float32(1.25), np.nan).astype(np.float32)
                    files.write(place / f"{k:02d}.npy", DepthMap(depth))
                else:
                    grey = np.where(mask, round((1.25 - 0.7) * 1.4 * 255), 255).astype(np.uint8)
                    Image.fromarray(grey).save(place / f"{k:02d}.png")
                lines.append(f"[{a},{e},0,{r},35,32,1.75{'' if shift is None else f',{x},{y},{z}'}], \n")
            (place / "rendering_metadata.txt").write_text("".join(lines))
    samples = root / "SurfaceSamples" / "ShapeNet" / "03001627"
    samples.mkdir(parents=True)
    files.write(samples / "aa.ply", PointCloud(points[:500].astype(np.float32)))
    (root / "splits").mkdir()
    (root / "splits" / "test.json").write_text(json.dumps({"ShapeNet": {"03001627": ["aa"]}}))
    return root


@pytest.fixture
def folder(made, tmp_path):
    """A copy that a test may change."""
    return shutil.copytree(made, tmp_path / "data")


@pytest.mark.parametrize("kind", ["easy", "hard"])
def test_cameras_see_the_mesh_where_the_pictures_show_it(folder, kind):
    sample = DISNFolder(folder, "test").sample(0, kind=kind)
    assert sample.images.shape == (2, 224, 224, 4)
    for image, camera in zip(sample.images, sample.cameras, strict=True):
        assert_camera_fits(camera, lopsided_mesh(), image[..., 3] > 0)


@pytest.mark.parametrize("kind", ["easy", "hard"])
def test_depth_is_metric_where_the_object_is_and_absent_elsewhere(folder, kind):
    sample = DISNFolder(folder).sample(0, (1,), kind)
    shown = sample.images[0, ..., 3] > 0
    assert sample.depths is not None and sample.depths.dtype == np.float32
    assert np.array_equal(np.isfinite(sample.depths[0]), shown)
    assert np.abs(sample.depths[0][shown] - 1.25).max() < 2e-3  # one step of DISN's 8 bits is 2.8 mm


def test_points_come_in_the_frame_of_the_mesh(folder):
    points = DISNFolder(folder)[0].points.points
    mesh = lopsided_mesh()
    assert len(points) == 500 and (points >= mesh.vertices.min(0) - 1e-6).all() and (points <= mesh.vertices.max(0) + 1e-6).all()


def test_splits_by_name_by_path_and_none_list_the_same(folder):
    for split in ("test", folder / "splits" / "test.json", None):
        assert DISNFolder(folder, split).name(0) == "03001627/aa"


def test_what_is_wrong_is_named(folder):
    with refused(DataError, "train"):
        DISNFolder(folder, "train")
    (folder / "renderings_depth/ShapeNet/03001627/aa/easy/00.npy").unlink()
    with refused(DataError, "no depth"):
        DISNFolder(folder).depths(0, [0])
    (folder / "renderings_rgb/ShapeNet/03001627/aa/easy/rendering_metadata.txt").write_text("[1,2,3]\n")
    with refused(FileFormatError, "rendering_metadata", expected="[azimuth, elevation, 0, ratio, 35, 32, 1.75"):
        DISNFolder(folder).cameras(0, [0])
    (folder / "splits/test.json").write_text('{"ShapeNet": {"0": ["../.."]}}')
    with refused(FileFormatError, "test.json", actual="../.."):
        DISNFolder(folder, "test")


def packed(plain, compression):
    """A block as the format packs it: odd bytes behind even ones, differences, then ZIP or runs."""
    halves = np.frombuffer(plain[::2] + plain[1::2], np.uint8).astype(int)
    steps = bytes([halves[0], *((np.diff(halves) + 128) % 256)])
    if compression in (2, 3):
        done = zlib.compress(steps)
    else:  # a run where a byte repeats, the rest as it is, one at a time
        done, k = b"", 0
        while k < len(steps):
            n = 1
            while k + n < len(steps) and steps[k + n] == steps[k] and n < 128:
                n += 1
            done += bytes([n - 1, steps[k]]) if n > 1 else bytes([255, steps[k]])
            k += n
    return done if len(done) < len(plain) else plain


def exr(channels, compression, top=0):
    """A whole OpenEXR file of channels {name: [H, W]}."""
    height, width = next(iter(channels.values())).shape
    kinds = {"f": 2, "e": 1}

    def attribute(name, kind, data):
        return name.encode() + b"\0" + kind.encode() + b"\0" + struct.pack("<i", len(data)) + data

    listed = b"".join(n.encode() + b"\0" + struct.pack("<iB3xii", kinds[channels[n].dtype.char], 0, 1, 1) for n in sorted(channels)) + b"\0"
    head = struct.pack("<ii", 20000630, 2) + attribute("channels", "chlist", listed)
    head += attribute("compression", "compression", bytes([compression]))
    head += attribute("dataWindow", "box2i", struct.pack("<4i", 0, top, width - 1, top + height - 1)) + b"\0"
    lines = 16 if compression == 3 else 1
    blocks = []
    for row in range(0, height, lines):
        plain = b"".join(channels[n][r].tobytes() for r in range(row, min(row + lines, height)) for n in sorted(channels))
        body = plain if compression == 0 else packed(plain, compression)
        blocks.append(struct.pack("<ii", top + row, len(body)) + body)
    start = len(head) + 8 * len(blocks)
    offsets = [start + sum(map(len, blocks[:k])) for k in range(len(blocks))]
    return head + struct.pack(f"<{len(offsets)}Q", *offsets) + b"".join(blocks)


@pytest.mark.parametrize("compression", [0, 1, 2, 3])
def test_depth_in_openexr_is_read_however_it_is_packed(folder, compression):
    rng = np.random.default_rng(0)
    depth = np.full((37, 21), 1e10, np.float32)
    depth[5:30, 3:17] = np.round(1.2 + 0.01 * np.arange(25)[:, None] + 0 * rng.random((25, 14)), 2)
    path = folder / "renderings_depth/ShapeNet/03001627/aa/easy/00.exr"
    path.write_bytes(exr({"Z": depth, "R": np.ones_like(depth), "A": rng.random(depth.shape).astype(np.float16)}, compression, top=4))
    read = DISNFolder(folder).depths(0, [0])[0]
    assert np.array_equal(read, np.where(depth < 1e4, depth, np.nan), equal_nan=True)


def test_openexr_that_is_damaged_or_of_another_kind_is_refused(folder):
    path = folder / "renderings_depth/ShapeNet/03001627/aa/easy/00.exr"
    whole = exr({"Z": np.ones((20, 9), np.float32)}, 3)
    other = exr({"Normal": np.ones((20, 9), np.float32)}, 3)
    piz = whole.replace(b"compression\0compression\0\1\0\0\0\3", b"compression\0compression\0\1\0\0\0\4")
    huge = whole.replace(struct.pack("<4i", 0, 0, 8, 19), struct.pack("<4i", 0, 0, 1 << 30, 19))
    for data in (whole[:60], whole[:-4], other, piz, huge, b"", b"no picture at all"):
        path.write_bytes(data)
        with refused(FileFormatError, "OpenEXR"):
            DISNFolder(folder).depths(0, [0])
