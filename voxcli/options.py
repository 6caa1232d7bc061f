"""Options of a model, a metric or another choice as a frozen dataclass: each field carries its help text, its limits and its unit.

One such class is the whole truth about the options: Python callers make an instance of it, the command line makes flags of its fields
(`voxcli.cli.framework.flags`), records and messages name its fields. Imports nothing heavy.
"""

from __future__ import annotations

import dataclasses
import importlib
import math
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from voxcli.errors import UsageError, unknown_name
from voxcli.provenance import Recordable

T = TypeVar("T")
OptionsT = TypeVar("OptionsT", bound="Options")


@dataclass(frozen=True)
class Interval:
    """Numbers between two limits, in the usual notation: `(0, 1]` leaves out 0 and holds 1; `[0, inf)` has no upper limit."""

    text: str

    @property
    def limits(self) -> tuple[float, float]:
        """The lower and the upper limit."""
        low, high = self.text[1:-1].split(",")
        return float(low), float(high)

    @property
    def words(self) -> str:
        """The numbers in words.

        >>> [Interval(text).words for text in ("(0, 1)", "[2, 1024]", "(0, 1]", "[0, inf)")]
        ['between 0 and 1', 'from 2 to 1024', 'above 0 and up to 1', '0 or more']
        """
        (low, high), ends = self.limits, self.text[0] + self.text[-1]
        if high == math.inf:
            return f"{low:g} or more" if ends[0] == "[" else f"above {low:g}"
        return {"()": f"between {low:g} and {high:g}", "[]": f"from {low:g} to {high:g}", "(]": f"above {low:g} and up to {high:g}",
                "[)": f"from {low:g} to below {high:g}"}[ends]  # fmt: skip

    def holds(self, number: float) -> bool:
        """Whether a finite number lies in the interval.

        >>> [Interval("(0, 1]").holds(number) for number in (0, 0.5, 1, float("nan"))]
        [False, True, True, False]
        """
        low, high = self.limits
        return (
            math.isfinite(number)
            and low <= number <= high
            and ((number != low or self.text[0] == "[") and (number != high or self.text[-1] == "]"))
        )


@dataclass(frozen=True)
class OptionInfo:
    """What is known of one option besides its type and default.

    flag: its flag where that is not its name; "--sum/--no-sum" may be negated. within: the numbers that it may be. choices: the words that
    it may be. metavar: what stands for its value in help texts. on_command_line: whether there is a flag at all. parse: its value from the
    text of the flag. reads: the text names a file that `parse` reads. writes: the flag names a file that is written beside the result.
    """

    help: str
    flag: str | None = None
    within: Interval = Interval("(-inf, inf)")
    unit: str | None = None
    choices: tuple[str, ...] | None = None
    metavar: str | None = None
    on_command_line: bool = True
    parse: Callable[[str], Recordable] | None = None
    reads: bool = False
    writes: SideFile | None = None


@dataclass(frozen=True)
class SideFile:
    """A file beside a result. content: "module:function" from the result to the file's bytes, or to a thing that `files.write` writes."""

    content: str
    suffixes: tuple[str, ...]


def option(
    default: T, help: str, *, flag: str | None = None, within: str = "(-inf, inf)", unit: str | None = None,
    choices: Iterable[str] | None = None, metavar: str | None = None, on_command_line: bool = True,
) -> T:  # fmt: skip
    """A field of an Options class. within: an Interval as text; the other arguments are those of About.

    >>> @dataclass(frozen=True)
    ... class Cut(Options):
    ...     threshold: float = option(0.5, "Occupied at or above this probability.", within="(0, 1]")
    >>> Cut(threshold=0.4).threshold
    0.4
    """
    words = None if choices is None else tuple(choices)
    return _field(default, OptionInfo(help, flag, Interval(within), unit, words, metavar, on_command_line))


def text_option(
    default: T, help: str, parse: Callable[[str], Recordable], *, metavar: str, within: str = "(-inf, inf)", reads: bool = False
) -> T:
    """A field whose flag takes a text. parse: its value from the text; with `reads`, from the file that the text names."""
    return _field(default, OptionInfo(help, within=Interval(within), metavar=metavar, parse=parse, reads=reads))


def file_option(default: T, help: str, writes: SideFile) -> T:
    """A field whose flag names a file that is written beside the result. A bool says whether one is asked for, a text which."""
    return _field(default, OptionInfo(help, metavar="FILE", writes=writes))


def _field(default: T, about: OptionInfo) -> T:
    field: T = dataclasses.field(default=default, metadata={"about": about})
    return field


@dataclass(frozen=True)
class Options:
    """The base of all options classes: checks the limits and choices of its fields. Raises UsageError that names the field."""

    def __post_init__(self) -> None:
        for name, about in option_infos(type(self)).items():
            check_value(name, about, getattr(self, name))

    @property
    def given(self) -> dict[str, Recordable]:
        """The fields whose values are not their defaults. An array is compared with None alone."""
        values = ((f.name, getattr(self, f.name), f.default) for f in dataclasses.fields(self))
        return {name: value for name, value, default in values if value is not default and (default is None or value != default)}


def check_value(name: str, about: OptionInfo, value: Recordable) -> None:
    """Raise UsageError, which calls it by a name, for a value outside of the limits or choices."""
    for each in value if isinstance(value, tuple) else (value,):
        if about.choices is not None and each is not None and each not in about.choices:
            raise unknown_name(name, str(each), about.choices)
        if isinstance(each, (int, float)) and not isinstance(each, bool) and not about.within.holds(each):
            unit = f" {about.unit}" if about.unit else ""
            raise UsageError(f"{name} is out of range.", expected=f"a number {about.within.words}{unit}", actual=f"{each:g}")


def imported(path: str) -> Any:
    """What "module:name" names."""
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)


def option_infos(options: type[Options]) -> dict[str, OptionInfo]:
    """Name -> what is known of it, for each field that `option` made."""
    return {field.name: field.metadata["about"] for field in dataclasses.fields(options) if "about" in field.metadata}


def flag_of(name: str, about: OptionInfo) -> str:
    """The long flag of a field: `fov_x_deg` with flag "--fov" is --fov, `threshold` is --threshold, "--sum/--no-sum" is --sum."""
    return about.flag.partition("/")[0] if about.flag else f"--{name.replace('_', '-')}"


def type_of(options: type[Options], name: str) -> type:
    """The type of one field, resolved; types of other fields may be known to type checkers alone."""
    owner = next(each for each in options.__mro__ if name in each.__dict__.get("__annotations__", {}))
    alone = type(owner.__name__, (), {"__annotations__": {name: owner.__annotations__[name]}, "__module__": owner.__module__})
    kind: type = typing.get_type_hints(alone)[name]
    return kind


def make_options(options: type[OptionsT], given: Mapping[str, Recordable], what: str) -> OptionsT:
    """An instance from given values; None is not given. Raises UsageError for a name that the class lacks; `what` it is of is said.

    >>> make_options(Options, {"threshold": None}, "ssz")
    Options()
    """
    known = [field.name for field in dataclasses.fields(options)]
    stated = {name: value for name, value in given.items() if value is not None}
    for name in stated:
        if name not in known:
            raise unknown_name(f"option of {what}", name, known)
    return options(**stated)
