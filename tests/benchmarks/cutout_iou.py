"""How well the mask head cuts objects out that it never saw, before photographs: renderings of meshes over scikit-image's photographs.

    python tests/benchmarks/cutout_iou.py ASSETS [--weights FILE] [--picture sheet.png]
    python tests/benchmarks/cutout_iou.py --data photos-test/ [--weights FILE]

ASSETS: one folder a category with meshes. Each mesh is seen from two sides, each before a photograph of its own, at a place and in light of
its own, as a camera develops it. Prints the intersection over union of each mesh, and the means.
--data: pictures of `voxcli synth objects --backgrounds photo` instead, scored at the resolution of the network.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

import numpy as np
import torch
from PIL import Image
from skimage import data

from voxcli import files
from voxcli.datasets.synthetic.assets import asset_paths
from voxcli.datasets.synthetic.camera_pipeline import develop, resized
from voxcli.datasets.synthetic.objects.assets import to_object
from voxcli.datasets.synthetic.objects.photo.render import draw_light
from voxcli.datasets.synthetic.objects.render import Renderer
from voxcli.datasets.synthetic.objects.views import photo_views
from voxcli.models.cutout.batches import MaskedPictures, MaskReader, collate
from voxcli.models.cutout.inference import ObjectCutter
from voxcli.ops.cutting import mask_head, mask_problems, without_small_pieces
from voxcli.scene import Mesh
from voxcli.training.stage import Augmentation

PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "rocket", "motorcycle_left", "brick", "grass", "gravel", "camera", "coins")
SIDE = 320


def photograph(name: str, rng: np.random.Generator) -> np.ndarray:
    """A square of a photograph, in linear light [SIDE, SIDE, 3]."""
    image = data.stereo_motorcycle()[0] if name == "motorcycle_left" else getattr(data, name)()
    image = np.repeat(image[..., None], 3, 2) if image.ndim == 2 else image[..., :3]
    side = int(min(image.shape[:2]) * rng.uniform(0.6, 1))
    y, x = (int(rng.integers(n - side + 1)) for n in image.shape[:2])
    return resized((image[y : y + side, x : x + side].astype(np.float32) / 255) ** 2.2, SIDE, SIDE)


def over_pictures(head: ObjectCutter, folder: str) -> None:
    """Print the mean IoU over the pictures of a folder, its median, and the share of wrong pixels: of one look of the network, and of what
    the commands cut out, after a second look and without small pieces."""
    data = MaskedPictures([folder], {})
    read = MaskReader(data, head.network.config.side, Augmentation())
    found: dict[str, list[tuple[float, float]]] = {"one look": [], "cut out": []}
    for i in range(len(data)):
        sample, rgba = collate([read(i, None)]), data.picture(i)
        with torch.inference_mode():
            once = (head.network(sample.images)[0].squeeze() > 0).numpy()
        cut = without_small_pieces((255 * head.mask(rgba[..., :3]) + 0.5).astype(np.uint8)) > 127
        for name, mask, truth in (("one look", once, sample.masks[0].numpy()), ("cut out", cut, rgba[..., 3] > 127)):
            found[name].append(((mask & truth).sum() / max((mask | truth).sum(), 1), (mask != truth).mean()))
    for name, pairs in found.items():
        scores, wrong = np.array(pairs).T
        print(f"{name}: mean over {len(scores)} pictures {scores.mean():.4f}, median {np.median(scores):.4f}, wrong {wrong.mean():.4f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("assets", nargs="?")
    parser.add_argument("--data")
    parser.add_argument("--weights")
    parser.add_argument("--picture", help="A sheet of pictures, truths and masks.")
    given = parser.parse_args()
    torch.set_num_threads(1)
    head = mask_head("cpu", given.weights).network
    if given.data:
        over_pictures(head, given.data)
        return
    rows, tiles, k = [], [], 0
    for category, paths in asset_paths(given.assets).items():
        for path in paths:
            thing, scores = to_object("car", files.read_as(path, Mesh)), []  # of any category: parts are not drawn
            renderer = Renderer(thing)
            for view in range(2):
                rng = np.random.default_rng([k, view])
                line = photo_views(rng, 1, thing.vertices)[0]
                light = replace(draw_light(rng, line.azimuth), fill_strength=0.3)
                cover, _ = renderer.linear(line.K(SIDE), line.world_to_cam, SIDE, light)
                behind = photograph(PHOTOGRAPHS[(2 * k + view) % len(PHOTOGRAPHS)], rng)
                picture = develop(behind * (1 - cover[..., 3:]) + cover[..., :3], rng)
                truth = cover[..., 3] > 0.5
                share = head.mask(picture)
                found = without_small_pieces((255 * share + 0.5).astype(np.uint8))
                shown = found > 127
                scores.append((shown & truth).sum() / max((shown | truth).sum(), 1))
                said = ", ".join(mask_problems(found))
                tiles.append(np.concatenate([picture, *(np.where(mask[..., None], picture, 255) for mask in (truth, shown))], 1))
                print(f"{category}/{path.name} view {view}: {scores[-1]:.3f} {said}")
            rows.append((category, float(np.mean(scores))))
            k += 1
    by_category = {name: [score for each, score in rows if each == name] for name in dict(rows)}
    print("; ".join(f"{name} {np.mean(scores):.3f}" for name, scores in by_category.items()))
    print(f"mean over {len(rows)} meshes {np.mean([score for _, score in rows]):.4f}")
    if given.picture:
        wide = [np.concatenate(tiles[n : n + 4], 1) for n in range(0, len(tiles) - len(tiles) % 4, 4)]
        Image.fromarray(np.concatenate(wide)).save(given.picture)


if __name__ == "__main__":
    main()
