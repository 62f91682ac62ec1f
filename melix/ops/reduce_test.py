"""Records of the reductions (melix/ops/reduce.h)."""

import numpy as np
import pytest
import scipy.special

from tests.runner import (
    EXACT,
    Record,
    Tolerance,
    bad,
    call,
    domains,
    dtypes,
    edge,
    inexact,
    mx,
    operation_tests,
)
from tests.runner.checks.values import one_at_a_time
from tests.runner.domains import distinct, uniform


def summed(dtype: str) -> str:
    """The type in which sums and products of a type are kept."""
    if dtype in ("bool", "int8", "int16"):
        return "int32"
    return "uint32" if dtype in ("uint8", "uint16") else dtype


# ---- samples ----


def samples(of):
    """One axis, several, none and all, of arrays of up to four; long rows and columns for the blocks of a kernel."""
    for shape in of.shapes:
        yield call(of(shape))
        if shape:
            yield call(
                of(shape), axis=of.pick(range(-len(shape), len(shape))), keepdims=of.pick([False, True])
            )
        if len(shape) > 1:
            yield call(of(shape), axis=(0, -1), keepdims=of.pick([False, True]))
    yield call(of(2, 3, 4), axis=())
    yield call(of(3, 1037), axis=1)
    yield call(of(1037, 3), axis=0)
    yield call(of(2, 67, 5, 3), axis=[1, 3])


def nonempty(of):
    """The same where there is an element to choose from."""
    return (made for made in samples(of) if 0 not in made.args[0].shape)


def large(of):
    yield call(of(1203, 509))
    yield call(of(1203, 509), axis=0)
    yield call(of(1203, 509), axis=1)
    yield call(of(7, 301, 203), axis=(0, 2))


def with_ddof(of):
    """Integers are small: the squares of large ones are beyond float32. Fewer than two elements are edges."""
    for made in nonempty(of):
        x, n = of(made.args[0].shape, low=-100, high=100), count(made.args[0], made.kwargs.get("axis"))
        if n > 1:
            yield call(x, **made.kwargs)
            yield call(x, **made.kwargs, ddof=of.pick([1, 2]) if n > 2 else 1)


def pairs(of):
    """Equal and nearly equal arrays, with and without NaN in the same places, and arrays of other shapes."""
    for shape in of.shapes:
        x = of(shape)
        yield call(x, of(shape), equal_nan=of.pick([False, True]))
        yield call(x, x, equal_nan=of.pick([False, True]))
    yield call(of(3, 4), of(4, 3))
    yield call(of(3, 4), of(4))


def close_pairs(of):
    return (made for made in pairs(of) if made.args[0].shape[-1:] == made.args[1].shape[-1:])


# ---- references ----


def axes(axis):
    return tuple(axis) if isinstance(axis, list) else axis


def along(function):
    """A NumPy reduction with the arguments of ours. Sums of bool count."""
    return lambda x, axis=None, keepdims=False: function(x, axis=axes(axis), keepdims=keepdims)


def total(function):
    """Sums and products of integers come modulo 2**64, and are taken modulo the width of the result."""
    reference = along(function)
    return lambda x, **kw: reference(x.astype(np.int64) if x.dtype == bool else x, **kw)


def wide(x):
    return x if x.dtype.kind in "fc" else x.astype(float)


def magnitudes(x, axis=None, keepdims=False):
    return np.sum(np.abs(wide(x)), axis=axes(axis), keepdims=keepdims)


def mean_magnitude(x, axis=None, keepdims=False):
    return np.mean(np.abs(wide(x)), axis=axes(axis), keepdims=keepdims)


def variance(x, axis=None, keepdims=False, ddof=0):
    x = wide(x)
    squares = np.abs(x - np.mean(x, axis=axes(axis), keepdims=True)) ** 2
    return np.sum(squares, axis=axes(axis), keepdims=keepdims) / max(count(x, axis) - ddof, 0)


def count(x, axis) -> int:
    """Elements of x that come together along the axes."""
    along_axes = range(len(x.shape)) if axis is None else np.atleast_1d(np.array(axis, int))
    return int(np.prod([x.shape[i] for i in along_axes]))


def deviation(*args, **kwargs):
    return np.sqrt(variance(*args, **kwargs))


def largest(x, axis=None, keepdims=False, ddof=0):
    """Distances from the mean are wrong by units of the largest number, and so is their quadratic mean."""
    n = count(x, axis)
    return np.max(np.abs(wide(x)), axis=axes(axis), keepdims=keepdims) * np.sqrt(n / max(n - ddof, 1e-9))


def spread(*args, **kwargs):
    """The same for the variance: (d + e)**2 - d**2 = 2de + e**2, with e some units of the largest number."""
    return 2 * largest(*args, **kwargs) * (deviation(*args, **kwargs) + 1e-6 * largest(*args, **kwargs))


def logsumexp(x, axis=None, keepdims=False):
    return scipy.special.logsumexp(wide(x), axis=axes(axis), keepdims=keepdims)


def at_least_one(x, axis=None, keepdims=False):
    return np.maximum(
        np.abs(logsumexp(x, axis, keepdims)), np.max(np.abs(wide(x)), axis=axes(axis), keepdims=keepdims)
    )


# ---- records ----

AXES = (
    bad(lambda of: call(of(2, 4), axis=2), "axis 2", "(2, 4)", error=IndexError),
    bad(lambda of: call(of(2, 4), axis=-3), "axis -3", "(2, 4)", error=IndexError),
    bad(lambda of: call(of(2, 4), axis=(0, 0)), "axis"),
    bad(lambda of: call(of(2, 4), axis=(1, -1)), "axis"),
)
NOTHING = (
    bad(lambda of: call(of(0)), "no element", "(0,)"),
    bad(lambda of: call(of(2, 0), axis=1), "no element", "(2, 0)"),
)
COMMON = {"nonfinite": domains.INFINITE, "samples": samples, "large": large, "bad": AXES}
# Where several elements are the largest, the gradient is shared, which no finite difference sees.
CHOICE = dict(COMMON, samples=nonempty, bad=AXES + NOTHING, tolerance=EXACT, smooth=distinct(-2, 2))
BLOCKS = "sums in blocks round their partial sums: in double for float32, in itself for float64"
SUM = Tolerance(ulp=8, double=64, scale=magnitudes, why=BLOCKS)
MEAN = Tolerance(ulp=8, double=64, scale=mean_magnitude, why=BLOCKS)
STD = Tolerance(ulp=8, double=64, scale=largest, why=BLOCKS)
VARIANCE = Tolerance(ulp=8, double=64, scale=spread, why=BLOCKS)
PRODUCT = Tolerance(ulp=1100, why="one rounding for each of up to 1037 factors")
LOGSUMEXP = Tolerance(
    ulp=8, scale=at_least_one, why="the largest is subtracted, then added: results cancel around 0"
)

DEVIATION = {
    "samples": with_ddof,
    "result": lambda dtype: "float32" if dtype == "complex64" else inexact(dtype),
    "nonfinite": False,
    "extended": True,
    "large": large,
    "bad": AXES,
}


def few_elements(of_two):
    """Two elements (1, 3), one, none: the sum of squares over n - ddof, 0 / 0 where that is 0."""
    return (
        edge("float32", ([1, 3],), of_two, axis=0, ddof=1),
        edge("float32 float16", ([5],), 0, axis=0),
        edge("float32", ([5],), np.nan, axis=0, ddof=1),
        edge("float32", ([5],), np.nan, axis=0, ddof=2),
        edge("float32", ([],), np.nan, axis=0),
    )


RECORDS = [
    Record(
        "sum",
        reference=total(np.sum),
        result=summed,
        tolerance=SUM,
        domain=domains.REAL,
        extended=True,
        **COMMON,
        edges=(
            edge("uint8", ([255, 1],), 256, axis=0),
            edge("int8", ([-128, -1],), -129, axis=0),
            edge("int32", ([2**31 - 1, 1],), -(2**31), axis=0),
            edge("uint64", ([2**64 - 1, 2],), 1, axis=0),
            edge("bool", ([True, True, True],), 3, axis=0),
            edge("float16", ([60000, 60000, -60000],), 60000, axis=0),
        ),
    ),
    Record(
        "prod",
        reference=total(np.prod),
        result=summed,
        tolerance=PRODUCT,
        domain=uniform(0.5, 1.5),
        smooth=uniform(0.5, 1.5),
        extended=True,
        **COMMON,
        edges=(edge("int8", ([-128, -128],), 16384, axis=0), edge("uint32", ([2**31, 2],), 0, axis=0)),
    ),
    Record(
        "max",
        reference=along(np.max),
        **CHOICE,
        edges=(edge("float32", ([1, np.nan, np.inf],), np.nan, axis=0),),
    ),
    Record(
        "min",
        reference=along(np.min),
        **CHOICE,
        edges=(edge("float32", ([1, np.nan, -np.inf],), np.nan, axis=0),),
    ),
    Record("all", reference=along(np.all), result="bool", smooth=None, **COMMON),
    Record("any", reference=along(np.any), result="bool", smooth=None, **COMMON),
    Record("mean", reference=along(np.mean), result=inexact, tolerance=MEAN, extended=True, **COMMON),
    Record("var", reference=variance, tolerance=VARIANCE, edges=few_elements(2), **DEVIATION),
    Record("std", reference=deviation, tolerance=STD, edges=few_elements(2**0.5), **DEVIATION),
    Record(
        "count_nonzero",
        reference=lambda x, **kw: along(np.sum)((x != 0).astype(np.int64), **kw),
        result="int32",
        smooth=None,
        **COMMON,
    ),
    Record(
        "allclose",
        close_pairs,
        lambda a, b, equal_nan=False: np.allclose(a, b, equal_nan=equal_nan),
        result="bool",
        dtypes=("bool", "int8", "uint8", "int16", "float16", "bfloat16", "float32", "float64", "complex64"),
        smooth=None,
        skip={"rejects": "the other types are taken too; as float32 some of their numbers are equal"},
    ),
    Record(
        "array_equal",
        pairs,
        lambda a, b, equal_nan=False: np.array_equal(a, b, equal_nan=equal_nan and a.dtype.kind in "fc"),
        result="bool",
        smooth=None,
    ),
    Record(
        "logsumexp",
        nonempty,
        logsumexp,
        result=inexact,
        complex_domain=uniform(-1, 1),
        nonfinite=False,
        tolerance=LOGSUMEXP,
        large=large,
        bad=AXES,
    ),
]
test_operations = operation_tests(RECORDS, __file__, sanitize=True)


@pytest.mark.parametrize("dtype", ["uint8", "bool"])
def test_more_than_2_31_elements_are_counted(full, dtype):
    if not full:
        pytest.skip("several GiB of memory: ./dev test full")
    n = 2**31 + 77  # five times a number below 2**31
    with one_at_a_time():
        x = mx.ones((n,), dtype=dtypes.of_module(dtype))
        assert mx.sum(x).item() == (n if dtype == "uint8" else n - 2**32)
        assert mx.sum(x.reshape(5, -1), axis=1).tolist() == [n // 5] * 5
        assert mx.max(x).item() == 1
        assert mx.all(x).item() is True
