"""`segment` for what a camera sees: images through a model into a labelled scene, and scenes into label images with a legend."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voxcli.cli.output import out
from voxcli.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

    from voxcli.scene import Camera, FruxelGrid, Labels, Picture

_IGNORED = (0, 0, 0)


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


def label_image(scene: FruxelGrid, picture: Picture | None) -> np.ndarray:
    """The first solid class along each ray, [H, W]: the scene's own pixels, or those of the picture that it was predicted from.

    Pixels of a picture that the model did not look at are ignored ones (empty where the classes have no such id).
    """
    import numpy as np

    from voxcli.geometry.visibility import first_labels

    seen = first_labels(scene.labels, scene.classes)
    if picture is None:
        return seen
    left, top, right, bottom = scene.meta["crop"]
    width, height = picture.size
    column = np.floor((np.arange(width) + 0.5 - left) / (right - left) * scene.frustum.width).astype(int)
    row = np.floor((np.arange(height) + 0.5 - top) / (bottom - top) * scene.frustum.height).astype(int)
    inside = ((row >= 0) & (row < scene.frustum.height))[:, None] & ((column >= 0) & (column < scene.frustum.width))
    full = seen[row.clip(0, scene.frustum.height - 1)][:, column.clip(0, scene.frustum.width - 1)]
    outside = scene.classes.ignore if scene.classes.ignore is not None else scene.classes.empty or 0
    return np.where(inside, full, seen.dtype.type(outside))


def as_picture(labels: np.ndarray, classes: Labels, indices: bool, meta: dict[str, Any]) -> Picture:
    """Labels as class colours, or as numbers (16-bit grey, so that every id fits and no viewer changes them)."""
    import numpy as np

    from voxcli.scene import Picture, class_colour

    if indices:
        return Picture(np.repeat(labels.astype(np.uint16)[..., None], 3, axis=-1), meta=meta)
    table = np.full((max(int(labels.max(initial=0)) + 1, len(classes.names)), 3), _IGNORED, np.uint8)
    table[: len(classes.names)] = [class_colour(name) for name in classes.names]
    return Picture(table[labels], meta=meta)


def legend(classes: Labels) -> list[dict[str, Any]]:
    """What the ids and colours of a label image mean."""
    from voxcli.scene import class_colour

    rows: list[dict[str, Any]] = [{"id": i, "class": name, "colour": list(class_colour(name))} for i, name in enumerate(classes.names)]
    return rows + ([{"id": classes.ignore, "class": None, "colour": list(_IGNORED)}] if classes.ignore is not None else [])


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
