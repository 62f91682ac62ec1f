"""Dtypes, categories, limits, promotion; devices, streams, print of these; compared with mlx where it is installed."""

import copy
import itertools
import pickle
import threading

import pytest

import melix.core as mx

try:
    import mlx.core as peer
except ImportError:
    peer = None

NAMES = [
    "bool_", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64",
    "float16", "bfloat16", "float32", "float64", "complex64",
]  # fmt: skip
CATEGORIES = [
    "complexfloating", "floating", "inexact", "signedinteger", "unsignedinteger", "integer", "number", "generic",
]  # fmt: skip
needs_peer = pytest.mark.skipif(peer is None, reason="mlx is not installed")


def both(name):
    return getattr(mx, name), getattr(peer, name)


def short(dtype):
    return repr(dtype).rsplit(".", 1)[-1]


@pytest.mark.parametrize("name", NAMES)
def test_dtypes_are_single_objects(name):
    dtype = getattr(mx, name)
    assert repr(dtype) == "melix.core." + name.rstrip("_")
    assert mx.zeros((1,), dtype).dtype is dtype
    assert pickle.loads(pickle.dumps(dtype)) is dtype and copy.deepcopy(dtype) is dtype
    assert dtype == dtype and len({getattr(mx, n) for n in NAMES}) == len(NAMES)
    assert dtype != name and hash(dtype) == hash(dtype)
    with pytest.raises(TypeError):
        type(dtype)()


@needs_peer
def test_promotion_is_mlx_s():
    for a, b in itertools.product(NAMES, NAMES):
        (x, p), (y, q) = both(a), both(b)
        assert short(mx.result_type(x, y)) == short(peer.result_type(p, q)), (a, b)
        assert mx.can_cast(x, y) == peer.can_cast(p, q), (a, b)
        assert x.size == p.size


@needs_peer
def test_categories_are_mlx_s():
    for a, b in itertools.product(NAMES + CATEGORIES, NAMES + CATEGORIES):
        (x, p), (y, q) = both(a), both(b)
        assert mx.issubdtype(x, y) == peer.issubdtype(p, q), (a, b)
    kinds = [
        "bool",
        "signed integer",
        "unsigned integer",
        "integral",
        "real floating",
        "complex floating",
        "numeric",
    ]
    for a, kind in itertools.product(NAMES, [*kinds, tuple(kinds[:2])]):
        x, p = both(a)
        assert mx.isdtype(x, kind) == peer.isdtype(p, kind), (a, kind)


def test_categories_and_kinds_refuse_other_objects():
    for wrong in [("x", mx.floating), (mx.float32, "x"), (int, mx.float32), (mx.float32, float)]:
        with pytest.raises(ValueError):
            mx.issubdtype(*wrong)
    with pytest.raises(ValueError):
        mx.isdtype(mx.float32, "x")
    with pytest.raises(ValueError):
        mx.isdtype(mx.float32, 1)
    assert mx.isdtype(mx.float32, mx.float32) and mx.isdtype(mx.float32, ("bool", mx.float32))
    with pytest.raises(ValueError):
        mx.result_type()
    with pytest.raises(ValueError):
        mx.result_type(1.0)
    assert mx.result_type(mx.array([1]), mx.float16) == mx.float16
    assert mx.DtypeCategory.floating is mx.floating


@needs_peer
def test_limits_are_mlx_s():
    for name in ("float16", "bfloat16", "float32", "float64", "complex64"):
        x, p = (lib.finfo(getattr(lib, name)) for lib in (mx, peer))
        for field in ("bits", "min", "max", "eps", "smallest_normal"):
            assert getattr(x, field) == getattr(p, field), (name, field)
        assert repr(x) == repr(p) and short(x.dtype) == short(p.dtype)
    for name in NAMES[1:9]:
        x, p = (lib.iinfo(getattr(lib, name)) for lib in (mx, peer))
        assert (x.min, x.max, repr(x)) == (p.min, p.max, repr(p))
    for wrong in (lambda: mx.finfo(mx.int32), lambda: mx.iinfo(mx.float32), lambda: mx.iinfo(mx.bool_)):
        with pytest.raises(ValueError):
            wrong()


def test_knows_the_array_api():
    info = mx.array([1]).__array_namespace__().__array_namespace_info__()
    assert info.default_device() == mx.default_device() and mx.Device(mx.cpu) in info.devices()
    assert info.dtypes(kind="bool") == {"bool": mx.bool_} and len(info.dtypes()) == 12
    assert set(info.dtypes(kind=("real floating", "complex floating"))) == {"float32", "float64", "complex64"}
    assert info.default_dtypes()["real floating"] == mx.float32
    assert mx.zeros((1,) * info.capabilities()["max dimensions"]).ndim == 64


def test_devices_and_streams():
    assert repr(mx.Device(mx.cpu)) == "Device(cpu, 0)" and mx.Device(mx.cpu) == mx.cpu == mx.Device(mx.cpu)
    assert mx.Device(mx.cpu) != mx.gpu and mx.Device(mx.cpu) != 1 and mx.default_device().type == mx.cpu
    assert mx.device_count(mx.cpu) == 1 and mx.is_available(mx.cpu)
    assert {"architecture", "device_name"} <= mx.device_info().keys()
    s = mx.new_stream(mx.cpu)
    assert s.device == mx.cpu and s != mx.default_stream(mx.cpu) and hash(s) == hash(s)
    assert repr(s) == f"Stream(Device(cpu, 0), {s.index})"
    for stream in (None, mx.cpu, mx.Device(mx.cpu), s, mx.new_thread_local_stream(mx.cpu)):
        assert (mx.add(1, mx.array([1.0]), stream=stream)).item() == 2
        mx.synchronize(stream)
    with mx.stream(s):
        assert mx.default_stream(mx.cpu) == s
        with mx.stream(mx.cpu):
            pass
        assert mx.default_stream(mx.cpu) == s
    assert mx.default_stream(mx.cpu) != s
    for wrong in ("cpu", 1, mx.float32):
        with pytest.raises(TypeError):
            mx.exp(mx.array(1.0), stream=wrong)
        with pytest.raises(TypeError):
            mx.stream(wrong)


@pytest.mark.skipif(mx.is_available(mx.gpu), reason="there is a GPU")
def test_a_device_that_is_not_there_is_an_error():
    for use in (
        lambda: mx.set_default_device(mx.gpu),
        lambda: mx.exp(mx.array(1.0), stream=mx.gpu),
        lambda: mx.new_stream(mx.gpu),
    ):
        with pytest.raises(ValueError):
            use()
    assert mx.default_device() == mx.cpu


def test_thread_local_streams_differ_by_thread():
    local = mx.new_thread_local_stream(mx.cpu)
    assert repr(local).startswith("ThreadLocalStream(Device(cpu, 0), ") and local == local and local != 1
    results = []
    thread = threading.Thread(target=lambda: results.append(mx.add(1, mx.array([1]), stream=local).item()))
    thread.start()
    thread.join()
    assert results == [2]


def test_limits_of_memory():
    before = mx.set_memory_limit(1 << 40)
    assert mx.set_memory_limit(before) == 1 << 40 and mx.get_memory_limit() == before
    cache = mx.set_cache_limit(1000)
    assert mx.set_cache_limit(cache) == 1000
    assert mx.set_wired_limit(mx.set_wired_limit(5)) == 5
    mx.clear_cache()
    assert mx.get_cache_memory() == 0
    mx.reset_peak_memory()
    mx.eval(mx.zeros((1000,)) + 1)
    assert mx.get_peak_memory() > 0
    limit = mx.set_memory_limit(mx.get_active_memory() + (1 << 20))
    try:
        with pytest.raises(MemoryError):
            mx.eval(mx.zeros((1 << 22,)) + 1)
    finally:
        mx.set_memory_limit(limit)
    mx.eval(mx.zeros((1 << 22,)) + 1)
