"""Records of the Fourier transforms (melix/ops/fft.h), and tests of lengths, precision and layouts of their own."""

import numpy as np
import pytest
import scipy.fft

from tests.runner import EXACT, Record, Tolerance, bad, call, mx, operation_tests, uniform

NORMS = ["backward", "ortho", "forward"]
# Butterflies of every radix, products of them, primes without one (convolutions, from 67 on), four steps (n >= 64 of
# few rows), and lengths that are too long for lanes (more than 2048).
LENGTHS = [
    1,
    2,
    3,
    4,
    5,
    7,
    8,
    9,
    11,
    13,
    16,
    30,
    49,
    61,
    64,
    67,
    97,
    105,
    128,
    134,
    243,
    257,
    360,
    500,
    1009,
    1024,
]
LONG = [2310, 4096, 5001, 10007]


def is_back(name: str) -> bool:
    """Whether half of a spectrum gives real numbers."""
    return "irfft" in name or name == "hfft"


def is_real(name: str) -> bool:
    """Whether real numbers give half of a spectrum."""
    return name.startswith("rfft") or name == "ihfft"


# ---- samples ----


def along_one(name):
    def samples(of):
        for n in LENGTHS if of.full else [of.pick(LENGTHS) for _ in range(8)]:
            rows = of.pick([1, 2, 17, 40])
            half = n // 2 + 1 if is_back(name) else n
            yield call(of(rows, half), n=n, norm=of.pick(NORMS))
            yield call(of(half, of.pick([2, 15, 16, 33])), n, 0)
        for shape in of.shapes:
            if shape and 0 not in shape:
                axis = of.pick(range(-len(shape), len(shape)))
                yield call(of(shape), n=of.pick([1, 2, 9, 20]), axis=axis)
        yield call(of(0, 4), axis=1)
        yield call(of(2, 0, 3), n=3, axis=1)
        n = of.pick(LONG)
        yield call(of(2, n // 2 + 1 if is_back(name) else n), n)

    return samples


def along_several(name):
    def samples(of):
        for shape in [(5, 6), (8, 9, 4), (3, 4, 2, 5), (2, 70, 3), (67, 5)]:
            axes = [int(axis) for axis in of.pick([(0, 1), (1, 0), (-2, -1), (-1, 0)])]
            yield call(of(shape), axes=axes, norm=of.pick(NORMS))
            sizes = of.pick([(2, 3), (7, 4), (10, 1)])
            yield call(of(shape), s=sizes, axes=axes)
        yield call(of(6, 5))
        yield call(of(0, 4, 5), axes=(1, 2))
        if name.endswith("n"):
            yield call(of(3, 4, 6))
            yield call(of(4, 6), axes=(1,))
            yield call(of(2, 3, 4, 5), axes=(3, 0, 1))

    return samples


def large(name):
    def samples(of):
        yield call(of(300, 513 if is_back(name) else 1000), axis=-1)
        yield call(of(257, 300), axis=0)
        yield call(of(70001))

    def several(of):
        yield call(of(120, 250), axes=(0, 1))

    return several if name[-1] in "2n" else samples


# ---- references ----


def reference(name):
    function = getattr(np.fft, name)

    def run(x, n=None, axis=-1, **kwargs):
        x = x if x.dtype.kind == "c" else x.astype(float)
        if is_real(name):
            x = x.real
        if name[-1] in "2n":
            return function(x, **kwargs)
        return function(x, n, axis, **kwargs)

    return run


def magnitudes(name):
    """The sum of the magnitudes along the axes, which element 0 of their transform is."""

    def run(x, n=None, axis=-1, axes=None, **kwargs):
        x = np.abs(x if x.dtype.kind == "c" else x.astype(float))
        if name[-1] in "2n":
            axes = tuple(range(x.ndim) if name[-1] == "n" else (-2, -1)) if axes is None else tuple(axes)
            result = reference(name)(x, axes=axes, **kwargs)
        else:
            axes, result = (axis,), reference(name)(x, n, axis, **kwargs)
        return np.broadcast_to(np.abs(result).max(axes, keepdims=True, initial=0), result.shape)

    return run


def accurate(name):
    return Tolerance(
        ulp=8,
        scale=magnitudes(name),
        why="sums of n terms, each rounded in some log n passes; convolutions in more",
    )


# ---- records ----

ONE = ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")
SEVERAL = tuple(name + many for name in ONE[:4] for many in "2n")
BAD_ONE = (
    bad(lambda of: call(of(2, 4), axis=2), "axis 2", "(2, 4)", error=IndexError),
    bad(lambda of: call(of()), "axis -1", "()", error=IndexError),
    bad(lambda of: call(of(2, 4), 0), "length of 0"),
    bad(lambda of: call(of(2, 4), -3), "length of -3"),
    bad(lambda of: call(of(3, 0)), "(3, 0)", "length of"),
    bad(lambda of: call(of(4), norm="none"), '"none"', '"ortho"'),
)
BAD_SEVERAL = (
    bad(lambda of: call(of(2, 4), axes=(0, 2)), "axis 2", "(2, 4)", error=IndexError),
    bad(lambda of: call(of(2, 4), axes=(1, -1)), "axis 1", "twice"),
    bad(lambda of: call(of(2, 4), s=(2, 2, 2), axes=(0, 1)), "(2, 2, 2)", "2 axes"),
    bad(lambda of: call(of(2, 4), s=(0, 4), axes=(0, 1)), "length of 0"),
    bad(lambda of: call(of(2, 4), norm="x"), '"x"'),
)


def record(name):
    several = name[-1] in "2n"
    return Record(
        f"fft.{name}",
        along_several(name) if several else along_one(name),
        reference(name),
        result="float32" if is_back(name) else "complex64",
        tolerance=accurate(name),
        domain=uniform(-4, 4),
        smooth=None,
        nonfinite=False,
        large=large(name),
        bad=BAD_SEVERAL if several else BAD_ONE,
    )


def derivatives(name):
    """Of complex64 alone: a finite difference in float64 sees nothing but the rounding to complex64."""
    real = is_real(name)

    def function(x, *args, **kwargs):
        return getattr(mx.fft, name)(mx.real(x) if real else x, *args, **kwargs)

    def samples(of):
        if name[-1] in "2n":
            yield call(of(3, 4), axes=(0, 1))
            yield call(of(4, 3, 2), axes=(2, 0), norm="ortho")
            yield call(of(4, 5), s=(3, 6), axes=(0, 1))
            return
        for n in (2, 3, 4, 5, 8, 67):
            yield call(of(2, n), n=of.pick([n, n + 1]), norm=of.pick(NORMS))
        yield call(of(5, 3), 6, 0)
        yield call(of(3), 1)

    return Record(
        f"fft.{name}",
        samples,
        None,
        function=function,
        variant="derivatives",
        dtypes=("complex64",),
        only=("gradient", "second", "jvp"),
    )


def shifts(of):
    for shape in of.shapes:
        yield call(of(shape))
        if shape:
            yield call(of(shape), of.pick(range(-len(shape), len(shape))))
    yield call(of(4, 5, 3), axes=(0, -1))


def frequencies(of):
    for n in (1, 2, 3, 8, 101):
        yield call(n)
        yield call(n, of.pick([0.5, -3.0, 1e-3]))


RECORDS = [
    *(record(name) for name in ONE + SEVERAL),
    *(derivatives(name) for name in ONE + SEVERAL),
    *(
        Record(
            f"fft.{name}",
            shifts,
            lambda x, axes=None, name=name: getattr(np.fft, name)(x, axes) if x.ndim else x,
            tolerance=EXACT,
            bad=(bad(lambda of: call(of(2, 4), axes=2), "axis 2", "(2, 4)", error=IndexError),),
        )
        for name in ("fftshift", "ifftshift")
    ),
    *(
        Record(
            f"fft.{name}",
            frequencies,
            getattr(np.fft, name),
            dtypes=("float32",),
            tolerance=Tolerance(ulp=1, why="a division in double, rounded once"),
            only=("value", "type", "errors"),
            bad=(bad(lambda of: call(0), "n is 0"), bad(lambda of: call(4, 0.0), "d must not be 0")),
        )
        for name in ("fftfreq", "rfftfreq")
    ),
]
test_operations = operation_tests(RECORDS, __file__)


# ---- what the runner does not see ----


def relative(a, b):
    return np.linalg.norm(np.asarray(a) - b) / np.linalg.norm(b)


@pytest.mark.parametrize("name", ONE)
@pytest.mark.parametrize("n", [30, 67, 1000, 1024, 2048, 2310, 4097, 10007, 65536, 100003])
@pytest.mark.parametrize("rows", [1, 9])
def test_errors_are_those_of_scipy(name, n, rows):
    """Within 10 times the error of SciPy in the same precision (and never asked for less than the rounding itself)."""
    rng = np.random.default_rng(n)
    x = rng.standard_normal((rows, n // 2 + 1 if is_back(name) else n)).astype(np.float32)
    if not is_real(name):
        x = (x + 1j * rng.standard_normal(x.shape)).astype(np.complex64)
    function = getattr(scipy.fft, name)
    exact = function(x.astype(np.complex128 if x.dtype.kind == "c" else float), n)
    ours, theirs = np.array(getattr(mx.fft, name)(mx.array(x), n)), function(x, n)
    assert relative(ours, exact) <= max(10 * relative(theirs, exact), 1e-7)


@pytest.mark.parametrize("n", [8, 67, 64, 100, 5000])
def test_rows_do_not_meet(n):
    """NaN and huge values in one row leave the bits of the others as they are."""
    x = np.random.default_rng(0).standard_normal((33, n)).astype(np.float32)
    other = x.copy()
    other[5], other[20] = np.nan, 1e30
    rest = [i for i in range(33) if i not in (5, 20)]
    for name in ("fft", "rfft", "irfft"):
        function = getattr(mx.fft, name)
        a, b = np.array(function(mx.array(x))), np.array(function(mx.array(other)))
        assert np.array_equal(a[rest].view(np.uint32), b[rest].view(np.uint32))


def test_inverse_gives_the_array_back():
    for shape in [(7,), (4, 6), (3, 5, 8)]:
        x = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
        axes = list(range(len(shape)))
        for norm in NORMS:
            there = mx.fft.fftn(mx.array(x), norm=norm)
            assert np.allclose(np.array(mx.fft.ifftn(there, norm=norm)), x, atol=1e-5)
            there = mx.fft.rfftn(mx.array(x), norm=norm)
            assert np.allclose(np.array(mx.fft.irfftn(there, shape, axes, norm)), x, atol=1e-5)


def test_no_axes_is_the_argument():
    x = mx.array([1.0, 2.0])
    assert mx.array_equal(mx.fft.fftn(x, axes=()), x)
