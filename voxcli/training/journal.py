"""What a run says about itself: log.jsonl always, TensorBoard where it is installed, and whoever listens."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from voxcli.atomic import atomic_write_bytes
from voxcli.errors import UsageError
from voxcli.provenance import Json

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

Record = Mapping[str, Json]
"""One line of the log: `event` and, with most events, `step` and `stage`."""
Listener = Callable[[Record], None]
REPORT_SECONDS = 10.0

REPEATED = ("interrupted", "end", "preparing")
"""Events that a resumed run takes back, or writes again."""


class Journal:
    """Records of one run. Only the first process writes; the others' are dropped."""

    def __init__(self, run: Path, writes: bool, listener: Listener | None):
        self.path, self.writes, self.listener = run / "log.jsonl", writes, listener
        self._board_folder = run / "tensorboard"
        self._board = _tensorboard(self._board_folder) if writes else None

    def resume(self, step: int) -> None:
        """Take back the records of steps that will be done again, and a line that a killed run left unfinished."""
        if not self.writes or not self.path.is_file():
            return
        kept = []
        for line in self.path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                record = json.loads(line)
            except ValueError:
                continue
            if isinstance(record, dict) and record.get("step", 0) <= step and record.get("event") not in REPEATED:
                kept.append(line + "\n")
        atomic_write_bytes(self.path, "".join(kept).encode(), overwrite=True)
        if self._board is not None:
            self._board.close()
            self._board = _tensorboard(self._board_folder, step + 1)

    def write(self, record: Record) -> None:
        """Append one record and tell the listener. Raises UsageError where the log cannot be written."""
        if not self.writes:
            return
        try:
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")
        except OSError as error:
            raise UsageError(
                f"'{self.path}' cannot be written.", actual=os.strerror(error.errno) if error.errno else str(error),
                hint="Is the disk full, or the folder read-only? The checkpoints in it are as they were.",
            ) from error  # fmt: skip
        self._to_board(record)
        if self.listener is not None:
            self.listener(record)

    def picture(self, name: str, image: np.ndarray, step: int) -> None:
        """Show a picture uint8 [H, W, 3] on the board."""
        if self._board is not None:
            self._board.add_image(name, image, step, dataformats="HWC")

    def close(self) -> None:
        """Finish the board's file."""
        if self._board is not None:
            self._board.close()

    def _to_board(self, record: Record) -> None:
        if self._board is None or "step" not in record:
            return
        shares = record.get("iou")
        for prefix, values in (("", record), ("iou/", shares if isinstance(shares, Mapping) else {})):
            for key, value in values.items():
                if key != "step" and isinstance(value, (int, float)):
                    self._board.add_scalar(f"{record['event']}/{prefix}{key}", value, record["step"])


def _tensorboard(folder: Path, forget_from: int | None = None) -> SummaryWriter | None:
    """A writer of TensorBoard's files, which shall show no step from `forget_from` on that another one wrote; None without TensorBoard."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:  # it is optional
        return None
    return SummaryWriter(str(folder), purge_step=forget_from)


class Meter:
    """Means of the step values and the speed since the last record."""

    def __init__(self, stage: str, until: int, every: int | None):
        self.stage, self.until, self.every = stage, until, every
        self.pause()

    def add(self, values: dict[str, float], samples: int) -> None:
        """Count one step."""
        for key, value in values.items():
            self.sums[key] = self.sums.get(key, 0.0) + value
        self.steps += 1
        self.samples += samples

    def due(self) -> bool:
        """True when a record should be written."""
        return self.steps >= self.every if self.every else time.perf_counter() - self.began > REPORT_SECONDS

    def record(self, step: int, rate: float) -> Record:
        """The record of the steps since the last one; counting starts afresh."""
        seconds = time.perf_counter() - self.began
        means = {key: round(value / self.steps, 7) for key, value in self.sums.items()}
        record: Record = {"event": "step", "step": step, "stage": self.stage, "of": self.until, **means, "rate": round(rate, 7),
                  "samples_per_second": round(self.samples / max(seconds, 1e-9), 2)}  # fmt: skip
        self.pause()
        return record

    def pause(self) -> None:
        """Forget the time that something else took."""
        self.sums: dict[str, float] = {}
        self.steps = self.samples = 0
        self.began = time.perf_counter()
