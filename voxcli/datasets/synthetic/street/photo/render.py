"""Pictures of streets that look photographed: crowns that one sees through, skylight between houses, and a camera's development.

Three z-buffers make one picture. The first holds what has a class and is opaque. The second holds crowns and railings, which let through
what is behind them. The third holds what has no class (posts, cables). Depth and instances come from the first two alone, with crowns as
the solids that the labels have.

Samples lie on the corners, edge midpoints and centres of the pixels, as in clean renderings. Colours are computed at all centres. Elsewhere
they are computed only where a sample shows something else than the centres beside it.
"""

from __future__ import annotations

import numpy as np
import torch

from voxcli.datasets.synthetic.camera_pipeline import develop
from voxcli.datasets.synthetic.street.photo.cover import SEE_THROUGH, crown_colour, crown_cover, crown_depth, railing_cover
from voxcli.datasets.synthetic.street.photo.light import draw_photo_light
from voxcli.datasets.synthetic.street.photo.shade import Shader
from voxcli.datasets.synthetic.street.pieces import Surface
from voxcli.datasets.synthetic.street.plan import StreetScene
from voxcli.datasets.synthetic.street.render import Rendered, TriangleSoup
from voxcli.datasets.synthetic.street.shadows import ShadowMap, ShadowRange
from voxcli.geometry.zbuffer import first_faces
from voxcli.scene import Camera


def render_photo(rng: np.random.Generator, soup: TriangleSoup, scene: StreetScene, camera: Camera, shadows: ShadowRange) -> Rendered:
    """The photograph of a scene from its view. soup: all objects that are drawn, and the ground."""
    light = draw_photo_light(rng)
    width, height = 2 * camera.width + 1, 2 * camera.height + 1
    K = camera.K * np.array([[2.0], [2.0], [1.0]])
    K[:2, 2] += 0.5
    to_cam = camera.world_to_cam
    cam = soup.vertices @ to_cam[:3, :3].T + to_cam[:3, 3]
    labelled, view = len(scene.placed), scene.view
    facing = soup.facing(np.append(view.position, 1.0))
    through, classed = np.isin(soup.surfaces[facing], SEE_THROUGH), soup.owner[facing] <= labelled
    solid = _hits(cam, soup.faces, facing[~through & classed], K, width, height)
    veil = _hits(cam, soup.faces, facing[through], K, width, height)
    loose = _hits(cam, soup.faces, facing[~through & ~classed], K, width, height)
    depth, face = solid
    shown_depth, shown = np.where(loose[0] < depth, loose[0], depth), np.where(loose[0] < depth, loose[1], face)
    shader = Shader(soup, scene, light, ShadowMap.make(soup, view, light.sun, shadows), K, to_cam)
    fine = _coloured(shader, shown, shown_depth)
    over = np.flatnonzero((veil[0] < shown_depth).ravel())
    if len(over):
        hull, away = veil[1].ravel()[over], veil[0].ravel()[over]
        colour, cover = _veil(shader, over, hull, away, width)
        flat = fine.reshape(-1, 3)
        flat[over] += cover[:, None] * (colour - flat[over])
    rows = 0.25 * fine[:-2:2] + 0.5 * fine[1::2] + 0.25 * fine[2::2]
    pixels = 0.25 * rows[:, :-2:2] + 0.5 * rows[:, 1::2] + 0.25 * rows[:, 2::2]
    labelled_veil = (soup.owner <= labelled)[veil[1]] & (veil[0] < depth)  # a railing without a class does not count
    depth, face = np.where(labelled_veil, veil[0], depth)[1::2, 1::2], np.where(labelled_veil, veil[1], face)[1::2, 1::2]
    owner = np.where(face >= 0, soup.owner[face.clip(0)], -1)
    return Rendered(develop(pixels, rng, light.bias), np.where(np.isfinite(depth), depth, np.nan).astype(np.float32), owner)


def _hits(cam: np.ndarray, faces: np.ndarray, chosen: np.ndarray, K: np.ndarray, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """z-depth [height, width] float32 (inf = nothing) and face (-1 = nothing) of the nearest of the chosen faces."""
    depth, face = np.full((height, width), np.inf, np.float32), np.full((height, width), -1, np.int64)
    if not len(chosen):
        return depth, face
    corners = cam[faces[chosen]]
    z = corners[..., 2]
    left, top, right, bottom = 0, 0, width, height
    if (z > 0.1).all():
        x, y = K[0, 0] * corners[..., 0] / z + K[0, 2], K[1, 1] * corners[..., 1] / z + K[1, 2]
        left, top = (int(np.clip(np.floor(a.min()) - 1, 0, n)) for a, n in ((x, width), (y, height)))
        right, bottom = (int(np.clip(np.ceil(a.max()) + 1, 0, n)) for a, n in ((x, width), (y, height)))
        if right <= left or bottom <= top:
            return depth, face
    moved = K.copy()
    moved[:2, 2] -= left, top
    found = first_faces(torch.from_numpy(cam), torch.from_numpy(faces[chosen]), torch.from_numpy(moved), right - left, bottom - top)
    depth[top:bottom, left:right] = found.depth.numpy()
    face[top:bottom, left:right] = np.append(chosen, -1)[found.face.numpy()]
    return depth, face


def _coloured(shader: Shader, face: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Linear colours of all samples [h, w, 3] float32: shaded at pixels' centres and where something else begins, else interpolated."""
    keys = np.append(shader.keys, -1)[face]
    centre = np.pad(keys[1::2, 1::2], 1, mode="edge")
    same = np.zeros(keys.shape, bool)
    same[1::2, ::2] = (keys[1::2, ::2] == centre[1:-1, :-1]) & (keys[1::2, ::2] == centre[1:-1, 1:])
    same[::2, 1::2] = (keys[::2, 1::2] == centre[:-1, 1:-1]) & (keys[::2, 1::2] == centre[1:, 1:-1])
    corner = keys[::2, ::2]
    same[::2, ::2] = (corner == centre[:-1, :-1]) & (corner == centre[1:, 1:])
    same[::2, ::2] &= (corner == centre[:-1, 1:]) & (corner == centre[1:, :-1])
    todo = np.flatnonzero(~same)
    colour = shader.shade(todo, face.ravel()[todo], depth.ravel()[todo], face.shape[1])
    fine = np.zeros((face.size, 3), np.float32)
    fine[todo] = colour
    fine = fine.reshape(*face.shape, 3)
    c = np.pad(fine[1::2, 1::2], ((1, 1), (1, 1), (0, 0)), mode="edge")
    between = np.zeros_like(fine)
    between[1::2, ::2] = 0.5 * (c[1:-1, :-1] + c[1:-1, 1:])
    between[::2, 1::2] = 0.5 * (c[:-1, 1:-1] + c[1:, 1:-1])
    between[::2, ::2] = 0.25 * (c[:-1, :-1] + c[1:, 1:] + c[:-1, 1:] + c[1:, :-1])
    return np.where(same[..., None], between, fine)


def _veil(shader: Shader, at: np.ndarray, face: np.ndarray, away: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Colour [n, 3] and cover [n] of the samples `at` of crowns and railings."""
    seen = shader.look(at, face, away, width)
    surface, style = shader.soup.surfaces[face], shader.styles[seen.owner - 1]
    local = shader.local(seen.owner, seen.world)
    cover = np.zeros(len(at), np.float32)
    factor = np.ones(len(at), np.float32)
    rail = surface == Surface.RAILING
    bars, crown = np.flatnonzero(rail), np.flatnonzero(~rail)
    if len(bars):
        cover[bars] = railing_cover(local[bars], seen.step[bars], style[bars])
    if len(crown):
        twigs = surface[crown] == Surface.TWIGS
        turned = shader.local(seen.owner[crown], seen.rays[crown], False)
        boxes, round_ = shader.boxes[seen.owner[crown] - 1], shader.round[seen.owner[crown] - 1]
        deep = np.where(round_, crown_depth(local[crown], turned, boxes), 1.0)
        cover[crown] = crown_cover(local[crown], deep, seen.step[crown], style[crown], twigs)
        factor[crown] = crown_colour(local[crown], seen.normal[crown], seen.step[crown], style[crown], twigs)
    colour = shader.colours[face]
    plain = np.flatnonzero(surface == Surface.FOLIAGE)  # greens of clean renderings become darker and greyer
    colour[plain] = 0.75 * (0.6 * colour[plain] + 0.4 * colour[plain].mean(1, keepdims=True))
    colour *= factor[:, None]
    return shader.lit(seen, colour, leafy=~rail), cover
