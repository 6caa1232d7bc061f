"""What a training of pix2scene does (the members of models.tasks.Task): section 3.3.3.

A step of training goes through the phases of WGAN-GP: the critic learns `critic_steps` times from the batch's pictures and from scenes made
of fresh noise, then encoder and decoder once, with the critic as it has become. Pictures and made scenes share cameras and lights, which
are known. The depth of the data is for validation alone: nothing here learns from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from voxcli import config as configuration
from voxcli.errors import UsageError, unknown_name
from voxcli.geometry.lighting import Lights
from voxcli.models.pix2scene.batches import RoomReader, RoomSamples, SceneBatch, collate, facts_of  # noqa: F401 - part of what stages offer
from voxcli.models.pix2scene.losses import adversarial_loss, critic_loss, gradient_penalty, reconstruction_loss
from voxcli.models.pix2scene.network import Pix2Scene, Pix2SceneConfig, build  # noqa: F401 - `build` too
from voxcli.models.pix2scene.previews import row
from voxcli.models.tasks import Augmentation, ClassWeights, Context, Stage

TERMS = {"reconstruction": ("image", "latent"), "adversarial": ("adversarial", "image", "latent")}
"""Loss terms by step: equation (2) in Wasserstein form, and the two of equation (4)."""


@dataclass(frozen=True)
class StageSettings:
    """A stage's `settings`. critic_steps: of the critic for one of encoder and decoder; penalty: weight of the gradient penalty.

    lights: `known`, or `shuffled`: scenes are lit by the lights of another picture of the batch (the ablation of appendix B, for data
    with random lights).
    """

    critic_steps: int = 5
    penalty: float = 10.0
    lights: Literal["known", "shuffled"] = "known"


def open_data(sources: Sequence[str | Path], settings: Mapping[str, Any]) -> RoomSamples:
    """Folders of `synth rooms`. The recipe's `dataset` has no settings."""
    for key in settings:
        raise UsageError(f"unknown key 'dataset.{key}'.", hint="The rooms of pix2scene have no settings.")
    return RoomSamples(sources)


def configure(settings: Mapping[str, Any], data: RoomSamples) -> Pix2SceneConfig:
    """The recipe's `network` as fields of Pix2SceneConfig; `size` is the data's unless named, `classes: all` are the data's shapes."""
    settings = {"size": data.size, **settings}
    if settings.get("classes") == "all":
        settings["classes"] = list(data.shapes)
    config = configuration.from_mapping(Pix2SceneConfig, settings, "network")
    if config.size != data.size:
        raise UsageError("The network is for pictures of another size.", expected=f"{config.size} pixels", actual=f"{data.size} pixels",
                         hint=f"Make the data with --size {config.size}, or set network.size.")  # fmt: skip
    if config.classes and config.classes != data.shapes:
        raise UsageError("The classes of the network are not the shapes of the data.", expected=", ".join(data.shapes),
                         actual=", ".join(config.classes), hint="Write classes: all.")  # fmt: skip
    if config.scene is not None:
        raise UsageError("Rooms come with their cameras: the code is not divided.", hint="Leave out network.scene, or train -m iqtt.")
    return config


def check_stage(stage: Stage, config: Pix2SceneConfig, data: RoomSamples) -> None:
    """Refuse unknown terms, settings and scales."""
    known = TERMS[stage.step]
    for name in stage.losses:
        if name not in known:
            raise unknown_name("loss", name, known)
    if stage.scales != {"full": 1.0}:
        raise UsageError(f"Stage '{stage.name}': pix2scene has one scale.", expected="full", actual=", ".join(stage.scales))
    settings = _settings(stage)
    if settings.critic_steps < 1 or settings.penalty < 0:
        raise UsageError(f"Stage '{stage.name}': critic_steps must be positive, and penalty not negative.")


def constants(data: RoomSamples, indices: Sequence[int], weights: ClassWeights) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Steps need none; the log learns which shapes there are."""
    return {}, {"shapes": list(data.shapes)}


def reader(data: RoomSamples, stage: Stage, augmentation: Augmentation) -> RoomReader:
    """Rooms as they are. Raises UsageError for augmentation: mirrored or recoloured, pictures would no longer fit camera and lights."""
    if augmentation != Augmentation():
        raise UsageError("pix2scene's pictures cannot be augmented.", hint="Leave out `augmentation`: cameras and lights are known.")
    return RoomReader(data)


@dataclass(frozen=True)
class Known:
    """What is known of a batch of pictures: images [B, 3, S, S], camera of the encoder, what decoder and critic are told, lights."""

    network: Pix2Scene
    images: Tensor
    camera: Tensor
    told: Tensor
    K: Tensor
    lights: Lights
    albedo: Tensor

    def codes(self) -> Tensor:
        """G_z(x)"""
        return self.network.encoder(self.images, self.camera)

    def picture(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """(rend(G_x(z)), its depth)"""
        return self.network.picture(z, self.told, self.K, self.lights, self.albedo)

    def noise(self) -> Tensor:
        """z ~ p(z)"""
        return torch.randn(len(self.images), self.network.config.latent, device=self.images.device)


def known(network: Any, batch: SceneBatch, lights: str = "known") -> Known:
    """A batch of rooms as the network is told of it."""
    rooms = batch.rooms
    if lights == "shuffled":
        moved = Lights(*(v.roll(1, 0) for v in (rooms.ambient, rooms.light_positions, rooms.light_colours))).moved(rooms.world_to_cam)
    else:
        moved = rooms.lights
    classes = rooms.shapes if network.config.classes else None
    return Known(network, rooms.images, rooms.eyes, network.told(rooms.eyes, classes), rooms.K, moved, rooms.albedo)


def reconstruction_step(network: nn.Module, batch: SceneBatch, context: Context) -> dict[str, Tensor]:
    """Equation (4) alone."""
    scene = known(network, batch, _settings(context.stage).lights)
    z = scene.noise()
    return _reconstruction(scene, scene.codes(), z, scene.picture(z)[0], context.stage.losses)


def adversarial_step(network: nn.Module, batch: SceneBatch, context: Context) -> Iterator[dict[str, Tensor]]:
    """Phases of the critic, then one of encoder and decoder."""
    settings = _settings(context.stage)
    scene = known(network, batch, settings.lights)
    yield from critic_phases(scene, settings.critic_steps, settings.penalty)
    yield generator_terms(scene, context.stage.losses)


STEPS = {"reconstruction": reconstruction_step, "adversarial": adversarial_step}


def critic_phases(scene: Known, steps: int, penalty: float) -> Iterator[dict[str, Tensor]]:
    """The critic against encoder and decoder held still; the penalty is on lines between the two joint samples."""
    critic = scene.network.critic
    with torch.no_grad():
        codes = scene.codes()
    for _ in range(steps):
        z = scene.noise()
        with torch.no_grad():
            made, _ = scene.picture(z)
        real, fake = critic(scene.images, codes, scene.told), critic(made, z, scene.told)
        mix = torch.rand(len(z), device=z.device)
        steep = gradient_penalty(lambda x, c: critic(x, c, scene.told), (scene.images, codes), (made, z), mix)
        yield {"critic": critic_loss(real, fake), "penalty": penalty * steep}


def generator_terms(scene: Known, losses: Mapping[str, float], codes: Tensor | None = None) -> dict[str, Tensor]:
    """What encoder and decoder minimise: equation (2) against the critic held still, and equation (4). codes: G_z(x), where it is known."""
    critic = scene.network.critic
    codes, z = scene.codes() if codes is None else codes, scene.noise()
    made, _ = scene.picture(z)
    with held_still(critic):
        real, fake = critic(scene.images, codes, scene.told), critic(made, z, scene.told)
    terms = {"adversarial": losses.get("adversarial", 0.0) * adversarial_loss(real, fake)}
    return terms | _reconstruction(scene, codes, z, made, losses)


def _reconstruction(scene: Known, codes: Tensor, z: Tensor, made: Tensor, losses: Mapping[str, float]) -> dict[str, Tensor]:
    terms = {}
    if losses.get("image", 0.0):
        terms["image"] = losses["image"] * reconstruction_loss(scene.images, scene.picture(codes)[0])
    if losses.get("latent", 0.0):
        terms["latent"] = losses["latent"] * reconstruction_loss(z, scene.network.encoder(made, scene.camera))
    return terms


@contextmanager
def held_still(part: nn.Module):
    """Within, no gradient reaches the parameters of a part; what has been computed stays without them."""
    moving = [p for p in part.parameters() if p.requires_grad]
    for parameter in moving:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in moving:
            parameter.requires_grad_(True)


@torch.no_grad()
def tally(network: nn.Module, batch: SceneBatch, context: Context) -> Tensor:
    """[3]: rooms, sums of their mean squared errors of depth and of picture."""
    scene = known(network, batch)
    picture, depth = scene.picture(scene.codes())
    assert batch.rooms.depth is not None
    truth = batch.rooms.depth
    seen = torch.isfinite(truth)
    off = torch.where(seen, depth - truth, 0).square().flatten(1).sum(1) / seen.flatten(1).sum(1).clamp_min(1)
    paint = (picture - scene.images).square().flatten(1).mean(1)
    return torch.stack([torch.tensor(float(len(off)), device=off.device), off.sum(), paint.sum()]).double()


def summary(total: Tensor, context: Context) -> tuple[float, dict[str, Any]]:
    """Minus the mean squared error of the depth of reconstructed scenes (Table 1); that of the pictures goes along."""
    depth, image = (float(v) / max(1.0, float(total[0])) for v in total[1:])
    return -depth, {"depth_mse": round(depth, 6), "image_mse": round(image, 6)}


@torch.no_grad()
def preview(network: nn.Module, batches: Iterator[SceneBatch], context: Context) -> np.ndarray | None:
    """One row a room: input, reconstruction, its depth, the true depth, its normals, and a scene made of noise. uint8 [H, W, 3]."""
    rows = []
    for number, batch in enumerate(batches):
        scene = known(network, batch)
        picture, depth = scene.picture(scene.codes())
        noise = torch.randn(1, scene.network.config.latent, generator=torch.Generator().manual_seed(number)).to(scene.images.device)
        rows.append(row(scene.images[0], picture[0], depth[0], batch.rooms.depth[0], scene.picture(noise)[0][0], scene.K[0]))  # type: ignore[index]
    return np.concatenate(rows) if rows else None


def weight_facts(data: RoomSamples) -> dict[str, Any]:
    """Lens, cameras, lights and material of the data."""
    return facts_of(data)


def _settings(stage: Stage) -> StageSettings:
    return configuration.from_mapping(StageSettings, stage.settings, f"settings of stage '{stage.name}'")
