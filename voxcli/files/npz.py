"""NPZ: every kind of array, told by its keys (see voxcli.files.keyed)."""

from __future__ import annotations

from voxcli.files import keyed
from voxcli.files.archive import NpzArchive, npz_bytes
from voxcli.files.registry import Format, Options, register
from voxcli.files.source import Source
from voxcli.scene import DepthMap, FruxelGrid, PointCloud, Surfels, VoxelGrid


def read_npz(source: Source, kind: str | None, options: Options) -> keyed.Keyed:
    """The scene type that the keys tell; FileFormatError for damage, pickles, bombs and missing keys."""
    with source.open() as file:
        archive = NpzArchive(file, source.name)
        return keyed.from_arrays(archive, {key: len(archive.shape_of(key)) for key in archive}, source.name)


register(
    Format(
        "NPZ",
        (".npz",),
        "NumPy archive: fruxels, voxels, points, surfels or depth, told by its keys",
        reads=("fruxels", "voxels", "surfels", "depth", "points"),
        kind_from_content=True,
        complete=True,
        reader=read_npz,
        writers={
            FruxelGrid: lambda thing, options: npz_bytes(keyed.fruxel_arrays(thing)),
            VoxelGrid: lambda thing, options: npz_bytes(keyed.voxel_arrays(thing)),
            PointCloud: lambda thing, options: npz_bytes(keyed.point_arrays(thing)),
            Surfels: lambda thing, options: npz_bytes(keyed.surfel_arrays(thing)),
            DepthMap: lambda thing, options: npz_bytes(keyed.depth_arrays(thing)),
        },
    )
)
