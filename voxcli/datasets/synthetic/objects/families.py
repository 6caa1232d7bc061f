"""The table of categories: name, WordNet synset as in ShapeNet, generator, part names."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from voxcli.datasets.synthetic.objects import airplane, bench, cabinet, car, chair, couch, lamp, table
from voxcli.datasets.synthetic.objects.parts import ShapeObject


class Family(NamedTuple):
    """One category."""

    synset: str
    make: Callable[[np.random.Generator], ShapeObject]
    part_names: tuple[str, ...]


FAMILIES = {
    "airplane": Family("02691156", airplane.airplane, airplane.PARTS),
    "bench": Family("02828884", bench.bench, bench.PARTS),
    "cabinet": Family("02933112", cabinet.cabinet, cabinet.PARTS),
    "car": Family("02958343", car.car, car.PARTS),
    "chair": Family("03001627", chair.chair, chair.PARTS),
    "couch": Family("04256520", couch.couch, couch.PARTS),
    "lamp": Family("03636649", lamp.lamp, lamp.PARTS),
    "table": Family("04379243", table.table, table.PARTS),
}
"""Categories in the order in which objects take turns."""
