"""Small glTF files, put together by hand."""

import json
import struct

import numpy as np
import pytest
from small_solids import CUBE, CUBE_TRIANGLES, measures

from voxcli.files import read_as
from voxcli.scene import Mesh

SQUARE = [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]
INDICES = np.array(CUBE_TRIANGLES).reshape(-1)


def read_file(file, path):
    return read_as(file.write(path), Mesh)


def is_box(mesh, high, faces=12, low=(0, 0, 0)):
    sides = np.subtract(high, low)
    area, volume, found_low, found_high = measures(mesh)
    assert found_low == pytest.approx(list(low), abs=1e-6) and found_high == pytest.approx(list(high), abs=1e-6)
    if faces == 12:
        assert area == pytest.approx(2 * (sides[0] * sides[1] + sides[1] * sides[2] + sides[2] * sides[0]))
        assert volume == pytest.approx(sides.prod())
    assert len(mesh.faces) == faces


_CODES = {"int8": 5120, "uint8": 5121, "int16": 5122, "uint16": 5123, "uint32": 5125, "float32": 5126}
_KINDS = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4", 16: "MAT4"}


class Gltf:
    """A file of one buffer. tree: its JSON, free to be changed."""

    def __init__(self, **tree):
        self.binary = bytearray()
        self.tree = {"asset": {"version": "2.0"}, "accessors": [], "bufferViews": [], "nodes": [{"mesh": 0}], "scenes": [{"nodes": [0]}],
                     "scene": 0} | tree  # fmt: skip

    def view(self, data, **more):
        """The index of a buffer view of these bytes."""
        self.binary += bytes(-len(self.binary) % 4)
        self.tree["bufferViews"].append({"buffer": 0, "byteOffset": len(self.binary), "byteLength": len(data)} | more)
        self.binary += data
        return len(self.tree["bufferViews"]) - 1

    def add(self, values, dtype="float32", **more):
        """The index of an accessor of values [N] or [N, width]; a key of None is left out."""
        values = np.asarray(values, dtype)
        values = values.reshape(len(values), -1)
        accessor = {"componentType": _CODES[dtype], "count": len(values), "type": _KINDS[values.shape[1]]} | more
        if "bufferView" not in accessor:
            accessor["bufferView"] = self.view(values.tobytes())
        self.tree["accessors"].append({key: value for key, value in accessor.items() if value is not None})
        return len(self.tree["accessors"]) - 1

    def mesh(self, *primitives, **more):
        self.tree.setdefault("meshes", []).append({"primitives": list(primitives)} | more)
        return self

    def json(self):
        return self.tree | ({"buffers": [{"byteLength": len(self.binary)}]} if self.binary and "buffers" not in self.tree else {})

    def write(self, path):
        """A GLB file, or JSON with its buffer beside it where the tree names one."""
        if path.suffix == ".gltf":
            path.write_text(json.dumps(self.json()))
            return path
        text, binary = json.dumps(self.json()).encode(), bytes(self.binary)
        text, binary = text + b" " * (-len(text) % 4), binary + bytes(-len(binary) % 4)
        chunks = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(binary), b"BIN\0") + binary
        path.write_bytes(struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks)
        return path


def cube(**tree):
    """(file, primitive) of a unit cube; the primitive is not in a mesh yet."""
    file = Gltf(**tree)
    position = file.add(CUBE, min=[0, 0, 0], max=[1, 1, 1])
    indices = file.add(np.array(CUBE_TRIANGLES).reshape(-1), "uint16")
    return file, {"attributes": {"POSITION": position}, "indices": indices}
