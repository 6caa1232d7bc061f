"""Ways to compute a step that must not change it: in parts, channels last, compiled. In float64, where nothing hides behind rounding."""

from functools import partial

import pytest
import torch
from refusals import refused
from torch import nn

from voxcli.errors import UsageError
from voxcli.models.frustum.losses import voxel_loss
from voxcli.models.ssz import stages
from voxcli.training.arithmetic import Arithmetic
from voxcli.training.parallel import Processes
from voxcli.training.recipe import Computation

NETWORK = """
network:
  {preset: small, width: 32, height: 32, depth: 16, encoder: [4, 4, 8], encoder_blocks: [1, 1, 1],
   decoder: [4, 4, 4], decoder_blocks: [1, 0, 0], normalised_levels: 2}
augmentation: {flip: true, brightness: 0.2}
validation: {every: 3, samples: 1, pictures: 0}
"""

STAGE = """
stages:
  - {name: all, steps: 3, batch: 4, parts: PARTS, scales: {full: 1, half: 0.3}, losses: {LOSSES}, optimiser: {rate: 1e-3, clip: 1}}
"""

DOUBLE = """
import sys, torch
from voxcli.models.ssz import stages
from voxcli.training import train
from voxcli.training.engine import Trainer
build, apply, fit, seen = stages.TASK.build, Trainer._apply, Trainer.fit, []
stages.TASK.build = lambda config: build(config).double()
torch.Tensor.float = torch.Tensor.double  # images, scores and class weights
if sys.argv[4] == "still":
    torch.nn.modules.batchnorm._BatchNorm.train = lambda self, mode=True: torch.nn.Module.train(self, False)

def spy(self, *arguments):
    found = apply(self, *arguments)
    seen.append([found["loss"], found["gradient"]])
    return found

def fit_and_tell(self):
    fit(self)
    if self.processes.first:
        torch.save({"steps": seen, "network": self.network.state_dict()}, self.run / "values.pt")

Trainer._apply, Trainer.fit = spy, fit_and_tell
train("ssz", [sys.argv[1]], sys.argv[2], sys.argv[3])
"""


def values(forge, street, folder, text, statistics):
    """Losses and gradient norms of the steps [3, 2], and the network after them."""
    folder.mkdir()
    (folder / "recipe.yaml").write_text(text)
    forge.succeed(DOUBLE, street, folder / "run", folder / "recipe.yaml", statistics)
    found = torch.load(folder / "run/values.pt", weights_only=True)
    return torch.tensor(found["steps"], dtype=torch.float64), found["network"]


def check_equal(one, other):
    assert one[0].shape == (3, 2) and all(t.dtype == torch.float64 for t in one[1].values() if t.is_floating_point())
    torch.testing.assert_close(other[0], one[0], rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(other[1], one[1], rtol=1e-9, atol=1e-9)


def test_the_parts_of_a_batch_add_up_to_it(street, forge, tmp_path):
    # Batch statistics are a part's own, and so is Dice: here the statistics stand still and the likelihood is a mean over samples.
    text = NETWORK + STAGE.replace("LOSSES", "likelihood: 1")
    whole = values(forge, street, tmp_path / "1", text.replace("PARTS", "1"), "still")
    for parts in ("2", "4"):
        check_equal(whole, values(forge, street, tmp_path / parts, text.replace("PARTS", parts), "still"))


def test_channels_last_is_the_same_step(street, forge, tmp_path):
    text = NETWORK + STAGE.replace("LOSSES", "likelihood: 1, dice: 1").replace("PARTS", "1")
    plain = values(forge, street, tmp_path / "plain", text, "moving")
    check_equal(plain, values(forge, street, tmp_path / "last", text + "computation: {channels_last: true}\n", "moving"))


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
def test_a_compiled_network_has_the_loss_and_gradients_of_the_network(monkeypatch, backend):
    # aot_eager traces forward and backward as any compiler gets them; inductor then makes kernels, which takes minutes.
    torch._dynamo.reset()
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=backend, fullgraph=True))
    settings = {"preset": "small", "width": 16, "height": 16, "depth": 16, "encoder": [4, 4, 8], "encoder_blocks": [1, 0, 1],
                "decoder": [4, 4, 4], "decoder_blocks": [1, 0, 0], "normalised_levels": 2}  # fmt: skip
    torch.manual_seed(0)
    images = torch.rand(2, 3, 16, 16, dtype=torch.float64)
    labels = {s: torch.randint(0, 3, (2, 16 // s, 16 // s, 16 // s), dtype=torch.uint8) for s in (1, 2)}
    found = {}
    for compiled in (False, True):
        torch.manual_seed(0)
        network = stages.TASK.build(stages.resolve_config(settings, 3, None)).double()
        arithmetic = Arithmetic(Computation(compile=compiled), network, Processes(torch.device("cpu")))
        with arithmetic.forward():
            scores = arithmetic.network(images, (1, 2))
            loss = sum(voxel_loss(scores[s], labels[s], torch.ones(3), likelihood=1.0, dice=1.0, in_place=True) for s in (1, 2))
        arithmetic.backward(loss)
        found[compiled] = loss.detach(), {name: p.grad for name, p in network.named_parameters() if p.grad is not None}
    torch.testing.assert_close(found[True][0], found[False][0], rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(found[True][1], found[False][1], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("place", ["forward", "backward"])
def test_a_network_that_cannot_be_compiled_is_one_error(place):
    arithmetic = Arithmetic(Computation(compile=True), nn.Linear(1, 1), Processes(torch.device("cpu")))

    def not_compiled(*_):
        raise torch._dynamo.exc.TorchRuntimeError("a page of explanations")

    loss = torch.ones(1, requires_grad=True).sum()
    loss.register_hook(not_compiled)
    with refused(UsageError, "compile", actual="TorchRuntimeError") as caught:
        if place == "backward":
            arithmetic.backward(loss)
        with arithmetic.forward():
            not_compiled()
    assert "computation.compile to false" in caught.value.hint
