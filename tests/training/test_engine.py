import json
import shutil

import pytest
import torch
from refusals import refused

from voxcli import config
from voxcli.datasets.packing import pack_street
from voxcli.datasets.street import StreetFolder
from voxcli.errors import FileFormatError, UsageError
from voxcli.models.frustum.scores import per_class_iou
from voxcli.models.registry import model_module
from voxcli.models.ssz.stages import resolve_config
from voxcli.models.weights import load_weights
from voxcli.training import check, checkpoints, train
from voxcli.training.recipe import SHIPPED, Recipe, load_recipe

RECIPE = """
network:
  {preset: small, width: 32, height: 32, depth: 16, encoder: [8, 8, 16], encoder_blocks: [1, 1, 1],
   decoder: [8, 8, 8], decoder_blocks: [1, 0, 0], normalised_levels: 2}
average: 0.9
augmentation: {flip: true, brightness: 0.2, noise: 0.01}
validation: {every: 4, samples: 2}
checkpoint_every: 3
stages:
  - {name: half, steps: 4, batch: 2, scales: {half: 1}, losses: {likelihood: 1, dice: 1}, optimiser: {rate: 1e-3, warmup: 2}}
  - {name: full, steps: 6, batch: 2, scales: {full: 1, half: 0.3}, losses: {likelihood: 1},
     optimiser: {rate: 1e-3, schedule: cosine, clip: 1}}
"""


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE)
    return path


@pytest.fixture(scope="module")
def whole(street, tmp_path_factory):
    """The folder of a run that nothing interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "recipe.yaml").write_text(RECIPE)
    train("ssz", [street], folder / "run", folder / "recipe.yaml")
    return folder / "run"


class Killed(Exception):
    pass


@pytest.mark.parametrize("step", [2, 6])
def test_a_killed_and_resumed_run_ends_with_the_same_bits(street, recipe, whole, tmp_path, monkeypatch, step):
    from voxcli.training.engine import Trainer

    original = Trainer._train_step

    def dying(self, *args):
        if self.step == step + 2:  # two steps after a checkpoint: they must be done again in the same way
            raise Killed
        return original(self, *args)

    monkeypatch.setattr(Trainer, "_train_step", dying)
    with pytest.raises(Killed):
        train("ssz", [street], tmp_path / "cut", load_recipe(recipe))
    monkeypatch.undo()
    torch.manual_seed(99)  # whatever happened to the global generators in between
    train("ssz", [street], tmp_path / "cut", recipe)
    assert (whole / "weights.safetensors").read_bytes() == (tmp_path / "cut/weights.safetensors").read_bytes()
    one, other = (checkpoints.load_checkpoint(run / "last.pt") for run in (whole, tmp_path / "cut"))
    assert all(torch.equal(one["network"][k], other["network"][k]) for k in one["network"])


def test_a_run_learns_logs_and_leaves_weights(street, recipe, tmp_path):
    records = []
    train("ssz", [street], tmp_path / "run", recipe, progress=records.append)
    logged = [json.loads(line) for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    assert logged == records
    assert [r["scale"] for r in logged if r["event"] == "validation"] == [2, 1, 1]
    weights = load_weights(tmp_path / "run/weights.safetensors")
    assert weights.model == "ssz"
    assert weights.facts["label_names"] == ["air", "car", "ground"]
    assert weights.config["classes"] == 3


def test_an_interrupt_saves_and_says_so(street, recipe, tmp_path, monkeypatch):
    from voxcli.training.engine import Trainer

    original = Trainer._train_step

    def asked(self, *args):
        if self.step == 4:
            self.stop.requested = True
        return original(self, *args)

    monkeypatch.setattr(Trainer, "_train_step", asked)
    with pytest.raises(KeyboardInterrupt):
        train("ssz", [street], tmp_path / "run", recipe)
    assert checkpoints.load_checkpoint(tmp_path / "run/last.pt")["step"] == 5


def test_a_damaged_last_checkpoint_falls_back_to_the_one_before(whole, tmp_path):
    shutil.copytree(whole, tmp_path / "run")
    path = tmp_path / "run/last.pt"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.warns(UserWarning, match="last.pt' is no checkpoint.*before.pt' of step 9 is used"):
        assert checkpoints.newest_checkpoint(tmp_path / "run")["step"] == 9
    (tmp_path / "run/before.pt").unlink()
    with pytest.warns(UserWarning, match="best.pt' of step .* is used"):
        assert checkpoints.newest_checkpoint(tmp_path / "run")["step"] <= 10
    (tmp_path / "run/best.pt").write_bytes(b"")
    with refused(FileFormatError, "last.pt"):
        checkpoints.newest_checkpoint(tmp_path / "run")


def test_misspelt_keys_of_a_recipe_are_errors(recipe):
    with refused(UsageError, "recipe.yaml", "'stagse'", hint="'stages'"):
        load_recipe(recipe, {"stagse": []})
    with refused(UsageError, "'stret'", hint="'street'"):
        load_recipe("stret")


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_recipe_survives_yaml_and_names_steps_that_exist(path, street):
    chosen = load_recipe(path.stem)
    assert config.from_mapping(Recipe, config.parse(config.dumps(config.to_mapping(chosen)), "text"), "text") == chosen
    task = model_module(chosen.model, "stages").TASK
    assert {stage.step for stage in chosen.stages} <= set(task.steps)
    if chosen.model == "ssz":
        settings = resolve_config(chosen.network, 10, None)
        assert settings.classes == 10
        for stage in chosen.stages:
            task.check_stage(stage, settings, StreetFolder([street]))


def test_a_scale_that_the_network_has_no_scores_for_is_one_error_before_training(street, recipe):
    chosen = load_recipe(recipe, {"stages": {"half": {"scales": {"quarter": 1}}}})
    with refused(UsageError, "'half'", "'quarter'", expected="full or half", actual="3 decoder levels"):
        check("ssz", [street], chosen)
    with refused(UsageError, "'hlaf'", hint="'half'"):
        check("ssz", [street], load_recipe(recipe, {"stages": {"half": {"scales": {"hlaf": 1}}}}))


def test_a_packed_file_trains_as_its_folder(street, recipe, whole, tmp_path):
    packed = pack_street(StreetFolder([street]), tmp_path / "data.h5")
    train("ssz", [packed], tmp_path / "packed", recipe)
    assert (whole / "weights.safetensors").read_bytes() == (tmp_path / "packed/weights.safetensors").read_bytes()


def test_iou_from_a_confusion_by_hand():
    # Truth 0: 3 right, 1 taken for 1. Truth 1: 2 right. Class 2 nowhere.
    assert per_class_iou(torch.tensor([[3, 1, 0], [0, 2, 0], [0, 0, 0]])) == [0.75, pytest.approx(2 / 3, abs=1e-5), None]


def test_a_run_that_has_ended_refuses_other_settings_and_keeps_its_weights(street, recipe, whole):
    before = {path.name: path.read_bytes() for path in whole.iterdir() if path.is_file()}
    with refused(UsageError, "ended", actual="stages.full.batch") as caught:
        train("ssz", [street], whole, load_recipe(recipe, {"stages": {"full": {"batch": 4}}}))
    assert "stages.full.batch 2 -> 4" in str(caught.value)
    assert {path.name: path.read_bytes() for path in whole.iterdir() if path.is_file()} == before
    train("ssz", [street], whole, load_recipe(recipe, {"log_every": 7}))  # what no weight feels is no other setting
    assert (whole / "weights.safetensors").read_bytes() == before["weights.safetensors"]


def test_weights_tell_which_settings_changed_on_the_way_and_not_how_long_anything_took(street, recipe, whole, tmp_path):
    shutil.copytree(whole, tmp_path / "run")
    train("ssz", [street], tmp_path / "run", load_recipe(recipe, {"stages": {"full": {"steps": 8, "batch": 4}}}))
    facts = load_weights(tmp_path / "run/weights.safetensors").facts["training"]
    settings = {"stages.full.steps": [6, 8], "stages.full.batch": [2, 4]}
    assert facts["changed"] == [{"step": 10, "settings": settings}]
    logged = [json.loads(line) for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    assert [r["settings"] for r in logged if r["event"] == "changed"] == [settings]
    best = load_weights(whole / "best.safetensors").facts["training"]
    assert "changed" not in best and "seconds" not in best["validation"]


@pytest.mark.parametrize(
    "setting",
    ["average=2", "seed=-1", "validation.share=2", "validation.samples=0", "augmentation.flip=true augmentation.noise=-1",
     "class_weights.largest=0", "stages.full.optimiser.rate=-1", "stages.full.optimiser.betas=[0.5,1]", "stages.half.optimiser.clip=0"],
)  # fmt: skip
def test_settings_without_a_meaning_are_refused_before_anything_is_read(recipe, setting):
    with refused(UsageError, "recipe.yaml", setting.split()[-1].partition("=")[0].split(".")[-1], expected=""):
        load_recipe(recipe, config.parse_set(setting.split()))
