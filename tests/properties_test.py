"""Properties that hypothesis explores: shapes broadcast and change as NumPy's do, for any shape, layout and type."""

import faulthandler

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.runner import dtypes, mx

TYPES = st.sampled_from(["float32", "int32", "bool", "uint8", "float64", "complex64", "float16"])
SHAPES = hnp.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=6)


@pytest.fixture(autouse=True)
def _hang_is_a_failure():
    faulthandler.dump_traceback_later(180, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


def counted(shape, dtype: str = "int32"):
    """NumPy and module array of the numbers 0, 1, 2, ... in that shape."""
    values = dtypes.round_to(np.arange(int(np.prod(shape))).reshape(shape) % 101, dtype)
    return values, dtypes.to_module(values, dtype)


@st.composite
def windows(draw, dtype: str = "int32"):
    """The same array in both: transposed, cut and reversed, so that its strides are what they are."""
    values, array = counted(draw(SHAPES), dtype)
    if values.ndim and draw(st.booleans()):
        axes = draw(st.permutations(range(values.ndim)))
        values, array = values.transpose(axes), mx.transpose(array, axes)
    if values.ndim and draw(st.booleans()):
        cuts = tuple(draw(st.slices(n)) for n in values.shape)
        cuts = tuple(slice(None, None, -1) if draw(st.booleans()) else cut for cut in cuts)
        values, array = values[cuts], array[cuts]
    return values, array


def check(array, expected) -> None:
    assert tuple(array.shape) == expected.shape
    assert np.array_equal(dtypes.to_numpy(array), expected)


def result_or_error(function, *errors):
    try:
        return function(), None
    except errors as error:
        return None, error


@given(hnp.mutually_broadcastable_shapes(num_shapes=3, max_dims=5, max_side=6), TYPES)
def test_shapes_that_broadcast_do_as_in_numpy(shapes, dtype):
    pairs = [counted(shape, dtype) for shape in shapes.input_shapes]
    wanted = np.broadcast_arrays(*(values for values, _ in pairs))
    assert tuple(mx.broadcast_shapes(*shapes.input_shapes)) == shapes.result_shape
    for array, expected in zip(mx.broadcast_arrays(*(array for _, array in pairs)), wanted):
        check(array, expected)
    (a, x), (b, y), _ = pairs
    check(mx.maximum(x, y), np.maximum(a, b))
    check(mx.where(x == y, x, y), np.where(a == b, a, b))


@given(SHAPES, SHAPES)
def test_shapes_broadcast_exactly_when_numpy_broadcasts_them(first, second):
    wanted, refused = result_or_error(lambda: np.broadcast_shapes(first, second), ValueError)
    (_, x), (_, y) = counted(first), counted(second)
    if refused:
        with pytest.raises(ValueError):
            mx.broadcast_shapes(first, second)
        with pytest.raises(ValueError):
            mx.add(x, y)
    else:
        assert tuple(mx.broadcast_shapes(first, second)) == wanted
        assert tuple(mx.add(x, y).shape) == wanted


@given(windows(), SHAPES)
def test_broadcast_to_is_numpy_s(pair, shape):
    values, array = pair
    wanted, refused = result_or_error(lambda: np.broadcast_to(values, shape), ValueError)
    if refused:
        with pytest.raises(ValueError):
            mx.broadcast_to(array, shape)
    else:
        check(mx.broadcast_to(array, shape), wanted)


@given(windows(), st.data())
def test_reshape_of_any_window_is_numpy_s(pair, data):
    values, array = pair
    shape = data.draw(reshaped(values.size))
    wanted, refused = result_or_error(lambda: values.reshape(shape), ValueError)
    if refused:
        with pytest.raises(ValueError):
            mx.reshape(array, shape)
    else:
        check(mx.reshape(array, shape), wanted)


@st.composite
def reshaped(draw, size: int) -> tuple:
    """Mostly a shape of so many elements, sometimes with a -1 or a mistake in it."""
    left, shape = size, []
    while left > 1 and draw(st.booleans()):
        divisor = draw(st.sampled_from([n for n in range(1, left + 1) if left % n == 0]))
        shape.append(divisor)
        left //= divisor
    shape = draw(st.permutations([*shape, left]))
    if draw(st.integers(0, 3)) == 0:
        place = draw(st.integers(0, len(shape) - 1))
        shape = [*shape[:place], draw(st.sampled_from([-1, -1, -1, 0, 2])), *shape[place + 1 :]]
    return tuple(shape)


@given(windows(), st.data())
def test_axes_move_as_in_numpy(pair, data):
    values, array = pair
    if values.ndim == 0:
        return
    axis = st.integers(-values.ndim - 1, values.ndim)
    a, b = data.draw(axis), data.draw(axis)
    for ours, numpy_s in (
        (lambda: mx.swapaxes(array, a, b), lambda: np.swapaxes(values, a, b)),
        (lambda: mx.moveaxis(array, a, b), lambda: np.moveaxis(values, a, b)),
    ):
        wanted, refused = result_or_error(numpy_s, np.exceptions.AxisError)
        if refused:
            with pytest.raises((IndexError, ValueError)):
                ours()
        else:
            check(ours(), wanted)


@given(windows(), st.data())
def test_axes_of_length_one_come_and_go_as_in_numpy(pair, data):
    values, array = pair
    axes = data.draw(st.lists(st.integers(-values.ndim - 3, values.ndim + 2), min_size=1, max_size=3))
    wanted, refused = result_or_error(lambda: np.expand_dims(values, tuple(axes)), ValueError)
    if refused:
        with pytest.raises((IndexError, ValueError)):
            mx.expand_dims(array, axes)
        return
    wide = mx.expand_dims(array, axes)
    check(wide, wanted)
    check(mx.squeeze(wide, axes), values)
    check(mx.squeeze(wide), wanted.squeeze())


@given(windows(), st.data())
def test_sums_along_any_axes_are_numpy_s(pair, data):
    values, array = pair
    axes = data.draw(
        st.none() | st.lists(st.integers(0, max(values.ndim - 1, 0)), unique=True, max_size=values.ndim)
    )
    keepdims = data.draw(st.booleans())
    wanted = values.sum(axis=None if axes is None else tuple(axes), keepdims=keepdims)
    check(mx.sum(array, axis=axes, keepdims=keepdims), np.asarray(wanted))


@settings(max_examples=40)
@given(windows(dtype="float32"), TYPES)
def test_a_window_has_its_values_after_contiguous_astype_and_back(pair, dtype):
    values, array = pair
    check(mx.contiguous(array), values)
    check(array.astype(dtypes.of_module(dtype)), dtypes.round_to(values, dtype))
