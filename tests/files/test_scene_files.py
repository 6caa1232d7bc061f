"""Scene YAML, and the cameras of other tools."""

import json
import struct

import numpy as np
import pytest
from PIL import Image
from refusals import refused

from voxcli.errors import DataError, FileFormatError, UsageError, VoxcliError
from voxcli.files import read, read_as, read_cameras, write
from voxcli.geometry.cameras import from_opengl, look_at
from voxcli.scene import FRUSTUM_PRESETS, STREET_CLASSES, Camera, FruxelGrid, SceneDescription

TRIANGLE = "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"
CAMERA = "camera: {width: 64, height: 48, fov_x_deg: 90, position: [0, 1, 5], look_at: [0, 1, 0]}\n"


def scene(tmp_path, text):
    (tmp_path / "sub").mkdir(exist_ok=True)
    (tmp_path / "sub" / "car.obj").write_text(TRIANGLE)
    (tmp_path / "s.yaml").write_text(text)
    return tmp_path / "s.yaml"


def test_a_whole_scene_is_read(tmp_path, monkeypatch):
    text = (
        CAMERA
        + """
frustum: {preset: semantic-voxels, depth: 64}
classes: {names: [air, car, ground], empty: air, ignore: 255}
meta: {seed: 1}
objects:
  - {mesh: sub/car.obj, class: car, position: [1, 0, 2], rotation_wxyz: [2, 0, 0, 0], scale: 1.5, name: parked}
  - {mesh: sub/car.obj, class: ground, scale: [1, 2, 3]}
"""
    )
    path = scene(tmp_path, text)
    monkeypatch.chdir("/")
    read_back = read_as(path, SceneDescription)
    first, second = read_back.objects
    assert (first.class_name, first.name) == ("car", "parked") and first.position.tolist() == [1, 0, 2]
    assert first.rotation_wxyz.tolist() == [1, 0, 0, 0] and first.scale.tolist() == [1.5] * 3 and second.scale.tolist() == [1, 2, 3]
    assert first.mesh is second.mesh and len(first.mesh.faces) == 1
    assert read_back.classes.names == ("air", "car", "ground") and read_back.classes.empty == 0
    assert (read_back.frustum.depth, read_back.frustum.z_far) == (64, FRUSTUM_PRESETS["semantic-voxels"].z_far)
    assert np.allclose(read_back.camera.K, [[32, 0, 32], [0, 32, 24], [0, 0, 1]])
    assert np.allclose(read_back.camera.world_to_cam, look_at([0, 1, 5], [0, 1, 0])) and read_back.meta == {"seed": 1}


def test_what_is_left_out_has_its_default(tmp_path):
    thing = read(scene(tmp_path, "frustum: shapenet\ncamera: {}\nobjects:\n- {mesh: sub/car.obj, class: car}\n"))
    assert thing.classes.names == STREET_CLASSES and thing.frustum == FRUSTUM_PRESETS["shapenet"]
    assert np.allclose(thing.camera.K, thing.frustum.K) and np.array_equal(thing.camera.world_to_cam, np.eye(4))
    assert thing.objects[0].rotation_wxyz.tolist() == [1, 0, 0, 0]


OBJECT = "objects:\n- {mesh: sub/car.obj, class: car}\n"


@pytest.mark.parametrize(
    "text, message",
    [
        ("objekts: []\n", "Did you mean 'objects'"),
        ("objects:\n- {mesh: sub/car.obj, class: car, postion: [0, 0, 0]}\n", r"(?s)objects\[0\].*Did you mean 'position'"),
        ("camera: {width: 4, height: 4, fov: 60}\n", "Did you mean 'fov_x_deg'"),
        ("objects:\n- {mesh: sub/car.obj}\n", r"objects\[0\] lacks 'class'"),
        ("objects:\n- {mesh: sub/cra.obj, class: car}\n", r"(?s)cra\.obj does not exist.*car\.obj"),
        ("objects:\n- {mesh: sub/car.npz, class: car}\n", "cannot hold a mesh"),
        ("objects:\n- {mesh: sub/car.obj, class: care}\n", r"objects\[0\]: Unknown class .care"),
        ("objects:\n- {mesh: sub/car.obj, class: car, scale: big}\n", r"objects\[0\].scale must be numbers"),
        ("objects:\n- {mesh: sub/car.obj, class: car, scale: 0}\n", "must not be zero"),
        ("objects:\n- {mesh: sub/car.obj, class: car, position: [0, .nan, 0]}\n", "finite"),
        ("objects: {a: 1}\n", "must be a list"),
        ("frustum: shapnet\n" + OBJECT, "Did you mean 'shapenet'"),
        ("frustum: {preset: shapenet, z_near: -1}\n" + OBJECT, "z_near must be positive"),
        ("frustum: {preset: shapenet, fov_x_deg: 200}\n" + OBJECT, "between 0 and 180"),
        ("frustum: {width: 4, height: 4, depth: 4, z_near: 1, z_far: 2}\n" + OBJECT, "lacks 'fov_x_deg'"),
        ("frustum: {preset: shapenet, depth: 4.5}\n" + OBJECT, "whole number"),
        ("camera: {width: 4, height: 4}\n", "lacks 'fov_x_deg'"),
        ("camera: {fov_x_deg: 40}\n", "lacks 'width'"),
        ("camera: {width: 4, height: 4, fov_x_deg: 40, position: [0, 0, 1]}\n", "lacks 'look_at'"),
        ("camera: {width: 4, height: 4, fov_x_deg: 40, K: [[1, 0, 0], [0, 1, 0], [0, 0, 1]]}\n", "both K and fov_x_deg"),
        ("camera: {width: 4, height: 4, fov_x_deg: 40, world_to_cam: [[1, 2], [3, 4]]}\n", r"world_to_cam must be finite numbers \[4, 4\]"),
        ("classes: [air, car, car]\n" + OBJECT, "different names"),
        ("classes: {names: [air, car], empty: aire}\n" + OBJECT, "Did you mean 'air'"),
        ("[1, 2]\n", "must be a mapping"),
        ("a: [1\n", "not valid YAML"),
        ("x: !!python/object/apply:os.system ['true']\n", "not valid YAML"),
        ("objects: []\nobjects: []\n", "line 2.*'objects' is given twice"),
        ("", "empty"),
        ("meta: {}\n", "lacks 'objects'"),
    ],
)
def test_every_mistake_gives_one_clear_error_with_its_place(tmp_path, text, message):
    with pytest.raises(VoxcliError, match=message) as caught:
        read(scene(tmp_path, text))
    assert str(tmp_path) in str(caught.value) and len(str(caught.value).splitlines()) <= 3


def test_a_camera_alone_is_a_scene_file_too(tmp_path):
    camera = Camera(np.array([[33.3, 0, 8.1], [0, 33.4, 6.2], [0, 0, 1]]), 16, 12, look_at([1, 2, 3], [0.1, 0, 0]))
    write(tmp_path / "c.yaml", camera)
    assert np.array_equal(read_as(tmp_path / "c.yaml", Camera).world_to_cam, camera.world_to_cam)
    [(name, again)] = read_cameras(tmp_path / "c.yaml")
    assert name == "c" and np.array_equal(again.K, camera.K)
    with refused(FileFormatError, "s.yaml", "'camera'", expected="'camera'", actual="keys objects"):
        read(scene(tmp_path, OBJECT), kind="camera")


def test_a_grid_gives_the_camera_that_it_was_made_for(tmp_path):
    frustum = FRUSTUM_PRESETS["shapenet"]
    write(tmp_path / "a.npz", FruxelGrid(np.zeros(frustum.shape, np.uint8), frustum, look_at([0, 0, 5], [0, 0, 0])))
    [(_, camera)] = read_cameras(tmp_path / "a.npz")
    assert np.allclose(camera.K, frustum.K)
    np.savez(tmp_path / "b.npz", occupancy=np.ones((2, 2, 2), bool))
    with refused(DataError, "b.npz", "no camera"):
        read_cameras(tmp_path / "b.npz")


def transforms(tmp_path, **tree):
    frame = {"file_path": "images/a.png", "transform_matrix": [[1, 0, 0, 1], [0, 1, 0, 2], [0, 0, 1, 3], [0, 0, 0, 1]]}
    (tmp_path / "transforms.json").write_text(json.dumps({"frames": [frame], **tree}))
    return tmp_path / "transforms.json"


def test_nerfstudio_cameras_are_read(tmp_path):
    path = transforms(tmp_path, fl_x=50, fl_y=51, cx=31, cy=23, w=64, h=48, camera_model="OPENCV", k1=0, p1=0.0)
    [(name, camera)] = read_cameras(path)
    assert name == "images/a.png" and (camera.width, camera.height) == (64, 48)
    assert camera.K.tolist() == [[50, 0, 31], [0, 51, 23], [0, 0, 1]]
    # an OpenGL camera at (1, 2, 3) that looks along -z: the point one before it, one up
    assert np.allclose(camera.world_to_cam @ [1, 3, 2, 1], [0, -1, 1, 1])


def test_nerf_cameras_take_the_size_of_their_image(tmp_path):
    (tmp_path / "images").mkdir()
    Image.new("RGB", (20, 10)).save(tmp_path / "images" / "a.png")
    [(_, camera)] = read_cameras(transforms(tmp_path, camera_angle_x=float(np.pi / 2)))
    assert np.allclose(camera.K, [[10, 0, 10], [0, 10, 5], [0, 0, 1]]) and (camera.width, camera.height) == (20, 10)


@pytest.mark.parametrize(
    "tree, message",
    [
        ({"fl_x": 5, "w": 4, "h": 4, "k1": 0.1}, "Undistort"),
        ({"fl_x": 5, "w": 4, "h": 4, "camera_model": "FISHEYE"}, "Undistort"),
        ({"fl_x": 5, "w": 4, "h": 4, "is_fisheye": True, "k1": 0}, "got a fisheye lens .is_fisheye.\nUndistort"),
        ({"w": 4, "h": 4}, "lacks 'fl_x'"),
        ({"fl_x": 5}, "lacks 'w'"),
        ({"fl_x": "x", "w": 4, "h": 4}, "cannot be used"),
        ({"frames": 3}, "lacks 'frames'"),
    ],
)
def test_cameras_that_are_no_pinholes_or_lack_numbers_are_named(tmp_path, tree, message):
    with pytest.raises(VoxcliError, match=message):
        read_cameras(transforms(tmp_path, **tree))


@pytest.mark.parametrize(
    "tree, wanted",
    [
        ({"camera_angle_x": 2 * np.arctan(160 / 300), "camera_angle_y": 2 * np.arctan(120 / 450)}, (300, 450, 160, 120)),
        ({"camera_angle_x": 2 * np.arctan(160 / 300), "cx": 150, "cy": 110}, (300, 300, 150, 110)),
        ({"camera_angle_y": 2 * np.arctan(120 / 450)}, (450, 450, 160, 120)),
        ({"fl_x": 300, "camera_angle_y": 2 * np.arctan(120 / 450)}, (300, 450, 160, 120)),
        ({"x_fov": 90.0, "is_fisheye": False}, (160, 160, 160, 120)),
        ({"fl_y": 450}, (450, 450, 160, 120)),
    ],
)
def test_focal_lengths_follow_from_the_angles_of_each_axis(tmp_path, tree, wanted):
    [(_, camera)] = read_cameras(transforms(tmp_path, w=320, h=240, **tree))
    assert np.allclose([camera.K[0, 0], camera.K[1, 1], camera.K[0, 2], camera.K[1, 2]], wanted)


def test_a_frame_that_states_an_angle_does_not_take_the_focal_length_of_the_top(tmp_path):
    tree = json.loads(transforms(tmp_path, w=20, h=10, fl_x=7, fl_y=8).read_text())
    tree["frames"][0]["camera_angle_x"] = np.pi / 2
    (tmp_path / "transforms.json").write_text(json.dumps(tree))
    [(_, camera)] = read_cameras(tmp_path / "transforms.json")
    assert np.allclose([camera.K[0, 0], camera.K[1, 1]], [10, 8])


def test_cameras_written_for_nerfstudio_read_back(tmp_path):
    cameras = [(f"{i}.png", Camera(np.array([[9.5, 0, 4], [0, 9, 3], [0, 0, 1]]), 8, 6, look_at([i, 1, 2], [0, 0, 0]))) for i in range(3)]
    write(tmp_path / "transforms.json", cameras)
    for (name, camera), (again_name, again) in zip(cameras, read_cameras(tmp_path / "transforms.json"), strict=True):
        assert name == again_name and np.allclose(camera.world_to_cam, again.world_to_cam) and np.array_equal(camera.K, again.K)


def colmap(tmp_path, cameras="1 PINHOLE 64 48 50 51 32 24\n2 SIMPLE_PINHOLE 10 10 9 5 5\n", images=None):
    half = 0.7071067811865476
    images = images or f"7 1 0 0 0 0 0 0 1 a b.png\n1.0 2.0 -1 3 4 5\n9 {half} 0 {half} 0 1 2 3 2 c.png\n\n"
    (tmp_path / "cameras.txt").write_text("# Camera list\n" + cameras)
    (tmp_path / "images.txt").write_text("# Image list\n#   POINTS2D[]\n" + images)
    return tmp_path


def test_colmap_cameras_are_read_from_either_file_or_the_folder(tmp_path):
    folder = colmap(tmp_path)
    for path in (folder, folder / "images.txt", folder / "cameras.txt"):
        (name, first), (_, second) = read_cameras(path)
        assert name == "a b.png" and first.K.tolist() == [[50, 0, 32], [0, 51, 24], [0, 0, 1]]
        assert np.array_equal(first.world_to_cam, np.eye(4))
        assert second.K.tolist() == [[9, 0, 5], [0, 9, 5], [0, 0, 1]]
        # a quarter turn about y takes z to x; then the translation
        assert np.allclose(second.world_to_cam @ [0, 0, 1, 1], [2, 2, 3, 1])


def test_images_without_their_empty_second_lines_are_all_read(tmp_path):
    lines = "1 1 0 0 0 0 0 4 1 left.png\n2 1 0 0 0 -1 0 4 1 right.png\n5.5 6 -1 7 8.25 9\n"
    lines += "3 1 0 0 0 0 0 0 1 000003\n4 1 0 0 0 0 0 0 1 d.png\n"
    found = read_cameras(colmap(tmp_path, images=lines))
    assert [name for name, _ in found] == ["left.png", "right.png", "000003", "d.png"]
    centres = [-camera.world_to_cam[:3, :3].T @ camera.world_to_cam[:3, 3] for _, camera in found[:2]]
    assert np.allclose(centres, [[0, 0, -4], [1, 0, -4]])
    with refused(FileFormatError, "line 4", actual="5.5 6 -1 7", expected="X Y POINT3D_ID"):
        read_cameras(colmap(tmp_path, images="1 1 0 0 0 0 0 4 1 left.png\n5.5 6 -1 7\n"))


def binary_colmap(tmp_path, model=1, numbers=(50, 51, 32, 24)):
    half = 0.7071067811865476
    lenses = struct.pack("<Q", 2) + struct.pack("<IiQQ", 1, model, 64, 48) + struct.pack(f"<{len(numbers)}d", *numbers)
    lenses += struct.pack("<IiQQ3d", 2, 0, 10, 10, 9, 5, 5)
    images = struct.pack("<QI7dI", 2, 7, 1, 0, 0, 0, 0, 0, 0, 1) + b"a b.png\0" + struct.pack("<Q2dq2dq", 2, 1, 2, -1, 3, 4, 5)
    images += struct.pack("<I7dI", 9, half, 0, half, 0, 1, 2, 3, 2) + b"c.png\0" + struct.pack("<Q", 0)
    (tmp_path / "cameras.bin").write_bytes(lenses)
    (tmp_path / "images.bin").write_bytes(images)
    return tmp_path


def test_binary_colmap_cameras_are_those_of_the_text(tmp_path):
    (tmp_path / "text").mkdir()
    wanted, folder = read_cameras(colmap(tmp_path / "text")), binary_colmap(tmp_path)
    for path in (folder, folder / "images.bin", folder / "cameras.bin"):
        for (name, camera), (other, of_text) in zip(read_cameras(path), wanted, strict=True):
            assert name == other and np.array_equal(camera.K, of_text.K) and np.allclose(camera.world_to_cam, of_text.world_to_cam)
    assert [name for name, _ in read(folder / "images.bin")] == ["a b.png", "c.png"]


def test_binary_colmap_mistakes_are_named(tmp_path):
    with refused(DataError, "cameras.bin", "OPENCV_FISHEYE"):
        read_cameras(binary_colmap(tmp_path, 5, (50, 51, 32, 24, 0, 0, 0, 0)))
    with refused(DataError, "cameras.bin", "distorted"):
        read_cameras(binary_colmap(tmp_path, 4, (50, 51, 32, 24, 0.1, 0, 0, 0)))
    with refused(FileFormatError, "cameras.bin", "unknown model", actual="99"):
        read_cameras(binary_colmap(tmp_path, 99))
    whole = (binary_colmap(tmp_path) / "images.bin").read_bytes()
    for size in (4, 70, 80, len(whole) - 1):
        (tmp_path / "images.bin").write_bytes(whole[:size])
        with refused(FileFormatError, "images.bin", "cut off"):
            read_cameras(tmp_path)


@pytest.mark.parametrize(
    "cameras, images, message",
    [
        ("1 OPENCV 64 48 50 51 32 24 0.1 0 0 0\n", None, "distorted"),
        ("1 FOV 64 48 50 51 32 24 0.1\n", None, "no pinhole"),
        ("1 PINHOLE 64\n", None, "line 2, is no camera"),
        ("1 OPENCV 64 48 50 51 32 24 0 0 0 0\n", "1 1 0 0 0 0 0 0 5 a.png\n\n", "line 3, is no image"),
        ("1 PINHOLE 64 48 50 51 32 24\n", "# nothing\n", "no images"),
        ("1 PINHOLE 64 48 50 51 32 24\n", "1 0 0 0 0 0 0 0 1 a.png\n\n", "quaternion"),
    ],
)
def test_colmap_mistakes_are_named(tmp_path, cameras, images, message):
    with pytest.raises(VoxcliError, match=message):
        read_cameras(colmap(tmp_path, cameras, images))


@pytest.mark.parametrize("line", ["2 OPENCV 64 48 50 51 32 24 0.1 0 0 0", "2 FOV 64 48 50 51 32 24 0.1"])
def test_a_distorted_camera_that_no_image_uses_hinders_nobody(tmp_path, line):
    one = "1 PINHOLE 64 48 50 51 32 24\n"
    image = "1 1 0 0 0 0 0 0 1 a.png\n\n"
    [(name, camera)] = read_cameras(colmap(tmp_path, f"{one}{line}\n", image))
    assert name == "a.png" and camera.K[0, 0] == 50
    with refused(DataError, "cameras.txt, line 3", hint="Undistort"):
        read_cameras(colmap(tmp_path, f"{one}{line}\n", image + "2 1 0 0 0 0 0 0 2 b.png\n\n"))


def test_a_colmap_folder_without_its_files_is_named(tmp_path):
    with refused(UsageError, "cameras.txt"):
        read_cameras(tmp_path)


def test_an_opengl_matrix_that_is_no_rotation_is_refused(tmp_path):
    path = transforms(tmp_path, fl_x=5, w=4, h=4)
    tree = json.loads(path.read_text())
    tree["frames"][0]["transform_matrix"] = np.diag([1, 1, 2, 1]).tolist()
    path.write_text(json.dumps(tree))
    assert from_opengl(np.eye(4)).shape == (4, 4)
    with refused(DataError, "transforms.json", "rigid", actual="det R = 2"):
        read_cameras(path)


def test_a_camera_at_the_point_that_it_looks_at_is_told_so(tmp_path):
    path = scene(tmp_path, CAMERA.replace("look_at: [0, 1, 0]", "look_at: [0, 1, 5]"))
    with refused(FileFormatError, "s.yaml", "position", actual=[0.0, 1.0, 5.0]) as caught:
        read(path)
    assert "up" not in str(caught.value).replace(str(path), "")


@pytest.mark.parametrize(("value", "said"), [("5", "objects[0].class must be a name"), ("carr", "objects[0]: Unknown class 'carr'")])
def test_a_wrong_class_names_the_object_that_has_it(tmp_path, value, said):
    path = scene(tmp_path, f"objects:\n  - {{mesh: sub/car.obj, class: {value}}}\n")
    with pytest.raises(FileFormatError) as caught:
        read(path)
    assert said in str(caught.value) and "car" in str(caught.value)


def test_two_frames_of_one_name_are_refused(tmp_path):
    frame = {"file_path": "a.png", "transform_matrix": np.eye(4).tolist()}
    (tmp_path / "transforms.json").write_text(json.dumps({"w": 8, "h": 6, "fl_x": 9, "frames": [frame, frame]}))
    with refused(FileFormatError, "transforms.json", "a.png"):
        read(tmp_path / "transforms.json")
