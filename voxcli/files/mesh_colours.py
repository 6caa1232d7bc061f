"""What colour a face has: sampled from textures, averaged from vertices, or the material's own.

All results are uint8 sRGB. glTF states base colours and vertex colours as linear light (glTF 2.0, sections 3.9.2 and 3.7.2), textures
as sRGB; OBJ and the other formats state everything as it is to be shown.
"""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from voxcli.scene import Labels, class_colour

if TYPE_CHECKING:
    from PIL import Image

UNCOLOURED = (178, 178, 178)
"""Faces of a coloured file that have no colour of their own."""


def linear_to_srgb(linear: np.ndarray) -> np.ndarray:
    """Linear light in 0..1 to sRGB in 0..1 (IEC 61966-2-1)."""
    linear = np.clip(linear, 0.0, 1.0)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.power(linear, 1 / 2.4) - 0.055)


def srgb_to_linear(srgb: np.ndarray) -> np.ndarray:
    """sRGB in 0..1 to linear light in 0..1 (IEC 61966-2-1)."""
    srgb = np.clip(srgb, 0.0, 1.0)
    return np.where(srgb <= 0.04045, srgb / 12.92, np.power((srgb + 0.055) / 1.055, 2.4))


def to_uint8(colours: np.ndarray) -> np.ndarray:
    """Colours of any number type as uint8; floats are 0..1, NaN becomes 0."""
    colours = np.asarray(colours)
    if colours.dtype == np.uint8:
        return colours
    if colours.dtype.kind == "f":
        rounded: np.ndarray = np.rint(np.clip(np.nan_to_num(colours), 0, 1) * 255).astype(np.uint8)
        return rounded
    if colours.dtype == np.uint16:
        return ((colours.astype(np.uint32) + 128) // 257).astype(np.uint8)
    clipped: np.ndarray = np.clip(colours, 0, 255).astype(np.uint8)
    return clipped


def mean_over_corners(vertex_colours: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Face colours [F, 3] uint8, the mean of the three corners."""
    means: np.ndarray = np.rint(vertex_colours[faces].astype(np.float64).mean(axis=1)).astype(np.uint8)
    return means


def mean_over_faces(face_colours: np.ndarray, faces: np.ndarray, vertices: int) -> np.ndarray:
    """Vertex colours [V, 3] uint8, the mean of the faces around each; UNCOLOURED where there are none."""
    sums = [np.bincount(faces.ravel(), np.repeat(channel, 3), vertices) for channel in face_colours.T]
    around = np.bincount(faces.ravel(), minlength=vertices)[:, None]
    means: np.ndarray = np.where(around > 0, np.rint(np.stack(sums, axis=1) / np.maximum(around, 1)), UNCOLOURED).astype(np.uint8)
    return means


@dataclass(frozen=True)
class Material:
    """What colours a surface. factor [3]: 0..1; texels [H, W, 3] uint8: the texture, None for one that cannot be had."""

    factor: np.ndarray | None = None
    texels: np.ndarray | None = None


def texels_of(image: Image.Image) -> np.ndarray:
    """The texture [H, W, 3] uint8 that a Pillow image is; its transparency is left out."""
    return np.asarray(image.convert("RGB"))


def decoded_texels(data: bytes) -> np.ndarray | None:
    """The texture [H, W, 3] uint8 that an image file holds; None where Pillow cannot read it."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of profiles and sizes: an image's own readers speak of these
            with Image.open(io.BytesIO(data)) as image:
                return texels_of(image)
    except MemoryError:
        raise
    except Exception:  # broken images raise whatever their bytes lead Pillow to
        return None


def shown(colours: np.ndarray, linear: bool) -> np.ndarray:
    """Colours from 0 to 1 as uint8 sRGB. linear: they are linear light."""
    return to_uint8(linear_to_srgb(np.nan_to_num(colours)) if linear else np.asarray(colours, np.float64))


def surface_colours(material: Material, uv: np.ndarray | None, corner: np.ndarray | None, count: int, linear: bool) -> np.ndarray:
    """Colours [F, 3] uint8: the texture at UV, times the factor, times the colour of the corners: whichever of
    these there are.

    uv: [F, 2] of the centroids, v up. corner: [F, 3], 0..1, the mean of each face's corners. count: F. linear: factor and corners are
    linear light.
    """
    light = np.ones((count, 3))
    if material.texels is not None and uv is not None:
        light = _sample(material.texels, uv) / 255.0
        light = srgb_to_linear(light) if linear else light
    if material.factor is not None:
        light = light * material.factor
    if corner is not None:
        light = light * corner
    return shown(light, linear)


def _sample(texels: np.ndarray, uv: np.ndarray) -> np.ndarray:
    """Texels [N, 3] uint8 at uv [N, 2] (v up, repeated outside 0..1)."""
    uv = np.nan_to_num(uv) % 1.0
    height, width = texels.shape[:2]
    column = np.floor(uv[:, 0] * width).astype(np.int64) % width
    row = np.floor((1.0 - uv[:, 1]) * height).astype(np.int64) % height
    sampled: np.ndarray = texels[row, column]
    return sampled


def label_colours(labels: np.ndarray, classes: Labels) -> np.ndarray:
    """The class colours [F, 3] uint8 of labels [F]; labels without a name are grey."""
    palette = np.full((max(len(classes.names), int(labels.max(initial=0)) + 1), 3), 178, np.uint8)
    palette[: len(classes.names)] = [class_colour(name) for name in classes.names]
    colours: np.ndarray = palette[labels]
    return colours
