"""What a command has written: said in one line at its end, or with -v as it comes."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

from voxcli.atomic import holds_nothing
from voxcli.cli.framework.output import out
from voxcli.remote import is_url

if TYPE_CHECKING:
    from voxcli.scene import SceneType

Lines = list[tuple[str, str]]
"""(file, what is in it) of each."""

_written: Lines = []
_next: list[str] = []
_made_by: list[str] = []


def write(target: str, thing: SceneType, *, format: str | None = None, overwrite: bool = False) -> None:
    """Write a file as `files.write` does, and remember what is in it."""
    from voxcli import files
    from voxcli.scene.words import in_words

    files.write(target, thing, format=format, overwrite=overwrite)
    add(target, in_words(thing))


def add(target: str, words: str) -> None:
    """Remember a file that was written; stdout and devices are none."""
    if target != "-" and not holds_nothing(target):
        _written.append((target, words))


def quoted(path: str) -> str:
    """A path as it stands in a command line that can be pasted: one that begins with - would be taken for an option.

    >>> quoted("a b.npz"), quoted("-dash.npz")
    ("'a b.npz'", './-dash.npz')
    """
    return shlex.quote(f"./{path}" if path.startswith("-") else path)


def suggest(step: str) -> None:
    """Remember what can be done next with the one file that is written, such as a command line."""
    _next[:] = [step]


def name_model(name: str) -> None:
    """Remember which model makes what is written: said of several files, which `voxcli view` then shows."""
    _made_by[:] = [name]


def take_all() -> Lines:
    """What is remembered, which is then forgotten: a worker process hands it to its parent."""
    found = list(_written)
    _written.clear()
    _next.clear()
    _made_by.clear()
    return found


def report() -> None:
    """Say what was written: of one file what is in it, of several how many, and with -v each."""
    model = _made_by[0] if _made_by else None
    step = f". Next: {_next[0]}" if _next and len(_written) == 1 else ""
    found = take_all()
    if len(found) == 1 or out.verbose:
        for target, words in found:
            out.note(f"{target}: {words}{step}")
    if len(found) > 1:
        folder = os.path.commonpath([os.path.dirname(target) for target, _ in found])
        folder = folder.replace(":/", "://", 1) if is_url(found[0][0]) else folder
        by = f" by {model}" if model else ""
        view = f" Next: voxcli view {quoted(folder)}/ -o sheets/" if model and folder and not is_url(folder) else ""
        out.note(f"{folder or '.'}: {len(found)} files written{by}.{view}")
