"""`predict SHAPE -m jof`: the nearest shape that the decoder makes, by codes that are fitted to the shape."""

import numpy as np
import pytest
import torch
from example_files import FILES

from voxcli import config, files
from voxcli.datasets.coloured_shapes import read_colours, shape_bytes
from voxcli.geometry.coloured import ColouredVolume, Placement, colour_volume
from voxcli.models.jof.fitting import fit_albedo, free_codes
from voxcli.models.jof.network import JOFConfig, build
from voxcli.models.registry import load_network
from voxcli.models.weights import Weights, save_weights
from voxcli.ops.shape_fitting import PAIRS, fit_shape, pairs_of
from voxcli.scene import Labels, Mesh, PointCloud, VoxelGrid

OCCUPANCY = Labels(("empty", "occupied"), 0, None)
FIT = ("--weights", "jof.safetensors", "--resolution", "16")


@pytest.fixture
def weights(tmp_path):
    FILES["jof.safetensors"](tmp_path / "jof.safetensors")
    return tmp_path / "jof.safetensors"


def weights_of_boxes(path):
    """A decoder that makes boxes, whose half sides are the first three numbers of the shape's code: a point is outside by so much as its
    coordinates exceed these. Within [-1, 1]^3, where the fields live, the diagonal of a shape is 2."""
    network = build(JOFConfig(branches=2, shape=4, albedo=2, shape_widths=(6, 1), albedo_widths=(4, 4), category=0,
                              parts=("shape", "albedo"), classes=("box",)))  # fmt: skip
    first, second, third = network.shape.sd_fc1, network.shape.sd_fc2, network.shape.sd_fc3
    with torch.no_grad():
        for layer in (first, second, third):
            layer.weight.zero_(), layer.bias.zero_()
        for k in range(3):
            for row, sign in ((k, 1.0), (k + 3, -1.0)):
                first.weight[row, k], first.weight[row, 3 + k] = sign, -1.0
        second.weight.fill_(1.0), second.bias.fill_(10.0)
        third.weight.copy_(torch.tensor([[-30.0], [0.0]])), third.bias.copy_(torch.tensor([300.0, -30.0]))
    save_weights(path, Weights(network.state_dict(), "jof", config.to_mapping(network.config), {"threshold": 0.5}), half=False)


def test_a_shape_of_the_decoder_s_own_is_found_again(voxcli, tmp_path):
    """A box of 6 x 3 x 2, of whose points some are told to be inside: a diagonal of 7."""
    weights_of_boxes(tmp_path / "jof.safetensors")
    sides, middle = np.array([6.0, 3, 2]), np.array([10.0, 20, 30])
    points = np.random.default_rng(0).uniform(-1, 1, (2000, 3)) * sides
    inside = (np.abs(points) < sides / 2).all(1)
    np.savez(tmp_path / "box.npz", points=(points + middle).astype(np.float32), occupancies=np.packbits(inside))
    code, _, errors = voxcli("predict", "box.npz", "--weights", "jof.safetensors", "--fit", "100", "--resolution", "24", "-o", "found.ply")
    assert code == 0, errors
    found = files.read_as(tmp_path / "found.ply", Mesh)
    low, high = found.vertices.min(0), found.vertices.max(0)
    np.testing.assert_allclose(high - low, sides, atol=0.2)
    np.testing.assert_allclose((low + high) / 2, middle, atol=0.1)
    assert found.meta["prediction"]["iou"] > 0.93


def test_a_fit_lies_where_its_shape_does_and_is_the_same_again(voxcli, weights, tmp_path):
    """Twice as large and aside, the fit is twice as large and as far aside."""
    points = np.random.default_rng(0).uniform(-1, 1, (600, 3)).astype(np.float32)
    packed = np.packbits(np.linalg.norm(points, axis=1) < 0.7)
    for name, own in (("a", points), ("b", points * 2 + np.float32([4, 8, 16]))):
        np.savez(tmp_path / f"{name}.npz", points=own, occupancies=packed)
    for source, target in (("a.npz", "a.ply"), ("a.npz", "again.ply"), ("b.npz", "b.ply")):
        code, _, errors = voxcli("predict", source, *FIT, "--fit", "5", "-o", target)
        assert code == 0, errors
    assert (tmp_path / "a.ply").read_bytes() == (tmp_path / "again.ply").read_bytes()
    a, b = (files.read_as(tmp_path / name, Mesh) for name in ("a.ply", "b.ply"))
    np.testing.assert_allclose(b.vertices, a.vertices * 2 + [4, 8, 16], atol=1e-3)
    assert a.meta["prediction"]["fitted"] == 5 and a.meta["options"]["model"] == "jof" and a.meta["weights"]
    assert "600 points" in errors


def test_every_kind_of_shape_gives_the_pairs_of_the_solid(tmp_path):
    """A box of 2 x 1 x 1: half of its cube's pairs lie beside its faces; its diagonal is the square root of 6."""
    cells = np.zeros((8, 8, 8), bool)
    cells[2:6, 3:5, 3:5] = True
    grid = VoxelGrid(occupancy=cells, origin=np.zeros(3), voxel_size=np.full(3, 0.5))
    volume = colour_volume(grid)
    (tmp_path / "box.mat").write_bytes(shape_bytes(volume))
    colours = read_colours(tmp_path / "box.mat")
    given = ColouredVolume((colours > 0).any(-1), colours, Placement(np.zeros(3), 1.0))
    for shape, middle, diagonal in ((grid, [2, 2, 2], 6**0.5), (given, [0, 0, 0], 1)):
        pairs, place = pairs_of(shape)
        assert len(pairs.points) == PAIRS and place.middle.tolist() == middle and place.diagonal == pytest.approx(diagonal)
        half = np.array([2, 1, 1]) / 2 / 6**0.5
        inside = (np.abs(pairs.points) <= half).all(1)
        assert (inside == pairs.occupied).mean() > 0.9  # cells of 1/64 are marked whole where a corner of the box lies in them


def test_pairs_of_points_and_occupancies_are_taken_as_they_are_half_of_them_occupied():
    rng = np.random.default_rng(0)
    points = rng.uniform(-2, 2, (40_000, 3))
    inside = (np.abs(points) < 1).all(1)  # an eighth: 5,000 or so
    pairs, place = pairs_of(PointCloud(points, labels=inside.astype(np.uint8), classes=OCCUPANCY))
    assert len(pairs.points) == PAIRS and pairs.occupied.sum() == PAIRS // 2
    assert np.abs(place.middle).max() < 0.01 and place.diagonal == pytest.approx(2 * 3**0.5, rel=0.01)
    assert ((np.abs(pairs.points * place.diagonal + place.middle) < 1).all(1) == pairs.occupied).all()


def test_points_npz_of_occupancy_networks_is_fitted(voxcli, weights, tmp_path):
    points = np.random.default_rng(0).uniform(-0.5, 0.5, (3000, 3))
    inside = (np.abs(points) < 0.3).all(1)
    np.savez(tmp_path / "points.npz", points=points.astype(np.float32), occupancies=np.packbits(inside), loc=np.zeros(3), scale=1.0)
    code, _, errors = voxcli("predict", "points.npz", *FIT, "--fit", "3", "-o", "out.ply")
    assert code == 0, errors
    found = files.read_as(tmp_path / "out.ply", Mesh)
    assert found.meta["prediction"]["fitted"] == 3 and "3,000 points" in errors


def test_a_folder_of_shapes_and_a_mat_file_are_fitted_and_a_plan_writes_nothing(voxcli, weights, tmp_path):
    (tmp_path / "shapes").mkdir()
    FILES["car.obj"](tmp_path / "shapes/a.obj")
    (tmp_path / "shapes/b.mat").write_bytes(shape_bytes(colour_volume(files.read_as(tmp_path / "shapes/a.obj", Mesh))))
    assert voxcli("predict", "shapes/", *FIT, "-o", "out/", "--format", "glb", "--dry-run")[0] == 0 and not (tmp_path / "out").exists()
    code, _, errors = voxcli("predict", "shapes/", *FIT, "--fit", "2", "-o", "out/", "--format", "glb", "--parts")
    assert code == 0, errors
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.glb", "b.glb"]
    assert files.read_as(tmp_path / "out/b.glb", Mesh).meta["prediction"]["pairs"] == PAIRS


def test_colours_change_the_albedo_alone(weights):
    """Points that are to be red: the colours come nearer, and the shape stays."""
    network = load_network("jof", weights, "cpu").network
    codes, points = free_codes(network, 1), torch.rand(1, 200, 3, generator=torch.Generator().manual_seed(0)) - 0.5
    red = torch.tensor([1.0, -1, -1]).expand(1, 200, 3)
    found = fit_albedo(network, codes, points, red, steps=100)
    assert torch.equal(found.shape, codes.shape) and torch.equal(found.category, codes.category)
    with torch.no_grad():
        before, after = ((network.colours(each, points) - red).square().mean() for each in (codes, found))
    assert after < 0.9 * before


@pytest.mark.parametrize("coloured", [True, False])
def test_colours_are_fitted_where_there_are_any(weights, monkeypatch, coloured):
    seen = []
    network = load_network("jof", weights, "cpu")
    monkeypatch.setattr(
        type(network),
        "fitted",
        lambda self, points, occupied, colours, options: seen.append(colours) or Mesh(points, np.zeros((0, 3), int)),
    )
    points = np.random.default_rng(0).uniform(-1, 1, (50, 3))
    labels = (points[:, 0] > 0).astype(np.uint8)
    colours = np.tile(np.array([255, 0, 0], np.uint8), (50, 1)) if coloured else None
    fit_shape(network, PointCloud(points, labels=labels, classes=OCCUPANCY, colors=colours), coloured=True)
    assert (seen[0] is not None) == coloured and (not coloured or seen[0].tolist() == colours.tolist())


def test_what_is_no_shape_or_means_nothing_is_refused(refused, weights, tmp_path):
    FILES["car.obj"](tmp_path / "car.obj")
    np.savez(tmp_path / "air.npz", points=np.eye(3, dtype=np.float32), occupancies=np.zeros(3, np.uint8))
    FILES["scene.npz"](tmp_path / "scene.npz")
    call = ("predict", "car.obj", "--weights", "jof.safetensors")
    refused(*call, "--cut", "none", "-o", "o.glb", named=("--cut", "shape"))
    refused(*call, "--camera", "camera.yaml", "-o", "o.glb", named="--camera")
    refused(*call, "--workers", "2", "-o", "o.glb", named="--workers")
    refused(*call, "-o", "o.png", named="PNG")
    refused(*call, "--resolution", "1", "-o", "o.glb", named="resolution")
    refused("predict", "air.npz", *FIT, "-o", "o.glb", named="occupied")
    refused("predict", "scene.npz", *FIT, "-o", "o.glb", named=("scene.npz", "mesh, points or voxels"))
    assert not list(tmp_path.glob("o.*"))
