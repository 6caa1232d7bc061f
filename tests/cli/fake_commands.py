"""Small commands that exercise the machinery of the command line. Run as a script, this is a `voxcli` that has them."""

import enum
import os
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from voxcli import config
from voxcli.cli.app import Entry, main
from voxcli.cli.framework import batch, inputs, options
from voxcli.cli.framework.output import out
from voxcli.errors import DataError, GateMissed


class OddError(Exception):
    """An error that cannot be unpickled."""

    def __init__(self, one: str, two: str):
        super().__init__(f"{one} {two}")


ERRORS = {
    "bug": KeyError("inner"), "memory": MemoryError(), "recursion": RecursionError("deep"), "odd": OddError("a", "b"),
    "os": PermissionError(13, "Permission denied", "x"),
}  # fmt: skip


class Flavour(str, enum.Enum):
    plain = "plain"
    sweet = "sweet"


def count(
    lines: Annotated[int, typer.Argument()],
    seed: options.Seed = 0,
    flavour: Flavour = Flavour.plain,
    threshold: options.Threshold = None,
    names: Annotated[list[str] | None, typer.Option("--name")] = None,
    format: options.Records = None,
) -> None:
    """Count.

    Examples:
        voxcli count 3
    """
    out.note("counting")
    out.detail("in detail")
    rows = [{"line": i, "seed": seed, "flavour": flavour.value, "threshold": threshold, "names": names} for i in range(lines)]
    with out.progress(lines, "count") as progress:
        for _ in rows:
            progress.advance()
    out.records(rows, format.value if format else None)


def copy(
    sources: options.Sources,
    output: options.Output,
    fail_on: Annotated[str, typer.Option("--fail-on")] = "",
    workers: options.Workers = 1,
    seed: options.Seed = 0,
    *,
    policy: options.Policy,
) -> None:
    """Copy texts, each with its seed."""
    with batch.items(sources, output, suffixes=(".txt",), target_suffix=".out", policy=policy) as todo:
        for item, length in todo.run(partial(copy_one, fail_on=fail_on, seed=seed), workers):
            out.data(f"{item.name} {length}")


def copy_one(item: batch.Item, *, fail_on: str, seed: int) -> int:
    text = sys.stdin.read() if item.source == "-" else Path(item.source).read_text()
    if text in ERRORS:
        raise ERRORS[text]
    if text == "die":
        os._exit(9)
    if fail_on and fail_on in text:
        raise DataError("The text cannot be used.", expected=f"no {fail_on}", actual=text.strip(), hint="Mend it.")
    result = f"{text.strip()} {item.seed(seed)}\n"
    if item.target == "-":
        out.check_binary()
        out.data(result)
    else:
        Path(item.target).parent.mkdir(parents=True, exist_ok=True)
        Path(item.target).write_text(result)
    return len(text)


def boom(how: Annotated[str, typer.Argument()], path: Annotated[str, typer.Option("--path")] = "") -> None:
    """Fail in one of many ways, after having produced data."""
    out.data("data")
    if how == "data":
        raise DataError("Wrong.", expected="right", actual="wrong", hint="Do better.")
    if how == "gate":
        raise GateMissed("0.4 is under 0.5.")
    if how == "memory":
        raise MemoryError
    if how == "bug":
        raise KeyError("inner")
    if how == "warn":
        import warnings

        warnings.warn("odd thing\nsecond line", stacklevel=1)
        return
    Path(path).read_text() if how == "read" else Path(path).write_text("x")


def wait(folder: Annotated[Path, typer.Argument()], workers: options.Workers = 1) -> None:
    """Wait to be interrupted, with a temporary file that must not stay."""
    names = [batch.Item(str(folder), "", str(i)) for i in range(2)]
    with batch.Batch(names) as todo:
        for _ in todo.run(wait_one, workers):
            pass


def wait_one(item: batch.Item) -> None:
    temporary = Path(item.source) / f"temporary{item.name}"
    try:
        temporary.write_text("")
        time.sleep(60)
    finally:
        temporary.unlink()


@dataclass(frozen=True)
class Network:
    width: int = 8
    rate: float = 0.5
    layers: tuple[int, ...] = (1, 2)


@options.sections("network")
def tune(data: Annotated[str, typer.Option("--data")], seed: options.Seed = 0, device: options.Device = "auto") -> None:
    """Show the resolved settings."""
    network = config.from_mapping(Network, config.merge({"rate": 0.25}, options.section("network")), "network")
    if options.printing_config():
        options.show_config(network=network)
        return
    out.json({"data": data, "seed": seed, "device": device, "network": config.to_mapping(network)})


def pair(pred: str, gt: str) -> None:
    """Show pairs."""
    for each in inputs.pairs(pred, gt, suffixes=(".txt",)).pairs:
        out.data(each.name)


ENTRIES = (
    Entry("count", "fake_commands:count", "Count lines."),
    Entry("copy", "fake_commands:copy", "Copy texts."),
    Entry("boom", "fake_commands:boom", "Fail."),
    Entry("wait", "fake_commands:wait", "Wait."),
    Entry("tune", "fake_commands:tune", "Settings."),
    Entry("metrics pair", "fake_commands:pair", "Pairs."),
    Entry("later", "fake_commands_to_come:later", "Not there yet."),
    Entry("secret", "fake_commands:count", "Hidden.", hidden=True),
)

if __name__ == "__main__":
    main(ENTRIES)
