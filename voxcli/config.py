"""Configuration: YAML mappings, `--set a.b=c`, and dataclasses that refuse misspelt keys.

Precedence is built by `merge`, weakest first: defaults, the checkpoint's own configuration, a --config file, VOXCLI_* variables, flags.
"""

from __future__ import annotations

import dataclasses
import difflib
import enum
import os
import re
import types
import typing
from collections.abc import Hashable, Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from voxcli.contents import file_bytes
from voxcli.errors import FileFormatError, UsageError, VoxcliError
from voxcli.provenance import Json, Recordable

if typing.TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Value: TypeAlias = Json
    """What YAML and JSON hold."""
else:
    Value = Any  # what a field of this type is given is taken as it is

MOST_VALUES = 1 << 20
"""Values of a YAML text beyond its letters: aliases of aliases of a few lines are more than memory holds."""

InstanceT = TypeVar("InstanceT", bound="DataclassInstance")

Hint: TypeAlias = Any
"""The type of a field: a class, or a form of typing such as `int | None`."""


@lru_cache(maxsize=1)
def _loader() -> type:
    """A safe YAML loader that reads 1e-4 as a number (YAML 1.1 wants 1.0e-4) and refuses a key given twice."""
    import yaml

    class Loader(yaml.SafeLoader):
        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Value]:
            seen = set()
            for key_node, _ in node.value:
                if not isinstance(key_node, yaml.ScalarNode):
                    continue
                if key_node.value in seen:
                    raise yaml.constructor.ConstructorError(None, None, f"the key '{key_node.value}' is given twice", key_node.start_mark)
                seen.add(key_node.value)
            return super().construct_mapping(node, deep)

    number = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+$")
    Loader.add_implicit_resolver("tag:yaml.org,2002:float", number, list("-+.0123456789"))
    return Loader


def _count(value: Value, counted: dict[int, int]) -> int:
    """How many values there are where each alias is written out. Raises ValueError for a list or mapping that holds itself."""
    if not isinstance(value, (list, tuple, dict)):
        return 1
    if id(value) not in counted:
        counted[id(value)] = 0
        counted[id(value)] = 1 + sum(_count(each, counted) for each in (value.values() if isinstance(value, dict) else value))
    if not counted[id(value)]:
        raise ValueError("an alias within what it stands for")
    return counted[id(value)]


def parse(text: str, where: str) -> Value:
    """The value of a YAML text. `where` names its origin in errors."""
    import yaml

    try:
        value: Value = yaml.load(text, Loader=_loader())
        if _count(value, {}) > MOST_VALUES + len(text):
            raise ValueError("aliases that stand for more values than a file may have")
        return value
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        at = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise FileFormatError(f"{where}{at}: not valid YAML: {error.problem}.") from error
    except yaml.YAMLError as error:
        raise FileFormatError(f"{where}: not valid YAML: {str(error).splitlines()[0]}.") from error
    except Exception as error:  # what makes the values raises, too: for 2001-99-99, for 5,000 digits, for nesting without end
        raise FileFormatError(f"{where}: not valid YAML.", actual=(str(error).splitlines() or [type(error).__name__])[0][:200]) from error


def load(path: str | os.PathLike[str]) -> dict[str, Value]:
    """The mapping of a YAML file. An empty file is an empty mapping."""
    from voxcli.files.guard import bytes_within, claim

    try:
        data = file_bytes(path)
        claim(str(path), len(data or b""), "holds")
        text = (data or bytes_within(path)).decode("utf-8")
    except UnicodeDecodeError as error:
        raise FileFormatError(f"{path}: not a text file.", expected="YAML in UTF-8") from error
    value = parse(text, str(path))
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise FileFormatError(f"{path}: a configuration is a mapping.", expected="key: value lines", actual=_describe(value))
    return value


def dumps(mapping: Mapping[str, Recordable], comments: Mapping[str, str] | None = None) -> str:
    """YAML of a mapping, keys in their order, such that `parse` gives the same values back. comments: what stands behind keys.

    >>> print(dumps({"seed": 1, "names": ["a"]}, {"seed": "--seed"}), end="")
    seed: 1  # --seed
    names:
    - a
    """
    return "".join(_commented(key, value, (comments or {}).get(key)) for key, value in mapping.items()) or "{}\n"


def _commented(key: str, value: Recordable, comment: str | None) -> str:
    """The lines of one key. Where its first line may be a part of a long text, the comment stands before it."""
    import yaml

    text = str(yaml.safe_dump({key: _plain(value)}, sort_keys=False, default_flow_style=False, allow_unicode=True, width=120))
    if not comment:
        return text
    first, end, rest = text.partition("\n")
    return f"{first}  # {comment}{end}{rest}" if not rest or first.endswith(":") else f"# {comment}\n{text}"


def as_typed(value: Value) -> Value:
    """A value of a YAML file as a user would type it, so that `device: 0` and `name: [1, 2]` work like their flags, and `yes` is no number.

    >>> as_typed([1, True, "a"])
    ['1', 'true', 'a']
    """
    if isinstance(value, list):
        return [as_typed(each) for each in value]
    if isinstance(value, bool):
        return str(value).lower()
    return value if value is None or isinstance(value, Mapping) else str(value)


def merge(*mappings: Mapping[str, Value] | None) -> dict[str, Value]:
    """One mapping out of several, later ones stronger; mappings inside are merged in turn, everything else is replaced."""
    result: dict[str, Value] = {}
    for mapping in mappings:
        for key, value in (mapping or {}).items():
            old = result.get(key)
            result[key] = merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return result


def parse_set(settings: Iterable[str]) -> dict[str, Value]:
    """The mapping of `--set` arguments: ["a.b=1", "a.c=[x, y]"] gives {"a": {"b": 1, "c": ["x", "y"]}}. Values are YAML.

    A later value of a key replaces the earlier one. Raises UsageError for a key that has both a value and keys below it: one would be lost.
    """
    result: dict[str, Value] = {}
    for setting in settings:
        path, equals, text = setting.partition("=")
        keys = path.strip().split(".")
        if not equals or not all(keys):
            raise UsageError(f"--set {setting}: not a setting.", expected="key=value or group.key=value")
        nested: dict[str, Value] = {keys[-1]: parse(text, f"--set {setting}")}
        for key in reversed(keys[:-1]):
            nested = {key: nested}
        if (lost := _lost(result, nested)) is not None:
            raise UsageError(f"--set {setting}: '{lost}' is set as a whole and by its keys, too.", hint="Write it as one, --set key={...}.")
        result = merge(result, nested)
    return result


def _lost(there: Mapping[str, Value], more: Mapping[str, Value]) -> str | None:
    """The key whose mapping a value would replace in `merge`, or whose value a mapping would; None where nothing is lost so."""
    for key, value in more.items():
        old = there.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            below = _lost(old, value)
            if below is not None:
                return f"{key}.{below}"
        elif old is not None and isinstance(old, Mapping) != isinstance(value, Mapping):
            return key
    return None


def from_mapping(cls: type[InstanceT], mapping: Value, where: str) -> InstanceT:
    """An instance of a dataclass from a mapping, such as a YAML file gives.

    Fields may be bool, int, float, str, Path, Enum, Literal, list, tuple, dict, dataclasses, and unions of them with None.
    An unknown key, a missing one or a value of the wrong type is an error that names `where` and the key.
    """
    if not isinstance(mapping, Mapping):
        raise UsageError(f"{where} must be a mapping.", expected=f"keys of {cls.__name__}", actual=_describe(mapping))
    fields = {f.name: f for f in dataclasses.fields(cls) if f.init}
    check_keys(mapping, fields, where)
    missing = [
        name
        for name, f in fields.items()
        if name not in mapping and f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise UsageError(f"{where} lacks {', '.join(missing)}.", expected=f"keys {', '.join(fields)}")
    hints = typing.get_type_hints(cls)
    values = {name: _convert(hints[name], value, f"{where}.{name}") for name, value in mapping.items()}
    try:
        return cls(**values)
    except VoxcliError as error:
        raise type(error)(f"{where}: {error.message}", expected=error.expected, actual=error.actual, hint=error.hint) from error


def to_mapping(instance: DataclassInstance) -> dict[str, Value]:
    """The plain mapping of a dataclass: what `from_mapping` turns back into an equal instance, and YAML and JSON can hold."""
    return {f.name: _plain(getattr(instance, f.name)) for f in dataclasses.fields(instance) if f.init}


def check_keys(mapping: Mapping[str, Value], known: Iterable[str], where: str) -> None:
    """Raise UsageError for a key that is not known, with the nearest known one and the list."""
    known = list(known)
    for key in mapping:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1, cutoff=0.5)
            guess = f"Did you mean '{near[0]}'? " if near else ""
            raise UsageError(f"{where}: unknown key '{key}'.", hint=f"{guess}Known: {', '.join(known) or 'none'}.")


def _plain(value: Recordable) -> Value:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return to_mapping(value)
    if isinstance(value, enum.Enum):
        return _plain(value.value)
    if isinstance(value, Mapping):
        return {str(key): _plain(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, os.PathLike):
        return str(value)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"{type(value).__name__} is no value of a configuration")


def _describe(value: Value) -> str:
    names = {dict: "a mapping", list: "a list", str: f"the text '{str(value)[:60]}'", type(None): "nothing"}
    return names.get(type(value), f"{value!r}")


def _convert(hint: Hint, value: Value, where: str) -> Recordable:
    origin: Hint = typing.get_origin(hint)
    if hint is Any:
        return value
    if origin is typing.Annotated:
        return _convert(typing.get_args(hint)[0], value, where)
    if origin in (typing.Union, types.UnionType):
        return _convert_union(typing.get_args(hint), value, where)
    if origin is typing.Literal:
        return _one_of(typing.get_args(hint), value, where)
    if origin in (list, tuple, dict) or hint in (list, tuple, dict):
        return _convert_container(origin or hint, typing.get_args(hint), value, where)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return value if isinstance(value, hint) else from_mapping(hint, value, where)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return value if isinstance(value, hint) else hint(_one_of([member.value for member in hint], value, where))
    return _convert_scalar(hint, value, where)


def _convert_scalar(hint: Hint, value: Value, where: str) -> Recordable:
    # bool is an int to Python, and a text "8" is no 8: neither may slip through in a configuration.
    if hint is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if hint is Path and isinstance(value, (str, Path)):
        return Path(value)
    if hint is type(None) and value is None:
        return None
    if isinstance(hint, type) and type(value) is hint:
        return value
    wanted = {int: "a whole number", float: "a number", str: "text", bool: "true or false", Path: "a path", type(None): "nothing"}
    raise UsageError(f"{where} has the wrong type.", expected=wanted.get(hint, getattr(hint, "__name__", hint)), actual=_describe(value))


def _convert_union(choices: tuple[Hint, ...], value: Value, where: str) -> Recordable:
    if value is None and type(None) in choices:
        return None
    concrete = [choice for choice in choices if choice is not type(None)]
    for choice in concrete[:-1]:
        try:
            return _convert(choice, value, where)
        except VoxcliError:
            continue
    return _convert(concrete[-1], value, where)


def _convert_container(kind: type, args: tuple[Hint, ...], value: Value, where: str) -> Recordable:
    if kind is dict:
        if not isinstance(value, Mapping):
            raise UsageError(f"{where} has the wrong type.", expected="a mapping", actual=_describe(value))
        return {key: _convert(args[1], v, f"{where}.{key}") if args else v for key, v in value.items()}
    if not isinstance(value, (list, tuple)):
        raise UsageError(f"{where} has the wrong type.", expected="a list", actual=_describe(value))
    if kind is tuple and args and args[-1] is not Ellipsis:
        if len(args) != len(value):
            raise UsageError(f"{where} has the wrong length.", expected=len(args), actual=len(value))
        return tuple(_convert(arg, v, f"{where}[{i}]") for i, (arg, v) in enumerate(zip(args, value, strict=True)))
    made = [_convert(args[0], v, f"{where}[{i}]") if args else v for i, v in enumerate(value)]
    return made if kind is list else tuple(made)


def _one_of(known: Iterable[Value], value: Value, where: str) -> Value:
    known = list(known)
    if isinstance(value, bool) and str(value).lower() in known:
        value = str(value).lower()  # YAML reads the word `true` of a choice as a boolean
    for choice in known:
        if type(choice) is type(value) and choice == value:
            return choice
    near = difflib.get_close_matches(str(value), [str(k) for k in known], n=1, cutoff=0.5)
    guess = f"Did you mean '{near[0]}'? " if near else ""
    raise UsageError(f"{where}: unknown value '{value}'.", hint=f"{guess}Known: {', '.join(map(str, known))}.")
