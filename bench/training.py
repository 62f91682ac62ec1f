"""Cases: a training step of a small network, written with plain arrays: forward, backward, Adam.

The network is 784-1024-1024-10 with rectifiers and a cross entropy, batch 256. Each call makes one step and gives the
loss before it, so that the losses of the first calls check the gradients and the update too.
"""

from itertools import pairwise

import numpy as np

from bench.case import Case, Work, each, normal, within

RATE, BETA1, BETA2, EPSILON = 1e-3, 0.9, 0.999, 1e-8
CALLS = 3


def arrays(rng, batch, *sizes):
    weights = {
        f"w{i}": normal(rng, n, m) / np.float32(np.sqrt(n)) for i, (n, m) in enumerate(pairwise(sizes))
    }
    return {"x": normal(rng, batch, sizes[0]), "y": rng.integers(0, sizes[-1], batch), **weights}


def layers(xp_zeros, weights):
    """[[w, b], ...] of arrays called w0, w1, ...; the biases begin with 0."""
    return [[w, xp_zeros(w.shape[1])] for _, w in sorted(weights.items())]


# ---- NumPy: the gradients by hand; in float64 it is the reference ----


def numpy_step(xp, x, y, **weights):
    params = layers(lambda n: np.zeros(n, x.dtype), weights)
    params = [p.copy() for layer in params for p in layer]
    means, squares = [np.zeros_like(p) for p in params], [np.zeros_like(p) for p in params]
    rows, step_number = np.arange(len(y)), 0

    def gradients():
        activations = [x]
        for w, b in zip(params[:-2:2], params[1:-2:2]):
            activations.append(np.maximum(activations[-1] @ w + b, 0))
        logits = activations[-1] @ params[-2] + params[-1]
        shifted = logits - logits.max(axis=-1, keepdims=True)
        e = np.exp(shifted)
        total = e.sum(axis=-1, keepdims=True)
        loss = np.mean(np.log(total[:, 0]) - shifted[rows, y])
        delta = e / total
        delta[rows, y] -= 1
        delta /= len(y)
        result = []
        for i in reversed(range(len(activations))):
            result = [activations[i].T @ delta, delta.sum(axis=0), *result]
            if i:
                delta = (delta @ params[2 * i].T) * (activations[i] > 0)
        return loss, result

    def step():
        nonlocal step_number
        step_number += 1
        loss, result = gradients()
        for p, g, mean, square in zip(params, result, means, squares):
            mean *= BETA1
            mean += (1 - BETA1) * g
            square *= BETA2
            square += (1 - BETA2) * g * g
            scale = RATE / (1 - BETA1**step_number)
            p -= scale * mean / (np.sqrt(square / (1 - BETA2**step_number)) + EPSILON)
        return loss

    return step


def reference(x, y, **weights):
    step = numpy_step(
        np, x.astype(np.float64), y, **{name: w.astype(np.float64) for name, w in weights.items()}
    )
    # Adam divides by the size of the gradient: where it is small, an error of f32 moves a weight by up to its rate.
    return within(np.array([step() for _ in range(CALLS)]), ulp=2000, scale=1.0)


# ---- PyTorch ----


def torch_step(xp, x, y, **weights):
    params = [[w.T.contiguous().requires_grad_(), b.requires_grad_()] for w, b in layers(xp.zeros, weights)]
    functional = xp.nn.functional
    optimizer = xp.optim.Adam([p for layer in params for p in layer], RATE, (BETA1, BETA2), EPSILON)

    def step():
        h = x
        for w, b in params[:-1]:
            h = functional.relu(functional.linear(h, w, b))
        optimizer.zero_grad()
        loss = functional.cross_entropy(functional.linear(h, *params[-1]), y)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


# ---- melix and MLX ----


def lazy_step(mx, compiled):
    def loss_of(params, x, y):
        for w, b in params[:-1]:
            x = mx.maximum(x @ w + b, 0)
        w, b = params[-1]
        logits = x @ w + b
        return mx.mean(mx.logsumexp(logits, axis=-1) - mx.take_along_axis(logits, y[:, None], axis=-1)[:, 0])

    def make(x, y, weights):
        params = layers(mx.zeros, weights)
        zeros = lambda: [[mx.zeros(p.shape) for p in layer] for layer in params]
        state = {"params": params, "means": zeros(), "squares": zeros(), "step": mx.array(0.0)}
        gradient = mx.value_and_grad(loss_of)

        def update(p, g, mean, square, scale1, scale2):
            mean = BETA1 * mean + (1 - BETA1) * g
            square = BETA2 * square + (1 - BETA2) * g * g
            return p - scale1 * mean / (mx.sqrt(square * scale2) + EPSILON), mean, square

        def body(x, y):
            loss, gradients = gradient(state["params"], x, y)
            state["step"] = state["step"] + 1
            scale1 = RATE / (1 - mx.power(BETA1, state["step"]))
            scale2 = 1 / (1 - mx.power(BETA2, state["step"]))
            kinds = ("params", "means", "squares")
            new = {kind: [] for kind in kinds}
            for p, g, mean, square in zip(state["params"], gradients, state["means"], state["squares"]):
                layer = [update(*four, scale1, scale2) for four in zip(p, g, mean, square)]
                for kind, values in zip(kinds, zip(*layer)):
                    new[kind].append(list(values))
            state.update(new)
            return loss

        step = mx.compile(body, inputs=state, outputs=state) if compiled else body

        def run():
            loss = step(x, y)
            mx.eval(loss, state)
            return loss

        return run

    return make


def lazy(compiled):
    return lambda xp, x, y, **weights: lazy_step(xp, compiled)(x, y, weights)


def operations(batch, *sizes):
    """Products: one forward and two backward per layer, less the gradient of the input."""
    pairs = [n * m for n, m in pairwise(sizes)]
    return Work(operations=2 * batch * (3 * sum(pairs) - pairs[0]))


def case(name, what, compiled, goal):
    return Case(
        name,
        what,
        each(numpy=numpy_step, torch=torch_step, mx=lazy(compiled)),
        arrays,
        reference,
        full=(256, 784, 1024, 1024, 10),
        tiny=(17, 13, 31, 31, 5),
        work=operations,
        calls=CALLS,
        goal=goal,
    )


CASES = [
    case("training_step", "training step of a network of 3 layers, in plain arrays", False, 1),
    case(
        "training_step_compiled",
        "the same, compiled where the library compiles without a compiler",
        True,
        1.2,
    ),
]
