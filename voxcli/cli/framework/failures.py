"""The message and the exit code of an error. Used where a command ends and by --keep-going."""

from __future__ import annotations

import errno
import os
import re
import traceback
from typing import Any, TextIO

from voxcli.cli.framework import options
from voxcli.cli.framework.output import out
from voxcli.errors import VoxcliError, readable, unknown_name
from voxcli.version import __version__


def explain(error: Exception) -> tuple[int, str]:
    """(exit code, one to three lines) for any error that ends a command or fails an item."""
    if isinstance(error, VoxcliError):
        return error.exit_code, str(error)
    if hasattr(error, "format_message"):  # Typer's errors about the call; most have no public name
        return 2, _usage_lines(error)
    if is_death(error):
        return 2, "A worker process died: killed, or out of memory.\nTry fewer --workers."
    if type(error).__name__ == "CancelledError":
        return 2, "The scheduler of the cluster was lost.\nThe same command goes on where it stopped, most with --skip-existing."
    if isinstance(error, OSError):
        return 2, _os_error_line(error)
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError" or "can't allocate memory" in str(error):
        return 2, f"Out of memory.\n{_ways_to_need_less()}"
    if isinstance(error, RecursionError):
        return 2, "The input is nested too deep."
    first = (str(error).strip().splitlines() or [""])[0]
    bug = f"a bug: please report this line{_place(error)}; VOXCLI_DEBUG=1 shows the traceback"
    return 2, f"internal error: {type(error).__name__}: {readable(first)[:200]} ({bug})"


def is_death(error: BaseException | None) -> bool:
    """Whether an error says that a worker process died, here or of a cluster."""
    return type(error).__name__ in ("BrokenProcessPool", "KilledWorker")


def show_traceback(error: Exception) -> None:
    """Print the traceback where VOXCLI_DEBUG=1 asks for it."""
    if os.environ.get("VOXCLI_DEBUG") == "1":
        out.message("".join(traceback.format_exception(error)).rstrip())


def _place(error: Exception) -> str:
    """The version and the last line of voxcli that an error passed, that of a worker process too; such as ", 0.1.0 files/npy.py:12"."""
    lines = re.findall(r'File ".*?[/\\]voxcli[/\\]([^"]+)", line (\d+)', "".join(traceback.format_exception(error)))
    return f", {__version__}" + (f" {lines[-1][0]}:{lines[-1][1]}" if lines else "")


def _ways_to_need_less() -> str:
    """The options of the called command that reduce its memory."""
    known = options.flags_of_command()
    smaller = [flag for flag in ("--batch-size", "--resolution", "--size", "--depth", "--points", "--workers") if flag in known]
    return f"Try a smaller {', '.join(smaller[:-1])}{' or ' if smaller[:-1] else ''}{smaller[-1]}." if smaller else "Try smaller inputs."


def show_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, file: TextIO | None = None, line: str | None = None
) -> None:
    """Print a library's warning as one line, with its origin for -v. Replaces warnings.showwarning."""
    text = (str(message).strip().splitlines() or [category.__name__])[0]
    out.warn(text + (f" ({category.__name__}, {filename}:{lineno})" if out.verbose else ""))


def _usage_lines(error: Any) -> str:
    message = " ".join(error.format_message().split())
    context = getattr(error, "ctx", None)
    option = getattr(error, "option_name", None)
    if type(error).__name__ == "NoSuchOption" and option and context is not None:
        known = {name for parameter in context.command.params for name in (*parameter.opts, *parameter.secondary_opts)}
        message = str(unknown_name("option", option, [name for name in known if name.startswith("--")]))
        lines = message.split("\n")
        if len(lines[-1]) > 380:  # of so many options, the nearest; --help, which is named below, has them all
            message = "\n".join(line for line in (lines[0], lines[-1].partition("Known: ")[0].rstrip()) if line)
        if not option.startswith("--") or os.path.lexists(option):
            message += "\nA name that begins with - is written ./-NAME, or behind all options after --."
        if option in ("-o", "--output"):
            message = f"This command has no {option}: what it tells goes to stdout. Write it to a file with > FILE."
    path = context.command_path if context is not None else "voxcli"
    return f"{message}\n`{path} --help` shows all options."


def _os_error_line(error: OSError) -> str:
    names = [os.fsdecode(each) if isinstance(each, bytes) else str(each) for each in (error.filename, error.filename2) if each is not None]
    name = f": {readable(' -> '.join(names))}" if names else ""
    if error.errno == errno.ENOSPC:
        return f"No space left on the device{name}."
    lines = {
        FileNotFoundError: f"No such file or folder{name}.",
        PermissionError: f"Permission denied{name}.",
        IsADirectoryError: f"A folder stands where a file was expected{name}.",
        NotADirectoryError: f"A file stands where a folder was expected{name}.",
    }
    return lines.get(type(error), f"{error.strerror or error}{name}.")
