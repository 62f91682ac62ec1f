"""Records of the cross entropy (melix/ops/cross_entropy.h)."""

import numpy as np
import pytest
import scipy.special

from tests.runner import FLOATS, Record, Tolerance, bad, call, mx, operation_tests, uniform


def classes(of, rows, n):
    """Class numbers, some of them counted from the end."""
    return of.drawn(rows, lambda rng: rng.integers(-n, n, rows), dtype=of.pick(["int32", "int64"]))


def samples(of):
    for shape in [(1,), (2,), (7,), (3, 5), (2, 3, 4), (130, 3), (5, 1037), (2, 40003), (0, 4), (2, 0, 3)]:
        yield call(of(shape), classes(of, shape[:-1], shape[-1]))
    yield call(of(4, 9), of.given([0, 8, 3, 3], "uint8"))


def large(of):
    for shape in [(1203, 509), (3, 100003), (70, 33000)]:
        yield call(of(shape), classes(of, shape[:-1], shape[-1]))


def cross_entropy(logits, targets):
    targets = np.expand_dims(targets.astype(np.int64), -1)
    if logits.size == 0:
        return np.zeros(logits.shape[:-1])
    with np.errstate(all="ignore"):
        largest = np.max(logits, axis=-1, keepdims=True)
        total = np.log(np.sum(np.exp(logits - largest), axis=-1, keepdims=True))
        return np.squeeze(largest - np.take_along_axis(logits, targets % logits.shape[-1], -1) + total, -1)


def wide(dtype):
    return "float64" if dtype == "float64" else "float32"


RECORDS = [
    Record(
        "fast.cross_entropy",
        samples,
        cross_entropy,
        dtypes=FLOATS,
        result=wide,
        domain=uniform(-10, 10),
        tolerance=Tolerance(
            ulp=8,
            scale=lambda logits, targets: np.abs(cross_entropy(logits, targets)) + 1,
            why="exponentials and their sum; the loss is rounded once",
        ),
        nonfinite=False,
        large=large,
        bad=(
            bad(lambda of: call(of(), of.given(0, "int32")), "at least 1 dimension"),
            bad(lambda of: call(of(2, 3), of.given(np.zeros(3), "int32")), "(3,)", "(2, 3)"),
            bad(lambda of: call(of(2, 3), of.given(np.zeros((2, 1)), "int32")), "(2, 1)", "(2, 3)"),
            bad(lambda of: call(of(2, 3), of.given(np.zeros(2), "float32")), "integers", "float32"),
            bad(lambda of: call(of(2, 0), of.given(np.zeros(2), "int32")), "no classes", "(2, 0)"),
        ),
    ),
]
test_operations = operation_tests(RECORDS, __file__)


@pytest.mark.parametrize(
    "row, target, loss",
    [
        ([0.0, 0.0], 0, np.log(2.0)),
        ([0.0, -np.inf], 0, 0.0),
        ([0.0, -np.inf], 1, np.inf),
        ([1e4, 0.0], 1, 1e4),
        ([np.inf, 0.0], 1, np.inf),
        ([np.nan, 0.0], 1, np.nan),
        ([0.0] + [-np.inf] * 5000 + [0.0], 0, np.log(2.0)),
        ([-np.inf] * 5000 + [0.0, 0.0], 5000, np.log(2.0)),
    ],
)
def test_infinite_logits(row, target, loss):
    got = mx.fast.cross_entropy(mx.array([row]), mx.array([target])).item()
    assert np.float32(got) == np.float32(loss) or (np.isnan(got) and np.isnan(loss))


@pytest.mark.parametrize("shape", [(1000, 50), (3, 5, 1000), (70, 40000), (3, 100003)])
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "float64"])
def test_the_gradient_is_softmax_less_one_at_the_target(shape, dtype):
    rng = np.random.default_rng(6)
    dtype = getattr(mx, dtype)
    logits = mx.array(rng.standard_normal(shape) * 3).astype(dtype)
    targets = rng.integers(0, shape[-1], shape[:-1])
    weights = rng.standard_normal(shape[:-1])

    def loss(x):
        return (mx.fast.cross_entropy(x, mx.array(targets)) * mx.array(weights.astype(np.float32))).sum()

    got = np.array(mx.grad(loss)(logits).astype(mx.float64))
    wanted = scipy.special.softmax(np.array(logits.astype(mx.float64)), axis=-1)
    np.put_along_axis(wanted, targets[..., None], np.take_along_axis(wanted, targets[..., None], -1) - 1, -1)
    wanted *= weights.astype(np.float32)[..., None]
    unit = {mx.float32: 2.0**-18, mx.float16: 2.0**-10, mx.bfloat16: 2.0**-7, mx.float64: 2.0**-48}[dtype]
    # Differences from the largest logit are rounded; 1 is subtracted at the target; float16 ends at 2**-24.
    largest = np.abs(weights)[..., None] * (np.arange(shape[-1]) == targets[..., None])
    tiny = 2.0**-24 if dtype == mx.float16 else 0
    assert np.all(np.abs(got - wanted) <= unit * (np.abs(wanted) + largest) + tiny)


def test_targets_out_of_range_read_the_nearest_class_and_get_no_gradient():
    logits = mx.array([[1.0, 2.0, 4.0]] * 3)
    targets = mx.array([7, -9, -1])
    loss = np.array(mx.fast.cross_entropy(logits, targets))
    wanted = np.array(mx.fast.cross_entropy(logits, mx.array([2, 0, 2])))
    assert np.array_equal(loss, wanted)
    grad = np.array(mx.grad(lambda x: mx.fast.cross_entropy(x, targets).sum())(logits))
    assert np.allclose(grad.sum(axis=-1), [1, 1, 0], atol=1e-6)


def test_no_array_of_the_size_of_the_logits_is_made():
    logits = mx.array(np.random.default_rng(7).standard_normal((64, 4096)).astype(np.float32))
    targets = mx.zeros((64,), mx.int32)
    mx.eval(logits, targets)
    before = mx.debug.traffic()
    mx.eval(mx.fast.cross_entropy(logits * 2 + 1, targets))
    after = mx.debug.traffic()
    assert after["kernels"] - before["kernels"] == 1
    assert after["written"] - before["written"] == 64 * 4
