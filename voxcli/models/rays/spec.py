"""Rays: what it takes and gives."""

from __future__ import annotations

from voxcli.models.base import LearnsFamiliarity, ModelSpec
from voxcli.models.frustum.options import SCENES, FruxelOptions

HELP = """\
-m rays turns a street image, a photograph too, into a labelled fruxel scene in the same formats, as far as 50 m. The whole image is
taken: its field of view is that of --camera, --fov or its EXIF, else the model's own (70 degrees) is assumed, and a line says so."""

SPECS = (
    ModelSpec(
        "rays", "voxcli.models.rays.inference:RaysPredictor", HELP, FruxelOptions, "FruxelGrid", takes_camera=True,
        abilities=(LearnsFamiliarity,), presets=("near", "far"), package="voxcli.models.rays", data=SCENES,
        recipes="rays (for synth street --picture-scale 2), rays-far (and --preset far)",
    ),
)  # fmt: skip
