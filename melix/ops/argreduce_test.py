"""Records of argmax, argmin and minmax (melix/ops/argreduce.h)."""

import numpy as np

from tests.runner import EXACT, Record, bad, call, edge, operation_tests
from tests.runner.domains import distinct


def samples(of):
    """Every axis and none; long rows, and columns narrow and wide."""
    for shape in of.shapes:
        if 0 in shape:
            continue
        yield call(of(shape), keepdims=of.pick([False, True]))
        if shape:
            axis = of.pick(range(-len(shape), len(shape)))
            yield call(of(shape), axis=axis, keepdims=of.pick([False, True]))
    yield call(of(3, 1037), axis=1)
    yield call(of(1037, 3), axis=0)
    yield call(of(2, 67, 5, 7), axis=1)


def large(of):
    yield call(of(1203, 509))
    yield call(of(1203, 509), axis=0)
    yield call(of(1203, 509), axis=1)


def both(x, axis=None, keepdims=False):
    return np.min(x, axis=axis, keepdims=keepdims), np.max(x, axis=axis, keepdims=keepdims)


BAD = (
    bad(lambda of: call(of(2, 4), axis=2), "axis 2", "(2, 4)", error=IndexError),
    bad(lambda of: call(of(0)), "no element", "(0,)"),
    bad(lambda of: call(of(2, 0), axis=0), "no element", "(2, 0)"),
)


def first_of(values, place):
    return edge("float32 float16 float64", (values,), place, axis=0)


RECORDS = [
    Record(
        "argmax",
        samples,
        np.argmax,
        result="uint32",
        smooth=None,
        large=large,
        bad=BAD,
        edges=(first_of([1, np.nan, np.inf, np.nan], 1), first_of([-0.0, 0.0], 0), first_of([2, 3, 3], 1)),
    ),
    Record(
        "argmin",
        samples,
        np.argmin,
        result="uint32",
        smooth=None,
        large=large,
        bad=BAD,
        edges=(first_of([1, np.nan, -np.inf, np.nan], 1), first_of([0.0, -0.0], 0), first_of([2, 1, 1], 1)),
    ),
    Record(
        "minmax",
        samples,
        both,
        result=lambda dtype: [dtype, dtype],
        tolerance=EXACT,
        smooth=distinct(-2, 2),
    ),
]
test_operations = operation_tests(RECORDS, __file__)
