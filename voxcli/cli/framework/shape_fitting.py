"""What `predict` does with a shape in place of a picture: codes are fitted to it, and what the decoder makes of them is written."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from voxcli.cli.framework import written
from voxcli.cli.framework.batch import items
from voxcli.cli.framework.flags import options_of_flags
from voxcli.cli.framework.inputs import expand
from voxcli.cli.framework.output import out
from voxcli.cli.framework.plans import ReadOptions, besides
from voxcli.errors import DataError, UsageError, VoxcliError
from voxcli.models.base import FitsShapes
from voxcli.models.object_options import FitOptions
from voxcli.models.registry import able, check_predicts, load_network, name_of, weights_of
from voxcli.ops.conversions import convert_to_format, extensions_for, find_conversion, with_provenance
from voxcli.options import flag_of, option_infos

if TYPE_CHECKING:
    from voxcli.cli.framework.batch import Item
    from voxcli.cli.framework.options import Policy
    from voxcli.cli.framework.predictions import PredictRequest
    from voxcli.geometry.coloured import ColouredVolume
    from voxcli.models.base import ModelOptions
    from voxcli.provenance import Json
    from voxcli.scene import Mesh, PointCloud, VoxelGrid

SHAPES = ("mesh", "voxels", "points")
MEANT = ("fit", "threshold", "parts")
"""Options of a model that say something of a fit to a shape, beside the resolution."""


def fitting_model(model: str | None, weights: str | None, sources: Sequence[str]) -> str | None:
    """The model of -m, or of the weights, if it fits codes to shapes and the first input is a shape; else None."""
    from voxcli.files.registry import searched_extensions

    try:
        name = name_of(model, weights)
    except VoxcliError:
        return None  # told where weights are read, after the output has been checked
    if name not in able(FitsShapes) or sources[0] in ("-", "@-"):
        return None
    try:
        found, _ = expand(sources[:1], searched_extensions("image"))
    except UsageError:
        found, _ = expand(sources[:1], searched_extensions(*SHAPES))
    suffix = PurePath(found[0].path).suffix.lower() if found else ""
    return name if suffix in searched_extensions(*SHAPES) and suffix not in searched_extensions("image") else None


def fit_shapes(request: PredictRequest, name: str, sources: Sequence[str], output: str, policy: Policy) -> None:
    """Fit every shape and write the surface that is found. Raises UsageError for a flag that means nothing to a shape."""
    from voxcli.files.registry import find_format, searched_extensions
    from voxcli.scene import Mesh

    options = _options(request, check_predicts(name), name)
    path = weights_of(name, request.weights)
    reads = ReadOptions(request.formats.input_format, None, besides(weights=path), kinds=SHAPES)
    suffixes, suffix = partial(searched_extensions, *SHAPES), request.formats.suffix(".npz")
    with items(sources, output, suffixes=suffixes, target_suffix=suffix, policy=policy, label="fitting", reads=reads) as todo:
        for item in todo.items:
            format = find_format(item.target, request.formats.format, choices=lambda: extensions_for(Mesh))[0]
            find_conversion(Mesh, format, request.becomes)
        if not len(todo) or todo.plan is not None:
            return
        fitter = _Fitter(request, name, path, options, len(todo) > 1)
        written.name_model(request.weights or name)
        for chunk in todo.chunks(1):
            with todo.attempt(chunk[0]):
                fitter.process(chunk[0])


def _options(request: PredictRequest, kind: type[ModelOptions], name: str) -> FitOptions:
    """What the flags say of a fit."""
    infos = option_infos(kind)
    given = {key: value for key, value in request.given.items() if value is not None}
    flags = [flag_of(key, infos[key]) if key in infos else f"--{key.replace('_', '-')}" for key in given if key not in MEANT]
    flags += [f"--{key}" for key in ("camera", "depth", "views") if getattr(request, key)]
    if flags:
        raise UsageError(f"{flags[0]} means nothing to a shape, which {name} fits its codes to.", expected="a picture")
    if request.workers > 1 or request.batch_size > 1:
        raise UsageError("Shapes are fitted one after the other.", hint="Leave out --workers and --batch-size.")
    asked = options_of_flags(kind, {**given, "resolution": request.resolution}, name)
    steps, threshold, resolution = (asked.chosen(key) for key in ("fit", "threshold", "resolution"))
    usual = FitOptions()
    return FitOptions(int(steps or usual.steps), int(resolution or usual.resolution), threshold or usual.threshold, "parts" in given)


class _Fitter:
    """Fits shapes with one network. several: what each came to is said with -v alone."""

    def __init__(self, request: PredictRequest, name: str, path: Path, options: FitOptions, several: bool):
        from voxcli.provenance import sha256_file

        network = load_network(name, path, request.device, request.dtype)
        assert isinstance(network, FitsShapes)
        self.request, self.name, self.options, self.network, self.digest = request, name, options, network, sha256_file(path)
        self.several = several

    def process(self, item: Item) -> None:
        """Read one shape, fit it, and write the surface."""
        from voxcli.files.registry import find_format
        from voxcli.ops.shape_fitting import fit_shape
        from voxcli.provenance import sha256_file

        request, options = self.request, self.options
        shape = _read(item.source, request.formats.input_format)
        mesh = fit_shape(self.network, shape, options, coloured=True)
        facts = dict(mesh.meta)
        made = convert_to_format(mesh, find_format(item.target, request.formats.format)[0], request.becomes)
        recorded: dict[str, Json] = {
            "model": self.name,
            "fit": options.steps,
            "resolution": options.resolution,
            "threshold": options.threshold,
        }
        made = with_provenance(made, "predict", recorded, {item.source: sha256_file(item.source)}, weights=self.digest)
        made.meta["prediction"] = facts
        written.write(item.target, made, format=request.formats.format, overwrite=request.overwrite or item.broken)
        say = out.detail if self.several else out.note
        say(f"{item.source}: fitted in {options.steps} steps, IoU {facts['iou']:.3f} of {facts['pairs']:,} points in and around it.")


def _read(path: str, format: str | None) -> Mesh | PointCloud | VoxelGrid | ColouredVolume:
    """A shape; of a .mat file its coloured voxels, where it has them. Raises DataError for another thing."""
    from voxcli import files
    from voxcli.files.access import kind_name
    from voxcli.scene import Mesh, PointCloud, VoxelGrid

    if format is None and path.lower().endswith(".mat") and (volume := _coloured(path)) is not None:
        return volume
    shape = files.read(path, format=format)
    if not isinstance(shape, (Mesh, PointCloud, VoxelGrid)):
        raise DataError(f"{path} is no shape to fit codes to.", expected="a mesh, points or voxels", actual=kind_name(shape))
    return shape


def _coloured(path: str) -> ColouredVolume | None:
    """The coloured voxels of JOF's .mat files; None where the file has no such array."""
    import numpy as np

    from voxcli.datasets.coloured_shapes import read_colours
    from voxcli.files.matlab import read_mat_arrays
    from voxcli.geometry.coloured import ColouredVolume, Placement

    if not read_mat_arrays(path, ["colored_voxel"]):
        return None
    colours = read_colours(Path(path))
    occupied = np.asarray((colours > 0).any(-1))
    return ColouredVolume(occupied, colours, Placement(np.zeros(3), 1.0))
