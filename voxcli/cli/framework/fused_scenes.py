"""What `voxcli fuse-views` does with fruxel scenes: read, fuse, warn, write."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from voxcli.cli.framework import written
from voxcli.cli.framework.output import out
from voxcli.ops.conversions import ConversionOptions, convert_to_format, find_conversion
from voxcli.ops.scene_fusion import SceneFusion, fuse_scenes, prepared_views, with_agreement

if TYPE_CHECKING:
    from voxcli.cli.framework.options import Formats
    from voxcli.geometry.fusion import Fused
    from voxcli.scene import FruxelGrid

ALONE = 0.01
"""A view shares at least this part of its visible voxels with another view, or it most likely stands in another place."""


def fuse_scene_files(
    sources: Sequence[str], target: str, options: SceneFusion, *, becomes: str | None, formats: Formats, overwrite: bool
) -> None:
    """Read fruxel scenes, fuse them, and write the voxels, converted where the target's format needs it.

    meta["agreement"] of the output lists how much each view sees and how far it agrees with the result. -v prints it. Raises a VoxcliError
    that names the file for one that holds no fruxels, has other classes, or has no camera in options.cameras.
    """
    from voxcli import files
    from voxcli.files.registry import find_format
    from voxcli.scene import FruxelGrid, VoxelGrid

    found, _ = find_format(target, formats.format)
    find_conversion(VoxelGrid, found, becomes)
    views = [files.read_as(source, FruxelGrid, format=formats.input_format) for source in sources]
    views = prepared_views(sources, views, options)
    _warn_of_assumed_cameras(sources, views)
    fused = fuse_scenes(views, options)
    _warn_of_lonely_views(sources, fused)
    _print_agreement(sources, fused)
    converted = convert_to_format(fused.grid, found, becomes, ConversionOptions(options.resolution))
    made = with_agreement(converted, fused, sources, views, options, _digests(sources, options.cameras))
    written.write(target, made, format=formats.format, overwrite=overwrite)


def _warn_of_assumed_cameras(sources: Sequence[str], views: Sequence[FruxelGrid]) -> None:
    from voxcli.scene.frames import assumed_camera

    if len(views) < 2:
        return
    assumed = [source for source, view in zip(sources, views, strict=True) if assumed_camera(view.meta)]
    first = views[0].world_to_cam
    if assumed:
        which = "all views" if len(assumed) == len(views) else ", ".join(assumed[:3]) + (", ..." if len(assumed) > 3 else "")
        out.warn(f"predicted without a camera, so that the place is assumed: {which}. Give the cameras with --cameras FILE.")
    elif all(abs(view.world_to_cam - first).max() < 1e-9 for view in views):
        out.warn("all views stand in the same place: were they predicted without a camera? Give them with --cameras FILE.")


def _warn_of_lonely_views(sources: Sequence[str], fused: Fused) -> None:
    alone = [(source, view.shared or 0) for source, view in zip(sources, fused.agreement, strict=True) if (view.shared or 0) < ALONE]
    if len(sources) > 1 and alone:
        named = ", ".join(f"{source} ({share:.1%})" for source, share in alone[:3]) + (", ..." if len(alone) > 3 else "")
        out.warn(f"hardly any voxel is also seen by another view: {named}. Do the cameras stand in one world? --cameras FILE says where.")


def _print_agreement(sources: Sequence[str], fused: Fused) -> None:
    for source, view in zip(sources, fused.agreement, strict=True):
        shares = (("agrees in", view.agreeing), ("where occupied in", view.agreeing_occupied))
        words = [f"{what} {share:.1%}" for what, share in shares if share is not None]
        out.detail(", ".join([f"{source}: sees {view.visible} of {fused.grid.values.size} voxels", *words]))
    out.detail(f"unobserved: {fused.unobserved:.1%}")


def _digests(sources: Sequence[str], cameras: str | None) -> dict[str, str]:
    """SHA-256 of all that was read; of a COLMAP folder, of its two files."""
    from pathlib import Path

    from voxcli.files.colmap import BINARY_NAMES, colmap_files
    from voxcli.provenance import sha256_file

    paths = [source for source in sources if source != "-"]
    if cameras is not None:
        stated = Path(cameras)
        if stated.is_dir():
            paths += map(str, colmap_files(stated))
        elif stated.suffix == ".txt" or stated.name in BINARY_NAMES:
            paths += [str(stated.with_stem(name)) for name in ("cameras", "images")]
        else:
            paths.append(cameras)
    return {path: sha256_file(path) for path in paths}
