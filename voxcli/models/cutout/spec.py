"""The mask head: a photograph of an object to the object's mask."""

from __future__ import annotations

from voxcli.models.base import CutsOut, ModelSpec

NAME = "objects"
"""As users write it: `voxcli segment photo.jpg -m objects`."""

SPECS = (
    ModelSpec(
        NAME, "voxcli.models.cutout.inference:ObjectCutter", abilities=(CutsOut,), package="voxcli.models.cutout",
        recipe="cutout", recipes="cutout", data="synth objects --backgrounds photo, or Pix3D",
    ),
)  # fmt: skip
