"""The presets `lite`: a published encoder in the place of the papers' own, everything behind it as it was."""

import pytest
import torch
from torch.testing import assert_close

from voxcli import config
from voxcli.errors import UsageError
from voxcli.models.blocks.adapting import adapt_pointwise
from voxcli.models.blocks.efficientnet import EfficientNetLite0, PublishedMaps, load_imagenet
from voxcli.models.branched.preparation import plain_image, standard_image
from voxcli.models.jof import network as jof
from voxcli.models.pix2vox import network as pix2vox
from voxcli.models.uclid import network as uclid
from voxcli.models.uclid.regressors import fixed_projection
from voxcli.models.uclid.views import view_grids
from voxcli.models.weights import Weights, save_weights

MIB = 2**20


def jof_config():
    return config.from_mapping(jof.JOFConfig, dict(jof.PRESETS["lite"]), "network")


@pytest.mark.parametrize("build,limit", [
    (lambda: pix2vox.build(pix2vox.PRESETS["lite"]), 14), (lambda: uclid.build(uclid.PRESETS["lite"]), 18),
])  # fmt: skip
def test_weights_in_half_precision_fit_into_their_files(build, limit):
    with torch.device("meta"):
        assert 2 * sum(t.numel() for t in build().state_dict().values()) < limit * MIB


def test_the_pointwise_convolutions_of_pix2vox_lite_stay_for_other_files_to_hold():
    network = pix2vox.build(pix2vox.PRESETS["lite"]).train()
    published = network.encoder.published
    held = {name for name, value in published.named_buffers() if value.dim() == 4}
    plain = {name for name, value in PublishedMaps().named_parameters() if value.dim() == 4 and value.shape[1] > 1 and value.shape[2] == 1}
    assert held == plain
    published(torch.rand(1, 3, 64, 64)).sum().backward()
    assert all(parameter.grad is not None for parameter in published.parameters())
    with pytest.raises(UsageError):
        pix2vox.Pix2VoxConfig(rank=8)


def test_the_published_maps_lie_side_by_side():
    torch.manual_seed(0)
    maps = PublishedMaps().eval()
    picture = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        eighth, sixteenth, last = maps.encoder(picture)[2:]
        found = maps(picture)
    assert found.shape == (1, maps.channels, 8, 12) and maps.channels == 40 + 112 + 320
    assert_close(found[:, :40], eighth)
    wide = torch.nn.functional.interpolate(sixteenth, (8, 12), mode="bilinear")
    assert_close(found[:, 40:152], wide)
    assert_close(found[:, 152:, 0, 0], last[:, :, 0, 0])


class Counted(EfficientNetLite0):
    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, picture):
        self.calls += 1
        return super().forward(picture)


def test_one_encoder_serves_the_three_networks_of_uclid(monkeypatch):
    monkeypatch.setattr(uclid, "EfficientNetLite0", Counted)
    torch.manual_seed(0)
    network = uclid.build(uclid.PRESETS["lite"]).eval()
    images = torch.rand(2, 3, 160, 160)
    with torch.no_grad():
        grids = view_grids(network, images, checked=False)
        assert network.published.calls == 1
        seen = network.seen(images)
        assert network.depth(seen).shape == (2, 80, 80) and network.camera(seen).shape == (2, 4, 4)
        assert [tuple(grid.shape[1:]) for grid in grids] == [(10, 28, 28, 28), (18, 28, 28, 28), (26, 14, 14, 14), (96, 7, 7, 7)]
        # The features of a grid are those of the encoder's own map at 1/4 to 1/32, reduced and back-projected.
        alone = uclid.backproject(network.reconstruction.reduce[3](seen[4]), fixed_projection(network.camera(seen)), 7)
        assert_close(grids[3][:, :94], alone)
    assert not [name for name, _ in network.named_parameters() if name.startswith(("reconstruction.encoder", "depth.encoder"))]


def test_every_parameter_of_uclid_lite_learns():
    torch.manual_seed(0)
    network = uclid.build(uclid.PRESETS["lite"]).train()
    seen = network.seen(torch.rand(2, 3, 64, 64))
    camera = network.camera(seen)
    grids = network.reconstruction.grids(seen, fixed_projection(camera), [torch.ones(2, n, n, n) for n in uclid.SIZES])
    occupancy, codes = network.reconstruction.decode(grids)
    points = network.reconstruction.points(codes, torch.tensor([[0, 14, 14, 14], [1, 3, 4, 5]]), torch.rand(4, 2))
    (network.depth(seen).sum() + camera.square().sum() + occupancy.square().sum() + points.square().sum()).backward()
    assert [name for name, p in network.named_parameters() if p.grad is None] == []


def test_jof_lite_sees_the_picture_as_the_published_encoder_does():
    torch.manual_seed(0)
    network = jof.build(jof_config()).eval()
    colours = torch.rand(2, 3, 128, 128)
    assert_close(plain_image(standard_image(colours)), colours)
    with torch.no_grad():
        guess, maps = network.image(standard_image(colours))
        wanted = network.image.features.published(colours)
    assert guess.codes.shape.shape == (2, 128) and guess.camera.shape == (2, 12)
    for found, map_ in zip(maps, wanted[:3], strict=True):
        assert_close(found, map_, rtol=1e-4, atol=1e-4)


def test_the_pointwise_convolutions_of_jof_lite_stay_for_other_files_to_hold():
    published = jof.build(jof_config()).image.features.published
    plain = {name for name, value in EfficientNetLite0().named_parameters() if value.dim() == 4 and value.shape[1] > 1 == value.shape[2]}
    assert {name for name, value in published.named_buffers() if value.dim() == 4} == plain
    with pytest.raises(UsageError):
        jof.JOFConfig(rank=8)


def test_jof_lite_has_the_decoders_of_the_shipped_weights():
    from voxcli.models.weights import config_of

    lite, shipped = config.to_mapping(jof_config()), config_of("jof")
    for key in ("shape", "albedo", "shape_widths", "albedo_widths", "voxel_widths", "branches", "category", "darkest"):
        assert lite[key] == shipped[key], key


def test_an_adapted_encoder_begins_as_the_encoder_that_it_is_given(tmp_path):
    torch.manual_seed(1)
    plain, adapted = PublishedMaps().eval(), PublishedMaps().eval()
    tensors = {f"encoder.{name}": t for name, t in plain.encoder.state_dict().items()}
    save_weights(tmp_path / "a.safetensors", Weights(tensors, "rays", {}), half=False)
    adapt_pointwise(adapted.encoder, 4)
    load_imagenet(adapted.encoder, str(tmp_path / "a.safetensors"))
    picture = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert_close(adapted(picture), plain(picture))
