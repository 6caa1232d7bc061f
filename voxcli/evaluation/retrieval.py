"""Retrieval as a method: the truth of the training object whose pictures look most alike (see voxcli.ops.retrieval)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from voxcli.config import Value
from voxcli.errors import DataError, UsageError
from voxcli.evaluation.readers import open_reader, reader_named
from voxcli.evaluation.readers.base import Reader, ReaderOptions
from voxcli.ops.retrieval import gallery_of, load_encoder

if TYPE_CHECKING:
    from voxcli.metrics.base import Shape
    from voxcli.metrics.iqtt import Answers
    from voxcli.metrics.trajectories import CameraPoses
    from voxcli.models.base import Inputs

PICTURES = 6
"""That a training object is known by, where it has as many."""


class Retrieval:
    """The training split below a root, by the reader and the options of a protocol, each object known by some of its pictures.

    Raises UsageError for data without pictures of objects, or without a training split.
    """

    def __init__(self, reader: str, root: str, options: Mapping[str, Value]):
        self.reader = training_reader(reader, root, options)
        self.encoder = load_encoder()
        self.gallery = gallery_of(self.encoder.__call__, _Objects(self.reader), PICTURES)

    def nearest(self, inputs: Inputs) -> int:
        """The training sample that looks most like one object's pictures."""
        return self.gallery.nearest(self.encoder(rgba_of(inputs)))

    def truth(self, index: int, which: str) -> Shape | Answers | CameraPoses | Path:
        """The truth of a training sample."""
        return self.reader.truth(index, which)


class _Objects:
    """The samples of a reader as what a gallery is made of."""

    def __init__(self, reader: Reader[ReaderOptions]):
        self.reader = reader

    def __len__(self) -> int:
        return len(self.reader.samples)

    def view_count(self, index: int) -> int:
        """How many pictures an object has."""
        return self.reader.view_count(index)

    def images(self, index: int, views: Sequence[int]) -> np.ndarray:
        """Some of its pictures, uint8 [n, H, W, 4]."""
        return self.reader.images(index, views)


def training_reader(reader: str, root: str, options: Mapping[str, Value]) -> Reader[ReaderOptions]:
    """The training split below a root. Raises UsageError for data without pictures of training objects, DataError where there are none."""
    kind = reader_named(reader)
    known = vars(kind.Options())
    if kind.task != "3D" or "split" not in known:
        raise UsageError(f"Nothing can be retrieved of {reader}: such data have no pictures of a training split.",
                         hint="--retrieve is for r2n2, disn and pascal3d.")  # fmt: skip
    training: dict[str, Value] = {"split": "train", "views": 1, "unseen": None}
    try:
        return open_reader(reader, root, {**options, **{name: value for name, value in training.items() if name in known}})
    except DataError as error:
        raise DataError(f"--retrieve {root} holds no training objects.", expected=error.expected, actual=error.actual) from error


def rgba_of(inputs: Inputs) -> np.ndarray:
    """The pictures of one object with alpha, opaque where they have none, uint8 [n, H, W, 4]."""
    whole = [np.full(each.rgb.shape[:2], 255, np.uint8) if each.alpha is None else each.alpha for each in inputs.pictures]
    return np.stack([np.dstack([each.rgb, alpha]) for each, alpha in zip(inputs.pictures, whole, strict=True)]).astype(np.uint8)
