"""Equality of scene types, array by array."""

import dataclasses

import numpy as np


def assert_same(a, b):
    for field in (each for each in dataclasses.fields(a) if each.compare):
        left, right = getattr(a, field.name), getattr(b, field.name)
        if isinstance(left, np.ndarray):
            assert left.dtype == right.dtype, field.name
            assert np.array_equal(left, right, equal_nan=left.dtype.kind == "f"), field.name
        elif dataclasses.is_dataclass(left):
            assert_same(left, right)
        else:
            assert left == right, field.name
