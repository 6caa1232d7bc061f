"""edges2image at work: a rendered picture in, a picture with the same contours out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from voxcli import config
from voxcli.models.base import RedrawsPictures, TrainedNetwork
from voxcli.models.edges2image.edges import find_edges
from voxcli.models.edges2image.network import Edges2ImageConfig, Generator
from voxcli.models.weights import Weights

if TYPE_CHECKING:
    from voxcli.provenance import Json


class Translator(TrainedNetwork[Generator], RedrawsPictures):
    """A trained generator."""

    dtypes = ("float32",)

    @classmethod
    def build(cls, mapping: Mapping[str, Json], what: str) -> Generator:
        """The generator of a configuration, without its discriminator."""
        return Generator(replace(config.from_mapping(Edges2ImageConfig, mapping, what), discriminator=None))

    @classmethod
    def tensors_of(cls, weights: Weights) -> dict[str, Tensor]:
        """Those of the generator."""
        return {name: tensor for name, tensor in weights.tensors.items() if not name.startswith("discriminator.")}

    def translate(self, image: np.ndarray) -> np.ndarray:
        """What the network makes of the edges of an image."""
        edges = torch.from_numpy(find_edges(image, self.network.config.edges)).to(self.device)
        with torch.inference_mode():
            made = self.network(edges[None, None].float())[0]
        return ((made + 1) * 127.5).round().clamp(0, 255).byte().permute(1, 2, 0).cpu().numpy()
