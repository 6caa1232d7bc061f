"""Reader of ShapeNet-Part: points of a shape, and which part each belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from voxcli.datasets.shapenet_part import ShapeNetPart
from voxcli.errors import DataError
from voxcli.evaluation.readers.base import Reader, ReaderOptions, Sample
from voxcli.scene import Labels, Mesh, PointCloud, VoxelGrid

if TYPE_CHECKING:
    from voxcli.metrics.base import Shape


@dataclass(frozen=True)
class PartsOptions(ReaderOptions):
    """split: of the lists in train_test_split; all: every shape. parts: synset -> number of a part, from 1 -> its name; numbers of one name
    are one part, a number without a name is left out. categories: synsets to keep; None: all. solids: file of the solid that a model sees,
    below the root, with {category} and {id}; None: the points, filled. meshes: file of the CAD model, alike, in the frame of the solids or,
    without them, any frame in which it stands as the points do; shapes without one are scored by their parts alone."""

    split: Literal["train", "val", "test", "all"] = "test"
    parts: dict[str, dict[str, str]] | None = None
    categories: tuple[str, ...] | None = None
    solids: str | None = None
    meshes: str | None = None


class PartsReader(Reader[PartsOptions]):
    """Shapes of ShapeNet-Part. Their truth is the points with names of parts; so are predictions, in the same order. `mesh` is the CAD
    model, which is compared with what a network makes of the solid."""

    tree = (
        "ROOT/SYNSET/points/ID.pts, ROOT/SYNSET/points_label/ID.seg (or ROOT/SYNSET/ID.txt with normals); "
        "ROOT/train_test_split/shuffled_test_file_list.json"
    )
    task = "parts"
    separate = ("mesh",)
    Options = PartsOptions

    def __init__(self, root: Path, options: PartsOptions):
        super().__init__(root, options)
        kept = options.categories or tuple(options.parts or ())
        self.parts = {synset: names for synset, names in (options.parts or {}).items() if synset in kept}
        self.folder = ShapeNetPart(root, None if options.split == "all" else options.split, list(self.parts))
        self.samples = [Sample(f"{synset}/{name}", synset, name) for synset, name in self.folder.items]

    def sources(self, index: int) -> Sequence[Path]:
        """The files of the points and of the solid."""
        solid = self._solid(index)
        return [*self.folder.paths(index), *([] if solid is None else [solid])]

    def has_truth(self, index: int, which: str) -> bool:
        """Whether the CAD model is there."""
        return which != "mesh" or ((path := self._file(self.options.meshes, index)) is not None and path.is_file())

    def truth(self, index: int, which: str) -> Shape | Path:
        """The points with the parts that the protocol names, or the CAD model."""
        if which == "mesh" and (path := self._file(self.options.meshes, index)) is not None:
            return path
        points, numbers = self.folder.points(index)
        named = self.parts[self.samples[index].category]
        names = tuple(dict.fromkeys(named.values()))
        labels = np.full(len(numbers), 255, np.uint8)
        for number, name in named.items():
            labels[numbers == int(number)] = 1 + names.index(name)
        return PointCloud(points, labels=labels, classes=Labels(("air", *names), 0, 255))

    def divided(self, index: int) -> tuple[PointCloud, Mesh | PointCloud | VoxelGrid]:
        """The points without labels, and the solid."""
        cloud, path = PointCloud(self.folder.points(index)[0]), self._solid(index)
        if path is None:
            return cloud, cloud
        from voxcli import files

        return cloud, files.read_as(path, (Mesh, VoxelGrid))

    def _solid(self, index: int) -> Path | None:
        path = self._file(self.options.solids, index)
        if path is not None and not path.is_file():
            raise DataError(f"{self.samples[index].name} has no solid.", expected=str(path))
        return path

    def _file(self, pattern: str | None, index: int) -> Path | None:
        return None if pattern is None else self.root / pattern.format(**self.samples[index].fields())
