"""What a training of pix2scene does: section 3.3.3.

A step of training goes through the phases of WGAN-GP: the critic learns `critic_steps` times from the batch's pictures and from scenes made
of fresh noise, then encoder and decoder once, with the critic as it has become. Pictures and made scenes share cameras and lights, which
are known. The depth of the data is for validation alone: nothing here learns from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from voxcli import config as configuration
from voxcli.config import Value
from voxcli.datasets.rooms import RoomBatch
from voxcli.errors import UsageError
from voxcli.geometry.lighting import Lights
from voxcli.models.pix2scene.batches import RoomReader, RoomSamples, SceneBatch, collate, facts_of
from voxcli.models.pix2scene.losses import adversarial_loss, critic_loss, gradient_penalty, reconstruction_loss
from voxcli.models.pix2scene.network import Pix2Scene, Pix2SceneConfig, build
from voxcli.models.pix2scene.previews import row
from voxcli.training.freezing import parameters_frozen
from voxcli.training.stage import Augmentation, Stage
from voxcli.training.task import Context, Task, Terms

TERMS = {"reconstruction": ("image", "latent"), "adversarial": ("adversarial", "image", "latent")}
"""Loss terms by step: equation (2) in Wasserstein form, and the two of equation (4)."""


@dataclass(frozen=True)
class StageOptions:
    """A stage's `settings`. critic_steps: of the critic for one of encoder and decoder; penalty: weight of the gradient penalty.

    lights: `known`, or `shuffled`: scenes are lit by the lights of another picture of the batch (the ablation of appendix B, for data
    with random lights).
    """

    critic_steps: int = 5
    penalty: float = 10.0
    lights: Literal["known", "shuffled"] = "known"


@dataclass(frozen=True)
class KnownScene:
    """What is known of a batch of pictures: images [B, 3, S, S], the encoder's camera, the condition of decoder and critic, lights."""

    network: Pix2Scene
    images: Tensor
    camera: Tensor
    condition: Tensor
    K: Tensor
    lights: Lights
    albedo: Tensor

    def codes(self) -> Tensor:
        """G_z(x)"""
        return self.network.encoder(self.images, self.camera)

    def picture(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """(rend(G_x(z)), its depth)"""
        return self.network.picture(z, self.condition, self.K, self.lights, self.albedo)

    def noise(self) -> Tensor:
        """z ~ p(z)"""
        return torch.randn(len(self.images), self.network.config.latent, device=self.images.device)


def known_scene(network: Pix2Scene, batch: SceneBatch, lights: str = "known") -> KnownScene:
    """What is known of a batch of rooms."""
    rooms = batch.rooms
    if lights == "shuffled":
        moved = Lights(*(v.roll(1, 0) for v in (rooms.ambient, rooms.light_positions, rooms.light_colours))).moved(rooms.world_to_cam)
    else:
        moved = rooms.lights
    classes = rooms.shapes if network.config.classes else None
    return KnownScene(network, rooms.images, rooms.eyes, network.condition(rooms.eyes, classes), rooms.K, moved, rooms.albedo)


def reconstruction_step(network: Pix2Scene, batch: SceneBatch, context: Context[RoomSamples]) -> Terms:
    """Equation (4) alone."""
    scene = known_scene(network, batch, context.stage.options(StageOptions).lights)
    z = scene.noise()
    return _reconstruction(scene, scene.codes(), z, scene.picture(z)[0], context.stage.losses)


def adversarial_step(network: Pix2Scene, batch: SceneBatch, context: Context[RoomSamples]) -> Iterator[Terms]:
    """Phases of the critic, then one of encoder and decoder."""
    options = context.stage.options(StageOptions)
    scene = known_scene(network, batch, options.lights)
    yield from critic_phases(scene, options.critic_steps, options.penalty)
    yield generator_terms(scene, context.stage.losses)


def critic_phases(scene: KnownScene, steps: int, penalty: float) -> Iterator[Terms]:
    """The critic against encoder and decoder held still; the penalty is on lines between the two joint samples."""
    critic = scene.network.critic
    with torch.no_grad():
        codes = scene.codes()
    for _ in range(steps):
        z = scene.noise()
        with torch.no_grad():
            made, _ = scene.picture(z)
        real, fake = critic(scene.images, codes, scene.condition), critic(made, z, scene.condition)
        mix = torch.rand(len(z), device=z.device)
        steep = gradient_penalty(lambda x, c: critic(x, c, scene.condition), (scene.images, codes), (made, z), mix)
        yield {"critic": critic_loss(real, fake), "penalty": penalty * steep}


def generator_terms(scene: KnownScene, losses: Mapping[str, float], codes: Tensor | None = None) -> Terms:
    """What encoder and decoder minimise: equation (2) against the critic held still, and equation (4). codes: G_z(x), where it is known."""
    critic = scene.network.critic
    codes, z = scene.codes() if codes is None else codes, scene.noise()
    made, _ = scene.picture(z)
    with parameters_frozen(critic):
        real, fake = critic(scene.images, codes, scene.condition), critic(made, z, scene.condition)
    terms = {"adversarial": losses.get("adversarial", 0.0) * adversarial_loss(real, fake)}
    return terms | _reconstruction(scene, codes, z, made, losses)


def _reconstruction(scene: KnownScene, codes: Tensor, z: Tensor, made: Tensor, losses: Mapping[str, float]) -> Terms:
    terms: Terms = {}
    if losses.get("image", 0.0):
        terms["image"] = losses["image"] * reconstruction_loss(scene.images, scene.picture(codes)[0])
    if losses.get("latent", 0.0):
        terms["latent"] = losses["latent"] * reconstruction_loss(z, scene.network.encoder(made, scene.camera))
    return terms


class Pix2SceneTask(Task[Pix2Scene, Pix2SceneConfig, RoomSamples, tuple[RoomBatch, str], SceneBatch]):
    """Rooms with known cameras and lights."""

    steps = {"reconstruction": reconstruction_step, "adversarial": adversarial_step}
    build = staticmethod(build)
    collate = staticmethod(collate)

    def open_data(self, sources: Sequence[str | Path], options: Mapping[str, Value]) -> RoomSamples:
        """Folders of `synth rooms`. There are no options."""
        for key in options:
            raise UsageError(f"unknown key 'dataset.{key}'.", hint="The rooms of pix2scene have no settings.")
        return RoomSamples(sources)

    def configure(self, options: Mapping[str, Value], data: RoomSamples) -> Pix2SceneConfig:
        """The recipe's `network` as fields of Pix2SceneConfig; `size` is the data's unless named, `classes: all` are the data's shapes."""
        given: dict[str, Value] = {"size": data.size, **options}
        if given.get("classes") == "all":
            given["classes"] = list(data.shapes)
        config = configuration.from_mapping(Pix2SceneConfig, given, "network")
        if config.size != data.size:
            raise UsageError("The network is for pictures of another size.", expected=f"{config.size} pixels", actual=f"{data.size} pixels",
                             hint=f"Make the data with --size {config.size}, or set network.size.")  # fmt: skip
        if config.classes and config.classes != data.shapes:
            raise UsageError("The classes of the network are not the shapes of the data.", expected=", ".join(data.shapes),
                             actual=", ".join(config.classes), hint="Write classes: all.")  # fmt: skip
        if config.scene is not None:
            raise UsageError("Rooms come with their cameras: the code is not divided.", hint="Leave out network.scene, or train -m iqtt.")
        return config

    def check_stage(self, stage: Stage, config: Pix2SceneConfig, data: RoomSamples) -> None:
        """Refuse unknown terms, settings and scales."""
        stage.check_losses(TERMS[stage.step])
        stage.check_one_scale("pix2scene")
        options = stage.options(StageOptions)
        if options.critic_steps < 1 or options.penalty < 0:
            raise UsageError(f"Stage '{stage.name}': critic_steps must be positive, and penalty not negative.")

    def log_facts(self, data: RoomSamples, constants: Mapping[str, Tensor]) -> dict[str, Value]:
        """The shapes that there are."""
        return {"shapes": list(data.shapes)}

    def reader(self, data: RoomSamples, stage: Stage, augmentation: Augmentation) -> RoomReader:
        """Rooms as they are. Raises UsageError for augmentation: mirrored or recoloured, pictures would no longer fit camera and lights."""
        if augmentation != Augmentation():
            raise UsageError("pix2scene's pictures cannot be augmented.", hint="Leave out `augmentation`: cameras and lights are known.")
        return RoomReader(data)

    @torch.no_grad()
    def tally(self, network: Pix2Scene, batch: SceneBatch, context: Context[RoomSamples]) -> Tensor:
        """[3]: rooms, sums of their mean squared errors of depth and of picture."""
        scene = known_scene(network, batch)
        picture, depth = scene.picture(scene.codes())
        assert batch.rooms.depth is not None
        truth = batch.rooms.depth
        known = torch.isfinite(truth)
        off = torch.where(known, depth - truth, 0).square().flatten(1).sum(1) / known.flatten(1).sum(1).clamp_min(1)
        paint = (picture - scene.images).square().flatten(1).mean(1)
        return torch.stack([torch.tensor(float(len(off)), device=off.device), off.sum(), paint.sum()]).double()

    def summary(self, total: Tensor, context: Context[RoomSamples]) -> tuple[float, dict[str, Value]]:
        """Minus the mean squared error of the depth of reconstructed scenes (Table 1); that of the pictures goes along."""
        depth, image = (float(v) / max(1.0, float(total[0])) for v in total[1:])
        return -depth, {"depth_mse": round(depth, 6), "image_mse": round(image, 6)}

    @torch.no_grad()
    def preview(self, network: Pix2Scene, batches: Iterable[SceneBatch], context: Context[RoomSamples]) -> np.ndarray | None:
        """One row a room: input, reconstruction, its depth, the true depth, its normals, and a scene made of noise. uint8 [H, W, 3]."""
        rows = []
        for number, batch in enumerate(batches):
            scene = known_scene(network, batch)
            picture, depth = scene.picture(scene.codes())
            noise = torch.randn(1, scene.network.config.latent, generator=torch.Generator().manual_seed(number)).to(scene.images.device)
            assert batch.rooms.depth is not None
            rows.append(row(scene.images[0], picture[0], depth[0], batch.rooms.depth[0], scene.picture(noise)[0][0], scene.K[0]))
        return np.concatenate(rows) if rows else None

    def weight_facts(self, data: RoomSamples) -> dict[str, Value]:
        """Lens, cameras, lights and material of the data."""
        return facts_of(data)


TASK = Pix2SceneTask()
