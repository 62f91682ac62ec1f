"""Files that were made to hurt: each is refused with a typed error that names its file, within 100 ms of computing and
within its size and 64 MiB of memory; or, where the formats allow it, loaded as what it says.

All files are loaded by one process apart, which says what came of each: a crash is seen, and memory is its own.
"""

import json
import os
import re
import struct
import subprocess
import sys
import time

import numpy as np
import pytest

import melix.core as mx

SECONDS = 0.1
MEMORY = 64 << 20
HUGE = 2**64 - 1


def u32(*values):
    return struct.pack(f"<{len(values)}I", *values)


def u64(*values):
    return struct.pack(f"<{len(values)}Q", *values)


# ---- safetensors ----


def safetensors(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return u64(len(text)) + text + data


def tensor(dtype="U8", shape=(1,), offsets=(0, 1)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


def one(*args, data=b"\1"):
    return safetensors({"t": tensor(*args)}, data)


def two(a, b, data):
    return safetensors({"a": a, "b": b}, data)


def raw(fields, data=b"\1"):
    return safetensors(b'{"t":{' + fields + b"}}", data)


U8 = b'"dtype":"U8",'
AT = b'"data_offsets":[0,1]'
WHOLE = U8 + b'"shape":[1],' + AT
SAFETENSORS = {
    "0 bytes": (b"", "header length"),
    "7 bytes": (b"1234567", "header length"),
    "header length 0": (u64(0), "header"),
    "header length 2^64-1": (u64(HUGE) + b"{}", "header length"),
    "header length 100,000,001": (u64(100_000_001) + b"{}", "header length"),
    "header longer than the file": (u64(3) + b"{}", "header length"),
    "header not UTF-8": (safetensors(b'{"\xff":1}'), "UTF-8"),
    "byte order mark": (safetensors(b"\xef\xbb\xbf{}"), "header"),
    "an array": (safetensors(b"[]"), "header"),
    "200,000 arrays": (safetensors(b"[" * 200_000), "header"),
    "200,000 arrays in a tensor": (safetensors(b'{"a":{"x":' + b"[" * 200_000), "deeper"),
    "200,000 objects": (safetensors(b'{"a":' * 200_000), "'a', entry|deeper|dtype|must be"),
    "65 levels": (safetensors(b'{"a":{"x":' + b"[" * 63), "deeper"),
    "duplicate tensor": (
        safetensors(b'{"a":{%s"shape":[1],%s},"a":{%s"shape":[1],%s}}' % (U8, AT, U8, AT), b"1"),
        "twice",
    ),
    "duplicate shape": (raw(U8 + b'"shape":[1],"shape":[1],' + AT), "second time"),
    "overlap": (two(tensor("U8", (2,), (0, 2)), tensor("U8", (2,), (1, 3)), b"123"), "overlaps"),
    "hole": (two(tensor(), tensor("U8", (1,), (2, 3)), b"123"), "hole"),
    "tail": (one(data=b"12"), "belong to none"),
    "begin after end": (one("U8", (1,), (1, 0)), "ends before"),
    "end after the file": (one("U8", (2,), (0, 2)), "data_offsets"),
    "data short by 2 bytes": (one("F32", (2,), (0, 6), data=b"123456"), "need 8"),
    "elements beyond 2^64": (one("U8", (4194305, 4194305, 211106198978564), (0, 0), data=b""), "shape"),
    "elements that wrap to 0": (one("F32", (65536,) * 4, (0, 0), data=b""), "shape"),
    "elements of 2^32+1": (one("U8", (2**32 + 1,)), "need 4294967297"),
    "two negative dimensions": (one("U8", (-1, -1)), "shape"),
    "fractional dimension": (raw(U8 + b'"shape":[1.9],' + AT), "shape"),
    "dimension with exponent": (raw(U8 + b'"shape":[1e3],' + AT), "shape"),
    "dimension as text": (one("U8", ("2",)), "shape"),
    "65 dimensions": (one("U8", (1,) * 65), "64"),
    "negative offset": (one("U8", (1,), (-1, 1)), "data_offsets"),
    "fractional offset": (raw(U8 + b'"shape":[1],"data_offsets":[0.0,1]'), "data_offsets"),
    "offsets that wrap": (one("U8", (16,), (2**64 - 16, 2**64 - 1), data=b"1" * 16), "data_offsets"),
    "offset into the header": (one("U8", (8,), (2**64 - 8, 2**64), data=b"1" * 8), "data_offsets"),
    "one offset": (one("U8", (1,), (0,)), "begin and an end"),
    "three offsets": (one("U8", (1,), (0, 1, 1)), "more than 2"),
    "unknown dtype": (one("X7"), "dtype"),
    "dtype as number": (one(7), "dtype"),
    "metadata of numbers": (safetensors({"__metadata__": {"a": 1}}), "__metadata__"),
    "1 TB claimed": (one("U8", (2**40,), (0, 2**40)), "data_offsets"),
    "a name of 1 MiB": (safetensors({"x" * (1 << 20): tensor("X7")}), "bytes\\), dtype"),
    "a name of control characters": (
        safetensors({"../\0\n\x1b[0m": tensor("X7")}),
        r"\.\./\\x00\\x0a\\x1b\[0m",
    ),
}


# ---- GGUF ----


def gguf(tensors=0, keys=0, body=b"", version=3):
    return b"GGUF" + u32(version) + u64(tensors, keys) + body


def text(s):
    s = s if isinstance(s, bytes) else s.encode()
    return u64(len(s)) + s


def key(kind, value, name="k"):
    return gguf(0, 1, text(name) + u32(kind) + value)


def array(kind, count, value=b""):
    return key(9, u32(kind) + u64(count) + value)


def alignment(kind, value):
    return key(kind, value, "general.alignment")


def entry(dims=(1,), kind=0, offset=0, name="t"):
    return text(name) + u32(len(dims)) + u64(*dims) + u32(kind & 0xFFFFFFFF) + u64(offset)


def tensors(*entries, data=64):
    body = gguf(len(entries), 0, b"".join(entries))
    return body + b"\0" * (-len(body) % 32) + b"\1" * data


def short(n, part):
    """96 bytes that claim n of something."""
    return (gguf(n, 0) if part == "tensors" else gguf(0, n)).ljust(96, b"\0")


GGUF = {
    **{f"version {v:#x}": (gguf(version=v), "version") for v in (0, 1, 99, 0x03000000)},
    "magic only": (b"GGUF", "version"),
    **{f"{n:#x} tensors in 96 bytes": (short(n, "tensors"), "number of tensors") for n in (HUGE, 2**40)},
    **{f"{n:#x} keys in 96 bytes": (short(n, "keys"), "number of keys") for n in (HUGE, 2**40)},
    **{
        f"key of {n:#x} bytes": (gguf(0, 1, u64(n).ljust(64, b"k")), "name")
        for n in (2**64 - 8, 2**63, 2**40)
    },
    **{f"text of {n:#x} bytes": (key(8, u64(n)), "text") for n in (2**64 - 8, 2**63, 2**40)},
    **{
        f"tensor name of {n:#x} bytes": (gguf(1, 0, u64(n).ljust(64, b"x")), "name")
        for n in (2**64 - 8, 2**63, 2**40)
    },
    "empty key": (key(0, b"\0" * 20, ""), "name"),
    "duplicate key": (gguf(0, 2, (text("k") + u32(0) + b"1") * 2), "'k': comes twice"),
    "duplicate tensor": (tensors(entry(), entry(offset=32)), "'t': comes twice"),
    "50,000 equal keys": (gguf(0, 50_000, (text("k") + u32(0) + b"1") * 50_000), "comes twice"),
    "50,000 equal tensors": (tensors(*[entry((0,))] * 50_000), "comes twice"),
    "2^62 bytes": (array(0, 2**62), "value"),
    "2^62+1 numbers": (array(4, 2**62 + 1), "value"),
    "2^40 texts": (array(8, 2**40), "texts"),
    "100,000 nested arrays": (array(9, 1, (u32(9) + u64(1)) * 100_000), "arrays of arrays"),
    "value of type 255": (key(255, b"\0" * 8), "255"),
    "bool 7": (key(7, b"\7"), "bool"),
    **{f"alignment {n}": (alignment(4, u32(n)), "alignment") for n in (0, 3, 2**31)},
    "alignment as int32": (alignment(5, u32(32)), "uint32"),
    "2^32-1 dimensions": (gguf(1, 0, text("t") + u32(0xFFFFFFFF) + b"\0" * 64), "dimensions"),
    "9 dimensions": (tensors(entry((1,) * 9)), "dimensions"),
    "2^63-1 x 2": (tensors(entry((2**63 - 1, 2))), "dimensions"),
    "2^32 x 2^32 x 16": (tensors(entry((2**32, 2**32, 16))), "dimensions"),
    "elements that wrap": (tensors(entry((32, 2**42 + 1, 2**20))), "dimensions"),
    "Q8_0 of 2^33": (tensors(entry((2**33,), 8)), "offset"),
    **{f"type {t}": (tensors(entry((32,), t)), "tensor 't', type") for t in (4, 5, 9999, -1)},
    **{f"offset {n:#x}": (tensors(entry(offset=n)), "offset") for n in (2**40, 2**64 - 32, 4)},
    "overlap": (tensors(entry((16,), name="a"), entry((16,), 0, 32, "b"), data=96), "shares bytes"),
    "short by a byte": (tensors(entry((16,)), data=63), "not in the file"),
    "Q4_0 of 33": (tensors(entry((33,), 2)), "32"),
}

# ---- npy, npz ----


def npy(fields):
    head = ("{" + fields + "}\n").encode()
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(head)) + head


def shaped(shape, descr="'<f4'"):
    return npy(f"'descr': {descr}, 'fortran_order': False, 'shape': {shape}")


NPY = {
    "0 bytes": (b"", "magic"),
    "objects": (shaped("(1,)", "'|O'"), "pickle"),
    "1 TB claimed": (shaped(f"({2**38},)"), "elements"),
    "elements beyond 2^64": (shaped("(65536, 65536, 65536, 65536)"), "shape"),
    "header of 4 GiB": (b"\x93NUMPY\2\0\xff\xff\xff\xff", "header length"),
    "an expression": (npy("'descr': __import__('os').abort()"), "descr"),
    "60,000 brackets": (npy("'descr': " + "[" * 60_000), "descr"),
}

FILES = {
    f"{name}.{ending}": case
    for ending, cases in [("safetensors", SAFETENSORS), ("gguf", GGUF), ("npy", NPY)]
    for name, case in cases.items()
}

WORKER = """
import json, resource, sys, time
import melix.core as mx
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
for line in sys.stdin:
    path = json.loads(line)
    print("loading", json.dumps(path), flush=True)
    memory, start = peak(), time.process_time()
    try:
        mx.load(path)
        said = "accepted"
    except (ValueError, OSError) as error:
        said = [str(error), error.file, error.offset, error.field, error.rule]
    print(json.dumps([path, said, time.process_time() - start, peak() - memory]), flush=True)
"""


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory):
    """Path -> (what load says, seconds, bytes)."""
    folder = tmp_path_factory.mktemp("hostile")
    paths = []
    for name, (content, _) in FILES.items():
        paths.append(folder / name.replace("/", "_"))
        paths[-1].write_bytes(content)
    lines = "".join(json.dumps(str(p)) + "\n" for p in paths)
    done = subprocess.run(
        [sys.executable, "-c", WORKER], input=lines, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-200:] + done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
    return {name: (path, *verdict[1:]) for name, path, verdict in zip(FILES, paths, found)}


@pytest.mark.parametrize("name", FILES)
def test_is_refused_quickly_and_says_why(name, verdicts):
    path, said, seconds, memory = verdicts[name]
    content, expected = FILES[name]
    assert said != "accepted"
    message, file, offset, field, rule = said
    assert file == str(path) and rule and (offset is None or 0 <= offset <= len(content))
    assert re.search(expected, f"{field}: {rule}"), message
    assert len(message) < 1000 and message.isprintable()
    assert seconds <= SECONDS and memory <= len(content) + MEMORY


def load(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    return mx.load(str(path))


def test_what_looks_odd_and_is_legal(tmp_path):
    got = load(tmp_path, "a.safetensors", one("F64", (), (0, 8), data=struct.pack("<d", 1.5)))
    assert got["t"].shape == () and got["t"].item() == 1.5
    empty = load(
        tmp_path, "b.safetensors", two(tensor("F32", (0, 7), (0, 0)), tensor("U8", (0,), (0, 0)), b"")
    )
    assert empty["a"].shape == (0, 7) and empty["b"].shape == (0,)
    # Doubles at an odd address.
    odd = two(tensor("U8", (1,), (0, 1)), tensor("F64", (2,), (1, 17)), b"\7" + struct.pack("<2d", 1.5, -2.0))
    assert load(tmp_path, "c.safetensors", odd)["b"].tolist() == [1.5, -2.0]
    bools = load(tmp_path, "d.safetensors", one("BOOL", (4,), (0, 4), data=bytes([0, 1, 2, 255])))["t"]
    assert mx.sum(bools).item() == 3 and (bools == True).tolist() == [False, True, True, True]  # noqa: E712
    assert mx.where(bools, 1, 0).tolist() == bools.astype(mx.int32).tolist() == [0, 1, 1, 1]
    names = {n: tensor("U8", (0,), (0, 0)) for n in ("../../x", "a\0b", "\n\x1b[0m", "x" * (1 << 20), "")}
    assert list(load(tmp_path, "e.safetensors", safetensors(names))) == list(names)
    assert os.listdir(tmp_path.parent).count("x") == 0
    for name in ("F8_E4M3", "F8_E5M2", "F8_E8M0"):
        assert load(tmp_path, "f.safetensors", one(name, (2,), (0, 2), data=b"\x38\xff"))["t"].tolist() == [
            0x38,
            0xFF,
        ]
    scalar = load(tmp_path, "a.gguf", tensors(entry(())))["t"]
    assert scalar.shape == () and scalar.dtype == mx.float32
    assert load(tmp_path, "b.gguf", tensors(entry((0, 3))))["t"].shape == (3, 0)


def test_scales_that_are_no_numbers_load(tmp_path):
    block = struct.pack("<e", float("nan")) + bytes(16) + struct.pack("<e", float("inf")) + bytes(16)
    got = load(tmp_path, "a.gguf", tensors(entry((64,), 2, name="w.weight"), data=0) + block)
    scales = np.array(got["w.scales"])
    assert np.isnan(scales[0]) and np.isinf(scales[1]) and got["w.weight"].shape == (8,)


def test_many_tensors_load_in_time(tmp_path):
    path = str(tmp_path / "a.safetensors")
    header = {f"model.layers.{i}.self_attn.q_proj": tensor("U8", (1,), (i, i + 1)) for i in range(100_000)}
    load(tmp_path, "a.safetensors", safetensors(header, b"\1" * 100_000))
    start = time.process_time()
    got = mx.load(path)
    assert time.process_time() - start <= 0.5
    assert len(got) == 100_000
