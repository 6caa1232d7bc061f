"""`voxcli metrics depth | pose | presets`: depth maps, camera poses, and the table of protocols."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any

import typer

from voxcli.cli.framework import options, scoring
from voxcli.cli.framework.batch import Item
from voxcli.cli.framework.output import out
from voxcli.errors import DataError, unknown_name

DEPTHS = (".npz", ".npy", ".png", ".tif", ".tiff")
CAMERAS = (".yaml", ".yml", ".json", ".npz", ".h5")


def depth(
    pred: scoring.Pred, gt: scoring.Gt, preset: scoring.Preset = None,
    value: Annotated[str | None, typer.Option("--value", help="Which error is the value: rmse (default), mse or abs_rel.")] = None,
    kind: Annotated[
        str | None, typer.Option("--kind", help="Compare depth along z or the ray; default: as the truth's file has it.")
    ] = None,
    depth_scale: Annotated[
        float | None, typer.Option("--depth-scale", help="Metres per unit of an integer depth image; default 0.001.")
    ] = None,
    mask: Annotated[
        str | None, typer.Option("--mask", metavar="IMAGE", help="Count only pixels where this image is not black; a folder for folders.")
    ] = None,
    category_from: scoring.CategoryFrom = None,
    input_format: scoring.InputFormat = None, fail_under: scoring.FailUnder = None, fail_over: scoring.FailOver = None,
    format: options.Records = None, workers: options.Workers = 1, keep_going: options.KeepGoing = False,
) -> None:  # fmt: skip
    """Depth errors where the truth is known: RMSE (the value), MSE, AbsRel, and the share within ratios 1.25, 1.25^2, 1.25^3.

    A map along z and one along the ray are brought to one kind where a file carries its camera. --preset pix2scene: MSE along the ray.
    Gates may name a part: --fail-over abs_rel=0.1, --fail-under "within.<1.25=0.9".

    Examples:
        voxcli metrics depth depth.npy depth.png
        voxcli metrics depth depth.npy depth.png --mask street.png --fail-over 0.5
    """
    from voxcli.metrics.depth import VALUES
    from voxcli.metrics.presets import merge

    choices = merge(preset, "depth", {"value": value, "kind": kind})
    _check_value(value, VALUES)
    if kind not in (None, "z", "ray"):
        raise unknown_name("kind of depth", kind, ("z", "ray"))
    scoring.check_positive("--depth-scale", depth_scale)
    work = partial(score_depth, choices=choices, preset=preset, depth_scale=depth_scale, mask=mask, input_format=input_format)
    scoring.run(pred, gt, work, metrics=["depth"], suffixes=DEPTHS, category_from=category_from, fail_under=fail_under,
                fail_over=fail_over, format=format, workers=workers, keep_going=keep_going, input_format=input_format)  # fmt: skip


def _check_value(value: str | None, known: Sequence[str]) -> None:
    if value is not None and value not in known:
        raise unknown_name("value", value, known)


def score_depth(
    item: Item, *, choices: dict[str, Any] | None = None, preset: str | None = None, depth_scale: float | None = None,
    mask: str | None = None, input_format: str | None = None,
) -> list[dict[str, Any]]:  # fmt: skip
    """The depth record of one pair of maps, both brought to one kind."""
    from voxcli import files
    from voxcli.metrics.depth import along, depth_record
    from voxcli.scene import DepthMap, Surfels

    choices = choices or {}
    paths = (item.source, item.target)
    formats = [scoring.format_for(path, item, input_format) for path in paths]
    maps = [files.read_as(p, (DepthMap, Surfels), format=f, depth_scale=depth_scale) for p, f in zip(paths, formats, strict=True)]
    kinds = [m.kind if isinstance(m, DepthMap) else "z" for m in maps]
    kind = choices.get("kind", kinds[1])
    lengths = [along(m.depth, own, kind, None if m.camera is None else m.camera.K) for m, own in zip(maps, kinds, strict=True)]
    chosen = None if mask is None else _picture_mask(mask, item.name)
    value = choices.get("value", "rmse")
    record = depth_record(*lengths, mask=chosen, value=value, kind=kind, pred=item.source, gt=item.target)
    return [_named_after(preset, record)]


def _named_after(preset: str | None, record: dict[str, Any]) -> dict[str, Any]:
    if preset:
        record["params"]["preset"] = preset
    return record


def _picture_mask(path: str, name: str) -> Any:
    """True where the picture, or the picture of that name in a folder, is not black."""
    import os

    from voxcli import files
    from voxcli.scene import Picture

    if os.path.isdir(path):
        path = f"{path}/{name}.png"
    return files.read_as(path, Picture).rgb.any(axis=-1)


def pose(
    pred: scoring.Pred, gt: scoring.Gt, preset: scoring.Preset = None,
    value: Annotated[
        str | None,
        typer.Option("--value", help="Which error is the value: rotation_deg (default), azimuth_deg, translation, translation_relative."),
    ] = None,
    category_from: scoring.CategoryFrom = None,
    input_format: scoring.InputFormat = None, fail_under: scoring.FailUnder = None, fail_over: scoring.FailOver = None,
    format: options.Records = None, workers: options.Workers = 1, keep_going: options.KeepGoing = False,
) -> None:  # fmt: skip
    """Camera pose errors: rotation angle in degrees (the value), azimuth error about +y, distance between the centres.

    Cameras come from scene YAML, or from any file that carries one. --preset jof: the azimuth error. Gates may name a part:
    --fail-over azimuth_deg=15.

    Examples:
        voxcli metrics pose camera.yaml scene.yaml
        voxcli metrics pose camera.yaml scene.yaml --fail-over 200
    """
    from voxcli.metrics.pose import VALUES
    from voxcli.metrics.presets import merge

    choices = merge(preset, "pose", {"value": value})
    _check_value(value, VALUES)
    work = partial(score_pose, preset=preset, input_format=input_format, **choices)
    scoring.run(pred, gt, work, metrics=["pose"], suffixes=CAMERAS, category_from=category_from, fail_under=fail_under,
                fail_over=fail_over, format=format, workers=workers, keep_going=keep_going, input_format=input_format)  # fmt: skip


def score_pose(
    item: Item, *, value: str = "rotation_deg", preset: str | None = None, input_format: str | None = None
) -> list[dict[str, Any]]:
    """The pose record of one pair of files with one camera each."""
    from voxcli import files
    from voxcli.metrics.pose import pose_record

    matrices = []
    for path in (item.source, item.target):
        cameras = files.read_cameras(path, format=scoring.format_for(path, item, input_format))
        if len(cameras) != 1:
            raise DataError(f"{path} holds {len(cameras)} cameras.", expected="one")
        _refuse_assumed(path, scoring.format_for(path, item, input_format))
        matrices.append(cameras[0][1].world_to_cam)
    return [_named_after(preset, pose_record(matrices[0], matrices[1], value=value, pred=item.source, gt=item.target))]


def _refuse_assumed(path: str, format: str | None) -> None:
    """Raise DataError for the camera of a scene that was predicted without one: where it stands was assumed, not guessed."""
    from voxcli import files
    from voxcli.files.registry import find_format
    from voxcli.scene import FruxelGrid
    from voxcli.scene.frames import assumed_camera

    if path == "-" or "fruxels" not in find_format(path, format, "--input-format")[0].reads:
        return
    thing = files.read(path, format=format)
    if isinstance(thing, FruxelGrid) and assumed_camera(thing.meta):
        raise DataError(f"{path} has no camera but one that was assumed.", hint="Predict with --camera FILE.")


def presets(format: options.Records = None) -> None:
    """The protocols of the papers by name: what each preset fixes for each metric.

    Examples:
        voxcli metrics presets
        voxcli metrics presets --format csv
    """
    from voxcli.metrics.presets import table

    out.records(table(), format.value if format else None, columns=["preset", "metric", "choices", "summary"])
