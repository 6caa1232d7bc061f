"""Official checkpoints as voxcli weights: the importers that the specs of models name, as one table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from voxcli.errors import UsageError, unknown_name
from voxcli.models.registry import MODELS, specs
from voxcli.options import imported

if TYPE_CHECKING:
    from voxcli.models.base import Importer
    from voxcli.models.weights import Weights

EntryReport = Callable[[str, str], None]
"""Called with what became of an entry of a checkpoint: ("used" | "left" | "filled", its name and shape)."""


def importers() -> dict[str, Importer]:
    """The importers by their models' names."""
    return {spec.name: spec.importer for spec in specs() if spec.importer is not None}


def import_weights(model: str, paths: Sequence[str], report: EntryReport) -> Weights:
    """The weights in the checkpoint of a model; in several files where its importer takes several.

    Raises UsageError for a model without importer, and for several files where one is taken; FileFormatError for files of something else.
    """
    known = importers()
    if model not in MODELS:
        raise unknown_name("model", model, MODELS)
    if model not in known:
        raise UsageError(f"No official checkpoint of {model} can be imported.", expected=" or ".join(known), actual=model)
    importer = known[model]
    if len(paths) > 1 and not importer.several:
        raise UsageError("One checkpoint is imported at a time.", expected="[MODEL] INPUT", actual=" ".join(paths))
    weights: Weights = imported(importer.function)(list(paths) if importer.several else paths[0], model, report)
    return weights


def recognised(checkpoint: str) -> str | None:
    """The model that a checkpoint is of, where its tensors tell."""
    for path in dict.fromkeys(each.recognises for each in importers().values() if each.recognises):
        name: str | None = imported(path)(checkpoint)
        if name is not None:
            return name
    return None
