import shutil

import h5py
import numpy as np
import pytest
import torch
from refusals import refused

from voxcli.datasets.iqtt import IQTTFile
from voxcli.datasets.synthetic.iqtt import IQTTConfig as QuestionsConfig
from voxcli.datasets.synthetic.iqtt import draw_lights, write_questions
from voxcli.errors import UsageError
from voxcli.models.iqtt import stages
from voxcli.models.iqtt.batches import UNKNOWN
from voxcli.models.iqtt.inference import IQTTSolver, SceneSolver
from voxcli.models.iqtt.network import PRESETS, IQTTConfig, ResNet, Solver, build, distractors
from voxcli.models.pix2scene.network import Pix2SceneConfig
from voxcli.models.registry import load_network
from voxcli.training import train
from voxcli.training.recipe import Recipe, Validation
from voxcli.training.stage import Augmentation, Stage
from voxcli.training.task import Context, Draws

SCENES = {"encoder": 4, "decoder": 4, "critic": 4, "latent": 12, "scene": 8}
RESIDUAL = {"width": 4, "blocks": [1, 1], "hidden": [8]}


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return write_questions(tmp_path_factory.mktemp("iqtt") / "q.h5", 12, config=QuestionsConfig(labeled=5, size=16))


def test_the_trunk_is_resnet_50():
    with torch.device("meta"):
        trunk = ResNet()
    assert sum(p.numel() for p in trunk.parameters()) == 23_508_032 and trunk.features == 2048  # 25,557,032 with 1,000 classes
    assert sum(isinstance(m, torch.nn.Conv2d) for m in trunk.modules()) == 49 + 4


def test_the_head_of_the_cnn_has_figure_13s_nodes():
    with torch.device("meta"):
        head = Solver(PRESETS["iqtt-cnn"]).head
    assert [tuple(layer.weight.shape) for layer in head if hasattr(layer, "weight")] == [(2048, 8192), (512, 2048), (256, 512), (3, 256)]


@pytest.mark.parametrize("kind", ["cnn", "siamese", "pix2scene"])
def test_a_question_gets_three_scores(kind):
    scenes = Pix2SceneConfig(size=32, **SCENES) if kind == "pix2scene" else None
    solver = build(IQTTConfig(kind, scenes, 4, (1, 1), (8,))).eval()
    assert solver(torch.rand(2, 4, 3, 32, 32)).shape == (2, 3)


def test_the_closest_choice_is_the_answer():
    solver = build(IQTTConfig("siamese", None, 4, (1, 1))).eval()
    question = torch.rand(3, 4, 3, 16, 16)
    for row, right in enumerate((2, 0, 1)):
        question[row, 1 + right] = question[row, 0]
    assert solver(question).argmax(1).tolist() == [2, 0, 1]


def test_pix2scene_compares_the_scene_part_alone():
    solver = build(IQTTConfig("pix2scene", Pix2SceneConfig(size=16, **SCENES))).eval()
    images = torch.rand(2, 3, 16, 16)
    assert torch.equal(solver.embed(images), solver.scenes.encoder(images, torch.zeros(2, 0))[:, :8])


def test_choices_are_split_by_the_answer():
    choices = torch.arange(9.0).view(3, 3, 1)
    right, wrong = distractors(choices, torch.tensor([0, 1, 2]))
    assert right[:, 0].tolist() == [0, 4, 8] and wrong[..., 0].tolist() == [[1, 2], [3, 5], [6, 7]]


def test_answers_are_learnt_from_labelled_questions_alone(file):
    data = stages.TASK.open_data([file], {"labels": 3})
    assert len(data) == 12 and data.labelled == [0, 1, 2]
    found = stages.TASK.constants(data, [1, 2, 5, 6])
    assert found["labelled"].tolist() == [1, 2]  # question 0 is set aside
    read = stages.TASK.reader(data, Stage("a", 1), Augmentation())
    samples = [read(i, Draws(np.random.default_rng(i), np.random.default_rng(0))) for i in range(12)]
    assert all(sample.answer == UNKNOWN for sample in samples) and {sample.drawn for sample in samples} == {0, 1, 2}
    whole = IQTTFile(file)
    assert [sample.label for sample in samples] == [int(whole.truth[sample.drawn]) for sample in samples]
    batch = stages.TASK.collate(samples)
    questions, labels = stages.labelled(batch, Context(Stage("a", 1), data, found))
    kept = [sample for sample in samples if sample.drawn != 0]
    assert labels.tolist() == [sample.label for sample in kept] and len(questions) == len(kept)


def test_labels_count_answers_to_learn_from_and_never_those_of_scores(file, tmp_path):
    many = stages.TASK.open_data([file], {"labels": 6})  # of a file with 5, as a small validation file may be
    config = stages.TASK.configure({"preset": "iqtt-cnn"}, many)
    stage = Stage("a", 1, step="answers", losses={"answers": 1})
    with refused(UsageError, "answers", expected="0 to 5", actual=6):
        stages.TASK.check_stage(stage, config, many)
    with refused(UsageError, "answers", expected="0 to 5", actual=-1):
        stages.TASK.open_data([file], {"labels": -1})
    for labels in (0, 3, 6):
        data = stages.TASK.open_data([file], {"labels": labels})
        read = stages.TASK.reader(data, stage, Augmentation())
        batch = stages.TASK.collate([read(i, None) for i in range(len(data))])
        assert batch.answers.tolist() == IQTTFile(file).truth.tolist()
        right = torch.eye(3)[batch.answers]
        score = stages.TASK.tally(lambda questions, right=right: right, batch, Context(stage, data, {}))
        assert score.tolist() == [len(data), len(data)]


def read_all(data, stage):
    read = stages.TASK.reader(data, stage, Augmentation())
    return stages.TASK.collate([read(i, Draws(np.random.default_rng(i), np.random.default_rng(0))) for i in range(len(data))])


def test_made_scenes_are_lit_by_the_lights_of_their_pictures(file):
    data = stages.TASK.open_data([file], {})
    batch = read_all(data, Stage("a", 1))
    network = stages.TASK.build(stages.TASK.configure({"scenes": SCENES}, data))
    lights = stages.known_scene(network, batch).lights
    for mine, stored in zip(lights[:3], IQTTFile(file).lights, strict=True):
        assert np.array_equal(mine, stored[:, 0])
    assert stages.TASK.log_facts(data, {"labelled": torch.arange(5)}) == {"labels": 5, "lights": "those of the pictures"}


def test_files_without_lights_have_them_drawn_and_it_is_said(file, tmp_path):
    shutil.copy(file, tmp_path / "published.h5")
    with h5py.File(tmp_path / "published.h5", "a") as other:
        del other["lights"]
    data = stages.TASK.open_data([tmp_path / "published.h5"], {})
    stage = Stage("a", 1, step="semisupervised", losses={"image": 1.0})
    with pytest.warns(UserWarning, match=r"^published\.h5: no lights;") as caught:
        stages.TASK.check_stage(stage, stages.TASK.configure({"scenes": SCENES}, data), data)
    assert len(caught) == 1 and "\n" not in str(caught[0].message)
    batch, rng = read_all(data, stage), np.random.default_rng(3)
    for mine, drawn in zip(batch.lights_of(0)[:3], draw_lights(rng)[:3], strict=True):
        assert np.array_equal(mine[3], drawn.float())
    assert stages.TASK.log_facts(data, {"labelled": torch.arange(5)})["lights"] == "drawn anew"
    mixed = read_all(stages.TASK.open_data([file, tmp_path / "published.h5"], {}), stage)
    assert np.array_equal(mixed.positions[:12], IQTTFile(file).lights[1]) and not np.array_equal(mixed.positions[12:], mixed.positions[:12])


def test_the_statistics_network_raises_what_the_encoder_lowers(file):
    torch.manual_seed(0)
    data = stages.TASK.open_data([file], {})
    stage = Stage("a", 1, batch=4, step="semisupervised", losses={"information": 1.0}, settings={"critic_steps": 1})
    network = stages.TASK.build(stages.TASK.configure({"scenes": SCENES}, data))
    read = stages.TASK.reader(data, stage, Augmentation())
    batch = stages.TASK.collate([read(i, Draws(np.random.default_rng(i), np.random.default_rng(0))) for i in range(4)])
    phases = stages.semisupervised_step(network, batch, Context(stage, data, {"labelled": torch.arange(5)}))
    critic = next(phases)
    sum(critic.values()).backward()
    moved = {name.split(".")[1] for name, p in network.named_parameters() if p.grad is not None}
    assert moved == {"critic"}
    network.zero_grad(set_to_none=True)
    raised = next(phases)["statistics"]
    raised.backward()
    assert {name.split(".")[1] for name, p in network.named_parameters() if p.grad is not None} == {"statistics"}
    network.zero_grad(set_to_none=True)
    lowered = next(phases)["information"]
    lowered.backward()
    assert {name.split(".")[1] for name, p in network.named_parameters() if p.grad is not None} == {"encoder"}
    assert lowered.item() == pytest.approx(-raised.item(), abs=0.05)  # batch statistics are the same; nothing moved


@pytest.mark.parametrize("model, step, network, losses", [
    ("iqtt-pix2scene", "semisupervised", {"scenes": SCENES},
     {"adversarial": 1, "image": 1, "latent": 1, "information": 0.1, "distance": 0.1}),
    ("iqtt-cnn", "answers", RESIDUAL, {"answers": 1}),
    ("iqtt-siamese", "contrast", RESIDUAL, {"contrast": 1}),
])  # fmt: skip
def test_each_solver_trains_and_answers_the_same_twice(model, step, network, losses, file, tmp_path):
    settings = {"critic_steps": 1} if step == "semisupervised" else {}
    stage = Stage("a", 2, batch=4, step=step, losses=losses, settings=settings)
    seen = Validation(every=2, samples=3, pictures=1, share=0.2)
    recipe = Recipe((stage,), model=model, network={"preset": model, **network}, validation=seen)
    for run in ("one", "two"):
        train(model, [file], tmp_path / run, recipe)
    assert (tmp_path / "one/weights.safetensors").read_bytes() == (tmp_path / "two/weights.safetensors").read_bytes()
    whole = IQTTFile(file)
    solver = load_network(model, tmp_path / "one/weights.safetensors", "cpu")
    assert type(solver) is (SceneSolver if model == "iqtt-pix2scene" else IQTTSolver)
    given = list(solver.answers([whole.labeled, whole.unlabeled]))
    assert len(given) == 12 and set(given) <= {0, 1, 2}


def test_steps_of_another_solver_are_refused(file):
    data = stages.TASK.open_data([file], {"labels": 0})
    config = stages.TASK.configure({"preset": "iqtt-cnn"}, data)
    with refused(UsageError, "network", expected="answers", actual="contrast"):
        stages.TASK.check_stage(Stage("a", 1, step="contrast", losses={}), config, data)
    with refused(UsageError, "none"):
        stages.TASK.check_stage(Stage("a", 1, step="answers", losses={"answers": 1}), config, data)
