"""Reader of Pix3D: photographs with masks, aligned models, cameras and voxels.

ROOT/pix3d.json                  a list: img, category, img_size, mask, model, voxel, rot_mat, trans_mat, focal_length, bbox, ...
ROOT/img/chair/0001.png          photographs; ROOT/mask/... masks
ROOT/model/chair/IKEA_X/model.obj, voxel.mat    ROOT/.../model.binvox where the user made one, which is then taken

A camera here is x left, y up, z into the picture: x_cam = rot_mat x + trans_mat of the model's vertices; f in pixels is
focal_length (mm) times the picture's width over 32 mm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from voxcli.datasets.pictures import inside, read_json, read_rgba
from voxcli.errors import DataError, FileFormatError, VoxcliError, unknown_name
from voxcli.geometry.cameras import from_pytorch3d
from voxcli.provenance import Meta
from voxcli.scene import Camera, VoxelGrid

MISMATCHED = ("img/table/1749.jpg", "img/table/0045.png")
"""Pictures whose masks belong to others: left out by every evaluation."""

AXES = ("voxel", "model", "shapenet")
_KEYS = ("img", "category", "img_size", "mask", "model", "voxel", "rot_mat", "trans_mat", "focal_length", "bbox")


@dataclass(frozen=True)
class Pix3DSample:
    """image [H, W, 3] and mask [H, W] bool of a photograph; box (x0, y0, x1, y1) of the object in pixels; the camera looks at the
    model's own frame (x left, y up, z in); model: the file with its mesh.
    """

    name: str
    category: str
    image: np.ndarray
    mask: np.ndarray
    box: np.ndarray
    camera: Camera
    model: Path


class Pix3DFolder:
    """The photographs of some categories, read on demand.

    categories: which to keep; None for all. evaluation: only those that are neither truncated nor (slightly) occluded; for chairs, these
    are the 2,894 of the paper.
    """

    def __init__(self, root: str | Path, categories: Sequence[str] | None = ("chair",), evaluation: bool = True):
        self.root = Path(root)
        entries = read_json(self.root / "pix3d.json", "list of Pix3D")
        if not isinstance(entries, list) or not all(isinstance(e, dict) and all(k in e for k in _KEYS) for e in entries):
            raise FileFormatError(f"'{self.root / 'pix3d.json'}' is no list of Pix3D.", expected=f"objects with {', '.join(_KEYS)}")
        known = list(dict.fromkeys(str(e["category"]) for e in entries))
        for category in categories or ():
            if category not in known:
                raise unknown_name("category", category, known)
        self.entries: list[Meta] = []
        for entry in entries:
            hidden = any(entry.get(key) for key in ("truncated", "occluded", "slightly_occluded"))
            wanted = categories is None or entry["category"] in categories
            if wanted and entry["img"] not in MISMATCHED and not (evaluation and hidden):
                self.entries.append(entry)

    def __len__(self) -> int:
        return len(self.entries)

    def name(self, index: int) -> str:
        """CATEGORY/NAME of the photograph, as Pix2Vox's list names it."""
        entry = self.entries[index]
        return f"{entry['category']}/{Path(entry['img']).stem}"

    def _path(self, index: int, key: str) -> Path:
        return inside(self.root, str(self.entries[index][key]), "pix3d.json")

    def camera(self, index: int) -> Camera:
        """The camera in the model's own frame, for the photograph's size as the list states it."""
        entry = self.entries[index]
        try:
            width, height = (int(v) for v in entry["img_size"])
            rotation, shift = np.array(entry["rot_mat"], np.float64).reshape(3, 3), np.array(entry["trans_mat"], np.float64).reshape(3)
            focal = float(entry["focal_length"]) * width / 32
            K = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1.0]])
            return Camera(K, width, height, from_pytorch3d(rotation.T, shift))
        except (TypeError, ValueError, VoxcliError) as error:
            raise FileFormatError(f"pix3d.json states no camera for '{self.name(index)}'.", actual=str(error)) from error

    def volume(self, index: int, axes: str = "voxel") -> np.ndarray:
        """Solid voxels [X, Y, Z] bool: model.binvox beside the model where there is one, else the .mat of the list.

        axes: voxel (x left, y out, z up: as the .mat has it), model (x left, y up, z in: as the mesh; binvox files have it too), or
        shapenet (y up, front +x, where the model's front looks out of the picture).
        """
        if axes not in AXES:
            raise unknown_name("axes", axes, AXES)
        from voxcli import files

        own = self._path(index, "model").with_suffix(".binvox")
        path = own if own.is_file() else self._path(index, "voxel")
        if not path.is_file():
            raise DataError(f"'{self.name(index)}' has no voxels.", expected=f"{own.name} or {path.name}")
        values = np.asarray(files.read_as(path, VoxelGrid).values) != 0
        if path == own:
            values = np.flip(values, 2).transpose(0, 2, 1) if axes == "voxel" else values
        elif axes != "voxel":
            values = np.flip(values.transpose(0, 2, 1), 2)
        if axes == "shapenet":
            values = np.flip(values, 2).transpose(2, 1, 0)  # (x, y, z) of the model is (z, y, -x) there
        return np.ascontiguousarray(values)

    def __getitem__(self, index: int) -> Pix3DSample:
        entry = self.entries[index]
        image, mask = read_rgba(self._path(index, "img"))[..., :3], read_rgba(self._path(index, "mask"))[..., 0] > 127
        if image.shape[:2] != mask.shape:
            raise DataError(f"Picture and mask of '{self.name(index)}' differ in size.", expected=image.shape[:2], actual=mask.shape)
        camera = self.camera(index)
        if image.shape[:2] != (camera.height, camera.width):
            raise DataError(f"'{self.name(index)}' does not have the size that pix3d.json states.",
                            expected=f"{camera.width}x{camera.height}", actual=f"{image.shape[1]}x{image.shape[0]}")  # fmt: skip
        box = np.array(entry["bbox"], np.float64).reshape(4)
        return Pix3DSample(self.name(index), str(entry["category"]), image, mask, box, camera, self._path(index, "model"))
