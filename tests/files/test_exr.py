"""OpenEXR depth: files written out by hand after "OpenEXR File Layout", whose bytes follow from the numbers that they hold."""

import struct
import zlib

import numpy as np
import pytest

from voxcli import files
from voxcli.errors import FileFormatError
from voxcli.files.exr import read_exr_depth
from voxcli.scene import DepthMap

HALF, FLOAT = 1, 2
STORED, RLE, ZIPS, ZIP, PIZ = range(5)

# Two lines of three pixels: channel A (half 1.0 is 3c00), then channel Z (float32).
ONES = "003c 003c 003c"
LINES = [ONES + "0000c03f 00000040 f9021550", ONES + "0000803e 000080bf 0000c07f"]
"""Z is 1.5, 2, 1e10 (what Blender writes for nothing) in the first line; 0.25, -1 and NaN in the second."""

EIGHT_ONES = "00 80808080808080 bc 80808080808080"
"""Eight halves 1.0: the low bytes, then the high bytes 3c, each as its difference from the byte before plus 128."""


def exr(channels, window, compression, blocks, flags=0, steps=(1, 1)):
    """channels: (name, type) in order. window: left, top, right, bottom. blocks: (number of its first line, bytes)."""
    listed = b"".join(name.encode() + b"\0" + struct.pack("<iB3x2i", kind, 0, *steps) for name, kind in channels) + b"\0"
    head = bytes.fromhex("762f3101") + struct.pack("<i", 2 | flags)
    box = struct.pack("<4i", *window)
    attributes = {"channels chlist": listed, "compression compression": bytes([compression]), "dataWindow box2i": box}
    for words, data in attributes.items():
        name, kind = words.split()
        head += name.encode() + b"\0" + kind.encode() + b"\0" + struct.pack("<i", len(data)) + data
    bodies = [struct.pack("<2i", line, len(data)) + data for line, data in blocks]
    start = len(head) + 1 + 8 * len(bodies)
    offsets = [start + sum(map(len, bodies[:k])) for k in range(len(bodies))]
    return head + b"\0" + struct.pack(f"<{len(offsets)}Q", *offsets) + b"".join(bodies)


def stored(**changes):
    """The file of LINES."""
    blocks = [(k, bytes.fromhex(line)) for k, line in enumerate(LINES)]
    given = {"channels": [("A", HALF), ("Z", FLOAT)], "window": (0, 0, 2, 1), "compression": STORED, "blocks": blocks}
    return exr(**given | changes)


@pytest.fixture
def read(tmp_path):
    def read_bytes(data):
        (tmp_path / "depth.exr").write_bytes(data)
        return read_exr_depth(tmp_path / "depth.exr")

    return read_bytes


def test_stored_lines_give_the_depth_and_nan_where_there_is_nothing(read):
    depth = read(stored())
    assert depth.dtype == np.float32
    np.testing.assert_array_equal(depth, [[1.5, 2, np.nan], [0.25, np.nan, np.nan]])


def test_lines_are_numbered_from_the_top_of_the_window_and_come_in_any_order(read):
    blocks = [(-3 + k, bytes.fromhex(LINES[k])) for k in (1, 0)]
    np.testing.assert_array_equal(read(stored(window=(5, -3, 7, -2), blocks=blocks))[:, 0], [1.5, 0.25])


@pytest.mark.parametrize(
    ("compression", "body"),
    [
        (RLE, bytes.fromhex("ff00 0680 ffbc 0680")),  # one byte as it is, seven times 80, twice
        (ZIPS, zlib.compress(bytes.fromhex(EIGHT_ONES))),
        (ZIP, zlib.compress(bytes.fromhex(EIGHT_ONES))),
        (ZIP, bytes.fromhex("003c" * 8)),  # packing would not have shrunk it
    ],
)
def test_packed_blocks_are_unpacked(read, compression, body):
    data = exr([("Y", HALF)], (0, 0, 7, 0), compression, [(0, body)])
    np.testing.assert_array_equal(read(data), np.ones((1, 8)))


def test_a_zip_block_holds_sixteen_lines_and_the_last_one_the_rest(read):
    lines = np.arange(1, 19, dtype="<f4")
    blocks = [(0, lines[:16].tobytes()), (16, lines[16:].tobytes())]
    np.testing.assert_array_equal(read(exr([("Z", FLOAT)], (0, 0, 0, 17), ZIP, blocks))[:, 0], np.arange(1, 19))


@pytest.mark.parametrize(("channels", "chosen"), [("R V", 1), ("R Y", 0), ("B G Layer.Depth.Z R", 2), ("V Z", 1), ("A Combined.R", 1)])
def test_z_is_taken_before_v_r_and_y_in_any_layer(read, channels, chosen):
    names = channels.split()
    line = np.arange(1, len(names) + 1, dtype="<f4").tobytes()  # channel k holds k + 1
    assert read(exr([(name, FLOAT) for name in names], (0, 0, 0, 0), STORED, [(0, line)])) == chosen + 1


@pytest.mark.parametrize(
    ("data", "actual"),
    [
        (b"", "requires a buffer"),
        (b"no picture at all", "no OpenEXR 2 file"),
        (stored(flags=0x200), "tiles"),
        (stored(flags=0x800), "deep data"),
        (stored(flags=0x1000), "several parts"),
        (stored(compression=PIZ), "compression 4"),
        (stored(steps=(2, 2)), "lower resolution"),
        (stored(channels=[("A", HALF), ("Normal.X", FLOAT)]), "A, Normal.X"),
        (stored(window=(0, 0, 1 << 30, 1)), "pixels"),
        (stored(window=(0, 0, -1, 1)), "pixels"),
        (stored(window=(0, 0, 3, 1)), "18 bytes in a block of 24"),
        (stored(blocks=[(0, bytes.fromhex(LINES[0])), (2, bytes.fromhex(LINES[1]))]), "line 2"),
        (stored()[:-4], "line 1"),
        (stored()[:60], ""),
        (exr([("Y", HALF)], (0, 0, 7, 0), RLE, [(0, bytes.fromhex("ff00 0680"))]), "8 bytes in a block of 16"),
        (exr([("Y", HALF)], (0, 0, 7, 0), ZIPS, [(0, b"\0\1\2")]), "header"),
    ],
)
def test_what_it_cannot_read_is_refused_by_name(read, data, actual):
    with pytest.raises(FileFormatError, match=r"depth\.exr") as caught:
        read(data)
    assert caught.value.expected == "one part of scan lines, stored, RLE or ZIP" and actual in str(caught.value.actual)


def test_a_file_that_is_absent_is_refused_by_name(tmp_path):
    with pytest.raises(FileFormatError, match=r"none\.exr"):
        read_exr_depth(tmp_path / "none.exr")


def test_a_file_of_depth_is_read_as_any_other(tmp_path):
    (tmp_path / "a.exr").write_bytes(stored())
    depth = files.read(tmp_path / "a.exr")
    assert isinstance(depth, DepthMap) and depth.kind == "z" and depth.depth[0, :2].tolist() == [1.5, 2]
    (tmp_path / "b.exr").write_bytes(b"v/1\x01 and no more")
    with pytest.raises(FileFormatError, match="b.exr"):
        files.read(tmp_path / "b.exr")
