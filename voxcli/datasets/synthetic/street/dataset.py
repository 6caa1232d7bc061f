"""Data sets of street scenes on disk: resumable, in parallel, and the same bytes for any number of workers.

DIR/meta.json                   what made it (seed, frustum, classes, assets)
DIR/images/000123.png           colour, 8 bits; as depth and instances, a whole number of pixels for each column of fruxels (picture_scale)
DIR/depth/000123.png            z-depth in millimetres, 16 bits, 0 = sky or beyond 65 m
DIR/instances/000123.png        0 = sky, 1 = ground, from 2 on the objects of the poses, 16 bits
DIR/poses/000123.json           camera (K, world_to_cam) and 6-DoF poses
DIR/fruxels/000123.npz          labels and frustum; written last: a sample with it is whole
of trajectories: DIR/train|val|test/000123/images/0000.png and so on, one folder a scene, one sample a frame
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from voxcli.atomic import atomic_write_bytes
from voxcli.datasets.synthetic.folders import SPLIT, FolderGenerator
from voxcli.datasets.synthetic.street.assets import load_shelf
from voxcli.datasets.synthetic.street.config import StreetConfig, StreetSample
from voxcli.files import write
from voxcli.provenance import Json, Meta, make_meta
from voxcli.scene import STREET_CLASSES, DepthMap, Picture

FARTHEST = 65.535
"""Metres that a 16-bit depth image in millimetres can hold."""


_FILES = ("images/*.png", "depth/*.png", "instances/*.png", "poses/*.json", "fruxels/*.npz")


class StreetGenerator(FolderGenerator):
    """The street scenes of a seed. assets_dir: one folder a class with meshes."""

    item, data_set = "scene", "street scenes"
    patterns = (*_FILES, *(f"*/*/{each}" for each in _FILES), "rendered/*.png", "realism.json")
    modules = ("voxcli.datasets.synthetic.street.sample",)

    def __init__(self, seed: int = 0, config: StreetConfig | None = None, assets_dir: str | Path | None = None):
        self.seed, self.config, self.shelf = seed, config or StreetConfig(), load_shelf(assets_dir)
        self.chunk = 8 if self.config.trajectory == 1 else 1

    def meta(self) -> Mapping[str, Json]:
        options = self.config.options() | {"classes": list(STREET_CLASSES)}
        frame = "camera: x right, y down, z forward; world: +y up"
        return make_meta("street-dataset", "synth street", options, self.shelf.digests, self.seed, frame, "m")

    def begin(self, folder: Path) -> None:
        if self.config.trajectory == 1:
            make_sample_folders(folder)

    def samples(self, folder: Path, index: int) -> list[tuple[Path, str]]:
        """The folder and the name of each sample of a scene."""
        if self.config.trajectory == 1:
            return [(folder, f"{index:06d}")]
        return [(folder / SPLIT[index % len(SPLIT)] / f"{index:06d}", f"{frame:04d}") for frame in range(self.config.trajectory)]

    def files(self, folder: Path, index: int) -> list[Path]:
        return [path for own, name in self.samples(folder, index) for path in sample_paths(own, name)]

    def write_item(self, folder: Path, index: int) -> None:
        from voxcli.datasets.synthetic.street.sample import make_frames

        meta = make_meta("fruxels", "synth street", {}, {}, self.seed, "camera: x right, y down, z forward", "m")
        frames = make_frames(self.seed, index, self.config, self.shelf)
        for frame, ((own, name), sample) in enumerate(zip(self.samples(folder, index), frames, strict=True)):
            make_sample_folders(own)
            write_sample(own, name, sample, {**meta, "sample": index} | ({"frame": frame} if self.config.trajectory > 1 else {}))


def make_sample_folders(folder: Path) -> None:
    """The folders of the files of samples."""
    for name in ("images", "depth", "instances", "poses", "fruxels"):
        (folder / name).mkdir(parents=True, exist_ok=True)


def sample_paths(folder: Path, name: str) -> tuple[Path, ...]:
    """The files of one sample, in the order in which they are written."""
    pictures = tuple(folder / kind / f"{name}.png" for kind in ("images", "depth", "instances"))
    return (*pictures, folder / "poses" / f"{name}.json", folder / "fruxels" / f"{name}.npz")


def write_sample(folder: Path, name: str, sample: StreetSample, meta: Meta) -> None:
    """The five files of one sample, each atomically, the fruxels last."""
    image, depth, instances, poses, fruxels = sample_paths(folder, name)
    camera = sample.camera
    near = np.where(sample.depth <= FARTHEST, sample.depth, np.nan).astype(np.float32)
    write(image, sample.picture, overwrite=True)
    write(depth, DepthMap(near, "z", camera), overwrite=True)
    write(instances, Picture(np.repeat(sample.instances[..., None], 3, 2)), overwrite=True)
    numbers = {"K": camera.K.tolist(), "width": camera.width, "height": camera.height, "world_to_cam": camera.world_to_cam.tolist()}
    text = json.dumps({"camera": numbers, "objects": sample.poses}, indent=1)
    atomic_write_bytes(poses, text.encode() + b"\n", overwrite=True)
    write(fruxels, sample.fruxels, overwrite=True, meta=meta)
