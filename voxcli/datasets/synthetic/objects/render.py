"""Pictures of an object from many cameras: z-buffer at twice the size, smooth normals, textured albedo, two lights and a sky; alpha."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from voxcli.datasets.synthetic.objects.parts import ShapeObject, Texture
from voxcli.datasets.synthetic.street.pieces import between
from voxcli.datasets.synthetic.street.textures import clouds, grain
from voxcli.errors import DataError
from voxcli.geometry.zbuffer import zbuffer

SUPERSAMPLE = 2
_CREASE = math.cos(math.radians(42.0))


@dataclass(frozen=True)
class Light:
    """key, fill: unit directions towards two suns in the object's frame [3]; their strengths; sky and ground: colours from above and
    below [3]; key_colour [3]. All in linear light.
    """

    key: np.ndarray
    fill: np.ndarray
    key_strength: float
    fill_strength: float
    key_colour: np.ndarray
    sky: np.ndarray
    ground: np.ndarray


def draw_light(rng: np.random.Generator, azimuth_deg: float) -> Light:
    """Light for one view: the key from the camera's half of the sky, a weak fill from the other."""

    def towards(turn: float, lift: float) -> np.ndarray:
        a, e = math.radians(turn), math.radians(lift)
        return np.array([math.cos(a) * math.cos(e), math.sin(e), math.sin(a) * math.cos(e)])

    side = 1 if rng.random() < 0.5 else -1
    key = towards(azimuth_deg + side * between(rng, 15, 75), between(rng, 25, 70))
    fill = towards(azimuth_deg - side * between(rng, 30, 110), between(rng, 5, 40))
    warm = 1 + np.array([1.0, 0.2, -1.0]) * 0.06 * rng.standard_normal()
    sky = between(rng, 0.28, 0.48) * (1 + np.array([-0.5, 0.0, 0.5]) * 0.15 * rng.random())
    return Light(key, fill, between(rng, 0.55, 0.95), between(rng, 0.08, 0.3), warm, sky, sky * between(rng, 0.35, 0.7))


def corner_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Unit normals at the corners of faces, float32 [F, 3, 3]: faces around a vertex are averaged by area unless a crease parts them."""
    corners = vertices[faces]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    size = np.linalg.norm(normal, axis=1, keepdims=True)
    unit = normal / np.maximum(size, 1e-30)
    flat = faces.reshape(-1)
    order = np.argsort(flat, kind="stable")
    vertex, face = flat[order], order // 3
    total = normal[face].copy()
    most = int(np.bincount(flat).max())
    for step in range(1, most):
        pairs = np.flatnonzero(vertex[step:] == vertex[:-step])
        first, second = pairs, pairs + step
        same = np.einsum("ij,ij->i", unit[face[first]], unit[face[second]]) > _CREASE
        first, second = first[same], second[same]
        total[first] += normal[face[second]]  # no corner comes twice in `first`, nor in `second`
        total[second] += normal[face[first]]
    out = np.zeros((len(flat), 3), np.float32)
    out[order] = total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-30)
    return out.reshape(-1, 3, 3)


def albedo(thing: ShapeObject, face: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The albedo, sRGB 0..1 float32 [N, 3], of points [N, 3] of the object on the faces [N]."""
    out = thing.colours.take(face, 0)
    textures = thing.textures.take(face)
    if not textures.any():
        return out
    scale = thing.scales.take(face)
    p = points.astype(np.float32)
    factor = np.ones(len(face), np.float32)
    for kind in (Texture.WOOD, Texture.FABRIC, Texture.STRIPES, Texture.CHECKS, Texture.STONE):
        at = np.flatnonzero(textures == kind)
        if len(at):
            factor[at] = _pattern(kind, p[at], scale[at], thing.grain.take(face[at]))
    return np.clip(out * factor[:, None], 0.0, 1.0)


def _pattern(kind: Texture, p: np.ndarray, scale: np.ndarray, axis: np.ndarray) -> np.ndarray:
    x, y, z = p.T
    if kind == Texture.WOOD:
        along = np.select([axis == 0, axis == 1], [x, y], z)
        across = x + y + z - along
        lines = clouds(along * 9 * scale + 17, across * 110 * scale)
        return 1 + 0.13 * lines + 0.05 * clouds(along * 40 * scale, across * 330 * scale)
    if kind == Texture.FABRIC:
        return 1 + 0.07 * grain((x - 0.7 * z) * 130 * scale, (y + 0.6 * z) * 130 * scale) + 0.05 * clouds(x * 25 + 9 * z, y * 25 + 13 * z)
    if kind == Texture.STRIPES:
        return np.where(np.floor((z + 0.3 * x) * 34 * scale) % 2 > 0, 1.12, 0.68).astype(np.float32)
    if kind == Texture.CHECKS:
        cells = np.floor(z * 28 * scale) + np.floor((y + x) * 28 * scale)
        return np.where(cells % 2 > 0, 1.12, 0.74).astype(np.float32)
    return 1 + 0.09 * clouds(x * 60 * scale + 31 * z, y * 60 * scale + 23 * z) + 0.07 * grain(x * 160 + 40 * z, y * 160 + 60 * z)


class Renderer:
    """One object, ready to be seen: what all views share is computed once."""

    def __init__(self, thing: ShapeObject):
        self.thing = thing
        corners = thing.vertices[thing.faces]
        self.normals = corner_normals(thing.vertices, thing.faces).reshape(len(thing.faces), 9)
        self.outward = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        self.first = corners[:, 0]
        self.corners = corners.reshape(len(thing.faces), 9).astype(np.float32)

    def view(self, K: np.ndarray, world_to_cam: np.ndarray, size: int, light: Light) -> tuple[np.ndarray, np.ndarray]:
        """RGBA uint8 [size, size, 4], its alpha the covered share of each pixel, and z-depth float32 [size, size], NaN = nothing.

        K in pixels of the size x size picture. Depth is that of the nearest of a pixel's samples. Where alpha is 0, so is the colour.
        """
        image, depth = np.zeros((size, size, 4), np.uint8), np.full((size, size), np.nan, np.float32)
        seen = self._seen(K, world_to_cam, size, light, np.arange(len(self.thing.faces)))
        if seen is not None:
            box, samples, near = seen
            image[box] = _resolve(samples)
            depth[box] = _nearest(near)
        return image, depth

    def linear(
        self, K: np.ndarray, world_to_cam: np.ndarray, size: int, light: Light, faces: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The same as light: linear colours times cover, and cover, float32 [size, size, 4]; and z-depth. faces: of those alone [F']."""
        image, depth = np.zeros((size, size, 4), np.float32), np.full((size, size), np.nan, np.float32)
        seen = self._seen(K, world_to_cam, size, light, np.arange(len(self.thing.faces)) if faces is None else faces)
        if seen is not None:
            box, samples, near = seen
            image[box] = _summed(samples) / SUPERSAMPLE**2
            depth[box] = _nearest(near)
        return image, depth

    def _seen(
        self, K: np.ndarray, world_to_cam: np.ndarray, size: int, light: Light, faces: np.ndarray
    ) -> tuple[tuple[slice, slice], np.ndarray, np.ndarray] | None:
        """(rows and columns of the box that holds the faces, its samples [2h, 2w, 4], their depths); None where the picture shows none."""
        cam = self.thing.vertices @ world_to_cam[:3, :3].T + world_to_cam[:3, 3]
        own = cam if len(faces) == len(self.thing.faces) else cam[np.unique(self.thing.faces[faces])]
        if own[:, 2].min() <= 0:
            raise DataError("The camera stands within the object's box.", hint="It must look at the object from outside.")
        u = K[0, 0] * own[:, 0] / own[:, 2] + K[0, 2]
        v = K[1, 1] * own[:, 1] / own[:, 2] + K[1, 2]
        left, top = (max(0, math.floor(c.min())) for c in (u, v))
        right, bottom = (min(size, math.ceil(c.max())) for c in (u, v))
        if right <= left or bottom <= top:
            return None
        window = K.copy()  # only the box that holds the object is drawn
        window[:2, 2] -= left, top
        window[:2] *= SUPERSAMPLE
        width, height = (right - left) * SUPERSAMPLE, (bottom - top) * SUPERSAMPLE
        samples, near = self._window(window, world_to_cam, cam, (width, height), light, faces)
        return (slice(top, bottom), slice(left, right)), samples, near

    def _window(
        self, K: np.ndarray, world_to_cam: np.ndarray, cam: np.ndarray, size: tuple[int, int], light: Light, shown: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Linear colours and cover [height, width, 4], depth [height, width] of a box that holds the faces shown; size: (width, height)."""
        width, height = size
        eye = -world_to_cam[:3, :3].T @ world_to_cam[:3, 3]
        faces = self.thing.faces
        if self.thing.closed:
            shown = shown[np.einsum("ij,ij->i", self.outward[shown], eye - self.first[shown]) > 0]
        buffer = zbuffer(torch.from_numpy(cam), torch.from_numpy(faces[shown]), torch.from_numpy(K), width, height)
        face = buffer.face.numpy().reshape(-1)
        hit = np.flatnonzero(face >= 0)
        weights = buffer.weights.numpy().reshape(-1, 3).take(hit, 0).astype(np.float32)
        face = shown.take(face.take(hit))
        point = np.einsum("nk,nkc->nc", weights, self.corners.take(face, 0).reshape(-1, 3, 3))
        normal = np.einsum("nk,nkc->nc", weights, self.normals.take(face, 0).reshape(-1, 3, 3))
        normal /= np.maximum(np.sqrt(np.einsum("ij,ij->i", normal, normal)), 1e-12)[:, None]
        ray = point - eye.astype(np.float32)
        ray /= np.sqrt(np.einsum("ij,ij->i", ray, ray))[:, None]
        if not self.thing.closed:  # open shells have no proper inside: both sides are lit alike
            normal *= -np.sign(np.einsum("ij,ij->i", normal, ray) + 1e-12)[:, None]
        out = np.zeros((height * width, 4), np.float32)
        out[hit, :3] = _shade(albedo(self.thing, face, point) ** 2.2, normal, ray, self.thing.gloss.take(face), light)
        out[hit, 3] = 1
        return out.reshape(height, width, 4), buffer.depth.numpy().astype(np.float32)


def _shade(colour: np.ndarray, normal: np.ndarray, ray: np.ndarray, gloss: np.ndarray, light: Light) -> np.ndarray:
    """Lambert under two suns and a two-coloured sky, and a highlight of the key with a little mirrored sky. [N, 3] linear"""
    key, fill, sky, ground = (a.astype(np.float32) for a in (light.key, light.fill, light.sky, light.ground))
    up = 0.5 + 0.5 * normal[:, 1:2]
    lit = (ground + up * (sky - ground)).astype(np.float32)
    lit += (light.key_strength * np.maximum(normal @ key, 0))[:, None] * light.key_colour.astype(np.float32)
    lit += (light.fill_strength * np.maximum(normal @ fill, 0))[:, None]
    out = colour * lit
    shiny = np.flatnonzero(gloss > 0)
    if len(shiny):
        n, r, g = normal.take(shiny, 0), ray.take(shiny, 0), gloss.take(shiny)
        facing = -np.einsum("ij,ij->i", n, r)
        bounce = r + 2 * facing[:, None] * n
        spark = 0.5 * g * np.maximum(bounce @ key, 0) ** (8 + 50 * g) * light.key_strength
        mirror = g * (0.05 + 0.5 * (1 - np.clip(facing, 0, 1)) ** 4)
        out[shiny] += spark[:, None] + mirror[:, None] * np.where(bounce[:, 1:2] > 0, sky, ground)
    return out


def _summed(fine: np.ndarray) -> np.ndarray:
    """Sums of each pixel's samples, [2H, 2W, 4] to [H, W, 4]."""
    return fine[::2, ::2] + fine[::2, 1::2] + fine[1::2, ::2] + fine[1::2, 1::2]


def _resolve(fine: np.ndarray) -> np.ndarray:
    """Samples [2H, 2W, 4] to 8-bit sRGB with straight alpha [H, W, 4]."""
    pixels = _summed(fine)
    flat = pixels.reshape(-1, 4)
    out = np.zeros(flat.shape, np.uint8)
    seen = np.flatnonzero(flat[:, 3])
    samples = flat.take(seen, 0)
    share = samples[:, 3:] / SUPERSAMPLE**2
    colour = np.clip(samples[:, :3] / samples[:, 3:], 0, 1) ** np.float32(1 / 2.2)
    out[seen] = np.concatenate([colour, share], 1) * 255 + 0.5
    return out.reshape(pixels.shape)


def _nearest(fine: np.ndarray) -> np.ndarray:
    """The smallest depth of each pixel's samples [H, W], NaN where there is none."""
    near = np.minimum(np.minimum(fine[::2, ::2], fine[::2, 1::2]), np.minimum(fine[1::2, ::2], fine[1::2, 1::2]))
    return np.where(np.isfinite(near), near, np.nan)
