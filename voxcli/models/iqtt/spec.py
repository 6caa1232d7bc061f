"""Solvers of the 3D-IQ test task."""

from __future__ import annotations

from voxcli.models.base import AnswersQuestions, ModelSpec

_RECIPES = {"iqtt-pix2scene": "iqtt-pix2scene, iqtt-small", "iqtt-cnn": "", "iqtt-siamese": ""}

SPECS = tuple(
    ModelSpec(
        name, "voxcli.models.iqtt.inference:IQTTSolver", presets=tuple(_RECIPES), package="voxcli.models.iqtt", recipes=recipes,
        data="files of synth iqtt", abilities=(AnswersQuestions,),
    )
    for name, recipes in _RECIPES.items()
)  # fmt: skip
