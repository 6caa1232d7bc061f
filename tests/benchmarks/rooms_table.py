"""Tables 1 and 2 of pix2scene for given weights: python tests/benchmarks/rooms_table.py rooms.safetensors DIR [DIR ...] [--count N]

DIR: folders of `voxcli synth rooms`, with other seeds than the training's but the same lights and lens (both are drawn by the seed of a
folder: make one folder, and set a part of it aside by --first). With `--turned` data, Table 2 too. Each line is a JSON record: means over
rooms of the Hausdorff distance forward (from each predicted surfel to the nearest true one, the largest), reverse, and the mean squared
error of z-depth, all in sides of the room.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch

from voxcli.datasets.rooms import RoomsFolder
from voxcli.geometry.cameras import inverse_rigid
from voxcli.geometry.nearest import nearest_both
from voxcli.geometry.surfels import back_project
from voxcli.models.pix2scene.inference import Pix2ScenePredictor
from voxcli.scene import Surfels

PAPER = {
    "table 1": {"box-translation": (0.087, 0.093, 0.032), "box-rotation": (0.102, 0.183, 0.022), "shapes-rotation": (0.125, 0.191, 0.038)},
    "table 2, shapes-rotation": {5: (0.110, 0.156, 0.012), 35: (0.143, 0.191, 0.021), 55: (0.140, 0.189, 0.022), 80: (0.161, 0.202, 0.027)},
    "table 2, multiple-shapes": {5: (0.256, 0.308, 0.070), 35: (0.301, 0.355, 0.091), 55: (0.282, 0.329, 0.088), 80: (0.272, 0.316, 0.083)},
}
"""Hausdorff forward, reverse, MSE of depth."""


def points(surfels: Surfels) -> torch.Tensor:
    """Places of the surfels in the camera frame [N, 3]."""
    depth = torch.from_numpy(surfels.depth).double()
    return back_project(depth, torch.from_numpy(surfels.camera.K).double())[:, torch.isfinite(depth)].T


def errors(guess: Surfels, truth: Surfels) -> np.ndarray:
    """(Hausdorff forward, reverse, mean squared error of depth) of two views of one camera."""
    (forward, _), (reverse, _) = nearest_both(points(guess), points(truth))
    seen = np.isfinite(truth.depth)
    return np.array([float(forward.max()), float(reverse.max()), float(np.square(guess.depth - truth.depth)[seen].mean())])


def flat(truth: Surfels, depth: float) -> Surfels:
    """A wall at one depth: what a network knows that knows nothing but the mean."""
    return Surfels(np.full_like(truth.depth, depth), truth.normals, truth.albedo, truth.camera)


def record(table: str, data: RoomsFolder, found: list[np.ndarray], paper: tuple[float, ...] | None, **more: object) -> None:
    """One line."""
    mean, spread = np.mean(found, 0), np.std(found, 0) / max(1, len(found)) ** 0.5
    names = ("hausdorff_forward", "hausdorff_reverse", "depth_mse")
    line = {"table": table, "data": data.root.name, "variant": data.variant, **more, "rooms": len(found)}
    line |= {name: round(float(v), 5) for name, v in zip(names, mean, strict=True)}
    line |= {"standard_error": [round(float(v), 5) for v in spread], "paper": paper}
    sys.stdout.write(json.dumps(line) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights")
    parser.add_argument("data", nargs="+", type=Path)
    parser.add_argument("--first", type=int, default=0, help="leave out the rooms before this one: those of the training")
    parser.add_argument("--count", type=int, default=200)
    args = parser.parse_args()
    predictor = Pix2ScenePredictor.from_weights(args.weights, "auto")
    for folder in args.data:
        data = RoomsFolder(folder)
        rooms = range(args.first, min(args.first + args.count, len(data)))
        straight, walls, turned = [], [], {}
        for k in rooms:
            truth = data.surfels(k)
            images, eye = data[k].images.to(predictor.device), inverse_rigid(truth.camera.world_to_cam)[:3, 3]
            z = predictor.encode(images, eye)[0]
            straight.append(errors(predictor.decode(z, eye), truth))
            walls.append(errors(flat(truth, float(np.linalg.norm(eye - predictor.facts["target"]))), truth))
            if (data.root / "turned").is_dir():
                for turn, there in data.turned(k).items():
                    place = inverse_rigid(there.camera.world_to_cam)[:3, 3]
                    turned.setdefault(turn, []).append(errors(predictor.decode(z, place), there))
        record("1", data, straight, PAPER["table 1"].get(data.variant))
        record("1, a wall at the depth of the target instead", data, walls, None)
        for turn, found in turned.items():
            record("2", data, found, PAPER.get(f"table 2, {data.variant}", {}).get(turn), degrees=turn)


if __name__ == "__main__":
    main()
