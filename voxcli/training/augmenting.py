"""What the pictures of several trainings go through."""

from __future__ import annotations

import numpy as np

from voxcli.training.stage import Augmentation


def colour_jitter(
    image: np.ndarray, how: Augmentation, light: float, contrast: float, tint: np.ndarray, noise: np.random.Generator
) -> np.ndarray:
    """A picture uint8 [H, W, 3] in other light. light, contrast and tint [3]: in -1..1, how far of what `how` allows."""
    x = image.astype(np.float32)
    middle = x.mean()
    x = (x - middle) * (1 + how.contrast * contrast) + middle * (1 + how.brightness * light)
    x *= 1 + how.colour * tint.astype(np.float32)
    if how.noise:
        x += noise.standard_normal(x.shape, dtype=np.float32) * (255 * how.noise)
    jittered: np.ndarray = x.clip(0, 255).astype(np.uint8)
    return jittered
