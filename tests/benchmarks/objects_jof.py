"""JOF on unseen `synth objects`: the paper's Tables 2, 3 and 6 at our scale, a row for each weights file.

    voxcli synth objects -o data/ --count 1000 --seed 1
    voxcli train -m jof --data data/ -o jof/ --recipe objects-jof-small
    voxcli train -m jof --data data/ -o no-category/ --recipe objects-jof-small --set training.network.category=0 \\
        --set training.stages.coarse.losses.category=0 --set training.stages.middle.losses.category=0 \\
        --set training.stages.fine.losses.category=0
    python tests/benchmarks/objects_jof.py --data data/ jof/weights.safetensors no-category/weights.safetensors
    python tests/benchmarks/objects_jof.py --data data/ --write shifted/ --views 3
    voxcli train -m jof --data data/ -o self/ --recipe objects-jof-self --set training.network.start=jof/weights.safetensors \\
        --set 'training.dataset.images=[shifted/]'
    python tests/benchmarks/objects_jof.py --data test/ --split all --most 80 --shifted jof/weights.safetensors self/weights.safetensors

Table 2 compares the first two weights, Table 6 the last two, on objects of another seed; for Table 3, leave out one loss of step 3 at a
time (--set training.stages.pictures.losses.silhouette=0, and so on), or all five of the paper's: renderings alone. Pictures alone: --set
training.stages.pictures.settings.rehearsed=0.

`shape` is the Chamfer-L1 of the shape given as coloured voxels, through the 3D encoder (Table 2); the others are of one picture of each
object: Chamfer-L1 and F-score by the preset `jof`, and the median error of the azimuth. `none` counts pictures in which nothing was seen;
they have no distance. --shifted takes the pictures to another domain: a coloured light from one side, blotches on the object, and an uneven
background of any bright colour, which is seen in those pictures alone, as in photographs. Seeds are the names of the objects.

`voxcli evaluate jof-shapenet --data test/ --retrieve data/` has the row of retrieval.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image

import voxcli
from voxcli.datasets.objects import ObjectsFolder
from voxcli.datasets.r2n2 import R2N2Folder
from voxcli.errors import DataError
from voxcli.metrics.pose import pose_record
from voxcli.models.base import Inputs
from voxcli.models.jof import inference
from voxcli.models.jof.spec import JOFOptions
from voxcli.scene import Mesh, Picture
from voxcli.seeds import item_seed


def noise(rng: np.random.Generator, side: int, cells: int) -> np.ndarray:
    """Smooth noise in -1..1, [side, side, 3]."""
    coarse = torch.from_numpy(rng.uniform(-1, 1, (1, 3, cells, cells)))
    fine = torch.nn.functional.interpolate(coarse, (side, side), mode="bicubic", align_corners=False)
    return fine[0].permute(1, 2, 0).numpy().clip(-1, 1)


def shifted(rgba: np.ndarray, name: str) -> np.ndarray:
    """A picture [S, S, 4] uint8 of another domain, opaque: [S, S, 3] uint8."""
    rng, side = np.random.default_rng(item_seed(0, name)), len(rgba)
    turn = rng.uniform(0, 2 * np.pi)
    v, u = np.mgrid[:side, :side] / (side - 1) * 2 - 1
    light = 1 + 0.5 * (np.cos(turn) * u + np.sin(turn) * v)[..., None] * (1 + 0.3 * rng.uniform(-1, 1, 3))
    object_ = rgba[..., :3] / 255 * light * (1 + 0.25 * rng.uniform(-1, 1, 3)) + 0.12 * noise(rng, side, 9)
    background = 0.8 + 0.15 * rng.uniform(-1, 1, 3) + 0.08 * noise(rng, side, 5)
    alpha = rgba[..., 3:] / 255
    return (255 * (object_ * alpha + background * (1 - alpha)).clip(0, 1) + 0.5).astype(np.uint8)


def write(data: Path, target: Path, most: int) -> int:
    """Pictures of the training objects in the other domain, NAME.png with NAME_mask.png, a folder a category. Returns how many."""
    objects, renders = ObjectsFolder(data, "train"), R2N2Folder(data, None)
    places = {renders.name(i): i for i in range(len(renders))}
    count = 0
    for index in range(len(objects)):
        name = objects.name(index)
        folder = target / objects.categories_of[index]
        folder.mkdir(parents=True, exist_ok=True)
        for view, rgba in enumerate(renders.images(places[name], range(min(most, renders.view_count(places[name]))))):
            stem = f"{Path(name).name}-{view:02d}"
            Image.fromarray(shifted(rgba, f"{name}/{view}")).save(folder / f"{stem}.png")
            Image.fromarray(rgba[..., 3]).save(folder / f"{stem}_mask.png")
            count += 1
    return count


class Scores:
    """The sums of one weights file."""

    def __init__(self) -> None:
        self.records: dict[str, dict[str, dict]] = {}
        self.shape: list[float] = []
        self.chamfer: list[float] = []
        self.fscore: list[float] = []
        self.azimuth: list[float] = []
        self.none = 0

    def keep(self, name: str, **values: float | None) -> None:
        """Numbers of one object for --records."""
        given = {key: {"metric": key, "value": value} for key, value in values.items()}
        self.records.setdefault(name, {}).update(given)

    def add(self, name: str, mesh: Mesh, truth: Mesh) -> None:
        """Score what was made of a picture."""
        chamfer, fscore = voxcli.score(mesh, truth, ["chamfer", "fscore"], preset="jof")
        self.chamfer.append(chamfer["value"])
        self.fscore.append(fscore["value"])
        self.keep(name, chamfer=chamfer["value"], fscore=fscore["value"])

    def line(self) -> str:
        """The cells of its row."""
        means = (np.mean(v) if v else np.nan for v in (self.shape, self.chamfer, self.fscore))
        return " | ".join(f"{v:.3g}" for v in (*means, np.median(self.azimuth) if self.azimuth else np.nan)) + f" | {self.none}"


def of_shape(predictor: inference.JOFPredictor, objects: ObjectsFolder, index: int, truth: Mesh, resolution: int) -> float | None:
    """Chamfer-L1 of an object given as coloured voxels."""
    voxels = objects.voxels(index)
    codes = predictor.codes(voxels.labels > 0, voxels.colours)
    try:
        mesh = inference.surface_of(predictor, codes, resolution, inference.THRESHOLD, False, {})
    except DataError:
        return None
    return voxcli.score(mesh, truth, "chamfer", preset="jof")["value"]


class Unseen(NamedTuple):
    """An object to score: its name, its place among `objects` and among `renders`."""

    name: str
    objects: ObjectsFolder
    index: int
    renders: R2N2Folder
    place: int


def unseen(wanted: argparse.Namespace) -> Iterator[Unseen]:
    """All objects of the test split, or so many spread evenly."""
    objects = ObjectsFolder(wanted.data, None if wanted.split == "all" else wanted.split, wanted.categories)
    renders = R2N2Folder(wanted.data, None)
    places = {renders.name(i): i for i in range(len(renders))}
    for index in range(0, len(objects), max(1, len(objects) // wanted.most) if wanted.most else 1):
        yield Unseen(objects.name(index), objects, index, renders, places[objects.name(index)])


def scored(predictor: inference.JOFPredictor, wanted: argparse.Namespace) -> Scores:
    """The sums over all objects."""
    found = Scores()
    for name, objects, index, renders, place in unseen(wanted):
        truth = objects.mesh(index)
        if hasattr(predictor.network, "encoder") and not wanted.shifted:
            value = of_shape(predictor, objects, index, truth, wanted.resolution)
            found.shape += [] if value is None else [value]
            found.keep(name, shape=value)
        if not hasattr(predictor.network, "image"):
            continue
        rgba = renders.images(place, [wanted.view])[0]
        picture = Picture(shifted(rgba, f"{name}/{wanted.view}")) if wanted.shifted else Picture(rgba[..., :3], rgba[..., 3])
        try:
            mesh = next(predictor.predict([Inputs.of(picture)], JOFOptions(resolution=wanted.resolution)))
        except DataError:
            found.none += 1
            continue
        found.add(name, mesh, truth)
        if mesh.meta["camera"] is not None:
            true = renders.cameras(place, [wanted.view])[0].world_to_cam
            error = pose_record(np.array(mesh.meta["camera"]["world_to_cam"]), true, value="azimuth_deg")["value"]
            found.azimuth += [] if error is None else [error]
            found.keep(name, azimuth=error)
    return found


def main() -> None:
    """Score all weights and print a table, or write pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", nargs="*")
    parser.add_argument("--data", type=Path, required=True, help="folder of synth objects in 3D-R2N2's layout")
    parser.add_argument("--write", type=Path, help="write the training objects' pictures in the other domain into this folder, and stop")
    parser.add_argument("--views", type=int, default=4, help="pictures of each object that --write writes")
    parser.add_argument("--shifted", action="store_true", help="score on pictures of the other domain")
    parser.add_argument("--split", choices=("train", "val", "test", "all"), default="test")
    parser.add_argument("--categories", nargs="+", help="these alone")
    parser.add_argument("--records", type=Path, help="also write the numbers of each object here, as evaluate keeps them (JSON lines)")
    parser.add_argument("--view", type=int, default=0)
    parser.add_argument("--most", type=int, default=0, help="objects at most, spread evenly; 0: all")
    parser.add_argument("--resolution", type=int, default=64)
    parser.add_argument("--device", default="cpu")
    wanted = parser.parse_args()
    if wanted.write is not None:
        print(f"{write(wanted.data, wanted.write, wanted.views)} pictures in {wanted.write}")
        return
    print("| weights | shape CD-L1 | CD-L1 | F | azimuth (deg) | none |\n|---|---|---|---|---|---|")
    for path in wanted.weights:
        predictor = inference.JOFPredictor.from_weights(path, wanted.device)
        found = scored(predictor, wanted)
        print(f"| {Path(path).parent.name} {Path(path).stem} | {found.line()} |", flush=True)
        if wanted.records is not None:
            lines = ({"variant": "", "name": name, "records": records} for name, records in found.records.items())
            wanted.records.write_text("".join(json.dumps(line) + "\n" for line in lines))


if __name__ == "__main__":
    main()
