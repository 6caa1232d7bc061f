import numpy as np
import pytest
import torch

from voxcli import config
from voxcli.errors import DataError, FileFormatError, UsageError
from voxcli.models.frustum.fitting import fit
from voxcli.models.ssz.inference import load_predictor, predict
from voxcli.models.ssz.network import PRESETS, Generator, SSZConfig
from voxcli.models.weights import Weights, load_weights, save_weights
from voxcli.scene.types import Camera, Frustum, Picture

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
def test_presets_give_scores_of_the_stated_shape_at_each_scale(preset):
    settings = PRESETS[preset]
    with torch.inference_mode():
        scores = Generator(settings).eval()(torch.rand(1, 3, settings.height, settings.width), (1, 2, 4))
    for scale, score in scores.items():
        assert score.shape == (1, 10, settings.depth // scale, settings.height // scale, settings.width // scale)


def test_sizes_that_do_not_halve_are_refused():
    with pytest.raises(UsageError, match="multiple of 32"):
        SSZConfig(width=100)
    with pytest.raises(UsageError, match="one number a level"):
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


def test_a_picture_of_the_models_camera_is_taken_as_it_is():
    frustum = Frustum(32, 16, 8, 2.0, 12.0, 40.0)
    source = picture(32, 16)
    image, box = fit(source, frustum, 40.0)
    assert np.array_equal(image, source.rgb)
    assert box == [0, 0, 32, 16]


def test_a_larger_picture_is_averaged_and_a_wider_one_is_cropped():
    frustum = Frustum(32, 16, 8, 2.0, 12.0, 40.0)
    source = picture(128, 32)  # twice the size, twice too wide
    image, box = fit(source, frustum)
    assert box == [32, 0, 96, 32]
    blocks = source.rgb[:, 32:96].astype(float).reshape(16, 2, 32, 2, 3).mean((1, 3))
    assert np.abs(image - blocks).max() <= 1  # two passes round to whole numbers


def test_a_narrower_field_of_view_is_padded_and_a_wider_one_cropped_at_the_exact_place():
    frustum = Frustum(32, 32, 8, 2.0, 12.0, 2 * np.degrees(np.arctan(1.0)))  # tan(fov / 2) = 1
    source = picture(32, 32)
    narrow, box = fit(source, frustum, 2 * np.degrees(np.arctan(0.5)))
    assert box == pytest.approx([-16, -16, 48, 48])
    assert np.abs(narrow[8:24, 8:24] - source.rgb.astype(float).reshape(16, 2, 16, 2, 3).mean((1, 3))).max() <= 1
    assert (narrow[:8, 8:24] == narrow[8, 8:24]).all()
    _, box = fit(source, frustum, 2 * np.degrees(np.arctan(2.0)))
    assert box == pytest.approx([8, 8, 24, 24])


def test_a_camera_off_centre_moves_the_part_and_its_place_in_the_world_is_kept():
    predictor = load_predictor(tiny_weights(), device="cpu")
    frustum = predictor.frustum
    K = frustum.K.copy()
    K[0, 2] += 5
    place = np.eye(4)
    place[0, 3] = 7
    camera = Camera(K, 32, 16, place)
    _, box = fit(picture(32, 16), frustum, camera=camera)
    assert box == pytest.approx([5, 0, 37, 16])
    (grid,) = predict(predictor, [picture(32, 16)], camera=camera)
    assert grid.world_to_cam[0, 3] == 7
    K[0, 2] += 100
    with pytest.raises(DataError, match="nothing"):
        fit(picture(32, 16), frustum, camera=Camera(K, 32, 16))


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
    with pytest.raises(FileFormatError, match="another model"):
        load_predictor(Weights(weights.tensors, "pix2vox", weights.config, FACTS))
    with pytest.raises(UsageError, match="encodr"):
        load_predictor(Weights(weights.tensors, "ssz", weights.config | {"encodr": [1]}, FACTS))
    with pytest.raises(FileFormatError, match="own configuration"):
        load_predictor(Weights(weights.tensors, "ssz", weights.config | {"classes": 4}, FACTS))
    (tmp_path / "text.safetensors").write_text("no tensors here")
    with pytest.raises(FileFormatError, match="text.safetensors"):
        load_weights(tmp_path / "text.safetensors")
    with pytest.raises(UsageError, match="weights"):
        load_weights("sszz")
