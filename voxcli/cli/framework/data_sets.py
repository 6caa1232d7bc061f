"""`voxcli convert` of whole data sets: between the street and nuScenes layouts, streets into one HDF5 file, shapes into files for jof."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from voxcli.cli.framework import written
from voxcli.cli.framework.batch import Item, Policy, items, may_replace
from voxcli.cli.framework.output import counted, out
from voxcli.cli.framework.plans import ReadOptions, facts, print_plan
from voxcli.errors import DataError, UsageError

if TYPE_CHECKING:
    from voxcli.provenance import Json

LAYOUTS = ("nuscenes", "street")
"""Layouts of --to: the tables of nuScenes, which SemanticVoxels has, and the folder that `synth street` writes."""

SHAPE_LAYOUT = "jof"


def convert_data_set(sources: Sequence[str], output: str, to: str, channel: str | None, policy: Policy) -> None:
    """Write one data set in the other layout. channel: which camera of a nuScenes folder is read."""
    from voxcli.atomic import check_writable
    from voxcli.datasets.nuscenes import VERSION, NuScenesFolder, export_nuscenes
    from voxcli.datasets.nuscenes_street import CAMERA_CHANNEL, is_nuscenes_folder, street_from_nuscenes
    from voxcli.datasets.packing import is_street_folder
    from voxcli.datasets.street import split_folders
    from voxcli.ops.kitti_street import is_kitti_folder, kitti_frames, street_from_kitti
    from voxcli.ops.scannet_fruxels import is_scannet_folder, scannet_frames, street_from_scannet

    if len(sources) != 1 or not os.path.isdir(sources[0]):
        raise UsageError(f"--to {to} turns one folder into another.", actual=", ".join(sources))
    source = sources[0]
    kitti = to == "street" and is_kitti_folder(source)
    scannet = to == "street" and not kitti and is_scannet_folder(source)
    streets = to == "nuscenes" and (is_street_folder(source) or bool(split_folders(Path(source))))
    if not (kitti or scannet or streets or (to == "street" and is_nuscenes_folder(source))):
        expected = "a folder of 'voxcli synth street'" if to == "nuscenes" else "a folder of nuScenes, SemanticKITTI or ScanNet"
        raise UsageError(f"{source} cannot be written as --to {to}.", expected=expected)
    if output == "-" or os.path.isfile(output):
        raise UsageError(f"-o {output} is no folder.", expected="-o DIR")
    if channel is not None and (to != "street" or kitti or scannet):
        raise UsageError("--channel names the camera of a nuScenes folder that is read.", hint="Leave it out.")
    if os.path.realpath(source) == os.path.realpath(output):
        raise UsageError(f"{output} is the folder that is read.", hint="Name another one.")
    last = Path(output) / (f"{VERSION}/sample.json" if to == "nuscenes" else "meta.json")
    if policy.skip_existing and last.exists():
        return out.note(f"{output} exists: left out.")
    if last.exists() and not policy.overwrite:
        raise UsageError(f"Output exists: {last}.", hint="Use --overwrite to replace, or --skip-existing to leave it.")
    check_writable([last])
    if policy.dry_run:
        return print_plan([facts(source)], [output])
    if to == "nuscenes":
        with out.progress(sum(1 for _ in Path(source).rglob("fruxels/*.npz")), "samples") as bar:
            export_nuscenes(source, output, overwrite=policy.overwrite, progress=bar.advance)
        return written.add(output, counted(bar.done, "sample"))
    if kitti:
        frames = kitti_frames(source)
        with out.progress(len(frames), "frames") as bar:
            street_from_kitti(frames, output, policy.overwrite, bar.advance)
        return written.add(output, counted(bar.done, "frame"))
    if scannet:
        found = scannet_frames(source)
        with out.progress(len(found), "frames") as bar:
            street_from_scannet(source, found, output, policy.overwrite, bar.advance)
        return written.add(output, counted(bar.done, "frame"))
    folder = NuScenesFolder(source, channel=channel or CAMERA_CHANNEL)
    with out.progress(len(folder), "samples") as bar:
        left_out = street_from_nuscenes(folder, output, policy.overwrite, bar.advance)
    if left_out:
        listed = ", ".join(f"{name} ({count})" for name, count in sorted(left_out.items()))
        out.note(f"boxes of categories that streets lack were left out: {listed}.")
    return written.add(output, counted(bar.done, "sample"))


def is_packing(sources: Sequence[str], output: str) -> bool:
    """Whether one folder of `synth street` is to become one HDF5 file."""
    from voxcli.datasets.packed import SUFFIXES
    from voxcli.datasets.packing import is_street_folder

    return len(sources) == 1 and Path(output).suffix.lower() in SUFFIXES and is_street_folder(sources[0])


def pack(folder: str, output: str, policy: Policy) -> None:
    """Write a folder of street scenes as the one HDF5 file that training reads."""
    from voxcli.atomic import check_writable, refuse_existing
    from voxcli.datasets.packing import pack_street
    from voxcli.datasets.street import StreetFolder

    overwrite = may_replace(output, policy.overwrite, policy.skip_existing)
    if overwrite is None:
        return None
    if not overwrite:
        refuse_existing(output)
    check_writable([output])
    if policy.dry_run:
        return print_plan([facts(folder)], [output])
    data = StreetFolder([folder])
    with out.progress(len(data), "packing") as bar:
        pack_street(data, output, bar.advance, overwrite)
    written.add(output, counted(len(data), "sample"))
    return None


def convert_shapes(
    sources: Sequence[str], output: str, *, input_format: str | None, policy: Policy, workers: int, unused: Mapping[str, Json]
) -> None:
    """Write NAME.mat for each shape: coloured voxels and point-value pairs, in the published layout. The category is the shape's folder.

    unused: flags that mean nothing here, and their values. Raises UsageError where one is given.
    """
    for flag, value in unused.items():
        if value is not None:
            raise UsageError(f"{flag} means nothing with --to {SHAPE_LAYOUT}.", hint="Its files are .mat, with volumes of 64 cells a side.")
    if output == "-":
        raise UsageError(f"--to {SHAPE_LAYOUT} writes a folder.", expected="-o DIR")
    with items(sources, output, suffixes=_shape_suffixes, target_suffix=".mat", policy=policy, label="shapes",
               reads=ReadOptions(input_format)) as todo:  # fmt: skip
        for _ in todo.run(partial(_convert_shape, input_format=input_format, overwrite=policy.overwrite), workers):
            pass


def _shape_suffixes() -> list[str]:
    """Files of shapes, but those that it writes."""
    from voxcli.files.registry import searched_extensions

    return [suffix for suffix in searched_extensions("mesh", "points", "voxels") if suffix != ".mat"]


def _convert_shape(item: Item, *, input_format: str | None, overwrite: bool) -> None:
    from voxcli import files
    from voxcli.atomic import atomic_write_bytes
    from voxcli.datasets.coloured_shapes import shape_bytes
    from voxcli.files.access import kind_name
    from voxcli.geometry.coloured import colour_volume
    from voxcli.scene import Mesh, PointCloud, VoxelGrid

    shape = files.read(item.source, format=input_format)
    if not isinstance(shape, (Mesh, PointCloud, VoxelGrid)):
        raise DataError("This is no shape.", expected="a mesh, points or voxels", actual=kind_name(shape))
    atomic_write_bytes(item.target, shape_bytes(colour_volume(shape), item.seed(0)), overwrite=overwrite or item.broken)
    written.add(item.target, "coloured voxels, points and values")
