"""`voxcli segment`: instances of scenes as JSON, grids, meshes and files; label images of scenes and images."""

import json
from dataclasses import replace

import numpy as np
import pytest
import trimesh
from example_files import FILES, box_mesh, fruxel_grid
from PIL import Image

from voxcli import files
from voxcli.scene import Frustum, FruxelGrid, Labels, PointCloud, VoxelGrid, class_colour


@pytest.fixture
def folder(tmp_path):
    for name in ("scene.npz", "street.png", "best.safetensors", "car.obj"):
        FILES[name](tmp_path / name)
    return tmp_path


def record(folder, name="out.json"):
    return json.loads((folder / name).read_text())


def test_instances_are_listed_with_their_measures(voxcli, folder):
    code, text, errors = voxcli("segment", "scene.npz", "-o", "out.json", "-v")
    assert (code, text) == (0, "") and errors.splitlines() == [
        "scene.npz: read, 16x16x16 fruxels, 3 classes, 38 % solid", "scene.npz: 3 instances, 0 left out (0 m^3)", "out.json: 3 instances",
    ]  # fmt: skip
    made = record(folder)
    assert [(each["instance"], each["name"], each["class"], each["cells"]) for each in made["instances"]] == [
        (1, "car 1", "car", 3 * 3 * 5), (2, "building 1", "building", 3 * 10 * 16), (3, "ground 1", "ground", 16 * 4 * 16),
    ]  # fmt: skip
    frustum, car = fruxel_grid().frustum, made["instances"][0]
    near, far = (frustum.z_near + k * frustum.slice_thickness for k in (5, 8))
    assert car["volume"] == pytest.approx((far**3 - near**3) / 3 / frustum.focal**2 * 15, rel=1e-6)
    assert car["size"][2] == pytest.approx(far - near) and car["low"][2] == pytest.approx(near)
    assert len(car["upright_box"]["rotation_wxyz"]) == 4
    assert made["left_out"] == {"instances": 0, "volume": 0}
    assert made["meta"]["command"] == "segment" and list(made["meta"]["inputs"]) == ["scene.npz"]


def test_what_is_left_out_is_counted(voxcli, folder):
    assert voxcli("segment", "scene.npz", "-o", "out.json", "--only", "car", "--only", "ground", "--min-volume", "1e9")[0] == 0
    made = record(folder)
    assert made["instances"] == [] and made["left_out"]["instances"] == 2 and made["left_out"]["volume"] > 0
    assert made["meta"]["options"]["only"] == ["car", "ground"]


def test_json_goes_to_stdout(voxcli, folder):
    code, text, errors = voxcli("segment", "scene.npz", "-o", "-", "--format", "json")
    assert (code, errors) == (0, "") and len(json.loads(text)["instances"]) == 3
    assert len([line for line in text.splitlines() if '"instance":' in line]) == 3  # a line each


def test_grids_hold_instances_as_labels(voxcli, folder):
    assert voxcli("segment", "scene.npz", "-o", "out.npz")[0] == 0
    made, scene = files.read(folder / "out.npz"), fruxel_grid()
    assert made.classes.names == ("air", "car 1", "building 1", "ground 1") and made.frustum == scene.frustum
    for label, name in ((1, "car"), (2, "building"), (3, "ground")):
        assert ((made.labels == label) == (scene.labels == scene.classes.names.index(name))).all()
    assert made.meta["command"] == "segment"


def test_meshes_have_a_named_node_a_piece(voxcli, folder):
    grid = fruxel_grid()
    grid.labels[1, 2, 2] = 2  # a second car
    files.write(folder / "two.npz", grid)
    assert voxcli("segment", "two.npz", "-o", "instances.glb")[0] == 0
    assert set(trimesh.load(folder / "instances.glb").geometry) == {"car 1", "car 2", "building 1", "ground 1"}
    assert voxcli("segment", "two.npz", "-o", "classes.glb", "--by", "class")[0] == 0
    assert set(trimesh.load(folder / "classes.glb").geometry) == {"car", "building", "ground"}


def test_pieces_become_files_of_a_folder_that_appears_whole(refused, voxcli, folder):
    assert voxcli("segment", "scene.npz", "-o", "parts/", "--split", "ply", "--only", "car", "--only", "building")[:2] == (0, "")
    assert sorted(path.name for path in (folder / "parts").iterdir()) == ["building-1.ply", "car-1.ply"]
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]
    mesh = trimesh.load(folder / "parts" / "car-1.ply")
    assert mesh.is_watertight
    refused("segment", "scene.npz", "-o", "parts", "--split", "ply", named="Output exists: parts")
    assert voxcli("segment", "scene.npz", "-o", "parts", "--split", "ply", "--overwrite")[0] == 0
    assert len(list((folder / "parts").iterdir())) == 3
    assert voxcli("segment", "scene.npz", "-o", "classes", "--split", "glb", "--by", "class")[0] == 0
    assert sorted(path.name for path in (folder / "classes").iterdir()) == ["building.glb", "car.glb", "ground.glb"]


def test_pieces_of_several_scenes_lie_in_a_folder_each(voxcli, folder):
    (folder / "in").mkdir()
    for name in ("a", "b"):
        files.write(folder / "in" / f"{name}.npz", fruxel_grid())
    assert voxcli("segment", "in", "-o", "out", "--split", "obj", "--only", "car")[:2] == (0, "")
    assert sorted(str(path.relative_to(folder / "out")) for path in (folder / "out").rglob("*.obj")) == ["a/car-1.obj", "b/car-1.obj"]


def test_foreign_class_names_stay_inside_the_folder(voxcli, folder):
    grid = fruxel_grid()
    names = list(grid.classes.names)
    names[2], names[6], names[9] = "../../evil", "a/b c", "A-b-c"
    files.write(folder / "foreign.npz", replace(grid, classes=Labels(tuple(names))))
    assert voxcli("segment", "foreign.npz", "-o", "parts", "--split", "ply", "--by", "class")[0] == 0
    assert sorted(path.name for path in (folder / "parts").iterdir()) == ["A-b-c-2.ply", "a-b-c.ply", "evil.ply"]


def test_a_label_image_is_the_first_class_along_each_ray(voxcli, folder):
    assert voxcli("segment", "scene.npz", "-o", "ids.png", "--indices", "--legend", "legend.json")[0] == 0
    wanted = np.zeros((16, 16), int)
    wanted[2:12], wanted[9:12, 5:10], wanted[12:] = 6, 2, 9
    image = Image.open(folder / "ids.png")
    assert image.mode.startswith("I") and (np.asarray(image) == wanted).all()
    assert voxcli("segment", "scene.npz", "-o", "colours.png")[0] == 0
    legend = json.loads((folder / "legend.json").read_text())
    table = {row["id"]: tuple(row["colour"]) for row in legend}
    assert legend[2] == {"id": 2, "class": "car", "colour": list(class_colour("car"))} and legend[-1]["id"] == 255
    colours = np.asarray(Image.open(folder / "colours.png"))
    assert all(tuple(colours[j, i]) == table[wanted[j, i]] for j, i in np.ndindex(16, 16))
    assert files.read(folder / "colours.png").meta["legend"] == legend


def test_a_label_image_shows_what_is_kept(voxcli, folder):
    assert voxcli("segment", "scene.npz", "-o", "ids.png", "--indices", "--only", "building")[0] == 0
    assert set(np.unique(np.asarray(Image.open(folder / "ids.png")))) == {0, 6}  # the building, looked at through the car


def test_an_image_becomes_a_scene_first(voxcli, folder):
    weights = ("--weights", "best.safetensors")
    assert voxcli("predict", "street.png", *weights, "-o", "scene2.npz")[0] == 0
    for suffix in ("npz", "glb"):
        assert voxcli("segment", "street.png", *weights, "-o", f"direct.{suffix}")[0] == 0
        assert voxcli("segment", "scene2.npz", "-o", f"steps.{suffix}")[0] == 0
    direct, steps = files.read(folder / "direct.npz"), files.read(folder / "steps.npz")
    assert (direct.labels == steps.labels).all() and direct.classes == steps.classes
    assert "weights" in direct.meta and "weights" not in steps.meta


def test_the_label_image_of_an_image_lies_on_its_pixels(voxcli, folder):
    # 40 x 24 pixels: the model looks at the 24 x 24 in the middle, 16 x 16 fruxels of 1.5 pixels.
    rgb = np.random.default_rng(0).integers(0, 255, (24, 40, 3), dtype=np.uint8)
    Image.fromarray(rgb).save(folder / "wide.png")
    weights = ("--weights", "best.safetensors")
    assert voxcli("predict", "wide.png", *weights, "-o", "wide.npz")[0] == 0
    assert voxcli("segment", "wide.npz", "-o", "small.png", "--indices")[0] == 0
    assert voxcli("segment", "wide.png", *weights, "-o", "full.png", "--indices")[0] == 0
    small, full = (np.asarray(Image.open(folder / name)).astype(int) for name in ("small.png", "full.png"))
    assert full.shape == (24, 40) and (full[:, :8] == 255).all() and (full[:, 32:] == 255).all()
    for j, i in np.ndindex(24, 24):
        assert full[j, 8 + i] == small[int((j + 0.5) / 1.5), int((i + 0.5) / 1.5)]


def test_voxels_and_occupancies_have_instances_too(refused, voxcli, folder):
    labels = np.zeros((4, 4, 4), np.uint8)
    labels[0, 0, 0] = labels[3, 3, 3] = 1
    files.write(folder / "soft.npz", VoxelGrid(occupancy=labels * np.float32(0.7)))
    assert voxcli("segment", "soft.npz", "-o", "out.json")[0] == 0
    assert [(each["name"], each["volume"]) for each in record(folder)["instances"]] == [("object 1", 1), ("object 2", 1)]
    assert voxcli("segment", "soft.npz", "-o", "none.json", "--threshold", "0.8")[0] == 0
    assert record(folder, "none.json")["instances"] == []
    assert voxcli("segment", "soft.npz", "-o", "one.json", "--gap", "3.5")[0] == 0  # 2 sqrt(3) = 3.46 apart
    assert len(record(folder, "one.json")["instances"]) == 1
    refused("segment", "soft.npz", "-o", "out.png", named=("soft.npz", "voxels have none"))


def test_a_scene_of_nothing_gives_files_of_nothing(refused, voxcli, folder):
    scene = fruxel_grid()
    files.write(folder / "air.npz", replace(scene, labels=np.zeros_like(scene.labels)))
    assert voxcli("segment", "air.npz", "-o", "out.json")[0] == 0
    assert record(folder)["instances"] == []
    assert voxcli("segment", "air.npz", "-o", "out.npz")[0] == 0 and not files.read(folder / "out.npz").labels.any()
    assert voxcli("segment", "air.npz", "-o", "out.png")[0] == 0 and (np.asarray(Image.open(folder / "out.png")) == 255).all()
    for name, more in (("out.glb", ()), ("parts", ("--split", "glb"))):
        refused("segment", "air.npz", "-o", name, *more, named=("no instance", "air.npz"))


@pytest.mark.parametrize("shape", [(0, 3, 3), (3, 0, 3), (3, 3, 0), (0, 0, 0)])
@pytest.mark.parametrize("gap", ["0", "1"])
def test_a_grid_of_no_cells_has_no_instances(refused, voxcli, folder, shape, gap):
    files.write(folder / "none.npz", VoxelGrid(np.zeros(shape, bool)))
    code, _, errors = voxcli("segment", "none.npz", "-o", "out.json", "--gap", gap)
    assert (code, errors) == (0, "out.json: 0 instances\n") and record(folder)["instances"] == []
    refused("segment", "none.npz", "-o", "out.glb", named="no instance")


def test_pieces_of_an_earlier_call_are_replaced_and_nothing_else_is(voxcli, folder):
    line = ("segment", "scene.npz", "-o", "parts", "--split", "ply")
    assert voxcli(*line)[0] == 0
    for name in ("car-notes.ply", "car-1.obj", "mine-1.ply"):
        (folder / "parts" / name).write_text("kept")
    code, _, errors = voxcli(*line, "--only", "car", "--overwrite")
    assert code == 0 and "2 pieces of an earlier call removed" in errors
    assert sorted(path.name for path in (folder / "parts").iterdir()) == ["car-1.obj", "car-1.ply", "car-notes.ply", "mine-1.ply"]


def test_one_legend_serves_scenes_of_the_same_classes(refused, voxcli, folder):
    (folder / "in").mkdir()
    files.write(folder / "in" / "a.npz", fruxel_grid())
    files.write(folder / "in" / "b.npz", fruxel_grid())
    line = ("segment", "in", "--format", "png", "--legend", "legend.json")
    assert voxcli(*line, "-o", "out")[:2] == (0, "")
    assert sorted(path.name for path in (folder / "out").iterdir()) == ["a.png", "b.png"]
    refused(*line, "-o", "again", named="legend.json")
    names = ("air", *reversed(fruxel_grid().classes.names[1:]))
    files.write(folder / "in" / "b.npz", replace(fruxel_grid(), classes=Labels(names)), overwrite=True)
    code, text, errors = voxcli(*line, "-o", "third", "--overwrite")
    assert (code, text) == (2, "") and "different classes" in errors and "b.npz" in errors


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("segment car.obj -o out.json", "car.obj has no cells"),
        ("segment car.obj -o out.json", "-m jof"),
        ("segment car.obj -o out.json -m uclid", "uclid divides nothing"),
        ("segment scene.npz -o out.json --only air", "class 'air'"),
        ("segment scene.npz -o parts --split json", "npz, h5, hdf5, binvox, vox"),
        ("segment scene.npz -o -", "binvox, glb, h5, hdf5, json"),
        ("segment scene.npz -o out.xyzzy", "glb"),
        ("segment cloud.npz -o out.json", "cloud.npz has no cells"),
        ("segment scene.npz -o out.json --gap -1", "--gap"),
        ("segment scene.npz -o out.json --gap nan", "--gap"),
        ("segment scene.npz -o out.json --min-volume -1", "--min-volume"),
        ("segment scene.npz -o out.json --only carr", "Did you mean 'car'?"),
        ("segment scene.npz -o parts --split glbb", "glbb"),
        ("segment scene.npz -o parts --split png", "PNG holds a whole scene"),
        ("segment scene.npz -o - --split glb", "-o"),
        ("segment scene.npz -o parts --split glb --format npz", "contradict"),
        ("segment scene.npz -o out.mat", "cannot"),
        ("segment scene.npz -o out.png --legend legend.txt", "JSON"),
        ("segment street.png -o out.png -m sszz", "Did you mean 'ssz'?"),
        ("segment street.png -o out.png --fov 200", "--fov"),
        ("segment street.png -o out.png --fov 40 --camera c.yaml", "contradict"),
    ],
)
def test_calls_of_segment_that_cannot_be_carried_out(voxcli, folder, words, said):
    files.write(folder / "cloud.npz", PointCloud(box_mesh().vertices))
    before = sorted(folder.rglob("*"))
    code, text, errors = voxcli(*words.split())
    assert (code, text) == (2, "") and said in errors and len(errors.splitlines()) <= 3, errors
    assert "internal error" not in errors and sorted(folder.rglob("*")) == before


def test_parts_of_one_object_are_one_and_crumbs_are_none_unless_it_is_said_otherwise(voxcli, tmp_path):
    frustum = Frustum(64, 64, 64, 2.0, 4.0, 40.0)  # a cell near the middle is about 3 cm each way
    labels = np.zeros(frustum.shape, np.uint8)
    labels[20:30, 20:30, 10:20] = labels[20:30, 20:30, 22:30] = 2  # a car with a gap of two columns, some 6 cm
    labels[50, 50, 50] = 2  # a crumb
    files.write(tmp_path / "a.npz", FruxelGrid(labels, frustum))

    def count(*flags):
        assert voxcli("segment", "a.npz", "-o", "a.json", "--overwrite", *flags)[0] == 0
        found = json.loads((tmp_path / "a.json").read_text())
        return len(found["instances"]), found["left_out"]["instances"], found["meta"]["options"]["gap"]

    assert count() == (1, 1, 0.1)
    assert count("--gap", "0", "--min-volume", "0") == (3, 0, 0.0)
    assert count("--min-volume", "0") == (2, 0, 0.1)
    assert voxcli("segment", "a.npz", "-o", "a.png", "--indices")[0] == 0
    assert voxcli("segment", "a.npz", "-o", "all.png", "--indices", "--gap", "0", "--min-volume", "0")[0] == 0
    assert (np.asarray(Image.open(tmp_path / "a.png")) == np.asarray(Image.open(tmp_path / "all.png"))).all()


@pytest.mark.slow
def test_objects_of_streets_are_counted_as_a_person_counts_them(voxcli, tmp_path):
    """Of the objects that the picture shows within the frustum, but buildings, which touch: right within one in four scenes of five."""
    assert voxcli("synth", "street", "-o", "data", "--count", "40", "--seed", "1000", "--picture-scale", "2")[0] == 0
    assert voxcli("segment", "data/fruxels", "-o", "found", "--format", "json")[0] == 0
    right = 0
    for path in sorted((tmp_path / "data/poses").glob("*.json")):
        shown = np.asarray(Image.open(tmp_path / f"data/instances/{path.stem}.png"))
        there = [thing for thing in json.loads(path.read_text())["objects"] if thing["class"] != "building"
                 and thing["translation"][2] < 12 and (shown == thing["instance"]).sum() > 40]  # fmt: skip
        found = json.loads((tmp_path / f"found/{path.stem}.json").read_text())["instances"]
        right += abs(sum(each["class"] not in ("building", "ground") for each in found) - len(there)) <= 1
    assert right >= 32
