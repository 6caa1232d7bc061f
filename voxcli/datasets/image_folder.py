"""Any folder of pictures (.png .jpg .jpeg), searched in depth: COCO's flat folders of JPEGs, photographs, renderings. No annotations."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from voxcli.errors import DataError
from voxcli.files import read_as
from voxcli.scene import Picture

SUFFIXES = (".png", ".jpg", ".jpeg")


class ImageFolder:
    """The pictures of one or several folders, sorted by folder and relative path, read on demand as uint8 [H, W, 3] (sRGB).

    EXIF orientation is applied, alpha dropped, grey repeated. Raises DataError for a folder without pictures; reading a broken one raises
    a VoxcliError that names it.
    """

    def __init__(self, sources: Sequence[str | Path]):
        self.paths: list[Path] = []
        self._names: list[str] = []
        for root in map(Path, sources):
            found = sorted(_pictures(root))
            if not found:
                what = "holds no pictures" if root.is_dir() else "is no folder" if root.exists() else "is not there"
                raise DataError(f"'{root}' {what}.", expected=f"a folder of {', '.join(SUFFIXES)}")
            self.paths += found
            self._names += [f"{root.name}/{path.relative_to(root)}" for path in found]

    def __len__(self) -> int:
        return len(self.paths)

    def name(self, index: int) -> str:
        """Folder and relative path, for messages."""
        return self._names[index]

    def __getitem__(self, index: int) -> np.ndarray:
        rgb = read_as(self.paths[index], Picture).rgb
        return rgb if rgb.dtype == np.uint8 else (rgb >> 8).astype(np.uint8)


def _pictures(root: Path) -> list[Path]:
    found = []
    for here, folders, files in os.walk(root):
        folders[:] = [each for each in folders if not each.startswith(".")]
        found += [Path(here) / each for each in files if each.lower().endswith(SUFFIXES) and not each.startswith(".")]
    return found
