"""What stages hold still is checked before the first step."""

import pytest
from refusals import refused
from torch import nn

from voxcli.errors import UsageError
from voxcli.training.freezing import check_frozen
from voxcli.training.stage import Stage


def stage(**settings):
    return Stage(name="one", step="any", steps=1, batch=1, losses={"likelihood": 1.0}, **settings)


@pytest.fixture
def network():
    return nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))


@pytest.mark.parametrize(("settings", "named", "told"), [
    ({"frozen": ("encodr",)}, "frozen names", {"expected": "0, 1", "actual": "encodr"}),
    ({"frozen_statistics": ("2",)}, "frozen_statistics names", {"actual": "2"}),
    ({"frozen": ("0", "1")}, "every parameter", {}),
    ({"frozen": ("",)}, "every parameter", {}),
])  # fmt: skip
def test_stages_that_hold_nothing_or_everything_still_are_refused(network, settings, named, told):
    with refused(UsageError, "'one'", named, **told):
        check_frozen(network, [stage(), stage(**settings)])


def test_a_part_that_is_absent_beside_others_is_none_to_refuse(network):
    absent = stage(frozen=("depth",))
    with refused(UsageError, "'one'", actual="depth"):
        check_frozen(network, [absent])
    check_frozen(network, [stage(frozen=("0", "depth"), frozen_statistics=("1",))])
    assert all(parameter.requires_grad for parameter in network.parameters()), "a check changes nothing"
