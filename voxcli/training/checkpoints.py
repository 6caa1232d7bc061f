"""Checkpoints: everything that a training needs to go on as if it had never stopped."""

from __future__ import annotations

import io
import os
import random
import shutil
import warnings
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import torch
from torch import Tensor

from voxcli import log
from voxcli.atomic import atomic_write_bytes
from voxcli.errors import FileFormatError, UsageError
from voxcli.models.checkpoints import why_refused
from voxcli.provenance import Json

LAST, BEFORE, BEST = "last.pt", "before.pt", "best.pt"


class RandomStates(TypedDict, total=False):
    """The states of all global random generators, as plain types that a weights-only load accepts. cuda: of each device."""

    torch: Tensor
    numpy: list[Any]
    python: list[Any]
    cuda: list[Tensor]


class Change(TypedDict):
    """What a resumed run's recipe had otherwise from a step on: [before, now] of each setting."""

    step: int
    settings: dict[str, list[Json]]


class Best(TypedDict):
    """The best validation so far: number of its stage, score, and step."""

    stage: int
    score: float
    step: int


class State(TypedDict, total=False):
    """All that a training goes on from. `LAYOUT` lists what must be there."""

    recipe: dict[str, Json]
    network_config: dict[str, Json]
    network: dict[str, Tensor]
    average: dict[str, Tensor] | None
    optimiser: dict[str, Any]  # as torch types it
    scaler: dict[str, float]
    constants: dict[str, Tensor] | None
    step: int
    position: int
    changed: list[Change]
    best: Best
    random: RandomStates
    random_of_others: list[RandomStates]


def random_states() -> RandomStates:
    """The states of all global random generators."""
    kind, keys, position, has_gauss, cached = np.random.get_state()  # noqa: NPY002
    version, internal, gauss = random.getstate()
    states: RandomStates = {
        "torch": torch.get_rng_state(),
        "numpy": [str(kind), torch.from_numpy(np.asarray(keys).astype(np.int64)), int(position), int(has_gauss), float(cached)],
        "python": [version, list(internal), gauss],
    }
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state_all()
    return states


def restore_random_states(states: RandomStates) -> None:
    """The inverse of random_states."""
    torch.set_rng_state(states["torch"].cpu())
    kind, keys, position, has_gauss, cached = states["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), position, has_gauss, cached))  # noqa: NPY002
    version, internal, gauss = states["python"]
    random.setstate((version, tuple(internal), gauss))
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state_all([s.cpu() for s in states["cuda"]])


def prepare_folder(run: Path) -> None:
    """Make the run folder, and prove that it can be written."""
    probe = run / f".{os.getpid()}.part"
    try:
        run.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"")
        probe.unlink(missing_ok=True)  # another process of this run may have cleared it away
    except OSError as error:
        raise UsageError(
            f"'{run}' cannot hold a run.", expected="a folder that can be written",
            actual=os.strerror(error.errno) if error.errno else str(error),
        ) from error  # fmt: skip


def clear_folder(run: Path) -> None:
    """Remove what a killed run left half written."""
    if os.environ.get("RANK", "0") == "0":
        for leftover in run.glob(".*.part"):
            leftover.unlink(missing_ok=True)


def save_checkpoint(path: Path, state: State) -> None:
    """Write atomically. `last.pt` keeps its predecessor as `before.pt`, for the day it turns out damaged.

    Raises UsageError where the disk is full or the folder cannot be written; the checkpoints that are there stay as they are.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    if path.name == LAST and path.is_file():
        _keep(path, path.with_name(BEFORE))
    atomic_write_bytes(path, buffer.getvalue(), overwrite=True)


def _keep(path: Path, before: Path) -> None:
    """Give a file a second name that outlives its replacement: no copy, and no moment without the first name."""
    spare = before.with_name(f".{before.name}.{os.getpid()}.part")
    try:
        spare.unlink(missing_ok=True)
        try:
            spare.hardlink_to(path)
        except OSError:  # a file system without hard links
            shutil.copyfile(path, spare)
        os.replace(spare, before)
        spare.unlink(missing_ok=True)  # renaming a name of a file to another of its names does nothing
    except OSError as error:
        raise UsageError(
            f"'{before}' cannot be written.", actual=os.strerror(error.errno) if error.errno else str(error),
            hint=f"Is the disk full, or the folder read-only? '{path}' is as it was.",
        ) from error  # fmt: skip


def load_checkpoint(path: Path) -> State:
    """Load one checkpoint (tensors and plain types only). Raises UsageError where it is not there, FileFormatError where it is damaged."""
    if not path.is_file():
        raise UsageError(f"'{path}' {'is a folder' if path.is_dir() else 'does not exist'}.", expected=_CHECKPOINTS)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of other programs' pickles, and advises to run them
            state: State = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises a dozen kinds here, from zip errors to EOFError
        raise FileFormatError(f"'{path}' is no checkpoint that can be read.", expected=_CHECKPOINTS, actual=why_refused(error),
                              hint=_another(path)) from error  # fmt: skip
    if not isinstance(state, dict) or "step" not in state:
        raise FileFormatError(f"'{path}' is no checkpoint of a training.", expected=_CHECKPOINTS, hint=_another(path))
    return state


_CHECKPOINTS = f"{LAST}, {BEFORE} or {BEST} of a run folder"


def _another(path: Path) -> str:
    """What to do about a checkpoint that cannot be read."""
    others = [other for name in (LAST, BEFORE, BEST) if (other := path.with_name(name)) != path and other.is_file()]
    if path.name in (LAST, BEFORE, BEST) and others:
        return f"Go on from another one: --resume {others[0]}"
    return "Start afresh: --resume never, in another folder."


LAYOUT = ("network_config", "network", "average", "optimiser", "constants", "step", "position", "best", "random")
"""What a training cannot go on without. Later additions have a default and are not listed."""


def check_layout(state: State, what: str) -> None:
    """Raise FileFormatError for a checkpoint of another version of voxcli, which lacks something that a training goes on from."""
    missing = [key for key in LAYOUT if key not in state]
    missing += [f"random.{key}" for key in ("torch", "numpy", "python") if "random" in state and key not in state["random"]]
    if missing:
        raise other_version(what, f"without {', '.join(missing)}")


def other_version(what: str, actual: str) -> FileFormatError:
    """The error for a checkpoint that was sound when another version of voxcli wrote it."""
    return FileFormatError(
        f"{what} is of another version of voxcli: the run cannot go on from it.", actual=actual,
        hint="Finish the run with the version that began it, or start afresh in another folder. best.safetensors still predicts.",
    )  # fmt: skip


def newest_checkpoint(run: Path) -> State | None:
    """The state to resume from: last.pt, else the one before it, else the best (with a warning); None where there is none of them."""
    failure: FileFormatError | None = None
    for name in (LAST, BEFORE, BEST):
        path = run / name
        if not path.is_file():
            continue
        try:
            state = load_checkpoint(path)
        except FileFormatError as error:
            failure = failure or error
            continue
        if failure is not None:
            log.warn(f"{failure.message} '{path}' of step {state['step']} is used instead.")
        return state
    if failure is not None:
        raise FileFormatError(failure.message, actual=failure.actual,
                              hint=f"No checkpoint of '{run}' can be read: begin in another folder, or remove this one.")  # fmt: skip
    return None
