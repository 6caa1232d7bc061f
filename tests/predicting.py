"""Predictors and predictions in one line, for tests: options by their names, pictures without Inputs around them."""

from pathlib import Path

from voxcli.models.base import Inputs
from voxcli.models.registry import check_predicts, class_of
from voxcli.models.weights import Weights, model_of
from voxcli.options import make_options


def load_predictor(weights, device="cpu", dtype="auto"):
    """Of weights in memory, or a file of them."""
    name = weights.model if isinstance(weights, Weights) else model_of(Path(weights))
    return class_of(name).from_weights(weights, device, dtype)


def predict(predictor, pictures, *, camera=None, batch_size=1, **options):
    """A result for each picture, or for each list of views of one object. camera: of each picture."""
    samples = [each if isinstance(each, (list, tuple)) else [each] for each in pictures]
    inputs = [Inputs(tuple(each), None if camera is None else (camera,) * len(each)) for each in samples]
    return predictor.predict(inputs, make_options(check_predicts(predictor.name), options, predictor.name), batch_size)
