"""What a caller of `import voxcli` can correct is a VoxcliError that speaks of Python's arguments."""

import numpy as np
import pytest
from refusals import refused

import voxcli as vx
from voxcli.errors import UsageError, VoxcliError
from voxcli.models.jof.spec import JOFOptions
from voxcli.models.pix2vox.spec import Pix2VoxOptions

POINTS = np.zeros((2, 3))
CORNERS, FACES = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1.0]]), np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])
SOLID = (CORNERS, FACES)
CELLS = np.ones((2, 2, 2), bool)
GRID = vx.VoxelGrid(occupancy=CELLS)


@pytest.mark.parametrize(
    ("metric", "options"),
    [("chamfer", {"points": 1.5}), ("chamfer", {"points": "x"}), ("chamfer", {"points": True}), ("chamfer", {"squared": "no"}),
     ("chamfer", {"squared": 0}), ("chamfer", {"seed": "x"}), ("chamfer", {"scale": True}), ("fscore", {"thresholds": "a"}),
     ("fscore", {"thresholds": 0.1}), ("hausdorff", {"percentile": "x"}), ("iou", {"classes": 5}), ("iou", {"thresholds": (0.5, "x")})],
)  # fmt: skip
def test_an_option_of_a_metric_of_another_type_is_refused(metric, options):
    with refused(UsageError, *options, actual=repr(next(iter(options.values())))):
        vx.score(POINTS, POINTS, metric, **options)


@pytest.mark.parametrize(
    ("function", "of", "options"),
    [(vx.voxelize, SOLID, {"resolution": 0}), (vx.voxelize, SOLID, {"resolution": "x"}), (vx.voxelize, SOLID, {"box": 5}),
     (vx.voxelize, SOLID, {"box": (0, 0, 0, 1, 1)}), (vx.voxelize, SOLID, {"cells": (1, 0, 1)}), (vx.voxelize, SOLID, {"fill": 5}),
     (vx.fruxelize, SOLID, {"classes": 5}), (vx.fruxelize, SOLID, {"around": (1, "x", 2)}), (vx.fruxelize, SOLID, {"frustum": 5}),
     (vx.segment, CELLS, {"threshold": "x"}), (vx.segment, CELLS, {"gap": "x"}), (vx.segment, CELLS, {"only": 5}),
     (vx.segment, CELLS, {"model": 5}), (vx.render, SOLID, {"size": "x"}), (vx.render, SOLID, {"views": 0}),
     (vx.render, SOLID, {"sizes": 8}),
     (vx.fuse, [GRID], {"trust": 2}), (vx.fuse, [GRID], {"model": 5}), (vx.read, "a.npz", {"depth_scale": "x"}),
     (vx.load, "ssz", {"weights": 5}), (vx.load, "ssz", {"dtype": 5}), (vx.load, 5, {})],
)  # fmt: skip
def test_an_argument_of_another_type_or_range_is_refused(function, of, options):
    with refused(UsageError, *options, *(() if options else ("model",))):
        function(of, **options)


@pytest.mark.parametrize(
    "options", [{"smooth": "no"}, {"overwrite": 1}, {"kind": 5}, {"points": 0}, {"threshold": 2}, {"seed": -1}, {"treshold": 0.5}]
)
def test_what_write_cannot_do_is_refused_and_nothing_is_written(options, tmp_path):
    with refused(UsageError, *options):
        vx.write(tmp_path / "a.ply", CELLS, **options)
    assert not list(tmp_path.iterdir())


def test_a_metric_of_no_name_is_refused():
    with refused(UsageError, "metric", actual="5"):
        vx.score(POINTS, POINTS, 5)


@pytest.mark.parametrize("options", [{"threshold": "x"}, {"threshold": True}, {"resolution": 1.5}, {"parts": "x"}, {"background": "red"}])
def test_an_option_of_a_model_of_another_type_is_refused(options):
    with refused(UsageError, *options):
        JOFOptions(**options)


def test_numbers_of_numpy_and_lists_are_taken():
    options = Pix2VoxOptions(threshold=np.float32(0.25))
    assert options.threshold == 0.25
    assert vx.score(POINTS, POINTS, "chamfer", points=np.int64(2), scale=2)["value"] == 0
    assert vx.voxelize(SOLID, cells=[2, 3, 4], box=[0, 0, 0, 1, 1, np.float64(1)]).labels.shape == (2, 3, 4)


def test_arrays_and_truth_values_of_numpy_are_taken():
    box = np.array([0.0, 0, 0, 1, 1, 1])
    assert np.array_equal(vx.voxelize(SOLID, resolution=2, box=box).labels, vx.voxelize(SOLID, resolution=2, box=box.tolist()).labels)
    found = vx.score(POINTS, POINTS, "chamfer", squared=np.bool_(True), seed=np.int64(3), points=2)
    assert found == vx.score(POINTS, POINTS, "chamfer", squared=True, seed=3, points=2) and found["params"]["squared"] is True
    assert vx.score(SOLID, SOLID, "chamfer", points=50, seed=np.uint8(3)) == vx.score(SOLID, SOLID, "chamfer", points=50, seed=3)
    assert vx.score(POINTS, POINTS, "fscore", thresholds=np.array([0.5, 1.0]))["params"]["thresholds"] == [0.5, 1.0]
    with refused(UsageError, "box", expected="6 numbers"):
        vx.voxelize(SOLID, resolution=2, box=box[:5])


@pytest.mark.parametrize("call", [lambda: vx.read(""), lambda: vx.write("", GRID)])
def test_an_empty_name_is_said_to_be_empty(call):
    with refused(UsageError, "empty"):
        call()


# -- words ------------------------------------------------------------------------------------------------------------------------------


def test_errors_name_the_arguments_of_python(tmp_path):
    path = tmp_path / "a.ply"
    vx.write(path, POINTS)
    with refused(UsageError, hint="overwrite=True"):
        vx.write(path, POINTS)
    with refused(VoxcliError, hint="Use format with"):
        vx.read(tmp_path / "nothing")
    with refused(VoxcliError, hint="empty_penalty gives"):
        vx.score(np.zeros((0, 3)), POINTS, "chamfer")
    with refused(UsageError, hint="Leave squared out, or leave preset out"):
        vx.score(POINTS, POINTS, "chamfer", preset="onet", squared=True)


def test_a_format_is_named_where_files_are_read(tmp_path):
    with refused(VoxcliError, hint="Use voxcli.read(path, format=...) with"):
        vx.score(str(tmp_path / "nothing"), POINTS)


def test_a_warning_shows_the_line_of_the_caller():
    with pytest.warns(UserWarning, match="no pixel counts") as caught:
        vx.score(np.full((2, 2), np.nan), np.ones((2, 2)), "depth")
    assert caught[0].filename == __file__
