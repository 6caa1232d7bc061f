"""Which frame the coordinates of a thing are in, as far as its meta says.

A scene predicted from a picture alone stands in a frame of its own: a level camera is assumed, which looks along -z of a +y up world.
meta["camera_assumed"] of the fruxels, and of all that is made of them, says so: {"height": metres above y = 0, "by": "ground" or None}.
Files without that key are what they always were: fruxels of the camera that they state, all other things in the world.
"""

from __future__ import annotations

from collections.abc import Mapping

from voxcli.provenance import Json, Meta

WORLD, VIEWER = "world, +y up", "viewer, +y up: a level camera is assumed, which looks along -z"
KEY = "camera_assumed"


def assumed_camera(meta: Mapping[str, Json]) -> Meta | None:
    """What a thing's meta says of a camera that was assumed; None where none was, as far as is known."""
    said = meta.get(KEY)
    return said if isinstance(said, dict) else None


def frame_of(meta: Mapping[str, Json], world: str = WORLD) -> str:
    """The frame of what leaves the frustum of a thing with this meta; `world`: how it is called where the camera is known."""
    return world if assumed_camera(meta) is None else VIEWER


def inherited_meta(meta: Mapping[str, Json]) -> Meta:
    """The part of a meta that holds for whatever is made of the thing as well."""
    said = assumed_camera(meta)
    return {} if said is None else {KEY: said}
