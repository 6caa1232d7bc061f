"""Solvers of the 3D-IQ test task (pix2scene, section 4.4 and appendix D): pix2scene with a divided code, and the two baselines.

Each scores the three choices of a question; the highest score is the answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from voxcli.errors import UsageError
from voxcli.models.pix2scene import network as pix2scene
from voxcli.models.pix2scene.network import Pix2SceneConfig
from voxcli.shapes import check_shape

EXPANSION = 4


@dataclass(frozen=True)
class IQTTConfig:
    """kind: which solver. scenes: its network where it is pix2scene. width, blocks: of the baselines' residual network, by default
    ResNet-50's; hidden: nodes of the CNN's fully connected layers."""

    kind: Literal["pix2scene", "cnn", "siamese"] = "pix2scene"
    scenes: Pix2SceneConfig | None = None
    width: int = 64
    blocks: tuple[int, ...] = (3, 4, 6, 3)
    hidden: tuple[int, ...] = (2048, 512, 256)

    def __post_init__(self) -> None:
        if (self.kind == "pix2scene") != (self.scenes is not None) or (self.scenes is not None and self.scenes.scene is None):
            raise UsageError("`scenes` is for the kind pix2scene, its code divided.", expected="scenes: {scene: 118, ...}")
        if self.width < 1 or not self.blocks or min(self.blocks) < 1:
            raise UsageError("A residual network needs a width and blocks.", actual=f"{self.width}, {list(self.blocks)}")


PRESETS = {
    "iqtt-pix2scene": IQTTConfig("pix2scene", Pix2SceneConfig(scene=118, near=1.3, far=3.6, normalise_depth=False)),
    "iqtt-cnn": IQTTConfig("cnn"),
    "iqtt-siamese": IQTTConfig("siamese"),
}
"""By the models' names. The objects of the task lie between 1.45 and 3.45 of the camera: behind is black background (ours)."""


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions beside the identity, or beside a 1x1 convolution where shapes differ (He et al. 2016, Fig. 5)."""

    def __init__(self, c_in: int, width: int, stride: int):
        super().__init__()
        c_out = width * EXPANSION
        self.body = nn.Sequential(
            nn.Conv2d(c_in, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(),
            nn.Conv2d(width, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(),
            nn.Conv2d(width, c_out, 1, bias=False), nn.BatchNorm2d(c_out),
        )  # fmt: skip
        same = stride == 1 and c_in == c_out
        self.skip = nn.Identity() if same else nn.Sequential(nn.Conv2d(c_in, c_out, 1, stride, bias=False), nn.BatchNorm2d(c_out))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.body(x) + self.skip(x))


class ResNet(nn.Module):
    """ResNet without its classifier: image [B, 3, H, W] in 0..1 -> features [B, 2048] by default, the mean over the last map."""

    def __init__(self, width: int = 64, blocks: tuple[int, ...] = (3, 4, 6, 3)):
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, width, 7, 2, 3, bias=False), nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
        c_in = width
        for k, count in enumerate(blocks):
            for i in range(count):
                layers.append(Bottleneck(c_in, width * 2**k, stride=2 if k > 0 and i == 0 else 1))
                c_in = width * 2**k * EXPANSION
        self.layers, self.features = nn.Sequential(*layers), c_in

    def forward(self, image: Tensor) -> Tensor:
        check_shape(image, "B 3 H W", "image")
        return self.layers(2 * image - 1).mean((2, 3))


class Solver(nn.Module):
    """A network of one of the three kinds. question [B, 4, 3, S, S] in 0..1, the reference first -> scores [B, 3]."""

    def __init__(self, config: IQTTConfig):
        super().__init__()
        self.config = config
        if config.scenes is not None:
            self.scenes = pix2scene.build(config.scenes)
            return
        self.trunk = ResNet(config.width, config.blocks)
        if config.kind == "cnn":
            sizes = (4 * self.trunk.features, *config.hidden)
            layers = [part for a, b in zip(sizes, sizes[1:], strict=False) for part in (nn.Linear(a, b), nn.ReLU())]
            self.head = nn.Sequential(*layers, nn.Linear(sizes[-1], 3))

    def embed(self, images: Tensor) -> Tensor:
        """What pictures are compared by: z_scene, or the features. [B, 3, S, S] -> [B, n]"""
        if self.config.scenes is None:
            return self.trunk(images)
        return self.scenes.encoder(images, images.new_zeros(len(images), 0))[:, : self.config.scenes.scene]

    def embed_all(self, question: Tensor) -> Tensor:
        """The same of all four pictures: [B, 4, n]."""
        check_shape(question, "B 4 3 S S", "question")
        return self.embed(question.flatten(0, 1)).unflatten(0, question.shape[:2])

    def forward(self, question: Tensor) -> Tensor:
        found = self.embed_all(question)
        if self.config.kind == "cnn":
            return self.head(found.flatten(1))
        return -(found[:, :1] - found[:, 1:]).square().sum(2)  # section 4.4.1: the closest in L2


def build(config: IQTTConfig) -> Solver:
    """A freshly initialised solver; convolutions of the baselines start by He's rule."""
    solver = Solver(config)
    if config.scenes is None:
        for module in solver.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return solver


def distractors(choices: Tensor, answers: Tensor) -> tuple[Tensor, Tensor]:
    """Split choices [B, 3, n] by the answers [B] in 0..2: (right ones [B, n], the others [B, 2, n] in their order)."""
    rows = torch.arange(len(choices), device=choices.device)
    others = torch.stack([(answers == 0).long(), 2 - (answers == 2).long()], 1)
    return choices[rows, answers], choices[rows[:, None], others]
