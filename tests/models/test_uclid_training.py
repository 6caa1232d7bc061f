"""Training UCLID-Net: losses in closed form, data brought into the cube, every step of the recipes, and learning shapes by heart."""

import math
import sys

import numpy as np
import pytest
import torch
from references.shapes import box, sphere, torus
from refusals import refused
from test_uclid_network import NARROW
from torch.testing import assert_close

from voxcli import config
from voxcli.datasets.synthetic.folders import write_dataset
from voxcli.datasets.synthetic.objects.dataset import ObjectsConfig, ObjectsGenerator
from voxcli.errors import DataError, FileFormatError, UsageError
from voxcli.geometry.backproject import depth_cloud, occupied_cells, unit_projection
from voxcli.geometry.cameras import look_at
from voxcli.geometry.chamfer import ragged_chamfer
from voxcli.geometry.sampling import sample_surface
from voxcli.models.uclid import stages, steps
from voxcli.models.uclid.batches import ObjectBatch, in_cube, moved, recoloured
from voxcli.models.uclid.folding import even_uv
from voxcli.models.uclid.losses import camera_loss, chamfer_loss, depth_terms, occupancy_loss
from voxcli.models.uclid.network import CELLS, PRESETS, build, occupied
from voxcli.models.weights import Weights, load_weights, save_weights
from voxcli.training.recipe import load_recipe
from voxcli.training.stage import Augmentation, Stage
from voxcli.training.task import Context, Draws


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("disn")
    write_dataset(place, 2, ObjectsGenerator(0, ObjectsConfig(("chair", "car"), 2, "disn")), progress=lambda done, total: None)
    return place


def draws(seed=0):
    return Draws(np.random.default_rng(seed), np.random.default_rng(7))


# ------------------------------------------------------------------------------------------------ losses


def test_depth_terms_are_those_of_a_ramp():
    """Depth e times the truth is 1 away in logarithms; a ramp of slope 1 against a flat wall is 45 degrees off."""
    x = torch.arange(8.0).expand(1, 8, 8)
    flat, ramp = torch.full((1, 8, 8), 3.0), 3 + x
    assert_close(depth_terms(flat * math.e, flat)["log"], torch.tensor(1.0))
    found = depth_terms(ramp, flat)
    assert_close(found["gradient"], torch.tensor(1.0))
    assert_close(found["normal"], torch.tensor(1 - math.cos(math.pi / 4)))
    assert all(float(term) < 1e-6 for term in depth_terms(ramp, ramp).values())


def test_the_camera_s_loss_is_how_far_points_are_moved_apart():
    first, second = torch.eye(4)[None], torch.eye(4)[None].clone()
    second[0, 2, 3] = 0.25
    points = torch.rand(1, 20, 3)
    assert_close(camera_loss(first, second, points), torch.tensor(0.25))
    second[0, 0, 0] = second[0, 1, 1] = -1
    assert_close(camera_loss(first, second, points), 0.25 + (2 * points[..., :2]).sum(-1).mean())


def test_points_and_occupancies_are_scored_a_sample_at_a_time():
    truth = torch.rand(2, 30, 3)
    cells = torch.tensor([[0, 1, 2, 3], [0, 4, 5, 6], [1, 0, 0, 0]])
    points = torch.rand(3, 4, 3)
    wanted = [torch.cdist(points[list(rows)].flatten(0, 1), truth[k]) ** 2 for k, rows in enumerate(((0, 1), (2,)))]
    assert_close(chamfer_loss(points, cells, truth), sum(w.amin(1).mean() + w.amin(0).mean() for w in wanted) / 2)
    assert chamfer_loss(points[:0], cells[:0], truth) == 0
    assert_close(occupancy_loss(torch.zeros(1, 2, 2, 2), torch.ones(1, 2, 2, 2, dtype=torch.bool)), torch.tensor(math.log(2)))


# ------------------------------------------------------------------------------------------------ data


def test_the_cube_s_camera_sees_the_cube_s_points_where_the_mesh_s_camera_sees_the_mesh_s():
    points = np.random.default_rng(0).normal(size=(200, 3)) * [1, 0.3, 2] + [0.1, 0.4, 0]
    cloud, centre, scale = in_cube(points)
    assert np.isclose(np.abs(cloud).max(), 1) and np.allclose(cloud.min(0) + cloud.max(0), 0)
    world_to_cam = look_at((3, 2, 5), (0, 0, 0))
    own, cubes = moved(world_to_cam, centre, scale), world_to_cam
    seen = points @ cubes[:3, :3].T + cubes[:3, 3]
    assert np.allclose((cloud @ own[:3, :3].T + own[:3, 3]) * scale, seen)
    with refused(DataError, "all the same"):
        in_cube(np.ones((4, 3)))


@pytest.mark.parametrize("random", [False, True])
def test_depth_camera_and_points_of_a_sample_speak_of_the_same_surface(folder, random):
    """Most of what the depth shows lies within a cell of the surface samples: pins scale, centre, camera and pixels at once."""
    data = stages.TASK.open_data([folder], {})
    read = stages.TASK.reader(data, Stage("s", 1, step="shape", settings={"views": [2, 2], "truth": 4000}), Augmentation())
    sample = read(0, draws() if random else None)
    assert sample.images.shape == (2, 3, 224, 224) and sample.points.shape == (4000, 3) and sample.depths.shape == (2, 112, 112)
    for depth, projection, motion in zip(sample.depths, sample.projections, sample.motions, strict=True):
        points, there = depth_cloud(depth, projection)
        away = torch.cdist(points[there], sample.points).amin(1)
        assert away.median() < 0.03 and (away < 2 / 28).float().mean() > 0.97 and len(away) > 300
        fixed = unit_projection(torch.tensor([[245.0, 0, 112], [0, 245, 112], [0, 0, 1]]), motion, 224, 224)
        assert_close(fixed, projection, rtol=0, atol=1e-5)
    assert (occupied_cells(sample.points, torch.ones(4000, dtype=torch.bool), CELLS).bool() <= sample.occupancy).all()


def test_hue_turns_and_grey_stays():
    rgba = np.random.default_rng(0).integers(0, 256, (4, 5, 4), dtype=np.uint8)
    grey = np.repeat(rgba[..., :1], 4, -1)
    assert np.array_equal(recoloured(rgba, Augmentation(), np.random.default_rng(0)), rgba)
    assert np.abs(recoloured(grey, Augmentation(colour=0.5), np.random.default_rng(1))[..., :3].astype(int) - grey[..., :3]).max() <= 1
    assert np.abs(recoloured(rgba, Augmentation(colour=0.5), np.random.default_rng(3)).astype(int) - rgba).max() > 20


# ------------------------------------------------------------------------------------------------ steps


SHAPE = {"chamfer": 1.0, "occupancy": 100.0}
STAGES = [
    Stage("depth", 1, step="depth", losses={"log": 1, "gradient": 10, "normal": 1}),
    Stage("camera", 1, step="camera", losses={"camera": 1}),
    Stage("occupancy", 1, step="occupancy", losses={"occupancy": 100}),
    Stage("shape", 1, step="shape", losses=SHAPE),
    Stage("views", 1, step="shape", losses=SHAPE, settings={"views": [2, 2]}, frozen=("reconstruction.encoder", "reconstruction.reduce")),
    Stage("found", 1, step="shape", losses=SHAPE, settings={"camera": "regressed", "depth": "regressed"}),
    Stage("half", 1, step="shape", losses=SHAPE, settings={"camera": "regressed"}),
]


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_every_step_moves_what_it_trains_and_nothing_else_and_is_scored(folder, stage):
    data = stages.TASK.open_data([folder], {})
    torch.manual_seed(0)
    network = build(NARROW)
    stages.TASK.check_stage(stage, NARROW, data)
    read = stages.TASK.reader(data, stage, Augmentation())
    batch = stages.TASK.collate([read(k, draws(k)) for k in range(len(data))])
    for name, p in network.named_parameters():
        p.requires_grad_(not name.startswith(stage.frozen))
    context = Context(stage, data, {})
    terms = stages.TASK.steps[stage.step](network, batch, context)
    assert set(terms) == set(stage.losses) and all(float(term.detach()) >= 0 for term in terms.values())
    sum(terms.values()).backward()
    part = stage.step if stage.step in ("depth", "camera") else "reconstruction"
    moved_ones = {name for name, p in network.named_parameters() if p.grad is not None and p.grad.abs().max() > 0}
    assert moved_ones and all(name.startswith(part) and not name.startswith(stage.frozen) for name in moved_ones)
    score, record = stages.TASK.summary(stages.TASK.tally(network.eval(), batch, context), context)
    assert math.isfinite(score) and all(math.isfinite(value) for value in record.values())
    shown = stages.TASK.preview(network, iter([batch]), context)
    assert (shown is None) == (part != "reconstruction")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"step": "fold"}, "step"), ({"losses": {"coarse": 1}}, "coarse"), ({"settings": {"views": [2, 1]}}, "fewest"),
        ({"settings": {"samples": 0}}, "count points"),
    ],
)  # fmt: skip
def test_stages_that_mean_nothing_are_refused(folder, change, message):
    stage = Stage("s", 1, **{"step": "shape", "losses": SHAPE, **change})
    with refused(UsageError, message):
        stages.TASK.check_stage(stage, NARROW, None)


def test_a_training_begins_with_the_regressors_that_it_names_and_a_main_network_of_its_own(folder, tmp_path):
    task, data = stages.TASK, stages.TASK.open_data([folder], {"split": None})
    path, before = str(tmp_path / "before.safetensors"), PRESETS["small"]
    save_weights(path, Weights(build(before).state_dict(), "uclid", config.to_mapping(before)), half=False)
    chosen = task.configure({"preset": "small", "fold": 24, "camera": None, "regressors": path}, data)
    named = load_weights(path)
    assert chosen.camera.widths == before.camera.widths
    tensors = task.build(chosen).state_dict()
    same = {k: torch.equal(tensors[k], v.to(tensors[k].dtype)) for k, v in named.tensors.items() if v.shape == tensors[k].shape}
    assert all(same[k] for k in same if k.startswith(stages.REGRESSORS))
    assert not any(same[k] for k in same if k.startswith("reconstruction.encoder") and k.endswith("conv1.weight"))
    with refused(FileFormatError, "another model"):
        task.configure({"preset": "small", "regressors": "jof"}, data)
    with refused(FileFormatError, "another image encoder"):
        task.configure({"preset": "lite", "regressors": path}, data)


@pytest.mark.parametrize("name", ["uclid", "objects-uclid-small", "objects-uclid-lite"])
def test_shipped_recipes_fit_their_network(folder, name):
    recipe = load_recipe(name)
    data = stages.TASK.open_data([folder], recipe.dataset)
    settings = stages.TASK.configure(recipe.network, data)
    for stage in recipe.stages:
        stages.TASK.check_stage(stage, settings, data)
    assert [stage.step for stage in recipe.stages][-3:] == ["shape"] * 3 or name != "uclid"


@pytest.mark.parametrize(("name", "told"), [("uclid", "regressed"), ("objects-uclid-lite", "regressed"), ("objects-uclid-small", "true")])
def test_the_papers_main_network_learns_from_what_the_regressors_find(name, told):
    """Section 4.4: ALL, "as it was in all the experiments above", is trained with inferred depth maps and cameras."""
    options = [stage.options(steps.StageOptions) for stage in load_recipe(name).stages if stage.step in ("occupancy", "shape")]
    assert {(each.camera, each.depth) for each in options} == {(told, told)}


@pytest.mark.parametrize("most", [1, 2])
def test_several_views_are_learnt_with_the_statistics_of_single_ones(folder, most):
    """Statistics of sums of one and of several grids fit neither; a decoder trained by a batch's own falls apart when it is used."""
    torch.manual_seed(0)
    network = build(NARROW).train()
    data = stages.TASK.open_data([folder], {"split": None})
    stage = Stage("views", 1, step="shape", losses=SHAPE, settings={"views": [1, most], "samples": 2, "truth": 50})
    read = stages.TASK.reader(data, stage, Augmentation())
    batch = stages.TASK.collate([read(index, draws(index)) for index in range(2)])
    before = {name: value.clone() for name, value in network.reconstruction.named_buffers()}
    steps.shape_step(network, batch, Context(stage, data, {}))
    moved = [name for name, value in network.reconstruction.named_buffers() if not torch.equal(value, before[name])]
    assert bool(moved) == (most == 1)


# ------------------------------------------------------------------------------------------------ by heart


STEPS_BY_HEART = 260


@pytest.mark.slow
def test_shapes_are_learnt_by_heart_to_near_the_noise_of_sampling():
    """Ten shapes in one view each. The floor is the Chamfer distance of two samplings of the truth of as many points as are compared."""
    torch.manual_seed(0)
    clouds = []
    ball, ring = sphere(0.9), torus()
    proportions = ((1, 1, 1), (1, 0.4, 0.6), (0.3, 1, 0.3), (1, 0.15, 1), (0.5, 1, 0.8))
    shapes = [ball, ring, *(box(tuple(-side for side in p), p) for p in proportions)]
    shapes += [(vertices * torch.tensor(p, dtype=vertices.dtype), faces) for (vertices, faces), p in (
        (ball, (1, 0.5, 1)), (ball, (0.4, 1, 0.7)), (ring, (1, 1, 0.5)))]  # fmt: skip
    for vertices, faces in shapes:
        cloud, _, _ = in_cube(sample_surface(vertices, faces, 6000, torch.Generator().manual_seed(1))[0].numpy())
        clouds.append(torch.from_numpy(cloud))
    truth = torch.stack(clouds).float()
    K = torch.tensor([[245.0, 0, 112], [0, 245, 112], [0, 0, 1]])
    motions = torch.from_numpy(look_at((1.5, 2, 3), (0, 0, 0))).float().expand(len(shapes), 4, 4)
    pictures = torch.stack([torch.rand(3, 8, 8) for _ in clouds]).repeat_interleave(28, -1).repeat_interleave(28, -2)
    everywhere = torch.ones(len(shapes), 6000, dtype=torch.bool)
    depth = torch.full((len(shapes), 1, 112, 112), torch.nan)
    stage = Stage("s", 1, step="shape", losses=SHAPE, settings={"samples": 6})
    batch = ObjectBatch(
        pictures[:, None], unit_projection(K, motions, 224, 224)[:, None], motions[:, None], depth, truth,
        occupied_cells(truth, everywhere, CELLS).bool(), [str(k) for k in range(len(shapes))],
    )  # fmt: skip
    network = build(stages.TASK.configure({
        "preset": "small", "encoder": [8, 8, 16, 16], "reduced": [4, 4, 4, 12], "decoder": [16, 12, 12], "depth": None, "camera": None,
        "depth_channels": 0,
    }, None))  # fmt: skip
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    whole = Context(Stage("s", 1, step="shape", losses={"chamfer": 300.0, "occupancy": 100.0}, settings=stage.settings), None, {})
    start = Context(Stage("s", 1, step="occupancy", losses={"occupancy": 100.0}, settings=stage.settings), None, {})
    for step in range(STEPS_BY_HEART):
        context = whole if step >= 40 else start  # before that, nearly every cell would have a patch
        for group in optimiser.param_groups:
            group["lr"] = 3e-3 * (1 + math.cos(math.pi * step / STEPS_BY_HEART)) / 2 + 1e-5
        optimiser.zero_grad()
        sum(steps.shape_step(network, batch, context).values()).backward()
        optimiser.step()
    network.eval()
    with torch.no_grad():
        logits, codes = steps.decoded(network, batch, context)
        cells = occupied(logits, steps.THRESHOLD)
        points = network.reconstruction.points(codes, cells, even_uv(16)).flatten(0, 1)
        owner = cells[:, 0].repeat_interleave(16)
        picked = torch.cat([torch.nonzero(owner == k)[:, 0][torch.randperm(int((owner == k).sum()))[:2048]] for k in range(len(shapes))])
        found, _ = ragged_chamfer(points[picked], owner[picked], truth[:, :2048])
    floor, _ = ragged_chamfer(truth[:, 2048:4096].flatten(0, 1), torch.arange(len(shapes)).repeat_interleave(2048), truth[:, :2048])
    sys.stdout.write(f"Chamfer-L2 times 1,000: {(1e3 * found.mean()):.3g}, noise floor {(1e3 * floor.mean()):.3g}\n")
    assert (found < 2 * floor).all(), f"{(1e3 * found).tolist()} against {(1e3 * floor).tolist()}, times 1000"
