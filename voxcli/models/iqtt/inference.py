"""Answers to questions of the 3D-IQ test task, and what the solver that is pix2scene makes of one of their pictures (Figure 11)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from voxcli import config
from voxcli.datasets.iqtt import Questions
from voxcli.datasets.synthetic.iqtt import ALBEDO, LENS_MM, SENSOR_MM, draw_lights
from voxcli.geometry.lighting import Lights
from voxcli.geometry.map_pictures import depth_picture, light_picture
from voxcli.geometry.surfels import surfels_of_depth
from voxcli.models.base import AnswersQuestions, DrawsPictures, Inputs, Predictor, TrainedNetwork
from voxcli.models.frustum.fitting import fit
from voxcli.models.frustum.options import LensOptions
from voxcli.models.iqtt.network import IQTTConfig, Solver
from voxcli.models.pix2scene.network import Pix2Scene
from voxcli.scene import Camera, Frustum, Picture, Surfels

if TYPE_CHECKING:
    from voxcli.provenance import Json


class IQTTSolver(TrainedNetwork[Solver], AnswersQuestions):
    """A trained solver."""

    dtypes = ("float32",)

    @classmethod
    def build(cls, mapping: Mapping[str, Json], what: str) -> Solver:
        """The solver of a configuration."""
        return Solver(config.from_mapping(IQTTConfig, mapping, what))

    def answer(self, pictures: np.ndarray) -> int:
        """The choice of the shortest distance to the reference."""
        with torch.inference_mode():
            images = torch.from_numpy(pictures)[None].movedim(-1, -3).float().to(self.device) / 255
            return int(self.network(images).argmax(1).item())

    def answers(self, questions: Sequence[Questions], batch_size: int = 8) -> Iterator[int]:
        """The choice 0, 1 or 2 for each question of some lists, in order: of a training file, give the labelled list first."""
        for each in questions:
            for start in range(0, len(each), batch_size):
                pictures = each.batch(range(start, min(len(each), start + batch_size))).to(self.device)
                with torch.inference_mode():
                    yield from np.asarray(self.network(pictures).argmax(1).cpu()).tolist()


class SceneSolver(IQTTSolver, Predictor[Solver, LensOptions, Surfels], DrawsPictures["Surfels"]):
    """A solver that is pix2scene with a divided code. No network of it knows where a camera stands: surfels are in that camera's frame."""

    @property
    def scenes(self) -> Pix2Scene:
        """Encoder and decoder."""
        return self.network.scenes

    @property
    def camera(self) -> Camera:
        """The lens of all pictures of the task (25 mm on a sensor of 24), at the world's origin."""
        size = self.scenes.config.size
        focal = LENS_MM / SENSOR_MM * size
        return Camera(np.array([[focal, 0, size / 2], [0, focal, size / 2], [0, 0, 1.0]]), size, size, np.eye(4))

    @property
    def view(self) -> Frustum:
        """What that camera sees, in pixels of its image; depth is of no meaning."""
        size = self.scenes.config.size
        return Frustum(size, size, 1, 1.0, 2.0, math.degrees(2 * math.atan(SENSOR_MM / LENS_MM / 2)))

    def predict(self, inputs: Sequence[Inputs], options: LensOptions, batch_size: int = 1) -> Iterator[Surfels]:
        """The surfels of each picture, in order, in the camera's frame: what lies beyond the network's `far` is the background, and no
        surfel. meta["latent"] is z. Pictures are cropped or padded to the task's lens (see `fit`), and taken for linear light."""
        for sample in inputs:  # one at a time: the kernels' sums depend on the batch, in the last digit
            fitted = fit(sample.picture, self.view, fov_x_deg=options.fov_x_deg)
            z = self._encoded(fitted.image)
            with torch.inference_mode():
                depth = self.scenes.decoder(z, self.scenes.condition(z[:, :0]))[0]
            albedo = depth.new_full((3, 1, 1), ALBEDO)
            maps = surfels_of_depth(depth, albedo, torch.from_numpy(self.camera.K).to(depth))
            seen = depth <= (self.scenes.config.far or math.inf)
            found = torch.where(seen, maps.depth, torch.nan), *(each.where(seen, 0).movedim(0, -1) for each in maps[1:])
            shown, normals, material = (np.ascontiguousarray(each.cpu().numpy()) for each in found)
            latent = [float(f"{value:.9g}") for value in z[0].double().tolist()]
            yield Surfels(shown, normals, material, self.camera, {"model": self.name, "latent": latent} | fitted.facts)

    def picture_of(self, result: Surfels) -> Picture:
        """rend(G_x(z)) of the code of a result, before the black background that it fades into, lit as pictures of unknown light are."""
        z = torch.tensor(result.meta["latent"], dtype=self.dtype, device=self.device)[None]
        return Picture(light_picture(self._made(z)[0].cpu()))

    def reconstructed(self, pictures: np.ndarray) -> tuple[np.ndarray, ...]:
        """rend(G_x(G_z(x))) of the reference, and its depth."""
        made, depth = self._made(self._encoded(pictures[0]))
        config = self.scenes.config
        return light_picture(made.cpu()), depth_picture(depth.cpu(), config.near, config.far or float(depth.max()))

    @torch.inference_mode()
    def _encoded(self, picture: np.ndarray) -> Tensor:
        """G_z: uint8 [S, S, 3] -> z [1, latent]"""
        image = torch.from_numpy(picture)[None].movedim(-1, -3).to(self.device, self.dtype) / 255
        z: Tensor = self.scenes.encoder(image, image.new_zeros(1, 0))
        return z

    @torch.inference_mode()
    def _made(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """z [1, latent] -> picture [3, S, S] and depth [S, S]"""
        lights = Lights(*(values.to(z)[None] for values in draw_lights(np.random.default_rng(0))[:3]))
        K = torch.from_numpy(self.camera.K).to(z)[None]
        picture, depth = self.scenes.picture(z, self.scenes.condition(z[:, :0]), K, lights, z.new_full((1, 3), ALBEDO))
        return picture[0], depth[0]
