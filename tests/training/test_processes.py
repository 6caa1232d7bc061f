"""One process and several: the same curve. Gloo processes find one another here as torchrun's do."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from test_equal_steps import DOUBLE
from torch import nn

from voxcli.training import train

RECIPE = """
network:
  {preset: small, width: 32, height: 32, depth: 16, encoder: [8, 8, 16], encoder_blocks: [1, 1, 1],
   decoder: [8, 8, 8], decoder_blocks: [1, 0, 0], normalised_levels: 2}
log_every: 1
augmentation: {flip: true, brightness: 0.2}
validation: {every: 3, samples: 2}
stages:
  - {name: all, steps: 3, batch: 4, parts: PARTS, scales: {full: 1, half: 0.3}, losses: {likelihood: 1, dice: 1}, optimiser: {rate: 1e-3}}
"""

ADVERSARIAL = """
network:
  {preset: small, width: 32, height: 32, depth: 16, encoder: [8, 8, 16], encoder_blocks: [1, 1, 1],
   decoder: [8, 8, 8], decoder_blocks: [1, 0, 0], normalised_levels: 2, discriminator: {widths: [6, 8], blocks: [0, 1]}}
validation: {every: 3, samples: 2}
stages:
  - {name: all, step: adversarial, steps: 3, batch: 4, losses: {likelihood: 1, dice: 1, adversarial: 0.1, pose: 0.1},
     optimiser: {rate: 1e-3, clip: 1}}
"""

WORKER = """
import sys, torch
from voxcli.training import train
train("ssz", [sys.argv[1]], sys.argv[2], sys.argv[3])
"""

STATISTICS = """
import sys, torch
from torch import nn
from voxcli.training.parallel import Processes
from voxcli.training.statistics import GlobalStatistics
processes = Processes(torch.device("cpu"))
values = torch.load(sys.argv[1], weights_only=True)
x = values["x"][processes.part(4)].clone().requires_grad_()
layer = nn.BatchNorm2d(3).double()
layer.load_state_dict(values["layer"])
with GlobalStatistics(processes):
    y = layer(x)
(y * values["towards"][processes.part(4)]).sum().backward()
torch.save({"y": y.detach(), "dx": x.grad, "dw": layer.weight.grad, "db": layer.bias.grad, "layer": layer.state_dict()},
           f"{sys.argv[1]}.{processes.rank}")
processes.leave()
"""


def losses(run):
    records = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return [(r["loss"], r["gradient"]) for r in records if r["event"] == "step"], [r for r in records if r["event"] == "validation"]


@pytest.mark.parametrize("parts", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_two_processes_give_the_losses_and_scores_of_one(street, forge, tmp_path, parts):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(RECIPE.replace("PARTS", str(parts)))
    train("ssz", [street], tmp_path / "run1", recipe)
    forge.succeed(WORKER, street, tmp_path / "run2", recipe, count=2)
    (one, scored), (two, scored_two) = losses(tmp_path / "run1"), losses(tmp_path / "run2")
    assert len(one) == 3
    (loss, gradient), (loss_two, gradient_two) = (torch.tensor(each).T for each in (one, two))
    torch.testing.assert_close(loss_two, loss, rtol=1e-5, atol=1e-6)
    # Rounding moves an activation across the kink of a rectifier now and then, which changes the gradient by a few 1e-4.
    torch.testing.assert_close(gradient_two, gradient, rtol=1e-3, atol=1e-6)
    assert scored_two[0]["mean_iou"] == pytest.approx(scored[0]["mean_iou"], abs=0.01)


@pytest.mark.parametrize("step", ["generator", "adversarial"])
def test_in_float64_two_processes_are_exactly_one(street, street_with_poses, forge, tmp_path, step):
    recipe, data = tmp_path / "recipe.yaml", street if step == "generator" else street_with_poses
    recipe.write_text(RECIPE.replace("PARTS", "1") if step == "generator" else ADVERSARIAL)
    for count in (1, 2):
        forge.succeed(DOUBLE, data, tmp_path / f"run{count}", recipe, "moving", count=count)
    one, two = (torch.load(tmp_path / f"run{count}/values.pt", weights_only=True) for count in (1, 2))
    assert len(one["steps"]) == 3 * (2 if step == "adversarial" else 1)
    torch.testing.assert_close(torch.tensor(two["steps"]), torch.tensor(one["steps"]), rtol=1e-9, atol=1e-9)
    for name, value in one["network"].items():  # Adam divides by the gradient's size: where that is rounding alone, so is the step
        torch.testing.assert_close(two["network"][name], value, rtol=1e-6, atol=1e-3 if "bias" in name else 1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("number", [None, signal.SIGTERM, signal.SIGINT])
def test_torchs_launcher_trains_through_the_command_line_and_a_signal_saves(street, tmp_path, number):
    recipe, run = tmp_path / "recipe.yaml", tmp_path / "run"
    recipe.write_text(RECIPE.replace("PARTS", "1").replace("steps: 3", "steps: 100000" if number else "steps: 3"))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "voxcli", "train"]
    command += ["--data", street, "-o", run, "--recipe", recipe, "--device", "cpu"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": "1"})
    try:
        if number is None:
            error = process.communicate(timeout=300)[1]
            assert process.returncode == 0, error
            assert (run / "weights.safetensors").is_file()
            return
        until = time.monotonic() + 200
        while not (run / "best.pt").is_file():
            assert process.poll() is None and time.monotonic() < until
            time.sleep(0.2)
        process.send_signal(number)
        process.communicate(timeout=100)
        assert process.returncode  # the launcher's own code
    finally:
        process.kill()
    assert json.loads((run / "log.jsonl").read_text().splitlines()[-1])["event"] == "interrupted"
    assert (run / "last.pt").is_file()


def test_batch_statistics_and_their_gradients_are_those_of_the_whole_batch(forge, tmp_path):
    torch.manual_seed(0)
    x = torch.randn(4, 3, 5, 2, dtype=torch.float64) * 3 + 100  # a large mean, where a careless variance would cancel
    towards, layer = torch.randn_like(x), nn.BatchNorm2d(3).double()
    nn.init.normal_(layer.weight)
    nn.init.normal_(layer.bias)
    torch.save({"x": x, "towards": towards, "layer": layer.state_dict()}, tmp_path / "values")
    forge.succeed(STATISTICS, tmp_path / "values", count=2)
    whole = x.clone().requires_grad_()
    y = layer(whole)
    (y * towards).sum().backward()
    parts = [torch.load(tmp_path / f"values.{rank}", weights_only=True) for rank in (0, 1)]
    close = lambda a, b: torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)  # noqa: E731
    close(torch.cat([p["y"] for p in parts]), y.detach())
    close(torch.cat([p["dx"] for p in parts]), whole.grad)
    close(sum(p["dw"] for p in parts), layer.weight.grad)
    close(sum(p["db"] for p in parts), layer.bias.grad)
    for part in parts:
        close(part["layer"]["running_var"], layer.running_var)
        close(part["layer"]["running_mean"], layer.running_mean)


def test_statistics_of_one_process_agree_with_torch():
    from voxcli.training.parallel import Processes
    from voxcli.training.statistics import GlobalStatistics

    x = torch.randn(2, 3, 4, 4, dtype=torch.float64, requires_grad=True)
    weight, bias = torch.randn(2, 3, dtype=torch.float64)
    arguments = (weight.requires_grad_(), bias.requires_grad_())

    def normalised(x, weight, bias):
        with GlobalStatistics(Processes(torch.device("cpu"))):
            return torch.nn.functional.batch_norm(x, None, None, weight, bias, True)

    torch.testing.assert_close(normalised(x, *arguments), torch.nn.functional.batch_norm(x, None, None, *arguments, True))
    torch.autograd.gradcheck(normalised, (x, *arguments))
