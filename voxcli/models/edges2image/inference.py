"""edges2image at work: a rendered picture in, a picture with the same contours out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from voxcli import backend, config
from voxcli.errors import FileFormatError
from voxcli.models.edges2image.edges import find_edges
from voxcli.models.edges2image.network import Edges2ImageConfig, Generator
from voxcli.models.weights import Weights, load_weights


@dataclass(frozen=True)
class Translator:
    """A trained generator, in evaluation mode."""

    network: Generator
    device: torch.device


def load_translator(weights: str | Path | Weights, device: str = "auto") -> Translator:
    """A translator from a weights file or weights in memory. Raises FileFormatError for weights of another model."""
    weights = weights if isinstance(weights, Weights) else load_weights(weights)
    if weights.model != "edges2image":
        raise FileFormatError("These weights are of another model.", expected="edges2image", actual=weights.model)
    where = backend.pick_device(device)
    settings = replace(config.from_mapping(Edges2ImageConfig, weights.config, "the weights' configuration"), discriminator=None)
    network = Generator(settings)
    try:
        network.load_state_dict({k: t for k, t in weights.tensors.items() if not k.startswith("discriminator.")})
    except RuntimeError as error:
        raise FileFormatError("The weights do not fit their own configuration.", actual=str(error)[:300]) from error
    return Translator(network.eval().requires_grad_(False).to(where), where)


def translate(translator: Translator, image: np.ndarray) -> np.ndarray:
    """The picture that the network makes of the edges of an image: uint8 [H, W, 3] -> uint8 [H, W, 3], the same for the same image."""
    edges = torch.from_numpy(find_edges(image, translator.network.config.edges)).to(translator.device)
    with torch.inference_mode():
        made = translator.network(edges[None, None].float())[0]
    return ((made + 1) * 127.5).round().clamp(0, 255).byte().permute(1, 2, 0).cpu().numpy()
