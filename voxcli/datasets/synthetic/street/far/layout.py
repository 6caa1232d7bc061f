"""Where everything stands in a street that is seen to 50 m, as a dash-cam or somebody on the pavement photographs it.

Distances of vehicles on the lanes, people and bicycles are drawn evenly by their logarithm.
"""

from __future__ import annotations

import math

import numpy as np

from voxcli.datasets.synthetic.street.far.builder import FarBuilder
from voxcli.datasets.synthetic.street.far.plan import REACH, draw_street, draw_view
from voxcli.datasets.synthetic.street.far.sides import Sides
from voxcli.datasets.synthetic.street.furniture import bonnet
from voxcli.datasets.synthetic.street.pieces import between
from voxcli.datasets.synthetic.street.plan import Makes, Placed, StreetScene, ridden_bicycle
from voxcli.scene import Frustum

VEHICLES = ("car", "van", "truck", "bus")
MOVING, PARKED = (0.74, 0.12, 0.06, 0.08), (0.87, 0.1, 0.03, 0.0)
"""Shares of VEHICLES on the lanes, and of those that are parked."""


class _Traffic(FarBuilder):
    """Vehicles, people and bicycles."""

    def parked(self) -> None:
        """Rows of parked vehicles in the parking lanes. A side without such a lane may have a few, half on the pavement."""
        rng, street = self.rng, self.street
        for side in range(2):
            outward = 2 * side - 1
            full = between(rng, 0.25, 1.0) if street.parking[side] else (0.2 if rng.random() < 0.3 else 0.0)
            against = rng.random() < 0.25
            s = between(rng, -3.0, 4.0)
            while s < 58.0 and full:
                thing = self.make(str(rng.choice(VEHICLES, p=PARKED)), rng)
                length, width = thing.size[2], thing.size[0]
                middle = s + length / 2
                s += length + between(rng, 0.5, 1.6)
                if rng.random() > full or self.open_at(side, middle, 2.0):
                    continue
                x = outward * (street.road_half + max(street.parking[side], width + 0.15) / 2 + 0.06 * rng.standard_normal())
                if math.hypot(max(abs(x - self.view.position[0]) - width / 2, 0), max(abs(middle) - length / 2, 0)) < 1.1:
                    continue
                sign = self._direction(side) * (-1 if rng.random() < (0.5 if against else 0.06) else 1)
                self.put(thing, x, middle, (0.0 if sign > 0 else math.pi) + 0.025 * rng.standard_normal())

    def _direction(self, side: int) -> int:
        """The direction of traffic on a side: +1 along +z, -1 along -z."""
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
        for _ in range(int(rng.poisson(4.6))):
            crossing = rng.random() < 0.2
            facing = rng.choice([0.0, math.pi])
            for _ in range(6):
                side = int(rng.integers(2))
                outward, s = 2 * side - 1, self.distance(3.5, 46.0)
                inner, outer = street.line(side, "cycle") + 0.35, street.line(side, "pavement") - 0.35
                if crossing:
                    if street.zebra is not None and rng.random() < 0.7:
                        s = street.zebra * self.ahead + between(rng, -1.2, 1.2)
                    x = between(rng, -1, 1) * (street.road_half + 0.4)
                    heading = rng.choice([-0.5, 0.5]) * math.pi + 0.3 * rng.standard_normal()
                else:
                    x = outward * between(rng, inner, max(outer, inner + 0.1))
                    heading = facing + 0.25 * rng.standard_normal() if rng.random() < 0.8 else rng.uniform(-math.pi, math.pi)
                if math.hypot(x - self.view.position[0], s) < 2.6 or not self.seen(x, s * self.ahead, 0.5):
                    continue
                if self.put(self.make("person", rng), x, s, heading, 0.03):
                    for _ in range(int(rng.choice(3, p=[0.66, 0.25, 0.09]))):
                        self.put(self.make("person", rng), x + between(rng, -1.0, 1.0), s + between(rng, -0.8, 0.8), heading, 0.03)
                    break

    def bicycles(self) -> None:
        """Riders near the edges of the road or on cycle paths, and parked bicycles, alone or in rows."""
        rng, street = self.rng, self.street
        for _ in range(int(rng.choice(5, p=[0.2, 0.31, 0.24, 0.15, 0.1]))):
            for _ in range(5):
                side = int(rng.integers(2))
                low, high = street.road_half - 1.3, street.road_half - 0.35
                if street.cycle[side] and rng.random() < 0.7:
                    low, high = street.line(side, "parking") + 0.4, street.line(side, "cycle") - 0.4
                sign = self._direction(side)
                x, s = (2 * side - 1) * between(rng, low, high), self.distance(3.0, 36.0)
                if not self.seen(x, s * self.ahead, 1.0):
                    continue
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
        both, ridden = ridden_bicycle(self.make, self.rng)
        spot = self.put(both, x, s, heading)
        if spot is not None:
            self.placed[-1:] = [Placed(thing, spot.x, spot.z, spot.heading) for thing in ridden]
        return spot is not None


def lay_out_far(rng: np.random.Generator, frustum: Frustum, make: Makes) -> StreetScene:
    """A street to 50 m and beyond. make: makes vehicles, people and bicycles. All other objects are parametric."""
    street = draw_street(rng)
    view = draw_view(rng, street, frustum)
    ahead = 1 if math.cos(view.heading) >= 0 else -1
    traffic = _Traffic(rng, street, view, make, ahead)
    traffic.footprints.keep_free(view, 0.9, (0.9, 1.8), 0.5)
    sides = Sides(rng, street, view, make, ahead, traffic.placed, traffic.extras, traffic.footprints)
    across = rng.random() < 0.4
    end = between(rng, 36.0, REACH - 20) if across else between(rng, 75.0, REACH)
    sides.facades(end)
    sides.closing(end, across)
    steps = [traffic.moving, traffic.parked, traffic.people, traffic.bicycles, lambda: sides.tree_rows(end)]
    for k in rng.permutation(5) if rng.random() < 0.5 else range(5):
        steps[k]()
    sides.furniture()
    if abs(view.position[0]) < street.road_half and view.position[1] < 1.6 and rng.random() < 0.1:
        x, _, z = view.position
        traffic.extras.append(Placed(bonnet(rng, view.position[1]), float(x), float(z), view.heading + 0.05 * rng.standard_normal()))
    return StreetScene(street, view, traffic.placed, traffic.extras)
