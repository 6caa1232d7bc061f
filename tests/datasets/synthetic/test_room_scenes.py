"""`synth rooms`: closed shapes, a room that fills every picture, depth and normals against its planes, equation (1) to the last bit."""

import filecmp
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from references.surfel_twins import shade as slow_shade
from refusals import refused

from voxcli import files
from voxcli.datasets.rooms import RoomsFolder
from voxcli.datasets.synthetic.assets import is_closed
from voxcli.datasets.synthetic.folders import write_dataset
from voxcli.datasets.synthetic.rooms.dataset import RoomsGenerator
from voxcli.datasets.synthetic.rooms.render import lights_of, picture_of_surfels, room_mesh, surfels_of_room
from voxcli.datasets.synthetic.rooms.scenes import (
    AZIMUTH,
    CORNER,
    DISTANCE,
    ELEVATION,
    LENS_MM,
    SENSOR_MM,
    TARGET,
    TURNS,
    VARIANTS,
    RoomScene,
    RoomsConfig,
    camera_at,
    draw_light,
    draw_scene,
)
from voxcli.datasets.synthetic.rooms.shapes import SHAPES, known_shape
from voxcli.datasets.synthetic.shapes import Shape, signed_volume
from voxcli.errors import DataError, FileFormatError, UsageError
from voxcli.geometry.cameras import inverse_rigid
from voxcli.geometry.surfels import SurfelMaps, back_project, render, render_surfels
from voxcli.scene import Mesh, SceneDescription, Surfels


def config_of(variant, **more):
    return RoomsConfig(variant, ("box",) if variant.startswith("box") else SHAPES, **more)


def eye_of(camera):
    return inverse_rigid(camera.world_to_cam)[:3, 3]


def world_points(surfels):
    camera = surfels.camera
    points = back_project(torch.from_numpy(surfels.depth).double(), torch.from_numpy(camera.K)).flatten(1).T.numpy()
    return (points - camera.world_to_cam[:3, 3]) @ camera.world_to_cam[:3, :3]


# -- shapes ---------------------------------------------------------------------------------------------------------------------------

VOLUMES = {
    "box": 1.0,
    "sphere": math.pi / 6,
    "cone": math.pi * 0.45**2 / 3,
    "torus": 2 * math.pi**2 * 0.35 * 0.15**2,
    "cylinder": math.pi * 0.35**2,
}


@pytest.mark.parametrize("name", SHAPES)
def test_shapes_are_closed_about_0_with_longest_side_1(name):
    shape = known_shape(name)
    assert is_closed(shape.faces)
    low, high = shape.vertices.min(0), shape.vertices.max(0)
    assert np.allclose(low, -high, atol=1e-9) and np.isclose((high - low).max(), 1)
    if name in VOLUMES:
        assert signed_volume(Shape(shape.vertices, shape.faces)) == pytest.approx(VOLUMES[name], rel=0.02)
    else:
        assert signed_volume(Shape(shape.vertices, shape.faces)) > 0


@pytest.mark.parametrize("name", SHAPES)
def test_normals_of_shapes_are_unit_and_look_out_of_their_faces(name):
    shape = known_shape(name)
    a, b, c = (shape.vertices[shape.faces[:, k]] for k in range(3))
    flat = np.cross(b - a, c - a)
    flat /= np.linalg.norm(flat, axis=1, keepdims=True)
    assert np.allclose(np.linalg.norm(shape.normals, axis=-1), 1, atol=1e-5)
    assert (np.einsum("fc,fkc->fk", flat, shape.normals) > math.cos(math.radians(25))).all()


def test_normals_of_the_sphere_are_its_radii():
    shape = known_shape("sphere")
    assert np.allclose(shape.normals, 2 * shape.vertices[shape.faces], atol=0.01)


# -- scenes ---------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", VARIANTS)
def test_objects_stand_on_the_floor_within_the_room_and_apart(variant):
    for index in range(30):
        scene = draw_scene(3, index, config_of(variant))
        assert len(scene.objects) in ((2, 3, 4) if variant == "multiple-shapes" else (1,))
        for thing in scene.objects:
            vertices = thing.vertices
            assert vertices[:, 1].min() == pytest.approx(CORNER) and np.abs(vertices).max() <= 0.5 + 1e-9
            if len(scene.objects) == 1:
                assert (np.ptp(thing.shape.vertices, axis=0) * thing.scale).max() == pytest.approx(0.4)
        for a, one in enumerate(scene.objects):
            for other in scene.objects[:a]:
                between = (other.position - one.position)[[0, 2]]
                along = between / np.linalg.norm(between)
                assert (one.vertices[:, [0, 2]] @ along).max() < (other.vertices[:, [0, 2]] @ along).min()  # a wall parts them


def test_variants_draw_what_their_names_say():
    moved = [draw_scene(0, k, config_of("box-translation")).objects[0] for k in range(20)]
    turned = [draw_scene(0, k, config_of("box-rotation")).objects[0] for k in range(20)]
    shapes = {draw_scene(0, k, config_of("shapes-rotation")).objects[0].shape.name for k in range(60)}
    assert all(np.array_equal(b.rotation_wxyz, (1, 0, 0, 0)) for b in moved) and np.ptp([b.position[0] for b in moved]) > 0.2
    assert all(b.position[0] == b.position[2] == 0 for b in turned) and len({b.rotation_wxyz[0] for b in turned}) == 20
    assert all(np.ptp(b.scale) == 0 for b in (*moved, *turned)) and shapes == set(SHAPES)


def test_cameras_stand_on_the_sphere_in_the_positive_octant_and_look_at_the_fixed_point():
    elevations = []
    for index in range(200):
        camera = draw_scene(1, index, config_of("box-rotation")).camera
        eye = eye_of(camera)
        elevations.append(math.degrees(math.asin(eye[1] / DISTANCE)))
        assert np.linalg.norm(eye) == pytest.approx(DISTANCE) and (eye > 0).all() and math.sqrt(3) / 2 < DISTANCE
        ahead = camera.world_to_cam @ [*TARGET, 1]
        assert np.allclose(ahead[:2], 0, atol=1e-12) and ahead[2] > 0
        assert LENS_MM[0] <= camera.K[0, 0] / camera.width * SENSOR_MM <= LENS_MM[1]
    assert ELEVATION[0] <= min(elevations) < ELEVATION[0] + 3 and ELEVATION[1] - 3 < max(elevations) <= ELEVATION[1]
    # Uniform by area: half of the patch lies below the elevation whose sine is the mean of the ends' sines.
    middle = math.degrees(math.asin(sum(math.sin(math.radians(v)) for v in ELEVATION) / 2))
    assert 0.4 < np.mean(np.array(elevations) < middle) < 0.6


def test_turned_cameras_keep_height_and_distance_and_never_leave_the_octant():
    for index in range(50):
        scene = draw_scene(2, index, config_of("box-rotation", turned=True))
        eye = eye_of(scene.camera)
        for turn, camera in zip(TURNS, scene.turned, strict=True):
            other = eye_of(camera)
            angle = math.degrees(math.atan2(other[2], other[0]) - math.atan2(eye[2], eye[0]))
            assert abs(angle) == pytest.approx(turn) and other[1] == pytest.approx(eye[1]) and (other > 0).all()
            assert np.array_equal(camera.K, scene.camera.K)


def test_lights_are_one_set_a_data_set_unless_they_are_random():
    fixed = [draw_scene(0, k, config_of("box-rotation")).light for k in range(3)]
    random = [draw_scene(0, k, config_of("box-rotation", random_lights=True)).light for k in range(3)]
    assert all(np.array_equal(light.positions, fixed[0].positions) and np.array_equal(light.colours, fixed[0].colours) for light in fixed)
    assert not np.array_equal(random[0].positions, random[1].positions) and not np.array_equal(random[0].colours, random[1].colours)
    assert not np.array_equal(draw_scene(1, 0, config_of("box-rotation")).light.positions, fixed[0].positions)


@pytest.mark.parametrize("count", [1, 3, 8])
def test_lights_stand_outside_the_room_in_the_octant_and_are_together_equally_strong(count):
    light = draw_light(np.random.default_rng(0), count)
    assert light.positions.shape == light.colours.shape == (count, 3) and (light.positions > 0).all()
    distance = np.linalg.norm(light.positions, axis=1)
    assert np.allclose(distance, distance[0]) and distance[0] > math.sqrt(3) / 2
    assert (light.colours.max(1) / distance**2).sum() == pytest.approx(0.9)


# -- what is seen ---------------------------------------------------------------------------------------------------------------------


def empty_room(camera, light=None):
    return RoomScene((), camera, (), light or draw_light(np.random.default_rng(0), 2))


@pytest.mark.parametrize("azimuth", AZIMUTH)
@pytest.mark.parametrize("elevation", ELEVATION)
@pytest.mark.parametrize("lens", LENS_MM)
def test_an_empty_room_has_the_depth_and_normals_of_its_planes_and_fills_the_picture(azimuth, elevation, lens):
    camera = camera_at(azimuth, elevation, lens, 64)
    surfels = surfels_of_room(empty_room(camera), camera)
    eye, R = eye_of(camera), camera.world_to_cam[:3, :3]
    column, row = np.meshgrid(np.arange(64) + 0.5, np.arange(64) + 0.5)
    rays = np.stack([(column - 32) / camera.K[0, 0], (row - 32) / camera.K[1, 1], np.ones_like(row)], -1) @ R  # in the world, z = 1
    with np.errstate(divide="ignore"):
        away = np.where(rays < 0, (CORNER - eye) / rays, np.inf)  # depth at which each plane is met
    assert np.allclose(surfels.depth, away.min(-1), rtol=1e-6)
    assert np.isfinite(surfels.depth).all()
    assert np.allclose(surfels.normals, np.eye(3)[away.argmin(-1)] @ R.T, atol=1e-6)


def test_a_sphere_in_the_room_has_its_own_depth_and_normals():
    config = RoomsConfig("shapes-rotation", ("sphere",))
    for index in range(3):
        scene = draw_scene(0, index, config)
        surfels = surfels_of_room(scene, scene.camera)
        points, normals = world_points(surfels), surfels.normals.reshape(-1, 3) @ scene.camera.world_to_cam[:3, :3]
        out = points - scene.objects[0].position
        on = np.linalg.norm(out, axis=1) < 0.205
        rays = points - eye_of(scene.camera)
        facing = -np.einsum("nc,nc->n", normals, rays / np.linalg.norm(rays, axis=1, keepdims=True))
        inner = on & (facing > 0.3) & (points[:, 1] > CORNER + 0.01)
        assert inner.sum() > 500 and np.abs(np.linalg.norm(out[inner], axis=1) - 0.2).max() < 0.001
        radii = out[inner] / np.linalg.norm(out[inner], axis=1, keepdims=True)
        assert (np.einsum("nc,nc->n", normals[inner], radii) > math.cos(math.radians(1.0))).all()
        assert (facing > -1e-6).all()


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_pixel_has_a_surfel_in_front_of_the_walls_that_faces_the_camera(variant):
    for index in range(5):
        scene = draw_scene(5, index, config_of(variant, turned=True))
        for camera in (scene.camera, *scene.turned):
            surfels = surfels_of_room(scene, camera)
            assert np.isfinite(surfels.depth).all() and (surfels.depth > 0).all()
            assert (world_points(surfels) > CORNER - 1e-6).all()
            assert np.allclose(np.linalg.norm(surfels.normals, axis=-1), 1, atol=1e-5)


def test_the_picture_is_the_slow_twin_of_equation_1():
    scene = draw_scene(4, 1, config_of("multiple-shapes", size=16))
    surfels = surfels_of_room(scene, scene.camera)
    depth = torch.from_numpy(surfels.depth).double()
    points = back_project(depth, torch.from_numpy(scene.camera.K))
    normals, albedo = (torch.from_numpy(v).double().movedim(-1, 0) for v in (surfels.normals, surfels.albedo))
    wanted = slow_shade(points, normals, albedo, lights_of(scene.light).moved(torch.from_numpy(scene.camera.world_to_cam)))
    picture = torch.from_numpy(picture_of_surfels(surfels, scene.light)).movedim(-1, 0)
    assert (wanted.clamp(0, 1) * 255 - picture).abs().max() <= 0.5 + 1e-6


def test_hardly_a_pixel_is_clipped_and_none_is_black():
    for seed in range(6):
        scene = draw_scene(seed, 0, config_of("multiple-shapes", random_lights=True))
        picture = picture_of_surfels(surfels_of_room(scene, scene.camera), scene.light)
        assert (picture == 255).mean() < 0.01 and picture.min() > 20 and picture.mean() > 60


# -- on disk --------------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("rooms") / "data"
    assert write_dataset(out, 3, RoomsGenerator(2, config_of("multiple-shapes", turned=True, size=48))) == 3
    return out


def files_of(folder):
    return sorted(p.relative_to(folder) for p in Path(folder).rglob("*") if p.is_file())


def same(first, second):
    return files_of(first) == files_of(second) and all(filecmp.cmp(first / p, second / p, shallow=False) for p in files_of(first))


def test_the_reader_gives_tensors_whose_rendering_is_the_picture(folder):
    batch = RoomsFolder(folder, truth=True).batch([0, 1, 2])
    assert batch.images.shape == batch.normals.shape == (3, 3, 48, 48) and batch.depth.shape == (3, 48, 48)
    assert batch.eyes.shape == (3, 3) and batch.shapes.dtype == torch.int64 and batch.images.dtype == torch.float32
    albedo = batch.albedo[..., None, None]
    picture = render_surfels(SurfelMaps(batch.depth, batch.normals, albedo.expand_as(batch.normals)), batch.K, batch.lights)
    assert (picture.clamp(0, 1) - batch.images).abs().max() < 0.51 / 255
    # What pix2scene renders, normals from depth, differs where two surfaces meet in a pixel's neighbourhood alone.
    own = render(batch.depth, albedo, batch.K, batch.lights)
    assert ((own - batch.images).abs().amax(1) < 3 / 255).float().mean() > 0.85


def test_the_reader_reads_pictures_without_the_truth_and_moves_to_a_device(folder):
    data = RoomsFolder(folder)
    assert len(data) == 3 and data.name(1) == "000001" and data.shapes == SHAPES and data.size == 48 and data.variant == "multiple-shapes"
    batch = data[1].to("cpu")
    assert batch.depth is None and batch.normals is None and batch.images.shape == (1, 3, 48, 48)
    assert torch.allclose(batch.eyes[0], torch.from_numpy(eye_of(data.camera(1))).float())


def test_turned_views_are_the_scene_seen_from_the_turned_cameras(folder):
    views = RoomsFolder(folder).turned(0)
    assert tuple(views) == TURNS
    scene = draw_scene(2, 0, config_of("multiple-shapes", turned=True, size=48))
    for surfels, camera in zip(views.values(), scene.turned, strict=True):
        assert np.array_equal(surfels.camera.world_to_cam, camera.world_to_cam)
        assert np.array_equal(surfels.depth, surfels_of_room(scene, camera).depth)


def test_the_scene_file_places_the_same_meshes(folder):
    described = files.read_as(folder / "scenes/000002.yaml", SceneDescription)
    scene = draw_scene(2, 2, config_of("multiple-shapes", turned=True, size=48))
    assert [o.class_name for o in described.objects] == ["room", *(thing.shape.category for thing in scene.objects)]
    assert np.allclose(described.objects[0].mesh.vertices, room_mesh().vertices)
    assert np.array_equal(described.camera.world_to_cam, scene.camera.world_to_cam)
    for given, thing in zip(described.objects[1:], scene.objects, strict=True):
        assert np.allclose(given.mesh.vertices, thing.shape.vertices, atol=1e-6) and np.array_equal(given.position, thing.position)
        assert np.array_equal(given.scale, thing.scale) and np.array_equal(given.rotation_wxyz, thing.rotation_wxyz)


def test_an_interrupted_data_set_is_completed_with_the_same_bytes(folder, tmp_path):
    config, seen = config_of("multiple-shapes", turned=True, size=48), []
    assert write_dataset(tmp_path / "again", 2, RoomsGenerator(2, config)) == 2
    (tmp_path / "again/images/000000.png").unlink()
    (tmp_path / "again/surfels/000000.npz").write_bytes(b"half")
    assert write_dataset(tmp_path / "again", 3, RoomsGenerator(2, config), progress=lambda done, count: seen.append((done, count))) == 2
    assert seen == [(1, 3), (2, 3), (3, 3)] and same(folder, tmp_path / "again")
    for path in ("surfels/000001.npz", "turned/000002-05.npz", "meshes/room.ply"):
        (tmp_path / "again" / path).write_bytes(b"junk")
    assert write_dataset(tmp_path / "again", 3, RoomsGenerator(2, config)) == 2 and same(folder, tmp_path / "again")


@pytest.mark.slow
def test_any_number_of_workers_gives_the_same_bytes(tmp_path):
    config = config_of("box-rotation", size=16)
    write_dataset(tmp_path / "one", 20, RoomsGenerator(0, config))
    write_dataset(tmp_path / "two", 20, RoomsGenerator(0, config), workers=2)
    assert same(tmp_path / "one", tmp_path / "two")


def test_shapes_from_files_stand_in_rooms_by_their_folders_name(tmp_path):
    for category, name in (("mug", "torus"), ("bowl", "cone")):
        (tmp_path / "assets" / category).mkdir(parents=True)
        shape = known_shape(name)
        files.write(tmp_path / "assets" / category / "one.obj", Mesh(shape.vertices * 7 + 3, shape.faces))
    config = RoomsConfig("multiple-shapes", ("bowl", "mug", "box"), size=32)
    write_dataset(tmp_path / "out", 6, RoomsGenerator(0, config, tmp_path / "assets"))
    data = RoomsFolder(tmp_path / "out")
    assert set(data.batch(range(6)).shapes.tolist()) == {0, 1, 2}
    mesh = files.read_as(tmp_path / "out/meshes/mug-0.ply", Mesh)
    assert np.allclose(mesh.vertices.max(0), known_shape("torus").vertices.max(0), atol=1e-6)
    assert np.isfinite(files.read_as(tmp_path / "out/surfels/000000.npz", Surfels).depth).all()


def test_what_cannot_be_is_refused(folder, tmp_path):
    with refused(UsageError, "other options"):
        write_dataset(folder, 3, RoomsGenerator(3, config_of("multiple-shapes", turned=True, size=48)))
    for wrong in (
        {"variant": "box"},
        {"shapes": ()},
        {"shapes": ("box", "box")},
        {"lights": 0},
        {"variant": "box-rotation", "shapes": ("cone",)},
    ):
        with pytest.raises(UsageError):
            RoomsConfig(**wrong)
    with refused(UsageError, "'teapots'", hint="'teapot'"):
        write_dataset(tmp_path / "new", 1, RoomsGenerator(0, RoomsConfig(shapes=("teapots",))))
    with refused(DataError, "no folder"):
        write_dataset(tmp_path / "new", 1, RoomsGenerator(0, RoomsConfig(), tmp_path / "absent"))
    with refused(DataError, "no rooms"):
        RoomsFolder(tmp_path)
    (tmp_path / "assets" / "box").mkdir(parents=True)
    files.write(tmp_path / "assets/box/a.obj", known_shape("box").mesh)
    with refused(DataError, "category"):
        write_dataset(tmp_path / "new", 1, RoomsGenerator(0, RoomsConfig(), tmp_path / "assets"))
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("name", "text"),
    [("facts/000000.json", "{}"), ("facts/000000.json", "nothing"), ("images/000000.png", "no picture"), ("meta.json", "{}")],
)
def test_damage_is_an_error_that_names_the_file(tmp_path, name, text):
    write_dataset(tmp_path / "out", 1, RoomsGenerator(0, RoomsConfig("box-rotation", ("box",), size=16)))
    (tmp_path / "out" / name).write_text(text)
    with refused(FileFormatError, name.split("/")[-1].split(".")[0]):
        RoomsFolder(tmp_path / "out")[0]


def test_scene_and_light_files_hold_every_number_to_the_last_bit(tmp_path):
    import yaml

    from voxcli.datasets.synthetic.rooms.dataset import _yaml

    tree = {"a": [1e-05, 1.5e-17, -2e22, 0.1, 3], "b": [{"c": [1 / 3], "word": "02876657"}, {"c": [[2.0]]}], "d": {"x": "no"}}
    assert yaml.safe_load(_yaml(tree)) == tree
