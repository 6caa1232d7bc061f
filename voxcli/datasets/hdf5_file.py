"""An HDF5 file that is filled sample by sample and never stands half done under its name."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from voxcli.atomic import put_in_place, refuse_existing
from voxcli.errors import UsageError

if TYPE_CHECKING:
    import h5py


@contextmanager
def new_hdf5(path: Path, overwrite: bool) -> Iterator[h5py.File]:
    """An empty HDF5 file to fill in a `with` block. It takes the name `path` when the block ends without an error.

    The same calls give the same bytes. Parent folders are made. Raises UsageError for every OSError within the block, and where overwrite
    is False and the file exists.
    """
    import h5py

    if not overwrite:
        refuse_existing(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with h5py.File(temporary, "w", libver=("earliest", "v110"), track_order=False) as file:
            yield file
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        put_in_place(temporary, path, overwrite)
    except (OSError, RuntimeError, ValueError) as error:
        found = re.search(r"errno = (\d+)", str(error))  # so HDF5 tells errors of the system, as RuntimeError where a file is closed
        if found is None and not isinstance(error, OSError):
            raise
        reason = os.strerror(int(found[1])) if found else getattr(error, "strerror", None) or str(error)
        raise UsageError(f"'{path}' cannot be written.", actual=reason, hint="Is the disk full, or the folder read-only?") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
