"""BAE-NET: parts of shapes."""

from __future__ import annotations

from voxcli.models.base import DividesShapes, ModelSpec
from voxcli.models.object_options import SHAPES

SPECS = (
    ModelSpec(
        "bae", "voxcli.models.bae.inference:BAEParts", abilities=(DividesShapes,), package="voxcli.models.bae",
        recipes="bae, objects-bae-small", data=SHAPES,
    ),
)  # fmt: skip
