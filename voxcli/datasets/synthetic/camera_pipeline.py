"""What a camera does to light: lens, exposure, white balance, noise, tone curve, sharpening, JPEG. Every number is drawn at random.

`develop` makes a photograph of the linear light of a rendering, or of a finished picture. `photographic` is a cheaper version for pictures
of 8 bits, which augments training data. Both depend on the picture and the generator alone.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

_GAMMA = 2.2
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_NOISE = 512


@lru_cache(maxsize=1)
def _noise_table() -> np.ndarray:
    """Normal noise [512, 512, 3] float32. Drawing it anew for each picture would take most of the time."""
    return np.random.default_rng(20240917).standard_normal((_NOISE, _NOISE, 3), dtype=np.float32)


def _noise(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Normal noise [height, width, 3] float32: a piece of the table from a random place, mirrored at random.

    A picture that is larger than the table gets noise of its own.
    """
    table = _noise_table()
    rows, columns = -(-height // _NOISE), -(-width // _NOISE)
    if rows > 1 or columns > 1:
        return rng.standard_normal((height, width, 3), dtype=np.float32)
    y, x = int(rng.integers(_NOISE - height + 1)), int(rng.integers(_NOISE - width + 1))
    piece = table[y : y + height, x : x + width]
    return piece[:: 1 if rng.random() < 0.5 else -1, :: 1 if rng.random() < 0.5 else -1]


def _shifted(image: np.ndarray, dy: int, dx: int) -> np.ndarray:
    """The image [H, W, C] moved by (dy, dx) pixels. Its borders are repeated."""
    height, width = image.shape[:2]
    if dy:
        image = image[np.arange(-dy, height - dy).clip(0, height - 1)]
    return image[:, np.arange(-dx, width - dx).clip(0, width - 1)] if dx else image


def soften(image: np.ndarray, strength: float) -> np.ndarray:
    """One pass of a 3 x 3 tent filter, mixed in by `strength` from 0 (nothing) to 1. [H, W, 3] float32"""
    out = image.copy()
    out[1:-1] += strength * 0.25 * (image[:-2] + image[2:] - 2 * image[1:-1])
    first = out.copy()
    out[:, 1:-1] += strength * 0.25 * (first[:, :-2] + first[:, 2:] - 2 * first[:, 1:-1])
    return out


def _smear(image: np.ndarray, dy: float, dx: float) -> np.ndarray:
    """Motion blur along (dy, dx) pixels: the mean of copies that are moved by parts of that way. [H, W, 3] float32"""
    steps = min(int(max(abs(dy), abs(dx))) + 1, 9)
    places = {(round(dy * (k / steps - 0.5)), round(dx * (k / steps - 0.5))) for k in range(steps + 1)}
    return sum(_shifted(image, *place) for place in sorted(places)) / np.float32(len(places))


def _halved(image: np.ndarray, times: int) -> np.ndarray:
    """The means of 2 x 2 pixels, taken `times` times. An odd last row or column is dropped. [H / 2^times, W / 2^times, C]"""
    for _ in range(times):
        image = image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2]
        image = 0.25 * (image[::2, ::2] + image[1::2, ::2] + image[::2, 1::2] + image[1::2, 1::2])
    return image


def resized(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Bilinear interpolation of [h, w, C] float32 to [height, width, C]."""
    out = image
    for axis, size in ((0, height), (1, width)):
        at = ((np.arange(size) + 0.5) * (out.shape[axis] / size) - 0.5).clip(0, out.shape[axis] - 1)
        low = np.minimum(at.astype(np.int64), max(out.shape[axis] - 2, 0))
        share = (at - low).astype(np.float32).reshape((-1, 1, 1) if axis == 0 else (1, -1, 1))
        first, second = out.take(low, axis), out.take(np.minimum(low + 1, out.shape[axis] - 1), axis)
        out = first + share * (second - first)
    return out


def _radius2(height: int, width: int, rng: np.random.Generator, wander: float) -> np.ndarray:
    """Squared distance from a point near the middle, 1 at the ends of the longer side. [H, W] float32

    wander: the point's standard deviation from the middle, in halves of the longer side.
    """
    span = max(height, width) / 2
    y = (np.arange(height, dtype=np.float32) - (height / 2 + wander * span * rng.standard_normal())) / span
    x = (np.arange(width, dtype=np.float32) - (width / 2 + wander * span * rng.standard_normal())) / span
    return ((y * y)[:, None] + (x * x)[None]).astype(np.float32)


def _s_curve(x: np.ndarray, contrast: float, pivot: float) -> np.ndarray:
    """A tone curve on [0, 1] that keeps 0, 1 and the pivot. At the pivot it is steeper for contrast > 0 and flatter for contrast < 0."""
    low = pivot * (np.maximum(x, 0) / pivot) ** (1 + contrast)
    high = 1 - (1 - pivot) * (np.maximum(1 - x, 0) / (1 - pivot)) ** (1 + contrast)
    return np.where(x < pivot, low, high)


def photographic(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The picture as another camera might have taken it, at another hour or in other weather. image [H, W, 3] uint8 -> the same

    Things stay where they are. Blur, haze, vignette, exposure, contrast, white balance, saturation and noise vary. This takes 2 ms for
    256 x 192 pixels.
    """
    height, width = image.shape[:2]
    # Exposure, contrast, black level and balance act on each channel by its value alone. One table for each channel does all four.
    base = np.linspace(0, 1, 256)
    gain = 2.0 ** (rng.uniform(-1.6, 0.9) / _GAMMA)
    curve = _s_curve(np.minimum(base * gain, 1.0), rng.uniform(-0.25, 0.8), rng.uniform(0.35, 0.6))
    lift = max(0.0, 0.05 * rng.standard_normal())
    balance = np.exp(0.07 * rng.standard_normal() * np.array([1.0, 0.0, -1.0]) + 0.025 * rng.standard_normal(3))
    tables = (lift + (1 - lift) * np.minimum(curve[:, None] * balance, 1.0)).astype(np.float32)
    out = np.stack([tables[:, c].take(image[..., c]) for c in range(3)], -1)
    saturation = rng.uniform(0.25, 1.25)
    out = out * np.float32(saturation) + (np.float32(1 - saturation) * (out @ _LUMA))[..., None]
    if rng.random() < 0.35:  # haze, or light scattered in the lens, changing evenly from the top row to the bottom row
        veil = np.float32(rng.uniform(0.0, 0.35)) * np.linspace(rng.uniform(0.4, 1), rng.uniform(0.4, 1), height, dtype=np.float32)
        colour = np.float32(rng.uniform(0.5, 0.95) * (1 + 0.05 * rng.standard_normal(3)))
        out += veil[:, None, None] * (colour - out)
    if rng.random() < 0.6:
        out *= (1 - np.float32(rng.uniform(0.0, 0.4)) * _radius2(height, width, rng, 0.1))[..., None]
    kind = rng.random()
    if kind < 0.3:
        out = soften(out, rng.uniform(0.3, 1.0))
    elif kind < 0.42:
        out = soften(soften(out, 1.0), 1.0)
    elif kind < 0.54:
        reach = rng.uniform(1.0, 5.0) * width / 256
        out = _smear(out, reach * rng.normal(0, 0.25), reach)
    elif kind < 0.7:  # sharpened by the camera
        out += np.float32(rng.uniform(0.2, 0.8)) * (out - soften(out, 1.0))
    if rng.random() < 0.7:
        noise = _noise(rng, height, width)
        if rng.random() < 0.5:
            noise = noise[..., :1]
        out += np.float32(rng.uniform(0.0, 0.045)) * (np.float32(1.15) - np.minimum(out, 1)) * noise
    out *= 255
    out += 0.5
    return np.clip(out, 0, 255, out=out).astype(np.uint8)


def develop(picture: np.ndarray, rng: np.random.Generator, bias: float = 0.0) -> np.ndarray:
    """The photograph that a randomly drawn camera takes. picture [H, W, 3], linear light (float, any scale) or uint8 -> [H, W, 3] uint8

    Light beyond what the sensor holds is clipped, and glare spreads it. The exposure follows from the picture, as a camera's automatic
    exposure does. It is then moved at random and by `bias` stops.
    """
    height, width = picture.shape[:2]
    light = (picture.astype(np.float32) / 255) ** _GAMMA if picture.dtype == np.uint8 else picture.astype(np.float32)
    if picture.dtype != np.uint8:  # a rendering's tent filter is softer than a sensor's pixels
        light = np.maximum(light + np.float32(rng.uniform(0.3, 1.3)) * (light - soften(light, 1.0)), 0)
    light = np.maximum(light, 0) * np.float32(_metered(light, rng) * 2.0**bias)
    light = _lens(light, rng)
    light *= np.exp(0.09 * rng.standard_normal() * np.array([1.0, 0.0, -1.0]) + 0.03 * rng.standard_normal(3)).astype(np.float32)
    light = _sensor(light, rng)
    out = _toned(light, rng)
    if rng.random() < 0.5:  # sharpened by the camera
        out += np.float32(rng.uniform(0.1, 0.9)) * (out - soften(out, 1.0))
    if rng.random() < 0.5:
        out = jpeg(np.clip(out, 0, 1), int(rng.integers(50, 97)))
    return np.clip(out * 255 + 0.5, 0, 255).astype(np.uint8)


def _metered(light: np.ndarray, rng: np.random.Generator) -> float:
    """The factor that exposes the picture: one of three means becomes a mid tone, then chance moves it.

    The means: arithmetic or geometric over the whole picture, or arithmetic over its lower half.
    """
    luma = _halved(light, 2) @ _LUMA
    kind = rng.random()
    if kind < 0.4:
        level = float(luma.mean())
    elif kind < 0.7:
        level = float(np.exp(np.log(luma + 0.01 * luma.mean() + 1e-6).mean()))
    else:
        level = float(luma[luma.shape[0] // 2 :].mean())
    gain = 0.2 / max(level, 1e-4) * 2.0 ** rng.normal(-0.35, 0.6)
    bright = float(np.percentile(luma, 92))  # a sky is seldom grey in a photograph
    return float(max(gain, rng.uniform(0.15, 0.95) / max(bright, 1e-4)))


def _lens(light: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Defocus, motion, glare, dirt on the glass, fringes of colour, vignette."""
    height, width = light.shape[:2]
    if rng.random() < 0.4:
        light = soften(light, rng.uniform(0.2, 1.0))
        if rng.random() < 0.15:
            light = soften(light, 1.0)
    if rng.random() < 0.12:
        reach = rng.uniform(1.5, 5.0) * width / 256
        light = _smear(light, reach * rng.normal(0, 0.3), reach * rng.choice([-1, 1]))
    if min(height, width) >= 64:
        spill = _halved(np.minimum(light, 8), 4)
        for _ in range(2):
            spill = soften(spill, 1.0)
        share = rng.uniform(0.0, 0.1) if rng.random() < 0.8 else rng.uniform(0.1, 0.3)
        glare = resized(spill, height, width) * (0.6 * share) + light.mean((0, 1)) * (0.4 * share)
        if rng.random() < 0.1:  # dirt scatters what is bright
            dirt = resized(np.maximum(_noise(rng, height // 16, width // 16)[..., :1] - 1.2, 0).copy(), height, width)
            glare = glare + light.mean((0, 1)) * dirt * rng.uniform(0.1, 0.6)
        light = light * (1 - share) + glare
    if rng.random() < 0.3:
        light = light.copy()
        shift = int(rng.choice([-1, 1]))
        middle = width // 2
        fringe = np.float32(rng.uniform(0.1, 0.5))
        light[:, :middle, 0] += fringe * (_shifted(light, 0, shift)[:, :middle, 0] - light[:, :middle, 0])
        light[:, middle:, 0] += fringe * (_shifted(light, 0, -shift)[:, middle:, 0] - light[:, middle:, 0])
    fall = rng.uniform(0.0, 0.55) if rng.random() < 0.6 else 0.0
    return (light * (1 - fall * np.minimum(_radius2(height, width, rng, 0.03), 1.5) / 1.5)[..., None]).astype(np.float32)


def _sensor(light: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Full cells clip, and noise of photons and of the read-out is added. [H, W, 3] float32 in 0..1"""
    height, width = light.shape[:2]
    level = 10 ** rng.uniform(-3.0, -1.6)
    noise = _noise(rng, height, width)
    if rng.random() < 0.5:
        noise = soften(noise.copy(), 0.8) * 1.5
    light = np.minimum(light, 1.0)
    return np.clip(light + np.sqrt((level * level) * (light + rng.uniform(0.01, 0.1))) * noise, 0, 1).astype(np.float32)


def _toned(light: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Saturation, gamma, contrast, black level: linear [0, 1] to display values [0, 1]."""
    saturation = rng.uniform(0.45, 1.15)
    light = np.maximum(light * np.float32(saturation) + (np.float32(1 - saturation) * (light @ _LUMA))[..., None], 0)
    steps = np.linspace(0, 1, 1025)
    curve = _s_curve(steps ** (1 / rng.uniform(1.9, 2.5)), rng.uniform(-0.05, 0.8), rng.uniform(0.4, 0.6))
    black = rng.uniform(-0.08, 0.04)
    table = np.clip(black + (1 - black) * curve, 0, 1).astype(np.float32)
    return table.take((np.minimum(light, 1) * 1024 + 0.5).astype(np.int32))


# JPEG's tables for brightness and colour, quality 50 (ITU T.81, annex K).
_LUMA_STEPS = np.array([
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62,
    18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100,
    103, 99,
], np.float32).reshape(8, 8)  # fmt: skip
_COLOUR_STEPS = np.full((8, 8), 99, np.float32)
_COLOUR_STEPS[:4, :4] = [[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]]
_YCC = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]], np.float32)


@lru_cache(maxsize=1)
def _cosines() -> np.ndarray:
    """The orthonormal cosine transform of eight numbers. [8, 8]"""
    k, n = np.meshgrid(np.arange(8), np.arange(8), indexing="ij")
    rows = np.cos((2 * n + 1) * k * np.pi / 16) / 2
    rows[0] /= np.sqrt(2)
    return rows.astype(np.float32)


def jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    """What JPEG keeps of a picture [H, W, 3] float in 0..1: blocks of 8 x 8 rounded in the cosine domain, colour at half the size.

    quality: 1 to 100, as the usual encoders count it. -> [H, W, 3] float32; values may leave 0..1 a little
    """
    height, width = image.shape[:2]
    scale = 50 / quality if quality < 50 else 2 - quality / 50
    rows, columns = -(-height // 16) * 16, -(-width // 16) * 16
    full = np.pad(image.astype(np.float32), ((0, rows - height), (0, columns - width), (0, 0)), mode="edge")
    ycc = (full * 255) @ _YCC.T
    y = _rounded(ycc[..., 0] - 128, np.floor(_LUMA_STEPS * scale + 0.5).clip(1, 255)) + 128
    colour = [_rounded(c, np.floor(_COLOUR_STEPS * scale + 0.5).clip(1, 255)) for c in np.moveaxis(_halved(ycc[..., 1:], 1), -1, 0)]
    cb, cr = (np.repeat(np.repeat(c, 2, 0), 2, 1) for c in colour)
    rgb = np.stack([y + 1.402 * cr, y - 0.344136 * cb - 0.714136 * cr, y + 1.772 * cb], -1) / 255
    return rgb[:height, :width].astype(np.float32)


def _rounded(plane: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """A plane [8h, 8w] with the cosine coefficients of its blocks rounded to multiples of steps [8, 8]."""
    height, width = plane.shape
    blocks = plane.reshape(height // 8, 8, width // 8, 8).transpose(0, 2, 1, 3)
    c = _cosines()
    kept = np.round(c @ blocks @ c.T / steps) * steps
    return (c.T @ kept @ c).transpose(0, 2, 1, 3).reshape(height, width)
