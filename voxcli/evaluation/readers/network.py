"""No data: the one sample is the network itself, whose parameters and times are measured."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from voxcli.errors import UsageError
from voxcli.evaluation.readers.base import Reader, ReaderOptions, Sample

if TYPE_CHECKING:
    from voxcli.metrics.base import Shape
    from voxcli.metrics.iqtt import Answers


class NetworkReader(Reader[ReaderOptions]):
    """The network. It needs no root."""

    tree = "no --data: a network is measured"
    task = "costs"

    def __init__(self, root: Path, options: ReaderOptions):
        super().__init__(root, options)
        self.samples = [Sample("network")]

    def truth(self, index: int, which: str) -> Shape | Answers | Path:
        """There is none: raises UsageError."""
        raise UsageError("A network is measured, not compared with a truth.")
