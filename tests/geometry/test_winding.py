"""Faces that a file winds in both ways: what is closed becomes solid, and has its outside outside."""

import numpy as np
import pytest
import torch
from references.shapes import box, random_tetrahedra, sphere, torus, volume
from references.slow_winding import wound_slowly

from voxcli.geometry.closedness import CLOSED, OPEN
from voxcli.geometry.inside import points_inside
from voxcli.geometry.solid import voxelize_parts
from voxcli.geometry.winding import wound_faces

SHAPES = {"box": box(), "sphere": sphere(subdivisions=2), "torus": torus(n=24, m=12)}


def arrays(mesh):
    return mesh[0].numpy(), mesh[1].numpy()


def joined(*meshes):
    offsets = np.cumsum([0, *(len(v) for v, _ in meshes)])
    return torch.cat([v for v, _ in meshes]), torch.cat([f + int(o) for (_, f), o in zip(meshes, offsets, strict=False)])


def turned(faces, which):
    faces = faces.copy()
    faces[which] = faces[which][:, ::-1]
    return faces


def same_winding(a, b):
    """Whether each face runs through its corners the same way round."""
    return all(any(np.array_equal(np.roll(x, k), y) for k in range(3)) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("share", [0.0, 0.05, 0.5, 0.95, 1.0])
@pytest.mark.parametrize("soup", [False, True], ids=["indexed", "soup"])
def test_turned_faces_of_closed_shapes_are_turned_back(name, share, soup):
    vertices, faces = arrays(SHAPES[name])
    mixed = turned(faces, np.random.default_rng(1).random(len(faces)) < share)
    if soup:  # shares no indices
        vertices, mixed, faces = vertices[mixed.ravel()], np.arange(3 * len(faces)).reshape(-1, 3), None
    found = wound_faces(vertices, mixed)
    assert (found.kinds == CLOSED).all()
    assert volume(torch.from_numpy(vertices), torch.from_numpy(found.faces)) == pytest.approx(volume(*SHAPES[name]))
    if faces is not None:
        assert same_winding(found.faces, faces)


@pytest.mark.parametrize("seed", range(3))
def test_an_open_surface_is_wound_like_the_slow_twin_winds_it_or_the_other_way_round(seed):
    rng = np.random.default_rng(seed)
    vertices, faces = arrays(sphere(subdivisions=1))
    mixed = turned(faces, rng.random(len(faces)) < 0.3)[rng.permutation(len(faces))[:50]]
    found = wound_faces(vertices, mixed)
    assert (found.kinds == OPEN).all()
    slow = wound_slowly(mixed)
    patches = same_winding(found.faces, slow) or same_winding(found.faces, slow[:, ::-1])
    assert patches or wound_consistently(found.faces)


def wound_consistently(faces):
    edges = [edge for face in faces.tolist() for edge in zip(face, [*face[1:], face[0]], strict=True)]
    return len(edges) == len(set(edges))


def test_an_open_surface_keeps_the_winding_of_most_of_its_area():
    vertices, faces = arrays(box())
    tray = faces[2:]
    for inward in (tray, tray[:, ::-1]):
        assert np.array_equal(wound_faces(vertices, inward).faces, inward)  # consistent: nothing is touched
        assert same_winding(wound_faces(vertices, turned(inward, [0, 3, 7])).faces, inward)


def test_a_hollow_stays_hollow_however_the_file_winds_its_faces():
    ball, cave = sphere(radius=1.0, subdivisions=3), sphere(radius=0.6, subdivisions=3)
    shell = joined(ball, (cave[0], cave[1].flip(1)))
    vertices, faces = arrays(shell)
    few = np.random.default_rng(0).random(len(faces)) < 0.1
    for given in (faces, faces[:, ::-1].copy(), turned(faces, few), turned(faces, ~few)):
        found = wound_faces(vertices, given)
        assert same_winding(found.faces, faces)
        filled = voxelize_parts([(shell[0], torch.from_numpy(given))], (40,) * 3, (-1.0,) * 3, (0.05,) * 3).owner
        assert int(filled.sum()) * 0.05**3 == pytest.approx(volume(*shell), rel=0.03)


def test_a_part_within_another_is_no_cavity_where_both_are_wound_alike():
    vertices, faces = arrays(joined(box((0, 0, 0), (3, 3, 3)), box((1, 1, 1), (2, 2, 2))))
    for given in (faces, faces[:, ::-1].copy()):
        assert same_winding(wound_faces(vertices, given).faces, faces)


def test_a_part_turned_inside_out_beside_another_is_turned_back():
    parts = [box((0, 0, 0), (6, 6, 6)), box((3, 3, 3), (9, 9, 9))]
    vertices, faces = arrays(joined(parts[0], (parts[1][0], parts[1][1].flip(1))))
    filled = voxelize_parts([(torch.from_numpy(vertices), torch.from_numpy(faces))], (10,) * 3, (0.0,) * 3, (1.0,) * 3).owner
    assert int(filled.sum()) == 2 * 216 - 27  # the union: opposite windings would cancel in the overlap


def test_boxes_that_share_an_edge_are_wound_each_for_itself():
    vertices, faces = arrays(joined(box((0, 0, 0), (1, 1, 1)), box((1, 1, 0), (2, 2, 1))))
    mixed = turned(faces, np.random.default_rng(4).random(24) < 0.5)
    found = wound_faces(vertices, mixed)
    assert (found.kinds == CLOSED).all() and same_winding(found.faces, faces)


def test_a_surface_with_one_side_keeps_its_winding():
    angle, n = np.linspace(0, 2 * np.pi, 24, endpoint=False), 24
    out = np.array([np.cos(angle), np.sin(angle), 0 * angle]).T
    half = 0.3 * (np.cos(angle / 2)[:, None] * out + np.sin(angle / 2)[:, None] * [0, 0, 1])
    vertices = np.concatenate([out - half, out + half])
    faces = []
    for i in range(n):
        a, b, c, d = i, i + n, i + 1, i + 1 + n
        c, d = (n, 0) if i == n - 1 else (c, d)  # the strip comes back upside down
        faces += [[a, b, c], [b, d, c]]
    faces = np.array(faces)
    found = wound_faces(vertices, faces)
    assert np.array_equal(found.faces, faces) and (found.kinds == OPEN).all()


@pytest.mark.parametrize("seed", range(4))
def test_points_and_cells_of_mixed_winding_are_inside_as_those_of_the_right_one(seed):
    vertices, faces = arrays(random_tetrahedra(1, seed))
    mixed = turned(faces, np.random.default_rng(seed).random(4) < 0.5)
    spots = torch.rand(500, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 2 - 1
    right = points_inside(spots, torch.from_numpy(vertices), torch.from_numpy(faces))
    assert torch.equal(points_inside(spots, torch.from_numpy(vertices), torch.from_numpy(wound_faces(vertices, mixed).faces)), right)
    assert torch.equal(points_inside(spots, torch.from_numpy(vertices), torch.from_numpy(faces[:, ::-1].copy())), right)


def test_a_sphere_of_turned_faces_fills_the_cells_that_parity_fills():
    ball = sphere(subdivisions=3)
    side, n = 2.0, 32
    faces = torch.from_numpy(turned(ball[1].numpy(), np.random.default_rng(7).random(len(ball[1])) < 0.5))
    by_parity, by_auto = (
        voxelize_parts([(ball[0], faces)], (n,) * 3, (-1.0,) * 3, (side / n,) * 3, fill=fill) for fill in ("parity", "auto")
    )
    assert torch.equal(by_parity.owner, by_auto.owner) and by_auto.leaky == 0
    assert int(by_auto.owner.sum()) == 17_040  # counted by parity, before winding was mended


def test_points_that_are_sampled_from_turned_faces_have_normals_that_point_outward():
    from voxcli.ops.conversions import CONVERSIONS, ConversionOptions
    from voxcli.scene import Mesh

    vertices, faces = arrays(sphere(subdivisions=2))
    mixed = turned(faces, np.random.default_rng(2).random(len(faces)) < 0.5)
    cloud = CONVERSIONS["Mesh", "PointCloud"](Mesh(vertices, mixed), ConversionOptions(points=500))
    assert ((cloud.points * cloud.normals).sum(1) > 0.9).all()
