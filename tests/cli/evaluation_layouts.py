"""Tiny data sets in the real layouts, with predictions whose scores are known by hand.

Each builder writes the data below `root` and the predictions below `predictions`, but for one sample that has none, and returns the cells
of the tables that follow from geometry: title of the table -> column -> number.
"""

import json
from pathlib import Path

import numpy as np
from evaluation_scenes import iqtt, nyu, occ3d, pix2scene_rooms, pix2scene_views, semantic_kitti, ssz_shapenet, street
from layout_pieces import CHAIR, OBJECTS, TABLE, above, box, picture, plane, save, solid
from PIL import Image
from scannet_layout import scannet
from scipy.io import savemat

from voxcli.scene import Labels, Mesh, PointCloud, VoxelGrid


def r2n2(root, predictions, views=2):
    for _, synset, name in OBJECTS:
        rendering = root / "ShapeNetRendering" / synset / name / "rendering"
        for view in range(views):
            picture(rendering / f"{view:02d}.png")
        (rendering / "rendering_metadata.txt").write_text("0 30 0 0.8 25\n" * views)
        save(root / "ShapeNetVox32" / synset / name / "model.binvox", solid(4))
        save(root / "ShapeNetCore.v1" / synset / name / "model.obj", plane())
    listed = {synset: [n for _, s, n in OBJECTS if s == synset] for synset in (CHAIR, TABLE)}
    named = (("chair", CHAIR), ("table", TABLE))
    entries = [{"taxonomy_id": s, "taxonomy_name": c, "train": [], "val": [], "test": listed[s]} for c, s in named]
    (root / "ShapeNet.json").write_text(json.dumps(entries))
    for (_, synset, name), cells in zip(OBJECTS, (2, 4, 1), strict=False):
        save(predictions / synset / f"{name}.binvox", solid(cells))
    return {"chair": (0.5 + 1) / 2, "table": 0.25, "mean": (0.5 + 1 + 0.25) / 3}


def pix2vox_shapenet(root, predictions):
    return {"Table 1: IoU by category": r2n2(root, predictions)}


def pix2vox_unseen(root, predictions):
    r2n2(root, predictions, views=5)
    listed = json.loads((root / "ShapeNet.json").read_text())
    listed[1]["taxonomy_id"] = "02747177"
    (root / "ShapeNet.json").write_text(json.dumps(listed))
    for tree in ("ShapeNetRendering", "ShapeNetVox32"):
        (root / tree / TABLE).rename(root / tree / "02747177")
    (predictions / TABLE).rename(predictions / "02747177")
    return {"Section 4.5: IoU of unseen categories": {"table": 0.25, "mean": 0.25}}


def pix2vox_views(root, predictions):
    r2n2(root, predictions, views=20)
    # The same files stand for all numbers of views.
    return {"Table 2: IoU by number of views": {"1 view": 1.75 / 3, "20 views": 1.75 / 3}}


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


def pix3d(root, categories=("chair", "chair", "chair")):
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
    pix3d(root)
    half = np.zeros((32, 32, 32), bool)
    half[8:16, 8:16, 8:12] = True
    save(predictions / "chair/0001.binvox", VoxelGrid(occupancy=np.ones((4, 4, 4), bool)))  # a cube fills its own box, as the truth does
    save(predictions / "chair/0002.binvox", VoxelGrid(occupancy=half))  # padded to a cube, it fills one half
    return {"IoU of chairs": {"IoU": 0.75}}


def uclid_pix3d(root, predictions):
    pix3d(root)
    # Each shape is brought into its own cube of side 1, so that the same square in another place and size is the same.
    save(predictions / "chair/0001.obj", plane(3.0, side=2.0))
    save(predictions / "chair/0002.obj", plane(-1.0, side=5.0))
    return {"Figure 6 (b): chairs": {"CD-L1": (0, 4)}}  # two samples of 1,024 points of one square, times 100


def jof_pix3d(root, predictions):
    pix3d(root, ("chair", "sofa", "table"))
    # The truth is centred and its longest side is 2, which the preset's unit cube halves.
    save(predictions / "chair/0001.obj", Mesh(plane(0.2, 2.0).vertices - [1, 1, 0], plane().faces))
    save(predictions / "sofa/0002.obj", Mesh(plane(0.4, 2.0).vertices - [1, 1, 0], plane().faces))
    return {"Table 6, Pix3D: Chamfer-L1": {"chair": 1.0, "couch": 2.0, "mean": 1.5}}


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
    pascal3d(root, ("aeroplane", "aeroplane", "car"))
    save(predictions / "aeroplane/n0.binvox", VoxelGrid(occupancy=turned(solid(3).occupancy)))
    save(predictions / "car/n2.binvox", VoxelGrid(occupancy=turned(solid(1).occupancy)))
    return {"Table 3: IoU by category": {"airplane": 0.75, "car": 0.25, "mean": 0.5}}


def jof_pascal3d(root, predictions):
    pascal3d(root, ("aeroplane", "car", "chair", "diningtable", "sofa"))
    for category, height in (("aeroplane", 0.1), ("car", 0.3)):
        # The truth, z up, lies in z = 0; with y up and front +x it lies in y = 0: (x, y, z) becomes (-y, z, -x).
        x, y, z = plane(height).vertices.T
        save(predictions / category / f"n{0 if category == 'aeroplane' else 1}.obj", Mesh(np.stack([-y, z, -x], 1), plane().faces))
    return {"Table 6, Pascal3D+: Chamfer-L1": {"plane": 1.0, "car": 3.0, "mean": 2.0}}


LATTICE = np.stack(np.meshgrid(np.arange(16), np.arange(16), np.arange(8), indexing="ij"), -1).reshape(-1, 3) / 15.0 - [0.5, 0.5, 7 / 30]
"""2,048 points, 1/15 apart, around the origin."""


def disn(root, predictions, views=4):
    for synset, name in ((CHAIR, "aa"), (CHAIR, "bb"), ("02958343", "cc"), ("02958343", "dd")):
        for kind in ("easy",):
            folder = root / "renderings_rgb/ShapeNet" / synset / name / kind
            for view in range(views):
                picture(folder / f"{view:02d}.png", 224)
                save(root / "renderings_depth/ShapeNet" / synset / name / kind / f"{view:02d}.npz", _depth())
            (folder / "rendering_metadata.txt").write_text("[0, 25, 0, 0.8, 35, 32, 1.75]\n" * views)
        save(root / "SurfaceSamples/ShapeNet" / synset / f"{name}.ply", PointCloud(LATTICE))
    (root / "splits").mkdir()
    (root / "splits/test.json").write_text(json.dumps({"ShapeNet": {CHAIR: ["aa", "bb"], "02958343": ["cc", "dd"]}}))
    low, high = LATTICE.min(0), LATTICE.max(0)
    cube = (LATTICE - (low + high) / 2) * 2 / (high - low).max()
    for synset, name, shift in ((CHAIR, "aa", 0.01), (CHAIR, "bb", 0.02), ("02958343", "cc", 0.03)):
        save(predictions / synset / f"{name}.ply", PointCloud(cube + [shift, 0, 0]))
    # In the unit sphere the cube's frame is divided by the truth's radius about its centroid. A shift of less than half the spacing is
    # every point's distance, both ways, and the best matching.
    radius = np.linalg.norm(cube - cube.mean(0), axis=1).max()
    shifts = np.array([0.01, 0.02, 0.03]) / radius
    return shifts


def _depth():
    from voxcli.scene import DepthMap

    return DepthMap(np.full((224, 224), 1.4, np.float32), "z")


def uclid_shapenet(root, predictions):
    shifts = disn(root, predictions)
    squares = 2 * shifts**2 * 1000
    return {
        "Figure 6 (a)": {"CD-L2": squares.mean(), "EMD": shifts.mean() * 100, "F@5%": 100.0},
        "CD-L2 by category": {"chair": squares[:2].mean(), "car": squares[2], "mean": squares.mean()},
    }


def uclid_ablation(root, predictions):
    shift = disn(root, predictions)[2]
    return {
        "Figure 9 (a): CD-L2 of cars": {"regressed": 2 * shift**2 * 1000, "camera": 2 * shift**2 * 1000},
        "Figure 9 (a): EMD of cars": {"camera, depth": shift * 100},
    }


def uclid_views(root, predictions):
    shifts = disn(root, predictions)
    return {"CD-L2 by number of views": {"1 view": (2 * shifts**2 * 1000).mean(), "4 views": (2 * shifts**2 * 1000).mean()}}


def onet(root, predictions):
    points = np.random.default_rng(0).uniform(-0.5, 0.5, (100_000, 3))
    for name in ("aa", "bb", "cc"):
        folder = root / CHAIR / name
        folder.mkdir(parents=True)
        inside = (np.abs(points) < 0.4).all(1)
        np.savez(folder / "points.npz", points=points.astype(np.float32), occupancies=np.packbits(inside), loc=np.zeros(3), scale=1.0)
        surface = box([-0.4] * 3, [0.4] * 3)
        cloud, normals = _on_box(0.4)
        np.savez(folder / "pointcloud.npz", points=cloud, normals=normals, loc=np.zeros(3), scale=1.0)
        if name == "aa":
            save(predictions / CHAIR / "aa.off", surface)
        if name == "bb":
            save(predictions / CHAIR / "bb.off", box([-0.4] * 3, [0.4, 0.4, 0.0]))
    whole, half = (np.abs(points) < 0.4).all(1), (np.abs(points) < 0.4).all(1) & (points[:, 2] < 0)
    return {"IoU": {"chair": (1 + half.sum() / whole.sum()) / 2}}


def _on_box(half):
    rng = np.random.default_rng(1)
    points = rng.uniform(-half, half, (20_000, 3))
    axis, side = rng.integers(0, 3, 20_000), rng.choice([-1.0, 1.0], 20_000)
    normals = np.zeros_like(points)
    normals[np.arange(20_000), axis] = side
    points[np.arange(20_000), axis] = half * side
    return points.astype(np.float32), normals.astype(np.float32)


def planes(root, predictions, heights):
    for synset, name in ((CHAIR, "aa"), (CHAIR, "bb"), (TABLE, "cc"), (TABLE, "dd")):
        save(root / synset / name / "model.obj", plane())
    for (synset, name), height in zip(((CHAIR, "aa"), (CHAIR, "bb"), (TABLE, "cc")), heights, strict=True):
        save(predictions / synset / f"{name}.obj", plane(height))


def meshrcnn(root, predictions):
    planes(root, predictions, (0.02, 0.005, 0.05))
    # The truth's longest edge becomes 10, so that squares are 100 times those of the unit square. Chamfer adds both ways.
    squares = np.array([2 * 100 * above(height, 10_000)[1] for height in (0.02, 0.005, 0.05)])
    return {"Chamfer by category": {"chair": squares[:2].mean(), "table": squares[2], "mean": squares.mean()},
            "All categories": {"Normal": 1.0}}  # fmt: skip


def tatarchenko(root, predictions):
    planes(root, predictions, (0.02, 0.0, 0.05))
    return {"F-score at 1 %": {"table": 0.0}}


def disn_meshes(root, predictions):
    corners = box([0, 0, 0], [1, 1, 1])
    for synset, name in ((CHAIR, "aa"), (TABLE, "cc"), (TABLE, "dd")):
        save(root / synset / name / "isosurf.obj", corners)
    for synset, name, shift in ((CHAIR, "aa", 0.1), (TABLE, "cc", 0.2)):
        save(predictions / synset / f"{name}_00.obj", Mesh(corners.vertices + [shift, 0, 0], corners.faces))
    # Eight corners of a cube, whose sphere has the radius of half its diagonal; every one is drawn among 2,048.
    squares = 2 * (np.array([0.1, 0.2]) / (3**0.5 / 2)) ** 2 * 1000
    return {"Chamfer x 1000": {"chair": squares[0], "table": squares[1], "mean": squares.mean()}}


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
    """Cars seen from azimuth 40: the first is predicted at 50, the second, of which only the shape is given, has no azimuth."""
    pascal3d(root, ("car", "car", "car"))
    for k, height in ((0, 0.1), (1, 0.3)):
        x, y, z = plane(height).vertices.T
        save(predictions / f"car/n{k}.obj", Mesh(np.stack([-y, z, -x], 1), plane().faces))
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
    cells = {"02801938": (far[0] + far[1]) / 2, "02818832": far[2], "mean": sum(far) / 3}
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


def made(name, tmp_path):
    """(root, predictions, expected cells) of a protocol."""
    root, predictions = tmp_path / "data", tmp_path / "mine"
    root.mkdir()
    predictions.mkdir()
    return Path(root), Path(predictions), LAYOUTS[name](root, predictions)
