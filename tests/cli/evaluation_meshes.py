"""Tiny trees of shapes in the real layouts, CATEGORY/ID/file, with predictions whose scores are known by hand (see evaluation_layouts.py).

Surfaces are so small that a point drawn at random on one is known by its place.
"""

import numpy as np
from layout_pieces import CHAIR, TABLE, box, plane, save

from voxcli.scene import Mesh, PointCloud

SIDE = 1e-4
END = 0.5 - SIDE / 2
"""The middle of a small square that ends at 1/2."""
LEFT, RIGHT = (-END, 0.0, 0.0), (END, 0.0, 0.0)
MISSING = (TABLE, "dd")
SAMPLES = ((CHAIR, "aa"), (CHAIR, "bb"), (TABLE, "cc"))


def together(meshes):
    offsets = np.cumsum([0] + [len(mesh.vertices) for mesh in meshes])
    faces = [mesh.faces + offset for mesh, offset in zip(meshes, offsets, strict=False)]
    return Mesh(np.concatenate([mesh.vertices for mesh in meshes]), np.concatenate(faces))


def squares(*places, cosine=1.0):
    """Small squares around places. Their normals have an angle of this cosine with z."""
    sine = (1 - cosine**2) ** 0.5
    corners = (plane(side=SIDE).vertices - [SIDE / 2, SIDE / 2, 0]) @ np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]]).T
    return together([Mesh(corners + place, plane().faces) for place in places])


def blocks(*places, thickness):
    """Small closed boxes around places, square from above."""
    half = np.array([SIDE, SIDE, thickness]) / 2
    return together([box(place - half, place + half) for place in np.array(places)])


def within(count, place):
    """Points of the middle plane of a small square or block."""
    return np.random.default_rng(0).uniform(-0.4 * SIDE, 0.4 * SIDE, (count, 3)) * [1, 1, 0] + place


def raised(height, *places):
    return [(x, y, z + height) for x, y, z in places or (LEFT, RIGHT)]


def onet(root, predictions):
    """Chamfer-L1 is ten times the mean way; means are over categories. The true surface is squares, the true solid flat blocks."""
    (high,) = raised(0.1, RIGHT)
    for category, name in (*SAMPLES, MISSING):
        folder = root / category / name
        folder.mkdir(parents=True)
        surface, normals = np.concatenate([within(50_000, LEFT), within(50_000, RIGHT)]), np.tile([0.0, 0, 1], (100_000, 1))
        np.savez(folder / "pointcloud.npz", points=surface.astype("f4"), normals=normals.astype("f4"), loc=np.zeros(3), scale=1.0)
        spots = np.concatenate([within(25_000, place) for place in (LEFT, RIGHT, high, (0, 0, 0.3))])
        inside = np.packbits(np.arange(100_000) < 50_000)
        np.savez(folder / "points.npz", points=spots.astype("f4"), occupancies=inside, loc=np.zeros(3), scale=1.0)
    save(predictions / CHAIR / "aa.ply", blocks(LEFT, RIGHT, thickness=1e-7))
    save(predictions / CHAIR / "bb.ply", blocks(LEFT, high, thickness=1e-7))  # of 75,000 points in either, 25,000 are in both
    # Of a cube's six faces two have the normal of the truth. What the truth is nearest to is a face like it.
    save(predictions / TABLE / "cc.ply", blocks(*raised(0.2), thickness=SIDE))
    return {
        "Chamfer-L1": {"chair": 10 * (0 + 0.05) / 2, "table": 2.0, "mean": (0.25 + 2.0) / 2},
        "Normal consistency": {"chair": 1.0, "table": (1 / 3 + 1) / 2, "mean": (1 + 2 / 3) / 2},
        "IoU": {"chair": (1 + 1 / 3) / 2, "table": 0.0, "mean": 1 / 3},
    }


def meshrcnn(root, predictions):
    """The truth's longest edge becomes 10. Chamfer adds the squares of both ways; 0.1 is near."""
    for category, name in (*SAMPLES, MISSING):
        save(root / category / name / "model.obj", squares(LEFT, RIGHT))
    for (category, name), height, cosine in zip(SAMPLES, (0.005, 0.02, 0.05), (1.0, 0.5, 0.6), strict=True):
        save(predictions / category / f"{name}.ply", squares(*raised(height), cosine=cosine))
    far = {"chair": (2 * 0.05**2 + 2 * 0.2**2) / 2, "table": 2 * 0.5**2, "mean": (2 * 0.05**2 + 2 * 0.2**2 + 2 * 0.5**2) / 3}
    near = {"chair": 50.0, "table": 0.0, "mean": 100 / 3}
    return {
        "All categories": {"Chamfer": far, "Normal": {"chair": 0.75, "table": 0.6, "mean": 0.7}, "F1@0.1": near},
        "Chamfer by category": far,
        "F1@0.1 by category": near,
    }


def tatarchenko(root, predictions):
    """Every true point is found; of the predicted ones, which are as many as are drawn, a known share is near. The others of bb are 0.03
    away."""
    for category, name in (*SAMPLES, MISSING):
        save(root / category / name / "model.obj", squares(LEFT, RIGHT))
    save(predictions / CHAIR / "aa.obj", squares(LEFT, RIGHT))
    for (category, name), far, place in zip(SAMPLES[1:], (2_000, 4_000), (raised(0.03, LEFT)[0], (0, 0.1, 0.2)), strict=True):
        points = np.concatenate([within(10_000 - far - 100, LEFT), within(100, RIGHT), within(far, place)])
        save(predictions / category / f"{name}.ply", PointCloud(points))
    some, few = (2 * precision / (precision + 1) for precision in (0.8, 0.6))
    return {"F-score at 1 %": {"chair": (1 + some) / 2, "table": few, "mean": (1 + some + few) / 3}}


def disn_meshes(root, predictions):
    """2,048 vertices are drawn with replacement. Of 256 true ones 255 are in one place A, and one is B, one away: the drawn ones have their
    centroid at A and the radius 1, but for the few times that B is drawn. The solid is a box that has 8
    vertices among 2,000, all farther from what is predicted than A is."""

    def dust(solid, *places):
        """A solid, and boxes too small to fill a cell at places, so many of each: 8 vertices each."""
        around = np.concatenate([np.tile(place, (times, 1)) for place, times in places])
        around = around + 1e-4 * np.random.default_rng(0).random(around.shape)
        return together([solid, *(box(at - 1e-5, at + 1e-5) for at in around)])

    whole = box((-0.6, -0.35, -0.3), (0.0, 0.35, 0.3))
    truth = dust(whole, ((0.0, 0, 0), 255), ((1.0, 0, 0), 1))
    for category, name in (*SAMPLES, MISSING):
        save(root / category / name / "isosurf.obj", truth)
    apart = (0.5**2 + 0.15**2) ** 0.5  # as far from A as from B, so that every way is of this length, however points are matched
    save(predictions / CHAIR / "aa_00.obj", dust(box((-0.6, -0.35, -0.3), (-0.3, 0.35, 0.3)), ((0.5, 0, 0.15), 250)))
    save(predictions / CHAIR / "bb_00.obj", truth)
    beside = box((1.0, -0.1, -0.1), (1.2, 0.1, 0.1))
    save(predictions / TABLE / "cc_00.obj", dust(beside, ((1.0, 0, 0), 250)))  # B alone: all precise, nothing of A found
    pair = 2 * apart**2 * 1000
    return {
        "Chamfer x 1000": {"chair": pair / 2, "table": 1000.0, "mean": (pair + 1000) / 3},
        "EMD x 100": {"chair": 20.48 * apart / 2, "table": 20.48, "mean": 20.48 * (apart + 1) / 3},
        # Precision 0, 1, 1 and recall 0, 1, 0 are averaged before they are joined.
        "F-score": {"0.5 %": {"chair": 0.5, "table": 0.0, "mean": 4 / 9}, **dict.fromkeys(("1 %", "2 %", "5 %", "10 %", "20 %"), 4 / 9)},
        "IoU": {"chair": (0.5 + 1) / 2, "table": 0.0, "mean": 0.5},
    }
