"""Exported functions: files, traces, names, metadata, the errors of files that are wrong."""

import gc
import io
import os
import struct
import subprocess
import sys
import threading
import zlib
from pathlib import Path

import numpy as np
import pytest

import melix.core as mx


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "function.mxfn")


def numbers(results) -> list:
    return [np.array(result).tolist() for result in results]


def test_arguments_come_by_position_and_name_or_as_a_tuple_and_a_dict(path):
    x, y = mx.array([1.0, 2.0]), mx.array(3.0)
    mx.export_function(path, lambda x, y: x * y, x, y=y)
    run = mx.import_function(path)
    for results in (run(x, y=y), run((x,), {"y": y}), run([x], {"y": y})):
        assert isinstance(results, tuple)
        assert numbers(results) == [[3, 6]]
    mx.export_function(path, lambda x, y: x * y, (x,), {"y": y})
    assert numbers(mx.import_function(path)(x, y=y)) == [[3, 6]]
    mx.export_function(path, lambda **named: named["b"] - named["a"], {"a": x, "b": y})
    assert numbers(mx.import_function(path)(b=y, a=x)) == [[2, 1]]
    mx.export_function(path, lambda: [mx.array(5), mx.array([True])])
    assert numbers(mx.import_function(path)()) == [5, [True]]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda run: run(mx.array(1.0)),
        lambda run: run(mx.array(1.0), mx.array(2.0)),
        lambda run: run(mx.array(1), y=mx.array(2.0)),
        lambda run: run(mx.array([1.0]), y=mx.array(2.0)),
        lambda run: run(mx.array(1.0), z=mx.array(2.0)),
    ],
)
def test_other_arguments_are_refused_and_the_known_ones_listed(path, wrong):
    mx.export_function(path, lambda x, y: x + y, mx.array(1.0), y=mx.array(2.0))
    run = mx.import_function(path)
    with pytest.raises(
        ValueError, match=r"(?s)\[import_function\].*has no trace for.*float32 \(\), y=float32"
    ):
        wrong(run)


def test_what_is_no_array_is_refused(path):
    for bad in (lambda: mx.export_function(path, lambda x: x, 1.0), lambda: mx.import_function(path)(1.0)):
        mx.export_function(path, lambda x: x, mx.array(1.0))
        with pytest.raises(ValueError, match="takes arrays by position and by name"):
            bad()
    for function in (lambda x: 1, lambda x: {"x": x}, lambda x: (x, [x])):
        with pytest.raises(ValueError, match="must return an array"):
            mx.export_function(path, function, mx.array(1.0))
    with pytest.raises(TypeError):
        mx.export_function(path, 3, mx.array(1.0))


def test_captured_arrays_of_every_dtype_and_layout_are_stored(path):
    captured = [
        mx.arange(12).reshape(3, 4).T.astype(dtype)
        for dtype in (mx.bool_, mx.uint8, mx.int64, mx.float16, mx.bfloat16, mx.float64, mx.complex64)
    ]
    captured += [mx.zeros((0, 3)), mx.array(2.5), mx.broadcast_to(mx.array([[1.0], [2.0]]), (2, 1000))]
    mx.export_function(path, lambda: captured)
    for result, wanted in zip(mx.import_function(path)(), captured, strict=True):
        assert result.dtype == wanted.dtype
        assert mx.array_equal(result, wanted)
    assert os.path.getsize(path) < 4000  # the broadcast array is stored as what it repeats


def test_traces_of_one_file_share_what_they_capture(path):
    weights = mx.random.normal((100, 100))

    with mx.exporter(path, lambda *xs: sum(xs) @ weights, metadata="many") as exporter:
        for n in range(1, 5):
            exporter(*[mx.ones((2, 100))] * n)
    assert os.path.getsize(path) < 1.5 * weights.nbytes
    run, metadata = mx.import_function(path, return_metadata=True)
    assert metadata == "many"
    assert mx.array_equal(run(*[mx.ones((2, 100))] * 3)[0], sum([mx.ones((2, 100))] * 3) @ weights)


def test_an_exporter_refuses_twice_the_same_and_what_comes_late(path):
    with mx.exporter(path, lambda x: x + 1) as exporter:
        exporter(mx.array(1.0))
        with pytest.raises(RuntimeError, match=r"there is a trace already for \(float32 \(\)\)"):
            exporter(mx.array(2.0))
    with pytest.raises(RuntimeError, match="is closed"):
        exporter(mx.array([1.0]))
    exporter.close()


def test_a_file_appears_whole_or_not_at_all(path, tmp_path):
    with pytest.raises(ZeroDivisionError), mx.exporter(path, lambda x: x) as exporter:
        exporter(mx.array(1.0))
        raise ZeroDivisionError
    assert os.listdir(tmp_path) == []
    mx.export_function(path, lambda x: x, mx.array(1.0))
    before = Path(path).read_bytes()
    with pytest.raises(ZeroDivisionError):
        mx.export_function(path, lambda x: 1 / 0, mx.array(1.0))
    assert Path(path).read_bytes() == before
    with pytest.raises(OSError, match="nowhere"):
        mx.export_function(str(tmp_path / "nowhere" / "f"), lambda x: x, mx.array(1.0))
    with pytest.raises(OSError, match="No such file"):
        mx.import_function(tmp_path / "nowhere")
    with pytest.raises(OSError, match=r"regular file|directory"):
        mx.import_function(tmp_path)
    assert os.listdir(tmp_path) == ["function.mxfn"]


def test_a_full_disk_leaves_the_old_file(path, tmp_path):
    mx.export_function(path, lambda x: x, mx.array(1.0))
    before = Path(path).read_bytes()
    code = (
        "import resource, signal, sys, melix.core as mx\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "w = mx.arange(10000)\n"
        "try:\n    mx.export_function(sys.argv[1], lambda x: x + w, mx.array(1.0))\n"
        "except OSError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True)
    assert "File too large" in done.stdout, done.stderr
    assert Path(path).read_bytes() == before
    assert os.listdir(tmp_path) == ["function.mxfn"]


def test_functions_with_rules_of_their_own_are_what_they_are_made_of(path):
    @mx.custom_function
    def clipped(x):
        return mx.minimum(x, 1)

    @clipped.vjp
    def clipped_vjp(primals, cotangents, outputs):
        return cotangents * 7

    inner = mx.compile(lambda x: mx.checkpoint(lambda y: clipped(y) * 2)(x) + 1)
    outer = mx.compile(lambda x: (inner(x), mx.grad(lambda y: inner(y).sum())(x)))
    x = mx.array([0.5, 3.0])
    mx.export_function(path, outer, x)
    value, gradient = mx.import_function(path)(x)
    assert numbers([value, gradient]) == [[2, 3], [14, 14]]


def test_an_imported_function_is_traced_like_any_other(path, tmp_path):
    x = mx.array([[0.1, 0.2], [0.3, 0.4]])
    mx.export_function(path, lambda a: mx.softmax(mx.sin(a), axis=-1)[:, 0], x)
    run = mx.import_function(path)
    eager = mx.grad(lambda a: mx.softmax(mx.sin(a), axis=-1)[:, 0].sum())(x)
    assert mx.array_equal(mx.grad(lambda a: run(a)[0].sum())(x), eager)
    assert mx.array_equal(mx.compile(run)(x)[0], run(x)[0])
    again = str(tmp_path / "again")
    mx.export_function(again, run, x)
    assert mx.array_equal(mx.import_function(again)(x)[0], run(x)[0])


def test_lengths_that_change_nothing_are_free(path):
    w = mx.random.normal((3, 4))
    mx.export_function(
        path, lambda x, y: mx.softmax(x @ w, axis=-1) + y, mx.ones((2, 3)), mx.ones((2, 1)), shapeless=True
    )
    run = mx.import_function(path)
    for n in (1, 2, 9):
        x, y = mx.random.normal((n, 3)), mx.random.normal((n, 1))
        assert mx.array_equal(run(x, y)[0], mx.softmax(x @ w, axis=-1) + y)
    for x, y in (((5, 4), (5, 1)), ((5, 3, 1), (5, 1)), ((5, 3), (5,))):
        with pytest.raises(ValueError, match="has no trace"):
            run(mx.ones(x), mx.ones(y))
    with pytest.raises(ValueError, match="broadcast"):
        run(mx.ones((5, 3)), mx.ones((6, 1)))


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x.mean(axis=0),
        lambda x: x.reshape(6),
        lambda x: x * x.shape[0],
        lambda x: x + mx.arange(x.shape[0])[:, None],
    ],
)
def test_lengths_that_a_function_computes_with_are_not(path, function):
    mx.export_function(path, function, mx.ones((2, 3)), shapeless=True)
    run = mx.import_function(path)
    assert mx.array_equal(run(mx.ones((2, 3)))[0], function(mx.ones((2, 3))))
    with pytest.raises(ValueError, match="has no trace"):
        run(mx.ones((4, 3)))


def test_an_interrupt_ends_an_export_that_tries_shapes(path):
    calls = []

    def function(x):
        calls.append(x.shape)
        if len(calls) > 1:
            raise KeyboardInterrupt
        return x + 1

    with pytest.raises(KeyboardInterrupt):
        mx.export_function(path, function, mx.ones((2, 3)), shapeless=True)
    assert not os.path.exists(path)


def test_a_callback_is_told_the_graph():
    parts = []
    x, y = mx.array([1.0, 2.0]), mx.array(3.0)
    mx.export_function(parts.append, lambda x, y: mx.sum(mx.exp(x) * y, axis=0), x, y=y)
    assert [part["type"] for part in parts] == [
        "inputs", "keyword_inputs", "outputs", "constants", "primitive", "primitive", "primitive",
    ]  # fmt: skip
    assert parts[0]["inputs"] == [("A", (2,), mx.float32), ("B", (), mx.float32)]
    assert parts[1]["keywords"] == [("y", "B")]
    assert [part["name"] for part in parts[4:]] == ["exp", "multiply", "sum"]
    assert parts[-1]["attributes"] == {"axes": [0], "keepdims": False}
    assert parts[-1]["outputs"] == parts[2]["outputs"]
    with pytest.raises(ValueError, match="metadata"):
        mx.export_function(parts.append, lambda x: x, x, metadata="m")


def test_dot_names_arrays_and_draws_each_once(tmp_path):
    x, y = mx.array(1.0), mx.array(2.0)
    shared = mx.exp(x + y)
    text = io.StringIO()
    mx.export_to_dot(text, shared * shared, x=x, **{'"': y})
    lines = text.getvalue().splitlines()
    assert lines[0] == "digraph {" and lines[-1] == "}"
    assert '{ rank=source; "x"; }' in lines and '{ rank=source; "\\""; }' in lines
    assert sum("label=" in line for line in lines) == 3
    assert sum("rank=sink" in line for line in lines) == 1
    mx.export_to_dot(tmp_path / "graph.dot", [shared], {"a": x + 1})
    assert (tmp_path / "graph.dot").read_text().count("label=") == 3
    with pytest.raises(ValueError, match="no array"):
        mx.export_to_dot(text, shared, z=3)


def test_threads_share_an_imported_function(path):
    w = mx.random.normal((20, 20))
    mx.export_function(path, lambda x: mx.tanh(x @ w).sum(axis=0), mx.ones((5, 20)))
    run, wrong = mx.import_function(path), []

    def work(seed):
        x = mx.random.normal((5, 20), key=mx.random.key(seed))
        for _ in range(20):
            if not mx.array_equal(run(x)[0], mx.tanh(x @ w).sum(axis=0)):
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_closed_exporter_holds_no_function(path):
    class Function:
        alive = True

        def __call__(self, x):
            return x

        def __del__(self):
            Function.alive = False

    exporter = mx.exporter(path, Function())
    exporter(mx.array(1.0))
    exporter.close()
    gc.collect()
    assert not Function.alive


# ---- files that are wrong ----


def written(path) -> bytes:
    mx.export_function(
        path,
        lambda x, y: mx.sum(x * mx.array([1.0, 2.0]), axis=0) + y,
        mx.ones((3, 2)),
        y=mx.array(2.0),
        metadata="m",
    )
    return Path(path).read_bytes()


def refused(path, data) -> str:
    with open(path, "wb") as file:
        file.write(data)
    with pytest.raises(ValueError, match=r"function\.mxfn', byte \d+, ") as caught:
        mx.import_function(path)
    return str(caught.value)


def with_section(data: bytes, section: bytes) -> bytes:
    """The file with another section, and a head that fits it."""
    size = struct.unpack_from("<Q", data, 16)[0]
    tail = data[(32 + size + 63) // 64 * 64 :]
    head = bytearray(data[:32])
    struct.pack_into("<IQ", head, 12, zlib.crc32(section), len(section))
    whole = bytes(head) + section
    return whole + bytes(-len(whole) % 64) + tail


def section_of(data: bytes) -> bytes:
    return data[32 : 32 + struct.unpack_from("<Q", data, 16)[0]]


def test_every_shorter_file_is_refused(path):
    data = written(path)
    for size in range(len(data)):
        refused(path, data[:size])
    refused(path, data + b"\0")
    assert "magic" in refused(path, b"\x93NUMPY" + data[6:])
    assert "version: 2 is not known" in refused(path, data[:8] + b"\x02" + data[9:])
    assert "checksum" in refused(path, data[:40] + bytes([data[40] ^ 1]) + data[41:])
    assert "checksum of a constant" in refused(path, data[:-8] + bytes([data[-8] ^ 1]) + data[-7:])


def test_every_shorter_section_is_refused(path):
    data = written(path)
    section = section_of(data)
    assert with_section(data, section) == data
    for size in range(len(section)):
        refused(path, with_section(data, section[:size]))
    assert "follow the last trace" in refused(path, with_section(data, section + b"\0"))


def test_counts_are_compared_with_what_is_left(path):
    data = written(path)
    section = section_of(data)
    for at in range(len(section) - 3):
        changed = section[:at] + b"\xff\xff\xff\x7f" + section[at + 4 :]
        with open(path, "wb") as file:
            file.write(with_section(data, changed))
        try:
            mx.import_function(path)
        except (ValueError, MemoryError):
            continue
        pytest.fail(f"accepted 0x7fffffff at byte {32 + at}")


def test_what_an_operation_gives_must_be_what_was_exported(path):
    data = written(path)
    section = section_of(data)
    at = section.index(b"\x03\0\0\0multiply".replace(b"\x03", b"\x08"))
    unknown = section[: at + 4] + b"multiplz" + section[at + 12 :]
    assert "this library has no multiplz" in refused(path, with_section(data, unknown))
    other = section.replace(b"\x08\0\0\0multiply", b"\x05\0\0\0equal")
    text = refused(path, with_section(data, other))
    assert "[equal] gives bool of shape (3, 2), float32 of shape (3, 2) was exported" in text
    for name in (b"load", b"compiled", b"custom_function"):
        never = section.replace(b"\x08\0\0\0multiply", bytes([len(name), 0, 0, 0]) + name)
        assert "needs attributes" in refused(path, with_section(data, never))
    bad_text = section[:4] + b"\xff" + section[5:]
    assert "metadata: is not UTF-8" in refused(path, with_section(data, bad_text))
