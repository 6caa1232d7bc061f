"""Fusion of coarse volumes of one object, with the network that made them or without one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from voxcli.errors import UsageError
from voxcli.provenance import Recordable

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    from voxcli.models.base import ModelOptions, ModelSpec, TrainedNetwork
    from voxcli.scene import Described, PointCloud, VoxelGrid

SceneT = TypeVar("SceneT", bound="Described")


def fusing_spec(name: str | None) -> ModelSpec:
    """The model of this name; None: the one whose volumes are fused without a network. Raises UsageError for one that fuses nothing."""
    from voxcli.models.base import FusesVolumes
    from voxcli.models.registry import able, spec_of

    makers = able(FusesVolumes)
    spec = spec_of(name or makers[0])
    if spec.name not in makers:
        raise UsageError(f"{spec.name} fuses no coarse volumes.", expected=f"-m {' or '.join(makers)}", actual=spec.name)
    return spec


def fusion_options(spec: ModelSpec, given: Mapping[str, Recordable]) -> ModelOptions:
    """The model's options for a fusion. Raises UsageError for one that the model has not."""
    from voxcli.models.registry import check_predicts
    from voxcli.options import make_options, option_infos

    kind = check_predicts(spec.name)
    for name, value in given.items():
        if value is not None and name not in option_infos(kind):
            raise UsageError(f"--{name} means nothing to {spec.name}.", hint="Leave it out.")
    return make_options(kind, given, spec.name)


def fuse_volumes(
    spec: ModelSpec, network: TrainedNetwork[nn.Module] | None, grids: Sequence[VoxelGrid], method: str, options: ModelOptions
) -> tuple[VoxelGrid | PointCloud, np.ndarray | None]:
    """The fused object in the model's frame, and the score map of each view, where there are any. network: None fuses without one."""
    from voxcli.models.base import FusesVolumes
    from voxcli.models.registry import class_of

    if network is not None:
        assert isinstance(network, FusesVolumes)
        return network.fuse_volumes(grids, method, options)
    kind = class_of(spec.name)
    assert issubclass(kind, FusesVolumes)
    return kind.fuse_without_network(grids, method, options), None


def with_fusion_provenance(
    made: SceneT, fused: VoxelGrid | PointCloud, spec: ModelSpec, method: str, digests: Mapping[str, str], weights: str | None
) -> SceneT:
    """The fused object, or what was converted of it, with its provenance. weights: SHA-256 of the network's, None without a network."""
    from voxcli.ops.conversions import with_provenance

    recorded = {"method": method, "model": None if weights is None else spec.name, "threshold": fused.meta["threshold"]}
    recorded |= {"points": fused.meta["points"]} if "points" in fused.meta else {}
    made = with_provenance(made, "fuse-views", recorded, digests, weights=weights)
    made.meta.update(frame=spec.frame, units=spec.units)
    return made
