"""Every kind in every format that writes and reads it, with contents that nobody picked: what comes back is what went in, to the precision
that the format states."""

import string

import numpy as np
import pytest
from equality import assert_same
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from voxcli.files import formats_writing, read_as, write
from voxcli.files.registry import KIND_TYPES, formats_reading
from voxcli.geometry.cameras import look_at
from voxcli.scene import Camera, DepthMap, Frustum, FruxelGrid, Labels, Mesh, Picture, PointCloud, Surfels, VoxelGrid

FEW = settings(max_examples=20, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])

words = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=12)
sizes = st.integers(1, 7)
lengths = st.floats(1e-3, 1e3)
numbers = st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(st.characters(exclude_categories=("Cs",))),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3), max_leaves=8,
)  # fmt: skip
metas = st.dictionaries(words, json_values, max_size=3)
seeds = st.integers(0, 2**32 - 1).map(np.random.default_rng)


@st.composite
def cameras(draw, width=None, height=None):
    width, height = width or draw(sizes), height or draw(sizes)
    K = np.array([[draw(lengths), 0, draw(lengths)], [0, draw(lengths), draw(lengths)], [0, 0, 1]])
    eye = np.array([draw(st.floats(1, 9)) for _ in range(3)])
    return Camera(K, width, height, look_at(eye, [0, 0, 0]))


@st.composite
def classes(draw, dtype):
    names = tuple(draw(st.lists(words, min_size=1, max_size=5, unique=True)))
    ids = st.none() | st.integers(0, len(names) - 1)
    return Labels(names, draw(ids), draw(st.none() | st.sampled_from([255 if dtype == np.uint8 else 65535])))


@st.composite
def labels(draw, shape, dtype=None, ignored=True):
    """(ids, their classes)"""
    dtype = dtype or draw(st.sampled_from([np.uint8, np.uint16]))
    named = draw(classes(dtype))
    ids = draw(seeds).integers(0, len(named.names), shape).astype(dtype)
    if ignored and named.ignore is not None and ids.size and draw(st.booleans()):
        ids.flat[0] = named.ignore
    return ids, named


@st.composite
def fruxels(draw):
    shape = depth, height, width = draw(sizes), draw(sizes), draw(sizes)
    ids, named = draw(labels(shape))
    near = draw(lengths)
    volume = draw(seeds).random((len(named.names), *shape)).astype(np.float16) if draw(st.booleans()) else None
    frustum = Frustum(width, height, depth, near, near + draw(lengths), draw(st.floats(1, 179)))
    return FruxelGrid(ids, frustum, draw(cameras()).world_to_cam, named, volume, draw(metas))


@st.composite
def voxels(draw, cubes=False, kinds=("bool", "labels", "float")):
    shape = (draw(sizes),) * 3 if cubes else (draw(sizes), draw(sizes), draw(sizes))
    kind, rng = draw(st.sampled_from(kinds)), draw(seeds)
    size = np.repeat(draw(lengths), 3) if cubes else rng.random(3) + 0.01
    place = {"origin": rng.normal(size=3), "voxel_size": size, "meta": {} if cubes else draw(metas)}
    if kind == "labels":
        ids, named = draw(labels(shape))
        return VoxelGrid(labels=ids, classes=named, **place)
    if kind == "float":
        return VoxelGrid(occupancy=rng.random(shape).astype(draw(st.sampled_from([np.float16, np.float32, np.float64]))), **place)
    extras = {} if cubes else {"probabilities": rng.random(shape).astype(np.float32), "context": rng.random((2, *shape)).astype(np.float16)}
    return VoxelGrid(occupancy=rng.random(shape) > 0.5, **place, **{k: v for k, v in extras.items() if draw(st.booleans())})


@st.composite
def points(draw, columns=("normals", "colors", "labels", "radius"), told=True):
    count, rng = draw(sizes), draw(seeds)
    made = {
        "normals": rng.normal(size=(count, 3)).astype(np.float32), "colors": rng.integers(0, 256, (count, 3)).astype(np.uint8),
        "radius": rng.random(count).astype(np.float32),
    }  # fmt: skip
    chosen = {key: made[key] for key in columns if key != "labels" and draw(st.booleans())}
    if "labels" in columns and draw(st.booleans()):
        chosen["labels"], chosen["classes"] = draw(labels((count,), np.uint8))
    scale = draw(lengths)
    return PointCloud((rng.normal(size=(count, 3)) * scale).astype(np.float32), **chosen, meta=draw(metas) if told else {})


@st.composite
def depths(draw, camera=True):
    height, width, rng = draw(sizes), draw(sizes), draw(seeds)
    values = (rng.integers(1, 65535, (height, width)) / 1000).astype(np.float32)
    values[rng.random((height, width)) < 0.2] = np.nan
    with_camera = camera and draw(st.booleans())
    return DepthMap(values, draw(st.sampled_from(["z", "ray"])) if camera else "z", draw(cameras(width, height)) if with_camera else None,
                    draw(metas) if camera else {})  # fmt: skip


@st.composite
def surfels(draw):
    camera, rng = draw(cameras()), draw(seeds)
    shape = camera.height, camera.width
    return Surfels(rng.random(shape).astype(np.float32), rng.normal(size=(*shape, 3)), rng.random((*shape, 3)).astype(np.float32), camera,
                   draw(metas))  # fmt: skip


@st.composite
def pictures(draw):
    height, width, rng = draw(sizes), draw(sizes), draw(seeds)
    rgb = rng.integers(0, 256, (height, width, 3)).astype(np.uint8)
    return Picture(rgb, rng.integers(0, 256, (height, width)).astype(np.uint8) if draw(st.booleans()) else None, draw(metas))


@st.composite
def meshes(draw, labelled=False, coloured=False):
    rng, count = draw(seeds), draw(sizes)
    vertices = (rng.normal(size=(draw(st.integers(3, 9)), 3)) * draw(lengths)).astype(np.float32).astype(np.float64)
    faces = np.array([rng.permutation(len(vertices))[:3] for _ in range(count)])
    extras = {}
    if labelled:
        extras["face_labels"], extras["classes"] = draw(labels((count,), np.uint8, ignored=False))
    if coloured:
        extras["face_colors"] = rng.integers(0, 256, (count, 3)).astype(np.uint8)
    return Mesh(vertices, faces, **extras)


def back(folder, thing, extension):
    write(folder / f"a{extension}", thing, overwrite=True)
    return read_as(folder / f"a{extension}", type(thing))


EXACT = {
    (FruxelGrid, ".npz"): fruxels(), (FruxelGrid, ".h5"): fruxels(), (VoxelGrid, ".npz"): voxels(), (VoxelGrid, ".h5"): voxels(),
    (PointCloud, ".npz"): points(), (PointCloud, ".ply"): points(), (PointCloud, ".npy"): points((), told=False),
    (DepthMap, ".npz"): depths(), (DepthMap, ".tif"): depths(), (DepthMap, ".png"): depths(), (DepthMap, ".npy"): depths(camera=False),
    (Surfels, ".npz"): surfels(), (Picture, ".png"): pictures(), (Mesh, ".ply"): meshes(labelled=True, coloured=True),
    (Camera, ".yaml"): cameras(),
}  # fmt: skip
"""Formats that keep all of what they are given here."""


@pytest.mark.parametrize("kind, extension", EXACT, ids=lambda each: each if isinstance(each, str) else each.__name__)
def test_what_was_written_is_read_back_whole(tmp_path, kind, extension):
    @FEW
    @given(EXACT[kind, extension])
    def check(thing):
        assert_same(thing, back(tmp_path, thing, extension))

    check()


@FEW
@given(voxels(cubes=True, kinds=("bool",)))
def test_binvox_keeps_the_cells_and_where_they_are(tmp_path, grid):
    found = back(tmp_path, grid, ".binvox")
    assert np.array_equal(found.occupancy, grid.occupancy)
    assert np.allclose(found.origin, grid.origin, rtol=1e-6) and np.allclose(found.voxel_size, grid.voxel_size, rtol=1e-6)


@pytest.mark.parametrize("extension", [".obj", ".off", ".stl", ".glb", ".ply"])
def test_meshes_keep_their_triangles(tmp_path, extension):
    @FEW
    @given(meshes())
    def check(mesh):
        found = back(tmp_path, mesh, extension)
        assert np.allclose(found.vertices[found.faces], mesh.vertices[mesh.faces], rtol=1e-6, atol=0), "float32 and nine digits keep these"

    check()


@pytest.mark.parametrize("extension", [".glb", ".obj", ".ply"])
def test_meshes_keep_the_classes_of_their_faces(tmp_path, extension):
    @FEW
    @given(meshes(labelled=True))
    def check(mesh):
        found = back(tmp_path, mesh, extension)
        assert sorted(map(named_triangle, *of(found))) == sorted(map(named_triangle, *of(mesh)))

    def of(mesh):
        names = mesh.part_names if mesh.face_labels is None else mesh.classes.names
        ids = mesh.face_parts if mesh.face_labels is None else mesh.face_labels
        return mesh.vertices[mesh.faces], [names[k] for k in ids]

    def named_triangle(corners, name):
        return name, np.float32(corners).tolist()

    check()


@FEW
@given(points(("normals", "colors"), told=False))
def test_xyz_keeps_points_normals_and_colours(tmp_path, cloud):
    assert_close(cloud, back(tmp_path, cloud, ".xyz"))


def assert_close(cloud, found):
    for key in ("points", "normals", "colors"):
        left, right = getattr(cloud, key), getattr(found, key)
        assert (left is None) == (right is None) and (left is None or np.allclose(left, right, rtol=1e-6)), key


names = st.text(string.ascii_letters + string.digits + "_-", min_size=1, max_size=8).map(lambda each: f"{each}.png")


@FEW
@given(st.lists(st.tuples(names, cameras()), min_size=1, max_size=4, unique_by=lambda each: each[0]))
def test_nerfstudio_keeps_cameras(tmp_path, cameras):
    write(tmp_path / "a.json", cameras, overwrite=True)
    found = dict(read_as(tmp_path / "a.json", list))
    assert len(found) == len(cameras)
    for name, camera in cameras:
        other = found.get(name, found.get(name.removesuffix(".png")))
        assert (other.width, other.height) == (camera.width, camera.height)
        assert np.allclose(other.K, camera.K) and np.allclose(other.world_to_cam, camera.world_to_cam)


def test_every_kind_and_format_that_is_written_and_read_is_tried():
    """Left out: grids of one size alone (SemanticKITTI, Z-GAN), which test_completion_voxels.py tries."""
    there = {(kind, extension) for kind in KIND_TYPES.values() for extension in {*formats_writing(kind)} & {*formats_reading(kind)}}
    tried = {*EXACT, (VoxelGrid, ".binvox"), (PointCloud, ".xyz"), (list, ".json")} | {(Mesh, e) for e in (".obj", ".off", ".stl", ".glb")}
    same = {".hdf5": ".h5", ".tiff": ".tif", ".yml": ".yaml"}
    left = {(kind, same.get(extension, extension)) for kind, extension in there} - tried
    assert {extension for _, extension in left} <= {".label", ".bin", ".invalid", ".occluded"}, left
