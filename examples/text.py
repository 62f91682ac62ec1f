"""A small transformer that learns to write, letter by letter, from a text.

Without `--text` it learns from the pages in docs/. Run it with `./dev python examples/text.py`.
"""

import math
from pathlib import Path

import melix.optimizers as optim
from melix.data import Loader
from training import Training, arguments

import melix.core as mx
import melix.nn as nn

CONTEXT = 96


class Block(nn.Module):
    def __init__(self, dims, heads):
        super().__init__()
        self.norm1, self.norm2 = nn.RMSNorm(dims), nn.RMSNorm(dims)
        self.qkv, self.out = nn.Linear(dims, 3 * dims, bias=False), nn.Linear(dims, dims, bias=False)
        self.up, self.down = nn.Linear(dims, 4 * dims), nn.Linear(4 * dims, dims)
        self.rope = nn.RoPE(dims // heads)
        self.heads = heads

    def __call__(self, x):
        batch, length, dims = x.shape
        q, k, v = (
            t.reshape(batch, length, self.heads, -1).swapaxes(1, 2)
            for t in mx.split(self.qkv(self.norm1(x)), 3, axis=-1)
        )
        scale = 1 / math.sqrt(q.shape[-1])
        y = mx.fast.scaled_dot_product_attention(self.rope(q), self.rope(k), v, scale=scale, mask="causal")
        x = x + self.out(y.swapaxes(1, 2).reshape(batch, length, dims))
        return x + self.down(nn.gelu(self.up(self.norm2(x))))


class Writer(nn.Module):
    def __init__(self, letters, dims=128, heads=4, depth=4):
        super().__init__()
        self.embedding = nn.Embedding(letters, dims)
        self.blocks = [Block(dims, heads) for _ in range(depth)]
        self.norm = nn.RMSNorm(dims)

    def __call__(self, tokens):
        x = self.embedding(tokens)
        for block in self.blocks:
            x = block(x)
        return self.embedding.as_linear(self.norm(x))


def read(path):
    files = [path] if path else sorted((Path(__file__).parent.parent / "docs").glob("*.md"))
    return "\n".join(Path(f).read_text() for f in files)


def main():
    options = arguments(
        "Trains a transformer on a text.", epochs=2, text="file to learn from (default: the pages in docs/)"
    )
    mx.random.seed(options.seed)
    text = read(options.text)
    alphabet = sorted(set(text))
    codes = mx.array([alphabet.index(c) for c in text])
    starts = range(0, len(text) - CONTEXT - 1, CONTEXT // 2)
    windows = mx.stack([codes[s : s + CONTEXT + 1] for s in starts])
    model = Writer(len(alphabet))
    optimizer = optim.AdamW(3e-3, weight_decay=0.05, bias_correction=True)
    data = Loader([windows], batch_size=32, shuffle=True, seed=options.seed, drop_last=True)
    training = Training(model, optimizer, data, options)

    def loss_of(tokens):
        return nn.losses.cross_entropy(model(tokens[:, :-1]), tokens[:, 1:], reduction="mean")

    loss_and_grad = nn.value_and_grad(model, loss_of)

    def step(tokens):
        loss, gradients = loss_and_grad(tokens)
        gradients, _ = optim.clip_grad_norm(gradients, 1.0)
        optimizer.update(model, gradients)
        return loss

    def write(n=120):
        tokens = codes[:16].tolist()
        for i in range(n):
            logits = model(mx.array([tokens[-CONTEXT:]]))[0, -1]
            key = mx.random.key(i)  # leaves the random numbers of training as they are
            tokens.append(mx.random.categorical(logits / 0.7, key=key).item())
        return repr("".join(alphabet[t] for t in tokens[16:]))

    training.run(step, write)


if __name__ == "__main__":
    main()
