"""A convolutional network that tells drawn shapes apart: discs, squares, crosses and triangles.

The program draws its pictures itself. Run it with `./dev python examples/images.py`.
"""

import math

import melix.optimizers as optim
from melix.data import Loader
from training import Training, arguments

import melix.core as mx
import melix.nn as nn

SIZE = 28
SHAPES = ("disc", "square", "cross", "triangle")


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm(16), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm(32), nn.ReLU(), nn.MaxPool2d(2),
        )  # fmt: skip
        self.dropout = nn.Dropout(0.25)
        self.head = nn.Linear(32 * (SIZE // 4) ** 2, len(SHAPES))

    def __call__(self, x):
        return self.head(self.dropout(self.features(x).flatten(1)))


def pictures(n, key):
    """n noisy pictures, (n, SIZE, SIZE, 1), of shapes of any place, size and angle; and which shape each is."""
    keys = mx.random.split(key, 5)
    kind = mx.random.randint(0, len(SHAPES), (n, 1, 1), key=keys[0])
    centre = mx.random.uniform(-0.3, 0.3, (2, n, 1, 1), key=keys[1])
    size = mx.random.uniform(0.35, 0.6, (n, 1, 1), key=keys[2])
    turn = mx.random.uniform(0, 2 * math.pi, (n, 1, 1), key=keys[3])
    line = mx.linspace(-1, 1, SIZE)
    dx, dy = line[None, None] - centre[0], line[None, :, None] - centre[1]
    x = (dx * mx.cos(turn) + dy * mx.sin(turn)) / size
    y = (dy * mx.cos(turn) - dx * mx.sin(turn)) / size
    ax, ay = mx.abs(x), mx.abs(y)
    inside = [
        x * x + y * y < 1,
        mx.maximum(ax, ay) < 0.85,
        (mx.minimum(ax, ay) < 0.3) & (mx.maximum(ax, ay) < 1.1),
        (y > -0.6) & (y + 1.8 * ax < 1.1),
    ]
    drawn = sum((kind == i) & shape for i, shape in enumerate(inside)).astype(mx.float32)
    noisy = drawn + mx.random.normal((n, SIZE, SIZE), scale=0.3, key=keys[4])
    return noisy[..., None], kind.squeeze((1, 2))


def main():
    options = arguments(
        "Trains a convolutional network on drawn shapes.", epochs=4, pictures="how many (default: 4000)"
    )
    mx.random.seed(options.seed)
    train, test = pictures(int(options.pictures or 4000), mx.random.key(1)), pictures(500, mx.random.key(2))
    model, optimizer = Network(), optim.Adam(2e-3, bias_correction=True)
    data = Loader(train, batch_size=50, shuffle=True, seed=options.seed)
    training = Training(model, optimizer, data, options)

    loss_and_grad = nn.value_and_grad(
        model, lambda x, y: nn.losses.cross_entropy(model(x), y, reduction="mean")
    )

    def step(x, y):
        loss, gradients = loss_and_grad(x, y)
        optimizer.update(model, gradients)
        return loss

    def validate():
        model.eval()
        x, y = test
        right = mx.mean(mx.argmax(model(x), axis=-1) == y)
        model.train()
        return f"right on new pictures: {100 * right.item():.1f} %"

    training.run(step, validate)


if __name__ == "__main__":
    main()
