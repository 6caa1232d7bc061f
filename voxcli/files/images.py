"""PNG, JPEG, WebP and BMP: colour images, and 16-bit depth images.

Images: the EXIF orientation is applied, alpha is kept (it is the object mask), grey is repeated to three channels, palettes, CMYK and
the first frame of animations become RGB. 16-bit grey stays 16-bit; 16-bit colour is read at 8 bits, which is what Pillow decodes.
The field of view is what EXIF says (see voxcli.files.exif). A caller who states the frustum that a picture is read for
(Options.target_frustum) gets JPEG of far more pixels than it has columns at 1/2, 1/4 or 1/8 of its size, in a fraction of the time.
Depth: integers in millimetres, or what the text chunk `voxcli` or the caller says; 0 is no surface.
"""

from __future__ import annotations

import io
import json
import logging
import math
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import numpy as np

from voxcli import log
from voxcli.errors import DataError, FileFormatError, VoxcliError
from voxcli.files.exif import field_of_view
from voxcli.files.guard import claim, parsing
from voxcli.files.keyed import meta_text, parse_meta
from voxcli.files.registry import Format, Options, register
from voxcli.files.source import Source
from voxcli.provenance import Meta
from voxcli.scene import Camera, DepthMap, Frustum, Picture

if TYPE_CHECKING:
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

BYTES_A_PIXEL = 16
"""What an image takes while it is decoded, turned upright and taken apart."""

MILLIMETRE = 0.001
TIFF_DESCRIPTION = 270  # TIFF 6.0, tag ImageDescription
_CHUNK = "voxcli"
_ORIENTATION = 0x0112  # EXIF


class _Facts(TypedDict, total=False):
    """Horizontal field of view in degrees; (width, height) in the file."""

    fov_x_deg: float
    stored: tuple[int, int]


def read_image(source: Source, kind: str | None, options: Options) -> Picture | DepthMap:
    """A Picture, or a DepthMap where kind is depth or the file says so itself."""
    image = open_image(source, None if kind == "depth" else options)
    embedded = embedded_facts(image, source.name)
    if kind == "depth" or (kind is None and embedded.get("kind") == "depth"):
        return depth_of_integers(image, embedded, options, source.name)
    return picture_of_image(image, embedded)


def open_image(source: Source, options: Options | None = None) -> Image.Image:
    """A decoded Pillow image, turned upright. FileFormatError for what is no whole image, DataError for an absurd size.

    image.info holds, where known, `voxcli`: what our writers wrote; `fov_x_deg`: the field of view by EXIF; `stored`: the upright size in
    the file, where options.target_frustum allowed to decode a smaller one.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    logging.getLogger("PIL").setLevel(logging.CRITICAL)  # what it logs of damaged files, our error says
    data = source.data
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns at 89 million pixels; our limit is an error
            image: Image.Image = Image.open(io.BytesIO(data))
            image_kind = image.format
            width, height = image.size
            claim(f"{source.name}, an image of {width}x{height} pixels,", width * height * BYTES_A_PIXEL, "takes")
            frames = getattr(image, "n_frames", 1)
            facts = _facts(image, options)
            image.load()
            statement = image.tag_v2.get(TIFF_DESCRIPTION) if hasattr(image, "tag_v2") else image.info.get(_CHUNK)
            ImageOps.exif_transpose(image, in_place=True)
            image.info.update(facts)
            if isinstance(statement, str):
                image.info[_CHUNK] = statement
    except UnidentifiedImageError as error:
        kinds = "PNG, JPEG, WebP, BMP, TIFF, GIF or HEIC"
        raise FileFormatError(f"{source.name} is not an image.", expected=kinds, actual=_first_bytes(source.data)) from error
    except VoxcliError:
        raise
    except Image.DecompressionBombError as error:  # what Pillow itself refuses, twice as large as what it warns of
        raise DataError(f"{source.name} has too many pixels.", actual=str(error), hint="Scale it down first.") from error
    except Exception as error:  # Pillow raises a dozen kinds for damaged bytes
        raise FileFormatError(f"{source.name} is a damaged image.", actual=str(error), hint="The file may be truncated.") from error
    if frames > 1 and image_kind != "MPO":  # MPO: a photograph, and previews of it
        log.warn(f"{source.name} holds {frames} pictures; the first is taken.")
    return image


def _facts(image: Image.Image, options: Options | None) -> _Facts:
    """The field of view by EXIF, and the upright size of a JPEG that is to be decoded at a smaller one, which this arranges."""
    width, height = _upright_size(image)
    try:
        fov = field_of_view(image.getexif(), width, height)
    except Exception:  # of damaged EXIF, which damages no picture; Pillow raises a dozen kinds
        fov = None
    facts: _Facts = {} if fov is None else {"fov_x_deg": fov}
    if options is None or options.target_frustum is None or image.format not in ("JPEG", "MPO"):
        return facts
    by = reduction(width, height, options.target_frustum, fov if options.fov_x_deg is None else options.fov_x_deg)
    if by > 1 and image.draft(None, (image.width // by, image.height // by)) is not None:
        facts["stored"] = (width, height)
    return facts


def reduction(width: int, height: int, target_frustum: Frustum, fov_x_deg: float | None) -> int:
    """By how much (1, 2, 4 or 8) a picture of width x height pixels may be scaled down for the frustum: at least two pixels of the picture
    to one column remain, so that these are averages still."""
    if fov_x_deg is not None:
        focal = width / 2 / math.tan(math.radians(fov_x_deg) / 2)
    else:
        focal = target_frustum.focal * min(width / target_frustum.width, height / target_frustum.height)
    return next((by for by in (8, 4, 2) if focal / by >= 2 * target_frustum.focal), 1)


def _upright_size(image: Image.Image) -> tuple[int, int]:
    turned = image.getexif().get(_ORIENTATION, 1) in (5, 6, 7, 8)
    return (image.height, image.width) if turned else (image.width, image.height)


def picture_size(path: str | Path) -> tuple[int, int] | None:
    """(width, height) of an upright picture, by its header; None for what is no image, which reading it will tell, and for URLs."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path) as image:
                return _upright_size(image)
    except Exception:  # Pillow raises a dozen kinds for damaged headers
        return None


def _first_bytes(data: bytes) -> str:
    text = data[:24]
    return f"text: {text.decode()!r}" if text.isascii() and all(c >= 9 for c in text) else f"bytes {text[:8].hex(' ')}"


def embedded_facts(image: Image.Image, name: str) -> Meta:
    """What our own writers left in the file; anybody else's description of the image is nothing to us."""
    text = image.info.get(_CHUNK)
    return parse_meta(text, name) if isinstance(text, str) and text.startswith('{"') else {}


def picture_of_image(image: Image.Image, embedded: Meta) -> Picture:
    """The colours of a decoded image. DataError for floats."""
    rgb, alpha = _channels(image)
    return Picture(rgb, alpha, embedded.get("meta", {}), image.info.get("fov_x_deg"), image.info.get("stored"))


def picture_of_pillow(image: Image.Image) -> Picture:
    """The picture in a Pillow image, turned upright by its EXIF, with the field of view that EXIF states. The image stays as it is.

    Raises FileFormatError where it cannot be decoded, DataError for floats.
    """
    from PIL import ImageOps

    try:
        facts = _facts(image, None)
        turned = ImageOps.exif_transpose(image)
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise FileFormatError("The Pillow image cannot be decoded.", actual=str(error), hint="The file may be truncated.") from error
    turned.info.update(facts)
    return picture_of_image(turned, {})


def _channels(image: Image.Image) -> tuple[np.ndarray, np.ndarray | None]:
    if image.mode.startswith("I;16") or image.mode == "I":
        grey = np.clip(np.asarray(image), 0, 65535).astype(np.uint16)
        return np.repeat(grey[..., None], 3, axis=-1), None
    transparent = image.mode in ("LA", "La", "RGBA", "RGBa", "PA") or "transparency" in image.info
    if image.mode == "F":
        raise DataError("A float image holds no colours.", hint="Read it as depth.")
    wanted = "RGBA" if transparent else "RGB"
    pixels = np.array(image if image.mode == wanted else image.convert(wanted))
    alpha = np.ascontiguousarray(pixels[..., 3]) if transparent else None
    return np.ascontiguousarray(pixels[..., :3]), alpha


def depth_of_integers(image: Image.Image, embedded: Meta, options: Options, name: str) -> DepthMap:
    """Depth in metres from an integer image: value * scale, 0 = no surface (NaN). FileFormatError for 8 bits, which are seldom depth."""
    if not image.mode.startswith("I"):
        bits = "8 bits" if image.mode in ("L", "P", "1") else f"mode {image.mode}"
        raise FileFormatError(f"{name} is no depth image.", expected="one channel of 16-bit integers", actual=bits,
                              hint="256 steps are a preview of depth; give the depth itself.")  # fmt: skip
    values = np.asarray(image).astype(np.float64)
    scale = options.depth_scale if options.depth_scale is not None else float(embedded.get("depth_scale", MILLIMETRE))
    return DepthMap(
        np.where(values > 0, values * scale, np.nan).astype(np.float32),
        embedded.get("depth_kind", "z"),
        embedded_camera(embedded, values.shape, name),
        embedded.get("meta", {}),
        scale,
    )


def embedded_camera(embedded: Meta, shape: tuple[int, ...], name: str) -> Camera | None:
    """The camera of an image of this shape, where the file states one."""
    if not {"K", "world_to_cam"} <= set(embedded):
        return None
    with parsing(name, "an image with a camera of numbers", hint="What the file states as K and world_to_cam is damaged."):
        matrices = [np.array(embedded[key], np.float64) for key in ("K", "world_to_cam")]
    return Camera(matrices[0], shape[1], shape[0], matrices[1])


def depth_statement(depth: DepthMap, scale: float | None) -> Meta:
    """What a depth image says of itself, as JSON."""
    embedded: Meta = {"kind": "depth", "depth_kind": depth.kind}
    if scale is not None:
        embedded["depth_scale"] = scale
    if depth.camera is not None:
        embedded |= {"K": depth.camera.K.tolist(), "world_to_cam": depth.camera.world_to_cam.tolist()}
    return embedded | ({"meta": depth.meta} if depth.meta else {})


def write_png(picture: Picture, options: Options) -> bytes:
    """RGB or RGBA; equal 16-bit channels as 16-bit grey. DataError for 16-bit colour, which would lose its low bits."""
    from PIL import Image

    if picture.rgb.dtype == np.uint16:
        if picture.alpha is not None or (picture.rgb != picture.rgb[..., :1]).any():
            raise DataError("16-bit colour cannot be written as PNG here.", hint="Convert to uint8 first.")
        image = Image.fromarray(np.ascontiguousarray(picture.rgb[..., 0]))
    elif picture.rgb.dtype == np.uint8:
        channels = [picture.rgb] if picture.alpha is None else [picture.rgb, picture.alpha[..., None]]
        image = Image.fromarray(np.ascontiguousarray(np.concatenate(channels, axis=-1)))
    else:
        raise DataError("A picture must be uint8 or uint16.", actual=picture.rgb.dtype)
    return _png(image, {"kind": "image", "meta": picture.meta} if picture.meta else {})


def write_depth_png(depth: DepthMap, options: Options) -> bytes:
    """16-bit grey; value = depth / scale, rounded, 0 where there is no surface. DataError where a depth does not fit 16 bits."""
    from PIL import Image

    scale = options.depth_scale if options.depth_scale is not None else MILLIMETRE
    seen = np.isfinite(depth.depth) & (depth.depth > 0)
    values = np.rint(np.where(seen, depth.depth, 0).astype(np.float64) / scale)
    if values.max(initial=0) > 65535:
        raise DataError(
            "Depth does not fit 16 bits.",
            expected=f"at most {65535 * scale:g} m at {scale:g} m a unit",
            actual=f"{depth.depth[seen].max():g} m",
            hint="Choose a larger --depth-scale, or write .npz.",
        )
    # A surface closer than half a unit would round to 0, which means none.
    values = np.where(seen, np.maximum(values, 1), 0)
    return _png(Image.fromarray(values.astype(np.uint16)), depth_statement(depth, scale))


def png_text(embedded: Meta) -> PngInfo:
    """The text chunk in which a PNG states what it is."""
    from PIL import PngImagePlugin

    text = PngImagePlugin.PngInfo()
    if embedded:
        text.add_text(_CHUNK, meta_text(json.loads(json.dumps(embedded))))
    return text


def _png(image: Image.Image, embedded: Meta) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", pnginfo=png_text(embedded), compress_level=4)  # as small as 6 for photographs, in two thirds of the time
    return buffer.getvalue()


register(
    Format(
        "PNG",
        (".png",),
        "image, or 16-bit depth (kind depth)",
        reads=("image", "depth"),
        reader=read_image,
        writers={Picture: write_png, DepthMap: write_depth_png},
    )
)
register(Format("JPEG", (".jpg", ".jpeg"), "image", reads=("image",), reader=read_image))
register(Format("WebP", (".webp",), "image, the first where it moves", reads=("image",), reader=read_image))
register(Format("BMP", (".bmp",), "image", reads=("image",), reader=read_image))
