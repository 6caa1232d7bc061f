"""Small files of the names that the examples in the help texts use. A new example adds the file it reads here.

A name maps to a function that writes it; test_help_examples.py makes those that an example line reads and that are not there yet.
"""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from voxcli import files
from voxcli.scene import Camera, DepthMap, Frustum, FruxelGrid, Mesh, Picture, SceneDescription, SceneObject


def box_mesh(size=(1.8, 1.5, 4.2)):
    """A closed box standing on y = 0, counter-clockwise from outside."""
    corners = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (0, 1) for z in (-0.5, 0.5)]) * size
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    return Mesh(corners, np.array([face for a, b, c, d in quads for face in ((a, b, c), (a, c, d))], dtype=np.int64))


def fruxel_grid():
    """A car in front of a wall, on the ground: 16 slices of 16 x 16."""
    frustum = Frustum(width=16, height=16, depth=16, z_near=2.0, z_far=12.0, fov_x_deg=60.0)
    labels = np.zeros(frustum.shape, np.uint8)
    labels[:, 12:] = 9
    labels[13:, 2:12] = 6
    labels[5:8, 9:12, 5:10] = 2
    return FruxelGrid(labels, frustum)


def street_grid():
    """The same scene at 64 x 64 x 64, as the recipe street-small wants it."""
    labels = fruxel_grid().labels.repeat(4, 0).repeat(4, 1).repeat(4, 2)
    return FruxelGrid(labels, replace(fruxel_grid().frustum, width=64, height=64, depth=64))


def prediction():
    """The same scene with its car one slice too far."""
    grid = fruxel_grid()
    labels = grid.labels.copy()
    labels[5, 9:12, 5:10], labels[8, 9:12, 5:10] = 0, 2
    return replace(grid, labels=labels)


def picture():
    """A gradient, 32 x 32."""
    ramp = np.linspace(0, 255, 32).astype(np.uint8)
    return Picture(np.stack(np.broadcast_arrays(ramp[:, None], ramp[None], np.uint8(90)), -1).copy())


def street_picture():
    """The picture that goes with `fruxel_grid`: as many pixels as columns and rows."""
    return Picture(picture().rgb[::2, ::2].copy())


def depth_map():
    """A wall two metres away, 32 x 32."""
    return DepthMap(np.full((32, 32), 2.0, np.float32))


def view_from(side):
    """The car of `scene.yaml` from two metres beside its camera: side -1 is left, 1 right."""
    from voxcli.geometry.cameras import look_at
    from voxcli.geometry.scenes import fruxelize_scene

    scene = SceneDescription((SceneObject(box_mesh(), "car", np.array([0.0, 0, -6])),))
    frustum = Frustum(width=32, height=32, depth=24, z_near=2.0, z_far=12.0, fov_x_deg=50.0)
    return fruxelize_scene(scene, frustum, look_at([2 * side, 1.5, 0], [0, 0.7, -6])).grid


def cameras():
    """Where the two views stand, by the names of their images."""
    return [(f"images/{name}.png", view_from(side).camera) for name, side in (("left", -1), ("right", 1))]


def _write(thing):
    return lambda path: files.write(path, thing())


def _scene(path: Path) -> None:
    files.write(path.parent / "car.obj", box_mesh(), overwrite=True)
    path.write_text(
        "camera: {K: [[64, 0, 32], [0, 64, 32], [0, 0, 1]], width: 64, height: 64, "
        "world_to_cam: [[1, 0, 0, 0], [0, -1, 0, 1.5], [0, 0, -1, 0], [0, 0, 0, 1]]}\n"
        "frustum: {width: 64, height: 64, depth: 32, z_near: 2, z_far: 12, fov_x_deg: 53.13}\n"
        "objects:\n  - {mesh: car.obj, class: car, position: [0, 0, -6]}\n"
    )


def _weights(path: Path) -> None:
    """Weights of an SSZ with a discriminator, as small as they come."""
    import torch

    from voxcli import config
    from voxcli.models.ssz.network import SSZConfig, build
    from voxcli.models.weights import Weights, save_weights

    torch.manual_seed(0)
    small = {
        "width": 16, "height": 16, "depth": 16, "encoder": [4, 4, 4], "encoder_blocks": [0, 0, 0], "decoder": [4, 4, 4],
        "decoder_blocks": [0, 0, 0], "discriminator": {"widths": [4, 4], "blocks": [0, 0]},
    }  # fmt: skip
    settings = config.from_mapping(SSZConfig, small, "example")
    labels = fruxel_grid().classes
    facts = {
        "frustum": {"z_near": 2.0, "z_far": 12.0, "fov_x_deg": 60.0}, "label_names": list(labels.names), "empty_label": labels.empty,
        "ignore_label": labels.ignore,
    }  # fmt: skip
    state = build(settings).state_dict()
    state["decoder.head.conv.bias"][labels.empty] -= 100  # air nowhere: a mesh has something to show
    save_weights(path, Weights(state, "ssz", config.to_mapping(settings), facts))


def _zgan_checkpoint(path: Path) -> None:
    import torch

    from voxcli.models.zgan.network import Generator, ZGANConfig

    torch.save(Generator(ZGANConfig(width=2)).state_dict(), path)


def _object_weights(path: Path) -> None:
    """Weights of a Pix2Vox with few channels, whose volumes are neither full nor empty."""
    import torch

    from voxcli import config
    from voxcli.models.pix2vox.network import Pix2VoxConfig, build
    from voxcli.models.weights import Weights, save_weights

    torch.manual_seed(0)
    small = Pix2VoxConfig(trunk=(4,) * 8, encoder=(8, 8, 4), decoder=(8, 8, 4, 4, 8))
    state = build(small).state_dict()
    state["decoder.layer4.1.bias"].zero_()
    state["decoder.layer5.0.weight"].normal_(std=42)  # far from 1/2 on both sides
    save_weights(path, Weights(state, "pix2vox-f", config.to_mapping(small)))


def _jof_weights(path: Path) -> None:
    """Weights of a JOF of few channels, whose shapes fill about a fifth of their cube and whose cameras stand before it."""
    import torch

    from voxcli import config
    from voxcli.geometry.field_surface import cell_centres
    from voxcli.models.jof.fitting import free_codes
    from voxcli.models.jof.network import JOFConfig, build
    from voxcli.models.weights import Weights, save_weights

    torch.manual_seed(0)
    small = JOFConfig(
        branches=4, shape=8, albedo=6, shape_widths=(24, 16), albedo_widths=(16, 16), voxel_widths=(4, 4, 8, 8),
        image_widths=(8, 8, 16, 16), groups=4, classes=("chair", "car"), darkest=0.25,
        camera_mean=(150.0, 0.0, 64.0, 160.0, 0.0, -150.0, 64.0, 160.0, 0.0, 0.0, 1.0, 2.5),
    )  # fmt: skip
    network = build(small).eval()
    with torch.no_grad():
        for head in ("class", "shape", "cam"):
            getattr(network.image, f"fc_{head}2").weight *= 0.01  # pictures hardly matter
        network.shape.sd_fc3.weight *= 30
        found = network.branches(free_codes(network, 1), cell_centres(torch.arange(16**3), 16)[None])
        network.shape.sd_fc3.bias -= torch.logit(found.double()).amax(-1).quantile(0.8).float()
    save_weights(path, Weights(network.state_dict(), "jof", config.to_mapping(small), {"threshold": 0.5}))


def _bae_weights(path: Path) -> None:
    import torch

    from voxcli import config
    from voxcli.models.bae.network import BAEConfig, build
    from voxcli.models.weights import Weights, save_weights

    torch.manual_seed(0)
    small = BAEConfig(branches=3, code=8, encoder=(4, 4, 4, 4), decoder=(16, 8))
    state = build(small).state_dict()
    state["generator.linear_3.weight"] *= 30
    save_weights(path, Weights(state, "bae", config.to_mapping(small), {"threshold": 0.4}))


def _pix2vox_checkpoint(path: Path) -> None:
    import torch

    from voxcli.models.pix2vox.network import PRESETS, build

    network = build(PRESETS["pix2vox-f"])
    parts = {f"{part}_state_dict": getattr(network, part).state_dict() for part in ("encoder", "decoder", "merger")}
    torch.save({"epoch_idx": 250, "best_iou": 0.5, **parts}, path)


def _room_weights(path: Path) -> None:
    """Weights of a pix2scene with few channels."""
    import torch

    from voxcli import config
    from voxcli.models.pix2scene.network import Pix2SceneConfig, build
    from voxcli.models.weights import Weights, save_weights

    torch.manual_seed(0)
    small = Pix2SceneConfig(size=16, latent=8, encoder=4, decoder=4, critic=4)
    facts = {
        "lens": 0.9, "target": [0.0, -0.25, 0.0], "eyes": [[0.4, 0.5, 0.6], [0.6, 0.5, 0.4]], "albedo": [0.8, 0.8, 0.8],
        "light": {"ambient": [0.15] * 3, "positions": [[1.0, 1.5, 1.2]], "colours": [[3.0, 2.8, 2.5]]}, "shapes": ["box"],
    }  # fmt: skip
    save_weights(path, Weights(build(small).state_dict(), "pix2scene", config.to_mapping(small), facts))


def _coarse(path: Path) -> None:
    """A view's coarse volume with the context that the weights of `_object_weights` read."""
    from voxcli.scene import VoxelGrid

    share, context = (np.random.default_rng(len(path.stem)).random(shape, dtype=np.float32) for shape in ((32,) * 3, (8, 32, 32, 32)))
    meta = {"options": {"model": "pix2vox-f"}}
    place = {"origin": np.full(3, -0.5), "voxel_size": np.full(3, 1 / 32)}
    files.write(path, VoxelGrid(share >= 0.4, **place, meta=meta, probabilities=share, context=context))


def _questions(path: Path) -> None:
    from voxcli.datasets.synthetic.iqtt import IQTTConfig, write_questions

    write_questions(path, 3, 0, IQTTConfig(size=16))


def _sums(path: Path) -> None:
    from voxcli.cli.framework import partial_sums
    from voxcli.metrics.records import make_record
    from voxcli.metrics.summaries import SAMPLES
    from voxcli.metrics.sums import Sums

    sums = Sums(SAMPLES)
    sums.add(make_record("iou", 0.5))
    partial_sums.write(str(path), [sums], [], {"pred": [], "gt": []}, overwrite=False)


def _uclid_weights(path: Path) -> None:
    """Weights of a UCLID-Net with few channels that calls some cells occupied, and regresses a camera and depth."""
    import torch

    from voxcli import config
    from voxcli.models.uclid.network import UCLIDConfig, build
    from voxcli.models.uclid.regressors import CameraConfig, DepthConfig
    from voxcli.models.weights import Weights, save_weights

    torch.manual_seed(0)
    regressors = DepthConfig((4, 4, 6, 8), 4), CameraConfig((4, 6, 8, 8), 1, 2)
    small = UCLIDConfig((4, 6, 8, 10), (3, 3, 4, 6), (6, 5, 5), 4, 6, 8, 2, *regressors, side=64)
    state = build(small).state_dict()
    state["reconstruction.occ.weight"] *= 4
    save_weights(path, Weights(state, "uclid", config.to_mapping(small)))


def _uclid_checkpoint(part: str, path: Path) -> None:
    """An official file of a part, all zeros; in the file each tensor is one number."""
    import torch

    from voxcli.models.uclid.importer import official_name
    from voxcli.models.uclid.network import PRESETS, UCLID

    with torch.device("meta"):
        state = getattr(UCLID(PRESETS["official"]), part).state_dict()
    names = {key: official_name(key) if part == "reconstruction" else key for key in state}
    torch.save({names[key]: torch.zeros((), dtype=t.dtype).expand(t.shape) for key, t in state.items()}, path)


def _scores(path: Path) -> None:
    """Records of two pairs."""
    import json

    from voxcli.metrics.records import make_record

    records = [make_record("iou", value, pred=f"pred/{name}.npz", gt=f"gt/{name}.npz") for name, value in (("one", 0.25), ("two", 0.75))]
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


FILES = {
    "scores.jsonl": _scores,
    "rooms.safetensors": _room_weights,
    "a.png": _write(picture),
    "b.png": _write(street_picture),
    "iqtt.h5": _questions,
    "sums-0.json": _sums,
    "sums-1.json": _sums,
    "answers.txt": lambda path: path.write_text("0\n1\n2\n"),
    "coarse/front.npz": _coarse,
    "coarse/left.npz": _coarse,
    "object.safetensors": _object_weights,
    "chair.png": _write(picture),
    "uclid.safetensors": _uclid_weights,
    "UCLID_Net_all_classes.pth": partial(_uclid_checkpoint, "reconstruction"),
    "image2cam_all_classes.pth": partial(_uclid_checkpoint, "camera"),
    "Pix2Vox-F-ShapeNet.pth": _pix2vox_checkpoint,
    "views/front.png": _write(picture),
    "views/side.png": _write(street_picture),
    "jof.safetensors": _jof_weights,
    "bae.safetensors": _bae_weights,
    "best.safetensors": _weights,
    "run/best.safetensors": _weights,
    "latest_net_G.pth": _zgan_checkpoint,
    "car.obj": _write(box_mesh),
    "car.glb": _write(box_mesh),
    "shapes/box.obj": _write(box_mesh),
    "shapes/more/flat.obj": _write(lambda: box_mesh((2.0, 0.1, 2.0))),
    "shapenet/chair/a/model.obj": _write(box_mesh),
    "mine/chair/a.obj": _write(box_mesh),
    "scene.npz": _write(fruxel_grid),
    "pred.npz": _write(prediction),
    "pred/one.npz": _write(prediction),
    "gt/one.npz": _write(fruxel_grid),
    "left.npz": _write(lambda: view_from(-1)),
    "right.npz": _write(lambda: view_from(1)),
    "transforms.json": _write(cameras),
    "depth.npy": _write(depth_map),
    "depth.png": _write(depth_map),
    "scene.yaml": _scene,
    "camera.yaml": _write(lambda: Camera(np.array([[16.0, 0, 16], [0, 16, 16], [0, 0, 1]]), 32, 32)),
    "street.png": _write(picture),
    "images/one.png": _write(picture),
    "images/more/two.png": _write(street_picture),
    "street/images/000000.png": _write(lambda: Picture(picture().rgb.repeat(2, 0).repeat(2, 1))),
    "street/fruxels/000000.npz": _write(street_grid),
}
