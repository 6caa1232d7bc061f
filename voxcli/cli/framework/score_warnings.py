"""Warnings about scores: read off their records, and given once a command, however many pairs each is true of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from voxcli.cli.framework.output import out

if TYPE_CHECKING:
    from voxcli.metrics.records import Record

_KINDS = {
    "replaced": "clouds hold fewer points than were asked for, and were drawn from with replacement (params.held)",
    "outside": "points outside the box of the shell grid were left out (parts.outside)",
    "medians": "the medians of prediction and truth differ much, as with another unit of depth (parts.median_ratio)",
    "not applied": "the predictions hold no probabilities: no threshold was applied to what they decided (params.not_applied)",
    "no chances": "occupancies are no numbers from 0 to 1, and were compared with the threshold as they are (params.no_probabilities)",
    "cameras": "the cameras stand in different places, which is not compared: cells are those of each camera's own frame (params.cameras)",
}

_FAR = 3.9
"""Medians that differ by such a factor: 256 units a metre, read as 1000, make 3.906."""


class ScoreWarnings:
    """One warning for each kind: in full for a single pair, counted for several, and with -v told of each. pairs: how many there are."""

    def __init__(self, pairs: int):
        self._pairs, self._scored = pairs, 0
        self._counts: dict[str, int] = {}
        self._texts: dict[str, list[str]] = {}

    def add(self, name: str, records: Sequence[Record]) -> None:
        """Look at the records of a pair."""
        self._scored += 1
        for kind, text in dict(found for record in records for found in _warnings_of(record)).items():
            self._counts[kind] = self._counts.get(kind, 0) + 1
            if self._pairs == 1 or out.verbose:
                self._texts.setdefault(kind, []).append(text if self._pairs == 1 else f"{name}: {text}")

    def show(self) -> None:
        """Warn."""
        for kind, count in self._counts.items():
            texts = self._texts.get(kind, [])
            if self._pairs == 1:
                out.warn(texts[0])
                continue
            out.warn(f"in {count} of {self._scored} pairs {_KINDS[kind]}.")
            for text in texts:
                out.detail(text)


def _warnings_of(record: Record) -> Iterator[tuple[str, str]]:
    """(kind, sentence) of each warning about one record."""
    from voxcli.metrics.grids import CAMERAS_DIFFER

    params, outside = record["params"], record["parts"].get("outside")
    if params.get("replaced"):
        (pred, gt), (of_pred, of_gt) = params["held"], params["samples"]
        few = [f"the {which} holds {held} points, and {asked} were asked for" for which, held, asked in
               (("prediction", pred, of_pred), ("ground truth", gt, of_gt)) if held < asked]  # fmt: skip
        yield "replaced", f"{'; '.join(few)}: points were drawn with replacement."
    if outside and any(outside.values()):
        shares = " and ".join(f"{_percent(outside[key])} of the {which}" for key, which in (("pred", "prediction"), ("gt", "ground truth")))
        low, high = params["box"]
        yield "outside", f"{shares} lie outside the shell grid's box [{low:g}, {high:g}]^3, and were left out."
    ratio = record["parts"].get("median_ratio")
    if ratio and params["align"] == "none" and not params["inverse"] and not 1 / _FAR < ratio < _FAR:
        yield "medians", f"the true depths are {ratio:.3g} times the predicted ones (medians): is another --depth-scale meant, or --align?"
    if "not_applied" in params:
        asked = " ".join(params["not_applied"][:4])
        yield "not applied", f"the prediction holds no probabilities, so {asked} was not applied: cells are occupied as its file says."
    for key, which in (("pred", "prediction"), ("gt", "ground truth")):
        if ends := params.get("no_probabilities", {}).get(key):
            yield "no chances", (f"the occupancies of the {which} reach from {ends[0]:.3g} to {ends[1]:.3g}, not from 0 to 1: they were "
                                 "compared with the threshold as they are.")  # fmt: skip
    if params.get("cameras") == CAMERAS_DIFFER:
        yield "cameras", "the cameras stand in different places, which is not compared: each grid is taken in its own camera's frame."


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
