"""Z-GAN at work: pictures in, fruxels of one class out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from voxcli import config
from voxcli.models.frustum.options import FruxelOptions
from voxcli.models.frustum.predictor import FruxelOutput, FruxelPredictor
from voxcli.models.weights import Weights
from voxcli.models.zgan.network import Generator, ZGANConfig

if TYPE_CHECKING:
    from voxcli.provenance import Json

IMAGE, CELLS = 256, 128
THRESHOLD = 0.5
"""The output spans -1..1 but was trained towards 0 and 1: half-way between these."""


class ZGANPredictor(FruxelPredictor[Generator, FruxelOptions]):
    """A trained generator, in evaluation mode (the original predicts in training mode: `network.as_trained()`)."""

    picture_scale = IMAGE // CELLS

    @classmethod
    def build(cls, mapping: Mapping[str, Json], what: str) -> Generator:
        """The generator of a configuration, without its discriminator."""
        return Generator(replace(config.from_mapping(ZGANConfig, mapping, what), discriminator=None))

    @classmethod
    def tensors_of(cls, weights: Weights) -> dict[str, Tensor]:
        """Those of the generator."""
        return {name: tensor for name, tensor in super().tensors_of(weights).items() if not name.startswith("discriminator.")}

    @staticmethod
    def shape_of(network: Generator) -> tuple[int, int, int, int]:
        """Air and one class, 128 cells a side."""
        return 2, CELLS, CELLS, CELLS

    def infer(self, images: Tensor, options: FruxelOptions) -> FruxelOutput:
        """Class 1 where the output is at least 0.5; the output, clipped to 0..1, as its probability."""
        scores = self.network(images.to(self.dtype) / 127.5 - 1)[:, 0].float().cpu()
        share = scores.clamp(0, 1).half().numpy()
        labels = (scores >= THRESHOLD).to(torch.uint8).numpy()
        return FruxelOutput(labels, np.stack([1 - share, share], 1) if options.probabilities else None)
