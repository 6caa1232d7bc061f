"""Pictures of SemanticKITTI, NYU and Occ3D to their grids of metres: a network that sees the truth in its frustum, but for known cells, has
the scores that counting gives."""

import csv
import json

import numpy as np
import pytest
from evaluation_scenes import CAMERAS, nyu_volume, occ3d_pictures, semantic_kitti
from PIL import Image

from voxcli import files
from voxcli.datasets.scene_completion import NYUFolder, Occ3DFolder, coarser
from voxcli.errors import DataError, FileFormatError
from voxcli.evaluation.readers.completion import Occ3DOptions, Occ3DReader
from voxcli.files.completion import KITTI_CLASSES, NYU_CLASSES
from voxcli.files.keyed import OCC3D_CLASSES, OCC3D_ORIGIN, OCC3D_SHAPE, OCC3D_VOXEL
from voxcli.geometry.regrid import voxels_to_fruxels
from voxcli.models import registry
from voxcli.scene import Frustum, FruxelGrid, VoxelGrid

KITTI = {"origin": np.array([0, -25.6, -2.2]), "voxel_size": np.full(3, 0.2), "classes": KITTI_CLASSES}
OCC3D = {"origin": OCC3D_ORIGIN, "voxel_size": OCC3D_VOXEL, "classes": OCC3D_CLASSES}


class Seer:
    """A network that sees a grid, by the grey of a picture and the camera, in fruxels smaller than the grid's cells."""

    def __init__(self, frustum, grid_of):
        self.frustum, self.grid_of = frustum, grid_of

    def predict(self, inputs, options):
        for each in inputs:
            grid = self.grid_of(round(each.picture.rgb.mean() / 10))
            yield voxels_to_fruxels(grid, self.frustum, each.camera.world_to_cam, "")

    def steps(self, names, meta):
        return iter(())


@pytest.fixture
def scores(voxcli, tmp_path, monkeypatch):
    """Cells (table, column) -> number of a protocol on a root, with a Seer."""

    def run(name, root, seer):
        monkeypatch.setattr(registry, "load_predictor", lambda *_: seer)
        code, _, errors = voxcli("evaluate", name, "--data", str(root), "-m", "rays", "-o", "results", "--pictures", "0")
        assert code == 0, errors
        rows = csv.DictReader((tmp_path / "results/table.csv").read_text().splitlines())
        return {(row["table"], row["column"]): row["value"] and float(row["value"]) for row in rows if row["method"] == "rays"}

    return run


def test_kitti_frustum_is_scored_in_the_lidars_grid(scores, tmp_path):
    semantic_kitti(tmp_path / "kitti", tmp_path / "none", ["000000"])
    voxels = tmp_path / "kitti/sequences/08/voxels"
    car, truck, road = (KITTI_CLASSES.names.index(name) for name in ("car", "truck", "road"))
    labels, unknown = np.zeros((256, 256, 32), np.uint8), np.ones((256, 256, 32), bool)
    labels[40:44, 126:130, 10:14] = car  # 64 cells, 8 to 8.8 m before the lidar
    labels[40:42, 20:25, 10] = road  # 10 cells 21 m to the right of the frustum
    unknown[38:46, 124:132, 8:16] = unknown[40:42, 20:25, 10] = False
    files.write(voxels / "000000.label", VoxelGrid(labels=labels, **KITTI), overwrite=True)
    files.write(voxels / "000000.invalid", VoxelGrid(unknown, origin=KITTI["origin"], voxel_size=KITTI["voxel_size"]), overwrite=True)
    seen = labels.copy()
    seen[40, 126:130, 10:14] = truck  # a quarter of the car
    seen[45, 124:132, 8:16] = car  # 64 cells of free space
    found = scores("semantic-kitti", tmp_path / "kitti", Seer(Frustum(64, 64, 64, 2, 12, 40), lambda _: VoxelGrid(labels=seen, **KITTI)))
    assert found["Completion and mean IoU", "completion IoU"] == pytest.approx(64 / (64 + 64 + 10))
    classes = {column: found["IoU by class", column] for column in ("car", "truck", "road")}
    assert classes == {"car": pytest.approx(48 / 128), "truck": 0.0, "road": 0.0}
    assert found["Completion and mean IoU", "mean IoU"] == pytest.approx(48 / 128 / 19)


def test_nyu_frustum_is_scored_in_the_coarse_volume(scores, tmp_path):
    # The camera stands 1 m before the volume and 1.2 m above its floor, and looks along the world's y; the volume is up by file.
    to_world = np.array([[1, 0, 0, 2.4], [0, 0, 1, -1.0], [0, -1, 0, 1.2], [0, 0, 0, 1]], np.float64)
    cells = np.full((240, 144, 240), 255, np.uint8)  # across, up, forward
    cells[96:144, 40:80, 60:120] = 0
    cells[104:136, 48:72, 80:96] = 6  # a chair of 8 x 6 x 4 coarse cells
    flat = cells.ravel()
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    bounds = [0, *edges.tolist(), flat.size]
    runs = [(int(flat[a]), b - a) for a, b in zip(bounds[:-2], bounds[1:-1], strict=True)]
    nyu_volume(tmp_path / "nyu/NYUtest/NYU0001_0000.bin", [*runs, (255, flat.size - bounds[-2])], to_world=to_world)
    Image.new("RGB", (640, 480)).save(tmp_path / "nyu/NYUtest/NYU0001_0000_color.jpg")
    folder = NYUFolder(tmp_path / "nyu", "test")
    truth = coarser(folder.grid(folder.frames[0]), 4)
    assert np.argwhere(truth.labels == NYU_CLASSES.names.index("chair")).min(0).tolist() == [26, 20, 12]  # across, forward, up
    picture, camera = folder.shots(folder.frames[0])[0].read()
    assert picture.size == (640, 480) and np.allclose(camera.world_to_cam @ [2.4, 1.0, 1.2, 1], [0, 0, 2, 1], atol=1e-6)
    seen = truth.labels.copy()
    seen[seen == 255] = 0
    seen[26:34, 20:24, 12] = NYU_CLASSES.names.index("floor")  # one of its six layers
    grid = VoxelGrid(labels=seen, classes=NYU_CLASSES, origin=truth.origin, voxel_size=truth.voxel_size)
    found = scores("nyu", tmp_path / "nyu", Seer(Frustum(64, 64, 80, 0.5, 5.5, 60), lambda _: grid))
    assert found["Completion and mean IoU", "completion IoU"] == 1
    assert found["IoU by class", "chair"] == pytest.approx(5 / 6)
    assert found["IoU by class", "floor"] == 0


def ahead(k):
    """The cell 10 m before a camera of `occ3d_pictures`, by its place in the alphabet."""
    angle = np.radians(list(CAMERAS.values())[k])
    return np.floor((np.array([1 + 10 * np.cos(angle), 10 * np.sin(angle), 1.6]) - OCC3D_ORIGIN) / OCC3D_VOXEL).astype(int)


@pytest.fixture
def rings(tmp_path):
    """A block of 27 cells before each of six cameras, of another class each; nothing else counts."""
    semantics, camera = np.full(OCC3D_SHAPE, 17, np.uint8), np.zeros(OCC3D_SHAPE, bool)
    for k in range(6):
        block = tuple(slice(i - 1, i + 2) for i in ahead(k))
        semantics[block], camera[block] = k + 1, True
    folder = tmp_path / "occ3d/gts/scene-0001/t1"
    folder.mkdir(parents=True)
    np.savez(folder / "labels.npz", semantics=semantics, mask_camera=camera, mask_lidar=camera)
    occ3d_pictures(tmp_path / "occ3d", [("scene-0001", "t1")])
    return tmp_path / "occ3d"


def test_six_cameras_stand_where_annotations_say(rings):
    folder = Occ3DFolder(rings, "val")
    shots = folder.shots(folder.frames[0])
    assert [shot.name for shot in shots] == ["CAM_FRONT", *sorted(set(CAMERAS) - {"CAM_FRONT"})]
    for shot in shots:
        angle = np.radians(CAMERAS[shot.name])
        before = [1 + 10 * np.cos(angle), 10 * np.sin(angle), 1.6, 1]
        assert np.allclose(shot.world_to_cam @ before, [0, 0, 10, 1]), shot.name
        picture, camera = shot.read()
        assert round(picture.rgb.mean() / 10) == list(CAMERAS).index(shot.name) and camera.K[0, 2] == 48


def test_six_frusta_are_joined_in_the_vehicles_grid(scores, rings):
    truth = files.read_as(rings / "gts/scene-0001/t1/labels.npz", VoxelGrid)

    def seen_by(k):
        labels = truth.labels.copy()
        if k == list(CAMERAS).index("CAM_FRONT"):
            labels[labels == k + 1] = OCC3D_CLASSES.names.index("truck")
        return VoxelGrid(labels=labels, **OCC3D)

    found = scores("nuscenes-occ3d", rings, Seer(Frustum(48, 32, 100, 1, 33, 70), seen_by))
    right = {OCC3D_CLASSES.names[k + 1]: float(name != "CAM_FRONT") for k, name in enumerate(CAMERAS)}
    assert {name: found["IoU by class", name] for name in right} == right
    assert found["Mean IoU", "mean IoU"] == pytest.approx(5 / 7)  # the truck, which is not there, is 0, too


def test_who_sees_a_cell_outweighs_who_guesses_behind_a_surface(rings):
    reader = Occ3DReader(rings, Occ3DOptions())
    frustum = Frustum(1, 1, 40, 1, 17, 5)
    place = reader.folder.shots(reader.folder.frames[0])[0].world_to_cam
    car, manmade, free = (OCC3D_CLASSES.names.index(name) for name in ("car", "manmade", "free"))
    views = np.full((2, 40, 1, 1), free, np.uint8)
    views[0, 22:24] = car
    views[1, 10] = manmade  # a wall, behind which the second view guesses that the car stands nearer
    views[1, 16:18] = car
    joined = reader.joined([FruxelGrid(each, frustum, place, OCC3D_CLASSES) for each in views], 0)
    x, y, z = np.floor((np.array([[1 + 1 + k * 0.4, 0, 1.6] for k in (23, 17)]) - OCC3D_ORIGIN) / OCC3D_VOXEL).astype(int).T
    assert joined.labels[x, y, z].tolist() == [car, free]
    assert joined.labels[5, 5, 5] == free  # no camera holds it


def test_coarse_cells_are_those_of_plain_counting():
    rng = np.random.default_rng(1)
    labels = rng.choice(np.array([0] * 7 + [255] * 5 + [1, 2, 11], np.uint8), (24, 16, 12))
    labels[:8, :8] = rng.choice(np.array([0, 255], np.uint8), (8, 8, 12))
    labels[8:16, :4] = np.where(rng.random((8, 4, 12)) < 0.05, 3, 0)
    expected = np.zeros((6, 4, 3), np.uint8)
    for i in np.ndindex(expected.shape):
        cells = labels[tuple(slice(4 * a, 4 * a + 4) for a in i)].ravel()
        empty, unknown = (cells == 0).sum(), (cells == 255).sum()
        solid = cells[(cells > 0) & (cells < 255)]
        expected[i] = (0 if empty > unknown else 255) if empty + unknown > 0.95 * 64 else np.bincount(solid).argmax()
    assert np.array_equal(coarser(VoxelGrid(labels=labels, classes=NYU_CLASSES), 4).labels, expected)
    with pytest.raises(DataError):
        coarser(VoxelGrid(labels=labels, classes=NYU_CLASSES), 5)


def test_annotations_that_lead_astray_are_refused(rings):
    listed = json.loads((rings / "annotations.json").read_text())
    listed["scene_infos"]["scene-0001"]["t1"]["camera_sensor"]["CAM_BACK"]["img_path"] = "../../secret.jpg"
    (rings / "annotations.json").write_text(json.dumps(listed))
    folder = Occ3DFolder(rings, "val")
    with pytest.raises(FileFormatError):
        folder.shots(folder.frames[0])
    (rings / "annotations.json").write_text("[]")
    with pytest.raises(FileFormatError):
        Occ3DFolder(rings, "val")


def test_a_wrong_root_of_occ3d_is_named_as_it_was_given(tmp_path):
    (tmp_path / "v1").mkdir()
    with pytest.raises(DataError, match=f"^{tmp_path / 'v1'} holds no frame of Occ3D-nuScenes"):
        Occ3DFolder(tmp_path / "v1")
