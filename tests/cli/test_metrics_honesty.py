"""Scores that cannot be taken for others: what is empty and what is garbage, choices that changed a sample, rows that say what they are."""

import csv
import io
import json

import numpy as np
import pytest
from example_files import box_mesh, fruxel_grid, street_picture
from PIL import Image

from voxcli import files
from voxcli.metrics.presets import PRESETS
from voxcli.scene import FruxelGrid, Mesh, PointCloud, VoxelGrid
from voxcli.version import __version__

CYCLE = '{"asset": {"version": "2.0"}, "nodes": [{"children": [1]}, {"children": [0]}], "scenes": [{"nodes": [0]}], "scene": 0}'
HELLO = "hello I am text\n"
NOTHING = Mesh(np.zeros((0, 3)), np.zeros((0, 3), np.int64))


def cloud(seed, count=40, size=1.0):
    return PointCloud(size * np.random.default_rng(seed).random((count, 3)))


def record(text):
    (line,) = text.splitlines()
    return json.loads(line)


# ------------------------------------------------------------------------------------------------ empty, and broken


@pytest.mark.parametrize(("name", "content"), [("text.obj", HELLO), ("text.stl", HELLO), ("cycle.gltf", CYCLE), ("half.stl", "solid x\n")])
def test_a_file_that_is_no_mesh_is_not_an_empty_prediction(refused, tmp_path, name, content):
    (tmp_path / name).write_text(content)
    files.write(tmp_path / "b.npy", cloud(0))
    files.write(tmp_path / "b.obj", box_mesh())
    for line in (["iou", name, name, "--resolution", 16], ["iou", name, "b.obj"], ["chamfer", name, "b.npy"],
                 ["chamfer", name, "b.npy", "--preset", "onet"], ["chamfer", "b.npy", name]):  # fmt: skip
        assert f"{name} holds no faces" in refused("metrics", *line)


def test_a_file_with_faces_and_no_vertices_is_not_an_empty_prediction(refused, tmp_path):
    header = "ply\nformat ascii 1.0\nelement vertex 0\nproperty float x\nproperty float y\nproperty float z\nelement face 1\n"
    (tmp_path / "a.ply").write_text(f"{header}property list uchar int vertex_indices\nend_header\n3 0 1 2\n")
    files.write(tmp_path / "b.obj", box_mesh())
    assert "a.ply" in refused("metrics", "iou", "a.ply", "b.obj")


def test_what_our_writers_make_of_nothing_is_an_empty_prediction(voxcli, tmp_path):
    for suffix in ("obj", "off", "stl", "ply"):
        files.write(tmp_path / f"none.{suffix}", NOTHING)
    (tmp_path / "text.stl").write_text("solid nothing\nendsolid nothing\n")
    files.write(tmp_path / "none.npz", VoxelGrid(occupancy=np.zeros((4, 4, 4), bool)))
    files.write(tmp_path / "b.obj", box_mesh())
    for name in ("none.obj", "none.off", "none.stl", "none.ply", "text.stl", "none.npz"):
        code, text, errors = voxcli("metrics", "iou", name, "b.obj")
        assert code == 0 and record(text)["value"] == 0, (name, errors)
        code, text, _ = voxcli("metrics", "chamfer", name, "b.obj", "--points", 20)
        assert code == 0 and record(text)["value"] is None


# ------------------------------------------------------------------------------------------------ flags and numbers


@pytest.mark.parametrize("value", ["0", "-3", "nan", "inf", "-inf"])
def test_scales_are_positive(refused, tmp_path, value):
    for name in ("a.npy", "b.npy"):
        files.write(tmp_path / name, cloud(0))
    words = "is out of range" if np.isfinite(float(value)) else "must be a finite number"
    for metric in ("chamfer", "hausdorff", "emd", "all"):
        assert f"--scale {words}" in refused("metrics", metric, "a.npy", "b.npy", f"--scale={value}")
    assert f"--depth-scale {words}" in refused("metrics", "depth", "a.npy", "b.npy", f"--depth-scale={value}")


@pytest.mark.parametrize("size", [1e31, 1e200])
def test_coordinates_beyond_any_distance_are_refused_with_the_largest(refused, tmp_path, size):
    files.write(tmp_path / "far.npy", PointCloud(np.array([[0.0, 0, 0], [size, 1, 2], [3, 4, 5]])))
    files.write(tmp_path / "far.obj", Mesh(box_mesh().vertices * size, box_mesh().faces))
    files.write(tmp_path / "b.obj", box_mesh())
    largest = {"far.npy": size, "far.obj": float(np.abs(box_mesh().vertices).max()) * size}
    for name, number in largest.items():
        pairs = ((name, "b.obj"), ("b.obj", name))
        lines = [["metrics", metric, *pair] for metric in ("chamfer", "fscore", "hausdorff", "emd", "iou") for pair in pairs]
        for line in [*lines, ["metrics", "iou", name, "b.obj", "--shell"], ["view", name, "-o", "p.png"]]:
            errors = refused(*line)
            assert f"{number:g}" in errors and name in errors
    assert not (tmp_path / "p.png").exists()


# ------------------------------------------------------------------------------------------------ what changed a sample


def test_a_cloud_with_too_few_points_says_that_it_was_drawn_from_again(voxcli, tmp_path):
    for name, count in (("few.npy", 30), ("many.npy", 80)):
        files.write(tmp_path / name, cloud(count, count))
    for line in (["chamfer"], ["emd"], ["all"], ["iou", "--shell"]):
        code, text, errors = voxcli("metrics", line[0], "few.npy", "many.npy", "--points", 50, *line[1:])
        assert code == 0 and errors.count("prediction holds 30 points, and 50 were asked for") == 1 and "ground truth holds" not in errors
        for params in (json.loads(row)["params"] for row in text.splitlines()):
            assert params["replaced"] is True and params["held"] == [30, 50]
    code, text, errors = voxcli("metrics", "chamfer", "few.npy", "many.npy", "--points", 30)
    assert (code, errors) == (0, "") and "replaced" not in record(text)["params"]


def test_a_folder_is_warned_about_once_with_a_count(voxcli, tmp_path):
    for folder in ("pred", "gt"):
        for k, count in enumerate((20, 30, 80)):
            files.write(tmp_path / f"{folder}/{k}.npy", cloud(k, count))
    code, _, errors = voxcli("metrics", "chamfer", "pred", "gt", "--points", 50)
    assert code == 0 and errors.count("warning") == 1 and "in 2 of 3 pairs" in errors
    assert "0: the prediction holds 20 points" in voxcli("metrics", "chamfer", "pred", "gt", "--points", 50, "-v")[2]


def test_the_shell_says_what_lies_outside_its_box(voxcli, tmp_path):
    inside = np.random.default_rng(0).random((30, 3))
    files.write(tmp_path / "a.npy", PointCloud(np.concatenate([inside, inside[:10] + 5])))
    files.write(tmp_path / "b.npy", PointCloud(inside))
    code, text, errors = voxcli("metrics", "iou", "a.npy", "b.npy", "--shell", "--points", 30)
    share = record(text)["parts"]["outside"]
    assert code == 0 and 0 < share["pred"] < 1 and share["gt"] == 0 and f"{100 * share['pred']:.3g} % of the prediction" in errors
    code, text, errors = voxcli("metrics", "iou", "b.npy", "b.npy", "--shell", "--points", 30)
    assert (code, errors) == (0, "") and record(text)["parts"]["outside"] == {"pred": 0, "gt": 0}


def test_cameras_that_differ_stand_in_the_record(voxcli, tmp_path):
    grid, poses = fruxel_grid(), [np.eye(4) for _ in range(3)]
    poses[1][0, 3], poses[2][0, 3] = 1, 2
    for name, pose in zip("nab", poses, strict=True):
        files.write(tmp_path / f"{name}.npz", FruxelGrid(grid.labels, grid.frustum, pose, grid.classes))
    one_without = "one without a pose, not compared"
    for pair, wanted in (("aa", "same"), ("ab", "differ, not compared"), ("nb", one_without), ("nn", "no pose stated")):
        code, text, errors = voxcli("metrics", "iou", f"{pair[0]}.npz", f"{pair[1]}.npz")
        assert code == 0 and record(text)["params"]["cameras"] == wanted and record(text)["value"] == 1
        assert errors.count("warning: the cameras stand in different places") == (pair == "ab")


@pytest.mark.parametrize("preset", [name for name, p in PRESETS.items() if {"chamfer", "fscore", "emd", "hausdorff"} & set(p.metrics)])
def test_a_record_has_every_choice_of_its_preset(voxcli, tmp_path, preset):
    files.write(tmp_path / "a.npz", VoxelGrid(occupancy=np.ones((3, 3, 3), bool), origin=np.full(3, -1.0), voxel_size=np.full(3, 0.5)))
    files.write(tmp_path / "b.obj", box_mesh())
    code, text, errors = voxcli("metrics", "all", "a.npz", "b.obj", "--preset", preset)
    assert code == 0, errors
    for line in text.splitlines():
        found = json.loads(line)
        wanted = dict(PRESETS[preset].metrics["emd" if found["metric"] == "approxmatch" else found["metric"]])
        if wanted.get("method") == "auto":
            del wanted["method"]  # the record names the one that was taken
        listed = {k: list(v) if isinstance(v, tuple) else v for k, v in wanted.items()}
        assert {k: found["params"].get(k, "missing") for k in listed} == listed


def test_the_shell_of_uclid_states_what_stands_in_for_nothing(voxcli, tmp_path):
    files.write(tmp_path / "b.obj", box_mesh())
    params = record(voxcli("metrics", "iou", "b.obj", "b.obj", "--preset", "uclid")[1])["params"]
    assert {k: params[k] for k in ("empty_points", "points", "resolution", "normalise", "percent", "preset")} == {
        "empty_points": 100, "points": 7000, "resolution": 50, "normalise": "unit-sphere", "percent": True, "preset": "uclid",
    }  # fmt: skip


# ------------------------------------------------------------------------------------------------ pipes and rows


@pytest.mark.parametrize("side", [0, 1])
def test_one_of_the_two_may_come_through_a_pipe(voxcli_process, tmp_path, side):
    files.write(tmp_path / "a.npy", cloud(0))
    files.write(tmp_path / "b.ply", cloud(1))
    pair, name = ["a.npy", "b.ply"], ("npy", "ply")[side]
    plain = json.loads(voxcli_process("metrics", "chamfer", *pair)[1])
    piped = (tmp_path / pair[side]).read_bytes()
    pair[side] = "-"
    code, text, errors = voxcli_process("metrics", "chamfer", *pair, "--input-format", name, input=piped)
    assert (code, errors) == (0, "") and json.loads(text)["value"] == plain["value"]
    code, text, errors = voxcli_process("metrics", "chamfer", *pair, input=piped)
    assert (code, text) == (2, "") and "--input-format" in errors


def test_an_input_format_without_a_pipe_is_that_of_both(voxcli, tmp_path):
    for folder, suffix in (("pred", "a"), ("gt", "b")):
        (tmp_path / folder).mkdir()
        files.write(tmp_path / f"{folder}/x.npy", cloud(0))
        (tmp_path / f"{folder}.{suffix}").write_bytes((tmp_path / f"{folder}/x.npy").read_bytes())
    files.write(tmp_path / "pred/other.ply", cloud(0))
    for pair in (("pred.a", "gt.b"), ("pred", "gt")):
        code, text, errors = voxcli("metrics", "hausdorff", *pair, "--input-format", "npy")
        assert (code, errors) == (0, "") and record(text)["value"] == 0


def test_a_picture_goes_from_pipe_to_pipe(voxcli_process, tmp_path):
    files.write(tmp_path / "a.png", street_picture())
    piped = (tmp_path / "a.png").read_bytes()
    pictures = [voxcli_process("view", "-", "-o", "-", "--input-format", "png", *more, input=piped) for more in ([], ["--format", "png"])]
    assert pictures[0] == pictures[1] and pictures[0][0] == 0 and pictures[0][1][1:4] == "PNG"
    code, text, errors = voxcli_process("view", "a.png", "-o", "-", "--format", "glb")
    assert (code, text) == (2, "") and "PNG" in errors


@pytest.mark.parametrize(("format", "delimiter"), [("csv", ","), ("tsv", "\t")])
def test_rows_say_what_their_numbers_are(voxcli, tmp_path, format, delimiter):
    for k in range(2):
        files.write(tmp_path / f"pred/{k}.npy", cloud(k))
        files.write(tmp_path / f"gt/{k}.npy", cloud(k + 2))
    lines = [json.loads(line) for line in voxcli("metrics", "chamfer", "pred", "gt", "--preset", "meshrcnn")[1].splitlines()]
    code, text, _ = voxcli("metrics", "chamfer", "pred", "gt", "--preset", "meshrcnn", "--format", format)
    rows = list(csv.DictReader(io.StringIO(text), delimiter=delimiter))
    assert code == 0 and [row["name"] for row in rows] == ["0", "1", "mean over samples"]
    for row, line in zip(rows, lines, strict=True):
        assert (row["metric"], row["preset"], row["pred"], row["gt"]) == ("chamfer", "meshrcnn", line["pred"], line["gt"])
        assert float(row["chamfer"]) == line["value"]
        assert json.loads(row["params"]) == {k: v for k, v in line["params"].items() if k != "summary"}
        assert list(row)[-4:] == ["params", "voxcli_version", "pred_sha256", "gt_sha256"]
        assert row["voxcli_version"] == line["meta"]["voxcli_version"] == __version__
        digests = [line["meta"]["inputs"].get(line[side], "") for side in ("pred", "gt")]
        assert [row["pred_sha256"], row["gt_sha256"]] == digests and (row["name"] == "mean over samples" or "" not in digests)
    _, text, _ = voxcli("metrics", "all", "pred/0.npy", "gt/0.npy", "--format", format)
    (row,) = csv.DictReader(io.StringIO(text), delimiter=delimiter)
    assert row["metric"] == "chamfer fscore hausdorff normals" and set(json.loads(row["params"])) == set(row["metric"].split())
    assert row["preset"] == "" and row["pred"] == "pred/0.npy" and list(row)[0] == "name"


# ------------------------------------------------------------------------------------------------ probabilities


@pytest.mark.parametrize("suffix", ["npz", "h5"])
def test_thresholds_presets_and_levels_meet_the_probabilities_of_our_own_files(voxcli, tmp_path, suffix):
    chances = np.zeros((8, 8, 8), np.float32)
    chances[2:6, 2:6, 2:6] = 0.45
    chances[2:6, 2:6, 2:4] = 0.9
    files.write(tmp_path / f"a.{suffix}", VoxelGrid(occupancy=chances >= 0.5, probabilities=chances))
    files.write(tmp_path / "b.npz", VoxelGrid(occupancy=chances >= 0.4))
    for choice, value in ([], 0.5), (["--threshold", 0.4], 1), (["--preset", "pix2vox"], 1), (["--best-threshold"], 1):
        code, text, errors = voxcli("metrics", "iou", f"a.{suffix}", "b.npz", *choice)
        assert code == 0 and record(text)["value"] == value, (choice, errors)
        assert "probabilities" not in errors
    distances = [record(voxcli("metrics", "hausdorff", f"a.{suffix}", "b.npz", "--points", 500, *choice)[1])["value"]
                 for choice in ([], ["--iso", 0.4])]  # fmt: skip
    assert distances[0] > 1.5 and distances[1] < 1


def test_a_threshold_without_probabilities_to_meet_is_warned_of(voxcli, tmp_path):
    files.write(tmp_path / "a.binvox", VoxelGrid(occupancy=np.ones((4, 4, 4), bool)))
    assert "no probabilities" in voxcli("metrics", "iou", "a.binvox", "a.binvox", "--preset", "pix2vox")[2]
    assert "no probabilities" not in voxcli("metrics", "iou", "a.binvox", "a.binvox")[2]


# ------------------------------------------------------------------------------------------------ units of images


@pytest.mark.parametrize("side", ["pred", "gt"])
def test_occupancies_that_are_no_probabilities_are_warned_of(voxcli, tmp_path, side):
    logits = np.linspace(-3, 5, 64, dtype=np.float32).reshape(4, 4, 4)
    chances = 1.0005 * (logits > 0).astype(np.float32)  # as interpolation leaves them
    for k, values in enumerate((logits, chances)):
        files.write(tmp_path / f"{side}/{k}.npz", VoxelGrid(occupancy=values))
        files.write(tmp_path / f"{'gt' if side == 'pred' else 'pred'}/{k}.npz", VoxelGrid(occupancy=logits > 0))
    code, text, errors = voxcli("metrics", "iou", "pred/0.npz", "gt/0.npz")
    assert code == 0 and record(text)["params"]["no_probabilities"] == {side: [-3.0, 5.0]}
    assert len(errors.splitlines()) == 1 and "from -3 to 5" in errors
    code, text, errors = voxcli("metrics", "iou", "pred/1.npz", "gt/1.npz")
    assert (code, errors) == (0, "") and "no_probabilities" not in record(text)["params"]
    assert "in 1 of 2 pairs" in voxcli("metrics", "iou", "pred", "gt")[2]


def test_a_record_states_the_unit_of_depth_and_medians_that_differ_are_warned_of(voxcli, tmp_path):
    depth = np.random.default_rng(3).uniform(5, 50, (12, 16)).astype(np.float32)
    np.save(tmp_path / "pred.npy", depth)
    Image.fromarray(np.rint(depth * 256).astype(np.uint16)).save(tmp_path / "gt.png")

    def run(*more):
        code, text, errors = voxcli("metrics", "depth", "pred.npy", "gt.png", *more)
        assert code == 0, errors
        return record(text), errors

    right, errors = run("--depth-scale", 1 / 256)
    assert right["value"] < 0.002 and right["params"]["depth_scale"] == 1 / 256 and not errors
    assert run("--preset", "kitti")[0]["params"]["depth_scale"] == 1 / 256
    wrong, errors = run()
    assert wrong["value"] > 1 and wrong["params"]["depth_scale"] == 0.001 and "3.91" not in errors and "0.256" in errors
    assert wrong["parts"]["median_ratio"] == pytest.approx(256 / 1000, rel=1e-3)
    assert not run("--align", "median")[1]


# ------------------------------------------------------------------------------------------------ ids


def test_a_prediction_of_training_ids_meets_a_truth_of_raw_ids(voxcli, refused, tmp_path):
    """Case by hand: three of nineteen classes are there and right."""
    ids = np.zeros((256, 256, 32), np.uint16)
    ids[50:90, 100:140, 2:4], ids[60:70, 110:120, 4:9], ids[80:85, 130:135, 4:20] = 9, 1, 13
    raw = np.zeros(20, np.uint16)
    raw[[1, 9, 13]] = 10, 40, 50
    ids.tofile(tmp_path / "learn.label")
    raw[ids].tofile(tmp_path / "gt.label")
    assert "training ids" in refused("metrics", "iou", "learn.label", "gt.label", "--preset", "kitti-ssc")
    for truth in ("gt.label", "learn.label"):
        code, text, errors = voxcli("metrics", "iou", "learn.label", truth, "--preset", "kitti-ssc", "--ids", "training")
        assert code == 0 and record(text)["value"] == pytest.approx(3 / 19) and record(text)["params"]["ids"] == "training", errors
