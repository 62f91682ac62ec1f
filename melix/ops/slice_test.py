"""Records of slices with dynamic starts (melix/ops/slice.h). Those of a[1:3] are in tests/indexing_test.py."""

import numpy as np

from tests.runner import EXACT, Record, bad, call, operation_tests


def starts(of, *values):
    return of.given(values, dtype=of.pick(["int32", "int64", "uint32", "int8"]))


def samples(of):
    """Starts of any sign, along some axes in any order, inside and (negative or too large) outside."""
    yield call(of(7), starts(of, 2), (0,), (3,))
    yield call(of(7), of.given(2, dtype="int32"), (0,), (3,))
    yield call(of(4, 5), starts(of, 1, 3), (0, 1), (2, 2))
    yield call(of(4, 5), starts(of, 3, 1), (1, 0), (2, 2))
    yield call(of(4, 5), starts(of, 3), (-1,), (4, 1))
    yield call(of(4, 5), starts(of, 100), (0,), (2, 5))
    yield call(of(4, 5), of.given([-2], dtype="int32"), (0,), (2, 5))
    yield call(of(4, 5), of.given([-2, -100], dtype="int64"), (0, 1), (3, 4))
    yield call(of(3, 4, 5), starts(of, 1), (1,), (2, 2, 4))
    yield call(of(3, 0, 5), starts(of, 1), (0,), (2, 0, 5))
    yield call(of(3, 4), starts(of, 3), (0,), (0, 4))


def large(of):
    yield call(of(300, 700), starts(of, 5, 7), (0, 1), (290, 650))
    yield call(of(5, 70000), starts(of, 9), (1,), (5, 66000))


def place(start, n, size):
    """Negative numbers count from the end, once; then the part is moved inside."""
    start = int(start) + n if start < 0 else int(start)
    return min(max(start, 0), n - size)


def read(x, start, axes, size):
    first = [0] * x.ndim
    for value, axis in zip(np.atleast_1d(start), axes):
        first[axis] = place(value, x.shape[axis], size[axis])
    return x[tuple(slice(f, f + n) for f, n in zip(first, size))]


def update_samples(of):
    """Parts that fit, and parts that begin outside, which are not written."""
    yield call(of(7), of(3), starts(of, 2), (0,))
    yield call(of(4, 5), of(2, 2), starts(of, 1, 3), (0, 1))
    yield call(of(4, 5), of(2, 2), starts(of, 3, 1), (1, 0))
    yield call(of(4, 5), of(5), starts(of, 3), (0,))
    yield call(of(4, 5), of(1), starts(of, 3), (1,))
    yield call(of(4, 5), of(), starts(of, 3, 3), (0, 1))
    yield call(of(4, 5), of(2, 5), of.given([-2], dtype="int32"), (0,))
    yield call(of(4, 5), of(2, 5), starts(of, 3), (0,))
    yield call(of(4, 5), of(2, 5), of.given([-100], dtype="int64"), (0,))
    yield call(of(3, 4, 5), of(2, 2, 4), starts(of, 1), (1,))
    yield call(of(3, 4), of(0, 4), starts(of, 3), (0,))


def update_large(of):
    yield call(of(300, 700), of(290, 650), starts(of, 5, 7), (0, 1))


def update(x, values, start, axes):
    axes = [axis % x.ndim for axis in axes]
    lead = x.ndim - values.ndim
    size = [1 if d in axes else x.shape[d] for d in range(lead)] + list(values.shape)
    out, first = x.copy(), [0] * x.ndim
    for value, axis in zip(np.atleast_1d(start), axes):
        first[axis] = int(value) + x.shape[axis] if value < 0 else int(value)
        if not 0 <= first[axis] <= x.shape[axis] - size[axis]:
            return out
    out[tuple(slice(f, f + n) for f, n in zip(first, size))] = values
    return out


RECORDS = [
    Record(
        "slice",
        samples,
        read,
        tolerance=EXACT,
        large=large,
        bad=(
            bad(
                lambda of: call(of(2, 4), of.given([1], "int32"), (2,), (1, 1)),
                "axis 2",
                "(2, 4)",
                error=IndexError,
            ),
            bad(lambda of: call(of(2, 4), of.given([1, 1], "int32"), (0, 0), (1, 1)), "axis 0", "twice"),
            bad(lambda of: call(of(2, 4), of.given([1], "int32"), (0,), (3, 4)), "(3, 4)", "(2, 4)"),
            bad(lambda of: call(of(2, 4), of.given([1], "int32"), (0,), (1,)), "(1,)", "(2, 4)"),
            bad(lambda of: call(of(2, 4), of.given([1, 1], "int32"), (0,), (1, 1)), "start_indices", "(2,)"),
        ),
    ),
    Record(
        "slice_update",
        update_samples,
        update,
        tolerance=EXACT,
        large=update_large,
        bad=(
            bad(lambda of: call(of(2, 4), of(3, 4), of.given([0], "int32"), (0,)), "(3, 4)", "(2, 4)"),
            bad(lambda of: call(of(2, 4), of(1, 1, 1), of.given([0], "int32"), (0,)), "(1, 1, 1)", "(2, 4)"),
            bad(
                lambda of: call(of(2, 4), of(1, 1), of.given([0, 0], "int32"), (0,)), "start_indices", "(2,)"
            ),
        ),
    ),
]
test_operations = operation_tests(RECORDS, __file__)
