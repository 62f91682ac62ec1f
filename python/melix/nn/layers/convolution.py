"""Convolutions over one, two or three axes, and their transposes. Channels are last: (N, ..., C)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import melix.core as mx
from melix.nn.layers.sizes import per_axis
from melix.nn.module import Module


class _Convolution(Module):
    """What all have: a weight (out_channels, kernel..., in_channels / groups), a bias that starts as zeros, and options
    of the function that is called: a number along one axis, else one for each.

    The weight starts uniform between ±1 / sqrt(inputs of an output).
    """

    _axes: int
    _function: Callable[..., mx.array]

    def __init__(
        self, channels: tuple[int, int], kernel_size: Any, bias: bool, groups: int | None, **options: Any
    ) -> None:
        super().__init__()
        name = type(self).__name__
        inputs, outputs = channels
        if inputs % (groups or 1) or outputs % (groups or 1):
            raise ValueError(f"[{name}] {inputs} and {outputs} channels do not make {groups} groups each")
        kernel = per_axis(kernel_size, self._axes, f"{name} kernel_size")
        inputs //= groups or 1
        limit = math.sqrt(1 / (inputs * math.prod(kernel)))
        self.weight = mx.random.uniform(-limit, limit, (outputs, *kernel, inputs))
        if bias:
            self.bias = mx.zeros((outputs,))
        for option, value in options.items():
            sizes = per_axis(value, self._axes, f"{name} {option}")
            # Not through Module: a tuple is no parameter.
            object.__setattr__(self, option, sizes[0] if self._axes == 1 else sizes)
        if groups is not None:
            self.groups = groups
        self._options = (*options, "groups") if groups is not None else tuple(options)

    def __call__(self, x: mx.array) -> mx.array:
        options = {option: getattr(self, option) for option in self._options}
        y = type(self)._function(x, self["weight"], **options)
        return y + self["bias"] if "bias" in self else y

    def _extra_repr(self) -> str:
        outputs, *kernel, inputs = self.weight.shape
        options = [f"{option}={getattr(self, option)}" for option in self._options]
        inputs *= getattr(self, "groups", 1)
        return ", ".join(
            [f"{inputs}, {outputs}, kernel_size={tuple(kernel)}", *options, f"bias={'bias' in self}"]
        )


class _Conv(_Convolution):
    """Output place o sees the inputs o * stride - padding + k * dilation, for k in the kernel."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        channels = in_channels, out_channels
        super().__init__(
            channels, kernel_size, bias, groups, stride=stride, padding=padding, dilation=dilation
        )


class Conv1d(_Conv):
    """A convolution along the axis of (N, L, C)."""

    _axes = 1
    _function = staticmethod(mx.conv1d)


class Conv2d(_Conv):
    """A convolution along both axes of (N, H, W, C)."""

    _axes = 2
    _function = staticmethod(mx.conv2d)


class Conv3d(_Conv):
    """A convolution along the three axes of (N, D, H, W, C)."""

    _axes = 3
    _function = staticmethod(mx.conv3d)

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        bias: bool = True,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, 1, bias)


class _ConvTranspose(_Convolution):
    """The transpose: input place i adds to the outputs i * stride - padding + k * dilation. `output_padding` makes the
    output longer at its end."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        output_padding: Any = 0,
        bias: bool = True,
    ) -> None:
        options = {
            "stride": stride,
            "padding": padding,
            "dilation": dilation,
            "output_padding": output_padding,
        }
        super().__init__((in_channels, out_channels), kernel_size, bias, None, **options)


class ConvTranspose1d(_ConvTranspose):
    """The transpose of Conv1d: from shorter to longer (N, L, C)."""

    _axes = 1
    _function = staticmethod(mx.conv_transpose1d)


class ConvTranspose2d(_ConvTranspose):
    """The transpose of Conv2d: from smaller to larger (N, H, W, C)."""

    _axes = 2
    _function = staticmethod(mx.conv_transpose2d)


class ConvTranspose3d(_ConvTranspose):
    """The transpose of Conv3d: from smaller to larger (N, D, H, W, C)."""

    _axes = 3
    _function = staticmethod(mx.conv_transpose3d)
