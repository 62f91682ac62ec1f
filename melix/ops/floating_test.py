"""Records of signbit, copysign, nextafter and hypot (melix/ops/floating.h)."""

import numpy as np
import pytest

import melix.core as mx
from tests.runner import EXACT, REAL, Record, Tolerance, bad, call, edge, inexact, operation_tests
from tests.runner.domains import REAL as NUMBERS
from tests.runner.domains import grid, magnitudes, mixed


def unary(of):
    for shape in of.shapes:
        yield call(of(shape))


def pairs(of):
    for shape in of.shapes:
        yield call(of(shape), of(shape, argument=1))
    for left, right in (((4, 1), (1, 6)), ((), (3, 5)), ((2, 1, 3), (4, 1))):
        yield call(of(left), of(right, argument=1))


def large(of):
    yield call(of(701, 523), of(701, 523, argument=1))


SHAPES = (bad(lambda of: call(of(2, 3), of(4)), "(2, 3)", "(4,)", dtype="float32"),)


def in_double(function):
    """NumPy's own results for small integers are float16."""

    def reference(a, b):
        kind = np.result_type(a, b, float)
        return function(a.astype(kind), b.astype(kind))

    return reference


ROUNDED = Tolerance(ulp=0.5, double=0.5, why="integers are converted")
BINARY = {"dtypes": REAL, "result": inexact, "large": large}
APART = (grid(0.1, 0.025), grid(0.1, 0.05))  # no kinks between

RECORDS = [
    Record("signbit", unary, np.signbit, dtypes=REAL, result="bool", tolerance=EXACT, smooth=None),
    Record("copysign", pairs, in_double(np.copysign), tolerance=ROUNDED, smooth=APART, bad=SHAPES, **BINARY),
    Record(
        "hypot",
        pairs,
        in_double(np.hypot),
        domain=mixed(NUMBERS, magnitudes(1e-3, 1e3)),
        smooth=APART,
        extended=True,
        bad=SHAPES,
        edges=(
            edge(
                "float32",
                ([3e38, 1e-40, 0, np.inf, np.nan, -3], [1e38, 0, 0, np.nan, -np.inf, 4]),
                [np.hypot(3e38, 1e38), 1e-40, 0, np.inf, np.inf, 5],
            ),
            edge("float16", ([300.0, 6e-8], [400.0, 0]), [500, 6e-8]),
        ),
        **BINARY,
    ),
    # Which number is next depends on the type: see the tests below.
    Record(
        "nextafter",
        pairs,
        None,
        smooth=None,
        bad=SHAPES,
        edges=(
            edge("bfloat16", ([1.0, 1.0, -1.0], [2.0, 0.0, -1.0]), [1.0078125, 0.99609375, -1]),
            edge(
                "float32 float64 float16 bfloat16",
                ([np.nan, 1.0, np.inf, 0.0], [1.0, np.nan, np.inf, 0.0]),
                [np.nan, np.nan, np.inf, 0],
            ),
        ),
        **BINARY,
    ),
]
test_operations = operation_tests(RECORDS, __file__)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_nextafter_is_that_of_numpy(dtype):
    info = np.finfo(dtype)
    values = [
        0.0,
        -0.0,
        info.tiny,
        info.smallest_subnormal,
        1,
        1 + info.eps,
        info.max,
        np.inf,
        np.nan,
        np.pi,
        100,
    ]
    values = np.array([*values, *(-value for value in values)], dtype)
    a, b = (array.ravel() for array in np.meshgrid(values, values))
    wanted, given = (
        np.nextafter(a, b),
        np.array(mx.nextafter(*(mx.array(x, getattr(mx, dtype)) for x in (a, b)))),
    )
    np.testing.assert_array_equal(given, wanted)
    zero = (wanted == 0) & (a != b)
    np.testing.assert_array_equal(np.signbit(given[zero]), np.signbit(wanted[zero]))
