"""What a decoder makes of the code of a solid: where it lies, and where its surface is."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from voxcli.errors import EmptyMeshError
from voxcli.models.bae.inference import BAEParts
from voxcli.ops.shape_parts import rebuild_shape
from voxcli.scene import Mesh, VoxelGrid


class Decoder:
    """Makes one triangle of any solid, in the frame in which the diagonal of the solid's box is 1."""

    def codes(self, occupied, colours):
        return occupied

    def surface(self, codes, resolution=64):
        return Mesh(np.array([[0.0, 0, 0], [0.5, 0, 0], [0, 0.25, 0]]), np.array([[0, 1, 2]]))


def test_a_rebuilt_shape_lies_where_the_solid_does():
    solid = VoxelGrid(occupancy=np.ones((3, 4, 12), bool), origin=np.array([10.0, 0, 0]), voxel_size=np.full(3, 1.0))  # diagonal 13
    assert rebuild_shape(Decoder(), solid).vertices == pytest.approx(np.array([[11.5, 2, 6], [18, 2, 6], [11.5, 5.25, 6]]), abs=1e-6)
    box = np.array([[0.0, 0, 0], [0.6, 0, 0.8]])  # of another frame: diagonal 1
    assert rebuild_shape(Decoder(), solid, box).vertices == pytest.approx(np.array([[0.3, 0, 0.4], [0.8, 0, 0.4], [0.3, 0.25, 0.4]]))


def bae_of(occupancy):
    """A network of one branch, of which only the occupancy by distance from the middle is known."""
    found = BAEParts.__new__(BAEParts)
    vars(found).update(network=SimpleNamespace(branches=lambda codes, points: occupancy(points.norm(dim=-1))[..., None]), device="cpu")
    return found


def test_the_surface_of_bae_net_lies_where_the_occupancy_is_0_4():
    mesh = bae_of(lambda away: 0.7 - away).surface(torch.zeros(1, 1), 32)
    assert np.linalg.norm(mesh.vertices, axis=1) == pytest.approx(np.full(len(mesh.vertices), 0.3), abs=0.005)
    with pytest.raises(EmptyMeshError):
        bae_of(lambda away: 0.3 - away).surface(torch.zeros(1, 1), 16)
