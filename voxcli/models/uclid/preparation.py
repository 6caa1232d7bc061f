"""From pictures, cameras and depth maps as files hold them to what UCLID-Net reads.

A picture becomes a square of the network's size: white is put around the shorter sides and where alpha is below one half; values are 0..1,
with no mean taken off. Cameras and depth maps follow the picture into the square.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from voxcli.errors import DataError
from voxcli.geometry.backproject import check_sight, cube_points, unit_projection
from voxcli.geometry.surfels import ray_to_z_depth
from voxcli.models.uclid.regressors import LEAST_SIDE
from voxcli.provenance import Meta
from voxcli.scene.types import Camera, DepthMap, Picture

LEAST_SHOWN = 1 / 28
"""Share of the picture's longer side that the object's cube must cover under a given camera: fewer pixels than the finest grid has cells
hold nothing that could be told apart."""


def prepare(picture: Picture, side: int) -> tuple[Tensor, Meta]:
    """The network's picture [3, side, side] float32 in 0..1, and what was done.

    Raises DataError for a picture that is transparent everywhere.
    """
    height, width = picture.rgb.shape[:2]
    image = picture.rgb.astype(np.float32) / np.iinfo(picture.rgb.dtype).max
    painted = 0.0
    if picture.alpha is not None:
        hidden = picture.alpha < np.iinfo(picture.alpha.dtype).max / 2
        if hidden.all():
            raise DataError("The picture is transparent everywhere: there is nothing to see.", expected="alpha of at least one half")
        image[hidden] = 1.0
        painted = round(float(hidden.mean()), 4)
    square = torch.ones(3, max(height, width), max(height, width))
    top, left = _margins(height, width)
    square[:, top : top + height, left : left + width] = torch.from_numpy(image).permute(2, 0, 1)
    facts = {"padded": [left, top], "painted": painted, "side": side}
    return resized(square, side), facts


def resized(image: Tensor, side: int) -> Tensor:
    """[3, s, s] to [3, side, side], averaged where it shrinks; unchanged where it fits."""
    if image.shape[-1] == side:
        return image
    return F.interpolate(image[None], (side, side), mode="bilinear", align_corners=False, antialias=True)[0].clamp_(0, 1)


def projection_of(camera: Camera, picture: Picture) -> Tensor:
    """P [3, 4] float32 of a picture's camera, for the square. The camera's world is the object's cube.

    K may be for another resolution of the same picture. Raises DataError for other proportions, and for a camera that cannot see the
    cube, or sees it from so far that it covers next to nothing.
    """
    height, width = picture.rgb.shape[:2]
    if abs(camera.width * height - camera.height * width) > max(camera.height, height):
        raise DataError("The camera is for a picture of other proportions.", expected=f"about {width}x{height}",
                        actual=f"{camera.width}x{camera.height}")  # fmt: skip
    top, left = _margins(camera.height, camera.width)
    K = np.array(camera.K, np.float64)
    K[0, 2] += left
    K[1, 2] += top
    side = max(camera.width, camera.height)
    projection = unit_projection(torch.from_numpy(K), torch.from_numpy(np.asarray(camera.world_to_cam, np.float64)), side, side)
    check_sight(projection)
    _check_size(projection, side)
    return projection.float()


def _check_size(projection: Tensor, side: int) -> None:
    """Raise DataError where the object's cube shrinks to a few pixels of the camera's square: most often its unit is another."""
    corners = cube_points(2, projection).reshape(8, 3) @ projection[:, :3].T + projection[:, 3]
    if not bool((corners[:, 2] > 0).all()):
        return  # the camera stands in the cube or beside it
    places = corners[:, :2] / corners[:, 2:]
    shown = float((places.amax(0) - places.amin(0)).max()) / 2
    if shown >= LEAST_SHOWN:
        return
    distance = float(projection[2, 3])
    hint = "A camera's world is the object's frame, in halves of its longest side."
    for factor, unit in ((1000.0, "millimetres"), (100.0, "centimetres")):
        if 0.02 < shown * factor < 4:
            hint += f" It looks as if the camera stood in {unit}: scale its translation by {1 / factor:g}."
            break
    raise DataError(
        "The camera stands so far away that the object's cube covers next to nothing of the picture: another unit?",
        expected=f"at least {max(1.0, LEAST_SHOWN * side):.3g} of {side} pixels, as at a distance of {distance * shown / LEAST_SHOWN:.3g}",
        actual=f"{shown * side:.2g} pixels at a distance of {distance:.4g}", hint=hint,
    )  # fmt: skip


def square_depth(depth: DepthMap, picture: Picture, camera: Camera | None) -> Tensor:
    """z-depth [s, s] float32 for the square, NaN where there is nothing. The map may have another resolution than its picture.

    Pixels of small maps are repeated, of large ones left out, so that s is from 112 to about 336.
    Distances along rays become z-depth, for which the camera must be known. Raises DataError for other proportions and for empty maps.
    """
    height, width = depth.depth.shape
    rows, columns = picture.rgb.shape[:2]
    if abs(width * rows - height * columns) > max(height, rows):
        raise DataError("The depth map has other proportions than its picture.", expected=f"about {columns}x{rows}",
                        actual=f"{width}x{height}")  # fmt: skip
    values = torch.from_numpy(np.asarray(depth.depth, np.float32))
    if depth.kind == "ray":
        known = depth.camera or camera
        if known is None:
            raise DataError("Depths along rays need a camera.", hint="Name it with --camera, or give z-depth.")
        share = np.diag([width / known.width, height / known.height, 1.0])
        values = ray_to_z_depth(values, torch.from_numpy(share @ known.K).float())
    values = values.masked_fill(~(values > 0), torch.nan)
    if not bool(torch.isfinite(values).any()):
        raise DataError("The depth map shows nothing: all of it is empty.")
    top, left = _margins(height, width)
    square = torch.full((max(height, width),) * 2, torch.nan)
    square[top : top + height, left : left + width] = values
    repeats, step = -(-LEAST_SIDE // len(square)), max(1, len(square) // (2 * LEAST_SIDE))
    return square.repeat_interleave(repeats, 0).repeat_interleave(repeats, 1)[step // 2 :: step, step // 2 :: step]


def _margins(height: int, width: int) -> tuple[int, int]:
    """Rows above and columns left of a picture in its square."""
    side = max(height, width)
    return (side - height) // 2, (side - width) // 2
