"""UCLID-Net: published numbers of parameters, and a plain recomputation from the same tensors."""

import copy
import math
from dataclasses import replace

import pytest
import torch
from references.uclid_twin import camera_of, depth_of, patch, reconstructed
from refusals import refused
from torch.testing import assert_close

from voxcli import config
from voxcli.errors import ShapeError, UsageError
from voxcli.geometry.backproject import unit_projection
from voxcli.geometry.cameras import look_at
from voxcli.models.uclid.folding import Fold, even_uv, random_uv
from voxcli.models.uclid.network import CELLS, PRESETS, SIZES, Reconstruction, UCLIDConfig, build, for_inference, occupied
from voxcli.models.uclid.regressors import CameraConfig, CameraNet, DepthConfig, DepthNet, rotation_of_six
from voxcli.models.weights import config_of

NARROW = UCLIDConfig(
    (4, 6, 8, 10), (3, 3, 4, 6), (6, 5, 5), 4, 6, 8, 2, DepthConfig((4, 4, 6, 8), 4), CameraConfig((4, 6, 8, 8), 2, 2)
)  # fmt: skip
K = torch.tensor([[245.0, 0, 112], [0, 245, 112], [0, 0, 1]], dtype=torch.float64)
WORLD_TO_CAM = torch.from_numpy(look_at((1.8, 1.5, 3.0), (0, 0, 0)))


def living(network, seed=0):
    """Statistics and affine parameters that are not those of a fresh network."""
    generator = torch.Generator().manual_seed(seed)
    for key, tensor in network.state_dict().items():
        if "bn" in key or "upsample.1" in key or "downsample.1" in key:
            if key.endswith(("running_var", "weight")):
                tensor.uniform_(0.5, 1.5, generator=generator)
            elif tensor.is_floating_point():
                tensor.normal_(0, 0.3, generator=generator)
    return network.eval().double()


def numbers(module):
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize("preset", ["paper", "official"])
def test_every_part_has_the_published_number_of_parameters(preset):
    with torch.device("meta"):
        network = build(PRESETS[preset])
    main = network.reconstruction
    assert [numbers(m) for m in (main.encoder, main.reduce, main.decoder, main.occ, main.fold)] == [11166912, 162300, 15505256, 9, 25664]
    assert (numbers(main), numbers(network.depth), numbers(network.camera)) == (26860141, 25905729, 10665799)


def test_shipped_sizes_fit_into_eight_mebibytes_of_half_precision():
    with torch.device("meta"):
        assert 2 * sum(t.numel() for t in build(PRESETS["small"]).state_dict().values()) < 8 * 2**20


def compare_with_the_twin(network, image, quantile, uv):
    """Occupancies, which cells are occupied, and their points, at a threshold that this share of the cells does not exceed."""
    depth = [(torch.rand(size, size, size) < 0.1).double() for size in SIZES]
    depth[1] = depth[0]
    with torch.inference_mode():
        projection = unit_projection(K, WORLD_TO_CAM, 224, 224)
        logits, codes = network.decode(network.grids(image[None], projection[None], [d[None] for d in depth]))
        ordered = torch.sigmoid(logits).flatten().sort().values.tolist()
        place = int(quantile * len(ordered))
        threshold = (ordered[place] + ordered[place + 1]) / 2
        cells = occupied(logits, threshold)
        found = network.points(codes, cells, uv)
    how = network.config
    share, points = reconstructed(
        network.state_dict(), image, K, WORLD_TO_CAM, (224, 224), depth, uv, threshold=threshold, occupancy=how.occupancy,
        depth_channels=how.depth_channels, official=how.compat == "official",
    )  # fmt: skip
    assert_close(torch.sigmoid(logits[0]).double(), share, rtol=0, atol=1e-6)
    assert [tuple(c) for c in cells[:, 1:].tolist()] == list(points) and len(points) > 100
    assert_close(found, torch.stack(list(points.values())), rtol=0, atol=1e-9)


@pytest.mark.parametrize(("official", "depth_channels"), [(False, 2), (True, 2), pytest.param(False, 0, marks=pytest.mark.slow)])
def test_points_and_occupancies_are_those_of_a_plain_recomputation(official, depth_channels):
    torch.manual_seed(0)
    settings = replace(NARROW, compat="official" if official else "none", depth_channels=depth_channels)
    network = living(Reconstruction(settings))
    compare_with_the_twin(network, torch.rand(3, 72, 88, dtype=torch.float64), 0.97, even_uv(5).double())


@pytest.mark.slow
def test_the_whole_of_the_paper_s_network_is_that_of_a_plain_recomputation():
    torch.manual_seed(0)
    network = living(Reconstruction(PRESETS["official"]))
    compare_with_the_twin(network, torch.rand(3, 224, 224, dtype=torch.float64), 0.99, even_uv(3).double())


@pytest.mark.parametrize("normalised", [True, False])
def test_depth_is_that_of_a_plain_recomputation(normalised):
    torch.manual_seed(0)
    network = DepthNet(replace(NARROW.depth, normalised=normalised)).double().eval()
    image = torch.rand(3, 64, 96, dtype=torch.float64)
    with torch.inference_mode():
        wanted, other = (depth_of(network.state_dict(), image, 1.0, 8.0, normalised=each) for each in (normalised, not normalised))
        assert_close(network(image[None])[0].double(), wanted, rtol=0, atol=1e-5)
        assert network(image[None]).shape == (1, 32, 48) and (wanted - other).abs().max() > 0.01


def test_the_published_depth_regressor_normalises_in_its_encoder_alone_and_ours_says_otherwise():
    with torch.device("meta"):
        published, ours = DepthNet(PRESETS["official"].depth), DepthNet(PRESETS["small"].depth)
    normalised = [[n for n, m in net.named_modules() if isinstance(m, torch.nn.InstanceNorm2d)] for net in (published, ours)]
    assert all(name.startswith("encoder.") for name in normalised[0]) and set(normalised[0]) < set(normalised[1])
    assert list(published.state_dict()) == list(ours.state_dict())
    assert PRESETS["paper"].depth.normalised is PRESETS["official"].depth.normalised is False
    assert config_of("uclid")["depth"].get("normalised", True) and config.from_mapping(DepthConfig, {}, "older weights").normalised


def test_the_camera_is_that_of_a_plain_recomputation_and_rigid():
    torch.manual_seed(0)
    network = living(CameraNet(NARROW.camera))
    image = torch.rand(3, 64, 64, dtype=torch.float64)
    rotation, away = camera_of(network.state_dict(), image, 2, 2, 7.0)
    with torch.inference_mode():
        found = network(image[None])[0].double()
    assert_close(found[:3, :3], rotation, rtol=0, atol=1e-6)
    assert_close(found[:, 3], torch.tensor([0, 0, away, 1]).double(), rtol=0, atol=1e-5)
    assert_close(found[:3, :3] @ found[:3, :3].T, torch.eye(3).double(), rtol=0, atol=1e-6)
    assert math.isclose(float(torch.linalg.det(found[:3, :3])), 1, abs_tol=1e-5)


def test_six_numbers_of_a_rotation_give_it_back():
    rotation = torch.linalg.qr(torch.randn(7, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)))[0]
    rotation *= torch.linalg.det(rotation)[:, None, None]
    six = rotation.mT[:, :2].flatten(1) * torch.tensor([2.0, 2, 2, 0.3, 0.3, 0.3])
    assert_close(rotation_of_six(six), rotation)


# ------------------------------------------------------------------------------------------------ fold


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("shared", [False, True])
def test_a_batch_of_patches_is_each_patch_alone(training, shared):
    torch.manual_seed(0)
    fold = living(Fold(6, 8))
    codes, uv = torch.randn(40, 6).double(), torch.rand(40, 7, 2).double()
    uv = uv[0].expand(40, 7, 2) if shared else uv
    tensors = {f"fold.{k}": t for k, t in fold.state_dict().items()}
    with torch.set_grad_enabled(training):
        found = fold(codes, uv[0] if shared else uv)
    assert_close(found.detach(), torch.stack([patch(tensors, c, p) for c, p in zip(codes, uv, strict=True)]))


@pytest.mark.parametrize(("cells", "count"), [(0, 5), (3, 0), (1, 1), (3000, 11), (2, 20000)])
def test_any_number_of_cells_and_points(cells, count):
    fold = Fold(6, 8).eval()
    with torch.inference_mode():
        found = fold(torch.randn(cells, 6), even_uv(count))
    assert found.shape == (cells, count, 3) and ((found >= 0) & (found <= 1)).all()


def test_points_lie_within_their_cells():
    network = Reconstruction(NARROW).eval()
    cells = torch.tensor([[0, 0, 0, 0], [0, 27, 27, 27], [0, 3, 14, 20]])
    with torch.inference_mode():
        points = network.points(torch.randn(1, 6, *[CELLS] * 3), cells, even_uv(9))
    low = cells[:, None, 1:] / 14 - 1
    assert ((points >= low) & (points <= low + 1 / 14 + 1e-6)).all()


@pytest.mark.parametrize("count", [4, 10, 50, 200])
def test_even_places_cover_the_square_better_than_drawn_ones(count):
    """The farthest that any place of the square is from a sample: at most 1.3 sides of the square that each sample has for itself."""
    line = torch.linspace(0, 1, 41)
    everywhere = torch.cartesian_prod(line, line)
    assert torch.cdist(everywhere, even_uv(count)).amin(1).max() < 1.3 * count**-0.5


def test_drawn_places_are_repeatable():
    first, second = (random_uv(5, 4, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first, second) and not torch.equal(first[0], first[1])


# ------------------------------------------------------------------------------------------------ refusals and properties


def test_views_change_nothing_for_each_other_in_a_batch():
    torch.manual_seed(1)
    network = living(Reconstruction(NARROW)).float()
    images, depth = torch.rand(3, 3, 64, 64), [torch.rand(3, n, n, n).round() for n in SIZES]
    projections = unit_projection(K, WORLD_TO_CAM, 224, 224).float().expand(3, 3, 4)
    with torch.inference_mode():
        together = network.decode(network.grids(images, projections, depth))[0]
        alone = network.decode(network.grids(images[1:2], projections[1:2], [d[1:2] for d in depth]))[0]
    assert_close(together[1:2], alone, rtol=0, atol=1e-4)


def test_small_pictures_and_wrong_settings_are_refused():
    network = Reconstruction(NARROW)
    with refused(ShapeError, "too small", expected="33 pixels", actual=[32, 32]):
        network.grids(torch.rand(1, 3, 32, 32), unit_projection(K, WORLD_TO_CAM, 224, 224).float()[None], [])
    with refused(UsageError, "multiples of 16", actual=[40, 64]):
        DepthNet(NARROW.depth)(torch.rand(1, 3, 40, 64))
    with refused(UsageError, "near < background < far", actual="3.0, 7.9, 2.0"):
        DepthConfig(near=3.0, far=2.0)
    with refused(UsageError, "at least 1"):
        UCLIDConfig(code=0)


def test_configurations_survive_their_mapping():
    for settings in (*PRESETS.values(), replace(NARROW, camera=None)):
        assert config.from_mapping(UCLIDConfig, config.to_mapping(settings), "here") == settings


@torch.no_grad()
def test_the_decoder_for_inference_is_the_same_without_normalisation():
    torch.manual_seed(0)
    plain = living(build(NARROW)).reconstruction.decoder
    joined = [width + NARROW.depth_channels for width in NARROW.reduced]
    grids = [torch.rand(2, joined[s], n, n, n, dtype=torch.float64) for s, n in enumerate(SIZES)]
    wanted = plain(grids)
    fast = for_inference(copy.deepcopy(plain))
    assert_close(fast(grids), wanted, rtol=1e-10, atol=1e-10)
    assert not [m for m in fast.modules() if isinstance(m, torch.nn.BatchNorm3d)]
