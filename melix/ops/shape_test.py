"""Records of the operations that look at the same elements another way (melix/ops/shape.h)."""

import numpy as np
import pytest

from tests.runner import EXACT, FLOATS, Record, bad, call, dtypes, mx, operation_tests

SAME = {"tolerance": EXACT}


def shapes(*arguments):
    """Samples of of(shape) with further arguments: each entry is (shape, arguments...)."""
    return lambda of: [call(of(shape), *others) for shape, *others in arguments]


def flatten(x, start_axis=0, end_axis=-1):
    if x.ndim == 0:
        return x.reshape(1)
    first, last = start_axis % x.ndim, end_axis % x.ndim
    return x.reshape(
        *x.shape[:first], -1 if x.size else int(np.prod(x.shape[first : last + 1])), *x.shape[last + 1 :]
    )


def unflatten(x, axis, shape):
    axis %= x.ndim
    return x.reshape(*x.shape[:axis], *np.empty(x.shape[axis]).reshape(shape).shape, *x.shape[axis + 1 :])


def windows(x, shape=None, strides=None, offset=0):
    """The same window on the elements in row-major order, gathered one by one."""
    shape = x.shape if shape is None else shape
    strides = [int(np.prod(shape[i + 1 :])) for i in range(len(shape))] if strides is None else strides
    index = offset + sum((i * step for i, step in zip(np.indices(shape), strides)), np.zeros(shape, int))
    return x.ravel()[index]


def stored(x, dtype: str):
    """The bytes of the values as the type stores them."""
    if dtype == "bfloat16":
        return (x.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
    return np.ascontiguousarray(x.astype(dtypes.INFO[dtype].carrier))


def seen(data, dtype: str):
    """Bytes as values of the type."""
    if dtype == "bfloat16":
        return (data.view(np.uint16).astype(np.uint32) << 16).view(np.float32)
    return data.view(dtypes.INFO[dtype].carrier)


def view_record(source: str, to: str) -> Record:
    """Element types of one size see any shape, others need a last axis that fits."""
    fitting = (8,), (3, 16), (0, 8), (2, 3, 8), (130, 8)
    equal = dtypes.INFO[source].bits == dtypes.INFO[to].bits
    return Record(
        "view",
        lambda of: [call(of(shape)) for shape in (*fitting, *(((), (3, 5)) if equal else ()))],
        lambda x: seen(stored(x, source).reshape(x.shape), to),
        function=lambda x: mx.view(x, dtypes.of_module(to)),
        variant=f"{source}-{to}",
        dtypes=(source,),
        skip={"rejects": "one record for each pair of types"},
        result=lambda dtype: to,
        tolerance=EXACT,
        smooth=None,
        nonfinite=False,
    )


def each_shape(of):
    return [call(of(shape)) for shape in of.shapes]


RESHAPES = shapes(
    ((), (1,)), ((), ()), ((), (1, 1, 1)), ((0,), (3, 0)), ((3, 0, 2), (0,)), ((0, 4), (2, 0, 7)), ((12,), (3, 4)),
    ((12,), (-1,)), ((12,), (2, -1, 3)), ((3, 4), (12,)), ((3, 4), (4, 3)), ((3, 4), (2, 6)), ((2, 3, 4), (6, 4)),
    ((2, 3, 4), (2, 12)), ((2, 3, 4), (-1, 2)), ((2, 3, 4), (4, 3, 2)), ((2, 1, 3, 17), (6, 17)), ((129,), (3, 43)),
    ((2, 3, 4), (2, 3, 2, 2)), ((1, 5), (5, 1)), ((6, 4, 5), (3, 2, 2, 2, 5)),
)  # fmt: skip
AXIS = {"error": IndexError}

RECORDS = [
    Record("reshape", RESHAPES, np.reshape, **SAME, bad=(
        bad(lambda of: call(of(2, 4), (3, -1)), "(2, 4)", "(3, -1)"),
        bad(lambda of: call(of(2, 4), (-1, -1)), "-1"),
        bad(lambda of: call(of(2, 4), (7,)), "(2, 4)", "8", "(7,)"),
        bad(lambda of: call(of(2, 4), (-2, -4)), "(-2, -4)"),
        bad(lambda of: call(of(0), (0, -1)), "(0, -1)"),
        bad(lambda of: call(of(2, 4), (2**40, 2**40)), "reshape"),
    )),
    Record("transpose", lambda of: [
        *each_shape(of), call(of(2, 3, 4), (0, 2, 1)), call(of(2, 3, 4), axes=(-1, 0, 1)),
        call(of(2, 3, 4, 5), (3, 1, 0, 2)), call(of(3, 7, 5), [0, 1, 2]), call(of(33, 65), (1, 0)),
    ], lambda x, axes=None: np.transpose(x, axes), **SAME, bad=(
        bad(lambda of: call(of(2, 4), (0, 3)), "axis 3", "(2, 4)", **AXIS),
        bad(lambda of: call(of(2, 4), (0, 0)), "axis 0"),
        bad(lambda of: call(of(2, 4), (0,)), "1 axes", "2 dimensions"),
    )),
    Record("broadcast_to", shapes(
        ((), (3,)), ((), ()), ((), (2, 0)), ((1,), (5,)), ((3,), (2, 3)), ((3, 1), (3, 4)), ((2, 1, 3), (4, 2, 5, 3)),
        ((1, 1), (65, 33)), ((0,), (3, 0)), ((1, 3), (0, 3)), ((129,), (2, 129)),
    ), np.broadcast_to, **SAME, bad=(
        bad(lambda of: call(of(2, 4), (3, 4)), "(2, 4)", "(3, 4)"),
        bad(lambda of: call(of(2, 4), (4,)), "(2, 4)", "(4,)"),
        bad(lambda of: call(of(1), (-1,)), "-1"),
    )),
    Record("broadcast_arrays", lambda of: [
        call(of(3, 1), of(1, 4)), call(of(()), of(2, 3)), call(of(5), of(1), of(2, 1)), call(of(0), of(1)), call(of(7)),
    ], lambda *x: list(np.broadcast_arrays(*x)), result=lambda dtype: [dtype] * 3, **SAME, bad=(
        bad(lambda of: call(of(2, 4), of(3)), "(2, 4)", "(3,)"),
    )),
    Record("flatten", lambda of: [
        *each_shape(of), call(of(2, 3, 4), 1), call(of(2, 3, 4), 0, 1), call(of(2, 3, 4), -2, -1),
        call(of(2, 3, 4), 1, 1), call(of(2, 3, 4, 5), start_axis=1, end_axis=2),
    ], flatten, **SAME, bad=(
        bad(lambda of: call(of(2, 4), 1, 0), "1", "0"),
        bad(lambda of: call(of(2, 4), 5), "axis 5", "(2, 4)", **AXIS),
    )),
    Record("unflatten", shapes(
        ((12,), 0, (3, 4)), ((12, 5), 0, (-1, 2)), ((2, 12), -1, (2, 3, 2)), ((2, 0), 1, (0, 3)), ((4,), 0, (4,)),
    ), unflatten, **SAME, bad=(
        bad(lambda of: call(of(2, 4), 1, (3, -1)), "3, -1"),
        bad(lambda of: call(of(2, 4), 5, (2, 2)), "axis 5", "(2, 4)", **AXIS),
        bad(lambda of: call(of(2, 4), 1, ()), "empty"),
    )),
    Record("squeeze", lambda of: [
        *each_shape(of), call(of(1, 3, 1), 0), call(of(1, 3, 1), axis=-1), call(of(1, 3, 1), (0, 2)),
        call(of(1, 0, 1), 2),
    ], lambda x, axis=None: np.squeeze(x, axis), **SAME, bad=(
        bad(lambda of: call(of(2, 4), 0), "axis 0", "(2, 4)"),
        bad(lambda of: call(of(2, 1), 2), "axis 2", "(2, 1)", **AXIS),
    )),
    Record("expand_dims", shapes(
        ((), 0), ((3,), 0), ((3,), -1), ((3, 4), 1), ((3, 4), (0, 3)), ((3, 4), (-1, 0)), ((0, 2), 1),
        ((2, 3), [1, 2, 4]),
    ), lambda x, axis: np.expand_dims(x, tuple(axis) if isinstance(axis, list) else axis), **SAME, bad=(
        bad(lambda of: call(of(2, 4), 5), "axis 5", **AXIS),
        bad(lambda of: call(of(2, 4), (0, 0)), "axis 0"),
    )),
    Record("moveaxis", shapes(
        ((2, 3, 4), 0, 2), ((2, 3, 4), -1, 0), ((2, 3, 4), 1, 1), ((5,), 0, 0), ((2, 0, 3), 2, 0),
        ((2, 3, 4, 5), 1, -1),
    ), np.moveaxis, **SAME, bad=(
        bad(lambda of: call(of(2, 4), 0, 5), "axis 5", "(2, 4)", **AXIS),
        bad(lambda of: call(of(2, 4), -3, 0), "axis -3", "(2, 4)", **AXIS),
    )),
    Record("swapaxes", shapes(
        ((2, 3, 4), 0, 2), ((2, 3, 4), -1, 0), ((2, 3, 4), 1, 1), ((5,), 0, 0), ((2, 0, 3), 2, 0), ((33, 65), 0, 1),
    ), np.swapaxes, **SAME, bad=(bad(lambda of: call(of(2, 4), 0, 5), "axis 5", "(2, 4)", **AXIS),)),
    *(Record(f"atleast_{n}d", each_shape, function, **SAME)
      for n, function in ((1, np.atleast_1d), (2, np.atleast_2d), (3, np.atleast_3d))),
    Record("as_strided", lambda of: [
        call(of(12), (3, 4), (4, 1), 0), call(of(3, 4), (4, 3), (1, 4), 0), call(of(12), (5, 3), (2, 1), 1),
        call(of(12), (3, 4), (0, 1), 2), call(of(12), (4,), (-3,), 11), call(of(4, 5), (2, 2, 2), (10, 5, 1), 3),
        call(of(2, 3), (), (), 4), call(of(7), (0, 3), (1, 1), 0), call(of(2, 6), (3, 4)),
        call(of(130), (65, 2), (2, 1)),
    ], windows, **SAME, bad=(
        bad(lambda of: call(of(12), (4,), (4,), 0), "12 elements"),
        bad(lambda of: call(of(12), (2,), (-1,), 0), "12 elements"),
        bad(lambda of: call(of(12), (2,), (2**62,), 0), "12 elements"),
        bad(lambda of: call(of(12), (2,), (1,), 2**62), "12 elements"),
        bad(lambda of: call(of(12), (2,), (1, 1), 0), "(2,)", "(1, 1)"),
    )),
    *(view_record(source, to) for source, to in (
        ("float32", "uint32"), ("int8", "int32"), ("int64", "uint8"), ("float16", "uint16"), ("bool", "uint8"),
        ("uint16", "bfloat16"), ("bfloat16", "int16"), ("float64", "int32"), ("complex64", "float32"),
        ("uint64", "complex64"),
    )),
    Record("view", lambda of: [], None, variant="errors", dtypes=("float32",), only=("errors",), bad=(
        bad(lambda of: call(of(()), mx.int8), "scalar"),
        bad(lambda of: call(of(2, 3, dtype="int8"), mx.float32), "(2, 3)", "int8", "float32"),
    )),
    Record("contiguous", each_shape, lambda x: x, **SAME),
    Record("stop_gradient", each_shape, lambda x: x, smooth=None, **SAME),
]  # fmt: skip
test_operations = operation_tests(RECORDS, __file__)


@pytest.mark.parametrize("dtype", FLOATS)
def test_no_gradient_flows_through_stop_gradient(dtype):
    x = mx.array([1.5, -2.0], dtype=dtypes.of_module(dtype))
    gradient = mx.grad(lambda x: (mx.stop_gradient(x) * x).sum())(x)
    assert dtypes.to_numpy(gradient).tolist() == [1.5, -2.0]


def test_shapes_broadcast_without_arrays():
    assert tuple(mx.broadcast_shapes((3, 1), (1, 4), (2, 1, 1))) == (2, 3, 4)
    assert tuple(mx.broadcast_shapes((0,), (1,))) == (0,)
    with pytest.raises(ValueError, match=r"\(2,\).*\(3,\)"):
        mx.broadcast_shapes((2,), (3,))
