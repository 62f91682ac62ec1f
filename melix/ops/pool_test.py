"""Records of the pooling of fast (melix/ops/pool.h) against windows in NumPy."""

import numpy as np

from tests.runner import INEXACT, Record, Tolerance, bad, call, domains, operation_tests

REAL = [
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "int8",
    "int16",
    "int32",
    "int64",
    "float16",
    "bfloat16",
    "float32",
    "float64",
]
CASES = [
    ((1, 5, 2), 2, None, 0),
    ((2, 9, 3), [3], [2], [1]),
    ((2, 6, 7, 5), 2, None, 0),
    ((1, 9, 8, 17), 3, 2, 1),
    ((2, 5, 6, 4), [3, 2], [1, 1], [1, 0]),
    ((1, 6, 5, 1), [2, 3], [3, 1], 0),
    ((0, 4, 4, 2), 2, None, 0),
    ((1, 4, 4, 0), 2, None, 0),
    ((1, 4, 5, 6, 3), 2, None, 0),
    ((2, 4, 3, 5, 2), [2, 3, 3], [1, 2, 2], [1, 1, 0]),
]
LARGE = [((2, 60, 50, 40), 3, 2, 1), ((1, 60, 50, 24), 3, 1, 1), ((1, 20000, 6), 2, None, 0)]


def per_axis(value, dims):
    value = [value] if isinstance(value, int) else list(value)
    return value * dims if len(value) == 1 else value


def windows(x, kernel, stride, padding, value):
    dims = x.ndim - 2
    kernel = per_axis(kernel, dims)
    stride = kernel if stride is None else per_axis(stride, dims)
    padding = per_axis(padding, dims)
    wide = np.pad(x, [(0, 0), *[(p, p) for p in padding], (0, 0)], constant_values=value)
    axes = tuple(range(1, dims + 1))
    view = np.lib.stride_tricks.sliding_window_view(wide, kernel, axes)
    return view[(slice(None), *[slice(None, None, s) for s in stride])], tuple(range(-dims, 0))


def lowest(x):
    return -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min


def largest(x, kernel_size, stride=None, padding=0):
    view, axes = windows(x, kernel_size, stride, padding, lowest(x))
    return view.max(axis=axes) if view.size else np.zeros(view.shape[: x.ndim], x.dtype)


def mean(x, kernel_size, stride=None, padding=0):
    view, axes = windows(x, kernel_size, stride, padding, 0)
    return view.mean(axis=axes)


def magnitude(x, *args, **kwargs):
    return mean(np.abs(x), *args, **kwargs)


def samples(cases):
    def make(of):
        for shape, kernel, stride, padding in cases:
            yield call(of(shape), kernel, stride=stride, padding=padding)

    return make


BAD = (
    bad(lambda of: call(of(4, 4), 2), "(4, 4)", "1 to 3 spatial"),
    bad(lambda of: call(of(1, 4, 4, 2), [2, 2, 2]), "(2, 2, 2)", "2 spatial"),
    bad(lambda of: call(of(1, 4, 2), 5), "(5,)", "(1, 4, 2)", "do not fit"),
    bad(lambda of: call(of(1, 4, 2), 0), "at least 1"),
    bad(lambda of: call(of(1, 4, 2), 2, stride=0), "at least 1"),
    bad(lambda of: call(of(1, 4, 2), 2, padding=-1), "at least 0"),
)
RECORDS = [
    Record(
        "fast.max_pool",
        samples(CASES),
        largest,
        dtypes=REAL,
        large=samples(LARGE),
        tolerance=Tolerance(ulp=0, why="one of the elements"),
        bad=BAD,
    ),
    Record(
        "fast.avg_pool",
        samples(CASES),
        mean,
        dtypes=INEXACT,
        large=samples(LARGE),
        tolerance=Tolerance(ulp=8, scale=magnitude, why="a sum, and a division"),
        nonfinite=domains.INFINITE,
        bad=BAD,
    ),
]
test_operations = operation_tests(RECORDS, __file__)
