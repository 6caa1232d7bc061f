"""binvox: run-length coded occupancy (Min, "Binvox voxel file format").

Header lines `#binvox 1`, `dim D H W`, `translate x y z`, `scale s`, `data`, in any order before `data`, with blank lines and
comments from `#` on. Values run y fastest, then z, then x, so the three sizes of `dim` are those of x, z and y. Cell (i, j, k) is
centred at scale * ((i + 1/2)/dim) + translate. Voxelisers of the field write cubes only.
"""

from __future__ import annotations

import math

import numpy as np

from voxcli import log
from voxcli.errors import DataError, FileFormatError
from voxcli.files.guard import claim
from voxcli.files.registry import Format, Options, register
from voxcli.files.source import Source
from voxcli.scene import VoxelGrid


def read_binvox(source: Source, kind: str | None, options: Options) -> VoxelGrid:
    """Occupancy [x, y, z], bool. Raises FileFormatError for a broken header or run lengths that do not fill the grid."""
    header, runs = _split(source.data, source.name)
    sizes = [int(v) for v in _numbers(header, "dim", 3, source.name)]
    translate = np.array(_numbers(header, "translate", 3, source.name) if "translate" in header else [0.0, 0.0, 0.0])
    scale = _numbers(header, "scale", 1, source.name)[0] if "scale" in header else 1.0
    if min(sizes) < 1:
        raise FileFormatError(f"{source.name} declares {sizes} cells.", expected="1 or more along each axis")
    claim(source.name, math.prod(sizes))
    values, counts = _whole_runs(runs, int(np.prod(sizes, dtype=np.int64)), source.name)
    native = np.repeat(values != 0, counts).reshape(sizes)  # [x, z, y]
    occupancy = np.ascontiguousarray(native.transpose(0, 2, 1))
    return VoxelGrid(occupancy=occupancy, origin=translate, voxel_size=scale / np.array(occupancy.shape, np.float64))


def header_sizes(data: bytes, name: str) -> list[int]:
    """The sizes of a grid along x, z and y, from the beginning of a file. Raises FileFormatError for a broken header."""
    return [int(v) for v in _numbers(_split(data, name)[0], "dim", 3, name)]


def _whole_runs(runs: np.ndarray, cells: int, name: str) -> tuple[np.ndarray, np.ndarray]:
    """(values, counts) of the runs that fill the grid. A line end behind them, as text editors leave it, is left out with a warning."""
    pairs = runs[: len(runs) // 2 * 2].reshape(-1, 2)
    ends = pairs[:, 1].cumsum(dtype=np.int64)
    used = int(np.searchsorted(ends, cells)) + 1
    if used > len(ends) or ends[used - 1] != cells:
        raise FileFormatError(f"{name}: run lengths do not fill the grid.", expected=f"{cells} cells",
                              actual=f"{ends[-1] if len(ends) else 0}", hint="The file may be truncated, or its `dim` wrong.")  # fmt: skip
    behind = len(runs) - 2 * used
    if behind > 2:
        raise FileFormatError(f"{name} goes on behind its last cell.", expected=f"{2 * used} bytes of run lengths for {cells} cells",
                              actual=f"{behind} bytes more", hint="Its `dim` may be wrong.")  # fmt: skip
    if behind:
        log.warn(f"{name}: {behind} byte{'s' * (behind > 1)} behind the last cell left out.")
    return pairs[:used, 0], pairs[:used, 1]


def _split(data: bytes, name: str) -> tuple[dict[str, list[str]], np.ndarray]:
    """(words after each header key, run bytes)."""
    if not data.startswith(b"#binvox"):
        raise FileFormatError(f"{name} is not a binvox file.", expected="a first line '#binvox 1'", actual=repr(data[:16]))
    header: dict[str, list[str]] = {}
    position = data.find(b"\n") + 1
    while position:
        end = data.find(b"\n", position)
        if end < 0:
            break
        words = data[position:end].split(b"#")[0].decode("ascii", "replace").split()
        position = end + 1
        if words[:1] == ["data"]:
            return header, np.frombuffer(data, np.uint8, offset=position)
        if words:
            header[words[0]] = words[1:]
    raise FileFormatError(f"{name}: the header has no line 'data'.", hint="The file may be truncated.")


def _numbers(header: dict[str, list[str]], key: str, count: int, name: str) -> list[float]:
    words = header.get(key, [])
    try:
        values = [float(word) for word in words]
    except ValueError:
        values = []
    if len(values) != count or not np.all(np.isfinite(values)):
        raise FileFormatError(
            f"{name}: header line '{key}' is missing or wrong.", expected=f"{count} number(s)", actual=" ".join(words) or None
        )
    return values


def write_binvox(grid: VoxelGrid, options: Options) -> bytes:
    """A whole binvox file. Labels become "anything but the empty class".

    The format has one scale for all axes of a cube: a grid of cubic cells is padded with empty cells at its far ends until it is a cube.
    Raises DataError for cells that cannot be written so, and for float occupancy, which needs a threshold first.
    """
    occupied = occupied_cells(grid, "binvox")
    extent = np.array(occupied.shape) * grid.voxel_size
    if not np.allclose(extent, extent[0], rtol=1e-6):
        if not np.allclose(grid.voxel_size, grid.voxel_size[0], rtol=1e-6):
            raise DataError("binvox holds cubes of cubic cells.", actual=f"{list(occupied.shape)} cells of {grid.voxel_size.tolist()}",
                            hint="Write .npz, or resample to cubic cells.")  # fmt: skip
        side = max(occupied.shape)
        occupied = np.pad(occupied, [(0, side - n) for n in occupied.shape])
        extent = side * grid.voxel_size
    x, y, z = occupied.shape
    translate = " ".join(repr(float(v)) for v in grid.origin)
    header = f"#binvox 1\ndim {x} {z} {y}\ntranslate {translate}\nscale {float(extent[0])!r}\ndata\n"
    return header.encode() + _run_lengths(occupied.transpose(0, 2, 1).reshape(-1))


def occupied_cells(grid: VoxelGrid, format: str) -> np.ndarray:
    """Which cells are occupied, bool [X, Y, Z], for formats that know only yes and no. Raises DataError for probabilities."""
    if grid.labels is not None:
        assert grid.classes is not None
        filled: np.ndarray = grid.labels != (-1 if grid.classes.empty is None else grid.classes.empty)
        return filled
    assert grid.occupancy is not None
    if grid.occupancy.dtype.kind == "f":
        raise DataError(
            f"{format} holds occupied and empty cells, not probabilities.", hint="Choose a threshold first (convert --threshold)."
        )
    nonzero: np.ndarray = grid.occupancy != 0
    return nonzero


def _run_lengths(values: np.ndarray) -> bytes:
    """(value, count) bytes, runs of at most 255 cells."""
    starts = np.flatnonzero(np.diff(values.astype(np.int8), prepend=2))
    lengths = np.diff(starts, append=len(values))
    pieces = -(-lengths // 255)  # a long run is cut into pieces of 255 and a rest
    counts = np.full(int(pieces.sum()), 255, np.uint8)
    counts[np.cumsum(pieces) - 1] = (lengths - 1) % 255 + 1
    pairs = np.zeros((len(counts), 2), np.uint8)
    pairs[:, 0] = np.repeat(values[starts], pieces)
    pairs[:, 1] = counts
    return pairs.tobytes()


register(
    Format("binvox", (".binvox",), "run-length coded occupancy", reads=("voxels",), reader=read_binvox, writers={VoxelGrid: write_binvox})
)
