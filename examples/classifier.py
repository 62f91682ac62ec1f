"""A first program: which of three spirals a point of the plane is on.

Run it with `./dev python examples/classifier.py`; with `--out folder` it can be stopped at any time and goes on.
"""

import math
from itertools import pairwise

import melix.optimizers as optim
from melix.data import Loader
from training import Training, arguments

import melix.core as mx
import melix.nn as nn


class MLP(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.layers = [nn.Linear(m, n) for m, n in pairwise(sizes)]

    def __call__(self, x):
        for layer in self.layers[:-1]:
            x = nn.relu(layer(x))
        return self.layers[-1](x)


def spirals(n, key):
    """n points of each spiral, and which it is."""
    keys = mx.random.split(key, 2)
    radius = mx.random.uniform(0.1, 1, (3, n), key=keys[0])
    start = mx.arange(3)[:, None] * (2 * math.pi / 3)
    angle = start + 5 * radius + mx.random.normal((3, n), scale=0.15, key=keys[1])
    points = mx.stack([radius * mx.cos(angle), radius * mx.sin(angle)], axis=-1)
    return points.reshape(-1, 2), mx.repeat(mx.arange(3), n)


def main():
    options = arguments("Trains a classifier of points on three spirals.", epochs=20)
    mx.random.seed(options.seed)
    train, test = spirals(1000, mx.random.key(1)), spirals(200, mx.random.key(2))
    model = MLP([2, 64, 64, 3])
    optimizer = optim.AdamW(optim.cosine_decay(1e-2, options.epochs * 47), bias_correction=True)
    data = Loader(train, batch_size=64, shuffle=True, seed=options.seed)
    training = Training(model, optimizer, data, options)

    loss_and_grad = nn.value_and_grad(
        model, lambda x, y: nn.losses.cross_entropy(model(x), y, reduction="mean")
    )

    def step(x, y):
        loss, gradients = loss_and_grad(x, y)
        optimizer.update(model, gradients)
        return loss

    def validate():
        x, y = test
        right = mx.mean(mx.argmax(model(x), axis=-1) == y)
        return f"right on new points: {100 * right.item():.1f} %"

    training.run(step, validate)


if __name__ == "__main__":
    main()
