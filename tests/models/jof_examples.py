"""Shapes small enough for tests: boxes of two colours in the layouts that the readers know, and networks of few channels."""

import json

import numpy as np

from voxcli import files
from voxcli.files.archive import npz_bytes
from voxcli.geometry.cameras import from_shapenet, shapenet_intrinsics
from voxcli.models.jof.network import JOFConfig
from voxcli.scene import VoxelGrid

TINY = {
    "branches": 4, "shape": 8, "albedo": 6, "shape_widths": [24, 16], "albedo_widths": [16, 16], "voxel_widths": [4, 4, 8, 8],
    "image_widths": [8, 8, 16, 16], "groups": 4, "darkest": 0.25,
}  # fmt: skip


def tiny(**other):
    """A small JOF's configuration."""
    return JOFConfig(**{key: tuple(v) if isinstance(v, list) else v for key, v in {**TINY, **other}.items()})


def seat_and_back(k):
    """Labels [64, 64, 64]: a seat (1) and a back (2), wider with k."""
    labels = np.zeros((64, 64, 64), np.uint8)
    labels[20 - k : 44 + k, 28:34, 20:44] = 1
    labels[20 - k : 24, 34:52, 20:44] = 2
    return labels


def write_objects(folder, count=6):
    """`count` objects of two categories as `synth objects` lays them out, three views each: silhouettes of their boxes."""
    from PIL import Image

    entries = {}
    for k in range(count):
        synset, category = (("001", "chair"), ("002", "bench"))[k % 2]
        name, labels = f"o{k}", seat_and_back(k)
        place = folder / "objects" / synset / name
        place.mkdir(parents=True)
        colours = np.zeros((64, 64, 64, 3), np.uint8)
        colours[labels == 1], colours[labels == 2] = (200, 40, 40), (40, 60, 220)
        shape = {"origin": np.full(3, -0.5), "voxel_size": np.full(3, 1 / 64), "label_names": np.array(["air", "seat", "back"]),
                 "empty_label": np.array(0), "ignore_label": np.array(255), "meta": np.array("{}")}  # fmt: skip
        (place / "voxels.npz").write_bytes(npz_bytes({"labels": labels, "colors": colours, **shape}))
        (place / "views.json").write_text(json.dumps({"category": category, "split": "train"}))
        renders = folder / "ShapeNetRendering" / synset / name / "rendering"
        renders.mkdir(parents=True)
        lines = []
        for view in range(3):
            azimuth, elevation, ratio = 40.0 + 120 * view, 28.0, 0.8
            world_to_cam, K = from_shapenet(azimuth, elevation, ratio), shapenet_intrinsics()
            cells = (np.argwhere(labels > 0) + 0.5) / 64 - 0.5
            seen = cells @ world_to_cam[:3, :3].T + world_to_cam[:3, 3]
            u, v = ((K[i, i] * seen[:, i] / seen[:, 2] + K[i, 2]).astype(int) for i in range(2))
            rgba = np.zeros((137, 137, 4), np.uint8)
            for i in (-1, 0, 1):
                rgba[(v + i).clip(0, 136), u.clip(0, 136)] = (180, 90, 60, 255)
            Image.fromarray(rgba).save(renders / f"{view:02d}.png")
            lines.append(f"{azimuth} {elevation} 0 {ratio} 25\n")
        (renders / "rendering_metadata.txt").write_text("".join(lines))
        volume = folder / "ShapeNetVox32" / synset / name
        volume.mkdir(parents=True)
        files.write(volume / "model.binvox", VoxelGrid(labels[::2, ::2, ::2] > 0))
        entries.setdefault(synset, {"taxonomy_id": synset, "taxonomy_name": category, "train": [], "val": [], "test": []})
        entries[synset]["train"].append(name)
    (folder / "ShapeNet.json").write_text(json.dumps(list(entries.values())))
    return folder
