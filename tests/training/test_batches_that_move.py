"""What all batches do: their tensors go to a device together."""

from dataclasses import dataclass

import torch
from torch import Tensor

from voxcli.training.task import TensorBatch


@dataclass(frozen=True)
class Batch(TensorBatch):
    images: Tensor
    labels: dict[int, Tensor]
    pixels: Tensor | None
    names: list[str]


def test_tensors_and_tensors_by_key_move_and_all_else_stays():
    batch = Batch(torch.ones(2, 3), {1: torch.ones(4), 4: torch.ones(5)}, None, ["a", "b"])
    moved = batch.to(torch.device("meta"))
    assert type(moved) is Batch
    assert moved.images.device.type == "meta" and moved.images.shape == (2, 3)
    assert {key: (part.device.type, len(part)) for key, part in moved.labels.items()} == {1: ("meta", 4), 4: ("meta", 5)}
    assert moved.pixels is None and moved.names == ["a", "b"]
    assert batch.to(torch.device("cpu")) is batch
