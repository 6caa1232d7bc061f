"""Z-GAN: what it takes and gives."""

from __future__ import annotations

from voxcli.models.base import ModelSpec
from voxcli.models.frustum.options import FruxelOptions

SPECS = (
    ModelSpec(
        "z-gan", "voxcli.models.zgan.inference:ZGANPredictor", "", FruxelOptions, "FruxelGrid", takes_camera=True,
        package="voxcli.models.zgan",
    ),
)  # fmt: skip
