"""What colour a face has: sampled from textures, averaged from vertices, or the material's own.

All results are uint8 sRGB. glTF states base colours and vertex colours as linear light (glTF 2.0, sections 3.9.2 and 3.7.2), textures
as sRGB; OBJ and the other formats state everything as it is to be shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from voxcli.scene import Labels, class_colour

if TYPE_CHECKING:
    import trimesh
    from PIL import Image
    from trimesh.visual import TextureVisuals

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
        return (colours // 257).astype(np.uint8)
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


def face_colours(geometry: trimesh.Trimesh, linear: bool) -> np.ndarray | None:
    """Colours [F, 3] uint8 of a trimesh geometry, None where its file states none. linear: factors are linear light (glTF)."""
    from trimesh.visual import TextureVisuals

    visual = geometry.visual
    if isinstance(visual, TextureVisuals):
        return _material_colours(geometry, visual, linear)
    corner = vertex_colours(geometry, linear)
    if corner is not None:
        return mean_over_corners(corner, geometry.faces)
    if visual is not None and visual.kind == "face":
        return _shown(to_uint8(visual.face_colors)[:, :3], linear)
    return None


def vertex_colours(geometry: trimesh.Trimesh, linear: bool) -> np.ndarray | None:
    """Colours [V, 3] uint8 where the file states them at vertices."""
    from trimesh.visual import TextureVisuals

    visual = geometry.visual
    colours = None
    if isinstance(visual, TextureVisuals):
        colours = visual.vertex_attributes.get("color")
    elif visual is not None and visual.kind == "vertex":
        colours = visual.vertex_colors
    if colours is None or len(colours) != len(geometry.vertices):
        return None
    return _shown(to_uint8(colours)[:, :3], linear)


def _shown(colours: np.ndarray, linear: bool) -> np.ndarray:
    return to_uint8(linear_to_srgb(colours / 255.0)) if linear else colours


def _material_colours(geometry: trimesh.Trimesh, visual: TextureVisuals, linear: bool) -> np.ndarray:
    """Texture at the face's centroid in UV, times the base colour, times the mean vertex colour: whichever of these there are."""
    material, count = visual.material, len(geometry.faces)
    image = getattr(material, "baseColorTexture", None)
    image = getattr(material, "image", None) if image is None else image
    uv = visual.uv
    light = np.ones((count, 3))
    textured = False
    if image is not None and uv is not None and len(uv) == len(geometry.vertices):
        textured = True
        light = _sample(image, uv[geometry.faces].mean(axis=1)) / 255.0
        light = srgb_to_linear(light) if linear else light
    factor = getattr(material, "baseColorFactor", None)
    if factor is None and not linear and not textured:
        factor = getattr(material, "diffuse", None)  # with a texture, MTL files often leave a dark diffuse colour behind
    if factor is not None:
        light = light * (to_uint8(factor)[:3] / 255.0)
    corner = vertex_colours(geometry, False)
    if corner is not None:
        light = light * (mean_over_corners(corner, geometry.faces) / 255.0)
    return to_uint8(linear_to_srgb(light) if linear else light)


def _sample(image: Image.Image, uv: np.ndarray) -> np.ndarray:
    """Texels [N, 3] uint8 at uv [N, 2] (v up, repeated outside 0..1)."""
    texels = np.asarray(image.convert("RGB"))
    uv = np.nan_to_num(uv)
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
