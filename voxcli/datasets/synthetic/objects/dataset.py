"""Data sets of objects on disk: resumable, in parallel, and the same bytes for any number of workers.

DIR/meta.json                                                       what made it
DIR/objects/SYNSET/ID/model.glb points.ply voxels.npz views.json    mesh by parts, surface samples, coloured 64^3 voxels, lights
layout r2n2 (3D-R2N2):
DIR/ShapeNetRendering/SYNSET/ID/rendering/00.png .. rendering_metadata.txt renderings.txt
DIR/ShapeNetVox32/SYNSET/ID/model.binvox                            written last: an object with it is whole
DIR/ShapeNet.json                                                   taxonomy and split, as Pix2Vox has it
layout disn (DISN, UCLID-Net):
DIR/renderings_rgb/ShapeNet/SYNSET/ID/easy|hard/00.png .. rendering_metadata.txt
DIR/renderings_depth/ShapeNet/SYNSET/ID/easy|hard/00.png            16 bits, units of 0.1 mm (of a shape whose box diagonal is 1 m)
DIR/SurfaceSamples/ShapeNet/SYNSET/ID.ply                           written last
DIR/splits/train.json val.json test.json                            {"ShapeNet": {SYNSET: [ID]}}
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from voxcli.datasets.synthetic.folders import check_counts, make_missing, open_folder
from voxcli.datasets.synthetic.objects.assets import AssetShelf, asset_paths, load_shelf
from voxcli.datasets.synthetic.objects.families import FAMILIES
from voxcli.datasets.synthetic.objects.layouts import WRITERS
from voxcli.datasets.synthetic.objects.parts import ShapeObject
from voxcli.datasets.synthetic.objects.places import Place
from voxcli.errors import UsageError, unknown_name
from voxcli.provenance import make_meta, sha256_file
from voxcli.seeds import item_seed


@dataclass(frozen=True)
class ObjectsConfig:
    """categories take turns; views of each object (disn: of its easy and of its hard set); layout r2n2 or disn."""

    categories: tuple[str, ...] = tuple(FAMILIES)
    views: int = 24
    layout: str = "r2n2"

    def __post_init__(self) -> None:
        for name in self.categories:
            if name not in FAMILIES:
                raise unknown_name("category", name, FAMILIES)
        if not self.categories or len(set(self.categories)) != len(self.categories):
            raise UsageError("Each category may be named once.", actual=", ".join(self.categories) or "none")
        if self.layout not in WRITERS:
            raise unknown_name("layout", self.layout, WRITERS)
        if not 1 <= self.views <= 100:
            raise UsageError("An object is seen from 1 to 100 views.", actual=self.views)


def place_of(index: int, seed: int, config: ObjectsConfig) -> Place:
    """The index-th object of a data set."""
    return Place(config.categories[index % len(config.categories)], index // len(config.categories), seed)


def make_object(place: Place, shelf: AssetShelf | None = None) -> tuple[ShapeObject, np.random.Generator]:
    """The object of a place, and the generator that goes on to draw its views: a function of seed, category and number alone."""
    rng = np.random.default_rng(item_seed(place.seed, f"{place.category}/{place.number}"))
    family = FAMILIES[place.category]
    if shelf is not None and shelf.has(place.category) and rng.random() < 1 / 3:
        return shelf.draw(place.category, rng), rng
    return family.make(rng), rng


def write_dataset(
    out_dir: str | Path,
    count: int,
    seed: int = 0,
    config: ObjectsConfig | None = None,
    assets_dir: str | Path | None = None,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Write objects 0..count-1 of a seed into a folder; whole ones that are there already are kept. -> how many were made now

    progress: called with (objects done, count), first with what was there.
    Raises UsageError where the folder holds a data set that was made with other options.
    """
    out_dir, config = Path(out_dir), config or ObjectsConfig()
    check_counts(count, workers, "object")
    inputs = {}
    if assets_dir is not None:
        inputs = {f"{p.parent.name}/{p.name}": sha256_file(p) for paths in asset_paths(Path(assets_dir)).values() for p in paths}
    frame = "ShapeNetCore v1: +y up, front +x, box diagonal 1"
    meta = make_meta("objects-dataset", "synth objects", asdict(config), inputs, seed, frame, "box diagonals")
    shelf = load_shelf(assets_dir)  # before anything is made: it may be of no use
    open_folder(out_dir, meta, "objects")
    writer = WRITERS[config.layout]
    places = [place_of(k, seed, config) for k in range(count)]
    missing = [p for p in places if not writer.marker(out_dir, p).exists()]
    made = make_missing(_Work(str(out_dir), config, shelf), missing, count, workers, 1, _start_worker, progress)
    writer.write_index(out_dir, [p for p in _everything(out_dir, seed, config) if writer.marker(out_dir, p).exists()])
    return made


def _everything(out_dir: Path, seed: int, config: ObjectsConfig) -> list[Place]:
    """All places of this seed that the folder has, also those beyond the count of this run."""
    found = []
    for category in config.categories:
        for folder in sorted((out_dir / "objects" / FAMILIES[category].synset).glob(f"s{seed}-??????")):
            found.append(Place(category, int(folder.name.rpartition("-")[2]), seed))
    return found


@dataclass(frozen=True)
class _Work:
    """Makes the objects of a piece; travels to workers together with the assets."""

    out_dir: str
    config: ObjectsConfig
    shelf: AssetShelf | None

    def __call__(self, places: Sequence[Place]) -> None:
        for place in places:
            thing, rng = make_object(place, self.shelf)
            WRITERS[self.config.layout].write(Path(self.out_dir), place, thing, rng, self.config.views)


def _start_worker() -> None:
    """One thread a worker, and all that is heavy to import."""
    import torch

    torch.set_num_threads(1)
