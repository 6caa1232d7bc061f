"""Cameras as the two rendered data sets draw them, and the lines of their metadata files."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from voxcli.datasets.disn import read_metadata as read_disn
from voxcli.datasets.r2n2 import read_metadata as read_r2n2
from voxcli.datasets.synthetic.street.pieces import between
from voxcli.geometry.cameras import from_shapenet

R2N2_SIZE, DISN_SIZE, PHOTO_SIZE = 137, 224, 224
"""Pixels a side of the renderings of 3D-R2N2 and of DISN, and of photographic ones in either layout."""

SENSOR = 32
"""Width of the sensor in millimetres, in both."""


class ViewLine(NamedTuple):
    """One line of rendering_metadata.txt: degrees, distance as a share of 1.75, how far the object stands off (Blender's axes), and the
    focal length in millimetres."""

    azimuth: float
    elevation: float
    ratio: float
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0)
    focal: float = 35

    def K(self, size: int) -> np.ndarray:
        """Intrinsics [3, 3] of a picture of size x size pixels."""
        f = self.focal / SENSOR * size
        return np.array([[f, 0, size / 2], [0, f, size / 2], [0, 0, 1.0]])

    @property
    def world_to_cam(self) -> np.ndarray:
        """[4, 4], from the mesh's own frame."""
        matrix = from_shapenet(self.azimuth, self.elevation, self.ratio)
        x, y, z = self.shift
        matrix[:3, 3] += matrix[:3, :3] @ [x, z, -y]  # Blender's (x, y, z) is (x, z, -y) of a y-up mesh
        return matrix


def r2n2_views(rng: np.random.Generator, count: int) -> list[ViewLine]:
    """Views of 3D-R2N2's renderings: any azimuth, elevation 25 to 30 degrees, ratio 0.65 to 0.95."""
    return [ViewLine(360 * rng.random(), between(rng, 25, 30), between(rng, 0.65, 0.95)) for _ in range(count)]


def disn_views(rng: np.random.Generator, count: int, hard: bool, vertices: np.ndarray) -> list[ViewLine]:
    """DISN's easy or hard views: around the object in even steps that vary by 5 degrees (36 views: every 10 degrees).

    As there, a view that cuts the object off is drawn again, after four tries from farther off and with smaller shifts.
    vertices [V, 3]: of the object.
    """
    step = 360 / count
    out = []
    for k in range(count):
        for attempt in range(20):
            near = attempt < 4
            turn = (k + 1) * step + between(rng, -5, 5)
            if hard:
                reach = 0.2 if near else 0.1
                x, y, z = (between(rng, -reach, reach) for _ in range(3))
                ratio = between(rng, 0.6, 1.0) if near else between(rng, 0.75, 1.1)
                line = ViewLine(turn, between(rng, 0, 45), ratio, (x, y, z))
            else:
                line = ViewLine(turn, between(rng, 20, 30), between(rng, 0.65, 1.0))
            if _whole(line, vertices):
                break
        out.append(line)
    return out


def _whole(line: ViewLine, vertices: np.ndarray) -> bool:
    """Whether a picture from there shows all of the object."""
    matrix = line.world_to_cam
    cam = vertices @ matrix[:3, :3].T + matrix[:3, 3]
    return bool((np.abs(cam[:, :2]).max(1) <= 16 / 35 * cam[:, 2]).all())  # half the sensor over the focal length


_WIDEST, _LONGEST = 20.0, 75.0  # millimetres before the sensor of 32 mm: 77 and 24 degrees
_LOWEST = 0.04  # of a camera above the floor that the object stands on


def photo_views(rng: np.random.Generator, count: int, vertices: np.ndarray) -> list[ViewLine]:
    """Views as people take photographs of an object: any side, mostly from the height of a person or a table, sometimes from near the
    floor or from above, by lenses from wide to long. The object fills 50 to 95 % of the picture, and stands off its middle.

    vertices [V, 3]: of the object. Every view shows all of it, from above the floor that it stands on.
    """
    return [_photo_view(rng, vertices) for _ in range(count)]


def _photo_view(rng: np.random.Generator, vertices: np.ndarray) -> ViewLine:
    band = ((2.0, 15.0), (12.0, 35.0), (35.0, 65.0))[int(rng.choice(3, p=[0.3, 0.5, 0.2]))]
    focal = round(_WIDEST * (_LONGEST / _WIDEST) ** rng.random(), 3)
    turn, lift, fill = 360 * rng.random(), between(rng, *band), between(rng, 0.5, 0.95)
    off = np.array([between(rng, -0.6, 0.6), between(rng, -0.6, 0.6)])
    for raised in range(0, 60, 6):  # from higher up where the floor would be in the way
        line = _filling(ViewLine(turn, min(lift + raised, 80.0), 1.0, focal=focal), vertices, fill)
        for share in (1.0, 0.5, 0.0):
            moved = _moved(line, vertices, share * off)
            if np.abs(_reach(moved, vertices)).max() < 1 and _height(moved, vertices) > _LOWEST:
                return moved
    line = ViewLine(turn, max(lift, 30.0), 1.0, focal=focal)
    while np.abs(_reach(line, vertices)).max() >= 1 or _height(line, vertices) <= _LOWEST:
        line = line._replace(ratio=1.15 * line.ratio)
    return line


def _filling(line: ViewLine, vertices: np.ndarray, fill: float) -> ViewLine:
    """The view from as far as makes the object's box fill a share of the picture, along its longer side."""
    for _ in range(12):
        low, high = _reach(line, vertices)
        size = float((high - low).max()) / 2
        line = line._replace(ratio=max(line.ratio * size / fill, 0.4))
        if abs(size / fill - 1) < 0.03:
            break
    return line


def _moved(line: ViewLine, vertices: np.ndarray, off: np.ndarray) -> ViewLine:
    """The view with the object's box off the picture's middle, by a share of the room beside it along x and y [2]."""
    low, high = _reach(line, vertices)
    aim = np.maximum(0.97 - (high - low) / 2, 0) * off - (low + high) / 2
    matrix = line.world_to_cam
    x, y = aim * matrix[2, 3] * SENSOR / (2 * line.focal)  # the origin's depth is about that of the object's middle
    world = np.array([x, y, 0.0]) @ matrix[:3, :3]
    return line._replace(shift=(float(world[0]), float(-world[2]), float(world[1])))


def _reach(line: ViewLine, vertices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The box of an object in the picture: least and largest (x, y), where the picture reaches from -1 to 1. Both [2]"""
    matrix = line.world_to_cam
    cam = vertices @ matrix[:3, :3].T + matrix[:3, 3]
    seen = 2 * line.focal / SENSOR * cam[:, :2] / np.maximum(cam[:, 2:], 0.02)
    return seen.min(0), seen.max(0)


def _height(line: ViewLine, vertices: np.ndarray) -> float:
    """Of the camera above the object's lowest point."""
    matrix = line.world_to_cam
    return float(-(matrix[:3, :3].T @ matrix[:3, 3])[1] - vertices[:, 1].min())


def r2n2_text(views: list[ViewLine]) -> str:
    """rendering_metadata.txt of 3D-R2N2: azimuth, elevation, in-plane rotation, distance ratio, "field of view"."""
    return "".join(f"{v.azimuth!r} {v.elevation!r} 0 {v.ratio!r} 25\n" for v in views)


def disn_text(views: list[ViewLine]) -> str:
    """rendering_metadata.txt of DISN: one bracketed list a line."""
    return "".join(
        f"[{v.azimuth!r},{v.elevation!r},0,{v.ratio!r},{v.focal!r},32,1.75,{v.shift[0]!r},{v.shift[1]!r},{v.shift[2]!r}], \n" for v in views
    )


def r2n2_lines(path: Path) -> list[ViewLine]:
    """The views that a rendering_metadata.txt of 3D-R2N2 states: what its reader makes cameras of."""
    return [ViewLine(azimuth, elevation, ratio) for azimuth, elevation, _, ratio, _ in read_r2n2(path)]


def disn_lines(path: Path) -> list[ViewLine]:
    """The views that a rendering_metadata.txt of DISN states."""
    out = []
    for azimuth, elevation, _, ratio, focal, sensor, farthest, *shift in read_disn(path):
        x, y, z = shift or (0.0, 0.0, 0.0)
        out.append(ViewLine(azimuth, elevation, ratio * farthest / 1.75, (x, y, z), focal / sensor * SENSOR))
    return out
