"""Devices, streams, memory, and groups of processes, as a program sees them."""

import subprocess
import sys
import threading

import numpy as np
import pytest

import melix.core as mx

MB = 1 << 20


@pytest.fixture
def memory():
    """Empty caches; limits are put back."""
    mx.synchronize()
    mx.clear_cache()
    limit, cache = mx.get_memory_limit(), mx.set_cache_limit(1 << 40)
    mx.set_cache_limit(cache)
    yield
    mx.set_memory_limit(limit)
    mx.set_cache_limit(cache)


def test_memory_is_counted_exactly(memory):
    before = mx.get_active_memory()
    mx.reset_peak_memory()
    a = mx.array(np.zeros(4 * MB, np.float32))
    mx.eval(a)
    assert before + 16 * MB <= mx.get_active_memory() <= before + 18 * MB
    assert mx.get_peak_memory() >= before + 16 * MB
    cached = mx.get_cache_memory()
    del a
    assert mx.get_active_memory() == before
    assert mx.get_cache_memory() >= cached + 16 * MB
    mx.clear_cache()
    assert mx.get_cache_memory() == 0
    mx.reset_peak_memory()
    assert mx.get_peak_memory() <= before


def test_limits_return_the_one_before_and_hold(memory):
    old = mx.set_memory_limit(mx.get_active_memory() + 8 * MB)
    assert old > mx.get_memory_limit()
    with pytest.raises(MemoryError):
        mx.eval(mx.zeros((4 * MB,)) + mx.arange(4 * MB))
    mx.set_memory_limit(old)
    mx.eval(mx.zeros((4 * MB,)) + mx.arange(4 * MB))
    mx.set_cache_limit(MB)
    assert mx.set_cache_limit(0) == MB and mx.get_cache_memory() == 0
    wired = mx.set_wired_limit(123)
    assert mx.set_wired_limit(wired) == 123
    for limit in (mx.set_memory_limit, mx.set_cache_limit, mx.set_wired_limit):
        with pytest.raises(TypeError):
            limit(-1)


def test_shared_memory_counts_once():
    a = mx.arange(1000)
    b = a[::2]
    mx.eval(a, b)
    size = mx.get_array_buffer_size(a)
    assert size >= 4000
    assert mx.get_array_buffer_size(a, [b, {"a": a}], 3) == size
    with pytest.raises(ValueError, match="evaluated"):
        mx.get_array_buffer_size(a + 1)


def test_device_info_knows_this_machine_and_nothing_of_others():
    info = mx.device_info()
    assert info == mx.device_info(mx.cpu) == mx.device_info(mx.Device(mx.cpu)) == mx.metal.device_info()
    assert info["memory_size"] > MB and info["cores"] >= 1
    assert info["instruction_set"] == mx.debug.instruction_set()
    assert mx.device_info(mx.Device(mx.cpu, 1)) == {}
    with pytest.raises(TypeError):
        mx.device_info("cpu")
    with pytest.raises(TypeError):
        mx.device_count(mx.Device(mx.cpu))
    assert mx.device_count(mx.cpu) == 1 and not mx.is_available(mx.Device(mx.cpu, 1))
    assert mx.cuda.is_available() == mx.is_available(mx.gpu) == (mx.device_count(mx.gpu) > 0)


@pytest.mark.skipif(mx.is_available(mx.gpu), reason="there is a GPU")
def test_a_device_that_is_not_there_is_an_error():
    for wrong in (
        lambda: mx.new_stream(mx.gpu),
        lambda: mx.set_default_device(mx.gpu),
        lambda: mx.default_stream(mx.gpu),
        lambda: mx.add(mx.array(1), 1, stream=mx.gpu),
    ):
        with pytest.raises(ValueError, match="not available"):
            wrong()


def test_streams_of_all_kinds_compute():
    x = mx.random.normal((100, 100))
    wanted = mx.tanh(x)
    for stream in (
        mx.new_stream(mx.cpu),
        mx.new_thread_unsafe_stream(mx.cpu),
        mx.new_thread_local_stream(mx.cpu),
    ):
        y = mx.tanh(x, stream=stream)
        mx.async_eval(y)
        mx.synchronize(stream)
        assert mx.array_equal(y, wanted)
        with mx.stream(stream):
            assert mx.array_equal(mx.tanh(x), wanted)
    mx.async_eval(mx.tanh(x, stream=mx.new_stream(mx.cpu)))
    mx.clear_streams()
    with pytest.raises(TypeError):
        mx.stream(None)
    with pytest.raises(TypeError):
        mx.StreamContext("cpu")


def test_a_thread_local_stream_is_another_one_on_each_thread():
    local = mx.new_thread_local_stream(mx.cpu)
    assert isinstance(local, mx.ThreadLocalStream) and local.device == mx.cpu
    assert local != mx.new_thread_local_stream(mx.cpu) and hash(local) is not None
    found = []

    def look():
        with mx.stream(local):
            found.append(mx.default_stream(mx.cpu))
        with mx.stream(local):
            found.append(mx.default_stream(mx.cpu))

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
        thread.join()
    assert len(set(found)) == 3
    assert found[::2] == found[1::2]


def test_contexts_nest_and_end_with_exceptions():
    before, a, b = mx.default_stream(mx.cpu), mx.new_stream(mx.cpu), mx.new_stream(mx.cpu)
    with pytest.raises(ZeroDivisionError), mx.stream(a):
        with mx.stream(b):
            assert mx.default_stream(mx.cpu) == b
        assert mx.default_stream(mx.cpu) == a
        raise ZeroDivisionError
    assert mx.default_stream(mx.cpu) == before
    mx.set_default_stream(a)
    try:
        assert mx.default_stream(mx.Device(mx.cpu)) == a
    finally:
        mx.set_default_stream(before)


def test_metal_has_its_old_names_and_no_metal():
    assert mx.metal.is_available() is False
    for name in (
        "get_active_memory",
        "get_peak_memory",
        "get_cache_memory",
        "clear_cache",
        "reset_peak_memory",
    ):
        assert getattr(mx.metal, name) is getattr(mx, name)
    limit = mx.metal.set_cache_limit(MB)
    assert mx.metal.set_cache_limit(limit) == MB
    for capture in (lambda: mx.metal.start_capture("trace.gputrace"), mx.metal.stop_capture):
        with pytest.raises(RuntimeError, match="need Metal"):
            capture()


# ---- groups of processes ----

COMBINE = ("all_sum", "all_max", "all_min", "all_gather", "sum_scatter")


def test_a_process_alone_is_a_group_of_one():
    group = mx.distributed.init()
    assert isinstance(group, mx.distributed.Group) and (group.rank(), group.size()) == (0, 1)
    assert not mx.distributed.is_available() and not mx.distributed.is_available("no such")
    with pytest.raises(RuntimeError, match="cannot be split"):
        group.split(0, key=1)
    with pytest.raises(RuntimeError, match="not available"):
        mx.distributed.init(strict=True)
    with pytest.raises(ValueError, match="not tcp"):
        mx.distributed.init(backend="tcp")
    with pytest.raises(TypeError):
        mx.distributed.Group()


@pytest.mark.parametrize("name", COMBINE)
@pytest.mark.parametrize("dtype", [mx.bool_, mx.int8, mx.bfloat16, mx.complex64])
def test_what_a_group_of_one_combines_is_the_array(name, dtype):
    combine, x = getattr(mx.distributed, name), mx.array([[0, 1], [1, 2]]).astype(dtype)
    for y in (combine(x), combine(x, group=mx.distributed.init(), stream=mx.cpu)):
        assert y.dtype == dtype and mx.array_equal(y, x)
    assert combine(3.0).item() == 3
    with pytest.raises(TypeError):
        combine(x, mx.distributed.init())
    with pytest.raises(TypeError):
        combine(x, group=1)


@pytest.mark.parametrize("name", COMBINE)
def test_transforms_pass_through(name, tmp_path):
    combine, x = getattr(mx.distributed, name), mx.array([[1.0, 2.0], [3.0, 4.0]])
    assert mx.array_equal(mx.grad(lambda a: (combine(a) ** 2).sum())(x), 2 * x)
    assert mx.array_equal(mx.jvp(combine, [x], [x])[1][0], x)
    assert mx.array_equal(mx.vmap(combine)(x), x)
    assert mx.array_equal(mx.compile(combine)(x), x)
    mx.export_function(tmp_path / "f", combine, x)
    assert mx.array_equal(mx.import_function(tmp_path / "f")(x)[0], x)


def test_there_is_nobody_to_send_to():
    x, group = mx.array([1.0]), mx.distributed.init()
    for wrong in (
        lambda: mx.distributed.send(x, 0),
        lambda: mx.distributed.send(x, 1, group=group),
        lambda: mx.distributed.recv((2,), mx.float32, 0),
        lambda: mx.distributed.recv_like(x, 3, group=group, stream=mx.cpu),
    ):
        with pytest.raises(ValueError, match="group of one"):
            wrong()


def test_the_modules_can_be_imported_by_name():
    code = "import melix.core, melix.core.metal, melix.core.cuda, melix.core.distributed as d; print(d.init().size())"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "1\n"
