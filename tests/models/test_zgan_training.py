"""Training of Z-GAN: its data, its losses against closed forms, and a run on the engine."""

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from refusals import refused
from torch import nn

from voxcli.errors import UsageError
from voxcli.models.zgan import stages
from voxcli.models.zgan.inference import ZGANPredictor
from voxcli.models.zgan.network import Generator, ZGANConfig
from voxcli.training import check, train
from voxcli.training.recipe import load_recipe
from voxcli.training.stage import Optimiser, Stage

TINY = """
model: z-gan
dataset: {classes: [car]}
network: {width: 1, dropout: 0.0, discriminator: 2}
validation: {every: 2, samples: 1, pictures: 1}
stages:
  - {name: first, step: adversarial, steps: 2, batch: 1, losses: {adversarial: 1, l1: 200}}
"""


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    """Three scenes of 128^3: a car's box on the ground."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("zgan") / "street"
    (folder / "images").mkdir(parents=True)
    (folder / "fruxels").mkdir()
    for i in range(3):
        labels = np.zeros((128, 128, 128), np.uint8)
        labels[:, 100:] = 2
        labels[30:60, 60:100, 20 * i : 20 * i + 30] = 1
        labels[:, :2] = 255
        image = np.full((128, 128, 3), 200, np.uint8)
        image[60:100, 20 * i : 20 * i + 30] = 250, 20, 20
        Image.fromarray(image).save(folder / "images" / f"{i:06d}.png")
        np.savez_compressed(
            folder / "fruxels" / f"{i:06d}.npz", labels=labels, z_near=2.0, z_far=12.0, fov_x_deg=40.0,
            label_names=np.array(["air", "car", "ground"]), empty_label=0, ignore_label=255,
        )  # fmt: skip
    return folder


@pytest.fixture
def recipe(tmp_path):
    (tmp_path / "tiny.yaml").write_text(TINY)
    return load_recipe(tmp_path / "tiny.yaml")


def test_the_wanted_classes_are_the_object_and_ignored_fruxels_stay_ignored(street):
    car, everything = stages.TASK.open_data([street], {"classes": ["car"]})[0].labels, stages.TASK.open_data([street], {})[0].labels
    assert np.bincount(car.ravel(), minlength=256)[[1, 255]].tolist() == [30 * 40 * 30, 2 * 128 * 128]
    assert (everything[:, 100:] == 1).all() and (everything[:, :2] == 255).all()
    with refused(UsageError, "'grund'", hint="'ground'"):
        stages.TASK.open_data([street], {"classes": ["grund"]})


def test_l1_is_the_mean_distance_from_zero_and_one_without_ignored_fruxels():
    labels = torch.tensor([0, 1, 255, 1], dtype=torch.uint8).reshape(1, 1, 1, 4)
    made = torch.tensor([-0.5, 0.5, 9.0, 1.0]).reshape(1, 1, 1, 1, 4)
    assert float(stages.l1_loss(made, labels)) == pytest.approx((0.5 + 0.5 + 0) / 3)


class Judge(nn.Module):
    """Says the mean of the fruxels times its own weight, minus three."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, image, fruxels):
        return (self.weight * fruxels.mean() - 3).reshape(1)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.level, self.discriminator = nn.Parameter(torch.tensor(0.25)), Judge()

    def forward(self, image):
        assert image.shape == (1, 3, 256, 256)
        return self.level.expand(1, 1, 4, 4, 4)


def test_a_step_is_pix2pix_s_each_network_moved_by_its_own_loss_alone():
    batch = SimpleNamespace(images=torch.zeros(1, 3, 128, 128), labels={1: torch.ones(1, 4, 4, 4, dtype=torch.uint8)})
    context = SimpleNamespace(stage=Stage("s", 1, 1, "adversarial", losses={"adversarial": 1.0, "l1": 200.0}))
    network, softplus = Net(), lambda x: math.log1p(math.exp(x))
    phases = stages.TASK.steps["adversarial"](network, batch, context)
    first = next(phases)
    assert first["discriminator"].item() == pytest.approx(0.5 * (softplus(-(1 - 3)) + softplus(0.25 - 3)))
    first["discriminator"].backward()
    assert network.level.grad is None and network.discriminator.weight.grad is not None
    network.zero_grad()
    second = next(phases)
    assert second["adversarial"].item() == pytest.approx(softplus(-(0.25 - 3))) and second["l1"].item() == pytest.approx(200 * 0.75)
    sum(second.values()).backward()
    assert network.discriminator.weight.grad is None and float(network.level.grad) < -200


def test_the_linear_schedule_falls_by_equal_steps_to_its_end():
    rates = [Optimiser(schedule="linear").factor(step, 4) for step in range(4)]
    assert rates == [1, 0.75, 0.5, 0.25]


def test_wrong_recipes_and_data_are_refused_before_anything_is_computed(street, recipe, tmp_path):
    assert check("z-gan", [street], recipe) == 3
    for change, message in (
        ({"network": {"discriminator": None}}, "discriminator"),
        ({"stages": {"first": {"losses": {"l2": 1}}}}, "'l2'"),
        ({"stages": {"first": {"scales": {"half": 1}}}}, "one scale"),
        ({"stages": {"first": {"settings": {"a": 1}}}}, "settings.a"),
        ({"dataset": {"class": "car"}}, "'class'"),
    ):
        with refused(UsageError, message):
            check("z-gan", [street], load_recipe(tmp_path / "tiny.yaml", change))
    shipped = load_recipe("z-gan")
    assert check("z-gan", [street], shipped) == 3 and shipped.stages[0].losses == {"adversarial": 1, "l1": 200}


def test_a_run_leaves_weights_that_predict(street, recipe, tmp_path):
    train("z-gan", [street], tmp_path / "run", recipe)
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    scores = next(each for each in log if each["event"] == "validation")
    assert set(scores["iou"]) == {"air", "car"} and list((tmp_path / "run" / "previews").iterdir())
    predictor = ZGANPredictor.from_weights(tmp_path / "run" / "weights.safetensors", "cpu")
    assert predictor.classes.names == ("air", "car") and predictor.frustum.z_far == 12


@pytest.mark.slow
def test_a_single_scene_is_learnt_by_heart(street):
    torch.manual_seed(0)
    data = stages.TASK.open_data([street], {})
    image, labels, _, _ = stages.TASK.reader(data, None, None)(0, None)
    images, truth = torch.from_numpy(image.copy()).permute(2, 0, 1)[None] / 255, torch.from_numpy(labels[1])[None]
    network = stages.TASK.build(ZGANConfig(width=2, dropout=0.0))
    optimiser = torch.optim.Adam(network.parameters(), 1e-2, betas=(0.5, 0.999))
    losses = []
    for _ in range(40):
        optimiser.zero_grad()
        loss = stages.l1_loss(network(stages.as_input(images)), truth)
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.25 * losses[0]


def test_weights_with_a_discriminator_hold_the_public_generator_unchanged():
    whole, alone = Generator(ZGANConfig(width=1, discriminator=1)).state_dict(), Generator(ZGANConfig(width=1)).state_dict()
    assert {k for k in whole if not k.startswith("discriminator.")} == set(alone)
