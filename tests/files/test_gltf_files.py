"""glTF as other programs write it: packed numbers, poses, copies, extensions; nothing of a wrong shape in silence."""

import numpy as np
import pytest
from gltf_builder import INDICES, SQUARE, Gltf, cube, is_box, read_file
from refusals import refused
from small_solids import CUBE, measures

from voxcli.errors import DataError, FileFormatError

# --- numbers ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype, most", [("int8", 127), ("uint8", 255), ("int16", 32767), ("uint16", 65535)])
def test_normalized_integers_are_shares_of_their_largest(tmp_path, dtype, most):
    for normalized in (True, False):
        file = Gltf(extensionsUsed=["KHR_mesh_quantization"], extensionsRequired=["KHR_mesh_quantization"])
        file.tree["nodes"] = [{"mesh": 0, "scale": [2, 1, 1]}]
        stored = CUBE * most if normalized else CUBE
        position = file.add(stored, dtype, normalized=normalized, min=[0] * 3, max=stored.max(axis=0).tolist())
        file.mesh({"attributes": {"POSITION": position}, "indices": file.add(INDICES, "uint8")})
        is_box(read_file(file, tmp_path / "a.glb"), (2, 1, 1))


def test_the_lowest_integer_is_minus_one(tmp_path):
    file = Gltf().mesh({"attributes": {"POSITION": 0}})
    file.add([[-32768, 0, 0], [-32767, 32767, 0], [0, 0, 0]], "int16", normalized=True)
    assert read_file(file, tmp_path / "a.glb").vertices.tolist() == [[-1, 0, 0], [-1, 1, 0], [0, 0, 0]]


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32"])
def test_sparse_elements_replace_others(tmp_path, dtype):
    file = Gltf()
    sparse = {"count": 4, "indices": {"bufferView": file.view(np.arange(4, 8).astype(dtype).tobytes()),
                                      "componentType": {"uint8": 5121, "uint16": 5123, "uint32": 5125}[dtype]},
              "values": {"bufferView": file.view((CUBE[4:] * [3, 1, 1]).astype("float32").tobytes())}}  # fmt: skip
    position = file.add(CUBE, sparse=sparse, min=[0, 0, 0], max=[3, 1, 1])
    file.mesh({"attributes": {"POSITION": position}, "indices": file.add(INDICES, "uint16")})
    is_box(read_file(file, tmp_path / "a.glb"), (3, 1, 1))


def test_sparse_elements_without_a_base_stand_among_zeros(tmp_path):
    file = Gltf()
    sparse = {"count": 7, "indices": {"bufferView": file.view(np.arange(1, 8).astype("uint16").tobytes()), "componentType": 5123},
              "values": {"bufferView": file.view(CUBE[1:].astype("float32").tobytes())}}  # fmt: skip
    position = file.add(CUBE, bufferView=None, sparse=sparse, min=[0, 0, 0], max=[1, 1, 1])
    file.mesh({"attributes": {"POSITION": position}, "indices": file.add(INDICES, "uint16")})
    is_box(read_file(file, tmp_path / "a.glb"), (1, 1, 1))


def test_elements_may_lie_apart(tmp_path):
    file = Gltf()
    rows = np.zeros((8, 5), "float32")
    rows[:, 1:4] = CUBE
    view = file.view(rows.tobytes()[:-4], byteStride=20)  # the last element ends before its stride does
    position = file.add(CUBE, bufferView=view, byteOffset=4)
    file.mesh({"attributes": {"POSITION": position}, "indices": file.add(INDICES, "uint32")})
    is_box(read_file(file, tmp_path / "a.glb"), (1, 1, 1))


@pytest.mark.parametrize(
    "key, stated, found", [("max", [2, 1, 1], "1, 1, 1"), ("min", [0, 0, 0.5], "0, 0, 0"), ("max", [0.5, 1, 1], "1, 1, 1")]
)
def test_numbers_beyond_their_stated_bounds_are_said(tmp_path, key, stated, found):
    file, primitive = cube()
    file.mesh(primitive).tree["accessors"][0][key] = stated
    with pytest.warns(UserWarning, match=rf"a\.glb: positions state {key} .*, and have {found}") as said:
        is_box(read_file(file, tmp_path / "a.glb"), (1, 1, 1))
    assert len(said) == 1


def test_an_accessor_that_primitives_share_is_spoken_of_once(tmp_path):
    file, primitive = cube()
    file.mesh(primitive, primitive, primitive).tree["accessors"][0]["max"] = [2, 1, 1]
    with pytest.warns(UserWarning, match=r"have 1, 1, 1\. What they have is taken") as said:
        is_box(read_file(file, tmp_path / "a.glb"), (1, 1, 1), faces=36)
    assert len(said) == 1


@pytest.mark.filterwarnings("error")
def test_bounds_of_few_digits_are_not_said(tmp_path):
    file = Gltf()
    position = file.add(CUBE / 3 + 1000, min=[1000] * 3, max=[1000.33] * 3)
    read_file(file.mesh({"attributes": {"POSITION": position}, "indices": file.add(INDICES, "uint16", max=[7])}), tmp_path / "a.glb")


def with_accessor(**changes):
    file, primitive = cube()
    file.mesh(primitive).tree["accessors"][0] |= changes
    return file


def with_view(**changes):
    file, primitive = cube()
    file.mesh(primitive).tree["bufferViews"][0] |= changes
    return file


def sparse_of(count, index=0, total=8):
    file = Gltf()
    sparse = {"count": count, "indices": {"bufferView": file.view(np.full(8, index, "uint16").tobytes()), "componentType": 5123},
              "values": {"bufferView": file.view(CUBE.astype("float32").tobytes())}}  # fmt: skip
    return file.mesh({"attributes": {"POSITION": file.add(CUBE, bufferView=None, count=total, sparse=sparse)}})


LIES = {
    "count": with_accessor(count=2**40),
    "one more": with_accessor(count=9),
    "negative count": with_accessor(count=-8),
    "offset": with_accessor(byteOffset=4),
    "negative offset": with_accessor(byteOffset=-4),
    "kind": with_accessor(type="VEC2"),
    "type": with_accessor(componentType=5130),
    "no data": with_accessor(bufferView=None),
    "view": with_accessor(bufferView=7),
    "last view": with_accessor(bufferView=-1),
    "view's length": with_view(byteLength=2**40),
    "view's offset": with_view(byteOffset=2**40),
    "stride": with_view(byteStride=2**40),
    "small stride": with_view(byteStride=4),
    "buffer": with_view(buffer=1),
    "sparse count": sparse_of(9),
    "sparse index": sparse_of(8, 8),
    "sparse zeros": sparse_of(1, total=2**40),
    "buffer's length": cube(buffers=[{"byteLength": 2**40}])[0].mesh({"attributes": {"POSITION": 0}}),
    "index": Gltf().mesh({"attributes": {"POSITION": 0}, "indices": 1}),
    "mode": cube()[0].mesh({"attributes": {"POSITION": 0}, "mode": 9}),
    "matrix": cube(nodes=[{"mesh": 0, "matrix": [1, 2]}])[0].mesh({"attributes": {"POSITION": 0}}),
    "number": cube(nodes=[{"mesh": 0, "scale": [10**400, 1, 1]}])[0].mesh({"attributes": {"POSITION": 0}}),
    "scene": cube(scene=3)[0].mesh({"attributes": {"POSITION": 0}}),
    "mesh": cube(nodes=[{"mesh": 3}])[0].mesh({"attributes": {"POSITION": 0}}),
    "material": cube()[0].mesh({"attributes": {"POSITION": 0}, "material": 0}),
    "version": cube(asset={"version": "1.0"})[0].mesh({"attributes": {"POSITION": 0}}),
    "list": cube(meshes={"primitives": 3})[0],
    "object": cube(meshes=[[]])[0],
}
LIES["index"].add(CUBE)
LIES["index"].add([0, 1, 8], "uint16")


@pytest.mark.parametrize("lie", LIES)
def test_a_file_that_lies_is_refused_before_memory_is_taken(tmp_path, lie):
    with refused(FileFormatError, "a.glb cannot be read as GLB"):
        read_file(LIES[lie], tmp_path / "a.glb")


def test_a_small_file_may_not_place_a_mesh_without_end(tmp_path, monkeypatch):
    file, primitive = cube()
    shifts = file.add(np.zeros((100, 3)))
    file.mesh(primitive).tree["nodes"][0]["extensions"] = {"EXT_mesh_gpu_instancing": {"attributes": {"TRANSLATION": shifts}}}
    assert len(read_file(file, tmp_path / "a.glb").faces) == 1200
    monkeypatch.setenv("VOXCLI_MAX_MEMORY", "40K")  # 100 cubes of 480 bytes are more
    with refused(FileFormatError, "a.glb", hint="VOXCLI_MAX_MEMORY"):
        read_file(file, tmp_path / "a.glb")


# --- nodes -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "nodes",
    [
        [{"mesh": 0, "children": [0]}],
        [{"mesh": 0}, {"children": [2]}, {"children": [1]}],
        [{"mesh": 0, "children": [1]}, {"children": [2]}, {"children": [1]}],
        [{"children": [2]}, {"children": [2]}, {"mesh": 0}],
        [{"mesh": 0, "children": [5]}],
    ],
)
def test_nodes_that_are_no_trees_are_refused(tmp_path, nodes):
    file, primitive = cube(nodes=nodes)
    with refused(FileFormatError, "a.glb cannot be read as GLB", actual="node"):
        read_file(file.mesh(primitive), tmp_path / "a.glb")


def test_many_nested_nodes_are_read(tmp_path):
    nodes = [{"children": [i + 1], "translation": [1, 0, 0]} for i in range(3000)] + [{"mesh": 0}]
    file, primitive = cube(nodes=nodes)
    is_box(read_file(file.mesh(primitive), tmp_path / "a.glb"), (3001, 1, 1), low=(3000, 0, 0))


def test_a_file_without_scenes_or_nodes_shows_all_it_has(tmp_path):
    for left_out in (("scenes", "scene"), ("scenes", "scene", "nodes"), ("scene",)):
        file, primitive = cube()
        file.mesh(primitive, name="box")
        file.tree = {key: value for key, value in file.tree.items() if key not in left_out}
        mesh = read_file(file, tmp_path / "a.glb")
        is_box(mesh, (1, 1, 1))
        assert mesh.part_names == (("box",) if "nodes" in left_out else ("0",))


def test_other_scenes_are_left_out_and_said(tmp_path):
    nodes = [{"mesh": 0}, {"mesh": 0, "translation": [5, 0, 0]}]
    file, primitive = cube(nodes=nodes, scenes=[{"nodes": [0]}, {"nodes": [1]}], scene=1)
    with pytest.warns(UserWarning, match=r"a\.glb: left out: 1 other scene"):
        is_box(read_file(file.mesh(primitive), tmp_path / "a.glb"), (6, 1, 1), low=(5, 0, 0))


@pytest.mark.parametrize("scale", [[0, 0, 0], [0, 1, 0]])
def test_a_node_of_no_extent_adds_nothing(tmp_path, scale):
    file, primitive = cube(nodes=[{"mesh": 0}, {"mesh": 0, "translation": [9, 9, 9], "scale": scale}], scenes=[{"nodes": [0, 1]}])
    with pytest.warns(UserWarning, match=r"left out: 1 node\(s\) of scale 0"):
        is_box(read_file(file.mesh(primitive), tmp_path / "a.glb"), (1, 1, 1))


def test_hidden_nodes_are_not_shown(tmp_path):
    hidden = {"translation": [9, 9, 9], "children": [2], "extensions": {"KHR_node_visibility": {"visible": False}}}
    file, primitive = cube(nodes=[{"mesh": 0}, hidden, {"mesh": 0}], scenes=[{"nodes": [0, 1]}])
    is_box(read_file(file.mesh(primitive), tmp_path / "a.glb"), (1, 1, 1))


def test_parts_are_paths_of_nodes_with_their_materials(tmp_path):
    nodes = [{"name": "car", "children": [1, 2]}, {"name": "wheel", "mesh": 0}, {"name": "wheel", "mesh": 0}]
    file, primitive = cube(nodes=nodes, materials=[{"name": "paint"}, {"name": "a/b"}, {}])
    file.mesh(*(primitive | {"material": i} for i in (0, 1, 2)))
    names = [f"car/{node}{material}" for node in ("wheel", "wheel_1") for material in ("/paint", "/a_b", "")]
    assert read_file(file, tmp_path / "a.glb").part_names == tuple(names)


@pytest.mark.parametrize("required", [["EXT_mesh_gpu_instancing"], []])
def test_instances_are_all_there(tmp_path, required):
    file, primitive = cube(extensionsUsed=["EXT_mesh_gpu_instancing"], extensionsRequired=required)
    shifts = file.add([[0, 0, 0], [2, 0, 0], [4, 0, 0]])
    file.tree["nodes"] = [{"mesh": 0, "extensions": {"EXT_mesh_gpu_instancing": {"attributes": {"TRANSLATION": shifts}}}}]
    mesh = read_file(file.mesh(primitive), tmp_path / "a.glb")
    is_box(mesh, (5, 1, 1), faces=36)
    assert measures(mesh)[:2] == (pytest.approx(18), pytest.approx(3))


def test_instances_are_scaled_turned_and_shifted_within_their_node(tmp_path):
    file, primitive = cube()
    half = np.sqrt(0.5)
    attributes = {
        "SCALE": file.add([[2, 1, 1]]),
        "ROTATION": file.add(np.round(np.array([[0, 0, half, half]]) * 32767), "int16", normalized=True),  # x to y
        "TRANSLATION": file.add([[0, 0, 3]]),
    }
    file.tree["nodes"] = [{"mesh": 0, "scale": [1, 10, 1], "extensions": {"EXT_mesh_gpu_instancing": {"attributes": attributes}}}]
    is_box(read_file(file.mesh(primitive), tmp_path / "a.glb"), (0, 20, 4), low=(-1, 0, 3))
    attributes["TRANSLATION"] = file.add([[0, 0, 3], [1, 1, 1]])
    with refused(FileFormatError, "a.glb", actual="1 and 2 instances"):
        read_file(file, tmp_path / "a.glb")


# --- poses -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "node, mesh, high", [({}, [1.0], 3), ({}, [0.5], 2), ({"weights": [0.25]}, [1.0], 1.5), ({}, None, 1), ({}, [0], 1)]
)
def test_morph_targets_move_as_much_as_the_file_says(tmp_path, node, mesh, high):
    file, primitive = cube(nodes=[{"mesh": 0} | node])
    primitive["targets"] = [{"POSITION": file.add(CUBE * [2, 0, 0], min=[0, 0, 0], max=[2, 0, 0])}]
    is_box(read_file(file.mesh(primitive, **({} if mesh is None else {"weights": mesh})), tmp_path / "a.glb"), (high, 1, 1))


def test_a_morph_target_without_data_moves_nothing(tmp_path):
    file, primitive = cube()
    primitive["targets"] = [{"POSITION": file.add(CUBE, bufferView=None)}]
    is_box(read_file(file.mesh(primitive, weights=[1]), tmp_path / "a.glb"), (1, 1, 1))


def skinned(file, primitive, carriers, weights, **skin):
    attributes = primitive["attributes"] | {"JOINTS_0": file.add(carriers, "uint8"), "WEIGHTS_0": file.add(weights)}
    return file.mesh(primitive | {"attributes": attributes}).tree.update(skins=[skin])


def test_a_skin_follows_its_joints_and_not_its_node(tmp_path):
    nodes = [{"mesh": 0, "skin": 0, "translation": [7, 7, 7]}, {"translation": [0, 2, 0], "children": [2]}, {"translation": [0, 3, 0]}]
    file, primitive = cube(nodes=nodes, scenes=[{"nodes": [0, 1]}])
    bind = file.add([np.eye(4).T.reshape(-1)])
    skinned(file, primitive, [[0] * 4] * 8, [[1, 0, 0, 0]] * 8, joints=[2], inverseBindMatrices=bind)
    is_box(read_file(file, tmp_path / "a.glb"), (1, 6, 1), low=(0, 5, 0))


def test_a_vertex_lies_between_its_joints_by_their_weights(tmp_path):
    nodes = [{"mesh": 0, "skin": 0}, {}, {"scale": [1, 1, 1], "translation": [4, 0, 0]}]
    file, primitive = cube(nodes=nodes, scenes=[{"nodes": [0, 1, 2]}])
    moved = np.eye(4)
    moved[0, 3] = -1  # bound one to the left
    bind = file.add([np.eye(4).T.reshape(-1), moved.T.reshape(-1)])
    weights = [[1 - x / 4, x / 4, 0, 0] for x, _, _ in CUBE]
    skinned(file, primitive, [[0, 1, 0, 0]] * 8, weights, joints=[1, 2], inverseBindMatrices=bind)
    is_box(read_file(file, tmp_path / "a.glb"), (1 + 3 / 4, 1, 1))
    skinned(file, primitive, [[0, 2, 0, 0]] * 8, weights, joints=[1, 2])
    file.tree["meshes"] = file.tree["meshes"][1:]
    with refused(FileFormatError, "a.glb", actual="joint 2 of 2"):
        read_file(file, tmp_path / "a.glb")


def test_animations_are_said(tmp_path):
    file, primitive = cube(animations=[{}, {}])
    with pytest.warns(UserWarning, match=r"a\.glb: left out: 2 animation"):
        is_box(read_file(file.mesh(primitive), tmp_path / "a.glb"), (1, 1, 1))


# --- primitives ------------------------------------------------------------------------------------------------------------------


JUMPING = [0, 1, 3, 3, 3, 1, 1, 2, 3]


@pytest.mark.parametrize("mode, corners", [(6, [0, 1, 2, 3]), (5, [0, 1, 3, 2]), (4, [0, 1, 2, 0, 2, 3]), (5, JUMPING)])
@pytest.mark.parametrize("indexed", [True, False])
def test_fans_strips_and_lists_make_one_square(tmp_path, mode, corners, indexed):
    if corners is JUMPING and not indexed:
        return  # a strip jumps by naming one vertex twice
    file = Gltf()
    primitive = {"attributes": {"POSITION": file.add(SQUARE if indexed else np.array(SQUARE)[corners])}, "mode": mode}
    if indexed:
        primitive["indices"] = file.add(corners, "uint8")
    mesh = read_file(file.mesh(primitive), tmp_path / "a.glb")
    a, b, c = np.moveaxis(mesh.vertices[mesh.faces], 1, 0)
    assert len(mesh.faces) == 2 and measures(mesh)[0] == pytest.approx(1) and (np.cross(b - a, c - a)[:, 2] > 0).all()


def test_what_is_no_surface_is_left_out_and_said_once(tmp_path):
    file, primitive = cube(nodes=[{"mesh": 0}, {"mesh": 0, "translation": [1, 0, 0]}], scenes=[{"nodes": [0, 1]}])
    lines = {"attributes": {"POSITION": 0}, "mode": 1}
    with pytest.warns(UserWarning) as said:
        mesh = read_file(file.mesh(primitive, {"attributes": {}}, lines, lines | {"mode": 0}), tmp_path / "a.glb")
    is_box(mesh, (2, 1, 1), faces=24)
    text = "left out: 1 primitive(s) without positions, 1 primitive(s) of lines, 1 primitive(s) of points."
    assert len(said) == 1 and str(said[0].message).endswith(text)


@pytest.mark.parametrize("mode, other", [(0, "only points"), (3, "only lines")])
def test_a_file_without_surfaces_says_what_it_has(tmp_path, mode, other):
    file, primitive = cube()
    with refused(DataError, "a.glb", actual=other):
        read_file(file.mesh(primitive | {"mode": mode}), tmp_path / "a.glb")


def test_vertices_that_no_face_names_are_left_out(tmp_path):
    file = Gltf()
    positions = file.add([[9, 9, 9], *CUBE, [-9, 0, 0]])
    mesh = read_file(file.mesh({"attributes": {"POSITION": positions}, "indices": file.add(INDICES + 1, "uint16")}), tmp_path / "a.glb")
    assert len(mesh.vertices) == 8 and mesh.vertices.max() == 1
