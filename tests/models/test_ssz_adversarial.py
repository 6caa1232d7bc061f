import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from references.pose_twins import expectations_of_equation_three, pose_term_written_out, realism_written_out
from references.ssz_twins import equation_two
from refusals import refused

from voxcli import config
from voxcli.errors import UsageError
from voxcli.models.frustum.batches import StreetBatch
from voxcli.models.ssz.network import PRESETS, SSZ, Generator, SSZConfig, build
from voxcli.models.ssz.poses import assign
from voxcli.models.ssz.stages import resolve_config
from voxcli.models.ssz.steps import SCALES, adversarial_step, soft_one_hot
from voxcli.scene.labels import Labels
from voxcli.scene.poses import Poses
from voxcli.scene.types import Frustum
from voxcli.training.recipe import load_recipe
from voxcli.training.stage import Stage
from voxcli.training.task import Context

TINY = SSZConfig(
    width=32, height=16, depth=8, classes=3, encoder=(8, 8, 16), encoder_blocks=(1, 1, 1), decoder=(8, 8, 8), decoder_blocks=(1, 0, 0),
    discriminator={"widths": (6, 8), "blocks": (0, 1)},
)  # fmt: skip
FRUSTUM = Frustum(32, 16, 8, 2.0, 10.0, 2 * math.degrees(math.atan(0.5)))
LOSSES = {"likelihood": 1.0, "adversarial": 0.1, "pose": 0.1}


def batch(seed=0):
    rng = torch.Generator().manual_seed(seed)
    images = torch.rand(2, 3, 16, 32, generator=rng)
    labels = torch.zeros(2, 8, 16, 32, dtype=torch.uint8)
    labels[:, :, 12:] = 2
    labels[:, 2:4, 6:12, 12:22] = 1
    one = Poses(np.array([1]), np.float32([[0.1, 0.1, 4]]), np.float32([[1, 0, 0, 0]]), np.float32([[1, 1, 1]]))
    return images, {1: labels, 2: labels[:, ::2, ::2, ::2].contiguous()}, [one, one]


def phases(network, losses=LOSSES, scales=None, seed=0):
    images, labels, poses = batch(seed)
    scales = scales or {1: 1.0}
    return step(network, images, {s: labels[s] for s in scales}, scales, losses, poses)


def step(network, images, labels, scales, losses, poses):
    names = {scale: name for name, scale in SCALES.items()}
    stage = Stage("s", 1, step="adversarial", scales={names[s]: weight for s, weight in scales.items()}, losses=losses)
    data = SimpleNamespace(frustum=FRUSTUM, classes=Labels(("air", "car", "ground"), 0, 255))
    batch = StreetBatch(images, labels, ["a"] * len(images), poses)
    return adversarial_step(network, batch, Context(stage, data, {"class_weights": torch.ones(3)}))


def tiny():
    torch.manual_seed(0)
    settings = config.from_mapping(SSZConfig, config.to_mapping(TINY), "tiny")
    return build(settings)


def test_each_phase_moves_its_own_network_and_no_other():
    network = tiny()
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3, betas=(0.5, 0.999))
    steps = phases(network)
    for own in ("discriminator", "generator"):
        before = {k: p.detach().clone() for k, p in network.named_parameters()}
        optimiser.zero_grad(set_to_none=True)
        torch.stack(list(next(steps).values())).sum().backward()
        optimiser.step()
        moved = {k.startswith("discriminator.") for k, p in network.named_parameters() if not torch.equal(p, before[k])}
        assert moved == {own == "discriminator"}
    assert next(steps, None) is None
    assert all(p.requires_grad for p in network.parameters())


def test_the_generators_phase_asks_the_discriminator_as_it_has_become():
    network = tiny()
    values = []
    for change in (False, True):
        steps = phases(network)
        next(steps)
        if change:
            with torch.no_grad():
                network.discriminator.head.conv.bias[7] += 3
        values.append(next(steps)["adversarial"].item())
    assert values[1] < values[0]


def test_both_parts_of_the_adversarial_loss_reach_the_generator():
    for name in ("adversarial", "pose"):
        network = tiny()
        steps = phases(network, {"likelihood": 0.0, name: 1.0})
        next(steps)
        torch.stack(list(next(steps).values())).sum().backward()
        assert float(network.encoder.stem[0].weight.grad.abs().sum()) > 0
        assert all(p.grad is None for p in network.discriminator.parameters())


def test_a_coarse_stage_shows_the_discriminator_coarse_fruxels():
    first, second = phases(tiny(), scales={2: 1.0})
    assert set(first) == {"discriminator", "discriminator_pose"}
    assert set(second) == {"scale2", "adversarial", "pose"}


def test_a_discriminator_learns_to_tell_a_fixed_pair_apart_and_to_place_its_object():
    network = tiny()
    optimiser = torch.optim.Adam(network.discriminator.parameters(), lr=1e-2, betas=(0.5, 0.999))
    seen = []
    for _ in range(30):
        terms = next(phases(network, LOSSES | {"discriminator_pose": 0.1}))  # against a generator that stands still
        seen.append({k: v.item() for k, v in terms.items()})
        optimiser.zero_grad(set_to_none=True)
        sum(terms.values()).backward()
        optimiser.step()
    # It begins by knowing nothing, 2 log 2. Certain of the fake, and as certain of the real as it is told to be, it has the entropy of
    # the label 0.9.
    assert seen[0]["discriminator"] == pytest.approx(2 * math.log(2), abs=0.02)
    assert seen[-1]["discriminator"] == pytest.approx(-0.9 * math.log(0.9) - 0.1 * math.log(0.1), abs=2e-3)
    assert seen[-1]["discriminator_pose"] < 0.01 * seen[0]["discriminator_pose"]


PAPER = {"judged": "instances", "real_label": 1, "softness": 0, "translation": 0, "rotation": 0}


def test_the_step_of_the_papers_recipe_is_equations_two_and_three():
    chosen = load_recipe("paper")
    assert chosen.network["discriminator"] == PAPER
    torch.manual_seed(0)
    network = build(config.from_mapping(SSZConfig, config.merge(config.to_mapping(TINY), {"discriminator": PAPER}), "tiny"))
    judge, seen = network.discriminator, []
    judge.register_forward_hook(lambda module, inputs, output: seen.append((inputs, output)))
    (stage,) = chosen.stages
    images, labels, _ = batch()
    two = Poses(np.array([1, 1]), np.float32([[0.1, 0.1, 4], [-1, 0.4, 7]]), np.float32([[1, 0, 0, 0], [0.8, 0, 0.6, 0]]), np.ones((2, 3)))
    truth = assign([two], FRUSTUM, (2, 4, 8))
    cells = [tuple(cell[1:]) for cell in truth.cells.tolist()]
    assert len(cells) == 2
    steps = step(network, images[:1], {1: labels[1][:1]}, {1: 1.0}, stage.losses, [two])
    first, second = ({key: float(value.detach()) for key, value in terms.items()} for terms in steps)
    (real, fake, again), inputs = [output for _, output in seen], [given[1] for given, _ in seen]

    def pose_term(certificate):
        at = tuple(truth.cells.unbind(1))
        return pose_term_written_out(*(each.tolist() for each in (certificate.t[at], certificate.q[at], truth.t, truth.q)))

    # The discriminator is shown the real fruxels as they are, and the generator's probabilities.
    assert torch.equal(inputs[0].argmax(1), labels[1][:1].long()) and set(inputs[0].unique().tolist()) == {0, 1}
    assert first == pytest.approx(
        {"discriminator": -expectations_of_equation_three(real.r[0].tolist(), fake.r[0].tolist(), cells),
         "discriminator_pose": pose_term(real)}, rel=1e-5,
    )  # fmt: skip
    assert second == pytest.approx(
        {"scale1": equation_two(inputs[2][0].tolist(), labels[1][0].tolist(), [1.0] * 3),
         "adversarial": realism_written_out(again.r.tolist(), 1.0, [(0, *cell) for cell in cells]), "pose": pose_term(again)}, rel=1e-5,
    )  # fmt: skip


def test_all_cells_are_judged_where_the_configuration_says_so():
    for judged, asked in (("instances", 2), ("cells", 2 * 2 * 4 * 8)):
        torch.manual_seed(0)
        network = build(config.from_mapping(SSZConfig, config.merge(config.to_mapping(TINY), {"discriminator": {"judged": judged}}), "t"))
        kept = []

        def keep(module, inputs, output, kept=kept):
            output.r.retain_grad()
            kept.append(output.r)

        network.discriminator.register_forward_hook(keep)
        sum(next(phases(network)).values()).backward()
        assert [int((r.grad != 0).sum()) for r in kept] == [asked, asked]  # of the real volumes and of the generated ones


def test_real_fruxels_are_softened_and_ignored_ones_take_the_generators_values():
    labels = torch.tensor([0, 2, 255], dtype=torch.uint8).reshape(1, 1, 1, 3)
    unknown = torch.tensor([[0.2, 0.3, 0.5]] * 3).T.reshape(1, 3, 1, 1, 3).contiguous()
    got = soft_one_hot(labels, unknown, 0.3, 255)[0, :, 0, 0].T
    assert torch.allclose(got, torch.tensor([[0.8, 0.1, 0.1], [0.1, 0.1, 0.8], [0.2, 0.3, 0.5]]))
    assert torch.allclose(soft_one_hot(labels, unknown, 0.0, 255)[0, :, 0, 0].T[:2], torch.eye(3)[[0, 2]])


def test_misspelt_terms_and_absent_discriminators_are_named():
    with refused(UsageError, "'adversarail'", hint="'adversarial'"):
        next(phases(tiny(), {"adversarail": 1.0}))
    with refused(UsageError, "discriminator"):
        next(phases(Generator(TINY)))
    with refused(UsageError, "'widhts'", hint="'widths'"):
        resolve_config({"preset": "small", "discriminator": {"widhts": [8]}}, 10, None)


def test_the_configuration_with_a_discriminator_survives_the_way_through_yaml_and_none_is_the_ablation():
    settings = resolve_config({"preset": "small", "discriminator": {}}, 10, None)
    back = config.from_mapping(SSZConfig, config.parse(config.dumps(config.to_mapping(settings)), "text"), "text")
    assert back == settings and isinstance(build(back), SSZ)
    assert type(build(PRESETS["small"])) is Generator
    assert {k for k in build(back).state_dict() if not k.startswith("discriminator.")} == set(build(PRESETS["small"]).state_dict())


@pytest.mark.parametrize("blocks", [{"blocks2d": "plain"}, {"blocks2d": "plain", "blocks3d": "plain"}])
def test_ablated_networks_have_the_same_shapes_and_no_separable_convolution(blocks):
    settings = resolve_config({"preset": "small", "width": 32, "height": 32, "depth": 32, **blocks}, 10, None)
    network = build(settings)
    scores = network(torch.rand(1, 3, 32, 32), (1, 2))
    assert scores[1].shape == (1, 10, 32, 32, 32) and scores[2].shape == (1, 10, 16, 16, 16)
    sum(s.sum() for s in scores.values()).backward()
    for part in ("encoder", "decoder") if "blocks3d" in blocks else ("encoder",):
        kernels = [p for k, p in getattr(network, part).named_parameters() if p.ndim >= 4]
        # A depthwise kernel has one input channel and spatial extent.
        assert not any(p.shape[1] == 1 and p.shape[-1] > 1 for p in kernels)
    assert PRESETS["no-ir2d3d"].blocks3d == "plain" and PRESETS["no-ir2d"].blocks3d == "inverted"
