"""Networks of fruxels at work: pictures of any size in, labelled fruxels out."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING, ClassVar, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from voxcli.errors import FileFormatError
from voxcli.models.base import Inputs, Predictor
from voxcli.models.frustum.familiarity import Familiarity, split
from voxcli.models.frustum.fitting import fit, leave_out
from voxcli.models.frustum.options import FruxelOptions
from voxcli.models.weights import Weights, check_finite
from voxcli.scene.labels import Labels
from voxcli.scene.types import Frustum, FruxelGrid

if TYPE_CHECKING:
    from voxcli.provenance import Json

NetT = TypeVar("NetT", bound=nn.Module)
OptionsT = TypeVar("OptionsT", bound=FruxelOptions)

MOST_CELLS = 512**3
"""Of the output that weights may state: the tensors of a convolution fit any size, and none must ask for all memory."""


@dataclass
class FruxelOutput:
    """Of B pictures: labels uint8 [B, D, H, W]; probabilities float16 [B, n, D, H, W], where asked for; more for the meta of each."""

    labels: np.ndarray
    probabilities: np.ndarray | None = None
    facts: Sequence[dict[str, Json]] = ()


class FruxelPredictor(Predictor[NetT, OptionsT, FruxelGrid]):
    """frustum, classes: of the output. familiarity: what tells strange pictures, where the weights hold that."""

    picture_scale: int = 1
    """Pixels of the network's picture along a side of a column of the frustum."""
    takes_whole: ClassVar[bool] = False
    """A picture whose field of view is unknown lies whole within the frustum."""
    frustum: Frustum
    classes: Labels
    familiarity: Familiarity | None = None

    @staticmethod
    @abstractmethod
    def shape_of(network: NetT) -> tuple[int, int, int, int]:
        """Classes, slices, rows and columns of a network's output."""

    @classmethod
    def tensors_of(cls, weights: Weights) -> dict[str, Tensor]:
        """Without what tells strange pictures."""
        check_finite(weights)
        return split(weights.tensors)[0]

    def prepare(self, weights: Weights) -> None:
        """The frustum, the classes and what tells strange pictures."""
        facts, (count, depth, height, width) = weights.facts, self.shape_of(self.network)
        self.frustum = Frustum(width, height, depth, **facts["frustum"])
        self.classes = Labels(tuple(facts["label_names"]), facts["empty_label"], facts["ignore_label"])
        if len(self.classes.names) != count or (self.classes.empty or 0) >= count:
            raise ValueError(f"{len(self.classes.names)} label names and {self.classes.empty} as empty, for {count} classes")
        self.familiarity = split(weights.tensors)[1]

    @property
    def view(self) -> Frustum:
        """What the network's camera sees, in pixels of its picture."""
        return replace(self.frustum, width=self.picture_scale * self.frustum.width, height=self.picture_scale * self.frustum.height)

    @abstractmethod
    def infer(self, images: Tensor, options: OptionsT) -> FruxelOutput:
        """What the network makes of pictures uint8 [B, 3, s H, s W] on its device. Called in inference mode."""

    def more_facts(self, images: Tensor, found: FruxelOutput, options: OptionsT) -> Sequence[dict[str, Json]]:
        """More for the meta of each picture, when columns that it does not show are marked. Called in inference mode."""
        return found.facts

    def predict(self, inputs: Sequence[Inputs], options: OptionsT, batch_size: int = 1) -> Iterator[FruxelGrid]:
        """The fruxels of each picture, in order.

        Pictures are fitted to the network's camera (see `fit`); columns that a picture does not show have the ignore label, and
        probabilities 0. A camera that is given places the result in its world.
        """
        for start in range(0, len(inputs), batch_size):
            chosen = inputs[start : start + batch_size]
            fitted = [
                fit(each.picture, self.frustum, scale=self.picture_scale, fov_x_deg=options.fov_x_deg, camera=each.camera,
                    whole=self.takes_whole)
                for each in chosen
            ]  # fmt: skip
            images = torch.from_numpy(np.stack([each.image for each in fitted])).permute(0, 3, 1, 2).to(self.device)
            with torch.inference_mode():
                found = self.infer(images, options)
                shares = [None] * len(chosen) if found.probabilities is None else found.probabilities
                for each, labels, share in zip(fitted, found.labels, shares, strict=True):
                    leave_out(labels, each.unseen, self.classes, share)
                facts = self.more_facts(images, found, options) or [{}] * len(chosen)
            for sample, each, labels, share, more in zip(chosen, fitted, found.labels, shares, facts, strict=True):
                place = np.eye(4) if sample.camera is None else sample.camera.world_to_cam
                yield FruxelGrid(labels, self.frustum, place, self.classes, share, {**each.facts, **more})


def check_output(shape: tuple[int, int, int], what: str) -> None:
    """Raise FileFormatError for the slices, rows and columns of an output that no memory could hold."""
    if prod(shape) > MOST_CELLS:
        raise FileFormatError(f"{what}: the output is too large.", expected=f"at most {MOST_CELLS} cells", actual=shape)
