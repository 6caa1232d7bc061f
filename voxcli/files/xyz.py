"""XYZ: one point a line, as text. Columns may be separated by blanks, commas or semicolons; lines from # or // on are comments.

Our files name their columns in the first comment. What others hold behind x, y and z, `point_columns` tells.
"""

from __future__ import annotations

import re

import numpy as np

from voxcli.errors import DataError, EmptyCloudError, FileFormatError
from voxcli.files.point_columns import unnamed_columns
from voxcli.files.registry import Format, Options, register
from voxcli.files.source import Source
from voxcli.scene import PointCloud

_NORMALS, _COLOURS = ("nx", "ny", "nz"), ("red", "green", "blue")
_MOST_COLUMNS = 1000
_SEPARATORS = str.maketrans(",;", "  ")


def read_xyz(source: Source, kind: str | None, options: Options) -> PointCloud:
    """Points [N, 3] float64. FileFormatError names the line that is not numbers or has another number of columns."""
    rows: list[list[float]] = []
    names: list[str] | None = None
    for number, line in enumerate(source.text.splitlines(), 1):
        body, comment = (re.split(r"#|//", line, maxsplit=1) + [""])[:2]
        words = body.translate(_SEPARATORS).split(maxsplit=_MOST_COLUMNS)
        if names is None and not rows and comment.split()[:3] == ["x", "y", "z"]:
            names = comment.split()
        if not words:
            continue
        if len(words) > _MOST_COLUMNS:
            raise FileFormatError(f"{source.name}, line {number}, is too long.", expected=f"at most {_MOST_COLUMNS} columns")
        try:
            row = [float(word) for word in words]
        except ValueError as error:
            raise FileFormatError(f"{source.name}, line {number}, is not numbers.", actual=repr(line[:60])) from error
        if rows and len(row) != len(rows[0]):
            raise FileFormatError(f"{source.name}, line {number}: the number of columns changes.", expected=len(rows[0]), actual=len(row))
        rows.append(row)
    if not rows:
        raise EmptyCloudError(f"{source.name} holds no points.")
    table = np.array(rows)
    if table.shape[1] < 3:
        raise FileFormatError(f"{source.name} has too few columns.", expected="3 or more", actual=table.shape[1])
    normals, colours = _attributes(table, names, source.name)
    return PointCloud(table[:, :3], normals=normals, colors=colours)


def _attributes(table: np.ndarray, names: list[str] | None, name: str) -> tuple[np.ndarray | None, np.ndarray | None]:
    """(normals, colours) of the columns behind x, y, z."""
    if names is not None and len(names) == table.shape[1]:
        found = [table[:, [names.index(n) for n in wanted]] if set(wanted) <= set(names) else None for wanted in (_NORMALS, _COLOURS)]
        return found[0], None if found[1] is None else found[1].astype(np.uint8)
    return unnamed_columns(table[:, 3:], name)


def write_xyz(cloud: PointCloud, options: Options) -> bytes:
    """Text with named columns; every number reads back as it was. DataError for labels, which have no place here."""
    if cloud.labels is not None:
        raise DataError("XYZ has no place for labels.", hint="Write .ply or .npz.")
    names, columns = ["x", "y", "z"], [cloud.points.astype(np.float64).tolist()]
    if cloud.normals is not None:
        names += _NORMALS
        columns.append(cloud.normals.astype(np.float64).tolist())
    if cloud.colors is not None:
        names += _COLOURS
        columns.append(cloud.colors.tolist())
    lines = ["# " + " ".join(names)]
    lines += [" ".join(repr(v) for part in row for v in part) for row in zip(*columns, strict=True)]
    return ("\n".join(lines) + "\n").encode()


register(Format("XYZ", (".xyz",), "points as text", reads=("points",), reader=read_xyz, writers={PointCloud: write_xyz}))
