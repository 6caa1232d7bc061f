"""Damaged files: whole ones of every readable format, and what chance and malice make of them.

    python tests/robustness/mutations.py --cases 100000 --seed 1

reads that many in child processes, each under limits of memory and time, and prints a table: refused, read, and what should not be.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import multiprocessing
import re
import resource
import signal
import struct
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
import zlib
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from voxcli.errors import VoxcliError
from voxcli.files import read, write
from voxcli.files.headers import header
from voxcli.scene import Camera, DepthMap, Frustum, FruxelGrid, Labels, Mesh, Picture, PointCloud, Surfels, VoxelGrid

CLASSES = Labels(("air", "car", "tree"))
SECONDS, MEMORY = 5, 2 << 30
"""What one file may take at most: the memory beyond that of a process that has the readers imported."""


@dataclass(frozen=True)
class Whole:
    """A whole file: its name, bytes, and what it is read as where that is not its extension's first kind."""

    name: str
    data: bytes
    kind: str | None = None
    format: str | None = None


def _things() -> dict[str, tuple[object, str | None]]:
    rng = np.random.default_rng(5)
    corners = rng.random((12, 3))
    faces = rng.integers(0, 12, (20, 3))
    mesh = Mesh(corners, faces, face_labels=rng.integers(0, 3, 20).astype(np.uint8), classes=CLASSES)
    plain = Mesh(corners, faces, vertex_colors=rng.integers(0, 255, (12, 3)).astype(np.uint8))
    labels = rng.integers(0, 3, (6, 5, 4)).astype(np.uint8)
    camera = Camera(np.array([[9.0, 0, 4], [0, 9, 3], [0, 0, 1]]), 8, 6)
    depth = DepthMap((1 + rng.random((6, 8))).astype(np.float32), camera=camera)
    surfels = Surfels(depth.depth, np.tile(np.float32([0, 0, -1]), (6, 8, 1)), np.full((6, 8, 3), 0.5, np.float32), camera)
    colours = rng.integers(0, 255, (12, 3)).astype(np.uint8)
    return {
        "fruxels.npz": (FruxelGrid(labels, Frustum(4, 5, 6, 1, 2, 60), classes=CLASSES, meta={"a": [1, 2]}), None),
        "voxels.npz": (VoxelGrid(occupancy=labels > 0, probabilities=rng.random((6, 5, 4)).astype(np.float32)), None),
        "points.npz": (PointCloud(corners, colors=colours, labels=rng.integers(0, 3, 12).astype(np.uint8), classes=CLASSES), None),
        "surfels.npz": (surfels, None), "depth.npz": (depth, None),
        "fruxels.h5": (FruxelGrid(labels, Frustum(4, 5, 6, 1, 2, 60), classes=CLASSES, meta={"a": 1}), None),
        "voxels.h5": (VoxelGrid(labels=labels, classes=CLASSES), None),
        "grid.binvox": (VoxelGrid(occupancy=labels > 0), None),
        "points.ply": (PointCloud(corners, colors=colours), None), "mesh.ply": (mesh, "mesh"), "plain.ply": (plain, "mesh"),
        "mesh.glb": (mesh, None), "mesh.stl": (plain, None), "mesh.obj": (mesh, None),
        "mesh.off": (plain, None),
        "points.npy": (PointCloud(corners), None), "points.xyz": (PointCloud(corners), None),
        "image.png": (Picture(rng.integers(0, 255, (9, 7, 3)).astype(np.uint8)), None), "depth.png": (depth, "depth"),
        "depth.tif": (depth, None), "cameras.json": ([("a.png", camera), ("b.png", camera)], None), "camera.yaml": (camera, "camera"),
    }  # fmt: skip


_SCENE = b"""objects:
  - {mesh: mesh.obj, class: car, position: [1.0, 2.0, 3.0]}
classes: [air, car]
frustum: {width: 8, height: 6, depth: 4, z_near: 1.0, z_far: 5.0, fov_x_deg: 60.0}
camera: {width: 8, height: 6, K: [[9, 0, 4], [0, 9, 3], [0, 0, 1]]}
"""

_COLMAP = {
    "cameras.txt": b"# id model width height parameters\n1 PINHOLE 640 480 500 500 320 240\n",
    "images.txt": b"1 1 0 0 0 0 0 4 1 left.png\n10.5 20.5 -1\n2 1 0 0 0 -1 0 4 1 right.png\n\n",
}


def _as_text(glb: bytes) -> bytes:
    """A GLB as glTF that holds its buffer as text."""
    (length,) = struct.unpack_from("<I", glb, 12)
    tree = json.loads(glb[20 : 20 + length])
    tree["buffers"][0]["uri"] = "data:application/octet-stream;base64," + base64.b64encode(glb[28 + length :]).decode()
    return json.dumps(tree, indent=1).encode()


def _exr(rng: np.random.Generator) -> bytes:
    """One channel of floats, 6 x 8, packed by ZIP: even and odd bytes apart, as differences."""
    height, width = 6, 8

    def attribute(name: str, kind: str, value: bytes) -> bytes:
        return name.encode() + b"\0" + kind.encode() + b"\0" + struct.pack("<i", len(value)) + value

    window = struct.pack("<4i", 0, 0, width - 1, height - 1)
    channels = b"Z\0" + struct.pack("<i4x2i", 2, 1, 1) + b"\0"
    header = struct.pack("<ii", 20000630, 2) + attribute("channels", "chlist", channels) + attribute("compression", "compression", b"\3")
    header += attribute("dataWindow", "box2i", window) + attribute("displayWindow", "box2i", window)
    header += attribute("lineOrder", "lineOrder", b"\0") + b"\0"
    raw = np.frombuffer((1 + rng.integers(0, 2, (height, width)) / 2).astype("<f4").tobytes(), np.uint8)
    split = np.concatenate([raw[0::2], raw[1::2]]).astype(np.int64)
    packed = zlib.compress(np.concatenate([split[:1], (np.diff(split) + 128) & 255]).astype(np.uint8).tobytes())
    return header + struct.pack("<Q", len(header) + 8) + struct.pack("<ii", 0, len(packed)) + packed


def _binary_colmap(folder: Path) -> list[Whole]:
    """cameras.bin and images.bin of two images."""
    lenses = struct.pack("<QiiQQ4d", 1, 1, 1, 640, 480, 500.0, 500.0, 320.0, 240.0)
    images = struct.pack("<Q", 2)
    for number, name in ((1, b"left.png"), (2, b"right.png")):
        images += struct.pack("<i7di", number, 1, 0, 0, 0, 0.5 * number, 0, 4, 1) + name + b"\0" + struct.pack("<Q", 0)
    (folder / "cameras.bin").write_bytes(lenses)
    (folder / "images.bin").write_bytes(images)
    return [Whole("cameras.bin", lenses, "cameras"), Whole("images.bin", images, "cameras")]


def whole_files(folder: Path) -> list[Whole]:
    """One or more whole files of each format that is read, written into `folder`."""
    import scipy.io
    from PIL import Image

    found = []
    for name, (thing, kind) in _things().items():
        try:
            write(folder / name, thing, overwrite=True)
        except VoxcliError:
            continue
        found.append(Whole(name, (folder / name).read_bytes(), kind))
        if name.endswith(".glb"):
            found.append(Whole("mesh.gltf", _as_text(found[-1].data)))
    rng = np.random.default_rng(6)
    volume = rng.integers(0, 2, (4, 5, 6)).astype(np.uint8)
    for name, packed in (("volume.mat", False), ("packed.mat", True)):
        buffer = io.BytesIO()
        scipy.io.savemat(buffer, {"voxel": volume}, do_compression=packed)
        found.append(Whole(name, buffer.getvalue()))
    for name, kind in (("image.jpg", "JPEG"), ("image.webp", "WEBP"), ("image.bmp", "BMP"), ("image.tif", "TIFF"), ("image.gif", "GIF")):
        buffer = io.BytesIO()
        Image.fromarray(rng.integers(0, 255, (9, 7, 3)).astype(np.uint8)).save(buffer, kind)
        found.append(Whole(name, buffer.getvalue(), "image"))
    found.append(Whole("scene.yaml", _SCENE, "scene"))
    for name, data in _COLMAP.items():
        (folder / name).write_bytes(data)
        found.append(Whole(name, data))
    ascii_stl = (b"solid a\n facet normal 0 0 1\n  outer loop\n   vertex 0 0 0\n   vertex 1 0 0\n   vertex 0 1 0\n  endloop\n"
                 b" endfacet\nendsolid a\n")  # fmt: skip
    text_ply = (b"ply\nformat ascii 1.0\nelement vertex 4\nproperty float x\nproperty float y\nproperty float z\nelement face 1\n"
                b"property list uchar int vertex_indices\nend_header\n0 0 0\n1 0 0\n1 1 0\n0 1 0\n4 0 1 2 3\n")  # fmt: skip
    found += [Whole("text.stl", ascii_stl), Whole("text.ply", text_ply, "mesh")]
    rng = np.random.default_rng(7)
    scan = rng.uniform(-50, 50, (40, 4)).astype("<f4").tobytes()
    occ3d = io.BytesIO()
    np.savez(occ3d, semantics=rng.integers(0, 18, (4, 5, 6)).astype(np.uint8), mask_camera=rng.integers(0, 2, (4, 5, 6)).astype(np.uint8))
    nyu = np.concatenate([np.zeros(3, "<f4"), np.eye(4, dtype="<f4").ravel()]).tobytes()
    runs = np.array([[255, 4_000_000], [5, 4_294_400]], "<u4").tobytes()  # of 240 x 144 x 240 cells
    return [*found, Whole("scan.bin", scan), Whole("labels.npz", occ3d.getvalue()), Whole("depth.exr", _exr(rng)),
            Whole("room.bin", nyu + runs, format="nyu"), *_binary_colmap(folder)]  # fmt: skip


# -- what is done to them ---------------------------------------------------------------------------------------------------------

_WORDS = (
    b"nan", b"-1", b"0", b"1e400", b"-1e308", b"99999999999999999999", b"4294967295", b"2147483647", b"2001-99-99", b"!!int x", b"\xff",
    b"\xe9", b"", b"[[[[", b"{", b"\"", b"'", b"\r", b"\n\n", b"\0", b"end_header", b"\xef\xbb\xbf", b"1_0", b"0x10", b"&a [*a]", b"~",
    b"9" * 5000,
)  # fmt: skip
_NUMBERS = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 0x80000000, 0x01000000)


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """One to three kinds of damage, by chance."""
    for _ in range(int(rng.integers(1, 4))):
        data = _DAMAGES[int(rng.integers(len(_DAMAGES)))](data, rng)
        if not data:
            break
    return data


def _place(data: bytes, rng: np.random.Generator) -> int:
    """A place in a file: headers are hit as often as all the rest."""
    return int(rng.integers(0, min(len(data), 256) if rng.random() < 0.5 else len(data)))


def _flipped(data: bytes, rng: np.random.Generator) -> bytes:
    out = bytearray(data)
    for _ in range(int(rng.integers(1, 8))):
        out[_place(data, rng)] = int(rng.integers(256))
    return bytes(out)


def _cut(data: bytes, rng: np.random.Generator) -> bytes:
    return data[: _place(data, rng)]


def _removed(data: bytes, rng: np.random.Generator) -> bytes:
    start = _place(data, rng)
    return data[:start] + data[start + int(rng.integers(1, 40)) :]


def _repeated(data: bytes, rng: np.random.Generator) -> bytes:
    start = _place(data, rng)
    piece = data[start : start + int(rng.integers(1, 80))]
    return data[:start] + piece * int(rng.integers(2, 50)) + data[start:]


def _whole_number(data: bytes, rng: np.random.Generator) -> bytes:
    """A number of 4, 2 or 8 bytes becomes an extreme one."""
    start, value = _place(data, rng), _NUMBERS[int(rng.integers(len(_NUMBERS)))]
    size = (4, 2, 8)[int(rng.integers(3))]
    order = "big" if rng.random() < 0.3 else "little"
    return data[:start] + (value & (256**size - 1)).to_bytes(size, order) + data[start + size :]


def _word(data: bytes, rng: np.random.Generator) -> bytes:
    """A word or a number of a text becomes another."""
    words = list(re.finditer(rb"[-+.\w]+", data[:20000]))
    if not words:
        return data
    found = words[int(rng.integers(len(words)))]
    return data[: found.start()] + _WORDS[int(rng.integers(len(_WORDS)))] + data[found.end() :]


def _line(data: bytes, rng: np.random.Generator) -> bytes:
    """A line is repeated, dropped or moved."""
    lines = data.split(b"\n")
    if len(lines) < 2:
        return data
    one, other = (int(rng.integers(len(lines))) for _ in range(2))
    lines[one : one + 1] = [[lines[one]] * 2, [], [lines[other]], [lines[one], lines[other]]][int(rng.integers(4))]
    return b"\n".join(lines)


def _deep(data: bytes, rng: np.random.Generator) -> bytes:
    """Brackets without end."""
    start, bracket = _place(data, rng), (b"[", b"{", b"- ", b'{"a":')[int(rng.integers(4))]
    return data[:start] + bracket * int(rng.integers(100, 20000)) + data[start:]


def _keys(data: bytes, rng: np.random.Generator) -> bytes:
    """An array of an NPZ becomes one of another shape or kind, with a whole header."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files}
    except Exception:
        return data
    key = list(arrays)[int(rng.integers(len(arrays)))]
    odd = [np.float64(np.nan), np.zeros((0, 3)), np.array("x"), np.array(b"\xff\xfe"), np.array([]), np.zeros((2, 2, 2, 2)), np.int64(-5),
           np.array([[1e308, 1e200, np.inf]]), np.array(["a", "b"]), np.array(True), np.array("{" * 5000)]  # fmt: skip
    arrays[key] = odd[int(rng.integers(len(odd)))]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array(member, np.asarray(array), allow_pickle=False)
    return buffer.getvalue()


def _tree(data: bytes, rng: np.random.Generator) -> bytes:
    """A value of a JSON text, or of the JSON in a GLB, becomes another."""
    start, end = data.find(b"{"), data.rfind(b"}") + 1
    try:
        tree = json.loads(data[start:end])
    except (ValueError, RecursionError):
        return data
    place, parent, key = tree, None, None
    while isinstance(place, (dict, list)) and place and (parent is None or rng.random() < 0.8):
        parent = place
        key = list(place)[int(rng.integers(len(place)))] if isinstance(place, dict) else int(rng.integers(len(place)))
        place = place[key]
    if parent is None:
        return data
    odd = [None, -1, 1e308, 10**12, "x", [], {}, True, [0, 0], 0.5, 10**400, "\ud800"]
    parent[key] = odd[int(rng.integers(len(odd)))]
    text = json.dumps(tree).encode("utf-8", "surrogatepass")
    text += b" " * (-len(text) % 4)
    if data[:4] == b"glTF" and start == 20:
        data = data[:12] + struct.pack("<I", len(text)) + data[16:20] + text + data[end + (-(end - start) % 4) :]
        return data[:8] + struct.pack("<I", len(data)) + data[12:]
    return data[:start] + text + data[end:]


_DAMAGES = (_flipped, _cut, _removed, _repeated, _whole_number, _word, _line, _deep, _keys, _tree)


# -- what comes of it -------------------------------------------------------------------------------------------------------------


def outcome(path: Path, whole: Whole) -> str:
    """`read`, `refused`, or what should not be: the exception and where it was raised."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with suppress(VoxcliError):
                header(path, whole.format)
            read(path, kind=whole.kind, format=whole.format)
    except VoxcliError as error:
        return "refused" if path.name in str(error) else f"nameless: {error.message[:80]}"
    except BaseException as error:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "voxcli" in frame.filename]
        where = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"
        return f"internal: {type(error).__name__} at {where} ({whole.name}): {str(error)[:80]}"
    return "read"


class _Slow(BaseException):
    """The time of one file is over."""


def _child(seed: int, cases: int, results: multiprocessing.Queue, folder: str) -> None:
    def late(*_):
        raise _Slow

    signal.signal(signal.SIGALRM, late)
    root = Path(folder) / str(seed)
    root.mkdir(exist_ok=True)
    files = whole_files(root)
    for whole in files:
        (root / whole.name).write_bytes(whole.data)
        outcome(root / whole.name, whole)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY + (256 << 20),) * 2)
    rng = np.random.default_rng([seed, 7])
    for case in range(cases):
        whole = files[int(rng.integers(len(files)))]
        path = root / whole.name
        path.write_bytes(mutated(whole.data, rng))
        began = time.process_time()
        signal.alarm(12 * SECONDS)
        try:
            found = outcome(path, whole)
        finally:
            signal.alarm(0)
        took = time.process_time() - began
        if took > SECONDS or found.startswith("internal: _Slow"):
            found = f"slow: {took:.1f} s ({whole.name})"
        elif "needs more memory than there is" in found or "MemoryError" in found:
            found = f"memory: {whole.name}: {found}"
        if found not in ("read", "refused"):
            kept = Path(folder) / f"{seed}-{case}-{whole.name}"
            kept.write_bytes(path.read_bytes())
            found += f" [{kept}]"
        results.put((whole.name, found))
    results.put(None)


def campaign(cases: int, seed: int, workers: int = 1, kept: str | None = None) -> Counter[str]:
    """How often what came of it; what should not be names a file in the folder `kept` that shows it."""
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as temporary:
        folder = kept or temporary
        Path(folder).mkdir(parents=True, exist_ok=True)
        children = [context.Process(target=_child, args=(seed + k, cases // workers, results, folder)) for k in range(workers)]
        for child in children:
            child.start()
        done = 0
        while done < workers:
            try:
                found = results.get(timeout=60)
            except Exception:  # nothing for a minute: a child hangs in a library, or is gone
                dead = [child for child in children if not child.is_alive()]
                counts[f"lost: {len(dead)} processes ended by themselves"] += 1
                break
            if found is None:
                done += 1
            else:
                counts[found[1]] += 1
        for child in children:
            child.kill()
    return counts


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--kept", help="a folder for the files that show what should not be")
    options = parser.parse_args()
    found = campaign(options.cases, options.seed, options.workers, options.kept)
    print(f"{sum(found.values())} files: {found['read']} read, {found['refused']} refused")
    for words, count in found.most_common():
        if words not in ("read", "refused"):
            print(f"  {count} x {words}")
    sys.exit(int(len(found.keys() - {"read", "refused"}) > 0))
