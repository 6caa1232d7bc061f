"""Pix2Vox layer by layer from the tensors of a checkpoint, views in a loop, normalisation as its own step: slow, and nothing shared."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

Tensors = dict[str, Tensor]


def normalised(t: Tensors, key: str, x: Tensor) -> Tensor:
    return F.batch_norm(x, t[f"{key}.running_mean"], t[f"{key}.running_var"], t[f"{key}.weight"], t[f"{key}.bias"], eps=1e-5)


def encoded(t: Tensors, image: Tensor, pool: int) -> Tensor:
    """One image [3, 224, 224] to its features [C, s, s]. Indices are those of torchvision's VGG-16 with batch normalisation."""
    x = image[None]
    for index in (0, 3, 7, 10, 14, 17, 20, 24):
        if index in (7, 14, 24):
            x = F.max_pool2d(x, 2)
        x = F.conv2d(x, t[f"encoder.vgg.{index}.weight"], t[f"encoder.vgg.{index}.bias"], padding=1)
        x = F.relu(normalised(t, f"encoder.vgg.{index + 1}", x))
    for layer in ("layer1", "layer2", "layer3"):
        x = F.conv2d(x, t[f"encoder.{layer}.0.weight"], t[f"encoder.{layer}.0.bias"])
        x = F.elu(normalised(t, f"encoder.{layer}.1", x))
        if layer == "layer2":
            x = F.max_pool2d(x, pool)
    return x[0]


def doubled(t: Tensors, key: str, x: Tensor) -> Tensor:
    return F.relu(normalised(t, f"{key}.1", F.conv_transpose3d(x, t[f"{key}.0.weight"], stride=2, padding=1)))


def decoded(t: Tensors, features: Tensor) -> tuple[Tensor, Tensor]:
    """(output of the fourth layer [8, 32, 32, 32], coarse volume [32, 32, 32])."""
    x = features.reshape(1, -1, 2, 2, 2)
    for layer in (1, 2, 3, 4):
        x = doubled(t, f"decoder.layer{layer}", x)
    return x[0], torch.sigmoid(F.conv_transpose3d(x, t["decoder.layer5.0.weight"]))[0, 0]


def scored(t: Tensors, inner: Tensor, volume: Tensor) -> Tensor:
    x = torch.cat([inner, volume[None]])[None]
    for layer in (1, 2, 3, 4, 5):
        x = F.conv3d(x, t[f"merger.layer{layer}.0.weight"], t[f"merger.layer{layer}.0.bias"], padding=1)
        x = F.leaky_relu(normalised(t, f"merger.layer{layer}.1", x), 0.2)
    return x[0, 0]


def refined(t: Tensors, volume: Tensor) -> Tensor:
    levels = [volume[None, None]]
    for layer in (1, 2, 3):
        x = F.conv3d(levels[-1], t[f"refiner.layer{layer}.0.weight"], t[f"refiner.layer{layer}.0.bias"], padding=2)
        levels.append(F.max_pool3d(F.leaky_relu(normalised(t, f"refiner.layer{layer}.1", x), 0.2), 2))
    flat = F.relu(F.linear(levels[3].reshape(1, -1), t["refiner.layer4.0.weight"], t["refiner.layer4.0.bias"]))
    flat = F.relu(F.linear(flat, t["refiner.layer5.0.weight"], t["refiner.layer5.0.bias"]))
    x = levels[3] + flat.reshape(levels[3].shape)
    x = levels[2] + doubled(t, "refiner.layer6", x)
    x = levels[1] + doubled(t, "refiner.layer7", x)
    x = torch.sigmoid(F.conv_transpose3d(x, t["refiner.layer8.0.weight"], stride=2, padding=1))
    return ((levels[0] + x) / 2)[0, 0]


def reconstructed(t: Tensors, views: Tensor, pool: int) -> Tensor:
    """Views [V, 3, 224, 224] of one object to its volume [32, 32, 32], fused by context and refined where there is a refiner."""
    volumes, scores = [], []
    for image in views:
        inner, volume = decoded(t, encoded(t, image, pool))
        volumes.append(volume)
        scores.append(scored(t, inner, volume))
    exponentials = [torch.exp(m) for m in scores]
    total = sum(exponentials)
    fused = sum(e / total * v for e, v in zip(exponentials, volumes, strict=True)).clamp(0, 1)
    return refined(t, fused) if "refiner.layer1.0.weight" in t else fused
