"""Flags from options classes: a command takes the fields of `voxcli.options.Options` classes as its own parameters."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import math
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated

import typer

from voxcli.options import Interval, OptionInfo, Options, OptionsT, check_value, flag_of, make_options, option_infos, type_of
from voxcli.provenance import Recordable

Classes = Callable[[], Iterable[type[Options]]]
_KEYWORD = inspect.Parameter.KEYWORD_ONLY


def flags_of(classes: Iterable[type[Options]]) -> list[inspect.Parameter]:
    """A keyword parameter for each field that has a flag, in the order of the classes; a field that several classes share is one flag.

    The default is None, or False for a switch: not given. Only then do the defaults of each class hold.
    """
    found: dict[str, tuple[type[Options], OptionInfo]] = {}
    for options in classes:
        for name, about in option_infos(options).items():
            if about.on_command_line:
                other = found.setdefault(name, (options, about))[1]
                if other.within != about.within:  # each class checks its own limits
                    found[name] = found[name][0], dataclasses.replace(other, within=Interval("(-inf, inf)"))
    return [_parameter(name, type_of(options, name), about) for name, (options, about) in found.items()]


def values_of_flags(options: type[Options], given: Mapping[str, Recordable]) -> dict[str, Recordable]:
    """The values of flags as a class takes them. Texts are parsed, files read. Raises UsageError that names the flag for what is wrong."""
    values = dict(given)
    for name, about in option_infos(options).items():
        value = values.get(name)
        if value is None:
            continue
        if isinstance(value, list):
            values[name] = tuple(value)
        elif about.parse is not None and isinstance(value, str):
            values[name] = about.parse(value)
        elif about.writes is not None and type_of(options, name) is bool:
            values[name] = True
        check_value(flag_of(name, about), about, values[name])
    return values


def options_of_flags(options: type[OptionsT], given: Mapping[str, Recordable], what: str) -> OptionsT:
    """An instance from the values of flags. Raises UsageError as `values_of_flags`, and for a flag that the class lacks."""
    return make_options(options, values_of_flags(options, given), what)


def takes_flags(*classes: type[Options], later: Classes | None = None) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A command with a parameter `given` takes the flags of the classes in its place, by field name; None: not given.

    later: more classes, found when the command is built. Flags that the command has itself are its own.
    """

    def extend(function: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(function)
        hints = typing.get_type_hints(function, include_extras=True)
        added = [each for each in flags_of((*classes, *(later() if later else ()))) if each.name not in own.parameters]

        @functools.wraps(function)
        def command(**values: Recordable) -> None:
            found = {each.name: (values.pop(each.name, None), each.default) for each in added}
            given = {name: None if value == default else value for name, (value, default) in found.items()}
            function(**values, given=given)

        parameters = []
        for name, parameter in own.parameters.items():
            if name == "given":
                parameters += added
            else:
                parameters.append(parameter.replace(annotation=hints.get(name, parameter.annotation), kind=_KEYWORD))
        if later is not None:
            vars(command)["renewed"] = lambda: extend(function)
        return with_parameters(command, parameters)

    return extend


def with_parameters(command: Callable[..., None], parameters: Sequence[inspect.Parameter]) -> Callable[..., None]:
    """The function, with the parameters that the parser is to read in place of its own."""
    vars(command)["__signature__"] = inspect.Signature(parameters)
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    vars(command).pop("__wrapped__", None)  # else the parser would look through to the first signature
    return command


def _parameter(name: str, kind: type, about: OptionInfo) -> inspect.Parameter:
    """The parameter that the parser reads: a fixed tuple takes so many values, another one repeats, a bool that may be None has a `no`."""
    plain = [each for each in typing.get_args(kind) if each is not type(None)] if _is_union(kind) else [kind]
    inner = plain[0]
    flag = about.flag or flag_of(name, about)
    if inner is bool and _is_union(kind) and "/" not in flag:
        flag = f"{flag}/--no-{flag[2:]}"
    arguments = typing.get_args(inner)
    if typing.get_origin(inner) is tuple and arguments[-1] is Ellipsis:
        inner = types.GenericAlias(list, arguments[:1])
    elif about.parse is not None or about.writes is not None:
        inner = str
    low, high = (int(limit) if inner is int and math.isfinite(limit) else limit for limit in about.within.limits)
    closed = inner in (int, float)
    found = typer.Option(
        flag, metavar=about.metavar, help=about.help, show_default=False,
        min=low if closed and about.within.text[0] == "[" else None, max=high if closed and about.within.text[-1] == "]" else None,
    )  # fmt: skip
    switch = kind is bool and inner is bool and "/" not in flag
    return inspect.Parameter(
        name, _KEYWORD, default=False if switch else None, annotation=Annotated[inner if switch else inner | None, found]
    )


def _is_union(kind: type) -> bool:
    return typing.get_origin(kind) in (typing.Union, types.UnionType)
