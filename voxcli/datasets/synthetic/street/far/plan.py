"""The cross section, the crossings and the camera of a street that is seen to 50 m."""

from __future__ import annotations

import math

import numpy as np

from voxcli.datasets.synthetic.street.pieces import between
from voxcli.datasets.synthetic.street.plan import Crossing, Street, View
from voxcli.scene import Frustum

REACH = 100.0
"""Metres ahead of the camera up to which houses stand."""


def draw_street(rng: np.random.Generator) -> Street:
    """A street of one to four lanes, in a city, in a suburb or beside a park, with traffic on the right or on the left.

    It may have parking lanes, cycle paths, a crossing and a zebra crossing.
    """
    count = int(rng.choice([1, 2, 3, 4], p=[0.18, 0.65, 0.06, 0.11]))
    width, hand = between(rng, 2.6, 3.4), 1 if rng.random() < 0.5 else -1
    middles = (np.arange(count) - (count - 1) / 2) * width
    one_way = count == 1 or rng.random() < 0.12
    lanes = tuple((float(x), hand if one_way else int(-np.sign(x - 1e-6) * hand)) for x in middles)
    half = width * count / 2 + between(rng, 0.1, 0.5)
    pair = rng.random(2)
    park, path, walk = ([between(rng, *limits) for _ in range(2)] for limits in ((1.9, 2.4), (1.3, 2.0), (1.2, 4.2)))
    parking = [w if p < 0.5 else 0.0 for w, p in zip(park, pair, strict=True)]
    cycle = [w if rng.random() < 0.16 else 0.0 for w in path]
    city = rng.random() < 0.6
    built = [rng.random() < (0.84 if city else 0.7) for _ in range(2)]
    garden = [0.0 if rng.random() < (0.9 if city else 0.15) else between(rng, 0.8, 6.0) for _ in range(2)]
    row = [rng.random() < (0.93 if city else 0.25) for _ in range(2)]
    crossings = []
    if rng.random() < 0.6:
        z = rng.choice([-1, 1]) * 7.0 * (52.0 / 7.0) ** rng.random()
        first = rng.random() < 0.5
        both = rng.random() < 0.55
        crossings.append(Crossing(float(z), between(rng, 2.8, 5.5), (both or first, both or not first)))
    zebra = rng.choice([-1, 1]) * between(rng, 5.0, 28.0) if rng.random() < 0.22 else None
    return Street(
        half, lanes, (parking[0], parking[1]), (cycle[0], cycle[1]), (walk[0], walk[1]), (garden[0], garden[1]), (built[0], built[1]),
        (row[0], row[1]), zebra, int(rng.integers(1 << 20)), tuple(crossings),
    )  # fmt: skip


def draw_view(rng: np.random.Generator, street: Street, frustum: Frustum) -> View:
    """A camera at 1.2 to 2 m: a dash-cam in a lane, or somebody at the kerb or elsewhere on the road.

    Seven in eight look along the street within 25 degrees.
    """
    ahead = 1 if rng.random() < 0.5 else -1
    own = [x for x, sign in street.lanes if sign == ahead] or [x for x, _ in street.lanes]
    side = 2 * int(rng.integers(2)) - 1
    kind = rng.choice(["lane", "kerb", "anywhere"], p=[0.52, 0.36, 0.12])
    edges = [street.line(k, "parking") for k in range(2)]
    edge = edges[(side + 1) // 2]
    if kind == "lane":
        x, height = own[rng.integers(len(own))] + 0.5 * between(rng, -1, 1), between(rng, 1.2, 1.6)
    elif kind == "kerb":
        x, height = side * (edge + between(rng, -0.4, 1.4)), between(rng, 1.35, 1.8)
    else:
        x, height = between(rng, -edges[0], edges[1]), between(rng, 1.2, 2.0)
    turn = 0.16 * rng.standard_normal() if rng.random() < 0.87 else rng.choice([-1, 1]) * math.radians(between(rng, 25, 80))
    turn = float(np.clip(turn, -0.44, 0.44)) if abs(turn) < math.radians(25) else float(turn)
    heading = turn if ahead > 0 else math.pi - turn
    pitch, roll = math.radians(between(rng, -3.0, 8.0)), 0.015 * rng.standard_normal()
    return View(np.array([x, height, 0.0]), heading, pitch, roll, frustum)
