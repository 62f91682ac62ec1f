"""Errors of linear algebra (melix/ops/linalg.h) beside those of SciPy in the same precision on the same matrices, which
are ill-conditioned, graded, nearly singular, or plain, alone and in a batch: at most ten times as large.

In float32 and complex64 an error is the distance from the result in double. In float64 it is a residual: how well the
results solve the equation that they stand for, computed in the longest type that NumPy has.
"""

import numpy as np
import pytest
import scipy.linalg

from tests.runner import mx

N = 24
FIELD = ("float32", "float64", "complex64")
FACTOR = 10


def matrices():
    """Name -> a matrix in double."""
    rng = np.random.default_rng(11)
    normal = rng.standard_normal((N, N))
    q, _ = np.linalg.qr(normal)
    p, _ = np.linalg.qr(rng.standard_normal((N, N)))
    powers = 10.0 ** np.linspace(0, -5, N)
    return {
        "random": normal,
        "hilbert": scipy.linalg.hilbert(8),
        "graded": normal * powers[:, None] * powers,
        "graded upwards": (normal * powers[:, None] * powers)[::-1, ::-1],
        "nearly singular": (q * np.r_[np.ones(N - 1), 3e-5]) @ p,
        "clustered": (q * np.r_[np.ones(N // 2), 1 + 1e-4 * np.arange(N - N // 2)]) @ p,
        "vandermonde": np.vander(np.linspace(0.1, 1, 9)),
        "pivoting grows": np.tril(-np.ones((N, N)), -1)
        + np.eye(N)
        + np.outer(np.ones(N), np.arange(N) == N - 1),
        "companion": scipy.linalg.companion(np.poly(np.linspace(-1, 1, 10))),
        "large numbers": normal * 1e12,
        "small numbers": normal * 1e-12,
    }


def as_type(x, dtype):
    x = x.astype(np.complex128 if dtype == "complex64" else np.float64)
    if dtype == "complex64":
        x = x * np.exp(1j * np.arange(len(x)))[:, None]  # rows turned: as ill-conditioned as before
    return np.ascontiguousarray(x.astype(dtype))


def wide(x):
    return np.asarray(x).astype(np.clongdouble if np.iscomplexobj(x) else np.longdouble)


def adjoint(x):
    return np.conj(np.swapaxes(x, -1, -2))


def distance(result, truth):
    return float(np.linalg.norm(wide(result) - truth) / np.linalg.norm(truth))


def residual(*terms):
    """The norm of the sum of the terms, against the largest of theirs."""
    return float(
        np.linalg.norm(np.sum([wide(t) for t in terms], axis=0).astype(complex))
        / max(np.linalg.norm(np.asarray(t).astype(complex)) for t in terms)
    )


def is_unitary(q):
    k = q.shape[-1]
    return residual(adjoint(wide(q)) @ wide(q), -np.eye(k))


def array(x):
    return mx.array(x, dtype=getattr(mx, str(x.dtype)))


def ours(name, *arguments, **options):
    results = getattr(mx.linalg, name)(*map(array, arguments), **options)
    return [np.array(r) for r in results] if isinstance(results, tuple) else np.array(results)


def right_side(a):
    return np.linspace(1, 2, 2 * len(a)).reshape(len(a), 2).astype(a.dtype)


def definite(a):
    a = a.astype(complex if np.iscomplexobj(a) else float)
    return a @ adjoint(a) + np.eye(len(a)) * np.linalg.norm(a) ** 2 * 1e-4


# Each: (our results, SciPy's, errors of results as a list). The argument is of the type that is tested.


def inverse(a):
    """The (pseudo-)inverse of a matrix of full rank, in the longest type: Newton's iteration doubles the digits that
    the one in double has right."""
    y, unit = wide(np.linalg.pinv(a.astype(np.result_type(a, np.float64)), rcond=1e-18)), 2 * np.eye(len(a))
    x = wide(a)
    for _ in range(6):
        y = y @ (unit - x @ y) if x.shape[0] <= x.shape[1] else (2 * np.eye(x.shape[1]) - y @ x) @ y
    return y


def inv(a):
    return ours("inv", a), scipy.linalg.inv(a), lambda y: [distance(y, inverse(a))]


def with_large_diagonal(t):
    t[np.diag_indices(len(t))] = np.abs(t).max() * np.linspace(1, 2, len(t))
    return t


def tri_inv(a):
    t = with_large_diagonal(np.tril(a))
    scipys = scipy.linalg.solve_triangular(t, np.eye(len(t), dtype=t.dtype), lower=True)
    return ours("tri_inv", t), scipys, lambda y: [residual(wide(t) @ wide(y), -np.eye(len(t)))]


def solve(a):
    b = right_side(a)

    def errors(x):
        size = np.linalg.norm(a) * np.linalg.norm(x)
        return [float(np.linalg.norm((wide(a) @ wide(x) - b).astype(complex)) / size)]

    return ours("solve", a, b), scipy.linalg.solve(a, b), errors


def solve_triangular(a):
    b, t = right_side(a), with_large_diagonal(np.triu(a))
    theirs = scipy.linalg.solve_triangular(t, b)
    return ours("solve_triangular", t, b, upper=True), theirs, lambda x: [residual(wide(t) @ wide(x), -b)]


def cholesky(a):
    x = definite(a).astype(a.dtype)

    def errors(low):
        return [residual(wide(low) @ adjoint(wide(low)), -x)]

    return ours("cholesky", x), scipy.linalg.cholesky(x, lower=True), errors


def cholesky_inv(a):
    x = definite(a).astype(a.dtype)
    low = scipy.linalg.cholesky(x, lower=True)
    theirs = scipy.linalg.cho_solve((low, True), np.eye(len(x), dtype=x.dtype))
    product = wide(low) @ adjoint(wide(low))
    return ours("cholesky_inv", low), theirs, lambda y: [residual(wide(y) @ product, -np.eye(len(x)))]


def lu(a):
    def errors(results):
        p, low, up = results
        return [residual((wide(low) @ wide(up))[p], -a)]

    p, low, up = scipy.linalg.lu(a)
    return ours("lu", a), (np.argmax(p, axis=1), low, up), errors


def qr(a):
    def errors(results):
        q, r = results
        return [residual(wide(q) @ wide(r), -a), is_unitary(q)]

    return ours("qr", a), scipy.linalg.qr(a, mode="economic"), errors


def svd(a):
    truth = scipy.linalg.svdvals(a.astype(np.result_type(a, np.float64)))

    def errors(results):
        u, s, vt = results
        of_values = 0.0 if a.dtype == np.float64 else float(np.max(np.abs(s - truth)) / truth[0])
        k = len(s)
        return [
            residual((wide(u)[:, :k] * s) @ wide(vt)[:k], -a),
            is_unitary(u),
            is_unitary(adjoint(vt)),
            of_values,
        ]

    return ours("svd", a), scipy.linalg.svd(a, lapack_driver="gesdd"), errors


def eigh(a):
    x = (a + adjoint(a)) / 2
    truth = np.linalg.eigvalsh(x.astype(np.result_type(a, np.float64)))

    def errors(results):
        w, v = results
        of_values = 0.0 if a.dtype == np.float64 else float(np.max(np.abs(w - truth)) / np.max(np.abs(truth)))
        return [residual((wide(v) * w) @ adjoint(wide(v)), -x), is_unitary(v), of_values]

    return ours("eigh", x), scipy.linalg.eigh(x, driver="evd"), errors


def eig(a):
    def errors(results):
        w, v = results
        products = wide(a) @ wide(v)
        lost = 2.0**-24 if a.dtype == np.float64 else 0.0  # the results are complex64
        size = np.linalg.norm(a)
        return [max(float(np.linalg.norm((products - wide(v) * w).astype(complex)) / size) - 4 * lost, 0.0)]

    return ours("eig", a), scipy.linalg.eig(a), errors


def pinv(a):
    rtol = 10 * max(a.shape) * np.finfo(a.dtype).eps  # what we take for zero
    values = scipy.linalg.svdvals(a.astype(np.result_type(a, np.float64)))
    if values[-1] < 10 * values[0] * rtol:
        return None  # which singular values count is a matter of rounding
    return ours("pinv", a), scipy.linalg.pinv(a, rtol=rtol), lambda y: [distance(y, inverse(a))]


def determinant(a):
    """By elimination in the longest type."""
    x, out = wide(a), np.longdouble(1)
    for k in range(len(x)):
        pivot = k + int(np.argmax(np.abs(x[k:, k])))
        if pivot != k:
            x[[k, pivot]] = x[[pivot, k]]
            out = -out
        out = out * x[k, k]
        x[k + 1 :] -= np.outer(x[k + 1 :, k] / x[k, k], x[k])
    return out


def det(a):
    """SciPy takes the transpose where that is convenient, which has the same determinant and another error."""
    a = a / np.abs(a).max()  # in the range of float32
    truth = determinant(a)

    def errors(y):
        return [float(abs(y - truth) / abs(truth))]

    either = [np.asarray(scipy.linalg.det(x)).astype(a.dtype) for x in (a, np.ascontiguousarray(a.T))]
    return ours("det", a), max(either, key=errors), errors


CASES = [inv, tri_inv, solve, solve_triangular, cholesky, cholesky_inv, lu, qr, svd, eigh, eig, pinv, det]


def compare(case, a, what):
    with np.errstate(all="ignore"):
        found = case(a)
    if found is None:
        return
    mine, theirs, errors = found
    floor = 4 * float(np.finfo(a.dtype).eps)  # below this both are as good as it gets
    for number, (error, other) in enumerate(zip(errors(mine), errors(theirs))):
        assert error <= FACTOR * max(other, floor), (
            f"{what}: error {number} is {error:.3g}, SciPy's {other:.3g}"
        )


@pytest.mark.parametrize("dtype", FIELD)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
@pytest.mark.filterwarnings("ignore")
def test_errors_are_at_most_ten_times_scipys(case, dtype):
    for name, x in matrices().items():
        compare(case, as_type(x, dtype), name)


@pytest.mark.parametrize("dtype", FIELD)
@pytest.mark.parametrize("case", [qr, svd, lu, pinv], ids=lambda case: case.__name__)
@pytest.mark.filterwarnings("ignore")
def test_matrices_that_are_not_square_are_as_good(case, dtype):
    for name, x in matrices().items():
        compare(case, as_type(x[:, : len(x) // 2], dtype), f"tall {name}")
        compare(case, as_type(x[: len(x) // 3], dtype), f"wide {name}")


@pytest.mark.parametrize("dtype", FIELD)
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 8, 13, 16, 17, 32, 33, 64, 100])
@pytest.mark.filterwarnings("ignore")
def test_errors_of_every_size_are_at_most_ten_times_scipys(n, dtype):
    rng = np.random.default_rng(n)
    for scale in (np.ones(n), 10.0 ** np.linspace(0, -4, n)):
        a = as_type(rng.standard_normal((n, n)) * scale[:, None], dtype)
        for case in CASES:
            compare(case, a, f"{case.__name__} of order {n}")


@pytest.mark.parametrize("dtype", FIELD)
@pytest.mark.parametrize(
    "name", ["inv", "tri_inv", "cholesky", "lu_factor", "qr", "svd", "eigh", "eig", "pinv", "det"]
)
def test_a_batch_has_the_bits_of_its_matrices(name, dtype):
    rng = np.random.default_rng(5)
    for n in (1, 3, 4, 7, 20):
        x = np.stack([as_type(definite(rng.standard_normal((n, n))), dtype) for _ in range(9)])
        if name == "cholesky":
            x = np.stack([definite(part).astype(dtype) for part in x])
        together, alone = ours(name, x), [ours(name, part) for part in x]
        for index, part in enumerate(alone):
            parts = part if isinstance(part, list) else [part]
            for whole, single in zip(together if isinstance(together, list) else [together], parts):
                assert np.array_equal(whole[index], single)
