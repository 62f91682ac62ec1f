"""Operators of arrays: results and dtypes beside Python numbers, NumPy values and other objects; in-place operators."""

import operator

import numpy as np
import pytest

import melix.core as mx

try:
    import mlx.core as peer
except ImportError:
    peer = None

DTYPES = [
    "bool_", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64",
    "float16", "bfloat16", "float32", "float64", "complex64",
]  # fmt: skip
ARITHMETIC = ["add", "sub", "mul", "truediv", "floordiv", "mod", "pow"]
COMPARISON = ["eq", "ne", "lt", "le", "gt", "ge"]
BITS = ["and_", "or_", "xor", "lshift", "rshift"]
SCALARS = [True, 2, -1, 300, 2**40, 1.5, 1j]


def name_of(dtype) -> str:
    return repr(dtype).rsplit(".", 1)[-1]


@pytest.mark.parametrize("op", ARITHMETIC + COMPARISON)
def test_agrees_with_numpy(op):
    f = getattr(operator, op)
    a, b = [1.5, -2.5, 3.0, 7.25], [2.0, 2.0, -1.0, 0.5]
    if op == "pow":
        a = [abs(x) for x in a]
    want = f(np.array(a), np.array(b))
    for x, y in [
        (mx.array(a), mx.array(b)),
        (mx.array(a), np.array(b)),
        (mx.array(a).astype(mx.float64), mx.array(b)),
    ]:
        got = f(x, y)
        assert type(got) is mx.array
        np.testing.assert_allclose(np.array(got), want, rtol=1e-6)
    np.testing.assert_allclose(np.array(f(mx.array(a), 2.0)), f(np.array(a), 2.0), rtol=1e-6)
    np.testing.assert_allclose(np.array(f(2.0, mx.array(b))), f(2.0, np.array(b)), rtol=1e-6)
    i, j = np.array([7, -7, 5]), np.array([2, 2, 3])
    np.testing.assert_allclose(np.array(f(mx.array(i), mx.array(j))), f(i.astype(np.float64), j), rtol=1e-6)


@pytest.mark.parametrize("op", BITS)
def test_has_bit_operators(op):
    f = getattr(operator, op)
    a, b = np.array([5, 6, 12], np.int32), np.array([1, 2, 3], np.int32)
    for x, y in [(mx.array(a), mx.array(b)), (mx.array(a), 3), (3, mx.array(b))]:
        want = f(a if isinstance(x, mx.array) else x, b if isinstance(y, mx.array) else y)
        assert np.array(f(x, y)).tolist() == want.tolist()
    assert (~mx.array([True, False])).tolist() == [False, True]
    assert (~mx.array([1])).tolist() == [-2]


def test_has_unary_operators_and_divmod():
    a = mx.array([-1.5, 2])
    assert (-a).tolist() == [1.5, -2] and (+a).tolist() == [-1.5, 2] and abs(a).tolist() == [1.5, 2]
    quotient, rest = divmod(mx.array([7, -7]), 2)
    assert quotient.tolist() == [3, -4] and rest.tolist() == [1, 1]
    assert [x.tolist() for x in divmod(7, mx.array([2, 4]))] == [[3, 1], [1, 3]]
    assert a.__div__(2).tolist() == [-0.75, 1] and mx.array([2.0]).__rdiv__(1).tolist() == [0.5]
    assert (mx.array([[1.0, 2]]) @ mx.array([[3.0], [4]])).tolist() == [[11]]
    with pytest.raises(TypeError):
        pow(mx.array(2), 3, 5)


@pytest.mark.skipif(peer is None, reason="mlx is not installed")
@pytest.mark.parametrize("op", ["add", "truediv", "floordiv", "pow", "lt"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_promotes_as_mlx_does(op, dtype):
    f = getattr(operator, op)
    x, y = mx.array([1], getattr(mx, dtype)), peer.array([1], getattr(peer, dtype))
    for other in DTYPES:
        if op == "floordiv" and "complex64" in (dtype, other):
            continue  # complex numbers cannot be rounded down; mlx lets it pass
        outcome(f, (x, mx.array([1], getattr(mx, other))), (y, peer.array([1], getattr(peer, other))))
    for scalar in SCALARS:
        if (op, scalar) == ("floordiv", 1j) or (op == "floordiv" and dtype == "complex64"):
            continue
        if (dtype, scalar) in (("bool_", 2**40), ("uint64", -1)):
            continue  # mlx lets the number wrap
        outcome(f, (x, scalar), (y, scalar))
        outcome(f, (scalar, x), (scalar, y))


def outcome(f, ours, theirs):
    """Both give a result of one dtype, or both an error."""
    results = []
    for arguments in (ours, theirs):
        try:
            results.append(name_of(f(*arguments).dtype))
        except (ValueError, TypeError):
            results.append("error")
    assert results[0] == results[1], (f, ours[0], ours[1])


def test_numbers_take_the_dtype_of_arrays():
    i8, f16, flag = mx.array([1], mx.int8), mx.array([1.0], mx.float16), mx.array([True])
    assert (i8 + 1).dtype == mx.int8 and (i8 + 1.5).dtype == mx.float32 and (i8 + True).dtype == mx.int8
    assert (
        (f16 + 1).dtype == mx.float16 and (f16 + 1.5).dtype == mx.float16 and (f16 + 1j).dtype == mx.complex64
    )
    assert (
        (flag + 1).dtype == mx.int32 and (flag + True).dtype == mx.bool_ and (flag + 2**40).dtype == mx.int64
    )
    assert (mx.array([1], mx.uint64) + 2**63).tolist() == [2**63 + 1]
    for wrong in (300, -129, 2**70):
        with pytest.raises(ValueError):
            i8 + wrong
    with pytest.raises(ValueError):
        mx.array([1], mx.uint8) + -1


def test_numpy_values_are_numbers_of_their_kind():
    i32, f16 = mx.array([1, 2]), mx.array([1.0], mx.float16)
    assert (i32 + np.float64(1.5)).dtype == mx.float32
    assert (i32 + np.float32(1.5)).tolist() == [2.5, 3.5]
    assert (i32 + np.int64(1)).dtype == mx.int32 and (i32 + np.bool_(True)).tolist() == [2, 3]
    assert (f16 + np.float32(1.5)).dtype == mx.float16 and (f16 + np.ones(1)).dtype == mx.float16
    assert (i32 + np.array([1, 2])).dtype == mx.int32
    assert (i32 + np.array([1.5, 2])).tolist() == [2.5, 4]
    with pytest.raises(ValueError):
        mx.array([1], mx.int8) + np.int64(1000)


def test_numpy_keeps_its_own_operators():
    assert isinstance(np.array([1.0, 2]) + mx.array([1, 2]), np.ndarray)
    assert (np.array([1.0, 2]) + mx.array([1, 2])).tolist() == [2, 4]


@pytest.mark.parametrize("op", ARITHMETIC + BITS + ["matmul", "lt", "ge"])
@pytest.mark.parametrize("other", ["x", None, [1, 2], object(), {}, int])
def test_refuses_other_objects(op, other):
    if (op, other) == ("mod", "x"):
        return  # formats the text
    f = getattr(operator, op)
    for arguments in ((mx.array([1, 2]), other), (other, mx.array([1, 2]))):
        with pytest.raises((TypeError, ValueError)):
            f(*arguments)


@pytest.mark.parametrize("other", ["x", None, [1, 2], object(), ()])
def test_is_not_equal_to_other_objects(other):
    a = mx.array([1, 2])
    assert (a == other) is False and (a != other) is True
    assert (other == a) is False and (other != a) is True


@pytest.mark.parametrize("op", ["iadd", "isub", "imul", "itruediv", "ifloordiv", "imod", "ipow"])
def test_in_place_operators_change_what_everybody_sees(op):
    f, plain = getattr(operator, op), getattr(operator, op[1:])
    a = mx.array([7.0, 8.0])
    b, before = a, a + 0
    c = f(a, 2)
    assert c is a and b.tolist() == plain(before, 2).tolist()
    with pytest.raises(TypeError):
        f(a, "x")


def test_in_place_operators_may_change_dtype_and_shape():
    a = mx.array([1, 2])
    a += 1.5
    assert a.tolist() == [2.5, 3.5] and a.dtype == mx.float32
    b = mx.array([6, 5])
    b &= 3
    b |= 8
    b ^= 1
    b <<= 1
    b >>= 2
    assert b.tolist() == [5, 4]
    m = mx.array([[1.0, 2], [3, 4]])
    m @= m
    assert m.tolist() == [[7, 10], [15, 22]]


def test_constants_are_not_shared_with_results():
    a = mx.array(1.0)
    np.asarray(a)[...] = 7
    assert mx.array(1.0).item() == 1 and (mx.array([1.0]) + 1.0).item() == 2
    b = mx.stop_gradient(1.0)
    np.asarray(b)[...] = 7
    assert (mx.array([1.0]) + 1.0).item() == 2


def test_chains_do_not_overflow_the_stack():
    a = mx.array([0.0])
    for _ in range(200_000):
        a = a + 1.0
    assert a.item() == 200_000
