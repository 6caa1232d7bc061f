"""Every kind in every format that writes it: what comes back is what went in, and the bytes depend on nothing else."""

import dataclasses

import numpy as np
import pytest
from equality import assert_same
from refusals import refused

from voxcli.errors import DataError
from voxcli.files import formats_writing, known_formats, read_as, write
from voxcli.files.registry import KIND_TYPES
from voxcli.geometry.cameras import look_at
from voxcli.scene import Camera, DepthMap, Frustum, FruxelGrid, Labels, Mesh, Picture, PointCloud, Surfels, VoxelGrid

META = {"schema": "voxcli/test", "seed": 0, "options": {"name": "Straße"}}
CLASSES = Labels(("air", "car", "tree"), empty=0, ignore=255)
RNG = np.random.default_rng(3)


def camera(width, height):
    K = np.array([[20.5, 0, width / 2], [0, 20.5, height / 2 + 0.25], [0, 0, 1]])
    return Camera(K, width, height, look_at([1, 2, 3], [0, 0.1, 0]))


def fruxels(probabilities=False):
    labels = RNG.integers(0, 3, (4, 5, 6)).astype(np.uint8)
    volume = RNG.random((3, 4, 5, 6)).astype(np.float16) if probabilities else None
    return FruxelGrid(labels, Frustum(6, 5, 4, 1.5, 9.25, 55.5), look_at([1, 2, 3], [0, 0, 0]), CLASSES, volume, META)


def voxels(kind="bool"):
    place = {"origin": np.array([0.5, -1.25, 2.0]), "voxel_size": np.array([0.1, 0.1, 0.1]), "meta": META}
    if kind == "labels":
        return VoxelGrid(labels=RNG.integers(0, 3, (4, 5, 6)).astype(np.uint8), classes=CLASSES, **place)
    values = RNG.random((5, 5, 5))
    return VoxelGrid(occupancy=values > 0.5 if kind == "bool" else values.astype(np.float32), **place)


def points(full=True):
    xyz = RNG.normal(size=(7, 3)).astype(np.float32)
    if not full:
        return PointCloud(xyz)
    normals = RNG.normal(size=(7, 3)).astype(np.float32)
    colors = RNG.integers(0, 256, (7, 3)).astype(np.uint8)
    labels = RNG.integers(0, 3, 7).astype(np.uint8)
    return PointCloud(xyz, normals, colors, labels, CLASSES, RNG.random(7).astype(np.float32), META)


def depth():
    values = (RNG.integers(1, 9000, (4, 6)) / 1000).astype(np.float32)
    values[1, 2] = np.nan
    return DepthMap(values, "z", camera(6, 4), META)


def surfels():
    return Surfels(depth().depth, RNG.normal(size=(4, 6, 3)), RNG.random((4, 6, 3)).astype(np.float32), camera(6, 4), META)


def tetrahedron(**kwargs):
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1.0]])
    return Mesh(vertices, np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]]), **kwargs)


LOSSLESS = [
    (fruxels(), ".npz"),
    (fruxels(True), ".npz"),
    (fruxels(), ".h5"),
    (fruxels(True), ".h5"),
    *[(voxels(kind), extension) for kind in ("bool", "float", "labels") for extension in (".npz", ".h5")],
    (points(), ".npz"),
    (points(False), ".npz"),
    (points(), ".ply"),
    (points(False), ".ply"),
    (points(False), ".npy"),
    (PointCloud(RNG.normal(size=(5, 3)), RNG.normal(size=(5, 3)), RNG.integers(0, 256, (5, 3)).astype(np.uint8)), ".xyz"),
    (depth(), ".npz"),
    (depth(), ".png"),
    (depth(), ".tif"),
    (surfels(), ".npz"),
    (Picture(RNG.integers(0, 256, (4, 6, 3)).astype(np.uint8), meta=META), ".png"),
    (Picture(RNG.integers(0, 256, (4, 6, 3)).astype(np.uint8), RNG.integers(0, 256, (4, 6)).astype(np.uint8)), ".png"),
    (Picture(np.repeat(RNG.integers(0, 65536, (4, 6, 1)), 3, axis=2).astype(np.uint16)), ".png"),
    (tetrahedron(meta=META), ".ply"),
    (tetrahedron(face_labels=np.array([0, 1, 2, 1], np.uint8), classes=CLASSES, face_colors=np.eye(4, 3).astype(np.uint8) * 200), ".ply"),
    (camera(6, 4), ".yaml"),
]


@pytest.mark.parametrize("thing, extension", LOSSLESS, ids=lambda v: v if isinstance(v, str) else type(v).__name__)
def test_what_was_written_reads_back(tmp_path, thing, extension):
    write(tmp_path / f"a{extension}", thing)
    assert_same(thing, read_as(tmp_path / f"a{extension}", type(thing)))


def every_writer():
    samples = [fruxels(), voxels(), voxels("labels"), points(False), depth(), surfels(), camera(4, 3)]
    samples += [
        Picture(np.zeros((2, 3, 3), np.uint8)),
        tetrahedron(),
        tetrahedron(face_labels=np.array([1, 1, 2, 2], np.uint8), classes=CLASSES),
    ]
    for thing in samples:
        for extension in formats_writing(type(thing)):
            if extension in (".label", ".bin", ".invalid", ".occluded"):  # one size of grid alone: see test_completion_voxels.py
                continue
            yield pytest.param(thing, extension, id=f"{type(thing).__name__}{extension}")


@pytest.mark.parametrize("thing, extension", list(every_writer()))
def test_the_same_thing_gives_the_same_bytes(tmp_path, thing, extension):
    first, second = tmp_path / f"a{extension}", tmp_path / f"b{extension}"
    write(first, thing)
    write(second, dataclasses.replace(thing))
    assert first.read_bytes() == second.read_bytes()
    assert str(tmp_path).encode() not in first.read_bytes()


def test_hdf5_bytes_do_not_hold_the_time(tmp_path, monkeypatch):
    import time

    write(tmp_path / "a.h5", fruxels_fixed := fruxels())
    monkeypatch.setattr(time, "time", lambda: 4e9)
    time.sleep(1.1)  # the C library reads its own clock, to the second
    write(tmp_path / "b.h5", fruxels_fixed)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_meta_given_to_write_replaces_the_things_own(tmp_path):
    write(tmp_path / "a.npz", fruxels(), meta={"seed": 7})
    assert read_as(tmp_path / "a.npz", FruxelGrid).meta == {"seed": 7}


def test_labels_without_an_empty_or_ignored_class_stay_so(tmp_path):
    thing = dataclasses.replace(fruxels(), classes=Labels(("a", "b", "c"), empty=None, ignore=None))
    for extension in (".npz", ".h5"):
        write(tmp_path / f"a{extension}", thing)
        assert read_as(tmp_path / f"a{extension}", FruxelGrid).classes == thing.classes


def test_surfels_as_points_lie_where_the_camera_sees_them(tmp_path):
    thing = surfels()
    write(tmp_path / "a.ply", thing)
    cloud = read_as(tmp_path / "a.ply", PointCloud)
    seen = np.isfinite(thing.depth)
    in_camera = np.c_[cloud.points, np.ones(len(cloud.points))] @ thing.camera.world_to_cam.T
    pixel = in_camera[:, :3] @ thing.camera.K.T
    row, column = np.nonzero(seen)
    assert np.allclose(in_camera[:, 2], thing.depth[seen], atol=1e-5)
    assert np.allclose(pixel[:, :2] / pixel[:, 2:], np.stack([column + 0.5, row + 0.5], axis=1), atol=1e-4)
    assert np.allclose(cloud.radius * np.sqrt(2) * 20.5, thing.depth[seen], atol=1e-4)


def test_depth_that_16_bits_cannot_hold_is_an_error_and_a_scale_mends_it(tmp_path):
    far = DepthMap(np.full((2, 2), 100.0, np.float32))
    with refused(DataError, "a.png", "16 bits", expected="65.535 m", actual="100 m"):
        write(tmp_path / "a.png", far)
    assert not (tmp_path / "a.png").exists()
    write(tmp_path / "a.png", far, depth_scale=0.01)
    assert np.allclose(read_as(tmp_path / "a.png", DepthMap).depth, 100)
    assert np.allclose(read_as(tmp_path / "a.png", DepthMap, depth_scale=0.02).depth, 200)


def test_a_surface_before_the_cameras_lens_is_not_lost_as_no_surface(tmp_path):
    write(tmp_path / "a.png", DepthMap(np.full((1, 1), 0.0001, np.float32)))
    assert read_as(tmp_path / "a.png", DepthMap).depth[0, 0] == np.float32(0.001)


def test_formats_say_what_they_do():
    for format in known_formats():
        assert format.summary and (format.extensions or format.names)
        assert set(format.reads) <= set(KIND_TYPES)
        assert bool(format.reads) == (format.reader is not None)
        assert format.reads or format.writers
