"""Operations inside transforms and among other operations: the same results as alone."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from tests.runner import dtypes, layouts
from tests.runner.cases import Case, Prepared
from tests.runner.compare import Failure, Pass, compare_values, same_bits
from tests.runner.dtypes import INFO
from tests.runner.module import mx, on
from tests.runner.record import Input, Record

_BATCH = 3


def vmap(record: Record, case: Case) -> None:
    """A mapped call is the loop over its batch, whichever inputs have one and at whichever axis."""
    calls = [Prepared(record, case, record.samples, variant=variant) for variant in range(_BATCH)]
    shapes = [repr(prepared.call) for prepared in calls]
    if len(set(shapes)) > 1 or not calls[0].inputs:
        raise Pass
    rng = case.rng("axes")
    axes = [_batch_axis(rng, leaf) for leaf in calls[0].inputs]
    if all(axis is None for axis in axes):
        axes[int(rng.integers(len(axes)))] = 0
    with on(case.device):
        arrays = [
            calls[0].arrays()[index]
            if axis is None
            else _stacked([c.inputs[index] for c in calls], axis, case.layout)
            for index, axis in enumerate(axes)
        ]
        mapped = mx.vmap(calls[0].function, in_axes=tuple(axes))(*arrays)
        mx.eval(mapped)
        for b, prepared in enumerate(calls):
            single = [
                first if axis is None else own
                for first, own, axis in zip(calls[0].inputs, prepared.inputs, axes)
            ]
            prepared.inputs = single
            wanted = prepared.function(*prepared.arrays())
            mx.eval(wanted)
            _compare_row(record, prepared, mapped, wanted, b, axes)


def _batch_axis(rng: np.random.Generator, leaf: Input) -> int | None:
    places = [None, 0, 0, -1, *range(len(leaf.shape) + 1)]
    return places[int(rng.integers(len(places)))]


def _stacked(parts: list[Input], axis: int, layout: str):
    return layouts.build(parts[0].replaced(np.stack([part.values for part in parts], axis)), layout)


def _compare_row(record: Record, prepared: Prepared, mapped: list, wanted: list, b: int, axes: list) -> None:
    """Row b of the mapped results against the results of one call, within the record's tolerance.

    Both are rounded: where sums are made in another order, a tie of a 16-bit type may fall to either side.
    """
    tolerance = record.tolerance
    if tolerance.ulp:
        tolerance = replace(tolerance, roundings=2 * tolerance.roundings)
    scales = record.scale(prepared.call.with_inputs(prepared.inputs)) or [None] * len(wanted)
    for whole, one, scale in zip(mapped, wanted, scales):
        dtype = dtypes.name_of(one)
        if dtypes.name_of(whole) != dtype or tuple(whole.shape) != (_BATCH, *one.shape):
            came = f"{dtypes.name_of(whole)}{list(whole.shape)}"
            raise Failure(
                f"in_axes={tuple(axes)}: {came}, expected a batch of {_BATCH} of {dtype}{list(one.shape)}"
            )
        try:
            compare_values(dtypes.to_numpy(whole)[b], dtypes.to_numpy(one), dtype, tolerance, scale)
        except Failure as failure:
            raise Failure(f"in_axes={tuple(axes)}, example {b} against the loop: {failure}") from None


def compiled(record: Record, case: Case) -> None:
    """A compiled call has the bits of the eager one: when traced, and when called again with other values."""
    calls = [Prepared(record, case, record.samples, variant=variant) for variant in range(2)]
    with on(case.device):
        function = mx.compile(calls[0].function)
        for what, prepared in zip(("compiled", "compiled, called again"), (calls[0], calls[-1])):
            if repr(prepared.call) != repr(calls[0].call):
                continue
            arrays = prepared.arrays()
            results, eager = function(*arrays), calls[0].function(*arrays)
            mx.eval(results, eager)
            for result, wanted in zip(results, eager, strict=True):
                same_bits(result, wanted, what)


def fused(record: Record, case: Case) -> None:
    """Among other operations, evaluated at once, the results have the bits of evaluating after each step."""
    prepared = Prepared(record, case, record.samples)

    def program(step: Callable) -> list:
        rng, kept = case.rng("chain"), []
        arrays = [_chain(rng, array, _BEFORE, 1, step) for array in prepared.arrays()]
        results = [step(result) for result in prepared.function(*arrays)]
        for result in results:
            last = _chain(rng, result, _AFTER, 3, step)
            kept.append(last)
            if rng.random() < 0.5:  # the operation's own result is an output too
                kept.append(result)
            if rng.random() < 0.3 and last.size:
                kept.append(step(mx.sum(last)))
        return kept

    def evaluated(array):
        mx.eval(array)
        return array

    with on(case.device):
        at_once = program(lambda array: array)
        mx.eval(at_once)
        one_by_one = program(evaluated)
    for result, wanted in zip(at_once, one_by_one, strict=True):
        same_bits(result, wanted, "evaluated at once, against step by step")


def _like(array, value):
    return mx.array(value, dtype=array.dtype)


# Steps before the operation leave the values as they are, so that they stay in its domain.
_BEFORE = {
    "f": [
        lambda x: x * _like(x, 1),
        lambda x: mx.negative(-x),
        lambda x: mx.where(x == x, x, _like(x, 0) + x),
    ],
    "c": [lambda x: x * _like(x, 1), lambda x: mx.negative(-x)],
    "i": [lambda x: x + _like(x, 0), lambda x: mx.negative(-x), lambda x: x ^ _like(x, 0)],
    "u": [lambda x: x + _like(x, 0), lambda x: x | _like(x, 0)],
    "b": [lambda x: mx.logical_not(mx.logical_not(x)), lambda x: mx.where(x, _like(x, True), x)],
}
_AFTER = {
    "f": [
        mx.abs,
        lambda y: y * _like(y, 0.3) + _like(y, 1),
        lambda y: mx.maximum(y, _like(y, 0.25)),
        lambda y: mx.where(y > _like(y, 0), y, y * y),
        lambda y: y.astype(mx.float16) + _like(y, 0.7).astype(mx.float16),
        lambda y: y.astype(mx.bfloat16) * _like(y, 1.1).astype(mx.bfloat16),
        lambda y: y.astype(mx.float32) / _like(y, 3).astype(mx.float32),
    ],
    "c": [lambda y: y * _like(y, 0.3) + _like(y, 1j), mx.conjugate, lambda y: mx.abs(y)],
    "i": [lambda y: y + _like(y, 3), lambda y: y.astype(mx.float32) * 0.1, lambda y: y ^ _like(y, 5), mx.abs],
    "u": [lambda y: y + _like(y, 3), lambda y: y.astype(mx.float16) * 0.1, lambda y: y & _like(y, 5)],
    "b": [mx.logical_not, lambda y: y.astype(mx.int32) + 1, lambda y: mx.where(y, 0.5, -1.5)],
}


def _chain(rng: np.random.Generator, array, table: dict, longest: int, step: Callable):
    for _ in range(int(rng.integers(longest + 1))):
        choices = table[INFO[dtypes.name_of(array)].kind]
        array = step(choices[int(rng.integers(len(choices)))](array))
    return array
