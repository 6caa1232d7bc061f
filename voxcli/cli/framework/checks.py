"""What every command checks of the values of its options, whichever they are."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import typer

from voxcli.errors import UsageError

if TYPE_CHECKING:
    from typer._click.core import Context, Parameter

    from voxcli.provenance import Json


def key_of(parameter: Parameter) -> str:
    """The name of an option in --config files and, in capitals behind VOXCLI_, in the environment: its long flag with underscores."""
    flag = next((name for name in parameter.opts if name.startswith("--")), parameter.opts[0])
    return flag.lstrip("-").replace("-", "_")


def check_device(value: str) -> str:
    """The name of a device that there may be. Raises BadParameter, to which the parser adds where the name comes from."""
    if not re.fullmatch(r"auto|(cpu|cuda)(:[0-9]+)?", value):
        raise typer.BadParameter("unknown device; known are auto, cpu, cuda and cuda:N")
    return value


def check_key(where: str, parameter: Parameter, value: Json) -> None:
    """Raise UsageError for a list or mapping where an option takes one value, or each of its values is one."""
    if parameter.nargs > 1 and value is not None and not (isinstance(value, list) and len(value) == parameter.nargs):
        raise UsageError(f"{where} has the wrong number of values.", expected=f"a list of {parameter.nargs}", actual=value)
    several = parameter.nargs != 1 or getattr(parameter, "multiple", False)
    for each in value if several and isinstance(value, list) else [value]:
        if isinstance(each, (list, dict)):
            raise UsageError(f"{where} has the wrong type.", expected="a list of values" if several else "one value", actual=each)


def check_values(context: Context) -> None:
    """Raise UsageError for a number that is NaN or infinite, and for a text that was given and is empty."""
    for parameter in context.command.params:
        value, source = context.params.get(str(parameter.name)), context.get_parameter_source(str(parameter.name))
        flag = f"--{key_of(parameter).replace('_', '-')}" if parameter.param_type_name == "option" else str(parameter.metavar).strip("[]")
        for each in value if isinstance(value, (list, tuple)) else [value]:
            if isinstance(each, float) and not math.isfinite(each):
                raise UsageError(f"{flag} must be a finite number.", actual=each)
            if each == "" and source is not None and source.name != "DEFAULT":
                raise empty(flag)


def empty(flag: str) -> UsageError:
    """The error for a text that was given and is empty."""
    return UsageError(f"{flag} is empty.", expected="a name or a value", actual="''", hint="A variable of the shell may not be set.")
