"""Objects one by one as `synth street` writes scenes: pictures with labelled fruxels, in the frustum that SSZ has for ShapeNet.

DIR/train|val|test/images depth instances poses fruxels    one sample a view, SYNSET-ID-00; as in voxcli.datasets.synthetic.street.dataset
The diagonal of an object's box is 5 m. The camera stands 5.5 to 7.5 m from its middle, so that all of it lies within 3 to 10 m. Several
objects share that room: see company.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from voxcli.datasets.synthetic.objects.company import Stand, joined, stands
from voxcli.datasets.synthetic.objects.layouts import truth_files, write_truth
from voxcli.datasets.synthetic.objects.parts import ShapeObject
from voxcli.datasets.synthetic.objects.places import Place
from voxcli.datasets.synthetic.objects.shooting import Shooting, Shots
from voxcli.datasets.synthetic.objects.views import SENSOR, ViewLine
from voxcli.datasets.synthetic.street.config import StreetSample
from voxcli.datasets.synthetic.street.dataset import make_sample_folders, sample_paths, write_sample
from voxcli.datasets.synthetic.street.pieces import between
from voxcli.geometry.cameras import rotation_to_quaternion
from voxcli.geometry.lattice import FruxelLattice
from voxcli.geometry.solid import SortedFaces, fill_sorted, sorted_faces
from voxcli.geometry.winding import wound_faces
from voxcli.provenance import Json, make_meta
from voxcli.scene import FRUSTUM_PRESETS, Camera, Frustum, FruxelGrid, Labels, Picture

SIDE = 128
"""Columns, rows and slices, where nothing else is asked for."""

DIAGONAL = 5.0
"""Metres of an object's box."""

_NEAREST, _FARTHEST = 1.1, 1.5
_FRUSTUM = FRUSTUM_PRESETS["shapenet"]
_OWN_TO_DATA = np.array([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])
"""From the frame of poses, whose front is +z, to that of objects, whose front is +x."""


def street_views(rng: np.random.Generator, count: int) -> list[ViewLine]:
    """Views from any side, 25 to 30 degrees from above as 3D-R2N2's, by the lens of the frustum."""
    focal = SENSOR / 2 / math.tan(math.radians(_FRUSTUM.fov_x_deg) / 2)
    return [ViewLine(360 * rng.random(), between(rng, 25, 30), between(rng, _NEAREST, _FARTHEST) / 1.75, focal=focal) for _ in range(count)]


class StreetLayout:
    """Samples of one object each, or of several. classes: names of all categories of the data set."""

    patterns: tuple[str, ...] = (
        "objects/*/*/*.*", *(f"*/{kind}" for kind in ("images/*.png", "depth/*.png", "instances/*.png", "poses/*.json", "fruxels/*.npz")),
    )  # fmt: skip

    def __init__(self, classes: Sequence[str]):
        self.labels = Labels(("air", *classes))

    def files(self, out_dir: Path, place: Place, shots: Shots) -> list[Path]:
        """The files of an object."""
        samples = [path for k in range(shots.count) for path in sample_paths(out_dir / place.split, _name(place, k))]
        return [*truth_files(out_dir, place), *samples]

    def write(self, out_dir: Path, place: Place, thing: ShapeObject, rng: np.random.Generator, shots: Shots) -> None:
        """All files of one object."""
        self.write_scenes(out_dir, place, [thing], rng, shots)

    def write_scenes(self, out_dir: Path, place: Place, things: Sequence[ShapeObject], rng: np.random.Generator, shots: Shots) -> None:
        """All files of an object, the first of `things`, whose pictures show the others, too, each time in other places."""
        folder, side = out_dir / place.split, shots.size or SIDE
        make_sample_folders(folder)
        frustum = replace(_FRUSTUM, width=side, height=side, depth=side)
        solids = [_solid(thing) for thing in things]
        names = np.array([0, *(self.labels.names.index(thing.category) for thing in things)], np.uint8)
        meta = make_meta("fruxels", "synth views", {}, {}, None, "camera: x right, y down, z forward", "m")
        shooting = Shooting(things[0], rng, shots) if len(things) == 1 else None
        for k, line in enumerate(street_views(rng, shots.count)):
            where = stands(things, rng)
            pixels, away, _ = (shooting or Shooting(joined(things, where), rng, shots)).take(line, side)
            world_to_cam = line.world_to_cam
            world_to_cam[:3, 3] *= DIAGONAL
            placed = [DIAGONAL * stand.moved(thing.vertices) for thing, stand in zip(things, where, strict=True)]
            cams = [torch.from_numpy(points @ world_to_cam[:3, :3].T + world_to_cam[:3, 3]) for points in placed]
            owner = fill_sorted(list(zip(cams, solids, strict=True)), FruxelLattice(frustum), "slab").owner.numpy()
            fruxels = FruxelGrid(names[owner], frustum, world_to_cam, self.labels)
            camera = Camera(frustum.K, side, side, world_to_cam)
            poses = [_pose(n, thing, stand, world_to_cam) for n, (thing, stand) in enumerate(zip(things, where, strict=True), 2)]
            sample = StreetSample(Picture(pixels[..., :3] if shots.photo else _on_white(pixels)), fruxels, DIAGONAL * away,
                                  _instances(owner, DIAGONAL * away, frustum), poses, camera)  # fmt: skip
            write_sample(folder, _name(place, k), sample, meta)
        write_truth(out_dir, place, things[0], shots.truth_rng(rng), {})

    def write_index(self, out_dir: Path, places: Sequence[Place]) -> None:
        """Nothing: the folders say the splits."""


def _name(place: Place, view: int) -> str:
    return f"{place.synset}-{place.name}-{view:02d}"


def _solid(thing: ShapeObject) -> SortedFaces:
    wound = wound_faces(thing.vertices, thing.faces)
    return sorted_faces(torch.from_numpy(wound.faces), torch.from_numpy(wound.kinds))


def _instances(owner: np.ndarray, away: np.ndarray, frustum: Frustum) -> np.ndarray:
    """The object that each pixel shows, 2 and up, 0 for none: the first of its fruxels near its depth; at softened edges that of the
    nearest pixel. owner [D, H, W], away [H, W]."""
    from scipy.ndimage import distance_transform_edt

    slices = np.arange(frustum.depth)[:, None, None]
    seen = np.nan_to_num((away - frustum.z_near) / frustum.slice_thickness, nan=-10.0)
    near = (owner > 0) & (np.abs(slices + 0.5 - seen) <= 1.5)
    first = np.take_along_axis(owner, near.argmax(0)[None], 0)[0]
    if near.any():
        first = first[tuple(distance_transform_edt(~near.any(0), return_distances=False, return_indices=True))]
    return np.where(np.isfinite(away), np.maximum(first, 1) + 1, 0).astype(np.uint16)


def _on_white(pixels: np.ndarray) -> np.ndarray:
    """A picture with alpha [H, W, 4] before white [H, W, 3]."""
    share = pixels[..., 3:].astype(np.float32) / 255
    return (pixels[..., :3] * share + 255 * (1 - share) + 0.5).astype(np.uint8)


def _pose(instance: int, thing: ShapeObject, stand: Stand, world_to_cam: np.ndarray) -> dict[str, Json]:
    """The pose of an object whose own frame has its front along +z and its lowest point at y = 0."""
    low, high = thing.vertices.min(0), thing.vertices.max(0)
    foot = DIAGONAL * stand.moved(np.array([[(low[0] + high[0]) / 2, low[1], (low[2] + high[2]) / 2]]))[0]
    low, high = (DIAGONAL * stand.scale * corner for corner in (low, high))
    rotation, translation = world_to_cam[:3, :3] @ stand.rotation @ _OWN_TO_DATA, world_to_cam[:3, :3] @ foot + world_to_cam[:3, 3]
    return {
        "instance": instance,
        "class": thing.category,
        "translation": [round(float(v), 6) for v in translation],
        "rotation_wxyz": [round(float(v), 8) for v in rotation_to_quaternion(rotation)],
        "size": [round(float(v), 5) for v in (high - low)[[2, 1, 0]]],
    }
