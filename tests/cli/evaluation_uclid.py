"""DISN's renderings as UCLID-Net arranges them, with predictions whose scores are known by hand (see evaluation_layouts.py)."""

import json

import numpy as np
from layout_pieces import CHAIR, picture, save

from voxcli.scene import DepthMap, PointCloud

CAR = "02958343"
CORNERS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float64)
NEAR = 0.08
"""Two cells of the shell grid, and less than the threshold of the F-score."""


def cube(moved=0, way=0.0):
    """2,048 points, 256 in each corner of a cube of side 2, close together. So many corners are moved along z, by a way in units of the
    cube's radius."""
    inwards = 1 - 1e-5 * np.stack([*np.divmod(np.arange(256), 16), np.zeros(256)], 1)
    corners = CORNERS[:, None] * inwards
    corners[:moved, :, 2] += way * 3**0.5
    return PointCloud(corners.reshape(-1, 3))


def disn(root, views=4, more_cars=()):
    names = {CHAIR: ["aa", "bb"], CAR: ["cc", "dd", *more_cars]}
    for synset, name in ((synset, name) for synset, listed in names.items() for name in listed):
        folder = root / "renderings_rgb/ShapeNet" / synset / name / "easy"
        for view in range(views):
            picture(folder / f"{view:02d}.png", 224)
            depth = DepthMap(np.full((224, 224), 1.4, np.float32), "z")
            save(root / "renderings_depth/ShapeNet" / synset / name / "easy" / f"{view:02d}.npz", depth)
        (folder / "rendering_metadata.txt").write_text("[0, 25, 0, 0.8, 35, 32, 1.75]\n" * views)
        save(root / "SurfaceSamples/ShapeNet" / synset / f"{name}.ply", cube())
    (root / "splits").mkdir()
    (root / "splits/test.json").write_text(json.dumps({"ShapeNet": names}))


def chamfer(moved, way):
    """Of a share of the points that is a way off: squares of both ways, in thousandths."""
    return 2 * moved / 8 * way**2 * 1000


def emd(moved, way):
    return moved / 8 * way * 100


def uclid_shapenet(root, predictions):
    disn(root)
    changes = [(2, NEAR), (8, 0.2), (4, NEAR)]
    for (synset, name), change in zip(((CHAIR, "aa"), (CHAIR, "bb"), (CAR, "cc")), changes, strict=True):
        save(predictions / synset / f"{name}.ply", cube(*change))
    far, work = ([f(*change) for change in changes] for f in (chamfer, emd))
    shell = [100 * 6 / 10, 0.0, 100 * 4 / 12]  # a corner is one cell

    def cells(values):
        return {"chair": np.mean(values[:2]), "car": values[2], "mean": np.mean(values)}

    return {
        "Figure 6 (a)": {"CD-L2": cells(far), "EMD": cells(work), "sIoU": cells(shell), "F@5%": cells([100.0, 0.0, 100.0])},
        "CD-L2 by category": cells(far),
    }


ABLATION = {"regressed": (4, 2, 6), "camera": (2, 1, 5), "camera, depth": (1, 0, 3)}
"""Corners moved of two cars, and of a chair, of which the table is not."""


def uclid_ablation(root, predictions):
    disn(root, 1, ("ee",))
    for variant, corners in ABLATION.items():
        for (synset, name), moved in zip(((CAR, "cc"), (CAR, "ee"), (CHAIR, "aa")), corners, strict=True):
            save(predictions / variant / synset / f"{name}.ply", cube(moved, NEAR))
    return {
        title: {variant: (value(first, NEAR) + value(second, NEAR)) / 2 for variant, (first, second, _) in ABLATION.items()}
        for title, value in (("Figure 9 (a): CD-L2 of cars", chamfer), ("Figure 9 (a): EMD of cars", emd))
    }


def ablation_of_all():
    """(variant, measure) -> category -> value, of cars and chairs."""
    return {
        (variant, "chamfer"): {CAR: (chamfer(first, NEAR) + chamfer(second, NEAR)) / 2, CHAIR: chamfer(chair, NEAR)}
        for variant, (first, second, chair) in ABLATION.items()
    }


def uclid_views(root, predictions):
    """Each number of views has predictions of its own."""
    disn(root)
    expected = {}
    for variant, corners in {"1 view": (5, 8, 7), "2 views": (3, 6, 2), "4 views": (1, 4, 1)}.items():
        for (synset, name), moved in zip(((CHAIR, "aa"), (CHAIR, "bb"), (CAR, "cc")), corners, strict=True):
            save(predictions / variant / synset / f"{name}.ply", cube(moved, NEAR))
        first, second, car = (chamfer(moved, NEAR) for moved in corners)
        expected[variant] = {CHAIR: (first + second) / 2, CAR: car, "mean": (first + second + car) / 3}
    return {"CD-L2 by number of views": expected}
