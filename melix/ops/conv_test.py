"""Records of the convolutions (melix/ops/conv.h) against sums over windows in NumPy, and what the kernels promise
beyond them: patches that are never in memory as a whole, and any number of threads."""

import math

import numpy as np
import pytest

from tests.runner import INEXACT, Record, Tolerance, bad, call, mx, operation_tests

FMA = {"instruction_sets": "products use the fused multiply-add of an instruction set (docs/numerics.md)"}


def per_axis(value, dims):
    value = list(value) if isinstance(value, list | tuple) else [value]
    return value * dims if len(value) == 1 else value


def spread(x, dilation, low, high):
    """The input with holes between its elements and zeros around, or with elements left out."""
    for axis, (d, lo, hi) in enumerate(zip(dilation, low, high, strict=True), start=1):
        n = x.shape[axis]
        wide = np.zeros([*x.shape[:axis], (n - 1) * d + 1 if n else 0, *x.shape[axis + 1 :]], x.dtype)
        np.moveaxis(wide, axis, 0)[::d] = np.moveaxis(x, axis, 0)
        wide = np.pad(wide, [(max(lo, 0), max(hi, 0)) if i == axis else (0, 0) for i in range(x.ndim)])
        x = np.moveaxis(np.moveaxis(wide, axis, 0)[max(-lo, 0) : wide.shape[axis] - max(-hi, 0)], 0, axis)
    return x


def general(x, w, stride=1, padding=0, kernel_dilation=1, input_dilation=1, groups=1, flip=False):
    dims = x.ndim - 2
    stride, kernel_dilation, input_dilation = (
        per_axis(v, dims) for v in (stride, kernel_dilation, input_dilation)
    )
    if isinstance(padding, list | tuple) and padding and isinstance(padding[0], list | tuple):
        low, high = (per_axis(p, dims) for p in padding)
    else:
        low = high = per_axis(padding, dims)
    x = spread(x, input_dilation, low, high)
    kernel = w.shape[1:-1]
    if flip:
        w = w[(slice(None), *[slice(None, None, -1)] * dims)]
    out = [
        (n - (k - 1) * d - 1) // s + 1
        for n, k, d, s in zip(x.shape[1:-1], kernel, kernel_dilation, stride, strict=True)
    ]
    result = np.zeros((x.shape[0], *out, w.shape[0]), np.result_type(x, w))
    inner, outer = x.shape[-1] // groups, w.shape[0] // groups
    for k in np.ndindex(*kernel):
        window = tuple(
            slice(i * d, i * d + (o - 1) * s + 1, s)
            for i, d, o, s in zip(k, kernel_dilation, out, stride, strict=True)
        )
        part = x[(slice(None), *window)]
        for g in range(groups):
            weight = w[(slice(g * outer, (g + 1) * outer), *k)]
            result[..., g * outer : (g + 1) * outer] += part[..., g * inner : (g + 1) * inner] @ weight.T
    return result


def plain(x, w, stride=1, padding=0, dilation=1, groups=1):
    return general(x, w, stride, padding, dilation, 1, groups)


def transposed(x, w, stride=1, padding=0, dilation=1, output_padding=0, groups=1):
    dims = x.ndim - 2
    padding, dilation, more = (per_axis(v, dims) for v in (padding, dilation, output_padding))
    low = [d * (k - 1) - p for d, k, p in zip(dilation, w.shape[1:-1], padding, strict=True)]
    high = [a + b for a, b in zip(low, more, strict=True)]
    return general(x, w, 1, (low, high), dilation, stride, groups, True)


def convolved(a, v, mode="full"):
    return np.convolve(a, v, mode)


def magnitude(reference):
    """Errors of a sum of K products grow with its root, at the sum of magnitudes."""

    def of(x, w, *args, **kwargs):
        terms = max(1, w.size if w.ndim == 1 else math.prod(w.shape[1:]))
        wide = complex if "c" in (x.dtype.kind, w.dtype.kind) else float
        return np.sqrt(terms) * reference(np.abs(x.astype(wide)), np.abs(w.astype(wide)), *args, **kwargs)

    return of


GENERAL_1D = [
    ((1, 5, 2), (3, 3, 2), {}),
    ((2, 7, 3), (4, 3, 3), {"padding": ([2], [-1])}),
    ((2, 9, 4), (6, 3, 2), {"stride": 2, "groups": 2, "padding": 1}),
    ((1, 6, 3), (2, 2, 3), {"input_dilation": 3, "stride": 2, "padding": ([-1], [4])}),
    ((2, 5, 2), (3, 4, 2), {"input_dilation": 2, "kernel_dilation": 3, "padding": 5, "flip": True}),
    ((1, 8, 2), (3, 3, 2), {"input_dilation": 2, "stride": 2, "kernel_dilation": 1, "padding": 1}),
    ((1, 4, 1), (1, 2, 1), {"input_dilation": 4, "stride": 6, "padding": 3}),
    ((0, 5, 2), (3, 3, 2), {}),
    ((1, 0, 2), (3, 2, 2), {"padding": 2}),
    ((1, 4, 0), (3, 2, 0), {}),
    ((2, 4, 3), (0, 2, 3), {}),
    ((2, 11, 5), (5, 3, 1), {"groups": 5, "padding": 1, "input_dilation": 2}),
    ((2, 11, 6), (6, 4, 1), {"groups": 6, "padding": 2, "stride": 3, "flip": True}),
    ((1, 9, 3), (6, 3, 1), {"groups": 3, "padding": ([0], [2]), "kernel_dilation": 2}),
    ((2, 13, 1), (1, 5, 1), {"padding": 4, "flip": True}),
    ((1, 5, 9), (18, 3, 9), {"input_dilation": 2, "padding": 2}),
    ((2, 7, 24), (40, 3, 12), {"groups": 2, "padding": ([1], [3]), "kernel_dilation": 2}),
    ((1, 4, 300), (5, 2, 300), {"flip": True}),
    ((1, 9, 6), (12, 3, 2), {"groups": 3, "input_dilation": 3, "padding": 1, "stride": 2}),
]
GENERAL = [
    *GENERAL_1D,
    ((1, 5, 6, 2), (3, 3, 2, 2), {"stride": [2], "padding": [1, 0]}),
    ((2, 5, 4, 4), (4, 3, 2, 2), {"stride": [1, 2], "padding": ([1, 0], [2, 1]), "groups": 2}),
    ((1, 4, 3, 2), (2, 2, 3, 2), {"input_dilation": [2, 3], "padding": 2, "flip": True, "stride": [3, 2]}),
    ((2, 6, 5, 4), (4, 3, 3, 1), {"groups": 4, "padding": [1], "input_dilation": [1, 2], "stride": [2, 1]}),
    ((2, 4, 5, 9), (33, 3, 2, 9), {"stride": [2, 1], "padding": 1, "flip": True}),
    ((1, 3, 4, 5, 2), (2, 2, 2, 3, 2), {"padding": 1, "stride": [1, 2, 2], "kernel_dilation": [2, 1, 1]}),
    ((1, 3, 4, 3, 4), (4, 3, 2, 2, 2), {"padding": ([1, 0, 1], [2, 2, 0]), "groups": 2, "input_dilation": 2}),
    ((1, 3, 4, 5, 3), (3, 2, 3, 2, 1), {"padding": 1, "groups": 3, "stride": [2, 1, 2]}),
]


def samples(cases):
    def make(of):
        for x, w, options in cases:
            yield call(of(x), of(w), **options)

    return make


CONV1D = [
    ((1, 1, 1), (1, 1, 1), {}),
    ((2, 5, 3), (4, 1, 3), {}),
    ((1, 17, 3), (5, 3, 3), {"stride": 2, "padding": 1}),
    ((2, 9, 4), (8, 3, 2), {"groups": 2, "dilation": 2, "padding": 2}),
    ((1, 65, 2), (33, 4, 2), {"padding": -1}),
    ((1, 40, 17), (17, 3, 1), {"groups": 17, "padding": 1}),
    ((3, 21, 2), (4, 5, 1), {"groups": 2, "stride": 2, "padding": 3}),
]
CONV2D = [
    ((1, 3, 4, 2), (3, 1, 1, 2), {}),
    ((2, 6, 7, 3), (5, 3, 3, 3), {"padding": 1}),
    ((1, 8, 9, 4), (4, 3, 2, 2), {"groups": 2, "stride": (2, 1), "dilation": (1, 2)}),
    ((1, 8, 8, 3), (7, 4, 4, 3), {"stride": 4}),
    ((2, 5, 6, 8), (8, 3, 3, 1), {"groups": 8, "padding": (1, 2)}),
    ((1, 7, 7, 16), (32, 1, 1, 16), {"stride": 2}),
    ((1, 6, 5, 6), (6, 3, 3, 3), {"groups": 2, "padding": [1, 0]}),
    ((1, 9, 11, 1), (2, 3, 3, 1), {"padding": 1, "stride": (1, 2)}),
    ((1, 9, 11, 1), (7, 3, 3, 1), {"padding": 1}),
]
CONV3D = [
    ((1, 3, 4, 5, 2), (3, 2, 3, 2, 2), {}),
    ((2, 3, 3, 4, 2), (2, 3, 3, 3, 2), {"padding": 1, "stride": (1, 2, 1)}),
    ((1, 4, 4, 3, 4), (4, 2, 2, 2, 2), {"groups": 2, "padding": (0, 1, 1), "dilation": (2, 1, 1)}),
    ((1, 3, 4, 4, 5), (5, 3, 3, 3, 1), {"groups": 5, "padding": 1}),
]
TRANSPOSED_1D = [
    ((1, 5, 2), (3, 3, 2), {}),
    ((2, 6, 3), (4, 3, 3), {"stride": 2, "padding": 1, "output_padding": 1}),
    ((1, 5, 4), (4, 4, 2), {"stride": 3, "dilation": 2, "groups": 2, "padding": -1}),
    ((1, 5, 2), (3, 3, 2), {"stride": 2, "padding": 5}),
    ((2, 4, 3), (3, 3, 1), {"stride": 2, "groups": 3}),
    ((1, 3, 2), (2, 2, 2), {"stride": 5, "output_padding": 3}),
]
TRANSPOSED_2D = [
    ((1, 3, 4, 2), (3, 3, 2, 2), {}),
    ((2, 4, 3, 2), (2, 2, 2, 2), {"stride": 2}),
    (
        (1, 5, 5, 2),
        (3, 3, 3, 2),
        {"stride": (2, 1), "output_padding": (1, 0), "padding": (1, 2), "dilation": (1, 2)},
    ),
    ((1, 3, 3, 4), (4, 3, 3, 2), {"stride": 2, "padding": 1, "groups": 2}),
]
TRANSPOSED_3D = [
    ((1, 2, 3, 2, 2), (3, 2, 2, 3, 2), {}),
    (
        (1, 2, 2, 3, 3),
        (2, 3, 2, 2, 3),
        {"stride": (2, 1, 2), "padding": (1, 0, 1), "output_padding": (1, 0, 0)},
    ),
    ((1, 2, 2, 2, 4), (4, 2, 2, 2, 2), {"stride": 2, "groups": 2}),
]

LARGE_1D = [
    ((2, 300, 20), (30, 3, 20), {"padding": 1}),
    ((1, 40, 1200), (20, 3, 1200), {"padding": 1}),
    ((2, 3000, 3), (4, 3, 3), {"input_dilation": 2, "padding": 2}),
    ((3, 900, 24), (24, 3, 1), {"groups": 24, "padding": 1, "stride": 2}),
    ((1, 30000, 1), (1, 9, 1), {"padding": 4, "flip": True}),
]
LARGE = [
    ((2, 30, 25, 16), (40, 3, 3, 16), {"stride": 2, "padding": 1}),
    ((1, 30, 40, 16), (32, 3, 3, 8), {"groups": 2, "padding": 1}),
    ((4, 16, 16, 4), (6, 3, 3, 4), {"padding": 1}),
    ((2, 40, 30, 40), (40, 3, 3, 1), {"groups": 40, "padding": 1}),
    ((1, 12, 12, 12, 6), (8, 3, 3, 3, 6), {"padding": 1}),
]


def record(name, reference, cases, large=(), bad=(), **more):
    return Record(
        name,
        samples(cases),
        reference,
        dtypes=INEXACT,
        large=samples(large or cases),
        tolerance=Tolerance(ulp=8, scale=magnitude(reference), why="a sum of K products, each rounded"),
        nonfinite=False,  # zeros of the padding are not multiplied
        skip=FMA,
        bad=bad,
        **more,
    )


def refused(x, w, *parts, **options):
    return bad(lambda of: call(of(x), of(w), **options), *parts)


RECORDS = [
    record(
        "conv_general",
        general,
        GENERAL,
        LARGE_1D + LARGE,
        bad=(
            refused((1, 2), (3, 2), "(1, 2)", "(3, 2)", "1 to 3 spatial"),
            refused((1, 2, 2, 2, 2, 1), (1, 2, 2, 2, 2, 1), "1 to 3 spatial"),
            refused((1, 5, 2), (3, 3, 3, 2), "(1, 5, 2)", "(3, 3, 3, 2)"),
            refused((1, 5, 2), (3, 3, 3), "2 channels", "(1, 5, 2)", "(3, 3, 3)"),
            refused((1, 5, 4), (3, 3, 2), "3 output channels", "2 groups", groups=2),
            refused((1, 5, 4), (4, 3, 2), "groups", "0", groups=0),
            refused((1, 5, 3), (4, 3, 1), "3 channels", "2 groups", groups=2),
            refused((1, 2, 2), (3, 3, 2), "axis 1", "(1, 2, 2)", "shorter"),
            refused((1, 2, 2), (3, 0, 2), "axis 1"),
            refused((1, 5, 2), (3, 3, 2), "shorter", padding=-2),
            refused((1, 5, 2), (3, 3, 2), "shorter", kernel_dilation=3),
            refused((1, 5, 2), (3, 3, 2), "strides", "(0,)", stride=0),
            refused((1, 5, 2), (3, 3, 2), "kernel dilations", "(-1,)", kernel_dilation=-1),
            refused((1, 5, 2), (3, 3, 2), "input dilations", "(0,)", input_dilation=0),
            refused((1, 5, 5, 2), (3, 3, 3, 2), "stride", "(1, 2, 3)", "2 spatial", stride=[1, 2, 3]),
            refused((1, 5, 5, 2), (3, 3, 3, 2), "padding", "(1, 2, 3)", padding=([1, 2, 3], [1])),
            refused((1, 5, 2), (3, 3, 2), "two lists", padding=([1], [1], [1])),
            refused((1, 5, 2), (3, 3, 2), "too long", padding=2**62),
            refused((1, 5, 2), (3, 3, 2), "too long", input_dilation=2**62),
            refused((1, 5, 2), (3, 3, 2), "too long", kernel_dilation=2**62),
        ),
    ),
    record(
        "conv1d",
        plain,
        CONV1D,
        [((2, 3000, 8), (16, 3, 8), {"stride": 2, "padding": 1})],
        bad=(
            refused((5, 2), (3, 2), "(5, 2)", "1 spatial"),
            refused((1, 5, 5, 2), (3, 3, 3, 2), "(1, 5, 5, 2)", "1 spatial"),
            refused((1, 5, 2), (3, 3, 2), "strides", stride=-1),
        ),
    ),
    record("conv2d", plain, CONV2D, LARGE[:4], bad=(refused((1, 5, 2), (3, 3, 2), "2 spatial"),)),
    record("conv3d", plain, CONV3D, LARGE[4:], bad=(refused((1, 5, 5, 2), (3, 3, 3, 2), "3 spatial"),)),
    record(
        "conv_transpose1d",
        transposed,
        TRANSPOSED_1D,
        [((2, 500, 8), (16, 4, 8), {"stride": 2, "padding": 1})],
        bad=(
            refused((5, 2), (3, 2), "(5, 2)", "1 spatial"),
            refused((1, 5, 2), (3, 3, 2), "strides", "(0,)", stride=0),
            refused((1, 5, 2), (3, 3, 2), "shorter", stride=2, padding=7),
            refused((1, 5, 2), (3, 3, 2), "too large", padding=2**62),
        ),
    ),
    record(
        "conv_transpose2d",
        transposed,
        TRANSPOSED_2D,
        [((1, 30, 30, 16), (8, 3, 3, 16), {"stride": 2, "padding": 1})],
        bad=(refused((1, 5, 2), (3, 3, 2), "2 spatial"),),
    ),
    record("conv_transpose3d", transposed, TRANSPOSED_3D, bad=(refused((1, 5, 2), (3, 3, 2), "3 spatial"),)),
    Record(
        "convolve",
        lambda of: (
            call(of(a), of(v), mode=mode)
            for a, v in [(1, 1), (5, 3), (3, 5), (4, 4), (6, 2), (130, 17)]
            for mode in ("full", "same", "valid")
        ),
        convolved,
        dtypes=INEXACT,
        large=lambda of: [call(of(30000), of(20)), call(of(9), of(20001), mode="same")],
        tolerance=Tolerance(ulp=8, scale=magnitude(convolved), why="a sum of K products, each rounded"),
        nonfinite=False,
        skip=FMA,
        bad=(
            bad(lambda of: call(of(3), of(2), mode="bogus"), "mode", "bogus"),
            bad(lambda of: call(of(3), of(0)), "(3,)", "(0,)", "empty"),
            bad(lambda of: call(of(3, 1), of(2)), "(3, 1)"),
        ),
    ),
]
test_operations = operation_tests(RECORDS, __file__)


def peak_of(make):
    """Bytes that evaluating needs beyond what was there."""
    mx.reset_peak_memory()
    before = mx.get_active_memory()
    mx.eval(make())
    return mx.get_peak_memory() - before


def test_patches_are_never_in_memory():
    """The matrix of patches would be 9.4 MB (more channels) or 16 MB (few), its result is 1 MB or less."""
    x, w = mx.random.normal((1, 64, 64, 64)), mx.random.normal((64, 3, 3, 64))
    few, wide = mx.random.normal((1, 128, 128, 4)), mx.random.normal((8, 8, 8, 4))
    mx.eval(x, w, few, wide)
    assert peak_of(lambda: mx.conv2d(x, w, padding=1)) < 4 << 20
    assert peak_of(lambda: mx.conv2d(few, wide, padding=4)) < 6 << 20
    assert peak_of(lambda: mx.grad(lambda w: mx.conv2d(x, w, padding=1).sum())(w)) < 8 << 20


def test_dtypes_are_promoted():
    x, w = mx.ones((1, 4, 2), dtype=mx.float16), mx.ones((3, 2, 2), dtype=mx.bfloat16)
    assert mx.conv1d(x, w).dtype == mx.float32
    assert mx.conv1d(x, w.astype(mx.float16)).dtype == mx.float16


@pytest.mark.parametrize("channels", [1, 4, 16])
@pytest.mark.parametrize("stride", [1, 3])
def test_gradients_in_16_bits_are_those_of_float32_rounded_once(channels, stride):
    x, w = mx.random.normal((2, 40, channels)), mx.random.normal((6, 5, channels))
    x, w = x.astype(mx.bfloat16), w.astype(mx.bfloat16)
    loss = lambda x, w: mx.conv1d(x, w, stride=stride, padding=2).astype(mx.float32).sum()
    for i in (0, 1):
        half = mx.grad(loss, argnums=i)(x, w)
        wide = mx.grad(loss, argnums=i)(x.astype(mx.float32), w.astype(mx.float32))
        assert half.dtype == mx.bfloat16
        assert mx.allclose(half.astype(mx.float32), wide, rtol=2**-7, atol=1e-3).item()
