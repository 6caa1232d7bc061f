"""What a camera sees of a mesh, of points, or of another view's surfels: surfels, one a pixel."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from voxcli.geometry.rays import camera_rays, is_surface
from voxcli.geometry.splatting import Splats, splat
from voxcli.geometry.surfels import SurfelMaps, back_project
from voxcli.geometry.triangles import gathered, transposed
from voxcli.geometry.zbuffer import seen_faces, seen_planes
from voxcli.scene import Camera, Mesh, PointCloud, class_colour

_PLAIN = 0.7  # the grey of what has no colour
_LEAST_FACING = 0.05  # a surfel's plate is stretched no further than for this cosine


def face_colours(mesh: Mesh, some: np.ndarray | slice = slice(None)) -> np.ndarray:
    """RGB 0..1 of each face [F, 3], or of some.

    The colour of its class, else its own, else that of its corners, else that of its part, else grey.

    >>> mesh = Mesh(np.eye(3), np.array([[0, 1, 2]]), face_colors=np.array([[255, 0, 51]], np.uint8))
    >>> face_colours(mesh).tolist()
    [[1.0, 0.0, 0.2]]
    """
    if mesh.face_labels is not None and mesh.classes is not None:
        return _class_colours(mesh.face_labels[some], mesh.classes.names)
    if mesh.face_colors is not None:
        return mesh.face_colors[some, :3].astype(np.float64) / 255
    if mesh.vertex_colors is not None:
        means: np.ndarray = mesh.vertex_colors[mesh.faces[some]][..., :3].mean(1) / 255
        return means
    if mesh.face_parts is not None and len(mesh.part_names) > 1:
        return _class_colours(mesh.face_parts[some], tuple(name.split("/")[-1] for name in mesh.part_names))
    return np.full((len(mesh.faces[some] if isinstance(some, slice) else some), 3), _PLAIN)


def smooth_normals(mesh: Mesh, rounds: int = 3) -> np.ndarray:
    """Normals of the vertices [V, 3], unit or 0: of the faces around, weighted by area, then averaged `rounds` times along edges.

    For surfaces of grids, whose faces know only the directions of cells. Faces are taken as counter-clockwise seen from outside.

    >>> smooth_normals(Mesh(np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]]), np.array([[0, 1, 2]])))[0].tolist()
    [0.0, 0.0, 1.0]
    """
    vertices, faces = torch.from_numpy(mesh.vertices), torch.from_numpy(np.ascontiguousarray(mesh.faces))
    a, b, c = vertices[faces].unbind(1)
    across = torch.linalg.cross(b - a, c - a)
    normals = torch.zeros_like(vertices)
    for k in range(3):
        normals.index_add_(0, faces[:, k], across)
    normals = torch.nn.functional.normalize(normals, dim=1)
    for _ in range(rounds):
        around = normals * 2
        for k in range(3):
            around.index_add_(0, faces[:, k], normals[faces[:, (k + 1) % 3]])
        normals = torch.nn.functional.normalize(around, dim=1)
    return normals.numpy()


def mesh_surfels(mesh: Mesh, camera: Camera, normals: np.ndarray | None = None, device: torch.device | str = "cpu") -> SurfelMaps:
    """The nearest face along the ray of every pixel centre, by the exact z-buffer.

    normals [V, 3]: those of the vertices in the world frame, interpolated; without them the faces' own. Both are turned towards the
    camera: open shells have no proper inside.

    >>> wall = Mesh(np.array([[-9.0, -9, 4], [9, -9, 4], [0, 9, 4]]), np.array([[0, 1, 2]]))
    >>> mesh_surfels(wall, Camera(np.array([[2.0, 0, 1], [0, 2, 1], [0, 0, 1]]), 2, 2)).depth.tolist()
    [[4.0, 4.0], [4.0, 4.0]]
    """
    K, R, t = (torch.from_numpy(np.asarray(x, np.float64)).to(device) for x in _camera_parts(camera))
    if not len(mesh.faces):
        return _nothing(camera, device)
    vertices = transposed(torch.from_numpy(mesh.vertices).to(device) @ R.T).add_(t[:, None]).t()
    faces = torch.from_numpy(np.ascontiguousarray(mesh.faces)).to(device)
    if normals is None:
        planes = seen_planes(vertices, faces, K, camera.width, camera.height)
        colours = torch.from_numpy(face_colours(mesh, planes.face.cpu().numpy())).to(device)
        albedo = colours.t() if planes.place is None else gathered(colours.t(), planes.place)
        return _filled(planes.pixel, planes.depth, planes.normal, albedo, camera)
    seen = seen_faces(vertices, faces, K, camera.width, camera.height)
    turned = torch.from_numpy(normals).to(device) @ R.T
    normal = (turned[faces.index_select(0, seen.face).t()] * seen.weights[..., None]).sum(0).T
    albedo = torch.from_numpy(face_colours(mesh)).to(device)[seen.face].T
    return _maps(seen.pixel, seen.depth, normal, albedo, K, camera)


def cloud_surfels(cloud: PointCloud, radius: np.ndarray, camera: Camera, device: torch.device | str = "cpu") -> SurfelMaps:
    """The nearest ball, or disc where the cloud has normals, along the ray of every pixel centre. radius [N], see splatting.splat.

    >>> cloud = PointCloud(np.array([[0.0, 0, 4]]))
    >>> cloud_surfels(cloud, np.ones(1), Camera(np.array([[9.0, 0, 0.5], [0, 9, 0.5], [0, 0, 1]]), 1, 1)).depth.tolist()
    [[3.0]]
    """
    K, R, t = (torch.from_numpy(np.asarray(x, np.float64)).to(device) for x in _camera_parts(camera))
    points = torch.from_numpy(cloud.points.astype(np.float64)).to(device) @ R.T + t
    normals = None if cloud.normals is None else torch.from_numpy(cloud.normals.astype(np.float64)).to(device) @ R.T
    found = splat(points, torch.from_numpy(radius.astype(np.float64)).to(device), K, camera.width, camera.height, normals)
    colours = torch.from_numpy(_point_colours(cloud)).to(device)
    return _splat_maps(found, colours, K, camera)


def reproject_surfels(surfels: SurfelMaps, here: Camera, there: Camera, device: torch.device | str = "cpu") -> SurfelMaps:
    """The surfels of one view as another camera sees them: each the plate that its pixel's circumcircle cuts out of its plane.

    >>> K, nearer = np.array([[2.0, 0, 1], [0, 2, 1], [0, 0, 1]]), np.eye(4)
    >>> nearer[2, 3] = -1                                                             # a metre ahead
    >>> wall = Mesh(np.array([[-9.0, -9, 4], [9, -9, 4], [0, 9, 4]]), np.array([[0, 1, 2]]))
    >>> here, there = Camera(K, 2, 2), Camera(K, 2, 2, nearer)
    >>> reproject_surfels(mesh_surfels(wall, here), here, there).depth.round(decimals=6).tolist()
    [[3.0, 3.0], [3.0, 3.0]]
    """
    K, R, t = (torch.from_numpy(np.asarray(x, np.float64)).to(device) for x in _camera_parts(here))
    depth, normals, albedo = (x.to(device).double() for x in surfels)
    seen = is_surface(depth)
    points = back_project(depth, K)[:, seen].T  # [N, 3]
    normal = normals[:, seen].T
    facing = -(points * normal).sum(1) / points.norm(dim=1)
    radius = points[:, 2] / torch.sqrt(2 * K[0, 0] * K[1, 1]) / facing.clamp_min(_LEAST_FACING)
    # Pixels that a step away from the point amounts to, in units of the circumcircle's radius: the derivative of the projection.
    z = points[:, 2]
    zero = torch.zeros_like(z)
    step = torch.stack([1 / z, zero, -points[:, 0] / z**2, zero, 1 / z, -points[:, 1] / z**2], 1).view(-1, 2, 3)
    outline = 2**0.5 * K[:2, :2] @ step
    K2, R2, t2 = (torch.from_numpy(np.asarray(x, np.float64)).to(device) for x in _camera_parts(there))
    turn = R2 @ R.T
    found = splat((points - t) @ turn.T + t2, radius, K2, there.width, there.height, normal @ turn.T, outline @ turn.T)
    return _splat_maps(found, albedo[:, seen].T, K2, there)


def _camera_parts(camera: Camera) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return camera.K, camera.world_to_cam[:3, :3], camera.world_to_cam[:3, 3]


def _nothing(camera: Camera, device: torch.device | str) -> SurfelMaps:
    empty = torch.zeros((3, camera.height, camera.width), dtype=torch.float64, device=device)
    return SurfelMaps(torch.full_like(empty[0], torch.nan), empty, empty.clone())


def _splat_maps(found: Splats, colours: Tensor, K: Tensor, camera: Camera) -> SurfelMaps:
    """Maps of the nearest splats; colours of all points [N, 3]."""
    point = found.point.view(-1)
    pixel = (point >= 0).nonzero().ravel()
    return _maps(pixel, found.depth.view(-1)[pixel], found.normals.flatten(1)[:, pixel], colours[point[pixel]].T, K, camera)


def _maps(pixel: Tensor, depth: Tensor, normals: Tensor, albedo: Tensor, K: Tensor, camera: Camera) -> SurfelMaps:
    """Maps of what N pixels see: depth [N], normals and albedo [3, N]. Nothing, which is 0 and NaN, elsewhere.

    Normals get unit length and turn towards the camera; a face or point without one faces the camera squarely.
    """
    seen = is_surface(depth)
    rays = camera_rays(K, camera.height, camera.width)[0].flatten(1).index_select(1, pixel)
    points = torch.where(seen, depth, 0) * rays
    length = _length(normals)
    lost = (length <= 1e-30) & seen
    if bool(lost.any()):
        squarely = -points / _length(points).clamp_min(1e-30)
        normals, length = torch.where(lost, squarely, normals), torch.where(lost, 1, length)
    towards = torch.where((normals * points).sum(0) > 0, -1.0, 1.0) / length.clamp_min(1e-30)
    return _filled(pixel, depth, normals * (towards * seen), albedo * seen, camera)


def _filled(pixel: Tensor, depth: Tensor, normals: Tensor, albedo: Tensor, camera: Camera) -> SurfelMaps:
    """Maps that hold the values of N pixels, and nothing elsewhere."""
    maps = _nothing(camera, depth.device)
    for whole, some in zip((maps.depth[None], *maps[1:]), (depth[None], normals, albedo), strict=True):
        for to, values in zip(whole.unbind(), some.unbind(), strict=True):
            to.view(-1).index_copy_(0, pixel, values)
    return maps


def _length(vectors: Tensor) -> Tensor:
    """Lengths [N] of vectors [3, N]; torch's own norm is slow across planes."""
    return (vectors * vectors).sum(0).sqrt()


def _point_colours(cloud: PointCloud) -> np.ndarray:
    """RGB 0..1 of each point [N, 3]: its own colour, else its class colour, else grey."""
    if cloud.colors is not None:
        colours = np.asarray(cloud.colors, np.float64)[:, :3]
        return colours / 255 if np.asarray(cloud.colors).dtype == np.uint8 else colours.clip(0, 1)
    if cloud.labels is not None and cloud.classes is not None:
        return _class_colours(cloud.labels, cloud.classes.names)
    return np.full((len(cloud.points), 3), _PLAIN)


def _class_colours(labels: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    table = np.array([class_colour(n) for n in names], np.float64)
    colours: np.ndarray = table[np.minimum(labels, len(table) - 1)] / 255
    return colours
