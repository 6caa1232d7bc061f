"""Pages of `view`: what is in them, that they ask no network, and that their numbers are those of the scene and of the metric."""

import base64
import json
import re
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from references.slow_rectangles import exposed_faces
from refusals import refused

from voxcli import files
from voxcli.errors import DataError
from voxcli.ops.viewer.beside import picture_beside
from voxcli.ops.viewer.page import PageItem, page_of
from voxcli.scene import Camera, DepthMap, Frustum, FruxelGrid, Labels, Mesh, Picture
from voxcli.scene.types import PointCloud, SceneDescription, SceneObject, Surfels, VoxelGrid

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
FRUSTUM = Frustum(width=8, height=6, depth=5, z_near=2.0, z_far=12.0, fov_x_deg=60.0)
CLASSES = Labels(("air", "car", "tree", "</script><script>alert(1)</script>"))
K = np.array([[8.0, 0, 4], [0, 8, 3], [0, 0, 1]])
CAMERA = Camera(K, 8, 6, np.diag([1.0, -1, -1, 1]))
BOX = Mesh(np.array([[x, y, z] for x in (0.0, 1) for y in (0.0, 1) for z in (0.0, 1)]),
           np.array([[0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1], [2, 3, 7], [2, 7, 6], [0, 2, 6], [0, 6, 4],
                     [1, 5, 7], [1, 7, 3]]))  # fmt: skip


def fruxels(seed=0):
    labels = np.random.default_rng(seed).choice([0, 1, 2, 255], FRUSTUM.shape, p=[0.5, 0.3, 0.15, 0.05]).astype(np.uint8)
    return FruxelGrid(labels, FRUSTUM, np.diag([1.0, -1, -1, 1]), CLASSES)


def data_of(page):
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)[1])


def unpacked(text, kind):
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), kind)


def points_of(pane):
    """Vertices or points of a pane, relative to the middle of the page's first pane."""
    places = pane["geometry"]["places"]
    return np.array(places["low"]) + np.array(places["step"]) * unpacked(places["numbers"], "<u2").reshape(3, -1).T


def data(thing, **more):
    return data_of(page_of(PageItem(thing, "a.npz"), **more)[0])


THINGS = {
    "fruxels": fruxels(),
    "nothing but air": replace(fruxels(), labels=np.zeros(FRUSTUM.shape, np.uint8)),
    "occupancy": VoxelGrid(occupancy=np.eye(4, dtype=bool)[None].repeat(4, 0)),
    "voxels": VoxelGrid(labels=fruxels().labels, classes=CLASSES, origin=np.array([5.0, 6, 7]), voxel_size=np.array([1, 2, 0.5])),
    "many labels": VoxelGrid(labels=np.arange(343, dtype=np.uint16).reshape(7, 7, 7), classes=Labels(tuple(f"c{i}" for i in range(343)))),
    "mesh": BOX,
    "labelled mesh": replace(BOX, face_labels=np.arange(12, dtype=np.uint8) % 3 + 1, classes=CLASSES),
    "coloured faces": replace(BOX, face_colors=np.full((12, 3), 9, np.uint8)),
    "coloured corners": replace(BOX, vertex_colors=np.full((8, 3), 9, np.uint8)),
    "parts": replace(BOX, face_parts=np.arange(12, dtype=np.int32) // 6, part_names=("seat/seat", "back")),
    "points": PointCloud(BOX.vertices),
    "labelled points": PointCloud(BOX.vertices, labels=np.array([1, 1, 2, 2, 9, 255, 0, 3], np.uint8), classes=CLASSES),
    "one point": PointCloud(np.zeros((1, 3))),
    "depth": DepthMap(np.full((6, 8), 2, np.float32), camera=CAMERA),
    "depth without a camera": DepthMap(np.full((6, 8), 2, np.float32)),
    "surfels": Surfels(np.full((6, 8), 2.0), np.zeros((6, 8, 3)), np.full((6, 8, 3), 0.5), CAMERA),
    "scene": SceneDescription((SceneObject(BOX, "car", np.array([0.0, 0, -5])),), CLASSES, CAMERA, FRUSTUM),
    "scene without a camera": SceneDescription((SceneObject(BOX, "car"),), CLASSES),
    "camera": CAMERA,
    "cameras": [("a", CAMERA), ("b", Camera(K, 8, 6))],
}  # fmt: skip


@pytest.mark.parametrize("name", THINGS)
def test_a_page_stands_alone(name):
    page, reason = page_of(PageItem(THINGS[name], '<b>"a".npz'))
    assert reason is None and page == page_of(PageItem(THINGS[name], '<b>"a".npz'))[0], "the same thing gives the same bytes"
    assert "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:" in page
    assert set(re.findall(r"https?://[^\"'`\s)]+", page)) <= {"http://www.w3.org/1999/xhtml"}, "a namespace of HTML, which is never loaded"
    assert not re.search(r"\s(src|href)\s*=|@import|url\(", page.split("<script>")[0])
    assert page.count("<script") == page.count("</script>") == 3 and "<b>" not in page.split("<script>")[0].split("</h1>")[0]
    assert "Permission is hereby granted, free of charge" in page
    assert data_of(page)["panes"][0]["title"] == '<b>"a".npz'


@pytest.mark.parametrize(("thing", "word"), [
    (Picture(np.zeros((4, 4, 3), np.uint8)), "picture"), (PointCloud(np.zeros((0, 3))), "empty"),
    (replace(BOX, faces=BOX.faces[:0]), "faces"),
    (DepthMap(np.full((4, 4), np.nan, np.float32)), "pixel"), ([], "camera"),
])  # fmt: skip
def test_what_has_nothing_to_turn_is_refused(thing, word):
    with refused(DataError, word):
        page_of(PageItem(thing, "a"))


def test_the_faces_of_cells_are_those_that_are_exposed_class_by_class():
    grid = fruxels()
    found = data(grid)
    (pane,) = found["panes"]
    names = [found["legend"][row]["name"] for row in pane["groups"]]
    columns = unpacked(pane["geometry"]["rectangles"], "<u2").reshape(7, -1).astype(int)
    exposed = exposed_faces(grid.labels, {1, 2}, between=True)
    for code, (name, count) in enumerate(zip(names, pane["counts"], strict=True), 1):
        label = CLASSES.names.index(name)
        area = (columns[4] * columns[5])[columns[6] == code].sum()
        assert count == (grid.labels == label).sum() and area == sum(key[-1] == label for key in exposed)
    codes = unpacked(pane["geometry"]["codes"], "<u1").reshape(FRUSTUM.shape)
    assert np.array_equal(codes > 0, np.isin(grid.labels, [1, 2])) and set(names) == {"car", "tree"}


def test_a_grid_without_air_is_a_box():
    pane = data(VoxelGrid(occupancy=np.ones((4, 3, 2), bool)))["panes"][0]
    assert unpacked(pane["geometry"]["rectangles"], "<u2").reshape(7, -1).shape[1] == 6 and pane["counts"] == [24]


def test_cells_of_too_many_triangles_are_drawn_in_blocks_and_it_is_said(monkeypatch):
    from voxcli.ops.viewer import panes

    monkeypatch.setattr(panes, "MOST_TRIANGLES", 200)
    noise = VoxelGrid(occupancy=np.random.default_rng(0).random((9, 8, 7)) < 0.5)
    with pytest.warns(UserWarning, match="blocks"):
        (pane,) = data_of(page_of(PageItem(noise, "a.npz"))[0])["panes"]
    assert len(unpacked(pane["geometry"]["rectangles"], "<u2")) // 7 * 2 <= 200
    assert pane["counts"] == [int(noise.occupancy.sum())] and "blocks of" in pane["facts"][-1]
    codes = unpacked(pane["geometry"]["codes"], "<u1").reshape(9, 8, 7)
    assert codes[noise.occupancy].all(), "no cell is left out"


def test_vertices_are_where_they_were():
    pane = data(replace(BOX, vertices=BOX.vertices * [2, 3, 4] + 1e6))["panes"][0]
    assert np.abs(points_of(pane) - (BOX.vertices - 0.5) * [2, 3, 4]).max() < 4 / 65535
    assert np.array_equal(unpacked(pane["geometry"]["faces"], "<u4").reshape(-1, 3), BOX.faces)
    assert np.allclose(pane["box"], [[-1, -1.5, -2], [1, 1.5, 2]])


def test_a_wall_of_depths_is_flat_and_torn_where_depth_jumps():
    depth = np.full((6, 8), 2, np.float32)
    depth[:, 4:] = 4
    depth[0, 0] = np.nan
    found = data(DepthMap(depth, camera=CAMERA))
    pane = found["panes"][0]
    camera_z = -(points_of(pane)[:, 2] - found["directions"]["own"]["place"][2])  # the camera looks along -z
    assert np.allclose(np.where(np.isnan(depth.ravel()), 2, camera_z), np.where(np.isnan(depth.ravel()), 2, depth.ravel()), atol=1e-3)
    faces = unpacked(pane["geometry"]["faces"], "<u4").reshape(-1, 3)
    assert len(faces) == 2 * (2 * 5 * 3) - 2, "of 30 squares, two triangles at the corner that is not seen"
    assert all(len(set((face % 8 >= 4).tolist())) == 1 for face in faces) and 0 not in faces
    assert pane["counts"] == [47]
    distances = np.linalg.norm((np.stack(np.meshgrid(np.arange(8) + 0.5, np.arange(6) + 0.5), -1) - [4, 3]) / 8, axis=-1)
    ray = DepthMap((2 * np.sqrt(1 + distances**2)).astype(np.float32), kind="ray", camera=CAMERA)
    assert np.ptp(np.array(data(ray)["panes"][0]["box"])[:, 2]) == pytest.approx(0, abs=1e-6)


def test_a_scene_and_its_fruxels_have_one_camera():
    scene, grid = data(THINGS["scene"])["directions"]["own"], data(fruxels())["directions"]["own"]
    assert scene["direction"] == grid["direction"] == [0, 0, -1]
    assert grid["angle"] == pytest.approx(np.degrees(2 * np.arctan(np.tan(np.radians(30)) * 6 / 8)))


@pytest.mark.parametrize("ids", [("air", "car", "tree", "bus"), ("air", "tree", "car", "bus")])
def test_hits_and_misses_give_the_scores_of_the_metric(ids):
    pred, truth = fruxels(1), fruxels(2)
    classes = Labels(ids)
    pred, truth = replace(pred, classes=classes, world_to_cam=np.eye(4)), replace(truth, classes=Labels(("air", "car", "tree", "bus")))
    page, reason = page_of(PageItem(pred, "pred.npz"), PageItem(truth, "truth.npz"))
    found = data_of(page)
    first, second, differences = found["panes"]
    names = [entry["name"] for entry in found["legend"]]
    assert reason is None and first["frame"] == second["frame"], "compared in the frame of the camera"
    codes = unpacked(differences["geometry"]["codes"], "<u1").astype(int)
    group, category = np.where(codes > 0, (codes - 1) // 4, -1), np.where(codes > 0, (codes - 1) % 4, -1)
    true = np.array([names[row] for row in differences["groups"]])
    names_of = {kind: np.array(grid.classes.names + ("ignored",)) for kind, grid in (("p", pred), ("t", truth))}
    named = {kind: names_of[kind][np.minimum(grid.labels, 4)].ravel() for kind, grid in (("p", pred), ("t", truth))}
    counted = named["t"] != "ignored"
    for k, name in enumerate(true):
        hits = ((group == k) & (category == 0)).sum()
        union = (((named["p"] == name) | (named["t"] == name)) & counted).sum()
        assert hits == ((named["p"] == name) & (named["t"] == name)).sum()
        assert found["scores"]["classes"][name] == pytest.approx(hits / union)
    assert found["scores"]["main"] == ["mean IoU", pytest.approx(np.mean([found["scores"]["classes"][name] for name in true]))]
    solid = {kind: np.isin(each, ["car", "tree"]) for kind, each in named.items()}
    wanted = [(solid["t"] & (named["p"] == named["t"])).sum(), (solid["t"] & solid["p"] & (named["p"] != named["t"])).sum(),
              (solid["t"] & ~solid["p"]).sum(), (~solid["t"] & solid["p"] & counted).sum()]  # fmt: skip
    assert [each["count"] for each in found["scores"]["categories"]] == wanted
    assert np.bincount(category[category >= 0], minlength=4).tolist() == wanted


def test_occupancies_are_compared_at_the_threshold():
    truth = VoxelGrid(occupancy=np.arange(8).reshape(2, 2, 2) < 4)
    pred = VoxelGrid(occupancy=np.linspace(0.9, 0.2, 8, dtype=np.float32).reshape(2, 2, 2))
    scores = data_of(page_of(PageItem(pred, "a"), PageItem(truth, "b"), threshold=0.75)[0])["scores"]
    assert scores["main"] == ["IoU", 0.5] and [each["count"] for each in scores["categories"]] == [2, 0, 2, 0]


def test_things_of_other_grids_are_shown_side_by_side_alone():
    for other in (replace(fruxels(), frustum=replace(FRUSTUM, z_far=13)), VoxelGrid(occupancy=np.ones((2, 2, 2), bool)), BOX):
        page, reason = page_of(PageItem(fruxels(), "a"), PageItem(other, "b"))
        assert reason and "scores" not in data_of(page) and len(data_of(page)["panes"]) == 2


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("street/*.npz")), ids=lambda path: path.name)
def test_a_scene_of_128_cubed_is_small(path):
    grid = files.read(path)
    rng = np.random.default_rng(0)
    rough = replace(grid, labels=np.where(rng.random(grid.labels.shape) < 0.003, 1, grid.labels).astype(np.uint8))
    for each in (grid, rough):
        page, _ = page_of(PageItem(each, path.name))
        columns = unpacked(data_of(page)["panes"][0]["geometry"]["rectangles"], "<u2").reshape(7, -1)
        assert grid.labels.shape == (128, 128, 128) and 2 * columns.shape[1] <= 300_000 and len(page.encode()) <= 3_000_000


def test_the_picture_of_a_file_is_found_by_what_it_holds(tmp_path, monkeypatch):
    street = EXAMPLES / "street"
    truth = files.read(street / "000007.npz")
    assert picture_beside(str(street / "000007.npz"), truth).rgb.shape == (128, 128, 3)
    data = (street / "000007.png").read_bytes()
    from voxcli.provenance import sha256_bytes

    grid = replace(truth, meta={"inputs": {"photos/a.png": sha256_bytes(data)}})
    assert picture_beside(str(tmp_path / "a.npz"), grid) is None
    (tmp_path / "a.png").write_bytes(data)
    assert picture_beside(str(tmp_path / "a.npz"), grid) is not None and picture_beside("-", grid) is None
    (tmp_path / "a.png").write_bytes((street / "000002.png").read_bytes())
    assert picture_beside(str(tmp_path / "a.npz"), grid) is None, "another picture of that name"
    files.write(tmp_path / "b.png", Picture(np.zeros((384, 384, 3), np.uint8), meta={"command": "view"}))
    assert picture_beside(str(tmp_path / "b.npz"), truth) is None, "a sheet of ours"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").write_bytes(data)
    assert picture_beside("elsewhere/a.npz", grid) is not None


def test_what_the_model_saw_is_marked_in_the_picture():
    grid = replace(fruxels(), meta={"prediction": {"crop": [2, 0, 18, 12]}})
    page, _ = page_of(PageItem(grid, "a", Picture(np.zeros((12, 20, 3), np.uint8))))
    assert data_of(page)["picture"]["seen"] == [0.1, 0, 0.9, 1]


@pytest.mark.parametrize("of", ["faces", "vertices"])
def test_the_legend_of_parts_has_the_mean_colours_of_what_is_drawn(of):
    from voxcli.ops.viewer.panes import pane_of

    vertices, faces = np.concatenate([np.eye(3), np.eye(3) + 1, np.eye(3) + 2]), np.arange(9).reshape(3, 3)
    colours = np.array([[10, 0, 0, 255], [30, 0, 200, 255], [0, 90, 0, 255]], np.uint8)
    shown = {"face_colors": colours} if of == "faces" else {"vertex_colors": colours.repeat(3, 0)}
    pane = pane_of(Mesh(vertices, faces, face_parts=np.array([0, 0, 1]), part_names=("seat", "leg"), **shown), "a.glb")
    assert [(group.name, group.colour) for group in pane.groups] == [("seat", (20, 0, 100)), ("leg", (0, 90, 0))]
