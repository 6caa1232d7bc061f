"""SSZ at work: pictures of any size in, labelled fruxels out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from voxcli import config
from voxcli.errors import UsageError
from voxcli.models.frustum.predictor import FruxelOutput, FruxelPredictor, check_output
from voxcli.models.ssz.instances import find_instances, with_boxes
from voxcli.models.ssz.network import SSZ, Generator, SSZConfig, build
from voxcli.models.ssz.spec import SSZOptions
from voxcli.models.weights import Weights
from voxcli.scene.types import FruxelGrid, Mesh

if TYPE_CHECKING:
    from voxcli.provenance import Json, Meta
    from voxcli.scene import Described


@dataclass
class ScoredOutput(FruxelOutput):
    """With the probabilities of all classes, float32 [B, n, D, H, W], where poses are asked for."""

    shares: Tensor | None = None


class SSZPredictor(FruxelPredictor[Generator, SSZOptions]):
    """A trained generator, with its discriminator where the weights hold one."""

    @classmethod
    def build(cls, mapping: Mapping[str, Json], what: str) -> Generator:
        """The generator of a configuration."""
        found = config.from_mapping(SSZConfig, mapping, what)
        check_output((found.depth, found.height, found.width), what)
        return build(found)

    @classmethod
    def ready(cls, network: Generator, device: torch.device, dtype: torch.dtype) -> Generator:
        """The discriminator computes in float32: poses are in metres, and are not to be rounded to three digits."""
        network = super().ready(network, device, dtype)
        if isinstance(network, SSZ):
            network.discriminator.float()
        return network

    @staticmethod
    def shape_of(network: Generator) -> tuple[int, int, int, int]:
        """Of the output."""
        return network.config.classes, network.config.depth, network.config.height, network.config.width

    def prepare(self, weights: Weights) -> None:
        """The number of pixels a column, too."""
        super().prepare(weights)
        self.picture_scale = self.network.config.picture_scale

    def infer(self, images: Tensor, options: SSZOptions) -> ScoredOutput:
        """The likeliest class of each fruxel, and B of equation (1)."""
        if options.poses and not isinstance(self.network, SSZ):
            raise UsageError("These weights tell no poses: they hold no discriminator.", hint="Train: voxcli train --recipe street-6d")
        scores = self.network(images.to(self.dtype) / 255)[1]
        labels = scores.argmax(1).to(torch.uint8).cpu().numpy()
        shares = torch.softmax(scores.float(), 1) if options.probabilities or options.poses else None
        kept = shares.half().cpu().contiguous().numpy() if options.probabilities and shares is not None else None
        return ScoredOutput(labels, kept, shares=shares)

    def more_facts(self, images: Tensor, found: FruxelOutput, options: SSZOptions) -> Sequence[dict[str, Json]]:
        """The objects of each scene and their poses, where asked for."""
        if not options.poses:
            return ()
        assert isinstance(found, ScoredOutput) and found.shares is not None and isinstance(self.network, SSZ)
        facts: list[Meta] = []
        for k, labels in enumerate(found.labels):
            certificate = self.network.discriminator(images[k : k + 1].float() / 255, found.shares[k : k + 1], self.frustum)
            facts.append({"instances": find_instances(labels, certificate, self.frustum, self.classes)})
        return facts

    def completed(self, thing: Described, result: FruxelGrid) -> Described:
        """A mesh with the boxes of the objects whose poses were asked for."""
        found = result.meta.get("instances")
        return with_boxes(thing, found, result.world_to_cam) if found is not None and isinstance(thing, Mesh) else thing
