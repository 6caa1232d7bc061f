"""What every registered metric must do, for tests of those that come with voxcli and of others: one function a property."""

import json

import numpy as np
import pytest

import voxcli
from voxcli.cli import app
from voxcli.errors import UsageError, VoxcliError
from voxcli.metrics.presets import PRESETS, check_names, options_for
from voxcli.options import flag_of, option_infos
from voxcli.scene import Camera, DepthMap, Frustum, FruxelGrid, Labels, Mesh, PointCloud, Surfels, VoxelGrid


def flags(metric):
    """The flags of its options by the options' names."""
    return {name: flag_of(name, about) for name, about in option_infos(metric.options).items() if about.on_command_line}


def its_help_names_every_option(metric):
    """Each option that has a flag is one of its command, with a help text; the help ends in two or three examples."""
    (entry,) = [entry for entry in app.COMMANDS if entry.words == f"metrics {metric.name}"]
    command = app.build_command(entry)
    shown = {name: parameter.help for parameter in command.params for name in parameter.opts}
    for name, flag in flags(metric).items():
        assert shown[flag] == option_infos(metric.options)[name].help and shown[flag].endswith((".", ")"))
    examples = metric.help.partition("Examples:\n")[2].split("\n")
    assert 2 <= sum(f"voxcli metrics {metric.name}" in line for line in examples) <= 3
    assert metric.summary == entry.help and metric.summary.endswith(".")


def its_options_have_valid_defaults(metric):
    """The class can be made without arguments, and what it is for stands in its docstring."""
    options = options_for(metric)
    assert options == metric.options() and options.preset is None and metric.options.__doc__


def an_unknown_option_is_refused(metric):
    """In Python and on the command line."""
    with pytest.raises(UsageError):
        check_names([metric], {"no_such_option": 1})
    with pytest.raises(UsageError):
        voxcli.score("pred", "gt", metric.name, no_such_option=1)
    assert app.run(["metrics", metric.name, "pred", "gt", "--no-such-option", "1"]) == 2


def a_perfect_prediction_has_the_perfect_value(metric, thing, **given):
    """Compared with itself, a thing has the value that the metric calls perfect, up to rounding."""
    record = metric.score(thing, thing, options_for(metric, given), pred="a", gt="b")
    assert record["value"] == pytest.approx(metric.perfect, abs=1e-6)
    assert list(record) == ["metric", "value", "pred", "gt", "parts", "params"] and record["metric"] == metric.name
    assert (record["pred"], record["gt"]) == ("a", "b") and json.loads(json.dumps(record, allow_nan=False)) == record


def a_worse_prediction_has_a_worse_value(metric, thing, other, **given):
    """What differs from the truth is on the other side of the perfect value."""
    value = metric.score(other, thing, options_for(metric, given))["value"]
    assert value < metric.perfect if metric.better == "higher" else value > metric.perfect


def it_is_as_symmetric_as_it_says(metric, thing, other, **given):
    """Of a symmetric metric, prediction and truth may change places."""
    there, back = (metric.score(*pair, options_for(metric, given))["value"] for pair in ((thing, other), (other, thing)))
    assert not metric.symmetric or there == pytest.approx(back, rel=1e-9)


def any_shape_scores_or_is_refused(metric, thing):
    """Files hold any shape, so a metric of shapes gets any: it gives a record, or raises one clear error."""
    camera = Camera(np.array([[2.0, 0, 1], [0, 2, 1], [0, 0, 1]]), 2, 2)
    labels = np.zeros((2, 2, 2), np.uint8)
    labels[1] = 1
    triangle = Mesh(np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]]), np.array([[0, 1, 2]]))
    shapes = [
        triangle, PointCloud(np.eye(3)), VoxelGrid(occupancy=labels > 0), DepthMap(np.ones((2, 2)), camera=camera),
        FruxelGrid(labels=labels, classes=Labels(("air", "car")), frustum=Frustum(2, 2, 2, z_near=1.0, z_far=2.0, fov_x_deg=60.0)),
        Surfels(np.ones((2, 2)), np.tile([0.0, 0, -1], (2, 2, 1)), np.ones((2, 2, 3)), camera),
    ]  # fmt: skip
    for shape in shapes:
        for pair in ((shape, thing), (thing, shape)):
            try:
                record = metric.score(*pair, options_for(metric))
            except VoxcliError:
                continue
            assert record["metric"] == metric.name


def its_record_states_every_option(metric, pairs, elsewhere=(), **given):
    """Every option with a flag is in `params`, of one of the pairs at least. elsewhere: options that stand there by another name."""
    options = options_for(metric, given)
    stated = {name for pair in pairs for name in metric.score(*pair, options)["params"]}
    assert set(flags(metric)) - stated == set(elsewhere)


def its_presets_are_options(metric):
    """Every preset names options that the class has, with values that it allows."""
    for name, preset in PRESETS.items():
        if metric.name in preset.metrics:
            options = options_for(metric, {}, name)
            fixed = preset.metrics[metric.name]
            assert options.preset == name and {key: getattr(options, key) for key in fixed} == dict(fixed)


def the_shell_and_python_give_one_record(metric, run, pred, gt):
    """`voxcli metrics NAME` of two files prints what `voxcli.score` returns. run: the arguments to (code, stdout, stderr)."""
    code, text, errors = run("metrics", metric.name, pred, gt)
    assert code == 0, errors
    assert json.loads(text) == voxcli.score(pred, gt, metric.name)
