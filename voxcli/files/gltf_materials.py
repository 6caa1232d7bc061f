"""The base colours and textures of a glTF file's materials."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from voxcli.files.gltf_data import BrokenError, GltfData, Tree, extensions_of, numbers, tree_of, whole
from voxcli.files.mesh_colours import Material, decoded_texels
from voxcli.provenance import Json

_OTHER_MAPS = ("normalTexture", "occlusionTexture", "emissiveTexture")
_WITHOUT_METAL = "KHR_materials_pbrSpecularGlossiness"


@dataclass(frozen=True)
class SurfaceMaterial:
    """A material, and where in it a surface lies: uv_set is the number of its UV, moved by `transform` [2, 3], v down."""

    name: str
    material: Material
    uv_set: int
    transform: np.ndarray

    def uv(self, uv: np.ndarray) -> np.ndarray:
        """UV [N, 2] of the file as those of the texture, v up."""
        moved = uv @ self.transform[:, :2].T + self.transform[:, 2]
        return np.stack([moved[:, 0], 1.0 - moved[:, 1]], axis=1)


class Materials:
    """The looks of a file by index. left: counts what is left out."""

    def __init__(self, data: GltfData, left: Counter[str]) -> None:
        self._data, self._left = data, left
        self._looks: dict[int, SurfaceMaterial] = {}
        self._images: dict[int, np.ndarray | None] = {}

    def look(self, index: Json) -> SurfaceMaterial:
        """How a material looks by daylight: its base colour, or the diffuse colour of one that is described without metal."""
        key = whole(index, "a material's index")
        if key not in self._looks:
            tree = self._data.item("materials", key)
            other = extensions_of(tree).get(_WITHOUT_METAL)
            base = tree_of(other if other is not None else tree.get("pbrMetallicRoughness"), "a material")
            colour, picture = ("diffuseFactor", "diffuseTexture") if other is not None else ("baseColorFactor", "baseColorTexture")
            factor = numbers(base.get(colour), 4, "a colour", (1, 1, 1, 1))[:3]
            texture = tree_of(base.get(picture), "a texture")
            other_maps = sum(key in tree for key in _OTHER_MAPS) + ("metallicRoughnessTexture" in base)
            self._left["map(s) of other things than colour"] += other_maps
            moved = tree_of(extensions_of(texture).get("KHR_texture_transform"), "an extension")
            self._looks[key] = SurfaceMaterial(
                str(tree.get("name", "")).replace("/", "_"),
                Material(factor, self._texels(texture.get("index")) if texture else None),
                whole(moved.get("texCoord", texture.get("texCoord", 0)), "a texCoord"),
                _transform(moved),
            )
        return self._looks[key]

    def _texels(self, index: Json) -> np.ndarray | None:
        texture = self._data.item("textures", index)
        webp = tree_of(extensions_of(texture).get("EXT_texture_webp"), "an extension")
        source = webp.get("source", texture.get("source"))
        if source is None:  # of a format that Pillow does not know, such as Basis Universal
            self._left["texture(s) of another format"] += 1
            return None
        key = whole(source, "an image's index")
        if key not in self._images:
            self._images[key] = self._decoded(self._data.item("images", key))
            self._left["texture(s) that cannot be read"] += self._images[key] is None
        return self._images[key]

    def _decoded(self, image: Tree) -> np.ndarray | None:
        uri = image.get("uri")
        try:
            data = self._data.resource(uri, "a texture") if isinstance(uri, str) else bytes(self._data.view(image.get("bufferView"))[0])
        except BrokenError:
            return None  # the shape is there without it
        return decoded_texels(data)


def _transform(moved: Tree) -> np.ndarray:
    """[2, 3]: scaled, turned counter-clockwise as seen in the picture, shifted (KHR_texture_transform)."""
    turn = numbers([moved.get("rotation", 0.0)], 1, "a rotation", ())[0]
    scale = numbers(moved.get("scale"), 2, "a scale", (1, 1))
    offset = numbers(moved.get("offset"), 2, "an offset", (0, 0))
    cos, sin = np.cos(turn), np.sin(turn)
    return np.concatenate([np.array([[cos, sin], [-sin, cos]]) * scale, offset[:, None]], axis=1)
