"""People in walking, standing and riding poses, and bicycles."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from voxcli.datasets.synthetic.shapes import box, circle, ellipsoid, lathe, limb, loft, moved, torus
from voxcli.datasets.synthetic.street.pieces import Assembly, StreetObject, between, tint

SKIN = np.array([[0.87, 0.67, 0.55], [0.76, 0.55, 0.42], [0.55, 0.37, 0.26], [0.36, 0.23, 0.16], [0.92, 0.75, 0.66]])
HAIR = np.array([[0.08, 0.06, 0.05], [0.2, 0.13, 0.08], [0.4, 0.27, 0.14], [0.7, 0.56, 0.32], [0.45, 0.44, 0.43], [0.45, 0.18, 0.08]])
CLOTHES = np.array([
    [0.07, 0.07, 0.09], [0.13, 0.16, 0.28], [0.3, 0.3, 0.32], [0.8, 0.79, 0.76], [0.6, 0.1, 0.1], [0.15, 0.3, 0.55], [0.2, 0.38, 0.22],
    [0.75, 0.6, 0.2], [0.5, 0.35, 0.22], [0.45, 0.5, 0.55], [0.75, 0.4, 0.15], [0.55, 0.25, 0.42], [0.35, 0.55, 0.65], [0.85, 0.75, 0.6],
])  # fmt: skip
TROUSERS = np.array(
    [[0.1, 0.13, 0.23], [0.06, 0.06, 0.07], [0.2, 0.26, 0.38], [0.45, 0.38, 0.28], [0.3, 0.3, 0.31], [0.6, 0.57, 0.5], [0.25, 0.24, 0.18]]
)


def _section(points: int, x: float, z: float, centre: np.ndarray) -> np.ndarray:
    ring = circle(points)
    out = np.zeros((points, 3))
    out[:, 2], out[:, 0] = ring[:, 0] * z, ring[:, 1] * x
    return out + centre


def _head(a: Assembly, rng: np.random.Generator, neck: np.ndarray, s: float, skin: np.ndarray) -> None:
    """Neck, head, and hair, a cap, a hood or none."""
    centre = neck + np.array([0.0, 0.17, 0.02]) * s
    a.add(limb(neck - np.array([0.0, 0.06 * s, 0.0]), centre - np.array([0.0, 0.04 * s, 0.0]), 0.058 * s, 0.05 * s), skin)
    a.add(ellipsoid((0.078 * s, 0.115 * s, 0.096 * s), tuple(centre), 10, 6), skin)
    hair, style = tint(rng, HAIR), rng.random()
    if style < 0.45:
        a.add(ellipsoid((0.087 * s, 0.085 * s, 0.1 * s), tuple(centre + np.array([0, 0.05, -0.018]) * s), 10, 5), hair)
    elif style < 0.72:  # long hair
        a.add(ellipsoid((0.09 * s, 0.09 * s, 0.103 * s), tuple(centre + np.array([0, 0.045, -0.02]) * s), 10, 5), hair)
        a.add(ellipsoid((0.085 * s, 0.16 * s, 0.05 * s), tuple(centre + np.array([0, -0.05, -0.07]) * s), 8, 4), hair)
    elif style < 0.92:  # cap, woolly hat or helmet
        cloth = tint(rng, CLOTHES)
        a.add(
            moved(
                lathe([(0.0, 0.094 * s), (0.06 * s, 0.09 * s), (0.1 * s, 0.05 * s)], 10, (0.95, 1.1)),
                centre + np.array([0, 0.035, -0.005]) * s,
            ),
            cloth,
        )
        if rng.random() < 0.5:
            a.add(box((0.13 * s, 0.015, 0.1 * s), tuple(centre + np.array([0, 0.045, 0.12]) * s)), cloth * 0.8)


def _legs(a: Assembly, rng: np.random.Generator, hips: np.ndarray, s: float, swing: float, trousers: np.ndarray, skin: np.ndarray) -> None:
    thigh, shin = 0.43 * s, 0.42 * s
    shoes, bare = tint(rng, CLOTHES) * 0.6, rng.random() < 0.15
    for sign in (-1, 1):
        angle = sign * swing
        hip = hips + np.array([sign * 0.088 * s, 0.0, 0.0])
        knee = hip + thigh * np.array([0.0, -math.cos(angle), math.sin(angle)])
        bend = angle - (0.08 + (0.7 * abs(swing) if angle < 0 else 0.12 * abs(swing)))
        ankle = knee + shin * np.array([0.0, -math.cos(bend), math.sin(bend)])
        a.add(limb(hip + np.array([0.0, 0.05 * s, 0.0]), knee, 0.093 * s, 0.062 * s, 7), trousers)
        a.add(limb(knee + np.array([0.0, 0.03 * s, 0.0]), ankle, 0.06 * s, 0.042 * s, 7, 0.12), skin if bare else trousers * 0.96)
        lift = math.sin(-bend) * 0.35
        heel, toe = ankle + np.array([0.0, -0.03, -0.06 * s]), ankle + np.array([0.0, -0.05 - lift * 0.15 * s, 0.17 * s])
        a.add(limb(heel, toe, 0.05 * s, 0.036 * s, 6), shoes)


def _arm(
    a: Assembly, shoulder: np.ndarray, s: float, angle: float, spread: float, bend: float, colours: Sequence[np.ndarray]
) -> np.ndarray:
    """One arm; angle swings it forward, spread (signed) outward, bend lifts the forearm. -> the hand's place

    colours: of the upper arm, the forearm and the hand.
    """
    sleeve, fore, skin = colours
    down = np.array([math.sin(spread), -math.cos(angle) * math.cos(spread), math.sin(angle)])
    elbow = shoulder + 0.29 * s * down
    low = np.array([math.sin(spread) * 0.5, -math.cos(angle + bend), math.sin(angle + bend)])
    hand = elbow + 0.25 * s * low
    a.add(limb(shoulder, elbow, 0.058 * s, 0.045 * s), sleeve)
    a.add(limb(elbow - 0.02 * s * low, hand, 0.045 * s, 0.032 * s), fore)
    a.add(ellipsoid((0.036 * s, 0.055 * s, 0.042 * s), tuple(hand + 0.04 * s * low), 6, 3), skin)
    return hand


def _torso(
    a: Assembly, rng: np.random.Generator, hips: np.ndarray, neck: np.ndarray, s: float, stout: float, cloth: np.ndarray, coat: bool
) -> None:
    spine = neck - hips
    w = stout * s
    shares = [(-0.1, 0.15, 0.115), (0.12, 0.165, 0.12), (0.4, 0.15, 0.11), (0.72, 0.185, 0.125), (0.9, 0.195, 0.1), (1.0, 0.09, 0.07)]
    if coat:
        length = between(rng, -0.85, -0.45)
        shares = [(length, 0.215, 0.18), (length * 0.4, 0.19, 0.15), (0.1, 0.17, 0.13), *shares[2:]]
    a.add(loft(np.stack([_section(9, x * w, z * w, hips + share * spine) for share, x, z in shares])), cloth)
    if coat or rng.random() < 0.4:
        a.add(box((0.06 * s, 0.3 * s, 0.03), tuple(hips + 0.68 * spine + np.array([0.0, 0.0, 0.12 * w]))), tint(rng, CLOTHES))


def _luggage(a: Assembly, rng: np.random.Generator, hands: list[np.ndarray], neck: np.ndarray, s: float) -> None:
    chance = rng.random()
    cloth = tint(rng, CLOTHES)
    if chance < 0.2:  # rucksack
        a.add(box((0.3 * s, 0.42 * s, 0.17 * s), tuple(neck + np.array([0.0, -0.3, -0.2]) * s)), cloth)
    elif chance < 0.4:  # bag in one hand
        size = np.array([between(rng, 0.09, 0.14), between(rng, 0.25, 0.36), between(rng, 0.28, 0.4)]) * s
        a.add(box(tuple(size), tuple(hands[rng.integers(2)] + np.array([0.0, -0.05 * s - size[1] / 2, 0.02]))), cloth)


def person(rng: np.random.Generator, pose: str | None = None) -> StreetObject:
    """A person of 1.05 to 1.95 m. pose: `walking`, `standing`, `umbrella` or `riding` (drawn unless given; never riding then)."""
    pose = pose or str(rng.choice(["walking", "standing", "umbrella"], p=[0.66, 0.26, 0.08]))
    child = rng.random() < 0.1 and pose != "riding"
    height = between(rng, 1.05, 1.45) if child else np.clip(1.71 + 0.09 * rng.standard_normal(), 1.5, 1.95)
    s, stout = height / 1.75, between(rng, 0.88, 1.22)
    skin, cloth, trousers = tint(rng, SKIN), tint(rng, CLOTHES, 0.12), tint(rng, TROUSERS, 0.12)
    a = Assembly("person")
    if pose == "riding":
        return _rider(a, rng, s, stout, skin, cloth, trousers)
    swing = between(rng, 0.22, 0.55) * (1 if rng.random() < 0.5 else -1) if pose != "standing" else between(rng, -0.1, 0.1)
    coat, skirt = rng.random() < 0.24, rng.random() < 0.14
    hips = np.array([0.0, 0.9 * s, 0.0])
    neck = hips + np.array([0.0, 0.55 * s, between(rng, 0.0, 0.07) * s])
    _legs(a, rng, hips, s, swing * (0.75 if coat or skirt else 1.0), skin if skirt else trousers, skin)
    _torso(a, rng, hips, neck, s, stout, cloth, coat)
    if not coat:
        seat = lathe([(-0.14 * s, 0.15 * s * stout), (0.0, 0.165 * s * stout), (0.1 * s, 0.155 * s * stout)], 9, (1.0, 0.74))
        a.add(moved(seat, hips), trousers)
    if skirt:
        cone = lathe([(-between(rng, 0.38, 0.7) * s, between(rng, 0.2, 0.27) * s), (0.05 * s, 0.15 * s)], 9, (1.0, 0.85))
        a.add(moved(cone, hips), trousers)
    bare = rng.random() < 0.3 and not coat
    hands = []
    for sign in (-1, 1):
        shoulder = neck + np.array([sign * 0.175 * stout, -0.055, 0.0]) * s
        raised = pose == "umbrella" and sign == 1
        angle, bend = (0.5, 1.5) if raised else (-sign * swing * between(rng, 0.6, 1.0), between(rng, 0.1, 0.5))
        colours = (cloth * 0.95, skin if bare else cloth * 0.95, skin)
        hands.append(_arm(a, shoulder, s, angle, sign * between(rng, 0.06, 0.2), bend, colours))
    _head(a, rng, neck, s, skin)
    if pose == "umbrella":
        top = hands[1] + np.array([-0.08, 0.85 * s, 0.0])
        a.add(limb(hands[1] - np.array([0.0, 0.12, 0.0]), top, 0.013, 0.013, 5), (0.1, 0.1, 0.1))
        a.add(moved(lathe([(-0.24, 0.55), (-0.14, 0.42), (0.0, 0.05)], 9), top), tint(rng, CLOTHES))
    else:
        _luggage(a, rng, hands, neck, s)
    return a.finish()


def _rider(
    a: Assembly, rng: np.random.Generator, s: float, stout: float, skin: np.ndarray, cloth: np.ndarray, trousers: np.ndarray
) -> StreetObject:
    """A cyclist for `bicycle`: hips on the saddle, hands on the handlebar, in the bicycle's frame. y is not moved to the ground."""
    hips, s = np.array([0.0, 0.97, -0.2]), min(s, 1.05)
    neck = hips + np.array([0.0, 0.5 * s, between(rng, 0.12, 0.26) * s])
    turn = rng.random() * 2 * math.pi
    shoes = tint(rng, CLOTHES) * 0.5
    for sign in (-1, 1):
        pedal = np.array([sign * 0.12, 0.3 + 0.16 * math.sin(turn) * sign, 0.02 + 0.16 * math.cos(turn) * sign])
        hip = hips + np.array([sign * 0.09, 0.0, 0.03])
        ankle = pedal + np.array([0.0, 0.08, -0.05])
        middle, gap = (hip + ankle) / 2, float(np.linalg.norm(hip - ankle))
        bow = math.sqrt(max(0.44**2 - (gap / 2) ** 2, 0.002))
        down = (ankle - hip) / gap
        forward = np.array([0.0, down[2], -down[1]])
        knee = middle + bow * forward * (1.0 if forward[2] >= 0 else -1.0)
        a.add(limb(hip, knee, 0.092 * s, 0.062 * s, 7), trousers)
        a.add(limb(knee, ankle, 0.06 * s, 0.042 * s, 7, 0.1), trousers)
        a.add(limb(ankle + np.array([0.0, -0.04, -0.04]), ankle + np.array([0.0, -0.05, 0.17]), 0.045, 0.035), shoes)
        shoulder = neck + np.array([sign * 0.17 * stout, -0.06, 0.0]) * s
        grip = np.array([sign * 0.25, 1.02, 0.38])
        elbow = (shoulder + grip) / 2 + np.array([sign * 0.05, -0.07, 0.0])
        a.add(limb(shoulder, elbow, 0.056 * s, 0.045 * s), cloth * 0.95)
        a.add(limb(elbow, grip, 0.044 * s, 0.034 * s), cloth * 0.95)
        a.add(ellipsoid((0.04, 0.04, 0.05), tuple(grip), 6, 3), skin)
    _torso(a, rng, hips, neck, s, stout, cloth, False)
    _head(a, rng, neck, s, skin)
    return a.finish(grounded=False)


FRAMES = np.array([
    [0.06, 0.06, 0.07], [0.6, 0.08, 0.08], [0.1, 0.25, 0.55], [0.75, 0.76, 0.78], [0.15, 0.4, 0.22], [0.85, 0.5, 0.1],
    [0.3, 0.6, 0.65], [0.8, 0.75, 0.2],
    [0.6, 0.3, 0.5],
])  # fmt: skip


def bicycle(rng: np.random.Generator, upright: bool = False) -> StreetObject:
    """A bicycle of tubes: city, sport or step-through frame; leaning a little on its stand unless upright."""
    radius, tyre = between(rng, 0.31, 0.345), between(rng, 0.019, 0.03)
    base = between(rng, 1.0, 1.1)
    rear, front = np.array([0.0, radius, -base / 2]), np.array([0.0, radius, base / 2])
    paint = tint(rng, FRAMES, 0.1)
    tube = between(rng, 0.017, 0.024)
    a = Assembly("bicycle")
    rim = (0.55, 0.55, 0.57) if rng.random() < 0.6 else (0.1, 0.1, 0.1)
    spokes = int(rng.integers(5, 9))
    for hub in (rear, front):
        a.add(torus(radius - tyre, tyre, 20, 5, tuple(hub)), (0.04, 0.04, 0.04))
        a.add(torus(radius - 2.2 * tyre, 0.012, 16, 4, tuple(hub)), rim)
        a.add(limb(hub - np.array([0.06, 0, 0]), hub + np.array([0.06, 0, 0]), 0.025, 0.025, 6), (0.4, 0.4, 0.42))
        phase = rng.random() * math.pi
        for k in range(spokes):
            angle = phase + math.pi * k / spokes
            arm = (radius - 2 * tyre) * np.array([0.0, math.cos(angle), math.sin(angle)])
            a.add(limb(hub - arm, hub + arm, 0.004, 0.004, 3), (0.6, 0.6, 0.62))
    crank = np.array([0.0, between(rng, 0.27, 0.31), -0.02])
    saddle = np.array([0.0, between(rng, 0.88, 1.0), -0.24])
    cluster = crank + 0.78 * (saddle - crank)
    stem_top = np.array([0.0, between(rng, 0.92, 1.06), base / 2 - 0.2])
    head = front + 0.72 * (stem_top - front)
    low_entry = rng.random() < 0.35
    top_rear = crank + (0.3 if low_entry else 0.72) * (saddle - crank)
    tubes = [
        (crank, saddle, tube),
        (head, top_rear, tube),
        (head - np.array([0, 0.06, -0.02]), crank, tube * 1.15),
        (crank, rear, tube * 0.7),
        (cluster if not low_entry else top_rear, rear, tube * 0.65),
        (front, stem_top, tube),
    ]
    for start, end, r in tubes:
        a.add(limb(start, end, r, r, 5), paint)
    _bicycle_fittings(a, rng, (rear, front), crank, saddle, stem_top, radius, paint)
    lean = 0.0 if upright else between(rng, 0.03, 0.16) * (1 if rng.random() < 0.5 else -1)
    c, s = math.cos(lean), math.sin(lean)
    return a.finish(turn=np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]]))


def _bicycle_fittings(
    a: Assembly, rng: np.random.Generator, hubs: tuple[np.ndarray, np.ndarray], crank: np.ndarray, saddle: np.ndarray,
    stem_top: np.ndarray, radius: float, paint: np.ndarray,
) -> None:  # fmt: skip
    """Saddle, handlebar, cranks, and sometimes mudguards, a rack, a basket. hubs: of the rear and the front wheel."""
    rear, front = hubs
    dark = np.array([0.05, 0.05, 0.05]) if rng.random() < 0.7 else np.array([0.35, 0.2, 0.1])
    seat = np.zeros((3, 6, 3))
    seat[:, :, 0] = np.array([[0.09], [0.07], [0.02]]) * circle(6)[:, 0]
    seat[:, :, 1] = np.array([[0.04], [0.035], [0.025]]) * circle(6)[:, 1]
    seat[:, :, 2] = [[-0.13], [0.0], [0.15]]
    a.add(loft(seat + saddle), dark)
    half, back = between(rng, 0.22, 0.32), between(rng, -0.16, 0.08)
    for sign in (-1, 1):
        elbow = stem_top + np.array([sign * half * 0.7, 0.03, back * 0.3])
        grip = stem_top + np.array([sign * half, 0.02, back])
        a.add(limb(stem_top, elbow, 0.014, 0.014, 5), (0.3, 0.3, 0.32))
        a.add(limb(elbow, grip, 0.018, 0.018, 5), dark)
    turn = rng.random() * 2 * math.pi
    for sign in (-1, 1):
        foot = crank + np.array([sign * 0.08, sign * 0.17 * math.sin(turn), sign * 0.17 * math.cos(turn)])
        a.add(limb(crank + np.array([sign * 0.05, 0, 0]), foot, 0.014, 0.014, 4), (0.3, 0.3, 0.3))
        a.add(box((0.09, 0.025, 0.09), tuple(foot + np.array([sign * 0.045, 0, 0]))), (0.08, 0.08, 0.08))
    a.add(limb(crank - np.array([0.035, 0, 0]), crank + np.array([0.035, 0, 0]), 0.09, 0.09, 10), (0.25, 0.25, 0.26))
    if rng.random() < 0.55:  # mudguards: arcs over the wheels
        for hub, start, stop in ((rear, -0.4, 1.7), (front, -0.7, 0.9)):
            angles = np.linspace(start, stop, 6)
            centres = hub + (radius + 0.03) * np.stack([np.zeros(6), np.cos(angles), -np.sin(angles)], 1)
            inward = (hub - centres) / (radius + 0.03)
            width = np.array([0.025, 0, 0])
            steps = zip(centres, inward, strict=True)
            rings = [np.stack([p - width, p + width, p + width + 0.012 * n, p - width + 0.012 * n]) for p, n in steps]
            a.add(loft(np.stack(rings)), paint)
    if rng.random() < 0.45:
        deck = np.array([0.0, 2 * radius + 0.06, rear[2]])
        a.add(box((0.12, 0.02, 0.36), tuple(deck)), (0.1, 0.1, 0.1))
        for sign in (-1, 1):
            a.add(limb(rear + np.array([sign * 0.05, 0, 0]), deck + np.array([sign * 0.05, 0, -0.1]), 0.008, 0.008, 4), (0.1, 0.1, 0.1))
        if rng.random() < 0.35:
            a.add(box((0.3, 0.28, 0.33), tuple(deck + np.array([0, -0.12, 0]))), tint(rng, CLOTHES))
    if rng.random() < 0.3:
        a.add(box((0.34, 0.22, 0.26), tuple(stem_top + np.array([0.0, -0.12, 0.17]))), np.array([0.4, 0.3, 0.18]) * between(rng, 0.5, 1.6))
