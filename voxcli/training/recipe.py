"""Recipes: what a training does, as a YAML mapping checked against dataclasses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from voxcli import config
from voxcli.config import Value
from voxcli.errors import UsageError, unknown_name
from voxcli.models.registry import default_model
from voxcli.training.stage import Augmentation, ClassWeights, Stage, require

SHIPPED = Path(__file__).resolve().parent / "recipes"

WITHOUT_EFFECT = ("loading", "checkpoint_every", "log_every")
"""Settings of a recipe that change no weight."""


@dataclass(frozen=True)
class Validation:
    """Every so many steps, on at most `samples` samples; `share` of the data is set aside where no validation data is given.

    data: unseen data to use instead, unless the command names some. split: of these or else of the training's own folders, for data with
    splits. pictures: samples shown in each preview (0: no previews).
    photographs: a folder of labelled photographs (see models.frustum.photographs) that are scored each time, for models of fruxels;
    photographs_weight: their share in the score by which the best weights are chosen.
    """

    every: int = 500
    samples: int = 64
    share: float = 0.05
    data: tuple[str, ...] = ()
    split: str | None = None
    pictures: int = 3
    photographs: str | None = None
    photographs_weight: float = 0.5

    def __post_init__(self) -> None:
        require("validation", {"every": self.every, "samples": self.samples}, "at least 1", lambda value: value >= 1)
        require("validation", {"pictures": self.pictures}, "zero or more", lambda value: value >= 0)
        require("validation", {"photographs_weight": self.photographs_weight}, "a share, 0 to 1", lambda value: 0 <= value <= 1)
        require("validation", {"share": self.share}, "more than 0, less than 1", lambda value: 0 < value < 1)


@dataclass(frozen=True)
class Loading:
    """How samples are read ahead: `workers` at a time, `prefetch` parts of a batch in advance.

    kind: `threads` share one process (decoding leaves Python's lock); `processes` cost a start and a copy, and feed a fast GPU.
    """

    workers: int = 1
    prefetch: int = 3
    kind: Literal["threads", "processes"] = "threads"

    def __post_init__(self) -> None:
        if self.workers < 1 or self.prefetch < 1:
            raise UsageError("loading needs at least one worker and a prefetch of one.", actual=f"{self.workers}, {self.prefetch}")


@dataclass(frozen=True)
class Computation:
    """How a step is computed. Weights and optimiser stay in float32 whatever `precision` says.

    precision: of the forward and backward pass (autocast); float16 scales its loss and is for CUDA.
    channels_last: the memory format of images and weights. compile: let torch.compile make kernels of the network
    (once for each shape, which takes minutes and a C++ compiler; batch statistics are then torch's own).
    statistics: batch normalisation and Dice over the batch of all processes (`global`: the same curve for any number of them), or over
    each process's part of it (`local`, without their messages). One process knows no difference.
    """

    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    channels_last: bool = False
    compile: bool = False
    statistics: Literal["global", "local"] = "global"


@dataclass(frozen=True)
class Recipe:
    """A training: network configuration (a preset's name and fields that differ), data handling, stages in their order.

    data: folders or files of data, unless the command names some; dataset: how the model's reader takes them. class_weights: for models
    that weigh classes. average: decay of an exponential moving average of the weights, which is what is validated and exported (ours;
    null: none). log_every: steps between records (null: ten seconds).
    """

    stages: tuple[Stage, ...]
    model: str = field(default_factory=default_model)
    data: tuple[str, ...] = ()
    dataset: dict[str, Value] = field(default_factory=dict)
    network: dict[str, Value] = field(default_factory=dict)
    augmentation: Augmentation = field(default_factory=Augmentation)
    class_weights: ClassWeights = field(default_factory=ClassWeights)
    validation: Validation = field(default_factory=Validation)
    average: float | None = None
    checkpoint_every: int = 200
    log_every: int | None = None
    loading: Loading = field(default_factory=Loading)
    computation: Computation = field(default_factory=Computation)
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.stages:
            raise UsageError("A recipe needs at least one stage.")
        names = [stage.name for stage in self.stages]
        if len(set(names)) < len(names):
            raise UsageError("Each stage of a recipe needs a name of its own.", actual=", ".join(names))
        if self.checkpoint_every < 1 or (self.log_every is not None and self.log_every < 1):
            raise UsageError("checkpoint_every and log_every count steps.", expected="at least 1")
        if self.average is not None and not 0 < self.average < 1:
            raise UsageError("average is a decay.", expected="more than 0, less than 1; null for none", actual=self.average)
        if not 0 <= self.seed < 2**63:
            raise UsageError("A seed is a whole number.", expected="0 to 2^63 - 1", actual=self.seed)


def split_preset(options: Mapping[str, Value], presets: Iterable[str], default: str) -> tuple[str, dict[str, Value]]:
    """(the name of the preset that a recipe's `network` begins with, its other options). Raises UsageError for an unknown name."""
    rest = dict(options)
    name = rest.pop("preset", default)
    if not isinstance(name, str) or name not in presets:
        raise unknown_name("preset", str(name), presets)
    return name, rest


def changes(before: Recipe, now: Recipe) -> dict[str, list[Value]]:
    """Settings that shape the weights and differ: {"stages.full.batch": [before, now]}; None where there is none of that name."""
    old, new = _leaves(shaping(before)), _leaves(shaping(now))
    differing = [key for key in dict.fromkeys((*old, *new)) if old.get(key) != new.get(key)]
    return {key: [old.get(key), new.get(key)] for key in differing}


def shaping(recipe: Recipe) -> dict[str, Value]:
    """The settings of a recipe that shape its weights. Folders are given by their last names: where they lie shapes nothing, and weights
    that are handed on must not reveal it."""
    return without_places({key: value for key, value in config.to_mapping(recipe).items() if key not in WITHOUT_EFFECT})


def without_places(settings: Mapping[str, Value]) -> dict[str, Value]:
    """A recipe's mapping with the folders of data and photographs, and the files that the network begins with, by their last names:
    "/disk/photos" becomes "photos"."""
    found, validation = dict(settings), settings.get("validation")
    if isinstance(validation, Mapping):
        found["validation"] = {key: _name(value) if key in ("data", "photographs") else value for key, value in validation.items()}
    if isinstance(network := found.get("network"), Mapping):
        found["network"] = without_files(network)
    return found | {"data": _name(found["data"])} if "data" in found else found


def without_files(network: Mapping[str, Value]) -> dict[str, Value]:
    """A network's configuration with the files that its training began with by their last names."""
    return {key: _name(value) if key in ("start", "pretrained", "imagenet") else value for key, value in network.items()}


def _name(folders: Value) -> Value:
    """The last name of a path, or of each of a list of them; None stays."""
    if isinstance(folders, str):
        return Path(folders).name or folders
    return [_name(each) for each in folders] if isinstance(folders, list) else folders


def _leaves(value: Value, path: str = "") -> dict[str, Value]:
    """{dotted path: value}, stages by their names."""
    if isinstance(value, list) and value and all(isinstance(each, dict) and "name" in each for each in value):
        value = {each["name"]: each for each in value}
    if not isinstance(value, dict) or not value:
        return {path: value}
    return {key: leaf for name, each in value.items() for key, leaf in _leaves(each, f"{path}.{name}" if path else name).items()}


def load_recipe(source: str | Path, overrides: Mapping[str, Value] | None = None) -> Recipe:
    """A shipped recipe by name, or a YAML file; `overrides` is merged on top (what --set gives).

    Stages may be overridden by name: {"stages": {"full": {"steps": 10}}}. A list of stages replaces those of the recipe.
    """
    path = Path(source)
    shipped = {p.stem: p for p in SHIPPED.glob("*.yaml")}
    if not path.is_file():
        if str(source) not in shipped:
            raise unknown_name("recipe", str(source), shipped)
        path = shipped[str(source)]
    mapping, changes = config.load(path), dict(overrides or {})
    if isinstance(stages := changes.get("stages"), Mapping):
        changes["stages"] = _changed_stages(mapping.get("stages"), stages)
    return config.from_mapping(Recipe, config.merge(mapping, changes), f"recipe '{source}'")


def _changed_stages(stages: Value, changes: Mapping[str, Value]) -> list[Value]:
    known = [each for each in stages if isinstance(each, Mapping)] if isinstance(stages, list) else []
    names = [str(each.get("name", "")) for each in known]
    groups: dict[str, Mapping[str, Value]] = {}
    for name, change in changes.items():
        if name not in names:
            raise unknown_name("stage", name, names)
        if not isinstance(change, Mapping):
            raise UsageError(f"stages.{name} is a group of settings.", expected=f"stages.{name}.key=value", actual=change)
        groups[name] = change
    return [config.merge(stage, groups.get(name)) for name, stage in zip(names, known, strict=True)]
