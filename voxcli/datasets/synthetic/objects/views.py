"""Cameras as the two rendered data sets draw them, and the lines of their metadata files."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from voxcli.datasets.synthetic.street.pieces import between
from voxcli.geometry.cameras import from_shapenet

R2N2_SIZE, DISN_SIZE = 137, 224


class ViewLine(NamedTuple):
    """One line of rendering_metadata.txt: degrees, distance as a share of 1.75, and how far the object stands off (Blender's axes)."""

    azimuth: float
    elevation: float
    ratio: float
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0)

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


def r2n2_text(views: list[ViewLine]) -> str:
    """rendering_metadata.txt of 3D-R2N2: azimuth, elevation, in-plane rotation, distance ratio, "field of view"."""
    return "".join(f"{v.azimuth!r} {v.elevation!r} 0 {v.ratio!r} 25\n" for v in views)


def disn_text(views: list[ViewLine]) -> str:
    """rendering_metadata.txt of DISN: one bracketed list a line."""
    return "".join(
        f"[{v.azimuth!r},{v.elevation!r},0,{v.ratio!r},35,32,1.75,{v.shift[0]!r},{v.shift[1]!r},{v.shift[2]!r}], \n" for v in views
    )
