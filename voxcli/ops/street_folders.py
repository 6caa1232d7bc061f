"""A street folder, as training reads it, of samples from elsewhere.

DIR/images/NAME.png     what the frustum's camera would have seen, SCALE pixels a column
DIR/fruxels/NAME.npz    labels; 255 (left out) where nothing is known or the picture shows nothing
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from voxcli import files
from voxcli.atomic import atomic_write_bytes
from voxcli.datasets.pictures import png_bytes
from voxcli.provenance import make_meta
from voxcli.scene import FruxelGrid

SCALE = 2
"""Pixels of the pictures for each column, as the shipped networks take them."""

Sample = tuple[str, np.ndarray, FruxelGrid]
"""NAME, picture [SCALE H, SCALE W, 3] uint8, fruxels."""


def write_street(samples: Iterable[Sample], out_dir: str | Path, overwrite: bool, progress: Callable[[int], None] | None = None) -> None:
    """Write samples, the facts of the folder last. progress: called with 1 after each."""
    out_dir, count = Path(out_dir), 0
    for name, image, grid in samples:
        atomic_write_bytes(out_dir / "images" / f"{name}.png", png_bytes(image), overwrite=overwrite)
        files.write(out_dir / "fruxels" / f"{name}.npz", grid, overwrite=overwrite)
        count += 1
        if progress is not None:
            progress(1)
    meta = make_meta("street-dataset", "convert", {"samples": count, "picture_scale": SCALE}, {}, None,
                     "camera: x right, y down, z forward", "m")  # fmt: skip
    atomic_write_bytes(out_dir / "meta.json", json.dumps(meta, indent=1, sort_keys=True).encode() + b"\n", overwrite=True)
