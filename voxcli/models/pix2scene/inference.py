"""pix2scene at work: a picture to a latent code and the surfels it stands for; a code to what another camera sees; scenes of noise.

The decoder is told where the camera stands and nothing else of it: it sees with the lens of the training data, towards the point that all
its cameras looked at. Another camera is served by the surfels seen from its place (`seen_from`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from voxcli import config, log
from voxcli.errors import DataError, UsageError, unknown_name
from voxcli.geometry.cameras import inverse_rigid, look_at
from voxcli.geometry.lighting import Lights
from voxcli.geometry.map_pictures import light_picture
from voxcli.geometry.surfels import SurfelMaps, render_surfels, surfels_of_depth
from voxcli.geometry.visible import reproject_surfels
from voxcli.models.base import Inputs, MakesScenes, Predictor
from voxcli.models.frustum.fitting import fit
from voxcli.models.frustum.options import LensOptions
from voxcli.models.pix2scene.losses import reconstruction_loss
from voxcli.models.pix2scene.network import Pix2Scene, Pix2SceneConfig
from voxcli.models.pix2scene.places import places_of
from voxcli.models.weights import Weights
from voxcli.scene.types import Camera, Frustum, Picture, Surfels

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from voxcli.provenance import Json, Meta

LARGEST_CODE = 1e4
"""Of a number in a latent code: those of training are drawn from N(0, 1)."""


class Pix2ScenePredictor(Predictor[Pix2Scene, LensOptions, Surfels], MakesScenes):
    """A trained network with what its data were like. Normals are slopes of the depth, whose last digits they need: no less than float32.

    facts: lens, target, eyes, light, albedo, as `batches.facts_of` found them. warned: what has been warned of, which is not said again for
    every picture.
    """

    dtypes = ("float32", "float64")
    facts: Meta
    warned: set[str]

    @classmethod
    def build(cls, mapping: Mapping[str, Json], what: str) -> Pix2Scene:
        """The network of a configuration."""
        return Pix2Scene(config.from_mapping(Pix2SceneConfig, mapping, what))

    def prepare(self, weights: Weights) -> None:
        """What the training's data were like."""
        self.facts = {key: weights.facts[key] for key in ("lens", "target", "eyes", "light", "albedo")}
        self.warned = set()

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

    def tensor(self, values: ArrayLike) -> Tensor:
        """Numbers on the network's device."""
        return torch.as_tensor(np.asarray(values), dtype=self.dtype, device=self.device)

    def predict(self, inputs: Sequence[Inputs], options: LensOptions, batch_size: int = 1) -> Iterator[Surfels]:
        """The surfels of each picture, in order; meta["latent"] is z, from which `seen_from` decodes other views.

        Pictures are cropped or padded to the network's lens (see `fit`), and taken for linear light, as the training data is.
        The network is told where a camera that is given stands; without one, the usual place is assumed, and meta says so.
        """
        strangers = [sample.picture for sample in inputs if sample.camera is None]
        if strangers and (assumed := self._assumed(options.fov_x_deg, strangers)) not in self.warned:
            self.warned.add(assumed)
            log.warn(assumed)
        for sample in inputs:  # one at a time: the kernels' sums depend on the batch, in the last digit
            eye = self.usual_eye if sample.camera is None else inverse_rigid(sample.camera.world_to_cam)[:3, 3]
            fitted = fit(sample.picture, self.view, fov_x_deg=options.fov_x_deg, camera=sample.camera)
            images = self.tensor(fitted.image[None]).permute(0, 3, 1, 2) / 255
            (z,) = self.encode(images, eye[None])
            seen = self.decode(z, eye, self._likeliest(images[0], z, eye))
            seen.meta.update(fitted.facts | {"place_assumed": sample.camera is None})
            yield seen

    def scene_of(self, picture: Picture, camera: Camera | None = None) -> Surfels:
        """The surfels of one picture."""
        return next(self.predict([Inputs.of(picture, camera=camera)], LensOptions()))

    def _assumed(self, fov_x_deg: float | None, pictures: Sequence[Picture]) -> str:
        """What is taken for granted of a picture that comes without a camera."""
        eye = ", ".join(f"{v:.2g}" for v in self.usual_eye)
        known = fov_x_deg is not None or all(picture.fov_x_deg is not None for picture in pictures)
        lens = "" if known else f", with a lens of {self.fov_x_deg:.0f} degrees"
        return f"no --camera: the picture is taken for one from [{eye}]{lens}, as the training's on the average."

    @property
    def target(self) -> np.ndarray:
        """The point [3] of the world that the cameras of the training data looked at."""
        return np.asarray(self.facts["target"])

    def turns_of(self, camera: Camera) -> tuple[float, float]:
        """See `Places.turns_of`."""
        return places_of(self.facts["eyes"]).turns_of(camera)

    def strange(self, camera: Camera) -> str | None:
        """See `Places.strange`."""
        return places_of(self.facts["eyes"]).strange(camera)

    @torch.inference_mode()
    def encode(self, images: Tensor, eye: np.ndarray) -> Tensor:
        """G_z: images [B, 3, S, S] in 0..1 of cameras at a place [3], or each at its own [B, 3] -> z [B, latent]."""
        return self.network.encoder(images, self._camera(eye, len(images)))

    @torch.inference_mode()
    def decode(self, z: Tensor, eye: np.ndarray, kind: str | None = None) -> Surfels:
        """G_x: z [latent] seen from a place [3] -> surfels; meta holds model, latent and class. kind: the class, where the network
        knows any."""
        names, network = self.config.classes, self.network
        if kind is not None and kind not in names:
            raise unknown_name("class", kind, names or ["(this network knows none)"])
        if names and kind is None:
            raise UsageError("This network makes scenes of a class.", expected=" or ".join(names))
        chosen = None if kind is None else torch.tensor([names.index(kind)], device=self.device)
        depth = network.decoder(z[None], network.condition(self._camera(eye, 1), chosen))[0]
        camera = self.camera_at(eye)
        albedo = self.tensor(self.facts["albedo"])[:, None, None].to(depth)
        maps = surfels_of_depth(depth, albedo, torch.from_numpy(camera.K).to(depth))
        found = (maps.depth, maps.normals.movedim(0, -1), maps.albedo.movedim(0, -1))
        seen, normals, material = (np.ascontiguousarray(x.cpu().numpy().astype(np.float32)) for x in found)
        latent = [float(f"{v:.9g}") for v in z.double().tolist()]
        return Surfels(seen, normals, material, camera, {"model": "pix2scene", "latent": latent, "class": kind})

    def seen_from(self, meta: Meta, camera: Camera) -> SurfelMaps:
        """The scene of a prediction's meta decoded anew for a camera (section 4.2): what was hidden from the first one is imagined.

        A camera with another lens or direction than the network's is shown the surfels that the network sees from its place; what lies
        beyond them is empty. Raises DataError where the meta holds no code of this network.
        """
        latent, count = meta.get("latent"), self.config.latent
        if not isinstance(latent, list) or len(latent) != count:
            raise DataError("The file holds no latent code of these weights.", expected=f"{count} numbers",
                            actual=f"{len(latent)} numbers" if isinstance(latent, list) else "none")  # fmt: skip
        for k, value in enumerate(latent):
            if type(value) not in (int, float) or not abs(value) <= LARGEST_CODE:
                shown = repr(value[:40]) if isinstance(value, str) else str(value)[:40]
                raise DataError("The file's latent code cannot be decoded.", expected=f"{count} numbers, none beyond {LARGEST_CODE:g}",
                                actual=f"{shown} in place {k}")  # fmt: skip
        seen = self.decode(self.tensor(latent), inverse_rigid(camera.world_to_cam)[:3, 3], meta.get("class"))
        maps = _as_maps(seen)
        own = seen.camera
        same = own.width == camera.width and np.allclose(own.K, camera.K) and np.allclose(own.world_to_cam, camera.world_to_cam)
        return maps if same else reproject_surfels(maps, own, camera, str(self.device))

    def picture_of(self, surfels: Surfels) -> Picture:
        """Surfels under the lights of the training data, linear as its pictures."""
        K = torch.from_numpy(surfels.camera.K).double()
        return Picture(light_picture(render_surfels(_as_maps(surfels), K, self.lights_at(surfels.camera))))

    def sample(self, count: int, seed: int = 0, eye: np.ndarray | None = None, kind: str | None = None) -> Iterator[Surfels]:
        """Scenes of z ~ N(0, 1) (Fig. 7), each seen from a place of the training data drawn with it, or from one place [3]. kind: their
        class, where the network knows any; None: the classes in turn (Fig. 8). Scene k of a seed is the same however many there are."""
        names, eyes = self.config.classes, np.asarray(self.facts["eyes"])
        for k in range(count):
            rng = np.random.default_rng([seed, k])
            z, place = rng.standard_normal(self.config.latent), eyes[rng.integers(len(eyes))]
            yield self.decode(self.tensor(z), place if eye is None else eye, kind or (names[k % len(names)] if names else None))

    def interpolate(self, first: Surfels, last: Surfels, steps: int, eye: np.ndarray) -> Iterator[Surfels]:
        """Scenes on the straight line between the codes of two predictions (Fig. 9), ends included, seen from one place [3]."""
        a, b = (np.asarray(thing.meta["latent"]) for thing in (first, last))
        for k in range(steps):
            t = k / max(1, steps - 1)
            yield self.decode(self.tensor((1 - t) * a + t * b), eye, (first if t < 0.5 else last).meta["class"])

    def _likeliest(self, image: Tensor, z: Tensor, eye: np.ndarray) -> str | None:
        """The class whose scene looks most like the image [3, S, S]; None where the network knows none."""
        off = {}
        for kind in self.config.classes:
            again = self.picture_of(self.decode(z, eye, kind)).rgb
            off[kind] = float(reconstruction_loss(image[None].cpu(), torch.from_numpy(again).movedim(-1, 0)[None] / 255))
        return min(off, key=lambda kind: off[kind]) if off else None

    def _camera(self, eye: np.ndarray, count: int) -> Tensor:
        return self.tensor(eye)[..., : self.config.camera].expand(count, -1)


def _as_maps(surfels: Surfels) -> SurfelMaps:
    depth, normals, albedo = (torch.from_numpy(x).double() for x in (surfels.depth, surfels.normals, surfels.albedo))
    return SurfelMaps(depth, normals.movedim(-1, 0), albedo.movedim(-1, 0))
