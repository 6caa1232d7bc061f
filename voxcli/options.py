"""Options of a model, a metric or another choice as a frozen dataclass: each field carries its help text, its limits and its unit.

One such class is the whole truth about the options: Python callers make an instance of it, the command line makes flags of its fields
(`voxcli.cli.framework.flags`), records and messages name its fields. Imports nothing heavy.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import math
import numbers
import os
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from voxcli.errors import UsageError, unknown_name
from voxcli.provenance import Recordable

T = TypeVar("T")
V = TypeVar("V")
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
    """The base of all options classes: checks the types, limits and choices of its fields. Raises UsageError that names the field."""

    def __post_init__(self) -> None:
        own: type = type(self)
        kinds = _kinds(own)
        for name, about in option_infos(type(self)).items():
            value = without_arrays(given := getattr(self, name), kinds[name])
            if value is not given:
                object.__setattr__(self, name, value)
            check_type(name, about, value, kinds[name])
            check_value(name, about, value)

    @property
    def given(self) -> dict[str, Recordable]:
        """The fields whose values are not their defaults. An array is compared with None alone."""
        values = ((f.name, getattr(self, f.name), f.default) for f in dataclasses.fields(self))
        return {name: value for name, value, default in values if value is not default and (default is None or value != default)}


def check_value(name: str, about: OptionInfo, value: Recordable) -> None:
    """Raise UsageError, which calls it by a name, for a value outside of the limits or choices."""
    for each in value if isinstance(value, (tuple, list)) else (value,):
        if about.choices is not None and each is not None and each not in about.choices:
            raise unknown_name(name, str(each), about.choices)
        if _is_of(each, float) and not about.within.holds(each):
            unit = f" {about.unit}" if about.unit else ""
            raise UsageError(f"{name} is out of range.", expected=f"a number {about.within.words}{unit}", actual=f"{each:g}")


def check_type(name: str, about: OptionInfo, value: Recordable, kind: type | None) -> None:
    """Raise UsageError, which calls it by a name, for a value of another kind; of kind None anything is right.

    NumPy's numbers are numbers. A bool is none, and a whole float is no whole number. A list may stand for a tuple.

    >>> check_type("points", OptionInfo("", within=Interval("[1, inf)")), "x", int | None)
    Traceback (most recent call last):
    voxcli.errors.UsageError: points is of another type.
    expected a whole number 1 or more, or None, got 'x'
    """
    if kind is not None and not _is_of(value, kind):
        words = _words_for(kind, about)
        plain = value is None or isinstance(value, (bool, int, float, str, tuple, list))
        short = plain and "a path" not in words and len(repr(value)) < 80
        raise UsageError(f"{name} is of another type.", expected=words, actual=repr(value) if short else type(value).__name__)


def without_arrays(value: V, kind: type | None) -> V:
    """A number or truth value of NumPy or torch as Python's own, and an array of one axis as a tuple where that is asked for.

    >>> without_arrays([0.5], tuple[float, ...])
    [0.5]
    """
    plain, axes = getattr(value, "tolist", None), getattr(value, "ndim", None)
    if not callable(plain) or axes not in (0, 1) or (axes == 1 and (kind is None or _is_of(typing.cast("Recordable", value), kind))):
        return value
    return plain() if axes == 0 else typing.cast("V", tuple(plain()))


def _is_of(value: Recordable, kind: type) -> bool:
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return any(_is_of(value, each) for each in inner)
    if origin is typing.Literal:
        return value in inner
    if kind in (int, float):
        return isinstance(value, numbers.Integral if kind is int else numbers.Real) and not isinstance(value, bool)
    if origin in (tuple, list, Sequence):
        if not isinstance(value, (tuple, list)):
            return origin is Sequence and inner == (str,) and isinstance(value, str)
        repeated = origin is not tuple or inner[-1] is Ellipsis
        kinds = [inner[0]] * len(value) if repeated else list(inner)
        return len(value) == len(kinds) and all(map(_is_of, value, kinds)) if inner[0] in _WORDS else True
    if origin is Mapping:
        return isinstance(value, Mapping) and all(_is_of(key, inner[0]) and _is_of(each, inner[1]) for key, each in value.items())
    return isinstance(value, origin or kind)


_WORDS: Mapping[type, tuple[str, str]] = {
    bool: ("True or False", "booleans"), int: ("a whole number", "whole numbers"), float: ("a number", "numbers"), str: ("a text", "texts"),
    types.NoneType: ("None", "None"), os.PathLike: ("a path", "paths"), Mapping: ("a mapping of texts", "mappings"),
}  # fmt: skip
"""One, and several."""


def _words_for(kind: type, about: OptionInfo) -> str:
    members = typing.get_args(kind) if typing.get_origin(kind) in (typing.Union, types.UnionType) else (kind,)
    paths = any(typing.get_origin(each) is os.PathLike for each in members)
    said = list(dict.fromkeys(_word_for(each, about) for each in members if not (paths and each is str)))
    return f"{', '.join(said[:-1])}, or {said[-1]}" if len(said) > 1 else said[0]


def _word_for(kind: type, about: OptionInfo) -> str:
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (tuple, list, Sequence):
        count = f"{len(inner)} " if origin is tuple and inner[-1] is not Ellipsis else ""
        return f"{count}{_WORDS.get(inner[0], ('', 'items'))[1]} in a tuple or list"
    if origin is typing.Literal:
        return f"one of {', '.join(map(str, inner))}"
    if kind is str and (about.choices or about.metavar):
        return f"one of {', '.join(about.choices)}" if about.choices else f"{about.metavar}"
    if kind in (int, float) and about.within.limits != (-math.inf, math.inf):
        return f"{_WORDS[kind][0]} {about.within.words}"
    known = _WORDS.get(origin or kind)
    return known[0] if known else f"a {(origin or kind).__name__}"


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
    return resolved(owner.__annotations__[name], owner.__module__)


def resolved(annotation: str, module: str) -> type:
    """The type that an annotation of a module means. Raises NameError where type checkers alone know it."""
    alone = type("Alone", (), {"__annotations__": {"it": annotation}, "__module__": module})
    kind: type = typing.get_type_hints(alone, include_extras=True)["it"]
    return kind


@functools.cache
def _kinds(options: type) -> dict[str, type | None]:
    """The type of each field that `option` made; None where type checkers alone know it."""
    found: dict[str, type | None] = {}
    for name in option_infos(options):
        try:
            found[name] = type_of(options, name)
        except NameError:
            found[name] = None
    return found


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
