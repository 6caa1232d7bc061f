"""The camera that --camera names, and the depth map of --depth, for every command that takes one."""

from __future__ import annotations

from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from voxcli.errors import UsageError

if TYPE_CHECKING:
    from voxcli.scene import Camera


def camera_for(path: str, source: str) -> Camera:
    """The camera in a scene YAML or a transforms.json; of several, the one whose image has the stem of `source`."""
    from voxcli import files
    from voxcli.scene import Camera

    found = files.read_as(path, (Camera, list))
    if isinstance(found, Camera):
        return found
    if len(found) == 1:
        return found[0][1]
    fitting = [camera for name, camera in found if PurePath(name).stem == PurePath(source).stem]
    if len(fitting) != 1:
        names = ", ".join(name for name, _ in found[:6]) + (", ..." if len(found) > 6 else "")
        raise UsageError(
            f"{path} holds {len(found)} cameras, and {len(fitting)} of them fit the name of {source}.",
            actual=names or None,
            hint="Give a file with one camera, or name the input like the camera's image.",
        )
    return fitting[0]


def depth_file(path: str, source: str, pictures: int) -> str:
    """The depth map that belongs to a picture: the file itself for one picture, or the one in a folder with the stem of `source`."""
    if not Path(path).is_dir():
        if pictures > 1:
            raise UsageError(f"{path} is one depth map, and there are {pictures} pictures.", hint="Give a folder with one for each.")
        return path
    fitting = sorted(p for p in Path(path).iterdir() if p.stem == PurePath(source).stem and p.is_file())
    if len(fitting) != 1:
        raise UsageError(f"{path} holds {len(fitting)} depth maps of the name of {source}.", expected="one")
    return str(fitting[0])
