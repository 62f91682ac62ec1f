"""Pooling: the maximum or mean of windows of (N, ..., C), along one, two or three axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import melix.core as mx
from melix.nn.layers.sizes import per_axis
from melix.nn.module import Module


class _Pool(Module):
    """Windows of `kernel_size` begin every `stride` places (by default they touch). Windows that would pass the end are
    left out."""

    _axes: int
    _function: Callable[..., mx.array]

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0) -> None:
        super().__init__()
        name = type(self).__name__
        self._kernel = per_axis(kernel_size, self._axes, f"{name} kernel_size")
        self._stride = self._kernel if stride is None else per_axis(stride, self._axes, f"{name} stride")
        self._padding = per_axis(0 if padding is None else padding, self._axes, f"{name} padding")
        if min(*self._kernel, *self._stride, 1) < 1 or min(*self._padding, 0) < 0:
            raise ValueError(f"[{name}] sizes and strides of windows are at least 1, and padding 0: {self!r}")

    def __call__(self, x: mx.array) -> mx.array:
        if x.ndim != self._axes + 2:
            raise ValueError(
                f"[{type(self).__name__}] takes {self._axes + 2} dimensions, a batch first and channels last; "
                f"got shape {x.shape}"
            )
        return type(self)._function(x, self._kernel, self._stride, self._padding)

    def _extra_repr(self) -> str:
        return f"kernel_size={self._kernel}, stride={self._stride}, padding={self._padding}"


class _MaxPool(_Pool):
    _function = staticmethod(mx.fast.max_pool)


class _AvgPool(_Pool):
    """Padding counts as zeros."""

    _function = staticmethod(mx.fast.avg_pool)


class MaxPool1d(_MaxPool):
    """The largest element of each window along the axis of (N, L, C)."""

    _axes = 1


class MaxPool2d(_MaxPool):
    """The largest element of each window of (N, H, W, C)."""

    _axes = 2


class MaxPool3d(_MaxPool):
    """The largest element of each window of (N, D, H, W, C)."""

    _axes = 3


class AvgPool1d(_AvgPool):
    """The mean of each window along the axis of (N, L, C)."""

    _axes = 1


class AvgPool2d(_AvgPool):
    """The mean of each window of (N, H, W, C)."""

    _axes = 2


class AvgPool3d(_AvgPool):
    """The mean of each window of (N, D, H, W, C)."""

    _axes = 3
