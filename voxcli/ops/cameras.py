"""Cameras and depth maps from files, matched to pictures by name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from voxcli.errors import UsageError

if TYPE_CHECKING:
    from voxcli.scene import Camera


def camera_for(path: str, source: str) -> Camera:
    """The camera in a scene YAML or a transforms.json; of several, the one whose image has the stem of `source`.

    Raises UsageError where no camera or more than one has it.
    """
    from voxcli import files
    from voxcli.scene import Camera

    found = files.read_as(path, (Camera, list))
    if isinstance(found, Camera):
        return found
    if len(found) == 1:
        return found[0][1]
    fitting = cameras_of(source, found)
    if len(fitting) != 1:
        raise UsageError(
            f"{path} holds {len(found)} cameras, and {len(fitting)} of them fit the name of {source}.",
            actual=camera_names(found) or None,
            hint="Give a file with one camera, or name the input like the camera's image.",
        )
    return fitting[0]


def cameras_of(source: str, named: Sequence[tuple[str, Camera]]) -> list[Camera]:
    """Of (name, Camera), the cameras whose names have the stem of a file."""
    return [camera for name, camera in named if PurePath(name).stem == PurePath(source).stem]


def camera_names(named: Sequence[tuple[str, Camera]]) -> str:
    """The first six names of (name, Camera), for errors."""
    return ", ".join(name for name, _ in named[:6]) + (", ..." if len(named) > 6 else "")


def file_beside(path: str, source: str, pictures: int, what: str = "depth map") -> str:
    """What is known of a picture: `path` itself for one picture, or the file with the stem of `source` in the folder `path`.

    pictures: how many there are. what: it is, for errors. Raises UsageError where the folder holds none or more than one.
    """
    if not Path(path).is_dir():
        if pictures > 1:
            raise UsageError(f"{path} is one {what}, and there are {pictures} pictures.", hint="Give a folder with one for each.")
        return path
    fitting = sorted(p for p in Path(path).iterdir() if p.stem == PurePath(source).stem and p.is_file())
    if len(fitting) != 1:
        raise UsageError(f"{path} holds {len(fitting)} {what}s of the name of {source}.", expected="one")
    return str(fitting[0])
