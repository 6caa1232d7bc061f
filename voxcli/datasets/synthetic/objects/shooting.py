"""How the pictures of one object are taken, in any layout: which views, on what, how large."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from voxcli.datasets.pictures import png_bytes
from voxcli.datasets.r2n2 import CAMERAS
from voxcli.datasets.synthetic.objects.parts import ShapeObject
from voxcli.datasets.synthetic.objects.render import Light, Renderer, draw_light
from voxcli.datasets.synthetic.objects.views import PHOTO_SIZE, ViewLine, photo_views
from voxcli.files.nerfstudio import write_transforms
from voxcli.files.registry import Options
from voxcli.provenance import Json
from voxcli.scene import Camera

DEPTH_UNIT = 1e-4
"""What one step of a 16-bit depth picture stands for, in box diagonals."""


@dataclass(frozen=True)
class Shots:
    """The pictures of an object: count of each set of views, size x size pixels (None: as the layout has them), photographs or not.

    cells: of the solid voxels along a side. truth: the seed of what is drawn of the truth (None: it goes on with the numbers of the
    pictures). metadata: by set of views, the file of a real data set that states them; else they are drawn.
    """

    count: int = 24
    photo: bool = False
    size: int | None = None
    cells: int = 32
    metadata: Mapping[str, Path] = field(default_factory=dict)
    truth: int | None = None

    def truth_rng(self, rng: np.random.Generator) -> np.random.Generator:
        """The random numbers of the truth, after those of the pictures."""
        return rng if self.truth is None else np.random.default_rng(self.truth)

    def pixels(self, usual: int) -> int:
        """Pixels of a side."""
        return self.size or (PHOTO_SIZE if self.photo else usual)

    def number(self, kind: str, read: Callable[[Path], list[ViewLine]]) -> int:
        """How many pictures a set of views has; `read` reads its metadata."""
        return len(read(self.metadata[kind])) if kind in self.metadata else self.count

    def text(self, kind: str, views: list[ViewLine], stated: Callable[[list[ViewLine]], str]) -> bytes:
        """The metadata of a set: the given file as it is, or what the layout states of its views."""
        return self.metadata[kind].read_bytes() if kind in self.metadata else stated(views).encode()


def _light_facts(light: Light) -> dict[str, Json]:
    """A light as JSON: directions in the object's frame, strengths in linear light."""
    return {key: (np.round(value, 6).tolist() if isinstance(value, np.ndarray) else round(value, 6)) for key, value in vars(light).items()}


class Pictures(NamedTuple):
    """Of all views of an object: colour pictures by file name, depths [size, size], and what is told of each one's light."""

    colour: dict[str, bytes]
    depth: dict[str, np.ndarray]
    lights: list[dict[str, Json]]


class Shooting:
    """Takes an object's pictures: on nothing, or before backgrounds, as photographs."""

    def __init__(self, thing: ShapeObject, rng: np.random.Generator, shots: Shots):
        self.thing, self.rng, self.shots = thing, rng, shots
        self._photographer = self._renderer = None
        if shots.photo:
            from voxcli.datasets.synthetic.objects.photo.render import Photographer

            self._photographer = Photographer(thing, rng)
        else:
            self._renderer = Renderer(thing)

    def views(self, kind: str, read: Callable[[Path], list[ViewLine]], usual: Callable[[], list[ViewLine]]) -> list[ViewLine]:
        """The views of a set: those that a file states, or as the layout draws them, or those of photographs."""
        if kind in self.shots.metadata:
            return read(self.shots.metadata[kind])
        return usual() if self._photographer is None else photo_views(self.rng, self.shots.count, self.thing.vertices)

    def pictures(self, views: list[ViewLine], size: int) -> Pictures:
        """The pictures of some views, size x size pixels."""
        made = Pictures({}, {}, [])
        for k, line in enumerate(views):
            name = f"{k:02d}.png"
            pixels, made.depth[name], facts = self.take(line, size)
            made.colour[name] = png_bytes(pixels, 3)
            made.lights.append(facts)
        return made

    def take(self, line: ViewLine, size: int) -> tuple[np.ndarray, np.ndarray, dict[str, Json]]:
        """One picture: RGBA uint8 [size, size, 4], z-depth [size, size] (NaN = nothing), and what is told of its light."""
        if self._photographer is not None:
            found = self._photographer.take(line, size, self.rng)
            return found.pixels, found.depth, _light_facts(found.light) | {"backdrop": found.kind}
        assert self._renderer is not None
        light = draw_light(self.rng, line.azimuth)
        pixels, away = self._renderer.view(line.K(size), line.world_to_cam, size, light)
        return pixels, away, _light_facts(light)

    def cameras(self, views: list[ViewLine], size: int) -> dict[str, bytes]:
        """transforms.json of photographs, whose lenses and places the metadata of 3D-R2N2 cannot state; else nothing."""
        if self._photographer is None:
            return {}
        named = [(f"{k:02d}.png", Camera(line.K(size), size, size, line.world_to_cam)) for k, line in enumerate(views)]
        return {CAMERAS: write_transforms(named, Options())}


def depth_png(away: np.ndarray) -> bytes:
    """Whole multiples of DEPTH_UNIT, 0 = nothing; the file says its unit, as all depth pictures of ours do."""
    from voxcli.files.images import write_depth_png
    from voxcli.scene import DepthMap

    return write_depth_png(DepthMap(away), Options(depth_scale=DEPTH_UNIT))


def put_folder(final: Path, files: dict[str, bytes]) -> None:
    """A folder with whole files: written beside its place, then moved there. What a killed run left there is replaced."""
    part = final.parent / f".{final.name}.part"
    for old in (part, final):
        if old.exists():
            shutil.rmtree(old)
    part.mkdir(parents=True)
    for name, data in files.items():
        (part / name).write_bytes(data)
    part.rename(final)
