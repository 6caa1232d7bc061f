"""Colours of picture samples: materials by surface, sun with shadows, sky between the houses, mirrors, lamps, haze."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from voxcli.datasets.synthetic.street import textures
from voxcli.datasets.synthetic.street.photo import walls
from voxcli.datasets.synthetic.street.photo.cover import bark
from voxcli.datasets.synthetic.street.photo.ground import fade, ground
from voxcli.datasets.synthetic.street.photo.light import Canyon, PhotoLight, environment, sky, skyline
from voxcli.datasets.synthetic.street.pieces import STYLE_SIZE, Surface
from voxcli.datasets.synthetic.street.plan import Placed, StreetScene, View
from voxcli.datasets.synthetic.street.render import TriangleSoup
from voxcli.datasets.synthetic.street.shadows import ShadowMap
from voxcli.datasets.synthetic.street.vehicles import RED_LIGHT, WHITE_LIGHT

_VEHICLES = ("car", "van", "truck", "bus")


@dataclass(frozen=True)
class Seen:
    """What n samples show.

    owner [n]: 0 for the ground, else 1 + number of the object. world, rays, normal [n, 3]: points, unit directions from the camera, unit
    normals. way [n]: length along the ray in metres. step [n]: size of a sample on the surface in metres.
    """

    owner: np.ndarray
    world: np.ndarray
    rays: np.ndarray
    normal: np.ndarray
    way: np.ndarray
    step: np.ndarray


class Shader:
    """Colours samples of one scene under one light."""

    def __init__(self, soup: TriangleSoup, scene: StreetScene, light: PhotoLight, shadow: ShadowMap, K: np.ndarray, to_cam: np.ndarray):
        placed, view = scene.drawn, scene.view
        self.soup, self.placed, self.street, self.light, self.shadow = soup, placed, scene.street, light, shadow
        self.canyon = Canyon.of(scene.street, scene.placed)
        self.K, self.to_cam, self.eye = K, to_cam, view.position.astype(np.float32)
        self.colours = (soup.colours**2.2).astype(np.float32)
        self.styles = np.array([p.thing.style for p in placed], dtype=np.float32).reshape(-1, STYLE_SIZE)
        self.places = np.array([[p.x, p.y, p.z, math.cos(p.heading), math.sin(p.heading)] for p in placed], np.float32).reshape(-1, 5)
        self.traits = np.zeros((len(placed), walls.TRAITS), np.float32)
        for k in np.unique(soup.owner[(soup.surfaces == Surface.FACADE) | (soup.surfaces == Surface.FRONT)]):
            self.traits[k - 1] = walls.wall_traits(placed[k - 1].thing.style)
        self.vehicle = np.array([False, *(p.thing.class_name in _VEHICLES for p in placed)])
        self.boxes = np.array([p.thing.blocks[-1] for p in placed], np.float32).reshape(-1, 6)
        self.round = np.array([len(p.thing.blocks) > 1 for p in placed])
        self.dark = _contact(placed, view)
        self.glow = self.canyon.glow(light)

    @property
    def keys(self) -> np.ndarray:
        """A number for each face. Faces of one object with about the same normal and colour have the same number. [F]"""
        n = np.round(self.soup.normals * 7).astype(np.int64) + 8
        c = (self.soup.colours * 60).astype(np.int64) @ np.array([1, 64, 4096])
        return ((self.soup.owner.astype(np.int64) * 4096 + n @ np.array([256, 16, 1])) * 262144 + c) * 16 + self.soup.surfaces

    def directions(self, at: np.ndarray, width: int) -> np.ndarray:
        """World directions [n, 3], of z-depth 1, of the samples with flat numbers `at` [n] in rows of `width`."""
        x = ((at % width) + 0.5 - self.K[0, 2]) / self.K[0, 0]
        y = ((at // width) + 0.5 - self.K[1, 2]) / self.K[1, 1]
        return (np.stack([x, y, np.ones(len(at))], 1) @ self.to_cam[:3, :3]).astype(np.float32)

    def look(self, at: np.ndarray, face: np.ndarray, away: np.ndarray, width: int) -> Seen:
        """What the samples `at` show: points on faces `face` at z-depths `away`, all [n]."""
        rays = self.directions(at, width)
        length = np.sqrt(np.einsum("ij,ij->i", rays, rays))
        unit = rays / length[:, None]
        normal = self.soup.normals.take(face, 0)
        facing = np.abs(np.einsum("ij,ij->i", normal, unit))
        step = 2 * away / np.float32(self.K[0, 0]) / np.sqrt(np.maximum(facing, 0.02))
        return Seen(self.soup.owner.take(face), rays * away[:, None] + self.eye, unit, normal, away * length, step.astype(np.float32))

    def local(self, owner: np.ndarray, points: np.ndarray, move: bool = True) -> np.ndarray:
        """World points [n, 3] in the frames of their owners; directions if `move` is False. [n, 3]"""
        at = self.places.take(owner - 1, 0)
        d = points - at[:, :3] if move else points
        c, s = at[:, 3], at[:, 4]
        return np.stack([c * d[:, 0] - s * d[:, 2], d[:, 1], s * d[:, 0] + c * d[:, 2]], 1)

    def shade(self, at: np.ndarray, face: np.ndarray, away: np.ndarray, width: int) -> np.ndarray:
        """Linear colours [n, 3] of the samples `at`. Face -1 is the sky."""
        out = np.zeros((len(at), 3), np.float32)
        open_sky = np.flatnonzero(face < 0)
        if len(open_sky):
            rays = self.directions(at[open_sky], width)
            rays /= np.sqrt(np.einsum("ij,ij->i", rays, rays))[:, None]
            tone = sky(rays, self.light)
            clear = np.float32(math.exp(-250 / self.light.visibility))
            far = skyline(rays, self.light)
            wood = np.array([0.1, 0.11, 0.1], np.float32) * (self.light.ambient + 0.3 * self.light.sun_colour)
            tone[far] = self.light.haze + clear * (wood - self.light.haze)
            out[open_sky] = tone
        hit = np.flatnonzero(face >= 0)
        seen = self.look(at[hit], face[hit], away[hit], width)
        out[hit] = self._solid(seen, face[hit])
        return out

    def _solid(self, seen: Seen, face: np.ndarray) -> np.ndarray:
        """Linear colours [n, 3] of samples on opaque faces [n]."""
        colour, surface = self.colours.take(face, 0), self.soup.surfaces.take(face)
        mirror, emitted = np.zeros(len(face), np.float32), np.zeros((len(face), 3), np.float32)
        normal = seen.normal.copy()
        road = np.flatnonzero(surface == Surface.GROUND)
        if len(road):
            x, z = seen.world[road, 0], seen.world[road, 2]
            colour[road], smooth = ground(x, z, seen.step[road], self.street)
            if self.light.wet:
                wet = (smooth * 2 - 2 + 2 * self.light.wet).clip(0, 1)
                colour[road] *= (1 - 0.45 * wet)[:, None]
                mirror[road] = 0.12 * wet
                ripple = 0.03 * fade(seen.step[road], 0.06)
                normal[road, 0] += ripple * textures.grain(x * 40, z * 40)
                normal[road, 2] += ripple * textures.grain(x * 40 + 9, z * 40)
        house = np.flatnonzero((surface == Surface.FACADE) | (surface == Surface.FRONT))
        if len(house):
            owner = seen.owner[house]
            local, turned = self.local(owner, seen.world[house]), self.local(owner, seen.normal[house], False)
            colour[house], mirror[house], emitted[house] = walls.facade(
                local,
                turned,
                seen.step[house],
                self.styles.take(owner - 1, 0),
                self.traits.take(owner - 1, 0),
                colour[house],
                self.light.lit,
            )
        for kind, paint in ((Surface.MASONRY, walls.masonry), (Surface.POSTER, walls.poster)):
            chosen = np.flatnonzero(surface == kind)
            if len(chosen):
                owner = seen.owner[chosen]
                colour[chosen] = paint(self.local(owner, seen.world[chosen]), seen.step[chosen], self.styles[owner - 1], colour[chosen])
        for kind in (Surface.BARK, Surface.ROOF):
            chosen = np.flatnonzero(surface == kind)
            if len(chosen):
                local = self.local(seen.owner[chosen], seen.world[chosen])
                factor = bark(local, seen.step[chosen]) if kind == Surface.BARK else textures.roof(local, local)
                colour[chosen] *= factor[:, None]
        lamp = np.flatnonzero(surface == Surface.LAMP)
        emitted[lamp] = colour[lamp] * (1.5 + 2.5 * (self.light.lit > 0))
        if self.light.lit > 0.05:
            self._headlights(face, seen.owner, emitted)
        glass = np.flatnonzero(surface == Surface.GLASS)
        if len(glass):
            mirror[glass] = np.where(self.vehicle[seen.owner[glass]], 0.05, 0.1)
            x, y, z = seen.world[glass].T
            spot = textures.grain(np.floor(y * 4) + seen.owner[glass], np.floor((x + z) * 3))
            colour[glass] *= (0.6 + 0.5 * spot.clip(-1, 2))[:, None]
        paint_ = np.flatnonzero((surface == Surface.PAINT) | (surface == Surface.GLASS))
        if len(paint_):
            mirror[paint_] = np.maximum(mirror[paint_], 0.05)
            p, own = self.local(seen.owner[paint_], seen.world[paint_]), seen.owner[paint_]
            normal[paint_] += self._bulge(own, p)
            normal[paint_, 1] += 0.09 * textures.clouds(p[:, 2] * 9 + 40, p[:, 1] * 14)
            normal[paint_, 0] += 0.06 * textures.clouds(p[:, 2] * 12, p[:, 1] * 9 + 80)
        return self.lit(seen, colour, normal, mirror, emitted)

    def _headlights(self, face: np.ndarray, owner: np.ndarray, emitted: np.ndarray) -> None:
        """Light the lamps of two in three vehicles: sets emitted [n, 3] where these are."""
        colour = self.soup.colours.take(face, 0)
        on = self.vehicle[owner] & (owner * 7 % 3 > 0)
        white = on & (np.abs(colour - np.array(WHITE_LIGHT, np.float32)).max(1) < 0.01)
        red = on & (np.abs(colour - np.array(RED_LIGHT, np.float32)).max(1) < 0.01)
        emitted[white] = np.array([3.0, 2.7, 2.1], np.float32)
        emitted[red] = np.array([1.2, 0.04, 0.03], np.float32)

    def _bulge(self, owner: np.ndarray, local: np.ndarray) -> np.ndarray:
        """A lean of vehicles' normals outward from the middle of the body, so that flat panels look curved. [n, 3], world frame"""
        box = self.boxes.take(owner - 1, 0)
        middle, half = (box[:, ::2] + box[:, 1::2]) / 2, np.maximum((box[:, 1::2] - box[:, ::2]) / 2, 0.1)
        lean = (local - middle) / half * (np.array([0.35, 0.35, 0.3], np.float32) / np.maximum(half[:, 1:2] / 0.75, 1))
        lean[~self.vehicle[owner]] = 0
        at = self.places.take(owner - 1, 0)
        c, s = at[:, 3], at[:, 4]
        return np.stack([c * lean[:, 0] + s * lean[:, 2], lean[:, 1], c * lean[:, 2] - s * lean[:, 0]], 1)

    def lit(self, seen: Seen, colour: np.ndarray, normal: np.ndarray | None = None, mirror: np.ndarray | None = None,
            emitted: np.ndarray | None = None, leafy: np.ndarray | None = None) -> np.ndarray:  # fmt: skip
        """The light of samples of these colours that reaches the camera through the haze. [n, 3]

        normal [n, 3]: in place of the surface's own. mirror [n]: share that is mirrored. emitted [n, 3]: light of the sample's own.
        leafy [n] bool: where light comes through the surface.
        """
        light, shape = self.light, seen.normal
        normal = shape if normal is None else normal / np.sqrt(np.einsum("ij,ij->i", normal, normal))[:, None]
        direct = np.maximum(normal @ light.sun, 0)
        if leafy is not None:
            direct = np.where(leafy, 0.3 + 0.5 * np.abs(shape @ light.sun), direct)
        if light.sun_colour.max() > 0.05:
            direct = direct * self.shadow.sunlight(seen.world, shape)
        share = self.canyon.sky_share(seen.world[:, 0], seen.world[:, 1], shape)
        share = share * self._near_dark(seen)
        bounce = self.glow[(shape[:, 0] < 0).astype(np.int64)] + np.float32(0.05) * light.ambient
        around = share[:, None] * light.ambient + (1 - share)[:, None] * bounce
        out = colour * (direct[:, None] * light.sun_colour + around)
        if mirror is not None:
            shiny = np.flatnonzero(mirror > 0)
            if len(shiny):
                n, r = normal.take(shiny, 0), seen.rays.take(shiny, 0)
                facing = np.abs(np.einsum("ij,ij->i", n, r))
                back = r + 2 * facing[:, None] * n
                back /= np.sqrt(np.einsum("ij,ij->i", back, back))[:, None]
                most = np.where(seen.owner[shiny] > 0, 0.75, 2.6 * mirror[shiny])  # a road mirrors more where it is wetter
                part = mirror[shiny] + (1 - mirror[shiny]) * np.clip(1 - facing, 0, 1) ** 5 * most
                out[shiny] *= (1 - part)[:, None]
                out[shiny] += part[:, None] * environment(seen.world.take(shiny, 0), back, light, self.canyon)
                spark = (0.6 * np.maximum(back @ light.sun, 0) ** 80 * (direct[shiny] > 0))[:, None]
                out[shiny] += spark * light.sun_colour * (seen.owner[shiny] > 0)[:, None]
        if emitted is not None:
            out += emitted
        clear = np.exp(-seen.way / np.float32(light.visibility))[:, None]
        return light.haze + clear * (out - light.haze)

    def _near_dark(self, seen: Seen) -> np.ndarray:
        """The share of skylight that things close by leave: on the ground under and beside them, at the feet of walls and bodies. [n]"""
        out = 0.7 + 0.3 * np.clip(seen.world[:, 1] / 1.5, 0, 1)
        flat = np.flatnonzero(seen.owner == 0)
        grid, low, size = self.dark
        i = ((seen.world[flat, 0] - low[0]) / size).astype(np.int32).clip(0, grid.shape[0] - 1)
        j = ((seen.world[flat, 2] - low[1]) / size).astype(np.int32).clip(0, grid.shape[1] - 1)
        out[flat] = grid[i, j]
        return out


def _contact(placed: list[Placed], view: View) -> tuple[np.ndarray, np.ndarray, float]:
    """A plan of the share of skylight on the ground beside and under things: (cells [x, z] 0..1, least x and z, metres a cell)."""
    size, ahead = 0.16, 1 if math.cos(view.heading) >= 0 else -1
    low = np.array([-16.0, -3.0 if ahead > 0 else -57.0])
    grid = np.ones((200, 375), np.float32)
    for p in placed:
        name, b = p.thing.class_name, p.thing.blocks[-1 if p.thing.class_name == "tree" else 0]
        if name == "building" and p.thing.size[1] > 2.6:
            continue
        half = np.array([b[1] - b[0], b[5] - b[4]]) / 2
        reach = min(0.6, 0.3 * b[3])
        far = float(np.hypot(*half)) + 3 * reach
        first = np.floor((np.array([p.x, p.z]) - far - low) / size).astype(int).clip(0, grid.shape)
        last = np.ceil((np.array([p.x, p.z]) + far - low) / size).astype(int).clip(0, grid.shape)
        if (last <= first).any():
            continue
        dx = (np.arange(first[0], last[0], dtype=np.float32) + 0.5)[:, None] * size + (low[0] - p.x)
        dz = (np.arange(first[1], last[1], dtype=np.float32) + 0.5)[None] * size + (low[1] - p.z)
        c, s = math.cos(p.heading), math.sin(p.heading)
        u, w = c * dx - s * dz - (b[0] + b[1]) / 2, s * dx + c * dz - (b[4] + b[5]) / 2
        gap = np.hypot(np.maximum(np.abs(u) - half[0] + 0.12, 0), np.maximum(np.abs(w) - half[1] + 0.12, 0))
        deep = 0.8 if name in _VEHICLES else 0.3
        patch = grid[first[0] : last[0], first[1] : last[1]]
        np.minimum(patch, 1 - deep * np.exp(-gap / np.float32(reach)), out=patch)
    return grid, low.astype(np.float32), size
