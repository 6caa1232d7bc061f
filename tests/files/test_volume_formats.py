"""binvox, MATLAB and MagicaVoxel, pinned by files built by hand, byte by byte."""

import struct

import h5py
import numpy as np
import pytest
import scipy.io
from refusals import refused

from voxcli.errors import DataError, FileFormatError
from voxcli.files import read, write
from voxcli.scene import Labels, VoxelGrid, class_colour

HEADER = b"#binvox 1\n# a comment\n\n  dim 4 3 2  \t\ntranslate -1 0.5 2 # why not\nscale 12\ndata\n"


def binvox_bytes(native_cells, sizes=(4, 3, 2)):
    """A file with single cells set, by their place in the native order: x, then z, then y fastest."""
    flat = np.zeros(int(np.prod(sizes)), np.uint8)
    flat[native_cells] = 1
    return HEADER + b"".join(bytes([value, 1]) for value in flat)


def test_binvox_order_is_x_z_y_and_the_header_may_hold_comments(tmp_path):
    # native index = x * 6 + z * 2 + y for sizes x 4, z 3, y 2
    cells = [(0, 1, 0), (2, 0, 1), (3, 1, 2)]  # x, y, z
    (tmp_path / "a.binvox").write_bytes(binvox_bytes([x * 6 + z * 2 + y for x, y, z in cells]))
    grid = read(tmp_path / "a.binvox")
    assert grid.occupancy.shape == (4, 2, 3)
    assert sorted(map(tuple, np.argwhere(grid.occupancy).tolist())) == sorted(cells)
    assert np.allclose(grid.origin, [-1, 0.5, 2])
    assert np.allclose(grid.voxel_size, [12 / 4, 12 / 2, 12 / 3])  # world = scale * (i + 1/2) / dim + translate


@pytest.mark.parametrize("seed", range(4))
def test_binvox_runs_longer_than_255_and_ragged_ones_read_back(tmp_path, seed):
    rng = np.random.default_rng(seed)
    occupied = rng.random((17, 17, 17)) < [0.0, 0.001, 0.5, 1.0][seed]
    write(tmp_path / "a.binvox", VoxelGrid(occupancy=occupied, origin=np.array([0.1, 0.2, 0.3]), voxel_size=np.full(3, 0.3)))
    again = read(tmp_path / "a.binvox")
    assert np.array_equal(again.occupancy, occupied)
    assert np.allclose(again.origin, [0.1, 0.2, 0.3]) and np.allclose(again.voxel_size, 0.3)


def test_a_binvox_grid_that_is_no_cube_is_padded_and_keeps_its_place(tmp_path):
    occupied = np.ones((2, 5, 3), bool)
    write(tmp_path / "a.binvox", VoxelGrid(occupancy=occupied, voxel_size=np.full(3, 0.5)))
    again = read(tmp_path / "a.binvox")
    assert again.occupancy.shape == (5, 5, 5) and np.allclose(again.voxel_size, 0.5)
    assert again.occupancy[:2, :, :3].all() and again.occupancy.sum() == 30


@pytest.mark.parametrize("behind", [b"\n", b"\r\n", b"\0"])
def test_a_line_end_behind_the_cells_of_a_binvox_file_is_left_out_and_said_to_be(tmp_path, behind):
    cells = [3, 5, 8, 23]
    (tmp_path / "a.binvox").write_bytes(binvox_bytes(cells) + behind)
    with pytest.warns(UserWarning, match=f"a.binvox: {len(behind)} byte"):
        grid = read(tmp_path / "a.binvox")
    assert np.flatnonzero(grid.occupancy.transpose(0, 2, 1)).tolist() == cells


def test_binvox_refuses_what_it_cannot_hold(tmp_path):
    with refused(DataError, "a.binvox", hint="threshold"):
        write(tmp_path / "a.binvox", VoxelGrid(occupancy=np.zeros((2, 2, 2), np.float32)))
    with refused(DataError, "a.binvox", "cubic", actual="[2, 3, 4]"):
        write(tmp_path / "a.binvox", VoxelGrid(occupancy=np.zeros((2, 3, 4), bool), voxel_size=np.array([1, 1, 5.0])))


@pytest.mark.parametrize(
    "data, message",
    [
        (binvox_bytes([0])[:-1], "fill the grid"),
        (binvox_bytes([0])[:-2], "fill the grid"),
        (binvox_bytes([0]) + b"\1\1\1", "goes on"),
        (b"#binvox 1\ndim 4 3\ndata\n", "'dim'"),
        (b"#binvox 1\ndim 99999 99999 99999\ndata\n\x01\x01", "declares"),
        (b"#binvox 1\ndim -1 4 4\ndata\n", "declares"),
        (b"#binvox 1\ndim 2 2 2\nscale x\ndata\n\x01\x08", "'scale'"),
        (b"#binvox 1\ndim 2 2 2\n", "no line 'data'"),
        (b"binvox 1\n", "not a binvox"),
    ],
)
def test_broken_binvox_files_are_named_for_what_they_are(tmp_path, data, message):
    (tmp_path / "a.binvox").write_bytes(data)
    with refused(FileFormatError, message):
        read(tmp_path / "a.binvox")


def test_the_published_chair_lies_where_its_mesh_lies(shared_data):
    """One predicate for order, scale and translation: every occupied cell lies in the mesh's box, and they fill it to within a cell."""
    grid, mesh = read(shared_data / "meshes/chair_model.binvox"), read(shared_data / "meshes/chair_model.obj")
    cells = np.argwhere(grid.occupancy)
    low, high = grid.origin + cells.min(axis=0) * grid.voxel_size, grid.origin + (cells.max(axis=0) + 1) * grid.voxel_size
    assert grid.occupancy.shape == (32, 32, 32)
    assert np.abs(low - mesh.vertices.min(axis=0)).max() < 1.01 * grid.voxel_size[0]
    assert np.abs(high - mesh.vertices.max(axis=0)).max() < 1.01 * grid.voxel_size[0]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("kind", [bool, np.uint8, np.int16, np.float32, np.float64])
@pytest.mark.parametrize("key", ["Volume", "voxel", "instance", "occupancy"])
def test_matlab_volumes_are_found_by_their_usual_keys(tmp_path, key, kind, packed):
    volume = np.random.default_rng(0).random((2, 3, 5)) > 0.5
    others = {"a": np.zeros(3), "note": "text", "cell": np.array([1, "x"], dtype=object), "b": {"c": 1.0}, "complex": np.zeros((2, 2)) * 1j}
    scipy.io.savemat(tmp_path / "a.mat", {**others, key: volume.astype(kind), "last": np.zeros(5)}, do_compression=packed)
    grid = read(tmp_path / "a.mat")
    assert grid.occupancy.dtype == bool and np.array_equal(grid.occupancy, volume)


def test_matlab_probabilities_stay_floats(tmp_path):
    volume = np.random.default_rng(0).random((2, 3, 4))
    scipy.io.savemat(tmp_path / "a.mat", {"voxel": volume})
    assert np.array_equal(read(tmp_path / "a.mat").occupancy, volume)


def test_matlab_7_3_volumes_have_their_axes_turned_back(tmp_path):
    volume = np.random.default_rng(0).random((2, 3, 4)) > 0.5
    with h5py.File(tmp_path / "a.h5", "w", userblock_size=512) as file:
        file["Volume"] = volume.T.astype(np.uint8)
    data = bytearray((tmp_path / "a.h5").read_bytes())
    data[:19] = b"MATLAB 7.3 MAT-file"
    (tmp_path / "a.mat").write_bytes(data)
    assert np.array_equal(read(tmp_path / "a.mat").occupancy, volume)


def test_a_matlab_file_without_a_volume_names_its_keys(tmp_path):
    scipy.io.savemat(tmp_path / "a.mat", {"Volumes": np.zeros((2, 2, 2))})
    with refused(FileFormatError, "a.mat", actual="keys Volumes", hint="'Volume'"):
        read(tmp_path / "a.mat")


def test_magicavoxel_cells_turn_z_up_and_take_their_class_colour(tmp_path):
    classes = Labels(("air", "car", "tree"))
    labels = np.zeros((2, 3, 4), np.uint8)
    labels[1, 2, 0], labels[0, 0, 3], labels[0, 1, 1] = 2, 1, 255
    write(tmp_path / "a.vox", VoxelGrid(labels=labels, classes=classes))
    data = (tmp_path / "a.vox").read_bytes()
    assert data[:8] == b"VOX " + struct.pack("<i", 150)
    at = data.index(b"SIZE") + 12
    assert struct.unpack_from("<3i", data, at) == (2, 4, 3)  # x, z, y
    at = data.index(b"XYZI") + 12
    assert struct.unpack_from("<i", data, at) == (2,)  # the ignored cell is left out
    cells = {data[at + 4 + 4 * i : at + 8 + 4 * i] for i in range(2)}
    assert cells == {bytes([0, 0, 0, 1]), bytes([1, 3, 2, 2])}  # (x, Z-1-z, y, colour index)
    at = data.index(b"RGBA") + 12
    assert tuple(data[at : at + 3]) == class_colour("car") and tuple(data[at + 4 : at + 7]) == class_colour("tree")
    assert struct.unpack_from("<2i", data, 12) == (0, len(data) - 20)


def test_magicavoxel_refuses_more_than_256_cells(tmp_path):
    with refused(DataError, "a.vox", "256", actual=[257, 1, 1]):
        write(tmp_path / "a.vox", VoxelGrid(occupancy=np.zeros((257, 1, 1), bool)))


def test_occupancy_networks_files_are_read(tmp_path):
    rng = np.random.default_rng(0)
    inside = rng.random(13) > 0.5
    np.savez(
        tmp_path / "points.npz", points=rng.random((13, 3)).astype(np.float16), occupancies=np.packbits(inside), loc=np.zeros(3), scale=2.0
    )
    cloud = read(tmp_path / "points.npz")
    assert np.array_equal(cloud.labels, inside) and cloud.classes.names == ("empty", "occupied")
    assert cloud.points.dtype == np.float32 and cloud.meta["scale"] == 2.0
    np.savez(tmp_path / "pointcloud.npz", points=rng.random((5, 3)), normals=rng.random((5, 3)), loc=np.zeros(3), scale=1.0)
    assert read(tmp_path / "pointcloud.npz").normals.shape == (5, 3)
    np.savez(tmp_path / "bad.npz", points=rng.random((50, 3)), occupancies=np.packbits(inside))
    with refused(FileFormatError, "bad.npz", expected="7 packed bytes", actual="[2] uint8"):
        read(tmp_path / "bad.npz")


def test_foreign_labels_get_plain_names_and_no_empty_class(tmp_path):
    np.savez(tmp_path / "a.npz", labels=np.array([[[0, 3, 255]]], np.int64))
    grid = read(tmp_path / "a.npz")
    assert grid.classes.names == ("class_0", "class_1", "class_2", "class_3") and grid.classes.empty is None


def test_a_mat_file_of_elements_without_end_is_refused(tmp_path):
    scipy.io.savemat(tmp_path / "a.mat", {"voxel": np.ones((2, 2, 2))})
    data = (tmp_path / "a.mat").read_bytes()
    (tmp_path / "a.mat").write_bytes(data + bytes(8 * 50_000))
    assert read(tmp_path / "a.mat").occupancy.all()
    (tmp_path / "a.mat").write_bytes(data + bytes(8 * 100_000))
    with refused(FileFormatError, "a.mat", actual="100000"):
        read(tmp_path / "a.mat")


def test_hdf5_does_not_follow_links_out_of_the_file(tmp_path):
    write(tmp_path / "a.h5", VoxelGrid(occupancy=np.ones((2, 2, 2), bool)))
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["occupancy"] = h5py.ExternalLink("a.h5", "/occupancy")
    with refused(FileFormatError, "b.h5", "'occupancy'", "link"):
        read(tmp_path / "b.h5")


def test_an_hdf5_bomb_is_refused_from_its_shape(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("occupancy", (5000, 5000, 5000), "u1", chunks=(10, 10, 10), compression="gzip")
    with refused(FileFormatError, "a.h5", "116 GiB", expected="2 GiB", hint="VOXCLI_MAX_MEMORY=117G"):
        read(tmp_path / "a.h5")


def test_the_first_shape_of_a_file_of_im_net_is_read(tmp_path):
    voxels = np.zeros((2, 64, 64, 64, 1), np.uint8)
    voxels[0, 10, 20, 30] = 1
    points, values = np.array([[[0, 128, 255]], [[1, 1, 1]]], np.uint8), np.array([[[1]], [[0]]], np.uint8)
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file["voxels"], file["points_16"], file["values_16"] = voxels, points, values
    with pytest.warns(UserWarning, match="2 shapes; the first"):
        grid = read(tmp_path / "a.hdf5")
    assert np.argwhere(grid.occupancy).tolist() == [[10, 20, 30]]
    assert grid.origin.tolist() == [-0.5] * 3 and grid.voxel_size.tolist() == [1 / 64] * 3
    with h5py.File(tmp_path / "b.hdf5", "w") as file:
        file["points_16"], file["values_16"] = points[:1], values[:1]
    cloud = read(tmp_path / "b.hdf5")
    assert np.allclose(cloud.points, [[0.5 / 256 - 0.5, 128.5 / 256 - 0.5, 0.5 - 0.5 / 256]])  # centres of a grid of 256
    assert cloud.labels.tolist() == [1] and cloud.classes.names == ("empty", "occupied")
