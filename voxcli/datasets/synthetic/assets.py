"""Meshes that users give to the generators (`--assets DIR`): one folder a category, +y up, front along +z."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np

from voxcli.errors import DataError
from voxcli.provenance import sha256_file
from voxcli.scene import Mesh

SUFFIXES = (".glb", ".gltf", ".obj", ".ply", ".off", ".stl")
"""Of the files that are read."""

Thing = TypeVar("Thing")


@dataclass(frozen=True)
class AssetShelf(Generic[Thing]):
    """Usable assets by category, and the SHA-256 of every mesh file by `category/file`. Empty where the user gave no folder."""

    things: Mapping[str, Sequence[Thing]] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)

    def __contains__(self, category: str) -> bool:
        return bool(self.things.get(category))

    def pick(self, category: str, rng: np.random.Generator) -> Thing:
        """One of a category, drawn at random."""
        return self.things[category][int(rng.integers(len(self.things[category])))]


def asset_paths(
    folder: str | Path, categories: Collection[str] | None = None, suffixes: Collection[str] = SUFFIXES
) -> dict[str, list[Path]]:
    """The mesh files, sorted, of every folder that is named after one of the categories; of every folder unless these are given.

    Raises DataError where there is no folder, or no mesh in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"There is no folder '{folder}' with assets.", hint="One folder a category: car/sedan.glb, chair/armchair.obj.")
    names = sorted(p.name for p in folder.iterdir() if p.is_dir()) if categories is None else categories
    found = {name: sorted(p for p in (folder / name).glob("*") if p.suffix.lower() in suffixes) for name in names}
    found = {name: paths for name, paths in found.items() if paths}
    if not found:
        expected = "named after their categories" if categories is None else f"named {', '.join(categories)}"
        raise DataError(f"'{folder}' holds no usable asset.", expected=f"folders {expected}", actual="none with meshes")
    return found


def load_assets(
    folder: str | Path | None,
    convert: Callable[[str, Mesh], Thing | None],
    categories: Collection[str] | None = None,
    suffixes: Collection[str] = SUFFIXES,
) -> AssetShelf[Thing]:
    """Read all files of asset_paths; an empty shelf for no folder. convert: category and mesh to an asset, None where it is of no use.

    Raises DataError where none is left.
    """
    from voxcli import files

    if folder is None:
        return AssetShelf()
    things: dict[str, list[Thing]] = {}
    digests: dict[str, str] = {}
    for category, paths in asset_paths(folder, categories, suffixes).items():
        found = [convert(category, files.read_as(path, Mesh)) for path in paths]
        things[category] = [thing for thing in found if thing is not None]
        digests.update((f"{category}/{path.name}", sha256_file(path)) for path in paths)
    if not any(things.values()):
        raise DataError(f"'{folder}' holds no usable asset.", expected="meshes that are not too large", actual=", ".join(digests))
    return AssetShelf(things, digests)


def face_colours(mesh: Mesh) -> np.ndarray:
    """Colours of the faces [F, 3] float32 in 0..1: their own, the mean of their corners', or a grey."""
    if mesh.face_colors is not None:
        return mesh.face_colors[:, :3].astype(np.float32) / 255
    if mesh.vertex_colors is not None:
        return mesh.vertex_colors[mesh.faces][:, :, :3].mean(1).astype(np.float32) / 255
    return np.full((len(mesh.faces), 3), 0.6, np.float32)


def is_uncoloured(colours: np.ndarray) -> bool:
    """Whether colours [F, 3] are one colour, as those of a file without colours are."""
    return bool(np.ptp(colours, axis=0).max() < 0.02)


def is_closed(faces: np.ndarray) -> bool:
    """Whether every edge of faces [F, 3] has its twin that runs the other way, by vertex index: strict, so seams count as open."""
    if not len(faces):
        return False
    start, end = faces[:, [0, 1, 2]].ravel().astype(np.int64), faces[:, [1, 2, 0]].ravel().astype(np.int64)
    count = int(faces.max()) + 1
    forth, back = np.unique(start * count + end), np.unique(end * count + start)
    return len(forth) == len(start) and np.array_equal(forth, back)
