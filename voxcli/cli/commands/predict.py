"""`voxcli predict`: images in, 3D out. What the models add to its flags and its help text comes from their specs."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Annotated

import typer

from voxcli.cli.framework import options
from voxcli.cli.framework.batch import items
from voxcli.cli.framework.flags import takes_flags
from voxcli.cli.framework.help_texts import completed_help
from voxcli.cli.framework.plans import ReadOptions
from voxcli.errors import UsageError
from voxcli.models.base import ModelOptions
from voxcli.models.registry import default_model, specs
from voxcli.provenance import Recordable


def _options_of_models() -> Iterator[type[ModelOptions]]:
    return (spec.options for spec in specs() if spec.options is not None)


def _help_of_models() -> str:
    return "\n\n".join(spec.help for spec in specs() if spec.help).replace("\n", "\n    ")


@takes_flags(later=_options_of_models)
@completed_help(models=_help_of_models)
def predict(
    sources: options.Sources,
    output: options.Output,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            metavar="MODEL",
            autocompletion=options.complete_models,
            help=f"Which model: `voxcli weights list` names them; default: that of --weights, else {default_model()}.",
        ),
    ] = None,
    weights: options.Weights = None,
    *,
    given: dict[str, Recordable],
    camera: options.Camera = None,
    depth: Annotated[
        str | None,
        typer.Option("--depth", metavar="FILE", help="The picture's depth map, if known; a folder holds one by each picture's name."),
    ] = None,
    views: Annotated[bool, typer.Option("--views", help="The images named are views of one object; each folder is an object.")] = False,
    becomes: options.Becomes = None,
    resolution: options.Resolution = None,
    device: options.Device = "auto",
    dtype: options.DType = options.Dtype.auto,
    batch_size: options.BatchSize = 1,
    workers: options.Workers = 1,
    formats: options.Formats,
    policy: options.Policy,
) -> None:
    """Predict 3D from images. The output's extension picks what is written; -v says what was done to each image.

    {models}

    Examples:
        voxcli predict street.png -m ssz -o scene.npz
        voxcli predict images/ -m ssz -o scenes/ --skip-existing
        voxcli predict views/ --views --weights object.safetensors -o object.ply
    """
    from voxcli.cli.framework.predictions import Predictions, PredictRequest
    from voxcli.cli.framework.shape_fitting import fit_shapes, fitting_model
    from voxcli.files.registry import searched_extensions

    if given.get("fov_x_deg") is not None and camera is not None:
        raise UsageError("--fov and --camera contradict each other.", hint="Give one of them.")
    if views and given.get("coarse"):
        raise UsageError("--views and --coarse contradict each other.", hint="Fuse coarse volumes with fuse-views.")
    request = PredictRequest(
        model,
        weights,
        device,
        dtype.value,
        becomes,
        batch_size,
        formats,
        policy.overwrite,
        camera,
        depth,
        resolution,
        views,
        given,
        workers,
    )
    if (fitting := fitting_model(model, weights, sources)) is not None:
        return fit_shapes(request, fitting, sources, output, policy)
    images, suffix = partial(searched_extensions, "image"), formats.suffix(".npz")
    reads = ReadOptions(formats.input_format, grouped=views, part="images", kinds=("image",))
    with items(sources, output, suffixes=images, target_suffix=suffix, policy=policy, label="predicting", reads=reads) as todo:
        if len(todo):
            Predictions(request, todo).run()
    return None
