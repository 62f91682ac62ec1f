"""The names of the Python array API standard (2024.12), and what is left out of it and why."""

import numpy as np
import pytest

import melix.core as mx

FUNCTIONS = """
__array_namespace_info__ e inf nan newaxis pi arange asarray empty empty_like eye from_dlpack full full_like linspace
meshgrid ones ones_like tril triu zeros zeros_like astype can_cast finfo iinfo isdtype result_type bool int8 int16 int32
int64 uint8 uint16 uint32 uint64 float32 float64 complex64 complex128 abs acos acosh add asin asinh atan atan2 atanh
bitwise_and bitwise_left_shift bitwise_invert bitwise_or bitwise_right_shift bitwise_xor ceil clip conj copysign cos
cosh divide equal exp expm1 floor floor_divide greater greater_equal hypot imag isfinite isinf isnan less less_equal log
log1p log2 log10 logaddexp logical_and logical_not logical_or logical_xor maximum minimum multiply negative nextafter
not_equal positive pow real reciprocal remainder round sign signbit sin sinh square sqrt subtract tan tanh trunc take
take_along_axis matmul matrix_transpose tensordot vecdot broadcast_arrays broadcast_to concat expand_dims flip moveaxis
permute_dims repeat reshape roll squeeze stack tile unstack argmax argmin count_nonzero nonzero searchsorted where
unique_all unique_counts unique_inverse unique_values argsort sort cumulative_prod cumulative_sum max mean min prod std
sum var all any diff fft.fft fft.ifft fft.fftn fft.ifftn fft.rfft fft.irfft fft.rfftn fft.irfftn fft.hfft fft.ihfft
fft.fftfreq fft.rfftfreq fft.fftshift fft.ifftshift linalg.cholesky linalg.cross linalg.det linalg.diagonal linalg.eig
linalg.eigh linalg.eigvals linalg.eigvalsh linalg.inv linalg.matmul linalg.matrix_norm linalg.matrix_power
linalg.matrix_rank linalg.matrix_transpose linalg.outer linalg.pinv linalg.qr linalg.slogdet linalg.solve linalg.svd
linalg.svdvals linalg.tensordot linalg.trace linalg.vecdot linalg.vector_norm
"""

METHODS = """
__abs__ __add__ __and__ __array_namespace__ __bool__ __complex__ __dlpack__ __dlpack_device__ __eq__ __float__
__floordiv__ __ge__ __getitem__ __gt__ __index__ __int__ __invert__ __le__ __lshift__ __lt__ __matmul__ __mod__ __mul__
__ne__ __neg__ __or__ __pos__ __pow__ __rshift__ __setitem__ __sub__ __truediv__ __xor__ __iadd__ __radd__ __imatmul__
__rmatmul__ __rpow__ __iand__ dtype mT ndim shape size T device to_device
"""

# Data-dependent shapes are a capability that a library may lack, and says so in __array_namespace_info__.
DEPENDENT = {"nonzero", "unique_all", "unique_counts", "unique_inverse", "unique_values"}
ABSENT = {
    **dict.fromkeys(DEPENDENT, "the shape of the result would depend on values; mx.unique takes the size"),
    "complex128": "there is no such dtype",
    "device": "an array has no device: operations have",
    "to_device": "an array has no device: operations have",
}


def find(path: str):
    found = mx
    for part in path.split("."):
        found = getattr(found, part)
    return found


@pytest.mark.parametrize("name", FUNCTIONS.split())
def test_a_name_of_the_standard_is_there(name):
    if name in ABSENT:
        with pytest.raises(AttributeError, match=name):
            find(name)
    else:
        find(name)


@pytest.mark.parametrize("name", METHODS.split())
def test_a_method_of_the_standard_is_there(name):
    assert hasattr(mx.array, name) == (name not in ABSENT)


def test_the_namespace_is_the_module():
    assert mx.array(1).__array_namespace__() is mx
    assert mx.array(1).__array_namespace__(api_version="2024.12") is mx
    capabilities = mx.__array_namespace_info__().capabilities()
    assert not capabilities["data-dependent shapes"]


def test_bool_is_a_dtype_that_a_star_leaves_alone():
    assert mx.bool is mx.bool_ and mx.zeros(2, dtype=mx.bool).dtype == mx.bool_
    names: dict = {}
    exec("from melix.core import *\nis_builtin = bool(1) is True", names)
    assert names["is_builtin"]
    assert not hasattr(mx, "no_such_name")
    with pytest.raises(ImportError):
        exec("from melix.core import no_such_name")


def test_a_program_of_the_standard_runs_on_arrays_of_any_library():
    def normalised(x):
        xp = x.__array_namespace__()
        y = xp.where(xp.isnan(x), xp.zeros_like(x), x)
        y = (y - xp.mean(y, axis=0, keepdims=True)) / xp.std(y, axis=0, keepdims=True)
        return xp.concat([xp.permute_dims(y, (1, 0)), xp.expand_dims(xp.max(y, axis=0), axis=1)], axis=1)

    values = np.array([[1.0, np.nan], [2.0, 3.0], [5.0, 4.0]], np.float32)
    wanted = normalised(values) if hasattr(values, "__array_namespace__") else None
    given = np.array(normalised(mx.array(values)))
    assert given.shape == (2, 4)
    if wanted is not None:
        np.testing.assert_allclose(given, wanted, rtol=1e-5)
