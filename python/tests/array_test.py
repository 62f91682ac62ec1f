"""The class array: made of Python values, properties, values out of it, copies, pickles, iteration, errors."""

import copy
import gc
import pickle
import weakref

import numpy as np
import pytest

import melix.core as mx

DTYPES = [
    mx.bool_, mx.uint8, mx.uint16, mx.uint32, mx.uint64, mx.int8, mx.int16, mx.int32, mx.int64,
    mx.float16, mx.bfloat16, mx.float32, mx.float64, mx.complex64,
]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "dtype", "back"),
    [
        (True, mx.bool_, True),
        (3, mx.int32, 3),
        (-(2**31), mx.int32, -(2**31)),
        (2**31, mx.int64, 2**31),
        (2**40, mx.int64, 2**40),
        (2**63, mx.uint64, 2**63),
        (1.5, mx.float32, 1.5),
        (1j, mx.complex64, 1j),
        ([], mx.float32, []),
        ([[], []], mx.float32, [[], []]),
        ([1, 2.5], mx.float32, [1, 2.5]),
        ([True, 2], mx.int32, [1, 2]),
        ([2**40, 1], mx.int64, [2**40, 1]),
        ([2**63, 1], mx.uint64, [2**63, 1]),
        ([1.5, 2**40], mx.float32, [1.5, 2.0**40]),
        ([True, 1j], mx.complex64, [1, 1j]),
        (((1, 2), [3, 4]), mx.int32, [[1, 2], [3, 4]]),
        (np.float64(1.5), mx.float32, 1.5),
        (np.float16(1.5), mx.float16, 1.5),
        (np.int64(3), mx.int64, 3),
        (np.bool_(True), mx.bool_, True),
        (b"abc", mx.uint8, [97, 98, 99]),
        (memoryview(b"abc")[::2], mx.uint8, [97, 99]),
    ],
)
def test_takes_the_dtype_of_python_values(value, dtype, back):
    a = mx.array(value)
    assert a.dtype == dtype
    assert a.tolist() == back


@pytest.mark.parametrize("dtype", DTYPES)
def test_converts_to_a_dtype(dtype):
    a = mx.array([0, 1, 2.0, True], dtype=dtype)
    assert a.dtype == dtype
    assert a.tolist() == ([False, True, True, True] if dtype == mx.bool_ else [0, 1, 2, 1])
    assert mx.array(1, dtype).item() == 1
    assert mx.array(mx.array([1.0]), dtype).dtype == dtype


def test_keeps_the_precision_that_the_dtype_has():
    assert mx.array(0.1, mx.float64).item() == 0.1
    assert mx.array([0.1], mx.float64).tolist() == [0.1]
    assert mx.array(2**63 + 1, mx.uint64).item() == 2**63 + 1
    assert mx.array(1.7, mx.int32).item() == 1
    assert mx.array(float("nan"), mx.int32).item() == 0
    assert mx.array([300, -1], mx.uint8).tolist() == [44, 255]


def test_stacks_arrays_in_lists():
    a, b = mx.array([1, 2]), mx.array([3.5, 4])
    assert mx.array([a, b]).tolist() == [[1, 2], [3.5, 4]]
    assert mx.array([a, [5, 6]]).tolist() == [[1, 2], [5, 6]]
    assert mx.array([[mx.array(1), 2], [3, mx.array(4)]]).tolist() == [[1, 2], [3, 4]]
    assert mx.array([np.ones(2), np.zeros(2)]).tolist() == [[1, 1], [0, 0]]
    assert mx.array([1, np.int64(3)]).tolist() == [1, 3]


def test_gradients_flow_through_lists():
    assert mx.grad(lambda x: mx.array([x, x * x]).sum())(mx.array(3.0)).item() == 7


@pytest.mark.parametrize(
    "value",
    [
        None,
        "a",
        [1, "a"],
        [1, None],
        {1: 2},
        object(),
        [[1], [2, 3]],
        [1, [2]],
        range(3),
        2**70,
        [2**70],
        int,
    ],
)
def test_refuses_what_is_no_array(value):
    with pytest.raises((ValueError, TypeError)):
        mx.array(value)


def test_refuses_wrong_arguments():
    for wrong in [lambda: mx.array(), lambda: mx.array(1, 2), lambda: mx.array(1, dtype="float32"),
                  lambda: mx.array(1, mx.int32, 3), lambda: mx.array.__new__(mx.array)]:  # fmt: skip
        with pytest.raises(TypeError):
            wrong()
    with pytest.raises(AttributeError):
        mx.array(1).nothing = 1


def test_knows_its_properties():
    a = mx.zeros((2, 3, 4), mx.float16)
    assert (a.shape, a.size, a.ndim, a.itemsize, a.nbytes) == ((2, 3, 4), 24, 3, 2, 48)
    assert a.T.shape == (4, 3, 2) and a.mT.shape == (2, 4, 3)
    c = mx.array([1 + 2j])
    assert c.real.tolist() == [1] and c.imag.tolist() == [2]
    assert c.real.dtype == mx.float32
    with pytest.raises(ValueError):
        _ = mx.array([1]).mT
    assert len(a) == 2
    with pytest.raises(TypeError):
        len(mx.array(1))


def test_gives_values():
    assert mx.array([5]).item() == 5 and type(mx.array(5).item()) is int
    assert type(mx.array(True).item()) is bool and type(mx.array(1.5).item()) is float
    assert mx.array(1.1, mx.float16).item() == float(np.float16(1.1))
    assert mx.array([[1.1]], mx.bfloat16).tolist() == [[1.1015625]]
    assert mx.array([1, 2, 3, 4, 5, 6]).reshape(2, 3).T.tolist() == [[1, 4], [2, 5], [3, 6]]
    assert mx.zeros((0, 3)).tolist() == [] and mx.zeros((2, 0)).tolist() == [[], []]
    with pytest.raises(ValueError):
        mx.array([1, 2]).item()


def test_becomes_a_python_number():
    assert int(mx.array(2.7)) == 2 and int(mx.array([3])) == 3
    assert float(mx.array(2)) == 2.0 and complex(mx.array(1j)) == 1j
    assert bool(mx.array([1])) and not mx.array(0.0)
    assert [10, 20, 30][mx.array(1)] == 20 and list(range(mx.array(2))) == [0, 1]
    for wrong in (mx.array([1]), mx.array(1.5)):
        with pytest.raises(TypeError):
            [1, 2][wrong]
    for convert in (bool, int, float, complex):
        with pytest.raises(ValueError):
            convert(mx.array([1, 2]))
        with pytest.raises(ValueError):
            convert(mx.zeros((0,)))
    with pytest.raises(TypeError):
        int(mx.array(1j))


def test_reshapes_and_transposes_with_numbers_or_sequences():
    a = mx.arange(6)
    for shape in [(2, 3), ((2, 3),), ([2, 3],), (2, -1), (mx.array(2), 3), (np.int64(2), 3)]:
        assert a.reshape(*shape).shape == (2, 3)
    assert a.reshape(-1).shape == (6,) and a[:1].reshape(()).shape == () and a[:1].reshape([]).shape == ()
    assert a.reshape(shape=(3, 2)).shape == (3, 2)
    b = a.reshape(1, 2, 3)
    assert b.transpose().shape == (3, 2, 1)
    for axes in [(2, 0, 1), ((2, 0, 1),), ([2, 0, 1],)]:
        assert b.transpose(*axes).shape == (3, 1, 2)
    with pytest.raises(TypeError):
        a.reshape(1.5)
    with pytest.raises(TypeError):
        a.reshape(2, 3, stream="cpu")
    with pytest.raises(TypeError):
        a.reshape(2, 3, shapes=1)


def test_iterates_over_the_first_axis():
    a = mx.array([[1, 2], [3, 4]])
    assert [row.tolist() for row in a] == [[1, 2], [3, 4]]
    assert [int(x) for x in mx.array([1, 2])] == [1, 2]
    _, second = a
    assert second.tolist() == [3, 4]
    assert list(mx.zeros((0, 2))) == []
    with pytest.raises(TypeError):
        iter(mx.array(1))


def test_hashes_by_identity():
    a, b = mx.array([1]), mx.array([1])
    assert hash(a) == hash(a) and hash(a) != hash(b) and a in [a] and {a: 1}[a] == 1


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickles(dtype, protocol):
    for a in (mx.array([[0, 1, 2], [3, 4, 5]], dtype), mx.array(1, dtype), mx.zeros((0, 2), dtype)):
        for value in (a, a.T):
            back = pickle.loads(pickle.dumps(value, protocol))
            assert back.dtype == value.dtype and back.shape == value.shape and back.tolist() == value.tolist()


def test_pickles_without_a_copy():
    a = mx.arange(1000)
    buffers = []
    data = pickle.dumps(a, 5, buffer_callback=buffers.append)
    assert len(data) < 500 and len(buffers) == 1
    assert pickle.loads(data, buffers=buffers).tolist() == a.tolist()


def test_refuses_wrong_pickles():
    a = mx.array([1, 2])
    dtype, shape, data = a.__getstate__()
    for state in [(dtype, (3,), data), (dtype, (-1,), data), (dtype, shape, data + b"x"), (1, shape, data), (), None,
                  (dtype, (2**62, 4), data), (dtype, "ab", data), (dtype, shape, 5)]:  # fmt: skip
        with pytest.raises((ValueError, TypeError)):
            a.__setstate__(state)
    assert a.tolist() == [1, 2]


def test_copies():
    a = mx.array([1, 2])
    for b in (copy.copy(a), copy.deepcopy(a), mx.array(a)):
        assert b is not a and b.tolist() == [1, 2]
    b = copy.copy(a)
    b += 1
    assert a.tolist() == [1, 2] and b.tolist() == [2, 3]
    assert bytes(mx.array([[1, 2], [3, 4]]).T) == np.array([[1, 3], [2, 4]], np.int32).tobytes()
    assert len(bytes(mx.array([1], mx.bfloat16))) == 2


def test_dies_when_nobody_holds_it():
    a = mx.array([1])
    gone = weakref.ref(a)
    del a
    gc.collect()
    assert gone() is None


def test_can_be_derived_from():
    class Named(mx.array):
        def __init__(self, value, dtype=None):
            self.name = "n"

    a = Named([1, 2])
    assert (a + 1).tolist() == [2, 3] and type(a + 1) is mx.array
    assert a.name == "n" and isinstance(a, mx.array) and mx.exp(a).shape == (2,)


def test_looks_at_other_libraries_objects():
    class Like:
        def __mlx_array__(self):
            return mx.array([1, 2])

    assert (mx.array([1, 2]) + Like()).tolist() == [2, 4]
    assert mx.exp(Like()).shape == (2,)
    assert mx.array(mx.ArrayLike(Like())).tolist() == [1, 2]


def test_makes_arrays_of_sequences_and_of_others():
    assert mx.asarray([1, 2]).tolist() == [1, 2]
    a = mx.array([1, 2])
    assert mx.asarray(a, mx.float32).dtype == mx.float32
    with pytest.raises(ValueError):
        mx.asarray([1, 2], copy=False)
    with pytest.raises(ValueError):
        mx.asarray(a, mx.float32, copy=False)
    with pytest.raises(TypeError):
        mx.asarray(a, copy=1)
    assert mx.atleast_1d(1).shape == (1,) and mx.atleast_3d(mx.zeros((2,))).ndim == 3
    assert [x.shape for x in mx.atleast_2d(1, mx.zeros((3,)))] == [(1, 1), (1, 3)]


def test_counts_its_memory():
    a = mx.zeros((1000,)) + 1
    with pytest.raises(ValueError):
        mx.get_array_buffer_size(a)
    mx.eval(a)
    b = a[::2]
    mx.eval(b)
    assert mx.get_array_buffer_size(a, [b], {"x": a}) == 4000
    before = mx.get_active_memory()
    c = mx.ones((1 << 20,)) + 1
    mx.eval(c)
    assert mx.get_active_memory() - before >= 4 << 20
    del c
    assert mx.get_active_memory() - before < 1 << 20


def test_evaluates_trees():
    a = mx.array([1.0]) + 1
    mx.eval(a, [a, {"x": (a + 1, None, 3)}], None, "text")
    mx.eval()
    mx.async_eval(a + 1)
    loop = []
    loop.append(loop)
    with pytest.raises(RecursionError):
        mx.eval(loop)
    mx.synchronize()
