"""UCLID-Net on unseen `synth objects`: the paper's Figures 6 (a) and 9 (a) at our scale, and its section 4.3 on several views.

    voxcli synth objects -o data/ --layout disn --views 12 --count 700 --seed 1
    voxcli train -m uclid --data data/ -o uclid/ --recipe objects-uclid-small
    voxcli train -m uclid --data data/ -o flat/ --recipe objects-uclid-small --set training.network.depth_channels=0
    python tests/benchmarks/objects_surfaces.py --data data/ uclid/weights.safetensors flat/weights.safetensors [--views 1 2 4]

A row for each weights file and each way to tell it camera and depth: both regressed; CAM, the true camera; CAD, true camera and depth. The
second weights are the ablation without depth. All by the preset `uclid` (Chamfer-L2 times 1,000, EMD of --matched points times 100, shell
IoU and F@5% in %); means over the objects of the split, of which each is seen in the first of its easy views, or in so many spread evenly.
`empty` counts the objects of which no cell was occupied; the preset puts 100 random points in their place. Then the error of the camera
that is regressed from each of four views of all objects, in degrees.

`voxcli evaluate uclid-shapenet --data DATA --retrieve data/` has the row of retrieval.

Pix3D, on which the paper evaluates what was trained on ShapeNet (its Figure 6 (b), preset `uclid-pix3d`), takes the place of --data:

    python tests/benchmarks/objects_surfaces.py --pix3d pix3d/ uclid.safetensors [--most 200]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from voxcli import files, score
from voxcli.datasets.disn import DISNFolder
from voxcli.datasets.pix3d import Pix3DFolder
from voxcli.models.base import Inputs
from voxcli.models.uclid.batches import in_cube, moved
from voxcli.models.uclid.inference import UCLIDPredictor
from voxcli.models.uclid.preparation import prepare
from voxcli.models.uclid.spec import UCLIDOptions
from voxcli.scene import Camera, DepthMap, Mesh, Picture, PointCloud

Row = dict[str, float]


class Seen(NamedTuple):
    """An object: its pictures, their cameras and depths in the units of its cube, and points on its surface."""

    pictures: list[Picture]
    cameras: list[Camera]
    depths: list[DepthMap]
    truth: PointCloud


def seen(folder: DISNFolder, index: int, count: int) -> Seen:
    """An object in `count` of its easy views, spread evenly, the first among them."""
    there = folder.view_count(index)
    sample = folder.sample(index, [k * there // count for k in range(count)])
    assert sample.points is not None and sample.depths is not None
    cloud, centre, scale = in_cube(sample.points.points)
    cameras = [Camera(c.K, c.width, c.height, moved(c.world_to_cam, centre, scale)) for c in sample.cameras]
    depths = [DepthMap(depth / np.float32(scale), "z") for depth in sample.depths]
    pictures = [Picture(rgba[..., :3], rgba[..., 3]) for rgba in sample.images]
    return Seen(pictures, cameras, depths, PointCloud(cloud.astype(np.float32)))


WAYS = {"regressed": (), "CAM": ("camera",), "CAD": ("camera", "depth")}
"""What is told of each picture; the rest is regressed."""


def measured(cloud: PointCloud, truth: PointCloud, matched: int) -> Row:
    """The paper's four measures of one object."""
    chamfer, fscore = score(cloud, truth, ["chamfer", "fscore"], preset="uclid")
    row = {"CD-L2": chamfer["value"], "sIoU": score(cloud, truth, "iou", preset="uclid")["value"], "F@5%": fscore["value"]}
    if matched and len(cloud.points):
        row["EMD"] = score(cloud, truth, "emd", preset="uclid", points=matched, exact_up_to=matched)["value"]
    return row | {"empty": float(not len(cloud.points))}


def rows(predictor: UCLIDPredictor, folder: DISNFolder, counts: list[int], most: int, matched: int) -> Iterator[tuple[str, int, Row]]:
    """(way, number of views, means over the objects), one after the other."""
    step = max(1, len(folder) // most) if most else 1
    for count in counts:
        objects = [index for index in range(0, len(folder), step) if folder.view_count(index) >= count]
        for way, known in WAYS.items():
            if "depth" in known and not predictor.network.config.depth_channels:
                continue
            found: list[Row] = []
            for index in objects:
                each = seen(folder, index, count)
                given = {"cameras": tuple(each.cameras), "depths": tuple(each.depths)}
                inputs = Inputs(tuple(each.pictures), **{f"{key}s": given[f"{key}s"] for key in known})
                cloud = next(predictor.predict([inputs], UCLIDOptions()))
                assert isinstance(cloud, PointCloud)
                found.append(measured(cloud, each.truth, matched))
            yield way, count, mean_row(found)


def camera_errors(predictor: UCLIDPredictor, folder: DISNFolder) -> np.ndarray:
    """The angle in degrees between the true camera's axes and those that are regressed, of four views of each object."""
    network, found = predictor.network, []
    for index in range(len(folder)):
        each = seen(folder, index, min(4, folder.view_count(index)))
        images = torch.stack([prepare(picture, network.config.side)[0] for picture in each.pictures])
        with torch.inference_mode():
            motion = network.camera(network.seen(images.to(predictor.device))).cpu().numpy()
        truth = np.stack([camera.world_to_cam for camera in each.cameras])
        cosine = (np.einsum("bij,bij->b", motion[:, :3, :3], truth[:, :3, :3]) - 1) / 2
        found.append(np.degrees(np.arccos(cosine.clip(-1, 1))))
    return np.concatenate(found)


def mean_row(found: list[Row]) -> Row:
    """Means over objects."""
    return {key: _mean([row[key] for row in found if key in row]) for key in ("CD-L2", "EMD", "sIoU", "F@5%", "empty")}


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else float("nan")


def pix3d(predictor: UCLIDPredictor, folder: Pix3DFolder, most: int) -> Row:
    """Means over photographs, cut out by their masks, against their models; camera and depth are regressed."""
    found: list[Row] = []
    for index in range(0, len(folder), max(1, len(folder) // most) if most else 1):
        sample = folder[index]
        low, high = np.maximum(sample.box[:2], 0).astype(int), sample.box[2:].astype(int) + 1
        part = (slice(low[1], high[1]), slice(low[0], high[0]))
        picture = Picture(sample.image[part].copy(), (255 * sample.mask[part]).astype(np.uint8))
        cloud = next(predictor.predict([Inputs.of(picture)], UCLIDOptions()))
        mesh = files.read_as(sample.model, Mesh)
        # The model is x left, y up, z in; ShapeNet has its front along +x: out of the picture, -z of the model.
        truth = Mesh(np.stack([-mesh.vertices[:, 2], mesh.vertices[:, 1], mesh.vertices[:, 0]], 1), mesh.faces)
        if isinstance(cloud, PointCloud) and len(cloud.points):
            chamfer, emd = score(cloud, truth, ["chamfer", "emd"], preset="uclid-pix3d")
            found.append({"CD": chamfer["value"], "EMD": emd["value"], "empty": 0.0})
        else:
            found.append({"empty": 1.0})
    return {key: _mean([row[key] for row in found if key in row]) for key in ("CD", "EMD", "empty")}


def main() -> None:
    """Score all weights and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", nargs="*")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--data", type=Path, help="folder in DISN's layout")
    source.add_argument("--pix3d", type=Path, help="folder of Pix3D")
    parser.add_argument("--split", default="test")
    parser.add_argument("--views", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--most", type=int, default=0, help="objects at most, spread evenly; 0: all")
    parser.add_argument("--matched", type=int, default=1024, help="points of the EMD; 0: none")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    wanted = parser.parse_args()
    torch.set_num_threads(wanted.threads)
    columns = ("CD", "EMD", "empty") if wanted.pix3d else ("CD-L2", "EMD", "sIoU", "F@5%", "empty")
    print("| weights | told | views | " + " | ".join(columns) + " |\n" + "|---" * (3 + len(columns)) + "|")
    for path in wanted.weights:
        predictor = UCLIDPredictor.from_weights(path, wanted.device)
        name = f"{Path(path).parent.name} {Path(path).stem}"
        if wanted.pix3d:
            lines: Iterator[tuple[str, int, Row]] = iter([("regressed", 1, pix3d(predictor, Pix3DFolder(wanted.pix3d), wanted.most))])
        else:
            folder = DISNFolder(wanted.data, wanted.split)
            lines = rows(predictor, folder, wanted.views, wanted.most, wanted.matched)
        show(name, lines, columns)
        if not wanted.pix3d and predictor.network.camera is not None:
            off = camera_errors(predictor, folder)
            error = f"off by {np.median(off):.1f} degrees in the median, {off.mean():.1f} in the mean"
            print(f"{name}: cameras of {len(off)} pictures, {error}")


def show(name: str, lines: Iterator[tuple[str, int, Row]], columns: tuple[str, ...]) -> None:
    """Print rows of the table as they come."""
    for way, count, row in lines:
        print(f"| {name} | {way} | {count} | " + " | ".join(f"{row[key]:.3g}" for key in columns) + " |", flush=True)


if __name__ == "__main__":
    main()
