"""Layers whose weights are shared by the processes of a group, each of which has a part.

With a group of one, the part is the whole.
"""

from __future__ import annotations

import math
from typing import Any

import melix.core as mx
from melix.nn.layers.quantized import _Quantized
from melix.nn.module import Module
from melix.utils import tree_flatten, tree_map, tree_unflatten


def _group(group: Any) -> Any:
    return group or mx.distributed.init()


def _check_divides(name: str, what: str, number: int, parts: int) -> None:
    if number % parts:
        raise ValueError(f"[{name}] {number} {what} cannot be shared by {parts} processes")


def _part(value: mx.array, axis: int, group: Any) -> mx.array:
    """This process's part of an array, cut along an axis."""
    return mx.contiguous(mx.split(value, group.size(), axis=axis)[group.rank()])


def _gradients_summed(x: mx.array, group: Any) -> mx.array:
    """x, whose gradient is the sum of those of all processes: each of them has used it."""
    if group.size() == 1:
        return x

    @mx.custom_function
    def same(x: mx.array) -> mx.array:
        return x

    @same.vjp
    def summed(_primals: Any, cotangent: mx.array, _output: Any) -> mx.array:
        return mx.distributed.all_sum(cotangent, group=group)

    return same(x)


class _Sharded(Module):
    """A linear map of which this process has some outputs (axis 0) or some inputs (axis 1)."""

    _axis: int

    def __init__(self, input_dims: int, output_dims: int, bias: bool = True, group: Any = None) -> None:
        super().__init__()
        group = self._group = _group(group)
        name, parts = type(self).__name__, group.size()
        _check_divides(
            name, *(("outputs", output_dims) if self._axis == 0 else ("inputs", input_dims)), parts
        )
        limit = math.sqrt(1 / input_dims)
        shape = [output_dims, input_dims]
        shape[self._axis] //= parts
        self.weight = mx.random.uniform(-limit, limit, shape)
        if bias:
            self.bias = mx.random.uniform(-limit, limit, (shape[0],))

    @classmethod
    def from_linear(cls, linear: Module, *, segments: Any = 1, group: Any = None) -> Any:
        """The part of a Linear that this process has. With `segments`, its outputs (inputs) are that many pieces one
        after the other (or end at these indices), each of which is shared."""
        layer = cls.__new__(cls)
        Module.__init__(layer)
        layer._group = _group(group)
        for name, value in linear.items():
            axis = cls._axis if value.ndim == 2 else 0 if cls._axis == 0 else None
            pieces = mx.split(value, segments, axis=axis) if axis is not None and segments != 1 else [value]
            if axis is not None:
                pieces = [_part(piece, axis, layer._group) for piece in pieces]
            setattr(layer, name, pieces[0] if len(pieces) == 1 else mx.concatenate(pieces, axis=axis))
        return layer

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "_group":
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)

    def _times(self, x: mx.array) -> mx.array:
        return x @ self["weight"].T

    def _extra_repr(self) -> str:
        outputs, inputs = self.weight.shape
        parts = self._group.size()
        outputs, inputs = (outputs * parts, inputs) if self._axis == 0 else (outputs, inputs * parts)
        return f"input_dims={inputs}, output_dims={outputs}, bias={'bias' in self}"


class _AllToSharded:
    """Whole inputs, of which each process computes some outputs."""

    _axis = 0

    def __call__(self: Any, x: mx.array) -> mx.array:
        y = self._times(_gradients_summed(x, self._group))
        return y + self["bias"] if "bias" in self else y


class _ShardedToAll:
    """Inputs of which each process has some, whose products are summed: all have all outputs."""

    _axis = 1

    def __call__(self: Any, x: mx.array) -> mx.array:
        y = mx.distributed.all_sum(self._times(x), group=self._group)
        return y + self["bias"] if "bias" in self else y


class AllToShardedLinear(_AllToSharded, _Sharded):
    """Linear of which each process computes some of the outputs."""


class ShardedToAllLinear(_ShardedToAll, _Sharded):
    """Linear of which each process has some of the inputs; the result is summed over the processes."""


class _QuantizedSharded(_Quantized, _Sharded):
    def __init__(
        self,
        input_dims: int,
        output_dims: int,
        bias: bool = True,
        group_size: int = 64,
        bits: int = 4,
        mode: str = "affine",
        group: Any = None,
    ) -> None:
        _Sharded.__init__(self, input_dims, output_dims, bias, group)
        self._take(self.pop("weight"), group_size, bits, mode)

    @classmethod
    def from_quantized_linear(cls, quantized_linear: Any, *, segments: Any = 1, group: Any = None) -> Any:
        """The part of a QuantizedLinear that this process has (see from_linear)."""
        layer = cls.from_linear(quantized_linear, segments=segments, group=group)
        for name in ("group_size", "bits", "mode"):
            setattr(layer, name, getattr(quantized_linear, name))
        layer.freeze(recurse=False, keys=[key for key in ("weight", "scales", "biases") if key in layer])
        return layer

    def _times(self, x: mx.array) -> mx.array:
        return self._product(x)

    def _extra_repr(self) -> str:
        return f"{self._dims()}, bias={'bias' in self}, {self._format_repr()}"


class QuantizedAllToShardedLinear(_AllToSharded, _QuantizedSharded):
    """AllToShardedLinear with a quantized weight."""


class QuantizedShardedToAllLinear(_ShardedToAll, _QuantizedSharded):
    """ShardedToAllLinear with a quantized weight."""


class FullyShardedModule(Module):
    """A module of whose parameters each process keeps a part, and gathers the whole when it calls it."""

    def __init__(self, module: Module, group: Any = None, compute_dtype: mx.Dtype | None = None) -> None:
        super().__init__()
        object.__setattr__(self, "_group", _group(group))
        self._compute_dtype = compute_dtype
        self._shapes = {name: value.shape for name, value in tree_flatten(module.parameters())}
        self.module = module
        if self._group.size() > 1:
            module.apply(self._kept)

    def _kept(self, value: mx.array) -> mx.array:
        """This process's part of a parameter: of its elements in order, filled up to a multiple of the processes."""
        parts = self._group.size()
        flat = mx.pad(value.reshape(-1), (0, -value.size % parts))
        return _part(flat, 0, self._group)

    def _whole(self, name: str, value: mx.array) -> mx.array:
        if self._compute_dtype is not None and mx.issubdtype(value.dtype, mx.floating):
            value = value.astype(self._compute_dtype)
        if self._group.size() == 1:
            return value
        shape = self._shapes[name]
        return mx.distributed.all_gather(value, group=self._group)[: math.prod(shape)].reshape(shape)

    def _calling(self, method: str, *args: Any, **kwargs: Any) -> Any:
        parts = self.module.parameters()
        whole = [(name, self._whole(name, value)) for name, value in tree_flatten(parts)]
        self.module.update(tree_unflatten(whole))
        try:
            return getattr(self.module, method)(*args, **kwargs)
        finally:
            self.module.update(parts)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._calling("__call__", *args, **kwargs)

    def as_linear(self, *args: Any, **kwargs: Any) -> Any:
        """as_linear of the module (an embedding), with all of its parameters."""
        return self._calling("as_linear", *args, **kwargs)


def fully_shard(module: Module, *, group: Any = None, compute_dtype: mx.Dtype | None = None) -> Module:
    """The model, of which each leaf module with parameters is a FullyShardedModule now."""

    def wrapped(leaf: Any) -> Any:
        has_parameters = isinstance(leaf, Module) and tree_flatten(leaf.parameters())
        return FullyShardedModule(leaf, group, compute_dtype) if has_parameters else leaf

    if not tree_flatten(module.children(), is_leaf=Module.is_module):
        return wrapped(module)
    return module.update_modules(tree_map(wrapped, module.leaf_modules(), is_leaf=Module.is_module))
