"""What a coarse volume of one view must hold, to be fused with others; told without torch, so that files are checked as they are read."""

from __future__ import annotations

from voxcli.errors import DataError
from voxcli.models.pix2vox.sizes import CELLS
from voxcli.provenance import Meta
from voxcli.scene.types import VoxelGrid


def check_volume(grid: VoxelGrid) -> None:
    """Raise DataError for anything but probabilities of 32 cells a side."""
    if grid.occupancy is None:
        raise DataError("A coarse volume holds probabilities of being occupied.", actual="labels", hint="voxcli predict --coarse")
    if grid.values.shape != (CELLS,) * 3:
        raise DataError("A coarse volume has 32 cells a side.", expected=[CELLS] * 3, actual=list(grid.values.shape))


def channels_of(settings: Meta) -> int:
    """Channels of the context of a network with this configuration."""
    return int(settings["decoder"][-1])


def check_context(grid: VoxelGrid, channels: int | None = None) -> None:
    """Raise DataError where there is no context, or one of another number of channels than the network's; None: any number."""
    if grid.context is None:
        raise DataError("The volume has no context to score it by.", hint="Write it with predict --coarse, or choose --method mean.")
    if channels is not None and len(grid.context) != channels:
        raise DataError("The context is not one of this network's.", expected=[channels, CELLS, CELLS, CELLS],
                        actual=list(grid.context.shape), hint="Name the weights that made it.")  # fmt: skip
