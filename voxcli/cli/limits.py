"""How large a grid may be asked for: a clear error instead of hours, or of a machine without memory."""

from __future__ import annotations

import math

from voxcli.errors import UsageError

MOST_CELLS = 1 << 30
"""1024 cubed: filling takes about 7 bytes a cell, and no file format of ours holds more than 4 GiB."""


def check_cells(*shape: int) -> None:
    """Raise UsageError for a grid of more cells than MOST_CELLS."""
    if math.prod(max(n, 0) for n in shape) > MOST_CELLS:
        raise UsageError(f"A grid of {' x '.join(map(str, shape))} cells is too large.", expected=f"at most {MOST_CELLS} (1024 cubed)")
