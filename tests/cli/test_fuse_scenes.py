"""`voxcli fuse-views` for fruxel scenes: two cameras of one scene YAML, fused."""

import json
from dataclasses import replace

import numpy as np
import pytest
from example_files import FILES, cameras, view_from

from voxcli import files
from voxcli.files.colmap import read_colmap_folder
from voxcli.geometry.cameras import to_colmap
from voxcli.scene import Labels

BOX = ("--box", "-1.5", "-0.5", "-9", "1.5", "2", "-3.5", "--resolution", "44")


@pytest.fixture
def folder(tmp_path):
    for name in ("left.npz", "right.npz", "transforms.json"):
        FILES[name](tmp_path / name)
    return tmp_path


def labels(folder, name="out.npz"):
    return files.read(folder / name).labels


def unplaced(folder):
    """Both views as if they were predicted without a camera."""
    for name, side in (("left", -1), ("right", 1)):
        files.write(folder / "unplaced" / f"{name}.npz", replace(view_from(side), world_to_cam=np.eye(4)))


def colmap(folder, scale):
    """Both cameras as COLMAP writes them, in a unit of `scale` metres."""
    camera = cameras()[0][1]
    folder.mkdir()
    lens = (1, "PINHOLE", camera.width, camera.height, *(float(camera.K[at]) for at in ((0, 0), (1, 1), (0, 2), (1, 2))))
    (folder / "cameras.txt").write_text(" ".join(map(str, lens)) + "\n")
    lines = []
    for number, (name, each) in enumerate(cameras(), start=1):
        wxyz, t = to_colmap(each.world_to_cam)
        lines += [" ".join([str(number), *(repr(float(v)) for v in (*wxyz, *(t / scale))), "1", name]), ""]
    (folder / "images.txt").write_text("\n".join(lines) + "\n")
    assert len(read_colmap_folder(folder)) == 2


def test_two_cameras_of_one_scene_are_fused_closer_to_its_voxels(voxcli, tmp_path):
    FILES["scene.yaml"](tmp_path / "scene.yaml")
    for name, side in (("left", -1), ("right", 1)):
        x = 4.5 * side
        (tmp_path / f"{name}.yaml").write_text(
            f"camera: {{width: 48, height: 48, fov_x_deg: 26, position: [{x}, 2.5, -1.5], look_at: [0, 0.7, -6]}}"
        )
        assert voxcli("fruxelize", "scene.yaml", "--camera", f"{name}.yaml", "-o", f"{name}.npz", "--fov", "26", "--rule", "centre")[0] == 0
    assert voxcli("fruxelize", "scene.yaml", "--grid", "voxel", "-o", "truth.npz", "--resolution", "42")[0] == 0
    truth = files.read(tmp_path / "truth.npz")
    low, high = truth.origin, truth.origin + np.array(truth.labels.shape) * truth.voxel_size
    box = ("--box", *map(repr, map(float, (*low, *high))), "--resolution", "42")
    scores = {}
    for name, sources in (("left", ["left.npz"]), ("right", ["right.npz"]), ("both", ["left.npz", "right.npz"])):
        assert voxcli("fuse-views", *sources, "-o", f"{name}-fused.npz", *box)[:2] == (0, "")
        made = labels(tmp_path, f"{name}-fused.npz")
        assert made.shape == truth.labels.shape
        scores[name] = ((made == 2) & (truth.labels == 2)).sum() / ((made == 2) | (truth.labels == 2)).sum()
    assert scores["both"] > max(scores["left"], scores["right"]) + 0.05, scores


def test_cameras_of_a_file_stand_in_for_those_of_the_scenes(voxcli, folder):
    unplaced(folder)
    colmap(folder / "sparse", 2.5)
    assert voxcli("fuse-views", "left.npz", "right.npz", "-o", "own.npz", *BOX)[:2] == (0, "")
    assert voxcli("fuse-views", "unplaced", "--cameras", "transforms.json", "-o", "json.npz", *BOX)[:2] == (0, "")
    for name in ("sparse", "sparse/images.txt"):
        line = ("fuse-views", "unplaced", "--cameras", name, "--camera-scale", "2.5", "-o", f"{name[-3:]}.npz", *BOX)
        assert voxcli(*line)[:2] == (0, "")
    own = labels(folder, "own.npz")
    assert (own == 2).any()
    for name in ("json", "rse", "txt"):
        assert (labels(folder, f"{name}.npz") != own).mean() < 1e-3  # quaternions round the last digit
    meta = files.read(folder / "rse.npz").meta
    assert {"cameras.txt", "images.txt"} <= {name.rpartition("/")[2] for name in meta["inputs"]}


def test_the_order_of_the_files_changes_no_byte(voxcli, folder):
    assert voxcli("fuse-views", "left.npz", "right.npz", "-o", "a.npz")[0] == 0
    assert voxcli("fuse-views", "right.npz", "left.npz", "-o", "b.npz")[0] == 0
    assert voxcli("fuse-views", "./right.npz", "left.npz", "-o", "c.npz")[0] == 0
    assert (folder / "a.npz").read_bytes() == (folder / "b.npz").read_bytes()
    assert (labels(folder, "a.npz") == labels(folder, "c.npz")).all()


def test_agreement_is_told_and_kept(voxcli, folder):
    code, text, errors = voxcli("fuse-views", "left.npz", "right.npz", "-o", "out.npz", *BOX, "-v")
    assert (code, text) == (0, "")
    lines = [line for line in errors.splitlines() if ": read, " not in line and not line.startswith("device")]
    assert lines[0].startswith("left.npz: sees ") and lines[1].startswith("right.npz: sees ") and lines[-2].startswith("unobserved: ")
    assert lines[-1].startswith("out.npz: 24x20x44 voxels, ")
    grid = files.read(folder / "out.npz")
    left, right = grid.meta["agreement"]
    assert (left["view"], right["view"]) == ("left.npz", "right.npz") and left["agreeing"] > 0.9
    assert set(left) == {"view", "seen", "visible", "agreeing", "agreeing_occupied", "shared"}
    assert grid.meta["unobserved"] == pytest.approx((grid.labels == 255).mean()) and grid.meta["options"]["method"] == "bayes"
    assert max(grid.labels.shape) == 44


def test_voxels_that_no_view_sees_are_ignored_or_empty_and_scored_both_ways(voxcli, refused, folder):
    for name, more in (("empty.npz", ("--unseen", "empty")), ("ignored.npz", ())):
        assert voxcli("fuse-views", "left.npz", "right.npz", "-o", name, "--resolution", "40", *more)[:2] == (0, "")
        code, text, errors = voxcli("metrics", "iou", name, "empty.npz", "--preset", "kitti-ssc")
        assert code == 0 and errors == "", errors
        scored = json.loads(text)
        assert {value for value in scored["parts"]["classes"].values() if value is not None} == {1} and scored["parts"]["completion"] == 1
    ignored, empty = labels(folder, "ignored.npz"), labels(folder, "empty.npz")
    assert (ignored == 255).any() and np.array_equal(empty, np.where(ignored == 255, 0, ignored))
    assert "'none'" in refused("fuse-views", "left.npz", "-o", "out.npz", "--unseen", "none")


def test_the_extension_picks_what_is_written(voxcli, folder):
    for name in ("out.glb", "out.vox", "out.binvox", "out.h5", "out.ply"):
        assert voxcli("fuse-views", "left.npz", "right.npz", "-o", name, *BOX, "--method", "vote")[:2] == (0, ""), name
    mesh = files.read(folder / "out.glb")
    low, high = mesh.vertices.min(0), mesh.vertices.max(0)
    np.testing.assert_allclose([low, high], [[-0.9, 0, -8.1], [0.9, 1.5, -3.9]], atol=0.42)  # one slice
    code, text, _ = voxcli("fuse-views", "left.npz", "right.npz", "-o", "-", "--format", "npz", *BOX)
    assert code == 0 and text


def test_views_in_the_same_place_are_warned_of(voxcli, folder):
    unplaced(folder)
    code, _, errors = voxcli("fuse-views", "unplaced", "-o", "out.npz")
    assert code == 0 and errors.startswith("warning: all views stand in the same place") and "--cameras" in errors


def test_views_of_different_places_are_warned_of(voxcli, folder):
    code, _, errors = voxcli("fuse-views", "left.npz", "right.npz", "-o", "near.npz", *BOX)
    assert code == 0 and "hardly any" not in errors
    moved = view_from(1).world_to_cam.copy()
    moved[:3, 3] -= moved[:3, :3] @ [500.0, 0, 0]
    files.write(folder / "far.npz", replace(view_from(1), world_to_cam=moved))
    code, _, errors = voxcli("fuse-views", "left.npz", "right.npz", "far.npz", "-o", "out.npz", *BOX)
    assert code == 0 and "hardly any voxel is also seen by another view: far.npz (0.0%)" in errors and "--cameras" in errors
    near, far = ({each["view"]: each["shared"] for each in files.read(folder / name).meta["agreement"]} for name in ("near.npz", "out.npz"))
    assert near["left.npz"] > 0.1 and far["left.npz"] == near["left.npz"] and far["far.npz"] is None


def test_what_a_view_cannot_say_is_left_out_of_the_account(voxcli, folder):
    code, _, errors = voxcli("fuse-views", "left.npz", "right.npz", "-o", "out.npz", "--resolution", "1", "-v")
    assert code == 0 and "in -" not in errors and "sees " in errors


@pytest.mark.parametrize("wrong", [np.nan, np.inf, 1.5, -0.5])
def test_probabilities_that_are_none_are_refused_by_name(refused, folder, wrong):
    view = view_from(1)
    shares = np.full((len(view.classes.names), *view.labels.shape), 1 / len(view.classes.names), np.float16)
    shares[2, 3, 4, 5] = wrong
    files.write(folder / "wrong.npz", replace(view, probabilities=shares))
    refused("fuse-views", "left.npz", "wrong.npz", "-o", "out.npz", *BOX, named="wrong.npz: probabilities must be numbers from 0 to 1")


def test_a_scene_is_one_view_however_often_it_is_named(refused, folder):
    refused("fuse-views", "left.npz", "right.npz", "./left.npz", "-o", "out.npz", named="left.npz is given twice")


def test_an_output_that_exists_is_refused_kept_or_replaced_by_fuse_views(refused, voxcli, folder):
    old = (folder / "left.npz").read_bytes()
    (folder / "out.npz").write_bytes(old)
    line = ("fuse-views", "left.npz", "right.npz", "-o", "out.npz", *BOX)
    refused(*line, named="out.npz exists")
    code, _, errors = voxcli(*line, "--skip-existing")
    assert code == 0 and "skipped" in errors and (folder / "out.npz").read_bytes() == old
    code, text, _ = voxcli(*line, "--overwrite", "--dry-run")
    plan = json.loads(text)
    assert code == 0 and [(each["path"], each["kind"]) for each in plan["read"]] == [("left.npz", "fruxels"), ("right.npz", "fruxels")]
    assert plan["write"] == [{"path": "out.npz", "exists": True}]
    assert (folder / "out.npz").read_bytes() == old
    assert voxcli(*line, "--overwrite")[0] == 0 and labels(folder).any()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("left.npz other.npz -o out.npz", "other.npz has other classes than left.npz"),
        ("left.npz soft.npz -o out.npz", "soft.npz"),
        ("left.npz absent.npz -o out.npz", "absent.npz"),
        ("left.npz right.npz -o out.npz --cameras absent.json", "absent.json"),
        ("left.npz other.npz -o out.npz --cameras transforms.json", "other.npz"),
        ("left.npz stray.npz -o out.npz --cameras transforms.json", "fit the name of stray.npz"),
        ("left.npz right.npz -o out.npz --camera-scale 2", "--cameras FILE"),
        ("left.npz right.npz -o out.npz --cameras transforms.json --camera-scale 0", "--camera-scale"),
        ("left.npz right.npz -o out.npz --method bayess", "bayes"),
        ("left.npz right.npz -o out.npz --trust 1", "--trust"),
        ("left.npz right.npz -o out.npz --trust 0.05", "trust"),
        ("left.npz right.npz -o out.npz --behind 2", "--behind"),
        ("left.npz right.npz -o out.npz --box 0 0 0 1 0 1", "--box"),
        ("left.npz right.npz -o out.npz --box 50 50 50 51 51 51", "No view sees"),
        ("left.npz right.npz -o out.npz --resolution 5000", "too large"),
        ("left.npz right.npz -o out.npz --overwrite --skip-existing", "contradict"),
        ("left.npz right.npz -o out.png", "voxels cannot become"),
        ("left.npz right.npz -o out", "no extension"),
    ],
)
def test_calls_of_fuse_views_that_cannot_be_carried_out(voxcli, folder, words, said):
    from voxcli.scene import VoxelGrid

    view = view_from(1)
    files.write(folder / "other.npz", replace(view, classes=Labels(("air", *view.classes.names[:0:-1]))))
    files.write(folder / "stray.npz", view)
    files.write(folder / "soft.npz", VoxelGrid(occupancy=np.full((3, 3, 3), 0.7, np.float32)))
    before = sorted(folder.rglob("*"))
    code, text, errors = voxcli("fuse-views", *words.split())
    assert (code, text) == (2, "") and said in errors and len(errors.splitlines()) <= 3, errors
    assert "internal error" not in errors and sorted(folder.rglob("*")) == before
