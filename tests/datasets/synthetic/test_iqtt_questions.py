"""The 3D-IQ test task: distractors that no rotation makes, the published layout, the reader of it, the same bytes for any workers."""

import filecmp

import h5py
import numpy as np
import pytest
import torch
from references.slow_polycubes import all_turned, mirror, shape
from refusals import refused

from voxcli.datasets.iqtt import IQTTFile, read_answers
from voxcli.datasets.synthetic.iqtt import (
    KINDS,
    IQTTConfig,
    draw_lights,
    draw_question,
    draw_rotation,
    make_question,
    picture,
    write_questions,
)
from voxcli.errors import DataError, FileFormatError, UsageError
from voxcli.geometry.lighting import Lights
from voxcli.seeds import item_seed

SIZE = 24


@pytest.fixture(scope="module")
def train(tmp_path_factory):
    return write_questions(tmp_path_factory.mktemp("iqtt") / "train.h5", 12, 3, IQTTConfig(5, SIZE))


def cells_of(array):
    """The rows of truth/cells that are cells."""
    return [tuple(cell) for cell in array.tolist() if cell[0] >= 0]


def test_the_answer_is_a_rotation_of_the_reference_and_the_distractors_are_none():
    kinds = set()
    for seed in range(60):
        question = draw_question(np.random.default_rng(seed))
        reference, *choices = ([tuple(cell) for cell in cells.tolist()] for cells in question.cells)
        turned = all_turned(reference)
        assert [shape(cells) in turned for cells in choices] == [k == question.answer for k in range(3)]
        assert [kind == 0 for kind in question.kinds] == [k == question.answer for k in range(3)]
        first, second = (cells for k, cells in enumerate(choices) if k != question.answer)
        assert shape(first) not in all_turned(second) and {len(cells) for cells in choices} == {len(reference)}
        for cells, kind in zip(choices, question.kinds, strict=True):
            assert (KINDS[kind] == "mirror") == (mirror(cells) in turned)
            kinds.add(KINDS[kind])
    assert kinds == set(KINDS)


def test_answers_are_spread_evenly_and_half_of_the_questions_hold_a_mirror_image():
    questions = [draw_question(np.random.default_rng(seed)) for seed in range(300)]
    assert all(75 < sum(q.answer == k for q in questions) < 125 for k in range(3))
    assert 120 < sum(KINDS.index("mirror") in q.kinds for q in questions) < 180


def test_an_object_is_seen_whole_from_everywhere_and_lit_on_the_side_that_is_seen():
    for seed in range(40):
        rng = np.random.default_rng(seed)
        pixels = picture(draw_question(rng).cells[0], draw_rotation(rng), draw_lights(rng), 64)
        rim = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
        seen = pixels.any(-1)
        assert not rim.any() and 0.02 < seen.mean() < 0.6
        assert pixels[seen].max(-1).min() >= int(0.8 * 0.25 * 255) and len(np.unique(pixels[seen], axis=0)) > 20


def test_rotations_are_spread_over_all_directions():
    turned = np.stack([draw_rotation(np.random.default_rng(seed)) for seed in range(400)])
    assert np.allclose(turned @ turned.transpose(0, 2, 1), np.eye(3)) and np.allclose(np.linalg.det(turned), 1)
    assert np.abs(turned.mean(0)).max() < 0.1 and np.allclose((turned**2).mean(0), 1 / 3, atol=0.06)


def test_a_cube_before_one_light_has_the_brightness_of_equation_1():
    tensor = lambda *v: torch.tensor(v, dtype=torch.float64)  # noqa: E731
    lights = Lights(tensor(0.1, 0.2, 0.3), tensor([0.0, 0.0, 0.45]), tensor([0.5, 1.0, 1.5]))
    pixels = picture(np.array([[0, 0, 0]]), np.eye(3), lights, 65)
    away = 2.45 - 3**-0.5 - 0.45  # its corners lie on a sphere of radius 1
    assert np.abs(pixels[32, 32] / 255 - 0.8 * (np.array([0.1, 0.2, 0.3]) + np.array([0.5, 1, 1.5]) / away**2)).max() < 0.6 / 255


def test_the_picture_is_what_the_surfel_renderer_makes_of_the_mesh():
    from voxcli.datasets.synthetic.iqtt import ALBEDO, DISTANCE, LENS_MM, SENSOR_MM
    from voxcli.datasets.synthetic.polycubes import surface
    from voxcli.geometry.surfels import render_surfels
    from voxcli.geometry.visible import mesh_surfels
    from voxcli.scene import Camera, Mesh

    focal = LENS_MM / SENSOR_MM * 48
    for seed in range(5):
        rng = np.random.default_rng(seed)
        cells, rotation, lights = draw_question(rng).cells[0], draw_rotation(rng), draw_lights(rng)
        corners = surface(cells)[0]
        corners = corners - (corners.min((0, 1)) + corners.max((0, 1))) / 2
        corners = corners / np.linalg.norm(corners, axis=-1).max() @ rotation.T + (0, 0, DISTANCE)
        quads = np.arange(4 * len(corners)).reshape(-1, 4)
        mesh = Mesh(corners.reshape(-1, 3), np.concatenate([quads[:, :3], quads[:, [0, 2, 3]]]))
        camera = Camera(np.array([[focal, 0, 24], [0, focal, 24], [0, 0, 1]]), 48, 48)
        maps = mesh_surfels(mesh, camera)
        maps = maps._replace(albedo=torch.full_like(maps.albedo, ALBEDO))
        wanted = render_surfels(maps, torch.from_numpy(camera.K), lights).clamp(0, 1).movedim(0, -1).numpy() * 255
        assert (np.abs(picture(cells, rotation, lights, 48) - wanted).max(-1) > 0.51).mean() < 0.002  # a pixel on an edge may go either way


def test_a_question_depends_on_seed_and_number_alone(train):
    file = IQTTFile(train)
    for index in range(12):
        pixels, question, lights = make_question(3, index, SIZE)
        stored = file.labeled.pictures(index) if index < 5 else file.unlabeled.pictures(index - 5)
        assert np.array_equal(pixels, stored) and file.answers[index] == question.answer
        assert all(np.allclose(file.lights[0][index, k], lights[k].ambient) for k in range(4))
    assert not np.array_equal(make_question(4, 0, SIZE)[0], make_question(3, 0, SIZE)[0])


def test_training_files_have_the_published_layout_and_the_truth_beside_it(train):
    with h5py.File(train) as file:
        assert file["labeled/questions"].shape == (5, 4, SIZE, SIZE, 3) and file["labeled/questions"].dtype == np.uint8
        assert file["unlabeled/questions"].shape == (7, 4, SIZE, SIZE, 3) and file["labeled/answers"].shape == (5,)
        assert np.array_equal(file["truth/answers"][:5], file["labeled/answers"][:])
        for cells, kinds, answer in zip(file["truth/cells"][:], file["truth/kinds"][:], file["truth/answers"][:], strict=True):
            turned = all_turned(cells_of(cells[0]))
            assert [shape(cells_of(choice)) in turned for choice in cells[1:]] == [k == answer for k in range(3)]
            assert kinds[answer] == 0


def test_the_reader_gives_tensors_in_0_to_1(train):
    file = IQTTFile(train)
    batch = file.labeled.batch([0, 4])
    assert batch.shape == (2, 4, 3, SIZE, SIZE) and batch.dtype.is_floating_point and batch.min() == 0 and 0.2 < batch.max() <= 1
    assert len(file.labeled) == 5 and len(file.unlabeled) == 7 and file.unlabeled.answers is None
    assert file.labeled.answers.dtype == np.int64 and file.kinds.shape == (12, 3)


def test_the_stored_lights_are_those_of_the_stored_pictures(train):
    file = IQTTFile(train)
    ambient, positions, colours = (torch.from_numpy(values).double() for values in file.lights)
    for index in (0, 4, 5, 11):
        rng = np.random.default_rng(item_seed(3, f"iqtt/{index}"))
        stored = file.labeled.pictures(index) if index < 5 else file.unlabeled.pictures(index - 5)
        for k, cells in enumerate(draw_question(rng).cells):
            rotation, _ = draw_rotation(rng), draw_lights(rng)
            own, other = (Lights(ambient[i, k], positions[i, k], colours[i, k]) for i in (index, (index + 1) % 12))
            again, wrong = (picture(cells, rotation, lights, SIZE).astype(int) - stored[k] for lights in (own, other))
            assert abs(again).max() <= 1 and abs(wrong).max() > 20
        assert np.allclose(np.linalg.norm(positions[index] - torch.tensor([0, 0, 2.45]), axis=-1), 4, atol=1e-5)


@pytest.mark.parametrize(("key", "value"), [("ambient", np.zeros((3, 4, 3))), ("positions", np.full((2, 4, 3, 3), np.nan)),
                                            ("colours", np.zeros((2, 4, 3, 3), int)), ("colours", None)])  # fmt: skip
def test_lights_that_are_not_those_of_the_questions_are_refused(tmp_path, key, value):
    path = published(tmp_path / "a.h5", np.zeros((2, 4, 8, 8, 3), np.uint8))
    lights = {"ambient": np.zeros((2, 4, 3)), "positions": np.zeros((2, 4, 3, 3)), "colours": np.zeros((2, 4, 3, 3)), key: value}
    with h5py.File(path, "a") as file:
        for name, values in lights.items():
            if values is not None:
                file[f"lights/{name}"] = values
    with refused(FileFormatError, "a.h5", key):
        IQTTFile(path)


def test_validation_files_hold_one_list(tmp_path):
    file = IQTTFile(write_questions(tmp_path / "val.h5", 3, 0, IQTTConfig(size=16)))
    assert len(file.labeled) == 3 and len(file.unlabeled) == 0 and len(file.answers) == 3


@pytest.mark.parametrize("labeled", [0, 2])
def test_all_or_none_may_be_labelled(tmp_path, labeled):
    file = IQTTFile(write_questions(tmp_path / "a.h5", 2, 0, IQTTConfig(labeled, 16)))
    assert (len(file.labeled), len(file.unlabeled)) == (labeled, 2 - labeled) and len(file.answers) == 2


def published(path, questions, answers=None, group=""):
    """A file as it was published: floats or bytes, no truth."""
    with h5py.File(path, "a") as file:
        file[f"{group}questions"] = questions
        if answers is not None:
            file[f"{group}answers"] = answers
    return path


def test_published_files_of_all_three_kinds_are_read(tmp_path):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (4, 4, 8, 8, 3)).astype(np.uint8)
    train = published(published(tmp_path / "train.h5", pixels, np.array([0, 2, 1, 1]), "labeled/"), pixels[:3] / 255, None, "unlabeled/")
    file = IQTTFile(train)
    assert file.kinds is None and file.lights is None and file.answers.tolist() == [0, 2, 1, 1]
    assert np.array_equal(file.unlabeled.pictures(2), pixels[2]) and np.array_equal(file.labeled.pictures(3), pixels[3])
    assert IQTTFile(published(tmp_path / "val.h5", pixels, np.array([[0.0], [1], [2], [0]]))).answers.tolist() == [0, 1, 2, 0]
    test = IQTTFile(published(tmp_path / "test.h5", pixels))
    assert len(test.unlabeled) == 4 and len(test.labeled) == 0
    with refused(DataError, "test.h5", "answers", expected="answers or labeled/answers"):
        _ = test.answers


@pytest.mark.parametrize(
    ("questions", "answers"),
    [
        (np.zeros((2, 3, 8, 8, 3), np.uint8), None),
        (np.zeros((2, 4, 8, 8), np.uint8), None),
        (np.zeros((2, 4, 8, 8, 3), np.int32), None),
        (np.zeros((2, 4, 8, 8, 3), np.uint8), np.array([0, 3])),
        (np.zeros((2, 4, 8, 8, 3), np.uint8), np.array([0])),
        (np.zeros((2, 4, 8, 8, 3), np.uint8), np.array([0, np.nan])),
    ],
)
def test_what_holds_no_questions_is_refused(tmp_path, questions, answers):
    with refused(FileFormatError, "a.h5"):
        IQTTFile(published(tmp_path / "a.h5", questions, answers))


def test_damaged_absent_and_foreign_files_are_errors_that_name_them(tmp_path):
    with refused(DataError, "absent.h5", "no file"):
        IQTTFile(tmp_path / "absent.h5")
    (tmp_path / "text.h5").write_text("nothing")
    with refused(FileFormatError, "text.h5"):
        IQTTFile(tmp_path / "text.h5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["labels"] = np.zeros(3)
    with refused(FileFormatError, "other.h5", actual="labels"):
        IQTTFile(tmp_path / "other.h5")


def test_answers_come_as_text_array_or_file_of_questions(tmp_path, train):
    (tmp_path / "a.txt").write_text("0\n2\n1\n")
    np.save(tmp_path / "a.npy", np.array([0, 2, 1], np.uint8))
    assert read_answers(tmp_path / "a.txt").tolist() == read_answers(tmp_path / "a.npy").tolist() == [0, 2, 1]
    assert np.array_equal(read_answers(train), IQTTFile(train).answers)
    for text in ("", "0 1 3", "0.5", "one"):
        (tmp_path / "a.txt").write_text(text)
        with refused(FileFormatError, "a.txt"):
            read_answers(tmp_path / "a.txt")
    with refused(DataError, "absent"):
        read_answers(tmp_path / "absent.txt")


def test_a_call_that_fails_leaves_nothing_and_an_existing_file_stays(tmp_path, train):
    before = train.read_bytes()
    with refused(UsageError, "train.h5", "exists"):
        write_questions(train, 1)
    with pytest.raises(KeyboardInterrupt):
        write_questions(tmp_path / "cut.h5", 5, 0, IQTTConfig(size=16), progress=_interrupt)
    with refused(UsageError, "labels", actual="labeled 2"):
        write_questions(tmp_path / "many.h5", 1, 0, IQTTConfig(2))
    assert train.read_bytes() == before and not list(tmp_path.iterdir())


def _interrupt(_):
    raise KeyboardInterrupt


@pytest.mark.slow
def test_any_number_of_workers_gives_the_same_bytes(tmp_path):
    one, two = (write_questions(tmp_path / f"{n}.h5", 20, 0, IQTTConfig(3, 16), workers=n) for n in (1, 2))
    assert filecmp.cmp(one, two, shallow=False)


def test_a_damaged_array_of_answers_is_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.array([0, 1, 2]))
    whole = (tmp_path / "a.npy").read_bytes()
    for size in (0, 5, 20, len(whole) - 3):
        (tmp_path / "a.npy").write_bytes(whole[:size])
        with refused(FileFormatError, "a.npy"):
            read_answers(tmp_path / "a.npy")
    np.save(tmp_path / "a.npy", np.array([{}], object), allow_pickle=True)
    with refused(FileFormatError, "a.npy"):
        read_answers(tmp_path / "a.npy")
