"""What commands say: names that are accepted, guesses that help, grammar, lines that fit."""

import json

import numpy as np
import pytest
from example_files import FILES, box_mesh

from voxcli import files
from voxcli.cli.framework.output import counted
from voxcli.errors import unknown_name
from voxcli.models.weights import SHIPPED
from voxcli.ops.picture import views_of
from voxcli.scene import Frustum, Mesh, SceneDescription, SceneObject


@pytest.mark.skipif(not (SHIPPED / "ssz.safetensors").is_file(), reason="no weights are shipped")
def test_weights_are_told_of_by_name_as_well_as_by_file(voxcli, tmp_path):
    FILES["best.safetensors"](tmp_path / "best.safetensors")
    code, text, _ = voxcli("weights", "info", "ssz", "best.safetensors")
    first, second = json.loads(text)
    assert code == 0 and (first["file"], first["model"], second["file"]) == ("ssz", "ssz", "best.safetensors")
    assert str(SHIPPED) not in text
    (tmp_path / "ssz").write_text("a file of that name comes first")
    assert voxcli("weights", "info", "ssz")[0] == 2


@pytest.mark.parametrize("words", ["metrics iou a b", "metrics chamfer a b", "info a"])
def test_where_records_go_is_said_to_who_looks_for_output(refused, words):
    for flag in ("-o", "--output"):
        refused(*words.split(), flag, "x.json", named=(f"no {flag}", "> FILE"), unnamed="Did you mean")


def test_only_names_that_are_alike_are_guessed(voxcli):
    assert "Did you mean '--workers'" in voxcli("metrics", "iou", "a", "b", "--wrokers", "2")[2]
    code, _, errors = voxcli("predict", "a.png", "-o", "x", "--jobs", "2")
    assert code == 2 and "Unknown option '--jobs'" in errors and "Did you mean" not in errors
    assert max(map(len, errors.splitlines())) < 400, "the list of many options is left to --help"
    assert "'class'" in str(unknown_name("key", "klass", ["class", "mesh"]))


def test_one_thing_is_singular():
    assert [counted(n, "scene") for n in (0, 1, 2)] == ["0 scenes", "1 scene", "2 scenes"]


def test_the_parameters_below_a_table_fit_the_terminal(voxcli, tmp_path):
    files.write(tmp_path / "car.obj", box_mesh())
    code, _, errors = voxcli("metrics", "chamfer", "car.obj", "car.obj", "--points", "50", "--format", "table", env={"COLUMNS": "60"})
    assert code == 0 and errors.startswith("chamfer: ") and len(errors.splitlines()) > 2
    assert max(map(len, errors.splitlines())) <= 60


@pytest.mark.parametrize("fov", ["0.0001", "179.9999"])
def test_an_absurd_field_of_view_is_named_as_the_cause(refused, tmp_path, fov):
    for name in ("street.png", "best.safetensors"):
        FILES[name](tmp_path / name)
    refused(
        "predict",
        "street.png",
        "--weights",
        "best.safetensors",
        "--fov",
        fov,
        "-o",
        "x.npz",
        named=(f"field of view of {float(fov):.4g} degrees", "--fov"),
    )


@pytest.mark.parametrize("framed", [True, False])
def test_a_large_ground_does_not_dwarf_what_stands_on_it(framed):
    plate = Mesh(np.array([[-500.0, 0, -500], [500, 0, -500], [500, 0, 500], [-500, 0, 500]]), np.array([[0, 2, 1], [0, 3, 2]]))
    objects = (SceneObject(plate, "ground"), SceneObject(box_mesh(), "car", np.array([0.0, 0, -6])))
    scene = SceneDescription(objects)
    if framed:
        from voxcli.geometry.cameras import intrinsics, look_at
        from voxcli.scene import Camera

        frustum = Frustum(width=32, height=32, depth=32, z_near=2.0, z_far=12.0, fov_x_deg=50.0)
        scene = SceneDescription(objects, camera=Camera(intrinsics(50, 32, 32), 32, 32, look_at([0, 1.5, 0], [0, 1, -6])), frustum=frustum)
    for caption, view in views_of(scene, 64):
        blue = (view[..., 2].astype(int) - view[..., 0] > 40).mean()  # the car is blue
        assert blue > (0.01 if framed else 0.05), caption
