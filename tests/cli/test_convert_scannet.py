"""ScanNet: its stream frame by frame, what is refused of a damaged one, and `convert SCANS/ --to street`."""

import struct
import zlib

import numpy as np
import pytest
from refusals import refused
from scannet_layout import exported, labelled_ply, scannet, sens

from voxcli import files
from voxcli.datasets.scannet import SensFile, nyu40_of_ids
from voxcli.datasets.street import StreetFolder
from voxcli.errors import DataError, FileFormatError
from voxcli.scene import FruxelGrid

HEADER = 12 + 4 + 256
"""Bytes before the kinds of compression; 24 more before the number that a metre has, 36 more before the first frame."""


@pytest.fixture
def stream(tmp_path):
    """Two frames, the second one metre to the right; depth in mm counts the columns, and is 0, unknown, in the first."""
    path = tmp_path / "scene0000_00/scene0000_00.sens"
    moved = np.eye(4)
    moved[0, 3] = 1
    sens(path, [np.eye(4), moved], np.tile(1000 * np.arange(64), (48, 1)))
    return path


def test_a_stream_is_read_frame_by_frame(stream):
    found = SensFile(stream)
    assert [place.camera_to_world[0, 3] for place in found.frames] == [0, 1]
    assert found.colour_K[0, 0] == pytest.approx(32 / np.tan(np.radians(29)), rel=1e-6)
    depth, colour = found.depth(1), found.colour(1)
    assert np.isnan(depth[:, 0]).all() and (depth[:, 1:] == np.arange(1, 64)).all()
    assert colour.shape == (48, 64, 3) and np.abs(colour.astype(int) - 90).max() <= 1


@pytest.mark.parametrize(("place", "value"), [
    (0, struct.pack("<I", 3)),                              # another version
    (4, struct.pack("<Q", 1 << 40)),                        # a name without end
    (HEADER, struct.pack("<i", 1)),                         # PNG colour
    (HEADER + 8, struct.pack("<I", 1 << 30)),               # a picture larger than memory
    (HEADER + 24, struct.pack("<f", 5000.0)),               # other units
    (HEADER + 36 + 64 + 16, struct.pack("<Q", 1 << 50)),    # a frame beyond the end
])  # fmt: skip
def test_a_stream_that_states_nonsense_is_refused(stream, place, value):
    data = bytearray(stream.read_bytes())
    data[place : place + len(value)] = value
    stream.write_bytes(bytes(data))
    with refused(FileFormatError, "scene0000_00.sens"):
        SensFile(stream)


def test_depth_that_unpacks_to_more_than_its_picture_takes_no_memory(stream):
    found = SensFile(stream)
    data, first = stream.read_bytes(), found.frames[0]
    bomb = zlib.compress(bytes(1 << 24))
    start = first.start + first.colour
    frame = bytearray(data[: start + first.depth])
    frame[HEADER + 36 + 64 + 24 : HEADER + 36 + 64 + 32] = struct.pack("<Q", len(bomb))
    frame[HEADER + 28 : HEADER + 36] = struct.pack("<Q", 1)
    stream.write_bytes(bytes(frame[:start]) + bomb)
    with refused(FileFormatError, "another size"):
        SensFile(stream).depth(0)
    stream.write_bytes(data[:-3])
    with refused(FileFormatError, "ends"):
        SensFile(stream)


def test_frames_become_pictures_and_fruxels_that_training_reads(voxcli, tmp_path):
    (tmp_path / "scans").mkdir()
    scannet(tmp_path / "scans", tmp_path / "mine")
    (tmp_path / "scans/scannetv2_train.txt").write_text("scene0000_00\nscene0003_00\n")
    code, _, errors = voxcli("convert", "scans", "-o", "street", "--to", "street")
    assert code == 0, errors
    data = StreetFolder([tmp_path / "street"])
    assert len(data) == 2 and data[0].image.shape == (256, 256, 3)
    surface, pixels = (files.read_as(tmp_path / f"street/fruxels/scene000{k}_00_{f}.npz", FruxelGrid) for k, f in ((0, 1), (3, 0)))
    wall, chair = surface.classes.names.index("wall"), surface.classes.names.index("chair")
    # Slices are 7.5 / 128 m: 4 m lie in slice 59, 2 m in slice 25, 3 m in slice 42. Rows 16 to 111 are in the picture.
    assert np.unique(np.argwhere(surface.labels == wall)[:, 0]).tolist() == [59] and (surface.labels == wall).sum() == 96 * 128
    assert np.unique(np.argwhere(surface.labels == chair)[:, 0]).tolist() == [25] and (surface.labels == chair).sum() == 96 * 64
    assert (surface.labels[:, :16] == 255).all() and (surface.labels[93, 16:112] == 255).all()  # other prop at 6 m
    assert np.unique(np.argwhere(pixels.labels == chair)[:, 0]).tolist() == [42]
    assert (pixels.labels[:42, 16:112] == 0).all() and (pixels.labels[43:] == 255).all()


def test_a_camera_that_has_moved_sees_the_surface_elsewhere(voxcli, tmp_path):
    folder = tmp_path / "scans/scene0000_00"
    exported(folder, 3, 7)
    labelled_ply(folder / "scene0000_00_vh_clean_2.labels.ply", (-9, 9, 4, 1))
    pose = np.eye(4)
    pose[2, 3] = 1.5  # forwards: the wall is at 2.5 m, in slice 34
    np.savetxt(folder / "pose/0.txt", pose)
    assert voxcli("convert", "scans", "-o", "street", "--to", "street")[0] == 0
    grid = files.read_as(tmp_path / "street/fruxels/scene0000_00_0.npz", FruxelGrid)
    assert np.unique(np.argwhere(grid.labels == 1)[:, 0]).tolist() == [34]


def test_raw_ids_without_a_class_are_no_class(tmp_path):
    (tmp_path / "scannetv2-labels.combined.tsv").write_text("id\tnyu40id\tnote\n1\t1\twall\n22\t5\tchair\n99\t\tnone\n")
    table = nyu40_of_ids(tmp_path)
    assert table[[0, 1, 22, 99]].tolist() == [0, 1, 5, 0]
    with refused(DataError, expected="scannetv2-labels.combined.tsv"):
        nyu40_of_ids(tmp_path / "nowhere")
