"""Label images: the class that a camera sees at each pixel of a labelled scene, its colours and its legend."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from voxcli.provenance import Json
    from voxcli.scene import FruxelGrid, Labels, Picture

_IGNORED = (0, 0, 0)


def label_image(scene: FruxelGrid, picture: Picture | None) -> np.ndarray:
    """The first solid class along each ray, [H, W]: at the scene's own pixels, or at those of the picture that it was predicted from.

    Pixels outside of the model's crop of the picture get the ignore label, or the empty one where the classes have no ignore label.
    """
    import numpy as np

    from voxcli.geometry.visibility import first_labels

    seen = first_labels(scene.labels, scene.classes)
    if picture is None:
        return seen
    left, top, right, bottom = scene.meta["crop"]
    width, height = picture.size
    column = np.floor((np.arange(width) + 0.5 - left) / (right - left) * scene.frustum.width).astype(int)
    row = np.floor((np.arange(height) + 0.5 - top) / (bottom - top) * scene.frustum.height).astype(int)
    inside = ((row >= 0) & (row < scene.frustum.height))[:, None] & ((column >= 0) & (column < scene.frustum.width))
    full = seen[row.clip(0, scene.frustum.height - 1)][:, column.clip(0, scene.frustum.width - 1)]
    outside = scene.classes.ignore if scene.classes.ignore is not None else scene.classes.empty or 0
    return np.where(inside, full, seen.dtype.type(outside))


def label_picture(labels: np.ndarray, classes: Labels, indices: bool, meta: Mapping[str, Json]) -> Picture:
    """Labels [H, W] as class colours (uint8), or with `indices` as numbers: 16-bit grey, which every viewer keeps as it is."""
    import numpy as np

    from voxcli.scene import Picture, class_colour

    if indices:
        return Picture(np.repeat(labels.astype(np.uint16)[..., None], 3, axis=-1), meta=dict(meta))
    table = np.full((max(int(labels.max(initial=0)) + 1, len(classes.names)), 3), _IGNORED, np.uint8)
    table[: len(classes.names)] = [class_colour(name) for name in classes.names]
    return Picture(table[labels], meta=dict(meta))


def legend(classes: Labels) -> list[dict[str, Json]]:
    """The id, class and colour [R, G, B] of each label. The ignore label has the class None."""
    from voxcli.scene import class_colour

    rows: list[dict[str, Json]] = [{"id": i, "class": name, "colour": list(class_colour(name))} for i, name in enumerate(classes.names)]
    return rows + ([{"id": classes.ignore, "class": None, "colour": list(_IGNORED)}] if classes.ignore is not None else [])
