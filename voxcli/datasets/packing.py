"""Street data into one HDF5 file, as `packed` reads it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from voxcli.datasets.hdf5_file import new_hdf5
from voxcli.datasets.street import StreetFolder, scene_folders
from voxcli.errors import DataError

if TYPE_CHECKING:
    import h5py


def is_street_folder(path: str | Path) -> bool:
    """True for a folder laid out as `synth street` writes it, or one of such folders, a scene each."""
    return all((each / "images").is_dir() and (each / "fruxels").is_dir() for each in scene_folders(Path(path)) or [Path(path)])


def pack_street(data: StreetFolder, target: str | Path, progress: Callable[[int], None] | None = None, overwrite: bool = True) -> Path:
    """Write all samples of opened folders into one HDF5 file, atomically, one sample in memory at a time. Same data, same bytes.

    progress: called with 1 after each sample. Raises UsageError where the file cannot be written, or exists and overwrite is
    False.
    """
    target = Path(target)
    with new_hdf5(target, overwrite) as file:
        _write(file, data, progress)
    return target


def _write(file: h5py.File, data: StreetFolder, progress: Callable[[int], None] | None) -> None:
    import h5py

    frustum, classes = data.frustum, data.classes
    if frustum is None:
        raise DataError("There is nothing to pack.")
    text = h5py.string_dtype("utf-8")
    put = partial(file.create_dataset, track_times=False)
    put("names", data=data.names, dtype=text)
    put("poses", data=[data.poses_text(index) for index in range(len(data))], dtype=text)
    put("label_names", data=list(classes.names), dtype=text)
    put("empty_label", data=-1 if classes.empty is None else classes.empty)
    put("ignore_label", data=-1 if classes.ignore is None else classes.ignore)
    for key in ("z_near", "z_far", "fov_x_deg"):
        put(key, data=float(getattr(frustum, key)))
    if data.fov_jitter:
        put("fov_x_deg_samples", data=[data.frustum_of(index).fov_x_deg for index in range(len(data))])
    put("meta", data=data.meta, dtype=text)
    pixels = data[0].image.shape
    shapes = {"images": pixels, "labels": frustum.shape}
    made = {
        key: put(key, shape=(len(data), *shape), dtype=np.uint8, chunks=(1, *shape), compression="gzip", compression_opts=4)
        for key, shape in shapes.items()
    }
    for index in range(len(data)):
        sample = data[index]
        if sample.labels.shape != frustum.shape:
            raise DataError(f"'{sample.name}' has another shape than the first sample.", expected=list(frustum.shape),
                            actual=list(sample.labels.shape))  # fmt: skip
        if sample.image.shape != pixels:
            sizes = [f"{shape[1]}x{shape[0]}" for shape in (pixels, sample.image.shape)]
            raise DataError(f"The picture of '{sample.name}' has another size than the first.", expected=sizes[0], actual=sizes[1])
        made["images"][index], made["labels"][index] = sample.image, sample.labels
        if progress is not None:
            progress(1)
