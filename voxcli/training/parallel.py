"""Several processes on one batch, started by torch's own launcher (torchrun sets RANK, WORLD_SIZE and the meeting point)."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

T = TypeVar("T")


class Processes:
    """This process among the others. With one process every method is a plain pass-through."""

    def __init__(self, device: torch.device):
        self.count = int(os.environ.get("WORLD_SIZE", "1"))
        self.rank = int(os.environ.get("RANK", "0"))
        if self.count > 1 and device.type == "cuda" and device.index is None:
            device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
            torch.cuda.set_device(device)
        self.device = device
        self._joined = False
        if self.count > 1 and not dist.is_initialized():
            dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
            self._joined = True

    @property
    def first(self) -> bool:
        """True for the one process that writes and reports."""
        return self.rank == 0

    def part(self, batch: int) -> slice:
        """The samples of a batch that this process reads."""
        size = batch // self.count
        return slice(self.rank * size, (self.rank + 1) * size)

    def average(self, tensors: Iterable[Tensor]) -> None:
        """Replace float tensors by their mean over the processes, in one message."""
        tensors = list(tensors)
        if self.count == 1 or not tensors:
            return
        flat = torch.cat([t.detach().reshape(-1) for t in tensors])
        dist.all_reduce(flat)
        flat /= self.count
        for tensor, values in zip(tensors, torch.split(flat, [t.numel() for t in tensors]), strict=True):
            tensor.detach().copy_(values.reshape(tensor.shape))

    def add(self, tensor: Tensor) -> Tensor:
        """The sum of a tensor over the processes, in place."""
        if self.count > 1:
            dist.all_reduce(tensor)
        return tensor

    def stack(self, tensor: Tensor) -> Tensor:
        """The tensors of all processes [count, ...], in order of rank."""
        if self.count == 1:
            return tensor[None]
        parts = [torch.zeros_like(tensor) for _ in range(self.count)]
        dist.all_gather(parts, tensor.contiguous())
        return torch.stack(parts)

    def collect(self, value: T) -> list[T]:
        """The plain values of all processes, in order of rank."""
        values = [value]
        if self.count > 1:
            values = [value] * self.count
            dist.all_gather_object(values, value)
        return values

    def leave(self) -> None:
        """End the process group, if this object started it."""
        if self._joined:
            dist.destroy_process_group()
            self._joined = False
