"""Pix2Vox for use rather than training: the same numbers, sooner.

Batch normalisation is folded into the convolutions before it, activations work in place, images go through the trunk with channels
last, all views as one batch; deep 3x3 convolutions in float32 on a CPU use Winograd's filtering, and transposed convolutions of small
volumes are one matrix product and a scatter.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from voxcli.models.pix2vox.network import TRUNK_POOLED_AFTER, VGG, Pix2Vox, fuse, score_maps
from voxcli.models.pix2vox.winograd import convolve, transformed_weights

VIEWS_AT_ONCE = 8
"""Images that go through the trunk together: more are no faster, and each takes 26 MB of memory there."""

SMALL = 8
"""Largest side of a volume whose doubling is computed as one matrix product: beyond, its 64 numbers a cell and channel cost more."""


FEW_PIXELS, MANY_CHANNELS = 56, 128
"""Up to which width of an image, and from how many channels on, Winograd's filtering was measured to be faster."""


class Folded(nn.Module):
    """A trained network, for inference only. `coarse`, `fused`, `refined` and `forward` are those of Pix2Vox.

    dtype: of encoder and decoder; the context scorer and the refiner stay in float32, as do all results.
    """

    def __init__(self, network: Pix2Vox, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32):
        super().__init__()
        self.config, self.dtype, self.device = network.config, dtype, torch.device(device)
        encoder, decoder, scorer = network.encoder, network.decoder, network.merger
        self.published = None if self.config.backbone == VGG else encoder.published.eval().to(self.device, dtype)
        flat = [] if self.published is not None else [m for m in encoder.vgg if isinstance(m, (nn.Conv2d, nn.BatchNorm2d))]
        pairs: list[tuple[nn.Module, nn.Module]] = list(zip(flat[0::2], flat[1::2], strict=True))
        pairs += [(layer[0], layer[1]) for layer in (encoder.layer1, encoder.layer2, encoder.layer3)]
        self.images = [self._placed(*fold(*pair), dtype, torch.channels_last) for pair in pairs]
        direct = self.device.type != "cpu" or dtype != torch.float32
        self.filters = [None if direct or not many_channels(w) else transformed_weights(w) for w, _ in self.images]
        layers = [decoder.layer1, decoder.layer2, decoder.layer3, decoder.layer4]
        self.doublings = [self._placed(*fold(layer[0], layer[1]), dtype, torch.contiguous_format) for layer in layers]
        last = decoder.layer5[0]
        assert isinstance(last, nn.ConvTranspose3d)
        self.last = last.weight.detach().to(self.device, dtype)
        layers = [scorer.layer1, scorer.layer2, scorer.layer3, scorer.layer4, scorer.layer5]
        self.scorer = [self._placed(*fold(layer[0], layer[1]), torch.float32, torch.channels_last_3d) for layer in layers]
        self.refiner = network.refiner.eval().to(self.device) if self.config.refiner else None

    def _placed(self, weight: Tensor, bias: Tensor, dtype: torch.dtype, order: torch.memory_format) -> tuple[Tensor, Tensor]:
        return weight.to(self.device, dtype).contiguous(memory_format=order), bias.to(self.device, dtype)

    @torch.inference_mode()
    def features(self, images: Tensor) -> Tensor:
        """Images [N, 3, 224, 224] -> features [N, C, s, s]."""
        x = images.to(self.device, self.dtype).contiguous(memory_format=torch.channels_last)
        x = self._vgg(x) if self.published is None else self.published((x.flip(1) + 1) / 2)
        x = F.elu_(self._convolved(x, -3))
        # The maximum first: ELU rises everywhere, so it commutes with it and has less to do.
        x = F.elu_(F.max_pool2d(self._convolved(x, -2), self.config.pool))
        return F.elu_(self._convolved(x, -1)).contiguous()

    def _vgg(self, x: Tensor) -> Tensor:
        for place in range(len(self.config.trunk)):
            x = self._convolved(x, place, 1).relu_()
            if place in TRUNK_POOLED_AFTER:
                x = F.max_pool2d(x, 2)
        return x

    def _convolved(self, x: Tensor, place: int, padding: int = 0) -> Tensor:
        fast = self.filters[place]
        if fast is not None and x.shape[-1] <= FEW_PIXELS and x.shape[-1] % 2 == 0:
            return convolve(x, fast, self.images[place][1], padding)
        return F.conv2d(x, *self.images[place], padding=padding)

    @torch.inference_mode()
    def coarse(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """[B, V, 3, 224, 224] -> (context [B, V, 9, 32, 32, 32], coarse volumes [B, V, 32, 32, 32]), float32."""
        features = torch.cat([self.features(part) for part in images.flatten(0, 1).split(VIEWS_AT_ONCE)])
        x = features.reshape(-1, self.config.decoder[0], 2, 2, 2)
        for weight, bias in self.doublings:
            x = double(x, weight, bias).relu_()
        volumes = torch.sigmoid(torch.einsum("nczyx,c->nzyx", x, self.last[:, 0, 0, 0, 0]).float())
        context = torch.cat([x.float(), volumes[:, None]], 1)
        return context.unflatten(0, images.shape[:2]), volumes.unflatten(0, images.shape[:2])

    @torch.inference_mode()
    def scores(self, context: Tensor) -> Tensor:
        """m_r of equation (1) for every view: [B, V, 9, 32, 32, 32] -> [B, V, 32, 32, 32]."""
        x = context.flatten(0, 1).contiguous(memory_format=torch.channels_last_3d)
        for weight, bias in self.scorer:
            x = F.leaky_relu_(F.conv3d(x, weight, bias, padding=1), 0.2)
        return x[:, 0].unflatten(0, context.shape[:2])

    @torch.inference_mode()
    def fused(self, context: Tensor, volumes: Tensor, method: str = "context") -> Tensor:
        """The fused volume [B, 32, 32, 32], not yet refined. A single view is its own fusion."""
        scored = method == "context" and volumes.shape[1] > 1
        return fuse(volumes, score_maps(self.scores(context)) if scored else None, method)

    @torch.inference_mode()
    def refined(self, volume: Tensor) -> Tensor:
        """The refined volume; without a refiner the volume itself."""
        return volume if self.refiner is None else self.refiner(volume)

    def forward(self, images: Tensor, method: str = "context") -> Tensor:
        """Images [B, V, 3, 224, 224] -> occupancy [B, 32, 32, 32] in 0..1."""
        return self.refined(self.fused(*self.coarse(images), method))


def many_channels(weight: Tensor) -> bool:
    """Whether a filter is one for Winograd's way: 3x3, with many channels on both sides."""
    return weight.shape[2:] == (3, 3) and min(weight.shape[:2]) >= MANY_CHANNELS


def fold(layer: nn.Module, norm: nn.Module) -> tuple[Tensor, Tensor]:
    """(weight, bias) of the convolution, plain or transposed, that does what a convolution and its batch normalisation do."""
    assert isinstance(layer, nn.Conv2d | nn.Conv3d | nn.ConvTranspose3d) and isinstance(norm, nn.BatchNorm2d | nn.BatchNorm3d)
    assert norm.running_mean is not None and norm.running_var is not None
    scale = norm.weight.double() / torch.sqrt(norm.running_var.double() + norm.eps)
    axis = 1 if isinstance(layer, nn.ConvTranspose3d) else 0
    shape = [1] * layer.weight.ndim
    shape[axis] = -1
    before = layer.bias.double() if layer.bias is not None else 0.0
    weight = layer.weight.double() * scale.reshape(shape)
    return weight.float().detach(), (norm.bias.double() + (before - norm.running_mean.double()) * scale).float().detach()


def double(volume: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Transposed convolution k4 s2 p1: [N, C, s, s, s] -> [N, K, 2s, 2s, 2s]; weight [C, K, 4, 4, 4]."""
    n, channels, side = volume.shape[:3]
    if side > SMALL or volume.device.type != "cpu":
        return F.conv_transpose3d(volume, weight, bias, stride=2, padding=1)
    cells = volume.flatten(2).transpose(1, 2).reshape(n * side**3, channels)
    stamps = (cells @ weight.reshape(channels, -1)).reshape(n, side, side, side, -1, 4, 4, 4)
    # Along one axis, cell i adds its taps 0..3 to the cells 2i-1..2i+2 of the result.
    width = 2 * side + 2
    result = stamps.movedim(4, 1)  # [N, K, s, s, s, 4, 4, 4]
    for axis in (2, 3, 4):
        result = _spread(result, axis, width)
    return result + bias[:, None, None, None]


def _spread(stamps: Tensor, axis: int, width: int) -> Tensor:
    """Add up the stamps along one of the three axes: [..., s, ..., 4, ...] -> [..., 2s, ...], the first of the tap axes gone."""
    taps = stamps.unbind(5)  # taps of this axis, whichever it is: they go in order
    even = taps[1].clone()  # 2i takes tap 1 of i, and tap 3 of i - 1
    odd = taps[2].clone()  # 2i + 1 takes tap 2 of i, and tap 0 of i + 1
    count = even.shape[axis]
    even.narrow(axis, 1, count - 1).add_(taps[3].narrow(axis, 0, count - 1))
    odd.narrow(axis, 0, count - 1).add_(taps[0].narrow(axis, 1, count - 1))
    return torch.stack([even, odd], axis + 1).flatten(axis, axis + 1)
