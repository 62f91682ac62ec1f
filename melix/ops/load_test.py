"""Loading and saving: every format keeps values, types and names, other libraries read what is written, elements are
read when they are needed, and what goes wrong says where."""

import errno
import gzip
import io
import os
import pathlib
import pickle
import signal
import subprocess
import sys

import numpy as np
import pytest

import melix.core as mx

DTYPES = [
    "bool_",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "int8",
    "int16",
    "int32",
    "int64",
    "float16",
    "bfloat16",
    "float32",
    "float64",
    "complex64",
]
IN_GGUF = ["int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64"]
SHAPES = [(), (1,), (0,), (3, 4), (2, 0, 5), (7, 3, 2)]


def values(dtype, shape):
    n = int(np.prod(shape))
    a = mx.arange(n) % 7
    return (a % 2 == 1).reshape(shape) if dtype == "bool_" else a.astype(getattr(mx, dtype)).reshape(shape)


def samples(dtypes=DTYPES):
    return {f"{d} {s}": values(d, s) for d in dtypes for s in SHAPES}


def same(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and bool(mx.all(a == b))


def assert_same(got, expected):
    assert list(got) == list(expected) or set(got) == set(expected)
    for name in expected:
        assert same(got[name], expected[name]), name


@pytest.fixture(autouse=True)
def inside(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    yield
    mx.debug.set_file_fault("none")


# ---- round trips ----


@pytest.mark.parametrize("dtype", DTYPES)
def test_npy_keeps_an_array(dtype):
    for i, shape in enumerate(SHAPES):
        a = values(dtype, shape)
        mx.save(f"{i}", a)
        assert same(mx.load(f"{i}.npy"), a)
        if dtype != "bfloat16":
            assert np.array_equal(np.load(f"{i}.npy"), np.array(a))


def test_npz_keeps_arrays_and_names():
    arrays = samples()
    for save in (mx.savez, mx.savez_compressed):
        save("a.npz", **arrays)
        assert_same(mx.load("a.npz"), arrays)
        theirs = np.load("a.npz")
        for name, a in arrays.items():
            assert "bfloat16" in name or np.array_equal(theirs[name], np.array(a)), name
    mx.savez("b", mx.array([1]), mx.array([2.0]), x=mx.array(3))
    assert list(mx.load("b.npz")) == ["arr_0", "arr_1", "x"]
    assert os.path.getsize("a.npz") < sum(a.nbytes for a in arrays.values()) + 600 * len(arrays)
    mx.savez_compressed("zeros.npz", mx.zeros((1 << 20,)))
    assert os.path.getsize("zeros.npz") < 10000 and same(mx.load("zeros.npz")["arr_0"], mx.zeros((1 << 20,)))


def test_safetensors_keeps_arrays_and_text():
    arrays, text = samples(), {"format": "mlx", 'é\n"': "\x00☃"}
    mx.save_safetensors("a", arrays, text)
    got, metadata = mx.load("a.safetensors", return_metadata=True)
    assert_same(got, arrays)
    assert metadata == text
    mx.save_safetensors("none.safetensors", {})
    assert mx.load("none.safetensors") == {}


def test_safetensors_is_read_by_its_own_package():
    theirs = pytest.importorskip("safetensors")
    arrays = {k: v for k, v in samples().items() if "bfloat16" not in k}
    mx.save_safetensors("a.safetensors", arrays, {"x": "y"})
    with theirs.safe_open("a.safetensors", "np") as f:
        assert f.metadata() == {"x": "y"}
        for name, a in arrays.items():
            assert np.array_equal(f.get_tensor(name), np.array(a)), name
    import safetensors.numpy

    arrays = {"a": np.arange(6.0).reshape(2, 3), "b": np.array([True, False]), "c": np.float16([1.5])}
    safetensors.numpy.save_file(arrays, "b.safetensors", {"k": "v"})
    got, metadata = mx.load("b.safetensors", return_metadata=True)
    assert metadata == {"k": "v"}
    assert all(np.array_equal(np.array(got[k]), v) for k, v in arrays.items())


GGUF_METADATA = {
    "text": "é☃",
    "texts": ["a", "", "b"],
    "none": [],
    "number": mx.array(3),
    "numbers": mx.array([1.5, -2.0]),
    "flag": mx.array(True),
    "flags": mx.array([True, False]),
    "bytes": mx.array([1, 255], mx.uint8),
    "wide": mx.array(-(2**40), mx.int64),
    "unsigned": mx.array(2**63, mx.uint64),
    "double": mx.array(0.1, mx.float64),
    "short": mx.array([-3], mx.int16),
}


def test_gguf_keeps_arrays_and_metadata():
    arrays = samples(IN_GGUF)
    mx.save_gguf("a", arrays, GGUF_METADATA)
    got, metadata = mx.load("a.gguf", return_metadata=True)
    assert_same(got, arrays)
    assert list(metadata) == list(GGUF_METADATA)
    for key, value in GGUF_METADATA.items():
        assert same(metadata[key], value) if isinstance(value, mx.array) else metadata[key] == value, key
    assert mx.load("a.gguf", gguf_blocks=True)[1] == {}
    # The alignment that metadata ask for is kept.
    for alignment in (1, 8, 256):
        extra = {"general.alignment": mx.array(alignment, mx.uint32)}
        mx.save_gguf("b.gguf", arrays, extra)
        assert_same(mx.load("b.gguf"), arrays)


def test_gguf_is_read_by_its_own_package():
    gguf = pytest.importorskip("gguf")
    arrays = {k: v for k, v in samples(IN_GGUF).items() if v.size and v.ndim}
    mx.save_gguf("a.gguf", arrays, GGUF_METADATA)
    reader = gguf.GGUFReader("a.gguf")
    for tensor in reader.tensors:
        a = arrays[tensor.name]
        assert tuple(reversed(tensor.shape.tolist())) == a.shape
        raw = np.array(a.view(mx.uint16) if a.dtype == mx.bfloat16 else a)
        assert tensor.data.tobytes() == raw.tobytes(), tensor.name
    assert reader.fields["text"].contents() == "é☃"
    assert reader.fields["texts"].contents() == ["a", "", "b"]
    assert reader.fields["unsigned"].contents() == 2**63


BLOCKS = ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "MXFP4"]


def write_blocks(path, shape, types=BLOCKS):
    """A GGUF file with random blocks of each type; name -> (packed bytes, values that gguf computes)."""
    gguf = pytest.importorskip("gguf")
    rng = np.random.default_rng(5)
    writer, expected = gguf.GGUFWriter(path, "test"), {}
    for name in types:
        kind = gguf.GGMLQuantizationType[name]
        block, size = gguf.constants.GGML_QUANT_SIZES[kind]
        packed = rng.integers(0, 256, (*shape[:-1], shape[-1] // block, size), np.uint8)
        # Scales are float16 at the beginning or the end: small numbers, no NaN.
        small = rng.uniform(-1, 1, (*packed.shape[:-1], 2)).astype(np.float16).view(np.uint8)
        packed[..., :4] = small
        packed[..., -4:] = small
        packed = packed.reshape(*shape[:-1], -1)
        writer.add_tensor(f"{name}.weight", packed, raw_dtype=kind)
        expected[f"{name}.weight"] = packed, gguf.quants.dequantize(packed, kind) if name != "MXFP4" else None
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return expected


def test_gguf_blocks_stay_byte_for_byte():
    expected = write_blocks("a.gguf", (3, 512))
    arrays, metadata, modes = mx.load("a.gguf", return_metadata=True, gguf_blocks=True)
    assert metadata["general.architecture"] == "test"
    assert modes == {f"{name}.weight": name.lower() for name in BLOCKS}
    for name, (packed, _) in expected.items():
        assert arrays[name].dtype == mx.uint8 and np.array_equal(np.array(arrays[name]), packed), name


@pytest.mark.parametrize("shape", [(3, 64), (2, 5, 96), (32,), (300, 32 * 300)])
def test_gguf_blocks_become_weight_scales_and_biases(shape):
    expected = write_blocks("a.gguf", shape, ["Q4_0", "Q4_1", "Q8_0"])
    arrays = mx.load("a.gguf")
    assert len(arrays) == 9
    for name, (_, wanted) in expected.items():
        bits = 8 if "8" in name else 4
        stem = name.removesuffix(".weight")
        words = np.array(arrays[name])
        scales, biases = (
            np.array(arrays[f"{stem}.{part}"]).astype(np.float64) for part in ("scales", "biases")
        )
        assert words.shape == (*shape[:-1], shape[-1] * bits // 32) and scales.shape == (
            *shape[:-1],
            shape[-1] // 32,
        )
        codes = (words[..., None] >> np.arange(0, 32, bits, dtype=np.uint32)) & (2**bits - 1)
        got = codes.reshape(*scales.shape, 32) * scales[..., None] + biases[..., None]
        # gguf computes in float32.
        assert np.allclose(got.reshape(shape), wanted, rtol=1e-6, atol=1e-6), name


def test_gguf_blocks_that_are_nothing_else_say_so():
    write_blocks("a.gguf", (2, 256), ["Q4_K"])
    with pytest.raises(
        ValueError, match=r"'Q4_K.weight': has the type Q4_K, which only gguf_blocks=True loads.*q4_k"
    ):
        mx.load("a.gguf")


# ---- what other programs write ----


@pytest.mark.parametrize(
    "letters", ["?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", "c8"]
)
def test_npy_in_every_order(letters):
    for order in "<>":
        for fortran in (False, True):
            a = (np.arange(24).reshape(2, 3, 4) % 5).astype(order + letters)
            np.save("a.npy", np.asfortranarray(a) if fortran else a)
            np.savez_compressed("a.npz", a=np.asfortranarray(a) if fortran else a)
            for got in (mx.load("a.npy"), mx.load("a.npz")["a"]):
                assert got.shape == a.shape and np.array_equal(np.array(got), a)


def test_bools_are_0_or_1():
    raw = np.array([0, 1, 2, 255], np.uint8)
    np.save("a.npy", raw.view(np.bool_))
    a = mx.load("a.npy")
    assert a.tolist() == [False, True, True, True]
    assert mx.sum(a).item() == 3 and a.view(mx.uint8).tolist() == [0, 1, 1, 1]


def test_what_numpy_refuses_or_pickles_is_refused():
    for a in (
        np.array([1, "x", None], object),
        np.array(["a"]),
        np.zeros(2, "f4,i4"),
        np.zeros(2, "M8[s]"),
        np.zeros(2, "c16"),
    ):
        np.save("a.npy", a, allow_pickle=True)
        with pytest.raises(ValueError, match="descr"):
            mx.load("a.npy")
    pathlib.Path("a.npy").write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(ValueError, match="magic"):
        mx.load("a.npy")


# ---- when bytes are read ----


def test_elements_are_read_when_they_are_needed():
    mx.save_safetensors("a.safetensors", {"a": mx.arange(1000), "b": mx.zeros((1 << 20,))})
    mx.debug.set_file_fault("none", -1)
    got = mx.load("a.safetensors")
    after_header = mx.debug.file_calls()
    assert after_header < 10
    assert (got["a"][:3] + 1).tolist() == [1, 2, 3]
    assert 0 < mx.debug.file_calls() - after_header <= 2
    # The file stays open for those who come later, whatever happens to its name.
    os.remove("a.safetensors")
    assert mx.sum(got["b"]).item() == 0


def test_saving_over_what_is_still_to_be_read():
    a = mx.arange(100000)
    mx.save("a.npy", a)
    for _ in range(3):
        mx.save("a.npy", mx.load("a.npy") + 1)
    assert same(mx.load("a.npy"), a + 3)


def test_loads_take_part_in_graphs():
    mx.save("a.npy", mx.array([[1.0, 2.0], [3.0, 4.0]]))
    w = mx.load("a.npy")
    assert mx.grad(lambda x: mx.sum(x @ w))(mx.ones((1, 2))).tolist() == [[3.0, 7.0]]
    assert mx.vmap(lambda x: x @ w)(mx.ones((3, 2))).shape == (3, 2)
    f = mx.compile(lambda x: x @ mx.load("a.npy"))
    assert f(mx.ones((1, 2))).tolist() == f(mx.ones((1, 2))).tolist() == [[4.0, 6.0]]
    assert mx.load("a.npy", stream=mx.cpu).tolist() == w.tolist()


def test_a_file_that_changes_while_it_is_loaded_is_an_error():
    mx.save("a.npy", mx.arange(1000))
    a = mx.load("a.npy")
    os.truncate("a.npy", 1000)
    for _ in range(2):
        with pytest.raises(OSError, match=r"'a.npy', byte 1000: the file ends here; it had 4128"):
            mx.eval(a)
    mx.save("a.npy", mx.arange(1000))
    a, b = mx.load("a.npy"), mx.arange(10)
    os.utime("a.npy", (0, 0))
    with pytest.raises(OSError, match="was written to"):
        mx.eval(a + 1, b)
    assert b.tolist() == list(range(10))


# ---- file objects ----


def test_file_objects():
    arrays = {"a": mx.arange(5), "b": mx.ones((2, 2))}
    for save, kind in [
        (lambda f: mx.savez(f, **arrays), "npz"),
        (lambda f: mx.savez_compressed(f, **arrays), "npz"),
        (lambda f: mx.save_safetensors(f, arrays), "safetensors"),
        (lambda f: mx.save_gguf(f, arrays, {}), "gguf"),
    ]:
        memory = io.BytesIO()
        save(memory)
        memory.seek(0)
        assert_same(mx.load(memory, format=kind), arrays)
        name = pathlib.Path(f"a.{kind}")
        with open(name, "wb", buffering=0) as f:
            save(f)
        with open(name, "rb") as f:
            assert_same(mx.load(f), arrays)
        assert_same(mx.load(name), arrays)
        assert_same(mx.load(os.fsencode(name)), arrays)
    with gzip.open("a.npy.gz", "wb") as f:
        mx.save(f, arrays["a"])
    with gzip.open("a.npy.gz", "rb") as f:
        assert same(mx.load(f, "npy"), arrays["a"])


def test_arrays_one_after_the_other_in_a_file_object():
    memory = io.BytesIO()
    for i in range(3):
        mx.save(memory, mx.full((i, 2), i))
    np.lib.format.write_array(memory, np.arange(3), version=(2, 0))
    memory.seek(0)
    assert [mx.load(memory, "npy").shape for _ in range(4)] == [(0, 2), (1, 2), (2, 2), (3,)]
    assert memory.read() == b""
    with pytest.raises(ValueError, match="magic: takes 6 bytes"):
        mx.load(memory, "npy")


def test_file_objects_that_fail():
    class Broken(io.BytesIO):
        def write(self, data):
            raise RuntimeError("no more")

        def read(self, n=-1):
            return "text"

    with pytest.raises(RuntimeError, match="no more"):
        mx.save(Broken(), mx.array(1))
    with pytest.raises(ValueError, match="binary mode"):
        mx.load(Broken(), "npz")
    with pytest.raises(TypeError):
        mx.save(io.StringIO(), mx.array(1))


# ---- errors ----


def test_errors_of_calls():
    a = mx.array([1.0])
    for wrong, error, text in [
        (lambda: mx.load("a"), ValueError, "format"),
        (lambda: mx.load("a.foo"), ValueError, "'foo'"),
        (lambda: mx.load("a.npy", format="foo"), ValueError, "'foo'"),
        (lambda: mx.load("a.npy", return_metadata=True), ValueError, "metadata"),
        (lambda: mx.load("a.npy", gguf_blocks=True), ValueError, "GGUF"),
        (lambda: mx.load(3), ValueError, "path"),
        (lambda: mx.save(3, a), ValueError, "path"),
        (lambda: mx.save("a", 3), TypeError, "array"),
        (lambda: mx.savez("a", a, arr_0=a), ValueError, "arr_0"),
        (lambda: mx.savez("a", {"a": a}), TypeError, "array"),
        (lambda: mx.save_safetensors("a", {"a": 3}), TypeError, "'a'"),
        (lambda: mx.save_safetensors("a", {1: a}), ValueError, "strings"),
        (lambda: mx.save_safetensors("a", {"a": a}, {"a": 3}), ValueError, "strings"),
        (lambda: mx.save_safetensors("a", {"__metadata__": a}), ValueError, "__metadata__"),
        (lambda: mx.save_safetensors("a", {"\ud800": a}), UnicodeEncodeError, "surrogates"),
        (lambda: mx.save_safetensors("a", {"\udcff": a}), ValueError, "UTF-8"),
        (lambda: mx.save_gguf("a", {"a": mx.array(True)}, {}), ValueError, "'a' has the dtype bool"),
        (lambda: mx.save_gguf("a", {"a": mx.zeros((1,) * 9)}, {}), ValueError, "9 axes"),
        (lambda: mx.save_gguf("a", {}, {"n": 3}), TypeError, "'n'"),
        (lambda: mx.save_gguf("a", {}, {"n": [3]}), TypeError, "'n'"),
        (lambda: mx.save_gguf("a", {}, {"n": mx.zeros((1, 1))}), ValueError, "one axis"),
        (lambda: mx.save_gguf("a", {}, {"n": mx.array(1, mx.float16)}), ValueError, "float16"),
        (lambda: mx.save_gguf("a", {}, {"": "x"}), ValueError, "key"),
        (
            lambda: mx.save_gguf("a", {}, {"general.alignment": mx.array(3, mx.uint32)}),
            ValueError,
            "power of two",
        ),
    ]:
        with pytest.raises(error, match=text):
            wrong()
    assert os.listdir() == []


def test_errors_say_file_place_field_and_rule():
    mx.save_safetensors("a.safetensors", {"a": mx.arange(3)})
    pathlib.Path("b\n.safetensors").write_bytes(pathlib.Path("a.safetensors").read_bytes()[:-1])
    with pytest.raises(
        ValueError, match=r"\[load\] 'b\\x0a.safetensors', byte 9, tensor 'a', data_offsets: "
    ) as caught:
        mx.load("b\n.safetensors")
    error = caught.value
    assert error.file == "b\n.safetensors" and error.offset == 9
    assert error.field == "tensor 'a', data_offsets" and "ends at 12" in error.rule
    with pytest.raises(FileNotFoundError) as missing:
        mx.load("none.npz")
    assert missing.value.errno == errno.ENOENT and missing.value.filename == "none.npz"
    with pytest.raises(IsADirectoryError):
        mx.load(".", format="npy")


# ---- saving is atomic ----


def test_a_save_that_fails_leaves_the_old_file():
    formats = [
        ("a.npy", lambda a: mx.save("a.npy", a)),
        ("a.npz", lambda a: mx.savez_compressed("a.npz", a)),
        ("a.safetensors", lambda a: mx.save_safetensors("a.safetensors", {"a": a})),
        ("a.gguf", lambda a: mx.save_gguf("a.gguf", {"a": a}, {})),
    ]
    for path, save in formats:
        save(mx.arange(3))
        before = pathlib.Path(path).read_bytes()
        mx.debug.set_file_fault("none", -1)
        save(mx.arange(3))
        calls = mx.debug.file_calls()
        for n in range(1, calls - 1):  # the last two sync the folder
            mx.debug.set_file_fault("error", n, error=errno.ENOSPC)
            with pytest.raises(OSError, match="No space left"):
                save(mx.arange(100000))
            mx.debug.set_file_fault("none")
            assert pathlib.Path(path).read_bytes() == before, n
    assert sorted(os.listdir()) == ["a.gguf", "a.npy", "a.npz", "a.safetensors"]


KILLED = """
import sys, melix.core as mx
mx.debug.set_file_fault("kill", int(sys.argv[1]))
mx.save_safetensors("a.safetensors", {"a": mx.ones((100000,))}, {"n": "new"})
"""


@pytest.mark.parametrize("n", [1, 4, 6, 7, 8, 9, 10, 11])
def test_a_save_that_is_killed_leaves_a_whole_file(n):
    mx.save_safetensors("a.safetensors", {"a": mx.zeros((3,))}, {"n": "old"})
    done = subprocess.run([sys.executable, "-c", KILLED, str(n)], check=False)
    arrays, metadata = mx.load("a.safetensors", return_metadata=True)
    assert done.returncode in (-signal.SIGKILL, 0)
    assert mx.sum(arrays["a"]).item() == {"old": 0, "new": 100000}[metadata["n"]]
    mx.save_safetensors("a.safetensors", arrays)
    assert os.listdir() == ["a.safetensors"]
