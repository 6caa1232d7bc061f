"""Calls of the Python interface: arguments are checked by their annotations, and errors name them as Python does."""

from __future__ import annotations

import functools
import inspect
import re
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, ParamSpec, TypeVar

from voxcli.errors import Detail, VoxcliError, unknown_name
from voxcli.options import Interval, OptionInfo, Options, check_type, check_value, flag_of, option_infos, resolved, type_of, without_arrays

if typing.TYPE_CHECKING:
    from voxcli.provenance import Recordable

P = ParamSpec("P")
R = TypeVar("R")
V = TypeVar("V")

Count = Annotated[int, Interval("[1, inf)")]
Probability = Annotated[float, Interval("[0, 1]")]

_FLAG = re.compile(r"(?<![\w-])--([a-z][a-z0-9-]*[a-z0-9])(?: ([\w.]+))?")
_COMMAND = re.compile(r"\b(voxcli|convert|fruxelize|predict|synth|train|weights) ")
_ASKED = re.compile(r"\b([Uu]se|[Gg]ive|[Aa]dd|[Pp]ass) $")
_RENAMED = {"input-format": "format", "as": "kind", "method": "method", "class": "classes"}
"""Arguments that are called otherwise than the flag."""


def python_call(
    table: type | None = None, classes: Callable[[], Iterable[type[Options]]] = tuple
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A function of the Python interface: its arguments are checked, and its errors say `overwrite=True`, not `--overwrite`.

    An annotation that type checkers alone know is left to the function. Annotated[...] holds an Interval of the numbers, or a tuple of the
    words, that are allowed. table: the TypedDict of the function's `**options`. classes: the options classes that they belong to.
    """

    def extend(function: Callable[P, R]) -> Callable[P, R]:
        parameters = inspect.signature(function).parameters
        names = [name for name, each in parameters.items() if each.kind is not each.VAR_KEYWORD]

        @functools.cache
        def known() -> dict[str, tuple[type | None, OptionInfo]]:
            found = {name: _meaning(parameters[name].annotation, function.__module__) for name in names if name != "self"}
            return found | ({name: _meaning(each, table.__module__) for name, each in table.__annotations__.items()} if table else {})

        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            def plain(name: str, value: V) -> V:
                return without_arrays(value, known()[name][0] if name in known() else None)

            values = [plain(name, value) for name, value in zip(names, args, strict=False)]
            options = {name: plain(name, value) for name, value in kwargs.items()}
            given = typing.cast("Mapping[str, Recordable]", {**dict(zip(names, values, strict=False)), **options})
            try:
                for name, value in given.items():
                    if name in known():
                        kind, about = known()[name]
                        check_type(name, about, value, kind)
                        check_value(name, about, value)
                    elif table is not None and name not in names:
                        raise unknown_name(f"option of {function.__name__}", name, table.__annotations__)
                return typing.cast("Callable[..., R]", function)(*values, *args[len(names) :], **options)
            except VoxcliError as error:
                _say_in_python(error, _by_flag(known(), classes()))
                raise

        return call

    return extend


def _meaning(annotation: str | typing.ForwardRef, module: str) -> tuple[type | None, OptionInfo]:
    text = annotation.__forward_arg__ if isinstance(annotation, typing.ForwardRef) else annotation
    try:
        kind = resolved(text, module)
    except NameError:
        return None, OptionInfo("")
    if typing.get_origin(kind) is not Annotated:
        return kind, OptionInfo("")
    inner, limit = typing.get_args(kind)
    return inner, OptionInfo("", within=limit) if isinstance(limit, Interval) else OptionInfo("", choices=tuple(limit))


def _by_flag(
    known: Mapping[str, tuple[type | None, OptionInfo]], classes: Iterable[type[Options]]
) -> dict[str, tuple[str, bool, tuple[str, ...]]]:
    """Flag -> (the argument's name, whether it is a bool, its words)."""
    found = {flag: (name, *_facts(*known[name])) for flag, name in _RENAMED.items() if name in known}
    for options in classes:
        for name, about in option_infos(options).items():
            if about.on_command_line:
                found[flag_of(name, about)[2:]] = name, *_facts(type_of(options, name), about)
    found.setdefault("input-format", ("voxcli.read(path, format=...)", False, ()))
    return {**found, **{name.replace("_", "-"): (name, *_facts(*each)) for name, each in known.items()}}


def _facts(kind: type | None, about: OptionInfo) -> tuple[bool, tuple[str, ...]]:
    return kind is bool or bool in typing.get_args(kind), about.choices or ()


def _say_in_python(error: VoxcliError, by_flag: Mapping[str, tuple[str, bool, tuple[str, ...]]]) -> None:
    """Name arguments in place of flags. A hint whose flags have no argument is left out, unless it is about a command."""

    def said(found: re.Match[str]) -> str:
        flag, value = found.groups()
        if flag not in by_flag or _COMMAND.search(found.string[: found.start()]):
            return found[0]
        name, switch, words = by_flag[flag]
        if switch and _ASKED.search(found.string[: found.start()]):
            name = f"{name}=True"
        if value and (value in words or value.partition(".")[0].isupper()):
            return f'{name}="{value}"'
        return name + (f" {value}" if value else "")

    def told(detail: Detail) -> Detail:
        return _FLAG.sub(said, detail) if isinstance(detail, str) else detail

    hint = error.hint and _FLAG.sub(said, error.hint)
    error.message, error.expected, error.actual = _FLAG.sub(said, error.message), told(error.expected), told(error.actual)
    error.hint = None if hint and _FLAG.search(hint) and not _COMMAND.search(hint) else hint
    error.args = (str(error),)
