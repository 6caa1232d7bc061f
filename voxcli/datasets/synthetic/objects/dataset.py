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
with backgrounds `photo`:
DIR/.../00.png ..                                                   224 x 224; colours of the whole photograph, alpha the object's mask
DIR/ShapeNetRendering/SYNSET/ID/rendering/transforms.json           the cameras (layout r2n2)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from voxcli.datasets.synthetic.assets import AssetShelf
from voxcli.datasets.synthetic.folders import FolderGenerator
from voxcli.datasets.synthetic.objects.assets import draw, load_shelf
from voxcli.datasets.synthetic.objects.families import FAMILIES
from voxcli.datasets.synthetic.objects.layouts import LAYOUTS
from voxcli.datasets.synthetic.objects.parts import ShapeObject, normalised
from voxcli.datasets.synthetic.objects.places import DrawnPlace
from voxcli.datasets.synthetic.objects.shooting import Shots
from voxcli.errors import UsageError, unknown_name
from voxcli.files.whole import is_whole
from voxcli.provenance import Json, make_meta
from voxcli.seeds import item_seed

BACKGROUNDS = ("plain", "photo")
ASSET_SHARE = 1 / 3
MAX_STRETCH = 4.0


@dataclass(frozen=True)
class ObjectsConfig:
    """categories take turns; views of each object (disn: of its easy and of its hard set); layout r2n2 or disn; backgrounds plain (none)
    or photo (see objects/photo); asset_share: of the objects of categories that have assets, whose are from these; stretch: each axis of an
    object is scaled by a factor from 1 / stretch to stretch."""

    categories: tuple[str, ...] = tuple(FAMILIES)
    views: int = 24
    layout: str = "r2n2"
    backgrounds: str = "plain"
    asset_share: float = ASSET_SHARE
    stretch: float = 1.0

    def __post_init__(self) -> None:
        if self.backgrounds not in BACKGROUNDS:
            raise unknown_name("kind of backgrounds", self.backgrounds, BACKGROUNDS)
        if not 0 <= self.asset_share <= 1:
            raise UsageError("The share of assets is out of range.", expected="0 to 1", actual=self.asset_share)
        if not 1 <= self.stretch <= MAX_STRETCH:
            raise UsageError("The stretch is out of range.", expected=f"1 to {MAX_STRETCH:g}", actual=self.stretch)
        for name in self.categories:
            if name not in FAMILIES:
                raise unknown_name("category", name, FAMILIES)
        if not self.categories or len(set(self.categories)) != len(self.categories):
            raise UsageError("Each category may be named once.", actual=", ".join(self.categories) or "none")
        if self.layout not in LAYOUTS:
            raise unknown_name("layout", self.layout, LAYOUTS)
        if not 1 <= self.views <= 100:
            raise UsageError("An object is seen from 1 to 100 views.", actual=self.views)

    def facts(self) -> dict[str, Json]:
        """All of it for meta.json. What came later stands there where it is not the default: older data sets go on."""
        later = {"backgrounds": "plain", "asset_share": ASSET_SHARE, "stretch": 1.0}
        return {key: value for key, value in asdict(self).items() if key not in later or value != later[key]}


def place_of(index: int, seed: int, config: ObjectsConfig) -> DrawnPlace:
    """The index-th object of a data set."""
    return DrawnPlace(config.categories[index % len(config.categories)], index // len(config.categories), seed)


def make_object(
    place: DrawnPlace, shelf: AssetShelf[ShapeObject] | None = None, asset_share: float = ASSET_SHARE, stretch: float = 1.0
) -> tuple[ShapeObject, np.random.Generator]:
    """The object of a place, and the generator that goes on to draw its views: a function of seed, category and number alone.

    stretch: above 1, each axis is scaled by a factor between 1 / stretch and stretch, its logarithm drawn evenly.
    """
    rng = np.random.default_rng(item_seed(place.seed, f"{place.category}/{place.number}"))
    if shelf is not None and place.category in shelf and rng.random() < asset_share:
        thing = draw(shelf, place.category, rng)
    else:
        thing = FAMILIES[place.category].make(rng)
    if stretch > 1:
        thing = replace(thing, vertices=normalised(thing.vertices * stretch ** (2 * rng.random(3) - 1)))
    return thing, rng


class ObjectsGenerator(FolderGenerator):
    """The objects of a seed. assets_dir: one folder a category with meshes. Where all objects are from these, the categories are those that
    have any. Raises UsageError where none of the chosen ones has.
    """

    item, data_set = "object", "objects"
    patterns = tuple(dict.fromkeys(pattern for layout in LAYOUTS.values() for pattern in layout.patterns))
    chunk = 1

    def __init__(self, seed: int = 0, config: ObjectsConfig | None = None, assets_dir: str | Path | None = None):
        self.seed, self.config, self.shelf = seed, config or ObjectsConfig(), load_shelf(assets_dir)
        if self.config.asset_share == 1:
            kept = tuple(name for name in self.config.categories if name in self.shelf)
            if not kept:
                raise UsageError("All objects shall be assets, and there are none of these categories.",
                                 expected="--assets DIR with their folders", actual=", ".join(self.shelf.things) or None)  # fmt: skip
            self.config = replace(self.config, categories=kept)
        self.layout = LAYOUTS[self.config.layout]
        self.shots = Shots(self.config.views, self.config.backgrounds == "photo")

    def meta(self) -> Mapping[str, Json]:
        frame = "ShapeNetCore v1: +y up, front +x, box diagonal 1"
        return make_meta("objects-dataset", "synth objects", self.config.facts(), self.shelf.digests, self.seed, frame, "box diagonals")

    def files(self, folder: Path, index: int) -> list[Path]:
        return self.layout.files(folder, place_of(index, self.seed, self.config), self.shots)

    def write_item(self, folder: Path, index: int) -> None:
        place = place_of(index, self.seed, self.config)
        thing, rng = make_object(place, self.shelf, self.config.asset_share, self.config.stretch)
        self.layout.write(folder, place, thing, rng, self.shots)

    def finish(self, folder: Path) -> None:
        """List all objects of this seed that the folder has, also those beyond the count of this run."""
        places = []
        for category in self.config.categories:
            for own in sorted((folder / "objects" / FAMILIES[category].synset).glob(f"s{self.seed}-??????")):
                places.append(DrawnPlace(category, int(own.name.rpartition("-")[2]), self.seed))
        self.layout.write_index(folder, [place for place in places if is_whole(self.layout.marker(folder, place))])
