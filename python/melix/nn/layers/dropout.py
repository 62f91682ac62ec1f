"""Dropout: elements, or whole channels, set to 0 at random while training; the rest is scaled so that means stay."""

from __future__ import annotations

import melix.core as mx
from melix.nn.module import Module


class _Dropout(Module):
    # Axes from the end of which all elements drop together, with one channel axis behind them.
    _together = 0

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError(f"[{type(self).__name__}] the probability p is from 0 to below 1, not {p}")
        self._p = p

    def __call__(self, x: mx.array) -> mx.array:
        if self._p == 0 or not self.training:
            return x
        shape = list(x.shape)
        if self._together:
            if x.ndim not in (self._together + 1, self._together + 2):
                raise ValueError(
                    f"[{type(self).__name__}] takes {self._together + 1} dimensions, or {self._together + 2} "
                    f"with a batch, the channels last; got shape {x.shape}"
                )
            shape[-1 - self._together : -1] = [1] * self._together
        keep = 1 - self._p
        return mx.where(mx.random.bernoulli(keep, shape), x * (1 / keep), mx.array(0, dtype=x.dtype))

    def _extra_repr(self) -> str:
        return f"p={self._p}"


class Dropout(_Dropout):
    """Each element is 0 with probability p."""


class Dropout2d(_Dropout):
    """Each channel of (N, H, W, C) or (H, W, C) is 0 as a whole with probability p."""

    _together = 2


class Dropout3d(_Dropout):
    """Each channel of (N, D, H, W, C) or (D, H, W, C) is 0 as a whole with probability p."""

    _together = 3
