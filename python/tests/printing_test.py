"""Arrays as text: repr, str, format, print options."""

import numpy as np
import pytest

import melix.core as mx

try:
    import mlx.core as peer
except ImportError:
    peer = None

VALUES = [
    [1, 2, 3], [1.0, 2.5, -0.0], [True, False], [1 + 2j, 1 - 2.5j], 1.5, 7, [], [[1, 2], [3, 4]],
    [[[1.5]], [[2.5]]], [float("nan"), float("inf"), -float("inf")], [1e-10, 1e10, 123456789.0, 1 / 3],
    [1e-5, 123456.0, 1234567.0, 0.0001, 0.00001234], complex(float("nan"), float("inf")), [0.1, 100.0],
]  # fmt: skip
SHAPES = [
    (7,),
    (6,),
    (20, 3),
    (3, 20),
    (8, 9),
    (2, 3, 4),
    (2, 7, 8),
    (0,),
    (0, 3),
    (3, 0),
    (2, 0, 3),
    (1, 2, 0),
]


def test_shows_values_and_dtype():
    assert repr(mx.array([1, 2, 3])) == "array([1, 2, 3], dtype=int32)"
    assert str(mx.array([[1.0, 2.5], [3, 4]])) == "array([[1, 2.5],\n       [3, 4]], dtype=float32)"
    assert repr(mx.array(True)) == "array(True, dtype=bool)"
    assert repr(mx.array([0.1], mx.bfloat16)) == "array([0.100098], dtype=bfloat16)"
    assert repr(mx.arange(2000)) == "array([0, 1, 2, ..., 1997, 1998, 1999], dtype=int32)"
    assert repr(mx.array([1 - 2.5j])) == "array([1-2.5j], dtype=complex64)"
    assert (
        repr(mx.arange(6).reshape(2, 3).T) == "array([[0, 3],\n       [1, 4],\n       [2, 5]], dtype=int32)"
    )


@pytest.mark.skipif(peer is None, reason="mlx is not installed")
@pytest.mark.parametrize("precision", [-1, 0, 3, 8])
def test_prints_as_mlx_does(precision):
    with mx.printoptions(precision=precision):
        peer.set_printoptions(precision=precision)
        try:
            for value in VALUES:
                assert repr(mx.array(value)) == repr(peer.array(value))
            for shape in SHAPES:
                n = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
                assert repr(mx.array(n)) == repr(peer.array(n))
        finally:
            peer.set_printoptions()


def test_options_hold_within_a_context():
    assert mx.get_printoptions().precision == -1
    with mx.printoptions(precision=3) as context:
        assert context is not None and mx.get_printoptions().precision == 3
        assert str(mx.array(1 / 3)) == "array(0.333, dtype=float32)"
        with mx.printoptions(5):
            assert str(mx.array(1 / 3)) == "array(0.33333, dtype=float32)"
        assert mx.get_printoptions().precision == 3
    mx.set_printoptions(precision=2)
    assert len(str(mx.array(-1e308, mx.float64))) > 308
    mx.set_printoptions()
    assert mx.get_printoptions().precision == -1 and mx.PrintOptions(4).precision == 4


def test_formats_scalars_as_numbers():
    assert f"{mx.array(1.5):.3f}" == "1.500" and f"{mx.array(3):>5}" == "    3" and f"{mx.array(1)}" == "1"
    assert f"{mx.array([1])}" == "array([1], dtype=int32)"
    with pytest.raises(TypeError):
        f"{mx.array([1.0]):.2f}"
