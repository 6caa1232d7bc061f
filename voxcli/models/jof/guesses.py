"""What JOF guesses of a picture besides the shape, as files that other commands read (--camera, --lights)."""

from __future__ import annotations

import numpy as np

from voxcli import config
from voxcli.errors import DataError
from voxcli.scene.types import Camera, Mesh, Picture


def camera_of(result: Mesh | Picture) -> Camera:
    """The guessed camera. Raises DataError where no picture could have been taken with it."""
    facts = result.meta["camera"]
    if facts is None:
        raise DataError("The guessed camera is none that a picture could have been taken with.",
                        hint="Try --fit, or leave out --camera-out.")  # fmt: skip
    return Camera(np.array(facts["K"]), facts["width"], facts["height"], np.array(facts["world_to_cam"]))


def light_of(result: Mesh | Picture) -> bytes:
    """The guessed light, a light file."""
    return config.dumps({"frame": "world", "harmonics": result.meta["light"]}).encode()
