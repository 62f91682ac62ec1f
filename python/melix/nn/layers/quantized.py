"""Layers with quantized weights, and the function that gives them to a model."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import melix.core as mx
from melix.nn.module import Module
from melix.utils import tree_map_with_path

# Group size and bits of each mode where none are given.
DEFAULTS = {"affine": (64, 4), "mxfp4": (32, 4), "nvfp4": (16, 4), "mxfp8": (32, 8)}


def _format(group_size: int | None, bits: int | None, mode: str) -> tuple[int, int]:
    if mode not in DEFAULTS:
        raise ValueError(f"[quantize] mode is one of {', '.join(DEFAULTS)}, not {mode!r}")
    return group_size or DEFAULTS[mode][0], bits or DEFAULTS[mode][1]


class _Quantized(Module):
    """A quantized weight with its scales, and biases where the mode has them. They stay frozen: what can be learned in
    such a layer is something beside it."""

    group_size: int
    bits: int
    mode: str

    def _take(self, weight: mx.array, group_size: int | None, bits: int | None, mode: str) -> None:
        self.group_size, self.bits = _format(group_size, bits, mode)
        self.mode = mode
        names = ("weight", "scales", "biases")
        for name, value in zip(names, mx.quantize(weight, self.group_size, self.bits, mode=mode)):
            setattr(self, name, value)
        self.freeze(recurse=False)

    def unfreeze(self, *args: Any, **kwargs: Any) -> Module:
        super().unfreeze(*args, **kwargs)
        return self.freeze(recurse=False, keys=[key for key in ("weight", "scales", "biases") if key in self])

    def _product(self, x: mx.array) -> mx.array:
        """x times the transposed weight."""
        return mx.quantized_matmul(
            x,
            self["weight"],
            scales=self["scales"],
            biases=self.get("biases"),
            transpose=True,
            group_size=self.group_size,
            bits=self.bits,
            mode=self.mode,
        )

    def _dims(self) -> tuple[int, int]:
        """Rows and columns of the weight before it was packed."""
        rows, words = self.weight.shape
        return rows, words * 32 // self.bits

    def _format_repr(self) -> str:
        return f"group_size={self.group_size}, bits={self.bits}, mode={self.mode}"


class QuantizedLinear(_Quantized):
    """Linear with a quantized weight."""

    def __init__(
        self,
        input_dims: int,
        output_dims: int,
        bias: bool = True,
        group_size: int | None = None,
        bits: int | None = None,
        mode: str = "affine",
    ) -> None:
        super().__init__()
        limit = math.sqrt(1 / input_dims)
        if bias:
            self.bias = mx.zeros((output_dims,))
        self._take(mx.random.uniform(-limit, limit, (output_dims, input_dims)), group_size, bits, mode)

    def __call__(self, x: mx.array) -> mx.array:
        y = self._product(x)
        return y + self["bias"] if "bias" in self else y

    @classmethod
    def from_linear(
        cls, linear: Module, group_size: int | None = None, bits: int | None = None, mode: str = "affine"
    ) -> QuantizedLinear:
        """The layer with the weight of a Linear, quantized."""
        layer = cls.__new__(cls)
        Module.__init__(layer)
        if "bias" in linear:
            layer.bias = linear.bias
        layer._take(linear.weight, group_size, bits, mode)
        return layer

    def _extra_repr(self) -> str:
        outputs, inputs = self._dims()
        return f"input_dims={inputs}, output_dims={outputs}, bias={'bias' in self}, {self._format_repr()}"


class QuantizedEmbedding(_Quantized):
    """Embedding with a quantized weight."""

    def __init__(
        self,
        num_embeddings: int,
        dims: int,
        group_size: int | None = None,
        bits: int | None = None,
        mode: str = "affine",
    ) -> None:
        super().__init__()
        weight = mx.random.normal((num_embeddings, dims), scale=math.sqrt(1 / dims))
        self._take(weight, group_size, bits, mode)
        self.num_embeddings = num_embeddings
        self.dims = dims

    def __call__(self, x: mx.array) -> mx.array:
        biases = self.get("biases")
        return mx.dequantize(
            self["weight"][x],
            scales=self["scales"][x],
            biases=None if biases is None else biases[x],
            group_size=self.group_size,
            bits=self.bits,
            mode=self.mode,
        )

    def as_linear(self, x: mx.array) -> mx.array:
        """x @ weight.T."""
        return self._product(x)

    @classmethod
    def from_embedding(
        cls, embedding: Module, group_size: int | None = None, bits: int | None = None, mode: str = "affine"
    ) -> QuantizedEmbedding:
        """The layer with the weight of an Embedding, quantized."""
        layer = cls.__new__(cls)
        Module.__init__(layer)
        layer.num_embeddings, layer.dims = embedding.weight.shape
        layer._take(embedding.weight, group_size, bits, mode)
        return layer

    def _extra_repr(self) -> str:
        return f"{self.num_embeddings}, {self.dims}, {self._format_repr()}"


class QQLinear(Module):
    """A product of which both sides are quantized: the input when it comes, the weight in evaluation (`eval`) or with
    `quantize`. While training the weight is kept as it is, quantized at every call."""

    def __init__(
        self,
        input_dims: int,
        output_dims: int,
        group_size: int | None = None,
        bits: int | None = None,
        mode: str = "nvfp4",
    ) -> None:
        super().__init__()
        limit = math.sqrt(1 / input_dims)
        self.weight = mx.random.uniform(-limit, limit, (output_dims, input_dims))
        self._set_format(group_size, bits, mode)

    def _set_format(self, group_size: int | None, bits: int | None, mode: str) -> None:
        if mode == "affine":
            raise ValueError("[QQLinear] mode is mxfp4, nvfp4 or mxfp8: inputs are not quantized with biases")
        self.group_size, self.bits = _format(group_size, bits, mode)
        self.mode = mode
        self._quantized = False

    def quantize(self) -> None:
        """Packs the weight."""
        if not self._quantized:
            self.weight, self.scales = mx.quantize(self.weight, self.group_size, self.bits, mode=self.mode)
            self._quantized = True

    def dequantize(self) -> None:
        """Unpacks the weight; what quantization rounded stays rounded."""
        if self._quantized:
            self.weight = mx.dequantize(
                self.weight, self.scales, group_size=self.group_size, bits=self.bits, mode=self.mode
            )
            del self.scales
            self._quantized = False

    def train(self, mode: bool = True) -> Module:
        super().train(mode)
        if mode:
            self.dequantize()
        else:
            self.quantize()
        return self

    def __call__(self, x: mx.array) -> mx.array:
        return mx.qqmm(
            x,
            self["weight"],
            self.get("scales"),
            group_size=self.group_size,
            bits=self.bits,
            mode=self.mode,
        )

    @classmethod
    def from_linear(
        cls, linear: Module, group_size: int | None = None, bits: int | None = None, mode: str = "nvfp4"
    ) -> QQLinear:
        """The layer with the weight of a Linear, which has no bias."""
        if "bias" in linear:
            raise ValueError("[QQLinear] has no bias, and the layer to be quantized has one")
        layer = cls.__new__(cls)
        Module.__init__(layer)
        layer.weight = linear.weight
        layer._set_format(group_size, bits, mode)
        return layer

    def _extra_repr(self) -> str:
        outputs, inputs = self.weight.shape
        inputs = inputs * 32 // self.bits if self._quantized else inputs
        return (
            f"input_dims={inputs}, output_dims={outputs}, group_size={self.group_size}, bits={self.bits}, "
            f"mode={self.mode}"
        )


def quantize(
    model: Module,
    group_size: int | None = None,
    bits: int | None = None,
    *,
    mode: str = "affine",
    quantize_input: bool = False,
    class_predicate: Callable[[str, Module], bool | dict[str, Any]] | None = None,
) -> None:
    """Replaces the layers of the model that can be quantized (they have `to_quantized`).

    `class_predicate(path, module)` says which (by default all): True, False, or a dict of group_size, bits, mode for
    this one. Whatever it says, a layer whose weight the mode cannot take is an error that names it.
    """
    predicate = class_predicate or (lambda _, module: hasattr(module, "to_quantized"))
    _format(group_size, bits, mode)

    def replaced(path: str, module: Any) -> Any:
        if not isinstance(module, Module) or not (chosen := predicate(path, module)):
            return module
        if not hasattr(module, "to_quantized"):
            raise ValueError(f"[quantize] {path} is a {type(module).__name__}, which cannot be quantized")
        options: dict[str, Any] = {"group_size": group_size, "bits": bits, "mode": mode}
        if isinstance(chosen, dict):
            options = chosen
        if quantize_input:
            options = {**options, "quantize_input": True}
        try:
            return module.to_quantized(**options)
        except ValueError as error:
            raise ValueError(f"{error} (in {path} of {type(model).__name__})") from None

    leaves = tree_map_with_path(replaced, model.leaf_modules(), is_leaf=Module.is_module)
    model.update_modules(leaves)
