"""Rooms as pix2scene draws them (section 4.1, appendix B): what stands where, seen from where, in which light. No picture yet.

World: +y up. The room is the cube [-1/2, 1/2]^3, half open: its floor and two walls meet in the corner (-1/2, -1/2, -1/2), and go on
beyond the cube so far that no camera looks past them; the objects stand within the cube. Cameras stand on a sphere that contains the
cube, in the positive octant, and look at one fixed point; lights stand farther off, in the same octant.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from voxcli.datasets.synthetic.assets import AssetShelf
from voxcli.datasets.synthetic.rooms.shapes import SHAPES, STRETCHED, RoomShape, known_shape
from voxcli.errors import UsageError, unknown_name
from voxcli.geometry.cameras import look_at, quaternion_to_rotation
from voxcli.scene import Camera
from voxcli.seeds import item_seed

VARIANTS = ("box-translation", "box-rotation", "shapes-rotation", "multiple-shapes")
"""The data sets of the paper's Tables 1 and 2. ShapeNet scenes are shapes from files in one of the last two."""

TURNS = (5, 35, 55, 80)
"""Degrees by which the camera is turned around the scene in Table 2."""

CORNER, REACH = -0.5, 2.5
"""Where the three planes of the room lie, and how far they go."""

DISTANCE = 0.9
"""Of the camera from the middle of the room: just outside the sphere around the cube."""

TARGET = (0.0, -0.25, 0.0)
"""The fixed point that cameras look at: the middle of an object that stands in the middle of the floor, on the average."""

LENS_MM, SENSOR_MM = (18.0, 25.0), 24.0
AZIMUTH, ELEVATION = (2.0, 88.0), (10.0, 70.0)
"""Degrees of the patch of the sphere; azimuth from +x towards +z."""

ALBEDO = 0.8
AMBIENT = 0.15
_LIGHT_DISTANCE = 2.0
_LIGHT_PATCH = (15.0, 75.0), (20.0, 70.0)
_LIGHT_SUM = 0.9  # of all lights together, in the middle of the room on a surface that faces them

LONGEST = 0.4
"""Longest side of a lone object; several are a little smaller."""


@dataclass(frozen=True)
class RoomsConfig:
    """variant: one of VARIANTS; shapes: whose turn it is is drawn (box variants: box alone); lights: how many point lights.

    random_lights: positions and colours are drawn for each scene, and not once for the data set. turned: the cameras of Table 2 besides;
    the picture's own then stands close to one side of the octant, so that all of them stand within it.
    """

    variant: str = "shapes-rotation"
    shapes: tuple[str, ...] = SHAPES
    lights: int = 3
    random_lights: bool = False
    turned: bool = False
    size: int = 128

    def __post_init__(self) -> None:
        if self.variant not in VARIANTS:
            raise unknown_name("variant", self.variant, VARIANTS)
        if not self.shapes or len(set(self.shapes)) != len(self.shapes):
            raise UsageError("Each shape may be named once.", actual=", ".join(self.shapes) or "none")
        if self.variant.startswith("box") and self.shapes != ("box",):
            raise UsageError(f"{self.variant} has boxes alone.", actual=", ".join(self.shapes), hint="Choose shapes-rotation.")
        if not 1 <= self.lights <= 16 or not 8 <= self.size <= 1024:
            raise UsageError("A room has 1 to 16 lights and 8 to 1024 pixels.", actual=f"{self.lights} lights, {self.size} pixels")


@dataclass(frozen=True)
class RoomLight:
    """The lights of a room in the world frame: ambient [3], positions and colours [L, 3]; they fade with the square of the distance."""

    ambient: np.ndarray
    positions: np.ndarray
    colours: np.ndarray


@dataclass(frozen=True)
class PlacedShape:
    """x_world = R(rotation_wxyz) (scale * x) + position."""

    shape: RoomShape
    position: np.ndarray
    rotation_wxyz: np.ndarray
    scale: np.ndarray

    @property
    def vertices(self) -> np.ndarray:
        """[V, 3] in the world."""
        return (self.shape.vertices * self.scale) @ quaternion_to_rotation(self.rotation_wxyz).T + self.position

    @property
    def normals(self) -> np.ndarray:
        """Of the corners of the faces [F, 3, 3], in the world."""
        normals = (self.shape.normals / self.scale) @ quaternion_to_rotation(self.rotation_wxyz).T
        return normals / np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-30)


@dataclass(frozen=True)
class RoomScene:
    """The objects of a room, its camera, the cameras turned by TURNS (where asked for), its lights, and the albedo of everything."""

    objects: tuple[PlacedShape, ...]
    camera: Camera
    turned: tuple[Camera, ...]
    light: RoomLight
    albedo: float = ALBEDO


def draw_scene(seed: int, index: int, config: RoomsConfig, shelf: AssetShelf[RoomShape] | None = None) -> RoomScene:
    """Scene `index` of a seed: a function of its arguments alone. shelf: shapes from files by category."""
    rng = np.random.default_rng(item_seed(seed, f"room/{index}"))
    objects = _objects(rng, config, shelf or AssetShelf())
    camera, turned = _cameras(rng, _lens(seed), config)
    light = draw_light(rng if config.random_lights else np.random.default_rng(item_seed(seed, "lights")), config.lights)
    return RoomScene(objects, camera, turned, light)


def draw_light(rng: np.random.Generator, count: int) -> RoomLight:
    """Point lights uniform on a patch of the positive octant, of random colours; together about as bright whatever their number."""
    hues = rng.uniform(0.1, 1.0, (count, 3))
    share = rng.uniform(0.5, 1.0, (count, 1))
    colours = hues / hues.max(1, keepdims=True) * (share / share.sum()) * _LIGHT_SUM * _LIGHT_DISTANCE**2
    positions = np.stack([_LIGHT_DISTANCE * _direction(rng, *_LIGHT_PATCH) for _ in range(count)])
    return RoomLight(np.full(3, AMBIENT), positions, colours)


# -- objects --------------------------------------------------------------------------------------------------------------------------


def _objects(rng: np.random.Generator, config: RoomsConfig, shelf: AssetShelf[RoomShape]) -> tuple[PlacedShape, ...]:
    if config.variant == "box-translation":
        x, z = rng.uniform(-0.22, 0.22, 2)
        return (_standing(known_shape("box"), np.array([1.0, 0, 0, 0]), np.full(3, LONGEST), x, z),)
    if config.variant != "multiple-shapes":
        return (_drawn(rng, config, shelf, LONGEST),)
    placed: list[tuple[PlacedShape, float]] = []
    count = int(rng.integers(2, 5))
    while len(placed) < count:
        thing = _drawn(rng, config, shelf, rng.uniform(0.24, 0.34))
        reach = np.linalg.norm(thing.vertices[:, [0, 2]] - thing.position[[0, 2]], axis=1).max()
        for _ in range(50):
            x, z = rng.uniform(-0.5 + reach, 0.5 - reach, 2)
            if all(np.hypot(x - other.position[0], z - other.position[2]) > reach + r for other, r in placed):
                placed.append((_moved(thing, x, z), reach))
                break
        else:  # no room is left
            count = max(2, len(placed))
    return tuple(thing for thing, _ in placed)


def _drawn(rng: np.random.Generator, config: RoomsConfig, shelf: AssetShelf[RoomShape], longest: float) -> PlacedShape:
    """A shape turned at random in all directions, standing in the middle of the floor on its lowest point."""
    name = config.shapes[rng.integers(len(config.shapes))]
    shape = known_shape(name) if name in SHAPES else shelf.pick(name, rng)
    scale = np.full(3, longest)
    if name in STRETCHED and config.variant != "box-rotation":
        scale = scale * rng.uniform(0.6, 1.0, 3)
        scale *= longest / (np.ptp(shape.vertices, axis=0) * scale).max()
    wxyz = rng.standard_normal(4)
    return _standing(shape, wxyz / np.linalg.norm(wxyz), scale, 0.0, 0.0)


def _standing(shape: RoomShape, wxyz: np.ndarray, scale: np.ndarray, x: float, z: float) -> PlacedShape:
    thing = PlacedShape(shape, np.zeros(3), wxyz, scale)
    return PlacedShape(shape, np.array([x, CORNER - thing.vertices[:, 1].min(), z]), wxyz, scale)


def _moved(thing: PlacedShape, x: float, z: float) -> PlacedShape:
    return PlacedShape(thing.shape, np.array([x, thing.position[1], z]), thing.rotation_wxyz, thing.scale)


# -- cameras --------------------------------------------------------------------------------------------------------------------------


def _lens(seed: int) -> float:
    """Focal length in mm: one for the data set, since networks are told where the camera stands, and no more."""
    return float(np.random.default_rng(item_seed(seed, "lens")).uniform(*LENS_MM))


def _cameras(rng: np.random.Generator, lens_mm: float, config: RoomsConfig) -> tuple[Camera, tuple[Camera, ...]]:
    """The camera of the picture, and the turned ones."""
    direction = _direction(rng, AZIMUTH, ELEVATION)
    azimuth, elevation = math.degrees(math.atan2(direction[2], direction[0])), math.degrees(math.asin(direction[1]))
    sense = 0.0
    if config.turned:
        # A turn of 80 degrees within the octant starts close to one of its sides: from either, at random.
        sense = 1.0 if rng.random() < 0.5 else -1.0
        off = rng.uniform(0, AZIMUTH[1] - AZIMUTH[0] - TURNS[-1])
        azimuth = AZIMUTH[0] + off if sense > 0 else AZIMUTH[1] - off
    views = [camera_at(azimuth + sense * turn, elevation, lens_mm, config.size) for turn in (0, *TURNS)[: 1 + len(TURNS) * config.turned]]
    return views[0], tuple(views[1:])


def camera_at(azimuth_deg: float, elevation_deg: float, lens_mm: float, size: int) -> Camera:
    """The camera of size x size pixels at a place of the sphere."""
    a, e = math.radians(azimuth_deg), math.radians(elevation_deg)
    eye = DISTANCE * np.array([math.cos(a) * math.cos(e), math.sin(e), math.sin(a) * math.cos(e)])
    focal = lens_mm / SENSOR_MM * size
    return Camera(np.array([[focal, 0, size / 2], [0, focal, size / 2], [0, 0, 1.0]]), size, size, look_at(eye, TARGET))


def _direction(rng: np.random.Generator, azimuth: tuple[float, float], elevation: tuple[float, float]) -> np.ndarray:
    """A unit vector [3], uniform by area on the patch of the sphere between azimuths and elevations in degrees."""
    a = math.radians(rng.uniform(*azimuth))
    low, high = elevation
    y = rng.uniform(math.sin(math.radians(low)), math.sin(math.radians(high)))
    level = math.sqrt(1 - y * y)
    return np.array([level * math.cos(a), y, level * math.sin(a)])
