import numpy as np
import pytest
import torch
from refusals import refused

from voxcli.datasets.packing import pack_street
from voxcli.datasets.street import StreetFolder
from voxcli.errors import FileFormatError, UsageError
from voxcli.models.frustum import previews
from voxcli.models.frustum.batches import StreetReader, collate
from voxcli.scene import Frustum, Labels, class_colour
from voxcli.training import loader
from voxcli.training.arithmetic import Arithmetic
from voxcli.training.parallel import Processes
from voxcli.training.recipe import Computation, Loading, load_recipe
from voxcli.training.stage import Augmentation, Stage
from voxcli.training.validation import png

CLASSES = Labels(("air", "car", "ground"))


def box():
    labels = np.zeros((8, 8, 8), np.uint8)
    labels[:, 7] = 2
    labels[3:5, 4:7, 2:4] = 1
    return labels


def test_the_camera_sees_the_nearest_solid_fruxel():
    view = previews.from_camera(box(), CLASSES)
    assert view[:4].min() == 255  # nothing but air above the box
    assert view[5, 2, 2] > view[5, 2, 0]  # blue, the colour of a car
    ground = np.array(class_colour("ground"))
    assert np.allclose(view[7, 0] / view[7, 0].max(), ground / ground.max(), atol=0.02)  # the ground's colour, lit


def test_the_view_from_above_is_in_true_proportions():
    frustum = Frustum(8, 8, 8, 2.0, 10.0, 60.0)
    full = np.full((8, 8, 8), 2, np.uint8)
    view = previews.from_above(full, CLASSES, frustum, 100)
    seen = (view != 255).any(2)
    widths = seen.sum(1)
    assert widths[0] == pytest.approx(100, abs=3)  # the far side, at the top, spans the picture
    assert widths[-1] == pytest.approx(100 * 2 / 10, abs=3)  # the near side is as much narrower as it is nearer
    box_seen = previews.from_above(box(), CLASSES, frustum, 100)
    blue = (box_seen[..., 2].astype(int) - box_seen[..., 0]) > 60
    rows, columns = np.nonzero(blue)
    assert 10 - (rows.min() + 0.5) * 8 / 100 == pytest.approx(2 + 5, abs=0.2)  # slices 3 and 4 span z = 5..7
    assert 10 - (rows.max() + 0.5) * 8 / 100 == pytest.approx(2 + 3, abs=0.2)
    assert columns.max() < 50  # left of the middle


def test_a_sheet_has_one_row_a_sample_and_equal_bytes():
    image = np.full((16, 16, 3), 90, np.uint8)
    make = lambda n: previews.sheet([image] * n, [box()] * n, [box()] * n, CLASSES, Frustum(8, 8, 8, 2.0, 10.0, 60.0))  # noqa: E731
    assert make(2).shape[0] - make(1).shape[0] == 198
    assert png(make(1)) == png(make(1))


def test_a_packed_file_gives_the_samples_of_its_folder_and_the_same_bytes(street, tmp_path):
    folder = StreetFolder([street])
    for name in ("a.h5", "b.h5"):
        pack_street(folder, tmp_path / name)
    packed = StreetFolder([tmp_path / "a.h5"])
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    assert packed.names == folder.names and packed.frustum == folder.frustum and packed.classes == folder.classes
    for i in range(len(folder)):
        assert np.array_equal(packed[i].image, folder[i].image) and np.array_equal(packed[i].labels, folder[i].labels)
    both = StreetFolder([street, tmp_path / "a.h5"])
    assert len(both) == 2 * len(folder)


def test_damaged_packed_files_are_named(street, tmp_path):
    import h5py

    path = tmp_path / "a.h5"
    path.write_bytes(b"nothing")
    with refused(FileFormatError, "a.h5"):
        StreetFolder([path])
    pack_street(StreetFolder([street]), path)
    with h5py.File(path, "a") as file:
        del file["names"]
        file.create_dataset("names", data=["one"], dtype=h5py.string_dtype("utf-8"))
    with refused(FileFormatError, "a.h5", "together", expected="[N, sH, sW, 3]", actual="[8, 32, 32, 3]"):
        StreetFolder([path])


def first_batches(reader, order, start, loading, count=2):
    batches = loader.training_batches(reader, collate, order, start, 2, slice(None), loading)
    found = [next(batches) for _ in range(count)]
    batches.close()
    return found


@pytest.mark.parametrize("loading", [Loading(3, 1), pytest.param(Loading(2, 2, "processes"), marks=pytest.mark.slow)])
def test_workers_and_a_later_start_change_no_sample(street, loading):
    folder = StreetFolder([street])
    reader = loader.Reader(StreetReader(folder, (1, 2), Augmentation(flip=True, brightness=0.3, noise=0.1)), 0)
    order = loader.Order(range(8), 0)
    plain = first_batches(reader, order, 0, Loading(), 5)
    for a, b in zip(plain[3:], first_batches(reader, order, 6, loading), strict=True):
        assert a.names == b.names
        assert torch.equal(a.images, b.images) and all(torch.equal(a.labels[s], b.labels[s]) for s in (1, 2))
    assert sorted(name for batch in plain[:4] for name in batch.names) == folder.names  # an epoch holds each sample once


def test_parts_must_divide_the_batch_and_stages_are_changed_by_name():
    with refused(UsageError, "parts", expected="4", actual=3):
        Stage("x", 1, batch=4, parts=3)
    changed = load_recipe("street", {"stages": {"full": {"steps": 7}}, "loading": {"workers": 2}})
    assert [s.steps for s in changed.stages if s.name == "full"] == [7] and len(changed.stages) == 3
    with refused(UsageError, "'ful'", hint="'full'"):
        load_recipe("street", {"stages": {"ful": {"steps": 7}}})


def test_float16_is_refused_without_cuda_and_norms_that_are_not_finite_move_nothing():
    processes = Processes(torch.device("cpu"))
    layer = torch.nn.Linear(2, 1)
    with refused(UsageError, "CUDA", actual="device cpu"):
        Arithmetic(Computation("float16"), layer, processes)
    arithmetic = Arithmetic(Computation(), layer, processes)
    optimiser = torch.optim.Adam(layer.parameters())
    before = layer.weight.detach().clone()
    arithmetic.backward(layer(torch.tensor([[float("inf"), 1.0]])).sum())
    assert not np.isfinite(arithmetic.finish(optimiser, list(layer.parameters()), 1.0))
    assert torch.equal(layer.weight.detach(), before)


def test_a_step_in_bfloat16_and_channels_last_has_the_loss_and_gradients_of_float32():
    from types import SimpleNamespace

    from voxcli.models.frustum.batches import StreetBatch
    from voxcli.models.ssz import stages
    from voxcli.models.ssz.steps import generator_step
    from voxcli.training.task import Context

    settings = {"preset": "small", "width": 16, "height": 16, "depth": 16, "encoder": [4, 4, 8], "encoder_blocks": [1, 1, 1],
                "decoder": [4, 4, 4], "decoder_blocks": [1, 0, 0], "normalised_levels": 2}  # fmt: skip
    images, labels = torch.rand(2, 3, 16, 16), {1: torch.randint(0, 3, (2, 16, 16, 16), dtype=torch.uint8)}
    data = SimpleNamespace(classes=SimpleNamespace(ignore=255))
    context = Context(Stage("s", 1, losses={"likelihood": 1.0, "dice": 1.0}), data, {"class_weights": torch.ones(3)})
    batch, found = StreetBatch(images, labels, ["a", "b"], [None, None]), {}
    for precision in ("float32", "bfloat16"):
        torch.manual_seed(0)
        network = stages.TASK.build(stages.resolve_config(settings, 3, None))
        how = Computation(precision, channels_last=precision == "bfloat16")
        arithmetic = Arithmetic(how, network, Processes(torch.device("cpu")))
        with arithmetic.forward():
            terms = generator_step(arithmetic.network, batch, context)
        arithmetic.backward(terms["scale1"])
        head = network.decoder.head.conv.weight.grad
        found[precision] = terms["scale1"].detach(), head.flatten()
        assert all(p.grad is None or p.grad.dtype == torch.float32 for p in network.parameters())
    assert float(found["bfloat16"][0]) == pytest.approx(float(found["float32"][0]), rel=0.02)
    assert torch.cosine_similarity(found["bfloat16"][1], found["float32"][1], dim=0) > 0.98
