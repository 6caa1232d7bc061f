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

import json
from collections.abc import Callable, Generator
from concurrent.futures import FIRST_COMPLETED, wait
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from voxcli.atomic import atomic_write_bytes
from voxcli.datasets.synthetic.objects.assets import AssetShelf, asset_paths, load_shelf
from voxcli.datasets.synthetic.objects.families import FAMILIES
from voxcli.datasets.synthetic.objects.layouts import WRITERS
from voxcli.datasets.synthetic.objects.parts import ShapeObject
from voxcli.errors import UsageError, unknown_name
from voxcli.processes import worker_pool
from voxcli.provenance import make_meta, sha256_file
from voxcli.seeds import item_seed

SPLIT = ("train", "test", "train", "train", "val", "train", "train", "test", "train", "train")
"""Which split the k-th object of a category belongs to, k modulo 10: 7 : 1 : 2 as Pix2Vox has it, and a test object from two on."""


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


@dataclass(frozen=True)
class Place:
    """Where one object of a data set belongs. number: among those of its category."""

    category: str
    number: int
    seed: int

    @property
    def synset(self) -> str:
        """The category's folder."""
        return FAMILIES[self.category].synset

    @property
    def name(self) -> str:
        """The object's folder."""
        return f"s{self.seed}-{self.number:06d}"

    @property
    def split(self) -> str:
        """train, val or test."""
        return SPLIT[self.number % len(SPLIT)]


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
    if count < 1 or workers < 1:
        raise UsageError("A data set needs at least one object and one worker.", actual=f"count {count}, workers {workers}")
    inputs = {}
    if assets_dir is not None:
        inputs = {f"{p.parent.name}/{p.name}": sha256_file(p) for paths in asset_paths(Path(assets_dir)).values() for p in paths}
    frame = "ShapeNetCore v1: +y up, front +x, box diagonal 1"
    _open_folder(out_dir, make_meta("objects-dataset", "synth objects", asdict(config), inputs, seed, frame, "box diagonals"))
    writer = WRITERS[config.layout]
    places = [place_of(k, seed, config) for k in range(count)]
    missing = [p for p in places if not writer.marker(out_dir, p).exists()]
    done = count - len(missing)
    report = progress or (lambda done, count: None)
    report(done, count)
    with closing(_run(missing, str(out_dir), config, assets_dir, workers)) as running:
        for _ in running:
            done += 1
            report(done, count)
    writer.write_index(out_dir, [p for p in _everything(out_dir, seed, config) if writer.marker(out_dir, p).exists()])
    return len(missing)


def _everything(out_dir: Path, seed: int, config: ObjectsConfig) -> list[Place]:
    """All places of this seed that the folder has, also those beyond the count of this run."""
    found = []
    for category in config.categories:
        for folder in sorted((out_dir / "objects" / FAMILIES[category].synset).glob(f"s{seed}-??????")):
            found.append(Place(category, int(folder.name.rpartition("-")[2]), seed))
    return found


def _open_folder(out_dir: Path, meta: dict[str, Any]) -> None:
    """Make the folder with its meta.json, or check that it holds the same data set."""
    path = out_dir / "meta.json"
    text = json.dumps(meta, indent=1, sort_keys=True).encode() + b"\n"
    if path.exists():
        if path.read_bytes() != text:
            raise UsageError(
                f"{out_dir} holds a data set that was made with other options.", hint="Choose another folder, or the same seed and options."
            )
        return
    if out_dir.is_dir() and any(out_dir.iterdir()):
        raise UsageError(f"{out_dir} is not empty, and no data set of objects.", hint="Choose another folder.")
    out_dir.mkdir(parents=True, exist_ok=True)
    atomic_write_bytes(path, text)


_shelf: AssetShelf | None = None


def _start_worker(assets_dir: str | None) -> None:
    """One thread a worker, and the assets in memory."""
    import torch

    global _shelf
    torch.set_num_threads(1)
    _shelf = load_shelf(assets_dir)


def _make(out_dir: str, config: ObjectsConfig, place: Place) -> None:
    thing, rng = make_object(place, _shelf)
    WRITERS[config.layout].write(Path(out_dir), place, thing, rng, config.views)


def _run(
    places: list[Place], out_dir: str, config: ObjectsConfig, assets_dir: str | Path | None, workers: int
) -> Generator[None, None, None]:
    """Make objects here or in processes; yields once for each that is done."""
    if not places:
        return
    folder = None if assets_dir is None else str(assets_dir)
    if workers == 1:
        global _shelf
        _shelf = load_shelf(folder)
        for place in places:
            _make(out_dir, config, place)
            yield
        return
    with worker_pool(workers, _start_worker, (folder,)) as pool:
        waiting = {pool.submit(_make, out_dir, config, place) for place in places}
        while waiting:
            finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for future in finished:
                yield future.result()
