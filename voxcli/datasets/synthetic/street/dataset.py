"""Data sets of street scenes on disk: resumable, in parallel, and the same bytes for any number of workers.

DIR/meta.json                   what made it (seed, frustum, classes, assets)
DIR/images/000123.png           colour, 8 bits; as depth and instances, a whole number of pixels for each column of fruxels (picture_scale)
DIR/depth/000123.png            z-depth in millimetres, 16 bits, 0 = sky or beyond 65 m
DIR/instances/000123.png        0 = sky, 1 = ground, from 2 on the objects of the poses, 16 bits
DIR/poses/000123.json           camera (K, world_to_cam) and 6-DoF poses
DIR/fruxels/000123.npz          labels and frustum; written last: a sample with it is whole
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from voxcli.atomic import atomic_write_bytes
from voxcli.datasets.synthetic.folders import check_counts, make_missing, open_folder
from voxcli.datasets.synthetic.street.assets import AssetShelf, asset_paths, load_shelf
from voxcli.datasets.synthetic.street.config import StreetConfig, StreetSample
from voxcli.files import write
from voxcli.provenance import make_meta, sha256_file
from voxcli.scene import STREET_CLASSES, DepthMap, Picture

FARTHEST = 65.535
"""Metres that a 16-bit depth image in millimetres can hold."""

_CHUNK = 8  # scenes that a worker takes at a time


def write_dataset(
    out_dir: str | Path,
    count: int,
    seed: int = 0,
    config: StreetConfig | None = None,
    assets_dir: str | Path | None = None,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Write samples 0..count-1 of a seed into a folder; whole ones that are there already are kept. -> how many were made now

    progress: called with (samples done, count), first with what was there.
    Raises UsageError where the folder holds a data set that was made with other options.
    """
    out_dir, config = Path(out_dir), config or StreetConfig()
    check_counts(count, workers, "sample")
    meta = _dataset_meta(seed, config, assets_dir)
    shelf = load_shelf(assets_dir)  # before anything is made: it may be of no use
    open_folder(out_dir, meta, "street scenes")
    for name in ("images", "depth", "instances", "poses", "fruxels"):
        (out_dir / name).mkdir(exist_ok=True)
    missing = [k for k in range(count) if not all(_is_whole(path) for path in _paths(out_dir, f"{k:06d}"))]
    work = _Work(str(out_dir), seed, config, shelf)
    return make_missing(work, missing, count, workers, _CHUNK, _start_worker, progress)


def _paths(out_dir: Path, name: str) -> tuple[Path, ...]:
    """The files of one sample, in the order in which they are written."""
    pictures = tuple(out_dir / folder / f"{name}.png" for folder in ("images", "depth", "instances"))
    return (*pictures, out_dir / "poses" / f"{name}.json", out_dir / "fruxels" / f"{name}.npz")


def _is_whole(path: Path) -> bool:
    """Whether a file is there and holds something: we write whole files, but other programs may have emptied one."""
    return path.is_file() and path.stat().st_size > 0


def write_sample(out_dir: Path, index: int, sample: StreetSample, meta: dict[str, Any]) -> None:
    """The five files of one sample, each atomically, the fruxels last."""
    image, depth, instances, poses, fruxels = _paths(out_dir, f"{index:06d}")
    camera = sample.camera
    near = np.where(sample.depth <= FARTHEST, sample.depth, np.nan).astype(np.float32)
    write(image, sample.picture, overwrite=True)
    write(depth, DepthMap(near, "z", camera), overwrite=True)
    write(instances, Picture(np.repeat(sample.instances[..., None], 3, 2)), overwrite=True)
    numbers = {"K": camera.K.tolist(), "width": camera.width, "height": camera.height, "world_to_cam": camera.world_to_cam.tolist()}
    text = json.dumps({"camera": numbers, "objects": sample.poses}, indent=1)
    atomic_write_bytes(poses, text.encode() + b"\n", overwrite=True)
    write(fruxels, sample.fruxels, overwrite=True, meta=meta | {"sample": index})


def _dataset_meta(seed: int, config: StreetConfig, assets_dir: str | Path | None) -> dict[str, Any]:
    inputs = {}
    if assets_dir is not None:
        inputs = {f"{p.parent.name}/{p.name}": sha256_file(p) for paths in asset_paths(Path(assets_dir)).values() for p in paths}
    options = config.options() | {"classes": list(STREET_CLASSES)}
    return make_meta("street-dataset", "synth street", options, inputs, seed, "camera: x right, y down, z forward; world: +y up", "m")


@dataclass(frozen=True)
class _Work:
    """Makes the samples of a piece; travels to workers together with the assets."""

    out_dir: str
    seed: int
    config: StreetConfig
    shelf: AssetShelf | None

    def __call__(self, indices: Sequence[int]) -> None:
        from voxcli.datasets.synthetic.street.sample import make_sample

        meta = make_meta("fruxels", "synth street", {}, {}, self.seed, "camera: x right, y down, z forward", "m")
        for index in indices:
            write_sample(Path(self.out_dir), index, make_sample(self.seed, index, self.config, self.shelf), meta)


def _start_worker() -> None:
    """One thread a worker, and all that is heavy to import."""
    import torch

    import voxcli.datasets.synthetic.street.sample  # noqa: F401

    torch.set_num_threads(1)
