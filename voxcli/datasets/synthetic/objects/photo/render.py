"""Photographs of an object: in a place or before a picture, with its shadow, other things, and what a camera does to light.

The object is in front of all else, so its mask is that of the rendering alone. The floor's shadows come from the faces of all objects,
projected along the light; a second projection, straight down and blurred, darkens the floor near what stands on it. Some pictures show the
object before a picture of another place, or of nothing in particular: then it stands nowhere.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch

from voxcli.datasets.synthetic.camera_pipeline import develop, resized, soften
from voxcli.datasets.synthetic.objects.parts import ShapeObject
from voxcli.datasets.synthetic.objects.photo.backdrop import FLOOR, PLACES, draw_place
from voxcli.datasets.synthetic.objects.photo.clutter import draw_clutter
from voxcli.datasets.synthetic.objects.photo.patterns import grains, leaves, surface
from voxcli.datasets.synthetic.objects.render import Light, Renderer
from voxcli.datasets.synthetic.objects.views import SENSOR, ViewLine
from voxcli.datasets.synthetic.street.pieces import between
from voxcli.geometry.cameras import look_at
from voxcli.geometry.zbuffer import first_faces

KINDS = (*PLACES, "elsewhere", "leaves", "surface", "grains")
SHARES = (0.38, 0.16, 0.1, 0.14, 0.1, 0.06, 0.06)
"""Kinds of backdrops, and the share of pictures that each has. elsewhere: another place with things in it, seen by another camera."""

_PATTERNS = {"leaves": leaves, "surface": surface, "grains": grains}

CROWDED = 0.65
"""Share of the pictures of a place that may show other things."""


class Photograph(NamedTuple):
    """pixels: RGBA uint8 [S, S, 4], its colours those of the whole photograph, its alpha the share of each pixel that the object covers.
    depth: z-depth of the object [S, S] float32, NaN = nothing. kind: of the backdrop.
    """

    pixels: np.ndarray
    depth: np.ndarray
    light: Light
    kind: str


class View(NamedTuple):
    """A camera: K [3, 3] of size x size pixels, world_to_cam [4, 4]; the faces of things that it shows; whether the object is there."""

    K: np.ndarray
    pose: np.ndarray
    size: int
    faces: np.ndarray
    own: bool


class Photographer:
    """Takes photographs of one object, among things that stay where they are. rng: draws these things."""

    def __init__(self, thing: ShapeObject, rng: np.random.Generator):
        self.thing, self.renderer, self.clutter = thing, Renderer(thing), draw_clutter(rng, thing)
        self.bounds = np.stack([thing.vertices.min(0), thing.vertices.max(0)])

    def take(self, line: ViewLine, size: int, rng: np.random.Generator) -> Photograph:
        """The picture of one view, size x size pixels, in light, a place and with a camera of its own."""
        kind = str(rng.choice(KINDS, p=SHARES))
        light, K, pose = draw_light(rng, line.azimuth), line.K(size), line.world_to_cam
        if kind in _PATTERNS:
            behind = _PATTERNS[kind](rng, size) * np.float32(2 ** between(rng, -1, 1))
        elif kind == "elsewhere":
            behind = self._elsewhere(size, light, rng)
        else:
            crowded = kind != "studio" and rng.random() < CROWDED
            view = View(K, pose, size, self._shown(line, pose) if crowded else np.zeros(0, np.int64), True)
            behind, tone = self._placed(kind, view, light, self.bounds, rng)
            light = replace(light, ground=0.5 * light.ground + 0.5 * tone)
        if rng.random() < 0.35:
            behind = _blurred(behind, size * between(rng, 0.004, 0.03))
        cover, depth = self.renderer.linear(K, pose, size, light)
        developed = develop(behind * (1 - cover[..., 3:]) + cover[..., :3], rng)
        alpha = (255 * cover[..., 3:] + 0.5).astype(np.uint8)
        return Photograph(np.concatenate([developed, alpha], -1), depth, light, kind)

    def _shown(self, line: ViewLine, pose: np.ndarray) -> np.ndarray:
        cam = self.thing.vertices @ pose[:3, :3].T + pose[:3, 3]
        focal = line.K(1)[0, 0]
        seen = focal * cam[:, :2] / cam[:, 2:]
        return self.clutter.beside(pose, focal, np.stack([seen.min(0), seen.max(0)]), float(cam[:, 2].mean()))

    def _elsewhere(self, size: int, light: Light, rng: np.random.Generator) -> np.ndarray:
        """A linear picture [S, S, 3] of another place, in which one of the things is large, and may be cut off."""
        vertices, spans = self.clutter.renderer.thing.vertices, self.clutter.spans
        _, _, start, end = spans[int(rng.integers(2 if rng.random() < 0.7 else len(spans)))].tolist()
        box = np.stack([vertices[start:end].min(0), vertices[start:end].max(0)])
        reach, focal = float(np.linalg.norm(box[1] - box[0])) / 2, between(rng, 20, 70)
        line = ViewLine(0, 0, 1, focal=focal)
        turn, lift = 2 * math.pi * rng.random(), math.radians(between(rng, 3, 45))
        away = reach * max(1.3, focal / SENSOR * 2 / between(rng, 0.6, 2.2))
        way = np.array([math.cos(turn) * math.cos(lift), math.sin(lift), math.sin(turn) * math.cos(lift)])
        eye = box.mean(0) + away * way
        pose = look_at(eye, box.mean(0) + 0.6 * reach * (rng.random(3) - 0.5))
        whole = np.stack([vertices.min(0), vertices.max(0)])
        view = View(line.K(size), pose, size, self.clutter.ahead(pose), False)
        return self._placed(str(rng.choice(PLACES[:2])), view, light, whole, rng)[0]

    def _placed(self, kind: str, view: View, light: Light, bounds: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """(linear picture [S, S, 3] of a place that holds a box [2, 3] and the things that a view shows, the floor's mean colour [3])."""
        K, pose, size = view.K, view.pose, view.size
        eye = -pose[:3, :3].T @ pose[:3, 3]
        place = draw_place(rng, kind, eye, bounds)
        axis = (np.arange(size) + 0.5 - size / 2) / K[0, 0]
        rays = np.stack([*np.meshgrid(axis, axis), np.ones((size, size))], -1).reshape(-1, 3) @ pose[:3, :3]
        base, sun, side = place.colours(eye, rays.astype(np.float32), 1 / K[0, 0], light)
        floor = (side == FLOOR).reshape(size, size)
        shadow, near = self._shadows(view, light, between(rng, 0.5, 6.0) * size / 224)
        shadow, near = np.where(floor, shadow, 0), np.where(floor, near, 0)
        dark, soft = between(rng, 0.6, 1.0), between(rng, 0.3, 0.75)
        base, sun = base.reshape(size, size, 3), sun.reshape(size, size, 3)
        out = base * (1 - np.float32(soft) * near)[..., None] + sun * (1 - np.float32(dark) * shadow)[..., None]
        tone = out[floor].mean(0) if floor.any() else light.ground
        if len(view.faces):
            things, _ = self.clutter.renderer.linear(K, pose, size, light, view.faces)
            out = out * (1 - things[..., 3:]) + things[..., :3]
        return out.astype(np.float32), np.asarray(tone, np.float64)

    def _shadows(self, view: View, light: Light, blur: float) -> tuple[np.ndarray, np.ndarray]:
        """The share of the key's light, and of the sky's, that does not reach the floor, as if it filled the picture. Both [S, S]"""
        size, half = view.size, view.size // 2
        scaled = view.K * np.array([[half / size], [half / size], [1.0]])
        parts = [(self.clutter.renderer.thing.vertices, self.clutter.renderer.thing.faces[view.faces])]
        parts = [(self.thing.vertices, self.thing.faces), *parts] if view.own else parts
        vertices = np.concatenate([each for each, _ in parts])
        faces = np.concatenate([each + (len(parts[0][0]) if k else 0) for k, (_, each) in enumerate(parts)])
        out = []
        for toward, radius in ((light.key, blur / 2), (np.array([0.0, 1.0, 0.0]), 0.06 * half)):
            flat = cast(vertices, float(self.bounds[0, 1]), toward)
            hit = _seen(flat @ view.pose[:3, :3].T + view.pose[:3, 3], faces, scaled, half)
            out.append(resized(_blurred(hit[..., None].astype(np.float32), radius), size, size)[..., 0])
        return out[0], out[1]


def cast(vertices: np.ndarray, floor: float, toward: np.ndarray) -> np.ndarray:
    """Where points [V, 3] throw their shadows on the plane y = floor, in light from a direction [3] above it.

    >>> cast(np.array([[1.0, 2.0, 3.0]]), 0.0, np.array([1.0, 1.0, 0.0])).tolist()
    [[-1.0, 0.0, 3.0]]
    """
    return vertices - (vertices[:, 1:2] - floor) * (toward / toward[1])


def _seen(cam: np.ndarray, faces: np.ndarray, K: np.ndarray, size: int) -> np.ndarray:
    """Which pixels of a picture show any of the faces. bool [size, size]"""
    found = first_faces(torch.from_numpy(cam), torch.from_numpy(faces), torch.from_numpy(K), size, size)
    return found.face.numpy() >= 0


def draw_light(rng: np.random.Generator, azimuth_deg: float) -> Light:
    """Light of a photograph: a key from any side but below, strong or hardly there, warm or cold."""

    def towards(turn: float, lift: float) -> np.ndarray:
        a, e = math.radians(turn), math.radians(lift)
        return np.array([math.cos(a) * math.cos(e), math.sin(e), math.sin(a) * math.cos(e)])

    key = towards(azimuth_deg + between(rng, -150, 150), between(rng, 22, 80))
    fill = towards(azimuth_deg + between(rng, -120, 120), between(rng, 5, 50))
    warm = np.clip(1 + np.array([1.0, 0.2, -1.0]) * 0.12 * rng.standard_normal(), 0.5, 1.6)
    sky = between(rng, 0.2, 0.6) * np.clip(1 + np.array([-0.5, 0.0, 0.5]) * 0.25 * rng.standard_normal(), 0.4, 1.6)
    strength = between(rng, 0.3, 1.6) if rng.random() < 0.75 else between(rng, 0.0, 0.2)
    return Light(key, fill, strength, between(rng, 0.0, 0.35), warm, sky, sky * between(rng, 0.25, 0.8))


def _blurred(image: np.ndarray, radius: float) -> np.ndarray:
    """Blurred by about so many pixels: passes of a tent filter, at a smaller size where they would be many. [H, W, C] float32"""
    height, width = image.shape[:2]
    step = max(1, int(radius / 1.5))
    out = resized(image, max(2, height // step), max(2, width // step)) if step > 1 else image
    for _ in range(max(1, round(2 * (radius / step) ** 2))):
        out = soften(out, 1.0)
    return resized(out, height, width) if step > 1 else out
