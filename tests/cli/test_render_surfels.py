"""`voxcli render-surfels`: every kind of input, every kind of output, and what is wrong with a light file."""

import numpy as np
import pytest
from example_files import FILES, box_mesh, fruxel_grid
from PIL import Image

from voxcli import files
from voxcli.scene import Camera, DepthMap, Mesh, PointCloud, Surfels, VoxelGrid

# The front face of the example box lies at z = 3 of this camera, which looks at it squarely from +z.
CAMERA = "camera: {width: 40, height: 30, fov_x_deg: 50, position: [0, 0.75, 5.1], look_at: [0, 0.75, 0]}\n"


@pytest.fixture
def folder(tmp_path):
    for name in ("car.obj", "scene.yaml", "scene.npz"):
        FILES[name](tmp_path / name)
    (tmp_path / "front.yaml").write_text(CAMERA)
    return tmp_path


def picture(path):
    return np.asarray(Image.open(path))


def camera(size=20):
    return Camera(np.array([[size, 0, size / 2], [0, size, size / 2], [0, 0, 1.0]]), size, size)


def test_a_boxs_front_is_where_it_is(voxcli, folder):
    assert voxcli("render-surfels", "car.obj", "-o", "s.npz", "--camera", "front.yaml", "-q") == (0, "", "")
    surfels = files.read_as(folder / "s.npz", Surfels)
    seen = np.isfinite(surfels.depth)
    assert np.allclose(surfels.depth[seen], 3.0, atol=1e-5)
    assert np.allclose(surfels.normals[seen], [0, 0, -1], atol=1e-6) and not surfels.normals[~seen].any()
    f = surfels.camera.K[0, 0]
    assert abs(seen.sum() - (1.8 * f / 3) * (1.5 * f / 3)) < 60  # the face's pixels, give or take its rim
    assert surfels.meta["command"] == "render-surfels" and "car.obj" in surfels.meta["inputs"]


def test_depth_is_the_same_in_every_format(voxcli, folder):
    for output in ("d.npz", "d.png", "d.npy", "d.tif"):
        assert voxcli("render-surfels", "car.obj", "-o", output, "--as", "depth", "--camera", "front.yaml", "-q") == (0, "", "")
    exact = files.read_as(folder / "d.npz", DepthMap).depth
    for output in ("d.png", "d.npy", "d.tif"):
        assert np.allclose(files.read(folder / output, kind="depth").depth, exact, atol=0.0005, equal_nan=True)
    assert picture(folder / "d.png").dtype == np.uint16 and picture(folder / "d.png").max() == 3000


def test_normals_are_colours_on_white(voxcli, folder):
    assert voxcli("render-surfels", "car.obj", "-o", "n.png", "--as", "normals", "--camera", "front.yaml", "-q") == (0, "", "")
    found = picture(folder / "n.png")
    assert found.shape == (30, 40, 3) and found[15, 20].tolist() == [127, 127, 255] and found[0, 0].tolist() == [255] * 3


@pytest.mark.parametrize(
    "name", ["fruxels.npz", "voxels.npz", "mesh.obj", "points.ply", "discs.npz", "scene.yaml", "surfels.npz", "depth.npz"]
)
def test_every_kind_of_input_makes_a_picture_with_something_in_it(voxcli, folder, name):
    rng = np.random.default_rng(0)
    places = rng.normal(size=(800, 3))
    places /= np.linalg.norm(places, axis=1, keepdims=True)
    z = np.full((20, 20), 3.0, np.float32)
    z[:4], z[5, 5] = np.nan, 0
    things = {
        "fruxels.npz": fruxel_grid(), "voxels.npz": VoxelGrid(occupancy=np.ones((3, 4, 5), bool)), "mesh.obj": box_mesh(),
        "points.ply": PointCloud(places), "discs.npz": PointCloud(places, normals=places), "depth.npz": DepthMap(z, camera=camera()),
        "surfels.npz": Surfels(z, np.tile(np.float32([0, 0, -1]), (20, 20, 1)), np.full((20, 20, 3), 0.5, np.float32), camera()),
    }  # fmt: skip
    if name in things:
        files.write(folder / name, things[name])
    assert voxcli("render-surfels", name, "-o", "v.png", "--size", "64", "-q") == (0, "", "")
    found = picture(folder / "v.png")
    assert max(found.shape) == 64 and 0.03 < (found != found[0, 0]).any(-1).mean() < 0.99
    assert voxcli("render-surfels", name, "-o", "v.gif", "--size", "32", "--views", "3", "-q") == (0, "", "")
    assert Image.open(folder / "v.gif").n_frames == 3
    assert voxcli("render-surfels", name, "-o", "v.npz", "--size", "32")[0] == 0
    surfels = files.read_as(folder / "v.npz", Surfels)
    seen = np.isfinite(surfels.depth)
    assert np.allclose(np.linalg.norm(surfels.normals[seen], axis=1), 1, atol=1e-5)
    assert np.isfinite(surfels.normals).all() and np.isfinite(surfels.albedo).all()


def test_points_are_balls_of_the_radius_that_is_given_or_in_the_file(refused, voxcli, folder):
    place = np.array([[0.0, 0.75, 0.0]])  # 5.1 before the camera, on its axis
    files.write(folder / "bare.ply", PointCloud(place))
    files.write(folder / "sized.ply", PointCloud(place, radius=np.array([1.0])))
    for name, flags, radius in (("bare", ("--radius", "0.5"), 0.5), ("sized", (), 1.0), ("sized", ("--radius", "0.7"), 0.7)):
        line = ("render-surfels", f"{name}.ply", "-o", "p.npz", "--camera", "front.yaml", "--size", "160", "--overwrite", *flags)
        assert voxcli(*line, "-q") == (0, "", "")
        surfels = files.read_as(folder / "p.npz", Surfels)
        seen = np.isfinite(surfels.depth)
        outline = np.pi * radius**2 / (5.1**2 - radius**2) * surfels.camera.K[0, 0] ** 2  # of a ball on the axis: a circle
        assert seen.sum() == pytest.approx(outline, rel=0.03)
        assert np.nanmin(surfels.depth) == pytest.approx(5.1 - radius, abs=1e-3)
    for wrong in ("0", "-1"):
        refused("render-surfels", "bare.ply", "-o", "x.png", "--radius", wrong, named="--radius must be positive")


def test_the_command_of_the_vision_works(voxcli, folder):
    assert voxcli("fruxelize", "scene.yaml", "-o", "out.npz")[0] == 0
    assert voxcli("render-surfels", "out.npz", "-o", "view.png", "-q") == (0, "", "")
    assert picture(folder / "view.png").shape == (512, 512, 3)  # by its own camera
    width = files.read(folder / "out.npz").frustum.width
    assert voxcli("render-surfels", "out.npz", "-o", "view.npz", "-q") == (0, "", "")
    assert files.read(folder / "view.npz").depth.shape == (width, width)


@pytest.mark.parametrize("flag", [(), ("--cells",)])
def test_fruxels_are_seen_in_the_slices_that_hold_them(voxcli, folder, flag):
    grid = fruxel_grid()
    assert voxcli("render-surfels", "scene.npz", "-o", "d.npz", "--as", "depth", *flag, "-q") == (0, "", "")
    depth = files.read_as(folder / "d.npz", DepthMap).depth
    first = np.argmax(grid.labels > 0, 0)
    thickness = grid.frustum.slice_thickness
    nearest = grid.frustum.z_near + first * thickness
    there = np.isfinite(depth) & (grid.labels > 0).any(0)
    inner = there[2:-2, 2:-2]
    assert inner.mean() > 0.5
    error = np.abs(depth - nearest)[2:-2, 2:-2][inner]
    assert np.median(error) <= (1e-5 if flag else 0.51 * thickness)


def test_a_views_surfels_drawn_again_are_the_same_picture_and_survive_as_points(voxcli, folder):
    assert voxcli("render-surfels", "scene.yaml", "-o", "s.npz")[0] == 0
    assert voxcli("render-surfels", "s.npz", "-o", "again.npz")[0] == 0
    one, two = (files.read_as(folder / name, Surfels) for name in ("s.npz", "again.npz"))
    assert np.array_equal(one.depth, two.depth, equal_nan=True) and np.allclose(one.normals, two.normals, atol=1e-6)
    assert voxcli("render-surfels", "scene.yaml", "-o", "s.ply")[0] == 0
    cloud = files.read_as(folder / "s.ply", PointCloud)
    assert len(cloud.points) == np.isfinite(one.depth).sum() and cloud.radius is not None
    assert voxcli("render-surfels", "s.ply", "-o", "p.npz", "--camera", "scene.yaml")[0] == 0
    three = files.read_as(folder / "p.npz", Surfels)
    both = np.isfinite(one.depth) & np.isfinite(three.depth)
    assert both.sum() > 0.9 * np.isfinite(one.depth).sum()
    assert np.median(np.abs(one.depth - three.depth)[both]) < 1e-3


def test_a_turntable_goes_around_and_stands_side_by_side_in_a_png(voxcli, folder):
    line = ("render-surfels", "car.obj", "--camera", "front.yaml", "--views", "4")
    for output in ("t.apng", "t.gif", "t.png"):
        assert voxcli(*line, "-o", output, "-q") == (0, "", "")
    sheet, turning = picture(folder / "t.png"), Image.open(folder / "t.apng")
    assert sheet.shape == (60, 80, 3) and turning.n_frames == 4 and turning.is_animated
    frames = []
    for k in range(4):
        turning.seek(k)
        frames.append(np.asarray(turning.convert("RGB")))
    assert all(np.array_equal(frames[2 * r + c], sheet[30 * r : 30 * r + 30, 40 * c : 40 * c + 40]) for r in (0, 1) for c in (0, 1))
    # A box looks the same from the front and from behind, and wider from its side.
    assert np.abs(frames[0].astype(int) - frames[2]).mean() < 1
    widths = [int((f != f[0, 0]).any((0, 2)).sum()) for f in frames]
    assert widths[1] > widths[0] and abs(widths[1] - widths[3]) <= 1


def test_the_second_view_of_a_turntable_is_from_the_right(voxcli, folder):
    """Counter-clockwise seen from above: the camera goes from +z to +x."""
    marked = Mesh(box_mesh().vertices, box_mesh().faces, face_colors=np.full((12, 3), 60, np.uint8))
    marked.face_colors[2:4] = [0, 255, 0]  # the side at +x
    files.write(folder / "marked.ply", marked)
    assert voxcli("render-surfels", "marked.ply", "-o", "t.png", "--camera", "front.yaml", "--views", "4")[0] == 0
    second = picture(folder / "t.png")[15, 60]
    assert second[1] > 100 and second[0] < 20


def test_a_camera_that_sees_nothing_says_so_and_the_picture_is_empty(voxcli, folder):
    (folder / "away.yaml").write_text(CAMERA.replace("look_at: [0, 0.75, 0]", "look_at: [0, 0.75, 9]"))
    for output in ("e.png", "e.npz", "e.ply"):
        code, text, errors = voxcli("render-surfels", "car.obj", "-o", output, "--camera", "away.yaml")
        assert (code, text) == (0, "") and "nothing of it is seen" in errors
    assert len(np.unique(picture(folder / "e.png").reshape(-1, 3), axis=0)) == 1


@pytest.mark.parametrize(
    ("camera", "said"),
    [
        ("fov_x_deg: 180, position: [0, 0, 5], look_at: [0, 0, 0]", "between 0 and 180"),
        ("fov_x_deg: 0, position: [0, 0, 5], look_at: [0, 0, 0]", "between 0 and 180"),
        ("fov_x_deg: .nan, position: [0, 0, 5], look_at: [0, 0, 0]", "fov_x_deg"),
        ("fov_x_deg: 50, position: [0, 0, 5], look_at: [0, 0, 5]", "its own position"),
        ("fov_x_deg: 50, position: [0, 5, 0], look_at: [0, 0, 0]", "up"),
        ("fov_x_deg: 50, position: [0, .inf, 5], look_at: [0, 0, 0]", "position must be finite"),
        ("fov_x_deg: 50, position: [0, 0, 5], look_at: [0, 0, 0], height: 0", "positive size"),
    ],
)
def test_a_camera_that_can_see_nothing_is_refused_with_its_file(refused, folder, camera, said):
    (folder / "bad.yaml").write_text(f"camera: {{width: 40, {'' if 'height' in camera else 'height: 30, '}{camera}}}\n")
    refused("render-surfels", "car.obj", "-o", "x.png", "--camera", "bad.yaml", named=("bad.yaml", said))


@pytest.mark.parametrize("position", ["[0, 0.75, 0]", "[0, 0.75, 2.1]", "[0.9, 1.5, 2.1]"])
def test_a_camera_within_on_a_face_or_at_a_corner_of_a_box_gives_surfels_without_nan(voxcli, folder, position):
    (folder / "in.yaml").write_text(f"camera: {{width: 40, height: 30, fov_x_deg: 90, position: {position}, look_at: [-1, 0.1, -3]}}\n")
    assert voxcli("render-surfels", "car.obj", "-o", "s.npz", "--camera", "in.yaml")[:2] == (0, "")
    surfels = files.read_as(folder / "s.npz", Surfels)
    seen = np.isfinite(surfels.depth)
    assert seen.any() and (surfels.depth[seen] > 0).all()
    assert np.isfinite(surfels.normals).all() and np.allclose(np.linalg.norm(surfels.normals[seen], axis=1), 1, atol=1e-5)
    assert voxcli("render-surfels", "car.obj", "-o", "s.png", "--camera", "in.yaml")[:2] == (0, "")


def test_a_depth_map_takes_the_camera_it_lacks_and_keeps_the_one_it_has(refused, voxcli, folder):
    files.write(folder / "bare.npy", DepthMap(np.full((30, 40), 2.0, np.float32)))
    assert voxcli("render-surfels", "bare.npy", "--kind", "depth", "--camera", "front.yaml", "-o", "s.npz", "-q") == (0, "", "")
    surfels = files.read_as(folder / "s.npz", Surfels)
    assert np.allclose(surfels.normals, [0, 0, -1], atol=1e-6) and surfels.camera.width == 40
    refused("render-surfels", "bare.npy", "--kind", "depth", "--camera", "scene.yaml", "-o", "x.npz", named="does not fit the depth map")
    assert voxcli("render-surfels", "s.npz", "--camera", "scene.yaml", "-o", "moved.npz")[0] == 0
    assert files.read_as(folder / "moved.npz", Surfels).camera.width == 64


def test_a_single_pixel_and_depth_of_nothing_are_defined(refused, voxcli, folder):
    files.write(folder / "one.npz", DepthMap(np.full((1, 1), 2.0, np.float32), camera=camera(1)))
    code, text, errors = voxcli("render-surfels", "one.npz", "-o", "one.png", "--size", "8", "-q")
    assert (code, text) == (0, "") and picture(folder / "one.png").shape == (8, 8, 3) and not errors
    assert voxcli("render-surfels", "one.npz", "-o", "s.npz", "-q") == (0, "", "")
    assert np.allclose(files.read_as(folder / "s.npz", Surfels).normals, [0, 0, -1])
    files.write(folder / "none.npz", DepthMap(np.array([[np.nan, 0.0], [-1.0, np.inf]], np.float32), camera=camera(2)))
    refused("render-surfels", "none.npz", "-o", "none.png", named="nothing to see")


def test_a_depth_map_without_a_surface_says_what_one_would_be(refused, folder):
    np.save(folder / "empty.npy", np.zeros((0, 4), np.float32))
    np.save(folder / "far.npy", np.full((30, 40), 2e30, np.float32))
    for name, said in (("empty.npy", ("empty.npy", "[0, 4]", "at least one pixel")), ("far.npy", ("far.npy", "1e+09", "2e+30"))):
        refused("render-surfels", name, "--kind", "depth", "--camera", "front.yaml", "-o", "x.png", named=said)


@pytest.mark.parametrize("name", ["odd.npz", "surfels.npz"])
def test_depths_that_are_neither_surfaces_nor_holes_are_counted(voxcli, folder, name):
    z = np.full((20, 20), 3.0, np.float32)
    z[0], z[1, :5], z[2], z[3, :2] = np.inf, -1, np.nan, 0
    surfels = Surfels(z, np.tile(np.float32([0, 0, -1]), (20, 20, 1)), np.full((20, 20, 3), 0.5, np.float32), camera())
    files.write(folder / name, DepthMap(z, camera=camera()) if name == "odd.npz" else surfels)
    code, _, errors = voxcli("render-surfels", name, "-o", "x.png")
    assert code == 0 and errors.count("warning:") == 1 and "of 400 depths 20 infinite and 5 negative" in errors


@pytest.mark.parametrize("name", ["depth.npz", "fruxels.npz", "surfels.npz", "bare.npy"])
def test_a_picture_has_the_size_of_the_camera_unless_another_is_asked_for(voxcli, folder, name):
    z = np.full((20, 20), 3.0, np.float32)
    surfels = Surfels(z, np.tile(np.float32([0, 0, -1]), (20, 20, 1)), np.full((20, 20, 3), 0.5, np.float32), camera())
    things = {"depth.npz": DepthMap(z, camera=camera()), "fruxels.npz": fruxel_grid(), "surfels.npz": surfels, "bare.npy": DepthMap(z)}
    files.write(folder / name, things[name])
    (folder / "square.yaml").write_text(CAMERA.replace("height: 30", "height: 40"))
    flags = ("--kind", "depth", "--camera", "square.yaml") if name == "bare.npy" else ()
    own = things[name].camera or camera()
    assert voxcli("render-surfels", name, "-o", "own.png", *flags)[0] == 0
    wanted = (512, 512) if name == "fruxels.npz" else (own.height, own.width)  # a grid's camera has a pixel for each column
    assert picture(folder / "own.png").shape[:2] == wanted
    assert voxcli("render-surfels", name, "-o", "asked.png", "--size", "32", *flags)[0] == 0
    assert max(picture(folder / "asked.png").shape[:2]) == 32
    if name != "bare.npy":
        assert voxcli("render-surfels", name, "-o", "given.png", "--camera", "front.yaml")[0] == 0
        assert picture(folder / "given.png").shape == (30, 40, 3)


@pytest.mark.parametrize("points", [[[0, 0, 0]], [[1, 2, 3]] * 5, [[0, 0, 0], [1, 0, 0]]])
def test_the_camera_of_few_points_has_all_of_their_balls_in_view(voxcli, folder, points):
    files.write(folder / "few.ply", PointCloud(np.array(points, np.float64)))
    for flags in ((), ("--radius", "30")):
        assert voxcli("render-surfels", "few.ply", "-o", "few.png", "--size", "48", "--overwrite", *flags, "-q") == (0, "", "")
        found = picture(folder / "few.png")
        blank = (found == found[0, 0]).all(-1)
        assert 0.05 < 1 - blank.mean() < 0.9
        assert all(side.all() for side in (blank[0], blank[-1], blank[:, 0], blank[:, -1]))


@pytest.mark.parametrize("side", [0, 1e-30, 1e18, 1e30, 1e300])
def test_what_no_camera_could_frame_is_refused_once_and_clearly(refused, voxcli, folder, side):
    vertices = f"v 0 0 0\nv {side} 0 0\nv 0 {side} 0\nv 0 0 {side}\n"
    (folder / "odd.obj").write_text(vertices + "f 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 4\n")
    code, text, errors = voxcli("render-surfels", "odd.obj", "-o", "x.png")
    assert (code, text) == (2, "") and "warning" not in errors and "odd.obj" in errors and len(errors.splitlines()) <= 3, errors
    assert "too far out" in errors and "1e+300" in errors if side == 1e300 else f"got {side * 3**0.5:g}" in errors
    if side > 1e12:
        refused("fruxelize", "odd.obj", "-o", "x.npz", named="too far out", unnamed="warning")


def test_a_picture_of_one_colour_need_not_be_empty(voxcli, folder):
    for size in ("1", "8"):
        assert voxcli("render-surfels", "car.obj", "-o", f"s{size}.png", "--size", size, "-q") == (0, "", "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("car.obj", "-o", "x.png", "--radius", "3"), "--radius is of points"),
        (("car.obj", "-o", "x.png", "--cells"), "--cells are of a grid"),
        (("car.obj", "-o", "x.gif"), "--views"),
        (("car.obj", "-o", "x"), "apng, gif, npy, npz, ply, png, tif, tiff."),
        (("car.obj", "-o", "-"), "apng, gif, npy, npz, ply, png, tif, tiff."),
        (("flat.npy", "-o", "x.png"), "--camera"),
        (("car.obj", "-o", "x.png", "--camera", "huge.yaml"), "huge.yaml"),
        (("car.obj", "-o", "x.png", "--camera", "flat.yaml"), "det R = 0"),
    ],
)
def test_options_that_mean_nothing_and_cameras_that_cannot_be_are_refused(refused, folder, arguments, said):
    np.save(folder / "flat.npy", np.ones((8, 8), np.float32))
    (folder / "huge.yaml").write_text(CAMERA.replace("40", "100000").replace("30", "100000"))
    nothing = "[[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]]"
    (folder / "flat.yaml").write_text(f"camera: {{width: 8, height: 8, K: [[8, 0, 4], [0, 8, 4], [0, 0, 1]], world_to_cam: {nothing}}}\n")
    refused("render-surfels", *arguments, named=said, unnamed="mirror")


def test_ray_depth_is_turned_into_z(voxcli, folder):
    k = camera().K
    v, u = np.mgrid[:20, :20] + 0.5
    length = np.sqrt(((u - k[0, 2]) / k[0, 0]) ** 2 + ((v - k[1, 2]) / k[1, 1]) ** 2 + 1)
    files.write(folder / "ray.npz", DepthMap((3 * length).astype(np.float32), kind="ray", camera=camera()))
    assert voxcli("render-surfels", "ray.npz", "-o", "s.npz", "-q") == (0, "", "")
    assert np.allclose(files.read_as(folder / "s.npz", Surfels).depth, 3.0, atol=1e-5)


# -- lights ---------------------------------------------------------------------------------------------------------------------------


def lit(voxcli, folder, text, *flags):
    (folder / "lights.yaml").write_text(text)
    line = ("render-surfels", "car.obj", "-o", "l.png", "--camera", "front.yaml", "--lights", "lights.yaml", "--overwrite", "-q", *flags)
    code, out, errors = voxcli(*line)
    assert (code, out, errors) == (0, "", ""), errors
    return picture(folder / "l.png")


def test_ambient_light_alone_is_albedo_times_light(voxcli, folder):
    wall = lit(voxcli, folder, "ambient: [1, 0.5, 0]\n")[13:17, 18:22].reshape(-1, 3)  # 255 * 0.7 = 178.5, and half of it
    assert wall.mean(0) == pytest.approx([178.5, 89.25, 0], abs=0.1) and np.ptp(wall, axis=0).tolist() == [1, 1, 0]


def test_lights_of_camera_and_world_meet_where_the_camera_says(voxcli, folder):
    in_camera = lit(voxcli, folder, "points: [{position: [1, -0.5, 0], colour: [4, 4, 4]}]\nattenuation: {linear: 0.2, quadratic: 0.5}\n")
    # Seen from +z: the camera's x is the world's x, its y points down, its z towards -z.
    text = "frame: world\npoints: [{position: [1, 1.25, 5.1], colour: [4, 4, 4]}]\nattenuation: {linear: 0.2, quadratic: 0.5}\n"
    assert np.array_equal(lit(voxcli, folder, text), in_camera)
    assert len(np.unique(in_camera.reshape(-1, 3), axis=0)) > 20


def test_a_light_on_a_surface_and_harmonics_leave_no_hole(voxcli, folder):
    on_it = lit(voxcli, folder, "ambient: [0.3, 0.3, 0.3]\npoints: [{position: [0, 0, 3]}]\nattenuation: {quadratic: 1}\n")
    assert on_it[15, 20].min() > 40
    flat = ", ".join(["3.5449077"] + ["0"] * 8)
    even = lit(voxcli, folder, f"harmonics: [[{flat}], [{flat}], [{flat}]]\n")[13:17, 18:22].reshape(-1, 3)
    assert even.mean(0) == pytest.approx([178.5] * 3, abs=0.1)
    up = ", ".join(["0", "1", "0", "0", "0", "0", "0", "0", "0"])  # y of the frame: up in the world, down in the camera
    world = lit(voxcli, folder, f"frame: world\nambient: [0.5, 0.5, 0.5]\nharmonics: [[{up}], [{up}], [{up}]]\n")
    assert world[13:17, 18:22].mean() == pytest.approx(89.25, abs=0.1)  # a wall is level with it


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ambiant: [1, 1, 1]\n", "Did you mean 'ambient'?"),
        ("ambient: [1, 1]\n", "ambient"),
        ("ambient: 1\n", "ambient"),
        ("ambient: [1, .nan, 1]\n", "ambient must be finite"),
        ("ambient: [1, -1, 1]\n", "0 to 1e+30, got -1"),
        ("ambient: [.nan, 0, 1]\n", "lights.yaml: ambient"),
        ("ambient: red\n", "lights.yaml: lights.ambient"),
        ("points: [{position: [0, 1.0e+200, 0]}]\n", "-1e+30 to 1e+30"),
        ("points: [{position: [0, 0, 0], colour: [1.0e+300, 0, 0]}]\n", "0 to 1e+30"),
        ("points: [{position: [0, .inf, 0]}]\n", "points[0].position"),
        ("points: [{colour: [0, 0, 0]}]\n", "position"),
        ("points: [{position: [0, 0, 0]}]\nattenuation: {quadratic: 0}\n", "infinite"),
        ("ambient: [1, 1, 1]\nharmonics: [[1], [1], [1]]\n", "nine numbers"),
        (f"harmonics: [{', '.join(['[1, 1, 1]'] * 9)}]\n", "three rows of nine"),
        ("frame: wrold\nambient: [1, 1, 1]\n", "Did you mean 'world'?"),
        ("{}\n", "holds no light"),
        ("ambient: [", "YAML"),
    ],
)
def test_a_wrong_light_file_is_named_with_its_key(refused, folder, text, said):
    (folder / "lights.yaml").write_text(text)
    refused("render-surfels", "car.obj", "-o", "l.png", "--lights", "lights.yaml", named=(said, "lights.yaml"))
