import json

import numpy as np
import pytest


def write_street(folder, count=8):
    """Scenes of 32 x 32 x 16: ground, and a box whose colour tells its class."""
    from PIL import Image

    (folder / "images").mkdir(parents=True)
    (folder / "fruxels").mkdir()
    rng = np.random.default_rng(0)
    for i in range(count):
        labels = np.zeros((16, 32, 32), np.uint8)
        labels[:, 24:] = 2
        x = rng.integers(0, 20)
        labels[6:12, 12:24, x : x + 10] = 1
        image = np.full((32, 32, 3), 200, np.uint8)
        image[24:], image[12:24, x : x + 10] = 90, (250, 20, 20)
        Image.fromarray(image).save(folder / "images" / f"{i:06d}.png")
        np.savez_compressed(
            folder / "fruxels" / f"{i:06d}.npz",
            labels=labels,
            z_near=2.0,
            z_far=12.0,
            fov_x_deg=40.0,
            world_to_cam=np.eye(4),
            label_names=np.array(["air", "car", "ground"]),
            empty_label=0,
            ignore_label=255,
        )
    return folder


@pytest.fixture(scope="session")
def street(tmp_path_factory):
    """A folder of eight scenes."""
    return write_street(tmp_path_factory.mktemp("data") / "street")


@pytest.fixture(scope="session")
def street_with_poses(tmp_path_factory):
    """The same scenes, each with the pose of its box."""
    folder = write_street(tmp_path_factory.mktemp("posed") / "street")
    (folder / "poses").mkdir()
    for i, path in enumerate(sorted((folder / "fruxels").iterdir())):
        turn = [float(np.cos(0.1 * i)), 0.0, float(np.sin(0.1 * i)), 0.0]
        box = {"class": "car", "translation": [0.1 * i - 0.4, 0.5, 6.0 + 0.2 * i], "rotation_wxyz": turn, "size": [1.5, 1.2, 3.0]}
        (folder / "poses" / f"{path.stem}.json").write_text(json.dumps({"objects": [box]}))
    return folder
