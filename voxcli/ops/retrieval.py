"""Retrieval as a baseline of reconstruction: of all training objects, the one whose pictures look most alike is the answer.

Tatarchenko et al., "What Do Single-view 3D Reconstruction Networks Learn?", CVPR 2019, found that networks of the time did no better: they
recognised. What is compared here are features of EfficientNet-Lite0, of the object cut out before an even grey.

The features were chosen by 70 unseen objects of `synth objects` and 490 to choose from, of six pictures each: mean IoU in per cent of the
nearest one's voxels, from one view and from four. The object whose voxels are in truth most alike has 66, one at random 11.

| features | one view | four views |
|---|---|---|
| the map at 1/16, in 4 x 4 parts | 47.1 | 47.7 |
| the map at 1/32 | 46.2 | 47.7 |
| the mean of the map at 1/32 | 44.8 | 48.9 |
| means and spreads of the maps at 1/8, 1/16 and 1/32 | 44.0 | 46.2 |
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from voxcli.errors import DataError, UsageError
from voxcli.models.blocks.efficientnet import EfficientNetLite0, load_imagenet
from voxcli.models.weights import find_weights
from voxcli.ops.cutting import MARGIN
from voxcli.shapes import check_shape

SIDE = 128
"""Pixels a side of what the encoder sees."""

BACKGROUND = 240
"""Grey behind the object, 0 to 255."""

FALLBACK = "rays"
"""Shipped weights whose encoder serves where the package with the ImageNet weights is not installed."""

PARTS = 4
"""Along each axis of the picture, of which the features are."""

Features = Callable[[np.ndarray], Tensor]
"""Pictures [n, H, W, 4] uint8 RGBA with straight alpha -> what they are compared by, float32 [n, C]."""


class MultiViewObjects(Protocol):
    """Objects with several pictures each, such as R2N2Folder and DISNFolder."""

    def __len__(self) -> int: ...

    def view_count(self, index: int) -> int:
        """How many pictures an object has."""
        ...

    def images(self, index: int, views: Sequence[int]) -> np.ndarray:
        """Some of its pictures, uint8 [n, H, W, 4]."""
        ...


class Encoder(NamedTuple):
    """network, and whose weights it has: `ImageNet`, or those of FALLBACK. A call gives the features of pictures."""

    network: EfficientNetLite0
    source: str

    def __call__(self, images: np.ndarray) -> Tensor:
        """The map at 1/16 of the pictures' size, its means over 4 x 4 parts: [n, H, W, 4] uint8 -> float32 [n, 1792]."""
        pictures = torch.from_numpy(np.stack([framed(rgba) for rgba in images]))
        with torch.inference_mode():
            sixteenth = self.network(pictures.permute(0, 3, 1, 2).float() / 255)[-2]
            return F.adaptive_avg_pool2d(sixteenth, PARTS).flatten(1)


def load_encoder() -> Encoder:
    """EfficientNet-Lite0 as ImageNet left it; without the package of its weights, as the shipped network of rays has it."""
    network, source = EfficientNetLite0(), "ImageNet"
    try:
        load_imagenet(network, True)
    except UsageError:
        load_imagenet(network, str(find_weights(FALLBACK)))
        source = FALLBACK
    return Encoder(network.eval().requires_grad_(False), source)


def framed(rgba: np.ndarray) -> np.ndarray:
    """The square around what alpha shows, [H, W, 4] uint8 -> [SIDE, SIDE, 3] uint8 before an even grey. A picture that is transparent
    everywhere is all grey."""
    from PIL import Image

    rows, columns = (np.flatnonzero(rgba[..., 3].any(axis)) for axis in (1, 0))
    if not len(rows):
        return np.full((SIDE, SIDE, 3), BACKGROUND, np.uint8)
    low, high = np.array([columns[0], rows[0]]), np.array([columns[-1], rows[-1]]) + 1
    half = max(1, round(float((high - low).max()) * MARGIN / 2))
    left, top = ((low + high) // 2 - half).tolist()
    cut = Image.fromarray(rgba).crop((left, top, left + 2 * half, top + 2 * half))  # transparent beyond the picture
    small = cut.resize((SIDE, SIDE), Image.Resampling.BILINEAR)  # by premultiplied colours
    grey = Image.new("RGBA", small.size, (BACKGROUND,) * 3 + (255,))
    return np.asarray(Image.alpha_composite(grey, small).convert("RGB"))


@dataclass(frozen=True)
class Gallery:
    """Training objects by features of their pictures. features [P, C] of all pictures; owners int64 [P]: which object each shows, 0 to
    count - 1, none without a picture. Raises DataError where there is no picture.

    >>> gallery = Gallery(torch.tensor([[0.0, 0], [4, 0], [0, 9]]), torch.tensor([0, 0, 1]))
    >>> gallery.nearest(torch.tensor([[3.5, 1.0]])), gallery.nearest(torch.tensor([[1.0, 8.0]]))
    (0, 1)
    """

    features: Tensor
    owners: Tensor

    def __post_init__(self) -> None:
        check_shape(self.features, "P C", "features")
        check_shape(self.owners, "P", "owners", {"P": len(self.features)})
        if not len(self.features):
            raise DataError("There are no training objects to choose from.")

    @property
    def scale(self) -> Tensor:
        """The spread of each feature over the pictures [C]: features of any scale count alike. Infinite for one that does not vary."""
        spread = self.features.std(0, correction=0)
        return spread.masked_fill(spread <= 1e-6 * self.features.abs().amax(0), torch.inf)

    def distances(self, views: Tensor) -> Tensor:
        """From pictures, given as features [V, C], to the nearest picture of each object: mean of squared differences of features in
        units of their spread, [V, objects]."""
        check_shape(views, f"V {self.features.shape[1]}", "features of the pictures")
        apart = torch.cdist(views / self.scale, self.features / self.scale).square() / self.features.shape[1]
        found = apart.new_full((len(views), int(self.owners.max()) + 1), torch.inf)
        return found.scatter_reduce(1, self.owners.expand_as(apart), apart, "amin")

    def nearest(self, views: Tensor) -> int:
        """The object that is nearest to the pictures of one object [V, C] in the mean over these; of several, the first."""
        return int(self.distances(views).mean(0).argmin())


def gallery_of(features: Features, objects: MultiViewObjects, views: int = 4) -> Gallery:
    """The gallery of all objects of a folder, each by as many of its pictures, spread evenly. The owners are their indices.

    Raises UsageError for less than one picture an object.
    """
    if views < 1:
        raise UsageError("A training object is known by one picture at least.", expected="1 or more", actual=views)
    found, owners = [], []
    for index in range(len(objects)):
        there = objects.view_count(index)
        chosen = [k * there // min(views, there) for k in range(min(views, there))]
        found.append(features(objects.images(index, chosen)))
        owners += [index] * len(chosen)
    if not found:
        raise DataError("There are no training objects to choose from.")
    return Gallery(torch.cat(found), torch.tensor(owners))
