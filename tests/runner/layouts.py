"""How an argument lies in memory: the same values behind other strides.

A layout first says which values it can show (a broadcast one repeats the first), then builds the array. What lies
between the elements of a window is garbage, so that a kernel that reads it is caught.
"""

import numpy as np

from tests.runner import domains, dtypes
from tests.runner.dtypes import INFO
from tests.runner.module import mx
from tests.runner.record import Input

NAMES = ("contiguous", "transposed", "strided", "negative", "broadcast", "offset", "nonfinite")
# Those that leave the values of an argument alone.
FAITHFUL = ("contiguous", "transposed", "strided", "negative", "offset")


def arrange(leaf: Input, layout: str, rng: np.random.Generator, special: tuple | None = None) -> Input:
    """The argument with the values that the layout can show; `special` are those that nonfinite sprinkles in."""
    if leaf.fixed:
        return leaf
    if layout == "nonfinite" and INFO[leaf.dtype].kind == "f":
        return leaf.replaced(domains.sprinkle(rng, leaf.values, leaf.dtype, special))
    if layout == "broadcast" and leaf.shape:
        axis = int(rng.integers(len(leaf.shape)))
        if leaf.shape[axis] > 1:
            return leaf.replaced(np.repeat(leaf.values.take([0], axis), leaf.shape[axis], axis))
    return leaf


def build(leaf: Input, layout: str):
    """The module array of the argument, lying in memory as the layout says (where its shape can)."""
    values, dtype = leaf.values, leaf.dtype
    if layout == "transposed" and values.ndim > 1:
        return mx.transpose(dtypes.to_module(values.T, dtype))
    if layout == "broadcast":
        repeated = [n > 1 and _is_constant(values, axis) for axis, n in enumerate(values.shape)]
        if any(repeated):
            axis = repeated.index(True)
            return mx.broadcast_to(dtypes.to_module(values.take([0], axis), dtype), values.shape)
    if layout in ("strided", "negative", "offset") and values.ndim > 0:
        return _window(values, dtype, layout)
    return dtypes.to_module(values, dtype)


def _is_constant(values: np.ndarray, axis: int) -> bool:
    first = values.take([0], axis)
    return bool(np.all((values == first) | ((values != values) & (first != first))))


def _window(values: np.ndarray, dtype: str, layout: str):
    """The values as a window on a larger array: every second element, backwards, or beginning at an odd place."""
    if values.size == 0:
        return dtypes.to_module(values, dtype)
    if layout == "strided":
        shape, cut = tuple(2 * n + 1 for n in values.shape), tuple(slice(1, 2 * n, 2) for n in values.shape)
    elif layout == "offset":
        shape, cut = (*values.shape[:-1], values.shape[-1] + 3), (..., slice(1, 1 + values.shape[-1]))
    else:
        shape, cut = values.shape, tuple(slice(None, None, -1) for _ in values.shape)
    garbage = {"f": np.nan, "c": np.nan, "b": True}.get(values.dtype.kind, 85)
    base = np.full(shape, garbage, values.dtype)
    window = base[cut]
    window[...] = values
    start = (window.__array_interface__["data"][0] - base.__array_interface__["data"][0]) // base.itemsize
    steps = tuple(stride // base.itemsize for stride in window.strides)
    return mx.as_strided(dtypes.to_module(base, dtype), values.shape, steps, start)
