"""Parts of shapes: labels on a mesh's faces, a cloud's points or a grid's cells, from a network that has learnt parts by itself."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from voxcli.errors import DataError

if TYPE_CHECKING:
    import numpy as np

    from voxcli.scene import Labels, Mesh, PointCloud, VoxelGrid

    Shape = Mesh | PointCloud | VoxelGrid

SHAPE_MODELS = ("jof", "bae")

Code = TypeVar("Code")


class ShapeNetwork(Protocol[Code]):
    """What tells parts: codes of a volume, and the part of each point by them."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parts."""

    def codes(self, occupied: np.ndarray, colours: np.ndarray) -> Code:
        """The codes of a coloured volume."""

    def parts(self, codes: Code, points: np.ndarray) -> np.ndarray:
        """The part, from 0, of points [N, 3] of the object's own frame."""


def divided(network: ShapeNetwork[Code], thing: Shape, threshold: float = 0.5) -> tuple[Shape, list[dict[str, Any]]]:
    """The shape with labels of parts on its faces, points or cells, and a row for each part that it has.

    network: what an inference module's `load_shape_parts` gives. threshold: occupancies of a grid from which a cell is solid.
    Raises DataError for what is no mesh, cloud or voxel grid.
    """
    import numpy as np

    from voxcli.files.access import kind_name
    from voxcli.geometry.coloured import colour_volume
    from voxcli.scene import Labels, Mesh, PointCloud, VoxelGrid

    if not isinstance(thing, (Mesh, PointCloud, VoxelGrid)):
        raise DataError("This is no shape to tell parts of.", expected="a mesh, points or voxels", actual=kind_name(thing))
    volume = colour_volume(thing, threshold=threshold)
    codes = network.codes(volume.occupied, volume.colours)
    classes = Labels(("air", *network.names), 0, None)

    def told(points: np.ndarray) -> np.ndarray:
        return (network.parts(codes, volume.placement.own(points)) + 1).astype(np.uint8)

    if isinstance(thing, Mesh):
        corners = thing.vertices[thing.faces]
        labels, middles = told(corners.mean(1)), corners.mean(1)
        sizes = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 2
        made: Shape = Mesh(thing.vertices, thing.faces, face_labels=labels, classes=classes)
        return made, part_rows(labels, middles, sizes, "area", classes)
    if isinstance(thing, PointCloud):
        labels = told(thing.points)
        made = replace(thing, labels=labels, classes=classes, meta={})
        return made, part_rows(labels, np.asarray(thing.points, np.float64), np.ones(len(labels)), "points", classes)
    labelled = thing.labels is not None and thing.classes is not None
    solid = np.isin(thing.labels, thing.classes.solid_ids) if labelled else np.asarray(thing.values) >= threshold  # type: ignore
    cells = np.argwhere(solid)
    middles = (cells + 0.5) * thing.voxel_size + thing.origin
    labels = told(middles)
    full = np.zeros(solid.shape, np.uint8)
    full[tuple(cells.T)] = labels
    made = VoxelGrid(labels=full, origin=thing.origin, voxel_size=thing.voxel_size, classes=classes)
    return made, part_rows(labels, middles, np.full(len(labels), float(np.prod(thing.voxel_size))), "volume", classes)


def part_rows(labels: np.ndarray, middles: np.ndarray, sizes: np.ndarray, unit: str, classes: Labels) -> list[dict[str, Any]]:
    """One row a part that is there: its label and name, its size in `unit`, its share, its centre and box."""
    import numpy as np

    rows, total = [], float(sizes.sum())
    for label in np.unique(labels):
        mine = labels == label
        size = float(sizes[mine].sum())
        weight = sizes[mine] / size if size > 0 else np.full(int(mine.sum()), 1 / max(1, int(mine.sum())))
        row = {"label": int(label), "part": classes.names[int(label)], unit: float(f"{size:.7g}")}
        row |= {"share": round(size / total, 6) if total else None, "centre": _rounded(weight @ middles[mine])}
        rows.append(row | {"low": _rounded(middles[mine].min(0)), "high": _rounded(middles[mine].max(0))})
    return rows


def _rounded(values: np.ndarray) -> list[float]:
    return [round(float(v), 6) + 0.0 for v in values]
