"""Edges to images: contours where geometry says, shapes, losses by hand, and a training that learns."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from refusals import refused

from voxcli.errors import FileFormatError, ShapeError, UsageError
from voxcli.models.edges2image import stages
from voxcli.models.edges2image.edges import EdgeSettings, find_edges
from voxcli.models.edges2image.inference import Translator
from voxcli.models.edges2image.losses import feature_loss, verdict_loss
from voxcli.models.edges2image.network import DiscriminatorConfig, Discriminators, Edges2ImageConfig, Generator, build
from voxcli.models.weights import load_weights
from voxcli.training import check, train
from voxcli.training.recipe import load_recipe
from voxcli.training.stage import Augmentation, Stage
from voxcli.training.task import Draws

SMALL = Edges2ImageConfig(width=8, downs=2, blocks=1, discriminator=DiscriminatorConfig(count=2, width=8, levels=2))
TINY = """
model: edges2image
dataset: {size: 32}
network: {width: 8, downs: 2, blocks: 1, discriminator: {count: 2, width: 8, levels: 2}}
validation: {every: 4, samples: 1, pictures: 1}
checkpoint_every: 2
stages:
  - {name: blurred, step: generator, steps: 2, batch: 2, losses: {l1: 1}}
  - {name: sharp, step: adversarial, steps: 2, batch: 2, losses: {adversarial: 1, features: 10, l1: 5}}
"""


def square(low=10, high=22, size=32):
    image = np.full((size, size, 3), 40, np.uint8)
    image[low:high, low:high] = 220
    return image


def test_the_edges_of_a_square_lie_on_its_border_and_close_around_it():
    edges = find_edges(square())
    rows, columns = np.nonzero(edges)
    # The border runs between the pixels 9 | 10 and 21 | 22: both are as near to it.
    on_border = lambda v: np.isin(v, (9, 10, 21, 22))  # noqa: E731
    assert (on_border(rows) | on_border(columns)).all() and rows.min() in (9, 10) and rows.max() in (21, 22)
    for middle in range(13, 19):  # every row and column through the middle crosses two sides
        for line in (edges[middle], edges[:, middle]):
            assert line[[9, 10]].any() and line[[21, 22]].any()


def test_edges_do_not_depend_on_brightness_s_offset_and_weak_ones_need_a_strong_neighbour():
    assert np.array_equal(find_edges(square()), find_edges(square() - 40))
    faint = np.full((32, 32, 3), 100, np.uint8)
    faint[:, 16:] = 105
    assert not find_edges(faint).any() and find_edges(faint, EdgeSettings(low=0.001, high=0.002)).any()
    assert not find_edges(np.full((8, 8, 3), 255, np.uint8)).any()
    with refused(UsageError, "thresholds", actual="1.0"):
        EdgeSettings(low=0.5, high=0.1)


def test_a_step_between_two_pixels_marks_both_whatever_its_height_and_colour():
    for low, high in ((0, 255), (40, 220), ((13, 77, 200), (201, 91, 3)), ((7, 0, 9), (7, 140, 9))):
        image = np.zeros((20, 20, 3), np.uint8)
        image[:, :10], image[:, 10:] = low, high
        columns = np.isin(np.arange(20), (9, 10))
        assert np.array_equal(find_edges(image)[1:-1], np.tile(columns, (18, 1)))  # skimage's Canny leaves the picture's rim out


@pytest.mark.parametrize("sigma", [0.7, 1.0, 2.3])
def test_edges_turn_and_mirror_with_the_picture(sigma):
    rng, how = np.random.default_rng(3), EdgeSettings(sigma=sigma)
    blocks = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8).repeat(5, 0).repeat(5, 1)  # steps between pixels: many ties
    for image in (square(), blocks, rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)):
        edges = find_edges(image, how)
        assert edges.any()
        for turned in range(4):
            assert np.array_equal(find_edges(np.rot90(image, turned), how), np.rot90(edges, turned))
            assert np.array_equal(find_edges(np.rot90(image, turned)[::-1], how), np.rot90(edges, turned)[::-1])


@pytest.mark.parametrize(("height", "width"), [(32, 32), (20, 37), (1, 5)])
def test_the_generator_keeps_any_size_and_stays_within_the_range_of_colours(height, width):
    torch.manual_seed(0)
    made = build(SMALL)(torch.rand(2, 1, height, width))
    assert made.shape == (2, 3, height, width) and made.abs().max() <= 1
    with refused(ShapeError, "edges", expected="[B 1 H W]", actual=[2, 3, 32, 32]):
        build(SMALL)(torch.rand(2, 3, 32, 32))


def test_the_paper_s_generator_has_the_size_of_pix2pixhd_s():
    with torch.device("meta"):
        network = Generator(Edges2ImageConfig(width=64, downs=4, blocks=9))
    # 7x7: 1->64 and 64->3; 3x3 down and up: 64..1024; 9 blocks of two 3x3 of 1024; a bias each
    down = sum(9 * a * 2 * a + 2 * a for a in (64, 128, 256, 512))
    up = sum(9 * 2 * a * a + a for a in (512, 256, 128, 64))
    assert sum(p.numel() for p in network.parameters()) == 49 * 64 + 64 + down + 18 * (9 * 1024**2 + 1024) + up + 49 * 64 * 3 + 3


def test_each_discriminator_sees_half_the_resolution_of_the_one_before():
    judge = Discriminators(DiscriminatorConfig(count=3, width=4, levels=3))
    found = judge(torch.rand(1, 1, 64, 64), torch.rand(1, 3, 64, 64))
    assert [levels[0].shape[-1] for levels in found] == [33, 17, 9] and all(levels[-1].shape[1] == 1 for levels in found)


def test_losses_are_those_computed_by_hand():
    made = [[torch.tensor([1.0, 3.0]), torch.tensor([0.5])], [torch.tensor([2.0]), torch.tensor([-1.0])]]
    real = [[torch.tensor([0.0, 1.0]), torch.tensor([9.0])], [torch.tensor([5.0]), torch.tensor([9.0])]]
    assert float(verdict_loss(made, 1)) == pytest.approx((0.25 + 4) / 2)
    assert float(feature_loss(made, real)) == pytest.approx((1.5 + 3) / 2)


def pictures(folder, count=4):
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        image = square(6 + i, 20 + i)
        image[..., 2] = 90
        Image.fromarray(image).save(folder / f"{i}.png")
    return folder


def opened(folder, size=32):
    return stages.TASK.open_data([folder], {"size": size})


def test_squares_are_cut_from_the_middle_or_at_random_the_same_for_the_same_numbers(tmp_path):
    Image.fromarray(np.repeat(np.arange(64, dtype=np.uint8)[None, :, None], 32, 0).repeat(3, 2)).save(tmp_path / "a.png")
    read = stages.TASK.reader(opened(tmp_path), None, Augmentation(flip=True))
    edges, image, name = read(0, None)
    assert edges.shape == (32, 32) and image[0, :, 0].tolist() == list(range(16, 48)) and name.endswith("a.png")
    draws = lambda seed: Draws(np.random.default_rng(seed), np.random.default_rng(0))  # noqa: E731
    cut = [read(0, draws(seed))[1] for seed in (1, 1, 2)]
    assert np.array_equal(cut[0], cut[1]) and not np.array_equal(cut[0], cut[2])


def test_each_network_is_moved_by_its_own_loss_alone(tmp_path):
    data = opened(pictures(tmp_path))
    batch = stages.TASK.collate([stages.TASK.reader(data, None, Augmentation())(i, None) for i in range(2)])
    torch.manual_seed(0)
    network = build(SMALL)
    context = SimpleNamespace(stage=Stage("s", 1, 2, "adversarial", losses={"adversarial": 1.0, "features": 10.0}))
    phases = stages.TASK.steps["adversarial"](network, batch, context)
    next(phases)["discriminator"].backward()
    grown = {name for name, p in network.named_parameters() if p.grad is not None}
    assert grown and all(name.startswith("discriminator.") for name in grown)
    network.zero_grad()
    torch.stack(list(next(phases).values())).sum().backward()
    assert all(p.requires_grad for p in network.parameters())
    assert {n for n, p in network.named_parameters() if p.grad is not None} == {n for n, _ in network.named_parameters()} - grown


def test_a_few_pictures_are_learnt_by_heart(tmp_path):
    data = opened(pictures(tmp_path))
    batch = stages.TASK.collate([stages.TASK.reader(data, None, Augmentation())(i, None) for i in range(4)])
    torch.manual_seed(0)
    network, context = build(SMALL), SimpleNamespace(stage=Stage("s", 1, 4, "generator", losses={"l1": 1.0}))
    optimiser, losses = torch.optim.Adam(network.parameters(), 2e-3), []
    for _ in range(60):
        optimiser.zero_grad()
        loss = stages.TASK.steps["generator"](network, batch, context)["l1"]
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.2 * losses[0]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of four steps, and its pictures."""
    folder = tmp_path_factory.mktemp("edges")
    (folder / "tiny.yaml").write_text(TINY)
    train("edges2image", [pictures(folder / "pictures")], folder / "run", load_recipe(folder / "tiny.yaml"))
    return folder


def test_a_run_leaves_a_log_previews_and_weights_that_translate_the_same_way_each_time(run):
    log = [json.loads(line) for line in (run / "run" / "log.jsonl").read_text().splitlines()]
    scored = [each for each in log if each["event"] == "validation"]
    assert scored and all(0 < each["l1"] < 1 for each in scored)
    with Image.open(next((run / "run" / "previews").iterdir())) as preview:
        assert preview.size == (96, 32)
    first, again = (Translator.from_weights(run / "run" / "best.safetensors", "cpu") for _ in range(2))
    image = square(size=40)
    made = first.translate(image)
    assert made.shape == image.shape and made.dtype == np.uint8
    np.testing.assert_array_equal(made, again.translate(image))


def test_an_interrupted_run_ends_with_the_weights_of_an_uninterrupted_one(run):
    half = load_recipe(run / "tiny.yaml", {"stages": {"sharp": {"steps": 1}}})
    train("edges2image", [run / "pictures"], run / "other", half)
    train("edges2image", [run / "pictures"], run / "other", load_recipe(run / "tiny.yaml"))
    whole, other = (load_weights(run / name / "weights.safetensors") for name in ("run", "other"))
    assert whole.tensors.keys() == other.tensors.keys()
    assert all(torch.equal(tensor, other.tensors[name]) for name, tensor in whole.tensors.items())
    assert other.facts["training"].pop("changed") == [{"step": 3, "settings": {"stages.sharp.steps": [1, 2]}}]
    assert whole.facts == other.facts


def test_wrong_recipes_and_foreign_weights_are_refused(run):
    assert check("edges2image", [run / "pictures"], load_recipe("edges2image")) == 4
    for change, message in (
        ({"dataset": {"size": 30}}, "halve"),
        ({"dataset": {"sise": 32}}, "'sise'"),
        ({"network": {"discriminator": None}}, "discriminator"),
        ({"network": {"edges": {"sigma": 2}}}, "network.edges"),
        ({"stages": {"sharp": {"losses": {"l2": 1}}}}, "'l2'"),
    ):
        with refused(UsageError, message):
            check("edges2image", [run / "pictures"], load_recipe(run / "tiny.yaml", change))
    with refused(UsageError, "flip"):
        stages.TASK.reader(opened(run / "pictures"), None, Augmentation(noise=0.1))
    with refused(FileFormatError, "model", expected="edges2image", actual="ssz"):
        from voxcli.models.weights import Weights

        Translator.from_weights(Weights({}, "ssz", {}))
