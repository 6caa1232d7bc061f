"""`voxcli.fruxelize` and `voxcli.voxelize`: meshes, scenes, voxels and depth maps into labelled grids."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

from voxcli.api.arguments import Count, python_call
from voxcli.api.things import Device, Path, ShapeLike, Thing, as_camera, as_solid, digests_of, is_path, path_of
from voxcli.contents import opened_once
from voxcli.errors import UsageError, unknown_name
from voxcli.ops.filling import FillOptions, check_box, fill_points, fill_scene, look_up, scene_of_mesh
from voxcli.ops.framing import Framing
from voxcli.ops.limits import check_cells
from voxcli.options import Interval
from voxcli.scene import FRUSTUM_PRESETS, Camera, DepthMap, Frustum, FruxelGrid, Mesh, PointCloud, SceneDescription, VoxelGrid
from voxcli.shapes import FILLS

if TYPE_CHECKING:
    from voxcli.provenance import Recordable

    Solid = ShapeLike | SceneDescription

Classes = str | Mapping[str, str] | None
Box = tuple[float, float, float, float, float, float]
RULES = ("slab", "centre")
Rule = Annotated[str, RULES]
Fill = Annotated[str, FILLS]


@python_call()
def fruxelize(
    shape: Solid, *, frustum: Frustum | str | None = None, camera: Camera | Path | None = None, classes: Classes = None,
    around: tuple[float, float, float] | None = None, rule: Rule = "slab", fill: Fill = "auto", device: Device = "cpu",
) -> FruxelGrid:  # fmt: skip
    """Fill a shape into the frustum voxels behind the pixels of a camera, as `voxcli fruxelize` does.

    Args:
        shape: a path, a Mesh, SceneDescription, VoxelGrid or DepthMap, a trimesh mesh or scene, (vertices [V, 3], faces [F, 3]), or
            occupancy [X, Y, Z]. World frame, +y up.
        frustum: a Frustum, or "shapenet", "semantic-voxels" or "far"; None: the scene's, else "shapenet" with the camera's size and lens.
        camera: a Camera or its file: of it the place counts, and without a frustum its lens. None: the scene's own, else one as `around`
            says, that looks at the middle of the box.
        classes: the class of what fills a cell ("car"), a mapping from part names to classes, or its YAML file; None: the mesh's own
            labels, else object.
        around: (azimuth, elevation, distance) of the camera that is placed: degrees around the shape from its front (+z), degrees above,
            units from its centre. None: 30, 20, and the middle of the frustum.
        rule: slab (the pixel's ray meets the solid within the slice) or centre (the cell's centre is inside).
        fill: auto (winding where closed, a vote of three axes where not), outside (what the surface touches, and what the outside does not
            reach), winding, parity or surface.
        device: cpu, cuda or auto.

    Returns:
        A FruxelGrid: labels [D, H, W] uint8, slices from near to far.

    Raises:
        VoxcliError: no faces, no camera for voxels or depth, an unknown name, or a grid that is too large.

    >>> import voxcli
    >>> car = voxcli.fruxelize("examples/meshes/car.glb", classes="car", frustum="shapenet")
    >>> car.labels.shape
    (128, 128, 128)
    """
    if isinstance(frustum, str) and frustum not in FRUSTUM_PRESETS:
        raise unknown_name("frustum", frustum, FRUSTUM_PRESETS)
    with opened_once():
        held = as_solid(shape)
        given = as_camera(camera, path_of(shape))
        preset = frustum if isinstance(frustum, str) else None
        framing = _framing(frustum) if isinstance(frustum, Frustum) else Framing(preset)
        placed = {}
        if around is not None:
            azimuth, elevation, distance = _checked(around)
            framing = replace(framing, azimuth=azimuth, elevation=elevation, distance=distance)
            placed = {"azimuth": azimuth, "elevation": elevation, "distance": distance}
        if given is not None and placed:
            raise UsageError("A camera and `around` contradict each other.", hint="Give one of them.")
        options = FillOptions(framing, "fruxel", 64, rule, fill, _class_name(classes), str(device))
        if isinstance(held, Mesh):
            held = scene_of_mesh(held, _class_name(classes), _table(classes))
        if isinstance(held, SceneDescription):
            result, _ = fill_scene(held, given, options)
        elif isinstance(held, (VoxelGrid, DepthMap)):
            result = look_up(held, path_of(shape) or "the shape", given, options)
        else:
            raise UsageError("This cannot be filled.", expected="a mesh, a scene, voxels or a depth map", actual=type(held).__name__)
        assert isinstance(result, FruxelGrid)
        recorded = {"grid": "fruxel", "rule": rule, "fill": fill, "classes": _plain(classes), "preset": preset, **placed}
        return replace(result, meta=_meta("fruxels", recorded, "camera", shape, camera, classes))


@python_call()
def voxelize(
    shape: Solid | PointCloud, *, resolution: Count = 64, classes: Classes = None, rule: Rule = "centre", fill: Fill = "auto",
    device: Device = "cpu", box: Box | None = None, cells: Annotated[tuple[int, int, int] | None, Interval("[1, inf)")] = None,
) -> VoxelGrid:  # fmt: skip
    """Fill a mesh or scene into cubes around it, as `voxcli fruxelize --grid voxel` does; of a cloud, the cells in which points lie.

    Args:
        shape: a path, a Mesh, SceneDescription or PointCloud, a trimesh mesh or scene, (vertices [V, 3], faces [F, 3]), or points [N, 3].
        resolution: cells along the longest side.
        box: (x, y, z of the minimum corner, x, y, z of the maximum one) of the grid; None: around the shape.
        cells: (nx, ny, nz), in place of `resolution`.
        classes, fill, device: as for `fruxelize`. rule: centre (the cell's centre is inside) or slab.

    Returns:
        A VoxelGrid: labels [X, Y, Z] with class names, in the world frame and units of the shape.

    Raises:
        VoxcliError: no faces, or a grid that is too large.

    >>> import numpy, voxcli
    >>> corners = numpy.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1.0]])
    >>> faces = numpy.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])
    >>> grid = voxcli.voxelize((corners, faces), resolution=32)
    >>> bool(abs(grid.labels.sum() * grid.voxel_size.prod() - 1 / 6) < 0.02)
    True
    """
    from voxcli.scene.frames import WORLD, frame_of, inherited_meta

    check_cells(*(cells or (resolution,) * 3))
    check_box(box, "box")
    given = FillOptions(Framing(), "voxel", resolution, rule, fill, _class_name(classes), str(device), box, cells)
    with opened_once():
        held = as_solid(shape)
        of = held.meta
        if isinstance(held, Mesh):
            held = scene_of_mesh(held, _class_name(classes), _table(classes))
        result: FruxelGrid | VoxelGrid
        if isinstance(held, PointCloud):
            result = fill_points(held, path_of(shape) or "the shape", given)
        elif isinstance(held, SceneDescription):
            result, _ = fill_scene(held, None, given)
        else:
            raise UsageError("Only meshes, scenes and points are put into voxels.", actual=type(held).__name__,
                             hint="Grids are converted by voxcli.write.")  # fmt: skip
        assert isinstance(result, VoxelGrid)
        options = {"grid": "voxel", "rule": rule, "fill": fill, "classes": _plain(classes), "box": box, "shape": cells,
                   "resolution": None if cells else resolution}  # fmt: skip
        return replace(result, meta=inherited_meta(of) | _meta("voxels", options, frame_of(of, WORLD), shape, classes))


def _framing(frustum: Frustum) -> Framing:
    size = (frustum.width, frustum.height)
    return Framing(None, size, frustum.depth, frustum.z_near, frustum.z_far, frustum.fov_x_deg)


def _checked(around: tuple[float, float, float]) -> tuple[float, float, float]:
    if not abs(around[1]) <= 90 or not around[2] > 0:
        raise UsageError("This is no place around a shape.", expected="(azimuth, elevation within 90, distance above 0)", actual=around)
    return around


def _class_name(classes: Classes) -> str | None:
    """The one class, where `classes` is none of a mapping and its file."""
    if not isinstance(classes, str) or classes.endswith((".yaml", ".yml")):
        return None
    if classes.strip() in ("", "air"):
        raise UsageError("A class names what fills a cell.", expected="a class such as car", actual=f"'{classes}'")
    return classes


def _table(classes: Classes) -> str | Mapping[str, str] | None:
    return None if classes is None or _class_name(classes) is not None else classes


def _plain(classes: Classes) -> str | dict[str, str] | None:
    return dict(classes) if isinstance(classes, Mapping) else classes


def _meta(schema: str, options: Mapping[str, Recordable], frame: str, *read: Thing) -> dict[str, Recordable]:
    from voxcli.provenance import make_meta

    files_read = [each for each in read if is_path(each) and _is_file(path_of(each))]
    given = {key: value for key, value in options.items() if value is not None}
    return make_meta(schema, "fruxelize", given, digests_of(*files_read), None, frame, "m")


def _is_file(path: str) -> bool:
    import os

    return os.path.isfile(path)
