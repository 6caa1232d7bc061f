"""Conversion between scene types, for commands whose output format may hold another type than the one that was computed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from voxcli import log
from voxcli.errors import DataError, UsageError, unknown_name
from voxcli.ops.limits import check_cells

if TYPE_CHECKING:
    from voxcli.files import Format
    from voxcli.provenance import Json
    from voxcli.scene import FruxelGrid, Mesh, PointCloud, SceneDescription, SceneType, VoxelGrid

    Converted = VoxelGrid | Mesh | PointCloud

SceneT = TypeVar("SceneT", bound="SceneType")


@dataclass(frozen=True)
class ConversionOptions:
    """Options of all conversions.

    resolution: cells along the longest side. threshold: occupied at or above this probability. points: samples of a surface. seed: of the
    samples. surface: of grids, smooth, cells, or auto: small cells of labelled ones in GLB files (see small_scenes.py), else smooth.
    """

    resolution: int = 64
    threshold: float = 0.5
    points: int = 10_000
    seed: int = 0
    surface: str = "auto"

    @property
    def recorded(self) -> dict[str, Json]:
        """The options for the provenance of a result; `surface` where it is not the usual one."""
        return {name: value for name, value in vars(self).items() if (name, value) != ("surface", "auto")}


Conversion = Callable[[Any, ConversionOptions], "Converted"]
"""Makes one scene type of another. `CONVERSIONS` says which."""


def convert_to_format(
    scene: SceneT, target: Format, kind: str | None = None, options: ConversionOptions | None = None
) -> SceneT | Converted:
    """The scene itself where the target format can hold it, else the nearest kind that the format can hold.

    kind: fruxels, voxels, points or mesh, where the format could hold several. Raises UsageError where no conversion exists.
    """
    conversion = find_conversion(type(scene), target, kind)
    if conversion is None:
        return scene
    options = options or ConversionOptions()
    if options.surface == "auto" and target.name == "GLB" and getattr(scene, "labels", None) is not None:
        options = replace(options, surface="small")
    made = conversion(scene, options)
    log.info(lambda: _in_words(scene, made))
    return made


def _in_words(scene: SceneType, made: SceneType) -> str:
    from voxcli.scene.words import in_words

    return f"converted: {in_words(scene)} to {in_words(made)}"


def decided_at(scene: SceneT, threshold: float, now: bool) -> SceneT:
    """Voxels with probabilities as a threshold decides them: occupied or not where that is wanted `now`, else their probabilities, for a
    conversion decides. Anything else as it is."""
    from voxcli.scene import VoxelGrid

    if not isinstance(scene, VoxelGrid) or scene.probabilities is None:
        return scene
    if now:
        return replace(scene, occupancy=scene.probabilities >= threshold)
    return replace(scene, occupancy=scene.probabilities, probabilities=None, context=None)


def find_conversion(scene_type: type, target: Format, kind: str | None = None) -> Conversion | None:
    """The function that converts a scene type to what the target format holds. None where the format holds the type itself.

    Needs no scene, so that a command can call it before it computes. Raises UsageError where no conversion exists.
    """
    from voxcli.files.registry import KIND_TYPES

    if kind is not None and kind not in KIND_TYPES:
        raise unknown_name("kind of file", kind, KIND_TYPES)
    possible = [each for each in target.writers if kind is None or each is KIND_TYPES[kind]]
    if scene_type in possible:
        return None
    for each in sorted(possible, key=lambda each: _PREFERRED.index(each.__name__)):
        if (scene_type.__name__, each.__name__) in CONVERSIONS:
            return CONVERSIONS[scene_type.__name__, each.__name__]
    raise _no_conversion(scene_type, target, kind)


def extensions_for(scene_type: type) -> list[str]:
    """Extensions of the formats that a scene type can be written to, as it is or converted; without those that serve one data set alone."""
    from voxcli.files.registry import KIND_TYPES, formats_writing, usual_extensions

    reachable = (each for each in KIND_TYPES.values() if (scene_type.__name__, each.__name__) in CONVERSIONS)
    return [each for each in formats_writing(scene_type, *reachable) if each in usual_extensions()]


def _no_conversion(scene_type: type, target: Format, kind: str | None) -> UsageError:
    """The error that says what the scene type can become, and which formats hold it."""
    from voxcli.files.registry import KIND_TYPES, formats_writing

    names = {each: name for name, each in KIND_TYPES.items()}
    name = names[scene_type]
    holds = [names[each] for each in target.writers]
    reachable = [other for other, each in KIND_TYPES.items() if (scene_type.__name__, each.__name__) in CONVERSIONS]
    written = {each: formats_writing(KIND_TYPES[each]) for each in (name, *reachable)}
    if not holds:
        formats = "; ".join(f"{each} can be written as {', '.join(extensions)}" for each, extensions in written.items() if extensions)
        return UsageError(f"{target.extensions[0]} files ({target.name}) are read here, and cannot be written.", hint=f"{formats}.")
    if kind in written:
        fitting = [each for each in holds if each in written]
        return UsageError(
            f"{target.name} cannot hold {kind}.", expected=f"--as {' or '.join(fitting)}" if fitting else None, actual=f"--as {kind}",
            hint=f"{kind} can be written as {', '.join(written[kind])}.",
        )  # fmt: skip
    hints = [f"It can become {' or '.join(reachable)}."] if reachable else []
    hints += [f"{name} can be written as {', '.join(written[name])}."] if written[name] else []
    hints += ["`voxcli predict` makes 3D of images."] if name == "image" else []
    return UsageError(
        f"{name} cannot become {kind or f'what {target.name} holds'}.",
        actual=None if kind in holds else f"{target.name}, which holds {' or '.join(holds)}",
        hint=" ".join(hints),
    )


_PREFERRED = [
    "FruxelGrid", "VoxelGrid", "Mesh", "PointCloud", "Surfels", "DepthMap", "Picture", "Animation", "SceneDescription", "Camera", "list",
]  # fmt: skip
"""Which scene type a format of several is given where the caller names none."""


def _placed_mesh(scene: SceneDescription, options: ConversionOptions) -> Mesh:
    from voxcli.ops.picture import placed_scene

    return placed_scene(scene)


def _surface(grid: FruxelGrid | VoxelGrid, options: ConversionOptions) -> Mesh:
    from voxcli.geometry.surfaces import merged_cells, surface_mesh

    if options.surface == "small":
        from voxcli.ops.small_scenes import small_scene

        return small_scene(grid)
    if options.surface == "cells":
        return merged_cells(grid, options.threshold)
    return surface_mesh(grid, options.threshold)


def _cell_centres(grid: FruxelGrid | VoxelGrid, options: ConversionOptions) -> PointCloud:
    from voxcli.geometry.regrid import filled_cells

    return filled_cells(grid, options.threshold)


def _resampled_box(grid: FruxelGrid, options: ConversionOptions) -> VoxelGrid:
    from voxcli.geometry.regrid import fruxels_to_box

    check_cells(options.resolution, options.resolution, options.resolution)
    return fruxels_to_box(grid, options.resolution)


def _solid_voxels(mesh: Mesh, options: ConversionOptions) -> VoxelGrid:
    from voxcli.geometry.scenes import bounding_cube, split_by_class, voxelize_scene
    from voxcli.scene import Labels, SceneDescription, SceneObject, VoxelGrid

    if not len(mesh.faces):
        raise DataError("The mesh has no faces: there is nothing to fill.")
    check_cells(options.resolution, options.resolution, options.resolution)
    if mesh.face_labels is not None and mesh.classes is not None:
        scene = SceneDescription(tuple(split_by_class(mesh)), mesh.classes)
    else:
        scene = SceneDescription((SceneObject(mesh, "object"),), Labels(("air", "object")))
    done = voxelize_scene(scene, *bounding_cube(scene, options.resolution))
    if done.behind >= 0.01:
        log.warn(f"{done.behind:.0%} of the cells that a mesh fills lie behind its openings; `voxcli fruxelize --grid voxel "
                 "--fill outside` leaves them empty.")  # fmt: skip
    grid = done.grid
    assert isinstance(grid, VoxelGrid) and grid.labels is not None
    return grid if scene.classes is mesh.classes else replace(grid, occupancy=grid.labels > 0, labels=None, classes=None)


def _closed_surface(cloud: PointCloud, options: ConversionOptions) -> Mesh:
    from voxcli.geometry.clouds import closed_surface

    check_cells(options.resolution, options.resolution, options.resolution)
    return closed_surface(cloud, options.resolution)


def _voxels_of_points(cloud: PointCloud, options: ConversionOptions) -> VoxelGrid:
    from voxcli.geometry.boxes import place_around, voxelize_points

    check_cells(options.resolution, options.resolution, options.resolution)
    grid, _ = voxelize_points(cloud, place_around(cloud.points, (options.resolution,) * 3))
    assert grid.labels is not None
    return grid if cloud.labels is not None else replace(grid, occupancy=grid.labels > 0, labels=None, classes=None)


def _surface_samples(mesh: Mesh, options: ConversionOptions) -> PointCloud:
    import numpy as np
    import torch

    from voxcli.geometry.sampling import sample_surface
    from voxcli.geometry.winding import wound_faces
    from voxcli.scene import PointCloud

    generator = torch.Generator().manual_seed(options.seed)
    vertices = torch.from_numpy(mesh.vertices)
    faces = torch.from_numpy(np.ascontiguousarray(wound_faces(mesh.vertices, mesh.faces).faces))
    points, normals, face = (x.numpy() for x in sample_surface(vertices, faces, options.points, generator))
    colours, labels = (None if of_faces is None else of_faces[face] for of_faces in (mesh.face_colors, mesh.face_labels))
    return PointCloud(points, normals, colours, labels, mesh.classes)


CONVERSIONS: dict[tuple[str, str], Conversion] = {
    ("SceneDescription", "Mesh"): _placed_mesh,
    ("FruxelGrid", "Mesh"): _surface,
    ("VoxelGrid", "Mesh"): _surface,
    ("FruxelGrid", "PointCloud"): _cell_centres,
    ("VoxelGrid", "PointCloud"): _cell_centres,
    ("FruxelGrid", "VoxelGrid"): _resampled_box,
    ("Mesh", "VoxelGrid"): _solid_voxels,
    ("Mesh", "PointCloud"): _surface_samples,
    ("PointCloud", "Mesh"): _closed_surface,
    ("PointCloud", "VoxelGrid"): _voxels_of_points,
}
"""(name of the scene type given, name of the one made) -> function."""


def needs_resolution(conversion: Conversion | None) -> bool:
    """Whether a conversion depends on the resolution option."""
    return conversion in (_resampled_box, _solid_voxels, _closed_surface, _voxels_of_points)


def with_provenance(
    scene: SceneT, command: str, options: Mapping[str, Json], inputs: Mapping[str, str], seed: int | None = None,
    weights: str | None = None, source_meta: Mapping[str, Json] | None = None,
) -> SceneT:  # fmt: skip
    """The scene with a meta that says how it was made. Scene types without a meta stay as they are.

    inputs: file name -> SHA-256. weights: SHA-256 of the weights. source_meta: of the scene that this one was made of. Where that one's
    camera was assumed, this one's is, too.
    """
    from voxcli.files.access import kind_name
    from voxcli.provenance import make_meta
    from voxcli.scene import Camera
    from voxcli.scene.frames import frame_of, inherited_meta

    if isinstance(scene, (Camera, list)):
        return scene
    kind, source_meta = kind_name(scene), source_meta or {}
    frame = "camera" if kind == "fruxels" else frame_of(source_meta, "world")
    return replace(scene, meta=make_meta(kind, command, options, inputs, seed, frame, "m", weights) | inherited_meta(source_meta))


def input_digests(source: str, thing: SceneType | None, *more: str | None) -> dict[str, str]:
    """SHA-256 of an input, of the meshes that a scene YAML names, and of `more` files, by their paths; thing: what the input holds."""
    from voxcli.provenance import sha256_file
    from voxcli.scene import SceneDescription

    digests = {path: sha256_file(path) for path in (source, *more) if path}
    if isinstance(thing, SceneDescription) and source.lower().endswith((".yaml", ".yml")):
        digests |= {each.file: sha256_file(Path(source).parent / each.file) for each in thing.objects}
    return digests
