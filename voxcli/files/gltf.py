"""glTF and GLB: every node's transform is applied, in the pose that the nodes have (glTF 2.0).

Each node with a mesh is a part, named by its path from the root, "parent/node/material" (the material only where it has a name).
"""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from voxcli import log
from voxcli.errors import DataError, FileFormatError
from voxcli.files import glb
from voxcli.files.gltf_data import BrokenError, GltfData, Tree, extensions_of, finished, list_of, numbers, tree_of, whole
from voxcli.files.gltf_materials import Materials
from voxcli.files.gltf_nodes import Nodes, skinned
from voxcli.files.guard import claim
from voxcli.files.mesh_colours import Material
from voxcli.files.pieces import Piece, joined, placed, used_only, warn_left_out
from voxcli.files.registry import Format, Options, register
from voxcli.files.source import Source
from voxcli.provenance import Json
from voxcli.scene import Mesh

_DRACO = "KHR_draco_mesh_compression"
_KNOWN = {
    _DRACO, "KHR_mesh_quantization", "EXT_mesh_gpu_instancing", "KHR_texture_transform", "EXT_texture_webp", "KHR_node_visibility",
    # What these add is no matter of a shape and its base colour, or is said to be left out.
    "EXT_texture_avif", "KHR_texture_basisu", "MSFT_texture_dds", "KHR_lights_punctual", "EXT_lights_image_based", "EXT_lights_ies",
    "KHR_animation_pointer", "KHR_xmp", "KHR_xmp_json_ld", "KHR_node_hoverability", "KHR_node_selectability",
}  # fmt: skip
_UNPACK = "gltf-transform copy IN.glb OUT.glb, or export it again without compression."
_POINTS, _LINES = "primitive(s) of points", "primitive(s) of lines"


@dataclass(frozen=True)
class _Surface:
    """One primitive before it is placed; of its vertices those that its faces name, `kept` of `count`.

    vertices [V, 3]; faces [F, 3]; colours [V, 3] linear light, 0..1; uv [F, 2] of the faces' centroids, v up; joints and weights [V, n].
    """

    count: int
    kept: np.ndarray
    vertices: np.ndarray
    faces: np.ndarray
    colours: np.ndarray | None
    uv: np.ndarray | None
    material: Material | None
    material_name: str
    joints: np.ndarray | None
    weights: np.ndarray | None


def read_gltf(source: Source, kind: str | None, options: Options) -> Mesh:
    """A Mesh in the file's world frame: +y up, metres.

    Raises FileFormatError for damage and for required extensions that are not read here, DataError for a file without faces and for NaN
    vertices.
    """
    if not source.data.strip():
        raise FileFormatError(f"{source.name} is empty.")
    try:
        return _Reader(source).mesh()
    except BrokenError as error:
        raise FileFormatError(
            f"{source.name} cannot be read as {'GLB' if options.extension == '.glb' else 'glTF'}.", actual=str(error), hint=error.hint,
        ) from error  # fmt: skip


class _Reader:
    """left: how many of what is left out."""

    def __init__(self, source: Source) -> None:
        self.name = source.name
        self.data = GltfData(source)
        self.left: Counter[str] = Counter()
        self._check_version()
        self._check_extensions()
        self.materials = Materials(self.data, self.left)
        if not self.data.items("meshes"):
            raise self._no_faces()
        self.nodes = Nodes(self.data)
        self._known: dict[tuple[int, int], _Surface | None] = {}

    def _check_version(self) -> None:
        asset = tree_of(self.data.tree.get("asset"), "asset")
        version = str(asset.get("minVersion", asset.get("version", "2.0")))
        if not version.startswith("2."):
            raise BrokenError(f"glTF {version[:20]}, and not 2.0")

    def _check_extensions(self) -> None:
        """A file must not be read without an extension that it requires (glTF 2.0, 3.12)."""
        for extension in map(str, list_of(self.data.tree.get("extensionsRequired"), "extensionsRequired")):
            if extension not in _KNOWN and not extension.startswith(("KHR_materials_", "EXT_materials_")):
                hint = f"Unpack the file: {_UNPACK}" if "compression" in extension else "Export the file without it."
                raise FileFormatError(f"{self.name} requires the glTF extension {extension[:80]}, which is not read here.", hint=hint)

    def mesh(self) -> Mesh:
        """All nodes of the file's scene in world coordinates (+y up, metres, as glTF has them). Raises DataError where it shows no face,
        FileFormatError for what cannot be read; warns of what is left out."""
        scenes = self.data.items("scenes")
        scene = self.data.item("scenes", self.data.tree.get("scene", 0)) if scenes else {}
        roots = [whole(each, "a node's index") for each in list_of(scene.get("nodes"), "nodes")] if scenes else None
        pieces = list(self._pieces(roots))
        if not pieces:
            raise self._no_faces()
        self.left["other scene(s)"] = max(len(scenes) - 1, 0)
        self.left["animation(s), as the nodes' own pose is taken"] = len(self.data.items("animations"))
        warn_left_out(self.name, self.left)
        if self.data.warnings:
            more = f" (and {len(self.data.warnings) - 1} more like this)" if len(self.data.warnings) > 1 else ""
            log.warn(f"{self.name}: {self.data.warnings[0]}{more}. What they have is taken.")
        meta, classes = glb.read_extras(tree_of(scene.get("extras") or None, "extras").get("voxcli"), self.name)
        return joined(pieces, self.name, linear=True, meta=meta, classes=classes)

    def _no_faces(self) -> DataError:
        kinds = [what.split()[-1] for what in (_LINES, _POINTS) if self.left[what]]
        return DataError(f"{self.name} holds no faces.", expected="a mesh of triangles",
                         actual=f"only {' and '.join(kinds)}" if kinds else None)  # fmt: skip

    # --- nodes -----------------------------------------------------------------------------------------------------------------------

    def _pieces(self, roots: list[int] | None) -> Iterator[Piece]:
        total = 0
        for name, tree, copies in self._placements(roots):
            index = whole(tree["mesh"], "a mesh's index")
            mesh = self.data.item("meshes", index)
            weights = list_of(tree.get("weights", mesh.get("weights")), "weights")
            for number, each in enumerate(list_of(mesh.get("primitives"), "primitives")):
                primitive = tree_of(each, "a primitive")
                if (index, number) not in self._known:
                    self._known[index, number] = self._surface(primitive)
                if (surface := self._known[index, number]) is None:
                    continue
                total += (surface.faces.nbytes + surface.vertices.nbytes) * len(copies)
                claim(self.name, total, "places meshes of")  # a small file may place one mesh any number of times
                part = f"{name}/{surface.material_name}" if surface.material_name else name
                for vertices, faces in self._placed(surface, self._morphed(primitive, weights, surface), tree, copies):
                    yield Piece(part, vertices, faces, surface.colours, None, surface.material, surface.uv)

    def _placements(self, roots: list[int] | None) -> Iterator[tuple[str, Tree, list[np.ndarray]]]:
        """(path, node, mesh to world of each copy). A file without scenes shows all its nodes, one without nodes all its meshes."""
        if roots is None and not self.nodes.trees:
            for i, mesh in enumerate(self.data.items("meshes")):
                yield str(mesh.get("name") or i).replace("/", "_"), {"mesh": i}, [np.eye(4)]
        for i in self.nodes.drawn(roots):
            copies = self.nodes.copies(i)
            seen = [each for each in copies if not np.isfinite(each).all() or np.linalg.matrix_rank(each[:3, :3]) > 1]
            self.left["node(s) of scale 0, which show nothing"] += len(copies) - len(seen)
            if seen or "skin" in self.nodes.trees[i]:
                yield self.nodes.path(i), self.nodes.trees[i], seen

    def _morphed(self, primitive: Tree, weights: Sequence[Json], surface: _Surface) -> np.ndarray:
        """vertices [V, 3] with as much of each morph target as the file says."""
        vertices = surface.vertices
        shares = numbers(weights, len(weights), "weights", ())
        for share, each in zip(shares, list_of(primitive.get("targets"), "targets"), strict=False):
            target = tree_of(each, "a morph target")
            if share and "POSITION" in target:
                shifts = self.data.values(target["POSITION"], "shifts of a morph target", width=3, may_be_zero=True)
                self._check_count(shifts, surface.count, "shifts of a morph target")
                vertices = vertices + share * shifts[surface.kept]
        return vertices

    def _placed(self, surface: _Surface, vertices: np.ndarray, tree: Tree, copies: list[np.ndarray]) -> Iterator[tuple[np.ndarray, ...]]:
        if tree.get("skin") is not None and surface.joints is not None and surface.weights is not None:
            moved, mirrored = skinned(vertices, self.nodes.skin(tree["skin"]), surface.joints, surface.weights)
            yield moved, surface.faces[:, ::-1] if mirrored else surface.faces
        else:
            yield from (placed(vertices, surface.faces, each) for each in copies)

    # --- primitives ------------------------------------------------------------------------------------------------------------------

    def _surface(self, primitive: Tree) -> _Surface | None:
        """A primitive's triangles; None, and counted, where it has none."""
        mode = whole(primitive.get("mode", 4), "a primitive's mode")
        attributes = tree_of(primitive.get("attributes"), "attributes")
        if mode > 6:
            raise BrokenError(f"a primitive of mode {mode}")
        if mode < 4:
            self.left[_LINES if mode else _POINTS] += 1
            return None
        if "POSITION" not in attributes:
            self.left["primitive(s) without positions"] += 1
            return None
        unpacked = self._unpacked(primitive, attributes)
        positions = self._values("POSITION", attributes, unpacked, 3)
        count = len(positions)
        self.left["normal(s)"] += count * ("NORMAL" in attributes)
        if unpacked:
            faces = unpacked["faces"]
        else:
            faces = self._faces(primitive.get("indices"), count, mode)
        if faces.size and faces.max() >= count:
            raise BrokenError(f"an index beyond what the file holds, vertex {faces.max()} of {count}")
        if not len(faces):
            self.left["primitive(s) without a triangle"] += 1
            return None
        colours = self._colours(attributes, unpacked, count)
        look = None if primitive.get("material") is None else self.materials.look(primitive["material"])
        uv = None
        if look is not None and look.material.texels is not None and f"TEXCOORD_{look.uv_set}" in attributes:
            uv = self._values(f"TEXCOORD_{look.uv_set}", attributes, unpacked, 2, count)
            uv = look.uv(uv[faces].mean(axis=1))
        joints, weights = self._joints(attributes, unpacked, count)
        kept, faces = used_only(positions, faces)
        at = [None if values is None else values[kept] for values in (colours, joints, weights)]
        return _Surface(count, kept, positions[kept], faces, at[0], uv, None if look is None else look.material,
                        "" if look is None else look.name, at[1], at[2])  # fmt: skip

    def _faces(self, indices: Json, count: int, mode: int) -> np.ndarray:
        """[F, 3] of a list of triangles, of a strip or of a fan."""
        if indices is None:
            row = np.arange(count)
        else:
            row = self.data.values(indices, "indices", width=1, whole_numbers=True)[:, 0]
        if mode == 4:
            self.left["corner(s) of an unfinished triangle"] += len(row) % 3
            return row[: len(row) // 3 * 3].reshape(-1, 3)
        if len(row) < 3:
            return np.zeros((0, 3), np.int64)
        if mode == 5:
            faces = np.stack([row[:-2], row[1:-1], row[2:]], axis=1)
            faces[1::2] = faces[1::2][:, [1, 0, 2]]  # so that all face the same way
        else:
            faces = np.stack([row[1:-1], row[2:], np.broadcast_to(row[0], len(row) - 2)], axis=1)
        whole_faces: np.ndarray = faces[(faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])]
        return whole_faces  # a strip jumps by triangles without area

    def _values(self, name: str, attributes: Tree, unpacked: dict[str, np.ndarray], width: int, count: int | None = None) -> np.ndarray:
        """An attribute of the vertices [N, width]; joints are whole numbers."""
        what = name.split("_")[0].lower() + ("s" if name[0] in "PCT" else "")
        whole_numbers = name.startswith("JOINTS")
        if name in unpacked:
            accessor = self.data.item("accessors", attributes[name])
            values = finished(accessor, unpacked[name].reshape(len(unpacked[name]), -1), whole_numbers, what)
            if values.shape[1] != width or accessor.get("count") != len(values):
                raise BrokenError(f"{what} of another number than {_DRACO} unpacks")
        else:
            values = self.data.values(attributes[name], what, width=width, whole_numbers=whole_numbers)
        self._check_count(values, len(values) if count is None else count, what)
        return values

    @staticmethod
    def _check_count(values: np.ndarray, count: int, what: str) -> None:
        if len(values) != count:
            raise BrokenError(f"{len(values)} {what} for {count} vertices")

    def _colours(self, attributes: Tree, unpacked: dict[str, np.ndarray], count: int) -> np.ndarray | None:
        if "COLOR_0" not in attributes:
            return None
        accessor = self.data.item("accessors", attributes["COLOR_0"])
        colours = self._values("COLOR_0", attributes, unpacked, 3 if accessor.get("type") == "VEC3" else 4, count)[:, :3]
        # Some programs forget to say that whole numbers are shares.
        most = {5121: 255.0, 5123: 65535.0}.get(whole(accessor.get("componentType"), "a type"), 1.0)
        return colours if accessor.get("normalized") is True else colours / most

    def _joints(self, attributes: Tree, unpacked: dict[str, np.ndarray], count: int) -> tuple[np.ndarray | None, np.ndarray | None]:
        found: list[tuple[np.ndarray, np.ndarray]] = []
        while f"JOINTS_{len(found)}" in attributes and f"WEIGHTS_{len(found)}" in attributes:
            number = len(found)
            found.append((self._values(f"JOINTS_{number}", attributes, unpacked, 4, count),
                          self._values(f"WEIGHTS_{number}", attributes, unpacked, 4, count)))  # fmt: skip
        return (None, None) if not found else (np.concatenate([j for j, _ in found], axis=1), np.concatenate([w for _, w in found], axis=1))

    def _unpacked(self, primitive: Tree, attributes: Tree) -> dict[str, np.ndarray]:
        """What Draco packed: attributes by name, and faces [F, 3]; {} for a primitive that is there unpacked."""
        packed = extensions_of(primitive).get(_DRACO)
        if packed is None or self.data.item("accessors", attributes["POSITION"]).get("bufferView") is not None:
            return {}
        try:
            draco = importlib.import_module("DracoPy")
        except ImportError as error:
            raise FileFormatError(f"{self.name} needs the glTF extension {_DRACO}, for which a package is missing.",
                                  hint=f"Install it: pip install 'voxcli[draco]'. Or unpack the file: {_UNPACK}") from error  # fmt: skip
        tree = tree_of(packed, _DRACO)
        view = bytes(self.data.view(tree.get("bufferView"))[0])
        names = {whole(number, "a Draco attribute"): name for name, number in tree_of(tree.get("attributes"), "attributes").items()}
        try:
            found = draco.decode(view)
            values = {names[each["unique_id"]]: np.asarray(each["data"]) for each in found.attributes if each["unique_id"] in names}
            return values | {"faces": np.asarray(found.faces, np.int64).reshape(-1, 3)}
        except Exception as error:  # the package raises exceptions of its own, and AttributeError for clouds
            raise BrokenError(f"bytes that {_DRACO} cannot unpack") from error


register(Format("GLB", (".glb",), "scene graph, +y up, metres; one node per class when written", ("mesh",), reader=read_gltf,
                writers={Mesh: glb.write_glb}))  # fmt: skip
register(Format("glTF", (".gltf",), "scene graph with its buffers beside it", ("mesh",), reader=read_gltf))
