"""Tiny data sets of scenes in the real layouts, with predictions whose scores are known by hand (see evaluation_layouts.py)."""

import json

import numpy as np
from layout_pieces import picture, save
from PIL import Image

from voxcli import files
from voxcli.files.completion import KITTI_CLASSES, NYU_CLASSES
from voxcli.geometry.cameras import rotation_to_quaternion, shapenet_intrinsics
from voxcli.scene import Frustum, FruxelGrid, Labels, Surfels, VoxelGrid

STREET = Labels(("air", "person", "car", "truck", "van", "bus", "building", "tree", "bicycle", "ground"))


def street(root, predictions):
    frustum = Frustum(16, 16, 16, 2.0, 12.0, 60.0)
    for k in range(3):
        labels = np.zeros(frustum.shape, np.uint8)
        labels[:, 8:] = 9
        labels[1, :4, :4] = 2
        picture(root / f"images/{k:06d}.png", 16, "RGB")
        save(root / f"fruxels/{k:06d}.npz", FruxelGrid(labels, frustum, classes=STREET))
        if k < 2:
            labels[1, :4, 2:4] = 0 if k == 0 else 2  # the first has half of the car
            labels[:4, 8:] = 0  # both lack a quarter of the ground
            save(predictions / f"{k:06d}.npz", FruxelGrid(labels, frustum, classes=STREET))
    # Pooled: the car's intersections 8 + 16 of unions 16 + 16; the ground's 1,536 of 2,048, twice. Seven classes are in neither.
    car, ground = 24 / 32, 0.75
    both = (24 + 2 * 1536) / (32 + 2 * 2048)
    return {"Table 2: IoU by class": {"car": car, "ground": ground, "mean": (car + ground) / 2}, "IoU of all classes as one": {"IoU": both}}


def ssz_shapenet(root, predictions):
    by_class, of_all = street(root, predictions).values()
    return {"Table 1: IoU by class": by_class, "IoU of all classes as one": of_all}


def iqtt(root, predictions):
    import h5py

    with h5py.File(root / "questions.h5", "w") as file:
        file["questions"] = np.random.default_rng(0).integers(0, 255, (4, 4, 16, 16, 3), np.uint8)
        file["answers"] = np.array([0, 1, 2, 1])
    for number, answer in enumerate((0, 1, 0)):  # a file a question; the last has none
        (predictions / f"{number}.txt").write_text(f"{answer}\n")
    return {"Table 3: accuracy": {"accuracy": 2 / 3}}


def rooms(root, variant="box-rotation", shape="box"):
    from voxcli.datasets.synthetic.folders import write_dataset
    from voxcli.datasets.synthetic.rooms.dataset import RoomsGenerator
    from voxcli.datasets.synthetic.rooms.scenes import RoomsConfig

    write_dataset(root, 2, RoomsGenerator(0, RoomsConfig(variant, (shape,), 1, False, True, 16), None), 1)
    return root


def farther(surfels, share):
    return Surfels(surfels.depth * (1 + share), surfels.normals, surfels.albedo, surfels.camera)


def brute_force(truth, share):
    """Hausdorff one way, the other way, and the mean squared error of the rays' lengths, in plain NumPy."""
    height, width = truth.depth.shape
    v, u = np.mgrid[:height, :width] + 0.5
    K = truth.camera.K
    rays = np.stack([(u - K[0, 2]) / K[0, 0], (v - K[1, 2]) / K[1, 1], np.ones_like(u)], -1)
    seen = np.isfinite(truth.depth)
    points = (rays * truth.depth[..., None])[seen].astype(np.float64)
    apart = np.linalg.norm(points[:, None] * (1 + share) - points[None], axis=-1)
    lengths = np.linalg.norm(points, axis=1)
    return apart.min(1).max(), apart.min(0).max(), ((lengths * share) ** 2).mean()


def pix2scene_rooms(root, predictions):
    """Two folders of rooms. Of the second one room has no prediction."""
    rooms(root / "boxes")
    rooms(root / "shapes", "shapes-rotation", "cylinder")
    found = []
    for name, share in (("boxes/000000", 0.1), ("boxes/000001", 0.05), ("shapes/000000", 0.2)):
        truth = files.read_as(root / f"{name.replace('/', '/surfels/')}.npz", Surfels)
        save(predictions / f"{name}.npz", farther(truth, share))
        found.append(brute_force(truth, share))
    titles = ("Table 1: Hausdorff forward", "Table 1: Hausdorff reverse", "Table 1: MSE of depth")
    return {
        title: {"box-rotation": (one + two) / 2, "shapes-rotation": three, "mean": (one + two + three) / 3}
        for title, (one, two, three) in zip(titles, zip(*found, strict=True), strict=True)
    }


def pix2scene_views(root, predictions):
    rooms(root)
    expected = {"Table 2: Hausdorff forward": {}, "Table 2: Hausdorff reverse": {}, "Table 2: MSE of depth": {}}
    for degrees in (5, 35, 55, 80):
        truth = files.read_as(root / f"turned/000000-{degrees:02d}.npz", Surfels)
        save(predictions / f"{degrees} degrees" / "000000.npz", farther(truth, 0.05))
        for title, number in zip(expected, brute_force(truth, 0.05), strict=True):
            expected[title][f"{degrees} degrees"] = number
    return expected


def semantic_kitti(root, predictions):
    shape, place = (256, 256, 32), {"origin": np.array([0, -25.6, -2.2]), "voxel_size": np.full(3, 0.2)}
    for frame in ("000000", "000005"):
        labels = np.zeros(shape, np.uint8)
        labels[10:20, 100:110, 0] = KITTI_CLASSES.names.index("road")  # 100 cells
        labels[10:20, 100, 1] = KITTI_CLASSES.names.index("car")  # 10 cells
        voxels = root / "sequences/08/voxels"
        save(voxels / f"{frame}.label", VoxelGrid(labels=labels, classes=KITTI_CLASSES, **place))
        invalid = np.zeros(shape, bool)
        invalid[15:20, 100:110, 0] = True  # half of the road
        save(voxels / f"{frame}.invalid", VoxelGrid(occupancy=invalid, **place))
        picture(root / f"sequences/08/image_2/{frame}.png", 64, "RGB")
    K = shapenet_intrinsics(64)
    rows = {"P2": np.hstack([K, np.zeros((3, 1))]), "Tr": np.array([[0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0.0]])}
    (root / "sequences/08/calib.txt").write_text("".join(f"{k}: {' '.join(map(str, v.ravel()))}\n" for k, v in rows.items()))
    guess = np.zeros(shape, np.uint8)
    guess[10:20, 100:105, 0] = KITTI_CLASSES.names.index("road")  # of the 50 cells that count, 25
    guess[10:20, 100, 1] = KITTI_CLASSES.names.index("truck")  # the car's place by another name
    save(predictions / "sequences/08/predictions/000000.label", VoxelGrid(labels=guess, classes=KITTI_CLASSES, **place))
    return {"Completion and mean IoU": {"completion IoU": 35 / 60, "mean IoU": 0.5 / 19},
            "IoU by class": {"road": 0.5, "car": 0.0, "truck": 0.0, "mean": 0.5 / 19}}  # fmt: skip


def nyu_volume(path, runs, origin=(0, 0, 0), to_world=None):
    """Write SSCNet's (raw id, number of cells) of a volume [across, up, forward], with the camera's pose."""
    runs = [*runs, (0, 240 * 144 * 240 - sum(count for _, count in runs))]
    header = np.concatenate([origin, (np.eye(4) if to_world is None else to_world).ravel()]).astype("<f4").tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(header + np.array(runs, "<u4").tobytes())


def nyu(root, predictions):
    for k in (1, 2):
        # Raw ids of a window and, four layers above, of a bed, as SSCNet's map has them; 4 of 64 cells make a coarse cell one.
        nyu_volume(root / f"NYUtest/NYU000{k}_0000.bin", [(4, 200), (0, 4 * 240 - 200), (7, 40)])
        Image.new("RGB", (640, 480), (90, 120, 60)).save(root / f"NYUtest/NYU000{k}_0000_color.jpg")
    window, bed = (NYU_CLASSES.names.index(name) for name in ("window", "bed"))
    labels = np.zeros((60, 60, 36), np.uint8)
    labels[0, :25, 0] = labels[9, :5, 9] = window  # half of the 50, and 5 that are none
    labels[0, :6, 1] = bed  # of 10
    place = {"origin": np.zeros(3), "voxel_size": np.full(3, 0.08)}
    save(predictions / "NYU0001_0000.npz", VoxelGrid(labels=labels, classes=NYU_CLASSES, **place))
    mean = (25 / 55 + 0.6) / 11
    return {"Completion and mean IoU": {"completion IoU": 31 / 65, "mean IoU": mean},
            "IoU by class": {"window": 25 / 55, "bed": 0.6, "mean": mean}}  # fmt: skip


CAMERAS = {"CAM_BACK": 180, "CAM_BACK_LEFT": 120, "CAM_BACK_RIGHT": 240, "CAM_FRONT": 0, "CAM_FRONT_LEFT": 60, "CAM_FRONT_RIGHT": 300}
"""Degrees to the left that each looks."""


def looking(degrees):
    """Rotation [3, 3] from a level camera's axes to those of the vehicle, x forward, y left, z up."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ np.array([[0, 0, 1], [-1, 0, 0], [0, -1, 0.0]])


def occ3d_pictures(root, frames):
    """annotations.json and imgs/ of (scene, token) frames, all of the split val. A camera stands 1 m before the vehicle's origin as the
    lidar turned, 1.6 m high; it shot when the vehicle was 0.5 m farther back. The picture of a camera is of one grey, 10 times its place
    in the alphabet."""
    turned, infos = looking(30) @ looking(0).T, {}
    pose = {"translation": [100.0, 50.0, 0.0], "rotation": rotation_to_quaternion(turned).tolist()}
    before = {**pose, "translation": (np.array([100.0, 50.0, 0.0]) - turned @ [0.5, 0, 0]).tolist()}
    for scene, token in frames:
        sensors = {}
        for k, (name, degrees) in enumerate(CAMERAS.items()):
            path = root / f"imgs/{name}/{token}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (96, 64), (10 * k,) * 3).save(path)
            placed = {"translation": [1.5, 0.0, 1.6], "rotation": rotation_to_quaternion(looking(degrees)).tolist()}
            sensors[name] = {"img_path": f"{name}/{token}.jpg", "intrinsics": [[60, 0, 48], [0, 60, 32], [0, 0, 1]], "extrinsic": placed,
                             "ego_pose": before}  # fmt: skip
        infos.setdefault(scene, {})[token] = {"camera_sensor": sensors, "ego_pose": pose}
    listed = {"train_split": ["scene-0009"], "val_split": sorted(infos), "scene_infos": infos}
    (root / "annotations.json").write_text(json.dumps(listed))


def occ3d(root, predictions):
    semantics = np.full((200, 200, 16), 17, np.uint8)
    semantics[0, 0, :8], semantics[0, 1, :4] = 4, 11  # cars and road
    camera = np.zeros(semantics.shape, np.uint8)
    camera[0, 0, :4] = camera[0, 1] = camera[1] = 1
    for scene, token in (("scene-0001", "t1"), ("scene-0001", "t2"), ("scene-0009", "t3")):  # the last is of the training
        folder = root / "gts" / scene / token
        folder.mkdir(parents=True)
        np.savez(folder / "labels.npz", semantics=semantics, mask_camera=camera, mask_lidar=camera)
    occ3d_pictures(root, [("scene-0001", "t1"), ("scene-0001", "t2")])
    guess = semantics.copy()
    guess[0, 0, :2] = 17  # half of the cars that the cameras see
    guess[0, 1, 3] = 4  # a quarter of the road is called a car
    predictions.mkdir(exist_ok=True)
    np.savez(predictions / "t1.npz", semantics=guess, mask_camera=camera, mask_lidar=camera)
    car, road = 2 / 5, 3 / 4
    return {"Mean IoU": {"mean IoU": (car + road) / 2},
            "IoU by class": {"car": car, "driveable_surface": road, "mean": (car + road) / 2}}  # fmt: skip
