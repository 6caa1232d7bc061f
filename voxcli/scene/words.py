"""What a thing is, in a few words: the line that a command says of what it wrote."""

from __future__ import annotations

import numpy as np

from voxcli.scene import Animation, DepthMap, FruxelGrid, Labels, Mesh, Picture, PointCloud, SceneDescription, SceneType, Surfels, VoxelGrid


def in_words(thing: SceneType) -> str:
    """One line without its name.

    >>> in_words(VoxelGrid(occupancy=np.eye(4, dtype=bool)[None].repeat(4, 0)))
    '4x4x4 voxels, 25 % solid'
    >>> in_words(Picture(np.zeros((8, 12, 3), np.uint8)))
    'picture, 12x8 pixels'
    """
    if isinstance(thing, FruxelGrid):
        depth, height, width = thing.labels.shape
        return f"{width}x{height}x{depth} fruxels, {_labels(thing.labels, thing.classes)}"
    if isinstance(thing, VoxelGrid):
        size = "x".join(map(str, thing.values.shape))
        if thing.labels is not None and thing.classes is not None:
            return f"{size} voxels, {_labels(thing.labels, thing.classes)}"
        return f"{size} voxels, {_share((thing.values >= 0.5).sum() / max(1, thing.values.size))} solid"
    if isinstance(thing, PointCloud):
        return _counted(len(thing.points), "point")
    if isinstance(thing, Mesh):
        return f"mesh, {_counted(len(thing.vertices), 'vertex', 'vertices')}, {_counted(len(thing.faces), 'face')}"
    if isinstance(thing, Surfels):
        return f"{thing.depth.shape[1]}x{thing.depth.shape[0]} surfels"
    if isinstance(thing, DepthMap):
        return f"depth, {thing.depth.shape[1]}x{thing.depth.shape[0]} pixels"
    if isinstance(thing, Picture):
        return f"picture, {thing.rgb.shape[1]}x{thing.rgb.shape[0]} pixels"
    if isinstance(thing, SceneDescription):
        return f"scene, {_counted(len(thing.objects), 'object')}"
    if isinstance(thing, Animation):
        return f"animation, {_counted(len(thing.frames), 'frame')}"
    if isinstance(thing, list):
        return _counted(len(thing), "camera")
    return type(thing).__name__


def _labels(labels: np.ndarray, classes: Labels) -> str:
    counts = np.bincount(labels.reshape(-1), minlength=len(classes.names))[: len(classes.names)]
    solid = [k for k in classes.solid_ids if counts[k] and k != classes.ignore]
    return f"{_counted(len(solid), 'class', 'classes')}, {_share(counts[solid].sum() / max(1, labels.size))} solid"


def _share(value: float) -> str:
    return f"{100 * value:.2g} %" if value < 0.095 else f"{100 * value:.0f} %"


def _counted(number: int, one: str, several: str | None = None) -> str:
    return f"{number:,} {one if number == 1 else several or one + 's'}"
