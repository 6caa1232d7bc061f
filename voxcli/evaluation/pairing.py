"""Files by patterns such as `{category}/{id}/rendering`: what a name says of a sample, and where the file of a sample lies."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from glob import escape
from pathlib import Path

from voxcli.errors import DataError, UsageError, unknown_name
from voxcli.shards import SUFFIX, members

FIELDS = ("name", "category", "id", "view", "variant")


@lru_cache(maxsize=64)
def pattern_of(text: str) -> re.Pattern[str]:
    """The regular expression of a pattern: {field} stands for one folder or a part of a name, {name} for any number of folders, * for
    anything within one.

    Raises UsageError for a field that does not exist, or is named twice.

    >>> pattern_of("{category}/{id}/*.obj").fullmatch("chair/1a/model.obj").groupdict()
    {'category': 'chair', 'id': '1a'}
    """
    out = []
    for piece in re.split(r"(\{[^}]*\}|\*)", text):
        if piece == "*":
            out.append("[^/]*")
        elif piece.startswith("{"):
            field = piece[1:-1]
            if field not in FIELDS:
                raise unknown_name("field of a pattern", field, FIELDS)
            out.append(f"(?P<{field}>.+)" if field == "name" else f"(?P<{field}>[^/]+)")
        else:
            out.append(re.escape(piece))
    try:
        return re.compile("".join(out))
    except re.error as error:
        raise UsageError(f"'{text}' is no pattern.", actual=str(error)) from error


def likely_pattern(root: Path, fields: Mapping[str, str]) -> str | None:
    """A pattern by which a folder has a file of this sample, where its id or its view is the name of a file or of the folder around it.

    >>> likely_pattern(Path("examples"), {"category": "meshes", "id": "car"})
    '{category}/{id}'
    """
    known = {fields[key]: f"{{{key}}}" for key in ("category", "view", "id") if fields.get(key)}
    for here in (escape(fields[key]) for key in ("id", "view") if fields.get(key)):
        for way in (f"**/{here}.*", f"**/{here}/*"):
            for path in sorted(each for each in root.glob(way) if each.is_file() and not each.name.startswith("."))[:1]:
                parts = path.relative_to(root).parts
                return "/".join([*(known.get(part, part) for part in parts[:-1]), known.get(path.stem, "*")])
    return None


def find_file(root: Path, pattern: str, fields: Mapping[str, str], suffixes: tuple[str, ...]) -> Path | None:
    """The file of a sample below a folder: the pattern with the sample's fields, with or without an extension; without a *, a member of
    the folder's shards, too. None where there is none.

    Raises DataError where there are several.

    >>> find_file(Path("examples"), "{category}/{id}", {"category": "meshes", "id": "car"}, (".glb", ".obj")).as_posix()
    'examples/meshes/car.glb'
    """
    pattern_of(pattern)
    relative = pattern.format(**fields)
    if "*" not in relative and (root / relative).is_file():
        return root / relative
    folder, _, name = relative.rpartition("/")
    exact = re.compile(pattern_of(name).pattern + r"(\.[^/]*)?")
    here = [root / folder] if "*" not in folder else sorted(root.glob(folder))
    found = [
        path for each in here if each.is_dir() for path in sorted(each.iterdir())
        if exact.fullmatch(path.name) and path.is_file() and path.name.lower().endswith(suffixes) and not path.name.startswith(".")
    ]  # fmt: skip
    names = [relative + suffix for suffix in suffixes]
    found += [shard / name for shard in sorted(root.glob(f"*{SUFFIX}")) for name in names if name in members(shard)]
    if len(found) > 1:
        raise DataError(f"Several files could be the prediction of '{fields.get('name')}'.", actual=", ".join(map(str, found[:3])),
                        hint="Name one by --pair, with its extension.")  # fmt: skip
    return found[0] if found else None
