"""Where things may stand in a street that is seen to 50 m, while it fills up.

The camera is at z = 0 and mostly looks along +z or -z. A place along the street is given by its distance s ahead of the camera, in
metres: z = s or z = -s.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from voxcli.datasets.synthetic.street.pieces import StreetObject
from voxcli.datasets.synthetic.street.plan import Footprints, Makes, Placed, Street, View, overlaps


@dataclass
class FarBuilder:
    """A street while it fills up.

    ahead: the sign of z in front of the camera, +1 or -1. placed: what has a class. extras: what is drawn and has no class.
    """

    rng: np.random.Generator
    street: Street
    view: View
    make: Makes
    ahead: int
    placed: list[Placed] = field(default_factory=list)
    extras: list[Placed] = field(default_factory=list)
    footprints: Footprints = field(default_factory=Footprints)

    def distance(self, near: float = 4.0, far: float = 48.0) -> float:
        """A distance ahead in metres, drawn evenly by its logarithm."""
        return near * (far / near) ** self.rng.random()

    def seen(self, x: float, z: float, radius: float) -> bool:
        """Whether a disc in plan (metres) is in front of the camera and at least partly within the view's wedge."""
        ahead, aside = self.view.from_plan(np.array(x), np.array(z))
        half = math.radians(self.view.frustum.fov_x_deg) / 2
        return bool(ahead > -radius and abs(aside) * math.cos(half) - ahead * math.sin(half) < radius)

    def put(
        self, thing: StreetObject, x: float, s: float, heading: float, margin: float = 0.05, hidden: bool = False, extra: bool = False
    ) -> Placed | None:
        """Put a thing at x and s ahead, unless it touches another or is out of view. -> where it stands, or None

        hidden: it is also put where it is out of view, because it casts shadows. extra: it is drawn and has no class.
        """
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
        into = self.extras if extra else self.placed
        into.append(Placed(thing, x, z, heading))
        return into[-1]

    def open_at(self, side: int, s: float, slack: float = 0.0) -> bool:
        """Whether the place s on a side belongs to a crossing, or is less than `slack` metres from one."""
        return any(low - slack < s < high + slack for low, high in self.gaps(side))

    def gaps(self, side: int) -> list[tuple[float, float]]:
        """Stretches (from, to) of s on a side that belong to crossings and their pavements, sorted."""
        return sorted((c.z * self.ahead - c.half - 2.2, c.z * self.ahead + c.half + 2.2) for c in self.street.crossings if c.sides[side])
