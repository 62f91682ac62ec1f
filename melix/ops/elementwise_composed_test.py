"""Records of the elementwise operations that are no rows of elementwise.inc: casts, where, and what is made of rows."""

import numpy as np

from tests.runner import (
    ALL,
    EXACT,
    REAL,
    SIGNED,
    Record,
    Tolerance,
    bad,
    call,
    dtypes,
    edge,
    inexact,
    operation_tests,
)
from tests.runner.domains import REAL as NUMBERS
from tests.runner.domains import away_from, grid, magnitudes, mixed, uniform


def unary(of):
    for shape in of.shapes:
        yield call(of(shape))


def large(of):
    yield call(of(701, 523))


def pairs(of):
    for shape in of.shapes:
        yield call(of(shape), of(shape, argument=1))
    for left, right in (((4, 1), (1, 6)), ((), (3, 5)), ((2, 1, 3), (4, 1))):
        yield call(of(left), of(right, argument=1))


# ---- astype: one record for each type that comes out ----


def bounds(rng, shape):
    """Numbers next to the bounds of the integer types."""
    powers = np.exp2(rng.choice([7, 8, 15, 16, 31, 32, 63, 64], shape))
    return powers * rng.choice([-1, 1], shape) + rng.integers(-2, 3, shape)


def cast(to: str):
    """Floats to integers truncate and saturate, NaN is 0; integers wrap; anything but zero is true."""
    kind = dtypes.INFO[to].kind

    def reference(x):
        if kind == "b":
            return x != 0
        if kind == "c":
            return x.astype(complex)
        x = x.real
        if kind == "f":
            return x.astype(np.longdouble)
        if x.dtype.kind != "f":
            return x
        low, high = np.iinfo(dtypes.INFO[to].carrier).min, np.iinfo(dtypes.INFO[to].carrier).max
        exact = lambda v: 0 if v != v else high if v >= high else low if v <= low else int(v)
        return np.asarray(np.frompyfunc(exact, 1, 1)(x.astype(np.longdouble)), dtype=object)

    return reference


def saturated(to: str) -> tuple:
    low, high = np.iinfo(dtypes.INFO[to].carrier).min, np.iinfo(dtypes.INFO[to].carrier).max
    given = [np.inf, -np.inf, np.nan, 3.9, -3.9, -0.9, 1e30, -1e30]
    values = [high, low, 0, 3, max(-3, low), 0, high, low]
    wrapped = dtypes.wrap(np.array([-1, 300, 2**40 + 5], object), to).tolist()
    return (
        edge("float32 float64 bfloat16", (given,), values),
        edge("float16", (given[:6],), values[:6]),
        edge("int64", ([-1, 300, 2**40 + 5],), wrapped),
    )


def cast_record(to: str) -> Record:
    kind, edges = dtypes.INFO[to].kind, ()
    if kind in "ui":
        edges = saturated(to)
    elif kind == "b":
        edges = (
            edge(
                "float32 float64 float16",
                ([0.0, -0.0, np.nan, 0.1, np.inf],),
                [False, False, True, True, True],
            ),
        )
    return Record(
        "astype",
        unary,
        cast(to),
        function=lambda x: x.astype(dtypes.of_module(to)),
        variant=to,
        result=lambda dtype: to,
        tolerance=Tolerance(ulp=0.5, double=0.5, why="one rounding"),
        domain=mixed(NUMBERS, magnitudes(1e-3, 1e30), bounds),
        extended=True,
        # Fewer digits than a finite difference needs would come out of the other casts.
        smooth=uniform(-2, 2) if to == "float64" else None,
        edges=edges,
        large=large,
    )


# ---- the others ----

DIVISOR = (NUMBERS, away_from(0, 1e-3, NUMBERS))
APART = (grid(0.1), grid(0.1, 0.05), grid(0.1, 0.025))
NEAR = mixed(
    grid(1), lambda rng, shape: rng.integers(-2, 3, shape) * (1 + rng.choice([0, 1e-6, 1e-3, 0.1], shape))
)
SCALED = Tolerance(roundings=2, why="in 16 bits the factor is rounded too")
DECIMALS = Tolerance(why="scaled, rounded and scaled back")


def where_samples(of):
    for shape in of.shapes:
        yield call(of(shape, dtype="bool"), of(shape), of(shape))
    for condition, x, y in (
        ((3, 1), (1, 4), ()),
        ((), (5,), (2, 1)),
        ((4, 5), (), ()),
        ((2, 3, 1), (7,), (3, 1)),
    ):
        yield call(of(condition, dtype="bool"), of(x), of(y))
    yield call(of(1409, dtype="bool"), of(1409), of(1409))
    yield call(of(3, 4, dtype="int32"), of(3, 4), of(4))


def clip_samples(of):
    for shape in of.shapes:
        yield call(of(shape), of((), argument=1), of((), argument=2))
    yield call(of(3, 4), of(4, argument=1), None)
    yield call(of(3, 4), None, of(3, 1, argument=2))


def clip(a, low, high):
    a = a if low is None else np.maximum(a, low)
    return a if high is None else np.minimum(a, high)


def close_pairs(of):
    for made in pairs(of):
        rtol, atol, equal_nan = of.pick([1e-5, 1e-2]), of.pick([1e-8, 1e-2]), of.pick([False, True])
        yield call(*made.args, rtol=rtol, atol=atol, equal_nan=equal_nan)


def decimals_samples(of):
    """16-bit types round in between, which has no simple reference: whole numbers alone."""
    for shape in of.shapes:
        decimals = of.pick([0, 1, 2])
        yield call(of(shape), decimals=0 if of.info.bits == 16 and of.info.kind == "f" else decimals)


def rounded(x, decimals):
    return x if x.dtype.kind in "bui" else np.round(x, decimals)


def floor_mod(a, b):
    if a.dtype.kind == "b":
        return a & b, a & b & False
    if a.dtype.kind == "f":
        computed = np.float32 if a.dtype.itemsize == 8 else np.float64
        return np.floor(np.asarray(a / b).astype(computed)), np.remainder(a, b)
    return np.floor_divide(a, b), np.remainder(a, b)


def numbers_for_nan(of):
    for shape in of.shapes:
        yield call(of(shape), nan=of.pick([0.0, 7.0]), posinf=of.pick([5.0, -2.0]), neginf=-4.0)


def nan_to_num(x, nan, posinf, neginf):
    return x if x.dtype.kind in "bui" else np.nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf)


def angle(factor):
    """Of integers as float32 numbers."""
    return lambda x: (x.astype(np.float32).astype(float) if x.dtype.kind in "bui" else x) * factor


PI = np.longdouble("3.14159265358979323846264338327950288")

RECORDS = [
    *(cast_record(to) for to in ALL),
    Record(
        "where",
        where_samples,
        np.where,
        tolerance=EXACT,
        large=lambda of: [call(of(701, 523, dtype="bool"), of(523), of(701, 1))],
        bad=(bad(lambda of: call(of(2, dtype="bool"), of(3), of(3)), "(2,)", "(3,)"),),
    ),
    Record(
        "clip",
        clip_samples,
        clip,
        domain=APART,
        smooth=APART,
        tolerance=EXACT,
        bad=(bad(lambda of: call(of(2), None, None), "a_min", "a_max"),),
        edges=(edge("float32 float64", ([np.nan, 2, -2], -1, 1), [np.nan, 1, -1]),),
    ),
    Record(
        "round",
        decimals_samples,
        rounded,
        variant="decimals",
        domain=grid(0.001, 0.0003),
        smooth=None,
        nonfinite=False,
        extended=True,
        tolerance=DECIMALS,
        edges=(
            edge("int32", ([15, 25, -15, 14, 1234],), [20, 20, -20, 10, 1230], decimals=-1),
            edge("float32", ([1.25, 2.5, -0.5],), [1.2, 2.5, -0.5], decimals=1),
        ),
    ),
    Record("positive", unary, lambda x: x, tolerance=EXACT),
    Record("degrees", unary, angle(180 / PI), result=inexact, extended=True, tolerance=SCALED),
    Record("radians", unary, angle(PI / 180), result=inexact, extended=True, tolerance=SCALED),
    Record(
        "divmod",
        pairs,
        floor_mod,
        dtypes=REAL,
        result=lambda dtype: [dtype, dtype],
        domain=DIVISOR,
        smooth=(grid(1, 0.5), uniform(0.98, 1.02)),
        extended=True,
        edges=(edge(" ".join(SIGNED), ([5, -7], [0, 2]), [0, -4]),),
    ),
    Record(
        "isclose",
        close_pairs,
        lambda a, b, **options: np.isclose(a.astype(complex), b.astype(complex), **options),
        result="bool",
        dtypes=("bool", "int8", "int16", "uint8", "float32", "float64"),
        domain=NEAR,
        smooth=None,
        skip={"rejects": "the other types are taken too; their precision has no simple reference"},
    ),
    Record(
        "nan_to_num",
        numbers_for_nan,
        nan_to_num,
        dtypes=REAL,
        tolerance=EXACT,
        edges=tuple(
            edge(
                dtype,
                ([np.nan, np.inf, -np.inf],),
                [0, dtypes.INFO[dtype].largest, -dtypes.INFO[dtype].largest],
            )
            for dtype in dtypes.FLOATS
        ),
    ),
]
test_operations = operation_tests(RECORDS, __file__)
