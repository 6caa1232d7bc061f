"""Z-GAN against the published facts of its checkpoints."""

import numpy as np
import pytest
import torch

from voxcli.errors import FileFormatError
from voxcli.models.zgan.importer import import_weights
from voxcli.models.zgan.inference import load_predictor, predict
from voxcli.models.zgan.network import Discriminator, Generator, ZGANConfig
from voxcli.scene.types import Picture


def count(module):
    return sum(p.numel() for p in module.parameters())


def test_parameter_counts_are_the_published_ones():
    with torch.device("meta"):
        assert count(Generator()) == 39_754_113
        assert round(count(Generator(ZGANConfig(width=64))) / 1e6, 1) == 159.0
        assert count(Discriminator()) == 666_017


def published_names():
    """The keys of latest_net_G.pth, from its nesting: blocks hang at .1 of the outermost and at .3 of the others."""
    names = {"model.model.0.weight", "model.model.3.weight", "model.model.3.bias"}
    statistics = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    prefix = "model.model.1"
    for _ in range(6):
        names |= {f"{prefix}.model.1.weight", f"{prefix}.model.5.weight"}
        names |= {f"{prefix}.model.{place}.{each}" for place in (2, 6) for each in statistics}
        prefix += ".model.3"
    return names | {f"{prefix}.model.1.weight", f"{prefix}.model.4.weight"} | {f"{prefix}.model.5.{each}" for each in statistics}


def test_tensors_have_the_published_names_and_widths():
    with torch.device("meta"):
        tensors, judge = Generator().state_dict(), Discriminator().state_dict()
    assert set(tensors) == published_names()
    assert {int(key.split(".")[1]) for key in judge} == {0, 2, 3, 5, 6, 8}
    downs, key = [tensors["model.model.0.weight"].shape[0]], "model.model.1"
    while f"{key}.model.1.weight" in tensors:
        downs.append(tensors[f"{key}.model.1.weight"].shape[0])
        key += ".model.3"
    assert downs == [32, 64, 128, 256, 256, 256, 256, 256]
    assert tensors["model.model.3.weight"].shape == (64, 1, 1, 1, 1)


def test_output_shapes():
    with torch.inference_mode():
        image = torch.zeros(1, 3, 256, 256)
        fruxels = Generator(ZGANConfig(width=1)).eval()(image)
        assert fruxels.shape == (1, 1, 128, 128, 128)
        assert Discriminator(width=1).eval()(image, fruxels).shape == (1, 1, 30, 30, 30)


def test_a_checkpoint_is_imported_and_predicts_occupancy(tmp_path):
    torch.manual_seed(0)
    wanted = Generator(ZGANConfig(width=2)).state_dict()
    saved = {f"module.{k}": t for k, t in wanted.items() if not k.endswith("num_batches_tracked")}
    torch.save(saved, tmp_path / "latest_net_G.pth")
    weights = import_weights(tmp_path / "latest_net_G.pth")
    assert weights.config["width"] == 2 and all(torch.equal(weights.tensors[k], t) for k, t in wanted.items())
    picture = Picture(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8))
    (grid,) = predict(load_predictor(weights, "cpu", "float32"), [picture], probabilities=True)
    assert grid.labels.shape == (128, 128, 128) and grid.classes.names == ("air", "object")
    assert np.array_equal(grid.labels == 1, grid.probabilities[1] > 0.5) or (grid.probabilities[1] == 0.5).any()


def test_what_is_no_checkpoint_is_named(tmp_path):
    path = tmp_path / "latest_net_G.pth"
    path.write_bytes(b"text")
    with pytest.raises(FileFormatError, match="no checkpoint"):
        import_weights(path)
    torch.save({"other": torch.zeros(1)}, path)
    with pytest.raises(FileFormatError, match="no Z-GAN"):
        import_weights(path)
    tensors = Generator(ZGANConfig(width=2)).state_dict()
    del tensors["model.model.3.bias"]
    torch.save(tensors, path)
    with pytest.raises(FileFormatError, match="model.model.3.bias"):
        import_weights(path)
