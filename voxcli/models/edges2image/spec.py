"""edges2image: pictures of pictures' edges."""

from __future__ import annotations

from voxcli.models.base import ModelSpec, RedrawsPictures

SPECS = (
    ModelSpec(
        "edges2image", "voxcli.models.edges2image.inference:Translator", abilities=(RedrawsPictures,),
        package="voxcli.models.edges2image", data="pictures",
    ),
)  # fmt: skip
