"""SSZ: what it takes and gives."""

from __future__ import annotations

from dataclasses import dataclass

from voxcli.models.base import ModelSpec
from voxcli.models.frustum.options import SCENES, FruxelOptions
from voxcli.options import SideFile, file_option


@dataclass(frozen=True)
class SSZOptions(FruxelOptions):
    """poses: meta["instances"] lists the objects and their poses; needs weights with a discriminator."""

    poses: bool = file_option(
        False, "Also write the objects' poses: a .json file, or a folder for several images.",
        SideFile("voxcli.models.ssz.instances:poses_file", (".json",)),
    )  # fmt: skip


HELP = """\
-m ssz turns a street image into a labelled fruxel scene: fruxels (.npz, .h5), a mesh in class colours (.glb, .ply, .obj) or voxels
(.binvox, .vox). Images of any size are cropped or padded to the model's frustum: with --camera, --fov or a focal length in their EXIF
to exactly what the model's camera would have seen, else to the largest centred part. What an image does not show is marked as ignored,
not guessed. Without --camera the scene stands level on its ground, +y up, ahead of the viewer along -z.
--poses lists the objects with class, translation, rotation and score, and draws their boxes into a .glb; it needs weights trained with
a discriminator."""

RECIPES = "street, street-256, street-small, street-6d and paper (for predict --poses), street-no-6d, street-no-ir2d, street-no-ir2d3d"

SPECS = (
    ModelSpec(
        "ssz", "voxcli.models.ssz.inference:SSZPredictor", HELP, SSZOptions, "FruxelGrid", takes_camera=True,
        presets=("street", "street-256", "scratch", "small", "paper", "no-ir2d", "no-ir2d3d"), package="voxcli.models.ssz",
        default=True, recipe="street", recipes=RECIPES, data=SCENES,
    ),
)  # fmt: skip
