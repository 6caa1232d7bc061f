"""Flags that come from options classes."""

from __future__ import annotations

import doctest
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
import typer
from refusals import refused
from typer.testing import CliRunner

import voxcli.options
from voxcli.cli.framework.flags import takes_flags
from voxcli.errors import UsageError
from voxcli.options import Options, make_options, option

if TYPE_CHECKING:
    from voxcli.scene import Frustum as Unknown


@dataclass(frozen=True)
class Cut(Options):
    threshold: float | None = option(None, "Occupied at or above it.", within="(0, 1]")
    fov_x_deg: float | None = option(None, "Field of view.", flag="--fov", unit="degrees", within="(0, 180)")
    box: tuple[float, float, float, float] | None = option(None, "A part.", metavar="L T R B")
    levels: tuple[float, ...] = option((0.5,), "Several.", flag="--level", within="(0, inf)")
    smooth: bool = option(False, "Smooth it.")
    squared: bool | None = option(None, "Squared.")
    summed: bool = option(True, "Summed.", flag="--sum/--no-sum")
    method: str = option("auto", "Which method.", choices=("auto", "exact"))
    light: str | None = option(None, "From Python alone.", on_command_line=False)
    cells: Unknown | None = option(None, "A type that only type checkers know.", on_command_line=False)


@dataclass(frozen=True)
class Other(Options):
    threshold: float = option(0.3, "Shared with Cut.")
    steps: int = option(0, "Steps.", within="[0, 5]")


def called(*args):
    found = {}

    @takes_flags(Cut, Other)
    def command(name: str = "x", *, given: dict) -> None:
        found.update(given, name=name)

    app = typer.Typer()
    app.command()(command)
    result = CliRunner().invoke(app, list(args))
    return result, {key: value for key, value in found.items() if value is not None}


def test_each_field_is_one_flag():
    result, found = called("--threshold", "0.4", "--fov", "70", "--box", "1", "2", "3", "4", "--level", "0.1", "--level", "0.2", "--smooth",
                           "--no-squared", "--no-sum", "--method", "exact", "--steps", "3")  # fmt: skip
    assert result.exit_code == 0
    assert found == {"threshold": 0.4, "fov_x_deg": 70.0, "box": (1, 2, 3, 4), "levels": [0.1, 0.2], "smooth": True, "squared": False,
                     "summed": False, "method": "exact", "steps": 3, "name": "x"}  # fmt: skip


def test_what_is_not_given_is_none():
    result, found = called()
    assert result.exit_code == 0 and found == {"name": "x"}


def test_limits_reach_the_parser_and_python():
    assert called("--steps", "6")[0].exit_code == 2
    assert called("--light", "a")[0].exit_code == 2
    assert Other(steps=5).given == {"steps": 5}
    for wrong in ({"steps": 6}, {"steps": -1}, {"threshold": float("nan")}):
        with pytest.raises(UsageError):
            Other(**wrong)
    for wrong in ({"threshold": 0.0}, {"fov_x_deg": 180.0}, {"levels": (0.1, 0.0)}, {"method": "fast"}):
        with pytest.raises(UsageError):
            Cut(**wrong)


def test_options_are_made_of_what_is_given_and_known():
    assert make_options(Other, {"steps": 2, "threshold": None}, "toy") == Other(steps=2)
    with refused(UsageError, "'stops'", hint="'steps'"):
        make_options(Other, {"stops": 2}, "toy")


def test_examples_run():
    assert doctest.testmod(voxcli.options) == (0, 7)
