"""PyTorch's layers beside ours: the same weights, channels moved, and who compares them (nn_layers_test.py)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from melix.utils import tree_flatten

import melix.core as mx
import melix.nn as nn

tnn = torch.nn


def to_torch(a: mx.array, grad: bool = False) -> torch.Tensor:
    return torch.tensor(np.array(a), requires_grad=grad)


def channels_first(t: torch.Tensor) -> torch.Tensor:
    """(N, ..., C) as PyTorch has it: (N, C, ...)."""
    return t.movedim(-1, 1)


def channels_last(t: torch.Tensor) -> torch.Tensor:
    return t.movedim(1, -1)


def same(t: torch.Tensor) -> torch.Tensor:
    return t


@dataclass
class Pair:
    """A layer of ours, the one of PyTorch, and what of the input differs."""

    name: str
    ours: Callable[[], nn.Module]
    theirs: Callable[[], tnn.Module]
    shape: tuple[int, ...]
    before: Callable[[torch.Tensor], torch.Tensor] = same
    after: Callable[[torch.Tensor], torch.Tensor] = same
    # Our parameter's path -> theirs, and how its axes move; what is not listed has the same name and shape.
    weights: dict[str, tuple[str, Callable[[torch.Tensor], torch.Tensor]]] = field(default_factory=dict)
    low: float = -2.0  # of the input

    def __str__(self) -> str:
        return self.name


def image(name: str, ours: Any, theirs: Any, shape: tuple[int, ...], **options: Any) -> Pair:
    """A layer over (N, ..., C)."""
    return Pair(name, ours, theirs, shape, channels_first, channels_last, **options)


def copy_weights(pair: Pair, ours: nn.Module, theirs: tnn.Module) -> None:
    own = dict(theirs.named_parameters()) | dict(theirs.named_buffers())
    with torch.no_grad():
        for path, value in tree_flatten(ours.parameters()):
            name, move = pair.weights.get(path, (path, same))
            moved = move(to_torch(value))
            assert own[name].shape == moved.shape, (path, own[name].shape, moved.shape)
            own[name].copy_(moved)


def kernel_first(t: torch.Tensor) -> torch.Tensor:
    """(outputs, ..., inputs) as PyTorch's convolutions have it: (outputs, inputs, ...)."""
    return t.movedim(-1, 1)


def kernel_transposed(t: torch.Tensor) -> torch.Tensor:
    """... and its transposed ones: (inputs, outputs, ...)."""
    return t.movedim(-1, 0)


CONV = {"weight": ("weight", kernel_first)}
TRANSPOSED = {"weight": ("weight", kernel_transposed)}

ACTIVATIONS = [
    Pair(name, ours, theirs, (7, 12))
    for name, ours, theirs in (
        ("ReLU", nn.ReLU, tnn.ReLU),
        ("ReLU6", lambda: nn.Sequential(lambda x: 4 * x, nn.ReLU6()), lambda: Scaled(4, tnn.ReLU6())),
        ("LeakyReLU", lambda: nn.LeakyReLU(0.3), lambda: tnn.LeakyReLU(0.3)),
        ("PReLU", lambda: nn.PReLU(12), lambda: tnn.PReLU(12)),
        ("ELU", lambda: nn.ELU(1.5), lambda: tnn.ELU(1.5)),
        ("CELU", lambda: nn.CELU(1.5), lambda: tnn.CELU(1.5)),
        ("SELU", nn.SELU, tnn.SELU),
        ("GELU", nn.GELU, tnn.GELU),
        ("GELU tanh", lambda: nn.GELU("tanh"), lambda: tnn.GELU("tanh")),
        ("SiLU", nn.SiLU, tnn.SiLU),
        ("Sigmoid", nn.Sigmoid, tnn.Sigmoid),
        ("LogSigmoid", nn.LogSigmoid, tnn.LogSigmoid),
        ("Softplus", nn.Softplus, tnn.Softplus),
        ("Softsign", nn.Softsign, tnn.Softsign),
        ("Softshrink", lambda: nn.Softshrink(0.4), lambda: tnn.Softshrink(0.4)),
        ("HardShrink", lambda: nn.HardShrink(0.4), lambda: tnn.Hardshrink(0.4)),
        ("HardTanh", nn.HardTanh, tnn.Hardtanh),
        (
            "Hardswish",
            lambda: nn.Sequential(lambda x: 3 * x, nn.Hardswish()),
            lambda: Scaled(3, tnn.Hardswish()),
        ),
        ("Mish", nn.Mish, tnn.Mish),
        ("Tanh", nn.Tanh, tnn.Tanh),
        ("GLU", nn.GLU, tnn.GLU),
        ("Softmax", nn.Softmax, lambda: tnn.Softmax(-1)),
        ("Softmin", nn.Softmin, lambda: tnn.Softmin(-1)),
        ("LogSoftmax", nn.LogSoftmax, lambda: tnn.LogSoftmax(-1)),
    )
]


class Scaled(tnn.Module):
    """An activation of larger arguments, which reach its corners."""

    def __init__(self, by: float, inner: tnn.Module) -> None:
        super().__init__()
        self.by, self.inner = by, inner

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(self.by * x)


def norm(name: str, ours: Any, theirs: Any, shape: tuple[int, ...], **options: Any) -> Pair:
    return image(name, ours, theirs, shape, **options)


LAYERS = [
    *ACTIVATIONS,
    Pair("Linear", lambda: nn.Linear(6, 4), lambda: tnn.Linear(6, 4), (3, 5, 6)),
    Pair(
        "Linear without bias",
        lambda: nn.Linear(6, 4, bias=False),
        lambda: tnn.Linear(6, 4, bias=False),
        (5, 6),
    ),
    Pair("LayerNorm", lambda: nn.LayerNorm(6), lambda: tnn.LayerNorm(6), (3, 5, 6)),
    Pair(
        "LayerNorm plain",
        lambda: nn.LayerNorm(6, affine=False),
        lambda: tnn.LayerNorm(6, elementwise_affine=False),
        (4, 6),
    ),
    Pair("RMSNorm", lambda: nn.RMSNorm(6, eps=1e-5), lambda: tnn.RMSNorm(6, eps=1e-5), (3, 5, 6)),
    image(
        "InstanceNorm",
        lambda: nn.InstanceNorm(4, affine=True),
        lambda: tnn.InstanceNorm2d(4, affine=True),
        (2, 5, 3, 4),
    ),
    image(
        "GroupNorm",
        lambda: nn.GroupNorm(2, 8, pytorch_compatible=True),
        lambda: tnn.GroupNorm(2, 8),
        (2, 5, 3, 8),
    ),
    Pair("BatchNorm", lambda: nn.BatchNorm(6), lambda: tnn.BatchNorm1d(6), (9, 6)),
    image("BatchNorm of images", lambda: nn.BatchNorm(6), lambda: tnn.BatchNorm2d(6), (3, 4, 5, 6)),
    image(
        "Conv1d",
        lambda: nn.Conv1d(4, 6, 3, padding=1),
        lambda: tnn.Conv1d(4, 6, 3, padding=1),
        (2, 9, 4),
        weights=CONV,
    ),
    image(
        "Conv2d",
        lambda: nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2)),
        lambda: tnn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2)),
        (2, 9, 8, 4),
        weights=CONV,
    ),
    image(
        "Conv2d in groups",
        lambda: nn.Conv2d(4, 6, 3, groups=2, bias=False),
        lambda: tnn.Conv2d(4, 6, 3, groups=2, bias=False),
        (2, 6, 5, 4),
        weights=CONV,
    ),
    image("Conv3d", lambda: nn.Conv3d(2, 3, 2), lambda: tnn.Conv3d(2, 3, 2), (2, 4, 5, 3, 2), weights=CONV),
    image(
        "ConvTranspose1d",
        lambda: nn.ConvTranspose1d(4, 6, 3, stride=2, output_padding=1),
        lambda: tnn.ConvTranspose1d(4, 6, 3, stride=2, output_padding=1),
        (2, 5, 4),
        weights=TRANSPOSED,
    ),
    image(
        "ConvTranspose2d",
        lambda: nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1),
        lambda: tnn.ConvTranspose2d(4, 6, 3, stride=2, padding=1),
        (2, 5, 4, 4),
        weights=TRANSPOSED,
    ),
    image(
        "ConvTranspose3d",
        lambda: nn.ConvTranspose3d(2, 3, 2),
        lambda: tnn.ConvTranspose3d(2, 3, 2),
        (1, 3, 4, 2, 2),
        weights=TRANSPOSED,
    ),
    image("MaxPool1d", lambda: nn.MaxPool1d(3, 2, 1), lambda: tnn.MaxPool1d(3, 2, 1), (2, 9, 3)),
    image("MaxPool2d", lambda: nn.MaxPool2d(2), lambda: tnn.MaxPool2d(2), (2, 7, 6, 3)),
    image(
        "MaxPool2d that overlaps",
        lambda: nn.MaxPool2d((3, 2), (2, 1)),
        lambda: tnn.MaxPool2d((3, 2), (2, 1)),
        (2, 7, 6, 3),
    ),
    image("MaxPool3d", lambda: nn.MaxPool3d(2, 1), lambda: tnn.MaxPool3d(2, 1), (1, 4, 3, 5, 2)),
    image("AvgPool1d", lambda: nn.AvgPool1d(3, 2, 1), lambda: tnn.AvgPool1d(3, 2, 1), (2, 9, 3)),
    image("AvgPool2d", lambda: nn.AvgPool2d(2, padding=1), lambda: tnn.AvgPool2d(2, padding=1), (2, 7, 6, 3)),
    image("AvgPool3d", lambda: nn.AvgPool3d((2, 1, 2)), lambda: tnn.AvgPool3d((2, 1, 2)), (1, 4, 3, 5, 2)),
    image("Upsample", lambda: nn.Upsample((2, 3)), lambda: tnn.Upsample(scale_factor=(2, 3)), (2, 4, 3, 2)),
    *(
        image(
            f"Upsample {mode}{' align' * align}",
            lambda mode=mode, align=align: nn.Upsample(1.5, mode, align),
            lambda torch_mode=torch_mode, align=align: tnn.Upsample(
                scale_factor=1.5, mode=torch_mode, align_corners=align, recompute_scale_factor=False
            ),
            (2, 6, 4, 2),
        )
        for mode, torch_mode in (("linear", "bilinear"), ("cubic", "bicubic"))
        for align in (False, True)
    ),
]
