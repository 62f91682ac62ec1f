"""Records of rope (melix/ops/rope.h)."""

import numpy as np
import pytest

from tests.runner import FLOATS, Record, Tolerance, bad, call, mx, operation_tests


def options(of, dims, base=100.0, **more):
    chosen = {"traditional": of.pick([False, True]), "base": base, "scale": of.pick([1.0, 0.25]), "offset": 0}
    return {"dims": dims, **chosen, **more}


def samples(of):
    """Three axes to five, few rows and many, offsets as numbers and arrays, wavelengths given or not."""
    for shape, dims in [
        ((1, 1, 2), 2),
        ((2, 3, 4), 4),
        ((1, 2, 5, 7), 4),
        ((2, 3, 37, 16), 16),
        ((2, 1, 3, 2, 70), 66),
    ]:
        yield call(of(shape), **options(of, dims, offset=of.pick([0, 3, 1000, -7])))
        offsets = of.given(np.arange(shape[0]) * 5, of.pick(["int32", "int64", "uint8"]))
        yield call(of(shape), **options(of, dims, offset=offsets))
        freqs = of.drawn((dims // 2,), lambda rng, n=dims // 2: rng.uniform(0.5, 3, n))
        yield call(of(shape), **options(of, dims, base=None, freqs=freqs))
    yield call(of(2, 4, 3, 8), **options(of, 8, offset=of.given([9], "int32")))
    yield call(of(2, 0, 8), **options(of, 8))
    yield call(of(0, 3, 8), **options(of, 2))


def large(of):
    yield call(of(2, 8, 301, 64), 64, traditional=False, base=10000.0, scale=1.0, offset=11)
    yield call(
        of(3, 4, 1, 128), 64, traditional=True, base=10000.0, scale=1.0, offset=of.given([1, 5, 9], "int64")
    )


def rope(a, dims, traditional, base, scale, offset, freqs=None):
    """The definition; angles in the widest type there is."""
    wide = np.longdouble
    turns = (
        1 / freqs.astype(wide)
        if freqs is not None
        else wide(base) ** (-np.arange(0, dims, 2, dtype=wide) / dims)
    )
    rows = np.arange(a.shape[-2])
    positions = (np.reshape(offset, (-1, 1)) + rows).astype(wide) * scale
    angles = positions.reshape(len(positions), *[1] * (a.ndim - 3), a.shape[-2], 1) * turns
    c, s = np.cos(angles), np.sin(angles)
    first, second = (
        (slice(0, dims, 2), slice(1, dims, 2))
        if traditional
        else (slice(0, dims // 2), slice(dims // 2, dims))
    )
    out = np.array(a)
    out[..., first] = a[..., first] * c - a[..., second] * s
    out[..., second] = a[..., first] * s + a[..., second] * c
    return out


def size(a, dims, traditional, base, scale, offset, freqs=None):
    """The length of the pairs; in float64, angles of 1000 are a thousand times less precise than angles of 1."""
    both = (
        (slice(0, dims, 2), slice(1, dims, 2))
        if traditional
        else (slice(0, dims // 2), slice(dims // 2, dims))
    )
    out = np.abs(a)
    out[..., both[0]] = out[..., both[1]] = np.hypot(a[..., both[0]], a[..., both[1]])
    return out * 1000 if a.dtype == np.longdouble else out


PLAIN = {"traditional": False, "base": 100.0, "scale": 1.0, "offset": 0}
RECORDS = [
    Record(
        "fast.rope",
        samples,
        rope,
        dtypes=FLOATS,
        tolerance=Tolerance(
            ulp=4, scale=size, why="two products, a sum, and a sine and a cosine that are rounded"
        ),
        extended=True,
        nonfinite=False,
        large=large,
        bad=(
            bad(lambda of: call(of(3, 4), 4, **PLAIN), "at least 3 dimensions", "(3, 4)"),
            bad(lambda of: call(of(1, 3, 4), 3, **PLAIN), "even", "3"),
            bad(lambda of: call(of(1, 3, 4), 0, **PLAIN), "positive", "0"),
            bad(lambda of: call(of(1, 3, 4), 6, **PLAIN), "6", "(1, 3, 4)"),
            bad(lambda of: call(of(1, 3, 4), 4, **PLAIN, freqs=of(2)), "both base and freqs"),
            bad(lambda of: call(of(1, 3, 4), 4, **{**PLAIN, "base": None}), "either base or freqs"),
            bad(lambda of: call(of(1, 3, 4), 4, **{**PLAIN, "base": None}, freqs=of(3)), "(2,)", "(3,)"),
            bad(lambda of: call(of(1, 3, 4), 4, **{**PLAIN, "base": -1.0}), "positive", "-1"),
            bad(lambda of: call(of(1, 3, 4), 4, **{**PLAIN, "offset": 1.5}), "offset", "integer", "float32"),
            bad(
                lambda of: call(of(2, 3, 4), 4, **{**PLAIN, "offset": of.given(np.arange(3), "int32")}),
                "offset",
                "2",
                "(3,)",
            ),
        ),
    ),
]
test_operations = operation_tests(RECORDS, __file__)


@pytest.mark.parametrize("traditional", [False, True])
@pytest.mark.parametrize("offset", [131072 - 16, 2**20 + 3, 2**26 + 5, -131072])
def test_far_positions_are_as_precise_as_near_ones(traditional, offset):
    x = np.random.default_rng(0).standard_normal((1, 2, 32, 128)).astype(np.float32)
    options = {"traditional": traditional, "scale": 1.0}
    offsets = mx.array(np.array([offset], np.int64))
    freqs = (10000.0 ** (np.arange(0, 128, 2) / 128)).astype(np.float32)
    for given in ({"base": 10000.0}, {"base": None, "freqs": freqs}):
        wanted = rope(x.astype(np.longdouble), 128, offset=offset, **options, **given)
        given = {name: mx.array(v) if name == "freqs" else v for name, v in given.items()}
        got = np.array(mx.fast.rope(mx.array(x), 128, offset=offsets, **options, **given))
        length = size(x.astype(np.float64), 128, traditional, None, 1.0, 0)
        assert np.max(np.abs(got - wanted) / length) < 2 * 2.0**-23


def test_heads_of_a_transposed_projection_are_read_in_place():
    x = mx.array(np.random.default_rng(1).standard_normal((2, 50, 4, 16)).astype(np.float32))
    mx.eval(x)
    before = mx.debug.traffic()
    y = mx.fast.rope(mx.transpose(x, (0, 2, 1, 3)), 16, traditional=False, base=10000.0, scale=1.0, offset=2)
    mx.eval(y)
    assert mx.debug.traffic()["written"] - before["written"] <= y.nbytes + 64
    packed = mx.array(np.ascontiguousarray(np.array(x).transpose(0, 2, 1, 3)))
    again = mx.fast.rope(packed, 16, traditional=False, base=10000.0, scale=1.0, offset=2)
    assert np.array_equal(np.array(y), np.array(again))


def test_one_compiled_function_serves_every_position():
    calls = []

    @mx.compile
    def encode(x, offset):
        calls.append(1)
        return mx.fast.rope(x, 8, traditional=False, base=100.0, scale=1.0, offset=offset)

    x = mx.array(np.random.default_rng(2).standard_normal((1, 2, 1, 8)).astype(np.float32))
    for position in range(5):
        wanted = mx.fast.rope(x, 8, traditional=False, base=100.0, scale=1.0, offset=position)
        assert np.array_equal(np.array(encode(x, mx.array(position))), np.array(wanted))
    assert len(calls) == 1


@pytest.mark.parametrize("traditional", [False, True])
def test_gradient_of_the_wavelengths(traditional):
    rng = np.random.default_rng(3)
    x, g = (mx.array(rng.standard_normal((2, 3, 4, 8)), dtype=mx.float64) for _ in range(2))
    freqs = mx.array(rng.uniform(0.5, 2, 3), dtype=mx.float64)

    def loss(freqs):
        y = mx.fast.rope(
            x, 6, traditional=traditional, base=None, scale=0.5, offset=mx.array([1, 5]), freqs=freqs
        )
        return (y * g).sum()

    got = np.array(mx.grad(loss)(freqs))
    for i in range(3):
        step = mx.array(np.eye(3)[i] * 1e-6, dtype=mx.float64)
        assert abs((loss(freqs + step) - loss(freqs - step)).item() / 2e-6 - got[i]) < 1e-6


def test_batched_wavelengths_are_those_of_a_loop():
    rng = np.random.default_rng(4)
    x = mx.array(rng.standard_normal((2, 2, 3, 4, 8)).astype(np.float32))
    freqs = mx.array(rng.uniform(0.5, 2, (2, 4)).astype(np.float32))
    offsets = mx.array(np.array([[1, 5], [9, 2]]))

    def one(x, freqs, offset):
        return mx.fast.rope(x, 8, traditional=True, base=None, scale=1.0, offset=offset, freqs=freqs)

    got = np.array(mx.vmap(one)(x, freqs, offsets))
    for i in range(2):
        assert np.allclose(got[i], np.array(one(x[i], freqs[i], offsets[i])), rtol=0, atol=1e-6)
