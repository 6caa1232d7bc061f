"""Readers of scenes: streets with fruxels, and rooms with surfels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from voxcli.datasets.nuscenes import CHANNELS, NuScenesFolder
from voxcli.datasets.nuscenes_street import CAMERA_CHANNEL, is_nuscenes_folder
from voxcli.datasets.rooms import RoomsFolder
from voxcli.datasets.street import scene_folders, split_folders
from voxcli.errors import DataError
from voxcli.evaluation.readers.base import Reader, ReaderOptions, Sample
from voxcli.models.base import Inputs
from voxcli.scene import Camera, Picture, Surfels
from voxcli.shards import SUFFIX, as_input, members

if TYPE_CHECKING:
    from voxcli.metrics.base import Shape


@dataclass(frozen=True)
class StreetOptions(ReaderOptions):
    """split: of data that are divided (`synth street --trajectory`, `synth views --layout street`), where the root has folders train, val
    and test, or tables of nuScenes that were made of such a root."""

    split: Literal["train", "val", "test"] = "test"


class StreetReader(Reader[StreetOptions]):
    """Streets with fruxels, in the layout of `synth street` or of nuScenes (SemanticVoxels). Their truth is the fruxels."""

    tree = (
        "ROOT/images/NAME.png and ROOT/fruxels/NAME.npz, as `voxcli synth street` writes them, or ROOT/test/images and so on (`voxcli "
        "synth views --layout street`), or ROOT/test/SCENE/images (`synth street --trajectory`); or nuScenes tables with a channel of "
        "fruxels (SemanticVoxels): ROOT/VERSION/sample.json"
    )
    Options = StreetOptions

    def __init__(self, root: Path, options: StreetOptions):
        super().__init__(root, options)
        self.files: list[tuple[Path, Path]] = []
        if is_nuscenes_folder(root):
            channel = next(own for own, (kind, _, _) in CHANNELS.items() if kind == "fruxels")
            folder = NuScenesFolder(root, channel=CAMERA_CHANNEL)
            split_of = folder.split_of_samples()
            self._need_split(dict.fromkeys(split_of.values()))
            chosen = [k for k, token in enumerate(folder.tokens) if not split_of or split_of.get(token) == self.options.split]
            frames = [folder[k].files for k in chosen]
            self.files = [(each[CAMERA_CHANNEL], each[channel]) for each in frames if channel in each]
            self.samples = [Sample(picture.stem) for picture, _ in self.files]
            return
        split = self._split()
        for place in scene_folders(split) or [split]:
            packed = place.name.endswith(SUFFIX)
            files = [place / name for name in members(place)] if packed else place.glob("fruxels/*.npz")
            scene = "" if packed or place == root else place.relative_to(root).as_posix()
            for path in sorted(each for each in files if each.match("fruxels/*.npz")):
                self.files.append((path.parents[1] / "images" / f"{path.stem}.png", path))
                self.samples.append(Sample(f"{scene}/{path.stem}", "", place.name, path.stem) if scene else Sample(path.stem))

    def _split(self) -> Path:
        """The folder of the split, where there are any. Raises DataError where it is missing."""
        there, beside = split_folders(self.root), split_folders(self.root.resolve().parent)
        own = self.root.resolve().name
        if not there and own in beside and len(beside) > 1 and own != self.options.split:
            raise DataError(f"these samples are of the split {own}, not {self.options.split}.", hint=f"--set protocol.read.split={own}")
        self._need_split(there)
        return there[self.options.split] if there else self.root

    def _need_split(self, there: Iterable[str]) -> None:
        names = [*there]
        if names and self.options.split not in names:
            raise DataError(f"no sample is of the split {self.options.split}.", actual=f"samples of {', '.join(names)}",
                            hint=f"Take others: --set protocol.read.split={'test' if 'test' in names else names[0]}")  # fmt: skip

    def sources(self, index: int) -> Sequence[Path]:
        """The picture and the fruxels."""
        return self.files[index]

    def inputs(self, index: int) -> Inputs:
        """The picture. Its camera stays unknown: fruxels are compared in the camera's own frame."""
        from voxcli import files

        return Inputs.of(files.read_as(as_input(self.files[index][0]), Picture))

    def truth(self, index: int, which: str) -> Shape | Path:
        """The file of the fruxels."""
        return self.files[index][1]


@dataclass(frozen=True)
class RoomsOptions(ReaderOptions):
    """first: leave out the rooms before this one in each folder, those of a training. count: so many of each. degrees: the truth seen by
    a camera that is turned around the scene by so much; 0: by that of the picture."""

    first: int = 0
    count: int | None = None
    degrees: int = 0


class RoomsReader(Reader[RoomsOptions]):
    """Rooms of `synth rooms`, one folder or several below a root; their category is the variant. Their truth is surfels."""

    tree = "ROOT/images/NAME.png, ROOT/facts, ROOT/surfels, as `voxcli synth rooms` writes them (Table 2: --turned), or such folders"
    Options = RoomsOptions

    def __init__(self, root: Path, options: RoomsOptions):
        super().__init__(root, options)
        roots = [root] if (root / "meta.json").is_file() else sorted(path.parent for path in root.glob("*/meta.json"))
        self.rooms: list[tuple[RoomsFolder, int]] = []
        for folder in map(RoomsFolder, roots):
            last = len(folder) if options.count is None else min(len(folder), options.first + options.count)
            for k in range(options.first, last):
                prefix = "" if folder.root == root else f"{folder.root.name}/"
                self.samples.append(Sample(prefix + folder.name(k), folder.variant, folder.name(k)))
                self.rooms.append((folder, k))

    def inputs(self, index: int) -> Inputs:
        """The picture and its camera."""
        folder, k = self.rooms[index]
        image = (np.moveaxis(folder[k].images[0].numpy(), 0, -1) * 255 + 0.5).astype(np.uint8)
        return Inputs.of(Picture(image), camera=folder.camera(k))

    def truth(self, index: int, which: str) -> Shape | Path:
        """The surfels of the camera that is asked for."""
        folder, k = self.rooms[index]
        return self._turned(folder, k) if self.options.degrees else folder.surfels(k)

    def seen_from(self, index: int) -> Camera | None:
        """The camera of the truth: a network may see with another size of pictures."""
        folder, k = self.rooms[index]
        return self._turned(folder, k).camera if self.options.degrees else folder.camera(k)

    def _turned(self, folder: RoomsFolder, k: int) -> Surfels:
        found = folder.turned(k)
        if self.options.degrees not in found:
            raise DataError(f"{folder.root} has no views turned by {self.options.degrees} degrees.", actual=", ".join(map(str, found)))
        return found[self.options.degrees]
