import pytest
import torch
from refusals import refused
from torch import nn

from voxcli.errors import ShapeError, UsageError
from voxcli.geometry.lighting import Lights
from voxcli.models.pix2scene.network import ConditionalNorm, Critic, Decoder, Encoder, Pix2SceneConfig, StatisticsNetwork, build

SMALL = Pix2SceneConfig(size=16, latent=6, encoder=4, decoder=4, critic=4, hidden=8)


def convolution(c_in, c_out, bias):
    return c_in * c_out * 16 + bias * c_out


def conditional(channels, condition=3, hidden=64):
    return condition * hidden + hidden + hidden * 2 * channels + 2 * channels


def count(module):
    return sum(p.numel() for p in module.parameters())


def test_parameters_are_those_of_tables_4_to_7():
    config = Pix2SceneConfig()
    with torch.device("meta"):
        encoder, decoder, critic, statistics = Encoder(config), Decoder(config), Critic(config), StatisticsNetwork(128)
    widths = [3, 85, 170, 340, 680, 1360]  # Table 4
    expected = sum(convolution(a, b, b == 1360) for a, b in zip(widths, widths[1:], strict=False))
    assert count(encoder) == expected + sum(map(conditional, widths[1:5])) + convolution(1360, 128, True)
    widths = [131, 1344, 672, 336, 168, 84]  # Table 5; one entry is printed 627
    expected = sum(convolution(a, b, False) for a, b in zip(widths, widths[1:], strict=False)) + convolution(84, 1, True) + 2
    assert count(decoder) == expected + sum(map(conditional, (1344, 336, 84))) + 2 * (672 + 168)
    widths = [6, 85, 170, 340, 680]  # Table 6
    expected = sum(convolution(a, b, True) for a, b in zip(widths, widths[1:], strict=False))
    assert count(critic) == expected + convolution(680 + 128, 1360, True) + convolution(1360, 1, True)
    assert count(statistics) == 128 * 256 + 256 + 256 * 512 + 512 + 512 + 1  # Table 7


def test_maps_have_the_tables_sizes():
    config = Pix2SceneConfig(encoder=2, decoder=2, critic=2, latent=5)
    network, sizes = build(config).eval(), []

    def note(module, args, output):
        sizes.append(list(output.shape[1:]))

    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            module.register_forward_hook(note)
    image, eye = torch.rand(1, 3, 128, 128), torch.rand(1, 3)
    z = network.encoder(image, eye)
    assert sizes == [[2, 64, 64], [4, 32, 32], [8, 16, 16], [16, 8, 8], [32, 4, 4], [5, 1, 1]] and z.shape == (1, 5)
    sizes.clear()
    assert network.decoder(z, eye).shape == (1, 128, 128)
    assert sizes == [[32, 4, 4], [16, 8, 8], [8, 16, 16], [4, 32, 32], [2, 64, 64], [1, 128, 128]]
    sizes.clear()
    assert network.critic(image, z, eye).shape == (1,)
    assert sizes == [[2, 64, 64], [4, 32, 32], [8, 16, 16], [16, 8, 8], [32, 4, 4], [1, 1, 1]]


@pytest.mark.parametrize("size", [8, 32, 64])
def test_other_sizes_have_fewer_halvings(size):
    network = build(Pix2SceneConfig(size=size, latent=6, encoder=4, decoder=4, critic=4)).eval()
    image, eye = torch.rand(2, 3, size, size), torch.rand(2, 3)
    z = network.encoder(image, eye)
    assert network.decoder(z, eye).shape == image[:, 0].shape and network.critic(image, z, eye).shape == (2,)


def test_wrong_sizes_and_divisions_are_refused():
    for settings in ({"size": 48}, {"size": 4}, {"latent": 0}, {"scene": 128}, {"near": 0.0}):
        with pytest.raises(UsageError):
            Pix2SceneConfig(**settings)
    with pytest.raises(ShapeError):
        build(SMALL).encoder(torch.zeros(1, 3, 8, 8), torch.zeros(1, 3))


def test_depth_lies_before_the_camera_and_grows_with_the_output():
    network = build(SMALL).eval()
    z, eye = torch.randn(4, 6), torch.randn(4, 3)
    first = network.decoder(z, eye)
    assert (first > SMALL.near).all() and first.std() < 0.1  # nearly even at first
    network.decoder.head.norm.bias.data += 1
    assert (network.decoder(z, eye) > first).all()


def test_conditional_normalisation_starts_plain_and_then_depends_on_the_camera():
    torch.manual_seed(0)
    norm, x, eyes = ConditionalNorm(3, 2, 8, 0.2), torch.randn(4, 3, 5, 5), torch.randn(4, 2)
    torch.testing.assert_close(norm(x, eyes), nn.BatchNorm2d(3, affine=False)(x))
    nn.init.normal_(norm.affine[-1].weight)
    y = norm(x, eyes)
    scale, shift = norm.affine(eyes)[:, :, None, None].chunk(2, 1)
    torch.testing.assert_close(y, nn.BatchNorm2d(3, affine=False)(x) * (1 + scale) + shift)
    assert not torch.allclose(norm(x, eyes.roll(1, 0)), y)


def test_the_camera_reaches_all_three_networks_and_none_where_the_code_is_divided():
    torch.manual_seed(0)
    network = build(SMALL)
    for module in network.modules():
        if isinstance(module, ConditionalNorm):
            nn.init.normal_(module.affine[-1].weight)
    network.eval()
    image, z = torch.rand(1, 3, 16, 16), torch.randn(1, 6)
    here, there = torch.tensor([[0.5, 0.5, 0.5]]), torch.tensor([[0.8, 0.2, 0.3]])
    assert not torch.allclose(network.encoder(image, here), network.encoder(image, there))
    assert not torch.allclose(network.decoder(z, here), network.decoder(z, there))
    assert not torch.allclose(network.critic(image, z, here), network.critic(image, z, there))
    blind = build(Pix2SceneConfig(size=16, latent=6, scene=4, encoder=4, decoder=4, critic=4))
    assert blind.condition(torch.zeros(1, 0)).shape == (1, 0) and not any(isinstance(m, ConditionalNorm) for m in blind.modules())


def test_the_critic_scores_image_and_code_together():
    torch.manual_seed(0)
    critic, eye = build(SMALL).critic.double(), torch.zeros(1, 3).double()
    a, b = torch.rand(2, 1, 3, 16, 16).double()
    y, z = 3 * torch.randn(2, 1, 6).double()
    # A critic that only adds what it thinks of each would leave no rest here.
    rest = critic(a, y, eye) - critic(a, z, eye) - critic(b, y, eye) + critic(b, z, eye)
    assert rest.abs().item() > 1e-4


def test_the_class_reaches_decoder_and_critic():
    torch.manual_seed(0)
    network = build(Pix2SceneConfig(size=16, latent=6, encoder=4, decoder=4, critic=4, classes=("mug", "cap"))).eval()
    eye, z, image = torch.zeros(1, 3), torch.randn(1, 6), torch.rand(1, 3, 16, 16)
    mug, cap = (network.condition(eye, torch.tensor([k])) for k in (0, 1))
    assert mug.tolist() == [[0, 0, 0, 1, 0]]
    assert not torch.allclose(network.decoder(z, mug), network.decoder(z, cap))
    assert not torch.allclose(network.critic(image, z, mug), network.critic(image, z, cap))
    with refused(UsageError, "class", expected="mug or cap"):
        network.condition(eye)


def test_gradients_flow_from_the_picture_to_the_code():
    torch.manual_seed(1)
    config = Pix2SceneConfig(size=8, latent=3, encoder=2, decoder=2, critic=2, hidden=4)
    network = build(config).double().eval()
    K = torch.tensor([[[8.0, 0, 4], [0, 8, 4], [0, 0, 1]]], dtype=torch.float64)
    lights = Lights(torch.full((1, 3), 0.1), torch.tensor([[[0.5, -1.0, -0.5]]]), torch.ones(1, 1, 3))
    lights = Lights(*(v.double() for v in lights[:3]))
    z = torch.randn(1, 3, dtype=torch.float64, requires_grad=True)
    picture, depth = network.picture(z, torch.zeros(1, 3).double(), K, lights, torch.full((1, 3), 0.8))
    assert picture.shape == (1, 3, 8, 8) and depth.shape == (1, 8, 8)
    (gradient,) = torch.autograd.grad(picture.square().sum(), z)
    assert torch.isfinite(gradient).all() and gradient.abs().max() > 0 and gradient.dtype == depth.dtype == torch.float64
    step = torch.full_like(z, 1e-6)
    with torch.no_grad():
        ahead, behind = (network.picture(z + s * step, torch.zeros(1, 3).double(), K, lights, torch.full((1, 3), 0.8))[0] for s in (1, -1))
    assert (ahead.square().sum() - behind.square().sum()).item() == pytest.approx(2e-6 * gradient.sum().item(), rel=1e-4)


def test_a_seed_gives_one_network():
    for _ in range(2):
        torch.manual_seed(3)
        network = build(SMALL)
        states = [*locals().get("states", []), network.state_dict()]
    assert all(torch.equal(a, b) for a, b in zip(states[0].values(), states[1].values(), strict=True))
