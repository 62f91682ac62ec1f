"""Records of the normalisations (melix/ops/normalize.h)."""

import numpy as np
import pytest

from tests.runner import (
    REAL,
    Record,
    Tolerance,
    bad,
    call,
    domains,
    edge,
    inexact,
    mx,
    operation_tests,
    uniform,
)

EPS = 1e-3


def shapes(of):
    """Short rows, rows of a block and of several, rows of one element, and no rows."""
    for shape in of.shapes:
        if shape:
            yield shape
    yield from [(3, 1037), (2, 2, 2049), (130, 7), (5, 1), (0, 4), (2, 40003)]


def small(of, shape):
    """Integers whose squares do not overflow float32."""
    return of(shape, low=-100 if of.info.kind == "i" else 0, high=100)


def rms_samples(of):
    for shape in shapes(of):
        yield call(small(of, shape), None, EPS)
        yield call(small(of, shape), small(of, shape[-1]), eps=EPS)


def layer_samples(of):
    for shape in shapes(of):
        weight, bias = of.pick([(1, 1), (1, 0), (0, 1), (0, 0)])
        vector = small(of, shape[-1])
        yield call(small(of, shape), vector if weight else None, vector if bias else None, EPS)
    yield call(small(of, (3, 5)), small(of, 5), small(of, 5), eps=EPS)


def large(name):
    def make(of):
        for shape in [(1203, 509), (3, 100003), (9001, 33)]:
            x, weight = small(of, shape), small(of, shape[-1])
            yield call(x, weight, weight, EPS) if name == "layer_norm" else call(x, weight, EPS)

    return make


def rms_norm(x, weight, eps):
    x = x.astype(float) if x.dtype.kind != "f" else x
    with np.errstate(all="ignore"):
        y = x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + eps)
    return y if weight is None else y * weight


def layer_norm(x, weight, bias, eps):
    x = x.astype(float) if x.dtype.kind != "f" else x
    with np.errstate(all="ignore"):
        x = x - np.mean(x, axis=-1, keepdims=True)
    y = rms_norm(x, weight, eps)
    return y if bias is None else y + bias


def size(x, weight, bias, eps):
    """The parts of the sum, and the mean, which float64 has with its own precision only. The mean is that of the
    distances from the first element: it errs by their rounding, a quarter of a deviation here."""
    weigh = 2**-10 if x.dtype == np.float64 else 1
    x = x.astype(float) if x.dtype.kind != "f" else x
    mean = np.abs(np.mean(x, axis=-1, keepdims=True)) * weigh
    factor = 1 / np.sqrt(np.var(x, axis=-1, keepdims=True) + eps)
    out = (np.abs(x - np.mean(x, axis=-1, keepdims=True)) + mean) * factor + 0.25
    out = out if weight is None else out * np.abs(weight)
    return out if bias is None else out + np.abs(bias)


WHY = "runs of 1024 squares are added up in the type itself (float32: 32 for each lane), a root, three roundings"
RECORDS = [
    Record(
        "fast.rms_norm",
        rms_samples,
        rms_norm,
        dtypes=REAL,
        result=inexact,
        domain=uniform(-3, 3),
        tolerance=Tolerance(ulp=8, double=24, why=WHY),
        extended=True,
        nonfinite=domains.INFINITE,
        large=large("rms_norm"),
        bad=(
            bad(lambda of: call(of(), None, EPS), "at least 1 dimension"),
            bad(lambda of: call(of(2, 3), of(2), EPS), "weight", "(3,)", "(2, 3)", "(2,)"),
            bad(lambda of: call(of(2, 3), of(1, 3), EPS), "weight", "(1, 3)"),
        ),
        edges=(
            edge("float32 float16 float64", ([3.0, 3.0],), [1.0, 1.0], weight=None, eps=0.0),
            edge("float32", ([0.0, 0.0],), [0.0, 0.0], weight=None, eps=1e-5),
        ),
    ),
    Record(
        "fast.layer_norm",
        layer_samples,
        layer_norm,
        dtypes=REAL,
        result=inexact,
        domain=uniform(-3, 3),
        tolerance=Tolerance(ulp=8, double=24, scale=size, why=WHY + ", and a mean that is subtracted"),
        extended=True,
        nonfinite=domains.INFINITE,
        large=large("layer_norm"),
        bad=(
            bad(lambda of: call(of(), None, None, EPS), "at least 1 dimension"),
            bad(lambda of: call(of(2, 3), of(2), None, EPS), "weight", "(3,)", "(2, 3)", "(2,)"),
            bad(lambda of: call(of(2, 3), None, of(4), EPS), "bias", "(3,)", "(4,)"),
        ),
        edges=(edge("float32 float16 float64", ([5.0, 5.0],), [0.0, 0.0], weight=None, bias=None, eps=1e-5),),
    ),
]
test_operations = operation_tests(RECORDS, __file__)


def gradients(x, weight, g, centred):
    """The definition in float64."""
    x, weight, g = (a.astype(np.float64) for a in (x, weight, g))
    x = x - x.mean(-1, keepdims=True) if centred else x
    factor = 1 / np.sqrt((x * x).mean(-1, keepdims=True) + EPS)
    y, h = x * factor, g * weight
    dx = h - y * (h * y).mean(-1, keepdims=True)
    dx = dx - h.mean(-1, keepdims=True) if centred else dx
    return dx * factor, (g * y).reshape(-1, x.shape[-1]).sum(0), g.reshape(-1, x.shape[-1]).sum(0)


@pytest.mark.parametrize("shape", [(1000, 64), (3, 70, 513), (70, 5000), (3, 100003), (1, 40001), (0, 5)])
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "float64"])
@pytest.mark.parametrize("centred", [True, False])
def test_gradients_of_many_and_of_long_rows(shape, dtype, centred):
    rng = np.random.default_rng(5)
    dtype = getattr(mx, dtype)
    x, weight, bias = (
        mx.array(rng.standard_normal(s)).astype(dtype) for s in (shape, shape[-1:], shape[-1:])
    )
    g = mx.array(rng.standard_normal(shape)).astype(dtype)

    def loss(x, weight, bias):
        y = mx.fast.layer_norm(x, weight, bias, EPS) if centred else mx.fast.rms_norm(x, weight, EPS) + bias
        return (y.astype(mx.float64) * g.astype(mx.float64)).sum()

    got = mx.grad(loss, argnums=(0, 1, 2))(x, weight, bias)
    wanted = gradients(*(np.array(a.astype(mx.float64)) for a in (x, weight, g)), centred)
    unit = {mx.float32: 2.0**-24, mx.float16: 2.0**-11, mx.bfloat16: 2.0**-8, mx.float64: 2.0**-53}[dtype]
    for a, b in zip(got, wanted):
        error = np.abs(np.array(a.astype(mx.float64)) - b).max(initial=0)
        assert error <= 16 * unit * np.abs(b).max(initial=1)


def test_a_large_mean_costs_no_precision():
    x = (np.random.default_rng(1).standard_normal((7, 3000)) + 4096).astype(np.float32)
    got = np.array(mx.fast.layer_norm(mx.array(x), None, None, 1e-5))
    wanted = layer_norm(x.astype(np.float64), None, None, 1e-5)
    assert np.abs(got - wanted).max() < 2e-6


def test_what_makes_the_input_is_fused():
    rng = np.random.default_rng(2)
    a, b, w = (mx.array(rng.standard_normal(s).astype(np.float32)) for s in ((64, 4096), (64, 4096), (4096,)))
    mx.eval(a, b, w)
    before = mx.debug.traffic()
    y = mx.fast.layer_norm(a * b + 1, w, None, 1e-5)
    mx.eval(y)
    after = mx.debug.traffic()
    assert after["kernels"] - before["kernels"] == 1
    assert after["written"] - before["written"] == y.nbytes
    c = mx.eval(x := a * b + 1) or x
    assert np.array_equal(np.array(y), np.array(mx.fast.layer_norm(c, w, None, 1e-5)))
    weights = mx.exp(w)
    assert np.array_equal(
        np.array(mx.fast.rms_norm(weights * 2, weights, 1e-5)),
        np.array(mx.fast.rms_norm(mx.array(np.array(weights)) * 2, mx.array(np.array(weights)), 1e-5)),
    )


def test_arguments_promote_as_in_mlx():
    x, w = mx.ones((2, 3)), mx.ones((3,))
    assert mx.fast.rms_norm(x.astype(mx.float16), w, 1e-5).dtype == mx.float32
    assert mx.fast.rms_norm(x.astype(mx.float16), w.astype(mx.int32), 1e-5).dtype == mx.float16
    assert mx.fast.layer_norm(x.astype(mx.bfloat16), None, w.astype(mx.bfloat16), 1e-5).dtype == mx.bfloat16
    assert mx.fast.layer_norm(x.astype(mx.int32), w.astype(mx.int32), None, 1e-5).dtype == mx.float32
    with pytest.raises(ValueError, match="complex64"):
        mx.fast.rms_norm(x, w.astype(mx.complex64), 1e-5)


@pytest.mark.parametrize("first, value", [(1, 1e4), (16, 3000.0), (16, -1e-3), (200, 50.0)])
def test_the_first_elements_of_a_row_are_like_any_others(first, value):
    x = np.random.default_rng(3).standard_normal((6, 2000)).astype(np.float32)
    x[:, :first] += value
    wanted = layer_norm(x.astype(np.float64), None, None, 1e-5)
    got = np.array(mx.fast.layer_norm(mx.array(x), None, None, 1e-5))
    assert np.all(np.abs(got - wanted) <= 1e-6 * (1 + np.abs(wanted)))
    back = np.array(mx.fast.layer_norm(mx.array(x[:, ::-1]), None, None, 1e-5))[:, ::-1]
    assert np.all(np.abs(back - wanted) <= 1e-6 * (1 + np.abs(wanted)))
