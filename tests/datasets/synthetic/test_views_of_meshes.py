"""`synth views`: meshes of known geometry become data in each layout, and our readers find that geometry in it."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from references.silhouettes import agree, assert_camera_fits, blender_pixels, lopsided_mesh, seen_by, silhouette, surface_points
from refusals import refused

from voxcli import files
from voxcli.datasets.coloured_shapes import ColouredShapes
from voxcli.datasets.disn import DISNFolder
from voxcli.datasets.objects import ObjectsFolder
from voxcli.datasets.r2n2 import R2N2Folder
from voxcli.datasets.street import StreetFolder
from voxcli.datasets.synthetic.folders import write_dataset
from voxcli.datasets.synthetic.objects.from_meshes import ViewsConfig, ViewsGenerator
from voxcli.datasets.synthetic.objects.meshes import find_places, shape_of
from voxcli.errors import DataError, UsageError
from voxcli.models.branched.batches import ShapeSamples
from voxcli.scene import Mesh

PLACED = replace(lopsided_mesh(), vertices=(lopsided_mesh().vertices - (0, 0.05, 0)) / math.sqrt(0.5**2 + 0.7**2 + 0.5**2))
"""The mesh as ShapeNetCore v1 would have it: its box about the origin, of diagonal 1."""

BOXES = PLACED.vertices.reshape(-1, 8, 3)
LOW, HIGH = BOXES.min(1), BOXES.max(1)

R2N2_LINES = "147.5 27.25 0 0.75 25\n12.0 25.5 0 0.95 25\n300.125 29.0 0 0.65 25\n"
DISN_EASY = "[5.5,22.0,0,0.9,35,32,1.75], \n[123.0,29.0,0,0.7,35,32,1.75], \n"
DISN_HARD = "[31.0,3.0,0,0.95,35,32,1.75,0.125,-0.1,0.12], \n[200.0,40.0,0,0.8,35,32,1.75,-0.1,0.15,-0.05], \n"


def within(points, slack=0.0):
    """Which points [N, 3] lie in one of the mesh's boxes, made larger by `slack`."""
    return ((points[:, None] >= LOW - slack) & (points[:, None] <= HIGH + slack)).all(2).any(1)


def places(root, *relative, **options):
    return find_places([(str(root / each), each.rpartition(".")[0]) for each in relative], **options)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A tree as ShapeNetCore v1 has it, of one chair."""
    root = tmp_path_factory.mktemp("meshes")
    path = root / "03001627" / "aa" / "model.obj"
    path.parent.mkdir(parents=True)
    files.write(path, lopsided_mesh())
    return root


def written(tree, out, **options):
    write_dataset(out, 1, ViewsGenerator(places(tree, "03001627/aa/model.obj"), 0, ViewsConfig(**options)))
    return out


def test_trees_of_shapenet_give_synset_and_id_and_their_own_names(tmp_path):
    found = places(tmp_path, "core/03001627/b/model.obj", "core/03001627/a/model.obj", "core/09999999/c/models/model_normalized.obj")
    assert [(p.category, p.synset, p.name, p.front) for p in found] == [
        ("chair", "03001627", "a", "x"), ("chair", "03001627", "b", "x"), ("09999999", "09999999", "c", "-z"),
    ]  # fmt: skip
    (tmp_path / "core").mkdir()
    (tmp_path / "core" / "taxonomy.json").write_text(json.dumps([{"synsetId": "09999999", "name": "mug,cup"}]))
    assert [p.category for p in places(tmp_path, "core/09999999/c/models/model_normalized.obj")] == ["mug"]
    (tmp_path / "core" / "taxonomy.json").write_text("{}x")
    with refused(DataError, "taxonomy.json"):
        places(tmp_path, "core/09999999/c/models/model_normalized.obj")


def test_other_folders_are_classes_with_names(tmp_path):
    found = places(tmp_path, "mug/red.glb", "mug/blue/mesh.obj", "bowl/old/deep.ply", "top.stl", "own/model.obj")
    assert [(p.synset, p.name) for p in found] == [
        ("bowl", "old-deep"), ("mug", "blue"), ("mug", "red"), (tmp_path.name, "own"), (tmp_path.name, "top"),
    ]  # fmt: skip
    assert all(p.category == p.synset and p.front == "x" for p in found)
    assert [p.name for p in places(tmp_path, "mug/red.glb", "bowl/a.obj", categories=["mug"])] == ["red"]
    with refused(UsageError, "mug/red"):
        places(tmp_path, "mug/red.glb", "mug/red.obj")
    with refused(UsageError, "backslash"):
        places(tmp_path, "mug/re\\d.glb")
    with refused(UsageError, "'mugs'", hint="'mug'"):
        places(tmp_path, "mug/red.glb", categories=["mugs"])


def test_splits_are_seven_one_and_two_of_ten():
    found = find_places([(f"m/mug/{k:02d}.obj", f"mug/{k:02d}") for k in range(20)])
    assert [sum(p.split == split for p in found) for split in ("train", "val", "test")] == [14, 2, 4]


def test_a_taxonomy_gives_names_and_splits_and_leaves_out_the_rest(tmp_path):
    entry = {"taxonomy_id": "03001627", "taxonomy_name": "seat", "train": ["b"], "val": [], "test": ["a", "gone"]}
    (tmp_path / "ShapeNet.json").write_text(json.dumps([entry]))
    trees = [f"03001627/{name}/model.obj" for name in "abc"]
    found = places(tmp_path, *trees, taxonomy=str(tmp_path / "ShapeNet.json"))
    assert [(p.name, p.category, p.split) for p in found] == [("a", "seat", "test"), ("b", "seat", "train")]
    with refused(UsageError, "none of these"):
        places(tmp_path, "03001627/c/model.obj", taxonomy=str(tmp_path / "ShapeNet.json"))
    with refused(DataError, "absent.json"):
        places(tmp_path, *trees, taxonomy=str(tmp_path / "absent.json"))


def test_meshes_are_turned_centred_and_scaled_and_placed_ones_stay(tmp_path):
    (place,) = places(tmp_path, "c/a.obj")
    x, y, z = lopsided_mesh().vertices.T
    for front, vertices in (("x", (x, y, z)), ("z", (-z, y, x)), ("-x", (-x, y, -z)), ("-z", (z, y, -x))):
        moved = replace(lopsided_mesh(), vertices=7 * np.stack(vertices, 1) + (3, -2, 1))
        assert np.allclose(shape_of(moved, replace(place, front=front)).vertices, PLACED.vertices)
    raised = replace(lopsided_mesh(), vertices=np.stack([x, -z, y], 1))  # the same in a z-up world
    assert np.allclose(shape_of(raised, place, "z").vertices, PLACED.vertices)
    nearly = replace(PLACED, vertices=1.005 * PLACED.vertices + 0.002)
    assert np.array_equal(shape_of(nearly, place).vertices, nearly.vertices)
    stray = replace(PLACED, vertices=np.concatenate([PLACED.vertices, [[9.0, 9, 9]]]))  # a vertex of no face is nowhere
    assert np.array_equal(shape_of(stray, place).vertices, PLACED.vertices)


@pytest.mark.parametrize(
    ("vertices", "faces", "said"),
    [
        (np.zeros((3, 3)), np.zeros((0, 3), int), "no faces"),
        (np.ones((3, 3)), np.array([[0, 1, 2]]), "no extent"),
        (np.array([[0.0, 0, 0], [1, 0, 0], [2, 0, 0]]), np.array([[0, 1, 2]]), "no area"),
    ],
)
def test_meshes_that_show_nothing_are_refused(tmp_path, vertices, faces, said):
    (place,) = places(tmp_path, "c/a.obj")
    with refused(DataError, said):
        shape_of(Mesh(vertices, faces), place)


def test_r2n2_pictures_are_those_of_the_renderer_with_the_cameras_of_the_file(tree, tmp_path):
    data = R2N2Folder(written(tree, tmp_path / "out", views=3), None)
    assert data.name(0) == "03001627/aa" and data.categories == ["chair"] and data.items == R2N2Folder(tmp_path / "out", "train").items
    sample, points = data[0], surface_points(PLACED)
    text = (tmp_path / "out/ShapeNetRendering/03001627/aa/rendering/rendering_metadata.txt").read_text()
    for image, camera, line in zip(sample.images, sample.cameras, text.splitlines(), strict=True):
        azimuth, elevation, _, ratio, _ = map(float, line.split())
        assert 25 <= elevation <= 30 and 0.65 <= ratio <= 0.95
        assert image.shape == (137, 137, 4)
        assert agree(silhouette(blender_pixels(points, azimuth, elevation, ratio, 137), 137, 137), image[..., 3] > 0) > 0.9
        assert_camera_fits(camera, PLACED, image[..., 3] > 127)


def test_a_projected_vertex_lies_at_the_corner_that_the_picture_shows(tree, tmp_path):
    """The foot's lowest corner: the object's lowest pixel is there, in views that it is nearest in."""
    data = R2N2Folder(written(tree, tmp_path / "out", views=8, size=512), None)
    seen = 0
    for image, camera in zip(data[0].images, data[0].cameras, strict=True):
        cam = PLACED.vertices @ camera.world_to_cam[:3, :3].T + camera.world_to_cam[:3, 3]
        pixels = (cam @ camera.K.T)[:, :2] / cam[:, 2:]
        rows, columns = np.nonzero(image[..., 3])
        for axis, found in ((0, columns), (1, rows)):
            assert abs(pixels[:, axis].max() - (found.max() + 1)) <= 1 and abs(pixels[:, axis].min() - found.min()) <= 1
            seen += 1
    assert seen == 16


def test_r2n2_voxels_are_where_the_mesh_is(tree, tmp_path):
    data = R2N2Folder(written(tree, tmp_path / "out", views=1, cells=48), None)
    grid = data.grid(0)
    assert grid.occupancy.shape == (48, 48, 48)
    centres = (np.argwhere(np.ones(grid.occupancy.shape)) + 0.5) * grid.voxel_size + grid.origin
    occupied, size = grid.occupancy.ravel(), grid.voxel_size[0]
    assert occupied[within(centres)].all() and within(centres[occupied], size).all()


@pytest.mark.parametrize("layout", ["r2n2", "jof"])
def test_views_that_r2n2_metadata_state_are_drawn_and_stated_again(tree, tmp_path, layout):
    stated = tmp_path / "ShapeNetRendering/03001627/aa/rendering/rendering_metadata.txt"
    stated.parent.mkdir(parents=True)
    stated.write_text(R2N2_LINES)
    out = written(tree, tmp_path / "out", layout=layout, cameras=str(tmp_path), size=274)
    assert (out / stated.relative_to(tmp_path)).read_bytes() == stated.read_bytes()
    data, points = R2N2Folder(out, None, volumes=False), surface_points(PLACED)
    for image, line in zip(data.images(0, range(3)), R2N2_LINES.splitlines(), strict=True):
        azimuth, elevation, _, ratio, _ = map(float, line.split())
        assert agree(silhouette(blender_pixels(points, azimuth, elevation, ratio, 274), 274, 274), image[..., 3] > 0) > 0.9


@pytest.mark.parametrize("where", ["renderings_rgb/ShapeNet/03001627/aa", "image/03001627/aa", "03001627/aa"])
def test_views_that_disn_metadata_state_are_drawn_and_stated_again(tree, tmp_path, where):
    points = surface_points(PLACED)
    for kind, lines in (("easy", DISN_EASY), ("hard", DISN_HARD)):
        (tmp_path / where / kind).mkdir(parents=True)
        (tmp_path / where / kind / "rendering_metadata.txt").write_text(lines)
    data = DISNFolder(written(tree, tmp_path / "out", layout="disn", cameras=str(tmp_path)))
    for kind, lines in (("easy", DISN_EASY), ("hard", DISN_HARD)):
        assert (tmp_path / "out/renderings_rgb/ShapeNet/03001627/aa" / kind / "rendering_metadata.txt").read_text() == lines
        for image, line in zip(data.images(0, range(2), kind), lines.splitlines(), strict=True):
            azimuth, elevation, _, ratio, _, _, _, *shift = json.loads(line.rstrip(", "))
            x, y, z = shift or (0, 0, 0)
            expected = silhouette(blender_pixels(points + (x, z, -y), azimuth, elevation, ratio, 224), 224, 224)
            assert agree(expected, image[..., 3] > 0) > 0.9


def test_metadata_that_are_not_there_are_named(tree, tmp_path):
    with refused(DataError, "03001627/aa", expected="ShapeNetRendering"):
        written(tree, tmp_path / "out", cameras=str(tmp_path))
    for options in ({"layout": "street", "cameras": "."}, {"views": 2, "cameras": "."}, {"views": 0}, {"layout": "shapenet"}):
        with pytest.raises(UsageError):
            ViewsConfig(**options)


def test_disn_depth_and_points_lie_on_the_mesh(tree, tmp_path):
    data = DISNFolder(written(tree, tmp_path / "out", layout="disn", views=2), "train")
    for kind in ("easy", "hard"):
        sample = data.sample(0, kind=kind)
        for image, camera, depth in zip(sample.images, sample.cameras, sample.depths, strict=True):
            assert agree(seen_by(camera, PLACED), image[..., 3] > 127) > 0.93
            rows, columns = np.nonzero(image[..., 3] == 255)
            pixels = np.stack([columns + 0.5, rows + 0.5, np.ones(len(rows))])
            world = (np.linalg.solve(camera.K, pixels) * depth[rows, columns]).T - camera.world_to_cam[:3, 3]
            assert within(world @ camera.world_to_cam[:3, :3], 0.01).mean() > 0.99  # of a pixel's four samples the nearest counts
    points = sample.points.points[:, None]
    assert points.shape == (10_000, 1, 3)
    assert (np.maximum(LOW - points, points - HIGH).max(2) ** 2).min(1).max() < 1e-10  # how far from the faces of the nearest box


def test_jof_shapes_have_their_volume_their_colour_and_their_views(tmp_path):
    red = replace(lopsided_mesh(), face_colors=np.tile(np.uint8([200, 30, 10]), (len(lopsided_mesh().faces), 1)))
    (tmp_path / "mug").mkdir()
    files.write(tmp_path / "mug" / "a.ply", red)
    out = tmp_path / "out"
    write_dataset(out, 1, ViewsGenerator(places(tmp_path, "mug/a.ply"), 0, ViewsConfig("jof", 2)))
    shapes = ColouredShapes(out, "train")
    assert (shapes.name(0), shapes.category(0)) == ("mug/a", "mug")
    volume = shapes.volume(0)
    occupied = volume[..., 3].ravel() > 0
    centres = (np.argwhere(np.ones((64, 64, 64))) + 0.5) / 64 - 0.5
    assert occupied[within(centres)].all() and within(centres[occupied], 1 / 64).all()
    assert np.abs(volume.reshape(-1, 4)[occupied][:, :3].astype(int) - (200, 30, 10)).max() <= 2
    data = ShapeSamples([out], {})
    assert data.view_count(0) == 2 and data.rendering(0, 1).shape == (137, 137, 4) and data.category(0) == "mug"
    rows = data.projections(0, [0])[0] @ np.c_[2 * PLACED.vertices, np.ones(len(PLACED.vertices))].T  # 128 pixels, [-1, 1]^3
    mask = data.rendering(0, 0)[..., 3] > 0
    found = np.argwhere(mask)[:, ::-1] * 128 / 137
    assert np.abs((rows[:2] / rows[2]).min(1) - found.min(0)).max() < 1 and np.abs((rows[:2] / rows[2]).max(1) - found.max(0)).max() < 2


def test_street_samples_have_the_mesh_in_their_fruxels_depth_and_pose(tree, tmp_path):
    out = written(tree, tmp_path / "out", layout="street", views=2, size=64, classes=("bowl", "chair"))
    data = StreetFolder([out / "train"])
    assert data.names == ["train/03001627-aa-00", "train/03001627-aa-01"] and data.classes.names == ("air", "bowl", "chair")
    assert (data.frustum.z_near, data.frustum.z_far, data.frustum.fov_x_deg, data.frustum.shape) == (3, 10, 60, (64, 64, 64))
    for index in range(2):
        sample = data[index]
        grid = files.read(out / "train/fruxels" / f"03001627-aa-{index:02d}.npz")
        depth = files.read(out / "train/depth" / f"03001627-aa-{index:02d}.png", kind="depth").depth
        d, h, w = np.nonzero(sample.labels)
        assert set(np.unique(sample.labels)) == {0, 2} and len(d) > 500
        z = 3 + (d + 0.5) * 7 / 64
        cam = np.stack([(w + 0.5 - 32) * z / data.frustum.focal, (h + 0.5 - 32) * z / data.frustum.focal, z], 1)
        rigid = grid.world_to_cam
        assert within((cam - rigid[:3, 3]) @ rigid[:3, :3] / 5, 0.02).mean() > 0.98  # metres: the box's diagonal is 5
        columns = sample.labels.any(0)
        assert agree(columns, np.isfinite(depth)) > 0.9
        first = 3 + sample.labels.argmax(0) * 7 / 64
        both = columns & np.isfinite(depth)
        assert (np.abs(first - depth)[both] < 0.25).mean() > 0.95
        assert (sample.image[~np.isfinite(depth)] == 255).all()
        poses = sample.poses
        low, high = 5 * PLACED.vertices.min(0), 5 * PLACED.vertices.max(0)
        assert np.allclose(poses.sizes[0], [high[2] - low[2], high[1] - low[1], high[0] - low[0]], atol=1e-4)
        foot = np.array([(low[0] + high[0]) / 2, low[1], (low[2] + high[2]) / 2])
        assert np.allclose(poses.translations[0], rigid[:3, :3] @ foot + rigid[:3, 3], atol=1e-4)
    assert not (out / "val").exists() and len(ObjectsFolder(out)) == 1


def test_truth_beside_the_pictures_is_the_mesh_that_was_given(tree, tmp_path):
    data = ObjectsFolder(written(tree, tmp_path / "out", views=1), "train")
    assert data.categories == ["chair"]
    mesh, voxels = data.mesh(0), data.voxels(0)
    assert np.allclose(mesh.vertices.min(0), LOW.min(0), atol=1e-6) and np.allclose(mesh.vertices.max(0), HIGH.max(0), atol=1e-6)
    assert voxels.classes.names == ("air", "object") and set(np.unique(voxels.labels)) == {0, 1}
    assert within(data.points(0).points, 1e-5).all()


def test_voxels_of_an_open_chair_are_those_of_the_program_binvox(shared_data, tmp_path):
    """Each cell that one of both fills has a neighbour that the other fills: binvox lays the same cells from the box's corner."""
    place = find_places([(str(shared_data / "meshes/chair_model.obj"), "chair/a")])
    write_dataset(tmp_path / "out", 1, ViewsGenerator(place, 0, ViewsConfig(views=1)))
    own, other = R2N2Folder(tmp_path / "out", None).grid(0), files.read(shared_data / "meshes/chair_model.binvox")
    for first, second in ((own, other), (other, own)):
        cells = (np.argwhere(first.occupancy) + 0.5) * first.voxel_size + first.origin
        centres = (np.argwhere(second.occupancy) + 0.5) * second.voxel_size + second.origin
        away = np.abs((cells[:, None] - centres) / first.voxel_size).max(2).min(1)
        assert np.mean(away < 1.5) > 0.99
