"""Small solids as polygons, whose area and volume are known, and how meshes are measured."""

import numpy as np

CUBE = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], float)
CUBE_QUADS = [[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]]
CUBE_TRIANGLES = [[q[0], *q[i : i + 2]] for q in CUBE_QUADS for i in (1, 2)]
U_OUTLINE = [(0, 0), (3, 0), (3, 3), (2, 3), (2, 1), (1, 1), (1, 3), (0, 3)]
"""A square of 3 x 3 with a notch of 1 x 2: area 7, outline 16."""


def measures(mesh):
    """(area, signed volume, minimum corner, maximum corner) of all faces."""
    corners = mesh.vertices[mesh.faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    volume = np.einsum("ij,ij->i", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])).sum() / 6
    used = corners.reshape(-1, 3)
    return np.linalg.norm(normals, axis=1).sum() / 2, volume, used.min(axis=0).tolist(), used.max(axis=0).tolist()


def prism(outline, height=1.0):
    """(vertices [2n, 3], polygons) of an outline [n, 2], counter-clockwise, with caps of n corners and n walls of four."""
    flat = np.asarray(outline, float)
    count = len(flat)
    vertices = np.concatenate([np.c_[flat, np.zeros(count)], np.c_[flat, np.full(count, height)]])
    walls = [[i, (i + 1) % count, (i + 1) % count + count, i + count] for i in range(count)]
    return vertices, [list(range(count))[::-1], list(range(count, 2 * count)), *walls]


def regular(corners):
    """The outline of a regular polygon of radius 1."""
    turn = 2 * np.pi * np.arange(corners) / corners
    return np.c_[np.cos(turn), np.sin(turn)]


def obj_text(vertices, polygons):
    return "".join(f"v {x} {y} {z}\n" for x, y, z in vertices) + "".join(f"f {' '.join(str(i + 1) for i in p)}\n" for p in polygons)


def off_text(vertices, polygons):
    lines = ["OFF", f"{len(vertices)} {len(polygons)} 0", *(" ".join(map(str, v)) for v in vertices)]
    return "\n".join([*lines, *(" ".join(map(str, [len(p), *p])) for p in polygons)]) + "\n"


def ply_text(vertices, polygons):
    head = ["ply", "format ascii 1.0", f"element vertex {len(vertices)}", *(f"property float {axis}" for axis in "xyz")]
    head += [f"element face {len(polygons)}", "property list uchar int vertex_indices", "end_header"]
    return "\n".join([*head, *(" ".join(map(str, v)) for v in vertices), *(" ".join(map(str, [len(p), *p])) for p in polygons)]) + "\n"
