"""Variables VOXCLI_... of the environment that no option has."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable

from voxcli.cli.framework.output import out

OWN_VARIABLES = ("VOXCLI_DEBUG", "VOXCLI_MAX_MEMORY")
"""Variables that stand for no option."""


def warn_of_unknown(own: set[str], every: Callable[[], set[str]]) -> None:
    """Warn of variables that no command has an option for, with the nearest name.

    own: those of the command that runs. every: tells those of all commands, and is called only where the command knows one not.
    """
    given = [name for name in os.environ if name.startswith("VOXCLI_") and name not in OWN_VARIABLES]
    if all(name in own for name in given):
        return
    known = own | every()
    for name in given:
        if name not in known:
            names = [each.removeprefix("VOXCLI_") for each in (*sorted(known), *OWN_VARIABLES)]
            near = difflib.get_close_matches(name.removeprefix("VOXCLI_"), names, n=1, cutoff=0.7)
            hint = f" Did you mean VOXCLI_{near[0]}?" if near else ""
            out.warn(f"the variable {name} belongs to no option and changes nothing.{hint}")
