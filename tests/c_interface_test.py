"""The C interface (capi/) from a program that knows nothing of C++: Python's ctypes."""

import ctypes as c
import gc
import os
import re
from pathlib import Path

import numpy as np
import pytest

import melix.core as mx

ROOT = Path(__file__).resolve().parent.parent
BUILD = Path(os.environ.get("MELIX_BUILD_DIR", ROOT / "build/release"))
HEADERS = "".join((ROOT / "capi" / name).read_text() for name in ("melix_c.h", "melix_c_ops.h"))
OK, VALUE_ERROR, TYPE_ERROR, INDEX_ERROR, MEMORY_ERROR, IO_ERROR, RUNTIME_ERROR = range(7)
FLOAT32 = 11


class Stream(c.Structure):
    _fields_ = [("index", c.c_int32), ("device_type", c.c_int32), ("device_index", c.c_int32)]


class Arrays(c.Structure):
    _fields_ = [("data", c.POINTER(c.c_void_p)), ("size", c.c_size_t)]


class Number(c.Structure):
    _fields_ = [("is_integer", c.c_bool), ("integer", c.c_int64), ("real", c.c_double)]


class IndexEntry(c.Structure):
    _fields_ = [
        ("kind", c.c_int),
        ("start", c.c_int64),
        ("stop", c.c_int64),
        ("step", c.c_int64),
        ("array", c.c_void_p),
    ]


Callback = c.CFUNCTYPE(c.c_int, c.c_void_p, c.POINTER(c.c_void_p), c.c_size_t, c.POINTER(Arrays))
DEFAULT = Stream(-1, -1, 0)
MISSING = -(2**63)

# Types by value that the declarations use; everything else is an address.
PLAIN = {
    "melix_status": c.c_int,
    "melix_dtype": c.c_int,
    "melix_device_type": c.c_int,
    "melix_update": c.c_int,
    "int": c.c_int,
    "int32_t": c.c_int32,
    "int64_t": c.c_int64,
    "uint64_t": c.c_uint64,
    "uint32_t": c.c_uint32,
    "size_t": c.c_size_t,
    "double": c.c_double,
    "float": c.c_float,
    "bool": c.c_bool,
    "melix_stream": Stream,
    "melix_number": Number,
    "void": None,
}
DECLARATION = re.compile(r"^MELIX_C_API ([\w \*]+?)\b(melix_\w+)\((.*?)\);", re.MULTILINE | re.DOTALL)


def ctype(text: str):
    """Of a parameter, or of a result."""
    words = text.replace("const", " ").split()
    return c.c_void_p if "*" in text or "[" in text else PLAIN.get(words[0], c.c_void_p)


def top_level(parameters: str) -> list[str]:
    """The parameters; a pointer to a function has commas of its own."""
    out, depth = [""], 0
    for char in parameters:
        depth += (char == "(") - (char == ")")
        if char == "," and depth == 0:
            out.append("")
        else:
            out[-1] += char
    return out


@pytest.fixture(scope="module")
def lib():
    library = c.CDLL(str(BUILD / "python/melix/lib/libmelix_c.so"))
    for result, name, parameters in DECLARATION.findall(HEADERS):
        function = getattr(library, name)  # a function that is declared and not there ends the tests here
        function.restype = c.c_char_p if "char" in result else ctype(result)
        function.argtypes = (
            [] if parameters == "void" else [ctype(p) for p in top_level(" ".join(parameters.split()))]
        )
    return library


def make(lib, values) -> c.c_void_p:
    values, out = np.asarray(values, np.float32, order="C"), c.c_void_p()
    shape = (c.c_int64 * values.ndim)(*values.shape)
    assert lib.melix_array_new(c.byref(out), values.ctypes.data, shape, values.ndim, FLOAT32) == OK
    return out


def read(lib, array) -> np.ndarray:
    shape = c.cast(lib.melix_array_shape(array), c.POINTER(c.c_int64))
    out = np.empty([shape[i] for i in range(lib.melix_array_ndim(array))], np.float32)
    assert lib.melix_array_read(array, out.ctypes.data, out.nbytes) == OK, lib.melix_error_text()
    return out


def result(lib, function, *arguments) -> np.ndarray:
    """Calls, reads the one result, frees it."""
    out = c.c_void_p()
    assert function(c.byref(out), *arguments) == OK, lib.melix_error_text()
    values = read(lib, out)
    lib.melix_array_free(out)
    return values


def test_every_declared_function_is_there_and_every_operation_is_declared(lib):
    assert lib.melix_version().decode() == mx.__version__
    assert lib.melix_c_abi() == int(re.search(r"MELIX_C_ABI (\d+)", HEADERS)[1])
    declared = {name for _, name, _ in DECLARATION.findall(HEADERS)}
    reference = (ROOT / "docs/operations.md").read_text()
    operations = {
        name.replace(".", "_") for name in re.findall(r"^### mx\.([\w.]+)$", reference, re.MULTILINE)
    }
    missing = {name for name in operations if f"melix_{name}" not in declared}
    # No operations on arrays, but for source of CUDA, which takes values of any kind.
    assert missing == {"broadcast_shapes", "einsum_path", "fast_precompiled_cuda_kernel"}


def test_numbers_of_the_enumerations_are_those_of_the_library(lib):
    for name, number in re.findall(
        r"MELIX_(\w+) = (\d+),", HEADERS.split("melix_dtype;")[0].split("enum {")[-1]
    ):
        assert lib.melix_dtype_name(int(number)).decode().rstrip("_") == name.lower()
    assert lib.melix_dtype_size(FLOAT32) == 4
    assert lib.melix_dtype_size(99) == 0
    assert lib.melix_dtype_name(-1) is None


def test_operations_take_lists_numbers_by_address_and_nothing(lib, rng):
    values = rng.normal(size=(3, 4)).astype(np.float32)
    a = make(lib, values)
    axes = (c.c_int * 1)(1)
    np.testing.assert_allclose(
        result(lib, lib.melix_sum, a, axes, 1, False, DEFAULT), values.sum(1), rtol=1e-5, atol=1e-6
    )
    np.testing.assert_allclose(
        result(lib, lib.melix_sum, a, None, 0, False, DEFAULT), values.sum(), rtol=1e-5
    )
    axis = c.c_int(0)
    np.testing.assert_array_equal(
        result(lib, lib.melix_repeat, a, 2, c.byref(axis), DEFAULT), values.repeat(2, axis=0)
    )
    pads = (c.c_int64 * 4)(1, 0, 0, 2)
    zero = make(lib, 0)
    np.testing.assert_array_equal(
        result(lib, lib.melix_pad, a, pads, 2, b"constant", zero, DEFAULT), np.pad(values, [(1, 0), (0, 2)])
    )
    parts = Arrays()
    assert lib.melix_split(c.byref(parts), a, 2, 1, DEFAULT) == OK
    np.testing.assert_array_equal(read(lib, parts.data[1]), values[:, 2:])
    lib.melix_arrays_free(c.byref(parts))
    assert parts.size == 0
    for handle in (a, zero):
        lib.melix_array_free(handle)


def test_errors_are_codes_with_a_text_of_the_thread(lib):
    a, out = make(lib, np.zeros((2, 4))), c.c_void_p(1)
    axes = (c.c_int * 1)(3)
    assert lib.melix_softmax(c.byref(out), a, axes, 1, False, DEFAULT) == INDEX_ERROR
    assert out.value is None
    assert b"[softmax] axis 3" in lib.melix_error_text()
    assert lib.melix_error_op() == b"softmax"
    assert lib.melix_exp(c.byref(out), None, DEFAULT) == VALUE_ERROR
    assert lib.melix_sum(c.byref(out), a, None, 0, False, Stream(-1, 7, 0)) == VALUE_ERROR
    assert lib.melix_sum(c.byref(out), a, None, 0, False, Stream(-1, 1, 99)) != OK  # no such device
    shape = (c.c_int64 * 2)(2**40, 2**40)
    assert lib.melix_array_new(c.byref(out), None, shape, 2, FLOAT32) == VALUE_ERROR
    assert lib.melix_array_new(c.byref(out), None, shape, 1, FLOAT32) in (VALUE_ERROR, MEMORY_ERROR)
    assert lib.melix_array_new(c.byref(out), None, None, 2, FLOAT32) == VALUE_ERROR
    assert lib.melix_array_new(c.byref(out), None, None, 0, 77) == VALUE_ERROR
    assert lib.melix_array_read(a, None, 3) == VALUE_ERROR
    lib.melix_array_free(a)
    lib.melix_array_free(None)


def test_memory_is_given_back_once(lib):
    ended = []
    release = c.CFUNCTYPE(None, c.c_void_p)(lambda owner: ended.append(owner))
    values, out = np.arange(6, dtype=np.float32), c.c_void_p()
    shape = (c.c_int64 * 1)(6)
    arguments = values.ctypes.data, shape, 1, FLOAT32, c.cast(release, c.c_void_p), 17
    assert lib.melix_array_wrap(c.byref(out), *arguments) == OK
    np.testing.assert_array_equal(result(lib, lib.melix_square, out, DEFAULT), values**2)
    second = c.c_void_p()
    assert lib.melix_array_share(c.byref(second), out) == OK
    lib.melix_array_free(out)
    assert ended == []
    lib.melix_array_free(second)
    assert ended == [17]
    shape[0] = -1
    assert lib.melix_array_wrap(c.byref(out), *arguments) == VALUE_ERROR
    assert ended == [17]

    gc.collect()
    before = lib.melix_active_memory()
    for _ in range(1000):
        a = make(lib, values)
        result(lib, lib.melix_exp, a, DEFAULT)
        lib.melix_array_free(a)
    assert lib.melix_active_memory() == before


def test_indexing(lib):
    values = np.arange(24, dtype=np.float32).reshape(4, 6)
    a, rows = make(lib, values), make(lib, [3, 0])
    indices = c.c_void_p()
    assert lib.melix_astype(c.byref(indices), rows, 7, DEFAULT) == OK
    entries = (IndexEntry * 3)(
        IndexEntry(4, 0, 0, 0, indices), IndexEntry(2, 0, 0, 0, None), IndexEntry(1, 1, MISSING, 2, None)
    )
    np.testing.assert_array_equal(
        result(lib, lib.melix_index, a, entries, 3, DEFAULT), values[[3, 0], None, 1::2]
    )
    one = make(lib, 1)
    updated = values.copy()
    updated[2] += 1
    only = (IndexEntry * 1)(IndexEntry(0, 2, 0, 0, None))
    np.testing.assert_array_equal(result(lib, lib.melix_index_update, a, only, 1, one, 1, DEFAULT), updated)
    out = c.c_void_p()
    only[0].start = 9
    assert lib.melix_index(c.byref(out), a, only, 1, DEFAULT) == INDEX_ERROR
    only[0].kind = 50
    assert lib.melix_index(c.byref(out), a, only, 1, DEFAULT) == VALUE_ERROR
    for handle in (a, rows, indices, one):
        lib.melix_array_free(handle)


@pytest.fixture
def cubes(lib):
    """x -> sum(x ** 3), how often it was called, and how often it was released."""
    calls, ends = [], []

    def body(context, inputs, size, outputs):
        calls.append(size)
        square, cube, total = c.c_void_p(), c.c_void_p(), c.c_void_p()
        status = (
            lib.melix_square(c.byref(square), inputs[0], DEFAULT)
            or lib.melix_multiply(c.byref(cube), square, inputs[0], DEFAULT)
            or lib.melix_sum(c.byref(total), cube, None, 0, False, DEFAULT)
            or lib.melix_arrays_append(outputs, total)
        )
        for handle in (square, cube, total):
            lib.melix_array_free(handle)
        return status

    callback = Callback(body)
    release = c.CFUNCTYPE(None, c.c_void_p)(lambda context: ends.append(context))
    function = c.c_void_p()
    pointers = c.cast(callback, c.c_void_p), 5, c.cast(release, c.c_void_p)
    assert lib.melix_function_new(c.byref(function), *pointers) == OK
    yield function, calls
    lib.melix_function_free(function)
    assert ends == [5]


def test_transforms_of_a_callback(lib, cubes):
    function, calls = cubes
    values = np.array([1, 2, 3], np.float32)
    x = make(lib, values)
    inputs = (c.c_void_p * 1)(x)
    zero = (c.c_int * 1)(0)
    value, gradients = Arrays(), Arrays()
    out = c.byref(value), c.byref(gradients)
    assert lib.melix_value_and_grad(*out, function, inputs, 1, zero, 1) == OK
    assert read(lib, value.data[0]) == 36
    np.testing.assert_array_equal(read(lib, gradients.data[0]), 3 * values**2)
    for arrays in (value, gradients):
        lib.melix_arrays_free(c.byref(arrays))

    ones = make(lib, np.ones(3))
    assert lib.melix_jvp(*out, function, inputs, 1, (c.c_void_p * 1)(ones), 1) == OK
    assert read(lib, gradients.data[0]) == (3 * values**2).sum()
    for arrays in (value, gradients):
        lib.melix_arrays_free(c.byref(arrays))

    one = make(lib, 1)
    assert lib.melix_vjp(*out, function, inputs, 1, (c.c_void_p * 1)(one), 1) == OK
    np.testing.assert_array_equal(read(lib, gradients.data[0]), 3 * values**2)
    for arrays in (value, gradients):
        lib.melix_arrays_free(c.byref(arrays))

    batched, compiled = c.c_void_p(), c.c_void_p()
    assert lib.melix_vmap(c.byref(batched), function, zero, 1, zero, 1) == OK
    np.testing.assert_array_equal(call(lib, batched, x), values**3)
    assert lib.melix_compile(c.byref(compiled), function) == OK
    called = len(calls)
    assert [float(call(lib, compiled, x)) for _ in range(3)] == [36, 36, 36]
    assert len(calls) == called + 1
    for handle in (batched, compiled):
        lib.melix_function_free(handle)
    for handle in (x, ones, one):
        lib.melix_array_free(handle)


def call(lib, function, x) -> np.ndarray:
    out = Arrays()
    assert lib.melix_function_call(c.byref(out), function, (c.c_void_p * 1)(x), 1) == OK
    values = read(lib, out.data[0])
    lib.melix_arrays_free(c.byref(out))
    return values


def test_the_failure_of_a_callback_reaches_the_caller(lib):
    def body(context, inputs, size, outputs):
        lib.melix_set_error(IO_ERROR, b"mine", b"the disk is gone")
        return IO_ERROR

    callback, function, out = Callback(body), c.c_void_p(), Arrays()
    assert lib.melix_function_new(c.byref(function), c.cast(callback, c.c_void_p), None, None) == OK
    x = make(lib, 1)
    assert lib.melix_function_call(c.byref(out), function, (c.c_void_p * 1)(x), 1) == IO_ERROR
    assert lib.melix_error_text() == b"[mine] the disk is gone"
    lib.melix_function_free(function)
    lib.melix_array_free(x)


def test_streams_and_memory(lib):
    assert lib.melix_device_count(0) == 1
    stream = Stream()
    assert lib.melix_new_stream(c.byref(stream), 0, 0) == OK
    a = make(lib, [1, 2])
    out = c.c_void_p()
    assert lib.melix_exp(c.byref(out), a, stream) == OK
    assert lib.melix_async_eval((c.c_void_p * 1)(out), 1) == OK
    assert lib.melix_synchronize(stream) == OK
    np.testing.assert_allclose(read(lib, out), np.exp([1, 2]), rtol=1e-6)
    assert lib.melix_peak_memory() >= lib.melix_active_memory() > 0
    for handle in (a, out):
        lib.melix_array_free(handle)
