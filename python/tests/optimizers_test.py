"""Optimizers beside PyTorch's, schedules, clipping, and states that are saved and resumed."""

import math

import melix.optimizers as optim
import numpy as np
import pytest
import torch
from melix.utils import tree_flatten, tree_map, tree_unflatten

import melix.core as mx
import melix.nn as nn
from python.tests.nn_torch import to_torch

BETAS = (0.8, 0.95)
# Name, ours, PyTorch's with the same rule.
PAIRS = [
    ("SGD", lambda: optim.SGD(0.1), lambda p: torch.optim.SGD(p, 0.1)),
    (
        "SGD with momentum",
        lambda: optim.SGD(0.1, momentum=0.9, weight_decay=0.01),
        lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, weight_decay=0.01),
    ),
    (
        "SGD of Nesterov",
        lambda: optim.SGD(0.1, momentum=0.9, nesterov=True),
        lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, nesterov=True),
    ),
    ("RMSprop", lambda: optim.RMSprop(0.02, alpha=0.9), lambda p: torch.optim.RMSprop(p, 0.02, alpha=0.9)),
    ("Adagrad", lambda: optim.Adagrad(0.1), lambda p: torch.optim.Adagrad(p, 0.1, eps=1e-8)),
    ("AdaDelta", lambda: optim.AdaDelta(0.9), lambda p: torch.optim.Adadelta(p, 0.9)),
    (
        "Adam",
        lambda: optim.Adam(0.05, betas=BETAS, bias_correction=True),
        lambda p: torch.optim.Adam(p, 0.05, betas=BETAS),
    ),
    (
        "AdamW",
        lambda: optim.AdamW(0.05, betas=BETAS, weight_decay=0.1, bias_correction=True),
        lambda p: torch.optim.AdamW(p, 0.05, betas=BETAS, weight_decay=0.1),
    ),
]


def problem(dtype, rng):
    """Data, and a network of two layers, ours and PyTorch's."""
    x = mx.array(rng.normal(size=(16, 4)), dtype=dtype)
    y = mx.array(rng.normal(size=(16, 2)), dtype=dtype)
    mx.random.seed(7)
    ours = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2)).set_dtype(dtype)
    theirs = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2))
    theirs.to(to_torch(x).dtype)
    with torch.no_grad():
        for i in (0, 2):
            theirs[i].weight.copy_(to_torch(ours.layers[i].weight))
            theirs[i].bias.copy_(to_torch(ours.layers[i].bias))
    return x, y, ours, theirs


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name, make, make_torch", PAIRS, ids=[p[0] for p in PAIRS])
def test_ten_steps_are_those_of_pytorch(name, make, make_torch, dtype, compiled, rng):
    x, y, ours, theirs = problem(getattr(mx, dtype), rng)
    optimizer, other = make(), make_torch(theirs.parameters())
    loss_and_grad = nn.value_and_grad(ours, lambda x, y: nn.losses.mse_loss(ours(x), y))

    def step(x, y):
        loss, gradients = loss_and_grad(x, y)
        optimizer.update(ours, gradients)
        return loss

    if compiled:
        optimizer.init(ours.trainable_parameters())
        state = [ours.state, optimizer.state]
        step = mx.compile(step, inputs=state, outputs=state)
    tight = dtype == "float64"
    for i in range(10):
        loss = step(x, y)
        mx.eval(loss, ours.parameters(), optimizer.state)
        other.zero_grad()
        expected = torch.nn.functional.mse_loss(theirs(to_torch(x)), to_torch(y))
        expected.backward()
        other.step()
        # The learning rate is a float32 in the state, as it is in MLX: 0.1 is not that of double.
        np.testing.assert_allclose(
            loss.item(), expected.item(), rtol=1e-6 if tight else 1e-5 if i == 0 else 1e-4
        )
    for i in (0, 2):
        np.testing.assert_allclose(
            np.array(ours.layers[i].weight),
            theirs[i].weight.detach().numpy(),
            rtol=1e-5 if tight else 1e-3,
            atol=1e-6,
        )


@pytest.mark.parametrize("name, make, make_torch", PAIRS, ids=[p[0] for p in PAIRS])
def test_ten_steps_in_double_with_a_rate_that_float32_has(name, make, make_torch, rng):
    x, y, ours, theirs = problem(mx.float64, rng)
    optimizer, other = make(), make_torch(theirs.parameters())
    optimizer.learning_rate = mx.array(0.0625)
    other.param_groups[0]["lr"] = 0.0625
    loss_and_grad = nn.value_and_grad(ours, lambda: nn.losses.mse_loss(ours(x), y))
    for _ in range(10):
        loss, gradients = loss_and_grad()
        optimizer.update(ours, gradients)
        other.zero_grad()
        expected = torch.nn.functional.mse_loss(theirs(to_torch(x)), to_torch(y))
        expected.backward()
        other.step()
        # Bias corrections are computed in float32.
        np.testing.assert_allclose(loss.item(), expected.item(), rtol=1e-10 if "Adam" not in name else 1e-6)


def test_lion_and_adamax_and_adafactor_and_muon_by_the_book(rng):
    p = rng.normal(size=(4, 6))
    gradients = rng.normal(size=(3, 4, 6))

    def ours(optimizer):
        q = {"w": mx.array(p, dtype=mx.float64)}
        for g in gradients:
            q = optimizer.apply_gradients({"w": mx.array(g, dtype=mx.float64)}, q)
        return np.array(q["w"])

    q, m = p.copy(), np.zeros_like(p)
    for g in gradients:
        q = (1 - 0.25 * 0.1) * q - 0.25 * np.sign(0.9 * m + 0.1 * g)
        m = 0.99 * m + 0.01 * g
    np.testing.assert_allclose(ours(optim.Lion(0.25, weight_decay=0.1)), q, rtol=1e-7)

    q, m, v = p.copy(), np.zeros_like(p), np.zeros_like(p)
    for g in gradients:
        m, v = 0.9 * m + 0.1 * g, np.maximum(0.999 * v, abs(g))
        q = q - 0.25 * m / (v + 1e-8)
    np.testing.assert_allclose(ours(optim.Adamax(0.25)), q, rtol=1e-7)

    q, rows, columns = p.copy(), np.zeros(4), np.zeros(6)
    for t, g in enumerate(gradients, 1):
        beta, rate = 1 - t**-0.8, min(1e-2, 1 / math.sqrt(t)) * max(1e-3, math.sqrt((q**2).mean()))
        rows = beta * rows + (1 - beta) * (g**2 + 1e-30).mean(1)
        columns = beta * columns + (1 - beta) * (g**2 + 1e-30).mean(0)
        u = g / np.sqrt(np.outer(rows / rows.mean(), columns))
        q = q - rate * u / max(1, math.sqrt((u**2).mean()))
    np.testing.assert_allclose(ours(optim.Adafactor()), q, rtol=1e-5)

    q, v = p.copy(), np.zeros_like(p)
    for g in gradients:
        g = g + 0.01 * q
        v = 0.95 * v + 0.05 * g
        x = 0.95 * v + 0.05 * g
        x /= np.linalg.norm(x) + 1e-7
        for _ in range(5):
            a = x @ x.T
            x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
        q = q - 0.25 * x
    np.testing.assert_allclose(ours(optim.Muon(0.25)), q, rtol=1e-7)
    tall = optim.Muon(0.25, weight_decay=0, momentum=0)
    q = tall.apply_gradients({"w": mx.array(gradients[0].T)}, {"w": mx.zeros((6, 4))})["w"]
    singular = np.linalg.svd(np.array(q))[1] / (0.25 * math.sqrt(6 / 4))
    assert np.all((singular > 0.6) & (singular < 1.3))


def test_schedules():
    def values(schedule, steps):
        return [schedule(mx.array(step)).item() for step in steps]

    steps = [0, 3, 10, 99]
    assert values(optim.exponential_decay(0.5, 0.9), steps) == pytest.approx(
        [0.5 * 0.9**s for s in steps], rel=1e-5
    )
    assert values(optim.step_decay(0.5, 0.1, 5), steps) == pytest.approx(
        [0.5 * 0.1 ** (s // 5) for s in steps], rel=1e-5
    )
    cosine = [0.1 + 0.2 * (1 + math.cos(math.pi * min(s, 20) / 20)) for s in steps]
    assert values(optim.cosine_decay(0.5, 20, 0.1), steps) == pytest.approx(cosine, rel=1e-5)
    assert values(optim.linear_schedule(0, 1, 20), steps) == pytest.approx([0, 0.15, 0.5, 1], abs=1e-6)
    joined = optim.join_schedules([optim.linear_schedule(0, 1, 10), optim.cosine_decay(1, 20)], [10])
    assert values(joined, [0, 9, 10, 20, 50]) == pytest.approx([0, 0.9, 1, 0.5, 0], abs=1e-6)
    with pytest.raises(ValueError, match="boundaries"):
        optim.join_schedules([joined], [3])
    with pytest.raises(ValueError):
        optim.join_schedules([], [])
    with pytest.raises(ValueError, match="steps"):
        optim.linear_schedule(0, 1, 0)

    optimizer = optim.SGD(optim.linear_schedule(0, 1, 4))
    rates, p = [], {"w": mx.zeros(())}
    for _ in range(4):
        p = optimizer.apply_gradients({"w": mx.ones(())}, p)
        rates.append(optimizer.learning_rate.item())
    assert rates == [0, 0.25, 0.5, 0.75] and p["w"].item() == -1.5
    assert optimizer.step.item() == 4


def test_several_optimizers_share_a_model():
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    before = tree_map(lambda p: p, model.parameters())
    optimizer = optim.MultiOptimizer(
        [optim.SGD(1.0), optim.SGD(0.0)], [lambda path, g: path.startswith("layers.1")]
    )
    gradients = tree_map(mx.ones_like, model.parameters())
    optimizer.update(model, gradients)
    for path, value in tree_flatten(model.parameters()):
        moved = np.array(dict(tree_flatten(before))[path] - value)
        np.testing.assert_allclose(moved, 1.0 if path.startswith("layers.1") else 0.0, atol=1e-6)
    assert len(optimizer.state["states"]) == 2
    with pytest.raises(ValueError, match="filters"):
        optim.MultiOptimizer([optim.SGD(1.0)], [lambda path, g: True])


def test_gradients_are_clipped_together():
    gradients = {"a": mx.array([3.0]), "b": [mx.array([[4.0]])]}
    clipped, norm = optim.clip_grad_norm(gradients, 1.0)
    assert norm.item() == 5
    np.testing.assert_allclose([clipped["a"].item(), clipped["b"][0].item()], [0.6, 0.8], rtol=1e-5)
    same, _ = optim.clip_grad_norm(gradients, 10.0)
    assert same["a"].item() == 3


def test_a_state_goes_on_where_it_was_saved(tmp_path):
    def run(steps, state=None, p=None):
        optimizer = optim.AdamW(optim.cosine_decay(0.1, 20), bias_correction=True)
        p = p or {"w": mx.array([1.0, -2.0]), "l": [mx.array([[0.5]])]}
        if state is not None:
            optimizer.state = state
        for _ in range(steps):
            p = optimizer.apply_gradients(tree_map(mx.sin, p), p)
        return p, optimizer.state

    expected, _ = run(9)
    p, state = run(4)
    mx.savez(tmp_path / "state.npz", **dict(tree_flatten({"p": p, "o": state})))
    loaded = tree_unflatten(list(mx.load(tmp_path / "state.npz").items()))
    p, _ = run(5, loaded["o"], loaded["p"])
    np.testing.assert_array_equal(np.array(p["w"]), np.array(expected["w"]))
    np.testing.assert_array_equal(np.array(p["l"][0]), np.array(expected["l"][0]))


@pytest.mark.parametrize(
    "call, part",
    [
        (lambda: optim.SGD(0.1, nesterov=True), "momentum"),
        (lambda: optim.Adam(0.1, betas=(0.9, 1.0)), "betas"),
        (lambda: optim.Adam(0.1, betas=(0.9,)), "betas"),
        (lambda: optim.RMSprop(0.1, alpha=-1.0), "alpha"),
        (lambda: optim.Adafactor(relative_step=False), "learning rate"),
        (lambda: optim.SGD(0.1).apply_gradients({"q": mx.ones(2)}, {"w": mx.ones(2)}), "'q'"),
        (lambda: optim.SGD(0.1).apply_gradients({"w": mx.ones(3)}, {"w": mx.ones(2)}), "(3,)"),
        (
            lambda: optim.SGD(0.1).apply_gradients({"w": mx.ones(2)}, {"w": mx.ones(2, dtype=mx.int32)}),
            "int32",
        ),
    ],
)
def test_mistakes(call, part):
    with pytest.raises(ValueError) as error:
        call()
    assert part in str(error.value)


def test_an_optimizer_of_another_model():
    optimizer, model = optim.Adam(0.1), nn.Linear(2, 2)
    optimizer.init(model.trainable_parameters())
    with pytest.raises(ValueError, match="layers"):
        optimizer.update(nn.Sequential(nn.Linear(2, 2)), {"layers": [{"weight": mx.ones((2, 2))}]})


def test_the_update_of_a_parameter_is_one_kernel():
    p, g = {"w": mx.ones((1000,))}, {"w": mx.ones((1000,))}
    optimizer = optim.AdamW(0.1)
    p = optimizer.apply_gradients(g, p)
    mx.eval(p, optimizer.state)
    p = optimizer.apply_gradients(g, p)
    before = mx.debug.traffic()
    mx.eval(p, optimizer.state)
    after = mx.debug.traffic()
    # One region for the tensor, one for the step.
    assert after["kernels"] - before["kernels"] <= 3
    assert after["written"] - before["written"] <= 3 * 4000 + 64
