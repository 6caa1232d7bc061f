"""Meshes and scene graphs: transforms, colours, parts, and every odd file of the local collection."""

import json
import struct

import numpy as np
import pytest
import trimesh
from PIL import Image
from refusals import refused

from voxcli.errors import DataError, VoxcliError
from voxcli.files import label_parts, read, read_as, write
from voxcli.files.mesh_colours import linear_to_srgb, srgb_to_linear
from voxcli.geometry.cameras import quaternion_to_rotation
from voxcli.scene import Labels, Mesh, PointCloud, class_colour

CLASSES = Labels(("air", "car", "tree"))
MESH_FORMATS = [".obj", ".off", ".stl", ".ply", ".glb"]


def volume(mesh):
    """Signed volume: positive where all faces are counter-clockwise seen from outside."""
    a, b, c = np.moveaxis(mesh.vertices[mesh.faces], 1, 0)
    return float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6)


def box(**kwargs):
    solid = trimesh.creation.box((1, 2, 3))
    return Mesh(np.array(solid.vertices), np.array(solid.faces), **kwargs)


def glb_of(scene, path):
    path.write_bytes(scene.export(file_type="glb"))
    return path


@pytest.mark.parametrize("extension", MESH_FORMATS)
def test_a_solid_keeps_its_volume_through_every_format(tmp_path, extension):
    write(tmp_path / f"a{extension}", box())
    again = read_as(tmp_path / f"a{extension}", Mesh)
    assert volume(again) == pytest.approx(6, rel=1e-6) and len(again.faces) == 12


def test_stl_corners_are_welded(tmp_path):
    write(tmp_path / "a.stl", box())
    assert len(read(tmp_path / "a.stl").vertices) == 8


@pytest.mark.parametrize("extension", [".obj", ".ply", ".glb"])
def test_class_colours_reach_the_faces(tmp_path, extension):
    labels = np.repeat(np.array([1, 2], np.uint8), 6)
    write(tmp_path / f"a{extension}", box(face_labels=labels, classes=CLASSES))
    again = read_as(tmp_path / f"a{extension}", Mesh)
    wanted = np.array([class_colour(CLASSES.names[i]) for i in labels])
    assert np.abs(np.sort(again.face_colors.astype(int), axis=0) - np.sort(wanted, axis=0)).max() <= 4  # linear light in 8 bits, on the way


def test_a_labelled_glb_has_one_node_a_class_and_reads_back_labelled(tmp_path):
    labels = np.repeat(np.array([2, 1], np.uint8), 6)
    write(tmp_path / "a.glb", box(face_labels=labels, classes=CLASSES, meta={"seed": 3}))
    assert set(trimesh.load(tmp_path / "a.glb").graph.nodes_geometry) == {"car", "tree"}
    again = read_as(tmp_path / "a.glb", Mesh)
    assert again.classes == CLASSES and again.meta == {"seed": 3}
    for label in (1, 2):
        centre = lambda mesh, label=label: mesh.vertices[mesh.faces[mesh.face_labels == label]].mean(axis=(0, 1))  # noqa: E731
        assert np.allclose(centre(again), centre(box(face_labels=labels, classes=CLASSES)), atol=1e-6)


def test_vertex_colours_survive_a_glb(tmp_path):
    colours = np.random.default_rng(0).integers(60, 256, (8, 3)).astype(np.uint8)
    write(tmp_path / "a.glb", box(vertex_colors=colours))
    again = read_as(tmp_path / "a.glb", Mesh)
    order = [int(np.abs(again.vertices - v).sum(axis=1).argmin()) for v in box().vertices]
    assert np.abs(again.vertex_colors[order].astype(int) - colours).max() <= 4


def test_a_glb_follows_the_container_format(tmp_path):
    write(tmp_path / "a.glb", box(face_labels=np.ones(12, np.uint8), classes=CLASSES))
    data = (tmp_path / "a.glb").read_bytes()
    magic, version, total = struct.unpack_from("<4sII", data)
    length, kind = struct.unpack_from("<I4s", data, 12)
    assert (magic, version, total, kind) == (b"glTF", 2, len(data), b"JSON") and length % 4 == 0
    tree = json.loads(data[20 : 20 + length])
    position = tree["accessors"][tree["meshes"][0]["primitives"][0]["attributes"]["POSITION"]]
    assert np.allclose(position["min"], [-0.5, -1, -1.5]) and np.allclose(position["max"], [0.5, 1, 1.5])
    assert tree["materials"][0]["name"] == tree["nodes"][0]["name"] == "car"


def test_every_node_transform_is_applied_and_mirrors_keep_the_outside_out(tmp_path):
    scene = trimesh.Scene()
    outer = np.diag([2.0, 2, 2, 1])
    turn = np.eye(4)
    turn[:3, :3], turn[:3, 3] = quaternion_to_rotation([1, 0, 0, 1]), [1, 0, 0]
    solid = trimesh.creation.box((1, 1, 1))
    scene.graph.update("root", matrix=outer)
    scene.add_geometry(solid, node_name="turned", geom_name="one", parent_node_name="root", transform=turn)
    scene.add_geometry(solid, node_name="mirrored", geom_name="one", parent_node_name="root", transform=np.diag([1.0, 1, -1, 1]))
    mesh = read_as(glb_of(scene, tmp_path / "a.glb"), Mesh)
    assert volume(mesh) == pytest.approx(16)
    turned = next(i for i, name in enumerate(mesh.part_names) if "turned" in name)
    corners = mesh.vertices[mesh.faces[mesh.face_parts == turned]].reshape(-1, 3)
    assert np.allclose(corners.min(axis=0), [1, -1, -1]) and np.allclose(corners.max(axis=0), [3, 1, 1])


def test_texture_colours_are_sampled_at_the_centroid_of_each_face(tmp_path):
    texture = np.zeros((2, 2, 3), np.uint8)
    texture[0, 0], texture[0, 1], texture[1, 0], texture[1, 1] = [255, 0, 0], [0, 255, 0], [0, 0, 255], [90, 90, 90]
    Image.fromarray(texture).save(tmp_path / "t.png")
    (tmp_path / "a.mtl").write_text("newmtl skin\nmap_Kd t.png\n")
    corners = {"red": (0.1, 0.9), "green": (0.6, 0.9), "blue": (0.1, 0.1), "grey": (0.6, 0.1), "blue again": (1.1, -0.9)}  # v is up
    lines = ["mtllib a.mtl", "usemtl skin"]
    for u, v in corners.values():
        lines += [f"v {a} {b} 0" for a, b in ((0, 0), (1, 0), (0, 1))] + [f"vt {u + a} {v + b}" for a, b in ((0, 0), (0.1, 0), (0, 0.05))]
    lines += ["f " + " ".join(f"{3 * i + k}/{3 * i + k}" for k in (1, 2, 3)) for i in range(len(corners))]
    (tmp_path / "a.obj").write_text("\n".join(lines))
    mesh = read_as(tmp_path / "a.obj", Mesh)
    assert mesh.face_colors.tolist() == [[255, 0, 0], [0, 255, 0], [0, 0, 255], [90, 90, 90], [0, 0, 255]]


def test_base_colours_of_gltf_are_linear_light(tmp_path):
    solid = trimesh.creation.box((1, 1, 1))
    solid.visual = trimesh.visual.TextureVisuals(material=trimesh.visual.material.PBRMaterial(name="m", baseColorFactor=[55, 55, 55, 255]))
    mesh = read_as(glb_of(trimesh.Scene(solid), tmp_path / "a.glb"), Mesh)
    assert mesh.face_colors[0].tolist() == [128, 128, 128]  # 0.2159 of the light is shown as 128


def test_srgb_goes_there_and_back():
    shown = np.linspace(0, 1, 257)
    assert np.allclose(linear_to_srgb(srgb_to_linear(shown)), shown)
    assert srgb_to_linear(np.array(0.5)) == pytest.approx(0.21404, abs=1e-5)


def named_mesh():
    parts = np.array([0] * 4 + [1] * 4 + [2] * 4, np.int32)
    return box(face_parts=parts, part_names=("car_01/paint", "car_01/wheel/rubber", "tree/leaf"))


@pytest.mark.parametrize(
    "mapping, default, wanted",
    [
        ({"car_01": "car", "tree": "tree"}, None, [1, 1, 2]),
        ({"car_01": "car", "rubber": "tree", "leaf": "tree"}, None, [1, 2, 2]),  # the material says more than the node
        ({"CAR_01/Paint": "tree", "wheel": "car"}, "air", [2, 1, 0]),
    ],
)
def test_parts_become_classes_by_path_material_or_node(mapping, default, wanted):
    mesh = label_parts(named_mesh(), mapping, CLASSES, default)
    assert mesh.face_labels[::4].tolist() == wanted and mesh.classes == CLASSES


def test_parts_without_a_class_and_unknown_classes_are_named():
    with refused(DataError, "tree/leaf", expected="one of car_01"):
        label_parts(named_mesh(), {"car_01": "car"}, CLASSES)
    with refused(DataError, "'caar'", hint="'car'"):
        label_parts(named_mesh(), {"car_01": "caar"}, CLASSES)


def test_files_without_faces_and_with_nan_vertices_are_refused(tmp_path):
    (tmp_path / "a.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\n")
    with refused(DataError, "a.obj", actual="only points"):
        read(tmp_path / "a.obj")
    for extension in (".ply", ".off", ".stl", ".glb"):
        bad = object.__new__(Mesh)
        fine = box()
        for field in Mesh.__dataclass_fields__:
            object.__setattr__(bad, field, getattr(fine, field))
        object.__setattr__(bad, "vertices", np.where(np.arange(8)[:, None] == 3, np.nan, fine.vertices))
        write(tmp_path / f"a{extension}", bad)
        with pytest.raises(VoxcliError, match=rf"(?s)a\{extension}.*(NaN|nan|cannot be read)"):
            read(tmp_path / f"a{extension}")


@pytest.mark.parametrize("extension", [".glb", ".stl", ".ply"])
@pytest.mark.parametrize("keep", [0.05, 0.3, 0.7, 0.95])
def test_truncated_meshes_give_one_clear_error(tmp_path, extension, keep):
    write(tmp_path / f"a{extension}", box())
    data = (tmp_path / f"a{extension}").read_bytes()
    (tmp_path / f"b{extension}").write_bytes(data[: int(keep * len(data))])
    with pytest.raises(VoxcliError, match=rf"b\{extension}"):
        read(tmp_path / f"b{extension}")


def test_reading_says_nothing_on_stderr(tmp_path, capfd):
    (tmp_path / "a.obj").write_text("mtllib none.mtl\nusemtl x\nv 0 0 0\nv 1 0 0\nv 0 1 0 nan nan nan\nf 1 2 3\n")
    read(tmp_path / "a.obj")
    assert capfd.readouterr() == ("", "")


ODD = [
    "soup.stl", "polygonfaces.obj", "wallhole.obj", "emptyIO/ply_empty_header.ply", "emptyIO/obj_points.obj", "emptyIO/ply_empty_bin.ply",
    "emptyIO/obj_empty.obj", "emptyIO/obj_wireframe.obj", "emptyIO/ply_points_bin.ply", "emptyIO/ply_points_ascii.ply",
    "emptyIO/stl_empty_bin.stl", "emptyIO/stl_empty_ascii.stl", "emptyIO/ply_empty_ascii.ply", "cycloidal.ply", "whitespace.off",
    "busted.STL", "multibody.stl", "empty.obj", "7_8ths_cube.stl", "empty.stl", "negative_indices.obj", "nancolor.obj", "noimg.obj",
    "comments.off", "joined_tetrahedra.obj", "jacked.obj",
]  # fmt: skip


@pytest.mark.filterwarnings("default:.*left out. [0-9]+ (normal|MTL file|texture|map)")
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", ODD)
def test_odd_files_load_or_give_one_clear_error(shared_data, name):
    path = shared_data / "meshes/odd" / name
    try:
        thing = read(path)
    except VoxcliError as error:
        assert "empty" in name or "emptyIO" in name
        assert path.name in error.message and len(str(error).splitlines()) <= 3
        return
    assert "ply_points" in name or "empty" not in name
    assert isinstance(thing, PointCloud if "ply_points" in name else Mesh)
    assert np.isfinite(thing.points if isinstance(thing, PointCloud) else thing.vertices).all()


def test_the_list_of_odd_files_is_complete(shared_data):
    folder = shared_data / "meshes/odd"
    assert sorted(ODD) == sorted(str(p.relative_to(folder)) for p in folder.rglob("*.*") if p.is_file())


def test_nan_colours_become_black_and_spoil_no_other(shared_data):
    mesh = read_as(shared_data / "meshes/odd/nancolor.obj", Mesh)
    assert mesh.vertex_colors[6].tolist() == [0, 0, 0] and mesh.vertex_colors[0].tolist() == [137, 254, 138]


def test_nested_nodes_lie_where_their_parents_put_them(shared_data):
    mesh = read_as(shared_data / "meshes/nested.glb", Mesh)
    scene = trimesh.load(shared_data / "meshes/nested.glb")
    assert mesh.part_names[-1].startswith("block01/block02/block03")
    assert np.allclose([mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)], scene.bounds)


def test_the_duck_is_yellow(shared_data):
    mean = read_as(shared_data / "meshes/Duck.glb", Mesh).face_colors.mean(axis=0)
    assert mean[0] > 220 and 150 < mean[1] < 220 and mean[2] < 40


@pytest.mark.parametrize(
    "name, known", [("torus.obj", 1.21878), ("wingnut.obj", 22.0966), ("featuretype.STL", 11.6277), ("unit_cube.STL", 1.0)]
)
def test_known_volumes(shared_data, name, known):
    assert volume(read_as(shared_data / "meshes" / name, Mesh)) == pytest.approx(known, rel=1e-4)


def test_a_binary_stl_that_declares_more_than_it_holds_is_refused_by_its_numbers(tmp_path):
    path = tmp_path / "cut.stl"
    path.write_bytes(bytes(80) + (2**31 - 1).to_bytes(4, "little") + bytes(50))
    with refused(VoxcliError, "cut.stl", expected="2147483647 faces", actual="bytes for 1"):
        read(path)


def test_an_index_beyond_the_vertices_is_said_in_our_words(tmp_path):
    path = tmp_path / "out.obj"
    path.write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 9\n")
    with refused(VoxcliError, "out.obj") as caught:
        read(path)
    assert "axis" not in str(caught.value)
