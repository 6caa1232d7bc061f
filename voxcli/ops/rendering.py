"""Surfels of a scene type as a camera sees them, and the pictures, depth maps and animations made of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from voxcli import log
from voxcli.errors import DataError, UsageError
from voxcli.geometry.dithering import dithered
from voxcli.geometry.rays import LARGEST, SMALLEST, is_surface
from voxcli.geometry.shading import levels, shaded, sun_and_sky, supersampled_camera
from voxcli.geometry.surfaces import cell_faces, surface_mesh
from voxcli.geometry.surfels import SurfelMaps, back_project, ray_to_z_depth, surfels_of_depth
from voxcli.geometry.visible import cloud_surfels, mesh_surfels, reproject_surfels, smooth_normals
from voxcli.ops.picture import normals_picture, placed_scene, used_vertices
from voxcli.ops.viewpoints import around, resized, turned
from voxcli.scene import Animation, Camera, DepthMap, FruxelGrid, Mesh, Picture, PointCloud, SceneDescription, Surfels, VoxelGrid
from voxcli.shapes import check_extent

if TYPE_CHECKING:
    from voxcli.ops.lights import LightFile

RENDERED = (SceneDescription, Mesh, FruxelGrid, VoxelGrid, Surfels, DepthMap, PointCloud)
"""Scene types that can be rendered. A file is read as the first of them that its format may hold."""

PICTURE_SIZE = 512
LARGEST_SIDE = 8192
_AZIMUTH, _ELEVATION = 30.0, 20.0
_GREY = 0.7


@dataclass(frozen=True)
class SurfelOptions:
    """threshold: of occupancy. cells: draw cells as boxes. radius: of points; None takes the file's or their spacing. device: of torch."""

    threshold: float = 0.5
    cells: bool = False
    radius: float | None = None
    device: str = "cpu"


@dataclass(frozen=True)
class ViewOptions:
    """Options of rendered views.

    target: the scene type that is made: Surfels, DepthMap, Picture (views side by side) or Animation. what: shaded or normals, of pictures
    and animations. views: how many around the vertical. size: pixels along the longer side; None keeps that of a given camera and of
    surfels; in pictures it is 512 at least, in other things the scene's camera's. lights:
    None is a sun and an even sky. weights: file or name of those that predicted the scene.
    """

    target: type = Picture
    what: str = "shaded"
    views: int = 1
    size: int | None = None
    lights: LightFile | None = None
    weights: str | None = None
    surfels: SurfelOptions = SurfelOptions()


@dataclass(frozen=True)
class LatentScene:
    """A predicted scene whose latent code is decoded anew for every camera.

    surfels: as the file holds them. seen_from: the surfels of a camera. target [3]: the point that the model's cameras look at. turns: by
    how many degrees, counter-clockwise seen from above, the file's camera can turn around the target within the training's cameras.
    strange: says what is strange about a camera, or None.
    """

    surfels: Surfels
    seen_from: Callable[[Camera], SurfelMaps]
    target: np.ndarray
    turns: tuple[float, float]
    strange: Callable[[Camera], str | None]

    @property
    def camera(self) -> Camera:
        """The camera of the picture that it was predicted from."""
        return self.surfels.camera


Rendered = Picture | Animation | DepthMap | Surfels
Renderable = SceneDescription | Mesh | FruxelGrid | VoxelGrid | Surfels | DepthMap | PointCloud


# -- what is seen ---------------------------------------------------------------------------------------------------------------------


class Prepared:
    """A scene made ready to be rendered from any number of cameras. Surfaces of grids and radii of points are found once.

    found: whether any view so far shows something. warnings: warnings about the input. Raises DataError where there is nothing to see,
    UsageError for options that mean nothing for the scene type.
    """

    def __init__(self, scene: Renderable | LatentScene, options: SurfelOptions):
        self.options = options
        self.normals: np.ndarray | None = None
        self.radius: np.ndarray | None = None
        self.found = False
        self.warnings: list[str] = []
        _check_options(scene, options)
        self.own: Camera | None = getattr(scene, "camera", None)
        self.thing = self._prepared(scene)
        if isinstance(self.thing, Mesh):
            if not len(self.thing.faces):
                raise DataError("There is nothing to see: no face, or no filled cell.")
            check_extent(self.thing.vertices, "The vertices")

    def _prepared(self, scene: Renderable | LatentScene) -> Mesh | PointCloud | Surfels | LatentScene:
        if isinstance(scene, SceneDescription):
            return placed_scene(scene)
        if isinstance(scene, (FruxelGrid, VoxelGrid)):
            if self.options.cells:
                return cell_faces(scene, self.options.threshold)
            mesh = surface_mesh(scene, self.options.threshold)
            self.normals = smooth_normals(mesh)
            return mesh
        if isinstance(scene, (DepthMap, Surfels)):
            self._check_depth(scene.depth)
            return _surfels_of(scene) if isinstance(scene, DepthMap) else scene
        if isinstance(scene, PointCloud):
            check_extent(scene.points, "The points")
            self.radius = _radii(scene, self.options.radius)
        return scene

    def _check_depth(self, depth: np.ndarray) -> None:
        """Raise DataError where no depth is a surface. Add a warning where some depths are neither surfaces nor holes (0 and NaN)."""
        if not is_surface(torch.from_numpy(np.asarray(depth, np.float64))).any():
            numbers = depth[~np.isnan(depth)]
            values = f"{numbers.min():g} to {numbers.max():g}" if numbers.size else "NaN alone"
            raise DataError("There is nothing to see: no depth is a surface's.", expected=f"more than {SMALLEST:g}, less than {LARGEST:g}",
                            actual=values)  # fmt: skip
        finite = np.isfinite(depth)
        kinds = {
            "infinite": np.isinf(depth), "negative": finite & (depth < 0), f"of {LARGEST:g} or more": finite & (depth >= LARGEST),
            f"of at most {SMALLEST:g}": (depth > 0) & (depth <= SMALLEST),
        }  # fmt: skip
        odd = " and ".join(f"{kind.sum()} {words}" for words, kind in kinds.items() if kind.any())
        if odd:
            self.warnings.append(f"of {depth.size} depths {odd}: taken for holes, as 0 and NaN are.")

    @property
    def extent(self) -> np.ndarray:
        """Points [N, 3] in the world that a camera must have in view: of balls the corners of their boxes."""
        points = extent_of(self.thing)
        if isinstance(self.thing, Surfels):
            K, depth = self.thing.camera.K, np.asarray(self.thing.depth, np.float64)
            reach = depth[is_surface(torch.from_numpy(depth)).numpy()] / np.sqrt(2 * K[0, 0] * K[1, 1])
        elif self.radius is not None:
            reach = self.radius
        else:
            return points
        return np.concatenate([points - reach[:, None], points + reach[:, None]])

    def seen_from(self, camera: Camera) -> SurfelMaps:
        """Surfels in the camera's frame, one a pixel."""
        thing, device = self.thing, self.options.device
        if isinstance(thing, Mesh):
            maps = mesh_surfels(thing, camera, self.normals, device)
        elif isinstance(thing, PointCloud):
            assert self.radius is not None
            maps = cloud_surfels(thing, self.radius, camera, device)
        elif isinstance(thing, LatentScene):
            maps = thing.seen_from(camera)
        else:
            own = thing.camera
            same = camera.width == own.width and np.allclose(camera.K, own.K) and np.allclose(camera.world_to_cam, own.world_to_cam)
            maps = _as_maps(thing) if same else reproject_surfels(_as_maps(thing), own, camera, device)
        self.found |= bool(torch.isfinite(maps.depth).any())
        return maps


def _check_options(scene: Renderable | LatentScene, options: SurfelOptions) -> None:
    """Raise UsageError for options that mean nothing for the scene type."""
    if options.radius is not None and not isinstance(scene, PointCloud):
        raise UsageError("--radius is of points, and the input holds none.", hint="Leave it out.")
    if options.cells and not isinstance(scene, (FruxelGrid, VoxelGrid)):
        raise UsageError("--cells are of a grid, and the input is none.", hint="Leave it out.")


def extent_of(thing: Mesh | PointCloud | Surfels | LatentScene) -> np.ndarray:
    """Points [N, 3] in the world frame whose box holds the thing."""
    from voxcli.geometry.regrid import world_points

    if isinstance(thing, Mesh):
        return used_vertices(thing)
    if isinstance(thing, PointCloud):
        return np.asarray(thing.points, np.float64)
    if isinstance(thing, LatentScene):
        return thing.target[None]
    maps = _as_maps(thing)
    points = back_project(maps.depth, torch.from_numpy(np.asarray(thing.camera.K, np.float64)))
    return world_points(points[:, torch.isfinite(maps.depth)].T.numpy(), thing.camera.world_to_cam)


def _as_maps(surfels: Surfels) -> SurfelMaps:
    depth = torch.from_numpy(np.asarray(surfels.depth, np.float64))
    depth = torch.where(torch.isfinite(depth) & (depth > 0), depth, torch.nan)
    normals, albedo = (torch.from_numpy(np.asarray(x, np.float64)).movedim(-1, 0) for x in (surfels.normals, surfels.albedo))
    return SurfelMaps(depth, normals.nan_to_num(0), albedo.nan_to_num(0))


def _surfels_of(depth: DepthMap) -> Surfels:
    """Surfels of a depth map: normals by equation (3) of pix2scene, and one grey as albedo."""
    if depth.camera is None:
        raise DataError("The depth map has no camera.", hint="Give one with --camera FILE.")
    K = torch.from_numpy(np.asarray(depth.camera.K, np.float64))
    z = torch.from_numpy(depth.depth.astype(np.float64))
    maps = surfels_of_depth(ray_to_z_depth(z, K) if depth.kind == "ray" else z, torch.full((3, 1, 1), _GREY, dtype=torch.float64), K)
    return as_surfels(maps, depth.camera)


def _radii(cloud: PointCloud, given: float | None) -> np.ndarray:
    """Radius of every point [N]: the given one, the file's, else one and a half times the median distance between neighbours."""
    count = len(cloud.points)
    if given is not None:
        return np.full(count, given)
    if cloud.radius is not None:
        radius = np.asarray(cloud.radius, np.float64)
        if not (np.isfinite(radius) & (radius >= 0)).all():
            raise DataError("The radius of points must be finite and not negative.", hint="Give one for all with --radius.")
        return radius
    return np.full(count, 1.5 * _spacing(np.asarray(cloud.points, np.float64)))


def _spacing(points: np.ndarray) -> float:
    """Median distance of a point to the nearest point at another place. 0.01 where all points are at one place."""
    from scipy.spatial import cKDTree

    places = np.unique(points, axis=0)
    if len(places) < 2:
        return 0.01
    some = places[np.linspace(0, len(places) - 1, min(len(places), 2000)).astype(int)]
    return float(np.median(cKDTree(places).query(some, k=2)[0][:, 1]))


# -- cameras ---------------------------------------------------------------------------------------------------------------------------


def cameras_for(ready: Prepared, given: Camera | None, views: int, size: int | None, looped: bool = True) -> list[Camera]:
    """One camera for each view: the given one, the thing's own, or one that has all of it in view. Several turn around the vertical.

    size: pixels along the longer side; None keeps the camera's, else 512. looped: the last view is followed by the first. Only turntables
    of predicted scenes depend on it, because they cover a part of the circle.
    """
    own = given or ready.own
    # A network has learnt views from its training's cameras. Its turntable keeps their distance.
    if own is None or (views > 1 and given is None and not isinstance(ready.thing, LatentScene)):
        first = around(ready.extent, own, size or PICTURE_SIZE, _AZIMUTH, _ELEVATION)
    else:
        first = own if size is None or size == max(own.width, own.height) else resized(own, size)
    if views == 1:
        return [first]
    if isinstance(ready.thing, LatentScene) and given is None:
        low, high = ready.thing.turns
        # There and back where the last view is followed by the first.
        shares = [(1 - np.cos(2 * np.pi * k / views)) / 2 if looped else k / (views - 1) for k in range(views)]
        return [turned(first, ready.thing.target, float(low + (high - low) * share)) for share in shares]
    points = ready.extent
    centre = (points.min(0) + points.max(0)) / 2
    return [turned(first, centre, 360 * k / views) for k in range(views)]


def strange_places(ready: Prepared, cameras: Sequence[Camera]) -> list[str]:
    """A warning for views of a predicted scene from where no camera of its training stood."""
    if not isinstance(ready.thing, LatentScene):
        return []
    found = [text for camera in cameras if (text := ready.thing.strange(camera)) is not None]
    views = "" if len(cameras) == 1 else f"{len(found)} of {len(cameras)} views: "
    return [f"{views}{found[0]}"] if found else []


def fitted(camera: Camera, depth: DepthMap, name: str) -> DepthMap:
    """The depth map with a camera. name: of the camera's file, for errors. Raises UsageError for another aspect ratio."""
    height, width = depth.depth.shape
    if abs(camera.width / camera.height - width / height) > 0.5 / min(width, height):
        raise UsageError(f"--camera {name} does not fit the depth map.", expected=f"an image of {width}x{height}",
                         actual=f"{camera.width}x{camera.height}")  # fmt: skip
    own = resized(camera, max(width, height))
    return replace(depth, camera=Camera(own.K, width, height, own.world_to_cam))


# -- outputs ---------------------------------------------------------------------------------------------------------------------------


def render(scene: Renderable, camera: Camera | None, options: ViewOptions, name: str) -> tuple[Rendered, list[str]]:
    """The views of a scene, and the warnings about them.

    Args:
        scene: of RENDERED. Its own camera is used where none is given. A depth map without a camera takes the given one as its own.
        camera: None is the scene's, else one that has all of the scene in view.
        name: of the camera or the scene, for errors.

    Raises:
        VoxcliError: there is nothing to see, the picture is too large, or an option means nothing for the scene.
    """
    from voxcli.backend import keep_freed_memory, pick_device
    from voxcli.ops.latent import latent_scene

    keep_freed_memory()
    other_view = camera is not None or options.views > 1
    if isinstance(scene, DepthMap) and scene.camera is None and camera is not None:
        scene, camera = fitted(camera, scene, name), None
    seen = latent_scene(scene, options.weights, other_view, options.surfels.device)
    ready = Prepared(seen, replace(options.surfels, device=str(pick_device(options.surfels.device))))
    size = options.size
    if size is None and camera is None and ready.own is not None and options.target in (Picture, Animation):
        small = not isinstance(ready.thing, (Surfels, LatentScene))  # whose camera may have a pixel for each column of a grid
        size = max(PICTURE_SIZE, ready.own.width, ready.own.height) if small else None
    cameras = cameras_for(ready, camera, options.views, size, options.target is Animation)
    first = cameras[0]
    whose = "of --camera" if camera is not None else "of the file" if ready.own is not None else "placed so that all is seen"
    log.info(f"camera: {whose}, {first.width}x{first.height} pixels" + (f", {len(cameras)} views" if len(cameras) > 1 else ""))
    if max(first.width, first.height) > LARGEST_SIDE:
        raise UsageError(f"{name}: the camera's picture is too large.", expected=f"at most {LARGEST_SIDE} a side",
                         actual=f"{first.width}x{first.height}", hint="State a smaller one with --size.")  # fmt: skip
    made: Rendered
    if options.target is Surfels:
        made = as_surfels(ready.seen_from(first), first)
    elif options.target is DepthMap:
        made = DepthMap(ready.seen_from(first).depth.cpu().numpy().astype(np.float32), camera=first)
    else:
        frames = [picture_of_view(ready, each, options.what, options.lights, options.views == 1) for each in cameras]
        made = Animation(np.stack(frames)) if options.target is Animation else Picture(side_by_side(frames))
    empty = [] if ready.found else ["nothing of it is seen from this camera."]
    return made, ready.warnings + strange_places(ready, cameras) + empty


def picture_of_view(ready: Prepared, camera: Camera, what: str, lights: LightFile | None, smooth: bool = False) -> np.ndarray:
    """One view as uint8 [H, W, 3]: shaded with four samples a pixel, or normals as colours on white.

    smooth: shaded without bands. Surfels, whose picture is that of equation (1) of pix2scene to the last bit, and frames of animations,
    which would grow, are not.
    """
    if what == "normals":
        maps = ready.seen_from(camera)
        colours = normals_picture(maps.normals.movedim(0, -1).cpu().numpy())
        return np.where(torch.isfinite(maps.depth).cpu().numpy()[..., None], colours, np.uint8(255))
    # These surfels are one a pixel. Finer sampling adds nothing.
    factor = 1 if isinstance(ready.thing, (Surfels, LatentScene)) else 2
    fine = supersampled_camera(camera, factor)
    light = sun_and_sky() if lights is None else lights.seen_from(camera)
    if smooth and factor > 1:
        return dithered(levels(ready.seen_from(fine), fine, light, factor))
    return shaded(ready.seen_from(fine), fine, light, factor)


def as_surfels(maps: SurfelMaps, camera: Camera) -> Surfels:
    """Surfel maps as the scene type: float32, channels last. A pixel without a surface has depth NaN, normal 0 and albedo 0."""
    depth = maps.depth.cpu().numpy().astype(np.float32)
    normals, albedo = (np.ascontiguousarray(x.movedim(0, -1).cpu().numpy().astype(np.float32)) for x in maps[1:])
    return Surfels(depth, normals, albedo, camera)


def side_by_side(frames: Sequence[np.ndarray]) -> np.ndarray:
    """Views of one size in a grid that is nearly square, on white. uint8 [H, W, 3]"""
    columns = int(np.ceil(np.sqrt(len(frames))))
    height, width, _ = frames[0].shape
    sheet = np.full((-(-len(frames) // columns) * height, columns * width, 3), 255, np.uint8)
    for k, frame in enumerate(frames):
        row, column = divmod(k, columns)
        sheet[row * height : (row + 1) * height, column * width : (column + 1) * width] = frame
    return sheet
