"""What weights of networks of fruxels say of their data."""

from __future__ import annotations

from collections.abc import Iterable

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


def shipped_frusta() -> Iterable[tuple[str, Frustum]]:
    """Name and frustum of the shipped weights of networks of fruxels, from their headers alone."""
    from voxcli.models.weights import SHIPPED, config_of, fact_of

    for path in sorted(SHIPPED.glob("*.safetensors")):
        config, frustum = config_of(path), fact_of(path, "frustum")
        if isinstance(frustum, dict) and {"width", "height", "depth"} <= {*config}:
            yield path.stem, Frustum(config["width"], config["height"], config["depth"], **frustum)
