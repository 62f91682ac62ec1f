"""What linear algebra does at the edges (melix/ops/linalg.h): matrices that cannot be dealt with, values that are not
finite, views of every kind, threads, and no LAPACK."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from tests.runner import mx

linalg = mx.linalg
FIELD = ("float32", "float64", "complex64")
OF_ONE_MATRIX = (
    "inv",
    "tri_inv",
    "cholesky",
    "cholesky_inv",
    "lu",
    "lu_factor",
    "qr",
    "svd",
    "eig",
    "eigvals",
    "eigh",
    "eigvalsh",
    "pinv",
)


def regular(*shape, dtype="float32", seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape) + 3 * np.eye(shape[-2], shape[-1])
    if dtype == "complex64":
        x = x + 1j * rng.standard_normal(shape)
    return (x @ np.conj(np.swapaxes(x, -1, -2))).astype(
        dtype
    )  # Hermitian and positive definite: right for all


def array(x):
    return mx.array(x, dtype=getattr(mx, str(x.dtype)))


def evaluated(results):
    results = results if isinstance(results, tuple) else (results,)
    mx.eval(results)
    return [np.array(result) for result in results]


# ---- matrices that cannot be dealt with ----


@pytest.mark.parametrize("dtype", FIELD)
@pytest.mark.parametrize("n", [1, 2, 4, 9, 40, 130])
def test_a_singular_matrix_is_named_and_the_next_call_works(dtype, n):
    good = regular(7, n, n, dtype=dtype)
    bad = good.copy()
    bad[3, :, n // 2] = 0
    bad[5] = 0
    vector = array(np.ones((7, n, 1), dtype))
    calls = {
        "inv": lambda x: linalg.inv(array(x)),
        "solve": lambda x: linalg.solve(array(x), vector),
        "tri_inv": lambda x: linalg.tri_inv(array(x)),
        "solve_triangular": lambda x: linalg.solve_triangular(array(x), vector),
    }
    for name, function in calls.items():
        result = function(bad)
        with pytest.raises(RuntimeError, match=rf"^\[{name}\] matrix 3 of the batch is singular$"):
            mx.eval(result)
        with pytest.raises(RuntimeError, match="matrix 3"):  # it is still lazy, and says the same again
            mx.eval(result)
        assert np.isfinite(evaluated(function(good))[0]).all()
    with pytest.raises(RuntimeError, match=r"^\[inv\] the matrix is singular$"):
        mx.eval(linalg.inv(array(bad[5])))


@pytest.mark.parametrize("n", [1, 2, 4, 9, 40, 130])
@pytest.mark.parametrize("dtype", FIELD)
@pytest.mark.parametrize("upper", [False, True])
def test_a_matrix_that_is_not_definite_is_named(dtype, upper, n):
    bad = regular(5, n, n, dtype=dtype)
    bad[2, n - 1, n - 1] = -1
    with pytest.raises(RuntimeError, match=r"^\[cholesky\] matrix 2 of the batch is not positive definite$"):
        mx.eval(linalg.cholesky(array(bad), upper))
    assert np.isfinite(evaluated(linalg.cholesky(array(bad[:2]), upper))[0]).all()


def test_an_error_leaves_what_was_there_and_other_results():
    x = mx.array([[1.0, 2.0], [2.0, 4.0]])
    doubled, inverse = x * 2, linalg.inv(x * 2)
    with pytest.raises(RuntimeError, match="singular"):
        mx.eval(doubled, inverse)
    assert doubled.tolist() == [[2, 4], [4, 8]]
    assert x.tolist() == [[1, 2], [2, 4]]


def test_determinants_of_singular_matrices_are_zero():
    x = mx.array([[[1.0, 2.0], [2.0, 4.0]], [[0.0, 0.0], [0.0, 0.0]], [[3.0, 1.0], [1.0, 2.0]]])
    assert linalg.det(x).tolist() == [0, 0, 5]
    sign, logarithm = linalg.slogdet(x)
    assert sign.tolist() == [0, 0, 1]
    assert logarithm.tolist()[:2] == [-np.inf, -np.inf]


def test_the_gradient_of_a_determinant_is_the_cofactors_of_singular_matrices_too():
    cases = {
        "rank 2": [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]],
        "a zero row": [[1.0, 2.0, 3.0], [0.0, 0.0, 0.0], [2.0, 1.0, 5.0]],
        "rank 1": [[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [3.0, 6.0, 9.0]],
        "zero": [[0.0] * 3] * 3,
    }
    for what, rows in cases.items():
        x = np.array(rows)
        minors = [
            [(-1) ** (i + j) * np.linalg.det(np.delete(np.delete(x, i, 0), j, 1)) for j in range(3)]
            for i in range(3)
        ]
        gradient = mx.grad(linalg.det)(array(x))
        assert np.allclose(np.array(gradient), minors, atol=1e-10), what
    assert np.array(mx.grad(linalg.det)(mx.zeros((1, 1)))).tolist() == [[1]]


def test_norms_have_the_gradient_zero_at_zero():
    for shape, options in [((3,), {}), ((2, 3), {}), ((2, 3), {"axis": 1}), ((2, 3), {"ord": "fro"})]:
        gradient = mx.grad(lambda x, options=options: mx.sum(linalg.norm(x, **options)))(mx.zeros(shape))
        assert np.array(gradient).tolist() == np.zeros(shape).tolist()


# ---- values that are not finite ----


@pytest.mark.parametrize("dtype", FIELD)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("n", [1, 3, 20, 70])
def test_a_matrix_that_is_not_finite_spoils_no_other(dtype, value, n):
    x = regular(3, n, n, dtype=dtype)
    x[1, n - 1, 0] = x[1, 0, n - 1] = value
    for name in ("qr", "svd", "eig", "eigvals", "eigh", "eigvalsh", "lu", "lu_factor"):
        function = getattr(linalg, name)
        for mixed, alone in zip(evaluated(function(array(x))), evaluated(function(array(x[:1])))):
            assert np.array_equal(mixed[0], alone[0]), name
        if name in ("svd", "eig", "eigvals", "eigh", "eigvalsh"):
            assert all(np.isnan(result[1]).all() for result in evaluated(function(array(x)))), name


@pytest.mark.parametrize("dtype", FIELD)
@pytest.mark.parametrize("n", [1, 3, 20, 70])
def test_nan_goes_through_inverses_and_factors(dtype, n):
    for at in (0, n - 1):
        x = regular(n, n, dtype=dtype)
        x[at, at] = np.nan
        for name in ("inv", "cholesky", "det", "pinv"):
            assert np.isnan(evaluated(getattr(linalg, name)(array(x)))[0]).any(), (name, at)
        assert np.isnan(evaluated(linalg.solve(array(x), array(np.ones(n, dtype))))[0]).any()


# ---- what is read ----


@pytest.mark.parametrize("dtype", FIELD)
@pytest.mark.parametrize("n", [3, 30])
def test_only_the_triangle_that_counts_is_read(dtype, n):
    x = regular(n, n, dtype=dtype)
    for upper in (False, True):
        keep = np.triu(np.ones((n, n), bool)) if upper else np.tril(np.ones((n, n), bool))
        half = np.where(keep, x, np.nan).astype(dtype)
        triangle = np.where(keep, x, 0).astype(dtype)
        uplo = "U" if upper else "L"
        b = array(np.ones((n, 2), dtype))
        for whole, part in [
            (linalg.cholesky(array(x), upper), linalg.cholesky(array(half), upper)),
            (linalg.eigvalsh(array(x), uplo), linalg.eigvalsh(array(half), uplo)),
            (linalg.eigh(array(x), uplo)[1], linalg.eigh(array(half), uplo)[1]),
            (linalg.tri_inv(array(triangle), upper), linalg.tri_inv(array(half), upper)),
            (
                linalg.solve_triangular(array(triangle), b, upper=upper),
                linalg.solve_triangular(array(half), b, upper=upper),
            ),
        ]:
            assert np.array_equal(np.array(whole), np.array(part))


def views(x):
    """The same matrices in other places: (what, module array)."""
    wide = np.zeros((*x.shape[:-2], 2 * x.shape[-2] + 1, 3 * x.shape[-1] + 1), x.dtype)
    wide[..., 1::2, 1::3] = x
    yield "transposed", mx.swapaxes(array(np.ascontiguousarray(np.swapaxes(x, -1, -2))), -1, -2)
    yield "strided", array(wide)[..., 1::2, 1::3]
    padded = np.concatenate([x, x], axis=-1)
    yield "padded rows", array(padded)[..., : x.shape[-1]]
    yield "backwards", array(np.ascontiguousarray(x[::-1, ::-1, ::-1]))[::-1, ::-1, ::-1]
    yield "batch last", mx.moveaxis(array(np.ascontiguousarray(np.moveaxis(x, 0, -1))), -1, 0)


@pytest.mark.parametrize("dtype", FIELD)
@pytest.mark.parametrize("name", OF_ONE_MATRIX)
def test_views_give_what_copies_give(name, dtype):
    for shape in [(3, 5, 5), (2, 33, 33)]:
        x = regular(*shape, dtype=dtype)
        expected = evaluated(getattr(linalg, name)(array(x)))
        for what, view in views(x):
            for result, wanted in zip(evaluated(getattr(linalg, name)(view)), expected):
                assert np.array_equal(result, wanted), what
        repeated = mx.broadcast_to(array(x[:1]), x.shape)
        for result, wanted in zip(evaluated(getattr(linalg, name)(repeated)), expected):
            assert all(np.array_equal(part, wanted[0]) for part in result)


@pytest.mark.parametrize("dtype", FIELD)
def test_systems_of_views_give_what_copies_give(dtype):
    a, b = regular(3, 5, 5, dtype=dtype), regular(3, 5, 5, dtype=dtype, seed=1)
    for function in (linalg.solve, linalg.solve_triangular):
        expected = np.array(function(array(a), array(b)))
        for (what, x), (_, y) in zip(views(a), views(b)):
            assert np.array_equal(np.array(function(x, y)), expected), what


def test_dtypes_promote_and_others_are_refused():
    a, b = regular(3, 3), np.ones(3)
    assert linalg.solve(array(a), mx.array([1, 2, 3])).dtype == mx.float32
    assert linalg.solve(array(a), mx.array(b, dtype=mx.float64)).dtype == mx.float64
    assert linalg.solve(array(a.astype("complex64")), mx.array(b)).dtype == mx.complex64
    for name in OF_ONE_MATRIX:
        for dtype in (mx.float16, mx.bfloat16, mx.int32, mx.bool_):
            with pytest.raises(ValueError, match=rf"^\[{name}\] takes float32, float64 and complex64, not"):
                getattr(linalg, name)(mx.ones((2, 2), dtype=dtype))
        with pytest.raises(ValueError, match=rf"^\[{name}\] an array of shape \(3,\) holds no matrices"):
            getattr(linalg, name)(mx.ones((3,)))
    assert [x.dtype for x in linalg.slogdet(mx.array([[1, 2], [3, 4]]))] == [mx.float32] * 2
    for function in (linalg.eigh, linalg.eigvalsh):
        with pytest.raises(ValueError, match='UPLO is "X"'):
            function(mx.eye(2), "X")
        with pytest.raises(ValueError, match="square"):
            function(mx.ones((2, 3)))


def test_matrices_beyond_lapacks_sizes_are_refused():
    with pytest.raises(ValueError, match=r"^\[svd\] .*too large for LAPACK"):
        linalg.svd(mx.broadcast_to(mx.array(1.0), (30000, 30000)))
    with pytest.raises(ValueError, match=r"^\[qr\] .*too large for LAPACK"):
        linalg.qr(mx.broadcast_to(mx.array(1.0), (2, 2**31)))


def test_results_are_shaped_for_empty_matrices():
    for shape, u, s, vt in [
        ((0, 3), (0, 0), (0,), (3, 3)),
        ((3, 0), (3, 3), (0,), (0, 0)),
        ((2, 0, 2), (2, 0, 0), (2, 0), (2, 2, 2)),
    ]:
        results = evaluated(linalg.svd(mx.zeros(shape)))
        assert [x.shape for x in results] == [u, s, vt]
        for vectors in (results[0], results[2]):
            assert np.array_equal(vectors, np.broadcast_to(np.eye(vectors.shape[-1]), vectors.shape))
    assert linalg.det(mx.zeros((2, 0, 0))).tolist() == [1, 1]
    assert [x.tolist() for x in linalg.slogdet(mx.zeros((0, 0)))] == [1, 0]
    assert [x.shape for x in linalg.lu(mx.zeros((3, 0)))] == [(3,), (3, 0), (0, 0)]
    assert linalg.lu(mx.zeros((3, 0)))[0].tolist() == [0, 1, 2]


def test_lu_permutes_as_mlx_does():
    x = mx.array([[0.0, 1, 0], [0, 0, 1], [1, 0, 0]])
    p, l, u = linalg.lu(x)
    assert p.tolist() == [1, 2, 0]
    assert (l[p] @ u).tolist() == x.tolist()
    assert linalg.lu_factor(x)[1].tolist() == [2, 2, 2]


def test_streams_and_nested_transforms():
    x = array(regular(4, 3, 3))
    assert np.array_equal(np.array(linalg.inv(x, stream=mx.cpu)), np.array(linalg.inv(x)))
    per_example = mx.vmap(mx.grad(lambda a: mx.sum(linalg.inv(a))))(x)
    together = mx.grad(lambda a: mx.sum(linalg.inv(a)))(x)
    assert np.allclose(np.array(per_example), np.array(together), rtol=1e-5)
    of_det = mx.grad(lambda a: mx.sum(mx.vmap(linalg.det)(a)))(x)
    assert np.allclose(np.array(of_det), np.array(mx.vmap(mx.grad(linalg.det))(x)), rtol=1e-5)
    step = mx.compile(mx.grad(lambda a: linalg.slogdet(a)[1]))
    assert np.allclose(np.array(step(x[0])), np.linalg.inv(np.array(x[0])).T, rtol=1e-4)


# ---- threads, and no LAPACK ----


def test_many_threads_may_call_at_once():
    x = regular(64, 24, 24, dtype="float64")
    names = ("inv", "cholesky", "qr", "svd", "eigh", "eig", "lu_factor")
    expected = {name: evaluated(getattr(linalg, name)(array(x))) for name in names}
    wrong = []

    def work(name):
        for _ in range(5):
            for result, wanted in zip(evaluated(getattr(linalg, name)(array(x))), expected[name]):
                if not np.array_equal(result, wanted):
                    wrong.append(name)

    threads = [threading.Thread(target=work, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_without_lapack_the_error_says_what_to_install():
    program = """
import melix.core as mx
for f in (mx.linalg.inv, mx.linalg.svd, mx.linalg.det):
    try:
        mx.eval(f(mx.eye(20)))
    except RuntimeError as error:
        print(error)
print(mx.linalg.norm(mx.array([3.0, 4.0])).item())
"""
    run = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "MELIX_BLAS": "none"},
        capture_output=True,
        text=True,
        check=True,
    )
    *errors, norm = run.stdout.splitlines()
    assert len(errors) == 3 and all("scipy-openblas32" in error for error in errors), run.stdout
    assert norm == "5.0"
