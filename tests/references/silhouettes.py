"""A lopsided mesh, and its silhouette under a projection that is given as a plain formula: what cameras of readers are checked with."""

import math

import numpy as np
import torch

from voxcli.geometry.zbuffer import zbuffer
from voxcli.scene import Mesh


def lopsided_mesh():
    """A seat with a back, one arm and one foot: no symmetry of any kind. Front +x, +y up, box diagonal about 1."""
    boxes = [((-0.2, 0.0, -0.25), (0.25, 0.06, 0.25)), ((-0.25, 0.0, -0.25), (-0.19, 0.4, 0.25)), ((-0.2, 0.06, 0.19), (0.2, 0.2, 0.25)),
             ((0.15, -0.3, -0.25), (0.22, 0.0, -0.15))]  # fmt: skip
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    vertices, faces = [], []
    for low, high in boxes:
        corners = np.array([[x, y, z] for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2])])
        faces += [[k + 8 * len(vertices) for k in f] for a, b, c, d in quads for f in ((a, b, c), (a, c, d))]
        vertices.append(corners)
    return Mesh(np.concatenate(vertices), np.array(faces, dtype=np.int64))


def surface_points(mesh, count=150_000):
    """Points all over the surface, dense enough to leave no hole in a picture of 137 pixels."""
    rng = np.random.default_rng(0)
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    face = rng.choice(len(area), count, p=area / area.sum())
    u, v = rng.random(count), rng.random(count)
    u, v = np.where(u + v > 1, 1 - u, u)[:, None], np.where(u + v > 1, 1 - v, v)[:, None]
    return a[face] + u * (b - a)[face] + v * (c - a)[face]


def silhouette(pixels, width, height):
    """bool [height, width]: which pixels the points [N, 2] (x, y; the top-left corner of the picture is 0, 0) fall in."""
    at = np.floor(pixels).astype(int)
    kept = (at >= 0).all(1) & (at[:, 0] < width) & (at[:, 1] < height)
    out = np.zeros((height, width), bool)
    out[at[kept, 1], at[kept, 0]] = True
    return out


def blender_pixels(points, azimuth, elevation, ratio, size):
    """What the renderer did, in its own z-up world: x, -z, y of the model; a 35 mm lens before a 32 mm sensor."""
    a, e, d = math.radians(azimuth), math.radians(elevation), 1.75 * ratio
    world = np.stack([points[:, 0], -points[:, 2], points[:, 1]], 1)
    eye = d * np.array([math.cos(a) * math.cos(e), -math.sin(a) * math.cos(e), math.sin(e)])
    back = eye / d
    right = np.cross([0, 0, 1.0], back)
    right /= np.linalg.norm(right)
    up = np.cross(back, right)
    x, y, z = ((world - eye) @ axis for axis in (right, up, back))
    return size / 2 + 35 / 32 * size * np.stack([x / -z, -y / -z], 1)


def seen_by(camera, mesh):
    """bool [height, width]: the pixels whose centre sees the mesh."""
    cam = mesh.vertices @ camera.world_to_cam[:3, :3].T + camera.world_to_cam[:3, 3]
    buffer = zbuffer(torch.from_numpy(cam), torch.from_numpy(mesh.faces), torch.from_numpy(camera.K), camera.width, camera.height)
    return (buffer.face >= 0).numpy()


def agree(first, second):
    """Intersection over union, after both lost nothing: silhouettes of the same view differ along their rims alone."""
    return (first & second).sum() / (first | second).sum()


def assert_camera_fits(camera, mesh, mask):
    """The camera sees the mesh where the mask is, and its mirror images do not."""
    assert mask.any() and (camera.height, camera.width) == mask.shape
    seen = seen_by(camera, mesh)
    assert agree(seen, mask) > 0.93
    assert max(agree(seen[:, ::-1], mask), agree(seen[::-1], mask)) < 0.85
