"""`synth rooms`, `synth iqtt` and `metrics iqtt` as users call them: what they say, what they refuse, what other commands make of it."""

import json

import numpy as np
import pytest
from example_files import FILES, box_mesh

from voxcli import files
from voxcli.scene import Picture

ROOMS = ("synth", "rooms", "--size", "24")
IQTT = ("synth", "iqtt", "--size", "16")


def tree(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


# -- rooms ----------------------------------------------------------------------------------------------------------------------------


def test_it_says_what_it_made_and_grows_to_the_same_bytes(voxcli, voxcli_process, tmp_path):
    assert voxcli(*ROOMS, "-o", "one", "--count", "3", "--turned") == (0, "", "3 scenes made, 0 were there: one\n")
    assert voxcli(*ROOMS, "-o", "two", "--count", "1", "--turned")[0] == 0
    assert voxcli_process(*ROOMS, "-o", "two", "--count", "3", "--turned", "-q") == (0, "", "")
    assert voxcli(*ROOMS, "-o", "two", "--count", "3", "--turned") == (0, "", "0 scenes made, 3 were there: two\n")
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


def test_render_surfels_draws_the_very_picture_that_the_data_set_holds(voxcli, tmp_path):
    assert voxcli(*ROOMS, "-o", "rooms", "--count", "2", "--variant", "multiple-shapes", "--random-lights")[0] == 0
    for name in ("000000", "000001"):
        lights = f"rooms/lights/{name}.yaml"
        assert voxcli("render-surfels", f"rooms/surfels/{name}.npz", "--size", "24", "--lights", lights, "-o", f"{name}.png")[0] == 0
        drawn, stored = (files.read_as(tmp_path / path, Picture).rgb for path in (f"{name}.png", f"rooms/images/{name}.png"))
        assert np.array_equal(drawn, stored)


def test_its_files_are_known_to_the_other_commands(voxcli, tmp_path):
    assert voxcli(*ROOMS, "-o", "rooms", "--count", "1", "--turned")[0] == 0
    for name in ("surfels/000000.npz", "turned/000000-55.npz", "scenes/000000.yaml", "meshes/room.ply", "images/000000.png"):
        code, text, _ = voxcli("info", f"rooms/{name}")
        assert code == 0 and text, name
    truth = "rooms/surfels/000000.npz"
    code, text, _ = voxcli("metrics", "depth", truth, truth, "--preset", "pix2scene", "--format", "json")
    assert code == 0 and json.loads(text)["value"] == 0
    # The placed meshes, rendered anew, lie where the stored depth says.
    assert voxcli("render-surfels", "rooms/scenes/000000.yaml", "--size", "24", "-o", "again.npz")[0] == 0
    code, text, _ = voxcli("metrics", "depth", "again.npz", "rooms/surfels/000000.npz", "--format", "json")
    assert code == 0 and json.loads(text)["value"] < 1e-5


def test_shapes_from_files_are_taken_by_their_folders(voxcli, tmp_path):
    for name in ("mug/a.obj", "mug/b.obj", "can/c.obj"):
        (tmp_path / "assets" / name).parent.mkdir(parents=True, exist_ok=True)
        files.write(tmp_path / "assets" / name, box_mesh())
    assert voxcli(*ROOMS, "-o", "rooms", "--count", "2", "--assets", "assets")[0] == 0
    meta = json.loads((tmp_path / "rooms/meta.json").read_text())
    assert meta["options"]["shapes"] == ["can", "mug"] and set(meta["inputs"]) == {"mug/a.obj", "mug/b.obj", "can/c.obj"}
    assert str(tmp_path) not in (tmp_path / "rooms/meta.json").read_text()
    assert {p.name for p in (tmp_path / "rooms/meshes").iterdir()} == {"room.ply", "can-0.ply", "mug-0.ply", "mug-1.ply"}
    assert voxcli(*ROOMS, "-o", "both", "--count", "1", "--assets", "assets", "--shapes", "can,torus")[0] == 0


@pytest.mark.parametrize(("words", "said"), [
    ("--shapes tours", "Did you mean 'torus'?"), ("--shapes ,", "once"), ("--variant box", "--variant"),
    ("--variant box-rotation --shapes cone", "shapes-rotation"), ("--count 0", "--count"), ("--point-lights 0", "--point-lights"),
    ("--assets absent", "absent"), ("--assets empty", "empty"), ("--workers 0", "--workers"), ("-o -", "folder"),
    ("-o car.obj", "car.obj"),
])  # fmt: skip
def test_what_rooms_refuses_is_said_and_nothing_is_written(voxcli, tmp_path, words, said):
    (tmp_path / "empty").mkdir()
    FILES["car.obj"](tmp_path / "car.obj")
    code, text, errors = voxcli("synth", "rooms", "-o", "out", *words.split())
    assert (code, text) == (2, "") and said in errors and 1 <= len(errors.strip().splitlines()) <= 6
    assert not (tmp_path / "out").exists()


def test_another_data_set_in_its_place_is_refused(refused, voxcli):
    assert voxcli(*ROOMS, "-o", "out", "--count", "1")[0] == 0
    for more in (("--seed", "2"), ("--random-lights",), ("--turned",)):
        refused(*ROOMS, "-o", "out", "--count", "1", *more, named="other options")


# -- the 3D-IQ test task --------------------------------------------------------------------------------------------------------------


def test_the_same_questions_twice_are_the_same_bytes(refused, voxcli, voxcli_process, tmp_path):
    assert voxcli(*IQTT, "-o", "deep/one.h5", "--count", "3", "--labeled", "1") == (0, "", "deep/one.h5: 3 questions\n")
    assert voxcli_process(*IQTT, "-o", "two.h5", "--count", "3", "--labeled", "1", "--workers", "2") == (0, "", "two.h5: 3 questions\n")
    assert (tmp_path / "deep/one.h5").read_bytes() == (tmp_path / "two.h5").read_bytes()
    refused(*IQTT, "-o", "two.h5", "--count", "2", named="--overwrite")
    assert voxcli(*IQTT, "-o", "two.h5", "--count", "2", "--overwrite")[0] == 0
    assert (tmp_path / "deep/one.h5").read_bytes() != (tmp_path / "two.h5").read_bytes()


@pytest.mark.parametrize(
    ("words", "said"), [("-o out", "HDF5"), ("-o -", "HDF5"), ("-o a.h5 --labeled 9 --count 2", "labels"), ("-o a.h5 --count 0", "--count")]
)
def test_what_iqtt_refuses_is_said_and_nothing_is_written(voxcli, tmp_path, words, said):
    code, text, errors = voxcli("synth", "iqtt", *words.split())
    assert (code, text) == (2, "") and said in errors and not list(tmp_path.iterdir())


def test_answers_are_scored_with_their_error_and_beside_guessing(voxcli, tmp_path):
    assert voxcli(*IQTT, "-o", "val.h5", "--count", "6")[0] == 0
    from voxcli.datasets.iqtt import IQTTFile

    right = IQTTFile(tmp_path / "val.h5").answers
    (tmp_path / "all.txt").write_text("".join(f"{a}\n" for a in right))
    (tmp_path / "half.txt").write_text("".join(f"{a if k % 2 else (a + 1) % 3}\n" for k, a in enumerate(right)))
    code, text, _ = voxcli("metrics", "iqtt", "all.txt", "val.h5", "--format", "json")
    assert code == 0 and json.loads(text)["value"] == 1 and json.loads(text)["parts"]["standard_error"] == 0
    code, text, _ = voxcli("metrics", "iqtt", "half.txt", "val.h5", "--format", "json")
    record = json.loads(text)
    assert record["value"] == 0.5 and record["parts"]["random_guess"] == pytest.approx(1 / 3) and "answer" in record["parts"]["chosen"]
    assert voxcli("metrics", "iqtt", "half.txt", "val.h5", "--fail-under", "0.6")[0] == 1


def test_answers_that_do_not_fit_are_refused(refused, tmp_path):
    FILES["iqtt.h5"](tmp_path / "iqtt.h5")
    (tmp_path / "few.txt").write_text("0\n1\n")
    (tmp_path / "odd.txt").write_text("0\n1\n7\n")
    for name, said in (("few.txt", "one answer a question"), ("odd.txt", "0, 1 or 2"), ("absent.txt", "absent.txt")):
        refused("metrics", "iqtt", name, "iqtt.h5", named=said)
