"""Records and tests of arrays made from numbers (melix/ops/creation.h)."""

import numpy as np
import pytest

from tests.runner import ALL, EXACT, Record, bad, call, mx, operation_tests
from tests.runner.dtypes import INEXACT, INTEGERS, of_module, to_numpy


def like_samples(of):
    for shape in of.shapes:
        yield call(of(shape))


def full_like_samples(of):
    for shape in of.shapes:
        yield call(of(shape), of.pick([0, 1]))
        yield call(of(shape), of())
    yield call(of(3, 4), of(4))
    yield call(of(3, 4), of(3, 1))


def full_samples(of):
    yield call((), of())
    yield call((2, 3), of())
    yield call(5, of(1))
    yield call((2, 3), of(3))
    yield call((2, 0, 3), of(2, 1, 1))
    yield call((4, 3, 5), of(3, 1))


def grids(of):
    yield call(of(3))
    yield call(of(3), of(4))
    yield call(of(3), of(4), of(2))
    yield call(of(3), of(1), of(4, 2), of())
    yield call(of(3), of(4), of(2), indexing="ij")
    yield call(of(3), of(4), of(2), sparse=True)
    yield call(of(3), of(0), indexing="ij", sparse=True)


def like(value):
    return lambda a: np.full(a.shape, value, a.dtype)


RECORDS = [
    Record("zeros_like", like_samples, like(0), tolerance=EXACT),
    Record("ones_like", like_samples, like(1), tolerance=EXACT),
    Record("empty_like", like_samples, like(0), tolerance=EXACT),
    Record("full_like", full_like_samples, lambda a, v: np.broadcast_to(np.asarray(v, a.dtype), a.shape),
           tolerance=EXACT, skip={"errors": "those of full"}),
    Record("full", full_samples, lambda shape, v: np.broadcast_to(v, shape), tolerance=EXACT,
           bad=(bad(lambda of: call((2,), of(3)), "(3,)", "(2,)"), bad(lambda of: call((-1,), of()), "negative"))),
    Record("meshgrid", grids, lambda *a, **kw: [np.array(g) for g in np.meshgrid(*a, **kw)], tolerance=EXACT,
           bad=(bad(lambda of: call(of(3), indexing="yx"), "yx"),)),
]  # fmt: skip
test_operations = operation_tests(RECORDS, __file__)


@pytest.mark.parametrize("dtype", ALL)
def test_constants(dtype):
    for make, value in ((mx.zeros, 0), (mx.ones, 1), (mx.empty, 0)):
        a = make((3, 2), of_module(dtype))
        assert a.shape == (3, 2) and a.dtype == of_module(dtype)
        assert np.all(to_numpy(a) == value)
    assert mx.zeros(4).shape == (4,) and mx.zeros(4).dtype == mx.float32
    assert to_numpy(mx.full((2,), 3.7, dtype=of_module(dtype))).shape == (2,)


def test_full_takes_the_type_of_its_value():
    kinds = [mx.full((2,), value).dtype for value in (True, 3, 2**40, 3.5, 1j)]
    assert kinds == [mx.bool_, mx.int32, mx.int64, mx.float32, mx.complex64]


def test_constants_take_no_memory():
    mx.eval(mx.zeros((4,)))
    before = mx.get_active_memory()
    big = mx.zeros((1 << 20, 1 << 20))
    mx.eval(big)
    assert mx.get_active_memory() - before < 1 << 16
    assert big[5, 7].item() == 0


@pytest.mark.parametrize("dtype", (*INTEGERS, *INEXACT))
def test_arange_of_every_type(dtype):
    n = 120
    got = to_numpy(mx.arange(n, dtype=of_module(dtype)))
    assert np.array_equal(got, np.arange(n).astype(got.dtype))
    got = to_numpy(mx.arange(100, 3, -7, dtype=of_module(dtype)))
    assert np.array_equal(got, np.arange(100, 3, -7).astype(got.dtype))


@pytest.mark.parametrize(
    "numbers, dtype",
    [
        ((5,), "int32"),
        ((5.0,), "float32"),
        ((1, 5), "int32"),
        ((1, 5, 0.5), "float32"),
        ((5, 0, -2), "int32"),
        ((5, 0), "int32"),
        ((2**31, 2**31 + 3), "int64"),
        ((-(2**31) - 1, -(2**31) + 1), "int64"),
        ((2**62, 2**62 + 5, 2), "int64"),
        ((0, 10, 2**40), "int64"),
        ((3.5,), "float32"),
        ((-1.5, 2, 0.25), "float32"),
    ],
)
def test_arange_counts_as_numpy_does(numbers, dtype):
    got = mx.arange(*numbers)
    assert got.dtype == of_module(dtype)
    assert np.array_equal(np.array(got), np.arange(*numbers).astype(dtype))


def test_arange_forms():
    assert mx.arange(stop=4).tolist() == [0, 1, 2, 3]
    assert mx.arange(1, stop=4).tolist() == [1, 2, 3]
    assert mx.arange(4, step=3).tolist() == [0, 3]
    assert mx.arange(4, None, 3).tolist() == [0, 3]
    assert mx.arange(0, 5, 0.5, dtype=mx.int32).tolist() == [0] * 10  # the step is int(0.5)
    assert mx.arange(0, 5, 1.7, dtype=mx.int32).tolist() == [0, 1, 2]
    assert mx.arange(300, dtype=mx.uint8).tolist()[254:258] == [254, 255, 0, 1]
    assert mx.arange(0, 3, float("inf")).tolist() == [0]
    assert mx.arange(-0.0).shape == (0,)


def test_arange_errors_do_not_add_up():
    got = np.array(mx.arange(0, 1, 1e-6))
    assert np.array_equal(got, (np.arange(10**6) * 1e-6).astype(np.float32))


@pytest.mark.parametrize(
    "numbers",
    [(0, 5, 0), (float("nan"),), (float("inf"),), (0, 3, float("nan")), (0, 1e30), (0.0, 1e20, 0.5)],
)
def test_arange_refuses(numbers):
    with pytest.raises(ValueError, match=r"\[arange\]"):
        mx.arange(*numbers)


def test_arange_refuses_bool():
    with pytest.raises(ValueError, match=r"\[arange\].*bool"):
        mx.arange(3, dtype=mx.bool_)


def test_linspace():
    for start, stop, num in ((0, 1, 5), (-3.5, 7, 50), (2, 2, 3), (0, 1, 1), (0, 1, 0)):
        for endpoint in (True, False):
            got = mx.linspace(start, stop, num, endpoint=endpoint)
            assert got.dtype == mx.float32
            np.testing.assert_allclose(
                np.array(got), np.linspace(start, stop, num, endpoint), rtol=1e-6, atol=1e-6
            )
    assert mx.linspace(0.1, 0.7, 33).tolist()[-1] == np.float32(0.7)
    assert mx.linspace(0, 10, 5, dtype=mx.int32).tolist() == [0, 2, 5, 7, 10]
    assert np.array_equal(np.array(mx.linspace(0, 100, 11, dtype=mx.int64)), np.arange(0, 101, 10))
    assert mx.linspace(0, 1).shape == (50,)
    with pytest.raises(ValueError, match=r"\[linspace\].*-1"):
        mx.linspace(0, 1, -1)


@pytest.mark.parametrize("dtype", ALL)
def test_matrices_of_ones(dtype):
    for n, m, k in ((3, None, 0), (3, 5, 1), (5, 3, -2), (2, 3, 10), (2, 3, -10), (0, 3, 0), (3, 0, 0)):
        got = mx.eye(n, m, k, dtype=of_module(dtype))
        assert got.dtype == of_module(dtype)
        assert np.array_equal(to_numpy(got), np.eye(n, m, k))
        assert np.array_equal(to_numpy(mx.tri(n, m, k, dtype=of_module(dtype))), np.tri(n, m, k))
    assert np.array_equal(to_numpy(mx.identity(4, of_module(dtype))), np.eye(4))


def test_diagonals_far_outside():
    for k in (2**63 - 1, -(2**63)):
        assert not np.array(mx.eye(3, k=k)).any()
        assert np.array(mx.tri(3, k=k)).all() == (k > 0)


def test_matrices_refuse():
    for function in (mx.eye, mx.tri):
        with pytest.raises(ValueError, match=r"-1"):
            function(-1)
        with pytest.raises(ValueError, match=r"-2"):
            function(3, -2)
