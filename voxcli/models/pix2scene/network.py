"""pix2scene: an image to a latent code, and the code to the depth that a camera sees (sections 3.1 and 3.3, Tables 4 to 7).

Camera positions are in the world frame, in the units of the data; depth is z-depth in the camera frame. What the tables leave open and is
ours: scale and shift of conditional normalisation are a small network of the camera's position; the alternate layers are the first, third
and fifth; depth is `near` plus a softplus, so that more is farther and nothing lies behind the camera; weights start by He's rule.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from voxcli.errors import UsageError
from voxcli.geometry.lighting import Lights
from voxcli.geometry.surfels import render
from voxcli.shapes import check_shape

KERNEL = 4
SMALLEST = 4
"""Pixels a side of the coarsest maps."""


@dataclass(frozen=True)
class Pix2SceneConfig:
    """The paper's network, by default.

    size: pixels a side, 4 times a power of 2. latent: numbers of z. scene: how many of these describe the scene where the rest describe the
    view (3D-IQTT: 118) and no network gets the camera; None: they get it. encoder, decoder, critic: channels of each at the highest
    resolution, doubled with every halving. classes: names that may condition decoder and critic, for class-conditional generation.
    near: depth that nothing comes closer than; far: depth at which surfels fade into the black background, for objects that stand alone
    (3D-IQTT), None: there is none. normalise_depth: batch normalisation of the last layer, as in Table 5. hidden: width of
    the network behind conditional normalisation. leak: slope of LeakyReLU, of which the paper is silent.
    """

    size: int = 128
    latent: int = 128
    scene: int | None = None
    encoder: int = 85
    decoder: int = 84
    critic: int = 85
    classes: tuple[str, ...] = ()
    near: float = 0.1
    far: float | None = None
    normalise_depth: bool = True
    hidden: int = 64
    leak: float = 0.2

    def __post_init__(self) -> None:
        if self.size < 2 * SMALLEST or self.size & (self.size - 1):
            raise UsageError("pix2scene's pictures have 8, 16, 32, ... pixels a side.", actual=self.size)
        if min(self.latent, self.encoder, self.decoder, self.critic, self.hidden) < 1 or self.near <= 0:
            raise UsageError("Widths, latent numbers and `near` must be positive.")
        if self.far is not None and self.far <= self.near:
            raise UsageError("`far` must lie behind `near`.", actual=f"near {self.near:g}, far {self.far:g}")
        if self.scene is not None and not 0 < self.scene < self.latent:
            raise UsageError("`scene` is a part of the latent numbers.", expected=f"1 to {self.latent - 1}", actual=self.scene)

    @property
    def levels(self) -> int:
        """Halvings of a picture down to the coarsest maps: 5 for 128 pixels."""
        return int(math.log2(self.size // SMALLEST))

    @property
    def camera(self) -> int:
        """How many numbers of the camera networks get: its position, or nothing."""
        return 3 if self.scene is None else 0

    @property
    def condition_size(self) -> int:
        """Numbers of the condition of decoder and critic: the camera's position and the class, one-hot."""
        return self.camera + len(self.classes)


class ConditionalNorm(nn.Module):
    """Batch normalisation whose scale and shift are functions of a condition (section 3.3.3). [B, C, H, W], [B, n] -> [B, C, H, W]."""

    def __init__(self, channels: int, condition: int, hidden: int, leak: float):
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        last = nn.Linear(hidden, 2 * channels)
        nn.init.zeros_(last.weight), nn.init.zeros_(last.bias)  # at first, plain normalisation
        self.affine = nn.Sequential(nn.Linear(condition, hidden), nn.LeakyReLU(leak), last)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        scale, shift = self.affine(condition)[:, :, None, None].chunk(2, 1)
        return torch.addcmul(shift, self.norm(x), 1 + scale)


class Layer(nn.Module):
    """A row of Tables 4 to 6: a convolution, normalisation where it says yes, LeakyReLU where it says so."""

    def __init__(self, convolution: nn.Module, norm: nn.Module | None, leak: float | None):
        super().__init__()
        self.convolution, self.leak = convolution, leak
        self.norm = norm

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        x = self.convolution(x)
        if isinstance(self.norm, ConditionalNorm):
            x = self.norm(x, condition)
        elif self.norm is not None:
            x = self.norm(x)
        return x if self.leak is None else F.leaky_relu(x, self.leak)


def halving(c_in: int, c_out: int, bias: bool = True) -> nn.Conv2d:
    """[B, c_in, 2H, 2W] -> [B, c_out, H, W]."""
    return nn.Conv2d(c_in, c_out, KERNEL, stride=2, padding=1, bias=bias)


def doubling(c_in: int, c_out: int, bias: bool = True) -> nn.ConvTranspose2d:
    """[B, c_in, H, W] -> [B, c_out, 2H, 2W]."""
    return nn.ConvTranspose2d(c_in, c_out, KERNEL, stride=2, padding=1, bias=bias)


class Encoder(nn.Module):
    """G_z, Table 4: image [B, 3, S, S] in 0..1 and camera [B, 3 or 0] -> z [B, latent]. Told the camera by its normalisation."""

    def __init__(self, config: Pix2SceneConfig):
        super().__init__()
        self.config = config
        channels = [3, *(config.encoder * 2**k for k in range(config.levels))]
        self.layers = nn.ModuleList()
        for k in range(config.levels):
            last = k == config.levels - 1  # no normalisation at 4 x 4
            norm = None if last else _norm(channels[k + 1], config, config.camera)
            self.layers.append(Layer(halving(channels[k], channels[k + 1], bias=last), norm, config.leak))
        self.head = nn.Conv2d(channels[-1], config.latent, KERNEL)

    def forward(self, image: Tensor, camera: Tensor) -> Tensor:
        side = self.config.size
        check_shape(image, f"B 3 {side} {side}", "image")
        check_shape(camera, f"B {self.config.camera}", "camera", {"B": len(image)})
        x = 2 * image - 1
        for layer in self.layers:
            x = layer(x, camera)  # [B, w 2^k, S / 2^(k+1), S / 2^(k+1)]
        return self.head(x).flatten(1)  # [B, latent]


class Decoder(nn.Module):
    """G_x, Table 5: z [B, latent] and condition [B, 3 + classes] -> depth [B, S, S] > near, of the surfels that this camera sees."""

    def __init__(self, config: Pix2SceneConfig):
        super().__init__()
        self.config = config
        channels = [config.decoder * 2 ** (config.levels - 1 - k) for k in range(config.levels)]
        start = nn.ConvTranspose2d(config.latent + config.condition_size, channels[0], KERNEL, bias=False)
        self.layers = nn.ModuleList([Layer(start, _norm(channels[0], config, config.condition_size), config.leak)])
        for k in range(1, config.levels):
            numbers = config.condition_size if k % 2 == 0 else 0  # conditional in alternate layers (appendix A)
            self.layers.append(Layer(doubling(channels[k - 1], channels[k], bias=False), _norm(channels[k], config, numbers), config.leak))
        plain = nn.BatchNorm2d(1) if config.normalise_depth else None
        self.head = Layer(doubling(channels[-1], 1), plain, None)

    def forward(self, z: Tensor, condition: Tensor) -> Tensor:
        sizes = check_shape(z, f"B {self.config.latent}", "z")
        check_shape(condition, f"B {self.config.condition_size}", "camera and class", sizes)
        x = torch.cat([z, condition], 1)[:, :, None, None]  # [B, 131, 1, 1]
        for layer in self.layers:
            x = layer(x, condition)  # [B, w 2^(n-1-k), 4 * 2^k, 4 * 2^k]
        x = self.head(x, condition)[:, 0]
        return self.config.near + F.softplus(x if x.dtype == torch.float64 else x.float())  # [B, S, S]


class Critic(nn.Module):
    """D, Table 6: image [B, 3, S, S], z [B, latent], condition [B, 3 + classes] -> a score [B], high for what the encoder made.

    The condition joins the image as planes. z joins before the last convolution that has a nonlinearity behind it: added any later, image
    and z could only be scored each on its own.
    """

    def __init__(self, config: Pix2SceneConfig):
        super().__init__()
        self.config = config
        channels = [3 + config.condition_size, *(config.critic * 2**k for k in range(config.levels))]
        self.layers = nn.ModuleList(halving(a, b) for a, b in zip(channels[:-2], channels[1:-1], strict=True))
        self.join = halving(channels[-2] + config.latent, channels[-1])
        self.head = nn.Conv2d(channels[-1], 1, KERNEL)

    def forward(self, image: Tensor, z: Tensor, condition: Tensor) -> Tensor:
        side = self.config.size
        sizes = check_shape(image, f"B 3 {side} {side}", "image")
        check_shape(z, f"B {self.config.latent}", "z", sizes)
        check_shape(condition, f"B {self.config.condition_size}", "camera and class", sizes)
        x = torch.cat([2 * image - 1, _planes(condition, side)], 1)  # [B, 6, S, S]
        for layer in self.layers:
            x = F.leaky_relu(layer(x), self.config.leak)
        x = F.leaky_relu(self.join(torch.cat([x, _planes(z, x.shape[-1])], 1)), self.config.leak)
        return self.head(x).flatten()  # [B]


class StatisticsNetwork(nn.Module):
    """T of equation (6), Table 7: (z_scene, z_view) [B, latent] -> [B]. Convolutions of one pixel are linear layers."""

    def __init__(self, latent: int):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(latent, 256), nn.ELU(), nn.Linear(256, 512), nn.ELU(), nn.Linear(512, 1))

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z)[:, 0]


class Pix2Scene(nn.Module):
    """Encoder, decoder and critic; with a divided latent code, the statistics network too."""

    def __init__(self, config: Pix2SceneConfig):
        super().__init__()
        self.config = config
        self.encoder, self.decoder, self.critic = Encoder(config), Decoder(config), Critic(config)
        if config.scene is not None:
            self.statistics = StatisticsNetwork(config.latent)

    def condition(self, camera: Tensor, classes: Tensor | None = None) -> Tensor:
        """The condition of decoder and critic: camera positions [B, 3 or 0], classes [B] int64 -> [B, 3 + classes]."""
        if not self.config.classes:
            return camera
        if classes is None:
            raise UsageError("This network makes scenes of a class.", expected=" or ".join(self.config.classes))
        return torch.cat([camera, F.one_hot(classes, len(self.config.classes)).to(camera)], 1)

    def picture(self, z: Tensor, condition: Tensor, K: Tensor, lights: Lights, albedo: Tensor) -> tuple[Tensor, Tensor]:
        """rend(G_x(z)): (picture [B, 3, S, S] in linear light, depth [B, S, S]).

        K [B, 3, 3], lights in each camera's frame, albedo [B, 3].
        """
        depth = self.decoder(z, condition)
        picture = render(depth, albedo[:, :, None, None].to(depth), K.to(depth), lights)
        far = self.config.far
        return (picture if far is None else picture * torch.sigmoid((far - depth) / (_FADE * far))[:, None]), depth


def build(config: Pix2SceneConfig) -> Pix2Scene:
    """A network whose convolutions start by He's rule, and whose first depths are nearly even: the normals of noise tell nothing."""
    network = Pix2Scene(config)
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.kaiming_normal_(module.weight, config.leak, mode="fan_in" if isinstance(module, nn.Conv2d) else "fan_out")
            if isinstance(module, nn.ConvTranspose2d) and module.stride[0] == 2:
                # Only every other row and column of the kernel meets a pixel.
                module.weight.data.mul_(2)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for head in (network.encoder.head, network.critic.head):
        nn.init.normal_(head.weight, 0, head.weight[0].numel() ** -0.5)
    last = network.decoder.head
    first_spread: Any = (last.convolution if last.norm is None else last.norm).weight
    first_spread.data.mul_(_FIRST)
    return network


_FADE = 0.02  # share of `far` over which the background takes over: smooth, so that outlines are learnt too
_FIRST = 0.02  # spread of the first depths before the softplus


def _planes(values: Tensor, side: int) -> Tensor:
    """[B, n] -> [B, n, side, side]"""
    return values[:, :, None, None].expand(-1, -1, side, side)


def _norm(channels: int, config: Pix2SceneConfig, condition: int) -> nn.Module:
    return ConditionalNorm(channels, condition, config.hidden, config.leak) if condition else nn.BatchNorm2d(channels)
