"""What stands on both sides of a street that is seen to 50 m: houses, parks, trees, walls and street furniture."""

from __future__ import annotations

import math

import numpy as np

from voxcli.datasets.synthetic.street.far.builder import FarBuilder
from voxcli.datasets.synthetic.street.far.buildings import far_building
from voxcli.datasets.synthetic.street.far.trees import street_tree
from voxcli.datasets.synthetic.street.furniture import KINDS, barrier, shelter, turned, wire
from voxcli.datasets.synthetic.street.pieces import StreetObject, between
from voxcli.datasets.synthetic.street.plan import Placed
from voxcli.datasets.synthetic.street.scenery import tree


class Sides(FarBuilder):
    """Fills the sides of a street."""

    def facades(self, end: float) -> None:
        """Rows of houses on both sides up to `end` metres ahead, with gaps at crossings. A side without houses is a park."""
        for side in range(2):
            if self.street.built[side]:
                self._row(side, end)
                if self.street.garden[side] > 0.7 and self.rng.random() < 0.7:
                    self._border(side, end, str(self.rng.choice(["wall", "hedge", "fence", "railing"], p=[0.45, 0.3, 0.1, 0.15])))
            else:
                self._park(side, end)
        for c in self.street.crossings:
            for side in range(2):
                if c.sides[side]:
                    self._side_street(side, c.z * self.ahead, c.half)

    def _row(self, side: int, end: float) -> None:
        """Houses along a side up to `end` metres ahead. Some places of a closed row have a hoarding, a wall or a fence instead."""
        rng, outward = self.rng, 2 * side - 1
        face, row, gaps = self.street.line(side, "garden"), self.street.row[side], self.gaps(side)
        usual = np.array([0.0, 0.5, 0.3, 0.08, 0.12] if row else [0.62, 0.12, 0.14, 0.06, 0.06])
        shares = rng.dirichlet(6 * usual + 0.03)  # each street has its own mix
        s = -between(rng, 14.0, 20.0)
        while s < end:
            form = str(rng.choice(["house", "terrace", "block", "hall", "office"], p=shares))
            wide = form in ("hall", "office") or rng.random() < 0.1
            width = between(rng, 11.0, 26.0) if wide else between(rng, 4.8, 11.5)
            for low, high in gaps:
                if s < high and s + width > low:
                    if low - s > 4.5:
                        width = low - s
                    else:
                        s = high
            if row and rng.random() < 0.05:
                thing = barrier(rng, min(width, 12.0), str(rng.choice(["hoarding", "wall", "fence"])))
                self.put(thing, outward * (face + 0.3), s + width / 2, turned(outward), 0.0)
            else:
                thing = far_building(rng, width, form)
                x = face + thing.blocks[0, 5] + (0.0 if row else between(rng, 0.0, 2.0))
                self.put(thing, outward * x, s + width / 2, -outward * math.pi / 2, 0.0, hidden=True)
            s += width + (0.24 if row and rng.random() < 0.94 else between(rng, 1.2, 5.0))

    def _side_street(self, side: int, s: float, half: float) -> None:
        """Houses on both edges of a road that leaves the street at s. A vehicle may stand in it. half: half the road's width in metres."""
        rng, outward = self.rng, 2 * side - 1
        start = self.street.line(side, "garden") + 14.5
        for edge in (-1, 1):
            x = start
            for _ in range(3):
                width = between(rng, 7.0, 14.0)
                thing = far_building(rng, width, str(rng.choice(["terrace", "block", "house"])))
                heading = math.pi if edge * self.ahead > 0 else 0.0  # the front looks at the side road
                self.put(thing, outward * (x + width / 2), s + edge * (half + 2.2 + thing.blocks[0, 5]), heading, 0.0)
                x += width + 0.3
        if rng.random() < 0.6:
            thing = self.make(str(rng.choice(["car", "van", "truck", "bus"], p=[0.78, 0.11, 0.05, 0.06])), rng)
            x = outward * (self.street.line(side, "pavement") + between(rng, 1.0, 16.0))
            heading = rng.choice([-1, 1]) * math.pi / 2
            self.put(thing, x, s + between(rng, 0.25, 0.6) * half * rng.choice([-1, 1]), heading + 0.05 * rng.standard_normal())

    def _border(self, side: int, end: float, kind: str) -> None:
        """A hedge, a wall, a fence or a railing along the pavement's outer edge, with openings."""
        rng, outward = self.rng, 2 * side - 1
        x, s, thing = outward * (self.street.line(side, "pavement") + 0.25), between(rng, -6.0, 2.0), None
        while s < min(end, 64.0):
            length = between(rng, 5.0, 9.0)
            if thing is None or kind != "hedge" or rng.random() < 0.2:
                thing = tree(rng, "hedge") if kind == "hedge" else barrier(rng, length, kind)
            along = float(thing.size[0] if kind == "hedge" else thing.size[2])
            if rng.random() < 0.9 and not self.open_at(side, s + along / 2, along / 2):
                beside, turn = (0.35, math.pi / 2) if kind == "hedge" else (0.0, 0.0)
                self.put(thing, x + outward * beside, s + along / 2, turned(outward) + turn, 0.0)
            s += along + (0.02 if rng.random() < 0.8 else between(rng, 0.8, 3.5))

    def _tree(self, bare: bool, back: float, front: float, tall: bool) -> StreetObject:
        """A street_tree with these arguments, or one time in ten a conifer, a cypress, a bush or a young tree."""
        if self.rng.random() < 0.1:
            return tree(self.rng, str(self.rng.choice(["conifer", "cypress", "bush", "young"], p=[0.4, 0.1, 0.3, 0.2])))
        return street_tree(self.rng, bare, back, front, tall)

    def _park(self, side: int, end: float) -> None:
        """Trees on grass, houses far behind them, and in some parks a border along the pavement."""
        rng, outward, edge = self.rng, 2 * side - 1, self.street.line(side, "pavement")
        if rng.random() < 0.65:
            self._border(side, end, str(rng.choice(["wall", "hedge", "fence", "railing"], p=[0.4, 0.25, 0.12, 0.23])))
        bare = rng.random() < 0.5
        shelf = [self._tree(bare, 4.5, 4.5, rng.random() < 0.8) for _ in range(4)]
        back = between(rng, 8.0, 40.0)
        s, step = between(rng, 2.0, 8.0), between(rng, 4.0, 9.0)
        x = edge + between(rng, 1.0, min(back - 3.0, 6.0))
        while s < min(end, 64.0) and rng.random() < 0.96:  # a row along the pavement
            self.put(shelf[rng.integers(4)], outward * (x + between(rng, -0.5, 0.5)), s, rng.random() * 6.28)
            s += step * between(rng, 0.8, 1.2)
        for _ in range(int(between(rng, 0.0, 0.05) * min(end, 64.0) * min(back, 22.0))):
            x = edge + between(rng, 1.4, min(back, 24.0))
            self.put(shelf[rng.integers(4)], outward * x, between(rng, 3.0, min(end, 64.0)), rng.random() * 6.28)
        s = -5.0
        while s < end and rng.random() < 0.93:
            width = between(rng, 8.0, 22.0)
            thing = far_building(rng, width, str(rng.choice(["house", "block", "terrace", "hall", "office"])))
            self.put(thing, outward * (edge + back + thing.blocks[0, 5]), s + width / 2, -outward * math.pi / 2, 0.0)
            s += width + between(rng, 0.5, 8.0)

    def closing(self, end: float, across: bool) -> None:
        """What closes the view `end` metres ahead: houses alone where a street runs across, else trees and some houses."""
        rng, x = self.rng, -between(self.rng, 24.0, 34.0)
        while x < 30.0:
            width = between(rng, 8.0, 18.0)
            if across or rng.random() < 0.3:
                thing = far_building(rng, width, str(rng.choice(["terrace", "block", "hall", "office"])))
                self.put(thing, x + width / 2, end + 7.0 + thing.blocks[0, 5], math.pi if self.ahead > 0 else 0.0, 0.0)
            else:
                width *= 0.5
                self.put(self._tree(rng.random() < 0.4, 4.5, 4.5, True), x, end + between(rng, 2.0, 12.0), rng.random() * 6.28)
            x += width + 0.3

    def tree_rows(self, end: float) -> None:
        """Rows of similar trees along the kerbs, and bushes and trees in gardens. Crowns stay clear of houses and reach over the road."""
        rng, street = self.rng, self.street
        for side in range(2):
            outward = 2 * side - 1
            kerb, wall = street.line(side, "cycle"), street.line(side, "garden")
            room = wall - kerb - 0.75 if street.built[side] else 6.0
            if rng.random() < (0.68 if street.built[side] else 0.85):
                bare, tall = rng.random() < 0.5, rng.random() < 0.75
                over = between(rng, 1.5, 5.6)
                shelf = [street_tree(rng, bare, max(room - 0.35, 0.5), over, tall) for _ in range(2 if rng.random() < 0.7 else 3)]
                s, step = between(rng, 1.0, 9.0), between(rng, 5.0, 13.0)
                while s < min(end, 64.0):
                    if rng.random() < 0.9 and not self.open_at(side, s):
                        self.put(shelf[rng.integers(len(shelf))], outward * (kerb + 0.7), s, turned(outward) + 0.2 * rng.standard_normal())
                    s += step * between(rng, 0.85, 1.15)
            if street.garden[side] > 0.8 and street.built[side]:
                for _ in range(int(rng.integers(0, 7))):
                    x = wall - between(rng, 0.4, street.garden[side])
                    kind = str(rng.choice(["bush", "young", "hedge", "cypress", "bush"]))
                    self.put(tree(rng, kind), outward * x, self.distance(), math.pi / 2)

    def furniture(self) -> None:
        """Lamps, signals, signs, bollards and shelters on the pavements, and cables above the street."""
        rng, street = self.rng, self.street
        for side in range(2):
            outward = 2 * side - 1
            kerb, outer = street.line(side, "cycle") + 0.45, street.line(side, "pavement")
            lamp, step, s = KINDS["lamp"](rng), between(rng, 14.0, 30.0), between(rng, 1.0, 14.0)
            while s < 75.0 and rng.random() < 0.93:
                self.put(lamp, outward * kerb, s, turned(outward), 0.02, extra=True)
                s += step
            for _ in range(int(rng.poisson(2.2))):
                kind = str(rng.choice(["light", "sign", "small"], p=[0.25, 0.35, 0.4]))
                thing, s = KINDS[kind](rng), self.distance(3.0, 45.0)
                facing = (0.0 if self.ahead > 0 else math.pi) + (0.0 if rng.random() < 0.7 else math.pi) + 0.15 * rng.standard_normal()
                for k in range(int(rng.choice([1, 4])) if kind == "small" else 1):
                    self.put(thing, outward * (kerb if rng.random() < 0.8 else outer - 0.4), s + 1.6 * k, facing, 0.02, extra=True)
            if outer - kerb > 1.9 and rng.random() < 0.14:
                self.put(shelter(rng), outward * (outer - 0.3), self.distance(4.0, 30.0), turned(outward) + math.pi)
        if rng.random() < 0.2:
            for _ in range(int(rng.integers(1, 6))):
                self._wire()

    def _wire(self) -> None:
        """A cable across the street or along it."""
        rng, high = self.rng, between(self.rng, 5.0, 8.0)
        s, reach = self.distance(4.0, 50.0) * self.ahead, [self.street.line(k, "garden") for k in range(2)]
        if rng.random() < 0.6:
            ends = np.array([[-reach[0], high, s], [reach[1], high, s + between(rng, -4, 4)]])
        else:
            x = between(rng, -reach[0], reach[1])
            ends = np.array([[x, high, self.ahead * 1.0], [x + between(rng, -2, 2), high, self.ahead * 60.0]])
        self.extras.append(Placed(wire(ends[0], ends[1]), 0.0, 0.0, 0.0))
