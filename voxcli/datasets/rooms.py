"""Reader of what `voxcli synth rooms` writes, as the tensors that pix2scene trains on: pictures, cameras and lights; depth and normals.

Layout: voxcli.datasets.synthetic.rooms.dataset. Pictures are linear light, as equation (1) makes it: no tone curve lies between them and
what `voxcli.geometry.surfels.render` returns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from voxcli.datasets.pictures import read_json
from voxcli.errors import DataError, FileFormatError
from voxcli.geometry.lighting import Lights
from voxcli.provenance import Meta
from voxcli.scene import Camera, Picture, Surfels


@dataclass(frozen=True)
class RoomBatch:
    """Rooms [B] as tensors, float32. Lengths in sides of the room, the camera frame x right, y down, z forward.

    images [B, 3, H, W] linear light 0..1; K [B, 3, 3]; world_to_cam [B, 4, 4]; eyes [B, 3] the cameras' places in the world, what the
    networks are told of them; albedo [B, 3]; ambient [B, 3], light_positions (world frame) and light_colours [B, L, 3]; shapes [B] int64,
    index into RoomsFolder.shapes of each room's first object. depth [B, H, W] (z) and normals [B, 3, H, W] where they were asked for.
    """

    images: Tensor
    K: Tensor
    world_to_cam: Tensor
    eyes: Tensor
    albedo: Tensor
    ambient: Tensor
    light_positions: Tensor
    light_colours: Tensor
    shapes: Tensor
    depth: Tensor | None = None
    normals: Tensor | None = None

    @property
    def lights(self) -> Lights:
        """The lights of equation (1), in the frame of each camera."""
        return Lights(self.ambient, self.light_positions, self.light_colours).moved(self.world_to_cam)

    def to(self, device: torch.device | str) -> RoomBatch:
        """The same on a device."""
        return replace(self, **{f.name: v.to(device) for f in fields(self) if (v := getattr(self, f.name)) is not None})


class RoomsFolder:
    """The rooms of a folder, sorted by name, read on demand. All share one size and one list of shapes.

    data[k] is one room as a batch of 1; data.batch([...]) several. truth: read depth and normals too. Raises DataError for an empty
    folder, FileFormatError for a damaged file.
    """

    def __init__(self, root: str | Path, truth: bool = False):
        self.root, self.truth = Path(root), truth
        self.names = sorted(path.stem for path in (self.root / "images").glob("*.png"))
        if not self.names:
            raise DataError(f"'{root}' holds no rooms.", hint="Make some with 'voxcli synth rooms -o DIR --count N'.")
        options = read_json(self.root / "meta.json", "facts of a data set").get("options", {})
        try:
            self.shapes = tuple(str(name) for name in options["shapes"])
            self.size, self.variant = int(options["size"]), str(options["variant"])
            self.random_lights = bool(options["random_lights"])
        except (KeyError, TypeError, ValueError) as error:
            raise FileFormatError(f"'{self.root / 'meta.json'}' does not describe rooms.", actual=str(error)) from error

    def __len__(self) -> int:
        return len(self.names)

    def name(self, index: int) -> str:
        """Of a room, for messages and for the seeds of items."""
        return self.names[index]

    def __getitem__(self, index: int) -> RoomBatch:
        return self.batch([index])

    def batch(self, indices: Sequence[int]) -> RoomBatch:
        """Several rooms."""
        rooms = [self._room(index) for index in indices]
        return RoomBatch(**{key: torch.from_numpy(np.stack([room[key] for room in rooms])) for key in rooms[0]})

    def camera(self, index: int) -> Camera:
        """The camera of the picture."""
        return self._cameras(index)[0]

    def surfels(self, index: int) -> Surfels:
        """The truth of the picture: depth, normals, material, camera."""
        return self._surfels(self.root / "surfels" / f"{self.names[index]}.npz")

    def turned(self, index: int) -> dict[int, Surfels]:
        """The truth seen from the cameras turned around the scene, by degrees (Table 2). Raises DataError where there is none."""
        turns = list(self._facts(index).get("turned", {}))
        if not turns:
            raise DataError(f"'{self.root}' has no turned views.", hint="Make the rooms with 'voxcli synth rooms --turned'.")
        return {int(turn): self._surfels(self.root / "turned" / f"{self.names[index]}-{int(turn):02d}.npz") for turn in turns}

    def _facts(self, index: int) -> Meta:
        return read_json(self.root / "facts" / f"{self.names[index]}.json", "facts of a room")

    def _surfels(self, path: Path) -> Surfels:
        from voxcli import files

        return files.read_as(path, Surfels)

    def _cameras(self, index: int) -> tuple[Camera, Meta]:
        facts = self._facts(index)
        try:
            own = facts["camera"]
            arrays = [np.array(own[key], np.float64) for key in ("K", "world_to_cam")]
            return Camera(arrays[0], int(own["width"]), int(own["height"]), arrays[1]), facts
        except (KeyError, TypeError, ValueError) as error:
            raise FileFormatError(f"'{self.root}': the facts of '{self.names[index]}' hold no camera.", actual=str(error)) from error

    def _room(self, index: int) -> dict[str, np.ndarray]:
        camera, facts = self._cameras(index)
        image = self._image(index, camera)
        R, t = camera.world_to_cam[:3, :3], camera.world_to_cam[:3, 3]
        try:
            lights = facts["lights"]
            numbers = {
                "K": camera.K, "world_to_cam": camera.world_to_cam, "eyes": -R.T @ t, "albedo": facts["albedo"],
                "ambient": lights["ambient"], "light_positions": lights["positions"], "light_colours": lights["colours"],
            }  # fmt: skip
            room = {"images": image} | {key: np.asarray(value, np.float32) for key, value in numbers.items()}
            room["shapes"] = np.array(self.shapes.index(facts["objects"][0]["shape"]))
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise FileFormatError(f"'{self.root}': the facts of '{self.names[index]}' are not whole.", actual=str(error)) from error
        if self.truth:
            surfels = self.surfels(index)
            room |= {"depth": surfels.depth.astype(np.float32), "normals": np.moveaxis(surfels.normals, -1, 0).astype(np.float32)}
        return room

    def _image(self, index: int, camera: Camera) -> np.ndarray:
        """Linear light, float32 [3, H, W] in 0..1."""
        from voxcli import files

        path = self.root / "images" / f"{self.names[index]}.png"
        rgb = files.read_as(path, Picture).rgb
        if rgb.dtype != np.uint8 or rgb.shape != (camera.height, camera.width, 3):
            raise FileFormatError(f"'{path}' does not fit its camera.", expected=f"{camera.width}x{camera.height}, 8 bits",
                                  actual=f"{rgb.shape[1]}x{rgb.shape[0]} {rgb.dtype}")  # fmt: skip
        return np.moveaxis(rgb, -1, 0).astype(np.float32) / 255
