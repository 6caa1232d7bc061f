import numpy as np
import pytest

from voxcli.geometry.cameras import inverse_rigid, look_at
from voxcli.models.pix2scene.places import places_of
from voxcli.ops.viewpoints import turned
from voxcli.scene import Camera


def at(azimuth, elevation, distance):
    a, e = np.radians([azimuth, elevation])
    return distance * np.array([np.cos(a) * np.cos(e), np.sin(e), np.sin(a) * np.cos(e)])


def camera(azimuth, elevation, distance):
    return Camera(np.array([[16, 0, 8], [0, 16, 8], [0, 0, 1.0]]), 16, 16, look_at(at(azimuth, elevation, distance), [0, -0.25, 0]))


@pytest.mark.parametrize("middle", [45, 170, -90])  # across the seam of the angles, too
def test_places_are_familiar_between_and_close_to_the_examples_and_nowhere_else(middle):
    places = places_of([at(middle - 30, 20, 0.9), at(middle + 30, 50, 0.9)])
    for azimuth, elevation, distance in ((0, 30, 0.9), (-40, 10, 0.9), (40, 60, 0.95)):
        assert places.strange(camera(middle + azimuth, elevation, distance)) is None
    for azimuth, elevation, distance in ((50, 30, 0.9), (180, 30, 0.9), (0, 80, 0.9), (0, -20, 0.9), (0, 30, 2), (0, 30, 0.5)):
        assert "in training" in places.strange(camera(middle + azimuth, elevation, distance))


@pytest.mark.parametrize("middle", [45, 170])
def test_turns_end_where_the_examples_end(middle):
    places = places_of([at(middle - 30, 20, 0.9), at(middle + 30, 50, 0.9)])
    own = camera(middle + 10, 35, 0.9)
    ends = []
    for turn in places.turns_of(own):
        eye = inverse_rigid(turned(own, np.zeros(3), turn).world_to_cam)[:3, 3]
        ends.append((np.degrees(np.arctan2(eye[2], eye[0])) - middle + 180) % 360 - 180)
        assert eye[1] == pytest.approx(at(0, 35, 0.9)[1]) and np.linalg.norm(eye) == pytest.approx(0.9)
    assert sorted(ends) == pytest.approx([-30, 30])
