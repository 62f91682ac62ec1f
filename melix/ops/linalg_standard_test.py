"""Records of what the array API has in linalg beyond linalg.h (melix/ops/linalg_standard.h)."""

import numpy as np
import pytest

import melix.core as mx
from tests.runner import Record, Tolerance, bad, call, inexact, operation_tests, uniform

ORDS = [0, 1, 2, 3, 0.5, -1, float("inf"), -float("inf")]
FIELD = ("float32", "float64", "complex64")
LAPACK = {"instruction_sets": "LAPACK uses the fused multiply-add of an instruction set (docs/numerics.md)"}


def real(dtype):
    return "float32" if inexact(dtype) == "complex64" else inexact(dtype)


def wide(function):
    """In double, of integers too."""
    return lambda a, *args, **kwargs: function(
        a if a.dtype.kind in "fc" else a.astype(float), *args, **kwargs
    )


def vectors(of):
    for shape in of.shapes:
        if 0 not in shape:
            yield call(of(shape, low=-90, high=90), ord=of.pick(ORDS), keepdims=of.pick([True, False]))
    for axis in (0, -1, (0, 2), (2, 1), (0, 1, 2)):
        yield call(
            of(4, 3, 5, low=-90, high=90), axis=axis, ord=of.pick(ORDS), keepdims=of.pick([True, False])
        )


def vector_norm(a, axis=None, keepdims=False, ord=2):
    if a.ndim == 0:
        return np.abs(a) if ord != 0 else (a != 0).astype(float)
    return np.linalg.vector_norm(a, axis=axis, keepdims=keepdims, ord=ord)


def magnitudes(a, **kwargs):
    return np.full(vector_norm(a, **kwargs).shape, max(1.0, float(np.abs(a).max(initial=0)) * a.size))


def powers(of):
    for shape in ((1, 1), (3, 3), (2, 4, 4), (2, 0, 3, 3)):
        for n in (0, 1, 2, 3, 7):
            yield call(of(shape), n)
    yield call(of.drawn((3, 3), lambda rng: np.eye(3) * 3 + rng.uniform(-1, 1, (3, 3))), -3)


def power_magnitudes(a, n):
    """Sums of products of magnitudes; of an inverse, those of its own elements."""
    if n < 0:
        return np.linalg.matrix_power(np.abs(np.linalg.inv(a)), -n) * 30
    return np.linalg.matrix_power(np.abs(a), n) * 4 + 1e-30


NORM = Tolerance(ulp=8, scale=lambda a, **kwargs: magnitudes(a, **kwargs), why="sums of powers, and a root")
POWER = Tolerance(ulp=16, scale=power_magnitudes, why="products of products")


RECORDS = [
    Record(
        "linalg.vector_norm",
        vectors,
        wide(vector_norm),
        result=real,
        tolerance=NORM,
        domain=uniform(-4, 4),
        nonfinite=False,
        smooth=None,
        bad=(bad(lambda of: call(of(2, 3), axis=2), "axis 2", "(2, 3)", error=IndexError, dtype="float32"),),
    ),
    Record(
        "linalg.matrix_power",
        powers,
        np.linalg.matrix_power,
        dtypes=FIELD,
        tolerance=POWER,
        domain=uniform(-1, 1),
        nonfinite=False,
        bad=(
            bad(lambda of: call(of(3), 2), "(3,)", "no matrix", dtype="float32"),
            bad(lambda of: call(of(2, 3), 2), "(2, 3)", "not square", dtype="float32"),
        ),
        skip={
            **LAPACK,
            "rejects": "other types are multiplied too; inverses, which they lack, are negative powers",
        },
    ),
]
test_operations = operation_tests(RECORDS, __file__)


def low_rank(rng, shape, rank):
    return rng.standard_normal((*shape[:-1], rank)) @ rng.standard_normal((*shape[:-2], rank, shape[-1]))


@pytest.mark.parametrize("shape", [(5, 5), (7, 4), (3, 4, 6), (2, 1, 3, 2)])
@pytest.mark.parametrize("dtype", FIELD)
def test_rank_and_singular_values_are_those_of_numpy(shape, dtype):
    rng = np.random.default_rng(0)
    for rank in range(min(shape[-2:]) + 1):
        a = low_rank(rng, shape, rank)
        given = mx.array(a.astype(np.float32 if dtype == "float32" else dtype), getattr(mx, dtype))
        assert np.array_equal(mx.linalg.matrix_rank(given), np.linalg.matrix_rank(a))
        assert mx.array_equal(mx.linalg.svdvals(given), mx.linalg.svd(given, False))
    diagonal = mx.diag(mx.array([1.0, 0.1, 0.01]))
    assert mx.linalg.matrix_rank(diagonal, rtol=0.05).item() == 2
    assert mx.linalg.matrix_rank(mx.zeros((2, 0, 3))).tolist() == [0, 0]
    assert mx.linalg.matrix_rank(mx.zeros((3, 3))).item() == 0


def test_products_and_diagonals_are_those_of_the_core():
    a, b = mx.random.normal((2, 3, 4)), mx.random.normal((2, 4, 3))
    u, v = mx.random.normal((5,)), mx.random.normal((5,))
    pairs = [
        (mx.linalg.matmul(a, b), mx.matmul(a, b)),
        (mx.linalg.matrix_transpose(a), mx.matrix_transpose(a)),
        (mx.linalg.outer(u, v), mx.outer(u, v)),
        (mx.linalg.tensordot(a, b, axes=[[2], [1]]), mx.tensordot(a, b, axes=[[2], [1]])),
        (mx.linalg.vecdot(u, v), mx.vecdot(u, v)),
        (mx.linalg.diagonal(a, offset=1), mx.diagonal(a, 1, 1, 2)),
        (mx.linalg.trace(a), mx.trace(a, 0, 1, 2)),
        (mx.linalg.matrix_norm(a), mx.linalg.norm(a, "fro", (1, 2))),
        (mx.linalg.matrix_norm(a, ord=1.0, keepdims=True), mx.linalg.norm(a, 1, (1, 2), keepdims=True)),
    ]
    for given, wanted in pairs:
        assert mx.array_equal(given, wanted)


@pytest.mark.parametrize("name", ["matrix_rank", "diagonal", "trace", "matrix_norm"])
def test_a_vector_is_no_matrix(name):
    with pytest.raises(ValueError, match=rf"\[{name}\] shape \(3,\) is that of no matrix"):
        getattr(mx.linalg, name)(mx.ones(3))
