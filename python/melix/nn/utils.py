"""Derivatives with respect to the parameters of a module, checkpoints, averages over processes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import melix.core as mx
from melix.nn.module import Module
from melix.utils import tree_flatten, tree_map, tree_unflatten

__all__ = ["average_gradients", "checkpoint", "clip_grad_norm_sharded", "value_and_grad"]


def value_and_grad(model: Module, fn: Callable[..., Any]) -> Callable[..., Any]:
    """A function with the arguments of `fn` that gives its value and the gradients with respect to the trainable
    parameters of the model, a tree like model.trainable_parameters().

        loss_and_grad = nn.value_and_grad(model, loss)
        value, gradients = loss_and_grad(x, y)
    """

    def of_parameters(parameters: Any, *args: Any, **kwargs: Any) -> Any:
        model.update(parameters)
        return fn(*args, **kwargs)

    transformed = mx.value_and_grad(of_parameters)

    @functools.wraps(fn)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        parameters = model.trainable_parameters()
        try:
            return transformed(parameters, *args, **kwargs)
        finally:
            model.update(parameters)  # not the tracers

    return wrapped


def checkpoint(module: Module, fn: Callable[..., Any] | None = None) -> Callable[..., Any]:
    """The module's call (or `fn`), whose intermediate values are computed again for the gradient instead of kept."""
    fn = module.__call__ if fn is None else fn

    @mx.checkpoint
    def of_parameters(parameters: Any, *args: Any, **kwargs: Any) -> Any:
        model_parameters = module.trainable_parameters()
        module.update(parameters)
        try:
            return fn(*args, **kwargs)
        finally:
            module.update(model_parameters)

    @functools.wraps(fn)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return of_parameters(module.trainable_parameters(), *args, **kwargs)

    return wrapped


def average_gradients(
    gradients: Any,
    group: Any = None,
    all_reduce_size: int = 32 * 1024**2,
    communication_stream: Any = None,
) -> Any:
    """The gradients averaged over the processes of a group, in messages of about `all_reduce_size` bytes."""
    group = group or mx.distributed.init()
    size = group.size()
    if size == 1:
        return gradients
    mean = functools.partial(_mean, group=group, stream=communication_stream)
    if all_reduce_size <= 0:
        return tree_map(mean, gradients)
    flat = tree_flatten(gradients)
    averaged = []
    batch: list[tuple[str, mx.array]] = []
    for i, (name, value) in enumerate(flat):
        batch.append((name, value))
        full = sum(v.nbytes for _, v in batch) >= all_reduce_size
        if full or i + 1 == len(flat) or flat[i + 1][1].dtype != value.dtype:
            averaged += _mean_of_batch(batch, mean)
            batch = []
    return tree_unflatten(averaged)


def _mean(value: mx.array, group: Any, stream: Any) -> mx.array:
    return mx.distributed.all_sum(value, group=group, stream=stream) / group.size()


def _mean_of_batch(
    batch: list[tuple[str, mx.array]], mean: Callable[[mx.array], mx.array]
) -> list[tuple[str, mx.array]]:
    """One message for all arrays of the batch."""
    joined = mean(mx.concatenate([value.reshape(-1) for _, value in batch]))
    out, start = [], 0
    for name, value in batch:
        out.append((name, joined[start : start + value.size].reshape(value.shape)))
        start += value.size
    return out


def clip_grad_norm_sharded(gradients: Any, max_norm: float, group: Any = None) -> tuple[Any, mx.array]:
    """Gradients of which each process of the group has a part, scaled so that the norm of the whole is at most
    `max_norm`; and that norm."""
    group = group or mx.distributed.init()
    squares = sum(
        (mx.sum(mx.square(g.astype(mx.float32))) for _, g in tree_flatten(gradients)), start=mx.array(0.0)
    )
    norm = mx.sqrt(mx.distributed.all_sum(squares, group=group))
    scale = mx.minimum(max_norm / (norm + 1e-6), 1.0)
    return tree_map(lambda g: g * scale.astype(g.dtype), gradients), norm
