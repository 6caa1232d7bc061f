"""TIFF: depth maps, floats in metres (NaN or 0 = no surface) or 16-bit integers as in PNG; and colour images, read only."""

from __future__ import annotations

import io

import numpy as np

from voxcli.files.images import (
    TIFF_DESCRIPTION,
    depth_of_integers,
    depth_statement,
    embedded_camera,
    embedded_facts,
    open_image,
    picture_of_image,
)
from voxcli.files.keyed import meta_text
from voxcli.files.registry import Format, Options, register
from voxcli.files.source import Source
from voxcli.scene import DepthMap, Picture


def read_tiff(source: Source, kind: str | None, options: Options) -> DepthMap | Picture:
    """A DepthMap; a Picture where kind is image, or the file has 8 bits or colours and kind is None. FileFormatError for damage."""
    image = open_image(source)
    embedded = embedded_facts(image, source.name)
    if kind == "image" or (kind is None and not image.mode.startswith(("F", "I"))):
        return picture_of_image(image, embedded)
    if image.mode != "F":
        return depth_of_integers(image, embedded, options, source.name)
    values = np.asarray(image).astype(np.float32)
    depth = np.where(np.isfinite(values) & (values > 0), values, np.float32(np.nan))
    return DepthMap(depth, embedded.get("depth_kind", "z"), embedded_camera(embedded, depth.shape, source.name), embedded.get("meta", {}))


def write_tiff(depth: DepthMap, options: Options) -> bytes:
    """Uncompressed float32, NaN where there is no surface; what the file says of itself stands in ImageDescription."""
    from PIL import Image, TiffImagePlugin

    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[TIFF_DESCRIPTION] = meta_text(depth_statement(depth, None))
    buffer = io.BytesIO()
    Image.fromarray(depth.depth.astype(np.float32)).save(buffer, "TIFF", tiffinfo=tags)
    return buffer.getvalue()


register(
    Format(
        "TIFF",
        (".tif", ".tiff"),
        "depth as floats; image",
        reads=("depth", "image"),
        reader=read_tiff,
        writers={DepthMap: write_tiff},
        searched_as=("depth", "image"),
    )
)
