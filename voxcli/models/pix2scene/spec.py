"""pix2scene: what it takes and gives."""

from __future__ import annotations

from voxcli.models.base import DrawsPictures, MakesScenes, ModelSpec
from voxcli.models.frustum.options import LensOptions

HELP = """\
-m pix2scene turns a picture of a room in linear light into a latent code and surfels (.npz, .ply), or their picture under the lights of
the training data (.png). It is told where the camera of --camera stands; without one, a usual place is assumed. The code is decoded for
other cameras by render-surfels."""

SPECS = (
    ModelSpec(
        "pix2scene", "voxcli.models.pix2scene.inference:Pix2ScenePredictor", HELP, LensOptions, "Surfels", takes_camera=True,
        frame="world: +y up; camera: x right, y down, z forward", units="sides of the room", abilities=(DrawsPictures, MakesScenes),
        package="voxcli.models.pix2scene", recipes="pix2scene, rooms-small", data="synth rooms",
    ),
)  # fmt: skip
