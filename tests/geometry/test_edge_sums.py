"""Sums over edges tell what a table of edges tells."""

import numpy as np
import pytest
from trimesh.creation import box, icosphere, torus

from voxcli.geometry.closedness import closed_faces, merge_vertices
from voxcli.geometry.edge_sums import AT_ONCE, closed_by_sums
from voxcli.ops import facts
from voxcli.scene import Mesh

RNG = np.random.default_rng(0)


def by_table(faces):
    """Balance of each directed edge and number of faces of each edge, one after the other."""
    balance, shared = {}, {}
    for face in faces.tolist():
        for a, b in zip(face, [*face[1:], face[0]], strict=True):
            if a != b:
                balance[a, b] = balance.get((a, b), 0) + 1
                balance[b, a] = balance.get((b, a), 0) - 1
                shared[frozenset((a, b))] = shared.get(frozenset((a, b)), 0) + 1
    if not any(balance.values()):
        return True
    return None if all(count % 2 == 0 for count in shared.values()) else False


def shapes():
    for mesh in (box(), icosphere(subdivisions=2), torus(1, 0.3)):
        vertices, faces = np.asarray(mesh.vertices), np.asarray(mesh.faces)
        turned = faces.copy()
        turned[::3] = turned[::3, ::-1]
        apart = vertices[faces].reshape(-1, 3), np.arange(3 * len(faces)).reshape(-1, 3)
        flat = np.concatenate([faces, faces[:1, [0, 0, 1]]])
        yield from ((vertices, faces), (vertices, faces[:, ::-1]), (vertices, faces[1:]), (vertices, turned), apart, (vertices, flat))
        yield vertices, RNG.permutation(faces)[: len(faces) // 2]


@pytest.mark.parametrize("vertices,faces", shapes())
def test_sums_tell_what_a_table_of_edges_tells(vertices, faces):
    wanted = by_table(merge_vertices(vertices, faces))
    assert closed_by_sums(vertices, faces) is wanted
    if wanted and not (faces[:, 0] == faces[:, 1]).any():
        assert closed_faces(merge_vertices(vertices, faces)).all()


def test_faces_that_are_there_twice_are_not_judged():
    mesh = icosphere(subdivisions=1)
    vertices, faces = np.asarray(mesh.vertices), np.asarray(mesh.faces)
    for more in (faces[:1], faces[:1, ::-1], faces[:1, [1, 2, 0]]):
        assert closed_by_sums(vertices, np.concatenate([faces, more])) is None
    assert closed_by_sums(vertices, np.concatenate([faces, faces[:1, [0, 0, 1]]])) is True


def test_pieces_of_the_pass_belong_together():
    n = 600  # a torus of more faces than one piece has
    u, v = np.meshgrid(np.arange(n), np.arange(n), indexing="ij")
    a, b, c, d = ((u + i) % n * n + (v + j) % n for i, j in ((0, 0), (1, 0), (1, 1), (0, 1)))
    faces = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])
    angles = 2 * np.pi * np.stack([u, v], -1).reshape(-1, 2) / n
    ring = 1 + 0.3 * np.cos(angles[:, 1])
    vertices = np.stack([ring * np.cos(angles[:, 0]), 0.3 * np.sin(angles[:, 1]), ring * np.sin(angles[:, 0])], -1)
    assert len(faces) > AT_ONCE
    assert closed_by_sums(vertices, faces) is True and closed_by_sums(vertices, faces[:-1]) is False


@pytest.mark.parametrize("inward", [False, True])
def test_facts_of_a_large_mesh_are_those_of_a_small_one(monkeypatch, inward):
    mesh = torus(1, 0.3)
    faces = np.asarray(mesh.faces)[:, ::-1] if inward else np.asarray(mesh.faces)
    thing = Mesh(np.asarray(mesh.vertices, np.float64), np.ascontiguousarray(faces, np.int64))
    small = facts.facts(thing)
    monkeypatch.setattr(facts, "_MANY_FACES", 100)
    large = facts.facts(thing)
    assert large.keys() == small.keys() and large["watertight"] is small["watertight"] is True
    assert large["volume"] == pytest.approx(small["volume"], rel=1e-9) and large["area"] == pytest.approx(small["area"], rel=1e-9)
    assert small["volume"] == pytest.approx(2 * np.pi**2 * 0.3**2, rel=0.05)
