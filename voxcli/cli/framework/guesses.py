"""`predict --camera-out --light-out`: what a model guessed besides the shape, as files that other commands read (--camera, --lights)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from voxcli.errors import DataError, UsageError

if TYPE_CHECKING:
    from voxcli.cli.framework.batch import Item

CAMERAS, LIGHTS = (".yaml", ".yml", ".json"), (".yaml", ".yml")


class GuessFiles:
    """The files of one call: a file for one image, a folder for several, in which each has the image's name.

    Raises UsageError for other extensions, where one is there already and may not be replaced, and where two are one file.
    """

    def __init__(self, camera: str | None, light: str | None, items: list[Item], overwrite: bool):
        self.overwrite = overwrite
        self.cameras = _places("--camera-out", camera, CAMERAS, items, overwrite)
        self.lights = _places("--light-out", light, LIGHTS, items, overwrite)
        _check_apart([*self.cameras.values(), *self.lights.values(), *(Path(item.target) for item in items if item.target != "-")])

    def check(self, item: Item, facts: dict[str, Any]) -> None:
        """Raise DataError where there is no camera that could be written: to be asked before anything of the item is."""
        if item.source in self.cameras and facts["camera"] is None:
            raise DataError(f"The camera guessed for {item.source} is none that a picture could have been taken with.",
                            hint="Try --fit, or leave out --camera-out.")  # fmt: skip

    def write(self, item: Item, facts: dict[str, Any]) -> None:
        """Write what was guessed for an item."""
        from voxcli import config, files
        from voxcli.atomic import atomic_write_bytes

        if item.source in self.lights:
            text = config.dumps({"frame": "world", "harmonics": facts["light"]})
            self.lights[item.source].parent.mkdir(parents=True, exist_ok=True)
            atomic_write_bytes(self.lights[item.source], text.encode(), overwrite=self.overwrite)
        if item.source in self.cameras:
            files.write(self.cameras[item.source], _camera(facts["camera"]), overwrite=self.overwrite)


def _camera(facts: dict[str, Any]) -> Any:
    import numpy as np

    from voxcli.scene import Camera

    return Camera(np.array(facts["K"]), facts["width"], facts["height"], np.array(facts["world_to_cam"]))


def _check_apart(places: list[Path]) -> None:
    """Raise UsageError where two outputs of a call are one file."""
    import os

    seen: set[str] = set()
    for place in places:
        if (real := os.path.realpath(place)) in seen:
            raise UsageError(f"Two outputs are to be written to {place}.", hint="Give each of -o, --camera-out and --light-out its own.")
        seen.add(real)


def _places(flag: str, given: str | None, suffixes: tuple[str, ...], items: list[Item], overwrite: bool) -> dict[str, Path]:
    if given is None:
        return {}
    if len(items) == 1 and not Path(given).is_dir():
        if Path(given).suffix not in suffixes:
            raise UsageError(f"{flag} {given}: no such format.", expected=f"FILE{suffixes[0]}, or a folder for several images")
        places = {items[0].source: Path(given)}
    else:
        places = {item.source: Path(given) / f"{item.name}{suffixes[0]}" for item in items}
    there = [str(path) for path in places.values() if path.exists()]
    if there and not overwrite:
        raise UsageError(f"'{there[0]}' is there already.", hint="Add --overwrite to replace it.")
    return places
