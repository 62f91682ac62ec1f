"""Small files of each format, and mutations of them that keep most of their structure: what the tests against the
reference packages and the fuzzers start from.

    python tests/file_mutations.py DIR      writes the files that fuzzing starts from into DIR/<format>/
"""

import io
import json
import pathlib
import random
import struct
import sys
import zipfile

import numpy as np

INTERESTING = [
    0,
    1,
    2,
    3,
    7,
    8,
    9,
    31,
    32,
    33,
    64,
    127,
    128,
    255,
    256,
    65535,
    65536,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**32,
]
INTERESTING += [2**32 + 1, 2**40, 2**62, 2**63 - 1, 2**63, 2**64 - 8, 2**64 - 1]
WORDS = [
    b'"F32"',
    b'"U8"',
    b'"BOOL"',
    b'"F8_E4M3"',
    b'"C64"',
    b'"dtype"',
    b'"shape"',
    b'"data_offsets"',
    b"null",
    b"true",
]
WORDS += [
    b'"__metadata__"',
    b"[]",
    b"{}",
    b"[0,0]",
    b"-1",
    b"1e3",
    b"1.5",
    b'"\\ud800"',
    b'"\\u0000"',
    b"\xff",
    b"  ",
    b",",
]


def u64(n):
    return struct.pack("<Q", n)


def safetensors_files():
    def make(header, data=b""):
        text = json.dumps(header, separators=(",", ":")).encode()
        return u64(len(text)) + text + data

    def tensor(dtype, shape, begin, end):
        return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}

    yield make({})
    yield make({"a": tensor("F32", [2, 3], 0, 24)}, bytes(24))
    yield make({"b": tensor("BOOL", [3], 8, 11), "a": tensor("F64", [], 0, 8)}, bytes(range(11)))
    yield make({"__metadata__": {"format": "pt", "é": "\n"}, "e": tensor("I8", [0, 4], 0, 0)})
    kinds = [("BF16", 2), ("F16", 2), ("I64", 8), ("U32", 4), ("F8_E5M2", 1), ("C64", 8)]
    header, at = {}, 0
    for kind, size in kinds:
        header[f"layer.{kind}"] = tensor(kind, [1, 2], at, at + 2 * size)
        at += 2 * size
    yield make(header, bytes(at))


def gguf_files():
    def text(s):
        return u64(len(s)) + s.encode()

    def make(keys, tensors, data, version=3, alignment=32):
        out = b"GGUF" + struct.pack("<I", version) + u64(len(tensors)) + u64(len(keys)) + b"".join(keys)
        for name, dims, kind, offset in tensors:
            out += (
                text(name)
                + struct.pack("<I", len(dims))
                + b"".join(map(u64, dims))
                + struct.pack("<I", kind)
                + u64(offset)
            )
        return out + bytes(-len(out) % alignment) + data

    def key(name, kind, value):
        return text(name) + struct.pack("<I", kind) + value

    keys = [
        key("general.architecture", 8, text("test")),
        key("a", 0, b"\1"),
        key("b", 6, struct.pack("<f", 1.5)),
        key("c", 7, b"\1"),
        key("d", 9, struct.pack("<I", 8) + u64(2) + text("x") + text("yz")),
        key("e", 9, struct.pack("<I", 5) + u64(3) + bytes(12)),
        key("f", 10, u64(7)),
        key("g", 12, bytes(8)),
    ]
    yield make([], [], b"")
    yield make(keys, [("w", [4, 2], 0, 0), ("v", [3], 1, 32)], bytes(64))
    yield make(keys[:1], [("q.weight", [64, 2], 2, 0), ("r.weight", [32], 8, 96)], bytes(range(160)))
    yield make(
        [key("general.alignment", 4, struct.pack("<I", 64))],
        [("k", [256], 12, 0), ("m", [32], 39, 192)],
        bytes(256),
        2,
        64,
    )
    yield make([], [("s", [], 28, 0), ("z", [0, 5], 24, 32), ("i", [2, 1, 1, 2], 27, 32)], bytes(64))


def npy_files():
    for a in (
        np.arange(6.0).reshape(2, 3),
        np.asfortranarray(np.ones((2, 2), ">i2")),
        np.bool_(True),
        np.zeros((0, 3), "c8"),
    ):
        out = io.BytesIO()
        np.save(out, a)
        yield out.getvalue()
    out = io.BytesIO()
    np.lib.format.write_array(out, np.arange(3, dtype="u1"), version=(2, 0))
    yield out.getvalue()


def npz_files():
    for save in (np.savez, np.savez_compressed):
        out = io.BytesIO()
        save(out, a=np.arange(100), b=np.float32(1.5), c=np.zeros((3, 0)))
        yield out.getvalue()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        z.comment = b"comment"
        with z.open("x.npy", "w", force_zip64=True) as f:
            np.lib.format.write_array(f, np.ones(50))
    yield out.getvalue()


SEEDS = {"safetensors": safetensors_files, "gguf": gguf_files, "npy": npy_files, "npz": npz_files}


def mutated(seed: bytes, rng: random.Random) -> bytes:
    """One to three changes. A change of the JSON header of safetensors keeps its length right, mostly."""
    data = bytearray(seed)
    for _ in range(rng.choice((1, 1, 2, 3))):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(9):
            case 0 if data:
                data[at % len(data)] = rng.randrange(256)
            case 1 if data:
                data[at % len(data)] ^= 1 << rng.randrange(8)
            case 2:
                del data[at : at + rng.choice((1, 2, 4, 8, 32))]
            case 3:
                data[at:at] = bytes(rng.choice((1, 2, 8, 32)))
            case 4:
                size = rng.choice((1, 2, 4, 8))
                value = rng.choice(INTERESTING) % 256**size
                data[at : at + size] = value.to_bytes(size, "little")
            case 5:
                data[at:at] = data[at : at + rng.choice((1, 8, 24, 60))]
            case 6:
                data[at : at + rng.choice((0, 1, 5))] = rng.choice(WORDS)
            case 7:
                digits = [i for i, c in enumerate(data) if 48 <= c <= 57]
                if digits:
                    i = rng.choice(digits)
                    data[i : i + 1] = str(rng.choice(INTERESTING)).encode()
            case 8:
                data[at:] = b""
    return bytes(data)


def with_header_length(data: bytes, rng: random.Random) -> bytes:
    """The length at the start of a safetensors file set to where its JSON seems to end."""
    end = data.rfind(b"}") + 1
    return u64(max(end - 8, 0)) + data[8:] if end > 8 and rng.random() < 0.8 else data


def mutations(kind: str, number: int, seed: int):
    rng = random.Random(seed)
    seeds = list(SEEDS[kind]())
    for _ in range(number):
        data = mutated(rng.choice(seeds), rng)
        yield with_header_length(data, rng) if kind == "safetensors" else data


def main() -> None:
    for kind, files in SEEDS.items():
        folder = pathlib.Path(sys.argv[1]) / kind
        folder.mkdir(parents=True, exist_ok=True)
        for i, data in enumerate(files()):
            (folder / f"seed-{i}").write_bytes(data)


if __name__ == "__main__":
    main()
