"""Attention, and the layers of the transformer around it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import melix.core as mx
from melix.core import _nn
from melix.nn.layers.dropout import Dropout
from melix.nn.layers.linear import Linear
from melix.nn.layers.normalization import LayerNorm
from melix.nn.module import Module
from melix.nn.utils import checkpoint as checkpointed

Mask = mx.array | None
Activation = Callable[[Any], Any]


class MultiHeadAttention(Module):
    """Attention of queries (N, L, D) to keys and values (N, S, D), in `num_heads` heads."""

    def __init__(
        self,
        dims: int,
        num_heads: int,
        query_input_dims: int | None = None,
        key_input_dims: int | None = None,
        value_input_dims: int | None = None,
        value_dims: int | None = None,
        value_output_dims: int | None = None,
        bias: bool = False,
    ) -> None:
        super().__init__()
        value_dims = value_dims or dims
        if dims % num_heads or value_dims % num_heads:
            raise ValueError(
                f"[MultiHeadAttention] {dims} and {value_dims} features do not make {num_heads} heads each"
            )
        key_input_dims = key_input_dims or dims
        self.num_heads = num_heads
        self.query_proj = Linear(query_input_dims or dims, dims, bias=bias)
        self.key_proj = Linear(key_input_dims, dims, bias=bias)
        self.value_proj = Linear(value_input_dims or key_input_dims, value_dims, bias=bias)
        self.out_proj = Linear(value_dims, value_output_dims or dims, bias=bias)

    def __call__(self, queries: mx.array, keys: mx.array, values: mx.array, mask: Mask = None) -> mx.array:
        q = self._heads(self.query_proj(queries))
        k = self._heads(self.key_proj(keys))
        v = self._heads(self.value_proj(values))
        y = mx.fast.scaled_dot_product_attention(q, k, v, scale=math.sqrt(1 / q.shape[-1]), mask=mask)
        return self.out_proj(y.swapaxes(1, 2).flatten(-2, -1))

    def _heads(self, x: mx.array) -> mx.array:
        """(N, L, H * D) as (N, H, L, D)."""
        return mx.unflatten(x, -1, (self.num_heads, -1)).swapaxes(1, 2)

    @staticmethod
    def create_additive_causal_mask(N: int, dtype: mx.Dtype = mx.float32) -> mx.array:
        """An (N, N) mask that is 0 where query i may see key j <= i, and the lowest number elsewhere."""
        places = mx.arange(N)
        return (places[:, None] < places[None]).astype(dtype) * mx.finfo(dtype).min


class TransformerEncoderLayer(Module):
    """Attention of the sequence to itself, then a network of two layers, each added to what comes in."""

    def __init__(
        self,
        dims: int,
        num_heads: int,
        mlp_dims: int | None = None,
        dropout: float = 0.0,
        activation: Activation = _nn.relu,
        norm_first: bool = True,
    ) -> None:
        super().__init__()
        mlp_dims = mlp_dims or dims * 4
        self.attention = MultiHeadAttention(dims, num_heads)
        self.ln1 = LayerNorm(dims)
        self.ln2 = LayerNorm(dims)
        self.linear1 = Linear(dims, mlp_dims)
        self.linear2 = Linear(mlp_dims, dims)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        self.activation = activation
        self.norm_first = norm_first

    def __call__(self, x: mx.array, mask: Mask) -> mx.array:
        def attend(x: mx.array) -> mx.array:
            return self.dropout1(self.attention(x, x, x, mask))

        def feed_forward(x: mx.array) -> mx.array:
            return self.linear2(self.dropout2(self.activation(self.linear1(x))))

        if self.norm_first:
            x = x + attend(self.ln1(x))
            return x + feed_forward(self.ln2(x))
        x = self.ln1(x + attend(x))
        return self.ln2(x + feed_forward(x))


class TransformerDecoderLayer(Module):
    """An encoder layer that also attends to a memory, between its two parts."""

    def __init__(
        self,
        dims: int,
        num_heads: int,
        mlp_dims: int | None = None,
        dropout: float = 0.0,
        activation: Activation = _nn.relu,
        norm_first: bool = True,
    ) -> None:
        super().__init__()
        mlp_dims = mlp_dims or dims * 4
        self.self_attention = MultiHeadAttention(dims, num_heads)
        self.cross_attention = MultiHeadAttention(dims, num_heads)
        self.ln1 = LayerNorm(dims)
        self.ln2 = LayerNorm(dims)
        self.ln3 = LayerNorm(dims)
        self.linear1 = Linear(dims, mlp_dims)
        self.linear2 = Linear(mlp_dims, dims)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        self.dropout3 = Dropout(dropout)
        self.activation = activation
        self.norm_first = norm_first

    def __call__(self, x: mx.array, memory: mx.array, x_mask: Mask, memory_mask: Mask) -> mx.array:
        def attend(x: mx.array) -> mx.array:
            return self.dropout1(self.self_attention(x, x, x, x_mask))

        def remember(x: mx.array) -> mx.array:
            return self.dropout2(self.cross_attention(x, memory, memory, memory_mask))

        def feed_forward(x: mx.array) -> mx.array:
            return self.linear2(self.dropout3(self.activation(self.linear1(x))))

        if self.norm_first:
            x = x + attend(self.ln1(x))
            x = x + remember(self.ln2(x))
            return x + feed_forward(self.ln3(x))
        x = self.ln1(x + attend(x))
        x = self.ln2(x + remember(x))
        return self.ln3(x + feed_forward(x))


class _Stack(Module):
    """Layers of one kind, and a normalisation at the end."""

    _layer: type[Module]

    def __init__(
        self,
        num_layers: int,
        dims: int,
        num_heads: int,
        mlp_dims: int | None = None,
        dropout: float = 0.0,
        activation: Activation = _nn.relu,
        norm_first: bool = True,
        checkpoint: bool = False,
    ) -> None:
        super().__init__()
        arguments = (dims, num_heads, mlp_dims, dropout, activation, norm_first)
        self.layers = [self._layer(*arguments) for _ in range(num_layers)]
        self.ln = LayerNorm(dims)
        self.checkpoint = checkpoint

    def _through(self, x: mx.array, *rest: Any) -> mx.array:
        for layer in self.layers:
            x = (checkpointed(layer) if self.checkpoint else layer)(x, *rest)
        return self.ln(x)


class TransformerEncoder(_Stack):
    """A stack of TransformerEncoderLayer."""

    _layer = TransformerEncoderLayer

    def __call__(self, x: mx.array, mask: Mask) -> mx.array:
        return self._through(x, mask)


class TransformerDecoder(_Stack):
    """A stack of TransformerDecoderLayer."""

    _layer = TransformerDecoderLayer

    def __call__(self, x: mx.array, memory: mx.array, x_mask: Mask, memory_mask: Mask) -> mx.array:
        return self._through(x, memory, x_mask, memory_mask)


class Transformer(Module):
    """The transformer of Vaswani et al. (2017): an encoder of the source, and a decoder of the target that sees it."""

    def __init__(
        self,
        dims: int = 512,
        num_heads: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        mlp_dims: int | None = None,
        dropout: float = 0.0,
        activation: Activation = _nn.relu,
        custom_encoder: Any = None,
        custom_decoder: Any = None,
        norm_first: bool = True,
        checkpoint: bool = False,
    ) -> None:
        super().__init__()
        rest = (dims, num_heads, mlp_dims, dropout, activation, norm_first, checkpoint)
        self.encoder = custom_encoder or TransformerEncoder(num_encoder_layers, *rest)
        self.decoder = custom_decoder or TransformerDecoder(num_decoder_layers, *rest)

    def __call__(
        self, src: mx.array, tgt: mx.array, src_mask: Mask, tgt_mask: Mask, memory_mask: Mask
    ) -> mx.array:
        return self.decoder(tgt, self.encoder(src, src_mask), tgt_mask, memory_mask)
