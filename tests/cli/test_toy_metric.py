"""A metric of thirty lines registers, gets its flags, scores from the shell and passes the shared suite, and no other file knows of it."""

from dataclasses import dataclass

import metric_contract as contract
import numpy as np
import pytest

import voxcli as vx
from voxcli import files
from voxcli.cli.commands.completion import Page, script
from voxcli.metrics.base import MetricOptions, ShapeMetric
from voxcli.metrics.registry import METRICS, register
from voxcli.metrics.surfaces import SampledOptions
from voxcli.options import option
from voxcli.scene import PointCloud


@dataclass(frozen=True)
class CentroidOptions(MetricOptions):
    """Options of the distance between centroids."""

    power: int = option(1, "Power of the distance; default 1.", within="[1, 4]")
    axis: str | None = option(None, "Along one axis alone.", choices=("x", "y", "z"))
    per_metre: float = option(1.0, "Units to a metre; default 1.", flag="--units", within="(0, inf)")


class Centroid(ShapeMetric[CentroidOptions]):
    """How far the centroids of two clouds are apart."""

    name = "centroid"
    summary = "Distance between centroids."
    options = CentroidOptions
    better = "lower"
    perfect = 0.0
    symmetric = True
    help = """Distance between the centroids of two clouds.

    Examples:
        voxcli metrics centroid a.ply b.ply
        voxcli metrics centroid a.ply b.ply --axis y
    """

    def score(self, pred, gt, options, /, **names):
        from voxcli.metrics.evaluate import sample

        centres = [sample(shape, SampledOptions()).points.numpy().mean(0) for shape in (pred, gt)]
        apart = np.abs(centres[0] - centres[1]) / options.per_metre
        length = np.linalg.norm(apart) if options.axis is None else apart["xyz".index(options.axis)]
        return self.record(float(length) ** options.power, options, {"apart": apart}, **names)


CLOUDS = [PointCloud(np.zeros((1, 3))), PointCloud(np.array([[3.0, 4, 0]]))]


@pytest.fixture
def toy(tmp_path, monkeypatch):
    monkeypatch.setitem(METRICS, "centroid", None)  # is taken out again after the test
    register(Centroid())
    monkeypatch.chdir(tmp_path)
    for name, cloud in zip(("a.ply", "b.ply"), CLOUDS, strict=True):
        files.write(name, cloud)
    return METRICS["centroid"]


def test_it_scores_from_the_shell(toy, voxcli):
    code, text, _ = voxcli("metrics", "centroid", "a.ply", "b.ply", "--power", 2, "--axis", "y", "--units", 2, "--format", "csv")
    assert code == 0 and text.splitlines()[1].startswith("b,centroid,,a.ply,b.ply,4.0")
    code, text, errors = voxcli("metrics", "centroid", "a.ply", "b.ply", "--fail-over", 4)
    assert code == 1 and '"value": 5.0' in text and "centroid is 5" in errors
    assert voxcli("metrics", "centroid", "a.ply", "b.ply", "--axis", "w")[0] == 2
    assert voxcli("metrics", "centroid", "a.ply", "b.ply", "--power", 5)[0] == 2


def test_help_lists_and_completions_know_it(toy, voxcli):
    assert "Distance between centroids." in voxcli("metrics", "--help")[1]
    text = voxcli("metrics", "centroid", "--help")[1]
    assert all(flag in text for flag in ("--power", "--axis", "--units", "--fail-over", "--workers")) and "--preset" not in text
    assert "centroid" in script(Page.bash)


def test_it_scores_from_python(toy):
    assert vx.score(*CLOUDS, "centroid", axis="x")["value"] == 3
    assert vx.score("a.ply", CLOUDS[1].points, "centroid")["params"] == {"power": 1, "axis": None, "per_metre": 1.0}


def test_it_passes_the_shared_suite(toy, voxcli):
    contract.its_help_names_every_option(toy)
    contract.its_options_have_valid_defaults(toy)
    contract.an_unknown_option_is_refused(toy)
    contract.a_perfect_prediction_has_the_perfect_value(toy, CLOUDS[0])
    contract.a_worse_prediction_has_a_worse_value(toy, *CLOUDS)
    contract.it_is_as_symmetric_as_it_says(toy, *CLOUDS)
    contract.its_record_states_every_option(toy, [CLOUDS])
    contract.any_shape_scores_or_is_refused(toy, CLOUDS[0])
    contract.its_presets_are_options(toy)
    contract.the_shell_and_python_give_one_record(toy, voxcli, "a.ply", "b.ply")


def test_it_is_gone_again():
    assert "centroid" not in METRICS
