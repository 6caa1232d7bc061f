"""`voxcli synth objects` as users call it: what it says, what it refuses, and that killed runs are completed."""

import pytest
from example_files import FILES

LINE = ("synth", "objects", "--views", "1", "--categories", "table,lamp")


def tree(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_it_says_what_it_made_and_grows_to_the_same_bytes(voxcli, voxcli_process, tmp_path):
    assert voxcli(*LINE, "-o", "one", "--count", "3") == (0, "", "3 objects made, 0 were there: one\n")
    assert voxcli(*LINE, "-o", "two", "--count", "1")[0] == 0
    assert voxcli_process(*LINE, "-o", "two", "--count", "3", "--workers", "2", "-q") == (0, "", "")
    assert voxcli(*LINE, "-o", "two", "--count", "3") == (0, "", "0 objects made, 3 were there: two\n")
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


def test_its_files_are_known_to_the_other_commands(voxcli, tmp_path):
    assert voxcli(*LINE, "-o", "data", "--count", "1")[0] == 0
    truth = "data/objects/04379243/s0-000000/"
    for name in (f"{truth}model.glb", f"{truth}points.ply", f"{truth}voxels.npz", "data/ShapeNetVox32/04379243/s0-000000/model.binvox"):
        code, text, _ = voxcli("info", name)
        assert code == 0 and text, name
    code, text, _ = voxcli("metrics", "iou", f"{truth}voxels.npz", f"{truth}voxels.npz", "--format", "jsonl")
    assert code == 0 and '"value": 1.0' in text


def test_photographs_are_read_as_pictures_with_a_mask(voxcli, tmp_path):
    from voxcli import files
    from voxcli.scene import Picture

    assert voxcli(*LINE, "-o", "photos", "--count", "1", "--backgrounds", "photo")[0] == 0
    picture = files.read_as(tmp_path / "photos/ShapeNetRendering/04379243/s0-000000/rendering/00.png", Picture)
    assert picture.size == (224, 224) and 0 < (picture.alpha > 127).mean() < 0.9 and picture.rgb[picture.alpha == 0].any()


@pytest.mark.parametrize(("words", "said"), [
    ("--categories chiar", "Did you mean 'chair'?"), ("--categories ,", "once"), ("--count 0", "--count"), ("--views 101", "--views"),
    ("--layout shapenet", "--layout"), ("--assets absent", "absent"), ("--assets empty", "empty"),
    ("--only-assets", "--only-assets needs --assets DIR"), ("--backgrounds pohto", "--backgrounds"), ("--workers 0", "--workers"),
    ("--stretch 0.5", "--stretch"),
])  # fmt: skip
def test_what_it_refuses_is_said_and_nothing_is_written(voxcli, tmp_path, words, said):
    (tmp_path / "empty").mkdir()
    code, text, errors = voxcli("synth", "objects", "-o", "out", *words.split())
    assert (code, text) == (2, "") and said in errors and 1 <= len(errors.strip().splitlines()) <= 6
    assert not (tmp_path / "out" / "objects").exists()


def test_a_file_or_another_data_set_in_its_place_is_refused(refused, voxcli, tmp_path):
    FILES["car.obj"](tmp_path / "car.obj")
    assert voxcli("synth", "objects", "-o", "car.obj")[0] == 2
    assert voxcli("synth", "objects", "-o", "-")[0] == 2
    assert voxcli(*LINE, "-o", "out", "--count", "1")[0] == 0
    refused(*LINE, "-o", "out", "--count", "1", "--seed", "2", named="other options")
