"""EfficientNet-Lite0 written out from the published tensors, by their published names, a layer a line: no modules, no shared code."""

from __future__ import annotations

import torch
import torch.nn.functional as F

LAYOUT = [(1, 3, 1, 1), (2, 3, 2, 6), (2, 5, 2, 6), (3, 3, 2, 6), (3, 5, 1, 6), (4, 5, 2, 6), (1, 3, 1, 6)]
"""(blocks, kernel, stride of the first, expansion) of each stage, from Table 1 of EfficientNet."""


def same(x, weight, stride, groups=1):
    """TensorFlow's "same": the output has ceil(n / stride) positions, and the padding is split with the larger half behind."""
    kernel, out = weight.shape[-1], []
    for n in (x.shape[3], x.shape[2]):
        total = max((-(-n // stride) - 1) * stride + kernel - n, 0)
        out += [total // 2, total - total // 2]
    return F.conv2d(F.pad(x, out), weight, stride=stride, groups=groups)


def normalise(x, state, name):
    """Batch normalisation with running statistics, epsilon 1e-3."""
    scale = state[f"{name}.weight"] / torch.sqrt(state[f"{name}.running_var"] + 1e-3)
    shift = state[f"{name}.bias"] - state[f"{name}.running_mean"] * scale
    return x * scale[:, None, None] + shift[:, None, None]


def relu6(x):
    return x.clamp(0, 6)


def maps(picture, state):
    """Outputs of all seven stages for pictures [B, 3, H, W] in 0..1."""
    x = relu6(normalise(same((picture - 0.498) / 0.502, state["_conv_stem.weight"], 2), state, "_bn0"))
    number, found = 0, []
    for count, _, stride, expansion in LAYOUT:
        for repeat in range(count):
            name, y = f"_blocks.{number}", x
            if expansion > 1:
                y = relu6(normalise(same(y, state[f"{name}._expand_conv.weight"], 1), state, f"{name}._bn0"))
            depthwise = state[f"{name}._depthwise_conv.weight"]
            y = relu6(normalise(same(y, depthwise, stride if repeat == 0 else 1, len(depthwise)), state, f"{name}._bn1"))
            y = normalise(same(y, state[f"{name}._project_conv.weight"], 1), state, f"{name}._bn2")
            x = x + y if repeat else y
            number += 1
        found.append(x)
    return found


def classify(picture, state):
    """Scores of the 1,000 ImageNet classes [B, 1000]."""
    x = relu6(normalise(same(maps(picture, state)[-1], state["_conv_head.weight"], 1), state, "_bn1"))
    return x.mean((2, 3)) @ state["_fc.weight"].T + state["_fc.bias"]
