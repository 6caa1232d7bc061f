"""`fuse-views` for objects: the coarse volumes of several pictures of one object, into one volume."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from voxcli.cli.framework.output import out
from voxcli.cli.framework.predictions import as_contoured, tell_of_nothing
from voxcli.errors import DataError, UsageError, VoxcliError, unknown_name
from voxcli.ops.conversions import ConversionOptions, convert_to_format, with_provenance
from voxcli.ops.limits import check_probabilities
from voxcli.ops.volume_fusion import fuse_volumes, fusing_spec, fusion_options

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    from voxcli.models.base import ModelSpec, TrainedNetwork
    from voxcli.scene import PointCloud, VoxelGrid

METHODS = ("context", "mean", "max")


@dataclass(frozen=True)
class ObjectFusion:
    """The choices of one call. model: the network that scores and refines; None: the one that the volumes name, where it is needed.

    score_maps: folder for each view's scores. threshold: None for the paper's. points: in each occupied cell, for models that make points.
    """

    method: str = "context"
    model: str | None = None
    weights: str | None = None
    threshold: float | None = None
    score_maps: str | None = None
    device: str = "cpu"
    points: int | None = None

    def check(self) -> None:
        """Raise UsageError for choices that mean nothing, before any file is read."""
        if self.method not in METHODS:
            raise unknown_name("method of fusing coarse volumes", self.method, METHODS)
        if self.score_maps is not None and self.method != "context":
            raise UsageError(f"--method {self.method} gives no scores.", hint="--score-maps goes with --method context.")


def fuse_object_files(
    sources: Sequence[str], target: str, wanted: ObjectFusion, *, becomes: str | None = None, format: str | None = None,
    input_format: str | None = None, overwrite: bool = False,
) -> None:  # fmt: skip
    """Read coarse volumes (`predict --coarse`), fuse and refine them, and write the volume, or what the target's extension can hold.

    Without a model, --method mean and max fuse any 32^3 occupancies, and nothing is refined. Sums are taken in the order of the sources.
    Raises DataError that names the file which holds no such volume, before any weights are loaded.
    """
    from voxcli import files
    from voxcli.files.registry import find_format
    from voxcli.provenance import sha256_file
    from voxcli.scene import VoxelGrid

    wanted.check()
    found, _ = find_format(target, format)
    maps = _map_files(sources, wanted, overwrite)
    grids = []
    for source in sources:
        grids.append(files.read_as(source, VoxelGrid, format=input_format))
        _check_numbers(source, grids[-1])
    spec, predictor, digest = _scorer(sources, grids, wanted)
    chosen = fusion_options(spec, {"threshold": wanted.threshold, "points": wanted.points})
    grid, shares = fuse_volumes(spec, predictor, grids, wanted.method, chosen)
    if maps and shares is None:
        raise UsageError("This model fuses views without scores.", hint="Leave out --score-maps.")
    level = grid.meta["threshold"]
    tell_of_nothing(target, grid, level, found, becomes)
    thing = convert_to_format(as_contoured(grid, found, becomes), found, becomes, ConversionOptions(threshold=level))
    recorded = {"method": wanted.method, "model": None if predictor is None else spec.name, "threshold": level}
    recorded |= {"points": grid.meta["points"]} if "points" in grid.meta else {}
    read = {source: sha256_file(source) for source in sources if source != "-"}
    thing = with_provenance(thing, "fuse-views", recorded, read, weights=digest)
    thing.meta.update(frame=spec.frame, units=spec.units)
    files.write(target, thing, format=format, overwrite=overwrite)
    for path, share in zip(maps, shares if shares is not None else (), strict=False):
        files.write(path, _score_map(share, grid, thing.meta), overwrite=overwrite)
    if shares is not None:
        for source, share in zip(sources, shares, strict=True):
            out.detail(f"{source}: mean score {share.mean():.3f}, where occupied {_mean_inside(share, grid):.3f}")


def _scorer(
    sources: Sequence[str], grids: Sequence[VoxelGrid], wanted: ObjectFusion
) -> tuple[ModelSpec, TrainedNetwork[nn.Module] | None, str | None]:
    """(the model, its network or None, SHA-256 of its weights)."""
    named = {grid.meta.get("options", {}).get("model") for grid in grids}
    maker = next(iter(named)) if len(named) == 1 else None
    known = wanted.model or maker
    if known or wanted.weights is None:
        _check_each(sources, grids, known or fusing_spec(None).name, known is not None and wanted.method == "context")
    from voxcli.models.weights import config_of, model_of

    name = wanted.model or (None if wanted.weights is None else model_of(wanted.weights))
    if name is None and wanted.method == "context":
        name = maker
        if name is None:
            raise UsageError("Scores need the network that made the volumes.", expected="-m MODEL", hint="Or choose --method mean.")
    from voxcli.backend import pick_device
    from voxcli.models.registry import load_network, weights_of
    from voxcli.provenance import sha256_file

    spec = fusing_spec(name)
    if name is None:
        return spec, None, None
    path = weights_of(name, wanted.weights)
    digest = sha256_file(path)
    for source, grid in zip(sources, grids, strict=True):
        if wanted.method == "context" and grid.meta.get("weights", digest) != digest:
            raise DataError(f"{source} was made by other weights than '{wanted.weights or name}': its context would mean nothing to them.",
                            hint="Name the same weights for predict --coarse and fuse-views.")  # fmt: skip
    if wanted.method == "context":
        _check_each(sources, grids, name, True, config_of(path))
    return spec, load_network(name, path, str(pick_device(wanted.device)), "float32"), digest


def _check_numbers(source: str, grid: VoxelGrid) -> None:
    """Raise DataError for probabilities that are none, and contexts that are not finite."""
    import numpy as np

    if grid.labels is None:
        check_probabilities(source, grid.values if grid.probabilities is None else grid.probabilities)
    if grid.context is not None and not np.isfinite(grid.context).all():
        raise DataError(f"{source}: the context must be finite.", actual="NaN or infinite values")


def _check_each(
    sources: Sequence[str], grids: Sequence[VoxelGrid], name: str, scored: bool, settings: Mapping[str, Any] | None = None
) -> None:
    """Raise DataError that names the file whose volume, or where it is scored the context, is not one of the model's (or its weights')."""
    from voxcli.models.registry import MODELS, optional_module

    coarse = optional_module(name, "coarse") if name in MODELS else None
    if coarse is None:
        return
    for source, grid in zip(sources, grids, strict=True):
        try:
            coarse.check_volume(grid)
            if scored:
                coarse.check_context(grid, None if settings is None else coarse.channels_of(settings))
        except VoxcliError as error:
            raise DataError(f"{source}: {error.message}", expected=error.expected, actual=error.actual, hint=error.hint) from error


def _map_files(sources: Sequence[str], wanted: ObjectFusion, overwrite: bool) -> list[Path]:
    from voxcli.atomic import refuse_existing

    if wanted.score_maps is None:
        return []
    paths = [Path(wanted.score_maps) / f"{PurePath(source).stem}.npz" for source in sources]
    if len(set(paths)) < len(paths):
        raise UsageError("Two views have the same name, and so would their score maps.", actual=", ".join(map(str, sources)))
    for path in paths:
        if not overwrite:
            refuse_existing(path)
    return paths


def _score_map(share: np.ndarray, grid: VoxelGrid | PointCloud, meta: dict[str, Any]) -> VoxelGrid:
    from dataclasses import replace

    from voxcli.scene import VoxelGrid

    assert isinstance(grid, VoxelGrid)
    return replace(grid, occupancy=share, probabilities=None, meta=meta)


def _mean_inside(share: np.ndarray, grid: VoxelGrid | PointCloud) -> float:
    from voxcli.scene import VoxelGrid

    assert isinstance(grid, VoxelGrid) and grid.occupancy is not None
    return float(share[grid.occupancy].mean()) if grid.occupancy.any() else 0.0
