"""`voxcli predict`: images in, 3D out."""

from __future__ import annotations

from typing import Annotated

import typer

from voxcli.cli import options
from voxcli.cli.batch import Item, Policy, items
from voxcli.cli.cameras import camera_for
from voxcli.cli.conversions import Settings, convert_thing, way_to, with_origin
from voxcli.cli.output import out
from voxcli.cli.poses import boxed, pose_files, write_poses
from voxcli.errors import UsageError

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
    if fov is not None and not 0 < fov < 180:
        raise UsageError("--fov must lie between 0 and 180 degrees.", actual=f"{fov:g}")
    if fov is not None and camera is not None:
        raise UsageError("--fov and --camera contradict each other.", hint="Give one of them.")
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
        from voxcli.provenance import sha256_file
        from voxcli.scene import FruxelGrid, Picture

        formats = {item.target: find_format(item.target, format)[0] for item in todo.items}
        converted = [target for target, each in formats.items() if way_to(FruxelGrid, each, becomes) is not None]
        if probabilities and converted:
            raise UsageError(f"{converted[0]} has no place for probabilities.", expected="fruxels in .npz or .h5")
        beside = {} if poses is None else pose_files(poses, todo.items, overwrite)
        name = model or ("ssz" if weights is None else _model_of(weights))
        module = model_module(name, "inference")
        where = pick_device(device)
        if device == "auto":
            out.detail(f"device: {where}")
        path = find_weights(weights or name)
        predictor = module.load_predictor(path, str(where), dtype.value)
        settings = Settings(options.first(resolution, 64))
        recorded = {"model": name, "fov": fov, "camera": camera, "probabilities": probabilities, "poses": poses is not None,
                    "dtype": str(predictor.dtype).rpartition(".")[2], "resolution": settings.resolution}  # fmt: skip
        digests = {} if camera is None else {camera: sha256_file(camera)}
        digest = sha256_file(path)

        def save(item: Item, grid: FruxelGrid) -> None:
            out.detail(f"{item.source}: crop {grid.meta['crop']}")
            read = {} if item.source == "-" else {item.source: sha256_file(item.source)}
            thing = convert_thing(grid, formats[item.target], becomes, settings)
            thing = boxed(thing, grid) if beside else thing
            thing = with_origin(thing, "predict", recorded, digests | read, weights=digest)
            thing.meta["prediction"] = grid.meta
            files.write(item.target, thing, format=format, overwrite=overwrite)
            if beside:
                write_poses(beside[item.source], grid, overwrite)

        for chunk in todo.chunks(batch_size):
            pictures = []
            for item in chunk:
                with todo.attempt(item):
                    pictures.append((item, files.read_as(item.source, Picture, format=input_format)))
            # A camera must fit each picture's own size and may differ: then one at a time. Nothing else fails for one picture alone.
            for batch in [[each] for each in pictures] if camera else [pictures] if pictures else []:
                grids: list[FruxelGrid] = []
                with todo.attempt(batch[0][0]):
                    view = camera_for(camera, batch[0][0].source) if camera else None
                    grids = list(module.predict(predictor, [p for _, p in batch], fov_x_deg=fov, camera=view,
                                                probabilities=probabilities, batch_size=batch_size,
                                                **({"poses": True} if beside else {})))  # fmt: skip
                for (item, _), grid in zip(batch, grids, strict=False):
                    with todo.attempt(item):
                        save(item, grid)


def _model_of(weights: str) -> str:
    from voxcli.models.weights import load_weights

    return load_weights(weights).model
