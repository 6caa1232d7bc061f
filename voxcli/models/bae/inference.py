"""BAE-NET at work: shapes in, their parts out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from voxcli import config
from voxcli.errors import EmptyMeshError
from voxcli.geometry.field_surface import sample_field
from voxcli.geometry.surfaces import surface_mesh
from voxcli.models.bae.network import BAEConfig, BAENet
from voxcli.models.base import DividesShapes, TrainedNetwork
from voxcli.scene import Mesh, VoxelGrid

if TYPE_CHECKING:
    from voxcli.provenance import Json

THRESHOLD = 0.4


class BAEParts(TrainedNetwork[BAENet], DividesShapes[Tensor]):
    """A network that divides shapes of its category: the code of a shape, then which branch wins where.

    Its branches differ by less than other types than float32 can tell.
    """

    dtypes = ("float32",)

    @classmethod
    def build(cls, mapping: Mapping[str, Json], what: str) -> BAENet:
        """The network of a configuration."""
        return BAENet(config.from_mapping(BAEConfig, mapping, what))

    @property
    def part_names(self) -> tuple[str, ...]:
        """part-1 .. part-k."""
        return tuple(f"part-{k}" for k in range(1, self.network.config.branches + 1))

    def codes(self, occupied: np.ndarray, colours: np.ndarray) -> Tensor:
        """The code of occupancy; colours are not looked at."""
        with torch.no_grad():
            return self.network.encode(torch.from_numpy(occupied.astype(np.float32))[None, None].to(self.device))

    def parts(self, codes: Tensor, points: np.ndarray) -> np.ndarray:
        """The winning branch."""
        at = torch.from_numpy(np.asarray(points, np.float32))[None].to(self.device)
        with torch.no_grad():
            found = [self.network.branches(codes, some).argmax(-1) for some in at.split(1 << 15, 1)]
        return torch.cat(found, 1)[0].cpu().numpy()

    def surface(self, codes: Tensor, resolution: int = 64) -> Mesh:
        """By marching cubes at the 0.4 of the published code."""

        def occupancy(points: Tensor) -> Tensor:
            return self.network.branches(codes, points[None] / 2).amax(-1)[0]

        with torch.no_grad():
            found = sample_field(occupancy, resolution, threshold=THRESHOLD, device=self.device)
        mesh = surface_mesh(VoxelGrid(found.values.cpu().numpy(), None, np.full(3, -0.5), np.full(3, 1 / resolution)), THRESHOLD)
        if not len(mesh.faces):
            raise EmptyMeshError(
                "The network makes no surface: its occupancy stays below the threshold.", actual=f"threshold {THRESHOLD:g}"
            )
        return mesh
