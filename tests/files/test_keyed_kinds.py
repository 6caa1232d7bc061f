"""Keyed arrays of another kind than numbers: dates, texts, complex numbers and records are one error."""

import numpy as np
import pytest
from refusals import refused

from voxcli import files
from voxcli.errors import FileFormatError

KINDS = [np.timedelta64(1, "s"), np.datetime64("2020-01-01"), np.str_("a"), np.complex64(1j), np.zeros((), [("a", "f4")])[()]]


@pytest.mark.parametrize("kind", range(len(KINDS)))
@pytest.mark.parametrize("key", ["occupancy", "occupancies", "colors", "depth", "normals", "albedo", "mask_camera"])
def test_only_numbers_are_taken(tmp_path, key, kind):
    grid, picture, points = (2, 3, 4), (4, 4), (8, 3)
    arrays = {
        "occupancy": {"occupancy": np.ones(grid, bool)}, "occupancies": {"points": np.zeros(points), "occupancies": np.ones(8, np.uint8)},
        "colors": {"points": np.zeros(points), "colors": np.zeros(points, np.uint8)},
        "mask_camera": {"semantics": np.zeros(grid, np.uint8), "mask_camera": np.ones(grid, np.uint8)},
    }.get(key, {"depth": np.ones(picture), "normals": np.ones((4, 4, 3)), "albedo": np.ones((4, 4, 3)), "K": np.eye(3)})  # fmt: skip
    arrays[key] = np.full(arrays[key].shape, KINDS[kind])
    np.savez(tmp_path / "a.npz", **arrays)
    with refused(FileFormatError, key, "a.npz"):
        files.read(tmp_path / "a.npz")
