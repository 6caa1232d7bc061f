"""What a call says of the fields of view of its pictures: one line, however many there are, and with -v a line for each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from voxcli.cli.framework.output import out

_NOTICED = 0.005
"""Shares below it are rounding."""


class FieldsOfView:
    """Collects where the field of view of each picture is known from, and tells it when left without an error. Pictures of which a
    model's result says nothing are none of it."""

    def __init__(self) -> None:
        self._found: dict[str, list[Mapping[str, Any]]] = {}

    def add(self, source: str, facts: Mapping[str, Any]) -> None:
        """One picture: the name of its file, and the meta of its result (see `Fitted.facts`)."""
        said_by_model = facts.get("place_assumed") and facts["fov_assumed"]
        if "fov_source" in facts and not said_by_model:
            self._found.setdefault(facts["fov_source"], []).append(facts)
            known = "assumed" if facts["fov_assumed"] else f"from {_PLACES[facts['fov_source']]}"
            out.detail(f"{source}: field of view {facts['fov_x_deg']:.4g} degrees, {known}{_rest([facts])}")

    def __enter__(self) -> FieldsOfView:
        return self

    def __exit__(self, failed: type[BaseException] | None, *_: Any) -> None:
        told = {place: facts for place, facts in self._found.items() if place in ("EXIF", "assumed")}
        count = sum(map(len, self._found.values()))
        if failed or not told or out.verbose:
            return
        words = []
        for place, facts in sorted(told.items()):
            of = "" if len(facts) == count else f" for {len(facts)} of {count} pictures"
            words.append(f"{_span(facts)} degrees, {'assumed' if place == 'assumed' else 'by EXIF'}{of}{_rest(facts)}")
        hint = " (--fov or --camera states it)" if "assumed" in told else ""
        out.note(f"field of view: {'; '.join(words)}{hint}.")


_PLACES = {"camera": "--camera", "given": "--fov", "EXIF": "EXIF", "assumed": ""}


def _span(facts: list[Mapping[str, Any]]) -> str:
    low, high = (choose(each["fov_x_deg"] for each in facts) for choose in (min, max))
    return f"{low:.4g}" if high - low < 0.05 else f"{low:.4g} to {high:.4g}"


def _rest(facts: list[Mapping[str, Any]]) -> str:
    """What of the pictures the network's camera does not see, and the other way round."""
    lost, unseen = (max(each[key] for each in facts) for key in ("picture_lost", "frustum_unseen"))
    most = "up to " if len(facts) > 1 else ""
    words = f", {most}{lost:.0%} of the picture is outside of the model's view" if lost > _NOTICED else ""
    return words + (f", {most}{unseen:.0%} of the model's view is outside of the picture and left out" if unseen > _NOTICED else "")
