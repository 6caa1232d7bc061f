"""Solvers of the 3D-IQ test task."""

from __future__ import annotations

from voxcli.models.base import AnswersQuestions, DrawsPictures, ModelSpec
from voxcli.models.frustum.options import LensOptions

HELP = """\
-m iqtt-pix2scene turns a picture of a question of synth iqtt into a latent code and surfels before the camera (.npz, .ply), or their
picture under other lights (.png)."""

PACKAGE, DATA = "voxcli.models.iqtt", "files of synth iqtt"
SOLVER = "voxcli.models.iqtt.inference:IQTTSolver"
PRESETS = ("iqtt-pix2scene", "iqtt-cnn", "iqtt-siamese")

SPECS = (
    ModelSpec(
        "iqtt-pix2scene", "voxcli.models.iqtt.inference:SceneSolver", HELP, LensOptions, "Surfels",
        frame="camera: x right, y down, z forward", units="radii of the object", abilities=(AnswersQuestions, DrawsPictures),
        presets=PRESETS, package=PACKAGE, recipes="iqtt-pix2scene, iqtt-small", data=DATA,
    ),
    *(
        ModelSpec(name, SOLVER, presets=PRESETS, package=PACKAGE, data=DATA, abilities=(AnswersQuestions,))
        for name in PRESETS[1:]
    ),
)  # fmt: skip
