"""Records of norms and cross products (melix/ops/linalg.h)."""

import numpy as np

from tests.runner import (
    Record,
    Tolerance,
    bad,
    call,
    domains,
    inexact,
    operation_tests,
    uniform,
)

FIELD = ("float32", "float64", "complex64")


def real(dtype):
    return "float32" if dtype == "complex64" else dtype


def real_inexact(dtype):
    return real(inexact(dtype))


# ---- norms and cross products ----

VECTOR_ORDS = [None, 0, 1, 2, 3, 0.5, -1, -2.5, float("inf"), -float("inf")]
MATRIX_ORDS = [None, "fro", "f", 1, -1, float("inf"), -float("inf")]


def numbers_to_square(of, *shape):
    """Integers whose squares float32 can hold."""
    return of(*shape, low=-1000, high=1000)


def norm_samples(of):
    for shape in of.shapes:
        yield call(numbers_to_square(of, shape))
        if shape and 0 not in shape:
            axis = of.pick(range(-len(shape), len(shape)))
            yield call(numbers_to_square(of, shape), of.pick(VECTOR_ORDS), axis, of.pick([True, False]))
    for ord in VECTOR_ORDS:
        yield call(numbers_to_square(of, 7), ord)
        yield call(numbers_to_square(of, 3, 5), ord, axis=of.pick([0, 1]))
    for ord in MATRIX_ORDS:
        yield call(numbers_to_square(of, 3, 4), ord)
        axes = of.pick([(0, 1), (2, 0), (-1, -2)])
        yield call(numbers_to_square(of, 2, 3, 4), ord, axis=axes, keepdims=of.pick([True, False]))


def norm(a, ord=None, axis=None, keepdims=False):
    a = a if a.dtype.kind in "fc" else a.astype(float)
    if a.ndim == 0:
        return np.abs(a)
    if ord is None and axis is None:
        return np.sqrt(np.sum(np.abs(a) ** 2, keepdims=keepdims))
    return np.linalg.norm(a, "fro" if ord == "f" else ord, axis, keepdims)


def singular_norm_samples(of):
    for ord in (2, -2, "nuc"):
        yield call(of(3, 5), ord)
        yield call(of(2, 4, 3), ord, axis=(1, 2))
        yield call(of(4, 2, 3), ord, axis=(2, 0), keepdims=True)


def largest(a, ord=None, axis=None, keepdims=False):
    return norm(a, "nuc", axis, keepdims)


def cross_samples(of):
    for a, b, axis in [
        ((3,), (3,), -1),
        ((2,), (3,), -1),
        ((3,), (2,), 0),
        ((2,), (2,), -1),
        ((4, 3), (3,), -1),
        ((4, 1, 3), (5, 3), -1),
        ((3, 4), (3, 1), 0),
        ((2, 4), (3, 4), -2),
        ((5, 3, 2), (5, 2, 2), 1),
        ((0, 3), (3,), -1),
    ]:
        yield call(of(a), of(b), axis=axis)


def cross_terms(a, b, axis):
    """The three differences as pairs of products. An element that is missing has none, even with an infinite one."""
    a, b = np.moveaxis(a, axis, -1), np.moveaxis(b, axis, -1)
    if a.dtype == bool:
        a, b = a.astype(int), b.astype(int)
    none = np.zeros(np.broadcast_shapes(a.shape[:-1], b.shape[:-1]), a.dtype)

    def product(i, j):
        return a[..., i] * b[..., j] + none if i < a.shape[-1] and j < b.shape[-1] else none

    return [(product(i, j), product(j, i)) for i, j in ((1, 2), (2, 0), (0, 1))]


def cross(a, b, axis=-1):
    out = np.moveaxis(np.stack([x - y for x, y in cross_terms(a, b, axis)], -1), -1, axis)
    return out != 0 if a.dtype == bool else out


def cross_size(a, b, axis=-1):
    terms = cross_terms(np.abs(a), np.abs(b), axis)
    return np.moveaxis(np.stack([x + y for x, y in terms], -1), -1, axis)


RECORDS = [
    Record(
        "linalg.norm",
        norm_samples,
        norm,
        result=real_inexact,
        smooth=uniform(0.5, 2.5),
        tolerance=Tolerance(ulp=16, double=64, why="a sum, and powers of it"),
        nonfinite=domains.INFINITE,
        bad=(
            bad(lambda of: call(of(2, 3, 4), 2), "axis or two"),
            bad(lambda of: call(of(2, 3, 4), axis=(0, 1, 2)), "axis or two"),
            bad(lambda of: call(of(), 2), "()"),
            bad(lambda of: call(of(3), "fro"), "fro"),
            bad(lambda of: call(of(3, 4), "big"), "big"),
            bad(lambda of: call(of(3, 4), 3), "3"),
            bad(lambda of: call(of(3, 4), 0), "0"),
            bad(lambda of: call(of(3, 4), axis=(1, -1)), "axis"),
            bad(lambda of: call(of(3, 4), axis=2), "axis 2", "(3, 4)", error=IndexError),
        ),
    ),
    Record(
        "linalg.norm",
        singular_norm_samples,
        norm,
        variant="singular",
        dtypes=FIELD,
        only=("value", "gradient", "second", "jvp", "vmap", "compiled", "exported"),
        result=real_inexact,
        nonfinite=False,
        tolerance=Tolerance(
            ulp=16, double=64, scale=largest, why="the error of all is eps times the largest one"
        ),
    ),
    Record(
        "matrix_norm",
        lambda of: (
            call(numbers_to_square(of, shape), of.pick(MATRIX_ORDS), keepdims=of.pick([True, False]))
            for shape in [(3, 4), (2, 3, 4), (2, 1, 5, 2), (1, 1)]
        ),
        lambda a, ord=None, keepdims=False: norm(a, ord or "fro", (-2, -1), keepdims),
        result=real_inexact,
        smooth=uniform(0.5, 2.5),
        tolerance=Tolerance(ulp=16, double=64, why="a sum, and powers of it"),
        nonfinite=domains.INFINITE,
        bad=(
            bad(lambda of: call(of(3)), "(3,)"),
            bad(lambda of: call(of(3, 4), axis=1), "axes"),
            bad(lambda of: call(of(3, 4), "big"), "big"),
        ),
    ),
    Record(
        "linalg.cross",
        cross_samples,
        cross,
        tolerance=Tolerance(ulp=4, scale=cross_size, why="a difference of two products"),
        nonfinite=domains.INFINITE,
        bad=(
            bad(lambda of: call(of(4), of(4)), "(4,)"),
            bad(lambda of: call(of(2, 3), of(3), axis=1), "axis 1", error=IndexError),
            bad(lambda of: call(of(2, 3), of(4, 3)), "(2,"),
            bad(lambda of: call(of(), of(3)), "scalar"),
        ),
    ),
]
test_operations = operation_tests(RECORDS, __file__)
