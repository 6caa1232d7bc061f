"""Readers of data sets by name, as protocols name them. One module a kind of data; each is imported when it is asked for."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from voxcli import config
from voxcli.config import Value
from voxcli.errors import DataError, UsageError, VoxcliError, unknown_name
from voxcli.options import imported

if TYPE_CHECKING:
    from voxcli.evaluation.readers.base import Reader, ReaderOptions

READERS = {
    "r2n2": "voxcli.evaluation.readers.objects:R2N2Reader",
    "pix3d": "voxcli.evaluation.readers.objects:Pix3DReader",
    "pascal3d": "voxcli.evaluation.readers.objects:Pascal3DReader",
    "disn": "voxcli.evaluation.readers.objects:DISNReader",
    "shapes": "voxcli.evaluation.readers.shapes:ShapesReader",
    "street": "voxcli.evaluation.readers.scenes:StreetReader",
    "rooms": "voxcli.evaluation.readers.scenes:RoomsReader",
    "questions": "voxcli.evaluation.readers.questions:QuestionsReader",
    "scannet": "voxcli.evaluation.readers.scannet:ScanNetReader",
    "parts": "voxcli.evaluation.readers.parts:PartsReader",
    "unseen": "voxcli.evaluation.readers.shapes:UnseenReader",
    "network": "voxcli.evaluation.readers.network:NetworkReader",
    "semantic-kitti": "voxcli.evaluation.readers.completion:KittiReader",
    "nyu": "voxcli.evaluation.readers.completion:NYUReader",
    "occ3d": "voxcli.evaluation.readers.completion:Occ3DReader",
}
"""Name -> "module:class"."""


def reader_named(name: str) -> type[Reader[ReaderOptions]]:
    """The class of a reader. Raises UsageError for an unknown name."""
    if name not in READERS:
        raise unknown_name("reader", name, READERS)
    kind: type[Reader[ReaderOptions]] = imported(READERS[name])
    return kind


def open_reader(name: str, root: str | Path, options: Mapping[str, Value]) -> Reader[ReaderOptions]:
    """The samples below a root. Raises UsageError for unknown names and options, DataError with the expected tree for another root."""
    kind = reader_named(name)
    chosen = config.from_mapping(kind.Options, dict(options), f"reader {name}")
    if kind.task != "costs" and not os.path.exists(root):
        raise UsageError(f"--data {root} does not exist.", expected=kind.expected(chosen))
    try:
        reader: Reader[ReaderOptions] = kind(Path(root), chosen)
    except UsageError:
        raise
    except VoxcliError as error:
        raise DataError(f"{root}: {error.message}", expected=kind.expected(chosen), actual=error.actual, hint=error.hint) from error
    if not reader.samples:
        _refuse_empty_split(kind, Path(root), config.to_mapping(chosen))
        raise DataError(f"{root} holds no sample of this protocol.", expected=kind.expected(chosen))
    return reader


def _refuse_empty_split(kind: type[Reader[ReaderOptions]], root: Path, options: Mapping[str, Value]) -> None:
    """Raise DataError where another split than the one that is asked for has samples."""
    split = options.get("split")
    there: dict[str, int] = {}
    for name in ("train", "val", "test") if split is not None else ():
        with suppress(VoxcliError):
            there[name] = len(kind(root, config.from_mapping(kind.Options, {**options, "split": name}, "reader")).samples)
    others = [f"{name} ({count})" for name, count in there.items() if count]
    if others:
        first = others[0].partition(" ")[0]
        raise DataError(f"{root} holds no sample of the split {split}.", actual=f"samples of {', '.join(others)}",
                        hint=f"Take others: --set protocol.read.split={first}; a larger --count of `voxcli synth` fills all.")  # fmt: skip
