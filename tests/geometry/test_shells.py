"""Parts that are not closed: the inside of an open box, the surface of a card, and which number a cell keeps."""

import numpy as np
import pytest
import torch

from voxcli.geometry.inside import points_inside
from voxcli.geometry.lattice import FruxelLattice, VoxelLattice
from voxcli.geometry.regrid import voxel_centres
from voxcli.geometry.shells import Shell, fill_shells
from voxcli.geometry.surfaces import cell_faces
from voxcli.scene import Frustum, VoxelGrid

SIZE = 16
LATTICE = VoxelLattice((SIZE, SIZE, SIZE), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
CENTRES = torch.from_numpy(voxel_centres((SIZE,) * 3, np.zeros(3), np.ones(3)))


def box(low, high, without=None):
    """Vertices and faces of a box; `without`: an axis whose far side is left off."""
    cube = cell_faces(VoxelGrid(occupancy=np.ones((1, 1, 1), bool)))
    vertices = torch.from_numpy(cube.vertices) * (torch.tensor(high) - torch.tensor(low)).double() + torch.tensor(low).double()
    faces = torch.from_numpy(cube.faces)
    if without is not None:
        faces = faces[(torch.from_numpy(cube.vertices)[faces][..., without] < 1).any(1)]
    return vertices, faces


def shell(number, vertices, faces):
    return Shell(number, vertices, faces, torch.ones(len(faces), dtype=torch.int64))


def filled(shells, lattice=LATTICE, rule="centre", vote=True):
    owner = torch.zeros(lattice.shape, dtype=torch.int16)
    return owner, fill_shells(shells, lattice, rule, owner, vote)


@pytest.mark.parametrize("without", [1, 2])
def test_the_inside_of_an_open_box_is_filled(without):
    vertices, faces = box([3.2, 4.2, 5.2], [8.8, 9.8, 10.8], without)
    owner, (unpaired, hit) = filled([shell(1, vertices, faces)])
    inside = ((vertices.amin(0) < CENTRES) & (vertices.amax(0) > CENTRES)).all(-1)
    assert torch.equal(owner == 1, inside) and int(inside.sum()) == 6**3
    assert (unpaired, hit) == (0, 6 * 6)  # rays run along x


def test_more_votes_than_a_byte_holds_are_counted():
    vertices, faces = box([3.2, 4.2, 5.2], [8.8, 9.8, 10.8], 1)
    one, counts = filled([shell(1, vertices, faces)])
    many, (unpaired, hit) = filled([shell(1, vertices, faces.repeat(128, 1))])  # three axes, 2 votes a box each: 768, whose low byte is 0
    assert torch.equal(one, many) and (unpaired, hit) == counts


def test_numbers_above_255_are_kept():
    owner, _ = filled([shell(n, *box([3.2, 4.2, 5.2], [8.8, 9.8, 10.8], 1)) for n in (3, 300)])
    assert owner.unique().tolist() == [0, 300]


def test_a_box_open_towards_the_rays_keeps_its_surface_alone():
    owner, counts = filled([shell(1, *box([3.2, 4.2, 5.2], [8.8, 9.8, 10.8], 0))])
    assert counts == (36, 36) and not owner[4:9, 5:9, 6:10].any() and (owner[3, 4:10, 5:11] == 1).all()


def test_the_vote_is_that_of_points_inside():
    vertices, faces = box([2.3, 3.3, 4.3], [13.7, 12.7, 11.7], 1)
    generator = torch.Generator().manual_seed(0)
    faces = faces[torch.randperm(len(faces), generator=generator)[:9]]  # one more triangle is missing
    owner, _ = filled([shell(1, vertices, faces)])
    inside = points_inside(CENTRES.reshape(-1, 3), vertices, faces).view(owner.shape)
    surface, _ = filled([shell(1, vertices, faces)], vote=False)
    away = surface == 0  # where no face passes through the cell
    assert (owner[away] == inside[away].to(owner)).float().mean() > 0.99 and int(inside[away].sum()) > 500


def test_without_a_vote_the_surface_alone_is_written():
    vertices, faces = box([3.2, 4.2, 5.2], [8.8, 9.8, 10.8], 1)
    owner, _ = filled([shell(1, vertices, faces)], vote=False)
    low, high = torch.tensor([3, 4, 5]), torch.tensor([8, 9, 10])
    index = CENTRES.floor().long()
    within = ((index >= low) & (index <= high)).all(-1)
    wall = within & ((index == low) | (index == high))[..., [0, 2]].any(-1)  # x and z sides
    floor = within & (index[..., 1] == 4)
    assert torch.equal(owner == 1, wall | floor)


def test_a_loose_card_has_no_inside():
    card = torch.tensor([[2.5, 2.5, 2.2], [12.5, 2.5, 2.2], [12.5, 12.5, 2.2], [2.5, 12.5, 2.2]], dtype=torch.float64)
    faces = torch.tensor([[0, 1, 2], [0, 2, 3]])
    with_vote, _ = filled([shell(1, card, faces)])
    assert torch.equal(with_vote.nonzero()[:, 2].unique(), torch.tensor([2]))
    assert 10 * 10 <= int((with_vote == 1).sum()) <= 11 * 11


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_larger_number_stays(order):
    shells = [shell(1, *box([2.2, 2.2, 2.2], [9.8, 9.8, 9.8], 1)), shell(2, *box([5.2, 5.2, 5.2], [12.8, 12.8, 12.8], 1))]
    owner, _ = filled([shells[i] for i in order])
    assert int((owner == 2).sum()) == 8**3 and int((owner == 1).sum()) == 8**3 - 5**3
    owner.fill_(7)
    fill_shells(shells, LATTICE, "centre", owner, vote=True)
    assert (owner == 7).all()


def test_what_lies_outside_the_lattice_writes_nothing():
    owner, counts = filled([shell(1, *box([20.2, 2.2, 2.2], [28.8, 9.8, 9.8], 1))])
    assert counts == (0, 0) and not owner.any()


def test_under_the_slab_rule_the_surface_is_what_the_pixels_rays_meet():
    lattice = FruxelLattice(Frustum(4, 4, 8, 1.0, 9.0, 60.0))
    wall = torch.tensor([[-20.0, -20, 4.5], [20, -20, 4.5], [20, 20, 4.5], [-20, 20, 4.5]], dtype=torch.float64)
    owner, (unpaired, hit) = filled([shell(1, wall, torch.tensor([[0, 1, 2], [0, 2, 3]]))], lattice, "slab", vote=False)
    assert owner.sum((1, 2)).tolist() == [0, 0, 0, 16, 0, 0, 0, 0] and unpaired == hit == 16
