"""Solvers of the 3D-IQ test task."""

from __future__ import annotations

from voxcli.models.base import ModelSpec

_NAMES = ("iqtt-pix2scene", "iqtt-cnn", "iqtt-siamese")

SPECS = tuple(ModelSpec(name, "voxcli.models.iqtt.inference:IQTTSolver", presets=_NAMES, package="voxcli.models.iqtt") for name in _NAMES)
