"""Readers of single objects: 3D-R2N2's and DISN's renderings of ShapeNet, and the photographs of Pix3D and Pascal3D+."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from voxcli.datasets.disn import DISNFolder
from voxcli.datasets.pascal3d import Pascal3DFolder
from voxcli.datasets.pix3d import Pix3DFolder
from voxcli.datasets.r2n2 import R2N2Folder
from voxcli.errors import DataError, UsageError
from voxcli.evaluation.readers.base import Box, Reader, ReaderOptions, Sample
from voxcli.models.base import Inputs
from voxcli.models.uclid.batches import in_cube, moved
from voxcli.scene import Camera, DepthMap, Mesh, Picture, PointCloud, VoxelGrid

if TYPE_CHECKING:
    from voxcli.metrics.base import Shape
    from voxcli.metrics.trajectories import CameraPoses

MESHES = ("ShapeNetCore.v1/{name}/model.obj", "ShapeNetCore.v2/{name}/models/model_normalized.obj", "objects/{name}/model.glb")
"""Where the mesh of an object may lie below a root of 3D-R2N2's data; `synth objects` writes the last."""


@dataclass(frozen=True)
class R2N2Options(ReaderOptions):
    """split: train, val, test or all. taxonomy: another file than ShapeNet.json, in the root. categories: names or synsets; None: all.
    unseen: all that are in the root but these. views: the first so many pictures of an object are one sample."""

    split: Literal["train", "val", "test", "all"] = "test"
    taxonomy: str | None = None
    categories: tuple[str, ...] | None = None
    unseen: tuple[str, ...] | None = None
    views: int = 1


class R2N2Reader(Reader[R2N2Options]):
    """Objects in 3D-R2N2's layout. Their truth is the solid of 32^3 cells; `mesh` is the mesh, `points` its surface samples."""

    tree = (
        "ROOT/ShapeNetRendering/SYNSET/ID/rendering/00.png, rendering_metadata.txt; ROOT/ShapeNetVox32/SYNSET/ID/model.binvox; "
        "ROOT/ShapeNet.json (Pix2Vox's taxonomy: which ID is of which split); ROOT/ShapeNetCore.v1/SYNSET/ID/model.obj (where "
        "meshes are compared)"
    )
    Options = R2N2Options

    def __init__(self, root: Path, options: R2N2Options):
        super().__init__(root, options)
        split = None if options.split == "all" else options.split
        taxonomy = None if options.taxonomy is None else root / options.taxonomy
        volumes = (root / "ShapeNetVox32").is_dir()
        self.folder = R2N2Folder(root, split, taxonomy, options.categories, volumes=volumes)
        if options.views < 1:
            raise UsageError("An object is seen in at least one view.", actual=options.views)
        items = self.folder.items
        self.places = [k for k, item in enumerate(items) if not {item.category, item.synset} & set(options.unseen or ())]
        self.samples = [Sample(self.folder.name(k), items[k].category, items[k].name) for k in self.places]
        for k in self.places if options.views > 1 else ():
            _check_views(self.folder.name(k), self.folder.view_count(k), options.views)

    def sources(self, index: int) -> Sequence[Path]:
        """The pictures, and the volume where there is one."""
        k, name = self.places[index], self.samples[index].name
        volumes = [self.root / "ShapeNetVox32" / name / f"model.{ending}" for ending in ("binvox", "mat")]
        return [*(self.folder.picture_path(k, view) for view in range(self.options.views)), *(path for path in volumes if path.is_file())]

    def inputs(self, index: int) -> Inputs:
        """The first pictures of an object, with their cameras."""
        views = range(self.options.views)
        images = self.folder.images(self.places[index], views)
        cameras = self.folder.cameras(self.places[index], views, images.shape[2])
        return Inputs(tuple(_cut_out(rgba) for rgba in images), cameras)

    def view_count(self, index: int) -> int:
        """How many pictures an object has."""
        return self.folder.view_count(self.places[index])

    def images(self, index: int, views: Sequence[int]) -> np.ndarray:
        """Some of these."""
        return self.folder.images(self.places[index], views)

    def truth(self, index: int, which: str) -> Shape | Path:
        """The solid, or the file of the mesh."""
        if which == "":
            return self.folder.grid(self.places[index])
        places = [self.root / each.format(name=self.samples[index].name) for each in MESHES]
        for path in places if which == "mesh" else ():
            if path.is_file():
                return path
        raise DataError(f"{self.samples[index].name} has no {which}.", expected=" or ".join(str(path) for path in places))


def _check_views(name: str, there: int, wanted: int) -> None:
    if there < wanted:
        raise DataError(f"{name} has too few pictures: {there}, and {wanted} are wanted.")


def _cut_out(rgba: np.ndarray) -> Picture:
    return Picture(rgba[..., :3], rgba[..., 3])


@dataclass(frozen=True)
class DISNOptions(ReaderOptions):
    """split: of splits/SPLIT.json; None: all folders. kind: of views. views: how many pictures of an object, spread evenly over its
    views, are one sample. each: every picture is a sample. know: what a model is told of a picture; the rest it regresses itself."""

    split: str | None = "test"
    kind: Literal["easy", "hard"] = "easy"
    categories: tuple[str, ...] | None = None
    views: int = 1
    each: bool = False
    know: tuple[Literal["camera", "depth"], ...] = ()


class DISNReader(Reader[DISNOptions]):
    """Objects in DISN's layout, in UCLID-Net's frame: the box is centred and its longest side is 2. Their truth is points."""

    tree = (
        "ROOT/renderings_rgb/ShapeNet/SYNSET/ID/easy/00.png, rendering_metadata.txt; "
        "ROOT/renderings_depth/ShapeNet/SYNSET/ID/easy/00.exr (where the true depth is used); "
        'ROOT/SurfaceSamples/ShapeNet/SYNSET/ID.ply; ROOT/splits/test.json ({"ShapeNet": {SYNSET: [ID]}})'
    )
    Options = DISNOptions

    def __init__(self, root: Path, options: DISNOptions):
        super().__init__(root, options)
        self.folder = DISNFolder(root, options.split, options.categories)
        if options.each and options.views != 1:
            raise UsageError("Where each picture is a sample, a sample has one picture.", actual=f"views {options.views}")
        self.views: list[tuple[int, list[int]]] = []
        for k, item in enumerate(self.folder.items):
            there = self.folder.view_count(k, options.kind)
            _check_views(self.folder.name(k), there, options.views)
            chosen = [[v] for v in range(there)] if options.each else [[v * there // options.views for v in range(options.views)]]
            for views in chosen:
                view = f"{views[0]:02d}"
                name = f"{self.folder.name(k)}/{view}" if options.each else self.folder.name(k)
                self.samples.append(Sample(name, item.synset, item.name, view))
                self.views.append((k, views))

    def inputs(self, index: int) -> Inputs:
        """The pictures, with those of camera and depth that `know` names, in the object's frame."""
        k, views = self.views[index]
        know, sample = self.options.know, self.folder.sample(k, views, self.options.kind, depth="depth" in self.options.know)
        assert sample.points is not None
        _, centre, scale = in_cube(sample.points.points)
        cameras = tuple(Camera(c.K, c.width, c.height, moved(c.world_to_cam, centre, scale)) for c in sample.cameras)
        depths = () if sample.depths is None else tuple(DepthMap(depth / np.float32(scale), "z") for depth in sample.depths)
        return Inputs(tuple(_cut_out(rgba) for rgba in sample.images), cameras if "camera" in know else None, depths or None)

    def view_count(self, index: int) -> int:
        """How many pictures an object has."""
        return self.folder.view_count(self.views[index][0], self.options.kind)

    def images(self, index: int, views: Sequence[int]) -> np.ndarray:
        """Some of these."""
        return self.folder.images(self.views[index][0], views, self.options.kind)

    def truth(self, index: int, which: str) -> Shape | Path:
        """The surface samples in the object's frame."""
        return PointCloud(in_cube(self.folder.points(self.views[index][0]).points)[0])


@dataclass(frozen=True)
class Pix3DOptions(ReaderOptions):
    """categories: None for all. evaluation: those photographs alone that show the whole object, as the paper's table. cut: whether the
    object is cut out by its mask. axes: of the voxels; see Pix3DFolder.volume."""

    categories: tuple[str, ...] | None = ("chair",)
    evaluation: bool = True
    cut: bool = True
    axes: Literal["voxel", "model", "shapenet"] = "shapenet"


class Pix3DReader(Reader[Pix3DOptions]):
    """Photographs of Pix3D. Their truth is the solid; `mesh` is the model, in the object's frame: +y up, box centred, longest side 2."""

    tree = (
        "ROOT/pix3d.json; ROOT/img/chair/0001.png, ROOT/mask/chair/0001.png; ROOT/model/chair/NAME/model.obj, voxel.mat (or "
        "model.binvox, which is then taken)"
    )
    Options = Pix3DOptions

    def __init__(self, root: Path, options: Pix3DOptions):
        super().__init__(root, options)
        self.folder = Pix3DFolder(root, options.categories, options.evaluation)
        names = [self.folder.name(k) for k in range(len(self.folder))]
        self.samples = [Sample(name, *name.split("/")) for name in names]

    def inputs(self, index: int) -> Inputs:
        """The photograph, cut out by its mask, with its camera in the object's frame."""
        sample = self.folder[index]
        _, centre, scale = self._mesh(index)
        camera = sample.camera
        placed = Camera(camera.K, camera.width, camera.height, moved(camera.world_to_cam, centre, scale))
        alpha = (sample.mask * 255).astype(np.uint8) if self.options.cut else None
        return Inputs.of(Picture(sample.image, alpha), camera=placed)

    def box(self, index: int) -> Box | None:
        """The box of the object."""
        left, top, right, bottom = (float(v) for v in self.folder[index].box)
        return left, top, right, bottom

    def truth(self, index: int, which: str) -> Shape | Path:
        """The solid, or the model in the object's frame."""
        return self._mesh(index)[0] if which == "mesh" else VoxelGrid(occupancy=self.folder.volume(index, self.options.axes))

    def _mesh(self, index: int) -> tuple[Mesh, np.ndarray, float]:
        """The model in the object's frame, and what brought it there: (x - centre) / scale."""
        from voxcli import files

        mesh = files.read_as(self.folder[index].model, Mesh)
        vertices, centre, scale = in_cube(mesh.vertices)
        return Mesh(vertices, mesh.faces), centre, scale


@dataclass(frozen=True)
class Pascal3DOptions(ReaderOptions):
    """taxonomy: a JSON of Pix2Vox in the root, with `split`; None: every annotation. source: imagenet or pascal."""

    taxonomy: str | None = None
    split: Literal["train", "val", "test"] = "test"
    categories: tuple[str, ...] | None = None
    source: Literal["imagenet", "pascal"] = "imagenet"


FROM_SHAPENET = np.array([[0.0, 0, -1, 0], [-1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
"""From +y up and front +x to the frame of the CAD models, z up and front -y; its inverse is its transpose."""


class Pascal3DReader(Reader[Pascal3DOptions]):
    """Photographs of Pascal3D+. Their truth is the solid of the CAD model, +y up and front +x; `mesh` is the model itself, `camera` the
    viewpoint in its frame."""

    tree = (
        "ROOT/Annotations/CLASS_imagenet/NAME.mat; ROOT/Images/CLASS_imagenet/NAME.JPEG; ROOT/CAD/CLASS/01.off, 01.binvox (make"
        " them: voxcli fruxelize ROOT/CAD/ -o ROOT/CAD/ --grid voxel --resolution 32 --format binvox); ROOT/Pascal3D.json"
        " (Pix2Vox's list, where the protocol names it as `taxonomy`)"
    )
    separate = ("camera",)
    Options = Pascal3DOptions

    def __init__(self, root: Path, options: Pascal3DOptions):
        super().__init__(root, options)
        taxonomy = None if options.taxonomy is None else root / options.taxonomy
        self.folder = Pascal3DFolder(root, taxonomy, options.split, options.categories, options.source)
        self.samples = [Sample(self.folder.name(k), *self.folder.items[k]) for k in range(len(self.folder))]

    def inputs(self, index: int) -> Inputs:
        """The whole photograph."""
        return Inputs.of(Picture(self.folder[index].image))

    def box(self, index: int) -> Box | None:
        """The box of the largest object."""
        left, top, right, bottom = (float(v) for v in self.folder[index].box)
        return left, top, right, bottom

    def has_truth(self, index: int, which: str) -> bool:
        """Whether the annotation has a viewpoint."""
        return which != "camera" or self.folder[index].camera is not None

    def truth(self, index: int, which: str) -> Shape | CameraPoses | Path:
        """The solid or the mesh of the CAD model, +y up and front +x, or the camera in that frame."""
        sample = self.folder[index]
        if which == "camera" and sample.camera is not None:
            from voxcli.metrics.trajectories import CameraPoses

            return CameraPoses(("camera",), (sample.camera.world_to_cam @ FROM_SHAPENET)[None])
        if which == "mesh":
            from voxcli import files

            mesh = files.read_as(self.root / "CAD" / sample.category / f"{sample.cad_index:02d}.off", Mesh)
            return Mesh(mesh.vertices @ FROM_SHAPENET[:3, :3], mesh.faces)
        return VoxelGrid(occupancy=self.folder.volume(index, "shapenet"))
