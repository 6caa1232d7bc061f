"""Data sets of a user's meshes: each mesh becomes one object, seen and measured as those of `synth objects`.

DIR/meta.json                 what made it
DIR/sources/SYNSET/ID.json    of which file an object was made, its category and split; written last: an object with it is whole
The rest is the layout's: see layouts.py and street_layout.py.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from voxcli.atomic import atomic_write_bytes
from voxcli.datasets.disn import KINDS
from voxcli.datasets.pictures import read_json
from voxcli.datasets.synthetic.folders import FolderGenerator
from voxcli.datasets.synthetic.objects.dataset import BACKGROUNDS
from voxcli.datasets.synthetic.objects.layouts import MESH_LAYOUTS, Layout
from voxcli.datasets.synthetic.objects.meshes import FRONTS, MeshPlace, shape_of
from voxcli.datasets.synthetic.objects.shooting import Shots
from voxcli.datasets.synthetic.objects.street_layout import StreetLayout
from voxcli.errors import DataError, UsageError, VoxcliError, unknown_name
from voxcli.files.whole import is_whole
from voxcli.provenance import Json, make_meta, sha256_file
from voxcli.scene import Mesh
from voxcli.seeds import item_seed

STREET = "street"
VIEW_LAYOUTS = (*MESH_LAYOUTS, STREET)
VIEWS = {"disn": 36}
"""Pictures of an object (disn: of its easy and of its hard set) where nothing else is asked for; else 24."""

_R2N2 = {"rendering": ("ShapeNetRendering/{}/rendering", "{}/rendering")}
_DISN = {kind: (f"renderings_rgb/ShapeNet/{{}}/{kind}", f"image/{{}}/{kind}", f"{{}}/{kind}") for kind in KINDS}
"""Where a real data set may state the views of SYNSET/ID, by set of views."""


@dataclass(frozen=True)
class ViewsConfig:
    """layout: a name of VIEW_LAYOUTS. views: pictures of each set. size: pixels of a side (street: also cells of a side of the grid).
    cells: of the solid voxels. backgrounds: plain or photo. up: axis of the meshes that points up. cameras: folder of a real data set whose
    metadata give the views. classes: of a street data set; objects: in each of its pictures.
    """

    layout: str = "r2n2"
    views: int | None = None
    size: int | None = None
    cells: int = 32
    backgrounds: str = "plain"
    up: str = "y"
    front: str | None = None
    cameras: str | None = None
    classes: tuple[str, ...] = ()
    objects: int = 1

    def __post_init__(self) -> None:
        for kind, name, known in (
            ("layout", self.layout, VIEW_LAYOUTS), ("kind of backgrounds", self.backgrounds, BACKGROUNDS), ("axis", self.up, ("y", "z")),
            ("axis", self.front or FRONTS[0], FRONTS),
        ):  # fmt: skip
            if name not in known:
                raise unknown_name(kind, name, known)
        if self.views is not None and not 1 <= self.views <= 100:
            raise UsageError("An object is seen from 1 to 100 views.", actual=self.views)
        if self.objects != 1 and self.layout != STREET:
            raise UsageError("Pictures of several objects are of the layout 'street'.", expected="--layout street", actual=self.layout)
        if self.cameras is not None and self.layout == STREET:
            raise UsageError("The cameras of real data sets do not fit the frustum of the layout 'street'.", hint="Leave out --cameras.")
        if self.cameras is not None and self.views is not None:
            raise UsageError("The metadata of --cameras say how many views there are.", hint="Leave out --views.")
        if self.layout == STREET and len(self.classes) > 254:
            raise UsageError("A grid of labels holds up to 254 categories.", actual=len(self.classes), hint="Name some: --categories.")

    def facts(self) -> dict[str, Json]:
        """All of it for meta.json."""
        own = {name: value for name, value in vars(self).items() if name != "objects" or value != 1}
        return {**own, "views": self.count, "classes": list(self.classes), "cameras": self.cameras and Path(self.cameras).name}

    @property
    def count(self) -> int | None:
        """Pictures of each set of views; None where metadata say it."""
        return None if self.cameras is not None else self.views or VIEWS.get(self.layout, 24)


@dataclass(frozen=True)
class MeshViews:
    """Makes all of one object of its mesh file. A function of the seed, the options and the file alone. Travels to worker processes."""

    seed: int
    config: ViewsConfig

    @property
    def layout(self) -> Layout:
        """How files are laid out."""
        return StreetLayout(self.config.classes) if self.config.layout == STREET else MESH_LAYOUTS[self.config.layout]

    def write(self, folder: Path, place: MeshPlace) -> None:
        """Write all files of one object. Raises DataError or FileFormatError for a mesh that is of no use, or without metadata."""
        from voxcli import files

        shots = self._shots(place)
        things = [shape_of(files.read_as(each.file, Mesh), each, self.config.up) for each in (place, *place.beside)]
        rng = np.random.default_rng(item_seed(self.seed, f"{place.synset}/{place.name}"))
        path = _source_path(folder, place)
        if path.exists():  # meshes that came before it may have moved it into another split
            old = replace(place, split=str(read_json(path, "source of an object").get("split")))
            for left in {*self.layout.files(folder, old, shots)} - {*self.layout.files(folder, place, shots)}:
                left.unlink(missing_ok=True)
            path.unlink()
        shots = replace(shots, truth=item_seed(self.seed, f"{place.synset}/{place.name}/truth"))
        if isinstance(self.layout, StreetLayout):
            self.layout.write_scenes(folder, place, things, rng, shots)
        else:
            self.layout.write(folder, place, things[0], rng, shots)
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write_bytes(path, _source_bytes(place, shots), overwrite=True)

    def files(self, folder: Path, place: MeshPlace) -> list[Path]:
        """The files of one object. Raises DataError where metadata lack it."""
        return [*self.layout.files(folder, place, self._shots(place)), _source_path(folder, place)]

    def is_whole(self, folder: Path, place: MeshPlace) -> bool:
        """Whether the folder holds all of an object as its mesh file is now."""
        try:
            written = _source_path(folder, place).read_bytes()
        except OSError:
            return False
        try:
            shots = self._shots(place)
            return written == _source_bytes(place, shots) and all(map(is_whole, self.layout.files(folder, place, shots)))
        except VoxcliError:  # told where the object is made
            return False

    def _shots(self, place: MeshPlace) -> Shots:
        config = self.config
        metadata = {}
        if config.cameras is not None:
            for kind, patterns in (_DISN if config.layout == "disn" else _R2N2).items():
                paths = [
                    Path(config.cameras) / pattern.format(f"{place.synset}/{place.name}") / "rendering_metadata.txt" for pattern in patterns
                ]
                metadata[kind] = next((path for path in paths if path.is_file()), paths[0])
                if not metadata[kind].is_file():
                    raise DataError(f"{place.file}: '{config.cameras}' states no views of {place.synset}/{place.name}.",
                                    expected=str(paths[0]))  # fmt: skip
        return Shots(config.count or 0, config.backgrounds == "photo", config.size, config.cells, metadata)


def _source_path(folder: Path, place: MeshPlace) -> Path:
    return folder / "sources" / place.synset / f"{place.name}.json"


def _source_bytes(place: MeshPlace, shots: Shots) -> bytes:
    facts: dict[str, Json] = {"category": place.category, "split": place.split, "file": place.shown, "front": place.front,
                              "sha256": sha256_file(place.file)}  # fmt: skip
    if place.beside:
        facts["beside"] = {f"{each.synset}/{each.name}": sha256_file(each.file) for each in place.beside}
    if shots.metadata:
        facts["cameras"] = {kind: sha256_file(path) for kind, path in sorted(shots.metadata.items())}
    return json.dumps(facts, indent=1, sort_keys=True).encode() + b"\n"


_ALL_LAYOUTS: tuple[Layout, ...] = (*MESH_LAYOUTS.values(), StreetLayout(()))


class ViewsGenerator(FolderGenerator):
    """The data set of some meshes."""

    item, data_set = "object", "views of meshes"
    patterns = tuple(dict.fromkeys(["sources/*/*.json", *(p for each in _ALL_LAYOUTS for p in each.patterns)]))

    def __init__(self, places: Sequence[MeshPlace], seed: int = 0, config: ViewsConfig | None = None):
        self.places, self.maker = list(places), MeshViews(seed, config or ViewsConfig())

    def meta(self) -> Mapping[str, Json]:
        frame = "ShapeNetCore v1: +y up, front +x, box diagonal 1"
        return make_meta("views-dataset", "synth views", self.maker.config.facts(), {}, self.maker.seed, frame, "box diagonals")

    def files(self, folder: Path, index: int) -> list[Path]:
        return self.maker.files(folder, self.places[index])

    def is_whole(self, folder: Path, index: int) -> bool:
        return self.maker.is_whole(folder, self.places[index])

    def write_item(self, folder: Path, index: int) -> None:
        self.maker.write(folder, self.places[index])

    def finish(self, folder: Path) -> None:
        """List all objects that the folder has, also those of meshes that this run was not given."""
        places = []
        for path in sorted((folder / "sources").glob("*/*.json")):
            facts = read_json(path, "source of an object")
            places.append(MeshPlace(facts["category"], path.parent.name, path.stem, facts["split"], "", facts["file"]))
        self.maker.layout.write_index(folder, places)
