"""Street scenes that a tiny network learns: ground, and a red box before it."""

import numpy as np
from PIL import Image


def write_street(folder, count=8, height=32, scale=1, z_far=12.0, fov_x_deg=40.0):
    """Scenes of 32 columns, `height` rows and 16 slices, with `scale` pixels a column. The colour of a pixel tells its class."""
    (folder / "images").mkdir(parents=True)
    (folder / "fruxels").mkdir()
    rng = np.random.default_rng(0)
    ground, top = height * 3 // 4, height * 3 // 8
    for i in range(count):
        labels = np.zeros((16, height, 32), np.uint8)
        labels[:, ground:] = 2
        x = rng.integers(0, 20)
        labels[6:12, top:ground, x : x + 10] = 1
        image = np.full((height, 32, 3), 200, np.uint8)
        image[ground:], image[top:ground, x : x + 10] = 90, (250, 20, 20)
        Image.fromarray(image.repeat(scale, 0).repeat(scale, 1)).save(folder / "images" / f"{i:06d}.png")
        np.savez_compressed(
            folder / "fruxels" / f"{i:06d}.npz", labels=labels, z_near=2.0, z_far=z_far, fov_x_deg=fov_x_deg, world_to_cam=np.eye(4),
            label_names=np.array(["air", "car", "ground"]), empty_label=0, ignore_label=255,
        )  # fmt: skip
    return folder
