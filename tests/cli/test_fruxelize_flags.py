"""Flags of `fruxelize` that mean nothing to an input are errors, results record what made them, and what is out of view is told."""

import numpy as np
import pytest
from example_files import FILES, box_mesh, fruxel_grid

from voxcli import files
from voxcli.scene import Labels, PointCloud, VoxelGrid

CAMERA = "camera: {width: 16, height: 16, fov_x_deg: 60, position: [0, 1, 6], look_at: [0, 1, 0]}\n"
AWAY = "camera: {width: 16, height: 16, fov_x_deg: 60, position: [0, 1, 6], look_at: [0, 1, 12]}\n"


@pytest.fixture
def folder(tmp_path):
    FILES["scene.yaml"](tmp_path / "scene.yaml")  # and its car.obj
    (tmp_path / "left.yaml").write_text(CAMERA)
    (tmp_path / "away.yaml").write_text(AWAY)
    (tmp_path / "table.yaml").write_text("wheels: car\n")
    cells = np.zeros((4, 4, 4), np.uint8)
    cells[1:3, 1:3, 1:3] = 2
    files.write(tmp_path / "labels.npz", VoxelGrid(labels=cells, origin=np.zeros(3), voxel_size=np.full(3, 0.5), classes=Labels()))
    files.write(tmp_path / "occupied.npz", VoxelGrid(occupancy=cells > 0, origin=np.zeros(3), voxel_size=np.full(3, 0.5)))
    return tmp_path


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("car.obj --camera left.yaml --azimuth 20 --distance 3", "--camera and --azimuth contradict each other"),
        ("scene.yaml --camera left.yaml --distance 3", "--camera and --distance contradict each other"),
        ("scene.yaml --elevation 3", "scene.yaml: --elevation has no meaning for a scene: it has its own camera"),
        ("scene.yaml --class car", "scene.yaml: --class has no meaning for a scene"),
        ("scene.yaml --classes table.yaml", "scene.yaml: --classes has no meaning for a scene"),
        ("car.obj --grid voxel --azimuth 20", "--azimuth shapes a fruxel grid"),
        ("labels.npz --camera left.yaml --class car", "--class has no meaning for voxels: its labels say what fills a cell"),
        ("labels.npz --camera left.yaml --fill parity", "--fill has no meaning for voxels"),
        ("occupied.npz --azimuth 30", "--azimuth has no meaning for voxels"),
    ],
)
def test_a_flag_that_would_be_ignored_is_an_error(refused, folder, line, said):
    refused("fruxelize", *line.split(), "-o", "out.npz", named=said)


def recorded(voxcli, folder, line):
    code, _, errors = voxcli("fruxelize", *line.split(), "-o", "out.npz", "--overwrite")
    assert code == 0, errors
    return files.read(folder / "out.npz").meta["options"]


def test_results_record_the_options_that_made_them_and_no_others(voxcli, folder):
    view = {"azimuth", "elevation", "distance"}
    small = "--size 16 16 --depth 16"
    mine = recorded(voxcli, folder, f"car.obj {small} --distance 6")
    assert {key: mine[key] for key in view} == {"azimuth": 30, "elevation": 20, "distance": 6}
    assert (mine["rule"], mine["fill"]) == ("slab", "auto")
    assert not view & set(recorded(voxcli, folder, f"car.obj {small} --camera left.yaml"))
    assert not view & set(recorded(voxcli, folder, "scene.yaml"))
    assert not (view | {"rule", "fill"}) & set(recorded(voxcli, folder, f"occupied.npz {small} --camera left.yaml"))
    box = recorded(voxcli, folder, "car.obj --grid voxel --resolution 8")
    assert not view & set(box) and (box["rule"], box["resolution"]) == ("centre", 8)


def test_a_camera_that_looks_away_is_told_with_the_name_of_the_file(voxcli, folder):
    text = (folder / "scene.yaml").read_text().replace("[0, 0, -1, 0], [0, 0, 0, 1]", "[0, 0, 1, 0], [0, 0, 0, 1]")
    text = text.replace("[1, 0, 0, 0], [0, -1", "[-1, 0, 0, 0], [0, -1")
    (folder / "back.yaml").write_text(text)
    for line in ("back.yaml", "scene.yaml --camera away.yaml", "car.obj --camera away.yaml --depth 16",
                 "occupied.npz --camera away.yaml --depth 16", "car.obj --distance 90 --size 16 16"):  # fmt: skip
        code, _, errors = voxcli("fruxelize", *line.split(), "-o", "out.npz", "--overwrite")
        assert code == 0
        assert errors.count("warning:") == 1 and f"warning: {line.split()[0]}: nothing of it lies in the frustum" in errors, errors
    assert voxcli("fruxelize", "scene.yaml", "-o", "out.npz", "--overwrite", "-q")[2] == ""


def test_many_warnings_of_one_kind_become_a_count(voxcli, folder):
    (folder / "in").mkdir()
    mesh = box_mesh()
    for k in range(6):
        files.write(folder / f"in/open{k}.obj", type(mesh)(mesh.vertices, np.delete(mesh.faces, (8, 9), axis=0)))  # no back
    line = ("fruxelize", "in", "-o", "out", "--size", "16", "16", "--depth", "16", "--distance", "6", "--z-near", "5", "--overwrite")
    code, _, errors = voxcli(*line)
    leaks = [each for each in errors.splitlines() if "enter without leaving" in each and ".obj" in each]
    assert code == 0 and len(leaks) == 3 and "in/open0.obj" in leaks[0]
    cut = [each for each in errors.splitlines() if "of the vertices" in each]
    assert len(cut) == 3 and "in/open2.obj" in cut[2]
    assert errors.count("in 3 more inputs (-v names them)") == 2
    assert voxcli(*line, "-v")[2].count("% of rays enter") == 6


@pytest.mark.parametrize("flag", [("--threshold", "0.3"), ("--strict",), ("--best-threshold",)])
def test_thresholds_mean_nothing_to_labels(refused, tmp_path, flag):
    files.write(tmp_path / "a.npz", fruxel_grid())
    refused("metrics", "iou", "a.npz", "a.npz", *flag, named="no meaning for two labelled grids")


def tray_mesh():
    mesh = box_mesh()
    middle = (mesh.vertices.max(0) + mesh.vertices.min(0)) / 2
    top = (mesh.vertices[mesh.faces][..., 1] > middle[1]).all(1)
    return type(mesh)(mesh.vertices, mesh.faces[~top])


def test_what_auto_fills_behind_openings_is_told_in_one_line_and_left_empty_by_outside(voxcli, tmp_path):
    files.write(tmp_path / "tray.obj", tray_mesh())
    files.write(tmp_path / "box.obj", box_mesh())
    line = ["--grid", "voxel", "--resolution", "16", "-o", "out.npz", "--overwrite"]
    code, _, errors = voxcli("fruxelize", "tray.obj", *line)
    by_auto = files.read(tmp_path / "out.npz").labels > 0
    assert code == 0 and errors.count("warning:") == 1 and "--fill outside" in errors
    assert voxcli("fruxelize", "tray.obj", *line, "--fill", "outside", "-q")[2] == ""
    walls = files.read(tmp_path / "out.npz").labels > 0
    assert f"{(by_auto & ~walls).sum() / by_auto.sum():.0%} of the filled cells" in errors
    assert voxcli("fruxelize", "box.obj", *line, "-q")[2] == ""
    assert "--fill outside" in voxcli("convert", "tray.obj", "-o", "out.binvox")[2]


def test_rule_means_nothing_to_outside(refused, tmp_path):
    files.write(tmp_path / "tray.obj", tray_mesh())
    refused("fruxelize", "tray.obj", "--fill", "outside", "--rule", "slab", "-o", "a.npz", named="--rule has no meaning for --fill outside")


def test_voxels_stand_in_the_box_that_is_given_the_same_for_all_inputs(voxcli, tmp_path):
    for k in range(2):
        mesh = box_mesh()
        files.write(tmp_path / f"in/{k}.obj", type(mesh)(mesh.vertices + k, mesh.faces))
    files.write(tmp_path / "in/cloud.ply", PointCloud(np.array([[0.1, 0.1, 0.1], [9, 9, 9.0]])))
    line = ["in", "-o", "out", "--grid", "voxel", "--box", "-8", "-8", "-8", "8", "8", "12", "--shape", "16", "32", "20"]
    code, _, errors = voxcli("fruxelize", *line)
    assert code == 0 and "50.0% of the points lie outside" in errors
    grids = [files.read(tmp_path / f"out/{name}.npz") for name in ("0", "1", "cloud")]
    for grid in grids:
        assert grid.labels.shape == (16, 32, 20) and grid.origin.tolist() == [-8] * 3 and grid.voxel_size.tolist() == [1, 0.5, 1]
        assert grid.meta["options"]["box"] == [-8, -8, -8, 8, 8, 12] and "resolution" not in grid.meta["options"]
    assert np.argwhere(grids[2].labels).tolist() == [[8, 16, 8]] and (grids[0].labels != grids[1].labels).any()


def test_points_become_voxels_where_they_lie(voxcli, refused, tmp_path):
    points = np.array([[0.0, 0, 0], [1, 1, 1], [1, 0, 0]], np.float32)
    for name in ("a.ply", "a.npy", "a.xyz"):
        files.write(tmp_path / name, PointCloud(points))
        assert voxcli("fruxelize", name, "--grid", "voxel", "--resolution", 2, "-o", "out.binvox", "--overwrite")[0] == 0
        assert np.argwhere(files.read(tmp_path / "out.binvox").occupancy).tolist() == [[0, 0, 0], [1, 0, 0], [1, 1, 1]]
    refused("fruxelize", "a.ply", "-o", "out.npz", named="--grid voxel")
    refused("fruxelize", "a.ply", "--grid", "voxel", "--fill", "auto", "-o", "b.npz", named="--fill has no meaning for points: ")
    assert "default: 64" in " ".join(voxcli("fruxelize", "--help")[1].split())
    import voxcli as python

    assert python.voxelize(points, resolution=2).labels.sum() == 3
    assert python.voxelize(points, box=(0, 0, 0, 2, 2, 2), cells=(2, 2, 2)).labels.ravel().tolist() == [1, 0, 0, 0, 1, 0, 0, 1]


def test_a_depth_map_of_numpy_is_still_one(voxcli, tmp_path):
    np.save(tmp_path / "a.npy", np.full((16, 16), 5.0, np.float32))
    (tmp_path / "left.yaml").write_text(CAMERA)
    assert voxcli("fruxelize", "a.npy", "--camera", "left.yaml", "--depth", 8, "-o", "out.npz")[0] == 0
    assert files.read(tmp_path / "out.npz").labels.any()


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--box 0 0 0 1 1 1", "--box shapes a voxel grid"),
        ("--grid voxel --box 0 0 0 1 0 1", "--box has no volume"),
        ("--grid voxel --shape 4 0 4", "--shape needs a cell"),
        ("--grid voxel --shape 4 4 4 --resolution 8", "--resolution and --shape contradict each other"),
        ("--grid voxel --shape 2000 2000 2000", "too large"),
        ("--grid voxel --box 0 0 0 1 inf 1", "finite"),
    ],
)
def test_boxes_and_shapes_that_make_no_grid_are_refused(refused, folder, flags, said):
    refused("fruxelize", "car.obj", *flags.split(), "-o", "out.npz", named=said)
