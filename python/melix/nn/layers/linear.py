"""Linear maps, embeddings, and modules one after the other."""

from __future__ import annotations

import math
from typing import Any

import melix.core as mx
from melix.nn.module import Module


class Identity(Module):
    """The argument itself. Takes and ignores whatever the layer takes that it stands for."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def __call__(self, x: mx.array) -> mx.array:
        return x


class Linear(Module):
    """x @ weight.T + bias, with a weight of shape (output_dims, input_dims).

    Both start uniform between ±1 / sqrt(input_dims).
    """

    def __init__(self, input_dims: int, output_dims: int, bias: bool = True) -> None:
        super().__init__()
        limit = math.sqrt(1.0 / input_dims)
        self.weight = mx.random.uniform(-limit, limit, (output_dims, input_dims))
        if bias:
            self.bias = mx.random.uniform(-limit, limit, (output_dims,))

    def __call__(self, x: mx.array) -> mx.array:
        if "bias" in self:
            return mx.addmm(self["bias"], x, self["weight"].T)
        return x @ self["weight"].T

    def to_quantized(
        self,
        group_size: int | None = None,
        bits: int | None = None,
        mode: str = "affine",
        quantize_input: bool = False,
    ) -> Module:
        """The layer with a quantized weight; with `quantize_input`, one that quantizes its inputs too."""
        from melix.nn.layers.quantized import QQLinear, QuantizedLinear

        if not quantize_input:
            return QuantizedLinear.from_linear(self, group_size, bits, mode)
        return QQLinear.from_linear(self, group_size, bits, mode)

    def _extra_repr(self) -> str:
        outputs, inputs = self.weight.shape
        return f"input_dims={inputs}, output_dims={outputs}, bias={'bias' in self}"


class Bilinear(Module):
    """x1 @ weight[i] @ x2 + bias[i] for each output i, with a weight (output_dims, input2_dims, input1_dims)."""

    def __init__(self, input1_dims: int, input2_dims: int, output_dims: int, bias: bool = True) -> None:
        super().__init__()
        limit = math.sqrt(1.0 / input1_dims)
        self.weight = mx.random.uniform(-limit, limit, (output_dims, input2_dims, input1_dims))
        if bias:
            self.bias = mx.random.uniform(-limit, limit, (output_dims,))

    def __call__(self, x1: mx.array, x2: mx.array) -> mx.array:
        outputs, second, first = self.weight.shape
        leading = x1.shape[:-1]
        x1, x2 = x1.reshape(-1, first), x2.reshape(-1, 1, second)
        # (N, outputs, second): each row of x1 through all matrices at once.
        through = (x1 @ self["weight"].reshape(outputs * second, first).T).reshape(-1, outputs, second)
        y = (through @ x2.swapaxes(-1, -2)).squeeze(-1)
        y = y.reshape(*leading, outputs)
        return y + self["bias"] if "bias" in self else y

    def _extra_repr(self) -> str:
        outputs, second, first = self.weight.shape
        return f"input1_dims={first}, input2_dims={second}, output_dims={outputs}, bias={'bias' in self}"


class Embedding(Module):
    """A row of the weight, (num_embeddings, dims), for each integer."""

    def __init__(self, num_embeddings: int, dims: int) -> None:
        super().__init__()
        self.weight = mx.random.normal((num_embeddings, dims), scale=math.sqrt(1 / dims))

    def __call__(self, x: mx.array) -> mx.array:
        return self["weight"][x]

    def as_linear(self, x: mx.array) -> mx.array:
        """x @ weight.T: the embedding as the last layer of a language model."""
        return x @ self["weight"].T

    def to_quantized(
        self,
        group_size: int | None = None,
        bits: int | None = None,
        mode: str = "affine",
        quantize_input: bool = False,
    ) -> Module:
        """The layer with a quantized weight."""
        from melix.nn.layers.quantized import QuantizedEmbedding

        if quantize_input:
            raise ValueError(
                "[Embedding] takes integers, whose quantization is nothing: quantize_input must be False"
            )
        return QuantizedEmbedding.from_embedding(self, group_size, bits, mode)

    def _extra_repr(self) -> str:
        return f"{self.weight.shape[0]}, {self.weight.shape[1]}"


class Sequential(Module):
    """Modules (or functions) called one after the other."""

    def __init__(self, *modules: Any) -> None:
        super().__init__()
        self.layers = list(modules)

    def __call__(self, x: mx.array) -> mx.array:
        for layer in self.layers:
            x = layer(x)
        return x
