"""Cameras as the two rendered data sets draw them, and the lines of their metadata files."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from voxcli.datasets.synthetic.street_objects import between
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


def disn_views(rng: np.random.Generator, count: int, hard: bool) -> list[ViewLine]:
    """DISN's easy or hard views: around the object in even steps that vary by 5 degrees (36 views: every 10 degrees)."""
    step = 360 / count
    out = []
    for k in range(count):
        turn = (k + 1) * step + between(rng, -5, 5)
        if hard:
            x, y, z = (between(rng, -0.2, 0.2) for _ in range(3))
            out.append(ViewLine(turn, between(rng, 0, 45), between(rng, 0.6, 1.0), (x, y, z)))
        else:
            out.append(ViewLine(turn, between(rng, 20, 30), between(rng, 0.65, 1.0)))
    return out


def r2n2_text(views: list[ViewLine]) -> str:
    """rendering_metadata.txt of 3D-R2N2: azimuth, elevation, in-plane rotation, distance ratio, "field of view"."""
    return "".join(f"{v.azimuth!r} {v.elevation!r} 0 {v.ratio!r} 25\n" for v in views)


def disn_text(views: list[ViewLine]) -> str:
    """rendering_metadata.txt of DISN: one bracketed list a line."""
    return "".join(
        f"[{v.azimuth!r},{v.elevation!r},0,{v.ratio!r},35,32,1.75,{v.shift[0]!r},{v.shift[1]!r},{v.shift[2]!r}], \n" for v in views
    )
