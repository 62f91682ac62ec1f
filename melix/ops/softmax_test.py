"""Records of the softmax (melix/ops/softmax.h)."""

import numpy as np

from tests.runner import Record, Tolerance, bad, call, domains, edge, inexact, mx, operation_tests, uniform


def samples(of):
    """Every axis, several and all; short rows, rows of several blocks, columns."""
    for shape in of.shapes:
        yield call(of(shape), precise=of.pick([False, True]))
        if shape:
            yield call(of(shape), axis=of.pick(range(-len(shape), len(shape))))
        if len(shape) > 1:
            yield call(of(shape), axis=(0, -1))
    yield call(of(2, 3, 4), axis=())
    yield call(of(3, 1037), axis=1)
    yield call(of(1037, 3), axis=0)
    yield call(of(3, 37, 40), axis=1)
    yield call(of(2, 3, 5, 20), axis=[1, 2])


def large(of):
    yield call(of(1203, 509), axis=-1)
    yield call(of(603, 1040), axis=0)
    yield call(of(2, 100003), axis=-1)


def softmax(x, axis=None, precise=False):
    x = x if x.dtype.kind in "fc" else x.astype(float)
    axis = tuple(axis) if isinstance(axis, list) else axis
    if x.size == 0:
        return x
    e = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return e / np.sum(e, axis=axis, keepdims=True)


def amplified(x, axis=None, precise=False):
    """The difference from the largest is rounded, and its error is multiplied by the result."""
    x = x if x.dtype.kind in "fc" else x.astype(float)
    axis = tuple(axis) if isinstance(axis, list) else axis
    if x.size == 0:
        return np.abs(x)
    size = np.max(np.where(np.isfinite(x), np.abs(x), 0), axis=axis, keepdims=True)
    return np.abs(softmax(x, axis)) * (1 + size)


RECORDS = [
    Record(
        "softmax",
        samples,
        softmax,
        result=inexact,
        domain=uniform(-20, 20),
        complex_domain=uniform(-1, 1),
        tolerance=Tolerance(
            ulp=8, scale=amplified, why="a difference, exp, a sum of up to 1037 terms, a product"
        ),
        nonfinite=domains.INFINITE,
        large=large,
        bad=(
            bad(lambda of: call(of(2, 4), axis=3), "axis 3", "(2, 4)", error=IndexError),
            bad(lambda of: call(of(2, 4), axis=(1, -1)), "axis"),
        ),
        edges=(
            edge("float32 float16 float64", ([0.0, -np.inf, 0.0],), [0.5, 0.0, 0.5], axis=0),
            edge("float32", ([-np.inf, -np.inf],), [np.nan, np.nan], axis=0),
            edge("float32", ([1e4, 1e4],), [0.5, 0.5], axis=0),
        ),
    ),
]
test_operations = operation_tests(RECORDS, __file__)


def test_long_rows_sum_to_one_in_any_layout():
    rng = np.random.default_rng(3)
    for shape in [(1, 40000), (3, 65537), (70001,)]:
        x = rng.standard_normal(shape).astype(np.float32) * 3
        x[..., 5:16390] = -np.inf  # the first chunk has next to nothing
        expected = softmax(x.astype(np.float64), axis=-1)
        got = np.array(mx.softmax(mx.array(x), axis=-1))
        assert np.allclose(got, expected, rtol=1e-5, atol=0)
        scaled = np.array(mx.softmax(mx.array(x) * 2 + 1, axis=-1))
        assert np.array_equal(scaled, np.array(mx.softmax(mx.array(x * 2 + 1), axis=-1)))
    columns = np.array(mx.softmax(mx.transpose(mx.array(x.reshape(-1, 1))), axis=-1))
    assert np.array_equal(columns[0], got)
