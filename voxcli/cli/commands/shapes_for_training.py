"""`voxcli convert MESHES -o DIR --to jof`: coloured voxels and point-value pairs of any shapes, as JOF and BAE-NET learn from them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from voxcli.cli.framework.batch import Item, Policy, items
from voxcli.errors import DataError, UsageError

LAYOUT = "jof"

SUFFIXES = (".glb", ".gltf", ".obj", ".off", ".stl", ".ply", ".npz", ".h5", ".binvox", ".xyz", ".npy")


def convert_shapes(
    sources: Sequence[str], output: str, *, input_format: str | None, policy: Policy, workers: int, given: dict[str, Any]
) -> None:
    """Write NAME.mat for each shape, in the published layout; the folder that a shape lies in is its category.

    given: other flags and their values, of which none means anything here.
    """
    for flag, value in given.items():
        if value is not None:
            raise UsageError(f"{flag} means nothing with --to {LAYOUT}.", hint="Its files are .mat, with volumes of 64 cells a side.")
    if output == "-":
        raise UsageError(f"--to {LAYOUT} writes a folder.", expected="-o DIR")
    with items(sources, output, suffixes=SUFFIXES, target_suffix=".mat", target_suffixes=(".mat",), policy=policy, label="shapes") as todo:
        for _ in todo.run(partial(_convert_one, input_format=input_format, overwrite=policy.overwrite), workers):
            pass


def _convert_one(item: Item, *, input_format: str | None, overwrite: bool) -> None:
    from voxcli import files
    from voxcli.atomic import atomic_write_bytes
    from voxcli.datasets.coloured_shapes import shape_bytes
    from voxcli.files.access import kind_name
    from voxcli.geometry.coloured import colour_volume
    from voxcli.scene import Mesh, PointCloud, VoxelGrid

    thing = files.read(item.source, format=input_format)
    if not isinstance(thing, (Mesh, PointCloud, VoxelGrid)):
        raise DataError("This is no shape.", expected="a mesh, points or voxels", actual=kind_name(thing))
    atomic_write_bytes(item.target, shape_bytes(colour_volume(thing), item.seed(0)), overwrite=overwrite)
