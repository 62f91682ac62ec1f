"""Records of the Walsh-Hadamard transform (melix/ops/hadamard.h)."""

import functools

import numpy as np
import scipy.linalg

from tests.runner import Record, Tolerance, bad, call, inexact, mx, operation_tests, uniform

LENGTHS = [
    1,
    2,
    4,
    8,
    16,
    32,
    64,
    256,
    1024,
    12,
    24,
    48,
    96,
    192,
    384,
    20,
    40,
    80,
    160,
    320,
    28,
    56,
    112,
    224,
    448,
]


@functools.cache
def matrix(m):
    """The rows of the matrix of order 12, 20 or 28: the transforms of unit vectors."""
    return np.array(mx.hadamard_transform(mx.eye(m), scale=1.0)).T.astype(float)


def factor(n):
    return next(m for m in (12, 20, 28, 1) if n % m == 0 and (n // m).bit_count() == 1)


def reference(x, scale=None):
    n = x.shape[-1] if x.ndim else 1
    m = factor(n)
    power = scipy.linalg.hadamard(n // m).astype(float)
    whole = power if m == 1 else np.kron(matrix(m), power)
    return ((x if x.ndim else x[None]) @ whole.T * (n**-0.5 if scale is None else scale)).reshape(x.shape)


def magnitudes(x, scale=None):
    n = x.shape[-1] if x.ndim else 1
    total = (
        np.abs(x if x.dtype.kind in "fc" else x.astype(float)).sum(-1, keepdims=True) if x.ndim else np.abs(x)
    )
    return np.broadcast_to(total * abs(n**-0.5 if scale is None else scale), x.shape)


def samples(of):
    for n in LENGTHS if of.full else [of.pick(LENGTHS) for _ in range(12)]:
        yield call(of(of.pick([1, 2, 3, 15, 16, 17, 40]), n), scale=of.pick([None, 1.0, -0.25]))
    yield call(of())
    yield call(of(0, 4))
    yield call(of(2, 3, 8))
    yield call(of(1, 8192))
    yield call(of(2, 12 * 1024))


def large(of):
    yield call(of(300, 1024))
    yield call(of(5000, 24))
    yield call(of(1 << 17))


RECORDS = [
    Record(
        "hadamard_transform",
        samples,
        reference,
        result=inexact,
        tolerance=Tolerance(ulp=8, double=64, scale=magnitudes, why="sums of n terms in log n steps"),
        domain=uniform(-4, 4),
        nonfinite=False,
        large=large,
        bad=(
            bad(lambda of: call(of(2, 3)), "(2, 3)", "12, 20 or 28"),
            bad(lambda of: call(of(6)), "(6,)"),
            bad(lambda of: call(of(36)), "(36,)"),
            bad(lambda of: call(of(3, 0)), "(3, 0)"),
        ),
    ),
]
test_operations = operation_tests(RECORDS, __file__)


def test_small_numbers_are_exact():
    for dtype in (mx.float16, mx.bfloat16, mx.float32, mx.float64, mx.complex64):
        x = mx.array([1, 2, 3, 4]).astype(dtype)
        assert mx.hadamard_transform(x, scale=1.0).tolist() == [10, -2, -4, 0]


def test_matrices_are_orthogonal():
    for m in (12, 20, 28):
        assert np.array_equal(matrix(m) @ matrix(m).T, m * np.eye(m)), m
        assert set(np.unique(matrix(m))) == {-1.0, 1.0}


def test_matrices_are_those_that_files_of_weights_expect():
    """Rotated weights were made with these signs: the first rows as MLX has them."""
    assert "".join("+-"[int(v < 0)] for v in matrix(12)[1]) == "--+-+-+-+-+-"
    assert "".join("+-"[int(v < 0)] for v in matrix(20)[7]) == "++-++--+---+-+--+++-"
    assert "".join("+-"[int(v < 0)] for v in matrix(28)[14]) == "-+-++-++--++--+--------++++-"
