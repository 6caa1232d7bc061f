"""glTF as other programs write it: buffers beside the file, extensions, colours and textures."""

import base64
import json
import sys

import numpy as np
import pytest
from gltf_builder import INDICES, SQUARE, Gltf, cube, is_box, read_file
from PIL import Image
from refusals import refused
from small_solids import CUBE, CUBE_TRIANGLES, measures

from voxcli.errors import FileFormatError
from voxcli.files import read_as
from voxcli.scene import Mesh

# --- files and extensions --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "uri, name", [("my%20buffer%C3%BC.bin", "my bufferü.bin"), ("a%2Cb.bin", "a%2Cb.bin"), ("sub\\a.bin", "sub/a.bin")]
)
def test_buffers_are_found_by_their_names(tmp_path, uri, name):
    file, primitive = cube()
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(file.binary)
    file.mesh(primitive).tree["buffers"] = [{"byteLength": len(file.binary), "uri": uri}]
    is_box(read_file(file, tmp_path / "a.gltf"), (1, 1, 1))
    (tmp_path / name).unlink()
    with refused(FileFormatError, "a.gltf cannot be read as glTF", actual="not beside it", hint="beside it") as caught:
        read_file(file, tmp_path / "a.gltf")
    assert "damaged" not in str(caught.value)


def test_buffers_may_stand_in_the_json(tmp_path):
    file, primitive = cube()
    data = base64.b64encode(bytes(file.binary)).decode()
    file.mesh(primitive).tree["buffers"] = [{"byteLength": len(file.binary), "uri": f"data:application/octet-stream;base64,{data}"}]
    is_box(read_file(file, tmp_path / "a.gltf"), (1, 1, 1))
    (tmp_path / "b.glb").write_text("\ufeff" + json.dumps(file.json()))  # by its bytes, whatever its name
    is_box(read_as(tmp_path / "b.glb", Mesh), (1, 1, 1))


@pytest.mark.parametrize("extension", ["ACME_displacement", "EXT_meshopt_compression", "KHR_meshopt_compression", "KHR_mesh_strange"])
def test_a_required_extension_that_is_not_read_is_refused_by_its_name(tmp_path, extension):
    file, primitive = cube(extensionsUsed=[extension], extensionsRequired=["KHR_materials_unlit", extension])
    with refused(FileFormatError, "a.glb", extension, hint="gltf-transform" if "compression" in extension else "Export"):
        read_file(file.mesh(primitive), tmp_path / "a.glb")
    file.tree["extensionsRequired"] = []
    is_box(read_file(file, tmp_path / "a.glb"), (1, 1, 1))


def test_a_buffer_that_only_an_extension_fills_is_refused_by_its_name(tmp_path):
    file, primitive = cube(extensionsUsed=["EXT_meshopt_compression"])
    file.mesh(primitive).tree["buffers"] = [{"byteLength": len(file.binary)}, {"byteLength": 96}]
    file.tree["bufferViews"][0] |= {"buffer": 1, "extensions": {"EXT_meshopt_compression": {"buffer": 0}}}
    with refused(FileFormatError, "a.glb", actual="EXT_meshopt_compression"):
        read_file(file, tmp_path / "a.glb")


DRACO = "KHR_draco_mesh_compression"


def packed(data, **tree):
    file = Gltf(extensionsUsed=[DRACO], **tree)
    position = file.add(CUBE, bufferView=None, min=[0, 0, 0], max=[1, 1, 1])
    indices = file.add(INDICES, "uint16", bufferView=None)
    extension = {DRACO: {"bufferView": file.view(data), "attributes": {"POSITION": 0}}}
    return file.mesh({"attributes": {"POSITION": position}, "indices": indices, "extensions": extension})


def test_draco_without_its_package_is_refused_by_its_name(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "DracoPy", None)
    for required in ([DRACO], []):
        with refused(FileFormatError, "a.glb", DRACO, hint="gltf-transform copy"):
            read_file(packed(bytes(75), extensionsRequired=required), tmp_path / "a.glb")


def test_draco_is_unpacked_by_its_package(tmp_path):
    draco = pytest.importorskip("DracoPy")
    data = draco.encode(CUBE.astype("float32"), np.array(CUBE_TRIANGLES, "uint32"))
    area, volume, low, high = measures(read_file(packed(data, extensionsRequired=[DRACO]), tmp_path / "a.glb"))
    assert (area, volume) == (pytest.approx(6, rel=1e-3), pytest.approx(1, rel=1e-3))
    assert low == pytest.approx([0] * 3, abs=1e-3) and high == pytest.approx([1] * 3, abs=1e-3)
    with refused(FileFormatError, "a.glb", actual=DRACO):
        read_file(packed(bytes(75)), tmp_path / "a.glb")


def test_a_primitive_that_is_there_unpacked_needs_no_draco(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "DracoPy", None)
    file, primitive = cube(extensionsUsed=[DRACO])
    extension = {DRACO: {"bufferView": file.view(bytes(8)), "attributes": {"POSITION": 0}}}
    is_box(read_file(file.mesh(primitive | {"extensions": extension}), tmp_path / "a.glb"), (1, 1, 1))


# --- colours ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values, dtype, more",
    [
        ([[0.2159, 1, 0, 1]] * 8, "float32", {}),
        ([[55, 255, 0, 255]] * 8, "uint8", {"normalized": True}),
        ([[14149, 65535, 0]] * 8, "uint16", {"normalized": True}),
        ([[55, 255, 0]] * 8, "uint8", {}),
    ],
)
def test_colours_of_vertices_are_linear_light(tmp_path, values, dtype, more):
    file, primitive = cube()
    primitive["attributes"]["COLOR_0"] = file.add(values, dtype, **more)
    assert read_file(file.mesh(primitive), tmp_path / "a.glb").vertex_colors.tolist() == [[128, 255, 0]] * 8


def textured(tmp_path, texture, uv, **tree):
    """The colours of one triangle whose three corners share one UV (v down)."""
    Image.fromarray(np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [9, 9, 9]]], np.uint8)).save(tmp_path / "t p.png")
    materials = [{"pbrMetallicRoughness": {"baseColorTexture": texture}}]
    file = Gltf(**{"images": [{"uri": "t%20p.png"}], "textures": [{"source": 0}], "materials": materials} | tree)
    attributes = {"POSITION": file.add(SQUARE[:3]), "TEXCOORD_0": file.add([uv] * 3), "TEXCOORD_1": file.add([[0.75, 0.25]] * 3)}
    return read_file(file.mesh({"attributes": attributes, "material": 0}), tmp_path / "a.glb").face_colors.tolist()


@pytest.mark.parametrize(
    "texture, uv, colour",
    [
        ({"index": 0}, [0.25, 0.25], [255, 0, 0]),
        ({"index": 0}, [0.25, 0.75], [0, 0, 255]),
        ({"index": 0, "texCoord": 1}, [0.25, 0.25], [0, 255, 0]),
        ({"index": 0, "extensions": {"KHR_texture_transform": {"offset": [0.5, 0]}}}, [0.25, 0.25], [0, 255, 0]),
        ({"index": 0, "extensions": {"KHR_texture_transform": {"scale": [1, 3]}}}, [0.25, 0.25], [0, 0, 255]),
        ({"index": 0, "extensions": {"KHR_texture_transform": {"texCoord": 1}}}, [0.25, 0.25], [0, 255, 0]),
        ({"index": 0, "extensions": {"KHR_texture_transform": {"rotation": np.pi / 2, "offset": [0, 1]}}}, [0.25, 0.25], [0, 0, 255]),
    ],
)
def test_textures_lie_where_the_file_puts_them(tmp_path, texture, uv, colour):
    assert textured(tmp_path, texture, uv) == [colour]


def test_a_texture_that_cannot_be_read_is_said(tmp_path):
    for tree, what in (({"images": [{"uri": "none.png"}]}, "1 texture.s. that cannot be read"), ({"textures": [{}]}, "another format")):
        with pytest.warns(UserWarning, match=rf"a\.glb: left out: .*{what}"):
            assert textured(tmp_path, {"index": 0}, [0.25, 0.25], **tree) == [[255, 255, 255]]


def test_a_material_without_metal_has_its_diffuse_colour(tmp_path):
    material = {"extensions": {"KHR_materials_pbrSpecularGlossiness": {"diffuseFactor": [1, 0, 0, 1]}}}
    file, primitive = cube(materials=[material])
    assert read_file(file.mesh(primitive | {"material": 0}), tmp_path / "a.glb").face_colors.tolist() == [[255, 0, 0]] * 12
