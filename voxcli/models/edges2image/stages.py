"""What a training of edges2image does: any folder of pictures, their edges in, themselves out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from voxcli import config as configuration
from voxcli.config import Value
from voxcli.datasets.image_folder import ImageFolder
from voxcli.errors import UsageError
from voxcli.models.edges2image.edges import EdgeSettings, find_edges
from voxcli.models.edges2image.losses import feature_loss, verdict_loss
from voxcli.models.edges2image.network import Edges2ImageConfig, Generator, build
from voxcli.training.freezing import parameters_frozen
from voxcli.training.stage import Augmentation, Stage
from voxcli.training.task import Context, Draws, Task, TensorBatch, Terms

TERMS = {"generator": ("l1",), "adversarial": ("adversarial", "features", "l1", "discriminator")}
"""Loss terms by step. pix2pixHD weighs `adversarial` 1, `features` 10 and has no `l1`; `discriminator` is 1 unless named."""

LARGEST_ZOOM = 1.25
"""In training, pictures are enlarged by up to this much before a square is cut out (ours)."""

Prepared = tuple[np.ndarray, np.ndarray, str]


@dataclass(frozen=True)
class DataSettings:
    """The recipe's `dataset`. size: pixels of the squares that are cut out of the pictures. edges: how their contours are found."""

    size: int = 128
    edges: EdgeSettings = EdgeSettings()


@dataclass(frozen=True)
class EdgeFolder:
    """Pictures, and how squares and edges are made of them."""

    pictures: ImageFolder
    settings: DataSettings

    def __len__(self) -> int:
        return len(self.pictures)

    def name(self, index: int) -> str:
        """Folder and relative path."""
        return self.pictures.name(index)


@dataclass(frozen=True)
class EdgeBatch(TensorBatch):
    """edges [B, 1, H, W] float32, 0 or 1; images [B, 3, H, W] float32 in -1..1; names for messages."""

    edges: Tensor
    images: Tensor
    names: list[str]


@dataclass(frozen=True)
class SquareReader:
    """(edges bool [S, S], image uint8 [S, S, 3], name): the middle square, or a random one of a random size where numbers are given."""

    data: EdgeFolder
    flip: bool

    def __call__(self, index: int, draws: Draws | None) -> Prepared:
        settings = self.data.settings
        image = cut_square(self.data.pictures[index], settings.size, None if draws is None else draws.own)
        if draws is not None and draws.own.random() < 0.5 and self.flip:
            image = np.ascontiguousarray(image[:, ::-1])
        return find_edges(image, settings.edges), image, self.data.name(index)


def cut_square(image: np.ndarray, size: int, rng: np.random.Generator | None) -> np.ndarray:
    """uint8 [H, W, 3] -> [size, size, 3]: the shorter side fills the square, or more of it by a random zoom; the place is the middle, or
    random."""
    from PIL import Image

    zoom, x, y = (1.0, 0.5, 0.5) if rng is None else (rng.uniform(1, LARGEST_ZOOM), rng.random(), rng.random())
    height, width = image.shape[:2]
    side = min(height, width) / zoom
    left, top = x * (width - side), y * (height - side)
    box = (left, top, left + side, top + side)
    return np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BICUBIC, box=box))


def generator_step(network: Generator, batch: EdgeBatch, context: Context[EdgeFolder]) -> Terms:
    """L1 alone (ours): a quick start, and blurred."""
    return {"l1": context.stage.losses.get("l1", 1.0) * (network(batch.edges).float() - batch.images).abs().mean()}


def adversarial_step(network: Generator, batch: EdgeBatch, context: Context[EdgeFolder]) -> Iterator[Terms]:
    """The discriminators with the generator held still, then the generator with the discriminators held still."""
    losses, discriminator = context.stage.losses, network.discriminator
    assert discriminator is not None
    made = network(batch.edges)
    real, fake = discriminator(batch.edges, batch.images), discriminator(batch.edges, made.detach())
    yield {"discriminator": losses.get("discriminator", 1.0) * 0.5 * (verdict_loss(real, 1) + verdict_loss(fake, 0))}
    with parameters_frozen(discriminator):
        verdict = discriminator(batch.edges, made)
        with torch.no_grad():
            real = discriminator(batch.edges, batch.images)
    l1 = (made.float() - batch.images).abs().mean()
    terms = {"adversarial": verdict_loss(verdict, 1), "features": feature_loss(verdict, real), "l1": l1}
    yield {name: losses.get(name, 0.0) * term for name, term in terms.items()}


class Edges2ImageTask(Task[Generator, Edges2ImageConfig, EdgeFolder, Prepared, EdgeBatch]):
    """The generator alone, or with its discriminators."""

    steps = {"generator": generator_step, "adversarial": adversarial_step}
    build = staticmethod(build)

    def open_data(self, sources: Sequence[str | Path], options: Mapping[str, Value]) -> EdgeFolder:
        """Folders of pictures, searched in depth."""
        return EdgeFolder(ImageFolder(sources), configuration.from_mapping(DataSettings, options, "dataset"))

    def configure(self, options: Mapping[str, Value], data: EdgeFolder) -> Edges2ImageConfig:
        """The recipe's `network`; its edges are those of the data."""
        if "edges" in options:
            raise UsageError("network.edges follows from the data.", hint="Set dataset.edges in the recipe.")
        return replace(configuration.from_mapping(Edges2ImageConfig, options, "network"), edges=data.settings.edges)

    def check_stage(self, stage: Stage, config: Edges2ImageConfig, data: EdgeFolder) -> None:
        """Refuse unknown terms and settings, scales, squares that the network cannot halve, and adversaries that are not there."""
        stage.check_losses(TERMS[stage.step])
        stage.check_no_options("The steps of edges2image have no settings.")
        stage.check_one_scale("edges2image")
        if data.settings.size % 2**config.downs or data.settings.size < 2 ** (config.downs + 1):
            raise UsageError(f"dataset.size must halve {config.downs} times and leave two cells.", actual=data.settings.size)
        if stage.step == "adversarial" and config.discriminator is None:
            raise UsageError("An adversarial stage needs a discriminator.", hint="Add to the recipe: network: {discriminator: {}}")

    def reader(self, data: EdgeFolder, stage: Stage, augmentation: Augmentation) -> SquareReader:
        """Squares with their edges. Of the augmentation only `flip` is known: colours are what the network shall learn."""
        given = replace(augmentation, flip=False)
        if given != Augmentation():
            raise UsageError("edges2image knows the augmentation `flip` alone.", actual=given)
        return SquareReader(data, augmentation.flip)

    def collate(self, samples: list[Prepared]) -> EdgeBatch:
        """Stack samples into tensors."""
        edges, images, names = zip(*samples, strict=True)
        pictures = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 127.5 - 1
        return EdgeBatch(torch.from_numpy(np.stack(edges))[:, None].float(), pictures, list(names))

    @torch.no_grad()
    def tally(self, network: Generator, batch: EdgeBatch, context: Context[EdgeFolder]) -> Tensor:
        """(sum over the images of the mean |made - real| in 0..2, images)."""
        apart = (network(batch.edges).float() - batch.images).abs().mean((1, 2, 3))
        return torch.stack([apart.sum(), torch.tensor(float(len(apart)), device=apart.device)])

    def summary(self, total: Tensor, context: Context[EdgeFolder]) -> tuple[float, dict[str, Value]]:
        """How far images are from the pictures whose edges were given, in 0..1. It says little of how real they look."""
        l1 = float(total[0] / total[1]) / 2
        return -l1, {"l1": l1}

    @torch.no_grad()
    def preview(self, network: Generator, batches: Iterable[EdgeBatch], context: Context[EdgeFolder]) -> np.ndarray:
        """One row a picture: edges, what the network makes of them, the picture. uint8 [H, W, 3]."""
        rows = []
        for batch in batches:
            shown = torch.cat([1 - 2 * batch.edges.expand(-1, 3, -1, -1), network(batch.edges).float(), batch.images], 3)[0]
            rows.append(((shown + 1) * 127.5).round().clamp(0, 255).byte().permute(1, 2, 0).cpu().numpy())
        return np.concatenate(rows)

    def weight_facts(self, data: EdgeFolder) -> dict[str, Value]:
        """The size of the squares that the network has seen."""
        return {"size": data.settings.size}


TASK = Edges2ImageTask()
