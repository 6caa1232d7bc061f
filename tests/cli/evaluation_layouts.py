"""Tiny data sets in the real layouts, with predictions whose scores are known by hand.

Each builder writes the data below `root` and the predictions below `predictions`, but for one sample that has none, and returns the cells
of the tables that follow from geometry: title of the table -> column -> number. A number may be a mapping: one of each category, and the
`mean` that the table has.
"""

import json
import shutil
from pathlib import Path

import numpy as np
from evaluation_meshes import END, LEFT, RIGHT, disn_meshes, meshrcnn, onet, squares, tatarchenko
from evaluation_scenes import iqtt, nyu, occ3d, pix2scene_rooms, pix2scene_views, semantic_kitti, ssz_shapenet, street
from evaluation_uclid import ablation_of_all, uclid_ablation, uclid_shapenet, uclid_views
from layout_pieces import CHAIR, OBJECTS, TABLE, above, picture, plane, save, solid
from PIL import Image
from scannet_layout import scannet
from scipy.io import savemat

from voxcli.scene import Labels, Mesh, PointCloud, VoxelGrid


def r2n2(root, predictions, views=2, objects=OBJECTS):
    for _, synset, name in objects:
        rendering = root / "ShapeNetRendering" / synset / name / "rendering"
        for view in range(views):
            picture(rendering / f"{view:02d}.png")
        (rendering / "rendering_metadata.txt").write_text("0 30 0 0.8 25\n" * views)
        save(root / "ShapeNetVox32" / synset / name / "model.binvox", solid(4))
        save(root / "ShapeNetCore.v1" / synset / name / "model.obj", plane())
    named = dict.fromkeys((category, synset) for category, synset, _ in objects)
    listed = {pair: [n for c, s, n in objects if (c, s) == pair] for pair in named}
    entries = [{"taxonomy_id": s, "taxonomy_name": c, "train": [], "val": [], "test": names} for (c, s), names in listed.items()]
    (root / "ShapeNet.json").write_text(json.dumps(entries))
    for (_, synset, name), cells in zip(objects, (2, 4, 1), strict=False):
        save(predictions / synset / f"{name}.binvox", solid(cells))
    first, second = list(dict.fromkeys(category for category, _, _ in objects))[:2]
    return {first: (0.5 + 1) / 2, second: 0.25, "mean": (0.5 + 1 + 0.25) / 3}


def pix2vox_shapenet(root, predictions):
    return {"Table 1: IoU by category": r2n2(root, predictions)}


def pix2vox_unseen(root, predictions):
    names = (("bed", "02818832"), ("ashcan", "02747177"))
    unseen = [(*names[synset == TABLE], name) for _, synset, name in OBJECTS]
    cells = r2n2(root, predictions, 5, (*unseen, ("chair", CHAIR, "seen")))
    save(predictions / CHAIR / "seen.binvox", solid(4))
    return {"Section 4.5: IoU of unseen categories": cells}


def pix2vox_views(root, predictions):
    """Each number of views has predictions of its own, of four cells so many: of the first chair, and of the table."""
    r2n2(root, predictions, views=20)
    names = ("1 view", *(f"{views} views" for views in (2, 3, 4, 5, 8, 12, 16, 20)))
    cells = (1, 2, 3, 4, 5, 6, 7, 9, 10)
    shutil.rmtree(predictions)
    expected = {}
    for variant, *counts in zip(names, cells, (*cells[1:], cells[0]), strict=True):
        chair, table = (min(count, 4) / max(count, 4) for count in counts)
        for (_, synset, name), count in zip(OBJECTS, (counts[0], 4, counts[1]), strict=False):
            save(predictions / variant / synset / f"{name}.binvox", solid(count))
        expected[variant] = {"chair": (chair + 1) / 2, "table": table, "mean": (chair + 1 + table) / 3}
    return {"Table 2: IoU by number of views": expected}


def jof_shapenet(root, predictions):
    r2n2(root, predictions)
    for path in predictions.rglob("*.binvox"):
        path.unlink()
    for (_, synset, name), height in zip(OBJECTS, (0.1, 0.2, 0.005), strict=False):
        save(predictions / synset / f"{name}.obj", plane(height))
    # Parallel squares of side 1 in a unit cube; Chamfer-L1 is ten times the distance. A squared distance of at most 1e-4 counts in the
    # F-score.
    far = [10 * above(height, 100_000)[0] for height in (0.1, 0.2, 0.005)]
    return {
        "Tables 2 and 5: Chamfer-L1": {"chair": (far[0] + far[1]) / 2, "table": far[2], "mean": sum(far) / 3},
        "Table 5: F-score in %": {"chair": 0.0, "table": 100.0, "mean": 100 / 3},
    }


def pix3d(root, categories):
    entries, size = [], 96
    for k, category in enumerate(categories):
        name = f"{k + 1:04d}"
        mask = picture(root / f"img/{category}/{name}.png", size, "RGB")
        (root / f"mask/{category}").mkdir(parents=True, exist_ok=True)
        Image.fromarray((mask * 255).astype(np.uint8)).save(root / f"mask/{category}/{name}.png")
        entries.append({
            "img": f"img/{category}/{name}.png", "mask": f"mask/{category}/{name}.png", "category": category, "img_size": [size, size],
            "model": f"model/{category}/A{k}/model.obj", "voxel": f"model/{category}/A{k}/voxel.mat", "rot_mat": np.eye(3).tolist(),
            "trans_mat": [0, 0, 2.5], "focal_length": 35.0, "bbox": [20, 20, 76, 76], "truncated": False, "occluded": False,
            "slightly_occluded": False,
        })  # fmt: skip
        save(root / f"model/{category}/A{k}/model.obj", plane(side=2.0))
        volume = np.zeros((32, 32, 32), np.uint8)
        volume[8:16, 8:16, 8:16] = 1
        savemat(root / f"model/{category}/A{k}/voxel.mat", {"voxel": volume})
    (root / "pix3d.json").write_text(json.dumps(entries))


def pix2vox_pix3d(root, predictions):
    pix3d(root, ("chair", "chair", "chair", "sofa"))
    half = np.zeros((32, 32, 32), bool)
    half[8:16, 8:16, 8:12] = True
    save(predictions / "chair/0001.binvox", VoxelGrid(occupancy=np.ones((4, 4, 4), bool)))  # a cube fills its own box, as the truth does
    save(predictions / "chair/0002.binvox", VoxelGrid(occupancy=half))
    save(predictions / "sofa/0004.binvox", VoxelGrid(occupancy=half))  # the table is of chairs
    # Boxes end at the middles of cells: the cube is 7 long, the half 3 along one axis. Of 32 places 7/31 apart 14 are within 3.
    return {"IoU of chairs": {"IoU": (1 + 14 / 32) / 2}}


def uclid_pix3d(root, predictions):
    """Each shape is brought into its own cube of side 1, from another place and size. Two small squares lie on the x axis of the truth's,
    those of a prediction on another line: every way from a point of one to a point of the other has one length."""
    pix3d(root, ("chair", "chair", "chair", "sofa"))
    for path in root.rglob("model.obj"):
        path.unlink()
        save(path, squares(LEFT, RIGHT))
    beside, across = squares((0, -END, 0), (0, END, 0)), squares((0, -END, -END), (0, END, END))
    save(predictions / "chair/0001.obj", Mesh(beside.vertices * 3 + [1, 2, 3], beside.faces))
    save(predictions / "chair/0002.obj", Mesh(across.vertices * 0.5 - [5, 0, 0], across.faces))
    save(predictions / "sofa/0004.obj", across)
    way = (0.5**0.5 + 0.75**0.5) / 2
    return {"Figure 6 (b): chairs": {"CD-L1": 2 * way * 100, "EMD": way * 100}}


def jof_pix3d(root, predictions):
    pix3d(root, ("chair", "chair", "sofa", "table"))
    # The truth is centred and its longest side is 2, which the preset's unit cube halves.
    for name, height in (("chair/0001", 0.2), ("chair/0002", 0.5), ("sofa/0003", 0.4)):
        save(predictions / f"{name}.obj", Mesh(plane(height, 2.0).vertices - [1, 1, 0], plane().faces))
    return {"Table 6, Pix3D: Chamfer-L1": {"chair": (1.0 + 2.5) / 2, "couch": 2.0, "mean": (1.0 + 2.5 + 2.0) / 3}}


def pascal3d(root, categories):
    view = {"azimuth": 40.0, "elevation": 20.0, "distance": 3.2, "theta": 15.0, "focal": 1.0, "viewport": 250.0, "px": 48.0, "py": 48.0}
    listed = {}
    for k, category in enumerate(categories):
        name = f"n{k}"
        picture(root / f"Images/{category}_imagenet/{name}.png", 96, "RGB")
        (root / f"Images/{category}_imagenet/{name}.png").rename(root / f"Images/{category}_imagenet/{name}.PNG".replace(".PNG", ".png"))
        thing = {"class": category, "bbox": np.array([20.0, 20, 76, 76]), "cad_index": 1, "viewpoint": view}
        (root / f"Annotations/{category}_imagenet").mkdir(parents=True, exist_ok=True)
        record = {"imgsize": np.array([96, 96, 3]), "objects": thing, "filename": name}
        savemat(root / f"Annotations/{category}_imagenet/{name}.mat", {"record": record})
        if not (root / f"CAD/{category}").exists():
            save(root / f"CAD/{category}/01.binvox", solid(4))
            save(root / f"CAD/{category}/01.off", plane())
        listed.setdefault(category, []).append(name)
    taxonomy = [{"taxonomy_id": c, "taxonomy_name": c, "train": [], "val": [], "test": names} for c, names in listed.items()]
    (root / "Pascal3D.json").write_text(json.dumps(taxonomy))


def turned(grid):
    """Voxels of a model with z up and front -y, with y up and front +x: x is what -y was, y what z was, z what -x was."""
    out = np.zeros_like(grid)
    n = len(grid)
    for x, y, z in np.argwhere(grid):
        out[n - 1 - y, z, n - 1 - x] = True
    return out


def pix2vox_pascal3d(root, predictions):
    pascal3d(root, ("aeroplane", "aeroplane", "car", "aeroplane"))
    for name, cells in (("aeroplane/n0", 3), ("car/n2", 1), ("aeroplane/n3", 4)):
        save(predictions / f"{name}.binvox", VoxelGrid(occupancy=turned(solid(cells).occupancy)))
    return {"Table 3: IoU by category": {"airplane": (0.75 + 1) / 2, "car": 0.25, "mean": (0.75 + 1 + 0.25) / 3}}


def jof_pascal3d(root, predictions):
    pascal3d(root, ("aeroplane", "car", "chair", "diningtable", "sofa", "aeroplane"))
    for name, height in (("aeroplane/n0", 0.1), ("car/n1", 0.3), ("aeroplane/n5", 0.2)):
        # The truth, z up, lies in z = 0; with y up and front +x it lies in y = 0: (x, y, z) becomes (-y, z, -x).
        x, y, z = plane(height).vertices.T
        save(predictions / f"{name}.obj", Mesh(np.stack([-y, z, -x], 1), plane().faces))
    return {"Table 6, Pascal3D+: Chamfer-L1": {"plane": (1.0 + 2.0) / 2, "car": 3.0, "mean": (1.0 + 2.0 + 3.0) / 3}}


def _cloud(count, seed):
    return np.random.default_rng(seed).random((count, 3)).round(3)


def jof_parts(root, predictions):
    """Two chairs and two airplanes of ten points. Branch a is mostly seats and b legs, over both chairs, though b is all seat in one."""
    (root / "train_test_split").mkdir()
    chair, plane_ = CHAIR, "02691156"
    listed = [f"shape_data/{chair}/aa", f"shape_data/{chair}/bb", f"shape_data/{plane_}/cc", f"shape_data/{plane_}/dd"]
    (root / "train_test_split/shuffled_test_file_list.json").write_text(json.dumps(listed))
    numbers = {"aa": [1, 2, 2, 2, 3, 3, 3, 3, 3, 3], "bb": [1, 1, 1, 1, 2, 2, 2, 2, 2, 2], "zz": [1] * 10}  # back and seat are one part
    for folder in ("points", "points_label"):
        (root / chair / folder).mkdir(parents=True)
    for seed, (name, parts) in enumerate(numbers.items()):  # zz is of no list
        np.savetxt(root / chair / f"points/{name}.pts", _cloud(10, seed), fmt="%.3f")
        (root / chair / f"points_label/{name}.seg").write_text("\n".join(map(str, parts)) + "\n")
    (root / plane_).mkdir()
    for seed, name in enumerate(("cc", "dd"), 5):  # with normals, parts from 0: body, wing, tail, engine
        rows = np.concatenate([_cloud(10, seed), np.zeros((10, 3)), np.array([[0, 0, 0, 0, 1, 1, 3, 3, 2, 2]]).T], 1)
        np.savetxt(root / plane_ / f"{name}.txt", rows, fmt="%.6f")
    classes = Labels(("air", "a", "b", "c", "d"), 0, None)
    guesses = {(chair, "aa"): [1, 1, 1, 1, 2, 2, 2, 2, 2, 2], (chair, "bb"): [1] * 8 + [2] * 2, (plane_, "cc"): [1] * 4 + [2] * 4 + [3, 1]}
    for seed, ((synset, name), labels) in zip((0, 1, 5), guesses.items(), strict=True):
        save(predictions / synset / f"{name}.npz", PointCloud(_cloud(10, seed), labels=np.array(labels, np.uint8), classes=classes))
    # aa: seat 4/4, leg 6/6, arm in neither. bb: the two b are legs by both chairs together, so seat 8/10, leg 0/2, arm 1. The airplane's
    # four a are body and one is tail: body 4/5, wing with engine 4/4, tail 1/2.
    chairs, airplane = (1.0 + (0.8 + 0.0 + 1.0) / 3) / 2, (0.8 + 1.0 + 0.5) / 3
    # CAD models of aa and cc: squares of side 2, whose half is the unit. Above them lie squares, 0.2 and 0.6 high: 0.1 and 0.3 units. Ten
    # times the mean way is printed. bb and dd have no model.
    for (synset, name), height in zip(((chair, "aa"), (plane_, "cc")), (0.2, 0.6), strict=True):
        save(root / f"meshes/{synset}/{name}.obj", plane(side=2.0))
        save(predictions / synset / f"{name}-shape.obj", plane(height, 2.0))
    near, far = (10 * above(height, 100_000)[0] for height in (0.1, 0.3))
    return {"Table 4: IoU of parts": {"chair": chairs, "airplane": airplane, "mean": (2 * chairs + airplane) / 3},
            "Table 4: Chamfer-L1": {"chair": near, "airplane": far, "mean": (near + far) / 2}}  # fmt: skip


def jof_terms(root, predictions):
    """Cars seen from azimuth 40: the first is predicted at 50, the second, of which only the shape is given, has no azimuth. The table is
    of cars."""
    pascal3d(root, ("car", "car", "car", "bus"))
    for name, height in (("car/n0", 0.1), ("car/n1", 0.3), ("bus/n3", 0.4)):
        x, y, z = plane(height).vertices.T
        save(predictions / f"{name}.obj", Mesh(np.stack([-y, z, -x], 1), plane().faces))
    a, e, distance = np.radians(50.0), np.radians(20.0), 3.2
    # Azimuth 0 is before the front, which is +x; it grows towards the left of who looks at the car, -z.
    place = distance * np.array([np.cos(a) * np.cos(e), np.sin(e), -np.sin(a) * np.cos(e)])
    camera = f"{{position: {place.tolist()}, look_at: [0, 0, 0], width: 96, height: 96, fov_x_deg: 40}}"
    (predictions / "car/n0.yaml").write_text(f"camera: {camera}\n")
    away = 10 * (above(0.1, 100_000)[0] + above(0.3, 100_000)[0]) / 2
    return {"Table 3: azimuth error in degrees and Chamfer-L1 of cars": {"azimuth": 10.0, "Chamfer-L1": away}}


def jof_unseen(root, predictions):
    for synset, name in (("02801938", "aa"), ("02801938", "bb"), ("02818832", "cc"), ("02818832", "dd"), (CHAIR, "seen")):
        save(root / synset / name / "model.obj", plane())
    for (synset, name), height in zip((("02801938", "aa"), ("02801938", "bb"), ("02818832", "cc")), (0.1, 0.2, 0.4), strict=True):
        save(predictions / synset / f"{name}.obj", plane(height))
    far = [10 * above(height, 100_000)[0] for height in (0.1, 0.2, 0.4)]
    cells = {"basket": (far[0] + far[1]) / 2, "bed": far[2], "mean": sum(far) / 3}
    return {"Section 4.1: Chamfer-L1 of unseen categories": cells}


LAYOUTS = {
    "pix2vox-shapenet": pix2vox_shapenet, "pix2vox-unseen": pix2vox_unseen, "pix2vox-views": pix2vox_views, "jof-shapenet": jof_shapenet,
    "pix2vox-pix3d": pix2vox_pix3d, "uclid-pix3d": uclid_pix3d, "jof-pix3d": jof_pix3d, "pix2vox-pascal3d": pix2vox_pascal3d,
    "jof-pascal3d": jof_pascal3d, "uclid-shapenet": uclid_shapenet, "uclid-ablation": uclid_ablation, "uclid-views": uclid_views,
    "jof-parts": jof_parts, "jof-terms": jof_terms, "jof-unseen": jof_unseen, "ssz-scannet": scannet, "ssz-synthetic": street,
    "ssz-shapenet": ssz_shapenet, "iqtt": iqtt,
    "pix2scene-rooms": pix2scene_rooms, "pix2scene-views": pix2scene_views, "onet": onet, "meshrcnn": meshrcnn,
    "tatarchenko": tatarchenko, "disn": disn_meshes, "semantic-kitti": semantic_kitti, "nyu": nyu, "nuscenes-occ3d": occ3d,
}  # fmt: skip
"""Protocol -> builder."""

OF_VARIANTS = ("pix2scene-views", "pix2vox-views", "uclid-ablation", "uclid-views")
PAIRS = {**dict.fromkeys(OF_VARIANTS, "{variant}/{name}"), "iqtt": "{id}"}
"""Where predictions lie (--pair), where it is not where the protocol says."""

ONE_CATEGORY = {
    "uclid-pix3d": {("", "chamfer"): {"chair": (0.5**0.5 + 0.75**0.5) * 100, "sofa": 2 * 0.75**0.5 * 100}},
    "uclid-ablation": ablation_of_all(),
    "pix2vox-pix3d": {("", "iou"): {"chair": (1 + 14 / 32) / 2, "sofa": 14 / 32}},
    "jof-terms": {("", "shape"): {"car": 2.0, "bus": 4.0}, ("", "azimuth"): {"car": 10.0}},
}
"""Protocols whose table is of one category, with the values of their data where all categories are asked for: (variant, measure) ->
category -> value. The EMD, which takes long, is left out."""


def made(name, tmp_path):
    """(root, predictions, expected cells) of a protocol."""
    root, predictions = tmp_path / "data", tmp_path / "mine"
    root.mkdir()
    predictions.mkdir()
    return Path(root), Path(predictions), LAYOUTS[name](root, predictions)
