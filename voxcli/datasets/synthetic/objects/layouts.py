"""The files of one object in the layouts of 3D-R2N2, DISN and JOF, and the lists of all objects."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np

from voxcli.atomic import atomic_write_bytes
from voxcli.datasets.coloured_shapes import shape_bytes
from voxcli.datasets.disn import DEPTHS, KINDS, PICTURES, SAMPLES
from voxcli.datasets.r2n2 import CAMERAS, RENDERINGS, TAXONOMY, VOLUMES
from voxcli.datasets.synthetic.objects.parts import UNKNOWN_PART, ShapeObject
from voxcli.datasets.synthetic.objects.places import Place
from voxcli.datasets.synthetic.objects.shooting import Pictures, Shooting, Shots, depth_png, put_folder
from voxcli.datasets.synthetic.objects.views import (
    DISN_SIZE,
    R2N2_SIZE,
    disn_lines,
    disn_text,
    disn_views,
    r2n2_lines,
    r2n2_text,
    r2n2_views,
)
from voxcli.datasets.synthetic.objects.volumes import coloured_voxels, part_classes, point_cloud, solid_voxels, thinned, visible_samples
from voxcli.files import write
from voxcli.files.archive import npz_bytes
from voxcli.files.keyed import voxel_arrays
from voxcli.geometry.coloured import ColouredVolume, placement_of
from voxcli.provenance import Json
from voxcli.scene import Mesh, PointCloud

POINTS = 10_000
DRAWN = 45_000
"""Points on the surface of an object: in its file, and drawn to colour its voxels."""


def as_mesh(thing: ShapeObject) -> Mesh:
    """The object as a mesh with named, coloured parts."""
    known = thing.parts != UNKNOWN_PART
    names = (*thing.part_names, "other")
    colours = (thing.colours * 255 + 0.5).astype(np.uint8)
    return Mesh(
        thing.vertices, thing.faces, colours, face_parts=np.where(known, thing.parts, len(names) - 1).astype(np.int32), part_names=names
    )


def write_truth(out_dir: Path, place: Place, thing: ShapeObject, rng: np.random.Generator, views: dict[str, Json]) -> PointCloud:
    """What layouts have beside them: mesh, points, voxels, and what is told of the views."""
    folder = out_dir / "objects" / place.synset / place.name
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / "model.glb", as_mesh(thing), overwrite=True)
    drawn = visible_samples(thing, DRAWN, rng)
    cloud = point_cloud(thing, thinned(drawn, POINTS, rng))
    write(folder / "points.ply", cloud, overwrite=True)
    voxels = coloured_voxels(thing, drawn)
    atomic_write_bytes(folder / "voxels.npz", npz_bytes(voxel_arrays(voxels.grid) | {"colors": voxels.colours}), overwrite=True)
    facts = {"category": place.category, "split": place.split, "parts": list(part_classes(thing.part_names).names), "views": views}
    atomic_write_bytes(folder / "views.json", json.dumps(facts, indent=1).encode() + b"\n", overwrite=True)
    return cloud


def truth_files(out_dir: Path, place: Place) -> list[Path]:
    """What `write_truth` writes."""
    folder = out_dir / "objects" / place.synset / place.name
    return [folder / name for name in ("model.glb", "points.ply", "voxels.npz", "views.json")]


def _pictures(folder: Path, count: int, *others: str) -> list[Path]:
    """The files of a folder with `count` pictures."""
    return [folder / name for name in (*(f"{k:02d}.png" for k in range(count)), *others)]


def _renderings(out_dir: Path, place: Place) -> Path:
    return out_dir / RENDERINGS / place.synset / place.name / "rendering"


def _rendering_files(out_dir: Path, place: Place, shots: Shots) -> list[Path]:
    names = ("rendering_metadata.txt", "renderings.txt", *([CAMERAS] if shots.photo else []))
    return _pictures(_renderings(out_dir, place), shots.number("rendering", r2n2_lines), *names)


def _write_renderings(out_dir: Path, place: Place, thing: ShapeObject, rng: np.random.Generator, shots: Shots) -> Pictures:
    """The pictures and cameras of one object as 3D-R2N2 has them."""
    shooting, size = Shooting(thing, rng, shots), shots.pixels(R2N2_SIZE)
    views = shooting.views("rendering", r2n2_lines, partial(r2n2_views, rng, shots.count))
    made = shooting.pictures(views, size)
    names = "".join(f"{name}\n" for name in made.colour)
    text = {"rendering_metadata.txt": shots.text("rendering", views, r2n2_text), "renderings.txt": names.encode()}
    put_folder(_renderings(out_dir, place), made.colour | text | shooting.cameras(views, size))
    return made


def write_taxonomy(out_dir: Path, places: Sequence[Place]) -> None:
    """ShapeNet.json: the taxonomy with its splits, as Pix2Vox has it."""
    taxonomy = []
    for synset in dict.fromkeys(p.synset for p in places):
        own = [p for p in places if p.synset == synset]
        names = {split: [p.name for p in own if p.split == split] for split in ("train", "val", "test")}
        taxonomy.append({"taxonomy_id": synset, "taxonomy_name": own[0].category, **names})
    atomic_write_bytes(out_dir / TAXONOMY, json.dumps(taxonomy, indent=1).encode() + b"\n", overwrite=True)


class Layout(Protocol):
    """What a layout does with one object. patterns: the files of any data set in it."""

    patterns: tuple[str, ...]

    def files(self, out_dir: Path, place: Place, shots: Shots) -> list[Path]:
        """The files of an object."""

    def write(self, out_dir: Path, place: Place, thing: ShapeObject, rng: np.random.Generator, shots: Shots) -> None:
        """Write all files of one object."""

    def write_index(self, out_dir: Path, places: Sequence[Place]) -> None:
        """Write what lists all objects."""


class R2N2Layout:
    """ShapeNetRendering and ShapeNetVox32."""

    patterns: tuple[str, ...] = ("objects/*/*/*.*", "ShapeNetRendering/*/*/rendering/*", "ShapeNetVox32/*/*/model.binvox", "ShapeNet.json")

    def marker(self, out_dir: Path, place: Place) -> Path:
        """The file that is written last."""
        return out_dir / VOLUMES / place.synset / place.name / "model.binvox"

    def files(self, out_dir: Path, place: Place, shots: Shots) -> list[Path]:
        """The files of an object."""
        return [*truth_files(out_dir, place), *_rendering_files(out_dir, place, shots), self.marker(out_dir, place)]

    def write(self, out_dir: Path, place: Place, thing: ShapeObject, rng: np.random.Generator, shots: Shots) -> None:
        """All files of one object."""
        made = _write_renderings(out_dir, place, thing, rng, shots)
        rng = shots.truth_rng(rng)
        write_truth(out_dir, place, thing, rng, {"lights": list(made.lights)})
        write(self.marker(out_dir, place), solid_voxels(thing, rng, shots.cells), overwrite=True)

    def write_index(self, out_dir: Path, places: Sequence[Place]) -> None:
        """ShapeNet.json."""
        write_taxonomy(out_dir, places)


class JOFLayout:
    """ShapeNetRendering, and a .mat file of coloured voxels and point-value pairs. It has no folder `objects`, so that these are read."""

    patterns: tuple[str, ...] = ("ShapeNetRendering/*/*/rendering/*", "*/*.mat", "ShapeNet.json")

    def marker(self, out_dir: Path, place: Place) -> Path:
        """The file that is written last."""
        return out_dir / place.synset / f"{place.name}.mat"

    def files(self, out_dir: Path, place: Place, shots: Shots) -> list[Path]:
        """The files of an object."""
        return [*_rendering_files(out_dir, place, shots), self.marker(out_dir, place)]

    def write(self, out_dir: Path, place: Place, thing: ShapeObject, rng: np.random.Generator, shots: Shots) -> None:
        """All files of one object."""
        _write_renderings(out_dir, place, thing, rng, shots)
        rng = shots.truth_rng(rng)
        voxels = coloured_voxels(thing, visible_samples(thing, DRAWN, rng))
        assert voxels.grid.labels is not None
        volume = ColouredVolume(voxels.grid.labels > 0, voxels.colours, placement_of(thing.vertices))
        self.marker(out_dir, place).parent.mkdir(exist_ok=True)
        atomic_write_bytes(self.marker(out_dir, place), shape_bytes(volume, int(rng.integers(2**31))), overwrite=True)

    def write_index(self, out_dir: Path, places: Sequence[Place]) -> None:
        """ShapeNet.json."""
        write_taxonomy(out_dir, places)


class DISNLayout:
    """Easy and hard renderings with depth, and surface samples."""

    patterns: tuple[str, ...] = ("objects/*/*/*.*", "renderings_*/ShapeNet/*/*/*/*", "SurfaceSamples/ShapeNet/*/*.ply", "splits/*.json")

    def marker(self, out_dir: Path, place: Place) -> Path:
        """The file that is written last."""
        return out_dir / SAMPLES / "ShapeNet" / place.synset / f"{place.name}.ply"

    def files(self, out_dir: Path, place: Place, shots: Shots) -> list[Path]:
        """The files of an object."""
        pictures = [
            path
            for tree in (PICTURES, DEPTHS)
            for kind in KINDS
            for path in _pictures(
                out_dir / tree / "ShapeNet" / place.synset / place.name / kind, shots.number(kind, disn_lines), "rendering_metadata.txt"
            )
        ]
        return [*truth_files(out_dir, place), *pictures, self.marker(out_dir, place)]

    def write(self, out_dir: Path, place: Place, thing: ShapeObject, rng: np.random.Generator, shots: Shots) -> None:
        """All files of one object. Photographs are alike in both sets."""
        shooting, facts = Shooting(thing, rng, shots), {}
        for kind in KINDS:
            views = shooting.views(kind, disn_lines, partial(disn_views, rng, shots.count, kind == "hard", thing.vertices))
            made = shooting.pictures(views, shots.pixels(DISN_SIZE))
            facts[kind] = list(made.lights)
            text = {"rendering_metadata.txt": shots.text(kind, views, disn_text)}
            away = {name: depth_png(each) for name, each in made.depth.items()}
            for tree, files in ((PICTURES, made.colour), (DEPTHS, away)):
                put_folder(out_dir / tree / "ShapeNet" / place.synset / place.name / kind, files | text)
        cloud = write_truth(out_dir, place, thing, shots.truth_rng(rng), {"lights": facts})
        write(self.marker(out_dir, place), cloud, overwrite=True)

    def write_index(self, out_dir: Path, places: Sequence[Place]) -> None:
        """splits/train.json, val.json and test.json."""
        for split in ("train", "val", "test"):
            names: dict[str, list[str]] = {}
            for place in places:
                if place.split == split:
                    names.setdefault(place.synset, []).append(place.name)
            atomic_write_bytes(
                out_dir / "splits" / f"{split}.json", json.dumps({"ShapeNet": names}, indent=1).encode() + b"\n", overwrite=True
            )


LAYOUTS: dict[str, R2N2Layout | DISNLayout] = {"r2n2": R2N2Layout(), "disn": DISNLayout()}
"""Layouts of `synth objects` by name."""

MESH_LAYOUTS: dict[str, Layout] = {**LAYOUTS, "jof": JOFLayout()}
"""Those of `synth views` that need no more than their name."""
