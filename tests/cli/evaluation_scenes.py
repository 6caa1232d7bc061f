"""Tiny data sets of scenes in the real layouts, with predictions whose scores are known by hand (see evaluation_layouts.py)."""

import json

import numpy as np
from layout_pieces import box, picture, save
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
        labels[:, 12 if k == 1 else 8 :] = 9
        labels[1, :4, :4] = 2
        picture(root / f"images/{k:06d}.png", 16, "RGB")
        save(root / f"fruxels/{k:06d}.npz", FruxelGrid(labels, frustum, classes=STREET))
        if k == 0:
            labels[1, :4, 2:4] = 0  # half of the car
            labels[:4, 8:] = 0  # a quarter of the ground
        if k == 1:
            labels[1, :8, :8] = 2  # four times the car
            labels[:8, 12:] = 0  # half of the ground
            labels[12, 15] = 3  # of the other half 16 cells are called a truck
        if k < 2:
            save(predictions / f"{k:06d}.npz", FruxelGrid(labels, frustum, classes=STREET))
    # Pooled: intersections and unions of both frames are added. Six classes are in neither.
    car, ground, truck = (8 + 16) / (16 + 64), (1536 + 496) / (2048 + 1024), 0.0
    both = (8 + 1536 + 16 + 512) / (16 + 2048 + 64 + 1024)
    return {
        "Table 2: IoU by class": {"car": car, "truck": truck, "ground": ground, "mean": (car + ground + truck) / 3},
        "IoU of all classes as one": {"IoU": both},
    }


def ssz_shapenet(root, predictions):
    """The test set that `synth views --layout street` makes of a tree of ShapeNetCore. Of the cells of each object all, a half and a
    quarter are predicted, by the names of the data and by those of the paper; the other half of the bike is called a car. The last one, a
    boat, has no prediction."""
    from voxcli.datasets.synthetic.folders import write_dataset
    from voxcli.datasets.synthetic.objects.from_meshes import ViewsConfig, ViewsGenerator
    from voxcli.datasets.synthetic.objects.meshes import find_places

    meshes = [root.parent / "meshes" / synset / name / "model.obj" for synset in SSZ for name in ("training", "unseen")]
    for path in meshes:
        save(path, box((-0.5, -0.25, -0.25), (0.5, 0.25, 0.25)))
    places = find_places([(str(path), str(path.with_suffix(""))) for path in meshes])
    config = ViewsConfig(layout="street", views=1, size=16, classes=tuple(sorted({place.category for place in places})))
    write_dataset(root.parent / "views", len(places), ViewsGenerator(places, 0, config))
    root.rmdir()
    (root.parent / "views/test").rename(root)
    counts, said = {}, {}
    for (synset, (column, own)), step in zip(SSZ.items(), (1, 2, 4), strict=False):
        (path,) = root.glob(f"fruxels/{synset}*.npz")
        truth = files.read_as(path, FruxelGrid)
        cells = np.argwhere((truth.labels != truth.classes.empty) & (truth.labels != truth.classes.ignore))
        labels = np.zeros(truth.labels.shape, np.uint8)
        labels[tuple(cells[::step].T)] = 1
        if column == "bike":
            labels[tuple(cells[1::2].T)] = 2
        classes = Labels(("air", own, "car") if column == "bike" else ("air", own), 0, None)
        save(predictions / path.name, FruxelGrid(labels, truth.frustum, classes=classes))
        counts[column], said[column] = len(cells), len(cells[::step])
    called_car = counts["bike"] - said["bike"]
    by_class = {"plane": 1.0, "bike": said["bike"] / counts["bike"], "car": said["car"] / (counts["car"] + called_car)}
    occupied = (said["plane"] + counts["bike"] + said["car"]) / sum(counts.values())
    return {"Table 1: IoU by class": by_class | {"mean": sum(by_class.values()) / 3}, "IoU of all classes as one": {"IoU": occupied}}


SSZ = {"02691156": ("plane", "airplane"), "02834778": ("bike", "bike"), "02958343": ("car", "car"), "04530566": ("boat", "watercraft")}
"""Synset -> the paper's column, and the name that a prediction has for it."""


def iqtt(root, predictions):
    import h5py

    with h5py.File(root / "questions.h5", "w") as file:
        file["questions"] = np.random.default_rng(0).integers(0, 255, (4, 4, 16, 16, 3), np.uint8)
        file["answers"] = np.array([0, 1, 2, 1])
    for number, answer in enumerate((0, 1, 0)):  # a file a question; the last has none
        (predictions / f"{number}.txt").write_text(f"{answer}\n")
    return {"Table 3: accuracy": {"accuracy": 2 / 3}}


def rooms(root, variant="box-rotation", shape="box", count=2):
    from voxcli.datasets.synthetic.folders import write_dataset
    from voxcli.datasets.synthetic.rooms.dataset import RoomsGenerator
    from voxcli.datasets.synthetic.rooms.scenes import RoomsConfig

    write_dataset(root, count, RoomsGenerator(0, RoomsConfig(variant, (shape,), 1, False, True, 16), None), 1)
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
    shares = np.broadcast_to(share, seen.shape)[seen]
    apart = np.linalg.norm(points[:, None] * (1 + shares[:, None, None]) - points[None], axis=-1)
    lengths = np.linalg.norm(points, axis=1)
    return apart.min(1).max(), apart.min(0).max(), ((lengths * shares) ** 2).mean()


def one_nearer(depth, share):
    """A share for each pixel: the middle one alone is nearer. Its point lies in the air, far from all true ones, while each true one has
    others close by."""
    shares = np.zeros(depth.shape)
    shares[shares.shape[0] // 2, shares.shape[1] // 2] = -share
    return shares


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
    """Of the first room all is farther, of the second one pixel alone is nearer: one way it is far, the other way it is not."""
    rooms(root, count=3)
    titles = ("Table 2: Hausdorff forward", "Table 2: Hausdorff reverse", "Table 2: MSE of depth")
    expected = {title: {} for title in titles}
    for degrees, share in ((5, 0.05), (35, 0.08), (55, 0.1), (80, 0.12)):
        first, second = (files.read_as(root / f"turned/00000{k}-{degrees:02d}.npz", Surfels) for k in range(2))
        found = []
        for k, (truth, shares) in enumerate(((first, share), (second, one_nearer(second.depth, 4 * share)))):
            save(predictions / f"{degrees} degrees" / f"00000{k}.npz", farther(truth, shares))
            found.append(brute_force(truth, shares))
        for title, numbers in zip(titles, zip(*found, strict=True), strict=True):
            expected[title][f"{degrees} degrees"] = sum(numbers) / 2
    ways = [expected[title].values() for title in titles[:2]]
    assert all(forward > 1.2 * reverse for forward, reverse in zip(*ways, strict=True))
    return expected


def semantic_kitti(root, predictions, frames=("000000", "000005", "000010")):
    shape, place = (256, 256, 32), {"origin": np.array([0, -25.6, -2.2]), "voxel_size": np.full(3, 0.2)}
    for frame in frames:
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
    road, car, truck = (KITTI_CLASSES.names.index(name) for name in ("road", "car", "truck"))
    first, second = np.zeros((2, *shape), np.uint8)
    first[10:20, 100:105, 0] = road  # of the 50 cells that count, 25
    first[10:20, 100, 1] = truck  # the car's place by another name
    second[10:20, 100:110, 0] = second[30:40, 100:110, 0] = road  # all 50, and 100 that are none
    second[10:20, 100, 1] = second[30:40, 100, 1] = car  # all 10, and 10 that are none
    for frame, guess in zip(frames, (first, second), strict=False):
        save(predictions / f"sequences/08/predictions/{frame}.label", VoxelGrid(labels=guess, classes=KITTI_CLASSES, **place))
    # Counts of both frames are added.
    road, car = (25 + 50) / (50 + 150), (0 + 10) / (10 + 20)
    mean = (road + car) / 19
    return {"Completion and mean IoU": {"completion IoU": (35 + 60) / (60 + 170), "mean IoU": mean},
            "IoU by class": {"road": road, "car": car, "truck": 0.0, "mean": mean}}  # fmt: skip


def nyu_volume(path, runs, origin=(0, 0, 0), to_world=None):
    """Write SSCNet's (raw id, number of cells) of a volume [across, up, forward], with the camera's pose."""
    runs = [*runs, (0, 240 * 144 * 240 - sum(count for _, count in runs))]
    header = np.concatenate([origin, (np.eye(4) if to_world is None else to_world).ravel()]).astype("<f4").tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(header + np.array(runs, "<u4").tobytes())


def nyu(root, predictions):
    for k in (1, 2, 3):
        # Raw ids of a window and, four layers above, of a bed, as SSCNet's map has them; 4 of 64 cells make a coarse cell one.
        nyu_volume(root / f"NYUtest/NYU000{k}_0000.bin", [(4, 200), (0, 4 * 240 - 200), (7, 40)])
        Image.new("RGB", (640, 480), (90, 120, 60)).save(root / f"NYUtest/NYU000{k}_0000_color.jpg")
    window, bed = (NYU_CLASSES.names.index(name) for name in ("window", "bed"))
    first, second = np.zeros((2, 60, 60, 36), np.uint8)
    first[0, :25, 0] = first[9, :5, 9] = window  # half of the 50, and 5 that are none
    first[0, :6, 1] = bed  # of 10
    second[0, :50, 0] = second[9, :50, 9] = window  # all 50, and 50 that are none
    second[0, :2, 1] = second[20, :20, 9] = bed  # of 10, and 20 that are none
    place = {"origin": np.zeros(3), "voxel_size": np.full(3, 0.08)}
    for k, labels in enumerate((first, second), 1):
        save(predictions / f"NYU000{k}_0000.npz", VoxelGrid(labels=labels, classes=NYU_CLASSES, **place))
    window, bed = (25 + 50) / (55 + 100), (6 + 2) / (10 + 30)
    mean = (window + bed) / 11
    return {"Completion and mean IoU": {"completion IoU": (31 + 52) / (65 + 130), "mean IoU": mean},
            "IoU by class": {"window": window, "bed": bed, "mean": mean}}  # fmt: skip


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
    frames = [("scene-0001", "t1"), ("scene-0001", "t2"), ("scene-0001", "t3")]
    for scene, token in (*frames, ("scene-0009", "t4")):  # the last is of the training
        folder = root / "gts" / scene / token
        folder.mkdir(parents=True)
        np.savez(folder / "labels.npz", semantics=semantics, mask_camera=camera, mask_lidar=camera)
    occ3d_pictures(root, frames)
    first, second = semantics.copy(), semantics.copy()
    first[0, 0, :2] = 17  # half of the cars that the cameras see
    first[0, 1, 3] = 4  # a quarter of the road is called a car
    second[1, 0, :12] = 4  # all cars, and 12 cells that are none
    second[1, 1, :16] = 11  # all road, and 16 cells that are none
    second[2, 2, :8] = 4  # not seen
    predictions.mkdir(exist_ok=True)
    for token, guess in (("t1", first), ("t2", second)):
        np.savez(predictions / f"{token}.npz", semantics=guess, mask_camera=camera, mask_lidar=camera)
    car, road = (2 + 4) / (5 + 16), (3 + 4) / (4 + 20)
    return {"Mean IoU": {"mean IoU": (car + road) / 2},
            "IoU by class": {"car": car, "driveable_surface": road, "mean": (car + road) / 2}}  # fmt: skip
