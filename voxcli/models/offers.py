"""What a model's inference module takes and gives, as `predict` must know it before anything is loaded. Imports nothing heavy.

An inference module offers OFFERS, `load_predictor(weights, device, dtype)` and `predict(predictor, samples, *, batch_size, **options)`,
which yields one result a sample, in order. A sample is a Picture, or where OFFERS.several_views a list of the Pictures of one object.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Offers:
    """gives: name of the scene type of a result. options: keyword arguments of `predict` that a user may set. several_views: see above.

    frame, units: of the result's coordinates; None for the camera's or the world's, in metres.
    """

    gives: str
    options: frozenset[str] = frozenset()
    several_views: bool = False
    frame: str | None = None
    units: str | None = None
