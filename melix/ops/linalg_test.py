"""Records of factorizations, inverses and systems (melix/ops/linalg.h). What is not unique (signs of vectors, order of
eigenvalues) is compared through products that are. Norms are in linalg_norm_test.py; linalg_accuracy_test.py compares
errors with SciPy's, linalg_edges_test.py has the rest."""

import numpy as np
import scipy.linalg

from tests.runner import (
    Record,
    Tolerance,
    bad,
    call,
    inexact,
    mx,
    operation_tests,
)

FIELD = ("float32", "float64", "complex64")
LAPACK = {"instruction_sets": "LAPACK uses the fused multiply-add of an instruction set (docs/numerics.md)"}
SQUARE = [(1, 1), (2, 2), (3, 3), (5, 5), (2, 3, 3), (2, 1, 4, 4), (0, 3, 3), (2, 0, 0), (0, 0), (17, 17)]
ANY = [*SQUARE, (5, 3), (3, 5), (2, 4, 2), (2, 2, 4), (0, 3), (3, 0), (1, 6), (6, 1)]
LARGE = [(300, 4, 4), (40, 17, 17), (3, 90, 90)]


def adjoint(x):
    return np.conj(np.swapaxes(x, -1, -2))


def mx_adjoint(x):
    return mx.conj(mx.swapaxes(x, -1, -2))


def real(dtype):
    return "float32" if dtype == "complex64" else dtype


# ---- matrices ----


def numbers(of, shape, rng):
    values = rng.standard_normal(shape)
    return values + 1j * rng.standard_normal(shape) if of.info.kind == "c" else values


def regular(of, shape):
    """Far from singular: random, with a diagonal that outweighs the rest. Elementwise types get whole numbers."""

    def draw(rng):
        if of.info.kind in "bui":
            return rng.integers(0, 2 if of.info.kind == "b" else 5, shape)
        diagonal = np.eye(*shape[-2:]) * 2 * np.sqrt(max(shape[-2:]))
        return numbers(of, shape, rng) + diagonal

    return of.drawn(shape, draw)


def spectrum(of, shape, symmetric=False):
    """Random bases, and singular values (eigenvalues, of either sign) that are apart from each other."""

    def draw(rng):
        m, n = shape[-2:]
        k = min(m, n)
        if k == 0 or 0 in shape:
            return np.zeros(shape)
        u = np.linalg.qr(numbers(of, (*shape[:-2], m, k), rng))[0]
        v = u if symmetric else np.linalg.qr(numbers(of, (*shape[:-2], n, k), rng))[0]
        values = np.linspace(1, 3, k) if not symmetric else np.linspace(-2, 3, k) + 0.1
        return (u * rng.permutation(values)) @ adjoint(v)

    return of.drawn(shape, draw)


def diagonalizable(of, shape):
    """Eigenvalues that are apart from each other, and a basis of eigenvectors that is far from singular."""

    def draw(rng):
        n = shape[-1]
        x = np.eye(n) + numbers(of, shape, rng) * 0.2 / np.sqrt(max(n, 1))
        return (x * rng.permutation(np.linspace(-2, 3, n) + 0.1)) @ np.linalg.inv(x)

    return of.drawn(shape, draw)


def definite(of, shape):
    def draw(rng):
        x = numbers(of, shape, rng)
        return x @ adjoint(x) + np.eye(shape[-1]) * 2

    return of.drawn(shape, draw)


def hermitian(x):
    return (x + mx_adjoint(x)) * 0.5


def samples_of(make, shapes, **options):
    """Calls of one matrix; of every option one of its values."""

    def samples(of):
        for shape in shapes:
            yield call(make(of, shape), **{name: of.pick(values) for name, values in options.items()})

    return samples


# ---- tolerances: a multiple of eps at the size of the result times the condition ----


def size(x):
    """The largest magnitude of each matrix."""
    return np.max(np.abs(x), axis=(-2, -1), keepdims=True, initial=0)


def condition(a):
    return np.linalg.norm(a, axis=(-2, -1), keepdims=True) * np.linalg.norm(
        np.linalg.inv(a), axis=(-2, -1), keepdims=True
    )


def backward(scale, why, ulp=16):
    return Tolerance(ulp=ulp, double=4 * ulp, scale=scale, why=why)


def within(reference):
    """Errors relative to the largest element of each result's matrices."""

    def scale(*args, **kwargs):
        results = reference(*args, **kwargs)
        results = results if isinstance(results, (list, tuple)) else [results]
        return [np.broadcast_to(size(r) + 1, r.shape) if r.ndim > 1 else np.abs(r) + 1 for r in results]

    return scale


def condition_of_any(a):
    """The condition of the leading square, at the size of the elements."""
    k = min(a.shape[-2:])
    return condition(a[..., :k, :k]) * (size(a) + 1) if a.size else np.ones((*a.shape[:-2], 1, 1))


def determinant_size(a):
    a = a.astype(float) if a.dtype.kind in "bui" else a
    return np.prod(np.linalg.norm(a, axis=-1), axis=-1)


# ---- inverses and systems ----


def triangle(a, upper):
    return np.triu(a) if upper else np.tril(a)


def cholesky(a, upper=False):
    return adjoint(np.linalg.cholesky(a)) if upper else np.linalg.cholesky(a)


def cholesky_inv(a, upper=False):
    t = triangle(a, upper)
    return np.linalg.inv(adjoint(t) @ t if upper else t @ adjoint(t))


def solve_samples(of):
    for a, b in [
        ((3, 3), (3,)),
        ((4, 4), (4, 2)),
        ((2, 3, 3), (2, 3, 1)),
        ((2, 3, 3), (3,)),
        ((3, 3), (4, 3, 2)),
        ((2, 1, 3, 3), (5, 3, 2)),
        ((1, 1), (1, 1)),
        ((0, 3, 3), (0, 3, 2)),
        ((3, 3), (3, 0)),
        ((0, 0), (0, 2)),
        ((17, 17), (17, 5)),
    ]:
        yield call(regular(of, a), of.drawn(b, lambda rng, b=b: numbers(of, b, rng)))


def solve_large(of):
    for a in LARGE:
        b = (*a[:-1], 3)
        yield call(regular(of, a), of.drawn(b, lambda rng, b=b: numbers(of, b, rng)))


def solve(a, b):
    return np.linalg.solve(a, b[:, None])[..., 0] if b.ndim == 1 else np.linalg.solve(a, b)


def solve_size(a, b):
    x = solve(a, b)
    if b.ndim == 1:
        return condition(a)[..., 0] * np.max(np.abs(x), axis=-1, keepdims=True, initial=0)
    return condition(a) * size(x) if x.size else x


def triangular_samples(of):
    for made in solve_samples(of):
        yield call(*made.args, upper=of.pick([False, True]))


def solve_triangular(a, b, upper=False):
    return solve(triangle(a, upper), b)


# ---- factorizations ----


def lu_product(a):
    p, l, u = mx.linalg.lu(a)
    k = l.shape[-1]
    if k == 0:
        return l @ u, l, u
    rows = mx.broadcast_to(p[..., None], l.shape)
    return mx.take_along_axis(l, rows, axis=-2) @ u, l, u


def lu_factor(a):
    """LU in one matrix, and the pivots."""
    m, n = a.shape[-2:]
    compact, pivots = np.zeros_like(a), np.zeros((*a.shape[:-2], min(m, n)), np.int64)
    for index in np.ndindex(a.shape[:-2]) if a.size else ():
        compact[index], pivots[index] = scipy.linalg.lu_factor(a[index])
    return compact, pivots


def lu(a):
    k = min(a.shape[-2:])
    compact = lu_factor(a)[0]
    return a, np.tril(compact[..., :k], -1) + np.eye(a.shape[-2], k), np.triu(compact[..., :k, :])


def svd_product(a, full_matrices=True):
    u, s, vt = mx.linalg.svd(a, full_matrices=full_matrices)
    k = s.shape[-1]
    product = (u[..., :k] * s[..., None, :]) @ vt[..., :k, :]
    return product, s, mx_adjoint(u) @ u, vt @ mx_adjoint(vt)


def svd(a, full_matrices=True):
    u, s, vt = np.linalg.svd(a, full_matrices=full_matrices)
    unit = [np.broadcast_to(np.eye(n), (*a.shape[:-2], n, n)) for n in (u.shape[-1], vt.shape[-2])]
    return a, s, *unit


def svd_gauge_free(a, full_matrices=True):
    """Functions of all three factors that do not depend on the phases of the vectors."""
    u, s, vt = mx.linalg.svd(a, full_matrices=full_matrices)
    k = s.shape[-1]
    u, vt = u[..., :k], vt[..., :k, :]
    weights = mx.arange(1, k + 1).astype(s.dtype)
    return (u * mx.sin(s)[..., None, :]) @ vt, s, (u * weights) @ mx_adjoint(u), mx.real(vt * mx.conj(vt))


def eigh_product(a, UPLO="L"):
    w, v = mx.linalg.eigh(hermitian(a), UPLO)
    return w, (v * w[..., None, :]) @ mx_adjoint(v), mx_adjoint(v) @ v


def eigh(a, UPLO="L"):
    return np.linalg.eigvalsh(a), a, np.broadcast_to(np.eye(a.shape[-1]), a.shape)


def eigh_gauge_free(a, UPLO="L"):
    w, v = mx.linalg.eigh(hermitian(a), UPLO)
    weights = mx.arange(1, w.shape[-1] + 1).astype(w.dtype)
    return w, (v * mx.sin(w)[..., None, :]) @ mx_adjoint(v), (v * weights) @ mx_adjoint(v)


def by_value(w):
    """Eigenvalues in one order: what depends on all of them alike."""
    return mx.sum(w, axis=-1), mx.sum(w * w, axis=-1), mx.sum(mx.abs(w), axis=-1)


def eig_product(a):
    w, v = mx.linalg.eig(a)
    lengths = mx.sum(mx.square(mx.abs(v)), axis=-2)
    return mx.astype(a, mx.complex64) @ v - v * w[..., None, :], lengths, *by_value(w)


def eig(a):
    w = np.linalg.eigvals(a) if a.size else np.zeros(a.shape[:-1], complex)
    return np.zeros(a.shape, complex), np.ones(w.shape), w.sum(-1), (w * w).sum(-1), np.abs(w).sum(-1)


def ascending(w):
    """The places of eigenvalues by their real part: LAPACK's order may change when the matrix moves."""
    return mx.argsort(mx.stop_gradient(mx.real(w)), axis=-1)


def eig_gauge_free(a):
    """Vectors have the phase that LAPACK gives them; magnitudes do not depend on it."""
    w, v = mx.linalg.eig(a)
    order = ascending(w)
    v = mx.take_along_axis(v, mx.broadcast_to(order[..., None, :], v.shape), axis=-1)
    return mx.take_along_axis(w, order, axis=-1), mx.real(v * mx.conj(v))


def eigvals_in_order(a):
    w = mx.linalg.eigvals(a)
    return mx.take_along_axis(w, ascending(w), axis=-1)


DERIVATIVES = ("gradient", "second", "jvp")
SMALL = [(1, 1), (2, 2), (3, 3), (5, 5), (2, 3, 3), (0, 3, 3), (0, 0)]
WIDE_AND_TALL = [*SMALL, (5, 3), (3, 5), (2, 4, 2), (2, 2, 4)]
BACKWARD = "elimination and reflections are backward stable: eps times the condition"


def rejected():
    """Calls that no function of square matrices takes."""
    return (
        bad(lambda of: call(of(3)), "(3,)"),
        bad(lambda of: call(of(2, 3)), "(2, 3)", "square"),
        bad(lambda of: call(of(2, 2, dtype="float16")), "float16"),
        bad(lambda of: call(of(2, 2, dtype="int32")), "int32"),
    )


def derivative(name, function, samples, variant="derivative", **fields):
    """A function of results that is differentiable, where the results themselves are not."""
    return Record(
        f"linalg.{name}",
        samples,
        None,
        function=function,
        variant=variant,
        dtypes=FIELD,
        only=DERIVATIVES,
        **fields,
    )


RECORDS = [
    Record(
        "linalg.inv",
        samples_of(regular, SQUARE),
        np.linalg.inv,
        dtypes=FIELD,
        tolerance=backward(lambda a: condition(a) * size(np.linalg.inv(a)) if a.size else a, BACKWARD),
        large=samples_of(regular, LARGE),
        skip=LAPACK,
        bad=rejected(),
    ),
    Record(
        "linalg.tri_inv",
        samples_of(regular, SQUARE, upper=[False, True]),
        lambda a, upper=False: np.linalg.inv(triangle(a, upper)),
        dtypes=FIELD,
        tolerance=backward(
            lambda a, upper=False: condition(a) * size(np.linalg.inv(triangle(a, upper))) if a.size else a,
            BACKWARD,
        ),
        large=samples_of(regular, LARGE, upper=[False, True]),
        skip=LAPACK,
        bad=rejected(),
    ),
    Record(
        "linalg.cholesky",
        samples_of(definite, SQUARE, upper=[False, True]),
        cholesky,
        function=lambda a, upper=False: mx.linalg.cholesky(
            hermitian(a) if mx.issubdtype(a.dtype, mx.inexact) else a, upper
        ),
        dtypes=FIELD,
        tolerance=backward(lambda a, upper=False: np.sqrt(size(a)) * condition(a) if a.size else a, BACKWARD),
        large=samples_of(definite, LARGE, upper=[False, True]),
        skip=LAPACK,
    ),
    Record(
        "linalg.cholesky_inv",
        samples_of(regular, SQUARE, upper=[False, True]),
        cholesky_inv,
        dtypes=FIELD,
        tolerance=backward(
            lambda a, upper=False: condition(a) ** 2 * size(cholesky_inv(a, upper)) if a.size else a, BACKWARD
        ),
        skip=LAPACK,
        bad=rejected(),
    ),
    Record(
        "linalg.solve",
        solve_samples,
        solve,
        dtypes=FIELD,
        tolerance=backward(solve_size, BACKWARD),
        large=solve_large,
        skip=LAPACK,
        bad=(
            bad(lambda of: call(of(2, 3), of(3)), "(2, 3)", "square"),
            bad(lambda of: call(of(3, 3), of(2)), "(3, 3)", "(2,)"),
            bad(lambda of: call(of(2, 3, 3), of(4, 3, 1)), "(2,)", "(4,)"),
            bad(lambda of: call(of(3, 3), of()), "()"),
            bad(lambda of: call(of(3, 3, dtype="float16"), of(3, dtype="float16")), "float16"),
        ),
    ),
    Record(
        "linalg.solve_triangular",
        triangular_samples,
        solve_triangular,
        dtypes=FIELD,
        tolerance=backward(lambda a, b, upper=False: solve_size(triangle(a, upper), b), BACKWARD),
        skip=LAPACK,
        bad=(
            bad(lambda of: call(of(2, 3), of(3)), "(2, 3)", "square"),
            bad(lambda of: call(of(3, 3), of(2)), "(3, 3)", "(2,)"),
        ),
    ),
    Record(
        "linalg.lu_factor",
        samples_of(regular, ANY),
        lu_factor,
        dtypes=FIELD,
        result=lambda dtype: [dtype, "uint32"],
        tolerance=backward(lambda a: [condition_of_any(a), 0], BACKWARD),
        large=samples_of(regular, LARGE),
        skip=LAPACK,
        bad=(bad(lambda of: call(of(3)), "(3,)"), bad(lambda of: call(of(2, 2, dtype="float16")), "float16")),
    ),
    Record(
        "linalg.lu",
        samples_of(regular, ANY),
        lu,
        function=lu_product,
        dtypes=FIELD,
        result=lambda dtype: [dtype, dtype, dtype],
        tolerance=backward(lambda a: [condition_of_any(a)] * 3, BACKWARD),
        skip=LAPACK,
        bad=(bad(lambda of: call(of(3)), "(3,)"), bad(lambda of: call(of(2, 2, dtype="float16")), "float16")),
    ),
    Record(
        "linalg.qr",
        samples_of(regular, ANY),
        np.linalg.qr,
        dtypes=FIELD,
        result=lambda dtype: [dtype, dtype],
        tolerance=backward(lambda a: [8.0, 8.0], BACKWARD),
        large=samples_of(regular, LARGE),
        skip=LAPACK,
        bad=(bad(lambda of: call(of(3)), "(3,)"), bad(lambda of: call(of(2, 2, dtype="float16")), "float16")),
    ),
    Record(
        "linalg.svd",
        samples_of(spectrum, ANY, full_matrices=[True, False]),
        svd,
        function=svd_product,
        dtypes=FIELD,
        result=lambda dtype: [dtype, real(dtype), dtype, dtype],
        tolerance=backward(within(svd), BACKWARD),
        large=samples_of(regular, LARGE),
        skip=LAPACK | dict.fromkeys(DERIVATIVES, "the basis is not unique: see the derivative's record"),
        bad=(bad(lambda of: call(of(3)), "(3,)"), bad(lambda of: call(of(2, 2, dtype="float16")), "float16")),
    ),
    derivative("svd", svd_gauge_free, samples_of(spectrum, WIDE_AND_TALL, full_matrices=[True, False])),
    Record(
        "linalg.svd",
        samples_of(spectrum, ANY),
        lambda a: np.linalg.svd(a, compute_uv=False),
        function=lambda a: mx.linalg.svd(a, compute_uv=False),
        variant="values",
        dtypes=FIELD,
        result=real,
        tolerance=backward(lambda a: 4.0, BACKWARD),
        skip=LAPACK,
    ),
    Record(
        "linalg.eigh",
        samples_of(lambda of, shape: spectrum(of, shape, symmetric=True), SQUARE, UPLO=["L", "U", "l", "u"]),
        eigh,
        function=eigh_product,
        dtypes=FIELD,
        result=lambda dtype: [real(dtype), dtype, dtype],
        tolerance=backward(within(eigh), BACKWARD),
        large=samples_of(regular, LARGE),
        skip={
            **LAPACK,
            **dict.fromkeys(DERIVATIVES, "the basis is not unique: see the derivative's record"),
            "rejects": "the adjoint of other types raises first: see linalg_edges_test.py",
        },
    ),
    derivative(
        "eigh",
        eigh_gauge_free,
        samples_of(lambda of, shape: spectrum(of, shape, symmetric=True), SMALL, UPLO=["L", "U"]),
    ),
    Record(
        "linalg.eigvalsh",
        samples_of(lambda of, shape: spectrum(of, shape, symmetric=True), SQUARE, UPLO=["L", "U"]),
        lambda a, UPLO="L": np.linalg.eigvalsh(a),
        function=lambda a, UPLO="L": mx.linalg.eigvalsh(hermitian(a), UPLO),
        dtypes=FIELD,
        result=real,
        tolerance=backward(lambda a, UPLO="L": 4.0, BACKWARD),
        skip={**LAPACK, "rejects": "the adjoint of other types raises first: see linalg_edges_test.py"},
    ),
    Record(
        "linalg.eig",
        samples_of(spectrum, SQUARE),
        eig,
        function=eig_product,
        dtypes=FIELD,
        result=lambda dtype: ["complex64", "float32", "complex64", "complex64", "float32"],
        tolerance=Tolerance(ulp=32, double=32, scale=lambda a: [30.0] * 5, why="complex64, of float64 too"),
        large=samples_of(regular, LARGE),
        skip=LAPACK | dict.fromkeys(DERIVATIVES, "the basis is not unique: see the derivative's record"),
        bad=rejected(),
    ),
    Record(
        "linalg.eig",
        samples_of(diagonalizable, SMALL),
        None,
        function=eig_gauge_free,
        variant="derivative",
        dtypes=("complex64",),  # the results of float64 have too few digits for its steps
        only=("gradient", "jvp"),
    ),
    Record(
        "linalg.eigvals",
        samples_of(diagonalizable, SMALL),
        None,
        dtypes=("complex64",),
        # No finite differences: complex eigenvalues come in an order that a small step may change.
        only=("jvp", "type"),
    ),
    Record(
        "linalg.pinv",
        samples_of(spectrum, ANY),
        np.linalg.pinv,
        dtypes=FIELD,
        tolerance=backward(lambda a: 3.0, BACKWARD),
        skip=LAPACK,
        bad=(bad(lambda of: call(of(3)), "(3,)"), bad(lambda of: call(of(2, 2, dtype="float16")), "float16")),
    ),
    Record(
        "linalg.det",
        samples_of(regular, SQUARE),
        lambda a: np.linalg.det(a.astype(float) if a.dtype.kind in "bui" else a),
        result=inexact,
        tolerance=Tolerance(ulp=64, double=512, scale=determinant_size, why="a product of n pivots"),
        skip=LAPACK,
        bad=rejected()[:2],
    ),
    Record(
        "linalg.slogdet",
        samples_of(spectrum, SQUARE),
        lambda a: tuple(np.linalg.slogdet(a)),
        dtypes=("float16", "bfloat16", *FIELD),
        result=lambda dtype: [dtype, real(dtype)],
        tolerance=Tolerance(
            ulp=64, double=512, scale=lambda a: [1.0, 10.0], why="a sum of n logarithms", roundings=2
        ),
        skip={**LAPACK, "rejects": "integers are taken as float32: see linalg_edges_test.py"},
        bad=rejected()[:2],
    ),
]
test_operations = operation_tests(RECORDS, __file__)
