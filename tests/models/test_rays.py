import json
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from predicting import load_predictor, predict

from voxcli import config
from voxcli.errors import FileFormatError, ShapeError, UsageError
from voxcli.models.frustum.losses import visible_class_loss
from voxcli.models.frustum.scores import most_probable, surface_labels
from voxcli.models.rays import inference
from voxcli.models.rays.network import COARSE, PRESETS, Rays, RaysConfig
from voxcli.models.weights import Weights, save_weights
from voxcli.scene.types import Camera, Picture

TINY = RaysConfig(width=32, height=16, depth=8, classes=3, pretrained=False, pyramid=8, volume=4, fine=(8, 8))
FACTS = {
    "frustum": {"z_near": 2.0, "z_far": 50.0, "fov_x_deg": 70.0},
    "label_names": ["air", "car", "ground"], "empty_label": 0, "ignore_label": 255,
}  # fmt: skip


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    made = Rays(TINY).eval()
    torch.nn.init.normal_(made.fine_ray.weight)
    torch.nn.init.normal_(made.coarse.spread.weight)
    return made


def predictor(network):
    weights = Weights(network.state_dict(), "rays", config.to_mapping(TINY), FACTS)
    return load_predictor(weights, device="cpu", dtype="float32")


def picture(width, height, seed=0):
    return Picture(np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8))


@pytest.mark.parametrize("preset", PRESETS)
def test_shipped_sizes_give_scores_of_the_frustum_at_both_scales_and_fit_their_file(preset):
    settings = PRESETS[preset]
    network = Rays(settings).eval()
    with torch.inference_mode():
        scores = network(torch.rand(1, 3, *settings.picture_size), (1, 4))
    for scale, score in scores.items():
        assert score.shape == (1, 10, settings.depth // scale, settings.height // scale, settings.width // scale)
    assert 2 * sum(tensor.numel() for tensor in network.state_dict().values()) < 12 * 2**20


def test_the_scores_of_some_rays_are_those_of_the_whole(network):
    image = torch.rand(2, 3, 32, 64)
    with torch.no_grad():
        whole = network(image)[1].flatten(3)
        chosen = torch.tensor([0, 31, 77, 300, 511])
        torch.testing.assert_close(network.rays(network.features(image), chosen), whole[:, :, :, chosen], rtol=1e-5, atol=1e-5)


def test_without_fine_features_the_full_resolution_is_the_coarse_one_interpolated(network):
    image = torch.rand(1, 3, 32, 64)
    plain = Rays(TINY).eval()  # its fine rays are zero at first
    with torch.no_grad():
        scores = plain(image, (1, 4))
        size = (TINY.depth, TINY.height, TINY.width)
        wanted = F.interpolate(scores[4].float(), size=size, mode="trilinear", align_corners=False)
    torch.testing.assert_close(scores[1], wanted, rtol=1e-4, atol=1e-4)


def test_a_fine_ray_is_a_linear_map_of_its_own_pixel(network):
    image = torch.rand(1, 3, 32, 64)
    with torch.no_grad():
        features = network.features(image)
        moved = torch.zeros_like(features.pixels)
        moved[:, :, 3, 5] = 1.0
        changed = type(features)(features.coarse, features.pixels + moved, features.summary)
        everywhere = torch.arange(TINY.width * TINY.height)
        difference = (network.rays(changed, everywhere) - network.rays(features, everywhere)).abs().amax((0, 1, 2)) > 1e-6
    assert difference.nonzero().flatten().tolist() == [3 * TINY.width + 5]


def test_pictures_of_another_size_are_refused(network):
    with pytest.raises(ShapeError):
        network(torch.rand(1, 3, 16, 32))


@pytest.mark.parametrize("wrong", [{"width": 40}, {"depth": 6}, {"picture_scale": 1}, {"encoder": "resnet"}])
def test_sizes_that_the_network_cannot_have_are_refused(wrong):
    with pytest.raises(UsageError):
        RaysConfig(**wrong)


def test_rays_decoded_in_pieces_are_those_of_the_whole(network, monkeypatch):
    monkeypatch.setattr(inference, "RAYS_AT_ONCE", 100)
    with torch.no_grad():
        features = network.features(torch.rand(2, 3, 32, 64))
        labels, shares = inference.decode(network, features, probabilities=True)
        scores = network.rays(features, torch.arange(TINY.width * TINY.height)).unflatten(3, (TINY.height, TINY.width))
    assert torch.equal(labels, surface_labels(scores))
    torch.testing.assert_close(shares.float(), torch.softmax(scores, 1), rtol=0, atol=1e-3)


@pytest.mark.parametrize(("dtype", "least"), [("float64", 0.999), ("float16", 0.98), ("bfloat16", 0.9)])
def test_other_types_predict_nearly_the_same(network, dtype, least):
    weights = Weights(network.state_dict(), "rays", config.to_mapping(TINY), FACTS)
    one, other = (next(iter(predict(load_predictor(weights, device="cpu", dtype=d), [picture(40, 20)]))) for d in ("float32", dtype))
    assert (one.labels == other.labels).mean() > least


def test_batching_changes_nothing(network):
    pictures = [picture(40, 30, seed) for seed in range(3)]
    one, many = (list(predict(predictor(network), pictures, probabilities=True, batch_size=b)) for b in (1, 3))
    for a, b in zip(one, many, strict=True):
        assert np.abs(a.probabilities.astype(np.float32) - b.probabilities.astype(np.float32)).max() < 2e-3


def test_columns_that_a_narrow_picture_does_not_show_are_ignored_and_the_others_are_not(network):
    (grid,) = predict(predictor(network), [picture(40, 20)], fov_x_deg=35.0, probabilities=True)
    half = np.tan(np.radians(35 / 2)) / np.tan(np.radians(70 / 2)) * TINY.width / 2  # columns from the middle to the picture's border
    middles = np.abs(np.arange(TINY.width) + 0.5 - TINY.width / 2)
    shown = (grid.labels != 255).all(0).any(0)
    assert np.array_equal(shown, middles < half)
    assert grid.probabilities[:, :, :, ~shown].max() == 0


def test_the_camera_that_is_given_is_taken_over(network):
    world_to_cam = np.eye(4)
    world_to_cam[2, 3] = 3.0
    camera = Camera(np.array([[30.0, 0, 20], [0, 30.0, 10], [0, 0, 1]]), 40, 20, world_to_cam)
    (grid,) = predict(predictor(network), [picture(40, 20)], camera=camera)
    assert np.array_equal(grid.world_to_cam, world_to_cam)


def visible_by_hand(probabilities, truth):
    """-log of the chance that a ray's first class is the true one, from P [n, D] and labels [D], slice by slice. Class 0 is air."""
    passed, chance = 1.0, np.zeros(len(probabilities))
    for d in range(probabilities.shape[1]):
        chance[1:] += passed * probabilities[1:, d]
        passed *= probabilities[0, d]
    chance[0] = passed
    solid = [label for label in truth if label != 0]
    return -np.log(chance[solid[0] if solid else 0])


def test_visible_class_loss_is_the_likelihood_of_what_each_ray_meets_first():
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(2, 4, 5, 3, 2, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, 4, (2, 5, 3, 2), generator=generator).where(torch.rand(2, 5, 3, 2, generator=generator) > 0.6, 0)
    labels[0, :, 0, 0] = 0
    k = torch.tensor([1.0, 2.0, 3.0, 0.5], dtype=torch.float64)
    labels[1, 2, 1, 1], labels[1, :2, 1, 1] = 255, 0  # unknown before anything solid: does not count
    total = weight = 0.0
    for b in range(2):
        for i in range(3):
            for j in range(2):
                truth = labels[b, :, i, j].tolist()
                first = next((label for label in truth if label), 0)
                if first != 255:
                    total += float(k[first]) * visible_by_hand(torch.softmax(scores[b, :, :, i, j], 0).numpy(), truth)
                    weight += float(k[first])
    found = visible_class_loss(scores, labels.to(torch.uint8), k)
    assert float(found) == pytest.approx(total / weight, rel=1e-5)


@pytest.mark.parametrize("empty", [0, 2])
def test_gradient_of_the_visible_class_loss(empty):
    generator = torch.Generator().manual_seed(1)
    scores = torch.randn(2, 4, 5, 2, 2, generator=generator, dtype=torch.float64, requires_grad=True)
    labels = torch.randint(0, 4, (2, 5, 2, 2), generator=generator).to(torch.uint8)
    labels[0, :, 0, 0], labels[1, 1, 0, 0], labels[1, 0, 0, 0] = empty, 255, empty
    k = torch.rand(4, generator=generator, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda z: visible_class_loss(z, labels, k, empty), scores)


def test_coarse_cells_divide_every_shipped_frustum():
    for settings in PRESETS.values():
        assert settings.depth % COARSE == settings.height % COARSE == settings.width % COARSE == 0


def test_what_a_network_is_familiar_with_travels_in_its_weights(tmp_path):
    torch.manual_seed(0)
    network = Rays(TINY).train()
    for _ in range(20):  # statistics of its own: in a fresh encoder, features die away from layer to layer
        network(torch.rand(4, 3, 32, 64), (4,))
    own = predictor(network.eval())
    known = own.learn_familiarity([picture(64, 32, seed) for seed in range(130)])
    save_weights(tmp_path / "rays.safetensors", Weights(network.state_dict() | known.tensors(), "rays", config.to_mapping(TINY), FACTS))
    loaded = load_predictor(tmp_path / "rays.safetensors", device="cpu", dtype="float32")
    black = Picture(np.zeros((32, 64, 3), np.uint8))
    one, other = predict(loaded, [picture(64, 32, 1000), black])
    assert one.meta["strangeness"]["score"] < 3 * one.meta["strangeness"]["threshold"]
    assert other.meta["strangeness"]["score"] > other.meta["strangeness"]["threshold"]
    assert "strangeness" not in next(iter(predict(own, [black]))).meta


def test_big_pictures_are_read_as_fine_as_the_networks_own(network):
    assert (predictor(network).view.width, predictor(network).view.height) == (64, 32)


def test_a_ray_that_surely_ends_somewhere_is_not_empty_where_its_distance_is_uncertain():
    # Probabilities of (air, car, building) in four slices; rays along the last axis.
    sure = [[0.9, 0.05, 0.05], [0.2, 0.7, 0.1], [0.9, 0.05, 0.05], [0.9, 0.05, 0.05]]  # met, and says so: stays as it is
    spread = [[0.9, 0.05, 0.05], [0.6, 0.1, 0.3], [0.58, 0.1, 0.32], [0.62, 0.3, 0.08]]  # air everywhere, but 0.19 that nothing is met
    open_ = [[0.95, 0.03, 0.02], [0.9, 0.05, 0.05], [0.9, 0.08, 0.02], [0.9, 0.05, 0.05]]  # 0.69 that nothing is met
    scores = torch.tensor([sure, spread, open_]).permute(2, 1, 0)[None].log()  # [1, 3, 4, 3]
    assert most_probable(scores)[0].T.tolist() == [[0, 1, 0, 0], [0] * 4, [0] * 4]
    # Of 0.42, the largest probability of a surface, 0.9 is 0.378: the slices with 0.4, 0.42 and 0.38.
    assert surface_labels(scores)[0].T.tolist() == [[0, 1, 0, 0], [0, 2, 2, 1], [0] * 4]


def test_a_ray_passes_the_slices_before_the_median_of_its_end():
    # The first slice is the likeliest, 0.3, but 0.7 of the rays go on behind it, and 0.7, 0.525, 0.394, 0.295 behind the four slices.
    # Half of the 0.705 that end somewhere have ended where less than 0.648 go on: in the second slice.
    ray = [[0.7, 0.3, 0.0], [0.75, 0.05, 0.2], [0.75, 0.05, 0.2], [0.75, 0.15, 0.1]]
    scores = torch.tensor([ray]).permute(2, 1, 0)[None].log()  # [1, 3, 4, 1]
    assert surface_labels(scores)[0].T.tolist() == [[0, 2, 2, 1]]


WRONG_FACTS = {
    "NaN": (lambda w: replace(w, tensors=w.tensors | {"fine_ray.bias": torch.full_like(w.tensors["fine_ray.bias"], torch.nan)}), "NaN"),
    "too few names": (lambda w: replace(w, facts=FACTS | {"label_names": ["air"]}), "1 label names.*3 classes"),
    "no such empty class": (lambda w: replace(w, facts=FACTS | {"empty_label": 7}), "7 as empty"),
    "a field of view": (lambda w: replace(w, facts=FACTS | {"frustum": FACTS["frustum"] | {"fov_x_deg": 270.0}}), "180 degrees"),
    "a part of what is familiar": (lambda w: replace(w, tensors=w.tensors | {"familiarity.mean": torch.zeros(3)}), "strange pictures"),
    "an output of all memory": (lambda w: replace(w, config=w.config | {"width": 10**7}), "too large"),
}


@pytest.mark.parametrize("wrong", WRONG_FACTS)
def test_weights_that_were_edited_are_one_error_that_names_their_file(network, tmp_path, wrong):
    from safetensors.torch import save_file

    change, words = WRONG_FACTS[wrong]
    path = tmp_path / "edited.safetensors"
    made = change(Weights(network.state_dict(), "rays", config.to_mapping(TINY), FACTS))
    facts = {"model": made.model, **{key: json.dumps(value) for key, value in {"config": made.config, **made.facts}.items()}}
    save_file({key: tensor.contiguous() for key, tensor in made.tensors.items()}, path, facts)
    with pytest.raises(FileFormatError, match=f"(?s)edited.*{words}"):
        inference.RaysPredictor.from_weights(path, device="cpu", dtype="float32")
