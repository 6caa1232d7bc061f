"""Where everything in a near street stands: the road and its sides, the camera, and what is within some twelve metres of it.

The road runs along the world's z axis with its middle at x = 0; the world is +y up, metres. A heading h looks along (sin h, 0, cos h).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from voxcli.datasets.synthetic.street.pieces import StreetObject, between
from voxcli.datasets.synthetic.street.plan import Footprints, Makes, Placed, Street, View, ridden_bicycle
from voxcli.scene import Frustum


def _pair(values: Iterator[float]) -> tuple[float, float]:
    first, second = values
    return first, second


def draw_street(rng: np.random.Generator) -> Street:
    """A cross section: one or two lanes, parking lanes, cycle paths, pavements, gardens, houses on one side or both."""
    width = between(rng, 2.75, 3.3)
    lanes = ((0.0, 1),) if rng.random() < 0.3 else ((-width / 2, 1), (width / 2, -1))  # right-hand traffic: side -x drives to +z
    half = width * len(lanes) / 2 + 0.15
    pair = rng.random(2)
    parking = _pair(between(rng, 2.0, 2.3) if p < 0.35 else 0.0 for p in pair)
    cycle = _pair(between(rng, 1.3, 1.9) if rng.random() < 0.22 else 0.0 for _ in range(2))
    pavement = _pair(between(rng, 1.6, 3.6) for _ in range(2))
    built = (rng.random() < 0.86, rng.random() < 0.86)
    garden = _pair(0.0 if rng.random() < 0.68 else between(rng, 0.8, 3.0) for _ in range(2))
    row = (rng.random() < 0.65, rng.random() < 0.65)
    zebra = between(rng, 4.0, 9.0) if rng.random() < 0.22 else None
    return Street(half, lanes, parking, cycle, pavement, garden, built, row, zebra, int(rng.integers(1 << 20)))


def draw_view(rng: np.random.Generator, street: Street, frustum: Frustum) -> View:
    """A camera on a pavement or in the road, looking along the street, across it or in between."""
    side = int(rng.integers(2))
    outward = 2 * side - 1
    kind = rng.choice(["along", "diagonal", "across"], p=[0.3, 0.34, 0.36])
    edge = street.line(1 - side, "parking")
    if kind == "along":
        x = -outward * between(rng, -0.4, 1.0) * (edge + 0.8)
        turn = between(rng, -0.15, 0.4)
    elif kind == "diagonal":
        x = -outward * (edge + between(rng, -2.2, 1.4))
        turn = between(rng, 0.42, 0.95)
    else:
        x = -outward * (edge + between(rng, -1.5, 1.5))
        turn = between(rng, 0.95, 1.75)
    heading = outward * turn if rng.random() < 0.5 else math.pi - outward * turn
    high = rng.random() < 0.16
    height = between(rng, 2.5, 4.2) if high else between(rng, 1.2, 2.2)
    pitch = between(rng, 0.12, 0.36) if high else between(rng, -0.04, 0.15)
    return View(np.array([x, height, 0.0]), heading, pitch, 0.012 * rng.standard_normal(), frustum)


@dataclass
class _Builder:
    """A street while it fills up."""

    rng: np.random.Generator
    street: Street
    view: View
    make: Makes
    placed: list[Placed] = field(default_factory=list)
    footprints: Footprints = field(default_factory=Footprints)
    stations: tuple[View, ...] = ()
    """Views that houses are made for, the first one first."""

    @property
    def tangent(self) -> float:
        return math.tan(math.radians(self.view.frustum.fov_x_deg) / 2)

    def in_view(self, x: np.ndarray, z: np.ndarray, near: float, far: float, slack: float, view: View | None = None) -> np.ndarray:
        ahead, aside = (view or self.view).from_plan(x, z)
        return (ahead > near) & (ahead < far) & (np.abs(aside) < self.tangent * ahead * 0.92 + slack)

    def try_places(self, thing: StreetObject, x: np.ndarray, z: np.ndarray, heading: np.ndarray, margin: float = 0.06) -> Placed | None:
        """Put a thing at the first of C candidate places that is free."""
        free = self.footprints.clear(Footprints.of(thing, x, z, heading, margin))
        if not free.any():
            return None
        k = int(np.argmax(free))
        self.footprints.take(Footprints.of(thing, x[k : k + 1], z[k : k + 1], heading[k : k + 1])[0])
        self.placed.append(Placed(thing, float(x[k]), float(z[k]), float(heading[k])))
        return self.placed[-1]

    def spots(self, near: float, far: float, count: int = 48) -> np.ndarray:
        """Points in plan spread over the view's trapezoid. [count, 2]"""
        ahead = np.sqrt(self.rng.uniform(near**2, far**2, count))
        aside = self.rng.uniform(-0.88, 0.88, count) * self.tangent * ahead
        return self.view.plan(ahead, aside)

    # What stands on the sides of the street

    def facades(self) -> None:
        """Rows of houses, contiguous or with gaps, wherever the view can see them."""
        for side in range(2):
            if not self.street.built[side]:
                continue
            face = self.street.line(side, "garden")
            outward = 2 * side - 1
            ahead = math.cos(self.view.heading) >= 0
            z = -between(self.rng, 10.0, 18.0)
            end = 34.0 if abs(math.cos(self.view.heading)) > 0.5 else 20.0
            end += abs(self.stations[-1].position[2])
            while z < end:
                row = self.street.row[side]
                width = between(self.rng, 4.8, 12.0) if row else between(self.rng, 6.0, 10.0)
                middle = z + width / 2 if ahead else -z - width / 2
                z += width + (0.24 if row and self.rng.random() < 0.93 else between(self.rng, 1.2, 4.5))
                if self._facade_seen(face * outward, middle, width):
                    self._facade(outward, face, middle, width, row)

    def _facade_seen(self, x: float, middle: float, width: float) -> bool:
        edge = middle + np.linspace(-0.5, 0.5, 9) * width
        corner = np.concatenate([np.full(9, x), np.full(6, x + np.sign(x) * 4.0)])
        along = np.concatenate([edge, edge[[0, 0, 0, 8, 8, 8]]])
        return any(self.in_view(corner, along, 0.3, 45.0, 0.6, view).any() for view in self.stations)

    def _facade(self, outward: int, face: float, middle: float, width: float, row: bool) -> None:
        kind = str(self.rng.choice(["terrace", "block"])) if row else "house"
        thing = self.make("building", self.rng, f"{kind}:{width:.6f}")
        depth = thing.blocks[0, 5]
        x = outward * (face + depth)
        heading = -outward * math.pi / 2
        self.try_places(thing, np.array([x]), np.array([middle]), np.array([heading]), 0.0)

    # Things that the picture is about

    def vehicle(self, class_name: str, near: float, far: float) -> Placed | None:
        """A parked or moving vehicle whose middle is in view."""
        rng, street = self.rng, self.street
        thing = self.make(class_name, rng)
        length, width = thing.size[2], thing.size[0]
        near = max(near, 2.8 + 0.31 * length)
        tracks = [(x, sign, 0.25) for x, sign in street.lanes]
        for side in range(2):
            if street.parking[side]:
                offset = street.road_half + max(street.parking[side], width + 0.1) / 2
                tracks += [((2 * side - 1) * offset, -(2 * side - 1), 0.05)] * 2
        pick = rng.integers(len(tracks), size=48)
        spots = self.spots(near, far)
        track = np.array(tracks)[pick]
        x = track[:, 0] + track[:, 2] * rng.uniform(-1, 1, 48)
        # Slide along the track to where it meets a random depth of the view.
        ahead, _ = self.view.from_plan(spots[:, 0], spots[:, 1])
        c, s = math.cos(self.view.heading), math.sin(self.view.heading)
        z = spots[:, 1] if abs(c) < 0.35 else self.view.position[2] + (ahead - s * (x - self.view.position[0])) / c
        flip = np.where(rng.random(48) < 0.06, -1.0, 1.0)
        heading = np.where(track[:, 1] * flip > 0, 0.0, math.pi) + 0.03 * rng.standard_normal(48)
        good = self.in_view(x, z, near, far, 0.22 * length * abs(s) + 0.2)
        # A near bus would fill the picture: a vehicle's nearest side stays about as far off as it is tall.
        gap = np.hypot(
            np.maximum(np.abs(x - self.view.position[0]) - width / 2, 0), np.maximum(np.abs(z - self.view.position[2]) - length / 2, 0)
        )
        good &= gap > 1.2 + 0.85 * thing.size[1]
        return self.try_places(thing, x[good], z[good], heading[good]) if good.any() else None

    def pavement_spots(self, near: float, far: float, inset: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Points in view on either pavement: x, z and the side's sign."""
        points = self.spots(near, far, 160)
        side = (points[:, 0] > 0).astype(int)
        inner = np.array([self.street.line(k, "cycle") for k in range(2)])[side]
        outer = np.array([self.street.line(k, "pavement") for k in range(2)])[side]
        good = (np.abs(points[:, 0]) > inner + inset) & (np.abs(points[:, 0]) < outer - inset)
        return points[good, 0], points[good, 1], (2 * side - 1)[good]

    def person(self, near: float, far: float) -> None:
        """Someone on the pavement, on a zebra crossing, or (now and then) in the road."""
        rng = self.rng
        thing = self.make("person", rng)
        x, z, _ = self.pavement_spots(near, far, 0.35)
        along = rng.random(len(x)) < 0.75
        heading = np.where(
            along, np.where(rng.random(len(x)) < 0.5, 0.0, math.pi), rng.uniform(-math.pi, math.pi, len(x))
        ) + 0.2 * rng.standard_normal(len(x))
        if rng.random() < 0.28 or not len(x):
            road = self.spots(near, far, 64)
            road = road[np.abs(road[:, 0]) < self.street.road_half + 0.5]
            x, z = np.concatenate([road[:, 0], x]), np.concatenate([road[:, 1], z])
            across = np.where(rng.random(len(road)) < 0.5, 0.5, -0.5) * math.pi + 0.3 * rng.standard_normal(len(road))
            heading = np.concatenate([across, heading])
        if len(x):
            self.try_places(thing, x, z, heading, 0.03)

    def bicycle(self, near: float, far: float) -> None:
        """A parked bicycle on the pavement, or a ridden one in the road or on its path, with its rider."""
        rng, street = self.rng, self.street
        if rng.random() < 0.42:
            both, ridden = ridden_bicycle(self.make, rng)
            points = self.spots(near, far, 64)
            side = (points[:, 0] > 0).astype(int)
            limit = np.array([street.line(k, "cycle") for k in range(2)])[side]
            points, side = points[np.abs(points[:, 0]) < limit - 0.3], side[np.abs(points[:, 0]) < limit - 0.3]
            heading = np.where(side == 1, math.pi, 0.0) + 0.12 * rng.standard_normal(len(points))
            if len(points):
                spot = self.try_places(both, points[:, 0], points[:, 1], heading)
                if spot:
                    self.placed[-1:] = [Placed(thing, spot.x, spot.z, spot.heading) for thing in ridden]
            return
        thing = self.make("bicycle", rng)
        x, z, side = self.pavement_spots(near, far, 0.25)
        if not len(x):
            return
        at_wall = rng.random(len(x)) < 0.35
        wall = np.array([street.line(k, "pavement") for k in range(2)])[(side + 1) // 2] - 0.4
        x = np.where(at_wall, side * wall, x)
        angled = rng.random() < 0.45
        heading = np.where(at_wall | ~np.full(len(x), angled), 0.0, side * rng.uniform(0.6, 2.4, len(x))) + math.pi * (
            rng.random(len(x)) < 0.5
        )
        self.try_places(thing, x, z, heading + 0.06 * rng.standard_normal(len(x)), 0.03)

    def tree(self, near: float, far: float) -> None:
        """A tree at the kerb, in a front garden or by the wall."""
        rng, street = self.rng, self.street
        side = rng.integers(2, size=96)
        kind = None
        if rng.random() < 0.5:
            offset = np.array([street.line(k, "cycle") for k in range(2)])[side] + between(rng, 0.35, 0.7)
            kind = str(rng.choice(["young", "broad", "cypress"], p=[0.5, 0.4, 0.1]))
        else:
            inner = np.array([street.line(k, "pavement") for k in range(2)])[side]
            garden = np.array([street.garden[k] if street.built[k] else 8.0 for k in range(2)])[side]
            offset = inner + np.where(garden > 0, rng.uniform(0.1, 1.0, 96) * garden, -0.5)
        thing = self.make("tree", rng, kind)
        x = (2 * side - 1) * offset
        ahead = np.sqrt(rng.uniform(near**2, far**2, 96))
        c, s = math.cos(self.view.heading), math.sin(self.view.heading)
        if abs(c) < 0.35:
            z = self.spots(near, far, 96)[:, 1]
        else:
            z = self.view.position[2] + (ahead - s * (x - self.view.position[0])) / c
        good = self.in_view(x, z, near, far, 0.5)
        hedge = thing.size[0] > 1.8 * thing.size[2]
        heading = np.where(hedge, math.pi / 2, rng.uniform(-math.pi, math.pi, 96))
        if good.any():
            self.try_places(thing, x[good], z[good], heading[good], 0.0)


STEP = 0.25
"""Metres from one frame of a trajectory to the next."""

_STATION = 8.0  # metres of a trajectory after which the street is filled anew


def lay_out(rng: np.random.Generator, frustum: Frustum, make: Makes) -> tuple[Street, View, list[Placed]]:
    """A street with its camera and its objects, none inside another.

    The near objects are drawn by a theme, so that every class is in a fair share of pictures; behind the frustum the street goes on.
    """
    street, views, placed = lay_out_trajectory(rng, frustum, make, 1)
    return street, views[0], placed


def lay_out_trajectory(rng: np.random.Generator, frustum: Frustum, make: Makes, frames: int) -> tuple[Street, list[View], list[Placed]]:
    """The same with a camera that goes along the road: its view in each frame. The first frame's street is filled first."""
    street = draw_street(rng)
    first = draw_view(rng, street, frustum)
    step = STEP if math.cos(first.heading) >= 0 else -STEP
    views = [replace(first, position=first.position + np.array([0.0, 0.0, k * step])) for k in range(frames)]
    stations = views[:: round(_STATION / STEP)]
    builder = _Builder(rng, street, first, make, stations=(*stations, views[-1]))
    for view in views:
        builder.footprints.keep_free(view, 0.8, (0.85, 1.5), 0.4)
    builder.facades()
    for station in stations:
        builder.view = station
        _fill(builder)
    return street, views, builder.placed


def _fill(builder: _Builder) -> None:
    """Put what a picture is about before the camera, and more behind its frustum."""
    rng, far = builder.rng, builder.view.frustum.z_far
    orders: list[tuple[str, float, float]] = []
    vehicles = ["car", "truck", "van", "bus"]
    for _ in range(int(rng.choice([0, 1, 2, 3], p=[0.04, 0.26, 0.42, 0.28]))):
        orders.append((str(rng.choice(vehicles, p=[0.27, 0.24, 0.23, 0.26])), 4.5, far + 0.5))
    orders += [("tree", 4.0, far - 0.5)] * int(rng.choice([0, 1, 2, 3], p=[0.2, 0.36, 0.28, 0.16]))
    orders += [("person", 3.0, 9.0)] * int(rng.choice([0, 1, 2, 3, 4], p=[0.3, 0.32, 0.2, 0.11, 0.07]))
    orders += [("bicycle", 3.0, 8.5)] * int(rng.choice([0, 1, 2, 3], p=[0.34, 0.38, 0.18, 0.1]))
    orders.sort(
        key=lambda order: ("bus", "truck", "van", "car").index(order[0]) if order[0] in vehicles else 4
    )  # the large ones need most room
    thin_first = rng.random() < 0.25
    for class_name, near, limit in orders[::-1] if thin_first else orders:
        for _ in range(3):  # another one of the class may fit where the first did not
            before = len(builder.placed)
            if class_name in vehicles:
                builder.vehicle(class_name, near, limit)
            else:
                getattr(builder, class_name)(near, limit)
            if len(builder.placed) > before:
                break
    for _ in range(int(rng.integers(1, 5))):
        class_name = str(rng.choice(["car", "van", "tree", "person", "truck", "bus"], p=[0.4, 0.1, 0.25, 0.15, 0.05, 0.05]))
        if class_name in vehicles:
            builder.vehicle(class_name, far + 2, far + 22)
        else:
            getattr(builder, class_name)(far, far + 16)
