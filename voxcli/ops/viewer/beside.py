"""The picture that belongs to a file: the one that it was predicted from, or the one of its name in a data folder."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from voxcli.errors import VoxcliError
from voxcli.provenance import Json, sha256_file
from voxcli.scene import FruxelGrid, Picture, SceneType

_EXTENSIONS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
_LONGEST = 480


def picture_beside(source: str, thing: SceneType) -> Picture | None:
    """The picture that a file was made of, where its meta names it by a SHA-256 that still holds: where the name leads from here, or beside
    the file. Else, for fruxels, a picture of the file's own name beside it with as many pixels a column as a row; else None."""
    if source == "-":
        return None
    beside, meta = Path(source).parent, getattr(thing, "meta", {})
    inputs = meta.get("inputs")
    for name, digest in (inputs if isinstance(inputs, Mapping) else {}).items():
        for path in (Path(name), beside / name, beside / Path(name).name):
            if path.suffix.lower() in _EXTENSIONS and path.is_file() and sha256_file(path) == digest:
                return _read(path)
    for path in _of_its_name(source, thing):
        picture = _read(path)
        if picture is not None and isinstance(thing, FruxelGrid) and _fits(picture, thing):
            return picture
    return None


def of_other_pictures(sources: Sequence[str], things: Sequence[SceneType]) -> bool:
    """Whether two files are known to be of different pictures, by the SHA-256 that each states, or of the picture of its name."""
    one, other = (_digests(source, thing) for source, thing in zip(sources, things, strict=True))
    return bool(one and other) and not one & other


def _digests(source: str, thing: SceneType) -> set[str]:
    inputs = getattr(thing, "meta", {}).get("inputs")
    stated = inputs.items() if isinstance(inputs, Mapping) else ()
    found = {str(digest) for name, digest in stated if Path(name).suffix.lower() in _EXTENSIONS}
    return found or {sha256_file(path) for path in _of_its_name(source, thing)}


def _of_its_name(source: str, thing: SceneType) -> list[Path]:
    """The pictures of the name of fruxels that state no input: beside them, or in the images/ of their data set."""
    if source == "-" or not isinstance(thing, FruxelGrid) or getattr(thing, "meta", {}).get("inputs"):
        return []
    own = Path(source)
    places = [own, own.parent.parent / "images" / own.name]
    return [path for place in places for end in _EXTENSIONS if (path := place.with_suffix(end)).is_file()]


def picture_json(picture: Picture, seen: Json = None) -> Json:
    """The picture as the page holds it, made smaller. seen: left, top, right and bottom of what the model saw, in pixels."""
    from PIL import Image

    rgb = (picture.rgb >> 8).astype(np.uint8) if picture.rgb.dtype == np.uint16 else picture.rgb
    image = Image.fromarray(rgb)
    image.thumbnail((_LONGEST, _LONGEST), Image.Resampling.BOX)
    data = io.BytesIO()
    image.save(data, "JPEG", quality=85)
    found: dict[str, Json] = {"source": "data:image/jpeg;base64," + base64.b64encode(data.getvalue()).decode()}
    corners = [float(each) for each in seen if isinstance(each, (int, float))] if isinstance(seen, (list, tuple)) else []
    if len(corners) == 4:
        width, height = picture.size
        left, top, right, bottom = corners
        edges = [max(0.0, left / width), max(0.0, top / height), min(1.0, right / width), min(1.0, bottom / height)]
        if edges != [0, 0, 1, 1] and edges[0] < edges[2] and edges[1] < edges[3]:
            found["seen"] = edges
    return found


def _read(path: Path) -> Picture | None:
    from voxcli import files

    try:
        return files.read_as(path, Picture)
    except VoxcliError:  # it was not asked for
        return None


def _fits(picture: Picture, grid: FruxelGrid) -> bool:
    scale, rest = divmod(picture.size[0], grid.frustum.width)
    made = picture.meta.get("command")
    return rest == 0 and picture.size[1] == scale * grid.frustum.height and made != "view"
