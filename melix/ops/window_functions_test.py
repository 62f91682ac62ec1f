"""Records of the windows of signal processing (melix/ops/window_functions.h)."""

import numpy as np

from tests.runner import Record, Tolerance, call, operation_tests

NAMES = ("hanning", "hamming", "blackman", "bartlett")


def samples(of):
    for points in (-2, 0, 1, 2, 3, 4, 5, 64, 101):
        yield call(points)
    yield call(M=7)


def reference(name):
    return lambda points=None, M=None: getattr(np, name)(M if points is None else points)


RECORDS = [
    Record(
        name,
        samples,
        reference(name),
        dtypes=("float32",),
        tolerance=Tolerance(
            ulp=1, scale=lambda *args, **kwargs: np.float64(1e-7), why="computed in double, rounded"
        ),
        only=("value", "type"),
    )
    for name in NAMES
]
test_operations = operation_tests(RECORDS, __file__)
