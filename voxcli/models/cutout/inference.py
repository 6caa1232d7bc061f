"""The mask head at work: a photograph of any size in, the object's mask out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch

from voxcli import config
from voxcli.models.base import CutsOut, TrainedNetwork
from voxcli.models.cutout.network import CutOut, CutOutConfig

if TYPE_CHECKING:
    from voxcli.provenance import Json

Box = tuple[float, float, float, float]

MARGIN = 1.35
"""Side of the square that is looked at again, as a multiple of the object's longer side."""

SECOND_LOOK = 0.8
"""It is looked at again where that square is smaller than this share of the picture: outlines are then finer."""


class ObjectCutter(TrainedNetwork[CutOut], CutsOut):
    """A trained network."""

    dtypes = ("float32",)

    @classmethod
    def build(cls, mapping: Mapping[str, Json], what: str) -> CutOut:
        """The network of a configuration."""
        return CutOut(config.from_mapping(CutOutConfig, mapping, what))

    def mask(self, rgb: np.ndarray) -> np.ndarray:
        """The whole picture is looked at, then the square around what was found, in which the object is larger."""
        height, width = rgb.shape[:2]
        whole = _padded_box((0, 0, width, height))
        first = self._of_box(rgb, whole)
        found = first > 0.5
        rows, columns = found.any(1).nonzero()[0], found.any(0).nonzero()[0]
        if not len(rows):
            return first
        box = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
        half = MARGIN / 2 * max(box[2] - box[0], box[3] - box[1])
        if 2 * half > SECOND_LOOK * max(width, height):
            return first
        x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        return self._of_box(rgb, (x - half, y - half, x + half, y + half))

    def _of_box(self, rgb: np.ndarray, box: Box) -> np.ndarray:
        """How surely each pixel of the picture shows the object, as a square of it tells; 0 beyond the square. [H, W]"""
        from PIL import Image

        side, (height, width) = self.network.config.side, rgb.shape[:2]
        left, top, right, bottom = (round(each) for each in box)
        inner = (max(left, 0), max(top, 0), min(right, width), min(bottom, height))
        scale = side / max(right - left, bottom - top)
        size = max(1, round(scale * (inner[2] - inner[0]))), max(1, round(scale * (inner[3] - inner[1])))
        part = np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.BILINEAR, box=inner))
        at = (min(round(scale * (inner[0] - left)), side - size[0]), min(round(scale * (inner[1] - top)), side - size[1]))
        margins = ((at[1], side - size[1] - at[1]), (at[0], side - size[0] - at[0]), (0, 0))
        square = np.pad(part, margins, mode="edge")
        with torch.inference_mode():
            picture = torch.from_numpy(square).permute(2, 0, 1)[None].to(self.device, self.dtype) / 255
            share = torch.sigmoid(self.network(picture)[0].float()).cpu().numpy()
        share = share[at[1] : at[1] + size[1], at[0] : at[0] + size[0]]
        out = np.zeros((height, width), np.float32)
        fitted = Image.fromarray(share).resize((inner[2] - inner[0], inner[3] - inner[1]), Image.Resampling.BILINEAR)
        out[inner[1] : inner[3], inner[0] : inner[2]] = np.asarray(fitted)
        return out


def _padded_box(box: Box) -> Box:
    """The square about a box."""
    x, y, half = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2, max(box[2] - box[0], box[3] - box[1]) / 2
    return x - half, y - half, x + half, y + half
