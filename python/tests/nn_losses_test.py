"""The losses and the initialisers."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import melix.core as mx
import melix.nn as nn
from python.tests.nn_torch import to_torch

losses = nn.losses


def pair(rng, shape=(5, 4), low=-2.0, high=2.0):
    return [mx.array(rng.uniform(low, high, shape), dtype=mx.float64) for _ in range(2)]


def check(ours, theirs, *arrays, argument=0):
    """Values and gradients of one argument, in double."""
    y, gradient = mx.value_and_grad(lambda *a: ours(*a).sum(), argnums=argument)(*arrays)
    tensors = [to_torch(a, grad=i == argument) for i, a in enumerate(arrays)]
    expected = theirs(*tensors).sum()
    expected.backward()
    np.testing.assert_allclose(y.item(), expected.item(), rtol=1e-10)
    np.testing.assert_allclose(np.array(gradient), tensors[argument].grad.numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize(
    "ours, theirs",
    [
        (losses.l1_loss, F.l1_loss),
        (losses.mse_loss, F.mse_loss),
        (
            lambda x, y, **k: losses.smooth_l1_loss(x, y, beta=0.4, **k),
            lambda x, y, **k: F.smooth_l1_loss(x, y, beta=0.4, **k),
        ),
        (
            lambda x, y, **k: losses.huber_loss(x, y, delta=0.7, **k),
            lambda x, y, **k: F.huber_loss(x, y, delta=0.7, **k),
        ),
        (losses.binary_cross_entropy, F.binary_cross_entropy_with_logits),
        (
            lambda x, y, **k: losses.gaussian_nll_loss(x, y, mx.exp(y), full=True, **k),
            lambda x, y, **k: F.gaussian_nll_loss(x, y, torch.exp(y), full=True, **k),
        ),
    ],
)
def test_elementwise_losses(ours, theirs, reduction, rng):
    x, y = pair(rng)
    check(lambda x, y: ours(x, y, reduction=reduction), lambda x, y: theirs(x, y, reduction=reduction), x, y)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("axis", [1, 0, -1])
def test_cross_entropy_of_classes_and_of_probabilities(smoothing, axis, rng):
    x, p = pair(rng)
    p = mx.softmax(p, axis=axis)
    move = lambda t: t if axis else t.T
    classes = mx.array(rng.integers(0, x.shape[axis], x.shape[0] if axis else x.shape[1]))

    def ours(x, targets):
        return losses.cross_entropy(x, targets, axis=axis, label_smoothing=smoothing)

    check(
        lambda x: ours(x, classes),
        lambda x: F.cross_entropy(
            move(x), to_torch(classes).long(), label_smoothing=smoothing, reduction="none"
        ),
        x,
    )
    check(
        lambda x: ours(x, p),
        lambda x: F.cross_entropy(move(x), move(to_torch(p)), label_smoothing=smoothing, reduction="none"),
        x,
    )
    weights = mx.array(rng.uniform(size=classes.shape), dtype=mx.float64)
    y = losses.cross_entropy(x, classes, weights, axis=axis)
    np.testing.assert_allclose(
        np.array(y), np.array(losses.cross_entropy(x, classes, axis=axis)) * np.array(weights), rtol=1e-12
    )


def test_the_others(rng):
    x, y = pair(rng)
    log_p, log_q = nn.log_softmax(x), nn.log_softmax(y)
    classes = mx.array([0, 3, 1, 2, 2])
    check(
        lambda a: losses.nll_loss(a, classes),
        lambda a: F.nll_loss(a, to_torch(classes).long(), reduction="none"),
        log_p,
    )
    check(
        lambda a: losses.kl_div_loss(a, log_q),
        lambda a: F.kl_div(a, to_torch(log_q), reduction="none", log_target=True),
        log_p,
    )
    check(lambda a: losses.log_cosh_loss(a, y), lambda a: torch.log(torch.cosh(a - to_torch(y))), x)
    signs = mx.sign(y)
    check(lambda a: losses.hinge_loss(a, signs), lambda a: torch.relu(1 - a * to_torch(signs)), x)
    check(lambda a: losses.cosine_similarity_loss(a, y), lambda a: F.cosine_similarity(a, to_torch(y)), x)
    check(
        lambda a: losses.margin_ranking_loss(a, y, signs, margin=0.3),
        lambda a: F.margin_ranking_loss(a, to_torch(y), to_torch(signs), margin=0.3, reduction="none"),
        x,
    )
    other = mx.array(rng.normal(size=x.shape), dtype=mx.float64)
    for p in (1, 2, 3):
        norm = lambda d, p=p: ((d.abs() ** p).sum(-1) + 1e-6) ** (1 / p)
        check(
            lambda a, p=p: losses.triplet_loss(a, y, other, p=p),
            lambda a, norm=norm: torch.relu(norm(a - to_torch(y)) - norm(a - to_torch(other)) + 1),
            x,
        )
    p = mx.array([0.0, 1.0, 0.3])
    q = mx.array([1.0, 1.0, 0.5])
    expected = F.binary_cross_entropy(to_torch(p), to_torch(q), reduction="none").numpy()
    np.testing.assert_allclose(
        np.array(losses.binary_cross_entropy(p, q, with_logits=False, reduction="none")), expected, rtol=1e-6
    )
    far = losses.log_cosh_loss(mx.array([1e4]), mx.array([0.0]))
    np.testing.assert_allclose(far.item(), 1e4 - math.log(2), rtol=1e-6)


@pytest.mark.parametrize(
    "call, parts",
    [
        (lambda a: losses.mse_loss(a, a[0]), ["(3, 4)", "(4,)"]),
        (lambda a: losses.mse_loss(a, a, reduction="max"), ["reduction", "max"]),
        (lambda a: losses.cross_entropy(a, mx.array([0, 1])), ["(2,)", "(3, 4)"]),
        (lambda a: losses.cross_entropy(a, mx.array([0.0, 1.0, 2.0])), ["integers"]),
        (lambda a: losses.cross_entropy(a, a, label_smoothing=1.0), ["label_smoothing"]),
        (lambda a: losses.cross_entropy(a, mx.array([0, 1, 2]), mx.ones((2,))), ["weights", "(2,)"]),
        (lambda a: losses.triplet_loss(a, a, a, p=0), ["p is"]),
        (lambda a: losses.smooth_l1_loss(a, a, beta=-1.0), ["beta"]),
        (lambda a: nn.glu(a[:, :3]), ["glu", "(3, 3)"]),
    ],
)
def test_mistakes(call, parts):
    with pytest.raises(ValueError) as error:
        call(mx.zeros((3, 4)))
    for part in parts:
        assert part in str(error.value)


def test_initialisers():
    mx.random.seed(0)
    init, shape = nn.init, (200, 3, 100)  # 300 inputs of an output, 600 outputs of an input

    def spread(initializer, **options):
        values = np.array(initializer(mx.zeros(shape), **options))
        return values.std(), abs(values).max()

    std, _ = spread(init.glorot_normal(), gain=2.0)
    assert std == pytest.approx(2 * math.sqrt(2 / 900), rel=0.02)
    std, most = spread(init.glorot_uniform())
    assert std == pytest.approx(math.sqrt(2 / 900), rel=0.02) and most <= math.sqrt(6 / 900)
    for mode, fan in (("fan_in", 300), ("fan_out", 600)):
        assert spread(init.he_normal(), mode=mode)[0] == pytest.approx(math.sqrt(1 / fan), rel=0.02)
        assert spread(init.he_uniform(), mode=mode)[1] == pytest.approx(math.sqrt(3 / fan), rel=0.02)
    values = np.array(init.normal(2, 3)(mx.zeros(shape)))
    assert values.mean() == pytest.approx(2, abs=0.1) and values.std() == pytest.approx(3, abs=0.1)
    values = np.array(init.uniform(-1, 2, dtype=mx.float16)(mx.zeros(shape)))
    assert values.dtype == np.float16 and -1 <= values.min() < -0.9 and 1.9 < values.max() <= 2
    assert np.array(init.constant(0.5)(mx.zeros((2, 3)))).tolist() == [[0.5] * 3] * 2
    np.testing.assert_array_equal(np.array(init.identity()(mx.zeros((3, 3)))), np.eye(3))
    zeros = (np.array(init.sparse(0.3)(mx.zeros((20, 10)))) == 0).sum(axis=1)
    np.testing.assert_array_equal(zeros, 3)
    for shape in ((5, 9), (9, 5), (4, 4)):
        q = np.array(init.orthogonal(gain=2.0)(mx.zeros(shape)))
        small = q @ q.T if shape[0] <= shape[1] else q.T @ q
        np.testing.assert_allclose(small, 4 * np.eye(min(shape)), atol=1e-5)
    for make in (
        init.glorot_normal(),
        init.he_uniform(),
        init.orthogonal(),
        init.sparse(0.5),
        init.identity(),
    ):
        with pytest.raises(ValueError):
            make(mx.zeros((3,)))
    with pytest.raises(ValueError, match="fan_in"):
        init.he_normal()(mx.zeros((3, 3)), mode="fan")
