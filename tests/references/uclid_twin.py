"""UCLID-Net layer by layer from named tensors, a view and a voxel at a time, each normalisation as sums of its own: slow."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from references.backproject_twins import lifted
from torch import Tensor

Tensors = dict[str, Tensor]


def instance(x: Tensor, t: Tensors | None = None, key: str = "") -> Tensor:
    mean = x.mean((2, 3), keepdim=True)
    variance = ((x - mean) ** 2).mean((2, 3), keepdim=True)
    x = (x - mean) / torch.sqrt(variance + 1e-5)
    if t is not None and f"{key}.weight" in t:
        x = x * t[f"{key}.weight"][:, None, None] + t[f"{key}.bias"][:, None, None]
    return x


def batch(t: Tensors, key: str, x: Tensor) -> Tensor:
    shape = (1, -1) + (1,) * (x.ndim - 2)
    mean, variance, weight, bias = (t[f"{key}.{k}"].reshape(shape) for k in ("running_mean", "running_var", "weight", "bias"))
    return (x - mean) / torch.sqrt(variance + 1e-5) * weight + bias


def conv(t: Tensors, key: str, x: Tensor, stride: int = 1, padding: int = 1) -> Tensor:
    return F.conv2d(x, t[f"{key}.weight"], t.get(f"{key}.bias"), stride, padding)


def flat_block(t: Tensors, key: str, x: Tensor, stride: int) -> Tensor:
    shortcut = x
    if f"{key}.downsample.0.weight" in t:
        shortcut = instance(conv(t, f"{key}.downsample.0", x, stride, 0), t, f"{key}.downsample.1")
    x = F.relu(instance(conv(t, f"{key}.conv1", x, stride), t, f"{key}.bn1"))
    return F.relu(instance(conv(t, f"{key}.conv2", x), t, f"{key}.bn2") + shortcut)


def maps(t: Tensors, key: str, image: Tensor, pooled: bool) -> list[Tensor]:
    x = F.relu(instance(conv(t, f"{key}.conv1", image[None], 2, 3)))
    if pooled:
        x = F.max_pool2d(x, 3, 2, 1)
    found = []
    for layer in (1, 2, 3, 4):
        for block in (0, 1):
            x = flat_block(t, f"{key}.layer{layer}.{block}", x, 2 if layer > 1 and block == 0 else 1)
        found.append(x)
    return found


def solid_block(t: Tensors, key: str, x: Tensor, doubles: bool) -> Tensor:
    shortcut = x
    if f"{key}.upsample.0.weight" in t:
        weight = t[f"{key}.upsample.0.weight"]
        shortcut = batch(t, f"{key}.upsample.1", F.conv_transpose3d(x, weight, stride=2) if doubles else F.conv3d(x, weight))
    x = F.relu(batch(t, f"{key}.bn1", F.conv3d(x, t[f"{key}.conv1.weight"], padding=1)))
    if doubles:
        x = F.conv_transpose3d(x, t[f"{key}.conv2.weight"], t[f"{key}.conv2.bias"], stride=2)
    else:
        x = F.conv3d(x, t[f"{key}.conv2.weight"], padding=1)
    return F.relu(batch(t, f"{key}.bn2", x) + shortcut)


def patch(t: Tensors, code: Tensor, uv: Tensor) -> Tensor:
    """One voxel: code [C], uv [K, 2] -> offsets [K, 3]."""
    code = code.expand(len(uv), -1)
    x = torch.cat([code, uv], 1)
    for name in ("11", "12", "13", "21", "22", "23"):
        if name == "21":
            x = torch.cat([code, x], 1)
        x = F.relu(batch(t, f"fold.bn{name}", x @ t[f"fold.conv{name}.weight"].T))
    return torch.sigmoid(x @ t["fold.conv3.weight"].T)


def reconstructed(
    t: Tensors, image: Tensor, K: Tensor, world_to_cam: Tensor, picture: tuple[int, int], depth: list[Tensor], uv: Tensor,
    *, threshold: float, occupancy: int, depth_channels: int, official: bool,
) -> tuple[Tensor, dict[tuple[int, int, int], Tensor]]:  # fmt: skip
    """One image to its probabilities [28, 28, 28] and the points [K, 3] of each occupied voxel."""
    grids = []
    for scale, features in enumerate(maps(t, "encoder", image, True)):
        reduced = conv(t, f"reduce.{scale}", features, 1, 0)[0]
        grid = torch.from_numpy(lifted(reduced.numpy(), K.numpy(), world_to_cam.numpy(), picture, (28, 28, 14, 7)[scale], official))
        grids.append(torch.cat([grid, *([depth[scale][None]] * depth_channels)])[None])
    x = grids[3]
    for layer, doubles in ((1, False), (2, True), (3, True), (4, False)):
        for block in (0, 1):
            x = solid_block(t, f"decoder.layer{layer}.{block}", x, doubles and block == 0)
        if layer > 1:
            x = torch.cat([x, grids[4 - layer]], 1)
    last = torch.einsum("oc,cxyz->oxyz", t["decoder.output_layer.weight"].flatten(1), x[0])
    logits = torch.einsum("c,cxyz->xyz", t["occ.weight"].flatten(), last[:occupancy]) + t["occ.bias"]
    share = 1 / (1 + torch.exp(-logits))
    points = {}
    for i in range(28):
        for j in range(28):
            for k in range(28):
                if share[i, j, k] > threshold:
                    points[i, j, k] = (torch.tensor([i, j, k]) + patch(t, last[occupancy:, i, j, k], uv)) * 2 / 28 - 1
    return share, points


def depth_of(t: Tensors, image: Tensor, near: float, far: float, *, normalised: bool) -> Tensor:
    """The pyramid of the depth regressor: [H/2, W/2]. Published: each layer that reads the pyramid is max(0, w * x + b); ours may
    bring each of their maps to mean 0 and variance 1 before the maximum."""

    def join(key: str, x: Tensor, layers: tuple[int, ...]) -> Tensor:
        for layer in layers:
            x = conv(t, f"{key}.{layer}", x)
            x = F.relu(instance(x) if normalised else x)
        return x

    def shuffled(key: str, x: Tensor, r: int) -> Tensor:
        x = conv(t, f"{key}.0", x)
        _, channels, height, width = x.shape
        x = x.reshape(channels // (r * r), r, r, height, width).permute(0, 3, 1, 4, 2)
        return F.relu(x.reshape(1, channels // (r * r), height * r, width * r))

    c = maps(t, "encoder", image, False)
    levels = [conv(t, "toplayer", c[3], 1, 0)]
    for k in (1, 2, 3):
        larger = F.interpolate(levels[-1], scale_factor=2, mode="bilinear", align_corners=False)
        levels.append(conv(t, f"smooth{k}", larger + conv(t, f"latlayer{k}", c[3 - k], 1, 0)))
    read = [join(f"agg{k + 1}", level, (0, 3)) for k, level in enumerate(levels)]
    whole = torch.cat([shuffled("up1", read[0], 8), shuffled("up2", read[1], 4), shuffled("up3", read[2], 2), read[3]], 1)
    share = torch.sigmoid(conv(t, "predict2.0", join("predict1", whole, (0,))))
    return near + share[0, 0] * (far - near)


def camera_of(t: Tensors, image: Tensor, blocks: int, stride: int, farthest: float) -> tuple[Tensor, float]:
    """(rotation [3, 3], distance) by the plain formulas."""
    x = F.relu(instance(conv(t, "conv1", image[None], stride), t, "bn1"))
    for layer in (1, 2, 3, 4):
        for block in range(blocks):
            x = flat_block(t, f"layer{layer}.{block}", x, 2 if layer > 1 and block == 0 else 1)
    out = t["fc.weight"] @ x.mean((2, 3))[0] + t["fc.bias"]
    first = out[:3] / out[:3].norm()
    third = torch.linalg.cross(first, out[3:6])
    third = third / third.norm()
    second = torch.linalg.cross(third, first)
    return torch.stack([first, second, third]).T, float(farthest / (1 + torch.exp(-out[6])))
