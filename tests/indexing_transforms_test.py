"""Derivatives, vmap and compile of a[key], a[key] = v and a.at[key].add(v), for random keys of every kind."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import melix.core as mx
from tests.index_keys import FEWER, UPDATES, check, numbers, ours, problems, updates

# ---- derivatives ----


@FEWER
@given(problems())
def test_gradient_of_reading(problem):
    shape, key, named = problem
    assume(named is not None)
    w = numbers(named.shape)
    gradient = mx.grad(lambda a: (a[ours(key)] * mx.array(w, mx.float64)).sum())(
        mx.array(numbers(shape), mx.float64)
    )
    expected = np.zeros(shape)
    np.add.at(expected.reshape(-1), named.reshape(-1), w.reshape(-1))
    check(gradient, expected)


def assigned(key):
    def function(a, v):
        a = a[...]
        a[key] = v
        return a

    return function


@FEWER
@given(updates())
def test_gradient_of_assignment(update):
    """Of several values for one place, the last one stays, and has the gradient."""
    shape, key, named, values_shape = update
    assume(named is not None)
    w = numbers(shape, start=5)
    a, v = mx.array(numbers(shape), mx.float64), mx.array(numbers(values_shape), mx.float64)
    loss = lambda a, v: (assigned(ours(key))(a, v) * mx.array(w, mx.float64)).sum()
    to_a, to_v = mx.grad(loss, argnums=(0, 1))(a, v)
    expected = w.copy()
    expected.reshape(-1)[named.reshape(-1)] = 0
    check(to_a, expected)
    last = {place: number for number, place in enumerate(named.reshape(-1).tolist())}
    each = np.zeros(named.size)
    for place, number in last.items():
        each[number] = w.reshape(-1)[place]
    check(to_v, summed(each.reshape(named.shape), values_shape))


def summed(values, shape):
    """The gradient of broadcasting `shape` to that of the values."""
    extra = values.ndim - len(shape)
    if extra < 0:
        return (
            values.reshape(shape)
            if values.size == np.prod(shape)
            else summed(values, shape[1:]).reshape(shape)
        )
    values = values.sum(tuple(range(extra)))
    return values.sum(tuple(d for d, n in enumerate(shape) if n == 1), keepdims=True).reshape(shape)


@FEWER
@given(updates(), st.sampled_from(sorted(UPDATES)), st.integers(0, 2**31))
def test_gradients_of_updates(update, name, seed):
    """Against central differences, and tangents against gradients."""
    shape, key, named, values_shape = update
    assume(named is not None and 0 < named.size < 40)
    rng = np.random.default_rng(seed)
    draw = lambda shape: (
        rng.permutation(np.arange(1, 2 + int(np.prod(shape))))[1:].reshape(shape) / 7 + rng.random(shape) / 20
    )
    a, v, w = draw(shape), draw(values_shape) + 0.01, draw(shape)
    arrays = [mx.array(a, mx.float64), mx.array(v, mx.float64)]
    loss = lambda a, v: (getattr(a.at[ours(key)], name)(v) * mx.array(w, mx.float64)).sum()
    gradients = mx.grad(loss, argnums=(0, 1))(*arrays)

    def value(a, v):
        out = np.array(a)
        UPDATES[name].at(out.reshape(-1), named.reshape(-1), np.broadcast_to(v, named.shape).reshape(-1))
        return (out * w).sum()

    directions = draw(shape), draw(values_shape)
    for i, (gradient, direction) in enumerate(zip(gradients, directions)):
        step = [1e-6 * d if k == i else 0 for k, d in enumerate(directions)]
        difference = (value(a + step[0], v + step[1]) - value(a - step[0], v - step[1])) / 2e-6
        np.testing.assert_allclose((np.array(gradient) * direction).sum(), difference, rtol=1e-5, atol=1e-4)
    tangents = mx.jvp(loss, arrays, [mx.array(d, mx.float64) for d in directions])[1]
    along = sum((np.array(g) * d).sum() for g, d in zip(gradients, directions))
    np.testing.assert_allclose(tangents[0].item(), along, rtol=1e-9, atol=1e-9)


def test_gradient_of_products_with_zeros():
    a, v = mx.array([0.0, 2.0, 0.0]), mx.array([0.0, 3.0, 5.0, 7.0, 0.0])
    key = mx.array([0, 0, 1, 2, 2])
    to_a, to_v = mx.grad(lambda a, v: a.at[key].multiply(v).sum(), argnums=(0, 1))(a, v)
    assert to_a.tolist() == [0, 5, 0]
    assert to_v.tolist() == [0, 0, 2, 0, 0]
    to_a, to_v = mx.grad(lambda a, v: a.at[key].multiply(v).sum(), argnums=(0, 1))(
        mx.array([4.0, 2.0, 0.0]), v
    )
    assert to_v.tolist() == [12, 0, 2, 0, 0]


def test_gradient_shared_by_equal_maxima():
    to_a, to_v = mx.grad(lambda a, v: a.at[mx.array([0, 0, 1])].maximum(v).sum(), argnums=(0, 1))(
        mx.array([1.0, 5.0]), mx.array([1.0, 1.0, 4.0])
    )
    np.testing.assert_allclose(np.array(to_a), [1 / 3, 1])
    np.testing.assert_allclose(np.array(to_v), [1 / 3, 1 / 3, 0])


@FEWER
@given(updates())
def test_second_derivative(update):
    """Of the squares of what was written and read again."""
    shape, key, named, values_shape = update
    assume(named is not None and named.size > 0)
    v = mx.array(numbers(values_shape), mx.float64)
    a = mx.zeros(shape, dtype=mx.float64)
    loss = lambda v: (a.at[ours(key)].add(v)[ours(key)] ** 2).sum()
    second = mx.grad(lambda v: mx.grad(loss)(v).sum())(v)
    # loss = |P v|^2 for the linear P that adds and reads; its second derivative is 2 P^T P 1.
    ones = np.zeros(int(np.prod(shape)))
    np.add.at(ones, named.reshape(-1), 1)
    back = np.zeros(int(np.prod(shape)))
    np.add.at(back, named.reshape(-1), ones[named].reshape(-1))
    check(second, summed(2 * back[named], values_shape))


# ---- vmap and compile ----


@FEWER
@given(updates(arrays=True), st.sampled_from(["read", "write", *UPDATES]))
def test_vmap_over_arrays(update, name):
    shape, key, named, values_shape = update
    assume(named is not None)
    a, v = numbers((3, *shape)), numbers((3, *values_shape), start=3)
    way = ours(key)
    if name == "read":
        function = lambda a, v: a[way]
    elif name == "write":
        function = assigned(way)
    else:
        function = lambda a, v: getattr(a.at[way], name)(v)
    xs, vs = mx.array(a, mx.float64), mx.array(v, mx.float64)
    expected = np.stack([np.array(function(x, y)) for x, y in zip(xs, vs)])
    check(mx.vmap(function)(xs, vs), expected)
    check(
        mx.vmap(function, in_axes=(None, 0))(xs[0], vs), np.stack([np.array(function(xs[0], y)) for y in vs])
    )
    check(
        mx.vmap(function, in_axes=(0, None))(xs, vs[0]), np.stack([np.array(function(x, vs[0])) for x in xs])
    )


def integer_arrays(key):
    entries = key if isinstance(key, tuple) else (key,)
    return [entry for entry in entries if isinstance(entry, np.ndarray) and entry.dtype != bool]


def with_arrays(key, arrays):
    """The key with its integer arrays replaced."""
    iterator = iter(arrays)
    replace = lambda entry: (
        next(iterator) if isinstance(entry, np.ndarray) and entry.dtype != bool else ours(entry)
    )
    return tuple(replace(entry) for entry in key) if isinstance(key, tuple) else replace(key)


@FEWER
@given(updates(), st.sampled_from(["read", "write", "add", "multiply"]), st.booleans(), st.integers(0, 2**31))
def test_vmap_over_indices(update, name, batched_array, seed):
    shape, key, named, values_shape = update
    assume(named is not None and integer_arrays(key))
    rng = np.random.default_rng(seed)
    batches = [
        np.stack([rng.permutation(e.reshape(-1)).reshape(e.shape) for _ in range(3)])
        for e in integer_arrays(key)
    ]
    a, v = numbers((3, *shape)), numbers((3, *values_shape), start=3)

    def function(a, v, *arrays):
        way = with_arrays(key, arrays)
        if name == "read":
            return a[way]
        return assigned(way)(a, v) if name == "write" else getattr(a.at[way], name)(v)

    xs, vs, ks = mx.array(a, mx.float64), mx.array(v, mx.float64), [mx.array(b) for b in batches]
    rows = range(3)
    expected = [function(xs[i if batched_array else 0], vs[i], *(k[i] for k in ks)) for i in rows]
    in_axes = (0 if batched_array else None, 0, *([0] * len(ks)))
    result = mx.vmap(function, in_axes=in_axes)(xs if batched_array else xs[0], vs, *ks)
    check(result, np.stack([np.array(e) for e in expected]))


@settings(max_examples=60)
@given(updates())
def test_compiled(update):
    shape, key, named, values_shape = update
    assume(named is not None)
    a, v = mx.array(numbers(shape), mx.float64), mx.array(numbers(values_shape, start=3), mx.float64)

    def function(a, v):
        b = a * 2
        b[ours(key)] = v
        c = b.at[ours(key)].add(v * 2)
        return c + a, c[ours(key)]

    for result, expected in zip(mx.compile(function)(a, v), function(a, v)):
        check(result, np.array(expected))


def test_reading_by_a_mask_in_a_trace():
    mask = mx.array([True, False, True])
    assert mx.grad(lambda x: (x[x > 1] ** 2).sum())(mx.array([1.0, 2, 3])).tolist() == [0, 4, 6]
    with pytest.raises(IndexError, match="mask"):
        mx.compile(lambda m: mx.array([1, 2, 3])[m])(mask)


def test_writing_by_a_mask_without_values():
    """In a compiled or vectorised function the mask is not known; the values are then not counted."""

    def write(mask, values):
        x = mx.zeros((2, 3))
        x[mask] = values
        return x

    masks = np.array(
        [[[True, False, True], [False, True, True]], [[False, True, False], [True, False, False]]]
    )
    values = numbers((2, 4), np.float32)
    for mask, row in zip(masks, values):
        expected = np.zeros((2, 3), np.float32)
        expected[mask] = row[: mask.sum()]
        check(mx.compile(write)(mx.array(mask), mx.array(row)), expected)
    expected = [np.array(mx.compile(write)(mx.array(m), mx.array(v))) for m, v in zip(masks, values)]
    check(mx.vmap(write)(mx.array(masks), mx.array(values)), np.stack(expected))
