"""Parts of shapes: labels on a mesh's faces, a cloud's points or a grid's cells, from a network that learns parts without labels."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from voxcli.errors import DataError

if TYPE_CHECKING:
    import numpy as np

    from voxcli.models.base import CodeT, DividesShapes
    from voxcli.provenance import Json
    from voxcli.scene import Labels, Mesh, PointCloud, SceneType, VoxelGrid

    Shape = Mesh | PointCloud | VoxelGrid


def label_parts(network: DividesShapes[CodeT], shape: SceneType, threshold: float = 0.5) -> tuple[Shape, list[dict[str, Json]]]:
    """The shape with labels of parts on its faces, points or cells, and a row for each part that it has.

    Args:
        network: of a model that tells parts.
        shape: a mesh, point cloud or voxel grid.
        threshold: a cell of an occupancy grid is solid at or above it.

    Returns:
        The labels are 1 and up, 0 is air. A row has label, part (its name), size (area, points or volume), share, centre, low and high, in
        the frame and units of the shape.

    Raises:
        DataError: the shape is of another type.
    """
    import numpy as np

    from voxcli.files.access import kind_name
    from voxcli.geometry.coloured import colour_volume
    from voxcli.scene import Labels, Mesh, PointCloud, VoxelGrid

    if not isinstance(shape, (Mesh, PointCloud, VoxelGrid)):
        raise DataError("This is no shape to tell parts of.", expected="a mesh, points or voxels", actual=kind_name(shape))
    volume = colour_volume(shape, threshold=threshold)
    codes = network.codes(volume.occupied, volume.colours)
    classes = Labels(("air", *network.part_names), 0, None)

    def labels_of(points: np.ndarray) -> np.ndarray:
        return (network.parts(codes, volume.placement.own(points)) + 1).astype(np.uint8)

    if isinstance(shape, Mesh):
        corners = shape.vertices[shape.faces]
        centres = corners.mean(1)
        labels = labels_of(centres)
        areas = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 2
        mesh = Mesh(shape.vertices, shape.faces, face_labels=labels, classes=classes)
        return mesh, part_rows(labels, centres, areas, "area", classes)
    if isinstance(shape, PointCloud):
        labels = labels_of(shape.points)
        cloud = replace(shape, labels=labels, classes=classes, meta={})
        return cloud, part_rows(labels, np.asarray(shape.points, np.float64), np.ones(len(labels)), "points", classes)
    if shape.labels is not None and shape.classes is not None:
        solid = np.isin(shape.labels, shape.classes.solid_ids)
    else:
        solid = np.asarray(shape.values) >= threshold
    cells = np.argwhere(solid)
    centres = (cells + 0.5) * shape.voxel_size + shape.origin
    labels = labels_of(centres)
    all_labels = np.zeros(solid.shape, np.uint8)
    all_labels[tuple(cells.T)] = labels
    grid = VoxelGrid(labels=all_labels, origin=shape.origin, voxel_size=shape.voxel_size, classes=classes)
    return grid, part_rows(labels, centres, np.full(len(labels), float(np.prod(shape.voxel_size))), "volume", classes)


def label_points(network: DividesShapes[CodeT], cloud: PointCloud, solid: Shape) -> PointCloud:
    """The points with labels of parts, as `label_parts` has them. solid: the shape that the network sees; the box of the points is its box.

    Raises DataError for a shape or points without extent.
    """
    from voxcli.geometry.coloured import colour_volume, placement_of
    from voxcli.scene import Labels

    volume = colour_volume(solid)
    own = placement_of(cloud.points).own(cloud.points)
    labels = (network.parts(network.codes(volume.occupied, volume.colours), own) + 1).astype("uint8")
    return replace(cloud, labels=labels, classes=Labels(("air", *network.part_names), 0, None), meta={})


def rebuild_shape(network: DividesShapes[CodeT], solid: Shape, box: np.ndarray | None = None) -> Mesh:
    """What the network's decoder makes of the codes of a solid, in the frame of the solid.

    box: points [N, 3] of another frame whose box is that of the solid; the shape then lies there.
    """
    from voxcli.geometry.coloured import colour_volume, placement_of

    volume = colour_volume(solid)
    mesh = network.surface(network.codes(volume.occupied, volume.colours))
    place = volume.placement if box is None else placement_of(box)
    return replace(mesh, vertices=mesh.vertices * place.diagonal + place.middle)


def part_rows(labels: np.ndarray, centres: np.ndarray, sizes: np.ndarray, unit: str, classes: Labels) -> list[dict[str, Json]]:
    """One row for each part that occurs: its label, name, size, share, centre and box.

    labels [N], centres [N, 3] and sizes [N] of faces, points or cells. unit: the key of the size, such as "area".
    """
    import numpy as np

    rows: list[dict[str, Json]] = []
    total = float(sizes.sum())
    for label in np.unique(labels):
        members = labels == label
        size = float(sizes[members].sum())
        weight = sizes[members] / size if size > 0 else np.full(int(members.sum()), 1 / max(1, int(members.sum())))
        rows.append({
            "label": int(label), "part": classes.names[int(label)], unit: float(f"{size:.7g}"),
            "share": round(size / total, 6) if total else None, "centre": _rounded(weight @ centres[members]),
            "low": _rounded(centres[members].min(0)), "high": _rounded(centres[members].max(0)),
        })  # fmt: skip
    return rows


def _rounded(values: np.ndarray) -> list[float]:
    return [round(float(v), 6) + 0.0 for v in values]
