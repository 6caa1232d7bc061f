"""Mesh files that become objects: which object each of them is, and its shape in the frame of the data."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np

from voxcli.datasets.r2n2 import SPLITS, read_taxonomy
from voxcli.datasets.synthetic.folders import SPLIT
from voxcli.datasets.synthetic.objects.assets import as_object
from voxcli.datasets.synthetic.objects.families import FAMILIES
from voxcli.datasets.synthetic.objects.parts import ShapeObject, front_to_x
from voxcli.errors import DataError, UsageError, unknown_name
from voxcli.geometry.cameras import z_up_to_y_up
from voxcli.geometry.coloured import placement_of
from voxcli.scene import Mesh

FRONTS = ("x", "-x", "z", "-z")
"""Axes that a mesh's front may point along, +y up."""

_SHAPENET = re.compile(r"(?P<root>.*)/(?P<synset>\d{8})/(?P<name>[^/]+)/(model|models/(?P<v2>model_normalized))\.\w+")
"""Paths of ShapeNetCore: v1 has SYNSET/ID/model.obj, v2 has SYNSET/ID/models/model_normalized.obj."""

_SAME_NAMES = ("model", "models", "model_normalized", "mesh")
"""Of files and folders that every object of a tree has in a folder of its own."""

_NAMES = {family.synset: name for name, family in FAMILIES.items()} | {
    "03211117": "display", "03691459": "speaker", "04090263": "rifle", "04401088": "telephone", "04530566": "watercraft",
    "02834778": "bicycle", "02924116": "bus", "03790512": "motorcycle",
}  # fmt: skip
"""Categories of 3D-R2N2's data and of SSZ's, where no taxonomy.json names them."""

_ALMOST = 0.01
"""How far the middle and the diagonal of a mesh's box may be off 0 and 1 for it to count as placed already."""


@dataclass(frozen=True)
class MeshPlace:
    """A mesh file and where its object belongs. shown: the file's name within its source. front: one of FRONTS. beside: objects that its
    pictures show, too."""

    category: str
    synset: str
    name: str
    split: str
    file: str
    shown: str
    front: str = "x"
    beside: tuple[MeshPlace, ...] = ()


def find_places(
    sources: Iterable[tuple[str, str]], categories: Sequence[str] | None = None, front: str | None = None, taxonomy: str | None = None,
    twins: list[UsageError] | None = None,
) -> list[MeshPlace]:  # fmt: skip
    """The objects of mesh files, sorted by category and name, each tenth of a category for validation and two for tests.

    sources: (path, name relative to its source, without suffix) of each file. A tree of ShapeNetCore gives synset and id, its taxonomy.json
    beside the synsets their names. Others give CLASS/NAME; a file that lies in no folder of its source belongs to the class that the folder
    itself is named after. categories: names or folders to keep. front: of all meshes; else +x, and -z in ShapeNetCore v2, as these say.
    taxonomy: a file as Pix2Vox's ShapeNet.json. It gives names and splits, and what it does not list is left out.
    twins: takes the error of each file that would be an object that is there; None raises it.
    Raises UsageError where two files are one object, or nothing is left.
    """
    found: dict[tuple[str, str], MeshPlace] = {}
    taxonomies: dict[str, Mapping[str, str]] = {}
    for path, relative in sources:
        absolute = Path(os.path.abspath(path)).as_posix()
        of_shapenet = _SHAPENET.fullmatch(absolute)
        usual = "-z" if of_shapenet is not None and of_shapenet["v2"] else "x"
        if of_shapenet is not None:
            root, synset, name = of_shapenet["root"], of_shapenet["synset"], of_shapenet["name"]
            if root not in taxonomies:
                taxonomies[root] = _taxonomy(Path(root) / "taxonomy.json")
            category = taxonomies[root].get(synset, synset)
        else:
            synset, name = _class_and_name(PurePosixPath(relative).parts, absolute)
            category = synset
        if "\\" in synset + name:  # readers of lists refuse it, as it names a folder elsewhere
            raise UsageError(f"{path} makes the name of an object with a backslash.", hint="Rename the file or its folder.")
        twin = found.get((synset, name))
        if twin is not None:
            error = UsageError(f"Two meshes would be the object {synset}/{name}.", actual=f"{twin.file} and {path}", hint="Rename one.")
            if twins is None:
                raise error
            twins.append(error)
            continue
        found[synset, name] = MeshPlace(category, synset, name, "", path, relative + Path(path).suffix, front or usual)
    if taxonomy is not None:
        listed = {
            (str(entry["taxonomy_id"]), name): {"category": str(entry["taxonomy_name"]), "split": split}
            for entry in read_taxonomy(Path(taxonomy))
            for split in SPLITS
            for name in entry[split]
        }
        named = {key: listed[key] for key in found if key in listed}
        found = {key: replace(found[key], category=entry["category"], split=entry["split"]) for key, entry in named.items()}
        if not found:
            raise UsageError(f"'{taxonomy}' lists none of these meshes.", expected="their SYNSET and ID in it")
    known = dict.fromkeys(each for place in found.values() for each in (place.category, place.synset))
    for each in categories or ():
        if each not in known:
            raise unknown_name("category", each, known)
    kept = [found[key] for key in sorted(found) if categories is None or {found[key].category, found[key].synset} & {*categories}]
    if not kept:
        raise UsageError("There are no meshes of these categories.", expected=", ".join(known))
    return _with_splits(kept) if taxonomy is None else kept


def _with_splits(places: Sequence[MeshPlace]) -> list[MeshPlace]:
    numbers: dict[str, int] = {}
    out = []
    for place in places:
        number = numbers.setdefault(place.synset, 0)
        numbers[place.synset] += 1
        out.append(replace(place, split=SPLIT[number % len(SPLIT)]))
    return out


def _class_and_name(parts: Sequence[str], absolute: str) -> tuple[str, str]:
    """Of a file, from the parts of its relative name without suffix."""
    own = [part for part in parts if part not in ("/", "..")]
    above = PurePosixPath(absolute).parts[-len(own) - 1].strip("/") or "object"
    while len(own) > 1 and own[-1] in _SAME_NAMES:
        own.pop()
    if len(own) == 1:
        return above, own[0]
    return own[0], "-".join(own[1:])


def _taxonomy(path: Path) -> Mapping[str, str]:
    """Name by synset, as ShapeNetCore's taxonomy.json says, the first word for each; without one, the names that voxcli knows."""
    try:
        return {str(each["synsetId"]): str(each["name"]).split(",")[0] for each in json.loads(path.read_bytes())}
    except FileNotFoundError:
        return _NAMES
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"'{path}' cannot be read as ShapeNet's taxonomy.", actual=f"{type(error).__name__}: {error}",
                        expected='[{"synsetId": "02691156", "name": "airplane,aeroplane", ...}]') from error  # fmt: skip


def shape_of(mesh: Mesh, place: MeshPlace, up: str = "y") -> ShapeObject:
    """The mesh in the frame of ShapeNetCore v1: +y up, front +x, its box about the origin with a diagonal of 1.

    One that is so already, to one per cent, keeps its coordinates. up: axis that points up in the file, y or z; the front is named as it
    is after that. Raises DataError for a mesh without faces, extent or area.
    """
    if not len(mesh.faces):
        raise DataError("The mesh has no faces: there is nothing to see.")
    used, faces = np.unique(mesh.faces, return_inverse=True)
    vertices = mesh.vertices[used].astype(np.float64)
    vertices = turned_to_x(z_up_to_y_up(vertices) if up == "z" else vertices, place.front)
    placement = placement_of(vertices)
    if not (abs(placement.diagonal - 1) < _ALMOST and np.abs(placement.middle).max() < _ALMOST):
        vertices = placement.own(vertices)
    faces = faces.reshape(-1, 3)
    corners = vertices[faces]
    if not np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1).sum() > 0:
        raise DataError("The mesh has no area: all its faces are lines or points.")
    own = Mesh(vertices, faces, mesh.face_colors, None if mesh.vertex_colors is None else mesh.vertex_colors[used],
               face_parts=mesh.face_parts, part_names=mesh.part_names)  # fmt: skip
    family = next((f for name, f in FAMILIES.items() if name == place.category or f.synset == place.synset), None)
    known = () if family is None else family.part_names
    named = any(part in name.lower().split("/") for name in mesh.part_names for part in known)
    return as_object(place.category, known if named else ("object",), own)


def turned_to_x(points: np.ndarray, front: str) -> np.ndarray:
    """Points [..., 3] of an object whose front is an axis of FRONTS, turned about +y so that it is +x."""
    for _ in range({"x": 0, "z": 1, "-x": 2, "-z": 3}[front]):
        points = front_to_x(points)
    return points
