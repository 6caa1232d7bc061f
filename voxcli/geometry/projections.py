"""Projections of one 3 x 4 matrix, and the pinhole camera nearest to one. NumPy only.

P [x, 1] = d [u, v, 1]; for a camera, P = K [R | t].
"""

from __future__ import annotations

import numpy as np

from voxcli.errors import DataError


def compose(K: np.ndarray, world_to_cam: np.ndarray) -> np.ndarray:
    """P [3, 4] of a pinhole camera.

    >>> compose(np.diag([2.0, 2.0, 1.0]), np.eye(4)).tolist()
    [[2.0, 0.0, 0.0, 0.0], [0.0, 2.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]]
    """
    return np.asarray(K, np.float64) @ np.asarray(world_to_cam, np.float64)[:3]


def decompose(projection: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(K [3, 3], world_to_cam [4, 4]) of P [3, 4] of any scale, with K[2, 2] = 1 and a rotation that is none but a rotation.

    Exact for a pinhole camera; skew that a general P has stands in K[0, 1]. Raises DataError for a P without an inverse.

    >>> K, world_to_cam = decompose(-5 * compose(np.diag([2.0, 2.0, 1.0]), np.eye(4)))
    >>> K.round(9).diagonal().tolist(), world_to_cam.round(9).diagonal().tolist()
    ([2.0, 2.0, 1.0], [1.0, 1.0, 1.0, 1.0])
    """
    P = np.asarray(projection, np.float64)
    if not np.isfinite(P).all() or abs(np.linalg.det(P[:, :3])) <= 1e-12 * float(np.abs(P[:, :3]).max()) ** 3:
        raise DataError("A projection whose left 3 x 3 part has no inverse is no camera's.", actual=P.round(4).tolist())
    if np.linalg.det(P[:, :3]) < 0:
        P = -P
    # RQ by the QR of the reversed matrix: M = K R with K upper triangular.
    flip = np.eye(3)[::-1]
    q, r = np.linalg.qr((flip @ P[:, :3]).T)
    K, R = flip @ r.T @ flip, flip @ q.T
    signs = np.diag(np.where(np.diag(K) < 0, -1.0, 1.0))
    K, R = K @ signs, signs @ R
    world_to_cam = np.eye(4)
    world_to_cam[:3, :3] = R
    world_to_cam[:3, 3] = np.linalg.solve(K, P[:, 3])
    return K / K[2, 2], world_to_cam
