"""Evaluations of real samples, shared/data: scanned and modelled shapes, the binvox program's volume, and labelled photographs. What is
predicted has a score that is known by how it was made, or by a volume that is known."""

import shutil

import numpy as np
import pytest
from layout_pieces import CHAIR, box, picture, save
from PIL import Image
from test_evaluate_protocols import cells

from voxcli import files
from voxcli.scene import Frustum, FruxelGrid, Labels, Mesh, VoxelGrid


def evaluated(voxcli, tmp_path, protocol, *more):
    """The cells of the row `mine`, by table and column."""
    where = ("--data", str(tmp_path / "data"), "--predictions", str(tmp_path / "mine"), "-o", "results")
    code, _, errors = voxcli("evaluate", protocol, *where, "--pictures", "0", *more)
    assert code == 0, errors
    return {key[::2]: row for key, row in cells(tmp_path / "results").items() if key[1] == "mine"}


def test_assets_are_near_themselves_and_not_near_a_copy_far_away_or_nothing(voxcli, tmp_path, shared_data):
    for category in ("chair", "table"):
        shutil.copytree(shared_data / "assets" / category, tmp_path / "data" / category)
        shutil.copytree(shared_data / "assets" / category, tmp_path / "mine" / category)
    (tmp_path / "mine/chair/armchair.glb").unlink()
    for name, moved in (("table_low", True), ("table_medium", False)):
        table = files.read_as(tmp_path / f"mine/table/{name}.glb", Mesh)
        (tmp_path / f"mine/table/{name}.glb").unlink()
        longest = np.ptp(table.vertices, axis=0).max()
        save(tmp_path / f"mine/table/{name}.ply", Mesh(table.vertices + [2 * longest, 0, 0], table.faces if moved else table.faces[:0]))
    near = "{title: Near, over: categories, column: {measure: fscore, part: 'mean_parts.fscore.<0.05'}}"
    found = evaluated(voxcli, tmp_path, "tatarchenko", "--set", "protocol.read.truth='{category}/{id}.glb'", "--pair", "{name}",
                      "--set", f"protocol.tables=[{near}]")  # fmt: skip
    values = {column: (float(row["value"]), row["samples"], row["missing"]) for (_, column), row in found.items()}
    assert values == {"chair": (1.0, "2", "1"), "table": (0.0, "2", "0"), "mean": (0.5, "4", "1")}


def test_assets_that_became_a_data_set_are_scored_by_volume_and_by_surface(voxcli, tmp_path, shared_data):
    """Of the chair itself is predicted, of the table nothing."""
    for name in ("chair/chair_A", "table/table_low"):
        (tmp_path / "meshes" / name).parent.mkdir(parents=True)
        shutil.copy(shared_data / f"assets/{name}.glb", tmp_path / f"meshes/{name}.glb")
    assert voxcli("synth", "views", "meshes", "-o", "data", "--layout", "r2n2", "--views", "1")[0] == 0
    (tmp_path / "mine/chair").mkdir(parents=True)
    shutil.copy(tmp_path / "data/ShapeNetVox32/chair/chair_A/model.binvox", tmp_path / "mine/chair/chair_A.binvox")
    save(tmp_path / "mine/table/table_low.npz", VoxelGrid(occupancy=np.zeros((32, 32, 32), bool)))
    every = ("--set", "protocol.read.split=all")
    found = evaluated(voxcli, tmp_path, "pix2vox-shapenet", *every)
    values = [float(found["Table 1: IoU by category", column]["value"]) for column in ("chair", "table", "mean")]
    assert values == [1.0, 0.0, 0.5]
    shutil.rmtree(tmp_path / "mine")
    shutil.rmtree(tmp_path / "results")
    (tmp_path / "mine/chair").mkdir(parents=True)
    shutil.copy(tmp_path / "data/objects/chair/chair_A/model.glb", tmp_path / "mine/chair/chair_A.glb")
    save(tmp_path / "mine/table/table_low.ply", Mesh(np.zeros((0, 3)), np.zeros((0, 3), int)))
    found = evaluated(voxcli, tmp_path, "jof-shapenet", *every)
    near, far = (float(found["Tables 2 and 5: Chamfer-L1", column]["value"]) for column in ("chair", "table"))
    # Ten times a way: between 100,000 random points of one surface it is short, and nothing costs the root of three.
    assert 0 < near < 0.05 and far == pytest.approx(10 * 3**0.5)
    scores = [float(found["Table 5: F-score in %", column]["value"]) for column in ("chair", "table", "mean")]
    assert scores == pytest.approx([100.0, 0.0, 50.0], abs=0.1)


def test_a_box_around_a_solid_is_more_by_what_the_solid_lacks(voxcli, tmp_path, shared_data):
    """A protocol of one's own on meshes whose volumes are known."""
    volumes = {"torus": 1.21878, "penguin": 2.01332, "wingnut": 22.0966}
    shares = {}
    for name, volume in volumes.items():
        (tmp_path / "data").mkdir(exist_ok=True)
        shutil.copy(shared_data / f"meshes/{name}.obj", tmp_path / "data")
        vertices = files.read_as(shared_data / f"meshes/{name}.obj", Mesh).vertices
        low, high = vertices.min(0), vertices.max(0)
        save(tmp_path / f"mine/{name}.ply", box(low, high))
        shares[name] = volume / np.prod(high - low)
    (tmp_path / "solids.yaml").write_text("""\
title: Solids
source: nobody
reader: shapes
read: {truth: "{category}.obj"}
measures:
  iou: {metric: iou, options: {of: points, points: 20000}}
tables:
  - {title: IoU, over: categories, column: {measure: iou}}
""")
    found = evaluated(voxcli, tmp_path, "solids.yaml")
    for name, share in {**shares, "mean": np.mean(list(shares.values()))}.items():
        # Of 20,000 points in a box a tenth longer, a share is counted: three standard deviations.
        error = 3 * (share * (1 - share) / (20_000 / 1.1**3)) ** 0.5
        assert float(found["IoU", name]["value"]) == pytest.approx(share, abs=error), name


def test_a_volume_of_the_binvox_program_is_itself_and_its_shifted_copy_is_what_is_counted(voxcli, tmp_path, shared_data):
    truth = shared_data / "meshes/chair_model.binvox"
    solid = files.read_as(truth, VoxelGrid).occupancy
    assert solid.shape == (32, 32, 32)
    for name in ("nothing", "same", "shifted"):
        rendering = tmp_path / "data/ShapeNetRendering" / CHAIR / name / "rendering"
        picture(rendering / "00.png")
        (rendering / "rendering_metadata.txt").write_text("0 30 0 0.8 25\n")
        (tmp_path / "data/ShapeNetVox32" / CHAIR / name).mkdir(parents=True)
        shutil.copy(truth, tmp_path / "data/ShapeNetVox32" / CHAIR / name / "model.binvox")
    (tmp_path / "data/ShapeNet.json").write_text(
        f'[{{"taxonomy_id": "{CHAIR}", "taxonomy_name": "chair", "train": [], "val": [], "test": ["nothing", "same", "shifted"]}}]'
    )
    moved = np.zeros_like(solid)
    moved[:, 1:] = solid[:, :-1]
    for name, cells_of in {"nothing": np.zeros_like(solid), "same": solid, "shifted": moved}.items():
        save(tmp_path / "mine" / CHAIR / f"{name}.npz", VoxelGrid(occupancy=cells_of))
    shifted = (solid & moved).sum() / (solid | moved).sum()
    found = evaluated(voxcli, tmp_path, "pix2vox-shapenet")
    assert float(found["Table 1: IoU by category", "chair"]["value"]) == pytest.approx((0 + 1 + shifted) / 3)


GROUPS = Labels(("air", "building", "tree", "ground", "vehicle", "person", "bicycle"), 0, 255)


def test_labels_of_photographs_are_themselves_and_a_shifted_copy_is_what_is_counted(voxcli, tmp_path, shared_data):
    """What each pixel shows stands as fruxels of one slice; counts are added over the photographs."""
    places = sorted((shared_data / "photos/images").iterdir())[::10][:5]
    both, either = np.zeros(7, int), np.zeros(7, int)
    for k, place in enumerate(places):
        labels = np.asarray(Image.open(shared_data / f"photos/labels/{place.stem}.png"))[::4, ::4]
        frustum = Frustum(labels.shape[1], labels.shape[0], 1, 2.0, 12.0, 60.0)
        (tmp_path / "data/images").mkdir(parents=True, exist_ok=True)
        Image.open(place).save(tmp_path / f"data/images/{place.stem}.png")
        save(tmp_path / f"data/fruxels/{place.stem}.npz", FruxelGrid(labels[None], frustum, classes=GROUPS))
        guess = [labels, np.roll(labels, 3, axis=1), np.zeros_like(labels), labels, None][k]
        if guess is None:
            continue
        guess = np.where(guess == 255, 0, guess).astype(np.uint8)
        save(tmp_path / f"mine/{place.stem}.npz", FruxelGrid(guess[None], frustum, classes=GROUPS))
        counted = labels != 255
        for group in range(7):
            both[group] += ((labels == group) & (guess == group) & counted).sum()
            either[group] += (((labels == group) | (guess == group)) & counted).sum()
    there = np.flatnonzero(either[1:]) + 1
    expected = {GROUPS.names[group]: both[group] / either[group] for group in there}
    found = evaluated(voxcli, tmp_path, "ssz-synthetic")
    table = "Table 2: IoU by class"
    assert {group: float(found[table, group]["value"]) for group in expected} == pytest.approx(expected)
    assert float(found[table, "mean"]["value"]) == pytest.approx(np.mean(list(expected.values())))
    assert {row["missing"] for (title, _), row in found.items() if title == table} == {"1"}
