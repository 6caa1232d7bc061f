"""An HDF5 file that is filled sample by sample and never stands half done under its name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from voxcli.errors import UsageError

if TYPE_CHECKING:
    import h5py


@contextmanager
def new_hdf5(path: Path) -> Iterator[h5py.File]:
    """An empty HDF5 file to fill in a `with` block. It takes the name `path` when the block ends without an error.

    The same calls give the same bytes. Parent folders are made, and a file of that name is replaced. Raises UsageError for every OSError
    within the block.
    """
    import h5py

    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with h5py.File(temporary, "w", libver=("earliest", "v110"), track_order=False) as file:
            yield file
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise UsageError(f"'{path}' cannot be written.", actual=str(error), hint="Is the disk full, or the folder read-only?") from error
    finally:
        temporary.unlink(missing_ok=True)
