"""Z-GAN, NYU and SemanticKITTI files, written here byte by byte."""

import struct

import numpy as np
import pytest
from refusals import refused

from voxcli.datasets.completion import KittiFrame, read_kitti, write_kitti
from voxcli.errors import DataError, FileFormatError, UsageError
from voxcli.files import read, write
from voxcli.files.completion import KITTI_CLASSES, KITTI_ORIGIN, NYU_CLASSES, read_nyu
from voxcli.files.registry import Options
from voxcli.files.source import Source
from voxcli.scene import Frustum, FruxelGrid, Labels, VoxelGrid

PLACE = {"origin": np.array(KITTI_ORIGIN), "voxel_size": np.full(3, 0.2)}


@pytest.mark.parametrize("fortran", [False, True])
def test_zgan_fruxels_turn_to_depth_first_with_the_near_slice_first(tmp_path, fortran):
    array = np.full((2, 3, 4), -1.0, np.float32)
    array[1, 2, 0], array[0, 1, 3], array[0, 0, 1] = 1.0, 0.75, 0.25
    np.save(tmp_path / "a.npy", np.asfortranarray(array) if fortran else array)
    grid = read(tmp_path / "a.npy", format="zgan")
    assert {tuple(c) for c in np.argwhere(grid.labels == 1).tolist()} == {(0, 1, 2), (3, 0, 1)}
    assert grid.frustum == Frustum(width=3, height=2, depth=4, z_near=2.0, z_far=12.0, fov_x_deg=40.0)


def test_zgan_fruxels_come_back_as_filled_or_not(tmp_path):
    labels = np.random.default_rng(0).choice(np.array([0, 1, 2, 255], np.uint8), (4, 2, 3))
    write(tmp_path / "a.npy", FruxelGrid(labels, Frustum(3, 2, 4, 1, 2, 60), classes=Labels(("air", "car", "tree"))), format="zgan")
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), np.isin(labels, (1, 2)).transpose(1, 2, 0))
    np.testing.assert_array_equal(read(tmp_path / "a.npy", format="zgan").labels, np.isin(labels, (1, 2)))


def test_zgan_refuses_other_shapes_pickles_and_damage(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((4, 2), np.float32))
    with refused(FileFormatError, "a.npy", expected="height, width, depth", actual="[4, 2] float32"):
        read(tmp_path / "a.npy", format="zgan")
    np.save(tmp_path / "b.npy", np.array([{}], dtype=object))
    with refused(FileFormatError, "b.npy", "pickled"):
        read(tmp_path / "b.npy", format="zgan")
    np.save(tmp_path / "c.npy", np.zeros((2, 3, 4), np.float32))
    with refused(FileFormatError, "c.npy", expected="[N, 3]", actual="[2, 3, 4]", hint="--input-format zgan"):
        read(tmp_path / "c.npy")
    (tmp_path / "c.npy").write_bytes((tmp_path / "c.npy").read_bytes()[:-1])
    with refused(FileFormatError, "c.npy", "size", expected="96 bytes", actual="95 bytes"):
        read(tmp_path / "c.npy", format="zgan")


def nyu(path, shape=(2, 3, 2)):
    return read_nyu(Source.from_path(path), None, Options(), shape)


def nyu_bytes(runs, origin=(1, 2, 3)):
    return struct.pack("<3f", *origin) + np.eye(4, dtype="<f4").tobytes() + b"".join(struct.pack("<2I", *run) for run in runs)


def test_nyu_runs_fill_the_grid_in_c_order_with_eleven_classes(tmp_path):
    # raw ids 1, 6, 16 and 36 belong to classes 1, 5, 9 and 11
    (tmp_path / "a.bin").write_bytes(nyu_bytes([(0, 3), (1, 2), (255, 1), (6, 4), (16, 1), (36, 1)]))
    grid = nyu(tmp_path / "a.bin")
    assert grid.labels.shape == (2, 2, 3)  # [across, forward, up], of [across, up, forward] in the file
    assert grid.labels.swapaxes(1, 2).ravel().tolist() == [0, 0, 0, 1, 1, 255, 5, 5, 5, 5, 9, 11]
    assert [NYU_CLASSES.names[i] for i in (1, 5, 9, 11)] == ["ceiling", "chair", "tvs", "objects"]
    assert grid.origin.tolist() == [1, 2, 3] and grid.voxel_size.tolist() == [0.02] * 3
    assert grid.meta["cam_to_world"] == np.eye(4).tolist()
    (tmp_path / "b.bin").write_bytes(nyu_bytes([(0, 240 * 144 * 240)]))
    for how in (None, "nyu"):
        assert read(tmp_path / "b.bin", format=how).labels.shape == (240, 240, 144)


def test_the_floor_of_an_nyu_room_lies_below_its_camera_where_its_pixels_say(tmp_path):
    """A camera that looks along the world's y from 1 m above a floor: the floor's cells lie on the rays of its pixels."""
    from voxcli.geometry.regrid import filled_cells

    floor = [(2, 240), (0, 143 * 240)] * 240  # for each x: all of the lowest row forward, nothing above it
    to_world = np.array([[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 1], [0, 0, 0, 1]], "<f4")  # x right, y down, z forward; z up
    head = struct.pack("<3f", -2.4, 0.5, -0.01) + to_world.tobytes()
    (tmp_path / "room.bin").write_bytes(head + b"".join(struct.pack("<2I", *run) for run in floor))
    grid = read(tmp_path / "room.bin")
    world = filled_cells(grid, 0.5).points
    assert len(world) == 240 * 240 and np.abs(world[:, 2]).max() < 1e-6  # the floor, seen edge on
    cam = (np.linalg.inv(np.array(grid.meta["cam_to_world"])) @ np.column_stack([world, np.ones(len(world))]).T)[:3]
    assert np.allclose(cam[1], 1, atol=1e-6) and np.isclose(cam[2].min(), 0.51) and np.isclose(cam[2].max(), 5.29)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"x" * 75, "no voxel file"),
        (nyu_bytes([(0, 5)])[:-3], "no voxel file"),
        (nyu_bytes([(0, 11)]), "do not fill"),
        (nyu_bytes([(0, 2**32 - 1)] * 3), "do not fill"),
        (nyu_bytes([(37, 12)]), "unknown label"),
        (nyu_bytes([(0, 12)], (float("nan"), 0, 0)), "finite"),
    ],
)
def test_damaged_nyu_files_are_refused(tmp_path, data, message):
    (tmp_path / "a.bin").write_bytes(data)
    with refused(FileFormatError, message):
        nyu(tmp_path / "a.bin")


def test_kitti_bits_come_highest_first_and_z_runs_fastest(tmp_path):
    bits, labels = bytearray(256 * 256 * 4), np.zeros(256 * 256 * 32, "<u2")
    bits[0], bits[4] = 0b01000000, 0b00000001
    labels[1], labels[32], labels[256 * 32], labels[5] = 10, 252, 70, 99
    (tmp_path / "000005.bin").write_bytes(bits)
    (tmp_path / "000005.invalid").write_bytes(bits)
    (tmp_path / "000005.label").write_bytes(labels.tobytes())
    frame = read_kitti(tmp_path / "000005.label")
    assert np.argwhere(frame.scan).tolist() == [[0, 0, 1], [0, 1, 7]]
    assert frame.occluded is None
    got = frame.grid.labels
    assert [KITTI_CLASSES.names[got[i]] for i in ((0, 0, 1), (0, 1, 0), (1, 0, 0))] == ["car", "car", "vegetation"]
    assert got[0, 0, 5] == 255 and np.count_nonzero(got) == 4
    assert frame.grid.origin.tolist() == [0, -25.6, -2.2] and frame.grid.voxel_size.tolist() == [0.2] * 3
    assert np.argwhere(~frame.scored).tolist() == [[0, 0, 1], [0, 0, 5], [0, 1, 7]]


def test_kitti_frames_come_back(tmp_path):
    rng = np.random.default_rng(0)
    labels = rng.choice(np.array([*range(20), 255], np.uint8), (256, 256, 32))
    grid = VoxelGrid(labels=labels, classes=KITTI_CLASSES, **PLACE)
    frame = KittiFrame(labels == 1, grid, labels == 2, labels == 3)
    write_kitti(tmp_path / "000000", frame)
    again = read_kitti(tmp_path / "000000.bin")
    np.testing.assert_array_equal(again.grid.labels, labels)
    for name in ("scan", "invalid", "occluded"):
        np.testing.assert_array_equal(getattr(again, name), getattr(frame, name))
    with refused(UsageError, "exists"):
        write_kitti(tmp_path / "000000", frame)
    with refused(DataError, "b.label", "20"):
        unknown = VoxelGrid(labels=np.full_like(labels, 20), classes=KITTI_CLASSES, **PLACE)
        write_kitti(tmp_path / "b", KittiFrame(None, unknown, None, None))
    with refused(DataError, "b.label", expected="(256, 256, 32)", actual="(256, 256, 32) of [1.0, 1.0, 1.0]"):
        write_kitti(tmp_path / "b", KittiFrame(None, VoxelGrid(labels=labels, classes=KITTI_CLASSES), None, None))


def test_classes_of_other_names_are_matched_by_name_and_refused_where_kitti_has_none(tmp_path):
    labels = np.zeros((256, 256, 32), np.uint16)
    labels[0, 0, 1], labels[0, 1, 0], labels[1, 0, 0] = 1, 2, 300
    write(tmp_path / "a.label", VoxelGrid(labels=labels, classes=Labels(("nothing", "building", "car"), ignore=300), **PLACE))
    again = read(tmp_path / "a.label").labels
    assert [again[i] for i in ((0, 0, 1), (0, 1, 0), (1, 0, 0))] == [13, 1, 255] and np.count_nonzero(again) == 3
    with refused(DataError, "b.label", "'wall'"):
        write(tmp_path / "b.label", VoxelGrid(labels=labels, classes=Labels(("nothing", "wall", "car"), ignore=300), **PLACE))


def test_kitti_files_of_a_wrong_size_and_absent_frames_are_named(tmp_path):
    with refused(UsageError, "neither"):
        read_kitti(tmp_path / "000000.bin")
    (tmp_path / "000000.bin").write_bytes(b"short")
    with refused(FileFormatError, "000000.bin", expected="4194304 bytes", actual="5 bytes"):
        read_kitti(tmp_path / "000000.bin")


def test_training_ids_are_said_and_read_where_they_are_stated(tmp_path):
    ids = np.zeros((256, 256, 32), np.uint16)
    ids[0, :5], ids[1, :4], ids[2, :3] = 1, 9, 13
    ids.tofile(tmp_path / "learn.label")
    with refused(FileFormatError, "learn.label", "training ids", actual="0, 1, 9, 13", hint="--ids training"):
        read(tmp_path / "learn.label")
    grid = read(tmp_path / "learn.label", ids="training")
    counts = {name: int((grid.labels == KITTI_CLASSES.names.index(name)).sum()) for name in ("car", "road", "building")}
    assert counts == {"car": 5 * 32, "road": 4 * 32, "building": 3 * 32}
    raw = np.zeros(20, np.uint16)
    raw[[1, 9, 13]] = 10, 40, 50
    raw[ids].tofile(tmp_path / "raw.label")
    np.testing.assert_array_equal(read(tmp_path / "raw.label").labels, grid.labels)
    with refused(FileFormatError, "raw.label", expected="0..19", actual="40, 50", hint="--ids raw"):
        read(tmp_path / "raw.label", ids="training")


def test_ids_that_may_be_both_are_raw_and_unknown_ones_among_raw_ids_are_said(tmp_path):
    ids = np.zeros((256, 256, 32), np.uint16)
    ids[0], ids[1] = 10, 11  # car and bicycle, or parking and sidewalk
    ids.tofile(tmp_path / "a.label")
    assert [read(tmp_path / "a.label").labels[i, 0, 0] for i in (0, 1)] == [1, 2]
    assert [read(tmp_path / "a.label", ids="training").labels[i, 0, 0] for i in (0, 1)] == [10, 11]
    ids[2] = 7
    ids[3] = 40
    ids.tofile(tmp_path / "b.label")
    with pytest.warns(UserWarning, match="ignored: 7"):
        assert [read(tmp_path / "b.label").labels[i, 0, 0] for i in (2, 3)] == [255, 9]


def test_occ3d_labels_lie_in_the_vehicles_frame_with_their_masks(tmp_path):
    semantics = np.full((200, 200, 16), 17, np.uint8)
    semantics[150, 100, 3] = 4
    camera = np.zeros(semantics.shape, np.uint8)
    camera[150] = 1
    np.savez_compressed(tmp_path / "labels.npz", semantics=semantics, mask_camera=camera, mask_lidar=1 - camera)
    grid = read(tmp_path / "labels.npz")
    assert grid.classes.names[4] == "car" and grid.classes.names[grid.classes.empty] == "free"
    (cell,) = np.argwhere(grid.labels != grid.classes.empty)
    assert np.allclose(grid.origin + (cell + 0.5) * grid.voxel_size, [20.2, 0.2, 0.4])  # 20 m ahead, of +-40 m
    assert np.array_equal(grid.masks["camera"], camera > 0) and np.array_equal(grid.masks["lidar"], camera == 0)
    np.savez(tmp_path / "b.npz", semantics=semantics, mask_camera=camera[:3])
    with refused(FileFormatError, "b.npz", "'mask_camera'", expected="[200, 200, 16]"):
        read(tmp_path / "b.npz")


# ------------------------------------------------------------------------------------------------ scans


def scan(folder, count=3):
    """A sequence's folder: velodyne/000000.bin and labels/000000.label with a car of instance 7, a road, an outlier."""
    points = np.arange(4 * count, dtype="<f4").reshape(count, 4)
    for name, array in (("velodyne/000000.bin", points), ("labels/000000.label", np.array([(7 << 16) + 252, 40, 1], "<u4"))):
        (folder / name).parent.mkdir(exist_ok=True)
        array.tofile(folder / name)
    return points


@pytest.mark.parametrize("name", ["velodyne/000000.bin", "labels/000000.label"])
def test_a_scan_has_the_labels_of_its_points(tmp_path, name):
    points = scan(tmp_path)
    with pytest.warns(UserWarning, match="intensity left out"):
        cloud = read(tmp_path / name)
    np.testing.assert_array_equal(cloud.points, points[:, :3])
    assert [cloud.classes.names[label] for label in cloud.labels] == ["car", "road", "unlabelled"]
    assert (cloud.classes.empty, cloud.classes.ignore) == (None, 0)


@pytest.mark.filterwarnings("ignore:.*left out")
def test_scans_may_have_no_labels_training_ids_or_five_columns(tmp_path):
    scan(tmp_path)
    np.array([1, 9, 13], "<u4").tofile(tmp_path / "labels" / "000000.label")
    with refused(FileFormatError, "000000.label", "training ids"):
        read(tmp_path / "labels" / "000000.label")
    assert read(tmp_path / "labels" / "000000.label", ids="training").labels.tolist() == [1, 9, 13]
    (tmp_path / "labels" / "000000.label").write_bytes(bytes(8))
    assert read(tmp_path / "velodyne" / "000000.bin").labels is None
    with refused(FileFormatError, "000000.label", expected="4 a point of velodyne/NAME.bin", actual="8 bytes"):
        read(tmp_path / "labels" / "000000.label")
    np.arange(20, dtype="<f4").tofile(tmp_path / "sweep.pcd.bin")
    assert read(tmp_path / "sweep.pcd.bin").points.tolist() == [[5.0 * i, 5.0 * i + 1, 5.0 * i + 2] for i in range(4)]
    np.full(8, np.nan, "<f4").tofile(tmp_path / "junk.bin")
    with refused(FileFormatError, "junk.bin", "no scan"):
        read(tmp_path / "junk.bin")
