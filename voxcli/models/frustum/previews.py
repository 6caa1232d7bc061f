"""Preview pictures: input, prediction and ground truth, from the camera and from above. Plain look-ups in the fruxel grid."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import numpy as np
from torch import Tensor

from voxcli.models.frustum.scores import Predictor
from voxcli.scene import Frustum, Labels, class_colour

PAPER, INK = 255, (40, 44, 52)
COLUMNS = ("input", "prediction", "ground truth", "prediction, from above", "ground truth, from above")


class SceneBatch(Protocol):
    """images [B, 3, H, W] in 0..1 and labels [B, D/s, H/s, W/s] by scale s."""

    @property
    def images(self) -> Tensor: ...

    @property
    def labels(self) -> Mapping[int, Tensor]: ...


def from_camera(labels: np.ndarray, classes: Labels) -> np.ndarray:
    """What the grid's own camera sees, uint8 [H, W, 3]: the first solid fruxel of every pixel in its class colour, darker with depth
    and where the surface turns away. labels [D, H, W]."""
    solid = labels != (-1 if classes.empty is None else classes.empty)
    first, seen = solid.argmax(0), solid.any(0)
    colour = _colours(classes)[np.take_along_axis(labels, first[None], 0)[0]]
    light = 1 - 0.45 * first / max(1, len(labels) - 1)
    slope = np.abs(np.diff(first, axis=0, prepend=first[:1])) + np.abs(np.diff(first, axis=1, prepend=first[:, :1]))
    light = light * np.where(slope > max(2, len(labels) // 24), 0.6, 1.0)
    return np.where(seen[..., None], colour * light[..., None], PAPER).astype(np.uint8)


def from_above(labels: np.ndarray, classes: Labels, frustum: Frustum, size: int) -> np.ndarray:
    """The grid seen from above in true proportions, uint8 [size, size, 3], far side up: the highest solid fruxel of every column that is
    not behind the frustum's sides, brighter with height. labels [D, H, W] at any scale of the frustum."""
    depth, height, width = labels.shape
    z = frustum.z_far - (np.arange(size) + 0.5) * (frustum.z_far - frustum.z_near) / size
    half = frustum.z_far * frustum.width / 2 / frustum.focal
    x = (np.arange(size) + 0.5) * 2 * half / size - half
    slice_ = ((z - frustum.z_near) / (frustum.z_far - frustum.z_near) * depth).astype(int).clip(0, depth - 1)
    column = np.floor((x[None] / z[:, None] * frustum.focal / frustum.width + 0.5) * width).astype(int)
    inside = (column >= 0) & (column < width)
    solid = labels != (-1 if classes.empty is None else classes.empty)
    top, filled = solid.argmax(1), solid.any(1)  # [D, W]: the first row from the top
    k, j = np.broadcast_to(slice_[:, None], column.shape), column.clip(0, width - 1)
    row = top[k, j]
    colour = _colours(classes)[labels[k, row, j]] * (1 - 0.4 * row / max(1, height - 1))[..., None]
    return np.where((inside & filled[k, j])[..., None], colour, np.where(inside, 235, PAPER)[..., None]).astype(np.uint8)


def sheet(
    images: Sequence[np.ndarray], predicted: Sequence[np.ndarray], truth: Sequence[np.ndarray], classes: Labels, frustum: Frustum,
    size: int = 192,
) -> np.ndarray:  # fmt: skip
    """One row a sample, uint8 [H, W, 3]: images [H, W, 3] uint8, labels [D, H, W] at one scale of the frustum."""
    from PIL import Image, ImageDraw, ImageFont

    gap, line = 6, 18
    paper = Image.new("RGB", (gap + len(COLUMNS) * (size + gap), line + gap + len(images) * (size + gap)), (PAPER,) * 3)
    draw, font = ImageDraw.Draw(paper), ImageFont.load_default(12)
    for n, caption in enumerate(COLUMNS):
        draw.text((gap + n * (size + gap), 3), caption, INK, font)
    for m, (image, guess, right) in enumerate(zip(images, predicted, truth, strict=True)):
        views = [image, *(from_camera(each, classes) for each in (guess, right))]
        views += [from_above(each, classes, frustum, size) for each in (guess, right)]
        for n, view in enumerate(views):
            fitted = Image.fromarray(view).resize((size, size), Image.Resampling.NEAREST if view.shape[0] < size else Image.Resampling.BOX)
            paper.paste(fitted, (gap + n * (size + gap), line + gap + m * (size + gap)))
    return np.asarray(paper)


def predictions_sheet(batches: Iterable[SceneBatch], predict: Predictor, classes: Labels, frustum: Frustum, scale: int = 1) -> np.ndarray:
    """The sheet of predictions at one scale, one row for each batch of one sample."""
    images, predicted, truth = [], [], []
    for batch in batches:
        images.append((batch.images[0].permute(1, 2, 0) * 255).round().byte().cpu().numpy())
        predicted.append(predict(batch.images)[0].cpu().numpy())
        truth.append(batch.labels[scale][0].cpu().numpy())
    return sheet(images, predicted, truth, classes, frustum)


def _colours(classes: Labels) -> np.ndarray:
    """RGB 0..255 of every id a byte can hold [256, 3]: unknown and ignored ones are light grey."""
    table = np.full((256, 3), 215.0)
    table[: len(classes.names)] = [class_colour(name) for name in classes.names]
    return table
