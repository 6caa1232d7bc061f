"""JOF and BAE-NET as tasks of the training engine, on tiny objects: every step, both sources of codes, what is refused."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from jof_examples import TINY, tiny, write_objects
from refusals import refused
from torch.testing import assert_close

from voxcli.datasets.coloured_shapes import ColouredShapes
from voxcli.errors import DataError, FileFormatError, UsageError
from voxcli.models.bae import stages as bae_stages
from voxcli.models.branched.batches import ShapeReader, ShapeSamples, collate
from voxcli.models.branched.branches import SHOWN, winners_view
from voxcli.models.jof import losses, stages, steps
from voxcli.models.jof.fitting import fit_to_image, fit_to_points
from voxcli.models.jof.network import Codes, ImageGuess, build, projection_of
from voxcli.models.jof.rendering import boundary_points, draw, on_lattice, usable
from voxcli.training import train
from voxcli.training.recipe import load_recipe
from voxcli.training.stage import Augmentation, Stage
from voxcli.training.task import Context, Draws


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_objects(tmp_path_factory.mktemp("objects"))


def draws(seed=0):
    return Draws(np.random.default_rng(seed), np.random.default_rng(9))


def batch_of(data, count=3, **how):
    reader = ShapeReader(data, 16, 200, **how)
    return collate([reader(i, draws(i)) for i in range(count)])


def test_pairs_volumes_and_views_belong_together(folder):
    data = ShapeSamples([folder], {})
    assert len(data) == 6 and data.categories == ["chair", "bench"] and data.name(0).endswith("001/o0")
    batch = batch_of(data, viewed=True)
    assert batch.volumes.shape == (3, 4, 64, 64, 64) and batch.images.shape == (3, 3, 128, 128) and batch.shaped
    for b in range(3):
        cells = ((batch.points[b] + 1) * 8 - 0.5).round().long() * 4 + 2  # a coarse cell is filled where any fine one is
        solid = torch.nn.functional.max_pool3d(batch.volumes[b, 3:].float(), 4)[0] > 0
        assert torch.equal(solid[tuple((cells // 4).T)], batch.occupied[b])
        assert float(batch.colours[b][~batch.occupied[b]].abs().sum()) == 0
        points = batch.points[b][batch.occupied[b]]
        u = torch.cat([points, torch.ones(len(points), 1)], 1) @ batch.projections[b].T
        pixels = (u[:, :2] / u[:, 2:]).round().long()
        assert float((batch.masks[b][pixels[:, 1], pixels[:, 0]] > 0.3).float().mean()) > 0.8  # seen where the picture shows them


def test_winning_branches_are_shown_in_half_precision_as_well():
    branches = torch.rand(SHOWN**3, 3).bfloat16()
    assert np.array_equal(winners_view(branches, 0.5), winners_view(branches.float(), 0.5))


def test_pictures_without_3d_stand_in_for_renderings(folder, tmp_path):
    from PIL import Image

    (tmp_path / "chair").mkdir()
    rgba = np.full((50, 40, 4), 90, np.uint8)
    rgba[..., 3] = 255 * (np.arange(40) > 20)
    Image.fromarray(rgba).save(tmp_path / "chair" / "a.png")
    Image.fromarray(rgba[..., :3]).save(tmp_path / "chair" / "b.jpg")
    Image.fromarray(rgba[..., 3]).save(tmp_path / "chair" / "b_mask.png")
    data = ShapeSamples([folder], {"images": [str(tmp_path)]})
    assert len(data.pictures) == 2
    reader = ShapeReader(data, 16, 50, True, True)
    by_name = {sample.name: sample for sample in (reader(i % 2, draws(i)) for i in range(20))}
    batch = collate([by_name["a.png"], by_name["b.jpg"]])  # both are drawn for any object
    assert not batch.shaped and batch.categories.tolist() == [0, 0]
    assert_close(batch.masks[0], batch.masks[1], rtol=0, atol=0.05)
    assert 0.3 < float(batch.masks[0].mean()) < 0.5
    # Alpha cuts the object out; a mask leaves the picture whole. Columns at the sides are padding, 16 to 65 are left of the silhouette.
    assert float(batch.images[0, :, :, 16:60].min()) > 0.6
    assert_close(batch.images[1, :, :, 16:110], torch.full((3, 128, 94), 90 / 255), rtol=0, atol=0.02)
    assert collate([reader(0, None)]).shaped  # validation keeps its truth
    for name, pixels, said in (
        ("c.png", rgba[..., :3], "c.png' shows no silhouette"),
        ("b_mask.png", rgba[:20, :, 3], "b_mask.png' is not as large"),
    ):
        Image.fromarray(pixels).save(tmp_path / "chair" / name)
        with refused(DataError, said):  # before a training begins
            ShapeSamples([folder], {"images": str(tmp_path)})
        (tmp_path / "chair" / name).unlink()
        Image.fromarray(rgba[..., 3]).save(tmp_path / "chair" / "b_mask.png")
    (tmp_path / "chair" / "d.png").write_bytes(b"none")
    with refused(DataError, "d.png"):
        ShapeSamples([folder], {"images": str(tmp_path)})
    with refused(DataError, "nowhere'"):
        ShapeSamples([folder], {"images": str(tmp_path / "nowhere")})
    (tmp_path / "chair" / "d.png").unlink()
    Image.fromarray(np.full((50, 40, 4), 255, np.uint8)).save(tmp_path / "chair" / "e.png")  # its alpha says nothing
    bare = ShapeSamples([folder], {"images": [str(tmp_path / "chair")]})
    with refused(DataError, "e.png", "silhouette"):
        [ShapeReader(bare, 16, 50, True, True)(0, draws(i)) for i in range(20)]


def test_the_published_layout_is_read(tmp_path):
    from scipy.io import savemat

    colours = np.zeros((64, 64, 64, 3))
    colours[10:20] = (0.5, 0.2, 1.0)
    rows = np.array([[-0.5, 0.25, 1.0, 1, 0.2, 0.4, 0.6], [0.9, 0, 0, 0, 0, 0, 0]])
    (tmp_path / "02691156").mkdir()
    savemat(tmp_path / "02691156" / "x.mat", {"colored_voxel": colours, "data_16": rows, "data_32": rows, "data_64": rows[:, :6]})
    data = ShapeSamples([tmp_path], {})
    assert data.categories == ["02691156"]
    volume, pairs = data.shape(0, 16, None, np.random.default_rng(0))
    assert volume[:, 15, 0, 0].tolist() == [128, 51, 255, 255] and volume[:, 30].max() == 0
    assert_close(pairs.points, np.array([[-0.25, 0.125, 0.5], [0.45, 0, 0]], np.float32))
    assert pairs.occupied.tolist() == [True, False] and pairs.colours.tolist() == [[51, 102, 153], [0, 0, 0]]
    assert collate([ShapeReader(data, 16, 2)(0, None)]).points[0, 0].tolist() == [-0.5, 0.25, 1.0]
    with refused(FileFormatError, "x.mat", expected="x y z occupied", actual=[2, 6]):
        ColouredShapes(tmp_path).pairs(0, 64, None, np.random.default_rng(0))
    (tmp_path / "02691156" / "x.mat").write_bytes((tmp_path / "02691156" / "x.mat").read_bytes()[:3000])
    with pytest.raises(FileFormatError):
        ColouredShapes(tmp_path).volume(0)


def context(data, step, **settings):
    names = steps.TERMS[step]
    return Context(Stage("x", 1, step=step, losses=dict.fromkeys(names, 1.0), settings={"side": 8, "evaluations": 12, "refinements": 2,
                                                                                        "boundary": 8, **settings}), data, {})  # fmt: skip


@pytest.mark.parametrize("step", ["shape", "image", "self"])
def test_every_term_of_a_step_reaches_the_parts_that_it_trains(folder, step):
    torch.manual_seed(0)
    data = ShapeSamples([folder], {})
    config = stages.TASK.configure(dict(TINY), data)
    network = stages.TASK.build(config).train()
    torch.nn.init.normal_(network.shape.sd_fc3.weight, std=2.0)
    with torch.no_grad():
        network.image.fc_cam2.bias.copy_(((torch.from_numpy(data.projections(0)[0]).flatten()) - torch.tensor(config.camera_mean))
                                         / torch.tensor(config.camera_std))  # fmt: skip
    batch = batch_of(data, 4, viewed=step != "shape")
    told = context(data, step)
    told = replace(told, constants=stages.TASK.stage_constants(network, data, range(6), told.stage))
    terms = stages.TASK.steps[step](network, batch, told)
    assert set(terms) == set(steps.TERMS[step]) and all(t.ndim == 0 and bool(t.isfinite()) for t in terms.values())
    sum(terms.values()).backward()
    moved = {name.partition(".")[0] for name, p in network.named_parameters() if p.grad is not None and float(p.grad.abs().sum()) > 0}
    assert {"shape": {"encoder", "shape", "albedo"}, "image": {"image"}, "self": {"image", "albedo"}}[step] <= moved


def test_renderings_come_between_pictures_and_say_what_is_known_of_them(folder, tmp_path):
    from PIL import Image

    rgba = np.full((128, 128, 4), 90, np.uint8)
    rgba[..., 3] = 255 * (np.arange(128) > 60)
    (tmp_path / "chair").mkdir()
    Image.fromarray(rgba).save(tmp_path / "chair" / "a.png")
    data = ShapeSamples([folder], {"images": [str(tmp_path)]})
    network = stages.TASK.build(stages.TASK.configure(dict(TINY), data)).train()
    weights = dict.fromkeys([*steps.TERMS["self"], *steps.REHEARSED], 1.0)
    settings = {"side": 8, "evaluations": 12, "refinements": 2, "boundary": 8, "rehearsed": 0.5}
    stage = Stage("x", 10, batch=2, step="self", losses=weights, settings=settings, frozen=("encoder", "shape"))
    stages.TASK.check_stage(stage, network.config, data)
    told = Context(stage, data, stages.TASK.stage_constants(network, data, range(6), stage))
    reader, kinds = stages.TASK.reader(data, stage, Augmentation()), {}
    for seed in range(20):
        shared = [Draws(np.random.default_rng(k), np.random.default_rng(seed)) for k in range(2)]
        samples = [reader(k, draws) for k, draws in enumerate(shared)]
        assert len({"projections" in sample.arrays for sample in samples}) == 1  # a batch is of one kind
        kinds["projections" in samples[0].arrays] = collate(samples)
    assert set(kinds) == {False, True}
    known, unknown = ({k: t.detach() for k, t in steps.self_step(network, kinds[kind], told).items()} for kind in (True, False))
    assert set(known) == set(unknown) == set(weights)
    assert all(float(known[name]) > 0 and float(unknown[name]) == 0 for name in steps.REHEARSED)
    assert all(float(known[name]) == 0 for name in steps.TERMS["self"]) and float(unknown["silhouette"]) > 0
    # What is known is L_2's own, without its picture.
    second = steps.image_step(network, kinds[True], replace(told, stage=replace(stage, losses=dict.fromkeys(steps.REHEARSED, 1.0))))
    assert_close({name: known[name] for name in second}, {name: term.detach() for name, term in second.items()})
    with refused(UsageError, expected="less than 1", actual=1.0):
        stages.TASK.check_stage(replace(stage, settings={"rehearsed": 1.0}), network.config, data)
    alone = replace(stage, settings={**settings, "rehearsed": 0.0})
    stages.TASK.check_stage(alone, network.config, data)  # as the paper: what is known of renderings is left out
    assert set(steps.self_step(network, kinds[False], replace(told, stage=alone))) == set(steps.TERMS["self"])
    with refused(UsageError, "none"):
        stages.TASK.check_stage(stage, network.config, ShapeSamples([folder], {}))


def test_a_shape_is_learnt_and_its_codes_are_found_again_without_an_encoder(folder):
    torch.manual_seed(0)
    data = ShapeSamples([folder], {})
    network = stages.TASK.build(tiny(category=0, parts=("latents", "shape", "albedo"), shapes=6)).train()
    batch = batch_of(data, 4)
    optimiser = torch.optim.Adam(network.parameters(), 1e-2)
    ctx = Context(Stage("x", 1, step="shape", losses={"shape": 1.0, "albedo": 0.3}), data, {})
    for _ in range(250):
        optimiser.zero_grad()
        sum(steps.shape_step(network, batch, ctx).values()).backward()
        optimiser.step()
    with torch.no_grad():
        found = stages.TASK.summary(stages.TASK.tally(network, batch, ctx), ctx)[1]  # fits codes: the score of shapes that were never seen
    assert found["iou"] > 0.4
    before = {k: v.clone() for k, v in network.state_dict().items()}
    codes = fit_to_points(network, batch.points, batch.occupied, batch.colours, steps=300)
    inside = network.occupancy(codes, batch.points) > 0.5
    share = float((inside & batch.occupied).sum() / (inside | batch.occupied).sum())
    assert share > 0.5 and all(torch.equal(v, before[k]) for k, v in network.state_dict().items())
    once, again = (fit_to_points(network, batch.points, batch.occupied, steps=5) for _ in range(2))
    assert torch.equal(once.shape, again.shape) and float(once.albedo.std()) == 0


def test_free_codes_learn_in_place_of_the_encoder(folder, tmp_path):
    recipe = load_recipe("objects-jof-small", {
        "network": TINY | {"parts": ["latents", "shape", "albedo"]}, "validation": {"share": 0.2, "pictures": 1},
        "stages": [{"name": "coarse", "step": "shape", "steps": 2, "batch": 2, "losses": {"shape": 1, "albedo": 1, "category": 1},
                    "settings": {"resolution": 16, "points": 100}}],
    })  # fmt: skip
    train("jof", [folder], tmp_path / "run", recipe)
    from voxcli.models.weights import load_weights

    weights = load_weights(tmp_path / "run/weights.safetensors")
    assert weights.config["shapes"] >= 4 and weights.tensors["latents.s_latent"].shape[1] == 8


@pytest.mark.parametrize("name,model", [
    ("jof", "jof"), ("objects-jof-small", "jof"), ("objects-jof-lite", "jof"), ("objects-bae-small", "bae"),
])  # fmt: skip
def test_a_shipped_recipe_runs_through_its_stages(folder, tmp_path, name, model):
    small = {**TINY, "start": "", "pretrained": False} if model == "jof" else {"code": 8, "encoder": [4, 4, 4, 4], "decoder": [16, 8]}
    quick = {"points": 64} | ({"side": 6, "evaluations": 8, "refinements": 2} if model == "jof" else {})
    shorter = {s.name: {"steps": 1, "batch": 2, "parts": 1, "settings": quick} for s in load_recipe(name).stages}
    recipe = load_recipe(name, {"network": dict(small), "validation": {"share": 0.2, "pictures": 1}, "stages": shorter})
    records = []
    train(model, [folder], tmp_path / "run", recipe, progress=records.append)
    scores = [record for record in records if record.get("event") == "validation"]
    assert len(scores) == len(recipe.stages) and 0 <= scores[-1]["iou"] <= 1
    assert (tmp_path / "run/best.safetensors").is_file()
    if name == "objects-jof-small":  # a second training starts from the weights of the first
        data = ShapeSamples([folder], {})
        start = str(tmp_path / "run/best.safetensors")
        config = stages.TASK.configure({"start": start}, data)
        assert config.shape == 8
        assert_close(stages.TASK.build(config).shape.sd_fc1.weight, stages.load_weights(start).tensors["shape.sd_fc1.weight"])


def test_stages_that_cannot_be_are_refused(folder):
    data = ShapeSamples([folder], {})
    both = tiny()
    for said, config, stage in (
        ("Unknown step", both, {"step": "generator"}),
        ("Unknown loss", both, {"step": "shape", "losses": {"camera": 1.0}}),
        ("shape decoder", both, {"step": "image", "losses": {}}),
        ("16, 32 or 64", both, {"step": "shape", "losses": {}, "settings": {"resolution": 20}}),
        ("parts that the network lacks", tiny(parts=("encoder", "shape")), {"step": "image", "losses": {}}),
        ("no loss 'category'", tiny(category=0), {"step": "shape", "losses": {"category": 1.0}}),
        ("pionts", both, {"step": "shape", "losses": {}, "settings": {"pionts": 3}}),
    ):
        with refused(UsageError, said):
            stages.TASK.check_stage(Stage("x", 1, **stage), config, data)
    without = Stage("x", 1, step="shape", losses={"shape": 1.0, "category": 0.0})  # left out by --set
    stages.TASK.check_stage(without, tiny(category=0), data)
    with refused(UsageError, "'splt'"):
        stages.TASK.open_data([folder], {"splt": "val"})
    with refused(UsageError, "'albedo'", "loss"):
        bae_stages.TASK.check_stage(Stage("x", 1, step="shape", losses={"albedo": 1.0}), bae_stages.TASK.configure({}, data), data)


def test_boundary_points_lie_between_segments(folder):
    network = build(tiny())

    class Halves(torch.nn.Module):
        """Two branches, left and right halves of a ball."""

        def forward(self, codes, points):
            ball = 0.7 - points.norm(dim=-1)
            side = points[..., 0]
            return torch.sigmoid(20 * torch.stack([torch.minimum(ball, side), torch.minimum(ball, -side)], -1) + 1)

    network.shape = Halves()
    codes = Codes(torch.zeros(2, 3), torch.zeros(2, 8), torch.zeros(2, 6))
    points, there = boundary_points(network, codes, 30)
    assert there.tolist() == [True, True]
    assert float(points[..., 0].abs().max()) <= 1 / 16  # half a diagonal step at most
    assert float((points.norm(dim=-1) - 0.72).abs().max()) < 0.12


def test_a_picture_is_fitted_by_codes_light_and_camera_alone():
    torch.manual_seed(1)
    config = tiny(camera_mean=(150.0, 0, 64, 128, 0, -150, 64, 128, 0, 0, 1, 2), camera_std=(5.0,) * 8 + (0.05,) * 4, category=0)
    network = build(config).eval()

    class Ball(torch.nn.Module):
        def forward(self, codes, points):
            return torch.sigmoid(12 * (0.4 + 0.5 * codes.shape[:, :1] - points.norm(dim=-1)))[..., None].expand(-1, -1, 4)

    network.shape = Ball()
    codes = Codes(torch.zeros(1, 0), torch.zeros(1, 8), torch.zeros(1, 6))
    light = torch.zeros(1, 3, 9)
    light[..., 0] = 3.5
    guess = ImageGuess(codes, torch.zeros(1, 12), light)
    v, u = torch.meshgrid(torch.arange(128) + 0.5, torch.arange(128) + 0.5, indexing="ij")
    mask = (((u - 64) ** 2 + (v - 64) ** 2).sqrt() < 50).float()[None]
    image = mask[:, None] * torch.tensor([0.6, 0.3, 0.3])[:, None, None]
    found = fit_to_image(network, image, mask, guess, steps=25, rate=0.03, side=16)
    assert float(found.codes.shape[0, 0]) > 0.1  # a larger ball

    def error(some):
        picture = draw(network, some.codes, projection_of(some.camera, config), some.light, 16, differentiable=False)
        return float((picture.hit != (torch.nn.functional.adaptive_avg_pool2d(mask, 16).flatten(1) > 0.5)).float().mean())

    assert error(found) < 0.6 * error(guess)


class Nothing(torch.nn.Module):
    """Air everywhere, the less the farther."""

    def forward(self, codes, points):
        return torch.sigmoid(-2 - points.norm(dim=-1))[..., None].expand(-1, -1, 4)


class InTheDark(torch.nn.Module):
    """A guess without light."""

    def forward(self, images):
        codes = Codes(*(torch.zeros(len(images), n) for n in (3, 8, 6)))
        return ImageGuess(codes, torch.zeros(len(images), 12), torch.zeros(len(images), 3, 9)), []


def test_the_photometric_loss_counts_pixels_of_the_mask_that_no_ray_hits(folder):
    data, network = ShapeSamples([folder], {}), build(tiny())
    network.shape, network.image = Nothing(), InTheDark()
    batch = batch_of(data, viewed=True)
    stage = Stage("x", steps=1, batch=3, step="image", losses={"image": 1.0}, settings={"side": 16})
    term = steps.image_step(network, batch, Context(stage, data, {}))["image"]
    mask = on_lattice(batch.masks[:, None], 16) > 0.5  # of which there is some: else the mean is none
    # Nothing is drawn but black, so that the loss is the mean brightness of the object's pixels.
    assert float(term.detach()) == pytest.approx(float((on_lattice(batch.images, 16) * mask).sum() / (3 * mask.sum())), rel=1e-5)


def test_projections_that_no_camera_has_are_told():
    good = torch.tensor([[100.0, 0, 64, 128], [0, -100, 64, 128], [0, 0, 1, 2]])
    flat, behind = good.clone(), good.clone()
    flat[1], behind[2, 3] = flat[0], -2
    assert usable(torch.stack([good, flat, behind, good * float("nan")])).tolist() == [True, False, False, False]


def test_codes_known_in_advance_are_those_of_every_step(folder):
    data, network = ShapeSamples([folder], {}), build(tiny())
    stage = Stage("views", steps=3, batch=3, step="image", losses={"shape_code": 1.0, "camera": 1.0}, frozen=("encoder", "shape", "albedo"))
    found = stages.TASK.stage_constants(network, data, [0, 1, 2, 4], stage)
    known, whole = (batch_of(data, viewed=True, known=flag) for flag in (True, False))
    assert stages.TASK.reader(data, stage, Augmentation()).known and not known.shaped and whole.shaped
    context = Context(stage, data, found)
    for code, twin in zip(steps.codes_and_logits(network, known, context)[0], steps.shape_codes(network, whole)[0], strict=True):
        assert_close(code, twin, rtol=1e-5, atol=1e-6)
    assert set(steps.image_step(network, known, context)) == {"category_code", "shape_code", "albedo_code", "camera"}


def test_codes_that_change_or_are_seldom_wanted_are_not_found_in_advance(folder):
    data, network = ShapeSamples([folder], {}), build(tiny())
    for stage in (
        Stage("few", steps=1, batch=3, step="image", frozen=("encoder", "shape")),
        Stage("moving", steps=9, step="image", frozen=("shape",)),
    ):  # fmt: skip
        assert stages.TASK.stage_constants(network, data, range(6), stage) == {}
        assert not stages.TASK.reader(data, stage, Augmentation()).known


def test_places_are_the_centres_of_what_is_nearest_to_them(folder):
    data = ShapeSamples([folder], {})
    seeds = stages.branch_seeds(data, range(6), 4)
    solid = torch.cat([torch.from_numpy(found.points[found.occupied][:: max(1, int(found.occupied.sum()) // stages.DRAWN)] * 2)
                       for found in (data.shape(i, 64, None, np.random.default_rng(0))[1] for i in range(6))])  # fmt: skip
    owner = torch.cdist(solid, seeds).argmin(1)
    assert_close(seeds, torch.stack([solid[owner == k].mean(0) for k in range(4)]), rtol=0, atol=0.02)
    stage = Stage("places", steps=1, step="shape", losses={"places": 1.0}, frozen=("image",))
    network = build(tiny())
    found = stages.TASK.stage_constants(network, data, range(6), stage)
    assert found["seeds"].shape == (4, 3) and "codes" not in found
    batch = batch_of(data)
    terms = steps.shape_step(network, batch, Context(stage, data, found))
    assert terms["places"].requires_grad and float(terms["places"].detach()) > 0


def test_one_branch_wins_all_without_places_and_several_share_with_them(folder):
    """The reason for the two losses: with the maximum alone, whoever wins first is the only one to learn."""
    data = ShapeSamples([folder], {})
    batch, seeds, shares = batch_of(data, 6), stages.branch_seeds(data, range(6), 4), []
    for helped in (False, True):
        torch.manual_seed(0)
        network = build(tiny())
        with torch.no_grad():
            codes = steps.shape_codes(network, batch)[0]
        optimiser = torch.optim.Adam(network.shape.parameters(), 1e-2)
        for _ in range(150):
            branches = network.branches(codes, batch.points)
            loss = losses.occupancy_loss(branches.amax(-1), batch.occupied)
            if helped:
                loss = losses.places_loss(branches, batch.points, batch.occupied, seeds)
                loss = loss + 0.05 * losses.balance_loss(branches, batch.occupied)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        winners = network.winners(codes, batch.points)[batch.occupied]
        shares.append(float(torch.bincount(winners, minlength=4).max() / len(winners)))
    assert shares[0] == 1 and shares[1] < 0.75, shares
