"""A plain shaded picture of a mesh: z-buffer, one sun, a sky, class or face colours."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from voxcli.geometry.zbuffer import zbuffer
from voxcli.scene import Camera, Mesh, class_colour

_BACKGROUND = (246, 247, 249)


def face_colours(mesh: Mesh) -> np.ndarray:
    """RGB 0..1 of each face [F, 3]: its class colour, else its own colour, else grey."""
    if mesh.face_labels is not None and mesh.classes is not None:
        table = np.array([class_colour(n) for n in mesh.classes.names], np.float64)
        return table[np.minimum(mesh.face_labels, len(table) - 1)] / 255
    if mesh.face_colors is not None:
        return mesh.face_colors[:, :3].astype(np.float64) / 255
    if mesh.vertex_colors is not None:
        return mesh.vertex_colors[mesh.faces][..., :3].mean(1) / 255
    return np.full((len(mesh.faces), 3), 0.7)


def shaded_picture(mesh: Mesh, camera: Camera, supersample: int = 2) -> np.ndarray:
    """Lambert shading under a sun over the viewer's left shoulder and an even sky. Returns uint8 [H, W, 3].

    Both sides of a face are lit alike: open shells have no proper inside.
    """
    height, width = camera.height * supersample, camera.width * supersample
    image = torch.tensor(_BACKGROUND, dtype=torch.float64).expand(height, width, 3) / 255
    if len(mesh.faces):
        K = torch.from_numpy(camera.K).clone()
        K[:2] *= supersample
        M = torch.from_numpy(camera.world_to_cam)
        vertices = torch.from_numpy(mesh.vertices) @ M[:3, :3].T + M[:3, 3]      # camera frame
        faces = torch.from_numpy(np.ascontiguousarray(mesh.faces))
        buffer = zbuffer(vertices, faces, K, width, height)
        light = lambert(vertices, faces) * torch.from_numpy(face_colours(mesh)).T                # [3, F]
        image = torch.where((buffer.face >= 0)[..., None], light.T[buffer.face.clamp_min(0)], image)
    image = image.view(camera.height, supersample, camera.width, supersample, 3).mean((1, 3))
    return (image * 255 + 0.5).clamp(0, 255).to(torch.uint8).numpy()


def lambert(vertices: Tensor, faces: Tensor) -> Tensor:
    """Brightness 0..1 of each face [F] in the camera frame: 0.45 sky + 0.55 max(0, n . sun), the normal turned to the viewer."""
    a, b, c = vertices[faces].unbind(1)
    normal = torch.linalg.cross(b - a, c - a)
    normal = normal / normal.norm(dim=1, keepdim=True).clamp_min(1e-30)
    towards = (normal * (a + b + c)).sum(1, keepdim=True)
    normal = torch.where(towards > 0, -normal, normal)
    sun = torch.tensor([-0.5, -0.75, -0.45], dtype=vertices.dtype, device=vertices.device)
    return 0.45 + 0.55 * (normal @ (sun / sun.norm())).clamp_min(0)
