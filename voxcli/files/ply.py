"""PLY: points with normals, colours, labels and radius; meshes; surfels as points.

A file with faces (or triangle strips, which are decoded) is a mesh, one without is a point cloud. Class names and meta travel in two
comment lines, `voxcli classes {...}` and `voxcli meta {...}`, each JSON.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from voxcli import log
from voxcli.errors import DataError, EmptyCloudError, EmptyMeshError, FileFormatError
from voxcli.files.keyed import meta_text, parse_meta
from voxcli.files.mesh_colours import label_colours, mean_over_corners, mean_over_faces, to_uint8
from voxcli.files.ply_codec import Element, Ply, parse_ply, ply_bytes
from voxcli.files.polygons import triangles_of
from voxcli.files.registry import Format, Options, register
from voxcli.files.source import Source
from voxcli.provenance import Meta
from voxcli.scene import Labels, Mesh, PointCloud, Surfels

_LABEL_NAMES = ("label", "labels", "class", "semantic", "scalar_label", "scalar_Label", "classification")
_COLOUR_NAMES = (("red", "green", "blue"), ("diffuse_red", "diffuse_green", "diffuse_blue"), ("r", "g", "b"))
_BASE_NAMES = ("f_dc_0", "f_dc_1", "f_dc_2")
"""Of Gaussian splats: the factors of the spherical harmonic of degree 0, for red, green and blue."""
_HARMONIC = 0.28209479177387814  # Y_0^0 = 1 / (2 sqrt(pi))
_PLACES, _NORMALS = ("x", "y", "z"), ("nx", "ny", "nz")
_LISTS = ("vertex_indices", "vertex_index")


# --- reading ---------------------------------------------------------------------------------------------------------------------


def read_ply(source: Source, kind: str | None, options: Options) -> Mesh | PointCloud:
    """A Mesh where the file holds faces, a PointCloud otherwise. FileFormatError for damage, DataError for a file without points."""
    ply = parse_ply(source.data, source.name)
    vertex = ply.elements.get("vertex")
    if vertex is None or not vertex.count:
        face = ply.elements.get("face")
        if face is not None and face.count:
            raise FileFormatError(f"{source.name} has faces, but no vertices.", actual=f"{face.count} faces")
        kind_of_nothing = EmptyMeshError if face is not None else EmptyCloudError
        raise kind_of_nothing(f"{source.name} holds no points.", hint="Its PLY header declares no vertices.")
    points = _columns(vertex, _PLACES)
    if points is None:
        raise FileFormatError(
            f"{source.name}: vertices lack x, y or z.", actual=", ".join(p.name for p in vertex.properties) or "no properties"
        )
    classes, meta = _comments(ply, source.name)
    faces = _triangles(ply, points, source.name)
    if len(faces[0]):
        _say_what_is_left_out(ply, source.name, _PLACES, _LABEL_NAMES)
        return _mesh(ply, points, faces, classes, meta)
    if kind == "mesh":
        raise DataError(f"{source.name} holds no faces, only {vertex.count} points.", expected="a mesh")
    labels, colours = _labels(vertex), _colours(vertex)
    if labels is not None and classes is not None and colours is not None and np.array_equal(colours, label_colours(labels, classes)):
        colours = None  # they only repeat the classes'
    normals = _columns(vertex, _NORMALS)
    flat = normals is not None and not normals.any()
    _say_what_is_left_out(ply, source.name, (*_PLACES, *_NORMALS, *_LABEL_NAMES, "radius"), ())
    return PointCloud(
        points if points.dtype in (np.float32, np.float64) else points.astype(np.float32),
        normals=None if flat else normals,
        colors=colours,
        labels=labels,
        classes=classes or _unnamed(labels),
        radius=vertex.columns.get("radius"),
        meta=meta,
    )


def _mesh(ply: Ply, points: np.ndarray, faces: tuple[np.ndarray, np.ndarray], classes: Labels | None, meta: Meta) -> Mesh:
    triangles, rows = faces
    face = ply.elements.get("face") if "face" in ply.elements and ply.elements["face"].count else None
    vertex_colours = _colours(ply.elements["vertex"])
    labels = _labels(face) if face is not None else None
    colours = _colours(face) if face is not None else None
    inside = len(triangles) == 0 or (triangles.min() >= 0 and triangles.max() < len(points))
    if colours is not None:
        colours = colours[rows]
        if vertex_colours is not None and inside and np.array_equal(vertex_colours, mean_over_faces(colours, triangles, len(points))):
            vertex_colours = None  # they only repeat the faces'
    elif vertex_colours is not None and inside:
        colours = mean_over_corners(vertex_colours, triangles)
    return Mesh(
        points.astype(np.float64),
        triangles,
        face_colors=colours,
        vertex_colors=vertex_colours,
        face_labels=labels[rows] if labels is not None else None,
        classes=(classes or _unnamed(labels)) if labels is not None else None,
        meta=meta,
    )


def _say_what_is_left_out(ply: Ply, name: str, of_vertices: tuple[str, ...], of_faces: tuple[str, ...]) -> None:
    """Warn of tables and columns that nothing is made of. An alpha of all ones is no loss, nor are a cloud's normals of 0."""
    colours = sum(_COLOUR_NAMES, _BASE_NAMES)
    read = {"vertex": (*of_vertices, *colours), "face": (*of_faces, *colours, *_LISTS), "tristrips": _LISTS}
    left = []
    for key, element in ply.elements.items():
        if element.count and key not in read:
            left.append(f"element '{key}'")
        elif element.count:
            opaque = {n for n in ("alpha",) if n in element.columns and element.columns[n].min() in (1.0, 255)}
            left += [re.sub(r"_\d+$", "_*", p.name) for p in element.properties if p.name not in read[key] and p.name not in opaque]
    if left:
        log.warn(f"{name}: nothing is made of {', '.join(dict.fromkeys(left))}; the rest is read.")


def _columns(element: Element, names: tuple[str, ...]) -> np.ndarray | None:
    if not all(name in element.columns for name in names):
        return None
    return np.stack([element.columns[name] for name in names], axis=-1)


def _colours(element: Element) -> np.ndarray | None:
    for names in _COLOUR_NAMES:
        colours = _columns(element, names)
        if colours is not None:
            # Floats are shares of 1, or numbers up to 255, as for OBJ and OFF.
            large = colours.dtype.kind == "f" and np.nan_to_num(colours).max(initial=0) > 1
            return to_uint8(colours / 255 if large else colours)
    base = _columns(element, _BASE_NAMES)
    return None if base is None else to_uint8(0.5 + _HARMONIC * base.astype(np.float64))


def _labels(element: Element) -> np.ndarray | None:
    values = next((element.columns[n] for n in _LABEL_NAMES if n in element.columns), None)
    if values is None:
        return None
    values = np.rint(np.nan_to_num(values)).astype(np.int64)
    if values.size and (values.min() < 0 or values.max() > 65535):
        raise DataError("Labels must lie in 0..65535.", actual=f"{values.min()}..{values.max()}")
    labels: np.ndarray = values.astype(np.uint8 if not values.size or values.max() <= 255 else np.uint16)
    return labels


def _unnamed(labels: np.ndarray | None) -> Labels | None:
    if labels is None:
        return None
    return Labels(tuple(f"class_{i}" for i in range(int(labels.max(initial=0)) + 1)), empty=None, ignore=255)


def _comments(ply: Ply, name: str) -> tuple[Labels | None, Meta]:
    classes, meta = None, {}
    for line in ply.comments:
        if line.startswith("voxcli meta "):
            meta = parse_meta(line.removeprefix("voxcli meta "), name)
        elif line.startswith("voxcli classes "):
            stated = parse_meta(line.removeprefix("voxcli classes "), name)
            classes = Labels(tuple(map(str, stated.get("names", ()))), stated.get("empty"), stated.get("ignore"))
    return classes, meta


def _triangles(ply: Ply, points: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    """(faces [F, 3] int64, the row of the face element that each came from)."""
    strips = ply.elements.get("tristrips")
    if strips is not None and strips.count:
        return _strip_triangles(_index_list(strips, "tristrips", name)[1])
    face = ply.elements.get("face")
    if face is None or not face.count:
        return np.zeros((0, 3), np.int64), np.zeros(0, np.int64)
    lengths, flat = _index_list(face, "face", name)
    places, rows = triangles_of(points, flat, lengths)
    return flat.astype(np.int64)[places], rows


def _index_list(element: Element, key: str, name: str) -> tuple[np.ndarray, np.ndarray]:
    for column in _LISTS:
        if column in element.lists:
            return element.lists[column]
    raise FileFormatError(f"{name}: element '{key}' lacks a list 'vertex_indices'.", actual=", ".join(p.name for p in element.properties))


def _strip_triangles(flat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Triangles of strips that -1 separates; every second one is turned, so that all face the same way."""
    pieces = []
    breaks = np.flatnonzero(flat.astype(np.int64) == -1)
    for strip in np.split(flat.astype(np.int64), breaks):
        strip = strip[strip != -1]
        if len(strip) < 3:
            continue
        corners = np.stack([strip[:-2], strip[1:-1], strip[2:]], axis=-1)
        corners[1::2] = corners[1::2, ::-1]
        pieces.append(corners)
    faces = np.concatenate(pieces) if pieces else np.zeros((0, 3), np.int64)
    whole = (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])
    return faces[whole], np.flatnonzero(whole)


# --- writing ---------------------------------------------------------------------------------------------------------------------


def write_points(cloud: PointCloud, options: Options) -> bytes:
    """Points, and whatever of normals, colours (of the classes where points are labelled), labels and radius there is."""
    columns = _vector(cloud.points, "xyz")
    if cloud.normals is not None:
        columns |= _vector(cloud.normals, ("nx", "ny", "nz"))
    colours = cloud.colors
    if colours is None and cloud.labels is not None and cloud.classes is not None:
        colours = label_colours(cloud.labels, cloud.classes)
    if colours is not None:
        columns |= _vector(to_uint8(colours), ("red", "green", "blue"))
    if cloud.labels is not None:
        columns["label"] = np.asarray(cloud.labels)
    if cloud.radius is not None:
        columns["radius"] = _float(cloud.radius)
    return ply_bytes({"vertex": columns}, _comment_lines(cloud.classes, cloud.meta))


def write_mesh(mesh: Mesh, options: Options) -> bytes:
    """Triangles with vertex colours, face colours (of the classes where faces are labelled) and face labels.

    Blender and Open3D show the colours of vertices alone. Where there are none, a vertex gets the mean of its faces.
    """
    face: dict[str, np.ndarray] = {"vertex_indices": mesh.faces.astype(np.int32)}
    colours = mesh.face_colors
    if mesh.face_labels is not None:
        face["label"] = mesh.face_labels
        if mesh.classes is not None and colours is None:
            colours = label_colours(mesh.face_labels, mesh.classes)
    vertex, of_vertices = _vector(mesh.vertices, "xyz"), mesh.vertex_colors
    if colours is not None:
        face |= _vector(colours, ("red", "green", "blue"))
        of_vertices = mean_over_faces(colours, mesh.faces, len(mesh.vertices)) if of_vertices is None else of_vertices
    if of_vertices is not None:
        vertex |= _vector(of_vertices, ("red", "green", "blue"))
    return ply_bytes({"vertex": vertex, "face": face}, _comment_lines(mesh.classes if mesh.face_labels is not None else None, mesh.meta))


def write_surfels(surfels: Surfels, options: Options) -> bytes:
    """One point a surfel, in the world frame; the disc of radius z / (sqrt(2) f) just covers its pixel when it faces the camera."""
    seen = np.isfinite(surfels.depth) & (surfels.depth > 0)
    row, column = np.nonzero(seen)
    z = surfels.depth[seen].astype(np.float64)
    K, world_to_cam = surfels.camera.K, surfels.camera.world_to_cam
    pixels = np.stack([column + 0.5, row + 0.5, np.ones(len(z))])  # [3, N]
    in_camera = np.linalg.solve(K, pixels) * z
    R, t = world_to_cam[:3, :3], world_to_cam[:3, 3:]
    columns = _vector((R.T @ (in_camera - t)).T.astype(np.float32), "xyz")
    columns |= _vector((surfels.normals[seen] @ R).astype(np.float32), ("nx", "ny", "nz"))
    columns |= _vector(to_uint8(surfels.albedo[seen].astype(np.float64)), ("red", "green", "blue"))
    columns["radius"] = (z / (np.sqrt(2.0) * np.sqrt(K[0, 0] * K[1, 1]))).astype(np.float32)
    return ply_bytes({"vertex": columns}, _comment_lines(None, surfels.meta))


def _vector(values: np.ndarray, names: Sequence[str]) -> dict[str, np.ndarray]:
    values = values if values.dtype == np.uint8 else _float(values)
    return {name: values[:, i] for i, name in enumerate(names)}


def _float(values: np.ndarray) -> np.ndarray:
    return values if values.dtype in (np.float32, np.float64) else values.astype(np.float32)


def _comment_lines(classes: Labels | None, meta: Meta) -> list[str]:
    lines = []
    if classes is not None:
        lines.append("voxcli classes " + meta_text({"names": list(classes.names), "empty": classes.empty, "ignore": classes.ignore}))
    return [*lines, "voxcli meta " + meta_text(meta)] if meta else lines


register(
    Format(
        "PLY",
        (".ply",),
        "points with normals, colours, labels and radius, or a mesh",
        reads=("points", "mesh"),
        kind_from_content=True,
        reader=read_ply,
        writers={PointCloud: write_points, Mesh: write_mesh, Surfels: write_surfels},
    )
)
