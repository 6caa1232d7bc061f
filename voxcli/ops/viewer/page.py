"""The page of `view -o FILE.html`: everything in one file, and nothing from a network."""

from __future__ import annotations

import gzip
import html
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from voxcli.errors import DataError
from voxcli.ops.viewer.beside import picture_json
from voxcli.ops.viewer.differences import Comparison, compared, main_scores
from voxcli.ops.viewer.packing import packed
from voxcli.ops.viewer.panes import Group, Pane, pane_of
from voxcli.ops.viewer.templates import filled
from voxcli.ops.viewpoints import level_axes
from voxcli.provenance import Json, Meta
from voxcli.scene import FruxelGrid, Picture, SceneType, VoxelGrid
from voxcli.version import __version__

_HERE = Path(__file__).parent
_STYLES = ("theme.css", "style.css")
_SCRIPTS = ("shaders.js", "data.js", "drawing.js", "viewer.js")


@dataclass(frozen=True)
class PageItem:
    """A thing and what it is called; picture: the one that it is of, where that is known."""

    thing: SceneType
    name: str
    picture: Picture | None = None


def page_of(shown: PageItem, truth: PageItem | None = None, threshold: float = 0.5, meta: Meta | None = None) -> tuple[str, str | None]:
    """(the page as HTML, why the two are not compared cell by cell or None).

    truth: a second thing, drawn beside the first by the same camera. Two grids of the same cells are compared, too. threshold: of
    occupancy. meta: how the page is made. Raises DataError for what has no place in space.
    """
    both = [shown] if truth is None else [shown, truth]
    things, comparison, reason = [each.thing for each in both], None, None
    if truth is not None:
        first, second = things
        if isinstance(first, (FruxelGrid, VoxelGrid)) and isinstance(second, (FruxelGrid, VoxelGrid)):
            try:
                comparison = compared(first, second, threshold)
            except DataError as error:
                reason = str(error)
            else:
                if isinstance(first, FruxelGrid) and isinstance(second, FruxelGrid):  # compared in the frame of the camera
                    things[0] = replace(first, world_to_cam=second.world_to_cam)
        else:
            reason = "Only grids are compared cell by cell."
    panes = [pane_of(thing, each.name, threshold) for thing, each in zip(things, both, strict=True)]
    picture, owner = next(((each.picture, each) for each in both if each.picture is not None), (None, None))
    data = _data(panes, comparison) | {"meta": meta or {}, "reason": reason}
    if picture is not None and owner is not None:
        prediction = getattr(owner.thing, "meta", {}).get("prediction")
        data["picture"] = picture_json(picture, prediction.get("crop") if isinstance(prediction, Mapping) else None)
    return _html(" and ".join(each.name for each in both), data), reason


def _data(panes: Sequence[Pane], comparison: Comparison | None) -> dict[str, Json]:
    """All that the page's script reads. Points are relative to the middle of the first pane, so that single precision suffices."""
    drawn = [*panes, comparison.pane] if comparison else list(panes)
    legend = list({group.name: group for pane in drawn for group in pane.groups}.values())
    origin = panes[0].box.mean(0)
    data: dict[str, Json] = {
        "legend": [{"name": group.name, "colour": list(group.colour)} for group in legend],
        "panes": [_pane(pane, origin, legend) for pane in drawn],
        "directions": _directions(panes[0]),
    }
    if comparison:
        main, *more = ([name, value] for name, value in main_scores(comparison.record))
        data["scores"] = {
            "main": main,
            "more": more,
            "classes": comparison.record["parts"].get("classes", {"object": main[1]}),
            "categories": [{"name": each.name, "colour": list(each.colour), "count": each.count} for each in comparison.categories],
        }
    return data


def _pane(pane: Pane, origin: np.ndarray, legend: Sequence[Group]) -> Json:
    names = [group.name for group in legend]
    to_world = pane.frame.to_world.copy()
    to_world[:3, 3] -= origin
    geometry = dict(pane.geometry)
    if isinstance(places := geometry.get("places"), Mapping):
        geometry["places"] = {**places, "low": (np.array(places["low"]) - origin).tolist()}
    frustum = pane.frame.frustum
    return {
        "title": pane.title, "facts": list(pane.facts), "unit": pane.unit, "geometry": geometry,
        "groups": [names.index(group.name) for group in pane.groups], "counts": [group.count for group in pane.groups],
        "box": (pane.box - origin).tolist(), "lines": packed(pane.lines - origin, "<f4"),
        "focus": None if pane.focus is None else (pane.focus - origin).tolist(),
        "frame": {
            "to_world": to_world.tolist(), "axes": [asdict(axis) for axis in pane.frame.axes],
            "frustum": None if frustum is None else [frustum.z_near, frustum.slice_thickness, frustum.focal, frustum.width, frustum.height],
        },
    }  # fmt: skip


def _directions(pane: Pane) -> Json:
    """Up and the direction from which the front is seen, as unit vectors, and the own camera: place, direction, vertical field of view."""
    (up, front), own = level_axes(pane.camera), None
    if pane.camera is not None:
        place = np.linalg.inv(pane.camera.world_to_cam)[:3, 3] - pane.box.mean(0)
        angle = 2 * math.degrees(math.atan(pane.camera.height / 2 / pane.camera.K[1, 1]))
        own = {
            "place": place.tolist(), "direction": pane.camera.world_to_cam[2, :3].tolist(), "angle": angle,
            "aspect": pane.camera.width / pane.camera.height,
        }  # fmt: skip
    return {"up": up.tolist(), "front": front.tolist(), "own": own}


def _html(title: str, data: Mapping[str, Json]) -> str:
    three = gzip.decompress((_HERE / "three" / "three.js.gz").read_bytes()).decode()
    texts = {
        "TITLE": html.escape(title), "VERSION": html.escape(__version__),
        "STYLE": "".join((_HERE / name).read_text(encoding="utf-8") for name in _STYLES),
        # No name of a class or a file can end the element that holds it.
        "DATA": json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c"),
        "LICENCE": (_HERE / "three" / "LICENSE-MIT.txt").read_text(encoding="utf-8").strip(), "THREE": three,
        "SCRIPT": "\n".join((_HERE / name).read_text(encoding="utf-8") for name in _SCRIPTS),
    }  # fmt: skip
    return filled(_HERE / "template.html", texts)
