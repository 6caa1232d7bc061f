"""Options that mean the same in every command, as annotations: `output: options.Output`, `seed: options.Seed = 0`.

A dataclass whose fields are such annotations is a group: a parameter `policy: options.Policy` stands for a flag for each of its fields,
in its place, and the command gets an instance.

The loader in app.py adds `-q -v --config --set --print-config` and `--scheduler` to commands (`standing`). A value comes from the flag,
else from the variable VOXCLI_<NAME>, else from the --config file, else it is the parameter's default. A parameter that a checkpoint may
also fill has the default None. The command resolves it with `first(value, checkpoint value, default)`.

A command with nested configuration declares its sections with `@sections("training")`. A --config file and `--set section.key=value` fill
them. The command reads one with `section("training")` and checks it with `config.from_mapping`. It answers --print-config itself, before it
reads its inputs: `if printing_config(): show_config(training=...); return`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import functools
import inspect
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

import typer

from voxcli import config as configuration
from voxcli.cli.framework import checks
from voxcli.cli.framework.clusters import Scheduler
from voxcli.cli.framework.flags import with_parameters
from voxcli.cli.framework.output import out
from voxcli.errors import UsageError

if TYPE_CHECKING:
    from typer._click.core import Context, Parameter

    from voxcli.provenance import Json, Recordable

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


def complete_models(incomplete: str) -> list[str]:
    from voxcli.models.registry import MODELS  # a table of names: free of torch

    return [name for name in MODELS if name.startswith(incomplete)]


def _complete_devices(incomplete: str) -> list[str]:
    return [name for name in ("auto", "cpu", "cuda", "cuda:0") if name.startswith(incomplete)]


Sources = Annotated[
    list[str],
    typer.Argument(metavar="INPUT", show_default=False, help="Files, URLs, a folder (searched in depth), a quoted glob, @list.txt, or -."),
]
Output = Annotated[
    str,
    typer.Option(
        "--output", "-o", metavar="OUTPUT", help="File, or folder for several inputs; - is stdout. The extension picks the format."
    ),
]
Model = Annotated[
    str | None,
    typer.Option("--model", "-m", metavar="MODEL", autocompletion=complete_models, help="Which model: `voxcli weights list` lists them."),
]
Weights = Annotated[
    str | None,
    typer.Option(
        "--weights", metavar="FILE", help="Weights (.safetensors) that `voxcli train` wrote; default: those shipped for the model."
    ),
]
Device = Annotated[
    str,
    typer.Option(
        "--device",
        metavar="DEVICE",
        autocompletion=_complete_devices,
        callback=checks.check_device,
        help="auto, cpu, cuda or cuda:N; auto takes a working CUDA.",
    ),
]
DType = Annotated[Dtype, typer.Option("--dtype", help="Floating-point type; auto is bfloat16 where the hardware has units for it.")]
Seed = Annotated[int, typer.Option("--seed", min=0, max=2**62, help="Seed; each item's own derives from it and the item's relative name.")]
BatchSize = Annotated[int, typer.Option("--batch-size", min=1, help="Items computed together.")]
Workers = Annotated[int, typer.Option("--workers", min=1, help="Worker processes.")]
Threshold = Annotated[float | None, typer.Option("--threshold", help="Occupied at or above this probability.")]
Resolution = Annotated[int | None, typer.Option("--resolution", min=1, help="Cells along the longest side.")]
GridSize = Annotated[tuple[int, int] | None, typer.Option("--size", metavar="W H", help="Columns and rows of the fruxel grid.")]
GridDepth = Annotated[int | None, typer.Option("--depth", min=1, help="Slices of the fruxel grid.")]
Camera = Annotated[str | None, typer.Option("--camera", metavar="FILE", help="Camera: a scene YAML or transforms.json.")]
Format = Annotated[str | None, typer.Option("--format", metavar="FORMAT", help="Format, where no file extension tells it (always for -).")]
InputFormat = Annotated[str | None, typer.Option("--input-format", metavar="FORMAT", help="Format of the input, needed for -.")]
Ids = Annotated[
    Literal["raw", "training"] | None,
    typer.Option("--ids", show_default=False, help="Ids of SemanticKITTI's .label: raw (default) or training."),
]
Kind = Annotated[str | None, typer.Option("--kind", help="What to read a file as, where its format leaves a choice (depth).")]
Becomes = Annotated[
    str | None, typer.Option("--as", metavar="KIND", help="fruxels, voxels, points or mesh, where the output's format could hold several.")
]
Records = Annotated[
    RecordFormat | None,
    typer.Option("--format", show_default=False, help="How rows are written; default: table on a terminal, jsonl otherwise."),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace outputs that exist.")]
SkipExisting = Annotated[bool, typer.Option("--skip-existing", help="Leave out items whose output exists, computation included.")]
KeepGoing = Annotated[bool, typer.Option("--keep-going", help="Finish the other items when one fails; the exit code is still 1.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say as JSON lines what would be read and written, by headers alone.")]


@dataclass(frozen=True)
class Formats:
    """The formats of inputs and outputs, where their names do not tell."""

    format: Format = None
    input_format: InputFormat = None

    def suffix(self, usual: str) -> str:
        """The suffix of outputs in a folder, with the dot: the format's, or else the usual one."""
        return f".{self.format.lower().lstrip('.')}" if self.format else usual


@dataclass(frozen=True)
class Policy:
    """What to do with outputs that exist and with items that fail."""

    overwrite: Overwrite = False
    skip_existing: SkipExisting = False
    keep_going: KeepGoing = False
    dry_run: DryRun = False


# -- options of every command ---------------------------------------------------------------------------------------------------------

_META = "voxcli.config"
_KEYWORD = inspect.Parameter.KEYWORD_ONLY


@dataclass
class _Given:
    """What --config, --set and --print-config gave: sections of the file, sections of --set, whether to print."""

    file: dict[str, Mapping[str, Json]] = field(default_factory=dict)
    set: dict[str, Mapping[str, Json]] = field(default_factory=dict)
    print: bool = False


def _set_quiet(value: bool) -> bool:
    out.quiet = out.quiet or value
    return value


def _set_verbose(value: int) -> int:
    out.verbose = max(out.verbose, value)
    return value


def _take_config(context: typer.Context, value: str | None) -> str | None:
    if value == "":
        raise checks.empty("--config")
    if value is not None:
        mapping = {key.replace("-", "_"): v for key, v in configuration.load(value).items()}
        sections_of = getattr(context.command.callback, "sections", ())
        known = _configurable(context)
        configuration.check_keys(mapping, [*known, *sections_of], f"--config {value}")
        groups: dict[str, Mapping[str, Json]] = {}
        for name in sections_of:
            group = mapping.get(name, {})
            if not isinstance(group, Mapping):
                raise UsageError(f"--config {value}: '{name}' must be a mapping.", actual=group)
            groups[name] = group
        # The parser takes a default from this map after flags and environment variables, and checks its type like theirs.
        given = {name: mapping[key] for key, name in known.items() if mapping.get(key) is not None}
        for parameter in context.command.params:
            name = str(parameter.name)
            checks.check_key(f"--config {value}: '{checks.key_of(parameter)}'", parameter, given.get(name))
            if name in given and getattr(parameter, "multiple", False) and not isinstance(given[name], list):
                given[name] = [given[name]]  # one value of an option that may be repeated
        # -v is counted: `verbose: true` is once.
        context.default_map = {name: each if name == "verbose" else configuration.as_typed(each) for name, each in given.items()}
        _given(context).file = groups
    return value


def _take_set(context: typer.Context, value: list[str] | None) -> list[str] | None:
    if value:
        mapping = configuration.parse_set(value)
        sections_of = getattr(context.command.callback, "sections", ())
        for key in mapping:
            if key.replace("-", "_") in _configurable(context):
                raise UsageError(f"--set is for nested settings; '{key}' has a flag.", hint=f"Use --{key.replace('_', '-')}.")
        configuration.check_keys(mapping, sections_of, "--set")
        groups: dict[str, Mapping[str, Json]] = {}
        for name, group in mapping.items():
            if not isinstance(group, Mapping):
                raise UsageError(f"--set {name}: '{name}' is a group.", expected=f"{name}.key=value")
            groups[name] = group
        _given(context).set = groups
    return value


def _take_print_config(context: typer.Context, value: bool) -> bool:
    _given(context).print = value
    return value


def _given(context: Context) -> _Given:
    given: _Given = context.meta.setdefault(_META, _Given())
    return given


def _configurable(context: Context) -> dict[str, str]:
    """Key -> parameter name of the options that a --config file may hold: all but those that read and print it, and no positional input."""
    known = [p for p in context.command.params if p.param_type_name == "option" and p.name not in ("config", "assignments", "print_config")]
    return {checks.key_of(p): p.name for p in known if p.name is not None}


@dataclass
class _Standing:
    """The options of every command."""

    config: Annotated[
        str | None, typer.Option("--config", metavar="FILE", is_eager=True, callback=_take_config, help="YAML file with options.")
    ] = None
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="GROUP.KEY=VALUE", is_eager=True, callback=_take_set, help="One nested setting, as in --config."),
    ] = None
    print_config: Annotated[
        bool,
        typer.Option("--print-config", is_eager=True, callback=_take_print_config, allow_from_autoenv=False,
                     help="Print all options as YAML, itself a valid --config, and stop."),
    ] = False  # fmt: skip
    quiet: Annotated[bool, typer.Option("--quiet", "-q", is_eager=True, callback=_set_quiet, help="Warnings and errors only.")] = False
    verbose: Annotated[
        int, typer.Option("--verbose", "-v", is_eager=True, count=True, show_default=False, callback=_set_verbose, help="More detail.")
    ] = 0


def standing(function: Callable[..., None]) -> Callable[..., None]:
    """The function with its groups spread out and the options of every command added; `--set` only where sections are declared,
    `--scheduler` only where there are --workers."""
    own = inspect.signature(function)
    hints = typing.get_type_hints(function, include_extras=True)
    groups = {name: hint for name, hint in hints.items() if isinstance(hint, type) and dataclasses.is_dataclass(hint)}
    added = _flags_of_group(Scheduler) if "workers" in own.parameters else []
    added += [each for each in _flags_of_group(_Standing) if each.name != "assignments" or hasattr(function, "sections")]

    @functools.wraps(function)
    def command(**values: Recordable) -> None:
        if _current:  # called as a command, not as a function
            checks.check_values(_context())
        for each in added:
            values.pop(each.name, None)
        made = {name: group(**{f.name: values.pop(f.name) for f in dataclasses.fields(group)}) for name, group in groups.items()}
        function(**values, **made)

    parameters: list[inspect.Parameter] = []
    for name, parameter in own.parameters.items():
        if name in groups:
            parameters += _flags_of_group(groups[name])
        else:
            parameters.append(parameter.replace(annotation=hints.get(name, parameter.annotation), kind=_KEYWORD))
    return with_parameters(command, [*parameters, *added])


def _flags_of_group(group: type) -> list[inspect.Parameter]:
    """A parameter for each field of a group."""
    hints = typing.get_type_hints(group, include_extras=True)
    return [inspect.Parameter(f.name, _KEYWORD, default=f.default, annotation=hints[f.name]) for f in dataclasses.fields(group)]


# -- nested configuration --------------------------------------------------------------------------------------------------------------


def sections(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Declare the sections of nested configuration that a command takes from --config and --set."""

    def mark(function: Callable[..., None]) -> Callable[..., None]:
        vars(function)["sections"] = names
        return function

    return mark


def section(name: str) -> dict[str, Json]:
    """One declared section: the --config file's, overridden by --set."""
    given = _given(_context())
    return configuration.merge(given.file.get(name), given.set.get(name))


def printing_config() -> bool:
    """True if --print-config was given: inputs and required options may then be absent."""
    return _given(_context()).print


def show_config(**groups: Recordable) -> None:
    """Print the resolved configuration as YAML: every option with its origin (null: the command finds its value), then the sections."""
    context = _context()
    mapping: dict[str, Recordable] = {}
    origins: dict[str, str] = {}
    for key, name in _configurable(context).items():
        value, source = context.params.get(name), context.get_parameter_source(name)
        mapping[key] = None if value in ((), []) else value
        origins[key] = _ORIGINS.get(source.name if source else "", "default").format(key.replace("_", "-"), key.upper())
    out.data(configuration.dumps(mapping | groups, origins))


def settle_words() -> None:
    """Of --quiet and --verbose take the one that was given in the stronger way. Raises UsageError where both were in the same."""
    if not (out.quiet and out.verbose):
        return
    sources = [_context().get_parameter_source(name) for name in ("quiet", "verbose")]
    ranks = [[*_ORIGINS].index(source.name) for source in sources if source is not None]
    if ranks[0] == ranks[1]:
        raise UsageError("-q and -v contradict each other.", hint="Give one of them.")
    out.quiet, out.verbose = ranks[0] < ranks[1], 0 if ranks[0] < ranks[1] else out.verbose


_ORIGINS = {"COMMANDLINE": "--{0}", "ENVIRONMENT": "VOXCLI_{1}", "DEFAULT_MAP": "--config"}
"""How an option is given, the strongest first -> what --print-config calls it."""


def first(*values: T | None) -> T:
    """The first value that is not None: `first(flag, checkpoint.get("threshold"), 0.5)`."""
    for value in values:
        if value is not None:
            return value
    raise AssertionError("the last value is the default and must not be None")


_current: list[Context] = []
_numeric_flags: set[str] = set()


@contextlib.contextmanager
def current(context: Context) -> Iterator[None]:
    """Make `context` the one that `section`, `printing_config` and `show_config` read."""
    _current.append(context)
    _numeric_flags.clear()
    _numeric_flags.update(name for parameter in context.command.params for name in parameter.opts if _takes_a_number(parameter))
    try:
        yield
    finally:
        _current.pop()


def _takes_a_number(parameter: Parameter) -> bool:
    kinds = getattr(parameter.type, "types", [parameter.type])
    return all(kind.name.startswith(("int", "float")) for kind in kinds)


def flags_of_command() -> set[str]:
    """The flags that take numbers, of the command that runs or has just ended. A hint may name them."""
    return set(_numeric_flags)


def _context() -> Context:
    return _current[-1]
