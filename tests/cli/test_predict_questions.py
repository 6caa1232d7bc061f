"""`predict` with weights of a training of the 3D-IQ test task: surfels of a picture of a question."""

import math

import numpy as np
import pytest
import torch

from voxcli import config, files
from voxcli.datasets.iqtt import IQTTFile
from voxcli.datasets.synthetic.iqtt import IQTTConfig as QuestionsConfig
from voxcli.datasets.synthetic.iqtt import write_questions
from voxcli.models.base import Inputs
from voxcli.models.frustum.options import LensOptions
from voxcli.models.iqtt.network import IQTTConfig, build
from voxcli.models.pix2scene.network import Pix2SceneConfig
from voxcli.models.registry import load_network
from voxcli.models.weights import Weights, save_weights
from voxcli.scene import Picture, Surfels

SCENES = {"encoder": 4, "decoder": 4, "critic": 4, "latent": 12, "scene": 8}


def weights_of_a_wall(path, distance, far=3.6):
    """A solver whose decoder says `distance` at every pixel, whatever the code."""
    torch.manual_seed(0)
    asked = IQTTConfig("pix2scene", Pix2SceneConfig(size=16, near=1.3, far=far, normalise_depth=False, **SCENES))
    network = build(asked)
    head = network.scenes.decoder.head.convolution
    with torch.no_grad():
        head.weight.zero_()
        head.bias.fill_(math.log(math.expm1(distance - 1.3)))  # softplus of it is distance - near
    save_weights(path, Weights(network.state_dict(), "iqtt-pix2scene", config.to_mapping(asked)), half=False)
    return path


def test_a_picture_of_a_question_becomes_its_surfels(voxcli, tmp_path):
    """A wall at 2.3: points of pixels lie 2.3 / f apart, with the lens of 25 mm before 24 mm of sensor."""
    weights_of_a_wall(tmp_path / "wall.safetensors", 2.3)
    files.write(tmp_path / "q.png", Picture(np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)))
    for target in ("q.npz", "q.ply", "made.png"):
        code, _, errors = voxcli("predict", "q.png", "--weights", "wall.safetensors", "-o", target)
        assert code == 0, errors
    surfels = files.read_as(tmp_path / "q.npz", Surfels)
    np.testing.assert_allclose(surfels.depth, 2.3, rtol=1e-6)
    np.testing.assert_allclose(surfels.normals, np.broadcast_to([0, 0, -1.0], (16, 16, 3)), atol=1e-6)
    np.testing.assert_allclose(surfels.albedo, 0.8)
    focal = 25 / 24 * 16
    np.testing.assert_allclose(surfels.camera.K, [[focal, 0, 8], [0, focal, 8], [0, 0, 1]])
    assert len(surfels.meta["prediction"]["latent"]) == 12 and surfels.meta["frame"].startswith("camera")
    cloud = files.read(tmp_path / "q.ply")
    assert np.ptp(cloud.points[:, 0]) == pytest.approx(15 * 2.3 / focal, rel=1e-5)
    made = files.read_as(tmp_path / "made.png", Picture).rgb
    assert made.shape == (16, 16, 3) and made.min() > 0


def test_what_lies_behind_the_farthest_is_no_surfel_and_black(tmp_path):
    solver = load_network("iqtt-pix2scene", weights_of_a_wall(tmp_path / "wall.safetensors", 4.4), "cpu")
    seen = next(solver.predict([Inputs.of(Picture(np.full((16, 16, 3), 99, np.uint8)))], LensOptions()))
    assert np.isnan(seen.depth).all() and not seen.normals.any() and not seen.albedo.any()
    assert solver.picture_of(seen).rgb.max() == 0  # 0.8 beyond, where a fiftieth of 3.6 halves the light: e^-11 of it is left


def test_the_picture_of_a_prediction_is_that_of_the_sheet(tmp_path):
    file = write_questions(tmp_path / "q.h5", 2, config=QuestionsConfig(labeled=1, size=16))
    weights_of_a_wall(tmp_path / "wall.safetensors", 3.0)
    solver = load_network("iqtt-pix2scene", tmp_path / "wall.safetensors", "cpu")
    question = IQTTFile(file).labeled.pictures(0)
    seen = next(solver.predict([Inputs.of(Picture(question[0]))], LensOptions()))
    assert np.array_equal(solver.picture_of(seen).rgb, solver.reconstructed(question)[0])


def test_the_baselines_predict_nothing(refused, tmp_path):
    asked = IQTTConfig("siamese", None, 4, (1, 1))
    save_weights(tmp_path / "s.safetensors", Weights(build(asked).state_dict(), "iqtt-siamese", config.to_mapping(asked)))
    files.write(tmp_path / "q.png", Picture(np.zeros((16, 16, 3), np.uint8)))
    refused("predict", "q.png", "--weights", "s.safetensors", "-o", "q.npz", named=("iqtt-siamese", "iqtt-pix2scene"))
