"""Records of quantized products (melix/ops/quantized.h), and the formats against mlx, gguf and NumPy."""

import subprocess
import sys

import gguf
import numpy as np
import pytest

from tests.runner import Record, Tolerance, bad, call, mx, operation_tests, uniform

FLOATS = ("float16", "bfloat16", "float32", "float64")
BITS = (1, 2, 3, 4, 5, 6, 8)
WORD_MODES = ("mxfp4", "mxfp8", "nvfp4")
BLOCKS = {
    name: getattr(gguf.GGMLQuantizationType, name.upper())
    for name in ("q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "q2_k", "q3_k", "q4_k", "q5_k", "q6_k", "mxfp4")
}
MADE = ("q4_0", "q4_1", "q5_0", "q5_1", "q8_0")
FP4 = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6, 0, -0.5, -1, -1.5, -2, -3, -4, -6])


def codes_of(w, bits):
    """The codes of packed words, as integers."""
    fields = np.unpackbits(np.ascontiguousarray(w).view(np.uint8), axis=-1, bitorder="little")
    return (fields.reshape(*w.shape[:-1], w.shape[-1] * 32 // bits, bits) << np.arange(bits)).sum(-1)


def packed(codes, bits):
    fields = (codes[..., None].astype(np.uint8) >> np.arange(bits)) & 1
    flat = fields.reshape(*codes.shape[:-1], codes.shape[-1] * bits)
    return np.packbits(flat, axis=-1, bitorder="little").view(np.uint32)


def fp8(x):
    x = x.astype(np.int64)
    exponent, fraction = x >> 3 & 15, x & 7
    value = np.where(exponent > 0, (1 + fraction / 8) * 2.0 ** (exponent - 7), fraction * 2.0**-9)
    return np.where(x & 127 == 127, np.nan, np.where(x & 128, -value, value))


def values(w, scales=None, biases=None, group_size=None, bits=None, mode="affine"):
    """What a quantized weight stands for, in double."""
    if mode in BLOCKS and scales is None:
        return gguf.quants.dequantize(w, BLOCKS[mode]).astype(np.float64)
    if mode == "affine":
        each = lambda a: np.repeat(a.astype(float), group_size or 64, -1)
        return each(scales) * codes_of(w, bits or 4) + each(biases)
    eight = mode == "mxfp8"
    codes = fp8(codes_of(w, 8)) if eight else FP4[codes_of(w, 4)]
    scale = fp8(scales) if mode == "nvfp4" else 2.0 ** (scales.astype(float) - 127)
    return np.repeat(scale, 16 if mode == "nvfp4" else 32, -1) * codes


def product(x, w, scales=None, biases=None, transpose=True, group_size=None, bits=None, mode="affine"):
    full = values(w, scales, biases, group_size, bits, mode)
    return np.matmul(x, np.swapaxes(full, -1, -2) if transpose else full)


def magnitude(x, w, scales, biases, transpose=True, group_size=None, bits=None, mode="affine"):
    """Of the terms, whose codes are centred, and of the biases."""
    full = np.abs(values(w, np.abs(scales), np.abs(biases), group_size, bits))
    k = x.shape[-1]
    return np.sqrt(k) * np.matmul(np.abs(x), np.swapaxes(full, -1, -2) if transpose else full)


def words(of, *shape):
    return of.drawn(shape, lambda rng: rng.integers(0, 2**32, shape, dtype=np.uint32), dtype="uint32")


def product_samples(of):
    for x, w, transpose, group, bits in [
        ((3, 64), (5, 64), True, 64, 4),
        ((1, 128), (7, 128), True, 32, 8),
        ((64,), (3, 64), True, 32, 3),
        ((9, 96), (4, 96), True, 32, 5),
        ((2, 3, 64), (6, 64), True, 32, 6),
        ((2, 4, 1, 64), (4, 3, 64), True, 64, 2),
        ((1, 2, 64), (3, 5, 64), True, 64, 1),
        ((3, 5), (5, 64), False, 32, 4),
        ((20, 6), (6, 128), False, 128, 8),
        ((2, 1, 4), (2, 4, 64), False, 64, 3),
        ((0, 64), (5, 64), True, 64, 4),
        ((2, 0), (0, 64), False, 64, 4),
    ]:
        scales = (*w[:-1], w[-1] // group)
        packed_shape = (*w[:-1], w[-1] * bits // 32)
        yield call(
            of(x),
            words(of, *packed_shape),
            of(scales, domain=uniform(-0.1, 0.1)),
            of(scales),
            transpose=transpose,
            group_size=group,
            bits=bits,
        )


def large_products(of):
    for m, n, k, transpose in [
        (1, 300, 2048, True),
        (6, 150, 2080, True),
        (30, 300, 1056, True),
        (5, 40, 512, False),
    ]:
        w = (n, k) if transpose else (k, n := 320)
        scales = (w[0], w[1] // 32)
        yield call(
            of(m, k),
            words(of, w[0], w[1] // 8),
            of(scales, domain=uniform(-0.1, 0.1)),
            of(scales),
            transpose=transpose,
            group_size=32,
        )


def gather_samples(of):
    whole = lambda values: of.given(np.array(values, dtype=np.int32), dtype="int32")
    scales = lambda *shape: (of(shape, domain=uniform(-0.1, 0.1)), of(shape))
    w, (s, b) = words(of, 4, 3, 8), scales(4, 3, 1)
    yield call(of(2, 5, 64), w, s, b, whole([0, 1, 1]), whole([3, 0, 3]))
    yield call(of(4, 1, 64), w, s, b, None, whole([2, -1, 2, 0]))
    yield call(of(2, 1, 1, 64), w, s, b, None, whole([[3, 1], [0, 2]]))
    yield call(of(3, 10, 3), w, s, b, whole([[0], [2]]), whole([1, 1, 2]), transpose=False)
    yield call(of(4, 2, 64), w, s, b)


def gathered(x, w, scales, biases, lhs=None, rhs=None, transpose=True):
    batch = lambda a: np.arange(np.prod(a.shape[:-2], dtype=int)).reshape(a.shape[:-2])
    lhs, rhs = np.broadcast_arrays(batch(x) if lhs is None else lhs, batch(w) if rhs is None else rhs)
    flat = lambda a, i: a.reshape(-1, *a.shape[-2:])[i]
    return product(flat(x, lhs), flat(w, rhs), flat(scales, rhs), flat(biases, rhs), transpose)


def gathered_magnitude(x, w, scales, biases, lhs=None, rhs=None, transpose=True):
    return 8 * gathered(np.abs(x), w, np.abs(scales), np.abs(biases), lhs, rhs, transpose)


def dequantized(variant, types, ulp, why):
    return Record(
        "dequantize",
        lambda of: (
            call(words(of, *w, 3 * b), of(*w, 96 // 32), of(*w, 96 // 32), group_size=32, bits=b)
            for w, b in [((2,), 4), ((3, 1), 3), ((1,), 8), ((0,), 2), ((2, 2), 5)]
        ),
        values,
        variant=variant,
        dtypes=types,
        nonfinite=False,
        skip={"rejects": "the two records have the floating types between them"},
        tolerance=Tolerance(
            ulp=ulp,
            scale=lambda w, s, b, group_size, bits: values(w, np.abs(s), np.abs(b), group_size, bits),
            why=why,
        ),
    )


SKIP = {"instruction_sets": "products use the fused multiply-add of an instruction set (docs/numerics.md)"}
MESSAGE = lambda of, **more: call(of(3, 64), words(of, 5, 8), of(5, 1), of(5, 1), **more)
RECORDS = [
    Record(
        "quantized_matmul",
        product_samples,
        product,
        dtypes=FLOATS,
        large=large_products,
        nonfinite=False,
        skip=SKIP,
        tolerance=Tolerance(ulp=8, scale=magnitude, why="a sum of K products of codes, scaled by group"),
        bad=(
            bad(lambda of: MESSAGE(of, bits=7), "7 bits"),
            bad(lambda of: MESSAGE(of, bits=8), "(5, 8)", "scales"),
            bad(lambda of: MESSAGE(of, group_size=16), "32, 64 or 128", "16"),
            bad(lambda of: MESSAGE(of, mode="q9"), "'q9'"),
            bad(lambda of: MESSAGE(of, mode="mxfp4"), "mxfp4", "no biases"),
            bad(lambda of: call(of(3, 32), words(of, 5, 8), of(5, 1), of(5, 1)), "(3, 32)", "(5, 64)"),
            bad(lambda of: call(of(3, 64), words(of, 5, 8), of(5, 1)), "biases"),
            bad(lambda of: call(of(3, 64), words(of, 5, 8)), "scales"),
            bad(lambda of: call(of(), words(of, 5, 8), of(5, 1), of(5, 1)), "scalar"),
            bad(lambda of: call(of(3, 64), words(of, 8), of(5, 1), of(5, 1)), "two axes"),
        ),
    ),
    Record(
        "gather_qmm",
        gather_samples,
        gathered,
        dtypes=FLOATS,
        nonfinite=False,
        skip=SKIP,
        tolerance=Tolerance(ulp=8, scale=gathered_magnitude, why="a sum of K products"),
        bad=(
            bad(
                lambda of: call(
                    of(2, 5, 64), words(of, 4, 3, 8), of(4, 3, 1), of(4, 3, 1), of(2, domain=uniform(0, 1))
                ),
                "indices",
            ),
            bad(lambda of: call(of(2, 5, 64), words(of, 4, 3, 8), of(4, 3, 1), of(4, 3, 1)), "(2,)", "(4,)"),
        ),
    ),
    dequantized("wide", ("float32", "float64"), 2, "a product and a sum, each rounded"),
    dequantized(
        "half", ("float16", "bfloat16"), 2**16, "the product of 16 bits is rounded before the sum, as in mlx"
    ),
]
test_operations = operation_tests(RECORDS, __file__)


def as_numpy(a):
    return np.array(a.astype(mx.float32)) if a.dtype == mx.bfloat16 else np.array(a)


def equal_bits(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")


def weights(rng, rows=24, k=256):
    w = rng.normal(size=(rows, k)).astype(np.float32)
    w[0], w[1], w[2], w[3] = 0, 1.5, -2, np.abs(w[3])
    w[4] *= 1e-6
    w[5] *= 1e3
    return w


# ---- the installed mlx: the same words, scales and values ----

THEIRS = """
import sys, numpy as np, mlx.core as mx
given = np.load(sys.argv[1]); out = {}
as_numpy = lambda a: np.array(a.astype(mx.float32)) if a.dtype == mx.bfloat16 else np.array(a)
for key in eval(sys.argv[3]):
    mode, bits, group, dtype, scale = key
    kwargs = {"mode": mode, "bits": bits, "group_size": group}
    extra = {} if scale is None else {"global_scale": mx.array(scale)}
    parts = mx.quantize(mx.array(given["w"]).astype(getattr(mx, dtype)), **kwargs, **extra)
    for i, part in enumerate(parts): out[f"{key}{i}"] = as_numpy(part)
    for to in ("float32", "float16", "bfloat16", None):
        to_type = {} if to is None else {"dtype": getattr(mx, to)}
        out[f"{key}{to}"] = as_numpy(mx.dequantize(*parts, **kwargs, **extra, **to_type))
bytes_ = mx.array(np.arange(256, dtype=np.uint8))
out["from_fp8"] = as_numpy(mx.from_fp8(bytes_, dtype=mx.float32))
out["to_fp8"] = as_numpy(mx.to_fp8(mx.array(given["f"])))
np.savez(sys.argv[2], **out)
"""


def test_words_scales_and_values_are_those_of_mlx(tmp_path):
    pytest.importorskip("mlx.core")
    rng = np.random.default_rng(1)
    w = weights(rng)
    floats = np.concatenate(
        [rng.normal(size=3000) * 10.0 ** rng.uniform(-5, 4, 3000), [0, -0.0, 448, 464, 465, 1e9]]
    )
    floats = floats.astype(np.float32)
    np.savez(tmp_path / "given.npz", w=w, f=floats)
    keys = [
        ("affine", b, g, d, None)
        for b in BITS
        for g in (32, 64, 128)
        for d in ("float32", "float16", "bfloat16")
    ]
    keys += [(m, None, None, d, None) for m in WORD_MODES for d in ("float32", "bfloat16")]
    keys += [("nvfp4", None, None, "float32", s) for s in (0.37, 3.0, 1000.0)]
    subprocess.run(
        [sys.executable, "-c", THEIRS, tmp_path / "given.npz", tmp_path / "theirs.npz", repr(keys)],
        check=True,
        timeout=120,
    )
    theirs = np.load(tmp_path / "theirs.npz")
    for key in keys:
        mode, bits, group, dtype, scale = key
        kwargs = {"mode": mode, "bits": bits, "group_size": group}
        extra = {} if scale is None else {"global_scale": mx.array(scale)}
        parts = mx.quantize(mx.array(w).astype(getattr(mx, dtype)), **kwargs, **extra)
        for i, part in enumerate(parts):
            assert equal_bits(as_numpy(part), theirs[f"{key}{i}"]), (key, i)
        for to in ("float32", "float16", "bfloat16", None):
            if scale is not None and to != "float32":
                continue  # with a global scale mlx gives float32, whatever is asked for
            to_type = {} if to is None else {"dtype": getattr(mx, to)}
            ours = as_numpy(mx.dequantize(*parts, **kwargs, **extra, **to_type))
            assert equal_bits(ours, theirs[f"{key}{to}"]), (key, to)
    assert equal_bits(
        np.array(mx.from_fp8(mx.array(np.arange(256, dtype=np.uint8)), dtype=mx.float32)), theirs["from_fp8"]
    )
    assert equal_bits(np.array(mx.to_fp8(mx.array(floats))), theirs["to_fp8"])


# ---- NumPy ----


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("group", [32, 64, 128])
def test_affine_is_within_half_a_step(bits, group):
    rng = np.random.default_rng(bits)
    w = rng.normal(size=(3, 5, 256)).astype(np.float32)
    q, s, b = mx.quantize(mx.array(w), group, bits)
    assert q.shape == (3, 5, 256 * bits // 32) and s.shape == b.shape == (3, 5, 256 // group)
    expected = values(np.array(q), np.array(s), np.array(b), group, bits)
    got = np.array(mx.dequantize(q, s, b, group, bits))
    assert np.abs(got - expected).max() < 1e-5
    step = np.repeat(np.abs(np.array(s)), group, -1)
    assert (np.abs(expected - w) <= (1.01 if bits > 1 else 0.51) * step).all()
    assert np.array_equal(packed(codes_of(np.array(q), bits), bits), np.array(q))


@pytest.mark.parametrize("mode", WORD_MODES)
def test_floating_modes_give_their_values(mode):
    rng = np.random.default_rng(5)
    w = weights(rng)
    q, s = mx.quantize(mx.array(w), mode=mode)
    got = np.array(mx.dequantize(q, s, mode=mode, dtype=mx.float32))
    assert np.array_equal(got, values(np.array(q), np.array(s), mode=mode))
    error = ((got[6:] - w[6:]) ** 2).mean() / (w[6:] ** 2).mean()
    assert error < (2e-3 if mode == "mxfp8" else 2e-2)


def test_fp8_rounds_to_nearest_even():
    every = np.arange(127, dtype=np.uint8)
    exact = fp8(every).astype(np.float32)
    assert np.array_equal(np.array(mx.to_fp8(mx.array(exact))), every)
    assert np.array_equal(np.array(mx.to_fp8(mx.array(-exact))), every | 128)
    middle = ((exact[1:].astype(np.float64) + exact[:-1]) / 2).astype(np.float32)
    below = np.arange(126, dtype=np.uint8)
    assert np.array_equal(np.array(mx.to_fp8(mx.array(middle))), below + (below & 1))
    assert np.array_equal(np.array(mx.to_fp8(mx.array(np.nextafter(middle, np.float32(1e9))))), below + 1)
    assert mx.from_fp8(mx.array(every)).dtype == mx.bfloat16
    for kind in (mx.int32, mx.bool_, mx.complex64):
        with pytest.raises(ValueError, match="to_fp8"):
            mx.to_fp8(mx.zeros((2,), dtype=kind))
    with pytest.raises(ValueError, match="uint8"):
        mx.from_fp8(mx.zeros((2,)))
    with pytest.raises(ValueError, match="int32"):
        mx.from_fp8(mx.array(every), mx.int32)


# ---- blocks of GGUF ----


def random_blocks(rng, mode, rows, k):
    """Bytes whose scales are small finite numbers, and everything else any bits."""
    elements, size = gguf.GGML_QUANT_SIZES[BLOCKS[mode]]
    raw = rng.integers(0, 256, (rows, k // elements, size), dtype=np.uint8)
    halves = {
        "q4_0": [0],
        "q4_1": [0, 2],
        "q5_0": [0],
        "q5_1": [0, 2],
        "q8_0": [0],
        "q2_k": [80, 82],
        "q3_k": [108],
    }
    halves |= {"q4_k": [0, 2], "q5_k": [0, 2], "q6_k": [208], "mxfp4": []}
    for at in halves[mode]:
        numbers = rng.uniform(-0.02, 0.02, raw.shape[:2]).astype(np.float16)
        raw[..., at : at + 2] = numbers[..., None].view(np.uint8)
    if mode == "mxfp4":
        raw[..., 0] = rng.integers(115, 125, raw.shape[:2])
    return raw.reshape(rows, -1)


@pytest.mark.parametrize("mode", BLOCKS)
def test_blocks_give_the_values_of_the_gguf_package(mode):
    raw = random_blocks(np.random.default_rng(3), mode, 7, 1280)
    expected = gguf.quants.dequantize(raw, BLOCKS[mode])
    got = np.array(mx.dequantize(mx.array(raw), mode=mode))
    assert got.dtype == np.float32 and np.array_equal(got, expected)
    half = np.array(mx.dequantize(mx.array(raw), mode=mode, dtype=mx.float16))
    assert np.array_equal(half, expected.astype(np.float16))


@pytest.mark.parametrize("mode", MADE)
def test_blocks_are_made_as_the_gguf_package_makes_them(mode):
    w = weights(np.random.default_rng(4))
    (got,) = mx.quantize(mx.array(w), mode=mode)
    assert np.array_equal(np.array(got), gguf.quants.quantize(w, BLOCKS[mode]))


@pytest.mark.parametrize("mode", ["q2_k", "q3_k", "q4_k", "q5_k", "q6_k"])
def test_blocks_that_are_not_made_are_an_error(mode):
    with pytest.raises(ValueError, match=f"quantize.*{mode}"):
        mx.quantize(mx.zeros((2, 256)), mode=mode)


# ---- products of every format ----


def nmse(got, expected):
    return ((got - expected) ** 2).sum() / (expected**2).sum()


def weight_of(mode, bits, rng, n, k, dtype):
    """Packed arrays and their values in double."""
    if mode in BLOCKS and bits is None:
        raw = random_blocks(rng, mode, n, k)
        return [mx.array(raw)], values(raw, mode=mode), {"mode": mode}
    mode, group = mode.split("/") if "/" in mode else (mode, None)
    w = mx.array(rng.normal(size=(n, k)).astype(np.float32)).astype(dtype)
    kwargs = {"mode": mode, "bits": bits, "group_size": group and int(group)}
    parts = mx.quantize(w, **kwargs)
    return list(parts), values(*(as_numpy(p) for p in parts), **kwargs), kwargs


FORMATS = [(f"affine/{g}", b) for b in BITS for g in (32, 128)] + [
    (m, 8 if m == "mxfp8" else 4) for m in WORD_MODES
]
FORMATS += [(m, None) for m in BLOCKS]


@pytest.mark.parametrize("mode, bits", FORMATS)
@pytest.mark.parametrize("dtype, bound", [("float32", 1e-11), ("float16", 1e-6), ("bfloat16", 1e-4)])
def test_products_are_those_of_the_values_in_double(mode, bits, dtype, bound):
    rng = np.random.default_rng(7)
    kind = getattr(mx, dtype)
    n, k = 33, 1280
    parts, full, kwargs = weight_of(mode, bits, rng, n, k, kind)
    for m in (1, 3, 8, 9, 40):
        x = mx.array(rng.normal(size=(m, k)).astype(np.float32)).astype(kind)
        got = as_numpy(mx.quantized_matmul(x, *parts, **kwargs))
        assert nmse(got, as_numpy(x).astype(float) @ full.T) <= bound
        x = mx.array(rng.normal(size=(m, n)).astype(np.float32)).astype(kind)
        got = as_numpy(mx.quantized_matmul(x, *parts, transpose=False, **kwargs))
        assert nmse(got, as_numpy(x).astype(float) @ full) <= bound
    stacked = [mx.stack([p, p[::-1]]) for p in parts]
    x = mx.array(rng.normal(size=(4, 1, k)).astype(np.float32)).astype(kind)
    got = as_numpy(mx.gather_qmm(x, *stacked, rhs_indices=mx.array([1, 0, 1, 1]), **kwargs))
    both = np.stack([full, full[::-1]])[[1, 0, 1, 1]]
    assert nmse(got, as_numpy(x).astype(float) @ np.swapaxes(both, -1, -2)) <= bound


@pytest.mark.parametrize("mode", ["nvfp4", "mxfp8", "mxfp4"])
def test_qqmm_quantizes_both(mode):
    rng = np.random.default_rng(8)
    x, w = (mx.array(rng.normal(size=s).astype(np.float32)) for s in ((6, 128), (10, 128)))
    seen = lambda a: values(*(np.array(p) for p in mx.quantize(a, mode=mode)), mode=mode)
    expected = seen(x) @ seen(w).T
    q, s = mx.quantize(w, mode=mode)
    for got in (mx.qqmm(x, w, mode=mode), mx.qqmm(x, q, s, mode=mode)):
        assert nmse(np.array(got), expected) < 1e-11
    gathered = mx.gather_qqmm(mx.stack([x, -x]), mx.stack([w, w]), rhs_indices=mx.array([1, 0]), mode=mode)
    assert nmse(np.array(gathered), np.stack([expected, -expected])) < 1e-11
    packed_too = mx.gather_qqmm(x[None], mx.stack([q]), mx.stack([s]), mode=mode)
    assert nmse(np.array(packed_too)[0], expected) < 1e-11
    dx, dw = mx.grad(lambda a, b: mx.qqmm(a, b, mode=mode).sum(), argnums=(0, 1))(x, w)
    assert nmse(np.array(dx), np.ones((6, 10)) @ seen(w)) < 1e-11
    assert nmse(np.array(dw), np.ones((10, 6)) @ seen(x)) < 1e-11
    with pytest.raises(ValueError, match=r"qqmm.*scales"):
        mx.qqmm(x, q)
    with pytest.raises(ValueError, match="global"):
        mx.qqmm(x, q, s, mode=mode, global_scale_x=mx.array(1.0))


def test_qqmm_with_global_scales():
    rng = np.random.default_rng(9)
    x, w = (mx.array(rng.normal(size=s).astype(np.float32)) for s in ((6, 128), (10, 128)))
    gx, gw = mx.array(5.0), mx.array(4.0)
    q, s = mx.quantize(w, mode="nvfp4", global_scale=gw)
    assert (
        nmse(np.array(mx.dequantize(q, s, mode="nvfp4", global_scale=gw, dtype=mx.float32)), np.array(w))
        < 2e-2
    )
    one = mx.qqmm(x, q, s, global_scale_x=gx, global_scale_w=gw)
    two = mx.qqmm(x, w, global_scale_x=gx, global_scale_w=gw)
    assert nmse(np.array(one), np.array(two)) < 1e-11
    assert nmse(np.array(one), np.array(x @ w.T)) < 4e-2


def test_packed_weights_are_checked():
    x = mx.zeros((2, 64))
    with pytest.raises(ValueError, match="uint8"):
        mx.quantized_matmul(x, mx.zeros((2, 8), dtype=mx.uint32), mode="q4_0")
    with pytest.raises(ValueError, match="18 bytes"):
        mx.quantized_matmul(x, mx.zeros((2, 35), dtype=mx.uint8), mode="q4_0")
    with pytest.raises(ValueError, match="uint32"):
        mx.dequantize(mx.zeros((2, 8), dtype=mx.int32), mx.zeros((2, 1)), mx.zeros((2, 1)))
    with pytest.raises(ValueError, match="no multiple of 64"):
        mx.quantize(mx.zeros((2, 100)))
    with pytest.raises(ValueError, match="int32"):
        mx.quantize(mx.zeros((2, 64), dtype=mx.int32))
    with pytest.raises(ValueError, match="two axes"):
        mx.quantize(mx.zeros((64,)))
    with pytest.raises(ValueError, match="nvfp4"):
        mx.quantize(mx.zeros((2, 64)), mode="mxfp4", global_scale=mx.array(1.0))


def test_transforms_see_quantized_weights():
    rng = np.random.default_rng(10)
    w = mx.array(rng.normal(size=(5, 3, 64)).astype(np.float32))
    x = mx.array(rng.normal(size=(5, 2, 64)).astype(np.float32))
    q, s, b = mx.quantize(w)
    each = [mx.quantize(w[i]) for i in range(5)]
    for together, parts in zip(mx.vmap(lambda a: tuple(mx.quantize(a)))(w), zip(*each)):
        assert np.array_equal(np.array(together), np.array(mx.stack(list(parts))))
    back = mx.vmap(lambda *parts: mx.dequantize(*parts))(q, s, b)
    assert np.array_equal(np.array(back), np.array(mx.dequantize(q, s, b)))
    got = mx.vmap(lambda row, *parts: mx.quantized_matmul(row, *parts))(x, q, s, b)
    loop = mx.stack([mx.quantized_matmul(x[i], *each[i]) for i in range(5)])
    assert np.array_equal(np.array(got), np.array(loop))
