"""What `voxcli fuse-views` does with coarse volumes of one object: read, check, fuse, write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from voxcli.cli.framework import written
from voxcli.cli.framework.output import out
from voxcli.cli.framework.predictions import check_empty, with_probabilities
from voxcli.errors import DataError, UsageError, VoxcliError, unknown_name
from voxcli.ops.conversions import ConversionOptions, convert_to_format
from voxcli.ops.limits import check_probabilities
from voxcli.ops.volume_fusion import fuse_volumes, fusing_spec, fusion_options, with_fusion_provenance
from voxcli.provenance import Meta

if TYPE_CHECKING:
    from torch import nn

    from voxcli.cli.framework.options import Formats
    from voxcli.models.base import ModelSpec, TrainedNetwork
    from voxcli.scene import VoxelGrid

METHODS = ("context", "mean", "max")


@dataclass(frozen=True)
class ObjectFusion:
    """Options of a fusion.

    method: context (the network's scores), mean or max. model: the network that scores and refines; None is the one that the volumes name,
    where context needs it. threshold: of occupancy; None is the model's. score_maps: folder for each view's scores. points: in each
    occupied cell, for models that make points.
    """

    method: str = "context"
    model: str | None = None
    weights: str | None = None
    threshold: float | None = None
    score_maps: str | None = None
    device: str = "cpu"
    points: int | None = None

    def check(self) -> None:
        """Raise UsageError for an unknown method, and for score maps of a method without scores."""
        if self.method not in METHODS:
            raise unknown_name("method of fusing coarse volumes", self.method, METHODS)
        if self.score_maps is not None and self.method != "context":
            raise UsageError(f"--method {self.method} gives no scores.", hint="--score-maps goes with --method context.")


def fuse_object_files(
    sources: Sequence[str], target: str, options: ObjectFusion, *, becomes: str | None, formats: Formats, overwrite: bool
) -> None:
    """Read coarse volumes (`predict --coarse`), fuse and refine them, and write the volume, converted where the format needs it.

    Without a model, mean and max fuse any occupancies of 32^3 cells, and nothing is refined. Sums are taken in the order of the sources.
    Raises DataError that names the file for one without such a volume, before weights are loaded.
    """
    from voxcli import files
    from voxcli.files.registry import find_format
    from voxcli.provenance import sha256_file
    from voxcli.scene import VoxelGrid

    found, _ = find_format(target, formats.format)
    maps = _map_files(sources, options, overwrite)
    grids = []
    for source in sources:
        grids.append(files.read_as(source, VoxelGrid, format=formats.input_format))
        _check_numbers(source, grids[-1])
    spec, network, digest = _load_network(sources, grids, options)
    model_options = fusion_options(spec, {"threshold": options.threshold, "points": options.points})
    fused, shares = fuse_volumes(spec, network, grids, options.method, model_options)
    if maps and shares is None:
        raise UsageError("This model fuses views without scores.", hint="Leave out --score-maps.")
    threshold = fused.meta["threshold"]
    check_empty(target, fused, threshold, found, becomes)
    converted = convert_to_format(with_probabilities(fused, found, becomes), found, becomes, ConversionOptions(threshold=threshold))
    digests = {source: sha256_file(source) for source in sources}
    made = with_fusion_provenance(converted, fused, spec, options.method, digests, digest)
    written.write(target, made, format=formats.format, overwrite=overwrite)
    if shares is None:
        return
    assert isinstance(fused, VoxelGrid) and fused.occupancy is not None
    for path, share in zip(maps, shares, strict=False):
        files.write(path, replace(fused, occupancy=share, probabilities=None, meta=made.meta), overwrite=overwrite)
    for source, share in zip(sources, shares, strict=True):
        inside = float(share[fused.occupancy].mean()) if fused.occupancy.any() else 0.0
        out.detail(f"{source}: mean score {share.mean():.3f}, where occupied {inside:.3f}")


def _load_network(
    sources: Sequence[str], grids: Sequence[VoxelGrid], options: ObjectFusion
) -> tuple[ModelSpec, TrainedNetwork[nn.Module] | None, str | None]:
    """(the model, its network, SHA-256 of its weights). The last two are None where no network is needed."""
    named = {grid.meta.get("options", {}).get("model") for grid in grids}
    maker = next(iter(named)) if len(named) == 1 else None
    known = options.model or maker
    if known or options.weights is None:
        _check_each(sources, grids, known or fusing_spec(None).name, known is not None and options.method == "context")
    from voxcli.models.weights import config_of, model_of

    name = options.model or (None if options.weights is None else model_of(options.weights))
    if name is None and options.method == "context":
        name = maker
        if name is None:
            raise UsageError("Scores need the network that made the volumes.", expected="-m MODEL", hint="Or choose --method mean.")
    from voxcli.backend import pick_device
    from voxcli.models.registry import load_network, weights_of
    from voxcli.provenance import sha256_file

    spec = fusing_spec(name)
    if name is None:
        return spec, None, None
    path = weights_of(name, options.weights)
    digest = sha256_file(path)
    for source, grid in zip(sources, grids, strict=True):
        if options.method == "context" and grid.meta.get("weights", digest) != digest:
            raise DataError(f"{source} was made by other weights than '{options.weights or name}': its context would mean nothing to them.",
                            hint="Name the same weights for predict --coarse and fuse-views.")  # fmt: skip
    if options.method == "context":
        _check_each(sources, grids, name, True, config_of(path))
    return spec, load_network(name, path, str(pick_device(options.device)), "float32"), digest


def _check_numbers(source: str, grid: VoxelGrid) -> None:
    """Raise DataError for probabilities out of range, and for contexts that are not finite."""
    import numpy as np

    if grid.labels is None:
        check_probabilities(source, grid.values if grid.probabilities is None else grid.probabilities)
    if grid.context is not None and not np.isfinite(grid.context).all():
        raise DataError(f"{source}: the context must be finite.", actual="NaN or infinite values")


def _check_each(sources: Sequence[str], grids: Sequence[VoxelGrid], name: str, scored: bool, config: Meta | None = None) -> None:
    """Raise DataError that names the file for a volume that is none of the model's. scored: its context is checked, too."""
    from voxcli.models.registry import MODELS, optional_module

    coarse = optional_module(name, "coarse") if name in MODELS else None
    if coarse is None:
        return
    for source, grid in zip(sources, grids, strict=True):
        try:
            coarse.check_volume(grid)
            if scored:
                coarse.check_context(grid, None if config is None else coarse.channels_of(config))
        except VoxcliError as error:
            raise DataError(f"{source}: {error.message}", expected=error.expected, actual=error.actual, hint=error.hint) from error


def _map_files(sources: Sequence[str], options: ObjectFusion, overwrite: bool) -> list[Path]:
    from voxcli.atomic import refuse_existing

    if options.score_maps is None:
        return []
    paths = [Path(options.score_maps) / f"{PurePath(source).stem}.npz" for source in sources]
    if len(set(paths)) < len(paths):
        raise UsageError("Two views have the same name, and so would their score maps.", actual=", ".join(map(str, sources)))
    for path in paths:
        if not overwrite:
            refuse_existing(path)
    return paths
