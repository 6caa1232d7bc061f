"""UCLID-Net: what it takes and gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from voxcli.models.base import FusesVolumes, Importer, ModelSpec
from voxcli.models.object_options import ObjectOptions, coarse_option, threshold_option
from voxcli.options import option


@dataclass(frozen=True)
class UCLIDOptions(ObjectOptions):
    """threshold: None is 0.35. points: in each occupied cell, evenly over its patch, or with a seed drawn from U[0, 1]^2. coarse: each
    picture's grids in place of points, for `fuse_volumes`."""

    only_for: ClassVar[Mapping[str, Literal["picture", "shape", "grid"]]] = {"coarse": "grid"}

    threshold: float | None = threshold_option("[0, 1)")
    points: int = option(50, "Points in each occupied cell of a surface (50).", within="[1, inf)")
    coarse: bool = coarse_option()
    seed: int | None = option(None, "Points at random places of their patch.", on_command_line=False)


HELP = """\
-m uclid turns one image of an object, or with --views several, into points on its surface, between -1 and 1 of the object's own frame
(.ply, .npz, .xyz), or the outline of these points in --resolution voxels (64), gaps closed (.glb, .obj, or --as mesh). Camera and
depth are regressed unless --camera and --depth give them: the camera's world is then the object's frame, the depth is in its units."""

IMPORTER = Importer(
    "voxcli.models.uclid.importer:import_weights",
    "uclid reads UCLID_Net_all_classes.pth and with it, where there, image2depth_all_classes.pth and image2cam_all_classes.pth.",
    several=True,
)

SPECS = (
    ModelSpec(
        "uclid", "voxcli.models.uclid.inference:UCLIDPredictor", HELP, UCLIDOptions, "PointCloud", several_views=True, takes_camera=True,
        takes_depth=True, frame="object, +y up", units="half of the object's longest side", abilities=(FusesVolumes,),
        presets=("paper", "official", "small", "lite"), package="voxcli.models.uclid", importer=IMPORTER,
        recipes="uclid, objects-uclid-lite, objects-uclid-small", data="synth objects --layout disn, or DISN's",
    ),
)  # fmt: skip
