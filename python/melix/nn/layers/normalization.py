"""Normalisation: activations with mean 0 and variance 1 over some axes, then scaled and shifted by learned numbers."""

from __future__ import annotations

import melix.core as mx
from melix.nn.module import Module


class LayerNorm(Module):
    """Over the last axis."""

    def __init__(self, dims: int, eps: float = 1e-5, affine: bool = True, bias: bool = True) -> None:
        super().__init__()
        if affine:
            self.weight = mx.ones((dims,))
            if bias:
                self.bias = mx.zeros((dims,))
        self.eps = eps
        self.dims = dims

    def __call__(self, x: mx.array) -> mx.array:
        return mx.fast.layer_norm(x, self.get("weight"), self.get("bias"), self.eps)

    def _extra_repr(self) -> str:
        return f"{self.dims}, eps={self.eps}, affine={'weight' in self}"


class RMSNorm(Module):
    """x over the root of the mean of its squares, along the last axis."""

    def __init__(self, dims: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.weight = mx.ones((dims,))
        self.eps = eps

    def __call__(self, x: mx.array) -> mx.array:
        return mx.fast.rms_norm(x, self["weight"], self.eps)

    def _extra_repr(self) -> str:
        return f"{self.weight.shape[0]}, eps={self.eps}"


class _Affine(Module):
    """Learned scales and shifts of the last axis, if there are any."""

    def __init__(self, dims: int, eps: float, affine: bool) -> None:
        super().__init__()
        if affine:
            self.weight = mx.ones((dims,))
            self.bias = mx.zeros((dims,))
        self.eps = eps

    def _scaled(self, x: mx.array) -> mx.array:
        return self["weight"] * x + self["bias"] if "weight" in self else x


class InstanceNorm(_Affine):
    """Over the axes between the first and the last, of (N, ..., C)."""

    def __init__(self, dims: int, eps: float = 1e-5, affine: bool = False) -> None:
        super().__init__(dims, eps, affine)
        self.dims = dims

    def __call__(self, x: mx.array) -> mx.array:
        axes = tuple(range(1, x.ndim - 1))
        mean = mx.mean(x, axis=axes, keepdims=True)
        variance = mx.var(x, axis=axes, keepdims=True)
        return self._scaled((x - mean) * mx.rsqrt(variance + self.eps))

    def _extra_repr(self) -> str:
        return f"{self.dims}, eps={self.eps}, affine={'weight' in self}"


class GroupNorm(_Affine):
    """Over all axes but the first, in each of `num_groups` groups of channels (the last axis).

    Group i is the channels i, i + num_groups, ...; with `pytorch_compatible`, neighbours make a group, as in PyTorch.
    """

    def __init__(
        self,
        num_groups: int,
        dims: int,
        eps: float = 1e-5,
        affine: bool = True,
        pytorch_compatible: bool = False,
    ) -> None:
        super().__init__(dims, eps, affine)
        if dims % num_groups:
            raise ValueError(f"[GroupNorm] {dims} channels do not make {num_groups} groups")
        self.num_groups = num_groups
        self.dims = dims
        self.pytorch_compatible = pytorch_compatible

    def __call__(self, x: mx.array) -> mx.array:
        batch, channels = x.shape[0], x.shape[-1]
        if channels != self.dims:
            raise ValueError(f"[GroupNorm] made for {self.dims} channels, got shape {x.shape}")
        size = channels // self.num_groups
        if self.pytorch_compatible:
            # (N, groups, places * channels of the group)
            grouped = x.reshape(batch, -1, self.num_groups, size).swapaxes(1, 2)
            y = mx.fast.layer_norm(grouped.reshape(batch, self.num_groups, -1), None, None, self.eps)
            y = y.reshape(batch, self.num_groups, -1, size).swapaxes(1, 2).reshape(x.shape)
        else:
            grouped = x.reshape(batch, -1, self.num_groups)
            mean = mx.mean(grouped, axis=1, keepdims=True)
            variance = mx.var(grouped, axis=1, keepdims=True)
            y = ((grouped - mean) * mx.rsqrt(variance + self.eps)).reshape(x.shape)
        return self._scaled(y)

    def _extra_repr(self) -> str:
        return (
            f"{self.num_groups}, {self.dims}, eps={self.eps}, affine={'weight' in self}, "
            f"pytorch_compatible={self.pytorch_compatible}"
        )


class BatchNorm(_Affine):
    """Over all axes but the last, the features, of (N, C), (N, L, C) or (N, H, W, C).

    While training, with the mean and variance of the batch, which also move the running ones by `momentum`; in
    evaluation, with the running ones.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
    ) -> None:
        super().__init__(num_features, eps, affine)
        self.num_features = num_features
        self.momentum = momentum
        self.track_running_stats = track_running_stats
        if track_running_stats:
            self.running_mean = mx.zeros((num_features,))
            self.running_var = mx.ones((num_features,))
            self.freeze(keys=["running_mean", "running_var"], recurse=False)

    def unfreeze(self, *args, **kwargs) -> Module:
        """The running statistics stay frozen: they are not learned by gradients."""
        super().unfreeze(*args, **kwargs)
        if self.track_running_stats:
            self.freeze(keys=["running_mean", "running_var"], recurse=False)
        return self

    def __call__(self, x: mx.array) -> mx.array:
        if not 2 <= x.ndim <= 4 or x.shape[-1] != self.num_features:
            raise ValueError(
                f"[BatchNorm] takes 2 to 4 dimensions, the last of {self.num_features}; got shape {x.shape}"
            )
        if not self.training and self.track_running_stats:
            mean, variance = self.running_mean, self.running_var
        else:
            axes = tuple(range(x.ndim - 1))
            mean, variance = mx.mean(x, axis=axes), mx.var(x, axis=axes)
            if self.training and self.track_running_stats:
                m = self.momentum
                n = x.size // x.shape[-1]
                unbiased = variance * (n / max(n - 1, 1))
                self.running_mean = (1 - m) * self.running_mean + m * mx.stop_gradient(mean)
                self.running_var = (1 - m) * self.running_var + m * mx.stop_gradient(unbiased)
        return self._scaled((x - mean) * mx.rsqrt(variance + self.eps))

    def _extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={'weight' in self}, "
            f"track_running_stats={self.track_running_stats}"
        )
