"""What `voxcli info` says of a folder that is one data set."""

from __future__ import annotations

import json
import os
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from voxcli.shards import members

if TYPE_CHECKING:
    from voxcli.provenance import Json

_SAMPLES = {
    "voxcli/street-dataset": ("fruxels/*.npz", "*/*/fruxels/*.npz"),
    "voxcli/rooms-dataset": ("images/*.png",),
    "voxcli/objects-dataset": ("ShapeNetVox32/*/*/model.binvox", "SurfaceSamples/ShapeNet/*/*.ply"),
    "voxcli/views-dataset": ("sources/*/*.json",),
}
"""Schema of a folder's meta.json -> the file that is written last for each sample, in each layout."""


def is_data_set(folder: str) -> bool:
    """Whether a folder is one data set, of `voxcli synth` or of nuScenes."""
    if not os.path.isdir(folder):
        return False
    from voxcli.datasets.nuscenes_street import is_nuscenes_folder

    return is_nuscenes_folder(folder) or synthetic_meta(folder) is not None


def data_set_facts(folder: str) -> dict[str, Json]:
    """The kind of a data set, its number of samples and how it was made; of nuScenes its version, channels, frames and boxes."""
    if (meta := synthetic_meta(folder)) is not None:
        schema = str(meta["schema"])
        samples = sum(1 for pattern in _SAMPLES[schema] for _ in Path(folder).glob(pattern))
        packed = [PurePosixPath(name) for path in Path(folder).glob("*.tar") for name in members(path)]
        samples += sum(any(name.match(pattern) for pattern in _SAMPLES[schema]) for name in packed)
        return {"kind": schema.partition("/")[2], "samples": samples, "meta": meta}
    from voxcli.datasets.nuscenes import NuScenesFolder
    from voxcli.datasets.nuscenes_street import nuscenes_facts

    return nuscenes_facts(NuScenesFolder(folder))


def synthetic_meta(folder: str) -> dict[str, Json] | None:
    """The meta.json of a folder of `voxcli synth`; None for others."""
    try:
        meta = json.loads((Path(folder) / "meta.json").read_bytes())
    except (OSError, ValueError):
        return None
    return meta if isinstance(meta, dict) and meta.get("schema") in _SAMPLES else None
