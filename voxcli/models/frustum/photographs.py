"""Photographs that people labelled, to score a network of fruxels by what its rays meet first.

A folder holds images/NAME.jpg (or .png) and labels/NAME.png with the number of a group at each pixel: 0 none (sky, or nothing within the
frustum), 1 building, 2 tree, 3 ground, 4 vehicle, 5 person, 6 bicycle; 255 is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from voxcli.errors import DataError, FileFormatError
from voxcli.geometry.visibility import first_labels
from voxcli.metrics.counting import confusion
from voxcli.metrics.overlap import class_counts
from voxcli.models.frustum.fitting import SMALLEST, fit
from voxcli.models.frustum.scores import Predictor
from voxcli.scene.labels import Labels
from voxcli.scene.types import Frustum, Picture

GROUPS = ("none", "building", "tree", "ground", "vehicle", "person", "bicycle")
GROUP_OF = {"person": "person", "car": "vehicle", "truck": "vehicle", "van": "vehicle", "bus": "vehicle", "building": "building",
            "tree": "tree", "bicycle": "bicycle", "ground": "ground"}  # fmt: skip
"""Street class -> group; all others are none."""

LEFT_OUT = 255


@dataclass(frozen=True)
class LabelledPhotographs:
    """pictures [H, W, 3] uint8 and labels [H, W] uint8 of the same size, in the order of their names."""

    pictures: tuple[np.ndarray, ...]
    labels: tuple[np.ndarray, ...]


def read_photographs(folder: str | Path) -> LabelledPhotographs:
    """All photographs of a folder. Raises DataError where there are none or one is tiny, FileFormatError for one without labels of its
    size, and for labels that are no groups."""
    from PIL import Image

    folder = Path(folder)
    paths = sorted(p for p in (folder / "images").glob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
    if not paths:
        raise DataError(f"'{folder}' holds no photographs.", expected="images/NAME.jpg and labels/NAME.png")
    pictures, labels = [], []
    for path in paths:
        try:
            with Image.open(path) as image, Image.open(folder / "labels" / f"{path.stem}.png") as marked:
                pictures.append(np.asarray(image.convert("RGB")))
                labels.append(np.asarray(marked))
        except (OSError, ValueError) as error:
            raise FileFormatError(f"'{path}' cannot be read with its labels.", actual=str(error)) from error
        if min(pictures[-1].shape[:2]) < SMALLEST:
            raise DataError(f"'{path}' is smaller than {SMALLEST} pixels a side.", actual=list(pictures[-1].shape[:2]))
        if labels[-1].shape != pictures[-1].shape[:2]:
            raise FileFormatError(f"The labels of '{path}' have another size.", expected=list(pictures[-1].shape[:2]),
                                  actual=list(labels[-1].shape))  # fmt: skip
        wrong = sorted(set(np.unique(labels[-1]).tolist()) - {*range(len(GROUPS)), LEFT_OUT})
        if labels[-1].dtype.kind not in "iu" or wrong:
            raise FileFormatError(f"The labels of '{path}' are no groups.", expected=f"whole numbers, 0 to {len(GROUPS) - 1} or {LEFT_OUT}",
                                  actual=", ".join(map(str, wrong[:3])) if wrong else str(labels[-1].dtype),
                                  hint=f"They are numbers of {', '.join(GROUPS)}.")  # fmt: skip
    return LabelledPhotographs(tuple(pictures), tuple(labels))


def score_photographs(
    predict: Predictor, photographs: LabelledPhotographs, frustum: Frustum, classes: Labels, picture_scale: int = 1
) -> dict[str, float]:
    """Intersection over union of each group over all pixels of all photographs, and their `mean` over the seven groups.

    The whole pictures are fitted into the network's frustum, which is also the camera that is assumed of them. picture_scale: pixels that
    the network takes for each column of the frustum, along a side.
    """
    groups = np.zeros(256, np.uint8)
    for number, name in enumerate(classes.names):
        groups[number] = GROUPS.index(GROUP_OF.get(name, "none"))
    table = np.zeros((len(GROUPS),) * 2, np.int64)
    for rgb, truth in zip(photographs.pictures, photographs.labels, strict=True):
        fitted = fit(Picture(rgb), frustum, scale=picture_scale, whole=True)
        image, part = torch.from_numpy(fitted.image).permute(2, 0, 1)[None], fitted.part
        seen = first_labels(predict(image.float() / 255)[0].cpu().numpy(), classes)
        row, inside_rows = _cells(part[1], part[3], truth.shape[0], seen.shape[0])
        column, inside_columns = _cells(part[0], part[2], truth.shape[1], seen.shape[1])
        guess = np.where(inside_rows[:, None] & inside_columns, groups[seen[np.ix_(row, column)]], 0)
        table += confusion(guess, truth, len(GROUPS), LEFT_OUT)
    counts = class_counts(table)
    values = counts.intersection / np.maximum(counts.union, 1)
    return {"mean": round(float(values.mean()), 4), **{name: round(float(v), 4) for name, v in zip(GROUPS, values, strict=True)}}


def _cells(low: float, high: float, pixels: int, cells: int) -> tuple[np.ndarray, np.ndarray]:
    """For each of the pixels along one axis: the cell of low..high that holds its centre, and whether one does."""
    at = np.floor((np.arange(pixels) + 0.5 - low) / (high - low) * cells).astype(int)
    return at.clip(0, cells - 1), (at >= 0) & (at < cells)
