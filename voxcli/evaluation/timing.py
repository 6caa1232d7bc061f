"""What a network costs: its parameters, and how long its passes take on this machine. There is no data and no truth."""

from __future__ import annotations

import platform
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from voxcli import config
from voxcli.backend import pick_device, pick_dtype
from voxcli.errors import UsageError
from voxcli.metrics.base import Metric, MetricOptions
from voxcli.metrics.records import Names, Record, make_record
from voxcli.models.pix2vox.folded import Folded
from voxcli.models.pix2vox.losses import cross_entropy
from voxcli.models.pix2vox.network import PRESETS, Pix2VoxConfig, build
from voxcli.models.pix2vox.sizes import CELLS, IMAGE
from voxcli.models.weights import load_weights
from voxcli.options import option

if TYPE_CHECKING:
    from typing_extensions import Unpack

WARM_UP = 3
"""Passes before those that are timed."""

NAMES = tuple(name for name in PRESETS if name.startswith("pix2vox"))


@dataclass(frozen=True)
class CostOptions(MetricOptions):
    """What of a network is measured."""

    of: str = option("parameters", "parameters: millions; else a pass: ms.", choices=("parameters", "forward", "backward"))
    views: int = option(1, "Views of the one object.", within="[1, inf)")
    rounds: int = option(20, "Passes that are timed; the value is their median.", within="[1, inf)")


class Cost(Metric[CostOptions, None]):
    """A number of a network itself. Only protocols name it: there are no files to compare."""

    name = "cost"
    summary = "Parameters and times of a network."
    help = ""
    options = CostOptions
    compares = ""
    better = "lower"
    perfect = 0.0

    def read(self, path: str, options: CostOptions, format: str | None = None) -> None:
        """Nothing is read: raises UsageError."""
        raise UsageError("Costs are measured of a model, not of predictions.", expected="-m MODEL or --weights FILE", actual=path)

    def score(self, pred: None, gt: None, options: CostOptions, /, **names: Unpack[Names]) -> Record:
        """Nothing is compared: raises UsageError."""
        raise UsageError("Costs are measured of a model, not of predictions.", expected="-m MODEL or --weights FILE")

    def suffixes(self) -> list[str]:
        """None."""
        return []


COST = Cost()


def check_timed(name: str) -> None:
    """Raise UsageError for a model whose passes are not timed."""
    if name not in NAMES:
        raise UsageError(f"The passes of {name} are not timed.", expected=" or ".join(NAMES))


class Passes:
    """The passes of Pix2Vox over one object. Reading, preparing and writing are left out, as in section 4.7.

    Without weights the network is the paper's, with random ones: the time of a pass does not depend on them. Raises UsageError for
    another model.
    """

    def __init__(self, name: str, weights: str | None, device: str = "auto", dtype: str = "auto"):
        check_timed(name)
        chosen = PRESETS[name] if weights is None else config.from_mapping(Pix2VoxConfig, load_weights(weights).config, weights)
        self.name, self.device = name, pick_device(device)
        self.dtype = pick_dtype(dtype, self.device)
        torch.manual_seed(0)
        self.network = build(chosen).to(self.device)

    def record(self, options: CostOptions) -> Record:
        """One number: millions of parameters, or the median milliseconds of a pass, with the fastest and the slowest in its parts."""
        params = {**options.params(), "model": self.name}
        if options.of == "parameters":
            return make_record(COST.name, sum(p.numel() for p in self.network.parameters()) / 1e6, params=params)
        forward = options.of == "forward"
        seconds = (self.forward if forward else self.backward)(options.views, options.rounds)
        params |= {"device": device_name(self.device), "dtype": str(self.dtype if forward else torch.float32).removeprefix("torch."),
                   "objects": 1, "warm_up": WARM_UP}  # fmt: skip
        parts = {"fastest": 1e3 * min(seconds), "slowest": 1e3 * max(seconds)}
        return make_record(COST.name, 1e3 * statistics.median(seconds), parts=parts, params=params)

    def forward(self, views: int, rounds: int) -> list[float]:
        """Seconds from the views of one object on the device to its volume, as `predict` computes it."""
        folded, images = Folded(self.network.eval(), self.device, self.dtype).eval(), self._images(views)
        with torch.inference_mode():
            return self._timed(lambda: images, lambda given: folded(given), rounds)

    def backward(self, views: int, rounds: int) -> list[float]:
        """Seconds from the losses, equation (3) of the fused volume and of the refined one, to the gradients of all but the trunk, in
        float32. The pass forward that comes before is not counted."""
        network, images = self.network.train(), self._images(views)
        for key, parameter in network.named_parameters():
            parameter.requires_grad_(not key.startswith("encoder.vgg."))
        truth = torch.zeros((1, CELLS, CELLS, CELLS), dtype=torch.bool, device=self.device)

        def loss() -> Tensor:
            fused = network.fused(*network.coarse(images))
            whole = cross_entropy(fused, truth)
            return whole + cross_entropy(network.refined(fused), truth) if network.config.refiner else whole

        return self._timed(loss, lambda made: made.backward(), rounds)

    def _images(self, views: int) -> Tensor:
        return torch.rand((1, views, 3, IMAGE, IMAGE), device=self.device) * 2 - 1

    def _timed(self, before: Callable[[], Tensor], counted: Callable[[Tensor], Tensor | None], rounds: int) -> list[float]:
        """Seconds of `counted` alone, in each round after those that warm up."""
        found = []
        for _ in range(WARM_UP + rounds):
            given = before()
            self._wait()
            start = perf_counter()
            counted(given)
            self._wait()
            found.append(perf_counter() - start)
        return found[WARM_UP:]

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def device_name(device: torch.device) -> str:
    """What a device calls itself; of a processor with the number of threads that compute.

    >>> "thread" in device_name(torch.device("cpu"))
    True
    """
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    listed = Path("/proc/cpuinfo")
    lines = listed.read_text(encoding="utf-8").splitlines() if listed.is_file() else []
    named = next((line.partition(":")[2] for line in lines if line.startswith("model name")), "")
    words = " ".join((named or platform.processor() or platform.machine()).split())
    threads = torch.get_num_threads()
    return f"{words}, {threads} {'thread' if threads == 1 else 'threads'}"
