"""Initialisers: functions from an array, of which the shape counts, to new values of that shape.

    weights = nn.init.glorot_uniform()(mx.zeros((512, 128)))

Weights are (outputs, ..., inputs): what is between counts as the size of a kernel.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import melix.core as mx

__all__ = [
    "constant",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "identity",
    "normal",
    "orthogonal",
    "sparse",
    "uniform",
]

Initializer = Callable[..., mx.array]


def constant(value: float, dtype: mx.Dtype = mx.float32) -> Initializer:
    """All elements are `value`."""
    return lambda a: mx.full(a.shape, value, dtype=dtype)


def normal(mean: float = 0.0, std: float = 1.0, dtype: mx.Dtype = mx.float32) -> Initializer:
    """Normally distributed."""
    return lambda a: mx.random.normal(a.shape, dtype=dtype, loc=mean, scale=std)


def uniform(low: float = 0.0, high: float = 1.0, dtype: mx.Dtype = mx.float32) -> Initializer:
    """Uniform from low to high."""
    return lambda a: mx.random.uniform(low, high, a.shape, dtype=dtype)


def identity(dtype: mx.Dtype = mx.float32) -> Initializer:
    """The identity matrix."""

    def initializer(a: mx.array) -> mx.array:
        if a.ndim != 2 or a.shape[0] != a.shape[1]:
            raise ValueError(f"[identity] the shape is that of a square matrix, not {a.shape}")
        return mx.eye(a.shape[0], dtype=dtype)

    return initializer


def _fans(name: str, shape: tuple[int, ...]) -> tuple[int, int]:
    """Inputs of an output, and outputs of an input."""
    if len(shape) < 2:
        raise ValueError(f"[{name}] needs a shape of two dimensions at least, got {shape}")
    kernel = math.prod(shape[1:-1])
    return shape[-1] * kernel, shape[0] * kernel


def glorot_normal(dtype: mx.Dtype = mx.float32) -> Initializer:
    """Normal with variance gain^2 * 2 / (fan_in + fan_out); called with (array, gain=1.0)."""

    def initializer(a: mx.array, gain: float = 1.0) -> mx.array:
        std = gain * math.sqrt(2.0 / sum(_fans("glorot_normal", a.shape)))
        return mx.random.normal(a.shape, dtype=dtype, scale=std)

    return initializer


def glorot_uniform(dtype: mx.Dtype = mx.float32) -> Initializer:
    """Uniform with the variance of glorot_normal; called with (array, gain=1.0)."""

    def initializer(a: mx.array, gain: float = 1.0) -> mx.array:
        limit = gain * math.sqrt(6.0 / sum(_fans("glorot_uniform", a.shape)))
        return mx.random.uniform(-limit, limit, a.shape, dtype=dtype)

    return initializer


def _fan(name: str, shape: tuple[int, ...], mode: str) -> int:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f'[{name}] mode is "fan_in" or "fan_out", not {mode!r}')
    return _fans(name, shape)[mode == "fan_out"]


Mode = Literal["fan_in", "fan_out"]


def he_normal(dtype: mx.Dtype = mx.float32) -> Initializer:
    """Normal with variance gain^2 / fan; called with (array, mode="fan_in", gain=1.0)."""

    def initializer(a: mx.array, mode: Mode = "fan_in", gain: float = 1.0) -> mx.array:
        std = gain / math.sqrt(_fan("he_normal", a.shape, mode))
        return mx.random.normal(a.shape, dtype=dtype, scale=std)

    return initializer


def he_uniform(dtype: mx.Dtype = mx.float32) -> Initializer:
    """Uniform with the variance of he_normal; called with (array, mode="fan_in", gain=1.0)."""

    def initializer(a: mx.array, mode: Mode = "fan_in", gain: float = 1.0) -> mx.array:
        limit = gain * math.sqrt(3.0 / _fan("he_uniform", a.shape, mode))
        return mx.random.uniform(-limit, limit, a.shape, dtype=dtype)

    return initializer


def sparse(sparsity: float, mean: float = 0.0, std: float = 1.0, dtype: mx.Dtype = mx.float32) -> Initializer:
    """Normal, and in each row that part of the elements (rounded up), chosen at random, is 0."""

    def initializer(a: mx.array) -> mx.array:
        if a.ndim != 2:
            raise ValueError(f"[sparse] the shape is that of a matrix, not {a.shape}")
        zeros = math.ceil(sparsity * a.shape[1])
        rank = mx.argsort(mx.argsort(mx.random.uniform(shape=a.shape), axis=1), axis=1)
        values = mx.random.normal(a.shape, dtype=dtype, loc=mean, scale=std)
        return mx.where(rank < zeros, mx.array(0, dtype=dtype), values)

    return initializer


def orthogonal(gain: float = 1.0, dtype: mx.Dtype = mx.float32) -> Initializer:
    """A matrix whose rows or columns, whichever are fewer, are orthogonal and of length `gain`."""

    def initializer(a: mx.array) -> mx.array:
        if a.ndim != 2:
            raise ValueError(f"[orthogonal] the shape is that of a matrix, not {a.shape}")
        rows, columns = a.shape
        size = max(rows, columns)
        q, r = mx.linalg.qr(mx.random.normal((size, size)), stream=mx.cpu)
        # With the signs of the diagonal of r, all orthogonal matrices are equally likely.
        q = q * mx.sign(mx.diag(r))
        return (gain * q[:rows, :columns]).astype(dtype)

    return initializer
