"""Class weights k_i of equation (2) of SSZ for the samples of a training: by hand, or from how often each class occurs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from voxcli.datasets.street import StreetFolder
from voxcli.errors import UsageError, unknown_name
from voxcli.models.frustum.batches import count_classes
from voxcli.models.frustum.losses import frequency_weights
from voxcli.training.stage import ClassWeights


def check_class_weights(how: ClassWeights, names: Sequence[str]) -> None:
    """Raise UsageError for weights by hand of a class that the data do not have, or for weights that are all 0."""
    for name in how.by_hand:
        if name not in names:
            raise unknown_name("class in class_weights.by_hand", name, names)
    if not any(how.by_hand.get(name, 1) for name in names):
        raise UsageError("class_weights.by_hand leaves no class a weight.", expected="one above 0", actual=how.by_hand)


def find_class_weights(data: StreetFolder, indices: Sequence[int], how: ClassWeights) -> Tensor:
    """k [n] float32 of the n classes of the data: those of `by_hand`, the others from the fruxels of the samples `indices`.

    Nothing is counted where no weight depends on it.
    """
    names = data.classes.names
    check_class_weights(how, names)
    if how.power == 0 or all(name in how.by_hand for name in names):
        found = torch.ones(len(names))
    else:
        found = frequency_weights(count_classes(data, indices, len(names), how.samples), how.power, how.largest)
    for place, name in enumerate(names):
        if name in how.by_hand:
            found[place] = how.by_hand[name]
    return found
