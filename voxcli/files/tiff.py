"""TIFF: depth maps, floats in metres (NaN or 0 = no surface) or 16-bit integers as in PNG."""

from __future__ import annotations

import io

import numpy as np

from voxcli.errors import FileFormatError
from voxcli.files.images import depth_of_integers, depth_statement, open_image
from voxcli.files.keyed import meta_text, parse_meta
from voxcli.files.registry import Format, Options, register
from voxcli.files.source import Source
from voxcli.scene import Camera, DepthMap

_DESCRIPTION = 270  # TIFF 6.0, tag ImageDescription


def read_tiff(source: Source, kind: str | None, options: Options) -> DepthMap:
    """A DepthMap. FileFormatError for damage and for colour images."""
    image = open_image(source)
    text = image.tag_v2.get(_DESCRIPTION, "") if hasattr(image, "tag_v2") else ""
    stated = parse_meta(text, source.name) if isinstance(text, str) and text.startswith('{"') else {}
    if image.mode != "F":
        return depth_of_integers(image, stated, options, source.name)
    values = np.asarray(image).astype(np.float32)
    if values.ndim != 2:
        raise FileFormatError(f"{source.name} is no depth image.", expected="one channel", actual=list(values.shape))
    depth = np.where(np.isfinite(values) & (values > 0), values, np.float32(np.nan))
    camera = None
    if "K" in stated:
        camera = Camera(np.array(stated["K"], np.float64), depth.shape[1], depth.shape[0], np.array(stated["world_to_cam"], np.float64))
    return DepthMap(depth, stated.get("depth_kind", "z"), camera, stated.get("meta", {}))


def write_tiff(depth: DepthMap, options: Options) -> bytes:
    """Uncompressed float32, NaN where there is no surface; what the file says of itself stands in ImageDescription."""
    from PIL import Image, TiffImagePlugin

    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[_DESCRIPTION] = meta_text(depth_statement(depth, None))
    buffer = io.BytesIO()
    Image.fromarray(depth.depth.astype(np.float32)).save(buffer, "TIFF", tiffinfo=tags)
    return buffer.getvalue()


register(Format("TIFF", (".tif", ".tiff"), "depth as floats", reads=("depth",), reader=read_tiff, writers={DepthMap: write_tiff}))
