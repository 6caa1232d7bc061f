"""Z-GAN against the published facts of its checkpoints."""

import math

import numpy as np
import torch
from predicting import load_predictor, predict
from refusals import refused

from voxcli.errors import FileFormatError
from voxcli.models.zgan.importer import import_weights
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


def test_without_what_comes_from_below_the_output_is_the_first_levels_picture_in_every_slice():
    # Copy inflation: a skip has no depth of its own. The last layers then see the first features alone.
    torch.manual_seed(0)
    network = Generator(ZGANConfig(width=2)).eval()
    down, level, _, last, _ = network.model.model
    torch.nn.init.zeros_(next(m for m in level.model if isinstance(m, torch.nn.ConvTranspose3d)).weight)
    image = torch.rand(1, 3, 256, 256) * 2 - 1
    with torch.inference_mode():
        fruxels, features = network(image), down(image).relu()
        wanted = torch.tanh(torch.einsum("co,bchw->bohw", last.weight[:2, :, 0, 0, 0], features) + last.bias)
    assert fruxels.shape == (1, 1, 128, 128, 128)
    assert torch.allclose(fruxels, wanted[:, :, None].expand_as(fruxels), atol=1e-6)


def test_a_verdict_sees_a_patch_of_34_cells_and_the_picture_is_three_slices_before_the_fruxels():
    # Kernels of 4 with the steps 2, 2, 1, 1 and paddings of 1: the verdict i sees the cells 4 i - 11 to 4 i + 22 along each axis.
    torch.manual_seed(0)
    network = Discriminator(width=2).eval()  # statistics of a batch would join all patches
    image, fruxels = torch.rand(1, 3, 256, 256) * 2 - 1, torch.rand(1, 1, 128, 128, 128)

    def changed(image, fruxels):
        """The first and the last verdict that changes, along the depth, down and to the right."""
        with torch.inference_mode():
            places = (network(image, fruxels) != before)[0, 0].nonzero()
        return list(zip(places.amin(0).tolist(), places.amax(0).tolist(), strict=True))

    def see(cell):
        return max(0, math.ceil((cell - 22) / 4)), min(29, (cell + 11) // 4)

    with torch.inference_mode():
        before = network(image, fruxels)
    assert before.shape == (1, 1, 30, 30, 30)
    touched = fruxels.clone()
    touched[0, 0, 64, 50, 80] += 5
    assert changed(image, touched) == [see(3 + 64), see(50), see(80)]
    for plane in range(3):
        touched = image.clone()
        touched[0, plane, 100:102, 40:42] += 5  # averaged to the one pixel (50, 20)
        assert changed(touched, fruxels) == [see(plane), see(50), see(20)]


def test_a_checkpoint_is_imported_and_predicts_occupancy(tmp_path):
    torch.manual_seed(0)
    wanted = Generator(ZGANConfig(width=2)).state_dict()
    saved = {f"module.{k}": t for k, t in wanted.items() if not k.endswith("num_batches_tracked")}
    torch.save(saved, tmp_path / "latest_net_G.pth")
    weights = import_weights(tmp_path / "latest_net_G.pth")
    assert weights.config["width"] == 2 and all(torch.equal(weights.tensors[k], t) for k, t in wanted.items())
    picture = Picture(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8))
    # A last bias that puts 0.5 in the middle of what this random network says: half of the fruxels are objects.
    (grid,) = predict(load_predictor(weights, "cpu", "float32"), [picture], probabilities=True)
    weights.tensors["model.model.3.bias"] += math.atanh(0.5) - math.atanh(np.median(grid.probabilities[1]))
    (grid,) = predict(load_predictor(weights, "cpu", "float32"), [picture], probabilities=True)
    assert grid.labels.shape == (128, 128, 128) and grid.classes.names == ("air", "object")
    air, object_ = grid.probabilities.astype(np.float32)
    assert np.abs(air + object_ - 1).max() < 1e-3
    # Probabilities are rounded to float16, which moves none across 0.5; the labels were taken before.
    assert (object_[grid.labels == 1] >= 0.5).all() and (object_[grid.labels == 0] <= 0.5).all()
    assert 0.4 < (grid.labels == 1).mean() < 0.6


def test_what_is_no_checkpoint_is_named(tmp_path):
    path = tmp_path / "latest_net_G.pth"
    path.write_bytes(b"text")
    with refused(FileFormatError, "latest_net_G.pth", "no checkpoint"):
        import_weights(path)
    torch.save({"other": torch.zeros(1)}, path)
    with refused(FileFormatError, "latest_net_G.pth", "Z-GAN", expected="the key model.model.0.weight", actual="other"):
        import_weights(path)
    tensors = Generator(ZGANConfig(width=2)).state_dict()
    del tensors["model.model.3.bias"]
    torch.save(tensors, path)
    with refused(FileFormatError, "latest_net_G.pth", "model.model.3.bias", expected=[1], actual="absent"):
        import_weights(path)
