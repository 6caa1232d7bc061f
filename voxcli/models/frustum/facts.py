"""What networks that predict fruxels say of their data: opened folders, and the facts that travel in weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from voxcli.datasets.street import StreetFolder
from voxcli.errors import UsageError


def open_street(sources: Sequence[str | Path], settings: Mapping[str, Any]) -> StreetFolder:
    """Folders of `synth street` or packed files of them. There is nothing to set."""
    for key in settings:
        raise UsageError(f"dataset: unknown key '{key}'.", hint="Street scenes have no settings.")
    return StreetFolder(sources)


def frustum_facts(data: StreetFolder) -> dict[str, Any]:
    """Label names and the frustum, for `predict`."""
    frustum, classes = data.frustum, data.classes
    assert frustum is not None
    return {
        "label_names": list(classes.names),
        "empty_label": classes.empty,
        "ignore_label": classes.ignore,
        "frustum": {"z_near": frustum.z_near, "z_far": frustum.z_far, "fov_x_deg": frustum.fov_x_deg},
    }
