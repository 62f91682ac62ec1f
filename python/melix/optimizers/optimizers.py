"""Optimizers. The rule of each, for one parameter, is in melix/optim/rules.h; what is here keeps the state."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import melix.core as mx
from melix.core import _optim
from melix.nn.module import Module
from melix.utils import tree_flatten, tree_map, tree_merge, tree_reduce, tree_unflatten

Rate = float | Callable[[mx.array], mx.array]
State = dict[str, Any]


class Optimizer:
    """What all optimizers have: a state, which is a tree of arrays that can be saved and given back, with the step, the
    learning rate, and for each parameter what its rule remembers.

    `schedulers` are hyperparameters that depend on the step. A new optimizer has `init_single` (the state of one
    parameter) and `apply_single` (one parameter, changed).
    """

    def __init__(self, schedulers: dict[str, Callable[[mx.array], mx.array]] | None = None) -> None:
        self._initialized = False
        self._state: State = {"step": mx.array(0, mx.uint64)}
        self._schedulers = dict(schedulers or {})

    def update(self, model: Module, gradients: Any) -> None:
        """Changes the parameters of the model by their gradients (a tree like theirs, or a part of it)."""
        model.update(self.apply_gradients(gradients, model))

    def init(self, parameters: Any) -> None:
        """Makes the state for a tree of parameters: what `update` does at the first step."""
        made = tree_map(self._made, parameters)
        self._state = (
            {**made, **self._state} if isinstance(made, dict) else {"parameters": made, **self._state}
        )
        self._initialized = True

    def _made(self, parameter: mx.array) -> State:
        state: State = {}
        self.init_single(parameter, state)
        return state

    def init_single(self, parameter: mx.array, state: State) -> None:
        """Puts what the rule remembers of a parameter into its state."""
        raise TypeError(f"{type(self).__name__} has no init_single")

    def apply_gradients(self, gradients: Any, parameters: Any) -> Any:
        """The parameters (a tree, of which the gradients may be a part), changed by their gradients."""
        if not self._initialized:
            self.init(gradients)
        for name, schedule in self._schedulers.items():
            self._state[name] = schedule(self.step)
        self._state["step"] = self.step + 1
        return self._applied(gradients, parameters, self._state, "")

    def _applied(self, gradients: Any, parameters: Any, state: Any, path: str) -> Any:
        if isinstance(gradients, dict):
            keys = gradients.items()
        elif isinstance(gradients, (list, tuple)):
            keys = enumerate(gradients)
        else:
            return self._changed(gradients, parameters, state, path)
        out = {}
        for key, gradient in keys:
            below = f"{path}.{key}" if path else f"{key}"
            try:
                child, remembered = parameters[key], state[key]
            except (KeyError, IndexError, TypeError):
                if not tree_flatten(gradient):
                    out[key] = gradient
                    continue
                raise ValueError(
                    f"[{type(self).__name__}] there is a gradient of {below!r}, which is no parameter that this "
                    "optimizer was made for"
                ) from None
            out[key] = self._applied(gradient, child, remembered, below)
        return out if isinstance(gradients, dict) else type(gradients)(out.values())

    def _changed(self, gradient: Any, parameter: Any, state: Any, path: str) -> Any:
        if not isinstance(gradient, mx.array) or not isinstance(parameter, mx.array):
            return parameter
        if gradient.shape != parameter.shape:
            raise ValueError(
                f"[{type(self).__name__}] the gradient of {path!r} has shape {gradient.shape}, the parameter "
                f"{parameter.shape}"
            )
        if not mx.issubdtype(parameter.dtype, mx.inexact):
            raise ValueError(
                f"[{type(self).__name__}] {path!r} is of dtype {parameter.dtype}: it has no gradient"
            )
        return self.apply_single(gradient, parameter, state)

    def apply_single(self, gradient: mx.array, parameter: mx.array, state: State) -> mx.array:
        """The parameter, changed. Changes its state too."""
        raise TypeError(f"{type(self).__name__} has no apply_single")

    @property
    def state(self) -> State:
        """The state, a tree of arrays."""
        return self._state

    @state.setter
    def state(self, state: State) -> None:
        self._initialized = len(state) > 2
        self._state = state

    @property
    def step(self) -> mx.array:
        """How often the optimizer was applied."""
        return self._state["step"]

    @property
    def learning_rate(self) -> mx.array:
        return self._state["learning_rate"]

    @learning_rate.setter
    def learning_rate(self, rate: float | mx.array) -> None:
        self._state["learning_rate"] = mx.array(rate)

    def _schedule(self, name: str, value: Any) -> None:
        """A hyperparameter: a number, or a function of the step."""
        if callable(value):
            self._schedulers[name] = value
            self._state[name] = value(self.step)
        else:
            self._state[name] = mx.array(value, dtype=mx.float32)


class _Remembering(Optimizer):
    """An optimizer whose state of a parameter is arrays like it, zeros at first, in the order of its rule."""

    _names: tuple[str, ...]

    def __init__(self, learning_rate: Rate) -> None:
        super().__init__()
        self._schedule("learning_rate", learning_rate)

    def init_single(self, parameter: mx.array, state: State) -> None:
        state.update((name, mx.zeros_like(parameter)) for name in self._names)

    def apply_single(self, gradient: mx.array, parameter: mx.array, state: State) -> mx.array:
        remembered = (state[name] for name in self._names)
        parameter, *now = self._rule(parameter, gradient, *remembered)
        state.update(zip(self._names, now))
        return parameter

    def _rule(self, parameter: mx.array, gradient: mx.array, *remembered: mx.array) -> list[mx.array]:
        raise TypeError(f"{type(self).__name__} has no rule")


def _check(name: str, **values: float) -> None:
    """Numbers that are 0 or more."""
    for what, value in values.items():
        if not value >= 0:
            raise ValueError(f"[{name}] {what} is at least 0, not {value}")


def _pair(name: str, what: str, values: Sequence[float]) -> tuple[float, float]:
    if len(values) != 2 or not all(0 <= value < 1 for value in values):
        raise ValueError(f"[{name}] {what} are two numbers from 0 to below 1, not {values}")
    return float(values[0]), float(values[1])


class SGD(_Remembering):
    """Gradient descent, with momentum if asked for."""

    _names = ("v",)

    def __init__(
        self,
        learning_rate: Rate,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        dampening: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("[SGD] nesterov needs a momentum, and no dampening")
        super().__init__(learning_rate)
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.dampening = dampening
        self.nesterov = nesterov

    def _rule(self, parameter: mx.array, gradient: mx.array, *remembered: mx.array) -> list[mx.array]:
        options = (self.momentum, self.weight_decay, self.dampening, self.nesterov)
        return _optim.sgd(parameter, gradient, *remembered, self.learning_rate, *options)


class RMSprop(_Remembering):
    """Steps divided by the root of an average of squared gradients (Hinton, 2012)."""

    _names = ("v",)

    def __init__(self, learning_rate: Rate, alpha: float = 0.99, eps: float = 1e-8) -> None:
        _check("RMSprop", alpha=alpha, eps=eps)
        super().__init__(learning_rate)
        self.alpha = alpha
        self.eps = eps

    def _rule(self, parameter: mx.array, gradient: mx.array, *remembered: mx.array) -> list[mx.array]:
        return _optim.rmsprop(parameter, gradient, *remembered, self.learning_rate, self.alpha, self.eps)


class Adagrad(_Remembering):
    """Steps divided by the root of the sum of squared gradients (Duchi et al., 2011)."""

    _names = ("v",)

    def __init__(self, learning_rate: Rate, eps: float = 1e-8) -> None:
        _check("Adagrad", eps=eps)
        super().__init__(learning_rate)
        self.eps = eps

    def _rule(self, parameter: mx.array, gradient: mx.array, *remembered: mx.array) -> list[mx.array]:
        return _optim.adagrad(parameter, gradient, *remembered, self.learning_rate, self.eps)


class AdaDelta(_Remembering):
    """Steps in the units of the parameter: scaled by the averages of squared gradients and of squared steps (Zeiler,
    2012)."""

    _names = ("v", "u")

    def __init__(self, learning_rate: Rate, rho: float = 0.9, eps: float = 1e-6) -> None:
        _check("AdaDelta", rho=rho, eps=eps)
        super().__init__(learning_rate)
        self.rho = rho
        self.eps = eps

    def _rule(self, parameter: mx.array, gradient: mx.array, *remembered: mx.array) -> list[mx.array]:
        return _optim.adadelta(parameter, gradient, *remembered, self.learning_rate, self.rho, self.eps)


class Adam(_Remembering):
    """Averages of gradients over the root of averages of their squares (Kingma and Ba, 2015)."""

    _names = ("m", "v")
    _weight_decay = 0.0

    def __init__(
        self,
        learning_rate: Rate,
        betas: Sequence[float] = (0.9, 0.999),
        eps: float = 1e-8,
        bias_correction: bool = False,
    ) -> None:
        _check(type(self).__name__, eps=eps)
        super().__init__(learning_rate)
        self.betas = _pair(type(self).__name__, "betas", betas)
        self.eps = eps
        self.bias_correction = bias_correction

    def _rule(self, parameter: mx.array, gradient: mx.array, *remembered: mx.array) -> list[mx.array]:
        options = (self.betas, self.eps, self._weight_decay, self.bias_correction)
        return _optim.adam(parameter, gradient, *remembered, self.learning_rate, self.step, *options)


class AdamW(Adam):
    """Adam, with parameters that shrink by `weight_decay` times the learning rate (Loshchilov and Hutter, 2019)."""

    def __init__(
        self,
        learning_rate: Rate,
        betas: Sequence[float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
        bias_correction: bool = False,
    ) -> None:
        super().__init__(learning_rate, betas, eps, bias_correction)
        self.weight_decay = weight_decay

    @property
    def _weight_decay(self) -> float:  # type: ignore[override]
        return self.weight_decay


class Adamax(Adam):
    """Adam with the largest gradient so far, fading, in place of the root of the average."""

    def __init__(self, learning_rate: Rate, betas: Sequence[float] = (0.9, 0.999), eps: float = 1e-8) -> None:
        super().__init__(learning_rate, betas, eps)

    def _rule(self, parameter: mx.array, gradient: mx.array, *remembered: mx.array) -> list[mx.array]:
        return _optim.adamax(parameter, gradient, *remembered, self.learning_rate, self.betas, self.eps)


class Lion(_Remembering):
    """Steps of one size: the sign of an average (Chen et al., 2023). Takes learning rates 3 to 10 times below
    Adam's."""

    _names = ("m",)

    def __init__(
        self, learning_rate: Rate, betas: Sequence[float] = (0.9, 0.99), weight_decay: float = 0.0
    ) -> None:
        super().__init__(learning_rate)
        self.betas = _pair("Lion", "betas", betas)
        self.weight_decay = weight_decay

    def _rule(self, parameter: mx.array, gradient: mx.array, *remembered: mx.array) -> list[mx.array]:
        return _optim.lion(
            parameter, gradient, *remembered, self.learning_rate, self.betas, self.weight_decay
        )


class Muon(_Remembering):
    """Momentum with an orthogonal direction for matrices (Jordan, 2024). For the matrices inside of a network;
    embeddings, the last layer and vectors are better off with AdamW (see MultiOptimizer)."""

    _names = ("v",)

    def __init__(
        self,
        learning_rate: Rate,
        momentum: float = 0.95,
        weight_decay: float = 0.01,
        nesterov: bool = True,
        ns_steps: int = 5,
    ) -> None:
        super().__init__(learning_rate)
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.nesterov = nesterov
        self.ns_steps = ns_steps

    def _rule(self, parameter: mx.array, gradient: mx.array, *remembered: mx.array) -> list[mx.array]:
        options = (self.momentum, self.weight_decay, self.nesterov, self.ns_steps)
        return _optim.muon(parameter, gradient, *remembered, self.learning_rate, *options)


class Adafactor(Optimizer):
    """Adam with the squares of a matrix kept as those of its rows and columns, and steps relative to the parameter
    (Shazeer and Stern, 2018). Without a learning rate, it makes its own."""

    def __init__(
        self,
        learning_rate: Rate | None = None,
        eps: tuple[float, float] = (1e-30, 1e-3),
        clip_threshold: float = 1.0,
        decay_rate: float = -0.8,
        beta_1: float | None = None,
        weight_decay: float = 0.0,
        scale_parameter: bool = True,
        relative_step: bool = True,
        warmup_init: bool = False,
    ) -> None:
        super().__init__()
        if learning_rate is None and not relative_step:
            raise ValueError("[Adafactor] needs a learning rate, or relative_step=True")
        if learning_rate is not None:
            self._schedule("learning_rate", learning_rate)
        self.eps = eps
        self.clip_threshold = clip_threshold
        self.decay_rate = decay_rate
        self.beta_1 = beta_1
        self.weight_decay = weight_decay
        self.scale_parameter = scale_parameter
        self.relative_step = relative_step
        self.warmup_init = warmup_init

    @staticmethod
    def _second(parameter: mx.array) -> tuple[str, ...]:
        return ("exp_avg_sq_row", "exp_avg_sq_col") if parameter.ndim >= 2 else ("exp_avg_sq",)

    def init_single(self, parameter: mx.array, state: State) -> None:
        if parameter.ndim >= 2:
            *leading, rows, columns = parameter.shape
            state["exp_avg_sq_row"] = mx.zeros([*leading, rows], dtype=parameter.dtype)
            state["exp_avg_sq_col"] = mx.zeros([*leading, columns], dtype=parameter.dtype)
        else:
            state["exp_avg_sq"] = mx.zeros_like(parameter)
        if self.beta_1 is not None:
            state["exp_avg"] = mx.zeros_like(parameter)

    def apply_single(self, gradient: mx.array, parameter: mx.array, state: State) -> mx.array:
        names = self._second(parameter) + (("exp_avg",) if self.beta_1 is not None else ())
        parameter, *now = _optim.adafactor(
            parameter,
            gradient,
            [state[name] for name in self._second(parameter)],
            state.get("exp_avg"),
            None if self.relative_step else self.learning_rate,
            self.step,
            self.eps,
            self.clip_threshold,
            self.decay_rate,
            self.beta_1 or 0.0,
            self.weight_decay,
            self.scale_parameter,
            self.warmup_init,
        )
        state.update(zip(names, now))
        return parameter


class MultiOptimizer(Optimizer):
    """Several optimizers, each for some of the parameters: the first whose filter(path, gradient) is true, else the
    last one, which has no filter.

        optimizer = optim.MultiOptimizer(
            [optim.Muon(1e-2), optim.AdamW(1e-3)], [lambda path, g: g.ndim == 2 and "embed" not in path]
        )
    """

    def __init__(
        self, optimizers: list[Optimizer], filters: Sequence[Callable[[str, mx.array], bool]] = ()
    ) -> None:
        super().__init__()
        self._state = {}
        if len(filters) != len(optimizers) - 1:
            raise ValueError(
                f"[MultiOptimizer] {len(optimizers)} optimizers take {len(optimizers) - 1} filters, not {len(filters)}"
            )
        self.optimizers = optimizers
        self.filters = filters

    def _parts(self, gradients: Any) -> list[Any]:
        """The tree in as many trees as there are optimizers; None where an optimizer has nothing."""
        parts: list[list[tuple[str, Any]]] = [[] for _ in self.optimizers]
        for path, gradient in tree_flatten(gradients):
            chosen = next(
                (i for i, fits in enumerate(self.filters) if fits(path, gradient)), len(self.filters)
            )
            parts[chosen].append((path, gradient))
        return [tree_unflatten(part) if part else None for part in parts]  # lists have empty dicts as holes

    def init(self, parameters: Any) -> None:
        for optimizer, part in zip(self.optimizers, self._parts(parameters)):
            if part is not None:
                optimizer.init(part)
        self._initialized = True

    def apply_gradients(self, gradients: Any, parameters: Any) -> Any:
        changed: Any = {}
        for optimizer, part in zip(self.optimizers, self._parts(gradients)):
            if part is not None:
                changed = tree_merge(changed, optimizer.apply_gradients(part, parameters))
        return changed

    @property
    def state(self) -> State:
        return {"states": [optimizer.state for optimizer in self.optimizers]}

    @state.setter
    def state(self, state: State) -> None:
        if len(state.get("states", ())) != len(self.optimizers):
            raise ValueError(f"[MultiOptimizer] the state is not one of {len(self.optimizers)} optimizers")
        for optimizer, own in zip(self.optimizers, state["states"]):
            optimizer.state = own

    @property
    def learning_rate(self) -> mx.array:
        """That of the first."""
        return self.optimizers[0].learning_rate

    @learning_rate.setter
    def learning_rate(self, rate: float | mx.array) -> None:
        for optimizer in self.optimizers:
            optimizer.learning_rate = rate


def clip_grad_norm(grads: Any, max_norm: float) -> tuple[Any, mx.array]:
    """The gradients, scaled so that the norm of all together is at most `max_norm`; and the norm that it was."""
    squares = tree_reduce(lambda total, g: total + mx.sum(mx.square(g)), grads, mx.array(0.0))
    norm = mx.sqrt(squares)
    scale = mx.minimum(max_norm / (norm + 1e-6), 1.0)
    return tree_map(lambda g: g * scale.astype(g.dtype), grads), norm
