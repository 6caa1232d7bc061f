"""`voxcli.load`: a trained network that turns pictures into 3D, with one way to call them all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, overload

from voxcli import files
from voxcli.api.arguments import Count, python_call
from voxcli.api.things import Device, Path, PictureLike, as_camera, as_picture, digests_of, is_path, path_of
from voxcli.contents import opened_once
from voxcli.errors import UsageError, unknown_name
from voxcli.scene import DepthMap, FruxelGrid, Mesh, Picture, PointCloud, Surfels, VoxelGrid

if TYPE_CHECKING:
    from torch import nn
    from typing_extensions import TypeIs

    from voxcli.models.base import Inputs, ModelOptions, Predictor
    from voxcli.provenance import Recordable

    Prediction = FruxelGrid | VoxelGrid | PointCloud | Mesh | Surfels | Picture


def _options_of_models() -> list[type[ModelOptions]]:
    from voxcli.models.registry import MODELS, spec_of

    return [options for name in MODELS if (options := spec_of(name).options) is not None]


@python_call()
def load(model: str | FilePath | None = None, *, weights: Path | None = None, device: Device = "auto", dtype: str = "auto") -> Model:
    """Load a trained network.

    Args:
        model: ssz, rays, z-gan (streets to labelled fruxels), pix2vox-f, pix2vox-a (objects to voxels), uclid (objects to points), jof
            (objects to a coloured surface) or pix2scene (rooms to surfels); or the path of a .safetensors file, which says what it is of;
            None: the default one, for streets.
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
    from voxcli.models.registry import MODELS, default_model, name_of

    name = default_model() if model is None else str(model)
    if name not in MODELS and (name.endswith(".safetensors") or isinstance(model, FilePath)):
        if weights is not None:
            raise UsageError("Both the model and `weights` are files.", hint="Give one of them.")
        weights, name = name, name_of(None, name)
    return Model(name, None if weights is None else path_of(weights), str(device), dtype)


class Model:
    """A trained network. Attributes: name; device and dtype, where and in what it computes; options, the names of what `predict` takes.

    >>> import voxcli
    >>> model = voxcli.load("pix2vox-f", device="cpu")
    >>> "threshold" in model.options
    True
    >>> model.meaning("threshold")
    'Occupied at or above this probability.'
    """

    def __init__(self, name: str, weights: str | None, device: str, dtype: str):
        from voxcli.backend import pick_device
        from voxcli.models.registry import check_predicts, load_predictor, spec_of, weights_of
        from voxcli.options import option_infos
        from voxcli.provenance import sha256_file

        kind, self._spec = check_predicts(name), spec_of(name)
        path = weights_of(name, weights)
        self.name = name
        self._predictor = load_predictor(name, path, str(pick_device(device)), dtype)
        self.device, self.dtype = str(self._predictor.device), str(self._predictor.dtype).rpartition(".")[2]
        self.digest = sha256_file(path)
        self._kind, self._option_infos = kind, option_infos(kind)
        known = {"camera": self._spec.takes_camera, "depth": self._spec.takes_depth}
        written = [
            each for each, about in self._option_infos.items() if about.writes is not None and not isinstance(getattr(kind(), each), bool)
        ]
        self.options = tuple(sorted((self._option_infos.keys() - {*written}) | {each for each, taken in known.items() if taken}))

    @property
    def predictor(self) -> Predictor[nn.Module, ModelOptions, Prediction]:
        """The network and what its numbers mean, see `voxcli.models.base`."""
        return self._predictor

    def __repr__(self) -> str:
        return f"<voxcli model {self.name} on {self.device}, {self.dtype}>"

    def meaning(self, option: str) -> str:
        """What an option of `predict` means. Raises UsageError for one that the model does not take."""
        if option not in self.options:
            raise unknown_name(f"option of {self.name}", option, self.options)
        known = {"camera": "The camera of each picture, or its file.", "depth": "The depth map of each picture, or its file."}
        return self._option_infos[option].help if option in self._option_infos else known[option]

    @overload
    def predict(self, pictures: PictureLike, *, views: bool = False, batch_size: int = 1, **options: Recordable) -> Prediction: ...
    @overload
    def predict(
        self, pictures: Sequence[PictureLike | Sequence[PictureLike]], *, views: bool = False, batch_size: int = 1, **options: Recordable
    ) -> list[Prediction] | Prediction: ...
    @python_call(classes=_options_of_models)
    def predict(
        self, pictures: PictureLike | Sequence[PictureLike | Sequence[PictureLike]], *, views: bool = False, batch_size: Count = 1,
        **options: Recordable,
    ) -> Prediction | list[Prediction]:  # fmt: skip
        """What the network makes of pictures, as `voxcli predict` writes it: one gives one, a list gives a list.

        Args:
            pictures: a path, a Pillow image, an array [H, W, 3] of uint8 or a Picture; or a list of such. Models of several views
                (pix2vox-f, pix2vox-a, uclid) also take a list of lists, the views of one object each.
            views: a list is the views of one object, and gives one result.
            batch_size: how many are computed at a time.
            options: those of `Model.options`; `Model.meaning` says what each means. camera and depth are a Camera and a DepthMap, or
                their files; of several pictures, a list like that of the pictures.

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
        given: dict[str, Recordable] = {name: value for name, value in options.items() if value is not None}
        for name in given:
            if name not in self.options:
                raise unknown_name(f"option of {self.name}", name, self.options)
        samples, single = self._samples(pictures, views)
        if is_path(given.get("cut")):
            given["cut"] = path_of(given["cut"])
        known: dict[str, Recordable] = {name: given.pop(name) for name in ("camera", "depth") if name in given}
        chosen = self._chosen(given)
        found: list[Prediction] = []
        # A camera may differ from picture to picture: then one at a time, as in the command.
        step = 1 if known else batch_size
        for start in range(0, len(samples), step):
            chunk = samples[start : start + step]
            with opened_once():
                inputs = [self._inputs(sample, known, start, len(samples), single, chosen.chosen("fov_x_deg")) for sample in chunk]
                masks = [_mask_files(chosen, sample) for sample in chunk]
                inputs = [_masked(*each) for each in zip(inputs, masks, strict=True)]
                results = self._predictor.predict(inputs, chosen, batch_size)
                for result, sample, files_of in zip(results, chunk, masks, strict=True):
                    found.append(self._finished(result, [*sample, *files_of], given, known))
        return found[0] if single else found

    def _samples(
        self, pictures: PictureLike | Sequence[PictureLike | Sequence[PictureLike]], views: bool
    ) -> tuple[Sequence[Sequence[PictureLike]], bool]:
        """The pictures of each object, and whether one result is asked for."""
        several = self._spec.several_views
        if views and not several:
            raise UsageError(f"{self.name} takes one picture of each scene.", expected="views=False", actual="views=True")
        if not _is_list(pictures):
            return [[pictures]], True
        lists = [list(each) for each in pictures if _is_list(each)]
        singles = [each for each in pictures if not _is_list(each)]
        if lists and not several:
            raise UsageError(f"{self.name} takes one picture of each scene.", expected="a list of pictures", actual="a list of lists")
        if any(not each for each in lists) or (views and not pictures):
            raise UsageError("There is no picture of an object.", expected="one or more views of each", actual="an empty list")
        if views and not lists:
            return [singles], True
        return [list(each) if _is_list(each) else [each] for each in pictures], False

    def _chosen(self, given: dict[str, Recordable]) -> ModelOptions:
        """The options as the model takes them: files that they name are read."""
        from voxcli.options import make_options

        read = {name: about.parse(path_of(given[name])) for name, about in self._option_infos.items()
                if about.parse is not None and about.reads and is_path(given.get(name))}  # fmt: skip
        return make_options(self._kind, given | read, self.name)

    def _inputs(
        self, sample: Sequence[PictureLike], known: dict[str, Recordable], place: int, count: int, single: bool, fov: float | None
    ) -> Inputs:
        """A sample with its pictures, cameras and depth maps read."""
        from voxcli.models.base import Inputs

        found = [as_camera(one, path) for one, path in self._of_each("camera", known, place, sample, count, single)]
        cameras = [camera for camera in found if camera is not None]
        depths = [self._depth(one, path, len(sample)) for one, path in self._of_each("depth", known, place, sample, count, single)]
        target_frustum = None if cameras else self._predictor.view
        pictures = tuple(as_picture(each, target_frustum, fov) for each in sample)
        return Inputs(pictures, tuple(cameras) or None, tuple(depths) or None)

    def _of_each(
        self, name: str, known: dict[str, Recordable], place: int, sample: Sequence[PictureLike], count: int, single: bool
    ) -> list[tuple[Recordable, str]]:
        """What is known of each picture of one sample, with the picture's path; nothing where it is not known."""
        if name not in known:
            return []
        value = mine = known[name]
        if isinstance(value, (list, tuple)) and not single:
            if len(value) != count:
                raise UsageError(f"There are not as many {name}s as samples.", expected=count, actual=len(value))
            mine = value[place]
        each: list[Recordable]
        if isinstance(mine, (list, tuple)):
            each = list(mine)
        else:
            each = [mine] * (len(sample) if is_path(mine) else 1)
        if len(each) != len(sample):
            raise UsageError(f"There are not as many {name}s as pictures.", expected=len(sample), actual=len(each))
        return [(one, path_of(picture)) for one, picture in zip(each, sample, strict=True)]

    def _depth(self, one: Recordable, picture: str, count: int) -> DepthMap:
        if isinstance(one, DepthMap):
            return one
        from voxcli.ops.cameras import file_beside

        if not is_path(one):
            raise UsageError("This is no depth map.", expected="a DepthMap or the path of one", actual=type(one).__name__)
        return files.read_as(file_beside(path_of(one), picture, count), DepthMap)

    def _finished(
        self, result: Prediction, read_from: Sequence[PictureLike], given: dict[str, Recordable], known: dict[str, Recordable]
    ) -> Prediction:
        """A result in its place in the world, with its provenance. read_from: its pictures, and their masks where these are files."""
        from voxcli.geometry.placing import level_scene
        from voxcli.ops.conversions import with_provenance

        meta = result.meta
        if isinstance(result, FruxelGrid) and "camera" not in known:
            result = level_scene(result)
        files_read = {name: given[name] for name, about in self._option_infos.items() if about.reads and name in given}
        read = digests_of(*read_from, *known.values(), *files_read.values())
        plain = {name: path_of(value) or "given" for name, value in (known | files_read).items()}
        options = {"model": self.name, **given, **plain, "dtype": self.dtype}
        made = with_provenance(result, "predict", options, read, weights=self.digest, source_meta=result.meta)
        if self._spec.frame is not None:
            made.meta.update(frame=self._spec.frame, units=self._spec.units)
        made.meta["prediction"] = meta
        return made


def _is_list(
    pictures: PictureLike | Sequence[PictureLike | Sequence[PictureLike]],
) -> TypeIs[Sequence[PictureLike | Sequence[PictureLike]]]:
    """Whether a list was handed in, which gives a list."""
    return isinstance(pictures, (list, tuple))


def _mask_files(options: ModelOptions, sample: Sequence[PictureLike]) -> list[str]:
    """The mask file of each picture of one sample; none where none is given."""
    from voxcli.models.object_options import ObjectOptions
    from voxcli.ops.cameras import file_beside

    mask = options.mask_file if isinstance(options, ObjectOptions) else None
    return [] if mask is None else [file_beside(mask, path_of(picture), len(sample), "mask") for picture in sample]


def _masked(inputs: Inputs, masks: Sequence[str]) -> Inputs:
    """A sample whose pictures have the alpha that masks state, where there are any."""
    from voxcli.ops.cutting import with_mask

    if not masks:
        return inputs
    pictures = zip(inputs.pictures, masks, strict=True)
    return replace(inputs, pictures=tuple(with_mask(picture, files.read_as(mask, Picture), mask) for picture, mask in pictures))
