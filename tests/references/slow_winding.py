"""Winding, one face after the other: a face is turned until it runs through each edge the other way than its neighbour does."""

import numpy as np


def wound_slowly(faces: np.ndarray) -> np.ndarray:
    """faces [F, 3] of a manifold, wound like the first face of each of their patches."""
    faces = [list(face) for face in faces.tolist()]
    done: set[int] = set()
    for start in range(len(faces)):
        todo = [start]
        while todo:
            face = todo.pop()
            if face in done:
                continue
            done.add(face)
            for a, b in zip(faces[face], np.roll(faces[face], -1).tolist(), strict=True):
                beside = [k for k, other in enumerate(faces) if k != face and a in other and b in other]
                for k in beside if len(beside) == 1 else []:
                    if k not in done and (a, b) in zip(faces[k], np.roll(faces[k], -1).tolist(), strict=True):
                        faces[k].reverse()
                    todo.append(k)
    return np.array(faces)
