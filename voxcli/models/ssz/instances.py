"""Instances in a prediction: connected fruxels of one class, with the pose that the discriminator's certificate gives them.

The paper predicts poses without saying how instances are told apart: that they are the connected parts of each class is ours.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TypedDict

import numpy as np
import torch

from voxcli.geometry.cameras import quaternion_to_rotation, rotation_to_quaternion
from voxcli.geometry.frusta import fruxel_centres, fruxel_index
from voxcli.geometry.regrid import world_points
from voxcli.models.ssz.poses import Certificate, cell_grid, rotation_matrix
from voxcli.provenance import Meta
from voxcli.scene.frames import frame_of
from voxcli.scene.labels import Labels
from voxcli.scene.types import Frustum, FruxelGrid, Mesh

SMALLEST = 1e-5
"""Share of all fruxels below which a part is taken for noise: 21 of 128^3."""
STUFF = ("ground",)
"""Classes that come in no instances."""
BAR = 0.01
"""Thickness of a drawn box's edges, as a share of its longest side."""


Instance = TypedDict(
    "Instance",
    {"instance": int, "class": str, "translation": list[float], "rotation_wxyz": list[float], "score": float, "size": list[float],
     "box": list[list[float]]},
)  # fmt: skip
"""instance: from 2 on, as in the data. translation [3]: camera frame, metres. rotation_wxyz [4]. score: the realism r of the cell that
holds the part's centre of mass, 0..1. size [3]. box: its two corners in the object's frame."""


def find_instances(labels: np.ndarray, certificate: Certificate, frustum: Frustum, classes: Labels) -> list[Instance]:
    """The instances of one sample, near to far. labels [D, H, W]; certificate of a batch of one."""
    from scipy import ndimage

    centres = fruxel_centres(frustum).numpy()
    cells = cell_grid(frustum, (certificate.r.shape[1], certificate.r.shape[2], certificate.r.shape[3]))
    found: list[tuple[float, Instance]] = []
    for label in classes.solid_ids:
        if classes.names[label] in STUFF:
            continue
        parts, _ = ndimage.label(labels == label)
        for part, where in enumerate(ndimage.find_objects(parts), start=1):
            points = centres[where][parts[where] == part]
            if len(points) < max(1.0, SMALLEST * labels.size):
                continue
            middle = torch.from_numpy(points.mean(0))
            cell = (0, *fruxel_index(middle, cells)[0].tolist())
            t, q, r = (each[cell].double().cpu() for each in (certificate.t, certificate.q, certificate.r))
            q = -q if q[0] < 0 else q
            local = (points - t.numpy()) @ rotation_matrix(q).numpy()  # rows: R^T (x - t)
            low, high = local.min(0), local.max(0)
            found.append((float(middle.norm()), {
                "instance": 0, "class": classes.names[label], "translation": _rounded(t.numpy(), 6),
                "rotation_wxyz": _rounded(q.numpy(), 8), "score": round(float(torch.sigmoid(r)), 6),
                "size": _rounded(high - low, 5), "box": [_rounded(low, 5), _rounded(high, 5)],
            }))  # fmt: skip
    found.sort(key=lambda each: each[0])
    for number, (_, instance) in enumerate(found, start=2):
        instance["instance"] = number
    return [instance for _, instance in found]


def _rounded(values: np.ndarray, digits: int) -> list[float]:
    return [round(float(v), digits) + 0.0 for v in values]


def poses_record(grid: FruxelGrid, instances: Sequence[Instance]) -> Meta:
    """What a poses file holds: the camera and the objects, in the form that `synth street` writes, and each object's place in the world."""
    frustum = grid.frustum
    camera = {"K": frustum.K.tolist(), "width": frustum.width, "height": frustum.height, "world_to_cam": grid.world_to_cam.tolist()}
    frames = {"translation, rotation_wxyz": "camera: x right, y down, z forward", "world": frame_of(grid.meta)}
    return {"camera": camera, "frames": frames, "objects": [{**each, "world": _in_world(each, grid.world_to_cam)} for each in instances]}


def poses_file(grid: FruxelGrid) -> bytes:
    """The poses file of a prediction, JSON."""
    return json.dumps(poses_record(grid, grid.meta["instances"]), indent=1).encode() + b"\n"


def _in_world(instance: Instance, world_to_cam: np.ndarray) -> dict[str, list[float]]:
    """Translation and rotation of an instance in the world."""
    turn = quaternion_to_rotation(instance["rotation_wxyz"])
    place = world_points(np.array(instance["translation"], np.float64), world_to_cam)
    return {
        "translation": _rounded(place, 6), "rotation_wxyz": _rounded(rotation_to_quaternion(world_to_cam[:3, :3].T @ turn), 8),
    }  # fmt: skip


def with_boxes(mesh: Mesh, instances: Sequence[Instance], world_to_cam: np.ndarray) -> Mesh:
    """A labelled mesh (world frame) with the edges of each instance's box, as classes of their own: "car box" beside "car"."""
    if mesh.classes is None or mesh.face_labels is None or not instances:
        return mesh
    names = list(mesh.classes.names)
    vertices, faces, labels = [mesh.vertices], [mesh.faces], [mesh.face_labels]
    count = len(mesh.vertices)
    for each in instances:
        name = f"{each['class']} box"
        if name not in names:
            names.append(name)
        corners, triangles = _frame(*(np.array(corner) for corner in each["box"]))
        turn = rotation_matrix(torch.tensor(each["rotation_wxyz"], dtype=torch.float64)).numpy()
        vertices.append(world_points(corners @ turn.T + np.array(each["translation"]), world_to_cam))
        faces.append(triangles + count)
        labels.append(np.full(len(triangles), names.index(name), mesh.face_labels.dtype))
        count += len(corners)
    classes = Labels(tuple(names), mesh.classes.empty, mesh.classes.ignore)
    return Mesh(np.concatenate(vertices), np.concatenate(faces), face_labels=np.concatenate(labels), classes=classes, meta=mesh.meta)


def _frame(low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The twelve edges of a box as thin closed boxes: vertices [96, 3], faces [144, 3]."""
    thick = BAR * float((high - low).max()) + 1e-6
    vertices: list[np.ndarray] = []
    faces: list[list[int]] = []
    for axis in range(3):
        for side in range(4):
            start, end = low.copy(), high.copy()
            for other, upper in zip(((axis + 1) % 3, (axis + 2) % 3), (side & 1, side >> 1), strict=True):
                start[other] = end[other] = (high if upper else low)[other]
            base = len(vertices) * 8
            bounds = np.stack([start - thick / 2, end + thick / 2])
            vertices.append(np.array([[bounds[i, 0], bounds[j, 1], bounds[k, 2]] for i in (0, 1) for j in (0, 1) for k in (0, 1)]))
            quads = ((0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3))
            faces += [[base + a, base + b, base + c] for p, q, r, s in quads for a, b, c in ((p, q, r), (p, r, s))]
    return np.concatenate(vertices), np.array(faces, np.int64)
