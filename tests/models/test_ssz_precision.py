"""The bfloat16 inference path against float32: it may differ by rounding, not by more."""

import torch

from voxcli.models.ssz.network import PRESETS, Generator


def test_bfloat16_scores_stay_within_rounding_of_float32():
    torch.manual_seed(0)
    network = Generator(PRESETS["small"]).eval()
    settings = PRESETS["small"]
    image = torch.rand(1, 3, settings.height, settings.width)
    with torch.inference_mode():
        exact = network(image)[1]
        rough = network.bfloat16()(image.bfloat16())[1].float()
    spread = exact.std()
    # A bfloat16 keeps 8 bits: each of some thirty layers rounds by 2^-9 of its values, errors add up like a random walk.
    assert (rough - exact).abs().mean() < 0.05 * spread
    decided = exact.topk(2, dim=1).values.diff(dim=1).abs()[:, 0] > 0.2 * spread  # where the best class is clear
    same = rough.argmax(1) == exact.argmax(1)
    assert same[decided].float().mean() > 0.999
