"""JOF: what it takes and gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from voxcli.models.base import DividesShapes, DrawsPictures, FitsShapes, Importer, ModelSpec
from voxcli.models.object_options import SHAPES, ObjectOptions, background_option, threshold_option
from voxcli.ops.lights import LightFile, read_lights
from voxcli.options import SideFile, file_option, option, text_option


@dataclass(frozen=True)
class JOFOptions(ObjectOptions):
    """threshold: occupancy at the surface; None is 0.5. parts: faces labelled by part in place of albedo. fit: steps of fitting codes,
    camera and light to the picture. relight: in place of the guessed light. picture: the object as the picture shows it, or in the light of
    `relight`, in place of a surface."""

    only_for: ClassVar[Mapping[str, Literal["picture", "shape", "grid"]]] = {"relight": "picture", "parts": "shape"}

    background: tuple[int, int, int] | None = background_option((240, 240, 240))
    threshold: float | None = threshold_option("(0, 1)")
    resolution: int = option(64, "Cells along the longest side.", within="[2, 1024]", unit="cells a side")
    parts: bool = option(False, "Faces by part in place of albedo.")
    fit: int = option(
        0,
        "Fit the guess to the picture, which needs alpha, or the codes to a shape (200), in so many steps.",
        metavar="STEPS",
        within="[0, inf)",
    )
    camera_out: str | None = file_option(
        None, "Also write the guessed camera (.yaml, .json), or a folder of them.",
        SideFile("voxcli.models.jof.guesses:camera_of", (".yaml", ".yml", ".json")),
    )  # fmt: skip
    light_out: str | None = file_option(
        None, "Also write the guessed light (.yaml), or a folder of them.",
        SideFile("voxcli.models.jof.guesses:light_of", (".yaml", ".yml")),
    )  # fmt: skip
    relight: LightFile | None = text_option(None, "Draw the picture in the light of this file.", read_lights, metavar="FILE", reads=True)
    picture: bool = option(False, "Draw the object in place of its surface.", on_command_line=False)


HELP = """\
-m jof turns one image of an object into its surface with albedo, one node a part (.glb .ply .obj; --parts for part labels), looked for
on --resolution cells a side (64; 2 to 1024), or draws it again (.png), as it is or in another light. A mesh, voxels, points or
pairs of points and occupancies in place of the image: the nearest shape that the decoder makes, by codes that are fitted (--fit)."""

IMPORTER = Importer(
    "voxcli.models.jof.importer:import_weights",
    "jof reads the FOLDER that holds its checkpoints (shape, albedo, image encoder) and normal_cam.mat.",
)

SPECS = (
    ModelSpec(
        "jof", "voxcli.models.jof.inference:JOFPredictor", HELP, JOFOptions, "Mesh", frame="object, +y up",
        units="the diagonal of the object's box", abilities=(DrawsPictures, DividesShapes, FitsShapes), package="voxcli.models.jof",
        importer=IMPORTER, data=SHAPES,
        presets=("paper", "lite"),
        recipes="jof, objects-jof-lite, objects-jof-small, objects-jof-self (for which see `--set training.network.start`, "
        "`training.dataset.images`)",
    ),
)  # fmt: skip
