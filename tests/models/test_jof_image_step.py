"""Step 2 of JOF's training: what the image encoder learns from."""

import numpy as np
import pytest
import torch
from jof_examples import TINY, write_objects

from voxcli import config
from voxcli.models.branched.batches import ShapeSamples, collate
from voxcli.models.branched.preparation import standard_image
from voxcli.models.jof import stages, steps
from voxcli.models.weights import Weights, save_weights
from voxcli.training.stage import Augmentation, Stage
from voxcli.training.task import Context, Draws


def test_the_image_encoder_learns_from_the_shape_that_its_codes_give(tmp_path):
    torch.manual_seed(0)
    data = ShapeSamples([write_objects(tmp_path)], {})
    network = stages.TASK.build(stages.TASK.configure(dict(TINY), data)).train()
    stage = Stage("x", 10, batch=2, step="image", losses={"shape": 3.0}, settings={"points": 50}, frozen=("encoder", "shape", "albedo"))
    stages.TASK.check_stage(stage, network.config, data)
    reader = stages.TASK.reader(data, stage, Augmentation())
    batch = collate([reader(k, Draws(np.random.default_rng(k), np.random.default_rng(9))) for k in range(2)])
    assert batch.points.shape == (2, 50, 3)  # read even where the codes of the volumes are known in advance
    terms = steps.image_step(network, batch, Context(stage, data, stages.TASK.stage_constants(network, data, range(6), stage)))
    with torch.no_grad():
        codes = network.image(standard_image(batch.images))[0].codes
        branches = network.branches(codes, batch.points)
    off = [float(branches[k, i].max()) - float(batch.occupied[k, i]) for k in range(2) for i in range(50)]
    assert float(terms["shape"].detach()) == pytest.approx(3 * float(np.square(off).mean()), rel=1e-4)
    assert all(float(term.detach()) == 0 for name, term in terms.items() if name != "shape")
    terms["shape"].backward()
    assert any(float(p.grad.abs().sum()) > 0 for p in network.image.parameters() if p.grad is not None)


def test_weights_of_shapes_alone_know_no_cameras(tmp_path):
    data = ShapeSamples([write_objects(tmp_path / "data")], {})
    shapes = stages.TASK.configure(dict(TINY) | {"parts": ["encoder", "shape", "albedo"]}, data)
    save_weights(tmp_path / "shapes.safetensors", Weights(stages.TASK.build(shapes).state_dict(), "jof", config.to_mapping(shapes)))
    found = stages.TASK.configure({"start": str(tmp_path / "shapes.safetensors"), "parts": ["encoder", "shape", "albedo", "image"]}, data)
    assert found.shape == shapes.shape
    seen = np.concatenate([data.projections(i) for i in range(len(data))]).reshape(-1, 12)
    assert np.allclose(found.camera_mean, seen.mean(0), atol=1e-5) and np.allclose(found.camera_std, seen.std(0).clip(min=1e-3), atol=1e-5)
