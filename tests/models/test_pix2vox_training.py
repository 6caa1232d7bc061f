"""Pix2Vox as a task of the training engine, on tiny folders in 3D-R2N2's layout."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from refusals import refused
from torch.testing import assert_close

from voxcli import config, files
from voxcli.errors import DataError, FileFormatError, UsageError
from voxcli.models.blocks.losses import soft_overlap_loss
from voxcli.models.pix2vox import stages
from voxcli.models.pix2vox.batches import ObjectReader, ObjectSamples, collate, recoloured
from voxcli.models.pix2vox.losses import cross_entropy, cross_entropy_of_logits, overlaps
from voxcli.models.pix2vox.network import Pix2VoxConfig
from voxcli.models.weights import Weights, load_weights, save_weights
from voxcli.scene import VoxelGrid
from voxcli.training import train
from voxcli.training.recipe import load_recipe
from voxcli.training.stage import Augmentation, Stage
from voxcli.training.stage_run import begin
from voxcli.training.task import Context, Draws

TINY = {"trunk": [2] * 8, "encoder": [4, 4, 2], "decoder": [4, 4, 2, 2, 2]}


@pytest.fixture
def folder(tmp_path):
    """Four objects of two categories, three views each: their own grey says which object and view it is."""
    entries = []
    for c, (synset, name) in enumerate((("001", "chair"), ("002", "lamp"))):
        for k in range(2):
            pictures = tmp_path / "ShapeNetRendering" / synset / f"o{k}" / "rendering"
            volumes = tmp_path / "ShapeNetVox32" / synset / f"o{k}"
            pictures.mkdir(parents=True), volumes.mkdir(parents=True)
            for view in range(3):
                rgba = np.full((137, 137, 4), 20 * (4 * c + k) + 5 * view, np.uint8)
                rgba[..., 3] = 255 * (np.arange(137) > 40)
                Image.fromarray(rgba).save(pictures / f"{view:02d}.png")
            (pictures / "rendering_metadata.txt").write_text("10 25 0 0.8 25\n" * 3)
            solid = np.zeros((32, 32, 32), bool)
            solid[4 : 10 + 4 * k, 8:20, 3 : 12 + c] = True
            files.write(volumes / "model.binvox", VoxelGrid(solid))
        entries.append({"taxonomy_id": synset, "taxonomy_name": name, "train": ["o0", "o1"], "val": [], "test": []})
    (tmp_path / "ShapeNet.json").write_text(json.dumps(entries))
    return tmp_path


def photographed(root, layout):
    """Two chairs in the layout of Pix3D or Pascal3D+: 90 inside of the box, 10 outside; a volume of 64 cells whose lowest corner is set."""
    from scipy.io import savemat

    pixels = np.full((100, 160, 3), 10, np.uint8)
    pixels[20:60, 50:110] = 90
    solid = np.zeros((64, 64, 64), bool)
    solid[0, 0, 0] = True
    place = {"pix3d": "img/chair", "pascal": "Images/chair_imagenet"}[layout]
    for sub in (place, "mask", "model/chair", "Annotations/chair_imagenet", "CAD/chair"):
        if sub == place or (sub[0].isupper() == (layout == "pascal")):
            (root / sub).mkdir(parents=True)
    entries = []
    for k in range(2):
        Image.fromarray(pixels).save(root / place / (f"{k}.png" if layout == "pix3d" else f"{k}.JPEG"), quality=100)
        if layout == "pix3d":
            Image.fromarray(pixels[..., 0] * 2).save(root / f"mask/{k}.png")
            entries.append({"img": f"img/chair/{k}.png", "category": "chair", "img_size": [160, 100], "mask": f"mask/{k}.png",
                            "model": "model/chair/model.obj", "voxel": "model/chair/voxel.mat", "rot_mat": np.eye(3).tolist(),
                            "trans_mat": [0, 0, 2], "focal_length": 35, "bbox": [50, 20, 110, 60]})  # fmt: skip
        else:
            one = {"class": "chair", "bbox": np.array([51.0, 21, 110, 60]), "cad_index": 1}
            savemat(root / f"Annotations/chair_imagenet/{k}.mat", {"record": {"imgsize": np.array([160, 100, 3]), "objects": one}})
    if layout == "pix3d":
        savemat(root / "model/chair/voxel.mat", {"voxel": solid.astype(np.uint8)})
        (root / "pix3d.json").write_text(json.dumps(entries))
    else:
        files.write(root / "CAD/chair/01.binvox", VoxelGrid(solid))


@pytest.mark.parametrize("layout", ["pix3d", "pascal"])
def test_photographs_are_read_as_objects_of_one_view(tmp_path, layout):
    photographed(tmp_path, layout)
    data = stages.TASK.open_data([tmp_path], {})
    assert len(data) == 2 and data.categories == ["chair"] and data.name(0) == f"{tmp_path.name}/chair/0"
    images, volume, category, *_ = ObjectReader(data, 1, 1, 224, Augmentation())(0, None)
    # The square about a box of 60 x 40 pixels: the object over its whole width, and two thirds of its height.
    inside = images[0].mean(0) > (50 / 255 - 0.5) / 0.5
    assert inside[:, 5:-5].mean(0) == pytest.approx(2 / 3, abs=0.03) and category == 0
    assert volume.shape == (32, 32, 32) and volume.sum() == 1
    # The lowest corner of the file, in ShapeNet's axes: Pix3D's (x left, y out, z up), Pascal3D+'s (z up, front -y).
    assert np.argwhere(volume).tolist() == {"pix3d": [[0, 0, 0]], "pascal": [[31, 0, 31]]}[layout]
    with refused(UsageError, "splits", expected="split: train", actual="test"):
        stages.TASK.open_data([tmp_path], {"split": "test"})
    stage = Stage("fusion", 1, step="fusion", losses={"coarse": 1.0}, settings={"views": [1, 3]})
    with refused(UsageError, "'fusion'", "up to 3 views", "has 1", hint="'single'"):
        stages.TASK.check_stage(stage, Pix2VoxConfig(), data)


def draws(seed=0):
    return Draws(np.random.default_rng(seed), np.random.default_rng(99))


def test_validation_takes_another_split_where_the_recipe_says_so(folder):
    from voxcli.training.preparation import open_data

    listed = json.loads((folder / "ShapeNet.json").read_text())
    listed[0] |= {"train": ["o0"], "val": ["o1"]}
    (folder / "ShapeNet.json").write_text(json.dumps(listed))
    recipe = load_recipe("pix2vox-f", {"validation": {"split": "val"}})
    data, unseen = open_data(stages.TASK, recipe, [folder], [])
    assert [data.name(k) for k in range(len(data))] == [f"{folder.name}/{name}" for name in ("001/o0", "002/o0", "002/o1")]
    assert [unseen.name(k) for k in range(len(unseen))] == [f"{folder.name}/001/o1"]
    assert open_data(stages.TASK, load_recipe("pix2vox-f", {}), [folder], [])[1] is None


def test_losses_have_their_closed_forms():
    half = torch.full((2, 4, 4, 4), 0.5)
    truth = torch.rand(2, 4, 4, 4) > 0.7
    assert float(cross_entropy(half, truth)) == pytest.approx(math.log(2), rel=1e-5)
    logits = torch.randn(2, 4, 4, 4, dtype=torch.float64)
    assert_close(cross_entropy(torch.sigmoid(logits), truth), cross_entropy_of_logits(logits, truth))
    assert torch.isfinite(cross_entropy(truth.float(), ~truth))
    assert float(soft_overlap_loss(truth.float(), truth)) == pytest.approx(0, abs=1e-6)
    p = torch.zeros(1, 2, 2, 2)
    p[0, 0, 0], p[0, 0, 1] = 0.4, 0.3
    t = p >= 0.4
    assert_close(overlaps(p, t, (0.2, 0.3, 0.4, 0.5)), torch.tensor([[0.5, 0.5, 1.0, 0.0]], dtype=torch.float64))
    assert float(overlaps(torch.zeros(1, 2, 2, 2), torch.zeros(1, 2, 2, 2), (0.5,))) == 1


def test_validation_reads_evenly_spaced_views_and_training_draws_them(folder):
    data = ObjectSamples([folder], {})
    assert len(data) == 4 and data.categories == ["chair", "lamp"] and data.name(2).endswith("002/o0")
    reader = ObjectReader(data, 1, 3, 224, Augmentation())
    images, volume, category, *_ = reader(3, None)
    assert images.shape == (2, 3, 224, 224) and volume.sum() == 10 * 12 * 10 and category == 1
    shown = (images[:, 0, 0, -1] + 1) * 127.5
    assert_close(shown, np.array([100.0, 105.0], np.float32), rtol=0, atol=1e-3)
    assert_close((images[:, 0, 0, 0] + 1) * 127.5, np.full(2, 240, np.float32), rtol=0, atol=1e-3)
    counts = {len(reader(0, Draws(np.random.default_rng(0), np.random.default_rng(k)))[0]) for k in range(20)}
    assert counts == {1, 2, 3}
    seen = {float(ObjectReader(data, 1, 1, 112, Augmentation())(0, draws(k))[0][0, 0, 0, -1]) for k in range(20)}
    assert len(seen) == 3  # each of the views comes up


def test_a_mirrored_picture_goes_with_the_mirrored_volume(folder):
    reader = ObjectReader(ObjectSamples([folder], {}), 1, 1, 224, Augmentation(flip=True))
    plain = reader(0, None)[1]
    sides = set()
    for seed in range(8):
        images, volume, *_ = reader(0, draws(seed))
        object_is_right = images[0, 0, 0, -1] < images[0, 0, 0, 0]
        assert np.array_equal(volume, plain if object_is_right else plain[:, :, ::-1])
        sides.add(bool(object_is_right))
    assert sides == {True, False}


def test_recolouring_draws_the_same_numbers_whatever_is_on():
    image = np.linspace(-1, 1, 3 * 8 * 8, dtype=np.float32).reshape(3, 8, 8)
    after = []
    for how in (Augmentation(), Augmentation(brightness=0.3, contrast=0.3, colour=0.2, noise=0.1)):
        rng = np.random.default_rng(0)
        result = recoloured(image, how, rng)
        assert result.dtype == np.float32 and np.abs(result).max() <= 1
        after.append(rng.random())
    assert after[0] == after[1]
    assert_close(recoloured(image, Augmentation(), np.random.default_rng(0)), image, rtol=0, atol=1e-6)


def test_frozen_parts_keep_their_statistics_in_fusion(folder):
    torch.manual_seed(0)
    network = stages.TASK.build(Pix2VoxConfig(**{k: tuple(v) for k, v in TINY.items()}))
    reader = ObjectReader(ObjectSamples([folder], {}), 2, 2, 224, Augmentation())
    batch = collate([reader(i, None) for i in range(2)])
    stage = Stage("fusion", 1, step="fusion", losses={"coarse": 10.0}, settings={"views": [2, 2]}, frozen=("encoder", "decoder"))
    begin(0, stage, 0, network).train_mode(network)
    before = {k: v.clone() for k, v in network.state_dict().items()}
    terms = stages.fusion_step(network, batch, Context(stage, reader.data, {}))
    sum(terms.values()).backward()
    changed = {k.partition(".")[0] for k, v in network.state_dict().items() if not torch.equal(v, before[k])}
    assert changed == {"merger"}
    assert {k.partition(".")[0] for k, p in network.named_parameters() if p.grad is not None} == {"merger"}


def test_pictures_encoded_in_advance_teach_the_same(folder):
    torch.manual_seed(0)
    network = stages.TASK.build(Pix2VoxConfig(**{k: tuple(v) for k, v in TINY.items()})).eval()
    data, indices = ObjectSamples([folder], {}), [0, 2, 3]
    how = {"losses": {"coarse": 10.0, "overlap": 1.0}, "frozen": ("encoder", "decoder")}
    stage = Stage("fusion", 1, step="fusion", settings={"views": [2, 2], "encoded": 2}, **how)
    constants = stages.TASK.stage_constants(network, data, indices, stage)
    assert constants["features"].shape[0] == 6 and constants["first"].tolist() == [0, 2, 2, 4]
    reader = stages.TASK.reader(data, stage, Augmentation(flip=True, brightness=0.3))
    batch = collate([reader(i, draws(i)) for i in (3, 0)])
    assert batch.images.numel() == 0 and batch.places.tolist() == [3, 0] and batch.views.shape == (2, 2)
    wanted, tested = zip((3, 0), batch.views.tolist(), strict=True), ObjectReader(data, 1, 1, 224, Augmentation())
    plain = collate([(tested.pictures(i, views, None), data.folders[0].volume(i), 0, "", i, views) for i, views in wanted])
    seen = replace(stage, settings={"views": [2, 2]})
    assert stages.TASK.stage_constants(network, data, indices, seen) == {}
    first, second = (stages.fusion_step(network, b, Context(s, data, c)) for b, s, c in ((batch, stage, constants), (plain, seen, {})))
    assert_close(first, second, rtol=1e-4, atol=1e-5)
    one, alike = replace(batch, views=batch.views[:, :1]), replace(plain, images=plain.images[:, :1])
    first, second = (stages.single_step(network, b, Context(s, data, c)) for b, s, c in ((one, stage, constants), (alike, seen, {})))
    assert_close(first, second, rtol=1e-4, atol=1e-5)
    assert collate([reader(0, None)]).images.shape[-1] == 224  # validation reads them


@pytest.mark.parametrize("name", ["pix2vox-f", "objects-small", "objects-lite"])
def test_a_shipped_recipe_runs_through_its_stages(folder, tmp_path, name):
    few = {"steps": 1, "batch": 4}
    fewer = {"views": [1, 2]}
    shorter = {s.name: few | ({"settings": {**s.settings, **fewer}} if s.step == "fusion" else {}) for s in load_recipe(name).stages}
    recipe = load_recipe(name, {"network": {**TINY, "pretrained": False}, "validation": {"share": 0.25}, "stages": shorter})
    records = []
    train("pix2vox-f", [folder], tmp_path / "run", recipe, progress=records.append)
    scores = [record for record in records if record.get("event") == "validation"]
    assert len(scores) == len(recipe.stages) and 0 <= scores[-1]["mean_iou"] <= 1
    assert set(scores[-1]["thresholds"]) == {"0.2", "0.3", "0.4", "0.5"}
    from predicting import load_predictor, predict

    from voxcli.scene import Picture

    (grid,) = predict(load_predictor(tmp_path / "run/best.safetensors", "cpu", "float32"), [[Picture(np.zeros((50, 50, 3), np.uint8))]])
    assert grid.values.shape == (32, 32, 32)


def test_a_training_starts_from_the_imagenet_trunk_and_keeps_it_with_its_statistics(folder, tmp_path):
    data = stages.TASK.open_data([folder], {})
    other = stages.TASK.build(stages.TASK.configure(TINY, data)).encoder.vgg.state_dict()
    torch.save({f"features.{key}": value for key, value in other.items()}, tmp_path / "vgg16_bn.pth")
    recipe = load_recipe("objects-small", {
        "network": {**TINY, "imagenet": str(tmp_path / "vgg16_bn.pth")}, "average": None, "validation": {"every": 1, "samples": 1},
        "stages": [{"name": "a", "step": "single", "steps": 2, "batch": 2, "losses": {"coarse": 10}, "settings": {"side": 112}}],
    })  # fmt: skip
    train("pix2vox-f", [folder], tmp_path / "run", recipe)
    kept = load_weights(tmp_path / "run/weights.safetensors").tensors
    for key, value in other.items():
        assert torch.equal(kept[f"encoder.vgg.{key}"], value.half().to(value.dtype)), key


def test_a_training_goes_on_from_weights_and_may_add_a_refiner(folder, tmp_path):
    data = stages.TASK.open_data([folder], {})
    first = stages.TASK.configure({**TINY, "preset": "pix2vox-f"}, data)
    torch.manual_seed(1)
    weights = stages.TASK.build(first).state_dict()
    save_weights(tmp_path / "f.safetensors", Weights(weights, "pix2vox-f", config.to_mapping(first), {"categories": data.categories}))
    start = {"start": str(tmp_path / "f.safetensors")}
    assert stages.TASK.configure(start, data) == replace(first, **start)
    recipe = load_recipe("objects-small", {
        "network": {**start, "refiner": [2, 2, 2], "hidden": 4}, "average": None, "validation": {"every": 5, "samples": 1},
        "stages": [{"name": "refiner", "step": "fusion", "steps": 2, "batch": 2, "losses": {"refined": 10},
                    "settings": {"views": [1, 3], "encoded": 3}, "frozen": ["encoder", "decoder", "merger"]}],
    })  # fmt: skip
    train("pix2vox-f", [folder], tmp_path / "run", recipe)
    after = load_weights(tmp_path / "run/weights.safetensors").tensors
    assert all(torch.equal(after[key], value.half().to(value.dtype)) for key, value in weights.items())
    assert any(key.startswith("refiner.") for key in after)
    with refused(FileFormatError, "f.safetensors", "model", expected="pix2vox-a", actual="pix2vox-f"):
        stages.TASK.configure({**start, "preset": "pix2vox-a"}, data)
    with refused(UsageError, "'3'"):
        stages.TASK.configure({"start": 3}, data)
    with refused(UsageError, hint="Leave out one"):
        stages.TASK.configure({**start, "imagenet": "vgg.pth"}, data)
    with refused(FileFormatError, "'vgg.pth'", expected="16 with"):
        stages.TASK.configure({"imagenet": "vgg.pth"}, data)
    with refused(FileFormatError, "weights.safetensors", "'refiner.layer1.0.", expected=[4], actual=[2]):
        stages.TASK.build(replace(first, start=str(tmp_path / "run/weights.safetensors"), refiner=(4, 2, 2), hidden=4))
    with refused(UsageError, "positive", actual="[8, 16, -3]"):
        stages.TASK.configure({**start, "refiner": [8, 16, -3]}, data)


def test_stages_that_cannot_be_are_refused(folder):
    data, settings = ObjectSamples([folder], {}), Pix2VoxConfig()
    for said, stage in {
        "no refiner": {"losses": {"refined": 10.0}},
        "coarsee": {"losses": {"coarsee": 10.0}},
        "fusion needs two views": {"step": "fusion"},
        "takes one view": {"step": "single", "settings": {"views": [1, 3]}},
        "from the fewest": {"step": "fusion", "settings": {"views": [3, 2]}},
        "or half of that": {"settings": {"side": 100}},
        "while it trains": {"step": "fusion", "settings": {"views": [2, 3], "encoded": 3}, "frozen": ("decoder",)},
        "fewer pictures": {"step": "fusion", "settings": {"views": [2, 3], "encoded": 2}, "frozen": ("encoder",)},
        "takes up to 5 views": {"step": "fusion", "settings": {"views": [2, 5]}},
        "vews": {"settings": {"vews": [1, 3]}},
    }.items():
        with refused(UsageError, said):
            stages.TASK.check_stage(Stage("x", 1, **{"step": "single", "losses": {"coarse": 10.0}} | stage), settings, data)
    with refused(UsageError, "'splt'", hint="'split'"):
        stages.TASK.open_data([folder], {"splt": "val"})
    with pytest.raises(DataError):
        stages.TASK.open_data([folder], {"split": "val"})
    with refused(DataError, "views", expected="at least 5", actual=3):
        ObjectReader(data, 5, 5, 224, Augmentation())(0, draws())
