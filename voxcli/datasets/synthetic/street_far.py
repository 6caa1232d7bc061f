"""Where everything in a street that is seen to 50 m stands: what a dash-cam or somebody on the pavement photographs.

The camera is at z = 0 and looks along +z or -z, mostly. A place along the street is its distance s ahead of the camera: z = s or -s.
Distances of what the picture is about are drawn evenly by their logarithm, from 4 to 48 m.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from voxcli.datasets.synthetic.street_far_plan import REACH, draw_street, draw_view
from voxcli.datasets.synthetic.street_objects import StreetObject, between
from voxcli.datasets.synthetic.street_plan import Footprints, Makes, Placed, Street, View, overlaps
from voxcli.scene import Frustum

VEHICLES = ("car", "van", "truck", "bus")
MOVING, PARKED = (0.74, 0.12, 0.06, 0.08), (0.87, 0.1, 0.03, 0.0)
"""Shares of VEHICLES on the lanes and in parking lanes."""


@dataclass
class _FarBuilder:
    """A street while it fills up."""

    rng: np.random.Generator
    street: Street
    view: View
    make: Makes
    ahead: int
    placed: list[Placed] = field(default_factory=list)
    footprints: Footprints = field(default_factory=Footprints)

    # Places

    def distance(self, near: float = 4.0, far: float = 48.0) -> float:
        """A distance ahead, evenly by its logarithm."""
        return near * (far / near) ** self.rng.random()

    def seen(self, x: float, z: float, radius: float) -> bool:
        """Whether a disc in plan is in the view's wedge, at least in part, and in front of the camera."""
        ahead, aside = self.view.from_plan(np.array(x), np.array(z))
        half = math.radians(self.view.frustum.fov_x_deg) / 2
        return bool(ahead > -radius and abs(aside) * math.cos(half) - ahead * math.sin(half) < radius)

    def put(self, thing: StreetObject, x: float, s: float, heading: float, margin: float = 0.05, hidden: bool = False) -> Placed | None:
        """Put a thing at x and s ahead, unless it touches another or is out of view (hidden: it is kept there, to cast shadows)."""
        z = s * self.ahead
        radius = float(np.abs(thing.blocks[:, [0, 1, 4, 5]]).max()) * 1.42
        if not hidden and not self.seen(x, z, radius):
            return None
        place = np.array([x]), np.array([z]), np.array([heading])
        boxes = Footprints.of(thing, *place, margin)[0]
        taken = self.footprints.taken
        gap = np.hypot(taken[:, 0] - x, taken[:, 1] - z) - np.hypot(taken[:, 2], taken[:, 3])
        close = taken[gap < radius + margin]
        if overlaps(boxes[:, None], close[None]).any():
            return None
        self.footprints.take(Footprints.of(thing, *place)[0])
        self.placed.append(Placed(thing, x, z, heading))
        return self.placed[-1]

    def keep_view_open(self) -> None:
        """Nothing stands right in front of the lens or on the photographer."""
        v = self.view
        middle = v.plan(np.array(0.9), np.array(0.0))
        self.footprints.take(np.array([[middle[0], middle[1], 0.9, 1.8, v.heading, 0.0, v.position[1] + 0.5]]))

    def gaps(self, side: int) -> list[tuple[float, float]]:
        """Stretches of s on a side that crossings take, with their pavements."""
        return sorted((c.z * self.ahead - c.half - 2.2, c.z * self.ahead + c.half + 2.2) for c in self.street.crossings if c.sides[side])

    # What stands on the sides of the street

    def facades(self, end: float) -> None:
        """Rows of houses on both sides up to `end`, with gaps at crossings; where nothing is built, trees and what is seen behind them."""
        for side in range(2):
            if self.street.built[side]:
                self._row(side, end)
            else:
                self._park(side, end)
        for c in self.street.crossings:
            for side in range(2):
                if c.sides[side]:
                    self._side_street(side, c.z * self.ahead, c.half)

    def _row(self, side: int, end: float) -> None:
        rng, outward = self.rng, 2 * side - 1
        face, row, gaps = self.street.line(side, "garden"), self.street.row[side], self.gaps(side)
        s = -between(rng, 14.0, 20.0)
        while s < end:
            wide = rng.random() < 0.15
            width = (between(rng, 12.0, 24.0) if wide else between(rng, 4.8, 11.0)) if row else between(rng, 6.5, 11.0)
            for low, high in gaps:
                if s < high and s + width > low:
                    if low - s > 4.5:
                        width = low - s
                    else:
                        s = high
            kind = str(rng.choice(["terrace", "block"])) if row else "house"
            thing = self.make("building", rng, f"{kind}:{width:.6f}")
            set_back = face + (0.0 if row else between(rng, 0.0, 2.0))
            self.put(thing, outward * (set_back + thing.blocks[0, 5]), s + width / 2, -outward * math.pi / 2, 0.0, hidden=True)
            s += width + (0.24 if row and rng.random() < 0.94 else between(rng, 1.2, 5.0))

    def _side_street(self, side: int, s: float, half: float) -> None:
        """Houses on both edges of a road that leaves the street at s."""
        rng, outward = self.rng, 2 * side - 1
        start = self.street.line(side, "garden") + 9.6
        for edge in (-1, 1):
            x = start
            for _ in range(3):
                width = between(rng, 7.0, 13.0)
                thing = self.make("building", rng, f"{rng.choice(['terrace', 'block', 'house'])}:{width:.6f}")
                heading = math.pi if edge * self.ahead > 0 else 0.0                # the front looks at the side road
                self.put(thing, outward * (x + width / 2), s + edge * (half + 2.2 + thing.blocks[0, 5]), heading, 0.0)
                x += width + 0.3
        if rng.random() < 0.6:
            thing = self.make(str(rng.choice(VEHICLES, p=MOVING)), rng)
            x = outward * (self.street.line(side, "pavement") + between(rng, 1.0, 16.0))
            heading = rng.choice([-1, 1]) * math.pi / 2
            self.put(thing, x, s + between(rng, 0.25, 0.6) * half * rng.choice([-1, 1]), heading + 0.05 * rng.standard_normal())

    def _park(self, side: int, end: float) -> None:
        """Grass with trees, perhaps a hedge along the pavement and houses far behind."""
        rng, outward, edge = self.rng, 2 * side - 1, self.street.line(side, "pavement")
        if rng.random() < 0.5:
            hedge, s = self.make("tree", rng, "hedge"), 1.0
            while s < end:
                self.put(hedge, outward * (edge + 0.7), s, math.pi / 2, 0.0)
                s += hedge.size[0] + (0.0 if rng.random() < 0.9 else 3.0)
        shelf = [self.make("tree", rng, str(kind)) for kind in rng.choice(["tall", "tall", "broad", "conifer", "bush"], size=4)]
        back = between(rng, 18.0, 40.0)
        density = between(rng, 0.0, 0.035)
        for _ in range(int(density * end * back)):
            self.put(shelf[rng.integers(4)], outward * (edge + between(rng, 2.0, back)), between(rng, 3.0, end), rng.random() * 6.28)
        s = -5.0
        while s < end and rng.random() < 0.93:
            width = between(rng, 8.0, 20.0)
            thing = self.make("building", rng, f"{rng.choice(['house', 'block', 'terrace'])}:{width:.6f}")
            self.put(thing, outward * (edge + back + thing.blocks[0, 5]), s + width / 2, -outward * math.pi / 2, 0.0)
            s += width + between(rng, 0.5, 8.0)

    def closing(self, end: float, across: bool) -> None:
        """What stands across the end of the street: houses, or trees far away."""
        rng = self.rng
        x = -between(rng, 24.0, 34.0)
        while x < 30.0:
            width = between(rng, 8.0, 18.0)
            if across or rng.random() < 0.3:
                thing = self.make("building", rng, f"{rng.choice(['terrace', 'block'])}:{width:.6f}")
                self.put(thing, x + width / 2, end + 7.0 + thing.blocks[0, 5], math.pi if self.ahead > 0 else 0.0, 0.0)
            else:
                width *= 0.5
                self.put(self.make("tree", rng, "tall"), x, end + between(rng, 2.0, 12.0), rng.random() * 6.28)
            x += width + 0.3

    def tree_rows(self, end: float) -> None:
        """Trees along the kerbs, of one kind a row, and single ones in gardens."""
        rng = self.rng
        for side in range(2):
            outward, gaps = 2 * side - 1, self.gaps(side)
            kerb, wall = self.street.line(side, "cycle"), self.street.line(side, "garden")
            room = wall - kerb - 0.7 if self.street.built[side] else 9.0
            if rng.random() < (0.42 if self.street.built[side] else 0.6):
                kinds = ["young", "cypress"] if room < 1.9 else ["broad", "young"] if room < 3.2 else ["tall", "tall", "broad"]
                kind = str(rng.choice(kinds))
                shelf = [self.make("tree", rng, kind) for _ in range(2)]
                s, step = between(rng, 1.0, 9.0), between(rng, 5.5, 13.0)
                while s < min(end, 64.0):
                    if rng.random() < 0.88 and not any(low < s < high for low, high in gaps):
                        self.put(shelf[rng.integers(2)], outward * (kerb + 0.7), s, rng.random() * 6.28)
                    s += step * between(rng, 0.85, 1.15)
            if self.street.garden[side] > 0.8 and self.street.built[side]:
                for _ in range(int(rng.integers(0, 6))):
                    x = wall - between(rng, 0.4, self.street.garden[side])
                    self.put(self.make("tree", rng, str(rng.choice(["bush", "young", "hedge", "cypress"]))), outward * x, self.distance(),
                             math.pi / 2)  # fmt: skip

    # Things that the picture is about

    def parked(self) -> None:
        """Rows of parked cars in the parking lanes; where there are none, a few half on the pavement."""
        rng, street = self.rng, self.street
        for side in range(2):
            outward, gaps = 2 * side - 1, self.gaps(side)
            full = between(rng, 0.25, 1.0) if street.parking[side] else (0.2 if rng.random() < 0.3 else 0.0)
            against = rng.random() < 0.25
            s = between(rng, -3.0, 4.0)
            while s < 58.0 and full:
                thing = self.make(str(rng.choice(VEHICLES, p=PARKED)), rng)
                length, width = thing.size[2], thing.size[0]
                middle = s + length / 2
                s += length + between(rng, 0.5, 1.6)
                if rng.random() > full or any(low - 2 < middle < high + 2 for low, high in gaps):
                    continue
                x = outward * (street.road_half + max(street.parking[side], width + 0.15) / 2 + 0.06 * rng.standard_normal())
                if math.hypot(max(abs(x - self.view.position[0]) - width / 2, 0), max(abs(middle) - length / 2, 0)) < 1.1:
                    continue
                sign = self._direction(side) * (-1 if rng.random() < (0.5 if against else 0.06) else 1)
                self.put(thing, x, middle, (0.0 if sign > 0 else math.pi) + 0.025 * rng.standard_normal())

    def _direction(self, side: int) -> int:
        """Where traffic on a side drives to: +1 for +z."""
        return max(self.street.lanes, key=lambda lane: lane[0] * (2 * side - 1))[1]

    def moving(self) -> None:
        """Vehicles on the lanes."""
        rng = self.rng
        for _ in range(int(rng.choice(7, p=[0.1, 0.2, 0.24, 0.2, 0.13, 0.08, 0.05]))):
            name = str(rng.choice(VEHICLES, p=MOVING))
            thing = self.make(name, rng)
            for _ in range(5):
                x, sign = self.street.lanes[rng.integers(len(self.street.lanes))]
                s = self.distance(4.0, 52.0) + thing.size[2] / 2
                x += 0.25 * between(rng, -1, 1)
                clear = max(abs(x - self.view.position[0]) - thing.size[0] / 2, 0)
                if math.hypot(clear, s - thing.size[2] / 2) < 1.0 + 0.8 * thing.size[1]:
                    continue
                heading = (0.0 if sign > 0 else math.pi) + 0.025 * rng.standard_normal()
                if self.put(thing, x, s, heading):
                    break

    def people(self) -> None:
        """People alone or in twos and threes on the pavements, and some who cross the road."""
        rng, street = self.rng, self.street
        for _ in range(int(rng.poisson(3.6))):
            crossing = rng.random() < 0.2
            facing = rng.choice([0.0, math.pi])
            for _ in range(6):
                side = int(rng.integers(2))
                outward, s = 2 * side - 1, self.distance(3.5, 46.0)
                inner, outer = street.line(side, "cycle") + 0.35, street.line(side, "pavement") - 0.35
                if crossing:
                    zebra = street.zebra is not None and rng.random() < 0.7
                    s = street.zebra * self.ahead + between(rng, -1.2, 1.2) if zebra else s
                    x = between(rng, -1, 1) * (street.road_half + 0.4)
                    heading = rng.choice([-0.5, 0.5]) * math.pi + 0.3 * rng.standard_normal()
                else:
                    x = outward * between(rng, inner, max(outer, inner + 0.1))
                    heading = facing + 0.25 * rng.standard_normal() if rng.random() < 0.8 else rng.uniform(-math.pi, math.pi)
                if math.hypot(x - self.view.position[0], s) > 2.6 and self.put(self.make("person", rng), x, s, heading, 0.03):
                    for _ in range(int(rng.choice(3, p=[0.66, 0.25, 0.09]))):
                        self.put(self.make("person", rng), x + between(rng, -1.0, 1.0), s + between(rng, -0.8, 0.8), heading, 0.03)
                    break

    def bicycles(self) -> None:
        """Riders near the edges of the road or on their paths, and parked bicycles, alone or in rows."""
        rng, street = self.rng, self.street
        for _ in range(int(rng.choice(4, p=[0.36, 0.36, 0.18, 0.1]))):
            for _ in range(5):
                side = int(rng.integers(2))
                low, high = street.road_half - 1.3, street.road_half - 0.35
                if street.cycle[side] and rng.random() < 0.7:
                    low, high = street.line(side, "parking") + 0.4, street.line(side, "cycle") - 0.4
                sign = self._direction(side)
                x, s = (2 * side - 1) * between(rng, low, high), self.distance(3.6, 42.0)
                if self.ride(x, s, (0.0 if sign > 0 else math.pi) + 0.1 * rng.standard_normal()):
                    break
        for _ in range(int(rng.choice(3, p=[0.5, 0.32, 0.18]))):
            side = int(rng.integers(2))
            inner, outer = street.line(side, "cycle") + 0.3, street.line(side, "pavement") - 0.4
            at_wall, s = rng.random() < 0.4, self.distance(3.0, 30.0)
            heading = 0.0 if at_wall else rng.choice([0.0, 0.5, 0.3]) * math.pi
            x = (2 * side - 1) * (outer if at_wall else between(rng, inner + 0.3, max(outer - 0.3, inner + 0.4)))
            for k in range(int(rng.choice([1, 2, 5], p=[0.6, 0.25, 0.15]))):
                turn = heading + 0.08 * rng.standard_normal() + math.pi * (rng.random() < 0.5)
                self.put(self.make("bicycle", rng), x, s + k * (0.7 if heading else 1.9), turn, 0.03)

    def ride(self, x: float, s: float, heading: float) -> bool:
        """Put a bicycle with its rider. -> whether there was room"""
        thing, rider = self.make("bicycle", self.rng, "upright"), self.make("person", self.rng, "riding")
        blocks = np.concatenate([thing.blocks, rider.blocks])
        both = StreetObject("bicycle", thing.vertices, thing.faces, thing.colours, thing.surfaces, blocks)
        spot = self.put(both, x, s, heading)
        if spot is None:
            return False
        self.placed[-1] = Placed(thing, spot.x, spot.z, spot.heading)
        self.placed.append(Placed(rider, spot.x, spot.z, spot.heading))
        return True


def lay_out_far(rng: np.random.Generator, frustum: Frustum, make: Makes) -> tuple[Street, View, list[Placed]]:
    """A street to 50 m and beyond, with its camera and its objects, none inside another."""
    street = draw_street(rng)
    view = draw_view(rng, street, frustum)
    builder = _FarBuilder(rng, street, view, make, 1 if math.cos(view.heading) >= 0 else -1)
    builder.keep_view_open()
    across = rng.random() < 0.4
    end = between(rng, 36.0, REACH - 20) if across else between(rng, 75.0, REACH)
    builder.facades(end)
    builder.closing(end, across)
    first = [builder.moving, builder.parked, builder.people, builder.bicycles]
    for k in rng.permutation(4) if rng.random() < 0.5 else range(4):
        first[k]()
    builder.tree_rows(end)
    return street, view, builder.placed
