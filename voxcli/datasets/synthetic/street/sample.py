"""`synth street`: samples of street scenes with exact ground truth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch

from voxcli.datasets.synthetic.assets import AssetShelf
from voxcli.datasets.synthetic.shapes import box
from voxcli.datasets.synthetic.street.assets import draw
from voxcli.datasets.synthetic.street.config import StreetConfig, StreetSample
from voxcli.datasets.synthetic.street.far.layout import lay_out_far
from voxcli.datasets.synthetic.street.layout import lay_out_trajectory
from voxcli.datasets.synthetic.street.people import bicycle, person
from voxcli.datasets.synthetic.street.photo.render import render_photo
from voxcli.datasets.synthetic.street.pieces import StreetObject, darker, yaw_matrix
from voxcli.datasets.synthetic.street.plan import Placed, StreetScene
from voxcli.datasets.synthetic.street.render import GROUND_THICKNESS, draw_weather, gather, render
from voxcli.datasets.synthetic.street.scenery import building, tree
from voxcli.datasets.synthetic.street.shadows import FAR, NEAR
from voxcli.datasets.synthetic.street.vehicles import COMMON_PAINTS, bus, car, truck, van
from voxcli.geometry.cameras import rotation_to_quaternion
from voxcli.geometry.lattice import FruxelLattice
from voxcli.geometry.solid import SortedFaces, fill_sorted, sorted_faces
from voxcli.provenance import Json
from voxcli.scene import STREET_CLASSES, Camera, Frustum, FruxelGrid, Picture

GROUND_REACH = 120.0  # half the edge of the ground slab, metres
_AHEAD = 70.0  # metres that the ground goes on beyond the ends of a trajectory
_SHAPES = {"car": car, "van": van, "truck": truck, "bus": bus}


@dataclass(frozen=True)
class ObjectMaker:
    """Makes objects of a class: from assets, a `share` of those whose class has any, else parametric shapes. far: for far streets."""

    assets: AssetShelf[StreetObject] = AssetShelf()
    share: float = 0.0
    far: bool = False

    def __call__(self, class_name: str, rng: np.random.Generator, kind: str | None = None) -> StreetObject:
        posed = kind in ("upright", "riding")
        if not posed and class_name in self.assets and rng.random() < self.share:
            return draw(self.assets, class_name, rng)
        if class_name == "person":
            return person(rng, kind) if not self.far else darker(person(rng, kind), rng)
        if class_name == "bicycle":
            return bicycle(rng, upright=kind == "upright")
        if class_name == "tree":
            return tree(rng, kind)
        if class_name == "building":
            form, width = (kind or "house:8").split(":")
            return building(rng, float(width), form)
        return car(rng, COMMON_PAINTS) if self.far and class_name == "car" else _SHAPES[class_name](rng)


def make_sample(seed: int, index: int, config: StreetConfig | None = None, assets: AssetShelf[StreetObject] | None = None) -> StreetSample:
    """Scene number `index` of the data set `seed`: a function of these, the configuration and the assets alone."""
    return next(make_frames(seed, index, config, assets))


def make_frames(
    seed: int, index: int, config: StreetConfig | None = None, assets: AssetShelf[StreetObject] | None = None
) -> Iterator[StreetSample]:
    """The frames of scene number `index`, as many as the configuration's trajectory has, in one light, the objects in one order."""
    config = config or StreetConfig()
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, index])))
    frustum = config.frustum
    if config.fov_jitter_deg:
        frustum = replace(frustum, fov_x_deg=frustum.fov_x_deg + config.fov_jitter_deg * rng.uniform(-1, 1))
    make = ObjectMaker(assets or AssetShelf(), config.asset_share, config.preset == "far")
    if config.preset == "far":
        scene = lay_out_far(rng, frustum, make)
        views = [scene.view]
    else:
        street, views, placed = lay_out_trajectory(rng, frustum, make, config.trajectory)
        scene = StreetScene(street, views[0], placed)
    photo = config.drawn_look == "photo"
    travelled = float(np.ptp([view.position[2] for view in views]))
    soup = gather(scene.drawn if photo else scene.placed, ground_slab(views[len(views) // 2].position, travelled))
    shadows = FAR if config.preset == "far" else NEAR
    kinds = [None, *(p.thing.kinds for p in scene.placed)]
    ids = np.array([STREET_CLASSES.index(name) for name in ("ground", *(p.thing.class_name for p in scene.placed))])
    weather = None if photo else draw_weather(rng)
    light = rng.bit_generator.state
    for view in views:
        rng.bit_generator.state = light  # one weather, one development
        to_cam = view.world_to_cam
        camera = _picture_camera(frustum, config.picture_scale, to_cam)
        if weather is None:
            rendered = render_photo(rng, soup, replace(scene, view=view), camera, shadows)
        else:
            rendered = render(rng, soup, scene.placed, scene.street, view, weather, camera, shadows)
        cam = torch.from_numpy(soup.vertices @ to_cam[:3, :3].T + to_cam[:3, 3])
        labelled = soup.parts[: len(kinds)]
        parts = [(cam[where], _sorted(torch.from_numpy(faces), kind)) for (where, faces), kind in zip(labelled, kinds, strict=True)]
        yield StreetSample(
            Picture(rendered.rgb), FruxelGrid(_labels(parts, ids, frustum), frustum, to_cam), rendered.depth,
            (rendered.owner + 1).astype(np.uint16), [_pose(k + 2, p, to_cam) for k, p in enumerate(scene.placed)], camera,
        )  # fmt: skip


def _picture_camera(frustum: Frustum, scale: int, world_to_cam: np.ndarray) -> Camera:
    """The camera of a picture of `scale` pixels for each column of the frustum, along width and height."""
    K = frustum.K * np.array([[scale], [scale], [1.0]])
    return Camera(K, scale * frustum.width, scale * frustum.height, world_to_cam)


def _sorted(faces: torch.Tensor, kinds: np.ndarray | None) -> SortedFaces:
    """Faces by how they are filled; those of parametric shapes are all closed."""
    if kinds is None:
        return SortedFaces(faces, faces[:0], faces[:0, 0])
    return sorted_faces(faces, torch.from_numpy(kinds))


def _labels(parts: list[tuple[torch.Tensor, SortedFaces]], ids: np.ndarray, frustum: Frustum) -> np.ndarray:
    """Class ids of the fruxels that parts fill. [D, H, W] uint8. Open shells, which are less exact, come after all closed parts."""
    order = sorted(range(len(parts)), key=lambda k: len(parts[k][1].shell) > 0)
    owner = fill_sorted([parts[k] for k in order], FruxelLattice(frustum), "slab").owner.numpy()
    label_of = np.append(0, ids[order]).astype(np.uint8)
    if len(label_of) > 256:
        return label_of[owner]
    table = label_of.tobytes().ljust(256, b"\0")  # several times faster than an index of two million
    return np.frombuffer(bytearray(owner.astype(np.uint8)).translate(table), np.uint8).reshape(owner.shape)


def ground_slab(position: np.ndarray, travelled: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """The ground as one closed box around the camera, its top at y = 0. travelled: metres of the trajectory whose middle is there.

    (vertices [V, 3], faces [F, 3])
    """
    along = max(GROUND_REACH, travelled / 2 + _AHEAD)
    return box((2 * GROUND_REACH, GROUND_THICKNESS, 2 * along), (float(position[0]), -GROUND_THICKNESS / 2, float(position[2])))


def _pose(instance: int, placed: Placed, world_to_cam: np.ndarray) -> dict[str, Json]:
    rotation = world_to_cam[:3, :3] @ yaw_matrix(placed.heading)
    translation = world_to_cam[:3, :3] @ np.array([placed.x, placed.y, placed.z]) + world_to_cam[:3, 3]
    return {
        "instance": instance,
        "class": placed.thing.class_name,
        "translation": [round(float(v), 6) for v in translation],
        "rotation_wxyz": [round(float(v), 8) for v in rotation_to_quaternion(rotation)],
        "size": [round(float(v), 5) for v in placed.thing.size],
    }
