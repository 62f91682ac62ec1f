"""What the training examples share: progress, checkpoints, and the picture of the losses.

A checkpoint is one safetensors file with everything that the next step depends on: weights, state of the optimizer,
state of the random numbers, place in the data, losses so far. It is replaced atomically, so that a run that is killed
at any moment goes on from the last one, to the same bits.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from melix.data import Loader
from melix.optimizers import Optimizer
from melix.utils import tree_flatten, tree_unflatten

import melix.core as mx
import melix.nn as nn


def arguments(description: str, epochs: int, **more: str) -> argparse.Namespace:
    """Options of the command line; `more` are further ones, with what is said of them."""
    parser = argparse.ArgumentParser(description=description)
    for name, text in more.items():
        parser.add_argument(f"--{name}", help=text)
    parser.add_argument(
        "--epochs", type=int, default=epochs, help=f"times through the data (default: {epochs})"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of all random numbers (default: 0)")
    parser.add_argument("--out", type=Path, help="folder for the checkpoint and the picture of the losses")
    parser.add_argument("--every", type=int, default=50, help="steps between two checkpoints (default: 50)")
    return parser.parse_args()


class Training:
    """A model, its optimizer and its data on their way. `step(*batch)` gives the loss, and is what is compiled."""

    def __init__(
        self, model: nn.Module, optimizer: Optimizer, data: Loader, options: argparse.Namespace
    ) -> None:
        self.model, self.optimizer, self.data, self.options = model, optimizer, data, options
        self.losses: list[float] = []
        optimizer.init(model.trainable_parameters())
        mx.eval(model.state, optimizer.state)
        if options.out:
            options.out.mkdir(parents=True, exist_ok=True)
            self.resume()

    @property
    def checkpoint(self) -> Path:
        return self.options.out / "checkpoint.safetensors"

    def save(self) -> None:
        tree = {
            "model": self.model.parameters(),
            "optimizer": self.optimizer.state,
            "random": [mx.random.state[0]],
        }
        notes = {"data": self.data.state, "losses": self.losses}
        mx.save_safetensors(
            self.checkpoint,
            dict(tree_flatten(tree)),
            {key: json.dumps(value) for key, value in notes.items()},
        )

    def resume(self) -> None:
        if not self.checkpoint.exists():
            return
        weights, notes = mx.load(self.checkpoint, return_metadata=True)
        tree = tree_unflatten(list(weights.items()))
        self.model.load_weights(tree_flatten(tree["model"]))
        self.optimizer.state = tree["optimizer"]
        mx.random.state[0] = tree["random"][0]
        self.data.state = json.loads(notes["data"])
        self.losses = json.loads(notes["losses"])
        print(f"resumed at step {len(self.losses)} from {self.checkpoint}")

    def run(self, step: Any, after_epoch: Any = lambda: "") -> None:
        """Trains to the end. `after_epoch()` gives what there is to say of an epoch."""
        state = [self.model.state, self.optimizer.state, mx.random.state]
        compiled = mx.compile(step, inputs=state, outputs=state)
        steps = self.options.epochs * len(self.data)
        start, done, samples = time.perf_counter(), len(self.losses), 0
        while self.data.state["epoch"] < self.options.epochs:
            epoch = self.data.state["epoch"]
            for batch in self.data:
                loss = compiled(*batch)
                mx.eval(loss, state)
                self.losses.append(loss.item())
                samples += batch[0].shape[0]
                rate = samples / (time.perf_counter() - start)
                self.show(len(self.losses), steps, rate)
                if self.options.out and len(self.losses) % self.options.every == 0:
                    self.save()
            text = after_epoch()
            print(f"\repoch {epoch + 1}: loss {mean(self.losses[-len(self.data) :]):.4f} {text}".ljust(78))
        if self.options.out:
            self.save()
            picture = self.options.out / "loss.svg"
            picture.write_text(curve(self.losses))
            print(f"losses of {len(self.losses)} steps ({len(self.losses) - done} new): {picture}")

    def show(self, step: int, steps: int, rate: float) -> None:
        if not sys.stdout.isatty() and step % max(steps // 10, 1):
            return
        bar = "#" * (20 * step // steps)
        memory = mx.get_active_memory() / 2**20
        line = f"[{bar:20s}] step {step}/{steps} loss {self.losses[-1]:.4f} {rate:.0f} samples/s {memory:.0f} MiB"
        print(
            f"\r{line}" if sys.stdout.isatty() else line, end="" if sys.stdout.isatty() else "\n", flush=True
        )


def mean(values: Iterable[float]) -> float:
    values = list(values)
    return sum(values) / max(len(values), 1)


def curve(losses: list[float], width: int = 640, height: int = 320) -> str:
    """The losses as a picture: each step thin, their mean over a hundredth of the run thick."""
    window = max(len(losses) // 100, 1)
    smooth = [mean(losses[max(0, i - window + 1) : i + 1]) for i in range(len(losses))]
    low, high = min(losses, default=0), max(losses, default=1)
    span = high - low or 1

    def points(values: list[float]) -> str:
        xs = (40 + i * (width - 60) / max(len(values) - 1, 1) for i in range(len(values)))
        ys = (height - 30 - (v - low) / span * (height - 50) for v in values)
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(xs, ys))

    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" '
            'font-size="11">',
            f'<rect width="{width}" height="{height}" fill="white"/>',
            f'<polyline points="{points(losses)}" fill="none" stroke="#9bc" stroke-width="0.7"/>',
            f'<polyline points="{points(smooth)}" fill="none" stroke="#147" stroke-width="2"/>',
            f'<text x="4" y="24">{high:.3g}</text><text x="4" y="{height - 30}">{low:.3g}</text>',
            f'<text x="{width / 2}" y="{height - 8}">{len(losses)} steps</text>',
            "</svg>\n",
        ]
    )
