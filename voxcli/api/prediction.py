"""`voxcli.load`: a trained network that turns pictures into 3D, with one way to call them all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path as FilePath
from types import ModuleType
from typing import TYPE_CHECKING, TypedDict, overload

from voxcli import files
from voxcli.api.things import Path, PictureLike, as_camera, as_picture, digests_of, is_path, one_or_many, path_of
from voxcli.errors import FileFormatError, UsageError, unknown_name
from voxcli.scene import Camera, DepthMap, Frustum, FruxelGrid, Mesh, Picture, PointCloud, Surfels, VoxelGrid

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from voxcli.models.offers import Offers
    from voxcli.ops.lights import LightFile

    Prediction = FruxelGrid | VoxelGrid | PointCloud | Mesh | Surfels | Picture
    CameraLike = Camera | Path
    DepthLike = DepthMap | Path

_FILES = frozenset({"camera_out", "light_out"})
"""Options of the command that name files to be written."""

_CELLS = 64
"""Cells a side in which models that make surfaces look for them, as in `voxcli predict`."""


class PredictOptions(TypedDict, total=False):
    """What may be said of a prediction; each model takes some of it (`Model.options` lists which).

    fov_x_deg: the pictures' horizontal field of view in degrees. camera: of each picture, or its file. probabilities: class probabilities
    come along. poses: objects and their poses come in meta["instances"]. background, crop, bbox: how a picture of an object is cut out.
    threshold: from which a cell is occupied. coarse: the volume of one view, for `voxcli.fuse`. points: in each occupied cell. depth:
    depth map of each picture, or its file. resolution: cells a side between which a surface is looked for. parts: faces labelled by part.
    fit: steps of fitting to the picture. picture: draw the object in place of its surface. relight: a light file to draw it in.
    """

    fov_x_deg: float
    camera: CameraLike | Sequence[CameraLike | Sequence[CameraLike]]
    probabilities: bool
    poses: bool
    background: tuple[int, int, int]
    crop: str
    bbox: tuple[float, float, float, float]
    threshold: float
    coarse: bool
    points: int
    depth: DepthLike | Sequence[DepthLike | Sequence[DepthLike]]
    resolution: int
    parts: bool
    fit: int
    picture: bool
    relight: LightFile | Path


def load(model: str | FilePath = "ssz", *, weights: Path | None = None, device: str = "auto", dtype: str = "auto") -> Model:
    """Load a trained network.

    Args:
        model: ssz, rays, z-gan (streets to labelled fruxels), pix2vox-f, pix2vox-a (objects to voxels), uclid (objects to points), jof
            (objects to a coloured surface) or pix2scene (rooms to surfels); or the path of a .safetensors file, which says what it is of.
        weights: a .safetensors file; None: those that come with voxcli.
        device: auto (CUDA where there is one), cpu, cuda or cuda:0.
        dtype: auto, float32, bfloat16, float16.

    Raises:
        VoxcliError: an unknown model, one that predicts no 3D or comes without weights, or weights of another model.

    >>> import voxcli
    >>> model = voxcli.load("pix2vox-f", device="cpu")
    >>> model.predict("examples/chair/00.png").occupancy.shape
    (32, 32, 32)
    """
    from voxcli.models.registry import MODELS, model_module
    from voxcli.models.weights import SHIPPED, find_weights, model_of

    name = str(model)
    if name not in MODELS and (name.endswith(".safetensors") or isinstance(model, FilePath)):
        if weights is not None:
            raise UsageError("Both the model and `weights` are files.", hint="Give one of them.")
        weights, name = name, model_of(name)
    module = model_module(name, "inference")
    if not hasattr(module, "OFFERS"):
        able = [each for each in MODELS if hasattr(model_module(each, "inference"), "OFFERS")]
        raise UsageError(f"{name} predicts no 3D.", expected=" or ".join(able), actual=name)
    if weights is None and not (SHIPPED / f"{name}.safetensors").is_file():
        raise UsageError(f"No weights of {name} come with voxcli.", expected="weights='FILE.safetensors'", actual="none",
                         hint=f"Train it: voxcli train -m {name}, or import an official checkpoint: voxcli weights import.")  # fmt: skip
    return Model(name, module, find_weights(path_of(weights) or name), device, dtype)


class Model:
    """A trained network. Attributes: name; device and dtype, where and in what it computes; options, the names of what `predict` takes."""

    def __init__(self, name: str, module: ModuleType, weights: FilePath, device: str, dtype: str):
        from voxcli.backend import pick_device
        from voxcli.provenance import sha256_file

        self.name = name
        self._module = module
        self._predictor = module.load_predictor(weights, str(pick_device(device)), dtype)
        held = getattr(self._predictor, "model", name)
        if held != name:
            raise FileFormatError(f"'{weights}' holds weights of another model.", expected=name, actual=held)
        self.device, self.dtype = str(self._predictor.device), str(self._predictor.dtype).rpartition(".")[2]
        self.digest = sha256_file(weights)
        self._offers: Offers = module.OFFERS
        self.options = tuple(sorted(self._offers.options - _FILES))
        self._view: Frustum | None = getattr(self._predictor, "view", None)

    @property
    def predictor(self) -> object:
        """What the model's own inference module takes."""
        return self._predictor

    def __repr__(self) -> str:
        return f"<voxcli model {self.name} on {self.device}, {self.dtype}>"

    @overload
    def predict(self, pictures: PictureLike, *, views: bool = False, batch_size: int = 1, **options: Unpack[PredictOptions]
                ) -> Prediction: ...  # fmt: skip
    @overload
    def predict(self, pictures: Sequence[PictureLike | Sequence[PictureLike]], *, views: bool = False, batch_size: int = 1,
                **options: Unpack[PredictOptions]) -> list[Prediction] | Prediction: ...  # fmt: skip
    def predict(
        self, pictures: PictureLike | Sequence[PictureLike | Sequence[PictureLike]], *, views: bool = False, batch_size: int = 1,
        **options: Unpack[PredictOptions],
    ) -> Prediction | list[Prediction]:  # fmt: skip
        """What the network makes of pictures, as `voxcli predict` writes it: one gives one, a list gives a list.

        Args:
            pictures: a path, a Pillow image, an array [H, W, 3] of uint8 or a Picture; or a list of such. Models of several views
                (pix2vox-f, pix2vox-a, uclid) also take a list of lists, the views of one object each.
            views: a list is the views of one object, and gives one result.
            batch_size: how many are computed at a time.
            options: see PredictOptions. A camera or depth map for each picture is given as a list like that of the pictures.

        Returns:
            A FruxelGrid (ssz, rays, z-gan: camera frame, metres; without a camera it stands level on its ground), VoxelGrid (pix2vox: unit
            cube around the object), PointCloud (uclid: within [-1, 1]), Mesh (jof: box diagonal 1) or Surfels (pix2scene: sides of the
            room). meta says frame, units, weights, and under "prediction" what was done.

        Raises:
            VoxcliError: what is no picture, or an option that the model does not take.

        >>> import voxcli
        >>> chair = ["examples/chair/00.png", "examples/chair/01.png"]
        >>> model = voxcli.load("pix2vox-f", device="cpu")
        >>> len(model.predict(chair)), type(model.predict(chair, views=True)).__name__
        (2, 'VoxelGrid')
        """
        for name, value in options.items():
            if value is not None and name not in self.options:
                raise unknown_name(f"option of {self.name}", name, self.options)
        if batch_size < 1:
            raise UsageError("A batch holds at least one picture.", expected="batch_size of 1 or more", actual=batch_size)
        samples, single = self._samples(pictures, views)
        given = {name: value for name, value in options.items() if value is not None}
        known: dict[str, object] = {name: given.pop(name) for name in ("camera", "depth") if name in given}
        told = self._told(given)
        found: list[Prediction] = []
        # A camera may differ from picture to picture: then one at a time.
        step = 1 if known else batch_size
        for start in range(0, len(samples), step):
            chunk = samples[start : start + step]
            own = {name: self._known(name, value, start, chunk[0], len(samples), single) for name, value in known.items()}
            seen_by = None if "camera" in own else self._view
            fov = options.get("fov_x_deg")
            read = [[as_picture(each, seen_by, fov) for each in sample] for sample in chunk]
            inputs = read if self._offers.several_views else [sample[0] for sample in read]
            results = self._module.predict(self._predictor, inputs, batch_size=batch_size, **told, **own)
            found += [self._finished(result, sample, given, known) for sample, result in zip(chunk, results, strict=True)]
        return found[0] if single else found

    def _samples(
        self, pictures: PictureLike | Sequence[PictureLike | Sequence[PictureLike]], views: bool
    ) -> tuple[list[list[PictureLike]], bool]:
        """The pictures of each object, and whether one result is asked for."""
        several = self._offers.several_views
        if views and not several:
            raise UsageError(f"{self.name} takes one picture of each scene.", expected="views=False", actual="views=True")
        if not one_or_many(pictures):
            return [[pictures]], True  # type: ignore[list-item]
        nested = [list(each) if one_or_many(each) else each for each in pictures]
        lists = [each for each in nested if isinstance(each, list)]
        if lists and not several:
            raise UsageError(f"{self.name} takes one picture of each scene.", expected="a list of pictures", actual="a list of lists")
        if any(not each for each in lists) or (views and not nested):
            raise UsageError("There is no picture of an object.", expected="one or more views of each", actual="an empty list")
        if views and not lists:
            return [nested], True  # type: ignore[list-item]
        return [each if isinstance(each, list) else [each] for each in nested], False  # type: ignore[list-item]

    def _told(self, given: dict[str, object]) -> dict[str, object]:
        """Options in the form that the model's own function takes."""
        told = dict(given)
        if "resolution" in self._offers.options:
            told.setdefault("resolution", _CELLS)
        if is_path(told.get("relight")):
            from voxcli.ops.lights import read_lights

            told["relight"] = read_lights(path_of(told["relight"]))
        return told

    def _known(self, name: str, value: object, place: int, sample: Sequence[PictureLike], count: int, single: bool) -> object:
        """The camera or the depth maps of one sample; of models of several views, of each of its pictures."""
        mine = value
        if one_or_many(value) and not single:
            if len(value) != count:
                raise UsageError(f"There are not as many {name}s as samples.", expected=count, actual=len(value))
            mine = value[place]
        each: list[object]
        if one_or_many(mine):
            each = list(mine)
        else:
            each = [mine] * (len(sample) if is_path(mine) else 1)
        if len(each) != len(sample):
            raise UsageError(f"There are not as many {name}s as pictures.", expected=len(sample), actual=len(each))
        read = [self._read(name, one, path_of(picture), len(sample)) for one, picture in zip(each, sample, strict=True)]
        return read if self._offers.several_views or name == "depth" else read[0]

    def _read(self, name: str, one: object, picture: str, count: int) -> Camera | DepthMap | None:
        if name == "camera":
            return as_camera(one, picture)  # type: ignore[arg-type]
        if isinstance(one, DepthMap):
            return one
        from voxcli.ops.cameras import depth_file

        if not is_path(one):
            raise UsageError("This is no depth map.", expected="a DepthMap or the path of one", actual=type(one).__name__)
        return files.read_as(depth_file(path_of(one), picture, count), DepthMap)

    def _finished(
        self, result: Prediction, sample: Sequence[PictureLike], given: dict[str, object], known: dict[str, object]
    ) -> Prediction:
        """A result in its place in the world, with its provenance."""
        from voxcli.geometry.placing import stand_level
        from voxcli.ops.conversions import with_provenance

        told = result.meta
        if isinstance(result, FruxelGrid) and "camera" not in known:
            result = stand_level(result)
        read = digests_of(*sample, *known.values(), given.get("relight"))
        plain = {name: path_of(value) or "given" for name, value in (known | {k: v for k, v in given.items() if k == "relight"}).items()}
        options = {"model": self.name, **given, **plain, "dtype": self.dtype}
        made: Prediction = with_provenance(result, "predict", options, read, weights=self.digest, source_meta=result.meta)
        if self._offers.frame is not None:
            made.meta.update(frame=self._offers.frame, units=self._offers.units)
        made.meta["prediction"] = told
        return made
