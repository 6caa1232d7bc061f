"""`voxcli metrics ...`: pairs, categories, gates, presets and bad input, as users meet them."""

import json

import numpy as np
import pytest
from example_files import FILES, box_mesh, depth_map, fruxel_grid, prediction

from voxcli import files
from voxcli.metrics.presets import PRESETS
from voxcli.models.weights import SHIPPED
from voxcli.scene import Camera, DepthMap, Frustum, FruxelGrid, Labels, Mesh, PointCloud, VoxelGrid

CLASSES = Labels(("air", "wood", "steel", "glass"))


def cloud(seed, count=40):
    return PointCloud(np.random.default_rng(seed).random((count, 3)))


def grid(values, **more):
    return VoxelGrid(occupancy=np.asarray(values), **more)


def put(folder, **things):
    """Write things under their names, / written as __; a suffix stands behind the last _."""
    for name, thing in things.items():
        path = folder / ".".join(name.replace("__", "/").rsplit("_", 1))
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write(path, thing)


SCENE = "camera: {position: [0, 1, 3], look_at: [0, 0, 0], width: 8, height: 8, fov_x_deg: 60}\n"


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def set_of_three(tmp_path):
    """Two chairs and a table, and one prediction and one truth without a partner."""
    for k, name in enumerate(("chair/a", "chair/b", "table/c")):
        put(tmp_path, **{f"pred/{name}_ply": cloud(k), f"gt/{name}_ply": cloud(k + 10)})
    put(tmp_path, pred__chair__lost_ply=cloud(5), gt__chair__missed_ply=cloud(6))


# ------------------------------------------------------------------------------------------------ sets


def test_unmatched_names_are_listed_and_stand_in_the_summary(voxcli, set_of_three):
    code, text, errors = voxcli("metrics", "chamfer", "pred", "gt")
    assert code == 0 and "chair/lost" in errors and "chair/missed" in errors
    assert lines(text)[-1]["parts"]["unmatched"] == {"pred": ["chair/lost"], "gt": ["chair/missed"]}


def test_every_unmatched_name_is_listed_even_if_one_pair_is_left(voxcli, tmp_path):
    lost = [f"lost{k}" for k in range(9)]
    put(tmp_path, pred__a_ply=cloud(0), gt__a_ply=cloud(1), **{f"pred__{name}_ply": cloud(2) for name in lost})
    code, text, errors = voxcli("metrics", "chamfer", "pred", "gt")
    (record,) = lines(text)
    assert code == 0 and all(name in errors for name in lost) and record["parts"]["unmatched"] == {"pred": lost, "gt": []}


@pytest.mark.parametrize("rule", ["parent", "^([a-z]+)/"])
def test_means_over_samples_and_over_categories_are_both_given(voxcli, set_of_three, rule):
    code, text, _ = voxcli("metrics", "chamfer", "pred", "gt", "--category-from", rule)
    *each, summary = lines(text)
    a, b, c = (record["value"] for record in each)
    assert code == 0 and summary["value"] == summary["parts"]["mean_over_samples"] == pytest.approx((a + b + c) / 3)
    assert summary["parts"]["mean_over_categories"] == pytest.approx(((a + b) / 2 + c) / 2)
    assert summary["parts"]["categories"]["chair"] == {"samples": 2, "value": pytest.approx((a + b) / 2)}
    _, table, _ = voxcli("metrics", "chamfer", "pred", "gt", "--category-from", rule, "--format", "csv")
    assert [row.split(",")[0] for row in table.splitlines()[4:]] == [
        "category chair", "category table", "mean over categories", "mean over samples",
    ]  # fmt: skip


def test_onet_prints_the_mean_over_categories_and_asks_for_them(refused, voxcli, tmp_path):
    for name, height in (("chair/a", 2), ("chair/b", 3), ("table/c", 1)):
        put(tmp_path, **{f"pred/{name}_obj": box_mesh((1, height, 1)), f"gt/{name}_obj": box_mesh((1, 1, 1))})
    refused("metrics", "iou", "pred", "gt", "--preset", "onet", named="--category-from")
    code, text, _ = voxcli("metrics", "iou", "pred", "gt", "--preset", "onet", "--category-from", "parent")
    summary = lines(text)[-1]
    assert code == 0 and summary["value"] == summary["parts"]["mean_over_categories"] != summary["parts"]["mean_over_samples"]
    assert summary["params"]["summary"] == PRESETS["onet"].summary["iou"] == "mean over categories"


def test_kitti_ssc_adds_counts_over_the_set_before_it_divides(voxcli, tmp_path):
    rng = np.random.default_rng(0)
    truths, guesses = rng.integers(0, 3, (2, 2, 4, 4, 4)).astype(np.uint8)  # glass is in neither, and counts 0
    truths[1, 0] = 255
    for k, (p, g) in enumerate(zip(guesses, truths, strict=True)):
        put(tmp_path, **{f"pred/{k}_npz": VoxelGrid(labels=p, classes=CLASSES), f"gt/{k}_npz": VoxelGrid(labels=g, classes=CLASSES)})
    code, text, _ = voxcli("metrics", "iou", "pred", "gt", "--preset", "kitti-ssc")
    kept = truths != 255
    p, g = guesses[kept], truths[kept]
    each = [((p == k) & (g == k)).sum() / max(((p == k) | (g == k)).sum(), 1) for k in (1, 2, 3)]
    summary = lines(text)[-1]
    assert code == 0 and summary["value"] == pytest.approx(np.mean(each)) and summary["params"]["summary"] == "pooled over the set"
    assert summary["parts"]["pooled"]["completion"] == pytest.approx(((p > 0) & (g > 0)).sum() / ((p > 0) | (g > 0)).sum())


def test_disn_joins_mean_precision_and_mean_recall(voxcli, set_of_three):
    code, text, _ = voxcli("metrics", "fscore", "pred", "gt", "--preset", "disn")
    *each, summary = lines(text)
    p, r = (np.mean([record["parts"][part]["<0.0125"] for record in each]) for part in ("precision", "recall"))
    assert code == 0 and summary["value"] == pytest.approx(2 * p * r / (p + r) if p + r else 0)


def test_the_best_threshold_is_one_for_the_whole_set(refused, voxcli, tmp_path):
    rng = np.random.default_rng(1)
    for k in range(2):
        truth = rng.random((6, 6, 6)) < 0.5
        put(tmp_path, **{f"pred/{k}_npz": grid((0.3 + 0.3 * truth * (1 + k)).astype(np.float32)), f"gt/{k}_npz": grid(truth)})
    at = [flag for t in (0.2, 0.5, 0.7) for flag in ("--threshold", t)]
    code, text, _ = voxcli("metrics", "iou", "pred", "gt", *at, "--best-threshold")
    summary = lines(text)[-1]
    assert code == 0 and summary["value"] == 1 and summary["params"]["value_at"] == ">=0.5"
    summary = lines(voxcli("metrics", "iou", "pred", "gt", "--best-threshold")[1])[-1]
    assert summary["value"] == 1 and summary["params"]["value_at"] == ">=0.31" and len(summary["params"]["thresholds"]) == 50
    refused(
        "metrics", "iou", "pred", "gt", "--best-threshold", "--preset", "pix2vox", named="--best-threshold contradicts the preset 'pix2vox'"
    )


# ------------------------------------------------------------------------------------------------ what is compared with what


def test_a_mesh_is_filled_on_the_grid_of_the_truth(voxcli, tmp_path):
    full = grid(np.ones((4, 4, 4), bool), origin=np.array([-0.5, 0, -0.5]), voxel_size=np.full(3, 0.25))
    put(tmp_path, box_obj=box_mesh((1, 1, 1)), gt_npz=full)
    code, text, _ = voxcli("metrics", "iou", "box.obj", "gt.npz")
    assert code == 0 and lines(text)[0]["value"] == 1 and lines(text)[0]["params"]["grid"] == [4, 4, 4]


def test_two_meshes_are_compared_by_points_or_on_a_lattice(voxcli, tmp_path):
    put(tmp_path, a_obj=box_mesh((1, 1, 1)), b_obj=box_mesh((1, 2, 1)))
    _, text, _ = voxcli("metrics", "iou", "a.obj", "b.obj")
    record = lines(text)[0]
    assert record["value"] == pytest.approx(0.5, abs=0.01) and record["params"]["of"] == "points" and record["params"]["padding"] == 0.1
    _, text, _ = voxcli("metrics", "iou", "a.obj", "b.obj", "--resolution", 42)
    assert lines(text)[0]["value"] == pytest.approx(0.5, abs=0.03) and lines(text)[0]["params"]["grid"] == [42] * 3


def test_different_frusta_are_refused_and_both_are_printed(refused, tmp_path):
    one = fruxel_grid()
    put(tmp_path, a_npz=one, b_npz=FruxelGrid(one.labels, Frustum(16, 16, 16, 2.0, 10.0, 60.0)))
    refused("metrics", "iou", "a.npz", "b.npz", named=("from 2 to 12", "from 2 to 10", "No shipped weights"))


@pytest.mark.skipif(not (SHIPPED / "rays-near.safetensors").is_file(), reason="no weights are shipped")
def test_weights_that_predict_in_the_frustum_of_the_truth_are_named(refused, tmp_path):
    one, far = Frustum(128, 128, 128, 2.0, 12.0, 40.0), Frustum(128, 96, 96, 2.0, 50.0, 70.0)
    put(
        tmp_path, **{f"{name}_npz": FruxelGrid(np.zeros((f.depth, f.height, f.width), np.uint8), f) for name, f in (("a", one), ("b", far))}
    )
    assert refused("metrics", "iou", "a.npz", "b.npz").rstrip().endswith("--weights rays")
    assert "--weights rays-near (or ssz)" in refused("metrics", "iou", "b.npz", "a.npz")


def test_a_table_has_a_dash_where_there_is_no_number(voxcli, tmp_path):
    put(tmp_path, a_npz=fruxel_grid())
    text = voxcli("metrics", "iou", "a.npz", "a.npz", "--format", "table")[1]
    assert {"bus": "-", "car": "1"}.items() <= dict(line.split() for line in text.splitlines()[2:]).items()


def test_masks_leave_cells_out(voxcli, tmp_path):
    truth = np.zeros((4, 4, 4), bool)
    truth[:2] = True
    guess = truth.copy()
    guess[0] = False
    first = np.zeros((4, 4, 4), bool)
    first[0] = True
    put(tmp_path, p_npz=grid(guess), g_npz=grid(truth), m_npz=grid(first))
    flags = ([], ["--mask", "m.npz"], ["--mask-out", "m.npz"])
    values = [lines(voxcli("metrics", "iou", "p.npz", "g.npz", *more)[1])[0]["value"] for more in flags]
    assert values == [0.5, 0, 1]


def test_parts_are_matched_over_their_category(voxcli, tmp_path):
    def labelled(labels):
        return PointCloud(np.arange(18.0).reshape(6, 3), labels=np.asarray(labels, np.uint8))

    put(tmp_path, pred__chair__a_npz=labelled([1, 1, 0, 0, 0, 1]), gt__chair__a_npz=labelled([0, 0, 1, 1, 1, 1]))
    put(tmp_path, pred__vase__b_npz=labelled([0] * 6), gt__vase__b_npz=labelled([0] * 6))
    code, text, _ = voxcli("metrics", "iou", "pred", "gt", "--preset", "bae-net", "--match-parts", "--category-from", "parent")
    chair, vase, _ = lines(text)
    assert code == 0 and chair["value"] == pytest.approx((2 / 3 + 3 / 4) / 2) and chair["params"]["preset"] == "bae-net"
    assert vase["value"] == 1 and len(vase["params"]["parts"]) == 1


def test_all_gives_what_the_commands_give(voxcli, tmp_path):
    put(tmp_path, a_ply=cloud(0), b_ply=cloud(1))
    together = {record["metric"]: record for record in lines(voxcli("metrics", "all", "a.ply", "b.ply")[1])}
    for metric in ("chamfer", "fscore", "hausdorff"):
        assert lines(voxcli("metrics", metric, "a.ply", "b.ply")[1]) == [together[metric]]


def test_depth_with_a_mask_counts_its_pixels_only(voxcli, tmp_path):
    wrong = depth_map().depth.copy()
    wrong[:16] += 1
    put(tmp_path, p_npy=DepthMap(wrong), g_npy=depth_map())
    from voxcli.scene import Picture

    seen = np.zeros((32, 32, 3), np.uint8)
    seen[16:] = 255
    put(tmp_path, m_png=Picture(seen))
    assert lines(voxcli("metrics", "depth", "p.npy", "g.npy")[1])[0]["parts"]["mse"] == pytest.approx(0.5)
    assert lines(voxcli("metrics", "depth", "p.npy", "g.npy", "--mask", "m.png")[1])[0]["value"] == 0


def test_depth_by_pix2scene_is_the_squared_error_along_the_rays(refused, voxcli, tmp_path):
    camera = Camera(np.array([[4.0, 0, 2], [0, 4, 1.5], [0, 0, 1]]), 4, 3)
    near, far = np.full((3, 4), 2.0, np.float32), np.full((3, 4), 3.0, np.float32)
    x, y = np.meshgrid((np.arange(4) + 0.5 - 2) / 4, (np.arange(3) + 0.5 - 1.5) / 4)
    longer = np.sqrt(1 + x**2 + y**2)
    truth = DepthMap((far * longer).astype(np.float32), "ray", camera)
    put(tmp_path, p_npz=DepthMap(near, "z", camera), g_npz=truth, bare_npy=DepthMap(near))
    code, text, _ = voxcli("metrics", "depth", "p.npz", "g.npz", "--preset", "pix2scene")
    record = lines(text)[0]
    assert code == 0 and record["value"] == pytest.approx((longer**2).mean(), rel=1e-6) == record["parts"]["mse"]
    assert record["params"]["preset"] == "pix2scene" and record["params"]["kind"] == "ray"
    _, text, _ = voxcli("metrics", "depth", "p.npz", "g.npz", "--kind", "z", "--value", "abs_rel")
    assert lines(text)[0]["value"] == pytest.approx(1 / 3, rel=1e-6)
    for flags, wanted in (
        (["p.npz", "g.npz", "--preset", "pix2scene", "--value", "rmse"], "--value contradicts the preset 'pix2scene'"),
        (["p.npz", "g.npz", "--preset", "pix2scene", "--kind", "z"], "--kind contradicts the preset 'pix2scene'"),
        (["p.npz", "g.npz", "--preset", "onet"], "does not define depth"), (["p.npz", "g.npz", "--value", "rmes"], "Did you mean 'rmse'"),
        (["bare.npy", "g.npz"], "camera"), (["p.npz", "g.npz", "--kind", "rays"], "Did you mean 'ray'"),
    ):  # fmt: skip
        refused("metrics", "depth", *flags, named=wanted)


def test_pose_by_jof_is_the_error_of_the_azimuth(refused, voxcli, tmp_path):
    (tmp_path / "a.yaml").write_text(SCENE)
    (tmp_path / "b.yaml").write_text(SCENE.replace("[0, 1, 3]", "[3, 2, 0]"))
    code, text, _ = voxcli("metrics", "pose", "a.yaml", "b.yaml", "--preset", "jof")
    record = lines(text)[0]
    assert code == 0 and record["value"] == pytest.approx(90) and record["params"]["preset"] == "jof"
    assert record["parts"]["rotation_deg"] > 90
    refused(
        "metrics", "pose", "a.yaml", "b.yaml", "--preset", "jof", "--value", "rotation_deg", named="--value contradicts the preset 'jof'"
    )


def test_empty_predictions_have_a_value_where_the_paper_gave_them_one(voxcli, tmp_path):
    put(tmp_path, gt_obj=box_mesh())
    np.save(tmp_path / "cloud.npy", np.zeros((0, 3)))
    (tmp_path / "points.xyz").write_text("# x y z\n")
    (tmp_path / "mesh.off").write_text("OFF\n0 0 0\n")
    np.savez(tmp_path / "grid.npz", occupancy=np.zeros((4, 4, 4), bool))
    for name in ("cloud.npy", "points.xyz", "mesh.off", "grid.npz"):
        value = lambda *words, name=name: lines(voxcli("metrics", words[0], name, "gt.obj", *words[1:])[1])[0]["value"]  # noqa: E731
        assert value("chamfer", "--preset", "onet") == pytest.approx(10 * 3**0.5)
        assert value("fscore", "--preset", "uclid") > 0 and value("iou", "--preset", "uclid") < 5
        assert value("hausdorff", "--points", 50, "--empty-penalty", 2, "--scale", 3) == 6
        code, text, errors = voxcli("metrics", "all", name, "gt.obj", "--points", 50)
        if name in ("cloud.npy", "points.xyz"):
            assert (code, text) == (2, "") and "no points" in errors
        else:  # a mesh or a grid of nothing is a prediction: F is 0, distances are not defined
            assert code == 0 and [record["value"] for record in lines(text)] == [None, 0, None, None]
    assert lines(voxcli("metrics", "iou", "mesh.off", "gt.obj")[1])[0]["value"] == 0
    assert lines(voxcli("metrics", "iou", "mesh.off", "mesh.off")[1])[0]["value"] == 1


def test_a_soft_matching_says_that_it_is_no_emd(voxcli, tmp_path):
    put(tmp_path, a_ply=cloud(0), b_ply=cloud(1), c_ply=cloud(2, 30))
    record = lines(voxcli("metrics", "emd", "a.ply", "b.ply", "--method", "approxmatch")[1])[0]
    assert record["metric"] == "approxmatch" and record["params"]["is_emd"] is False and "not an earth mover" in record["params"]["note"]
    record = lines(voxcli("metrics", "emd", "a.ply", "c.ply")[1])[0]
    assert record["metric"] == "emd" and record["params"]["exact"] is True and record["params"]["samples"] == [40, 30]
    record = lines(voxcli("metrics", "emd", "a.ply", "b.ply", "--exact-up-to", 20)[1])[0]
    assert record["params"]["exact"] is False and record["parts"]["lower_bound"] <= record["value"] and record["parts"]["gap_at_most"] >= 0


# ------------------------------------------------------------------------------------------------ refusals and gates


def test_a_flag_against_the_preset_is_an_error(refused, tmp_path):
    put(tmp_path, a_ply=cloud(0), b_ply=cloud(1))
    for flags, wanted in (
        (["chamfer", "--preset", "onet", "--squared"], "--squared contradicts the preset 'onet'"),
        (["chamfer", "--preset", "meshrcnn", "--to", "surface"], "--to contradicts the preset 'meshrcnn'"),
        (["chamfer", "--preset", "pixel2mesh", "--points", "9"], "--points contradicts the preset 'pixel2mesh'"),
        (["iou", "--preset", "pix2vox", "--threshold", "0.1"], "--threshold contradicts the preset 'pix2vox'"),
        (["all", "--preset", "pix2vox"], "Preset 'pix2vox' defines no distance"),
        (["emd", "--preset", "pix3x"], "Did you mean 'pix3d'"),
    ):
        refused("metrics", flags[0], "a.ply", "b.ply", *flags[1:], named=wanted)


@pytest.mark.parametrize("metric", ["chamfer", "fscore", "hausdorff", "emd", "all", "iou"])
@pytest.mark.parametrize("bad", ["nan.npy", "inf.npy", "empty.xyz", "flat.obj"])
def test_bad_shapes_are_refused_in_a_few_words(refused, tmp_path, metric, bad):
    points = np.random.default_rng(0).random((5, 3))
    for name, value in (("nan", np.nan), ("inf", np.inf)):
        points[0, 0] = value
        np.save(tmp_path / f"{name}.npy", points)
    (tmp_path / "empty.xyz").write_text("")
    put(tmp_path, flat_obj=Mesh(np.ones((3, 3)), np.array([[0, 1, 2]])), good_obj=box_mesh())
    refused("metrics", metric, bad, "good.obj", named=bad)


def test_bad_grids_are_refused_in_a_few_words(refused, voxcli, tmp_path):
    one = np.ones((4, 4, 4), bool)
    label = np.ones((4, 4, 4), np.uint8)
    put(tmp_path, a_npz=grid(one), small_npz=grid(one[:3]), l_npz=VoxelGrid(labels=label, classes=CLASSES))
    put(tmp_path, moved_npz=grid(one, origin=np.ones(3)), nan_npz=grid(np.full((4, 4, 4), np.nan, np.float32)))
    named = {"label_names": np.array(CLASSES.names), "empty_label": 0, "ignore_label": 255}
    np.savez(tmp_path / "odd.npz", labels=label * 9, **named)
    for pred, gt, flags in (
        ("small.npz", "a.npz", []), ("moved.npz", "a.npz", []), ("nan.npz", "a.npz", []), ("odd.npz", "l.npz", []),
        ("l.npz", "odd.npz", []), ("a.npz", "l.npz", ["--class", "wood"]), ("l.npz", "l.npz", ["--class", "gold"]),
        ("a.npz", "a.npz", ["--mask", "small.npz"]),
    ):  # fmt: skip
        code, text, errors = voxcli("metrics", "iou", pred, gt, *flags)
        assert (code, text) == (2, "") and 0 < errors.count("\n") <= 3
    (tmp_path / "hollow").mkdir()
    refused("metrics", "iou", "hollow", "hollow", named="No inputs in hollow")


def test_a_bad_pair_of_a_set_ends_it_by_name_or_is_left_out(refused, voxcli, set_of_three, tmp_path):
    (tmp_path / "pred/chair/b.ply").write_bytes(b"ply\n")
    refused("metrics", "chamfer", "pred", "gt", named="pred/chair/b.ply", warned=True)
    code, text, errors = voxcli("metrics", "chamfer", "pred", "gt", "--keep-going")
    assert code == 1 and len(lines(text)) == 3 and lines(text)[-1]["parts"]["samples"] == 2


@pytest.mark.parametrize(("words", "code"), [
    (["iou", "pred.npz", "gt.npz", "--fail-under", 0.8], 0), (["iou", "pred.npz", "gt.npz", "--fail-under", 0.9], 1),
    (["iou", "pred.npz", "gt.npz", "--fail-under", "completion=0.99"], 1), (["iou", "gt.npz", "gt.npz", "--fail-over", 0.99], 1),
    (["chamfer", "a.ply", "b.ply", "--fail-over", 1], 0), (["chamfer", "a.ply", "b.ply", "--fail-over", 0.001], 1),
    (["chamfer", "a.ply", "b.ply", "--fail-over", "accuracy=0.001", "--fail-over", 1], 1),
    (["fscore", "a.ply", "a.ply", "--fail-under", "recall.<0.01=1"], 0), (["fscore", "a.ply", "b.ply", "--fail-under", 0.9], 1),
    (["hausdorff", "a.ply", "b.ply", "--fail-over", "reverse=0.0001"], 1), (["emd", "a.ply", "b.ply", "--fail-over", 2], 0),
    (["all", "a.ply", "b.ply", "--fail-over", "chamfer=1", "--fail-under", "fscore=0"], 0),
    (["all", "a.ply", "b.ply", "--fail-over", "chamfer.accuracy=0.00001"], 1), (["all", "a.ply", "b.ply", "--fail-under", "normals=0"], 1),
    (["depth", "far.npy", "near.npy", "--fail-over", 0.9], 1), (["depth", "far.npy", "near.npy", "--fail-over", "abs_rel=0.9"], 0),
    (["depth", "far.npy", "near.npy", "--fail-under", "within.<1.25=0.99"], 1),
    (["pose", "a.yaml", "a.yaml", "--fail-over", 0], 0), (["pose", "a.yaml", "a.yaml", "--fail-under", "translation=1"], 1),
])  # fmt: skip
def test_gates_look_at_the_value_or_at_the_part_that_they_name(voxcli, tmp_path, words, code):
    put(tmp_path, pred_npz=prediction(), gt_npz=fruxel_grid(), a_ply=cloud(0), b_ply=cloud(1), near_npy=depth_map())
    put(tmp_path, far_npy=DepthMap(depth_map().depth + 1))
    (tmp_path / "a.yaml").write_text(SCENE)
    found, text, errors = voxcli("metrics", *words)
    assert found == code and lines(text) and bool(errors) == (code == 1)
    gates = [gate for record in lines(text) for gate in record["params"].get("gates", [])]
    assert len(gates) == sum(str(w).startswith("--fail") for w in words) and all(gate["passed"] for gate in gates) == (code == 0)
    assert {"of", "value", "passed"} <= set(gates[0])


def test_gates_of_a_set_look_at_its_summary(voxcli, set_of_three):
    code, text, _ = voxcli("metrics", "chamfer", "pred", "gt", "--fail-over", 0)
    *each, summary = lines(text)
    assert code == 1 and not any("gates" in record["params"] for record in each)
    assert summary["params"]["gates"] == [{"of": "chamfer", "fail_over": 0, "value": summary["value"], "passed": False}]
    assert summary["params"]["summary"] == "mean over samples"


@pytest.mark.parametrize(("words", "wanted"), [
    (["all", "--fail-over", "0.1"], "of which metric?"), (["all", "--fail-over", "chamfr=0.1"], "Did you mean 'chamfer'"),
    (["chamfer", "--fail-over", "completness=1"], "Did you mean 'completeness'"), (["chamfer", "--fail-under", "none"], "takes a number"),
    (["chamfer", "--fail-under", "chamfer=nan"], "takes a number"),
])  # fmt: skip
def test_gates_that_cannot_be_held_print_no_number(refused, tmp_path, words, wanted):
    put(tmp_path, a_ply=cloud(0), b_ply=cloud(1))
    refused("metrics", words[0], "a.ply", "b.ply", *words[1:], named=wanted)


def test_workers_change_nothing(voxcli_process, set_of_three):
    alone, together = (voxcli_process("metrics", "chamfer", "pred", "gt", "--workers", n) for n in (1, 2))
    assert alone == together and alone[0] == 0 and len(lines(alone[1])) == 4


def test_a_pipe_gets_json_lines(voxcli_process):
    code, text, _ = voxcli_process("metrics", "presets")
    assert code == 0 and {row["preset"] for row in lines(text)} == set(PRESETS)


@pytest.mark.parametrize("shape", ["box.obj", "cloud.ply", "grid.npz"])
def test_what_segment_writes_has_a_part_iou(refused, voxcli, tmp_path, shape):
    FILES["jof.safetensors"](tmp_path / "jof.safetensors")
    solid = np.zeros((8, 8, 8), bool)
    solid[1:7, 2:5, 1:6] = True
    put(tmp_path, box_obj=box_mesh(), cloud_ply=cloud(0, 300), grid_npz=grid(solid))
    target = {"box.obj": "parts.glb", "cloud.ply": "parts.ply", "grid.npz": "parts.npz"}[shape]
    assert voxcli("segment", shape, "--weights", "jof.safetensors", "-o", target)[0] == 0
    code, text, _ = voxcli("metrics", "iou", target, target, "--parts")
    (record,) = lines(text)
    assert code == 0 and record["value"] == 1 and "air" not in record["params"]["parts"]
    refused("metrics", "iou", target, shape, "--parts", named=f"The ground truth '{shape}' has no part labels")
    assert record["params"]["compared"].split()[0].rstrip(",") == {"glb": "faces", "ply": "points", "npz": "cells"}[target[-3:]]
