"""pix2scene at work: a picture to a latent code and the surfels it stands for; a code to what another camera sees; scenes of noise.

The decoder is told where the camera stands and nothing else of it: it sees with the lens of the training data, towards the point that all
its cameras looked at. Another camera is served by the surfels seen from its place (`seen_from`).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from voxcli import backend, config
from voxcli.errors import DataError, FileFormatError, UsageError, unknown_name
from voxcli.geometry.cameras import inverse_rigid, look_at
from voxcli.geometry.lighting import Lights
from voxcli.geometry.surfels import SurfelMaps, render_surfels, surfels_of_depth
from voxcli.geometry.visible import surfels_elsewhere
from voxcli.models.frustum.fitting import fit
from voxcli.models.offers import Offers
from voxcli.models.pix2scene.losses import reconstruction_loss
from voxcli.models.pix2scene.network import Pix2Scene, Pix2SceneConfig, build
from voxcli.models.pix2scene.places import Places, places_of
from voxcli.models.pix2scene.previews import light_picture
from voxcli.models.weights import Weights, load_weights
from voxcli.scene.types import Camera, Frustum, Picture, Surfels

FRAME, UNITS = "world: +y up; camera: x right, y down, z forward", "sides of the room"

OFFERS = Offers("Surfels", frozenset({"fov_x_deg", "camera"}), frame=FRAME, units=UNITS)


LARGEST_CODE = 1e4
"""Of a number in a latent code: those of training are drawn from N(0, 1)."""


@dataclass(frozen=True)
class Predictor:
    """A trained network with what its data were like: lens, target, eyes, light, albedo, as `batches.facts_of` found them.

    told: what has been warned of, which is not said again for every picture.
    """

    network: Pix2Scene
    facts: dict[str, Any]
    device: torch.device
    dtype: torch.dtype
    told: set[str] = field(default_factory=set, compare=False)

    @property
    def config(self) -> Pix2SceneConfig:
        """The network's configuration."""
        return self.network.config

    @property
    def fov_x_deg(self) -> float:
        """Horizontal field of view of the network's camera in degrees."""
        return math.degrees(2 * math.atan(0.5 / self.facts["lens"]))

    @property
    def view(self) -> Frustum:
        """What the network's camera sees, in pixels of its image; depth is of no meaning."""
        return Frustum(self.config.size, self.config.size, 1, 1.0, 2.0, self.fov_x_deg)

    @property
    def usual_eye(self) -> np.ndarray:
        """Where a camera stands that nothing is known of [3]: amid those of the training data."""
        eyes = np.asarray(self.facts["eyes"])
        middle = eyes.mean(0)
        return middle / np.linalg.norm(middle) * np.linalg.norm(eyes, axis=1).mean()

    def camera_at(self, eye: np.ndarray) -> Camera:
        """The network's camera at a place [3] of the world."""
        size = self.config.size
        focal = self.facts["lens"] * size
        return Camera(np.array([[focal, 0, size / 2], [0, focal, size / 2], [0, 0, 1.0]]), size, size, look_at(eye, self.facts["target"]))

    def lights_at(self, camera: Camera) -> Lights:
        """The training data's lights (those of its first room, where they differ), in the frame of a camera, float32."""
        light = (torch.tensor(self.facts["light"][key]) for key in ("ambient", "positions", "colours"))
        return Lights(*light).moved(torch.from_numpy(camera.world_to_cam).float())

    def tensor(self, values: Any) -> Tensor:
        """Numbers on the network's device."""
        return torch.as_tensor(np.asarray(values), dtype=self.dtype, device=self.device)


def load_predictor(weights: str | Path | Weights = "pix2scene", device: str = "auto", dtype: str = "auto") -> Predictor:
    """A predictor from a weights file, the name of shipped weights, or weights in memory. dtype: float32 (auto) or float64, no less:
    normals are slopes of the depth, whose last digits they need."""
    name = "The weights" if isinstance(weights, Weights) else f"'{weights}'"
    if not isinstance(weights, Weights):
        weights = load_weights(weights)
    if weights.model != "pix2scene":
        raise FileFormatError(f"{name}: weights of another model.", expected="pix2scene", actual=weights.model)
    if dtype not in ("auto", "float32", "float64"):
        raise UsageError("pix2scene's normals need the digits of float32.", expected="float32 or float64", actual=dtype)
    where = backend.pick_device(device)
    network = build(config.from_mapping(Pix2SceneConfig, weights.config, f"{name}: configuration"))
    try:
        network.load_state_dict(weights.tensors)
        facts = {key: weights.facts[key] for key in ("lens", "target", "eyes", "light", "albedo")}
    except (RuntimeError, KeyError, TypeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise FileFormatError(f"{name}: weights that do not fit their own configuration.", actual=reason) from error
    number = torch.float64 if dtype == "float64" else torch.float32
    return Predictor(network.eval().requires_grad_(False).to(where, number), facts, where, number)


def predict(
    predictor: Predictor, pictures: Sequence[Picture], *, fov_x_deg: float | None = None, camera: Camera | None = None,
    batch_size: int = 1,
) -> Iterator[Surfels]:  # fmt: skip
    """The surfels of each picture, in order; meta["latent"] is z, from which `seen_from` decodes other views.

    Pictures are cropped or padded to the network's lens (see `fit`), and taken for linear light, as the training data is.
    camera: whose place the network is told; without one, the usual place is assumed, and meta says so.
    """
    if camera is None and (assumed := _assumed(predictor, fov_x_deg, pictures)) not in predictor.told:
        predictor.told.add(assumed)
        warnings.warn(assumed, stacklevel=2)
    eye = predictor.usual_eye if camera is None else inverse_rigid(camera.world_to_cam)[:3, 3]
    for start in range(0, len(pictures), batch_size):
        fitted = [fit(each, predictor.view, fov_x_deg=fov_x_deg, camera=camera) for each in pictures[start : start + batch_size]]
        images = predictor.tensor(np.stack([each.image for each in fitted])).permute(0, 3, 1, 2) / 255
        codes = encode(predictor, images, eye)
        for each, image, z in zip(fitted, images, codes, strict=True):
            kind = _likeliest(predictor, image, z, eye)
            seen = decode(predictor, z, eye, kind)
            seen.meta.update(each.facts | {"place_assumed": camera is None})
            yield seen


def _assumed(predictor: Predictor, fov_x_deg: float | None, pictures: Sequence[Picture]) -> str:
    """What is taken for granted of a picture that comes without a camera."""
    eye = ", ".join(f"{v:.2g}" for v in predictor.usual_eye)
    known = fov_x_deg is not None or all(picture.fov_x_deg is not None for picture in pictures)
    lens = "" if known else f", with a lens of {predictor.fov_x_deg:.0f} degrees"
    return f"no --camera: the picture is taken for one from [{eye}]{lens}, as the training's on the average."


def trained_places(predictor: Predictor) -> Places:
    """Where the cameras of the training data stood, as far as the weights remember."""
    return places_of(predictor.facts["eyes"])


@torch.inference_mode()
def encode(predictor: Predictor, images: Tensor, eye: np.ndarray) -> Tensor:
    """G_z: images [B, 3, S, S] in 0..1 of cameras at a place [3] -> z [B, latent]."""
    return predictor.network.encoder(images, _camera(predictor, eye, len(images)))


@torch.inference_mode()
def decode(predictor: Predictor, z: Tensor, eye: np.ndarray, kind: str | None = None) -> Surfels:
    """G_x: z [latent] seen from a place [3] -> surfels; meta holds model, latent and class. kind: the class, for networks that know any."""
    names, network = predictor.config.classes, predictor.network
    if kind is not None and kind not in names:
        raise unknown_name("class", kind, names or ["(this network knows none)"])
    if names and kind is None:
        raise UsageError("This network makes scenes of a class.", expected=" or ".join(names))
    chosen = None if kind is None else torch.tensor([names.index(kind)], device=predictor.device)
    depth = network.decoder(z[None], network.condition(_camera(predictor, eye, 1), chosen))[0]
    camera = predictor.camera_at(eye)
    albedo = predictor.tensor(predictor.facts["albedo"])[:, None, None].to(depth)
    maps = surfels_of_depth(depth, albedo, torch.from_numpy(camera.K).to(depth))
    found = (maps.depth, maps.normals.movedim(0, -1), maps.albedo.movedim(0, -1))
    seen, normals, material = (np.ascontiguousarray(x.cpu().numpy().astype(np.float32)) for x in found)
    latent = [float(f"{v:.9g}") for v in z.double().tolist()]
    return Surfels(seen, normals, material, camera, {"model": "pix2scene", "latent": latent, "class": kind})


def seen_from(predictor: Predictor, meta: Mapping[str, Any], camera: Camera) -> SurfelMaps:
    """The scene of a prediction's meta decoded anew for a camera (section 4.2): what was hidden from the first one is imagined.

    A camera with another lens or direction than the network's is shown the surfels that the network sees from its place; what lies
    beyond them is empty. Raises DataError where the meta holds no code of this network.
    """
    latent, count = meta.get("latent"), predictor.config.latent
    if not isinstance(latent, list) or len(latent) != count:
        raise DataError("The file holds no latent code of these weights.", expected=f"{count} numbers",
                        actual=f"{len(latent)} numbers" if isinstance(latent, list) else "none")  # fmt: skip
    for k, value in enumerate(latent):
        if type(value) not in (int, float) or not abs(value) <= LARGEST_CODE:
            shown = repr(value[:40]) if isinstance(value, str) else str(value)[:40]
            raise DataError("The file's latent code cannot be decoded.", expected=f"{count} numbers, none beyond {LARGEST_CODE:g}",
                            actual=f"{shown} in place {k}")  # fmt: skip
    seen = decode(predictor, predictor.tensor(latent), inverse_rigid(camera.world_to_cam)[:3, 3], meta.get("class"))
    maps = _as_maps(seen)
    own = seen.camera
    same = own.width == camera.width and np.allclose(own.K, camera.K) and np.allclose(own.world_to_cam, camera.world_to_cam)
    return maps if same else surfels_elsewhere(maps, own, camera, str(predictor.device))


def picture_of(predictor: Predictor, surfels: Surfels) -> Picture:
    """Surfels under the lights of the training data, linear as its pictures."""
    K = torch.from_numpy(surfels.camera.K).double()
    return Picture(light_picture(render_surfels(_as_maps(surfels), K, predictor.lights_at(surfels.camera))))


def sample(predictor: Predictor, count: int, seed: int = 0, eye: np.ndarray | None = None, kind: str | None = None) -> Iterator[Surfels]:
    """Scenes of z ~ N(0, 1) (Fig. 7), each seen from a place of the training data drawn with it, or from one place [3]. kind: their class,
    where the network knows any; None: the classes in turn (Fig. 8). Scene k of a seed is the same however many there are."""
    names, eyes = predictor.config.classes, np.asarray(predictor.facts["eyes"])
    for k in range(count):
        rng = np.random.default_rng([seed, k])
        z, place = rng.standard_normal(predictor.config.latent), eyes[rng.integers(len(eyes))]
        yield decode(predictor, predictor.tensor(z), place if eye is None else eye, kind or (names[k % len(names)] if names else None))


def interpolate(predictor: Predictor, first: Surfels, last: Surfels, steps: int, eye: np.ndarray) -> Iterator[Surfels]:
    """Scenes on the straight line between the codes of two predictions (Fig. 9), ends included, seen from one place [3]."""
    a, b = (np.asarray(thing.meta["latent"]) for thing in (first, last))
    for k in range(steps):
        t = k / max(1, steps - 1)
        yield decode(predictor, predictor.tensor((1 - t) * a + t * b), eye, (first if t < 0.5 else last).meta["class"])


def _likeliest(predictor: Predictor, image: Tensor, z: Tensor, eye: np.ndarray) -> str | None:
    """The class whose scene looks most like the image [3, S, S]; None where the network knows none."""
    off = {}
    for kind in predictor.config.classes:
        again = picture_of(predictor, decode(predictor, z, eye, kind)).rgb
        off[kind] = float(reconstruction_loss(image[None].cpu(), torch.from_numpy(again).movedim(-1, 0)[None] / 255))
    return min(off, key=lambda kind: off[kind]) if off else None


def _camera(predictor: Predictor, eye: np.ndarray, count: int) -> Tensor:
    return predictor.tensor(eye)[: predictor.config.camera].expand(count, -1)


def _as_maps(surfels: Surfels) -> SurfelMaps:
    depth, normals, albedo = (torch.from_numpy(x).double() for x in (surfels.depth, surfels.normals, surfels.albedo))
    return SurfelMaps(depth, normals.movedim(-1, 0), albedo.movedim(-1, 0))
