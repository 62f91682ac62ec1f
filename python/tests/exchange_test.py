"""Exchange with NumPy and others: buffer protocol, DLPack, __array__; who keeps whose memory, and for how long."""

import array as python_array
import gc
import io
import sys
import threading
import weakref

import numpy as np
import pytest

import melix.core as mx

PAIRS = [
    (mx.bool_, np.bool_), (mx.uint8, np.uint8), (mx.uint16, np.uint16), (mx.uint32, np.uint32),
    (mx.uint64, np.uint64), (mx.int8, np.int8), (mx.int16, np.int16), (mx.int32, np.int32), (mx.int64, np.int64),
    (mx.float16, np.float16), (mx.float32, np.float32), (mx.complex64, np.complex64),
]  # fmt: skip


@pytest.mark.parametrize(("dtype", "np_dtype"), [*PAIRS, (mx.float64, np.float64)])
def test_goes_to_numpy_and_back(dtype, np_dtype):
    x = np.array([[0, 1, 2], [1, 0, 1]]).astype(np_dtype)
    a = mx.array(x, dtype)
    assert a.dtype == dtype and a.tolist() == x.tolist()
    for back in (np.array(a), np.asarray(a), a.__array__(), np.from_dlpack(a), np.array(memoryview(a))):
        assert back.dtype == np_dtype and back.tolist() == x.tolist()
    assert np.asarray(a.T).tolist() == x.T.tolist()
    assert np.asarray(a[:, ::2]).tolist() == x[:, ::2].tolist()
    assert np.asarray(a[:, ::-1]).tolist() == x[:, ::-1].tolist()
    assert np.from_dlpack(a.T).tolist() == x.T.tolist()


@pytest.mark.parametrize(("dtype", "np_dtype"), PAIRS)
def test_takes_any_layout(dtype, np_dtype):
    x = np.arange(24).reshape(2, 3, 4).astype(np_dtype)
    views = [
        x.T,
        x[::-1],
        x[:, ::2, ::-3],
        x[1],
        x[..., None],
        x[:0],
        np.broadcast_to(x[:, :1], (2, 5, 4)),
        x[1, 2, 3],
    ]
    for view in views:
        for a in (
            mx.array(view),
            mx.asarray(view),
            mx.from_dlpack(view) if view.flags.writeable else mx.array(view),
        ):
            assert a.dtype == dtype and a.shape == view.shape
            assert a.tolist() == view.tolist()


def test_double_precision_becomes_single_unless_asked_for():
    assert mx.array(np.ones(3)).dtype == mx.float32 and mx.array(np.ones(3) * 1j).dtype == mx.complex64
    assert mx.array(np.ones((2, 3)).T * 0.1).tolist() == np.full((3, 2), np.float32(0.1)).tolist()
    assert mx.array(np.full(3, 0.1), mx.float64).tolist() == [0.1] * 3
    assert mx.array(np.ones(3), mx.int32).dtype == mx.int32
    assert mx.from_dlpack(np.ones(3)).dtype == mx.float32
    assert mx.from_dlpack(np.ones(3), copy=False).dtype == mx.float64


def test_takes_other_exporters_of_buffers():
    assert mx.array(python_array.array("d", [1.5, 2])).tolist() == [1.5, 2]
    assert mx.array(python_array.array("q", [1, 2])).dtype == mx.int64
    assert mx.array(bytearray(b"ab")).tolist() == [97, 98]
    odd = np.frombuffer(b"\0" + np.arange(3, dtype=np.int32).tobytes(), np.int32, 3, offset=1)
    assert mx.array(odd).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "value",
    [np.array(["a"]), np.array([object()]), np.datetime64("2020-01-01"), np.array([1], ">i4"), np.zeros(2, "i4,f4"),
     np.longdouble(1)],
)  # fmt: skip
def test_refuses_elements_that_are_no_numbers(value):
    with pytest.raises((TypeError, ValueError, BufferError)):
        mx.array(value)


def test_bfloat16_goes_to_numpy_as_float32():
    a = mx.array([1.5, 2.25], mx.bfloat16)
    assert np.array(a).dtype == np.float32 and np.asarray(a).tolist() == [1.5, 2.25]
    with pytest.raises(BufferError):
        memoryview(a)
    with pytest.raises(ValueError):
        np.array(a, copy=False)
    assert mx.from_dlpack(a).dtype == mx.bfloat16 and mx.from_dlpack(a).tolist() == [1.5, 2.25]


def test_array_method_converts_and_copies():
    a = mx.array([1, 2])
    assert a.__array__(np.float64).dtype == np.float64
    assert np.array(a, dtype=np.float32).tolist() == [1, 2]
    b = a.__array__(copy=True)
    b[0] = 5
    assert a.tolist() == [1, 2]


# ---- views of our memory ----


def test_views_share_memory_and_keep_it():
    a = mx.array([1.0, 2.0, 3.0]) + 0
    view = np.asarray(a)
    assert view.flags.writeable
    view[0] = 7
    assert a.tolist() == [7, 2, 3]
    del a
    gc.collect()
    filler = [mx.zeros((3,)) + i for i in range(10)]
    mx.eval(filler)
    assert view.tolist() == [7, 2, 3]


def test_memory_that_is_seen_outside_is_not_reused():
    a = mx.array([1.0, 2.0, 3.0]) + 0
    view, capsule = np.asarray(a), np.from_dlpack(a)
    a = (a + 1) * 2  # the old values have no other user: their memory would serve the result
    mx.eval(a)
    assert view.tolist() == [1, 2, 3] and capsule.tolist() == [1, 2, 3] and a.tolist() == [4, 6, 8]


def test_views_say_what_they_are():
    view = memoryview(mx.array([[1, 2], [3, 4]], mx.int64).T)
    assert (view.format, view.shape, view.strides, view.itemsize, view.nbytes) == (
        "l",
        (2, 2),
        (8, 16),
        8,
        32,
    )
    formats = {mx.bool_: "?", mx.float16: "e", mx.complex64: "Zf", mx.uint8: "B"}
    assert {d: memoryview(mx.array([1], d)).format for d in formats} == formats
    repeated = memoryview(mx.broadcast_to(mx.array([1, 2]), (3, 2)))
    assert repeated.readonly and repeated.tolist() == [[1, 2]] * 3
    assert not np.from_dlpack(mx.broadcast_to(mx.array([1, 2]), (3, 2))).flags.writeable
    assert memoryview(mx.array(1.5)).ndim == 0
    assert bytes(memoryview(mx.zeros((0, 2)))) == b""


def test_writes_into_files_and_buffers_without_strides():
    a = mx.array([[1, 2], [3, 4]], mx.uint8).T
    assert b"".join([a]) == bytes([1, 3, 2, 4])
    out = io.BytesIO()
    out.write(a)
    assert out.getvalue() == bytes([1, 3, 2, 4])


@pytest.mark.sanitize
def test_views_may_be_dropped_in_any_order():
    a = mx.arange(10)
    views = [np.asarray(a) for _ in range(10)] + [np.from_dlpack(a) for _ in range(10)]
    capsules = [a.__dlpack__() for _ in range(10)] + [a.__dlpack__(max_version=(1, 0)) for _ in range(10)]
    del a
    while views:
        assert views[-1][3] == 3
        views.pop(len(views) // 2)
    del capsules
    gc.collect()


def test_dlpack_says_where_it_is():
    a = mx.array([1, 2])
    assert a.__dlpack_device__() == (1, 0)
    with pytest.raises(BufferError):
        a.__dlpack__(dl_device=(2, 0))
    copied = np.from_dlpack(a, copy=True)
    copied[0] = 5
    assert a.tolist() == [1, 2]
    capsule = a.__dlpack__()
    assert mx.from_dlpack(capsule).tolist() == [1, 2]
    with pytest.raises(TypeError):
        mx.from_dlpack(capsule)


# ---- memory of others ----


def owned(n=1000):
    """A NumPy array and a weak reference to the object that owns its memory."""

    class Owner(np.ndarray):
        pass

    x = np.arange(n, dtype=np.float32).view(Owner)
    return x, weakref.ref(x)


@pytest.mark.parametrize("take", [mx.from_dlpack, lambda x: mx.asarray(x, copy=False)])
def test_memory_of_others_is_used_and_given_back(take):
    x, gone = owned()
    before = sys.getrefcount(x)
    a = take(x)
    assert sys.getrefcount(x) > before
    x[1] = 77
    assert a[1].item() == 77
    b = a + 1
    mx.eval(b)
    assert a[1].item() == 77  # never overwritten by an operation
    y = a[10:20]
    mx.eval(y)
    del x, a
    gc.collect()
    assert gone() is not None and y.tolist() == list(range(10, 20))
    del b, y
    gc.collect()
    assert gone() is None


def test_copies_let_others_go():
    x, gone = owned()
    a, b, c = mx.array(x), mx.from_dlpack(x, copy=True), mx.asarray(x)
    x[0] = 5
    assert a[0].item() == b[0].item() == c[0].item() == 0
    del x
    gc.collect()
    assert gone() is None


def test_memory_that_cannot_be_written_is_not():
    x = np.arange(3, dtype=np.float32)
    x.flags.writeable = False
    a = mx.asarray(x, copy=False)
    assert memoryview(a).readonly
    with pytest.raises(ValueError):
        mx.asarray(np.arange(3, dtype=np.float32)[::-1], copy=False)


@pytest.mark.sanitize
def test_owners_are_released_by_any_thread():
    for _ in range(20):
        x, gone = owned(100_000)
        a = mx.from_dlpack(x)
        result = [a * 2 + 1]
        del x, a
        mx.async_eval(result)

        def drop(held=result):
            mx.eval(held)
            held.clear()

        thread = threading.Thread(target=drop)
        thread.start()
        thread.join()
        result.clear()
        del drop
        mx.synchronize()
        mx.eval(mx.array(1) + 1)
        gc.collect()
        assert gone() is None


@pytest.mark.sanitize
def test_evaluates_while_other_threads_run_python():
    done = []

    def work(k):
        a = mx.array(np.full(1000, k, np.float32))
        for _ in range(50):
            a = mx.from_dlpack(np.asarray(a + 1))
        done.append(a[0].item() == k + 50)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert done == [True] * 4


def test_goes_to_torch_and_back():
    torch = pytest.importorskip("torch")
    for dtype in (torch.float32, torch.bfloat16, torch.int64, torch.bool):
        t = torch.arange(6).reshape(2, 3).to(dtype)
        a = mx.array(t)
        assert a.tolist() == t.tolist() and repr(a.dtype).rsplit(".", 1)[1] in repr(dtype)
        assert torch.from_dlpack(a).tolist() == t.tolist()
        assert mx.from_dlpack(t).tolist() == t.tolist()
