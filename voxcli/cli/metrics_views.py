"""`voxcli metrics depth | pose | presets`: depth maps, camera poses, and the table of protocols."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

import typer

from voxcli.cli import options, scoring
from voxcli.cli.batch import Item
from voxcli.cli.output import out

DEPTHS = (".npz", ".npy", ".png", ".tif", ".tiff")
CAMERAS = (".yaml", ".yml", ".json", ".npz", ".h5")


def depth(
    pred: scoring.Pred, gt: scoring.Gt,
    depth_scale: Annotated[
        float | None, typer.Option("--depth-scale", help="Metres per unit of an integer depth image; default 0.001.")
    ] = None,
    mask: Annotated[
        str | None, typer.Option("--mask", metavar="IMAGE", help="Count only pixels where this image is not black; a folder for folders.")
    ] = None,
    category_from: scoring.CategoryFrom = None, fail_over: scoring.FailOver = None, format: options.Records = None,
    workers: options.Workers = 1, keep_going: options.KeepGoing = False,
) -> None:  # fmt: skip
    """Depth errors where the truth is known: RMSE (the value), MSE, AbsRel, and the share within ratios 1.25, 1.25^2, 1.25^3.

    Examples:
        voxcli metrics depth depth.npy depth.png
        voxcli metrics depth depth.npy depth.png --mask street.png --fail-over 0.5
    """
    work = partial(score_depth, depth_scale=depth_scale, mask=mask)
    scoring.run(pred, gt, work, suffixes=DEPTHS, category_from=category_from, fail_over=fail_over,
                format=format, workers=workers, keep_going=keep_going)  # fmt: skip


def score_depth(item: Item, *, depth_scale: float | None, mask: str | None = None) -> list[dict[str, Any]]:
    """The depth record of one pair of maps of one kind."""
    from voxcli import files
    from voxcli.errors import DataError
    from voxcli.metrics.depth import depth_record
    from voxcli.scene import DepthMap, Surfels

    maps = [files.read_as(path, (DepthMap, Surfels), depth_scale=depth_scale) for path in (item.source, item.target)]
    kinds = [m.kind if isinstance(m, DepthMap) else "z" for m in maps]
    if kinds[0] != kinds[1]:
        raise DataError("One depth map is along z, the other along the ray.", expected=kinds[1], actual=kinds[0])
    chosen = None if mask is None else _picture_mask(mask, item.name)
    return [depth_record(maps[0].depth, maps[1].depth, mask=chosen, pred=item.source, gt=item.target)]


def _picture_mask(path: str, name: str) -> Any:
    """True where the picture, or the picture of that name in a folder, is not black."""
    import os

    from voxcli import files
    from voxcli.scene import Picture

    if os.path.isdir(path):
        path = f"{path}/{name}.png"
    return files.read_as(path, Picture).rgb.any(axis=-1)


def pose(
    pred: scoring.Pred, gt: scoring.Gt, category_from: scoring.CategoryFrom = None, fail_over: scoring.FailOver = None,
    format: options.Records = None, workers: options.Workers = 1, keep_going: options.KeepGoing = False,
) -> None:  # fmt: skip
    """Camera pose errors: rotation angle in degrees (the value), azimuth error about +y, distance between the centres.

    Cameras come from scene YAML, or from any file that carries one.

    Examples:
        voxcli metrics pose camera.yaml scene.yaml
        voxcli metrics pose camera.yaml scene.yaml --fail-over 200
    """
    scoring.run(pred, gt, score_pose, suffixes=CAMERAS, category_from=category_from, fail_over=fail_over, format=format, workers=workers,
                keep_going=keep_going)  # fmt: skip


def score_pose(item: Item) -> list[dict[str, Any]]:
    """The pose record of one pair of files with one camera each."""
    from voxcli import files
    from voxcli.errors import DataError
    from voxcli.metrics.pose import pose_record

    matrices = []
    for path in (item.source, item.target):
        cameras = files.read_cameras(path)
        if len(cameras) != 1:
            raise DataError(f"{path} holds {len(cameras)} cameras.", expected="one")
        matrices.append(cameras[0][1].world_to_cam)
    return [pose_record(matrices[0], matrices[1], pred=item.source, gt=item.target)]


def presets(format: options.Records = None) -> None:
    """The protocols of the papers by name: what each preset fixes for each metric.

    Examples:
        voxcli metrics presets
        voxcli metrics presets --format csv
    """
    from voxcli.metrics.presets import table

    out.records(table(), format.value if format else None, columns=["preset", "metric", "choices", "summary"])
