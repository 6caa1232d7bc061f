"""The nodes of a glTF file: where each stands, what is drawn of them, copies and skins."""

from __future__ import annotations

import numpy as np

from voxcli.files.gltf_data import BrokenError, GltfData, Tree, extensions_of, list_of, numbers, tree_of, whole
from voxcli.geometry.cameras import quaternion_to_rotation
from voxcli.provenance import Json

INSTANCING = "EXT_mesh_gpu_instancing"
_LONGEST_PATH = 64
"""Names of a part's path; of a deeper node, those nearest to it."""


class Nodes:
    """All nodes by their index. trees: as the file has them. worlds: node to world [4, 4] of each, its parents' transforms applied.

    Raises BrokenError where nodes are no trees.
    """

    def __init__(self, data: GltfData) -> None:
        self._data = data
        self.trees = data.items("nodes")
        self._parents = self._parents_of()
        self._names = _unique([str(tree.get("name") or i).replace("/", "_") for i, tree in enumerate(self.trees)])
        order = [i for i in range(len(self.trees)) if i not in self._parents]
        self.worlds: dict[int, np.ndarray] = {}
        for i in order:  # grows as it goes
            local = _transform(self.trees[i])
            parent = self._parents.get(i)
            self.worlds[i] = local if parent is None else self.worlds[parent] @ local
            order += self._children(i)
        if lost := [i for i in range(len(self.trees)) if i not in self.worlds]:
            raise BrokenError(f"nodes that are their own parents, such as node {lost[0]}")
        self._skins: dict[int, np.ndarray] = {}

    def _children(self, index: int) -> list[int]:
        return [whole(each, "a node's index") for each in list_of(self.trees[index].get("children"), "children")]

    def _parents_of(self) -> dict[int, int]:
        parents: dict[int, int] = {}
        for i in range(len(self.trees)):
            for child in self._children(i):
                if child >= len(self.trees):
                    raise BrokenError(f"an index beyond what the file holds, {child} of {len(self.trees)} nodes")
                if child in parents:
                    raise BrokenError(f"node {child} as the child of both node {parents[child]} and node {i}")
                parents[child] = i
        return parents

    def drawn(self, roots: list[int] | None) -> list[int]:
        """The nodes under the roots that have a mesh, parents first; None: under all nodes that have no parent."""
        stack = [i for i in range(len(self.trees)) if i not in self._parents][::-1] if roots is None else roots[::-1]
        found: dict[int, None] = {}
        while stack:
            index = stack.pop()
            if index >= len(self.trees):
                raise BrokenError(f"an index beyond what the file holds, {index} of {len(self.trees)} nodes")
            visible = tree_of(extensions_of(self.trees[index]).get("KHR_node_visibility"), "an extension").get("visible")
            if index not in found and visible is not False:
                found[index] = None
                stack += self._children(index)[::-1]
        return [i for i in found if "mesh" in self.trees[i]]

    def path(self, index: int) -> str:
        """The names from the root to a node."""
        names = [self._names[index]]
        place = self._parents.get(index)
        while place is not None and len(names) < _LONGEST_PATH:
            names.append(self._names[place])
            place = self._parents.get(place)
        return "/".join(reversed(names))

    def copies(self, index: int) -> list[np.ndarray]:
        """Mesh to world [4, 4] of each time that a node's mesh is drawn: once, or as often as its instances say."""
        world = self.worlds[index]
        instancing = extensions_of(self.trees[index]).get(INSTANCING)
        if instancing is None:
            return [world]
        attributes = tree_of(tree_of(instancing, INSTANCING).get("attributes"), "attributes")
        parts = {
            name: self._data.values(attributes[name], f"{name.lower()}s of instances", width=width)
            for name, width in (("TRANSLATION", 3), ("ROTATION", 4), ("SCALE", 3)) if name in attributes
        }  # fmt: skip
        counts = {len(values) for values in parts.values()}
        if len(counts) != 1:
            raise BrokenError(f"{' and '.join(map(str, sorted(counts))) or 'no'} instances of one node")
        rows = [{name: values[i] for name, values in parts.items()} for i in range(counts.pop())]
        return [world @ _placed_by(row.get("TRANSLATION"), row.get("ROTATION"), row.get("SCALE")) for row in rows]

    def skin(self, index: Json) -> np.ndarray:
        """What the joints of a skin move vertices by, to world [J, 4, 4]. The node that wears it has no part in this (3.7.3.3)."""
        key = whole(index, "a skin's index")
        if key not in self._skins:
            skin = self._data.item("skins", key)
            joints = [whole(each, "a joint's index") for each in list_of(skin.get("joints"), "joints")]
            if not joints or max(joints) >= len(self.trees):
                raise BrokenError(f"joints that are none of {len(self.trees)} nodes")
            moves = np.stack([self.worlds[joint] for joint in joints])
            if (bind := skin.get("inverseBindMatrices")) is not None:
                inverse = self._data.values(bind, "inverse bind matrices", width=16)
                if len(inverse) < len(joints):
                    raise BrokenError(f"{len(inverse)} inverse bind matrices for {len(joints)} joints")
                moves = moves @ inverse[: len(joints)].reshape(-1, 4, 4).transpose(0, 2, 1)  # column by column in the file
            self._skins[key] = moves
        return self._skins[key]


def skinned(vertices: np.ndarray, moves: np.ndarray, joints: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, bool]:
    """(vertices [V, 3] moved by the joints [V, n] that carry their weights [V, n], whether that mirrors them). moves: [J, 4, 4]."""
    if joints.shape != weights.shape or len(joints) != len(vertices):
        raise BrokenError(f"joints and weights of {len(joints)} and {len(weights)} vertices")
    if joints.size and joints.max() >= len(moves):
        raise BrokenError(f"an index beyond what the file holds, joint {joints.max()} of {len(moves)}")
    moved = np.zeros_like(vertices)
    for joint, weight in zip(joints.T, weights.T, strict=True):
        turned = (moves[joint, :3, :3] @ vertices[:, :, None])[:, :, 0] + moves[joint, :3, 3]
        moved += weight[:, None] * turned
    carried = weights.sum(axis=1, keepdims=True)
    used = moves[np.unique(joints[weights > 0])]
    mirrored = bool(len(used)) and float(np.sign(np.linalg.det(used[:, :3, :3])).sum()) < 0
    return np.where(carried > 0, moved / np.where(carried > 0, carried, 1), vertices), mirrored


def _transform(tree: Tree) -> np.ndarray:
    """Node to parent [4, 4]."""
    if tree.get("matrix") is not None:
        matrix: np.ndarray = numbers(tree["matrix"], 16, "a matrix", ()).reshape(4, 4).T  # column by column in the file
        return matrix
    return _placed_by(
        numbers(tree.get("translation"), 3, "a translation", (0, 0, 0)),
        numbers(tree.get("rotation"), 4, "a rotation", (0, 0, 0, 1)),
        numbers(tree.get("scale"), 3, "a scale", (1, 1, 1)),
    )


def _placed_by(translation: np.ndarray | None, rotation: np.ndarray | None, scale: np.ndarray | None) -> np.ndarray:
    """Scaled, then turned by a quaternion x, y, z, w, then shifted."""
    found = np.eye(4)
    if rotation is not None:
        found[:3, :3] = quaternion_to_rotation(rotation[[3, 0, 1, 2]])
    if scale is not None:
        found[:3, :3] *= scale
    if translation is not None:
        found[:3, 3] = translation
    return found


def _unique(names: list[str]) -> list[str]:
    """Names of which the second of a kind gets _1, the third _2."""
    taken: set[str] = set()
    counts: dict[str, int] = {}
    found = []
    for name in names:
        unique = name
        while unique in taken:
            counts[name] = counts.get(name, 0) + 1
            unique = f"{name}_{counts[name]}"
        taken.add(unique)
        found.append(unique)
    return found
