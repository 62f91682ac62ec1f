"""Records of the cumulative operations (melix/ops/scan.h)."""

import numpy as np

from tests.runner import Record, Tolerance, bad, call, domains, edge, inexact, operation_tests, uniform
from tests.runner.domains import distinct

# ---- samples ----


def along(of, inclusive=(True,)):
    """Every axis and none; rows and columns, in both directions; rows that are cut into chunks."""
    for shape in of.shapes:
        options = {"reverse": of.pick([False, True]), "inclusive": of.pick(inclusive)}
        yield call(of(shape), **options)
        if shape:
            yield call(of(shape), axis=of.pick(range(-len(shape), len(shape))), **options)
    for shape, axis in [((3, 1037), 1), ((70, 3), 0), ((9, 2, 600), 1)]:
        yield call(of(shape), axis=axis, reverse=of.pick([False, True]), inclusive=of.pick(inclusive))


def both(of):
    return along(of, (True, False))


def exclusive(of):
    return along(of, (False,))


def large(of):
    yield call(of(150001))
    yield call(of(603, 405), axis=0, reverse=True)
    yield call(of(603, 405), axis=1, inclusive=False)


# ---- references ----


def scanned(function, first):
    """A NumPy accumulation with the arguments of ours; `first(dtype)` is what an exclusive one begins with."""

    def reference(x, axis=None, reverse=False, inclusive=True):
        x = x.reshape(-1) if axis is None else x
        axis = 0 if axis is None else axis
        x = np.flip(x, axis) if reverse else x
        y = function(x, axis)
        if not inclusive and x.shape[axis]:
            begin = np.full_like(y.take([0], axis), first(x.dtype))
            y = np.concatenate([begin, y.take(range(x.shape[axis] - 1), axis)], axis)
        return np.flip(y, axis) if reverse else y

    return reference


def total(x, axis):
    """Integers come modulo 2**64, and are taken modulo the width of the result."""
    return np.cumsum(x.astype(np.int64) if x.dtype.kind in "bi" else x, axis, dtype=None)


def product(x, axis):
    if x.dtype == bool:
        return np.logical_and.accumulate(x, axis)
    return np.cumprod(x.astype(np.int64) if x.dtype.kind == "i" else x, axis)


def lowest(dtype):
    if dtype.kind in "ui":
        return np.iinfo(dtype).min
    return {"b": False, "c": complex(-np.inf, -np.inf)}.get(dtype.kind, -np.inf)


def highest(dtype):
    if dtype.kind in "ui":
        return np.iinfo(dtype).max
    return {"b": True, "c": complex(np.inf, np.inf)}.get(dtype.kind, np.inf)


def log_sum(x, axis):
    if x.dtype.kind == "c":
        return np.log(np.cumsum(np.exp(x), axis))
    return np.logaddexp.accumulate(x if x.dtype.kind == "f" else x.astype(float), axis)


def magnitudes(x, **kwargs):
    wide = x if x.dtype.kind in "fc" else x.astype(float)
    return scanned(np.cumsum, lambda dtype: 0)(np.abs(wide), **kwargs)


def at_least_one(x, **kwargs):
    """Of complex numbers the sum may cancel, and its logarithm is wrong by units of the terms over the sum."""
    if x.dtype.kind != "c":
        return np.maximum(np.abs(LOG_SUM(x, **kwargs)), 1)
    sums = scanned(lambda x, axis: np.cumsum(np.exp(x), axis), lambda dtype: 1)
    terms = scanned(lambda x, axis: np.cumsum(np.exp(x.real), axis), lambda dtype: 1)
    return np.maximum(1, np.abs(LOG_SUM(x, **kwargs))) + terms(x, **kwargs) / np.abs(sums(x, **kwargs))


LOG_SUM = scanned(log_sum, lambda dtype: -np.inf)

# ---- records ----

BAD = (
    bad(lambda of: call(of(2, 4), axis=2), "axis 2", "(2, 4)", error=IndexError),
    bad(lambda of: call(of(2, 4), axis=-3), "axis -3", "(2, 4)", error=IndexError),
)
SUM = Tolerance(ulp=4, double=64, scale=magnitudes, why="float32 adds up in double, float64 in itself")
PRODUCT = Tolerance(
    ulp=4, double=1100, why="float32 is multiplied in double, float64 rounds for each of 1037 factors"
)
LOG = Tolerance(
    ulp=8,
    double=64,
    scale=at_least_one,
    why="the largest is subtracted, then added; the reference in double rounds each step",
)
CHOSEN = {"tolerance": Tolerance(ulp=0, double=0, why="the values are chosen"), "large": large, "bad": BAD}

RECORDS = [
    Record(
        "cumsum",
        both,
        scanned(total, lambda dtype: 0),
        result=lambda dtype: "int32" if dtype == "bool" else dtype,
        tolerance=SUM,
        extended=True,
        nonfinite=domains.INFINITE,
        large=large,
        bad=BAD,
        edges=(
            edge("int8", ([100, 100],), [100, -56], axis=0),
            edge("float32", ([1.0, np.inf, -np.inf],), [1.0, np.inf, np.nan], axis=0),
            edge("float16", ([60000.0, 60000.0, -60000.0],), [60000.0, np.inf, 60000.0], axis=0),
        ),
    ),
    Record(
        "cumprod",
        both,
        scanned(product, lambda dtype: 1),
        tolerance=PRODUCT,
        domain=uniform(0.8, 1.2),
        complex_domain=uniform(0.6, 0.8),
        smooth=uniform(0.5, 1.5),
        extended=True,
        nonfinite=False,
        large=large,
        bad=BAD,
        edges=(
            edge("uint8", ([16, 16, 3],), [16, 0, 0], axis=0),
            edge("float32", ([0.0, np.inf],), [0.0, np.nan], axis=0),
        ),
    ),
    Record("cummax", along, scanned(np.maximum.accumulate, lowest), smooth=distinct(-2, 2), **CHOSEN),
    Record("cummin", along, scanned(np.minimum.accumulate, highest), smooth=distinct(-2, 2), **CHOSEN),
    # The first element is an infinity, which no finite difference sees.
    Record(
        "cummax",
        exclusive,
        scanned(np.maximum.accumulate, lowest),
        variant="exclusive",
        smooth=None,
        **CHOSEN,
    ),
    Record(
        "cummin",
        exclusive,
        scanned(np.minimum.accumulate, highest),
        variant="exclusive",
        smooth=None,
        **CHOSEN,
    ),
    Record(
        "logcumsumexp",
        along,
        LOG_SUM,
        result=inexact,
        domain=uniform(-30, 30),
        complex_domain=uniform(-1, 1),
        nonfinite=False,
        tolerance=LOG,
        large=large,
        bad=BAD,
        edges=(
            edge("float32", ([-np.inf, -np.inf, 1.0],), [-np.inf, -np.inf, 1.0], axis=0),
            edge("float32 float64", ([np.inf, 1.0, np.nan],), [np.inf, np.inf, np.nan], axis=0),
            edge("float32", ([100.0, 100.0],), [100.0, 100.69315], axis=0),
        ),
    ),
    Record(
        "logcumsumexp",
        exclusive,
        LOG_SUM,
        variant="exclusive",
        result=inexact,
        domain=uniform(-30, 30),
        complex_domain=uniform(-1, 1),
        nonfinite=False,
        tolerance=LOG,
        smooth=None,
    ),
]
test_operations = operation_tests(RECORDS, __file__)
