"""SSZ at work: pictures of any size in, labelled fruxels out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, floor
from pathlib import Path
from typing import Any

import numpy as np
import torch

from voxcli import backend, config
from voxcli.backend import keep_freed_memory
from voxcli.errors import DataError, FileFormatError, UsageError
from voxcli.models.offers import Offers
from voxcli.models.ssz.instances import find_instances
from voxcli.models.ssz.network import SSZ, Generator, SSZConfig, build
from voxcli.models.weights import Weights, load_weights
from voxcli.scene.labels import Labels
from voxcli.scene.types import Camera, Frustum, FruxelGrid, Picture

OFFERS = Offers("FruxelGrid", frozenset({"fov_x_deg", "camera", "probabilities", "poses"}))


SMALLEST = 8
"""Pixels a side of the smallest picture that is taken: of less, nothing could be told, and any scene would be invented."""


@dataclass(frozen=True)
class Predictor:
    """A trained generator with what its numbers mean: the frustum of its output and its classes."""

    network: Generator
    frustum: Frustum
    classes: Labels
    device: torch.device
    dtype: torch.dtype


def load_predictor(weights: str | Path | Weights = "ssz", device: str = "auto", dtype: str = "auto") -> Predictor:
    """A predictor from a weights file, the name of shipped weights, or weights in memory.

    dtype `auto` is bfloat16 on CUDA and on processors that multiply it in hardware, float32 elsewhere.
    """
    name = "The weights" if isinstance(weights, Weights) else f"'{weights}'"
    if not isinstance(weights, Weights):
        weights = load_weights(weights)
    if weights.model != "ssz":
        raise FileFormatError(f"{name}: weights of another model.", expected="ssz", actual=weights.model)
    where, facts = backend.pick_device(device), weights.facts
    settings = config.from_mapping(SSZConfig, weights.config, f"{name}: configuration")
    network = build(settings)
    try:
        network.load_state_dict(weights.tensors)
        frustum = Frustum(settings.width, settings.height, settings.depth, **facts["frustum"])
        classes = Labels(tuple(facts["label_names"]), facts["empty_label"], facts["ignore_label"])
    except (RuntimeError, KeyError, TypeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise FileFormatError(f"{name}: weights that do not fit their own configuration.", actual=reason) from error
    number = backend.pick_dtype(dtype, where)
    if where.type == "cpu":
        keep_freed_memory()
    network = network.eval().requires_grad_(False).to(where, number)
    if isinstance(network, SSZ):
        network.discriminator.float()  # poses are in metres: not to be rounded to three digits
    return Predictor(network, frustum, classes, where, number)


def predict(
    predictor: Predictor, pictures: Sequence[Picture], *, fov_x_deg: float | None = None, camera: Camera | None = None,
    probabilities: bool = False, batch_size: int = 1, poses: bool = False,
) -> Iterator[FruxelGrid]:  # fmt: skip
    """The fruxels of each picture, in order.

    Pictures are cropped or padded to the model's frustum (see `fit`). fov_x_deg: the pictures' horizontal field of view; camera:
    their whole camera, whose place in the world the result takes over. probabilities: B of equation (1) as float16 comes along.
    poses: meta["instances"] lists the objects and their poses (see `find_instances`); needs weights with a discriminator.
    """
    judge = getattr(predictor.network, "discriminator", None)
    if poses and judge is None:
        raise UsageError("These weights tell no poses: they hold no discriminator.", hint="Train: voxcli train --recipe street-6d")
    for start in range(0, len(pictures), batch_size):
        fitted = [fit(picture, predictor.frustum, fov_x_deg, camera) for picture in pictures[start : start + batch_size]]
        images = torch.from_numpy(np.stack([image for image, _ in fitted])).permute(0, 3, 1, 2)
        with torch.inference_mode():
            scores = predictor.network(images.to(predictor.device).to(predictor.dtype) / 255)[1]
            labels = scores.argmax(1).to(torch.uint8).cpu().numpy()
            share = torch.softmax(scores.float(), 1) if probabilities or poses else None
            shares = share.half().cpu().contiguous().numpy() if probabilities and share is not None else [None] * len(labels)
            found: list[list[dict[str, Any]] | None] = [None] * len(labels)
            if poses and judge is not None and share is not None:
                seen = images.to(predictor.device).float() / 255
                for k, volume in enumerate(labels):
                    certificate = judge(seen[k : k + 1], share[k : k + 1], predictor.frustum)
                    found[k] = find_instances(volume, certificate, predictor.frustum, predictor.classes)
        for (_, crop), volume, kept, instances in zip(fitted, labels, shares, found, strict=True):
            facts = {"crop": crop, "fov_assumed": fov_x_deg is None and camera is None}
            yield FruxelGrid(
                volume, predictor.frustum, camera.world_to_cam if camera is not None else np.eye(4), predictor.classes, kept,
                facts if instances is None else facts | {"instances": instances},
            )  # fmt: skip


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
