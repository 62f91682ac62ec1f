"""Random numbers: values that keys promise, distributions, shapes, types, the process's sequence and its state."""

import threading

import numpy as np
import pytest
import scipy.stats

from tests.runner import mx
from tests.runner.dtypes import FLOATS, INTEGERS, of_module, to_numpy

random = mx.random
N = 100_000


@pytest.fixture
def key():
    return random.key(42)


def close(got, expected, ulps=4):
    """Within some units in the last place of float32 of the expected values."""
    np.testing.assert_allclose(np.array(got), expected, rtol=ulps * 2.0**-23, atol=ulps * 2.0**-25)


def follows(sample, cdf, significance=1e-6):
    """The Kolmogorov-Smirnov test: the seed is fixed, so that this passes always or never."""
    assert scipy.stats.kstest(np.asarray(sample, np.float64).ravel(), cdf).pvalue > significance


# ---- values that are fixed for ever ----


def test_keys():
    assert random.key(0).tolist() == [0, 0]
    assert random.key(2**40 + 7).tolist() == [256, 7]
    assert random.key(2**64 - 1).tolist() == [2**32 - 1, 2**32 - 1]
    assert random.key(1).dtype == mx.uint32
    split = random.split(random.key(42), 3)
    assert split.tolist() == [[3134548294, 3733159049], [3746501087, 894150801], [801545058, 2363201431]]
    assert random.split(random.key(42)).shape == (2, 2)


def test_uniform_values(key):
    def draw(n, dtype=mx.float32):
        return to_numpy(random.uniform(shape=(n,), dtype=dtype, key=key)).astype(np.float64).tolist()

    assert draw(1) == [0.4267275631427765]
    assert draw(2) == [0.015010069124400616, 0.6789629459381104]
    assert draw(5) == [0.7298188805580139, 0.8691938519477844, 0.1964380443096161, 0.20818570256233215,
                       0.18662425875663757]  # fmt: skip
    assert draw(5, mx.float16) == [
        0.72998046875,
        0.869140625,
        0.1964111328125,
        0.2081298828125,
        0.1866455078125,
    ]
    assert draw(5, mx.bfloat16) == [0.73046875, 0.87109375, 0.1962890625, 0.2080078125, 0.1865234375]
    bounded = random.uniform(-3, 5, (4,), key=key)
    assert (
        np.array(bounded).tolist()
        == np.float32([1.5931553840637207, 3.853100299835205, -2.52431058883667, -2.501155138015747]).tolist()
    )


def test_values_of_distributions(key):
    close(
        random.normal((4,), key=key),
        [0.1869356483221054, 1.0653338432312012, -1.5593127012252808, -1.5352953672409058],
    )
    close(random.normal((4,), loc=1.5, scale=2.5, key=key),
          [1.967339038848877, 4.163334846496582, -2.3982818126678467, -2.338238477706909])  # fmt: skip
    close(random.normal((2,), dtype=mx.complex64, key=key),
          [0.13218346238136292 + 0.7533047795295715j, -1.1026005744934082 - 1.0856177806854248j])  # fmt: skip
    close(random.truncated_normal(-1, 2, (4,), key=key),
          [0.3282715678215027, 1.0798438787460327, -0.8157208561897278, -0.8074652552604675], 16)  # fmt: skip
    close(
        random.gumbel((4,), key=key),
        [0.5890136957168579, 1.8660064935684204, -1.037598729133606, -1.0206153392791748],
    )
    close(random.laplace((4,), key=key),
          [-0.1605079025030136, -1.2492321729660034, 2.129283905029297, 2.081753969192505])  # fmt: skip


def test_values_of_discrete_distributions(key):
    assert random.randint(-10, 10, (8,), key=key).tolist() == [3, 1, -5, -6, 5, -5, -10, -10]
    assert random.randint(0, 200, (8,), mx.uint8, key=key).tolist() == [137, 119, 53, 48, 152, 56, 8, 0]
    bernoulli = random.bernoulli(0.3, (12,), key=key)
    assert bernoulli.tolist() == [bool(b) for b in (0, 1, 0, 0, 1, 1, 0, 0, 1, 0, 1, 1)]
    assert random.permutation(10, key=key).tolist() == [5, 2, 7, 1, 6, 8, 0, 9, 4, 3]
    columns = random.permutation(mx.arange(12).reshape(3, 4), axis=1, key=key)
    assert columns.tolist() == [[2, 3, 0, 1], [6, 7, 4, 5], [10, 11, 8, 9]]
    logits = mx.array(np.linspace(-1, 1, 15, dtype=np.float32).reshape(3, 5))
    assert random.categorical(logits, key=key).tolist() == [3, 0, 3]
    assert random.categorical(logits, axis=0, key=key).tolist() == [1, 2, 2, 2, 2]
    assert random.categorical(logits, num_samples=4, key=key).tolist() == [
        [4, 4, 1, 1],
        [2, 1, 2, 3],
        [1, 4, 4, 0],
    ]
    assert random.categorical(logits, shape=(2, 3), key=key).tolist() == [[4, 1, 1], [4, 2, 4]]


def test_against_the_reference_library(key):
    mlx = pytest.importorskip("mlx.core")
    other = mlx.random.key(42)
    for n in (1, 7, 64, 4097):
        same = np.array(mlx.random.uniform(shape=(n, 3), key=other))
        assert np.array_equal(np.array(random.uniform(shape=(n, 3), key=key)), same)
        assert np.array_equal(np.array(random.split(key, n)), np.array(mlx.random.split(other, n)))
        close(random.normal((n,), key=key), np.array(mlx.random.normal((n,), key=other)), 8)


# ---- distributions ----


@pytest.mark.parametrize("dtype", FLOATS)
def test_uniform_is_uniform(dtype):
    x = random.uniform(-2, 3, (N,), of_module(dtype), key=random.key(1))
    assert x.dtype == of_module(dtype)
    values = to_numpy(x).astype(np.float64)
    assert values.min() >= -2 and values.max() <= 3
    if dtype in ("float32", "float64"):
        follows(values, scipy.stats.uniform(-2, 5).cdf)
    assert abs(values.mean() - 0.5) < 0.02
    unit = to_numpy(random.uniform(shape=(N,), dtype=of_module(dtype), key=random.key(2)))
    assert unit.min() >= 0 and unit.max() < 1


def test_double_precision_uses_all_bits():
    x = np.array(random.uniform(shape=(N,), dtype=mx.float64, key=random.key(3)))
    assert len(np.unique(x)) == N
    assert np.any(x != x.astype(np.float32))
    follows(x, scipy.stats.uniform.cdf)


@pytest.mark.parametrize("dtype", FLOATS)
def test_normal_is_normal(dtype):
    x = random.normal((N,), of_module(dtype), loc=1, scale=2, key=random.key(4))
    assert x.dtype == of_module(dtype)
    values = to_numpy(x).astype(np.float64)
    assert np.isfinite(values).all()
    assert abs(values.mean() - 1) < 0.03 and abs(values.std() - 2) < 0.03
    if dtype in ("float32", "float64"):
        follows(values, scipy.stats.norm(1, 2).cdf)


def test_complex_normal():
    z = np.array(random.normal((N,), mx.complex64, key=random.key(5)))
    follows(z.real, scipy.stats.norm(0, 0.5**0.5).cdf)
    follows(z.imag, scipy.stats.norm(0, 0.5**0.5).cdf)
    assert abs(np.corrcoef(z.real, z.imag)[0, 1]) < 0.02


def test_other_distributions():
    follows(random.gumbel((N,), key=random.key(6)), scipy.stats.gumbel_r.cdf)
    follows(random.laplace((N,), loc=-1, scale=3, key=random.key(7)), scipy.stats.laplace(-1, 3).cdf)
    follows(random.truncated_normal(-1, 2, (N,), key=random.key(8)), scipy.stats.truncnorm(-1, 2).cdf)
    mean = np.array(random.bernoulli(0.3, (N,), key=random.key(9))).mean()
    assert abs(mean - 0.3) < 0.01
    assert np.array(random.bernoulli(mx.array([0.0, 1.0]), (N, 2), key=random.key(9))).mean(0).tolist() == [
        0,
        1,
    ]


@pytest.mark.parametrize("dtype", ("float16", "bfloat16"))
def test_short_floats_stay_in_their_bounds(dtype):
    kind = of_module(dtype)
    x = to_numpy(random.truncated_normal(-0.5, 0.25, (N,), kind, key=random.key(10)))
    assert x.min() >= -0.5 and x.max() <= 0.25
    for draw in (random.gumbel, random.laplace, random.normal):
        values = draw((N,), kind, key=random.key(11))
        assert values.dtype == kind
        assert not np.isnan(to_numpy(values)).any()


@pytest.mark.parametrize("dtype", INTEGERS)
def test_randint(dtype):
    x = np.array(random.randint(3, 13, (N,), of_module(dtype), key=random.key(12)))
    assert x.dtype == dtype
    counts = np.bincount(x.astype(int))
    assert counts[:3].sum() == 0 and len(counts) == 13
    assert scipy.stats.chisquare(counts[3:]).pvalue > 1e-6


def test_randint_bounds():
    x = np.array(random.randint(mx.array([-5, 100]), mx.array([5, 101]), (N, 2), key=random.key(13)))
    assert x[:, 0].min() == -5 and x[:, 0].max() == 4
    assert (x[:, 1] == 100).all()
    assert random.randint(7, 7, (2,)).tolist() == [7, 7]
    booleans = np.array(random.randint(0, 2, (N,), mx.bool_, key=random.key(14)))
    assert booleans.dtype == bool and abs(booleans.mean() - 0.5) < 0.01


def test_categorical_has_the_probabilities_of_softmax():
    p = np.array([0.1, 0.2, 0.05, 0.65])
    for dtype in FLOATS:
        logits = mx.array(np.log(p) + 3, dtype=of_module(dtype))
        counts = np.bincount(
            np.array(random.categorical(logits, num_samples=N, key=random.key(15))), minlength=4
        )
        np.testing.assert_allclose(counts / N, p, atol=0.01)
    never = mx.array([0.0, -np.inf, 0.0])
    assert 1 not in np.array(random.categorical(never, num_samples=1000, key=random.key(16)))


def test_categorical_shapes(key):
    logits = mx.zeros((3, 4, 5))
    for axis, left in ((0, (4, 5)), (1, (3, 5)), (-1, (3, 4))):
        assert random.categorical(logits, axis, key=key).shape == left
        assert random.categorical(logits, axis, num_samples=7, key=key).shape == (*left, 7)
        assert random.categorical(logits, axis, shape=(2, *left), key=key).shape == (2, *left)
        assert random.categorical(logits, axis, key=key).dtype == mx.uint32
    assert random.categorical(mx.zeros((5,)), key=key).shape == ()


def test_permutations(key):
    p = random.permutation(1000, key=key)
    assert p.dtype == mx.uint32
    assert sorted(p.tolist()) == list(range(1000)) and p.tolist() != list(range(1000))
    a = np.arange(60).reshape(3, 4, 5)
    for axis in (0, 1, -1):
        got = np.array(random.permutation(mx.array(a), axis=axis, key=key))
        order = np.array(random.permutation(a.shape[axis], key=key))
        assert np.array_equal(got, np.take(a, order, axis))
    assert random.permutation(0).shape == (0,)
    # Every order of three is as likely as the others.
    orders = [tuple(random.permutation(3, key=k).tolist()) for k in random.split(random.key(17), 1200)]
    counts = np.unique(orders, axis=0, return_counts=True)[1]
    assert len(counts) == 6 and scipy.stats.chisquare(counts).pvalue > 1e-6


@pytest.mark.parametrize(
    "cov",
    [
        [[2.0, 0.5, 0.1], [0.5, 1.0, 0.2], [0.1, 0.2, 0.7]],
        [[1.0, 2.0, 0.0], [2.0, 4.0, 0.0], [0.0, 0.0, 3.0]],  # singular
        [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]],
    ],
)
def test_multivariate_normal(cov):
    mean = mx.array([1.0, -2.0, 3.0])
    x = np.array(random.multivariate_normal(mean, mx.array(cov), (N,), key=random.key(18)))
    assert x.shape == (N, 3)
    np.testing.assert_allclose(x.mean(0), np.array(mean), atol=0.03)
    np.testing.assert_allclose(np.cov(x.T), cov, atol=0.06)


def test_multivariate_normal_shapes(key):
    mean, cov = mx.zeros((4, 3)), mx.broadcast_to(mx.eye(3), (2, 1, 3, 3))
    assert random.multivariate_normal(mean, cov, key=key).shape == (2, 4, 3)
    assert random.multivariate_normal(mean, cov, (5, 2, 4), key=key).shape == (5, 2, 4, 3)
    assert random.multivariate_normal(mx.zeros((0,)), mx.zeros((0, 0)), (2,), key=key).shape == (2, 0)
    assert np.isnan(np.array(random.multivariate_normal(mx.zeros((2,)), mx.full((2, 2), float("nan"))))).all()
    wide = random.multivariate_normal(mx.zeros((70,)), mx.eye(70) * 4, (5000,), key=key)
    follows(wide, scipy.stats.norm(0, 2).cdf)


# ---- arguments ----


@pytest.mark.parametrize(
    "says, draw",
    [
        (["float", "int32"], lambda: random.uniform(shape=(2,), dtype=mx.int32)),
        (["complex64"], lambda: random.uniform(shape=(2,), dtype=mx.complex64)),
        (["(3,)", "(2,)"], lambda: random.uniform(mx.zeros((2,)), 1, (3,))),
        (["(2,)", "()"], lambda: random.uniform(mx.zeros((2,)), 1)),
        (["negative"], lambda: random.uniform(shape=(-1,))),
        (["int32"], lambda: random.uniform(key=mx.array([1, 2]))),
        (["(3,)"], lambda: random.uniform(key=mx.array([1, 2, 3], dtype=mx.uint32))),
        (["int32"], lambda: random.normal((2,), mx.int32)),
        (["(2,)"], lambda: random.normal((2,), loc=mx.zeros((3,)))),
        (["float32"], lambda: random.randint(0, 2, (2,), mx.float32)),
        (["int32"], lambda: random.bernoulli(1)),
        (["(3,)", "(2,)"], lambda: random.bernoulli(mx.array([0.1, 0.2]), (3,))),
        (["int32"], lambda: random.truncated_normal(0, 1, dtype=mx.int32)),
        (["int32"], lambda: random.gumbel((2,), mx.int32)),
        (["complex64"], lambda: random.laplace((2,), mx.complex64)),
        (["not both"], lambda: random.categorical(mx.zeros((3,)), shape=(2,), num_samples=2)),
        (["(3,)", "(4, 5)"], lambda: random.categorical(mx.zeros((4, 5, 6)), shape=(3,))),
        (["-1"], lambda: random.categorical(mx.zeros((3,)), num_samples=-1)),
        (["(3, 0)"], lambda: random.categorical(mx.zeros((3, 0)))),
        (["-3"], lambda: random.permutation(-3)),
        (["float16"], lambda: random.multivariate_normal(mx.zeros((2,)), mx.eye(2), dtype=mx.float16)),
        (["(2, 2)", "3"], lambda: random.multivariate_normal(mx.zeros((3,)), mx.eye(2))),
        (["one dimension"], lambda: random.multivariate_normal(mx.array(0.0), mx.eye(2))),
        (["two dimensions"], lambda: random.multivariate_normal(mx.zeros((2,)), mx.zeros((2,)))),
        (["-1"], lambda: random.split(random.key(0), -1)),
    ],
)
def test_bad_arguments(says, draw):
    with pytest.raises(ValueError) as caught:
        draw()
    assert not [part for part in says if part not in str(caught.value)], str(caught.value)


@pytest.mark.parametrize(
    "draw",
    [
        lambda: random.categorical(mx.zeros((3,)), axis=1),
        lambda: random.permutation(mx.zeros((3,)), axis=1),
        lambda: random.permutation(mx.array(3.0)),
    ],
)
def test_bad_axes(draw):
    with pytest.raises((IndexError, ValueError), match="axis"):
        draw()


# ---- the sequence and its state ----


def test_seed_restarts_the_sequence():
    random.seed(7)
    first = [random.uniform(shape=(2,)).tolist() for _ in range(3)]
    assert first[0] == [0.514767050743103, 0.0784912109375] and first[0] != first[1] != first[2]
    random.seed(7)
    assert [random.uniform(shape=(2,)).tolist() for _ in range(3)] == first
    random.seed(7)
    kept, given = random.split(random.key(7))
    random.normal((2,))
    assert random.state[0].tolist() == kept.tolist()
    random.state[0] = given
    assert random.uniform().item() == random.uniform(key=random.split(given)[1]).item()


def test_state_is_checked():
    before = random.state[0]
    random.state[0] = "key"
    try:
        with pytest.raises(TypeError, match="state"):
            random.normal((2,))
    finally:
        random.state[0] = before


def test_compiled_functions_keep_the_state():
    def step():
        return random.uniform(shape=(3,)), random.bernoulli(0.5, (3,))

    random.seed(3)
    expected = [[x.tolist() for x in step()] for _ in range(3)]
    random.seed(3)
    compiled = mx.compile(step, inputs=random.state, outputs=random.state)
    assert [[x.tolist() for x in compiled()] for _ in range(3)] == expected


def test_vectorised_keys():
    keys = random.split(random.key(5), 4)
    for shape in ((), (3,), (2, 5)):
        got = mx.vmap(lambda k, shape=shape: random.normal(shape, key=k))(keys)
        assert np.array_equal(np.array(got), np.stack([np.array(random.normal(shape, key=k)) for k in keys]))


def test_threads_get_keys_of_their_own():
    drawn, lock = [], threading.Lock()

    def work():
        own = [random.randint(0, 2**20, (4,)).tolist() for _ in range(50)]
        with lock:
            drawn.extend(map(tuple, own))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(drawn)) == 200


def test_gradients_pass_through_loc_and_scale():
    key = random.key(6)
    x = random.normal((5,), key=key)
    loc, scale = mx.grad(lambda a, b: random.normal((5,), loc=a, scale=b, key=key).sum(), argnums=(0, 1))(
        mx.array(1.0), mx.array(2.0)
    )
    assert loc.item() == 5
    np.testing.assert_allclose(scale.item(), np.array(x).sum(), rtol=1e-5)
