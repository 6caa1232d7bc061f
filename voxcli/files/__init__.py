"""Files in, scene types out, and back. The registry picks the format by extension; one file of this room per format.

    grid = read("scene.npz")                          # FruxelGrid, told by its keys
    mesh = read_as("car.glb", Mesh)                   # one clear error when the file holds something else
    write("scene.h5", grid, meta=make_meta(...))      # atomic: a killed command leaves no half file

Importing this package loads nothing heavy: a format is imported when its extension is looked up, and scipy, trimesh, h5py and
Pillow only by the formats that need them. Nothing here imports torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FunctionType

    from voxcli.files.access import read, read_as, write
    from voxcli.files.cameras import read_cameras
    from voxcli.files.images import picture_size
    from voxcli.files.mesh_parts import label_parts
    from voxcli.files.registry import Format, formats_writing, known_formats

_HOMES = {
    "read": "access",
    "read_as": "access",
    "write": "access",
    "picture_size": "images",
    "read_cameras": "cameras",
    "label_parts": "mesh_parts",
    "Format": "registry",
    "known_formats": "registry",
    "formats_writing": "registry",
}

__all__ = ["Format", "formats_writing", "known_formats", "label_parts", "picture_size", "read", "read_as", "read_cameras", "write"]


def __getattr__(name: str) -> FunctionType | type:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found: FunctionType | type = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    return found
