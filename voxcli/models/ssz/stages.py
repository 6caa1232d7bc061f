"""What a training of SSZ does: its data, network, training steps, scores and previews."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from voxcli import config as configuration
from voxcli.config import Value
from voxcli.datasets.street import StreetFolder, check_picture_size
from voxcli.errors import UsageError
from voxcli.models.blocks.efficientnet import load_imagenet
from voxcli.models.frustum.batches import Prepared, StreetBatch, StreetReader, collate
from voxcli.models.frustum.task import FruxelTask, WeightedStage, scale_weights
from voxcli.models.ssz.network import PRESETS, Generator, PublishedEncoder, SSZConfig, build
from voxcli.models.ssz.steps import ADVERSARIAL_TERMS, SCALES, TERMS, adversarial_step, generator_step, needs_discriminator
from voxcli.models.weights import load_parts
from voxcli.training.recipe import split_preset
from voxcli.training.stage import Augmentation, Stage


def resolve_config(options: Mapping[str, Value], classes: int, shape: tuple[int, int, int] | None) -> SSZConfig:
    """The configuration of a recipe: `preset` names where to start, other keys are fields of SSZConfig.

    shape: (D, H, W) of the data; the network must have it. None skips that check.
    """
    preset, options = split_preset(options, PRESETS, "street")
    merged = configuration.merge(configuration.to_mapping(PRESETS[preset]), options)
    resolved = replace(configuration.from_mapping(SSZConfig, merged, "network"), classes=classes)
    own = (resolved.depth, resolved.height, resolved.width)
    if shape is not None and own != shape:
        raise UsageError("The network's output does not have the shape of the data.", expected=f"(D, H, W) = {shape}", actual=own,
                         hint="Set them, as --set training.network.width=N (height, depth), or choose another preset.")  # fmt: skip
    return resolved


class SSZTask(FruxelTask[Generator, SSZConfig, Prepared, StreetBatch]):
    """The generator alone, or with its discriminator."""

    scales = SCALES
    steps = {"generator": generator_step, "adversarial": adversarial_step}
    collate = staticmethod(collate)

    def sizes(self, options: Mapping[str, Value]) -> tuple[tuple[int, int, int], int]:
        """As configured."""
        found = resolve_config(options, 1, None)
        return (found.width, found.height, found.depth), found.picture_scale

    def configure(self, options: Mapping[str, Value], data: StreetFolder) -> SSZConfig:
        """The configuration of a recipe for the classes and the shape of the data."""
        found = resolve_config(options, len(data.classes.names), data.frustum.shape)
        check_picture_size(data, found.picture_size, found.picture_scale)
        return found

    def build(self, config: SSZConfig) -> Generator:
        """A network with the pretrained encoder that its configuration names, or with the parts of the weights that it starts from."""
        network = build(config)
        if config.start:
            load_parts(network, config.start)
        elif isinstance(network.encoder, PublishedEncoder):
            load_imagenet(network.encoder.published, config.pretrained)
        return network

    def check_stage(self, stage: Stage, config: SSZConfig, data: StreetFolder) -> None:
        """Refuse scales that the network has no scores for, unknown loss terms, adversarial stages without a discriminator, and batches
        of one for a network that comes down to one pixel."""
        available = {name: scale for name, scale in SCALES.items() if scale <= 2 ** (len(config.decoder) - 2)}
        scale_weights(stage, SCALES)
        for name in stage.scales:
            if name not in available:
                raise UsageError(
                    f"Stage '{stage.name}': this network has no scores at the scale '{name}'.", expected=" or ".join(available),
                    actual=f"{len(config.decoder)} decoder levels", hint="Name other scales, or give the decoder another level.",
                )  # fmt: skip
        stage.options(WeightedStage)
        stage.check_losses(ADVERSARIAL_TERMS if stage.step == "adversarial" else TERMS)
        if stage.step == "adversarial" and config.discriminator is None:
            raise needs_discriminator()
        if stage.step == "adversarial" and data.fov_jitter > 0:
            raise UsageError(
                f"Stage '{stage.name}': poses are found in one frustum for all samples.", expected="one field of view",
                actual=f"fields of view that differ by up to {data.fov_jitter:g} degrees", hint="Leave out --fov-jitter.",
            )  # fmt: skip
        if config.bottleneck[1:] == (1, 1) and stage.batch == stage.parts:
            raise UsageError(
                f"Stage '{stage.name}': batch normalisation at 1x1 has one value a channel, which says nothing.",
                expected="at least 2 samples in each part of a batch", actual=f"batch {stage.batch} in {stage.parts} parts",
                hint="Set a larger batch, or fewer parts.",
            )  # fmt: skip

    def reader(self, data: StreetFolder, stage: Stage, augmentation: Augmentation) -> StreetReader:
        """Samples with labels at the scales of a stage."""
        return StreetReader(data, tuple(scale_weights(stage, SCALES)), augmentation)

    def picture_scale(self, network: Generator) -> int:
        """As configured."""
        return network.config.picture_scale


TASK = SSZTask()
