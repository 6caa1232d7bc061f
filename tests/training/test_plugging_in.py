"""Another model than SSZ on the engine: two networks that play against each other on one number a sample."""

import json
import sys
import types
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from refusals import refused
from torch import nn

from voxcli.errors import UsageError
from voxcli.models import registry
from voxcli.models.weights import load_weights
from voxcli.training import check, checkpoints, train
from voxcli.training.freezing import parameters_frozen
from voxcli.training.recipe import load_recipe
from voxcli.training.stage import Optimiser
from voxcli.training.task import Task

RECIPE = """
model: toy
dataset: {slope: 3}
network: {width: 2}
validation: {every: 4, samples: 2}
checkpoint_every: 4
stages:
  - {name: alone, step: fit, steps: 4, batch: 4, settings: {power: 2}, losses: {}, frozen: [critic],
     optimiser: {rate: 0.1, schedule: milestones, milestones: [2], drop: 0.5}}
  - {name: against, step: duel, steps: 6, batch: 4, losses: {}, optimiser: {rate: 0.01, rates: {critic: 0.02}, decay: 0.001}}
"""


@dataclass(frozen=True)
class Config:
    width: int = 1


@dataclass
class Toy:
    """Sample i is the pair (i, slope * i)."""

    slope: float
    count: int = 12

    def __len__(self):
        return self.count

    def name(self, index):
        return f"toy/{index}"


@dataclass
class Read:
    data: Toy

    def __call__(self, index, draws):
        noise, shift = (draws.own.normal(), draws.shared.normal()) if draws else (0.0, 0.0)
        return index / 10, self.data.slope * index / 10 + 0.01 * noise, shift, self.data.name(index)


@dataclass
class Numbers:
    x: torch.Tensor
    y: torch.Tensor
    shifts: set
    names: list

    def to(self, device):
        return Numbers(self.x.to(device), self.y.to(device), self.shifts, self.names)


class Net(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.main = nn.Sequential(nn.Linear(1, config.width), nn.Linear(config.width, 1))
        self.critic = nn.Linear(2, 1)


def fit(network, batch, context):
    return {"error": (network.main(batch.x) - batch.y).abs().pow(context.stage.settings["power"]).mean() * context.constants["scale"]}


def duel(network, batch, context):
    made = network.main(batch.x)
    scores = [network.critic(torch.cat([batch.x, y], 1)).mean() for y in (batch.y, made.detach())]
    yield {"critic": scores[1] - scores[0]}
    with parameters_frozen(network.critic):
        score = network.critic(torch.cat([batch.x, made], 1)).mean()
    yield {"made": -score, "error": (made - batch.y).abs().mean()}


class ToyTask(Task):
    steps = {"fit": fit, "duel": duel}

    def open_data(self, sources, options):
        return Toy(float(options["slope"]))

    def configure(self, options, data):
        return Config(**options)

    def build(self, config):
        return Net(config)

    def check_stage(self, stage, config, data):
        if stage.step == "fit" and set(stage.settings) != {"power"}:
            raise UsageError(f"Stage '{stage.name}' needs settings.power alone.")

    def constants(self, data, indices):
        return {"scale": torch.tensor(2.0)}

    def log_facts(self, data, constants):
        return {"scale": float(constants["scale"])}

    def reader(self, data, stage, augmentation):
        return Read(data)

    def collate(self, samples):
        x, y, shifts, names = zip(*samples, strict=True)
        assert len(set(shifts)) == 1  # the whole batch draws it together
        return Numbers(torch.tensor(x)[:, None], torch.tensor(y)[:, None], set(shifts), list(names))

    def tally(self, network, batch, context):
        return torch.stack([(network.main(batch.x) - batch.y).abs().sum(), torch.tensor(1.0)])

    def summary(self, total, context):
        return -float(total[0] / total[1]), {"error": float(total[0] / total[1])}

    def preview(self, network, batches, context):
        return np.zeros((len(list(batches)), 2, 3), np.uint8)

    def weight_facts(self, data):
        return {"slope": data.slope}


@pytest.fixture
def toy(monkeypatch):
    """The task of a model `toy`, which lies in no file."""
    stages = types.ModuleType("toy_model.stages")
    stages.TASK = ToyTask()
    package = types.ModuleType("toy_model")
    package.__path__ = []
    package.stages = stages
    stages.__spec__ = types.SimpleNamespace(name="toy_model.stages")
    monkeypatch.setitem(sys.modules, "toy_model", package)
    monkeypatch.setitem(sys.modules, "toy_model.stages", stages)
    monkeypatch.setitem(registry.MODELS, "toy", "toy_model")
    return stages.TASK


@pytest.fixture
def recipe(tmp_path):
    (tmp_path / "toy.yaml").write_text(RECIPE)
    return load_recipe(tmp_path / "toy.yaml")


def test_another_model_trains_validates_and_leaves_weights(toy, recipe, tmp_path):
    assert check("toy", ["anywhere"], recipe) == 12
    train("toy", ["anywhere"], tmp_path / "run", recipe)
    records = [json.loads(line) for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    scores = [r["score"] for r in records if r["event"] == "validation"]
    assert scores == [-r["error"] for r in records if r["event"] == "validation"] and len(scores) == 3
    assert records[0]["scale"] == 2.0
    best = load_weights(tmp_path / "run/best.safetensors")
    assert best.model == "toy" and best.config == {"width": 2} and best.facts["slope"] == 3.0
    assert len(list((tmp_path / "run/previews").iterdir())) == 3


def test_a_resumed_duel_ends_with_the_same_bits(toy, recipe, tmp_path, monkeypatch):
    from voxcli.training.engine import Trainer

    train("toy", [], tmp_path / "whole", recipe)
    original = Trainer._train_step

    def dying(self, *args):
        if self.step == 9:
            raise InterruptedError
        return original(self, *args)

    with monkeypatch.context() as patch, pytest.raises(InterruptedError):
        patch.setattr(Trainer, "_train_step", dying)
        train("toy", [], tmp_path / "cut", recipe)
    train("toy", [], tmp_path / "cut", recipe)
    assert (tmp_path / "whole/weights.safetensors").read_bytes() == (tmp_path / "cut/weights.safetensors").read_bytes()


def test_what_a_stage_needs_is_found_as_it_begins(toy, recipe, tmp_path, monkeypatch):
    asked = []

    def found(network, data, indices, stage):
        assert not network.training and not torch.is_grad_enabled() and len(indices) == 11
        asked.append(stage.name)
        return {"scale": torch.tensor(0.0)} if stage.name == recipe.stages[0].name else {}

    monkeypatch.setattr(toy, "stage_constants", found)
    monkeypatch.setattr(toy, "prepares_stages", True)
    train("toy", [], tmp_path / "run", recipe)
    names = [stage.name for stage in recipe.stages]
    assert asked == names
    records = [json.loads(line) for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    assert [(r["stage"], r["step"]) for r in records if r["event"] == "preparing"] == [(names[0], 0), (names[1], recipe.stages[0].steps)]
    assert all(r["error"] == 0 for r in records if r["event"] == "step" and r["stage"] == names[0])  # that of a stage goes before the run's


def test_what_a_model_does_not_offer_is_absent_or_refused(toy, recipe):
    from dataclasses import replace

    from voxcli.training.recipe import Validation
    from voxcli.training.stage import ClassWeights

    assert Task.stage_constants(toy, Net(Config()), Toy(1.0), [0], recipe.stages[0]) == {} and Task.preview(toy, None, [], None) is None
    assert Task.constants(toy, Toy(1.0), [0]) == Task.log_facts(toy, Toy(1.0), {}) == Task.weight_facts(toy, Toy(1.0)) == {}
    with refused(UsageError, "'toy'", expected="no class_weights.by_hand"):
        check("toy", [], replace(recipe, class_weights=ClassWeights(by_hand={"car": 2.0})))
    with refused(UsageError, "photographs", actual="validation.photographs: folder"):
        check("toy", [], replace(recipe, validation=Validation(photographs="folder")))


def test_a_stage_that_the_model_refuses_is_named_before_anything_is_written(toy, recipe, tmp_path):
    from dataclasses import replace

    spoilt = replace(recipe, stages=(replace(recipe.stages[0], settings={}), *recipe.stages[1:]))
    with refused(UsageError, "settings.power"):
        check("toy", [], spoilt)
    with refused(UsageError, "settings.power"):
        train("toy", [], tmp_path / "run", spoilt)
    assert not (tmp_path / "run").exists()


def test_rates_follow_prefixes_and_milestones():
    how = Optimiser(rate=1.0, rates={"a": 0.5, "a.b": 0.25}, schedule="milestones", milestones=(2, 4), drop=0.1)
    assert [how.rate_of(name) for name in ("c.w", "a.w", "a.b.w")] == [1.0, 0.5, 0.25]
    assert [how.factor(step, 9) for step in (0, 1, 2, 3, 4)] == pytest.approx([1, 1, 0.1, 0.1, 0.01])
    with refused(UsageError, "milestones", actual="[3]"):
        Optimiser(milestones=(3,))


def test_a_checkpoint_of_another_kind_is_named(tmp_path):
    from voxcli.errors import FileFormatError

    torch.save({"weights": torch.zeros(1)}, tmp_path / "last.pt")
    with refused(FileFormatError, "last.pt", "checkpoint"):
        checkpoints.load_checkpoint(tmp_path / "last.pt")
