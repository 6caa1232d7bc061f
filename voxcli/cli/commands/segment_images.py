"""`segment` for what a camera sees: images through a model into a labelled scene, and scenes into label images with a legend."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voxcli.cli.framework.output import out
from voxcli.errors import UsageError
from voxcli.ops.label_images import legend

if TYPE_CHECKING:
    from voxcli.scene import Camera, FruxelGrid, Labels, Picture


class ScenePredictor:
    """A model that turns pictures into labelled scenes, loaded when the first picture comes.

    digest: SHA-256 of its weights, None until then.
    """

    def __init__(self, model: str | None, weights: str | None, device: str, dtype: str):
        self._model, self._weights, self._device, self._dtype = model, weights, device, dtype
        self._run: Callable[..., Any] | None = None
        self.digest: str | None = None

    def scene(self, picture: Picture, fov: float | None, camera: Camera | None) -> FruxelGrid:
        """The labelled fruxels of one picture, before a level camera where none is given. Raises UsageError for a model that makes
        something else."""
        from voxcli.geometry.placing import stand_level
        from voxcli.scene import FruxelGrid

        if self._run is None:
            self._run = self._load()
        (scene,) = self._run([picture], fov_x_deg=fov, camera=camera)
        if not isinstance(scene, FruxelGrid):
            raise UsageError(f"-m {self._model} makes no labelled scenes of images.", hint="Use -m ssz.")
        return stand_level(scene) if camera is None else scene

    def _load(self) -> Callable[..., Any]:
        from functools import partial

        from voxcli.models.registry import model_module
        from voxcli.models.weights import find_weights, load_weights
        from voxcli.provenance import sha256_file

        name = self._model or ("ssz" if self._weights is None else load_weights(self._weights).model)
        module = model_module(name, "inference")
        path = find_weights(self._weights or name)
        self.digest = sha256_file(path)
        predictor = module.load_predictor(path, self._device, self._dtype)
        if self._device == "auto":
            out.detail(f"device: {predictor.device}")
        return partial(module.predict, predictor)


def check_makes_scenes(model: str | None, weights: str | None) -> None:
    """Raise UsageError for a model, named or told by its weights, that makes no labelled scenes, before anything is read."""
    from voxcli.models.registry import model_module
    from voxcli.models.weights import model_of

    name = model if model is not None or weights is None else model_of(weights)
    if name in (None, "ssz"):
        return
    offers = getattr(model_module(name, "inference"), "OFFERS", None)
    if offers is None or offers.gives != "FruxelGrid":
        raise UsageError(f"{name} divides nothing: it makes no labelled scenes of images, and tells no parts.",
                         hint="-m ssz for images of streets, -m jof or bae for shapes; labelled scenes need no model.")  # fmt: skip


class LegendFile:
    """One legend for all label images of a call: written with the first of them; another one later is an error."""

    def __init__(self, path: str | None, overwrite: bool):
        from voxcli.atomic import refuse_existing

        if path is not None and not path.lower().endswith(".json"):
            raise UsageError(f"--legend {path}: a legend is JSON.", expected="FILE.json")
        if path is not None and not overwrite:
            refuse_existing(path)
        self._path, self._overwrite = path, overwrite
        self._written: Labels | None = None

    def write(self, classes: Labels) -> None:
        """Write it, unless that is done."""
        from voxcli.atomic import atomic_write_bytes
        from voxcli.errors import DataError

        if self._path is None:
            return
        if self._written is not None and self._written != classes:
            raise DataError("The scenes have different classes: one legend does not fit them all.", hint="Leave out --legend.")
        if self._written is None:
            text = "[\n" + ",\n".join(" " + json.dumps(row) for row in legend(classes)) + "\n]\n"
            atomic_write_bytes(Path(self._path), text.encode(), overwrite=self._overwrite)
            self._written = classes
