"""What weights of networks of fruxels say of their data."""

from __future__ import annotations

from voxcli.config import Value
from voxcli.scene.labels import Labels
from voxcli.scene.types import Frustum


def frustum_facts(frustum: Frustum, classes: Labels) -> dict[str, Value]:
    """What weights say of their data, for `predict`: label names and the frustum."""
    return {
        "label_names": list(classes.names),
        "empty_label": classes.empty,
        "ignore_label": classes.ignore,
        "frustum": {"z_near": frustum.z_near, "z_far": frustum.z_far, "fov_x_deg": frustum.fov_x_deg},
    }
