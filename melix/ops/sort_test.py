"""Records of sorting, selecting and searching (melix/ops/sort.h)."""

import numpy as np
import pytest

from tests.runner import (
    EXACT,
    Record,
    Tolerance,
    bad,
    call,
    dtypes,
    edge,
    inexact,
    mx,
    operation_tests,
)
from tests.runner.domains import distinct
from tests.runner.record import draw

# ---- the order: NaN last, -0 equals 0, complex numbers as NumPy orders them ----


def places(x, axis=-1):
    return np.argsort(x.ravel() if axis is None else x, axis=-1 if axis is None else axis, kind="stable")


def equal(a, b):
    """Whether two elements have the same place in the order."""

    def part(a, b):
        return (a == b) | ((a != a) & (b != b))

    return part(a.real, b.real) & part(a.imag, b.imag)


def ranks(x):
    """Number of different smaller elements of each element in the rows."""
    order = places(x)
    values = np.take_along_axis(x, order, -1)
    new = ~equal(values[..., 1:], values[..., :-1])
    result = np.zeros(x.shape, np.int64)
    np.put_along_axis(result, order[..., 1:], np.cumsum(new, axis=-1), -1)
    return result


def around(x, kth, axis=-1):
    """Places of the elements less than the kth, equal to it, and greater, each in order."""
    rows = x.reshape(-1) if axis is None else np.moveaxis(x, axis, -1)
    rank = ranks(rows)
    kth_rank = np.sort(rank, axis=-1)[..., [kth]]
    out = np.argsort(np.sign(rank - kth_rank), axis=-1, kind="stable")
    return out if axis is None else np.moveaxis(out, -1, axis)


def taken(x, indices, axis=-1):
    return x.ravel()[indices] if axis is None else np.take_along_axis(x, indices, axis)


def partition(x, kth, axis=-1):
    return taken(x, around(x, kth, axis), axis)


def topk(x, k, axis=-1):
    n = x.size if axis is None else x.shape[axis]
    if k == 0:
        return taken(x, places(x, axis), axis).take(range(0), -1 if axis is None else axis)
    indices = around(x, n - k, axis).take(range(n - k, n), -1 if axis is None else axis)
    return taken(x, indices, axis)


def searchsorted(a, v, side="left"):
    return np.searchsorted(a, v, side)


def unique(x, size, return_index=False, return_inverse=False, return_counts=False, fill_value=None):
    values, index, inverse, counts = np.unique(
        x.ravel(), return_index=True, return_inverse=True, return_counts=True, equal_nan=False
    )
    if not size:
        inverse = np.zeros(x.shape)
    missing = max(size - len(values), 0)
    fill = values[:1] if fill_value is None else np.full(1, fill_value).astype(x.dtype)
    results = [
        np.concatenate([values[:size], np.repeat(fill, missing)]),
        np.concatenate([index[:size], np.repeat(index[:1], missing)]),
        np.minimum(inverse.reshape(x.shape), max(size - 1, 0)),
        np.concatenate([counts[:size], np.zeros(missing)]),
    ]
    wanted = [True, return_index, return_inverse, return_counts]
    return [result for result, want in zip(results, wanted) if want]


def median(x, axis=None, keepdims=False):
    wide = x if x.dtype.kind in "fc" else x.astype(float)
    axis = tuple(axis) if isinstance(axis, list) else axis
    kept = [i for i in range(x.ndim) if axis is not None and i not in np.atleast_1d(axis) % x.ndim]
    gone = [i for i in range(x.ndim) if i not in kept]
    rows = np.transpose(wide, kept + gone).reshape([x.shape[i] for i in kept] + [-1])
    n = rows.shape[-1]
    values = np.sort(rows, axis=-1)
    middle = values[..., (n - 1) // 2] / 2 + values[..., n // 2] / 2
    middle = np.where(np.isnan(values[..., -1]), np.nan, middle)
    return middle.reshape([1 if i in gone else x.shape[i] for i in range(x.ndim)]) if keepdims else middle


# ---- samples ----


def rows(of):
    """Every axis and none; rows beyond the network's length, and beyond those that are counted."""
    for shape in of.shapes:
        if shape:
            yield call(of(shape), axis=of.pick(range(-len(shape), len(shape))))
    yield call(of())
    yield call(of(2, 3, 5), axis=None)
    yield call(of(3, 1500))
    yield call(of(1100, 2), axis=0)
    yield call(of(70000, low=-9, high=99))


def sortable(of):
    return (made for made in rows(of) if made.args[0].shape or "axis" in made.kwargs)


def selections(of):
    for made in sortable(of):
        x, axis = made.args[0], made.kwargs.get("axis", -1)
        n = int(np.prod(x.shape)) if axis is None else x.shape[axis]
        if n > 0:
            yield call(x, of.pick([0, n // 2, n - 1, -1, -n]), axis=axis)


def largest_few(of):
    for made in sortable(of):
        x, axis = made.args[0], made.kwargs.get("axis", -1)
        n = int(np.prod(x.shape)) if axis is None else x.shape[axis]
        yield call(x, of.pick([0, 1, min(n, 3), n]) if n else 0, axis=axis)


def searches(of):
    def ordered(n):
        return of.drawn((n,), lambda rng: np.sort(draw(rng, (n,), of.dtype, of.domain)))

    for n in (0, 1, 2, 7, 33, 1000):
        for shape in ((), (5,), (3, 41), (2, 0)):
            yield call(ordered(n), of(shape), of.pick(["left", "right"]))


def different(of):
    for shape in of.shapes:
        n = int(np.prod(shape))
        if n > 0:
            yield call(of(shape), of.pick([0, 1, n // 2, n, n + 3]))
    yield call(of(3000, low=-9, high=99), 300)


def different_with_places(of):
    for made in different(of):
        yield call(*made.args, True, True, True, fill_value=of.pick([None, 3]))


def groups(of):
    for shape in of.shapes:
        if 0 not in shape:
            yield call(of(shape, low=-1000, high=1000), keepdims=of.pick([False, True]))
            if shape:
                yield call(of(shape, low=-1000, high=1000), axis=of.pick(range(-len(shape), len(shape))))
    yield call(of(2, 3, 4, low=-1000, high=1000), axis=[0, 2], keepdims=of.pick([False, True]))


def large(of):
    yield call(of(300001))
    yield call(of(601, 403))
    yield call(of(300001, low=0, high=9))


def large_selections(of):
    return (call(made.args[0], 200) for made in large(of))


# ---- records ----

BAD_AXIS = (
    bad(lambda of: call(of(2, 4), axis=2), "axis 2", "(2, 4)", error=IndexError),
    bad(lambda of: call(of(), axis=-1), "axis -1", error=IndexError),
)
BAD_KTH = (
    bad(lambda of: call(of(2, 4), 4), "kth 4", "(2, 4)"),
    bad(lambda of: call(of(2, 4), -5), "kth -5", "(2, 4)"),
    bad(lambda of: call(of(2, 4), 0, axis=2), "axis 2", error=IndexError),
)
CHOSEN = {"tolerance": EXACT, "smooth": distinct(-2, 2), "complex_domain": distinct(-2, 2)}
PLACES = {"result": "uint32", "smooth": None, "complex_domain": distinct(-2, 2)}
MIDDLE = Tolerance(ulp=1, why="the mean of two")

RECORDS = [
    Record(
        "sort",
        sortable,
        lambda x, axis=-1: taken(x, places(x, axis), axis),
        large=large,
        bad=BAD_AXIS,
        edges=(
            edge(
                "float32 bfloat16 float64",
                ([np.nan, 1, -np.inf, np.inf],),
                [-np.inf, 1, np.inf, np.nan],
                axis=0,
            ),
            edge("int8", ([127, -128, 0],), [-128, 0, 127], axis=0),
            edge("uint64", ([2**64 - 1, 0, 2**63],), [0, 2**63, 2**64 - 1], axis=0),
        ),
        **CHOSEN,
    ),
    Record("argsort", sortable, places, large=large, bad=BAD_AXIS, **PLACES),
    Record("partition", selections, partition, large=large_selections, bad=BAD_KTH, **CHOSEN),
    Record("argpartition", selections, around, large=large_selections, bad=BAD_KTH, **PLACES),
    Record(
        "topk",
        largest_few,
        topk,
        large=large_selections,
        bad=(
            bad(lambda of: call(of(2, 4), 5), "k 5", "(2, 4)"),
            bad(lambda of: call(of(2, 4), -1), "k -1", "(2, 4)"),
            bad(lambda of: call(of(2, 4), 1, axis=2), "axis 2", error=IndexError),
        ),
        **CHOSEN,
    ),
    Record(
        "searchsorted",
        searches,
        searchsorted,
        bad=(
            bad(lambda of: call(of(2, 4), of(3)), "one dimension", "(2, 4)"),
            bad(lambda of: call(of(4), of(3), "middle"), "side", "middle"),
        ),
        edges=(
            edge("float32", ([1, np.nan, np.nan], [np.nan, 2]), [1, 1]),
            edge("float32", ([1, np.nan, np.nan], [np.nan, 2]), [3, 1], side="right"),
        ),
        **PLACES,
        skip={"edges": "an edge is repeated along a new axis, which a sorted sequence has not"},
    ),
    Record(
        "unique",
        different,
        unique,
        bad=(
            bad(lambda of: call(of(3), -1), "size -1"),
            bad(lambda of: call(of(0), 2), "fill value"),
            bad(lambda of: call(of(3), 2, fill_value=of(2)), "fill value", "(2,)"),
        ),
        **CHOSEN,
    ),
    Record(
        "unique",
        different_with_places,
        unique,
        variant="places",
        result=lambda dtype: [dtype, "uint32", "uint32", "int32"],
        tolerance=EXACT,
        smooth=None,
        complex_domain=distinct(-2, 2),
    ),
    Record(
        "median",
        groups,
        median,
        result=inexact,
        tolerance=MIDDLE,
        smooth=distinct(-2, 2),
        complex_domain=distinct(-2, 2),
        bad=(bad(lambda of: call(of(2, 0), axis=1), "no elements", "(2, 0)"),),
        edges=(edge("float16", ([65504, 65504],), 65504, axis=0),),
    ),
]
test_operations = operation_tests(RECORDS, __file__)


# ---- what records do not show ----


def module_array(values, dtype):
    return mx.array(values, dtype=dtypes.of_module(dtype))


def bits(values):
    return values.view(f"u{values.itemsize}")


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("n", [5, 300, 40000, 200003])
def test_zeros_and_nans_keep_their_order_and_bits(dtype, n):
    rng = np.random.default_rng(n)
    x = rng.choice(np.array([0.0, -0.0, 1.0, -1.0, np.nan, np.inf], dtype), n)
    nan = np.isnan(x)
    bits(x)[nan] |= rng.integers(0, 100, nan.sum()).astype(bits(x).dtype)
    a = module_array(x, dtype)
    order = np.argsort(x, kind="stable")
    assert np.array_equal(np.array(mx.argsort(a)), order)
    assert np.array_equal(bits(np.array(mx.sort(a))), bits(x[order]))
    middle = np.array(mx.argpartition(a, n // 2))
    assert np.array_equal(bits(np.array(mx.partition(a, n // 2))), bits(x[middle]))


PATTERNS = {
    "ascending": lambda n: np.arange(n),
    "descending": lambda n: -np.arange(n),
    "equal": lambda n: np.full(n, 7),
    "two values": lambda n: np.arange(n) % 2,
    "up and down": lambda n: np.minimum(np.arange(n), n - np.arange(n)),
    "saw": lambda n: np.arange(n) % 997,
    "largest": lambda n: np.where(np.arange(n) % 3, np.iinfo(np.int32).max, 5),
}


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("dtype", ["int32", "uint64", "int64", "float32", "int16"])
def test_arrays_in_patterns(pattern, dtype):
    for n in (1000, 150001):
        x = PATTERNS[pattern](n).astype(dtype)
        a = module_array(x, dtype)
        assert np.array_equal(np.array(mx.sort(a)), np.sort(x))
        assert np.array_equal(np.array(mx.argsort(a)), np.argsort(x, kind="stable"))
        assert np.array_equal(np.array(mx.argpartition(a, n // 3)), around(x, n // 3))


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint32", "float32", "int64", "float64"])
def test_every_length_around_the_networks(dtype):
    rng = np.random.default_rng(5)
    for n in [*range(1, 140), 255, 256, 257, 511, 513]:
        x = (rng.standard_normal(n) * 50).astype(dtype)
        assert np.array_equal(np.array(mx.sort(module_array(x, dtype))), np.sort(x)), n
