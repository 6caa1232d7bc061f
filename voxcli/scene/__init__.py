"""The things that travel between the rooms."""

from voxcli.scene.labels import STREET_CLASSES, Labels, class_colour
from voxcli.scene.types import (
    FRUSTUM_PRESETS,
    Animation,
    Camera,
    DepthMap,
    Described,
    Frustum,
    FruxelGrid,
    Mesh,
    Picture,
    PointCloud,
    SceneDescription,
    SceneObject,
    SceneType,
    Surfels,
    VoxelGrid,
)

__all__ = [
    "FRUSTUM_PRESETS", "STREET_CLASSES", "Animation", "Camera", "DepthMap", "Described", "Frustum", "FruxelGrid", "Labels", "Mesh",
    "Picture", "PointCloud", "SceneDescription", "SceneObject", "SceneType", "Surfels", "VoxelGrid", "class_colour",
]  # fmt: skip
