"""Activations as layers. Those without parameters of their own call the function of their name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import melix.core as mx
from melix.core import _nn
from melix.nn.module import Module


class _Activation(Module):
    """Calls `function` with the options that the constructor was given."""

    function: Callable[..., mx.array]

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self._options = tuple(options.items())

    def __call__(self, x: mx.array) -> mx.array:
        return type(self).function(x, **dict(self._options))

    def _extra_repr(self) -> str:
        return ", ".join(f"{name}={value}" for name, value in self._options)


class ReLU(_Activation):
    """max(x, 0)."""

    function = staticmethod(_nn.relu)


class ReLU2(_Activation):
    """max(x, 0)^2."""

    function = staticmethod(_nn.relu2)


class ReLU6(_Activation):
    """x between 0 and 6."""

    function = staticmethod(_nn.relu6)


class LeakyReLU(_Activation):
    """x where it is positive, else negative_slope * x."""

    function = staticmethod(_nn.leaky_relu)

    def __init__(self, negative_slope: float = 0.01) -> None:
        super().__init__(negative_slope=negative_slope)


class PReLU(Module):
    """x where it is positive, else a learned number times x: one number, or one for each feature."""

    def __init__(self, num_parameters: int = 1, init: float = 0.25) -> None:
        super().__init__()
        self.weight = mx.full([num_parameters], init)

    def __call__(self, x: mx.array) -> mx.array:
        return _nn.prelu(x, self.weight)


class ELU(_Activation):
    """x where it is positive, else alpha * (exp(x) - 1)."""

    function = staticmethod(_nn.elu)

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__(alpha=alpha)


class CELU(_Activation):
    """x where it is positive, else alpha * (exp(x / alpha) - 1)."""

    function = staticmethod(_nn.celu)

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__(alpha=alpha)


class SELU(_Activation):
    """elu with the alpha and the scale that keep mean 0 and variance 1."""

    function = staticmethod(_nn.selu)


class GELU(Module):
    """x * P(X <= x) for a standard normal X; by a tanh with approx="precise" or "tanh", by a sigmoid with "fast"."""

    _FUNCTIONS = {
        "none": _nn.gelu,
        "precise": _nn.gelu_approx,
        "tanh": _nn.gelu_approx,
        "fast": _nn.gelu_fast_approx,
    }

    def __init__(self, approx: str = "none") -> None:
        super().__init__()
        if approx not in self._FUNCTIONS:
            raise ValueError(f"[GELU] approx is one of {', '.join(self._FUNCTIONS)}, not {approx!r}")
        self._approx = approx

    def __call__(self, x: mx.array) -> mx.array:
        return self._FUNCTIONS[self._approx](x)

    def _extra_repr(self) -> str:
        return f"approx={self._approx}"


class SiLU(_Activation):
    """x * sigmoid(x)."""

    function = staticmethod(_nn.silu)


class Sigmoid(_Activation):
    """1 / (1 + exp(-x))."""

    function = staticmethod(_nn.sigmoid)


class LogSigmoid(_Activation):
    """log(sigmoid(x))."""

    function = staticmethod(_nn.log_sigmoid)


class Softplus(_Activation):
    """log(1 + exp(x))."""

    function = staticmethod(_nn.softplus)


class Softsign(_Activation):
    """x / (1 + |x|)."""

    function = staticmethod(_nn.softsign)


class Softshrink(_Activation):
    """x moved towards 0 by `lambd`."""

    function = staticmethod(_nn.softshrink)

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__(lambd=lambd)


class HardShrink(_Activation):
    """x where it is farther from 0 than `lambd`, else 0."""

    function = staticmethod(_nn.hard_shrink)

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__(lambd=lambd)


class HardTanh(_Activation):
    """x between -1 and 1."""

    function = staticmethod(_nn.hard_tanh)


class Hardswish(_Activation):
    """x * min(max(x + 3, 0), 6) / 6."""

    function = staticmethod(_nn.hardswish)


class Mish(_Activation):
    """x * tanh(softplus(x))."""

    function = staticmethod(_nn.mish)


class Tanh(_Activation):
    """Hyperbolic tangent."""

    function = staticmethod(_nn.tanh)


class Step(_Activation):
    """1 where x is above the threshold, else 0."""

    function = staticmethod(_nn.step)

    def __init__(self, threshold: float = 0.0) -> None:
        super().__init__(threshold=threshold)


class GLU(_Activation):
    """The first half of x along an axis times the sigmoid of the second."""

    function = staticmethod(_nn.glu)

    def __init__(self, axis: int = -1) -> None:
        super().__init__(axis=axis)


class Softmax(_Activation):
    """exp(x) / sum(exp(x)) along the last axis."""

    function = staticmethod(_nn.softmax)


class Softmin(_Activation):
    """The softmax of -x."""

    function = staticmethod(_nn.softmin)


class LogSoftmax(_Activation):
    """log(softmax(x))."""

    function = staticmethod(_nn.log_softmax)
