"""`voxcli.segment`: labelled scenes into instances, pictures into classes, shapes into parts, objects out of their pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np

from voxcli import files
from voxcli.api.arguments import Probability, python_call
from voxcli.api.prediction import Model, load
from voxcli.api.things import Device, Path, ShapeLike, as_picture, as_shape, digests_of, is_path, is_picture, path_of
from voxcli.errors import DataError, UsageError
from voxcli.options import Interval
from voxcli.scene import FruxelGrid, Mesh, Picture, PointCloud, SceneType, VoxelGrid

if TYPE_CHECKING:
    from voxcli.api.things import PictureLike
    from voxcli.provenance import Json

Length = Annotated[float | None, Interval("[0, inf)")]


@dataclass(frozen=True)
class Segmentation:
    """What `segment` found.

    thing: a grid whose labels are instances (0 is air, k the k-th piece), the shape with labels of parts, or the picture with the object's
    alpha. pieces: a row for each, as the JSON of `voxcli segment` lists them: class, centre, size, volume and boxes. image: of what a
    camera sees, the class of each pixel [H, W] (a picture's own pixels; True where its object is), else None. scene: the labelled scene
    that was divided, else None.
    """

    thing: FruxelGrid | VoxelGrid | Mesh | PointCloud | Picture
    pieces: tuple[Mapping[str, Json], ...]
    image: np.ndarray | None = None
    scene: FruxelGrid | VoxelGrid | None = None


@python_call()
def segment(
    thing: ShapeLike | PictureLike, *, model: Model | str | None = None, weights: Path | None = None, gap: Length = None,
    min_volume: Length = None, only: Sequence[str] = (), threshold: Probability = 0.5, device: Device = "auto",
) -> Segmentation:  # fmt: skip
    """Divide a labelled scene into instances, a picture into classes and instances, or a shape into parts, as `voxcli segment` does.

    Args:
        thing: a FruxelGrid, VoxelGrid, picture, or with model "jof" or "bae" a mesh, points or voxels; or the path of any of them.
        model: of pictures a Model or the name of one that makes scenes (ssz), or "objects" for the object that the picture is of; of
            shapes "jof" or "bae".
        weights: a .safetensors file in place of the model's own.
        gap: cells of one class that lie at most so far apart belong together (world units); default 0.1 for fruxels, else 0.
        min_volume: smaller instances are left out (cubic units); default 0.01 for fruxels, else 0.
        only: the classes to keep; all where none is named.
        threshold: occupancy from which a cell without labels is solid.
        device: where the model computes.

    Returns:
        A Segmentation.

    Raises:
        VoxcliError: what has neither cells nor a model that divides it, or a class that is not there.

    >>> import numpy, voxcli
    >>> cells = numpy.zeros((4, 4, 4), bool)
    >>> cells[0, 0, 0] = cells[3, 3, 3] = True
    >>> [piece["volume"] for piece in voxcli.segment(cells).pieces]
    [1.0, 1.0]
    """
    from voxcli.models.base import CutsOut, DividesShapes
    from voxcli.models.registry import able, predicting, spec_of
    from voxcli.ops.instances import SceneSegmentation, instances_record, labelled_grid, piece_grid, segment_scene
    from voxcli.ops.label_images import label_image

    held = _held(thing)
    if model in able(DividesShapes):
        assert isinstance(model, str)
        return _parts(held, model, weights, threshold, str(device))
    if model in able(CutsOut):
        return _object(held, weights, str(device), digests_of(thing))
    segmentation = SceneSegmentation(gap, min_volume, (only,) if isinstance(only, str) else tuple(only), "instance", threshold)
    segmentation.check()
    picture = held if isinstance(held, Picture) else None
    if picture is not None:
        network = load(model, weights=weights, device=device) if model is None or isinstance(model, str) else model
        held = network.predict(picture)
        if not isinstance(held, FruxelGrid):
            makers = [name for name in predicting() if spec_of(name).gives == "FruxelGrid"]
            raise UsageError(f"{network.name} makes no labelled scenes of pictures.", expected=" or ".join(makers), actual=network.name)
    if not isinstance(held, (FruxelGrid, VoxelGrid)):
        raise DataError("There are no cells to tell apart.", expected="fruxels, voxels or a picture", actual=type(held).__name__,
                        hint='Parts of a shape: model="jof". Or fill it first: voxcli.voxelize.')  # fmt: skip
    scene = labelled_grid(held, threshold)
    found = segment_scene(scene, segmentation)
    rows = instances_record(scene, found, {})["instances"]
    seen = None
    if isinstance(scene, FruxelGrid):
        seen = label_image(_with_crop(scene), picture)
    return Segmentation(piece_grid(scene, found, "instance"), tuple(rows), seen, scene)


def _held(thing: ShapeLike | PictureLike) -> SceneType:
    if is_path(thing):
        return files.read(path_of(thing))
    if is_picture(thing):
        return as_picture(thing)
    return as_shape(thing, "thing")


def _object(held: SceneType, weights: Path | None, device: str, digests: Mapping[str, str]) -> Segmentation:
    from voxcli.ops.conversions import with_provenance
    from voxcli.ops.cutting import cut_out, mask_head

    if not isinstance(held, Picture):
        raise DataError("This is no picture to cut an object out of.", expected="a picture", actual=type(held).__name__)
    path = path_of(weights) or None
    mask_head(device, path)  # an error where there are no weights
    cut = cut_out(held, None, device, path)
    digest = cut.facts.get("weights")
    made = with_provenance(cut.picture, "segment", {"model": "objects"}, digests, weights=None if digest is None else str(digest))
    made.meta.update(cut.meta)
    alpha = cut.picture.alpha
    shown = np.zeros(held.rgb.shape[:2], bool) if alpha is None else alpha > np.iinfo(alpha.dtype).max // 2
    return Segmentation(made, (), shown)


def _with_crop(scene: FruxelGrid) -> FruxelGrid:
    """A prediction with the part of the picture that it shows where `label_image` looks for it."""
    from dataclasses import replace

    prediction = scene.meta.get("prediction")
    if not isinstance(prediction, dict) or "crop" not in prediction:
        return scene
    return replace(scene, meta=scene.meta | {"crop": prediction["crop"]})


def _parts(held: SceneType, model: str, weights: Path | None, threshold: float, device: str) -> Segmentation:
    from voxcli.models.base import DividesShapes
    from voxcli.models.registry import load_network, weights_of
    from voxcli.ops.shape_parts import label_parts
    from voxcli.provenance import sha256_file

    path = weights_of(model, path_of(weights) or None)
    if not isinstance(held, (Mesh, PointCloud, VoxelGrid)):
        raise DataError("This is no shape to tell parts of.", expected="a mesh, points or voxels", actual=type(held).__name__)
    network = load_network(model, path, device)
    assert isinstance(network, DividesShapes)
    labelled, rows = label_parts(network, held, threshold)
    labelled.meta.update(weights=sha256_file(path))
    return Segmentation(labelled, tuple(rows))
