"""OBJ: triangles and polygons of objects, with the materials of its MTL files.

trimesh's reader is not used: it counts negative indices from the end of the file, wants blanks where there are tabs, takes comments
behind numbers for numbers, cuts concave polygons into fans and knows no objects beside materials. Its input would have to be read
whole and written anew.
"""

from __future__ import annotations

import numpy as np

from voxcli.errors import DataError, EmptyMeshError
from voxcli.files import mesh_text, mtl
from voxcli.files.mesh_colours import UNCOLOURED
from voxcli.files.obj_lines import MISSING, ObjLines, read_lines
from voxcli.files.pieces import Piece, joined, used_only, warn_left_out
from voxcli.files.polygons import triangles_of
from voxcli.files.registry import Format, Options, register
from voxcli.files.source import Source
from voxcli.scene import Mesh


def read_obj(source: Source, kind: str | None, options: Options) -> Mesh:
    """A Mesh in the file's frame. Two or more objects ("o") are its parts, else materials, else groups ("g").

    Raises FileFormatError that names what cannot be read, DataError for a file without faces and for NaN vertices; for a file that
    states that it is a mesh of nothing, that DataError is an EmptyMeshError.
    """
    source.refuse_utf16()
    found = read_lines(source)
    table = found.table(found.vertices, b"v", 6)
    corners, uv_corners, lengths = found.corners()
    places, rows = triangles_of(table[:, :3], corners, lengths)
    if not len(places):
        other = "only vertices, and no face of three corners or more" if len(lengths) else _without_faces(found)
        nothing = EmptyMeshError if not other and mesh_text.is_faceless(source.data, ".obj") else DataError
        raise nothing(f"{source.name} holds no faces.", expected="a mesh of triangles", actual=other)
    materials, lost = mtl.read_libraries(source, found.libraries)
    warn_left_out(source.name, found.others | {"face(s) of fewer than three corners": int((lengths < 3).sum())} | lost)
    kept, faces = used_only(table, corners[places])
    vertices, at_vertices = table[kept, :3], _vertex_colours(table[kept, 3:])
    uv = _uv(found, uv_corners[places])
    owners = np.array(found.owners)[rows]
    used, counts = np.unique(owners, return_counts=True)  # groups are counted in the order of the file
    groups = [found.groups[owner] for owner in used.tolist()]
    pieces = []
    by_group = np.split(np.argsort(owners, kind="stable"), np.cumsum(counts)[:-1])
    for (_, _, usemtl), name, chosen in zip(groups, _part_names(groups), by_group, strict=True):
        material = materials.get(usemtl)
        if material is None:
            pieces.append(Piece(name, vertices, faces[chosen], vertex_colors=at_vertices))
        else:
            inside = None if uv is None else material.placed(uv[chosen])
            pieces.append(Piece(name, vertices, faces[chosen], material=material.seen(uv is not None), uv=inside))
    return joined(pieces, source.name)


def _without_faces(found: ObjLines) -> str | None:
    if found.others.get("line(s)"):
        return "only lines"
    return "only points" if found.vertices else None


def _vertex_colours(colours: np.ndarray) -> np.ndarray | None:
    """Colours [V, 3] from 0 to 1 behind the vertices ("v x y z r g b"); grey for vertices without, None where none has any.

    A fourth number alone is the weight of a curve's point. Some programs write colours from 0 to 255.
    """
    missing = (colours == MISSING).any(axis=1)
    if missing.all():
        return None
    stated = np.nan_to_num(colours[~missing])
    found = np.tile(np.array(UNCOLOURED) / 255.0, (len(colours), 1))
    found[~missing] = stated / (255.0 if stated.max() > 1 else 1.0)
    return found


def _uv(found: ObjLines, chosen: np.ndarray) -> np.ndarray | None:
    """UV [F, 2] of the triangles' centroids, a corner without one at 0; None where no corner has one. chosen: [F, 3], -1 for none."""
    if (chosen < 0).all():
        return None
    table = found.table(found.uvs, b"vt", 2)
    uv: np.ndarray = np.concatenate([np.where(table == MISSING, 0.0, table), np.zeros((1, 2))])[chosen].mean(axis=1)
    return uv


def _part_names(groups: list[tuple[str, ...]]) -> list[str]:
    """The part that each of (object, group, material) belongs to."""
    plain = [tuple(name.replace("/", "_") for name in each) for each in groups]
    objects, names, materials = (dict.fromkeys(each[i] for each in plain) for i in range(3))
    if len(objects) > 1:
        return [each[0] or "mesh" for each in plain]
    one = next(iter(objects)) or "mesh"
    if any(materials):
        several = len(materials) > 1 and one == "mesh"  # without objects, materials stand for nodes, too
        return [f"{material if several else one}/{material}" if material else one for _, _, material in plain]
    return [each[1] or one for each in plain] if len(names) > 1 else [one] * len(plain)


register(Format("OBJ", (".obj",), "mesh, with materials", reads=("mesh",), reader=read_obj, writers={Mesh: mesh_text.write_obj}))
