"""The help text of a command: its docstring, with the parts that are found when the command is built."""

from __future__ import annotations

from collections.abc import Callable


def completed_help(**parts: Callable[[], str]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Say what stands for `{name}` in the help text of a command, found when the command is built."""

    def mark(function: Callable[..., None]) -> Callable[..., None]:
        vars(function)["help_parts"] = parts
        return function

    return mark


def help_of(function: Callable[..., None], short: str) -> tuple[str, str]:
    """What a command does, complete, and its examples. short: stands for a docstring that is missing."""
    text = function.__doc__ or ""
    for name, part in getattr(function, "help_parts", {}).items():
        text = text.replace(f"{{{name}}}", part())
    about, _, examples = (text or short).partition("Examples:\n")
    return about, examples
