"""Rays at work: pictures of any size in, labelled fruxels out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from voxcli import config
from voxcli.errors import DataError
from voxcli.models.base import LearnsFamiliarity
from voxcli.models.frustum.familiarity import Familiarity, learn
from voxcli.models.frustum.fitting import fit
from voxcli.models.frustum.options import FruxelOptions
from voxcli.models.frustum.predictor import FruxelOutput, FruxelPredictor, check_output
from voxcli.models.frustum.scores import surface_labels
from voxcli.models.rays.network import Features, Rays, RaysConfig
from voxcli.models.weights import Weights
from voxcli.scene.types import Picture

if TYPE_CHECKING:
    from voxcli.provenance import Json

RAYS_AT_ONCE = 2048
"""Rays whose scores are in memory at a time: 10 classes x 128 slices of each are 10 MB as float32."""


class RaysPredictor(FruxelPredictor[Rays, FruxelOptions], LearnsFamiliarity):
    """A trained network; and what tells strange pictures, where the weights hold that."""

    takes_whole = True

    @classmethod
    def build(cls, mapping: Mapping[str, Json], what: str) -> Rays:
        """The network of a configuration."""
        found = config.from_mapping(RaysConfig, mapping, what)
        check_output((found.depth, found.height, found.width), what)
        return Rays(found)

    @staticmethod
    def shape_of(network: Rays) -> tuple[int, int, int, int]:
        """Of the output."""
        return network.config.classes, network.config.depth, network.config.height, network.config.width

    def prepare(self, weights: Weights) -> None:
        """The number of pixels a column, too."""
        super().prepare(weights)
        self.picture_scale = self.network.config.picture_scale

    def infer(self, images: Tensor, options: FruxelOptions) -> FruxelOutput:
        """Labels and probabilities (see `decode`), and how strange each picture is, where the weights tell."""
        features = self.network.features(images.to(self.dtype) / 255)
        labels, shares = decode(self.network, features, options.probabilities)
        facts = [] if self.familiarity is None else self.familiarity.facts(features.summary)
        more: list[dict[str, Json]] = [{"strangeness": each} for each in facts]
        return FruxelOutput(labels.cpu().numpy(), None if shares is None else shares.cpu().numpy(), more)

    def learn_familiarity(self, pictures: Iterable[Picture]) -> Familiarity:
        """What tells pictures that are unlike those given, which are like the training's: every fifth serves for the threshold alone."""
        found = []
        for picture in pictures:
            image = fit(picture, self.frustum, scale=self.picture_scale, whole=True).image
            with torch.inference_mode():
                x = torch.from_numpy(image).permute(2, 0, 1)[None].to(self.device).to(self.dtype) / 255
                found.append(self.network.features(x, fine=False).summary)
        if not found:
            raise DataError("There are no pictures to be familiar with.")
        features = torch.cat(found)
        held_out = torch.arange(len(features)) % 5 == 4
        return learn(features[~held_out], features[held_out])


def decode(network: Rays, features: Features, probabilities: bool = False) -> tuple[Tensor, Tensor | None]:
    """Labels [B, D, H, W] uint8 (see `surface_labels`) and, where asked for, probabilities [B, n, D, H, W] float16: some rays at a time,
    for little memory."""
    config_, batch = network.config, len(features.coarse)
    pixels = torch.arange(config_.width * config_.height, device=features.coarse.device)
    labels, shares = [], []
    for some in pixels.split(RAYS_AT_ONCE):
        scores = network.rays(features, some)
        labels.append(surface_labels(scores))
        if probabilities:
            shares.append(torch.softmax(scores, 1).half())
    size = (config_.depth, config_.height, config_.width)
    whole = torch.cat(labels, 2).reshape(batch, *size)
    return whole, torch.cat(shares, 3).reshape(batch, config_.classes, *size) if probabilities else None
