"""What SSZ's recipes train: the paper's whole system, its ablations, and class weights by hand."""

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from refusals import refused
from torch import nn

from voxcli import config
from voxcli.datasets.street import StreetFolder
from voxcli.errors import UsageError
from voxcli.models.frustum.batches import StreetBatch
from voxcli.models.registry import model_module
from voxcli.models.ssz import stages, steps
from voxcli.models.ssz.network import PRESETS, SSZ, build
from voxcli.models.weights import load_weights
from voxcli.scene.labels import Labels
from voxcli.scene.poses import Poses
from voxcli.scene.types import Frustum
from voxcli.training import check, train
from voxcli.training.preparation import resolve
from voxcli.training.recipe import load_recipe
from voxcli.training.stage import Stage
from voxcli.training.task import Context

TINY = {
    "network": {"width": 32, "height": 32, "depth": 16, "encoder": [4] * 5, "encoder_blocks": [1] * 5, "decoder": [4] * 5,
                "decoder_blocks": [0] * 5, "discriminator": {"widths": [4, 4], "blocks": [0, 1]}},
    "validation": {"samples": 2, "pictures": 0}, "log_every": 1, "stages": {"adversarial": {"steps": 3}},
}  # fmt: skip


def steps_of(run):
    return [r for r in map(json.loads, (run / "log.jsonl").read_text().splitlines()) if r["event"] == "step"]


# -- the paper's system -----------------------------------------------------------------------------------------------------------


def test_the_papers_recipe_is_what_the_paper_says_and_nothing_of_ours():
    chosen = load_recipe("paper")
    (stage,) = chosen.stages
    assert stage.step == "adversarial" and set(stage.scales) == {"full"}
    assert stage.losses == dict.fromkeys(("likelihood", "adversarial", "pose", "discriminator", "discriminator_pose"), 1)
    how = stage.optimiser
    assert (how.rate, how.betas, how.schedule, how.warmup, how.clip) == (2e-4, (0.5, 0.999), "constant", 0, None)
    assert chosen.average is None and not any(config.to_mapping(chosen.augmentation).values())
    judge = stages.resolve_config(chosen.network, 10, (128, 128, 128)).discriminator
    assert (judge.judged, judge.real_label, judge.softness, judge.translation, judge.rotation) == ("instances", 1, 0, 0, 0)


def test_the_papers_recipe_takes_steps_and_leaves_weights_that_tell_poses(street_with_poses, tmp_path):
    chosen = load_recipe("paper", TINY)
    assert chosen.stages[0].batch == 4
    train("ssz", [street_with_poses], tmp_path / "run", chosen)
    taken = steps_of(tmp_path / "run")
    assert len(taken) == 3
    for record in taken:
        terms = ("scale1", "adversarial", "pose", "discriminator", "discriminator_pose")
        assert record["loss"] == pytest.approx(sum(record[term] for term in terms), rel=1e-5)
    # A fresh discriminator knows nothing: it gives 1/2 to real and fake alike. So does a fresh generator, of three classes.
    assert taken[0]["discriminator"] == pytest.approx(2 * math.log(2), rel=0.05)
    assert taken[0]["scale1"] == pytest.approx(math.log(3) / 3, rel=0.2)  # all k are 1: equation (2) is the mean over fruxels, over q
    weights = load_weights(tmp_path / "run/weights.safetensors")
    assert any(name.startswith("discriminator.") for name in weights.tensors)


def test_an_adversarial_step_of_the_papers_eight_levels_normalises_four_samples_at_one_pixel():
    preset = PRESETS["paper"]
    assert preset.bottleneck == (1, 1, 1) and len(preset.encoder) == 8
    judge = {"widths": [4, 4], "blocks": [0, 1]}
    narrow = {"preset": "paper", "encoder": [4] * 8, "decoder": [4] * 8, "discriminator": judge}
    torch.manual_seed(0)
    network = build(stages.resolve_config(narrow, 3, (128, 128, 128)))
    smallest = []
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.register_forward_pre_hook(lambda module, inputs: smallest.append(inputs[0].shape[0] * inputs[0][0, 0].numel()))
    one = Poses(np.array([1]), np.float32([[0.1, 0.1, 4]]), np.float32([[1, 0, 0, 0]]), np.float32([[1, 1, 1]]))
    labels = torch.randint(0, 3, (4, 32, 32, 32), dtype=torch.uint8)
    optimiser = torch.optim.Adam(network.parameters(), lr=2e-4, betas=(0.5, 0.999))
    stage = Stage("s", 1, step="adversarial", scales={"quarter": 1.0}, losses=load_recipe("paper").stages[0].losses)
    data = SimpleNamespace(frustum=Frustum(128, 128, 128, 2.0, 12.0, 40.0), classes=Labels(("air", "car", "ground"), 0, 255))
    batch = StreetBatch(torch.rand(4, 3, 128, 128), {4: labels}, list("abcd"), [one] * 4)
    for terms in steps.adversarial_step(network, batch, Context(stage, data, {"class_weights": torch.ones(3)})):
        optimiser.zero_grad(set_to_none=True)
        torch.stack(list(terms.values())).sum().backward()
        gradients = [p.grad for p in network.parameters() if p.grad is not None]
        assert gradients and all(bool(g.isfinite().all()) for g in gradients)
        optimiser.step()
    assert min(smallest) == 4  # values a channel: one of each sample
    assert all(bool(p.isfinite().all()) for p in network.state_dict().values())
    # In use, one picture comes alone: running statistics take the batch's place.
    with torch.inference_mode():
        assert network.eval()(torch.rand(1, 3, 128, 128), (4,))[4].shape == (1, 3, 32, 32, 32)


def test_a_part_of_one_sample_at_one_pixel_is_refused_before_training(street_with_poses):
    deep, data = {"network": {"height": 16, "width": 16, "depth": 16}}, StreetFolder([street_with_poses])
    square = config.merge(TINY, deep)
    settings = stages.resolve_config({**load_recipe("paper", square).network}, 3, (16, 16, 16))
    assert settings.bottleneck == (1, 1, 1)
    for changes, too_small in (({"batch": 1}, True), ({"batch": 4, "parts": 4}, True), ({"batch": 4, "parts": 2}, False), ({}, False)):
        (stage,) = load_recipe("paper", config.merge(square, {"stages": {"adversarial": changes}})).stages
        if too_small:
            with refused(UsageError, "1x1", expected="2 samples") as caught:
                stages.TASK.check_stage(stage, settings, data)
            assert f"batch {stage.batch} in {stage.parts} parts" in str(caught.value.actual)
        else:
            stages.TASK.check_stage(stage, settings, data)
    (stage,) = load_recipe("paper", config.merge(TINY, {"stages": {"adversarial": {"batch": 1}}})).stages
    stages.TASK.check_stage(stage, stages.resolve_config(load_recipe("paper", TINY).network, 3, None), data)  # 2 x 2 pixels: four values


# -- ablations (section 4.5, Table 2) ---------------------------------------------------------------------------------------------


def ablated(name):
    """A recipe as a mapping, with its network resolved."""
    recipe = load_recipe(name)
    settings = config.to_mapping(stages.resolve_config(recipe.network, 10, None))
    return {**config.to_mapping(recipe), "network": settings}


@pytest.mark.parametrize("name, blocks2d, blocks3d", [("street-no-ir2d", "plain", "inverted"), ("street-no-ir2d3d", "plain", "plain")])
def test_ablations_of_the_blocks_differ_from_the_whole_in_the_blocks_alone(name, blocks2d, blocks3d):
    whole, other = ablated("street-6d"), ablated(name)
    assert (whole["network"]["blocks2d"], whole["network"]["blocks3d"]) == ("inverted", "inverted")
    assert (other["network"]["blocks2d"], other["network"]["blocks3d"]) == (blocks2d, blocks3d)
    other["network"] |= {"blocks2d": "inverted", "blocks3d": "inverted"}
    assert other == whole


def test_the_ablation_of_the_discriminator_differs_in_the_discriminator_and_its_terms_alone():
    whole, other = ablated("street-6d"), ablated("street-no-6d")
    assert whole["network"]["discriminator"] is not None
    whole["network"]["discriminator"] = None
    for stage in whole["stages"]:
        stage["step"] = "generator"
        stage["losses"] = {name: weight for name, weight in stage["losses"].items() if name in steps.TERMS}
    assert other == whole


def test_ablated_networks_share_all_that_is_not_ablated():
    # Names and shapes of tensors: an ablation that changes nothing, or more than its part, shows here.
    shapes = {}
    with torch.device("meta"):
        for name in ("street-6d", "street-no-6d", "street-no-ir2d", "street-no-ir2d3d"):
            network = build(stages.resolve_config(load_recipe(name).network, 10, None))
            assert isinstance(network, SSZ) == (name != "street-no-6d")
            shapes[name] = {key: tensor.shape for key, tensor in network.state_dict().items()}

    def part(name, *prefixes):
        return {key: shape for key, shape in shapes[name].items() if key.startswith(prefixes)}

    assert part("street-no-6d", "encoder", "decoder") == shapes["street-no-6d"] == part("street-6d", "encoder", "decoder")
    for name, same, other in (
        ("street-no-ir2d", ("decoder", "discriminator"), ("encoder.levels",)),
        ("street-no-ir2d3d", ("discriminator",), ("encoder.levels", "decoder.ups")),
    ):
        assert part(name, *same) == part("street-6d", *same)
        for prefix in other:
            assert part(name, prefix) != part("street-6d", prefix)


# -- class weights by hand --------------------------------------------------------------------------------------------------------


def test_a_run_takes_class_weights_by_hand_and_says_so(street_with_poses, tmp_path):
    by_hand = {"class_weights": {"by_hand": {"car": 2.5, "air": 0.5, "ground": 1}}, "stages": {"adversarial": {"steps": 1}}}
    train("ssz", [street_with_poses], tmp_path / "run", load_recipe("paper", config.merge(TINY, by_hand)))
    start = json.loads((tmp_path / "run/log.jsonl").read_text().splitlines()[0])
    assert start["class_weights"] == {"air": 0.5, "car": 2.5, "ground": 1}
    facts = load_weights(tmp_path / "run/weights.safetensors").facts["training"]
    assert facts["recipe"]["class_weights"]["by_hand"] == {"car": 2.5, "air": 0.5, "ground": 1}


def test_class_weights_of_no_class_are_one_error_before_anything_is_written(street_with_poses, tmp_path):
    chosen = load_recipe("paper", config.merge(TINY, {"class_weights": {"by_hand": {"cra": 2}}}))
    for attempt in (lambda: check("ssz", [street_with_poses], chosen), lambda: train("ssz", [street_with_poses], tmp_path / "r", chosen)):
        with refused(UsageError, "'cra'") as caught:
            attempt()
        assert "'car'" in caught.value.hint and not (tmp_path / "r").exists()


def test_a_model_that_weighs_no_classes_refuses_weights_by_hand():
    chosen = load_recipe("z-gan", {"class_weights": {"by_hand": {"car": 2}}})
    data = SimpleNamespace(frustum=Frustum(128, 128, 128, 2.0, 12.0, 40.0))
    with refused(UsageError, "z-gan", expected="no class_weights.by_hand"):
        resolve(model_module("z-gan", "stages").TASK, chosen, data, 1)


def test_poses_in_fields_of_view_that_differ_are_refused(street_with_poses):
    data = StreetFolder([street_with_poses])
    data.fov_jitter = 3.0
    (stage,) = load_recipe("paper", TINY).stages
    with pytest.raises(UsageError) as caught:
        stages.TASK.check_stage(stage, stages.resolve_config(load_recipe("paper", TINY).network, 3, None), data)
    assert caught.value.expected == "one field of view"
