"""Reader of the 3D-IQ test task: the published HDF5 files (3diqtt-v2-train, -val, -test) and those of `voxcli synth iqtt`.

train: labeled/questions [n, 4, H, W, 3], labeled/answers [n], unlabeled/questions; val: questions, answers; test: questions alone.
Picture 0 is the reference, 1 to 3 are the choices; an answer is 0, 1 or 2. Pixels are uint8, or floats in 0..1. Our own files also state
what each picture is lit by: lights/ambient [N, 4, 3], lights/positions and lights/colours [N, 4, 3, 3], labelled questions first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from voxcli.errors import DataError, FileFormatError
from voxcli.files.guard import bytes_within, parsing
from voxcli.files.hdf5_reading import MOST_KEYS, chunk_sizes, find, opened, values
from voxcli.files.npy import load_npy
from voxcli.files.source import Source

if TYPE_CHECKING:
    import h5py
    from torch import Tensor

LARGEST_QUESTION = 1 << 28
"""Bytes of one question that a reader still unpacks."""

_ANSWERS, _KINDS = "truth/answers", "truth/kinds"
_QUESTIONS = ("labeled/questions", "unlabeled/questions", "questions")
_LIGHTS = ("lights/ambient", "lights/positions", "lights/colours")


class Questions:
    """Questions of one list in a file, read on demand, and their answers, int64 [n], where they are known.

    Travels to worker processes: the file is opened on first use in each.
    """

    def __init__(self, path: Path, key: str, count: int, answers: np.ndarray | None):
        self.path, self.key, self.answers = path, key, answers
        self._count: int = count
        self._data: h5py.Dataset | None = None
        self._sizes: dict[tuple[int, ...], int] | None = None

    def __getstate__(self) -> dict[str, Path | str | int | np.ndarray | None]:
        return {**self.__dict__, "_data": None, "_sizes": None}

    def __len__(self) -> int:
        return self._count

    def name(self, index: int) -> str:
        """Of a question, for messages and for the seeds of items."""
        return f"{self.path.name}/{self.key}/{index}"

    def pictures(self, index: int) -> np.ndarray:
        """One question, uint8 [4, H, W, 3]."""
        import h5py

        if not 0 <= index < self._count:
            raise IndexError(index)
        try:
            if self._data is None:
                self._data = h5py.File(self.path, "r")[self.key]
                self._sizes = chunk_sizes(self._data) if self._data.chunks is not None else None
            pixels = values(self._data, f"'{self.path}', {self.key}[{index}]", slice(index, index + 1), self._sizes)[0]
        except (OSError, KeyError, ValueError, RuntimeError) as error:
            raise FileFormatError(f"'{self.path}', {self.key}[{index}] cannot be read.", actual=str(error)) from error
        if pixels.dtype == np.uint8:
            return pixels
        return (np.clip(np.nan_to_num(pixels), 0, 1) * 255 + 0.5).astype(np.uint8)

    def batch(self, indices: Sequence[int]) -> Tensor:
        """Several questions as float32 [B, 4, 3, H, W] in 0..1."""
        import torch

        pixels = torch.from_numpy(np.stack([self.pictures(index) for index in indices]))
        return pixels.movedim(-1, -3).float() / 255


class IQTTFile:
    """A file of questions. labeled: those whose answers it states; unlabeled: the others. Either may be empty.

    kinds: what each choice is, uint8 [N, 3], ids in voxcli.datasets.synthetic.iqtt.KINDS, labelled questions first; lights: the lights of
    each picture in its camera's frame, float32 ambient [N, 4, 3], positions and colours [N, 4, 3, 3]; both None in published files. Raises
    DataError where there is no file, FileFormatError for one that holds no questions.
    """

    def __init__(self, path: str | Path):
        self.path, name = Path(path), f"'{path}'"
        if not self.path.is_file():
            raise DataError(f"There is no file '{path}'.", hint="Make one with 'voxcli synth iqtt -o FILE.h5 --count N'.")
        with open(self.path, "rb") as raw, opened(raw, name) as file:
            lists = {key: data for key in _QUESTIONS if (data := find(file, key, name)) is not None}
            if not lists:
                with parsing(name, "a whole HDF5 file"):
                    keys = ", ".join(islice(file, MOST_KEYS))
                raise FileFormatError(f"'{path}' holds no questions.", expected="questions, or labeled/ and unlabeled/questions",
                                      actual=f"keys {keys or '(none)'}")  # fmt: skip
            found = {key: Questions(self.path, key, *self._checked(file, key, data)) for key, data in lists.items()}
            self.truth = self._answers(file, _ANSWERS, None)
            kinds = find(file, _KINDS, name)
            self.kinds = None if kinds is None else values(kinds, f"{name}: '{_KINDS}'")
            self.lights = self._lights(file, sum(map(len, found.values()))) if find(file, _LIGHTS[0], name) is not None else None
        none = Questions(self.path, "", 0, np.zeros(0, np.int64))
        self.labeled = next((q for q in found.values() if q.answers is not None), none)
        self.unlabeled = next((q for q in found.values() if q.answers is None), none)

    @property
    def answers(self) -> np.ndarray:
        """The right choices of all questions whose answers are known: of every one in our own files. Raises DataError where none is."""
        known = self.truth if self.truth is not None else self.labeled.answers
        if known is None or not len(known):
            raise DataError(f"'{self.path}' states no answers.", expected="answers or labeled/answers",
                            hint="Published test files hold questions alone.")  # fmt: skip
        return known

    def _lights(self, file: h5py.File, count: int) -> tuple[np.ndarray, ...]:
        found = []
        for key, shape in zip(_LIGHTS, ((count, 4, 3), (count, 4, 3, 3), (count, 4, 3, 3)), strict=True):
            data = find(file, key, f"'{self.path}'")
            what = "nothing" if data is None else f"{list(data.shape)} {data.dtype}"
            fits = data is not None and data.shape == shape and data.dtype.kind == "f"
            lights = values(data, f"'{self.path}': '{key}'").astype(np.float32) if fits else None
            if lights is None or not np.isfinite(lights).all():
                raise FileFormatError(f"'{self.path}': '{key}' holds no lights of its pictures.", expected=f"{list(shape)}, finite floats",
                                      actual=what)  # fmt: skip
            found.append(lights)
        return tuple(found)

    def _checked(self, file: h5py.File, key: str, data: h5py.Dataset) -> tuple[int, np.ndarray | None]:
        """(how many, their answers or None)"""
        shape, dtype = data.shape, data.dtype
        good = len(shape) == 5 and shape[1] == 4 and shape[4] == 3 and (dtype == np.uint8 or dtype.kind == "f")
        if not good or math.prod(shape[1:]) * dtype.itemsize > LARGEST_QUESTION:
            raise FileFormatError(f"'{self.path}': '{key}' holds no questions.", expected="[n, 4, H, W, 3], uint8 or float",
                                  actual=f"{list(shape)} {dtype}")  # fmt: skip
        return shape[0], self._answers(file, key.replace("questions", "answers"), shape[0])

    def _answers(self, file: h5py.File, key: str, count: int | None) -> np.ndarray | None:
        """Those of a list; None where the file has none."""
        if (data := find(file, key, f"'{self.path}'")) is None:
            return None
        if data.dtype.kind not in "fiu":
            raise FileFormatError(f"'{self.path}': '{key}' holds no answers.", actual=f"{list(data.shape)} {data.dtype}")
        return checked_answers(values(data, f"'{self.path}': '{key}'"), f"'{self.path}': '{key}'", count)


def checked_answers(values: np.ndarray, name: str, count: int | None) -> np.ndarray:
    """Answers as int64 [n]; FileFormatError that begins with name where they are not 0, 1 or 2, or not `count`."""
    flat = values.reshape(-1)
    if values.ndim not in (1, 2) or flat.size != len(values) or (count is not None and len(flat) != count):
        raise FileFormatError(f"{name} does not hold one answer a question.", expected=f"[{'n' if count is None else count}]",
                              actual=list(values.shape))  # fmt: skip
    bad = flat[~np.isin(flat, (0, 1, 2))]
    if len(bad):
        raise FileFormatError(f"{name}: answers are 0, 1 or 2.", actual=f"{bad[0]!s}")
    return flat.astype(np.int64)


def read_answers(path: str | Path) -> np.ndarray:
    """Answers, int64 [n]: a text file with a number a line, an .npy array, or those that an HDF5 file of questions states."""
    path = Path(path)
    if path.suffix.lower() in (".h5", ".hdf5"):
        return IQTTFile(path).answers
    if not path.is_file():
        raise DataError(f"There is no file '{path}'.")
    with parsing(f"'{path}'", "a file of answers", expected="0, 1 or 2 on each line, or .npy", hint=None):
        if path.suffix.lower() == ".npy":
            values = load_npy(Source.from_path(path))
        else:
            values = np.array([int(word) for word in bytes_within(path).decode("utf-8").split()], np.int64)
    if not len(np.atleast_1d(values)):
        raise FileFormatError(f"'{path}' holds no answers.", expected="0, 1 or 2 on each line", actual="nothing")
    return checked_answers(np.atleast_1d(values), f"'{path}'", None)
