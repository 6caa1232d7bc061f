"""The exposed faces of labelled cells, found one cell and one side at a time: the obvious twin of voxcli.geometry.rectangles."""

from collections import Counter
from itertools import product


def exposed_faces(labels, solid, between=False):
    """How often each face is exposed: {(axis, side, plane, u, v, label): 1}."""
    found = Counter()
    for cell in product(*map(range, labels.shape)):
        label = int(labels[cell])
        if label not in solid:
            continue
        for axis, side in product(range(3), (0, 1)):
            other = list(cell)
            other[axis] += 2 * side - 1
            inside = 0 <= other[axis] < labels.shape[axis]
            beyond = int(labels[tuple(other)]) if inside else None
            if beyond not in solid or (between and beyond != label):
                found[axis, side, cell[axis] + side, cell[(axis + 1) % 3], cell[(axis + 2) % 3], label] += 1
    return found


def faces_of(rectangles):
    """The same of rectangles, each taken apart to its faces."""
    found = Counter()
    for axis, side, plane, first, size, label in zip(*(vars(rectangles)[name].tolist() for name in vars(rectangles)), strict=True):
        for u, v in product(range(first[0], first[0] + size[0]), range(first[1], first[1] + size[1])):
            found[axis, side, plane, u, v, label] += 1
    return found
