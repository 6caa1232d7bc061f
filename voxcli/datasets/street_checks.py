"""Whether the samples of street data belong together: one grid, one list of classes, labels within it, one field of view unless varied.

Grids and classes of fruxel files are compared by the checksums in the archives' directories, so that a thousand files take well under a
second. The numbers are read only where the checksums differ.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

import numpy as np

from voxcli.errors import DataError, FileFormatError
from voxcli.scene.labels import Labels
from voxcli.scene.types import Frustum
from voxcli.shards import opened

LARGEST_GRID = 1 << 28
"""Fruxels in one sample that a reader still unpacks (a guard against zip bombs)."""

_MEMBERS = ("label_names.npy", "empty_label.npy", "ignore_label.npy", "z_near.npy", "z_far.npy", "fov_x_deg.npy")


@dataclass(frozen=True)
class GridFacts:
    """What a fruxel file says besides its labels: its grid and the names of its labels."""

    frustum: Frustum
    classes: Labels


def read_facts(path: Path) -> GridFacts:
    """The grid and the classes of a fruxel file.

    Raises FileFormatError where it is no fruxel file, and DataError where its numbers make no grid.
    """
    depth, height, width = labels_shape(path)
    try:
        with np.load(opened(path), allow_pickle=False) as file:
            numbers = [float(file[key]) for key in ("z_near", "z_far", "fov_x_deg")]
            names = tuple(str(n) for n in file["label_names"])
            ids = [int(file[key]) if file[key] >= 0 else None for key in ("empty_label", "ignore_label")]
    except KeyError as error:
        raise FileFormatError(f"'{path}' lacks the key {error}.") from error
    except (OSError, ValueError, TypeError, zipfile.BadZipFile) as error:
        raise FileFormatError(f"'{path}' cannot be read as fruxels.", actual=f"{type(error).__name__}: {error}") from error
    return GridFacts(Frustum(width, height, depth, *numbers), Labels(names, *ids))


def labels_shape(path: Path) -> tuple[int, int, int]:
    """[D, H, W] of the labels in a fruxel file, from their header. Raises FileFormatError where it holds no usable labels."""
    try:
        with zipfile.ZipFile(opened(path)) as archive, archive.open("labels.npy") as member:
            shape, fortran, dtype = read_array_header(member)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise FileFormatError(f"'{path}' cannot be read as fruxels.", actual=f"{type(error).__name__}: {error}") from error
    if dtype != np.uint8 or len(shape) != 3 or fortran or int(np.prod(shape)) > LARGEST_GRID:
        raise FileFormatError(f"'{path}' holds no usable labels.", expected="uint8 [D, H, W]", actual=f"{dtype} {list(shape)}")
    return shape


def read_array_header(member: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """(shape, fortran_order, dtype) of the array at the start of an open member.

    Samples are read in threads, so this leaves the process's warning filters alone, which files.archive.read_npy_header changes.
    """
    version = np.lib.format.read_magic(member)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read(member)


def check_files(paths: Sequence[Path], facts: GridFacts, jitter: float) -> None:
    """Raise DataError, naming the first file that differs, unless all fruxel files have this grid and these classes.

    facts: of the data set; the first file has them. jitter: degrees by which fields of view may differ, by the data set's meta.json.
    Where it is not 0, each field of view is checked when its sample is read.
    """
    first = _fingerprint(paths[0])
    for path in paths[1:]:
        own = _fingerprint(path)
        if own != first and not (jitter and own[:-1] == first[:-1]):
            check_facts(str(path), read_facts(path), str(paths[0]), facts, jitter)


def _fingerprint(path: Path) -> tuple[int | tuple[int, int] | None, ...]:
    """Checksums of the small members and the size of the labels, the field of view last."""
    try:
        with zipfile.ZipFile(opened(path)) as archive:
            known = {info.filename: info for info in archive.infolist()}
            crcs = [(known[name].CRC, known[name].file_size) if name in known else None for name in _MEMBERS]
            labels = known.get("labels.npy")
            return (labels.file_size if labels else None, *crcs)
    except (OSError, zipfile.BadZipFile) as error:
        raise FileFormatError(f"'{path}' cannot be read as fruxels.", actual=f"{type(error).__name__}: {error}") from error


def check_facts(name: str, facts: GridFacts, other: str, expected: GridFacts, jitter: float) -> None:
    """Raise DataError where a sample's grid or classes differ from those of `other`."""
    own, reference = facts.frustum, expected.frustum
    if facts.classes != expected.classes:
        raise DataError(
            f"'{name}' has other classes than '{other}'.", expected=_listed(expected.classes), actual=_listed(facts.classes),
            hint="Train on data of one list of classes: leave this file out, or make its folder with the same command as the others.",
        )  # fmt: skip
    if own.shape != reference.shape:
        shape = f"[D, H, W] = {list(reference.shape)}"
        raise DataError(f"'{name}' has another grid than '{other}'.", expected=shape, actual=list(own.shape))
    for key in ("z_near", "z_far"):
        if getattr(own, key) != getattr(reference, key):
            raise DataError(f"'{name}' has another {key} than '{other}'.", expected=f"{getattr(reference, key):g} m",
                            actual=f"{getattr(own, key):g} m")  # fmt: skip
    if abs(own.fov_x_deg - reference.fov_x_deg) > jitter * (1 + 1e-9):
        raise DataError(
            f"'{name}' has another field of view than '{other}'.",
            expected=f"{reference.fov_x_deg:g} degrees" + (f" within {jitter:g}" if jitter else ""),
            actual=f"{own.fov_x_deg:g} degrees",
            hint="Fields of view may differ only in a folder whose meta.json says so (synth street --fov-jitter).",
        )  # fmt: skip


def _listed(classes: Labels) -> str:
    return f"{', '.join(classes.names)} (empty {classes.empty}, ignored {classes.ignore})"


def check_labels(name: str, labels: np.ndarray, classes: Labels) -> None:
    """Raise DataError for label ids that no class has. labels [D, H, W] uint8."""
    count = len(classes.names)
    if not labels.size or int(labels.max()) < count:
        return
    beyond = labels[labels >= count]
    bad = beyond if classes.ignore is None else beyond[beyond != classes.ignore]
    if len(bad):
        raise DataError(
            f"The labels of '{name}' hold ids that no class has.", expected=f"0 to {count - 1}, or {classes.ignore} for what is left out",
            actual=f"{int(bad.max())}, {len(bad)} such fruxel(s)",
        )  # fmt: skip


def stated_jitter(meta: str, frustum: Frustum) -> tuple[float, Frustum]:
    """(degrees by which fields of view vary, the frustum that they vary about), from the text of a folder's meta.json.

    (0, frustum) where it does not say so. frustum: the first sample's.
    """
    try:
        options = json.loads(meta)["options"]
        jitter, middle = float(options["fov_jitter_deg"]), float(options["frustum"]["fov_x_deg"])
    except (ValueError, KeyError, TypeError):
        return 0.0, frustum
    return (jitter, replace(frustum, fov_x_deg=middle)) if jitter > 0 else (0.0, frustum)
