"""What a camera sees of a room: exact surfels, and their picture by equation (1), as `render-surfels` and pix2scene itself shade.

One surfel a pixel, at its centre, and no smoothing of edges: the picture of the stored surfels under the stored lights is the stored
picture, to the last bit.
"""

from __future__ import annotations

import numpy as np
import torch

from voxcli.datasets.synthetic.rooms.scenes import CORNER, REACH, RoomLight, RoomScene
from voxcli.geometry.lighting import Lights
from voxcli.geometry.shading import shaded
from voxcli.geometry.surfels import SurfelMaps
from voxcli.geometry.zbuffer import zbuffer
from voxcli.scene import Camera, Mesh, Surfels


def room_mesh() -> Mesh:
    """Floor (y), and the walls x and z: three squares, wound counter-clockwise seen from within the room."""
    a, b = CORNER, REACH
    corners = [
        [(a, a, a), (a, a, b), (b, a, b), (b, a, a)],
        [(a, a, a), (a, b, a), (a, b, b), (a, a, b)],
        [(a, a, a), (b, a, a), (b, b, a), (a, b, a)],
    ]  # fmt: skip
    quads = np.arange(12).reshape(3, 4)
    return Mesh(np.array(corners, np.float64).reshape(12, 3), np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]))


def surfels_of_room(scene: RoomScene, camera: Camera) -> Surfels:
    """The nearest surface along the ray of every pixel's centre: depth, normals of the smooth shapes, one albedo. float32"""
    vertices, faces, normals = _geometry(scene)
    R, t = camera.world_to_cam[:3, :3], camera.world_to_cam[:3, 3]
    vertices = vertices @ R.T + t
    buffer = zbuffer(torch.from_numpy(vertices), torch.from_numpy(faces), torch.from_numpy(camera.K), camera.width, camera.height)
    face = buffer.face.numpy()
    seen = face >= 0
    on, weights, depth = face[seen], buffer.weights.numpy()[seen], buffer.depth.numpy()
    rows, columns = np.nonzero(seen)
    rays = np.stack([columns + 0.5, rows + 0.5, np.ones(len(on))], 1) @ np.linalg.inv(camera.K).T
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    normal = np.einsum("nk,nkc->nc", weights, normals[on]) @ R.T
    a, b, c = (vertices[faces[on, k]] for k in range(3))
    flat = np.cross(b - a, c - a)
    normal *= np.where(np.einsum("nc,nc->n", flat, rays) > 0, -1.0, 1.0)[:, None]  # meshes from files may be open, or inside out
    # At a silhouette the smooth surface may already look away where its facet does not: then it is seen edge-on.
    normal -= np.maximum(np.einsum("nc,nc->n", normal, rays), 0)[:, None] * rays
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-30)
    maps = np.zeros((2, camera.height, camera.width, 3), np.float32)
    maps[0][seen], maps[1][seen] = normal, scene.albedo
    return Surfels(np.where(seen, depth, np.nan).astype(np.float32), maps[0], maps[1], camera)


def _geometry(scene: RoomScene) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(vertices [V, 3], faces [F, 3], normals of the faces' corners [F, 3, 3]) of room and objects, in the world."""
    room = room_mesh()
    walls = np.repeat(np.tile(np.eye(3)[[1, 0, 2]], (2, 1))[:, None], 3, 1)  # floor, wall x, wall z, twice: [6, 3, 3]
    vertices, faces, normals = [room.vertices], [room.faces], [walls]
    count = len(room.vertices)
    for thing in scene.objects:
        vertices.append(thing.vertices)
        faces.append(thing.shape.faces + count)
        normals.append(thing.normals)
        count += len(thing.shape.vertices)
    return np.concatenate(vertices), np.concatenate(faces), np.concatenate(normals)


def lights_of(light: RoomLight) -> Lights:
    """The lights of equation (1) in the world frame, float64; `moved(world_to_cam)` brings them before a camera."""
    return Lights(*(torch.from_numpy(np.asarray(v, np.float64)) for v in (light.ambient, light.positions, light.colours)))


def picture_of_surfels(surfels: Surfels, light: RoomLight) -> np.ndarray:
    """Equation (1) at every pixel, linear light, uint8 [H, W, 3]; light above 1 is clipped."""
    depth, normals, albedo = (torch.from_numpy(v).double() for v in (surfels.depth, surfels.normals, surfels.albedo))
    maps = SurfelMaps(depth, normals.movedim(-1, 0), albedo.movedim(-1, 0))
    return shaded(maps, surfels.camera, lights_of(light).moved(torch.from_numpy(surfels.camera.world_to_cam)))
