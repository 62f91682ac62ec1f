"""a[key], a[key] = v and a.at[key].add(v) against NumPy, for random keys of every kind.

Derivatives, vmap and compile are in indexing_transforms_test.py.
"""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import melix.core as mx
from tests.index_keys import EXAMPLES, FEWER, UPDATES, check, numbers, ours, problems, updates

# ---- random keys ----


@EXAMPLES
@given(problems(), st.integers(0, 2))
def test_reading(problem, way):
    shape, key, named = problem
    a = numbers(shape, np.float32)
    if named is None:
        with pytest.raises(IndexError):
            mx.array(a)[ours(key, way)]
        return
    check(mx.array(a)[ours(key, way)], a[key])


@EXAMPLES
@given(problems())
def test_reading_from_windows(problem):
    """Strides of any sign, and gaps, in what is indexed."""
    shape, key, named = problem
    assume(named is not None and len(shape) > 0)
    base = numbers((*(2 * n + 1 for n in shape[:-1]), shape[-1] + 3), np.int16)
    cut = (*(slice(2 * n, 0, -2) for n in shape[:-1]), slice(1, 1 + shape[-1]))
    check(mx.array(base)[cut][ours(key)], base[cut][key])
    turned = tuple(range(len(shape)))[::-1]
    check(mx.transpose(mx.array(numbers(shape[::-1])), turned)[ours(key)], numbers(shape[::-1]).T[key])


@EXAMPLES
@given(updates(), st.integers(0, 2))
def test_assignment(update, way):
    shape, key, named, values_shape = update
    a, v = numbers(shape, np.float32), numbers(values_shape, np.float32, 2000)
    x = mx.array(a)
    if named is None:
        with pytest.raises(IndexError):
            x[ours(key, way)] = mx.array(v)
        return
    alias, before, part = x, x * 1, x[...]
    x[ours(key, way)] = mx.array(v)
    expected = a.copy()
    expected.reshape(-1)[named.reshape(-1)] = np.broadcast_to(v, named.shape).reshape(-1)
    check(alias, expected)
    check(before, a)
    check(part, a)


@EXAMPLES
@given(updates(), st.sampled_from(sorted(UPDATES)), st.sampled_from(["float64", "int32", "bool", "uint8"]))
def test_updates(update, name, dtype):
    """Every one of several updates of one element counts."""
    shape, key, named, values_shape = update
    assume(named is not None)
    assume(dtype == "float64" or name != "divide")
    assume(dtype != "bool" or name != "subtract")
    a, v = numbers(shape).astype(dtype), numbers(values_shape, start=3).astype(dtype)
    if name == "divide":
        v = 2.0 ** (v % 3)
    x = mx.array(a)
    result = getattr(x.at[ours(key)], name)(mx.array(v))
    expected = a.copy()
    with np.errstate(all="ignore"):
        UPDATES[name].at(expected.reshape(-1), named.reshape(-1), np.broadcast_to(v, named.shape).reshape(-1))
    check(result, expected)
    check(x, a)


@FEWER
@given(updates())
def test_values_of_other_types(update):
    """Values take the type of the array: numbers and lists, fractions in integers."""
    shape, key, named, values_shape = update
    assume(named is not None)
    a = numbers(shape, np.int32)
    values = numbers((1, *values_shape), np.int64)  # leading dimensions of 1 do not count
    x, y, z = mx.array(a), mx.array(a), mx.array(a)
    x[ours(key)] = 7.9
    y[ours(key)] = values + 0.5
    z[ours(key)] = values.tolist() if values.size else values
    for result, v in ((x, np.array(7)), (y, values[0]), (z, values[0])):
        expected = a.copy()
        expected.reshape(-1)[named.reshape(-1)] = np.broadcast_to(v, named.shape).reshape(-1)
        check(result, expected)
        assert result.dtype == mx.int32


# ---- what keys mean, one by one ----

A = np.arange(24, dtype=np.float32).reshape(2, 3, 4)


@pytest.mark.parametrize(
    "key, text",
    [
        (2, "index 2 is out of bounds for axis 0 with size 2"),
        ((0, -4), "index -4 is out of bounds for axis 1 with size 3"),
        ((0, 0, [0, 4]), "index 4 is out of bounds for axis 2 with size 4"),
        ((0, np.array([-4])), "index -4 is out of bounds for axis 1 with size 3"),
        ((0, 0, 0, 0), "too many indices for array: array is 3-dimensional, but 4 were indexed"),
        ((..., ...), "single ellipsis"),
        (1.5, "float"),
        ("a", "str"),
        ((mx.array([0, 1]), mx.array([0, 1, 2])), "shape mismatch"),
        (mx.array([0.5]), "float32"),
        (mx.array([True, False, True]), "boolean index did not match indexed array along axis 0"),
    ],
)
def test_bad_keys(key, text):
    x = mx.array(A)
    for use in (lambda: x[key], lambda: x.__setitem__(key, 0), lambda: x.at[key].add(1)):
        with pytest.raises(IndexError) as error:
            use()
        assert text in str(error.value)


def test_bad_values():
    x = mx.array(A)
    with pytest.raises(ValueError, match="could not broadcast"):
        x[...] = mx.array([1, 2, 3])
    with pytest.raises(ValueError, match="could not broadcast"):
        x[mx.array([0, 1])] = mx.zeros((3, 3, 4))
    with pytest.raises(ValueError, match="slice step cannot be zero"):
        x[::0]
    with pytest.raises(ValueError, match="index first"):
        x.at.add(1)


def test_values_must_be_as_many_as_the_mask_is_true():
    x = mx.array([1, 2, 3])
    with pytest.raises(ValueError, match="could not broadcast"):
        x[mx.array([True, False, True])] = mx.array([1, 2, 3])


def test_index_arrays_out_of_range_read_the_nearest_and_do_not_write():
    x = mx.array([1, 2, 3])
    key = mx.array([-5, -3, 3, 100])
    assert x[key].tolist() == [1, 1, 3, 3]
    y = mx.array([1, 2, 3])
    y[key] = 9
    assert y.tolist() == [9, 2, 3]
    assert x.at[key].add(1).tolist() == [2, 2, 3]
    assert x[mx.array([2**31, -(2**40)], mx.int64)].tolist() == [3, 1]
    assert x[mx.array([2**32 - 1], mx.uint32)].tolist() == [3]
    assert x[mx.array([2**64 - 1], mx.uint64)].tolist() == [3]
    gradient = mx.grad(lambda x: (x[key] * mx.array([1.0, 2, 4, 8])).sum())(mx.array([1.0, 2, 3]))
    assert gradient.tolist() == [3, 0, 12]


def test_numbers_and_slices_are_views():
    """Reading a part copies nothing: the traffic of kernels does not grow."""
    x = mx.array(np.zeros((1000, 1000), np.float32))
    mx.eval(x)
    before = mx.debug.traffic()["kernels"]
    mx.eval(x[5], x[:, 3], x[::-2, 10:20], x[None, 4, ..., None], x[...])
    assert mx.debug.traffic()["kernels"] == before


def test_iteration_and_scalars():
    assert [row.tolist() for row in mx.array([[1, 2], [3, 4]])] == [[1, 2], [3, 4]]
    assert mx.array(5)[()].item() == 5
    assert mx.array(5)[None].tolist() == [5]
    x = mx.array(5)
    x[()] = 6
    assert x.item() == 6
    assert mx.array(A)[np.int64(1), np.int8(2), mx.array(3)].item() == A[1, 2, 3]
    assert mx.array(A)[range(2)].shape == (2, 3, 4)
    assert mx.array(A)[[]].shape == (0, 3, 4)
    with pytest.raises(IndexError):
        mx.array(5)[0]


def test_augmented_assignment():
    x = mx.array([1.0, 2.0, 3.0])
    x[1:] += 5
    x[mx.array([0, 0])] *= 2
    assert x.tolist() == [2, 7, 8]


def test_updates_of_16_bit_floats_round_once():
    """1 + 1000 * 2**-9 is 1 + 1.953 in bfloat16, whose steps at 1 are 2**-7."""
    updates = mx.full((1000,), 2**-9, dtype=mx.bfloat16)
    out = mx.ones((2,), dtype=mx.bfloat16).at[mx.zeros((1000,), dtype=mx.int32)].add(updates)
    assert out.dtype == mx.bfloat16
    np.testing.assert_allclose(np.array(out.astype(mx.float32)), [2.953125, 1])


def test_division_of_integers():
    assert mx.array([7, 8, -9]).at[mx.array([0, 2])].divide(2).tolist() == [3, 8, -4]


def test_an_update_by_the_array_itself():
    """Source and destination in one memory."""
    for make in (lambda a: mx.array(a), lambda a: mx.array(a) * 1):
        x = make(np.arange(6))
        x[::-1] = x
        assert x.tolist() == [5, 4, 3, 2, 1, 0]
        x = make(np.arange(6))
        x[1:] = x[:-1]
        assert x.tolist() == [0, 0, 1, 2, 3, 4]
        x = make(np.arange(6))
        x[mx.array([1, 2, 3, 4, 5, 0])] = x
        assert x.tolist() == [5, 0, 1, 2, 3, 4]
        x = make(np.arange(6, dtype=np.int32))
        x[x] = x[::-1]
        assert x.tolist() == [5, 4, 3, 2, 1, 0]


# ---- large ones: several threads, several pieces ----


@pytest.mark.parametrize("dtype", ["float32", "int8", "float16", "complex64"])
@pytest.mark.parametrize("window", [(), (3,), (40,), (9000,), (70, 1000)])
def test_large(rng, dtype, window):
    rows = 50 if window else 5000
    a = rng.integers(0, 100, (rows, *window)).astype(dtype)
    key = rng.integers(-rows, rows, 100 if np.prod(window) > 1000 else 70000)
    x, k = mx.array(a), mx.array(key)
    check(x[k], a[key])
    v = rng.integers(0, 4, (len(key) if np.prod(window) < 1000 else 1, *window)).astype(dtype)
    expected = a.copy()
    expected[key] = v
    y = x[...]
    y[k] = mx.array(v)
    check(y, expected)
    if dtype != "float16":  # 100 + 70000 / 50 * 2 is beyond its whole numbers
        expected = a.copy()
        np.add.at(expected, key, v)
        check(x.at[k].add(mx.array(v)), expected)
    turned = np.ascontiguousarray(np.moveaxis(a, 0, -1))
    columns = mx.array(turned)
    check(columns[..., k], turned[..., key])
    check(
        columns.at[..., k].maximum(mx.array(np.moveaxis(v, 0, -1))),
        np.moveaxis(np.array(x.at[k].maximum(mx.array(v))), 0, -1),
    )
