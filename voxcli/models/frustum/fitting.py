"""What a picture shows to a network's camera: cropped, padded and resampled."""

from __future__ import annotations

import math
from math import ceil, floor

import numpy as np

from voxcli.errors import DataError
from voxcli.scene.types import Camera, Frustum, Picture

SMALLEST = 8
"""Pixels a side of the smallest picture that is taken: of less, nothing could be told, and any scene would be invented."""


def fit(picture: Picture, frustum: Frustum, fov_x_deg: float | None = None, camera: Camera | None = None) -> tuple[np.ndarray, list[float]]:
    """The image that the model's camera would have taken, uint8 [H, W, 3], and the part of the picture that it shows.

    That part is [left, top, right, bottom] in pixels of the picture; it may reach beyond, where the border is repeated. With
    neither field of view nor camera, the largest centred part of the model's aspect is taken to span the model's field of view.
    """
    height, width = picture.rgb.shape[:2]
    if min(height, width) < SMALLEST:
        raise DataError(f"The picture is smaller than {SMALLEST} pixels a side.", actual=f"{width}x{height}")
    if camera is not None and (camera.width, camera.height) != (width, height):
        raise DataError(
            "The camera is that of an image of another size.", expected=f"{width}x{height}", actual=f"{camera.width}x{camera.height}"
        )
    if camera is not None:
        (fx, _, cx), (_, fy, cy) = camera.K[0], camera.K[1]
    else:
        cx, cy = width / 2, height / 2
        if fov_x_deg is not None:
            fx = fy = Frustum(width, height, 1, 1.0, 2.0, fov_x_deg).focal
        else:
            fx = fy = frustum.focal * min(width / frustum.width, height / frustum.height)
    step_x, step_y = fx / frustum.focal, fy / frustum.focal  # pixels of the picture to one of the model's image
    if step_x > width or step_y > height or min(step_x * frustum.width, step_y * frustum.height) < 1:
        fov = math.degrees(2 * math.atan(width / 2 / fx))
        raise DataError(
            f"With a field of view of {fov:.4g} degrees the picture and the model's image share less than a pixel.",
            expected=f"one near the model's own {frustum.fov_x_deg:g} degrees", hint="Check --fov or --camera.",
        )  # fmt: skip
    left, top = cx - step_x * frustum.width / 2, cy - step_y * frustum.height / 2
    box = [left, top, left + step_x * frustum.width, top + step_y * frustum.height]
    if box[0] >= width or box[1] >= height or box[2] <= 0 or box[3] <= 0:
        raise DataError("The picture shows nothing of what the model's camera sees.", actual=f"part {box} of {width}x{height} pixels")
    return _resample(picture.rgb, box, frustum.width, frustum.height), [round(v, 4) for v in box]


def _resample(rgb: np.ndarray, box: list[float], columns: int, rows: int) -> np.ndarray:
    """A box of an image, which may reach beyond it, at another size: area averages down, bilinear up."""
    from PIL import Image

    if rgb.dtype == np.uint16:
        rgb = (rgb >> 8).astype(np.uint8)
    height, width = rgb.shape[:2]
    step_x, step_y = (box[2] - box[0]) / columns, (box[3] - box[1]) / rows
    # Whole pixels of the result that touch the image; the rest repeats their border.
    first_x, first_y = max(0, floor(-box[0] / step_x)), max(0, floor(-box[1] / step_y))
    last_x, last_y = min(columns, ceil((width - box[0]) / step_x)), min(rows, ceil((height - box[1]) / step_y))
    margin_x, margin_y = ceil(step_x) + 1, ceil(step_y) + 1
    padded = np.pad(rgb, ((margin_y, margin_y), (margin_x, margin_x), (0, 0)), mode="edge")
    part = (
        box[0] + first_x * step_x + margin_x, box[1] + first_y * step_y + margin_y,
        box[0] + last_x * step_x + margin_x, box[1] + last_y * step_y + margin_y,
    )  # fmt: skip
    how = Image.Resampling.BOX if max(step_x, step_y) >= 1 else Image.Resampling.BILINEAR
    small = np.asarray(Image.fromarray(padded).resize((last_x - first_x, last_y - first_y), how, box=part))
    return np.pad(small, ((first_y, rows - last_y), (first_x, columns - last_x), (0, 0)), mode="edge")
