"""`synth objects` on disk: both layouts read back with our readers; resumable, the same bytes for any number of workers."""

import filecmp
import json
from pathlib import Path

import numpy as np
import pytest
from references.silhouettes import agree, seen_by
from refusals import refused

from voxcli import files
from voxcli.datasets.disn import DISNFolder
from voxcli.datasets.objects import ColouredVoxels, ObjectsFolder, point_values
from voxcli.datasets.r2n2 import R2N2Folder
from voxcli.datasets.synthetic.folders import write_dataset
from voxcli.datasets.synthetic.objects.dataset import ObjectsConfig, ObjectsGenerator, make_object, place_of
from voxcli.errors import DataError, UsageError
from voxcli.scene import Labels, Mesh, PointCloud, VoxelGrid

SMALL = ObjectsConfig(("chair", "lamp", "airplane"), 2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("objects") / "r2n2"
    assert write_dataset(out, 6, ObjectsGenerator(3, SMALL)) == 6
    return out


@pytest.fixture(scope="module")
def disn(tmp_path_factory):
    out = tmp_path_factory.mktemp("objects") / "disn"
    write_dataset(out, 2, ObjectsGenerator(0, ObjectsConfig(("chair", "car"), 3, "disn")))
    return out


def files_of(folder):
    return sorted(p.relative_to(folder) for p in Path(folder).rglob("*") if p.is_file())


def same(first, second):
    return files_of(first) == files_of(second) and all(filecmp.cmp(first / p, second / p, shallow=False) for p in files_of(first))


def test_the_r2n2_reader_reads_what_was_written(folder):
    data = R2N2Folder(folder, None)
    assert len(data) == 6 and data.categories == ["chair", "lamp", "airplane"]
    assert len(R2N2Folder(folder, "train")) == 3 and len(R2N2Folder(folder, "test")) == 3
    for index in range(6):
        sample = data[index]
        assert sample.images.shape == (2, 137, 137, 4) and sample.volume.shape == (32, 32, 32)
        mesh = files.read_as(folder / "objects" / data.name(index) / "model.glb", Mesh)
        for image, camera in zip(sample.images, sample.cameras, strict=True):
            assert agree(seen_by(camera, mesh), image[..., 3] > 127) > (0.9 if sample.category == "chair" else 0.75)
    assert (folder / "ShapeNetRendering" / data.name(0) / "rendering/renderings.txt").read_text() == "00.png\n01.png\n"


def test_volumes_lie_about_the_mesh_and_touch_all_of_its_box(folder):
    data = R2N2Folder(folder, None)
    for index in range(len(data)):
        grid = data.grid(index)
        mesh = files.read_as(folder / "objects" / data.name(index) / "model.glb", Mesh)
        low, high = mesh.vertices.min(0), mesh.vertices.max(0)
        at = np.argwhere(grid.occupancy)
        found_low, found_high = grid.origin + at.min(0) * grid.voxel_size, grid.origin + (at.max(0) + 1) * grid.voxel_size
        assert np.allclose(grid.origin, -(high - low).max() / 2, atol=1e-6)
        assert (found_low <= low + grid.voxel_size).all() and (found_low >= low - grid.voxel_size).all()
        assert (found_high >= high - grid.voxel_size).all() and (found_high <= high + grid.voxel_size).all()
        assert at.min() == 0 and at.max() == 31


def test_points_and_voxels_agree_on_parts_and_colours(folder):
    for name in ("03001627/s3-000000", "02691156/s3-000001"):
        cloud = files.read_as(folder / "objects" / name / "points.ply", PointCloud)
        grid = files.read_as(folder / "objects" / name / "voxels.npz", VoxelGrid)
        assert cloud.points.shape == cloud.normals.shape == cloud.colors.shape == (10_000, 3)
        assert cloud.classes == grid.classes and grid.classes.names[0] == "air"
        cell = np.floor((cloud.points - 0.25 / 64 * cloud.normals - grid.origin) / grid.voxel_size).astype(int).clip(0, 63)
        label = grid.labels[tuple(cell.T)]
        assert (label > 0).mean() > 0.99 and (label == cloud.labels).mean() > 0.85
        with np.load(folder / "objects" / name / "voxels.npz", allow_pickle=False) as arrays:
            colours = arrays["colors"]
        assert colours.shape == (64, 64, 64, 3) and colours.dtype == np.uint8
        assert np.abs(colours[tuple(cell.T)].astype(int) - cloud.colors)[label == cloud.labels].mean() < 12
        mesh = files.read_as(folder / "objects" / name / "model.glb", Mesh)
        assert {part.split("/")[-1] for part in mesh.part_names} <= set(grid.classes.names)


def test_the_disn_reader_reads_what_was_written(disn):
    data = DISNFolder(disn, "train")
    assert len(data) == 2
    for index in range(2):
        mesh = files.read_as(disn / "objects" / data.name(index) / "model.glb", Mesh)
        for kind in ("easy", "hard"):
            sample = data.sample(index, kind=kind)
            assert sample.images.shape == (3, 224, 224, 4) and sample.depths.shape == (3, 224, 224)
            for image, camera, depth in zip(sample.images, sample.cameras, sample.depths, strict=True):
                assert agree(seen_by(camera, mesh), image[..., 3] > 127) > 0.9
                assert np.array_equal(np.isfinite(depth), image[..., 3] > 0)
                rows, columns = np.nonzero(image[..., 3] == 255)
                pixels = np.stack([columns + 0.5, rows + 0.5, np.ones(len(rows))])
                world = (np.linalg.solve(camera.K, pixels) * depth[rows, columns]).T - camera.world_to_cam[:3, 3]
                world = world @ camera.world_to_cam[:3, :3]
                assert (np.abs(world) <= np.abs(mesh.vertices).max(0) + 0.02).all()  # back-projected depth lies in the mesh's box
        low, high = sample.points.points.min(0), sample.points.points.max(0)
        assert np.allclose(low, mesh.vertices.min(0), atol=0.02) and np.allclose(high, mesh.vertices.max(0), atol=0.02)


def test_hard_views_stand_off_centre_and_none_is_cut_off(disn):
    data = DISNFolder(disn)
    sample = data.sample(0, kind="hard", depth=False, points=False)
    rim = np.concatenate([sample.images[:, 0, :, 3], sample.images[:, -1, :, 3], sample.images[:, :, 0, 3], sample.images[:, :, -1, 3]], 1)
    assert not rim.any() and sample.depths is None and sample.points is None
    assert all(np.abs(camera.world_to_cam[:2, 3]).max() > 1e-3 for camera in sample.cameras)


def test_an_object_depends_on_seed_category_and_number_alone():
    first = make_object(place_of(0, 5, ObjectsConfig(("lamp",))))[0]
    second = make_object(place_of(1, 5, ObjectsConfig(("chair", "lamp"))))[0]
    assert np.array_equal(first.vertices, second.vertices) and np.array_equal(first.colours, second.colours)
    assert not np.array_equal(first.vertices, make_object(place_of(0, 6, ObjectsConfig(("lamp",))))[0].vertices)


def test_stretched_objects_have_other_proportions_and_the_same_form():
    plain, stretched = (ObjectsConfig(("table",), stretch=factor) for factor in (1.0, 3.0))
    assert "stretch" not in plain.facts() and stretched.facts()["stretch"] == 3
    ratios = []
    for number in range(12):
        before, after = (make_object(place_of(number, 2, config), stretch=config.stretch)[0] for config in (plain, stretched))
        assert np.array_equal(before.faces, after.faces) and np.isclose(np.linalg.norm(np.ptp(after.vertices, axis=0)), 1)
        factors = np.ptp(after.vertices, axis=0) / np.ptp(before.vertices, axis=0)
        assert np.allclose(after.vertices, before.vertices * factors)  # both have their boxes about the origin
        ratios += (factors / np.roll(factors, 1)).tolist()
    assert 1 / 9 <= min(ratios) < 1 / 3 and 3 < max(ratios) <= 9  # factors from 1/3 to 3
    with refused(UsageError, "stretch", expected="1 to 4", actual=5):
        ObjectsConfig(stretch=5)


def test_an_interrupted_data_set_is_completed_with_the_same_bytes(folder, tmp_path):
    out = tmp_path / "again"
    assert write_dataset(out, 2, ObjectsGenerator(3, SMALL)) == 2
    marker = out / "ShapeNetVox32/03001627/s3-000000/model.binvox"
    marker.unlink()  # as a killed run leaves it
    (out / "ShapeNetRendering/03001627/s3-000000/rendering/00.png").write_bytes(b"half")
    seen = []
    assert write_dataset(out, 6, ObjectsGenerator(3, SMALL), progress=lambda done, count: seen.append((done, count))) == 5
    assert seen[0] == (1, 6) and seen[-1] == (6, 6)
    assert same(folder, out)
    assert write_dataset(out, 2, ObjectsGenerator(3, SMALL)) == 0
    assert same(folder, out)  # the lists still name all that is there
    (out / "ShapeNetRendering/03001627/s3-000000/rendering/01.png").write_bytes(b"junk")
    assert write_dataset(out, 2, ObjectsGenerator(3, SMALL)) == 1 and same(folder, out)


@pytest.mark.slow
def test_any_number_of_workers_gives_the_same_bytes(folder, tmp_path):
    write_dataset(tmp_path / "two", 6, ObjectsGenerator(3, SMALL), workers=2)
    assert same(folder, tmp_path / "two")


def test_other_options_are_refused(folder, tmp_path):
    with refused(UsageError, "other options"):
        write_dataset(folder, 6, ObjectsGenerator(4, SMALL))
    with refused(UsageError, "'chiar'", hint="'chair'"):
        ObjectsConfig(("chiar",))
    with refused(UsageError, "once", actual="chair, chair"):
        ObjectsConfig(("chair", "chair"))
    with refused(UsageError, "views", actual=0):
        ObjectsConfig(views=0)
    (tmp_path / "notes.txt").write_text("mine")
    with refused(UsageError, "not empty"):
        write_dataset(tmp_path, 1, ObjectsGenerator(0, SMALL))


def test_assets_take_part_with_the_parts_that_they_name(tmp_path):
    from voxcli.datasets.synthetic.objects.assets import draw, load_shelf

    (tmp_path / "chair").mkdir()
    thing, _ = make_object(place_of(0, 1, ObjectsConfig(("chair",))))
    from voxcli.datasets.synthetic.objects.layouts import as_mesh

    files.write(tmp_path / "chair" / "a.glb", as_mesh(thing))
    shelf = load_shelf(tmp_path)
    assert "chair" in shelf and "lamp" not in shelf
    drawn = draw(shelf, "chair", np.random.default_rng(0))
    assert sorted(drawn.part_names[p] for p in np.unique(drawn.parts)) == sorted(thing.part_names[p] for p in np.unique(thing.parts))
    assert np.isclose(np.linalg.norm(np.ptp(drawn.vertices, axis=0)), 1)
    out = tmp_path / "out"
    write_dataset(out, 6, ObjectsGenerator(0, ObjectsConfig(("chair",), 1), tmp_path))
    assert "chair/a.glb" in json.loads((out / "meta.json").read_text())["inputs"]
    assert len(R2N2Folder(out, None)) == 6


def test_the_truth_is_found_by_split_and_category(folder):
    data = ObjectsFolder(folder)
    assert len(data) == 6 and set(data.categories) == {"chair", "lamp", "airplane"}
    assert len(ObjectsFolder(folder, "train")) == 3 and len(ObjectsFolder(folder, "test", ["lamp"])) == 1
    names = {R2N2Folder(folder, "test").name(k) for k in range(3)}
    assert {ObjectsFolder(folder, "test").name(k) for k in range(3)} == names
    voxels = data.voxels(0)
    assert voxels.labels.shape == (64, 64, 64) and voxels.colours.shape == (64, 64, 64, 3) and voxels.classes.names[0] == "air"
    assert len(data.points(0).points) == 10_000 and len(data.mesh(0).faces) > 50
    with refused(UsageError, "'chairs'", hint="'chair'"):
        ObjectsFolder(folder, categories=["chairs"])
    with refused(DataError, "no objects"):
        ObjectsFolder(folder / "objects")


def small_voxels():
    """An 8^3 grid with one corner block of 3 x 2 x 2 cells."""
    labels, colours = np.zeros((8, 8, 8), np.uint8), np.zeros((8, 8, 8, 3), np.uint8)
    labels[:3, :2, :2], colours[:3, :2, :2] = 2, (9, 8, 7)
    return ColouredVoxels(labels, colours, Labels(("air", "a", "b")))


def test_point_values_of_all_cells_say_what_lies_in_them():
    pairs = point_values(small_voxels(), 4, None, np.random.default_rng(0))
    assert pairs.points.shape == (64, 3) and pairs.points.min() == -0.375 and pairs.points.max() == 0.375
    inside = pairs.points[pairs.occupied]
    assert sorted(map(tuple, inside.tolist())) == [(-0.375, -0.375, -0.375), (-0.125, -0.375, -0.375)]  # half-filled counts
    assert (pairs.colours[pairs.occupied] == (9, 8, 7)).all() and not pairs.colours[~pairs.occupied].any()
    assert (pairs.labels[pairs.occupied] == 2).all() and not pairs.labels[~pairs.occupied].any()


def test_drawn_point_values_crowd_at_the_surface_and_repeat_none():
    pairs = point_values(small_voxels(), 8, 40, np.random.default_rng(0))
    assert len(np.unique(pairs.points, axis=0)) == 40
    at = np.round((pairs.points + 0.5) * 8 - 0.5).astype(int)
    assert (pairs.occupied == (small_voxels().labels[tuple(at.T)] > 0)).all()
    assert (at <= (3, 2, 2)).all(1).sum() >= 20  # the block and what it touches: 12 + 16 cells of 512
    with refused(DataError, "divide", expected="divisor of 8", actual=3):
        point_values(small_voxels(), 3, None, np.random.default_rng(0))
