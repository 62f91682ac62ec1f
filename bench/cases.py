"""The cases: every row of the table, stated once for timing and for the tests. README.md tells how to add one."""

import subprocess
import sys

import numpy as np

from bench import training
from bench.case import Case, Near, Work, bfloat16, each, everywhere, exactly, normal, within

# ---- matrix products ----


def product_reference(bits):
    """Some rows: |error| <= 8 eps sqrt(K) |A||B|, and one rounding to the type of the result."""

    def reference(x, y):
        rows = x[:: max(1, len(x) // 8)].astype(np.float64)
        y = y.astype(np.float64)
        values, scale = rows @ y, np.abs(rows) @ np.abs(y)
        return Near(values, 8 * 2.0**-23 * np.sqrt(x.shape[1]) * scale + 2.0**-bits * np.abs(values))

    return reference


def product(n, dtype, goal):
    cast = bfloat16 if dtype == "bf16" else lambda x: x
    return Case(
        f"matmul_{n}_{dtype}",
        f"product of two {n} x {n} matrices of {dtype}",
        everywhere(lambda xp, x, y: lambda: x @ y, *(["numpy"] if dtype == "bf16" else [])),
        lambda rng, m, k, n: {"x": cast(normal(rng, m, k)), "y": cast(normal(rng, k, n))},
        product_reference(8 if dtype == "bf16" else 24),
        full=(n, n, n),
        tiny=(33, 47, 21),
        work=lambda m, k, n: Work(operations=2 * m * k * n, dtype=dtype),
        part=lambda sizes: np.s_[:: max(1, sizes[0] // 8)],
        goal=goal,
    )


PRODUCTS = [
    product(6000, "f32", 0.98),
    product(1024, "f32", 1),
    product(128, "f32", 1),
    product(4096, "bf16", 1),
]

# ---- elementwise ----

N = 10_000_000
VECTOR = {"full": (N,), "tiny": (1037,)}
GELU = "0.5 x (1 + tanh(0.79788 (x + 0.044715 x^3)))"


def gelu(xp, x):
    return 0.5 * x * (1 + xp.tanh(0.7978845608 * (x + 0.044715 * x * x * x)))


def gelu_reference(x):
    x = x.astype(np.float64)
    # 1 + tanh cancels for negative x, so the units are those of x.
    return within(gelu(np, x), ulp=8, scale=np.abs(x))


ELEMENTWISE = [
    Case(
        "add_10m",
        "x + y, 10M of f32",
        everywhere(lambda xp, x, y: lambda: x + y),
        lambda rng, n: {"x": normal(rng, n), "y": normal(rng, n)},
        lambda x, y: within(x.astype(np.float64) + y, ulp=0.5),
        work=lambda n: Work(read=8 * n, written=4 * n),
        goal=2,
        **VECTOR,
    ),
    Case(
        "exp_10m",
        "exp(x), 10M of f32",
        everywhere(lambda xp, x: lambda: xp.exp(x)),
        lambda rng, n: {"x": normal(rng, n)},
        lambda x: within(np.exp(x.astype(np.float64))),
        work=lambda n: Work(read=4 * n, written=4 * n),
        goal=2,
        **VECTOR,
    ),
    Case(
        "gelu_chain_10m",
        f"{GELU} in plain code, 10M of f32",
        everywhere(lambda xp, x: lambda: gelu(xp, x)),
        lambda rng, n: {"x": normal(rng, n)},
        gelu_reference,
        work=lambda n: Work(read=4 * n, written=4 * n),
        goal=8,
        **VECTOR,
    ),
    Case(
        "gelu_compiled_10m",
        "the same, compiled where the library compiles without a compiler",
        each(
            numpy=lambda xp, x: lambda: gelu(xp, x),
            torch=lambda xp, x: lambda: gelu(xp, x),
            mx=lambda xp, x: (lambda f: lambda: f(x))(xp.compile(lambda x: gelu(xp, x))),
        ),
        lambda rng, n: {"x": normal(rng, n)},
        gelu_reference,
        work=lambda n: Work(read=4 * n, written=4 * n),
        goal=8,
        **VECTOR,
    ),
    Case(
        "mul_bf16_10m",
        "x * y, 10M of bf16",
        everywhere(lambda xp, x, y: lambda: x * y, "numpy"),
        lambda rng, n: {"x": bfloat16(normal(rng, n)), "y": bfloat16(normal(rng, n))},
        lambda x, y: within(x.astype(np.float64) * y, ulp=0.5, bits=8),
        work=lambda n: Work(read=4 * n, written=2 * n),
        goal=2,
        **VECTOR,
    ),
]

# ---- reductions and rows ----


def sum_reference(axis):
    """Blocked and pairwise sums lose at most one unit in about sixteen additions."""

    def reference(x):
        x = x.astype(np.float64)
        length = x.size if axis is None else x.shape[axis]
        return within(
            np.sum(x, axis=axis), ulp=2 + length / 16, scale=np.abs(x).sum(axis=axis) / np.sqrt(length)
        )

    return reference


def summed(axis):
    return each(
        numpy=lambda xp, x: lambda: x.sum(axis=axis),
        torch=lambda xp, x: lambda: x.sum(dim=axis),
        mx=lambda xp, x: lambda: x.sum(axis=axis),
    )


MATRIX = {"full": (4096, 4096), "tiny": (67, 131)}


def softmax(xp, x):
    e = xp.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def normalised(centred):
    """Of a library that has it as one function; NumPy computes the reference."""

    def reference(x, weight):
        x = x.astype(np.float64)
        x = x - x.mean(-1, keepdims=True) if centred else x
        return within(
            x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-5) * weight, ulp=16, scale=np.abs(weight) + 0 * x
        )

    name = "layer_norm" if centred else "rms_norm"
    return Case(
        f"{name}_4096",
        f"{name} of its rows, with a weight",
        each(
            torch=lambda xp, x, weight: (
                lambda: getattr(xp.nn.functional, name)(x, weight.shape, weight, eps=1e-5)
            ),
            mx=lambda xp, x, weight: (
                lambda: (
                    xp.fast.layer_norm(x, weight, None, 1e-5)
                    if centred
                    else xp.fast.rms_norm(x, weight, 1e-5)
                )
            ),
        ),
        lambda rng, m, n: {"x": normal(rng, m, n), "weight": normal(rng, n)},
        reference,
        work=lambda m, n: Work(read=4 * m * n, written=4 * m * n),
        goal=1,
        **MATRIX,
    )


ROWS = [
    Case(
        "sum_10m",
        "sum of 10M of f32",
        everywhere(lambda xp, x: lambda: x.sum()),
        lambda rng, n: {"x": normal(rng, n)},
        sum_reference(None),
        work=lambda n: Work(read=4 * n, written=4),
        goal=1,
        **VECTOR,
    ),
    Case(
        "sum_rows_4096",
        "sums along the rows of a 4096 x 4096 matrix of f32",
        summed(1),
        lambda rng, m, n: {"x": normal(rng, m, n)},
        sum_reference(1),
        work=lambda m, n: Work(read=4 * m * n, written=4 * m),
        goal=1,
        **MATRIX,
    ),
    Case(
        "sum_columns_4096",
        "sums along its columns",
        summed(0),
        lambda rng, m, n: {"x": normal(rng, m, n)},
        sum_reference(0),
        work=lambda m, n: Work(read=4 * m * n, written=4 * n),
        goal=1,
        **MATRIX,
    ),
    Case(
        "softmax_4096",
        "softmax of its rows",
        each(
            numpy=lambda xp, x: lambda: softmax(xp, x),
            torch=lambda xp, x: lambda: xp.softmax(x, -1),
            mx=lambda xp, x: lambda: xp.softmax(x, axis=-1),
        ),
        lambda rng, m, n: {"x": normal(rng, m, n)},
        # One unit of an argument near -9 is nine of its exponential, and MLX adds up in one pass with corrections.
        lambda x: within(softmax(np, x.astype(np.float64)), ulp=64),
        work=lambda m, n: Work(read=4 * m * n, written=4 * m * n),
        goal=3,
        **MATRIX,
    ),
    normalised(centred=True),
    normalised(centred=False),
]

# ---- moving, sorting, scanning ----

ARRANGEMENTS = [
    Case(
        "transpose_copy_4096",
        "transposed copy of a 4096 x 4096 matrix of f32",
        each(
            numpy=lambda xp, x: lambda: xp.ascontiguousarray(x.T),
            torch=lambda xp, x: lambda: x.T.contiguous(),
            mx=lambda xp, x: lambda: xp.contiguous(x.T),
        ),
        lambda rng, m, n: {"x": normal(rng, m, n)},
        lambda x: exactly(x.T.astype(np.float64)),
        work=lambda m, n: Work(read=4 * m * n, written=4 * m * n),
        goal=2,
        **MATRIX,
    ),
    Case(
        "sort_1m",
        "sort of 1M of f32",
        each(
            numpy=lambda xp, x: lambda: xp.sort(x),
            torch=lambda xp, x: lambda: xp.sort(x).values,
            mx=lambda xp, x: lambda: xp.sort(x),
        ),
        lambda rng, n: {"x": normal(rng, n)},
        lambda x: exactly(np.sort(x.astype(np.float64))),
        full=(1_000_000,),
        tiny=(1037,),
        goal=1,
    ),
    Case(
        "cumsum_i64_10m",
        "running sums of 10M of int64",
        each(
            numpy=lambda xp, x: lambda: xp.cumsum(x),
            torch=lambda xp, x: lambda: xp.cumsum(x, 0),
            mx=lambda xp, x: lambda: xp.cumsum(x),
        ),
        lambda rng, n: {"x": rng.integers(0, 100, n)},
        lambda x: exactly(np.cumsum(x).astype(np.float64)),
        work=lambda n: Work(read=8 * n, written=8 * n),
        goal=3,
        **VECTOR,
    ),
    Case(
        "take_rows_200k_128",
        "200k rows of 128 of f32, out of 100k at random",
        each(
            numpy=lambda xp, x, i: lambda: xp.take(x, i, axis=0),
            torch=lambda xp, x, i: lambda: xp.index_select(x, 0, i),
            mx=lambda xp, x, i: lambda: xp.take(x, i, axis=0),
        ),
        lambda rng, n, m, k: {"x": normal(rng, n, k), "i": rng.integers(0, n, m).astype(np.int32)},
        lambda x, i: exactly(x[i].astype(np.float64)),
        full=(100_000, 200_000, 128),
        tiny=(71, 131, 19),
        work=lambda n, m, k: Work(read=4 * m * k, written=4 * m * k),
        goal=2,
    ),
]

# ---- small work, and the cost of being there ----


def tiny_adds(xp, x):
    def run():
        y = x
        for _ in range(100):
            y = y + x
        return y

    return run


def import_seconds(module):
    """Of a fresh interpreter, from the statement to its end."""
    program = f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
    command = [sys.executable, "-c", program]
    return lambda xp: (
        lambda: float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    )


SMALL = [
    Case(
        "tiny_adds_100",
        "100 dependent additions of 8 elements, built and evaluated",
        everywhere(tiny_adds),
        lambda rng, n: {"x": normal(rng, n)},
        lambda x: within(101 * x.astype(np.float64), ulp=100),
        full=(8,),
        tiny=(8,),
        goal=1,
        goal_peer="torch",
        target=100e-6,
    ),
    Case(
        "import",
        "import of the library in a new interpreter",
        {
            "melix": import_seconds("melix.core"),
            "numpy": import_seconds("numpy"),
            "torch": import_seconds("torch"),
            "mlx": import_seconds("mlx.core"),
        },
        lambda rng: {},
        None,
        seconds=True,
        goal=1,
        goal_peer="numpy",
    ),
]

CASES = {case.name: case for case in [*PRODUCTS, *ELEMENTWISE, *ROWS, *ARRANGEMENTS, *training.CASES, *SMALL]}
