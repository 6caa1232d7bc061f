"""Notices of `predict` about its pictures, collected in a worker process and shown by the parent, which counts repetitions."""

from __future__ import annotations

from dataclasses import dataclass, field

from voxcli.cli.framework.fields_of_view import FieldsOfView, FittedFacts
from voxcli.cli.framework.picture_warnings import PictureWarnings


@dataclass(frozen=True)
class Notices:
    """warnings: (kind, text) of each; fields: (file, what its result states of its field of view) of each picture."""

    warnings: list[tuple[str, str]] = field(default_factory=list)
    fields: list[tuple[str, FittedFacts]] = field(default_factory=list)

    def show(self, warnings: PictureWarnings, fields: FieldsOfView) -> None:
        """Hand them to what shows them."""
        for kind, text in self.warnings:
            warnings.warn(kind, text)
        for source, facts in self.fields:
            fields.add(source, facts)


class CollectedWarnings(PictureWarnings):
    """PictureWarnings that are added to notices and not shown."""

    def __init__(self, notices: Notices, mask_hint: str = ""):
        super().__init__(mask_hint)
        self._notices = notices

    def warn(self, kind: str, text: str) -> None:
        self._notices.warnings.append((kind, text))


class CollectedFields(FieldsOfView):
    """Fields of view that are added to notices and not shown."""

    def __init__(self, notices: Notices):
        super().__init__()
        self._notices = notices

    def add(self, source: str, facts: FittedFacts) -> None:
        stated = ("place_assumed", "fov_assumed", "fov_source", "fov_x_deg", "picture_lost", "frustum_unseen")
        self._notices.fields.append((source, {key: facts[key] for key in stated if key in facts}))
