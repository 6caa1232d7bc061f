"""From one kind of thing to another, for every command whose output file may hold something else than it computed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from voxcli.errors import DataError, UsageError, unknown_name
from voxcli.ops.limits import check_cells

if TYPE_CHECKING:
    from voxcli.files import Format
    from voxcli.scene import FruxelGrid, Mesh, PointCloud, SceneDescription, VoxelGrid


@dataclass(frozen=True)
class Settings:
    """What a conversion may need to know: cells along the longest side, occupancy threshold, points to sample, seed."""

    resolution: int = 64
    threshold: float = 0.5
    points: int = 10_000
    seed: int = 0


def convert_thing(thing: Any, target: Format, kind: str | None = None, settings: Settings | None = None) -> Any:
    """The thing itself where the target format can hold it, else the nearest kind that it can hold and the thing can become.

    kind: fruxels, voxels, points or mesh, where the format could hold several. Raises UsageError where no conversion leads there.
    """
    way = way_to(type(thing), target, kind)
    return thing if way is None else way(thing, settings or Settings())


def way_to(scene_type: type, target: Format, kind: str | None = None) -> Callable[[Any, Settings], Any] | None:
    """The function that turns things of a type into what the target format holds; None where it holds the type itself.

    Known before anything is computed. Raises UsageError where no conversion leads there.
    """
    from voxcli.files.registry import KIND_TYPES, formats_writing

    if kind is not None and kind not in KIND_TYPES:
        raise unknown_name("kind of file", kind, KIND_TYPES)
    possible = [t for t in target.writers if kind is None or t is KIND_TYPES[kind]]
    if scene_type in possible:
        return None
    for wanted in sorted(possible, key=lambda t: _PREFERRED.index(t.__name__)):
        if (scene_type.__name__, wanted.__name__) in CONVERSIONS:
            return CONVERSIONS[scene_type.__name__, wanted.__name__]
    names = {scene_type: name for name, scene_type in KIND_TYPES.items()}
    name = names[scene_type]
    holds = [names[t] for t in target.writers]
    others = [other for other, t in KIND_TYPES.items() if (scene_type.__name__, t.__name__) in CONVERSIONS]
    if not holds:
        raise UsageError(f"{target.extensions[0]} files ({target.name}) are read here, and cannot be written.",
                         hint=_places([name, *others]))  # fmt: skip
    if kind in (name, *others):
        fitting = [each for each in holds if each in (name, *others)]
        raise UsageError(
            f"{target.name} cannot hold {kind}.", expected=f"--as {' or '.join(fitting)}" if fitting else None, actual=f"--as {kind}",
            hint=f"{kind} can be written as {', '.join(formats_writing(KIND_TYPES[kind]))}.",
        )  # fmt: skip
    words = [f"It can become {' or '.join(others)}."] if others else []
    words += [f"{name} can be written as {', '.join(own)}."] if (own := formats_writing(scene_type)) else []
    words += ["`voxcli predict` makes 3D of images."] if name == "image" else []
    raise UsageError(
        f"{name} cannot become {kind or f'what {target.name} holds'}.",
        actual=None if kind in holds else f"{target.name}, which holds {' or '.join(holds)}",
        hint=" ".join(words),
    )


def _places(kinds: list[str]) -> str:
    """The formats that kinds of things are written as."""
    from voxcli.files.registry import KIND_TYPES, formats_writing

    written = {kind: formats_writing(KIND_TYPES[kind]) for kind in kinds}
    return "; ".join(f"{kind} can be written as {', '.join(extensions)}" for kind, extensions in written.items() if extensions) + "."


_PREFERRED = [
    "FruxelGrid", "VoxelGrid", "Mesh", "PointCloud", "Surfels", "DepthMap", "Picture", "Animation", "SceneDescription", "Camera", "list",
]  # fmt: skip
"""Which kind a format of several is given when nothing says which."""


def _placed(scene: SceneDescription, settings: Settings) -> Mesh:
    from voxcli.ops.picture import placed_scene

    return placed_scene(scene)


def _surface(grid: FruxelGrid | VoxelGrid, settings: Settings) -> Mesh:
    from voxcli.geometry.surfaces import surface_mesh

    return surface_mesh(grid, settings.threshold)


def _cells(grid: FruxelGrid | VoxelGrid, settings: Settings) -> PointCloud:
    from voxcli.geometry.regrid import filled_cells

    return filled_cells(grid, settings.threshold)


def _box(grid: FruxelGrid, settings: Settings) -> VoxelGrid:
    from voxcli.geometry.regrid import fruxels_to_box

    check_cells(settings.resolution, settings.resolution, settings.resolution)
    return fruxels_to_box(grid, settings.resolution)


def _solid(mesh: Mesh, settings: Settings) -> VoxelGrid:
    from dataclasses import replace

    from voxcli.geometry.scenes import bounding_cube, split_by_class, voxelize_scene
    from voxcli.scene import Labels, SceneDescription, SceneObject

    if not len(mesh.faces):
        raise DataError("The mesh has no faces: there is nothing to fill.")
    check_cells(settings.resolution, settings.resolution, settings.resolution)
    labelled = mesh.face_labels is not None and mesh.classes is not None
    classes = mesh.classes if labelled and mesh.classes is not None else Labels(("air", "object"))
    scene = SceneDescription(tuple(split_by_class(mesh)) if labelled else (SceneObject(mesh, "object"),), classes)
    grid = voxelize_scene(scene, *bounding_cube(scene, settings.resolution)).grid
    if labelled:
        return grid  # type: ignore[return-value]
    assert grid.labels is not None
    return replace(grid, occupancy=grid.labels > 0, labels=None, classes=None)  # type: ignore[return-value, arg-type]


def _closed(cloud: PointCloud, settings: Settings) -> Mesh:
    from voxcli.geometry.clouds import closed_surface

    check_cells(settings.resolution, settings.resolution, settings.resolution)
    return closed_surface(cloud, settings.resolution)


def _samples(mesh: Mesh, settings: Settings) -> PointCloud:
    import torch

    from voxcli.geometry.sampling import sample_surface
    from voxcli.scene import PointCloud

    generator = torch.Generator().manual_seed(settings.seed)
    vertices, faces = torch.from_numpy(mesh.vertices), torch.from_numpy(mesh.faces.copy())
    points, normals, face = (x.numpy() for x in sample_surface(vertices, faces, settings.points, generator))
    colours, labels = (None if of_faces is None else of_faces[face] for of_faces in (mesh.face_colors, mesh.face_labels))
    return PointCloud(points, normals, colours, labels, mesh.classes)


CONVERSIONS: dict[tuple[str, str], Callable[[Any, Settings], Any]] = {
    ("SceneDescription", "Mesh"): _placed,
    ("FruxelGrid", "Mesh"): _surface,
    ("VoxelGrid", "Mesh"): _surface,
    ("FruxelGrid", "PointCloud"): _cells,
    ("VoxelGrid", "PointCloud"): _cells,
    ("FruxelGrid", "VoxelGrid"): _box,
    ("Mesh", "VoxelGrid"): _solid,
    ("Mesh", "PointCloud"): _samples,
    ("PointCloud", "Mesh"): _closed,
}
"""(scene type, scene type) by name -> function."""


def takes_resolution(way: Callable[[Any, Settings], Any] | None) -> bool:
    """Whether a conversion asks how many cells there are to be."""
    return way in (_box, _solid, _closed)


def with_origin(
    thing: Any, command: str, settings: Mapping[str, Any], inputs: Mapping[str, str], seed: int | None = None, weights: str | None = None,
    of: Mapping[str, Any] | None = None,
) -> Any:  # fmt: skip
    """The thing with the provenance of the command that made it; what has no place for one stays as it is.

    of: the meta of what it was made of, which may state that its camera was assumed.
    """
    from dataclasses import replace

    from voxcli.files.registry import KIND_TYPES
    from voxcli.provenance import make_meta
    from voxcli.scene.frames import carried, frame_of

    kind = next((name for name, scene_type in KIND_TYPES.items() if isinstance(thing, scene_type)), None)
    if kind is None or not hasattr(thing, "meta"):
        return thing
    frame = "camera" if kind == "fruxels" else frame_of(of or {}, "world")
    return replace(thing, meta=make_meta(kind, command, settings, inputs, seed, frame, "m", weights) | carried(of or {}))
