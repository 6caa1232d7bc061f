"""Pictures of scene types: shaded views from the camera, the front, the left and the top, with a legend of the classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from voxcli.errors import DataError, UsageError, VoxcliError
from voxcli.files.mesh_colours import to_uint8
from voxcli.geometry.dithering import dithered
from voxcli.ops.grid_pictures import CellFaces, seen_by_own_camera
from voxcli.ops.viewpoints import OWN, VIEWS, from_afar, level_axes, resized, view_axes
from voxcli.scene import (
    Camera,
    DepthMap,
    FruxelGrid,
    Labels,
    Mesh,
    Picture,
    PointCloud,
    SceneDescription,
    SceneType,
    Surfels,
    VoxelGrid,
    class_colour,
)
from voxcli.shapes import check_extent

_PAPER = (255, 255, 255)
_INK = (40, 44, 52)


def picture_of(thing: SceneType, size: int = 512, threshold: float = 0.5, names: Sequence[str] = ()) -> np.ndarray:
    """A sheet as uint8 [H, W, 3]: views of `size` pixels side by side, and a legend of the classes below.

    threshold: of occupancy. names: of views, see `views_of`. Raises DataError for a scene type without a picture, or one of nothing.
    """
    return sheet([views_of(thing, size, threshold, names)], classes_present(thing))


@dataclass(frozen=True)
class Framing:
    """What several things are framed by together: points [N, 3] that every view holds, and the camera that directions count from."""

    points: np.ndarray
    own: Camera | None = None


def views_of(
    thing: SceneType, size: int, threshold: float = 0.5, names: Sequence[str] = (), most: int | None = None,
    framing: Framing | None = None,
) -> list[tuple[str, np.ndarray]]:  # fmt: skip
    """(caption, picture [H, W, 3] uint8) of each view, `size` pixels along the longer side. The first view is the main one.

    names: of VIEWS, or OWN for what the thing's own camera sees; none: that of the camera, or an oblique one, with left and top. All but
    the camera's are drawn in parallel rays, so that proportions are right. Maps and images have no other views than their own. most: so
    many views of a shape. framing: None is the thing's own. Raises UsageError for the camera of what states none.
    """
    if isinstance(thing, Picture):
        return [("image", _fitted(_on_paper(thing), size))]
    if isinstance(thing, DepthMap):
        return [("depth, near is bright", _fitted(_grey(thing.depth), size))]
    if isinstance(thing, Surfels):
        return [("normals", _fitted(normals_picture(thing.normals), size)), ("depth, near is bright", _fitted(_grey(thing.depth), size))]
    own = own_camera(thing)
    if own is None and OWN in names:
        raise UsageError("The file states no camera, so there is no view of it.", expected=f"--views of {', '.join(VIEWS)}")
    names = (names or [OWN if own is not None else "oblique", "left", "top"])[:most]
    level = own if framing is None else framing.own
    if isinstance(thing, (FruxelGrid, VoxelGrid)):
        faces, within = CellFaces(thing, threshold), None if framing is None else framing.points
        return [
            (name, _fitted(seen_by_own_camera(thing), size) if name == OWN and isinstance(thing, FruxelGrid)
             else faces.seen_along(view_axes(name, level), level_axes(level)[0], size, within))
            for name in names
        ]  # fmt: skip
    from voxcli.geometry.shading import shaded_picture

    mesh = mesh_of(thing)
    points = framed_points(thing, threshold, mesh) if framing is None else framing.points
    cameras = [resized(own, size) if own is not None and name == OWN else from_afar(points, view_axes(name, level), size) for name in names]
    return [(name, shaded_picture(mesh, camera)) for name, camera in zip(names, cameras, strict=True)]


def framed(thing: SceneType | None, side: int, view: int = 0) -> np.ndarray:
    """One of the views of a thing in the middle of a square, uint8 [side, side, 3]; white where there is none, or nothing to be drawn."""
    out = np.full((side, side, 3), 255, np.uint8)
    if thing is None:
        return out
    try:
        image = views_of(thing, side - 8, most=1 + view)[view][1]
    except VoxcliError:  # nothing is occupied
        return out
    height, width = image.shape[:2]
    top, left = (side - height) // 2, (side - width) // 2
    out[top : top + height, left : left + width] = image
    return out


def own_camera(thing: SceneType) -> Camera | None:
    """The camera of what has views besides its own: fruxels and scenes may state one."""
    return thing.camera if isinstance(thing, (FruxelGrid, SceneDescription)) else None


def framed_points(thing: SceneType, threshold: float = 0.5, mesh: Mesh | None = None) -> np.ndarray:
    """Points [N, 3] that a view of a shape should hold. mesh: what mesh_of gives, where it is at hand."""
    if isinstance(thing, (FruxelGrid, VoxelGrid)):
        return CellFaces(thing, threshold).points()
    return in_frame(thing) if isinstance(thing, SceneDescription) else used_vertices(mesh or mesh_of(thing))


def mesh_of(thing: SceneType) -> Mesh:
    """The mesh that is shaded: the placed meshes of a scene, points as small cells. World frame."""
    if isinstance(thing, Mesh):
        check_extent(thing.vertices, "Vertices")
        return thing
    if isinstance(thing, SceneDescription):
        return placed_scene(thing)
    if isinstance(thing, PointCloud):
        check_extent(thing.points, "Points")
        return _cells_of_points(thing)
    raise DataError(f"There is no picture of a {type(thing).__name__}.")


def placed_scene(scene: SceneDescription) -> Mesh:
    """All objects of a scene as one labelled mesh in the world frame."""
    from voxcli.geometry.scenes import placed_vertices

    kind = np.uint8 if len(scene.classes.names) <= 256 else np.uint16
    vertices, faces, labels, offset = [np.zeros((0, 3))], [np.zeros((0, 3), np.int64)], [np.zeros(0, kind)], 0
    for item in scene.objects:
        vertices.append(placed_vertices(item))
        mirrored = np.prod(item.scale) < 0  # a mirrored mesh has its faces inside out
        faces.append((item.mesh.faces[:, ::-1] if mirrored else item.mesh.faces) + offset)
        labels.append(np.full(len(item.mesh.faces), scene.classes.names.index(item.class_name), kind))
        offset += len(item.mesh.vertices)
    return Mesh(np.concatenate(vertices), np.concatenate(faces), face_labels=np.concatenate(labels), classes=scene.classes)


def _cells_of_points(cloud: PointCloud, cells: int = 96) -> Mesh:
    """Points as small cubes, in their classes' colours or the mean of their own. Points of the empty class are left out."""
    from voxcli.geometry.rectangles import face_corners

    labels = None if cloud.classes is None else cloud.labels
    shown = np.ones(len(cloud.points), bool) if labels is None or cloud.classes is None else labels != cloud.classes.empty
    points = np.asarray(cloud.points, np.float64)[shown]
    if not len(points):
        raise DataError("The point cloud is empty: there is nothing to show.")
    low, high = points.min(0), points.max(0)
    size = max(float((high - low).max()), 1e-9) / cells
    index = np.minimum(((points - low) / size).astype(int), np.ceil((high - low) / size).astype(int).clip(1) - 1)
    places, last, cube = np.unique(index[::-1], axis=0, return_index=True, return_inverse=True)
    filled = np.zeros(places.max(0) + 1, np.int32)
    filled[tuple(places.T)] = np.arange(1, len(places) + 1)
    corners, of = face_corners(filled, range(1, len(places) + 1))
    of_faces, first = np.tile(of - 1, 2), np.arange(len(corners))[:, None] * 4
    faces = np.concatenate([first + [0, 1, 2], first + [0, 2, 3]])
    mesh = Mesh(low + size * corners.reshape(-1, 3), faces)
    if labels is not None:
        return replace(mesh, face_labels=labels[shown][::-1][last][of_faces], classes=cloud.classes)
    if cloud.colors is None:
        return mesh
    sums = [np.bincount(cube.reshape(-1), channel) for channel in to_uint8(cloud.colors)[::-1, :3].T]
    means = np.rint(np.stack(sums, 1) / np.bincount(cube.reshape(-1))[:, None]).astype(np.uint8)
    return replace(mesh, face_colors=means[of_faces])


def in_frame(scene: SceneDescription) -> np.ndarray:
    """Corners [N, 3] of what a view should hold: the objects' boxes inside the box of the frustum, so that a large ground does not make all
    else small. Without camera or frustum, or where they see nothing, the boxes of all objects but the ground."""
    from voxcli.geometry.regrid import fruxel_box
    from voxcli.geometry.scenes import placed_vertices

    shown = [(o.class_name, placed_vertices(o)[np.unique(o.mesh.faces)]) for o in scene.objects if len(o.mesh.faces)]
    boxes = [(name, points.min(0), points.max(0)) for name, points in shown]
    if scene.camera is not None and scene.frustum is not None:
        low, high = fruxel_box(scene.frustum, scene.camera.world_to_cam)
        inside = [(np.maximum(a, low), np.minimum(b, high)) for _, a, b in boxes]
        inside = [(a, b) for a, b in inside if (a <= b).all()]
        if inside:
            return np.concatenate([np.stack(pair) for pair in inside])
    standing = [np.stack([a, b]) for name, a, b in boxes if name != "ground"]
    return np.concatenate(standing or [np.stack([a, b]) for _, a, b in boxes] or [np.zeros((0, 3))])


def used_vertices(mesh: Mesh) -> np.ndarray:
    """The vertices [N, 3] that belong to a face."""
    shown = np.zeros(len(mesh.vertices), bool)
    shown[mesh.faces] = True
    return mesh.vertices[shown]


def normals_picture(normals: np.ndarray) -> np.ndarray:
    """Camera-frame normals [H, W, 3] as colours [H, W, 3] uint8: right is red, up is green, towards the viewer is blue."""
    return np.nan_to_num((normals * [1, -1, -1] + 1) * 127.5).clip(0, 255).astype(np.uint8)


def classes_present(thing: SceneType) -> list[str]:
    """Names of the classes that occur, for the legend."""
    classes: Labels | None = getattr(thing, "classes", None)
    if classes is None:
        return []
    if isinstance(thing, SceneDescription):
        shown = {o.class_name for o in thing.objects}
        return [n for n in classes.names if n in shown]
    labels = getattr(thing, "labels", None)
    if labels is None:
        labels = getattr(thing, "face_labels", None)
    if labels is None:
        return []
    present = np.zeros(max(len(classes.names), int(labels.max(initial=0)) + 1), bool)
    present[labels] = True
    return [classes.names[i] for i in classes.solid_ids if present[i]]


def sheet(rows: Sequence[Sequence[tuple[str, np.ndarray] | None]], names: Sequence[str], title: str = "") -> np.ndarray:
    """Rows of pictures with their captions above, a legend of the named classes below; several rows are columns, too. uint8 [H, W, 3]"""
    from PIL import Image, ImageDraw, ImageFont

    gap, line = 8, 22
    columns = max(map(len, rows))
    widths = [max((cell[1].shape[1] for row in rows for cell in row[k : k + 1] if cell is not None), default=0) for k in range(columns)]
    heights = [max((cell[1].shape[0] for cell in row if cell is not None), default=0) for row in rows]
    width = sum(widths) + gap * (columns + 1)
    per_row = max(1, (width - gap) // 110)
    legend = -(-len(names) // per_row)
    top = gap + (line if title else 0)
    below = top + sum(heights) + len(rows) * (line + gap)
    made = Image.new("RGB", (width, below + legend * line + (gap if legend else 0)), _PAPER)
    draw, font = ImageDraw.Draw(made), ImageFont.load_default(13)
    if title:
        draw.text((gap, gap), title, _INK, font)
    for row, tall in zip(rows, heights, strict=True):
        x = gap
        for cell, wide in zip(row, widths, strict=False):
            if cell is not None:
                draw.text((x, top), cell[0], _INK, font)
                made.paste(Image.fromarray(cell[1]), (x, top + line))
            x += wide + gap
        top += line + tall + gap
    for n, name in enumerate(names):
        x, y = gap + n % per_row * 110, below + n // per_row * line
        draw.rectangle((x, y + 2, x + 14, y + 16), class_colour(name), _INK)
        draw.text((x + 20, y + 1), name, _INK, font)
    return np.asarray(made)


def terminal_picture(view: np.ndarray, columns: int, colour: bool) -> str:
    """A view as text: half blocks in 24-bit colour with two pixels a character, or characters as grey levels."""
    from PIL import Image

    columns = max(8, min(columns, view.shape[1]))
    rows = max(2, round(view.shape[0] / view.shape[1] * columns / 2) * 2)
    if not colour:
        small = np.asarray(Image.fromarray(view).convert("L").resize((columns, rows // 2), Image.Resampling.BOX)).astype(int)
        ramp = "@%#*+=-:. "
        return "\n".join("".join(ramp[v * (len(ramp) - 1) // 255] for v in row).rstrip() for row in small)
    small = np.asarray(Image.fromarray(view).resize((columns, rows), Image.Resampling.BOX)).astype(int)
    lines = []
    for top, bottom in zip(small[::2], small[1::2], strict=True):
        cells = (f"\x1b[38;2;{a};{b};{c}m\x1b[48;2;{d};{e};{f}m\u2580" for (a, b, c), (d, e, f) in zip(top, bottom, strict=True))
        lines.append("".join(cells) + "\x1b[0m")
    return "\n".join(lines)


def _eight_bit(rgb: np.ndarray) -> np.ndarray:
    return (rgb >> 8).astype(np.uint8) if rgb.dtype == np.uint16 else rgb


def _on_paper(picture: Picture) -> np.ndarray:
    """A picture as uint8 [H, W, 3], on white where it is transparent."""
    rgb = _eight_bit(picture.rgb)
    if picture.alpha is None:
        return rgb
    share = picture.alpha[..., None].astype(np.float32) / np.iinfo(picture.alpha.dtype).max
    return (rgb * share + 255 * (1 - share) + 0.5).astype(np.uint8)


def _grey(depth: np.ndarray) -> np.ndarray:
    seen = np.isfinite(depth)
    out = np.full((*depth.shape, 3), 255, np.uint8)
    if seen.any():
        low, high = float(depth[seen].min()), float(depth[seen].max())
        levels = np.where(seen, 225 - 200 * (np.where(seen, depth, low) - low) / max(high - low, 1e-9), 255)
        out[:] = dithered(levels)[..., None]
    return out


def _fitted(image: np.ndarray, size: int) -> np.ndarray:
    from PIL import Image

    factor = size / max(image.shape[:2])
    shape = (max(1, round(image.shape[1] * factor)), max(1, round(image.shape[0] * factor)))
    return np.asarray(Image.fromarray(image).resize(shape, Image.Resampling.NEAREST if factor > 1 else Image.Resampling.BOX))
