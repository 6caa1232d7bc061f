"""`voxcli predict -m jof`: surfaces with albedo and parts, pictures, cameras, lights, fits; what it refuses."""

import json
import struct

import numpy as np
import pytest
from example_files import FILES
from PIL import Image

from voxcli import files
from voxcli.scene import Mesh, Picture


@pytest.fixture
def folder(tmp_path):
    FILES["jof.safetensors"](tmp_path / "jof.safetensors")
    ramp = np.linspace(0, 255, 48).astype(np.uint8)
    rgba = np.stack(np.broadcast_arrays(ramp[:, None], ramp[None], np.uint8(90), np.uint8(0)), -1).copy()
    v, u = np.mgrid[:48, :48] - 23.5
    rgba[..., 3] = 255 * (u * u + v * v < 18**2)
    Image.fromarray(rgba).save(tmp_path / "object.png")
    Image.fromarray(rgba[..., :3]).save(tmp_path / "photo.jpg")
    return tmp_path


def predict(voxcli, *more, source="object.png"):
    return voxcli("predict", source, "--weights", "jof.safetensors", "--resolution", "32", *more)


def tree(path):
    data = path.read_bytes()
    (size,) = struct.unpack("<I", data[12:16])
    return json.loads(data[20 : 20 + size])


def test_a_surface_has_albedo_at_its_vertices_and_a_node_for_each_part(voxcli, folder):
    code, text, errors = predict(voxcli, "-o", "object.glb", "-q")
    assert (code, text, errors) == (0, "", "")
    nodes = [node["name"] for node in tree(folder / "object.glb")["nodes"]]
    assert set(nodes) <= {"part-1", "part-2", "part-3", "part-4"} and len(nodes) > 1
    made = files.read_as(folder / "object.glb", Mesh)
    assert made.vertex_colors is not None and np.abs(made.vertices).max() <= 0.5 + 1e-6
    told = made.meta["prediction"]
    assert told["queries"] <= told["every_cell"] == 32**3 and np.shape(told["light"]) == (3, 9)
    assert made.meta["frame"] == "object, +y up" and made.meta["options"]["model"] == "jof"
    assert predict(voxcli, "-o", "again.glb")[0] == 0
    assert (folder / "again.glb").read_bytes() == (folder / "object.glb").read_bytes()


def test_parts_are_labels_of_faces(voxcli, folder):
    assert predict(voxcli, "-o", "parts.glb", "--parts")[0] == 0
    made = files.read_as(folder / "parts.glb", Mesh)
    assert made.classes.names == ("air", "part-1", "part-2", "part-3", "part-4") and made.face_labels.min() >= 1


def test_camera_and_light_are_written_and_serve_other_commands(voxcli, folder):
    code, _, errors = predict(voxcli, "-o", "object.glb", "--camera-out", "camera.yaml", "--light-out", "light.yaml", "-q")
    assert (code, errors) == (0, "")
    told = files.read_as(folder / "object.glb", Mesh).meta["prediction"]
    camera = files.read(folder / "camera.yaml", kind="camera")
    np.testing.assert_allclose(camera.K, told["camera"]["K"], atol=1e-5)
    assert (camera.width, camera.height) == (128, 128)
    assert voxcli("render-surfels", "object.glb", "--camera", "camera.yaml", "--lights", "light.yaml", "-o", "seen.png")[0] == 0
    assert predict(voxcli, "-o", "lit.png", "--relight", "light.yaml")[0] == 0
    assert predict(voxcli, "-o", "drawn.png")[0] == 0
    lit, drawn = (files.read_as(folder / name, Picture) for name in ("lit.png", "drawn.png"))
    assert drawn.rgb.shape == (48, 48, 3) and 0 < int((drawn.alpha > 0).sum()) < 48 * 48
    assert np.abs(lit.rgb.astype(int) - drawn.rgb).max() <= 2  # the guessed light again


def test_another_light_changes_the_picture_and_not_its_outline(voxcli, folder):
    (folder / "dark.yaml").write_text("{frame: world, ambient: [0.1, 0.1, 0.1]}")
    assert predict(voxcli, "-o", "dark.png", "--relight", "dark.yaml")[0] == 0
    assert predict(voxcli, "-o", "drawn.png")[0] == 0
    dark, drawn = (files.read_as(folder / name, Picture) for name in ("dark.png", "drawn.png"))
    assert np.array_equal(dark.alpha, drawn.alpha) and dark.rgb.max() <= 26 < drawn.rgb.max()


def test_a_fit_moves_the_guess_and_wants_a_silhouette(voxcli, folder):
    assert predict(voxcli, "-o", "plain.glb")[0] == 0
    assert predict(voxcli, "-o", "fitted.glb", "--fit", "3")[0] == 0
    assert files.read_as(folder / "fitted.glb", Mesh).meta["prediction"]["fitted"] == 3
    code, _, errors = predict(voxcli, "-o", "photo.glb", "--fit", "3", source="photo.jpg")
    assert code == 2 and "silhouette" in errors


def test_refusals_say_what_to_give(refused, voxcli, folder):
    code, text, errors = voxcli("predict", "object.png", "-m", "pix2vox-a", "-o", "out.glb")
    assert (code, text) == (2, "") and "No weights of pix2vox-a come with voxcli" in errors and "--weights FILE.safetensors" in errors
    for said, more in {
        "--parts goes with a surface": ("-o", "out.png", "--parts"),
        "--relight draws pictures": ("-o", "out.glb", "--relight", "light.yaml"),
        "--poses means nothing to jof": ("-o", "out.glb", "--poses", "poses.json"),
        "no such format": ("-o", "out.glb", "--camera-out", "camera.txt"),
        "between 0 and 1": ("-o", "out.glb", "--threshold", "1.5"),
        "below the threshold": ("-o", "out.glb", "--threshold", "0.99999999"),
    }.items():
        code, _, errors = predict(voxcli, *more)
        assert code == 2 and said in errors, errors
    FILES["best.safetensors"](folder / "best.safetensors")
    refused("predict", "object.png", "--weights", "best.safetensors", "-o", "out.npz", "--parts", named="--parts means nothing to ssz")


def test_resolutions_are_bounded_before_anything_is_loaded(refused, folder):
    (folder / "broken.safetensors").write_bytes((folder / "jof.safetensors").read_bytes()[:-64])
    for resolution in ("1", "1025", "100000"):
        line = ("predict", "object.png", "-m", "jof", "--weights", "broken.safetensors", "--resolution", resolution, "-o", "out.glb")
        refused(*line, named=("from 2 to 1024", resolution), unnamed="fit")


def test_outputs_of_one_call_are_files_of_their_own(voxcli, folder):
    for more in (("--camera-out", "x.yaml", "--light-out", "./x.yaml"), ("--light-out", "out.yaml", "--camera-out", "out.yaml")):
        code, _, errors = predict(voxcli, "-o", "out.glb", *more)
        assert code == 2 and "Two outputs" in errors and not (folder / "out.glb").exists()


def test_without_a_usable_camera_all_or_nothing_is_written(voxcli, folder, monkeypatch):
    from voxcli.models.jof import inference

    honest = inference.described
    monkeypatch.setattr(inference, "described", lambda *given: honest(*given) | {"camera": None})
    code, _, errors = predict(voxcli, "-o", "out.glb", "--camera-out", "camera.yaml", "--light-out", "light.yaml")
    assert code == 2 and "none that a picture" in errors
    assert not any((folder / name).exists() for name in ("out.glb", "camera.yaml", "light.yaml"))
    assert predict(voxcli, "-o", "out.glb", "--light-out", "light.yaml")[0] == 0


def test_a_transparent_picture_shows_nothing(voxcli, folder):
    Image.new("RGBA", (48, 48), (200, 10, 10, 0)).save(folder / "clear.png")
    code, _, errors = predict(voxcli, "-o", "out.glb", source="clear.png")
    assert code == 2 and "transparent everywhere" in errors and not (folder / "out.glb").exists()
