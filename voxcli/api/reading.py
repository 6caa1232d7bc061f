"""`voxcli.read` and `voxcli.write`: files as scene types, and scene types as files of any format that can hold them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Annotated, TypedDict

from voxcli import files
from voxcli.api.arguments import Count, Probability, python_call
from voxcli.api.things import Path, ShapeLike, as_picture, as_shape, digests_of, is_path, is_picture, path_of
from voxcli.contents import opened_once
from voxcli.options import Interval
from voxcli.scene import Animation, Camera, Picture, SceneDescription, SceneType, VoxelGrid

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Conversion(TypedDict, total=False):
    """What a conversion may need to know. resolution: cells along the longest side (64). threshold: of occupancy (0.5). points: sampled
    from a surface (10,000). seed: of the sampling (0)."""

    resolution: Count
    threshold: Probability
    points: Count
    seed: Annotated[int, Interval("[0, inf)")]


@python_call()
def read(
    path: Path, kind: str | None = None, *, format: str | None = None,
    depth_scale: Annotated[float | None, Interval("(0, inf)")] = None, ids: str | None = None,
) -> SceneType:  # fmt: skip
    """Read a file as the scene type that it holds, in the file's world frame and units.

    Args:
        path: a file; its extension and its bytes tell what it holds.
        kind: fruxels, voxels, surfels, depth, points, mesh, image, scene, camera or cameras, where neither tells: a 16-bit PNG is a
            picture unless kind is "depth".
        format: an extension without the dot, in place of the path's own.
        depth_scale: metres per unit of integer depth images; None: what the file states, else 0.001.
        ids: "raw" or "training", of SemanticKITTI's .label; None: raw, and a file that cannot be is refused.

    Returns:
        A FruxelGrid, VoxelGrid, Surfels, DepthMap, PointCloud, Mesh, Picture, SceneDescription or Camera; for several cameras a list of
        (name, Camera).

    Raises:
        VoxcliError: the file is not there, is damaged, or holds something else than `kind`.

    >>> import voxcli
    >>> voxcli.read("examples/chair/00.png").size
    (137, 137)
    """
    return files.read(path_of(path), kind=kind, format=format, depth_scale=depth_scale, ids=ids)


@python_call(Conversion)
def write(
    path: Path, thing: SceneType | ShapeLike, *, kind: str | None = None, format: str | None = None, overwrite: bool = False,
    smooth: bool = False, **options: Unpack[Conversion],
) -> None:  # fmt: skip
    """Write a thing; where the format holds another kind, it is converted as `voxcli convert` does (a grid to .glb, a mesh to .binvox).

    Args:
        path: the extension picks the format. The file appears at once and whole; folders are made.
        thing: a scene type, an array of points [N, 3] or occupancy [X, Y, Z], trimesh, (vertices, faces), or the path of a file.
        kind: fruxels, voxels, points or mesh, where the format could hold several.
        format: an extension without the dot, for paths that have none.
        overwrite: replace a file that is there; else that is an error.
        smooth: surfaces of predicted volumes lie where the probabilities cross `threshold`, as `voxcli predict` writes them, not around
            whole cells.
        options: resolution, threshold, points, seed (see Conversion).

    Raises:
        VoxcliError: no conversion leads to the format, or the file is there already.

    >>> import tempfile, numpy, voxcli
    >>> cells = numpy.ones((2, 2, 2), bool)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     voxcli.write(f"{folder}/cube.ply", cells, kind="mesh")
    ...     cube = voxcli.read(f"{folder}/cube.ply")
    >>> len(cube.faces) > 0
    True
    """
    from voxcli.files.registry import find_format
    from voxcli.ops.conversions import ConversionOptions, convert_to_format, with_provenance
    from voxcli.seeds import item_seed

    target = path_of(path)
    found, _ = find_format(target, format)
    settings = ConversionOptions(**options)
    with opened_once():
        if is_path(thing):
            held = files.read(path_of(thing))
        elif isinstance(thing, (SceneDescription, Camera, Animation, list)):
            held = thing
        elif is_picture(thing) and (isinstance(thing, Picture) or Picture in found.writers):
            held = as_picture(thing)
        else:
            held = as_shape(thing, "thing")
        if smooth and isinstance(held, VoxelGrid) and held.probabilities is not None and VoxelGrid not in found.writers:
            held = replace(held, occupancy=held.probabilities, probabilities=None, context=None)
        name = PurePath(path_of(thing) or target).stem
        made = convert_to_format(held, found, kind, replace(settings, seed=item_seed(settings.seed, name)))
        of = getattr(held, "meta", None)
        if made is not held or (is_path(thing) and not of):
            made = with_provenance(made, "convert", settings.recorded, digests_of(thing), settings.seed, source_meta=of)
        files.write(target, made, format=format, overwrite=overwrite)
