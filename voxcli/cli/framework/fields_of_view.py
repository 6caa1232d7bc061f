"""One line on stderr about the fields of view of all pictures of a call; with -v a line for each picture."""

from __future__ import annotations

from types import TracebackType

from voxcli.cli.framework.output import out
from voxcli.provenance import Meta

_NOTICED = 0.005
"""Smaller shares are rounding."""
_MOST = 0.5
"""A larger share of the model's view that no picture shows is warned of, whatever told the field of view."""


FittedFacts = Meta
"""The meta of a result, with the keys that `Fitted.facts` writes."""


class FieldsOfView:
    """Collects the field of view of each picture and its source, and prints them at the end, unless the command fails. Pictures whose
    results state none are left out."""

    def __init__(self) -> None:
        self._found: dict[str, list[FittedFacts]] = {}

    def add(self, source: str, facts: FittedFacts) -> None:
        """Add one picture: its file, and the meta of its result."""
        stated_by_model = facts.get("place_assumed") and facts["fov_assumed"]
        if "fov_source" in facts and not stated_by_model:
            self._found.setdefault(facts["fov_source"], []).append(facts)
            known = "assumed" if facts["fov_assumed"] else f"from {_PLACES[facts['fov_source']]}"
            out.detail(f"{source}: field of view {facts['fov_x_deg']:.4g} degrees, {known}{_rest([facts])}")

    def __enter__(self) -> FieldsOfView:
        return self

    def __exit__(self, failed: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        if failed:
            return
        for place, facts in self._found.items():
            if place in ("given", "camera") and (narrow := [each for each in facts if each["frustum_unseen"] > _MOST]):
                out.warn(f"a field of view of {_span(narrow)} degrees ({_PLACES[place]}){_rest(narrow)}.")
        shown = {place: facts for place, facts in self._found.items() if place in ("EXIF", "assumed")}
        count = sum(map(len, self._found.values()))
        if not shown or out.verbose:
            return
        words = []
        for place, facts in sorted(shown.items()):
            of = "" if len(facts) == count else f" for {len(facts)} of {count} pictures"
            words.append(f"{_span(facts)} degrees, {'assumed' if place == 'assumed' else 'by EXIF'}{of}{_rest(facts)}")
        hint = " (--fov or --camera states it)" if "assumed" in shown else ""
        out.note(f"field of view: {'; '.join(words)}{hint}.")


_PLACES = {"camera": "--camera", "given": "--fov", "EXIF": "EXIF", "assumed": ""}


def _span(facts: list[FittedFacts]) -> str:
    low, high = (choose(each["fov_x_deg"] for each in facts) for choose in (min, max))
    return f"{low:.4g}" if high - low < 0.05 else f"{low:.4g} to {high:.4g}"


def _rest(facts: list[FittedFacts]) -> str:
    """The largest share of a picture outside of the model's view, and of the view outside of a picture, in words."""
    lost, unseen = max(each["picture_lost"] for each in facts), max(each["frustum_unseen"] for each in facts)
    most = "up to " if len(facts) > 1 else ""
    words = f", {most}{lost:.0%} of the picture is outside of the model's view" if lost > _NOTICED else ""
    return words + (f", {most}{unseen:.0%} of the model's view is outside of the picture and left out" if unseen > _NOTICED else "")
