"""Pictures and JSON lists of foreign data sets, each with errors that name the file."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np

from voxcli.errors import DataError, FileFormatError
from voxcli.files.guard import bytes_within
from voxcli.scene import Picture
from voxcli.shards import opened


def read_rgba(path: Path) -> np.ndarray:
    """A picture of 8 bits as RGBA with straight alpha, uint8 [H, W, 4]; alpha is 255 where the file has none."""
    from voxcli import files

    picture = files.read_as(path, Picture)
    if picture.rgb.dtype != np.uint8:
        raise FileFormatError(f"'{path}' is no picture of 8 bits.", actual=picture.rgb.dtype)
    alpha = np.full(picture.rgb.shape[:2], 255, np.uint8) if picture.alpha is None else picture.alpha
    return np.concatenate([picture.rgb, alpha[..., None]], -1)


def read_rgb(path: Path) -> np.ndarray:
    """A picture as uint8 [H, W, 3], its pixels as they are stored. Raises FileFormatError that names the file."""
    from PIL import Image

    try:
        with Image.open(opened(path)) as file:
            return np.asarray(file.convert("RGB"))
    except (OSError, ValueError) as error:
        raise FileFormatError(f"'{path}' cannot be read as an image.", actual=str(error)) from error


def png_bytes(pixels: np.ndarray, compress_level: int = -1) -> bytes:
    """A PNG file of uint8 pixels [H, W], [H, W, 3] or [H, W, 4]. compress_level: of zlib, -1 for its default."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=compress_level)
    return buffer.getvalue()


def read_json(path: Path, what: str) -> Any:
    """The content of a JSON file; `what` it should be, for errors."""
    try:
        return json.loads(bytes_within(path).decode("utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"There is no {what} '{path}'.") from error
    except (OSError, ValueError) as error:
        raise FileFormatError(f"'{path}' cannot be read as {what}.", actual=f"{type(error).__name__}: {error}") from error


def inside(root: Path, relative: str, where: str) -> Path:
    """root/relative; FileFormatError for a path that leaves the root, as a hostile list might name one."""
    path = Path(relative)
    if path.is_absolute() or ".." in path.parts or not relative:
        raise FileFormatError(f"'{where}' names a file outside its folder.", actual=relative)
    return root / path
