"""What a picture shows to a network's camera: cropped, padded and resampled; and what of the frustum it does not show."""

from __future__ import annotations

import math
from dataclasses import dataclass
from math import ceil, floor

import numpy as np

from voxcli.errors import DataError
from voxcli.provenance import Meta
from voxcli.scene.labels import Labels
from voxcli.scene.types import Camera, Frustum, Picture

SMALLEST = 8
"""Pixels a side of the smallest picture that is taken: of less, nothing could be told, and any scene would be invented."""


@dataclass(frozen=True)
class Fitted:
    """A picture as the network's camera would have taken it.

    image: uint8 [scale * H, scale * W, 3] for a frustum of H x W columns.
    part: [left, top, right, bottom] of what `image` shows, in pixels of the upright picture as its file holds it; may reach beyond it.
    unseen: bool [H, W], columns of the frustum whose middle the picture does not show; `image` repeats the picture's border there.
    lost: share of the picture that `image` does not show, 0 to 1.
    fov_x_deg: the horizontal field of view of the whole picture, known or assumed. source: camera, given, EXIF or assumed.
    """

    image: np.ndarray
    part: list[float]
    unseen: np.ndarray
    lost: float
    fov_x_deg: float
    source: str

    @property
    def facts(self) -> Meta:
        """What a prediction's meta says of it, ready for JSON."""
        return {
            "crop": self.part, "fov_assumed": self.source == "assumed", "fov_x_deg": round(self.fov_x_deg, 4), "fov_source": self.source,
            "picture_lost": round(self.lost, 4), "frustum_unseen": round(float(self.unseen.mean()), 4),
        }  # fmt: skip


def fit(
    picture: Picture, frustum: Frustum, *, scale: int = 1, fov_x_deg: float | None = None, camera: Camera | None = None,
    whole: bool = False,
) -> Fitted:  # fmt: skip
    """The image that the network's camera would have taken, with `scale` x `scale` pixels a column of the frustum.

    What the picture spans is known from the camera, else from fov_x_deg (horizontal, degrees), else from the picture itself (its EXIF).
    Then the picture is resampled to exactly what the network's camera would have seen: a wider one loses its border, a narrower one
    leaves columns of the frustum unseen.

    With none of the three, the middle of the picture is taken for the middle of the frustum, and its size is assumed:
    - by default, the largest centred part of the frustum's aspect spans the frustum. Nothing is unseen; what a wider or taller picture
      has besides is lost.
    - with `whole`, the whole picture lies within the frustum and touches two of its sides. Nothing is lost; a picture of another
      aspect leaves columns unseen: a wider one above and below, a taller one at the left and right.

    Raises DataError for a picture of fewer than 8 pixels a side, a camera of an image of another size, and a field of view with which
    picture and frustum share less than a pixel.
    """
    width, height = picture.size
    if min(height, width) < SMALLEST:
        raise DataError(f"The picture is smaller than {SMALLEST} pixels a side.", actual=f"{width}x{height}")
    (fx, fy), (cx, cy), source = _lens(picture, frustum, fov_x_deg, camera, whole)
    fov = math.degrees(2 * math.atan(width / 2 / fx))
    step_x, step_y = fx / frustum.focal, fy / frustum.focal  # pixels of the picture to one column of the frustum
    if step_x > width or step_y > height or min(step_x * frustum.width, step_y * frustum.height) < 1:
        if source == "assumed":
            raise DataError("The picture is too long and narrow for the model: it would span less than a pixel of its image.",
                            expected=f"about {frustum.width}:{frustum.height}", actual=f"{width}x{height}",
                            hint="Cut out what is to be seen.")  # fmt: skip
        raise DataError(
            f"With a field of view of {fov:.4g} degrees the picture and the model's image share less than a pixel.",
            expected=f"one near the model's own {frustum.fov_x_deg:g} degrees", hint="Check --fov or --camera.",
        )  # fmt: skip
    left, top = cx - step_x * frustum.width / 2, cy - step_y * frustum.height / 2
    box = [left, top, left + step_x * frustum.width, top + step_y * frustum.height]
    if box[0] >= width or box[1] >= height or box[2] <= 0 or box[3] <= 0:
        part = ", ".join(f"{edge:.4g}" for edge in box)
        raise DataError("The picture shows nothing of what the model's camera sees.", actual=f"part [{part}] of {width}x{height} pixels")
    x, y = left + (np.arange(frustum.width) + 0.5) * step_x, top + (np.arange(frustum.height) + 0.5) * step_y
    seen = ((y > 0) & (y < height))[:, None] & ((x > 0) & (x < width))
    shown = (min(box[2], width) - max(left, 0)) * (min(box[3], height) - max(top, 0))
    # A picture that was read at a reduced size has fewer pixels than its file.
    shrink = [picture.rgb.shape[1] / width, picture.rgb.shape[0] / height] * 2
    shrunk = [edge * factor for edge, factor in zip(box, shrink, strict=True)]
    image = _resample(picture.rgb, shrunk, scale * frustum.width, scale * frustum.height)
    return Fitted(image, [round(v, 4) for v in box], ~seen, max(0.0, 1 - shown / (width * height)), fov, source)


def leave_out(labels: np.ndarray, unseen: np.ndarray, classes: Labels, probabilities: np.ndarray | None = None) -> None:
    """Mark columns that a picture does not show, in place: labels [D, H, W] take the ignore label (the empty one where the classes have
    none), probabilities [n, D, H, W] become 0. unseen: bool [H, W]."""
    if not unseen.any():
        return
    labels[:, unseen] = classes.ignore if classes.ignore is not None else classes.empty or 0
    if probabilities is not None:
        probabilities[:, :, unseen] = 0


def _lens(
    picture: Picture, frustum: Frustum, fov_x_deg: float | None, camera: Camera | None, whole: bool
) -> tuple[tuple[float, float], tuple[float, float], str]:
    """Focal lengths and principal point in pixels of the picture's file, and where they are known from."""
    width, height = picture.size
    if camera is not None:
        if (camera.width, camera.height) != (width, height):
            raise DataError(
                "The camera is that of an image of another size.", expected=f"{width}x{height}", actual=f"{camera.width}x{camera.height}",
                hint="Give the camera of the whole image, or --fov alone.",
            )  # fmt: skip
        return (camera.K[0, 0], camera.K[1, 1]), (camera.K[0, 2], camera.K[1, 2]), "camera"
    known = picture.fov_x_deg if fov_x_deg is None else fov_x_deg
    if known is not None:
        focal, source = Frustum(width, height, 1, 1.0, 2.0, known).focal, "EXIF" if fov_x_deg is None else "given"
    else:
        focal, source = frustum.focal * (max if whole else min)(width / frustum.width, height / frustum.height), "assumed"
    return (focal, focal), (width / 2, height / 2), source


def _resample(rgb: np.ndarray, box: list[float], columns: int, rows: int) -> np.ndarray:
    """A box of an image, which may reach beyond it, at another size: area averages down, bilinear up."""
    from PIL import Image

    height, width = rgb.shape[:2]
    step_x, step_y = (box[2] - box[0]) / columns, (box[3] - box[1]) / rows
    # Whole pixels of the result that touch the image; the rest repeats their border.
    first_x, first_y = max(0, floor(-box[0] / step_x)), max(0, floor(-box[1] / step_y))
    last_x, last_y = min(columns, ceil((width - box[0]) / step_x)), min(rows, ceil((height - box[1]) / step_y))
    left, right = box[0] + first_x * step_x, box[0] + last_x * step_x
    top, bottom = box[1] + first_y * step_y, box[1] + last_y * step_y
    # Nothing of a large picture is copied but what is looked at, with a pixel around it for interpolation.
    x0, x1, y0, y1 = floor(left) - 1, ceil(right) + 1, floor(top) - 1, ceil(bottom) + 1
    near = rgb[max(y0, 0) : min(y1, height), max(x0, 0) : min(x1, width)]
    if near.dtype == np.uint16:
        near = (near >> 8).astype(np.uint8)
    beyond = [(max(-y0, 0), max(y1 - height, 0)), (max(-x0, 0), max(x1 - width, 0)), (0, 0)]
    near = np.pad(near, beyond, mode="edge") if np.any(beyond) else np.ascontiguousarray(near)
    how = Image.Resampling.BOX if max(step_x, step_y) >= 1 else Image.Resampling.BILINEAR
    part = (left - x0, top - y0, right - x0, bottom - y0)
    small = np.asarray(Image.fromarray(near).resize((last_x - first_x, last_y - first_y), how, box=part))
    return np.pad(small, ((first_y, rows - last_y), (first_x, columns - last_x), (0, 0)), mode="edge")
