"""MTL: the colours and textures of an OBJ file's materials.

trimesh takes the options of a texture for a part of its name, and a backslash for one of its letters.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from voxcli.files.mesh_colours import Material, decoded_texels
from voxcli.files.source import Source, decoded

_FLAG = re.compile(r"-(?:blendu|blendv|cc|clamp|imfchan|type|bm|boost|texres)\s+\S+\s+|-mm\s+\S+\s+\S+\s+", re.IGNORECASE)
_NUMBERS = re.compile(r"-([ost])((?:\s+[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?){1,3})\s+", re.IGNORECASE)


@dataclass(frozen=True)
class MtlMaterial:
    """diffuse [3]: Kd, 0..1. texels: of map_Kd, scaled and shifted in UV as its options -s and -o say."""

    diffuse: np.ndarray | None = None
    texels: np.ndarray | None = None
    scale: tuple[float, float] = (1.0, 1.0)
    offset: tuple[float, float] = (0.0, 0.0)

    def seen(self, with_uv: bool) -> Material:
        """What colours a surface; with a texture, MTL files often leave a dark diffuse colour behind, which is not meant."""
        textured = with_uv and self.texels is not None
        return Material(None if textured else self.diffuse, self.texels if textured else None)

    def placed(self, uv: np.ndarray) -> np.ndarray:
        """UV [N, 2] in the texture of UV in the file."""
        moved: np.ndarray = uv * np.array(self.scale) + np.array(self.offset)
        return moved


_OTHER_MAPS = ("bump", "disp", "decal", "norm", "refl")


def read_libraries(source: Source, names: Sequence[str]) -> tuple[dict[str, MtlMaterial], Counter[str]]:
    """The materials by name of the MTL files that an OBJ file names, and how many of what is left out: files that are not beside it, lost
    textures, other maps."""
    found: dict[str, MtlMaterial] = {}
    left: Counter[str] = Counter()
    for name in names:
        whole = source.beside(name)  # one name may hold blanks, or a line may hold several names
        for path in [whole] if whole is not None else [source.beside(each) for each in name.split()]:
            if path is not None:
                found |= _materials(source, path.read_bytes(), left)
            else:
                left["MTL file(s) that are not in its folder"] += 1
    return found, left


def _materials(source: Source, data: bytes, left: Counter[str]) -> dict[str, MtlMaterial]:
    found: dict[str, MtlMaterial] = {}
    name = ""
    for line in decoded(data).splitlines():
        key, rest = [*line.split(None, 1), "", ""][:2]
        key, rest = key.lower(), rest.strip()
        if key == "newmtl":
            name = rest
            found[name] = MtlMaterial()
        elif name in found and key == "kd":
            found[name] = replace(found[name], diffuse=_colour(rest))
        elif name in found and key == "map_kd":
            found[name] = _textured(source, found[name], rest)
            left["texture(s) that are not there or no pictures"] += found[name].texels is None
        elif name in found and (key.startswith("map_") or key in _OTHER_MAPS):
            left["map(s) of other things than colour"] += 1
    return found


def _colour(text: str) -> np.ndarray | None:
    """Kd of one number is grey; "spectral" and "xyz" are other kinds of colours, which are left out."""
    try:
        numbers = np.array([float(word) for word in text.split("#")[0].split()[:3]])
    except ValueError:
        return None
    return np.broadcast_to(numbers, 3).copy() if len(numbers) in (1, 3) else None


def _textured(source: Source, material: MtlMaterial, text: str) -> MtlMaterial:
    scale, offset = material.scale, material.offset
    while text.startswith("-"):
        if flag := _FLAG.match(text):
            text = text[flag.end() :]
        elif numbers := _NUMBERS.match(text):
            values = [float(word) for word in numbers[2].split()]
            if numbers[1].lower() == "s":
                scale = (values[0], values[1] if len(values) > 1 else 1.0)
            elif numbers[1].lower() == "o":
                offset = (values[0], values[1] if len(values) > 1 else 0.0)
            text = text[numbers.end() :]
        else:
            break
    path = source.beside(text)
    texels = None if path is None else decoded_texels(path.read_bytes())
    return replace(material, texels=texels, scale=scale, offset=offset)
