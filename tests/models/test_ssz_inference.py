import numpy as np
import pytest
import torch
from predicting import load_predictor, predict
from refusals import refused

from voxcli import config
from voxcli.errors import FileFormatError, UsageError
from voxcli.models.ssz.inference import SSZPredictor
from voxcli.models.ssz.network import PRESETS, Generator, SSZConfig
from voxcli.models.weights import Weights, load_weights, save_weights
from voxcli.scene.types import Camera, Picture

TINY = SSZConfig(
    width=32, height=16, depth=8, classes=3, encoder=(8, 8, 16), encoder_blocks=(1, 1, 1), decoder=(8, 8, 8), decoder_blocks=(1, 0, 0)
)
FACTS = {
    "frustum": {"z_near": 2.0, "z_far": 12.0, "fov_x_deg": 40.0},
    "label_names": ["air", "car", "ground"], "empty_label": 0, "ignore_label": 255,
}  # fmt: skip


def tiny_weights(seed=0):
    torch.manual_seed(seed)
    return Weights(Generator(TINY).state_dict(), "ssz", config.to_mapping(TINY), FACTS)


def picture(width, height, seed=0):
    return Picture(np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8))


@pytest.mark.parametrize("preset", ["street", "small"])
def test_each_scale_has_the_scores_of_its_own_head_whichever_others_are_asked_for(preset):
    settings = PRESETS[preset]
    torch.manual_seed(0)
    network, image = Generator(settings).eval(), torch.rand(1, 3, settings.height, settings.width)
    with torch.inference_mode():
        scores = network(image, (1, 2, 4))
        for scale, score in scores.items():
            assert score.shape == (1, 10, settings.depth // scale, settings.height // scale, settings.width // scale)
            assert torch.equal(network(image, (scale,))[scale], score)
        assert torch.equal(network.labels(image), scores[1].argmax(1).byte())
        # A head that looks at nothing says its bias everywhere. The full resolution adds to what the half one says.
        heads = {1: network.decoder.head, 2: network.decoder.coarse_heads["2"], 4: network.decoder.coarse_heads["4"]}
        for head in heads.values():
            head.conv.weight.zero_()
        said = {scale: head.conv.bias.clone() for scale, head in heads.items()}
        said[1] += said[2]
        for scale, score in network(image, (1, 2, 4)).items():
            assert torch.allclose(score, said[scale].reshape(1, 10, 1, 1, 1).expand_as(score), atol=1e-6)


def test_sizes_that_do_not_halve_are_refused():
    with refused(UsageError, "multiple of 32", actual=100):
        SSZConfig(width=100)
    with refused(UsageError, "level", expected=6, actual=[8, 8]):
        SSZConfig(decoder=(8, 8))


def test_labels_are_the_most_probable_classes_and_probabilities_sum_to_one():
    predictor = load_predictor(tiny_weights(), device="cpu")
    (grid,) = predict(predictor, [picture(64, 48)], probabilities=True)
    assert grid.labels.shape == (8, 16, 32)
    assert grid.probabilities.dtype == np.float16
    assert np.abs(grid.probabilities.astype(np.float32).sum(0) - 1).max() < 2e-3
    best = grid.probabilities.max(0)
    chosen = np.take_along_axis(grid.probabilities, grid.labels[None].astype(int), 0)[0]
    assert (chosen == best).all()


def test_batching_changes_nothing():
    predictor = load_predictor(tiny_weights(), "cpu", "float32")
    pictures = [picture(40, 40, seed) for seed in range(3)]
    one, many = (list(predict(predictor, pictures, batch_size=b)) for b in (1, 3))
    assert all(np.array_equal(a.labels, b.labels) for a, b in zip(one, many, strict=True))


def test_columns_that_a_narrow_picture_does_not_show_are_ignored_and_not_guessed():
    predictor = load_predictor(tiny_weights(), device="cpu")
    half = 2 * np.degrees(np.arctan(np.tan(np.radians(20)) / 2))  # the picture spans half of the columns, and half of the rows
    (grid,) = predict(predictor, [picture(64, 32)], fov_x_deg=half, probabilities=True)
    shown = np.zeros((16, 32), bool)
    shown[4:12, 8:24] = True
    assert (grid.labels[:, ~shown] == 255).all() and (grid.labels[:, shown] < 3).all()
    assert (grid.probabilities[:, :, ~shown] == 0).all()
    assert np.abs(grid.probabilities[:, :, shown].astype(np.float32).sum(0) - 1).max() < 2e-3
    assert grid.meta["frustum_unseen"] == 0.75 and grid.meta["picture_lost"] == 0


def test_a_camera_keeps_its_place_in_the_world():
    predictor = load_predictor(tiny_weights(), device="cpu")
    place = np.eye(4)
    place[0, 3] = 7
    (grid,) = predict(predictor, [picture(32, 16)], camera=Camera(predictor.frustum.K, 32, 16, place))
    assert grid.world_to_cam[0, 3] == 7 and grid.meta["fov_source"] == "camera" and not grid.meta["fov_assumed"]


def test_weights_come_back_as_they_were_to_half_precision_with_the_same_bytes(tmp_path):
    weights = tiny_weights()
    for name in ("a", "b"):
        save_weights(tmp_path / f"{name}.safetensors", weights)
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    back = load_weights(tmp_path / "a.safetensors")
    assert back.config == weights.config
    for key, tensor in weights.tensors.items():
        if tensor.is_floating_point():
            assert back.tensors[key].dtype == torch.float32
            assert torch.equal(back.tensors[key], tensor.half().float())


def test_foreign_weights_and_misspelt_configurations_are_named(tmp_path):
    weights = tiny_weights()
    with refused(FileFormatError, "model", expected="ssz", actual="pix2vox"):
        SSZPredictor.from_weights(Weights(weights.tensors, "pix2vox", weights.config, FACTS))
    with refused(UsageError, "'encodr'", hint="'encoder'"):
        load_predictor(Weights(weights.tensors, "ssz", weights.config | {"encodr": [1]}, FACTS))
    with refused(FileFormatError, "configuration", actual="[3, 8, 1, 1]"):
        load_predictor(Weights(weights.tensors, "ssz", weights.config | {"classes": 4}, FACTS))
    (tmp_path / "text.safetensors").write_text("no tensors here")
    with refused(FileFormatError, "text.safetensors"):
        load_weights(tmp_path / "text.safetensors")
    with refused(UsageError, "'sszz'", hint="'ssz'"):
        load_weights("sszz")
