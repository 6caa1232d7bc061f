"""Depth errors as published: their definitions pixel by pixel, alignments that undo what was done, limits and crops by counting."""

import math

import numpy as np
import pytest
from refusals import refused

from voxcli.errors import DataError, UsageError
from voxcli.metrics.depth import depth_record
from voxcli.metrics.presets import options_for
from voxcli.metrics.registry import METRICS
from voxcli.metrics.views import DepthOptions

RNG = np.random.default_rng(3)
TRUTH = RNG.uniform(2, 60, (6, 8))


def parts(pred, gt=TRUTH, **options):
    return depth_record(pred, gt, DepthOptions(**options))["parts"]


def test_the_errors_are_their_definitions_pixel_by_pixel():
    guess = TRUTH * RNG.uniform(0.7, 1.4, TRUTH.shape)
    pairs = list(zip(guess.ravel().tolist(), TRUTH.ravel().tolist(), strict=True))

    def mean(of):
        return sum(of(d, t) for d, t in pairs) / len(pairs)

    logs = [math.log(d) - math.log(t) for d, t in pairs]
    wanted = {
        "mse": mean(lambda d, t: (d - t) ** 2), "rmse": mean(lambda d, t: (d - t) ** 2) ** 0.5,
        "abs_rel": mean(lambda d, t: abs(d - t) / t), "sq_rel": mean(lambda d, t: (d - t) ** 2 / t),
        "rmse_log": mean(lambda d, t: math.log(d / t) ** 2) ** 0.5, "log10": mean(lambda d, t: abs(math.log10(d / t))),
        "silog": 100 * (sum(e * e for e in logs) / len(logs) - (sum(logs) / len(logs)) ** 2) ** 0.5,
        "irmse": mean(lambda d, t: (1 / d - 1 / t) ** 2) ** 0.5,
    }  # fmt: skip
    found = parts(guess)
    assert {name: found[name] for name in wanted} == pytest.approx(wanted)
    assert parts(3 * guess)["silog"] == pytest.approx(wanted["silog"])  # scale-invariant, as it is called


@pytest.mark.parametrize(("guess", "options", "scale", "shift"), [
    (TRUTH / 31, {"align": "median"}, 31, 0),
    (TRUTH / 31, {"align": "median", "align_in": "log"}, 1, math.log(31)),
    ((TRUTH - 0.5) / 4, {"align": "scale-shift"}, 4, 0.5),
    (TRUTH**0.5 / 2, {"align": "scale-shift", "align_in": "log"}, 2, math.log(4)),
    (1 / (5 / TRUTH + 0.1), {"align": "scale-shift", "align_in": "inverse"}, 0.2, -0.02),
    (5 / TRUTH + 0.1, {"align": "scale-shift", "align_in": "inverse", "inverse": True}, 0.2, -0.02),
    (-3 / TRUTH, {"align": "scale-shift", "align_in": "inverse", "inverse": True}, -1 / 3, 0),
    (1 / TRUTH, {"inverse": True}, 1, 0),
    (7 / TRUTH, {"align": "median", "inverse": True}, 7, 0),
])  # fmt: skip
def test_an_alignment_undoes_what_was_done_to_the_truth(guess, options, scale, shift):
    found = parts(guess, **options)
    assert found["rmse"] == pytest.approx(0, abs=1e-6) and found["within"]["<1.25"] == 1
    assert (found["scale"], found["shift"]) == pytest.approx((scale, shift), abs=1e-9)


def test_a_fit_is_the_least_squares_of_all_lines():
    guess = TRUTH + RNG.normal(0, 2, TRUTH.shape)
    best = parts(guess, align="scale-shift")
    for change in (1e-3, -1e-3):
        assert np.square((best["scale"] + change) * guess + best["shift"] - TRUTH).mean() > best["mse"]
        assert np.square(best["scale"] * guess + best["shift"] + change - TRUTH).mean() > best["mse"]


def test_a_fitted_depth_below_nothing_is_clipped_and_a_fitted_inverse_depth_needs_a_cap():
    truth, guess = np.array([[1.0, 1.1, 9.0, 9.0]]), np.array([[1.0, 6.0, 6.1, 6.2]])
    low = parts(np.array([[1.0, 2.0, 3.0, 4.0]]), np.array([[0.1, 0.1, 0.1, 9.0]]), align="scale-shift")  # 2.67 x - 4.35
    assert low["clipped"] == 0.25 and all(math.isfinite(low[name]) for name in ("rmse_log", "irmse"))
    options = {"align": "scale-shift", "align_in": "inverse", "inverse": True}
    with refused(DataError, hint="--max-depth"):
        parts(guess, truth[:, ::-1] ** 3, **options)
    assert parts(guess, truth[:, ::-1] ** 3, max_depth=80.0, **options)["rmse"] < 80


def test_limits_choose_truths_and_clip_predictions():
    truth = np.array([[0.5, 10.0, 79.0, 80.0, 200.0]])
    record = depth_record(np.array([[1.0, 200.0, 0.1, 1.0, 1.0]]), truth, DepthOptions(min_depth=0.5, max_depth=80.0))
    assert record["params"]["pixels"] == 2 and record["parts"]["abs_rel"] == pytest.approx((70 / 10 + 78.5 / 79) / 2)
    with refused(UsageError, "limits"):
        options_for(METRICS["depth"], {"min_depth": 3.0, "max_depth": 2.0})


def test_the_crops_are_those_of_the_papers():
    one, picture = np.ones((375, 1242)), np.ones((480, 640))  # a picture of KITTI; Garg's rows are 153..370 and its columns 44..1196
    counted = {crop: depth_record(each, each, DepthOptions(crop=crop))["params"]["pixels"]
               for crop, each in (("garg", one), ("eigen", one), ("nyu", picture), ("none", one))}  # fmt: skip
    assert counted == {"garg": (371 - 153) * (1197 - 44), "eigen": (342 - 124) * (1197 - 44), "nyu": 426 * 560, "none": 375 * 1242}
    with refused(DataError, "NYU"):
        depth_record(one, one, DepthOptions(crop="nyu"))


def test_presets_fix_their_protocol_and_free_what_papers_choose():
    eigen = options_for(METRICS["depth"], {"align": "median"}, "eigen")
    assert (eigen.crop, eigen.min_depth, eigen.max_depth, eigen.align) == ("garg", 1e-3, 80, "median")
    assert options_for(METRICS["depth"], {}, "kitti").depth_scale == 1 / 256
    midas = options_for(METRICS["depth"], {"inverse": True, "max_depth": 10.0}, "midas")
    record = depth_record(2 / TRUTH + 0.3, np.where(TRUTH < 10, TRUTH, np.nan), midas)
    assert record["value"] == pytest.approx(0, abs=1e-6) and record["params"]["preset"] == "midas"
    for preset, given in (("kitti", {"align": "median"}), ("eigen", {"crop": "eigen"}), ("pix2scene", {"align": "median"})):
        with refused(UsageError, preset):
            options_for(METRICS["depth"], given, preset)


@pytest.mark.parametrize("constant", [5.0, 7.3, 0.1])
@pytest.mark.parametrize("space", ["depth", "log"])
def test_a_constant_prediction_is_fitted_by_a_shift_alone(constant, space):
    truth = np.random.default_rng(0).uniform(2, 40, (30, 50))
    record = depth_record(np.full(truth.shape, constant), truth, DepthOptions(align="scale-shift", align_in=space))
    best = truth.mean() if space == "depth" else np.exp(np.log(truth).mean())
    assert record["parts"]["scale"] == 0 and record["parts"]["rmse"] == pytest.approx(np.sqrt(np.square(truth - best).mean()), rel=1e-9)


def test_depth_without_a_pixel_that_counts_is_warned_of():
    with pytest.warns(UserWarning, match="no pixel counts"):
        assert depth_record(np.ones((2, 2)), np.zeros((2, 2)), DepthOptions())["value"] is None
