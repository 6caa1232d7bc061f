"""Z-GAN: what it takes and gives."""

from __future__ import annotations

from voxcli.models.base import Importer, ModelSpec
from voxcli.models.frustum.options import STREETS, FruxelOptions

SPECS = (
    ModelSpec(
        "z-gan", "voxcli.models.zgan.inference:ZGANPredictor", "", FruxelOptions, "FruxelGrid", takes_camera=True,
        package="voxcli.models.zgan", data=STREETS,
        importer=Importer("voxcli.models.zgan.importer:import_weights", "z-gan reads the generator's latest_net_G.pth."),
    ),
)  # fmt: skip
