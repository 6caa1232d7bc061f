"""Reader of Pascal3D+: photographs with boxes, viewpoints and CAD models.

ROOT/Annotations/CLASS_imagenet/NAME.mat      record.imgsize, record.objects (class, bbox, cad_index, viewpoint, truncated, ...)
ROOT/Images/CLASS_imagenet/NAME.JPEG          (also CLASS_pascal with .jpg)
ROOT/CAD/CLASS/01.off ..                      and 01.binvox where the user made them
Models have z up and their front along -y; cad_index counts from 1. A list of samples is a taxonomy of Pix2Vox (Pascal3D.json) or the
folder itself.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from voxcli.datasets.pictures import read_rgba
from voxcli.datasets.r2n2 import read_taxonomy
from voxcli.errors import DataError, FileFormatError, unknown_name
from voxcli.geometry.cameras import from_opengl, inverse_rigid
from voxcli.scene import Camera, VoxelGrid

if TYPE_CHECKING:
    from scipy.io.matlab import mat_struct

AXES = ("model", "shapenet")


@dataclass(frozen=True)
class Pascal3DSample:
    """image [H, W, 3] of a photograph; the largest object's box (x0, y0, x1, y1) in pixels, its CAD model, and the camera in the model's
    frame (z up, front -y), None where the annotation has no viewpoint.
    """

    name: str
    category: str
    image: np.ndarray
    box: np.ndarray
    cad_index: int
    camera: Camera | None


class Pascal3DFolder:
    """Photographs of one source, read on demand.

    taxonomy: a JSON of Pix2Vox with `split` train, val or test; None takes every annotation there is. source: imagenet or pascal.
    """

    def __init__(
        self,
        root: str | Path,
        taxonomy: str | Path | None = None,
        split: str = "test",
        categories: Sequence[str] | None = None,
        source: str = "imagenet",
    ):
        self.root, self.source = Path(root), source
        top = self.root / "Annotations"
        if not top.is_dir():
            raise DataError(f"'{root}' is no folder of Pascal3D+.", expected="a folder Annotations in it")
        if taxonomy is None:
            folders = sorted(p for p in top.glob(f"*_{source}") if p.is_dir())
            found = {p.name.removesuffix(f"_{source}"): sorted(f.stem for f in p.glob("*.mat")) for p in folders}
        else:
            if split not in ("train", "val", "test"):
                raise unknown_name("split", split, ("train", "val", "test"))
            found = {str(entry["taxonomy_name"]): entry[split] for entry in read_taxonomy(Path(taxonomy))}
        for category in categories or ():
            if category not in found:
                raise unknown_name("category", category, found)
        self.items = [(category, name) for category in found if categories is None or category in categories for name in found[category]]

    def __len__(self) -> int:
        return len(self.items)

    def name(self, index: int) -> str:
        """CLASS/NAME, for messages and for the seeds of items."""
        return "/".join(self.items[index])

    def _annotation(self, index: int) -> tuple[mat_struct, mat_struct]:
        """(record, its object with the largest box of the class)."""
        from scipy.io import loadmat

        category, name = self.items[index]
        path = self.root / "Annotations" / f"{category}_{self.source}" / f"{name}.mat"
        if not path.is_file():
            raise DataError(f"There is no annotation '{path}'.")
        try:
            record = loadmat(path, struct_as_record=False, squeeze_me=True, variable_names=["record"])["record"]
            objects = [o for o in np.atleast_1d(record.objects) if str(getattr(o, "class")) == category]
            return record, max(objects, key=lambda o: _area(o.bbox))
        except Exception as error:  # scipy's reader raises what it likes on a damaged file
            raise FileFormatError(f"'{path}' is no annotation of Pascal3D+.", actual=f"{type(error).__name__}: {error}") from error

    def image(self, index: int) -> np.ndarray:
        """The photograph, uint8 [H, W, 3]."""
        category, name = self.items[index]
        folder = self.root / "Images" / f"{category}_{self.source}"
        path = next((folder / (name + s) for s in (".JPEG", ".jpg", ".jpeg", ".png") if (folder / (name + s)).is_file()), None)
        if path is None:
            raise DataError(f"There is no picture '{folder / name}'.", expected=".JPEG or .jpg")
        if path.suffix == ".JPEG":
            from voxcli import files
            from voxcli.scene import Picture

            picture = files.read_as(path, Picture, format="jpg")
            return picture.rgb
        return read_rgba(path)[..., :3]

    def __getitem__(self, index: int) -> Pascal3DSample:
        record, largest = self._annotation(index)
        image = self.image(index)
        try:
            box, cad = np.array(largest.bbox, np.float64).reshape(4), int(largest.cad_index)
            camera = camera_of(largest.viewpoint, image.shape[1], image.shape[0]) if hasattr(largest, "viewpoint") else None
        except (AttributeError, TypeError, ValueError) as error:
            raise FileFormatError(f"The annotation of '{self.name(index)}' lacks something.", actual=str(error)) from error
        # MATLAB counts pixels from 1, and its boxes include their last ones.
        box = box - [1, 1, 0, 0]
        return Pascal3DSample(self.name(index), self.items[index][0], image, box, cad, camera)

    def volume(self, index: int, axes: str = "model") -> np.ndarray:
        """The CAD model's voxels [X, Y, Z] bool, from CAD/CLASS/NN.binvox (made by the user from NN.off).

        axes: model (z up, front -y, as the file has it) or shapenet (y up, front +x).
        """
        if axes not in AXES:
            raise unknown_name("axes", axes, AXES)
        from voxcli import files

        category = self.items[index][0]
        _, largest = self._annotation(index)
        path = self.root / "CAD" / category / f"{int(largest.cad_index):02d}.binvox"
        if not path.is_file():
            model, volume = (shlex.quote(str(path.with_suffix(suffix))) for suffix in (".off", ".binvox"))
            hint = f"Make it: voxcli fruxelize {model} --grid voxel --resolution 32 -o {volume}"
            raise DataError(f"There is no volume '{path}'.", hint=hint)
        values = np.asarray(files.read_as(path, VoxelGrid).values) != 0
        return np.ascontiguousarray(to_shapenet_axes(values) if axes == "shapenet" else values)


def to_shapenet_axes(values: np.ndarray) -> np.ndarray:
    """Voxels [X, Y, Z] of a model with z up and front -y, turned to y up and front +x: (x, y, z) becomes (-y, z, -x)."""
    return np.flip(values.transpose(1, 2, 0), (0, 2))


def _area(box: np.ndarray) -> float:
    x0, y0, x1, y1 = (float(v) for v in box)
    return (x1 - x0) * (y1 - y0)


def camera_of(viewpoint: mat_struct, width: int, height: int) -> Camera | None:
    """The camera of an annotation in the model's frame; None where it was not annotated finely (distance 0).

    At azimuth a, elevation e and distance d the camera stands at d (cos e sin a, -cos e cos a, sin e), looks at the origin with z up, and
    is then turned by theta about its axis; f in pixels is focal times viewport. MATLAB's pixel (1, 1) is our (0.5, 0.5).
    """
    names = ("azimuth", "elevation", "distance", "theta", "focal", "viewport", "px", "py")
    a, e, d, theta, focal, viewport, px, py = (float(getattr(viewpoint, name)) for name in names)
    if d == 0:
        return None
    a, e, theta = math.radians(a), math.radians(e), math.radians(theta)
    back = np.array([math.cos(e) * math.sin(a), -math.cos(e) * math.cos(a), math.sin(e)])  # from the origin to the camera: OpenGL's +z
    right = np.array([math.cos(a), math.sin(a), 0.0])
    turn = np.array([[math.cos(theta), -math.sin(theta), 0], [math.sin(theta), math.cos(theta), 0], [0, 0, 1.0]])
    world_to_gl = np.eye(4)
    world_to_gl[:3, :3] = turn @ np.stack([right, np.cross(back, right), back])
    world_to_gl[:3, 3] = -d * world_to_gl[:3, :3] @ back
    K = np.array([[focal * viewport, 0, px - 0.5], [0, focal * viewport, py - 0.5], [0, 0, 1.0]])
    return Camera(K, width, height, from_opengl(inverse_rigid(world_to_gl)))
