"""Official checkpoints: read without running code, every tensor accounted for, the wrong variant refused."""

import os
import pickle

import numpy as np
import pytest
import torch
from refusals import refused

from voxcli.errors import FileFormatError
from voxcli.models.checkpoints import read_checkpoint
from voxcli.models.pix2vox import importer
from voxcli.models.pix2vox.network import PRESETS, Pix2VoxConfig, build

SMALL = {
    "pix2vox-f": Pix2VoxConfig(trunk=(2,) * 8, encoder=(4, 4, 2), decoder=(4, 2, 2, 2, 2)),
    "pix2vox-a": Pix2VoxConfig(
        trunk=(2,) * 8, encoder=(4, 4, 2), kernels=(3, 3, 1), pool=3, decoder=(16, 4, 2, 2, 2), refiner=(2, 2, 2), hidden=8
    ),
}


@pytest.fixture
def small(monkeypatch):
    """The two variants with few channels, so that their files are small."""
    for name, preset in SMALL.items():
        monkeypatch.setitem(PRESETS, name, preset)


def official(name, wrapped=True, counters=True, **extra):
    """What the original saves: state_dicts by part, names as DataParallel has them, scores beside."""
    network = build(SMALL[name])
    parts = {}
    for part in ("encoder", "decoder", "refiner", "merger"):
        if hasattr(network, part):
            state = getattr(network, part).state_dict()
            state = {k: v for k, v in state.items() if counters or not k.endswith("num_batches_tracked")}
            parts[f"{part}_state_dict"] = {("module." if wrapped else "") + k: v for k, v in state.items()}
    return network.state_dict(), {"epoch_idx": 250, "best_iou": np.float64(0.625), "best_epoch": np.int64(240), **parts, **extra}


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("wrapped", [True, False])
@pytest.mark.parametrize("counters", [True, False])
@pytest.mark.parametrize("zipped", [True, False])
def test_an_official_file_gives_every_tensor(small, tmp_path, name, wrapped, counters, zipped):
    wanted, saved = official(name, wrapped, counters, encoder_solver_state_dict={"param_groups": [], "state": {0: {"step": 3}}})
    path = tmp_path / "official.pth"
    torch.save(saved, path, _use_new_zipfile_serialization=zipped)
    fates = {"used": [], "filled": [], "left": []}
    weights = importer.import_weights(path, name, lambda fate, entry: fates[fate].append(entry.split(" ")[0]))
    assert weights.model == name and weights.tensors.keys() == wanted.keys()
    for key, tensor in wanted.items():
        assert torch.equal(weights.tensors[key], tensor), key
    assert weights.facts == {"source": "official.pth", "best_iou": 0.625, "epoch_idx": 250}
    assert sorted(fates["used"] + fates["filled"]) == sorted(wanted)
    assert bool(fates["filled"]) != counters
    assert fates["left"] == ["best_epoch", "best_iou", "encoder_solver_state_dict", "epoch_idx"]


def test_the_wrong_variant_is_refused_by_name_and_shape(small, tmp_path):
    for name, other in (("pix2vox-a", "pix2vox-f"), ("pix2vox-f", "pix2vox-a")):
        torch.save(official(name)[1], tmp_path / f"{name}.pth")
        with pytest.raises(FileFormatError) as error:
            importer.import_weights(tmp_path / f"{name}.pth", other)
        shapes = [str([*SMALL[each].decoder[:2], 4, 4, 4]) for each in (name, other)]
        assert f"checkpoint of {name}" in str(error.value) and f"Import it as {name}" in str(error.value)
        assert all(shape in str(error.value) for shape in shapes)


def test_a_file_tells_its_variant_by_itself(small, tmp_path):
    for name in SMALL:
        torch.save(official(name)[1], tmp_path / "official.pth")
        assert importer.recognised(tmp_path / "official.pth") == name
    for other in ({"model": torch.zeros(3)}, {"decoder_state_dict": {"layer1.0.weight": torch.zeros(3, 3)}}, {"decoder_state_dict": 5}):
        torch.save(other, tmp_path / "other.pth")
        assert importer.recognised(tmp_path / "other.pth") is None


def test_a_missing_or_misshapen_tensor_is_named(small, tmp_path):
    _, saved = official("pix2vox-f", wrapped=False)
    path = tmp_path / "official.pth"
    kept = saved["merger_state_dict"].pop("layer3.0.bias")
    torch.save(saved, path)
    with refused(FileFormatError, "official.pth", "merger.layer3.0.bias", expected=[4], actual="no such tensor"):
        importer.import_weights(path, "pix2vox-f")
    saved["merger_state_dict"]["layer3.0.bias"] = torch.cat([kept, kept])
    torch.save(saved, path)
    with refused(FileFormatError, "official.pth", expected=[4], actual=[8]):
        importer.import_weights(path, "pix2vox-f")
    torch.save({"model": kept}, path)
    with refused(FileFormatError, "official.pth", "Pix2Vox", actual="keys model"):
        importer.import_weights(path, "pix2vox-f")


class Runs:
    def __init__(self, call):
        self.call = call

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_that_would_run_code_is_refused(tmp_path, zipped):
    marker = tmp_path / "ran"
    path = tmp_path / "evil.pth"
    for evil in (Runs((os.mkdir, (str(marker),))), np.array([{}], object), Runs((np.dtype, ("O",)))):
        torch.save({"best_iou": evil}, path, _use_new_zipfile_serialization=zipped)
        with refused(FileFormatError, "evil.pth", "tensors"):
            read_checkpoint(path)
    assert not marker.exists()


@pytest.mark.parametrize("value", [np.float64(0.5), np.float32(0.25), np.int64(-3), np.bool_(True)])
def test_numpy_scalars_become_numbers(tmp_path, value):
    path = tmp_path / "scalars.pth"
    torch.save({"value": value, "old": pickle.loads(pickle.dumps(value, 2))}, path)
    found = read_checkpoint(path)
    assert found == {"value": value, "old": value} and not isinstance(found["value"], np.generic)


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04 half a zip", b"\x80\x02]."])
def test_what_is_no_checkpoint_is_named(tmp_path, content):
    (tmp_path / "none.pth").write_bytes(content)
    with refused(FileFormatError, "none.pth"):
        read_checkpoint(tmp_path / "none.pth")


def test_a_truncated_checkpoint_is_named(small, tmp_path):
    for zipped in (True, False):
        torch.save(official("pix2vox-f")[1], tmp_path / "cut.pth", _use_new_zipfile_serialization=zipped)
        data = (tmp_path / "cut.pth").read_bytes()
        (tmp_path / "cut.pth").write_bytes(data[: len(data) // 2])
        with refused(FileFormatError, "cut.pth"):
            importer.import_weights(tmp_path / "cut.pth", "pix2vox-f")


def test_an_imagenet_file_fills_the_trunk_alone(tmp_path):
    network, other = build(SMALL["pix2vox-f"]), build(SMALL["pix2vox-f"])
    deeper = {"features.27.weight": torch.zeros(2, 2, 3, 3), "classifier.0.weight": torch.zeros(2, 2)}
    named = {f"features.{k}": v for k, v in other.encoder.vgg.state_dict().items()}
    torch.save(named | deeper, tmp_path / "vgg16_bn.pth")
    before = {k: v.clone() for k, v in network.state_dict().items()}
    importer.load_trunk(network.encoder.vgg, tmp_path / "vgg16_bn.pth")
    for key, tensor in network.state_dict().items():
        wanted = other.state_dict()[key] if key.startswith("encoder.vgg.") else before[key]
        assert torch.equal(tensor, wanted), key
    del named["features.8.running_var"]
    torch.save(named, tmp_path / "vgg16_bn.pth")
    with refused(FileFormatError, "vgg16_bn.pth", "features.8.running_var", expected=[2], actual="no such tensor"):
        importer.load_trunk(network.encoder.vgg, tmp_path / "vgg16_bn.pth")
