"""`voxcli predict`: images in, 3D out."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from voxcli.cli import options
from voxcli.cli.batch import Policy, items
from voxcli.cli.conversions import Settings, convert_thing
from voxcli.cli.output import out
from voxcli.cli.poses import boxed, pose_files, write_poses

IMAGES = (".png", ".jpg", ".jpeg")


def predict(
    sources: options.Sources,
    output: options.Output,
    model: options.Model = None,
    weights: options.Weights = None,
    probabilities: Annotated[bool, typer.Option("--probabilities", help="Keep class probabilities (float16) beside the labels.")] = False,
    poses: Annotated[
        str | None,
        typer.Option("--poses", metavar="FILE", help="Also write the objects' poses: a .json file, or a folder for several images."),
    ] = None,
    fov: Annotated[float | None, typer.Option("--fov", help="Horizontal field of view of the images in degrees, if known.")] = None,
    camera: options.Camera = None,
    becomes: Annotated[
        str | None,
        typer.Option("--as", metavar="KIND", help="fruxels, voxels, points or mesh, where the output's format could hold several."),
    ] = None,
    resolution: options.Resolution = 64,
    device: options.Device = "auto",
    dtype: options.DType = options.Dtype.auto,
    batch_size: options.BatchSize = 1,
    format: options.Format = None,
    input_format: options.InputFormat = None,
    overwrite: options.Overwrite = False,
    skip_existing: options.SkipExisting = False,
    keep_going: options.KeepGoing = False,
    dry_run: options.DryRun = False,
) -> None:
    """Predict labelled 3D from images.

    -m ssz turns a street image into a labelled fruxel scene; the output's extension picks what is written: fruxels (.npz, .h5), a mesh
    in class colours (.glb, .ply, .obj) or voxels (.binvox, .vox). Images of any size are cropped or padded to the model's frustum:
    with --fov or --camera to exactly what the model's camera would have seen, else to the largest centred part. --poses lists the
    objects with class, translation, rotation and score, and draws their boxes into a .glb; it needs weights trained with a discriminator.

    Examples:
        voxcli predict street.png -m ssz -o scene.npz
        voxcli predict street.png -m ssz -o scene.glb
        voxcli predict images/ -m ssz -o scenes/ --skip-existing
    """
    suffix = f".{format.lower().lstrip('.')}" if format else ".npz"
    policy = Policy(overwrite, skip_existing, keep_going, dry_run)
    targets = (".npz", ".h5", ".glb", ".ply", ".obj", ".off", ".stl", ".binvox", ".vox")
    with items(sources, output, suffixes=IMAGES, target_suffix=suffix, target_suffixes=targets, policy=policy, label="predicting") as todo:
        if not len(todo):
            return
        from voxcli import files
        from voxcli.backend import pick_device
        from voxcli.files.registry import find_format
        from voxcli.models.registry import model_module
        from voxcli.models.weights import find_weights
        from voxcli.provenance import make_meta, sha256_file
        from voxcli.scene import Camera, Picture

        beside = {} if poses is None else pose_files(poses, todo.items, overwrite)
        name = model or ("ssz" if weights is None else _model_of(weights))
        module = model_module(name, "inference")
        where = pick_device(device)
        if device == "auto":
            out.detail(f"device: {where}")
        path = find_weights(weights or name)
        predictor = module.load_predictor(path, str(where), dtype.value)
        view = files.read_as(camera, Camera) if camera else None
        recorded = {
            "model": name,
            "fov": fov,
            "camera": camera,
            "probabilities": probabilities,
            "poses": poses is not None,
            "dtype": str(predictor.dtype).rpartition(".")[2],
        }
        digest = sha256_file(path)
        targets_of = {item.target: find_format(item.target, format)[0] for item in todo.items}
        for chunk in todo.chunks(batch_size):
            pictures = []
            for item in chunk:
                with todo.attempt(item):
                    pictures.append((item, files.read_as(item.source, Picture, format=input_format)))
            for batch in _same_size(pictures, view is not None):
                with todo.attempt(batch[0][0]):
                    results = module.predict(predictor, [p for _, p in batch], fov_x_deg=fov, camera=view, probabilities=probabilities,
                                             batch_size=batch_size, **({"poses": True} if beside else {}))  # fmt: skip
                    for (item, _), grid in zip(batch, results, strict=True):
                        out.detail(f"{item.source}: crop {grid.meta['crop']}")
                        inputs = {} if item.source == "-" else {item.source: sha256_file(item.source)}
                        meta = make_meta("fruxels", "predict", recorded, inputs, None, "camera", "m", digest) | {"prediction": grid.meta}
                        thing = convert_thing(
                            replace(grid, meta=meta), targets_of[item.target], becomes, Settings(options.first(resolution, 64))
                        )
                        files.write(item.target, boxed(thing, grid) if beside else thing, format=format, overwrite=overwrite)
                        if beside:
                            write_poses(beside[item.source], grid, overwrite)


def _model_of(weights: str) -> str:
    from voxcli.models.weights import load_weights

    return load_weights(weights).model


def _same_size(pictures: list, check_each: bool) -> list[list]:
    """The pictures that are computed together: all of a chunk, or one at a time where a camera must fit each picture's own size."""
    return [[each] for each in pictures] if check_each else ([pictures] if pictures else [])
