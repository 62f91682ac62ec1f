"""Recurrent layers over (L, D) or (N, L, D). They give the hidden states of all steps."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import melix.core as mx
from melix.core import _nn
from melix.nn.module import Module


def _uniform(hidden_size: int, *shape: int) -> mx.array:
    limit = 1.0 / math.sqrt(hidden_size)
    return mx.random.uniform(-limit, limit, shape)


class RNN(Module):
    """h = nonlinearity(x @ Wxh.T + h @ Whh.T + bias)."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: Callable[[Any], Any] | None = None,
    ) -> None:
        super().__init__()
        if nonlinearity is not None and not callable(nonlinearity):
            raise ValueError(f"[RNN] nonlinearity is a function, not {nonlinearity!r}")
        self.nonlinearity = nonlinearity or _nn.tanh
        self.hidden_size = hidden_size
        self.Wxh = _uniform(hidden_size, hidden_size, input_size)
        self.Whh = _uniform(hidden_size, hidden_size, hidden_size)
        if bias:
            self.bias = _uniform(hidden_size, hidden_size)

    def __call__(self, x: mx.array, hidden: mx.array | None = None) -> mx.array:
        x = mx.addmm(self.bias, x, self.Wxh.T) if "bias" in self else x @ self.Wxh.T
        states = []
        for step in range(x.shape[-2]):
            now = x[..., step, :]
            if hidden is not None:
                now = mx.addmm(now, hidden, self.Whh.T)
            hidden = self.nonlinearity(now)
            states.append(hidden)
        return mx.stack(states, axis=-2)

    def _extra_repr(self) -> str:
        return (
            f"input_dims={self.Wxh.shape[1]}, hidden_size={self.hidden_size}, "
            f"nonlinearity={getattr(self.nonlinearity, '__name__', self.nonlinearity)}, bias={'bias' in self}"
        )


class GRU(Module):
    """r, z = sigmoid(...), n = tanh(x Wxn + r * (h Whn + bhn)), h = (1 - z) * n + z * h."""

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True) -> None:
        super().__init__()
        self.hidden_size = hidden_size
        self.Wx = _uniform(hidden_size, 3 * hidden_size, input_size)
        self.Wh = _uniform(hidden_size, 3 * hidden_size, hidden_size)
        if bias:
            self.b = _uniform(hidden_size, 3 * hidden_size)
            self.bhn = _uniform(hidden_size, hidden_size)

    def __call__(self, x: mx.array, hidden: mx.array | None = None) -> mx.array:
        x = mx.addmm(self.b, x, self.Wx.T) if "b" in self else x @ self.Wx.T
        gates, new = x[..., : 2 * self.hidden_size], x[..., 2 * self.hidden_size :]
        states = []
        for step in range(x.shape[-2]):
            gates_now, new_now = gates[..., step, :], new[..., step, :]
            bhn = self.bhn if "bhn" in self else 0
            if hidden is None:
                r, z = mx.split(mx.sigmoid(gates_now), 2, axis=-1)
                hidden = (1 - z) * mx.tanh(new_now + r * bhn)
            else:
                from_hidden = hidden @ self.Wh.T
                r, z = mx.split(mx.sigmoid(gates_now + from_hidden[..., : 2 * self.hidden_size]), 2, axis=-1)
                n = mx.tanh(new_now + r * (from_hidden[..., 2 * self.hidden_size :] + bhn))
                hidden = (1 - z) * n + z * hidden
            states.append(hidden)
        return mx.stack(states, axis=-2)

    def _extra_repr(self) -> str:
        return f"input_dims={self.Wx.shape[1]}, hidden_size={self.hidden_size}, bias={'b' in self}"


class LSTM(Module):
    """i, f, o = sigmoid(...), g = tanh(...), c = f * c + i * g, h = o * tanh(c). Gives hidden and cell states."""

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True) -> None:
        super().__init__()
        self.hidden_size = hidden_size
        self.Wx = _uniform(hidden_size, 4 * hidden_size, input_size)
        self.Wh = _uniform(hidden_size, 4 * hidden_size, hidden_size)
        if bias:
            self.bias = _uniform(hidden_size, 4 * hidden_size)

    def __call__(
        self, x: mx.array, hidden: mx.array | None = None, cell: mx.array | None = None
    ) -> tuple[mx.array, mx.array]:
        x = mx.addmm(self.bias, x, self.Wx.T) if "bias" in self else x @ self.Wx.T
        hiddens, cells = [], []
        for step in range(x.shape[-2]):
            now = x[..., step, :]
            if hidden is not None:
                now = mx.addmm(now, hidden, self.Wh.T)
            i, f, g, o = mx.split(now, 4, axis=-1)
            i, f, g, o = mx.sigmoid(i), mx.sigmoid(f), mx.tanh(g), mx.sigmoid(o)
            cell = i * g if cell is None else f * cell + i * g
            hidden = o * mx.tanh(cell)
            hiddens.append(hidden)
            cells.append(cell)
        return mx.stack(hiddens, axis=-2), mx.stack(cells, axis=-2)

    def _extra_repr(self) -> str:
        return f"input_dims={self.Wx.shape[1]}, hidden_size={self.hidden_size}, bias={'bias' in self}"
