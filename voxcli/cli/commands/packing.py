"""`voxcli convert DIR data.h5`: a folder of street scenes into the one file that training reads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from voxcli.cli.framework.output import out


def packs(sources: Sequence[str], output: str) -> bool:
    """True where one folder of `synth street` is to become one HDF5 file."""
    from voxcli.datasets.packed import SUFFIXES
    from voxcli.datasets.packing import is_street_folder

    return len(sources) == 1 and Path(output).suffix.lower() in SUFFIXES and is_street_folder(sources[0])


def pack(folder: str, output: str, *, overwrite: bool, skip_existing: bool, dry_run: bool) -> None:
    """Pack the folder, unless it is only to be said what would be written."""
    from voxcli.atomic import check_writable, refuse_existing
    from voxcli.datasets.packing import pack_street
    from voxcli.datasets.street import StreetFolder

    if skip_existing and Path(output).is_file():
        return out.note(f"{output} exists: left out.")
    if not overwrite:
        refuse_existing(output)
    check_writable([output])
    if dry_run:
        return out.data(output)
    data = StreetFolder([folder])
    with out.progress(len(data), "packing") as bar:
        pack_street(data, output, bar.advance)
    return None
