"""Answers to questions of the 3D-IQ test task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from voxcli import config
from voxcli.datasets.iqtt import Questions
from voxcli.datasets.synthetic.iqtt import ALBEDO, LENS_MM, SENSOR_MM, draw_lights
from voxcli.geometry.lighting import Lights
from voxcli.geometry.map_pictures import depth_picture, light_picture
from voxcli.models.base import AnswersQuestions, TrainedNetwork
from voxcli.models.iqtt.network import IQTTConfig, Solver

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

    def reconstructed(self, pictures: np.ndarray) -> tuple[np.ndarray, ...]:
        """rend(G_x(G_z(x))) of the reference, lit as pictures of unknown light are, and its depth (Figure 11); of baselines none."""
        scenes = self.network.scenes if self.network.config.scenes is not None else None
        if scenes is None:
            return ()
        with torch.inference_mode():
            image = torch.from_numpy(pictures[:1]).movedim(-1, -3).float().to(self.device) / 255
            nothing = image.new_zeros(1, 0)
            z = scenes.encoder(image, nothing)
            ambient, positions, colours = (values.float()[None].to(self.device) for values in draw_lights(np.random.default_rng(0))[:3])
            size = image.shape[-1]
            focal = LENS_MM / SENSOR_MM * size
            K = image.new_tensor([[[focal, 0, size / 2], [0, focal, size / 2], [0, 0, 1]]])
            albedo = image.new_full((1, 3), ALBEDO)
            made, depth = scenes.picture(z, scenes.condition(nothing), K, Lights(ambient, positions, colours), albedo)
        far = scenes.config.far or float(depth.max())
        return light_picture(made[0].cpu()), depth_picture(depth[0].cpu(), scenes.config.near, far)

    def answers(self, questions: Sequence[Questions], batch_size: int = 8) -> Iterator[int]:
        """The choice 0, 1 or 2 for each question of some lists, in order: of a training file, give the labelled list first."""
        for each in questions:
            for start in range(0, len(each), batch_size):
                pictures = each.batch(range(start, min(len(each), start + batch_size))).to(self.device)
                with torch.inference_mode():
                    yield from np.asarray(self.network(pictures).argmax(1).cpu()).tolist()
