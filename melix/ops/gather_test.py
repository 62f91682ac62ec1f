"""Records of take and take_along_axis (melix/ops/gather.h)."""

import numpy as np

from tests.runner import EXACT, Record, bad, call, operation_tests


def indices(of, shape, n):
    """Places of an axis of n elements, of any sign, and a few out of range."""
    dtype = of.pick(["int32", "int64", "uint32", "int16", "uint8"])
    low = 0 if dtype[0] == "u" else -n - 1
    return of.drawn(shape, lambda rng: rng.integers(low, max(n + 2, 1), shape), dtype=dtype)


def nearest(index, n):
    """Negative indices count from the end, once; then the nearest element is taken."""
    index = np.asarray(index).astype(np.int64)
    return np.clip(np.where(index < 0, index + n, index), 0, max(n - 1, 0))


def take_samples(of):
    for shape, axis in [
        ((6,), 0),
        ((4, 5), 0),
        ((4, 5), 1),
        ((4, 5), -2),
        ((3, 4, 5), 1),
        ((2, 3, 4, 17), -1),
        ((2, 1, 3, 7), 1),
    ]:
        n = shape[axis]
        for index in [(), (3,), (0,), (2, 3), (2, 1, 70)]:
            yield call(of(shape), indices(of, index, n), axis)
    yield call(of(3, 4), indices(of, (2, 3), 12))
    yield call(of(3, 0), indices(of, (2,), 3), 0)
    yield call(of(0, 3), indices(of, (0,), 1), 0)


def take_large(of):
    yield call(of(4000, 33), indices(of, (5000,), 4000), 0)
    yield call(of(33, 4000), indices(of, (5000,), 4000), 1)
    yield call(of(5, 70000), indices(of, (3,), 5), 0)
    yield call(of(70000, 5), indices(of, (2,), 5), 1)


def take(x, index, axis=None):
    x = x.reshape(-1) if axis is None else x
    axis = 0 if axis is None else axis
    return np.take(x, nearest(index, x.shape[axis]), axis)


def along_samples(of):
    for shape, axis in [((6,), 0), ((4, 5), 0), ((4, 5), 1), ((3, 4, 5), 1), ((2, 3, 4, 17), -1)]:
        for length in (1, 3, 0, 9):
            index = list(shape)
            index[axis] = length
            yield call(of(shape), indices(of, tuple(index), shape[axis]), axis)
    yield call(of(4, 5), indices(of, (4, 2), 5))
    yield call(of(4, 5), indices(of, (1, 2), 5), 1)
    yield call(of(1, 5), indices(of, (4, 2), 5), 1)
    yield call(of(3, 4), indices(of, (7,), 12), None)


def along_large(of):
    yield call(of(700, 301), indices(of, (700, 200), 301), 1)
    yield call(of(301, 700), indices(of, (200, 700), 301), 0)


def take_along(x, index, axis=-1):
    if axis is None:
        return x.reshape(-1)[nearest(index.reshape(-1), x.size)]
    rows = list(
        np.broadcast_shapes(
            *(tuple(1 if d == axis % x.ndim else n for d, n in enumerate(s.shape)) for s in (x, index))
        )
    )
    shapes = [rows.copy(), rows.copy()]
    shapes[0][axis], shapes[1][axis] = x.shape[axis], index.shape[axis]
    index = np.broadcast_to(nearest(index, x.shape[axis]), shapes[1])
    return np.take_along_axis(np.broadcast_to(x, shapes[0]), index, axis)


RECORDS = [
    Record(
        "take",
        take_samples,
        take,
        tolerance=EXACT,
        large=take_large,
        bad=(
            bad(lambda of: call(of(2, 4), of.given([0], "int32"), 2), "axis 2", "(2, 4)", error=IndexError),
            bad(lambda of: call(of(2, 4), of.given([0.0], "float32"), 0), "float32"),
            bad(lambda of: call(of(2, 4), of.given([True], "bool"), 0), "bool"),
            bad(lambda of: call(of(0, 4), of.given([0], "int32"), 0), "no element", "(0, 4)"),
        ),
    ),
    Record(
        "take_along_axis",
        along_samples,
        take_along,
        tolerance=EXACT,
        large=along_large,
        bad=(
            bad(lambda of: call(of(2, 4), of.given([[0]], "int32"), 2), "axis 2", "(2, 4)", error=IndexError),
            bad(lambda of: call(of(2, 4), of.given([0], "int32"), 1), "(1,)", "(2, 4)"),
            bad(lambda of: call(of(2, 4), of.given([[0], [0], [0]], "int32"), 1), "(2, 1)", "(3, 1)"),
            bad(lambda of: call(of(2, 4), of.given([[0.0]], "float32"), 1), "float32"),
        ),
    ),
]
test_operations = operation_tests(RECORDS, __file__)
