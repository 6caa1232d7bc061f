"""The files of one object in the layouts of 3D-R2N2 and of DISN, and the lists of all objects."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from voxcli.atomic import atomic_write_bytes
from voxcli.datasets.pictures import png_bytes
from voxcli.datasets.r2n2 import CAMERAS
from voxcli.datasets.synthetic.objects.parts import UNKNOWN_PART, ShapeObject
from voxcli.datasets.synthetic.objects.places import Place
from voxcli.datasets.synthetic.objects.render import Light, Renderer, draw_light
from voxcli.datasets.synthetic.objects.views import (
    DISN_SIZE,
    PHOTO_SIZE,
    R2N2_SIZE,
    ViewLine,
    disn_text,
    disn_views,
    photo_views,
    r2n2_text,
    r2n2_views,
)
from voxcli.datasets.synthetic.objects.volumes import coloured_voxels, part_classes, point_cloud, solid_voxels, thinned, visible_samples
from voxcli.files import write
from voxcli.files.archive import npz_bytes
from voxcli.files.keyed import voxel_arrays
from voxcli.files.nerfstudio import write_transforms
from voxcli.files.registry import Options
from voxcli.provenance import Json
from voxcli.scene import Camera, Mesh, PointCloud

POINTS = 10_000
DRAWN = 45_000
"""Points on the surface of an object: in its file, and drawn to colour its voxels."""

DEPTH_UNIT = 1e-4
"""What one step of a 16-bit depth picture stands for, in box diagonals."""


def as_mesh(thing: ShapeObject) -> Mesh:
    """The object as a mesh with named, coloured parts."""
    known = thing.parts != UNKNOWN_PART
    names = (*thing.part_names, "other")
    colours = (thing.colours * 255 + 0.5).astype(np.uint8)
    return Mesh(
        thing.vertices, thing.faces, colours, face_parts=np.where(known, thing.parts, len(names) - 1).astype(np.int32), part_names=names
    )


def _write_truth(out_dir: Path, place: Place, thing: ShapeObject, rng: np.random.Generator, views: dict[str, Json]) -> PointCloud:
    """What both layouts have beside them: mesh, points, voxels, lights."""
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


def _truth_files(out_dir: Path, place: Place) -> list[Path]:
    folder = out_dir / "objects" / place.synset / place.name
    return [folder / name for name in ("model.glb", "points.ply", "voxels.npz", "views.json")]


def _pictures(folder: Path, count: int, *others: str) -> list[Path]:
    """The files of a folder with `count` pictures."""
    return [folder / name for name in (*(f"{k:02d}.png" for k in range(count)), *others)]


def _light_facts(light: Light) -> dict[str, Json]:
    """A light as JSON: directions in the object's frame, strengths in linear light."""
    return {key: (np.round(value, 6).tolist() if isinstance(value, np.ndarray) else round(value, 6)) for key, value in vars(light).items()}


class Pictures(NamedTuple):
    """Of all views of an object: colour pictures by file name, depths [size, size], and what is told of each one's light."""

    colour: dict[str, bytes]
    depth: dict[str, np.ndarray]
    lights: list[dict[str, Json]]


class Shooting:
    """How an object's pictures are taken: on nothing, or (`photo`) before backgrounds, as photographs."""

    def __init__(self, thing: ShapeObject, rng: np.random.Generator, photo: bool):
        self.thing, self.rng = thing, rng
        self._photographer = self._renderer = None
        if photo:
            from voxcli.datasets.synthetic.objects.photo.render import Photographer

            self._photographer = Photographer(thing, rng)
        else:
            self._renderer = Renderer(thing)

    def views(self, usual: Callable[[], list[ViewLine]], count: int) -> list[ViewLine]:
        """Views as the layout has them, or those of photographs."""
        return usual() if self._photographer is None else photo_views(self.rng, count, self.thing.vertices)

    def pictures(self, views: list[ViewLine], size: int) -> Pictures:
        """The pictures of some views. Photographs are PHOTO_SIZE pixels a side."""
        made = Pictures({}, {}, [])
        for k, line in enumerate(views):
            name = f"{k:02d}.png"
            if self._photographer is not None:
                found = self._photographer.take(line, PHOTO_SIZE, self.rng)
                pixels, away, facts = found.pixels, found.depth, _light_facts(found.light) | {"backdrop": found.kind}
            else:
                assert self._renderer is not None
                light = draw_light(self.rng, line.azimuth)
                pixels, away = self._renderer.view(line.K(size), line.world_to_cam, size, light)
                facts = _light_facts(light)
            made.colour[name], made.depth[name] = png_bytes(pixels, 3), away
            made.lights.append(facts)
        return made

    def cameras(self, views: list[ViewLine]) -> dict[str, bytes]:
        """transforms.json of photographs, whose lenses and places the metadata of 3D-R2N2 cannot state; else nothing."""
        if self._photographer is None:
            return {}
        size = PHOTO_SIZE
        named = [(f"{k:02d}.png", Camera(line.K(size), size, size, line.world_to_cam)) for k, line in enumerate(views)]
        return {CAMERAS: write_transforms(named, Options())}


def _depth_png(away: np.ndarray) -> bytes:
    """Whole multiples of DEPTH_UNIT, 0 = nothing; the file says its unit, as all depth pictures of ours do."""
    from voxcli.files.images import write_depth_png
    from voxcli.scene import DepthMap

    return write_depth_png(DepthMap(away), Options(depth_scale=DEPTH_UNIT))


def put_folder(final: Path, files: dict[str, bytes]) -> None:
    """A folder with whole files: written beside its place, then moved there. What a killed run left there is replaced."""
    part = final.parent / f".{final.name}.part"
    for old in (part, final):
        if old.exists():
            shutil.rmtree(old)
    part.mkdir(parents=True)
    for name, data in files.items():
        (part / name).write_bytes(data)
    part.rename(final)


class R2N2Layout:
    """ShapeNetRendering and ShapeNetVox32."""

    patterns = ("objects/*/*/*.*", "ShapeNetRendering/*/*/rendering/*", "ShapeNetVox32/*/*/model.binvox", "ShapeNet.json")

    def marker(self, out_dir: Path, place: Place) -> Path:
        """The file that is written last."""
        return out_dir / "ShapeNetVox32" / place.synset / place.name / "model.binvox"

    def files(self, out_dir: Path, place: Place, count: int, photo: bool) -> list[Path]:
        """The files of an object with `count` pictures. photo: photographs."""
        folder, cameras = out_dir / "ShapeNetRendering" / place.synset / place.name / "rendering", [CAMERAS] if photo else []
        pictures = _pictures(folder, count, "rendering_metadata.txt", "renderings.txt", *cameras)
        return [*_truth_files(out_dir, place), *pictures, self.marker(out_dir, place)]

    def write(self, out_dir: Path, place: Place, thing: ShapeObject, rng: np.random.Generator, count: int, photo: bool = False) -> None:
        """All files of one object, with `count` pictures. photo: photographs in place of renderings on nothing."""
        shooting = Shooting(thing, rng, photo)
        views = shooting.views(partial(r2n2_views, rng, count), count)
        made = shooting.pictures(views, R2N2_SIZE)
        names = "".join(f"{name}\n" for name in made.colour)
        text = {"rendering_metadata.txt": r2n2_text(views).encode(), "renderings.txt": names.encode(), **shooting.cameras(views)}
        put_folder(out_dir / "ShapeNetRendering" / place.synset / place.name / "rendering", made.colour | text)
        _write_truth(out_dir, place, thing, rng, {"lights": list(made.lights)})
        write(self.marker(out_dir, place), solid_voxels(thing, rng), overwrite=True)

    def write_index(self, out_dir: Path, places: list[Place]) -> None:
        """ShapeNet.json: the taxonomy with its splits, as Pix2Vox has it."""
        taxonomy = []
        for category in dict.fromkeys(p.category for p in places):
            own = [p for p in places if p.category == category]
            names = {split: [p.name for p in own if p.split == split] for split in ("train", "val", "test")}
            taxonomy.append({"taxonomy_id": own[0].synset, "taxonomy_name": category, **names})
        atomic_write_bytes(out_dir / "ShapeNet.json", json.dumps(taxonomy, indent=1).encode() + b"\n", overwrite=True)


class DISNLayout:
    """Easy and hard renderings with depth, and surface samples."""

    patterns = ("objects/*/*/*.*", "renderings_*/ShapeNet/*/*/*/*", "SurfaceSamples/ShapeNet/*/*.ply", "splits/*.json")

    def marker(self, out_dir: Path, place: Place) -> Path:
        """The file that is written last."""
        return out_dir / "SurfaceSamples" / "ShapeNet" / place.synset / f"{place.name}.ply"

    def files(self, out_dir: Path, place: Place, count: int, photo: bool) -> list[Path]:
        """The files of an object with `count` pictures in each set. photo: photographs, which need no other files here."""
        folders = [
            out_dir / tree / "ShapeNet" / place.synset / place.name / kind
            for tree in ("renderings_rgb", "renderings_depth")
            for kind in ("easy", "hard")
        ]
        pictures = [path for folder in folders for path in _pictures(folder, count, "rendering_metadata.txt")]
        return [*_truth_files(out_dir, place), *pictures, self.marker(out_dir, place)]

    def write(self, out_dir: Path, place: Place, thing: ShapeObject, rng: np.random.Generator, count: int, photo: bool = False) -> None:
        """All files of one object, with `count` pictures in each set. photo: photographs, which are alike in both sets."""
        shooting, facts = Shooting(thing, rng, photo), {}
        for kind in ("easy", "hard"):
            views = shooting.views(partial(disn_views, rng, count, kind == "hard", thing.vertices), count)
            made = shooting.pictures(views, DISN_SIZE)
            facts[kind] = list(made.lights)
            text = {"rendering_metadata.txt": disn_text(views).encode()}
            away = {name: _depth_png(each) for name, each in made.depth.items()}
            for tree, files in (("renderings_rgb", made.colour), ("renderings_depth", away)):
                put_folder(out_dir / tree / "ShapeNet" / place.synset / place.name / kind, files | text)
        cloud = _write_truth(out_dir, place, thing, rng, {"lights": facts})
        write(self.marker(out_dir, place), cloud, overwrite=True)

    def write_index(self, out_dir: Path, places: list[Place]) -> None:
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
"""Layouts by name."""
