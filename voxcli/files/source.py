"""Where bytes come from: a file, or stdin. A file of usual size is opened once and read whole (see voxcli.contents)."""

from __future__ import annotations

import errno
import io
import os
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from voxcli.contents import file_bytes, read_stdin
from voxcli.errors import FileFormatError, UsageError, readable
from voxcli.files.guard import claim
from voxcli.remote import is_url, local_name


@dataclass(frozen=True)
class Source:
    """One input. name: what errors call it; path: None for stdin and URLs; whole: its bytes, None for a large file, which is streamed."""

    name: str
    path: Path | None = None
    whole: bytes | None = None

    @classmethod
    def from_path(cls, path: str | Path) -> Source:
        """Read a file or a URL; a large file is only checked to be readable. Raises UsageError that names it."""
        if is_url(path):
            return cls(str(path), None, file_bytes(path))
        path = Path(local_name(str(path)))
        try:
            os.stat(path)
        except ValueError as error:
            raise UsageError(f"{readable(str(path)[:60])} cannot be read.", actual="a name with a zero byte, which no file has") from error
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                short = f"{str(path)[:60]}..."
                raise UsageError(f"{short} cannot be read.", actual=f"a name of {len(str(path))} characters") from error
        if path.is_dir():
            raise UsageError(f"{path} is a folder.", expected="a file")
        if not path.exists():
            if path.is_symlink():
                raise UsageError(f"{path} is a link to a file that does not exist.", actual=os.readlink(path))
            raise UsageError(f"{path} does not exist.", hint=nearest_sibling(path))
        try:
            data = file_bytes(path)
        except OSError as error:
            raise UsageError(f"{path} cannot be read.", actual=error.strerror or str(error)) from error
        claim(str(path), len(data or b""), "holds")  # a larger file tells what its parts take
        return cls(str(path), path, data)

    @classmethod
    def from_stdin(cls) -> Source:
        """All of stdin, so that formats that seek can be piped too."""
        return cls("stdin", None, read_stdin())

    def open(self) -> BinaryIO:
        """A seekable binary file. Raises FileFormatError for an empty one."""
        if self.whole is None and self.path is not None:
            return open(self.path, "rb")
        if not self.whole:
            raise FileFormatError(f"{self.name} is empty.")
        return io.BytesIO(self.whole)

    @cached_property
    def data(self) -> bytes:
        """All bytes. Raises FileFormatError for an empty file."""
        data = self.whole
        if data is None:
            with self.open() as file:
                claim(self.name, os.fstat(file.fileno()).st_size, "holds")
                data = file.read()
        if not data:
            raise FileFormatError(f"{self.name} is empty.")
        return data

    @cached_property
    def text(self) -> str:
        """All bytes as UTF-8 text. Raises FileFormatError where they are not text."""
        self.refuse_utf16()
        try:
            text = self.data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise FileFormatError(
                f"{self.name} is not a text file.", actual=f"byte {error.object[error.start]:#04x} at {error.start}"
            ) from error
        if "\0" in text:
            raise FileFormatError(f"{self.name} is not a text file.", actual="zero bytes")
        return text

    def refuse_utf16(self) -> None:
        """Raise FileFormatError for text of two bytes a letter, as some editors save it."""
        first, second = self.data[:400:2], self.data[1:400:2]
        if self.data[:2] in (b"\xff\xfe", b"\xfe\xff") or (len(second) > 4 and any(first) != any(second)):
            raise FileFormatError(f"{self.name} is text in UTF-16.", expected="UTF-8 or ASCII", hint="Save it again as UTF-8.")

    def beside(self, name: str) -> Path | None:
        """The file that this one names, by its path from this one's folder; None where there is none, and for stdin.

        Nothing outside the folder is found. Names are those of other systems, too: a backslash parts folders, case does not count where
        no name is just so, and of a path that does not exist here, such as C:\\art\\red.png, the last part is looked for.
        """
        if self.path is None:
            return None
        folder = self.path.parent
        parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
        within = ".." not in parts and not name.startswith(("/", "\\")) and ":" not in name
        for steps in ([parts] if within else []) + [parts[-1:]]:
            place: Path | None = folder
            with suppress(OSError, ValueError):  # a name that no file can have
                for step in steps:
                    place = None if place is None else _named(place, step)
                if place is not None and place.is_file() and place.resolve().is_relative_to(folder.resolve()):
                    return place
        return None


def _named(folder: Path, name: str) -> Path | None:
    if (exact := folder / name).exists():
        return exact
    try:
        return next((each for each in sorted(folder.iterdir()) if each.name.casefold() == name.casefold()), None)
    except OSError:
        return None


def decoded(text: bytes) -> str:
    """Words of a file of unknown encoding: UTF-8 where they are that, else Windows-1252, which holds the letters of Latin-1."""
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError:
        return text.decode("cp1252", errors="replace")


def nearest_sibling(path: Path) -> str | None:
    """A hint for a path that does not exist: the file of its kind beside it of the nearest name, or the folder that is not there either."""
    import difflib

    if not path.parent.is_dir():
        return f"There is no folder {path.parent}."
    alike = [p.name for p in path.parent.iterdir() if p.suffix.lower() == path.suffix.lower()]
    near = difflib.get_close_matches(path.name, alike, n=1)
    return f"Did you mean '{path.with_name(near[0])}'?" if near else None
