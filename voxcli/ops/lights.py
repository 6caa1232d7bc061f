"""Light files (--lights): YAML of ambient light, point lights with their attenuation, and spherical harmonics.

All keys:

    frame: camera                  # of all below: camera (x right, y down, z forward; lights go with the view) or world (+y up)
    ambient: [0.3, 0.3, 0.35]      # L_a of pix2scene's equation (1), linear colours
    points:
      - {position: [2, -3, -1], colour: [1, 0.95, 0.9]}
    attenuation: {linear: 0, quadratic: 0.1}     # a light is divided by constant + linear d + quadratic d^2; left out: not at all
    harmonics: [[...9], [...9], [...9]]          # red, green, blue: the environment's radiance in bands 0 to 2
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

from voxcli import config
from voxcli.errors import DataError

if TYPE_CHECKING:
    from voxcli.geometry.lighting import Lights
    from voxcli.scene import Camera

Colour = tuple[float, float, float]

_LARGEST = 1e30
"""Largest number in a file. Products of larger ones with distances overflow."""


@dataclass(frozen=True)
class PointLight:
    """A light at a place."""

    position: tuple[float, float, float]
    colour: Colour = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Attenuation:
    """Distance d divides light by constant + linear d + quadratic d^2."""

    constant: float = 0.0
    linear: float = 0.0
    quadratic: float = 0.0


@dataclass(frozen=True)
class LightFile:
    """The content of a light file. Colours are linear; frame is that of positions and harmonics."""

    frame: Literal["camera", "world"] = "camera"
    ambient: Colour = (0.0, 0.0, 0.0)
    points: tuple[PointLight, ...] = ()
    attenuation: Attenuation = Attenuation(constant=1.0)
    harmonics: tuple[tuple[float, ...], ...] | None = None

    def seen_from(self, camera: Camera) -> Lights:
        """The lights in the frame of a camera."""
        import torch

        from voxcli.geometry.lighting import Lights, turn_harmonics

        tensor = partial(torch.tensor, dtype=torch.float64)

        a = self.attenuation
        lights = Lights(
            tensor(self.ambient),
            tensor([p.position for p in self.points]).reshape(-1, 3),
            tensor([p.colour for p in self.points]).reshape(-1, 3),
            a.constant, a.linear, a.quadratic,
            None if self.harmonics is None else tensor(self.harmonics),
        )  # fmt: skip
        if self.frame == "camera":
            return lights
        world_to_cam = torch.from_numpy(camera.world_to_cam).double()
        if lights.harmonics is not None:
            lights = lights._replace(harmonics=turn_harmonics(lights.harmonics, world_to_cam[:3, :3]))
        return lights.moved(world_to_cam)


def read_lights(path: str) -> LightFile:
    """The lights of a YAML file. Raises VoxcliErrors that name the file and the key."""
    lights = config.from_mapping(LightFile, config.load(path), f"{path}: lights")
    a = lights.attenuation
    _need_numbers(path, "ambient", lights.ambient, least=0.0)
    for i, point in enumerate(lights.points):
        _need_numbers(path, f"points[{i}].position", point.position)
        _need_numbers(path, f"points[{i}].colour", point.colour, least=0.0)
    _need_numbers(path, "attenuation", (a.constant, a.linear, a.quadratic), least=0.0)
    if max(a.constant, a.linear, a.quadratic) == 0:
        raise DataError(f"{path}: attenuation is 0 altogether, so light would be infinite.", hint="Give constant: 1 for none.")
    if lights.harmonics is not None:
        if (lengths := [len(row) for row in lights.harmonics]) != [9, 9, 9]:
            raise DataError(f"{path}: harmonics are nine numbers each for red, green and blue.", expected="three rows of nine",
                            actual=f"rows of {', '.join(map(str, lengths[:12]))}" if lengths else "none")  # fmt: skip
        _need_numbers(path, "harmonics", [v for row in lights.harmonics for v in row])
    if not lights.points and max(lights.ambient) == 0 and lights.harmonics is None:
        raise DataError(f"{path} holds no light.", expected="ambient, points or harmonics")
    return lights


def _need_numbers(path: str, key: str, values: Iterable[float], least: float = -math.inf) -> None:
    bad = [v for v in values if not max(least, -_LARGEST) <= v <= _LARGEST]
    if bad:
        kind = "finite numbers" if least < 0 else "finite numbers that are not negative"
        raise DataError(f"{path}: {key} must be {kind}.", expected=f"{max(least, -_LARGEST):g} to {_LARGEST:g}", actual=bad[0])
