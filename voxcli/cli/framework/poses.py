"""`predict --poses`: the objects of a prediction as a JSON file, and as boxes in a mesh."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voxcli.errors import UsageError

if TYPE_CHECKING:
    from voxcli.cli.framework.batch import Item
    from voxcli.scene import FruxelGrid


def pose_files(poses: str, items: list[Item], overwrite: bool) -> dict[str, Path]:
    """The poses file of each item, by the item's source: `poses` itself for one image, NAME.json inside it for several.

    Raises UsageError where one is there already and may not be replaced, or where `poses` is no .json for one image.
    """
    if len(items) == 1 and not Path(poses).is_dir():
        if not poses.endswith(".json"):
            raise UsageError(f"--poses {poses}: poses are JSON.", expected="FILE.json, or a folder for several images")
        files = {items[0].source: Path(poses)}
    else:
        files = {item.source: Path(poses) / f"{item.name}.json" for item in items}
    there = [str(path) for path in files.values() if path.exists()]
    if there and not overwrite:
        raise UsageError(f"'{there[0]}' is there already.", hint="Add --overwrite to replace it.")
    return files


def write_poses(path: Path, grid: FruxelGrid, overwrite: bool) -> None:
    """Write the instances of a prediction, atomically, in the form that `synth street` writes."""
    from voxcli.atomic import atomic_write_bytes
    from voxcli.models.ssz.instances import poses_record

    text = json.dumps(poses_record(grid, grid.meta["instances"]), indent=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write_bytes(path, text.encode() + b"\n", overwrite=overwrite)


def boxed(thing: Any, grid: FruxelGrid) -> Any:
    """A mesh with the boxes of the prediction's instances; anything else as it is."""
    from voxcli.models.ssz.instances import with_boxes
    from voxcli.scene import Mesh

    return with_boxes(thing, grid.meta.get("instances", []), grid.world_to_cam) if isinstance(thing, Mesh) else thing
