"""Cameras from whatever file states them."""

from __future__ import annotations

from pathlib import Path

from voxcli.errors import DataError
from voxcli.files.access import read
from voxcli.files.registry import find_format
from voxcli.scene import Camera


def read_cameras(path: str | Path, *, format: str | None = None) -> list[tuple[str, Camera]]:
    """(name, Camera) from a scene YAML, nerfstudio's transforms.json, COLMAP's text or binary files or their folder, or any of our grids.

    A grid, surfel or depth file gives the camera that it was made for. Raises DataError where the file states none.
    """
    if format is None and str(path) != "-" and Path(path).is_dir():
        from voxcli.files.colmap import read_colmap_folder

        return read_colmap_folder(Path(path))
    found, _ = find_format(path, format, "--input-format")
    kind = next((k for k in ("cameras", "camera") if k in found.reads), None)
    thing = read(path, kind=kind, format=format)
    if isinstance(thing, list):
        return thing
    camera = thing if isinstance(thing, Camera) else getattr(thing, "camera", None)
    if camera is None:
        raise DataError(f"{path} states no camera.")
    return [(Path(path).stem, camera)]
