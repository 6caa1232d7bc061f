"""From placed objects to a picture: z-buffer, sun and sky, shadows, textures, haze, and what a camera does to it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import torch

from voxcli.datasets.synthetic.street import textures
from voxcli.datasets.synthetic.street.pieces import STYLE_SIZE, Surface, between, yaw_matrix
from voxcli.datasets.synthetic.street.plan import Placed, Street, View
from voxcli.datasets.synthetic.street.shadows import ShadowMap, ShadowRange
from voxcli.geometry.zbuffer import seen_faces
from voxcli.scene import Camera

GROUND_THICKNESS = 0.25
_LEAFY = (Surface.FOLIAGE, Surface.LEAVES, Surface.TWIGS)


@dataclass(frozen=True)
class Weather:
    """Light and air, all in linear RGB: sun direction (towards it, world) and colour, sky colours, haze, camera exposure."""

    sun: np.ndarray
    sun_colour: np.ndarray
    zenith: np.ndarray
    horizon: np.ndarray
    ambient: np.ndarray
    cloud: float
    visibility: float
    exposure: float
    noise: float
    vignette: float
    balance: np.ndarray
    phase: float


@dataclass(frozen=True)
class TriangleSoup:
    """All triangles of a scene in world coordinates; `owner` is 0 for the ground, else 1 + index of the object."""

    vertices: np.ndarray
    faces: np.ndarray
    colours: np.ndarray
    surfaces: np.ndarray
    owner: np.ndarray
    closed: np.ndarray
    parts: list[tuple[slice, np.ndarray]]

    def facing(self, eye: np.ndarray) -> np.ndarray:
        """Faces that eye (x, y, z, w; w = 0: a direction) may see first: backs of closed solids never are. [F'] indices"""
        to_eye = eye[:3] - self.vertices[self.faces[:, 0]] * eye[3]
        return np.flatnonzero((np.einsum("ij,ij->i", self.normals, to_eye) > 0) | ~self.closed)

    @cached_property
    def normals(self) -> np.ndarray:
        """Unit normals of the faces. [F, 3] float32"""
        a, b, c = (self.vertices[self.faces[:, k]] for k in range(3))
        p, q = (b - a).T, (c - a).T
        n = np.stack([p[1] * q[2] - p[2] * q[1], p[2] * q[0] - p[0] * q[2], p[0] * q[1] - p[1] * q[0]], 1)
        return (n / np.maximum(np.sqrt(np.einsum("ij,ij->i", n, n))[:, None], 1e-12)).astype(np.float32)


def gather(placed: list[Placed], ground: tuple[np.ndarray, np.ndarray]) -> TriangleSoup:
    """The ground slab and all objects as one triangle soup in the world frame."""
    vertices, faces = [ground[0]], [ground[1]]
    colours = [np.full((len(ground[1]), 3), 0.3, dtype=np.float32)]
    surfaces, owner = [np.full(len(ground[1]), Surface.GROUND, dtype=np.uint8)], [np.zeros(len(ground[1]), dtype=np.int32)]
    closed = [np.ones(len(ground[1]), dtype=bool)]
    count, parts = len(ground[0]), [(slice(0, len(ground[0])), ground[1])]
    for k, p in enumerate(placed):
        world = p.thing.vertices @ yaw_matrix(p.heading).T + np.array([p.x, p.y, p.z])
        vertices.append(world)
        faces.append(p.thing.faces + count)
        parts.append((slice(count, count + len(world)), p.thing.faces))
        count += len(world)
        colours.append(p.thing.colours)
        surfaces.append(p.thing.surfaces)
        owner.append(np.full(len(p.thing.faces), k + 1, dtype=np.int32))
        closed.append(np.full(len(p.thing.faces), p.thing.closed))
    return TriangleSoup(
        np.concatenate(vertices), np.concatenate(faces), np.concatenate(colours), np.concatenate(surfaces), np.concatenate(owner),
        np.concatenate(closed), parts,
    )  # fmt: skip


def draw_weather(rng: np.random.Generator) -> Weather:
    """Clear, hazy or overcast; morning to evening."""
    overcast = rng.random() < 0.3
    height, turn = math.radians(between(rng, 14, 68)), rng.random() * 2 * math.pi
    sun = np.array([math.cos(height) * math.cos(turn), math.sin(height), math.cos(height) * math.sin(turn)])
    low = math.exp(-math.degrees(height) / 14)
    warm = np.array([1.0, 1 - 0.16 * low - 0.03, 1 - 0.45 * low - 0.08])
    strength = between(rng, 0.0, 0.3) if overcast else between(rng, 1.0, 2.0)
    grey = between(rng, 0.6, 0.9)
    blue = np.array([0.22, 0.42, 0.8]) * between(rng, 0.7, 1.1)
    zenith = np.array([grey, grey, grey * 1.03]) * 0.75 if overcast else blue
    horizon = (
        np.array([grey, grey, grey])
        if overcast
        else np.array([0.68, 0.78, 0.9]) * between(rng, 0.75, 1.05) * (1 - 0.25 * low * np.array([0, 0.3, 1]))
    )
    ambient = np.array([0.85, 0.87, 0.9]) * between(rng, 0.75, 1.0) if overcast else np.array([0.45, 0.51, 0.6]) * between(rng, 0.8, 1.25)
    sunshine, top, rim, shade = (np.asarray(v, dtype=np.float32) for v in (strength * warm, zenith, horizon, ambient))
    balance = (1 + 0.03 * rng.standard_normal(3)).astype(np.float32)
    return Weather(
        sun.astype(np.float32), sunshine, top, rim, shade,
        between(rng, 0.4, 1.0) if rng.random() < 0.6 else 0.0, 10 ** between(rng, 2.0, 3.2),
        between(rng, 0.78, 1.25) / (0.62 if overcast else 0.72 + 0.26 * strength), between(rng, 0.002, 0.012), between(rng, 0.0, 0.3),
        balance, rng.random() * 200,
    )  # fmt: skip


def _sky(rays: np.ndarray, weather: Weather) -> np.ndarray:
    """Sky colour along world directions [N, 3]: a gradient, clouds on a plane, a line of far roofs and woods. [N, 3]"""
    lift = np.clip(rays[:, 1], 0, 1) ** 0.55
    out = textures.lit_by(1 - lift, weather.horizon) + textures.lit_by(lift, weather.zenith)
    height = np.maximum(rays[:, 1], 0.03)
    u, v = rays[:, 0] / height, rays[:, 2] / height
    cover = textures.clouds(u * 9 + weather.phase, v * 9) + 0.35 * textures.clouds(u * 25, v * 25 + weather.phase)
    share = weather.cloud * np.clip((cover - 0.1) * 0.7, 0, 1) * np.clip(rays[:, 1] * 8, 0, 1)
    white = weather.horizon.mean() * np.array([1.08, 1.08, 1.1], np.float32)
    return out + share[:, None] * (white - out)


def _far_line(rays: np.ndarray, weather: Weather) -> np.ndarray:
    """Where the sky is hidden by a far skyline: elevation below a rugged line around the horizon. [N] bool"""
    turn = np.arctan2(rays[:, 0], rays[:, 2]) * 40
    line = 0.05 + 0.018 * textures.clouds(turn + weather.phase, turn * 0) + 0.02 * textures.grain(turn * 0.8 + weather.phase, turn * 0 + 5)
    return rays[:, 1] < np.maximum(line, 0.01)


def _albedo(
    soup: TriangleSoup, face: np.ndarray, world: np.ndarray, normal: np.ndarray, placed: list[Placed], street: Street
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Linear colour [N, 3], mirror share [N] and gloss [N] of the samples."""
    colour = (soup.colours.T**2.2).take(face, 1).T
    surface, owner = soup.surfaces.take(face), soup.owner.take(face)
    mirror, gloss = np.zeros(len(face), dtype=np.float32), np.zeros(len(face), dtype=np.float32)
    place = np.array([[p.x, p.y, p.z, math.cos(p.heading), math.sin(p.heading)] for p in placed], dtype=np.float32).reshape(-1, 5)
    styles = np.array([p.thing.style for p in placed], dtype=np.float32).reshape(-1, STYLE_SIZE)

    def local(chosen: np.ndarray, points: np.ndarray, move: bool) -> np.ndarray:
        at, d = place.take(owner[chosen] - 1, 0), points.take(chosen, 0)
        d = d - at[:, :3] if move else d
        c, s = at[:, 3], at[:, 4]
        return np.stack([c * d[:, 0] - s * d[:, 2], d[:, 1], s * d[:, 0] + c * d[:, 2]], 1)

    road = np.flatnonzero(surface == Surface.GROUND)
    if len(road):
        colour[road] = textures.ground(world[road, 0], world[road, 2], street)
    for kinds, paint in ((_LEAFY, textures.foliage), ((Surface.BARK,), textures.bark), ((Surface.ROOF,), textures.roof)):
        chosen = np.flatnonzero(np.logical_or.reduce([surface == kind for kind in kinds]))
        if len(chosen):
            colour[chosen] *= paint(local(chosen, world, True), styles.take(owner[chosen] - 1, 0))[:, None]
    wall = np.flatnonzero((surface == Surface.FACADE) | (surface == Surface.FRONT))
    if len(wall):
        colour[wall], glass = textures.facade(
            local(wall, world, True), local(wall, normal, False), styles.take(owner[wall] - 1, 0), colour.T.take(wall, 1).T
        )
        mirror[wall] = np.where(glass, 0.32, 0.0)
    mirror[surface == Surface.GLASS] = 0.3
    mirror[surface == Surface.PAINT] = 0.05
    gloss[(surface == Surface.PAINT) | (surface == Surface.GLASS)] = 0.6
    return colour, mirror, gloss


def _lit(
    colour: np.ndarray, mirror: np.ndarray, gloss: np.ndarray, normal: np.ndarray, rays: np.ndarray, sunlight: np.ndarray, weather: Weather,
    shelter: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """Lambert under sun, sky and bounced light, with mirrored sky and a highlight for glass and paint. [N, 3]"""
    sun = weather.sun
    direct = np.maximum(normal @ sun, 0) * sunlight
    up = normal[:, 1]
    sky = textures.lit_by(0.62 + 0.38 * up, weather.ambient) + (weather.ambient.mean() * 0.22 * (1 - up))[:, None]
    out = colour * (textures.lit_by(direct, weather.sun_colour) + sky * shelter[:, None])
    shiny = np.flatnonzero(mirror > 0)
    if len(shiny):
        n, r = normal.take(shiny, 0), rays.take(shiny, 0)
        facing = np.abs(np.einsum("ij,ij->i", n, r))
        bounce = r + 2 * facing[:, None] * n
        seen = np.where((bounce[:, 1] > 0.06)[:, None], _sky(bounce, weather), weather.ambient * 0.28)
        share = mirror[shiny] + (1 - mirror[shiny]) * (1 - facing) ** 5 * 0.7
        spark = gloss[shiny] * np.maximum(bounce @ sun, 0) ** 60 * sunlight[shiny]
        mirrored = out.T.take(shiny, 1).T * (1 - share)[:, None] + seen * share[:, None]
        out[shiny] = mirrored + textures.lit_by(spark, weather.sun_colour)
    return out


def _shelter(world: np.ndarray, placed: list[Placed], owner: np.ndarray) -> np.ndarray:
    """How much sky reaches a point: darker on the ground under and close to vehicles, and low on walls and bodies. [N]"""
    low = np.flatnonzero(owner == 0)
    x, z = world[low, 0], world[low, 2]
    dark = np.ones(len(low), dtype=np.float32)
    for p in placed:
        if p.thing.class_name == "building":
            continue
        b = p.thing.blocks[0]
        c, s = math.cos(p.heading), math.sin(p.heading)
        dx, dz = x - p.x, z - p.z
        u, w = c * dx - s * dz - (b[0] + b[1]) / 2, s * dx + c * dz - (b[4] + b[5]) / 2
        reach = min(0.5, 0.25 * b[3])
        gap = np.hypot(np.maximum(np.abs(u) - (b[1] - b[0]) / 2 + 0.15, 0), np.maximum(np.abs(w) - (b[5] - b[4]) / 2 + 0.15, 0))
        depth = 0.75 if p.thing.class_name in ("car", "van", "bus", "truck") else 0.35
        dark = np.minimum(dark, 1 - depth * np.exp(-gap / reach))
    out = np.where(owner == 0, np.float32(1), 0.72 + 0.28 * np.clip(world[:, 1] / 1.5, 0, 1))
    out[low] = dark
    return out


@dataclass(frozen=True)
class Rendered:
    """rgb [H, W, 3] uint8; depth [H, W] float32 (NaN = sky) and owner [H, W] int32 (-1 = sky) at the pixels' centres."""

    rgb: np.ndarray
    depth: np.ndarray
    owner: np.ndarray


def render(
    rng: np.random.Generator,
    soup: TriangleSoup,
    placed: list[Placed],
    street: Street,
    view: View,
    weather: Weather,
    camera: Camera,
    shadows: ShadowRange,
) -> Rendered:
    """The picture of a scene from its view, by a camera of the picture's size that stands there.

    Samples lie on the corners, edge midpoints and centres of the pixels, [2H + 1, 2W + 1] of them, and a tent of one pixel's reach filters
    them; so every pixel's centre is a sample, and depth and instances come from the same pass as the colours.
    """
    width, height = camera.width, camera.height
    fine_w, fine_h = 2 * width + 1, 2 * height + 1
    K = camera.K * np.array([[2.0], [2.0], [1.0]])
    K[:2, 2] += 0.5
    to_cam = camera.world_to_cam
    cam = soup.vertices @ to_cam[:3, :3].T + to_cam[:3, 3]
    facing = soup.facing(np.append(view.position, 1.0))
    seen = seen_faces(torch.from_numpy(cam), torch.from_numpy(soup.faces[facing]), torch.from_numpy(K), fine_w, fine_h)
    shown, hit = seen.pixel.numpy(), facing.take(seen.face.numpy())
    rays = (_directions(*(float(K[at]) for at in ((0, 0), (1, 1), (0, 2), (1, 2))), fine_w, fine_h) @ to_cam[:3, :3]).astype(np.float32)
    length = np.sqrt(np.einsum("ij,ij->i", rays, rays))
    unit = rays / length[:, None]
    away = seen.depth.numpy().astype(np.float32)
    world = rays.take(shown, 0)
    for k, origin in enumerate(view.position.astype(np.float32)):
        world[:, k] = world[:, k] * away + origin
    normal = soup.normals.take(hit, 0)
    free = np.ones(fine_h * fine_w, dtype=bool)
    free[shown] = False
    free = np.flatnonzero(free)
    beyond = unit.take(free, 0)
    sky = _sky(beyond, weather)
    sky[_far_line(beyond, weather)] = 0.72 * weather.horizon + 0.28 * np.array([0.16, 0.18, 0.16], np.float32)
    channels = np.zeros((3, fine_h * fine_w), np.float32)
    owner = soup.owner.take(hit)
    colour, mirror, gloss = _albedo(soup, hit, world, normal, placed, street)
    sunlight = np.ones(len(hit), dtype=np.float32)
    if weather.sun_colour.max() > 0.15:
        sunlight = ShadowMap.make(soup, view, weather.sun, shadows).sunlight(world, normal, 0.03, 0.05, dappled=False)
    light = _lit(colour, mirror, gloss, normal, unit.take(shown, 0), sunlight, weather, _shelter(world, placed, owner))
    clear = np.exp(away * length.take(shown) / -weather.visibility)
    hazy = light * clear[:, None] + textures.lit_by(1 - clear, weather.horizon)
    for channel, of_sky, of_street in zip(channels, sky.T, hazy.T, strict=True):
        channel[free], channel[shown] = of_sky, of_street
    rgb = _develop(rng, np.moveaxis(channels.reshape(3, fine_h, fine_w), 0, -1), weather)
    depth, owners = np.full(fine_h * fine_w, np.nan, np.float32), np.full(fine_h * fine_w, -1, soup.owner.dtype)
    depth[shown], owners[shown] = away, owner
    return Rendered(rgb, *(values.reshape(fine_h, fine_w)[1::2, 1::2] for values in (depth, owners)))


@lru_cache(maxsize=1)
def _directions(focal_x: float, focal_y: float, middle_x: float, middle_y: float, width: int, height: int) -> np.ndarray:
    """Rays through the samples, z = 1 in the frame of the camera. [H * W, 3]"""
    x, y = (np.arange(width) + 0.5 - middle_x) / focal_x, (np.arange(height) + 0.5 - middle_y) / focal_y
    return np.stack([*np.meshgrid(x, y), np.ones((height, width))], -1).reshape(-1, 3)


@lru_cache(maxsize=1)
def _off_centre(width: int, height: int) -> np.ndarray:
    """The squared distance of pixels from the middle, 1 at the edges' middles. [H, W]"""
    y, x = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    return x * x + y * y


def _develop(rng: np.random.Generator, fine: np.ndarray, weather: Weather) -> np.ndarray:
    """Linear light on the fine samples to 8-bit sRGB pixels: exposure, tent filter, vignette, white balance, gamma, sensor noise."""
    fine = np.minimum(fine * weather.exposure, 1.6)
    rows = 0.25 * fine[:-2:2] + 0.5 * fine[1::2] + 0.25 * fine[2::2]
    pixels = 0.25 * rows[:, :-2:2] + 0.5 * rows[:, 1::2] + 0.25 * rows[:, 2::2]
    height, width = pixels.shape[:2]
    pixels = pixels * (1 - weather.vignette * 0.5 * _off_centre(width, height))[..., None] * weather.balance
    curve = np.clip(pixels, 0, None) ** (1 / 2.2)
    curve = np.where(curve > 0.8, 0.8 + 0.2 * np.tanh((curve - 0.8) / 0.2), curve)  # highlights roll off
    noisy = curve + weather.noise * (rng.standard_normal(curve.shape) + 0.5 * rng.standard_normal(curve.shape[:2])[..., None])
    return np.clip(noisy * 255 + 0.5, 0, 255).astype(np.uint8, order="C")
