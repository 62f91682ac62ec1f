"""Records of products of picked matrices, masked blocks and segments (melix/ops/gathered_products.h)."""

import numpy as np
import pytest

from tests.runner import ALL, INEXACT, Record, Tolerance, bad, call, mx, operation_tests

FMA = {"instruction_sets": "products use the fused multiply-add of an instruction set (docs/numerics.md)"}


def picked(x, indices):
    flat = x.reshape(int(np.prod(x.shape[:-2])), *x.shape[-2:])
    if indices is None:
        return x
    indices = np.asarray(indices, np.int64)
    return flat[np.clip(np.where(indices < 0, indices + len(flat), indices), 0, max(len(flat) - 1, 0))]


def gather_mm(a, b, lhs_indices=None, rhs_indices=None, sorted_indices=False):
    a, b = (a[None] if a.ndim == 1 else a), (b[:, None] if b.ndim == 1 else b)
    left = np.arange(int(np.prod(a.shape[:-2]))).reshape(a.shape[:-2]) if lhs_indices is None else lhs_indices
    right = (
        np.arange(int(np.prod(b.shape[:-2]))).reshape(b.shape[:-2]) if rhs_indices is None else rhs_indices
    )
    left, right = np.broadcast_arrays(left, right)
    return np.matmul(picked(a, left), picked(b, right))


def of_sizes(reference):
    """Errors of a sum of K products grow with its root, at the sum of magnitudes."""

    def scale(a, b, *more, **named):
        size = [np.abs(x) for x in (a, b)]
        rest = [None if x is None else x if np.asarray(x).dtype.kind in "biu" else np.abs(x) for x in more]
        named = {k: x if np.asarray(x).dtype.kind not in "fc" else np.abs(x) for k, x in named.items()}
        return np.sqrt(max(a.shape[-1], 1)) * reference(*size, *rest, **named)

    return scale


def indices(of, shape, low, high):
    return of.drawn(shape, lambda rng, s=shape: rng.integers(low, high, s), of.pick(["int32", "int64"]))


def gather_samples(of):
    for a, b, left, right in [
        ((3, 4, 5), (6, 5, 7), (3,), (3,)),
        ((3, 4, 5), (6, 5, 7), None, (3,)),
        ((6, 4, 5), (6, 5, 7), (6,), None),
        ((2, 3, 1, 9), (4, 9, 33), (5, 1), (1, 4)),
        ((5, 1, 1, 17), (3, 17, 2), None, (5, 4)),
        ((20, 1, 8), (2, 8, 3), None, (20,)),
        ((2, 0, 5), (2, 5, 3), (2,), (4, 1)),
        ((2, 3, 0), (2, 0, 3), (2,), (2,)),
        ((4, 5), (3, 5, 2), None, (7,)),
        ((3, 2, 5), (3, 5, 2), (0,), (0,)),
    ]:
        m, n = int(np.prod(a[:-2])), int(np.prod(b[:-2]))
        left = left and indices(of, left, -m, m)
        yield call(
            of(a), of(b), left, right and indices(of, right, -n, n), sorted_indices=of.pick([False, True])
        )
    rows = of.given(np.sort(np.arange(30) * 7 % 4), "int32")
    yield call(of(30, 1, 8), of(4, 8, 5), None, rows, sorted_indices=True)
    yield call(of(30, 1, 8), of(4, 8, 5), of.given(np.arange(30)[::-1].copy(), "int32"), rows)


def gather_large(of):
    rows = of.given(np.sort(np.arange(200) * 7 % 5), "int32")
    yield call(of(200, 1, 130), of(5, 130, 90), None, rows, sorted_indices=True)


def expanded(mask, rows, columns, block):
    mask = np.asarray(mask)
    if mask.ndim >= 2 and mask.shape[-2] != 1:
        mask = np.repeat(mask, block, -2)[..., :rows, :]
    if mask.ndim >= 1 and mask.shape[-1] != 1:
        mask = np.repeat(mask, block, -1)[..., :columns]
    return mask


def block_masked_mm(a, b, block_size=64, mask_out=None, mask_lhs=None, mask_rhs=None):
    if mask_lhs is not None:
        a = a * expanded(mask_lhs, *a.shape[-2:], block_size)
    if mask_rhs is not None:
        b = b * expanded(mask_rhs, *b.shape[-2:], block_size)
    out = np.matmul(a, b)
    return out if mask_out is None else out * expanded(mask_out, *out.shape[-2:], block_size)


def block_samples(of):
    seen = lambda *shape: of.drawn(shape, lambda rng: rng.random(shape) < 0.5, "bool")
    for block, (m, k, n) in [(64, (70, 100, 40)), (32, (33, 65, 32)), (4, (9, 4, 7)), (2, (0, 3, 2))]:
        down, along, across = (-(-x // block) for x in (m, k, n))
        yield call(of(m, k), of(k, n), block)
        yield call(of(m, k), of(k, n), block, seen(down, across))
        yield call(of(2, m, k), of(k, n), block, seen(2, down, across), of(down, along), seen(along, across))
        yield call(
            of(m, k), of(2, k, n), block, mask_out=of(2, 1, across), mask_lhs=of(1, 1), mask_rhs=of(across)
        )


def segmented_mm(a, b, segments):
    out = np.zeros((*segments.shape[:-1], a.shape[0], b.shape[1]), np.result_type(a, b))
    for at in np.ndindex(segments.shape[:-1]):
        begin, end = (min(max(int(x), 0), a.shape[1]) for x in segments[at])
        if begin < end:
            out[at] = a[:, begin:end] @ b[begin:end]
    return out


def segmented_samples(of):
    for m, k, n in [(3, 17, 5), (1, 40, 33), (2, 0, 3), (0, 3, 2)]:
        for shape in [(), (3,), (2, 2), (0,)]:
            low = 0 if of.dtype.startswith("u") else -3
            yield call(of(m, k), of(k, n), indices(of, (*shape, 2), low, k + 5))
    yield call(of(4, 30), of(30, 6), of.given([[0, 10], [10, 10], [10, 30], [20, 5]], "uint32"))


SUM = {"nonfinite": False, "skip": FMA, "extended": False}
WHY = "a sum of K products, each rounded"
RECORDS = [
    Record(
        "gather_mm",
        gather_samples,
        gather_mm,
        large=gather_large,
        dtypes=ALL,
        tolerance=Tolerance(ulp=8, scale=of_sizes(gather_mm), why=WHY),
        **SUM,
        bad=(
            bad(
                lambda of: call(of(3, 4, 5), of(6, 4, 7), None, indices(of, (3,), 0, 3)),
                "(3, 4, 5)",
                "(6, 4, 7)",
            ),
            bad(
                lambda of: call(of(3, 4, 5), of(6, 5, 7), of(3, dtype="float32"), None), "integers", "float32"
            ),
            bad(lambda of: call(of(0, 4, 5), of(3, 5, 7), indices(of, (3,), 0, 3), None), "(0, 4, 5)"),
        ),
    ),
    Record(
        "block_masked_mm",
        block_samples,
        block_masked_mm,
        dtypes=INEXACT,
        tolerance=Tolerance(ulp=8, scale=of_sizes(block_masked_mm), why=WHY + ", and products with masks"),
        **SUM,
        bad=(
            bad(lambda of: call(of(70, 100), of(100, 40), 64, of(2, 2)), "mask_out", "(2, 2)", "2 x 1"),
            bad(lambda of: call(of(70, 100), of(100, 40), 0), "blocks of 0"),
            bad(lambda of: call(of(70, 100), of(99, 40)), "(70, 100)", "(99, 40)"),
        ),
    ),
    Record(
        "segmented_mm",
        segmented_samples,
        segmented_mm,
        dtypes=ALL,
        tolerance=Tolerance(ulp=8, scale=of_sizes(segmented_mm), why=WHY),
        **SUM,
        bad=(
            bad(lambda of: call(of(3, 4), of(4, 5), of(3, 2, dtype="float32")), "integers", "float32"),
            bad(lambda of: call(of(3, 4), of(4, 5), indices(of, (3, 3), 0, 3)), "(3, 3)", "pairs"),
            bad(lambda of: call(of(2, 3, 4), of(4, 5), indices(of, (3, 2), 0, 3)), "(2, 3, 4)"),
        ),
    ),
]
test_operations = operation_tests(RECORDS, __file__)


def test_a_dropped_block_may_hold_anything():
    a = np.ones((64, 64), np.float32)
    a[:, 32:] = np.nan
    mask = mx.array(np.array([[True, False], [True, False]]))
    got = mx.block_masked_mm(mx.array(a), mx.ones((64, 64)), 32, None, mask)
    assert np.array_equal(np.array(got), np.full((64, 64), 32.0))


@pytest.mark.parametrize("order", ["sorted", "mixed"])
def test_picked_matrices_are_not_copied(order):
    """A product for each of 512 tokens with one of 4 matrices of 1 MB, and its gradients: no 512 matrices."""
    rng = np.random.default_rng(0)
    index = rng.integers(0, 4, 512).astype(np.int32)
    index = mx.array(np.sort(index) if order == "sorted" else index)
    a, b = mx.ones((512, 1, 512)), mx.ones((4, 512, 512))
    mx.eval(a, b)
    mx.reset_peak_memory()
    before = mx.get_active_memory()
    out = mx.gather_mm(a, b, rhs_indices=index)
    grads = mx.grad(lambda a, b: mx.gather_mm(a, b, rhs_indices=index).sum(), argnums=(0, 1))(a, b)
    mx.eval(out, *grads)
    assert mx.get_peak_memory() - before < 40 << 20
    counts = np.bincount(np.array(index), minlength=4)
    assert np.array_equal(np.array(grads[1]), np.broadcast_to(counts[:, None, None], (4, 512, 512)))
