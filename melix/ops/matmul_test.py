"""Records of the matrix products (melix/ops/matmul.h), and what they promise beyond them: broadcasts that are not
materialised, our own kernels where there is no BLAS, processes that fork."""

import os
import subprocess
import sys

import numpy as np
import pytest

from tests.runner import ALL, Record, Tolerance, bad, call, domains, mx, operation_tests

FMA = {"instruction_sets": "products use the fused multiply-add of an instruction set (docs/numerics.md)"}
SHAPES = [
    ((3, 4), (4, 5)),
    ((1, 1), (1, 1)),
    ((17, 33), (33, 65)),
    ((5,), (5,)),
    ((4,), (4, 3)),
    ((3, 4), (4,)),
    ((3, 0), (0, 4)),
    ((0, 3), (3, 4)),
    ((0,), (0,)),
    ((2, 3, 4), (4, 5)),
    ((3, 4), (7, 4, 2)),
    ((2, 1, 3, 4), (5, 4, 3)),
    ((2, 3, 4), (2, 4, 1)),
    ((4,), (2, 4, 3)),
    ((2, 0, 4), (4, 3)),
    ((6, 1, 40), (6, 40, 1)),
    ((1, 300), (300, 70)),
    ((9, 300), (300, 3)),
    ((13, 129), (129, 96)),
]


def magnitude(a, b):
    """Errors of a sum of K products grow with its root, at the sum of magnitudes."""
    wide = complex if "c" in (a.dtype.kind, b.dtype.kind) else float
    terms = a.shape[-1] if a.ndim else 1
    return np.sqrt(max(terms, 1)) * np.matmul(np.abs(a.astype(wide)), np.abs(b.astype(wide)))


def samples(of):
    for a, b in SHAPES:
        yield call(of(a), of(b))


def large(of):
    yield call(of(150, 170), of(170, 130))
    yield call(of(3, 3000), of(3000, 40))
    yield call(of(20, 40, 30), of(30, 50))
    yield call(of(2, 9000), of(9000, 2))
    yield call(of(40, 9000), of(9000, 30))


def added(c, a, b, alpha=1.0, beta=1.0):
    if a.dtype.kind in "bui":
        wide = np.uint64 if a.dtype == np.uint64 else np.int64
        if a.dtype == bool:
            return np.logical_or(np.matmul(a, b) & bool(alpha), c & bool(beta))
        return wide(int(alpha)) * np.matmul(a.astype(wide), b.astype(wide)) + wide(int(beta)) * c.astype(wide)
    return alpha * np.matmul(a, b) + beta * c


def added_magnitude(c, a, b, alpha=1.0, beta=1.0):
    return abs(alpha) * magnitude(a, b) + abs(beta) * np.abs(c)


def addmm_samples(of):
    # Whole numbers of one byte, so that integers of every type take them.
    for a, b in SHAPES:
        shape = np.matmul(np.ones(a), np.ones(b)).shape
        yield call(of(shape), of(a), of(b))
        yield call(of(shape[-1:]), of(a), of(b), alpha=of.pick([2.0, 1.0]), beta=of.pick([3.0, 0.0]))
    yield call(of(), of(3, 4), of(4, 5), 2.0, 3.0)
    yield call(of(3, 1), of(3, 4), of(4, 5), beta=2.0)
    yield call(of(2, 1, 5), of(2, 3, 4), of(4, 5))


def inner_samples(of):
    for a, b in [
        ((5,), (5,)),
        ((2, 3), (4, 3)),
        ((2, 3, 4), (5, 4)),
        ((), (2, 3)),
        ((2, 0), (3, 0)),
        ((3,), (2, 3)),
    ]:
        yield call(of(a), of(b))


def inner(a, b):
    return np.inner(a, b) if a.ndim and b.ndim else a * b  # NumPy's own has 0 * NaN = 0


def inner_magnitude(a, b):
    return 4 * inner(np.abs(a), np.abs(b))


def dotted(a, b, axis=-1):
    products = np.conj(a) * b  # integers wrap here, and are then summed in 32 bits or more
    return np.sum(products.astype(np.int64) if a.dtype.kind in "bui" else products, axis=axis)


def dotted_type(dtype):
    return {"bool": "int32", "int8": "int32", "int16": "int32", "uint8": "uint32", "uint16": "uint32"}.get(
        dtype, dtype
    )


def vecdot_samples(of):
    for a, b, axis in [
        ((5,), (5,), -1),
        ((2, 3), (2, 3), 0),
        ((2, 3), (3,), -1),
        ((4, 1, 3), (5, 3), -1),
        ((2, 0), (2, 0), 1),
    ]:
        yield call(of(a), of(b), axis=axis)
    yield call(of(3, 2000), of(3, 2000))


def tensordot_samples(of):
    for a, b, axes in [
        ((2, 3), (3, 4), 1),
        ((2, 3, 4), (3, 4, 5), 2),
        ((2, 3), (4, 5), 0),
        ((2, 3, 4), (4, 2, 5), ([0, 2], [1, 0])),
        ((2, 3), (2, 3), ([0, 1], [0, 1])),
        ((2, 3), (5, 3), ([-1], [-1])),
        ((2, 0), (0, 3), 1),
    ]:
        yield call(of(a), of(b), axes=axes)


def tensordot_magnitude(a, b, axes=2):
    return 4 * np.tensordot(np.abs(a), np.abs(b), axes)


SUM = {"nonfinite": domains.INFINITE, "skip": FMA, "extended": False}
WHY = "a sum of K products, each rounded"
RECORDS = [
    Record(
        "matmul",
        samples,
        np.matmul,
        large=large,
        tolerance=Tolerance(ulp=8, scale=magnitude, why=WHY),
        **SUM,
        bad=(
            bad(lambda of: call(of(3, 4), of(3, 4)), "(3, 4)"),
            bad(lambda of: call(of(), of(3)), "scalar"),
            bad(lambda of: call(of(2, 3, 4), of(3, 4, 5)), "(2,)", "(3,)"),
        ),
    ),
    Record(
        "addmm",
        addmm_samples,
        added,
        tolerance=Tolerance(ulp=8, scale=added_magnitude, why=WHY),
        **SUM,
        bad=(
            bad(lambda of: call(of(4), of(3, 4), of(4, 5)), "(4,)", "(3, 5)"),
            bad(lambda of: call(of(7, 3, 5), of(3, 4), of(4, 5)), "(7, 3, 5)"),
            bad(lambda of: call(of(3, 5), of(3, 4), of(4, 5), 0.5), "0.5", dtype="int32"),
        ),
    ),
    Record(
        "inner",
        inner_samples,
        inner,
        tolerance=Tolerance(ulp=8, scale=inner_magnitude, why=WHY),
        **SUM,
        bad=(bad(lambda of: call(of(2, 3), of(3, 2)), "(2, 3)", "(3, 2)"),),
    ),
    Record(
        "vecdot",
        vecdot_samples,
        dotted,
        result=dotted_type,
        **SUM,
        tolerance=Tolerance(
            ulp=8,
            double=64,
            scale=lambda a, b, axis=-1: np.sum(np.abs(a) * np.abs(b), axis=axis),
            why="a sum",
        ),
        bad=(
            bad(lambda of: call(of(2, 3), of(2, 4)), "(2, 3)", "(2, 4)"),
            bad(lambda of: call(of(2, 3), of(3), axis=0), "axis 0"),
            bad(lambda of: call(of(2, 3), of(2, 3), axis=2), "axis 2", error=IndexError),
        ),
    ),
    Record(
        "tensordot",
        tensordot_samples,
        np.tensordot,
        tolerance=Tolerance(ulp=8, scale=tensordot_magnitude, why=WHY),
        **SUM,
        bad=(
            bad(lambda of: call(of(2, 3), of(3, 2), axes=3), "3 axes"),
            bad(lambda of: call(of(2, 3), of(2, 3), axes=-1), "-1"),
            bad(lambda of: call(of(2, 3), of(2, 3), axes=[[0], [1]]), "axis 0", "axis 1"),
            bad(lambda of: call(of(2, 3), of(2, 3), axes=[[0, 0], [0, 0]]), "axis"),
            bad(lambda of: call(of(2, 3), of(2, 3), axes=[[0]]), "two lists"),
        ),
    ),
    Record(
        "outer",
        lambda of: (
            call(of(a), of(b)) for a, b in [((3,), (4,)), ((2, 3), (4, 1)), ((), (3,)), ((0,), (3,))]
        ),
        lambda a, b: np.multiply.outer(a.ravel(), b.ravel()),
        extended=True,
    ),
    Record(
        "kron",
        lambda of: (
            call(of(a), of(b))
            for a, b in [((3,), (4,)), ((2, 3), (4, 1)), ((), (3,)), ((2, 3), (2, 2, 2)), ((0,), (3,))]
        ),
        np.kron,
        extended=True,
        nonfinite=False,
    ),
]
test_operations = operation_tests(RECORDS, __file__)


@pytest.mark.parametrize(
    "dtype", ["float32", "float16", "bfloat16", "float64", "complex64", "int8", "int32", "bool"]
)
@pytest.mark.parametrize(
    "shape", [((70, 90), (90, 40)), ((1, 3000), (3000, 90)), ((3, 90), (90, 3000)), ((5, 20, 30), (30, 40))]
)
def test_a_vector_of_ones_sums_whatever_the_strides(dtype, shape):
    """Transposed, strided, reversed and broadcast factors multiply to the same numbers as their copies."""
    rng = np.random.default_rng(0)
    a, b = (
        mx.array(rng.integers(-3, 4, s).astype(np.float32)).astype(
            getattr(mx, dtype.replace("bool", "bool_"))
        )
        for s in shape
    )
    expected = np.array(mx.matmul(a, b).astype(mx.complex64))
    mT = lambda x: mx.swapaxes(mx.contiguous(mx.swapaxes(x, -1, -2)), -1, -2)
    gaps = lambda x: mx.repeat(mx.repeat(x, 2, -1), 3, -2)[..., ::3, ::2]
    back = lambda x: mx.contiguous(x[..., ::-1, ::-1])[..., ::-1, ::-1]
    for one in (mT, gaps, back):
        for two in (lambda x: x, mT, gaps, back):
            got = np.array(mx.matmul(one(a), two(b)).astype(mx.complex64))
            assert np.array_equal(got, expected)  # small whole numbers: exact in every dtype and order


def test_broadcast_batches_are_not_materialised():
    """A product with a factor that has no batch allocates the result, and not the repeated factor (128 MB here)."""
    a, b = mx.ones((512, 4, 64)), mx.ones((256, 64)).T
    mx.eval(a, b)
    mx.reset_peak_memory()
    before = mx.get_active_memory()
    mx.eval(mx.matmul(a, b))
    assert mx.get_peak_memory() - before < 4 << 20
    grad = mx.grad(lambda w: mx.matmul(a, w).sum())(b)
    assert grad.shape == (64, 256) and np.array_equal(np.array(grad), np.full((64, 256), 2048.0))


SCRIPT = """
import os, sys, hashlib
import numpy as np, melix.core as mx
SHAPES = ((64, 64, 64), (130, 70, 50), (1, 500, 300), (300, 500, 2), (40, 9000, 30), (3, 4, 1), (1, 4, 3))
def run():
    digest = hashlib.sha256()
    for dtype in (mx.float32, mx.float64, mx.complex64, mx.float16, mx.bfloat16, mx.int8, mx.bool_):
        for m, k, n in SHAPES:
            a, b = np.sin(np.arange(m * k)).reshape(m, k), np.cos(np.arange(k * n)).reshape(k, n)
            x, y = mx.array(a.astype(np.float32)).astype(dtype), mx.array(b.astype(np.float32)).astype(dtype)
            got = mx.matmul(x, y)
            if dtype in (mx.float32, mx.float64, mx.complex64): assert np.abs(np.array(got) - a @ b).max() < 1e-3
            digest.update(np.array(got.astype(mx.complex64)).tobytes())
    return digest.hexdigest()
first = run()
child = os.fork()
if child == 0:
    os._exit(0 if run() == first else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
print(first)
"""


def script(**environment):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env={**os.environ, **environment}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("blas", ["", "none"])
def test_products_survive_fork_and_do_not_depend_on_threads(blas):
    assert len({script(MELIX_BLAS=blas, MELIX_NUM_THREADS=n) for n in ("1", "2", "7")}) == 1


def test_a_blas_that_is_not_there_is_an_error():
    code = "import melix.core as mx; mx.eval(mx.matmul(mx.ones((64, 64)), mx.ones((64, 64))))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "MELIX_BLAS": "/nowhere.so"},
        capture_output=True,
        text=True,
    )
    assert "RuntimeError: [matmul] MELIX_BLAS is /nowhere.so" in done.stderr


def test_importing_loads_no_blas():
    code = "import melix.core; print('blas' in open('/proc/self/maps').read())"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


def test_integers_wrap_and_booleans_are_logical():
    product = lambda dtype, a, b: mx.matmul(mx.array(a, dtype=dtype), mx.array(b, dtype=dtype)).item()
    assert product(mx.int8, [100, 100], [3, 2]) == -12
    assert product(mx.uint8, [100, 100], [3, 2]) == 244
    assert product(mx.int64, [2**62, 2**62], [1, 1]) == -(2**63)
    assert product(mx.bool_, [True, True, False], [False, True, True]) is True
    assert product(mx.bool_, [True, False], [False, True]) is False


def test_every_dtype_meets_every_other():
    for a in ALL:
        for b in ALL:
            x, y = (mx.ones((2, 2), dtype=getattr(mx, d.replace("bool", "bool_"))) for d in (a, b))
            assert mx.matmul(x, y).dtype == (x + y).dtype
