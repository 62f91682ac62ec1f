"""Records of the gated delta rule (melix/ops/gated_delta.h)."""

import numpy as np
import pytest

from tests.runner import REAL, Record, Tolerance, bad, call, inexact, mx, operation_tests, positive, uniform


def arguments(of, batch, steps, key_heads, heads, keys, rows, per_key=False):
    unit = positive(0.2, 0.9) if of.info.kind == "f" else None
    small = {"domain": unit} if unit else {"low": 0, "high": 1}
    many = {} if unit else {"low": 0, "high": 2}
    gamma = (batch, steps, heads, keys) if per_key else (batch, steps, heads)
    return [
        of(batch, steps, key_heads, keys, **many),
        of(batch, steps, key_heads, keys, **many),
        of(batch, steps, heads, rows, **many),
        of(gamma, **small),
        of(batch, steps, heads, **small),
    ]


def state(of, batch, heads, rows, keys):
    return (
        of(batch, heads, rows, keys) if of.info.kind == "f" else of(batch, heads, rows, keys, low=0, high=2)
    )


def mask(of, *shape):
    return of.drawn(shape, lambda rng: rng.random(shape) < 0.6, dtype="bool")


def samples(of):
    for sizes in [
        (1, 1, 1, 1, 1, 1),
        (2, 3, 2, 4, 5, 3),
        (1, 4, 1, 2, 17, 9),
        (1, 2, 3, 3, 64, 4),
        (2, 0, 1, 1, 3, 2),
    ]:
        batch, steps, _, heads, keys, rows = sizes
        yield call(*arguments(of, *sizes))
        yield call(*arguments(of, *sizes), state(of, batch, heads, rows, keys))
        yield call(*arguments(of, *sizes), mask=mask(of, batch, steps))
    yield call(*arguments(of, 2, 3, 1, 2, 5, 3, per_key=True), state(of, 2, 2, 3, 5), mask(of, 2, 3))


def large(of):
    yield call(*arguments(of, 2, 37, 2, 4, 64, 70))


def gated_delta_update(q, k, v, gamma, beta, initial_state=None, mask=None):
    kind = np.float64 if q.dtype.kind != "f" else q.dtype
    batch, steps, heads, rows = v.shape
    q, k = (np.repeat(a.astype(kind), heads // a.shape[2], axis=2) for a in (q, k))
    s = (
        np.zeros((batch, heads, rows, k.shape[3]), kind)
        if initial_state is None
        else initial_state.astype(kind)
    )
    y = np.zeros(v.shape, kind)
    gamma = gamma[..., None, None] if gamma.ndim == 3 else gamma[..., None, :]
    for t in range(steps):
        decayed = s * gamma[:, t]
        difference = beta[:, t, :, None] * (v[:, t] - np.einsum("bhvk,bhk->bhv", decayed, k[:, t]))
        after = decayed + difference[..., None] * k[:, t, :, None, :]
        on = np.ones(batch, bool) if mask is None else mask[:, t].astype(bool)
        s = np.where(on[:, None, None, None], after, s)
        y[:, t] = np.where(on[:, None, None], np.einsum("bhvk,bhk->bhv", after, q[:, t]), 0)
    return [y, s]


def size(q, k, v, gamma, beta, initial_state=None, mask=None):
    """The sums without signs: v - S k becomes -(|v| + |S| |k|)."""
    given = (q, k, v, gamma, beta, initial_state)
    q, k, v, gamma, beta, s = (np.abs(a * 1.0) if a is not None else None for a in given)
    y, s = gated_delta_update(q, k, -v, gamma, -beta, s, mask)
    return [np.abs(y) + 1, np.abs(s) + 1]


def results(dtype):
    return [inexact(dtype), "float64" if dtype == "float64" else "float32"]


def bad_call(change, *parts):
    def make(of):
        given = dict(zip(("q", "k", "v", "gamma", "beta"), arguments(of, 2, 3, 2, 4, 5, 3)))
        return call(**{**given, **change(of)})

    return bad(make, *parts)


RECORDS = [
    Record(
        "fast.gated_delta_update",
        samples,
        gated_delta_update,
        dtypes=REAL,
        result=results,
        domain=uniform(-1, 1),
        smooth=uniform(-1, 1),
        tolerance=Tolerance(ulp=64, scale=size, why="every step adds the roundings of two sums to the state"),
        nonfinite=False,
        large=large,
        bad=(
            bad_call(lambda of: {"k": of(2, 3, 2)}, "(B, T, Hk, Dk)", "(2, 3, 2)"),
            bad_call(lambda of: {"q": of(2, 3, 2, 6)}, "q must have shape (2, 3, 2, 5)", "(2, 3, 2, 6)"),
            bad_call(lambda of: {"v": of(2, 3, 3, 3)}, "multiple", "(2, 3, 3, 3)", "(2, 3, 2, 5)"),
            bad_call(lambda of: {"gamma": of(2, 3)}, "gamma must have shape (2, 3, 4)", "(2, 3)"),
            bad_call(lambda of: {"beta": of(2, 4, 3)}, "beta must have shape (2, 3, 4)", "(2, 4, 3)"),
            bad_call(
                lambda of: {"initial_state": of(2, 4, 5, 3)}, "initial_state", "(2, 4, 3, 5)", "(2, 4, 5, 3)"
            ),
            bad_call(lambda of: {"mask": of.given(np.ones((3, 2)), "bool")}, "mask must have shape (2, 3)"),
        ),
    ),
]
test_operations = operation_tests(RECORDS, __file__)


def values(rng, batch, steps, key_heads, heads, keys, rows, dtype):
    def normal(*shape):
        return mx.array(rng.standard_normal(shape) / 4, dtype=dtype)

    q, k = normal(batch, steps, key_heads, keys), normal(batch, steps, key_heads, keys)
    v, s = normal(batch, steps, heads, rows), normal(batch, heads, rows, keys)
    gamma, beta = (mx.array(rng.uniform(0.3, 0.99, (batch, steps, heads)), dtype=dtype) for _ in range(2))
    return [q, k, v, gamma, beta, s]


@pytest.mark.parametrize("steps", [1, 7, 30])
@pytest.mark.parametrize("masked", [False, True])
def test_the_gradient_kernel_is_the_gradient_of_the_steps(steps, masked):
    rng = np.random.default_rng(8)
    given = values(rng, 2, steps, 2, 4, 20, 6, mx.float64)
    on = mx.array(rng.random((2, steps)) < 0.7) if masked else None
    gy, gs = (mx.array(rng.standard_normal(s), dtype=mx.float64) for s in ((2, steps, 4, 6), (2, 4, 6, 20)))

    def kernel(q, k, v, gamma, beta, s):
        y, last = mx.fast.gated_delta_update(q, k, v, gamma, beta, s, on)
        return (y * gy).sum() + (last * gs).sum()

    def plain(q, k, v, gamma, beta, s):
        q, k = mx.repeat(q, 2, axis=2), mx.repeat(k, 2, axis=2)
        total = mx.array(0.0, mx.float64)
        for t in range(steps):
            decayed = s * gamma[:, t, :, None, None]
            difference = beta[:, t, :, None] * (v[:, t] - (decayed * k[:, t, :, None]).sum(-1))
            after = decayed + difference[..., None] * k[:, t, :, None]
            y = (after * q[:, t, :, None]).sum(-1)
            if on is not None:
                after = mx.where(on[:, t, None, None, None], after, s)
                y = mx.where(on[:, t, None, None], y, mx.zeros_like(y))
            total, s = total + (y * gy[:, t]).sum(), after
        return total + (s * gs).sum()

    got, wanted = (mx.grad(f, argnums=tuple(range(6)))(*given) for f in (kernel, plain))
    for a, b in zip(got, wanted):
        assert np.allclose(np.array(a), np.array(b), rtol=1e-9, atol=1e-11)


def test_a_step_at_a_time_is_all_steps_at_once():
    given = values(np.random.default_rng(9), 1, 12, 2, 4, 32, 33, mx.float32)
    y, last = mx.fast.gated_delta_update(*given)
    s = given[5]
    for t in range(12):
        one, s = mx.fast.gated_delta_update(*(a[:, t : t + 1] for a in given[:5]), s)
        assert np.array_equal(np.array(one)[:, 0], np.array(y)[:, t])
    assert np.array_equal(np.array(s), np.array(last))
