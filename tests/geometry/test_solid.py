import math

import numpy as np
import pytest
import torch
from references.shapes import box, random_tetrahedra, sphere, torus, volume
from references.solid import filled_cells, ray_crossings

from voxcli.geometry.frusta import fruxel_volumes, pixel_rays
from voxcli.geometry.lattice import FruxelLattice, VoxelLattice
from voxcli.geometry.solid import fruxelize_parts, solid_mask, voxelize_parts
from voxcli.scene import Frustum


def cube_lattice(n: int, half: float) -> VoxelLattice:
    return VoxelLattice((n, n, n), (-half, -half, -half), (2 * half / n,) * 3)


def placed(mesh, z=4.0, turn=True):
    """A mesh in front of the camera, turned out of all symmetry with the grid."""
    v, f = mesh
    if turn:
        a, b = 0.3, 0.5
        rx = torch.tensor([[1, 0, 0], [0, math.cos(a), -math.sin(a)], [0, math.sin(a), math.cos(a)]], dtype=torch.float64)
        ry = torch.tensor([[math.cos(b), 0, math.sin(b)], [0, 1, 0], [-math.sin(b), 0, math.cos(b)]], dtype=torch.float64)
        v = v @ rx.T @ ry.T
    return v + torch.tensor([0.05, -0.03, z], dtype=torch.float64), f


# ---- volumes: one number pins winding, scale, spacing and closedness at once


@pytest.mark.parametrize("mesh", [sphere(), torus(), box((-0.7, -0.6, -0.5), (0.8, 0.5, 0.9))], ids=["sphere", "torus", "box"])
@pytest.mark.parametrize("fill", ["winding", "parity", "auto"])
def test_filled_voxels_have_the_volume_of_the_mesh_and_the_error_shrinks_with_the_resolution(mesh, fill):
    v, f = placed(mesh, z=0.0)
    for n, bound in ((16, 0.08), (64, 0.01), (128, 0.003)):
        owner = voxelize_parts([(v, f)], (n, n, n), (-1.6,) * 3, (3.2 / n,) * 3, fill=fill).owner
        assert (owner > 0).sum().item() * (3.2 / n) ** 3 == pytest.approx(volume(v, f), rel=bound)


@pytest.mark.parametrize("n, bound", [(32, 0.03), (64, 0.01), (128, 0.004)])
def test_a_fruxelised_sphere_has_the_closed_form_volume(n, bound):
    frustum = Frustum(width=n, height=n, depth=n, z_near=2.5, z_far=5.5, fov_x_deg=45.0)
    v, f = sphere(radius=1.0, centre=(0.05, -0.03, 4.0), subdivisions=5)
    owner = fruxelize_parts([(v, f)], frustum, rule="centre").owner
    assert float(((owner > 0).sum((1, 2)) * fruxel_volumes(frustum)).sum()) == pytest.approx(4 / 3 * math.pi, rel=bound)


def test_each_slice_of_a_fruxelised_sphere_has_the_area_of_its_circle():
    frustum = Frustum(width=200, height=200, depth=20, z_near=3.0, z_far=5.0, fov_x_deg=40.0)
    v, f = sphere(radius=0.9, centre=(0.0, 0.0, 4.0), subdivisions=5)
    filled = (fruxelize_parts([(v, f)], frustum, rule="centre").owner > 0).sum((1, 2)).double()
    z = 3.0 + (torch.arange(20) + 0.5) * 0.1
    area = math.pi * (0.9**2 - (z - 4.0) ** 2).clamp_min(0)
    torch.testing.assert_close(filled * (z / frustum.focal) ** 2, area.double(), rtol=0.02, atol=0.004)


@pytest.mark.parametrize("name, known", [("torus.obj", 1.21878), ("wingnut.obj", 22.0966), ("penguin.obj", 2.01332), ("skull.obj", 563.42)])
def test_known_meshes_have_their_known_volumes(shared_data, name, known):
    import trimesh

    mesh = trimesh.load(shared_data / "meshes" / name, process=False)
    v, f = torch.tensor(mesh.vertices.copy()), torch.tensor(np.asarray(mesh.faces).copy()).long()
    low, side = v.amin(0) - 0.01, float((v.amax(0) - v.amin(0)).max()) + 0.02
    for n, bound in ((32, 0.02), (128, 0.008), (256, 0.001)):
        owner = voxelize_parts([(v, f)], (n, n, n), tuple(low.tolist()), (side / n,) * 3).owner
        assert (owner > 0).sum().item() * (side / n) ** 3 == pytest.approx(known, rel=bound)


# ---- the slow twin


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("rule", ["slab", "centre"])
@pytest.mark.parametrize("fill", ["winding", "parity"])
def test_fruxels_equal_exact_ray_crossings(seed, rule, fill):
    """Random overlapping tetrahedra all around the camera: they straddle near, far, side planes and the camera itself."""
    v, f = random_tetrahedra(7, seed)
    v = v * torch.tensor([2.0, 2.0, 3.0]) + torch.tensor([0.0, 0.0, 1.5])
    frustum = Frustum(width=9, height=8, depth=16, z_near=0.7, z_far=4.0, fov_x_deg=70.0)
    owner = fruxelize_parts([(v, f)], frustum, rule=rule, fill=fill).owner > 0
    bounds = 0.7 + np.arange(17) * (4.0 - 0.7) / 16
    rays = pixel_rays(frustum)
    for j in range(8):
        for i in range(9):
            expected = filled_cells(ray_crossings((0, 0, 0), rays[j, i].tolist(), v[f].tolist()), bounds, rule, fill)
            assert np.array_equal(owner[:, j, i].numpy(), expected), (j, i)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("fill", ["winding", "parity"])
def test_voxels_equal_exact_ray_crossings(seed, fill):
    v, f = random_tetrahedra(6, 100 + seed)
    owner = voxelize_parts([(v, f)], (12, 7, 9), (-0.9, -1.1, -0.8), (0.15, 0.31, 0.2), fill=fill).owner > 0
    for j in range(7):
        for k in range(9):
            origin = (-10.0, -1.1 + (j + 0.5) * 0.31, -0.8 + (k + 0.5) * 0.2)
            bounds = 10 - 0.9 + np.arange(13) * 0.15
            expected = filled_cells(ray_crossings(origin, (1, 0, 0), v[f].tolist()), bounds, "centre", fill)
            assert np.array_equal(owner[:, j, k].numpy(), expected), (j, k)


# ---- properties


def test_the_order_of_faces_and_vertices_changes_nothing():
    v, f = placed(torus())
    frustum = Frustum(64, 64, 64, 2.0, 6.0, 50.0)
    g = torch.Generator().manual_seed(1)
    order = torch.randperm(len(v), generator=g)
    back = order.argsort()
    shuffled = back[f][torch.randperm(len(f), generator=g)].roll(1, 1)
    a = fruxelize_parts([(v, f)], frustum).owner
    b = fruxelize_parts([(v[order], shuffled)], frustum).owner
    assert torch.equal(a, b)


def test_rays_through_shared_edges_and_vertices_count_once():
    """Box corners, edges and diagonals exactly on voxel rays: any double or missed count would leave a streak."""
    n = 16
    v, f = box((2.5, 2.5, 2.5), (12.5, 12.5, 12.5))  # all faces through cell centres
    soup = v[f].reshape(-1, 3), torch.arange(3 * len(f)).view(-1, 3)  # shares no indices
    for vertices, faces in ((v, f), soup):
        filled = solid_mask(vertices, faces, VoxelLattice((n, n, n), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)), "centre")
        assert int(filled.sum()) == 10**3


def test_overlapping_boxes_unite_under_winding_and_cancel_under_parity():
    a, b = box((0, 0, 0), (6, 6, 6)), box((3, 3, 3), (9, 9, 9))
    v = torch.cat([a[0], b[0]])
    f = torch.cat([a[1], b[1] + len(a[0])])
    shape, grid = (10, 10, 10), ((0.0,) * 3, (1.0,) * 3)
    assert int((voxelize_parts([(v, f)], shape, *grid, fill="winding").owner > 0).sum()) == 2 * 216 - 27
    assert int((voxelize_parts([(v, f)], shape, *grid, fill="parity").owner > 0).sum()) == 2 * 216 - 2 * 27
    assert int((voxelize_parts([(v, f)], shape, *grid, fill="auto").owner > 0).sum()) == 2 * 216 - 27


@pytest.mark.parametrize("parts", [1, 300])
def test_gradients_may_go_through_what_is_computed_from_grids(parts):
    whole, frustum = placed(box((-0.5, -0.5, -0.5), (0.5, 0.5, 0.5))), Frustum(8, 8, 8, 2.0, 6.0, 40.0)
    weight = torch.ones((), requires_grad=True)
    for grid in (fruxelize_parts([whole] * parts, frustum).owner, solid_mask(*whole, FruxelLattice(frustum), "centre")):
        (weight * grid).sum().backward()
    assert float(weight.grad) > 0


def test_later_parts_overwrite_earlier_ones():
    owner = voxelize_parts([box((0, 0, 0), (6, 6, 6)), box((3, 3, 3), (9, 9, 9))], (10, 10, 10), (0.0,) * 3, (1.0,) * 3).owner
    assert int((owner == 2).sum()) == 216
    assert int((owner == 1).sum()) == 216 - 27


def test_a_camera_inside_a_room_sees_its_walls_and_the_air_in_it():
    outer, inner = box((-3, -3, -3), (3, 3, 6)), box((-2, -2, -2), (2, 2, 5))
    v = torch.cat([outer[0], inner[0]])
    f = torch.cat([outer[1], inner[1].flip(1) + len(outer[0])])  # a hollow: the inner box is wound inwards
    frustum = Frustum(width=8, height=8, depth=12, z_near=1.0, z_far=7.0, fov_x_deg=30.0)
    column = fruxelize_parts([(v, f)], frustum).owner[:, 4, 4] > 0
    assert column.tolist() == [False] * 8 + [True] * 2 + [False] * 2  # air to z = 5, wall to 6, outside


def test_a_camera_inside_a_solid_is_in_the_solid():
    v, f = box((-3, -3, -3), (3, 3, 4))
    frustum = Frustum(width=8, height=8, depth=12, z_near=1.0, z_far=7.0, fov_x_deg=30.0)
    assert (fruxelize_parts([(v, f)], frustum).owner[:, 3, 4] > 0).tolist() == [True] * 6 + [False] * 6


def test_slab_keeps_a_sheet_that_lies_between_slice_centres_and_centre_does_not():
    v, f = box((-5, -5, 2.55), (5, 5, 2.6))
    frustum = Frustum(width=6, height=6, depth=10, z_near=2.0, z_far=3.0, fov_x_deg=40.0)  # slices of 0.1: centres at 2.55
    v = v + torch.tensor([0.0, 0.0, 0.01])
    assert (fruxelize_parts([(v, f)], frustum, rule="slab").owner[:, 3, 3] > 0).tolist() == [False] * 5 + [True] * 2 + [False] * 3
    assert not bool((fruxelize_parts([(v, f)], frustum, rule="centre").owner > 0).any())


def test_a_vast_ground_plane_under_the_camera_is_not_misprojected():
    v, f = box((-1000, 1.5, -1000), (1000, 1.75, 1000))  # y down: the road 1.5 below the camera
    frustum = Frustum(width=64, height=64, depth=50, z_near=2.0, z_far=12.0, fov_x_deg=60.0)
    owner = fruxelize_parts([(v, f)], frustum, rule="centre").owner > 0
    from voxcli.geometry.frusta import fruxel_centres

    y = fruxel_centres(frustum)[..., 1]
    assert torch.equal(owner, (y > 1.5) & (y < 1.75))


def test_parts_that_the_frustum_does_not_see_leave_it_empty():
    frustum = Frustum(16, 16, 16, 2.0, 6.0, 40.0)
    for centre in ((0, 0, -4.0), (50.0, 0, 4.0), (0, 0, 100.0)):
        assert not bool((fruxelize_parts([sphere(0.5, centre)], frustum).owner > 0).any())


def test_doubled_faces_do_not_hollow_a_box():
    v, f = box((1, 1, 1), (9, 9, 9))
    doubled = torch.cat([f, f.flip(1)])
    assert int((voxelize_parts([(v, doubled)], (10, 10, 10), (0.0,) * 3, (1.0,) * 3).owner > 0).sum()) == 512


def test_an_open_box_is_filled_and_keeps_its_walls():
    v, f = box((1, 1, 1), (13, 13, 13))
    lidless = f[(v[f][:, :, 1] < 13).any(1)]  # no face at the top
    filled = voxelize_parts([(v, lidless)], (14, 14, 14), (0.0,) * 3, (1.0,) * 3)
    assert int((filled.owner > 0).sum()) >= 0.95 * 12**3


@pytest.mark.parametrize("name", ["building/building-small-d.glb", "car/car_taxi.glb", "table/table_medium.glb", "van/ambulance.glb"])
def test_open_assets_agree_with_the_generalised_winding_number(shared_data, name):
    import trimesh
    from references.winding import generalised_winding_number

    mesh = trimesh.load(shared_data / "assets" / name, force="mesh", process=False)
    v, f = torch.tensor(np.array(mesh.vertices, dtype=np.float64)), torch.tensor(np.asarray(mesh.faces).copy()).long()
    n, low = 24, v.amin(0) - 0.02
    size = float((v.amax(0) - low).max()) * 1.02 / n
    filled = voxelize_parts([(v, f)], (n, n, n), tuple(low.tolist()), (size,) * 3)
    surface = voxelize_parts([(v, f)], (n, n, n), tuple(low.tolist()), (size,) * 3, fill="surface").owner > 0
    axes = torch.meshgrid(*([(torch.arange(n) + 0.5) * size] * 3), indexing="ij")
    points = torch.stack(axes, -1).reshape(-1, 3) + low
    truth = (generalised_winding_number(points, v, f) > 0.5).view(n, n, n)
    assert bool((filled.owner > 0)[truth].float().mean() > 0.95)  # nothing inside is lost
    extra = (filled.owner > 0) & ~truth & ~surface  # what is kept beyond it is surface
    assert extra.sum() < 0.2 * truth.sum()


def test_a_million_faces_fit(shared_data):
    import trimesh

    mesh = trimesh.load(shared_data / "meshes" / "torus.obj", process=False)
    for _ in range(4):
        mesh = mesh.subdivide()
    v, f = torch.tensor(mesh.vertices.copy()), torch.tensor(mesh.faces.copy()).long()
    assert len(f) > 1_000_000
    low, side = v.amin(0) - 0.01, float((v.amax(0) - v.amin(0)).max()) + 0.02
    filled = solid_mask(v, f, VoxelLattice((64,) * 3, tuple(low.tolist()), (side / 64,) * 3), "centre")
    assert filled.sum().item() * (side / 64) ** 3 == pytest.approx(1.21878, rel=0.01)


@pytest.mark.gpu
def test_the_gpu_fills_the_same_cells():
    v, f = placed(torus())
    frustum = Frustum(96, 80, 64, 2.0, 6.0, 50.0)
    cpu = fruxelize_parts([(v, f)], frustum).owner
    assert torch.equal(cpu, fruxelize_parts([(v.cuda(), f.cuda())], frustum).owner.cpu())
    lattice = FruxelLattice(frustum)
    assert torch.equal(solid_mask(v, f, lattice, "slab"), solid_mask(v.cuda(), f.cuda(), lattice, "slab").cpu())
