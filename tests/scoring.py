"""`voxcli.score` of shapes in memory, with its options as one mapping."""

import voxcli


def score(metrics, pred, gt, given=None, preset=None):
    """The records of several metrics."""
    return voxcli.score(pred, gt, metrics, preset=preset, **(given or {}))


def score_iou(pred, gt, given=None, preset=None):
    """The record of the IoU."""
    return voxcli.score(pred, gt, "iou", preset=preset, **(given or {}))
