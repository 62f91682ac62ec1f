"""Resizing of (N, ..., C) along the axes between."""

from __future__ import annotations

import itertools
import math
from typing import Any, Literal

import melix.core as mx
from melix.nn.layers.sizes import per_axis
from melix.nn.module import Module

# Places along an axis of the input, each with its weight, for every place of the output.
Taps = tuple[list[list[int]], list[list[float]]]


def _nearest(size: int, scale: float) -> list[int]:
    return [min(max(round((i + 0.5) / scale - 0.5), 0), size - 1) for i in range(int(size * scale))]


def _triangle(x: float) -> float:
    return max(1 - abs(x), 0.0)


def _cubic(x: float) -> float:
    """Keys' kernel with a = -0.75, which image libraries have agreed on."""
    a, x = -0.75, abs(x)
    if x <= 1:
        return ((a + 2) * x - (a + 3)) * x * x + 1
    return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a if x < 2 else 0.0


def _interpolated(size: int, scale: float, mode: str, align_corners: bool, antialias: bool) -> Taps:
    """Taps of the kernel around each place. Shrinking with antialias, the kernel is as wide as what it stands for."""
    out = int(size * scale)
    kernel, radius = (_triangle, 1) if mode == "linear" else (_cubic, 2)
    width = max(1 / scale, 1.0) if antialias else 1.0
    indices, weights = [], []
    for i in range(out):
        place = i * (size - 1) / max(out - 1, 1) if align_corners else (i + 0.5) / scale - 0.5
        if mode == "linear" and width == 1:
            place = min(max(place, 0.0), size - 1.0)
        first = math.floor(place - radius * width) + 1
        taps = range(first, first + math.ceil(2 * radius * width))
        if width > 1:  # what lies outside does not count
            taps = range(max(first, 0), min(taps.stop, size))
        row = [kernel((tap - place) / width) for tap in taps]
        total = sum(row)
        indices.append([min(max(tap, 0), size - 1) for tap in taps])
        weights.append([w / total for w in row])
    longest = max(map(len, indices), default=0)
    for places, row in zip(indices, weights):
        places += [0] * (longest - len(places))
        row += [0.0] * (longest - len(row))
    return indices, weights


def _along(x: mx.array, axis: int, taps: Taps) -> mx.array:
    """The sum over the taps of elements along an axis, weighted."""
    shape = [1] * x.ndim
    shape[axis] = -1
    total = None
    for places, weights in zip(zip(*taps[0]), zip(*taps[1])):
        weight = mx.array(weights, dtype=x.dtype).reshape(shape)
        term = mx.take(x, mx.array(places), axis=axis) * weight
        total = term if total is None else total + term
    assert total is not None
    return total


class Upsample(Module):
    """The image, or whatever has axes between the first and the last, larger (or smaller) by a factor.

    mode: "nearest", "linear" or "cubic". With `align_corners`, the outermost places of input and output coincide. With
    `antialias`, shrinking averages over all that a place stands for.
    """

    def __init__(
        self,
        scale_factor: float | tuple[float, ...],
        mode: Literal["nearest", "linear", "cubic"] = "nearest",
        align_corners: bool = False,
        antialias: bool = False,
    ) -> None:
        super().__init__()
        if mode not in ("nearest", "linear", "cubic"):
            raise ValueError(f'[Upsample] mode is "nearest", "linear" or "cubic", not {mode!r}')
        several = isinstance(scale_factor, (tuple, list))
        factor = tuple(map(float, scale_factor)) if several else float(scale_factor)
        object.__setattr__(self, "scale_factor", factor)  # no parameter, tuple or not
        self.mode = mode
        self.align_corners = align_corners
        self.antialias = antialias

    def __call__(self, x: mx.array) -> mx.array:
        axes = x.ndim - 2
        if axes < 1:
            raise ValueError(f"[Upsample] takes (N, ..., C), at least three dimensions; got shape {x.shape}")
        scales: Any = per_axis(self.scale_factor, axes, "Upsample scale_factor")
        if self.mode == "nearest" and all(scale == int(scale) for scale in scales):
            return self._repeated(x, [int(scale) for scale in scales])
        for axis, scale in enumerate(scales, 1):
            if self.mode == "nearest":
                x = mx.take(x, mx.array(_nearest(x.shape[axis], scale)), axis=axis)
            else:
                x = _along(
                    x,
                    axis,
                    _interpolated(x.shape[axis], scale, self.mode, self.align_corners, self.antialias),
                )
        return x

    @staticmethod
    def _repeated(x: mx.array, scales: list[int]) -> mx.array:
        """Every element so often along each axis: one copy of a broadcast."""
        sizes = x.shape[1:-1]
        spread = itertools.chain.from_iterable((size, 1) for size in sizes)
        wide = itertools.chain.from_iterable(zip(sizes, scales))
        out = (size * scale for size, scale in zip(sizes, scales))
        n, c = x.shape[0], x.shape[-1]
        return mx.broadcast_to(x.reshape(n, *spread, c), (n, *wide, c)).reshape(n, *out, c)

    def _extra_repr(self) -> str:
        return f"scale_factor={self.scale_factor}, mode={self.mode!r}, align_corners={self.align_corners}"
