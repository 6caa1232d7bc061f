"""Options that mean the same in every command, as annotations: `output: options.Output`, `seed: options.Seed = 0`.

`-q -v --config --set --print-config` are not listed by commands: the loader in app.py adds them to every one (`standing`), because
no command body has a use for them. Values reach a parameter in the order: flag, VOXCLI_<NAME> variable, --config file, the
parameter's default. A parameter that a checkpoint may also fill has the default None, and the command resolves it with
`first(value, checkpoint value, default)`.

A command that takes nested settings (the architecture of a network, a training recipe) declares them with `@sections("network")`.
They are groups of a --config file and of `--set group.key=value`; the command asks for them with `section("network")`, checks them
with `config.from_mapping`, and answers --print-config itself, before it touches its inputs:
`if printing_config(): show_config(network=...); return`.
"""

from __future__ import annotations

import contextlib
import enum
import functools
import inspect
import math
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, TypeVar

import typer

from voxcli import config as configuration
from voxcli.cli.framework.output import out
from voxcli.errors import UsageError

T = TypeVar("T")


class RecordFormat(str, enum.Enum):
    """How rows are written."""

    table = "table"
    json = "json"
    jsonl = "jsonl"
    csv = "csv"
    tsv = "tsv"


class Dtype(str, enum.Enum):
    """Floating-point type of a computation."""

    auto = "auto"
    float32 = "float32"
    bfloat16 = "bfloat16"
    float16 = "float16"
    float64 = "float64"


def _complete_models(incomplete: str) -> list[str]:
    from voxcli.models.registry import MODELS  # a table of names: free of torch

    return [name for name in MODELS if name.startswith(incomplete)]


def _complete_devices(incomplete: str) -> list[str]:
    return [name for name in ("auto", "cpu", "cuda", "cuda:0") if name.startswith(incomplete)]


def _option(*names: str, help: str, **settings: Any) -> Any:
    return typer.Option(*names, help=help, **settings)


Sources = Annotated[
    list[str],
    typer.Argument(metavar="INPUT", show_default=False, help="Files, a folder (searched in depth), a quoted glob, @list.txt, or -."),
]
Output = Annotated[
    str,
    _option("--output", "-o", metavar="OUTPUT", help="File, or folder for several inputs; - is stdout. The extension picks the format."),
]
Model = Annotated[
    str | None,
    _option("--model", "-m", metavar="MODEL", autocompletion=_complete_models, help="Which model: `voxcli weights list` lists them."),
]
ModelOfWeights = Annotated[
    str | None,
    _option("--model", "-m", metavar="MODEL", autocompletion=_complete_models,
            help="Which model: `voxcli weights list` names them; default: that of --weights, else ssz."),
]  # fmt: skip
Weights = Annotated[
    str | None,
    _option("--weights", metavar="FILE", help="Weights (.safetensors) that `voxcli train` wrote; default: those shipped for the model."),
]
Device = Annotated[
    str,
    _option("--device", metavar="DEVICE", autocompletion=_complete_devices, help="auto, cpu, cuda or cuda:N; auto takes a working CUDA."),
]
DType = Annotated[Dtype, _option("--dtype", help="Floating-point type; auto is bfloat16 where the hardware has units for it.")]
Seed = Annotated[int, _option("--seed", min=0, max=2**62, help="Seed; each item's own derives from it and the item's relative name.")]
BatchSize = Annotated[int, _option("--batch-size", min=1, help="Items computed together.")]
Workers = Annotated[int, _option("--workers", min=1, help="Worker processes.")]
Threshold = Annotated[float | None, _option("--threshold", help="Occupied at or above this probability.")]
Resolution = Annotated[int | None, _option("--resolution", min=1, help="Cells along the longest side.")]
Camera = Annotated[str | None, _option("--camera", metavar="FILE", help="Camera: a scene YAML or transforms.json.")]
Format = Annotated[str | None, _option("--format", metavar="FORMAT", help="Format, where no file extension tells it (always for -).")]
InputFormat = Annotated[str | None, _option("--input-format", metavar="FORMAT", help="Format of the input, needed for -.")]
Records = Annotated[
    RecordFormat | None,
    _option("--format", show_default=False, help="How rows are written; default: table on a terminal, jsonl otherwise."),
]
Overwrite = Annotated[bool, _option("--overwrite", help="Replace outputs that exist.")]
SkipExisting = Annotated[bool, _option("--skip-existing", help="Leave out items whose output exists, computation included.")]
KeepGoing = Annotated[bool, _option("--keep-going", help="Finish the other items when one fails; the exit code is still 1.")]
DryRun = Annotated[bool, _option("--dry-run", help="List what would be written, and stop.")]


# -- options of every command ---------------------------------------------------------------------------------------------------------

_META = "voxcli.config"


def _set_quiet(value: bool) -> bool:
    out.quiet = out.quiet or value
    return value


def _set_verbose(value: int) -> int:
    out.verbose = max(out.verbose, value)
    return value


def _take_config(context: typer.Context, value: str | None) -> str | None:
    if value is not None:
        mapping = {key.replace("-", "_"): v for key, v in configuration.load(value).items()}
        sections_of = getattr(context.command.callback, "sections", ())
        known = _configurable(context)
        configuration.check_keys(mapping, [*known, *sections_of], f"--config {value}")
        for name in sections_of:
            if not isinstance(mapping.get(name, {}), Mapping):
                raise UsageError(f"--config {value}: '{name}' must be a mapping.", actual=mapping[name])
        # The parser takes a default from this map after flags and environment variables, and checks its type like theirs.
        context.default_map = {name: _as_typed(mapping[key]) for key, name in known.items() if mapping.get(key) is not None}
        _stored(context)["file"] = {name: mapping.get(name) or {} for name in sections_of}
    return value


def _take_set(context: typer.Context, value: list[str] | None) -> list[str] | None:
    if value:
        mapping = configuration.parse_set(value)
        sections_of = getattr(context.command.callback, "sections", ())
        for key in mapping:
            if key.replace("-", "_") in _configurable(context):
                raise UsageError(f"--set is for nested settings; '{key}' has a flag.", hint=f"Use --{key.replace('_', '-')}.")
        configuration.check_keys(mapping, sections_of, "--set")
        for name, group in mapping.items():
            if not isinstance(group, Mapping):
                raise UsageError(f"--set {name}: '{name}' is a group.", expected=f"{name}.key=value")
        _stored(context)["set"] = mapping
    return value


def _take_print_config(context: typer.Context, value: bool) -> bool:
    _stored(context)["print"] = value
    return value


def _as_typed(value: Any) -> Any:
    """A value of a YAML file as it would be typed: `device: 0` and `name: [1, 2]` are as good as their flags."""
    if isinstance(value, list):
        return [_as_typed(each) for each in value]
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


def _stored(context: typer.Context) -> dict[str, Any]:
    return context.meta.setdefault(_META, {})


def key_of(parameter: Any) -> str:
    """The name of an option in --config files and, in capitals behind VOXCLI_, in the environment: its long flag with underscores."""
    flag = next((name for name in parameter.opts if name.startswith("--")), parameter.opts[0])
    return flag.lstrip("-").replace("-", "_")


def _configurable(context: typer.Context) -> dict[str, str]:
    """Key -> parameter name of the options that a --config file may hold: all but those below, and no positional input."""
    known = [p for p in context.command.params if p.param_type_name == "option" and p.name not in _STANDING]
    return {key_of(p): p.name for p in known if p.name is not None}


_STANDING: dict[str, tuple[Any, Any]] = {
    "config": (
        Annotated[str | None, _option("--config", metavar="FILE", is_eager=True, callback=_take_config, help="YAML file with options.")],
        None,
    ),
    "settings": (
        Annotated[
            list[str] | None,
            _option("--set", metavar="GROUP.KEY=VALUE", is_eager=True, callback=_take_set, help="One nested setting, as in --config."),
        ],
        None,
    ),
    "print_config": (
        Annotated[
            bool,
            _option("--print-config", is_eager=True, callback=_take_print_config, allow_from_autoenv=False,
                    help="Print all options as YAML, itself a valid --config, and stop."),
        ],
        False,
    ),
    "quiet": (Annotated[bool, _option("--quiet", "-q", is_eager=True, callback=_set_quiet, help="Warnings and errors only.")], False),
    "verbose": (
        Annotated[
            int,
            _option("--verbose", "-v", is_eager=True, count=True, show_default=False, callback=_set_verbose, help="More detail."),
        ],
        0,
    ),
}  # fmt: skip


def standing(function: Callable[..., None]) -> Callable[..., None]:
    """The function with the options of every command added to its signature; `--set` only where sections are declared."""
    own = inspect.signature(function)
    hints = typing.get_type_hints(function, include_extras=True)
    added = {name: value for name, value in _STANDING.items() if name != "settings" or hasattr(function, "sections")}

    @functools.wraps(function)
    def command(**values: Any) -> None:
        if _current:  # called as a command, not as a function
            _check_finite(_context())
        for name in added:
            values.pop(name, None)
        function(**values)

    parameters = [p.replace(annotation=hints.get(name, p.annotation), kind=p.KEYWORD_ONLY) for name, p in own.parameters.items()]
    parameters += [inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY, default=d, annotation=a) for n, (a, d) in added.items()]
    command.__signature__ = own.replace(parameters=parameters, return_annotation=None)  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    del command.__wrapped__  # else the parser would look through to the first signature
    return command


def _check_finite(context: Any) -> None:
    """Raise UsageError for a flag that is NaN or infinite: no option of ours means anything by it."""
    for parameter in context.command.params:
        value = context.params.get(parameter.name)
        for number in value if isinstance(value, (list, tuple)) else [value]:
            if isinstance(number, float) and not math.isfinite(number):
                raise UsageError(f"--{key_of(parameter).replace('_', '-')} must be a finite number.", actual=number)


# -- nested settings ------------------------------------------------------------------------------------------------------------------


def sections(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Declare groups of nested settings that a command takes from --config and --set."""

    def mark(function: Callable[..., None]) -> Callable[..., None]:
        function.sections = names  # type: ignore[attr-defined]
        return function

    return mark


def section(name: str) -> dict[str, Any]:
    """The settings of one declared group: the --config file's, overridden by --set."""
    stored = _stored(_context())
    return configuration.merge(stored.get("file", {}).get(name), stored.get("set", {}).get(name))


def printing_config() -> bool:
    """True if --print-config was given: inputs and required options may then be absent."""
    return bool(_stored(_context()).get("print"))


def show_config(**groups: Any) -> None:
    """Stage the resolved configuration as YAML: the command's options, then its groups (mappings or dataclasses)."""
    context = _context()
    given = {key: context.params.get(name) for key, name in _configurable(context).items()}
    mapping = {key: value for key, value in given.items() if value not in (None, (), [])}
    out.data(configuration.dumps({**mapping, **groups}))


def first(*values: T | None) -> T:
    """The first value that is not None: `first(flag, checkpoint.get("threshold"), 0.5)`."""
    for value in values:
        if value is not None:
            return value
    raise AssertionError("the last value is the default and must not be None")


_current: list[Any] = []
_numeric_flags: set[str] = set()


@contextlib.contextmanager
def current(context: Any) -> Iterator[None]:
    """Make `context` the one that `section`, `printing_config` and `show_config` speak of."""
    _current.append(context)
    _numeric_flags.clear()
    _numeric_flags.update(name for parameter in context.command.params for name in parameter.opts if _takes_a_number(parameter))
    try:
        yield
    finally:
        _current.pop()


def _takes_a_number(parameter: Any) -> bool:
    kinds = getattr(parameter.type, "types", [parameter.type])
    return all(kind.name.startswith(("int", "float")) for kind in kinds)


def flags_of_command() -> set[str]:
    """The flags with numbers of the command that runs, or that has just ended: those of them that a hint may name."""
    return set(_numeric_flags)


def _context() -> Any:
    return _current[-1]
