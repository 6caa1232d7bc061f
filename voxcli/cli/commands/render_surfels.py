"""`voxcli render-surfels`: shaded pictures, depth, normals and surfels of any of our 3D files."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from voxcli.cli.framework import options, written
from voxcli.cli.framework.batch import Item, items
from voxcli.cli.framework.output import out
from voxcli.cli.framework.plans import ReadOptions, besides, weights_path
from voxcli.errors import FileFormatError, UsageError

if TYPE_CHECKING:
    from voxcli.ops.rendering import Renderable
    from voxcli.provenance import Json

KINDS = ("scene", "mesh", "fruxels", "voxels", "points", "depth", "surfels")
"""What it takes."""
_MOST_VIEWS = 720


def render_surfels(
    sources: options.Sources,
    output: options.Output,
    what: Annotated[
        Literal["shaded", "normals", "depth", "surfels"] | None,
        typer.Option("--as", show_default=False, help="What to write; default: by the extension, pictures shaded."),
    ] = None,
    camera: options.Camera = None,
    views: Annotated[int, typer.Option("--views", min=1, max=_MOST_VIEWS, help="Views around the vertical.")] = 1,
    lights: Annotated[
        str | None,
        typer.Option("--lights", metavar="FILE", help="YAML: ambient, points, attenuation, harmonics; default: a sun and an even sky."),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(
            "--size",
            min=1,
            max=4096,
            help="Pixels along the longer side; default: --camera's; else 512 at least, in .npz and depth the file's own.",
        ),
    ] = None,
    radius: Annotated[
        float | None, typer.Option("--radius", help="Radius of points; default: the file's, else from their spacing.")
    ] = None,
    cells: Annotated[bool, typer.Option("--cells", help="Draw a grid's cells as they are, not the surface around them.")] = False,
    threshold: options.Threshold = None,
    weights: Annotated[
        str | None,
        typer.Option("--weights", metavar="FILE", help="Weights that predicted the input: other views are decoded from its latent code."),
    ] = None,
    device: options.Device = "cpu",
    format: options.Format = None,
    kind: options.Kind = None,
    input_format: options.InputFormat = None,
    workers: options.Workers = 1,
    *,
    policy: options.Policy,
) -> None:
    """Render meshes, scenes, fruxels, voxels, points, depth and surfels: one surfel a pixel, the nearest that its ray meets.

    The extension picks the output: .png shaded, .npz and .ply surfels, .npy and .tif depth, .gif and .apng a turntable; --as asks for
    another (normals as .png, depth as 16-bit .png in millimetres or as .npz). The camera is the one of --camera, else the file's
    own, else one that has all in view; several views in a .png stand side by side. Points are balls, discs where they have normals.

    What pix2scene predicted (.npz) holds a latent code: --camera and --views decode it anew, with the weights that it came from. It knows
    rooms from where its training's cameras stood: --views without --camera goes there and back within that part alone.

    Examples:
        voxcli render-surfels scene.npz -o view.png
        voxcli render-surfels car.obj -o turntable.gif --views 24 --size 256
        voxcli render-surfels scene.yaml -o depth.png --as depth
    """
    from voxcli.files.registry import searched_extensions

    request = RenderRequest(
        what=what, camera=camera, views=views, lights=lights, size=size, radius=radius, cells=cells,
        threshold=options.first(threshold, 0.5), weights=weights, device=device, format=format, kind=kind, input_format=input_format,
        overwrite=policy.overwrite,
    )  # fmt: skip
    request.check()
    suffixes, suffix = partial(searched_extensions, *KINDS), options.Formats(format).suffix(".png")
    reads = ReadOptions(input_format, kind, besides(camera=camera, lights=lights, weights=weights and weights_path(weights)), kinds=KINDS)
    with items(sources, output, suffixes=suffixes, target_suffix=suffix, policy=policy, label="rendering", reads=reads) as todo:
        for item in todo.items:
            request.target_of(item)
        for item, warnings in todo.run(partial(render_one, request=request), workers):
            for warning in warnings:
                out.warn(f"{'stdin' if item.source == '-' else item.source}: {warning}")


@dataclass(frozen=True)
class RenderRequest:
    """The options of one call, as worker processes get them."""

    what: str | None
    camera: str | None
    views: int
    lights: str | None
    size: int | None
    radius: float | None
    cells: bool
    threshold: float
    weights: str | None
    device: str
    format: str | None
    kind: str | None
    input_format: str | None
    overwrite: bool

    def check(self) -> None:
        """Raise VoxcliErrors for wrong flags and light files. Called before any input is read."""
        if self.radius is not None and self.radius <= 0:
            raise UsageError("--radius must be positive.", actual=f"{self.radius:g}")
        if self.lights is not None:
            from voxcli.ops.lights import read_lights

            if self.what not in (None, "shaded"):
                raise UsageError(f"--lights changes nothing about {self.what}.", hint="Leave it out.")
            read_lights(self.lights)

    def target_of(self, item: Item) -> type:
        """The scene type that the output holds. Raises UsageError for a format that cannot hold the views."""
        from voxcli.files.registry import find_format, formats_writing
        from voxcli.scene import Animation, DepthMap, Picture, Surfels

        kinds = {"shaded": (Picture, Animation), "normals": (Picture, Animation), "depth": (DepthMap,), "surfels": (Surfels,)}
        possible: tuple[type, ...] = (Picture, Surfels, DepthMap, Animation) if self.what is None else kinds[self.what]
        found, extension = find_format(item.target, self.format, choices=partial(formats_writing, *possible))
        target = next((kind for kind in possible if kind in found.writers), None)
        if target is None:
            expected = ", ".join(formats_writing(*possible))
            what = self.what or "what is seen"
            raise UsageError(f"{item.target}: {what} cannot be written as {extension}.", expected=f"one of {expected}")
        if self.views > 1 and target not in (Picture, Animation):
            raise UsageError(f"{item.target}: {extension} holds one view.", actual=f"--views {self.views}", hint="Use .gif, .apng or .png.")
        if self.views == 1 and target is Animation:
            raise UsageError(f"{item.target}: {extension} is for several views.", expected="--views 24, or so", actual="--views 1")
        if self.lights is not None and target not in (Picture, Animation):
            raise UsageError(f"{item.target}: there is no light in {extension}.", hint="Leave out --lights.")
        return target

    def recorded(self) -> dict[str, Json]:
        """The options for the provenance of an output."""
        left_out = ("format", "kind", "input_format", "overwrite", "device")
        return {k: v for k, v in vars(self).items() if v is not None and k not in left_out}


def render_one(item: Item, request: RenderRequest) -> list[str]:
    """Read, render, write one input. Returns the warnings."""
    from voxcli.ops import rendering
    from voxcli.ops.cameras import camera_for
    from voxcli.ops.conversions import input_digests, with_provenance
    from voxcli.ops.lights import read_lights

    scene = _read(item, request)
    camera = camera_for(request.camera, item.source) if request.camera else None
    lights = None if request.lights is None else read_lights(request.lights)
    surfels = rendering.SurfelOptions(request.threshold, request.cells, request.radius, request.device)
    options = rendering.ViewOptions(
        request.target_of(item), request.what or "shaded", request.views, request.size, lights, request.weights, surfels
    )
    made, warnings = rendering.render(scene, camera, options, request.camera or item.source)
    digests = input_digests(item.source, scene, request.camera, request.lights)
    made = with_provenance(made, "render-surfels", request.recorded(), digests, source_meta=scene.meta)
    written.write(item.target, made, format=request.format, overwrite=request.overwrite or item.broken)
    return warnings


def _read(item: Item, request: RenderRequest) -> Renderable:
    """The input as a scene type that can be rendered."""
    from voxcli import files
    from voxcli.ops.rendering import RENDERED

    if request.kind is not None:
        scene = files.read(item.source, kind=request.kind, format=request.input_format)
        if not isinstance(scene, RENDERED):
            raise UsageError(f"--kind {request.kind} is nothing that can be rendered.", hint="Leave it out, or use depth.")
        return scene
    try:
        scene = files.read_as(item.source, RENDERED, format=request.input_format)
    except FileFormatError as error:
        if error.hint is None and "points have the wrong shape" in error.message:
            error = FileFormatError(error.message, expected=error.expected, actual=error.actual, hint="A depth map wants --kind depth.")
        raise error from None
    return scene
