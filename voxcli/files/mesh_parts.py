"""From the names in a scene graph to classes: what `--classes FILE` means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from voxcli.errors import DataError, unknown_name
from voxcli.scene import Labels, Mesh


def label_parts(mesh: Mesh, class_of: Mapping[str, str], classes: Labels, default: str | None = None) -> Mesh:
    """Give every face a class by the name of its part.

    A part name is a path "parent/node/material" (see voxcli.files.meshes). The most exact entry of class_of wins: the whole path, then
    the material, then the node, then its parents upward. Case does not matter.

    Args:
        class_of: part, material or node name -> class name of `classes`.
        default: class of parts that no entry names; without it they are an error that lists them.
    """
    for name in [*class_of.values(), *([default] if default is not None else [])]:
        if name not in classes.names:
            raise unknown_name("class", name, classes.names, DataError)
    if mesh.face_parts is None:
        raise DataError("The mesh has no named parts.", hint="Use --class for a mesh of one class.")
    wanted = {key.casefold(): value for key, value in class_of.items()}
    found = [_class_of_part(name, wanted) or default for name in mesh.part_names]
    missing = [part for part, name in zip(mesh.part_names, found, strict=True) if name is None]
    if missing:
        raise DataError(
            f"{len(missing)} part(s) of the mesh have no class: {', '.join(missing[:8])}.",
            expected=f"one of {', '.join(class_of)}",
            hint="Name the part, its node or its material in the classes file.",
        )
    ids = np.array([classes.names.index(str(name)) for name in found], np.uint8 if len(classes.names) <= 256 else np.uint16)
    return replace(mesh, face_labels=ids[mesh.face_parts], classes=classes)


def _class_of_part(part: str, wanted: Mapping[str, str]) -> str | None:
    part = part.casefold()
    return next((wanted[name] for name in [part, *reversed(part.split("/"))] if name in wanted), None)
