"""`voxcli predict`: images in, 3D out."""

from __future__ import annotations

import enum
from typing import Annotated

import typer

from voxcli.cli.framework import options
from voxcli.cli.framework.batch import Policy, items
from voxcli.cli.framework.predictions import TARGETS, Asked, Predictions
from voxcli.errors import UsageError
from voxcli.ops.limits import check_threshold

IMAGES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")


class Crop(enum.Enum):
    """Which part of a picture is taken."""

    auto = "auto"
    box = "box"
    center = "center"
    none = "none"


def predict(
    sources: options.Sources,
    output: options.Output,
    model: options.ModelOfWeights = None,
    weights: options.Weights = None,
    probabilities: Annotated[bool, typer.Option("--probabilities", help="Keep class probabilities (float16) beside the labels.")] = False,
    poses: Annotated[
        str | None,
        typer.Option("--poses", metavar="FILE", help="Also write the objects' poses: a .json file, or a folder for several images."),
    ] = None,
    fov: Annotated[float | None, typer.Option("--fov", help="Horizontal field of view of the images in degrees, if known.")] = None,
    camera: options.Camera = None,
    depth: Annotated[
        str | None,
        typer.Option("--depth", metavar="FILE", help="The picture's depth map, if known; a folder holds one by each picture's name."),
    ] = None,
    views: Annotated[bool, typer.Option("--views", help="The images named are views of one object; each folder is an object.")] = False,
    coarse: Annotated[bool, typer.Option("--coarse", help="Write each view's coarse volume, for fuse-views.")] = False,
    threshold: options.Threshold = None,
    points: Annotated[int | None, typer.Option("--points", min=1, help="Points in each occupied cell of a surface (50).")] = None,
    background: Annotated[
        str | None, typer.Option("--background", metavar="GREY|R,G,B", help="Painted where alpha is 0, each 0 to 255; default 240.")
    ] = None,
    crop: Annotated[
        Crop | None,
        typer.Option("--crop", help="box: the square around the object; center: the central 128x128; none: all; auto decides.",
                     show_default=False),
    ] = None,
    bbox: Annotated[
        tuple[float, float, float, float] | None,
        typer.Option("--bbox", metavar="LEFT TOP RIGHT BOTTOM", help="Where the object is, in pixels, or as fractions up to 1."),
    ] = None,
    parts: Annotated[bool, typer.Option("--parts", help="Faces by part in place of albedo.")] = False,
    fit: Annotated[
        int | None, typer.Option("--fit", min=0, metavar="STEPS", help="Fit the guess to the picture, which needs alpha, in so many steps.")
    ] = None,
    camera_out: Annotated[
        str | None, typer.Option("--camera-out", metavar="FILE", help="Also write the guessed camera (.yaml, .json), or a folder of them.")
    ] = None,
    light_out: Annotated[
        str | None, typer.Option("--light-out", metavar="FILE", help="Also write the guessed light (.yaml), or a folder of them.")
    ] = None,
    relight: Annotated[str | None, typer.Option("--relight", metavar="FILE", help="Draw the picture in the light of this file.")] = None,
    becomes: Annotated[
        str | None,
        typer.Option("--as", metavar="KIND", help="fruxels, voxels, points or mesh, where the output's format could hold several."),
    ] = None,
    resolution: options.Resolution = None,
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
    """Predict 3D from images. The output's extension picks what is written; -v says what was done to each image.

    -m ssz turns a street image into a labelled fruxel scene: fruxels (.npz, .h5), a mesh in class colours (.glb, .ply, .obj) or voxels
    (.binvox, .vox). Images of any size are cropped or padded to the model's frustum: with --camera, --fov or a focal length in their EXIF
    to exactly what the model's camera would have seen, else to the largest centred part. What an image does not show is marked as ignored,
    not guessed. Without --camera the scene stands level on its ground, +y up, ahead of the viewer along -z.
    --poses lists the objects with class, translation, rotation and score, and draws their boxes into a .glb; it needs weights trained with
    a discriminator.

    -m rays turns a street image, a photograph too, into a labelled fruxel scene in the same formats, as far as 50 m. The whole image is
    taken: its field of view is that of --camera, --fov or its EXIF, else the model's own (70 degrees) is assumed, and a line says so.

    -m pix2vox-f and pix2vox-a turn one image of an object, or with --views several, into 32x32x32 voxels in the object's own frame:
    occupancy at --threshold (0.4) and probabilities (.npz, .h5), .binvox, .vox, or the surface at the threshold (.glb, .ply, .obj).

    -m pix2scene turns a picture of a room in linear light into a latent code and surfels (.npz, .ply), or their picture under the lights of
    the training data (.png). It is told where the camera of --camera stands; without one, a usual place is assumed. The code is decoded for
    other cameras by render-surfels.

    -m uclid turns one image of an object, or with --views several, into points on its surface, between -1 and 1 of the object's own frame
    (.ply, .npz, .xyz), or the outline of these points in --resolution voxels (64), gaps closed (.glb, .obj, or --as mesh). Camera and
    depth are regressed unless --camera and --depth give them: the camera's world is then the object's frame, the depth is in its units.

    -m jof turns one image of an object into its surface with albedo, one node a part (.glb .ply .obj; --parts for part labels), looked for
    on --resolution cells a side (64; 2 to 1024), or draws it again (.png), as it is or in another light.

    Examples:
        voxcli predict street.png -m ssz -o scene.npz
        voxcli predict images/ -m ssz -o scenes/ --skip-existing
        voxcli predict views/ --views --weights object.safetensors -o object.ply
    """
    if fov is not None and not 0 < fov < 180:
        raise UsageError("--fov must lie between 0 and 180 degrees.", actual=f"{fov:g}")
    if fov is not None and camera is not None:
        raise UsageError("--fov and --camera contradict each other.", hint="Give one of them.")
    if views and coarse:
        raise UsageError("--views and --coarse contradict each other.", hint="Fuse coarse volumes with fuse-views.")
    check_threshold(threshold)
    _check_part(crop, bbox)
    asked = Asked(
        model, weights, device, dtype.value, becomes, batch_size, format, input_format, overwrite, camera,
        poses, depth,
        {
            "--fov": ("fov_x_deg", fov), "--camera": ("camera", camera), "--probabilities": ("probabilities", probabilities or None),
            "--poses": ("poses", poses), "--threshold": ("threshold", threshold), "--coarse": ("coarse", coarse or None),
            "--background": ("background", _colour(background)), "--crop": ("crop", crop and crop.value), "--bbox": ("bbox", bbox or None),
            "--parts": ("parts", parts or None), "--fit": ("fit", fit), "--camera-out": ("camera_out", camera_out),
            "--light-out": ("light_out", light_out), "--relight": ("relight", relight),
            "--depth": ("depth", depth), "--points": ("points", points), "--resolution": ("resolution", resolution),
        },
        views,
    )  # fmt: skip
    suffix = f".{format.lower().lstrip('.')}" if format else ".npz"
    policy = Policy(overwrite, skip_existing, keep_going, dry_run)
    places = {"suffixes": IMAGES, "target_suffix": suffix, "target_suffixes": TARGETS}
    with items(sources, output, policy=policy, label="predicting", grouped=views, **places) as todo:  # type: ignore[arg-type]
        if len(todo):
            Predictions(asked, todo).run()


def _check_part(crop: Crop | None, bbox: tuple[float, float, float, float] | None) -> None:
    """Raise UsageError for a crop and a box that contradict each other, or an empty box."""
    if bbox:
        from voxcli.models.pix2vox.preprocessing import Preparation

        Preparation(crop=crop.value if crop else "auto", bbox=bbox)


def _colour(text: str | None) -> tuple[int, ...] | None:
    """R, G, B of a grey level or three numbers. Raises UsageError for anything else."""
    if text is None:
        return None
    words = text.split(",")
    if len(words) not in (1, 3) or not all(word.strip().isdecimal() and int(word) <= 255 for word in words):
        raise UsageError("--background is a grey level or three of them.", expected="0 to 255, or R,G,B", actual=text)
    numbers = tuple(int(word) for word in words)
    return numbers if len(numbers) == 3 else numbers * 3
