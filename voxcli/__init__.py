"""voxcli: images to labelled 3D, and an honest score. Importing this package imports neither torch nor numpy.

Four lines show most of it:

    model = voxcli.load("ssz")                                  # a trained network
    scene = model.predict("street.png")                         # a FruxelGrid; a list gives a list
    voxcli.write("scene.glb", scene)                            # all that `voxcli convert` does
    voxcli.score(scene, "truth.npz", "iou")["value"]            # the record that `voxcli metrics iou` prints
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from voxcli.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import FunctionType

    from voxcli.api.filling import fruxelize, voxelize
    from voxcli.api.fusing import fuse
    from voxcli.api.prediction import Model, load
    from voxcli.api.reading import read, write
    from voxcli.api.rendering import render
    from voxcli.api.scores import score
    from voxcli.api.segmenting import Segmentation, segment
    from voxcli.errors import VoxcliError
    from voxcli.scene import (
        FRUSTUM_PRESETS,
        Camera,
        DepthMap,
        Frustum,
        FruxelGrid,
        Labels,
        Mesh,
        Picture,
        PointCloud,
        SceneDescription,
        SceneObject,
        Surfels,
        VoxelGrid,
    )

_SCENE = ("FRUSTUM_PRESETS", "Camera", "DepthMap", "Frustum", "FruxelGrid", "Labels", "Mesh", "Picture", "PointCloud", "SceneDescription",
          "SceneObject", "Surfels", "VoxelGrid")  # fmt: skip
_HOMES = {
    "load": "api.prediction", "Model": "api.prediction", "read": "api.reading", "write": "api.reading", "fruxelize": "api.filling",
    "voxelize": "api.filling", "score": "api.scores", "fuse": "api.fusing", "segment": "api.segmenting", "Segmentation": "api.segmenting",
    "render": "api.rendering", "VoxcliError": "errors", **dict.fromkeys(_SCENE, "scene"),
}  # fmt: skip

__all__ = [
    "FRUSTUM_PRESETS", "Camera", "DepthMap", "Frustum", "FruxelGrid", "Labels", "Mesh", "Model", "Picture", "PointCloud",
    "SceneDescription", "SceneObject", "Segmentation", "Surfels", "VoxcliError", "VoxelGrid", "__version__", "fruxelize", "fuse", "load",
    "read", "render", "score", "segment", "voxelize", "write",
]  # fmt: skip


def __getattr__(name: str) -> type | FunctionType | Mapping[str, Frustum]:
    if name not in _HOMES:
        raise AttributeError(f"module 'voxcli' has no attribute '{name}'")
    from importlib import import_module

    found: type | FunctionType | Mapping[str, Frustum] = getattr(import_module(f"voxcli.{_HOMES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
