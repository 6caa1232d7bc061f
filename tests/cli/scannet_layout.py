"""A tiny ScanNet: a stream, exported frames, a labelled surface, and predictions whose scores are known by hand."""

import io
import math
import struct
import zlib

import numpy as np
from PIL import Image

from voxcli import files
from voxcli.scene import Frustum, FruxelGrid, Labels

LENS = np.diag([32 / math.tan(math.radians(29)), 32 / math.tan(math.radians(29)), 1, 1])
LENS[:2, 2] = 32, 24
"""58 degrees over 64 x 48 pixels."""


def sens(path, poses, depth):
    """A stream of grey pictures."""
    path.parent.mkdir(parents=True)
    matrices = np.concatenate([LENS, np.eye(4), LENS, np.eye(4)]).astype("<f4").tobytes()
    head = struct.pack("<IQ", 4, 4) + b"test" + matrices + struct.pack("<2i4IfQ", 2, 1, 64, 48, 64, 48, 1000.0, len(poses))
    colour = io.BytesIO()
    Image.fromarray(np.full((48, 64, 3), 90, np.uint8)).save(colour, "JPEG")
    packed = zlib.compress(depth.astype("<u2").tobytes())
    for pose in poses:
        head += np.asarray(pose, "<f4").tobytes() + struct.pack("<4Q", 0, 0, len(colour.getvalue()), len(packed))
        head += colour.getvalue() + packed
    path.write_bytes(head)


def labelled_ply(path, *squares):
    """Squares across the optical axis (low x, high x, z, class of NYU40), ten metres high."""
    corners = [(x, y, z, k) for low, high, z, k in squares for x, y in ((low, -5), (high, -5), (high, 5), (low, 5))]
    head = ["ply", "format ascii 1.0", f"element vertex {len(corners)}", *(f"property float {a}" for a in "xyz"), "property ushort label",
            f"element face {2 * len(squares)}", "property list uchar int vertex_indices", "end_header"]  # fmt: skip
    faces = [f"3 {4 * n + a} {4 * n + b} {4 * n + c}" for n in range(len(squares)) for a, b, c in ((0, 1, 2), (0, 2, 3))]
    path.write_text("\n".join([*head, *(" ".join(map(str, row)) for row in corners), *faces]) + "\n")


def exported(folder, metres, raw):
    """One frame as the exporter writes it, of one depth and one raw id."""
    for name in ("color", "depth", "pose", "intrinsic", "label-filt"):
        (folder / name).mkdir(parents=True)
    Image.fromarray(np.full((48, 64, 3), 90, np.uint8)).save(folder / "color/0.jpg")
    Image.fromarray(np.full((48, 64), 1000 * metres, np.uint16)).save(folder / "depth/0.png")
    Image.fromarray(np.full((48, 64), raw, np.uint16)).save(folder / "label-filt/0.png")
    np.savetxt(folder / "pose/0.txt", np.eye(4))
    for name in ("color", "depth"):
        np.savetxt(folder / f"intrinsic/intrinsic_{name}.txt", LENS)


def scannet(root, predictions):
    scans = root / "scans"
    lost = np.full((4, 4), -np.inf)
    sens(scans / "scene0000_00/scene0000_00.sens", [lost, np.eye(4)], np.full((48, 64), 2000))
    # A wall at 4 m, and before its left half a chair at 2 m; something else, without a class of the benchmark, at 6 m.
    labelled_ply(scans / "scene0000_00/scene0000_00_vh_clean_2.labels.ply", (-9, 9, 4, 1), (-9, 0, 2, 5), (-9, 9, 6, 40))
    for name in ("scene0001_00", "scene0002_00", "scene0003_00"):
        exported(scans / name, 3, 7)
    (root / "scannetv2-labels.combined.tsv").write_text("id\traw_category\tnyu40id\n7\tarmchair\t5\n")
    (root / "scannetv2_val.txt").write_text("scene0000_00\nscene0001_00\nscene0002_00\n")
    frustum, classes = Frustum(128, 128, 128, 0.5, 8.0, 58.0), Labels(("air", "wall", "chair"), 0, 255)

    def slice_at(z):
        return int((z - 0.5) / 7.5 * 128)

    labels = np.zeros(frustum.shape, np.uint8)
    labels[slice_at(4), :, 64:], labels[slice_at(2), :, :64] = 1, 2  # the wall lacks what the chair hides
    labels[slice_at(6)] = 1  # not scored
    (predictions / "scene0000_00").mkdir(parents=True)
    files.write(predictions / "scene0000_00/1.npz", FruxelGrid(labels, frustum, classes=classes))
    labels = np.zeros(frustum.shape, np.uint8)
    labels[slice_at(3), :, :64] = 2  # half of what is seen
    labels[100:] = 1  # behind it nothing is known
    (predictions / "scene0001_00").mkdir()
    files.write(predictions / "scene0001_00/0.npz", FruxelGrid(labels, frustum, classes=classes))
    # 96 of 128 rows are in the picture. Walls: 64 of 128 columns; chairs: 64 of 64, and 64 of 128.
    wall, chair = 64 / 128, (64 + 64) / (64 + 128)
    occupied = (64 + 64 + 64) / (128 + 64 + 128)
    return {"IoU by class": {"wall": wall, "chair": chair, "mean": (wall + chair) / 2}, "IoU of all classes as one": {"IoU": occupied}}
