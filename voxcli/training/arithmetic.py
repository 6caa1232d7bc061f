"""How a step is computed: precision, memory format, compilation, and the statistics of a batch that several processes share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn

from voxcli.errors import UsageError
from voxcli.training.parallel import Processes
from voxcli.training.recipe import Computation
from voxcli.training.statistics import GlobalStatistics

DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}


class Arithmetic:
    """The choices of a recipe's `computation` at work on one network."""

    def __init__(self, how: Computation, network: nn.Module, processes: Processes):
        self.how, self.processes, self.device = how, processes, processes.device
        if how.precision == "float16" and self.device.type != "cuda":
            raise UsageError("float16 training needs CUDA.", actual=f"device {self.device}", hint="Use bfloat16 or float32 here.")
        self.shared = processes.count > 1 and how.statistics == "global"
        self.exact = processes.count == 1 and how.statistics == "global" and not how.compile
        if how.compile and self.shared:
            raise UsageError("A compiled network takes batch statistics within each process.", actual=f"{processes.count} processes",
                             hint="Set computation.statistics to local, or compile to false.")  # fmt: skip
        if how.channels_last:
            _channels_last(network)
        # Compiled for each shape: a training has few, and kernels for any shape cost speed (and the compiler, at times, its way).
        self.network: Callable[..., Tensor] = torch.compile(network, dynamic=False) if how.compile else network
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=how.precision == "float16")

    @property
    def add(self) -> Callable[[Tensor], Tensor] | None:
        """The sum over the processes, for loss terms that are no means over samples; None where each process stands alone."""
        return self.processes.add if self.shared else None

    @contextmanager
    def forward(self, training: bool = True) -> Iterator[None]:
        """Around forward passes and losses."""
        with ExitStack() as stack:
            if self.how.precision != "float32":
                stack.enter_context(torch.autocast(self.device.type, DTYPES[self.how.precision]))
            if training and (self.shared or self.exact):
                stack.enter_context(GlobalStatistics(self.processes))
            stack.enter_context(self._compiling())
            yield

    @contextmanager
    def _compiling(self) -> Iterator[None]:
        """A network is compiled at its first forward and its first backward pass, whose failure is a page long."""
        try:
            yield
        except Exception as error:
            if self.how.compile and type(error).__module__.startswith(("torch._inductor", "torch._dynamo")):
                raise UsageError(
                    "torch.compile cannot compile this network here.", actual=type(error).__name__,
                    hint="Set computation.compile to false, or look at the compiler with VOXCLI_DEBUG=1.",
                ) from error  # fmt: skip
            raise

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of a loss, scaled where float16 would lose small ones."""
        with self._compiling():
            torch.autograd.backward(self.scaler.scale(loss))

    def finish(self, optimiser: torch.optim.Optimizer, parameters: Iterable[Tensor], clip: float | None) -> float:
        """Clip to the norm `clip` and step; gradients are the whole batch's already. Returns the gradient's norm before clipping.

        A norm that is not finite leaves the weights as they are: with float16 that is the scaler's to repair, otherwise the caller's
        to report.
        """
        self.scaler.unscale_(optimiser)
        gradients = [p.grad for p in parameters if p.grad is not None]
        norm = float(nn.utils.clip_grad_norm_(parameters, clip or float("inf")))
        if gradients and (norm == norm and norm != float("inf") or self.scaler.is_enabled()):
            self.scaler.step(optimiser)
        self.scaler.update()
        return norm

    def state(self) -> dict[str, float]:
        """The scaler's state; empty without one."""
        return self.scaler.state_dict()

    def restore(self, state: dict[str, float]) -> None:
        """The inverse of state."""
        if state and self.scaler.is_enabled():
            self.scaler.load_state_dict(state)


def _channels_last(network: nn.Module) -> None:
    formats = {4: torch.channels_last, 5: torch.channels_last_3d}
    for parameter in network.parameters():
        if parameter.ndim in formats:
            parameter.data = parameter.data.contiguous(memory_format=formats[parameter.ndim])
