"""Records of the elementwise operations: made from the rows of elementwise.inc and the table of references below."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import scipy.special

from tests.runner import (
    ELEMENTWISE,
    EXACT,
    Record,
    Tolerance,
    call,
    domains,
    dtypes,
    edge,
    mx,
    operation_tests,
    rows,
)
from tests.runner.domains import away_from, grid, magnitudes, mixed, positive, uniform

# Where a function is tested: everywhere it may be called. Where it is differentiated: with room for finite differences.
WIDE = mixed(domains.REAL, magnitudes(1e-30, 1e30))
ANGLES = mixed(uniform(-4, 4), magnitudes(1e-9, 1e4), magnitudes(1e4, 1e30))
EXPONENTS = mixed(uniform(-4, 4), magnitudes(1e-9, 1), uniform(-110, 95), uniform(-760, 720))
POSITIVE = mixed(positive(1e-30, 1e30), uniform(0.5, 2), uniform(-1, 1))
INSIDE = mixed(uniform(-1, 1), magnitudes(1e-12, 1), uniform(-1.1, 1.1))
BEYOND = mixed(uniform(1, 3), positive(1, 1e30), uniform(0.9, 1.1))
STEPS = grid(1, 0.25, 0.15)
PLANE = uniform(-3, 3)
APART = away_from(0, 0.3, uniform(-2, 2))
WHOLE = mixed(grid(1), uniform(-4, 4))
SIGNED = "int8 int16 int32 int64"
INTEGERS = f"uint8 uint16 uint32 uint64 {SIGNED}"


@dataclass(frozen=True)
class Reference:
    """The oracle of a row, and where it is asked. A domain is a pair where the two arguments differ."""

    function: Any
    domain: Any = domains.REAL
    smooth: Any = domains.UNIT
    complex_domain: Any = PLANE
    tolerance: Tolerance = ELEMENTWISE
    extended: bool = True
    edges: tuple = ()


def kind(x) -> str:
    return np.asarray(x).dtype.kind


def narrowed(function):
    """A reference that rounds to the computing type at one place: f(x, round)."""
    return lambda *x: function(*x, lambda y: y.astype({8: np.float32, 16: np.float64}[y.dtype.itemsize]))


def floor_divide(a, b):
    if kind(a) == "b":
        return a & b
    if kind(a) != "f":
        return np.floor_divide(a, b)
    return narrowed(lambda a, b, rounded: np.floor(rounded(np.asarray(a / b))))(a, b)


def remainder(a, b):
    return a & b & False if kind(a) == "b" else np.remainder(a, b)


def power(a, b):
    """Integers exactly modulo 2**bits; a negative power of an integer is 0, but of 1 and -1."""
    if kind(a) == "b":
        return a | ~b
    if kind(a) in "ui":
        modulus = 1 << 64
        exact = lambda x, n: pow(x, n, modulus) if n >= 0 else {1: 1, -1: -1 if n % 2 else 1}.get(x, 0)
        return np.array(np.frompyfunc(lambda x, n: exact(int(x), int(n)), 2, 1)(a, b), dtype=object)
    return np.power(a, b)


def sign(x):
    return x if kind(x) == "b" else np.sign(x)


def whole(function):
    return lambda x: x if kind(x) in "bui" else function(x)


def rsqrt(x):
    return 1 / np.sqrt(x)


def sigmoid(x):
    return 1 / (1 + np.exp(-x)) if kind(x) == "c" else scipy.special.expit(x)


def logaddexp(a, b):
    return np.log(np.exp(a) + np.exp(b)) if kind(a) == "c" else np.logaddexp(a, b)


def shift(function, fill):
    """A shift of fewer bits than the width; of more, or fewer than none, what it comes to."""

    def reference(a, b):
        if kind(a) == "b":
            a, b = a.astype(np.uint8), b.astype(np.uint8)
        bits = a.dtype.itemsize * 8
        inside = (b >= 0) & (b < bits)
        return np.where(inside, function(a, np.where(inside, b, 0).astype(a.dtype)), fill(a).astype(a.dtype))

    return reference


def cancels(a, b):
    return np.maximum(np.maximum(np.abs(a), np.abs(b)), 1)


WIDTHS = (8, 16, 32, 64)
EDGE_DIVIDE = (
    edge(INTEGERS, ([5, 0, 1], [0, 0, 0]), [0, 0, 0]),
    edge("bool", ([True, False], [False, False]), [False, False]),
    *(
        edge(f"int{n}", ([-(2 ** (n - 1)), -7, 7, -8], [-1, 2, -2, 2]), [-(2 ** (n - 1)), -4, -4, -4])
        for n in WIDTHS
    ),
    edge("float32 float64", ([7, -7, 1, -1], [2, 2, 0, 0]), [3, -4, np.inf, -np.inf]),
)
EDGE_REMAINDER = (
    edge(INTEGERS, ([5, 0, 1], [0, 0, 0]), [0, 0, 0]),
    *(edge(f"int{n}", ([-(2 ** (n - 1)), -7, 7, -8], [-1, 3, -3, 2]), [0, 2, -2, 0]) for n in WIDTHS),
    edge("float32 float64 float16", ([-7, 7, 5, 1], [3, -3, np.inf, 0]), [2, -2, 5, np.nan]),
)
EDGE_LEFT = tuple(
    edge(f"{u}int{n}", ([1, 3, -1 if not u else 1, 1, 1], [0, 1, n - 1, n, n + 1]),
         [1, 6, -(2 ** (n - 1)) if not u else 2 ** (n - 1), 0, 0])
    for u in ("u", "") for n in WIDTHS
)  # fmt: skip
EDGE_RIGHT = tuple(
    edge(f"{u}int{n}", ([6, 1, -5 if not u else 5, 7], [1, n, n + 3, n - 1]), [3, 0, -1 if not u else 0, 0])
    for u in ("u", "") for n in WIDTHS
)  # fmt: skip
EDGE_MAXIMUM = (
    edge("float16 bfloat16 float32 float64", ([np.nan, 1, np.nan], [1, np.nan, np.inf]), [np.nan] * 3),
)
EDGE_POWER = (
    edge("int32 int64 int8", ([2, 1, -1, -1, 0, 0, 3], [-1, -5, -3, -4, 0, -1, 3]), [0, 1, -1, 1, 1, 0, 27]),
    edge("uint8", ([2, 3], [8, 6]), [0, 729 % 256]),
    edge("float32 float64", ([0, np.nan, 1, -8, -2], [0, 0, np.nan, 1 / 3, 3]), [1, 1, 1, np.nan, -8]),
)
EDGE_OPPOSITE = tuple(edge(f"int{n}", ([-(2 ** (n - 1)), 5],), [-(2 ** (n - 1)), -5]) for n in WIDTHS)
EDGE_LOWEST = tuple(edge(f"int{n}", ([-(2 ** (n - 1)), 5],), [-(2 ** (n - 1)), 5]) for n in WIDTHS)
DIVISOR = (domains.REAL, away_from(0, 1e-3, domains.REAL))
QUOTIENT = (grid(1, 0.5), uniform(0.98, 1.02))
ORDER = (grid(0.1), grid(0.1, 0.05))
SMALL = (uniform(-1, 1), uniform(-1, 1))

REFERENCES = {
    "abs": Reference(np.abs, WIDE, APART, edges=EDGE_LOWEST),
    "negative": Reference(np.negative, WIDE, edges=EDGE_OPPOSITE),
    "sign": Reference(sign, WIDE, APART),
    "square": Reference(np.square, WIDE),
    "sqrt": Reference(np.sqrt, POSITIVE, positive(0.1, 4)),
    "rsqrt": Reference(rsqrt, POSITIVE, positive(0.1, 4)),
    "reciprocal": Reference(lambda x: 1 / x, WIDE, APART),
    "ceil": Reference(whole(np.ceil), WIDE, STEPS),
    "floor": Reference(whole(np.floor), WIDE, STEPS),
    "trunc": Reference(whole(np.trunc), WIDE, STEPS),
    "rint": Reference(whole(np.round), mixed(WIDE, grid(0.5)), STEPS, complex_domain=grid(0.5)),
    "add": Reference(np.add, WIDE),
    "subtract": Reference(lambda a, b: a ^ b if kind(a) == "b" else a - b, WIDE),
    "multiply": Reference(np.multiply, WIDE),
    "divide": Reference(np.true_divide, WIDE, (domains.UNIT, APART)),
    "floor_divide": Reference(floor_divide, DIVISOR, QUOTIENT, edges=EDGE_DIVIDE),
    "remainder": Reference(remainder, DIVISOR, QUOTIENT, edges=EDGE_REMAINDER),
    "power": Reference(power, (mixed(positive(1e-3, 1e3), WHOLE), mixed(uniform(-5, 5), WHOLE)),
                       (positive(0.3, 3), uniform(-2, 2)), complex_domain=SMALL, edges=EDGE_POWER),
    "maximum": Reference(np.maximum, WIDE, ORDER, tolerance=EXACT, edges=EDGE_MAXIMUM),
    "minimum": Reference(np.minimum, WIDE, ORDER, tolerance=EXACT, edges=EDGE_MAXIMUM),
    "exp": Reference(np.exp, EXPONENTS),
    "expm1": Reference(np.expm1, EXPONENTS),
    "log": Reference(np.log, POSITIVE, positive(0.2, 4)),
    "log1p": Reference(np.log1p, mixed(POSITIVE, magnitudes(1e-9, 0.9)), uniform(-0.5, 3)),
    "log2": Reference(np.log2, POSITIVE, positive(0.2, 4)),
    "log10": Reference(np.log10, POSITIVE, positive(0.2, 4)),
    "sigmoid": Reference(sigmoid, EXPONENTS),
    "logaddexp": Reference(logaddexp, EXPONENTS, complex_domain=SMALL,
                           tolerance=Tolerance(scale=cancels, why="log(exp(a) + exp(b)) passes through 0")),
    "sin": Reference(np.sin, ANGLES),
    "cos": Reference(np.cos, ANGLES),
    "tan": Reference(np.tan, ANGLES, uniform(-1.2, 1.2)),
    "arcsin": Reference(np.arcsin, INSIDE, uniform(-0.8, 0.8)),
    "arccos": Reference(np.arccos, INSIDE, uniform(-0.8, 0.8)),
    "arctan": Reference(np.arctan, WIDE, uniform(-0.8, 0.8)),
    "sinh": Reference(np.sinh, EXPONENTS),
    "cosh": Reference(np.cosh, EXPONENTS),
    "tanh": Reference(np.tanh, mixed(EXPONENTS, uniform(-1, 1)), uniform(-1.2, 1.2)),
    "arcsinh": Reference(np.arcsinh, WIDE, uniform(-0.8, 0.8)),
    "arccosh": Reference(np.arccosh, BEYOND, uniform(1.2, 4)),
    "arctanh": Reference(np.arctanh, INSIDE, uniform(-0.8, 0.8)),
    "arctan2": Reference(np.arctan2, WIDE, APART),
    "erf": Reference(lambda x: scipy.special.erf(x.astype(float)), EXPONENTS, extended=False),
    "erfinv": Reference(lambda x: scipy.special.erfinv(x.astype(float)), INSIDE, uniform(-0.8, 0.8), extended=False,
                        tolerance=Tolerance(double=16, why="SciPy's own error is a few units in double")),
    "conjugate": Reference(lambda x: np.conj(x) if kind(x) == "c" else x, tolerance=EXACT),
    "real": Reference(np.real, tolerance=EXACT),
    "imag": Reference(np.imag, tolerance=EXACT),
    **{name: Reference(getattr(np, name), smooth=None) for name in
       ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal")},
    "isnan": Reference(np.isnan, smooth=None),
    "isinf": Reference(np.isinf, smooth=None),
    "isfinite": Reference(np.isfinite, smooth=None),
    "isposinf": Reference(lambda x: np.isposinf(x.astype(np.longdouble)), smooth=None),
    "isneginf": Reference(lambda x: np.isneginf(x.astype(np.longdouble)), smooth=None),
    **{name: Reference(getattr(np, name), smooth=None) for name in
       ("logical_not", "logical_and", "logical_or", "logical_xor")},
    "bitwise_invert": Reference(np.invert, smooth=None),
    **{name: Reference(getattr(np, name), smooth=None) for name in ("bitwise_and", "bitwise_or", "bitwise_xor")},
    "left_shift": Reference(shift(np.left_shift, np.zeros_like), smooth=None, edges=EDGE_LEFT),
    "right_shift": Reference(shift(np.right_shift, lambda a: np.where(a < 0, -1, 0)), smooth=None, edges=EDGE_RIGHT),
}  # fmt: skip
# The public function of a row that has another name, and what it takes.
PUBLIC = {"rint": ("round", dtypes.ALL)}


BROADCAST = [
    ((), (3, 5)), ((4, 1), (1, 6)), ((2, 1, 3), (4, 1)), ((1,), (0,)), ((3, 1409), (1409,)), ((129,), ()),
]  # fmt: skip


def unary_samples(of):
    for shape in of.shapes:
        yield call(of(shape))
    yield call(of(3, 1409))


def binary_samples(shifts: bool):
    """Pairs of arrays of one shape, and of shapes that broadcast; second arguments of shifts around the widths."""
    bounds = {"low": -2, "high": 70} if shifts else {}

    def samples(of):
        other = lambda shape: of(shape, argument=1, **bounds)
        for shape in of.shapes:
            yield call(of(shape), other(shape))
            if of.pick([False, True]):
                yield call(of(shape), other(shape[1:]))
        for left, right in BROADCAST:
            yield call(of(left), other(right))

    return samples


def large_samples(arguments: int):
    return lambda of: [call(*(of((701, 523), argument=k) for k in range(arguments)))]


def in_float32(function):
    """Integers are float32 numbers before anything is computed of them."""
    return lambda *x: function(*(v.astype(np.float32).astype(float) if kind(v) in "bui" else v for v in x))


def record(row: rows.Row) -> Record:
    reference = REFERENCES[row.name]
    name, types = PUBLIC.get(row.name, (row.name, row.dtypes))
    return Record(
        name,
        unary_samples if row.arguments == 1 else binary_samples(row.domain == "shift"),
        in_float32(reference.function) if row.domain in ("inexact", "floating") else reference.function,
        dtypes=types,
        result=row.result,
        tolerance=reference.tolerance,
        domain=reference.domain,
        complex_domain=reference.complex_domain,
        smooth=reference.smooth,
        extended=reference.extended,
        edges=reference.edges,
        large=large_samples(row.arguments),
        huge=row.arguments == 1,
    )


ROWS = rows.elementwise()
RECORDS = [record(row) for row in ROWS if row.name in REFERENCES]
test_operations = operation_tests(RECORDS, __file__)


def test_every_row_of_the_table_has_a_reference_and_every_reference_a_row():
    assert {row.name for row in ROWS} == set(REFERENCES)


def test_rows_with_a_derivative_are_differentiated_and_no_others():
    for row in ROWS:
        if row.is_differentiable:
            assert REFERENCES[row.name].smooth is not None, row.name


@pytest.mark.parametrize("row", [row for row in ROWS if row.arguments == 2], ids=lambda row: row.name)
def test_arguments_of_two_types_meet_in_the_promoted_one(row):
    function, wrong = getattr(mx, row.name), []
    for a in dtypes.ALL:
        for b in dtypes.ALL:
            promoted = dtypes.promote(a, b)
            arrays = [mx.ones((2,), dtype=dtypes.of_module(name)) for name in (a, b)]
            try:
                came = dtypes.name_of(function(*arrays))
            except ValueError:
                came = "ValueError"
            expected = row.result(promoted) if promoted in row.dtypes else "ValueError"
            if came != expected:
                wrong.append(f"{row.name}({a}, {b}) gives {came}, expected {expected}")
    assert not wrong, "\n".join(wrong)
