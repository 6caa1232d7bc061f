import numpy as np
import pytest
import torch
from predicting import load_predictor, predict
from refusals import refused

from voxcli.datasets.rooms import RoomsFolder
from voxcli.datasets.synthetic.folders import write_dataset
from voxcli.datasets.synthetic.rooms.dataset import RoomsGenerator
from voxcli.datasets.synthetic.rooms.scenes import TARGET, RoomsConfig
from voxcli.errors import DataError, FileFormatError, UsageError
from voxcli.geometry.cameras import inverse_rigid
from voxcli.geometry.surfels import render
from voxcli.models.pix2scene import stages
from voxcli.models.pix2scene.batches import nearest_point
from voxcli.models.pix2scene.inference import Pix2ScenePredictor
from voxcli.models.weights import load_weights
from voxcli.scene import Picture
from voxcli.training import train
from voxcli.training.recipe import Recipe, Validation
from voxcli.training.stage import Augmentation, Optimiser, Stage
from voxcli.training.task import Context

NETWORK = {"latent": 8, "encoder": 6, "decoder": 8, "critic": 6, "hidden": 8, "normalise_depth": False}
EQUAL = {"adversarial": 1.0, "image": 1.0, "latent": 0.1}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("rooms") / "rooms"
    write_dataset(path, 6, RoomsGenerator(config=RoomsConfig(size=16, shapes=("box", "sphere"))))
    return path


def prepared(folder, stage, **network):
    torch.manual_seed(0)
    data = stages.TASK.open_data([folder], {})
    config = stages.TASK.configure(NETWORK | network, data)
    stages.TASK.check_stage(stage, config, data)
    read = stages.TASK.reader(data, stage, Augmentation())
    return stages.TASK.build(config), stages.TASK.collate([read(i, object()) for i in range(len(data))]), Context(stage, data, {})


@pytest.fixture(scope="module")
def weights(folder, tmp_path_factory):
    run = tmp_path_factory.mktemp("run")
    stage = Stage("a", 2, batch=3, step="adversarial", losses=EQUAL, settings={"critic_steps": 1})
    train("pix2scene", [folder], run, Recipe((stage,), model="pix2scene", network=NETWORK, validation=Validation(every=2, samples=2)))
    return run / "weights.safetensors"


def test_known_scenes_shade_as_the_data_does(folder):
    data = RoomsFolder(folder, truth=True)
    room = data.batch(range(len(data)))
    made = render(room.depth, room.albedo[:, :, None, None], room.K, room.lights).clamp(0, 1)
    off = (made - room.images).abs().flatten(1)
    assert off.median() < 0.02  # edges apart, where normals are estimated otherwise


def test_reconstruction_learns_the_depth_that_nobody_told_it(folder):
    stage = Stage("a", 40, step="reconstruction", losses={"image": 1.0})
    network, batch, context = prepared(folder, stage)
    optimiser = torch.optim.Adam(network.parameters(), 5e-3)
    true = torch.cat([context.data.read(i, truth=True).depth for i in range(len(batch.names))])

    def off():
        with torch.no_grad():
            scene = stages.known_scene(network, batch)
            return (scene.picture(scene.codes())[1] - true).square().mean().item()

    first, before = off(), None
    for _ in range(40):
        optimiser.zero_grad()
        loss = sum(stages.reconstruction_step(network, batch, context).values())
        loss.backward()
        optimiser.step()
        before = before or loss.item()
    assert loss.item() < 0.5 * before and off() < 0.5 * first


def test_each_phase_moves_its_own_networks(folder):
    stage = Stage("a", 1, step="adversarial", losses=EQUAL, settings={"critic_steps": 2})
    network, batch, context = prepared(folder, stage)
    moved, names = [], []
    for terms in stages.adversarial_step(network, batch, context):
        network.zero_grad(set_to_none=True)
        sum(terms.values()).backward()
        moved.append({name.partition(".")[0] for name, p in network.named_parameters() if p.grad is not None})
        names.append(set(terms))
    assert moved == [{"critic"}, {"critic"}, {"encoder", "decoder"}]
    assert names[2] == set(EQUAL) and all(p.requires_grad for p in network.parameters())


def test_the_critic_learns_to_score_pictures_above_made_scenes_and_the_decoder_the_opposite(folder):
    stage = Stage("a", 1, step="adversarial", losses={"adversarial": 1.0}, settings={"critic_steps": 12, "penalty": 1.0})
    network, batch, context = prepared(folder, stage)
    critic = torch.optim.Adam(network.critic.parameters(), 1e-3)
    found = []
    for terms in stages.adversarial_step(network, batch, context):
        found.append(terms)
        if "critic" in terms:
            network.zero_grad(set_to_none=True)
            sum(terms.values()).backward()
            critic.step()
    assert found[-2]["critic"] < found[0]["critic"]  # E[D(made)] - E[D(real)] falls
    assert found[-1]["adversarial"].item() == pytest.approx(-found[-2]["critic"].item(), rel=0.7)  # E[D(real)] - E[D(made)]: the opposite

    def fooled():
        torch.manual_seed(5)
        return stages.generator_terms(stages.known_scene(network, batch), {"adversarial": 1.0})["adversarial"]

    network.zero_grad(set_to_none=True)
    before = fooled()
    before.backward()
    with torch.no_grad():
        for p in (*network.encoder.parameters(), *network.decoder.parameters()):
            if p.grad is not None:
                p -= 1e-4 * p.grad.sign()
    assert fooled() < before  # a step down the loss fools the critic more


def test_reconstruction_terms_are_lowered_not_raised(folder):
    # The public successor added such terms to a score whose gradient it then turned around.
    stage = Stage("a", 1, step="reconstruction", losses={"image": 1.0, "latent": 1.0})
    network, batch, context = prepared(folder, stage)
    torch.manual_seed(1)
    terms = stages.reconstruction_step(network, batch, context)
    sum(terms.values()).backward()
    with torch.no_grad():
        for p in network.parameters():
            if p.grad is not None:
                p -= 1e-4 * p.grad.sign()
    torch.manual_seed(1)
    after = stages.reconstruction_step(network, batch, context)
    assert after["image"] < terms["image"] and after["latent"] < terms["latent"]


def test_shuffled_lights_are_those_of_another_room(tmp_path):
    write_dataset(tmp_path / "r", 3, RoomsGenerator(config=RoomsConfig(size=8, random_lights=True)))
    stage = Stage("a", 1, step="reconstruction", losses={"image": 1.0}, settings={"lights": "shuffled"})
    network, batch, _ = prepared(tmp_path / "r", stage)
    own, other = (stages.known_scene(network, batch, kind).lights for kind in ("known", "shuffled"))
    torch.testing.assert_close(other.colours, own.colours.roll(1, 0))
    torch.testing.assert_close(own.positions, batch.rooms.lights.positions)


def test_training_twice_gives_the_same_bytes_and_says_what_its_data_were(folder, weights, tmp_path):
    stage = Stage("a", 2, batch=3, step="adversarial", losses=EQUAL, settings={"critic_steps": 1})
    train("pix2scene", [folder], tmp_path, Recipe((stage,), model="pix2scene", network=NETWORK, validation=Validation(every=2, samples=2)))
    assert (tmp_path / "weights.safetensors").read_bytes() == weights.read_bytes()
    assert len(list((tmp_path / "previews").glob("*.png"))) == 1
    facts, data = load_weights(weights).facts, RoomsFolder(folder)
    np.testing.assert_allclose(facts["target"], TARGET, atol=1e-5)
    assert facts["lens"] == pytest.approx(data[0].K[0, 0, 0].item() / 16, rel=1e-5) and facts["shapes"] == ["box", "sphere"]


def test_what_does_not_fit_is_refused(folder):
    data = stages.TASK.open_data([folder], {})
    wrong = (({"size": 32}, "another size"), ({"classes": ["mug"]}, "classes"), ({"scene": 4}, "divided"), ({"latnt": 3}, "'latnt'"))
    for settings, words in wrong:
        with refused(UsageError, words):
            stages.TASK.configure(NETWORK | settings, data)
    with refused(UsageError, "augmented"):
        stages.TASK.reader(data, Stage("a", 1), Augmentation(flip=True))
    with refused(UsageError, "'latant'", hint="'latent'"):
        stages.TASK.check_stage(Stage("a", 1, step="adversarial", losses={"latant": 1.0}), stages.TASK.configure(NETWORK, data), data)


def test_the_point_that_cameras_look_at():
    rng = np.random.default_rng(0)
    eyes = rng.normal(size=(5, 3))
    axes = np.array([1.0, 2, 3]) - eyes
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    np.testing.assert_allclose(nearest_point(eyes, axes), [1, 2, 3])
    np.testing.assert_allclose(nearest_point(np.array([[0.0, 0, 2]]), np.array([[0.0, 0, -1]])), [0, 0, 0])


# -- at work ------------------------------------------------------------------------------------------------------------------------------


def test_a_prediction_decodes_to_itself_and_to_other_views(folder, weights):
    predictor, data = load_predictor(weights, "cpu"), RoomsFolder(folder)
    picture = Picture((data[0].images[0].movedim(0, -1).numpy() * 255).round().astype(np.uint8))
    (seen,) = predict(predictor, [picture], camera=data.camera(0))
    assert seen.depth.shape == (16, 16) and (seen.depth > 0.1).all() and not seen.meta["place_assumed"]
    np.testing.assert_allclose(seen.camera.world_to_cam, data.camera(0).world_to_cam, atol=1e-5)
    again = predictor.seen_from(seen.meta, seen.camera)
    np.testing.assert_array_equal(again.depth.numpy(), seen.depth.astype(np.float64))
    there = predictor.seen_from(seen.meta, predictor.camera_at(inverse_rigid(data.camera(1).world_to_cam)[:3, 3]))
    direct = predictor.decode(predictor.tensor(seen.meta["latent"]), inverse_rigid(data.camera(1).world_to_cam)[:3, 3])
    np.testing.assert_array_equal(there.depth.numpy(), direct.depth.astype(np.float64))
    assert not np.array_equal(direct.depth, seen.depth)
    (assumed,) = predict(predictor, [picture])
    assert assumed.meta["place_assumed"] and assumed.meta["fov_assumed"]
    with refused(DataError, "latent code", expected="8 numbers"):
        predictor.seen_from({"latent": [0.0]}, seen.camera)


def test_batches_change_no_prediction(folder, weights):
    predictor = load_predictor(weights, "cpu")
    pictures = [Picture(np.random.default_rng(k).integers(0, 255, (16, 16, 3), dtype=np.uint8)) for k in range(3)]
    one, three = ([s.depth for s in predict(predictor, pictures, batch_size=n)] for n in (1, 3))
    np.testing.assert_array_equal(one, three)


def test_samples_depend_on_seed_and_number_alone(weights):
    predictor = load_predictor(weights, "cpu")
    few, many = (list(predictor.sample(n, seed=3)) for n in (2, 4))
    assert all(np.array_equal(a.depth, b.depth) for a, b in zip(few, many, strict=False))
    assert not np.array_equal(many[0].depth, many[1].depth)
    assert not np.array_equal(next(predictor.sample(1, seed=4)).depth, few[0].depth)
    between = list(predictor.interpolate(few[0], few[1], 3, predictor.usual_eye))
    assert between[0].meta["latent"] == few[0].meta["latent"] and between[2].meta["latent"] == few[1].meta["latent"]
    middle = (np.array(few[0].meta["latent"]) + few[1].meta["latent"]) / 2
    np.testing.assert_allclose(between[1].meta["latent"], middle, atol=1e-6)
    assert predictor.picture_of(few[0]).rgb.shape == (16, 16, 3)


def test_scenes_of_a_class(folder, tmp_path):
    stage = Stage("a", 1, batch=3, step="adversarial", losses=EQUAL, settings={"critic_steps": 1}, optimiser=Optimiser(rate=1e-3))
    recipe = Recipe((stage,), model="pix2scene", network=NETWORK | {"classes": "all"}, validation=Validation(every=1, samples=1))
    train("pix2scene", [folder], tmp_path, recipe)
    predictor = load_predictor(tmp_path / "weights.safetensors", "cpu")
    assert [s.meta["class"] for s in predictor.sample(3)] == ["box", "sphere", "box"]
    box, sphere = (next(predictor.sample(1, kind=kind)) for kind in ("box", "sphere"))
    assert box.meta["latent"] == sphere.meta["latent"] and not np.array_equal(box.depth, sphere.depth)
    (seen,) = predict(predictor, [Picture(np.full((16, 16, 3), 90, np.uint8))])
    assert seen.meta["class"] in ("box", "sphere")
    with refused(UsageError, "'sphre'", hint="'sphere'"):
        next(predictor.sample(1, kind="sphre"))


def test_weights_of_another_model_and_too_few_digits_are_refused(weights):
    with refused(UsageError, "float32", "float64", actual="bfloat16"):
        Pix2ScenePredictor.from_weights(weights, "cpu", "bfloat16")
    other = load_weights(weights)
    with refused(FileFormatError, "model", expected="pix2scene", actual="ssz"):
        Pix2ScenePredictor.from_weights(type(other)(other.tensors, "ssz", other.config, other.facts))
