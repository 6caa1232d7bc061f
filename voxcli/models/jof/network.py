"""Joint occupancy fields (Liu, Tran and Liu, Fully Understanding Generic Objects): shape, albedo and parts of an object as functions of a
point, two encoders that find their codes, and section 3.2's words for all of it.

Points lie in [-1, 1]^3: twice the object's own frame, whose box has a diagonal of 1 (+y up, front +x). Layers and tensor names within the
parts are those of the public checkpoints, which also decide what the paper leaves open: the order in which codes and point are joined,
the widths, and tanh for albedo. Codes meet the first layers as a share that is computed once a shape, not once a point.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from voxcli.config import Value
from voxcli.errors import UsageError, unknown_name
from voxcli.models.blocks.efficientnet import ENCODERS
from voxcli.models.branched.preparation import CELLS, IMAGE
from voxcli.models.jof.resnet import PublishedFeatures, ResNet
from voxcli.shapes import check_shape

SLOPE = 0.02
"""Of every leaky rectifier."""

CAMERA, LIGHT = 12, 27
"""Numbers of a 3 x 4 projection, and of three bands of spherical harmonics in three colours."""

RESNET = "resnet18"

PARTS = ("encoder", "latents", "shape", "albedo", "image")

SYNSET_NAMES = (
    "airplane", "bench", "cabinet", "car", "chair", "monitor", "lamp", "speaker", "rifle", "couch", "table", "cellphone", "watercraft",
)  # fmt: skip
"""The 13 categories of ShapeNet that the paper uses, in the order of their synsets: logits 1 to 13. Logit 0 is an unknown one."""


@dataclass(frozen=True)
class JOFConfig:
    """Widths of all layers; the defaults are the paper's.

    parts: which of PARTS there are (latents: free codes of `shapes` training shapes in place of the encoder, the auto-decoder).
    category, shape, albedo: lengths of the codes f_C (0: none, Table 2), f_S, f_A. shape_widths, albedo_widths: hidden layers of the
    decoders. voxel_widths: channels of the 3D encoder. image_widths, groups: channels of the image encoder's four levels, and groups of
    its normalisation. normalised: codes of the 3D encoder have length 1. darkest: what black becomes in a coloured volume, whose air is 0.
    classes: names of the categories. camera_mean, camera_std: of the projections that the image encoder was trained on.
    backbone: of the image encoder, `resnet18`, or `efficientnet-lite0` below its last level (ours). pretrained: the latter's ImageNet
    weights when a training begins, `true` for those of the installed package or the path of a file. rank: of what changes in its pointwise
    convolutions, whose published numbers weights of ours need not hold again; 0: all of it may change.
    start: weights of this model that a training begins with, as far as they have the same parts; empty: none.
    """

    parts: tuple[str, ...] = ("encoder", "shape", "albedo", "image")
    branches: int = 12
    category: int = 3
    shape: int = 256
    albedo: int = 256
    shape_widths: tuple[int, ...] = (3072, 384)
    albedo_widths: tuple[int, ...] = (512,) * 6
    voxel_widths: tuple[int, ...] = (32, 64, 128, 256)
    image_widths: tuple[int, ...] = (64, 128, 256, 512)
    groups: int = 32
    normalised: bool = True
    darkest: float = 0.0
    shapes: int = 0
    classes: tuple[str, ...] = SYNSET_NAMES
    camera_mean: tuple[float, ...] = (0.0,) * CAMERA
    camera_std: tuple[float, ...] = (1.0,) * CAMERA
    backbone: str = RESNET
    pretrained: bool | str = True
    rank: int = 0
    start: str = ""

    def __post_init__(self) -> None:
        if self.backbone not in (RESNET, *ENCODERS):
            raise unknown_name("backbone", self.backbone, (RESNET, *ENCODERS))
        if self.rank < 0 or (self.rank and self.backbone == RESNET):
            raise UsageError("jof: 'rank' belongs to a pretrained backbone.", expected="0, or 1 and more with efficientnet-lite0",
                             actual=f"{self.rank} with {self.backbone}")  # fmt: skip
        wrong = [part for part in self.parts if part not in PARTS]
        if wrong or len(set(self.parts)) != len(self.parts):
            raise UsageError("jof: 'parts' names each part once.", expected=f"some of {', '.join(PARTS)}", actual=list(self.parts))
        if "latents" in self.parts and ("encoder" in self.parts or self.shapes < 1):
            raise UsageError("jof: free codes stand in place of the encoder, for at least one shape.", actual=f"{self.shapes} shapes")
        numbers = (self.branches, self.shape, self.albedo, *self.shape_widths, *self.albedo_widths, *self.voxel_widths, *self.image_widths)
        if min(numbers) < 1 or self.category < 0:
            raise UsageError("jof: codes, widths and branches are positive numbers.")
        lengths = {"shape_widths": 2, "voxel_widths": 4, "image_widths": 4, "camera_mean": CAMERA, "camera_std": CAMERA}
        for name, length in lengths.items():
            if len(getattr(self, name)) != length:
                raise UsageError(f"jof: '{name}' needs {length} numbers.", actual=list(getattr(self, name)))
        if min(self.camera_std) <= 0 or not 0 <= self.darkest < 1:
            raise UsageError("jof: deviations are positive, and 'darkest' lies in 0..1.")
        if any(width % self.groups for width in self.image_widths):
            raise UsageError("jof: 'groups' must divide the image encoder's widths.", actual=f"{self.groups}, {list(self.image_widths)}")

    @property
    def logits(self) -> int:
        """Categories, and the unknown one."""
        return len(self.classes) + 1


PRESETS: Mapping[str, Mapping[str, Value]] = {
    "paper": {},
    "lite": {
        "shape": 128, "albedo": 32, "shape_widths": [1024, 256], "albedo_widths": [96, 96, 96], "voxel_widths": [16, 32, 64, 128],
        "image_widths": [24, 48, 96, 128], "groups": 8, "darkest": 0.25, "backbone": "efficientnet-lite0",
        "rank": 32,
    },
}  # fmt: skip
"""What differs from the paper's network. `lite` has a pretrained image encoder, and narrower layers behind it."""


class Codes(NamedTuple):
    """f_C [B, category], f_S [B, shape], f_A [B, albedo] of B objects."""

    category: Tensor
    shape: Tensor
    albedo: Tensor

    def mapped(self, function: Callable[[Tensor], Tensor]) -> Codes:
        """The codes with a function applied to each."""
        return Codes(*(function(code) for code in self))


class ImageGuess(NamedTuple):
    """What the image encoder E says: codes, the projection standardised [B, 12], and gamma of equation (3) [B, 3, 9]."""

    codes: Codes
    camera: Tensor
    light: Tensor


def joined(layer: nn.Linear, parts: tuple[Tensor, ...]) -> Tensor:
    """layer(concatenation of the parts), where parts [B, n] stand for every point and those [B, N, n] for their own. [B, N, out]"""
    weights = layer.weight.split([part.shape[-1] for part in parts], 1)
    shares = [(part, F.linear(part, weight)) for part, weight in zip(parts, weights, strict=True)]
    # Small sums first: those over all points are as large as the layer's output.
    once = layer.bias + sum(share for part, share in shares if part.ndim == 2)
    # In the shares' own precision: a sum with the bias would be single precision, of every point.
    return sum((share for part, share in shares if part.ndim == 3), once[:, None].to(shares[-1][1].dtype))


class ShapeDecoder(nn.Module):
    """D_S of Figure 3 (a). Codes of B shapes and points [B, N, 3] -> occupancy of each branch in 0..1, [B, N, k]."""

    def __init__(self, config: JOFConfig):
        super().__init__()
        first, second = config.shape_widths
        self.sd_fc1 = nn.Linear(config.category + 3 + config.shape, first)
        self.sd_fc2 = nn.Linear(first, second)
        self.sd_fc3 = nn.Linear(second, config.branches)

    def forward(self, codes: Codes, points: Tensor) -> Tensor:
        x = F.leaky_relu(joined(self.sd_fc1, (codes.category, points, codes.shape)), SLOPE)
        x = F.leaky_relu(self.sd_fc2(x), SLOPE)
        return torch.sigmoid(self.sd_fc3(x))


class AlbedoDecoder(nn.Module):
    """D_A of Figure 3 (b). Codes of B shapes and points [B, N, 3] -> albedo of each branch in -1..1, [B, N, k, 3]."""

    ad_fc1: nn.Linear

    def __init__(self, config: JOFConfig):
        super().__init__()
        widths = (config.category + 3 + config.shape + config.albedo, *config.albedo_widths, 3 * config.branches)
        self.layers = len(widths) - 1
        for place, (before, after) in enumerate(zip(widths, widths[1:], strict=False), 1):
            setattr(self, f"ad_fc{place}", nn.Linear(before, after))

    def forward(self, codes: Codes, points: Tensor) -> Tensor:
        x = F.leaky_relu(joined(self.ad_fc1, (codes.category, points, codes.shape, codes.albedo)), SLOPE)
        for place in range(2, self.layers):
            x = F.leaky_relu(getattr(self, f"ad_fc{place}")(x), SLOPE)
        return torch.tanh(getattr(self, f"ad_fc{self.layers}")(x)).unflatten(-1, (-1, 3))


def linear(before: int, after: int) -> nn.Linear:
    """A linear layer, also from or to a code of no length (Table 2), of whose empty weights the framework would warn."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Initializing zero-element tensors")
        return nn.Linear(before, after)


class VoxelEncoder(nn.Module):
    """E' of Figure 5. Coloured volumes [B, 3, 64, 64, 64] -> codes, and logits of the categories [B, classes + 1]."""

    def __init__(self, config: JOFConfig):
        super().__init__()
        self.lengths, self.normalised = (config.category, config.albedo, config.shape), config.normalised
        c1, c2, c3, c4 = config.voxel_widths
        self.conv_1 = nn.Conv3d(3, c1, 4, stride=2, padding=1, bias=False)
        self.conv_2 = nn.Conv3d(c1, c2, 4, stride=2, padding=1, bias=False)
        self.conv_3 = nn.Conv3d(c2, c3, 4, stride=2, padding=1, bias=False)
        self.conv_4 = nn.Conv3d(c3, c4, 4, stride=2, padding=1, bias=False)
        self.conv_5 = nn.Conv3d(c4, sum(self.lengths), 4)
        self.linear = linear(config.category, config.logits)

    def forward(self, volumes: Tensor) -> tuple[Codes, Tensor]:
        check_shape(volumes, f"B 3 {CELLS} {CELLS} {CELLS}", "coloured volumes")
        x = volumes
        for layer in (self.conv_1, self.conv_2, self.conv_3, self.conv_4):
            x = F.leaky_relu(F.instance_norm(layer(x)), SLOPE)
        category, albedo, shape = self.conv_5(x).flatten(1).split(self.lengths, 1)
        codes = Codes(category, shape, albedo)
        codes = codes.mapped(lambda code: F.normalize(code, dim=1)) if self.normalised else codes
        return codes, self.linear(codes.category)


class Latents(nn.Module):
    """Free codes of the training shapes: the auto-decoder that the public training uses in place of E'. Places [B] -> codes, logits."""

    c_latent: nn.Parameter
    a_latent: nn.Parameter
    s_latent: nn.Parameter

    def __init__(self, config: JOFConfig):
        super().__init__()
        for name, length in (("c_latent", config.category), ("a_latent", config.albedo), ("s_latent", config.shape)):
            setattr(self, name, nn.Parameter(torch.zeros(config.shapes, length)))
        self.linear = linear(config.category, config.logits)

    def forward(self, places: Tensor) -> tuple[Codes, Tensor]:
        codes = Codes(self.c_latent[places], self.s_latent[places], self.a_latent[places])
        return codes, self.linear(codes.category)


class ImageEncoder(nn.Module):
    """E of Figure 2. Images [B, 3, 128, 128], standardised as ImageNet's -> ImageGuess, and maps of local features for equation (7)."""

    features: PublishedFeatures | ResNet

    def __init__(self, config: JOFConfig):
        super().__init__()
        width, published = config.image_widths[-1], config.backbone != RESNET
        self.features = PublishedFeatures(width, config.groups, config.rank) if published else ResNet(config.image_widths, config.groups)
        heads = {"class": config.category, "albedo": config.albedo, "shape": config.shape, "cam": CAMERA, "light": LIGHT}
        for name, length in heads.items():
            setattr(self, f"fc_{name}1", nn.Linear(width, width))
            setattr(self, f"fc_{name}2", linear(width, length))

    def forward(self, images: Tensor) -> tuple[ImageGuess, list[Tensor]]:
        check_shape(images, f"B 3 {IMAGE} {IMAGE}", "images")
        maps, pooled = self.features(images)

        def head(name: str) -> Tensor:
            return getattr(self, f"fc_{name}2")(F.relu(getattr(self, f"fc_{name}1")(pooled)))

        codes = Codes(head("class"), head("shape"), head("albedo"))
        return ImageGuess(codes, head("cam"), head("light").unflatten(1, (3, 9))), maps


class JOF(nn.Module):
    """The parts that the configuration names, each under its name: encoder, latents, shape, albedo, image."""

    encoder: VoxelEncoder
    latents: Latents
    shape: ShapeDecoder
    albedo: AlbedoDecoder
    image: ImageEncoder

    def __init__(self, config: JOFConfig):
        super().__init__()
        self.config = config
        kinds = {"encoder": VoxelEncoder, "latents": Latents, "shape": ShapeDecoder, "albedo": AlbedoDecoder, "image": ImageEncoder}
        for part in PARTS:
            if part in config.parts:
                setattr(self, part, kinds[part](config))

    def need(self, *parts: str, purpose: str) -> None:
        """Raise UsageError where one of the parts is not there."""
        missing = [part for part in parts if part not in self.config.parts]
        if missing:
            raise UsageError(f"{purpose} needs the {' and the '.join(missing)} of jof, which these weights lack.",
                             actual=f"parts {', '.join(self.config.parts)}")  # fmt: skip

    def branches(self, codes: Codes, points: Tensor) -> Tensor:
        """Occupancy of each branch at points [B, N, 3]: [B, N, k]."""
        check_shape(points, "B N 3", "points", {"B": len(codes.shape)})
        return self.shape(codes, points)

    def occupancy(self, codes: Codes, points: Tensor) -> Tensor:
        """o, the largest of the branches: [B, N] in 0..1."""
        return self.branches(codes, points).amax(-1)

    def winners(self, codes: Codes, points: Tensor) -> Tensor:
        """idx, the segment that each point belongs to: [B, N] int64."""
        return self.branches(codes, points).argmax(-1)

    def colours(self, codes: Codes, points: Tensor, winners: Tensor | None = None) -> Tensor:
        """c_idx, the albedo of the winning branch: [B, N, 3] in -1..1. winners [B, N]: known already."""
        chosen = self.winners(codes, points) if winners is None else winners
        every = self.albedo(codes, points)  # [B, N, k, 3]
        return every.gather(2, chosen[..., None, None].expand(-1, -1, 1, 3))[:, :, 0]


def projection_of(guess: Tensor, config: JOFConfig) -> Tensor:
    """Standardised projections [B, 12] as matrices [B, 3, 4] from points of [-1, 1]^3 to pixels of 128 x 128."""
    return (guess * guess.new_tensor(config.camera_std) + guess.new_tensor(config.camera_mean)).unflatten(-1, (3, 4))


def standardised(projection: Tensor, config: JOFConfig) -> Tensor:
    """The inverse of `projection_of`: [B, 3, 4] -> [B, 12]."""
    return (projection.flatten(-2) - projection.new_tensor(config.camera_mean)) / projection.new_tensor(config.camera_std)


def initialise(network: JOF) -> None:
    """Draw weights afresh: Kaiming's law where a rectifier follows, Xavier's for free codes (as the public training), biases 0."""
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Conv3d, nn.Linear)):
            if module.weight.numel():
                nn.init.kaiming_normal_(module.weight, a=SLOPE)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, Latents):
            for name in ("c_latent", "a_latent", "s_latent"):
                if getattr(module, name).numel():
                    nn.init.xavier_normal_(getattr(module, name))
    with torch.no_grad():
        for name, module in network.named_modules():
            # Heads begin small: decided and wrong guesses of sigmoid and tanh are slow to unlearn, as is a camera far off the mean.
            last = name in ("shape.sd_fc3", f"albedo.ad_fc{len(network.config.albedo_widths) + 1}", "encoder.conv_5")
            if last or (name.startswith("image.fc_") and name.endswith("2")):
                module.weight.mul_(0.1)
        if "image" in network.config.parts:
            # White light of strength 1: the constant harmonic is 1 / sqrt(4 pi).
            network.image.get_parameter("fc_light2.bias").view(3, 9)[:, 0] = (4 * torch.pi) ** 0.5


def build(config: JOFConfig) -> JOF:
    """A freshly initialised network."""
    network = JOF(config)
    initialise(network)
    return network
