"""Options of networks that see through a frustum."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from voxcli.models.base import ModelOptions
from voxcli.options import option

STREETS = "synth street, or that packed as .h5"
SCENES = f"{STREETS}; SemanticKITTI, NYU or Occ3D as they come"
"""What networks of street fruxels train on."""


@dataclass(frozen=True)
class LensOptions(ModelOptions):
    """What may be known of the pictures."""

    fov_x_deg: float | None = option(
        None, "Horizontal field of view of the images in degrees, if known.", flag="--fov", within="(0, 180)", unit="degrees"
    )


@dataclass(frozen=True)
class FruxelOptions(LensOptions):
    """What may be asked of fruxels."""

    only_for: ClassVar[Mapping[str, Literal["picture", "shape", "grid"]]] = {"probabilities": "grid"}

    probabilities: bool = option(False, "Keep class probabilities (float16) beside the labels.")
