"""Records of put_along_axis (melix/ops/scatter.h). The other ways to write are in tests/indexing_test.py."""

import numpy as np

from tests.runner import EXACT, Record, bad, call, operation_tests


def indices(of, shape, n):
    """Places of an axis of n elements, of any sign, repeated ones among them, and a few out of range."""
    dtype = of.pick(["int32", "int64", "uint32", "int16"])
    low = 0 if dtype[0] == "u" else -n - 1
    return of.drawn(shape, lambda rng: rng.integers(low, n + 1, shape), dtype=dtype)


def samples(of):
    for shape, axis in [((6,), 0), ((4, 5), 0), ((4, 5), 1), ((3, 4, 5), 1), ((2, 3, 4, 17), -1)]:
        for length in (1, 3, 0, 9):
            index = list(shape)
            index[axis] = length
            yield call(of(shape), indices(of, tuple(index), shape[axis]), of(tuple(index)), axis)
    yield call(of(4, 5), indices(of, (4, 2), 5), of(), 1)
    yield call(of(4, 5), indices(of, (1, 2), 5), of(1, 2), 1)
    yield call(of(4, 5), indices(of, (4, 2), 5), of(1, 2), 1)
    yield call(of(3, 4), indices(of, (2, 3), 12), of(2, 3))
    yield call(of(3, 4), indices(of, (2, 3), 12), of(3))


def large(of):
    yield call(of(700, 301), indices(of, (700, 200), 301), of(700, 200), 1)
    yield call(of(301, 700), indices(of, (200, 700), 301), of(200, 700), 0)


def put(x, index, values, axis=None):
    """One after the other: the last of several values for one place stays."""
    if axis is None:
        shape = np.broadcast_shapes(index.shape, values.shape)
        values = np.broadcast_to(values, shape).reshape(-1)
        return put(x.reshape(-1), index.reshape(-1), values, 0).reshape(x.shape)
    shape = list(x.shape)
    shape[axis] = index.shape[axis]
    index, values = (np.moveaxis(np.broadcast_to(v, shape), axis, -1) for v in (index, values))
    out = np.moveaxis(x.copy(), axis, -1)
    for row in np.ndindex(*out.shape[:-1]):
        for at, value in zip(index[row].astype(np.int64), values[row]):
            at = at + out.shape[-1] if at < 0 else at
            if 0 <= at < out.shape[-1]:
                out[(*row, at)] = value
    return np.moveaxis(out, -1, axis)


RECORDS = [
    Record(
        "put_along_axis",
        samples,
        put,
        tolerance=EXACT,
        large=large,
        bad=(
            bad(
                lambda of: call(of(2, 4), of.given([[0]], "int32"), of(1, 1), 2),
                "axis 2",
                "(2, 4)",
                error=IndexError,
            ),
            bad(lambda of: call(of(2, 4), of.given([0], "int32"), of(1), 1), "(1,)", "(2, 4)"),
            bad(lambda of: call(of(2, 4), of.given([[0.0]], "float32"), of(1, 1), 1), "float32"),
        ),
    ),
]
test_operations = operation_tests(RECORDS, __file__)
