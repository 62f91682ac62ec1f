"""What melix takes, the reference packages take too, as the same arrays: over mutated files.

./dev test looks at some thousands of each format; MELIX_TEST_FULL or MELIX_FILES=N at more. What melix refuses and the
reference takes has to be one of the rules that are stricter on purpose.
"""

import io
import json
import os
import re
import warnings
from collections import Counter

import numpy as np
import pytest

import melix.core as mx
from tests.file_mutations import mutations

FULL = bool(os.environ.get("MELIX_TEST_FULL"))
FILES = int(os.environ.get("MELIX_FILES", 200_000 if FULL else 4_000))
SEED = int(os.environ.get("MELIX_TEST_SEED", 1))


def ours(data, kind):
    """Name -> array, or the text of the error."""
    try:
        loaded = mx.load(io.BytesIO(data), format=kind, **({"gguf_blocks": True} if kind == "gguf" else {}))
        arrays = loaded[0] if kind == "gguf" else loaded if isinstance(loaded, dict) else {"": loaded}
        mx.eval(arrays)
        return arrays
    except ValueError as error:
        assert error.rule, error
        return str(error)


def raw(a):
    a = a.view(mx.uint16) if a.dtype == mx.bfloat16 else a
    return np.ascontiguousarray(np.array(a)).tobytes()


def by_safetensors(data):
    return {
        name: (tuple(t["shape"]), t["dtype"], bytes(t["data"]))
        for name, t in __import__("safetensors").deserialize(data)
    }


# What the package takes and we do not, by the rule that we name.
STRICTER = r"must begin with {|no type that arrays can have|at most 2\^63|more than 64|is nested deeper"


def has_repeats(data):
    """Whether a key of the header comes twice in one object."""
    found = []

    def look(pairs):
        found.extend(key for key, n in Counter(key for key, _ in pairs).items() if n > 1)
        return dict(pairs)

    json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")], object_pairs_hook=look)
    return bool(found)


def disagreement_of_safetensors(data):
    got = ours(data, "safetensors")
    try:
        wanted = by_safetensors(data)
    except Exception as error:
        return None if isinstance(got, str) else f"taken, but the reference says {error}"
    if isinstance(got, str):
        stricter = re.search(STRICTER, got) or has_repeats(data)
        return None if stricter else f"refused, but the reference takes it: {got}"
    if set(got) != set(wanted):
        return f"names {set(got)} and {set(wanted)}"
    for name, (shape, dtype, content) in wanted.items():
        same = raw(got[name]) == content or (
            dtype == "BOOL" and raw(got[name]) == bytes(b != 0 for b in content)
        )
        if got[name].shape != shape or not same:
            return f"{name}: {got[name]} and {shape}, {content!r}"
    return None


def disagreement_of_gguf(data, folder):
    import gguf

    got = ours(data, "gguf")
    if isinstance(got, str):
        return None  # the package checks little: a file that it takes may still be wrong
    path = folder / "file.gguf"
    path.write_bytes(data)
    try:
        wanted = {t.name: t for t in gguf.GGUFReader(path).tensors}
    except Exception as error:
        return f"taken, but the reference says {type(error).__name__} {error}"
    if set(got) != set(wanted):
        return f"names {set(got)} and {set(wanted)}"
    for name, tensor in wanted.items():
        if got[name].size and raw(got[name]) != tensor.data.tobytes():
            return f"{name}: other bytes"
    return None


def disagreement_of_numpy(data, kind):
    got = ours(data, kind)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = np.load(io.BytesIO(data), allow_pickle=False)
            wanted = {n: found[n] for n in found.files} if kind == "npz" else {"": found}
    except Exception as error:
        return (
            None if isinstance(got, str) else f"taken, but the reference says {type(error).__name__} {error}"
        )
    if isinstance(got, str):
        return None  # NumPy takes many a header, and damaged members that it was not asked for
    if set(got) != set(wanted):
        return f"names {set(got)} and {set(wanted)}"
    for name, a in wanted.items():
        if a.dtype.kind == "V":  # bfloat16
            continue
        if got[name].shape != a.shape or not np.array_equal(np.array(got[name]), a, equal_nan=True):
            return f"{name!r}: {got[name]} and {a}"
    return None


@pytest.mark.parametrize("kind", ["safetensors", "gguf", "npy", "npz"])
def test_agrees_with_the_reference(kind, tmp_path):
    if kind in ("safetensors", "gguf"):
        pytest.importorskip(kind)
    check = {
        "safetensors": disagreement_of_safetensors,
        "gguf": lambda data: disagreement_of_gguf(data, tmp_path),
    }.get(kind, lambda data: disagreement_of_numpy(data, kind))
    found = Counter()
    examples = {}
    for data in mutations(kind, FILES if kind == "safetensors" else FILES // 2, SEED):
        why = check(data)
        if why:
            found[why] += 1
            examples.setdefault(why, data)
    assert not found, "\n".join(
        f"{n} x {why}\n    {examples[why][:300]!r}" for why, n in found.most_common(10)
    )
