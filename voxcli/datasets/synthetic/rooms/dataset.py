"""Data sets of rooms on disk: resumable, in parallel, and the same bytes for any number of workers.

DIR/meta.json                what made it
DIR/meshes/NAME.ply          the room, and every shape about 0 with longest side 1
DIR/images/000000.png        the picture, linear light, 8 bits; written last: a scene with it is whole
DIR/surfels/000000.npz       depth, normals, albedo (the material) and camera
DIR/turned/000000-05.npz     the same of the cameras turned by 5, 35, 55 and 80 degrees, where asked for
DIR/scenes/000000.yaml       the placed meshes and the camera
DIR/lights/000000.yaml       the lights, for --lights of render-surfels
DIR/facts/000000.json        camera, lights, albedo, objects once more, quick to read
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from voxcli.atomic import atomic_write_bytes
from voxcli.datasets.synthetic.folders import FolderGenerator
from voxcli.datasets.synthetic.rooms.scenes import SHAPES, TURNS, RoomsConfig
from voxcli.datasets.synthetic.rooms.shapes import asset_categories, known_shape, load_shelf
from voxcli.errors import unknown_name
from voxcli.files import write
from voxcli.files.whole import is_whole
from voxcli.provenance import Json, make_meta
from voxcli.scene import Camera, Picture

if TYPE_CHECKING:
    from voxcli.datasets.synthetic.rooms.scenes import RoomScene

FRAME = "world: +y up; camera: x right, y down, z forward"
UNITS = "sides of the room"

_KINDS = {"surfels": "npz", "scenes": "yaml", "lights": "yaml", "facts": "json", "images": "png"}
"""Folders with a file a scene, and its extension."""


class RoomsGenerator(FolderGenerator):
    """The rooms of a seed. assets_dir: one folder a category with meshes; config.shapes may name these categories."""

    item, data_set = "scene", "rooms"
    patterns = ("meshes/*.ply", "turned/*.npz", *(f"{kind}/*.{extension}" for kind, extension in _KINDS.items()))
    modules = ("voxcli.datasets.synthetic.rooms.render",)

    def __init__(self, seed: int = 0, config: RoomsConfig | None = None, assets_dir: str | Path | None = None):
        self.seed, self.config = seed, config or RoomsConfig()
        shapes = SHAPES if assets_dir is None else (*SHAPES, *asset_categories(assets_dir))
        for name in self.config.shapes:
            if name not in shapes:
                raise unknown_name("shape", name, shapes)
        self.shelf = load_shelf(assets_dir, self.config.shapes)

    def meta(self) -> Mapping[str, Json]:
        return make_meta("rooms-dataset", "synth rooms", asdict(self.config), self.shelf.digests, self.seed, FRAME, UNITS)

    def begin(self, folder: Path) -> None:
        """Write the meshes of the room and of all shapes."""
        from voxcli.datasets.synthetic.rooms.render import room_mesh

        shapes = [shape for name in self.config.shapes for shape in self.shelf.things.get(name) or [known_shape(name)]]
        for name, mesh in [("room", room_mesh()), *((shape.name, shape.mesh) for shape in shapes)]:
            if not is_whole(folder / "meshes" / f"{name}.ply"):
                write(folder / "meshes" / f"{name}.ply", mesh, overwrite=True)

    def files(self, folder: Path, index: int) -> list[Path]:
        name = f"{index:06d}"
        turned = [f"turned/{name}-{turn:02d}.npz" for turn in TURNS] if self.config.turned else []
        own = [f"{kind}/{name}.{extension}" for kind, extension in _KINDS.items()]
        return [folder / path for path in (*own, *turned)]

    def write_item(self, folder: Path, index: int) -> None:
        from voxcli.datasets.synthetic.rooms.scenes import draw_scene

        _write_scene(folder, f"{index:06d}", draw_scene(self.seed, index, self.config, self.shelf), self.config)


def categories_of(config: RoomsConfig) -> tuple[str, ...]:
    """Class names of a scene's meshes; ids of the shapes are those of config.shapes plus 2."""
    return ("air", "room", *config.shapes)


def _write_scene(out_dir: Path, name: str, scene: RoomScene, config: RoomsConfig) -> None:
    """All files of one scene, the picture last."""
    from voxcli.datasets.synthetic.rooms.render import picture_of_surfels, surfels_of_room

    surfels = surfels_of_room(scene, scene.camera)
    write(out_dir / "surfels" / f"{name}.npz", surfels, overwrite=True)
    for turn, camera in zip(TURNS, scene.turned, strict=False):
        write(out_dir / "turned" / f"{name}-{turn:02d}.npz", surfels_of_room(scene, camera), overwrite=True)
    for folder, tree in (("scenes", _scene_tree(scene, config)), ("lights", _light_tree(scene))):
        atomic_write_bytes(out_dir / folder / f"{name}.yaml", _yaml(tree), overwrite=True)
    atomic_write_bytes(out_dir / "facts" / f"{name}.json", json.dumps(_facts(scene)).encode() + b"\n", overwrite=True)
    write(out_dir / "images" / f"{name}.png", Picture(picture_of_surfels(surfels, scene.light)), overwrite=True)


def _camera_tree(camera: Camera) -> dict[str, Json]:
    return {"width": camera.width, "height": camera.height, "K": camera.K.tolist(), "world_to_cam": camera.world_to_cam.tolist()}


def _facts(scene: RoomScene) -> dict[str, Json]:
    """What the reader of training data needs, and nothing that is drawn from it."""
    light = scene.light
    return {
        "camera": _camera_tree(scene.camera),
        "lights": {key: getattr(light, key).tolist() for key in ("ambient", "positions", "colours")},
        "albedo": [scene.albedo] * 3,
        "objects": [
            {
                "shape": thing.shape.category, "mesh": thing.shape.name, "position": thing.position.tolist(),
                "rotation_wxyz": thing.rotation_wxyz.tolist(), "scale": thing.scale.tolist(),
            }
            for thing in scene.objects
        ],
        "turned": {str(turn): _camera_tree(camera) for turn, camera in zip(TURNS, scene.turned, strict=False)},
    }  # fmt: skip


def _scene_tree(scene: RoomScene, config: RoomsConfig) -> dict[str, Json]:
    placed = [
        {
            "mesh": f"../meshes/{thing.shape.name}.ply", "class": thing.shape.category, "position": thing.position.tolist(),
            "rotation_wxyz": thing.rotation_wxyz.tolist(), "scale": thing.scale.tolist(),
        }
        for thing in scene.objects
    ]  # fmt: skip
    return {
        "camera": _camera_tree(scene.camera),
        "classes": {"names": list(categories_of(config)), "empty": "air"},
        "objects": [{"mesh": "../meshes/room.ply", "class": "room"}, *placed],
    }


def _light_tree(scene: RoomScene) -> dict[str, Json]:
    light = scene.light
    points = [{"position": p.tolist(), "colour": c.tolist()} for p, c in zip(light.positions, light.colours, strict=True)]
    return {"frame": "world", "ambient": light.ambient.tolist(), "points": points, "attenuation": {"quadratic": 1.0}}


def _yaml(tree: dict[str, Json]) -> bytes:
    """A line a key or item. PyYAML's own writer would take a third of the time of a scene."""
    lines = []
    for key, value in tree.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            lines += [f"{key}:", *(f"  - {_flow(item)}" for item in value)]
        else:
            lines.append(f"{key}: {_flow(value)}")
    return "\n".join(lines).encode() + b"\n"


def _flow(value: Json) -> str:
    """Numbers, words, lists and mappings on one line. Words in quotes: a synset's number, or `no`, would not stay a word."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if isinstance(value, str):
        return json.dumps(value)
    text = str(value)
    # To YAML 1.1, 1e-05 is a word: a float has a point.
    return text.replace("e", ".0e") if isinstance(value, float) and "e" in text and "." not in text else text
