"""Records of attention (melix/ops/attention.h), its accuracy, and what it promises beyond values: hidden keys are not
read, scores are not kept, one compiled step serves every position."""

import numpy as np
import pytest

from tests.runner import FLOATS, Record, Tolerance, bad, call, mx, operation_tests, uniform

FMA = {"instruction_sets": "products use the fused multiply-add of an instruction set (docs/numerics.md)"}


def weights(q, k, scale, mask, sinks, window, positions=None):
    """Weights of the keys; `positions` of the queries, else they are the last ones."""
    heads, length, keys = q.shape[1], q.shape[2], k.shape[2]
    scores = scale * (q @ np.repeat(k, heads // k.shape[1], 1).swapaxes(-1, -2))
    at = (np.arange(length) + keys - length if positions is None else positions)[..., None]
    if isinstance(mask, str) or window:
        scores = np.where(np.arange(keys) <= at, scores, -np.inf)
    if window:
        scores = np.where(np.arange(keys) > at - window, scores, -np.inf)
    if isinstance(mask, np.ndarray):
        scores = np.where(mask, scores, -np.inf) if mask.dtype == bool else scores + mask
    largest = np.max(scores, -1, keepdims=True, initial=-np.inf)
    if sinks is not None:
        largest = np.maximum(largest, sinks[None, :, None, None])
    largest = np.where(np.isneginf(largest), 0, largest)
    total = np.sum(np.exp(scores - largest), -1, keepdims=True)
    if sinks is not None:
        total = total + np.exp(sinks[None, :, None, None] - largest)
    return np.exp(scores - largest) / np.where(total == 0, 1, total)


def attention(q, k, v, scale, mask=None, sinks=None, window=None):
    return weights(q, k, scale, mask, sinks, window) @ np.repeat(v, q.shape[1] // k.shape[1], 1)


def magnitude(q, k, v, scale, mask=None, sinks=None, window=None):
    """Scores of size x are wrong by x units, and so are the exponentials."""
    size = 1 + abs(scale) * np.sqrt(q.shape[3]) * 4
    return size * attention(q, k, np.abs(v), scale, mask, sinks, window)


# B, H, Hkv, L, S, D, Dv
SHAPES = [
    (1, 1, 1, 1, 1, 1, 1),
    (2, 4, 2, 3, 5, 8, 6),
    (1, 2, 2, 7, 4, 5, 3),
    (2, 4, 1, 1, 130, 17, 33),
    (1, 3, 3, 37, 37, 4, 9),
    (1, 4, 2, 20, 150, 16, 16),
    (1, 2, 1, 3, 0, 4, 4),
    (1, 2, 2, 0, 3, 4, 4),
    (0, 2, 2, 2, 3, 4, 4),
    (1, 2, 1, 2, 3, 0, 4),
]


def arrays(of, b, h, kv, length, keys, d, dv):
    return of(b, h, length, d), of(b, kv, keys, d), of(b, kv, keys, dv)


def seen(of, shape):
    return of.drawn(shape, lambda rng, s=shape: rng.random(s) < 0.7, "bool")


def samples(of):
    for shape in SHAPES:
        b, h, _, length, keys, d, _ = shape
        scale = 1 / np.sqrt(max(d, 1))
        yield call(*arrays(of, *shape), scale=scale)
        yield call(*arrays(of, *shape), scale=scale, mask="causal", sinks=of(h))
        full = of.pick(
            [(length, keys), (b, 1, length, keys), (1, h, 1, keys), (b, h, length, 1), (), (keys,)]
        )
        yield call(*arrays(of, *shape), scale=scale, mask=of(full))
        yield call(*arrays(of, *shape), scale=scale, mask=seen(of, full), sinks=of(h))
        yield call(*arrays(of, *shape), scale=scale, mask=seen(of, full), window=of.pick([1, 3, 1000]))


def large(of):
    yield call(*arrays(of, 2, 4, 2, 130, 150, 64, 80), scale=0.125, mask="causal", sinks=of(4))
    yield call(*arrays(of, 1, 4, 1, 3, 2500, 32, 16), scale=0.2, window=2000)
    yield call(*arrays(of, 1, 4, 1, 13, 1300, 32, 16), scale=0.2, mask=of(13, 1300))


def pages_of(pages, table):
    rows = pages[table]  # (B, most, page_size, Hkv, D)
    return rows.reshape(len(table), table.shape[1] * pages.shape[1], *pages.shape[2:]).swapaxes(1, 2)


def paged(q, key_pages, value_pages, page_table, lengths, scale, sinks=None, window=None):
    k, v = pages_of(key_pages, page_table), pages_of(value_pages, page_table)
    at = np.arange(q.shape[2]) + lengths[:, None, None] - q.shape[2]
    return weights(q, k, scale, "causal", sinks, window, at) @ np.repeat(v, q.shape[1] // k.shape[1], 1)


def paged_magnitude(q, key_pages, value_pages, *more, **named):
    size = 1 + 4 * abs(named["scale"]) * np.sqrt(q.shape[3])
    return size * paged(q, key_pages, np.abs(value_pages), *more, **named)


# B, H, Hkv, L, D, Dv, page_size, most pages of a sequence
PAGED = [
    (1, 1, 1, 1, 1, 1, 1, 1),
    (2, 4, 2, 1, 8, 6, 4, 3),
    (3, 2, 1, 3, 5, 9, 16, 2),
    (2, 4, 1, 9, 16, 16, 7, 20),
    (0, 2, 2, 1, 4, 4, 4, 2),
]


def paged_samples(of):
    for b, h, kv, length, d, dv, size, most in PAGED:
        pages = 2 * most + 1
        table = lambda rng, b=b, most=most, pages=pages: rng.integers(-pages, pages, (b, most))
        lengths = lambda rng, b=b, size=size, most=most: rng.integers(0, most * size + 1, b)
        for options in ({}, {"sinks": of(h), "window": of.pick([1, 5, 100])}):
            yield call(
                of(b, h, length, d),
                of(pages, size, kv, d),
                of(pages, size, kv, dv),
                of.drawn((b, most), table, "int32"),
                of.drawn((b,), lengths, of.pick(["int32", "int64", "uint8"])),
                scale=0.4,
                **options,
            )


WHY = "scores are sums, their errors those of exponents; then sums of values"
ATTENTION = Record(
    "fast.scaled_dot_product_attention",
    samples,
    attention,
    dtypes=FLOATS,
    domain=uniform(-2, 2),
    tolerance=Tolerance(ulp=16, scale=magnitude, why=WHY),
    nonfinite=False,
    skip=FMA,
    large=large,
    bad=(
        bad(lambda of: call(of(2, 3, 4), of(1, 2, 3, 4), of(1, 2, 3, 4), scale=1.0), "(2, 3, 4)", "4 axes"),
        bad(lambda of: call(*arrays(of, 1, 3, 2, 2, 3, 4, 4), scale=1.0), "3 heads", "2"),
        bad(lambda of: call(of(1, 2, 3, 4), of(1, 2, 3, 5), of(1, 2, 3, 4), scale=1.0), "(1, 2, 3, 5)"),
        bad(lambda of: call(of(1, 2, 3, 4), of(1, 2, 5, 4), of(1, 2, 6, 4), scale=1.0), "(1, 2, 6, 4)"),
        bad(lambda of: call(of(1, 2, 3, 4), of(2, 2, 5, 4), of(2, 2, 5, 4), scale=1.0), "(2, 2, 5, 4)"),
        bad(lambda of: call(of(1, 2, 3, 4), of(1, 2, 5, 4), of(1, 1, 5, 4), scale=1.0), "2 heads", "1"),
        bad(lambda of: call(*arrays(of, 1, 2, 2, 2, 3, 4, 4), scale=1.0, mask="full"), "'full'", "'causal'"),
        bad(
            lambda of: call(*arrays(of, 1, 2, 2, 2, 3, 4, 4), scale=1.0, mask=of(4, 3)),
            "(4, 3)",
            "(1, 2, 2, 3)",
        ),
        bad(
            lambda of: call(*arrays(of, 1, 2, 2, 2, 3, 4, 4), scale=1.0, mask=of(1, 1, 1, 2, 3)),
            "(1, 1, 1, 2, 3)",
        ),
        bad(
            lambda of: call(*arrays(of, 1, 2, 2, 2, 3, 4, 4), scale=1.0, mask=of(2, 3, dtype="float32")),
            "float32",
            "float16",
            dtype="float16",
        ),
        bad(lambda of: call(*arrays(of, 1, 2, 2, 2, 3, 4, 4), scale=1.0, sinks=of(3)), "(3,)", "2 heads"),
        bad(lambda of: call(*arrays(of, 1, 2, 2, 2, 3, 4, 4), scale=1.0, window=0), "window of 0"),
    ),
)


def paged_bad(of, table=(2, 3), lengths=(2,), pages=6, heads=2, depth=4, kind="int32"):
    low = {"low": 0, "high": 3, "dtype": kind}
    return call(
        of(2, 4, 1, 4),
        of(pages, 4, heads, depth),
        of(6, 4, heads, 4),
        of(table, **low),
        of(lengths, **low),
        scale=1.0,
    )


RECORDS = [
    ATTENTION,
    Record(
        "fast.paged_attention",
        paged_samples,
        paged,
        dtypes=FLOATS,
        domain=uniform(-2, 2),
        tolerance=Tolerance(ulp=16, scale=paged_magnitude, why=WHY),
        nonfinite=False,
        skip=FMA,
        bad=(
            bad(lambda of: paged_bad(of, table=(3, 3)), "(3, 3)", "batch"),
            bad(lambda of: paged_bad(of, lengths=(3,)), "(3,)", "batch"),
            bad(lambda of: paged_bad(of, lengths=(2, 1)), "lengths", "(2, 1)"),
            bad(lambda of: paged_bad(of, pages=5), "(5, 4, 2, 4)", "(6, 4, 2, 4)"),
            bad(lambda of: paged_bad(of, heads=3), "4 heads", "3"),
            bad(lambda of: paged_bad(of, depth=5), "last axes"),
            bad(lambda of: paged_bad(of, kind="float32"), "integers", "float32"),
        ),
    ),
]
test_operations = operation_tests(RECORDS, __file__)


def drawn(shape, dtype=None, seed=0):
    values = mx.array(np.random.default_rng(seed).standard_normal(shape).astype(np.float32))
    return values.astype(dtype or mx.float32)


def double(x):
    return np.array(x.astype(mx.float64))


@pytest.mark.parametrize("dtype, bound", [("float32", 1e-11), ("float16", 1e-6), ("bfloat16", 1e-4)])
@pytest.mark.parametrize(
    "shape", [(1, 4, 2, 256, 512, 128, 128), (1, 8, 1, 1, 4000, 64, 64), (1, 1, 1, 70, 90, 512, 512)]
)
def test_error_against_double(dtype, bound, shape):
    b, h, kv, length, keys, d, dv = shape
    dtype = getattr(mx, dtype)
    q, k, v = (
        drawn(s, dtype, i) for i, s in enumerate([(b, h, length, d), (b, kv, keys, d), (b, kv, keys, dv)])
    )
    f = lambda q, k, v: mx.fast.scaled_dot_product_attention(q, k, v, scale=d**-0.5, mask="causal")
    wanted = attention(double(q), double(k), double(v), d**-0.5, "causal")
    assert np.sum((double(f(q, k, v)) - wanted) ** 2) <= bound * np.sum(wanted**2)
    g = drawn((b, h, length, dv), dtype, 3)
    _, grads = mx.vjp(f, [q, k, v], [g])
    _, exact = mx.vjp(f, [x.astype(mx.float64) for x in (q, k, v)], [g.astype(mx.float64)])
    for ours, right in zip(grads, exact):
        error = np.sum((double(ours) - double(right)) ** 2)
        assert error <= 10 * bound * np.sum(double(right) ** 2)  # the gradient has three products more


def test_queries_that_see_nothing_give_zero_and_have_no_gradient():
    q, k, v = drawn((1, 2, 5, 4)), drawn((1, 2, 3, 4), seed=1), drawn((1, 2, 3, 4), seed=2)
    hidden = mx.full((5, 3), float("-inf"))
    for options in (
        {"mask": mx.zeros((5, 3), mx.bool_)},
        {"mask": hidden},
        {"mask": hidden, "sinks": mx.zeros((2,))},
    ):
        f = lambda q, k, v, o=options: mx.fast.scaled_dot_product_attention(q, k, v, scale=1.0, **o)
        out, grads = mx.vjp(f, [q, k, v], [mx.ones(q.shape)])
        for x in (*out, *grads):
            assert np.array_equal(np.array(x), np.zeros(x.shape))
    causal = np.array(mx.fast.scaled_dot_product_attention(q, k, v, scale=1.0, mask="causal"))
    assert np.array_equal(causal[:, :, :2], np.zeros((1, 2, 2, 4))) and np.all(causal[:, :, 2:] != 0)


@pytest.mark.parametrize("length", [1, 40])
def test_keys_that_nobody_sees_are_not_read(length):
    k = np.random.default_rng(0).standard_normal((1, 1, 400, 8)).astype(np.float32)
    k[:, :, : 400 - length - 49] = np.nan
    got = mx.fast.scaled_dot_product_attention(
        drawn((1, 4, length, 8)), mx.array(k), mx.array(k), scale=1.0, window=50
    )
    assert np.all(np.isfinite(np.array(got)))
    pages = np.full((5, 16, 1, 8), np.nan, np.float32)
    pages[[1, 3]] = 1
    pages[3, 10:] = np.nan
    table = mx.array(np.array([[1, 3, 99, -99]], np.int32))
    got = mx.fast.paged_attention(
        drawn((1, 4, min(length, 26), 8)), mx.array(pages), mx.array(pages), table, mx.array([26]), scale=1.0
    )
    assert np.allclose(np.array(got), 1)


def test_page_numbers_and_lengths_are_never_wild():
    pages, q = drawn((4, 8, 1, 16)), drawn((1, 2, 1, 16))
    f = lambda table, n: np.array(
        mx.fast.paged_attention(
            q, pages, pages, mx.array(np.array([table], np.int32)), mx.array([n]), scale=1.0
        )
    )
    assert np.array_equal(f([2**31 - 1, -(2**31), -1], 24), f([3, 0, 3], 24))
    assert np.array_equal(f([0, 1, 2], 2**31 - 1), f([0, 1, 2], 24))
    assert np.array_equal(f([0, 1, 2], -5), np.zeros((1, 2, 1, 16)))


def test_scores_are_not_kept():
    q = drawn((1, 4, 2048, 16))
    mx.eval(q)
    f = lambda q: mx.fast.scaled_dot_product_attention(q, q, q, scale=0.25)
    for function in (f, mx.grad(lambda q: f(q).sum())):
        mx.reset_peak_memory()
        before = mx.get_active_memory()
        mx.eval(function(q))
        assert mx.get_peak_memory() - before < 24 << 20  # the scores are 64 MB


def test_heads_of_a_transposed_projection_are_read_in_place():
    packed = drawn((2, 300, 4, 64))
    x = mx.transpose(packed, (0, 2, 1, 3))
    copied = mx.array(np.ascontiguousarray(np.array(x)))
    f = lambda x: mx.fast.scaled_dot_product_attention(x, x, x, scale=0.125)
    assert np.array_equal(np.array(f(x)), np.array(f(copied)))


def test_one_compiled_step_serves_every_position():
    traces = []

    @mx.compile
    def step(q, pages, table, lengths):
        traces.append(1)
        return mx.fast.paged_attention(q, pages, pages, table, lengths, scale=0.25)

    pages, q = drawn((8, 4, 1, 16)), drawn((2, 4, 1, 16))
    table = mx.array(np.arange(8, dtype=np.int32).reshape(2, 4))
    for lengths in ([1, 16], [7, 3], [16, 16]):
        got = np.array(step(q, pages, table, mx.array(lengths)))
        wanted = paged(np.array(q), *[np.array(pages)] * 2, np.array(table), np.array(lengths), 0.25)
        assert np.allclose(got, wanted, atol=1e-6)
    assert len(traces) == 1


def test_a_sequence_does_not_depend_on_its_neighbours():
    q, k = drawn((3, 4, 5, 32)), drawn((3, 2, 200, 32), seed=1)
    f = lambda q, k: np.array(mx.fast.scaled_dot_product_attention(q, k, k, scale=0.2, mask="causal"))
    assert np.array_equal(f(q, k)[1:2], f(q[1:2], k[1:2]))
