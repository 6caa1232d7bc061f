"""What a worker of `predict` would say of its image: collected there, and said by the parent, which counts what repeats."""

from __future__ import annotations

from dataclasses import dataclass, field

from voxcli.cli.framework.fields_of_view import FieldsOfView, FittedFacts
from voxcli.cli.framework.odd_pictures import Doubts


@dataclass(frozen=True)
class Told:
    """doubts: (kind, text) of each; fields: (file, what its result states of its field of view) of each picture."""

    doubts: list[tuple[str, str]] = field(default_factory=list)
    fields: list[tuple[str, FittedFacts]] = field(default_factory=list)

    def repeat(self, doubts: Doubts, fields: FieldsOfView) -> None:
        """Say it."""
        for kind, text in self.doubts:
            doubts.warn(kind, text)
        for source, facts in self.fields:
            fields.add(source, facts)


class CollectedDoubts(Doubts):
    """Doubts that are told later."""

    def __init__(self, told: Told):
        super().__init__()
        self._told = told

    def warn(self, kind: str, text: str) -> None:
        self._told.doubts.append((kind, text))


class CollectedFields(FieldsOfView):
    """Fields of view that are told later."""

    def __init__(self, told: Told):
        super().__init__()
        self._told = told

    def add(self, source: str, facts: FittedFacts) -> None:
        stated = ("place_assumed", "fov_assumed", "fov_source", "fov_x_deg", "picture_lost", "frustum_unseen")
        self._told.fields.append((source, {key: facts[key] for key in stated if key in facts}))
