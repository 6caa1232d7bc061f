"""`voxcli convert DIR -o DIR --to nuscenes|street`: whole data sets between the two layouts; and `voxcli info` of a nuScenes folder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from voxcli.cli.framework.output import out
from voxcli.errors import UsageError

LAYOUTS = ("nuscenes", "street")
"""What --to calls them: the tables of nuScenes, in which SemanticVoxels is laid out, and the folder that `synth street` writes."""


def convert_data_set(
    sources: Sequence[str], output: str, to: str, channel: str | None, *, overwrite: bool, skip_existing: bool, dry_run: bool
) -> None:
    """Write one data set in the other layout. channel: which camera of a nuScenes folder is read."""
    from voxcli.atomic import check_writable
    from voxcli.datasets.nuscenes import VERSION, NuScenesFolder, export_nuscenes
    from voxcli.datasets.nuscenes_street import CAMERA_CHANNEL, is_nuscenes_folder, street_from_nuscenes
    from voxcli.datasets.packing import is_street_folder

    if len(sources) != 1 or not os.path.isdir(sources[0]):
        raise UsageError(f"--to {to} turns one folder into another.", actual=", ".join(sources))
    source = sources[0]
    if not (is_street_folder if to == "nuscenes" else is_nuscenes_folder)(source):
        wanted = "a folder of 'voxcli synth street'" if to == "nuscenes" else "a nuScenes folder"
        raise UsageError(f"{source} cannot be written as --to {to}.", expected=wanted)
    if output == "-" or os.path.isfile(output):
        raise UsageError(f"-o {output} is no folder.", expected="-o DIR")
    if channel is not None and to != "street":
        raise UsageError("--channel names the camera of a nuScenes folder that is read.", hint="Leave it out.")
    if os.path.realpath(source) == os.path.realpath(output):
        raise UsageError(f"{output} is the folder that is read.", hint="Name another one.")
    last = Path(output) / (f"{VERSION}/sample.json" if to == "nuscenes" else "meta.json")
    if skip_existing and last.exists():
        return out.note(f"{output} exists: left out.")
    if last.exists() and not overwrite:
        raise UsageError(f"Output exists: {last}.", hint="Use --overwrite to replace, or --skip-existing to leave it.")
    check_writable([last])
    if dry_run:
        return out.data(f"{source} -> {output}")
    if to == "nuscenes":
        with out.progress(len(os.listdir(Path(source) / "fruxels")), "samples") as bar:
            export_nuscenes(source, output, overwrite=overwrite, progress=bar.advance)
        return None
    folder = NuScenesFolder(source, channel=channel or CAMERA_CHANNEL)
    with out.progress(len(folder), "samples") as bar:
        left_out = street_from_nuscenes(folder, output, overwrite, bar.advance)
    if left_out:
        listed = ", ".join(f"{name} ({count})" for name, count in sorted(left_out.items()))
        out.note(f"boxes of categories that streets lack were left out: {listed}.")
    return None


def is_data_set(source: str) -> bool:
    """True for a folder that is one data set of nuScenes."""
    if not os.path.isdir(source):
        return False
    from voxcli.datasets.nuscenes_street import is_nuscenes_folder

    return is_nuscenes_folder(source)


def data_set_facts(source: str) -> dict[str, Any]:
    """The facts of a nuScenes folder."""
    from voxcli.datasets.nuscenes import NuScenesFolder
    from voxcli.datasets.nuscenes_street import nuscenes_facts

    return nuscenes_facts(NuScenesFolder(source))
