import json

import numpy as np
import pytest
import torch
from PIL import Image
from refusals import refused
from small_street import write_street

from voxcli.errors import DataError, FileFormatError, UsageError
from voxcli.models.frustum.photographs import GROUPS, read_photographs, score_photographs
from voxcli.models.frustum.scores import predictor
from voxcli.models.rays.network import Rays, RaysConfig
from voxcli.models.weights import load_weights
from voxcli.scene import Frustum, Labels
from voxcli.training import check, train
from voxcli.training.recipe import SHIPPED, Recipe, load_recipe

RECIPE = """
model: rays
network: {preset: near, width: 32, height: 16, depth: 16, pyramid: 8, volume: 4, fine: [8, 8], pretrained: false}
average: 0.9
augmentation: {flip: true, photographic: 0.5}
validation: {every: 4, samples: 2}
checkpoint_every: 3
stages:
  - {name: coarse, step: rays, steps: 4, batch: 2, scales: {quarter: 1}, losses: {likelihood: 1, dice: 1, visible: 0.3},
     frozen: [encoder], frozen_statistics: [encoder], optimiser: {rate: 1e-2}}
  - {name: full, step: rays, steps: 4, batch: 2, scales: {full: 1, quarter: 0.3}, losses: {likelihood: 1, visible: 0.3},
     settings: {rays: 0.25}, frozen_statistics: [encoder], optimiser: {rate: 1e-2, rates: {encoder: 1e-3}}}
"""


def write_scenes(folder, scale=2):
    return write_street(folder, 6, height=16, scale=scale, z_far=50.0, fov_x_deg=70.0)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return write_scenes(tmp_path_factory.mktemp("rays") / "data")


@pytest.fixture
def recipe(tmp_path):
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    return load_recipe(tmp_path / "recipe.yaml")


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """Two photographs: sky above, ground below; of the second, the lower half is left out."""
    folder = tmp_path_factory.mktemp("photographs")
    (folder / "images").mkdir()
    (folder / "labels").mkdir()
    for number in range(2):
        picture = np.full((40, 80, 3), 230, np.uint8)
        picture[20:] = 80
        labels = np.zeros((40, 80), np.uint8)
        labels[20:] = GROUPS.index("ground") if number == 0 else 255
        Image.fromarray(picture).save(folder / "images" / f"{number}.png")
        Image.fromarray(labels).save(folder / "labels" / f"{number}.png")
    return folder


def test_a_still_encoder_keeps_weights_and_statistics_and_the_rest_learns(scenes, recipe, tmp_path):
    first = Recipe(stages=recipe.stages[:1], model="rays", network=recipe.network, validation=recipe.validation)
    train("rays", [scenes], tmp_path / "run", first)
    torch.manual_seed(0)
    fresh = Rays(RaysConfig(width=32, height=16, depth=16, classes=3, pyramid=8, volume=4, fine=(8, 8), pretrained=False)).state_dict()
    trained = load_weights(tmp_path / "run" / "weights.safetensors").tensors
    for name, tensor in trained.items():
        same = torch.allclose(tensor.float(), fresh[name].float(), rtol=1e-3, atol=1e-4)
        if name.startswith("encoder."):
            assert same, name
    assert not torch.allclose(trained["pyramid.smooth8.0.1.running_mean"], fresh["pyramid.smooth8.0.1.running_mean"], atol=1e-4)
    assert not torch.allclose(trained["coarse.ray.weight"], fresh["coarse.ray.weight"], rtol=1e-3, atol=1e-4)


def test_statistics_alone_can_stay_while_the_weights_learn(scenes, recipe, tmp_path):
    train("rays", [scenes], tmp_path / "run", recipe)
    tensors = load_weights(tmp_path / "run" / "weights.safetensors").tensors
    assert float(tensors["encoder.stem_norm.running_mean"].abs().max()) == 0
    assert float((tensors["encoder.stem_norm.weight"] - 1).abs().max()) > 0


def test_photographs_are_scored_at_each_validation_and_share_in_the_choice(scenes, recipe, photographs, tmp_path):
    watched = load_recipe(tmp_path / "recipe.yaml", {"validation": {"photographs": str(photographs), "photographs_weight": 0.25}})
    train("rays", [scenes], tmp_path / "run", watched)
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    found = [line for line in lines if line["event"] == "validation"]
    assert len(found) == 2
    for line in found:
        assert line["score"] == pytest.approx(0.75 * line["mean_iou"] + 0.25 * line["photographs"]["mean"])
        assert set(line["photographs"]) == {"mean", *GROUPS}


class Sees(torch.nn.Module):
    """A network that takes what is darker than 128 for ground in slice 2, and the rest for air."""

    def __init__(self):
        super().__init__()
        self.config = RaysConfig(width=32, height=16, depth=4, pretrained=False)
        self.unused = torch.nn.Parameter(torch.zeros(1))

    def forward(self, picture, scales):
        dark = torch.nn.functional.avg_pool2d(picture, 2).mean(1) < 0.5
        scores = torch.zeros(1, 3, 4, *dark.shape[1:])
        scores[:, 0] = 1
        scores[:, 2, 2] = 2 * dark.float()
        return {1: scores}


def test_photographs_are_scored_by_what_rays_meet_first(photographs):
    frustum, classes = Frustum(32, 16, 4, 2.0, 50.0, 70.0), Labels(("air", "car", "ground"), 0, 255)
    found = score_photographs(predictor(Sees()), read_photographs(photographs), frustum, classes, picture_scale=2)
    # The picture of 2 x 1 fills the frustum: 40 rows on 16. Both groups are found to the row.
    assert found["ground"] == 1 and found["none"] == 1
    assert found["mean"] == pytest.approx(2 / 7, abs=1e-4)


def test_photographs_without_labels_of_their_size_are_refused(photographs, tmp_path):
    with pytest.raises(DataError):
        read_photographs(tmp_path)
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "images" / "a.png")
    Image.new("L", (8, 9)).save(tmp_path / "labels" / "a.png")
    with pytest.raises(FileFormatError):
        read_photographs(tmp_path)
    Image.new("RGB", (8, 4)).save(tmp_path / "images" / "a.png")
    Image.new("L", (8, 4)).save(tmp_path / "labels" / "a.png")
    with refused(DataError, "a.png", "8 pixels", actual=[4, 8]):
        read_photographs(tmp_path)


@pytest.mark.parametrize(("labels", "expected", "actual"), [
    (np.full((8, 8), 9, np.uint8), "0 to 6 or 255", "9"),
    (np.full((8, 8), 300, np.uint16), "0 to 6 or 255", "300"),
    (np.full((8, 8), 1, np.float32), "whole numbers", "float32"),
])  # fmt: skip
def test_labels_that_are_no_groups_are_refused_before_anything_is_computed(scenes, recipe, tmp_path, labels, expected, actual):
    folder = tmp_path / "photographs"
    (folder / "images").mkdir(parents=True)
    (folder / "labels").mkdir()
    Image.new("RGB", (8, 8)).save(folder / "images" / "a.png")
    Image.fromarray(labels).save(folder / "labels" / "a.png", format="TIFF")  # told by its content; PNG holds no float numbers
    watched = load_recipe(tmp_path / "recipe.yaml", {"validation": {"photographs": str(folder)}})
    with refused(FileFormatError, "a.png", expected=expected, actual=actual):
        check("rays", [scenes], watched)
    with refused(FileFormatError, "a.png", expected=expected, actual=actual):
        train("rays", [scenes], tmp_path / "run", watched)
    assert not (tmp_path / "run").exists()


def test_weights_do_not_tell_where_data_and_photographs_lay(scenes, recipe, photographs, tmp_path):
    watched = load_recipe(tmp_path / "recipe.yaml", {"validation": {"photographs": str(photographs)}, "data": [str(scenes)]})
    train("rays", [], tmp_path / "run", watched)
    told = load_weights(tmp_path / "run" / "best.safetensors").facts["training"]["recipe"]
    assert told["validation"]["photographs"] == photographs.name and told["data"] == [scenes.name]
    assert str(photographs.parent) not in json.dumps(told)


def test_models_that_see_no_streets_are_not_scored_on_photographs(scenes, photographs, tmp_path):
    recipe = load_recipe("z-gan", {"validation": {"photographs": str(photographs)}})
    with pytest.raises(UsageError):
        train("z-gan", [scenes], tmp_path / "run", recipe)
    assert not (tmp_path / "run").exists()


def test_pictures_of_one_pixel_a_column_are_refused_before_anything_is_computed(recipe, tmp_path):
    with pytest.raises(UsageError) as caught:
        check("rays", [write_scenes(tmp_path / "data", scale=1)], recipe)
    assert (caught.value.expected, caught.value.actual) == ("64x32 pixels", "32x16")


@pytest.mark.parametrize(
    "wrong", [{"scales": {"half": 1}}, {"losses": {"adversarial": 1}}, {"settings": {"rays": 1.5}}, {"settings": {"pixels": 3}}]
)
def test_stages_that_rays_cannot_run_are_refused(scenes, recipe, tmp_path, wrong):
    changed = load_recipe(tmp_path / "recipe.yaml", {"stages": {"coarse": wrong}})
    with pytest.raises(UsageError):
        check("rays", [scenes], changed)


def test_a_training_goes_on_from_half_precision_weights(scenes, recipe, tmp_path):
    train("rays", [scenes], tmp_path / "run", recipe)
    start = {"network": {"start": str(tmp_path / "run" / "weights.safetensors")}, "stages": {"coarse": {"optimiser": {"rate": 1e-9}}}}
    again = load_recipe(tmp_path / "recipe.yaml", start)
    train("rays", [scenes], tmp_path / "again", Recipe(stages=again.stages[:1], model="rays", network=again.network))
    before, after = (load_weights(tmp_path / name / "weights.safetensors").tensors for name in ("run", "again"))
    told = load_weights(tmp_path / "again" / "weights.safetensors")
    assert told.config["start"] == told.facts["training"]["recipe"]["network"]["start"] == "weights.safetensors"  # not where it lies
    for name, tensor in before.items():
        if "running" not in name and "num_batches" not in name:
            torch.testing.assert_close(after[name], tensor, rtol=2e-3, atol=1e-4)


def test_shipped_recipes_of_rays_are_read():
    for name in ("rays", "rays-far"):
        assert load_recipe(SHIPPED / f"{name}.yaml").model == "rays"


def test_a_dry_run_finds_a_missing_encoder_file_and_a_stage_that_holds_nothing_still(scenes, recipe, tmp_path):
    own = tmp_path / "recipe.yaml"
    with refused(FileFormatError, "nowhere.pth"):
        check("rays", [scenes], load_recipe(own, {"network": {"pretrained": str(tmp_path / "nowhere.pth")}}))
    wrong = {"stages": {name: {"frozen": ["encodr"]} for name in [stage.name for stage in load_recipe(own).stages]}}
    with refused(UsageError, "nothing", actual="encodr"):
        check("rays", [scenes], load_recipe(own, wrong))
