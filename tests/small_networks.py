"""The smallest network of each registered model, with weights that it predicts with, and a pass through all of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from voxcli import config
from voxcli.geometry.backproject import unit_projection
from voxcli.geometry.field_surface import cell_centres
from voxcli.models.jof.fitting import free_codes
from voxcli.models.registry import model_module
from voxcli.models.weights import Weights
from voxcli.scene import Frustum

FACTS = {
    "frustum": {"z_near": 2.0, "z_far": 12.0, "fov_x_deg": 60.0}, "label_names": ["air", "car", "ground"], "empty_label": 0,
    "ignore_label": 255,
}  # fmt: skip
ROOM = {
    "lens": 0.9, "target": [0.0, -0.25, 0.0], "eyes": [[0.4, 0.5, 0.6], [0.6, 0.5, 0.4]], "albedo": [0.8, 0.8, 0.8],
    "light": {"ambient": [0.15] * 3, "positions": [[1.0, 1.5, 1.2]], "colours": [[3.0, 2.8, 2.5]]}, "shapes": ["box"],
}  # fmt: skip
PIX2VOX = {"trunk": [4] * 8, "encoder": [8, 8, 4], "decoder": [8, 8, 4, 4, 8]}
SCENES = {"size": 16, "latent": 8, "encoder": 4, "decoder": 4, "critic": 4, "scene": 6, "near": 1.3, "far": 3.6, "normalise_depth": False}


@dataclass
class Small:
    """config: of the network, as weights hold it; facts: beside it. passed: outputs of the whole network, which depend on all of its
    parameters. tuned: makes the network predict something."""

    config: Mapping[str, Any]
    passed: Callable[[Any], list[Tensor]]
    facts: Mapping[str, Any] = field(default_factory=dict)
    tuned: Callable[[Any], None] = lambda network: None

    def network(self, name: str) -> nn.Module:
        """A freshly initialised one, the same each time; what starts at zero is drawn, too."""
        torch.manual_seed(0)
        module = model_module(name, "network")
        kind = next(value for key, value in vars(module).items() if key.lower() == f"{MODULES.get(name, name)}config")
        made = module.build(config.from_mapping(kind, self.config, name)).eval()
        with torch.no_grad():
            for parameter in made.parameters():
                if not parameter.any():
                    parameter.normal_(std=0.1)
            self.tuned(made)
        return made

    def weights(self, name: str) -> Weights:
        """Its weights."""
        network = self.network(name)
        return Weights(network.state_dict(), name, config.to_mapping(network.config), dict(self.facts))


MODULES = {
    "z-gan": "zgan", "pix2vox-f": "pix2vox", "pix2vox-a": "pix2vox", "iqtt-pix2scene": "iqtt", "iqtt-cnn": "iqtt",
    "iqtt-siamese": "iqtt", "objects": "cutout",
}  # fmt: skip


def _ssz(network):
    image = torch.rand(2, 3, 16, 16)
    scores = network(image, (1, 2, 4))
    certificate = network.discriminator(image, torch.softmax(scores[1], 1), Frustum(16, 16, 16, 2.0, 12.0, 60.0))
    return [*scores.values(), certificate.t, certificate.q, certificate.r]


def _uclid(network):
    images = torch.rand(2, 3, 64, 64)
    camera, place = torch.tensor([[64.0, 0, 32], [0, 64, 32], [0, 0, 1]]).double(), torch.eye(4).double()
    place[2, 3] = 3
    projection = unit_projection(camera, place, 64, 64).float().expand(2, 3, 4)
    shapes = [torch.rand(2, n, n, n) for n in model_module("uclid", "network").SIZES]
    logits, codes = network.reconstruction.decode(network.reconstruction.grids(images, projection, shapes))
    points = network.reconstruction.points(codes, torch.tensor([[0, 1, 2, 3], [1, 20, 9, 14]]), torch.rand(5, 2))
    return [logits, points, network.depth(images), network.camera(images)]


def _jof(network):
    volume, points = torch.rand(2, 3, 64, 64, 64), torch.rand(2, 5, 3) * 2 - 1
    codes, logits = network.encoder(volume)
    guess, maps = network.image(torch.rand(2, 3, 128, 128))
    of_image = [network.branches(guess.codes, points), network.albedo(guess.codes, points), guess.camera, guess.light, *maps]
    return [network.branches(codes, points), network.albedo(codes, points), logits, *of_image]


def _half_full(network):
    """Shapes that fill a fifth of their cube."""
    network.shape.sd_fc3.weight *= 30
    found = network.branches(free_codes(network, 1), cell_centres(torch.arange(16**3), 16)[None])
    network.shape.sd_fc3.bias -= torch.logit(found.double()).amax(-1).quantile(0.8).float()


def _pix2scene(network):
    image, camera = torch.rand(2, 3, 16, 16), torch.rand(2, network.config.camera)
    z, condition = network.encoder(image, camera), network.condition(camera)
    told = [] if network.config.scene is None else [network.statistics(z)]
    return [network.decoder(z, condition), network.critic(image, z, condition), *told]


def _bae(network):
    return [network(torch.rand(2, 1, 64, 64, 64), torch.rand(2, 5, 3) - 0.5)]


def _edges2image(network):
    edges = (torch.rand(2, 1, 64, 64) > 0.5).float()
    made = network(edges)
    return [made, *(each for scale in network.discriminator(edges, made) for each in scale)]


def _iqtt(network):
    answers = network(torch.rand(2, 4, 3, 16, 16))
    return [answers] if network.config.scenes is None else [answers, *_pix2scene(network.scenes)]


SMALL = {
    "ssz": Small(
        {"width": 16, "height": 16, "depth": 16, "classes": 3, "encoder": [4, 4, 4, 4], "encoder_blocks": [0, 0, 0, 0],
         "decoder": [4, 4, 4, 4], "decoder_blocks": [0, 0, 0, 0], "discriminator": {"widths": [4, 4], "blocks": [0, 0]}}, _ssz, FACTS,
    ),
    "rays": Small(
        {"width": 32, "height": 16, "depth": 8, "classes": 3, "pretrained": False, "pyramid": 8, "volume": 4, "fine": [8, 8]},
        lambda network: list(network(torch.rand(2, 3, 32, 64), (1, 4)).values()), FACTS,
    ),
    "z-gan": Small({"width": 2}, lambda network: [network(torch.rand(2, 3, 256, 256))], FACTS | {"label_names": ["air", "car"]}),
    "edges2image": Small({"width": 4, "downs": 1, "blocks": 1, "discriminator": {"count": 2, "width": 4, "levels": 2}}, _edges2image),
    "pix2vox-f": Small(PIX2VOX, lambda network: [network(torch.rand(2, 2, 3, 224, 224))]),
    "pix2vox-a": Small(PIX2VOX, lambda network: [network(torch.rand(2, 2, 3, 224, 224))]),
    "jof": Small(
        {"branches": 4, "shape": 8, "albedo": 6, "shape_widths": [24, 16], "albedo_widths": [16, 16], "voxel_widths": [4, 4, 8, 8],
         "image_widths": [8, 8, 16, 16], "groups": 4, "classes": ["chair", "car"], "darkest": 0.25}, _jof,
        {"cameras_known": True}, _half_full,
    ),
    "bae": Small({"branches": 3, "code": 8, "encoder": [4, 4, 4, 4], "decoder": [16, 8]}, _bae),
    "pix2scene": Small({"size": 16, "latent": 8, "encoder": 4, "decoder": 4, "critic": 4}, _pix2scene, ROOM),
    "iqtt-pix2scene": Small({"kind": "pix2scene", "scenes": SCENES}, _iqtt),
    "iqtt-cnn": Small({"kind": "cnn", "width": 4, "blocks": [1, 1], "hidden": [8]}, _iqtt),
    "iqtt-siamese": Small({"kind": "siamese", "width": 4, "blocks": [1, 1]}, _iqtt),
    "uclid": Small(
        {"encoder": [4, 6, 8, 10], "reduced": [3, 3, 4, 6], "decoder": [6, 5, 5], "occupancy": 4, "code": 6, "fold": 8, "side": 64,
         "depth": {"widths": [4, 4, 6, 8], "pyramid": 4}, "camera": {"widths": [4, 6, 8, 8], "blocks": 1, "stride": 2}}, _uclid,
    ),
    "objects": Small(
        {"side": 64, "pretrained": False, "rank": 2, "coarse": 8, "fine": [8, 8, 8, 8]}, lambda network: [network(torch.rand(2, 3, 64, 64))]
    ),
}  # fmt: skip
