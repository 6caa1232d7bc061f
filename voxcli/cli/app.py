"""The command line: one table of commands, loaded only when called, and the one place where errors become exit codes.

`voxcli/guide/architecture.md` says how to add a command.

A command whose module does not exist yet is not shown. -q -v --config --print-config are added to every command by
`options.standing`.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, overload

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from voxcli import log
from voxcli.cli.framework import checks, failures, interrupts, options, variables, written
from voxcli.cli.framework.help_texts import help_of
from voxcli.cli.framework.output import OutputClosed, out
from voxcli.contents import opened_once
from voxcli.errors import VoxcliError, unknown_name
from voxcli.version import __version__

if TYPE_CHECKING:
    from typer._click.core import Command as ParserCommand
    from typer._click.core import Context
    from typer._click.formatting import HelpFormatter

COMMANDS_ROOM = "voxcli.cli.commands"


@dataclass(frozen=True)
class Entry:
    """One command: its words after `voxcli`, module and name of its function, one line for the list of commands.

    A module that begins with a dot is one of `voxcli/cli/commands/`.
    """

    words: str
    target: str
    help: str
    hidden: bool = False

    @property
    def exists(self) -> bool:
        """Whether its module is there; looked up without importing it."""
        try:
            return importlib.util.find_spec(self.target.partition(":")[0], COMMANDS_ROOM) is not None
        except ModuleNotFoundError:
            return False

    def load(self) -> Callable[..., None]:
        """The function itself."""
        module, _, name = self.target.partition(":")
        function: Callable[..., None] = getattr(importlib.import_module(module, COMMANDS_ROOM), name)
        renewed: Callable[[], Callable[..., None]] | None = getattr(function, "renewed", None)  # what `takes_flags` found may have changed
        return function if renewed is None else renewed()


_COMMANDS = (
    Entry("fruxelize", ".fruxelize:fruxelize", "Turn meshes and scenes into labelled fruxels or voxels."),
    Entry("render-surfels", ".render_surfels:render_surfels", "Render pictures, depth, normals and surfels of 3D files."),
    Entry("train", ".train:train", "Train a model on a data folder."),
    Entry("predict", ".predict:predict", "Predict 3D from images."),
    Entry("sample", ".sample:sample", "Scenes of random latent codes, and those between two pictures."),
    Entry("fuse-views", ".fuse_views:fuse_views", "Fuse several views into one volume."),
    Entry("segment", ".segment:segment", "Divide scenes into instances, images into classes."),
    Entry("metrics all", ".metrics:every", "Chamfer, F-score, Hausdorff and normals at once."),
    Entry("metrics merge", ".metrics:merge", "The summary of a set from the sums of its parts."),
    Entry("metrics presets", ".metrics:presets", "The papers' protocols by name."),
    Entry("evaluate", ".evaluate:evaluate", "Reproduce a paper's table on your copy of its data."),
    Entry("synth street", ".synth_street:street", "Street scenes with fruxels, depth, masks and poses."),
    Entry("synth objects", ".synth_objects:objects", "Objects of eight categories with pictures, volumes, parts and albedo."),
    Entry("synth views", ".synth_views:views", "Your own meshes as objects with pictures, cameras, volumes and splits."),
    Entry("synth rooms", ".synth_rooms:rooms", "Half-open rooms with shapes: pictures, depth, normals, lights."),
    Entry("synth iqtt", ".synth_iqtt:iqtt", "Questions of the 3D-IQ test task."),
    Entry("weights list", ".weights:list_", "The models, and the weights that are there."),
    Entry("weights info", ".weights:info", "Facts about weights files."),
    Entry("weights export", ".weights:export", "Weights for other programs."),
    Entry("weights import", ".weights:import_", "Official checkpoints as voxcli weights."),
    Entry("convert", ".convert:convert", "Write a file in another format."),
    Entry("info", ".info:info", "Facts about files, as JSON."),
    Entry("view", ".view:view", "A page to turn a file in, a picture of it, or plots of scores and trainings."),
    Entry("doctor", ".doctor:doctor", "What is installed and would work, with a self-test."),
    Entry("guide", ".guide:guide", "Read the guide: one page a topic."),
    Entry("completion", ".completion:completion", "Completion scripts and the manual page."),
)


class Commands(Sequence[Entry]):
    """All commands: those above, and before the others of its group one for each metric that is registered when they are looked up."""

    def __iter__(self) -> Iterator[Entry]:
        from voxcli.metrics.registry import METRICS

        metrics = [Entry(f"metrics {metric.name}", f".metrics:{metric.name}", metric.summary) for metric in METRICS.values()]
        for entry in _COMMANDS:
            if entry.words == "metrics all":
                yield from metrics
            yield entry

    def __len__(self) -> int:
        return len(tuple(iter(self)))

    def of_group(self, prefix: str) -> Sequence[Entry]:
        """What a group must look at, whose words are `prefix`: only that of metrics has the metrics imported."""
        return self if prefix.startswith("metrics ") else _COMMANDS

    @overload
    def __getitem__(self, index: int) -> Entry: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Entry, ...]: ...
    def __getitem__(self, index: int | slice) -> Entry | tuple[Entry, ...]:
        return tuple(iter(self))[index]


COMMANDS = Commands()

GROUPS = {
    "metrics": "Score predictions against ground truth.",
    "synth": "Make data sets with exact ground truth.",
    "weights": "List, inspect, export and import weights.",
}

ABOUT = f"""Images to labelled 3D, and an honest score. Version {__version__}.

Every option can also be set as a variable VOXCLI_<OPTION> (VOXCLI_DEVICE=cpu) or, all but --config and --set, in a YAML file (--config)."""


class QuickHelp:
    """Keeps `--help` fast: Typer's help flag defaults to None, and checking that against bool would load its validation library."""

    def get_help_option(self, ctx: Context) -> TyperOption | None:
        """The --help flag, off by default."""
        option = super().get_help_option(ctx)  # type: ignore[misc]
        if option is not None and option.default is None:
            option.default = False
        return option


class Command(QuickHelp, TyperCommand):
    """A command whose help ends with its examples, as they stand in the docstring."""

    def format_options(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Write inputs and options; inputs by their names alone, without the Python type that the parser would add."""
        positional, flags = [], []
        for parameter in self.get_params(ctx):
            if isinstance(parameter, TyperArgument):
                positional.append((parameter.metavar or str(parameter.name).upper(), parameter.help or ""))
            elif (record := parameter.get_help_record(ctx)) is not None:
                flags.append(record)
        for title, rows in (("Inputs", positional), ("Options", flags)):
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)

    def format_epilog(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Write the examples line by line: filled paragraphs could not be copied."""
        if self.epilog:
            with formatter.section("Examples"):
                for line in self.epilog.strip().splitlines():
                    formatter.write(f"{'':>{formatter.current_indent}}{line.strip()}\n")

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        """Parse; --print-config works without the inputs that the command itself needs."""
        if "--print-config" in args:
            for parameter in self.params:
                parameter.required = False
        given = list(args)
        try:
            return super().parse_args(ctx, args)
        except typer.BadParameter as error:
            self._add_given_value(ctx, error, given)
            raise

    def _add_given_value(self, ctx: Context, error: Any, args: list[str]) -> None:
        """Add the refused value, and its origin where that is no flag, to the parser's message: it says only what was expected."""
        if error.param is None or not error.message:
            return
        value, source = error.param.consume_value(ctx, self.make_parser(ctx).parse_args(list(args))[0])
        origin = {"ENVIRONMENT": f" from {error.param.envvar}", "DEFAULT_MAP": " from --config"}.get(source.name, "")
        if value is not None:
            came = "" if f"'{value}' is" in error.message and not origin else f", got '{value}'"
            error.message = f"{error.message.rstrip('.')}{came}{origin}."

    def invoke(self, ctx: Context) -> None:
        """Run the command, or print its configuration."""
        variables.warn_of_unknown(_variables(self), _all_variables)
        with options.current(ctx):
            options.settle_words()
            log.set_handler(out.detail if out.verbose else None)
            if options.printing_config() and not getattr(self.callback, "sections", ()):
                options.show_config()
                return
            super().invoke(ctx)


def _variables(command: ParserCommand) -> set[str]:
    """The variables of the options of a command."""
    return {str(parameter.envvar) for parameter in command.params if parameter.envvar}


def _all_variables() -> set[str]:
    return {name for entry in COMMANDS if entry.exists for name in _variables(build_command(entry))}


class Group(QuickHelp, TyperGroup):
    """Commands by name, imported only when one is called."""

    entries: Sequence[Entry] = COMMANDS
    prefix = ""

    def candidates(self) -> Sequence[Entry]:
        """The entries among which those of this group are."""
        return self.entries.of_group(self.prefix) if isinstance(self.entries, Commands) else self.entries

    def children(self) -> dict[str, str]:
        """Names of the next word, each with its one line of help."""
        found: dict[str, str] = {}
        for entry in self.candidates():
            if entry.words.startswith(self.prefix) and entry.exists and not entry.hidden:
                word, _, rest = entry.words[len(self.prefix) :].partition(" ")
                found[word] = GROUPS[self.prefix + word] if rest else entry.help
        return found

    def list_commands(self, ctx: Context) -> list[str]:
        """All names, in the order of the table."""
        return list(self.children())

    def get_command(self, ctx: Context, cmd_name: str) -> ParserCommand | None:
        """The command or group of that name, or None."""
        words, candidates = self.prefix + cmd_name, self.candidates()
        for entry in candidates:
            if entry.words == words and entry.exists:
                return build_command(entry)
        if any(entry.words.startswith(words + " ") and entry.exists for entry in candidates):
            return build_group(self.entries, words + " ", GROUPS[words])
        return None

    def resolve_command(self, ctx: Context, args: list[str]) -> tuple[str | None, ParserCommand | None, list[str]]:
        """The command that the arguments name; an unknown one is an error with the nearest name and the list."""
        command = self.get_command(ctx, args[0])
        if command is None:
            if args[0].startswith("-"):
                ctx.fail(f"No such option: {args[0]}")
            raise unknown_name("command", args[0], self.children())
        return args[0], command, args[1:]

    def format_commands(self, ctx: Context, formatter: HelpFormatter) -> None:
        """The list of commands, from the table alone."""
        rows = list(self.children().items())
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)


def build_command(entry: Entry) -> ParserCommand:
    """The Typer command of one entry."""
    function = entry.load()
    text, examples = help_of(function, entry.help)
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    help_names = {"help_option_names": ["--help", "-h"]}
    name = entry.words.rpartition(" ")[2]
    app.command(name, cls=Command, help=text.strip(), epilog=examples, context_settings=help_names)(options.standing(function))
    command = typer.main.get_command(app)
    for parameter in command.params:
        assert isinstance(parameter, (TyperArgument, TyperOption))
        parameter.show_envvar = False  # every option has its variable: said once, in ABOUT
        if isinstance(parameter, TyperOption) and parameter.name != "print_config":
            parameter.envvar = f"VOXCLI_{checks.key_of(parameter).upper()}"
    return command


def build_group(entries: Sequence[Entry] = COMMANDS, prefix: str = "", about: str = ABOUT) -> Group:
    """The Typer group of all entries whose words begin with `prefix`."""
    cls = type("LazyGroup", (Group,), {"entries": entries, "prefix": prefix})
    app = typer.Typer(
        add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False, cls=cls, no_args_is_help=True, help=about,
        context_settings={"help_option_names": ["--help", "-h"]},
    )  # fmt: skip
    app.callback()(_root if not prefix else _nothing)
    group = typer.main.get_command(app)
    assert isinstance(group, Group)
    return group


def _print_version(value: bool) -> None:
    if value:
        out.data(f"voxcli {__version__}")
        raise typer.Exit


def _root(version: bool = typer.Option(False, "--version", is_eager=True, callback=_print_version, help="Print the version.")) -> None:
    """--version acts by itself, before this; a group wants a function to carry its options."""


def _nothing() -> None:
    """What a group without options of its own is made of."""


# -- the edge: errors become lines and exit codes -------------------------------------------------------------------------------------


def run(args: Sequence[str], entries: Sequence[Entry] = COMMANDS) -> int:
    """Run one command line and return its exit code; all that is to be printed has been."""
    warnings.showwarning = failures.show_warning
    out.reset()
    log.set_handler(None)
    began = time.perf_counter()
    try:
        try:
            with opened_once():
                _invoke(args, entries)
            code = 0
            written.report()
            if out.verbose > 1:
                out.note(f"timings: {log.timings(time.perf_counter() - began)}")
        except Exception as error:
            interrupts.check()
            if getattr(error, "exit_code", 2) == 1:
                written.report()
            code = _explain(error)
        if code in (0, 1):  # 1: some items failed, or a gate was missed; what was computed is still data
            try:
                out.commit()
            except (OSError, VoxcliError) as error:
                code = _explain(error)
    except (OutputClosed, BrokenPipeError):  # the latter from help texts, which the parser prints itself
        code = 0
    except (KeyboardInterrupt, interrupts.Terminated):
        out.error("interrupted.")
        code = 130
    finally:
        written.take_all()
        log.set_handler(None)
        out.reset()
        _settle_stdout()
    return code


def main(entries: Sequence[Entry] = COMMANDS) -> NoReturn:
    """The console script."""
    interrupts.listen()
    sys.exit(run(sys.argv[1:], entries))


def _invoke(args: Sequence[str], entries: Sequence[Entry]) -> None:
    group = build_group(entries)
    try:
        with group.make_context("voxcli", list(args)) as context:
            group.invoke(context)
    except typer.Exit as exit_:
        if exit_.exit_code:
            raise
    if sys.stdout is not None:
        sys.stdout.flush()  # help, which the parser prints itself: a reader that left must show here, not when the interpreter ends


def _settle_stdout() -> None:
    """Let nothing be left for the interpreter to flush as it ends: a closed pipe or a full disk would make it fail loudly then."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.flush()
    except OSError:
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _explain(error: Exception) -> int:
    """Say on stderr what went wrong, and return the exit code."""
    if isinstance(error, (OutputClosed, BrokenPipeError)):
        raise error
    if isinstance(error, typer.Exit):
        return error.exit_code
    if isinstance(error, typer.Abort):
        raise KeyboardInterrupt
    if type(error).__name__ == "NoArgsIsHelpError":
        out.message(str(error))
        return 2
    failures.show_traceback(error)
    code, lines = failures.explain(error)
    out.error(lines)
    return code
