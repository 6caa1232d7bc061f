"""Colours and surfaces that furniture, lamps and vehicles come in."""

from __future__ import annotations

import colorsys

import numpy as np

from voxcli.datasets.synthetic.objects.parts import Material, Texture
from voxcli.datasets.synthetic.street.pieces import between, tint
from voxcli.datasets.synthetic.street.vehicles import PAINTS

_WOODS = np.array([
    [0.76, 0.6, 0.42], [0.62, 0.44, 0.27], [0.48, 0.31, 0.18], [0.34, 0.21, 0.13], [0.24, 0.15, 0.1], [0.85, 0.73, 0.56],
    [0.55, 0.29, 0.17], [0.7, 0.52, 0.33], [0.42, 0.36, 0.3],
])  # fmt: skip
_METALS = np.array([[0.75, 0.76, 0.78], [0.55, 0.56, 0.58], [0.25, 0.26, 0.28], [0.08, 0.08, 0.09], [0.72, 0.58, 0.32], [0.62, 0.4, 0.28]])
_STONES = np.array([[0.7, 0.69, 0.66], [0.52, 0.51, 0.5], [0.85, 0.84, 0.81], [0.3, 0.3, 0.32], [0.62, 0.55, 0.46]])


def wood(rng: np.random.Generator) -> Material:
    """Bare or varnished wood."""
    return Material(tint(rng, _WOODS, 0.1), between(rng, 0.0, 0.25), Texture.WOOD, between(rng, 0.7, 1.6))


def metal(rng: np.random.Generator) -> Material:
    """Steel, brass or black iron."""
    return Material(tint(rng, _METALS, 0.05), between(rng, 0.4, 0.8))


def stone(rng: np.random.Generator) -> Material:
    """Stone or concrete."""
    return Material(tint(rng, _STONES, 0.06), between(rng, 0.0, 0.2), Texture.STONE, between(rng, 0.7, 1.5))


def hue(rng: np.random.Generator, strong: float = 0.75) -> np.ndarray:
    """Any colour: greys and pale ones as often as strong ones."""
    saturation = rng.random() ** 1.3 * strong if rng.random() < 0.75 else 0.04 * rng.random()
    return np.array(colorsys.hsv_to_rgb(rng.random(), saturation, between(rng, 0.12, 0.95)))


def paint(rng: np.random.Generator) -> Material:
    """Lacquer or plastic."""
    return Material(hue(rng), between(rng, 0.1, 0.6))


def fabric(rng: np.random.Generator) -> Material:
    """Cloth: plain, striped, chequered; or leather."""
    kind = rng.choice([Texture.FABRIC, Texture.STRIPES, Texture.CHECKS, Texture.PLAIN], p=[0.55, 0.13, 0.12, 0.2])
    return Material(hue(rng, 0.65), 0.3 if kind == Texture.PLAIN else 0.0, Texture(int(kind)), between(rng, 0.6, 1.8))


def hard(rng: np.random.Generator) -> Material:
    """What frames are made of: wood more often than lacquer or metal."""
    return (wood, paint, metal)[rng.choice(3, p=[0.55, 0.28, 0.17])](rng)


def car_paint(rng: np.random.Generator) -> Material:
    """Lacquer in a colour that cars have, or any."""
    return Material(tint(rng, PAINTS) if rng.random() < 0.7 else hue(rng, 0.9), between(rng, 0.5, 0.9))


GLASS = Material(np.array([0.11, 0.13, 0.15]), 0.9)
TYRE = Material(np.array([0.06, 0.06, 0.065]), 0.05)
DARK = Material(np.array([0.08, 0.08, 0.085]), 0.15)
RIM = Material(np.array([0.6, 0.61, 0.63]), 0.6)
HEADLIGHT = Material(np.array([0.92, 0.91, 0.84]), 0.8)
TAILLIGHT = Material(np.array([0.62, 0.05, 0.05]), 0.6)
BULB = Material(np.array([0.98, 0.95, 0.82]), 0.2)
