"""Filling by what the outside does not reach: exact walls, floods, trays with open tops, and voxels of another program."""

import numpy as np
import pytest
import torch
from references.shapes import box, random_tetrahedra, sphere, volume
from references.slow_touching import box_planes, flooded, fruxel_planes, touches

from voxcli.geometry.crossings import join
from voxcli.geometry.lattice import FruxelLattice, VoxelLattice
from voxcli.geometry.solid import fruxelize_parts, share_behind_openings, voxelize_parts
from voxcli.geometry.touching import touched_cells
from voxcli.scene import Frustum

UNIT = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def joined(*meshes):
    offsets = np.cumsum([0, *(len(v) for v, _ in meshes)])
    return torch.cat([v for v, _ in meshes]), torch.cat([f + int(o) for (_, f), o in zip(meshes, offsets, strict=False)])


def tray(low, high):
    """A box without its top (+y)."""
    vertices, faces = box(low, high)
    return vertices, faces[(vertices[faces][..., 1] < high[1]).any(1)]


def filled(mesh, shape, place=UNIT, fill="outside"):
    return (voxelize_parts([mesh], shape, *place, fill=fill).owner > 0).numpy()


# ---- walls


@pytest.mark.parametrize("seed", range(4))
def test_touched_voxels_are_those_that_exact_cutting_finds(seed):
    vertices, faces = random_tetrahedra(3, seed)
    faces = faces[: 4 + 2 * seed]
    shape, origin, size = (6, 5, 7), (-0.9, -1.1, -0.8), (0.3, 0.41, 0.2)
    lattice = VoxelLattice(shape, origin, size)
    found = touched_cells(join([(vertices, faces)], lattice), lattice).permute(0, 2, 1).numpy()
    for cell in np.ndindex(*shape):
        low = [o + i * s for o, i, s in zip(origin, cell, size, strict=True)]
        planes = box_planes(low, [a + s for a, s in zip(low, size, strict=True)])
        assert found[cell] == any(touches(t, planes) for t in vertices[faces].tolist()), cell


@pytest.mark.parametrize("seed", range(3))
def test_touched_fruxels_are_those_that_exact_cutting_finds(seed):
    """Triangles all around the camera: some behind it, some across its near plane and its sides."""
    vertices, faces = random_tetrahedra(2, 50 + seed)
    vertices = vertices * torch.tensor([2.0, 2.0, 3.0]) + torch.tensor([0.0, 0.0, 1.5])
    frustum = Frustum(width=5, height=4, depth=6, z_near=0.7, z_far=4.0, fov_x_deg=70.0)
    lattice = FruxelLattice(frustum)
    found = touched_cells(join([(vertices, faces)], lattice), lattice).numpy()
    for cell in np.ndindex(6, 4, 5):
        assert found[cell] == any(touches(t, fruxel_planes(*cell, frustum)) for t in vertices[faces].tolist()), cell


def test_a_face_on_the_border_of_two_cells_touches_both():
    square = torch.tensor([[1.0, 2, 1], [1, 2, 3], [3, 2, 3], [3, 2, 1]], dtype=torch.float64), torch.tensor([[0, 1, 2], [0, 2, 3]])
    lattice = VoxelLattice((5, 5, 5), *UNIT)
    found = touched_cells(join([square], lattice), lattice).permute(0, 2, 1)
    expected = torch.zeros(5, 5, 5, dtype=torch.bool)
    expected[0:4, 1:3, 0:4] = True  # corners of cells, too
    assert torch.equal(found, expected)


def test_points_and_lines_touch_cells_as_faces_do():
    line = torch.tensor([[0.5, 0.5, 0.5], [3.5, 0.5, 0.5], [2.5, 0.5, 0.5]], dtype=torch.float64), torch.tensor([[0, 1, 2], [0, 0, 0]])
    lattice = VoxelLattice((5, 2, 2), *UNIT)
    assert touched_cells(join([line], lattice), lattice).sum((1, 2)).tolist() == [1, 1, 1, 1, 0]


# ---- floods


@pytest.mark.parametrize("seed", range(5))
def test_cells_are_filled_that_a_slow_flood_does_not_reach(seed):
    """Spheres with holes: of some resolutions the holes let the flood in."""
    vertices, faces = sphere(radius=4.2, centre=(5.1, 5.05, 4.95), subdivisions=2)
    kept = torch.rand(len(faces), generator=torch.Generator().manual_seed(seed)) < 1 - 0.08 * seed
    mesh = vertices, faces[kept]
    lattice = VoxelLattice((10, 10, 10), *UNIT)
    walls = touched_cells(join([mesh], lattice), lattice).permute(0, 2, 1).numpy()
    assert np.array_equal(filled(mesh, (10, 10, 10)), ~flooded(walls))


@pytest.mark.parametrize("n, bound", [(32, 0.2), (64, 0.1)])
def test_a_closed_solid_is_filled_with_a_border_of_at_most_a_cell(n, bound):
    ball = sphere(radius=1.0, subdivisions=4)
    got = filled(ball, (n, n, n), ((-1.2,) * 3, (2.4 / n,) * 3)).sum() * (2.4 / n) ** 3
    assert volume(*ball) < got < (1 + bound) * volume(*ball)


def test_doubled_faces_and_any_winding_fill_the_same_cells():
    vertices, faces = tray((1.5, 1.5, 1.5), (8.5, 6.5, 8.5))
    once = filled((vertices, faces), (10, 10, 10))
    for given in (faces.flip(1), torch.cat([faces, faces.flip(1)]), torch.cat([faces, faces]), torch.cat([faces[:5].flip(1), faces[5:]])):
        assert np.array_equal(filled((vertices, given), (10, 10, 10)), once)


def test_a_tray_is_walls_and_a_floor():
    walls = filled(tray((1.5, 1.5, 1.5), (8.5, 6.5, 8.5)), (10, 10, 10))
    expected = np.zeros((10, 10, 10), bool)
    expected[1:9, 1:7, 1:9] = True
    expected[2:8, 2:7, 2:8] = False
    assert np.array_equal(walls, expected)


@pytest.mark.parametrize("alike", [True, False])
def test_two_sheets_close_together_are_filled_between_and_the_cavity_is_empty(alike):
    """An open rim between the sheets, of 2 cells at 32^3; walls and floor are filled, as no cell between the sheets is untouched."""
    outer, inner = tray((0.0, 0.0, 0.0), (1.0, 0.5, 1.0)), tray((0.06, 0.06, 0.06), (0.94, 0.5, 0.94))
    mesh = joined(outer, inner if alike else (inner[0], inner[1].flip(1)))
    size = 1 / 32
    got = filled(mesh, (34, 18, 34), ((-size,) * 3, (size,) * 3))
    centres = [(np.arange(n) - 0.5) * size for n in (34, 18, 34)]
    x, y, z = np.meshgrid(*centres, indexing="ij")
    within = (x > 0) & (x < 1) & (y > 0) & (y < 0.5) & (z > 0) & (z < 1)
    deep = (x > 0.06 + size) & (x < 0.94 - size) & (y > 0.06 + size) & (z > 0.06 + size) & (z < 0.94 - size)
    cavity = (x > 0.06) & (x < 0.94) & (y > 0.06) & (y < 0.5) & (z > 0.06) & (z < 0.94)
    assert got[within & ~cavity].all() and not got[deep].any()


def test_a_chair_is_filled_as_the_binvox_program_fills_it(shared_data):
    from voxcli import files
    from voxcli.scene import Mesh, VoxelGrid

    mesh = files.read_as(shared_data / "meshes/chair_model.obj", Mesh)
    truth = files.read_as(shared_data / "meshes/chair_model.binvox", VoxelGrid)
    place = tuple(truth.origin.tolist()), tuple(truth.voxel_size.tolist())
    got = filled((torch.from_numpy(mesh.vertices), torch.from_numpy(mesh.faces)), truth.occupancy.shape, place)
    assert (got & truth.occupancy).sum() / (got | truth.occupancy).sum() > 0.95


# ---- grids that cut through what they fill


def test_a_solid_that_the_grid_cuts_stays_solid_at_the_cut():
    ball = sphere(radius=2.0, subdivisions=4)
    got = filled(ball, (20, 20, 20), ((0.0,) * 3, (0.15,) * 3))  # one octant
    centres = (np.arange(20) + 0.5) * 0.15
    away = np.sqrt(sum(c**2 for c in np.meshgrid(centres, centres, centres, indexing="ij")))
    assert got[away < 1.95].all() and not got[away > 2.0 + 0.15 * 3**0.5].any()
    assert filled(ball, (4, 4, 4), ((-0.2,) * 3, (0.1,) * 3)).all()  # all of the grid within the ball


def test_a_frustum_that_cuts_through_a_tray_and_a_slab_leaves_air_where_air_is():
    frustum = Frustum(width=16, height=16, depth=16, z_near=2.0, z_far=6.0, fov_x_deg=50.0)
    slab = box((-9.0, 0.35, 1.0), (9.0, 1.0, 9.0))  # the ground, y down
    open_box = box((-0.6, -0.4, 3.1), (0.6, 0.3, 4.4))
    opened = open_box[0], open_box[1][(open_box[0][open_box[1]][..., 1] > -0.4).any(1)]
    owner = fruxelize_parts([slab, opened], frustum, fill="outside").owner
    from voxcli.geometry.frusta import fruxel_centres

    x, y, z = fruxel_centres(frustum).unbind(-1)
    assert bool((owner[(y > 0.35) & (y < 1.0)] > 0).all()) and not bool((owner == 1)[y < 0.1].any())
    within = (x.abs() < 0.3) & (y > -0.4) & (y < 0.0) & (z > 3.5) & (z < 4.0)
    assert bool(within.any()) and not bool((owner[within] > 0).any())
    assert bool((owner == 2).any())


# ---- what auto fills behind openings


def test_the_share_behind_openings_is_that_of_the_cells_that_the_outside_reaches():
    mesh = tray((1.5, 1.5, 1.5), (8.5, 6.5, 8.5))
    lattice = VoxelLattice((10, 10, 10), *UNIT)
    done = voxelize_parts([mesh], (10, 10, 10), *UNIT)
    by_auto = (done.owner > 0).numpy()
    behind = by_auto & ~filled(mesh, (10, 10, 10))
    assert share_behind_openings([mesh], lattice, "centre", done) == behind.sum() / by_auto.sum() > 0.4
    closed = box((1.5, 1.5, 1.5), (8.5, 6.5, 8.5))
    assert voxelize_parts([closed], (10, 10, 10), *UNIT).voted == ()
