"""The contract that every registered model keeps, and with it all that commands and the Python interface know of a model.

A model is a ModelSpec (what it takes and gives, told without loading anything), an options class, and a Predictor. Imports nothing heavy.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Generic, Literal, TypeVar

from voxcli.errors import FileFormatError, UsageError, VoxcliError
from voxcli.options import Options, option_infos

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import torch
    from torch import Tensor, nn
    from typing_extensions import Self

    from voxcli.geometry.surfels import SurfelMaps
    from voxcli.models.frustum.familiarity import Familiarity
    from voxcli.models.object_options import FitOptions
    from voxcli.models.weights import Weights
    from voxcli.provenance import Json, Meta
    from voxcli.scene import Camera, DepthMap, Described, Frustum, FruxelGrid, Mesh, Picture, PointCloud, Surfels, VoxelGrid

    Result = FruxelGrid | VoxelGrid | PointCloud | Mesh | Surfels | Picture

NetT = TypeVar("NetT", bound="nn.Module")
OptionsT = TypeVar("OptionsT", bound="ModelOptions")
ResultT = TypeVar("ResultT", bound="Result")
CodeT = TypeVar("CodeT")


# -- what is told without loading anything ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ModelOptions(Options):
    """The base of all options classes of models.

    Some names mean the same in every model that has them, and commands know them: `fov_x_deg` (horizontal, of the pictures), `threshold` (a
    cell is occupied at or above it; None: the model's own), `resolution` (cells along the longest side of a surface) and `picture` (a
    picture that the model draws is asked for). only_for: options that go with one kind of output alone: a `picture` that the model draws,
    a `shape`, or a `grid` as the model makes it, in a file that holds all of it.
    """

    only_for: ClassVar[Mapping[str, Literal["picture", "shape", "grid"]]] = {}

    def chosen(self, name: str) -> float | None:
        """The value of an option that not all models have; None where this one has none of this name, or it is not given."""
        value: float | None = getattr(self, name, None)
        return value

    def drawing(self, picture: bool) -> Self:
        """The same, for a picture that the model draws or for a shape."""
        return replace(self, **{name: picture for name in option_infos(type(self)) if name == "picture"})

    @property
    def whole(self) -> bool:
        """Whether the grid as the model makes it is asked for."""
        return any(self.only_for.get(name) == "grid" for name in self.given)

    @property
    def depends_on_size(self) -> bool:
        """Whether the options fit some sizes of pictures alone."""
        return False

    def check_size(self, width: int, height: int) -> None:
        """Raise DataError for a size of a picture in pixels that the options do not fit."""


@dataclass(frozen=True)
class Importer:
    """What turns an official checkpoint of a model into weights.

    function: "module:function" from the path of a checkpoint, the model's name and a function that is told what becomes of each entry, to
    Weights. help: what it reads, in sentences of the help text. several: it takes several files, as a list. recognises: "module:function"
    from the path of a checkpoint to the name of its model, or None where it is of another.
    """

    function: str
    help: str
    several: bool = False
    recognises: str | None = None


@dataclass(frozen=True)
class ModelSpec:
    """What is known of a model before it is loaded.

    name: as users write it. network: "module:Class" of a TrainedNetwork; where there are options, of a Predictor. help: a paragraph of the
    help text of `predict`. options: what its `predict` takes besides pictures; None: it makes no 3D of pictures. gives: the scene type of
    a result. several_views: it takes several pictures of one object, else one picture. takes_camera, takes_depth: it may be given those of
    each picture. frame, units: of the result's coordinates; None: those of the camera or the world, in metres. abilities: which of the
    classes below its class is of. presets: names in PRESETS of its `network` module. package: where its `network` and `stages` (training)
    modules are; "": it has none. recipe: the recipe of a training that names none; "": that of the model's name. recipes, data: in the help
    text of `train`, its recipes and what it trains on. default: it is the model where none is named; at most one model says so.
    """

    name: str
    network: str
    help: str = ""
    options: type[ModelOptions] | None = None
    gives: str = ""
    several_views: bool = False
    takes_camera: bool = False
    takes_depth: bool = False
    frame: str | None = None
    units: str | None = None
    abilities: tuple[type, ...] = ()
    presets: tuple[str, ...] = ()
    package: str = ""
    importer: Importer | None = None
    recipe: str = ""
    recipes: str = ""
    data: str = ""
    default: bool = False


@dataclass(frozen=True, eq=False)
class Inputs:
    """One sample: a picture, or several of one object, and what is known of each. Raises UsageError for other numbers of these."""

    pictures: tuple[Picture, ...]
    cameras: tuple[Camera, ...] | None = None
    depths: tuple[DepthMap, ...] | None = None

    def __post_init__(self) -> None:
        if not self.pictures:
            raise UsageError("There is no picture of an object.", expected="one or more views of each", actual="none")
        for name, given in (("cameras", self.cameras), ("depth maps", self.depths)):
            if given is not None and len(given) != len(self.pictures):
                raise UsageError(f"There are not as many {name} as pictures.", expected=len(self.pictures), actual=len(given))

    @classmethod
    def of(cls, *pictures: Picture, camera: Camera | None = None) -> Inputs:
        """Pictures of one object; or one picture, with its camera where that is known."""
        return cls(pictures, None if camera is None else (camera,))

    @property
    def apart(self) -> list[Inputs]:
        """Each picture as a sample of one, with what is known of it."""
        found = []
        for k, picture in enumerate(self.pictures):
            cameras = None if self.cameras is None else (self.cameras[k],)
            found.append(Inputs((picture,), cameras, None if self.depths is None else (self.depths[k],)))
        return found

    @property
    def picture(self) -> Picture:
        """The picture of a sample of one."""
        (picture,) = self.pictures
        return picture

    @property
    def camera(self) -> Camera | None:
        """Its camera."""
        return None if self.cameras is None else self.cameras[0]


# -- loaded networks --------------------------------------------------------------------------------------------------------------------


class TrainedNetwork(ABC, Generic[NetT]):
    """A network with trained weights, in evaluation mode, on a device.

    network: the module. name: the registered name of its model. dtype: of its parameters; see `from_weights`.
    """

    dtypes: ClassVar[tuple[str, ...]] = ()
    """The types that it computes in, `auto` being the first; empty: any, and `auto` is what the hardware is fast at."""

    def __init__(self, network: NetT, name: str, device: torch.device, dtype: torch.dtype):
        self.network, self.name, self.device, self.dtype = network, name, device, dtype

    @classmethod
    @abstractmethod
    def build(cls, config: Mapping[str, Json], what: str) -> NetT:
        """A network of a configuration as weights hold it. Raises UsageError that calls it `what`."""

    @classmethod
    def tensors_of(cls, weights: Weights) -> dict[str, Tensor]:
        """The tensors of the network among those of weights; training may leave others. Raises VoxcliError for damaged ones."""
        return weights.tensors

    @classmethod
    def ready(cls, network: NetT, device: torch.device, dtype: torch.dtype) -> NetT:
        """The loaded network as it is used, on its device."""
        return network.to(device, dtype)

    def prepare(self, weights: Weights) -> None:
        """Take from weights what the network's numbers mean. A KeyError, TypeError or ValueError is told as weights that do not fit
        their own configuration."""
        return  # most networks need nothing

    @classmethod
    def from_weights(cls, source: str | Path | Weights, device: str = "auto", dtype: str = "auto") -> Self:
        """From a weights file, the name of shipped weights, or weights in memory.

        device: auto, cpu, cuda or cuda:0. dtype: auto, float32, bfloat16, ...; for most models `auto` is bfloat16 on CUDA and on
        processors that multiply it in hardware, float32 elsewhere. Raises FileFormatError for weights of another model or that do not fit
        their own configuration, UsageError for a dtype that the model does not compute in.
        """

        from voxcli import backend
        from voxcli.models.registry import names_of
        from voxcli.models.weights import Weights, load_weights

        what = "The weights" if isinstance(source, Weights) else f"'{source}'"
        weights = source if isinstance(source, Weights) else load_weights(source)
        if weights.model not in (names := names_of(cls)):
            raise FileFormatError(f"{what}: weights of another model.", expected=" or ".join(names), actual=weights.model)
        where = backend.pick_device(device)
        if cls.dtypes and dtype not in ("auto", *cls.dtypes):
            raise UsageError(f"{weights.model} computes in {' or '.join(cls.dtypes)}.", actual=f"--dtype {dtype}")
        number = backend.pick_dtype(cls.dtypes[0] if cls.dtypes and dtype == "auto" else dtype, where)
        if where.type == "cpu":
            backend.keep_freed_memory()
        with backend.on_meta_device():
            network = cls.build(weights.config, f"{what}: configuration")
        try:
            tensors = cls.tensors_of(weights)
        except VoxcliError as error:
            raise FileFormatError(f"{what}: {error.message}", expected=error.expected, actual=error.actual) from error
        try:
            network.load_state_dict(tensors, assign=True)
            made = cls(cls.ready(network.eval().requires_grad_(False), where, number), weights.model, where, number)
            made.prepare(weights)
        except (RuntimeError, KeyError, TypeError, ValueError, VoxcliError) as error:
            reason = " ".join(str(error).split())[:200]
            raise FileFormatError(f"{what}: weights that do not fit their own configuration.", actual=reason) from error
        return made


class Predictor(TrainedNetwork[NetT], Generic[NetT, OptionsT, ResultT]):
    """A trained network that makes 3D of pictures."""

    @property
    def view(self) -> Frustum | None:
        """What the network's camera sees: pictures are best read so that it is in focus. None: whole pictures are looked at."""
        return None

    @property
    def threshold(self) -> float | None:
        """A cell is occupied at or above this probability, where the options name no other. None: the model has no use for one."""
        return None

    @abstractmethod
    def predict(self, inputs: Sequence[Inputs], options: OptionsT, batch_size: int = 1) -> Iterator[ResultT]:
        """One result a sample, in order. meta says what was done to each; no path, no time. Raises DataError for what shows nothing.

        batch_size: how many samples are computed together at most. A model whose files would depend on it in their last digit computes
            one at a time.
        """

    def completed(self, thing: Described, result: ResultT) -> Described:
        """What a result was converted to, with what else of the result that kind of thing can show."""
        return thing

    def steps(self, files: Sequence[str], meta: Meta) -> Iterator[str]:
        """What was done to each picture, in words, from the meta of a result and the names of the pictures."""
        yield f"{files[0]}: crop {meta.get('crop')}"


# -- abilities that some models have ----------------------------------------------------------------------------------------------------


class DrawsPictures(ABC, Generic[ResultT]):
    """Draws results itself, as pictures that its output file may hold. Its options may have a field `picture`, see ModelOptions."""

    @abstractmethod
    def picture_of(self, result: ResultT) -> Picture:
        """The picture of a result."""


class FusesVolumes(ABC, Generic[OptionsT]):
    """Fuses what it made of single pictures of one object with the option `coarse`.

    Its package may have a module `coarse` that checks volumes without torch, see `voxcli.models.pix2vox.coarse`.
    """

    @abstractmethod
    def fuse_volumes(self, grids: Sequence[VoxelGrid], method: str, options: OptionsT) -> tuple[VoxelGrid | PointCloud, np.ndarray | None]:
        """The fused object, and each view's score map [V, X, Y, Z], where there are any. meta holds the threshold. method: context (the
        network's own), mean or max. The order of the grids changes nothing but rounding."""

    @classmethod
    def fuse_without_network(cls, grids: Sequence[VoxelGrid], method: str, options: OptionsT) -> VoxelGrid:
        """The same by mean or max, without a network. Raises UsageError for models whose volumes mean nothing without it."""
        raise UsageError("Volumes of this model are decoded by its network.", expected="-m MODEL")


class DividesShapes(ABC, Generic[CodeT]):
    """Tells the parts of shapes."""

    @property
    @abstractmethod
    def part_names(self) -> tuple[str, ...]:
        """Names of the parts, the same for all shapes."""

    @abstractmethod
    def codes(self, occupied: np.ndarray, colours: np.ndarray) -> CodeT:
        """The codes of a volume [64, 64, 64] bool with colours [64, 64, 64, 3] uint8, in the object's own frame over [-1/2, 1/2]^3."""

    @abstractmethod
    def parts(self, codes: CodeT, points: np.ndarray) -> np.ndarray:
        """The part, from 0, of points [N, 3] of the object's own frame."""

    @abstractmethod
    def surface(self, codes: CodeT, resolution: int = 64) -> Mesh:
        """The surface that the decoder makes of codes, in the object's own frame. Raises EmptyMeshError where it makes none."""


class FitsShapes(ABC):
    """Makes shapes of codes that are fitted to them through the decoder alone."""

    @abstractmethod
    def fitted(self, points: np.ndarray, occupied: np.ndarray, colours: np.ndarray | None, options: FitOptions) -> Mesh:
        """The surface nearest to points [N, 3] of the object's own frame, of which bool [N] are occupied. colours: uint8 [N, 3] of the
        occupied ones, where they are known. meta["iou"] says how well the codes tell these points."""


class MakesScenes(DrawsPictures["Surfels"]):
    """Makes scenes of latent codes: of random ones, of those between two, and of one seen from elsewhere."""

    @abstractmethod
    def scene_of(self, picture: Picture, camera: Camera | None = None) -> Surfels:
        """The scene of a picture, whose meta holds its code. camera: of the picture, where that is known."""

    @abstractmethod
    def sample(self, count: int, seed: int = 0, eye: np.ndarray | None = None, kind: str | None = None) -> Iterator[Surfels]:
        """Scenes of random codes, each seen from a place of the training data, or all from one place [3]. kind: their class, where the
        network knows any; None: the classes in turn. Scene k of a seed is the same however many there are."""

    @abstractmethod
    def interpolate(self, first: Surfels, last: Surfels, steps: int, eye: np.ndarray) -> Iterator[Surfels]:
        """Scenes on the straight line between the codes of two predictions, ends included, seen from one place [3]."""

    @abstractmethod
    def seen_from(self, meta: Meta, camera: Camera) -> SurfelMaps:
        """The scene of a prediction's meta decoded anew for a camera. Raises DataError where the meta holds no code of this network."""

    @property
    @abstractmethod
    def target(self) -> np.ndarray:
        """The point [3] of the world that the cameras of the training data looked at."""

    @abstractmethod
    def turns_of(self, camera: Camera) -> tuple[float, float]:
        """Degrees around +y, counter-clockwise seen from above, by which a camera can be turned and still stand where these stood."""

    @abstractmethod
    def strange(self, camera: Camera) -> str | None:
        """What is strange about where a camera stands, in words; None where these cameras stood around there."""


class RedrawsPictures(ABC):
    """Makes realistic pictures of rendered ones."""

    @abstractmethod
    def translate(self, image: np.ndarray) -> np.ndarray:
        """A picture with the same contours: uint8 [H, W, 3] -> uint8 [H, W, 3], the same for the same image."""


class LearnsFamiliarity(ABC):
    """Can learn what its training's pictures were like, to tell others."""

    @abstractmethod
    def learn_familiarity(self, pictures: Iterable[Picture]) -> Familiarity:
        """From pictures like the training's; every fifth serves for the threshold alone. Raises DataError for fewer than about 100."""


class AnswersQuestions(ABC):
    """Answers the questions of the 3D-IQ test task."""

    def reconstructed(self, pictures: np.ndarray) -> tuple[np.ndarray, ...]:
        """What the network makes of the reference, as pictures, uint8 [H, W, 3]; none of a network that makes none."""
        return ()

    @abstractmethod
    def answer(self, pictures: np.ndarray) -> int:
        """Which of three choices, 0, 1 or 2, shows the object of the reference: uint8 [4, H, W, 3], the reference first."""


class CutsOut(ABC):
    """Finds the object that a photograph is of."""

    @abstractmethod
    def mask(self, rgb: np.ndarray) -> np.ndarray:
        """How surely each pixel of a picture uint8 [H, W, 3] shows the object, float32 [H, W] in 0..1."""
