"""BAE-NET: parts of shapes."""

from __future__ import annotations

from voxcli.models.base import DividesShapes, ModelSpec

SPECS = (ModelSpec("bae", "voxcli.models.bae.inference:BAEParts", abilities=(DividesShapes,), package="voxcli.models.bae"),)
