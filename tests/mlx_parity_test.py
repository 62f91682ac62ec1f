"""Types, shapes, defaults and kinds of errors are those of the package mlx, where it can be installed.

Every expression of the table is evaluated by both modules for every element type, each module in a process of its own
that may crash or hang. Values are compared loosely: they show which defaults a function has. What differs on purpose
stands in DIFFERENT with its reason.
"""

import importlib.util
import re

import pytest

from tests.runner import dtypes, module, rows
from tests.runner.worker import Worker, WorkerError

pytestmark = pytest.mark.skipif(
    not importlib.util.find_spec("mlx.core"), reason="the package mlx is not installed"
)

# x and y are (2, 3), v has 4 elements, s is a scalar, i are indices, c is bool; k is a fixed float32 (2, 3).
EXPRESSIONS = """
x + 1; 1 - x; x * 2.5; x / 2; 2 / x; x // 2; x % 2; x ** 2; -x; x == 1; x < 1.5; x > True; x & x; x | 1
x ^ x; ~x; x << 1; x >> 1; x + k; k * x; x + True; x + 1j; x @ x.T; abs(x); x != x; x <= x; x >= 0; 2 ** x
7 // x; 7 % x; mx.maximum(x, 2); mx.minimum(x, 0.5); mx.where(c, x, 1); mx.where(c, 0.5, x)
mx.where(c, x, k); mx.clip(x, 0, 1); mx.clip(x, None, 2); mx.clip(x, None, None); mx.clip(x, 0.5, 2.5)
mx.add(x, 300); mx.add(x, -1); mx.divide(x, y); x.astype(mx.float32); x.astype(mx.int8); x.astype(mx.bool_)
x.astype(mx.complex64); mx.round(x, 1); mx.round(x, decimals=-1); mx.isclose(x, y); mx.allclose(x, y)
mx.array_equal(x, x); mx.nan_to_num(x); mx.degrees(x); mx.radians(x); mx.divmod(x, y); mx.positive(x)
mx.real(x); mx.imag(x); mx.sum(x); mx.sum(x, axis=0); mx.sum(x, 1, True); mx.sum(x, axis=(0, 1))
mx.sum(x, axis=2); mx.sum(x, axis=(0, 0)); mx.prod(x); mx.max(x); mx.min(x, axis=-1); mx.all(x)
mx.any(x, axis=0); mx.mean(x); mx.mean(x, axis=0, keepdims=True); mx.var(x); mx.var(x, ddof=1); mx.std(x)
mx.std(x, axis=1, ddof=1); mx.logsumexp(x); mx.logsumexp(x, axis=0); mx.max(mx.zeros((0,)))
mx.sum(mx.zeros((0,))); mx.max(x, axis=5); x.sum(); x.mean(0); mx.reshape(x, (3, 2)); mx.reshape(x, -1)
mx.reshape(x, (4, -1)); mx.reshape(x, (-1, -1)); mx.transpose(x); mx.transpose(x, (1, 0))
mx.transpose(x, (0, 0)); mx.transpose(x, (0,)); mx.transpose(x, (0, 5)); mx.squeeze(x, 0); mx.squeeze(x, 7)
mx.expand_dims(x, 0); mx.expand_dims(x, (0, 0)); mx.expand_dims(x, 9); mx.flatten(x); mx.flatten(x, 1, 0)
mx.unflatten(v, 0, (2, -1)); mx.unflatten(v, 0, (3, -1)); mx.unflatten(v, 4, (2, 2)); mx.moveaxis(x, 0, 1)
mx.moveaxis(x, 0, 4); mx.swapaxes(x, 0, -1); mx.swapaxes(x, 0, 3); mx.broadcast_to(x, (4, 2, 3))
mx.broadcast_to(x, (2, 4)); mx.broadcast_to(x, (3,)); mx.atleast_2d(v); mx.atleast_1d(s); mx.atleast_3d(v)
mx.broadcast_arrays(x, s); mx.broadcast_arrays(x, v); mx.view(x, mx.uint8); mx.contiguous(x)
mx.as_strided(v, (2, 2), (1, 2)); mx.stop_gradient(x); x + v; mx.zeros_like(x); mx.ones_like(x)
mx.full((2,), s); mx.full_like(x, 2); mx.concatenate([x, y]); mx.concatenate([x, k], axis=1)
mx.concatenate([x, x], axis=3); mx.concatenate([x, v]); mx.stack([x, y]); mx.stack([x, y], axis=3)
mx.stack([x, y], axis=-1); mx.split(v, 2); mx.split(v, 3); mx.split(x, [1], axis=1); mx.tile(v, 2)
mx.tile(x, (1, 2)); mx.repeat(x, 2); mx.repeat(x, 2, axis=0); mx.repeat(x, 2, axis=4); mx.pad(v, 1)
mx.pad(x, [(0, 1), (2, 0)], constant_values=1); mx.roll(v, 1); mx.roll(x, 1, axis=0); mx.take(v, i)
mx.take(x, i, axis=1); mx.take(x, i, axis=3); mx.take_along_axis(v, i, axis=0); mx.sort(x)
mx.sort(x, axis=None); mx.sort(x, axis=4); mx.argsort(x); mx.argsort(x, axis=0); mx.argmax(x)
mx.argmax(x, axis=0); mx.argmin(x, axis=1, keepdims=True); mx.partition(v, 2); mx.topk(v, 2); mx.topk(x, 2)
mx.cumsum(x); mx.cumsum(x, axis=0); mx.cumsum(v, reverse=True); mx.cumsum(v, inclusive=False); mx.cumprod(x)
mx.cummax(v); mx.cummin(v); mx.softmax(x); mx.softmax(x, axis=0); mx.softmax(x, axis=4); mx.matmul(x, y)
mx.matmul(x, x.T); mx.matmul(x, s); mx.inner(v, v); mx.outer(v, v); mx.tensordot(x, x.T, 1)
mx.addmm(s, x, x.T); mx.einsum('ij,kj->ik', x, y); mx.tril(x); mx.triu(x, k=1); mx.diag(v); mx.diagonal(x)
mx.trace(x); mx.eye(3, dtype=x.dtype); mx.arange(5, dtype=x.dtype); mx.linspace(0, 1, 5, dtype=x.dtype)
mx.zeros((2,), x.dtype); mx.ones((2, 2), x.dtype); mx.meshgrid(v, v); mx.kron(v, v); mx.conj(x)
mx.count_nonzero(x); mx.median(x); mx.median(x, axis=0); mx.logcumsumexp(v); mx.convolve(v, v); mx.diff(v)
mx.bitwise_invert(x); mx.view(s, mx.int8); mx.identity(2, x.dtype); x.tolist(); v.item(); s.item(); x.T
x.shape; x.size; x[0]; x[..., 0]; x[None]; x[:, ::-1]; x[i]; x[0, 0]; x[0, 0, 0]; x[c]; v[1:3]; v[-1]
x.itemsize; x.nbytes; x.ndim; len(v); mx.result_type(x, k); mx.finfo(x.dtype).max; mx.iinfo(x.dtype).min
mx.array([1, 2], dtype=x.dtype); mx.array(x); bool(s); int(s); float(s); mx.unstack(x); mx.vecdot(x, y)
mx.isdtype(x.dtype, mx.floating); mx.issubdtype(x.dtype, mx.inexact)
mx.fft.fft(x); mx.fft.fft(x, 5); mx.fft.fft(x, axis=0, norm='ortho'); mx.fft.ifft(x); mx.fft.rfft(x)
mx.fft.rfft(x, 2, 1, 'forward'); mx.fft.irfft(x); mx.fft.irfft(x, 3); mx.fft.fft2(x); mx.fft.rfft2(x)
mx.fft.irfft2(x, (2, 5)); mx.fft.fftn(x, axes=(0, 0)); mx.fft.fftn(x, (2, 3)); mx.fft.irfftn(x); mx.fft.fft(s)
mx.fft.fft(x, 0); mx.fft.fft(x, axis=4); mx.fft.fft(x, norm='no'); mx.fft.fftshift(x)
mx.fft.ifftshift(v, axes=0); mx.fft.fftn(x, axes=()); mx.fft.stft(v, 4); mx.fft.istft(x); mx.fft.stft(v, 4, 0)
mx.fft.fftfreq(5, 0.5); mx.fft.rfftfreq(0); mx.hanning(5); mx.hamming(4); mx.blackman(1); mx.bartlett(0)
mx.hadamard_transform(v); mx.hadamard_transform(x); mx.hadamard_transform(v, 2.0); mx.depends(x, y)
mx.depends([x, v], [y])
"""

# Expressions (a pattern) of which we decide otherwise, for which types, and why.
NOT_FLOATING = "bool|u?int[0-9]+"
DIFFERENT: list[tuple[str, str, str]] = [
    (r"mx\.softmax", NOT_FLOATING, "the result is float32; in the type of the argument it would be 0 or 1"),
    (r"mx\.add\(x, -1\)", "uint64", "a number that the type cannot hold is an error"),
    (
        r"x\.astype\(mx\.int8\)|mx\.nan_to_num",
        ".*",
        "conversions saturate; every floating type has a largest number",
    ),
    (
        r"mx\.(expm1|sigmoid|logaddexp|convolve)\(",
        "complex64",
        "complex numbers are taken, where mlx refuses them",
    ),
    (r"mx\.(isposinf|isneginf)\(", "complex64", "complex numbers have no sign"),
    (r"//|floor_divide", "complex64", "complex numbers have no floor; mlx returns their quotient"),
    (r"mx\.as_strided", ".*", "a window outside of the array is an error"),
    (
        r"@|mx\.(matmul|inner|tensordot|addmm|einsum)",
        NOT_FLOATING,
        "integers are multiplied, where mlx refuses them",
    ),
    (
        r"mx\.(bitwise|left|right)_|[|&^~]|<<|>>",
        ".*float.*|complex64",
        "a type that is not taken is a ValueError, always",
    ),
    (r"mx\.reshape\(x, -1\)", ".*", "a shape may be one number"),
    (r"x\[c\]", ".*", "masks are taken, where mlx refuses them"),
    (r"x\[0, 0, 0\]", ".*", "an index too many is an IndexError, as in NumPy"),
    (r"mx\.hadamard", "float64|complex64", "all are kept; mlx refuses float64 and drops imaginary parts"),
    (r"mx\.partition", ".*", "the order within the parts is anyone's"),
]


def expressions() -> list[str]:
    """The table, and each row of elementwise.inc that mlx has under that name."""
    found = [text.strip() for text in re.split(r"[;\n]", EXPRESSIONS) if text.strip()]
    for row in rows.elementwise():
        if row.name != "rint":
            found.append(f"mx.{row.name}({'x' if row.arguments == 1 else 'x, y'})")
    return list(dict.fromkeys(found))


def ours() -> Worker:
    return Worker.of(MELIX_RUNNER_MODULE=module.NAME)


def theirs() -> Worker:
    return Worker.of(MELIX_RUNNER_MODULE="mlx.core")


def outcomes(worker: Worker, text: str, types: list[tuple[str, str]]) -> list:
    """What comes of the expression for each pair of types. A crash costs its pair alone."""
    try:
        return worker.ask("outcomes", text, types, seconds=20)
    except WorkerError:
        if len(types) == 1:
            return [("crash", "")]
        return [outcome for pair in types for outcome in outcomes(worker, text, [pair])]


def is_different(text: str, dtype: str) -> bool:
    return any(re.search(pattern, text) and re.fullmatch(types, dtype) for pattern, types, _ in DIFFERENT)


@pytest.mark.parametrize("text", expressions())
def test_an_expression_gives_what_mlx_gives(text):
    types = [(dtype, dtype) for dtype in dtypes.ALL]
    wrong = []
    for (dtype, _), mine, wanted in zip(
        types, outcomes(ours(), text, types), outcomes(theirs(), text, types)
    ):
        if mine[:2] == ("error", "AttributeError") != wanted[:2]:
            pytest.skip(f"{module.NAME} cannot do this yet")
        if wanted[0] == "crash" or is_different(text, dtype) or matches(mine, wanted):
            continue
        wrong.append(f"{text} for {dtype}: {shown(mine)}, mlx: {shown(wanted)}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", ["add", "divide", "power", "maximum", "equal", "logaddexp", "matmul"])
def test_arguments_of_two_types_give_the_type_of_mlx(name):
    text = "mx.matmul(x, y.T)" if name == "matmul" else f"mx.{name}(x, y)"
    types = [(a, b) for a in dtypes.ALL for b in dtypes.ALL]
    wrong = []
    for pair, mine, wanted in zip(types, outcomes(ours(), text, types), outcomes(theirs(), text, types)):
        if mine[:2] == ("error", "AttributeError"):
            pytest.skip(f"{module.NAME} cannot do this yet")
        if wanted[0] == "crash" or mine[:2] == wanted[:2] or any(is_different(text, dtype) for dtype in pair):
            continue
        wrong.append(f"mx.{name}{pair}: {shown(mine)}, mlx: {shown(wanted)}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("part", ["", "random", "linalg", "fft", "fast", "distributed", "metal", "cuda"])
def test_every_public_name_of_mlx_is_there(part):
    path = f"mx.{part}" if part else "mx"
    try:
        mine, wanted = (worker.ask("names", path) for worker in (ours(), theirs()))
    except WorkerError as error:
        pytest.skip(str(error))
    missing = sorted(set(wanted) - set(mine))
    assert not missing, f"{len(missing)} names are missing: {', '.join(missing)}"


def matches(mine, wanted) -> bool:
    """Whether the kinds are the same, and the values nearly."""
    if mine[0] != wanted[0] or mine[1] != wanted[1]:
        return False
    return mine[0] != "ok" or (len(mine[2]) == len(wanted[2]) and all(map(near, mine[2], wanted[2])))


def near(a, b) -> bool:
    if a == b or (a != a and b != b):
        return True
    return abs(a - b) <= 2e-2 * max(abs(a), abs(b), 0.1) if isinstance(a, (float, complex)) else False


def shown(outcome) -> str:
    kind, what, *values = outcome
    return f"{what}" if kind == "error" else f"{what} {str(values[0])[:60] if values else ''}"
