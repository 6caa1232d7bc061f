"""`voxcli.render`: what a camera sees of a thing, as a picture, an animation, depth or surfels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypedDict

from voxcli import files
from voxcli.api.arguments import Count, Probability, python_call
from voxcli.api.things import Device, Path, ShapeLike, as_camera, as_shape, digests_of, is_path, path_of
from voxcli.contents import opened_once
from voxcli.errors import UsageError
from voxcli.options import Interval
from voxcli.scene import Animation, Camera, DepthMap, Picture, SceneDescription, Surfels

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from voxcli.ops.lights import LightFile
    from voxcli.ops.rendering import Rendered
    from voxcli.provenance import Json

WHATS = {"shaded": Picture, "normals": Picture, "turntable": Animation, "depth": DepthMap, "surfels": Surfels}
What = Annotated[str, tuple(WHATS)]
Size = Annotated[int | None, Interval("[1, 8192]")]


class RenderOptions(TypedDict, total=False):
    """threshold: occupancy at which a grid's surface lies (0.5). cells: draw a grid's cells as they are. radius: of points. weights: those
    that predicted the scene, for other views of what pix2scene made."""

    threshold: Probability
    cells: bool
    radius: Annotated[float | None, Interval("(0, inf)")]
    weights: Path | None


@python_call(RenderOptions)
def render(
    thing: ShapeLike | SceneDescription, what: What = "shaded", *, camera: Camera | Path | None = None, views: Count = 1,
    size: Size = None, lights: LightFile | Path | None = None, device: Device = "cpu", **options: Unpack[RenderOptions],
) -> Rendered:  # fmt: skip
    """Draw a thing, as `voxcli render-surfels` does.

    Args:
        thing: a path, a scene type, trimesh, (vertices [V, 3], faces [F, 3]), points [N, 3], or occupancy [X, Y, Z]; world frame, +y up.
        what: shaded, normals (several views side by side), turntable (an Animation of several views), depth or surfels.
        camera: a Camera or its file; None: the thing's own, else one that has all of it in view.
        views: how many around the vertical.
        size: pixels along the longer side; None: that of the given camera, else in pictures at least 512.
        lights: a light file or what `voxcli.ops.lights.read_lights` gives; None: a sun and an even sky.
        device: cpu, cuda or auto. options: see RenderOptions.

    Returns:
        A Picture, an Animation, a DepthMap (z along the optical axis, NaN where nothing is) or Surfels (camera frame).

    Raises:
        VoxcliError: nothing to see, an unknown `what`, several views of depth, or options that mean nothing to the thing.

    >>> import voxcli
    >>> voxcli.render("examples/meshes/car.glb", size=64).rgb.shape
    (64, 64, 3)
    """
    from voxcli.ops import rendering
    from voxcli.ops.conversions import with_provenance
    from voxcli.ops.lights import LightFile, read_lights

    _check(what, views, lights is not None)
    with opened_once():
        if is_path(thing):
            held = files.read_as(path_of(thing), rendering.RENDERED)
        else:
            held = thing if isinstance(thing, SceneDescription) else as_shape(thing)
        light = lights if lights is None or isinstance(lights, LightFile) else read_lights(path_of(lights))
        surfels = rendering.SurfelOptions(options.get("threshold", 0.5), options.get("cells", False), options.get("radius"), str(device))
        view = rendering.ViewOptions(
            WHATS[what], "normals" if what == "normals" else "shaded", views, size, light, path_of(options.get("weights")) or None, surfels
        )
        made, _ = rendering.render(held, as_camera(camera, path_of(thing)), view, path_of(camera) or "the camera")
        recorded: dict[str, Json] = {
            "as": what, "views": views, "size": size, "camera": path_of(camera) or None, "lights": path_of(lights) or None,
            "threshold": options.get("threshold"), "cells": options.get("cells"), "radius": options.get("radius"),
            "weights": path_of(options.get("weights")) or None,
        }  # fmt: skip
        recorded = {key: value for key, value in recorded.items() if value is not None}
        return with_provenance(made, "render-surfels", recorded, digests_of(thing, camera, lights), source_meta=getattr(held, "meta", None))


def _check(what: str, views: int, lit: bool) -> None:
    if (views > 1 and what in ("depth", "surfels")) or (views == 1 and what == "turntable"):
        expected = "views of 2 or more" if what == "turntable" else "views=1"
        raise UsageError(f"This is no number of views for {what}.", expected=expected, actual=views)
    if lit and what not in ("shaded", "turntable"):
        raise UsageError(f"Lights change nothing about {what}.", hint="Leave them out.")
