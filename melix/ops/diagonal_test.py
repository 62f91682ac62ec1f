"""Records of diagonals and triangles (melix/ops/diagonal.h)."""

import numpy as np

from tests.runner import EXACT, Record, Tolerance, bad, call, domains, operation_tests


def diagonals(of):
    for shape in ((3, 3), (2, 5), (5, 2), (1, 1), (0, 3), (17, 23)):
        for offset in (0, 1, -1, of.pick([-9, 3, 9])):
            yield call(of(shape), offset)
    yield call(of(2, 3, 4))
    yield call(of(2, 3, 4), 1, 2, 0)
    yield call(of(2, 3, 4), offset=-1, axis1=-1, axis2=1)
    yield call(of(2, 3, 4, 5), 1, 1, 3)


def diag_samples(of):
    for k in (0, 1, -2, 7, -7):
        yield call(of(3), k)
        yield call(of(1), k)
        yield call(of(0), k)
        yield call(of(3, 5), k)
        yield call(of(5, 3), k)
    yield call(of(67))


def triangles(of):
    for shape in ((3, 3), (2, 5), (5, 2), (1, 1), (0, 3), (2, 3, 4), (17, 23), (2, 1, 3, 5)):
        for k in (0, 1, -1, of.pick([-9, 3, 9])):
            yield call(of(shape), k)
    yield call(of(4, 4))


def traced(dtype: str) -> str:
    if dtype in ("bool", "int8", "int16"):
        return "int32"
    return "uint32" if dtype in ("uint8", "uint16") else dtype


def trace(a, offset=0, axis1=0, axis2=1):
    return np.trace(a.astype(np.int64) if a.dtype == bool else a, offset, axis1, axis2)


def magnitude(a, offset=0, axis1=0, axis2=1):
    return np.trace(np.abs(a).astype(float), offset, axis1, axis2)


AXES = (
    bad(lambda of: call(of(3)), "(3,)"),
    bad(lambda of: call(of(3, 3), 0, 1, 1), "same axis"),
    bad(lambda of: call(of(3, 3), 0, 0, -2), "same axis"),
    bad(lambda of: call(of(3, 3), 0, 0, 2), "axis 2", "(3, 3)", error=IndexError),
)
MATRIX = (bad(lambda of: call(of(3)), "(3,)"), bad(lambda of: call(of()), "()"))

RECORDS = [
    Record("diagonal", diagonals, np.diagonal, tolerance=EXACT, bad=AXES),
    Record("diag", diag_samples, np.diag, tolerance=EXACT,
           bad=(bad(lambda of: call(of()), "()"), bad(lambda of: call(of(2, 2, 2)), "(2, 2, 2)"))),
    Record("trace", diagonals, trace, result=traced, bad=(bad(lambda of: call(of(3)), "(3,)"),),
           tolerance=Tolerance(ulp=8, scale=magnitude, why="a sum"), nonfinite=domains.INFINITE),
    Record("tril", triangles, np.tril, tolerance=EXACT, bad=MATRIX),
    Record("triu", triangles, np.triu, tolerance=EXACT, bad=MATRIX),
]  # fmt: skip
test_operations = operation_tests(RECORDS, __file__)
