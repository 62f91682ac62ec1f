"""Positions: rotations of queries and keys, biases of scores, and encodings by sines."""

from __future__ import annotations

import math

import melix.core as mx
from melix.nn.module import Module


class RoPE(Module):
    """Rotates pairs of the first `dims` features by an angle that grows with the position, (..., L, D).

    Pairs are features i and i + dims / 2; with `traditional`, neighbours.
    """

    def __init__(self, dims: int, traditional: bool = False, base: float = 10000, scale: float = 1.0) -> None:
        super().__init__()
        self.dims = dims
        self.traditional = traditional
        self.base = base
        self.scale = scale

    def __call__(self, x: mx.array, offset: int | mx.array = 0) -> mx.array:
        return mx.fast.rope(
            x, self.dims, traditional=self.traditional, base=self.base, scale=self.scale, offset=offset
        )

    def _extra_repr(self) -> str:
        return f"{self.dims}, traditional={self.traditional}"


class SinusoidalPositionalEncoding(Module):
    """Sines and cosines of a position at dims / 2 frequencies, from max_freq down to min_freq in equal ratios."""

    def __init__(
        self,
        dims: int,
        min_freq: float = 0.0001,
        max_freq: float = 1,
        scale: float | None = None,
        cos_first: bool = False,
        full_turns: bool = False,
    ) -> None:
        super().__init__()
        steps = 1 - mx.arange(0, dims // 2) / max(dims // 2 - 1, 1)
        low, high = math.log(min_freq), math.log(max_freq)
        self._sigmas = mx.exp(steps * (high - low) + low) * (2 * math.pi if full_turns else 1)
        self.scale = math.sqrt(2 / dims) if scale is None else scale
        self.cos_first = cos_first

    def __call__(self, x: mx.array) -> mx.array:
        angles = x[..., None] * self._sigmas
        parts = [mx.sin(angles), mx.cos(angles)]
        y = mx.concatenate(parts[::-1] if self.cos_first else parts, axis=-1)
        return y * self.scale if self.scale != 1 else y


class ALiBi(Module):
    """Adds to attention scores (..., H, L, S) a bias that falls with the distance, with a slope for each head."""

    @staticmethod
    def create_alibi_slope(num_heads: int, dtype: mx.Dtype = mx.float32) -> mx.array:
        """2^(-8 h / num_heads) for h = 1 ... num_heads, of shape (H, 1, 1)."""
        heads = mx.arange(1, num_heads + 1)
        return mx.power(2.0, heads * (-8 / num_heads)).astype(dtype)[:, None, None]

    @staticmethod
    def create_alibi_matrix(
        q_sequence_length: int,
        k_sequence_length: int,
        num_heads: int,
        offset: int = 0,
        dtype: mx.Dtype = mx.float32,
    ) -> mx.array:
        """The biases (1, H, L, S); the first query is at position `offset`."""
        queries = mx.arange(offset, q_sequence_length + offset)
        distances = mx.abs(queries[:, None] - mx.arange(k_sequence_length)[None])
        return (-distances.astype(dtype) * ALiBi.create_alibi_slope(num_heads, dtype))[None]

    def __call__(self, attention_scores: mx.array, offset: int = 0, mask: mx.array | None = None) -> mx.array:
        heads, queries, keys = attention_scores.shape[-3:]
        bias = self.create_alibi_matrix(queries - offset, keys, heads, offset, attention_scores.dtype)
        return attention_scores + (bias if mask is None else bias + mask)
