"""Official UCLID-Net files: names, shapes and order as published, and what is refused."""

import pytest
import torch
from refusals import refused
from torch.testing import assert_close

from voxcli import config
from voxcli.errors import FileFormatError, UsageError
from voxcli.models.uclid.importer import import_weights, official_name
from voxcli.models.uclid.network import PRESETS, UCLID, UCLIDConfig

PUBLISHED = {
    "encoder_2D.conv1.weight": [64, 3, 7, 7], "encoder_2D.layer1.0.conv1.weight": [64, 64, 3, 3],
    "encoder_2D.layer2.0.downsample.0.weight": [128, 64, 1, 1], "encoder_2D.layer4.1.conv2.weight": [512, 512, 3, 3],
    "conv1x1_l4.weight": [290, 512, 1, 1], "conv1x1_l4.bias": [290], "conv1x1_l1.weight": [30, 64, 1, 1],
    "decoder_3D.layer1.0.conv1.weight": [292, 292, 3, 3, 3], "decoder_3D.layer1.0.bn1.running_var": [292],
    "decoder_3D.layer2.0.conv2.weight": [292, 146, 2, 2, 2], "decoder_3D.layer2.0.conv2.bias": [146],
    "decoder_3D.layer2.0.upsample.0.weight": [292, 146, 2, 2, 2], "decoder_3D.layer2.0.upsample.1.weight": [146],
    "decoder_3D.layer3.0.conv1.weight": [178, 178, 3, 3, 3], "decoder_3D.layer3.0.upsample.0.weight": [178, 73, 2, 2, 2],
    "decoder_3D.layer4.0.conv2.weight": [73, 105, 3, 3, 3], "decoder_3D.layer4.0.upsample.0.weight": [73, 105, 1, 1, 1],
    "decoder_3D.layer4.1.bn2.num_batches_tracked": [], "decoder_3D.output_layer.weight": [40, 105, 1, 1, 1],
    "decoder_occupancy.weight": [1, 8, 1, 1, 1], "decoder_occupancy.bias": [1],
    "patch_sampler.conv11.weight": [64, 34], "patch_sampler.conv21.weight": [64, 96], "patch_sampler.conv3.weight": [3, 64],
    "patch_sampler.bn23.running_mean": [64],
}  # fmt: skip


def state(part, seed=0):
    """A part's tensors under the names that its official file has: a few numbers each, repeated."""
    with torch.device("meta"):
        found = getattr(UCLID(PRESETS["official"]), part).state_dict()
    name = official_name if part == "reconstruction" else str
    numbers = torch.Generator().manual_seed(seed)
    return {name(k): torch.rand((), generator=numbers).to(t.dtype).expand(t.shape) for k, t in found.items()}


@pytest.fixture
def saved(tmp_path):
    def save(name, tensors):
        torch.save(tensors, tmp_path / name)
        return tmp_path / name

    return save


def test_the_published_names_are_ours_in_other_words():
    names = {key: list(t.shape) for key, t in state("reconstruction").items()}
    assert {key: names.get(key) for key in PUBLISHED} == PUBLISHED
    assert not any("decoder_3D.layer1.0.upsample" in key or "encoder_2D.bn" in key for key in names)


def test_a_file_of_each_network_becomes_weights_of_all_in_any_order(saved):
    main, camera = state("reconstruction"), state("camera", 1)
    main = {k: (t[..., None] if k.startswith("patch_sampler.conv") else t) for k, t in main.items()}  # as 1D convolutions
    paths = saved("image2cam_all_classes.pth", camera), saved("UCLID_Net_all_classes.pth", {**main, "left.over": torch.zeros(2)})
    fates = {"used": [], "filled": [], "left": []}
    weights = import_weights(paths, "uclid", lambda fate, name: fates[fate].append(name))
    settings = config.from_mapping(UCLIDConfig, weights.config, "here")
    with torch.device("meta"):
        network = UCLID(settings)
    network.load_state_dict(weights.tensors, assign=True)
    assert settings.depth is None and settings.camera.z_up and settings.compat == "official"
    depth = config.from_mapping(UCLIDConfig, import_weights([*paths, saved("d.pth", state("depth"))]).config, "here").depth
    assert depth is not None and not depth.normalised
    assert_close(network.reconstruction.decoder.layer3[0].conv1.weight.data, main["decoder_3D.layer3.0.conv1.weight"].clone())
    assert_close(network.reconstruction.reduce[3].weight.data, main["conv1x1_l4.weight"].clone())
    assert_close(network.camera.fc.bias.data, camera["fc.bias"].clone())
    assert fates["left"] == ["left.over [2]"] and not fates["filled"] and len(fates["used"]) == len(weights.tensors)


def test_regressors_may_name_their_layers_as_they_like(saved):
    depth = state("depth", 2)
    renamed = {f"module.layer{k}.thing": t for k, t in enumerate(depth.values())}
    paths = saved("main.pth", state("reconstruction")), saved("depth.pth", renamed)
    weights = import_weights(paths)
    assert_close(weights.tensors["depth.predict2.0.weight"], depth["predict2.0.weight"].clone())
    assert_close(weights.tensors["depth.encoder.layer2.0.downsample.0.weight"], depth["encoder.layer2.0.downsample.0.weight"].clone())


def test_counters_that_an_old_file_lacks_are_filled(saved):
    main = {k: t for k, t in state("reconstruction").items() if not k.endswith("num_batches_tracked")}
    fates = []
    weights = import_weights(saved("main.pth", main), "uclid", lambda fate, name: fates.append(fate))
    assert fates.count("filled") == 19 + 6 and weights.tensors["reconstruction.decoder.layer1.0.bn1.num_batches_tracked"] == 0


def test_refusals_name_the_file_and_the_tensor(saved):
    main = state("reconstruction")
    with refused(FileFormatError, "a.pth", "'decoder_3D.output_layer.weight'", expected=[40, 105, 1, 1, 1], actual=[1]):
        import_weights(saved("a.pth", {**main, "decoder_3D.output_layer.weight": torch.zeros(1)}))
    with refused(FileFormatError, "b.pth", "'conv1x1_l2.bias'", expected=[30]):
        import_weights(saved("b.pth", {k: t for k, t in main.items() if k != "conv1x1_l2.bias"}))
    with refused(FileFormatError, "c.pth", "file", expected="depth_all_classes.pth", actual="1 tensors: weight"):
        import_weights(saved("c.pth", {"weight": torch.zeros(3)}))
    with refused(UsageError, "missing", expected="UCLID_Net_all_classes.pth"):
        import_weights(saved("d.pth", state("camera")))
    with refused(UsageError, "f.pth", "network", expected="depth_all_classes.pth"):
        import_weights([saved("e.pth", main), saved("f.pth", main)])
