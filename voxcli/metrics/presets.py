"""The papers' protocols by name: one table. A record made under a preset carries the preset's name and every number of it.

Each entry maps a metric to the choices that the paper (or its public code) made. `iou` entries say which IoU is meant by `of`: occupancy,
labels, shell, points or parts. Choices that a preset does not mention stay free.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from voxcli.errors import UsageError, unknown_name
from voxcli.options import flag_of, make_options, option_infos
from voxcli.provenance import Recordable

if TYPE_CHECKING:
    from voxcli.metrics.base import InputT, Metric, MetricOptions, OptionsT

OptionValue = bool | int | float | str | tuple[float, ...] | None
Protocol = Mapping[str, OptionValue]

SAMPLES = "mean over samples"
CATEGORIES = "mean over categories"
POOLED = "pooled over the set"
BEST_THRESHOLD = "at the threshold with the best mean over the set"
F_OF_MEANS = "F of mean precision and mean recall"

_DEFAULT_HOLDS = ("to", "percent", "scale", "align", "crop")
"""Options that keep their defaults under a preset which neither mentions nor frees them: another value would not be the paper's number."""

_ROOT3 = 3**0.5
_UNIT_SPHERE: Protocol = {"normalise": "unit-sphere"}
_UCLID: Protocol = {"draw": "surface", "empty_points": 100, **_UNIT_SPHERE}
_ONET: Protocol = {"points": 100_000, "draw": "surface", "normalise": "unit-cube", "empty_penalty": _ROOT3}
_PIX3D: Protocol = {"points": 1024, "draw": "surface", "normalise": "own-cube", "iso": 0.1}
_APPROXMATCH: Protocol = {"method": "approxmatch", "reduce": "sum", "scale": 0.01}
_ALL_VERTICES: Protocol = {"draw": "vertices", "points": None}
_PART_IOU: Protocol = {"of": "parts", "absent": 1.0}


@dataclass(frozen=True)
class Preset:
    """source: where the protocol comes from; metrics: the choices of each metric it defines; notes: what a table cannot say; summary:
    how the value of a whole set comes about, where it is not the mean over samples; free: options that its papers choose in several ways.
    """

    source: str
    metrics: Mapping[str, Protocol]
    notes: str = ""
    summary: Mapping[str, str] = field(default_factory=dict)
    free: tuple[str, ...] = ()


PRESETS: dict[str, Preset] = {
    "pix2vox": Preset(
        "Pix2Vox (Xie et al. 2019)",
        {"iou": {"of": "occupancy", "thresholds": (0.4, 0.2, 0.3, 0.5), "strict": False}},
        "32^3 voxels of ShapeNetVox32; value at 0.4 (first version of the paper; the ICCV version prints 0.3)",
    ),
    "r2n2": Preset(
        "3D-R2N2 (Choy et al. 2016)",
        {"iou": {"of": "occupancy", "thresholds": (0.4,), "strict": False}},
        "32^3 voxels; 80/20 split of sorted ids",
    ),
    "uclid": Preset(
        "UCLID-Net (Guillard et al. 2020), ShapeNet",
        {
            "chamfer": {"points": 2048, "squared": True, "combine": "sum", "scale": 1e3, **_UCLID},
            "fscore": {"points": 10_000, "thresholds": (0.1,), "threshold_of": "distance", "strict": True, "percent": True, **_UCLID},
            "iou": {
                "of": "shell",
                "points": 7000,
                "resolution": 50,
                "low": -1.0,
                "high": 1.0,
                "percent": True,
                "empty_points": 100,
                **_UNIT_SPHERE,
            },
            "emd": {"method": "auto", "reduce": "mean", "scale": 100.0, **_UCLID},
        },  # fmt: skip
        "F@5% is 0.1 in a frame of side 2; an empty prediction is replaced by 100 random points; how many points the EMD has is not in the "
        "paper",
    ),
    "uclid-pix3d": Preset(
        "UCLID-Net, Pix3D table",
        {
            "chamfer": {"squared": False, "combine": "sum", "scale": 100.0, **_PIX3D},
            "emd": {"method": "auto", "reduce": "mean", "scale": 100.0, **_PIX3D},
        },
        "as pix3d, times 100",
    ),
    "pix3d": Preset(
        "Pix3D (Sun et al. 2018)",
        {
            "iou": {
                "of": "occupancy",
                "thresholds": tuple(round(0.01 * k, 2) for k in range(1, 51)),
                "strict": True,
                "resample": 32,
                "box_threshold": 0.1,
                "threshold_truth": True,
            },
            "chamfer": {"squared": False, "combine": "sum", "scale": 1.0, **_PIX3D},
            "emd": {"method": "auto", "reduce": "mean", "scale": 1.0, **_PIX3D},
        },
        "both volumes cropped to the box of cells >= 0.1, padded to a cube and resampled to 32^3; the same threshold goes to both",
        {"iou": BEST_THRESHOLD},
    ),  # fmt: skip
    "onet": Preset(
        "Occupancy Networks (Mescheder et al. 2019)",
        {
            "chamfer": {"squared": False, "combine": "mean", "scale": 10.0, **_ONET},
            "normals": {**_ONET},
            "iou": {"of": "points", "points": 100_000, "thresholds": (0.2,), "strict": True},
        },
        "Chamfer-L1 (L2 is half the sum of its squared parts); 0.2 is for the image model; an empty mesh costs sqrt(3) a point",
        {"chamfer": CATEGORIES, "normals": CATEGORIES, "iou": CATEGORIES},
    ),
    "jof": Preset(
        "Fully Understanding Generic Objects (Liu et al. 2021)",
        {
            "chamfer": {"squared": False, "combine": "mean", "scale": 10.0, **_ONET},
            "fscore": {
                "points": 100_000,
                "draw": "surface",
                "normalise": "unit-cube",
                "thresholds": (1e-4,),
                "threshold_of": "squared",
                "strict": False,
                "percent": True,
            },
            "iou": _PART_IOU,
            "pose": {"value": "azimuth_deg"},
        },
        "Chamfer as ONet, F-score as Pixel2Mesh, parts as BAE-NET; pose as the error of the azimuth",
    ),  # fmt: skip
    "pixel2mesh": Preset(
        "Pixel2Mesh (Wang et al. 2018)",
        {
            "chamfer": {**_ALL_VERTICES, "squared": True, "combine": "sum", "scale": 1e3, "normalise": "none"},
            "fscore": {
                **_ALL_VERTICES,
                "thresholds": (1e-4, 2e-4),
                "threshold_of": "squared",
                "strict": False,
                "percent": True,
                "normalise": "none",
            },
            "emd": {**_ALL_VERTICES, "normalise": "none", **_APPROXMATCH},
        },
        "camera frame of Pixel2Mesh, scale 0.57",
    ),  # fmt: skip
    "disn": Preset(
        "DISN (Xu et al. 2019)",
        {
            "chamfer": {"points": 2048, "draw": "vertices-replaced", "squared": True, "combine": "sum", "scale": 1e3, **_UNIT_SPHERE},
            "fscore": {
                "points": 2048,
                "draw": "vertices-replaced",
                "thresholds": (0.0125, 0.025, 0.05, 0.125, 0.25, 0.5),
                "threshold_of": "distance",
                "strict": True,
                **_UNIT_SPHERE,
            },
            "emd": {"points": 2048, "draw": "vertices-replaced", **_UNIT_SPHERE, **_APPROXMATCH},
            "iou": {"of": "occupancy", "resolution": 110},
        },
        "thresholds are 0.5, 1, 2, 5, 10 and 20 % of 2.5; precision and recall are averaged over the 24 views, then joined",
        {"fscore": F_OF_MEANS},
    ),  # fmt: skip
    "meshrcnn": Preset(
        "Mesh R-CNN (Gkioxari et al. 2019)",
        {
            "chamfer": {"points": 10_000, "draw": "surface", "squared": True, "combine": "sum", "scale": 1.0, "normalise": "gt-10"},
            "fscore": {
                "points": 10_000,
                "draw": "surface",
                "thresholds": (0.1, 0.3, 0.5),
                "threshold_of": "distance",
                "strict": True,
                "percent": True,
                "normalise": "gt-10",
            },
            "normals": {"points": 10_000, "draw": "surface", "normalise": "gt-10"},
        },
    ),  # fmt: skip
    "tatarchenko": Preset(
        "What Do Single-view 3D Reconstruction Networks Learn? (Tatarchenko et al. 2019)",
        {
            "fscore": {
                "draw": "surface",
                "thresholds": (1 / 100, 1 / 200, 1 / 50, 1 / 20, 1 / 10, 1 / 5),
                "threshold_of": "distance",
                "strict": True,
                "normalise": "unit-cube",
            }
        },
        "viewer-centred, cube of side 1; value at 1 %; the public code swaps the names of precision and recall, F is the same; it states "
        "no number of points, on which the score of a perfect prediction depends (guide metrics)",
    ),  # fmt: skip
    "pix2scene": Preset(
        "pix2scene (Rajeswar et al. 2019)",
        {"hausdorff": {"percentile": 100.0, "to": "points", "normalise": "none"}, "depth": {"value": "mse", "kind": "ray"}},
        "forward and reverse Hausdorff between surfels, in the scene's units; depth MSE",
    ),
    "eigen": Preset(
        "Eigen et al. 2014 on KITTI, cropped as Garg et al. 2016",
        {"depth": {"crop": "garg", "min_depth": 1e-3, "max_depth": 80.0}},
        "cap of 80 m; papers on video add --align median for each picture, and Eigen's own crop is --crop eigen without a preset",
        free=("align",),
    ),
    "kitti": Preset(
        "KITTI depth benchmark (Uhrig et al. 2017)",
        {"depth": {"value": "silog", "depth_scale": 1 / 256, "align": "none", "crop": "none"}},
        "PNG of 256 units a metre; value is SILog times 100; its irmse is in 1/m, which the benchmark prints in 1/km",
    ),
    "midas": Preset(
        "MiDaS (Ranftl et al. 2020), depth of any data set",
        {"depth": {"value": "abs_rel", "align": "scale-shift", "align_in": "inverse"}},
        "--inverse for predictions of inverse depth; --max-depth is the cap of the data set (NYU 10 m, KITTI 80 m, ETH3D and Sintel 72 m)",
    ),
    "bae-net": Preset(
        "BAE-NET (Chen et al. 2019)",
        {"iou": _PART_IOU},
        "mean over the parts of the category, a part absent from both counting 1, then over shapes",
    ),
    "kitti-ssc": Preset(
        "SemanticKITTI scene completion (Behley et al. 2019)",
        {"iou": {"of": "labels", "over": "all-zero", "ignore": 255}},
        "cells marked .invalid or labelled 255 are left out; counts are added over the set before dividing; completion IoU stands beside",
        {"iou": POOLED},
    ),
    "nyu-ssc": Preset(
        "SSCNet (Song et al. 2017), NYU",
        {"iou": {"of": "labels", "over": "all-zero", "ignore": 255}},
        "mean over the eleven classes, cells labelled 255 are left out, counts are added over the set; completion, its precision and its "
        "recall stand beside: SSCNet takes them over occluded cells, which --mask names",
        {"iou": POOLED},
    ),
    "occ3d": Preset(
        "Occ3D-nuScenes (Tian et al. 2023)",
        {"iou": {"of": "labels", "over": "present", "own_mask": "camera"}},
        "labels.npz: 17 is free, the mean is over the other 17 classes; cells that the cameras see count; counts are added over the set",
        {"iou": POOLED},
    ),
}


def protocol(preset: str, metric: str) -> Protocol:
    """The choices of one metric under a preset. Raises UsageError for an unknown preset, or one that does not define the metric.

    >>> protocol("r2n2", "iou")["strict"]
    False
    """
    if preset not in PRESETS:
        raise unknown_name("preset", preset, PRESETS)
    metrics = PRESETS[preset].metrics
    if metric not in metrics:
        raise UsageError(f"Preset '{preset}' does not define {metric}.", expected=f"one of {', '.join(sorted(metrics))}", actual=metric)
    return metrics[metric]


def merge(preset: str | None, metric: str, given: Mapping[str, Recordable]) -> dict[str, Recordable]:
    """The options of a call: the preset's, and those given beside it. None counts as not given.

    A given option that differs from the preset's is a contradiction and raises UsageError: a record must not carry the name of a protocol
    that it did not follow. Options that the metric does not have are meant for another one, and left out.

    >>> merge("r2n2", "iou", {"points": None})["thresholds"]
    (0.4,)
    """
    from voxcli.metrics.registry import metric_named

    options = metric_named(metric).options
    own = {field.name: field.default for field in dataclasses.fields(options)}
    stated: dict[str, Recordable] = {k: tuple(v) if isinstance(v, list) else v for k, v in given.items() if v is not None and k in own}
    if preset is None:
        return stated
    chosen = protocol(preset, metric)
    held = {name: own[name] for name in _DEFAULT_HOLDS if own.get(name) is not None and name not in PRESETS[preset].free}
    fixed = {**held, **chosen}
    for key, value in stated.items():
        if key in fixed and fixed[key] != value:
            flag = flag_of(key, option_infos(options)[key])
            raise UsageError(f"{flag} contradicts the preset '{preset}'.", expected=f"{key} {_show(fixed[key])}", actual=_show(value),
                             hint=f"Leave {flag} out, or leave --preset out and state every choice.")  # fmt: skip
    return {**chosen, **stated}


def options_for(metric: Metric[OptionsT, InputT], given: Mapping[str, Recordable] | None = None, preset: str | None = None) -> OptionsT:
    """The options of one metric: those given, what follows from them, the preset's, and the defaults. Raises UsageError for contradictions.

    >>> from voxcli.metrics.registry import metric_named
    >>> options_for(metric_named("chamfer"), {"points": 100000}, "onet").combine
    'mean'
    """
    merged = merge(preset, metric.name, metric.completed(given or {}, preset))
    options = make_options(metric.options, {**merged, "preset": preset}, metric.name)
    metric.check(options)
    return options


def check_names(metrics: Iterable[Metric[OptionsT, InputT]], given: Mapping[str, Recordable]) -> None:
    """Raise UsageError for a given option that none of the metrics has.

    >>> from voxcli.metrics.registry import metric_named
    >>> check_names([metric_named("chamfer"), metric_named("fscore")], {"squared": False, "thresholds": (0.1,)})
    """
    every = list(metrics)
    known = {field.name for metric in every for field in dataclasses.fields(metric.options)} - {"preset"}
    for name in given:
        if name not in known:
            raise unknown_name(f"option of {', '.join(metric.name for metric in every)}", name, known)


def prices_empties(options: MetricOptions) -> bool:
    """Whether an empty prediction has a price: by the options or, for any of its metrics, by the preset.

    >>> from voxcli.metrics.registry import metric_named
    >>> prices_empties(options_for(metric_named("chamfer"))), prices_empties(options_for(metric_named("normals"), {}, "onet"))
    (False, True)
    """
    every = [vars(options), *(PRESETS[options.preset].metrics.values() if options.preset else ())]
    return any(each.get("empty_penalty") is not None or each.get("empty_points") for each in every)


def summary_rule(preset: str | None, metric: str) -> str:
    """How the value of a whole set comes about under a preset.

    >>> summary_rule("onet", "chamfer")
    'mean over categories'
    """
    return SAMPLES if preset is None else PRESETS[preset].summary.get(metric, SAMPLES)


def table() -> list[dict[str, str]]:
    """One row for each metric of each preset: {"preset", "metric", "choices", "summary", "source", "notes"}, for printing.

    >>> table()[0]["preset"]
    'pix2vox'
    """
    return [
        {
            "preset": name, "metric": metric, "choices": ", ".join(f"{k}={_show(v)}" for k, v in choices.items()),
            "summary": summary_rule(name, metric), "source": preset.source, "notes": preset.notes,
        }
        for name, preset in PRESETS.items()
        for metric, choices in preset.metrics.items()
    ]  # fmt: skip


def _show(value: Recordable) -> str:
    if isinstance(value, tuple):
        shown = [_show(v) for v in value]
        return " ".join(shown) if len(shown) <= 8 else f"{shown[0]} .. {shown[-1]} ({len(shown)})"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "all"
    return f"{value:g}" if isinstance(value, float) else str(value)
